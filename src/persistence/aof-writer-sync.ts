/**
 * When the append-only file is written and synced (Redis 7.0 aof.c, flushAppendOnlyFile):
 *
 *     always     with every flush, before replies leave
 *     everysec   in another thread, once a second; a write waits up to 2 s while that goes on, for Linux
 *                would block it anyway. So about 2 s of writes are at risk in the worst case
 *     no         when the operating system likes
 */
import type { Clock } from '../util/clock.ts';
import { NO_TIME, type SharedLog } from './aof-writer-shared.ts';
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

/** The schedule of all threads: when the last sync was, and since when a write has waited, is shared. */
export class SyncSchedule {
  policy: FsyncPolicy;
  readonly #clock: Clock;
  readonly #shared: SharedLog;

  constructor(policy: FsyncPolicy, clock: Clock, shared: SharedLog) {
    this.policy = policy;
    this.#clock = clock;
    this.#shared = shared;
    if (shared.double('lastSync') === 0) shared.setDouble('lastSync', clock.monotonicMicros());
  }

  /** Flushes that went on although a sync was still running: INFO aof_delayed_fsync. */
  get delayedCount(): number {
    return this.#shared.double('delayedSyncs');
  }

  /** Whether a write should wait for the sync that is running. */
  shouldPostpone(isSyncing: boolean): boolean {
    const shared = this.#shared;
    if (this.policy !== 'everysec' || !isSyncing) {
      shared.setDouble('postponedSince', NO_TIME);
      return false;
    }
    const now = this.#clock.monotonicMicros();
    if (shared.double('postponedSince') === NO_TIME) shared.setDouble('postponedSince', now);
    if (now - shared.double('postponedSince') < POSTPONE_MICROS_MAX) return true;
    shared.setDouble('postponedSince', NO_TIME);
    shared.setDouble('delayedSyncs', shared.double('delayedSyncs') + 1);
    return false;
  }

  /** Whether a background sync is due. The caller starts one if so. */
  takeBackgroundTurn(): boolean {
    const now = this.#clock.monotonicMicros();
    if (this.policy !== 'everysec' || now - this.#shared.double('lastSync') < SYNC_INTERVAL_MICROS) {
      return false;
    }
    this.#shared.setDouble('lastSync', now);
    return true;
  }
}
