/** A file of a Disk as the source of a reader that takes bytes in their order. */
import type { Descriptor, Disk } from './disk.ts';
import type { ByteSource } from './rdb-input.ts';

export class DiskSource implements ByteSource {
  readonly #disk: Disk;
  readonly #fd: Descriptor;
  #position = 0;

  /** Reads from the file's start; the caller closes the descriptor. */
  constructor(disk: Disk, fd: Descriptor) {
    this.#disk = disk;
    this.#fd = fd;
  }

  read(target: Buffer): number {
    const count = this.#disk.read(this.#fd, target, 0, target.length, this.#position);
    this.#position += count;
    return count;
  }
}
