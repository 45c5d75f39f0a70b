/**
 * When a thread that has died is started again: at once if it had run for long, or else after a pause, which
 * doubles from one early death to the next. So what makes it die each time costs neither the processor nor
 * the log.
 */

/** Who has run for so long is not thought to die of its start. */
export const STEADY_MILLIS = 60_000;
export const PAUSE_MILLIS_MIN = 100;
export const PAUSE_MILLIS_MAX = 30_000;

export class Restarts {
  readonly #now: () => number;
  readonly #startedAt = new Map<number, number>();
  readonly #pauses = new Map<number, number>();

  /** @param now a time in ms */
  constructor(now: () => number) {
    this.#now = now;
  }

  started(thread: number): void {
    this.#startedAt.set(thread, this.#now());
  }

  ended(thread: number): void {
    const lived = this.#now() - (this.#startedAt.get(thread) ?? 0);
    const doubled = Math.max(PAUSE_MILLIS_MIN, this.pauseMillis(thread) * 2);
    this.#pauses.set(thread, lived >= STEADY_MILLIS ? 0 : Math.min(PAUSE_MILLIS_MAX, doubled));
  }

  /** How long to wait before the thread is started; 0 for the first time. */
  pauseMillis(thread: number): number {
    return this.#pauses.get(thread) ?? 0;
  }
}
