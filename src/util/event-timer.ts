/**
 * Times what may hold others up and is no command: writing the append-only file, removing dead keys. Who does
 * such things is handed a timer, and knows nothing of the latency monitor behind it
 * (engine/latency-timer.ts).
 */

/** Events that are timed, by the names that Redis has for them. */
export const TIMED_EVENTS = [
  'active-defrag-cycle',
  'aof-fstat',
  'aof-fsync-always',
  'aof-rename',
  'aof-write',
  'aof-write-active-child',
  'aof-write-alone',
  'aof-write-pending-fsync',
  'eviction-cycle',
  'eviction-del',
  'eviction-lazyfree',
  'expire-cycle',
  'expire-del',
  'rdb-unlink-temp-file',
] as const;
export type TimedEvent = (typeof TIMED_EVENTS)[number];

export interface EventTimer {
  /** Now, µs; 0 while nobody wants to know, and then no clock is read. */
  start(): number;
  /** How long it is since `start`, µs; 0 when that is too little for a record. */
  elapsed(started: number): number;
  /**
   * Notes that an event took so long; nothing is noted of 0. Takes the store's lock, if this thread has not:
   * not to be called under a lock that is taken under the store's.
   */
  record(event: TimedEvent, micros: number): void;
}

export const NO_TIMER: EventTimer = { start: () => 0, elapsed: () => 0, record: () => {} };

/** Times an action, also one that fails. */
export function timed<Result>(timer: EventTimer, event: TimedEvent, action: () => Result): Result {
  const started = timer.start();
  try {
    return action();
  } finally {
    timer.record(event, timer.elapsed(started));
  }
}
