/**
 * The persistence of a server in one process, on a simulated disk: the log, rewrites, saves, switching off
 * and on, ends of all kinds and starts, in an order that a seed decides. Commands change a model instead of a
 * keyspace; what comes back at a start is loaded into a real one.
 *
 * A rewrite runs like in another thread: before each of its disk operations the server may have a turn.
 */
import assert from 'node:assert/strict';
import { EMPTY_MANIFEST, AofPaths } from '../../src/persistence/aof-manifest.ts';
import type { BackgroundSync, FsyncPolicy } from '../../src/persistence/aof-writer-sync.ts';
import { AppendOnlyLog, type RewritePlan } from '../../src/persistence/append-only-log.ts';
import { attempt, type Descriptor, type Disk, type DiskError } from '../../src/persistence/disk.ts';
import { RecoveryError, recoveryErrorOf } from '../../src/persistence/recovery-error.ts';
import type { SimulatedDisk } from '../../src/persistence/simulated-disk.ts';
import {
  runSnapshotJob,
  writeSnapshot,
  type JobOutcome,
  type SnapshotTarget,
} from '../../src/persistence/snapshot-job.ts';
import type { SnapshotFacts, SnapshotSink } from '../../src/persistence/snapshot-sink.ts';
import { ManualClock } from '../../src/util/clock.ts';
import { seededRandom, type RandomSource } from '../../src/util/random.ts';
import {
  CommandHistory,
  HISTORY_DATABASES,
  joinedContent,
  requestOf,
  type Model,
} from './command-history.ts';
import { HookedDisk } from './hooked-disk.ts';
import type { LoadedStore } from './loading.ts';
import { logMemory } from './log-memory.ts';

const DIRECTORY = '/data';
const PATHS = new AofPaths(DIRECTORY, 'appendonlydir', 'appendonly.aof');
/** `everysec`: what was acknowledged longer ago is durable, if no error came between. */
const WINDOW_MILLIS = 3000;
const STARTS_MAX = 3;

/** The server has ended itself, or was killed: whatever was going on goes on no more. */
class ServerEnd extends Error {
  override readonly name = 'ServerEnd';
}

export interface SimulatedServerOptions {
  readonly disk: SimulatedDisk;
  readonly store: LoadedStore;
  readonly policy: FsyncPolicy;
  readonly seed: number;
  /** Called before each operation that changes the disk. */
  readonly beforeOperation?: () => void;
  /** Goes on where an earlier server with this history lost its disk's power. */
  readonly history?: CommandHistory;
}

/** Syncs when it is asked for the second time how it is going. */
class LazySync implements BackgroundSync {
  readonly #disk: Disk;
  #fd: Descriptor = -1;
  #asked = false;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  start(fd: Descriptor): void {
    this.#fd = fd;
    this.#asked = false;
  }

  poll(): 'running' | 'done' | DiskError {
    if (!this.#asked) {
      this.#asked = true;
      return 'running';
    }
    return attempt(() => this.#disk.fsync(this.#fd)) ?? 'done';
  }
}

export class SimulatedServer {
  readonly history: CommandHistory;
  /** What a snapshot file may hold: the last that succeeded, and those that failed since. */
  savedContents: (string | undefined)[] = [undefined];
  readonly #disk: Disk;
  readonly #store: LoadedStore;
  readonly #random: RandomSource;
  readonly #clock = new ManualClock(1_700_000_000_000);
  #policy: FsyncPolicy;
  #log: AppendOnlyLog;
  /** A rewrite whose cut was made. */
  #job: { readonly plan: RewritePlan; readonly model: Model; readonly format: 'rdb' | 'aof' } | undefined;
  #isJobRunning = false;
  #isJobAborted = false;
  #isRewriteWanted = false;
  /** Moments without errors, and how many commands had been run. */
  #healthy: { readonly millis: number; readonly count: number }[] = [];

