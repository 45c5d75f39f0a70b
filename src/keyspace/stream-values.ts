/**
 * Stream values: adding entries, and the two ways to remove them. Reading is done with a cursor
 * (stream-cursor.ts, which also has the layout of a node), groups are in stream-groups.ts, the blocks in
 * stream-layout.ts.
 */
import { strict as assert } from 'node:assert';
import type { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import {
  addDouble,
  byteOffset,
  bytesOf,
  clearWords,
  getDouble,
  getWord,
  setDouble,
  setWord,
} from '../memory/struct.ts';
import type { BorrowedBytes } from '../memory/struct.ts';
import type { Request } from '../protocol/request.ts';
import { IdTree } from '../structures/id-tree.ts';
import { ELEMENT_OVERHEAD_BYTES_MAX, Listpack } from '../structures/listpack.ts';
import { EntryId } from '../util/entry-id.ts';
import type { Keyspace } from './keyspace.ts';
import { FLAG_DELETED, FLAG_SAME_FIELDS, StreamCursor, readEntryId } from './stream-cursor.ts';
import { StreamGroups } from './stream-groups.ts';
import {
  STREAM_ENTRIES_ADDED,
  STREAM_FIRST_ID,
  STREAM_GROUPS,
  STREAM_LAST_ID,
  STREAM_LENGTH_DOUBLE,
  STREAM_MAX_DELETED_ID,
  STREAM_NODES,
  STREAM_NODE_BYTES,
  STREAM_NODE_HELD,
  STREAM_NODE_PACK,
  STREAM_WORDS,
  getId,
  getUint64,
  increment64,
  setId,
  setInt64,
} from './stream-layout.ts';
import type { ValueKind } from './value-kind.ts';

/** A node's listpack, and all that is added to it at once (t_stream.c, STREAM_LISTPACK_MAX_SIZE). */
export const STREAM_PACK_BYTES_MAX = 2 ** 30;
/** Elements of an entry beside its fields and values: flags, two differences. */
const FIXED_ELEMENTS = 3;
/** Elements of a master entry beside its fields: two counts, the number of fields, 0. */
const MASTER_ELEMENTS = 4;
/** Elements of an entry beside its fields and values, or of a master entry beside its fields. */
const OTHER_ELEMENTS_MAX = 5;

const MIN_ID = new EntryId();
const MAX_ID = new EntryId().setMax();

/** Which entries of the head are removed, and how thoroughly. */
export interface Trim {
  /** Entries that stay; undefined when `minId` decides. */
  readonly maxLength: number | undefined;
  /** Entries with lesser ids go. */
  readonly minId: EntryId;
  /** Only whole nodes go. */
  readonly isApproximate: boolean;
  /** No more entries than this are removed, 0 = no limit. */
  readonly limit: number;
}

export class StreamValues implements ValueKind {
  readonly groups: StreamGroups;
  /** For reading; void after any change of the stream. */
  readonly cursor: StreamCursor;
  readonly #keyspace: Keyspace;
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #listpack: Listpack;
  readonly #nodes: IdTree;
  /** For what the methods here look up themselves. */
  readonly #cursor: StreamCursor;
  readonly #nodeId = new EntryId();
  readonly #id = new EntryId();

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    this.#allocator = keyspace.allocator;
    this.#arena = keyspace.arena;
    this.#listpack = new Listpack(keyspace.allocator);
    this.#nodes = new IdTree(keyspace.allocator);
    this.#cursor = new StreamCursor(keyspace, this.#listpack);
    this.cursor = new StreamCursor(keyspace, this.#listpack);
    this.groups = new StreamGroups(keyspace.allocator);
  }

  /** A stream without entries. */
  create(): Ref {
    const stream = this.#allocator.allocate(STREAM_WORDS * 4);
    clearWords(this.#arena, stream, STREAM_WORDS);
    return stream;
  }

  // Facts ---------------------------------------------------------------------------------------------------

  length(stream: Ref): number {
    return getDouble(this.#arena, stream, STREAM_LENGTH_DOUBLE);
  }

  readLastId(stream: Ref, into: EntryId): EntryId {
    return getId(this.#arena, stream, STREAM_LAST_ID, into);
  }

  setLastId(stream: Ref, id: EntryId): void {
    setId(this.#arena, stream, STREAM_LAST_ID, id);
  }

  /** The first entry's id; 0-0 when there are no entries. */
  readFirstId(stream: Ref, into: EntryId): EntryId {
    return getId(this.#arena, stream, STREAM_FIRST_ID, into);
  }

  readMaxDeletedId(stream: Ref, into: EntryId): EntryId {
    return getId(this.#arena, stream, STREAM_MAX_DELETED_ID, into);
  }

  setMaxDeletedId(stream: Ref, id: EntryId): void {
    setId(this.#arena, stream, STREAM_MAX_DELETED_ID, id);
  }

  /** How many entries were ever added: a uint64. */
  entriesAdded(stream: Ref): bigint {
    return getUint64(this.#arena, stream, STREAM_ENTRIES_ADDED);
  }

  setEntriesAdded(stream: Ref, count: bigint): void {
    setInt64(this.#arena, stream, STREAM_ENTRIES_ADDED, count);
  }

  nodeCount(stream: Ref): number {
    return this.#nodes.attach(stream, STREAM_NODES).count;
  }

  /** Visits all nodes in their order; `id` is the node's, for the moment. */
  forEachNode(stream: Ref, visit: (node: Ref, id: EntryId) => void): void {
    const nodes = this.#nodes.attach(stream, STREAM_NODES);
    for (let node = nodes.first(); node !== 0; node = nodes.next()) {
      nodes.readId(this.#nodeId);
      visit(node, this.#nodeId);
    }
  }

  packOf(node: Ref): Ref {
    return getWord(this.#arena, node, STREAM_NODE_PACK);
  }

  /** Points `view` at the bytes of a node's listpack. */
  borrowPack(node: Ref, view: BorrowedBytes): void {
    const pack = this.packOf(node);
    view.bytes = bytesOf(this.#arena, pack);
    view.start = byteOffset(pack);
    view.end = view.start + this.#listpack.byteLength(pack);
  }

  has(stream: Ref, id: EntryId): boolean {
    return this.#cursor.begin(stream, id, id).next();
  }

  /** Sets `into` to the id of the last entry that is there; false when there is none. */
  readLastEntryId(stream: Ref, into: EntryId): boolean {
    const found = this.#cursor.begin(stream, MIN_ID, MAX_ID, { isReverse: true }).next();
    if (found) into.set(this.#cursor.id);
    return found;
  }

  /**
   * The id of the first entry that still has a place in a node, be it deleted; the greatest id when there is
   * none (t_stream.c, streamGetEdgeID).
   */
  readFirstPlaceId(stream: Ref, into: EntryId): EntryId {
    const found = this.#cursor.begin(stream, MIN_ID, MAX_ID, { withDeleted: true }).next();
    return into.set(found ? this.#cursor.id : MAX_ID);
  }

  /** Whether an entry with that id or a greater one was deleted that had entries before it. */
  hasDeletedFrom(stream: Ref, id: EntryId): boolean {
    const maxDeletedId = this.readMaxDeletedId(stream, this.#id);
    if (this.length(stream) === 0 || maxDeletedId.isZero || id.compare(maxDeletedId) > 0) return false;
    return this.readFirstId(stream, this.#nodeId).compare(maxDeletedId) <= 0;
  }

  /**
   * How many entries were added up to the one with that id; undefined when that cannot be told (t_stream.c,
   * streamEstimateDistanceFromFirstEverEntry).
   */
  estimateRead(stream: Ref, id: EntryId): bigint | undefined {
    const added = this.entriesAdded(stream);
    if (added === 0n) return 0n;
    const length = this.length(stream);
    const toLast = id.compare(this.readLastId(stream, this.#id));
    if (toLast === 0 || (toLast < 0 && length === 0)) return added;
    if (toLast > 0) return undefined;

    const firstId = this.readFirstId(stream, this.#nodeId);
    const maxDeletedId = this.readMaxDeletedId(stream, this.#id);
    const toFirst = id.compare(firstId);
    if (toFirst > 0 || (!maxDeletedId.isZero && maxDeletedId.compare(firstId) >= 0)) return undefined;
    return added - BigInt(length) + (toFirst === 0 ? 1n : 0n);
  }

  // Adding --------------------------------------------------------------------------------------------------

  /**
   * Appends an entry, whose id is greater than all before. Its fields and values are arguments of a request,
   * from `first` on.
   * @throws OutOfMemoryError, with the stream unchanged
   */
  append(stream: Ref, id: EntryId, request: Request, first: number): void {
    const fieldCount = (request.count - first) >>> 1;
    const bytes = textBytes(request, first);
    const node = this.#nodes.attach(stream, STREAM_NODES).last();
    if (node !== 0 && !this.#isFull(this.packOf(node), bytes)) {
      this.#appendToNode(node, id, request, first, bytesMaxOf(bytes, fieldCount));
    } else {
      this.#appendNode(id, request, first, bytesMaxOf(bytes, fieldCount));
      if (node !== 0) this.#fit(node);
    }

    const arena = this.#arena;
    const length = this.length(stream) + 1;
    setDouble(arena, stream, STREAM_LENGTH_DOUBLE, length);
    increment64(arena, stream, STREAM_ENTRIES_ADDED);
    setId(arena, stream, STREAM_LAST_ID, id);
    if (length === 1) setId(arena, stream, STREAM_FIRST_ID, id);
  }

  #isFull(pack: Ref, addedBytes: number): boolean {
    const { streamNodeMaxBytes, streamNodeMaxEntries } = this.#keyspace.limits;
    const isLimited = streamNodeMaxBytes > 0 && streamNodeMaxBytes < STREAM_PACK_BYTES_MAX;
    const bytesMax = isLimited ? streamNodeMaxBytes : STREAM_PACK_BYTES_MAX;
    const listpack = this.#listpack;
    if (listpack.byteLength(pack) + addedBytes >= bytesMax) return true;
    if (streamNodeMaxEntries === 0) return false;
    const countAt = listpack.first(pack);
    const count = listpack.integerAt(pack, countAt);
    return count + listpack.integerAt(pack, listpack.next(pack, countAt)) >= streamNodeMaxEntries;
  }

  /** Nothing is added to the node any more, unless those behind it are removed. */
  #fit(node: Ref): void {
    if (getWord(this.#arena, node, STREAM_NODE_HELD) === 0)
      setWord(this.#arena, node, STREAM_NODE_PACK, this.#listpack.fit(this.packOf(node)));
  }

  #appendNode(id: EntryId, request: Request, first: number, entryBytesMax: number): void {
    const fieldCount = (request.count - first) >>> 1;
    const listpack = this.#listpack;
    // Fields stand there twice: in the master entry, and in the bound for the entry.
    const bytesMax = 2 * entryBytesMax;
    let pack = listpack.create();
    let node = 0;
    try {
      pack = listpack.beginWrite(pack, bytesMax, 0);
      node = this.#newNode(pack);
      this.#nodes.insert(id, node);
    } catch (error) {
      this.#allocator.free(pack);
      if (node !== 0) this.#allocator.free(node);
      throw error;
    }
    listpack.writeInteger(1);
    listpack.writeInteger(0);
    listpack.writeInteger(fieldCount);
    for (let i = first; i < request.count; i += 2) this.#writeArgument(request, i);
    listpack.writeInteger(0);
    const count = this.#writeEntry(id, id, request, first, fieldCount, FLAG_SAME_FIELDS);
    listpack.endWrite(pack, MASTER_ELEMENTS + fieldCount + count);
    this.#fit(node);
  }

  #newNode(pack: Ref): Ref {
    const node = this.#allocator.allocate(STREAM_NODE_BYTES);
    setWord(this.#arena, node, STREAM_NODE_PACK, pack);
    setWord(this.#arena, node, STREAM_NODE_HELD, 0);
    return node;
  }

  /** The tree's position is at the node. */
  #appendToNode(node: Ref, id: EntryId, request: Request, first: number, bytesMax: number): void {
    const fieldCount = (request.count - first) >>> 1;
    this.#nodes.readId(this.#nodeId);
    const listpack = this.#listpack;
    let pack = this.#packToChange(node);
    const countAt = listpack.first(pack);
    const count = listpack.integerAt(pack, countAt);
    const flags = this.#hasMasterFields(pack, request, first, fieldCount) ? FLAG_SAME_FIELDS : 0;

    pack = listpack.replaceInteger(pack, countAt, count + 1);
    try {
      pack = listpack.beginWrite(pack, bytesMax, this.#grownBytes(listpack.byteLength(pack) + bytesMax));
    } catch (error) {
      pack = listpack.replaceInteger(pack, countAt, count);
      throw error;
    } finally {
      setWord(this.#arena, node, STREAM_NODE_PACK, pack);
    }
    listpack.endWrite(pack, this.#writeEntry(this.#nodeId, id, request, first, fieldCount, flags));
  }

  /** How large the block of a node's listpack becomes that has to grow to so many bytes. */
  #grownBytes(bytes: number): number {
    return Math.min(bytes + (bytes >>> 1), this.#keyspace.limits.streamNodeMaxBytes);
  }

  #hasMasterFields(pack: Ref, request: Request, first: number, fieldCount: number): boolean {
    const listpack = this.#listpack;
    let at = listpack.next(pack, listpack.next(pack, listpack.first(pack)));
    if (listpack.integerAt(pack, at) !== fieldCount) return false;
    for (let i = first; i < request.count; i += 2) {
      at = listpack.next(pack, at);
      if (!listpack.equals(pack, at, request.buffer, request.start(i), request.end(i))) return false;
    }
    return true;
  }

  /** Returns how many elements it has written. */
  #writeEntry(
    masterId: EntryId,
    id: EntryId,
    request: Request,
    first: number,
    fieldCount: number,
    flags: number,
  ): number {
    const listpack = this.#listpack;
    listpack.writeInteger(flags);
    const millis = id.millisSince(masterId);
    if (Number.isNaN(millis)) this.#writeBig(id.bigMillis - masterId.bigMillis);
    else listpack.writeInteger(millis);
    const sequence = id.sequenceSince(masterId);
    if (Number.isNaN(sequence)) this.#writeBig(id.bigSequence - masterId.bigSequence);
    else listpack.writeInteger(sequence);

    let count = FIXED_ELEMENTS + fieldCount;
    if (flags === FLAG_SAME_FIELDS) {
      for (let i = first + 1; i < request.count; i += 2) this.#writeArgument(request, i);
    } else {
      listpack.writeInteger(fieldCount);
      for (let i = first; i < request.count; i++) this.#writeArgument(request, i);
      count += 1 + fieldCount;
    }
    listpack.writeInteger(count);
    return count + 1;
  }

  /** A difference of uint64 that is beyond 2^53, as the int64 with the same bits. */
  #writeBig(value: bigint): void {
    const text = Buffer.from(BigInt.asIntN(64, value).toString());
    this.#listpack.write(text, 0, text.length);
  }

  #writeArgument(request: Request, index: number): void {
    this.#listpack.write(request.buffer, request.start(index), request.end(index));
  }

  /** Adds a node of a listpack in Redis' layout, behind all others; for loading. @throws OutOfMemoryError */
  addNode(stream: Ref, masterId: EntryId, listpack: Uint8Array): void {
    const pack = this.#listpack.adopt(listpack, 0, listpack.length);
    let node = 0;
    try {
      node = this.#newNode(pack);
      this.#nodes.attach(stream, STREAM_NODES).insert(masterId, node);
    } catch (error) {
      this.#allocator.free(pack);
      if (node !== 0) this.#allocator.free(node);
      throw error;
    }
    const count = this.#listpack.integerAt(pack, this.#listpack.first(pack));
    addDouble(this.#arena, stream, STREAM_LENGTH_DOUBLE, count);
  }

  // Removing ------------------------------------------------------------------------------------------------

  /** Deletes an entry; false when there is none with that id. */
  remove(stream: Ref, id: EntryId): boolean {
    const cursor = this.#cursor.begin(stream, id, id);
    if (!cursor.next()) return false;
    const { node } = cursor;
    const count = this.#listpack.integerAt(this.packOf(node), this.#listpack.first(this.packOf(node)));
    if (count === 1) {
      this.#nodes.attach(stream, STREAM_NODES).remove(cursor.masterId);
      this.#freeNode(node);
    } else {
      this.#countDeleted(node, 1);
      // The counts may have got another size: where the flags are now, the cursor finds out.
      cursor.begin(stream, id, id).next();
      this.#listpack.replaceInteger(this.packOf(node), cursor.flagsAt, cursor.flags | FLAG_DELETED);
    }
    addDouble(this.#arena, stream, STREAM_LENGTH_DOUBLE, -1);
    return true;
  }

  /** After removals: notes which entry is the first now. */
  updateFirstId(stream: Ref): void {
    const hasEntries = this.length(stream) > 0 && this.#cursor.begin(stream, MIN_ID, MAX_ID).next();
    setId(this.#arena, stream, STREAM_FIRST_ID, hasEntries ? this.#cursor.id : MIN_ID);
  }

  /** Removes entries from the head. Returns how many. */
  trim(stream: Ref, trim: Trim): number {
    const before = this.length(stream);
    const { maxLength, limit } = trim;
    const nodes = this.#nodes.attach(stream, STREAM_NODES);
    let node = nodes.first();
    let removed = 0;
    try {
      while (node !== 0 && (maxLength === undefined || this.length(stream) > maxLength)) {
        const pack = this.packOf(node);
        const count = this.#listpack.integerAt(pack, this.#listpack.first(pack));
        if (limit !== 0 && removed + count > limit) break;
        nodes.readId(this.#nodeId);
        if (!this.#goesWholly(stream, node, count, trim)) {
          if (!trim.isApproximate) this.#trimNode(stream, node, trim);
          break;
        }
        nodes.remove(this.#nodeId);
        this.#freeNode(node);
        addDouble(this.#arena, stream, STREAM_LENGTH_DOUBLE, -count);
        removed += count;
        node = nodes.current;
      }
    } finally {
      removed = before - this.length(stream);
      if (removed > 0) this.updateFirstId(stream);
    }
    return removed;
  }

  /** Whether all of the first node goes, whose id is in `#nodeId`. */
  #goesWholly(stream: Ref, node: Ref, count: number, { maxLength, minId }: Trim): boolean {
    if (maxLength !== undefined) return this.length(stream) - count >= maxLength;
    const listpack = this.#listpack;
    const pack = this.packOf(node);
    let at = listpack.last(pack);
    for (let left = listpack.integerAt(pack, at); left > 0; left--) at = listpack.previous(pack, at);
    readEntryId(listpack, pack, at, this.#id.set(this.#nodeId));
    return this.#id.compare(minId) < 0;
  }

  /** Marks entries of the first node as deleted. */
  #trimNode(stream: Ref, node: Ref, trim: Trim): void {
    const cursor = this.#cursor.begin(stream, MIN_ID, MAX_ID);
    const excess = trim.maxLength === undefined ? Infinity : this.length(stream) - trim.maxLength;
    let count = 0;
    while (count < excess && cursor.next() && cursor.node === node) {
      if (trim.maxLength === undefined && cursor.id.compare(trim.minId) >= 0) break;
      count++;
    }
    if (count === 0) return;

    this.#countDeleted(node, count);
    cursor.begin(stream, MIN_ID, MAX_ID);
    for (let left = count; left > 0; left--) {
      cursor.next();
      this.#listpack.replaceInteger(this.packOf(node), cursor.flagsAt, cursor.flags | FLAG_DELETED);
    }
    addDouble(this.#arena, stream, STREAM_LENGTH_DOUBLE, -count);
  }

  /**
   * Moves so many entries of a node from those that are there to those that are deleted. The flags, which
   * always take one byte, are the caller's to set.
   */
  #countDeleted(node: Ref, count: number): void {
    const listpack = this.#listpack;
    let pack = this.#packToChange(node);
    const countAt = listpack.first(pack);
    const deletedAt = listpack.next(pack, countAt);
    const entries = listpack.integerAt(pack, countAt);
    // First what may have to grow.
    pack = listpack.replaceInteger(pack, deletedAt, listpack.integerAt(pack, deletedAt) + count);
    setWord(this.#arena, node, STREAM_NODE_PACK, pack);
    pack = listpack.replaceInteger(pack, countAt, entries - count);
    setWord(this.#arena, node, STREAM_NODE_PACK, pack);
  }

  /** The node's listpack, which is about to change. */
  #packToChange(node: Ref): Ref {
    if (getWord(this.#arena, node, STREAM_NODE_HELD) !== 0)
      this.#keyspace.heldCollections.willChangeNode(node, STREAM_NODE_PACK, STREAM_NODE_HELD);
    return this.packOf(node);
  }

  #freeNode(node: Ref): void {
    if (getWord(this.#arena, node, STREAM_NODE_HELD) !== 0)
      this.#keyspace.heldCollections.releaseNode(node, STREAM_NODE_PACK, STREAM_NODE_HELD);
    else this.#allocator.free(this.packOf(node));
    this.#allocator.free(node);
  }

  // As the keyspace wants it (ValueKind) --------------------------------------------------------------------

  copy(stream: Ref): Ref {
    const copy = this.create();
    try {
      this.#copyNodes(stream, copy);
      this.groups.copyAll(stream, copy);
    } catch (error) {
      this.dismantle(copy, 0, () => false);
      throw error;
    }
    for (let word = STREAM_LAST_ID; word < STREAM_GROUPS; word++)
      setWord(this.#arena, copy, word, getWord(this.#arena, stream, word));
    return copy;
  }

  #copyNodes(stream: Ref, copy: Ref): void {
    const copies = new IdTree(this.#allocator).attach(copy, STREAM_NODES);
    this.forEachNode(stream, (node, id) => {
      const pack = this.#listpack.copy(this.packOf(node));
      let twin = 0;
      try {
        twin = this.#newNode(pack);
        copies.insert(id, twin);
      } catch (error) {
        this.#allocator.free(pack);
        if (twin !== 0) this.#allocator.free(twin);
        throw error;
      }
    });
  }

  /** Nodes are of about the same size: some of them are looked at. */
  memory(stream: Ref, _encoding: number, samples: number): number {
    const nodes = this.#nodes.attach(stream, STREAM_NODES);
    const { count } = nodes;
    const sampleCount = samples === 0 ? count : Math.min(samples, count);
    let bytes = 0;
    let node = nodes.first();
    for (let i = 0; i < sampleCount; i++) {
      bytes += this.#nodeMemory(node);
      node = nodes.next();
    }
    // The last one is the exception.
    if (sampleCount > 0 && sampleCount < count)
      bytes = (bytes / sampleCount) * (count - 1) + this.#nodeMemory(nodes.last());
    const rest = this.#allocator.usableBytes(stream) + nodes.memory() + this.groups.memory(stream);
    return Math.round(bytes) + rest;
  }

  #nodeMemory(node: Ref): number {
    return this.#allocator.usableBytes(node) + this.#allocator.usableBytes(this.packOf(node));
  }

  dismantle(stream: Ref, _encoding: number, shouldStop: () => boolean): boolean {
    const nodes = this.#nodes.attach(stream, STREAM_NODES);
    if (!nodes.dismantle((node) => this.#freeNode(node), shouldStop) && nodes.count > 0) return false;
    if (!this.groups.dismantleAll(stream, shouldStop)) return false;
    this.#allocator.free(stream);
    return true;
  }

  checkInvariants(stream: Ref): void {
    this.#nodes.attach(stream, STREAM_NODES).checkInvariants();
    let length = 0;
    this.forEachNode(stream, (node) => {
      this.#listpack.checkInvariants(this.packOf(node));
      length += this.#listpack.integerAt(this.packOf(node), this.#listpack.first(this.packOf(node)));
    });
    assert.equal(length, this.length(stream), 'entries in the nodes');

    const cursor = this.#cursor.begin(stream, MIN_ID, MAX_ID);
    const previous = new EntryId();
    let entries = 0;
    for (; cursor.next(); entries++) {
      assert(previous.compare(cursor.id) < 0 || cursor.id.isZero, 'ids ascend');
      if (entries === 0) assert.equal(cursor.id.compare(this.readFirstId(stream, this.#id)), 0, 'first id');
      previous.set(cursor.id);
    }
    assert.equal(entries, length, 'entries that are there');
    assert(previous.compare(this.readLastId(stream, this.#id)) <= 0, 'no entry is behind the last id');
    this.groups.checkInvariants(stream);
  }
}

/** More than what an entry takes with fields and values of so many bytes. */
function bytesMaxOf(bytes: number, fieldCount: number): number {
  return bytes + (2 * fieldCount + OTHER_ELEMENTS_MAX) * ELEMENT_OVERHEAD_BYTES_MAX;
}

/** Bytes of all arguments from `first` on. */
function textBytes(request: Request, first: number): number {
  let bytes = 0;
  for (let i = first; i < request.count; i++) bytes += request.length(i);
  return bytes;
}
