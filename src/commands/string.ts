/** Strings: bytes, and the integers and floats that are kept in them (Redis 7.0 t_string.c). */
import { NO_EXPIRY } from '../keyspace/database.ts';
import { ENCODING_EMBSTR, ENCODING_INT, ENCODING_RAW, TYPE_STRING } from '../keyspace/entry.ts';
import { NOTIFY_GENERIC, NOTIFY_STRING } from '../keyspace/notify.ts';
import { encodingFor } from '../keyspace/string-values.ts';
import { BLOCK_BYTES_MAX } from '../memory/allocator.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { copyBytes } from '../util/bytes.ts';
import { addLongDouble, formatLongDouble, parseLongDouble } from '../util/long-double.ts';
import type { LongDouble } from '../util/long-double.ts';
import { parseInt64, parseInteger, writeInteger } from '../util/numbers.ts';
import { block, double, integer, key, oneOf, string, token, unixTime } from './arguments.ts';
import type { Call } from './call.ts';
import {
  INCREMENT_OVERFLOW,
  NAN_OR_INFINITY,
  NOT_AN_INTEGER,
  NOT_A_FLOAT,
  STRING_TOO_LONG,
  SYNTAX_ERROR,
  invalidExpireTime,
  wrongArity,
} from './errors.ts';
import { family } from './family.ts';
import { keyPair, keysFrom, keysOfPairsFrom, oneKey, withNotes } from './key-specs.ts';
import { lcs } from './lcs.ts';

const OFFSET_OUT_OF_RANGE = new ErrorReply('ERR offset is out of range');
const DECREMENT_OVERFLOW = new ErrorReply('ERR decrement would overflow');

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
/** The largest int64 that is a double, as which expiry times are kept. */
const EXPIRY_MILLIS_MAX = 2 ** 63 - 1024;

