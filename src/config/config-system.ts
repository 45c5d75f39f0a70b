/** What reading a configuration needs of the machine, as a parameter, so that tests need no files. */
import { accessSync, constants, openSync, closeSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { decodeText } from './config-text.ts';

export interface ConfigSystem {
  workingDirectory(): string;
  /** The content of a file; throws Node's error. */
  readFile(path: string): string;
  readStandardInput(): string;
  /** Names in a directory; none if it cannot be read. */
  listDirectory(path: string): string[];
  /** Why this cannot be the data directory, undefined if it can. */
  directoryError(path: string): string | undefined;
  /** Why this cannot be the log file, undefined if it can. */
  logFileError(path: string): string | undefined;
}

const STANDARD_INPUT_FD = 0;

export const NODE_CONFIG_SYSTEM: ConfigSystem = {
  workingDirectory: () => process.cwd(),
  readFile: (path) => decodeText(readFileSync(path)),
  readStandardInput: () => decodeText(readFileSync(STANDARD_INPUT_FD)),
  listDirectory: (path) => {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  },
  directoryError: (path) =>
    attempt(() => {
      if (!statSync(path).isDirectory())
        throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
      accessSync(path, constants.X_OK);
    }),
  logFileError: (path) => attempt(() => closeSync(openSync(path, 'a'))),
};

function attempt(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return systemErrorText(error);
  }
}

/** The words of C's strerror for the errors that files meet; libuv has others for some. */
const ERROR_TEXTS: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'Permission denied'],
  ['EBUSY', 'Device or resource busy'],
  ['EINVAL', 'Invalid argument'],
  ['EIO', 'Input/output error'],
  ['EISDIR', 'Is a directory'],
  ['ELOOP', 'Too many levels of symbolic links'],
  ['EMFILE', 'Too many open files'],
  ['ENAMETOOLONG', 'File name too long'],
  ['ENOENT', 'No such file or directory'],
  ['ENOSPC', 'No space left on device'],
  ['ENOTDIR', 'Not a directory'],
  ['EPERM', 'Operation not permitted'],
  ['EROFS', 'Read-only file system'],
]);

export function systemErrorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return ERROR_TEXTS.get(code) ?? error.message;
}
