/** Behaviour of the list commands; those that wait do so in blocking-list.test.ts. */
import { behaviour, error, integerBetween, NULL_ARRAY, OK, on, QUEUED, simple } from './behaviour.ts';
import type { Step } from './behaviour.ts';

const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const NOT_POSITIVE = error('ERR value is out of range, must be positive');
const SYNTAX_ERROR = error('ERR syntax error');
const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');
const NO_KEYS = error('ERR numkeys should be greater than 0');
const NO_COUNT = error('ERR count should be greater than 0');
const NOT_A_FLOAT = error('ERR timeout is not a float or out of range');

const INT64_MAX = '9223372036854775807';
const INT64_MIN = '-9223372036854775808';
const BEYOND_INT64 = '9223372036854775808';

function arity(name: string) {
  return error(`ERR wrong number of arguments for '${name}' command`);
}

/** Binary, empty, numeric and long elements: all that a listpack encodes in its own way. */
const KINDS_OF_ELEMENTS: readonly (string | Buffer)[] = [
  '',
  'a',
  '0',
  '-1',
  '127',
  '128',
  '-4096',
  '4095',
  '32767',
  '-32769',
  '8388607',
  '-8388609',
  '2147483647',
  '-2147483649',
  '9007199254740993',
  INT64_MAX,
  INT64_MIN,
  BEYOND_INT64,
  '007',
  '-0',
  '+5',
  ' 5',
  Buffer.from([0, 0xff, 0x0d, 0x0a]),
  'x'.repeat(63),
  'x'.repeat(64),
  'x'.repeat(4095),
  'x'.repeat(4096),
  'y'.repeat(9000),
  'z'.repeat(70_000),
];

behaviour('LPUSH and RPUSH at both ends', [
  ['RPUSH k a b c', 3],
  ['LPUSH k d e', 5],
  ['LRANGE k 0 -1', ['e', 'd', 'a', 'b', 'c']],
  ['LLEN k', 5],
  on('other', 'LLEN k', 5),
  ['TYPE k', simple('list')],
  ['OBJECT ENCODING k', 'quicklist'],
  ['LPUSH k', arity('lpush')],
  ['RPUSH k', arity('rpush')],
  ['SET s v', OK],
  ['LPUSH s a', WRONG_TYPE],
  ['RPUSH s a', WRONG_TYPE],
]);

behaviour('LPUSHX and RPUSHX only push to what is there', [
  ['LPUSHX k a', 0],
  ['RPUSHX k a b', 0],
  ['EXISTS k', 0],
  ['RPUSH k a', 1],
  ['LPUSHX k b c', 3],
  ['RPUSHX k d e', 5],
  ['LRANGE k 0 -1', ['c', 'b', 'a', 'd', 'e']],
  ['SET s v', OK],
  ['LPUSHX s a', WRONG_TYPE],
  ['RPUSHX s a', WRONG_TYPE],
  ['LPUSHX k', arity('lpushx')],
  ['RPUSHX k', arity('rpushx')],
]);

behaviour('lists keep elements of every kind', [
  ...KINDS_OF_ELEMENTS.flatMap((element, index): Step[] => [
    [['RPUSH', 'right', element], index + 1],
    [['LPUSH', 'left', element], index + 1],
  ]),
  ['LRANGE right 0 -1', KINDS_OF_ELEMENTS],
  ['LRANGE left 0 -1', KINDS_OF_ELEMENTS.toReversed()],
  ...KINDS_OF_ELEMENTS.flatMap((element, index): Step[] => [
    [['LPOS', 'right', element], index],
    [['LINDEX', 'right', String(index)], element],
    [['LPOS', 'left', element, 'RANK', '-1'], KINDS_OF_ELEMENTS.length - 1 - index],
  ]),
  ...KINDS_OF_ELEMENTS.flatMap((element): Step[] => [
    ['LPOP right', element],
    ['RPOP left', element],
  ]),
  ['EXISTS left right', 0],
]);

behaviour('LPOP and RPOP take one element', [
  ['LPOP k', null],
  ['RPOP k', null],
  ['RPUSH k 1 2 3', 3],
  ['LPOP k', '1'],
  ['RPOP k', '3'],
  ['RPOP k', '2'],
  ['EXISTS k', 0],
  ['SET s v', OK],
  ['LPOP s', WRONG_TYPE],
  ['RPOP s', WRONG_TYPE],
  ['LPOP', arity('lpop')],
  ['RPOP', arity('rpop')],
]);

