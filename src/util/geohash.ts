/**
 * Places on earth as sorted-set scores, and which ranges of scores to look at for those in an area (Redis 7.0
 * geohash.c and geohash_helper.c).
 *
 * The plane of longitudes and latitudes is halved again and again, 26 times each way. The bits of the two
 * indexes alternate in the score, a longitude's bit first, so that a square of any halving is one range of
 * scores. A score is a number below 2^54: the sum of its two 32-bit halves is rounded at most once, as Redis
 * rounds when it makes the integer a score.
 */
import { arcSine, cosine, sine } from './trigonometry.ts';

export interface Position {
  readonly longitude: number;
  readonly latitude: number;
}

/** A square of the plane after `step` halvings each way. */
interface Cell {
  readonly longitude: number;
  readonly latitude: number;
  readonly step: number;
}

/** An unsigned integer of 64 bits. */
interface Halves {
  readonly high: number;
  readonly low: number;
}

interface Bounds {
  readonly west: number;
  readonly east: number;
  readonly south: number;
  readonly north: number;
}

/** What is searched. Sizes are in units of so many meters. */
export type Shape = {
  readonly center: Position;
  readonly unitMeters: number;
} & (
  | { readonly kind: 'circle'; readonly radius: number }
  | { readonly kind: 'box'; readonly width: number; readonly height: number }
);

/** Scores from `min` on, below `max`. */
export interface ScoreRange {
  readonly min: number;
  readonly max: number;
}

const STEP_MAX = 26;
/** Bits of a score, which is what a square of the last step has. */
const SCORE_BITS = STEP_MAX * 2;
/** EPSG:900913: the map of Mercator is a square up to here. */
const WORLD: Bounds = { west: -180, east: 180, south: -85.05112878, north: 85.05112878 };
/** What standard geohashes divide. */
const WHOLE_WORLD: Bounds = { west: -180, east: 180, south: -90, north: 90 };

const DEGREE = Math.PI / 180;
/** Quadratic mean of WGS 84, meters. */
const EARTH_RADIUS = 6372797.560856;
/** Half the circumference, meters. */
const MERCATOR_MAX = 20037726.37;

/** More than what rounding makes of a distance, relatively. */
const ROUNDING = 1e-9;

const GEOHASH_ALPHABET = '0123456789bcdefghjkmnpqrstuvwxyz';
const TWO_32 = 2 ** 32;

/** Whether a place can have a score. */
export function isOnMap(longitude: number, latitude: number): boolean {
  return !(
    longitude < WORLD.west ||
    longitude > WORLD.east ||
    latitude < WORLD.south ||
    latitude > WORLD.north
  );
}

// Scores ----------------------------------------------------------------------------------------------------

/** The score of a place that is on the map. */
export function scoreOf(position: Position): number {
  return interleaved(cellOf(position, STEP_MAX, WORLD), 0);
}

/** The place that a score stands for: the middle of its square. */
export function positionOf(score: number): Position {
  const { high, low } = halvesOf(score);
  const latitude = (everySecondBit(low) | (everySecondBit(high) << 16)) >>> 0;
  const longitude = (everySecondBit(low >>> 1) | (everySecondBit(high >>> 1) << 16)) >>> 0;
  return {
    longitude: middleOf(longitude, WORLD.west, WORLD.east),
    latitude: middleOf(latitude, WORLD.south, WORLD.north),
  };
}

/** The middle of a square, one way. */
function middleOf(index: number, from: number, to: number): number {
  const cells = 2 ** STEP_MAX;
  const low = from + (index / cells) * (to - from);
  const high = from + (((index + 1) >>> 0) / cells) * (to - from);
  return Math.max(from, Math.min(to, (low + high) / 2));
}

/** The standard geohash of a place: eleven characters, for the last of which we have no bits. */
export function geohashText(position: Position): string {
  const { high, low } = interleavedHalves(cellOf(position, STEP_MAX, WHOLE_WORLD));
  let text = '';
  for (let shift = SCORE_BITS - 5; shift > 0; shift -= 5) {
    const index = shift >= 32 ? high >>> (shift - 32) : (high << (32 - shift)) | (low >>> shift);
    text += GEOHASH_ALPHABET.charAt(index & 31);
  }
  return `${text}0`;
}

function cellOf({ longitude, latitude }: Position, step: number, world: Bounds): Cell {
  const { west, east, south, north } = world;
  const cells = 2 ** step;
  return {
    longitude: Math.floor(((longitude - west) / (east - west)) * cells),
    latitude: Math.floor(((latitude - south) / (north - south)) * cells),
    step,
  };
}