export const STRING_COMMANDS = family({ group: 'string', categories: ['string'] }, [
  {
    name: 'append',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    since: '2.0.0',
    summary: 'Append a value to a key',
    complexity:
      'O(1). The amortized time complexity is O(1) assuming the appended value is small ' +
      'and the already present value is of any size, since the dynamic string library ' +
      'used by Redis will double the free space available on every reallocation.',
    keySpecs: [oneKey(1, 'RW', 'insert')],
    arguments: [key('key'), string('value')],
    run: append,
  },
  {
    name: 'decr',
    arity: 2,
    flags: ['write', 'denyoom', 'fast'],
    since: '1.0.0',
    summary: 'Decrement the integer value of a key by one',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'update')],
    arguments: [key('key')],
    run: decr,
  },
  {
    name: 'decrby',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    since: '1.0.0',
    summary: 'Decrement the integer value of a key by the given number',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'update')],
    arguments: [key('key'), integer('decrement')],
    run: decrBy,
  },
  {
    name: 'get',
    arity: 2,
    flags: ['readonly', 'fast'],
    since: '1.0.0',
    summary: 'Get the value of a key',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key')],
    run: get,
  },
  {
    name: 'getdel',
    arity: 2,
    flags: ['write', 'fast'],
    since: '6.2.0',
    summary: 'Get the value of a key and delete the key',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'delete')],
    arguments: [key('key')],
    run: getDel,
  },
  {
    name: 'getex',
    arity: -2,
    flags: ['write', 'fast'],
    since: '6.2.0',
    summary: 'Get the value of a key and optionally set its expiration',
    complexity: 'O(1)',
    keySpecs: [withNotes('RW and UPDATE because it changes the TTL', oneKey(1, 'RW', 'access', 'update'))],
    arguments: [
      key('key'),
      oneOf(
        'expiration',
        [
          integer('seconds', { token: 'EX' }),
          integer('milliseconds', { token: 'PX' }),
          unixTime('unix-time-seconds', { token: 'EXAT' }),
          unixTime('unix-time-milliseconds', { token: 'PXAT' }),
          token('PERSIST'),
        ],
        { optional: true },
      ),
    ],
    run: getEx,
  },
  {
    name: 'getrange',
    arity: 4,
    flags: ['readonly'],
    since: '2.4.0',
    summary: 'Get a substring of the string stored at a key',
    complexity:
      'O(N) where N is the length of the returned string. The complexity is ultimately ' +
      'determined by the returned length, but because creating a substring from an ' +
      'existing string is very cheap, it can be considered O(1) for small strings.',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), integer('start'), integer('end')],
    run: getRange,
  },
  {
    name: 'getset',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    since: '1.0.0',
    summary: 'Set the string value of a key and return its old value',
    complexity: 'O(1)',
    docFlags: ['deprecated'],
    deprecatedSince: '6.2.0',
    replacedBy: '`SET` with the `!GET` argument',
    keySpecs: [oneKey(1, 'RW', 'access', 'update')],
    arguments: [key('key'), string('value')],
    run: getSet,
  },
  {
    name: 'incr',
    arity: 2,
    flags: ['write', 'denyoom', 'fast'],
    since: '1.0.0',
    summary: 'Increment the integer value of a key by one',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'update')],
    arguments: [key('key')],
    run: incr,
  },
  {
    name: 'incrby',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    since: '1.0.0',
    summary: 'Increment the integer value of a key by the given amount',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'update')],
    arguments: [key('key'), integer('increment')],
    run: incrBy,
  },
  {
    name: 'incrbyfloat',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    since: '2.6.0',
    summary: 'Increment the float value of a key by the given amount',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RW', 'access', 'update')],
    arguments: [key('key'), double('increment')],
    run: incrByFloat,
  },
  {
    name: 'lcs',
    arity: -3,
    flags: ['readonly'],
    since: '7.0.0',
    summary: 'Find longest common substring',
    complexity: 'O(N*M) where N and M are the lengths of s1 and s2, respectively',
    keySpecs: [keyPair(1, 'RO', 'access')],
    arguments: [
      key('key1'),
      key('key2'),
      token('LEN', { optional: true }),
      token('IDX', { optional: true }),
      integer('len', { token: 'MINMATCHLEN', optional: true }),
      token('WITHMATCHLEN', { optional: true }),
    ],
    run: lcs,
  },
  {
    name: 'mget',
    arity: -2,
    flags: ['readonly', 'fast'],
    since: '1.0.0',
    summary: 'Get the values of all the given keys',
    complexity: 'O(N) where N is the number of keys to retrieve.',
    tips: ['request_policy:multi_shard'],
    keySpecs: [keysFrom(1, 'RO', 'access')],
    arguments: [key('key', { multiple: true })],
    run: mget,
  },
  {
    name: 'mset',
    arity: -3,
    flags: ['write', 'denyoom'],
    since: '1.0.1',
    summary: 'Set multiple keys to multiple values',
    complexity: 'O(N) where N is the number of keys to set.',
    tips: ['request_policy:multi_shard', 'response_policy:all_succeeded'],
    keySpecs: [keysOfPairsFrom(1, 'OW', 'update')],
    arguments: [block('key_value', [key('key'), string('value')], { multiple: true })],
    run: mset,
  },
  {
    name: 'msetnx',
    arity: -3,
    flags: ['write', 'denyoom'],
    since: '1.0.1',
    summary: 'Set multiple keys to multiple values, only if none of the keys exist',
    complexity: 'O(N) where N is the number of keys to set.',
    tips: ['request_policy:multi_shard', 'response_policy:agg_min'],
    keySpecs: [keysOfPairsFrom(1, 'OW', 'insert')],
    arguments: [block('key_value', [key('key'), string('value')], { multiple: true })],
    run: msetNx,
  },
  {
    name: 'psetex',
    arity: 4,
    flags: ['write', 'denyoom'],
    since: '2.6.0',
    summary: 'Set the value and expiration in milliseconds of a key',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'OW', 'update')],
    arguments: [key('key'), integer('milliseconds'), string('value')],
    run: psetEx,
  },
  {
    name: 'set',
    arity: -3,
    flags: ['write', 'denyoom'],
    since: '1.0.0',
    summary: 'Set the string value of a key',
    complexity: 'O(1)',
    history: [
      ['2.6.12', 'Added the `EX`, `PX`, `NX` and `XX` options.'],
      ['6.0.0', 'Added the `KEEPTTL` option.'],
      ['6.2.0', 'Added the `GET`, `EXAT` and `PXAT` option.'],
      ['7.0.0', 'Allowed the `NX` and `GET` options to be used together.'],
    ],
    keySpecs: [
      withNotes(
        'RW and ACCESS due to the optional `GET` argument',
        oneKey(1, 'RW', 'access', 'update', 'variable_flags'),
      ),
    ],
    arguments: [
      key('key'),
      string('value'),
      oneOf('condition', [token('NX'), token('XX')], { since: '2.6.12', optional: true }),
      token('GET', { since: '6.2.0', optional: true }),
      oneOf(
        'expiration',
        [
          integer('seconds', { token: 'EX', since: '2.6.12' }),
          integer('milliseconds', { token: 'PX', since: '2.6.12' }),
          unixTime('unix-time-seconds', { token: 'EXAT', since: '6.2.0' }),
          unixTime('unix-time-milliseconds', { token: 'PXAT', since: '6.2.0' }),
          token('KEEPTTL', { since: '6.0.0' }),
        ],
        { optional: true },
      ),
    ],
    run: set,
  },
  {
    name: 'setex',
    arity: 4,
    flags: ['write', 'denyoom'],
    since: '2.0.0',
    summary: 'Set the value and expiration of a key',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'OW', 'update')],
    arguments: [key('key'), integer('seconds'), string('value')],
    run: setEx,
  },
  {
    name: 'setnx',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    since: '1.0.0',
    summary: 'Set the value of a key, only if the key does not exist',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'OW', 'insert')],
    arguments: [key('key'), string('value')],
    run: setNx,
  },
  {
    name: 'setrange',
    arity: 4,
    flags: ['write', 'denyoom'],
    since: '2.2.0',
    summary: 'Overwrite part of a string at key starting at the specified offset',
    complexity:
      'O(1), not counting the time taken to copy the new string in place. Usually, this ' +
      'string is very small so the amortized complexity is O(1). Otherwise, complexity ' +
      'is O(M) with M being the length of the value argument.',
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), integer('offset'), string('value')],
    run: setRange,
  },
  {
    name: 'strlen',
    arity: 2,
    flags: ['readonly', 'fast'],
    since: '2.2.0',
    summary: 'Get the length of the value stored in a key',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO')],
    arguments: [key('key')],
    run: strLen,
  },
  {
    name: 'substr',
    arity: 4,
    flags: ['readonly'],
    since: '1.0.0',
    summary: 'Get a substring of the string stored at a key',
    complexity:
      'O(N) where N is the length of the returned string. The complexity is ultimately ' +
      'determined by the returned length, but because creating a substring from an ' +
      'existing string is very cheap, it can be considered O(1) for small strings.',
    docFlags: ['deprecated'],
    deprecatedSince: '2.0.0',
    replacedBy: '`GETRANGE`',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), integer('start'), integer('end')],
    run: getRange,
  },
]);

