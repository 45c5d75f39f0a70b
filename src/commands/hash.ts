/** Hashes: fields and their values (Redis 7.0 t_hash.c). */
import type { HashParts } from '../keyspace/hash-values.ts';
import { NOTIFY_GENERIC, NOTIFY_HASH } from '../keyspace/notify.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { globMatch } from '../util/glob.ts';
import { addLongDouble, formatLongDouble, parseLongDouble } from '../util/long-double.ts';
import type { LongDouble } from '../util/long-double.ts';
import { parseInt64, parseInteger, writeInteger } from '../util/numbers.ts';
import { block, double, integer, key, pattern, string, token } from './arguments.ts';
import type { Call } from './call.ts';
import { INCREMENT_OVERFLOW, NAN_OR_INFINITY, NOT_A_FLOAT, SYNTAX_ERROR, wrongArity } from './errors.ts';
import { family } from './family.ts';
import { lookupHashRead, lookupHashWrite } from './hash-lookup.ts';
import { oneKey } from './key-specs.ts';
import { SCAN_BUCKETS_PER_ELEMENT, scanCursor, scanOptions } from './scan-options.ts';

const HSET_ARITY = wrongArity('hset');
const HMSET_ARITY = wrongArity('hmset');
const VALUE_NOT_AN_INTEGER = new ErrorReply('ERR hash value is not an integer');
const VALUE_NOT_A_FLOAT = new ErrorReply('ERR hash value is not a float');
const NOT_FINITE = new ErrorReply('ERR value is NaN or Infinity');
const COUNT_OUT_OF_RANGE = new ErrorReply('ERR value is out of range');
const COUNT_IS_INT64_MIN = new ErrorReply(
  'ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807',
);

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
/** HRANDFIELD … WITHVALUES: the reply has twice as many elements. */
const PAIRS_MAX = INT64_MAX / 2n;
const ZERO: LongDouble = { mantissa: 0n, exponent: 0 };
/**
 * HRANDFIELD draws fields anew until they are distinct while it wants less than one in so many (t_hash.c,
 * HRANDFIELD_SUB_STRATEGY_MUL).
 */
const SHUFFLE_SHARE = 3;

/** Scratches: what is being replied, and digits to be stored. */
const borrowed = new BorrowedBytes();
const digits = new Uint8Array(20);

