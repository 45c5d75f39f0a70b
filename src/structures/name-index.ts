/**
 * Blocks that have names, in the order of their names: the groups of a stream, the consumers of a group.
 *
 *     word of the owner ──▶ block: word 0 count, word 1 room, then references in the order of memcmp
 *
 * Found by binary search; inserting moves the references behind, four bytes each. An index without blocks
 * takes nothing: the owner's word is 0.
 */
import { strict as assert } from 'node:assert';
import type { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { byteOffset, bytesOf, getWord, setWord } from '../memory/struct.ts';
import type { BorrowedBytes } from '../memory/struct.ts';
import { compareBytes } from '../util/bytes.ts';

const COUNT = 0;
const ROOM = 1;
const REFERENCES = 2;
const ROOM_MIN = 2;

/** Where the index finds the name in a block. */
export interface NameLayout {
  /** Word that holds the name's length in bytes. */
  readonly nameLengthWord: number;
  /** Byte offset of the name. */
  readonly nameOffset: number;
}

export class NameIndex {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #layout: NameLayout;
  #owner: Ref = 0;
  #word = 0;
  /** Where the last `find` ended: the block's index, or where it would have to be. */
  #index = 0;

  constructor(allocator: Allocator, layout: NameLayout) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#layout = layout;
  }

  /** Turns the view to the index that a word of a block refers to. */
  attach(owner: Ref, word: number): this {
    this.#owner = owner;
    this.#word = word;
    return this;
  }

  get #block(): Ref {
    return getWord(this.#arena, this.#owner, this.#word);
  }

  get count(): number {
    const block = this.#block;
    return block === 0 ? 0 : getWord(this.#arena, block, COUNT);
  }

  /** The n-th block in the order of names. */
  at(index: number): Ref {
    return getWord(this.#arena, this.#block, REFERENCES + index);
  }

  /** The block with that name, or 0. */
  find(bytes: Uint8Array, start: number, end: number): Ref {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const block = this.at(middle);
      const order = this.#compare(block, bytes, start, end);
      if (order === 0) {
        this.#index = middle;
        return block;
      }
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    this.#index = low;
    return 0;
  }

  #compare(block: Ref, bytes: Uint8Array, start: number, end: number): number {
    const nameStart = byteOffset(block) + this.#layout.nameOffset;
    const nameEnd = nameStart + getWord(this.#arena, block, this.#layout.nameLengthWord);
    return compareBytes(bytesOf(this.#arena, block), nameStart, nameEnd, bytes, start, end);
  }

  /** Points `view` at a block's name. */
  borrowName(block: Ref, view: BorrowedBytes): void {
    view.bytes = bytesOf(this.#arena, block);
    view.start = byteOffset(block) + this.#layout.nameOffset;
    view.end = view.start + getWord(this.#arena, block, this.#layout.nameLengthWord);
  }

  /**
   * Makes room for one more block, so that `insert` cannot fail.
   * @throws OutOfMemoryError, with the index unchanged
   */
  reserve(): void {
    const old = this.#block;
    const count = this.count;
    if (old !== 0 && count < getWord(this.#arena, old, ROOM)) return;
    const room = Math.max(ROOM_MIN, count * 2);
    const grown = this.#allocator.allocate((REFERENCES + room) * 4);
    for (let index = 0; index < count; index++)
      setWord(this.#arena, grown, REFERENCES + index, this.at(index));
    setWord(this.#arena, grown, COUNT, count);
    setWord(this.#arena, grown, ROOM, room);
    if (old !== 0) this.#allocator.free(old);
    setWord(this.#arena, this.#owner, this.#word, grown);
  }

  /** Adds a block whose name `find` has just not found; after `reserve`. */
  insert(block: Ref): void {
    const refs = this.#block;
    const count = this.count;
    for (let index = count; index > this.#index; index--)
      setWord(this.#arena, refs, REFERENCES + index, this.at(index - 1));
    setWord(this.#arena, refs, REFERENCES + this.#index, block);
    setWord(this.#arena, refs, COUNT, count + 1);
  }

  /** Takes out the block that `find` has just found; the caller frees it. */
  removeFound(): void {
    const refs = this.#block;
    const count = this.count - 1;
    for (let index = this.#index; index < count; index++)
      setWord(this.#arena, refs, REFERENCES + index, this.at(index + 1));
    this.#setCount(count);
  }

  /** Takes out the last block and returns it, or 0. */
  pop(): Ref {
    const { count } = this;
    if (count === 0) return 0;
    const block = this.at(count - 1);
    this.#setCount(count - 1);
    return block;
  }

  #setCount(count: number): void {
    const refs = this.#block;
    setWord(this.#arena, refs, COUNT, count);
    if (count > 0) return;
    this.#allocator.free(refs);
    setWord(this.#arena, this.#owner, this.#word, 0);
  }

  /** Bytes of the references; the blocks are not counted. */
  memory(): number {
    const block = this.#block;
    return block === 0 ? 0 : this.#allocator.usableBytes(block);
  }

  /** Throws when the names are not in order. */
  checkInvariants(): void {
    const { count } = this;
    if (this.#block !== 0) assert(count > 0 && count <= getWord(this.#arena, this.#block, ROOM));
    for (let index = 1; index < count; index++) {
      const block = this.at(index);
      const start = byteOffset(block) + this.#layout.nameOffset;
      const end = start + getWord(this.#arena, block, this.#layout.nameLengthWord);
      assert(this.#compare(this.at(index - 1), bytesOf(this.#arena, block), start, end) < 0, 'names ascend');
    }
  }
}