behaviour('LPOP and RPOP take several elements', [
  ['LPOP k 1', NULL_ARRAY],
  ['RPOP k 0', NULL_ARRAY],
  ['RPUSH k 1 2 3 4 5 6', 6],
  ['LPOP k 0', []],
  ['RPOP k 0', []],
  ['LPOP k 2', ['1', '2']],
  ['RPOP k 2', ['6', '5']],
  ['LPOP k 1', ['3']],
  ['RPOP k 100', ['4']],
  ['EXISTS k', 0],
  ['RPUSH k a b', 2],
  [
    ['LPOP', 'k', INT64_MAX],
    ['a', 'b'],
  ],
  ['LPOP k -1', NOT_POSITIVE],
  ['RPOP k x', NOT_POSITIVE],
  [['LPOP', 'k', BEYOND_INT64], NOT_POSITIVE],
  ['LPOP k 1 2', arity('lpop')],
  ['RPOP k x y', arity('rpop')],
  ['SET s v', OK],
  ['LPOP s -1', NOT_POSITIVE],
  ['LPOP s 0', WRONG_TYPE],
  ['RPOP s 1', WRONG_TYPE],
]);

behaviour('LRANGE', [
  ['LRANGE k 0 -1', []],
  ['RPUSH k a b c d e', 5],
  ['LRANGE k 0 -1', ['a', 'b', 'c', 'd', 'e']],
  ['LRANGE k 1 3', ['b', 'c', 'd']],
  ['LRANGE k -2 -1', ['d', 'e']],
  ['LRANGE k -100 100', ['a', 'b', 'c', 'd', 'e']],
  ['LRANGE k 3 1', []],
  ['LRANGE k 5 10', []],
  ['LRANGE k -1 -2', []],
  ['LRANGE k -100 -6', []],
  ['LRANGE k -100 -5', ['a']],
  ['LRANGE k 2 2', ['c']],
  [
    ['LRANGE', 'k', INT64_MIN, INT64_MAX],
    ['a', 'b', 'c', 'd', 'e'],
  ],
  [['LRANGE', 'k', INT64_MAX, INT64_MIN], []],
  [['LRANGE', 'k', '0', BEYOND_INT64], NOT_AN_INTEGER],
  ['LRANGE none x 1', NOT_AN_INTEGER],
  ['LRANGE none 1 1.5', NOT_AN_INTEGER],
  ['SET s v', OK],
  ['LRANGE s 0 x', NOT_AN_INTEGER],
  ['LRANGE s 0 -1', WRONG_TYPE],
  ['LRANGE k 0', arity('lrange')],
]);

behaviour('LINDEX', [
  ['LINDEX k 0', null],
  ['LINDEX k x', null],
  ['RPUSH k a b c', 3],
  ['LINDEX k 0', 'a'],
  ['LINDEX k 2', 'c'],
  ['LINDEX k -1', 'c'],
  ['LINDEX k -3', 'a'],
  ['LINDEX k 3', null],
  ['LINDEX k -4', null],
  [['LINDEX', 'k', INT64_MAX], null],
  [['LINDEX', 'k', INT64_MIN], null],
  [['LINDEX', 'k', BEYOND_INT64], NOT_AN_INTEGER],
  ['LINDEX k x', NOT_AN_INTEGER],
  ['SET s v', OK],
  ['LINDEX s x', WRONG_TYPE],
  ['LINDEX k', arity('lindex')],
]);

behaviour('LLEN', [
  ['LLEN k', 0],
  ['LPUSH k a', 1],
  ['LLEN k', 1],
  ['SET s v', OK],
  ['LLEN s', WRONG_TYPE],
  ['LLEN', arity('llen')],
]);

behaviour('LSET', [
  ['LSET k 0 v', error('ERR no such key')],
  ['LSET k x v', error('ERR no such key')],
  ['RPUSH k a b c', 3],
  ['LSET k 0 A', OK],
  ['LSET k -1 12', OK],
  ['LSET k 1 longer_than_before', OK],
  ['LRANGE k 0 -1', ['A', 'longer_than_before', '12']],
  ['LSET k 3 v', error('ERR index out of range')],
  ['LSET k -4 v', error('ERR index out of range')],
  [['LSET', 'k', INT64_MAX, 'v'], error('ERR index out of range')],
  ['LSET k x v', NOT_AN_INTEGER],
  ['SET s v', OK],
  ['LSET s x v', WRONG_TYPE],
  ['LSET k 0', arity('lset')],
]);