export const HASH_COMMANDS = family({ group: 'hash', categories: ['hash'] }, [
  {
    name: 'hdel',
    arity: -3,
    flags: ['write', 'fast'],
    since: '2.0.0',
    summary: 'Delete one or more hash fields',
    complexity: 'O(N) where N is the number of fields to be removed.',
    history: [['2.4.0', 'Accepts multiple `field` arguments.']],
    keySpecs: [oneKey(1, 'RW', 'delete')],
    arguments: [key('key'), string('field', { multiple: true })],
    run: hDel,
  },
  {
    name: 'hexists',
    arity: 3,
    flags: ['readonly', 'fast'],
    since: '2.0.0',
    summary: 'Determine if a hash field exists',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO')],
    arguments: [key('key'), string('field')],
    run: hExists,
  },
  {
    name: 'hget',
    arity: 3,
    flags: ['readonly', 'fast'],
    since: '2.0.0',
    summary: 'Get the value of a hash field',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), string('field')],
    run: hGet,
  },
  {
    name: 'hgetall',
    arity: 2,
    flags: ['readonly'],
    since: '2.0.0',
    summary: 'Get all the fields and values in a hash',
    complexity: 'O(N) where N is the size of the hash.',
    tips: ['nondeterministic_output_order'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key')],
    run: hGetAll,
  },
  {
    name: 'hincrby',
    arity: 4,
    flags: ['write', 'denyoom', 'fast'],
    since: '2.0.0',
    summary: 'Increment the integer value of a hash field by the given number',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'update')],
    arguments: [key('key'), string('field'), integer('increment')],
    run: hIncrBy,
  },
  {
    name: 'hincrbyfloat',
    arity: 4,
    flags: ['write', 'denyoom', 'fast'],
    since: '2.6.0',
    summary: 'Increment the float value of a hash field by the given amount',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'update')],
    arguments: [key('key'), string('field'), double('increment')],
    run: hIncrByFloat,
  },
  {
    name: 'hkeys',
    arity: 2,
    flags: ['readonly'],
    since: '2.0.0',
    summary: 'Get all the fields in a hash',
    complexity: 'O(N) where N is the size of the hash.',
    tips: ['nondeterministic_output_order'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key')],
    run: hKeys,
  },
  {
    name: 'hlen',
    arity: 2,
    flags: ['readonly', 'fast'],
    since: '2.0.0',
    summary: 'Get the number of fields in a hash',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO')],
    arguments: [key('key')],
    run: hLen,
  },
  {
    name: 'hmget',
    arity: -3,
    flags: ['readonly', 'fast'],
    since: '2.0.0',
    summary: 'Get the values of all the given hash fields',
    complexity: 'O(N) where N is the number of fields being requested.',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), string('field', { multiple: true })],
    run: hMGet,
  },
  {
    name: 'hmset',
    arity: -4,
    flags: ['write', 'denyoom', 'fast'],
    since: '2.0.0',
    summary: 'Set multiple hash fields to multiple values',
    complexity: 'O(N) where N is the number of fields being set.',
    docFlags: ['deprecated'],
    deprecatedSince: '4.0.0',
    replacedBy: '`HSET` with multiple field-value pairs',
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), block('field_value', [string('field'), string('value')], { multiple: true })],
    run: hMSet,
  },
  {
    name: 'hrandfield',
    arity: -2,
    flags: ['readonly'],
    since: '6.2.0',
    summary: 'Get one or multiple random fields from a hash',
    complexity: 'O(N) where N is the number of fields returned',
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      block('options', [integer('count'), token('WITHVALUES', { optional: true })], { optional: true }),
    ],
    run: hRandField,
  },
  {
    name: 'hscan',
    arity: -3,
    flags: ['readonly'],
    since: '2.8.0',
    summary: 'Incrementally iterate hash fields and associated values',
    complexity:
      'O(1) for every call. O(N) for a complete iteration, including enough command ' +
      'calls for the cursor to return back to 0. N is the number of elements inside the ' +
      'collection..',
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      integer('cursor'),
      pattern('pattern', { token: 'MATCH', optional: true }),
      integer('count', { token: 'COUNT', optional: true }),
    ],
    run: hScan,
  },
  {
    name: 'hset',
    arity: -4,
    flags: ['write', 'denyoom', 'fast'],
    since: '2.0.0',
    summary: 'Set the string value of a hash field',
    complexity:
      'O(1) for each field/value pair added, so O(N) to add N field/value pairs when the ' +
      'command is called with multiple field/value pairs.',
    history: [['4.0.0', 'Accepts multiple `field` and `value` arguments.']],
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), block('field_value', [string('field'), string('value')], { multiple: true })],
    run: hSet,
  },
  {
    name: 'hsetnx',
    arity: 4,
    flags: ['write', 'denyoom', 'fast'],
    since: '2.0.0',
    summary: 'Set the value of a hash field, only if the field does not exist',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'insert')],
    arguments: [key('key'), string('field'), string('value')],
    run: hSetNx,
  },
  {
    name: 'hstrlen',
    arity: 3,
    flags: ['readonly', 'fast'],
    since: '3.2.0',
    summary: 'Get the length of the value of a hash field',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO')],
    arguments: [key('key'), string('field')],
    run: hStrLen,
  },
  {
    name: 'hvals',
    arity: 2,
    flags: ['readonly'],
    since: '2.0.0',
    summary: 'Get all the values in a hash',
    complexity: 'O(N) where N is the size of the hash.',
    tips: ['nondeterministic_output_order'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key')],
    run: hVals,
  },
]);

// Reading ---------------------------------------------------------------------------------------------------

/** HGET key field */
function hGet(call: Call): void {
  const entry = lookupHashRead(call, 1);
  replyValue(call, entry, 2);
}

/** HMGET key field [field ...] */
function hMGet(call: Call): void {
  const entry = lookupHashRead(call, 1);

  call.reply.array(call.argumentCount - 2);
  for (let i = 2; i < call.argumentCount; i++) replyValue(call, entry, i);
}

/** Replies the value of the field named by an argument; null when there is none, or no hash. */
function replyValue(call: Call, entry: Ref, index: number): void {
  const place = placeOf(call, entry, index);
  if (place === 0) {
    call.reply.null();
    return;
  }
  call.keyspace.hashes.borrowValue(call.database, entry, place, borrowed);
  call.reply.bulk(borrowed.bytes, borrowed.start, borrowed.end);
}

