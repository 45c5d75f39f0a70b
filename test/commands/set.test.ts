/** Behaviour of the commands on sets. */
import assert from 'node:assert/strict';
import type { Reply } from '../support/resp-client.ts';
import {
  ANYTHING,
  behaviour,
  error,
  integerBetween,
  matching,
  OK,
  on,
  set,
  simple,
  unordered,
  type Expected,
  type Step,
} from './behaviour.ts';

const WRONG_COUNT = (name: string) => error(`ERR wrong number of arguments for '${name}' command`);
const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');
const SYNTAX = error('ERR syntax error');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const NOT_POSITIVE = error('ERR value is out of range, must be positive');

/** The members `prefix0` … */
function numbered(count: number, prefix = ''): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

/** The texts in an array or set. */
function textsOf(reply: Reply | undefined): string[] {
  assert.equal(reply?.kind, 'aggregate');
  return reply.items.map(textOf);
}

function textOf(reply: Reply | undefined): string {
  assert.equal(reply?.kind, 'scalar');
  return reply.bytes.toString();
}

function sadd(key: string, members: readonly string[]): Step {
  return [['SADD', key, ...members], members.length];
}

behaviour('SADD adds what is not there', [
  ['SADD s a b a c', 3],
  ['SADD s a d', 1],
  ['SADD s a', 0],
  ['SCARD s', 4],
  ['SMEMBERS s', unordered('a', 'b', 'c', 'd')],
  ['SCARD nokey', 0],
  ['SMEMBERS nokey', set()],
  ['TYPE s', simple('set')],
  [['SADD', 's', Buffer.from([0, 255, 10]), ''], 2],
  [['SISMEMBER', 's', Buffer.from([0, 255, 10])], 1],
  [['SISMEMBER', 's', ''], 1],
  ['SADD s', WRONG_COUNT('sadd')],
  ['SCARD', WRONG_COUNT('scard')],
  ['SMEMBERS s t', WRONG_COUNT('smembers')],
]);

behaviour('sets of integers are intsets, in order, until something else comes', [
  ['SADD s 5 -3 100000 7 9223372036854775807 -9223372036854775808', 6],
  ['OBJECT ENCODING s', 'intset'],
  ['SMEMBERS s', set('-9223372036854775808', '-3', '5', '7', '100000', '9223372036854775807')],
  ['SISMEMBER s 100000', 1],
  ['SISMEMBER s 100001', 0],
  ['SISMEMBER s 07', 0],
  ['SISMEMBER s x', 0],
  ['SREM s x 07', 0],
  ['SREM s 9223372036854775807 -3', 2],
  ['SADD s 5', 0],
  ['SMEMBERS s', set('-9223372036854775808', '5', '7', '100000')],
  ['SADD s 9223372036854775808', 1],
  ['OBJECT ENCODING s', 'hashtable'],
  ['SMEMBERS s', unordered('-9223372036854775808', '5', '7', '100000', '9223372036854775808')],
  ['SREM s 9223372036854775808', 1],
  ['OBJECT ENCODING s', 'hashtable'],
  ['SADD zeros 0 -0 00', 3],
  ['OBJECT ENCODING zeros', 'hashtable'],
]);

behaviour('set-max-intset-entries bounds an intset', [
  ['CONFIG SET set-max-intset-entries 4', OK],
  ['SADD s 1 2 3 4', 4],
  ['OBJECT ENCODING s', 'intset'],
  ['SADD s 4', 0],
  ['OBJECT ENCODING s', 'intset'],
  ['SADD s 5', 1],
  ['OBJECT ENCODING s', 'hashtable'],
  ['SADD t 1 2 3 4 5 6', 6],
  ['OBJECT ENCODING t', 'hashtable'],
  ['SUNIONSTORE u s t', 6],
  ['OBJECT ENCODING u', 'hashtable'],
  ['SINTERSTORE v s t', 5],
  ['OBJECT ENCODING v', 'hashtable'],
  ['SREM t 5 6', 2],
  ['SDIFFSTORE w t nokey', 4],
  ['OBJECT ENCODING w', 'intset'],
  ['CONFIG SET set-max-intset-entries 512', OK],
]);

