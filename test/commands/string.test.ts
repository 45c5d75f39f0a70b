/** Behaviour of the string commands. */
import {
  ANYTHING,
  NULL_ARRAY,
  behaviour,
  error,
  integerBetween,
  map,
  on,
  OK,
  QUEUED,
  wait,
} from './behaviour.ts';

const INT64_MAX = 9223372036854775807n;
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const NOT_A_FLOAT = error('ERR value is not a valid float');
const SYNTAX_ERROR = error('ERR syntax error');
const OVERFLOW = error('ERR increment or decrement would overflow');
const TOO_LONG = error('ERR string exceeds maximum allowed size (proto-max-bulk-len)');

/** The year 2100, in ms. */
const FAR = 4102444800000;

function arity(name: string) {
  return error(`ERR wrong number of arguments for '${name}' command`);
}

function invalidExpiry(name: string) {
  return error(`ERR invalid expire time in '${name}' command`);
}

// SET and GET -----------------------------------------------------------------------------------------------

behaviour('SET and GET keep any bytes', [
  ['GET k', null],
  ['SET k hello', OK],
  ['GET k', 'hello'],
  [['SET', 'k', ''], OK],
  ['GET k', ''],
  [['SET', '', 'empty key'], OK],
  [['GET', ''], 'empty key'],
  [['SET', Buffer.from([0, 0xff, 0x0d, 0x0a]), Buffer.from([0x0d, 0x0a, 0])], OK],
  [['GET', Buffer.from([0, 0xff, 0x0d, 0x0a])], Buffer.from([0x0d, 0x0a, 0])],
  on('other', 'GET k', ''),
  ['GET', arity('get')],
  ['GET a b', arity('get')],
]);

behaviour(
  'SET and GET values of all sizes, replacing each other',
  [1, 44, 45, 2047, 2048, 2049, 100_000, 2049, 45, 3_000_000, 2048, 44, 100_000, 0].flatMap((length) => {
    const value = Buffer.alloc(length, 'some value ');
    return [
      [['SET', 'k', value], OK],
      ['GET k', value],
      ['STRLEN k', length],
    ] as const;
  }),
);

behaviour('SET NX and XX ask whether the key exists', [
  ['SET k v XX', null],
  ['SET k v NX', OK],
  ['SET k w NX', null],
  ['SET k w XX', OK],
  ['GET k', 'w'],
  ['SET k v nx nx', null],
  ['SET k v NX XX', SYNTAX_ERROR],
  ['SET k v XX NX', SYNTAX_ERROR],
]);

behaviour('SET GET returns the value before', [
  ['SET k v GET', null],
  ['SET k w get GET', 'v'],
  ['SET k x NX GET', 'w'],
  ['GET k', 'w'],
  ['SET k x XX GET', 'w'],
  ['SET none x XX GET', null],
  ['EXISTS none', 0],
  ['SET none x NX GET', null],
  ['GET none', 'x'],
  [`SET k y GET PXAT ${FAR}`, 'x'],
  ['PEXPIRETIME k', FAR],
  ['SET k z KEEPTTL GET', 'y'],
  ['PEXPIRETIME k', FAR],
]);

behaviour('SET with a life, without, and keeping the one before', [
  [`SET k v PXAT ${FAR}`, OK],
  ['PEXPIRETIME k', FAR],
  ['SET k w KEEPTTL', OK],
  ['PEXPIRETIME k', FAR],
  ['SET k w', OK],
  ['TTL k', -1],
  ['SET k w KEEPTTL', OK],
  ['TTL k', -1],
  ['SET k v EX 100', OK],
  ['PTTL k', integerBetween(90_000, 100_000)],
  ['SET k v PX 100000', OK],
  ['PTTL k', integerBetween(90_000, 100_000)],
  [`SET k v EXAT ${FAR / 1000}`, OK],
  ['PEXPIRETIME k', FAR],
  ['SET k v PX 1', OK],
  wait(5),
  ['GET k', null],
]);

behaviour('SET takes an option twice, but no two that contradict each other', [
  ['SET k v EX 10 ex 200', OK],
  ['TTL k', integerBetween(190, 200)],
  ['SET k v KEEPTTL keepttl', OK],
  ['TTL k', integerBetween(190, 200)],
  ['SET k v EX', SYNTAX_ERROR],
  ['SET k v EX 10 KEEPTTL', SYNTAX_ERROR],
  ['SET k v KEEPTTL EX 10', SYNTAX_ERROR],
  ['SET k v EX 10 PX 10000', SYNTAX_ERROR],
  ['SET k v EXAT 10 EX 10', SYNTAX_ERROR],
  ['SET k v EX 0 PXAT', SYNTAX_ERROR],
  ['SET k v PERSIST', SYNTAX_ERROR],
  ['SET k v foo', SYNTAX_ERROR],
  [['SET', 'k', 'v', ''], SYNTAX_ERROR],
  ['SET k', arity('set')],
]);

