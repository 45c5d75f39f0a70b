/**
 * The 80-bit floating point of x86 (64 bits of mantissa), in which INCRBYFLOAT and HINCRBYFLOAT compute. A
 * double would print other digits: 0.1 + 0.2 is 0.3 here.
 */
import { readFloatLiteral, roundBinary, roundLiteral, shiftRightRounded } from './big-float.ts';
import type { BinaryFloat, BinaryFormat } from './big-float.ts';
import { toLatin1 } from './bytes.ts';

/**
 * A finite value is `mantissa * 2^exponent`, the mantissa signed. Zero has no sign: Redis never prints one.
 */
export type LongDouble = BinaryFloat | 'inf' | '-inf' | 'nan';

const EXTENDED: BinaryFormat = { precision: 64, exponentMin: -16445, exponentMax: 16383 };

/** MAX_LONG_DOUBLE_CHARS of Redis, less the zero byte behind the text. */
const LONG_DOUBLE_CHARS_MAX = 5 * 1024 - 1;

const FRACTION_DIGITS = 17;
const FRACTION_SCALE = 10n ** BigInt(FRACTION_DIGITS);

function withSign(magnitude: BinaryFloat | undefined, negative: boolean): LongDouble {
  if (magnitude === undefined) return negative ? '-inf' : 'inf';
  return negative ? { mantissa: -magnitude.mantissa, exponent: magnitude.exponent } : magnitude;
}

/**
 * All of the range as a long double (Redis 7.0 util.c, string2ld). Undefined for what is no numeral, starts
 * with a space, is too long, NaN, too large for the format, or so small that it would become zero.
 */
export function parseLongDouble(buffer: Uint8Array, start: number, end: number): LongDouble | undefined {
  if (end - start > LONG_DOUBLE_CHARS_MAX) return undefined;
  const literal = readFloatLiteral(toLatin1(buffer, start, end));
  if (literal === undefined || literal.kind === 'nan') return undefined;
  if (literal.kind === 'infinite') return literal.negative ? '-inf' : 'inf';

  const magnitude = roundLiteral(literal, EXTENDED);
  if (magnitude === undefined) return undefined;
  if (magnitude.mantissa === 0n && literal.digits !== 0n) return undefined;
  return withSign(magnitude, literal.negative);
}

/** The sum, rounded once, halves to even. */
export function addLongDouble(a: LongDouble, b: LongDouble): LongDouble {
  if (typeof a === 'string' || typeof b === 'string') return addSpecial(a, b);
  if (a.mantissa === 0n) return b;
  if (b.mantissa === 0n) return a;

  const exponent = Math.min(a.exponent, b.exponent);
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent));
  const negative = sum < 0n;
  return withSign(roundBinary({ mantissa: negative ? -sum : sum, exponent }, EXTENDED), negative);
}

function addSpecial(a: LongDouble, b: LongDouble): LongDouble {
  if (a === 'nan' || b === 'nan') return 'nan';
  if (typeof a !== 'string') return b;
  if (typeof b !== 'string') return a;
  return a === b ? a : 'nan';
}

/** `%.17Lf` without the zeros at its end (Redis 7.0 util.c, ld2string with LD_STR_HUMAN). */
export function formatLongDouble(value: LongDouble): string {
  if (typeof value === 'string') return value;
  const negative = value.mantissa < 0n;
  const magnitude = (negative ? -value.mantissa : value.mantissa) * FRACTION_SCALE;
  const scaled = shiftRightRounded(magnitude, -value.exponent);
  if (scaled === 0n) return '0';

  const digits = scaled.toString().padStart(FRACTION_DIGITS + 1, '0');
  const whole = digits.slice(0, -FRACTION_DIGITS);
  const fraction = digits.slice(-FRACTION_DIGITS).replace(/0+$/, '');
  return (negative ? '-' : '') + (fraction === '' ? whole : `${whole}.${fraction}`);
}
