import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DiskError } from './disk.ts';
import { PowerFailure, SimulatedDisk, type FaultKind } from './simulated-disk.ts';
import { SnapshotFile } from './snapshot-file.ts';

const OLD = Buffer.alloc(3000, 'old ');
/** More than what is collected before it is written, in writes smaller and larger than that. */
const PIECES = [Buffer.alloc(700_000, 'a'), ...Array.from({ length: 700 }, (_, i) => Buffer.alloc(1000, i))];
const NEW = Buffer.concat(PIECES);

const CRASH_SEEDS = 5;

function diskWithOldFile(): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.plant('/data/dump.rdb', OLD);
  return disk;
}

function open(disk: SimulatedDisk): SnapshotFile {
  return new SnapshotFile(disk, { directory: '/data', temporaryName: 'temp-1.rdb', syncEveryBytes: 500_000 });
}

function save(disk: SimulatedDisk): void {
  const file = open(disk);
  for (const piece of PIECES) file.write(piece, 0, piece.length);
  file.finish('dump.rdb');
}

function isOldOrNew(contents: Buffer): boolean {
  return contents.equals(OLD) || contents.equals(NEW);
}

test('takes the place of the old file, durably', () => {
  const disk = diskWithOldFile();
  save(disk);
  assert.equal(disk.openCount, 0);
  assert.deepEqual(disk.list('/data'), ['dump.rdb']);
  for (let seed = 0; seed < CRASH_SEEDS; seed++) {
    assert.ok(disk.crash(seed).contents('/data/dump.rdb').equals(NEW));
  }
});

test('collects small writes, and counts', () => {
  const disk = diskWithOldFile();
  const file = open(disk);
  const operations = disk.operationCount;
  for (let i = 0; i < 1000; i++) file.write(Buffer.from('some bytes'), 1, 4);
  assert.equal(disk.operationCount, operations);
  assert.equal(file.byteCount, 3000);
  file.discard();
  file.discard();
  assert.deepEqual(disk.list('/data'), ['dump.rdb']);
  assert.throws(() => file.finish('dump.rdb'), /closed/);
});

for (const kind of ['EIO', 'ENOSPC', 'short', 'power'] as const satisfies readonly FaultKind[]) {
  for (const isPermanent of [false, true]) {
    test(`${kind} ${isPermanent ? 'from' : 'at'} every operation: old or new, whole`, () => {
      for (let index = 1; ; index++) {
        const disk = diskWithOldFile();
        disk.failOperation(index, kind, isPermanent || kind === 'power');
        const before = disk.operationCount;
        let error: unknown;
        try {
          save(disk);
        } catch (thrown) {
          error = thrown;
        }
        const isPast = disk.operationCount - before < index;
        disk.clearFault();

        const what = `operation ${index}: ${String(error)}`;
        assert.ok(error === undefined || error instanceof DiskError || error instanceof PowerFailure, what);
        if (error instanceof DiskError) assert.equal(disk.openCount, 0, what);
        if (error instanceof DiskError && !isPermanent)
          assert.deepEqual(disk.list('/data'), ['dump.rdb'], what);
        const isDirectorySync = error instanceof DiskError && error.operation === 'sync-directory';
        const contents = disk.contents('/data/dump.rdb');
        if (error === undefined) assert.ok(contents.equals(NEW), what);
        else if (error instanceof DiskError && !isDirectorySync) assert.ok(contents.equals(OLD), what);
        for (let seed = 0; seed < CRASH_SEEDS; seed++) {
          const survived = disk.crash(index * 100 + seed).contents('/data/dump.rdb');
          assert.ok(
            error === undefined ? survived.equals(NEW) : isOldOrNew(survived),
            `${what}, crash ${seed}`,
          );
        }
        if (isPast) break;
      }
    });
  }
}
