import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { BATCH_REQUESTS_MAX, INLINE_BYTES_MAX, Input, RequestParser } from './request-parser.ts';
import { Request } from './request.ts';

/** What came of some bytes: the requests, each as its arguments, and the error that ended the connection. */
interface Outcome {
  requests: string[][];
  error: string;
}

interface ReadOptions {
  readonly isAuthenticated?: boolean;
  readonly bulkBytesMax?: number;
}

/** A connection's input, with the moves that a server makes: it drops what is parsed and grows as needed. */
class Connection {
  readonly input = new Input();
  readonly parser = new RequestParser();
  readonly outcome: Outcome = { requests: [], error: '' };
  readonly #isAuthenticated: boolean;

  constructor({ isAuthenticated = true, bulkBytesMax }: ReadOptions = {}) {
    this.#isAuthenticated = isAuthenticated;
    if (bulkBytesMax !== undefined) this.parser.bulkBytesMax = bulkBytesMax;
  }

  receive(piece: Buffer): void {
    const { input, parser, outcome } = this;
    if (outcome.error !== '') return;
    // Always another buffer, and room in front that must not matter.
    const kept = input.buffer.subarray(input.start, input.end);
    const shift = piece.length % 7;
    input.buffer = Buffer.concat([Buffer.alloc(shift, 0x2a), kept, piece, Buffer.alloc(9, 0x0d)]);
    input.start = shift;
    input.end = shift + kept.length + piece.length;

    for (;;) {
      const startBefore = input.start;
      const count = parser.parseBatch(input, this.#isAuthenticated);
      assert.ok(input.start >= startBefore && input.start <= input.end && input.end <= input.buffer.length);
      for (const request of parser.batch.slice(0, count)) {
        outcome.requests.push(argumentsOf(request));
      }
      outcome.error = parser.error;
      if (count === 0 || outcome.error !== '') return;
    }
  }
}

function argumentsOf(request: Request): string[] {
  return Array.from({ length: request.count }, (_, i) => {
    assert.equal(request.length(i), request.borrow(i).length);
    assert.equal(request.text(i), request.borrow(i).toString('latin1'));
    return request.text(i);
  });
}

function read(pieces: readonly Buffer[], options?: ReadOptions): Outcome {
  const connection = new Connection(options);
  for (const piece of pieces) connection.receive(piece);
  return connection.outcome;
}

function bytewise(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function encode(...args: string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`;
}

interface Case extends ReadOptions {
  readonly name: string;
  readonly bytes: string;
  readonly requests?: string[][];
  readonly error?: string;
}

const GET_NAME = encode('GET', 'name');
const ANY_BYTES = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('');

const CASES: readonly Case[] = [
  { name: 'one request', bytes: GET_NAME, requests: [['GET', 'name']] },
  {
    name: 'a pipeline',
    bytes: GET_NAME + encode('PING') + GET_NAME,
    requests: [['GET', 'name'], ['PING'], ['GET', 'name']],
  },
  { name: 'an empty argument', bytes: encode('SET', '', ''), requests: [['SET', '', '']] },
  {
    name: 'arguments of any bytes',
    bytes: encode('SET', ANY_BYTES, '\r\n*1\r\n$'),
    requests: [['SET', ANY_BYTES, '\r\n*1\r\n$']],
  },
  {
    name: 'a request that is not complete',
    bytes: `${GET_NAME}*2\r\n$3\r\nGET\r\n$4\r\nnam`,
    requests: [['GET', 'name']],
  },
  {
    name: 'empty and negative arrays are skipped',
    bytes: `*0\r\n*-1\r\n*-5\r\n${GET_NAME}`,
    requests: [['GET', 'name']],
  },
  { name: 'nothing but empty arrays', bytes: '*0\r\n*0\r\n' },
  { name: 'the LF of a header line is not looked at', bytes: '*1\rx$4\ryPING\r\n', requests: [['PING']] },
  {
    name: 'the CRLF behind an argument is not looked at',
    bytes: '*2\r\n$4\r\nECHOxx$2\r\nhizz',
    requests: [['ECHO', 'hi']],
  },
  {
    name: 'RESP and inline in turns',
    bytes: `PING\r\n${GET_NAME}ECHO hi\n${GET_NAME}`,
    requests: [['PING'], ['GET', 'name'], ['ECHO', 'hi'], ['GET', 'name']],
  },

  { name: 'inline: words', bytes: 'SET  name\tvalue \r\n', requests: [['SET', 'name', 'value']] },
  { name: 'inline: LF alone ends the line', bytes: 'PING\nPING\n', requests: [['PING'], ['PING']] },
  { name: 'inline: empty lines are skipped', bytes: '\r\n\n   \r\nPING\r\n\r\n', requests: [['PING']] },
  {
    name: 'inline: double quotes',
    bytes: '"GET" "a b" "\\x41\\n\\"\\\\" ""\r\n',
    requests: [['GET', 'a b', 'A\n"\\', '']],
  },
  {
    name: 'inline: single quotes',
    bytes: "GET 'a b' 'it\\'s' '\\n'\r\n",
    requests: [['GET', 'a b', "it's", '\\n']],
  },
  { name: 'inline: quotes within a word', bytes: 'GET a"b c"\r\n', requests: [['GET', 'ab c']] },
  { name: 'inline: no line end yet', bytes: 'PING' },
  { name: 'inline: a NUL hides the end of the line', bytes: 'PING\0\r\nPING\r\n' },
  { name: 'inline: bytes above 127', bytes: 'GET \xe4\xff\r\n', requests: [['GET', '\xe4\xff']] },
  { name: 'inline: a quote that stays open', bytes: 'GET "a\r\n', error: 'unbalanced quotes in request' },
  {
    name: 'inline: a quote that ends within a word',
    bytes: 'GET "a"b\r\n',
    error: 'unbalanced quotes in request',
  },
  {
    name: 'inline: requests before an error count',
    bytes: "PING\r\nGET 'a\r\nPING\r\n",
    requests: [['PING']],
    error: 'unbalanced quotes in request',
  },

  { name: 'a count that is no number', bytes: '*x\r\n', error: 'invalid multibulk length' },
  { name: 'no count', bytes: '*\r\n', error: 'invalid multibulk length' },
  { name: 'a count with a space', bytes: '* 1\r\n', error: 'invalid multibulk length' },
  { name: 'a count with a leading zero', bytes: '*01\r\n', error: 'invalid multibulk length' },
  { name: 'a count above int32', bytes: '*2147483648\r\n', error: 'invalid multibulk length' },
  { name: 'a count above int64', bytes: '*99999999999999999999999\r\n', error: 'invalid multibulk length' },
  { name: 'the largest count', bytes: '*2147483647\r\n$4\r\nPING\r\n' },
  { name: 'a NUL hides the end of the header', bytes: '*1\0\r\n$4\r\nPING\r\n' },
  { name: 'something else than a bulk string', bytes: '*1\r\n:5\r\n', error: "expected '$', got ':'" },
  { name: 'an empty line for a bulk string', bytes: '*1\r\n\r\n', error: "expected '$', got '\r'" },
  { name: 'a wrong second argument', bytes: '*2\r\n$3\r\nGET\r\nname\r\n', error: "expected '$', got 'n'" },
  { name: 'a length that is no number', bytes: '*1\r\n$x\r\n', error: 'invalid bulk length' },
  { name: 'no length', bytes: '*1\r\n$\r\n', error: 'invalid bulk length' },
  { name: 'a negative length', bytes: '*1\r\n$-1\r\n', error: 'invalid bulk length' },
  { name: 'a length above the default limit', bytes: '*1\r\n$536870913\r\n', error: 'invalid bulk length' },
  { name: 'the default limit', bytes: '*1\r\n$536870912\r\n' },
  { name: 'a length above a limit', bytes: '*1\r\n$5\r\n', bulkBytesMax: 4, error: 'invalid bulk length' },
  { name: 'a length at a limit', bytes: '*1\r\n$4\r\nPING\r\n', bulkBytesMax: 4, requests: [['PING']] },
  {
    name: 'requests before an error count',
    bytes: `${GET_NAME}*1\r\n+x\r\n${GET_NAME}`,
    requests: [['GET', 'name']],
    error: "expected '$', got '+'",
  },

  {
    name: 'unauthenticated: ten arguments',
    bytes: encode(...'abcdefghij'),
    isAuthenticated: false,
    requests: [[...'abcdefghij']],
  },
  {
    name: 'unauthenticated: eleven',
    bytes: encode(...'abcdefghijk'),
    isAuthenticated: false,
    error: 'unauthenticated multibulk length',
  },
  {
    name: 'unauthenticated: 16 KiB',
    bytes: encode('x'.repeat(16384)),
    isAuthenticated: false,
    requests: [['x'.repeat(16384)]],
  },
  {
    name: 'unauthenticated: more',
    bytes: '*1\r\n$16385\r\n',
    isAuthenticated: false,
    error: 'unauthenticated bulk length',
  },
  {
    name: 'unauthenticated: a pipeline',
    bytes: GET_NAME + GET_NAME,
    isAuthenticated: false,
    requests: [
      ['GET', 'name'],
      ['GET', 'name'],
    ],
  },
];

for (const { name, bytes, requests = [], error = '', ...options } of CASES) {
  test(`${name}: whole, byte by byte, and cut at random`, () => {
    const expected: Outcome = { requests, error: error === '' ? '' : `Protocol error: ${error}` };
    const whole = latin1(bytes);
    assert.deepEqual(read([whole], options), expected, 'whole');
    assert.deepEqual(read(bytewise(whole), options), expected, 'byte by byte');
    for (let seed = 1; seed <= 30; seed++) {
      const pieces = new SeededRandom(seed).cut(whole, 8);
      assert.deepEqual(read(pieces, options), expected, `cut with seed ${seed}`);
    }
  });
}

// Lines without an end ---------------------------------------------------------------------------------

const ENDLESS: readonly { name: string; bytes: string; error: string }[] = [
  { name: 'an inline request', bytes: 'a'.repeat(INLINE_BYTES_MAX), error: 'too big inline request' },
  {
    name: 'an inline request behind a NUL',
    bytes: `\0\r\n${'a'.repeat(INLINE_BYTES_MAX - 3)}`,
    error: 'too big inline request',
  },
  { name: 'a count', bytes: `*${'1'.repeat(INLINE_BYTES_MAX - 1)}`, error: 'too big mbulk count string' },
];

for (const { name, bytes, error } of ENDLESS) {
  test(`${name} may have 64 KiB without a line end, and no byte more`, () => {
    assert.deepEqual(read([latin1(bytes)]), { requests: [], error: '' });
    assert.deepEqual(read([latin1(bytes), latin1('1')]), { requests: [], error: `Protocol error: ${error}` });
    assert.deepEqual(read([latin1(GET_NAME), latin1(`${bytes}1`)]), {
      requests: [['GET', 'name']],
      error: `Protocol error: ${error}`,
    });
  });
}

test('a bulk length may have 64 KiB without a line end, counted from its own start', () => {
  const header = `*2\r\n$4\r\nECHO\r\n$${'1'.repeat(INLINE_BYTES_MAX - 1)}`;
  assert.deepEqual(read([latin1(header)]), { requests: [], error: '' });
  const error = 'Protocol error: too big bulk count string';
  assert.deepEqual(read([latin1(header), latin1('1')]), { requests: [], error });
  assert.deepEqual(read([latin1(`${header}1`)]), { requests: [], error });
});

// Size -------------------------------------------------------------------------------------------------

test('a request of very many arguments, in pieces', () => {
  const args = Array.from({ length: 100_000 }, (_, i) => `argument ${i}`);
  const whole = latin1(encode(...args) + GET_NAME);
  const expected: Outcome = { requests: [args, ['GET', 'name']], error: '' };
  assert.deepEqual(read([whole]), expected);
  assert.deepEqual(read(new SeededRandom(5).cut(whole, 40)), expected);
});

test('a large argument is awaited with its size known', () => {
  const { input, parser } = new Connection();
  input.buffer = latin1('*2\r\n$4\r\nECHO\r\n$100000\r\nabc');
  input.end = input.buffer.length;
  assert.equal(RequestParser.expectedBytes(input), 0);
  assert.equal(parser.parseBatch(input, true), 0);
  assert.equal(RequestParser.expectedBytes(input), 100_000 - 3 + 2);

  input.buffer = Buffer.concat([input.buffer, Buffer.alloc(99_999, 0x61)]);
  input.end = input.buffer.length;
  assert.equal(RequestParser.expectedBytes(input), 0);
  assert.equal(parser.parseBatch(input, true), 1);
  assert.equal(parser.batch[0]?.length(1), 100_000);
  assert.equal(input.partial, undefined);
  assert.equal(RequestParser.expectedBytes(input), 0);
});

test('a long pipeline comes in batches, and each request knows where it began', () => {
  const total = BATCH_REQUESTS_MAX * 2 + 5;
  const frames = Array.from({ length: total }, (_, i) =>
    i % 3 === 0 ? `PING ${i}\r\n` : encode('PING', String(i)),
  );
  const input = new Input();
  input.buffer = latin1(frames.join(''));
  input.end = input.buffer.length;
  const parser = new RequestParser();
  const counts: number[] = [];
  let index = 0;
  let frameStart = 0;
  for (let count = parser.parseBatch(input, true); count > 0; count = parser.parseBatch(input, true)) {
    counts.push(count);
    for (const request of parser.batch.slice(0, count)) {
      assert.deepEqual(argumentsOf(request), ['PING', String(index)]);
      frameStart += frames[index++]!.length;
    }
    assert.equal(input.start, frameStart);
  }
  assert.deepEqual(counts, [BATCH_REQUESTS_MAX, BATCH_REQUESTS_MAX, 5]);
});

test('the requests of a batch do not share their arguments', () => {
  const parser = new RequestParser();
  const input = new Input();
  input.buffer = latin1(encode('SET', 'a', '1') + 'ECHO "b c"\r\n' + encode('GET', 'd'));
  input.end = input.buffer.length;
  assert.equal(parser.parseBatch(input, true), 3);
  assert.deepEqual(parser.batch.slice(0, 3).map(argumentsOf), [
    ['SET', 'a', '1'],
    ['ECHO', 'b c'],
    ['GET', 'd'],
  ]);
});

test('before authentication requests come one at a time', () => {
  const parser = new RequestParser();
  const input = new Input();
  input.buffer = latin1(encode('AUTH', 'secret') + encode('MSET', ...'abcdefghijkl'));
  input.end = input.buffer.length;
  assert.equal(parser.parseBatch(input, false), 1);
  assert.equal(parser.parseBatch(input, true), 1);
  assert.equal(parser.batch[0]?.count, 13);
});

test('one parser serves many connections whose frames are not complete', () => {
  const parser = new RequestParser();
  const random = new SeededRandom(9);
  const connections = Array.from({ length: 5 }, (_, id) => {
    const requests = Array.from({ length: 20 }, (_unused, i) => ['SET', `key ${id} ${i}`, 'v'.repeat(i * 3)]);
    const bytes = latin1(requests.map((args) => encode(...args)).join(''));
    return { input: new Input(), pieces: random.cut(bytes, 60), requests, found: [] as string[][] };
  });
  while (connections.some(({ pieces }) => pieces.length > 0)) {
    const { input, pieces, found } = random.pick(connections);
    input.buffer = Buffer.concat([input.buffer, pieces.shift() ?? Buffer.alloc(0)]);
    input.end = input.buffer.length;
    for (let count = parser.parseBatch(input, true); count > 0; count = parser.parseBatch(input, true)) {
      found.push(...parser.batch.slice(0, count).map(argumentsOf));
    }
  }
  for (const { found, requests } of connections) assert.deepEqual(found, requests);
});

test('random requests come out as they went in', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new SeededRandom(seed);
    const requests = Array.from({ length: random.integer(1, 30) }, () =>
      Array.from({ length: random.integer(1, 40) }, () =>
        random
          .bytes(random.chance(0.05) ? random.integer(0, 5000) : random.integer(0, 20))
          .toString('latin1'),
      ),
    );
    const whole = latin1(requests.map((args) => encode(...args)).join(''));
    assert.deepEqual(read(random.cut(whole, 50)), { requests, error: '' }, `seed ${seed}`);
  }
});

// Requests ---------------------------------------------------------------------------------------------

test('a copy of a request does not depend on the input', () => {
  const input = new Input();
  input.buffer = latin1(
    GET_NAME + encode('SET', 'key', '', 'x'.repeat(100), ...Array.from({ length: 30 }, String)),
  );
  input.end = input.buffer.length;
  const parser = new RequestParser();
  assert.equal(parser.parseBatch(input, true), 2);
  const request = parser.batch[1]!;
  const expected = argumentsOf(request);
  const copy = request.copy();
  input.buffer.fill(0);
  input.start = 0;
  input.buffer.write(GET_NAME, 0, 'latin1');
  input.end = GET_NAME.length;
  parser.parseBatch(input, true);
  assert.deepEqual(argumentsOf(copy), expected);
  copy.push(0, 3);
  assert.equal(copy.text(copy.count - 1), 'SET');
});

test('a request made of arguments', () => {
  const args = ['SET', '', 'value', ...Array.from({ length: 40 }, (_, i) => String(i))];
  assert.deepEqual(argumentsOf(Request.of(args.map(latin1))), args);
});
