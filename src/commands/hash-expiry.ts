/**
 * How long fields of hashes live (Redis 7.4 t_hash.c, hexpireGenericCommand). These commands came after 7.0,
 * whose other rows are held against a real server.
 */
import { NO_EXPIRY } from '../keyspace/database.ts';
import { NOTIFY_GENERIC, NOTIFY_HASH } from '../keyspace/notify.ts';
import type { Ref } from '../memory/arena.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { parseInt64, parseInteger } from '../util/numbers.ts';
import { block, integer, key, oneOf, string, token, unixTime } from './arguments.ts';
import type { Call } from './call.ts';
import { invalidExpireTime } from './errors.ts';
import { family } from './family.ts';
import { lookupHashRead, lookupHashWrite } from './hash-lookup.ts';
import { oneKey } from './key-specs.ts';

const NEGATIVE_TIME = new ErrorReply('ERR invalid expire time, must be >= 0');
const FIELDS_MISSING = new ErrorReply(
  'ERR Mandatory argument FIELDS is missing or not at the right position',
);
const FIELD_COUNT_NOT_POSITIVE = new ErrorReply('ERR Parameter `numFields` should be greater than 0');
const FIELD_COUNT_NOT_A_NUMBER = new ErrorReply('ERR Number of fields must be a positive integer');
const FIELD_COUNT_MISMATCH = new ErrorReply(
  'ERR The `numfields` parameter must match the number of arguments',
);

/** The latest expiry time of a field (Redis 7.4 ebuckets.h and t_hash.c, HFE_MAX_ABS_TIME_MSEC). */
const EXPIRY_MILLIS_MAX = 2 ** 46 - 1;

const SECOND = 1000;
const MILLISECOND = 1;

// What is replied for a field.
const NO_FIELD = -2;
const NO_TTL = -1;
const CONDITION_NOT_MET = 0;
const DONE = 1;
const DELETED = 2;

type Condition = 'NX' | 'XX' | 'GT' | 'LT';
const CONDITIONS: readonly Condition[] = ['NX', 'XX', 'GT', 'LT'];

const CONDITION = oneOf(
  'condition',
  CONDITIONS.map((word) => token(word)),
  { optional: true },
);
const FIELDS = block('fields', [integer('numfields'), string('field', { multiple: true })], {
  token: 'FIELDS',
});
const SINCE = '7.4.0';
const COMPLEXITY = 'O(N) where N is the number of specified fields';

export const HASH_EXPIRY_COMMANDS = family({ group: 'hash', categories: ['hash'] }, [
  {
    name: 'hexpire',
    arity: -6,
    flags: ['write', 'denyoom', 'fast'],
    since: SINCE,
    summary: 'Set expiry for hash field using relative time to expire (seconds)',
    complexity: COMPLEXITY,
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), integer('seconds'), CONDITION, FIELDS],
    run: hExpire,
  },
  {
    name: 'hexpireat',
    arity: -6,
    flags: ['write', 'denyoom', 'fast'],
    since: SINCE,
    summary: 'Set expiry for hash field using an absolute Unix timestamp (seconds)',
    complexity: COMPLEXITY,
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), unixTime('unix-time-seconds'), CONDITION, FIELDS],
    run: hExpireAt,
  },
  {
    name: 'hexpiretime',
    arity: -5,
    flags: ['readonly', 'fast'],
    since: SINCE,
    summary: 'Returns the expiration time of a hash field as a Unix timestamp, in seconds',
    complexity: COMPLEXITY,
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), FIELDS],
    run: hExpireTime,
  },
  {
    name: 'hpersist',
    arity: -5,
    flags: ['write', 'fast'],
    since: SINCE,
    summary: 'Removes the expiration time for each specified field',
    complexity: COMPLEXITY,
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), FIELDS],
    run: hPersist,
  },
  {
    name: 'hpexpire',
    arity: -6,
    flags: ['write', 'denyoom', 'fast'],
    since: SINCE,
    summary: 'Set expiry for hash field using relative time to expire (milliseconds)',
    complexity: COMPLEXITY,
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), integer('milliseconds'), CONDITION, FIELDS],
    run: hPExpire,
  },
  {
    name: 'hpexpireat',
    arity: -6,
    flags: ['write', 'denyoom', 'fast'],
    since: SINCE,
    summary: 'Set expiry for hash field using an absolute Unix timestamp (milliseconds)',
    complexity: COMPLEXITY,
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), unixTime('unix-time-milliseconds'), CONDITION, FIELDS],
    run: hPExpireAt,
  },
  {
    name: 'hpexpiretime',
    arity: -5,
    flags: ['readonly', 'fast'],
    since: SINCE,
    summary: 'Returns the expiration time of a hash field as a Unix timestamp, in msec',
    complexity: COMPLEXITY,
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), FIELDS],
    run: hPExpireTime,
  },
  {
    name: 'hpttl',
    arity: -5,
    flags: ['readonly', 'fast'],
    since: SINCE,
    summary: 'Returns the TTL in milliseconds of a hash field',
    complexity: COMPLEXITY,
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), FIELDS],
    run: hPTtl,
  },
  {
    name: 'httl',
    arity: -5,
    flags: ['readonly', 'fast'],
    since: SINCE,
    summary: 'Returns the TTL in seconds of a hash field',
    complexity: COMPLEXITY,
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), FIELDS],
    run: hTtl,
  },
]);

/** HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...] */
function hExpire(call: Call): void {
  expireFields(call, SECOND, call.now);
}

/** HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...] */
function hPExpire(call: Call): void {
  expireFields(call, MILLISECOND, call.now);
}

/** HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...] */
function hExpireAt(call: Call): void {
  expireFields(call, SECOND, 0);
}

/** HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...] */
function hPExpireAt(call: Call): void {
  expireFields(call, MILLISECOND, 0);
}

/**
 * @param unitMillis what the argument counts
 * @param since the moment that it counts from, Unix time in ms
 */
function expireFields(call: Call, unitMillis: number, since: number): void {
  const { database, keyspace, reply } = call;
  const entry = lookupHashWrite(call, 1);
  const time = timeArgument(call, unitMillis, since);
  const condition = CONDITIONS.find((word) => call.is(3, word));
  const firstField = fieldsFrom(call, condition === undefined ? 3 : 4, FIELD_COUNT_NOT_POSITIVE);

  const isPast = time <= keyspace.expiryNow && keyspace.mayDeleteExpired;
  const changed: Buffer[] = [];
  reply.array(call.argumentCount - firstField);
  for (let i = firstField; i < call.argumentCount; i++) {
    const outcome = expireField(call, entry, i, time, condition, isPast);
    if (outcome === DONE || outcome === DELETED) changed.push(call.bytes(i));
    reply.integer(outcome);
  }
  if (changed.length === 0) return;

  const isGone = keyspace.hashes.fieldCount(database, entry) === 0;
  if (isGone) database.delete(entry);
  call.changed(1, NOTIFY_HASH, isPast ? 'hdel' : 'hexpire');
  if (isGone) call.event(1, NOTIFY_GENERIC, 'del');
  keyspace.addDirty(changed.length - 1);
  if (isPast) call.propagateAs('HDEL', call.bytes(1), ...changed);
  else
    call.propagateAs('HPEXPIREAT', call.bytes(1), String(time), 'FIELDS', String(changed.length), ...changed);
}

/** Sets when the field named by an argument expires; deletes it when that is past. */
function expireField(
  call: Call,
  entry: Ref,
  index: number,
  time: number,
  condition: Condition | undefined,
  isPast: boolean,
): number {
  if (entry === 0) return NO_FIELD;
  const { database, request } = call;
  const { buffer } = request;
  const { hashes } = call.keyspace;
  const [start, end] = [request.start(index), request.end(index)];
  const place = hashes.find(database, entry, buffer, start, end);
  if (place === 0) return NO_FIELD;
  if (!allows(condition, hashes.expiryOf(database, entry, place), time)) return CONDITION_NOT_MET;

  if (isPast) hashes.remove(database, entry, buffer, start, end);
  else hashes.setExpiry(database, entry, buffer, start, end, time);
  return isPast ? DELETED : DONE;
}

/**
 * Whether the condition holds between a field's expiry time and the new one; without one it lives forever.
 */
