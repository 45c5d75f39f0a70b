/**
 * A disk in memory that can lose what was not synced, for tests (after SQLite's crash VFS and LevelDB's
 * fault-injection Env).
 *
 *     file       visible   what programs see (the page cache)
 *                durable   what a power failure leaves for sure
 *                dirty     sectors to be written at the next fsync
 *     directory  names     what programs see
 *                pending   creations, renames and removals since the last syncDirectory
 *
 * `crash` decides for each sector that differs between visible and durable, and for each pending directory
 * operation, whether it had reached the disk: none, all, a prefix (torn), or any (reordered). A lost sector
 * beyond the durable size reads as zeros or as stale bytes.
 *
 * A failed fsync marks its sectors clean without having written them, as Linux does: a later fsync succeeds
 * and still does not make them durable (Rebello et al., "Can Applications Recover from fsync Failures?",
 * ATC'20).
 */
import { dirname } from 'node:path';
import { seededRandom, type RandomSource } from '../util/random.ts';
import { DiskError, type Descriptor, type Disk, type OpenMode } from './disk.ts';

export const SECTOR_BYTES = 512;

/**
 * `EIO` and `ENOSPC`: the operation fails with it (ENOSPC only where space is needed). `short`: a write does
 * half, and the next one fails with ENOSPC. `power`: this operation and all later ones throw PowerFailure.
 */
export type FaultKind = 'EIO' | 'ENOSPC' | 'short' | 'power';

/** The machine is off; not an operating error that anyone could handle. */
export class PowerFailure extends Error {
  override readonly name = 'PowerFailure';
}

interface Inode {
  visible: Buffer;
  size: number;
  durable: Buffer;
  durableSize: number;
  readonly dirty: Set<number>;
}

/** A file, or a directory. */
type Node = Inode | 'directory';

type DirectoryOperation =
  | { readonly kind: 'link'; readonly path: string; readonly node: Node }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string; readonly node: Node };

interface OpenFile {
  readonly inode: Inode;
  readonly mode: OpenMode;
  readonly path: string;
}

interface Fault {
  readonly operation: number;
  readonly kind: FaultKind;
  readonly permanent: boolean;
}

const NEEDS_SPACE: ReadonlySet<string> = new Set(['open', 'write', 'mkdir', 'rename', 'fsync']);

export class SimulatedDisk implements Disk {
  /** Operations so far, the failed ones included. */
  operationCount = 0;
  readonly #names = new Map<string, Node>();
  /** What names a crash leaves for sure. */
  readonly #durableNames = new Map<string, Node>();
  readonly #pending = new Map<string, DirectoryOperation[]>();
  readonly #open = new Map<Descriptor, OpenFile>();
  #nextDescriptor = 3;
  #fault: Fault | undefined;

  /** Fails the n-th operation from now (1: the next one), once or from then on. */
  failOperation(n: number, kind: FaultKind, permanent = false): void {
    this.#fault = { operation: this.operationCount + n, kind, permanent };
  }

  clearFault(): void {
    this.#fault = undefined;
  }

  /** How many descriptors were not closed. */
  get openCount(): number {
    return this.#open.size;
  }

