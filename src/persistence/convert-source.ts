/** What `convert` reads: a snapshot file, or an append-only file that has to be run. */
import { basename, dirname, join } from 'node:path';
import { Log } from '../util/log.ts';
import { quoteBytes } from '../util/split-args.ts';
import { hasCommands, type AofPart } from './aof-loader.ts';
import { AofPaths, loadManifest, type AofManifest } from './aof-manifest.ts';
import { beginsWithSnapshot } from './aof-reader.ts';
import { DiskError, type Disk } from './disk.ts';
import { OfflineStore } from './offline-store.ts';
import { RdbError } from './rdb-error.ts';
import type { RdbAuxItem, RdbEntryItem, RdbItem } from './rdb-reader.ts';
import { RecoveryError } from './recovery-error.ts';
import type { FormatSink } from './snapshot-format.ts';
import { walkNow } from './snapshot-now.ts';
import type { SnapshotFacts } from './snapshot-sink.ts';
import { openSnapshot } from './snapshot-source.ts';
import { snapshotFacts } from './snapshot-walk.ts';

export interface ConvertSource {
  /** What it was found to be. */
  readonly format: 'RDB' | 'JSON' | 'AOF';
  readonly facts: SnapshotFacts;
  /** Gives everything to the sink, from `begin` to `end`. Throws ConvertError, RdbError, DiskError. */
  writeTo(sink: FormatSink, isAofBase: boolean): void;
  close(): void;
}

/** Why there is nothing to convert, or why it cannot be converted. */
export class ConvertError extends Error {
  override readonly name = 'ConvertError';
}

export interface ConvertSurroundings {
  readonly disk: Disk;
  /** Unix time. */
  readonly nowMillis: () => number;
  /** Takes a warning. */
  readonly warn: (text: string) => void;
}

const MANIFEST_ENDING = '.manifest';
const DEFAULT_DIRECTORY = 'appendonlydir';
const MILLIS_PER_SECOND = 1000;

/**
 * Finds out what the path is, by its content, and reads it once, so that a damaged file is known before
 * anything is written. Throws ConvertError, ManifestError, RecoveryError, RdbError, DiskError.
 */
export function openConvertSource(path: string, surroundings: ConvertSurroundings): ConvertSource {
  const { disk } = surroundings;
  if (isDirectory(disk, path)) return openParts(directoryParts(disk, path), surroundings);
  if (path.endsWith(MANIFEST_ENDING)) return openParts(manifestParts(disk, path), surroundings);
  const { format, close } = openSnapshot(disk, path, true);
  close();
  if (format === 'json') return new FileSource(path, surroundings);
  return openParts([{ kind: 'base', name: basename(path), path }], surroundings);
}

/** If the base is a snapshot and no command follows, there is nothing to run. */
function openParts(parts: readonly AofPart[], surroundings: ConvertSurroundings): ConvertSource {
  const { disk } = surroundings;
  const [base, ...increments] = parts;
  const isSnapshot =
    base?.kind === 'base' &&
    increments.every(({ path }) => disk.exists(path) && !hasCommands(disk, path)) &&
    beginsWithSnapshot(disk, base.path);
  if (isSnapshot) {
    const source = new FileSource(base.path, surroundings);
    if (!source.hasMore) return source;
  }
  return new AofSource(parts, surroundings);
}

function isDirectory(disk: Disk, path: string): boolean {
  try {
    const fd = disk.open(path, 'read');
    try {
      disk.read(fd, Buffer.alloc(1), 0, 1, 0);
    } finally {
      disk.close(fd);
    }
    return false;
  } catch (error) {
    if (error instanceof DiskError && error.code === 'EISDIR') return true;
    throw error;
  }
}

/** The directory itself, or the data directory that has it. */
function directoryParts(disk: Disk, path: string): AofPart[] {
  const names = disk.list(path);
  const manifests = names.filter((name) => name.endsWith(MANIFEST_ENDING) && !name.startsWith('temp-'));
  if (manifests.length === 1) return manifestParts(disk, join(path, manifests[0]!));
  if (manifests.length > 1) throw new ConvertError(`${path} has several manifests: name one of them`);
  if (names.includes(DEFAULT_DIRECTORY)) return directoryParts(disk, join(path, DEFAULT_DIRECTORY));
  throw new ConvertError(`${path} has no manifest of an append-only file`);
}

function manifestParts(disk: Disk, path: string): AofPart[] {
  const directory = dirname(path);
  const fileName = basename(path, MANIFEST_ENDING);
  const paths = new AofPaths(dirname(directory), basename(directory), fileName);
  const manifest = loadManifest(disk, paths);
  if (manifest === undefined) throw new ConvertError(`${path} is not there`);
  return partsOf(manifest, directory);
}

function partsOf({ base, increments }: AofManifest, directory: string): AofPart[] {
  const part = (kind: AofPart['kind'], name: string): AofPart => ({
    kind,
    name,
    path: join(directory, name),
  });
  return [
    ...(base === undefined ? [] : [part('base', base.name)]),
    ...increments.map(({ name }) => part('incr', name)),
  ];
}

/** Prints what the loader warns of. */
class WarningLog extends Log {
  readonly #warn: (text: string) => void;

