/**
 * What a server starts with: finds the newest data in its directory and loads it.
 *
 *     appendonly yes    append-only file, else snapshot, else its sibling, else nothing
 *     appendonly no     snapshot, else its sibling, else append-only file, else nothing
 *
 * The server never starts beside data that it could not read: whatever goes wrong is a RecoveryError.
 *
 * It goes in steps, under the store's lock, so that clients get their LOADING meanwhile. Keys do not expire
 * while it does: commands of an append-only file see what they saw when they were run first.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import { AofLoader, hasCommands, type AofPart, type RunCommand } from './aof-loader.ts';
import {
  ManifestError,
  loadManifest,
  needsUpgrade,
  upgradeSingleFile,
  type AofManifest,
  type AofPaths,
} from './aof-manifest.ts';
import { fileSize, type Disk } from './disk.ts';
import { RecoveryError, recoveryErrorOf } from './recovery-error.ts';
import { formatOfName } from './snapshot-format.ts';
import { SnapshotLoader } from './snapshot-loader.ts';
import { findSnapshot, openSnapshot } from './snapshot-source.ts';

export interface RecoveryOptions {
  readonly disk: Disk;
  /** `dir`, `appenddirname`, `appendfilename`. */
  readonly paths: AofPaths;
  /** `dbfilename`; empty for none. */
  readonly snapshotName: string;
  readonly isAppendOnly: boolean;
  /** `aof-load-truncated` */
  readonly loadsTruncated: boolean;
  /** `rdbchecksum` */
  readonly isVerifyingChecksum: boolean;
  /** Keys of a snapshot replace those that are there; otherwise that is an error. */
  readonly replacesKeys?: boolean;
  /** The server runs already, and is told what to read (DEBUG RELOAD): nothing to wonder about. */
  readonly isReload?: boolean;
  readonly keyspace: Keyspace;
  readonly run: RunCommand;
  readonly log: Log;
  readonly clock: Clock;
}

export type DataSource = 'aof' | 'snapshot' | 'empty';

/** How far it is, for INFO and the log. */
export interface RecoveryProgress {
  /** When it began, Unix time in ms. */
  readonly startMillis: number;
  readonly totalBytes: number;
  readonly loadedBytes: number;
  /** Memory in use when the snapshot was written, bytes; 0 if unknown. */
  readonly usedMemoryAtSave: number;
}

export interface RecoveryResult {
  readonly source: DataSource;
  /** The append-only file as it is now: it goes on in the last increment, or in a first one. */
  readonly manifest: AofManifest | undefined;
  /**
   * The append-only file is on, but the data came from a snapshot: a base with all of it must be in the
   * manifest before any increment is, or a crash would leave an append-only file without it.
   */
  readonly mustWriteBase: boolean;
  /** Bytes of the base that was loaded, and of base and increments: where growth is counted from. */
  readonly aofBaseBytes: number;
  readonly aofBytes: number;
  /** Keys in all databases; of a snapshot, those that were dropped because they had expired. */
  readonly keysLoaded: number;
  readonly keysExpired: number;
  /** Commands of the append-only file that ended with an error. */
  readonly failedCommands: number;
  readonly durationMicros: number;
}

/** What either kind of loading looks like from here. */
interface Loading {
  readonly totalBytes: number;
  readonly loadedBytes: number;
  readonly usedMemoryAtSave: number;
}

const NOTHING: Loading = { totalBytes: 0, loadedBytes: 0, usedMemoryAtSave: 0 };
const NO_FIGURES = { aofBaseBytes: 0, aofBytes: 0, keysExpired: 0, failedCommands: 0 };

/** A long load is heard of this often. */
const PROGRESS_INTERVAL_MICROS = 5_000_000;
const MICROS_PER_SECOND = 1_000_000;
const MEBIBYTE = 1024 * 1024;

type Findings = Omit<RecoveryResult, 'durationMicros' | 'keysLoaded' | 'mustWriteBase'>;

/** What there is of an append-only file. */
interface FoundAof {
  readonly manifest: AofManifest | undefined;
  readonly parts: readonly AofPart[];
}

