/**
 * Runs the files of an append-only file, one after the other (Redis 7.0 aof.c, loadAppendOnlyFiles). It goes
 * in steps, so that clients get their LOADING meanwhile.
 *
 * AofReader delivers whole units only, so MULTI and EXEC have done their work when they arrive: they are
 * passed over, and what stands between them is run as it comes.
 *
 * A torn end is cut off where nothing that follows has a command: `aof-load-truncated`, on by default.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { ErrorReply } from '../protocol/error-reply.ts';
import { Request } from '../protocol/request.ts';
import { equalsIgnoreCase } from '../util/bytes.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import { parseInteger } from '../util/numbers.ts';
import { isUnfinishedSnapshot } from './aof-snapshot.ts';
import { AofReader, beginsWithSnapshot, truncateFile, type AofEnd } from './aof-reader.ts';
import { fileSize, type Disk } from './disk.ts';
import { KEYS_AHEAD, fetchAhead } from './fetch-ahead.ts';
import { RecoveryError } from './recovery-error.ts';
import { openSnapshot } from './snapshot-source.ts';
import { SnapshotLoader } from './snapshot-loader.ts';

/** Runs a command in a database; the error it ended with, or `unknown` when there is no such command. */
export type RunCommand = (databaseIndex: number, request: Request) => ErrorReply | undefined | 'unknown';

/** One of the files, in the order in which they are run. */
export interface AofPart {
  readonly kind: 'base' | 'incr';
  readonly name: string;
  readonly path: string;
}

export interface AofLoaderOptions {
  readonly disk: Disk;
  readonly parts: readonly AofPart[];
  readonly keyspace: Keyspace;
  readonly run: RunCommand;
  /** Start although the end of the last file is torn (aof-load-truncated). */
  readonly loadsTruncated: boolean;
  /** Whether a torn end is cut off; without that it is passed over. */
  readonly cutsFiles: boolean;
  readonly isVerifyingChecksum: boolean;
  readonly log: Log;
  readonly clock: Clock;
}

const RDB_ENDING = '.base.rdb';
const KEY_INDEX = 1;
const MICROS_PER_SECOND = 1_000_000;

type TornEnd = Extract<AofEnd, { kind: 'truncated' | 'zero-filled' | 'open-transaction' | 'torn' }>;

const TORN_TEXTS: Record<TornEnd['kind'], string> = {
  truncated: 'short read',
  'zero-filled': 'nothing but zeros at the end',
  'open-transaction': 'MULTI without EXEC',
  torn: 'parts of the last group lost',
};

export class AofLoader {
  /** Bytes of all files. */
  readonly totalBytes: number;
  commandCount = 0;
  /** Commands that ended with an error. */
  failureCount = 0;
  /** Memory in use when the snapshot in the base was written, bytes; 0 if unknown. */
  usedMemoryAtSave = 0;
  readonly #options: AofLoaderOptions;
  readonly #steps: Generator<void, void>;
  #shouldPause: () => boolean = () => false;
  /** Bytes of the files that are done, and the one that is being read. */
  #doneBytes = 0;
  #current: { readonly offset: number } | undefined;
  #databaseIndex = 0;
  /** Commands that were read together, where they are in the file, and the hashes of their keys. */
  readonly #batch = Array.from({ length: KEYS_AHEAD }, () => new Request());
  readonly #offsets = new Float64Array(KEYS_AHEAD);
  readonly #hashes = new Int32Array(KEYS_AHEAD);

  /** Throws RecoveryError when a file is missing, DiskError. */
  constructor(options: AofLoaderOptions) {
    this.#options = options;
    this.totalBytes = options.parts.reduce((sum, part) => sum + this.#sizeOf(part), 0);
    this.#steps = this.#loadAll();
  }

  get loadedBytes(): number {
    return this.#doneBytes + (this.#current?.offset ?? 0);
  }

  /** Loads until told to pause; true when all is loaded. Throws RecoveryError, DiskError. */
  load(shouldPause: () => boolean): boolean {
    this.#shouldPause = shouldPause;
    return this.#steps.next().done === true;
  }

  /** Gives up: closes what is open. */
  close(): void {
    this.#steps.return();
  }

  *#loadAll(): Generator<void, void> {
    const { clock, log, parts } = this.#options;
    for (const part of parts) {
      const startedMicros = clock.monotonicMicros();
      const size = this.#sizeOf(part);
      if (part.kind === 'base') this.#assertWhole(part, size);
      if (size > 0) {
        yield* this.#loadPart(part, size);
        const seconds = (clock.monotonicMicros() - startedMicros) / MICROS_PER_SECOND;
        log.notice(`DB loaded from ${part.kind} file ${part.name}: ${seconds.toFixed(3)} seconds`);
      }
      this.#current = undefined;
      this.#doneBytes += size;
    }
  }

