import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Request } from '../protocol/request.ts';
import { ManualClock } from '../util/clock.ts';
import { AofReader } from './aof-reader.ts';
import type { FsyncPolicy } from './aof-writer-sync.ts';
import { AofWriter } from './aof-writer.ts';
import { DiskError, type Descriptor } from './disk.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { logMemory } from '../../test/support/log-memory.ts';

const PATH = '/a.aof';
const NEXT_PATH = '/b.aof';

/** A background thread that does what the test says. */
class ManualSync {
  started: Descriptor[] = [];
  outcome: 'running' | 'done' | DiskError = 'running';

  start(fd: Descriptor): void {
    this.started.push(fd);
    this.outcome = 'running';
  }

  poll(): 'running' | 'done' | DiskError {
    return this.outcome;
  }
}

function setUp(policy: FsyncPolicy): {
  disk: SimulatedDisk;
  clock: ManualClock;
  background: ManualSync;
  writer: AofWriter;
} {
  const disk = new SimulatedDisk();
  const clock = new ManualClock(1_700_000_000_000);
  const background = new ManualSync();
  const writer = new AofWriter({ ...logMemory(), disk, background, policy, clock });
  writer.open(PATH);
  return { disk, clock, background, writer };
}

function request(...args: string[]): Request {
  return Request.of(args.map((arg) => Buffer.from(arg)));
}

function commandsIn(disk: SimulatedDisk, path: string): string[] {
  const reader = new AofReader({ disk, path });
  const commands: string[] = [];
  while (reader.next()) {
    const { request: found } = reader;
    commands.push(Array.from({ length: found.count }, (_, i) => found.text(i)).join(' '));
  }
  reader.close();
  assert.equal(reader.end?.kind, 'complete');
  return commands;
}

test('the bytes of a file', () => {
  const { disk, clock, writer } = setUp('always');
  writer.timestampEnabled = true;
  writer.append(0, request('SET', 'a', '1'));
  writer.append(0, request('SET', 'b', ''));
  writer.flush();
  clock.advance(1000);
  writer.multi(9);
  writer.append(9, request('INCR', 'a'));
  writer.exec();
  assert.equal(writer.flush(), 'written');
  const text = disk
    .contents(PATH)
    .toString()
    .replaceAll(/CRC64:[0-9a-f]{16}/g, 'CRC64:x');
  assert.deepEqual(text.split('\r\n'), [
    ...['#SYNCED:0', '#CRC64:x 11', '#TS:1700000000', '*2', '$6', 'select', '$1', '0'],
    ...['*3', '$3', 'SET', '$1', 'a', '$1', '1', '*3', '$3', 'SET', '$1', 'b', '$0', '', '#CRC64:x 92'],
    ...['#TS:1700000001', '#SYNCED:159', '*2', '$6', 'select', '$1', '9'],
    ...['*1', '$5', 'MULTI', '*2', '$4', 'INCR', '$1', 'a', '*1', '$4', 'EXEC', '#CRC64:x 102', ''],
  ]);
});

test('a flush within a transaction is a bug', () => {
  const { writer } = setUp('no');
  writer.multi(0);
  assert.throws(() => writer.flush(), /within MULTI/);
});

test('always: synced with every flush, and a failure is final', () => {
  const { disk, writer } = setUp('always');
  writer.append(0, request('SET', 'a', '1'));
  assert.equal(writer.flush(), 'written');
  assert.equal(writer.syncedSize, writer.size);
  writer.append(0, request('SET', 'a', '2'));
  disk.failOperation(2, 'EIO');
  assert.equal(writer.flush(), 'untrusted');
  assert.equal(writer.error?.reason, 'Input/output error');
  assert.equal(writer.flush(), 'untrusted');
  writer.abandon();
  writer.open(NEXT_PATH);
  writer.append(0, request('SET', 'a', '3'));
  assert.equal(writer.flush(), 'written');
  assert.deepEqual(commandsIn(disk, NEXT_PATH), ['select 0', 'SET a 3']);
});

test('a short write is cut off and tried again', () => {
  const { disk, writer } = setUp('everysec');
  const { size } = writer;
  writer.append(0, request('SET', 'a', '1'));
  disk.failOperation(1, 'short');
  assert.equal(writer.flush(), 'write-error');
  assert.equal(writer.error?.code, 'ENOSPC');
  assert.equal(disk.contents(PATH).length, size);
  writer.append(0, request('SET', 'b', '2'));
  assert.equal(writer.flush(), 'written');
  assert.equal(writer.state, 'ok');
  assert.deepEqual(commandsIn(disk, PATH), ['select 0', 'SET a 1', 'SET b 2']);
});

