/**
 * What a client may send that means harm or is just careless: valid and spoilt commands of all families, waits,
 * subscriptions, huge numbers, and what turns the whole keyspace over.
 */
import { ACCESS_RULES, DEFAULT_GROUPS, GROUPS, mutate } from '../differential/grammar.ts';
import { maybe, oneOf, rule, several, type CommandRule } from '../differential/rule.ts';
import {
  anyKey,
  databaseIndex,
  hashKey,
  listKey,
  member,
  pattern,
  setKey,
  sortedSetKey,
  streamKey,
  value,
} from '../differential/values.ts';
import { crc64 } from '../../src/util/crc64.ts';
import type { Argument } from '../support/resp-client.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

/** Clients that a command names are about as old as its sender. */
const CLIENT_AGE_DIFFERENCE_MAX = 12;
const COMMANDS_PER_WRITE_MAX = 12;
const BITS_FLIPPED_MAX = 4;
const CHECKSUM_BYTES = 8;
const FOOTER_BYTES = 2 + CHECKSUM_BYTES;

type Maker = (random: SeededRandom) => Argument[];

// Waits -----------------------------------------------------------------------------------------------------

const seconds = (random: SeededRandom): string => (random.integer(1, 60) / 1000).toFixed(3);
const milliseconds = (random: SeededRandom): string => String(random.integer(1, 60));
const end = oneOf(['LEFT'], ['RIGHT']);

const WAIT_RULES: readonly CommandRule[] = [
  rule(4, oneOf(['BLPOP'], ['BRPOP']), several(3, listKey), seconds),
  rule(2, 'BLMOVE', listKey, listKey, end, end, seconds),
  rule(1, 'BRPOPLPUSH', listKey, listKey, seconds),
  rule(2, 'BLMPOP', seconds, '2', listKey, listKey, end, maybe(0.5, 'COUNT', '3')),
  rule(3, oneOf(['BZPOPMIN'], ['BZPOPMAX']), several(3, sortedSetKey), seconds),
  rule(2, 'BZMPOP', seconds, '2', sortedSetKey, sortedSetKey, oneOf(['MIN'], ['MAX'])),
  rule(3, 'XREAD', 'BLOCK', milliseconds, 'STREAMS', streamKey, oneOf(['$'], ['0'])),
  rule(3, 'XREADGROUP', 'GROUP', 'g1', 'c1', 'BLOCK', milliseconds, 'STREAMS', streamKey, '>'),
  rule(1, 'WAIT', '1', milliseconds),
  // What ends the waits.
  rule(6, oneOf(['LPUSH'], ['RPUSH']), listKey, several(4, member)),
  rule(6, 'ZADD', sortedSetKey, several(3, '1', member)),
  rule(6, 'XADD', streamKey, '*', 'field', value),
  rule(2, 'XGROUP', oneOf(['CREATE'], ['DESTROY']), streamKey, 'g1', '$', 'MKSTREAM'),
  rule(3, 'DEL', oneOf([listKey], [sortedSetKey], [streamKey])),
];

// Messages and tracking -------------------------------------------------------------------------------------

const channel = oneOf(['news'], ['{a}chat'], ['{a}talk'], [''], ['__keyevent@0__:set'], [anyKey]);
const channels = several(3, channel);
const patterns = several(3, pattern);

const MESSAGE_RULES: readonly CommandRule[] = [
  rule(3, 'SUBSCRIBE', channels),
  rule(3, 'PSUBSCRIBE', oneOf([patterns], ['__key*__:*'])),
  rule(2, 'SSUBSCRIBE', channels),
  rule(2, oneOf(['UNSUBSCRIBE'], ['SUNSUBSCRIBE']), maybe(0.6, channels)),
  rule(2, 'PUNSUBSCRIBE', maybe(0.6, patterns)),
  rule(5, oneOf(['PUBLISH'], ['SPUBLISH']), channel, value),
  rule(2, 'PUBSUB', oneOf(['CHANNELS', pattern], ['NUMSUB', channels], ['NUMPAT'], ['SHARDCHANNELS'])),
  rule(3, 'HELLO', oneOf(['2'], ['3'], ['3'])),
  rule(2, 'CONFIG', 'SET', 'notify-keyspace-events', oneOf(['KEA'], ['KEAnm'], [''], ['x'])),
];

const trackingMode = oneOf(
  [],
  ['BCAST'],
  ['BCAST', 'PREFIX', 'k', 'PREFIX', 'l'],
  ['BCAST', 'PREFIX', ''],
  ['OPTIN'],
  ['OPTOUT'],
  ['OPTIN', 'OPTOUT'],
  ['PREFIX', 'k'],
);

