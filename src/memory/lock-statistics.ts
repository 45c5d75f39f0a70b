/**
 * What is known of a lock since the last reset, for all threads together: INFO shows it. Six doubles among
 * the lock's words, written only by the thread that holds it, so plain additions do; whoever reads them
 * holds it too. Times are in microseconds; a wait is counted when it has ended.
 */
const ACQUISITIONS = 0;
const CONTENDED = 1;
const WAIT = 2;
const LONGEST_WAIT = 3;
const HOLD = 4;
const LONGEST_HOLD = 5;
const DOUBLES = 6;
export const LOCK_STATISTICS_WORDS = DOUBLES * 2;

export class LockStatistics {
  readonly #values: Float64Array;

  /** @param base index of the first word, an even number */
  constructor(words: Int32Array, base: number) {
    this.#values = new Float64Array(words.buffer, words.byteOffset + base * 4, DOUBLES);
  }

  /** How often the lock was taken. */
  get acquisitions(): number {
    return this.#values[ACQUISITIONS]!;
  }

  /** How often somebody else had it at that moment. */
  get contended(): number {
    return this.#values[CONTENDED]!;
  }

  get waitMicros(): number {
    return this.#values[WAIT]!;
  }

  get longestWaitMicros(): number {
    return this.#values[LONGEST_WAIT]!;
  }

  get holdMicros(): number {
    return this.#values[HOLD]!;
  }

  get longestHoldMicros(): number {
    return this.#values[LONGEST_HOLD]!;
  }

  /** The lock was taken: hot, once per batch of commands. */
  acquired(): void {
    this.#values[ACQUISITIONS] = this.#values[ACQUISITIONS]! + 1;
  }

  /** Before it was taken, this thread had to wait that long. */
  waited(micros: number): void {
    const values = this.#values;
    values[CONTENDED] = values[CONTENDED]! + 1;
    values[WAIT] = values[WAIT]! + micros;
    if (micros > values[LONGEST_WAIT]!) values[LONGEST_WAIT] = micros;
  }

  /** The lock is about to be given back after that long. */
  held(micros: number): void {
    const values = this.#values;
    values[HOLD] = values[HOLD]! + micros;
    if (micros > values[LONGEST_HOLD]!) values[LONGEST_HOLD] = micros;
  }

  reset(): void {
    this.#values.fill(0);
  }
}
