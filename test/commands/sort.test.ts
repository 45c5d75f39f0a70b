/** Behaviour of SORT and SORT_RO. */
import { behaviour, error, OK, on, simple, unordered, type Step } from './behaviour.ts';

const SYNTAX = error('ERR syntax error');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const NOT_A_WEIGHT = error("ERR One or more scores can't be converted into double");
const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');

behaviour('SORT sorts numbers of lists, sets and sorted sets', [
  ['RPUSH l 3 -1 20 1.5 0x10 1e1', 6],
  ['SORT l', ['-1', '1.5', '3', '1e1', '0x10', '20']],
  ['SORT l DESC', ['20', '0x10', '1e1', '3', '1.5', '-1']],
  ['SORT l desc asc', ['-1', '1.5', '3', '1e1', '0x10', '20']],
  ['SORT_RO l', ['-1', '1.5', '3', '1e1', '0x10', '20']],
  ['LRANGE l 0 -1', ['3', '-1', '20', '1.5', '0x10', '1e1']],
  ['SADD s 5 30 4', 3],
  ['SORT s', ['4', '5', '30']],
  ['ZADD z 1 30 2 4 3 5', 3],
  ['SORT z DESC', ['30', '5', '4']],
  ['SORT nokey', []],
  ['SORT_RO nokey DESC ALPHA', []],
  ['SET k v', OK],
  ['SORT k', WRONG_TYPE],
  ['HSET h f v', 1],
  ['SORT_RO h', WRONG_TYPE],
  ['SORT', error("ERR wrong number of arguments for 'sort' command")],
  ['SORT_RO', error("ERR wrong number of arguments for 'sort_ro' command")],
]);

behaviour('equal numbers are sorted as text', [
  ['RPUSH l 1.0 1 1.00 01 -0 0', 6],
  ['SORT l', ['-0', '0', '01', '1', '1.0', '1.00']],
  ['SORT l DESC', ['1.00', '1.0', '1', '01', '0', '-0']],
]);

const NUMBERS: readonly (readonly [text: string, isNumber: boolean])[] = [
  ...(['inf', '-INF', 'infinity', ' 7', '\t\n7', '+5', '.5', '5.', '', '1\0x', '0x1p3'] as const).map(
    (text) => [text, true] as const,
  ),
  ...(['nan', 'x', '1x', '7 ', ' ', '1e400', '-1e400', '1e-400', '1e-310', '--1', '0x', '1e'] as const).map(
    (text) => [text, false] as const,
  ),
];

behaviour(
  'what counts as a number',
  NUMBERS.flatMap(([text, isNumber]): Step[] => [
    ['DEL l', simpleInteger()],
    [['RPUSH', 'l', text], 1],
    ['SORT l', isNumber ? [text] : NOT_A_WEIGHT],
    ['SORT l ALPHA', [text]],
  ]),
);

function simpleInteger(): ReturnType<typeof unordered> {
  return { special: 'integer', matches: (reply) => reply.kind === 'scalar' && reply.tag === ':' };
}

behaviour('SORT ALPHA sorts text', [
  ['RPUSH l banana Apple apple 10 9 zebra é', 7],
  ['SORT l ALPHA', ['10', '9', 'Apple', 'apple', 'banana', 'zebra', 'é']],
  ['SORT l ALPHA DESC', ['é', 'zebra', 'banana', 'apple', 'Apple', '9', '10']],
  ['SORT l', NOT_A_WEIGHT],
  ['SADD s b a', 2],
  ['SORT s ALPHA', ['a', 'b']],
  ['SORT s', NOT_A_WEIGHT],
]);

