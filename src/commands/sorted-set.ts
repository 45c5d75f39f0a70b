/** Sorted sets (Redis 7.0 t_zset.c). */
import { ENCODING_LISTPACK, TYPE_SORTED_SET } from '../keyspace/entry.ts';
import { NOTIFY_GENERIC, NOTIFY_SORTED_SET } from '../keyspace/notify.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { globMatch } from '../util/glob.ts';
import { block, double, integer, key, oneOf, pattern, string, token } from './arguments.ts';
import type { Call } from './call.ts';
import { family } from './family.ts';
import { oneKey } from './key-specs.ts';
import { SCAN_BUCKETS_PER_ELEMENT, scanCursor, scanOptions } from './scan-options.ts';
import { zAdd, zIncrBy } from './sorted-set-add.ts';
import {
  zDiff,
  zDiffStore,
  zInter,
  zInterCard,
  zInterStore,
  zUnion,
  zUnionStore,
} from './sorted-set-operations.ts';
import { bzPopMax, bzPopMin, bzmPop, zPopMax, zPopMin, zmPop } from './sorted-set-pop.ts';
import { zRandMember } from './sorted-set-random.ts';
import {
  zCount,
  zLexCount,
  zRange,
  zRangeByLex,
  zRangeByScore,
  zRangeStore,
  zRemRangeByLex,
  zRemRangeByRank,
  zRemRangeByScore,
  zRevRange,
  zRevRangeByLex,
  zRevRangeByScore,
} from './sorted-set-ranges.ts';

const member = new BorrowedBytes();

/** LLONG_MAX / 2, as a double. */
const PACKED_INTEGER_MAX = 2 ** 62;

