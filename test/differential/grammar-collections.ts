/** Commands on lists, sets, hashes and sorted sets, and SORT over all of them. */
import type { Argument } from '../support/resp-client.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { maybe, oneOf, rule, several, type CommandRule, type Part } from './rule.ts';
import {
  float,
  hashKey,
  integer,
  lexKey,
  listKey,
  member,
  pattern,
  setKey,
  sortedSetKey,
  value,
} from './values.ts';

/** So many that no collection of an episode has more: then no choice is left to chance. */
const ALL = '100000';
/** Long enough to be a wait, short enough to be over at once. */
const SHORT_WAIT = '0.001';

const index = (random: SeededRandom): string =>
  random.chance(0.8) ? String(random.integer(-8, 8)) : integer(random);
const count = (random: SeededRandom): string =>
  random.chance(0.8) ? String(random.integer(0, 5)) : integer(random);
const side = oneOf(['LEFT'], ['RIGHT'], ['LEFT'], ['RIGHT'], ['MIDDLE']);
const element = (random: SeededRandom): Argument => (random.chance(0.7) ? member(random) : value(random));
const elements = several(6, element);
/** Many at once, so that nodes are split and forms change. */
const manyElements = several(40, element);
const timeout = oneOf([SHORT_WAIT], [SHORT_WAIT], [SHORT_WAIT], ['-1'], ['abc'], ['1e400'], ['nan']);

/** `numkeys key …`, the number mostly right. */
function keyList(key: (random: SeededRandom) => Argument): (random: SeededRandom) => Argument[] {
  return (random) => {
    const keys = Array.from({ length: random.integer(1, 3) }, () => key(random));
    return [random.chance(0.93) ? String(keys.length) : integer(random), ...keys];
  };
}

export const LIST_RULES: readonly CommandRule[] = [
  rule(10, oneOf(['LPUSH'], ['RPUSH']), listKey, elements),
  rule(3, oneOf(['LPUSH'], ['RPUSH']), listKey, manyElements),
  rule(3, oneOf(['LPUSHX'], ['RPUSHX']), listKey, elements),
  rule(6, oneOf(['LPOP'], ['RPOP']), listKey, maybe(0.5, count)),
  rule(3, 'LLEN', listKey),
  rule(8, 'LRANGE', listKey, index, index),
  rule(4, 'LINDEX', listKey, index),
  rule(5, 'LSET', listKey, index, element),
  rule(6, 'LINSERT', listKey, oneOf(['BEFORE'], ['AFTER'], ['before'], ['NEAR']), element, element),
  rule(5, 'LREM', listKey, index, element),
  rule(4, 'LTRIM', listKey, index, index),
  rule(
    6,
    'LPOS',
    listKey,
    element,
    several(2, maybe(0.6, oneOf(['RANK', index], ['COUNT', count], ['MAXLEN', count], ['RANK']))),
  ),
  rule(4, 'LMOVE', listKey, listKey, side, side),
  rule(3, 'RPOPLPUSH', listKey, listKey),
  rule(4, 'LMPOP', keyList(listKey), side, maybe(0.5, 'COUNT', count)),
  rule(2, oneOf(['BLPOP'], ['BRPOP']), several(3, listKey), timeout),
  rule(1, 'BLMOVE', listKey, listKey, side, side, timeout),
  rule(1, 'BRPOPLPUSH', listKey, listKey, timeout),
  rule(1, 'BLMPOP', timeout, keyList(listKey), side, maybe(0.5, 'COUNT', count)),
];

export const SET_RULES: readonly CommandRule[] = [
  rule(10, 'SADD', setKey, elements),
  rule(3, 'SADD', setKey, manyElements),
  rule(
    6,
    'SADD',
    setKey,
    several(6, (random) => String(random.integer(-5, 70_000))),
  ),
  rule(6, 'SREM', setKey, elements),
  rule(4, 'SISMEMBER', setKey, element),
  rule(4, 'SMISMEMBER', setKey, elements),
  rule(5, 'SMEMBERS', setKey),
  rule(3, 'SCARD', setKey),
  rule(4, 'SMOVE', setKey, setKey, element),
  rule(1, 'SPOP', setKey, ALL),
  rule(1, 'SPOP', setKey, oneOf(['0'], ['-1'], ['x'], [ALL, 'y'])),
  rule(2, 'SRANDMEMBER', setKey, oneOf([ALL], ['0'], ['x'], ['-9223372036854775808'])),
  rule(6, oneOf(['SINTER'], ['SUNION'], ['SDIFF']), several(3, setKey)),
  rule(6, oneOf(['SINTERSTORE'], ['SUNIONSTORE'], ['SDIFFSTORE']), setKey, several(3, setKey)),
  rule(3, 'SINTERCARD', keyList(setKey), maybe(0.5, 'LIMIT', count)),
  rule(
    2,
    'SSCAN',
    setKey,
    oneOf(['x'], ['0', 'COUNT', '0'], ['0', 'MATCH'], ['0', 'COUNT', ALL, 'MATCH', pattern]),
  ),
];

