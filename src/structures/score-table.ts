/**
 * The large form of a sorted set: a hash table of members, each a block of its own with its score, and a tree
 * that keeps them in order (ordered-tree.ts). A member is found by its bytes in the one, by score or rank in
 * the other.
 *
 *     header                             element
 *     collection-header.ts, then         word 0    next element of the bucket   (hash-table.ts)
 *     the words of the tree              word 1    hash of the member           (hash-table.ts)
 *                                        word 2    member length in bytes
 *                                        double 2  score
 *                                        byte 24   member
 *
 * There is one ScoreTable per thread; it works on the header it is given.
 *
 * Invariants (checkInvariants): those of table and tree, which have the same elements; a score is the same in
 * both; COLLECTION_BYTES_DOUBLE is the sum over all members.
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
  setDouble,
  setWord,
  type BorrowedBytes,
} from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';
import { COLLECTION_BYTES_DOUBLE, createCollectionHeader } from './collection-header.ts';
import { ENTRY_HASH, HashTable } from './hash-table.ts';
import { ORDERED_TREE_HEADER_WORDS, OrderedTree } from './ordered-tree.ts';

const MEMBER_LENGTH = 2;
const SCORE_DOUBLE = 2;
const MEMBER_OFFSET = 24;
const LAYOUT = { keyLengthWord: MEMBER_LENGTH, keyOffset: MEMBER_OFFSET } as const;

/** What is told of an element that is about to be taken out. */
export type ElementWatcher = (header: Ref, hash: number) => void;

