/**
 * Persistence as a serving thread does it: what commands ask for, what is due before replies leave and ten
 * times a second, and the life cycle of the background job that the persistence thread runs.
 *
 *     loading ──▶ idle ◀──────────────────────────────────────────────┐
 *                  │ BGSAVE, save point        the cut, publishJob     │ MAIL_JOB_DONE
 *                  └ BGREWRITEAOF, growth ──────▶ a job is running ────┘
 *
 * There is one job at a time. What cannot start now is *scheduled*, and looked after by `tick`.
 */
import { join } from 'node:path';
import { SNAPSHOT_FAILED, appendOnlyFileFailed } from '../commands/errors.ts';
import type { JobStart, PersistenceService, RestoreFailure } from '../commands/services.ts';
import type { DirectiveName } from '../config/directives.ts';
import type { Blocking } from '../engine/blocking.ts';
import type { KeyspaceEvents } from '../engine/keyspace-events.ts';
import type { AppendOnlyFigures, LoadingFigures, PersistenceFigures } from '../engine/info.ts';
import { MAIL_ATTEND } from '../engine/mailboxes.ts';
import { STATE_WRITES_REFUSED } from '../engine/shared-state.ts';
import type { Database } from '../keyspace/database.ts';
import type { Ref } from '../memory/arena.ts';
import { AofPaths, EMPTY_MANIFEST } from '../persistence/aof-manifest.ts';
import { AppendOnlyLog } from '../persistence/append-only-log.ts';
import { DirectoryInUseError, DirectoryLock } from '../persistence/directory-lock.ts';
import { DiskError } from '../persistence/disk.ts';
import { dumpValue, restoreValue } from '../persistence/dump-service.ts';
import { nodeDisk } from '../persistence/node-disk.ts';
import { ABORT_JOB, ABORT_THREAD } from '../persistence/persistence-state.ts';
import type { PersistenceState } from '../persistence/persistence-state.ts';
import { RecoveryError } from '../persistence/recovery-error.ts';
import { Recovery } from '../persistence/recovery.ts';
import { formatOfName } from '../persistence/snapshot-format.ts';
import { INCREMENTAL_SYNC_BYTES } from '../persistence/snapshot-file.ts';
import { writeSnapshot } from '../persistence/snapshot-job.ts';
import type { JobOutcome, RewriteTask, SnapshotJob, SnapshotTarget } from '../persistence/snapshot-job.ts';
import type { SnapshotQueue } from '../persistence/snapshot-queue.ts';
import { walkNow } from '../persistence/snapshot-now.ts';
import { beginSnapshot, snapshotFacts } from '../persistence/snapshot-walk.ts';
import type { ErrorReply } from '../protocol/error-reply.ts';
import { PERSISTENCE_THREAD, SERVING_THREAD } from './shared-parts.ts';
import { supervisionOf } from './supervision.ts';
import type { ThreadParts } from './thread-parts.ts';

/** After a failed save the save points wait this long (server.h, CONFIG_BGSAVE_RETRY_DELAY). */
const SAVE_RETRY_MILLIS = 5000;
/** After so many failed rewrites in a row the next ones wait: 1 minute, 2, 4 … at most an hour. */
const REWRITE_FAILURES_BEFORE_DELAY = 3;
const REWRITE_DELAY_MINUTES_MAX = 60;
const MINUTE_MILLIS = 60_000;
/** A log that waits for its first rewrite tries again after a second, then after twice as long each time. */
const REPAIR_MILLIS_MIN = 1000;
const REPAIR_MILLIS_MAX = 60_000;

/**
 * Files under way: `temp-PID.json`, `temp-PID.rdb`, the same with `-now` for those that everybody waits for
 * (a job that was told to end may still have its own open then), and the base of a rewrite.
 */
const TEMPORARY_NAME = /^temp-(\d+(-now)?\.(json|rdb)|rewriteaof-bg-\d+\.aof)$/;
/**
 * The data directory's lock is the keeper's (figure `directoryLock`). Another thread that needs it first sees
 * that it can be had, and leaves it to the keeper.
 */
const LOCK_NONE = 0;
const LOCK_WANTED = 1;
const LOCK_TAKEN = 2;

/** Figure `isRewriteScheduled`: when it may begin, or, as another thread has said, now. */
const REWRITE_LATER = 1;
const REWRITE_NOW = 2;