behaviour('LINSERT', [
  ['LINSERT k BEFORE p v', 0],
  ['LINSERT k x p v', SYNTAX_ERROR],
  ['RPUSH k a b a', 3],
  ['LINSERT k BEFORE a x', 4],
  ['LINSERT k after a y', 5],
  ['LINSERT k AFTER b 7', 6],
  ['LINSERT k before 7 8', 7],
  ['LINSERT k after none v', -1],
  ['LRANGE k 0 -1', ['x', 'a', 'y', 'b', '8', '7', 'a']],
  ['SET s v', OK],
  ['LINSERT s BEFORE p v', WRONG_TYPE],
  ['LINSERT s x p v', SYNTAX_ERROR],
  ['LINSERT k BEFORE p', arity('linsert')],
]);

behaviour('LREM from either end, or everywhere', [
  ['LREM k 0 a', 0],
  ['LREM k x a', NOT_AN_INTEGER],
  ['RPUSH k a b a c a 1 a 1', 8],
  ['LREM k 1 a', 1],
  ['LRANGE k 0 -1', ['b', 'a', 'c', 'a', '1', 'a', '1']],
  ['LREM k -2 a', 2],
  ['LRANGE k 0 -1', ['b', 'a', 'c', '1', '1']],
  ['LREM k 0 1', 2],
  ['LREM k 5 none', 0],
  ['LREM k 0 b', 1],
  ['LREM k -1 c', 1],
  [['LREM', 'k', INT64_MAX, 'a'], 1],
  ['EXISTS k', 0],
  ['RPUSH k a a', 2],
  [['LREM', 'k', INT64_MIN, 'a'], 2],
  ['EXISTS k', 0],
  [['LREM', 'k', BEYOND_INT64, 'a'], NOT_AN_INTEGER],
  ['SET s v', OK],
  ['LREM s x a', NOT_AN_INTEGER],
  ['LREM s 0 a', WRONG_TYPE],
  ['LREM k 0', arity('lrem')],
]);

behaviour('LTRIM', [
  ['LTRIM k 0 1', OK],
  ['RPUSH k a b c d e', 5],
  ['LTRIM k 0 -1', OK],
  ['LTRIM k 1 -2', OK],
  ['LRANGE k 0 -1', ['b', 'c', 'd']],
  ['LTRIM k -100 1', OK],
  ['LRANGE k 0 -1', ['b', 'c']],
  [['LTRIM', 'k', INT64_MIN, INT64_MAX], OK],
  ['LLEN k', 2],
  ['LTRIM k 5 10', OK],
  ['EXISTS k', 0],
  ['RPUSH k a b', 2],
  ['LTRIM k 1 0', OK],
  ['EXISTS k', 0],
  ['LTRIM none x 1', NOT_AN_INTEGER],
  ['LTRIM none 1 x', NOT_AN_INTEGER],
  ['SET s v', OK],
  ['LTRIM s 0 x', NOT_AN_INTEGER],
  ['LTRIM s 0 1', WRONG_TYPE],
  ['LTRIM k 0', arity('ltrim')],
]);