  constructor(warn: (text: string) => void) {
    super({ level: 'warning' });
    this.#warn = warn;
  }

  override notice(): void {
    // Only what is wrong is of interest.
  }

  override warning(message: string): void {
    this.#warn(message);
  }
}

class AofSource implements ConvertSource {
  readonly format = 'AOF';
  readonly facts: SnapshotFacts;
  readonly #store: OfflineStore;

  constructor(parts: readonly AofPart[], { disk, nowMillis, warn }: ConvertSurroundings) {
    this.#store = new OfflineStore(new WarningLog(warn));
    try {
      this.#store.load(disk, parts);
    } catch (error) {
      this.#store.close();
      throw error;
    }
    this.facts = snapshotFacts({ keyspace: this.#store.keyspace, unixMillis: nowMillis(), isAofBase: false });
  }

  writeTo(sink: FormatSink, isAofBase: boolean): void {
    walkNow(this.#store.keyspace, sink, { facts: { ...this.facts, isAofBase }, accessFacts: 'none' });
  }

  close(): void {
    this.#store.close();
  }
}

/** A snapshot file: read once to count, and once more to be written. */
class FileSource implements ConvertSource {
  readonly format: 'RDB' | 'JSON';
  readonly facts: SnapshotFacts;
  /** Something follows the snapshot: commands, in an old append-only file. */
  readonly hasMore: boolean;
  readonly #path: string;
  readonly #surroundings: ConvertSurroundings;

  constructor(path: string, surroundings: ConvertSurroundings) {
    this.#path = path;
    this.#surroundings = surroundings;
    const count = new Count(surroundings.nowMillis());
    const { format, size, offset } = this.#read((item) => count.take(item));
    this.format = format === 'json' ? 'JSON' : 'RDB';
    this.hasMore = offset < size;
    this.facts = count.facts();
    for (const warning of count.warnings) surroundings.warn(warning);
  }

  writeTo(sink: FormatSink, isAofBase: boolean): void {
    sink.begin({ ...this.facts, isAofBase });
    this.#read((item) => {
      if (item.kind === 'entry') writeEntry(sink, item);
      else if (item.kind === 'function') sink.functionLibrary(item.code);
    });
    sink.end();
  }

  close(): void {
    // Nothing stays open between two readings.
  }

  #read(take: (item: RdbItem) => void): { format: 'rdb' | 'json'; size: number; offset: number } {
    const { reader, format, size, close } = openSnapshot(this.#surroundings.disk, this.#path, true);
    try {
      for (let item = reader.next(); item.kind !== 'end'; item = reader.next()) take(item);
      return { format, size, offset: reader.offset };
    } catch (error) {
      if (error instanceof RdbError) throw new RecoveryError(this.#path, error.reason, error.offset);
      throw error;
    } finally {
      close();
    }
  }
}

/** A value that the format has no form for is named by its key. */
function writeEntry(sink: FormatSink, item: RdbEntryItem): void {
  try {
    sink.entry(item.database, item);
  } catch (error) {
    if (!(error instanceof RdbError)) throw error;
    const { bytes, start, end } = item.key;
    const key = quoteBytes(Buffer.from(bytes.slice(start, end)));
    throw new ConvertError(`key ${key} of database ${item.database}: ${error.reason}`);
  }
}

/** What a file holds, as a snapshot's facts. */
class Count {
  readonly warnings = new Set<string>();
  readonly #databases = new Map<number, { index: number; keyCount: number; expiringCount: number }>();
  #unixMillis: number;
  #usedMemory = 0;

  constructor(nowMillis: number) {
    this.#unixMillis = nowMillis;
  }

  take(item: RdbItem): void {
    switch (item.kind) {
      case 'entry':
        this.#countEntry(item);
        break;
      case 'aux':
        this.#takeFact(item);
        break;
      case 'module-aux':
        this.warnings.add(`data of module type ${item.name} beside the keys is left out`);
        break;
      case 'slot-import':
        this.warnings.add('cluster slots were being imported: their keys may be incomplete');
        break;
      case 'database':
      case 'resize':
      case 'function':
      case 'end':
        break;
    }
  }

  facts(): SnapshotFacts {
    const databases = [...this.#databases.values()];
    return {
      unixMillis: this.#unixMillis,
      keyCount: databases.reduce((sum, { keyCount }) => sum + keyCount, 0),
      databases,
      usedMemory: this.#usedMemory,
      isAofBase: false,
    };
  }

  #countEntry({ database, expiryMillis }: RdbEntryItem): void {
    let counts = this.#databases.get(database);
    if (counts === undefined) {
      counts = { index: database, keyCount: 0, expiringCount: 0 };
      this.#databases.set(database, counts);
    }
    counts.keyCount++;
    if (expiryMillis !== undefined) counts.expiringCount++;
  }

  /** The copy is of the moment that the original is of. */
  #takeFact({ name, value }: RdbAuxItem): void {
    const number = Number(value.toString('latin1'));
    if (!Number.isSafeInteger(number) || number < 0) return;
    if (name === 'ctime') this.#unixMillis = number * MILLIS_PER_SECOND;
    if (name === 'used-mem') this.#usedMemory = number;
  }
}
