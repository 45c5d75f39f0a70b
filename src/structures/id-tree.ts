/**
 * An ordered map from entry ids to references: a B+ tree in the arena. The nodes of a stream, and the pending
 * entries of groups and consumers, hang in such trees.
 *
 *     header (4 words, in a block of the owner)        inner node            leaf ⇄ leaf ⇄ leaf
 *     ┌──────────────────────────┐                     ┌─────────────┐       ┌─────────────┐
 *     │ root │ count │ height │ –│ ──── height ──────▶ │ id ▶ child  │ ────▶ │ id ▶ ref    │
 *     └──────────────────────────┘                     │ id ▶ child …│       │ id ▶ ref …  │
 *                                                      └─────────────┘       └─────────────┘
 *     node   word 0   entries:16 | room for entries:16
 *            word 1   next leaf, 0 = last
 *            word 2   previous leaf, 0 = first
 *            word 3   entries of five words: the id (most significant word first), the reference
 *
 * - Inner nodes and leaves look alike; `height` says how many inner nodes are above a leaf. A single leaf is
 *   as small as its entries, all other nodes are of 512 bytes.
 * - The id beside a child is a lower bound of what is in the child; that of the first child means nothing.
 * - Ids come mostly in order: a full node at the right edge is left full and gets a new neighbour, instead of
 *   being divided in the middle.
 *
 * A view has a position: the entry that was found last, from which `next` and `previous` go on. Changes by
 * another view invalidate it. Costs: all operations O(log n); 20.5 bytes an entry when ids come in order.
 *
 * Invariants (checkInvariants): ids ascend along the leaves; each is within the bounds of its inner nodes;
 * no node is empty; `count` is the sum over the leaves.
 */
import { strict as assert } from 'node:assert';
import type { Allocator } from '../memory/allocator.ts';
import { OFFSET_MASK, SEGMENT_SHIFT } from '../memory/arena.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { EntryId } from '../util/entry-id.ts';

// Header words.
const ROOT = 0;
const COUNT = 1;
const HEIGHT = 2;
export const ID_TREE_WORDS = 4;

// Node words.
const FILL = 0;
const NEXT = 1;
const PREVIOUS = 2;
const ENTRIES = 3;

const ENTRY_WORDS = 5;
/** Word of an entry that holds its reference. */
const REFERENCE = 4;

const FILL_MASK = 0xffff;
const ROOM_SHIFT = 16;
/** Fills a block of 512 bytes. */
const ROOM_MAX = 25;
/** A node with fewer entries is united with a neighbour … */
const FILL_MIN = 8;
/** … if both together have no more than these. */
const UNITED_MAX = 20;
/** 8^10 entries are more than the arena can hold. */
const HEIGHT_MAX = 12;

const SIGN = 0x80000000 | 0;

// For the moment of one call: no operation allocates.
const separator = new EntryId();
const scratch = new EntryId();