  constructor({ disk, store, policy, seed, beforeOperation, history }: SimulatedServerOptions) {
    this.#disk = beforeOperation === undefined ? disk : new HookedDisk(disk, beforeOperation);
    this.#store = store;
    this.#policy = policy;
    this.#random = seededRandom(seed);
    this.#log = this.#newLog();
    this.history = history ?? new CommandHistory();
  }

  /** Starts and does so many random things. False when it does not start any more: the disk is at fault. */
  live(stepCount: number): boolean {
    if (!this.#startAgain()) return false;
    for (let step = 0; step < stepCount; step++) {
      try {
        this.#step();
      } catch (error) {
        if (!(error instanceof ServerEnd)) throw error;
        this.history.trace.push(error.message);
        if (!this.#startAgain()) return false;
      }
    }
    return true;
  }

  // Start and end -------------------------------------------------------------------------------------------

  #newLog(): AppendOnlyLog {
    const parts = {
      ...logMemory(),
      disk: this.#disk,
      paths: PATHS,
      background: new LazySync(this.#disk),
      log: this.#store.log,
      clock: this.#clock,
      stopAtOnce: (reason: string) => {
        throw new ServerEnd(reason);
      },
    };
    return new AppendOnlyLog(parts, this.#policy);
  }

  /** A start may fail when the disk does, and succeeds when it does not. */
  #startAgain(): boolean {
    for (let tries = 1; ; tries++) {
      try {
        this.#start();
        return true;
      } catch (error) {
        const isRefusal = error instanceof RecoveryError || error instanceof ServerEnd;
        if (!isRefusal) throw error;
        this.history.trace.push(`refused: ${error.message}`);
        if (tries === STARTS_MAX) return false;
      }
    }
  }

  #start(): void {
    this.#job = undefined;
    this.#isJobRunning = false;
    this.#isRewriteWanted = false;
    this.#healthy = [];
    const { history } = this;
    const result = this.#store.load(this.#disk, DIRECTORY);
    const count = history.countOf(loadedContent(this.#store), 'start');
    assert.ok(count >= history.writtenFloor, `start: ${count} of ${history.writtenFloor} commands`);
    this.history.trace.push(`start with ${count} from ${result.source}`);

    this.#log = this.#newLog();
    this.#log.know(result.manifest ?? EMPTY_MANIFEST);
    this.#configure();
    try {
      if (result.mustWriteBase) this.#writeFirstBase(count);
      else this.#log.resume();
    } catch (error) {
      if (error instanceof ServerEnd) throw error;
      throw recoveryErrorOf(error, DIRECTORY);
    }
    // Only now: a start that fails may be followed by one that finds more.
    history.rewind(count);
    history.durableFloor = count;
    history.writtenFloor = count;
  }

  #writeFirstBase(count: number): void {
    this.#log.turnOn();
    this.#beginRewrite(count);
    const manifest = this.#job === undefined ? undefined : this.#runJob(false).manifest;
    if (manifest === undefined) throw new RecoveryError(DIRECTORY, 'no base');
    this.#log.adopt(manifest);
  }

  #configure(): void {
    this.#log.configure({ policy: this.#policy, hasTimestamps: this.#chance(50), holdsSyncs: false });
  }

  // Steps ---------------------------------------------------------------------------------------------------

  #step(): void {
    const choice = this.#random.nextUint32() % 100;
    if (choice < 6) this.#isRewriteWanted = true;
    else if (choice < 20) this.#finishJob();
    else if (choice < 24) this.#switchLog();
    else if (choice < 28) this.#save();
    else if (choice < 30) this.#end('kill');
    else if (choice < 32) this.#end('shutdown');
    else if (choice < 34) this.#changePolicy();
    else this.#serve();
    this.#clock.advance(200 + (this.#random.nextUint32() % 600));
    this.#tick();
  }