/** A client that is about as old as this one, the client itself included. */
function clientNear(clientId: number): Maker {
  return (random) => [clientId + random.integer(-CLIENT_AGE_DIFFERENCE_MAX, CLIENT_AGE_DIFFERENCE_MAX)];
}

function clientRules(clientId: number): readonly CommandRule[] {
  const client = clientNear(clientId);
  return [
    rule(6, 'CLIENT', 'TRACKING', 'ON', maybe(0.4, 'REDIRECT', client), trackingMode, maybe(0.3, 'NOLOOP')),
    rule(2, 'CLIENT', 'TRACKING', 'OFF'),
    rule(2, 'CLIENT', 'CACHING', oneOf(['YES'], ['NO'])),
    rule(1, 'CLIENT', oneOf(['TRACKINGINFO'], ['GETREDIR'], ['LIST'], ['INFO'])),
    rule(4, 'CLIENT', 'UNBLOCK', client, oneOf([], ['TIMEOUT'], ['ERROR'])),
    rule(2, 'CLIENT', 'KILL', 'ID', client, maybe(0.3, 'SKIPME', 'no')),
    rule(0.1, 'CLIENT', 'KILL', 'TYPE', oneOf(['pubsub'], ['normal']), maybe(0.3, 'SKIPME', 'no')),
    rule(1, 'CLIENT', 'PAUSE', oneOf(['0'], ['1'], ['20']), oneOf([], ['WRITE'], ['ALL'])),
    rule(1, 'CLIENT', 'UNPAUSE'),
    rule(1, 'CLIENT', 'REPLY', oneOf(['OFF'], ['SKIP'], ['ON'], ['ON'])),
    rule(0.2, 'QUIT'),
    rule(0.5, 'RESET'),
  ];
}

// Huge numbers ----------------------------------------------------------------------------------------------

/** Elements of these are short, so that a reply of a million of them is no more than many megabytes. */
const shortElements = several(8, oneOf(['a'], ['b'], ['17'], ['xyz']));
const manyTimes = oneOf(['-1000'], ['-1000'], ['-1000'], ['-100000'], ['-1000000']);
const edge = oneOf(
  ['9223372036854775807'],
  ['-9223372036854775808'],
  ['4294967296'],
  ['-2147483649'],
  ['1000000000000'],
  ['-1'],
);
const oddScore = oneOf(
  ['nan'],
  ['-nan'],
  ['inf'],
  ['-inf'],
  ['1e400'],
  ['-0'],
  ['5e-324'],
  ['0x1p1023'],
  [''],
);
const degrees = oneOf(
  ['180'],
  ['-180'],
  ['180.0000001'],
  ['85.05112878'],
  ['-85.05112879'],
  ['nan'],
  ['inf'],
  ['0'],
);
const distance = oneOf(['0'], ['1e300'], ['inf'], ['nan'], ['-1'], ['40000'], ['1e-300']);
const unit = oneOf(['m'], ['km'], ['mi']);

