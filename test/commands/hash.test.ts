/** Behaviour of hashes, in both encodings. */
import {
  OK,
  QUEUED,
  behaviour,
  error,
  integerBetween,
  map,
  matching,
  on,
  simple,
  unordered,
  type Expected,
  type Step,
} from './behaviour.ts';

const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');
const SYNTAX_ERROR = error('ERR syntax error');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const NOT_A_FLOAT = error('ERR value is not a valid float');
const LONG = 'x'.repeat(65);

function wrongArity(name: string): Expected {
  return error(`ERR wrong number of arguments for '${name}' command`);
}

behaviour('HSET and HGET', [
  ['HSET h a 1 b 2', 2],
  ['HSET h a 3 c 4', 1],
  ['HGET h a', '3'],
  ['HGET h b', '2'],
  ['HGET h nosuch', null],
  ['HGET nosuch a', null],
  ['HSET h d 1 d 2 d 3', 1],
  ['HGET h d', '3'],
  [['HSET', 'h', '', ''], 1],
  [['HGET', 'h', ''], ''],
  [['HSET', 'h', Buffer.from([0, 255]), Buffer.from([13, 10])], 1],
  [['HGET', 'h', Buffer.from([0, 255])], Buffer.from([13, 10])],
  ['TYPE h', simple('hash')],
  ['OBJECT ENCODING h', 'listpack'],
  ['HSET h a', wrongArity('hset')],
  ['HSET h a 1 b', wrongArity('hset')],
  ['HGET h', wrongArity('hget')],
  ['HGET h a b', wrongArity('hget')],
  ['SET s x', OK],
  ['HSET s a 1', WRONG_TYPE],
  ['HSET s a 1 b', wrongArity('hset')],
  ['HGET s a', WRONG_TYPE],
]);

behaviour('HSET of numbers gives back the same bytes', [
  ['HSET h 0 1 -1 -2 00 +5 9223372036854775807 -9223372036854775808', 4],
  ['HGET h 0', '1'],
  ['HGET h -1', '-2'],
  ['HGET h 00', '+5'],
  ['HGET h 9223372036854775807', '-9223372036854775808'],
  ['HSET h n 127 n 128 n -4096 n 65536 n 16777216 n 4294967296', 1],
  ['HGET h n', '4294967296'],
]);

behaviour('HMSET', [
  ['HMSET h a 1 b 2', OK],
  ['HMSET h a 1 b 2 a 3', OK],
  ['HGET h a', '3'],
  ['HLEN h', 2],
  ['HMSET h a', wrongArity('hmset')],
  ['HMSET h a 1 b', wrongArity('hmset')],
  ['SET s x', OK],
  ['HMSET s a 1', WRONG_TYPE],
]);

behaviour('HSETNX', [
  ['HSETNX h a 1', 1],
  ['HSETNX h a 2', 0],
  ['HGET h a', '1'],
  [['HSETNX', 'h', 'a', LONG], 0],
  ['OBJECT ENCODING h', 'listpack'],
  [['HSETNX', 'h', 'b', LONG], 1],
  ['OBJECT ENCODING h', 'hashtable'],
  ['HSETNX h b 1', 0],
  ['SET s x', OK],
  ['HSETNX s a 1', WRONG_TYPE],
  ['HSETNX h a', wrongArity('hsetnx')],
]);

behaviour('HMGET', [
  ['HSET h a 1 b 2', 2],
  ['HMGET h b nosuch a b', ['2', null, '1', '2']],
  ['HMGET nosuch a b', [null, null]],
  ['HMGET h', wrongArity('hmget')],
  ['SET s x', OK],
  ['HMGET s a', WRONG_TYPE],
]);

