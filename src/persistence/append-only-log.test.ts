import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { MemoryLog } from '../../test/support/loading.ts';
import { Request } from '../protocol/request.ts';
import { ManualClock } from '../util/clock.ts';
import { AofPaths, EMPTY_MANIFEST, loadManifest, persistManifest, withRewrite } from './aof-manifest.ts';
import { AofReader } from './aof-reader.ts';
import type { FsyncPolicy } from './aof-writer-sync.ts';
import { AppendOnlyLog, type RewritePlan } from './append-only-log.ts';
import { attempt, type DiskError } from './disk.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { logMemory } from '../../test/support/log-memory.ts';

const PATHS = new AofPaths('/data', 'appendonlydir', 'appendonly.aof');

let disk = newDisk();
let log = new MemoryLog();
let clock = new ManualClock();

beforeEach(() => {
  disk = newDisk();
  log = new MemoryLog();
  clock = new ManualClock(1_700_000_000_000);
});

function newDisk(): SimulatedDisk {
  const created = new SimulatedDisk();
  created.makeDirectory('/data');
  created.syncDirectory('/');
  return created;
}

/** Syncs in the background are done when they are asked about. */
function newLog(policy: FsyncPolicy): AppendOnlyLog {
  let fd = -1;
  const background = {
    start: (descriptor: number) => void (fd = descriptor),
    poll: () => attempt(() => disk.fsync(fd)) ?? ('done' as const),
  };
  const stopAtOnce = (reason: string): never => {
    throw new Error(reason);
  };
  return new AppendOnlyLog(
    { ...logMemory(), disk, paths: PATHS, background, log, clock, stopAtOnce },
    policy,
  );
}

function running(policy: FsyncPolicy = 'everysec'): AppendOnlyLog {
  const appendOnlyLog = newLog(policy);
  appendOnlyLog.resume();
  return appendOnlyLog;
}

function append(appendOnlyLog: AppendOnlyLog, key: string): void {
  appendOnlyLog.append(0, Request.of(['SET', key, 'value'].map((word) => Buffer.from(word))));
}

function startedAgain(): AppendOnlyLog {
  const appendOnlyLog = newLog('no');
  appendOnlyLog.know(loadManifest(disk, PATHS)!);
  appendOnlyLog.resume();
  return appendOnlyLog;
}

/** Keys in a file, in order. */
function keysIn(name: string): string[] {
  const reader = new AofReader({ disk, path: `${PATHS.directory}/${name}` });
  const keys: string[] = [];
  while (reader.next()) if (reader.request.count === 3) keys.push(reader.request.text(1));
  reader.close();
  assert.equal(reader.end?.kind, 'complete');
  return keys;
}

function files(): string {
  const { base, increments, history } = loadManifest(disk, PATHS) ?? EMPTY_MANIFEST;
  const names = (kind: string, list: readonly { sequence: number }[]) =>
    list.map(({ sequence }) => `${kind}${sequence}`);
  return [
    ...names('b', base === undefined ? [] : [base]),
    ...names('i', increments),
    ...names('h', history),
  ].join(' ');
}

/** What the persistence thread does when the base is written. */
function switchTo(appendOnlyLog: AppendOnlyLog, plan: RewritePlan): void {
  disk.plant(PATHS.of(plan.base), Buffer.from(''));
  const manifest = withRewrite(plan.manifest, plan.base, plan.firstKept);
  persistManifest(disk, PATHS, manifest);
  appendOnlyLog.adopt({ ...manifest, history: [] });
}

test('a first start creates an increment and the manifest', () => {
  const appendOnlyLog = running('always');
  append(appendOnlyLog, 'a');
  assert.ok(appendOnlyLog.pendingBytes > 0);
  appendOnlyLog.flush();

  assert.equal(appendOnlyLog.pendingBytes, 0);
  assert.equal(files(), 'i1');
  assert.deepEqual(keysIn('appendonly.aof.1.incr.aof'), ['a']);
});

