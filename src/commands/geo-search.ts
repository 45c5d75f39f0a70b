/** Which members of a sorted set are in a circle or a box: GEOSEARCH and GEORADIUS in all their forms. */
import { TYPE_SORTED_SET } from '../keyspace/entry.ts';
import { NOTIFY_GENERIC, NOTIFY_SORTED_SET } from '../keyspace/notify.ts';
import { ScoreRange } from '../keyspace/sorted-set-ranges.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { distanceWithin, positionOf, scoreRangesOf, storedDistance } from '../util/geohash.ts';
import type { Position, Shape } from '../util/geohash.ts';
import { partialSort } from '../util/partial-sort.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR, printedText } from './errors.ts';
import {
  doubleArgument,
  positionArgument,
  replyDistance,
  replyPosition,
  unitArgument,
} from './geo-arguments.ts';

const NO_RADIUS = new ErrorReply('ERR need numeric radius');
const NO_WIDTH = new ErrorReply('ERR need numeric width');
const NO_HEIGHT = new ErrorReply('ERR need numeric height');
const NEGATIVE_RADIUS = new ErrorReply('ERR radius cannot be negative');
const NEGATIVE_BOX = new ErrorReply('ERR height or width cannot be negative');
const NO_SUCH_MEMBER = new ErrorReply('ERR could not decode requested zset member');
const NO_COUNT = new ErrorReply('ERR COUNT must be > 0');
const ANY_WITHOUT_COUNT = new ErrorReply('ERR the ANY argument requires COUNT argument');
const INT64_MIN = -(2n ** 63n);

/** A command of this file: which options it takes, and where they begin. */
interface Form {
  /** `search` says center and shape by options, the others by their place. */
  readonly kind: 'position' | 'member' | 'search';
  readonly sourceIndex: number;
  readonly optionsIndex: number;
  /** Whether there are STORE and STOREDIST with a key, or a destination with STOREDIST alone, or neither. */
  readonly stores: 'by-option' | 'always' | 'never';
}

/** What the arguments say. */
interface Search {
  /** How GEOSEARCH has said the center. */
  from: 'member' | 'position' | undefined;
  /** Undefined also when it is a member of a set that is not there. */
  center: Position | undefined;
  extent: Extent | undefined;
  withDistance: boolean;
  withScore: boolean;
  withPosition: boolean;
  order: 'asc' | 'desc' | undefined;
  /** Infinity = all. */
  count: number;
  /** Any so many will do, not the nearest. */
  takesAny: boolean;
  /** The argument with the key for the result, 0 = the result is replied. */
  storeIndex: number;
  storesDistance: boolean;
}

type Extent =
  | { readonly kind: 'circle'; readonly radius: number; readonly unitMeters: number }
  | { readonly kind: 'box'; readonly width: number; readonly height: number; readonly unitMeters: number };

/** A member in the shape. */
interface Point {
  readonly rank: number;
  readonly score: number;
  readonly position: Position;
  /** From the center, meters. */
  readonly meters: number;
}

const RADIUS: Form = { kind: 'position', sourceIndex: 1, optionsIndex: 6, stores: 'by-option' };
const RADIUS_BY_MEMBER: Form = { kind: 'member', sourceIndex: 1, optionsIndex: 5, stores: 'by-option' };
const SEARCH: Form = { kind: 'search', sourceIndex: 1, optionsIndex: 2, stores: 'never' };
const SEARCH_STORE: Form = { kind: 'search', sourceIndex: 2, optionsIndex: 3, stores: 'always' };

/** GEORADIUS key longitude latitude radius unit [option ...] [STORE key | STOREDIST key] */
export function geoRadius(call: Call): void {
  search(call, RADIUS);
}

/** GEORADIUS_RO key longitude latitude radius unit [option ...] */
export function geoRadiusRo(call: Call): void {
  search(call, { ...RADIUS, stores: 'never' });
}

/** GEORADIUSBYMEMBER key member radius unit [option ...] [STORE key | STOREDIST key] */
export function geoRadiusByMember(call: Call): void {
  search(call, RADIUS_BY_MEMBER);
}