/** Whatever value a handler has in hand: one of them runs at a time, and it holds one value at a time. */
const value = new BorrowedBytes();
/** An integer on its way into a new key. */
const digits = new Uint8Array(20);

// Reading ---------------------------------------------------------------------------------------------------

/** GET key */
function get(call: Call): void {
  replyString(call, call.lookupStringRead(1));
}

/** MGET key [key ...] */
function mget(call: Call): void {
  const count = call.argumentCount;
  call.reply.array(count - 1);
  for (let index = 1; index < count; index++) {
    const entry = call.lookupRead(index);
    const isString = entry !== 0 && call.database.typeOf(entry) === TYPE_STRING;
    replyString(call, isString ? entry : 0);
  }
}

/** STRLEN key */
function strLen(call: Call): void {
  const entry = call.lookupStringRead(1);
  call.reply.integer(entry === 0 ? 0 : call.strings.length(entry));
}

/** GETRANGE key start end, SUBSTR key start end */
function getRange(call: Call): void {
  const start = roundedInt64(call, 2);
  const end = roundedInt64(call, 3);
  const entry = call.lookupStringRead(1);
  const length = entry === 0 ? 0 : call.strings.length(entry);

  const first = Math.max(0, start < 0 ? start + length : start);
  const last = Math.min(length - 1, Math.max(0, end < 0 ? end + length : end));
  if (first > last || (last === 0 && isReversed(call, start, end))) {
    call.reply.bulk(value.bytes, 0, 0);
    return;
  }
  call.strings.borrow(entry, value);
  call.reply.bulk(value.bytes, value.start + first, value.start + last + 1);
}