behaviour('SREM deletes an empty set', [
  ['SADD s a b c', 3],
  ['SREM s a x a', 1],
  ['SREM s b c d', 2],
  ['EXISTS s', 0],
  ['SREM s a', 0],
  ['SADD s 1', 1],
  ['SREM s 1', 1],
  ['EXISTS s', 0],
  ['SREM s', WRONG_COUNT('srem')],
]);

behaviour('SISMEMBER and SMISMEMBER look for members', [
  ['SADD s a 1', 2],
  ['SISMEMBER s a', 1],
  ['SISMEMBER s b', 0],
  ['SISMEMBER nokey a', 0],
  ['SMISMEMBER s a b 1 2', [1, 0, 1, 0]],
  ['SMISMEMBER nokey a b', [0, 0]],
  ['SISMEMBER s', WRONG_COUNT('sismember')],
  ['SMISMEMBER s', WRONG_COUNT('smismember')],
]);

behaviour('SMOVE moves a member', [
  ['SADD a x 1', 2],
  ['SMOVE a b 1', 1],
  ['OBJECT ENCODING b', 'intset'],
  ['SMOVE a b nothing', 0],
  ['SMOVE a b x', 1],
  ['EXISTS a', 0],
  ['SMEMBERS b', unordered('x', '1')],
  ['SMOVE a b x', 0],
  ['SADD c x', 1],
  ['SMOVE b c x', 1],
  ['SMEMBERS c', set('x')],
  ['SMOVE c c x', 1],
  ['SMOVE c c y', 0],
  ['SMEMBERS c', set('x')],
  ['SET t v', OK],
  ['SMOVE c t x', WRONG_TYPE],
  ['SMOVE t c x', WRONG_TYPE],
  ['SMOVE c t y', WRONG_TYPE],
  ['SMOVE nokey t x', 0],
  ['SMOVE c d', WRONG_COUNT('smove')],
]);

behaviour('SINTER, SUNION and SDIFF combine sets', [
  ['SADD a 1 2 3 x y', 5],
  ['SADD b 2 3 4 y z', 5],
  ['SADD c 3 y', 2],
  ['SINTER a', unordered('1', '2', '3', 'x', 'y')],
  ['SINTER a b', unordered('2', '3', 'y')],
  ['SINTER a b c', unordered('3', 'y')],
  ['SINTER a a', unordered('1', '2', '3', 'x', 'y')],
  ['SINTER a nokey', set()],
  ['SINTER nokey', set()],
  ['SUNION a b c', unordered('1', '2', '3', '4', 'x', 'y', 'z')],
  ['SUNION nokey c', unordered('3', 'y')],
  ['SUNION nokey', set()],
  ['SDIFF a', unordered('1', '2', '3', 'x', 'y')],
  ['SDIFF a b', unordered('1', 'x')],
  ['SDIFF a c b', unordered('1', 'x')],
  ['SDIFF c a', set()],
  ['SDIFF a nokey', unordered('1', '2', '3', 'x', 'y')],
  ['SDIFF nokey a', set()],
  ['SDIFF a b a', set()],
  ['SINTER', WRONG_COUNT('sinter')],
  ['SUNION', WRONG_COUNT('sunion')],
  ['SDIFF', WRONG_COUNT('sdiff')],
]);

behaviour('what combines intsets is in order', [
  ['SADD a 30 -1 5 100 2', 5],
  ['SADD b 5 2 100 7', 4],
  ['SINTER a b', set('2', '5', '100')],
  ['SUNION a b', set('-1', '2', '5', '7', '30', '100')],
  ['SDIFF a b', set('-1', '30')],
  ['SDIFF b a', set('7')],
]);