export class IdTree {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  /** Where the header's words are. */
  #headerWords: Int32Array;
  #headerAt = 0;
  /** The position: a leaf, 0 = none, and the index of an entry of it. */
  #leaf: Ref = 0;
  #index = 0;
  /** The way of the last descent: inner nodes by their level above the leaves, and the child taken. */
  readonly #pathNodes = new Int32Array(HEIGHT_MAX);
  readonly #pathIndexes = new Int32Array(HEIGHT_MAX);
  /** Nodes allocated ahead of an insertion that divides. */
  readonly #spares = new Int32Array(HEIGHT_MAX);
  #spareCount = 0;

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#headerWords = allocator.arena.words[0]!;
  }

  /** Turns the view to the tree whose header is at that word of a block; without a position. */
  attach(owner: Ref, word: number): this {
    this.#headerWords = this.#arena.words[owner >>> SEGMENT_SHIFT]!;
    this.#headerAt = ((owner & OFFSET_MASK) << 1) + word;
    this.#leaf = 0;
    return this;
  }

  /** Makes the header that of an empty tree. */
  initialize(): this {
    this.#headerWords.fill(0, this.#headerAt, this.#headerAt + ID_TREE_WORDS);
    this.#leaf = 0;
    return this;
  }

  get count(): number {
    return this.#get(COUNT);
  }

  // Looking up: each gives the reference at the new position, or 0 -----------------------------------------

  find(id: EntryId): Ref {
    if (!this.#descend(id)) return this.#nowhere();
    return this.current;
  }

  first(): Ref {
    let node = this.#get(ROOT);
    for (let level = this.#get(HEIGHT); level > 0; level--) node = this.#referenceAt(node, 0);
    return this.#moveTo(node, 0);
  }

  last(): Ref {
    let node = this.#get(ROOT);
    for (let level = this.#get(HEIGHT); level > 0; level--)
      node = this.#referenceAt(node, this.#fill(node) - 1);
    return node === 0 ? this.#nowhere() : this.#moveTo(node, this.#fill(node) - 1);
  }

  /** The first entry with that id or a greater one. */
  atLeast(id: EntryId): Ref {
    this.#descend(id);
    return this.#settle();
  }

  /** The last entry with that id or a lesser one. */
  atMost(id: EntryId): Ref {
    return this.#descend(id) ? this.current : this.previous();
  }

  /** The reference of the entry at the position; 0 when there is no position. */
  get current(): Ref {
    return this.#leaf === 0 ? 0 : this.#referenceAt(this.#leaf, this.#index);
  }

  next(): Ref {
    if (this.#leaf === 0) return 0;
    this.#index++;
    return this.#settle();
  }

  previous(): Ref {
    if (this.#leaf === 0) return 0;
    if (this.#index > 0) return this.#moveTo(this.#leaf, this.#index - 1);
    const leaf = this.#word(this.#leaf, PREVIOUS);
    return leaf === 0 ? this.#nowhere() : this.#moveTo(leaf, this.#fill(leaf) - 1);
  }

  /** Sets `id` to that of the entry at the position. */
  readId(id: EntryId): void {
    const words = this.#wordsOf(this.#leaf);
    const at = entryAt(this.#leaf, this.#index);
    id.setWords(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
  }

  /** Gives the entry at the position another reference. */
  setCurrent(ref: Ref): void {
    this.#wordsOf(this.#leaf)[entryAt(this.#leaf, this.#index) + REFERENCE] = ref;
  }

  #moveTo(leaf: Ref, index: number): Ref {
    this.#leaf = leaf;
    this.#index = index;
    return this.current;
  }

  #nowhere(): Ref {
    this.#leaf = 0;
    return 0;
  }

  /** Goes on to the next leaf from behind the last entry of one. */
  #settle(): Ref {
    if (this.#leaf !== 0 && this.#index === this.#fill(this.#leaf)) {
      this.#leaf = this.#word(this.#leaf, NEXT);
      this.#index = 0;
    }
    return this.current;
  }

  /**
   * Goes to where the id is or would be, which may be behind the last entry of a leaf. Notes the way. True
   * when the id is there.
   */
  #descend(id: EntryId): boolean {
    let node = this.#get(ROOT);
    if (node === 0) {
      this.#leaf = 0;
      return false;
    }
    for (let level = this.#get(HEIGHT) - 1; level >= 0; level--) {
      const below = this.#search(node, id, 1);
      const index = this.#isAt(node, below, id) ? below : below - 1;
      this.#pathNodes[level] = node;
      this.#pathIndexes[level] = index;
      node = this.#referenceAt(node, index);
    }
    this.#leaf = node;
    this.#index = this.#search(node, id, 0);
    return this.#isAt(node, this.#index, id);
  }

  /** Index of the first entry, from `from` on, whose id is not less; the number of entries when none is. */
  #search(node: Ref, id: EntryId, from: number): number {
    const words = this.#wordsOf(node);
    const base = entryAt(node, 0);
    let low = from;
    let high = words[base - ENTRIES]! & FILL_MASK;
    // Most often the id is greater than all.
    if (high > low && isLess(words, base + (high - 1) * ENTRY_WORDS, id)) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isLess(words, base + middle * ENTRY_WORDS, id)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #isAt(node: Ref, index: number, id: EntryId): boolean {
    const words = this.#wordsOf(node);
    const at = entryAt(node, index);
    return (
      index < this.#fill(node) &&
      words[at + 3] === id.sequenceLow &&
      words[at + 2] === id.sequenceHigh &&
      words[at + 1] === id.millisLow &&
      words[at] === id.millisHigh
    );
  }

  // Inserting -----------------------------------------------------------------------------------------------

  /**
   * Adds an entry, whose id must not be there; the position is at it then.
   * @throws OutOfMemoryError, with the tree unchanged
   */
  insert(id: EntryId, ref: Ref): void {
    if (this.#get(ROOT) === 0) {
      this.#set(ROOT, this.#newNode(1));
      this.#leaf = this.#get(ROOT);
      this.#index = 0;
    } else {
      this.#descend(id);
      if (this.#isFull(this.#leaf)) this.#makeRoom(id);
    }
    this.#insertAt(this.#leaf, this.#index, id, ref);
    this.#set(COUNT, this.#get(COUNT) + 1);
  }

  #insertAt(node: Ref, index: number, id: EntryId, ref: Ref): void {
    const words = this.#wordsOf(node);
    const at = entryAt(node, index);
    const end = entryAt(node, this.#fill(node));
    if (at !== end) words.copyWithin(at + ENTRY_WORDS, at, end);
    words[at] = id.millisHigh;
    words[at + 1] = id.millisLow;
    words[at + 2] = id.sequenceHigh;
    words[at + 3] = id.sequenceLow;
    words[at + REFERENCE] = ref;
    this.#setWord(node, FILL, this.#word(node, FILL) + 1);
  }

  /** The full leaf of the position grows, or is divided; the position stays where the id belongs. */
  #makeRoom(id: EntryId): void {
    const leaf = this.#leaf;
    if (this.#room(leaf) < ROOM_MAX) {
      this.#growRoot();
      return;
    }
    this.#allocateSpares();
    const right = this.#divide(leaf, this.#index, this.#word(leaf, NEXT) === 0);
    this.#linkBehind(leaf, right);
    const fill = this.#fill(leaf);
    if (this.#index > fill || this.#fill(right) === 0) {
      this.#leaf = right;
      this.#index -= fill;
    }
    this.#addChild(
      leaf,
      right,
      this.#fill(right) === 0 ? id : readIdAt(this.#wordsOf(right), entryAt(right, 0)),
    );
  }

  /** A single leaf: to a little more than twice its entries. */
  #growRoot(): void {
    const leaf = this.#leaf;
    const fill = this.#fill(leaf);
    const grown = this.#newNode(Math.min(ROOM_MAX, fill * 2 + 1));
    this.#copyEntries(leaf, 0, fill, grown, 0);
    this.#setFill(grown, fill);
    this.#allocator.free(leaf);
    this.#set(ROOT, grown);
    this.#leaf = grown;
  }

  /** One node for each level that has to be divided, one for a new root: nothing fails afterwards. */
  #allocateSpares(): void {
    const height = this.#get(HEIGHT);
    let needed = 1;
    while (needed <= height && this.#isFull(this.#pathNodes[needed - 1]!)) needed++;
    if (needed === height + 1) needed++;
    this.#spareCount = 0;
    try {
      for (let i = 0; i < needed; i++) {
        this.#spares[i] = this.#newNode(ROOM_MAX);
        this.#spareCount++;
      }
    } catch (error) {
      while (this.#spareCount > 0) this.#allocator.free(this.#spares[--this.#spareCount]!);
      throw error;
    }
  }

  #takeSpare(): Ref {
    return this.#spares[--this.#spareCount]!;
  }

  /** Moves the upper half of a full node to a new one, or nothing when `index` is the right edge's end. */
  #divide(node: Ref, index: number, isRightEdge: boolean): Ref {
    const right = this.#takeSpare();
    const fill = this.#fill(node);
    const kept = isRightEdge && index === fill ? fill : fill >>> 1;
    this.#copyEntries(node, kept, fill, right, 0);
    this.#setFill(node, kept);
    this.#setFill(right, fill - kept);
    return right;
  }

  /** Puts a new node beside `left`, of the lowest level, into the inner nodes of the way taken. */
  #addChild(left: Ref, right: Ref, bound: EntryId): void {
    const height = this.#get(HEIGHT);
    let [child, added] = [left, right];
    separator.set(bound);
    let isRightEdge = this.#word(right, NEXT) === 0;
    for (let level = 0; level < height; level++) {
      const parent = this.#pathNodes[level]!;
      const index = this.#pathIndexes[level]! + 1;
      if (!this.#isFull(parent)) {
        this.#insertAt(parent, index, separator, added);
        return;
      }
      isRightEdge &&= index === this.#fill(parent);
      const divided = this.#divide(parent, index, isRightEdge);
      const fill = this.#fill(parent);
      if (this.#fill(divided) === 0 || index > fill) this.#insertAt(divided, index - fill, separator, added);
      else this.#insertAt(parent, index, separator, added);
      child = parent;
      added = divided;
      separator.set(readIdAt(this.#wordsOf(divided), entryAt(divided, 0)));
    }
    const root = this.#takeSpare();
    this.#insertAt(root, 0, separator, child);
    this.#insertAt(root, 1, separator, added);
    this.#set(ROOT, root);
    this.#set(HEIGHT, height + 1);
  }

  #linkBehind(leaf: Ref, right: Ref): void {
    const next = this.#word(leaf, NEXT);
    this.#setWord(right, NEXT, next);
    this.#setWord(right, PREVIOUS, leaf);
    this.#setWord(leaf, NEXT, right);
    if (next !== 0) this.#setWord(next, PREVIOUS, right);
  }

  // Removing ------------------------------------------------------------------------------------------------

  /** Removes the entry with that id. Returns its reference, or 0; the position is at the entry behind it. */
  remove(id: EntryId): Ref {
    if (!this.#descend(id)) return this.#nowhere();
    const ref = this.current;
    this.#removeAt(this.#leaf, this.#index);
    this.#set(COUNT, this.#get(COUNT) - 1);
    this.#shrink();
    this.#settle();
    return ref;
  }

  /** Frees leaf by leaf from the start, giving each reference to `visit`, until told to stop. True = all. */
  dismantle(visit: (ref: Ref) => void, shouldStop: () => boolean): boolean {
    while (this.first() !== 0) {
      const leaf = this.#leaf;
      const fill = this.#fill(leaf);
      for (let index = 0; index < fill; index++) visit(this.#referenceAt(leaf, index));
      this.#set(COUNT, this.#get(COUNT) - fill);
      this.#descend(readIdAt(this.#wordsOf(leaf), entryAt(leaf, 0)));
      this.#setFill(leaf, 0);
      this.#shrink();
      if (shouldStop()) return false;
    }
    return true;
  }

  #removeAt(node: Ref, index: number): void {
    const words = this.#wordsOf(node);
    const at = entryAt(node, index);
    const end = entryAt(node, this.#fill(node));
    if (at + ENTRY_WORDS !== end) words.copyWithin(at, at + ENTRY_WORDS, end);
    this.#setWord(node, FILL, this.#word(node, FILL) - 1);
  }

  /** After a removal from the leaf of the position, whose way is noted: unites or frees what is too empty. */
  #shrink(): void {
    let node = this.#leaf;
    const height = this.#get(HEIGHT);
    for (let level = 0; level < height && this.#fill(node) < FILL_MIN; level++) {
      const parent = this.#pathNodes[level]!;
      const index = this.#pathIndexes[level]!;
      const isLeaf = level === 0;
      if (this.#fill(node) === 0) this.#dropEmpty(node, parent, index, isLeaf);
      else if (!this.#unite(parent, index, isLeaf) && !this.#unite(parent, index - 1, isLeaf)) break;
      node = parent;
    }
    this.#lowerRoot();
  }

  #dropEmpty(node: Ref, parent: Ref, index: number, isLeaf: boolean): void {
    this.#removeAt(parent, index);
    if (isLeaf) {
      this.#leaf = this.#word(node, NEXT);
      this.#index = 0;
      this.#unlink(node);
    }
    this.#allocator.free(node);
  }

  #unlink(leaf: Ref): void {
    const next = this.#word(leaf, NEXT);
    const previous = this.#word(leaf, PREVIOUS);
    if (next !== 0) this.#setWord(next, PREVIOUS, previous);
    if (previous !== 0) this.#setWord(previous, NEXT, next);
  }

  /** Moves the entries of a parent's child `index + 1` into child `index`, if there are both and they fit. */
  #unite(parent: Ref, index: number, isLeaf: boolean): boolean {
    if (index < 0 || index + 1 >= this.#fill(parent)) return false;
    const left = this.#referenceAt(parent, index);
    const right = this.#referenceAt(parent, index + 1);
    const leftFill = this.#fill(left);
    const rightFill = this.#fill(right);
    if (leftFill + rightFill > UNITED_MAX) return false;

    this.#copyEntries(right, 0, rightFill, left, leftFill);
    this.#setFill(left, leftFill + rightFill);
    if (isLeaf) {
      this.#unlink(right);
      if (this.#leaf === right) {
        this.#leaf = left;
        this.#index += leftFill;
      }
    } else {
      // The bound of a first child means nothing; now it is one of the others.
      this.#copyId(parent, index + 1, left, leftFill);
    }
    this.#removeAt(parent, index + 1);
    this.#allocator.free(right);
    return true;
  }

  /** A root with one child, or none, is of no use. */
  #lowerRoot(): void {
    let root = this.#get(ROOT);
    let height = this.#get(HEIGHT);
    while (height > 0 && this.#fill(root) === 1) {
      const child = this.#referenceAt(root, 0);
      this.#allocator.free(root);
      root = child;
      height--;
    }
    if (this.#fill(root) === 0) {
      this.#allocator.free(root);
      root = 0;
      height = 0;
      this.#leaf = 0;
    }
    this.#set(ROOT, root);
    this.#set(HEIGHT, height);
  }

  // Facts ---------------------------------------------------------------------------------------------------

  /** Bytes that the allocator holds for the nodes. */
  memory(): number {
    const root = this.#get(ROOT);
    return root === 0 ? 0 : this.#memoryOf(root, this.#get(HEIGHT));
  }

  #memoryOf(node: Ref, height: number): number {
    let bytes = this.#allocator.usableBytes(node);
    if (height === 0) return bytes;
    for (let index = 0; index < this.#fill(node); index++)
      bytes += this.#memoryOf(this.#referenceAt(node, index), height - 1);
    return bytes;
  }

  /** Throws when an invariant of the file head does not hold. */
  checkInvariants(): void {
    const root = this.#get(ROOT);
    const height = this.#get(HEIGHT);
    if (root === 0) {
      assert(height === 0 && this.count === 0, 'an empty tree');
      return;
    }
    const leaves: Ref[] = [];
    this.#checkNode(root, height, undefined, undefined, leaves);
    let count = 0;
    for (const [i, leaf] of leaves.entries()) {
      count += this.#fill(leaf);
      assert.equal(this.#word(leaf, NEXT), leaves[i + 1] ?? 0, 'leaves are linked');
      assert.equal(this.#word(leaf, PREVIOUS), leaves[i - 1] ?? 0, 'leaves are linked backwards');
    }
    assert.equal(count, this.count, 'entries in the leaves');
  }

  #checkNode(
    node: Ref,
    height: number,
    least: EntryId | undefined,
    below: EntryId | undefined,
    leaves: Ref[],
  ): void {
    const fill = this.#fill(node);
    const words = this.#wordsOf(node);
    assert(fill > 0 && fill <= this.#room(node), 'a node is neither empty nor overfull');
    assert((ENTRIES + this.#room(node) * ENTRY_WORDS) * 4 <= this.#allocator.usableBytes(node));
    if (height === 0) leaves.push(node);
    const ids: (EntryId | undefined)[] = [];
    for (let index = 0; index < fill; index++) ids.push(readIdAt(words, entryAt(node, index)).copy());
    // An inner node's first id means nothing.
    if (height > 0) ids[0] = least;
    ids.push(below);
    for (let index = 0; index < fill; index++) {
      const [id, next] = [ids[index], ids[index + 1]];
      assert(id === undefined || next === undefined || id.compare(next) < 0, 'ids ascend');
      if (height > 0) this.#checkNode(this.#referenceAt(node, index), height - 1, id, next, leaves);
    }
    const [first] = ids;
    assert(least === undefined || first === undefined || least.compare(first) <= 0, 'not below its bound');
  }

  // Nodes ---------------------------------------------------------------------------------------------------

  #newNode(room: number): Ref {
    const node = this.#allocator.allocate((ENTRIES + room * ENTRY_WORDS) * 4);
    this.#setWord(node, FILL, room << ROOM_SHIFT);
    this.#setWord(node, NEXT, 0);
    this.#setWord(node, PREVIOUS, 0);
    return node;
  }

  #copyEntries(source: Ref, start: number, end: number, target: Ref, position: number): void {
    const from = this.#wordsOf(source);
    const to = this.#wordsOf(target);
    const stop = entryAt(source, end);
    for (let i = entryAt(source, start), j = entryAt(target, position); i < stop; i++, j++) to[j] = from[i]!;
  }

  #copyId(source: Ref, index: number, target: Ref, position: number): void {
    const from = entryAt(source, index);
    const to = entryAt(target, position);
    for (let word = 0; word < REFERENCE; word++)
      this.#wordsOf(target)[to + word] = this.#wordsOf(source)[from + word]!;
  }

  #isFull(node: Ref): boolean {
    const fill = this.#word(node, FILL);
    return (fill & FILL_MASK) === fill >>> ROOM_SHIFT;
  }

  #fill(node: Ref): number {
    return this.#word(node, FILL) & FILL_MASK;
  }

  #setFill(node: Ref, fill: number): void {
    this.#setWord(node, FILL, (this.#room(node) << ROOM_SHIFT) | fill);
  }

  #room(node: Ref): number {
    return this.#word(node, FILL) >>> ROOM_SHIFT;
  }

  #referenceAt(node: Ref, index: number): Ref {
    if (node === 0) return 0;
    return this.#wordsOf(node)[entryAt(node, index) + REFERENCE]!;
  }

  #word(node: Ref, word: number): number {
    return this.#wordsOf(node)[((node & OFFSET_MASK) << 1) + word]!;
  }

  #setWord(node: Ref, word: number, value: number): void {
    this.#wordsOf(node)[((node & OFFSET_MASK) << 1) + word] = value;
  }

  #wordsOf(ref: Ref): Int32Array {
    return this.#arena.words[ref >>> SEGMENT_SHIFT]!;
  }

  #get(word: number): number {
    return this.#headerWords[this.#headerAt + word]!;
  }

  #set(word: number, value: number): void {
    this.#headerWords[this.#headerAt + word] = value;
  }
}

/** Index of an entry's first word in its segment. */
function entryAt(node: Ref, index: number): number {
  return ((node & OFFSET_MASK) << 1) + ENTRIES + index * ENTRY_WORDS;
}

function readIdAt(words: Int32Array, at: number): EntryId {
  return scratch.setWords(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
}

/** Whether the id of the entry there is less: word by word, unsigned. */
function isLess(words: Int32Array, at: number, id: EntryId): boolean {
  const millisHigh = words[at]!;
  if (millisHigh !== id.millisHigh) return (millisHigh ^ SIGN) < (id.millisHigh ^ SIGN);
  const millisLow = words[at + 1]!;
  if (millisLow !== id.millisLow) return (millisLow ^ SIGN) < (id.millisLow ^ SIGN);
  const sequenceHigh = words[at + 2]!;
  if (sequenceHigh !== id.sequenceHigh) return (sequenceHigh ^ SIGN) < (id.sequenceHigh ^ SIGN);
  return (words[at + 3]! ^ SIGN) < (id.sequenceLow ^ SIGN);
}
