/**
 * A counted B+ tree of (score, member) in the arena: the order of a sorted set. By score, equal scores by the
 * members' bytes as memcmp has it; it finds by either, and by rank.
 *
 *     inner node   count │ scores … │ members … │ children … │ elements below …
 *                            (the first score and member of each child)
 *     leaf         count │ previous │ next │ scores … │ members …
 *
 * A member is a reference to a block that the tree does not own: it reads the bytes there, and only when
 * scores are equal. All scores of a node lie side by side, so that a search stays in a few cache lines, where
 * a skiplist follows a pointer for each step. Leaves are linked in both directions.
 *
 * A full node is split in halves, but at either end of the tree the full node stays full: scores that arrive
 * in order fill every leaf. A node that has become sparse is merged with a neighbour when both fit into one.
 *
 * Costs: search, insert, remove, rank in O(log n); 12 bytes per element in a full leaf, about 17 when the
 * scores arrived in any order.
 *
 * The tree's own words stand in a block of its owner, behind the header of the collection:
 *     word 12 root │ 13 levels of inner nodes │ 14 elements │ 15 first leaf │ 16 last leaf
 *
 * Invariants (checkInvariants): slots ascend; an inner node has the first slot and the number of elements of
 * each child; no node is empty, but the leaf of an empty tree; the leaves' links follow the order.
 */
import { strict as assert } from 'node:assert';
import { OFFSET_MASK, SEGMENT_SHIFT } from '../memory/arena.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { byteOffset, bytesOf, getWord, moveBytes } from '../memory/struct.ts';
import { compareBytes } from '../util/bytes.ts';
import { COLLECTION_HEADER_WORDS } from './collection-header.ts';
import type { EntryLayout } from './hash-table.ts';

// Words of the header.
const ROOT = COLLECTION_HEADER_WORDS;
const LEVELS = ROOT + 1;
const COUNT = ROOT + 2;
const FIRST_LEAF = ROOT + 3;
const LAST_LEAF = ROOT + 4;
export const ORDERED_TREE_HEADER_WORDS = ROOT + 6;

// Words of a node.
const SLOT_COUNT = 0;
const PREVIOUS = 1;
const NEXT = 2;
const NODE_HEADER_WORDS = 4;
/** In doubles: where the scores begin. */
const SCORES = NODE_HEADER_WORDS / 2;

/** Large enough to find a million elements in four nodes, small enough that shifting slots costs little. */
const NODE_BYTES = 1024;
const LEAF_SLOT_WORDS = 3;
const INNER_SLOT_WORDS = 5;
/** Fuller than this a node does not try to merge with a neighbour. */
const SPARSE_SHARE = 1 / 3;
/** Even nodes of two slots would need no more for 2^32 elements. */
const LEVELS_MAX = 32;

export class OrderedTree {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #lengthWord: number;
  readonly #bytesOffset: number;
  readonly #nodeBytes: number;
  /** Slots of a leaf and of an inner node, and the words where their columns begin. */
  readonly #leafSlots: number;
  readonly #innerSlots: number;
  readonly #leafMembers: number;
  readonly #innerMembers: number;
  readonly #children: number;
  readonly #counts: number;
  #headerWords: Int32Array;
  #headerAt: number;
  /** The way from the root to where the last search has ended: node and slot by level, 0 = leaf. */
  readonly #nodes = new Int32Array(LEVELS_MAX + 1);
  readonly #slots = new Int32Array(LEVELS_MAX + 1);
  /** Nodes for the splits that an insertion needs, allocated before anything is changed. */
  readonly #spares = new Int32Array(LEVELS_MAX + 1);
  /** Where the last `seek…` has ended: a leaf and a slot of it; leaf 0 = behind the last element. */
  leaf: Ref = 0;
  slot = 0;