test('nothing is wanted while it is off, nor before the cut of the first rewrite', () => {
  const appendOnlyLog = newLog('always');
  assert.equal(appendOnlyLog.isWanted, false);
  appendOnlyLog.turnOn();
  assert.equal(appendOnlyLog.isWanted, false);
  appendOnlyLog.flush();

  assert.equal(appendOnlyLog.currentBytes, 0);
  assert.equal(disk.exists(PATHS.directory), false);
});

test('a rewrite begins a new increment and replaces what came before', () => {
  const appendOnlyLog = running();
  append(appendOnlyLog, 'a');
  const plan = appendOnlyLog.beginRewrite('rdb');
  append(appendOnlyLog, 'b');
  appendOnlyLog.flush();
  assert.equal(files(), 'i1 i2');
  assert.ok(plan !== undefined);

  switchTo(appendOnlyLog, plan);

  assert.equal(files(), 'b1 i2 h1');
  assert.deepEqual(keysIn('appendonly.aof.2.incr.aof'), ['b']);
  assert.equal(appendOnlyLog.rewrittenBytes, appendOnlyLog.currentBytes);
});

test('turned on, it waits: its files count from the end of the first rewrite on', () => {
  const appendOnlyLog = newLog('always');
  appendOnlyLog.turnOn();
  append(appendOnlyLog, 'before the cut');
  const plan = appendOnlyLog.beginRewrite('rdb');
  append(appendOnlyLog, 'after the cut');
  appendOnlyLog.flush();
  assert.equal(appendOnlyLog.mode, 'waiting');
  assert.equal(files(), '');
  assert.ok(plan !== undefined);

  switchTo(appendOnlyLog, plan);

  assert.equal(appendOnlyLog.mode, 'on');
  assert.equal(files(), 'b1 i1');
  assert.deepEqual(keysIn('appendonly.aof.1.incr.aof'), ['after the cut']);
});

test('turned off and on again during a rewrite, it waits for another one', () => {
  const appendOnlyLog = newLog('always');
  appendOnlyLog.turnOn();
  const first = appendOnlyLog.beginRewrite('rdb')!;
  appendOnlyLog.turnOff();
  appendOnlyLog.turnOn();
  append(appendOnlyLog, 'between');

  switchTo(appendOnlyLog, first);
  assert.equal(appendOnlyLog.mode, 'waiting');
  const second = appendOnlyLog.beginRewrite('rdb')!;
  append(appendOnlyLog, 'after');
  appendOnlyLog.flush();
  switchTo(appendOnlyLog, second);

  assert.equal(appendOnlyLog.mode, 'on');
  assert.equal(files(), 'b2 i2 h1 h1');
  assert.deepEqual(keysIn('appendonly.aof.2.incr.aof'), ['after']);
});

test('a failed sync: an error until a rewrite has made a new file', () => {
  const appendOnlyLog = running();
  append(appendOnlyLog, 'a');
  clock.advance(2000);
  appendOnlyLog.flush();
  disk.failOperation(1, 'EIO');
  appendOnlyLog.flush();
  assert.equal(appendOnlyLog.error?.code, 'EIO');
  assert.equal(appendOnlyLog.mode, 'waiting');

  appendOnlyLog.flush();
  assert.equal(appendOnlyLog.error?.code, 'EIO', 'a sync that succeeds proves nothing');
  const plan = appendOnlyLog.beginRewrite('rdb')!;
  appendOnlyLog.flush();
  assert.ok(appendOnlyLog.error !== undefined);
  assert.equal(files(), 'i1');
  switchTo(appendOnlyLog, plan);

  assert.equal(appendOnlyLog.error, undefined);
  assert.equal(appendOnlyLog.mode, 'on');
  assert.equal(files(), 'b1 i2 h1');
});

