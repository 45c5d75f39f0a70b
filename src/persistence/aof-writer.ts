/**
 * The append-only file that is being written: commands are gathered in memory and go to the file in one write
 * per `flush`, as one group with a checksum (aof-writer-encoder.ts), synced as the policy says
 * (aof-writer-sync.ts). Each serving thread has a writer; what they share is in the arena
 * (aof-writer-shared.ts), so one thread's flush may do the work of several: group commit.
 *
 *     ok ──write fails──▶ write-error ──a later flush succeeds──▶ ok
 *      └──fsync fails──▶ untrusted ──abandon() and open() of a new file──▶ ok
 *
 * - A write that fails half way is cut off again; if that fails too, the file goes on from the partial
 *   length, knowingly: the rest of the group follows at the next attempt.
 * - After a failed fsync the kernel may have dropped what it could not write, so nothing that a later fsync
 *   says can be trusted. Nothing more is written to that file; the way out is a new file and a rewrite.
 *
 * Nothing is logged here: who calls `flush` knows whether it stops the server (policy `always`) or refuses
 * writes.
 */
import { dirname } from 'node:path';
import type { Allocator } from '../memory/allocator.ts';
import type { Mutex } from '../memory/mutex.ts';
import type { Request } from '../protocol/request.ts';
import { systemClock, type Clock } from '../util/clock.ts';
import { NO_TIMER, type EventTimer, type TimedEvent } from '../util/event-timer.ts';
import { syncAgain } from './aof-resync.ts';
import { AofEncoder, seal, syncedMark } from './aof-writer-encoder.ts';
import {
  LOG_DESCRIPTOR,
  LOG_ERROR,
  LOG_STATE,
  LOG_SYNC_CLOSES,
  LOG_SYNC_DESCRIPTOR,
  LOG_SYNC_IGNORED,
  NO_DESCRIPTOR,
  SharedLog,
} from './aof-writer-shared.ts';
import { SyncSchedule, type BackgroundSync, type FsyncPolicy } from './aof-writer-sync.ts';
import {
  DiskError,
  attempt,
  errorCodeOf,
  errorNumberOf,
  writeFully,
  type Descriptor,
  type Disk,
} from './disk.ts';

export interface AofWriterOptions {
  readonly disk: Disk;
  readonly background: BackgroundSync;
  readonly policy: FsyncPolicy;
  readonly allocator: Allocator;
  /** The store's lock: under it commands are appended. */
  readonly store: Mutex;
  readonly clock?: Clock;
  readonly timer?: EventTimer;
  /** Whether a snapshot is being written meanwhile, for the name of a slow write. */
  readonly isJobRunning?: () => boolean;
}

const STATES = ['ok', 'write-error', 'untrusted'] as const;
export type AofWriterState = (typeof STATES)[number];

/**
 * What a flush came to. `written`: nothing waits any more, and under `always` it is on disk. `postponed`:
 * waiting for a running sync. The others: see `AofWriter.error`.
 */
export type FlushOutcome = 'written' | 'postponed' | 'write-error' | 'untrusted';

export class AofWriter {
  /** Whether `#TS` annotations are written (aof-timestamp-enabled). */
  timestampEnabled = false;
  /**
   * No syncs for now, under `everysec` and `always` alike (no-appendfsync-on-rewrite while a rewrite runs).
   */
  syncHeld = false;
  readonly #disk: Disk;
  readonly #background: BackgroundSync;
  readonly #clock: Clock;
  readonly #store: Mutex;
  readonly shared: SharedLog;
  readonly #schedule: SyncSchedule;
  readonly #encoder: AofEncoder;
  readonly #timer: EventTimer;
  readonly #isJobRunning: () => boolean;
  /** Slow events that are recorded when the log's lock is released: that takes the store's. */
  #slow: { readonly event: TimedEvent; readonly micros: number }[] = [];
  #path: string | undefined;

