/**
 * The fields of a hash that expire, the soonest first: a binary heap of elements, in which each element knows
 * its place. Adding and removing cost O(log n), finding the soonest O(1).
 *
 *     header of the hash   word HEAP_REFS    block of references, doubled when full; 0 = no field expires
 *                          word HEAP_COUNT   fields in it
 *
 * Invariants (checkInvariants): no element expires before its parent, the one at (place − 1) / 2; each
 * element is where it says.
 */
import { strict as assert } from 'node:assert';
import type { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { byteOffset, bytesOf, getWord, setWord } from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';
import { COLLECTION_HEADER_WORDS } from './collection-header.ts';
import { getFieldExpiry, getHeapPlace, setHeapPlace } from './field-element.ts';

const HEAP_REFS = COLLECTION_HEADER_WORDS;
export const FIELD_HEAP_COUNT = COLLECTION_HEADER_WORDS + 1;
const HEAP_COUNT = FIELD_HEAP_COUNT;
/** Words of a hash's header up to the heap's end. */
export const FIELD_HEAP_END = COLLECTION_HEADER_WORDS + 2;

const CAPACITY_MIN = 4;

export class FieldHeap {
  readonly #allocator: Allocator;
  readonly #arena: Arena;

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
  }

  count(header: Ref): number {
    return getWord(this.#arena, header, HEAP_COUNT);
  }

  /** Bytes that the allocator holds for it. */
  memory(header: Ref): number {
    const refs = getWord(this.#arena, header, HEAP_REFS);
    return refs === 0 ? 0 : this.#allocator.usableBytes(refs);
  }

  /** The element that expires first, or 0. */
  soonest(header: Ref): Ref {
    return this.count(header) === 0 ? 0 : this.#at(header, 0);
  }

  /** Adds an element, whose expiry time is written. */
  add(header: Ref, element: Ref): void {
    const count = this.count(header);
    this.#makeRoom(header, count + 1);
    setWord(this.#arena, header, HEAP_COUNT, count + 1);
    this.#rise(header, element, count);
  }

  remove(header: Ref, element: Ref): void {
    const place = getHeapPlace(this.#arena, element);
    const lastPlace = this.count(header) - 1;
    const last = this.#at(header, lastPlace);
    setWord(this.#arena, header, HEAP_COUNT, lastPlace);
    if (last !== element) {
      this.#put(header, last, place);
      this.update(header, last);
    }
    if (lastPlace === 0) this.clear(header);
  }

  /** The element's expiry time has changed. */
  update(header: Ref, element: Ref): void {
    this.#rise(header, element, getHeapPlace(this.#arena, element));
    this.#sink(header, element, getHeapPlace(this.#arena, element));
  }

  /** Another block has taken the element's place in the hash; its place in the heap is written. */
  moved(header: Ref, element: Ref): void {
    this.#put(header, element, getHeapPlace(this.#arena, element));
  }

  /** Forgets all elements. */
  clear(header: Ref): void {
    const refs = getWord(this.#arena, header, HEAP_REFS);
    if (refs !== 0) this.#allocator.free(refs);
    setWord(this.#arena, header, HEAP_REFS, 0);
    setWord(this.#arena, header, HEAP_COUNT, 0);
  }

  #makeRoom(header: Ref, count: number): void {
    const refs = getWord(this.#arena, header, HEAP_REFS);
    if (refs !== 0 && count * 4 <= this.#allocator.usableBytes(refs)) return;
    const grown = this.#allocator.allocate(Math.max(CAPACITY_MIN, (count - 1) * 2) * 4);
    if (refs !== 0) {
      const start = byteOffset(refs);
      const end = start + (count - 1) * 4;
      copyBytes(bytesOf(this.#arena, grown), byteOffset(grown), bytesOf(this.#arena, refs), start, end);
      this.#allocator.free(refs);
    }
    setWord(this.#arena, header, HEAP_REFS, grown);
  }

  #at(header: Ref, place: number): Ref {
    return getWord(this.#arena, getWord(this.#arena, header, HEAP_REFS), place);
  }

  #put(header: Ref, element: Ref, place: number): void {
    setWord(this.#arena, getWord(this.#arena, header, HEAP_REFS), place, element);
    setHeapPlace(this.#arena, element, place);
  }

  #rise(header: Ref, element: Ref, from: number): void {
    const expiry = getFieldExpiry(this.#arena, element);
    let place = from;
    while (place > 0) {
      const parentPlace = (place - 1) >>> 1;
      const parent = this.#at(header, parentPlace);
      if (getFieldExpiry(this.#arena, parent) <= expiry) break;
      this.#put(header, parent, place);
      place = parentPlace;
    }
    this.#put(header, element, place);
  }

  #sink(header: Ref, element: Ref, from: number): void {
    const expiry = getFieldExpiry(this.#arena, element);
    let place = from;
    for (;;) {
      const childPlace = this.#soonerChild(header, place);
      if (childPlace < 0) break;
      const child = this.#at(header, childPlace);
      if (getFieldExpiry(this.#arena, child) >= expiry) break;
      this.#put(header, child, place);
      place = childPlace;
    }
    this.#put(header, element, place);
  }

  /** Which of a place's children expires first; -1 = it has none. */
  #soonerChild(header: Ref, place: number): number {
    const left = place * 2 + 1;
    const right = left + 1;
    const count = this.count(header);
    if (left >= count) return -1;
    if (right >= count) return left;
    const leftExpiry = getFieldExpiry(this.#arena, this.#at(header, left));
    return getFieldExpiry(this.#arena, this.#at(header, right)) < leftExpiry ? right : left;
  }

  /** Throws when an invariant of the file head does not hold. */
  checkInvariants(header: Ref): void {
    for (let place = 0; place < this.count(header); place++) {
      const element = this.#at(header, place);
      assert.equal(getHeapPlace(this.#arena, element), place, 'an element knows its place in the heap');
      const parent = this.#at(header, place === 0 ? 0 : (place - 1) >>> 1);
      assert(getFieldExpiry(this.#arena, parent) <= getFieldExpiry(this.#arena, element), 'heap order');
    }
  }
}
