/**
 * Quicklist: a list of listpacks (Redis 7.0, quicklist.c).
 *
 *     header                        node                              node
 *     ┌─────────────┐               ┌──────────┐                      ┌──────────┐
 *     │ head ───────┼──────────────▶│ next ────┼─────────────────────▶│ next = 0 │
 *     │ tail ───────┼────────┐      │ previous │◀─────────────────────┼─ previous│◀── tail
 *     └─────────────┘        ▼      │ pack ────┼──▶ listpack          │ pack ────┼──▶ listpack
 *                                   └──────────┘                      └──────────┘
 *
 *     header   words 0, 1   first and last node, 0 = none      node   words 0, 1   previous and next node
 *              words 2, 3   elements; nodes                           word  2      listpack
 *              word  4      what a snapshot holds, 0 = nothing        word  3      elements
 *              word  5      limit of a node, see below                word  4      what a snapshot holds
 *              double 3     bytes of all listpacks
 *
 * The limit is that of `list-max-listpack-size` when the list was created: so many elements if it is not
 * negative, −1 … −5: 4 KiB … 64 KiB. An element that is larger has a node of its own. A node that is split by
 * an insertion in its middle is merged with its neighbours where they fit; removing merges nothing. All this
 * is decided as Redis decides it, so that lists are cut into the same nodes.
 *
 * Costs: both ends O(1) but for moving the bytes of the first node; by index O(nodes) from the nearer end.
 *
 * Invariants (checkInvariants): no node is empty; counts and bytes are the sums over the nodes.
 */
import { strict as assert } from 'node:assert';
import type { Allocator } from '../memory/allocator.ts';
import { OutOfMemoryError } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { addDouble, byteOffset, clearWords, getDouble, getWord, setWord, wordsOf } from '../memory/struct.ts';
import type { BorrowedBytes } from '../memory/struct.ts';
import { Listpack } from './listpack.ts';
import type { BulkTarget } from './listpack.ts';

export const QUICKLIST_HEAD = 0;
const HEAD = QUICKLIST_HEAD;
const TAIL = 1;
const COUNT = 2;
export const QUICKLIST_NODE_COUNT = 3;
const NODE_COUNT = QUICKLIST_NODE_COUNT;
export const QUICKLIST_HELD = 4;
const LIMIT = 5;
export const QUICKLIST_BYTES_DOUBLE = 3;
const HEADER_WORDS = 8;

const PREVIOUS = 0;
export const QUICKLIST_NODE_NEXT = 1;
const NEXT = QUICKLIST_NODE_NEXT;
export const QUICKLIST_NODE_PACK = 2;
const PACK = QUICKLIST_NODE_PACK;
const ELEMENTS = 3;
export const QUICKLIST_NODE_HELD = 4;
const HELD = QUICKLIST_NODE_HELD;
const NODE_BYTES = 20;

/** Bytes of a node with the limits −1 to −5. */
const NODE_BYTES_MAX = [4096, 8192, 16_384, 32_768, 65_536] as const;
const LIMIT_MIN = -NODE_BYTES_MAX.length;
const LIMIT_MAX = 32_767;
/** A node whose elements are counted has no more bytes than this (quicklist.c, SIZE_SAFETY_LIMIT). */
const COUNTED_NODE_BYTES_MAX = 8192;
/** What an element is taken to need beside its own bytes (SIZE_ESTIMATE_OVERHEAD). */
const ELEMENT_OVERHEAD_BYTES = 8;
/** Header and end mark of a listpack, of which a merge saves one. */
const EMPTY_PACK_BYTES = 7;
/** `replaceAt` lets a node become that large at most; Redis sets no limit there. */
const REPLACED_NODE_BYTES_MAX = 65_536;

/** Nodes that are freed before `dismantle` asks whether to stop. */
const NODES_PER_QUESTION = 32;

