/**
 * Keeps a second server off a data directory: a file with the holder's process id, and when that process
 * started.
 *
 *     12345 987654\n        process id, start time in clock ticks since boot (0 where that is not known)
 *
 * A holder that is gone, or whose id another process has by now, is replaced. Node has no flock(2), which
 * would do all of this; the limit of the way taken is that processes of another machine or container that
 * shares the directory are not seen.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DiskError, readFile, writeFully, type Disk } from './disk.ts';

export const LOCK_FILE_NAME = '.redis-clone-ts.lock';

const ATTEMPTS_MAX = 10;
/** How long a lock without contents may take to get them: its holder has just created it. */
const EMPTY_WAIT_MILLIS = 20;

/** What the lock must know of processes. */
export interface ProcessTable {
  readonly ownPid: number;
  /** When the process started, 0 if that cannot be known, undefined if there is no such process. */
  startTime(pid: number): number | undefined;
}

interface Holder {
  readonly pid: number;
  readonly startTime: number;
}

export class DirectoryInUseError extends Error {
  override readonly name = 'DirectoryInUseError';
  readonly pid: number;

  constructor(directory: string, pid: number) {
    super(`The data directory ${directory} is in use by another server (process ${pid})`);
    this.pid = pid;
  }
}

/**
 * Directories locked by this thread: where start times are not known, its own id in a lock file does not
 * tell a leftover from a second server.
 */
const heldPaths = new Set<string>();

const sleepCell = new Int32Array(new SharedArrayBuffer(4));

export class DirectoryLock {
  readonly directory: string;
  readonly #disk: Disk;
  readonly #path: string;
  readonly #contents: string;
  #isHeld = true;
  readonly #releaseAtExit = (): void => this.release();

  private constructor(disk: Disk, directory: string, path: string, contents: string) {
    this.#disk = disk;
    this.directory = directory;
    this.#path = path;
    this.#contents = contents;
  }

  /** Throws DirectoryInUseError, DiskError. */
  static acquire(disk: Disk, directory: string, processes: ProcessTable = systemProcesses): DirectoryLock {
    const path = join(directory, LOCK_FILE_NAME);
    const { ownPid } = processes;
    if (heldPaths.has(path)) throw new DirectoryInUseError(directory, ownPid);
    const contents = `${ownPid} ${processes.startTime(ownPid) ?? 0}\n`;
    let holderPid = ownPid;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (create(disk, path, contents)) {
        heldPaths.add(path);
        const lock = new DirectoryLock(disk, directory, path, contents);
        // A thread that dies must not keep later servers of this process off the directory.
        process.once('exit', lock.#releaseAtExit);
        return lock;
      }
      const found = read(disk, path);
      if (found === undefined) continue;
      const holder = parseHolder(found);
      if (holder === undefined && attempt < ATTEMPTS_MAX / 2) {
        Atomics.wait(sleepCell, 0, 0, EMPTY_WAIT_MILLIS);
        continue;
      }
      if (holder !== undefined) {
        holderPid = holder.pid;
        if (isAlive(holder, processes)) throw new DirectoryInUseError(directory, holder.pid);
      }
      if (!removeStale(disk, path, found, ownPid)) throw new DirectoryInUseError(directory, holderPid);
    }
    throw new DirectoryInUseError(directory, holderPid);
  }

  /** Safe to call twice. */
  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    process.removeListener('exit', this.#releaseAtExit);
    heldPaths.delete(this.#path);
    if (read(this.#disk, this.#path) === this.#contents) this.#disk.unlink(this.#path);
  }
}

/** False if there is one already. */
function create(disk: Disk, path: string, contents: string): boolean {
  const fd = ignoring('EEXIST', () => disk.open(path, 'exclusive'));
  if (fd === undefined) return false;
  try {
    writeFully(disk, fd, Buffer.from(contents));
  } finally {
    disk.close(fd);
  }
  return true;
}

function read(disk: Disk, path: string): string | undefined {
  return ignoring('ENOENT', () => readFile(disk, path).toString('latin1'));
}

/**
 * Two servers may find the same leftover. Moving it away first shows what was taken: if it is not the
 * leftover, the other one was faster, and its lock is put back.
 */
function removeStale(disk: Disk, path: string, expected: string, ownPid: number): boolean {
  const asidePath = `${path}.${ownPid}`;
  const moved = ignoring('ENOENT', () => {
    disk.rename(path, asidePath);
    return true;
  });
  if (moved === undefined) return true;
  if (read(disk, asidePath) === expected) {
    disk.unlink(asidePath);
    return true;
  }
  disk.rename(asidePath, path);
  return false;
}

function ignoring<Result>(code: string, operation: () => Result): Result | undefined {
  try {
    return operation();
  } catch (error) {
    if (error instanceof DiskError && error.code === code) return undefined;
    throw error;
  }
}

function parseHolder(contents: string): Holder | undefined {
  const [, pid, startTime] = /^(\d{1,10}) (\d{1,15})\n$/.exec(contents) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), startTime: Number(startTime) };
}

/**
 * The own id is that of another server in this process, whose threads have a `heldPaths` of their own, if the
 * start time is ours too; otherwise that of a predecessor, as in a container that was started again.
 */
function isAlive(holder: Holder, processes: ProcessTable): boolean {
  if (holder.pid === processes.ownPid)
    return holder.startTime !== 0 && holder.startTime === processes.startTime(holder.pid);
  const startTime = processes.startTime(holder.pid);
  if (startTime === undefined) return false;
  return startTime === 0 || holder.startTime === 0 || startTime === holder.startTime;
}

/**
 * Field 22 of /proc/PID/stat, counted behind the program's name, which may contain spaces and parentheses.
 */
const START_TIME_FIELD = 22 - 3;

const systemProcesses: ProcessTable = {
  ownPid: process.pid,
  startTime: (pid) => {
    try {
      process.kill(pid, 0);
    } catch (error) {
      // EPERM: it exists and belongs to someone else.
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') return undefined;
    }
    if (process.platform !== 'linux') return 0;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // It has ended, and its parent has not taken notice: in a container that can last for ever.
      if (fields[0] === 'Z') return undefined;
      return Number(fields[START_TIME_FIELD]) || 0;
    } catch {
      return 0;
    }
  },
};
