/** Behaviour of the commands on keys of any type. */
import {
  ANYTHING,
  behaviour,
  error,
  integerBetween,
  matching,
  NULL_ARRAY,
  OK,
  on,
  QUEUED,
  simple,
  unordered,
  wait,
} from './behaviour.ts';

const WRONG_COUNT = (name: string) => error(`ERR wrong number of arguments for '${name}' command`);
const SYNTAX = error('ERR syntax error');
const SAME_OBJECT = error('ERR source and destination objects are the same');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const NOT_AN_INT32 = error('ERR value is out of range, value must between -2147483648 and 2147483647');
const OUT_OF_RANGE = error('ERR DB index is out of range');
const NO_KEY = error('ERR no such key');
const FAR = 4102444800000;

behaviour('DEL and UNLINK count the keys there were', [
  ['MSET a 1 b 2 c 3', OK],
  ['DEL a b nokey a', 2],
  ['EXISTS a b c', 1],
  ['UNLINK c c nokey', 1],
  ['UNLINK c', 0],
  ['SET k v PX 1', OK],
  wait(5),
  ['DEL k', 0],
  ['DBSIZE', 0],
  ['DEL', WRONG_COUNT('del')],
  ['UNLINK', WRONG_COUNT('unlink')],
]);

behaviour('DEL frees values of every length', [
  [['SET', 'long', 'x'.repeat(100_000)], OK],
  [['SET', 'short', ''], OK],
  ['UNLINK long short', 2],
  [['SET', 'long', 'y'.repeat(3000)], OK],
  ['DEL long', 1],
  ['GET long', null],
]);

behaviour('EXISTS counts a key as often as it is named', [
  ['SET a 1', OK],
  ['EXISTS a a nokey a', 3],
  ['EXISTS nokey', 0],
  ['EXISTS', WRONG_COUNT('exists')],
]);

behaviour('TOUCH counts the keys there are', [
  ['MSET a 1 b 2', OK],
  ['TOUCH a b nokey a', 3],
  ['TOUCH', WRONG_COUNT('touch')],
]);

behaviour('TYPE names the type', [
  ['TYPE nokey', simple('none')],
  ['SET a 1', OK],
  ['TYPE a', simple('string')],
  ['TYPE', WRONG_COUNT('type')],
  ['TYPE a b', WRONG_COUNT('type')],
]);

behaviour('RENAME takes value and life along', [
  ['RENAME a b', NO_KEY],
  ['RENAME a a', NO_KEY],
  ['SET a 1', OK],
  ['RENAME a a', OK],
  ['SET b 2 PXAT 4102444800000', OK],
  ['RENAME b a', OK],
  ['GET a', '2'],
  ['PEXPIRETIME a', FAR],
  ['EXISTS b', 0],
  ['SET b 3', OK],
  ['RENAME b a', OK],
  ['TTL a', -1],
  ['GET a', '3'],
  [['RENAME', 'a', ''], OK],
  [['GET', ''], '3'],
  ['DBSIZE', 1],
  ['RENAME a', WRONG_COUNT('rename')],
]);

behaviour('RENAME keeps long values and their encoding', [
  [['SET', 'a', 'x'.repeat(5000)], OK],
  ['RENAME a a-much-longer-name-than-the-one-before', OK],
  [['GET', 'a-much-longer-name-than-the-one-before'], 'x'.repeat(5000)],
  ['SETRANGE b 0 12', 2],
  ['RENAME b c', OK],
  ['OBJECT ENCODING c', 'raw'],
]);

behaviour('RENAMENX only to a free name', [
  ['RENAMENX a b', NO_KEY],
  ['MSET a 1 b 2', OK],
  ['RENAMENX a b', 0],
  ['RENAMENX a a', 0],
  ['RENAMENX a c', 1],
  ['MGET a b c', [null, '2', '1']],
  ['SET gone v PX 1', OK],
  wait(5),
  ['RENAMENX c gone', 1],
  ['RENAMENX gone c', 1],
  ['RENAMENX a', WRONG_COUNT('renamenx')],
]);