behaviour('LPOS', [
  ['LPOS k a', null],
  ['LPOS k a COUNT 0', []],
  ['RPUSH k a b c 1 2 3 c c', 8],
  ['LPOS k c', 2],
  ['LPOS k 3', 5],
  ['LPOS k x', null],
  ['LPOS k c RANK 1', 2],
  ['LPOS k c RANK 2', 6],
  ['LPOS k c RANK -1', 7],
  ['LPOS k c rank -3', 2],
  ['LPOS k c RANK 4', null],
  ['LPOS k c COUNT 0', [2, 6, 7]],
  ['LPOS k c COUNT 1', [2]],
  ['LPOS k c COUNT 2', [2, 6]],
  ['LPOS k c COUNT 10', [2, 6, 7]],
  ['LPOS k x COUNT 0', []],
  ['LPOS k c COUNT 2 RANK 2', [6, 7]],
  ['LPOS k c COUNT 0 RANK -2', [6, 2]],
  ['LPOS k c COUNT 0 RANK -1 MAXLEN 2', [7, 6]],
  ['LPOS k c MAXLEN 2', null],
  ['LPOS k c MAXLEN 3', 2],
  ['LPOS k c COUNT 0 MAXLEN 7', [2, 6]],
  ['LPOS k c MAXLEN 0', 2],
  ['LPOS k c RANK 2 MAXLEN 6', null],
  ['LPOS k c COUNT 0 COUNT 1 RANK 1 RANK 2', [6]],
  [['LPOS', 'k', 'c', 'RANK', INT64_MAX], null],
  [['LPOS', 'k', 'c', 'RANK', '-9223372036854775807'], null],
  [['LPOS', 'k', 'c', 'RANK', INT64_MIN], 7],
  [
    ['LPOS', 'k', 'c', 'RANK', INT64_MIN, 'COUNT', '1'],
    [7, 6, 2],
  ],
  [
    ['LPOS', 'k', 'c', 'COUNT', INT64_MAX, 'MAXLEN', INT64_MAX],
    [2, 6, 7],
  ],
]);

behaviour('LPOS checks its options before the key', [
  ['SET s v', OK],
  [
    'LPOS s c RANK 0',
    error(
      "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to " +
        'start from the end of the list',
    ),
  ],
  ['LPOS s c RANK x', NOT_AN_INTEGER],
  ['LPOS s c COUNT -1', error("ERR COUNT can't be negative")],
  ['LPOS s c COUNT x', error("ERR COUNT can't be negative")],
  ['LPOS s c MAXLEN -1', error("ERR MAXLEN can't be negative")],
  ['LPOS s c MAXLEN x', error("ERR MAXLEN can't be negative")],
  ['LPOS s c RANK', SYNTAX_ERROR],
  ['LPOS s c OTHER 1', SYNTAX_ERROR],
  ['LPOS s c COUNT 1 MAXLEN', SYNTAX_ERROR],
  ['LPOS s c', WRONG_TYPE],
  ['LPOS s', arity('lpos')],
]);

behaviour('LMOVE and RPOPLPUSH', [
  ['LMOVE a b LEFT LEFT', null],
  ['RPOPLPUSH a b', null],
  ['RPUSH a 1 2 3 4 5', 5],
  ['LMOVE a b LEFT LEFT', '1'],
  ['LMOVE a b left right', '2'],
  ['LMOVE a b RIGHT LEFT', '5'],
  ['LMOVE a b right Right', '4'],
  ['LRANGE b 0 -1', ['5', '1', '2', '4']],
  ['RPOPLPUSH a b', '3'],
  ['EXISTS a', 0],
  ['RPOPLPUSH b a', '4'],
  ['LRANGE a 0 -1', ['4']],
  ['LRANGE b 0 -1', ['3', '5', '1', '2']],
  ['LMOVE a b MIDDLE LEFT', SYNTAX_ERROR],
  ['LMOVE a b LEFT MIDDLE', SYNTAX_ERROR],
  ['LMOVE none b LEFT MIDDLE', SYNTAX_ERROR],
  ['SET s v', OK],
  ['LMOVE s b LEFT LEFT', WRONG_TYPE],
  ['LMOVE a s LEFT LEFT', WRONG_TYPE],
  ['LMOVE none s LEFT LEFT', null],
  ['RPOPLPUSH s b', WRONG_TYPE],
  ['RPOPLPUSH a s', WRONG_TYPE],
  ['RPOPLPUSH none s', null],
  ['LRANGE a 0 -1', ['4']],
  ['LMOVE a b LEFT', arity('lmove')],
  ['RPOPLPUSH a', arity('rpoplpush')],
]);

behaviour('LMOVE within one list', [
  ['RPUSH k a b c', 3],
  ['LMOVE k k LEFT RIGHT', 'a'],
  ['LRANGE k 0 -1', ['b', 'c', 'a']],
  ['LMOVE k k RIGHT LEFT', 'a'],
  ['LMOVE k k LEFT LEFT', 'a'],
  ['LMOVE k k RIGHT RIGHT', 'c'],
  ['LRANGE k 0 -1', ['a', 'b', 'c']],
  ['RPOPLPUSH k k', 'c'],
  ['LRANGE k 0 -1', ['c', 'a', 'b']],
  ['LTRIM k 0 0', OK],
  ['EXPIRE k 1000', 1],
  ['RPOPLPUSH k k', 'c'],
  ['LMOVE k k LEFT RIGHT', 'c'],
  ['LRANGE k 0 -1', ['c']],
  ['TTL k', integerBetween(1, 1000)],
  [['LSET', 'k', '0', 'x'.repeat(5000)], OK],
  ['RPOPLPUSH k k', 'x'.repeat(5000)],
]);

