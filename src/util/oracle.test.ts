/** The leaves whose output must equal that of Redis to the byte, compared with a real redis-server. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { freePort } from '../../test/support/free-port.ts';
import { crc64 } from './crc64.ts';
import { globMatch } from './glob.ts';
import { addLongDouble, formatLongDouble, parseLongDouble } from './long-double.ts';
import { lzfCompress, lzfDecompress } from './lzf.ts';
import { formatDouble, parseCursor, parseDouble } from './numbers.ts';
import { seededRandom } from './random.ts';
import { splitArguments } from './split-args.ts';

const SEED = Number(process.env.TEST_SEED ?? 20240305);
const ROUNDS = 4000;

const installed = spawnSync('redis-server', ['--version']).status === 0;
const skip = installed ? false : 'redis-server is not installed';

/** Numerals at the limits of the grammar and of the formats. */
// prettier-ignore
const SPECIAL_NUMERALS = [
  'inf', '-Infinity', '+INF', 'nan', 'nan(12)', '-nan', '', ' 1', '1 ', '.', '-', '+.5', '5.', '1e',
  '1e+', '0x', '0x.', '0x.8', '0x1p', '1e400', '1e-400', '0e-999999', '1e-310', '4.9e-324',
  '2.4e-324', '2.5e-324', '-0', '0x1p-1075', '0x1.8p-1075', '0x1p1024', '0x1.fffffffffffff8p1023',
  '0x1.fffffffffffff7p1023', '1e-4950', '1e-4960', '1e4932', '3.6e-4951', '1.9e-4951', '1.8e-4951',
  '1.2e4932', '1.18e4932', '1_0', '1\0', '٣', '0X1P3', '1E3', '١',
];

type Argument = string | Uint8Array;
type Reply = Buffer | string | Reply[] | null;

/**
 * Sends all commands at once and collects their replies: bulks as buffers, status, error and integer lines
 * as text.
 */
class Pipeline {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  async run(commands: (Argument[] | Buffer)[]): Promise<Reply[]> {
    const replies: Reply[] = [];
    const done = new Promise<void>((resolve, reject) => {
      this.#socket.once('error', reject);
      this.#socket.on('data', (chunk) => {
        this.#received = Buffer.concat([this.#received, chunk]);
        let pos = 0;
        for (let parsed = readReply(this.#received, pos); parsed !== undefined;) {
          replies.push(parsed.reply);
          pos = parsed.next;
          parsed = readReply(this.#received, pos);
        }
        this.#received = this.#received.subarray(pos);
        if (replies.length === commands.length) resolve();
      });
    });
    this.#socket.write(Buffer.concat(commands.map(encodeCommand)));
    await done;
    this.#socket.removeAllListeners('data');
    this.#socket.removeAllListeners('error');
    return replies;
  }
}