const HUGE_RULES: readonly CommandRule[] = [
  rule(3, 'SADD', 'short:set', shortElements),
  rule(2, 'HSET', 'short:hash', 'a', '1', 'b', '2'),
  rule(2, 'ZADD', 'short:zset', '1', 'a', '2', 'b'),
  rule(1, 'SRANDMEMBER', 'short:set', manyTimes),
  rule(1, 'HRANDFIELD', 'short:hash', manyTimes, maybe(0.5, 'WITHVALUES')),
  rule(1, 'ZRANDMEMBER', 'short:zset', manyTimes, maybe(0.5, 'WITHSCORES')),
  rule(2, oneOf(['SRANDMEMBER', setKey], ['HRANDFIELD', hashKey], ['ZRANDMEMBER', sortedSetKey]), '-1000'),
  rule(3, oneOf(['LRANGE'], ['LTRIM'], ['GETRANGE'], ['ZRANGE'], ['ZREMRANGEBYRANK']), anyKey, edge, edge),
  rule(1, oneOf(['LINDEX'], ['LPOP'], ['RPOP'], ['SPOP'], ['ZPOPMIN'], ['ZPOPMAX']), anyKey, edge),
  rule(1, 'LPOS', listKey, member, 'RANK', edge, 'COUNT', edge, 'MAXLEN', edge),
  rule(1, 'LREM', listKey, edge, member),
  rule(1, oneOf(['SETBIT'], ['SETRANGE']), anyKey, edge, '1'),
  rule(1, oneOf(['GETBIT'], ['BITCOUNT', anyKey]), anyKey, edge),
  rule(2, 'BITFIELD', anyKey, oneOf(['GET', 'u63'], ['GET', 'i64']), oneOf([edge], ['#4294967295'])),
  rule(2, oneOf(['BITCOUNT'], ['BITPOS']), anyKey, '1', edge, edge, maybe(0.5, 'BIT')),
  rule(2, 'XADD', streamKey, 'MAXLEN', oneOf([], ['~'], ['=']), edge, '*', 'field', 'value'),
  rule(2, 'XADD', streamKey, oneOf([edge], ['18446744073709551615-18446744073709551615']), 'field', value),
  rule(1, 'XTRIM', streamKey, oneOf(['MAXLEN'], ['MINID']), maybe(0.5, '~'), edge, maybe(0.5, 'LIMIT', edge)),
  rule(1, 'XRANGE', streamKey, '-', '+', 'COUNT', edge),
  rule(1, 'XAUTOCLAIM', streamKey, 'g1', 'c1', edge, '0', 'COUNT', edge),
  rule(1, 'XCLAIM', streamKey, 'g1', 'c1', edge, '0-1', 'IDLE', edge, 'TIME', edge, 'RETRYCOUNT', edge),
  rule(2, 'ZADD', sortedSetKey, maybe(0.3, 'INCR'), oddScore, member),
  rule(1, 'ZINCRBY', sortedSetKey, oddScore, member),
  rule(1, oneOf(['ZRANGEBYSCORE'], ['ZCOUNT'], ['ZREMRANGEBYSCORE']), sortedSetKey, oddScore, oddScore),
  rule(1, 'ZUNIONSTORE', sortedSetKey, '2', sortedSetKey, setKey, 'WEIGHTS', oddScore, oddScore),
  rule(1, 'HINCRBYFLOAT', hashKey, 'n', oddScore),
  rule(2, 'GEOADD', sortedSetKey, degrees, degrees, member),
  rule(2, 'GEOSEARCH', sortedSetKey, 'FROMLONLAT', degrees, degrees, 'BYRADIUS', distance, unit),
  rule(2, 'GEOSEARCH', sortedSetKey, 'FROMLONLAT', degrees, degrees, 'BYBOX', distance, distance, unit),
  rule(1, oneOf(['GEOPOS'], ['GEOHASH'], ['GEODIST']), sortedSetKey, member, member),
  rule(1, oneOf(['PEXPIRE'], ['PEXPIREAT'], ['EXPIRE'], ['EXPIREAT']), anyKey, edge),
  rule(
    1,
    oneOf(['SCAN'], ['SSCAN', setKey], ['HSCAN', hashKey], ['ZSCAN', sortedSetKey]),
    edge,
    'COUNT',
    '999',
  ),
  rule(
    3,
    'SORT',
    anyKey,
    'BY',
    oneOf(['k*'], ['h*->a'], ['*'], ['*->']),
    'GET',
    '#',
    'GET',
    'h*->n',
    'GET',
    '*',
  ),
  rule(1, 'SORT', anyKey, 'ALPHA', 'LIMIT', edge, edge, 'STORE', anyKey),
  rule(1, oneOf(['LMPOP'], ['ZMPOP'], ['SINTERCARD'], ['ZUNION'], ['BLMPOP', '0.01']), edge, anyKey),
];

/** Half a gigabyte: together with what takes it away again. */
const FAR_BIT_CHANCE = 0.001;
const FAR_BITS: readonly (readonly Argument[])[] = [
  ['SETBIT', 'far', '4294967295', '1'],
  ['BITFIELD', 'far', 'SET', 'u8', '4294967288', '255'],
  ['SETRANGE', 'far', '536870911', 'x'],
];

// The whole keyspace ----------------------------------------------------------------------------------------

