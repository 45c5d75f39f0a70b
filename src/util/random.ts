/**
 * Where chance comes from: a parameter of everything that needs it, so that tests can repeat what happened.
 */
import { randomBytes } from 'node:crypto';

export interface RandomSource {
  /** An integer in [0, 2^32). */
  nextUint32(): number;
  /** A number in [0, 1) with 53 random bits. */
  nextFloat(): number;
}

/**
 * xoshiro128** by Blackman and Vigna (https://prng.di.unimi.it): fast and well distributed, not for secrets.
 */
export class Xoshiro128 implements RandomSource {
  #s0: number;
  #s1: number;
  #s2: number;
  #s3: number;

  /** Four 32-bit words of state that must not all be zero. */
  constructor(state: Uint32Array) {
    this.#s0 = state[0]! | 0;
    this.#s1 = state[1]! | 0;
    this.#s2 = state[2]! | 0;
    this.#s3 = state[3]! | 0;
    if ((this.#s0 | this.#s1 | this.#s2 | this.#s3) === 0) this.#s0 = 1;
  }

  nextUint32(): number {
    const scrambled = Math.imul(this.#s1, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9);
    const shifted = this.#s1 << 9;
    this.#s2 ^= this.#s0;
    this.#s3 ^= this.#s1;
    this.#s1 ^= this.#s2;
    this.#s0 ^= this.#s3;
    this.#s2 ^= shifted;
    this.#s3 = (this.#s3 << 11) | (this.#s3 >>> 21);
    return result >>> 0;
  }

  nextFloat(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }
}

/** A source that differs in every process and thread. */
export function systemRandom(): RandomSource {
  return new Xoshiro128(Uint32Array.from({ length: 4 }, () => randomBytes(4).readUInt32LE()));
}

/** The same sequence for the same seed, for tests. */
export function seededRandom(seed: number): RandomSource {
  // SplitMix32 turns neighbouring seeds into unrelated states.
  let word = seed | 0;
  const nextWord = (): number => {
    word = (word + 0x9e3779b9) | 0;
    let mixed = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return mixed ^ (mixed >>> 15);
  };
  return new Xoshiro128(Uint32Array.from({ length: 4 }, nextWord));
}

/** `byteCount` bytes from the operating system in hexadecimal; a run id is `randomHex(20)`. */
export function randomHex(byteCount: number): string {
  return randomBytes(byteCount).toString('hex');
}
