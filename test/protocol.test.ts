/**
 * What the server makes of bytes: RESP and inline commands, cut anywhere, wrong in every way that Redis
 * names.
 */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { converse, pieces } from './support/conversation.ts';
import { onEveryServer } from './support/implementations.ts';
import { describeReply, encodeCommand, encodeReply, type Argument } from './support/resp-client.ts';
import { SeededRandom } from './support/seeded-random.ts';

/** Longer input is cut into pieces of this size instead of single bytes. */
const LONG_PIECE_BYTES = 4_096;

const NETCAT_SESSION = [
  ['SET name john', '+OK'],
  ['GET name', '$4\r\njohn'],
  ['SET age 25', '+OK'],
  ['GET age', '$2\r\n25'],
  ['DEL name', ':1'],
  ['EXISTS name', ':0'],
  ['EXISTS age', ':1'],
  ['QUIT', '+OK'],
] as const;

describe('a session with netcat', () => {
  const output = NETCAT_SESSION.map(([, reply]) => `${reply}\r\n`).join('');
  for (const lineEnd of ['\n', '\r\n']) {
    const input = NETCAT_SESSION.map(([line]) => line + lineEnd).join('');
    const lineEndName = JSON.stringify(lineEnd);

    onEveryServer(`lines ended by ${lineEndName}, all at once`, async (server) => {
      assert.equal(await converse(server.address, [input]), output);
    });
    for (const length of [1, 2, 3, 7, 20]) {
      onEveryServer(`lines ended by ${lineEndName}, ${length} bytes at a time`, async (server) => {
        assert.equal(await converse(server.address, pieces(input, length)), output);
      });
    }
  }

  onEveryServer('nothing after QUIT is run', async (server) => {
    assert.equal(
      await converse(server.address, ['SET after-quit 1\nQUIT\nSET after-quit 2\n']),
      '+OK\r\n+OK\r\n',
    );
    assert.equal(await converse(server.address, ['GET after-quit\n']), '$1\r\n1\r\n');
  });
});

/** Input, what comes back, and whether the connection survives it. */
interface ProtocolCase {
  readonly name: string;
  readonly input: string;
  readonly output: string;
  readonly closes?: boolean;
  /** Nothing is sent before and after: a line end would end the case, or a pending reply would be dropped. */
  readonly isAlone?: boolean;
}

const TOO_LONG = '1'.repeat(80_000);

const ECHO_CASES: readonly ProtocolCase[] = [
  { name: 'an array', input: '*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n', output: '$2\r\nhi\r\n' },
  { name: 'an empty bulk string', input: '*2\r\n$4\r\nECHO\r\n$0\r\n\r\n', output: '$0\r\n\r\n' },
  {
    name: 'bytes that look like RESP',
    input: '*2\r\n$4\r\nECHO\r\n$8\r\n*1\r\n$4\r\n\r\n',
    output: '$8\r\n*1\r\n$4\r\n\r\n',
  },
  { name: 'an empty array', input: '*0\r\n', output: '' },
  { name: 'a null array', input: '*-1\r\n', output: '' },
  { name: 'an array of negative length', input: '*-5\r\n', output: '' },
  { name: 'an array of very negative length', input: '*-9223372036854775808\r\n', output: '' },
  {
    name: 'two other bytes for the line end of a bulk string',
    input: '*2\r\n$4\r\nECHOab$2\r\nhixy',
    output: '$2\r\nhi\r\n',
  },
  {
    name: 'an unknown command',
    input: 'FOO a b\r\n',
    output: "-ERR unknown command 'FOO', with args beginning with: 'a' 'b' \r\n",
  },
  {
    name: 'a name and arguments with a zero byte, shown up to it',
    input: '"a\\x00b" "c\\x00d" e\r\n',
    output: "-ERR unknown command 'a', with args beginning with: 'c' 'e' \r\n",
  },
  {
    name: 'a number of arguments',
    input: 'ECHO\r\n',
    output: "-ERR wrong number of arguments for 'echo' command\r\n",
  },
  { name: 'empty lines', input: '\r\n\n \t \r\n', output: '' },
  { name: 'spaces around words', input: '  ECHO\t hi  \r\n', output: '$2\r\nhi\r\n' },
  {
    name: 'double quotes with escapes',
    input: 'ECHO "a\\x41\\r\\n\\t\\b\\a\\"\\\\\\q"\r\n',
    output: '$10\r\naA\r\n\t\b\x07"\\q\r\n',
  },
  { name: 'single quotes', input: "ECHO 'it\\'s \\n \"raw\"'\r\n", output: '$13\r\nit\'s \\n "raw"\r\n' },
  { name: 'an empty quoted word', input: 'ECHO ""\r\n', output: '$0\r\n\r\n' },
  { name: 'a bad hexadecimal escape', input: 'ECHO "\\xzz\\x4"\r\n', output: '$5\r\nxzzx4\r\n' },
  {
    name: 'a bulk header as a line',
    input: '$4\r\n',
    output: "-ERR unknown command '$4', with args beginning with: \r\n",
  },
];