export const SORTED_SET_COMMANDS = family({ group: 'sorted-set', categories: ['sortedset'] }, [
  {
    name: 'bzmpop',
    arity: -5,
    flags: ['write', 'blocking'],
    since: '7.0.0',
    summary: 'Remove and return members with scores in a sorted set or block until one is available',
    complexity:
      'O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of ' +
      'elements in the sorted set, and M being the number of elements popped.',
    keySpecs: [
      {
        flags: ['RW', 'access', 'delete'],
        beginSearch: { type: 'index', index: 2 },
        findKeys: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
      },
    ],
    arguments: [
      double('timeout'),
      integer('numkeys'),
      key('key', { multiple: true }),
      oneOf('where', [token('MIN'), token('MAX')]),
      integer('count', { token: 'COUNT', optional: true }),
    ],
    run: bzmPop,
  },
  {
    name: 'bzpopmax',
    arity: -3,
    flags: ['write', 'noscript', 'blocking', 'fast'],
    since: '5.0.0',
    summary:
      'Remove and return the member with the highest score from one or more sorted sets, ' +
      'or block until one is available',
    complexity: 'O(log(N)) with N being the number of elements in the sorted set.',
    history: [['6.0.0', '`timeout` is interpreted as a double instead of an integer.']],
    keySpecs: [
      {
        flags: ['RW', 'access', 'delete'],
        beginSearch: { type: 'index', index: 1 },
        findKeys: { type: 'range', lastKey: -2, keyStep: 1, limit: 0 },
      },
    ],
    arguments: [key('key', { multiple: true }), double('timeout')],
    run: bzPopMax,
  },
  {
    name: 'bzpopmin',
    arity: -3,
    flags: ['write', 'noscript', 'blocking', 'fast'],
    since: '5.0.0',
    summary:
      'Remove and return the member with the lowest score from one or more sorted sets, ' +
      'or block until one is available',
    complexity: 'O(log(N)) with N being the number of elements in the sorted set.',
    history: [['6.0.0', '`timeout` is interpreted as a double instead of an integer.']],
    keySpecs: [
      {
        flags: ['RW', 'access', 'delete'],
        beginSearch: { type: 'index', index: 1 },
        findKeys: { type: 'range', lastKey: -2, keyStep: 1, limit: 0 },
      },
    ],
    arguments: [key('key', { multiple: true }), double('timeout')],
    run: bzPopMin,
  },
  {
    name: 'zadd',
    arity: -4,
    flags: ['write', 'denyoom', 'fast'],
    since: '1.2.0',
    summary: 'Add one or more members to a sorted set, or update its score if it already exists',
    complexity: 'O(log(N)) for each item added, where N is the number of elements in the sorted set.',
    history: [
      ['2.4.0', 'Accepts multiple elements.'],
      ['3.0.2', 'Added the `XX`, `NX`, `CH` and `INCR` options.'],
      ['6.2.0', 'Added the `GT` and `LT` options.'],
    ],
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [
      key('key'),
      oneOf('condition', [token('NX'), token('XX')], { since: '3.0.2', optional: true }),
      oneOf('comparison', [token('GT'), token('LT')], { since: '6.2.0', optional: true }),
      { ...token('CH', { since: '3.0.2', optional: true }), name: 'change' },
      { ...token('INCR', { since: '3.0.2', optional: true }), name: 'increment' },
      block('score_member', [double('score'), string('member')], { multiple: true }),
    ],
    run: zAdd,
  },
  {
    name: 'zcard',
    arity: 2,
    flags: ['readonly', 'fast'],
    since: '1.2.0',
    summary: 'Get the number of members in a sorted set',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO')],
    arguments: [key('key')],
    run: zCard,
  },
  {
    name: 'zcount',
    arity: 4,
    flags: ['readonly', 'fast'],
    since: '2.0.0',
    summary: 'Count the members in a sorted set with scores within the given values',
    complexity: 'O(log(N)) with N being the number of elements in the sorted set.',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), double('min'), double('max')],
    run: zCount,
  },
  {
    name: 'zdiff',
    arity: -3,
    flags: ['readonly'],
    since: '6.2.0',
    summary: 'Subtract multiple sorted sets',
    complexity:
      'O(L + (N-K)log(N)) worst case where L is the total number of elements in all the ' +
      'sets, N is the size of the first set, and K is the size of the result set.',
    keySpecs: [
      {
        flags: ['RO', 'access'],
        beginSearch: { type: 'index', index: 1 },
        findKeys: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
      },
    ],
    arguments: [integer('numkeys'), key('key', { multiple: true }), token('WITHSCORES', { optional: true })],
    run: zDiff,
  },
  {
    name: 'zdiffstore',
    arity: -4,
    flags: ['write', 'denyoom'],
    since: '6.2.0',
    summary: 'Subtract multiple sorted sets and store the resulting sorted set in a new key',
    complexity:
      'O(L + (N-K)log(N)) worst case where L is the total number of elements in all the ' +
      'sets, N is the size of the first set, and K is the size of the result set.',
    keySpecs: [
      oneKey(1, 'OW', 'update'),
      {
        flags: ['RO', 'access'],
        beginSearch: { type: 'index', index: 2 },
        findKeys: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
      },
    ],
    arguments: [key('destination'), integer('numkeys'), key('key', { keySpecIndex: 1, multiple: true })],
    run: zDiffStore,
  },
  {
    name: 'zincrby',
    arity: 4,
    flags: ['write', 'denyoom', 'fast'],
    since: '1.2.0',
    summary: 'Increment the score of a member in a sorted set',
    complexity: 'O(log(N)) where N is the number of elements in the sorted set.',
    keySpecs: [oneKey(1, 'RW', 'access', 'update')],
    arguments: [key('key'), integer('increment'), string('member')],
    run: zIncrBy,
  },
  {
    name: 'zinter',
    arity: -3,
    flags: ['readonly'],
    since: '6.2.0',
    summary: 'Intersect multiple sorted sets',
    complexity:
      'O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being ' +
      'the number of input sorted sets and M being the number of elements in the ' +
      'resulting sorted set.',
    keySpecs: [
      {
        flags: ['RO', 'access'],
        beginSearch: { type: 'index', index: 1 },
        findKeys: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
      },
    ],
    arguments: [
      integer('numkeys'),
      key('key', { multiple: true }),
      integer('weight', { token: 'WEIGHTS', optional: true, multiple: true }),
      oneOf('aggregate', [token('SUM'), token('MIN'), token('MAX')], { token: 'AGGREGATE', optional: true }),
      token('WITHSCORES', { optional: true }),
    ],
    run: zInter,
  },
  {
    name: 'zintercard',
    arity: -3,
    flags: ['readonly'],
    since: '7.0.0',
    summary: 'Intersect multiple sorted sets and return the cardinality of the result',
    complexity:
      'O(N*K) worst case with N being the smallest input sorted set, K being the number ' +
      'of input sorted sets.',
    keySpecs: [
      {
        flags: ['RO', 'access'],
        beginSearch: { type: 'index', index: 1 },
        findKeys: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
      },
    ],
    arguments: [
      integer('numkeys'),
      key('key', { multiple: true }),
      integer('limit', { token: 'LIMIT', optional: true }),
    ],
    run: zInterCard,
  },
  {
    name: 'zinterstore',
    arity: -4,
    flags: ['write', 'denyoom'],
    since: '2.0.0',
    summary: 'Intersect multiple sorted sets and store the resulting sorted set in a new key',
    complexity:
      'O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being ' +
      'the number of input sorted sets and M being the number of elements in the ' +
      'resulting sorted set.',
    keySpecs: [
      oneKey(1, 'OW', 'update'),
      {
        flags: ['RO', 'access'],
        beginSearch: { type: 'index', index: 2 },
        findKeys: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
      },
    ],
    arguments: [
      key('destination'),
      integer('numkeys'),
      key('key', { keySpecIndex: 1, multiple: true }),
      integer('weight', { token: 'WEIGHTS', optional: true, multiple: true }),
      oneOf('aggregate', [token('SUM'), token('MIN'), token('MAX')], { token: 'AGGREGATE', optional: true }),
    ],
    run: zInterStore,
  },
  {
    name: 'zlexcount',
    arity: 4,
    flags: ['readonly', 'fast'],
    since: '2.8.9',
    summary: 'Count the number of members in a sorted set between a given lexicographical range',
    complexity: 'O(log(N)) with N being the number of elements in the sorted set.',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), string('min'), string('max')],
    run: zLexCount,
  },
  {
    name: 'zmpop',
    arity: -4,
    flags: ['write'],
    since: '7.0.0',
    summary: 'Remove and return members with scores in a sorted set',
    complexity:
      'O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of ' +
      'elements in the sorted set, and M being the number of elements popped.',
    keySpecs: [
      {
        flags: ['RW', 'access', 'delete'],
        beginSearch: { type: 'index', index: 1 },
        findKeys: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
      },
    ],
    arguments: [
      integer('numkeys'),
      key('key', { multiple: true }),
      oneOf('where', [token('MIN'), token('MAX')]),
      integer('count', { token: 'COUNT', optional: true }),
    ],
    run: zmPop,
  },
  {
    name: 'zmscore',
    arity: -3,
    flags: ['readonly', 'fast'],
    since: '6.2.0',
    summary: 'Get the score associated with the given members in a sorted set',
    complexity: 'O(N) where N is the number of members being requested.',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), string('member', { multiple: true })],
    run: zmScore,
  },
  {
    name: 'zpopmax',
    arity: -2,
    flags: ['write', 'fast'],
    since: '5.0.0',
    summary: 'Remove and return members with the highest scores in a sorted set',
    complexity:
      'O(log(N)*M) with N being the number of elements in the sorted set, and M being ' +
      'the number of elements popped.',
    keySpecs: [oneKey(1, 'RW', 'access', 'delete')],
    arguments: [key('key'), integer('count', { optional: true })],
    run: zPopMax,
  },
  {
    name: 'zpopmin',
    arity: -2,
    flags: ['write', 'fast'],
    since: '5.0.0',
    summary: 'Remove and return members with the lowest scores in a sorted set',
    complexity:
      'O(log(N)*M) with N being the number of elements in the sorted set, and M being ' +
      'the number of elements popped.',
    keySpecs: [oneKey(1, 'RW', 'access', 'delete')],
    arguments: [key('key'), integer('count', { optional: true })],
    run: zPopMin,
  },
  {
    name: 'zrandmember',
    arity: -2,
    flags: ['readonly'],
    since: '6.2.0',
    summary: 'Get one or multiple random elements from a sorted set',
    complexity: 'O(N) where N is the number of elements returned',
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      block('options', [integer('count'), token('WITHSCORES', { optional: true })], { optional: true }),
    ],
    run: zRandMember,
  },
  {
    name: 'zrange',
    arity: -4,
    flags: ['readonly'],
    since: '1.2.0',
    summary: 'Return a range of members in a sorted set',
    complexity:
      'O(log(N)+M) with N being the number of elements in the sorted set and M the ' +
      'number of elements returned.',
    history: [['6.2.0', 'Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.']],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      string('start'),
      string('stop'),
      oneOf('sortby', [token('BYSCORE'), token('BYLEX')], { since: '6.2.0', optional: true }),
      token('REV', { since: '6.2.0', optional: true }),
      block('offset_count', [integer('offset'), integer('count')], {
        token: 'LIMIT',
        since: '6.2.0',
        optional: true,
      }),
      token('WITHSCORES', { optional: true }),
    ],
    run: zRange,
  },
  {
    name: 'zrangebylex',
    arity: -4,
    flags: ['readonly'],
    since: '2.8.9',
    summary: 'Return a range of members in a sorted set, by lexicographical range',
    complexity:
      'O(log(N)+M) with N being the number of elements in the sorted set and M the ' +
      'number of elements being returned. If M is constant (e.g. always asking for the ' +
      'first 10 elements with LIMIT), you can consider it O(log(N)).',
    docFlags: ['deprecated'],
    deprecatedSince: '6.2.0',
    replacedBy: '`ZRANGE` with the `BYLEX` argument',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      string('min'),
      string('max'),
      block('offset_count', [integer('offset'), integer('count')], { token: 'LIMIT', optional: true }),
    ],
    run: zRangeByLex,
  },
  {
    name: 'zrangebyscore',
    arity: -4,
    flags: ['readonly'],
    since: '1.0.5',
    summary: 'Return a range of members in a sorted set, by score',
    complexity:
      'O(log(N)+M) with N being the number of elements in the sorted set and M the ' +
      'number of elements being returned. If M is constant (e.g. always asking for the ' +
      'first 10 elements with LIMIT), you can consider it O(log(N)).',
    docFlags: ['deprecated'],
    deprecatedSince: '6.2.0',
    replacedBy: '`ZRANGE` with the `BYSCORE` argument',
    history: [['2.0.0', 'Added the `WITHSCORES` modifier.']],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      double('min'),
      double('max'),
      token('WITHSCORES', { since: '2.0.0', optional: true }),
      block('offset_count', [integer('offset'), integer('count')], { token: 'LIMIT', optional: true }),
    ],
    run: zRangeByScore,
  },
  {
    name: 'zrangestore',
    arity: -5,
    flags: ['write', 'denyoom'],
    since: '6.2.0',
    summary: 'Store a range of members from sorted set into another key',
    complexity:
      'O(log(N)+M) with N being the number of elements in the sorted set and M the ' +
      'number of elements stored into the destination key.',
    keySpecs: [oneKey(1, 'OW', 'update'), oneKey(2, 'RO', 'access')],
    arguments: [
      key('dst'),
      key('src', { keySpecIndex: 1 }),
      string('min'),
      string('max'),
      oneOf('sortby', [token('BYSCORE'), token('BYLEX')], { optional: true }),
      token('REV', { optional: true }),
      block('offset_count', [integer('offset'), integer('count')], { token: 'LIMIT', optional: true }),
    ],
    run: zRangeStore,
  },
  {
    name: 'zrank',
    arity: 3,
    flags: ['readonly', 'fast'],
    since: '2.0.0',
    summary: 'Determine the index of a member in a sorted set',
    complexity: 'O(log(N))',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), string('member')],
    run: zRank,
  },
  {
    name: 'zrem',
    arity: -3,
    flags: ['write', 'fast'],
    since: '1.2.0',
    summary: 'Remove one or more members from a sorted set',
    complexity:
      'O(M*log(N)) with N being the number of elements in the sorted set and M the ' +
      'number of elements to be removed.',
    history: [['2.4.0', 'Accepts multiple elements.']],
    keySpecs: [oneKey(1, 'RW', 'delete')],
    arguments: [key('key'), string('member', { multiple: true })],
    run: zRem,
  },
  {
    name: 'zremrangebylex',
    arity: 4,
    flags: ['write'],
    since: '2.8.9',
    summary: 'Remove all members in a sorted set between the given lexicographical range',
    complexity:
      'O(log(N)+M) with N being the number of elements in the sorted set and M the ' +
      'number of elements removed by the operation.',
    keySpecs: [oneKey(1, 'RW', 'delete')],
    arguments: [key('key'), string('min'), string('max')],
    run: zRemRangeByLex,
  },
  {
    name: 'zremrangebyrank',
    arity: 4,
    flags: ['write'],
    since: '2.0.0',
    summary: 'Remove all members in a sorted set within the given indexes',
    complexity:
      'O(log(N)+M) with N being the number of elements in the sorted set and M the ' +
      'number of elements removed by the operation.',
    keySpecs: [oneKey(1, 'RW', 'delete')],
    arguments: [key('key'), integer('start'), integer('stop')],
    run: zRemRangeByRank,
  },
  {
    name: 'zremrangebyscore',
    arity: 4,
    flags: ['write'],
    since: '1.2.0',
    summary: 'Remove all members in a sorted set within the given scores',
    complexity:
      'O(log(N)+M) with N being the number of elements in the sorted set and M the ' +
      'number of elements removed by the operation.',
    keySpecs: [oneKey(1, 'RW', 'delete')],
    arguments: [key('key'), double('min'), double('max')],
    run: zRemRangeByScore,
  },
  {
    name: 'zrevrange',
    arity: -4,
    flags: ['readonly'],
    since: '1.2.0',
    summary: 'Return a range of members in a sorted set, by index, with scores ordered from high to low',
    complexity:
      'O(log(N)+M) with N being the number of elements in the sorted set and M the ' +
      'number of elements returned.',
    docFlags: ['deprecated'],
    deprecatedSince: '6.2.0',
    replacedBy: '`ZRANGE` with the `REV` argument',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), integer('start'), integer('stop'), token('WITHSCORES', { optional: true })],
    run: zRevRange,
  },
  {
    name: 'zrevrangebylex',
    arity: -4,
    flags: ['readonly'],
    since: '2.8.9',
    summary:
      'Return a range of members in a sorted set, by lexicographical range, ordered from ' +
      'higher to lower strings.',
    complexity:
      'O(log(N)+M) with N being the number of elements in the sorted set and M the ' +
      'number of elements being returned. If M is constant (e.g. always asking for the ' +
      'first 10 elements with LIMIT), you can consider it O(log(N)).',
    docFlags: ['deprecated'],
    deprecatedSince: '6.2.0',
    replacedBy: '`ZRANGE` with the `REV` and `BYLEX` arguments',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      string('max'),
      string('min'),
      block('offset_count', [integer('offset'), integer('count')], { token: 'LIMIT', optional: true }),
    ],
    run: zRevRangeByLex,
  },
  {
    name: 'zrevrangebyscore',
    arity: -4,
    flags: ['readonly'],
    since: '2.2.0',
    summary: 'Return a range of members in a sorted set, by score, with scores ordered from high to low',
    complexity:
      'O(log(N)+M) with N being the number of elements in the sorted set and M the ' +
      'number of elements being returned. If M is constant (e.g. always asking for the ' +
      'first 10 elements with LIMIT), you can consider it O(log(N)).',
    docFlags: ['deprecated'],
    deprecatedSince: '6.2.0',
    replacedBy: '`ZRANGE` with the `REV` and `BYSCORE` arguments',
    history: [['2.1.6', '`min` and `max` can be exclusive.']],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      double('max'),
      double('min'),
      token('WITHSCORES', { optional: true }),
      block('offset_count', [integer('offset'), integer('count')], { token: 'LIMIT', optional: true }),
    ],
    run: zRevRangeByScore,
  },
  {
    name: 'zrevrank',
    arity: 3,
    flags: ['readonly', 'fast'],
    since: '2.0.0',
    summary: 'Determine the index of a member in a sorted set, with scores ordered from high to low',
    complexity: 'O(log(N))',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), string('member')],
    run: zRevRank,
  },
  {
    name: 'zscan',
    arity: -3,
    flags: ['readonly'],
    since: '2.8.0',
    summary: 'Incrementally iterate sorted sets elements and associated scores',
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
    run: zScan,
  },
  {
    name: 'zscore',
    arity: 3,
    flags: ['readonly', 'fast'],
    since: '1.2.0',
    summary: 'Get the score associated with the given member in a sorted set',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [key('key'), string('member')],
    run: zScore,
  },
  {
    name: 'zunion',
    arity: -3,
    flags: ['readonly'],
    since: '6.2.0',
    summary: 'Add multiple sorted sets',
    complexity:
      'O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and ' +
      'M being the number of elements in the resulting sorted set.',
    keySpecs: [
      {
        flags: ['RO', 'access'],
        beginSearch: { type: 'index', index: 1 },
        findKeys: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
      },
    ],
    arguments: [
      integer('numkeys'),
      key('key', { multiple: true }),
      integer('weight', { token: 'WEIGHTS', optional: true, multiple: true }),
      oneOf('aggregate', [token('SUM'), token('MIN'), token('MAX')], { token: 'AGGREGATE', optional: true }),
      token('WITHSCORES', { optional: true }),
    ],
    run: zUnion,
  },
  {
    name: 'zunionstore',
    arity: -4,
    flags: ['write', 'denyoom'],
    since: '2.0.0',
    summary: 'Add multiple sorted sets and store the resulting sorted set in a new key',
    complexity:
      'O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and ' +
      'M being the number of elements in the resulting sorted set.',
    keySpecs: [
      oneKey(1, 'OW', 'update'),
      {
        flags: ['RO', 'access'],
        beginSearch: { type: 'index', index: 2 },
        findKeys: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
      },
    ],
    arguments: [
      key('destination'),
      integer('numkeys'),
      key('key', { keySpecIndex: 1, multiple: true }),
      integer('weight', { token: 'WEIGHTS', optional: true, multiple: true }),
      oneOf('aggregate', [token('SUM'), token('MIN'), token('MAX')], { token: 'AGGREGATE', optional: true }),
    ],
    run: zUnionStore,
  },
]);