  /**
   * @param layout where the members' blocks have their length and bytes
   * @param nodeBytes smaller in tests, for deep trees of few elements
   */
  constructor(allocator: Allocator, layout: EntryLayout, nodeBytes = NODE_BYTES) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#lengthWord = layout.keyLengthWord;
    this.#bytesOffset = layout.keyOffset;
    const slotWords = nodeBytes / 4 - NODE_HEADER_WORDS;
    this.#nodeBytes = nodeBytes;
    this.#leafSlots = Math.floor(slotWords / LEAF_SLOT_WORDS);
    this.#innerSlots = Math.floor(slotWords / INNER_SLOT_WORDS);
    this.#leafMembers = NODE_HEADER_WORDS + this.#leafSlots * 2;
    this.#innerMembers = NODE_HEADER_WORDS + this.#innerSlots * 2;
    this.#children = this.#innerMembers + this.#innerSlots;
    this.#counts = this.#children + this.#innerSlots;
    this.#headerWords = allocator.arena.words[0]!;
    this.#headerAt = 0;
  }

  /** Turns the view to the tree of another header. */
  attach(header: Ref): this {
    this.#headerWords = this.#arena.words[header >>> SEGMENT_SHIFT]!;
    this.#headerAt = (header & OFFSET_MASK) << 1;
    return this;
  }

  /** Makes the tree of the attached header, whose words are fresh, an empty one. @throws OutOfMemoryError */
  initialize(): void {
    const leaf = this.#newNode();
    this.#set(ROOT, leaf);
    this.#set(LEVELS, 0);
    this.#set(COUNT, 0);
    this.#set(FIRST_LEAF, leaf);
    this.#set(LAST_LEAF, leaf);
  }

  get count(): number {
    return this.#get(COUNT);
  }

  // Searching -----------------------------------------------------------------------------------------------

  /** How many elements stand before that member, which is in the tree with that score. */
  rankOf(score: number, member: Ref): number {
    this.#reach(score, member);
    return this.#pathRank();
  }

  /** Seeks the element with that rank, from 0 on; the end when there are fewer. */
  seekRank(rank: number): void {
    if (rank >= this.count) {
      this.leaf = 0;
      return;
    }
    this.#reachRank(rank);
    this.leaf = this.#nodes[0]!;
    this.slot = this.#slots[0]!;
  }

  /** Seeks the first element with at least that score, or above it; returns its rank. */
  seekScore(score: number, isAbove: boolean): number {
    let node = this.#get(ROOT);
    for (let level = this.#get(LEVELS); level > 0; level--) {
      const before = this.#scoresBefore(node, score, isAbove);
      const slot = before === 0 ? 0 : before - 1;
      this.#nodes[level] = node;
      this.#slots[level] = slot;
      node = this.#word(node, this.#children + slot);
    }
    this.#nodes[0] = node;
    this.#slots[0] = this.#scoresBefore(node, score, isAbove);
    return this.#endSeek();
  }

  /**
   * Seeks the first member that is not below these bytes, or above them, in a tree whose scores are all the
   * same; returns its rank.
   */
  seekMember(bytes: Uint8Array, start: number, end: number, isAbove: boolean): number {
    let node = this.#get(ROOT);
    for (let level = this.#get(LEVELS); level > 0; level--) {
      const count = this.#word(node, SLOT_COUNT);
      const before = this.#membersBefore(node, this.#innerMembers, 0, count, bytes, start, end, isAbove);
      const slot = before === 0 ? 0 : before - 1;
      this.#nodes[level] = node;
      this.#slots[level] = slot;
      node = this.#word(node, this.#children + slot);
    }
    const count = this.#word(node, SLOT_COUNT);
    this.#nodes[0] = node;
    this.#slots[0] = this.#membersBefore(node, this.#leafMembers, 0, count, bytes, start, end, isAbove);
    return this.#endSeek();
  }

  /** Shows where the way has ended: behind a leaf's last slot is the next leaf. */
  #endSeek(): number {
    const leaf = this.#nodes[0]!;
    const isBehind = this.#slots[0] === this.#word(leaf, SLOT_COUNT);
    this.leaf = isBehind ? this.#word(leaf, NEXT) : leaf;
    this.slot = isBehind ? 0 : this.#slots[0]!;
    return this.#pathRank();
  }

  /** Goes to the place of an element that is or will be in the tree. */
  #reach(score: number, member: Ref): void {
    const bytes = bytesOf(this.#arena, member);
    const start = byteOffset(member) + this.#bytesOffset;
    const end = start + getWord(this.#arena, member, this.#lengthWord);
    let node = this.#get(ROOT);
    for (let level = this.#get(LEVELS); level > 0; level--) {
      const before = this.#slotsBefore(node, this.#innerMembers, score, bytes, start, end, true);
      const slot = before === 0 ? 0 : before - 1;
      this.#nodes[level] = node;
      this.#slots[level] = slot;
      node = this.#word(node, this.#children + slot);
    }
    this.#nodes[0] = node;
    this.#slots[0] = this.#slotsBefore(node, this.#leafMembers, score, bytes, start, end, false);
  }

  #reachRank(rank: number): void {
    let node = this.#get(ROOT);
    let left = rank;
    for (let level = this.#get(LEVELS); level > 0; level--) {
      const words = this.#wordsOf(node);
      const counts = ((node & OFFSET_MASK) << 1) + this.#counts;
      let slot = 0;
      while (left >= words[counts + slot]!) left -= words[counts + slot++]!;
      this.#nodes[level] = node;
      this.#slots[level] = slot;
      node = words[counts - this.#counts + this.#children + slot]!;
    }
    this.#nodes[0] = node;
    this.#slots[0] = left;
  }

  /** Elements before the place that the way leads to. */
  #pathRank(): number {
    let rank = this.#slots[0]!;
    for (let level = this.#get(LEVELS); level > 0; level--) {
      const node = this.#nodes[level]!;
      const words = this.#wordsOf(node);
      const counts = ((node & OFFSET_MASK) << 1) + this.#counts;
      for (let i = counts + this.#slots[level]! - 1; i >= counts; i--) rank += words[i]!;
    }
    return rank;
  }

  /** Slots whose score is below `score`, or not above it. */
  #scoresBefore(node: Ref, score: number, isAbove: boolean): number {
    const doubles = this.#doublesOf(node);
    const scores = (node & OFFSET_MASK) + SCORES;
    let low = 0;
    let high = this.#word(node, SLOT_COUNT);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = doubles[scores + middle]!;
      if (other < score || (isAbove && other === score)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Slots that are below (score, bytes), or not above it. */
  #slotsBefore(
    node: Ref,
    members: number,
    score: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    isAbove: boolean,
  ): number {
    const low = this.#scoresBefore(node, score, false);
    const doubles = this.#doublesOf(node);
    const scores = (node & OFFSET_MASK) + SCORES;
    const count = this.#word(node, SLOT_COUNT);
    if (low === count || doubles[scores + low] !== score) return low;
    const high = doubles[scores + count - 1] === score ? count : this.#scoresBefore(node, score, true);
    return this.#membersBefore(node, members, low, high, bytes, start, end, isAbove);
  }

  /** The same by bytes alone, among the slots from `first` to before `last`. */
  #membersBefore(
    node: Ref,
    members: number,
    first: number,
    last: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    isAbove: boolean,
  ): number {
    const words = this.#wordsOf(node);
    const base = ((node & OFFSET_MASK) << 1) + members;
    let low = first;
    let high = last;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order = this.#compareMember(words[base + middle]!, bytes, start, end);
      if (order < 0 || (isAbove && order === 0)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compareMember(member: Ref, bytes: Uint8Array, start: number, end: number): number {
    const memberStart = byteOffset(member) + this.#bytesOffset;
    const memberEnd = memberStart + getWord(this.#arena, member, this.#lengthWord);
    return compareBytes(bytesOf(this.#arena, member), memberStart, memberEnd, bytes, start, end);
  }

  // Walking -------------------------------------------------------------------------------------------------

  get firstLeaf(): Ref {
    return this.#get(FIRST_LEAF);
  }

  get lastLeaf(): Ref {
    return this.#get(LAST_LEAF);
  }

  slotCount(leaf: Ref): number {
    return this.#word(leaf, SLOT_COUNT);
  }

  /** The leaf behind, or 0. */
  nextLeaf(leaf: Ref): Ref {
    return this.#word(leaf, NEXT);
  }

  /** The leaf in front, or 0. */
  previousLeaf(leaf: Ref): Ref {
    return this.#word(leaf, PREVIOUS);
  }

  scoreAt(leaf: Ref, slot: number): number {
    return this.#doublesOf(leaf)[(leaf & OFFSET_MASK) + SCORES + slot]!;
  }

  memberAt(leaf: Ref, slot: number): Ref {
    return this.#word(leaf, this.#leafMembers + slot);
  }

  // Inserting -----------------------------------------------------------------------------------------------

  /** Adds a member, which is not in the tree with that score. @throws OutOfMemoryError, nothing changed */
  insert(score: number, member: Ref): void {
    this.#reach(score, member);
    const leaf = this.#nodes[0]!;
    const slot = this.#slots[0]!;
    const count = this.#word(leaf, SLOT_COUNT);
    if (count < this.#leafSlots) {
      this.#openSlot(leaf, slot, count, score, member);
      this.#addToCounts(1);
      if (slot === 0) this.#firstSlotChanged();
    } else {
      this.#allocateSpares();
      this.#splitLeaf(leaf, slot, score, member);
    }
    this.#set(COUNT, this.#get(COUNT) + 1);
  }

  /** Puts the element into a leaf that has room. */
  #openSlot(leaf: Ref, slot: number, count: number, score: number, member: Ref): void {
    this.#shiftSlots(leaf, slot, slot + 1, count - slot);
    this.#doublesOf(leaf)[(leaf & OFFSET_MASK) + SCORES + slot] = score;
    this.#setNodeWord(leaf, this.#leafMembers + slot, member);
    this.#setNodeWord(leaf, SLOT_COUNT, count + 1);
  }

  /** Moves `count` slots of a leaf from one place to another: a third of a loop's time, for half a leaf. */
  #shiftSlots(leaf: Ref, from: number, to: number, count: number): void {
    if (count === 0) return;
    const scores = byteOffset(leaf) + SCORES * 8;
    moveBytes(this.#arena, leaf, scores + to * 8, scores + from * 8, scores + (from + count) * 8);
    const members = byteOffset(leaf) + this.#leafMembers * 4;
    moveBytes(this.#arena, leaf, members + to * 4, members + from * 4, members + (from + count) * 4);
  }

  /** One new node for each full one on the way, and one for a new root above it. */
  #allocateSpares(): void {
    const levels = this.#get(LEVELS);
    let needed = 1;
    while (needed <= levels && this.#word(this.#nodes[needed]!, SLOT_COUNT) === this.#innerSlots) needed++;
    if (needed > levels) needed++;
    for (let i = 0; i < needed; i++) {
      try {
        this.#spares[i] = this.#newNode();
      } catch (error) {
        for (let done = 0; done < i; done++) this.#allocator.free(this.#spares[done]!);
        throw error;
      }
    }
  }

  #newNode(): Ref {
    const node = this.#allocator.allocate(this.#nodeBytes);
    this.#setNodeWord(node, SLOT_COUNT, 0);
    this.#setNodeWord(node, PREVIOUS, 0);
    this.#setNodeWord(node, NEXT, 0);
    return node;
  }

  #splitLeaf(leaf: Ref, slot: number, score: number, member: Ref): void {
    const right = this.#spares[0]!;
    const next = this.#word(leaf, NEXT);
    const isFirst = this.#word(leaf, PREVIOUS) === 0;
    const kept = keptSlots(slot, this.#leafSlots, isFirst, next === 0);
    this.#moveSlots(leaf, kept, right, this.#leafMembers, 1);

    this.#setNodeWord(right, PREVIOUS, leaf);
    this.#setNodeWord(right, NEXT, next);
    this.#setNodeWord(leaf, NEXT, right);
    if (next === 0) this.#set(LAST_LEAF, right);
    else this.#setNodeWord(next, PREVIOUS, right);

    if (kept < this.#leafSlots && slot <= kept) this.#openSlot(leaf, slot, kept, score, member);
    else this.#openSlot(right, slot - kept, this.#leafSlots - kept, score, member);
    this.#insertChild(leaf, right);
    if (slot === 0) this.#firstSlotChanged();
  }

  /**
   * Moves the slots from `from` on to the empty node `right`: scores, members, and for an inner node what
   * stands behind them; `columns` columns of words.
   */
  #moveSlots(node: Ref, from: number, right: Ref, column: number, columns: number): void {
    const count = this.#word(node, SLOT_COUNT) - from;
    this.#copySlots(node, from, right, 0, count, column, columns);
    this.#setNodeWord(node, SLOT_COUNT, from);
    this.#setNodeWord(right, SLOT_COUNT, count);
  }

  /** Copies slots from one node to another, or backwards within one. */
  #copySlots(
    source: Ref,
    from: number,
    target: Ref,
    to: number,
    count: number,
    firstColumn: number,
    columns: number,
  ): void {
    const sourceDoubles = this.#doublesOf(source);
    const targetDoubles = this.#doublesOf(target);
    const sourceScores = (source & OFFSET_MASK) + SCORES + from;
    const targetScores = (target & OFFSET_MASK) + SCORES + to;
    for (let i = 0; i < count; i++) targetDoubles[targetScores + i] = sourceDoubles[sourceScores + i]!;

    const sourceWords = this.#wordsOf(source);
    const targetWords = this.#wordsOf(target);
    let sourceAt = ((source & OFFSET_MASK) << 1) + firstColumn + from;
    let targetAt = ((target & OFFSET_MASK) << 1) + firstColumn + to;
    for (let column = 0; column < columns; column++) {
      for (let i = 0; i < count; i++) targetWords[targetAt + i] = sourceWords[sourceAt + i]!;
      sourceAt += this.#innerSlots;
      targetAt += this.#innerSlots;
    }
  }

  /** Enters a node that was split off, level by level up to where there is room; the counts of all levels. */
  #insertChild(leaf: Ref, newLeaf: Ref): void {
    const levels = this.#get(LEVELS);
    let left = leaf;
    let right = newLeaf;
    let level = 1;
    for (; level <= levels && right !== 0; level++) {
      const node = this.#nodes[level]!;
      const slot = this.#slots[level]!;
      this.#setNodeWord(node, this.#counts + slot, this.#elementsBelow(left, level - 1));
      right = this.#openChild(node, slot + 1, right, level);
      left = node;
    }
    if (right !== 0) {
      this.#growRoot(left, right, levels);
      return;
    }
    for (; level <= levels; level++) this.#addToCount(level, 1);
  }

  /** Puts a child into an inner node; returns the node that had to be split off, or 0. */
  #openChild(node: Ref, slot: number, child: Ref, level: number): Ref {
    const count = this.#word(node, SLOT_COUNT);
    if (count < this.#innerSlots) {
      this.#setChild(node, slot, count, child, level);
      return 0;
    }
    const right = this.#spares[level]!;
    const isAtEnd = this.#spares[0] === this.#get(LAST_LEAF);
    const kept = keptSlots(slot, this.#innerSlots, false, isAtEnd);
    this.#moveSlots(node, kept, right, this.#innerMembers, 3);
    if (kept < this.#innerSlots && slot <= kept) this.#setChild(node, slot, kept, child, level);
    else this.#setChild(right, slot - kept, this.#innerSlots - kept, child, level);
    return right;
  }

  #setChild(node: Ref, slot: number, count: number, child: Ref, level: number): void {
    const doubles = this.#doublesOf(node);
    const scores = (node & OFFSET_MASK) + SCORES;
    const words = this.#wordsOf(node);
    const base = (node & OFFSET_MASK) << 1;
    for (let i = count; i > slot; i--) {
      doubles[scores + i] = doubles[scores + i - 1]!;
      words[base + this.#innerMembers + i] = words[base + this.#innerMembers + i - 1]!;
      words[base + this.#children + i] = words[base + this.#children + i - 1]!;
      words[base + this.#counts + i] = words[base + this.#counts + i - 1]!;
    }
    words[base + this.#children + slot] = child;
    words[base + this.#counts + slot] = this.#elementsBelow(child, level - 1);
    words[base + SLOT_COUNT] = count + 1;
    this.#copyFirstSlot(node, slot, level);
  }

  #growRoot(left: Ref, right: Ref, levels: number): void {
    const root = this.#spares[levels + 1]!;
    this.#setChild(root, 0, 0, left, levels + 1);
    this.#setChild(root, 1, 1, right, levels + 1);
    this.#set(ROOT, root);
    this.#set(LEVELS, levels + 1);
    this.#nodes[levels + 1] = root;
    this.#slots[levels + 1] = 0;
  }

  #elementsBelow(node: Ref, level: number): number {
    const count = this.#word(node, SLOT_COUNT);
    if (level === 0) return count;
    const words = this.#wordsOf(node);
    const counts = ((node & OFFSET_MASK) << 1) + this.#counts;
    let sum = 0;
    for (let i = 0; i < count; i++) sum += words[counts + i]!;
    return sum;
  }

  #addToCounts(by: number): void {
    for (let level = this.#get(LEVELS); level > 0; level--) this.#addToCount(level, by);
  }

  #addToCount(level: number, by: number): void {
    const node = this.#nodes[level]!;
    const at = ((node & OFFSET_MASK) << 1) + this.#counts + this.#slots[level]!;
    const words = this.#wordsOf(node);
    words[at] = words[at]! + by;
  }

  /** The leaf on the way begins with another element: the nodes above that begin with it learn of it. */
  #firstSlotChanged(): void {
    const levels = this.#get(LEVELS);
    for (let level = 1; level <= levels; level++) {
      this.#copyFirstSlot(this.#nodes[level]!, this.#slots[level]!, level);
      if (this.#slots[level] !== 0) return;
    }
  }

  /** Copies a child's first score and member into its node. */
  #copyFirstSlot(node: Ref, slot: number, level: number): void {
    const child = this.#word(node, this.#children + slot);
    const members = level === 1 ? this.#leafMembers : this.#innerMembers;
    this.#doublesOf(node)[(node & OFFSET_MASK) + SCORES + slot] =
      this.#doublesOf(child)[(child & OFFSET_MASK) + SCORES]!;
    this.#setNodeWord(node, this.#innerMembers + slot, this.#word(child, members));
  }

  // Changing a score ----------------------------------------------------------------------------------------

  /** Gives a member another score. @throws OutOfMemoryError, nothing changed */
  setScore(oldScore: number, member: Ref, score: number): void {
    this.#reach(oldScore, member);
    if (this.#setScoreInPlace(oldScore, score) || this.#moveWithinLeaf(member, score)) return;
    if (this.#slots[0] === 0) {
      this.insert(score, member);
      this.remove(oldScore, member);
      return;
    }
    // The way is known: without another search. What is not the first of its leaf finds its room again.
    this.#removeFromLeaf(1);
    try {
      this.insert(score, member);
    } catch (error) {
      this.insert(oldScore, member);
      throw error;
    }
  }

  /** When the element's neighbours remain so. */
  #setScoreInPlace(oldScore: number, score: number): boolean {
    const leaf = this.#nodes[0]!;
    const slot = this.#slots[0]!;
    // Zero and negative zero have the same place.
    if (oldScore !== score && !this.#fitsBetweenNeighbours(leaf, slot, score)) return false;
    this.#doublesOf(leaf)[(leaf & OFFSET_MASK) + SCORES + slot] = score;
    if (slot === 0) this.#firstSlotChanged();
    return true;
  }

  #fitsBetweenNeighbours(leaf: Ref, slot: number, score: number): boolean {
    const previous = slot > 0 ? this.scoreAt(leaf, slot - 1) : this.#lastScoreBefore(leaf);
    if (previous >= score) return false;
    const isLast = slot === this.#word(leaf, SLOT_COUNT) - 1;
    const next = isLast ? this.#firstScoreBehind(leaf) : this.scoreAt(leaf, slot + 1);
    return !(next <= score);
  }

  /** NaN, which compares with nothing, when there is no leaf in front. */
  #lastScoreBefore(leaf: Ref): number {
    const previous = this.#word(leaf, PREVIOUS);
    return previous === 0 ? Number.NaN : this.scoreAt(previous, this.slotCount(previous) - 1);
  }

  #firstScoreBehind(leaf: Ref): number {
    const next = this.#word(leaf, NEXT);
    return next === 0 ? Number.NaN : this.scoreAt(next, 0);
  }

  /** When the new place is in the same leaf, and the leaf's first element stays the first. */
  #moveWithinLeaf(member: Ref, score: number): boolean {
    const leaf = this.#nodes[0]!;
    const slot = this.#slots[0]!;
    const count = this.#word(leaf, SLOT_COUNT);
    if (slot === 0 || !(score > this.scoreAt(leaf, 0)) || !(score < this.scoreAt(leaf, count - 1)))
      return false;

    const bytes = bytesOf(this.#arena, member);
    const start = byteOffset(member) + this.#bytesOffset;
    const end = start + getWord(this.#arena, member, this.#lengthWord);
    const target = this.#slotsBefore(leaf, this.#leafMembers, score, bytes, start, end, false);
    this.#closeSlots(leaf, slot, 1);
    this.#openSlot(leaf, target > slot ? target - 1 : target, count - 1, score, member);
    return true;
  }

  // Removing ------------------------------------------------------------------------------------------------

  /** Takes out a member, which is in the tree with that score. */
  remove(score: number, member: Ref): void {
    this.#reach(score, member);
    assert(this.memberAt(this.#nodes[0]!, this.#slots[0]!) === member, 'the member is in the tree');
    this.#removeFromLeaf(1);
  }

  /**
   * Takes out the elements from that rank on. `visit` gets each before it is out: it may free the member, but
   * must not use the tree.
   */
  removeRange(rank: number, count: number, visit: (member: Ref) => void): void {
    let left = Math.min(count, this.count - rank);
    while (left > 0) {
      this.#reachRank(rank);
      const leaf = this.#nodes[0]!;
      const slot = this.#slots[0]!;
      const removed = Math.min(left, this.#word(leaf, SLOT_COUNT) - slot);
      for (let i = 0; i < removed; i++) visit(this.memberAt(leaf, slot + i));
      this.#removeFromLeaf(removed);
      left -= removed;
    }
  }

  /** Takes out so many slots where the way has ended; all are in that leaf. */
  #removeFromLeaf(removed: number): void {
    this.#closeSlots(this.#nodes[0]!, this.#slots[0]!, removed);
    this.#addToCounts(-removed);
    this.#set(COUNT, this.#get(COUNT) - removed);
    const levels = this.#get(LEVELS);
    for (let level = 0; level < levels; level++) this.#tidyChild(level);
    this.#shrinkRoot();
  }

  #closeSlots(leaf: Ref, slot: number, removed: number): void {
    const count = this.#word(leaf, SLOT_COUNT);
    this.#shiftSlots(leaf, slot + removed, slot, count - slot - removed);
    this.#setNodeWord(leaf, SLOT_COUNT, count - removed);
  }

  /** Sees to a node on the way that has fewer slots now, and to what its parent knows of it. */
  #tidyChild(level: number): void {
    const node = this.#nodes[level]!;
    const parent = this.#nodes[level + 1]!;
    const slot = this.#slots[level + 1]!;
    const count = this.#word(node, SLOT_COUNT);
    if (count === 0) {
      this.#dropChild(parent, slot, level);
      return;
    }
    if (this.#slots[level] === 0) this.#copyFirstSlot(parent, slot, level + 1);
    if (count >= (level === 0 ? this.#leafSlots : this.#innerSlots) * SPARSE_SHARE) return;
    if (!this.#merge(parent, slot, level) && slot > 0) this.#merge(parent, slot - 1, level);
  }

  /** Moves the slots of the child behind `slot` into that one, if they fit; true when they did. */
  #merge(parent: Ref, slot: number, level: number): boolean {
    if (slot + 1 >= this.#word(parent, SLOT_COUNT)) return false;
    const left = this.#word(parent, this.#children + slot);
    const right = this.#word(parent, this.#children + slot + 1);
    const leftCount = this.#word(left, SLOT_COUNT);
    const rightCount = this.#word(right, SLOT_COUNT);
    if (leftCount + rightCount > (level === 0 ? this.#leafSlots : this.#innerSlots)) return false;

    if (level === 0) this.#copySlots(right, 0, left, leftCount, rightCount, this.#leafMembers, 1);
    else this.#copySlots(right, 0, left, leftCount, rightCount, this.#innerMembers, 3);
    this.#setNodeWord(left, SLOT_COUNT, leftCount + rightCount);
    const moved = this.#word(parent, this.#counts + slot + 1);
    this.#setNodeWord(parent, this.#counts + slot, this.#word(parent, this.#counts + slot) + moved);
    this.#dropChild(parent, slot + 1, level);
    return true;
  }

  /** Takes a child, whose elements are elsewhere or gone, out of its parent and frees it. */
  #dropChild(parent: Ref, slot: number, level: number): void {
    const child = this.#word(parent, this.#children + slot);
    if (level === 0) this.#unlinkLeaf(child);
    this.#allocator.free(child);
    const count = this.#word(parent, SLOT_COUNT) - 1;
    this.#copySlots(parent, slot + 1, parent, slot, count - slot, this.#innerMembers, 3);
    this.#setNodeWord(parent, SLOT_COUNT, count);
  }

  #unlinkLeaf(leaf: Ref): void {
    const previous = this.#word(leaf, PREVIOUS);
    const next = this.#word(leaf, NEXT);
    if (previous === 0) this.#set(FIRST_LEAF, next);
    else this.#setNodeWord(previous, NEXT, next);
    if (next === 0) this.#set(LAST_LEAF, previous);
    else this.#setNodeWord(next, PREVIOUS, previous);
  }

  /** A root with one child gives way to it; one without any to an empty leaf, into which it is turned. */
  #shrinkRoot(): void {
    let root = this.#get(ROOT);
    let levels = this.#get(LEVELS);
    for (; levels > 0 && this.#word(root, SLOT_COUNT) === 1; levels--) {
      const child = this.#word(root, this.#children);
      this.#allocator.free(root);
      root = child;
    }
    if (levels > 0 && this.#word(root, SLOT_COUNT) === 0) {
      levels = 0;
      this.#setNodeWord(root, PREVIOUS, 0);
      this.#setNodeWord(root, NEXT, 0);
      this.#set(FIRST_LEAF, root);
      this.#set(LAST_LEAF, root);
    }
    this.#set(ROOT, root);
    this.#set(LEVELS, levels);
  }

  // The whole tree ------------------------------------------------------------------------------------------

  /**
   * Frees the tree, leaf by leaf, until told to stop; `visit` gets each member. True when all is gone. Until
   * then nothing else may be done with the tree but to call this again.
   */
  dismantle(visit: (member: Ref) => void, shouldStop: () => boolean): boolean {
    const levels = this.#get(LEVELS);
    if (levels > 0) this.#freeInnerNodes(this.#get(ROOT), levels);
    this.#set(LEVELS, 0);
    for (let leaf = this.#get(FIRST_LEAF); leaf !== 0; leaf = this.#get(FIRST_LEAF)) {
      for (let slot = this.slotCount(leaf) - 1; slot >= 0; slot--) visit(this.memberAt(leaf, slot));
      this.#set(FIRST_LEAF, this.#word(leaf, NEXT));
      this.#allocator.free(leaf);
      if (shouldStop()) return this.#get(FIRST_LEAF) === 0;
    }
    return true;
  }

  #freeInnerNodes(node: Ref, level: number): void {
    if (level > 1) {
      for (let slot = this.#word(node, SLOT_COUNT) - 1; slot >= 0; slot--)
        this.#freeInnerNodes(this.#word(node, this.#children + slot), level - 1);
    }
    this.#allocator.free(node);
  }

  /** Bytes that the allocator holds for nodes. */
  memory(): number {
    const nodeBytes = this.#allocator.usableBytes(this.#get(ROOT));
    return this.#nodesBelow(this.#get(ROOT), this.#get(LEVELS)) * nodeBytes;
  }

  #nodesBelow(node: Ref, level: number): number {
    if (level === 0) return 1;
    const count = this.#word(node, SLOT_COUNT);
    if (level === 1) return count + 1;
    let sum = 1;
    for (let slot = 0; slot < count; slot++)
      sum += this.#nodesBelow(this.#word(node, this.#children + slot), level - 1);
    return sum;
  }

  /** Throws when an invariant of the file head does not hold. */
  checkInvariants(): void {
    const levels = this.#get(LEVELS);
    const leaves: Ref[] = [];
    assert.equal(this.#checkNode(this.#get(ROOT), levels, leaves), this.count, 'elements');
    assert.equal(this.firstLeaf, leaves[0], 'first leaf');
    assert.equal(this.lastLeaf, leaves[leaves.length - 1], 'last leaf');
    for (const [i, leaf] of leaves.entries()) {
      assert.equal(this.previousLeaf(leaf), leaves[i - 1] ?? 0, 'the leaf in front');
      assert.equal(this.nextLeaf(leaf), leaves[i + 1] ?? 0, 'the leaf behind');
      if (i > 0) this.#checkOrder(leaves[i - 1]!, this.slotCount(leaves[i - 1]!) - 1, leaf, 0);
      for (let slot = 1; slot < this.slotCount(leaf); slot++) this.#checkOrder(leaf, slot - 1, leaf, slot);
    }
  }

  /** Elements of the node; its leaves are added to the list. */
  #checkNode(node: Ref, level: number, leaves: Ref[]): number {
    const count = this.#word(node, SLOT_COUNT);
    if (level === 0) {
      leaves.push(node);
      assert(count <= this.#leafSlots && (count > 0 || this.count === 0), 'a leaf has elements');
      return count;
    }
    assert(count > 0 && count <= this.#innerSlots, 'an inner node has children');
    assert(node !== this.#get(ROOT) || count > 1, 'a root has several children');
    let sum = 0;
    for (let slot = 0; slot < count; slot++) {
      const child = this.#word(node, this.#children + slot);
      const elements = this.#checkNode(child, level - 1, leaves);
      assert.equal(this.#word(node, this.#counts + slot), elements, 'elements below');
      const members = level === 1 ? this.#leafMembers : this.#innerMembers;
      assert.equal(
        this.#word(node, this.#innerMembers + slot),
        this.#word(child, members),
        "a child's first",
      );
      assert(Object.is(this.scoreAt(node, slot), this.scoreAt(child, 0)), "a child's first score");
      sum += elements;
    }
    return sum;
  }

  #checkOrder(leaf: Ref, slot: number, nextLeaf: Ref, nextSlot: number): void {
    const score = this.scoreAt(leaf, slot);
    const next = this.scoreAt(nextLeaf, nextSlot);
    assert(score <= next, 'scores ascend');
    if (score !== next) return;
    const member = this.memberAt(nextLeaf, nextSlot);
    const start = byteOffset(member) + this.#bytesOffset;
    const end = start + getWord(this.#arena, member, this.#lengthWord);
    const order = this.#compareMember(this.memberAt(leaf, slot), bytesOf(this.#arena, member), start, end);
    assert(order < 0, 'members ascend');
  }

  #wordsOf(ref: Ref): Int32Array {
    return this.#arena.words[ref >>> SEGMENT_SHIFT]!;
  }

  #doublesOf(ref: Ref): Float64Array {
    return this.#arena.doubles[ref >>> SEGMENT_SHIFT]!;
  }

  #word(node: Ref, word: number): number {
    return this.#arena.words[node >>> SEGMENT_SHIFT]![((node & OFFSET_MASK) << 1) + word]!;
  }

  #setNodeWord(node: Ref, word: number, value: number): void {
    this.#arena.words[node >>> SEGMENT_SHIFT]![((node & OFFSET_MASK) << 1) + word] = value;
  }

  #get(word: number): number {
    return this.#headerWords[this.#headerAt + word]!;
  }

  #set(word: number, value: number): void {
    this.#headerWords[this.#headerAt + word] = value;
  }
}

/**
 * How many slots of a full node stay, when one more shall stand at `slot`: half of them, but all or none
 * where elements arrive in ascending or descending order.
 */
function keptSlots(slot: number, capacity: number, isFirst: boolean, isLast: boolean): number {
  if (isLast && slot === capacity) return capacity;
  return isFirst && slot === 0 ? 0 : capacity >>> 1;
}
