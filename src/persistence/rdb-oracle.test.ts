/** Files and DUMP payloads that pass between us and a real Redis, both ways. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  describeReply,
  encodeReply,
  type Argument,
  type RespClient,
} from '../../test/support/resp-client.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { redisSkipReason, startRedis } from '../../test/support/server-process.ts';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { decodeDumpPayload, encodeDumpPayload } from './dump-payload.ts';
import { RdbError } from './rdb-error.ts';
import { MemorySource } from './rdb-input.ts';
import { RdbReader } from './rdb-reader.ts';
import { RdbWriter } from './rdb-writer.ts';

const skip = redisSkipReason();

/** Thresholds under which all values take the encodings of small ones, of large ones, and some of each. */
const THRESHOLDS: Record<string, readonly string[]> = {
  small: ['--list-max-listpack-size', '100000', '--set-max-intset-entries', '100000'],
  large: [
    ...['--list-max-listpack-size', '1', '--set-max-intset-entries', '0', '--hash-max-listpack-entries', '0'],
    ...['--zset-max-listpack-entries', '0', '--stream-node-max-entries', '1'],
  ],
  mixed: [
    ...['--list-max-listpack-size', '5', '--set-max-intset-entries', '8', '--hash-max-listpack-entries', '8'],
    ...['--zset-max-listpack-entries', '8', '--list-compress-depth', '1', '--stream-node-max-entries', '3'],
    ...['--rdbcompression', 'no', '--maxmemory-policy', 'allkeys-lfu'],
  ],
};

const OPTIONS = ['--enable-debug-command', 'yes', '--dbfilename', 'dump.rdb'];

const LIBRARY = "#!lua name=l\nredis.register_function('f', function() return 1 end)";
/** Comes with redis-server. */
const CHECKER = 'redis-check-rdb';
const FAR_AWAY_MILLIS = 4_102_444_800_000;

function randomElement(random: SeededRandom): Argument {
  switch (random.integer(0, 5)) {
    case 0:
      return random.bytes(random.integer(0, 80));
    case 1:
      return random.pick([
        0,
        127,
        128,
        -1,
        4095,
        -4096,
        32_767,
        8_388_607,
        2_147_483_647,
        2 ** 40,
        -(2 ** 52),
      ]);
    case 2:
      return 'word '.repeat(random.integer(1, 1000));
    default:
      return random.integer(-100_000, 100_000);
  }
}

function elements(random: SeededRandom): Argument[] {
  return Array.from({ length: random.pick([1, 3, 20, 200]) }, () => randomElement(random));
}

function pairs(random: SeededRandom, first: (random: SeededRandom) => Argument): Argument[] {
  return elements(random).flatMap((element) => [first(random), element]);
}

function randomScore(random: SeededRandom): Argument {
  return random.pick(['inf', '-inf', '-0', '1e300', '4.9e-324', '0.1', 3, -17, random.fraction(), 2 ** 53]);
}

function streamCommands(key: Argument, random: SeededRandom): Argument[][] {
  const commands: Argument[][] = [];
  const count = random.pick([1, 10, 50]);
  for (let id = 1; id <= count; id++) {
    const fields = random.chance(0.7) ? ['a', 'b'] : ['c'];
    commands.push(['XADD', key, `${id}-${id}`, ...fields.flatMap((field) => [field, randomElement(random)])]);
  }
  commands.push(['XGROUP', 'CREATE', key, 'all', '0'], ['XGROUP', 'CREATE', key, 'end', '$']);
  commands.push(['XREADGROUP', 'GROUP', 'all', 'worker', 'COUNT', 5, 'STREAMS', key, '>']);
  commands.push(['XREADGROUP', 'GROUP', 'all', 'other', 'COUNT', 2, 'STREAMS', key, '>']);
  commands.push(['XACK', key, 'all', '1-1'], ['XDEL', key, '2-2', '3-3']);
  return commands;
}

function commandsFor(key: Argument, random: SeededRandom): Argument[][] {
  switch (random.integer(0, 6)) {
    case 0:
      return [['RPUSH', key, ...elements(random)]];
    case 1:
      return [['SADD', key, ...elements(random)]];
    case 2:
      return [['SADD', key, ...Array.from({ length: 20 }, () => random.integer(-(2 ** 45), 2 ** 45))]];
    case 3:
      return [['HSET', key, ...pairs(random, randomElement)]];
    case 4:
      return [['ZADD', key, ...pairs(random, randomScore)]];
    case 5:
      return streamCommands(key, random);
    default:
      return [['SET', key, randomElement(random)]];
  }
}