/** Two negative indexes in the wrong order: both before the first byte, they would come out as that byte. */
function isReversed(call: Call, start: number, end: number): boolean {
  if (start >= 0 || end >= 0) return false;
  return start > end || (start === end && !Number.isSafeInteger(start) && call.int64(2) > call.int64(3));
}

/** The string, or null when there is no entry. */
function replyString(call: Call, entry: Ref): void {
  if (entry === 0) {
    call.reply.null();
    return;
  }
  call.strings.borrow(entry, value);
  call.reply.bulk(value.bytes, value.start, value.end);
}

/** Any int64, rounded beyond ±2^53: for comparing with lengths. @throws NOT_AN_INTEGER */
function roundedInt64(call: Call, index: number): number {
  const { request } = call;
  const small = parseInteger(request.buffer, request.start(index), request.end(index));
  return Number.isNaN(small) ? Number(call.int64(index)) : small;
}

// Setting ---------------------------------------------------------------------------------------------------

// Options of SET and GETEX as bits.
const NX = 1 << 0;
const XX = 1 << 1;
const GET = 1 << 2;
const KEEPTTL = 1 << 3;
const PERSIST = 1 << 4;
const EX = 1 << 5;
const PX = 1 << 6;
const EXAT = 1 << 7;
const PXAT = 1 << 8;

const CONDITIONS = NX | XX;
/** Options that an argument with a time follows. */
const TIMES = EX | PX | EXAT | PXAT;
const LIVES = KEEPTTL | PERSIST | TIMES;

type OptionWords = readonly (readonly [word: string, bit: number])[];

const TIME_WORDS: OptionWords = [
  ['EX', EX],
  ['PX', PX],
  ['EXAT', EXAT],
  ['PXAT', PXAT],
];
const SET_WORDS: OptionWords = [...TIME_WORDS, ['NX', NX], ['XX', XX], ['GET', GET], ['KEEPTTL', KEEPTTL]];
const GETEX_WORDS: OptionWords = [...TIME_WORDS, ['PERSIST', PERSIST]];

interface Options {
  readonly bits: number;
  /** The argument with the time, 0 when there is none. */
  readonly timeIndex: number;
}

/** SET key value [NX | XX] [GET] [EX seconds | PX millis | EXAT unix-seconds | PXAT unix-millis | KEEPTTL] */
function set(call: Call): void {
  if (call.argumentCount === 3) {
    call.setString(1, 2, false);
    call.changed(1, NOTIFY_STRING, 'set');
    call.reply.ok();
    return;
  }

  const { bits, timeIndex } = parseOptions(call, 3, SET_WORDS);
  const expiry = timeIndex === 0 ? NO_EXPIRY : expiryTime(call, timeIndex, bits);
  if ((bits & GET) !== 0) replyString(call, call.lookupStringRead(1));
  if ((bits & CONDITIONS) !== 0) {
    const exists = call.lookupWrite(1) !== 0;
    if (exists === ((bits & NX) !== 0)) {
      if ((bits & GET) === 0) call.reply.null();
      return;
    }
  }

  if (expiry !== NO_EXPIRY) {
    setExpiring(call, 2, expiry);
  } else {
    call.setString(1, 2, (bits & KEEPTTL) !== 0);
    call.changed(1, NOTIFY_STRING, 'set');
    if ((bits & GET) !== 0) propagateWithoutGet(call);
  }
  if ((bits & GET) === 0) call.reply.ok();
}

/** SETEX key seconds value */
function setEx(call: Call): void {
  setExpiring(call, 3, expiryTime(call, 2, EX));
  call.reply.ok();
}

/** PSETEX key milliseconds value */
function psetEx(call: Call): void {
  setExpiring(call, 3, expiryTime(call, 2, PX));
  call.reply.ok();
}

/** SETNX key value */
function setNx(call: Call): void {
  if (call.lookupWrite(1) !== 0) {
    call.reply.integer(0);
    return;
  }
  call.setString(1, 2, false);
  call.changed(1, NOTIFY_STRING, 'set');
  call.reply.integer(1);
}

/** GETSET key value */
function getSet(call: Call): void {
  replyString(call, call.lookupStringRead(1));

  call.setString(1, 2, false);
  call.changed(1, NOTIFY_STRING, 'set');
  call.propagateAs('SET', call.bytes(1), call.bytes(2));
}