behaviour('COPY makes a second value', [
  ['COPY a b', 0],
  ['SET a 1 PXAT 4102444800000', OK],
  ['COPY a b', 1],
  ['INCR b', 2],
  ['GET a', '1'],
  ['PEXPIRETIME b', FAR],
  ['COPY a b', 0],
  ['COPY a b REPLACE', 1],
  ['GET b', '1'],
  ['SET a 5', OK],
  ['COPY a b replace REPLACE', 1],
  ['TTL b', -1],
  [['SET', 'long', 'x'.repeat(5000)], OK],
  ['COPY long copied', 1],
  ['APPEND long y', 5001],
  [['GET', 'copied'], 'x'.repeat(5000)],
  ['SETRANGE raw 0 12', 2],
  ['COPY raw copied REPLACE', 1],
  ['OBJECT ENCODING copied', 'raw'],
]);

behaviour('COPY to another database', [
  ['SET a 1', OK],
  ['COPY a a DB 0', SAME_OBJECT],
  ['COPY a a DB 3', 1],
  ['COPY a a DB 3', 0],
  ['COPY a a REPLACE DB 3', 1],
  ['COPY a b DB 3 DB 0', 1],
  ['EXISTS b', 1],
  ['SELECT 3', OK],
  ['GET a', '1'],
  ['EXISTS b', 0],
]);

behaviour('COPY refuses', [
  ['COPY a a', SAME_OBJECT],
  ['COPY a a NOW', SYNTAX],
  ['COPY a b DB', SYNTAX],
  ['COPY a b DB x', NOT_AN_INTEGER],
  ['COPY a b DB 99999999999999999999', NOT_AN_INTEGER],
  ['COPY a b DB 2147483648', NOT_AN_INT32],
  ['COPY a b DB -2147483649', NOT_AN_INT32],
  ['COPY a b DB 16', OUT_OF_RANGE],
  ['COPY a b DB -1', OUT_OF_RANGE],
  ['COPY a', WRONG_COUNT('copy')],
]);

behaviour('MOVE to another database', [
  ['MOVE a 1', 0],
  ['SET a 1 PXAT 4102444800000', OK],
  ['MOVE a 1', 1],
  ['EXISTS a', 0],
  on('other', 'SELECT 1', OK),
  on('other', 'GET a', '1'),
  on('other', 'PEXPIRETIME a', FAR),
  ['SET a 2', OK],
  ['MOVE a 1', 0],
  ['GET a', '2'],
  on('other', 'SET a 1 PX 1', OK),
  wait(5),
  ['MOVE a 1', 1],
  on('other', 'GET a', '2'),
  ['MOVE a 0', SAME_OBJECT],
  ['MOVE a x', NOT_AN_INTEGER],
  ['MOVE a 2147483648', NOT_AN_INT32],
  ['MOVE a 16', OUT_OF_RANGE],
  ['MOVE a', WRONG_COUNT('move')],
]);

behaviour('RANDOMKEY returns a living key', [
  ['RANDOMKEY', null],
  ['SET a 1 PX 1', OK],
  wait(5),
  ['RANDOMKEY', null],
  ['MSET a 1 b 2', OK],
  ['RANDOMKEY', matching(/^[ab]$/)],
  ['RANDOMKEY x', WRONG_COUNT('randomkey')],
]);

behaviour('KEYS matches patterns', [
  ['KEYS *', []],
  ['MSET hello 1 hallo 2 hxllo 3 h[llo 4', OK],
  [['SET', '', 'empty'], OK],
  ['SET dead v PX 1', OK],
  wait(5),
  ['KEYS *', unordered('hello', 'hallo', 'hxllo', 'h[llo', '')],
  ['KEYS **', unordered('hello', 'hallo', 'hxllo', 'h[llo')],
  ['KEYS h?llo', unordered('hello', 'hallo', 'hxllo', 'h[llo')],
  ['KEYS h[ae]llo', unordered('hello', 'hallo')],
  ['KEYS h[^e]llo', unordered('hallo', 'hxllo', 'h[llo')],
  ['KEYS h\\[llo', ['h[llo']],
  ['KEYS hello', ['hello']],
  ['KEYS HELLO', []],
  [['KEYS', ''], ['']],
  ['KEYS', WRONG_COUNT('keys')],
]);

