/**
 * The large form of a hash: a hash table of fields, each a block with its value (field-element.ts).
 *
 *     header   words  0 – 11  collection-header.ts
 *              words 12, 13   heap of the fields that expire (field-heap.ts)
 *              word  14       place of the hash in its database's index of hashes with such fields
 *
 * An element moves when its value outgrows the block, so that references to elements end with the next
 * change of the hash. There is one FieldTable per thread; it works on the header it is given.
 *
 * Invariants (checkInvariants): those of the hash table and the heap; COLLECTION_BYTES_DOUBLE is the sum over
 * all fields and values; an element fits in its block; the heap has exactly the fields that expire.
 */
import { strict as assert } from 'node:assert';
import { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import {
  addDouble,
  byteOffset,
  bytesOf,
  getDouble,
  getWord,
  setWord,
  type BorrowedBytes,
} from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';
import { COLLECTION_BYTES_DOUBLE, COLLECTION_CURSOR, createCollectionHeader } from './collection-header.ts';
import {
  FIELD_LENGTH,
  FIELD_OFFSET,
  blockBytes,
  doesExpire,
  fieldElementBytes,
  fieldLength,
  getFieldExpiry,
  getHeapPlace,
  setFieldExpiry,
  setHeapPlace,
  setShape,
  valueLength,
  valueOffset,
} from './field-element.ts';
import { FIELD_HEAP_END, FieldHeap } from './field-heap.ts';
import { ENTRY_HASH, HashTable } from './hash-table.ts';

const INDEX_PLACE = FIELD_HEAP_END;
const HEADER_WORDS = FIELD_HEAP_END + 2;
const LAYOUT = { keyLengthWord: FIELD_LENGTH, keyOffset: FIELD_OFFSET } as const;

/** Groups of buckets that are freed between two looks at the clock. */
const GROUPS_PER_LOOK = 64;
/**
 * A random element is drawn as one of so many places of a random group; longer groups are hardly ever seen.
 */
const PLACES_PER_GROUP = 8;

export class FieldTable {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #table: HashTable;
  readonly #heap: FieldHeap;
  /** Elements of the group that `random` looks at. */
  readonly #group: Ref[] = [];
  readonly #collect = (element: Ref): void => {
    this.#group.push(element);
  };

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#table = new HashTable(allocator, 0, LAYOUT);
    this.#heap = new FieldHeap(allocator);
  }

  /** An empty table with room for so many fields. */
  create(fieldCount: number): Ref {
    const header = createCollectionHeader(this.#allocator, HEADER_WORDS);
    this.#table.attach(header).reserve(fieldCount);
    return header;
  }

  count(header: Ref): number {
    return this.#table.attach(header).count;
  }

  /** The element of a field, or 0. */
  find(header: Ref, field: Uint8Array, start: number, end: number, hash: number): Ref {
    return this.#table.attach(header).find(field, start, end, hash);
  }

  // Elements ------------------------------------------------------------------------------------------------

  hashOf(element: Ref): number {
    return getWord(this.#arena, element, ENTRY_HASH);
  }

  borrowField(element: Ref, view: BorrowedBytes): void {
    view.bytes = bytesOf(this.#arena, element);
    view.start = byteOffset(element) + FIELD_OFFSET;
    view.end = view.start + fieldLength(this.#arena, element);
  }

  borrowValue(element: Ref, view: BorrowedBytes): void {
    view.bytes = bytesOf(this.#arena, element);
    view.start = valueOffset(this.#arena, element);
    view.end = view.start + valueLength(this.#arena, element);
  }

  /** When the field expires, Unix time in ms, or undefined. */
  expiryOf(element: Ref): number | undefined {
    return doesExpire(this.#arena, element) ? getFieldExpiry(this.#arena, element) : undefined;
  }

  /** Bytes of field and value. */
  #contentBytes(element: Ref): number {
    return fieldLength(this.#arena, element) + valueLength(this.#arena, element);
  }

  // Changes -------------------------------------------------------------------------------------------------

  /** Adds a field that is not there. */
  insert(
    header: Ref,
    hash: number,
    field: Uint8Array,
    fieldStart: number,
    fieldEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const contentBytes = fieldEnd - fieldStart + valueEnd - valueStart;
    const element = this.#allocator.allocate(FIELD_OFFSET + contentBytes);
    setWord(this.#arena, element, ENTRY_HASH, hash);
    setWord(this.#arena, element, FIELD_LENGTH, fieldEnd - fieldStart);
    setShape(this.#arena, element, valueEnd - valueStart, false);
    const target = bytesOf(this.#arena, element);
    const valueAt = copyBytes(target, byteOffset(element) + FIELD_OFFSET, field, fieldStart, fieldEnd);
    copyBytes(target, valueAt, value, valueStart, valueEnd);
    this.#table.attach(header).insert(element);
    addDouble(this.#arena, header, COLLECTION_BYTES_DOUBLE, contentBytes);
  }

  /**
   * Gives a field another value, in place when the block has the right size.
   * @param keepsExpiry the field goes on to expire when it did; otherwise it lives for ever
   */
  setValue(
    header: Ref,
    element: Ref,
    value: Uint8Array,
    start: number,
    end: number,
    keepsExpiry: boolean,
  ): void {
    const arena = this.#arena;
    const length = end - start;
    const addedBytes = length - valueLength(arena, element);
    const expired = doesExpire(arena, element);
    const expires = expired && keepsExpiry;
    const expiry = expires ? getFieldExpiry(arena, element) : 0;
    const place = expires ? getHeapPlace(arena, element) : 0;
    const needed = blockBytes(fieldLength(arena, element) + length, expires);

    const target = this.#isRightSize(element, needed) ? element : this.#twin(element, needed);
    if (expired && !expires) this.#heap.remove(header, element);
    setShape(arena, target, length, expires);
    copyBytes(bytesOf(arena, target), valueOffset(arena, target), value, start, end);
    if (target !== element) this.#replace(header, element, target);
    if (expires) {
      setFieldExpiry(arena, target, expiry);
      setHeapPlace(arena, target, place);
      this.#heap.moved(header, target);
    }
    if (addedBytes !== 0) addDouble(arena, header, COLLECTION_BYTES_DOUBLE, addedBytes);
  }

  /** A block more than twice too large is given back. */
  #isRightSize(element: Ref, needed: number): boolean {
    const usable = this.#allocator.usableBytes(element);
    return needed <= usable && needed * 2 + 32 >= usable;
  }

  /**
   * A block of another size, with the same field and as much of the value and what follows as it can take.
   */
  #twin(element: Ref, byteCount: number): Ref {
    const twin = this.#allocator.allocate(byteCount);
    const start = byteOffset(element);
    const end = start + Math.min(byteCount, fieldElementBytes(this.#arena, element));
    copyBytes(bytesOf(this.#arena, twin), byteOffset(twin), bytesOf(this.#arena, element), start, end);
    return twin;
  }

  #replace(header: Ref, element: Ref, twin: Ref): void {
    this.#table.attach(header).replace(element, twin);
    this.#allocator.free(element);
  }

  remove(header: Ref, element: Ref): void {
    if (doesExpire(this.#arena, element)) this.#heap.remove(header, element);
    addDouble(this.#arena, header, COLLECTION_BYTES_DOUBLE, -this.#contentBytes(element));
    this.#table.attach(header).remove(element);
    this.#allocator.free(element);
  }

  // Fields that expire --------------------------------------------------------------------------------------

  /** How many fields expire. */
  expiringCount(header: Ref): number {
    return this.#heap.count(header);
  }

  /** The field that expires first, or 0. */
  soonest(header: Ref): Ref {
    return this.#heap.soonest(header);
  }

  /** Sets when a field expires. The element may move. */
  setExpiry(header: Ref, element: Ref, unixMillis: number): void {
    const arena = this.#arena;
    if (doesExpire(arena, element)) {
      setFieldExpiry(arena, element, unixMillis);
      this.#heap.update(header, element);
      return;
    }
    const needed = blockBytes(this.#contentBytes(element), true);
    let target = element;
    if (needed > this.#allocator.usableBytes(element)) {
      target = this.#twin(element, needed);
      this.#replace(header, element, target);
    }
    setFieldExpiry(arena, target, unixMillis);
    this.#heap.add(header, target);
    setShape(arena, target, valueLength(arena, target), true);
  }

  /** Lets a field that expires live for ever. */
  clearExpiry(header: Ref, element: Ref): void {
    this.#heap.remove(header, element);
    setShape(this.#arena, element, valueLength(this.#arena, element), false);
  }

  /** The place of the hash in its database's index; the table only keeps it. */
  indexPlace(header: Ref): number {
    return getWord(this.#arena, header, INDEX_PLACE);
  }

  setIndexPlace(header: Ref, place: number): void {
    setWord(this.#arena, header, INDEX_PLACE, place);
  }

  // All elements --------------------------------------------------------------------------------------------

  /** Visits every element. The visitor must not change the hash, nor use other hashes meanwhile. */
  forEach(header: Ref, visit: (element: Ref) => void): void {
    const groupCount = this.#table.attach(header).groupCount;
    for (let group = 0; group < groupCount; group++) this.#table.visitGroupAt(group, visit);
  }

  /** One step of HSCAN, as HashTable.scan. */
  scan(header: Ref, cursor: number, visit: (element: Ref) => void): number {
    return this.#table.attach(header).scan(cursor, visit);
  }

  /** An element of a table that is not empty, each with the same chance. */
  random(header: Ref, nextUint32: () => number): Ref {
    const table = this.#table.attach(header);
    const group = this.#group;
    for (;;) {
      group.length = 0;
      table.visitGroupAt(nextUint32() % table.groupCount, this.#collect);
      const element = group[nextUint32() % Math.max(PLACES_PER_GROUP, group.length)];
      if (element !== undefined) return element;
    }
  }

  /** A deep copy. */
  copy(header: Ref): Ref {
    const copied = this.create(this.count(header));
    const target = new HashTable(this.#allocator, copied, LAYOUT);
    try {
      this.forEach(header, (element) => {
        const twin = this.#twin(element, fieldElementBytes(this.#arena, element));
        target.insert(twin);
        if (doesExpire(this.#arena, twin)) this.#heap.add(copied, twin);
        addDouble(this.#arena, copied, COLLECTION_BYTES_DOUBLE, this.#contentBytes(element));
      });
    } catch (error) {
      this.dismantle(copied, () => false);
      throw error;
    }
    return copied;
  }

  /** Bytes that the allocator holds: an estimate from so many elements, exact with 0. */
  memory(header: Ref, samples: number): number {
    const table = this.#table.attach(header);
    const { count, groupCount } = table;
    let sampledBytes = 0;
    let sampledCount = 0;
    for (let group = 0; group < groupCount && (samples === 0 || sampledCount < samples); group++) {
      table.visitGroupAt(group, (element) => {
        sampledBytes += this.#allocator.usableBytes(element);
        sampledCount++;
      });
    }
    const elementBytes = sampledCount === 0 ? 0 : (sampledBytes / sampledCount) * count;
    const ownBytes = this.#allocator.usableBytes(header) + this.#heap.memory(header);
    return ownBytes + table.bucketBytes + Math.round(elementBytes);
  }

  /** Frees elements until told to stop, to be called again then; true when all is gone, header included. */
  dismantle(header: Ref, shouldStop: () => boolean): boolean {
    const table = this.#table.attach(header);
    const { groupCount } = table;
    let group = getWord(this.#arena, header, COLLECTION_CURSOR);
    while (group < groupCount) {
      table.visitGroupAt(group++, (element) => this.#allocator.free(element));
      if (group % GROUPS_PER_LOOK === 0 && shouldStop()) {
        setWord(this.#arena, header, COLLECTION_CURSOR, group);
        return false;
      }
    }
    table.dispose();
    this.#heap.clear(header);
    this.#allocator.free(header);
    return true;
  }

  /** Throws when an invariant of the file head does not hold. */
  checkInvariants(header: Ref): void {
    this.#table.attach(header).checkInvariants();
    this.#heap.checkInvariants(header);
    let contentBytes = 0;
    let expiringCount = 0;
    this.forEach(header, (element) => {
      contentBytes += this.#contentBytes(element);
      if (doesExpire(this.#arena, element)) expiringCount++;
      const needed = fieldElementBytes(this.#arena, element);
      assert(needed <= this.#allocator.usableBytes(element), 'an element fits in its block');
    });
    assert.equal(expiringCount, this.expiringCount(header), 'fields in the heap');
    assert.equal(contentBytes, getDouble(this.#arena, header, COLLECTION_BYTES_DOUBLE), 'bytes of elements');
  }
}