const ERROR_CASES: readonly ProtocolCase[] = [
  protocolError('a text where a bulk string must be', '*1\r\n+PING\r\n', "expected '$', got '+'"),
  protocolError('an empty line where a bulk string must be', '*1\r\n\r\n', "expected '$', got '\r'"),
  protocolError('a count that is no number', '*x\r\n', 'invalid multibulk length'),
  protocolError('a count with a space', '* 1\r\n', 'invalid multibulk length'),
  protocolError('a count above the limit', '*2147483648\r\n', 'invalid multibulk length'),
  protocolError('a count above 64 bits', '*9223372036854775808\r\n', 'invalid multibulk length'),
  protocolError('a negative count below 64 bits', '*-9223372036854775809\r\n', 'invalid multibulk length'),
  protocolError('a length that is no number', '*1\r\n$x\r\n', 'invalid bulk length'),
  protocolError('a length with a sign', '*1\r\n$+4\r\n', 'invalid bulk length'),
  protocolError('a negative length', '*1\r\n$-1\r\n', 'invalid bulk length'),
  protocolError('a length above 512 MB', '*1\r\n$536870913\r\n', 'invalid bulk length'),
  protocolError('a count without end', `*${TOO_LONG}`, 'too big mbulk count string', true),
  protocolError('a length without end', `*1\r\n$${TOO_LONG}`, 'too big bulk count string', true),
  protocolError('a line without end', `x${TOO_LONG}`, 'too big inline request', true),
  protocolError('a quote that is not closed', 'ECHO "abc\r\n', 'unbalanced quotes in request'),
  protocolError('a single quote that is not closed', "ECHO 'abc\r\n", 'unbalanced quotes in request'),
  protocolError('text right after a quote', 'ECHO "abc"d\r\n', 'unbalanced quotes in request'),
  {
    name: 'an HTTP request',
    input: 'POST / HTTP/1.1\r\nHost: localhost\r\n\r\n',
    output: '',
    closes: true,
    isAlone: true,
  },
  { name: 'a Host header', input: 'Host: localhost\r\n', output: '', closes: true, isAlone: true },
];

function protocolError(name: string, input: string, text: string, isAlone = false): ProtocolCase {
  // A reply is one line: line ends in the text become spaces.
  const output = `-ERR Protocol error: ${text.replaceAll(/[\r\n]/g, ' ')}\r\n`;
  return { name, input, output, closes: true, isAlone };
}

