import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { redisSkipReason, startRedis } from '../../test/support/server-process.ts';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { runCheckRdb } from './check-rdb.ts';
import { replaceFile, type Disk } from './disk.ts';
import { nodeDisk } from './node-disk.ts';
import { RdbWriter } from './rdb-writer.ts';
import { SimulatedDisk } from './simulated-disk.ts';

const skip = redisSkipReason();
const NOW = 1_700_000_000_000;
const PATH = '/data/dump.rdb';

function bytesOf(text: string): { bytes: Buffer; start: number; end: number } {
  const bytes = Buffer.from(text);
  return { bytes, start: 0, end: bytes.length };
}

/** Three keys in two databases; of two that expire one has. */
function ownFile(isChecksumming = true): Buffer {
  const chunks: Buffer[] = [];
  const writer = new RdbWriter({
    onChunk: (chunk) => void chunks.push(Buffer.from(chunk)),
    isCompressing: true,
    isChecksumming,
  });
  const write = (key: string, expiryMillis: number | undefined): void => {
    const facts = { key: bytesOf(key), expiryMillis, idleSeconds: undefined, frequency: undefined };
    writer.writeEntry({ ...facts, value: { kind: 'string', ...bytesOf('value') } });
  };
  writer.writeHeader({ 'redis-ver': '7.0.15' });
  writer.selectDatabase(0);
  write('first', undefined);
  write('second\u001b[31m', NOW - 1);
  writer.selectDatabase(5);
  write('third', NOW + 1);
  writer.end();
  return Buffer.concat(chunks);
}

function check(disk: Disk, ...args: string[]): { code: number; output: string } {
  let output = '';
  const code = runCheckRdb(args, {
    disk,
    nowMillis: () => NOW,
    write: (text) => (output += text),
    confirm: () => assert.fail('nothing to ask'),
  });
  return { code, output };
}

function checkBytes(bytes: Buffer): { code: number; output: string } {
  const disk = new SimulatedDisk();
  disk.makeDirectory('/data');
  replaceFile(disk, PATH, `${PATH}.temporary`, bytes);
  const result = check(disk, PATH);
  assert.equal(disk.openCount, 0);
  return result;
}

test('a sound file', () => {
  const { code, output } = checkBytes(ownFile());
  assert.equal(code, 0);
  assert.match(output, /^\[offset 0\] Checking RDB file \/data\/dump\.rdb\n\[info\] RDB version 10\n/);
  assert.match(output, /^\[offset 27\] AUX FIELD redis-ver = '7\.0\.15'$/m);
  assert.match(output, /^\[offset \d+\] Selecting DB ID 5$/m);
  assert.match(output, /^\[offset \d+\] Checksum OK$/m);
  assert.deepEqual(output.split('\n').slice(-6), [
    '[info] 3 keys read',
    '[info] 2 expires',
    '[info] 1 already expired',
    '[info] db0: keys=2,expires=1',
    '[info] db5: keys=1,expires=1',
    '',
  ]);
});

test('a file without checksum is said to have none', () => {
  const { code, output } = checkBytes(ownFile(false));
  assert.equal(code, 0);
  assert.match(output, /saved with checksum disabled/);
});

test('a wrong checksum names the place and the last key', () => {
  const bytes = ownFile();
  bytes[bytes.length - 1]! ^= 1;
  const { code, output } = checkBytes(bytes);
  assert.equal(code, 1);
  assert.match(output, new RegExp(`^\\[offset ${bytes.length}\\] wrong checksum`, 'm'));
  assert.match(output, /Last key that was read: 'third'/);
});

test('keys are not written to the terminal as they are', () => {
  const whole = ownFile();
  const { output } = checkBytes(whole.subarray(0, whole.indexOf('third')));
  assert.match(output, /Last key that was read: 'second\\x1b\[31m'/);
});

test('every shorter file, and every file with one byte changed, is refused', () => {
  const whole = ownFile();
  for (let length = 0; length < whole.length; length++) {
    const { code, output } = checkBytes(whole.subarray(0, length));
    assert.equal(code, 1, `${length}: ${output}`);
    assert.match(output, /--- RDB ERROR DETECTED ---/);
  }
  for (let at = 0; at < whole.length; at++) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 0x40;
    assert.equal(checkBytes(bytes).code, 1, String(at));
  }
});

test('a file that is not there, and wrong arguments', () => {
  const disk = new SimulatedDisk();
  assert.deepEqual(check(disk, '/none'), {
    code: 1,
    output: '[offset 0] Checking RDB file /none\nCannot read file /none: No such file or directory\n',
  });
  assert.match(check(disk).output, /^Usage: /);
  assert.equal(check(disk, 'a', 'b').code, 1);
});

test('a file of a real Redis, and its own tool on one of ours', { skip }, async () => {
  const directory = temporaryDirectory();
  try {
    const server = await startRedis(['--dir', directory.path]);
    const client = await server.connect();
    await client.command('RPUSH', 'list', 'a', 'b');
    await client.command('SET', 'a', '1', 'PXAT', String(Date.now() + 1_000_000));
    await client.command('SELECT', '3');
    await client.command('ZADD', 'zset', '1.5', 'a');
    await client.command('SAVE');
    client.close();
    await server.stop();

    const { code, output } = check(nodeDisk, join(directory.path, 'dump.rdb'));
    assert.equal(code, 0, output);
    assert.match(output, /\[info\] 3 keys read\n\[info\] 1 expires\n/);
    assert.match(output, /db0: keys=2,expires=1\n.*db3: keys=1,expires=0/);
    const theirs = spawnSync('redis-check-rdb', [join(directory.path, 'dump.rdb')], { encoding: 'utf8' });
    // What they say of the file we say too, in the same words: offsets, facts, databases, counts.
    for (const line of theirs.stdout.trim().split('\n')) assert.ok(output.includes(line), line);

    const own = join(directory.path, 'own.rdb');
    writeFileSync(own, ownFile());
    assert.equal(spawnSync('redis-check-rdb', [own]).status, 0);
  } finally {
    directory.remove();
  }
});
