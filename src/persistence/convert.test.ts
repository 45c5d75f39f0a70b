import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { redisSkipReason, startRedis } from '../../test/support/server-process.ts';
import type { RespClient } from '../../test/support/resp-client.ts';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { runConvert } from './convert.ts';
import { DirectoryLock, LOCK_FILE_NAME } from './directory-lock.ts';
import type { Disk } from './disk.ts';
import { nodeDisk } from './node-disk.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { createSnapshotSink } from './snapshot-format.ts';

const skip = redisSkipReason();
const POLL_MILLIS = 10;
const NOW = 1_700_000_000_000;
const JSON_FILE = `{"metadata":{"version":1,"timestamp":1600000000,"key_count":3},
"data":{"user:1":"alice","@db3:gone":{"type":"string","value":"x","expire_at":1},
"l":{"type":"list","value":["a"]}}}`;

function convert(disk: Disk, ...args: string[]): { code: number; output: string } {
  let output = '';
  const code = runConvert(args, {
    disk,
    nowMillis: () => NOW,
    write: (text) => (output += text),
    confirm: () => assert.fail('nothing to ask'),
  });
  return { code, output };
}

/** Converts, and says with what. */
function converted(disk: Disk, ...args: string[]): string {
  const { code, output } = convert(disk, ...args);
  assert.equal(code, 0, output);
  return output;
}

function refusal(disk: Disk, ...args: string[]): string {
  const { code, output } = convert(disk, ...args);
  assert.equal(code, 1, output);
  return output;
}

function plant(files: Record<string, string | Buffer>): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.makeDirectory('/data');
  for (const [path, content] of Object.entries(files)) disk.plant(path, Buffer.from(content as string));
  return disk;
}

function dataOf(disk: SimulatedDisk, path: string): unknown {
  return (JSON.parse(disk.contents(path).toString()) as { data: unknown }).data;
}

const DATA = (JSON.parse(JSON_FILE) as { data: unknown }).data;

test('JSON to RDB to an append-only file to JSON: nothing changes', () => {
  const disk = plant({ '/data/in.json': JSON_FILE });
  assert.match(
    converted(disk, '/data/in.json', '/data/out.rdb'),
    /^3 keys from \/data\/in.json \(JSON\) to \/data\/out.rdb \(RDB, \d+ bytes\)\n$/,
  );
  converted(disk, '/data/out.rdb', '/data/aof');
  assert.deepEqual(disk.list('/data/aof'), [
    'appendonly.aof.1.base.rdb',
    'appendonly.aof.1.incr.aof',
    'appendonly.aof.manifest',
  ]);
  converted(disk, '/data/aof', '/data/back.json');
  assert.deepEqual(dataOf(disk, '/data/back.json'), DATA);
  assert.match(disk.contents('/data/back.json').toString(), /"timestamp":1600000000,"key_count":3/);
  assert.equal(disk.openCount, 0);
});

test('what IN is, its content says', () => {
  const disk = plant({ '/data/misnamed.rdb': `\n ${JSON_FILE}` });
  assert.match(converted(disk, '/data/misnamed.rdb', '/data/out.rdb'), /\(JSON\)/);
  disk.rename('/data/out.rdb', '/data/misnamed.json');
  assert.match(converted(disk, '/data/misnamed.json', '/data/out.json'), /\(RDB\)/);
  assert.deepEqual(dataOf(disk, '/data/out.json'), DATA);
});

test('an append-only file is run: the directory, the data directory, the manifest, a single file', () => {
  const commands = 'SET a 1\r\nINCR a\r\nSELECT 3\r\nSET b x PXAT 1\r\nSET c y\r\nDEL c\r\n';
  const disk = plant({
    '/data/appendonlydir/my.aof.manifest': 'file my.1.aof seq 1 type i\nfile my.2.aof seq 2 type i\n',
    '/data/appendonlydir/my.1.aof': 'SET a 40\r\n',
    '/data/appendonlydir/my.2.aof': 'INCR a\r\nINCR a\r\n*3\r\n$3\r\nSE',
    '/data/old.aof': commands,
  });
  for (const [index, input] of ['', '/appendonlydir', '/appendonlydir/my.aof.manifest'].entries()) {
    const output = converted(disk, `/data${input}`, `/data/out${index}.json`);
    assert.match(output, /^Warning: .*\n1 keys from .* \(AOF\)/s);
    assert.deepEqual(dataOf(disk, `/data/out${index}.json`), { a: '42' });
  }
  assert.equal(disk.contents('/data/appendonlydir/my.2.aof').length, 26, 'nothing is cut');
  converted(disk, '/data/old.aof', '/data/old.json');
  const expired = { type: 'string', value: 'x', expire_at: 1 };
  assert.deepEqual(dataOf(disk, '/data/old.json'), { a: '2', '@db3:b': expired });
});

