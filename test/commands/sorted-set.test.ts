/** Behaviour of the sorted set commands: members, scores and ranks; popping and waiting. */
import {
  NULL_ARRAY,
  OK,
  QUEUED,
  behaviour,
  blocks,
  double,
  error,
  integerBetween,
  receives,
  scored,
  simple,
  unordered,
} from './behaviour.ts';

const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');
const SYNTAX_ERROR = error('ERR syntax error');
const NOT_A_FLOAT = error('ERR value is not a valid float');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const NOT_POSITIVE = error('ERR value is out of range, must be positive');
const RESULT_IS_NAN = error('ERR resulting score is not a number (NaN)');

function arity(name: string) {
  return error(`ERR wrong number of arguments for '${name}' command`);
}

// ZADD and ZINCRBY ------------------------------------------------------------------------------------------

behaviour('ZADD adds members and changes scores', [
  ['ZADD z 1 a 2 b', 2],
  ['ZADD z 3 a 2 b 4 c', 1],
  ['ZRANGE z 0 -1', ['b', 'a', 'c']],
  ['ZADD z 5 d 6 d', 1],
  ['ZSCORE z d', double('6')],
  ['OBJECT ENCODING z', 'listpack'],
  ['ZADD z 1', arity('zadd')],
  ['ZADD z 1 a 2', SYNTAX_ERROR],
  ['ZADD z NX 1', SYNTAX_ERROR],
  ['ZADD z NX XX', SYNTAX_ERROR],
  ['ZADD z x a', NOT_A_FLOAT],
  ['ZADD z 1 a nan b', NOT_A_FLOAT],
  [['ZADD', 'z', '', 'a'], NOT_A_FLOAT],
  [['ZADD', 'z', ' 1', 'a'], NOT_A_FLOAT],
  ['SET s v', OK],
  ['ZADD s 1 a', WRONG_TYPE],
  ['ZADD s x a', NOT_A_FLOAT],
  ['ZADD s XX 1 a', WRONG_TYPE],
]);

behaviour('ZADD: NX, XX, GT and LT say when', [
  ['ZADD z XX 1 a', 0],
  ['EXISTS z', 0],
  ['ZADD z NX 1 a', 1],
  ['ZADD z nx 2 a 3 b', 1],
  ['ZADD z XX 5 a 5 c', 0],
  ['ZRANGE z 0 -1 WITHSCORES', scored(['b', '3'], ['a', '5'])],
  ['ZADD z GT CH 4 a 4 b 4 c', 2],
  ['ZADD z LT CH 9 a 3 b 3 d', 2],
  ['ZADD z XX GT CH 10 a 10 e', 1],
  ['ZADD z CH 10 a 1 f', 1],
  ['ZADD z NX XX 1 a', error('ERR XX and NX options at the same time are not compatible')],
  ['ZADD z NX GT 1 a', error('ERR GT, LT, and/or NX options at the same time are not compatible')],
  ['ZADD z GT LT 1 a', error('ERR GT, LT, and/or NX options at the same time are not compatible')],
  ['ZADD z NX XX INCR 1 a 2 b', error('ERR XX and NX options at the same time are not compatible')],
]);

behaviour('ZADD INCR and ZINCRBY add to a score', [
  ['ZADD z INCR 1.5 a', double('1.5')],
  ['ZADD z INCR 1 a', double('2.5')],
  ['ZADD z INCR NX 1 a', null],
  ['ZADD z INCR XX 1 b', null],
  ['ZADD none INCR XX 1 b', null],
  ['ZADD z INCR GT -1 a', null],
  ['ZADD z INCR LT -1 a', double('1.5')],
  ['ZADD z INCR 1 a 1 b', error('ERR INCR option supports a single increment-element pair')],
  ['ZINCRBY z 2 a', double('3.5')],
  ['ZINCRBY z -0.5 b', double('-0.5')],
  ['ZINCRBY z inf c', double('inf')],
  ['ZINCRBY z -inf c', RESULT_IS_NAN],
  ['ZSCORE z c', double('inf')],
  ['ZINCRBY z 0 c', double('inf')],
  ['ZINCRBY z x a', NOT_A_FLOAT],
  ['ZINCRBY z 1', arity('zincrby')],
  ['ZINCRBY z NX a', SYNTAX_ERROR],
  ['ZINCRBY s 1 a', double('1')],
]);