const CANNOT_TURN_ON = 'Unable to turn on AOF. Check server logs.';
const NO_BASE = 'the base of the append-only file could not be written';

export interface PersistenceParts {
  readonly parts: ThreadParts;
  readonly queue: SnapshotQueue;
  /** Does something under the lock. */
  readonly underLock: <Result>(action: () => Result) => Result;
  /** Ends the thread at once, without a last save: what was acknowledged could be lost. */
  readonly stopAtOnce: (reason: string) => void;
}

export class Persistence implements PersistenceService {
  readonly #parts: ThreadParts;
  readonly #state: PersistenceState;
  readonly #queue: SnapshotQueue;
  readonly #underLock: PersistenceParts['underLock'];
  readonly #log: AppendOnlyLog;
  /** The thread that loads, starts jobs, and keeps the files of the log; all others append to it. */
  readonly #isKeeper: boolean;
  readonly #paths: AofPaths;
  #directoryLock: DirectoryLock | undefined;
  #recovery: Recovery | undefined;
  #onLoaded: () => void = () => {};

  constructor({ parts, queue, underLock, stopAtOnce }: PersistenceParts) {
    const state = parts.persistenceState;
    this.#parts = parts;
    this.#state = state;
    this.#queue = queue;
    this.#underLock = underLock;
    this.#isKeeper = parts.threadNumber === SERVING_THREAD;
    const { values } = parts.config;
    this.#paths = new AofPaths(values.dir, values.appenddirname, values.appendfilename);
    this.#log = new AppendOnlyLog(
      {
        disk: nodeDisk,
        paths: this.#paths,
        allocator: parts.allocator,
        store: parts.mutex,
        background: {
          start: (fd) => {
            state.requestSync(fd);
            parts.wake(PERSISTENCE_THREAD);
          },
          poll: () => state.pollSync(),
        },
        log: parts.log,
        clock: parts.clock,
        timer: parts.timer,
        isJobRunning: () => state.jobKind !== 'none',
        stopAtOnce,
      },
      values.appendfsync,
    );
    if (this.#isKeeper) state.setFigure('lastSaveMillis', parts.process.startMillis);
  }