  /**
   * The disk as the next boot finds it; this one stays as it was, so that one moment can be crashed many
   * ways.
   */
  crash(seed: number): SimulatedDisk {
    const random = seededRandom(seed);
    const survivor = new SimulatedDisk();
    const names = new Map(this.#durableNames);
    for (const operations of this.#pending.values()) {
      for (const operation of survivingOperations(operations, random)) applyOperation(names, operation);
    }
    const copies = new Map<Inode, Inode>();
    for (const [path, node] of names) {
      if (!isReachable(path, names)) continue;
      let kept: Node = 'directory';
      if (node !== 'directory') {
        kept = copies.get(node) ?? survivingFile(node, random);
        copies.set(node, kept);
      }
      survivor.#names.set(path, kept);
      survivor.#durableNames.set(path, kept);
    }
    return survivor;
  }

  open(path: string, mode: OpenMode): Descriptor {
    this.#operation(mode === 'read' || mode === 'update' ? 'open-existing' : 'open', path);
    let node = this.#names.get(path);
    if (node === 'directory') throw new DiskError('open', 'EISDIR', path);
    if (node !== undefined && mode === 'exclusive') throw new DiskError('open', 'EEXIST', path);
    if (node === undefined) {
      if (mode === 'read' || mode === 'update') throw new DiskError('open', 'ENOENT', path);
      this.#requireDirectory('open', path);
      node = newInode();
      this.#change({ kind: 'link', path, node });
    } else if (mode === 'create') {
      resize(node, 0);
    }
    const fd = this.#nextDescriptor++;
    this.#open.set(fd, { inode: node, mode, path });
    return fd;
  }

  write(fd: Descriptor, bytes: Uint8Array, start: number, end: number): number {
    return this.#write(fd, bytes, start, end, this.#file('write', fd).inode.size);
  }

  writeAt(fd: Descriptor, bytes: Uint8Array, start: number, end: number, position: number): number {
    return this.#write(fd, bytes, start, end, position);
  }

  read(fd: Descriptor, target: Uint8Array, start: number, end: number, position: number): number {
    const { inode, path } = this.#file('read', fd);
    this.#operation('read', path);
    const count = Math.max(0, Math.min(end - start, inode.size - position));
    target.set(inode.visible.subarray(position, position + count), start);
    return count;
  }

  size(fd: Descriptor): number {
    return this.#file('stat', fd).inode.size;
  }

  truncate(fd: Descriptor, size: number): void {
    const { inode, path } = this.#file('truncate', fd);
    this.#operation('truncate', path);
    resize(inode, size);
  }

  fsync(fd: Descriptor): void {
    const { inode, path } = this.#file('fsync', fd);
    try {
      this.#operation('fsync', path);
    } catch (error) {
      if (error instanceof DiskError) inode.dirty.clear();
      throw error;
    }
    sync(inode);
  }

  close(fd: Descriptor): void {
    this.#file('close', fd);
    this.#open.delete(fd);
  }

  rename(from: string, to: string): void {
    this.#operation('rename', from);
    const node = this.#names.get(from);
    if (node === undefined) throw new DiskError('rename', 'ENOENT', from);
    this.#requireDirectory('rename', to);
    this.#change({ kind: 'rename', from, to, node });
  }

  unlink(path: string): void {
    this.#operation('unlink', path);
    const node = this.#names.get(path);
    if (node === undefined) throw new DiskError('unlink', 'ENOENT', path);
    if (node === 'directory') throw new DiskError('unlink', 'EISDIR', path);
    this.#change({ kind: 'unlink', path });
  }

  exists(path: string): boolean {
    return isRoot(path) || this.#names.has(path);
  }

  list(path: string): string[] {
    if (!this.exists(path)) throw new DiskError('readdir', 'ENOENT', path);
    const names = [...this.#names.keys()].filter((name) => dirname(name) === path);
    return names.map((name) => name.slice(name.lastIndexOf('/') + 1)).sort();
  }

  makeDirectory(path: string): void {
    const node = this.#names.get(path);
    if (node === 'directory' || isRoot(path)) return;
    this.#operation('mkdir', path);
    if (node !== undefined) throw new DiskError('mkdir', 'EEXIST', path);
    this.makeDirectory(dirname(path));
    this.#change({ kind: 'link', path, node: 'directory' });
  }

  syncDirectory(path: string): void {
    this.#operation('sync-directory', path);
    const synced = this.#pending.get(path) ?? [];
    for (const operation of synced) applyOperation(this.#durableNames, operation);
    this.#pending.delete(path);
    // A move between two directories is one operation.
    for (const [parent, operations] of this.#pending) {
      this.#pending.set(
        parent,
        operations.filter((operation) => !synced.includes(operation)),
      );
    }
  }

  /** Sets a file's contents, synced and without counting operations: a test's starting point. */
  plant(path: string, bytes: Uint8Array): void {
    const inode = newInode();
    put(inode, bytes, 0);
    sync(inode);
    for (let parent = dirname(path); !isRoot(parent); parent = dirname(parent)) {
      this.#names.set(parent, 'directory');
      this.#durableNames.set(parent, 'directory');
    }
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  /** A file's visible contents, without counting operations. */
  contents(path: string): Buffer {
    const node = this.#names.get(path);
    if (node === undefined || node === 'directory') throw new DiskError('read', 'ENOENT', path);
    return Buffer.from(node.visible.subarray(0, node.size));
  }

  #write(fd: Descriptor, bytes: Uint8Array, start: number, end: number, position: number): number {
    const { inode, path, mode } = this.#file('write', fd);
    if (mode === 'read') throw new DiskError('write', 'EBADF', path);
    const isShort = this.#operation('write', path) === 'short' && end - start > 1;
    const stop = isShort ? start + ((end - start) >> 1) : end;
    put(inode, bytes.subarray(start, stop), position);
    return stop - start;
  }

  /** Counts an operation, and fails it if its turn has come. */
  #operation(name: string, path: string): FaultKind | undefined {
    this.operationCount++;
    const fault = this.#fault;
    if (fault === undefined || this.operationCount < fault.operation) return undefined;
    if (fault.kind === 'power') throw new PowerFailure();
    if (fault.kind === 'short') {
      // It waits for a write; then the disk is full for the next one, or for ever.
      if (name !== 'write') return undefined;
      this.#fault = { operation: this.operationCount + 1, kind: 'ENOSPC', permanent: fault.permanent };
      return 'short';
    }
    if (fault.kind === 'ENOSPC' && !NEEDS_SPACE.has(name)) return undefined;
    if (!fault.permanent) this.#fault = undefined;
    throw new DiskError(name, fault.kind, path);
  }

  #file(operation: string, fd: Descriptor): OpenFile {
    const file = this.#open.get(fd);
    if (file === undefined) throw new DiskError(operation, 'EBADF', `descriptor ${fd}`);
    return file;
  }