behaviour('scores are printed with 17 digits, integers without a fraction', [
  ['ZADD z 0.1 a 1e17 b 12345678901234567 c -0 d inf e -inf f 1e-5 g 0x10 h 3. i .5 j 5e-324 k', 11],
  ['ZSCORE z a', double('0.10000000000000001')],
  ['ZSCORE z b', double('1e+17')],
  ['ZSCORE z c', double('12345678901234568')],
  ['ZSCORE z d', double('0')],
  ['ZSCORE z e', double('inf')],
  ['ZSCORE z f', double('-inf')],
  ['ZSCORE z g', double('1.0000000000000001e-05')],
  ['ZSCORE z h', double('16')],
  ['ZSCORE z k', double('4.9406564584124654e-324')],
  ['ZMSCORE z i j none', [double('3'), double('0.5'), null]],
  [`ZADD large 1 ${'x'.repeat(65)} -0 d`, 2],
  // A listpack has integers there, which have no negative zero.
  ['ZSCORE large d', double('-0')],
]);

behaviour('ZSCORE, ZMSCORE, ZCARD, ZRANK and ZREVRANK of what is there and what is not', [
  ['ZADD z 1 a 2 b 3 c', 3],
  ['ZCARD z', 3],
  ['ZCARD none', 0],
  ['ZSCORE z none', null],
  ['ZSCORE none a', null],
  ['ZMSCORE none a b', [null, null]],
  ['ZRANK z a', 0],
  ['ZRANK z c', 2],
  ['ZRANK z none', null],
  ['ZRANK none a', null],
  ['ZREVRANK z a', 2],
  ['ZREVRANK z c', 0],
  ['ZREVRANK z none', null],
  ['ZRANK z a WITHSCORE', arity('zrank')],
  ['ZREVRANK z', arity('zrevrank')],
  ['ZMSCORE z', arity('zmscore')],
  ['SET s v', OK],
  ...['ZCARD s', 'ZSCORE s a', 'ZMSCORE s a', 'ZRANK s a', 'ZREVRANK s a'].map(
    (command) => [command, WRONG_TYPE] as const,
  ),
]);

behaviour('any bytes are a member, and equal scores are ordered by them', [
  [['ZADD', 'z', '0', Buffer.from([0xff, 0]), '0', '', '0', 'a\0b', '0', '12', '0', 'a'], 5],
  ['ZRANGE z 0 -1', ['', '12', 'a', 'a\0b', Buffer.from([0xff, 0])]],
  [['ZRANK', 'z', Buffer.from([0xff, 0])], 4],
  [['ZSCORE', 'z', ''], double('0')],
  ['ZADD z 0 012 0 -0 0 9223372036854775807 0 9223372036854775808', 4],
  ['ZRANGE z 0 4', ['', '-0', '012', '12', '9223372036854775807']],
  ['ZSCORE z 12', double('0')],
]);

behaviour('a set outgrows the listpack by a member or by its length, and does not go back', [
  ['ZADD z 1 a', 1],
  ['OBJECT ENCODING z', 'listpack'],
  [`ZADD z 1000000 ${'x'.repeat(65)}`, 1],
  ['OBJECT ENCODING z', 'skiplist'],
  [`ZREM z ${'x'.repeat(65)}`, 1],
  ['OBJECT ENCODING z', 'skiplist'],
  ['DEL z', 1],
  ...Array.from({ length: 128 }, (_, i) => [`ZADD z ${i % 10} m${i}`, 1] as const),
  ['OBJECT ENCODING z', 'listpack'],
  ['ZADD z 5 m5', 0],
  ['OBJECT ENCODING z', 'listpack'],
  ['ZADD z 5 more', 1],
  ['OBJECT ENCODING z', 'skiplist'],
  ['ZRANGE z 0 3', ['m0', 'm10', 'm100', 'm110']],
  ['ZREMRANGEBYRANK z 5 -1', 124],
  ['OBJECT ENCODING z', 'skiplist'],
  ['ZRANGESTORE z z 0 -1', 5],
  ['OBJECT ENCODING z', 'listpack'],
]);

behaviour('scores of a large set change their order', [
  ...Array.from({ length: 30 }, (_, i) => {
    const members = Array.from({ length: 20 }, (_unused, j) => `${i * 20 + j} m${i * 20 + j}`);
    return [`ZADD z ${members.join(' ')}`, 20] as const;
  }),
  ['ZADD z -1 m300 1000 m0 250.5 m400', 0],
  ['ZRANK z m300', 0],
  ['ZREVRANK z m0', 0],
  ['ZRANK z m400', 251],
  ['ZRANGE z 249 252', ['m249', 'm250', 'm400', 'm251']],
  ['ZINCRBY z 0.25 m400', double('250.75')],
  ['ZRANK z m400', 251],
  ['ZCOUNT z 250 (251', 2],
  ['ZREM z m250 m400 none', 2],
  ['ZCARD z', 598],
  ['ZRANGE z 500 502 WITHSCORES', scored(['m503', '503'], ['m504', '504'], ['m505', '505'])],
]);