async function fill(client: RespClient, random: SeededRandom, keyCount: number): Promise<void> {
  const commands: Argument[][] = [['FUNCTION', 'LOAD', LIBRARY]];
  for (let i = 0; i < keyCount; i++) {
    const key = Buffer.concat([Buffer.from(`key:${i}:`), random.bytes(random.integer(0, 30))]);
    if (random.chance(0.05)) commands.push(['SELECT', random.integer(0, 15)]);
    commands.push(...commandsFor(key, random));
    if (random.chance(0.3)) commands.push(['PEXPIREAT', key, FAR_AWAY_MILLIS + random.integer(0, 10 ** 6)]);
  }
  for (const reply of await client.pipeline(commands)) {
    assert.doesNotMatch(describeReply(reply), /^-/);
  }
}

/** Everything that can be asked about the data of a server: digest, and what the digest leaves out. */
async function contentOf(client: RespClient): Promise<string[]> {
  const content = [await client.text('DEBUG', 'DIGEST')];
  for (let database = 0; database < 16; database++) {
    await client.command('SELECT', database);
    for (const key of await keysOf(client)) {
      const type = await client.text('TYPE', key);
      const details = type === '+stream' ? ['XINFO', 'STREAM', key, 'FULL', 'COUNT', 0] : ['TYPE', key];
      const facts = await client.pipeline([['PEXPIRETIME', key], ['DEBUG', 'DIGEST-VALUE', key], details]);
      const described = facts.map((fact) => encodeReply(fact).toString('latin1')).join(' ');
      content.push(`${database} ${key.toString('latin1')} ${described}`);
    }
  }
  // How much memory a stream takes may differ.
  return content.map((line) => line.replaceAll(/radix-tree-\w+\r\n:\d+/g, ''));
}

async function keysOf(client: RespClient): Promise<Buffer[]> {
  const reply = await client.command('KEYS', '*');
  assert.ok(reply.kind === 'aggregate');
  const keys = reply.items.map((item) => (item.kind === 'scalar' ? item.bytes : Buffer.alloc(0)));
  return keys.sort((a, b) => a.compare(b));
}

/** Line by line: what differs between two long lists takes the assertion a minute to describe. */
function assertSameLines(actual: readonly string[], expected: readonly string[]): void {
  for (const [index, line] of expected.slice(1).entries()) assert.equal(actual[index + 1], line);
  assert.equal(actual.length, expected.length);
  assert.equal(actual[0], expected[0]);
}

/** Our reader's items into our writer. */
function copyFile(file: Buffer): Buffer {
  const chunks: Buffer[] = [];
  const reader = new RdbReader(new MemorySource({ bytes: file, start: 0, end: file.length }), {
    chunkBytes: 500,
  });
  const writer = new RdbWriter({
    onChunk: (chunk) => void chunks.push(Buffer.from(chunk)),
    isCompressing: true,
    isChecksumming: true,
  });
  writer.writeHeader({ 'redis-ver': '7.0.15', ctime: 1_700_000_000 });
  for (;;) {
    const item = reader.next();
    if (item.kind === 'function') writer.writeFunction(item.code);
    if (item.kind === 'database') writer.selectDatabase(item.database);
    if (item.kind === 'resize') writer.resizeDatabase(item.keyCount, item.expiryCount);
    if (item.kind === 'entry') writer.writeEntry(item);
    if (item.kind !== 'end') continue;
    assert.ok(item.isChecksumVerified);
    assert.equal(reader.offset, file.length);
    writer.end();
    return Buffer.concat(chunks);
  }
}

function readToEnd(bytes: Buffer, end: number, isVerifyingChecksum: boolean): void {
  const reader = new RdbReader(new MemorySource({ bytes, start: 0, end }), { isVerifyingChecksum });
  while (reader.next().kind !== 'end');
}

/**
 * What a real server holds after it has loaded the file. It needs the thresholds that the file was made
 * under: where Redis turns a sorted set into a listpack, it makes 0 of the score -0.
 */
async function contentAfterLoading(file: Buffer, thresholds: readonly string[]): Promise<string[]> {
  const directory = temporaryDirectory();
  writeFileSync(join(directory.path, 'dump.rdb'), file);
  const check = spawnSync(CHECKER, [join(directory.path, 'dump.rdb')], { encoding: 'utf8' });
  assert.match(check.stdout, /RDB looks OK/);
  const server = await startRedis([...OPTIONS, ...thresholds, '--dir', directory.path]);
  try {
    const client = await server.connect();
    const content = await contentOf(client);
    const functions = await client.text('FUNCTION', 'LIST', 'WITHCODE');
    client.close();
    return [...content, functions];
  } finally {
    await server.stop();
    directory.remove();
  }
}