test('a failed write: an error until one succeeds, and nothing is missing', () => {
  const appendOnlyLog = running();
  append(appendOnlyLog, 'a');
  disk.failOperation(1, 'ENOSPC');
  appendOnlyLog.flush();
  assert.equal(appendOnlyLog.error?.reason, 'No space left on device');
  assert.equal(appendOnlyLog.mode, 'on');

  appendOnlyLog.flush();

  assert.equal(appendOnlyLog.error, undefined);
  assert.deepEqual(keysIn('appendonly.aof.1.incr.aof'), ['a']);
});

test('under always a failed write or sync ends the server', () => {
  for (const [operation, what] of ['write', 'fsync'].entries()) {
    disk = newDisk();
    const appendOnlyLog = running('always');
    append(appendOnlyLog, 'a');
    disk.failOperation(operation + 1, 'EIO');
    assert.throws(() => appendOnlyLog.flush(), new RegExp(`Can't recover from AOF ${what} error`));
  }
});

test('the increment of a rotation that failed is never written: the manifest may name it', () => {
  const appendOnlyLog = running();
  append(appendOnlyLog, 'a');
  appendOnlyLog.flushAndSync();
  // Creating and syncing the file are four operations, the manifest another five; the last is the directory.
  disk.failOperation(9, 'EIO');
  assert.equal(appendOnlyLog.beginRewrite('rdb'), undefined);
  assert.equal(files(), 'i1 i2', 'it is there, and may be gone after a crash');

  append(appendOnlyLog, 'b');
  appendOnlyLog.turnOff();
  appendOnlyLog.turnOn();
  const plan = appendOnlyLog.beginRewrite('rdb')!;
  append(appendOnlyLog, 'c');
  appendOnlyLog.flush();

  assert.deepEqual(keysIn('appendonly.aof.1.incr.aof'), ['a', 'b']);
  assert.deepEqual(keysIn('appendonly.aof.2.incr.aof'), []);
  assert.deepEqual(keysIn('appendonly.aof.3.incr.aof'), ['c']);
  switchTo(appendOnlyLog, plan);
  assert.equal(files(), 'b1 i3 h1 h2');
});

test('a base whose manifest was not switched is never written again', () => {
  const appendOnlyLog = running();
  const [first, second] = [appendOnlyLog.beginRewrite('rdb')!, appendOnlyLog.beginRewrite('rdb')!];
  assert.notEqual(first.base.name, second.base.name);
  switchTo(appendOnlyLog, second);
  assert.equal(files(), 'b2 i3 h2 h1 h1');
});

test('what was read from a file is written again before it is gone on with', () => {
  const first = running('no');
  append(first, 'a');
  first.flush();
  // An end without a sync, and the next start's sync fails: the kernel has marked the pages clean.
  let error: DiskError | undefined;
  for (let index = 1; error?.operation !== 'fsync'; index++) {
    disk.failOperation(index, 'EIO');
    error = attempt(() => startedAgain());
  }

  startedAgain();

  for (let seed = 1; seed <= 20; seed++) {
    const living = disk;
    disk = living.crash(seed);
    assert.deepEqual(keysIn('appendonly.aof.1.incr.aof'), ['a']);
    disk = living;
  }
});

test('always demands at once that everything is synced', () => {
  const appendOnlyLog = running('no');
  append(appendOnlyLog, 'a');
  appendOnlyLog.configure({ policy: 'always', hasTimestamps: false, holdsSyncs: false });

  const living = disk;
  for (let seed = 1; seed <= 20; seed++) {
    disk = living.crash(seed);
    assert.deepEqual(keysIn('appendonly.aof.1.incr.aof'), ['a']);
  }
});

test('a rewrite while it is off leaves a base and nothing to go on with', () => {
  const appendOnlyLog = running();
  append(appendOnlyLog, 'a');
  appendOnlyLog.turnOff();
  const plan = appendOnlyLog.beginRewrite('aof')!;
  switchTo(appendOnlyLog, plan);
  assert.equal(files(), 'b1 h1');
  assert.equal(appendOnlyLog.mode, 'off');
});
