/**
 * Set of integers in one block, byte for byte as Redis has it (Redis 7.0, intset.c), so that files take it
 * raw.
 *
 *     ┌──────────────┬───────────┬───────┬───────┬───
 *     │ encoding u32 │ count u32 │ value │ value │ …      sorted, little-endian
 *     └──────────────┴───────────┴───────┴───────┴───
 *     encoding = bytes of each value: 2, 4 or 8, as the largest that was ever in needs it
 *
 * Costs: looking up is a binary search, adding and removing move the larger values by one place; a value that
 * needs a wider encoding rewrites all. Changing a set may move its block: keep the reference that is
 * returned.
 */
import { strict as assert } from 'node:assert';
import { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { byteOffset, bytesOf, getWord, moveBytes, setWord, wordsOf } from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';
import type { Int64 } from '../util/int64.ts';

const ENCODING = 0;
const COUNT = 1;
const HEADER_WORDS = 2;
const HEADER_BYTES = HEADER_WORDS * 4;
const INT16_BYTES = 2;
const INT32_BYTES = 4;
const INT64_BYTES = 8;

/** Whether bytes from outside are a well-formed, non-empty set (intset.c, intsetValidateIntegrity). */
export function isIntSet(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < HEADER_BYTES) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, end - start);
  const width = view.getUint32(0, true);
  const count = view.getUint32(4, true);
  if (width !== INT16_BYTES && width !== INT32_BYTES && width !== INT64_BYTES) return false;
  if (count === 0 || end - start !== HEADER_BYTES + count * width) return false;
  for (let i = 1; i < count; i++) {
    const at = HEADER_BYTES + i * width;
    if (valueIn(view, at - width, width) >= valueIn(view, at, width)) return false;
  }
  return true;
}

function valueIn(view: DataView, at: number, width: number): number | bigint {
  if (width === INT16_BYTES) return view.getInt16(at, true);
  return width === INT32_BYTES ? view.getInt32(at, true) : view.getBigInt64(at, true);
}

function bytesNeeded(value: Int64): number {
  if (!value.isInt32) return INT64_BYTES;
  return value.low >= -0x8000 && value.low <= 0x7fff ? INT16_BYTES : INT32_BYTES;
}