const LIMITS: readonly (readonly [name: string, values: readonly string[]])[] = [
  ['hash-max-listpack-entries', ['0', '1', '8', '512', '-1']],
  ['hash-max-listpack-value', ['0', '4', '64', '9223372036854775807']],
  ['list-max-listpack-size', ['1', '3', '-1', '-2', '-5', '0', '-6']],
  ['list-compress-depth', ['0', '1', '3']],
  ['set-max-intset-entries', ['0', '1', '20', '512']],
  ['zset-max-listpack-entries', ['0', '1', '10', '128']],
  ['zset-max-listpack-value', ['0', '4', '64']],
  ['stream-node-max-entries', ['0', '1', '3', '100']],
  ['stream-node-max-bytes', ['0', '1', '40', '4096']],
  ['hll-sparse-max-bytes', ['0', '30', '3000', '16000']],
  ['maxmemory', ['0', '0', '1mb', '30mb']],
  ['maxmemory-policy', ['noeviction', 'allkeys-lru', 'volatile-ttl', 'allkeys-random']],
  ['tracking-table-max-keys', ['0', '1', '5', '1000000']],
  ['activerehashing', ['yes', 'no']],
];

function limitAndValue(random: SeededRandom): string[] {
  const [name, values] = random.pick(LIMITS);
  return [name, random.pick(values)];
}

const UPHEAVAL_RULES: readonly CommandRule[] = [
  rule(1, oneOf(['FLUSHALL'], ['FLUSHDB']), oneOf([], ['ASYNC'], ['SYNC'])),
  rule(2, 'SWAPDB', databaseIndex, databaseIndex),
  rule(6, oneOf(['RENAME'], ['RENAMENX'], ['COPY']), anyKey, anyKey),
  rule(2, 'MOVE', anyKey, databaseIndex),
  rule(1, oneOf(['BGSAVE'], ['BGREWRITEAOF'], ['DEBUG', 'RELOAD'], ['SAVE'], ['DEBUG', 'CHECK-INVARIANTS'])),
  rule(0.5, 'DEBUG', oneOf(['RELOAD', 'NOFLUSH', 'MERGE'], ['RELOAD', 'NOSAVE'], ['DIGEST'])),
  rule(8, 'CONFIG', 'SET', limitAndValue),
  rule(2, oneOf(['MEMORY', 'USAGE'], ['OBJECT', 'ENCODING'], ['DEBUG', 'OBJECT'], ['DUMP']), anyKey),
  rule(1, oneOf(['INFO', 'everything'], ['MEMORY', 'STATS'], ['MEMORY', 'PURGE'], ['DEBUG', 'HTSTATS', '0'])),
];

const FAMILIES = [...DEFAULT_GROUPS.map((name) => GROUPS[name]!), { weight: 8, rules: ACCESS_RULES }];

/** Any command, mostly one that changes or reads a value. */
function anyCommand(random: SeededRandom, clientId: number): Argument[] {
  const kind = random.integer(0, 99);
  if (kind < 60) return mutate(random, random.pickWeighted(random.pickWeighted(FAMILIES).rules).make(random));
  if (kind < 72) return random.pickWeighted(WAIT_RULES).make(random);
  if (kind < 79) return random.pickWeighted(MESSAGE_RULES).make(random);
  if (kind < 85) return random.pickWeighted(clientRules(clientId)).make(random);
  if (kind < 95) return mutate(random, random.pickWeighted(HUGE_RULES).make(random));
  return random.pickWeighted(UPHEAVAL_RULES).make(random);
}

/** Commands that are sent in one write, by the client of that id. */
export function commandCase(random: SeededRandom, clientId: number): (readonly Argument[])[] {
  if (random.chance(FAR_BIT_CHANCE))
    return [random.pick(FAR_BITS), ['BITCOUNT', 'far'], ['STRLEN', 'far'], ['UNLINK', 'far']];
  const count = random.integer(1, COMMANDS_PER_WRITE_MAX);
  return Array.from({ length: count }, () => anyCommand(random, clientId));
}

/** A payload of DUMP with some bits of its value changed, or cut, and a checksum that says all is well. */
export function damagedPayload(random: SeededRandom, payload: Buffer): Buffer {
  const body = Buffer.from(payload.subarray(0, -CHECKSUM_BYTES));
  for (let count = random.integer(1, BITS_FLIPPED_MAX); count > 0; count -= 1) {
    const place = random.integer(0, body.length - (FOOTER_BYTES - CHECKSUM_BYTES) - 1);
    body[place] = random.chance(0.5) ? random.uint32() & 0xff : body[place]! ^ (1 << random.integer(0, 7));
  }
  const version = body.subarray(-2);
  const value = body.subarray(0, random.chance(0.1) ? random.integer(1, body.length - 2) : body.length - 2);
  const checked = Buffer.concat([value, version]);
  const checksum = Buffer.alloc(CHECKSUM_BYTES);
  checksum.writeBigUInt64LE(crc64(0n, checked, 0, checked.length));
  return Buffer.concat([checked, checksum]);
}
