/**
 * The 24 bits in each entry that eviction and OBJECT IDLETIME / FREQ read, kept as Redis keeps them
 * (evict.c):
 *
 *     LRU policies   seconds, modulo 2^24
 *     LFU policies   | last decrement, minutes modulo 2^16 | logarithmic access counter, 8 bits |
 */
import type { RandomSource } from '../util/random.ts';

const CLOCK_MASK = 0xffffff;
const LFU_INITIAL = 5;

export class AccessClock {
  readonly #random: RandomSource;
  /** LFU instead of LRU; follows `maxmemory-policy`. */
  isLfu = false;
  lfuLogFactor = 10;
  lfuDecayMinutes = 1;
  #seconds = 0;
  /** The field of an access now, for an LRU policy. */
  #lru = 0;

  constructor(random: RandomSource) {
    this.#random = random;
  }

  /** Sets the time that following accesses are marked with. */
  setTime(wallMillis: number): void {
    this.#seconds = Math.floor(wallMillis / 1000);
    this.#lru = this.#seconds & CLOCK_MASK;
  }

  /** The field of a new entry. */
  initial(): number {
    return this.isLfu ? (this.#minutes() << 8) | LFU_INITIAL : this.#lru;
  }

  /** The field after an access. */
  touched(clock: number): number {
    if (!this.isLfu) return this.#lru;
    const counter = this.#decayed(clock);
    return (this.#minutes() << 8) | this.#incremented(counter);
  }

  /** The field of a key that was last used so long ago, for an LRU policy. */
  withIdleSeconds(seconds: number): number {
    return (this.#seconds - seconds) & CLOCK_MASK;
  }

  /** The field of a key with that access counter, 0 to 255, for an LFU policy. */
  withFrequency(counter: number): number {
    return (this.#minutes() << 8) | counter;
  }

  /** Seconds since the last access, for an LRU policy. */
  idleSeconds(clock: number): number {
    return (this.#seconds - clock) & CLOCK_MASK;
  }

  /** The access counter, decayed to now, for an LFU policy. */
  frequency(clock: number): number {
    return this.#decayed(clock);
  }

  #minutes(): number {
    return Math.floor(this.#seconds / 60) & 0xffff;
  }

  #decayed(clock: number): number {
    const elapsed = (this.#minutes() - (clock >>> 8)) & 0xffff;
    const periods = this.lfuDecayMinutes === 0 ? 0 : Math.floor(elapsed / this.lfuDecayMinutes);
    return Math.max(0, (clock & 0xff) - periods);
  }

  /** Counts an access with a probability that falls as the counter rises. */
  #incremented(counter: number): number {
    if (counter === 255) return 255;
    const base = Math.max(0, counter - LFU_INITIAL);
    return this.#random.nextFloat() < 1 / (base * this.lfuLogFactor + 1) ? counter + 1 : counter;
  }
}