export class ScoreTable {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #table: HashTable;
  readonly #tree: OrderedTree;
  /** Of the table that `removeRange` works on. */
  #header: Ref = 0;
  #willRemove: ElementWatcher | undefined;
  readonly #takeOut = (element: Ref): void => {
    this.#willRemove?.(this.#header, this.hashOf(element));
    this.#removeFromTable(this.#header, element);
  };
  readonly #free = (element: Ref): void => this.#allocator.free(element);

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#table = new HashTable(allocator, 0, LAYOUT);
    this.#tree = new OrderedTree(allocator, LAYOUT);
  }

  /** An empty table with room for so many members. */
  create(memberCount: number): Ref {
    const allocator = this.#allocator;
    const header = createCollectionHeader(allocator, ORDERED_TREE_HEADER_WORDS);
    const table = this.#table.attach(header);
    try {
      this.#tree.attach(header).initialize();
    } catch (error) {
      table.dispose();
      allocator.free(header);
      throw error;
    }
    table.reserve(memberCount);
    return header;
  }

  count(header: Ref): number {
    return this.#tree.attach(header).count;
  }

  /** The element of a member, or 0. */
  find(header: Ref, member: Uint8Array, start: number, end: number, hash: number): Ref {
    return this.#table.attach(header).find(member, start, end, hash);
  }

  /** The order of the members: to be searched and walked, not changed. */
  order(header: Ref): OrderedTree {
    return this.#tree.attach(header);
  }

  // Elements ------------------------------------------------------------------------------------------------

  hashOf(element: Ref): number {
    return getWord(this.#arena, element, ENTRY_HASH);
  }

  scoreOf(element: Ref): number {
    return getDouble(this.#arena, element, SCORE_DOUBLE);
  }

  borrow(element: Ref, view: BorrowedBytes): void {
    view.bytes = bytesOf(this.#arena, element);
    view.start = byteOffset(element) + MEMBER_OFFSET;
    view.end = view.start + getWord(this.#arena, element, MEMBER_LENGTH);
  }

  /** How many elements stand before this one. */
  rankOf(header: Ref, element: Ref): number {
    return this.#tree.attach(header).rankOf(this.scoreOf(element), element);
  }

  // Changes -------------------------------------------------------------------------------------------------

  /** Adds a member that is not there. @throws OutOfMemoryError, nothing changed */
  insert(header: Ref, hash: number, member: Uint8Array, start: number, end: number, score: number): void {
    const element = this.#allocator.allocate(MEMBER_OFFSET + end - start);
    setWord(this.#arena, element, ENTRY_HASH, hash);
    setWord(this.#arena, element, MEMBER_LENGTH, end - start);
    setDouble(this.#arena, element, SCORE_DOUBLE, score);
    copyBytes(bytesOf(this.#arena, element), byteOffset(element) + MEMBER_OFFSET, member, start, end);
    this.#enter(header, element, score);
  }

  /** Puts a complete element into table and tree; frees it when that fails. */
  #enter(header: Ref, element: Ref, score: number): void {
    try {
      this.#tree.attach(header).insert(score, element);
    } catch (error) {
      this.#allocator.free(element);
      throw error;
    }
    this.#table.attach(header).insert(element);
    addDouble(this.#arena, header, COLLECTION_BYTES_DOUBLE, getWord(this.#arena, element, MEMBER_LENGTH));
  }

  /** Gives an element another score. @throws OutOfMemoryError, nothing changed */
  setScore(header: Ref, element: Ref, score: number): void {
    this.#tree.attach(header).setScore(this.scoreOf(element), element, score);
    setDouble(this.#arena, element, SCORE_DOUBLE, score);
  }

  remove(header: Ref, element: Ref): void {
    this.#tree.attach(header).remove(this.scoreOf(element), element);
    this.#removeFromTable(header, element);
  }

  /** Removes the elements from that rank on; `willRemove` is told of each before. */
  removeRange(header: Ref, rank: number, count: number, willRemove?: ElementWatcher): void {
    this.#header = header;
    this.#willRemove = willRemove;
    this.#tree.attach(header).removeRange(rank, count, this.#takeOut);
  }

  #removeFromTable(header: Ref, element: Ref): void {
    addDouble(this.#arena, header, COLLECTION_BYTES_DOUBLE, -getWord(this.#arena, element, MEMBER_LENGTH));
    this.#table.attach(header).remove(element);
    this.#allocator.free(element);
  }

  // All elements --------------------------------------------------------------------------------------------

  /** One step of ZSCAN, as HashTable.scan. */
  scan(header: Ref, cursor: number, visit: (element: Ref) => void): number {
    return this.#table.attach(header).scan(cursor, visit);
  }

  /** A deep copy. */
  copy(header: Ref): Ref {
    const count = this.count(header);
    const { firstLeaf } = this.#tree;
    const copied = this.create(count);
    try {
      for (let leaf = firstLeaf; leaf !== 0; leaf = this.#tree.nextLeaf(leaf)) {
        for (let slot = 0; slot < this.#tree.slotCount(leaf); slot++)
          this.#copyElement(this.#tree.memberAt(leaf, slot), copied);
      }
    } catch (error) {
      this.dismantle(copied, () => false);
      throw error;
    }
    return copied;
  }

  #copyElement(element: Ref, header: Ref): void {
    const byteCount = MEMBER_OFFSET + getWord(this.#arena, element, MEMBER_LENGTH);
    const twin = this.#allocator.allocate(byteCount);
    const start = byteOffset(element);
    const source = bytesOf(this.#arena, element);
    copyBytes(bytesOf(this.#arena, twin), byteOffset(twin), source, start, start + byteCount);
    this.#enter(header, twin, this.scoreOf(twin));
  }

  /** Bytes that the allocator holds: an estimate from so many elements, exact with 0. */
  memory(header: Ref, samples: number): number {
    const tree = this.#tree.attach(header);
    const wanted = samples === 0 ? tree.count : Math.min(samples, tree.count);
    let sampledBytes = 0;
    let sampled = 0;
    for (let leaf = tree.firstLeaf; sampled < wanted; leaf = tree.nextLeaf(leaf)) {
      for (let slot = 0; slot < tree.slotCount(leaf) && sampled < wanted; slot++, sampled++)
        sampledBytes += this.#allocator.usableBytes(tree.memberAt(leaf, slot));
    }
    const elementBytes = wanted === 0 ? 0 : Math.round((sampledBytes / wanted) * tree.count);
    const { bucketBytes } = this.#table.attach(header);
    return this.#allocator.usableBytes(header) + bucketBytes + tree.memory() + elementBytes;
  }

  /** Frees elements until told to stop, to be called again then; true when all is gone, header included. */
  dismantle(header: Ref, shouldStop: () => boolean): boolean {
    if (!this.#tree.attach(header).dismantle(this.#free, shouldStop)) return false;
    this.#table.attach(header).dispose();
    this.#allocator.free(header);
    return true;
  }

  /** Throws when an invariant of the file head does not hold. */
  checkInvariants(header: Ref): void {
    this.#table.attach(header).checkInvariants();
    const tree = this.#tree.attach(header);
    tree.checkInvariants();
    assert.equal(this.#table.count, tree.count, 'elements of table and tree');
    let bytes = 0;
    for (let leaf = tree.firstLeaf; leaf !== 0; leaf = tree.nextLeaf(leaf)) {
      for (let slot = 0; slot < tree.slotCount(leaf); slot++) {
        const element = tree.memberAt(leaf, slot);
        const length = getWord(this.#arena, element, MEMBER_LENGTH);
        bytes += length;
        assert(Object.is(this.scoreOf(element), tree.scoreAt(leaf, slot)), 'the score of an element');
        assert(
          MEMBER_OFFSET + length <= this.#allocator.usableBytes(element),
          'an element fits in its block',
        );
        const start = byteOffset(element) + MEMBER_OFFSET;
        const member = bytesOf(this.#arena, element);
        const found = this.#table.find(member, start, start + length, this.hashOf(element));
        assert.equal(found, element, 'an element is found by its member');
      }
    }
    assert.equal(bytes, getDouble(this.#arena, header, COLLECTION_BYTES_DOUBLE), 'bytes of members');
  }
}