  /** Under the store's lock. */
  constructor(options: AofWriterOptions) {
    const { disk, background, policy, allocator, store, clock = systemClock } = options;
    this.#disk = disk;
    this.#background = background;
    this.#clock = clock;
    this.#store = store;
    this.#timer = options.timer ?? NO_TIMER;
    this.#isJobRunning = options.isJobRunning ?? (() => false);
    this.shared = new SharedLog(allocator, store.threadNumber);
    this.#schedule = new SyncSchedule(policy, clock, this.shared);
    this.#encoder = new AofEncoder(this.shared);
  }

  get state(): AofWriterState {
    return STATES[this.shared.get(LOG_STATE)]!;
  }

  /** Why the state is not `ok`. */
  get error(): DiskError | undefined {
    const errorNumber = this.shared.get(LOG_ERROR);
    if (errorNumber === 0) return undefined;
    const operation = this.state === 'untrusted' ? 'fsync' : 'write';
    return new DiskError(operation, errorCodeOf(errorNumber), this.#path ?? 'append-only file');
  }

  get policy(): FsyncPolicy {
    return this.#schedule.policy;
  }

  set policy(policy: FsyncPolicy) {
    this.#schedule.policy = policy;
  }

  get isOpen(): boolean {
    return this.shared.get(LOG_DESCRIPTOR) !== NO_DESCRIPTOR;
  }

  /** Path of the file that this writer has opened last, if it is still open. */
  get path(): string | undefined {
    return this.isOpen ? this.#path : undefined;
  }

  /** Bytes in the open file. */
  get size(): number {
    return this.isOpen ? this.shared.double('size') : 0;
  }

  /** Bytes of the open file that are known to be on disk. */
  get syncedSize(): number {
    return this.isOpen ? this.shared.double('syncedSize') : 0;
  }

  /**
   * Whether something was appended that is not where the policy wants it before a reply leaves: in the file,
   * or on disk. What another thread is writing or syncing at this moment counts.
   */
  get isBehind(): boolean {
    const { shared } = this;
    const reached = this.#syncsWithFlush() ? shared.double('durable') : shared.double('written');
    return reached < shared.double('appended');
  }

  /** A method: V8 looks a private getter up by a call of its runtime, and each wake-up asks this. */
  #syncsWithFlush(): boolean {
    return this.policy === 'always' && !this.syncHeld;
  }

  /** Bytes that wait for a flush. */
  get pendingBytes(): number {
    return this.shared.pending.length + this.shared.outgoing.length;
  }

  get delayedSyncCount(): number {
    return this.#schedule.delayedCount;
  }

  get partialBytes(): number {
    return this.shared.double('partialBytes');
  }

  get isSyncing(): boolean {
    return this.shared.get(LOG_SYNC_DESCRIPTOR) !== NO_DESCRIPTOR;
  }

  // Appending: under the store's lock -----------------------------------------------------------------------

  append(database: number, request: Request): void {
    this.#noteTime();
    this.#encoder.append(database, request);
  }

  /** Begins a transaction: what is appended until `exec` is loaded all or not at all. No flush in between. */
  multi(database: number): void {
    this.#noteTime();
    this.#encoder.multi(database);
  }

  exec(): void {
    this.#encoder.exec();
  }

