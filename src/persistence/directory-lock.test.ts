import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { DirectoryInUseError, DirectoryLock, LOCK_FILE_NAME, type ProcessTable } from './directory-lock.ts';
import { nodeDisk } from './node-disk.ts';
import { SimulatedDisk } from './simulated-disk.ts';

const LOCK_PATH = `/${LOCK_FILE_NAME}`;

/** Processes by id, with their start times. */
function processes(ownPid: number, others: Readonly<Record<number, number>> = {}): ProcessTable {
  const startTimes: Readonly<Record<number, number>> = { [ownPid]: 5, ...others };
  return { ownPid, startTime: (pid) => startTimes[pid] };
}

function diskWith(contents: string): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.plant(LOCK_PATH, Buffer.from(contents));
  return disk;
}

function acquire(disk: SimulatedDisk, table: ProcessTable): void {
  DirectoryLock.acquire(disk, '/', table).release();
}

test('a lock is taken, kept from others and released', () => {
  const disk = new SimulatedDisk();
  const lock = DirectoryLock.acquire(disk, '/', processes(10));
  assert.equal(disk.contents(LOCK_PATH).toString(), '10 5\n');
  assert.throws(() => acquire(disk, processes(10)), DirectoryInUseError);
  lock.release();
  lock.release();
  assert.deepEqual(disk.list('/'), []);
  acquire(disk, processes(10));
});

test('a holder that lives keeps its lock', () => {
  assert.throws(() => acquire(diskWith('11 7\n'), processes(10, { 11: 7 })), /in use by .* \(process 11\)/);
  // Where start times are not known, the process id decides.
  assert.throws(() => acquire(diskWith('11 0\n'), processes(10, { 11: 7 })), DirectoryInUseError);
  assert.throws(() => acquire(diskWith('11 7\n'), processes(10, { 11: 0 })), DirectoryInUseError);
});

test('another server of this process keeps its lock', () => {
  assert.throws(() => acquire(diskWith('10 5\n'), processes(10)), /in use by .* \(process 10\)/);
});

test('leftovers are replaced', () => {
  for (const leftover of ['11 7\n', '12 7\n', '10 4\n', 'damaged', '']) {
    const disk = diskWith(leftover);
    acquire(disk, processes(10, { 12: 8 }));
    assert.deepEqual(disk.list('/'), [], leftover);
  }
});

test('a lock that someone else has put there is not released', () => {
  const disk = new SimulatedDisk();
  const lock = DirectoryLock.acquire(disk, '/', processes(10));
  disk.plant(LOCK_PATH, Buffer.from('11 7\n'));
  lock.release();
  assert.equal(disk.contents(LOCK_PATH).toString(), '11 7\n');
});

test('real processes', async () => {
  const directory = temporaryDirectory();
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  try {
    await once(child, 'spawn');
    writeFileSync(join(directory.path, LOCK_FILE_NAME), `${child.pid} 0\n`);
    assert.throws(() => DirectoryLock.acquire(nodeDisk, directory.path), DirectoryInUseError);
    const exited = once(child, 'exit');
    child.kill();
    await exited;
    DirectoryLock.acquire(nodeDisk, directory.path).release();
    assert.deepEqual(nodeDisk.list(directory.path), []);
  } finally {
    child.kill();
    directory.remove();
  }
});
