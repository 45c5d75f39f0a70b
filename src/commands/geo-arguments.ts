/** Arguments of the geo commands: places, units and lengths; and how places and distances are printed. */
import { ErrorReply } from '../protocol/error-reply.ts';
import { isOnMap } from '../util/geohash.ts';
import type { Position } from '../util/geohash.ts';
import { formatFixed, parseDouble } from '../util/numbers.ts';
import type { Call } from './call.ts';
import { NOT_A_FLOAT } from './errors.ts';

const UNKNOWN_UNIT = new ErrorReply('ERR unsupported unit provided. please use M, KM, FT, MI');

/** Decimals of a coordinate, as many as C's long double is printed with. */
const COORDINATE_DECIMALS = 17;
const DISTANCE_DECIMALS = 4;
/** From here on `toFixed` prints an exponent. */
const FIXED_MAX = 1e21;

/** The argument as a double. @throws notANumber */
export function doubleArgument(call: Call, index: number, notANumber: ErrorReply): number {
  const { request } = call;
  const value = parseDouble(request.buffer, request.start(index), request.end(index));
  if (value === undefined) throw notANumber;
  return value;
}

/** The longitude and latitude that are two arguments. @throws NOT_A_FLOAT, and when the map ends before */
export function positionArgument(call: Call, index: number): Position {
  const longitude = doubleArgument(call, index, NOT_A_FLOAT);
  const latitude = doubleArgument(call, index + 1, NOT_A_FLOAT);
  if (!isOnMap(longitude, latitude)) {
    const [x, y] = [printed(longitude), printed(latitude)];
    throw new ErrorReply(`ERR invalid longitude,latitude pair ${x},${y}`);
  }
  return { longitude, latitude };
}

/** C's `%f`. */
function printed(value: number): string {
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  return Math.abs(value) < FIXED_MAX ? formatFixed(value, 6) : `${BigInt(value)}.000000`;
}

/** The meters of the unit that is an argument. @throws UNKNOWN_UNIT */
export function unitArgument(call: Call, index: number): number {
  if (call.is(index, 'M')) return 1;
  if (call.is(index, 'KM')) return 1000;
  if (call.is(index, 'FT')) return 0.3048;
  if (call.is(index, 'MI')) return 1609.34;
  throw UNKNOWN_UNIT;
}

/** A place as an array of two numbers. */
export function replyPosition(call: Call, { longitude, latitude }: Position): void {
  call.reply.array(2);
  replyCoordinate(call, longitude);
  replyCoordinate(call, latitude);
}

function replyCoordinate(call: Call, degrees: number): void {
  const text = formatFixed(degrees, COORDINATE_DECIMALS).replace(/\.?0+$/, '');
  call.reply.doubleText(text === '-0' ? '0' : text);
}

/** A distance: always text, with four decimals (util.c, fixedpoint_d2string). */
export function replyDistance(call: Call, distance: number): void {
  const scaled = distance * 10 ** DISTANCE_DECIMALS;
  // Halves go to the even neighbour, as the machine rounds.
  const below = Math.floor(scaled);
  const isUp = scaled - below > 0.5 || (scaled - below === 0.5 && below % 2 === 1);
  const digits = String(isUp ? below + 1 : below).padStart(DISTANCE_DECIMALS + 1, '0');
  call.reply.bulkText(`${digits.slice(0, -DISTANCE_DECIMALS)}.${digits.slice(-DISTANCE_DECIMALS)}`);
}
