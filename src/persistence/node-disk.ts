/** The real disk, on node:fs. */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { DiskError, type Descriptor, type Disk, type OpenMode } from './disk.ts';

/** Data files hold what clients store: nobody else reads them. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o755;

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;

const OPEN_FLAGS: Record<OpenMode, number> = {
  read: O_RDONLY,
  append: O_WRONLY | O_APPEND | O_CREAT,
  create: O_RDWR | O_CREAT | O_TRUNC,
  update: O_RDWR,
  exclusive: O_RDWR | O_CREAT | O_EXCL,
};

/** Runs a system call again while it was only interrupted; a failure becomes a DiskError. */
function call<Result>(operation: string, subject: string | Descriptor, systemCall: () => Result): Result {
  for (;;) {
    try {
      return systemCall();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EINTR' || code === 'EAGAIN') continue;
      // Anything without an errno is a bug of ours, such as an argument out of range.
      if (code === undefined || code.startsWith('ERR_')) throw error;
      throw new DiskError(operation, code, typeof subject === 'string' ? subject : `descriptor ${subject}`);
    }
  }
}

export const nodeDisk: Disk = {
  open: (path, mode) => call('open', path, () => openSync(path, OPEN_FLAGS[mode], FILE_MODE)),
  write: (fd, bytes, start, end) =>
    call('write', fd, () => written(writeSync(fd, bytes, start, end - start), fd)),
  writeAt: (fd, bytes, start, end, position) =>
    call('write', fd, () => written(writeSync(fd, bytes, start, end - start, position), fd)),
  read: (fd, target, start, end, position) =>
    call('read', fd, () => readSync(fd, target, start, end - start, position)),
  size: (fd) => call('stat', fd, () => fstatSync(fd).size),
  truncate: (fd, size) => call('truncate', fd, () => ftruncateSync(fd, size)),
  fsync: (fd) => call('fsync', fd, () => fdatasyncSync(fd)),
  // A close that was interrupted has closed all the same on Linux, so it is not repeated.
  close: (fd) => {
    try {
      closeSync(fd);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EINTR') throw new DiskError('close', code ?? 'EIO', `descriptor ${fd}`);
    }
  },
  rename: (from, to) => call('rename', from, () => renameSync(from, to)),
  unlink: (path) => call('unlink', path, () => unlinkSync(path)),
  // Not existsSync: what cannot be looked at must not pass for something that is not there.
  exists: (path) => call('stat', path, () => statSync(path, { throwIfNoEntry: false }) !== undefined),
  list: (path) => call('readdir', path, () => readdirSync(path).sort()),
  makeDirectory: (path) =>
    call('mkdir', path, () => void mkdirSync(path, { recursive: true, mode: DIRECTORY_MODE })),
  syncDirectory,
};

/** No bytes for a request of some would repeat for ever. */
function written(byteCount: number, fd: Descriptor): number {
  if (byteCount === 0) throw new DiskError('write', 'EIO', `descriptor ${fd}`);
  return byteCount;
}

/** Windows has no way to do it, and its file systems log names by themselves. */
function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const fd = call('open', path, () => openSync(path, O_RDONLY));
  try {
    call('fsync', path, () => fsyncSync(fd));
  } finally {
    closeSync(fd);
  }
}