test('a snapshot with commands behind it is an old append-only file', () => {
  const disk = plant({ '/data/in.json': '{"data":{"a":"1","b":"2"}}' });
  converted(disk, '/data/in.json', '/data/base.rdb');
  disk.plant(
    '/data/old.aof',
    Buffer.concat([disk.contents('/data/base.rdb'), Buffer.from('INCR a\r\nDEL b\r\n')]),
  );
  assert.match(converted(disk, '/data/old.aof', '/data/out.json'), /\(AOF\)/);
  assert.deepEqual(dataOf(disk, '/data/out.json'), { a: '2' });
});

test('what is there is replaced only with --force', () => {
  const disk = plant({ '/data/in.json': '{"data":{"a":"1"}}', '/data/out.rdb': 'precious' });
  assert.match(refusal(disk, '/data/in.json', '/data/out.rdb'), /exists already; --force/);
  assert.equal(disk.contents('/data/out.rdb').toString(), 'precious');
  converted(disk, '--force', '/data/in.json', '/data/out.rdb');
  converted(disk, '--force', '/data/out.rdb', '/data/in.json');
  assert.deepEqual(dataOf(disk, '/data/in.json'), { a: '1' });

  converted(disk, '/data/in.json', '/data/aof');
  assert.match(refusal(disk, '/data/in.json', '/data/aof'), /exists already/);
  converted(disk, '--force', '/data/in.json', '/data/aof');
  assert.deepEqual(disk.list('/data/aof'), [
    'appendonly.aof.2.base.rdb',
    'appendonly.aof.2.incr.aof',
    'appendonly.aof.manifest',
  ]);
});

test('what a running server uses is not replaced', () => {
  const disk = plant({ '/data/in.json': '{"data":{}}', '/data/out.rdb': 'precious' });
  const lock = DirectoryLock.acquire(disk, '/data');
  assert.match(refusal(disk, '--force', '/data/in.json', '/data/out.rdb'), /in use by another server/);
  assert.equal(disk.contents('/data/out.rdb').toString(), 'precious');
  lock.release();
  converted(disk, '--force', '/data/in.json', '/data/out.rdb');
});

test('damage writes nothing', () => {
  const disk = plant({
    '/data/cut.json': JSON_FILE.slice(0, -1),
    '/data/manifest/a.manifest': 'nonsense\n',
    '/data/empty/x': '',
  });
  assert.match(refusal(disk, '/data/cut.json', '/data/out.rdb'), /cut.json, at offset 180: unexpected end/);
  assert.match(refusal(disk, '/data/none.json', '/data/out.rdb'), /none.json: No such file/);
  assert.match(refusal(disk, '/data/manifest', '/data/out.rdb'), /line 1: Invalid AOF manifest/);
  assert.match(refusal(disk, '/data/empty', '/data/out.rdb'), /no manifest/);
  assert.match(refusal(disk, '/data/empty'), /^Usage/);
  assert.match(refusal(disk, '--help'), /^Usage/);
  assert.deepEqual(disk.list('/data'), ['cut.json', 'empty', 'manifest']);
});

test('fields that expire go through every format', () => {
  const data = { h: { type: 'hash', value: [['f', 'v', 1_900_000_000_000]] } };
  const disk = plant({ '/data/in.json': JSON.stringify({ data }) });
  converted(disk, '/data/in.json', '/data/a.rdb');
  converted(disk, '/data/a.rdb', '/data/aof');
  converted(disk, '/data/aof', '/data/out.json');
  assert.deepEqual(dataOf(disk, '/data/out.json'), data);
});

test('a disk that fails at any operation leaves what was there', () => {
  for (let index = 1; ; index++) {
    const disk = plant({ '/data/in.json': '{"data":{"a":"new"}}', '/data/out.rdb': 'old' });
    disk.failOperation(index, 'EIO');
    const before = disk.operationCount;
    const { code, output } = convert(disk, '--force', '/data/in.json', '/data/out.rdb');
    if (disk.operationCount - before < index) break;
    disk.clearFault();
    const isReplaced = disk.contents('/data/out.rdb').toString() !== 'old';
    // What only holds the old file open for a while may fail without harm.
    if (code === 0) {
      assert.ok(isReplaced, `operation ${index}: ${output}`);
      continue;
    }
    assert.equal(code, 1, `operation ${index}: ${output}`);
    assert.equal(disk.openCount, 0);
    assert.ok(!isReplaced || output.includes('Input/output error'));
    const names = disk.list('/data').filter((name) => name !== LOCK_FILE_NAME);
    assert.deepEqual(names, ['in.json', 'out.rdb']);
  }
});

