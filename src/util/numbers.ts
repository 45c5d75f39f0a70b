/**
 * Numbers as Redis reads and prints them, on byte ranges `[start, end)`. What a command does per call (parse
 * and write a safe integer, parse a short decimal fraction) allocates nothing; only integers outside ±(2^53 -
 * 1) go through BigInt.
 */
import { isDecimalFloat, readFloatLiteral, roundLiteral, type BinaryFormat } from './big-float.ts';
import { toLatin1 } from './bytes.ts';

const DOT = 0x2e;
const MINUS = 0x2d;
const PLUS = 0x2b;
const ZERO = 0x30;
const NINE = 0x39;

/** "-9223372036854775808": nothing longer can be an int64. */
const INT64_CHARS_MAX = 20;

/** Integers of up to this many digits fit int32, where V8 multiplies and adds without floating point. */
const INT32_SAFE_DIGITS = 9;

/** Every safe integer has at most this many digits. */
const SAFE_DIGITS_MAX = 16;

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

/** Digits below this split are written with 32-bit arithmetic, those above it separately. */
const BILLION = 1_000_000_000;

/**
 * An integer in the one spelling that Redis takes for integers (Redis 7.0 util.c, string2ll): an optional
 * minus, no plus, no spaces, no leading zeros, no "-0". NaN when the range is anything else or exceeds ±(2^53
 * - 1); `parseInt64` tells these two apart.
 */
export function parseInteger(buffer: Uint8Array, start: number, end: number): number {
  if (start >= end) return Number.NaN;
  const negative = buffer[start] === MINUS;
  const first = negative ? start + 1 : start;
  const digitCount = end - first;
  if (digitCount === 0 || digitCount > SAFE_DIGITS_MAX) return Number.NaN;
  if (buffer[first] === ZERO) return digitCount === 1 && !negative ? 0 : Number.NaN;

  if (digitCount <= INT32_SAFE_DIGITS) {
    let small = 0;
    for (let i = first; i < end; i++) {
      const digit = buffer[i]! - ZERO;
      if (digit < 0 || digit > 9) return Number.NaN;
      small = (small * 10 + digit) | 0;
    }
    return negative ? -small : small;
  }

  let value = 0;
  for (let i = first; i < end; i++) {
    const digit = buffer[i]! - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  if (value > Number.MAX_SAFE_INTEGER) return Number.NaN;
  return negative ? -value : value;
}

/** The grammar of `parseInteger` over the whole int64 range; undefined for everything else. */
export function parseInt64(buffer: Uint8Array, start: number, end: number): bigint | undefined {
  const length = end - start;
  if (length < 1 || length > INT64_CHARS_MAX) return undefined;
  const small = parseInteger(buffer, start, end);
  if (!Number.isNaN(small)) return BigInt(small);

  const first = buffer[start] === MINUS ? start + 1 : start;
  if (first === end || buffer[first] === ZERO || !isAllDigits(buffer, first, end)) return undefined;
  const value = BigInt(toLatin1(buffer, start, end));
  return value >= INT64_MIN && value <= INT64_MAX ? value : undefined;
}

function isAllDigits(buffer: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (buffer[i]! < ZERO || buffer[i]! > NINE) return false;
  }
  return true;
}

/**
 * A SCAN cursor, 0 … 2^64 - 1, or undefined where Redis answers "invalid cursor" (Redis 7.0 db.c,
 * parseScanCursorOrReply). Redis leaves this to strtoul and with it accepts leading zeros, a sign (a minus
 * wraps around), no digits at all in an empty argument, and anything behind a zero byte.
 */
export function parseCursor(buffer: Uint8Array, start: number, end: number): bigint | undefined {
  const zeroByte = buffer.subarray(start, end).indexOf(0);
  const stop = zeroByte < 0 ? end : start + zeroByte;
  if (start === stop) return 0n;
  const sign = buffer[start];
  const first = sign === MINUS || sign === PLUS ? start + 1 : start;
  if (first === stop || !isAllDigits(buffer, first, stop)) return undefined;

  const value = BigInt(toLatin1(buffer, first, stop));
  if (value > UINT64_MAX) return undefined;
  return sign === MINUS ? BigInt.asUintN(64, -value) : value;
}

