/**
 * The file system as persistence uses it: a parameter, so that tests can fail its n-th operation and lose
 * what was not synced (`simulated-disk.ts`). `node-disk.ts` is the real one.
 *
 * Everything is synchronous: a serving thread has no event loop, and the order of operations is what recovery
 * depends on. Each operation returns or throws a DiskError; EINTR and EAGAIN never reach the caller.
 *
 * What survives a power failure, and no more than that:
 *   - bytes of a file that were written before an `fsync` of it that succeeded;
 *   - creations, renames and removals in a directory before a `syncDirectory` of it that succeeded.
 */
import { constants } from 'node:os';
import { dirname } from 'node:path';

/**
 * `read`: an existing file, read only. `append`: created if missing, writes go to the end. `create`: emptied
 * or created, readable and writable. `update`: an existing file, readable and writable. `exclusive`: like
 * `create`, EEXIST if it exists.
 */
export type OpenMode = 'read' | 'append' | 'create' | 'update' | 'exclusive';

/** A number of this process: any of its threads may use it. */
export type Descriptor = number;

export interface Disk {
  open(path: string, mode: OpenMode): Descriptor;
  /** Writes `bytes[start, end)`, or only a part of it, and returns how many bytes that was: at least one. */
  write(fd: Descriptor, bytes: Uint8Array, start: number, end: number): number;
  /** The same at a position of the file; not for files opened to append. */
  writeAt(fd: Descriptor, bytes: Uint8Array, start: number, end: number, position: number): number;
  /** Reads into `target[start, end)` from a position of the file. Returns the byte count, 0 at its end. */
  read(fd: Descriptor, target: Uint8Array, start: number, end: number, position: number): number;
  size(fd: Descriptor): number;
  truncate(fd: Descriptor, size: number): void;
  /**
   * Makes data and size durable. After a failure nothing is known about what was written since the last
   * success.
   */
  fsync(fd: Descriptor): void;
  close(fd: Descriptor): void;

  /** Replaces `to` if it exists, atomically. */
  rename(from: string, to: string): void;
  unlink(path: string): void;
  /** Whether anything has this name. */
  exists(path: string): boolean;
  /** Names in a directory, sorted. */
  list(path: string): string[];
  /** Creates a directory and its missing parents; an existing one is fine. */
  makeDirectory(path: string): void;
  syncDirectory(path: string): void;
}

const ERRNO_TEXTS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EBADF: 'Bad file descriptor',
  EDQUOT: 'Disk quota exceeded',
  EEXIST: 'File exists',
  EFBIG: 'File too large',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ENFILE: 'Too many open files in system',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENOTEMPTY: 'Directory not empty',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
};

/** An operation that failed. `reason` is what C's strerror says: Redis' messages end with it. */
export class DiskError extends Error {
  override readonly name = 'DiskError';
  readonly code: string;
  readonly operation: string;
  readonly path: string;

  constructor(operation: string, code: string, path: string) {
    super(`${operation} ${path}: ${errnoText(code)}`);
    this.code = code;
    this.operation = operation;
    this.path = path;
  }

  get reason(): string {
    return errnoText(this.code);
  }
}

function errnoText(code: string): string {
  return ERRNO_TEXTS[code] ?? code;
}

/** `ENOSPC` as the number it has on this system, and back: threads share numbers only. */
export function errorNumberOf(code: string): number {
  return (constants.errno as Readonly<Record<string, number>>)[code] ?? constants.errno.EIO;
}

export function errorCodeOf(errorNumber: number): string {
  return Object.entries(constants.errno).find(([, number]) => number === errorNumber)?.[0] ?? 'EIO';
}

/** Runs an operation; an operating error becomes the result, a bug is thrown on. */
export function attempt(operation: () => void): DiskError | undefined {
  try {
    operation();
    return undefined;
  } catch (error) {
    if (error instanceof DiskError) return error;
    throw error;
  }
}

/** Writes all of `bytes`, in as many pieces as it takes. */
export function writeFully(disk: Disk, fd: Descriptor, bytes: Uint8Array): void {
  for (let start = 0; start < bytes.length;) start += disk.write(fd, bytes, start, bytes.length);
}

/** Fills `target[start, end)` from a position of the file; returns how many bytes there were. */
export function readFully(
  disk: Disk,
  fd: Descriptor,
  { target, start, end, position }: { target: Uint8Array; start: number; end: number; position: number },
): number {
  let at = start;
  while (at < end) {
    const count = disk.read(fd, target, at, end, position + (at - start));
    if (count === 0) break;
    at += count;
  }
  return at - start;
}

export function readFile(disk: Disk, path: string): Buffer {
  const fd = disk.open(path, 'read');
  try {
    const target = Buffer.alloc(disk.size(fd));
    const length = readFully(disk, fd, { target, start: 0, end: target.length, position: 0 });
    return target.subarray(0, length);
  } finally {
    disk.close(fd);
  }
}

export function fileSize(disk: Disk, path: string): number {
  const fd = disk.open(path, 'read');
  try {
    return disk.size(fd);
  } finally {
    disk.close(fd);
  }
}

/**
 * Gives `path` new contents, all or nothing: they are complete and synced under `temporaryPath` (same
 * directory) before the name moves. When this throws, the old file is still there unless the last step,
 * syncing the directory, is what failed: then either may survive a crash.
 */
export function replaceFile(disk: Disk, path: string, temporaryPath: string, bytes: Uint8Array): void {
  const fd = disk.open(temporaryPath, 'create');
  try {
    writeFully(disk, fd, bytes);
    disk.fsync(fd);
  } finally {
    disk.close(fd);
  }
  disk.rename(temporaryPath, path);
  disk.syncDirectory(dirname(path));
}