behaviour('HDEL', [
  ['HSET h a 1 b 2 c 3', 3],
  ['HDEL h a nosuch a', 1],
  ['HGETALL h', map(['b', '2'], ['c', '3'])],
  ['HDEL nosuch a', 0],
  ['HDEL h b c d', 2],
  ['EXISTS h', 0],
  ['SET s x', OK],
  ['HDEL s a', WRONG_TYPE],
  ['HDEL h', wrongArity('hdel')],
  [['HSET', 'big', 'a', LONG, 'b', '2'], 2],
  ['HDEL big a', 1],
  ['OBJECT ENCODING big', 'hashtable'],
  ['HDEL big b b', 1],
  ['EXISTS big', 0],
]);

behaviour('HGETALL, HKEYS and HVALS', [
  ['HSET h b 1 a 2', 2],
  ['HGETALL h', map(['b', '1'], ['a', '2'])],
  ['HKEYS h', ['b', 'a']],
  ['HVALS h', ['1', '2']],
  ['HGETALL nosuch', map()],
  ['HKEYS nosuch', []],
  ['HVALS nosuch', []],
  [['HSET', 'big', 'a', LONG], 1],
  ['HGETALL big', map(['a', LONG])],
  ['HKEYS big', ['a']],
  ['HVALS big', [LONG]],
  ['HSET big b 1', 1],
  ['HKEYS big', unordered('a', 'b')],
  ['HVALS big', unordered(LONG, '1')],
  ['SET s x', OK],
  ['HGETALL s', WRONG_TYPE],
  ['HKEYS s', WRONG_TYPE],
  ['HVALS s', WRONG_TYPE],
]);

behaviour('HLEN, HEXISTS and HSTRLEN', [
  ['HSET h a hello n 12345', 2],
  ['HLEN h', 2],
  ['HLEN nosuch', 0],
  ['HEXISTS h a', 1],
  ['HEXISTS h b', 0],
  ['HEXISTS nosuch a', 0],
  ['HSTRLEN h a', 5],
  ['HSTRLEN h n', 5],
  ['HSTRLEN h b', 0],
  ['HSTRLEN nosuch b', 0],
  [['HSET', 'h', 'long', LONG], 1],
  ['HLEN h', 3],
  ['HEXISTS h a', 1],
  ['HEXISTS h b', 0],
  ['HSTRLEN h long', 65],
  ['HSTRLEN h n', 5],
  ['SET s x', OK],
  ['HLEN s', WRONG_TYPE],
  ['HEXISTS s a', WRONG_TYPE],
  ['HSTRLEN s a', WRONG_TYPE],
]);

behaviour('HINCRBY', [
  ['HINCRBY h n 5', 5],
  ['HINCRBY h n -15', -10],
  ['HGET h n', '-10'],
  ['HSET h text abc float 1.5 space 1max', 3],
  ['HINCRBY h text 1', error('ERR hash value is not an integer')],
  ['HINCRBY h float 1', error('ERR hash value is not an integer')],
  [['HSET', 'h', 'space', ' 1', 'empty', ''], 1],
  ['HINCRBY h space 1', error('ERR hash value is not an integer')],
  ['HINCRBY h empty 1', error('ERR hash value is not an integer')],
  ['HINCRBY h n x', NOT_AN_INTEGER],
  ['HINCRBY h n 9223372036854775808', NOT_AN_INTEGER],
  ['HINCRBY h big 9223372036854775807', 9223372036854775807n],
  ['HINCRBY h big 1', error('ERR increment or decrement would overflow')],
  ['HINCRBY h big -1', 9223372036854775806n],
  ['HINCRBY h small -9223372036854775808', -9223372036854775808n],
  ['HINCRBY h small -1', error('ERR increment or decrement would overflow')],
  ['HINCRBY h small 9223372036854775807', -1],
  [['HSET', 'h', 'long', LONG], 1],
  ['HINCRBY h n 1', -9],
  ['HINCRBY h n 9007199254740993', 9007199254740984n],
  ['HINCRBY h long 1', error('ERR hash value is not an integer')],
  ['SET s x', OK],
  ['HINCRBY s n 1', WRONG_TYPE],
  ['HINCRBY s n x', NOT_AN_INTEGER],
  ['HINCRBY h n', wrongArity('hincrby')],
  ['HINCRBY nosuch n x', NOT_AN_INTEGER],
  ['EXISTS nosuch', 0],
]);

