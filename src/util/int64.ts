/**
 * An int64 as two 32-bit halves: a scratch that is filled again and again, for where a BigInt for each value
 * would be too much.
 */
import { parseInt64, parseInteger, writeInteger } from './numbers.ts';

/** Longest decimal text of an int64. */
export const INT64_DIGITS_MAX = 20;
/** The shortest text of an integer beyond 2^53. */
const UNSAFE_DIGITS_MIN = 16;
const TWO_32 = 2 ** 32;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

export class Int64 {
  /** int32 */
  high = 0;
  /** int32: the lower 32 bits */
  low = 0;

  /**
   * Reads an integer in its canonical spelling (Redis 7.0 util.c, string2ll). False, and nothing changed,
   * when the text is anything else; most text is told by its first byte.
   */
  parse(bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (length === 0 || length > INT64_DIGITS_MAX) return false;
    const first = bytes[start]!;
    if (first > NINE || (first < ZERO && first !== MINUS)) return false;

    const value = parseInteger(bytes, start, end);
    if (!Number.isNaN(value)) {
      this.setNumber(value);
      return true;
    }
    const large = length >= UNSAFE_DIGITS_MIN ? parseInt64(bytes, start, end) : undefined;
    if (large === undefined) return false;
    this.high = Number(large >> 32n);
    this.low = Number(BigInt.asIntN(32, large));
    return true;
  }

  /** @param value a safe integer */
  setNumber(value: number): void {
    this.low = value | 0;
    this.high = this.low === value ? this.low >> 31 : Math.floor(value / TWO_32);
  }

  /** The value, NaN beyond ±(2^53 − 1). */
  toNumber(): number {
    const value = this.high * TWO_32 + (this.low >>> 0);
    return Number.isSafeInteger(value) ? value : Number.NaN;
  }

  /** Whether 32 bits are enough: `low` is the value then. */
  get isInt32(): boolean {
    return this.high === this.low >> 31;
  }

  /** Writes the value in decimal; returns the position behind. */
  write(target: Uint8Array, position: number): number {
    if (this.isInt32) return writeInteger(target, position, this.low);
    const value = this.toNumber();
    if (!Number.isNaN(value)) return writeInteger(target, position, value);
    const text = ((BigInt(this.high) << 32n) | BigInt(this.low >>> 0)).toString();
    for (let i = 0; i < text.length; i++) target[position + i] = text.charCodeAt(i);
    return position + text.length;
  }
}