describe('RDB files and a real Redis', { skip }, () => {
  for (const [name, thresholds] of Object.entries(THRESHOLDS)) {
    test(`data of all types in ${name} values passes through us unchanged`, async (context) => {
      const seed = SeededRandom.newSeed();
      context.diagnostic(`seed ${seed}`);
      const server = await startRedis([...OPTIONS, ...thresholds]);
      try {
        const client = await server.connect();
        await fill(client, new SeededRandom(seed), 300);
        await client.command('SELECT', 0);
        assert.equal(await client.text('SAVE'), '+OK');
        const content = [...(await contentOf(client)), await client.text('FUNCTION', 'LIST', 'WITHCODE')];
        client.close();
        const copy = copyFile(readFileSync(join(server.directory, 'dump.rdb')));
        assertSameLines(await contentAfterLoading(copy, thresholds), content);
      } finally {
        await server.stop();
      }
    });
  }

  test('a damaged file gives other content or an error, and nothing else', async (context) => {
    const seed = SeededRandom.newSeed();
    context.diagnostic(`seed ${seed}`);
    const random = new SeededRandom(seed);
    const server = await startRedis([...OPTIONS, ...(THRESHOLDS['mixed'] ?? [])]);
    try {
      const client = await server.connect();
      await fill(client, random, 30);
      assert.equal(await client.text('SAVE'), '+OK');
      client.close();
      const file = readFileSync(join(server.directory, 'dump.rdb'));
      for (let round = 0; round < 1000; round++) {
        const damaged = Buffer.from(file);
        for (let flips = random.integer(1, 3); flips > 0; flips--) {
          damaged[random.integer(0, damaged.length - 1)]! ^= 1 << random.integer(0, 7);
        }
        const end = random.chance(0.5) ? damaged.length : random.integer(0, damaged.length);
        assert.throws(() => readToEnd(damaged, end, true), RdbError);
        try {
          readToEnd(damaged, end, false);
        } catch (error) {
          assert.ok(error instanceof RdbError, String(error));
        }
      }
    } finally {
      await server.stop();
    }
  });

  test('our strings are the bytes that Redis writes', async (context) => {
    const seed = SeededRandom.newSeed();
    context.diagnostic(`seed ${seed}`);
    const random = new SeededRandom(seed);
    const server = await startRedis(OPTIONS);
    try {
      const client = await server.connect();
      for (let round = 0; round < 500; round++) {
        const element = randomElement(random);
        const bytes = Buffer.isBuffer(element) ? element : Buffer.from(String(element));
        await client.command('SET', 'k', bytes);
        const dump = await client.command('DUMP', 'k');
        assert.ok(dump.kind === 'scalar');
        const own = encodeDumpPayload({ kind: 'string', bytes, start: 0, end: bytes.length }, true);
        assert.equal(own.toString('hex'), dump.bytes.toString('hex'));
      }
      client.close();
    } finally {
      await server.stop();
    }
  });

  for (const [name, thresholds] of Object.entries(THRESHOLDS)) {
    test(`DUMP of ${name} values is decoded by us, and RESTORE takes ours`, async (context) => {
      const seed = SeededRandom.newSeed();
      context.diagnostic(`seed ${seed}`);
      const random = new SeededRandom(seed);
      const server = await startRedis([...OPTIONS, ...thresholds, '--sanitize-dump-payload', 'yes']);
      try {
        const client = await server.connect();
        for (let round = 0; round < 100; round++) {
          await client.command('DEL', 'k', 'copy');
          await client.pipeline(commandsFor('k', random));
          const dump = await client.command('DUMP', 'k');
          assert.ok(dump.kind === 'scalar');
          const decoded = decodeDumpPayload({ bytes: dump.bytes, start: 0, end: dump.bytes.length });
          assert.ok(decoded.kind === 'value');
          assert.equal(
            await client.text('RESTORE', 'copy', 0, encodeDumpPayload(decoded.value, true)),
            '+OK',
          );
          const [original, copy] = await client.pipeline([
            ['DEBUG', 'DIGEST-VALUE', 'k'],
            ['DEBUG', 'DIGEST-VALUE', 'copy'],
          ]);
          assert.deepEqual(original, copy);
        }
        client.close();
      } finally {
        await server.stop();
      }
    });
  }

  test('a stream keeps its groups, consumers and pending entries', async () => {
    const server = await startRedis(OPTIONS);
    try {
      const client = await server.connect();
      await client.pipeline(streamCommands('s', new SeededRandom(7)));
      const dump = await client.command('DUMP', 's');
      assert.ok(dump.kind === 'scalar');
      const decoded = decodeDumpPayload({ bytes: dump.bytes, start: 0, end: dump.bytes.length });
      assert.ok(decoded.kind === 'value' && decoded.value.kind === 'stream');
      assert.deepEqual(
        decoded.value.groups.map((group) => String(group.name)),
        ['all', 'end'],
      );
      const payload = encodeDumpPayload(decoded.value, false);
      assert.equal(await client.text('RESTORE', 'copy', 0, payload), '+OK');
      const [original, copy] = await client.pipeline([
        ['XINFO', 'STREAM', 's', 'FULL'],
        ['XINFO', 'STREAM', 'copy', 'FULL'],
      ]);
      assert.deepEqual(original, copy);
      client.close();
    } finally {
      await server.stop();
    }
  });
});