behaviour('HINCRBYFLOAT', [
  ['HINCRBYFLOAT h n 10.50', '10.5'],
  ['HINCRBYFLOAT h n 0.1', '10.6'],
  ['HINCRBYFLOAT h n -5', '5.6'],
  ['HINCRBYFLOAT h n 2.0e2', '205.60000000000000001'],
  ['HGET h n', '205.60000000000000001'],
  ['HSET h int 3 text abc', 2],
  ['HINCRBYFLOAT h int 0.25', '3.25'],
  ['HINCRBYFLOAT h int 0.75', '4'],
  ['HINCRBYFLOAT h text 1', error('ERR hash value is not a float')],
  [['HSET', 'h', 'space', ' 1', 'empty', ''], 2],
  ['HINCRBYFLOAT h space 1', error('ERR hash value is not a float')],
  ['HINCRBYFLOAT h empty 1', error('ERR hash value is not a float')],
  ['HINCRBYFLOAT h n x', NOT_A_FLOAT],
  ['HINCRBYFLOAT h n nan', NOT_A_FLOAT],
  ['HINCRBYFLOAT h n inf', error('ERR value is NaN or Infinity')],
  ['HINCRBYFLOAT h n -inf', error('ERR value is NaN or Infinity')],
  ['HSET h inf inf', 1],
  ['HINCRBYFLOAT h inf 1', error('ERR increment would produce NaN or Infinity')],
  ['HINCRBYFLOAT h none 1e-400', '0'],
  ['SET s x', OK],
  ['HINCRBYFLOAT s n 1', WRONG_TYPE],
  ['HINCRBYFLOAT s n x', NOT_A_FLOAT],
  ['HINCRBYFLOAT s n inf', error('ERR value is NaN or Infinity')],
  ['HINCRBYFLOAT h n', wrongArity('hincrbyfloat')],
]);

behaviour('a field, a value or too many fields make a hash a table, for ever', [
  [['HSET', 'field', 'f'.repeat(64), 'v'], 1],
  ['OBJECT ENCODING field', 'listpack'],
  [['HSET', 'field', 'f'.repeat(65), 'v'], 1],
  ['OBJECT ENCODING field', 'hashtable'],
  [['HSET', 'value', 'f', 'v'.repeat(64)], 1],
  ['OBJECT ENCODING value', 'listpack'],
  [['HSET', 'value', 'f', 'v'.repeat(65)], 0],
  ['OBJECT ENCODING value', 'hashtable'],
  ['HSET value f v', 0],
  ['OBJECT ENCODING value', 'hashtable'],
  [['HSET', 'count', ...Array.from({ length: 1024 }, (_, i) => String(i - (i % 2)))], 512],
  ['OBJECT ENCODING count', 'listpack'],
  ['HSET count 0 again', 0],
  ['OBJECT ENCODING count', 'listpack'],
  ['HSET count one more', 1],
  ['OBJECT ENCODING count', 'hashtable'],
  ['HLEN count', 513],
  ['HGET count 0', 'again'],
  ['HGET count 254', '254'],
  ['HDEL count one', 1],
  ['OBJECT ENCODING count', 'hashtable'],
]);

const SHRUNKEN = { 'hash-max-listpack-entries': '2', 'hash-max-listpack-value': '3' };

