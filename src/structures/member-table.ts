/**
 * The large form of a set: a hash table of members, each a block of its own.
 *
 *     header                     element
 *     collection-header.ts       word 0   next element of the bucket   (hash-table.ts)
 *                                word 1   hash of the member           (hash-table.ts)
 *                                word 2   member length in bytes
 *                                byte 12  member
 *
 * There is one MemberTable per thread; it works on the header it is given. While it walks through one table,
 * others can be searched and changed.
 *
 * Invariants (checkInvariants): those of the hash table; COLLECTION_BYTES_DOUBLE is the sum over all members;
 * an element fits in its block.
 */
import { strict as assert } from 'node:assert';
import type { Allocator } from '../memory/allocator.ts';
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
import {
  COLLECTION_BYTES_DOUBLE,
  COLLECTION_CURSOR,
  COLLECTION_HEADER_WORDS,
  createCollectionHeader,
} from './collection-header.ts';
import { ENTRY_HASH, ENTRY_NEXT, HashTable } from './hash-table.ts';

const MEMBER_LENGTH = 2;
const MEMBER_OFFSET = 12;
const LAYOUT = { keyLengthWord: MEMBER_LENGTH, keyOffset: MEMBER_OFFSET } as const;

/** Groups of buckets that are freed between two looks at the clock. */
const GROUPS_PER_LOOK = 64;
export class MemberTable {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  /** For looking up and changing. */
  readonly #table: HashTable;
  /** For walking through all elements. */
  readonly #walked: HashTable;
  /** Elements of the group that `random` looks at. */
  readonly #group: Ref[] = [];
  readonly #collect = (element: Ref): void => {
    this.#group.push(element);
  };

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#table = new HashTable(allocator, 0, LAYOUT);
    this.#walked = new HashTable(allocator, 0, LAYOUT);
  }

  /** An empty table with room for so many members. */
  create(memberCount: number): Ref {
    const header = createCollectionHeader(this.#allocator, COLLECTION_HEADER_WORDS);
    this.#table.attach(header).reserve(memberCount);
    return header;
  }

  count(header: Ref): number {
    return this.#table.attach(header).count;
  }

  /** The element of a member, or 0. */
  find(header: Ref, member: Uint8Array, start: number, end: number, hash: number): Ref {
    return this.#table.attach(header).find(member, start, end, hash);
  }

  hashOf(element: Ref): number {
    return getWord(this.#arena, element, ENTRY_HASH);
  }

  /** Points `view` at an element's member. */
  borrow(element: Ref, view: BorrowedBytes): void {
    view.bytes = bytesOf(this.#arena, element);
    view.start = byteOffset(element) + MEMBER_OFFSET;
    view.end = view.start + this.#lengthOf(element);
  }

  #lengthOf(element: Ref): number {
    return getWord(this.#arena, element, MEMBER_LENGTH);
  }

  // Changes -------------------------------------------------------------------------------------------------

  /** Adds a member that is not there. @throws OutOfMemoryError, and nothing is changed */
  insert(header: Ref, hash: number, member: Uint8Array, start: number, end: number): void {
    const element = this.#allocator.allocate(MEMBER_OFFSET + end - start);
    setWord(this.#arena, element, ENTRY_HASH, hash);
    setWord(this.#arena, element, MEMBER_LENGTH, end - start);
    copyBytes(bytesOf(this.#arena, element), byteOffset(element) + MEMBER_OFFSET, member, start, end);
    this.#table.attach(header).insert(element);
    addDouble(this.#arena, header, COLLECTION_BYTES_DOUBLE, end - start);
  }

  remove(header: Ref, element: Ref): void {
    addDouble(this.#arena, header, COLLECTION_BYTES_DOUBLE, -this.#lengthOf(element));
    this.#table.attach(header).remove(element);
    this.#allocator.free(element);
  }

  // All elements --------------------------------------------------------------------------------------------

  /** Visits every element until told to stop. The visitor must not change the table. */
  forEach(header: Ref, visit: (element: Ref) => void, shouldStop?: () => boolean): void {
    const { groupCount } = this.#walked.attach(header);
    for (let group = 0; group < groupCount; group++) {
      this.#walked.visitGroupAt(group, visit);
      if (shouldStop?.() === true) return;
    }
  }

  /** One step of SSCAN, as HashTable.scan. */
  scan(header: Ref, cursor: number, visit: (element: Ref) => void): number {
    return this.#walked.attach(header).scan(cursor, visit);
  }

  /**
   * An element of a table that is not empty, each with about the same chance. It is drawn as one of two
   * places of a random bucket, of which some are empty: then another bucket is drawn. Elements of buckets
   * with three and more come a little too seldom.
   */
  random(header: Ref, nextUint32: () => number): Ref {
    const arena = this.#arena;
    const table = this.#table.attach(header);
    if (table.isRehashing) return this.#randomOfGroup(table, nextUint32);
    for (;;) {
      // The table takes the low bits of the draw, the place is the highest one.
      const draw = nextUint32() | 0;
      const first = table.bucketHead(draw);
      if (first === 0) continue;
      const second = getWord(arena, first, ENTRY_NEXT);
      if (second !== 0 && getWord(arena, second, ENTRY_NEXT) !== 0) return this.#oneOf(first, nextUint32);
      const drawn = draw < 0 ? second : first;
      if (drawn !== 0) return drawn;
    }
  }

  /** One of the elements of a bucket. */
  #oneOf(first: Ref, nextUint32: () => number): Ref {
    let chosen = first;
    let seen = 1;
    let element = getWord(this.#arena, first, ENTRY_NEXT);
    while (element !== 0) {
      if (nextUint32() % ++seen === 0) chosen = element;
      element = getWord(this.#arena, element, ENTRY_NEXT);
    }
    return chosen;
  }

  /**
   * The same during a rehash: the two tables' buckets differ in size, the groups that move together do not. A
   * group has twice as many places as elements to be expected.
   */
  #randomOfGroup(table: HashTable, nextUint32: () => number): Ref {
    const { count, groupCount } = table;
    const places = Math.ceil((2 * count) / groupCount);
    for (;;) {
      this.#group.length = 0;
      table.visitGroupAt(nextUint32() % groupCount, this.#collect);
      const element = this.#group[nextUint32() % Math.max(places, this.#group.length)];
      if (element !== undefined) return element;
    }
  }

  /** A deep copy. @throws OutOfMemoryError, with nothing left behind */
  copy(header: Ref): Ref {
    const copied = this.create(this.count(header));
    try {
      this.forEach(header, (element) => {
        const start = byteOffset(element) + MEMBER_OFFSET;
        const end = start + this.#lengthOf(element);
        this.insert(copied, this.hashOf(element), bytesOf(this.#arena, element), start, end);
      });
    } catch (error) {
      this.dismantle(copied, () => false);
      throw error;
    }
    return copied;
  }

  /** Bytes that the allocator holds: an estimate from so many elements, exact with 0. */
  memory(header: Ref, samples: number): number {
    let sampledBytes = 0;
    let sampledCount = 0;
    this.forEach(
      header,
      (element) => {
        sampledBytes += this.#allocator.usableBytes(element);
        sampledCount++;
      },
      () => samples > 0 && sampledCount >= samples,
    );
    const { bucketBytes, count } = this.#table.attach(header);
    const elementBytes = sampledCount === 0 ? 0 : (sampledBytes / sampledCount) * count;
    return this.#allocator.usableBytes(header) + bucketBytes + Math.round(elementBytes);
  }

  /** Frees elements until told to stop, to be called again then; true when all is gone, header included. */
  dismantle(header: Ref, shouldStop: () => boolean): boolean {
    const table = this.#walked.attach(header);
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
    this.#allocator.free(header);
    return true;
  }

  /** Throws when an invariant of the file head does not hold. */
  checkInvariants(header: Ref): void {
    this.#table.attach(header).checkInvariants();
    let memberBytes = 0;
    this.forEach(header, (element) => {
      memberBytes += this.#lengthOf(element);
      assert(MEMBER_OFFSET + this.#lengthOf(element) <= this.#allocator.usableBytes(element));
    });
    assert.equal(memberBytes, getDouble(this.#arena, header, COLLECTION_BYTES_DOUBLE), 'bytes of members');
  }
}