/** GEORADIUSBYMEMBER_RO key member radius unit [option ...] */
export function geoRadiusByMemberRo(call: Call): void {
  search(call, { ...RADIUS_BY_MEMBER, stores: 'never' });
}

/** GEOSEARCH key FROMMEMBER member | FROMLONLAT x y BYRADIUS radius unit | BYBOX width height unit [...] */
export function geoSearch(call: Call): void {
  search(call, SEARCH);
}

/** GEOSEARCHSTORE destination source (as GEOSEARCH) [STOREDIST] */
export function geoSearchStore(call: Call): void {
  search(call, SEARCH_STORE);
}

function search(call: Call, form: Form): void {
  const entry = call.lookupTypedRead(form.sourceIndex, TYPE_SORTED_SET);
  const wanted = parseSearch(call, form, entry);
  if (entry === 0) {
    if (wanted.storeIndex > 0) storePoints(call, form, wanted, entry, []);
    else call.reply.array(0);
    return;
  }

  // Both were found, or there would have been an error.
  const shape: Shape = { ...wanted.extent!, center: wanted.center! };
  const points = pointsIn(call, entry, shape, wanted.takesAny ? wanted.count : Infinity);
  const chosen = choosePoints(points, wanted);
  if (wanted.storeIndex > 0) storePoints(call, form, wanted, entry, chosen);
  else replyPoints(call, wanted, entry, chosen);
}

// Arguments -------------------------------------------------------------------------------------------------

function parseSearch(call: Call, form: Form, entry: Ref): Search {
  const wanted: Search = {
    from: undefined,
    center: undefined,
    extent: undefined,
    withDistance: false,
    withScore: false,
    withPosition: false,
    order: undefined,
    count: Infinity,
    takesAny: false,
    storeIndex: form.stores === 'always' ? 1 : 0,
    storesDistance: false,
  };
  if (form.kind === 'position') {
    wanted.center = positionArgument(call, 2);
    wanted.extent = circleArguments(call, 4);
  } else if (form.kind === 'member' && entry !== 0) {
    wanted.center = memberPosition(call, entry, 2);
    wanted.extent = circleArguments(call, 3);
  }
  for (let index = form.optionsIndex; index < call.argumentCount;)
    index += parseOption(call, form, entry, wanted, index);
  checkSearch(call, form, wanted);
  return wanted;
}

/** Takes the option that an argument is; returns how many arguments it is made of. @throws SYNTAX_ERROR */
function parseOption(call: Call, form: Form, entry: Ref, wanted: Search, index: number): number {
  const followers = call.argumentCount - index - 1;
  if (call.is(index, 'WITHDIST')) wanted.withDistance = true;
  else if (call.is(index, 'WITHHASH')) wanted.withScore = true;
  else if (call.is(index, 'WITHCOORD')) wanted.withPosition = true;
  else if (call.is(index, 'ANY')) wanted.takesAny = true;
  else if (call.is(index, 'ASC')) wanted.order = 'asc';
  else if (call.is(index, 'DESC')) wanted.order = 'desc';
  else if (call.is(index, 'STOREDIST') && form.stores === 'always') wanted.storesDistance = true;
  else if (followers === 0) throw SYNTAX_ERROR;
  else if (call.is(index, 'COUNT')) return parseCount(call, wanted, index);
  else if (form.kind === 'search') return parseArea(call, entry, wanted, index);
  else return parseStore(call, form, wanted, index);
  return 1;
}

function parseCount(call: Call, wanted: Search, index: number): number {
  wanted.count = Number(call.int64(index + 1));
  if (wanted.count <= 0) throw NO_COUNT;
  return 2;
}

function parseStore(call: Call, form: Form, wanted: Search, index: number): number {
  const storesDistance = call.is(index, 'STOREDIST');
  if (form.stores !== 'by-option' || !(storesDistance || call.is(index, 'STORE'))) throw SYNTAX_ERROR;
  wanted.storeIndex = index + 1;
  wanted.storesDistance = storesDistance;
  return 2;
}