export class IntSet {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  /** Whether the last `add` added anything. */
  added = false;
  /** Whether the last `remove` removed anything. */
  removed = false;
  /** Where the last search ended: the value's index, or the one where it belongs. */
  #index = 0;

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
  }

  create(): Ref {
    const set = this.#allocator.allocate(HEADER_BYTES);
    setWord(this.#arena, set, ENCODING, INT16_BYTES);
    setWord(this.#arena, set, COUNT, 0);
    return set;
  }

  /** A set of bytes that are one (see `isIntSet`). */
  adopt(bytes: Uint8Array, start: number, end: number): Ref {
    const set = this.#allocator.allocate(end - start);
    copyBytes(bytesOf(this.#arena, set), byteOffset(set), bytes, start, end);
    return set;
  }

  copy(set: Ref): Ref {
    const start = byteOffset(set);
    return this.adopt(bytesOf(this.#arena, set), start, start + this.byteLength(set));
  }

  byteLength(set: Ref): number {
    return HEADER_BYTES + this.count(set) * this.#width(set);
  }

  count(set: Ref): number {
    return getWord(this.#arena, set, COUNT);
  }

  /** Bytes of each value. */
  #width(set: Ref): number {
    return getWord(this.#arena, set, ENCODING);
  }

  /** Sets `value` to the one with that index, 0 ≤ index < count: the smallest first. */
  at(set: Ref, index: number, value: Int64): void {
    const width = this.#width(set);
    if (width === INT64_BYTES) {
      const words = wordsOf(this.#arena, set);
      const word = (byteOffset(set) >> 2) + HEADER_WORDS + index * 2;
      value.low = words[word]!;
      value.high = words[word + 1]!;
    } else {
      value.low = this.#narrow(set, index, width);
      value.high = value.low >> 31;
    }
  }

  /** The value with that index in a set whose values have 2 or 4 bytes. */
  #narrow(set: Ref, index: number, width: number): number {
    if (width === INT32_BYTES) return getWord(this.#arena, set, HEADER_WORDS + index);
    const pair = getWord(this.#arena, set, HEADER_WORDS + (index >> 1));
    return (index & 1) === 0 ? (pair << 16) >> 16 : pair >> 16;
  }

  contains(set: Ref, value: Int64): boolean {
    return bytesNeeded(value) <= this.#width(set) && this.#search(set, value);
  }

  /** Sets #index. The value must fit in the set's encoding. */
  #search(set: Ref, value: Int64): boolean {
    const width = this.#width(set);
    return width === INT64_BYTES ? this.#searchWide(set, value) : this.#searchNarrow(set, value.low, width);
  }

  #searchNarrow(set: Ref, value: number, width: number): boolean {
    let from = 0;
    let to = this.count(set);
    // Values often come in ascending order.
    if (to > 0 && this.#narrow(set, to - 1, width) < value) from = to;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const other = this.#narrow(set, middle, width);
      if (other === value) {
        this.#index = middle;
        return true;
      }
      if (other < value) from = middle + 1;
      else to = middle;
    }
    this.#index = from;
    return false;
  }

  #searchWide(set: Ref, value: Int64): boolean {
    const words = wordsOf(this.#arena, set);
    const first = (byteOffset(set) >> 2) + HEADER_WORDS;
    const { high } = value;
    const low = value.low >>> 0;
    let from = 0;
    let to = this.count(set);
    while (from < to) {
      const middle = (from + to) >>> 1;
      const otherLow = words[first + middle * 2]! >>> 0;
      const otherHigh = words[first + middle * 2 + 1]!;
      if (otherHigh === high && otherLow === low) {
        this.#index = middle;
        return true;
      }
      if (otherHigh < high || (otherHigh === high && otherLow < low)) from = middle + 1;
      else to = middle;
    }
    this.#index = from;
    return false;
  }

  /** Adds a value; `added` tells whether it is new. */
  add(set: Ref, value: Int64): Ref {
    const needed = bytesNeeded(value);
    const width = this.#width(set);
    if (needed > width) return this.#widenAndAdd(set, value, needed);
    this.added = !this.#search(set, value);
    if (!this.added) return set;

    const count = this.count(set);
    const index = this.#index;
    const grown = this.#resize(set, HEADER_BYTES + count * width, HEADER_BYTES + (count + 1) * width);
    const at = byteOffset(grown) + HEADER_BYTES + index * width;
    if (index < count) moveBytes(this.#arena, grown, at + width, at, at + (count - index) * width);
    setWord(this.#arena, grown, COUNT, count + 1);
    this.#set(grown, index, value);
    return grown;
  }

  /** The new value is outside of what the others are in: it becomes the first or the last. */
  #widenAndAdd(set: Ref, value: Int64, width: number): Ref {
    const count = this.count(set);
    const widened = this.#allocator.allocate(HEADER_BYTES + (count + 1) * width);
    setWord(this.#arena, widened, ENCODING, width);
    setWord(this.#arena, widened, COUNT, count + 1);
    this.#set(widened, value.high < 0 ? 0 : count, value);
    const { high, low } = value;
    const shift = high < 0 ? 1 : 0;
    for (let i = 0; i < count; i++) {
      this.at(set, i, value);
      this.#set(widened, i + shift, value);
    }
    value.high = high;
    value.low = low;
    this.#allocator.free(set);
    this.added = true;
    return widened;
  }

  /** Removes a value; `removed` tells whether it was there. */
  remove(set: Ref, value: Int64): Ref {
    this.removed = this.contains(set, value);
    return this.removed ? this.removeAt(set, this.#index) : set;
  }

  removeAt(set: Ref, index: number): Ref {
    const width = this.#width(set);
    const count = this.count(set);
    const at = byteOffset(set) + HEADER_BYTES + index * width;
    moveBytes(this.#arena, set, at, at + width, at + (count - index) * width);
    setWord(this.#arena, set, COUNT, count - 1);
    const length = HEADER_BYTES + (count - 1) * width;
    return this.#resize(set, length, length);
  }

  #set(set: Ref, index: number, value: Int64): void {
    const width = this.#width(set);
    if (width === INT64_BYTES) {
      setWord(this.#arena, set, HEADER_WORDS + index * 2, value.low);
      setWord(this.#arena, set, HEADER_WORDS + index * 2 + 1, value.high);
    } else if (width === INT32_BYTES) {
      setWord(this.#arena, set, HEADER_WORDS + index, value.low);
    } else {
      const bytes = bytesOf(this.#arena, set);
      const at = byteOffset(set) + HEADER_BYTES + index * INT16_BYTES;
      bytes[at] = value.low;
      bytes[at + 1] = value.low >> 8;
    }
  }

  /** Moves the set, with its first bytes kept, when its block is too small or more than twice too large. */
  #resize(set: Ref, keptBytes: number, byteLength: number): Ref {
    const usable = this.#allocator.usableBytes(set);
    let moved = 0;
    if (byteLength > usable) moved = this.#allocator.allocate(byteLength);
    else if (Allocator.roundedBytes(byteLength) * 2 <= usable)
      moved = this.#allocator.tryAllocate(byteLength);
    if (moved === 0) return set;
    const start = byteOffset(set);
    copyBytes(
      bytesOf(this.#arena, moved),
      byteOffset(moved),
      bytesOf(this.#arena, set),
      start,
      start + keptBytes,
    );
    this.#allocator.free(set);
    return moved;
  }

  /** Throws when the bytes are no well-formed set. */
  checkInvariants(set: Ref): void {
    const start = byteOffset(set);
    const length = this.byteLength(set);
    assert(length <= this.#allocator.usableBytes(set), 'the set fits in its block');
    assert(isIntSet(bytesOf(this.#arena, set), start, start + length), 'a well-formed set of integers');
  }
}
