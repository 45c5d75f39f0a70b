/**
 * Large collections that the running snapshot has yet to save, and that clients may change meanwhile.
 *
 * A collection with many elements is too large to be copied at once, be it by the snapshot or by the client
 * that changes it. So the snapshot *holds* it: a record notes the key as it was at the cut, and the snapshot
 * copies the elements later, slice by slice. What a client is about to change before the snapshot has come to
 * it, is copied first, and no more than that:
 *
 *     hash tables    the elements of one group of buckets (held-tables.ts)
 *     nodes          the listpack of one node, of a list or stream (held-nodes.ts)
 *
 * Whatever is small besides (the head of a list, the groups of a stream) is copied when the value is taken
 * hold of. The value knows its record (a word of its header, or of each node); a key may be renamed, or
 * expire at another time, as if nothing were held. A value that is deleted or replaced is left to the record
 * as a whole, without a copy, and freed in slices when it has been saved.
 *
 * Its header, shared by all threads: first and last record of the list, the KiB of all in it, and whether
 * memory for a copy was wanting: then the snapshot is not complete.
 */
import { strict as assert } from 'node:assert';
import type { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { byteOffset, bytesOf, clearWords, getWord, setWord } from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';
import {
  ENCODING_HASHTABLE,
  ENCODING_INTSET,
  ENCODING_SKIPLIST,
  ENTRY_META,
  ENTRY_VALUE,
  TYPE_LIST,
  TYPE_STREAM,
  TYPE_STRING,
  encodingOfMeta,
  imageBytes,
  typeOfMeta,
} from './entry.ts';
import { HeldNodes } from './held-nodes.ts';
import {
  RECORD_COUNT,
  RECORD_CUT_INDEX,
  RECORD_FORM,
  RECORD_HAS_EXPIRY,
  RECORD_IMAGE_OFFSET,
  RECORD_IS_OWNED,
  RECORD_IS_WAITING,
  RECORD_KEPT_KIB,
  RECORD_NEXT,
  RECORD_PREVIOUS,
  RECORD_VALUE,
  type HeldForm,
  type SnapshotBuffer,
} from './held-record.ts';
import { HeldTables } from './held-tables.ts';
import type { Keyspace } from './keyspace.ts';
import { ListNodes } from './list-nodes.ts';
import { StreamNodes } from './stream-nodes.ts';

// Header words.
const FIRST = 0;
const LAST = 1;
const WAITING_KIB = 2;
const HAS_FAILED = 3;
export const HELD_COLLECTIONS_WORDS = 4;

const ENCODING_SHIFT = 16;
const TYPE_MASK = 0xffff;
const INTSET_HEADER_BYTES = 8;
/** What stands in a copy before the elements of a table, or the nodes of a list or stream. */
export const COPY_HEADER_BYTES = 8;

/** A value that its key has left is as large as so many of its elements let suppose. */
const MEMORY_SAMPLES = 16;

export class HeldCollections {
  readonly #arena: Arena;
  readonly #allocator: Allocator;
  readonly #keyspace: Keyspace;
  readonly #header: Ref;
  /** Word of the block `header` that the header begins at. */
  readonly #headerWord: number;
  readonly #tables: HeldTables;
  readonly #nodes: HeldNodes;

  constructor(keyspace: Keyspace, header: Ref, headerWord: number) {
    this.#keyspace = keyspace;
    this.#allocator = keyspace.allocator;
    this.#arena = keyspace.arena;
    this.#header = header;
    this.#headerWord = headerWord;
    this.#tables = new HeldTables(keyspace.allocator, this);
    this.#nodes = new HeldNodes(keyspace.allocator, this, {
      [TYPE_LIST]: new ListNodes(keyspace.arena),
      [TYPE_STREAM]: new StreamNodes(keyspace.allocator),
    });
  }

  /** Whether the entry's value is a collection that is too large to be copied at once. */
  isLarge(entry: Ref): boolean {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    const type = typeOfMeta(meta);
    if (type === TYPE_STRING) return false;
    const form = this.#formOf(type, encodingOfMeta(meta));
    return form?.isLarge(getWord(this.#arena, entry, ENTRY_VALUE), type) ?? false;
  }

  /**
   * Bytes that are kept only for the snapshot, in collections that still wait for it. Needs no lock: it is a
   * hint.
   */
  get waitingBytes(): number {
    return this.#get(WAITING_KIB) * 1024;
  }

  // For those who change values -----------------------------------------------------------------------------

  /**
   * Holds the entry's value, which `isLarge`, as it is now, for the snapshot; false when there is no memory
   * for that.
   */
  hold(entry: Ref, cutIndex: number): boolean {
    const arena = this.#arena;
    const meta = getWord(arena, entry, ENTRY_META);
    const [type, encoding] = [typeOfMeta(meta), encodingOfMeta(meta)];
    const value = getWord(arena, entry, ENTRY_VALUE);
    const imageLength = imageBytes(arena, entry);
    const record = this.#allocator.tryAllocate(RECORD_IMAGE_OFFSET + imageLength);
    if (record === 0) return false;

    clearWords(arena, record, RECORD_IMAGE_OFFSET / 4);
    setWord(arena, record, RECORD_VALUE, value);
    setWord(arena, record, RECORD_FORM, type | (encoding << ENCODING_SHIFT));
    setWord(arena, record, RECORD_CUT_INDEX, cutIndex);
    const image = byteOffset(entry);
    const target = byteOffset(record) + RECORD_IMAGE_OFFSET;
    copyBytes(bytesOf(arena, record), target, bytesOf(arena, entry), image, image + imageLength);
    const form = this.#formOf(type, encoding)!;
    assert.equal(form.recordOf(value, type), 0, 'a value is held once');
    if (!form.begin(record, value, type)) {
      this.#allocator.free(record);
      return false;
    }
    this.#link(record, this.#get(LAST));
    return true;
  }

  /**
   * Called before the element with that hash is added to, changed in or removed from a collection whose
   * header's word COLLECTION_HELD is not 0.
   */
  willChangeElement(header: Ref, hash: number): void {
    this.#tables.willChangeElement(header, hash);
  }

  /**
   * Called before the listpack of a node is edited whose word `heldWord` is not 0. The node may have got
   * another block: its reference is to be read again.
   */
  willChangeNode(node: Ref, packWord: number, heldWord: number): void {
    this.#nodes.willChangeNode(node, packWord, heldWord);
  }

  /** The same before a node is freed: the listpack is not to be freed, it is left to the snapshot. */
  releaseNode(node: Ref, packWord: number, heldWord: number): void {
    this.#nodes.releaseNode(node, packWord, heldWord);
  }

  /** Whether a value that no key has any more is held, and so is left to the record and not to be freed. */
  takeOver(value: Ref, type: number, encoding: number): boolean {
    const record = this.#formOf(type, encoding)?.recordOf(value, type) ?? 0;
    if (record === 0) return false;
    assert.equal(getWord(this.#arena, record, RECORD_VALUE), value);
    setWord(this.#arena, record, RECORD_IS_OWNED, 1);
    const bytes = this.#keyspace.kindOf(type).memory(value, encoding, MEMORY_SAMPLES);
    this.keep(record, Math.ceil(bytes / 1024));
    return true;
  }

  // For the forms -------------------------------------------------------------------------------------------

  /** Notes that memory for a copy was wanting. A command must not fail for the snapshot's sake. */
  fail(): void {
    this.#set(HAS_FAILED, 1);
  }

  kibOf(block: Ref): number {
    return Math.ceil(this.#allocator.usableBytes(block) / 1024);
  }

  /** Counts memory that only the snapshot needs; its record goes to the front, to be rid of it soon. */
  keep(record: Ref, kib: number): void {
    const isWaiting = getWord(this.#arena, record, RECORD_IS_WAITING) !== 0;
    if (isWaiting) this.#unlink(record);
    setWord(this.#arena, record, RECORD_KEPT_KIB, getWord(this.#arena, record, RECORD_KEPT_KIB) + kib);
    if (isWaiting) this.#link(record, 0);
  }

  /** Frees a block that was kept. */
  drop(record: Ref, block: Ref): void {
    setWord(
      this.#arena,
      record,
      RECORD_KEPT_KIB,
      getWord(this.#arena, record, RECORD_KEPT_KIB) - this.kibOf(block),
    );
    this.#allocator.free(block);
  }

  // For the snapshot ----------------------------------------------------------------------------------------

  get isEmpty(): boolean {
    return this.#get(FIRST) === 0;
  }

  /** True when there was no memory for what had to be copied, since `begin`. */
  get hasFailed(): boolean {
    return this.#get(HAS_FAILED) !== 0;
  }

  /** A snapshot begins. */
  begin(): void {
    this.#set(HAS_FAILED, 0);
  }

  /** Takes a record off the list, to save it next: one of which memory is kept, if there is one. */
  take(): Ref {
    const record = this.#get(FIRST);
    assert(record !== 0);
    this.#unlink(record);
    return record;
  }

  cutIndexOf(record: Ref): number {
    return getWord(this.#arena, record, RECORD_CUT_INDEX);
  }

  typeOf(record: Ref): number {
    return getWord(this.#arena, record, RECORD_FORM) & TYPE_MASK;
  }

  /** Elements of a table, or nodes, at the cut. */
  countOf(record: Ref): number {
    return getWord(this.#arena, record, RECORD_COUNT);
  }

  /** Whether it is a hash with fields that expire. */
  hasExpiryOf(record: Ref): boolean {
    return getWord(this.#arena, record, RECORD_HAS_EXPIRY) !== 0;
  }

  /** Streams: bytes of what is not in nodes. */
  restBytesOf(record: Ref): number {
    return this.#nodes.restBytesOf(record);
  }

  /** Copies that. */
  readRest(record: Ref, target: Uint8Array, at: number): void {
    this.#nodes.readRest(record, target, at);
  }

  /** A block that begins as the entry did at the cut (key, expiry, access clock); valid until `finish`. */
  imageOf(record: Ref): Ref {
    return (record + RECORD_IMAGE_OFFSET / 8) | 0;
  }

  isSaved(record: Ref): boolean {
    return this.#form(record).isSaved(record, this.typeOf(record));
  }

  /**
   * Copies some of what is not saved yet to `target`, one element or node at least, until told to stop or
   * there is no room.
   */
  save(record: Ref, target: SnapshotBuffer, shouldStop: () => boolean): void {
    this.#form(record).save(record, this.typeOf(record), target, shouldStop);
  }

  /** The snapshot needs a record no more that it has taken: frees it, and what only it has kept. */
  finish(record: Ref): void {
    const arena = this.#arena;
    assert.equal(getWord(arena, record, RECORD_IS_WAITING), 0);
    const form = getWord(arena, record, RECORD_FORM);
    this.#form(record).end(record, form & TYPE_MASK);
    if (getWord(arena, record, RECORD_IS_OWNED) !== 0) {
      const value = getWord(arena, record, RECORD_VALUE);
      this.#keyspace.freeDetached(value, form & TYPE_MASK, form >>> ENCODING_SHIFT);
    }
    this.#allocator.free(record);
  }

  // Copies --------------------------------------------------------------------------------------------------

  /**
   * Bytes of a copy of the entry's value, a collection; a multiple of 8. For those that are not large, and
   * where it may take long.
   */
  bytesOfCopy(entry: Ref): number {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    const form = this.#formOf(typeOfMeta(meta), encodingOfMeta(meta));
    const value = getWord(this.#arena, entry, ENTRY_VALUE);
    if (form === undefined) return roundedTo8(packedBytes(this.#arena, value, encodingOfMeta(meta)));
    return COPY_HEADER_BYTES + form.bytesOfAll(value, typeOfMeta(meta));
  }

  /**
   * Makes that copy at byte `at`, a multiple of 8. A packed form is as it is; tables and nodes are a word
   * with the number of elements or nodes, a word that says whether fields of a hash expire, and what `save`
   * copies.
   */
  copyWhole(entry: Ref, target: Uint8Array, at: number): void {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    const type = typeOfMeta(meta);
    const form = this.#formOf(type, encodingOfMeta(meta));
    const value = getWord(this.#arena, entry, ENTRY_VALUE);
    if (form === undefined) {
      const start = byteOffset(value);
      const end = start + packedBytes(this.#arena, value, encodingOfMeta(meta));
      copyBytes(target, at, bytesOf(this.#arena, value), start, end);
      return;
    }
    const count = form.countOf(value, type);
    for (let i = 0; i < 4; i++) target[at + i] = count >>> (8 * i);
    target[at + 4] = form.hasExpiry(value, type) ? 1 : 0;
    target.fill(0, at + 5, at + COPY_HEADER_BYTES);
    form.copyAll(value, type, target, at + COPY_HEADER_BYTES);
  }

  // Large collections at once -------------------------------------------------------------------------------

  /** Elements or nodes of a value that is large, held or not. */
  countOfLarge(entry: Ref): number {
    const type = this.#typeOfEntry(entry);
    return this.#formOfEntry(entry).countOf(getWord(this.#arena, entry, ENTRY_VALUE), type);
  }

  /** Whether it is a hash with fields that expire. */
  hasExpiryOfLarge(entry: Ref): boolean {
    const value = getWord(this.#arena, entry, ENTRY_VALUE);
    return this.#formOfEntry(entry).hasExpiry(value, this.#typeOfEntry(entry));
  }

  /** Streams: copies what is not in nodes. */
  copyRest(entry: Ref, target: SnapshotBuffer): void {
    if (this.#typeOfEntry(entry) !== TYPE_STREAM) return;
    this.#nodes.copyRest(getWord(this.#arena, entry, ENTRY_VALUE), TYPE_STREAM, target);
  }

  /** Copies all elements or nodes; `empty` is called whenever the buffer is full, and at the end. */
  copyInPieces(entry: Ref, target: SnapshotBuffer, empty: () => void): void {
    const value = getWord(this.#arena, entry, ENTRY_VALUE);
    this.#formOfEntry(entry).copyInPieces(value, this.#typeOfEntry(entry), target, empty);
    if (target.used > 0) empty();
  }

  #typeOfEntry(entry: Ref): number {
    return typeOfMeta(getWord(this.#arena, entry, ENTRY_META));
  }

  #formOfEntry(entry: Ref): HeldForm {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    const form = this.#formOf(typeOfMeta(meta), encodingOfMeta(meta));
    assert(form !== undefined, 'a value that may be large');
    return form;
  }

  #form(record: Ref): HeldForm {
    const form = getWord(this.#arena, record, RECORD_FORM);
    return this.#formOf(form & TYPE_MASK, form >>> ENCODING_SHIFT)!;
  }

  /** Undefined for values that are one block: who changes them moves all of it anyway. */
  #formOf(type: number, encoding: number): HeldForm | undefined {
    if (type === TYPE_LIST || type === TYPE_STREAM) return this.#nodes;
    return encoding === ENCODING_HASHTABLE || encoding === ENCODING_SKIPLIST ? this.#tables : undefined;
  }

  // The list ------------------------------------------------------------------------------------------------

  /** Puts a record behind another, or at the front (0). */
  #link(record: Ref, previous: Ref): void {
    const arena = this.#arena;
    const next = previous === 0 ? this.#get(FIRST) : getWord(arena, previous, RECORD_NEXT);
    setWord(arena, record, RECORD_PREVIOUS, previous);
    setWord(arena, record, RECORD_NEXT, next);
    if (previous === 0) this.#set(FIRST, record);
    else setWord(arena, previous, RECORD_NEXT, record);
    if (next === 0) this.#set(LAST, record);
    else setWord(arena, next, RECORD_PREVIOUS, record);
    setWord(arena, record, RECORD_IS_WAITING, 1);
    this.#set(WAITING_KIB, this.#get(WAITING_KIB) + getWord(arena, record, RECORD_KEPT_KIB));
  }

  #unlink(record: Ref): void {
    const arena = this.#arena;
    const previous = getWord(arena, record, RECORD_PREVIOUS);
    const next = getWord(arena, record, RECORD_NEXT);
    if (previous === 0) this.#set(FIRST, next);
    else setWord(arena, previous, RECORD_NEXT, next);
    if (next === 0) this.#set(LAST, previous);
    else setWord(arena, next, RECORD_PREVIOUS, previous);
    setWord(arena, record, RECORD_IS_WAITING, 0);
    this.#set(WAITING_KIB, this.#get(WAITING_KIB) - getWord(arena, record, RECORD_KEPT_KIB));
  }

  #get(word: number): number {
    return getWord(this.#arena, this.#header, this.#headerWord + word);
  }

  #set(word: number, value: number): void {
    setWord(this.#arena, this.#header, this.#headerWord + word, value);
  }

  // Checks --------------------------------------------------------------------------------------------------

  /** Throws when records, the list of them, and the values that they hold do not agree. */
  checkInvariants(): void {
    let kib = 0;
    let previous = 0;
    for (let record = this.#get(FIRST); record !== 0; record = getWord(this.#arena, record, RECORD_NEXT)) {
      assert.equal(getWord(this.#arena, record, RECORD_PREVIOUS), previous, 'the list of held collections');
      this.#form(record).check(record, this.typeOf(record));
      kib += getWord(this.#arena, record, RECORD_KEPT_KIB);
      previous = record;
    }
    assert.equal(this.#get(LAST), previous);
    assert.equal(this.#get(WAITING_KIB), kib, 'memory that is kept for the snapshot');
  }
}

/** Bytes of a value that is one block: a listpack begins with them, an intset with width and count. */
function packedBytes(arena: Arena, value: Ref, encoding: number): number {
  const first = getWord(arena, value, 0);
  return encoding === ENCODING_INTSET ? INTSET_HEADER_BYTES + first * getWord(arena, value, 1) : first;
}

function roundedTo8(bytes: number): number {
  return (bytes + 7) & ~7;
}
