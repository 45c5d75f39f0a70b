/** A disk with something to be done before each operation: another thread's turn, or a look at the damage. */
import type { Descriptor, Disk, OpenMode } from '../../src/persistence/disk.ts';

export class HookedDisk implements Disk {
  readonly #disk: Disk;
  readonly #before: () => void;

  constructor(disk: Disk, before: () => void) {
    this.#disk = disk;
    this.#before = before;
  }

  open(path: string, mode: OpenMode): Descriptor {
    this.#before();
    return this.#disk.open(path, mode);
  }

  write(fd: Descriptor, bytes: Uint8Array, start: number, end: number): number {
    this.#before();
    return this.#disk.write(fd, bytes, start, end);
  }

  writeAt(fd: Descriptor, bytes: Uint8Array, start: number, end: number, position: number): number {
    this.#before();
    return this.#disk.writeAt(fd, bytes, start, end, position);
  }

  // Reading changes nothing that a crash could lose.
  read(fd: Descriptor, target: Uint8Array, start: number, end: number, position: number): number {
    return this.#disk.read(fd, target, start, end, position);
  }

  size(fd: Descriptor): number {
    return this.#disk.size(fd);
  }

  truncate(fd: Descriptor, size: number): void {
    this.#before();
    this.#disk.truncate(fd, size);
  }

  fsync(fd: Descriptor): void {
    this.#before();
    this.#disk.fsync(fd);
  }

  close(fd: Descriptor): void {
    this.#disk.close(fd);
  }

  rename(from: string, to: string): void {
    this.#before();
    this.#disk.rename(from, to);
  }

  unlink(path: string): void {
    this.#before();
    this.#disk.unlink(path);
  }

  exists(path: string): boolean {
    return this.#disk.exists(path);
  }

  list(path: string): string[] {
    return this.#disk.list(path);
  }

  makeDirectory(path: string): void {
    this.#before();
    this.#disk.makeDirectory(path);
  }

  syncDirectory(path: string): void {
    this.#before();
    this.#disk.syncDirectory(path);
  }
}
