/** Behaviour of the sorted set commands that read, count, store and remove ranges. */
import { OK, behaviour, error, scored } from './behaviour.ts';

const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');
const SYNTAX_ERROR = error('ERR syntax error');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const NOT_A_SCORE = error('ERR min or max is not a float');
const NOT_A_MEMBER_BOUND = error('ERR min or max not valid string range item');
const LONG = 'x'.repeat(65);

function arity(name: string) {
  return error(`ERR wrong number of arguments for '${name}' command`);
}

behaviour('integers of one score are stored in other sets', [
  ['ZADD z 0 -4096 0 1 0 6 0 9 0 77 0 m', 6],
  ['ZRANGESTORE d z 0 -1', 6],
  ['ZRANGE d 0 -1', ['-4096', '1', '6', '77', '9', 'm']],
  ['ZRANGESTORE d z 0 -1 REV', 6],
  ['ZRANGE d 0 -1', ['-4096', '1', '6', '77', '9', 'm']],
  ['ZADD y 0 5 0 8 0 70', 3],
  ['ZUNIONSTORE d 2 z y', 9],
  ['ZRANGE d 0 -1', ['-4096', '1', '5', '6', '70', '77', '8', '9', 'm']],
]);

// Each script runs on a listpack, and on the large form that a long member has left behind.
for (const [encoding, before] of [
  ['listpack', []],
  ['skiplist', [[`ZADD z 0 ${LONG} 1 a`, 2] as const, [`ZREM z ${LONG}`, 1] as const]],
] as const) {
  const prepare = [
    ...before,
    ['ZADD z 1 a 2 b 3 c 4 d', before.length === 0 ? 4 : 3],
    ['OBJECT ENCODING z', encoding],
  ] as const;

  behaviour(`ZRANGE and ZREVRANGE by rank (${encoding})`, [
    ...prepare,
    ['ZRANGE z 0 -1', ['a', 'b', 'c', 'd']],
    ['ZRANGE z 1 2', ['b', 'c']],
    ['ZRANGE z -2 100', ['c', 'd']],
    ['ZRANGE z -100 0', ['a']],
    ['ZRANGE z 3 1', []],
    ['ZRANGE z 4 9', []],
    ['ZRANGE z -1 -2', []],
    ['ZRANGE z 0 -9', []],
    ['ZRANGE z 0 9223372036854775807', ['a', 'b', 'c', 'd']],
    ['ZRANGE z -9223372036854775808 0', ['a']],
    ['ZRANGE z 0 1 REV', ['d', 'c']],
    ['ZRANGE z 0 1 rev withscores', scored(['d', '4'], ['c', '3'])],
    ['ZRANGE z 0 1 WITHSCORES', scored(['a', '1'], ['b', '2'])],
    ['ZREVRANGE z 0 -2', ['d', 'c', 'b']],
    ['ZREVRANGE z 1 2 WITHSCORES', scored(['c', '3'], ['b', '2'])],
    ['ZREVRANGE z 0 1 REV', SYNTAX_ERROR],
    ['ZRANGE none 0 -1', []],
    ['ZRANGE z x 1', NOT_AN_INTEGER],
    ['ZRANGE z 0 9223372036854775808', NOT_AN_INTEGER],
    ['ZRANGE z 0 1 BAD', SYNTAX_ERROR],
    ['ZRANGE z 0 -1 LIMIT 0 1', limitOfRanks()],
    ['ZRANGE z 0 1 LIMIT 0 -1', ['a', 'b']],
    ['ZRANGE z 0 1 LIMIT 0', SYNTAX_ERROR],
    ['ZRANGE z 0 1 LIMIT x 1', NOT_AN_INTEGER],
  ]);

  behaviour(`ZRANGE BYSCORE, ZRANGEBYSCORE, ZREVRANGEBYSCORE and ZCOUNT (${encoding})`, [
    ...prepare,
    ['ZRANGEBYSCORE z 2 3', ['b', 'c']],
    ['ZRANGEBYSCORE z (2 3', ['c']],
    ['ZRANGEBYSCORE z 2 (3', ['b']],
    ['ZRANGEBYSCORE z (2 (2', []],
    ['ZRANGEBYSCORE z -inf +inf WITHSCORES LIMIT 1 2', scored(['b', '2'], ['c', '3'])],
    ['ZRANGEBYSCORE z -inf +inf LIMIT 1 -1', ['b', 'c', 'd']],
    ['ZRANGEBYSCORE z -inf +inf LIMIT -1 2', []],
    ['ZRANGEBYSCORE z -inf +inf LIMIT 9 2', []],
    ['ZRANGEBYSCORE z -inf +inf LIMIT 0 0', []],
    ['ZRANGEBYSCORE z 3 2', []],
    ['ZREVRANGEBYSCORE z 3 2', ['c', 'b']],
    ['ZREVRANGEBYSCORE z +inf (1 LIMIT 1 5 WITHSCORES', scored(['c', '3'], ['b', '2'])],
    ['ZRANGE z 2 (4 BYSCORE', ['b', 'c']],
    ['ZRANGE z (4 2 BYSCORE REV LIMIT 1 1', ['b']],
    ['ZRANGEBYSCORE z 2 3 BYSCORE', SYNTAX_ERROR],
    ['ZRANGE z 2 3 BYSCORE BYLEX', SYNTAX_ERROR],
    ['ZCOUNT z 2 3', 2],
    ['ZCOUNT z (1 inf', 3],
    ['ZCOUNT none 1 2', 0],
    ['ZCOUNT z x 2', NOT_A_SCORE],
    ['ZCOUNT z 1 nan', NOT_A_SCORE],
    ['ZRANGEBYSCORE z 1 (x', NOT_A_SCORE],
    [['ZRANGEBYSCORE', 'z', '', ' 1'], ['a']],
    [['ZRANGEBYSCORE', 'z', '1e400', '('], []],
    ['ZCOUNT z 1', arity('zcount')],
  ]);

  behaviour(`ZREMRANGEBYRANK and ZREMRANGEBYSCORE (${encoding})`, [
    ...prepare,
    ['ZREMRANGEBYRANK z 5 9', 0],
    ['ZREMRANGEBYRANK z 1 1', 1],
    ['ZREMRANGEBYSCORE z (1 (4', 1],
    ['ZREMRANGEBYSCORE z 7 9', 0],
    ['ZREMRANGEBYSCORE z x 9', NOT_A_SCORE],
    ['ZREMRANGEBYRANK z x 9', NOT_AN_INTEGER],
    ['ZRANGE z 0 -1', ['a', 'd']],
    ['ZREMRANGEBYRANK z 0 -1', 2],
    ['EXISTS z', 0],
    ['ZREMRANGEBYRANK z 0 -1', 0],
    ['ZREMRANGEBYSCORE z 0 1', 0],
    ['ZADD z 1 a', 1],
    ['ZREMRANGEBYSCORE z 1 1', 1],
    ['EXISTS z', 0],
  ]);

  behaviour(`ZRANGE BYLEX, ZRANGEBYLEX, ZREVRANGEBYLEX, ZLEXCOUNT and ZREMRANGEBYLEX (${encoding})`, [
    ...before,
    ['DEL z', before.length === 0 ? 0 : 1],
    ...before,
    ['ZADD z 0 a 0 b 0 c 0 d 0 bb', before.length === 0 ? 5 : 4],
    ['OBJECT ENCODING z', encoding],
    ['ZRANGEBYLEX z - +', ['a', 'b', 'bb', 'c', 'd']],
    ['ZRANGEBYLEX z [b (c', ['b', 'bb']],
    ['ZRANGEBYLEX z (b [c', ['bb', 'c']],
    ['ZRANGEBYLEX z (bb + LIMIT 1 5', ['d']],
    ['ZRANGEBYLEX z + -', []],
    ['ZRANGEBYLEX z [ [b', ['a', 'b']],
    ['ZREVRANGEBYLEX z [c [b', ['c', 'bb', 'b']],
    ['ZREVRANGEBYLEX z + (bb LIMIT 1 1', ['c']],
    ['ZRANGE z [b + BYLEX', ['b', 'bb', 'c', 'd']],
    ['ZRANGE z (d - BYLEX REV LIMIT 0 2', ['c', 'bb']],
    ['ZLEXCOUNT z - +', 5],
    ['ZLEXCOUNT z (b [c', 2],
    ['ZLEXCOUNT none - +', 0],
    ['ZLEXCOUNT z b +', NOT_A_MEMBER_BOUND],
    ['ZRANGEBYLEX z -x +', NOT_A_MEMBER_BOUND],
    [['ZRANGEBYLEX', 'z', '', '+'], NOT_A_MEMBER_BOUND],
    ['ZRANGEBYLEX z - + WITHSCORES', membersWithScores()],
    ['ZRANGE z - + BYLEX WITHSCORES', membersWithScores()],
    ['ZREMRANGEBYLEX z [b (c', 2],
    ['ZREMRANGEBYLEX z x (c', NOT_A_MEMBER_BOUND],
    ['ZRANGE z 0 -1', ['a', 'c', 'd']],
    ['ZREMRANGEBYLEX z - +', 3],
    ['EXISTS z', 0],
  ]);

  behaviour(`ZRANGESTORE stores a range (${encoding})`, [
    ...prepare,
    ['ZRANGESTORE d z 1 2', 2],
    ['ZRANGE d 0 -1 WITHSCORES', scored(['b', '2'], ['c', '3'])],
    ['OBJECT ENCODING d', 'listpack'],
    ['ZRANGESTORE d z (1 +inf BYSCORE LIMIT 1 1', 1],
    ['ZRANGE d 0 -1 WITHSCORES', scored(['c', '3'])],
    ['ZRANGESTORE d z 0 1 REV', 2],
    ['ZRANGE d 0 -1', ['c', 'd']],
    ['ZRANGESTORE d z 0 1 WITHSCORES', SYNTAX_ERROR],
    ['EXPIRE d 100', 1],
    ['ZRANGESTORE d z 0 0', 1],
    ['TTL d', -1],
    ['ZRANGESTORE d z 9 9', 0],
    ['EXISTS d', 0],
    ['SET d v', OK],
    ['ZRANGESTORE d z - + BYLEX', 4],
    ['ZRANGESTORE d none 0 -1', 0],
    ['EXISTS d', 0],
    ['ZRANGESTORE z z 0 0', 1],
    ['ZRANGE z 0 -1', ['a']],
  ]);
}

behaviour('ranges of what is no sorted set', [
  ['SET s v', OK],
  ...[
    'ZRANGE s 0 -1',
    'ZREVRANGE s 0 -1',
    'ZRANGEBYSCORE s 0 1',
    'ZREVRANGEBYSCORE s 1 0',
    'ZRANGEBYLEX s - +',
    'ZREVRANGEBYLEX s + -',
    'ZCOUNT s 0 1',
    'ZLEXCOUNT s - +',
    'ZREMRANGEBYRANK s 0 1',
    'ZREMRANGEBYSCORE s 0 1',
    'ZREMRANGEBYLEX s - +',
    'ZRANGESTORE d s 0 1',
  ].map((command) => [command, WRONG_TYPE] as const),
  ['ZRANGE s x 1', NOT_AN_INTEGER],
]);

function limitOfRanks() {
  return error('ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX');
}

function membersWithScores() {
  return error('ERR syntax error, WITHSCORES not supported in combination with BYLEX');
}
