/** How long a command that waits may wait (Redis 7.0 timeout.c, getTimeoutFromObjectOrReply). */
import { ErrorReply } from '../protocol/error-reply.ts';
import { formatLongDouble, parseLongDouble } from '../util/long-double.ts';
import { parseInt64 } from '../util/numbers.ts';
import type { Call } from './call.ts';

const NOT_A_FLOAT = new ErrorReply('ERR timeout is not a float or out of range');
const NOT_AN_INTEGER = new ErrorReply('ERR timeout is not an integer or out of range');
const NEGATIVE = new ErrorReply('ERR timeout is negative');

/** From here on the conversion to int64 overflows, on x86-64 to its least value. */
const MILLIS_END = 2 ** 63;

/** Seconds, with fractions, as milliseconds; 0 = for ever. */
export function timeoutSeconds(call: Call, index: number): number {
  const { buffer } = call.request;
  const value = parseLongDouble(buffer, call.request.start(index), call.request.end(index));
  if (value === undefined) throw NOT_A_FLOAT;
  if (value === 'inf' || value === '-inf') throw NEGATIVE;
  const millis = Math.ceil(Number(formatLongDouble(value)) * 1000);
  if (millis < 0 || millis >= MILLIS_END) throw NEGATIVE;
  return millis;
}

/** Milliseconds; 0 = for ever. */
export function timeoutMillis(call: Call, index: number): number {
  const value = parseInt64(call.request.buffer, call.request.start(index), call.request.end(index));
  if (value === undefined) throw NOT_AN_INTEGER;
  if (value < 0n) throw NEGATIVE;
  return Number(value);
}
