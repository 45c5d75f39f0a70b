/** Random choices that a printed seed repeats exactly. */

/** A generator with a 32-bit state (mulberry32): small, fast, and the same on every platform. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A seed nobody chose, for runs that print it. */
  static newSeed(): number {
    return Math.floor(Math.random() * 2 ** 32);
  }

  /** An unsigned 32-bit integer. */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** A number in [0, 1). */
  fraction(): number {
    return this.uint32() / 2 ** 32;
  }

  /** An integer from low to high, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.fraction() * (high - low + 1));
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error('nothing to pick from');
    return items[this.integer(0, items.length - 1)] as T;
  }

  /** An item by weight. */
  pickWeighted<T extends { readonly weight: number }>(items: readonly T[]): T {
    let left = this.fraction() * items.reduce((sum, item) => sum + item.weight, 0);
    for (const item of items) {
      left -= item.weight;
      if (left < 0) return item;
    }
    return this.pick(items);
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let index = 0; index < length; index += 1) bytes[index] = this.uint32() & 0xff;
    return bytes;
  }

  /** Cuts bytes at random places into one or more pieces. */
  cut(bytes: Buffer, piecesMax: number): Buffer[] {
    const cuts = new Set<number>();
    for (let count = this.integer(0, piecesMax - 1); count > 0; count -= 1) {
      cuts.add(this.integer(0, bytes.length));
    }
    const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
    return edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
  }
}