behaviour(
  'KEYS and SCAN find all of many keys',
  [
    ['DEBUG POPULATE 5000', OK],
    ['KEYS key:4999', ['key:4999']],
    ['SCAN 0 COUNT 100000 MATCH key:4999', ['0', ['key:4999']]],
    ['SCAN 0 COUNT 9223372036854775807 MATCH key:49?9 TYPE string', ['0', tenKeys()]],
  ],
  { isUnlogged: true },
);

function tenKeys() {
  return unordered(...Array.from({ length: 10 }, (_, digit) => `key:49${digit}9`));
}

behaviour('SCAN with its options', [
  ['SCAN 0', ['0', []]],
  ['MSET a 1 b 2', OK],
  [['SET', '', 'empty'], OK],
  ['SCAN 0', ['0', unordered('a', 'b', '')]],
  ['SCAN 0 MATCH *', ['0', unordered('a', 'b', '')]],
  ['SCAN 0 match a count 5', ['0', ['a']]],
  ['SCAN 0 TYPE string MATCH b', ['0', ['b']]],
  ['SCAN 0 TYPE STRING MATCH x MATCH b', ['0', ['b']]],
  ['SCAN 0 TYPE hash', ['0', []]],
  ['SCAN 0 TYPE nonsense', ['0', []]],
  ['SET a v PX 1', OK],
  wait(5),
  ['SCAN 0 MATCH a', ['0', []]],
  ['DBSIZE', 2],
]);

behaviour('SCAN removes the dead keys that it meets, unless their names do not match', [
  ['DEBUG SET-ACTIVE-EXPIRE 0', OK],
  ['SET a v PX 1', OK],
  wait(5),
  ['SCAN 0 MATCH x', ['0', []]],
  ['SCAN 0 MATCH x TYPE hash', ['0', []]],
  ['DBSIZE', 1],
  ['CONFIG RESETSTAT', OK],
  ['SCAN 0 TYPE hash', ['0', []]],
  ['DBSIZE', 0],
  ['INFO stats', matching(/keyspace_hits:0\r\nkeyspace_misses:1\r\n/)],
  ['SET b v', OK],
  ['SCAN 0', ['0', ['b']]],
  ['SCAN 0 TYPE hash', ['0', []]],
  ['INFO stats', matching(/keyspace_hits:1\r\nkeyspace_misses:1\r\n/)],
  ['DEBUG SET-ACTIVE-EXPIRE 1', OK],
]);

behaviour('SCAN refuses', [
  ['SCAN x', error('ERR invalid cursor')],
  ['SCAN x COUNT 0', error('ERR invalid cursor')],
  ['SCAN 18446744073709551616', error('ERR invalid cursor')],
  ['SCAN 18446744073709551615', ANYTHING],
  ['SCAN -1', ANYTHING],
  ['SCAN 0 COUNT 0', SYNTAX],
  ['SCAN 0 COUNT -1', SYNTAX],
  ['SCAN 0 COUNT x', NOT_AN_INTEGER],
  ['SCAN 0 COUNT', SYNTAX],
  ['SCAN 0 MATCH', SYNTAX],
  ['SCAN 0 TYPE', SYNTAX],
  ['SCAN 0 NOSUCH 1', SYNTAX],
  ['SCAN 0 COUNT x NOSUCH', NOT_AN_INTEGER],
  ['SCAN', WRONG_COUNT('scan')],
]);

behaviour('OBJECT ENCODING', [
  ['OBJECT ENCODING nokey', null],
  ['SET k 12345', OK],
  ['OBJECT ENCODING k', 'int'],
  ['SET k 9223372036854775808', OK],
  ['OBJECT ENCODING k', 'embstr'],
  [['SET', 'k', 'x'.repeat(44)], OK],
  ['OBJECT ENCODING k', 'embstr'],
  [['SET', 'k', 'x'.repeat(45)], OK],
  ['OBJECT ENCODING k', 'raw'],
  ['SET k 1', OK],
  ['APPEND k 2', 2],
  ['OBJECT ENCODING k', 'raw'],
  ['OBJECT ENCODING', WRONG_COUNT('object|encoding')],
]);

