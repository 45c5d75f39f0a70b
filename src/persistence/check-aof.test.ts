import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { redisSkipReason, startRedis } from '../../test/support/server-process.ts';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { Request } from '../protocol/request.ts';
import { AofWriter } from './aof-writer.ts';
import { MAIN_PATH } from '../compare/servers.ts';
import { runCheckAof } from './check-aof.ts';
import { fileSize, readFile, replaceFile, type Disk } from './disk.ts';
import { nodeDisk } from './node-disk.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { logMemory } from '../../test/support/log-memory.ts';

const skip = redisSkipReason();
const PATH = '/data/a.aof';
const PING = '*1\r\n$4\r\nPING\r\n';
const MANIFEST = 'file a.1.incr.aof seq 1 type i\nfile a.2.incr.aof seq 2 type i\n';
const RDB = Buffer.from('524544495330303130ff', 'hex');
const RDB_WITHOUT_CHECKSUM = Buffer.concat([RDB, Buffer.alloc(8)]);

interface Result {
  readonly code: number;
  readonly output: string;
}

function check(disk: Disk, args: readonly string[], answer?: boolean): Result {
  let output = '';
  const code = runCheckAof(args, {
    disk,
    nowMillis: () => 0,
    write: (text) => (output += text),
    confirm: (question) => {
      output += question;
      return answer ?? assert.fail('nothing to ask');
    },
  });
  return { code, output };
}

function diskWith(files: Readonly<Record<string, string | Buffer>>): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.makeDirectory('/data');
  for (const [name, content] of Object.entries(files)) {
    replaceFile(disk, `/data/${name}`, '/data/temporary', Buffer.from(content));
  }
  return disk;
}

/** A file with checksums, of three groups. */
function ownFile(disk: Disk, path: string): void {
  const background = { start: (): undefined => undefined, poll: (): 'done' => 'done' };
  const writer = new AofWriter({ ...logMemory(), disk, background, policy: 'always' });
  writer.open(path);
  for (const key of ['a', 'b', 'c']) {
    writer.append(0, Request.of([Buffer.from('SET'), Buffer.from(key), Buffer.from('value')]));
    assert.equal(writer.flush(), 'written');
  }
  assert.equal(writer.close(), 'written');
}

test('a whole file, with and without checksums', () => {
  const disk = diskWith({ 'a.aof': PING });
  assert.deepEqual(check(disk, [PATH]), {
    code: 0,
    output:
      'Start checking Old-Style AOF\n' +
      'AOF analyzed: filename=/data/a.aof, size=14, ok_up_to=14, diff=0\n' +
      'AOF /data/a.aof is valid\n',
  });
  ownFile(disk, '/data/own.aof');
  const { code, output } = check(disk, ['/data/own.aof']);
  assert.equal(code, 0);
  assert.match(output, /diff=0\nAOF \/data\/own\.aof is valid\n$/);
  assert.equal(disk.openCount, 0);
});

test('an empty file is fine', () => {
  assert.deepEqual(check(diskWith({ 'a.aof': '' }), [PATH]), {
    code: 0,
    output: 'Start checking Old-Style AOF\nAOF /data/a.aof is empty\n',
  });
});

test('a torn end is reported, and cut only after a yes', () => {
  const disk = diskWith({ 'a.aof': `${PING}*1\r\n$4\r\nPI` });
  const analysis = 'AOF analyzed: filename=/data/a.aof, size=24, ok_up_to=14, diff=10\n';
  const reported = check(disk, [PATH]);
  assert.equal(reported.code, 1);
  assert.match(reported.output, /^0x {15}e: The file ends within a command/m);
  assert.ok(
    reported.output.endsWith(`${analysis}AOF ${PATH} is not valid. Use the --fix option to try fixing it.\n`),
  );

  const question =
    'This will shrink the AOF /data/a.aof from 24 bytes, with 10 bytes, to 14 bytes\nContinue? [y/N]: ';
  const refused = check(disk, ['--fix', PATH], false);
  assert.equal(refused.code, 1);
  assert.ok(refused.output.endsWith(`${analysis}${question}Aborting...\n`));
  assert.equal(fileSize(disk, PATH), 24);

  const fixed = check(disk, ['--fix', PATH], true);
  assert.equal(fixed.code, 0);
  assert.ok(fixed.output.endsWith(`${question}Successfully truncated AOF /data/a.aof\n`));
  assert.equal(readFile(disk, PATH).toString(), PING);
  assert.equal(check(disk, ['--fix', PATH]).code, 0);
});