behaviour('SET refuses times that are none', [
  ['SET k v EX 0', invalidExpiry('set')],
  ['SET k v PX -1', invalidExpiry('set')],
  ['SET k v EXAT -1', invalidExpiry('set')],
  ['SET k v PXAT 0', invalidExpiry('set')],
  ['SET k v EX x', NOT_AN_INTEGER],
  ['SET k v EX 1.5', NOT_AN_INTEGER],
  ['SET k v PX 9223372036854775808', NOT_AN_INTEGER],
  ['SET k v EX 9223372036854775807', invalidExpiry('set')],
  ['SET k v EX 9223372036854775', invalidExpiry('set')],
  ['SET k v PX 9223372036854775807', invalidExpiry('set')],
  ['SET k v EXAT 9223372036854776', invalidExpiry('set')],
  ['EXISTS k', 0],
  ['SET k v EXAT 9223372036854775', OK],
  ['SET k v PXAT 9223372036854775807', OK],
  ['GET k', 'v'],
]);

behaviour('SET with a time in the past sets a key that is gone', [
  ['SET k v EXAT 1', OK],
  ['GET k', null],
  ['SET k v', OK],
  ['SET k w PXAT 1 GET', 'v'],
  ['EXISTS k', 0],
  ['SET k v PXAT 1 NX', OK],
  ['SET k w PXAT 1 NX', OK],
  ['SET k w XX', null],
]);

behaviour('SETEX and PSETEX', [
  ['SETEX k 100 v', OK],
  ['GET k', 'v'],
  ['PTTL k', integerBetween(90_000, 100_000)],
  ['PSETEX k 200000 w', OK],
  ['GET k', 'w'],
  ['PTTL k', integerBetween(190_000, 200_000)],
  ['SETEX k 0 v', invalidExpiry('setex')],
  ['PSETEX k -1 v', invalidExpiry('psetex')],
  ['SETEX k 9223372036854775 v', invalidExpiry('setex')],
  ['PSETEX k 9223372036854775807 v', invalidExpiry('psetex')],
  ['SETEX k x v', NOT_AN_INTEGER],
  ['SETEX k 10', arity('setex')],
  ['PSETEX k 10', arity('psetex')],
  ['PSETEX k 1 v', OK],
  wait(5),
  ['GET k', null],
]);

behaviour('SETNX', [
  ['SETNX k v', 1],
  ['SETNX k w', 0],
  ['GET k', 'v'],
  ['SET k v PX 1', OK],
  wait(5),
  ['SETNX k w', 1],
  ['TTL k', -1],
  ['SETNX k', arity('setnx')],
]);

behaviour('GETSET takes away the life of a key', [
  ['GETSET k v', null],
  ['EXPIRE k 100', 1],
  ['GETSET k w', 'v'],
  ['TTL k', -1],
  ['GETSET k', arity('getset')],
]);

behaviour('GETDEL', [
  ['GETDEL k', null],
  ['SET k v', OK],
  ['GETDEL k', 'v'],
  ['EXISTS k', 0],
  ['GETDEL k x', arity('getdel')],
]);

behaviour('GETEX changes the life of a key', [
  ['GETEX k', null],
  ['GETEX k EX 0', null],
  ['SET k v', OK],
  ['GETEX k', 'v'],
  ['TTL k', -1],
  [`GETEX k PXAT ${FAR}`, 'v'],
  ['PEXPIRETIME k', FAR],
  ['GETEX k', 'v'],
  ['PEXPIRETIME k', FAR],
  ['GETEX k persist', 'v'],
  ['TTL k', -1],
  ['GETEX k PERSIST', 'v'],
  ['GETEX k EX 100', 'v'],
  ['PTTL k', integerBetween(90_000, 100_000)],
  ['GETEX k PX 200000', 'v'],
  ['PTTL k', integerBetween(190_000, 200_000)],
  [`GETEX k EXAT ${FAR / 1000}`, 'v'],
  ['PEXPIRETIME k', FAR],
  ['GETEX k EXAT 1', 'v'],
  ['EXISTS k', 0],
  ['SET k v', OK],
  ['GETEX k PXAT 1', 'v'],
  ['EXISTS k', 0],
]);