  #noteTime(): void {
    if (this.timestampEnabled) this.#encoder.setTimestamp(Math.floor(this.#clock.wallMillis() / 1000));
  }

  // Flushing: with or without the store's lock --------------------------------------------------------------

  /**
   * Writes what waits, and syncs as the policy says. `force` does not wait for a running sync. Call it at the
   * end of each wake-up and about ten times a second besides: it also learns how background syncs end, and
   * retries.
   */
  flush(force = false): FlushOutcome {
    return this.#commit(force, false);
  }

  /** Writes and syncs everything now, whatever the policy. */
  flushAndSync(): FlushOutcome {
    return this.#commit(true, true);
  }

  /** Sees to it that everything appended so far is in the file; under `always`, or if told so, on disk. */
  #commit(force: boolean, syncsNow: boolean): FlushOutcome {
    const { mutex: log } = this.shared;
    const wanted = this.shared.double('appended');
    const mustSync = syncsNow || this.#syncsWithFlush();
    const isStoreMine = this.#store.isMine;
    for (;;) {
      if (isStoreMine) {
        log.lock();
      } else {
        this.#store.lock();
        if (!log.tryLock()) {
          // Somebody writes just now: perhaps our commands too. The next one to write is one that waited.
          this.#store.unlock();
          const outcome = log.hold(() => this.#outcomeFor(wanted, mustSync));
          if (outcome !== undefined) return outcome;
          continue;
        }
      }
      let hasStore = !isStoreMine;
      try {
        const refusal = this.#refusal(force);
        if (refusal !== undefined) return refusal;
        const { outgoing } = this.shared;
        const isAll = outgoing.length === 0;
        if (isAll) this.shared.detach();
        if (hasStore) this.#store.unlock();
        hasStore = false;
        seal(outgoing);
        if (outgoing.length > 0 && !this.#write()) return 'write-error';
        // The rest of a write that had failed was in the way.
        if (!isAll) continue;
        if (mustSync) this.#syncNow();
        else if (!this.syncHeld) this.#syncInTurn();
        return this.state === 'ok' ? 'written' : this.state;
      } finally {
        log.unlock();
        if (hasStore) this.#store.unlock();
        if (this.#slow.length > 0) this.#recordSlow();
      }
    }
  }

  #recordSlow(): void {
    const slow = this.#slow;
    this.#slow = [];
    for (const { event, micros } of slow) this.#timer.record(event, micros);
  }

  /** What another thread's flush has come to for those who appended up to there; undefined if nothing. */
  #outcomeFor(wanted: number, mustSync: boolean): FlushOutcome | undefined {
    if (this.state !== 'ok') return this.state;
    if (!this.isOpen) return 'written';
    return this.shared.double(mustSync ? 'durable' : 'written') >= wanted ? 'written' : undefined;
  }

  /** Why nothing is written now. Under both locks. */
  #refusal(force: boolean): FlushOutcome | undefined {
    this.#pollBackground();
    if (this.#encoder.isInMulti) throw new Error('an AOF group must not end within MULTI');
    if (this.state === 'untrusted') return 'untrusted';
    if (!this.isOpen) return 'written';
    this.shared.outgoing.trim();
    const isPostponed =
      this.pendingBytes > 0 && this.#schedule.shouldPostpone(this.isSyncing && !force) && !force;
    return isPostponed ? 'postponed' : undefined;
  }

  /** Begins to sync in the background, ahead of the schedule; `syncedSize` tells how far that has come. */
  beginSync(): void {
    this.#exclusively(() => {
      this.#pollBackground();
      if (this.isOpen && !this.isSyncing && this.syncedSize < this.size) this.#startSync();
    });
  }

  // Files: by one thread, which keeps the manifest ----------------------------------------------------------

  /**
   * Goes on with a file, whose end must be sound, or begins a new one. Throws DiskError, nothing being open
   * then.
   */
  open(path: string): void {
    this.#exclusively(() => {
      if (this.isOpen) throw new Error(`${this.#path} is still open`);
      const file = this.#openFile(path);
      this.#use(path, file);
      // Commands that were appended before are for this file, and some select no database yet.
      this.shared.beginFile(file.size);
    });
  }

  /**
   * Goes on in another file: what was appended so far is written to the old file and synced, the new one is
   * created, and `publish` makes it known (the manifest). Only then does anything go to the new file, so the
   * old file can never miss its tail while the new one has data. When a step fails everything stays with the
   * old file.
   */
  rotate(path: string, publish: () => void): DiskError | undefined {
    return this.#underStore(() => {
      if (this.flushAndSync() !== 'written') return this.error;
      return this.#exclusively(() => {
        let next: OpenedFile | undefined;
        const error = attempt(() => {
          next = this.#openFile(path);
          publish();
        });
        if (error !== undefined || next === undefined) {
          if (next !== undefined) this.#disk.close(next.fd);
          return error;
        }
        this.#closeFile();
        this.#use(path, next);
        this.shared.beginFile(next.size);
        return undefined;
      });
    });
  }

  /**
   * Gives up the file and what was not written to it, for a snapshot that holds all of it is about to take
   * its place. The way out of `untrusted`; `open` the new file afterwards, and accept writes when the
   * snapshot is in the manifest.
   */
  abandon(): void {
    this.#exclusively(() => {
      const { pending, outgoing } = this.shared;
      pending.consume(pending.length);
      outgoing.consume(outgoing.length);
      if (this.isSyncing) this.shared.set(LOG_SYNC_IGNORED, 1);
      this.#closeFile();
      this.#noteState('ok');
      const appended = this.shared.double('appended');
      for (const name of ['written', 'durable'] as const) this.shared.setDouble(name, appended);
      this.shared.setDouble('partialBytes', 0);
    });
  }

  /**
   * Writes and syncs everything, says so in the file, and closes it. On failure the file is closed all the
   * same.
   */
  close(): FlushOutcome {
    return this.#underStore(() => {
      let outcome = this.flushAndSync();
      if (outcome === 'written' && this.size > 0) {
        // Without this mark, damage to the last group could not be told from a write that a crash
        // interrupted.
        this.#encoder.appendSynced();
        outcome = this.flushAndSync();
      }
      const { state } = this;
      const errorNumber = this.shared.get(LOG_ERROR);
      this.abandon();
      this.#noteState(state, errorNumber);
      return outcome;
    });
  }

  #underStore<Result>(action: () => Result): Result {
    return this.#store.isMine ? action() : this.#store.hold(action);
  }

  /** Does something under both locks. */
  #exclusively<Result>(action: () => Result): Result {
    return this.#underStore(() => this.shared.mutex.hold(action));
  }

  /**
   * What an existing file holds is synced. A mark follows that is on disk before any command is written:
   * behind it, a reader knows lost sectors for what they are.
   */
  #openFile(path: string): OpenedFile {
    const fd = this.#disk.open(path, 'append');
    try {
      const size = this.#disk.size(fd);
      if (size > 0) syncAgain(this.#disk, path);
      const mark = syncedMark(size);
      const error = attempt(() => {
        writeFully(this.#disk, fd, mark);
        this.#disk.fsync(fd);
      });
      if (error !== undefined) {
        attempt(() => this.#disk.truncate(fd, size));
        throw error;
      }
      // First the file, then the manifest that names it: a crash must not keep the second without the first.
      // On start it is the manifest that was read which must not change back any more.
      this.#disk.syncDirectory(dirname(path));
      return { fd, size: size + mark.length };
    } catch (error) {
      this.#disk.close(fd);
      throw error;
    }
  }

  #use(path: string, { fd, size }: OpenedFile): void {
    this.#path = path;
    this.shared.set(LOG_DESCRIPTOR, fd);
    this.shared.setDouble('size', size);
    this.shared.setDouble('syncedSize', size);
  }

  /**
   * A descriptor that another thread is syncing must stay open: its number could come to mean another file.
   */
  #closeFile(): void {
    const fd = this.shared.get(LOG_DESCRIPTOR);
    if (fd === NO_DESCRIPTOR) return;
    this.shared.set(LOG_DESCRIPTOR, NO_DESCRIPTOR);
    if (this.shared.get(LOG_SYNC_DESCRIPTOR) === fd) this.shared.set(LOG_SYNC_CLOSES, 1);
    else this.#disk.close(fd);
  }

  // Writing and syncing: under the log's lock ---------------------------------------------------------------

  #write(): boolean {
    const shared = this.shared;
    const { outgoing } = shared;
    const fd = shared.get(LOG_DESCRIPTOR);
    const { bytes, start, end } = outgoing;
    let position = start;
    const started = this.#timer.start();
    const error = attempt(() => {
      while (position < end) position += this.#disk.write(fd, bytes, position, end);
    });
    this.#noteWriteTime(this.#timer.elapsed(started));
    if (error === undefined) {
      this.#advance(end - start);
      shared.setDouble('written', shared.double('detached'));
      shared.setDouble('partialBytes', 0);
      this.#noteState('ok');
      return true;
    }
    this.#noteState('write-error', errorNumberOf(error.code));
    const written = position - start;
    if (written > 0 && attempt(() => this.#disk.truncate(fd, shared.double('size'))) !== undefined) {
      shared.setDouble('partialBytes', written);
      this.#advance(written);
    }
    return false;
  }

  /** By what was in its way, as far as that is known (aof.c, flushAppendOnlyFile). */
  #noteWriteTime(micros: number): void {
    if (micros === 0) return;
    let event: TimedEvent = 'aof-write-alone';
    if (this.policy === 'everysec' && this.isSyncing) event = 'aof-write-pending-fsync';
    else if (this.#isJobRunning()) event = 'aof-write-active-child';
    this.#slow.push({ event, micros }, { event: 'aof-write', micros });
  }

  #advance(byteCount: number): void {
    this.shared.setDouble('size', this.shared.double('size') + byteCount);
    this.shared.outgoing.consume(byteCount);
  }

  /** Starts a sync in the background if one is due. */
  #syncInTurn(): void {
    if (this.syncedSize === this.size || this.isSyncing) return;
    if (this.#schedule.takeBackgroundTurn()) this.#startSync();
  }

  #startSync(): void {
    const fd = this.shared.get(LOG_DESCRIPTOR);
    this.shared.set(LOG_SYNC_DESCRIPTOR, fd);
    this.shared.set(LOG_SYNC_CLOSES, 0);
    this.shared.set(LOG_SYNC_IGNORED, 0);
    this.shared.setDouble('syncingSize', this.shared.double('size'));
    this.#background.start(fd);
  }

  #syncNow(): void {
    const shared = this.shared;
    const { size } = this;
    if (size > this.syncedSize) {
      const fd: Descriptor = shared.get(LOG_DESCRIPTOR);
      const started = this.#timer.start();
      const error = attempt(() => this.#disk.fsync(fd));
      const micros = this.#timer.elapsed(started);
      if (micros > 0 && this.policy === 'always') this.#slow.push({ event: 'aof-fsync-always', micros });
      if (error !== undefined) {
        this.#noteState('untrusted', errorNumberOf(error.code));
        return;
      }
      shared.setDouble('syncedSize', size);
    }
    shared.setDouble('durable', shared.double('written'));
  }

  #pollBackground(): void {
    const shared = this.shared;
    const fd = shared.get(LOG_SYNC_DESCRIPTOR);
    if (fd === NO_DESCRIPTOR) return;
    const outcome = this.#background.poll();
    if (outcome === 'running') return;
    shared.set(LOG_SYNC_DESCRIPTOR, NO_DESCRIPTOR);
    const isLeft = shared.get(LOG_SYNC_CLOSES) !== 0;
    if (isLeft) this.#disk.close(fd);
    if (outcome !== 'done') {
      // An error is told to one of two syncs that overlap, so it also counts for a file that was synced and
      // left since.
      if (shared.get(LOG_SYNC_IGNORED) === 0) this.#noteState('untrusted', errorNumberOf(outcome.code));
    } else if (!isLeft) {
      shared.setDouble('syncedSize', Math.max(shared.double('syncedSize'), shared.double('syncingSize')));
    }
  }

  #noteState(state: AofWriterState, errorNumber = 0): void {
    this.shared.set(LOG_STATE, STATES.indexOf(state));
    this.shared.set(LOG_ERROR, errorNumber);
  }
}

interface OpenedFile {
  readonly fd: Descriptor;
  readonly size: number;
}
