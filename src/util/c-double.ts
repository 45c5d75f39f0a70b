/** Doubles in places where Redis calls strtod and looks at little more than where it has stopped. */
import { bitLength, readFloatLiteral } from './big-float.ts';
import { toLatin1 } from './bytes.ts';
import { parseDouble } from './numbers.ts';

const LEADING_SPACES = /^[ \t-\r]+/;
/** The least power of two that is no double. */
const OVERFLOW_EXPONENT = 1024;

/**
 * The range as C's strtod reads a string (a zero byte ends it): spaces may stand in front, no text at all is
 * zero, and what is too large is infinite. NaN when the string is no numeral, goes on behind it, or is NaN.
 */
export function parseCDouble(buffer: Uint8Array, start: number, end: number): number {
  const plain = parseDouble(buffer, start, end);
  if (plain !== undefined) return plain;

  const text = toLatin1(buffer, start, end);
  const zeroByte = text.indexOf('\0');
  const string = zeroByte < 0 ? text : text.slice(0, zeroByte);
  if (string === '') return 0;
  const numeral = string.replace(LEADING_SPACES, '');
  const literal = readFloatLiteral(numeral);
  if (literal === undefined || literal.kind === 'nan') return Number.NaN;
  const bytes = Buffer.from(numeral, 'latin1');
  const value = parseDouble(bytes, 0, bytes.length);
  if (value !== undefined) return value;

  // Out of range, then; a decimal numeral tells by itself to which side.
  if (literal.kind !== 'finite' || literal.base === 10) return Number(numeral);
  const magnitude = literal.exponent + bitLength(literal.digits) > OVERFLOW_EXPONENT - 1 ? Infinity : 0;
  return literal.negative ? -magnitude : magnitude;
}
