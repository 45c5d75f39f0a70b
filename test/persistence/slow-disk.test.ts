/** What a slow disk makes of the latency monitor: each operation takes as long as the test says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Config } from '../../src/config/config.ts';
import { LatencyMonitor } from '../../src/engine/latency-monitor.ts';
import { LatencyTimer } from '../../src/engine/latency-timer.ts';
import { Keyspace } from '../../src/keyspace/keyspace.ts';
import { AofPaths } from '../../src/persistence/aof-manifest.ts';
import type { FsyncPolicy } from '../../src/persistence/aof-writer-sync.ts';
import { AppendOnlyLog } from '../../src/persistence/append-only-log.ts';
import { SimulatedDisk } from '../../src/persistence/simulated-disk.ts';
import { writeSnapshot, type SnapshotTarget } from '../../src/persistence/snapshot-job.ts';
import { Request } from '../../src/protocol/request.ts';
import { ManualClock } from '../../src/util/clock.ts';
import { seededRandom } from '../../src/util/random.ts';
import { HookedDisk } from '../support/hooked-disk.ts';
import { MemoryLog } from '../support/loading.ts';
import { logMemory } from '../support/log-memory.ts';

const PATHS = new AofPaths('/data', 'appendonlydir', 'appendonly.aof');
/** What an operation takes, and what is slow. */
const OPERATION_MILLIS = 50;
const THRESHOLD_MILLIS = 40;

function watchFrom(config: Config, millis: number): void {
  const pair = [Buffer.from('latency-monitor-threshold'), Buffer.from(String(millis))] as const;
  assert.equal(config.set([pair]), undefined);
}

/** The sizes of the files are asked when they are opened. */
const OPENED = `aof-fstat ${OPERATION_MILLIS}`;

/** A disk whose clock goes on with each operation, and what the monitor has seen of it. */
function slowDisk({ operationMillis = OPERATION_MILLIS } = {}) {
  const { allocator, store } = logMemory();
  const clock = new ManualClock(1_700_000_000_000);
  const config = new Config();
  const setThreshold = (millis: number) => watchFrom(config, millis);
  setThreshold(THRESHOLD_MILLIS);
  const memory = new SimulatedDisk();
  memory.makeDirectory('/data');
  const disk = new HookedDisk(memory, () => clock.advance(operationMillis));
  const monitor = store.hold(() => new LatencyMonitor(allocator));
  store.hold(() => monitor.reset());
  return {
    allocator,
    store,
    clock,
    disk,
    setThreshold,
    timer: new LatencyTimer({ allocator, mutex: store, config, clock }),
    /** Each event with its longest time, in alphabetical order. */
    events: () =>
      store
        .hold(() => monitor.events())
        .map(({ name, longestMillis }) => `${name} ${longestMillis}`)
        .toSorted(),
  };
}

interface LogOptions {
  readonly policy: FsyncPolicy;
  readonly isJobRunning?: boolean;
  readonly isSyncSlow?: boolean;
}

/** An append-only file on it, with one command written to it. */
function appendSlowly(
  place: ReturnType<typeof slowDisk>,
  { policy, isJobRunning = false, isSyncSlow = false }: LogOptions,
): void {
  const background = { start: () => {}, poll: () => (isSyncSlow ? ('running' as const) : ('done' as const)) };
  const log = new MemoryLog();
  const stopAtOnce = (reason: string): never => assert.fail(reason);
  const appendOnlyLog = new AppendOnlyLog(
    { ...place, paths: PATHS, background, log, stopAtOnce, isJobRunning: () => isJobRunning },
    policy,
  );
  appendOnlyLog.resume();
  const append = () =>
    place.store.hold(() =>
      appendOnlyLog.append(0, Request.of(['SET', 'k', 'v'].map((word) => Buffer.from(word)))),
    );
  append();
  if (isSyncSlow) {
    // A second later the sync begins that the next write waits for, two seconds at most.
    place.clock.advance(1000);
    appendOnlyLog.flush();
    append();
    appendOnlyLog.flush();
    place.clock.advance(2000);
  }
  appendOnlyLog.flush();
}

test('a slow write of the append-only file is an event, and how it came to be another', () => {
  const alone = slowDisk();
  appendSlowly(alone, { policy: 'no' });
  assert.deepEqual(alone.events(), [OPENED, 'aof-write 50', 'aof-write-alone 50']);

  const besideJob = slowDisk();
  appendSlowly(besideJob, { policy: 'everysec', isJobRunning: true });
  assert.deepEqual(besideJob.events(), [OPENED, 'aof-write 50', 'aof-write-active-child 50']);

  const besideSync = slowDisk();
  appendSlowly(besideSync, { policy: 'everysec', isSyncSlow: true });
  assert.deepEqual(besideSync.events(), [
    OPENED,
    'aof-write 50',
    'aof-write-alone 50',
    'aof-write-pending-fsync 50',
  ]);
});

test('a slow sync is an event under the policy always', () => {
  const place = slowDisk();
  appendSlowly(place, { policy: 'always' });
  assert.deepEqual(place.events(), [OPENED, 'aof-fsync-always 50', 'aof-write 50', 'aof-write-alone 50']);
});

test('what is fast, or happens while the monitor is off, is none', () => {
  const fast = slowDisk({ operationMillis: THRESHOLD_MILLIS - 1 });
  appendSlowly(fast, { policy: 'always' });
  assert.deepEqual(fast.events(), []);

  const unwatched = slowDisk();
  unwatched.setThreshold(0);
  appendSlowly(unwatched, { policy: 'always' });
  assert.deepEqual(unwatched.events(), []);
});

const TARGET: SnapshotTarget = {
  format: 'rdb',
  directory: '/data',
  temporaryName: 'temp-1.rdb',
  finalName: 'dump.rdb',
  isCompressing: true,
  isChecksumming: true,
  syncEveryBytes: 0,
};

test('of snapshots the removal of one given up is timed, of rewrites the renaming', () => {
  const place = slowDisk();
  const { disk, timer } = place;
  const write = (event: 'aof-rename' | 'rdb-unlink-temp-file', isAborted: boolean) =>
    writeSnapshot(disk, TARGET, () => ({ keyCount: 0, isAborted }), { timing: { timer, event } });
  write('rdb-unlink-temp-file', false);
  write('aof-rename', true);
  assert.deepEqual(place.events(), []);
  write('rdb-unlink-temp-file', true);
  write('aof-rename', false);
  assert.deepEqual(place.events(), ['aof-rename 50', 'rdb-unlink-temp-file 50']);
});

/** A clock that goes on whenever somebody looks. */
class RestlessClock extends ManualClock {
  override monotonicMicros(): number {
    this.advance(OPERATION_MILLIS);
    return super.monotonicMicros();
  }
}

test('a key that takes long to go is an event', () => {
  const place = slowDisk();
  const clock = new RestlessClock(place.clock.wallMillis());
  const config = new Config();
  watchFrom(config, THRESHOLD_MILLIS);
  const { allocator, store } = place;
  const keyspace = store.hold(() => new Keyspace(allocator, seededRandom(1), 1));
  keyspace.timer = new LatencyTimer({ allocator, mutex: store, config, clock });
  const database = keyspace.databases[0]!;
  const key = Buffer.from('key');
  const set = () => keyspace.strings.set(database, key, 0, 3, key, 0, 3, false);
  store.hold(() => {
    keyspace.enter(clock.wallMillis());
    database.evict(set());
    database.expire(database.setExpiry(set(), clock.wallMillis() - 1));
  });
  assert.deepEqual(place.events(), ['eviction-del 50', 'expire-del 50']);
});
