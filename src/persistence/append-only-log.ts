/**
 * The append-only file of a running server: what the engine's effects go to, its files and their manifest.
 *
 *     off ──turnOn──▶ waiting ──first rewrite done──▶ on ──turnOff──▶ off
 *                        ▲                            │ fsync failed: the file cannot be trusted any more
 *                        └────────────────────────────┘
 *
 * While it is *waiting*, commands are written to a file that the manifest does not name yet: it takes effect
 * together with the base that the rewrite makes (Redis: AOF_WAIT_REWRITE). After a failed fsync the log waits
 * as well, and commands that write are refused until the rewrite is done: what the old file holds on disk is
 * not known, what the rewrite has synced is.
 *
 * A rewrite has two halves. `beginRewrite` makes the cut: everything so far is synced, and the log goes on in
 * a new file. The snapshot of that moment is written elsewhere; `adopt` takes over the manifest that names
 * it.
 */
import { dirname } from 'node:path';
import type { EffectSink } from '../engine/engine.ts';
import type { Allocator } from '../memory/allocator.ts';
import type { Mutex } from '../memory/mutex.ts';
import type { Request } from '../protocol/request.ts';
import type { Clock } from '../util/clock.ts';
import { NO_TIMER, timed, type EventTimer } from '../util/event-timer.ts';
import type { Log } from '../util/log.ts';
import {
  AofPaths,
  EMPTY_MANIFEST,
  createAofDirectory,
  nextBase,
  nextIncrement,
  persistManifest,
  withIncrement,
  type AofFile,
  type AofManifest,
} from './aof-manifest.ts';
import { syncAgain } from './aof-resync.ts';
import type { BackgroundSync, FsyncPolicy } from './aof-writer-sync.ts';
import { LOG_FAILURE, LOG_MODE, type SharedLog } from './aof-writer-shared.ts';
import { AofWriter, type FlushOutcome } from './aof-writer.ts';
import { DiskError, attempt, errorCodeOf, errorNumberOf, fileSize, type Disk } from './disk.ts';

/** Before a cut so much may wait to be synced, for then it is synced while everybody waits. */
const UNSYNCED_BYTES_AT_CUT_MAX = 256 * 1024;
/** The same complaint is logged no more often than this. */
const ERROR_LOG_INTERVAL_MILLIS = 30_000;

export interface AppendOnlyLogParts {
  readonly disk: Disk;
  readonly paths: AofPaths;
  readonly background: BackgroundSync;
  readonly allocator: Allocator;
  /** The store's lock. */
  readonly store: Mutex;
  readonly log: Log;
  readonly clock: Clock;
  readonly timer?: EventTimer;
  readonly isJobRunning?: () => boolean;
  /** What was acknowledged could be lost: the server must end at once, before any more replies. */
  readonly stopAtOnce: (reason: string) => void;
}

/** All increments there are come before it. */
const NO_INCREMENT: AofFile = { name: '', sequence: Number.MAX_SAFE_INTEGER };

const MODES = ['off', 'waiting', 'on'] as const;
export type LogMode = (typeof MODES)[number];

/** The half of a rewrite that somebody else does: what to write, and the manifest to make of it. */
export interface RewritePlan {
  /** As it is, the increment that begins at the cut included. */
  readonly manifest: AofManifest;
  readonly base: AofFile;
  /** The increment that begins at the cut. */
  readonly firstKept: AofFile;
}

export class AppendOnlyLog implements EffectSink {
  readonly #disk: Disk;
  readonly #paths: AofPaths;
  readonly #log: Log;
  readonly #writer: AofWriter;
  readonly #clock: Clock;
  readonly #timer: EventTimer;
  readonly #stopAtOnce: (reason: string) => void;
  readonly #shared: SharedLog;
  #manifest: AofManifest = EMPTY_MANIFEST;
  /** The same, with increments that take effect when the next rewrite is done. */
  #planned: AofManifest = EMPTY_MANIFEST;
  #nextErrorLog = 0;