function boundsOf({ longitude, latitude, step }: Cell): Bounds {
  const cells = 2 ** step;
  const width = WORLD.east - WORLD.west;
  const height = WORLD.north - WORLD.south;
  return {
    west: WORLD.west + (longitude / cells) * width,
    east: WORLD.west + (((longitude + 1) >>> 0) / cells) * width,
    south: WORLD.south + (latitude / cells) * height,
    north: WORLD.south + (((latitude + 1) >>> 0) / cells) * height,
  };
}

/** Both indexes of a square in one number, and so much more. */
function interleaved(cell: Cell, more: number): number {
  const { high, low } = interleavedHalves(cell);
  return high * TWO_32 + (low + more);
}

function interleavedHalves({ longitude, latitude }: Cell): Halves {
  const low = spread(latitude & 0xffff) | (spread(longitude & 0xffff) << 1);
  const high = spread(latitude >>> 16) | (spread(longitude >>> 16) << 1);
  return { high: high >>> 0, low: low >>> 0 };
}

/** Puts a zero between each two of 16 bits. */
function spread(bits: number): number {
  let spaced = (bits | (bits << 8)) & 0x00ff00ff;
  spaced = (spaced | (spaced << 4)) & 0x0f0f0f0f;
  spaced = (spaced | (spaced << 2)) & 0x33333333;
  return (spaced | (spaced << 1)) & 0x55555555;
}

/** Undoes `spread`, whatever stands between the bits. */
function everySecondBit(word: number): number {
  let bits = word & 0x55555555;
  bits = (bits | (bits >>> 1)) & 0x33333333;
  bits = (bits | (bits >>> 2)) & 0x0f0f0f0f;
  bits = (bits | (bits >>> 4)) & 0x00ff00ff;
  return (bits | (bits >>> 8)) & 0xffff;
}

/**
 * A score as a 64-bit integer; one that is none, as only ZADD can make it, as the machine's conversion has
 * it.
 */
function halvesOf(score: number): Halves {
  if (score >= 0 && score <= Number.MAX_SAFE_INTEGER) {
    const integer = Math.floor(score);
    return { high: Math.floor(integer / TWO_32), low: integer >>> 0 };
  }
  const isBeyond = score >= 2 ** 64 || score < -(2 ** 63);
  const integer = isBeyond ? (score < 0 ? 2n ** 63n : 0n) : BigInt.asUintN(64, BigInt(Math.trunc(score)));
  return { high: Number(integer >> 32n), low: Number(integer & 0xffffffffn) };
}

// Distances -------------------------------------------------------------------------------------------------

/** Meters between two places, along the great circle (haversine). */
export function distance(a: Position, b: Position): number {
  const v = Math.sin(halfTurn(a.longitude, b.longitude));
  if (v === 0) return latitudeDistance(a.latitude, b.latitude);
  const u = Math.sin(halfTurn(a.latitude, b.latitude));
  const cosines = Math.cos(a.latitude * DEGREE) * Math.cos(b.latitude * DEGREE);
  return 2 * EARTH_RADIUS * Math.asin(Math.sqrt(u * u + cosines * v * v));
}

/** The same to the last bit as Redis computes it, at ten times the cost: a distance that is stored. */
export function storedDistance(a: Position, b: Position): number {
  const v = sine(halfTurn(a.longitude, b.longitude));
  if (v === 0) return latitudeDistance(a.latitude, b.latitude);
  const u = sine(halfTurn(a.latitude, b.latitude));
  const cosines = cosine(a.latitude * DEGREE) * cosine(b.latitude * DEGREE);
  return 2 * EARTH_RADIUS * arcSine(Math.sqrt(u * u + cosines * v * v));
}

/** Half of the angle from one longitude or latitude to another. */
function halfTurn(from: number, to: number): number {
  return (to * DEGREE - from * DEGREE) / 2;
}

function latitudeDistance(a: number, b: number): number {
  return EARTH_RADIUS * Math.abs(b * DEGREE - a * DEGREE);
}

/** Meters from the shape's center to a place in it, or undefined when it is outside. */
export function distanceWithin(shape: Shape, position: Position): number | undefined {
  const { center, unitMeters } = shape;
  if (shape.kind === 'circle') {
    const radius = shape.radius * unitMeters;
    // Most are too far north or south: that is cheap to see, but for the last bits.
    if (latitudeDistance(center.latitude, position.latitude) > radius * (1 + ROUNDING)) return undefined;
    const meters = distance(center, position);
    return meters > radius ? undefined : meters;
  }
  const upwards = latitudeDistance(position.latitude, center.latitude);
  if (upwards > (shape.height * unitMeters) / 2) return undefined;
  const besides = { longitude: center.longitude, latitude: position.latitude };
  if (distance(position, besides) > (shape.width * unitMeters) / 2) return undefined;
  return distance(center, position);
}