// Removing and popping --------------------------------------------------------------------------------------

behaviour('ZREM removes members, and the key with the last', [
  ['ZADD z 1 a 2 b 3 c', 3],
  ['ZREM z a none a', 1],
  ['ZREM none a', 0],
  ['ZREM z', arity('zrem')],
  ['ZREM z b c d', 2],
  ['EXISTS z', 0],
  ['SET s v', OK],
  ['ZREM s a', WRONG_TYPE],
]);

behaviour('ZPOPMIN and ZPOPMAX pop from either end', [
  ['ZADD z 1 a 2 b 3 c 4 d 5 e', 5],
  ['ZPOPMIN z', ['a', double('1')]],
  ['ZPOPMAX z', ['e', double('5')]],
  ['ZPOPMIN z 2', scored(['b', '2'], ['c', '3'])],
  ['ZPOPMIN z 0', []],
  ['ZPOPMAX z 10', scored(['d', '4'])],
  ['EXISTS z', 0],
  ['ZPOPMIN z', []],
  ['ZPOPMAX z 1', []],
  ['ZPOPMIN z -1', NOT_POSITIVE],
  ['ZPOPMIN z x', NOT_POSITIVE],
  ['ZPOPMIN z 1 2', SYNTAX_ERROR],
  ['SET s v', OK],
  ['ZPOPMIN s 0', WRONG_TYPE],
  ['ZPOPMAX s', WRONG_TYPE],
]);

behaviour('ZMPOP pops from the first set that has members', [
  ['ZADD b 1 a 2 b 3 c', 3],
  ['ZMPOP 2 a b MIN', ['b', [['a', double('1')]]]],
  [
    'ZMPOP 2 a b max COUNT 5',
    [
      'b',
      [
        ['c', double('3')],
        ['b', double('2')],
      ],
    ],
  ],
  ['ZMPOP 2 a b MIN', NULL_ARRAY],
  ['ZMPOP 0 a MIN', error('ERR numkeys should be greater than 0')],
  ['ZMPOP x a MIN', error('ERR numkeys should be greater than 0')],
  ['ZMPOP 2 a MIN', SYNTAX_ERROR],
  ['ZMPOP 1 a LEFT', SYNTAX_ERROR],
  ['ZMPOP 1 a MIN COUNT 0', error('ERR count should be greater than 0')],
  ['ZMPOP 1 a MIN COUNT', SYNTAX_ERROR],
  ['ZMPOP 1 a MIN COUNT 1 COUNT 1', SYNTAX_ERROR],
  ['SET s v', OK],
  ['ZMPOP 2 a s MIN', WRONG_TYPE],
]);

behaviour('BZPOPMIN, BZPOPMAX and BZMPOP serve at once what is there', [
  ['ZADD b 1 a 2 b 3 c 4 d', 4],
  ['BZPOPMIN a b 0', ['b', 'a', double('1')]],
  ['BZPOPMAX a b 0.5', ['b', 'd', double('4')]],
  [
    'BZMPOP 0 2 a b MAX COUNT 9',
    [
      'b',
      [
        ['c', double('3')],
        ['b', double('2')],
      ],
    ],
  ],
  ['BZPOPMIN a 0.01', NULL_ARRAY],
  ['BZPOPMAX a 0.01', NULL_ARRAY],
  ['BZMPOP 0.01 1 a MIN', NULL_ARRAY],
  ['BZPOPMIN a -1', error('ERR timeout is negative')],
  ['BZPOPMIN a x', error('ERR timeout is not a float or out of range')],
  ['BZMPOP x 1 a MIN', error('ERR timeout is not a float or out of range')],
  ['BZMPOP x 0 a MIN', error('ERR numkeys should be greater than 0')],
  ['BZPOPMIN a', arity('bzpopmin')],
  ['SET s v', OK],
  ['BZPOPMAX a s 0', WRONG_TYPE],
  ['MULTI', OK],
  ['BZPOPMIN a 0', QUEUED],
  ['BZMPOP 0 1 a MIN', QUEUED],
  ['EXEC', [NULL_ARRAY, NULL_ARRAY]],
]);