/** Center and extent of GEOSEARCH. Each may come again, if it is said in the same way. */
function parseArea(call: Call, entry: Ref, wanted: Search, index: number): number {
  const followers = call.argumentCount - index - 1;
  if (call.is(index, 'FROMMEMBER') && wanted.from !== 'position') {
    wanted.from = 'member';
    if (entry !== 0) wanted.center = memberPosition(call, entry, index + 1);
    return 2;
  }
  if (call.is(index, 'FROMLONLAT') && followers >= 2 && wanted.from !== 'member') {
    wanted.from = 'position';
    wanted.center = positionArgument(call, index + 1);
    return 3;
  }
  if (call.is(index, 'BYRADIUS') && followers >= 2 && wanted.extent?.kind !== 'box') {
    wanted.extent = circleArguments(call, index + 1);
    return 3;
  }
  if (call.is(index, 'BYBOX') && followers >= 3 && wanted.extent?.kind !== 'circle') {
    wanted.extent = boxArguments(call, index + 1);
    return 4;
  }
  throw SYNTAX_ERROR;
}

function circleArguments(call: Call, index: number): Extent {
  const radius = doubleArgument(call, index, NO_RADIUS);
  if (radius < 0) throw NEGATIVE_RADIUS;
  return { kind: 'circle', radius, unitMeters: unitArgument(call, index + 1) };
}

function boxArguments(call: Call, index: number): Extent {
  const width = doubleArgument(call, index, NO_WIDTH);
  const height = doubleArgument(call, index + 1, NO_HEIGHT);
  if (width < 0 || height < 0) throw NEGATIVE_BOX;
  return { kind: 'box', width, height, unitMeters: unitArgument(call, index + 2) };
}

/** Where the member is that is an argument. @throws NO_SUCH_MEMBER */
function memberPosition(call: Call, entry: Ref, index: number): Position {
  const { buffer } = call.request;
  const [start, end] = [call.request.start(index), call.request.end(index)];
  const score = call.keyspace.sortedSets.scoreOf(call.database, entry, buffer, start, end);
  if (Number.isNaN(score)) throw NO_SUCH_MEMBER;
  return positionOf(score);
}

/** Whether the options, each right by itself, go together. */
function checkSearch(call: Call, form: Form, wanted: Search): void {
  if (wanted.storeIndex > 0 && (wanted.withDistance || wanted.withScore || wanted.withPosition)) {
    const what = form.stores === 'always' ? 'GEOSEARCHSTORE' : 'STORE option in GEORADIUS';
    throw new ErrorReply(`ERR ${what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options`);
  }
  if (form.kind === 'search') {
    if (wanted.from === undefined) throw missing(call, 'FROMMEMBER or FROMLONLAT');
    if (wanted.extent === undefined) throw missing(call, 'BYRADIUS and BYBOX');
  }
  if (wanted.takesAny && wanted.count === Infinity) throw ANY_WITHOUT_COUNT;
}

function missing(call: Call, words: string): ErrorReply {
  return new ErrorReply(`ERR exactly one of ${words} can be specified for ${printedText(call.text(0))}`);
}

// Searching -------------------------------------------------------------------------------------------------

const range = new ScoreRange();
range.excludesMax = true;
const member = new BorrowedBytes();

/** The members in the shape, in the order of the squares that are looked at; the first `limit` of them. */
function pointsIn(call: Call, entry: Ref, shape: Shape, limit: number): Point[] {
  const { sortedSets } = call.keyspace;
  const cursor = sortedSets.newCursor();
  const points: Point[] = [];
  for (const { min, max } of scoreRangesOf(shape)) {
    range.min = min;
    range.max = max;
    const { start, end } = sortedSets.spanOfScores(call.database, entry, range);
    if (start < end) sortedSets.seek(call.database, entry, start, cursor);
    for (let rank = start; rank < end; rank++, cursor.next()) {
      const { score } = cursor;
      const position = positionOf(score);
      const meters = distanceWithin(shape, position);
      if (meters === undefined) continue;
      points.push({ rank, score, position, meters });
      if (points.length >= limit) return points;
    }
  }
  return points;
}

