/**
 * `redis-clone-ts convert [--force] IN OUT`: the same data in another format.
 *
 * IN is what its content shows: an RDB or JSON snapshot, an append-only file, or the directory of one. OUT is
 * what its name says: `.rdb`, `.json`, otherwise a directory for an append-only file. Keys that have expired
 * are kept; nothing is written unless all of IN can be read.
 */
import { basename, dirname, extname, resolve } from 'node:path';
import {
  AofPaths,
  createAofDirectory,
  deleteHistory,
  EMPTY_MANIFEST,
  loadManifest,
  ManifestError,
  nextBase,
  nextIncrement,
  persistManifest,
  withIncrement,
  withRewrite,
} from './aof-manifest.ts';
import { ConvertError, openConvertSource, type ConvertSource } from './convert-source.ts';
import { DirectoryInUseError, DirectoryLock } from './directory-lock.ts';
import { DiskError, type Disk } from './disk.ts';
import { RdbError } from './rdb-error.ts';
import { RecoveryError } from './recovery-error.ts';
import { INCREMENTAL_SYNC_BYTES, SnapshotFile } from './snapshot-file.ts';
import { createSnapshotSink, type SnapshotFormat } from './snapshot-format.ts';
import { EXIT_INVALID, EXIT_VALID, type ToolConsole } from './tool-console.ts';

const USAGE = `Usage: redis-clone-ts convert [--force] IN OUT
IN:  an RDB or JSON snapshot, an append-only file, or the directory of one
OUT: FILE.rdb, FILE.json, or a directory for an append-only file
`;

const AOF_FILE_NAME = 'appendonly.aof';

export function runConvert(args: readonly string[], tool: ToolConsole): number {
  const isForced = args[0] === '--force';
  const [input, output, ...more] = isForced ? args.slice(1) : args;
  if (input === undefined || output === undefined || more.length > 0 || input.startsWith('--')) {
    tool.write(USAGE);
    return EXIT_INVALID;
  }
  try {
    convert(input, { path: output, isForced }, tool);
    return EXIT_VALID;
  } catch (error) {
    tool.write(`Cannot convert: ${reasonOf(error)}\n`);
    return EXIT_INVALID;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof DiskError) return `${error.path}: ${error.reason}`;
  if (error instanceof ManifestError) return `the manifest, line ${error.lineNumber}: ${error.message}`;
  const isExpected =
    error instanceof ConvertError ||
    error instanceof DirectoryInUseError ||
    error instanceof RecoveryError ||
    error instanceof RdbError;
  if (isExpected) return error.message;
  throw error;
}

interface Output {
  readonly path: string;
  /** May replace what is there. */
  readonly isForced: boolean;
}

function convert(input: string, output: Output, { disk, nowMillis, write }: ToolConsole): void {
  if (!output.isForced && disk.exists(output.path)) {
    throw new ConvertError(`${output.path} exists already; --force replaces it`);
  }
  const warn = (text: string): void => write(`Warning: ${text}\n`);
  const source = openConvertSource(input, { disk, nowMillis, warn });
  let lock: DirectoryLock | undefined;
  try {
    // A running server would go on with what is replaced here, and undo it.
    if (disk.exists(output.path)) lock = DirectoryLock.acquire(disk, dirname(resolve(output.path)));
    const format = formatOfOutput(output.path);
    const byteCount =
      format === 'aof'
        ? writeAof(disk, output.path, source)
        : writeSnapshot(disk, output.path, format, source);
    write(
      `${source.facts.keyCount} keys from ${input} (${source.format}) to ${output.path} ` +
        `(${format.toUpperCase()}, ${byteCount} bytes)\n`,
    );
  } finally {
    lock?.release();
    source.close();
  }
}

function formatOfOutput(path: string): SnapshotFormat {
  const ending = extname(path).toLowerCase();
  return ending === '.json' ? 'json' : ending === '.rdb' ? 'rdb' : 'aof';
}

/** A base with everything and an empty increment; what a manifest that is there names is replaced. */
function writeAof(disk: Disk, path: string, source: ConvertSource): number {
  const directory = resolve(path);
  const paths = new AofPaths(dirname(directory), basename(directory), AOF_FILE_NAME);
  createAofDirectory(disk, paths);
  const old = loadManifest(disk, paths) ?? EMPTY_MANIFEST;
  const base = nextBase(old, AOF_FILE_NAME, 'rdb');
  const increment = nextIncrement(old, AOF_FILE_NAME);

  const byteCount = writeSnapshot(disk, paths.of(base), 'rdb', source, true);
  const fd = disk.open(paths.of(increment), 'create');
  disk.close(fd);
  disk.syncDirectory(directory);
  const manifest = withRewrite(withIncrement(old, increment), base, increment);
  persistManifest(disk, paths, manifest);
  deleteHistory(disk, paths, manifest);
  return byteCount;
}

/** Returns the size of the file. */
function writeSnapshot(
  disk: Disk,
  path: string,
  format: 'json' | 'rdb',
  source: ConvertSource,
  isAofBase = false,
): number {
  const file = new SnapshotFile(disk, {
    directory: dirname(path),
    temporaryName: `temp-convert-${process.pid}.${format}`,
    syncEveryBytes: INCREMENTAL_SYNC_BYTES,
  });
  try {
    const sink = createSnapshotSink(format, (chunk) => file.write(chunk, 0, chunk.length), {
      isCompressing: true,
      isChecksumming: true,
    });
    source.writeTo(sink, isAofBase);
    file.finish(basename(path));
    return file.byteCount;
  } catch (error) {
    file.discard();
    throw error;
  }
}