/** ZCARD key */
function zCard(call: Call): void {
  const entry = call.lookupTypedRead(1, TYPE_SORTED_SET);
  call.reply.integer(entry === 0 ? 0 : call.keyspace.sortedSets.memberCount(call.database, entry));
}

/** ZSCORE key member */
function zScore(call: Call): void {
  const entry = call.lookupTypedRead(1, TYPE_SORTED_SET);
  replyScore(call, entry, 2);
}

/** ZMSCORE key member [member ...] */
function zmScore(call: Call): void {
  const entry = call.lookupTypedRead(1, TYPE_SORTED_SET);

  call.reply.array(call.argumentCount - 2);
  for (let i = 2; i < call.argumentCount; i++) replyScore(call, entry, i);
}

function replyScore(call: Call, entry: Ref, index: number): void {
  const score = entry === 0 ? Number.NaN : scoreOf(call, entry, index);
  if (Number.isNaN(score)) call.reply.null();
  else call.reply.double(score);
}

function scoreOf(call: Call, entry: Ref, index: number): number {
  const { request } = call;
  const { sortedSets } = call.keyspace;
  return sortedSets.scoreOf(call.database, entry, request.buffer, request.start(index), request.end(index));
}

/** ZRANK key member */
function zRank(call: Call): void {
  replyRank(call, false);
}