behaviour(
  'the limits of a listpack are directives',
  [
    ['HSET h a 123 b 1234', 2],
    ['OBJECT ENCODING h', 'hashtable'],
    ['HSET i a 123 b 123', 2],
    ['OBJECT ENCODING i', 'listpack'],
    ['HSET i c 1', 1],
    ['OBJECT ENCODING i', 'hashtable'],
    ['HSET n a 999', 1],
    ['HINCRBY n a 1', 1000],
    ['OBJECT ENCODING n', 'hashtable'],
    ['HSET x a 1 b 2', 2],
    ['CONFIG SET hash-max-ziplist-entries 1', OK],
    ['OBJECT ENCODING x', 'listpack'],
    ['HSET x a 2', 0],
    ['OBJECT ENCODING x', 'hashtable'],
    ['CONFIG SET hash-max-listpack-entries 2', OK],
  ],
  { settings: SHRUNKEN },
);

behaviour('COPY, RENAME and MOVE take hashes along', [
  ['HSET h a 1', 1],
  ['COPY h i', 1],
  ['HSET i a 2', 0],
  ['HGET h a', '1'],
  [['HSET', 'h', 'b', LONG], 1],
  ['COPY h i REPLACE', 1],
  ['HDEL i a', 1],
  ['HLEN h', 2],
  ['RENAME h k', OK],
  ['HGET k b', LONG],
  ['MOVE k 1', 1],
  ['SELECT 1', OK],
  ['HGET k b', LONG],
  ['SET k string', OK],
  ['GET k', 'string'],
]);

behaviour('HSCAN', [
  ['HSET h aa 1 ab 2 b 3', 3],
  ['HSCAN h 0', ['0', ['aa', '1', 'ab', '2', 'b', '3']]],
  ['HSCAN h 42', ['0', ['aa', '1', 'ab', '2', 'b', '3']]],
  ['HSCAN h 0 COUNT 1', ['0', ['aa', '1', 'ab', '2', 'b', '3']]],
  ['HSCAN h 0 MATCH a* COUNT 100', ['0', ['aa', '1', 'ab', '2']]],
  ['HSCAN h 0 match z*', ['0', []]],
  ['HSCAN nosuch 0', ['0', []]],
  ['HSCAN nosuch 0 NOSUCH', ['0', []]],
  ['HSCAN nosuch x', error('ERR invalid cursor')],
  ['HSCAN h 0 COUNT 0', SYNTAX_ERROR],
  ['HSCAN h 0 COUNT x', NOT_AN_INTEGER],
  ['HSCAN h 0 MATCH', SYNTAX_ERROR],
  ['HSCAN h 0 TYPE hash', SYNTAX_ERROR],
  ['SET s x', OK],
  ['HSCAN s 0 NOSUCH', WRONG_TYPE],
  ['HSCAN s x', error('ERR invalid cursor')],
  [['HSET', 'h', 'b', LONG], 0],
  ['HSCAN h 0 COUNT 100', ['0', unordered('aa', '1', 'ab', '2', 'b', LONG)]],
  ['HSCAN h 0 COUNT 100 MATCH b', ['0', ['b', LONG]]],
]);

/** The same steps on a listpack and on a table. */
function randomFieldSteps(prepare: Step): Step[] {
  return [
    ['HSET h a 1', 1],
    prepare,
    ['HRANDFIELD h', 'a'],
    ['HRANDFIELD h 1', ['a']],
    ['HRANDFIELD h 5', ['a']],
    ['HRANDFIELD h -3', ['a', 'a', 'a']],
    ['HRANDFIELD h 0', []],
    ['HSET h b 2', 1],
    ['HRANDFIELD h 2', unordered('a', 'b')],
    ['HRANDFIELD h 9223372036854775807', unordered('a', 'b')],
    ['HRANDFIELD h 1', [matching(/^[ab]$/)]],
    ['HRANDFIELD h', matching(/^[ab]$/)],
    ['HRANDFIELD h -2', [matching(/^[ab]$/), matching(/^[ab]$/)]],
    [['HSET', 'h', ...Array.from({ length: 20 }, (_, i) => [`f${i}`, `v${i}`]).flat()], 20],
    ['HRANDFIELD h 3', [matching(/^[abf]/), matching(/^[abf]/), matching(/^[abf]/)]],
    ['HRANDFIELD h 22', unordered('a', 'b', ...Array.from({ length: 20 }, (_, i) => `f${i}`))],
  ];
}