export const HASH_RULES: readonly CommandRule[] = [
  rule(10, 'HSET', hashKey, several(5, element, value)),
  rule(3, 'HSET', hashKey, several(30, element, value)),
  rule(3, 'HMSET', hashKey, several(3, element, value)),
  rule(3, 'HSETNX', hashKey, element, value),
  rule(4, 'HGET', hashKey, element),
  rule(4, 'HMGET', hashKey, elements),
  rule(5, 'HGETALL', hashKey),
  rule(3, oneOf(['HKEYS'], ['HVALS'], ['HLEN']), hashKey),
  rule(5, 'HDEL', hashKey, elements),
  rule(3, oneOf(['HEXISTS'], ['HSTRLEN']), hashKey, element),
  rule(5, 'HINCRBY', hashKey, oneOf(['n'], [element]), integer),
  rule(5, 'HINCRBYFLOAT', hashKey, oneOf(['n'], [element]), float),
  rule(
    2,
    'HRANDFIELD',
    hashKey,
    oneOf([ALL], [ALL, 'WITHVALUES'], ['0'], ['x'], [ALL, 'x'], ['-9223372036854775808']),
  ),
  rule(
    2,
    'HSCAN',
    hashKey,
    oneOf(['x'], ['0', 'COUNT', '0'], ['0', 'COUNT', ALL], ['0', 'COUNT', ALL, 'MATCH', pattern]),
  ),
];

/** Often the same: equal scores go by the members' bytes. */
const score = (random: SeededRandom): Argument => {
  if (random.chance(0.3)) return '0';
  if (random.chance(0.5)) return String(random.integer(-5, 20));
  if (random.chance(0.3)) return random.pick(['inf', '-inf', '+inf', '0', '-0', '1e300', '5e-324', 'nan']);
  return float(random);
};
const scoreBound = (random: SeededRandom): Argument =>
  (random.chance(0.3) ? '(' : '') +
  String(random.chance(0.3) ? random.pick(['-inf', '+inf']) : score(random));
const lexBound = (random: SeededRandom): Argument =>
  random.chance(0.3)
    ? random.pick(['-', '+', 'x', '', '['])
    : Buffer.concat([Buffer.from(random.pick(['[', '('])), member(random)]);
const limit = maybe(0.4, 'LIMIT', index, index);
const withScores = maybe(0.4, 'WITHSCORES');
const aggregate = maybe(0.4, 'AGGREGATE', oneOf(['SUM'], ['MIN'], ['MAX'], ['AVG']));
const scored = several(5, score, element);

/** `numkeys key … [WEIGHTS weight …]`, of sorted sets and sometimes sets. */
function weightedKeys(random: SeededRandom): Argument[] {
  const keys = Array.from({ length: random.integer(1, 3) }, () =>
    random.chance(0.85) ? sortedSetKey(random) : setKey(random),
  );
  const weights = random.chance(0.4) ? ['WEIGHTS', ...keys.map(() => String(score(random)))] : [];
  return [random.chance(0.93) ? String(keys.length) : integer(random), ...keys, ...weights];
}

const plainKeys = keyList((random) => (random.chance(0.85) ? sortedSetKey(random) : setKey(random)));

const rangeArguments = oneOf(
  [index, index, maybe(0.3, 'REV')],
  [scoreBound, scoreBound, 'BYSCORE', maybe(0.3, 'REV'), limit],
  [index, index, limit],
);