  /**
   * A base cut off where nothing seems to be missing: the increments that follow would be run on less than
   * they were made for. An empty base of commands may be all there is: Redis writes that when it has no keys.
   */
  #assertWhole(part: AofPart, size: number): void {
    const { disk, parts } = this.#options;
    if (parts.at(-1) === part) return;
    const isCut = part.name.endsWith(RDB_ENDING) ? size === 0 : isUnfinishedSnapshot(disk, part.path);
    if (isCut) throw new RecoveryError(part.path, 'the end of the base file is missing', size);
  }

  *#loadPart(part: AofPart, size: number): Generator<void, void> {
    const { disk } = this.#options;
    const start = beginsWithSnapshot(disk, part.path) ? yield* this.#loadSnapshot(part) : 0;
    if (start === size) return;
    const reader = new AofReader({ disk, path: part.path, start });
    this.#current = reader;
    try {
      // As in Redis, each file selects its databases for itself.
      this.#databaseIndex = 0;
      while (!this.#runCommands(part, reader)) yield;
    } finally {
      reader.close();
    }
    this.#settle(part, reader.end!);
  }

  /** The snapshot that a file begins with; returns where its commands begin. */
  *#loadSnapshot(part: AofPart): Generator<void, number> {
    const { disk, keyspace, isVerifyingChecksum, log, clock } = this.#options;
    log.notice('Reading RDB base file on AOF loading...');
    const { reader, size, close } = openSnapshot(disk, part.path, isVerifyingChecksum);
    try {
      const now = clock.wallMillis();
      const loader = new SnapshotLoader({
        ...{ keyspace, reader, path: part.path, size, now, log },
        keepsExpired: true,
      });
      this.#current = loader;
      while (!loader.load(this.#shouldPause)) yield;
      this.usedMemoryAtSave = loader.usedMemoryAtSave;
      if (loader.offset < size) log.notice('Reading the remaining AOF tail...');
      return loader.offset;
    } finally {
      close();
    }
  }

  /** Runs commands until it is time to pause; true at the end of the file. */
  #runCommands(part: AofPart, reader: AofReader): boolean {
    for (;;) {
      const count = this.#readBatch(reader);
      if (count === 0) return true;
      this.#fetchAhead(count);
      for (let i = 0; i < count; i++) {
        const request = this.#batch[i]!;
        if (isSelect(request)) this.#select(part, i);
        else if (!isBracket(request)) this.#run(part, i);
      }
      if (this.#shouldPause()) return false;
    }
  }

  /** Reads commands for as long as they are in the reader's memory; none at the end of the file. */
  #readBatch(reader: AofReader): number {
    let count = 0;
    while (count < KEYS_AHEAD && reader.nextInto(this.#batch[count]!, count === 0)) {
      this.#offsets[count] = reader.commandOffset;
      count++;
    }
    return count;
  }

  /** Nearly every command that is logged has its first key behind its name. */
  #fetchAhead(count: number): void {
    const { keyspace } = this.#options;
    for (let i = 0; i < count; i++) {
      const request = this.#batch[i]!;
      const hasKey = request.count > KEY_INDEX;
      if (hasKey) {
        request.keyHash = keyspace.hashOf(request.buffer, request.start(KEY_INDEX), request.end(KEY_INDEX));
      }
      request.keyIndex = hasKey ? KEY_INDEX : 0;
      this.#hashes[i] = hasKey ? request.keyHash : 0;
    }
    fetchAhead(keyspace, keyspace.databases[this.#databaseIndex]!, this.#hashes, count);
  }

  #run(part: AofPart, index: number): void {
    const failure = this.#options.run(this.#databaseIndex, this.#batch[index]!);
    this.commandCount++;
    if (failure !== undefined) this.#noteFailure(part, index, failure);
  }

  #noteFailure({ name, path }: AofPart, index: number, failure: ErrorReply | 'unknown'): void {
    const command = printed(this.#batch[index]!.text(0));
    const offset = this.#offsets[index]!;
    if (failure === 'unknown') throw new RecoveryError(path, `unknown command '${command}'`, offset);
    if (failure.code === 'OOM') throw new RecoveryError(path, 'out of memory', offset);
    this.failureCount++;
    this.#options.log.warning(
      `== CRITICAL == The command '${command}' at offset ${offset} of ${name} ended with an error: ` +
        `'-${failure.line}'`,
    );
  }

  #select({ path }: AofPart, index: number): void {
    const request = this.#batch[index]!;
    const databaseIndex = parseInteger(request.buffer, request.start(1), request.end(1));
    const { databases } = this.#options.keyspace;
    if (databases[databaseIndex] === undefined) {
      throw new RecoveryError(
        path,
        `the data has a database ${printed(request.text(1))}, ` +
          `but this server is configured for ${databases.length} databases`,
        this.#offsets[index],
      );
    }
    this.#databaseIndex = databaseIndex;
  }

  /** Decides what becomes of a file that did not end as it should. */
  #settle(part: AofPart, end: AofEnd): void {
    switch (end.kind) {
      case 'complete':
      case 'timestamp':
        break;
      case 'corrupt':
        throw new RecoveryError(
          part.path,
          `bad file format: ${end.reason}. Make a backup of your AOF files, then use redis-clone-ts ` +
            'check-aof --fix <filename.manifest>; whole commands end at offset ' +
            String(end.offset),
          end.damageOffset,
        );
      default:
        this.#cut(part, end);
    }
  }

  #cut(part: AofPart, { kind, offset }: TornEnd): void {
    const { disk, loadsTruncated, cutsFiles, log } = this.#options;
    const { name, path } = part;
    if (!loadsTruncated) {
      throw new RecoveryError(
        path,
        `unexpected end of file (${TORN_TEXTS[kind]}). ` +
          'You can: 1) make a backup of your AOF files, then use redis-clone-ts check-aof --fix ' +
          '<filename.manifest>; 2) set aof-load-truncated to yes and restart',
        offset,
      );
    }
    if (!this.#isLast(part)) {
      throw new RecoveryError(path, `${TORN_TEXTS[kind]}, and it is not the last file with commands`, offset);
    }
    log.warning(`!!! Warning: ${TORN_TEXTS[kind]} while loading the AOF file ${name}!!!`);
    if (cutsFiles) {
      log.warning(
        `!!! Truncating the AOF ${name} from ${fileSize(disk, path)} bytes to offset ${offset} !!!`,
      );
      truncateFile(disk, path, offset);
    }
    log.warning(`AOF ${name} loaded anyway because aof-load-truncated is enabled`);
  }

  /**
   * Whether nothing follows that a cut would tear from what went before. A base was complete before any
   * increment was begun, so it cannot be torn when there is one.
   */
  #isLast(part: AofPart): boolean {
    const { disk, parts } = this.#options;
    const later = parts.slice(parts.indexOf(part) + 1);
    return later.length === 0 || (part.kind === 'incr' && !later.some(({ path }) => hasCommands(disk, path)));
  }

  #sizeOf({ name, path }: AofPart): number {
    const { disk } = this.#options;
    if (!disk.exists(path)) {
      throw new RecoveryError(path, `the manifest names ${name}, but there is no such file`);
    }
    return fileSize(disk, path);
  }
}

/** Whether a file has a command, or damage in the place of one. */
export function hasCommands(disk: Disk, path: string): boolean {
  if (beginsWithSnapshot(disk, path)) return true;
  const reader = new AofReader({ disk, path });
  try {
    return reader.next() || reader.end!.kind === 'corrupt';
  } finally {
    reader.close();
  }
}

function isSelect(request: Request): boolean {
  return request.count === 2 && isNamed(request, 'SELECT');
}

/** MULTI or EXEC. */
function isBracket(request: Request): boolean {
  return request.count === 1 && (isNamed(request, 'MULTI') || isNamed(request, 'EXEC'));
}

function isNamed(request: Request, upperName: string): boolean {
  return equalsIgnoreCase(request.buffer, request.start(0), request.end(0), upperName);
}

const PRINTED_CHARS_MAX = 128;

function printed(text: string): string {
  return text.slice(0, PRINTED_CHARS_MAX).replaceAll(/[^\x20-\x7e]/g, '?');
}