function allows(condition: Condition | undefined, current: number, time: number): boolean {
  const isPersistent = current === NO_EXPIRY;
  switch (condition) {
    case 'NX': {
      return isPersistent;
    }
    case 'XX': {
      return !isPersistent;
    }
    case 'GT': {
      return !isPersistent && time > current;
    }
    case 'LT': {
      return isPersistent || time < current;
    }
    case undefined: {
      return true;
    }
  }
}

/** When the fields are to expire, Unix time in ms. */
function timeArgument(call: Call, unitMillis: number, since: number): number {
  const { request } = call;
  const count = parseInteger(request.buffer, request.start(2), request.end(2));
  if (Number.isNaN(count)) {
    const bigCount = call.int64(2);
    throw bigCount < 0n ? NEGATIVE_TIME : invalidExpireTime(call.command.fullName);
  }
  if (count < 0) throw NEGATIVE_TIME;
  const time = count * unitMillis + since;
  if (time > EXPIRY_MILLIS_MAX) throw invalidExpireTime(call.command.fullName);
  return time;
}

/**
 * Checks `FIELDS numfields field …` and returns the index of the first field.
 * @param index where FIELDS must stand
 */
function fieldsFrom(call: Call, index: number, notPositive: ErrorReply): number {
  if (!call.is(index, 'FIELDS')) throw FIELDS_MISSING;
  const { request } = call;
  const fieldCount = parseInt64(request.buffer, request.start(index + 1), request.end(index + 1));
  if (fieldCount === undefined || fieldCount < 1n) throw notPositive;
  if (fieldCount !== BigInt(request.count - index - 2)) throw FIELD_COUNT_MISMATCH;
  return index + 2;
}

/** HPERSIST key FIELDS numfields field [field ...] */
function hPersist(call: Call): void {
  const { database, keyspace } = call;
  const { hashes } = keyspace;
  let persistedCount = 0;
  replyEach(call, lookupHashWrite(call, 1), (entry, place) => {
    if (hashes.expiryOf(database, entry, place) === NO_EXPIRY) return NO_TTL;
    hashes.clearExpiry(database, entry, place);
    persistedCount++;
    return DONE;
  });
  if (persistedCount === 0) return;
  call.changed(1, NOTIFY_HASH, 'hpersist');
  keyspace.addDirty(persistedCount - 1);
}

/** HTTL key FIELDS numfields field [field ...] */
function hTtl(call: Call): void {
  replyExpiries(call, SECOND, call.now);
}

/** HPTTL key FIELDS numfields field [field ...] */
function hPTtl(call: Call): void {
  replyExpiries(call, MILLISECOND, call.now);
}

/** HEXPIRETIME key FIELDS numfields field [field ...] */
function hExpireTime(call: Call): void {
  replyExpiries(call, SECOND, 0);
}

/** HPEXPIRETIME key FIELDS numfields field [field ...] */
function hPExpireTime(call: Call): void {
  replyExpiries(call, MILLISECOND, 0);
}

/**
 * Replies when the fields expire, seconds rounded up.
 * @param since the moment to count from, Unix time in ms
 */
function replyExpiries(call: Call, unitMillis: number, since: number): void {
  replyEach(call, lookupHashRead(call, 1), (entry, place) => {
    const expiry = call.keyspace.hashes.expiryOf(call.database, entry, place);
    return expiry === NO_EXPIRY ? NO_TTL : Math.ceil((expiry - since) / unitMillis);
  });
}

/** Replies a number for each field named; `ofField` tells it for those that are there. */
function replyEach(call: Call, entry: Ref, ofField: (entry: Ref, place: number) => number): void {
  const { database, reply, request } = call;
  const firstField = fieldsFrom(call, 2, FIELD_COUNT_NOT_A_NUMBER);

  reply.array(call.argumentCount - firstField);
  for (let i = firstField; i < call.argumentCount; i++) {
    const { buffer } = request;
    const place =
      entry === 0 ? 0 : call.keyspace.hashes.find(database, entry, buffer, request.start(i), request.end(i));
    reply.integer(place === 0 ? NO_FIELD : ofField(entry, place));
  }
}