  constructor(parts: AppendOnlyLogParts, policy: FsyncPolicy) {
    this.#disk = parts.disk;
    this.#paths = parts.paths;
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#timer = parts.timer ?? NO_TIMER;
    this.#stopAtOnce = parts.stopAtOnce;
    this.#writer = new AofWriter({ ...parts, policy });
    this.#shared = this.#writer.shared;
  }

  get mode(): LogMode {
    return MODES[this.#shared.get(LOG_MODE)]!;
  }

  #setMode(mode: LogMode): void {
    this.#shared.set(LOG_MODE, MODES.indexOf(mode));
  }

  /** Why commands that write have to be refused: the last write or sync has failed. */
  get error(): DiskError | undefined {
    const failure = this.#shared.get(LOG_FAILURE);
    return failure === 0
      ? undefined
      : new DiskError('write', errorCodeOf(failure), this.#writer.path ?? this.#paths.directory);
  }

  get #hasFailed(): boolean {
    return this.#shared.get(LOG_FAILURE) !== 0;
  }

  /** Takes over settings: `appendfsync`, and whether syncs are held back while a job runs. */
  configure(settings: {
    readonly policy: FsyncPolicy;
    readonly hasTimestamps: boolean;
    readonly holdsSyncs: boolean;
  }): void {
    const becomesStrict = settings.policy === 'always' && this.#writer.policy !== 'always';
    this.#writer.policy = settings.policy;
    this.#writer.timestampEnabled = settings.hasTimestamps;
    this.#writer.syncHeld = settings.holdsSyncs;
    // What was acknowledged under the old policy is as safe as what comes from now on.
    if (becomesStrict && this.mode !== 'off') this.#react(this.#writer.flushAndSync());
  }

  // Starting and stopping -----------------------------------------------------------------------------------