/** A command as an array of bulk strings; a buffer is an inline command and sent as it is. */
function encodeCommand(command: Argument[] | Buffer): Buffer {
  if (Buffer.isBuffer(command)) return command;
  const parts: Uint8Array[] = [Buffer.from(`*${command.length}\r\n`)];
  for (const argument of command) {
    const bytes = Buffer.from(argument as string, 'latin1');
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

function readReply(bytes: Buffer, pos: number): { reply: Reply; next: number } | undefined {
  const lineEnd = bytes.indexOf('\r\n', pos);
  if (lineEnd < 0) return undefined;
  const kind = String.fromCharCode(bytes[pos]!);
  const line = bytes.toString('latin1', pos + 1, lineEnd);
  if (kind === '$') {
    if (line === '-1') return { reply: null, next: lineEnd + 2 };
    const next = lineEnd + 4 + Number(line);
    return next > bytes.length ? undefined : { reply: bytes.subarray(lineEnd + 2, next - 2), next };
  }
  if (kind !== '*') return { reply: kind + line, next: lineEnd + 2 };
  const items: Reply[] = [];
  let next = lineEnd + 2;
  for (let i = 0; i < Number(line); i++) {
    const item = readReply(bytes, next);
    if (item === undefined) return undefined;
    items.push(item.reply);
    next = item.next;
  }
  return { reply: items, next };
}

async function connected(port: number): Promise<Socket> {
  for (let attempt = 0; ; attempt++) {
    const socket = connect(port, '127.0.0.1');
    const failure = await new Promise((resolve) => {
      socket.once('connect', () => resolve(undefined));
      socket.once('error', resolve);
    });
    if (failure === undefined) return socket;
    if (attempt === 200) throw failure;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function text(reply: Reply | undefined): string {
  return Buffer.isBuffer(reply) ? reply.toString('latin1') : String(reply);
}

describe('like a real Redis', { skip }, () => {
  const random = seededRandom(SEED);
  const below = (limit: number): number => Math.floor(random.nextFloat() * limit);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)]!;
  let directory: string;
  let server: ChildProcess;
  let socket: Socket;
  let redis: Pipeline;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'util-oracle-'));
    const port = await freePort();
    const options = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', directory];
    server = spawn('redis-server', ['--port', String(port), ...options], { stdio: 'ignore' });
    socket = await connected(port);
    redis = new Pipeline(socket);
  });

  after(() => {
    socket.destroy();
    server.kill();
    rmSync(directory, { recursive: true, force: true });
  });

  function digits(max: number): string {
    return Array.from({ length: 1 + below(max) }, () => below(10)).join('');
  }

  function numeral(): string {
    const sign = pick(['', '', '-', '+']);
    const kind = below(12);
    if (kind < 4) return `${sign}${digits(6)}.${digits(6)}`;
    if (kind < 6) return `${sign}${digits(25)}.${digits(25)}`;
    if (kind < 8) return `${sign}${digits(20)}e${pick(['', '-', '+'])}${below(40)}`;
    if (kind === 8) return `${sign}${digits(4)}.${digits(4)}e${pick(['-', ''])}${below(5200)}`;
    if (kind === 9) return `${sign}0x${digits(20)}.${digits(4)}p${pick(['-', ''])}${below(120)}`;
    if (kind === 10) return `${sign}${digits(19)}.${pick(['5', '25', '125', '0625', '00390625'])}`;
    return Buffer.from(pick(SPECIAL_NUMERALS)).toString('latin1');
  }

  test('INCRBYFLOAT', async () => {
    const pairs = Array.from({ length: ROUNDS }, () => [numeral(), numeral()] as const);
    const commands = pairs.flatMap(([a, b]) => [
      ['SET', 'f', a],
      ['INCRBYFLOAT', 'f', b],
    ]);
    const replies = await redis.run(commands);
    for (const [i, [a, b]] of pairs.entries()) {
      const expected = text(replies[i * 2 + 1]);
      assert.equal(incrementedByFloat(a, b), expected, `${a} + ${b}, seed ${SEED}`);
    }
  });

  function incrementedByFloat(a: string, b: string): string {
    const left = parseLongDouble(Buffer.from(a, 'latin1'), 0, a.length);
    const right = parseLongDouble(Buffer.from(b, 'latin1'), 0, b.length);
    if (left === undefined || right === undefined) return '-ERR value is not a valid float';
    const sum = addLongDouble(left, right);
    if (typeof sum === 'string') return '-ERR increment would produce NaN or Infinity';
    return formatLongDouble(sum);
  }

  test('INCRBYFLOAT with numerals as long as Redis takes them', async () => {
    for (const length of [300, 5 * 1024 - 1, 5 * 1024]) {
      const numerals = ['1'.repeat(length), `0.${'3'.repeat(length - 2)}`, `${'0'.repeat(length - 1)}7`];
      for (const long of numerals) {
        const [, reply] = await redis.run([
          ['SET', 'f', '1'],
          ['INCRBYFLOAT', 'f', long],
        ]);
        assert.equal(incrementedByFloat('1', long), text(reply), `${long.slice(0, 9)}… of ${length}`);
      }
    }
  });

  test('scores', async () => {
    // The packed encoding of sorted sets loses the sign of -0; the other one replies the double as it is.
    await redis.run([['CONFIG', 'SET', 'zset-max-listpack-entries', '0']]);
    const numerals = Array.from({ length: ROUNDS }, numeral);
    for (let i = 0; i < ROUNDS; i++) {
      const view = new DataView(new ArrayBuffer(8));
      view.setUint32(0, random.nextUint32());
      view.setUint32(4, random.nextUint32());
      if (!Number.isNaN(view.getFloat64(0))) numerals.push(view.getFloat64(0).toPrecision(17));
      numerals.push(String((2 ** 50 + below(2 ** 50)) / 2 ** below(12)));
    }
    const commands = numerals.flatMap((n) => [
      ['DEL', 'z'],
      ['ZADD', 'z', n, 'm'],
      ['ZSCORE', 'z', 'm'],
    ]);
    const replies = await redis.run(commands);
    for (const [i, n] of numerals.entries()) {
      const value = parseDouble(Buffer.from(n, 'latin1'), 0, n.length);
      const expected = replies[i * 3 + 2] as Buffer | null;
      const actual = value === undefined ? null : formatDouble(value);
      assert.equal(actual, expected === null ? null : expected.toString(), `${n}, seed ${SEED}`);
    }
  });

  test('KEYS', async () => {
    const letters = ['a', 'b', 'B', '*', '*', '?', '[', ']', '^', '-', '\\', '\x7f', '\x80', '\xff'];
    const cases = Array.from({ length: ROUNDS * 3 }, () => {
      const pattern = Array.from({ length: below(9) }, () => pick(letters)).join('');
      const key = Array.from({ length: below(5) }, () => pick(letters)).join('');
      return { pattern, key };
    }).filter(({ pattern }) => pattern !== '*'); // KEYS does not ask the matcher about this one.
    const commands = cases.flatMap(({ pattern, key }) => [['FLUSHDB'], ['SET', key, ''], ['KEYS', pattern]]);
    const replies = await redis.run(commands);
    for (const [i, { pattern, key }] of cases.entries()) {
      const expected = (replies[i * 3 + 2] as Reply[]).length === 1;
      const bytes = Buffer.from(key, 'latin1');
      const actual = globMatch(Buffer.from(pattern, 'latin1'), bytes, 0, bytes.length);
      assert.equal(actual, expected, JSON.stringify({ pattern, key, SEED }));
    }
  });

  test('patterns without case, as for CONFIG GET', async () => {
    const names = ((await redis.run([['CONFIG', 'GET', '*']]))[0] as Reply[])
      .map(text)
      .filter((_, i) => i % 2 === 0);
    const parts = [
      '*',
      '?',
      'SAVE',
      'a',
      '[A-z]',
      '[^M-b]',
      '[Z-A]',
      '[a-Z]',
      '\\S',
      '[\\A]',
      '-',
      'MAX*',
      '[maX]',
    ];
    const patterns = Array.from({ length: 500 }, () =>
      Array.from({ length: 1 + below(4) }, () => pick(parts)).join(''),
    ).filter((pattern) => /[[*?]/.test(pattern));
    const replies = await redis.run(patterns.map((pattern) => ['CONFIG', 'GET', pattern]));
    for (const [i, pattern] of patterns.entries()) {
      const expected = (replies[i] as Reply[]).map(text).filter((_, at) => at % 2 === 0);
      const matching = names.filter((name) =>
        globMatch(Buffer.from(pattern), Buffer.from(name), 0, name.length, true),
      );
      assert.deepEqual(matching.sort(), expected.sort(), pattern);
    }
  });

  test('inline commands', async () => {
    const letters = ['a', 'b', ' ', ' ', '"', '"', "'", "'", '\\', 'x41', 'xg1', 'n', '\t', '\v', '\xff'];
    const lines = Array.from({ length: ROUNDS * 3 }, () =>
      Array.from({ length: below(12) }, () => pick(letters)),
    )
      .map((parts) => Buffer.from(`RPUSH l first ${parts.join('')}`, 'latin1'))
      // Redis closes the connection after unbalanced quotes.
      .filter((line) => splitArguments(line, 0, line.length) !== undefined);
    const commands = lines.flatMap((line) => [
      ['DEL', 'l'],
      Buffer.concat([line, Buffer.from('\r\n')]),
      ['LRANGE', 'l', '0', '-1'],
    ]);
    const replies = await redis.run(commands);
    for (const [i, line] of lines.entries()) {
      const words = splitArguments(line, 0, line.length)!.slice(2);
      assert.deepEqual(words, replies[i * 3 + 2], JSON.stringify(line.toString('latin1')));
    }
  });

  test('SCAN cursors', async () => {
    const cursors = [
      '',
      '0',
      '+5',
      '-5',
      '-',
      '+',
      '007',
      ' 0',
      '0 ',
      '0\0x',
      '\0',
      '--1',
      '18446744073709551615',
    ];
    cursors.push('18446744073709551616', '-18446744073709551615', '-18446744073709551616', '0x1', '1.0');
    const replies = await redis.run(cursors.map((cursor) => ['SCAN', cursor]));
    for (const [i, cursor] of cursors.entries()) {
      const bytes = Buffer.from(cursor);
      assert.equal(
        parseCursor(bytes, 0, bytes.length) !== undefined,
        Array.isArray(replies[i]),
        JSON.stringify(cursor),
      );
    }
  });

  test('DUMP: compression and checksum', async () => {
    const values = Array.from({ length: 300 }, () => {
      const alphabet = 1 + below(pick([2, 6, 256]));
      const word = Buffer.from(Array.from({ length: 1 + below(40) }, () => below(alphabet)));
      const parts = Array.from({ length: 1 + below(pick([10, 400])) }, () =>
        below(3) === 0 ? Buffer.from([below(256)]) : word.subarray(below(word.length)),
      );
      return Buffer.concat([Buffer.from('not a number '), ...parts]);
    });
    const replies = await redis.run(
      values.flatMap((value) => [
        ['SET', 'd', value],
        ['DUMP', 'd'],
      ]),
    );
    for (const [i, value] of values.entries()) {
      const dump = replies[i * 2 + 1] as Buffer;
      const crcAt = dump.length - 8;
      assert.equal(crc64(0n, dump, 0, crcAt), dump.readBigUInt64LE(crcAt));

      const output = Buffer.alloc(value.length);
      const length = value.length > 20 ? lzfCompress(value, 0, value.length, output, 0, value.length - 4) : 0;
      const compressed = dump[1] === 0xc3;
      assert.equal(length > 0, compressed, `seed ${SEED}`);
      if (!compressed) continue;
      const body = dump.subarray(crcAt - 2 - length, crcAt - 2);
      assert.deepEqual(output.subarray(0, length), body, `seed ${SEED}`);
      assert.deepEqual(lzfDecompress(body, 0, length, value.length), value);
    }
  });
});