/** MSET key value [key value ...] */
function mset(call: Call): void {
  checkPairs(call);
  setPairs(call);
  call.reply.ok();
}

/** MSETNX key value [key value ...] */
function msetNx(call: Call): void {
  checkPairs(call);
  for (let index = 1; index < call.argumentCount; index += 2) {
    if (call.lookupWrite(index) === 0) continue;
    call.reply.integer(0);
    return;
  }
  setPairs(call);
  call.reply.integer(1);
}

function checkPairs(call: Call): void {
  if (call.argumentCount % 2 === 0) throw wrongArity(call.command.fullName);
}

function setPairs(call: Call): void {
  const count = call.argumentCount;
  for (let index = 1; index < count; index += 2) {
    call.setString(index, index + 1, false);
    call.changed(index, NOTIFY_STRING, 'set');
  }
}

/** Sets the key that is argument 1 until that time. The past is no error: the key is found dead later. */
function setExpiring(call: Call, valueIndex: number, expiry: number): void {
  const entry = call.setString(1, valueIndex, true);
  call.database.setExpiry(entry, expiry);
  call.changed(1, NOTIFY_STRING, 'set');
  call.event(1, NOTIFY_GENERIC, 'expire');
  call.propagateAs('SET', call.bytes(1), call.bytes(valueIndex), 'PXAT', millisText(expiry));
}

/** GET asks for a reply, which is nothing to log or replicate. */
function propagateWithoutGet(call: Call): void {
  const args = [call.bytes(0), call.bytes(1), call.bytes(2)];
  for (let index = 3; index < call.argumentCount; index++) {
    if (!call.is(index, 'GET')) args.push(call.bytes(index));
  }
  call.propagateAs(...args);
}

/**
 * The options from argument `first` on (t_string.c, parseExtendedStringArgumentsOrReply). An option may come
 * twice, but not one that contradicts it; the last time counts.
 * @throws SYNTAX_ERROR
 */
function parseOptions(call: Call, first: number, words: OptionWords): Options {
  let bits = 0;
  let timeIndex = 0;
  for (let index = first; index < call.argumentCount; index++) {
    const bit = optionAt(call, index, words);
    if (bit === 0 || (bits & rivalsOf(bit)) !== 0) throw SYNTAX_ERROR;
    bits |= bit;
    if ((bit & TIMES) === 0) continue;
    timeIndex = ++index;
    if (timeIndex === call.argumentCount) throw SYNTAX_ERROR;
  }
  return { bits, timeIndex };
}

function optionAt(call: Call, index: number, words: OptionWords): number {
  for (let i = 0; i < words.length; i++) {
    if (call.is(index, words[i]![0])) return words[i]![1];
  }
  return 0;
}

function rivalsOf(bit: number): number {
  if ((bit & CONDITIONS) !== 0) return CONDITIONS & ~bit;
  return (bit & LIVES) !== 0 ? LIVES & ~bit : 0;
}

/**
 * The time in an argument as Unix time in ms (t_string.c, getExpireMillisecondsOrReply).
 * @throws NOT_AN_INTEGER, invalidExpireTime when it is not positive or exceeds an int64
 */
function expiryTime(call: Call, index: number, bits: number): number {
  const unitMillis = (bits & (EX | EXAT)) !== 0 ? 1000 : 1;
  const base = (bits & (EX | PX)) !== 0 ? call.now : 0;
  const time = roundedInt64(call, index);
  if (time <= 0) throw invalidExpireTime(call.command.fullName);

  const millis = time * unitMillis + base;
  if (Number.isSafeInteger(millis)) return millis;
  const exact = call.int64(index) * BigInt(unitMillis) + BigInt(base);
  if (exact > INT64_MAX) throw invalidExpireTime(call.command.fullName);
  return Math.min(Number(exact), EXPIRY_MILLIS_MAX);
}

/** Exact: String() rounds beyond 2^53. */
function millisText(millis: number): string {
  return BigInt(millis).toString();
}

// Reading and changing at once ------------------------------------------------------------------------------