behaviour('LIMIT gives a part', [
  ['RPUSH l 5 3 1 4 2', 5],
  ['SORT l LIMIT 0 2', ['1', '2']],
  ['SORT l LIMIT 1 3', ['2', '3', '4']],
  ['SORT l LIMIT 3 100', ['4', '5']],
  ['SORT l LIMIT 5 1', []],
  ['SORT l LIMIT 100 1', []],
  ['SORT l LIMIT -3 2', ['1', '2']],
  ['SORT l LIMIT 0 0', []],
  ['SORT l LIMIT 2 -1', ['3', '4', '5']],
  ['SORT l LIMIT 1 -9', ['2', '3', '4', '5']],
  ['SORT l LIMIT 0 9223372036854775807', ['1', '2', '3', '4', '5']],
  ['SORT l DESC LIMIT 1 2', ['4', '3']],
  ['SORT l LIMIT 0 1 LIMIT 1 1', ['2']],
  ['SORT l LIMIT x 1', NOT_AN_INTEGER],
  ['SORT l LIMIT 0 1.5', NOT_AN_INTEGER],
  ['SORT l LIMIT 0', SYNTAX],
  ['SORT nokey LIMIT 0 5', []],
]);

behaviour('BY takes the weights from other keys', [
  ['RPUSH l a b c d', 4],
  ['MSET w_a 3 w_b 1 w_c 2', OK],
  ['SORT l BY w_*', ['d', 'b', 'c', 'a']],
  ['SORT l BY w_* DESC', ['a', 'c', 'b', 'd']],
  ['SET w_d x', OK],
  ['SORT l BY w_*', NOT_A_WEIGHT],
  ['SORT l BY w_* ALPHA', ['b', 'c', 'a', 'd']],
  ['SORT l BY nothing_*', ['a', 'b', 'c', 'd']],
  ['SORT l BY # ALPHA', ['a', 'b', 'c', 'd']],
  ['HSET h_a n 1 m 9', 2],
  ['HSET h_b n 4', 1],
  ['HSET h_c n 2', 1],
  ['SORT l BY h_*->n', ['d', 'a', 'c', 'b']],
  ['SORT l BY h_*->m', ['b', 'c', 'd', 'a']],
  ['SORT l BY h_*', ['a', 'b', 'c', 'd']],
  ['SORT l BY w_*->n', ['a', 'b', 'c', 'd']],
  ['SORT l BY h_*->n BY w_* ALPHA', ['b', 'c', 'a', 'd']],
  ['SORT l BY', SYNTAX],
]);

behaviour('a pattern is substituted once, and its field begins behind the star', [
  ['RPUSH l 1 2', 2],
  ['MSET k1* 5 k2* 4 x->1 3 x->2 2 y1-> 8 y2-> 7', OK],
  ['SORT l BY k**', ['2', '1']],
  ['SORT l BY k** GET k**', ['4', '5']],
  ['SORT l BY nosort GET x->*', ['3', '2']],
  ['SORT l BY nosort GET y*->', ['8', '7']],
  ['HSET a1b f->g first', 1],
  ['SORT l BY nosort GET a*b->f->g', ['first', null]],
  ['RPUSH other l', 1],
  ['SORT other BY nosort GET *', [null]],
]);

behaviour('GET replies other keys, fields and the element', [
  ['RPUSH l 2 1 3', 3],
  ['MSET n_1 one n_2 two', OK],
  ['HSET h_1 f eins', 1],
  ['SORT l GET n_*', ['one', 'two', null]],
  ['SORT l GET # GET n_*', ['1', 'one', '2', 'two', '3', null]],
  ['SORT l GET h_*->f', ['eins', null, null]],
  ['SORT l GET h_*', [null, null, null]],
  ['SORT l GET constant', [null, null, null]],
  ['SORT l GET n_* GET h_*->f LIMIT 0 1', ['one', 'eins']],
  ['SORT_RO l GET n_* DESC', [null, 'two', 'one']],
  ['SORT l GET', SYNTAX],
]);

behaviour('BY without a star leaves the order', [
  ['RPUSH l 3 1 2 b', 4],
  ['SORT l BY nosort', ['3', '1', '2', 'b']],
  ['SORT l BY nosort DESC', ['b', '2', '1', '3']],
  ['SORT l BY nosort LIMIT 1 2', ['1', '2']],
  ['SORT l BY nosort DESC LIMIT 1 2', ['2', '1']],
  ['SORT l BY nosort LIMIT 9 2', []],
  ['SORT l BY nosort BY w_* ALPHA', ['3', '1', '2', 'b']],
  ['ZADD z 1 c 2 a 3 b', 3],
  ['SORT z BY nosort', ['c', 'a', 'b']],
  ['SORT z BY nosort DESC', ['b', 'a', 'c']],
  ['SORT z BY nosort DESC LIMIT 0 2', ['b', 'a']],
  ['SORT z BY nosort ASC LIMIT 1 2', ['a', 'b']],
  ['SORT z BY nosort LIMIT 1 -1', ['a', 'b']],
  ['SADD s 9 8 7', 3],
  ['SORT s BY nosort', ['7', '8', '9']],
  ['SORT s BY nosort DESC LIMIT 0 2', ['7', '8']],
  ['SADD t x y 1', 3],
  ['SORT t BY nosort', unordered('x', 'y', '1')],
]);

