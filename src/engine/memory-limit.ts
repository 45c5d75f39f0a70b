/**
 * `maxmemory`: makes room by evicting keys, a little at a time (Redis 7.0 evict.c, performEvictions).
 *
 * It runs before each command, and as a periodic duty. One call takes half a millisecond at most by default:
 * when much is to go at once (a lower limit, one huge value), commands go on to be served meanwhile, and only
 * when nothing can go are those refused that need memory.
 *
 * Not counted is what making room makes grow: the buffer of the append-only file, which gets a DEL for each
 * key, and what a running snapshot is handed of the keys that go. Otherwise each key that went would be a
 * reason to evict another.
 */
import { Eviction } from '../keyspace/eviction.ts';
import type { EvictionPolicy } from '../keyspace/eviction.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Clock } from '../util/clock.ts';
import { timed } from '../util/event-timer.ts';
import { STATE_LOADING } from './shared-state.ts';
import type { Statistics } from './statistics.ts';

/**
 * Of one call: `within` the limit, above it and still `evicting`, or `exceeded` with nothing that could go.
 */
export type MemoryState = 'within' | 'evicting' | 'exceeded';

/** Keys between two looks at the clock. */
const KEYS_PER_LOOK = 16;
/** `maxmemory-eviction-tenacity`: up to this, so many microseconds for each; then 15 % more for each. */
const LINEAR_TENACITY_MAX = 10;
const MICROS_PER_TENACITY = 50;
const TENACITY_GROWTH = 1.15;
const TENACITY_MAX = 100;

export interface MemoryLimitSettings {
  readonly bytesMax: number;
  readonly policy: EvictionPolicy;
  readonly sampleCount: number;
  readonly tenacity: number;
}

export class MemoryLimit {
  readonly #keyspace: Keyspace;
  readonly #eviction: Eviction;
  readonly #statistics: Statistics;
  readonly #clock: Clock;
  #settings: MemoryLimitSettings = { bytesMax: 0, policy: 'noeviction', sampleCount: 5, tenacity: 10 };
  #microsMax = 0;
  /** Bytes that are used and do not count; set where they are known. */
  uncountedBytes: () => number = () => 0;

  constructor(parts: {
    readonly keyspace: Keyspace;
    readonly statistics: Statistics;
    readonly clock: Clock;
  }) {
    this.#keyspace = parts.keyspace;
    this.#eviction = new Eviction(parts.keyspace);
    this.#statistics = parts.statistics;
    this.#clock = parts.clock;
    parts.keyspace.hasRoomFor = (byteCount) =>
      this.#settings.bytesMax === 0 || this.#countedBytes + byteCount <= this.#settings.bytesMax;
  }

  configure(settings: MemoryLimitSettings): void {
    this.#settings = settings;
    this.#microsMax = microsOf(settings.tenacity);
  }

  /** Whether there is a limit, and more is in use: what is looked at before each command. */
  get isExceeded(): boolean {
    const { bytesMax } = this.#settings;
    return bytesMax > 0 && this.#keyspace.allocator.usedBytes > bytesMax;
  }

  /** Makes room, if it must and may. Under the lock, and not within a command. */
  enforce(): MemoryState {
    // While clients are paused nothing changes, and what is being loaded was in memory before.
    const isLoading = this.#keyspace.arena.control[STATE_LOADING] !== 0;
    if (!this.#keyspace.mayDeleteExpired || isLoading) return 'within';
    const state = this.isExceeded && this.#excessBytes > 0 ? this.#makeRoom() : 'within';
    this.#noteTime(state);
    return state;
  }

  #makeRoom(): MemoryState {
    if (this.#settings.policy === 'noeviction') return 'exceeded';
    return timed(this.#keyspace.timer, 'eviction-cycle', () => this.#evict());
  }

  #evict(): MemoryState {
    const { policy, sampleCount } = this.#settings;
    const deadline = this.#clock.monotonicMicros() + this.#microsMax;
    const isLate = (): boolean => this.#clock.monotonicMicros() > deadline;
    // First what no key refers to any more and only waits to be freed.
    const isEnough = (): boolean => this.#excessBytes <= 0 || isLate();
    timed(this.#keyspace.timer, 'eviction-lazyfree', () => {
      while (!isEnough() && this.#keyspace.dismantleDetached(isEnough));
    });
    for (let count = 1; this.#excessBytes > 0; count++) {
      if (!this.#eviction.evictOne(policy, sampleCount)) return this.#stateWithoutKeys();
      if (count % KEYS_PER_LOOK === 0 && isLate()) return 'evicting';
    }
    return 'within';
  }

  /** All keys that may go have gone; of some the values may still be about to be freed. */
  #stateWithoutKeys(): MemoryState {
    if (this.#countedBytes <= this.#settings.bytesMax) return 'within';
    return this.#keyspace.lazyPendingCount > 0 ? 'evicting' : 'exceeded';
  }

  /** What is to be said of a new limit, if there is anything (config.c, updateMaxmemory). */
  warningOf(bytesMax: number): string | undefined {
    if (bytesMax === 0 || this.#countedBytes <= bytesMax) return undefined;
    return (
      `WARNING: the new maxmemory value set via CONFIG SET (${bytesMax}) is smaller than the current ` +
      `memory usage (${this.#countedBytes}). This will result in key eviction and/or the inability to ` +
      'accept new write commands depending on the maxmemory-policy.'
    );
  }

  get #countedBytes(): number {
    return this.#keyspace.allocator.usedBytes - this.uncountedBytes();
  }

  /** Bytes that must go; room for a table that has become too small is among them. */
  get #excessBytes(): number {
    const excess = this.#countedBytes - this.#settings.bytesMax;
    if (this.#settings.policy === 'noeviction') return excess;
    let wanted = 0;
    for (const { table } of this.#keyspace.databases) wanted += table.wantedBytes;
    return excess + wanted;
  }

  /** How long the limit has been exceeded, for INFO. */
  #noteTime(state: MemoryState): void {
    const statistics = this.#statistics;
    const since = statistics.get('evictionExceededSince');
    if (state === 'within') {
      if (since === 0) return;
      statistics.add('evictionExceededMicros', this.#clock.monotonicMicros() - since);
      statistics.set('evictionExceededSince', 0);
    } else if (since === 0) {
      statistics.set('evictionExceededSince', this.#clock.monotonicMicros());
    }
  }
}

function microsOf(tenacity: number): number {
  if (tenacity >= TENACITY_MAX) return Infinity;
  const linear = Math.min(tenacity, LINEAR_TENACITY_MAX) * MICROS_PER_TENACITY;
  return Math.floor(linear * TENACITY_GROWTH ** Math.max(0, tenacity - LINEAR_TENACITY_MAX));
}