behaviour('SDIFF of one small and several large sets', [
  sadd('a', numbered(20)),
  sadd('b', numbered(900, 'b')),
  sadd('c', [...numbered(900, 'c'), ...numbered(10)]),
  ['SDIFF a b c', unordered(...numbered(20).slice(10))],
  ['SDIFFSTORE d c a b', 900],
  ['SDIFF d c', set()],
  ['SCARD d', 900],
  ['SDIFF c a b nokey d', set()],
]);

behaviour('the STORE forms replace what was there', [
  ['SADD a 1 2 3', 3],
  ['SADD b 2 3 4', 3],
  ['SET d string', OK],
  ['EXPIRE d 1000', 1],
  ['SINTERSTORE d a b', 2],
  ['SMEMBERS d', set('2', '3')],
  ['OBJECT ENCODING d', 'intset'],
  ['TTL d', -1],
  ['SUNIONSTORE d d a b', 4],
  ['SMEMBERS d', set('1', '2', '3', '4')],
  ['SDIFFSTORE d d a', 1],
  ['SMEMBERS d', set('4')],
  ['SADD b x', 1],
  ['SINTERSTORE e b b', 4],
  ['OBJECT ENCODING e', 'hashtable'],
  ['SDIFFSTORE e e e', 0],
  ['EXISTS e', 0],
  ['SINTERSTORE d a nokey', 0],
  ['EXISTS d', 0],
  ['SUNIONSTORE d nokey', 0],
  ['SUNIONSTORE a a b', 5],
  ['SMEMBERS a', unordered('1', '2', '3', '4', 'x')],
  ['SINTERSTORE d', WRONG_COUNT('sinterstore')],
  ['SUNIONSTORE d', WRONG_COUNT('sunionstore')],
  ['SDIFFSTORE d', WRONG_COUNT('sdiffstore')],
]);

behaviour('SINTERCARD counts up to a limit', [
  sadd('a', numbered(100)),
  sadd('b', [...numbered(50), ...numbered(50, 'b')]),
  ['SINTERCARD 2 a b', 50],
  ['SINTERCARD 1 a', 100],
  ['SINTERCARD 2 a b LIMIT 0', 50],
  ['SINTERCARD 2 a b LIMIT 7', 7],
  ['SINTERCARD 2 a b limit 500', 50],
  ['SINTERCARD 2 a nokey', 0],
  ['SINTERCARD 2 a b LIMIT 5 LIMIT 6', 6],
  ['SINTERCARD 0 a', error('ERR numkeys should be greater than 0')],
  ['SINTERCARD -1 a', error('ERR numkeys should be greater than 0')],
  ['SINTERCARD x a', error('ERR numkeys should be greater than 0')],
  ['SINTERCARD 3 a b', error("ERR Number of keys can't be greater than number of args")],
  ['SINTERCARD 2 a b LIMIT', SYNTAX],
  ['SINTERCARD 2 a b LIMIT -1', error("ERR LIMIT can't be negative")],
  ['SINTERCARD 2 a b LIMIT x', error("ERR LIMIT can't be negative")],
  ['SINTERCARD 1 a b', SYNTAX],
  ['SINTERCARD 1', WRONG_COUNT('sintercard')],
]);

behaviour('every command wants sets', [
  ['SET k v', OK],
  ['SADD s a', 1],
  ...[
    ...['SADD k a', 'SREM k a', 'SCARD k', 'SISMEMBER k a', 'SMISMEMBER k a', 'SMEMBERS k', 'SPOP k'],
    ...['SPOP k 0', 'SPOP k 3', 'SRANDMEMBER k', 'SRANDMEMBER k 0', 'SSCAN k 0', 'SINTER k', 'SINTER s k'],
    ...['SINTER nokey k', 'SINTERCARD 2 nokey k', 'SINTERSTORE d nokey k', 'SUNION s k', 'SDIFF nokey k'],
    ...['SUNIONSTORE d s k', 'SDIFFSTORE d s k'],
  ].map((line): Step => [line, WRONG_TYPE]),
  ['EXISTS d', 0],
]);