test('libraries of functions go along', () => {
  const chunks: Buffer[] = [];
  const options = { isCompressing: true, isChecksumming: true };
  const sink = createSnapshotSink('rdb', (chunk) => void chunks.push(Buffer.from(chunk)), options);
  sink.begin({ unixMillis: 0, keyCount: 0, databases: [], usedMemory: 0, isAofBase: false });
  sink.functionLibrary(Buffer.from('#!lua name=a\n'));
  sink.end();
  const disk = plant({ '/data/in.rdb': Buffer.concat(chunks) });
  converted(disk, '/data/in.rdb', '/data/out.json');
  converted(disk, '/data/out.json', '/data/back.rdb');
  assert.ok(disk.contents('/data/back.rdb').includes('#!lua name=a\n'));
});

async function fill(client: RespClient, random: SeededRandom, keyCount: number): Promise<void> {
  for (let i = 0; i < keyCount; i++) {
    const key = random.chance(0.3)
      ? random.bytes(random.integer(1, 20))
      : `${random.pick(['@', 'user:', 'ä'])}${i}`;
    const word = (): Buffer => random.bytes(random.integer(0, random.chance(0.05) ? 3000 : 12));
    const words = Array.from({ length: random.integer(1, 30) }, word);
    if (i % 50 === 0) await client.command('SELECT', random.integer(0, 15));
    const type = random.pick(['SET', 'SET', 'RPUSH', 'SADD', 'HSET', 'ZADD', 'XADD']);
    await client.command('DEL', key);
    if (type === 'SET')
      await client.command('SET', key, random.chance(0.5) ? String(random.uint32()) : word());
    else if (type === 'HSET') await client.command(type, key, ...words.flatMap((field) => [field, word()]));
    else if (type === 'ZADD') {
      const score = (): string => random.pick(['inf', '-inf', '0.1', '-3', String(random.fraction() * 1e9)]);
      await client.command(type, key, ...words.flatMap((member) => [score(), member]));
    } else if (type === 'XADD') {
      for (const value of words) await client.command(type, key, '*', 'field', value);
      await client.command('XGROUP', 'CREATE', key, 'group', '0');
      await client.command('XREADGROUP', 'GROUP', 'group', 'one', 'COUNT', '3', 'STREAMS', key, '>');
    } else await client.command(type, key, ...words);
    if (random.chance(0.3)) await client.command('PEXPIREAT', key, String(1_900_000_000_000 + i));
  }
}

describe('data of all types of a real Redis', { skip }, () => {
  test('passes through RDB, JSON, RDB and an append-only file unchanged', async (context) => {
    const seed = SeededRandom.newSeed();
    context.diagnostic(`seed ${seed}`);
    const directory = temporaryDirectory();
    const options = ['--enable-debug-command', 'yes', '--save', ''];
    const server = await startRedis(options);
    let digest = '';
    try {
      const client = await server.connect();
      await fill(client, new SeededRandom(seed), 400);
      assert.equal(await client.text('SAVE'), '+OK');
      digest = await client.text('DEBUG', 'DIGEST');
      writeFileSync(join(directory.path, 'in.rdb'), readFileSync(join(server.directory, 'dump.rdb')));
      client.close();
    } finally {
      await server.stop();
    }
    const path = (name: string): string => join(directory.path, name);
    converted(nodeDisk, path('in.rdb'), path('one.json'));
    JSON.parse(readFileSync(path('one.json'), 'utf8'));
    converted(nodeDisk, path('one.json'), path('two.rdb'));
    converted(nodeDisk, path('two.rdb'), path('two.json'));
    assert.equal(readFileSync(path('two.json'), 'utf8'), readFileSync(path('one.json'), 'utf8'));
    converted(nodeDisk, path('two.json'), path('aof'));

    mkdirSync(path('data'));
    renameSync(path('aof'), path('data/appendonlydir'));
    const other = await startRedis([...options, '--dir', path('data'), '--appendonly', 'yes']);
    try {
      const client = await other.connect();
      while ((await client.text('PING')).startsWith('-LOADING')) await sleep(POLL_MILLIS);
      assert.equal(await client.text('DEBUG', 'DIGEST'), digest);
      client.close();
    } finally {
      await other.stop();
      assert.deepEqual(readdirSync(path('')).sort(), ['data', 'in.rdb', 'one.json', 'two.json', 'two.rdb']);
      directory.remove();
    }
  });
});
