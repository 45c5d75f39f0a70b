/**
 * Exact arithmetic behind the floating-point formats that JavaScript cannot read or does not have: the
 * grammar of C's strtod, and correct rounding of an exact value to a binary format. Values are `mantissa *
 * 2^exponent`.
 */

export interface BinaryFloat {
  readonly mantissa: bigint;
  readonly exponent: number;
}

/**
 * A binary format: bits of its mantissa, exponent of its smallest denormal, exponent of its largest power of
 * two.
 */
export interface BinaryFormat {
  readonly precision: number;
  readonly exponentMin: number;
  readonly exponentMax: number;
}

/** What a numeral says before it is rounded: `digits * base^exponent`, or one of the names. */
export type FloatLiteral =
  | { readonly kind: 'finite'; negative: boolean; digits: bigint; base: 2 | 10; exponent: number }
  | { readonly kind: 'infinite'; negative: boolean }
  | { readonly kind: 'nan' };

const DECIMAL = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:e([+-]?\d+))?$/i;
const HEXADECIMAL = /^([+-]?)0x(?:([\da-f]+)(?:\.([\da-f]*))?|\.([\da-f]+))(?:p([+-]?\d+))?$/i;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;
const NOT_A_NUMBER = /^[+-]?nan(?:\(\w*\))?$/i;

/**
 * Beyond this, no mantissa that fits an argument changes the outcome; it keeps exponents exact as numbers.
 */
const LITERAL_EXPONENT_MAX = 1e12;

/** Whether `text` is a decimal numeral in C's grammar; `Number` then reads it as strtod does. */
export function isDecimalFloat(text: string): boolean {
  return DECIMAL.test(text);
}

/** Reads all of `text` as strtod would, without leading spaces. Undefined when it is not a numeral. */
export function readFloatLiteral(text: string): FloatLiteral | undefined {
  const decimal = DECIMAL.exec(text);
  if (decimal !== null) return finiteLiteral(decimal, 10);
  const hexadecimal = HEXADECIMAL.exec(text);
  if (hexadecimal !== null) return finiteLiteral(hexadecimal, 2);
  const infinite = INFINITE.exec(text);
  if (infinite !== null) return { kind: 'infinite', negative: infinite[1] === '-' };
  return NOT_A_NUMBER.test(text) ? { kind: 'nan' } : undefined;
}

function finiteLiteral(match: RegExpExecArray, base: 2 | 10): FloatLiteral {
  const [, sign, whole = '', fractionAfterWhole = '', fractionAlone = '', exponentText = '0'] = match;
  const fraction = fractionAfterWhole + fractionAlone;
  const bound = LITERAL_EXPONENT_MAX;
  const exponent = Math.max(-bound, Math.min(bound, Number(exponentText)));
  return {
    kind: 'finite',
    negative: sign === '-',
    digits: BigInt((base === 2 ? '0x' : '') + whole + fraction),
    base,
    exponent: exponent - fraction.length * (base === 2 ? 4 : 1),
  };
}

/** Bits of a non-negative value, 0 for zero. */
export function bitLength(value: bigint): number {
  if (value === 0n) return 0;
  const hex = value.toString(16);
  return hex.length * 4 - Math.clz32(Number.parseInt(hex.charAt(0), 16)) + 28;
}

/**
 * `value / 2^bits`, rounded to the nearest integer, halves to even; `sticky` says that more was cut off
 * before.
 */
export function shiftRightRounded(value: bigint, bits: number, sticky = false): bigint {
  if (bits <= 0) return value << BigInt(-bits);
  const quotient = value >> BigInt(bits);
  const rest = value - (quotient << BigInt(bits));
  const half = 1n << BigInt(bits - 1);
  const roundsUp = rest > half || (rest === half && (sticky || (quotient & 1n) === 1n));
  return roundsUp ? quotient + 1n : quotient;
}

/**
 * The non-negative `mantissa * 2^exponent` (plus a little less than its last bit when `sticky`) in `format`,
 * halves to even. Undefined is infinity; what is too small becomes zero.
 */
export function roundBinary(
  { mantissa, exponent }: BinaryFloat,
  format: BinaryFormat,
  sticky = false,
): BinaryFloat | undefined {
  const length = bitLength(mantissa);
  if (length === 0 || length + exponent < format.exponentMin) return { mantissa: 0n, exponent: 0 };
  if (length + exponent > format.exponentMax + 1) return undefined;

  const lastBit = Math.max(length + exponent - format.precision, format.exponentMin);
  if (lastBit <= exponent) return { mantissa, exponent };
  const rounded = shiftRightRounded(mantissa, lastBit - exponent, sticky);
  if (bitLength(rounded) + lastBit > format.exponentMax + 1) return undefined;
  return { mantissa: rounded, exponent: lastBit };
}

/** The magnitude of a finite literal in `format`; undefined is infinity. */
export function roundLiteral(
  literal: FloatLiteral & { kind: 'finite' },
  format: BinaryFormat,
): BinaryFloat | undefined {
  const { digits, base, exponent } = literal;
  if (digits === 0n) return { mantissa: 0n, exponent: 0 };
  if (base === 2) return roundBinary({ mantissa: digits, exponent }, format);

  // 10^n lies between 2^(3n) and 2^(4n): far outside of the format there is no need to compute the power.
  const length = bitLength(digits);
  if (exponent > 0 && length + 3 * exponent > format.exponentMax + 2) return undefined;
  if (exponent < 0 && length + 3 * exponent < format.exponentMin - 2) return { mantissa: 0n, exponent: 0 };
  if (exponent >= 0) return roundBinary({ mantissa: digits * 10n ** BigInt(exponent), exponent: 0 }, format);

  const divisor = 10n ** BigInt(-exponent);
  // Two bits more than the format keeps, so that the remainder only ever decides as the sticky bit.
  const shift = Math.max(0, format.precision + 2 - (length - bitLength(divisor)));
  const dividend = digits << BigInt(shift);
  const mantissa = dividend / divisor;
  return roundBinary({ mantissa, exponent: -shift }, format, mantissa * divisor !== dividend);
}
