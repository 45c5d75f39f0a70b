/**
 * A file that appears as a whole or not at all: written under a temporary name, synced, then renamed.
 *
 *     write … write, finish        flush → fsync → close → rename → sync of the directory
 *
 * When a step fails the old file is untouched, the temporary one is removed if that can be done, and the
 * DiskError is thrown on. Only after a failure of the very last step, the sync of the directory, the new file
 * is in place, and a power failure may bring the old one back.
 */
import { join } from 'node:path';
import { copyBytes } from '../util/bytes.ts';
import { timed, type EventTimer } from '../util/event-timer.ts';
import { attempt, type Descriptor, type Disk } from './disk.ts';

export interface SnapshotFileOptions {
  readonly directory: string;
  /** A name of the same directory that nobody else uses; a file of this name is overwritten. */
  readonly temporaryName: string;
  /**
   * Sync each time this much has been written (`rdb-save-incremental-fsync`): the sync at the end is then
   * short, and what other files sync meanwhile does not wait for gigabytes. 0 = only at the end.
   */
  readonly syncEveryBytes: number;
  readonly timing?: FileTiming;
}

/** Which step is timed: of a rewritten base when it gets its name, of a save the removal of one given up. */
export interface FileTiming {
  readonly timer: EventTimer;
  readonly event: 'aof-rename' | 'rdb-unlink-temp-file';
}

/** What `rdb-save-incremental-fsync` and `aof-rewrite-incremental-fsync` stand for in Redis 7.0. */
export const INCREMENTAL_SYNC_BYTES = 4 * 1024 * 1024;

/** Smaller writes are collected up to this size. */
const BUFFER_BYTES = 256 * 1024;

/** Calls `replace`, at once, or does not. */
export type DecideToReplace = (replace: () => void) => void;

export class SnapshotFile {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #temporaryPath: string;
  readonly #syncEveryBytes: number;
  readonly #timing: FileTiming | undefined;
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #buffered = 0;
  #writtenBytes = 0;
  #syncedBytes = 0;
  /** Undefined once the file is closed. */
  #fd: Descriptor | undefined;

  /** Creates the temporary file. */
  constructor(disk: Disk, { directory, temporaryName, syncEveryBytes, timing }: SnapshotFileOptions) {
    this.#disk = disk;
    this.#timing = timing;
    this.#directory = directory;
    this.#temporaryPath = join(directory, temporaryName);
    this.#syncEveryBytes = syncEveryBytes;
    this.#fd = disk.open(this.#temporaryPath, 'create');
  }

  /** Size so far. */
  get byteCount(): number {
    return this.#writtenBytes + this.#buffered;
  }

  /** Adds `bytes[start, end)`, which may change after the call. */
  write(bytes: Uint8Array, start: number, end: number): void {
    this.#orDiscard(() => {
      if (end - start > this.#buffer.length - this.#buffered) this.#flush();
      if (end - start >= this.#buffer.length) this.#writeThrough(bytes, start, end);
      else this.#buffered = copyBytes(this.#buffer, this.#buffered, bytes, start, end);
    });
  }

  /**
   * Completes the file and gives it its name, in place of a file that has it. `decide` may still be against
   * it; then the file is discarded, and the result false.
   */
  finish(finalName: string, decide: DecideToReplace = (replace) => replace()): boolean {
    let isReplaced = false;
    this.#orDiscard(() => {
      this.#flush();
      this.#disk.fsync(this.#descriptor());
      this.#close();
      const finalPath = join(this.#directory, finalName);
      const replaced = this.#holdOpen(finalPath);
      try {
        decide(() => {
          this.#timed('aof-rename', () => this.#disk.rename(this.#temporaryPath, finalPath));
          isReplaced = true;
        });
      } finally {
        if (replaced !== undefined) attempt(() => this.#disk.close(replaced));
      }
    });
    if (isReplaced) this.#disk.syncDirectory(this.#directory);
    else this.discard();
    return isReplaced;
  }

  /**
   * Opens the file that is to be replaced, if there is one: as long as it is open the file system keeps it,
   * so the rename, which others may wait for, does not take the time it takes to free a large file.
   */
  #holdOpen(path: string): Descriptor | undefined {
    let fd: Descriptor | undefined;
    attempt(() => {
      if (this.#disk.exists(path)) fd = this.#disk.open(path, 'read');
    });
    return fd;
  }

  /** Gives up, unless all is done: closes and removes the temporary file, as far as that can be done. */
  discard(): void {
    attempt(() => this.#close());
    attempt(() => this.#timed('rdb-unlink-temp-file', () => this.#disk.unlink(this.#temporaryPath)));
  }

  #timed(event: FileTiming['event'], step: () => void): void {
    if (this.#timing?.event === event) timed(this.#timing.timer, event, step);
    else step();
  }

  #flush(): void {
    this.#writeThrough(this.#buffer, 0, this.#buffered);
    this.#buffered = 0;
  }

  #writeThrough(bytes: Uint8Array, start: number, end: number): void {
    const fd = this.#descriptor();
    for (let position = start; position < end;) position += this.#disk.write(fd, bytes, position, end);
    this.#writtenBytes += end - start;
    if (this.#syncEveryBytes === 0 || this.#writtenBytes - this.#syncedBytes < this.#syncEveryBytes) return;
    this.#disk.fsync(fd);
    this.#syncedBytes = this.#writtenBytes;
  }

  #descriptor(): Descriptor {
    if (this.#fd === undefined) throw new Error('the snapshot file is closed');
    return this.#fd;
  }

  #close(): void {
    if (this.#fd === undefined) return;
    const fd = this.#fd;
    this.#fd = undefined;
    this.#disk.close(fd);
  }

  #orDiscard(step: () => void): void {
    const error = attempt(step);
    if (error === undefined) return;
    this.discard();
    throw error;
  }
}