behaviour('LMPOP', [
  ['LMPOP 1 a LEFT', NULL_ARRAY],
  ['LMPOP 2 a b RIGHT COUNT 5', NULL_ARRAY],
  ['RPUSH b 1 2 3 4 5', 5],
  ['LMPOP 2 a b LEFT', ['b', ['1']]],
  ['LMPOP 2 a b right count 2', ['b', ['5', '4']]],
  ['RPUSH a x', 1],
  ['LMPOP 2 a b LEFT COUNT 10', ['a', ['x']]],
  [
    ['LMPOP', '2', 'a', 'b', 'LEFT', 'COUNT', INT64_MAX],
    ['b', ['2', '3']],
  ],
  ['EXISTS a b', 0],
  ['LMPOP 0 a LEFT', NO_KEYS],
  ['LMPOP -1 a LEFT', NO_KEYS],
  ['LMPOP x a LEFT', NO_KEYS],
  ['LMPOP 1 a MIDDLE', SYNTAX_ERROR],
  ['LMPOP 2 a LEFT', SYNTAX_ERROR],
  ['LMPOP 3 a LEFT', SYNTAX_ERROR],
  ['LMPOP 1 a b LEFT', SYNTAX_ERROR],
  ['LMPOP 1 a LEFT COUNT', SYNTAX_ERROR],
  ['LMPOP 1 a LEFT COUNT 0', NO_COUNT],
  ['LMPOP 1 a LEFT COUNT -1', NO_COUNT],
  ['LMPOP 1 a LEFT COUNT x', NO_COUNT],
  ['LMPOP 1 a LEFT COUNT 0 x', NO_COUNT],
  ['LMPOP 1 a LEFT COUNT 1 COUNT 2', SYNTAX_ERROR],
  ['LMPOP 1 a LEFT OTHER 1', SYNTAX_ERROR],
  ['LMPOP 1 a LEFT COUNT 1 x', SYNTAX_ERROR],
  ['SET s v', OK],
  ['LMPOP 2 a s LEFT', WRONG_TYPE],
  ['RPUSH a x', 1],
  ['LMPOP 2 a s LEFT', ['a', ['x']]],
  ['LMPOP 1 a', arity('lmpop')],
]);

behaviour('commands that wait do not, when there is an element', [
  ['RPUSH b 1 2 3 4 5 6 7 8 9', 9],
  ['BLPOP a b 0', ['b', '1']],
  ['BRPOP a b 0', ['b', '9']],
  ['BLMPOP 0 2 a b LEFT', ['b', ['2']]],
  ['BLMPOP 0 2 a b RIGHT COUNT 2', ['b', ['8', '7']]],
  ['BLMOVE b c LEFT RIGHT 0', '3'],
  ['BRPOPLPUSH b c 0', '6'],
  ['LRANGE c 0 -1', ['6', '3']],
  ['BLMPOP 0 1 b LEFT COUNT 100', ['b', ['4', '5']]],
  ['EXISTS b', 0],
]);