describe('frames', () => {
  for (const { name, input, output, closes = false, isAlone = false } of [...ECHO_CASES, ...ERROR_CASES]) {
    const surrounded = `ECHO before\r\n${input}\r\n*1\r\n$4\r\nPING\r\n`;
    const whole = Buffer.from(isAlone ? input : surrounded, 'latin1');
    const expected = isAlone ? output : `$6\r\nbefore\r\n${output}${closes ? '' : '+PONG\r\n'}`;
    const pieceLength = whole.length > LONG_PIECE_BYTES ? LONG_PIECE_BYTES : 1;

    onEveryServer(`${name}, whole and in pieces`, async (server) => {
      assert.equal(await converse(server.address, [whole]), expected);
      assert.equal(await converse(server.address, pieces(whole, pieceLength)), expected);
    });
  }

  onEveryServer('two commands cut at every place', async (server) => {
    const first = encodeCommand(['SET', 'cut', 'a\r\nb']);
    const both = Buffer.concat([first, encodeCommand(['GET', 'cut'])]);
    for (let cut = 0; cut <= both.length; cut += 1) {
      const output = await converse(server.address, [both.subarray(0, cut), both.subarray(cut)]);
      assert.equal(output, '+OK\r\n$4\r\na\r\nb\r\n', `cut at ${cut}`);
    }
  });

  onEveryServer('a long conversation cut at random places', async (server, context) => {
    const seed = SeededRandom.newSeed();
    context.diagnostic(`seed ${seed}`);
    const random = new SeededRandom(seed);
    const words = Array.from({ length: 200 }, (_, index) => random.bytes(index % 50));
    const input = Buffer.concat(words.map((word) => encodeCommand(['ECHO', word])));
    const output = Buffer.concat(words.map((word) => encodeReply({ kind: 'scalar', tag: '$', bytes: word })));

    const received = await converse(server.address, random.cut(input, 60));

    assert.equal(received, output.toString('latin1'));
  });
});

describe('pipelines and big values', () => {
  for (const depth of [600, 20_000]) {
    onEveryServer(`${depth} commands in one write`, async (server) => {
      const client = await server.connect();
      await client.command('DEL', 'counter');
      const commands = Array.from({ length: depth }, (): Argument[] => ['INCR', 'counter']);

      const replies = await client.pipeline(commands);

      assert.deepEqual(
        replies.map(describeReply),
        commands.map((_, index) => `:${index + 1}`),
      );
      client.close();
    });
  }

  for (const [name, last, reply] of [
    ['QUIT', 'QUIT\r\n', '+OK\r\n'],
    ['a protocol error', 'ECHO "\r\n', '-ERR Protocol error: unbalanced quotes in request\r\n'],
  ] as const) {
    onEveryServer(`600 commands and ${name} in one write, all answered before the end`, async (server) => {
      const output = await converse(server.address, ['PING\r\n'.repeat(600) + last]);
      assert.equal(output, '+PONG\r\n'.repeat(600) + reply);
    });
  }

  for (const megabytes of [1, 64]) {
    onEveryServer(`a value of ${megabytes} MB comes back as it was`, async (server) => {
      const client = await server.connect();
      const value = new SeededRandom(megabytes).bytes(1_000_003);
      const big = Buffer.concat(Array.from({ length: megabytes }, () => value));

      assert.equal(await client.text('SET', 'big', big), '+OK');
      const reply = await client.command('GET', 'big');

      assert.ok(reply.kind === 'scalar' && reply.tag === '$' && reply.bytes.equals(big));
      assert.equal(await client.text('DEL', 'big'), ':1');
      client.close();
    });
  }

  onEveryServer('input as long as what is read at once, in one write each', async (server) => {
    const client = await server.connect();
    for (const total of [65_536, 131_072, 262_144, 524_288]) {
      for (const bytes of [total - 1, total, total + 1]) {
        const frame = encodeCommand(['ECHO', '']).length + String(bytes).length - 1;
        const value = Buffer.alloc(bytes - frame, 'e');
        const reply = await client.command('ECHO', value);
        assert.ok(reply.kind === 'scalar' && reply.bytes.equals(value), `${bytes} bytes`);
      }
    }
    client.close();
  });

  for (const count of [1, 100, 40_000]) {
    onEveryServer(`${count} commands and the end of the stream at once`, async (server) => {
      const client = await server.connect();
      client.socket.end('PING\r\n'.repeat(count));
      assert.equal((await client.readUntilClose()).toString(), '+PONG\r\n'.repeat(count));
      client.close();
    });
  }

  onEveryServer('big replies that nobody reads yet arrive in full', async (server) => {
    const client = await server.connect();
    const value = Buffer.alloc(1_000_000, 'v');
    assert.equal(await client.text('SET', 'big', value), '+OK');
    const commands = Array.from({ length: 50 }, (): Argument[] => ['GET', 'big']);

    client.socket.pause();
    client.write(Buffer.concat(commands.map(encodeCommand)));
    const other = await server.connect();
    assert.equal(await other.text('PING'), '+PONG');
    client.socket.resume();

    for (const reply of await client.readReplies(commands.length)) {
      assert.ok(reply.kind === 'scalar' && reply.bytes.equals(value));
    }
    client.close();
    other.close();
  });
});