behaviour('a client that waits for a set gets the member that comes', [
  blocks('waiting', 'BZPOPMIN a b 5'),
  ['ZADD b 1 x 2 y', 2],
  receives('waiting', ['b', 'x', double('1')]),
  ['ZRANGE b 0 -1', ['y']],
  ['DEL b', 1],
  blocks('waiting', 'BZMPOP 5 1 c MAX COUNT 2'),
  ['ZUNIONSTORE c 1 none', 0],
  ['ZADD c 1 x 2 y 3 z', 3],
  receives('waiting', [
    'c',
    [
      ['z', double('3')],
      ['y', double('2')],
    ],
  ]),
]);

// Random members and ZSCAN ----------------------------------------------------------------------------------

behaviour('ZRANDMEMBER draws members', [
  ['ZRANDMEMBER z', null],
  ['ZRANDMEMBER z 3', []],
  ['ZADD z 1 a', 1],
  ['ZRANDMEMBER z', 'a'],
  ['ZRANDMEMBER z 5', ['a']],
  ['ZRANDMEMBER z -3', ['a', 'a', 'a']],
  ['ZRANDMEMBER z -2 WITHSCORES', scored(['a', '1'], ['a', '1'])],
  ['ZRANDMEMBER z 0', []],
  ['ZADD z 2 b 3 c', 2],
  ['ZRANDMEMBER z 5 withscores', scored(['c', '3'], ['b', '2'], ['a', '1'])],
  ['ZRANDMEMBER z 3', ['c', 'b', 'a']],
  ['ZRANDMEMBER z x', NOT_AN_INTEGER],
  ['ZRANDMEMBER z 1 SCORES', SYNTAX_ERROR],
  ['ZRANDMEMBER z 1 WITHSCORES x', SYNTAX_ERROR],
  [
    'ZRANDMEMBER z -9223372036854775808',
    error('ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807'),
  ],
  ['ZRANDMEMBER z -9223372036854775807 WITHSCORES', error('ERR value is out of range')],
  ['SET s v', OK],
  ['ZRANDMEMBER s', WRONG_TYPE],
  ['ZRANDMEMBER s 1', WRONG_TYPE],
]);

behaviour('ZSCAN gives members with their scores', [
  ['ZADD z 1 a 2.5 b 3 c', 3],
  ['ZSCAN z 0', ['0', ['a', '1', 'b', '2.5', 'c', '3']]],
  ['ZSCAN z 0 MATCH [ab] COUNT 1', ['0', ['a', '1', 'b', '2.5']]],
  ['ZSCAN z 7', ['0', ['a', '1', 'b', '2.5', 'c', '3']]],
  ['ZADD whole 1e17 a 4611686018427387904 b 4611686018427388928 c -1e18 d', 4],
  [
    'ZSCAN whole 0',
    [
      '0',
      [
        'd',
        '-1000000000000000000',
        'a',
        '100000000000000000',
        'b',
        '4611686018427387904',
        'c',
        '4.6116860184273889e+18',
      ],
    ],
  ],
  ['ZADD zero -0 a', 1],
  ['ZSCAN zero 0', ['0', ['a', '0']]],
  [`ZADD wide 1e17 ${'x'.repeat(65)}`, 1],
  ['ZSCAN wide 0', ['0', ['x'.repeat(65), '1e+17']]],
  ['ZSCAN none 0', ['0', []]],
  ['ZSCAN none 0 BAD', ['0', []]],
  ['ZSCAN z 0 BAD', SYNTAX_ERROR],
  ['ZSCAN z 0 COUNT 0', SYNTAX_ERROR],
  ['ZSCAN z x', error('ERR invalid cursor')],
  [`ZADD large 1 ${'x'.repeat(65)} 2 b`, 2],
  ['ZSCAN large 0 COUNT 100', ['0', unordered('x'.repeat(65), '1', 'b', '2')]],
  ['SET s v', OK],
  ['ZSCAN s 0', WRONG_TYPE],
]);

behaviour('sorted sets are copied, renamed, dumped and deleted as any value', [
  ['ZADD z 1 a 2 b', 2],
  ['TYPE z', simple('zset')],
  ['COPY z copy', 1],
  ['ZADD z 3 c', 1],
  ['RENAME copy z2', OK],
  ['ZRANGE z2 0 -1', ['a', 'b']],
  ['DEL z2', 1],
  ['EXPIRE z 100', 1],
  ['ZADD z 4 d', 1],
  ['TTL z', integerBetween(90, 100)],
  ['SET z v', OK],
  ['GET z', 'v'],
]);