// Random members ----------------------------------------------------------------------------------------------

behaviour('SPOP takes members out', [
  ['SPOP nokey', null],
  ['SPOP nokey 3', set()],
  ['SADD s a', 1],
  ['SPOP s', 'a'],
  ['EXISTS s', 0],
  ['SADD s a b c', 3],
  ['SPOP s', matching(/^[abc]$/)],
  ['SCARD s', 2],
  ['SPOP s 0', set()],
  ['SPOP s 10', unordered(matching(/^[abc]$/), matching(/^[abc]$/))],
  ['EXISTS s', 0],
  ['SADD s 1 2 3', 3],
  ['SPOP s 3', unordered('1', '2', '3')],
  ['EXISTS s', 0],
  ['SADD s a', 1],
  ['SPOP s -1', NOT_POSITIVE],
  ['SPOP s x', NOT_POSITIVE],
  ['SPOP nokey x', NOT_POSITIVE],
  ['SPOP s 9223372036854775808', NOT_POSITIVE],
  ['SPOP s 1 2', SYNTAX],
  ['SPOP s 9223372036854775807', set('a')],
  ['SPOP', WRONG_COUNT('spop')],
]);

/** Pops so many of the set's members, in both encodings, and looks that nothing is lost or comes twice. */
function popping(count: number, popped: number): readonly Step[] {
  return ['', 'm'].flatMap((prefix): Step[] => [
    sadd('s', numbered(count, prefix)),
    sadd('all', numbered(count, prefix)),
    ['SPOP s 0', set()],
    async (clients) => {
      const client = await clients.get('');
      const members = textsOf(await client.command('SPOP', 's', popped));
      assert.equal(new Set(members).size, popped);
      await client.command('SADD', 'popped', ...members);
    },
    ['SCARD s', count - popped],
    ['SINTER s popped', set()],
    ['SUNIONSTORE u s popped', count],
    ['SDIFF all u', set()],
    ['DEL s all popped u', 4],
  ]);
}

behaviour('SPOP of many members, one by one', popping(200, 20));
behaviour('SPOP of almost all members', popping(200, 190));

behaviour('SPOP of almost all members looks anew at the encoding', [
  sadd('s', numbered(600)),
  ['OBJECT ENCODING s', 'hashtable'],
  ['SPOP s 100', ANYTHING],
  ['OBJECT ENCODING s', 'hashtable'],
  ['SPOP s 490', ANYTHING],
  ['OBJECT ENCODING s', 'intset'],
  ['SCARD s', 10],
]);

behaviour('SRANDMEMBER gives members and leaves them', [
  ['SRANDMEMBER nokey', null],
  ['SRANDMEMBER nokey 3', []],
  ['SRANDMEMBER nokey -3', []],
  ['SADD s a', 1],
  ['SRANDMEMBER s', 'a'],
  ['SRANDMEMBER s 0', []],
  ['SRANDMEMBER s 1', ['a']],
  ['SRANDMEMBER s 5', ['a']],
  ['SRANDMEMBER s -3', ['a', 'a', 'a']],
  ['SADD s b c', 2],
  ['SRANDMEMBER s 3', unordered('a', 'b', 'c')],
  ['SRANDMEMBER s 9223372036854775807', unordered('a', 'b', 'c')],
  ['SRANDMEMBER s 2', unordered(matching(/^[abc]$/), matching(/^[abc]$/))],
  ['SADD n 1 2', 2],
  ['SRANDMEMBER n 2', ['1', '2']],
  ['SRANDMEMBER n', matching(/^[12]$/)],
  ['SRANDMEMBER n -1', [matching(/^[12]$/)]],
  ['SCARD s', 3],
  ['SRANDMEMBER s x', NOT_AN_INTEGER],
  ['SRANDMEMBER nokey x', NOT_AN_INTEGER],
  [
    'SRANDMEMBER s -9223372036854775808',
    error('ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807'),
  ],
  ['SRANDMEMBER s 1 2', SYNTAX],
  ['SRANDMEMBER', WRONG_COUNT('srandmember')],
]);

