/**
 * When the append-only file is written and synced (Redis 7.0 aof.c, flushAppendOnlyFile):
 *
 *     always     with every flush, before replies leave
 *     everysec   in another thread, once a second; a write waits up to 2 s while that goes on, for Linux
 *                would block it anyway. So about 2 s of writes are at risk in the worst case
 *     no         when the operating system likes
 */
import type { Clock } from '../util/clock.ts';
import type { Descriptor, DiskError } from './disk.ts';

export type FsyncPolicy = 'always' | 'everysec' | 'no';

const SYNC_INTERVAL_MICROS = 1_000_000;
const POSTPONE_MICROS_MAX = 2_000_000;

/** Where fsync runs without holding up the caller: another thread. */
export interface BackgroundSync {
  /** Begins to sync; not called again before `poll` has told the outcome. */
  start(fd: Descriptor): void;
  /** How the last one is going. */
  poll(): 'running' | 'done' | DiskError;
}

export class SyncSchedule {
  policy: FsyncPolicy;
  /** Flushes that went on although a sync was still running: INFO aof_delayed_fsync. */
  delayedCount = 0;
  readonly #clock: Clock;
  #lastSyncMicros: number;
  #postponedSinceMicros: number | undefined;

  constructor(policy: FsyncPolicy, clock: Clock) {
    this.policy = policy;
    this.#clock = clock;
    this.#lastSyncMicros = clock.monotonicMicros();
  }

  /** Whether a write should wait for the sync that is running. */
  shouldPostpone(isSyncing: boolean): boolean {
    if (this.policy !== 'everysec' || !isSyncing) {
      this.#postponedSinceMicros = undefined;
      return false;
    }
    const now = this.#clock.monotonicMicros();
    this.#postponedSinceMicros ??= now;
    if (now - this.#postponedSinceMicros < POSTPONE_MICROS_MAX) return true;
    this.#postponedSinceMicros = undefined;
    this.delayedCount++;
    return false;
  }

  /** Whether a background sync is due. The caller starts one if so. */
  takeBackgroundTurn(): boolean {
    const now = this.#clock.monotonicMicros();
    if (this.policy !== 'everysec' || now - this.#lastSyncMicros < SYNC_INTERVAL_MICROS) return false;
    this.#lastSyncMicros = now;
    return true;
  }
}