behaviour('HRANDFIELD of a listpack', randomFieldSteps(['OBJECT ENCODING h', 'listpack']));

behaviour('HRANDFIELD of a table', [
  [['HSET', 'h', 'a', LONG], 1],
  ...randomFieldSteps(['OBJECT ENCODING h', 'hashtable']).slice(1),
]);

behaviour(
  'HRANDFIELD with values',
  [
    ['HSET h a 1', 1],
    ['HRANDFIELD h 2 WITHVALUES', ['a', '1']],
    ['HRANDFIELD h -2 withvalues', ['a', '1', 'a', '1']],
    ['HRANDFIELD h 0 WITHVALUES', []],
    ['HRANDFIELD nosuch 1 WITHVALUES', []],
  ],
  { protocols: [2] },
);

behaviour(
  'HRANDFIELD with values, in pairs',
  [
    ['HSET h a 1', 1],
    ['HRANDFIELD h 2 WITHVALUES', [['a', '1']]],
    [
      'HRANDFIELD h -2 withvalues',
      [
        ['a', '1'],
        ['a', '1'],
      ],
    ],
    ['HRANDFIELD h 0 WITHVALUES', []],
    ['HRANDFIELD nosuch 1 WITHVALUES', []],
  ],
  { protocols: [3] },
);

behaviour('HRANDFIELD refuses', [
  ['HRANDFIELD nosuch', null],
  ['HRANDFIELD nosuch 1', []],
  ['HRANDFIELD nosuch x', NOT_AN_INTEGER],
  ['HRANDFIELD nosuch 1 NOSUCH', SYNTAX_ERROR],
  ['HRANDFIELD nosuch 1 WITHVALUES x', SYNTAX_ERROR],
  ['HRANDFIELD nosuch x NOSUCH', NOT_AN_INTEGER],
  [
    'HRANDFIELD nosuch -9223372036854775808 NOSUCH',
    error('ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807'),
  ],
  ['HRANDFIELD nosuch 4611686018427387904 WITHVALUES', error('ERR value is out of range')],
  ['HRANDFIELD nosuch -4611686018427387904 WITHVALUES', error('ERR value is out of range')],
  ['HRANDFIELD nosuch 4611686018427387903 WITHVALUES', []],
  ['SET s x', OK],
  ['HRANDFIELD s', WRONG_TYPE],
  ['HRANDFIELD s 0', WRONG_TYPE],
  ['HRANDFIELD', wrongArity('hrandfield')],
]);

behaviour('each field is a change since the last save', [
  ['SAVE', OK],
  ['HSET h a 1 b 2 c 3', 3],
  ['INFO persistence', matching(/rdb_changes_since_last_save:3\r/)],
  ['HDEL h a b nosuch', 2],
  ['INFO persistence', matching(/rdb_changes_since_last_save:5\r/)],
  ['HSETNX h c 1', 0],
  ['HDEL h nosuch', 0],
  ['HINCRBY h c 1', 4],
  ['INFO persistence', matching(/rdb_changes_since_last_save:6\r/)],
]);

behaviour('hashes within a transaction, watched', [
  ['WATCH h', OK],
  on('other', 'HSET h a 1', 1),
  ['MULTI', OK],
  ['HGET h a', QUEUED],
  ['EXEC', { special: 'null', matches: (reply) => reply.kind === 'null' }],
  ['MULTI', OK],
  ['HINCRBY h a 1', QUEUED],
  ['HGETALL h', QUEUED],
  ['EXEC', [2, map(['a', '2'])]],
]);

behaviour('MEMORY USAGE of a hash', [
  ['HSET h a 1', 1],
  ['MEMORY USAGE h', integerBetween(40, 200)],
  [['HSET', 'h', 'b', LONG], 1],
  ['MEMORY USAGE h SAMPLES 0', integerBetween(100, 500)],
]);