/** GETDEL key */
function getDel(call: Call): void {
  const entry = call.lookupStringRead(1);
  replyString(call, entry);
  if (entry === 0) return;

  call.database.delete(entry, call.keyspace.lazy.userDel);
  call.changed(1, NOTIFY_GENERIC, 'del');
  call.propagateAs(call.config.values['lazyfree-lazy-user-del'] ? 'UNLINK' : 'DEL', call.bytes(1));
}

/** GETEX key [EX seconds | PX millis | EXAT unix-seconds | PXAT unix-millis | PERSIST] */
function getEx(call: Call): void {
  const { bits, timeIndex } = parseOptions(call, 2, GETEX_WORDS);
  const entry = call.lookupStringRead(1);
  const expiry = entry === 0 || timeIndex === 0 ? NO_EXPIRY : expiryTime(call, timeIndex, bits);
  replyString(call, entry);
  if (entry === 0) return;

  const { database } = call;
  if (expiry !== NO_EXPIRY && expiry <= call.keyspace.expiryNow) {
    database.delete(entry, call.keyspace.lazy.expire);
    call.changed(1, NOTIFY_GENERIC, 'del');
    call.propagateAs(call.config.values['lazyfree-lazy-expire'] ? 'UNLINK' : 'DEL', call.bytes(1));
  } else if (expiry !== NO_EXPIRY) {
    database.setExpiry(entry, expiry);
    call.changed(1, NOTIFY_GENERIC, 'expire');
    call.propagateAs('PEXPIREAT', call.bytes(1), millisText(expiry));
  } else if ((bits & PERSIST) !== 0 && database.expiryOf(entry) !== NO_EXPIRY) {
    database.clearExpiry(entry);
    call.changed(1, NOTIFY_GENERIC, 'persist');
    call.propagateAs('PERSIST', call.bytes(1));
  }
}

// Editing ---------------------------------------------------------------------------------------------------

/** APPEND key value */
function append(call: Call): void {
  const { request } = call;
  const entry = call.lookupStringWrite(1);
  const oldLength = entry === 0 ? 0 : call.strings.length(entry);
  const length = oldLength + request.length(2);
  if (entry !== 0) checkStringLength(call, length);

  if (entry === 0) {
    call.setString(1, 2, false);
  } else {
    call.strings.edit(call.database, entry, length, value, oldLength, length);
    copyBytes(value.bytes, value.start + oldLength, request.buffer, request.start(2), request.end(2));
  }
  call.changed(1, NOTIFY_STRING, 'append');
  call.reply.integer(length);
}

/** SETRANGE key offset value */
function setRange(call: Call): void {
  const { request } = call;
  const offset = roundedInt64(call, 2);
  if (offset < 0) throw OFFSET_OUT_OF_RANGE;
  const entry = call.lookupStringWrite(1);
  const oldLength = entry === 0 ? 0 : call.strings.length(entry);
  if (request.length(3) === 0) {
    call.reply.integer(oldLength);
    return;
  }
  const end = offset + request.length(3);
  checkStringLength(call, end);

  const length = Math.max(oldLength, end);
  if (entry === 0) createZeroes(call, length);
  else call.strings.edit(call.database, entry, length, value, offset, end);
  copyBytes(value.bytes, value.start + offset, request.buffer, request.start(3), request.end(3));
  call.changed(1, NOTIFY_STRING, 'setrange');
  call.reply.integer(length);
}

/** @throws STRING_TOO_LONG when clients could not send such a string, or no block is that large */
function checkStringLength(call: Call, length: number): void {
  if (length > call.config.values['proto-max-bulk-len'] || length > BLOCK_BYTES_MAX) throw STRING_TOO_LONG;
}

/** Gives the key that is argument 1, and is not there, that many zero bytes, in `value` for writing. */
function createZeroes(call: Call, length: number): void {
  const { database, strings } = call;
  const empty = setKey(call, value.bytes, 0);
  try {
    strings.edit(database, empty, length, value);
  } catch (error) {
    database.delete(empty);
    throw error;
  }
}

/** Sets the key that is argument 1 to the first `length` bytes. */
function setKey(call: Call, bytes: Uint8Array, length: number): Ref {
  const { request } = call;
  const { buffer } = request;
  return call.strings.set(call.database, buffer, request.start(1), request.end(1), bytes, 0, length, false);
}

// Counting --------------------------------------------------------------------------------------------------

/** INCR key */
function incr(call: Call): void {
  increment(call, 1);
}