export const SORTED_SET_RULES: readonly CommandRule[] = [
  rule(10, 'ZADD', sortedSetKey, scored),
  rule(3, 'ZADD', sortedSetKey, several(40, score, element)),
  rule(6, 'ZADD', sortedSetKey, several(3, oneOf(['NX'], ['XX'], ['GT'], ['LT'], ['CH'], ['CH'])), scored),
  rule(2, 'ZADD', sortedSetKey, maybe(0.5, oneOf(['NX'], ['XX'], ['GT'])), 'INCR', score, element),
  rule(4, 'ZINCRBY', sortedSetKey, score, element),
  rule(5, 'ZREM', sortedSetKey, elements),
  rule(3, 'ZSCORE', sortedSetKey, element),
  rule(3, 'ZMSCORE', sortedSetKey, elements),
  rule(2, 'ZCARD', sortedSetKey),
  rule(4, oneOf(['ZRANK'], ['ZREVRANK']), sortedSetKey, element),
  rule(3, 'ZCOUNT', sortedSetKey, scoreBound, scoreBound),
  rule(6, 'ZADD', lexKey, several(8, '0', element)),
  rule(3, 'ZLEXCOUNT', lexKey, lexBound, lexBound),
  rule(3, 'ZRANGE', lexKey, lexBound, lexBound, 'BYLEX', maybe(0.3, 'REV'), limit, withScores),
  rule(2, 'ZRANGESTORE', lexKey, lexKey, lexBound, lexBound, 'BYLEX', maybe(0.3, 'REV'), limit),
  rule(8, 'ZRANGE', sortedSetKey, rangeArguments, withScores),
  rule(3, 'ZREVRANGE', sortedSetKey, index, index, withScores),
  rule(
    5,
    oneOf(['ZRANGEBYSCORE'], ['ZREVRANGEBYSCORE']),
    sortedSetKey,
    scoreBound,
    scoreBound,
    withScores,
    limit,
  ),
  rule(4, oneOf(['ZRANGEBYLEX'], ['ZREVRANGEBYLEX']), lexKey, lexBound, lexBound, limit),
  rule(4, 'ZRANGESTORE', sortedSetKey, sortedSetKey, rangeArguments),
  rule(2, 'ZREMRANGEBYRANK', sortedSetKey, index, index),
  rule(2, 'ZREMRANGEBYSCORE', sortedSetKey, scoreBound, scoreBound),
  rule(2, 'ZREMRANGEBYLEX', lexKey, lexBound, lexBound),
  rule(5, oneOf(['ZPOPMIN'], ['ZPOPMAX']), sortedSetKey, maybe(0.5, count)),
  rule(3, 'ZMPOP', plainKeys, oneOf(['MIN'], ['MAX'], ['MIDDLE']), maybe(0.5, 'COUNT', count)),
  rule(4, oneOf(['ZUNION'], ['ZINTER']), weightedKeys, aggregate, withScores),
  rule(4, oneOf(['ZUNIONSTORE'], ['ZINTERSTORE']), sortedSetKey, weightedKeys, aggregate),
  rule(3, 'ZDIFF', plainKeys, withScores),
  rule(2, 'ZDIFFSTORE', sortedSetKey, plainKeys),
  rule(2, 'ZINTERCARD', plainKeys, maybe(0.5, 'LIMIT', count)),
  rule(
    2,
    'ZRANDMEMBER',
    sortedSetKey,
    oneOf([ALL], [ALL, 'WITHSCORES'], ['0'], ['x'], ['-9223372036854775808']),
  ),
  rule(1, oneOf(['BZPOPMIN'], ['BZPOPMAX']), several(3, sortedSetKey), timeout),
  rule(1, 'BZMPOP', timeout, plainKeys, oneOf(['MIN'], ['MAX']), maybe(0.5, 'COUNT', count)),
  rule(
    2,
    'ZSCAN',
    sortedSetKey,
    oneOf(['x'], ['0', 'COUNT', '0'], ['0', 'COUNT', ALL], ['0', 'COUNT', ALL, 'MATCH', pattern]),
  ),
];

const sortable = oneOf([listKey], [setKey], [sortedSetKey]);

const sortOptions = (...others: Part[][]) =>
  several(
    3,
    maybe(
      0.6,
      oneOf(
        ['ALPHA'],
        ['ALPHA'],
        ['DESC'],
        ['ASC'],
        ['LIMIT', index, index],
        ['GET', oneOf(['#'], ['k*'], ['h*->n'], ['nothing*'], ['k0'])],
        ...others,
      ),
    ),
  );

export const SORT_RULES: readonly CommandRule[] = [
  rule(2, oneOf(['SORT'], ['SORT_RO']), sortable, sortOptions()),
  // Elements of the same weight come in the order in which they were: that of a list, not of a table.
  rule(2, oneOf(['SORT'], ['SORT_RO']), listKey, sortOptions(['BY', oneOf(['k*'], ['h*->n'], ['nothing*'])])),
  rule(1, 'SORT', listKey, 'BY', 'nosort', maybe(0.5, 'LIMIT', index, index), maybe(0.3, 'DESC')),
  rule(2, 'SORT', sortable, 'ALPHA', maybe(0.5, 'LIMIT', count, count), 'STORE', listKey),
];