behaviour('commands that wait check everything first', [
  ['SET s v', OK],
  ['BLPOP s x', NOT_A_FLOAT],
  ['BLPOP a s 0', WRONG_TYPE],
  ['BLPOP a -1', error('ERR timeout is negative')],
  ['BRPOP a 1e5000', NOT_A_FLOAT],
  ['BRPOP a nan', NOT_A_FLOAT],
  ['BRPOP a inf', error('ERR timeout is negative')],
  ['BRPOP a 1e400', error('ERR timeout is negative')],
  ['BRPOP a 9223372036854776', error('ERR timeout is negative')],
  ['BRPOP s 0', WRONG_TYPE],
  ['BLMOVE a b X LEFT x', SYNTAX_ERROR],
  ['BLMOVE a b LEFT X x', SYNTAX_ERROR],
  ['BLMOVE s b LEFT LEFT x', NOT_A_FLOAT],
  ['BLMOVE s b LEFT LEFT 0', WRONG_TYPE],
  ['BRPOPLPUSH s b x', NOT_A_FLOAT],
  ['BRPOPLPUSH s b 0', WRONG_TYPE],
  ['RPUSH l a', 1],
  ['BLMOVE l s LEFT LEFT 0', WRONG_TYPE],
  ['BRPOPLPUSH l s 0', WRONG_TYPE],
  ['BLMPOP x 0 a LEFT', NO_KEYS],
  ['BLMPOP x 1 a MIDDLE', SYNTAX_ERROR],
  ['BLMPOP x 1 a LEFT COUNT 0', NO_COUNT],
  ['BLMPOP x 1 s LEFT', NOT_A_FLOAT],
  ['BLMPOP 0 1 s LEFT', WRONG_TYPE],
  ['BLPOP a', arity('blpop')],
  ['BRPOP a', arity('brpop')],
  ['BLMOVE a b LEFT LEFT', arity('blmove')],
  ['BRPOPLPUSH a b', arity('brpoplpush')],
  ['BLMPOP 0 1 a', arity('blmpop')],
]);

/** A list of many nodes: of 1,000 elements, each with its number in it. */
const MANY: readonly string[] = Array.from({ length: 1000 }, (_, i) => `element ${i} ${'x'.repeat(i % 200)}`);

behaviour('lists of many nodes', [
  [['RPUSH', 'k', ...MANY.slice(500)], 500],
  [['LPUSH', 'k', ...MANY.slice(0, 500).toReversed()], 1000],
  ['LRANGE k 0 -1', MANY],
  ...[0, 1, 250, 499, 500, 731, 998, 999].flatMap((index): Step[] => [
    [['LINDEX', 'k', String(index)], MANY[index]!],
    [['LINDEX', 'k', String(index - 1000)], MANY[index]!],
    [['LPOS', 'k', MANY[index]!], index],
    [['LPOS', 'k', MANY[index]!, 'RANK', '-1'], index],
    [['LRANGE', 'k', String(index), String(index + 99)], MANY.slice(index, index + 100)],
  ]),
  ['COPY k copy', 1],
  ['LPOP k 300', MANY.slice(0, 300)],
  ['RPOP k 300', MANY.slice(700).toReversed()],
  ['LTRIM k 100 299', OK],
  ['LRANGE k 0 -1', MANY.slice(400, 600)],
  ['LRANGE copy 0 -1', MANY],
  ...MANY.slice(450, 550).flatMap((element, index): Step[] => [
    [['LINSERT', 'k', 'BEFORE', element, `before ${index}`], 201 + index],
  ]),
  [
    'LRANGE k 0 -1',
    [
      ...MANY.slice(400, 450),
      ...MANY.slice(450, 550).flatMap((element, index) => [`before ${index}`, element]),
      ...MANY.slice(550, 600),
    ],
  ],
  ...MANY.slice(450, 550).map((element): Step => [['LREM', 'k', '-1', element], 1]),
  ['LLEN k', 200],
  ['UNLINK copy', 1],
  ['RENAME k other', OK],
  ['LLEN other', 200],
]);

behaviour(
  'nodes of few elements hold the same lists',
  [
    [['RPUSH', 'k', ...MANY], 1000],
    [['LINSERT', 'k', 'AFTER', MANY[500]!, 'after'], 1001],
    ['LINDEX k 501', 'after'],
    ['LSET k 0 first', OK],
    ['LREM k 0 after', 1],
    ['LRANGE k 1 -1', MANY.slice(1)],
    ['LTRIM k -3 -1', OK],
    ['LRANGE k 0 -1', MANY.slice(-3)],
  ],
  { settings: { 'list-max-listpack-size': '3', 'list-compress-depth': '1' } },
);

behaviour('lists in transactions', [
  ['RPUSH k a', 1],
  ['WATCH k', OK],
  on('other', 'RPOPLPUSH k k', 'a'),
  ['MULTI', OK],
  ['RPUSH k b', QUEUED],
  ['EXEC', NULL_ARRAY],
  ['WATCH k', OK],
  on('other', 'LPOP none', null),
  ['MULTI', OK],
  ['RPUSH k b c', QUEUED],
  ['LMOVE k l LEFT LEFT', QUEUED],
  ['LPOP k 5', QUEUED],
  ['EXEC', [3, 'a', ['b', 'c']]],
]);