/** Characters that `writeInteger` writes for the safe integer `n`, its sign included. */
export function integerLength(n: number): number {
  const sign = n < 0 ? 1 : 0;
  const rest = n < 0 ? -n : n;
  if (rest < BILLION) return sign + smallLength(rest | 0);
  return sign + 9 + smallLength(Math.floor(rest / BILLION));
}

/** Digits of an integer below 10^9; most are short. */
function smallLength(n: number): number {
  if (n < 10) return 1;
  if (n < 100) return 2;
  if (n < 1000) return 3;
  if (n < 10_000) return 4;
  if (n < 100_000) return 5;
  if (n < 1_000_000) return 6;
  if (n < 10_000_000) return 7;
  return n < 100_000_000 ? 8 : 9;
}

/** Writes the safe integer `n` in decimal at `pos` and returns the position behind its last digit. */
export function writeInteger(target: Uint8Array, pos: number, n: number): number {
  if (n >= 0 && n < 10) {
    target[pos] = ZERO + n;
    return pos + 1;
  }
  // Lengths of strings are mostly that short.
  if (n >= 10 && n < 100) {
    const tens = (n / 10) | 0;
    target[pos] = ZERO + tens;
    target[pos + 1] = ZERO + (n - tens * 10);
    return pos + 2;
  }
  const end = pos + integerLength(n);
  let rest = n;
  if (n < 0) {
    target[pos] = MINUS;
    rest = -n;
  }
  let at = end;
  if (rest >= BILLION) {
    const high = Math.floor(rest / BILLION);
    let low = (rest - high * BILLION) | 0;
    for (let i = 0; i < 9; i++) {
      const tenth = (low / 10) | 0;
      target[--at] = ZERO + (low - tenth * 10);
      low = tenth;
    }
    rest = high;
  }
  let small = rest | 0;
  do {
    const tenth = (small / 10) | 0;
    target[--at] = ZERO + (small - tenth * 10);
    small = tenth;
  } while (small !== 0);
  return end;
}

const DOUBLE: BinaryFormat = { precision: 53, exponentMin: -1074, exponentMax: 1023 };

/**
 * An integer of up to this many digits divided by a power of ten up to 10^22 is rounded once: the exact
 * result.
 */
const EXACT_DECIMAL_DIGITS = 15;

const POWERS_OF_TEN = Float64Array.from({ length: EXACT_DECIMAL_DIGITS + 1 }, (_, i) => 10 ** i);

/**
 * All of the range as a double (Redis 7.0 util.c, string2d): decimal, hexadecimal or a name of infinity, in
 * any case. Undefined for what is no numeral, starts with a space, is NaN, too large, or so small that it
 * would become zero.
 */
export function parseDouble(buffer: Uint8Array, start: number, end: number): number | undefined {
  const short = parseShortDecimal(buffer, start, end);
  if (!Number.isNaN(short)) return short;

  const text = toLatin1(buffer, start, end);
  if (isDecimalFloat(text)) {
    const value = Number(text);
    if (!Number.isFinite(value)) return undefined;
    // Zero from digits that are not zero has underflowed; what stands behind the "e" does not count.
    return value === 0 && /[1-9]/.test(text.replace(/e.*/i, '')) ? undefined : value;
  }
  return parseUncommonDouble(text);
}

/**
 * Digits with at most one dot, 15 digits at most, as almost all scores and increments are; NaN for all else.
 */
function parseShortDecimal(buffer: Uint8Array, start: number, end: number): number {
  const negative = start < end && buffer[start] === MINUS;
  const first = negative ? start + 1 : start;
  if (end - first < 1 || end - first > EXACT_DECIMAL_DIGITS) return Number.NaN;

  let digits = 0;
  let dot = -1;
  for (let i = first; i < end; i++) {
    const byte = buffer[i]!;
    if (byte >= ZERO && byte <= NINE) digits = digits * 10 + (byte - ZERO);
    else if (byte === DOT && dot < 0) dot = i;
    else return Number.NaN;
  }
  if (dot >= 0 && end - first === 1) return Number.NaN;
  const value = dot < 0 ? digits : digits / POWERS_OF_TEN[end - dot - 1]!;
  return negative ? -value : value;
}