behaviour('GETEX refuses what SET refuses', [
  ['SET k v', OK],
  ['GETEX k EX 0', invalidExpiry('getex')],
  ['GETEX k PX 9223372036854775807', invalidExpiry('getex')],
  ['GETEX k PXAT x', NOT_AN_INTEGER],
  ['GETEX k EX', SYNTAX_ERROR],
  ['GETEX k EX 10 PERSIST', SYNTAX_ERROR],
  ['GETEX k PERSIST EX 10', SYNTAX_ERROR],
  ['GETEX k NX', SYNTAX_ERROR],
  ['GETEX k GET', SYNTAX_ERROR],
  ['GETEX k KEEPTTL', SYNTAX_ERROR],
  ['GETEX none EX', SYNTAX_ERROR],
  ['GETEX', arity('getex')],
]);

// Several keys ----------------------------------------------------------------------------------------------

behaviour('MGET, MSET and MSETNX', [
  ['MGET a b', [null, null]],
  ['MSET a 1 b 2 a 3', OK],
  ['MGET a none b a', ['3', null, '2', '3']],
  ['EXPIRE a 100', 1],
  ['MSET a 4', OK],
  ['TTL a', -1],
  ['MSETNX c 5 b 6', 0],
  ['EXISTS c', 0],
  ['MSETNX c 5 d 6 c 7', 1],
  ['MGET c d', ['7', '6']],
  ['MSET a 1 b', arity('mset')],
  ['MSETNX a 1 b', arity('msetnx')],
  ['MSET a', arity('mset')],
  ['MGET', arity('mget')],
]);

// Parts of strings ------------------------------------------------------------------------------------------

behaviour('APPEND and STRLEN', [
  ['STRLEN k', 0],
  ['APPEND k hello', 5],
  ['EXPIRE k 100', 1],
  [['APPEND', 'k', ' world'], 11],
  ['GET k', 'hello world'],
  ['TTL k', integerBetween(90, 100)],
  ['STRLEN k', 11],
  [['APPEND', 'k', ''], 11],
  ['SET n 12', OK],
  ['APPEND n 3', 3],
  ['OBJECT ENCODING n', 'raw'],
  ['INCR n', 124],
  ['OBJECT ENCODING n', 'int'],
  ['APPEND m 5', 1],
  ['OBJECT ENCODING m', 'int'],
  [['APPEND', 'e', ''], 0],
  ['EXISTS e', 1],
  ['APPEND k', arity('append')],
  ['STRLEN k k', arity('strlen')],
]);

behaviour('APPEND across the sizes at which strings are kept differently', [
  [['SET', 'k', 'start '], OK],
  ...[2000, 100, 100_000, 2_000_000].map(
    (length, index) =>
      [['APPEND', 'k', Buffer.alloc(length, 'x')], [2006, 2106, 102_106, 2_102_106][index]!] as const,
  ),
  ['GETRANGE k 0 8', 'start xxx'],
  ['GETRANGE k 2102103 -1', 'xxx'],
  ['STRLEN k', 2_102_106],
]);

behaviour('GETRANGE and SUBSTR count from both ends', [
  [['SET', 'k', 'This is a string'], OK],
  ['GETRANGE k 0 3', 'This'],
  ['GETRANGE k -3 -1', 'ing'],
  ['GETRANGE k 0 -1', 'This is a string'],
  ['GETRANGE k 10 100', 'string'],
  ['GETRANGE k 16 100', ''],
  ['GETRANGE k 5 3', ''],
  ['GETRANGE k -1 -5', ''],
  ['GETRANGE k -100 -99', 'T'],
  ['GETRANGE k -99 -100', ''],
  ['GETRANGE k -99 -99', 'T'],
  ['GETRANGE k -100 100', 'This is a string'],
  ['GETRANGE k 0 9223372036854775807', 'This is a string'],
  ['GETRANGE k -9223372036854775808 -9223372036854775807', 'T'],
  ['GETRANGE k -9223372036854775807 -9223372036854775808', ''],
  ['GETRANGE k 0 9223372036854775808', NOT_AN_INTEGER],
  ['GETRANGE none x 0', NOT_AN_INTEGER],
  ['GETRANGE none 0 -1', ''],
  [['SET', 'e', ''], OK],
  ['GETRANGE e 0 -1', ''],
  ['GETRANGE e -1 0', ''],
  ['SUBSTR k 0 3', 'This'],
  ['SUBSTR none 0 3', ''],
  ['SUBSTR k 0', arity('substr')],
  ['GETRANGE k 0', arity('getrange')],
]);