behaviour('OBJECT REFCOUNT of shared integers', [
  ['OBJECT REFCOUNT nokey', null],
  ['SET k v', OK],
  ['OBJECT REFCOUNT k', 1],
  ['SET k 0', OK],
  ['OBJECT REFCOUNT k', 2147483647],
  ['SET k -1', OK],
  ['OBJECT REFCOUNT k', 1],
  ['INCR k', 0],
  ['OBJECT REFCOUNT k', 2147483647],
  ['SET k 9999', OK],
  ['OBJECT REFCOUNT k', 2147483647],
  ['COPY k c', 1],
  ['OBJECT REFCOUNT c', 1],
  ['RENAME c d', OK],
  ['OBJECT REFCOUNT d', 1],
  ['SET d 7', OK],
  ['OBJECT REFCOUNT d', 2147483647],
  ['COPY d c REPLACE', 1],
  ['INCR c', 8],
  ['OBJECT REFCOUNT c', 2147483647],
  ['INCR k', 10000],
  ['OBJECT REFCOUNT k', 1],
  ['SETRANGE r 0 12', 2],
  ['OBJECT REFCOUNT r', 1],
]);

behaviour('OBJECT IDLETIME is 0 right after the access', [
  ['OBJECT IDLETIME nokey', null],
  ['SET k v', OK],
  ['OBJECT IDLETIME k', integerBetween(0, 1)],
  ['OBJECT FREQ nokey', null],
  [
    'OBJECT FREQ k',
    error(
      'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when ' +
        'switching between policies at runtime LRU and LFU data will take some time to adjust.',
    ),
  ],
]);

behaviour(
  'OBJECT FREQ under an LFU policy',
  [
    ['OBJECT FREQ nokey', null],
    ['SET k 5', OK],
    ['OBJECT FREQ k', integerBetween(5, 6)],
    ['OBJECT REFCOUNT k', 1],
    ['OBJECT IDLETIME nokey', null],
    [
      'OBJECT IDLETIME k',
      error(
        'ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when ' +
          'switching between policies at runtime LRU and LFU data will take some time to adjust.',
      ),
    ],
  ],
  { settings: { maxmemory: '1gb', 'maxmemory-policy': 'allkeys-lfu' } },
);

behaviour('OBJECT HELP and what there is not', [
  [
    'object help',
    [
      simple('OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:'),
      simple('ENCODING <key>'),
      simple('    Return the kind of internal representation used in order to store the value'),
      simple('    associated with a <key>.'),
      simple('FREQ <key>'),
      simple('    Return the access frequency index of the <key>. The returned integer is'),
      simple('    proportional to the logarithm of the recent access frequency of the key.'),
      simple('IDLETIME <key>'),
      simple('    Return the idle time of the <key>, that is the approximated number of'),
      simple('    seconds elapsed since the last access to the key.'),
      simple('REFCOUNT <key>'),
      simple('    Return the number of references of the value associated with the specified'),
      simple('    <key>.'),
      simple('HELP'),
      simple('    Prints this help.'),
    ],
  ],
  ['OBJECT NOSUCH k', error("ERR unknown subcommand 'NOSUCH'. Try OBJECT HELP.")],
  ['OBJECT', WRONG_COUNT('object')],
]);

behaviour('keys that are moved, copied and deleted touch those who watch them', [
  ['MSET a 1 b 2', OK],
  on('other', 'WATCH b', OK),
  on('other', 'MULTI', OK),
  on('other', 'GET b', QUEUED),
  ['RENAME a b', OK],
  on('other', 'EXEC', NULL_ARRAY),
  on('other', 'SELECT 2', OK),
  on('other', 'WATCH b', OK),
  on('other', 'MULTI', OK),
  on('other', 'GET b', QUEUED),
  ['COPY b b DB 2', 1],
  on('other', 'EXEC', NULL_ARRAY),
  on('other', 'WATCH b', OK),
  on('other', 'MULTI', OK),
  on('other', 'GET b', QUEUED),
  ['COPY b b DB 2', 0],
  on('other', 'EXEC', ['1']),
]);