function parseUncommonDouble(text: string): number | undefined {
  const literal = readFloatLiteral(text);
  if (literal === undefined || literal.kind === 'nan') return undefined;
  if (literal.kind === 'infinite') return literal.negative ? -Infinity : Infinity;

  const magnitude = roundLiteral(literal, DOUBLE);
  if (magnitude === undefined) return undefined;
  if (magnitude.mantissa === 0n && literal.digits !== 0n) return undefined;
  const value = scaledByPowerOfTwo(magnitude.mantissa, magnitude.exponent);
  return literal.negative ? -value : value;
}

/**
 * `mantissa * 2^exponent`, known to be a double; trailing zero bits may make either factor too large alone.
 */
function scaledByPowerOfTwo(mantissa: bigint, exponent: number): number {
  if (exponent > 0) return Number(mantissa << BigInt(exponent));
  return Number(mantissa) * 2 ** exponent;
}

/**
 * Whether `magnitude` lies exactly in the middle between two numbers of so many decimals. JavaScript rounds
 * such a value up, C to the even digit. With the factor 10^n = 5^n * 2^n, only the powers of two decide.
 */
function isDecimalTie(magnitude: number, fractionDigits: number): boolean {
  return (magnitude * 2 ** (fractionDigits + 1)) % 2 === 1;
}

function endsInOddDigit(digits: string): boolean {
  return (digits.charCodeAt(digits.length - 1) & 1) === 1;
}

/** C's `%.*f` with `fractionDigits` decimals, for values below 10^21. */
export function formatFixed(n: number, fractionDigits: number): string {
  const magnitude = Math.abs(n);
  let text = magnitude.toFixed(fractionDigits);
  if (endsInOddDigit(text) && isDecimalTie(magnitude, fractionDigits)) {
    // In the middle the exact value ends in a 5 one digit further on: cutting it off rounds down.
    text = magnitude.toFixed(fractionDigits + 1).slice(0, fractionDigits === 0 ? -2 : -1);
  }
  return n < 0 || Object.is(n, -0) ? `-${text}` : text;
}

/** Significant digits with which every double has a numeral of its own. */
const DOUBLE_DIGITS = 17;

/** A double as Redis replies and stores it: C's `%.17g`, infinity as inf and -inf. */
export function formatDouble(n: number): string {
  if (Number.isSafeInteger(n)) return Object.is(n, -0) ? '-0' : String(n);
  if (!Number.isFinite(n)) return Number.isNaN(n) ? 'nan' : n > 0 ? 'inf' : '-inf';

  const magnitude = Math.abs(n);
  const sign = n < 0 ? '-' : '';
  const scientific = magnitude.toExponential(DOUBLE_DIGITS - 1);
  const mark = scientific.indexOf('e');
  // Rounding up to the next power of ten gives an even last digit, so for a tie this exponent is the right
  // one.
  const exponent = Number(scientific.slice(mark + 1));
  let digits = scientific.charAt(0) + scientific.slice(2, mark);
  if (endsInOddDigit(digits) && isDecimalTie(magnitude, DOUBLE_DIGITS - 1 - exponent)) {
    const exact = magnitude.toExponential(DOUBLE_DIGITS);
    digits = exact.charAt(0) + exact.slice(2, DOUBLE_DIGITS + 1);
  }
  return sign + layOutGeneral(digits.replace(/0+$/, ''), exponent);
}

/**
 * The layout of `%g`: digits around a dot, or with an exponent of at least two digits when that is out of
 * range.
 */
function layOutGeneral(digits: string, exponent: number): string {
  if (exponent < -4 || exponent >= DOUBLE_DIGITS) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    const exponentDigits = String(Math.abs(exponent)).padStart(2, '0');
    return `${digits.charAt(0)}${fraction}e${exponent < 0 ? '-' : '+'}${exponentDigits}`;
  }
  if (exponent < 0) return `0.${'0'.repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0');
  return digits.length > exponent + 1 ? `${whole}.${digits.slice(exponent + 1)}` : whole;
}
