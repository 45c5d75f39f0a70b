/**
 * Data that is there and cannot be loaded: the server must not start, for it would go on beside it and, in
 * the end, in its place. The message names the file and, where there is one, the offset.
 */
import { OutOfMemoryError } from '../memory/allocator.ts';
import { DiskError } from './disk.ts';
import { RdbError } from './rdb-error.ts';

export class RecoveryError extends Error {
  override readonly name = 'RecoveryError';
  readonly path: string;
  /** Bytes from the start of the file. */
  readonly offset: number | undefined;

  constructor(path: string, reason: string, offset?: number) {
    super(offset === undefined ? `${path}: ${reason}` : `${path}, at offset ${offset}: ${reason}`);
    this.path = path;
    this.offset = offset;
  }
}

/** What an operation on a file threw, as the reason not to start. A bug is thrown on. */
export function recoveryErrorOf(error: unknown, path: string, offset?: number): RecoveryError {
  if (error instanceof RecoveryError) return error;
  if (error instanceof RdbError) return new RecoveryError(path, error.reason, error.offset);
  if (error instanceof DiskError) return new RecoveryError(error.path, `${error.operation}: ${error.reason}`);
  if (error instanceof OutOfMemoryError) return new RecoveryError(path, 'out of memory', offset);
  throw error;
}
