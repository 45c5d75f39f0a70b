import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { MemoryLog } from '../../test/support/loading.ts';
import { AofPaths, loadManifest, type AofFile, type AofManifest } from './aof-manifest.ts';
import { SimulatedDisk, type FaultKind } from './simulated-disk.ts';
import {
  runSnapshotJob,
  writeSnapshot,
  type JobOutcome,
  type RewriteTask,
  type SnapshotJob,
  type SnapshotTarget,
} from './snapshot-job.ts';
import type { SnapshotFacts, SnapshotSink } from './snapshot-sink.ts';

const PATHS = new AofPaths('/data', 'appendonlydir', 'appendonly.aof');
const DUMP = '/data/dump.rdb';
const TEMPORARY = '/data/temp-1.rdb';
const OLD = Buffer.from('the old file');

const BASE: AofFile = { name: 'appendonly.aof.2.base.rdb', sequence: 2 };
const OLD_BASE: AofFile = { name: 'appendonly.aof.1.base.rdb', sequence: 1 };
const FIRST: AofFile = { name: 'appendonly.aof.1.incr.aof', sequence: 1 };
const SECOND: AofFile = { name: 'appendonly.aof.2.incr.aof', sequence: 2 };
const MANIFEST: AofManifest = { base: OLD_BASE, increments: [FIRST, SECOND], history: [] };

const FACTS: SnapshotFacts = {
  unixMillis: 1_700_000_000_000,
  keyCount: 1,
  databases: [{ index: 0, keyCount: 1, expiringCount: 0 }],
  usedMemory: 0,
  isAofBase: false,
};
const TARGET: SnapshotTarget = {
  format: 'rdb',
  directory: '/data',
  temporaryName: 'temp-1.rdb',
  finalName: 'dump.rdb',
  isCompressing: true,
  isChecksumming: true,
  syncEveryBytes: 0,
};
const REWRITE: RewriteTask = {
  dataDirectory: '/data',
  directoryName: 'appendonlydir',
  fileName: 'appendonly.aof',
  plan: { manifest: MANIFEST, base: BASE, firstKept: SECOND },
  deletesHistory: true,
};

let disk = new SimulatedDisk();
let log = new MemoryLog();

beforeEach(() => {
  disk = newDisk();
  log = new MemoryLog();
});

function newDisk(): SimulatedDisk {
  const created = new SimulatedDisk();
  created.makeDirectory(PATHS.directory);
  created.plant(DUMP, OLD);
  for (const file of [OLD_BASE, FIRST, SECOND]) created.plant(PATHS.of(file), Buffer.from(file.name));
  return created;
}

function walk(sink: SnapshotSink) {
  const range = (text: string) => ({ bytes: Buffer.from(text), start: 0, end: text.length });
  const none = { expiryMillis: undefined, idleSeconds: undefined, frequency: undefined };
  sink.begin(FACTS);
  sink.entry(0, { key: range('key'), value: { kind: 'string', ...range('value') }, ...none });
  sink.end();
  return { keyCount: 1, isAborted: false };
}

function run(rewrite?: RewriteTask): JobOutcome {
  const target =
    rewrite === undefined ? TARGET : { ...TARGET, directory: PATHS.directory, finalName: BASE.name };
  const job: SnapshotJob = { id: 7, target, facts: FACTS, accessFacts: 'none', rewrite };
  return runSnapshotJob(job, { disk, log, walk });
}

test('a save replaces the old file and says so', () => {
  assert.deepEqual(run(), { kind: 'save', result: 'done', manifest: undefined });
  assert.ok(disk.contents(DUMP).subarray(0, 5).equals(Buffer.from('REDIS')));
  assert.equal(disk.exists(TEMPORARY), false);
  assert.match(
    log.lines.join('\n'),
    /started, job 7: 1 keys to dump\.rdb\n.*success, job 7: 1 keys, \d+ bytes/,
  );
});

test('a save that is given up leaves the old file', () => {
  const job: SnapshotJob = { id: 7, target: TARGET, facts: FACTS, accessFacts: 'none', rewrite: undefined };
  const outcome = runSnapshotJob(job, { disk, log, walk: (sink) => ({ ...walk(sink), isAborted: true }) });
  assert.equal(outcome.result, 'aborted');
  assert.ok(disk.contents(DUMP).equals(OLD));
  assert.equal(disk.exists(TEMPORARY), false);
});

test('a bug in the walk is thrown on, and leaves no file behind', () => {
  const failing = (): never => {
    throw new TypeError('a bug');
  };
  assert.throws(() => writeSnapshot(disk, TARGET, failing), TypeError);
  assert.equal(disk.exists(TEMPORARY), false);
  assert.equal(disk.openCount, 0);
});

test('a rewrite switches the manifest and deletes what it replaces', () => {
  const { result, manifest } = run(REWRITE);
  assert.equal(result, 'done');
  assert.deepEqual(manifest, { base: BASE, increments: [SECOND], history: [] });
  assert.deepEqual(loadManifest(disk, PATHS), manifest);
});

test('a failure at any operation of a save: the old file or the new one, each whole', () => {
  forEveryFault((what) => {
    const { result } = run();
    disk.clearFault();
    assert.equal(disk.openCount, 0, what);
    const bytes = disk.contents(DUMP);
    if (result === 'done') assert.ok(!bytes.equals(OLD), what);
    for (let seed = 1; seed <= 8; seed++) {
      const found = disk.crash(seed).contents(DUMP);
      // A failure of the very last step may leave the new file.
      assert.ok(found.equals(OLD) || (found.equals(bytes) && !bytes.equals(OLD)), what);
    }
  });
});

test('a failure at any operation of a rewrite: a manifest whose files are all there', () => {
  forEveryFault((what) => {
    const { result, manifest } = run(REWRITE);
    disk.clearFault();
    assert.equal(disk.openCount, 0, what);
    assert.equal(result === 'done', manifest !== undefined, what);
    for (let seed = 1; seed <= 8; seed++) {
      const survivor = disk.crash(seed);
      const found = loadManifest(survivor, PATHS);
      if (result === 'done') assert.equal(found?.base?.sequence, BASE.sequence, what);
      if (found === undefined) continue;
      for (const file of [found.base!, ...found.increments]) assert.ok(survivor.exists(PATHS.of(file)), what);
    }
  });
});

/** Does it again and again, each time with a fault at the next operation, until none is hit. */
function forEveryFault(body: (what: string) => void): void {
  for (const fault of ['EIO', 'ENOSPC', 'short'] satisfies FaultKind[]) {
    for (const isPermanent of [false, true]) {
      for (let index = 1; ; index++) {
        disk = newDisk();
        const before = disk.operationCount;
        disk.failOperation(index, fault, isPermanent);
        body(`${fault}${isPermanent ? ' for good' : ''} at operation ${index}`);
        if (disk.operationCount - before < index) break;
      }
    }
  }
}