/** A snapshot that holds nodes: called where their word HELD is not 0. */
export interface NodeHolder {
  /** Before the node's listpack is edited: keeps it for the snapshot, and may give the node a copy. */
  willChangeNode(node: Ref, packWord: number, heldWord: number): void;
  /** Instead of freeing the node's listpack. */
  releaseNode(node: Ref, packWord: number, heldWord: number): void;
}

/** An element's place; any change of the list by another way than this position makes it void. */
export class ListPosition {
  /** 0 = none: before the first or behind the last. */
  node: Ref = 0;
  /** In the node's listpack. */
  at = 0;
  /** Index of the element in its node, and in the list. */
  indexInNode = 0;
  index = 0;
}

/** Operations on all quicklists of an arena; a list is the reference of its header. */
export class Quicklist {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #packs: Listpack;
  readonly #holder: NodeHolder;
  /** Bytes of the listpack that was opened last. */
  #openedBytes = 0;
  readonly #position = new ListPosition();

  constructor(allocator: Allocator, holder: NodeHolder) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#packs = new Listpack(allocator);
    this.#holder = holder;
  }

  // Whole lists ---------------------------------------------------------------------------------------------

  /** An empty list. @param limit of its nodes, as `list-max-listpack-size` has it */
  create(limit: number): Ref {
    const list = this.#allocator.allocate(HEADER_WORDS * 4);
    clearWords(this.#arena, list, HEADER_WORDS);
    setWord(this.#arena, list, LIMIT, Math.max(LIMIT_MIN, Math.min(limit, LIMIT_MAX)));
    return list;
  }

  /** @throws OutOfMemoryError, with nothing left behind */
  copy(list: Ref): Ref {
    const copy = this.create(getWord(this.#arena, list, LIMIT));
    try {
      for (let node = this.firstNode(list); node !== 0; node = this.nextNode(node))
        this.#appendNode(copy, this.#packs.copy(this.packOf(node)), this.#elements(node));
    } catch (error) {
      this.dismantle(copy, () => false);
      throw error;
    }
    return copy;
  }

  /** Frees the list until told to stop; true when all of it is gone. */
  dismantle(list: Ref, shouldStop: () => boolean): boolean {
    let node = this.firstNode(list);
    for (let freed = 1; node !== 0; freed++) {
      const next = this.nextNode(node);
      this.#freeNode(node);
      node = next;
      if (freed % NODES_PER_QUESTION === 0 && shouldStop()) {
        setWord(this.#arena, list, HEAD, node);
        return false;
      }
    }
    this.#allocator.free(list);
    return true;
  }

  /** Elements. */
  count(list: Ref): number {
    return getWord(this.#arena, list, COUNT);
  }

  nodeCount(list: Ref): number {
    return getWord(this.#arena, list, NODE_COUNT);
  }

  /** Bytes of the list's blocks: exactly with 0, else as the first `samples` nodes let one expect. */
  memory(list: Ref, samples: number): number {
    const nodeCount = this.nodeCount(list);
    let seen = 0;
    let bytes = 0;
    for (let node = this.firstNode(list); node !== 0; node = this.nextNode(node)) {
      bytes += this.#allocator.usableBytes(node) + this.#allocator.usableBytes(this.packOf(node));
      if (++seen === samples) break;
    }
    const nodeBytes = seen === 0 ? 0 : Math.round((bytes / seen) * nodeCount);
    return this.#allocator.usableBytes(list) + nodeBytes;
  }

  // Nodes, for those who save and load lists ----------------------------------------------------------------

  firstNode(list: Ref): Ref {
    return getWord(this.#arena, list, HEAD);
  }

  /** 0 behind the last. */
  nextNode(node: Ref): Ref {
    return getWord(this.#arena, node, NEXT);
  }

  /** The node's listpack, as Redis has it in its files. */
  packOf(node: Ref): Ref {
    return getWord(this.#arena, node, PACK);
  }

  /** Appends a node of bytes that are a listpack with at least one element. */
  appendPack(list: Ref, bytes: Uint8Array, start: number, end: number): void {
    const pack = this.#packs.adopt(bytes, start, end);
    this.#appendNode(list, pack, this.#packs.count(pack));
  }

  #appendNode(list: Ref, pack: Ref, elements: number): void {
    this.#link(list, this.#newNode(pack, elements), getWord(this.#arena, list, TAIL), 0);
  }

  // Ends ----------------------------------------------------------------------------------------------------

  pushHead(list: Ref, bytes: Uint8Array, start: number, end: number): void {
    const head = getWord(this.#arena, list, HEAD);
    if (head === 0 || !this.#pushInto(list, head, true, bytes, start, end))
      this.#link(list, this.#nodeOfOne(bytes, start, end), 0, head);
  }

  pushTail(list: Ref, bytes: Uint8Array, start: number, end: number): void {
    const tail = getWord(this.#arena, list, TAIL);
    if (tail === 0 || !this.#pushInto(list, tail, false, bytes, start, end))
      this.#link(list, this.#nodeOfOne(bytes, start, end), tail, 0);
  }

  /**
   * Adds an element at one end of a node, unless it is full. As `#hasRoom`, `#open` and `#close` together,
   * but each word is read once: of LPUSH this is the most.
   */
  #pushInto(list: Ref, node: Ref, isHead: boolean, bytes: Uint8Array, start: number, end: number): boolean {
    const arena = this.#arena;
    const packs = this.#packs;
    const words = wordsOf(arena, node);
    const nodeAt = byteOffset(node) >> 2;
    const elements = words[nodeAt + ELEMENTS]! + 1;
    const oldBytes = packs.byteLength(words[nodeAt + PACK]!);
    const estimatedBytes = oldBytes + (end - start) + ELEMENT_OVERHEAD_BYTES;
    if (!this.#isWithinLimit(list, estimatedBytes, elements)) return false;

    if (words[nodeAt + HELD] !== 0) this.#holder.willChangeNode(node, PACK, HELD);
    const pack = words[nodeAt + PACK]!;
    const grown = isHead ? packs.prepend(pack, bytes, start, end) : packs.append(pack, bytes, start, end);
    words[nodeAt + PACK] = grown;
    words[nodeAt + ELEMENTS] = elements;
    this.#add(list, 1, packs.byteLength(grown) - oldBytes);
    return true;
  }

  /** Points `view` at the first element of a list that is not empty. */
  borrowHead(list: Ref, view: BorrowedBytes): void {
    const pack = this.packOf(getWord(this.#arena, list, HEAD));
    this.#packs.borrow(pack, this.#packs.first(pack), view);
  }

  borrowTail(list: Ref, view: BorrowedBytes): void {
    const pack = this.packOf(getWord(this.#arena, list, TAIL));
    this.#packs.borrow(pack, this.#packs.last(pack), view);
  }

  /** Removes the first element of a list that is not empty. */
  dropHead(list: Ref): void {
    const node = getWord(this.#arena, list, HEAD);
    if (this.#elements(node) === 1) {
      this.#unlink(list, node);
      return;
    }
    const pack = this.#open(node);
    this.#close(list, node, this.#packs.remove(pack, this.#packs.first(pack)), -1);
  }

  dropTail(list: Ref): void {
    const node = getWord(this.#arena, list, TAIL);
    if (this.#elements(node) === 1) {
      this.#unlink(list, node);
      return;
    }
    const pack = this.#open(node);
    this.#close(list, node, this.#packs.remove(pack, this.#packs.last(pack)), -1);
  }

  // Positions -----------------------------------------------------------------------------------------------

  /** Goes to the element with that index, from the end when negative; false when there is none. */
  seek(list: Ref, index: number, position: ListPosition): boolean {
    const count = this.count(list);
    const wanted = index < 0 ? index + count : index;
    if (wanted < 0 || wanted >= count) return false;

    let node;
    let first;
    if (wanted * 2 < count) {
      node = getWord(this.#arena, list, HEAD);
      first = 0;
      while (first + this.#elements(node) <= wanted) {
        first += this.#elements(node);
        node = getWord(this.#arena, node, NEXT);
      }
    } else {
      node = getWord(this.#arena, list, TAIL);
      first = count - this.#elements(node);
      while (first > wanted) {
        node = getWord(this.#arena, node, PREVIOUS);
        first -= this.#elements(node);
      }
    }
    position.node = node;
    position.indexInNode = wanted - first;
    position.index = wanted;
    position.at = this.#packs.seek(this.packOf(node), wanted - first);
    return true;
  }

  /** Goes on to the next element; false behind the last. */
  next(position: ListPosition): boolean {
    position.at = this.#packs.next(this.packOf(position.node), position.at);
    position.index++;
    position.indexInNode++;
    return position.at !== 0 || this.#enterNext(position);
  }

  #enterNext(position: ListPosition): boolean {
    position.node = getWord(this.#arena, position.node, NEXT);
    if (position.node === 0) return false;
    position.indexInNode = 0;
    position.at = this.#packs.first(this.packOf(position.node));
    return true;
  }

  /** Goes back to the element before; false before the first. */
  previous(position: ListPosition): boolean {
    position.at = this.#packs.previous(this.packOf(position.node), position.at);
    position.index--;
    position.indexInNode--;
    return position.at !== 0 || this.#enterPrevious(position);
  }

  #enterPrevious(position: ListPosition): boolean {
    position.node = getWord(this.#arena, position.node, PREVIOUS);
    if (position.node === 0) return false;
    position.indexInNode = this.#elements(position.node) - 1;
    position.at = this.#packs.last(this.packOf(position.node));
    return true;
  }

  /** Points `view` at the element: digits of an integer stand until the next borrow but one. */
  borrow(position: ListPosition, view: BorrowedBytes): void {
    this.#packs.borrow(this.packOf(position.node), position.at, view);
  }

  /** Gives the texts of `count` elements from a position on to a reply; the position is void afterwards. */
  emit(position: ListPosition, count: number, target: BulkTarget): void {
    for (let left = count; left > 0;) {
      const inNode = Math.min(left, this.#elements(position.node) - position.indexInNode);
      this.#packs.emit(this.packOf(position.node), position.at, inNode, 0, target);
      left -= inNode;
      if (left > 0) this.#enterNext(position);
    }
  }

  equals(position: ListPosition, bytes: Uint8Array, start: number, end: number): boolean {
    return this.#packs.equals(this.packOf(position.node), position.at, bytes, start, end);
  }

  /** Goes on to the first element with that text, from the position itself on; false when there is none. */
  find(position: ListPosition, bytes: Uint8Array, start: number, end: number): boolean {
    for (;;) {
      const pack = this.packOf(position.node);
      const found = this.#packs.find(pack, position.at, bytes, start, end, 0);
      if (found !== 0) {
        while (position.at !== found) this.next(position);
        return true;
      }
      position.index += this.#elements(position.node) - position.indexInNode;
      if (!this.#enterNext(position)) return false;
    }
  }

  /** The same towards the head. */
  findBack(position: ListPosition, bytes: Uint8Array, start: number, end: number): boolean {
    do if (this.equals(position, bytes, start, end)) return true;
    while (this.previous(position));
    return false;
  }

  // Changes in the middle -----------------------------------------------------------------------------------

  /** Inserts next to a position, which is void afterwards. */
  insert(
    list: Ref,
    position: ListPosition,
    isAfter: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const { node, at } = position;
    if (this.#hasRoom(list, node, end - start)) {
      const pack = this.#open(node);
      const grown = isAfter
        ? this.#packs.insertAfter(pack, at, bytes, start, end)
        : this.#packs.insertBefore(pack, at, bytes, start, end);
      this.#close(list, node, grown, 1);
      return;
    }
    if (position.indexInNode !== (isAfter ? this.#elements(node) - 1 : 0)) {
      this.#splitAndInsert(list, position, isAfter, bytes, start, end);
      return;
    }
    const neighbour = getWord(this.#arena, node, isAfter ? NEXT : PREVIOUS);
    if (neighbour !== 0 && this.#hasRoom(list, neighbour, end - start)) {
      const pack = this.#open(neighbour);
      const grown = isAfter
        ? this.#packs.prepend(pack, bytes, start, end)
        : this.#packs.append(pack, bytes, start, end);
      this.#close(list, neighbour, grown, 1);
      return;
    }
    const fresh = this.#nodeOfOne(bytes, start, end);
    this.#link(list, fresh, isAfter ? node : neighbour, isAfter ? neighbour : node);
  }

  /**
   * The part of the node behind (or before) the new element goes into a node of its own, together with it.
   */
  #splitAndInsert(
    list: Ref,
    position: ListPosition,
    isAfter: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const { node, indexInNode, at } = position;
    const packs = this.#packs;
    const pack = this.packOf(node);
    const from = isAfter ? packs.next(pack, at) : packs.first(pack);
    const movedCount = isAfter ? this.#elements(node) - indexInNode - 1 : indexInNode;

    let part = packs.copyRange(pack, from, isAfter ? 0 : at);
    try {
      part = isAfter ? packs.prepend(part, bytes, start, end) : packs.append(part, bytes, start, end);
      this.#ensureOwn(node);
    } catch (error) {
      this.#allocator.free(part);
      throw error;
    }
    const fresh = this.#newNode(part, movedCount + 1);
    const opened = this.#open(node);
    this.#close(list, node, packs.remove(opened, from, movedCount), -movedCount);
    if (isAfter) this.#link(list, fresh, node, getWord(this.#arena, node, NEXT));
    else this.#link(list, fresh, getWord(this.#arena, node, PREVIOUS), node);
    this.#mergeAround(list, node);
  }

  /** Merges pairs of nodes around one that was split, in the order of quicklist.c, _quicklistMergeNodes. */
  #mergeAround(list: Ref, center: Ref): void {
    const arena = this.#arena;
    const previous = getWord(arena, center, PREVIOUS);
    const next = getWord(arena, center, NEXT);
    if (previous !== 0) this.#merge(list, getWord(arena, previous, PREVIOUS), previous);
    if (next !== 0) this.#merge(list, next, getWord(arena, next, NEXT));
    const before = getWord(arena, center, PREVIOUS);
    const target = this.#merge(list, before, center) ? before : center;
    this.#merge(list, target, getWord(arena, target, NEXT));
  }

  /** Moves the elements of `right` into `left`, its neighbour, if they fit; either may be 0. */
  #merge(list: Ref, left: Ref, right: Ref): boolean {
    if (left === 0 || right === 0 || !this.#fitTogether(list, left, right)) return false;
    let merged;
    try {
      merged = this.#packs.appendAll(this.#open(left), this.packOf(right));
    } catch (error) {
      // Two small nodes are as good as one when there is no memory.
      if (error instanceof OutOfMemoryError) return false;
      throw error;
    }
    this.#close(list, left, merged, this.#elements(right));
    this.#unlink(list, right);
    return true;
  }

  /** Replaces the element with that index, from the end when negative; false when there is none. */
  replaceAt(list: Ref, index: number, bytes: Uint8Array, start: number, end: number): boolean {
    const position = this.#position;
    if (!this.seek(list, index, position)) return false;
    const { node } = position;
    const grownBytes = this.#packs.byteLength(this.packOf(node)) + (end - start);
    if (grownBytes <= REPLACED_NODE_BYTES_MAX || this.#elements(node) === 1) {
      const pack = this.#open(node);
      this.#close(list, node, this.#packs.replace(pack, position.at, bytes, start, end), 0);
      return true;
    }
    const old = position.index;
    // What can fail comes first: removing does not, once the node's listpack is its own.
    this.#ensureOwn(node);
    this.insert(list, position, true, bytes, start, end);
    this.seek(list, old, position);
    this.remove(list, position);
    return true;
  }

  /** Removes the element at a position, which goes on to the next one; false when that was the last. */
  remove(list: Ref, position: ListPosition): boolean {
    const { node } = position;
    if (this.#elements(node) === 1) {
      const next = getWord(this.#arena, node, NEXT);
      this.#unlink(list, node);
      position.node = next;
      position.indexInNode = 0;
      if (next !== 0) position.at = this.#packs.first(this.packOf(next));
      return next !== 0;
    }
    const pack = this.#open(node);
    this.#close(list, node, this.#packs.remove(pack, position.at), -1);
    position.at = this.#packs.at;
    return position.at !== 0 || this.#enterNext(position);
  }

  /** The same, but the position goes back to the element before; false when that was the first. */
  removeBack(list: Ref, position: ListPosition): boolean {
    const { node } = position;
    position.index--;
    if (this.#elements(node) === 1) {
      const isThere = this.#enterPrevious(position);
      this.#unlink(list, node);
      return isThere;
    }
    const pack = this.#open(node);
    const before = this.#packs.previous(pack, position.at);
    this.#close(list, node, this.#packs.remove(pack, position.at), -1);
    position.indexInNode--;
    position.at = before;
    return before !== 0 || this.#enterPrevious(position);
  }

  /** Removes `count` elements from an index on; the range must be in the list. */
  removeRange(list: Ref, index: number, count: number): void {
    if (count === 0) return;
    const position = this.#position;
    const isThere = this.seek(list, index, position);
    assert(isThere && index + count <= this.count(list), 'a range of the list');

    let { node, at, indexInNode } = position;
    for (let left = count; left > 0;) {
      const next = getWord(this.#arena, node, NEXT);
      const elements = this.#elements(node);
      const removed = Math.min(left, elements - indexInNode);
      if (removed === elements) {
        this.#unlink(list, node);
      } else {
        const pack = this.#open(node);
        this.#close(list, node, this.#packs.remove(pack, at, removed), -removed);
      }
      left -= removed;
      if (left === 0) break;
      node = next;
      indexInNode = 0;
      at = this.#packs.first(this.packOf(node));
    }
  }

  // Node by node --------------------------------------------------------------------------------------------

  #elements(node: Ref): number {
    return getWord(this.#arena, node, ELEMENTS);
  }

  /** Whether one more element may go into the node (quicklist.c, _quicklistNodeAllowInsert). */
  #hasRoom(list: Ref, node: Ref, elementBytes: number): boolean {
    const bytes = this.#packs.byteLength(this.packOf(node)) + elementBytes + ELEMENT_OVERHEAD_BYTES;
    return this.#isWithinLimit(list, bytes, this.#elements(node) + 1);
  }

  #fitTogether(list: Ref, left: Ref, right: Ref): boolean {
    const leftBytes = this.#packs.byteLength(this.packOf(left));
    const bytes = leftBytes + this.#packs.byteLength(this.packOf(right)) - EMPTY_PACK_BYTES;
    return this.#isWithinLimit(list, bytes, this.#elements(left) + this.#elements(right));
  }

  #isWithinLimit(list: Ref, bytes: number, elements: number): boolean {
    const limit = getWord(this.#arena, list, LIMIT);
    if (limit < 0) return bytes <= NODE_BYTES_MAX[-limit - 1]!;
    return bytes <= COUNTED_NODE_BYTES_MAX && elements <= limit;
  }

  /** A node of one element, not linked yet. */
  #nodeOfOne(bytes: Uint8Array, start: number, end: number): Ref {
    const empty = this.#packs.create();
    let pack;
    try {
      pack = this.#packs.append(empty, bytes, start, end);
    } catch (error) {
      this.#allocator.free(empty);
      throw error;
    }
    return this.#newNode(pack, 1);
  }

  /** A node with that listpack, which is freed when there is no room. */
  #newNode(pack: Ref, elements: number): Ref {
    const node = this.#allocator.tryAllocate(NODE_BYTES);
    if (node === 0) {
      this.#allocator.free(pack);
      throw new OutOfMemoryError(NODE_BYTES);
    }
    setWord(this.#arena, node, PACK, pack);
    setWord(this.#arena, node, ELEMENTS, elements);
    setWord(this.#arena, node, HELD, 0);
    return node;
  }

  /** Puts a node between two neighbours, of which either may be 0: none. */
  #link(list: Ref, node: Ref, previous: Ref, next: Ref): void {
    const arena = this.#arena;
    setWord(arena, node, PREVIOUS, previous);
    setWord(arena, node, NEXT, next);
    setWord(arena, previous === 0 ? list : previous, previous === 0 ? HEAD : NEXT, node);
    setWord(arena, next === 0 ? list : next, next === 0 ? TAIL : PREVIOUS, node);
    setWord(arena, list, NODE_COUNT, getWord(arena, list, NODE_COUNT) + 1);
    this.#add(list, this.#elements(node), this.#packs.byteLength(this.packOf(node)));
  }

  /** Takes a node out and frees it. */
  #unlink(list: Ref, node: Ref): void {
    const arena = this.#arena;
    const previous = getWord(arena, node, PREVIOUS);
    const next = getWord(arena, node, NEXT);
    setWord(arena, previous === 0 ? list : previous, previous === 0 ? HEAD : NEXT, next);
    setWord(arena, next === 0 ? list : next, next === 0 ? TAIL : PREVIOUS, previous);
    setWord(arena, list, NODE_COUNT, getWord(arena, list, NODE_COUNT) - 1);
    this.#add(list, -this.#elements(node), -this.#packs.byteLength(this.packOf(node)));
    this.#freeNode(node);
  }

  #freeNode(node: Ref): void {
    if (getWord(this.#arena, node, HELD) === 0) this.#allocator.free(this.packOf(node));
    else this.#holder.releaseNode(node, PACK, HELD);
    this.#allocator.free(node);
  }

  #add(list: Ref, elements: number, bytes: number): void {
    setWord(this.#arena, list, COUNT, getWord(this.#arena, list, COUNT) + elements);
    addDouble(this.#arena, list, QUICKLIST_BYTES_DOUBLE, bytes);
  }

  /** Makes sure that the node's listpack may be edited: no snapshot needs it. */
  #ensureOwn(node: Ref): void {
    if (getWord(this.#arena, node, HELD) !== 0) this.#holder.willChangeNode(node, PACK, HELD);
  }

  /** The node's listpack, to be edited and given to `#close`. */
  #open(node: Ref): Ref {
    this.#ensureOwn(node);
    const pack = this.packOf(node);
    this.#openedBytes = this.#packs.byteLength(pack);
    return pack;
  }

  /** Ends the editing of a node: its listpack, which may have moved, has `added` elements more. */
  #close(list: Ref, node: Ref, pack: Ref, added: number): void {
    setWord(this.#arena, node, PACK, pack);
    setWord(this.#arena, node, ELEMENTS, this.#elements(node) + added);
    this.#add(list, added, this.#packs.byteLength(pack) - this.#openedBytes);
  }

  /** Throws when the list contradicts itself. */
  checkInvariants(list: Ref): void {
    let previous = 0;
    let elements = 0;
    let bytes = 0;
    let nodeCount = 0;
    for (let node = this.firstNode(list); node !== 0; node = this.nextNode(node)) {
      const pack = this.packOf(node);
      this.#packs.checkInvariants(pack);
      assert.equal(getWord(this.#arena, node, PREVIOUS), previous, 'a node knows the one before');
      assert(this.#elements(node) > 0, 'no node is empty');
      assert.equal(this.#packs.count(pack), this.#elements(node), 'a node counts its elements');
      elements += this.#elements(node);
      bytes += this.#packs.byteLength(pack);
      nodeCount++;
      previous = node;
    }
    assert.equal(getWord(this.#arena, list, TAIL), previous, 'the last node is the tail');
    assert.equal(this.count(list), elements, 'elements of a list');
    assert.equal(this.nodeCount(list), nodeCount, 'nodes of a list');
    assert.equal(getDouble(this.#arena, list, QUICKLIST_BYTES_DOUBLE), bytes, 'bytes of a list');
  }
}