/** Draws members and looks that they are different and of the set. */
function drawing(count: number, drawn: number): readonly Step[] {
  return ['', 'm'].flatMap((prefix): Step[] => [
    sadd('s', numbered(count, prefix)),
    async (clients) => {
      const client = await clients.get('');
      const distinct = new Set(textsOf(await client.command('SRANDMEMBER', 's', drawn)));
      assert.equal(distinct.size, drawn);
      for (const member of distinct) assert.ok(numbered(count, prefix).includes(member));
    },
    ['SCARD s', count],
    ['DEL s', 1],
  ]);
}

behaviour('SRANDMEMBER of few members', drawing(100, 10));
behaviour('SRANDMEMBER of most members', drawing(100, 90));

for (const [encoding, prefix] of [
  ['intset', ''],
  ['hashtable', 'm'],
] as const) {
  behaviour(`every member of a set (${encoding}) is drawn`, [
    sadd('s', numbered(40, prefix)),
    ['OBJECT ENCODING s', encoding],
    async (clients) => {
      const client = await clients.get('');
      const drawn = textsOf(await client.command('SRANDMEMBER', 's', -8000));
      assert.equal(drawn.length, 8000);
      assert.deepEqual([...new Set(drawn)].toSorted(), numbered(40, prefix).toSorted());
    },
  ]);
}

// SSCAN -------------------------------------------------------------------------------------------------------

behaviour('SSCAN of an intset gives all at once', [
  sadd('s', numbered(100)),
  ['SSCAN s 0', ['0', unordered(...numbered(100))]],
  ['SSCAN s 0 COUNT 5', ['0', unordered(...numbered(100))]],
  ['SSCAN s 17', ['0', unordered(...numbered(100))]],
  ['SSCAN s 0 MATCH 1?', ['0', unordered(...numbered(20).slice(10))]],
  ['SSCAN s 0 MATCH *', ['0', unordered(...numbered(100))]],
  ['SSCAN nokey 0', ['0', []]],
  ['SSCAN nokey 0 NONSENSE', ['0', []]],
]);

behaviour('SSCAN reads its options', [
  ['SADD s a b c', 3],
  ['SSCAN s 0 COUNT 10 MATCH b', ['0', ['b']]],
  ['SSCAN s 0 MATCH x', ['0', []]],
  ['SSCAN s x', error('ERR invalid cursor')],
  ['SSCAN nokey x', error('ERR invalid cursor')],
  ['SSCAN s 0 COUNT 0', SYNTAX],
  ['SSCAN s 0 COUNT x', NOT_AN_INTEGER],
  ['SSCAN s 0 COUNT', SYNTAX],
  ['SSCAN s 0 TYPE set', SYNTAX],
  ['SSCAN s', WRONG_COUNT('sscan')],
]);

/** Scans the set, calling `between` after each step; every one of `members` must have been seen. */
function scanning(
  members: readonly string[],
  between: (step: number) => readonly (readonly string[])[],
): Step {
  return async (clients) => {
    const client = await clients.get('');
    const seen = new Set<string>();
    let cursor = '0';
    let step = 0;
    do {
      const reply = await client.command('SSCAN', 's', cursor, 'COUNT', 7);
      assert.equal(reply.kind, 'aggregate');
      cursor = textOf(reply.items[0]);
      for (const member of textsOf(reply.items[1])) seen.add(member);
      for (const words of between(step++)) await client.command(...words);
    } while (cursor !== '0');
    for (const member of members) assert.ok(seen.has(member), `${member} has been seen`);
  };
}

behaviour('SSCAN sees every member that stays, while the set grows', [
  sadd('s', numbered(200, 'm')),
  scanning(numbered(200, 'm'), (step) => (step < 20 ? [['SADD', 's', ...numbered(60, `new${step}-`)]] : [])),
  ['SCARD s', 1400],
]);

