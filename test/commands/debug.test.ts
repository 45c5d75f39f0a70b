/** Behaviour of DEBUG, as far as Redis' own tests and users rely on it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IMPLEMENTATIONS, sharedServer } from '../support/implementations.ts';
import { describeReply } from '../support/resp-client.ts';
import {
  OK,
  behaviour,
  boolean,
  double,
  error,
  map,
  matching,
  QUEUED,
  set,
  simple,
  verbatim,
  wait,
} from './behaviour.ts';

function unknown(name: string) {
  return error(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try DEBUG HELP.`);
}

const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const NOT_POSITIVE = error('ERR value is out of range, must be positive');
const NO_DIGEST = '0000000000000000000000000000000000000000';

behaviour('DEBUG names what it does not know', [
  ['DEBUG', error("ERR wrong number of arguments for 'debug' command")],
  ['DEBUG foo', unknown('foo')],
  ['DEBUG constructor', unknown('constructor')],
  ['debug Sleep', unknown('Sleep')],
  ['DEBUG HELP x', unknown('HELP')],
  [['DEBUG', 'a\0b'], unknown('a')],
  [['DEBUG', 'x'.repeat(200)], unknown('x'.repeat(128))],
]);

behaviour(
  'DEBUG is refused unless enable-debug-command says otherwise',
  [
    ['DEBUG SLEEP 0', OK],
    ['MULTI', OK],
    ['DEBUG SLEEP 0', QUEUED],
    ['EXEC', [OK]],
  ],
  { args: ['--enable-debug-command', 'local'] },
);

const NOT_ALLOWED = error(
  'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a ' +
    'local connection, otherwise you need to set this option in the configuration file, and then restart the server.',
);

behaviour(
  'DEBUG is refused by default',
  [
    ['DEBUG SLEEP 0', NOT_ALLOWED],
    ['DEBUG HELP', NOT_ALLOWED],
    ['DEBUG', error("ERR wrong number of arguments for 'debug' command")],
    ['MULTI', OK],
    ['DEBUG SLEEP 0', NOT_ALLOWED],
    ['EXEC', error('EXECABORT Transaction discarded because of previous errors.')],
    [
      'INFO commandstats',
      matching(/cmdstat_debug:calls=0,usec=0,usec_per_call=0.00,rejected_calls=\d+,failed_calls=0/),
    ],
  ],
  { args: ['--enable-debug-command', 'no'] },
);

behaviour('DEBUG SLEEP takes seconds, and what is no number as 0', [
  ['DEBUG SLEEP 0', OK],
  ['DEBUG SLEEP 0.001', OK],
  ['DEBUG SLEEP x', OK],
  ['DEBUG SLEEP -1', OK],
  ['DEBUG SLEEP', unknown('SLEEP')],
]);

behaviour('DEBUG SET-ACTIVE-EXPIRE leaves dead keys where they are', [
  ['DEBUG SET-ACTIVE-EXPIRE 0', OK],
  ['PSETEX k 1 v', OK],
  wait(5),
  ['DBSIZE', 1],
  ['GET k', null],
  ['DBSIZE', 0],
  ['DEBUG SET-ACTIVE-EXPIRE 1', OK],
  ['DEBUG SET-ACTIVE-EXPIRE x', OK],
  ['DEBUG SET-ACTIVE-EXPIRE 1', OK],
  ['DEBUG SET-ACTIVE-EXPIRE', unknown('SET-ACTIVE-EXPIRE')],
]);

behaviour('DEBUG OBJECT shows a key', [
  ['SET k foo', OK],
  [
    'DEBUG OBJECT k',
    matching(
      /^Value at:0x[0-9a-f]+ refcount:1 encoding:embstr serializedlength:4 lru:\d+ lru_seconds_idle:\d$/,
    ),
  ],
  ['DEBUG OBJECT none', error('ERR no such key')],
  ['DEBUG OBJECT', unknown('OBJECT')],
]);

behaviour(
  'DEBUG OBJECT knows how long a value is in an RDB file',
  (
    [
      ['', 'embstr', 1, 1],
      ['127', 'int', 2, 2147483647],
      ['-128', 'int', 2, 1],
      ['128', 'int', 3, 2147483647],
      ['9999', 'int', 3, 2147483647],
      ['10000', 'int', 3, 1],
      ['32768', 'int', 5, 1],
      ['-2147483648', 'int', 5, 1],
      ['2147483648', 'int', 11, 1],
      ['9223372036854775807', 'int', 20, 1],
      ['x'.repeat(20), 'embstr', 21, 1],
      ['x'.repeat(28), 'embstr', 12, 1],
      ['abcdefghijklmnopqrstuvwxyz', 'embstr', 27, 1],
      ['x'.repeat(100), 'raw', 13, 1],
      ['x'.repeat(20_000), 'raw', 242, 1],
    ] as const
  ).flatMap(([value, encoding, length, references]) => [
    [['SET', 'k', value], OK] as const,
    [
      'DEBUG OBJECT k',
      matching(new RegExp(` refcount:${references} encoding:${encoding} serializedlength:${length} `)),
    ] as const,
  ]),
);

behaviour(
  'DEBUG OBJECT without compression',
  [
    [['SET', 'k', 'x'.repeat(100)], OK],
    ['DEBUG OBJECT k', matching(/ serializedlength:102 /)],
    [['APPEND', 'i', ' 12'], 3],
    ['DEBUG OBJECT i', matching(/ encoding:embstr serializedlength:4 /)],
  ],
  { settings: { rdbcompression: 'no' } },
);

behaviour('DEBUG ERROR replies any error', [
  [['DEBUG', 'ERROR', 'MYERR with text'], error('MYERR with text')],
  [['DEBUG', 'ERROR', 'two\r\nlines'], error('two  lines')],
  [['DEBUG', 'ERROR', ''], error('')],
  ['DEBUG ERROR', unknown('ERROR')],
  ['PING', simple('PONG')],
]);

behaviour('DEBUG LOG', [
  [['DEBUG', 'LOG', 'a message'], OK],
  ['DEBUG LOG', unknown('LOG')],
  ['DEBUG LOG a b', unknown('LOG')],
]);

behaviour('DEBUG PROTOCOL replies each type', [
  ['DEBUG PROTOCOL string', 'Hello World'],
  ['DEBUG PROTOCOL INTEGER', 12345],
  ['DEBUG PROTOCOL double', double('3.141')],
  ['DEBUG PROTOCOL null', null],
  ['DEBUG PROTOCOL array', [0, 1, 2]],
  ['DEBUG PROTOCOL set', set(0, 1, 2)],
  ['DEBUG PROTOCOL map', map([0, boolean(false)], [1, boolean(true)], [2, boolean(false)])],
  ['DEBUG PROTOCOL true', boolean(true)],
  ['DEBUG PROTOCOL false', boolean(false)],
  ['DEBUG PROTOCOL verbatim', verbatim('This is a verbatim\nstring')],
  [
    'DEBUG PROTOCOL foo',
    error(
      'ERR Wrong protocol type name. Please use one of the following: ' +
        'string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false',
    ),
  ],
  ['DEBUG PROTOCOL', unknown('PROTOCOL')],
]);

behaviour(
  'DEBUG PROTOCOL for old clients',
  [
    ['DEBUG PROTOCOL attrib', 'Some real reply following the attribute'],
    ['DEBUG PROTOCOL push', error('ERR RESP2 is not supported by this command')],
    ['DEBUG PROTOCOL bignum', '1234567999999999999999999999999999999'],
  ],
  { protocols: [2] },
);

behaviour(
  'DEBUG POPULATE creates keys that are not there yet',
  [
    ['DEBUG POPULATE 3', OK],
    ['MGET key:0 key:1 key:2 key:3', ['value:0', 'value:1', 'value:2', null]],
    ['SET p:1 mine', OK],
    ['DEBUG POPULATE 2 p 3', OK],
    ['MGET p:0 p:1', ['val', 'mine']],
    ['DEBUG POPULATE 1 long 10', OK],
    ['GET long:0', Buffer.from('value:0\0\0\0')],
    ['DEBUG POPULATE 1 zero 0', OK],
    ['GET zero:0', 'value:0'],
    ['DBSIZE', 7],
    ['DEBUG POPULATE 0', OK],
    ['DEBUG POPULATE x', NOT_POSITIVE],
    ['DEBUG POPULATE -1', NOT_POSITIVE],
    ['DEBUG POPULATE 1 none -1', NOT_POSITIVE],
    ['DEBUG POPULATE 1 none x', NOT_POSITIVE],
    ['EXISTS none:0', 0],
    ['DEBUG POPULATE', unknown('POPULATE')],
    ['DEBUG POPULATE 1 2 3 4', unknown('POPULATE')],
  ],
  { isUnlogged: true },
);

behaviour('DEBUG DIGEST is the same wherever the data is the same', [
  ['DEBUG DIGEST', simple(NO_DIGEST)],
  ['DEBUG DIGEST-VALUE', []],
  ['SET k foo', OK],
  ['DEBUG DIGEST', simple('d69d71d9e09587949763e541bf495daec7e6bcdc')],
  ['SET i 12', OK],
  [['SET', 'binary', Buffer.from([0, 0xff, 0x0a])], OK],
  ['DEBUG DIGEST', simple('1c9bfcd016cf81c6d9e95fe144144dfadd6f769b')],
  [
    'DEBUG DIGEST-VALUE k none i',
    [
      simple('b7f507e4e114eaf82bb9a21d385c60ee2545432e'),
      simple(NO_DIGEST),
      simple('655ac46b180ad2f61a3cee25f0b1780fa2ec879a'),
    ],
  ],
  ['PEXPIREAT k 4102444800000', 1],
  ['DEBUG DIGEST', simple('f026d0e72f64214d52c66796ab7dd2b4a8347e56')],
  ['DEBUG DIGEST-VALUE k', [simple('5170f91b3d2d00aceaaf49e57d36af753feb02ad')]],
  ['SELECT 3', OK],
  ['SET k foo', OK],
  ['DEBUG DIGEST', simple('4f1d5c341ae1bb8e2dd1eb8e18613714174b5f3d')],
  ['DEBUG DIGEST x', unknown('DIGEST')],
  ['FLUSHALL', OK],
  ['SELECT 0', OK],
  ['DEBUG DIGEST', simple(NO_DIGEST)],
]);

behaviour('DEBUG HTSTATS', [
  [
    'DEBUG HTSTATS 3',
    verbatim(
      '[Dictionary HT]\nHash table 0 stats (main hash table):\nNo stats available for empty dictionaries\n' +
        '[Expires HT]\nHash table 0 stats (main hash table):\nNo stats available for empty dictionaries\n',
    ),
  ],
  ['SET k v', OK],
  [
    'DEBUG HTSTATS 0',
    matching(
      new RegExp(
        String.raw`\[Dictionary HT\]\nHash table 0 stats \(main hash table\):\n table size: 4\n number of elements: 1\n` +
          String.raw` different slots: 1\n max chain length: 1\n avg chain length \(counted\): 1.00\n` +
          String.raw` avg chain length \(computed\): 1.00\n Chain length distribution:\n` +
          String.raw`   0: 3 \(75.00%\)\n   1: 1 \(25.00%\)\n\[Expires HT\]\n`,
      ),
    ),
  ],
  ['DEBUG HTSTATS 16', error('ERR Out of range database')],
  ['DEBUG HTSTATS -1', error('ERR Out of range database')],
  ['DEBUG HTSTATS x', NOT_AN_INTEGER],
  ['DEBUG HTSTATS', unknown('HTSTATS')],
]);

for (const implementation of IMPLEMENTATIONS) {
  const args = ['--enable-debug-command', 'yes'];

  test(`DEBUG HELP [${implementation.name}]`, { skip: implementation.skip }, async () => {
    const server = await sharedServer(implementation, args);
    const client = await server.connect();
    const help = await client.text('DEBUG', 'HELP');
    client.close();
    assert.match(help, /DEBUG <subcommand> \[<arg> \[value\] \[opt\] \.\.\.\]\. Subcommands are:/);
    assert.match(help, /SLEEP <seconds>/);
  });

  test(`DEBUG PROTOCOL in RESP3 [${implementation.name}]`, { skip: implementation.skip }, async () => {
    const server = await sharedServer(implementation, args);
    const client = await server.connect();
    await client.command('HELLO', '3');
    for (const type of ['bignum', 'attrib', 'push']) client.send('DEBUG', 'PROTOCOL', type);
    const replies = await client.readReplies(5);
    client.close();
    assert.deepEqual(replies.map(describeReply), [
      '(1234567999999999999999999999999999999',
      '|["key-popularity", *["key:123", :90]]',
      '"Some real reply following the attribute"',
      '>["server-cpu-usage", :42]',
      '"Some real reply following the push reply"',
    ]);
  });

  const isOurs = implementation.name !== 'redis';
  test(
    `DEBUG of our own [${implementation.name}]`,
    { skip: isOurs ? implementation.skip : 'Redis has none' },
    async () => {
      const server = await sharedServer(implementation, args);
      const client = await server.connect();
      assert.equal(await client.text('FLUSHALL'), '+OK');
      assert.equal(await client.text('DEBUG', 'POPULATE', '1000', 'check', '100'), '+OK');
      assert.equal(await client.text('DEBUG', 'CHECK-INVARIANTS'), '+OK');
      assert.match(await client.text('DEBUG', 'HTSTATS', '0'), /number of elements: 1000/);
      assert.equal(await client.text('FLUSHALL'), '+OK');
      client.close();
    },
  );
}
