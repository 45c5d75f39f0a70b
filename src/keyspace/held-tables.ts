/**
 * How a snapshot holds collections whose elements hang in a hash table: hashes, sets and sorted sets in their
 * large form (held-collections.ts; collection-elements.ts has the elements).
 *
 * While a table is held it is not rehashed, so that its groups of buckets stay what they are. The snapshot
 * goes through them in order. Before a group changes that it has not come to, all elements of the group are
 * copied to a chunk of the record, and a bit says so. Elements come in no order; for sorted sets the tree is
 * not looked at, for who loads the file makes a new one.
 *
 *     record ──▶ chunk ──▶ chunk       each a block: next, bytes in use, then blocks of elements, padded to 8
 *         └────▶ a bit for each group
 */
import { strict as assert } from 'node:assert';
import type { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { byteOffset, bytesOf, clearWords, getDouble, getWord, setWord } from '../memory/struct.ts';
import { COLLECTION_BYTES_DOUBLE, COLLECTION_HELD } from '../structures/collection-header.ts';
import { FIELD_HEAP_COUNT } from '../structures/field-heap.ts';
import { HashTable } from '../structures/hash-table.ts';
import { copyBytes } from '../util/bytes.ts';
import { ELEMENT_LENGTH, SET_MEMBER_OFFSET, elementBytes } from './collection-elements.ts';
import { TYPE_HASH } from './entry.ts';
import type { HeldCollections } from './held-collections.ts';
import {
  RECORD_COUNT,
  RECORD_CURSOR,
  RECORD_FIRST_CHUNK,
  RECORD_FORM,
  RECORD_HAS_EXPIRY,
  RECORD_LAST_CHUNK,
  RECORD_MAP,
  RECORD_VALUE,
  makeRoom,
  type HeldForm,
  type SnapshotBuffer,
} from './held-record.ts';

/** Collections with more elements, or more bytes in them, are held; others are copied at once. */
const ELEMENTS_AT_ONCE_MAX = 512;
const BYTES_AT_ONCE_MAX = 64 * 1024;

// A chunk.
const CHUNK_NEXT = 0;
const CHUNK_USED = 1;
const CHUNK_HEADER_BYTES = 8;
const CHUNK_BYTES = 8 * 1024;

const TYPE_MASK = 0xffff;
const GROUPS_PER_LOOK = 16;

export class HeldTables implements HeldForm {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #records: HeldCollections;
  readonly #table: HashTable;
  /** Of the group that is looked at. */
  #groupBytes = 0;
  #type = 0;
  /** Where elements are copied to. */
  #target: Uint8Array = new Uint8Array(0);
  #targetAt = 0;

  constructor(allocator: Allocator, records: HeldCollections) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#records = records;
    // Elements are not looked up by key here.
    this.#table = new HashTable(allocator, 0, {
      keyLengthWord: ELEMENT_LENGTH,
      keyOffset: SET_MEMBER_OFFSET,
    });
  }

  isLarge(value: Ref): boolean {
    return (
      this.#table.attach(value).count > ELEMENTS_AT_ONCE_MAX ||
      getDouble(this.#arena, value, COLLECTION_BYTES_DOUBLE) > BYTES_AT_ONCE_MAX
    );
  }

  recordOf(value: Ref): Ref {
    return getWord(this.#arena, value, COLLECTION_HELD);
  }

  begin(record: Ref, value: Ref, type: number): boolean {
    const table = this.#table.attach(value);
    table.pauseRehash();
    setWord(this.#arena, record, RECORD_COUNT, table.count);
    setWord(this.#arena, record, RECORD_HAS_EXPIRY, this.hasExpiry(value, type) ? 1 : 0);
    setWord(this.#arena, value, COLLECTION_HELD, record);
    return true;
  }

  isSaved(record: Ref): boolean {
    const table = this.#table.attach(getWord(this.#arena, record, RECORD_VALUE));
    return (
      getWord(this.#arena, record, RECORD_CURSOR) === table.groupCount &&
      getWord(this.#arena, record, RECORD_FIRST_CHUNK) === 0
    );
  }

  end(record: Ref): void {
    const value = getWord(this.#arena, record, RECORD_VALUE);
    for (let chunk = this.#takeChunk(record); chunk !== 0; chunk = this.#takeChunk(record)) {
      this.#records.drop(record, chunk);
    }
    const bits = getWord(this.#arena, record, RECORD_MAP);
    if (bits !== 0) this.#allocator.free(bits);
    setWord(this.#arena, value, COLLECTION_HELD, 0);
    this.#table.attach(value).resumeRehash();
  }

  check(record: Ref): void {
    const value = getWord(this.#arena, record, RECORD_VALUE);
    assert.equal(getWord(this.#arena, value, COLLECTION_HELD), record, 'the value knows its record');
    assert(getWord(this.#arena, record, RECORD_CURSOR) <= this.#table.attach(value).groupCount);
  }

  // Before a change -----------------------------------------------------------------------------------------

  willChangeElement(header: Ref, hash: number): void {
    const record = getWord(this.#arena, header, COLLECTION_HELD);
    const { groupCount } = this.#table.attach(header);
    const group = hash & (groupCount - 1);
    if (group < getWord(this.#arena, record, RECORD_CURSOR)) return;
    const bits = this.#bitsOf(record, groupCount);
    if (bits === 0) return;
    const word = getWord(this.#arena, bits, group >>> 5);
    if ((word & (1 << (group & 31))) !== 0) return;
    setWord(this.#arena, bits, group >>> 5, word | (1 << (group & 31)));
    this.#copyGroup(record, group);
  }

  /** The bits of groups that are saved out of turn; 0 when there is no memory for them. */
  #bitsOf(record: Ref, groupCount: number): Ref {
    const known = getWord(this.#arena, record, RECORD_MAP);
    if (known !== 0) return known;
    const wordCount = Math.ceil(groupCount / 32);
    const bits = this.#allocator.tryAllocate(wordCount * 4);
    if (bits === 0) {
      this.#records.fail();
      return 0;
    }
    clearWords(this.#arena, bits, wordCount);
    setWord(this.#arena, record, RECORD_MAP, bits);
    return bits;
  }

  #copyGroup(record: Ref, group: number): void {
    const type = getWord(this.#arena, record, RECORD_FORM) & TYPE_MASK;
    this.#measure(getWord(this.#arena, record, RECORD_VALUE), type, group);
    if (this.#groupBytes === 0) return;
    const chunk = this.#chunkFor(record, this.#groupBytes);
    if (chunk === 0) {
      this.#records.fail();
      return;
    }
    const used = getWord(this.#arena, chunk, CHUNK_USED);
    const at = byteOffset(chunk) + CHUNK_HEADER_BYTES + used;
    this.#copyMeasured(group, bytesOf(this.#arena, chunk), at);
    setWord(this.#arena, chunk, CHUNK_USED, used + this.#groupBytes);
  }

  /** The last chunk, or a new one behind it when it has no room; 0 when there is no memory. */
  #chunkFor(record: Ref, byteCount: number): Ref {
    const arena = this.#arena;
    const last = getWord(arena, record, RECORD_LAST_CHUNK);
    if (last !== 0) {
      const room = this.#allocator.usableBytes(last) - CHUNK_HEADER_BYTES - getWord(arena, last, CHUNK_USED);
      if (byteCount <= room) return last;
    }
    const chunk = this.#allocator.tryAllocate(Math.max(CHUNK_BYTES, CHUNK_HEADER_BYTES + byteCount));
    if (chunk === 0) return 0;
    setWord(arena, chunk, CHUNK_NEXT, 0);
    setWord(arena, chunk, CHUNK_USED, 0);
    if (last === 0) setWord(arena, record, RECORD_FIRST_CHUNK, chunk);
    else setWord(arena, last, CHUNK_NEXT, chunk);
    setWord(arena, record, RECORD_LAST_CHUNK, chunk);
    this.#records.keep(record, this.#records.kibOf(chunk));
    return chunk;
  }

  // Saving --------------------------------------------------------------------------------------------------

  save(record: Ref, type: number, target: SnapshotBuffer, shouldStop: () => boolean): void {
    if (!this.#saveChunks(record, target, shouldStop)) return;
    const arena = this.#arena;
    const value = getWord(arena, record, RECORD_VALUE);
    const { groupCount } = this.#table.attach(value);
    const bits = getWord(arena, record, RECORD_MAP);
    const start = target.used;
    let group = getWord(arena, record, RECORD_CURSOR);
    while (group < groupCount) {
      const isSaved = bits !== 0 && (getWord(arena, bits, group >>> 5) & (1 << (group & 31))) !== 0;
      if (!isSaved && !this.#saveGroup(value, type, group, target, start)) break;
      if (++group % GROUPS_PER_LOOK === 0 && shouldStop()) break;
    }
    setWord(arena, record, RECORD_CURSOR, group);
  }

  /** Memory that is kept for the snapshot comes first. False when there is no time or room for more. */
  #saveChunks(record: Ref, target: SnapshotBuffer, shouldStop: () => boolean): boolean {
    const start = target.used;
    for (;;) {
      const chunk = getWord(this.#arena, record, RECORD_FIRST_CHUNK);
      if (chunk === 0) return true;
      const used = getWord(this.#arena, chunk, CHUNK_USED);
      if (!makeRoom(target, used, start)) return false;
      const from = byteOffset(chunk) + CHUNK_HEADER_BYTES;
      target.used = copyBytes(target.bytes, target.used, bytesOf(this.#arena, chunk), from, from + used);
      this.#records.drop(record, this.#takeChunk(record));
      if (shouldStop()) return false;
    }
  }

  /** False when there is no room for the group beside what has been copied. */
  #saveGroup(value: Ref, type: number, group: number, target: SnapshotBuffer, start: number): boolean {
    this.#measure(value, type, group);
    if (!makeRoom(target, this.#groupBytes, start)) return false;
    this.#copyMeasured(group, target.bytes, target.used);
    target.used += this.#groupBytes;
    return true;
  }

  #takeChunk(record: Ref): Ref {
    const chunk = getWord(this.#arena, record, RECORD_FIRST_CHUNK);
    if (chunk === 0) return 0;
    const next = getWord(this.#arena, chunk, CHUNK_NEXT);
    setWord(this.#arena, record, RECORD_FIRST_CHUNK, next);
    if (next === 0) setWord(this.#arena, record, RECORD_LAST_CHUNK, 0);
    return chunk;
  }

  // Groups --------------------------------------------------------------------------------------------------

  /** Adds up what the elements of a group take, each padded to 8. */
  #measure(value: Ref, type: number, group: number): void {
    this.#groupBytes = 0;
    this.#type = type;
    this.#table.attach(value).visitGroupAt(group, this.#addBytes);
  }

  readonly #addBytes = (element: Ref): void => {
    this.#groupBytes += roundedTo8(elementBytes(this.#arena, element, this.#type));
  };

  /** Copies the elements of the group that was measured. */
  #copyMeasured(group: number, target: Uint8Array, at: number): void {
    this.#target = target;
    this.#targetAt = at;
    this.#table.visitGroupAt(group, this.#copyElement);
  }

  readonly #copyElement = (element: Ref): void => {
    const start = byteOffset(element);
    const end = start + elementBytes(this.#arena, element, this.#type);
    copyBytes(this.#target, this.#targetAt, bytesOf(this.#arena, element), start, end);
    this.#targetAt += roundedTo8(end - start);
  };

  // Small ones ----------------------------------------------------------------------------------------------

  hasExpiry(value: Ref, type: number): boolean {
    return type === TYPE_HASH && getWord(this.#arena, value, FIELD_HEAP_COUNT) > 0;
  }

  countOf(value: Ref): number {
    return this.#table.attach(value).count;
  }

  bytesOfAll(value: Ref, type: number): number {
    this.#groupBytes = 0;
    this.#type = type;
    const { groupCount } = this.#table.attach(value);
    for (let group = 0; group < groupCount; group++) this.#table.visitGroupAt(group, this.#addBytes);
    return this.#groupBytes;
  }

  copyAll(value: Ref, type: number, target: Uint8Array, at: number): void {
    this.#type = type;
    this.#target = target;
    this.#targetAt = at;
    const { groupCount } = this.#table.attach(value);
    for (let group = 0; group < groupCount; group++) this.#table.visitGroupAt(group, this.#copyElement);
  }

  copyInPieces(value: Ref, type: number, target: SnapshotBuffer, empty: () => void): void {
    const { groupCount } = this.#table.attach(value);
    for (let group = 0; group < groupCount; group++) {
      if (this.#saveGroup(value, type, group, target, 0)) continue;
      empty();
      this.#saveGroup(value, type, group, target, 0);
    }
  }
}

function roundedTo8(bytes: number): number {
  return (bytes + 7) & ~7;
}