describe('RESP3', () => {
  onEveryServer('HELLO switches the protocol both ways and RESET goes back', async (server) => {
    const client = await server.connect();
    assert.match(await client.text('HELLO'), /^\*\["server", "redis"/);
    assert.match(await client.text('HELLO', '3'), /^%\["server", "redis", "version", .* "proto", :3, /);
    assert.deepEqual(encodeReply(await client.command('GET', 'missing')).toString(), '_\r\n');
    assert.match(await client.text('HELLO', '2'), /"proto", :2/);
    assert.deepEqual(encodeReply(await client.command('GET', 'missing')).toString(), '$-1\r\n');
    await client.command('HELLO', '3');
    assert.equal(await client.text('RESET'), '+RESET');
    assert.deepEqual(encodeReply(await client.command('GET', 'missing')).toString(), '$-1\r\n');
    assert.equal(await client.text('HELLO', '4'), '-NOPROTO unsupported protocol version');
    client.close();
  });

  onEveryServer(
    'DEBUG PROTOCOL shows every type of both versions',
    async (server) => {
      const client = await server.connect();
      for (const [version, expected] of [
        ['2', PROTOCOL_2_EXAMPLES],
        ['3', PROTOCOL_3_EXAMPLES],
      ] as const) {
        await client.command('HELLO', version);
        for (const [type, encoded] of Object.entries(expected)) {
          const reply = encodeReply(await client.command('DEBUG', 'PROTOCOL', type)).toString();
          assert.equal(reply, encoded, `${type} in RESP${version}`);
        }
      }
      client.close();
    },
    ['--enable-debug-command', 'yes'],
  );
});

const PROTOCOL_2_EXAMPLES: Readonly<Record<string, string>> = {
  string: '$11\r\nHello World\r\n',
  integer: ':12345\r\n',
  double: '$5\r\n3.141\r\n',
  null: '$-1\r\n',
  array: '*3\r\n:0\r\n:1\r\n:2\r\n',
  set: '*3\r\n:0\r\n:1\r\n:2\r\n',
  map: '*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n',
  bignum: '$37\r\n1234567999999999999999999999999999999\r\n',
  true: ':1\r\n',
  false: ':0\r\n',
  verbatim: '$25\r\nThis is a verbatim\nstring\r\n',
};

const PROTOCOL_3_EXAMPLES: Readonly<Record<string, string>> = {
  string: '$11\r\nHello World\r\n',
  integer: ':12345\r\n',
  double: ',3.141\r\n',
  null: '_\r\n',
  array: '*3\r\n:0\r\n:1\r\n:2\r\n',
  set: '~3\r\n:0\r\n:1\r\n:2\r\n',
  map: '%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n',
  bignum: '(1234567999999999999999999999999999999\r\n',
  true: '#t\r\n',
  false: '#f\r\n',
  verbatim: '=29\r\ntxt:This is a verbatim\nstring\r\n',
};