test('a short write that cannot be cut off is gone on from', () => {
  class NoTruncate extends SimulatedDisk {
    override truncate(): void {
      throw new DiskError('truncate', 'EIO', PATH);
    }
  }
  const disk = new NoTruncate();
  const writer = new AofWriter({ ...logMemory(), disk, background: new ManualSync(), policy: 'everysec' });
  writer.open(PATH);
  writer.append(0, request('SET', 'a', '1'));
  disk.failOperation(1, 'short');
  assert.equal(writer.flush(), 'write-error');
  assert.equal(disk.contents(PATH).length, writer.size);
  assert.ok(writer.partialBytes > 0 && writer.pendingBytes > 0);
  writer.append(0, request('SET', 'b', '2'));
  assert.equal(writer.flush(), 'written');
  assert.equal(writer.partialBytes, 0);
  assert.deepEqual(commandsIn(disk, PATH), ['select 0', 'SET a 1', 'SET b 2']);
});

test('everysec: one sync a second, writes wait for it up to two', () => {
  const { clock, background, writer } = setUp('everysec');
  writer.append(0, request('SET', 'a', '1'));
  assert.equal(writer.flush(), 'written');
  assert.equal(background.started.length, 0);
  clock.advance(1000);
  assert.equal(writer.flush(), 'written');
  assert.equal(background.started.length, 1);

  writer.append(0, request('SET', 'a', '2'));
  assert.equal(writer.flush(), 'postponed');
  clock.advance(1999);
  assert.equal(writer.flush(), 'postponed');
  clock.advance(1);
  assert.equal(writer.flush(), 'written');
  assert.equal(writer.delayedSyncCount, 1);

  const { syncedSize } = writer;
  background.outcome = 'done';
  writer.append(0, request('SET', 'a', '3'));
  assert.equal(writer.flush(), 'written');
  assert.ok(writer.syncedSize > syncedSize && writer.syncedSize < writer.size);
  assert.equal(background.started.length, 2);
  background.outcome = new DiskError('fsync', 'EIO', PATH);
  assert.equal(writer.flush(), 'untrusted');
});

test('everysec: a forced flush does not wait; held syncs do not start', () => {
  const { clock, background, writer } = setUp('everysec');
  writer.syncHeld = true;
  writer.append(0, request('SET', 'a', '1'));
  clock.advance(5000);
  writer.flush();
  assert.equal(background.started.length, 0);
  writer.syncHeld = false;
  writer.flush();
  assert.equal(background.started.length, 1);
  writer.append(0, request('SET', 'a', '2'));
  assert.equal(writer.flush(true), 'written');
  assert.equal(writer.pendingBytes, 0);
});

test('no: never synced until it is closed', () => {
  const { disk, clock, background, writer } = setUp('no');
  writer.append(0, request('SET', 'a', '1'));
  clock.advance(5000);
  writer.flush();
  assert.equal(background.started.length, 0);
  assert.equal(writer.close(), 'written');
  assert.equal(disk.openCount, 0);
});

test('a rotation during a background sync keeps the descriptor until that is over', () => {
  const { disk, clock, background, writer } = setUp('everysec');
  writer.append(0, request('SET', 'a', '1'));
  clock.advance(1000);
  writer.flush();
  writer.append(0, request('SET', 'b', '1'));
  let published = false;
  assert.equal(
    writer.rotate(NEXT_PATH, () => (published = true)),
    undefined,
  );
  assert.equal(published, true);
  assert.equal(disk.openCount, 2);
  assert.deepEqual(commandsIn(disk, PATH), ['select 0', 'SET a 1', 'SET b 1']);
  background.outcome = 'done';
  writer.append(0, request('SET', 'c', '1'));
  writer.flush();
  assert.equal(disk.openCount, 1);
  assert.deepEqual(commandsIn(disk, NEXT_PATH), ['select 0', 'SET c 1']);
});

test('a rotation that cannot be published stays with the old file', () => {
  const { disk, writer } = setUp('always');
  const failure = new DiskError('rename', 'ENOSPC', NEXT_PATH);
  const error = writer.rotate(NEXT_PATH, () => {
    throw failure;
  });
  assert.equal(error, failure);
  assert.equal(writer.path, PATH);
  assert.equal(disk.openCount, 1);
});