  get #values() {
    return this.#parts.config.values;
  }

  // Start ---------------------------------------------------------------------------------------------------

  /** Hears of changes: what snapshots and the log must know. */
  connect(blocking: Blocking, events: KeyspaceEvents): void {
    const { engine, keyspace } = this.#parts;
    keyspace.observer = {
      keyExpired: (database, key) => engine.keyExpired(database, key),
      keyEvicted: (database, key) => engine.keyEvicted(database, key),
      fieldsExpired: (database, key, fields) => engine.fieldsExpired(database, key, fields),
      notify: (_eventClass, event, database, key, start, end) =>
        events.publish(event, database.index, key, start, end),
      preserve: (database, entry) => this.#queue.preserve(database, entry),
      keyReady: (database, key, start, end) => blocking.keyReady(database, key, start, end),
    };
    engine.propagateTo(this.#log);
    engine.memoryLimit.uncountedBytes = () => this.uncountedBytes;
  }

  /** Bytes of the arena that grow when keys are evicted: they do not count against `maxmemory`. */
  get uncountedBytes(): number {
    return this.#log.bufferBytes + this.#queue.queuedBytes + this.#queue.heldBytes();
  }

  /**
   * Takes the data directory and begins to load what is in it; `loadStep` does it. Undefined, or why the
   * server cannot start.
   */
  begin(onLoaded: () => void): string | undefined {
    this.#onLoaded = onLoaded;
    const { engine } = this.#parts;
    if (!this.#usesDirectory) {
      this.#loaded();
      return undefined;
    }
    const refusal = this.#takeDirectory();
    if (refusal !== undefined) return refusal;
    this.#recovery = this.#newRecovery(this.#values.appendonly);
    engine.isLoading = true;
    return undefined;
  }

  /** @param replacesKeys given when the data is read once more, while the server runs */
  #newRecovery(isAppendOnly: boolean, replacesKeys?: boolean): Recovery {
    const { engine, keyspace, log, clock } = this.#parts;
    const values = this.#values;
    return new Recovery({
      disk: nodeDisk,
      paths: this.#paths,
      snapshotName: values.dbfilename,
      isAppendOnly,
      loadsTruncated: values['aof-load-truncated'],
      isVerifyingChecksum: values.rdbchecksum,
      replacesKeys: replacesKeys ?? false,
      isReload: replacesKeys !== undefined,
      keyspace,
      run: (databaseIndex, request) => engine.replay(databaseIndex, request),
      log,
      clock,
    });
  }

  /** False for a server that neither has nor wants anything on disk. */
  get #usesDirectory(): boolean {
    const { appendonly, save, dbfilename, dir } = this.#values;
    if (appendonly || save.length > 0) return true;
    return dbfilename !== '' && nodeDisk.exists(dir);
  }

  /** Makes the data directory if it is missing and keeps others off it: undefined, or what is wrong. */
  #takeDirectory(): string | undefined {
    if (this.#directoryLock !== undefined) return undefined;
    if (!this.#isKeeper && this.#state.figure('directoryLock') !== LOCK_NONE) return undefined;
    const { dir } = this.#values;
    try {
      nodeDisk.makeDirectory(dir);
      const lock = DirectoryLock.acquire(nodeDisk, dir);
      this.#removeLeftovers();
      if (this.#isKeeper) {
        this.#directoryLock = lock;
        this.#state.setFigure('directoryLock', LOCK_TAKEN);
      } else {
        lock.release();
        this.#state.setFigure('directoryLock', LOCK_WANTED);
        this.#callKeeper();
      }
      return undefined;
    } catch (error) {
      if (error instanceof DirectoryInUseError) return error.message;
      if (error instanceof DiskError) return `Can't use the data directory: ${error.message}`;
      throw error;
    }
  }

  /** What a server that was killed while it saved has left: nobody else writes here now. */
  #removeLeftovers(): void {
    for (const directory of [this.#values.dir, this.#paths.directory]) {
      if (!nodeDisk.exists(directory)) continue;
      for (const name of nodeDisk.list(directory)) {
        if (!TEMPORARY_NAME.test(name)) continue;
        this.#parts.log.notice(`Removing ${name}, which was never completed`);
        nodeDisk.unlink(join(directory, name));
      }
    }
  }

  get isLoading(): boolean {
    return this.#recovery !== undefined;
  }

  /** Goes on loading for about that long. Under the lock. Throws RecoveryError. */
  loadStep(budgetMicros: number): void {
    const recovery = this.#recovery!;
    const isDone = recovery.step(budgetMicros);
    const { startMillis, totalBytes, loadedBytes, usedMemoryAtSave } = recovery.progress;
    this.#state.setFigure('loadStartMillis', startMillis);
    this.#state.setFigure('loadTotalBytes', totalBytes);
    this.#state.setFigure('loadedBytes', loadedBytes);
    this.#state.setFigure('loadUsedMemory', usedMemoryAtSave);
    if (!isDone) return;
    const result = recovery.result!;
    this.#state.setFigure('lastLoadKeysLoaded', result.keysLoaded);
    this.#state.setFigure('lastLoadKeysExpired', result.keysExpired);
    this.#log.know(result.manifest ?? EMPTY_MANIFEST);
    this.#recovery = undefined;
    this.#forgetChanges();
    this.#openLog(result.mustWriteBase);
  }

  /**
   * The log goes on where it ended; data that it does not hold yet go into a first base, before any write.
   */
  #openLog(needsBase: boolean): void {
    if (!this.#values.appendonly) {
      this.#loaded();
      return;
    }
    this.#configureLog();
    try {
      if (!needsBase) {
        this.#log.resume();
        this.#loaded();
        return;
      }
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      throw new RecoveryError(this.#paths.directory, error.message);
    }
    this.#log.turnOn();
    if (!this.#startRewrite()) throw new RecoveryError(this.#paths.directory, NO_BASE);
  }

  #loaded(): void {
    const { engine } = this.#parts;
    engine.isLoading = false;
    this.#onLoaded();
  }

  // The serving loop ----------------------------------------------------------------------------------------

  /** Before any reply leaves: what it acknowledges is in the log, under `always` on disk. */
  beforeReplies(): void {
    if (this.#log.isBehind) this.#flushLog();
  }

  #flushLog(): void {
    this.#log.flush();
    this.#updateRefusal();
  }

  /** Waits while the running snapshot has more old values to save than it may hold. Without the lock. */
  waitForRoom(): void {
    this.#queue.waitForRoom();
  }

  /** What is due now and then: syncs, save points, growth, what was scheduled. Without the lock. */
  tick(): void {
    if (this.isLoading) return;
    this.#flushLog();
    if (this.#state.jobKind !== 'none' || this.#parts.engine.isLoading) return;
    this.#underLock(() => this.#startWhatIsDue());
  }

  #startWhatIsDue(): void {
    const now = this.#parts.clock.wallMillis();
    if (this.#log.mode === 'waiting' || this.#isScheduled('isRewriteScheduled')) {
      if (now >= this.#state.figure('nextRewriteMillis')) this.#startRewrite();
    } else if (this.#isScheduled('isSaveScheduled')) {
      if (this.#maySaveAgain(now)) this.#startSave();
    } else if (this.#isSavePointReached(now)) {
      this.#startSave();
    } else {
      this.#rewriteIfGrown(now);
    }
  }

  #maySaveAgain(now: number): boolean {
    const lastTry = this.#state.figure('lastSaveTryMillis');
    return now - lastTry > SAVE_RETRY_MILLIS || this.#state.figure('lastSaveFailed') === 0;
  }

  #isSavePointReached(now: number): boolean {
    const { dirty } = this.#parts.keyspace;
    const elapsedSeconds = (now - this.#state.figure('lastSaveMillis')) / 1000;
    const reached = this.#values.save.find(
      ({ seconds, changes }) => dirty >= changes && elapsedSeconds > seconds,
    );
    if (reached === undefined || !this.#maySaveAgain(now)) return false;
    this.#parts.log.notice(`${reached.changes} changes in ${reached.seconds} seconds. Saving...`);
    return true;
  }

  #rewriteIfGrown(now: number): void {
    const percentage = this.#values['auto-aof-rewrite-percentage'];
    const { currentBytes, rewrittenBytes } = this.#log;
    if (this.#log.mode !== 'on' || percentage === 0 || now < this.#state.figure('nextRewriteMillis')) return;
    if (currentBytes <= Number(this.#values['auto-aof-rewrite-min-size'])) return;
    const growth = Math.floor((currentBytes * 100) / Math.max(1, rewrittenBytes)) - 100;
    if (growth < percentage) return;
    this.#parts.log.notice(`Starting automatic rewriting of AOF on ${growth}% growth`);
    this.#startRewrite();
  }

  // Jobs ----------------------------------------------------------------------------------------------------

  get runningJob(): 'save' | 'rewrite' | undefined {
    const { jobKind } = this.#state;
    if (jobKind !== 'none') return jobKind;
    return this.#state.figure('isRewriteScheduled') === REWRITE_NOW ? 'rewrite' : undefined;
  }

  saveInBackground(isScheduled: boolean): JobStart | undefined {
    if (isScheduled || this.runningJob !== undefined) {
      this.#schedule('isSaveScheduled', true);
      return 'scheduled';
    }
    return this.#startSave() ? 'started' : undefined;
  }

  rewriteInBackground(isScheduled: boolean): JobStart | undefined {
    if (isScheduled || this.runningJob !== undefined) {
      this.#schedule('isRewriteScheduled', true);
      return 'scheduled';
    }
    this.#state.setFigure('nextRewriteMillis', 0);
    if (this.#isKeeper) return this.#startRewrite() ? 'started' : undefined;
    this.#state.setFigure('isRewriteScheduled', REWRITE_NOW);
    this.#callKeeper();
    return 'started';
  }

  #schedule(what: 'isSaveScheduled' | 'isRewriteScheduled', isWanted: boolean): void {
    this.#state.setFigure(what, isWanted ? 1 : 0);
  }

  #isScheduled(what: 'isSaveScheduled' | 'isRewriteScheduled'): boolean {
    return this.#state.figure(what) !== 0;
  }

  /** Asks the keeper to look what is to be done. Under the lock. */
  #callKeeper(): void {
    this.#parts.mailboxes.post(SERVING_THREAD, { kind: MAIL_ATTEND, clientId: 0, value: 0 });
    this.#parts.wake(SERVING_THREAD);
  }

  /** Another thread has asked for something that only the keeper does. Without the lock. */
  attend(): void {
    this.#underLock(() => {
      const isLockWanted = this.#state.figure('directoryLock') === LOCK_WANTED;
      const error = (isLockWanted ? this.#takeDirectory() : undefined) ?? this.#followSettings();
      if (error !== undefined) this.#parts.log.warning(error);
    });
    this.tick();
  }

  /** Under the lock, with no job running. False when it could not be started. */
  #startSave(): boolean {
    this.#schedule('isSaveScheduled', false);
    this.#state.setFigure('lastSaveTryMillis', this.#parts.clock.wallMillis());
    const refusal = this.#saveRefusal();
    if (refusal !== undefined) {
      this.#parts.log.warning(`Background saving error: ${refusal}`);
      this.#noteSaved(false);
      return false;
    }
    this.#state.setFigure('dirtyAtCut', this.#parts.keyspace.dirty);
    this.#publish('save', this.#snapshotTarget(), undefined);
    return true;
  }

  #saveRefusal(): string | undefined {
    if (this.#values.dbfilename === '') return 'dbfilename is empty';
    return this.#takeDirectory();
  }

  /** Under the lock, with no job running. False when it could not be started. */
  #startRewrite(): boolean {
    const refusal = this.#takeDirectory();
    if (refusal !== undefined) {
      this.#parts.log.warning(`Can't rewrite append only file in background: ${refusal}`);
      this.#schedule('isRewriteScheduled', false);
      return false;
    }
    if (!this.#log.isReadyForRewrite()) {
      this.#schedule('isRewriteScheduled', true);
      return true;
    }
    this.#schedule('isRewriteScheduled', false);
    const format = this.#values['aof-use-rdb-preamble'] ? 'rdb' : 'aof';
    const plan = this.#log.beginRewrite(format);
    this.#updateRefusal();
    if (plan === undefined) {
      this.#noteRewritten(false);
      return false;
    }
    const { dataDirectory, directory, fileName } = this.#paths;
    const task: RewriteTask = {
      dataDirectory,
      directoryName: this.#values.appenddirname,
      fileName,
      plan,
      deletesHistory: !this.#values['aof-disable-auto-gc'],
    };
    const target: SnapshotTarget = {
      ...this.#formatOptions(),
      format,
      directory,
      temporaryName: `temp-rewriteaof-bg-${process.pid}.aof`,
      finalName: plan.base.name,
      syncEveryBytes: this.#values['aof-rewrite-incremental-fsync'] ? INCREMENTAL_SYNC_BYTES : 0,
    };
    this.#publish('rewrite', target, task);
    return true;
  }

  #formatOptions() {
    return {
      isCompressing: this.#values.rdbcompression,
      isChecksumming: this.#values.rdbchecksum,
    };
  }

  #snapshotTarget(suffix = ''): SnapshotTarget {
    const { dir, dbfilename } = this.#values;
    return {
      ...this.#formatOptions(),
      format: formatOfName(dbfilename),
      directory: dir,
      temporaryName: `temp-${process.pid}${suffix}.${formatOfName(dbfilename)}`,
      finalName: dbfilename,
      syncEveryBytes: this.#values['rdb-save-incremental-fsync'] ? INCREMENTAL_SYNC_BYTES : 0,
    };
  }

  #accessFacts(): SnapshotJob['accessFacts'] {
    const policy = this.#values['maxmemory-policy'];
    if (policy.includes('lfu')) return 'frequency';
    return policy.includes('lru') ? 'idle' : 'none';
  }

  /** The cut: the snapshot is that of this moment. */
  #publish(kind: 'save' | 'rewrite', target: SnapshotTarget, rewrite: RewriteTask | undefined): void {
    const { keyspace, clock } = this.#parts;
    const facts = beginSnapshot(this.#queue, {
      keyspace,
      unixMillis: clock.wallMillis(),
      isAofBase: kind === 'rewrite',
    });
    this.#state.countFigure('jobId');
    const job: SnapshotJob = {
      id: this.#state.figure('jobId'),
      target,
      facts,
      accessFacts: this.#accessFacts(),
      rewrite,
    };
    this.#state.setFigure('jobStartMillis', clock.wallMillis());
    this.#state.setFigure('jobKeysDone', 0);
    this.#state.setFigure('jobKeysTotal', facts.keyCount);
    this.#state.publishJob(kind, JSON.stringify(job));
    this.#configureLog();
    this.#parts.wake(PERSISTENCE_THREAD);
  }

  /** The job has ended: the thread that ran it has noted the figures of a save. Without the lock. */
  jobDone(): void {
    this.#underLock(() => {
      const text = this.#state.takeOutcome();
      if (text === undefined) return;
      const outcome = JSON.parse(text) as JobOutcome;
      if (outcome.kind === 'save') this.#endSave(outcome);
      else this.#endRewrite(outcome);
      this.#configureLog();
      this.#updateRefusal();
    });
  }

  #endSave({ result }: JobOutcome): void {
    if (result === 'aborted') return;
    const seconds = this.#secondsSinceStart();
    this.#state.setFigure('lastSaveSeconds', seconds);
    if (result === 'done') {
      const { keyspace } = this.#parts;
      keyspace.setCounter('dirty', Math.max(0, keyspace.dirty - this.#state.figure('dirtyAtCut')));
    }
    this.#noteSaved(result === 'done');
  }

  #endRewrite({ result, manifest }: JobOutcome): void {
    if (manifest !== undefined) this.#log.adopt(manifest);
    if (result === 'aborted') return;
    this.#state.setFigure('lastRewriteSeconds', this.#secondsSinceStart());
    this.#noteRewritten(result === 'done');
    if (!this.#parts.engine.isLoading) return;
    // It was the first base, and the server waits for it.
    if (result !== 'done') throw new RecoveryError(this.#paths.directory, NO_BASE);
    this.#loaded();
  }

  #secondsSinceStart(): number {
    const micros = this.#parts.clock.wallMillis() - this.#state.figure('jobStartMillis');
    return Math.floor(micros / 1000);
  }

  #noteSaved(isOk: boolean): void {
    this.#state.setFigure('lastSaveFailed', isOk ? 0 : 1);
    if (isOk) {
      this.#state.setFigure('lastSaveMillis', this.#parts.clock.wallMillis());
      this.#state.countFigure('saves');
    }
    this.#updateRefusal();
  }

  #noteRewritten(isOk: boolean): void {
    this.#state.setFigure('lastRewriteFailed', isOk ? 0 : 1);
    if (isOk) {
      this.#state.countFigure('rewrites');
      this.#state.setFigure('rewriteFailuresInARow', 0);
      this.#state.setFigure('nextRewriteMillis', 0);
      return;
    }
    this.#state.countFigure('rewriteFailuresInARow');
    const failures = this.#state.figure('rewriteFailuresInARow');
    const excess = failures - REWRITE_FAILURES_BEFORE_DELAY;
    let delay = excess < 0 ? 0 : Math.min(2 ** excess, REWRITE_DELAY_MINUTES_MAX) * MINUTE_MILLIS;
    if (this.#log.mode === 'waiting') delay = Math.min(REPAIR_MILLIS_MIN * 2 ** failures, REPAIR_MILLIS_MAX);
    this.#state.setFigure('nextRewriteMillis', this.#parts.clock.wallMillis() + delay);
  }

  // Settings ------------------------------------------------------------------------------------------------

  /** Hooks of CONFIG SET. */
  readonly hooks: Partial<Record<DirectiveName, () => string | undefined>> = {
    appendonly: () => this.#settingsChanged(),
    save: () => this.#settingsChanged(),
    'stop-writes-on-bgsave-error': () => this.#settingsChanged(),
    dir: () => (nodeDisk.exists(this.#values.dir) ? this.#settingsChanged() : 'No such file or directory'),
  };

  #settingsChanged(): string | undefined {
    this.#updateRefusal();
    const error = this.#followSettings();
    if (!this.#isKeeper && error === undefined) this.#callKeeper();
    return error;
  }

  /** Takes over settings that every thread reads on its way. */
  applyConfig(): void {
    this.#configureLog();
  }

  #configureLog(): void {
    const values = this.#values;
    this.#log.configure({
      policy: values.appendfsync,
      hasTimestamps: values['aof-timestamp-enabled'],
      holdsSyncs: values['no-appendfsync-on-rewrite'] && this.runningJob !== undefined,
    });
  }

  /**
   * Turns the log on or off, as the settings say. Only the keeper moves the directory's lock and begins the
   * rewrite that a new log needs; another thread has looked by then that nothing is in the way.
   */
  #followSettings(): string | undefined {
    const { appendonly } = this.#values;
    if (!appendonly && this.#log.mode !== 'off') this.#turnOff();
    if (this.#isKeeper) this.#leaveDirectory();
    if (!appendonly || this.#log.mode !== 'off') return undefined;
    const refusal = this.#takeDirectory();
    if (refusal !== undefined) return refusal;
    if (!this.#log.canTurnOn()) return CANNOT_TURN_ON;
    this.#log.turnOn();
    this.#state.setFigure('nextRewriteMillis', 0);
    if (!this.#isKeeper || this.runningJob !== undefined) this.#schedule('isRewriteScheduled', true);
    else if (!this.#startRewrite()) return CANNOT_TURN_ON;
    return undefined;
  }

  #turnOff(): void {
    if (this.runningJob === 'rewrite') this.#state.abortJob(ABORT_JOB);
    this.#schedule('isRewriteScheduled', false);
    this.#log.turnOff();
    this.#updateRefusal();
  }

  /** Gives up the lock of a directory that is not used any more. An append-only file stays where it is. */
  #leaveDirectory(): void {
    const lock = this.#directoryLock;
    if (lock === undefined || this.#log.mode !== 'off' || lock.directory === this.#values.dir) return;
    lock.release();
    this.#directoryLock = undefined;
    this.#state.setFigure('directoryLock', LOCK_NONE);
  }

  // Refusals ------------------------------------------------------------------------------------------------

  get writeRefusal(): ErrorReply | undefined {
    const values = this.#values;
    const isSaveFailing = this.#state.figure('lastSaveFailed') !== 0;
    if (isSaveFailing && values['stop-writes-on-bgsave-error'] && values.save.length > 0)
      return SNAPSHOT_FAILED;
    const { error } = this.#log;
    return error === undefined ? undefined : appendOnlyFileFailed(error.reason);
  }

  #updateRefusal(): void {
    const { control } = this.#parts.allocator.arena;
    control[STATE_WRITES_REFUSED] = this.writeRefusal === undefined ? 0 : 1;
  }

  // Commands ------------------------------------------------------------------------------------------------

  get lastSaveTime(): number {
    return Math.floor(this.#state.figure('lastSaveMillis') / 1000);
  }

  save(): boolean {
    const { keyspace, log } = this.#parts;
    this.#schedule('isSaveScheduled', false);
    const refusal = this.#saveRefusal();
    if (refusal !== undefined) {
      log.warning(`Error saving the DB: ${refusal}`);
      return false;
    }
    const startedAt = performance.now();
    try {
      const unixMillis = this.#parts.clock.wallMillis();
      const facts = snapshotFacts({ keyspace, unixMillis, isAofBase: false });
      const options = { facts, accessFacts: this.#accessFacts() };
      const { keyCount } = writeSnapshot(nodeDisk, this.#snapshotTarget('-now'), (sink) => ({
        keyCount: walkNow(keyspace, sink, options),
        isAborted: false,
      }));
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(3);
      log.notice(`DB saved on disk: ${keyCount} keys in ${seconds} seconds`);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      log.warning(`Error saving the DB: ${error.message}`);
      return false;
    }
    this.#forgetChanges();
    this.#noteSaved(true);
    return true;
  }

  /** No change is left that a file does not hold; those counted since the lock was taken included. */
  #forgetChanges(): void {
    const { keyspace } = this.#parts;
    keyspace.setCounter('dirty', -keyspace.changeCount);
  }

  /** FLUSHALL ends a snapshot that is being written: it would only bring back what was deleted. */
  flushed(): void {
    if (this.runningJob === 'save') this.#state.abortJob(ABORT_JOB);
    if (this.#values.save.length === 0) return;
    const { keyspace } = this.#parts;
    const { dirty } = keyspace;
    this.save();
    // The change is still one for the log and the save points (db.c, flushAllDataAndResetRDB).
    keyspace.setCounter('dirty', dirty);
  }

  reload(replacesKeys: boolean): boolean {
    return this.#loadAgain('snapshot', replacesKeys);
  }

  reloadAppendOnlyFile(): boolean {
    this.#log.flushAndSync();
    const isLoaded = this.#loadAgain('aof', false);
    if (isLoaded) this.#forgetChanges();
    return isLoaded;
  }

  #loadAgain(source: 'aof' | 'snapshot', replacesKeys: boolean): boolean {
    const { keyspace, log } = this.#parts;
    // What loading does to keys is no change that another save would have to hold.
    const { changeCount } = keyspace;
    try {
      const recovery = this.#newRecovery(source === 'aof', replacesKeys);
      while (!recovery.step(Infinity));
      return recovery.result!.source === source;
    } catch (error) {
      if (!(error instanceof RecoveryError)) throw error;
      log.warning(error.message);
      return false;
    } finally {
      keyspace.changeCount = changeCount;
    }
  }

  dump(entry: Ref): Uint8Array {
    return dumpValue(this.#parts.keyspace, entry, this.#values.rdbcompression);
  }

  restore(payload: Uint8Array): RestoreFailure | ((database: Database, key: Uint8Array) => Ref) {
    return restoreValue(this.#parts.keyspace, payload);
  }

  // End -----------------------------------------------------------------------------------------------------

  /**
   * Before the server ends: the log is written out, and a last snapshot is saved if `saves` says so, by
   * default if there are save points. False when something failed: the server must go on, unless it is
   * forced. Under the lock.
   */
  prepareStop(saves: boolean | undefined, isForced: boolean): boolean {
    const { log, process: facts } = this.#parts;
    const supervision = supervisionOf(facts.supervisor, (problem) => log.warning(problem));
    supervision.tell('STOPPING=1\n');
    if (this.runningJob !== undefined) {
      const file = this.runningJob === 'save' ? 'a snapshot' : 'an AOF rewrite';
      log.warning(`There is a job writing ${file}. Ending it!`);
      this.#state.abortJob(ABORT_THREAD);
    }
    let isOk = true;
    if (this.#log.mode !== 'off') {
      log.notice('Calling fsync() on the AOF file.');
      this.#log.flushAndSync();
      isOk = this.#log.error === undefined;
    }
    // What is not loaded yet must not be taken for what was deleted (db.c, shutdownCommand).
    const wantsSave = !this.#parts.engine.isLoading && (saves ?? this.#values.save.length > 0);
    if (wantsSave) {
      log.notice('Saving the final snapshot before exiting.');
      if (!this.save()) {
        log.warning(`Error trying to save the DB${isForced ? '. Exit anyway.' : ", can't exit."}`);
        if (!isForced) supervision.tell("STATUS=Error trying to save the DB, can't exit.\n");
        isOk = false;
      }
    }
    return isOk || isForced;
  }

  /** The last thing: files are closed, the directory is free. */
  close(): void {
    this.#log.close();
    this.#directoryLock?.release();
  }

  // Figures -------------------------------------------------------------------------------------------------

  figures(): PersistenceFigures {
    const state = this.#state;
    const { runningJob } = this;
    const isSaving = runningJob === 'save';
    const isRewriting = runningJob === 'rewrite';
    const current = this.#secondsSinceStart();
    return {
      loading: this.#parts.engine.isLoading ? this.#loadingFigures() : undefined,
      isLoading: this.#parts.engine.isLoading,
      isSaving,
      savedKeys: runningJob === undefined ? 0 : state.figure('jobKeysDone'),
      keysToSave: runningJob === undefined ? 0 : state.figure('jobKeysTotal'),
      lastSaveTime: this.lastSaveTime,
      lastSaveOk: state.figure('lastSaveFailed') === 0,
      lastSaveSeconds: state.figure('lastSaveSeconds'),
      currentSaveSeconds: isSaving ? current : -1,
      saves: state.figure('saves'),
      lastLoadKeysExpired: state.figure('lastLoadKeysExpired'),
      lastLoadKeysLoaded: state.figure('lastLoadKeysLoaded'),
      isRewriting,
      isRewriteScheduled: state.figure('isRewriteScheduled') === REWRITE_LATER,
      lastRewriteSeconds: state.figure('lastRewriteSeconds'),
      currentRewriteSeconds: isRewriting ? current : -1,
      lastRewriteOk: state.figure('lastRewriteFailed') === 0,
      rewrites: state.figure('rewrites'),
      rewriteFailuresInARow: state.figure('rewriteFailuresInARow'),
      lastWriteOk: this.#log.error === undefined,
      appendOnlyFile: this.#log.mode === 'off' ? undefined : this.#logFigures(),
    };
  }

  #loadingFigures(): LoadingFigures {
    const state = this.#state;
    return {
      startMillis: state.figure('loadStartMillis'),
      totalBytes: state.figure('loadTotalBytes'),
      loadedBytes: state.figure('loadedBytes'),
      usedMemoryAtSave: state.figure('loadUsedMemory'),
    };
  }

  #logFigures(): AppendOnlyFigures {
    return {
      currentBytes: this.#log.currentBytes,
      baseBytes: this.#log.rewrittenBytes,
      bufferBytes: this.#log.pendingBytes,
      pendingSyncs: this.#log.isSyncing ? 1 : 0,
      delayedSyncs: this.#log.delayedSyncCount,
    };
  }
}