test('a transaction without its end', () => {
  const { code, output } = check(diskWith({ 'a.aof': `${PING}*1\r\n$5\r\nMULTI\r\n${PING}` }), [PATH]);
  assert.equal(code, 1);
  assert.match(output, /Reached EOF before reading EXEC for MULTI\n.*ok_up_to=14, diff=29\n/);
});

test('damage in the middle of a file with checksums: the place, and that good data may follow', () => {
  const disk = diskWith({});
  ownFile(disk, PATH);
  const bytes = readFile(disk, PATH);
  bytes[bytes.indexOf('value')]! ^= 1;
  replaceFile(disk, PATH, '/data/temporary', bytes);
  const { code, output } = check(disk, [PATH]);
  assert.equal(code, 1);
  assert.match(output, /^0x +[0-9a-f]+: checksum mismatch\n/m);
  assert.match(output, /is corrupt; of the \d+ bytes from ok_up_to on, some may be good data/);
  assert.equal(check(disk, ['--fix', PATH], true).code, 0);
  assert.equal(check(disk, [PATH]).code, 0);
});

test('every shorter file can be fixed, and is valid then', () => {
  const whole = diskWith({});
  ownFile(whole, PATH);
  const bytes = readFile(whole, PATH);
  for (let length = 1; length < bytes.length; length++) {
    const disk = diskWith({ 'a.aof': bytes.subarray(0, length) });
    assert.equal(check(disk, ['--fix', PATH], true).code, 0, String(length));
    assert.equal(check(disk, [PATH]).code, 0, String(length));
  }
});

test('a manifest: all files, of which only the last may be cut', () => {
  const files = { manifest: MANIFEST, 'a.1.incr.aof': PING, 'a.2.incr.aof': PING };
  const path = '/data/manifest';
  assert.deepEqual(check(diskWith(files), [path]), {
    code: 0,
    output:
      'Start checking Multi Part AOF\nStart to check INCR files.\n' +
      'AOF analyzed: filename=a.1.incr.aof, size=14, ok_up_to=14, diff=0\nINCR AOF a.1.incr.aof is valid\n' +
      'AOF analyzed: filename=a.2.incr.aof, size=14, ok_up_to=14, diff=0\nINCR AOF a.2.incr.aof is valid\n' +
      'All AOF files and manifest are valid\n',
  });
  const torn = check(diskWith({ ...files, 'a.1.incr.aof': '*1' }), ['--fix', path]);
  assert.equal(torn.code, 1);
  assert.match(torn.output, /Failed to truncate AOF a\.1\.incr\.aof because it is not the last file\n$/);

  const disk = diskWith({ ...files, 'a.2.incr.aof': `${PING}*1` });
  const fixed = check(disk, ['--fix', path], true);
  assert.equal(fixed.code, 0);
  assert.match(fixed.output, /truncated AOF a\.2\.incr\.aof\nAll AOF files and manifest are valid\n$/);
  assert.equal(readFile(disk, '/data/a.2.incr.aof').toString(), PING);
});

test('a manifest with a snapshot as its base', () => {
  const manifest = 'file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n';
  const files = { manifest, 'a.1.base.rdb': RDB_WITHOUT_CHECKSUM, 'a.1.incr.aof': '' };
  const { code, output } = check(diskWith(files), ['/data/manifest']);
  assert.equal(code, 0, output);
  assert.match(output, /Start to check BASE AOF \(RDB format\)\.\n/);
  assert.match(
    output,
    /RDB preamble is OK, proceeding with AOF tail\.\.\.\n.*\nBASE AOF a\.1\.base\.rdb is valid/,
  );
  assert.match(output, /INCR AOF a\.1\.incr\.aof is empty\n/);

  const damaged = check(diskWith({ ...files, 'a.1.base.rdb': RDB }), ['/data/manifest']);
  assert.equal(damaged.code, 1);
  assert.match(damaged.output, /RDB preamble of AOF file is not sane, aborting\.\n$/);
});

test('a manifest that is bad, or names a file that is not there', () => {
  const line = 'file a.1.incr.aof seq 1 type i\n';
  const bad = check(diskWith({ manifest: `# comment\n${line}${line}` }), ['/data/manifest']);
  assert.equal(bad.code, 1);
  assert.match(bad.output, /Found a non-monotonic sequence number at line 3: file a\.1\.incr\.aof/);
  const missing = check(diskWith({ manifest: line }), ['/data/manifest']);
  assert.equal(missing.code, 1);
  assert.match(missing.output, /Cannot open file \/data\/a\.1\.incr\.aof: No such file or directory\n$/);
});