behaviour('STORE makes the result a list', [
  ['RPUSH l 3 1 2', 3],
  ['SET d string', OK],
  ['EXPIRE d 100', 1],
  ['SORT l STORE d', 3],
  ['TYPE d', simple('list')],
  ['TTL d', -1],
  ['LRANGE d 0 -1', ['1', '2', '3']],
  ['OBJECT ENCODING d', 'quicklist'],
  ['SORT l DESC STORE l', 3],
  ['LRANGE l 0 -1', ['3', '2', '1']],
  ['MSET n_1 one n_3 three', OK],
  ['SORT l GET n_* GET # STORE d', 6],
  ['LRANGE d 0 -1', ['one', '1', '', '2', 'three', '3']],
  ['SORT l STORE d STORE e', 3],
  ['LLEN e', 3],
  ['LLEN d', 6],
  ['SORT l LIMIT 5 1 STORE d', 0],
  ['EXISTS d', 0],
  ['SORT nokey STORE nokey', 0],
  ['SORT nokey STORE e', 0],
  ['EXISTS e', 0],
  ['SADD s b 10 a', 3],
  ['SORT s STORE d', NOT_A_WEIGHT],
  ['EXISTS d', 0],
  ['SORT s BY nosort STORE d', 3],
  ['LRANGE d 0 -1', ['10', 'a', 'b']],
  ['SORT s BY nosort GET # DESC STORE d', 3],
  ['LRANGE d 0 -1', ['b', 'a', '10']],
  ['SORT l STORE', SYNTAX],
  ['SORT_RO l STORE d', SYNTAX],
  ['SORT l NONSENSE', SYNTAX],
]);

behaviour('a stored order does not end at a zero byte', [
  [['RPUSH', 'l', 'a\0c', 'a\0b', 'a'], 3],
  ['SORT l ALPHA STORE d', 3],
  ['LRANGE d 0 -1', ['a', 'a\0b', 'a\0c']],
  ['SORT l ALPHA', ['a\0c', 'a\0b', 'a']],
]);

behaviour('weights that are equal, as text, keep an order', [
  [['RPUSH', 'l', ...Array.from({ length: 30 }, (_, i) => `e${(i * 7) % 30}`)], 30],
  ['MSET w_e3 x w_e11 x w_e20 a w_e29 z', OK],
  ['SORT l BY w_* ALPHA LIMIT 0 6', ['e23', 'e7', 'e14', 'e21', 'e28', 'e5']],
]);

behaviour('expired keys are no weights', [
  ['RPUSH l 1 2', 2],
  ['SET w_1 9', OK],
  ['SET w_2 1', OK],
  ['PEXPIREAT w_1 1', 1],
  ['SORT l BY w_* GET w_*', [null, '1']],
]);

behaviour('a transaction notices the key that SORT has stored to', [
  ['RPUSH l 2 1', 2],
  ['WATCH d', OK],
  on('other', 'SORT l STORE d', 2),
  ['MULTI', OK],
  ['LLEN d', simple('QUEUED')],
  ['EXEC', { special: 'null', matches: (reply) => reply.kind === 'null' }],
]);

behaviour(
  'SORT gives a sorted set its large form',
  [
    ['ZADD z 1 a 2 b', 2],
    ['OBJECT ENCODING z', 'listpack'],
    ['SORT_RO z ALPHA DESC', ['b', 'a']],
    ['OBJECT ENCODING z', 'skiplist'],
    ['ZRANGE z 0 -1 WITHSCORES', ['a', '1', 'b', '2']],
  ],
  { protocols: [2] },
);