/** ZREVRANK key member */
function zRevRank(call: Call): void {
  replyRank(call, true);
}

function replyRank(call: Call, isReverse: boolean): void {
  const { database, reply, request } = call;
  const { sortedSets } = call.keyspace;
  const entry = call.lookupTypedRead(1, TYPE_SORTED_SET);
  const rank =
    entry === 0 ? -1 : sortedSets.rankOf(database, entry, request.buffer, request.start(2), request.end(2));

  if (rank < 0) reply.null();
  else reply.integer(isReverse ? sortedSets.memberCount(database, entry) - 1 - rank : rank);
}

/** ZREM key member [member ...] */
function zRem(call: Call): void {
  const { database, keyspace, request } = call;
  const { sortedSets } = keyspace;
  const entry = call.lookupTypedWrite(1, TYPE_SORTED_SET);
  if (entry === 0) {
    call.reply.integer(0);
    return;
  }

  let removedCount = 0;
  let isEmptied = false;
  for (let i = 2; i < call.argumentCount && !isEmptied; i++) {
    if (!sortedSets.remove(database, entry, request.buffer, request.start(i), request.end(i))) continue;
    removedCount++;
    isEmptied = sortedSets.memberCount(database, entry) === 0;
  }
  if (isEmptied) database.delete(entry);

  if (removedCount > 0) {
    call.changed(1, NOTIFY_SORTED_SET, 'zrem');
    keyspace.addDirty(removedCount - 1);
    if (isEmptied) call.event(1, NOTIFY_GENERIC, 'del');
  }
  call.reply.integer(removedCount);
}

