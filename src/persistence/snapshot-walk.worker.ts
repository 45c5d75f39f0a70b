/** The other thread of snapshot-walk.test.ts: changes keys until it is told to end. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Mutator, type MutationOptions } from '../../test/support/keyspace-mutations.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena, type ArenaHandle } from '../memory/arena.ts';
import { CONTROL_MUTEX } from '../memory/control-block.ts';
import { Mutex } from '../memory/mutex.ts';
import { seededRandom } from '../util/random.ts';
import { SnapshotQueue } from './snapshot-queue.ts';

export const WORK_DATABASES = 3;
export const WORK_OPTIONS = {
  nameCount: 1000,
  longRatio: 0.005,
  longBytesMax: 1024 * 1024,
  collectionRatio: 0.3,
  elementsMax: 2000,
};

export interface SnapshotWork {
  readonly handle: ArenaHandle;
  /** The first word ends the thread. */
  readonly signals: Int32Array;
  readonly seed: number;
  readonly options: MutationOptions;
}

function run({ handle, signals, seed, options }: SnapshotWork): void {
  const arena = Arena.attach(handle);
  const keyspace = new Keyspace(new Allocator(arena), seededRandom(seed), WORK_DATABASES);
  const queue = new SnapshotQueue(keyspace);
  const mutex = new Mutex(arena.control, CONTROL_MUTEX, 2);
  const random = new SeededRandom(seed);
  const mutator = new Mutator(keyspace, random, options);
  keyspace.observer = {
    keyExpired() {},
    notify() {},
    keyReady() {},
    preserve: (database, entry) => queue.preserve(database, entry),
  };

  parentPort?.postMessage('at work');
  while (Atomics.load(signals, 0) === 0) {
    queue.waitForRoom();
    mutex.hold(() => {
      keyspace.enter(Date.now());
      for (let i = 0; i < 10; i++) mutator.mutate(random.integer(0, options.nameCount - 1));
      if (random.chance(0.01)) mutator.upheave();
      keyspace.dismantleDetached(() => true);
      keyspace.leave();
    });
  }
  arena.close();
}

// The test imports the names above; only a thread has work.
if (!isMainThread) run(workerData as SnapshotWork);
