/**
 * Lives of a simulated server with everything that can happen to its disk. Each function throws an
 * AssertionError that names seed, fault and moment.
 */
import assert from 'node:assert/strict';
import type { FsyncPolicy } from '../../src/persistence/aof-writer-sync.ts';
import { SimulatedDisk, type FaultKind } from '../../src/persistence/simulated-disk.ts';
import { seededRandom } from '../../src/util/random.ts';
import type { CommandHistory } from '../support/command-history.ts';
import { LoadedStore } from '../support/loading.ts';
import { SimulatedServer, checkDisk } from '../support/simulated-server.ts';

export const POLICIES = ['always', 'everysec', 'no'] as const;
export const FAULTS = ['EIO', 'ENOSPC', 'short'] as const;

/** One keyspace for the server, one for looking at what a crash leaves. */
export interface Stores {
  readonly server: LoadedStore;
  readonly check: LoadedStore;
  dispose(): void;
}

export function createStores(): Stores {
  const [server, check] = [new LoadedStore(), new LoadedStore()];
  return {
    server,
    check,
    dispose: () => {
      server.dispose();
      check.dispose();
    },
  };
}

export interface LifeOptions {
  readonly policy: FsyncPolicy;
  readonly seed: number;
  readonly stepCount: number;
  /** How many ways each moment is crashed. */
  readonly crashesPerMoment: number;
}

/** One life; the power fails before each of its operations. Returns how many there were. */
export function losePowerAtEveryOperation(stores: Stores, options: LifeOptions): number {
  const { policy, seed, stepCount, crashesPerMoment } = options;
  const disk = newDisk();
  const crash = () => {
    for (let i = 1; i <= crashesPerMoment; i++) {
      const crashSeed = disk.operationCount * 100 + i;
      const moment = `power lost at operation ${disk.operationCount}, crash ${crashSeed}`;
      const what = `${policy}, seed ${seed}, ${moment}`;
      checkDisk(server, disk.crash(crashSeed), stores.check, what);
    }
  };
  const server = new SimulatedServer({ disk, store: stores.server, policy, seed, beforeOperation: crash });
  assert.ok(server.live(stepCount), server.history.trace.join('\n'));
  crash();
  return disk.operationCount;
}

/**
 * The same life again and again, each time with a fault at the next operation; then it is looked at, as it is
 * and after a loss of power. Returns how many lives there were.
 */
export function failEveryOperation(
  stores: Stores,
  fault: FaultKind,
  isPermanent: boolean,
  options: LifeOptions,
): number {
  const { policy, seed, stepCount, crashesPerMoment } = options;
  for (let index = 1; ; index++) {
    const disk = newDisk();
    const operationsBefore = disk.operationCount;
    const what = `${policy}, seed ${seed}, ${fault}${isPermanent ? ' for good' : ''} at operation ${index}`;
    disk.failOperation(index, fault, isPermanent);
    const server = new SimulatedServer({ disk, store: stores.server, policy, seed });
    const isAlive = run(server, stepCount, what);
    assert.ok(isAlive || isPermanent, `${what}: does not start\n${server.history.trace.join('\n')}`);
    disk.clearFault();
    for (let i = 1; i <= crashesPerMoment; i++) {
      checkDisk(server, disk.crash(index * 100 + i), stores.check, `${what}, crash ${i}`);
    }
    checkDisk(server, disk, stores.check, what);
    if (disk.operationCount - operationsBefore < index) return index;
  }
}

/**
 * Several lives on one disk: each has its faults, each ends with a loss of power, and the next goes on with
 * what is left.
 */
export function liveThroughCrashes(stores: Stores, seed: number, lives: number): void {
  const random = seededRandom(seed);
  let disk = newDisk();
  let history: CommandHistory | undefined;
  let savedContents: (string | undefined)[] = [undefined];
  for (let life = 1; life <= lives; life++) {
    const policy = POLICIES[random.nextUint32() % POLICIES.length]!;
    const what = `seed ${seed}, life ${life}, ${policy}`;
    const current = disk;
    const server: SimulatedServer = new SimulatedServer({
      ...{ disk, store: stores.server, policy, seed: random.nextUint32() },
      ...(history !== undefined && { history }),
      beforeOperation: () => {
        if (random.nextUint32() % 40 === 0) {
          const fault = FAULTS[random.nextUint32() % FAULTS.length]!;
          current.failOperation(1 + (random.nextUint32() % 5), fault);
          server.history.trace.push(`fault ${fault}`);
        }
        if (random.nextUint32() % 20 > 0) return;
        checkDisk(server, current.crash(random.nextUint32()), stores.check, what);
      },
    });
    server.savedContents = savedContents;
    run(server, 10 + (random.nextUint32() % 30), what);
    disk.clearFault();
    checkDisk(server, disk.crash(seed), stores.check, what);
    disk = disk.crash(random.nextUint32());
    history = server.history;
    history.trace.push('power lost');
    // Nobody knows any more what a failed save has left, but it stays what it is.
    savedContents = server.savedContents;
    history.writtenFloor = history.durableFloor;
  }
}

/** A failure in the middle of a life says what that life was. */
function run(server: SimulatedServer, stepCount: number, what: string): boolean {
  try {
    return server.live(stepCount);
  } catch (error) {
    if (!(error instanceof assert.AssertionError) || error.message.includes('\n  ')) throw error;
    assert.fail(`${what}: ${error.message}\n  ${server.history.trace.join('\n  ')}`);
  }
}

function newDisk(): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.makeDirectory('/data');
  disk.syncDirectory('/');
  return disk;
}