/** ZSCAN key cursor [MATCH pattern] [COUNT count] */
function zScan(call: Call): void {
  const { database, reply } = call;
  const { sortedSets } = call.keyspace;
  let cursor = scanCursor(call, 2);
  const entry = call.lookupTypedRead(1, TYPE_SORTED_SET);
  if (entry === 0) {
    reply.array(2);
    reply.bulkInteger(0);
    reply.array(0);
    return;
  }
  const { count, pattern } = scanOptions(call, 3, false);

  const places: number[] = [];
  let visitedCount = 0;
  const visit = (place: number): void => {
    visitedCount++;
    if (pattern !== undefined) {
      sortedSets.borrowMember(database, entry, place, member);
      if (!globMatch(pattern, member.bytes, member.start, member.end)) return;
    }
    places.push(place);
  };
  // Redis counts a member and its score as two elements.
  let bucketsLeft = count * 2 * SCAN_BUCKETS_PER_ELEMENT;
  do cursor = sortedSets.scan(database, entry, cursor, visit);
  while (cursor !== 0 && bucketsLeft-- > 0 && visitedCount < count);

  reply.array(2);
  reply.bulkInteger(cursor);
  reply.array(places.length * 2);
  const isPacked = database.encodingOf(entry) === ENCODING_LISTPACK;
  for (const place of places) {
    sortedSets.borrowMember(database, entry, place, member);
    reply.bulk(member.bytes, member.start, member.end);
    const score = sortedSets.scoreAt(database, entry, place);
    if (isPacked && isPackedInteger(score)) reply.bulkText(BigInt(score).toString());
    else reply.bulkDouble(score);
  }
}

/** Whether a listpack has it as an integer, which ZSCAN shows as it is (Redis 7.0 util.c, double2ll). */
function isPackedInteger(score: number): boolean {
  return Number.isInteger(score) && Math.abs(score) <= PACKED_INTEGER_MAX;
}