/** As many of the points as are wanted, in the order in which they are. */
function choosePoints(points: Point[], { count, order, takesAny }: Search): Point[] {
  const isDescending = order === 'desc';
  const needsOrder = order !== undefined || (count !== Infinity && !takesAny);
  if (needsOrder) {
    const compare = (a: Point, b: Point) => (isDescending ? -compareDistance(a, b) : compareDistance(a, b));
    if (count >= points.length) points.sort(compare);
    else partialSort(points, compare, 0, count - 1);
  }
  return count < points.length ? points.slice(0, count) : points;
}

function compareDistance(a: Point, b: Point): number {
  if (a.meters > b.meters) return 1;
  return a.meters === b.meters ? 0 : -1;
}

// Results ---------------------------------------------------------------------------------------------------

function replyPoints(call: Call, wanted: Search, entry: Ref, points: readonly Point[]): void {
  const { database, keyspace, reply } = call;
  const cursor = keyspace.sortedSets.newCursor();
  const details = Number(wanted.withDistance) + Number(wanted.withScore) + Number(wanted.withPosition);
  reply.array(points.length);
  for (const point of points) {
    if (details > 0) reply.array(details + 1);
    keyspace.sortedSets.seek(database, entry, point.rank, cursor);
    cursor.borrow(member);
    reply.bulk(member.bytes, member.start, member.end);
    if (wanted.withDistance) replyDistance(call, point.meters / wanted.extent!.unitMeters);
    if (wanted.withScore) replyScore(call, point.score);
    if (wanted.withPosition) replyPosition(call, point.position);
  }
}

/** A score as an int64; one that is too large, which no place has, as the machine's conversion has it. */
function replyScore(call: Call, score: number): void {
  const integer = Math.trunc(score);
  if (Number.isSafeInteger(integer)) call.reply.integer(integer);
  else call.reply.bigInteger(Math.abs(integer) < 2 ** 63 ? BigInt(integer) : INT64_MIN);
}

/** Makes the points a sorted set, in place of what the key had; without any, the key is deleted. */
function storePoints(call: Call, form: Form, wanted: Search, entry: Ref, points: readonly Point[]): void {
  const { storeIndex } = wanted;
  if (points.length > 0) {
    storeSet(call, wanted, entry, points);
    const event = form.kind === 'search' ? 'geosearchstore' : 'georadiusstore';
    call.changed(storeIndex, NOTIFY_SORTED_SET, event);
    call.keyspace.addDirty(points.length - 1);
  } else {
    const old = call.lookupWrite(storeIndex);
    if (old !== 0) {
      call.database.delete(old);
      call.changed(storeIndex, NOTIFY_GENERIC, 'del');
    }
  }
  call.reply.integer(points.length);
}

function storeSet(call: Call, wanted: Search, entry: Ref, points: readonly Point[]): void {
  const { database, keyspace, request } = call;
  const { sortedSets } = keyspace;
  const { buffer } = request;
  const [start, end] = [request.start(wanted.storeIndex), request.end(wanted.storeIndex)];
  const set = sortedSets.newSet(points.length);
  try {
    const cursor = sortedSets.newCursor();
    for (const { position, rank, score } of points) {
      const stored = wanted.storesDistance ? distanceToStore(wanted, position) : score;
      sortedSets.seek(database, entry, rank, cursor);
      cursor.borrow(member);
      sortedSets.put(set, member.bytes, member.start, member.end, stored);
    }
    sortedSets.compact(set);
    database.storeWith(buffer, start, end, TYPE_SORTED_SET, set.encoding, set.value);
  } catch (error) {
    sortedSets.discard(set);
    throw error;
  }
}

function distanceToStore({ center, extent }: Search, position: Position): number {
  return storedDistance(center!, position) / extent!.unitMeters;
}