export class Recovery {
  /** Once `step` has returned true. */
  result: RecoveryResult | undefined;
  readonly #options: RecoveryOptions;
  readonly #steps: Generator<void, Findings>;
  readonly #startMillis: number;
  readonly #startMicros: number;
  #deadlineMicros = 0;
  #nextProgressMicros: number;
  #loading: Loading = NOTHING;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#startMillis = options.clock.wallMillis();
    this.#startMicros = options.clock.monotonicMicros();
    this.#nextProgressMicros = this.#startMicros + PROGRESS_INTERVAL_MICROS;
    this.#steps = this.#recover();
  }

  get progress(): RecoveryProgress {
    const { totalBytes, loadedBytes, usedMemoryAtSave } = this.#loading;
    return { startMillis: this.#startMillis, totalBytes, loadedBytes, usedMemoryAtSave };
  }

  /**
   * Goes on for about that long; true when all is loaded. Throws RecoveryError: the server must not start,
   * for the keyspace may hold anything then.
   */
  step(budgetMicros: number): boolean {
    if (this.result !== undefined) return true;
    const { keyspace, clock, paths } = this.#options;
    this.#deadlineMicros = clock.monotonicMicros() + budgetMicros;
    keyspace.ignoresExpiry = true;
    try {
      const { done, value } = this.#steps.next();
      if (done === true) this.#finish(value);
    } catch (error) {
      throw recoveryErrorOf(error, paths.dataDirectory);
    } finally {
      keyspace.ignoresExpiry = false;
    }
    this.#reportProgress();
    return this.result !== undefined;
  }

  /** Gives up before the end: closes what is open. */
  close(): void {
    this.#steps.return({ source: 'empty', manifest: undefined, ...NO_FIGURES });
  }

  readonly #shouldPause = (): boolean => this.#options.clock.monotonicMicros() >= this.#deadlineMicros;

  *#recover(): Generator<void, Findings> {
    const { disk, isAppendOnly, paths, snapshotName, log } = this.#options;
    const snapshotPath = findSnapshot(disk, paths.dataDirectory, snapshotName);
    const hasAof = disk.exists(paths.manifest) || disk.exists(paths.singleFile);

    if (!isAppendOnly && snapshotPath !== undefined) {
      if (hasAof && this.#options.isReload !== true) {
        log.warning(
          `There is an append-only file in ${paths.dataDirectory}. It is ignored: appendonly is off`,
        );
      }
      return yield* this.#loadSnapshot(snapshotPath, undefined);
    }
    const aof = hasAof ? this.#findAof() : undefined;
    if (aof !== undefined && (snapshotPath === undefined || !this.#isHollow(aof))) {
      if (!isAppendOnly)
        log.notice('There is no snapshot, but an append-only file, although appendonly is off');
      return yield* this.#loadAof(aof);
    }
    if (snapshotPath === undefined) {
      log.notice(`No data in ${paths.dataDirectory}: starting empty`);
      return { source: 'empty', manifest: undefined, ...NO_FIGURES };
    }
    if (aof !== undefined)
      log.warning('The append-only file has neither base nor commands: it is passed over');
    return yield* this.#loadSnapshot(snapshotPath, aof?.manifest);
  }

  /** Manifest and files; a single file of an older version is taken over if there will be more to log. */
  #findAof(): FoundAof {
    const { disk, paths, isAppendOnly, log } = this.#options;
    try {
      let manifest = loadManifest(disk, paths);
      if (needsUpgrade(disk, paths, manifest)) {
        const name = paths.fileName;
        if (!isAppendOnly) return { manifest, parts: [{ kind: 'base', name, path: paths.singleFile }] };
        manifest = upgradeSingleFile(disk, paths);
        log.notice(`Successfully migrated an old-style AOF file (${name}) into ${paths.directory}`);
      }
      return { manifest, parts: manifest === undefined ? [] : partsOf(manifest, paths) };
    } catch (error) {
      if (error instanceof ManifestError) {
        const line = error.lineNumber === 0 ? '' : `, line ${error.lineNumber}: '${error.line}'`;
        throw new RecoveryError(paths.manifest, `${error.message}${line}`);
      }
      throw error;
    }
  }

  /**
   * Whether it says nothing about the data: no base, no command. A server leaves it so that has just begun
   * to log; a snapshot beside it is then the data it began with.
   */
  #isHollow({ parts }: FoundAof): boolean {
    const { disk } = this.#options;
    return parts.every(({ kind, path }) => kind === 'incr' && disk.exists(path) && !hasCommands(disk, path));
  }

  *#loadAof({ manifest, parts }: FoundAof): Generator<void, Findings> {
    const { paths, isAppendOnly, log } = this.#options;
    const loader = new AofLoader({ ...this.#options, parts, cutsFiles: isAppendOnly });
    this.#loading = loader;
    log.notice(
      `Loading data from AOF file… (${manifest === undefined ? paths.singleFile : paths.manifest}, ` +
        `${parts.length} file${parts.length === 1 ? '' : 's'}, ${mebibytes(loader.totalBytes)})`,
    );
    try {
      while (!loader.load(this.#shouldPause)) yield;
    } finally {
      loader.close();
    }
    if (loader.failureCount > 0) {
      log.warning(`${loader.failureCount} commands of the append-only file ended with an error`);
    }
    log.notice(`DB loaded from append only file: ${this.#summary()}`);
    const sizes = this.#aofSizes(parts);
    return { source: 'aof', manifest, keysExpired: 0, failedCommands: loader.failureCount, ...sizes };
  }

  /** After a cut they are not what they were. */
  #aofSizes(parts: readonly AofPart[]): { aofBaseBytes: number; aofBytes: number } {
    const { disk } = this.#options;
    const sizes = parts.map(({ kind, path }) => ({ kind, size: fileSize(disk, path) }));
    return {
      aofBaseBytes: sizes.find(({ kind }) => kind === 'base')?.size ?? 0,
      aofBytes: sizes.reduce((sum, { size }) => sum + size, 0),
    };
  }

  *#loadSnapshot(path: string, manifest: AofManifest | undefined): Generator<void, Findings> {
    const { disk, isVerifyingChecksum, replacesKeys = false, keyspace, log, clock } = this.#options;
    const { reader, format, size, close } = openSnapshot(disk, path, isVerifyingChecksum);
    try {
      const now = clock.wallMillis();
      const loader = new SnapshotLoader({ keyspace, reader, path, size, now, replacesKeys, log });
      this.#loading = snapshotLoading(loader, size);
      log.notice(`Loading data from snapshot… (${path}, ${mebibytes(size)})`);
      if (format !== formatOfName(path))
        log.notice(`Its name is another one, but it is ${format.toUpperCase()}`);
      while (!loader.load(this.#shouldPause)) yield;
      log.notice(`DB loaded from disk: ${this.#summary()}`);
      const { keysExpired } = loader;
      return { source: 'snapshot', manifest, ...NO_FIGURES, keysExpired };
    } finally {
      close();
    }
  }

  #finish(findings: Findings): void {
    const durationMicros = this.#options.clock.monotonicMicros() - this.#startMicros;
    const mustWriteBase = this.#options.isAppendOnly && findings.source === 'snapshot';
    this.result = { ...findings, mustWriteBase, keysLoaded: this.#keyCount(), durationMicros };
  }

  #keyCount(): number {
    return this.#options.keyspace.databases.reduce((sum, { keyCount }) => sum + keyCount, 0);
  }

  #summary(): string {
    const seconds = (this.#options.clock.monotonicMicros() - this.#startMicros) / MICROS_PER_SECOND;
    return `${seconds.toFixed(3)} seconds, ${this.#keyCount()} keys`;
  }

  #reportProgress(): void {
    const now = this.#options.clock.monotonicMicros();
    if (this.result !== undefined || now < this.#nextProgressMicros) return;
    this.#nextProgressMicros = now + PROGRESS_INTERVAL_MICROS;
    const { totalBytes, loadedBytes } = this.#loading;
    const percent = totalBytes === 0 ? 0 : Math.floor((loadedBytes / totalBytes) * 100);
    const amount = `${mebibytes(loadedBytes)} of ${mebibytes(totalBytes)}`;
    this.#options.log.notice(`Loading: ${percent} % (${amount}), ${this.#keyCount()} keys`);
  }
}

function partsOf({ base, increments }: AofManifest, paths: AofPaths): AofPart[] {
  return [
    ...(base === undefined ? [] : [{ kind: 'base' as const, name: base.name, path: paths.of(base) }]),
    ...increments.map((file) => ({ kind: 'incr' as const, name: file.name, path: paths.of(file) })),
  ];
}

function snapshotLoading(loader: SnapshotLoader, totalBytes: number): Loading {
  return {
    totalBytes,
    get loadedBytes() {
      return loader.offset;
    },
    get usedMemoryAtSave() {
      return loader.usedMemoryAtSave;
    },
  };
}

function mebibytes(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(1)} MB`;
}