/** The place of the field named by an argument; 0 = it is not there, or there is no hash. */
function placeOf(call: Call, entry: Ref, index: number): number {
  if (entry === 0) return 0;
  const { request } = call;
  const { hashes } = call.keyspace;
  return hashes.find(call.database, entry, request.buffer, request.start(index), request.end(index));
}

/** HEXISTS key field */
function hExists(call: Call): void {
  const entry = lookupHashRead(call, 1);
  call.reply.integer(placeOf(call, entry, 2) === 0 ? 0 : 1);
}

/** HSTRLEN key field */
function hStrLen(call: Call): void {
  const entry = lookupHashRead(call, 1);
  const place = placeOf(call, entry, 2);
  if (place === 0) {
    call.reply.integer(0);
    return;
  }
  call.keyspace.hashes.borrowValue(call.database, entry, place, borrowed);
  call.reply.integer(borrowed.length);
}

/** HLEN key */
function hLen(call: Call): void {
  const entry = lookupHashRead(call, 1);
  call.reply.integer(entry === 0 ? 0 : call.keyspace.hashes.fieldCount(call.database, entry));
}

/** HGETALL key */
function hGetAll(call: Call): void {
  const entry = lookupHashRead(call, 1);
  call.reply.map(entry === 0 ? 0 : call.keyspace.hashes.fieldCount(call.database, entry));
  if (entry !== 0) call.keyspace.hashes.emit(call.database, entry, 'both', call.reply);
}

/** HKEYS key */
function hKeys(call: Call): void {
  replyParts(call, 'fields');
}

/** HVALS key */
function hVals(call: Call): void {
  replyParts(call, 'values');
}

function replyParts(call: Call, parts: HashParts): void {
  const entry = lookupHashRead(call, 1);
  call.reply.array(entry === 0 ? 0 : call.keyspace.hashes.fieldCount(call.database, entry));
  if (entry !== 0) call.keyspace.hashes.emit(call.database, entry, parts, call.reply);
}

/** HSCAN key cursor [MATCH pattern] [COUNT count] */
function hScan(call: Call): void {
  const { database, reply } = call;
  const { hashes } = call.keyspace;
  let cursor = scanCursor(call, 2);
  const entry = lookupHashRead(call, 1);
  if (entry === 0) {
    reply.array(2);
    reply.bulkInteger(0);
    reply.array(0);
    return;
  }
  const options = scanOptions(call, 3, false);

  const places: number[] = [];
  let visitedCount = 0;
  const visit = (place: number): void => {
    visitedCount++;
    if (options.pattern !== undefined) {
      hashes.borrowField(database, entry, place, borrowed);
      if (!globMatch(options.pattern, borrowed.bytes, borrowed.start, borrowed.end)) return;
    }
    places.push(place);
  };
  // Redis counts a field and its value as two elements.
  let bucketsLeft = options.count * 2 * SCAN_BUCKETS_PER_ELEMENT;
  do cursor = hashes.scan(database, entry, cursor, visit);
  while (cursor !== 0 && bucketsLeft-- > 0 && visitedCount < options.count);

  reply.array(2);
  reply.bulkInteger(cursor);
  reply.array(places.length * 2);
  for (const place of places) replyPlace(call, entry, place, true);
}

/** Replies a field's name, and its value when that is wanted. */
function replyPlace(
  { database, keyspace, reply }: Call,
  entry: Ref,
  place: number,
  withValue: boolean,
): void {
  keyspace.hashes.borrowField(database, entry, place, borrowed);
  reply.bulk(borrowed.bytes, borrowed.start, borrowed.end);
  if (!withValue) return;
  keyspace.hashes.borrowValue(database, entry, place, borrowed);
  reply.bulk(borrowed.bytes, borrowed.start, borrowed.end);
}

// At random -------------------------------------------------------------------------------------------------

/** HRANDFIELD key [count [WITHVALUES]] */
function hRandField(call: Call): void {
  const { reply } = call;
  if (call.argumentCount === 2) {
    randomField(call);
    return;
  }
  const count = call.int64(2);
  if (count === INT64_MIN) throw COUNT_IS_INT64_MIN;
  const withValues = call.argumentCount > 3;
  if (call.argumentCount > 4 || (withValues && !call.is(3, 'WITHVALUES'))) throw SYNTAX_ERROR;
  if (withValues && (count > PAIRS_MAX || count < -PAIRS_MAX)) throw COUNT_OUT_OF_RANGE;
  const entry = lookupHashRead(call, 1);

  if (entry === 0 || count === 0n) reply.array(0);
  else if (count < 0n) replyRandom(call, entry, Number(-count), withValues);
  else replyDistinct(call, entry, Number(count), withValues);
}