  /** Goes on with the files that were loaded; a new increment follows if there is none. Throws DiskError. */
  resume(): void {
    createAofDirectory(this.#disk, this.#paths);
    const manifest = this.#manifest;
    const last = manifest.increments.at(-1);
    if (last === undefined) {
      const increment = nextIncrement(manifest, this.#paths.fileName);
      this.#openEmpty(increment);
      this.#manifest = withIncrement(manifest, increment);
      persistManifest(this.#disk, this.#paths, this.#manifest);
    } else {
      // A rotation that failed may have left several, the earlier of which was written last.
      for (const file of manifest.increments.slice(0, -1)) syncAgain(this.#disk, this.#paths.of(file));
      this.#writer.open(this.#paths.of(last));
    }
    this.#planned = this.#manifest;
    this.#setMode('on');
    this.#shared.setDouble('closedBytes', this.#bytesOf(this.#manifest) - this.#writer.size);
    // Growth is counted from the base, whatever was appended before this start (aof.c, loadAppendOnlyFiles).
    this.#shared.setDouble('rewrittenBytes', this.#bytesOf({ ...this.#manifest, increments: [] }));
  }

  /** Notes which files there are; nothing is logged yet. */
  know(manifest: AofManifest): void {
    this.#manifest = manifest;
    this.#planned = manifest;
  }

  /** Whether there is, or can be, a directory for its files; the log says why not. */
  canTurnOn(): boolean {
    const error = attempt(() => createAofDirectory(this.#disk, this.#paths));
    if (error !== undefined) this.#log.warning(`Can't begin a new AOF file: ${error.message}`);
    return error === undefined;
  }

  /** Begins to log, into the file of the rewrite that must follow (`beginRewrite`). */
  turnOn(): void {
    if (this.mode === 'off') this.#setMode('waiting');
  }

  /** Writes and syncs what there is, and logs no more. */
  turnOff(): void {
    if (this.mode === 'off') return;
    const outcome = this.#writer.close();
    if (outcome !== 'written') {
      this.#log.warning(`Error closing the AOF file: ${this.#writer.error?.reason ?? outcome}`);
    }
    this.#writer.abandon();
    this.#setMode('off');
    this.#shared.set(LOG_FAILURE, 0);
  }

  /** The end of the server: everything is written and synced. False when that failed. */
  close(): boolean {
    if (this.mode === 'off') return true;
    const outcome = this.#writer.close();
    this.#setMode('off');
    if (outcome === 'written') return true;
    this.#log.warning(`Error writing to the AOF file: ${this.#writer.error?.reason ?? outcome}`);
    return false;
  }

  // Effects -------------------------------------------------------------------------------------------------

  append(databaseIndex: number, request: Request): void {
    this.#writer.append(databaseIndex, request);
  }

  multi(databaseIndex: number): void {
    this.#writer.multi(databaseIndex);
  }

  exec(): void {
    this.#writer.exec();
  }

  /** Not before the cut of the first rewrite: its snapshot holds what was done until then. */
  get isWanted(): boolean {
    return this.mode === 'on' || this.#writer.isOpen;
  }

  /** Whether `flush` has something to do before a reply may leave. */
  get isBehind(): boolean {
    return this.mode !== 'off' && this.#writer.isBehind;
  }

  /** Bytes that wait for a flush. */
  get pendingBytes(): number {
    return this.#writer.pendingBytes;
  }

  /** Bytes of the buffers in the arena. */
  get bufferBytes(): number {
    const { pending, outgoing } = this.#writer.shared;
    return pending.capacity + outgoing.capacity;
  }

  /**
   * Writes what waits and syncs as the policy says. Called before any reply leaves, and ten times a second.
   */
  flush(): void {
    if (this.mode === 'off' || !this.#writer.isOpen) return;
    this.#react(this.#writer.flush());
  }

  /** Writes and syncs all there is, whatever the policy. */
  flushAndSync(): void {
    if (this.mode === 'off' || !this.#writer.isOpen) return;
    this.#react(this.#writer.flushAndSync());
  }

  #react(outcome: FlushOutcome): void {
    if (outcome === 'written' || outcome === 'postponed') {
      // After a failed sync only a rewrite makes good again.
      if (this.#hasFailed && this.mode === 'on' && outcome === 'written') this.#recovered();
      return;
    }
    const { error } = this.#writer;
    this.#shared.set(LOG_FAILURE, errorNumberOf(error?.code ?? 'EIO'));
    const what = outcome === 'untrusted' ? 'fsync error' : 'write error';
    if (this.#writer.policy === 'always') {
      const reason = error?.reason ?? '';
      this.#stopAtOnce(
        `Can't recover from AOF ${what} when the AOF fsync policy is 'always': ${reason}. Exiting...`,
      );
      return;
    }
    this.#complain(`Error writing to the AOF file (${what}): ${error?.reason ?? ''}`);
    if (outcome === 'untrusted') this.#setMode('waiting');
  }

  #complain(message: string): void {
    const now = this.#clock.wallMillis();
    if (now < this.#nextErrorLog) return;
    this.#nextErrorLog = now + ERROR_LOG_INTERVAL_MILLIS;
    this.#log.warning(message);
  }

  #recovered(): void {
    this.#shared.set(LOG_FAILURE, 0);
    this.#nextErrorLog = 0;
    this.#log.warning('AOF write error looks solved. The server can write again.');
  }

  // Rewriting -----------------------------------------------------------------------------------------------

  /**
   * Whether a cut would be quick. If not, what is in the way is being synced in the background; ask again.
   */
  isReadyForRewrite(): boolean {
    if (this.mode !== 'on') return true;
    this.flush();
    if (this.#writer.size - this.#writer.syncedSize <= UNSYNCED_BYTES_AT_CUT_MAX) return true;
    this.#writer.beginSync();
    return false;
  }

  /**
   * The cut: what is appended from now on goes to a new file. Undefined when that failed; the log goes on as
   * before. With the log off there is nothing to go on with, only a base to be made.
   * @param format of the base
   */
  beginRewrite(format: 'rdb' | 'aof'): RewritePlan | undefined {
    if (this.mode === 'off') return this.#plan(this.#planned, format, NO_INCREMENT);
    const increment = nextIncrement(this.#planned, this.#paths.fileName);
    const planned = withIncrement(this.#planned, increment);
    const error = attempt(() => {
      if (this.mode === 'on') this.#rotate(increment, planned);
      else this.#beginAnew(increment);
    });
    if (error !== undefined) {
      this.#log.warning(`Can't begin a new AOF file: ${error.message}`);
      return undefined;
    }
    return this.#plan(planned, format, increment);
  }

  #plan(manifest: AofManifest, format: 'rdb' | 'aof', firstKept: AofFile): RewritePlan {
    const base = nextBase(manifest, this.#paths.fileName, format);
    // Each attempt has a base of its own: one that failed may be in the manifest on disk all the same, and
    // what it holds must then stay as it is. As history it is deleted by the rewrite that succeeds.
    this.#planned = { ...manifest, history: [base, ...manifest.history] };
    return { manifest, base, firstKept };
  }

  #rotate(increment: AofFile, manifest: AofManifest): void {
    this.#empty(this.#paths.of(increment));
    const oldBytes = this.#writer.size + this.#writer.pendingBytes;
    const error = this.#writer.rotate(this.#paths.of(increment), () =>
      persistManifest(this.#disk, this.#paths, manifest),
    );
    if (error !== undefined) {
      // The manifest may name it all the same, so it must stay empty: another attempt takes another name.
      this.#planned = { ...this.#planned, history: [increment, ...this.#planned.history] };
      this.#react(this.#writer.state === 'ok' ? 'written' : this.#writer.state);
      throw error;
    }
    this.#shared.setDouble('closedBytes', this.#shared.double('closedBytes') + oldBytes);
    this.#manifest = manifest;
  }

  #beginAnew(increment: AofFile): void {
    createAofDirectory(this.#disk, this.#paths);
    this.#writer.abandon();
    this.#openEmpty(increment);
  }

  /** Opens an increment that no manifest names; a file of that name is a leftover. */
  #openEmpty(increment: AofFile): void {
    const path = this.#paths.of(increment);
    this.#empty(path);
    this.#writer.open(path);
  }

  #empty(path: string): void {
    if (!this.#disk.exists(path)) return;
    this.#disk.close(this.#disk.open(path, 'create'));
    this.#disk.syncDirectory(dirname(path));
  }

  /** The rewrite is done, and this is the manifest that was persisted for it. */
  adopt(manifest: AofManifest): void {
    this.know(manifest);
    const last = manifest.increments.at(-1);
    // The log may have been turned off and on again meanwhile: then it waits for another rewrite.
    if (this.mode === 'off' || last === undefined || this.#writer.path !== this.#paths.of(last)) return;
    this.#shared.setDouble('closedBytes', this.#bytesOf(manifest) - this.#writer.size);
    this.#shared.setDouble('rewrittenBytes', this.currentBytes);
    this.#setMode('on');
    if (this.#hasFailed && this.#writer.state === 'ok') this.#recovered();
  }

  // Figures -------------------------------------------------------------------------------------------------

  /** Bytes in all files. */
  get currentBytes(): number {
    return this.mode === 'off' ? 0 : this.#shared.double('closedBytes') + this.#writer.size;
  }

  /** The same, right after the last rewrite or the start. */
  get rewrittenBytes(): number {
    return this.#shared.double('rewrittenBytes');
  }

  get isSyncing(): boolean {
    return this.#writer.isSyncing;
  }

  get delayedSyncCount(): number {
    return this.#writer.delayedSyncCount;
  }

  /** For figures only: what cannot be asked counts as nothing. */
  #bytesOf({ base, increments }: AofManifest): number {
    let bytes = 0;
    timed(this.#timer, 'aof-fstat', () => {
      for (const file of [...(base === undefined ? [] : [base]), ...increments])
        attempt(() => (bytes += fileSize(this.#disk, this.#paths.of(file))));
    });
    return bytes;
  }
}