// Searching -------------------------------------------------------------------------------------------------

type Direction = readonly [longitude: -1 | 0 | 1, latitude: -1 | 0 | 1];

/** The order in which squares are searched: the center, north, south, east, west, and the corners. */
const DIRECTIONS: readonly Direction[] = [
  [0, 0],
  [0, 1],
  [0, -1],
  [1, 0],
  [-1, 0],
  [1, 1],
  [-1, 1],
  [1, -1],
  [-1, -1],
];

/** The ranges of scores in which all places of the shape are, in the order in which Redis looks at them. */
export function scoreRangesOf(shape: Shape): ScoreRange[] {
  const { center } = shape;
  const bounds = boundsOfShape(shape);
  let step = estimatedStep(reachOf(shape), center.latitude);
  if (step > 1 && !isCovered(bounds, cellOf(center, step, WORLD))) step--;
  const middle = cellOf(center, step, WORLD);

  const ranges: ScoreRange[] = [];
  let last: Cell | undefined;
  for (const [index, direction] of DIRECTIONS.entries()) {
    if (step >= 2 && isUseless(direction, bounds, boundsOf(middle))) continue;
    const cell = neighbour(middle, direction);
    // A neighbour may be the one before it again, when there are only a few squares.
    if (last !== undefined && cell.longitude === last.longitude && cell.latitude === last.latitude) continue;
    const scale = 2 ** (SCORE_BITS - 2 * step);
    ranges.push({ min: interleaved(cell, 0) * scale, max: interleaved(cell, 1) * scale });
    if (index > 0) last = cell;
  }
  return ranges;
}

/** How far the shape reaches from its center, meters. */
function reachOf(shape: Shape): number {
  const { unitMeters } = shape;
  if (shape.kind === 'circle') return shape.radius * unitMeters;
  const [sideways, upwards] = [shape.width / 2, shape.height / 2];
  return Math.sqrt(sideways * sideways + upwards * upwards) * unitMeters;
}

/** How often to halve the plane so that a square and its neighbours hold what is within so many meters. */
function estimatedStep(meters: number, latitude: number): number {
  if (meters === 0) return STEP_MAX;
  let step = 1;
  for (let reach = meters; reach < MERCATOR_MAX; reach *= 2) step++;
  step -= 2;
  // Meridians come closer towards the poles.
  if (Math.abs(latitude) > 66) step--;
  if (Math.abs(latitude) > 80) step--;
  return Math.max(1, Math.min(STEP_MAX, step));
}

function boundsOfShape(shape: Shape): Bounds {
  const { longitude, latitude } = shape.center;
  const height = shape.unitMeters * (shape.kind === 'circle' ? shape.radius : shape.height / 2);
  const width = shape.unitMeters * (shape.kind === 'circle' ? shape.radius : shape.width / 2);
  const upwards = height / EARTH_RADIUS / DEGREE;
  // The edge that is nearer to a pole spans more degrees.
  const edge = latitude < 0 ? latitude - upwards : latitude + upwards;
  const sideways = width / EARTH_RADIUS / Math.cos(edge * DEGREE) / DEGREE;
  return {
    west: longitude - sideways,
    east: longitude + sideways,
    south: latitude - upwards,
    north: latitude + upwards,
  };
}

/** Whether the square and its neighbours reach to all sides of the bounds. */
function isCovered(bounds: Bounds, middle: Cell): boolean {
  return !(
    boundsOf(neighbour(middle, [0, 1])).north < bounds.north ||
    boundsOf(neighbour(middle, [0, -1])).south > bounds.south ||
    boundsOf(neighbour(middle, [1, 0])).east < bounds.east ||
    boundsOf(neighbour(middle, [-1, 0])).west > bounds.west
  );
}

/** Whether what is searched ends within the middle square, before it gets to the neighbour. */
function isUseless([longitude, latitude]: Direction, bounds: Bounds, middle: Bounds): boolean {
  return (
    (latitude < 0 && middle.south < bounds.south) ||
    (latitude > 0 && middle.north > bounds.north) ||
    (longitude < 0 && middle.west < bounds.west) ||
    (longitude > 0 && middle.east > bounds.east)
  );
}

/** The square next to one; behind the last comes the first. */
function neighbour(cell: Cell, [longitude, latitude]: Direction): Cell {
  return {
    longitude: longitude === 0 ? cell.longitude : moved(cell.longitude, longitude, cell.step),
    latitude: latitude === 0 ? cell.latitude : moved(cell.latitude, latitude, cell.step),
    step: cell.step,
  };
}

function moved(index: number, by: number, step: number): number {
  return (index + by) & (2 ** step - 1);
}
