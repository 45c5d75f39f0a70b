/**
 * The periodic duties (Redis: serverCron, databasesCron), ten times a second; while one of them has more to
 * do than fits its slice, every few milliseconds. Each duty is bounded, so that no client waits for them
 * noticeably.
 */
import { Compaction } from '../keyspace/compaction.ts';
import { activeExpireCycle } from '../keyspace/expiry-cycle.ts';
import { STATE_ACTIVE_EXPIRE_OFF, STATE_NEXT_CRON } from '../engine/shared-state.ts';
import type { ReleasePages } from '../memory/allocator.ts';
import { timed } from '../util/event-timer.ts';
import { StateLog } from './state-log.ts';
import type { ThreadParts } from './thread-parts.ts';

/** What one duty may take of one round. */
const SLICE_MICROS_MAX = 1000;
/**
 * While there is more to do the duties take a slice, and leave the thread alone for about three times as
 * long.
 */
const BUSY_PAUSE_MILLIS = 4;
const REHASH_GROUPS_PER_LOOK = 100;
/** Free memory that is kept for what comes next, at least and as a share of the spans in use. */
const KEPT_FREE_BYTES = 2 * 1024 * 1024;
const KEPT_FREE_RATIO = 0.02;
/** Released in one round: a madvise of that much stays under a millisecond. */
const RELEASE_BYTES_MAX = 4 * 1024 * 1024;

export class Duties {
  readonly #parts: ThreadParts;
  readonly #releasePages: ReleasePages;
  readonly #compaction: Compaction;
  readonly #stateLog: StateLog;
  #nextSample = 0;

  constructor(parts: ThreadParts, releasePages: ReleasePages) {
    this.#parts = parts;
    this.#releasePages = releasePages;
    this.#compaction = new Compaction(parts.keyspace);
    this.#stateLog = new StateLog(parts);
  }

  /** When the next round is due, Unix time in ms. */
  get nextMillis(): number {
    return this.#parts.allocator.arena.counters[STATE_NEXT_CRON]!;
  }

  /** One round, under the lock. */
  run(): void {
    const { clock, statistics, allocator, config, engine } = this.#parts;
    const now = clock.wallMillis();
    statistics.add('cronRuns', 1);
    if (now >= this.#nextSample) {
      statistics.sample(now);
      this.#nextSample = now + 100;
    }

    this.#stateLog.tick(now);

    // What is being loaded is left alone.
    const hasMore = !engine.isLoading && this.#tidy();

    const period = hasMore ? BUSY_PAUSE_MILLIS : Math.floor(1000 / config.values.hz);
    allocator.arena.counters[STATE_NEXT_CRON] = clock.wallMillis() + period;
  }

  /** Everything that takes longer the more data there is. True when a duty has more to do. */
  #tidy(): boolean {
    return [
      this.#expire(),
      this.#evict(),
      this.#rehash(),
      this.#parts.keyspace.dismantleDetached(this.#slice()),
      this.#compact(),
      this.#release(),
    ].includes(true);
  }

  /** Says stop when the slice is over. */
  #slice(): () => boolean {
    const end = this.#parts.clock.monotonicMicros() + SLICE_MICROS_MAX;
    return () => this.#parts.clock.monotonicMicros() >= end;
  }

  #expire(): boolean {
    const { keyspace, allocator, clock, config, timer } = this.#parts;
    if (allocator.arena.control[STATE_ACTIVE_EXPIRE_OFF] !== 0 || !keyspace.mayDeleteExpired) return false;
    const effort = config.values['active-expire-effort'];
    return timed(timer, 'expire-cycle', () =>
      activeExpireCycle(keyspace, { budgetMicros: SLICE_MICROS_MAX, clock, effort }),
    );
  }

  /** Goes on making room, where commands have left off or the limit was lowered. */
  #evict(): boolean {
    return this.#parts.engine.memoryLimit.enforce() === 'evicting';
  }

  #rehash(): boolean {
    if (!this.#parts.config.values.activerehashing) return false;
    const isOver = this.#slice();
    for (const { table } of this.#parts.keyspace.databases) {
      while (table.rehashGroups(REHASH_GROUPS_PER_LOOK)) {
        if (isOver()) return true;
      }
    }
    return false;
  }

  #compact(): boolean {
    return timed(
      this.#parts.timer,
      'active-defrag-cycle',
      () => this.#compaction.startIfWorthwhile() && this.#compaction.step(this.#slice()),
    );
  }

  #release(): boolean {
    const { allocator } = this.#parts;
    const keep = KEPT_FREE_BYTES + allocator.spanBytes * KEPT_FREE_RATIO;
    if (allocator.freeDirtyBytes <= keep) return false;
    return allocator.release(this.#releasePages, keep, RELEASE_BYTES_MAX) > 0;
  }
}