behaviour('SSCAN sees every member that stays, while the set shrinks', [
  sadd('s', [...numbered(30, 'm'), ...numbered(1500, 'gone')]),
  scanning(numbered(30, 'm'), (step) => [
    ['SREM', 's', ...numbered(1500, 'gone').slice(step * 200, step * 200 + 200), 'none'],
  ]),
  ['SCARD s', integerBetween(30, 1530)],
]);

// Large sets, events and effects ------------------------------------------------------------------------------

behaviour('a large set grows, shrinks and goes', [
  ...Array.from({ length: 8 }, (_, i) => sadd('s', numbered(1000, `m${i}-`))),
  ['SCARD s', 8000],
  ['COPY s t', 1],
  ...Array.from({ length: 7 }, (_, i): Step => [['SREM', 's', ...numbered(1000, `m${i}-`)], 1000]),
  ['SCARD s', 1000],
  ['SCARD t', 8000],
  ['SINTERCARD 2 s t', 1000],
  ['DEL t', 1],
  ['SADD t 1', 1],
  ['RENAME s t', OK],
  ['SCARD t', 1000],
  ['UNLINK t', 1],
  ['EXISTS t', 0],
]);

/** What a subscriber to all events hears of a command on key `s`. */
function hears(command: string, reply: Expected, events: readonly string[]): readonly Step[] {
  return [
    [command, reply],
    async (clients) => {
      const listener = await clients.get('listener');
      const heard: string[] = [];
      for (let i = 0; i < events.length; i++) {
        const [, , channel, key] = textsOf(await listener.readReply());
        heard.push(`${channel!.replace('__keyevent@0__:', '')} ${key!}`);
      }
      assert.deepEqual(heard, events);
    },
  ];
}

behaviour('keyspace events', [
  ['CONFIG SET notify-keyspace-events EA', OK],
  on('listener', 'PSUBSCRIBE __keyevent@0__:*', ANYTHING),
  ...hears('SADD s a b c', 3, ['sadd s']),
  ['SADD s a', 0],
  ['SREM s nothing', 0],
  ...hears('SREM s a', 1, ['srem s']),
  ...hears('SMOVE s t b', 1, ['srem s', 'sadd t']),
  ...hears('SMOVE s t c', 1, ['srem s', 'del s', 'sadd t']),
  ...hears('SUNIONSTORE s t', 2, ['sunionstore s']),
  ...hears('SMOVE s t c', 1, ['srem s']),
  ...hears('SMOVE s t b', 1, ['srem s', 'del s']),
  ...hears('SINTERSTORE s t', 2, ['sinterstore s']),
  ...hears('SDIFFSTORE s t', 2, ['sdiffstore s']),
  ...hears('SPOP s', ANYTHING, ['spop s']),
  ...hears('SPOP s', ANYTHING, ['spop s', 'del s']),
  ...hears('SPOP t 1', ANYTHING, ['spop t']),
  ...hears('SPOP t 1', ANYTHING, ['spop t', 'del t']),
  ...hears('SADD s a', 1, ['sadd s']),
  ...hears('SDIFFSTORE s s s', 0, ['del s']),
  ['SINTERSTORE s s s', 0],
  ...hears('SADD s a', 1, ['sadd s']),
  ...hears('SREM s a', 1, ['srem s', 'del s']),
  [['CONFIG', 'SET', 'notify-keyspace-events', ''], OK],
]);

behaviour('a transaction notices a change to a set that it watches', [
  ['SADD s a', 1],
  ['WATCH s', OK],
  on('other', 'SADD s a', 0),
  on('other', 'SREM s b', 0),
  ['MULTI', OK],
  ['SCARD s', simple('QUEUED')],
  ['EXEC', [1]],
  ['WATCH s', OK],
  on('other', 'SPOP s 1', set('a')),
  ['MULTI', OK],
  ['SCARD s', simple('QUEUED')],
  ['EXEC', ANYTHING],
  ['SCARD s', 0],
]);