/** DECR key */
function decr(call: Call): void {
  increment(call, -1);
}

/** INCRBY key increment */
function incrBy(call: Call): void {
  const { request } = call;
  const delta = parseInteger(request.buffer, request.start(2), request.end(2));
  if (Number.isNaN(delta)) incrementBig(call, call.int64(2));
  else increment(call, delta);
}

/** DECRBY key decrement */
function decrBy(call: Call): void {
  const { request } = call;
  const delta = parseInteger(request.buffer, request.start(2), request.end(2));
  if (!Number.isNaN(delta)) {
    increment(call, 0 - delta);
    return;
  }
  const bigDelta = call.int64(2);
  if (bigDelta === INT64_MIN) throw DECREMENT_OVERFLOW;
  incrementBig(call, -bigDelta);
}

/** Adds to the key that is argument 1, without BigInt as long as everything is a safe integer. */
function increment(call: Call, delta: number): void {
  const entry = call.lookupStringWrite(1);
  let sum = entry === 0 ? -1 : call.strings.addInPlace(call.database, entry, delta);
  if (sum < 0) {
    const current = numberOf(call, entry);
    sum = current + delta;
    if (!Number.isSafeInteger(sum)) {
      addBig(call, entry, BigInt(delta));
      return;
    }
    if (entry === 0) setKey(call, digits, writeInteger(digits, 0, sum));
    else call.strings.overwriteInteger(call.database, entry, value, sum);
  }
  call.changed(1, NOTIFY_STRING, 'incrby');
  call.reply.integer(sum);
}

/** What a string says, 0 when there is no entry; NaN when it is no safe integer. `value` is its text then. */
function numberOf(call: Call, entry: Ref): number {
  if (entry === 0) return 0;
  call.strings.borrow(entry, value);
  return parseInteger(value.bytes, value.start, value.end);
}

function incrementBig(call: Call, delta: bigint): void {
  addBig(call, call.lookupStringWrite(1), delta);
}

function addBig(call: Call, entry: Ref, delta: bigint): void {
  const sum = int64Of(call, entry) + delta;
  if (sum < INT64_MIN || sum > INT64_MAX) throw INCREMENT_OVERFLOW;

  const text = Buffer.from(sum.toString(), 'latin1');
  if (entry === 0) setKey(call, text, text.length);
  else call.strings.overwrite(call.database, entry, text, 0, text.length, ENCODING_INT);
  call.changed(1, NOTIFY_STRING, 'incrby');
  call.reply.bigInteger(sum);
}

/** The integer that a string says, 0 when there is no entry. @throws NOT_AN_INTEGER */
function int64Of(call: Call, entry: Ref): bigint {
  if (entry === 0) return 0n;
  call.strings.borrow(entry, value);
  const integerValue = parseInt64(value.bytes, value.start, value.end);
  if (integerValue === undefined) throw NOT_AN_INTEGER;
  return integerValue;
}

/** INCRBYFLOAT key increment */
function incrByFloat(call: Call): void {
  const { request } = call;
  const entry = call.lookupStringWrite(1);
  let sum: LongDouble | undefined = { mantissa: 0n, exponent: 0 };
  if (entry !== 0) {
    call.strings.borrow(entry, value);
    sum = parseLongDouble(value.bytes, value.start, value.end);
  }
  const delta = parseLongDouble(request.buffer, request.start(2), request.end(2));
  if (sum === undefined || delta === undefined) throw NOT_A_FLOAT;
  sum = addLongDouble(sum, delta);
  if (typeof sum === 'string') throw NAN_OR_INFINITY;

  const text = Buffer.from(formatLongDouble(sum), 'latin1');
  // Redis does not look whether the sum happens to be an integer.
  const encoding = encodingFor(text, 0, text.length) === ENCODING_RAW ? ENCODING_RAW : ENCODING_EMBSTR;
  const target = entry === 0 ? setKey(call, text, text.length) : entry;
  call.strings.overwrite(call.database, target, text, 0, text.length, encoding);
  call.changed(1, NOTIFY_STRING, 'incrbyfloat');
  // Other machines, and later versions, may round differently.
  call.propagateAs('SET', call.bytes(1), text, 'KEEPTTL');
  call.reply.bulkBytes(text);
}