  #change(operation: DirectoryOperation): void {
    applyOperation(this.#names, operation);
    const path = operation.kind === 'rename' ? operation.to : operation.path;
    const parents = new Set([dirname(path)]);
    if (operation.kind === 'rename') parents.add(dirname(operation.from));
    for (const parent of parents) {
      const operations = this.#pending.get(parent) ?? [];
      operations.push(operation);
      this.#pending.set(parent, operations);
    }
  }

  #requireDirectory(operation: string, path: string): void {
    const parent = dirname(path);
    if (!isRoot(parent) && this.#names.get(parent) !== 'directory') {
      throw new DiskError(operation, 'ENOENT', path);
    }
  }
}

/** Whether the directories above are there: without them a file is lost, whatever its own state. */
function isReachable(path: string, names: ReadonlyMap<string, Node>): boolean {
  const parent = dirname(path);
  return isRoot(parent) || (names.get(parent) === 'directory' && isReachable(parent, names));
}

function isRoot(path: string): boolean {
  return path === '/' || path === '.';
}

function newInode(): Inode {
  return { visible: Buffer.alloc(0), size: 0, durable: Buffer.alloc(0), durableSize: 0, dirty: new Set() };
}

function applyOperation(names: Map<string, Node>, operation: DirectoryOperation): void {
  if (operation.kind === 'link') {
    names.set(operation.path, operation.node);
  } else if (operation.kind === 'unlink') {
    names.delete(operation.path);
  } else {
    if (names.get(operation.from) === operation.node) names.delete(operation.from);
    names.set(operation.to, operation.node);
  }
}

function put(inode: Inode, bytes: Uint8Array, position: number): void {
  if (bytes.length === 0) return;
  const end = position + bytes.length;
  if (end > inode.visible.length) inode.visible = grown(inode.visible, end);
  inode.visible.set(bytes, position);
  markDirty(inode, Math.min(position, inode.size), end);
  inode.size = Math.max(inode.size, end);
}

function resize(inode: Inode, size: number): void {
  if (size > inode.visible.length) inode.visible = grown(inode.visible, size);
  inode.visible.fill(0, size);
  markDirty(inode, Math.min(size, inode.size), Math.max(size, inode.size));
  inode.size = size;
}

function markDirty(inode: Inode, start: number, end: number): void {
  for (let sector = Math.floor(start / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++) {
    inode.dirty.add(sector);
  }
}

function grown(buffer: Buffer, byteCount: number): Buffer {
  const larger = Buffer.alloc(Math.max(byteCount, buffer.length * 2));
  larger.set(buffer);
  return larger;
}

/** What is dirty becomes durable; sectors that a failed fsync has marked clean do not. */
function sync(inode: Inode): void {
  if (inode.durable.length < inode.size) inode.durable = grown(inode.durable, inode.size);
  for (const sector of inode.dirty) copySector(inode.durable, inode.visible, sector);
  inode.durable.fill(0, inode.size);
  inode.durableSize = inode.size;
  inode.dirty.clear();
}

function copySector(target: Uint8Array, source: Uint8Array, sector: number): void {
  const start = sector * SECTOR_BYTES;
  const end = Math.min(start + SECTOR_BYTES, target.length, source.length);
  if (start < end) target.set(source.subarray(start, end), start);
}

/** None, all, the first few, or any of them. */
function survivingOperations(
  operations: readonly DirectoryOperation[],
  random: RandomSource,
): readonly DirectoryOperation[] {
  const fate = random.nextUint32() % 4;
  if (fate === 0) return [];
  if (fate === 1) return operations;
  if (fate === 2) return operations.slice(0, random.nextUint32() % (operations.length + 1));
  return operations.filter(() => random.nextFloat() < 0.5);
}

/** A file after the crash: durable and visible again. */
function survivingFile(inode: Inode, random: RandomSource): Inode {
  const fate = random.nextUint32() % 5;
  const size = survivingSize(inode, fate, random);
  const bytes = Buffer.alloc(size);
  // Blocks that were allocated and never written: mostly zeros, on some file systems what lay there before.
  if (fate === 4) for (let i = 0; i < size; i++) bytes[i] = random.nextUint32() & 0xff;
  inode.durable.copy(bytes, 0, 0, Math.min(inode.durableSize, size));
  const sectorCount = Math.ceil(Math.min(size, inode.size) / SECTOR_BYTES);
  const tornAt = random.nextUint32() % (sectorCount + 1);
  for (let sector = 0; sector < sectorCount; sector++) {
    const survives = fate === 1 || (fate === 2 && sector < tornAt) || (fate >= 3 && random.nextFloat() < 0.6);
    if (survives) copySector(bytes, inode.visible.subarray(0, inode.size), sector);
  }
  const survivor = newInode();
  put(survivor, bytes, 0);
  sync(survivor);
  return survivor;
}

/** Sizes are metadata: they may be ahead of the data or behind it. */
function survivingSize(inode: Inode, fate: number, random: RandomSource): number {
  if (fate === 0) return inode.durableSize;
  if (fate === 1) return inode.size;
  const low = Math.min(inode.size, inode.durableSize);
  const spread = Math.abs(inode.size - inode.durableSize);
  return random.nextFloat() < 0.5 ? inode.size : low + (random.nextUint32() % (spread + 1));
}