test('an old file that begins with a snapshot', () => {
  const disk = diskWith({ 'a.aof': Buffer.concat([RDB_WITHOUT_CHECKSUM, Buffer.from(`${PING}*`)]) });
  assert.match(check(disk, [PATH]).output, /size=33, ok_up_to=32, diff=1\n/);
  assert.equal(check(disk, ['--fix', PATH], true).code, 0);
  assert.equal(fileSize(disk, PATH), 32);
});

test('a cut at a time', () => {
  const timed = `#TS:5\r\n${PING}#TS:9\r\n${PING}`;
  const disk = diskWith({ 'a.aof': timed, manifest: MANIFEST, 'a.1.incr.aof': timed, 'a.2.incr.aof': PING });
  const cut = (seconds: string, path = PATH): Result =>
    check(disk, ['--truncate-to-timestamp', seconds, path]);

  assert.match(cut('4').output, /has nothing before timestamp 4, aborting\.\.\.\n$/);
  assert.match(cut('9').output, /Truncate nothing in AOF \S+ to timestamp 9\nAOF \S+ is valid\n$/);
  assert.equal(fileSize(disk, PATH), timed.length);
  assert.deepEqual(cut('6'), {
    code: 0,
    output: 'Start checking Old-Style AOF\nSuccessfully truncated AOF /data/a.aof to timestamp 6\n',
  });
  assert.equal(readFile(disk, PATH).toString(), `#TS:5\r\n${PING}`);

  const notLast = cut('6', '/data/manifest');
  assert.equal(notLast.code, 1);
  assert.match(notLast.output, /to timestamp 6 to offset 21 because it is not the last file\.\n/);
  assert.equal(cut('6s').output, 'Invalid timestamp, aborting...\n');
});

test('wrong arguments', () => {
  const disk = diskWith({ 'a.aof': PING });
  for (const args of [[], ['--repair', PATH], ['--fix', '--fix', PATH], [PATH, PATH]]) {
    const { code, output } = check(disk, args);
    assert.equal(code, 1);
    assert.match(output, /^Usage: redis-clone-ts check-aof /);
  }
});

test('a directory of a real Redis gets the verdict of its own tool', { skip }, async () => {
  const directory = temporaryDirectory();
  try {
    const server = await startRedis(['--dir', directory.path, '--appendonly', 'yes']);
    const client = await server.connect();
    await client.command('SET', 'a', '1');
    await client.command('LPUSH', 'list', 'a', 'b');
    client.close();
    await server.stop();

    const files = join(directory.path, 'appendonlydir');
    const manifest = join(files, 'appendonly.aof.manifest');
    const increment = join(files, 'appendonly.aof.1.incr.aof');
    const theirVerdict = (): number | null => spawnSync('redis-check-aof', [manifest]).status;
    assert.equal(check(nodeDisk, [manifest]).code, 0);
    assert.equal(theirVerdict(), 0);

    const bytes = readFile(nodeDisk, increment);
    replaceFile(nodeDisk, increment, `${increment}.temporary`, bytes.subarray(0, -3));
    assert.equal(check(nodeDisk, [manifest]).code, 1);
    assert.equal(theirVerdict(), 1);
    assert.equal(check(nodeDisk, ['--fix', manifest], true).code, 0);
    assert.equal(theirVerdict(), 0);
  } finally {
    directory.remove();
  }
});

test('as a program: the answer comes from standard input', () => {
  const directory = temporaryDirectory();
  try {
    const path = join(directory.path, 'a.aof');
    const run = (input: string): { status: number | null; stdout: string } =>
      spawnSync(process.execPath, [MAIN_PATH, 'check-aof', '--fix', path], { input, encoding: 'utf8' });
    writeFileSync(path, `${PING}*1`);
    assert.match(run('').stdout, /Aborting\.\.\.\n$/);
    assert.match(run('n\n').stdout, /Aborting\.\.\.\n$/);
    const { status, stdout } = run('y\n');
    assert.match(stdout, /Continue\? \[y\/N\]: Successfully truncated AOF/);
    assert.equal(status, 0);
    assert.equal(run('').status, 0);
  } finally {
    directory.remove();
  }
});
