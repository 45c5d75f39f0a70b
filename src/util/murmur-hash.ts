/**
 * MurmurHash64A (Austin Appleby's MurmurHash2 for 64 bits), in two halves of 32 bits: the same numbers as
 * Redis computes for the elements of a HyperLogLog, without BigInt.
 */

const MULTIPLIER_HIGH = 0xc6a4a793 | 0;
const MULTIPLIER_LOW = 0x5bd1e995;
const MULTIPLIER_LOW_0 = MULTIPLIER_LOW & 0xffff;
const MULTIPLIER_LOW_1 = MULTIPLIER_LOW >>> 16;

/** A 64-bit hash; both halves as int32. */
export class MurmurHash {
  high = 0;
  low = 0;

  /** Hashes the range. */
  hash(bytes: Uint8Array, start: number, end: number, seed: number): void {
    this.high = 0;
    this.low = end - start;
    this.#multiply();
    this.low ^= seed;

    const blocksEnd = end - ((end - start) & 7);
    for (let i = start; i < blocksEnd; i += 8) {
      const { high, low } = this;
      this.low = readWord(bytes, i);
      this.high = readWord(bytes, i + 4);
      this.#multiply();
      this.#fold();
      this.#multiply();
      this.low ^= low;
      this.high ^= high;
      this.#multiply();
    }

    if (blocksEnd < end) {
      for (let i = blocksEnd; i < end; i++) {
        const shift = (i - blocksEnd) * 8;
        if (shift < 32) this.low ^= bytes[i]! << shift;
        else this.high ^= bytes[i]! << (shift - 32);
      }
      this.#multiply();
    }
    this.#fold();
    this.#multiply();
    this.#fold();
  }

  /** h *= multiplier, modulo 2^64. */
  #multiply(): void {
    const { low } = this;
    const low0 = low & 0xffff;
    const low1 = low >>> 16;
    const cross0 = Math.imul(low0, MULTIPLIER_LOW_1);
    const cross1 = Math.imul(low1, MULTIPLIER_LOW_0);
    const middle = (Math.imul(low0, MULTIPLIER_LOW_0) >>> 16) + (cross0 & 0xffff) + (cross1 & 0xffff);
    const carried = Math.imul(low1, MULTIPLIER_LOW_1) + (cross0 >>> 16) + (cross1 >>> 16) + (middle >>> 16);
    this.high = (carried + Math.imul(low, MULTIPLIER_HIGH) + Math.imul(this.high, MULTIPLIER_LOW)) | 0;
    this.low = Math.imul(low, MULTIPLIER_LOW);
  }

  /** h ^= h >> 47. */
  #fold(): void {
    this.low ^= this.high >>> 15;
  }
}

function readWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