  /** Some commands, and the flush before their replies. */
  #serve(): void {
    for (let units = this.#random.nextUint32() % 4; units > 0 && this.#log.error === undefined; units--) {
      this.#runUnit();
    }
    this.#log.flush();
    this.#noteFloors();
  }

  #runUnit(): void {
    const unit = this.history.runUnit(this.#random);
    const first = unit[0]!;
    if (unit.length > 1) this.#log.multi(first.databaseIndex);
    for (const command of unit) this.#log.append(command.databaseIndex, requestOf(command));
    if (unit.length > 1) this.#log.exec();
  }

  #noteFloors(): void {
    const { history } = this;
    const isHealthy = this.#log.mode === 'on' && this.#log.error === undefined;
    if (!isHealthy) {
      this.#healthy = [];
      return;
    }
    if (this.#log.pendingBytes === 0) history.writtenFloor = history.count;
    if (this.#policy === 'always') history.durableFloor = history.count;
    if (this.#policy !== 'everysec') return;
    const now = this.#clock.wallMillis();
    this.#healthy.push({ millis: now, count: history.count });
    const old = this.#healthy.findLast(({ millis }) => millis <= now - WINDOW_MILLIS);
    history.durableFloor = Math.max(history.durableFloor, old?.count ?? 0);
  }

  #tick(): void {
    this.#log.flush();
    this.#noteFloors();
    if (this.#isJobRunning || this.#job !== undefined) return;
    if (this.#log.mode === 'waiting' || this.#isRewriteWanted) this.#beginRewrite();
  }

  #beginRewrite(count = this.history.count): void {
    if (!this.#log.isReadyForRewrite()) return;
    this.#isRewriteWanted = false;
    const format = this.#chance(50) ? 'rdb' : 'aof';
    const plan = this.#log.beginRewrite(format);
    this.history.trace.push(`rewrite ${plan?.base.name ?? 'could not begin'} (${this.#log.mode})`);
    if (plan !== undefined) this.#job = { plan, model: this.history.modelAt(count), format };
    this.#isJobAborted = false;
  }

  #finishJob(): void {
    if (this.#job === undefined || this.#isJobRunning) return;
    const { manifest, result } = this.#runJob(true);
    this.history.trace.push(`rewrite ${result}`);
    // The news takes a while.
    for (let turns = this.#random.nextUint32() % 3; turns > 0; turns--) this.#turnDuringJob();
    this.#job = undefined;
    this.#isJobRunning = false;
    if (manifest !== undefined) this.#log.adopt(manifest);
  }

  /** Runs the rewrite; with company, the server has turns before its disk operations. */
  #runJob(hasCompany: boolean): JobOutcome {
    const { plan, model, format } = this.#job!;
    this.#isJobRunning = true;
    const disk = hasCompany ? new HookedDisk(this.#disk, () => this.#turnDuringJob()) : this.#disk;
    const target = { ...snapshotTarget(format), directory: PATHS.directory, finalName: plan.base.name };
    const rewrite = {
      dataDirectory: DIRECTORY,
      directoryName: 'appendonlydir',
      fileName: 'appendonly.aof',
      plan,
      deletesHistory: true,
    };
    const job = { id: 1, target, facts: factsOf(model, true), accessFacts: 'none' as const, rewrite };
    return runSnapshotJob(job, {
      disk,
      log: this.#store.log,
      walk: (sink) => ({ keyCount: writeModel(model, sink, true), isAborted: this.#isJobAborted }),
    });
  }

  #turnDuringJob(): void {
    const choice = this.#random.nextUint32() % 100;
    if (choice < 2) this.#end('kill');
    else if (choice < 5) this.#switchLog();
    else if (choice < 7) this.#save();
    else if (choice < 35) this.#serve();
    if (choice < 35) this.#clock.advance(this.#random.nextUint32() % 800);
    this.#log.flush();
  }

  #switchLog(): void {
    this.history.trace.push(this.#log.mode === 'off' ? 'on' : 'off');
    if (this.#log.mode === 'off') {
      this.#configure();
      this.#log.turnOn();
      this.#isRewriteWanted = true;
    } else {
      this.#isJobAborted = true;
      this.#log.turnOff();
    }
  }

  #save(): void {
    const { content } = this.history;
    const target = { ...snapshotTarget('rdb'), directory: DIRECTORY, finalName: 'dump.rdb' };
    this.savedContents.push(content);
    const model = this.history.modelAt(this.history.count);
    const error = attempt(() => {
      writeSnapshot(this.#disk, target, (sink) => ({
        keyCount: writeModel(model, sink, false),
        isAborted: false,
      }));
    });
    if (error === undefined) this.savedContents = [content];
    this.history.trace.push(`save ${error?.message ?? 'done'}`);
  }

  #changePolicy(): void {
    this.#policy = (['always', 'everysec', 'no'] as const)[this.#random.nextUint32() % 3]!;
    this.history.trace.push(this.#policy);
    this.#healthy = [];
    this.#configure();
  }

  #end(how: 'kill' | 'shutdown'): never {
    if (how === 'shutdown' && this.#log.mode === 'on' && this.#log.close()) {
      this.history.durableFloor = this.history.count;
      this.history.writtenFloor = this.history.count;
    }
    throw new ServerEnd(how);
  }

  #chance(percent: number): boolean {
    return this.#random.nextUint32() % 100 < percent;
  }
}

