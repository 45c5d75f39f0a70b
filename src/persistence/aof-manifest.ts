/**
 * The manifest of a multi-part append-only file (Redis 7.0 aof.c): which files it consists of.
 *
 *     file appendonly.aof.2.base.rdb seq 2 type b         at most one: everything up to the last rewrite
 *     file appendonly.aof.1.incr.aof seq 1 type h         history: replaced by the base, to be deleted
 *     file appendonly.aof.2.incr.aof seq 2 type i         what came after, in this order; the last is written
 *   to
 *
 * It changes only as a whole, by rename. A manifest in memory is never changed either: each step makes a new
 * one, which takes effect when it has been persisted.
 */
import { dirname, join } from 'node:path';
import { quoteBytes, splitArguments } from '../util/split-args.ts';
import { DiskError, readFile, replaceFile, type Disk } from './disk.ts';

export interface AofFile {
  readonly name: string;
  readonly sequence: number;
}

export interface AofManifest {
  readonly base: AofFile | undefined;
  readonly increments: readonly AofFile[];
  readonly history: readonly AofFile[];
}

export const EMPTY_MANIFEST: AofManifest = { base: undefined, increments: [], history: [] };

/** Where everything is: `dir`, `appenddirname` and `appendfilename`. */
export class AofPaths {
  readonly dataDirectory: string;
  readonly directory: string;
  readonly fileName: string;

  constructor(dataDirectory: string, directoryName: string, fileName: string) {
    this.dataDirectory = dataDirectory;
    this.directory = join(dataDirectory, directoryName);
    this.fileName = fileName;
  }

  get manifest(): string {
    return join(this.directory, `${this.fileName}.manifest`);
  }

  get temporaryManifest(): string {
    return join(this.directory, `temp-${this.fileName}.manifest`);
  }

  /** The one file that versions before 7 have. */
  get singleFile(): string {
    return join(this.dataDirectory, this.fileName);
  }

  /** A file that the manifest names. */
  of(file: AofFile): string {
    return join(this.directory, file.name);
  }
}

/** Texts as in Redis 7.0, aofLoadManifestFromFile. */
const ERROR_TEXTS = {
  empty: 'Found an empty AOF manifest',
  tooLong: 'The AOF manifest file contains too long line',
  format: 'Invalid AOF manifest file format',
  path: "File can't be a path, just a filename",
  duplicateBase: 'Found duplicate base file information',
  order: 'Found a non-monotonic sequence number',
  type: 'Unknown AOF file type',
} as const;

/** A manifest that cannot be understood. The server must not start with it. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  readonly lineNumber: number;
  readonly line: string;

  constructor(kind: keyof typeof ERROR_TEXTS, lineNumber = 0, line = '') {
    super(ERROR_TEXTS[kind]);
    this.lineNumber = lineNumber;
    this.line = line;
  }
}

const LINE_BYTES_MAX = 1024;
const FIELDS_MIN = 6;

const LF = 10;
const HASH = 35;

interface ManifestEntry extends AofFile {
  readonly type: string;
}

export function parseManifest(bytes: Uint8Array): AofManifest {
  if (bytes.length === 0) throw new ManifestError('empty');
  let base: AofFile | undefined;
  const increments: AofFile[] = [];
  const history: AofFile[] = [];
  let lineNumber = 0;
  for (let start = 0; start < bytes.length;) {
    lineNumber++;
    const lf = bytes.indexOf(LF, start);
    const isComment = bytes[start] === HASH;
    const isWhole = lf >= 0 && lf + 1 - start <= LINE_BYTES_MAX;
    if (!isWhole && !isComment) throw new ManifestError('tooLong', lineNumber);
    const lineStart = start;
    start = lf < 0 ? bytes.length : lf + 1;
    if (isComment) continue;

    const line = Buffer.from(bytes.subarray(lineStart, lf)).toString().trim();
    const fail = (kind: keyof typeof ERROR_TEXTS): never => {
      throw new ManifestError(kind, lineNumber, line);
    };
    const { type, ...file } = parseEntry(line, fail);
    if (type === 'b') {
      if (base !== undefined) fail('duplicateBase');
      base = file;
    } else if (type === 'h') {
      history.push(file);
    } else if (type === 'i') {
      if (file.sequence <= (increments.at(-1)?.sequence ?? 0)) fail('order');
      increments.push(file);
    } else {
      fail('type');
    }
  }
  return { base, increments, history };
}

/** Pairs of key and value in any order; unknown keys are for later versions. */
function parseEntry(line: string, fail: (kind: keyof typeof ERROR_TEXTS) => never): ManifestEntry {
  const bytes = Buffer.from(line);
  const words = splitArguments(bytes, 0, bytes.length)?.map((word) => word.toString());
  if (words === undefined || words.length < FIELDS_MIN || words.length % 2 !== 0) return fail('format');
  let name = '';
  let sequence = 0;
  let type = '';
  for (let i = 0; i < words.length; i += 2) {
    const value = words[i + 1]!;
    switch (words[i]!.toLowerCase()) {
      case 'file':
        if (/[/\\]/.test(value)) return fail('path');
        name = value;
        break;
      case 'seq':
        sequence = parseSequence(value);
        break;
      case 'type':
        type = value.slice(0, 1);
        break;
    }
  }
  if (name === '' || sequence === 0 || type === '') return fail('format');
  return { name, sequence, type };
}