behaviour('SETRANGE pads with zero bytes', [
  [['SETRANGE', 'k', '5', ''], 0],
  ['EXISTS k', 0],
  ['SETRANGE k 3 abc', 6],
  ['GET k', Buffer.from('\0\0\0abc')],
  ['SETRANGE k 1 zz', 6],
  ['GET k', Buffer.from('\0zzabc')],
  ['SETRANGE k 5 def', 8],
  ['GET k', Buffer.from('\0zzabdef')],
  [['SETRANGE', 'k', '100', ''], 8],
  ['SETRANGE k 5000 end', 5003],
  ['GETRANGE k 4998 -1', Buffer.from('\0\0end')],
  ['SETRANGE n 0 5', 1],
  ['OBJECT ENCODING n', 'raw'],
  ['SET i 12345', OK],
  ['EXPIRE i 100', 1],
  ['SETRANGE i 1 77', 5],
  ['GET i', '17745'],
  ['TTL i', integerBetween(90, 100)],
  ['SETRANGE k -1 x', error('ERR offset is out of range')],
  [['SETRANGE', 'none', '-1', ''], error('ERR offset is out of range')],
  ['SETRANGE k x x', NOT_AN_INTEGER],
  ['SETRANGE k 0', arity('setrange')],
]);

behaviour(
  'strings do not grow longer than proto-max-bulk-len',
  [
    ['SETRANGE k 1048575 x', 1_048_576],
    ['SETRANGE k 1048576 x', TOO_LONG],
    ['SETRANGE k 1048575 xx', TOO_LONG],
    ['SETRANGE none 1048576 x', TOO_LONG],
    ['SETRANGE k 9223372036854775807 x', TOO_LONG],
    [['SETRANGE', 'k', '9223372036854775807', ''], 1_048_576],
    ['EXISTS none', 0],
    ['APPEND k x', TOO_LONG],
    [['APPEND', 'k', ''], 1_048_576],
    ['STRLEN k', 1_048_576],
  ],
  { settings: { 'proto-max-bulk-len': '1mb' } },
);

// Numbers ---------------------------------------------------------------------------------------------------

behaviour('INCR, DECR, INCRBY and DECRBY', [
  ['INCR k', 1],
  ['DECR k', 0],
  ['DECR k', -1],
  ['INCRBY k 1001', 1000],
  ['DECRBY k 1', 999],
  ['INCR k', 1000],
  ['GET k', '1000'],
  ['OBJECT ENCODING k', 'int'],
  ['EXPIRE k 100', 1],
  ['INCRBY k -2000', -1000],
  ['TTL k', integerBetween(90, 100)],
  ['DECRBY new 5', -5],
  ['INCRBY zero 0', 0],
  ['DECRBY zero 0', 0],
  ['GET zero', '0'],
  ['INCRBY k x', NOT_AN_INTEGER],
  ['DECRBY k 1.5', NOT_AN_INTEGER],
  ['INCRBY k +1', NOT_AN_INTEGER],
  ['INCR', arity('incr')],
  ['DECR k 1', arity('decr')],
  ['INCRBY k', arity('incrby')],
  ['DECRBY k', arity('decrby')],
]);

behaviour('INCR of what is no integer', [
  ['SET k abc', OK],
  ['INCR k', NOT_AN_INTEGER],
  [['SET', 'k', ''], OK],
  ['INCR k', NOT_AN_INTEGER],
  [['SET', 'k', ' 1'], OK],
  ['INCR k', NOT_AN_INTEGER],
  ['SET k 01', OK],
  ['INCR k', NOT_AN_INTEGER],
  ['SET k 1.0', OK],
  ['DECR k', NOT_AN_INTEGER],
  ['SET k 9223372036854775808', OK],
  ['INCRBY k -1', NOT_AN_INTEGER],
  ['GET k', '9223372036854775808'],
]);

behaviour('INCR up to the ends of 64 bits', [
  ['SET k 9007199254740991', OK],
  ['INCR k', 9007199254740992n],
  ['INCR k', 9007199254740993n],
  ['GET k', '9007199254740993'],
  ['DECRBY k 2', 9007199254740991n],
  ['SET k 9223372036854775806', OK],
  ['INCR k', INT64_MAX],
  ['OBJECT ENCODING k', 'int'],
  ['INCR k', OVERFLOW],
  ['INCRBY k -9223372036854775807', 0],
  ['INCRBY k -9223372036854775808', -9223372036854775808n],
  ['DECR k', OVERFLOW],
  ['DECRBY k -9223372036854775808', error('ERR decrement would overflow')],
  ['DECRBY k -9223372036854775807', -1],
  ['INCRBY k 9223372036854775808', NOT_AN_INTEGER],
  ['INCRBY new 9223372036854775807', INT64_MAX],
  ['DECRBY other 9223372036854775807', -INT64_MAX],
  ['GET other', '-9223372036854775807'],
]);

