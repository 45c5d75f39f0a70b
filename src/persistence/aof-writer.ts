/**
 * The append-only file that is being written: commands are gathered in memory and go to the file in one write
 * per `flush`, as one group with a checksum (aof-writer-encoder.ts), synced as the policy says
 * (aof-writer-sync.ts).
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
import { systemClock, type Clock } from '../util/clock.ts';
import type { Request } from '../protocol/request.ts';
import { syncAgain } from './aof-resync.ts';
import { AofEncoder, syncedMark } from './aof-writer-encoder.ts';
import { SyncSchedule, type BackgroundSync, type FsyncPolicy } from './aof-writer-sync.ts';
import { DiskError, attempt, writeFully, type Descriptor, type Disk } from './disk.ts';

export interface AofWriterOptions {
  readonly disk: Disk;
  readonly background: BackgroundSync;
  readonly policy: FsyncPolicy;
  readonly clock?: Clock;
}

export type AofWriterState = 'ok' | 'write-error' | 'untrusted';

/**
 * What a flush came to. `written`: nothing waits any more, and under `always` it is on disk. `postponed`:
 * waiting for a running sync. The others: see `AofWriter.error`.
 */
export type FlushOutcome = 'written' | 'postponed' | 'write-error' | 'untrusted';

interface OpenFile {
  readonly fd: Descriptor;
  readonly path: string;
  size: number;
  syncedSize: number;
  /** A snapshot takes its place: what becomes of it does not matter. */
  isAbandoned: boolean;
}

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
  readonly #schedule: SyncSchedule;
  readonly #encoder = new AofEncoder();
  #file: OpenFile | undefined;
  /** The sync that is running in the background, and what it will have covered. */
  #syncing: { readonly file: OpenFile; readonly size: number } | undefined;
  #state: AofWriterState = 'ok';
  #error: DiskError | undefined;
  /** Of the last failed write: bytes that stayed in the file because they could not be cut off. */
  #partialBytes = 0;

  constructor({ disk, background, policy, clock = systemClock }: AofWriterOptions) {
    this.#disk = disk;
    this.#background = background;
    this.#clock = clock;
    this.#schedule = new SyncSchedule(policy, clock);
  }

  get state(): AofWriterState {
    return this.#state;
  }

  /** Why the state is not `ok`. */
  get error(): DiskError | undefined {
    return this.#error;
  }

  get policy(): FsyncPolicy {
    return this.#schedule.policy;
  }

  set policy(policy: FsyncPolicy) {
    this.#schedule.policy = policy;
  }

  /** Path of the open file. */
  get path(): string | undefined {
    return this.#file?.path;
  }

  /** Bytes in the open file. */
  get size(): number {
    return this.#file?.size ?? 0;
  }

  /** Bytes of the open file that are known to be on disk. */
  get syncedSize(): number {
    return this.#file?.syncedSize ?? 0;
  }

  /** Bytes that wait for a flush. */
  get pendingBytes(): number {
    return this.#encoder.position;
  }

  get delayedSyncCount(): number {
    return this.#schedule.delayedCount;
  }

  get partialBytes(): number {
    return this.#partialBytes;
  }

  get isSyncing(): boolean {
    return this.#syncing !== undefined;
  }

  /**
   * Goes on with a file, whose end must be sound, or begins a new one. Throws DiskError, nothing being open
   * then.
   */
  open(path: string): void {
    if (this.#file !== undefined) throw new Error(`${this.#file.path} is still open`);
    this.#file = this.#openFile(path);
    this.#encoder.beginFile(this.#file.syncedSize);
  }

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

  /**
   * Writes what waits, and syncs as the policy says. `force` does not wait for a running sync. Call it at the
   * end of each wake-up and about ten times a second besides: it also learns how background syncs end, and
   * retries.
   */
  flush(force = false): FlushOutcome {
    this.#pollBackground();
    if (this.#state === 'untrusted') return 'untrusted';
    const file = this.#file;
    if (file === undefined) return 'written';

    this.#encoder.seal();
    if (this.#encoder.position > 0) {
      if (this.#schedule.shouldPostpone(this.#syncing !== undefined) && !force) return 'postponed';
      if (!this.#write(file)) return 'write-error';
    }
    if (!this.syncHeld) this.#syncByPolicy(file);
    return this.#state === 'ok' ? 'written' : this.#state;
  }

  /** Writes and syncs everything now, whatever the policy. */
  flushAndSync(): FlushOutcome {
    const outcome = this.flush(true);
    if (outcome === 'written' && this.#file !== undefined) this.#syncNow(this.#file);
    return this.#state === 'ok' ? 'written' : this.#state;
  }

  /** Begins to sync in the background, ahead of the schedule; `syncedSize` tells how far that has come. */
  beginSync(): void {
    this.#pollBackground();
    const file = this.#file;
    if (file === undefined || this.#syncing !== undefined || file.syncedSize === file.size) return;
    this.#startSync(file);
  }

  /**
   * Goes on in another file: what was appended so far is written to the old file and synced, the new one is
   * created, and `publish` makes it known (the manifest). Only then does anything go to the new file, so the
   * old file can never miss its tail while the new one has data. When a step fails everything stays with the
   * old file.
   */
  rotate(path: string, publish: () => void): DiskError | undefined {
    const old = this.#file;
    if (this.flushAndSync() !== 'written') return this.#error;
    let next: OpenFile | undefined;
    const error = attempt(() => {
      next = this.#openFile(path);
      publish();
    });
    if (error !== undefined || next === undefined) {
      if (next !== undefined) this.#disk.close(next.fd);
      return error;
    }
    if (old !== undefined) this.#closeWhenIdle(old);
    this.#file = next;
    this.#encoder.beginFile(next.syncedSize);
    return undefined;
  }

  /**
   * Gives up the file and what was not written to it, for a snapshot that holds all of it is about to take
   * its place. The way out of `untrusted`; `open` the new file afterwards, and accept writes when the
   * snapshot is in the manifest.
   */
  abandon(): void {
    this.#encoder.discard();
    if (this.#file !== undefined) {
      this.#file.isAbandoned = true;
      this.#closeWhenIdle(this.#file);
    }
    this.#file = undefined;
    this.#state = 'ok';
    this.#error = undefined;
    this.#partialBytes = 0;
  }

  /**
   * Writes and syncs everything, says so in the file, and closes it. On failure the file is closed all the
   * same.
   */
  close(): FlushOutcome {
    let outcome = this.flushAndSync();
    const file = this.#file;
    if (outcome === 'written' && file !== undefined && file.size > 0) {
      // Without this mark, damage to the last group could not be told from a write that a crash interrupted.
      this.#encoder.sealWithSynced();
      outcome = this.flushAndSync();
    }
    const failure = { state: this.#state, error: this.#error };
    this.abandon();
    this.#state = failure.state;
    this.#error = failure.error;
    return outcome;
  }

  #noteTime(): void {
    if (this.timestampEnabled) this.#encoder.setTimestamp(Math.floor(this.#clock.wallMillis() / 1000));
  }

  /**
   * What an existing file holds is synced. A mark follows that is on disk before any command is written:
   * behind it, a reader knows lost sectors for what they are.
   */
  #openFile(path: string): OpenFile {
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
      const markedSize = size + mark.length;
      return { fd, path, size: markedSize, syncedSize: markedSize, isAbandoned: false };
    } catch (error) {
      this.#disk.close(fd);
      throw error;
    }
  }

  #write(file: OpenFile): boolean {
    const { buffer, position: end } = this.#encoder;
    let start = 0;
    const error = attempt(() => {
      while (start < end) start += this.#disk.write(file.fd, buffer, start, end);
    });
    if (error === undefined) {
      this.#advance(file, end);
      this.#state = 'ok';
      this.#error = undefined;
      this.#partialBytes = 0;
      return true;
    }
    this.#state = 'write-error';
    this.#error = error;
    if (start > 0 && attempt(() => this.#disk.truncate(file.fd, file.size)) !== undefined) {
      this.#partialBytes = start;
      this.#advance(file, start);
    }
    return false;
  }

  #advance(file: OpenFile, byteCount: number): void {
    file.size += byteCount;
    this.#encoder.consume(byteCount);
  }

  #syncByPolicy(file: OpenFile): void {
    if (file.syncedSize === file.size) return;
    if (this.policy === 'always') {
      this.#syncNow(file);
    } else if (this.#syncing === undefined && this.#schedule.takeBackgroundTurn()) {
      this.#startSync(file);
    }
  }

  #startSync(file: OpenFile): void {
    this.#syncing = { file, size: file.size };
    this.#background.start(file.fd);
  }

  #syncNow(file: OpenFile): void {
    const { size } = file;
    if (size === file.syncedSize) return;
    const error = attempt(() => this.#disk.fsync(file.fd));
    if (error === undefined) this.#noteSynced(file, size);
    else this.#distrust(error);
  }

  #pollBackground(): void {
    const syncing = this.#syncing;
    if (syncing === undefined) return;
    const outcome = this.#background.poll();
    if (outcome === 'running') return;
    this.#syncing = undefined;
    if (syncing.file !== this.#file) this.#disk.close(syncing.file.fd);
    if (outcome === 'done') this.#noteSynced(syncing.file, syncing.size);
    // An error is told to one of two syncs that overlap, so it also counts for a file that was synced and
    // left since.
    else if (!syncing.file.isAbandoned) this.#distrust(outcome);
  }

  #noteSynced(file: OpenFile, size: number): void {
    file.syncedSize = Math.max(file.syncedSize, size);
    if (file === this.#file) this.#encoder.noteSynced(size);
  }

  #distrust(error: DiskError): void {
    this.#state = 'untrusted';
    this.#error = error;
  }

  /**
   * A descriptor that another thread is syncing must stay open: its number could come to mean another file.
   */
  #closeWhenIdle(file: OpenFile): void {
    if (this.#syncing?.file !== file) this.#disk.close(file.fd);
  }
}
