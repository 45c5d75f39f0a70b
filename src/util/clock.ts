// Node's global of that name is a getter, which takes as long as the clock itself.
import { performance } from 'node:perf_hooks';

/** Where time comes from: a parameter of everything that needs it, so that tests decide what time it is. */
export interface Clock {
  /** Milliseconds since 1970, as expiry times are stored. May jump when the system clock is set. */
  wallMillis(): number;
  /** The same in microseconds: TIME shows it. */
  wallMicros(): number;
  /**
   * Microseconds since some fixed moment, the same for all threads of the process; never goes back. For
   * durations.
   */
  monotonicMicros(): number;
}

/** Two readings of the same clock may be that far apart. */
const WALL_DRIFT_MICROS_MAX = 2000;

/** Each thread has its own beginning of time. */
const TIME_ORIGIN_MILLIS = performance.timeOrigin;

export const systemClock: Clock = {
  wallMillis: () => Date.now(),
  wallMicros: () => {
    // The monotonic clock has the microseconds, but knows nothing of a system clock that was set since the
    // start.
    const micros = Math.floor((performance.timeOrigin + performance.now()) * 1000);
    const coarse = Date.now() * 1000;
    return Math.abs(micros - coarse) < WALL_DRIFT_MICROS_MAX ? micros : coarse;
  },
  monotonicMicros: () => Math.floor((TIME_ORIGIN_MILLIS + performance.now()) * 1000),
};

/** A clock that stands still until it is moved. */
export class ManualClock implements Clock {
  #wallMillis: number;
  #monotonicMicros = 0;

  constructor(wallMillis = 0) {
    this.#wallMillis = wallMillis;
  }

  wallMillis(): number {
    return this.#wallMillis;
  }

  wallMicros(): number {
    return this.#wallMillis * 1000;
  }

  monotonicMicros(): number {
    return this.#monotonicMicros;
  }

  /** Lets `millis` pass on both scales. */
  advance(millis: number): void {
    this.#wallMillis += millis;
    this.#monotonicMicros += millis * 1000;
  }

  /** Sets the system time, as an administrator would: no time passes on the monotonic scale. */
  setWall(millis: number): void {
    this.#wallMillis = millis;
  }
}
