/**
 * Reading and writing fields of blocks: the named accessors behind which offset arithmetic stays.
 *
 * A word is an int32 at a multiple of 4 bytes from the block's start, a double a float64 at a multiple of 8.
 */
import { OFFSET_MASK, SEGMENT_SHIFT } from './arena.ts';
import type { Arena, Ref } from './arena.ts';

/**
 * As constants of this module V8 compiles them into the code; imported ones it reads each time, and checks
 * that they are initialized. The accessors here are in everything: a command costs a tenth less.
 */
const SHIFT = SEGMENT_SHIFT;
const MASK = OFFSET_MASK;

/** A stretch of bytes in a segment: borrowed, valid until the lock is released or the block changes. */
export class BorrowedBytes {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;

  get length(): number {
    return this.end - this.start;
  }

  /** A copy that stays valid. */
  copy(): Buffer {
    return Buffer.from(this.bytes.slice(this.start, this.end).buffer as ArrayBuffer);
  }
}

export function getWord(arena: Arena, ref: Ref, word: number): number {
  return arena.words[ref >>> SHIFT]![((ref & MASK) << 1) + word]!;
}

/** As `getWord` without the lock, where the reference may be any number: 0 where there is no such word. */
export function guessWord(arena: Arena, ref: Ref, word: number): number {
  return arena.words[ref >>> SHIFT]?.[((ref & MASK) << 1) + word] ?? 0;
}

export function setWord(arena: Arena, ref: Ref, word: number, value: number): void {
  arena.words[ref >>> SHIFT]![((ref & MASK) << 1) + word] = value;
}

export function getDouble(arena: Arena, ref: Ref, double: number): number {
  return arena.doubles[ref >>> SHIFT]![(ref & MASK) + double]!;
}

export function setDouble(arena: Arena, ref: Ref, double: number, value: number): void {
  arena.doubles[ref >>> SHIFT]![(ref & MASK) + double] = value;
}

export function addDouble(arena: Arena, ref: Ref, double: number, by: number): void {
  const doubles = arena.doubles[ref >>> SHIFT]!;
  const index = (ref & MASK) + double;
  doubles[index] = doubles[index]! + by;
}

/** The segment's words, for use with `byteOffset` divided by four. */
export function wordsOf(arena: Arena, ref: Ref): Int32Array {
  return arena.words[ref >>> SHIFT]!;
}

/** The segment's bytes, for use with `byteOffset`. */
export function bytesOf(arena: Arena, ref: Ref): Uint8Array {
  return arena.bytes[ref >>> SHIFT]!;
}

/** Where the block starts in its segment, in bytes. */
export function byteOffset(ref: Ref): number {
  return (ref & MASK) << 3;
}

/** Moves bytes within the segment of a block, from one byte offset to another; the ranges may overlap. */
export function moveBytes(arena: Arena, ref: Ref, target: number, start: number, end: number): void {
  arena.moves[ref >>> SHIFT]!(target, start, end - start);
}

/** Zeroes the first `wordCount` words of a block. */
export function clearWords(arena: Arena, ref: Ref, wordCount: number): void {
  const base = (ref & MASK) << 1;
  arena.words[ref >>> SHIFT]!.fill(0, base, base + wordCount);
}
