/**
 * A growing array of references in the arena: the index of entries that expire, for instance.
 *
 *     header              directory (doubles when full)      chunks of 1,024 references
 *     ┌───────────┐       ┌───┬───┬───┐                      ┌──────────────────────┐
 *     │ count     │──────▶│ ● │ ● │   │ ────────────────────▶│ ref ref ref …        │
 *     └───────────┘       └───┴───┴───┘                      └──────────────────────┘
 *
 * Growing never copies the references themselves: no operation takes longer than copying the directory (4
 * bytes per 1,024 elements). Order means nothing to the users: they remove by moving the last element into
 * the gap.
 */
import { strict as assert } from 'node:assert';
import { OFFSET_MASK, SEGMENT_SHIFT } from '../memory/arena.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';

const COUNT = 0;
const DIRECTORY = 1;
const DIRECTORY_CAPACITY = 2;
export const REF_VECTOR_WORDS = 4;

const CHUNK_SHIFT = 10;
const CHUNK_REFS = 1 << CHUNK_SHIFT;
const DIRECTORY_CAPACITY_MIN = 4;

export class RefVector {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #header: Ref;
  /** Word offset of the vector's header in the block `header`. */
  readonly #headerWord: number;

  constructor(allocator: Allocator, header: Ref, headerWord: number) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#header = header;
    this.#headerWord = headerWord;
  }

  get count(): number {
    return this.#get(COUNT);
  }

  at(index: number): Ref {
    assert(index >= 0 && index < this.count);
    const chunk = this.#chunk(index >>> CHUNK_SHIFT);
    return this.#wordsOf(chunk)[((chunk & OFFSET_MASK) << 1) + (index & (CHUNK_REFS - 1))]!;
  }

  set(index: number, ref: Ref): void {
    assert(index >= 0 && index < this.count);
    this.#put(index, ref);
  }

  /** Appends and returns the index. */
  push(ref: Ref): number {
    const index = this.count;
    if ((index & (CHUNK_REFS - 1)) === 0) this.#addChunk(index >>> CHUNK_SHIFT);
    this.#set(COUNT, index + 1);
    this.#put(index, ref);
    return index;
  }

  /** Removes the last element and returns it. */
  pop(): Ref {
    const index = this.count - 1;
    const ref = this.at(index);
    this.#set(COUNT, index);
    if ((index & (CHUNK_REFS - 1)) === 0) this.#allocator.free(this.#chunk(index >>> CHUNK_SHIFT));
    if (index === 0) {
      this.#allocator.free(this.#get(DIRECTORY));
      this.#set(DIRECTORY, 0);
      this.#set(DIRECTORY_CAPACITY, 0);
    }
    return ref;
  }

  /** Forgets all elements. */
  clear(): void {
    for (let i = 0; i < Math.ceil(this.count / CHUNK_REFS); i++) this.#allocator.free(this.#chunk(i));
    if (this.#get(DIRECTORY) !== 0) this.#allocator.free(this.#get(DIRECTORY));
    this.#set(COUNT, 0);
    this.#set(DIRECTORY, 0);
    this.#set(DIRECTORY_CAPACITY, 0);
  }

  #put(index: number, ref: Ref): void {
    const chunk = this.#chunk(index >>> CHUNK_SHIFT);
    this.#wordsOf(chunk)[((chunk & OFFSET_MASK) << 1) + (index & (CHUNK_REFS - 1))] = ref;
  }

  #chunk(index: number): Ref {
    const directory = this.#get(DIRECTORY);
    return this.#wordsOf(directory)[((directory & OFFSET_MASK) << 1) + index]!;
  }

  #addChunk(index: number): void {
    if (index === this.#get(DIRECTORY_CAPACITY)) this.#growDirectory();
    const chunk = this.#allocator.allocate(CHUNK_REFS * 4);
    const directory = this.#get(DIRECTORY);
    this.#wordsOf(directory)[((directory & OFFSET_MASK) << 1) + index] = chunk;
  }

  #growDirectory(): void {
    const capacity = this.#get(DIRECTORY_CAPACITY);
    const grown = Math.max(DIRECTORY_CAPACITY_MIN, capacity * 2);
    const target = this.#allocator.allocate(grown * 4);
    const source = this.#get(DIRECTORY);
    for (let i = 0; i < capacity; i++) {
      this.#wordsOf(target)[((target & OFFSET_MASK) << 1) + i] =
        this.#wordsOf(source)[((source & OFFSET_MASK) << 1) + i]!;
    }
    if (source !== 0) this.#allocator.free(source);
    this.#set(DIRECTORY, target);
    this.#set(DIRECTORY_CAPACITY, grown);
  }

  #wordsOf(ref: Ref): Int32Array {
    return this.#arena.words[ref >>> SEGMENT_SHIFT]!;
  }

  #get(word: number): number {
    return this.#wordsOf(this.#header)[((this.#header & OFFSET_MASK) << 1) + this.#headerWord + word]!;
  }

  #set(word: number, value: number): void {
    this.#wordsOf(this.#header)[((this.#header & OFFSET_MASK) << 1) + this.#headerWord + word] = value;
  }
}