/** HRANDFIELD key */
function randomField(call: Call): void {
  const entry = lookupHashRead(call, 1);
  if (entry === 0) call.reply.null();
  else replyPlace(call, entry, call.keyspace.hashes.random(call.database, entry), false);
}

/** Fields drawn independently of each other: they may repeat. */
function replyRandom(call: Call, entry: Ref, count: number, withValues: boolean): void {
  const { hashes } = call.keyspace;
  beginFields(call, count, withValues);
  for (let left = count; left > 0; left--)
    replyField(call, entry, hashes.random(call.database, entry), withValues);
}

/** Up to `count` fields, each at most once. */
function replyDistinct(call: Call, entry: Ref, count: number, withValues: boolean): void {
  const { database } = call;
  const { hashes } = call.keyspace;
  const size = hashes.fieldCount(database, entry);
  beginFields(call, Math.min(count, size), withValues);
  if (count >= size) {
    hashes.forEach(database, entry, (place) => replyField(call, entry, place, withValues));
  } else if (count * SHUFFLE_SHARE > size) {
    for (const place of sample(call, hashes.places(database, entry), count))
      replyField(call, entry, place, withValues);
  } else {
    const drawn = new Set<number>();
    while (drawn.size < count) drawn.add(hashes.random(database, entry));
    for (const place of drawn) replyField(call, entry, place, withValues);
  }
}

/** Draws `count` of the places, in the order in which they are given (selection sampling, Knuth 3.4.2 S). */
function sample({ keyspace }: Call, places: readonly number[], count: number): number[] {
  const drawn: number[] = [];
  for (const [index, place] of places.entries()) {
    const left = places.length - index;
    if (keyspace.random.nextFloat() * left < count - drawn.length) drawn.push(place);
  }
  return drawn;
}

/** An array of the fields; with values it is flat, and of pairs in RESP3. */
function beginFields({ reply }: Call, count: number, withValues: boolean): void {
  reply.array(withValues && reply.version === 2 ? count * 2 : count);
}

function replyField(call: Call, entry: Ref, place: number, withValues: boolean): void {
  if (withValues && call.reply.version > 2) call.reply.array(2);
  replyPlace(call, entry, place, withValues);
}

// Setting ---------------------------------------------------------------------------------------------------

/** HSET key field value [field value ...] */
function hSet(call: Call): void {
  if (call.argumentCount % 2 === 1) throw HSET_ARITY;
  call.reply.integer(setFields(call));
}

/** HMSET key field value [field value ...] */
function hMSet(call: Call): void {
  if (call.argumentCount % 2 === 1) throw HMSET_ARITY;
  setFields(call);
  call.reply.ok();
}

/** Sets the fields and values from argument 2 on. Returns how many fields are new. */
function setFields(call: Call): number {
  const { database, keyspace, request } = call;
  const { buffer, count } = request;
  let longest = 0;
  let total = 0;
  for (let i = 2; i < count; i++) {
    const length = request.length(i);
    if (length > longest) longest = length;
    total += length;
  }
  let entry = lookupHashWrite(call, 1);

  const { hashes } = keyspace;
  if (entry === 0) entry = hashes.create(database, buffer, request.start(1), request.end(1), longest);
  else hashes.prepare(database, entry, longest, total);
  let newCount = 0;
  for (let i = 2; i < count; i += 2) {
    const fieldStart = request.start(i);
    const fieldEnd = request.end(i);
    const valueStart = request.start(i + 1);
    const valueEnd = request.end(i + 1);
    if (hashes.set(database, entry, buffer, fieldStart, fieldEnd, buffer, valueStart, valueEnd)) newCount++;
  }
  call.changed(1, NOTIFY_HASH, 'hset');
  keyspace.addDirty(count / 2 - 2);
  return newCount;
}

/** HSETNX key field value */
function hSetNx(call: Call): void {
  const entry = lookupHashWrite(call, 1);
  if (placeOf(call, entry, 2) !== 0) {
    call.reply.integer(0);
    return;
  }

  const { buffer } = call.request;
  setField(call, entry, buffer, call.request.start(3), call.request.end(3));
  call.changed(1, NOTIFY_HASH, 'hset');
  call.reply.integer(1);
}

/**
 * Sets the field that is argument 2, in a new hash when there is none (entry 0). A field that expires goes on
 * to do so.
 */