behaviour('INCRBYFLOAT computes with 64 bits of mantissa', [
  ['INCRBYFLOAT k 0.1', '0.1'],
  ['INCRBYFLOAT k 0.2', '0.3'],
  ['INCRBYFLOAT k 5.0e3', '5000.29999999999999982'],
  ['INCRBYFLOAT k -5000.3', '0'],
  ['INCRBYFLOAT i 3', '3'],
  ['OBJECT ENCODING i', 'embstr'],
  ['INCR i', 4],
  ['INCRBYFLOAT i 9007199254740993', '9007199254740997'],
  ['EXPIRE i 100', 1],
  ['INCRBYFLOAT i -0.5', '9007199254740996.5'],
  ['TTL i', integerBetween(90, 100)],
  ['INCRBYFLOAT new 1e20', '100000000000000000000'],
  ['INCRBYFLOAT k inf', error('ERR increment would produce NaN or Infinity')],
  ['INCRBYFLOAT k x', NOT_A_FLOAT],
  [['INCRBYFLOAT', 'k', ' 1'], NOT_A_FLOAT],
  ['SET k abc', OK],
  ['INCRBYFLOAT k 1', NOT_A_FLOAT],
  ['SET k inf', OK],
  ['INCRBYFLOAT k 1', error('ERR increment would produce NaN or Infinity')],
  ['INCRBYFLOAT k', arity('incrbyfloat')],
]);

// LCS -------------------------------------------------------------------------------------------------------

behaviour('LCS', [
  ['MSET a ohmytext b mynewtext', OK],
  ['LCS a b', 'mytext'],
  ['LCS a b LEN', 6],
  ['LCS a none', ''],
  ['LCS none none LEN', 0],
  ['LCS none a IDX', map(['matches', []], ['len', 0])],
  [
    'LCS a b IDX',
    map(
      [
        'matches',
        [
          [
            [4, 7],
            [5, 8],
          ],
          [
            [2, 3],
            [0, 1],
          ],
        ],
      ],
      ['len', 6],
    ),
  ],
  ['LCS a b IDX MINMATCHLEN 4 withmatchlen', map(['matches', [[[4, 7], [5, 8], 4]]], ['len', 6])],
  ['LCS a b IDX MINMATCHLEN 5', map(['matches', []], ['len', 6])],
  ['LCS a b LEN MINMATCHLEN 5 WITHMATCHLEN', 6],
  ['LCS a a', 'ohmytext'],
  ['LCS a b MINMATCHLEN', SYNTAX_ERROR],
  ['LCS a b MINMATCHLEN x', NOT_AN_INTEGER],
  ['LCS a b FOO', SYNTAX_ERROR],
  ['LCS a b LEN IDX', error('ERR If you want both the length and indexes, please just use IDX.')],
  ['LCS a', arity('lcs')],
]);

behaviour(
  'LCS refuses strings whose table would exceed proto-max-bulk-len',
  [
    [['SET', 'a', Buffer.alloc(511, 'a')], OK],
    [['SET', 'b', Buffer.alloc(511, 'ab')], OK],
    ['LCS a b LEN', 256],
    ['APPEND b x', 512],
    ['LCS a b', error('ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len')],
  ],
  { settings: { 'proto-max-bulk-len': '1mb' } },
);

// All of them -----------------------------------------------------------------------------------------------

behaviour('every change is seen by those who watch the key', [
  ...[
    'SET k 1',
    'SETEX k 100 1',
    'PSETEX k 100000 1',
    'GETSET k 1',
    'MSET k 1',
    'INCR k',
    'DECR k',
    'INCRBY k 1',
    'DECRBY k 1',
    'INCRBYFLOAT k 1',
    'APPEND k 1',
    'SETRANGE k 0 1',
    'GETEX k EX 100',
    'GETEX k PERSIST',
    'GETDEL k',
    'SETNX k 1',
    'SET k 1 XX GET',
    'GETEX k PXAT 1',
    'MSETNX k 1',
  ].flatMap((command) => [
    ['WATCH k', OK] as const,
    on('other', command, ANYTHING),
    ['MULTI', OK] as const,
    ['PING', QUEUED] as const,
    ['EXEC', NULL_ARRAY] as const,
  ]),
  ...['SETNX k 1', 'SET k 1 NX', 'GETEX k', 'GETEX k PERSIST', 'MSETNX k 1', 'GET k'].flatMap((command) => [
    ['WATCH k', OK] as const,
    on('other', command, ANYTHING),
    ['MULTI', OK] as const,
    ['EXEC', []] as const,
  ]),
]);