/** As C's atoll: what begins like a number counts. */
function parseSequence(text: string): number {
  const number = Number.parseInt(text, 10);
  return Number.isSafeInteger(number) ? number : 0;
}

export function formatManifest({ base, history, increments }: AofManifest): Buffer {
  const lines = [
    ...(base === undefined ? [] : [formatEntry(base, 'b')]),
    ...history.map((file) => formatEntry(file, 'h')),
    ...increments.map((file) => formatEntry(file, 'i')),
  ];
  return Buffer.from(lines.join(''));
}

function formatEntry({ name, sequence }: AofFile, type: 'b' | 'h' | 'i'): string {
  const isPlain = /^[!#-&(-[\]-~]+$/.test(name);
  return `file ${isPlain ? name : quoteBytes(Buffer.from(name))} seq ${sequence} type ${type}\n`;
}

/** Undefined if there is none. Throws ManifestError, DiskError. */
export function loadManifest(disk: Disk, paths: AofPaths): AofManifest | undefined {
  return disk.exists(paths.manifest) ? parseManifest(readFile(disk, paths.manifest)) : undefined;
}

/**
 * Makes it the one that counts, all or nothing. The files it names must be synced, names included, before.
 */
export function persistManifest(disk: Disk, paths: AofPaths, manifest: AofManifest): void {
  replaceFile(disk, paths.manifest, paths.temporaryManifest, formatManifest(manifest));
}

/** Creates the directory for the files if it is missing, durably. */
export function createAofDirectory(disk: Disk, paths: AofPaths): void {
  disk.makeDirectory(paths.directory);
  disk.syncDirectory(dirname(paths.directory));
}

/** The name of the next base file; write it completely, then switch with `withRewrite`. */
export function nextBase(manifest: AofManifest, fileName: string, format: 'rdb' | 'aof'): AofFile {
  const sequence = highestSequence(manifest.base, manifest.history, '.base.') + 1;
  return { name: `${fileName}.${sequence}.base.${format}`, sequence };
}

/** The next file to append to; create it, then `withIncrement`. */
export function nextIncrement(manifest: AofManifest, fileName: string): AofFile {
  const sequence = highestSequence(manifest.increments.at(-1), manifest.history, '.incr.') + 1;
  return { name: `${fileName}.${sequence}.incr.aof`, sequence };
}

/** History counts too: its files may still be there, and must not be written again under the same name. */
function highestSequence(current: AofFile | undefined, history: readonly AofFile[], infix: string): number {
  const past = history.filter(({ name }) => name.includes(infix)).map(({ sequence }) => sequence);
  return Math.max(current?.sequence ?? 0, ...past);
}

export function withIncrement(manifest: AofManifest, increment: AofFile): AofManifest {
  return { ...manifest, increments: [...manifest.increments, increment] };
}

/**
 * After a rewrite: `base` replaces the old one and every increment before `firstKept`, the one that was begun
 * at the rewrite's cut.
 */
export function withRewrite(manifest: AofManifest, base: AofFile, firstKept: AofFile): AofManifest {
  const isKept = ({ sequence }: AofFile): boolean => sequence >= firstKept.sequence;
  const replaced = manifest.increments.filter((file) => !isKept(file));
  return {
    base,
    increments: manifest.increments.filter(isKept),
    history: [
      ...replaced.reverse(),
      ...(manifest.base === undefined ? [] : [manifest.base]),
      ...manifest.history,
    ],
  };
}

/**
 * Deletes the history files and returns the manifest without them, persisted. Files that are gone are fine.
 */
export function deleteHistory(disk: Disk, paths: AofPaths, manifest: AofManifest): AofManifest {
  if (manifest.history.length === 0) return manifest;
  for (const file of manifest.history) unlinkIfExists(disk, paths.of(file));
  const cleaned: AofManifest = { ...manifest, history: [] };
  persistManifest(disk, paths, cleaned);
  return cleaned;
}

function unlinkIfExists(disk: Disk, path: string): void {
  try {
    disk.unlink(path);
  } catch (error) {
    if (!(error instanceof DiskError) || error.code !== 'ENOENT') throw error;
  }
}

/**
 * Whether a single file of an older version is to be taken over: it exists, and the manifest knows of
 * nothing, or of nothing but this file, which an interrupted take-over has not moved yet.
 */
export function needsUpgrade(disk: Disk, paths: AofPaths, manifest: AofManifest | undefined): boolean {
  if (!disk.exists(paths.singleFile)) return false;
  if (manifest === undefined) return true;
  if (manifest.increments.length > 0) return false;
  const { base } = manifest;
  return base === undefined || (base.name === paths.fileName && !disk.exists(paths.of(base)));
}

/** Makes the single file the base. After a crash at any step, `needsUpgrade` says whether to do it again. */
export function upgradeSingleFile(disk: Disk, paths: AofPaths): AofManifest {
  const base: AofFile = { name: paths.fileName, sequence: 1 };
  const manifest: AofManifest = { ...EMPTY_MANIFEST, base };
  createAofDirectory(disk, paths);
  persistManifest(disk, paths, manifest);
  disk.rename(paths.singleFile, paths.of(base));
  disk.syncDirectory(paths.directory);
  disk.syncDirectory(paths.dataDirectory);
  return manifest;
}