function setField(call: Call, entry: Ref, value: Uint8Array, start: number, end: number): void {
  const { database, request } = call;
  const { buffer } = request;
  const { hashes } = call.keyspace;
  const longest = Math.max(request.length(2), end - start);
  const target =
    entry === 0 ? hashes.create(database, buffer, request.start(1), request.end(1), longest) : entry;
  hashes.set(database, target, buffer, request.start(2), request.end(2), value, start, end, true);
}

/** HDEL key field [field ...] */
function hDel(call: Call): void {
  const { database, keyspace, request } = call;
  const entry = lookupHashWrite(call, 1);
  if (entry === 0) {
    call.reply.integer(0);
    return;
  }

  let removedCount = 0;
  let isGone = false;
  for (let i = 2; i < request.count && !isGone; i++) {
    if (!keyspace.hashes.remove(database, entry, request.buffer, request.start(i), request.end(i))) continue;
    removedCount++;
    isGone = keyspace.hashes.fieldCount(database, entry) === 0;
  }
  if (isGone) database.delete(entry);
  if (removedCount > 0) {
    call.changed(1, NOTIFY_HASH, 'hdel');
    keyspace.addDirty(removedCount - 1);
  }
  if (isGone) call.event(1, NOTIFY_GENERIC, 'del');
  call.reply.integer(removedCount);
}

// Counting --------------------------------------------------------------------------------------------------

/** HINCRBY key field increment */
function hIncrBy(call: Call): void {
  const { request } = call;
  const delta = parseInteger(request.buffer, request.start(3), request.end(3));
  const bigDelta = Number.isNaN(delta) ? call.int64(3) : undefined;
  const entry = lookupHashWrite(call, 1);
  const hasValue = borrowArgumentValue(call, entry);
  const current = hasValue ? parseInteger(borrowed.bytes, borrowed.start, borrowed.end) : 0;
  const sum = current + delta;
  if (!Number.isSafeInteger(sum)) {
    addBig(call, entry, hasValue, bigDelta ?? BigInt(delta));
    return;
  }

  setField(call, entry, digits, 0, writeInteger(digits, 0, sum));
  call.changed(1, NOTIFY_HASH, 'hincrby');
  call.reply.integer(sum);
}

/** Points `borrowed` at the value of the field that is argument 2; false when there is none. */
function borrowArgumentValue(call: Call, entry: Ref): boolean {
  const place = placeOf(call, entry, 2);
  if (place !== 0) call.keyspace.hashes.borrowValue(call.database, entry, place, borrowed);
  return place !== 0;
}

/** Adds to the value in `borrowed`, to 0 without one, where a double is not exact. */
function addBig(call: Call, entry: Ref, hasValue: boolean, delta: bigint): void {
  const current = hasValue ? parseInt64(borrowed.bytes, borrowed.start, borrowed.end) : 0n;
  if (current === undefined) throw VALUE_NOT_AN_INTEGER;
  const sum = current + delta;
  if (sum < INT64_MIN || sum > INT64_MAX) throw INCREMENT_OVERFLOW;

  const text = Buffer.from(sum.toString(), 'latin1');
  setField(call, entry, text, 0, text.length);
  call.changed(1, NOTIFY_HASH, 'hincrby');
  call.reply.bigInteger(sum);
}

/** HINCRBYFLOAT key field increment */
function hIncrByFloat(call: Call): void {
  const { request } = call;
  const delta = parseLongDouble(request.buffer, request.start(3), request.end(3));
  if (delta === undefined) throw NOT_A_FLOAT;
  if (typeof delta === 'string') throw NOT_FINITE;
  const entry = lookupHashWrite(call, 1);
  const hasValue = borrowArgumentValue(call, entry);
  const current = hasValue ? parseLongDouble(borrowed.bytes, borrowed.start, borrowed.end) : ZERO;
  if (current === undefined) throw VALUE_NOT_A_FLOAT;
  const sum = addLongDouble(current, delta);
  if (typeof sum === 'string') throw NAN_OR_INFINITY;

  const text = Buffer.from(formatLongDouble(sum), 'latin1');
  setField(call, entry, text, 0, text.length);
  call.changed(1, NOTIFY_HASH, 'hincrbyfloat');
  // Other machines, and later versions, may round differently.
  call.propagateAs('HSET', call.bytes(1), call.bytes(2), text);
  call.reply.bulkBytes(text);
}