/** What a start on this disk finds: a state that was, no earlier than the floor, and the same once more. */
export function checkDisk(
  server: SimulatedServer,
  disk: SimulatedDisk,
  store: LoadedStore,
  what: string,
): void {
  const { history } = server;
  try {
    const content = startedContent(disk, store, true);
    const count = history.countOf(content, what);
    assert.ok(count >= history.durableFloor, `${what}: ${count} of ${history.durableFloor} commands`);
    assert.equal(startedContent(disk, store, true), content, `${what}: second start`);
    if (!disk.exists(`${DIRECTORY}/dump.rdb`)) {
      assert.ok(server.savedContents.includes(undefined), `${what}: the snapshot is gone`);
      return;
    }
    const snapshot = startedContent(disk, store, false);
    assert.ok(server.savedContents.includes(snapshot), `${what}: a snapshot that was never made`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    assert.fail(`${what}: ${reason}\n  ${server.history.trace.join('\n  ')}`);
  }
}

function startedContent(disk: SimulatedDisk, store: LoadedStore, isAppendOnly: boolean): string {
  store.load(disk, DIRECTORY, { isAppendOnly });
  return loadedContent(store);
}

function loadedContent(store: LoadedStore): string {
  return joinedContent(Array.from({ length: HISTORY_DATABASES }, (_, index) => store.content(index)));
}

function snapshotTarget(format: 'rdb' | 'aof'): Omit<SnapshotTarget, 'directory' | 'finalName'> {
  const temporaryName = format === 'rdb' ? 'temp-1.rdb' : 'temp-rewriteaof-bg-1.aof';
  return { format, temporaryName, isCompressing: true, isChecksumming: true, syncEveryBytes: 0 };
}

function factsOf(model: Model, isAofBase: boolean): SnapshotFacts {
  const databases = model.map((keys, index) => ({ index, keyCount: keys.size, expiringCount: 0 }));
  return {
    unixMillis: 1_700_000_000_000,
    keyCount: databases.reduce((sum, { keyCount }) => sum + keyCount, 0),
    databases: databases.filter(({ keyCount }) => keyCount > 0),
    usedMemory: 0,
    isAofBase,
  };
}

function writeModel(model: Model, sink: SnapshotSink, isAofBase: boolean): number {
  const facts = factsOf(model, isAofBase);
  sink.begin(facts);
  for (const [index, keys] of model.entries()) {
    for (const [key, value] of keys) {
      const none = { expiryMillis: undefined, idleSeconds: undefined, frequency: undefined };
      sink.entry(index, { key: rangeOf(key), value: { kind: 'string', ...rangeOf(value) }, ...none });
    }
  }
  sink.end();
  return facts.keyCount;
}

function rangeOf(text: string) {
  const bytes = Buffer.from(text, 'latin1');
  return { bytes, start: 0, end: bytes.length };
}
