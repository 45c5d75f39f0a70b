/**
 * Long strings that a running snapshot has yet to save, and that clients may change meanwhile.
 *
 * A string with a block of its own, of more than LONG_STRING_BYTES_MIN, is too long to be copied at once, be
 * it by the snapshot or by the client that changes it. So the snapshot *holds* it: a record notes the key as
 * it was at the cut, and the snapshot reads the block later, piece by piece. The entry knows the record (the
 * word behind its reference to the block), the record knows the entry.
 *
 *     entry ──▶ block ◀── record
 *       └─────────────────▶│
 *                          └─▶ pieces
 *
 * A client frees or replaces the value: the block is not freed but left to the record, without a copy. It
 * writes some bytes in place: the pieces that it touches, and that are not saved yet, are copied first.
 *
 * The record (all of it in one block):
 *     words 0, 1   next and previous record of the list of those that wait
 *     word  2      the entry, 0 when the block belongs to the record
 *     word  3      block
 *     word  4      length at the cut, bytes
 *     word  5      pieces that are saved
 *     word  6      table of copied pieces, 0 = none: a reference per piece, 0 = still in the block
 *     word  7      KiB that are kept only for the snapshot: a block of its own, and copied pieces
 *     word  8      index of the database at the cut
 *     word  9      1 = in the list, 0 = being saved
 *     byte 40      the entry's own block as it was: key, expiry, access clock
 *
 * Its header, shared by all threads: first and last record of the list, and the KiB of all in it.
 */
import { strict as assert } from 'node:assert';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { byteOffset, bytesOf, clearWords, getWord, setWord } from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';
import { ENTRY_META, ENTRY_VALUE, FLAG_APART, getApart, getHeld, imageBytes, setHeld } from './entry.ts';

/** Strings of more bytes than this are held; others are copied as a whole. */
const LONG_STRING_BYTES_MIN = 64 * 1024;
/** What is copied at once of a long string. */
export const PIECE_BYTES = 256 * 1024;

// Header words.
const FIRST = 0;
const LAST = 1;
const WAITING_KIB = 2;

// Record words.
const NEXT = 0;
const PREVIOUS = 1;
const ENTRY = 2;
const BLOCK = 3;
const LENGTH = 4;
const SAVED_PIECES = 5;
const PIECES = 6;
const KEPT_KIB = 7;
const CUT_INDEX = 8;
const IS_WAITING = 9;
const IMAGE_OFFSET = 40;

export class HeldStrings {
  readonly #arena: Arena;
  readonly #allocator: Allocator;
  readonly #header: Ref;
  /** Word of the block `header` that the header begins at. */
  readonly #headerWord: number;

  constructor(allocator: Allocator, header: Ref, headerWord: number) {
    this.#arena = allocator.arena;
    this.#allocator = allocator;
    this.#header = header;
    this.#headerWord = headerWord;
  }

  /** Whether the entry's value is a string that is too long to be copied at once. */
  isLong(entry: Ref): boolean {
    return (
      (getWord(this.#arena, entry, ENTRY_META) & FLAG_APART) !== 0 &&
      getWord(this.#arena, entry, ENTRY_VALUE) > LONG_STRING_BYTES_MIN
    );
  }

  /**
   * Bytes that are kept only for the snapshot, in strings that still wait for it. Needs no lock: it is a
   * hint.
   */
  get waitingBytes(): number {
    return this.#get(WAITING_KIB) * 1024;
  }

  // For those who change values -----------------------------------------------------------------------------

  /**
   * Holds the entry's value, as it is now, for the snapshot; false when there is no memory for the record.
   */
  hold(entry: Ref, cutIndex: number): boolean {
    const arena = this.#arena;
    const imageLength = imageBytes(arena, entry);
    const record = this.#allocator.tryAllocate(IMAGE_OFFSET + imageLength);
    if (record === 0) return false;

    assert.equal(getHeld(arena, entry), 0, 'a value is held once');
    clearWords(arena, record, IMAGE_OFFSET / 4);
    setWord(arena, record, ENTRY, entry);
    setWord(arena, record, BLOCK, getApart(arena, entry));
    setWord(arena, record, LENGTH, getWord(arena, entry, ENTRY_VALUE));
    setWord(arena, record, CUT_INDEX, cutIndex);
    const image = byteOffset(entry);
    const target = byteOffset(record) + IMAGE_OFFSET;
    copyBytes(bytesOf(arena, record), target, bytesOf(arena, entry), image, image + imageLength);
    setHeld(arena, entry, record);
    this.#link(record, this.#get(LAST));
    return true;
  }

  /** Frees a string's block, or leaves it to the record that holds it (0 = none). */
  freeBlock(block: Ref, record: Ref): void {
    if (record === 0) {
      this.#allocator.free(block);
      return;
    }
    assert.equal(getWord(this.#arena, record, BLOCK), block);
    setWord(this.#arena, record, ENTRY, 0);
    this.#keep(record, block);
  }

  /** Called before bytes [from, to) of a held block are written: copies what the snapshot still needs. */
  willWrite(record: Ref, from: number, to: number): void {
    const length = getWord(this.#arena, record, LENGTH);
    const first = Math.max(Math.floor(from / PIECE_BYTES), getWord(this.#arena, record, SAVED_PIECES));
    const end = Math.ceil(Math.min(to, length) / PIECE_BYTES);
    for (let piece = first; piece < end; piece++) this.#copyPiece(record, piece);
  }

  /** The entry of a string with a block of its own is at another place now. */
  entryMoved(entry: Ref): void {
    const record = getHeld(this.#arena, entry);
    if (record !== 0) setWord(this.#arena, record, ENTRY, entry);
  }

  #copyPiece(record: Ref, piece: number): void {
    const arena = this.#arena;
    const pieces = this.#pieces(record);
    if (getWord(arena, pieces, piece) !== 0) return;
    const copy = this.#allocator.allocate(this.#pieceBytes(record, piece));
    const block = getWord(arena, record, BLOCK);
    const start = byteOffset(block) + piece * PIECE_BYTES;
    const end = start + this.#pieceBytes(record, piece);
    copyBytes(bytesOf(arena, copy), byteOffset(copy), bytesOf(arena, block), start, end);
    setWord(arena, pieces, piece, copy);
    this.#keep(record, copy);
  }

  /** The record's table of copied pieces. */
  #pieces(record: Ref): Ref {
    const known = getWord(this.#arena, record, PIECES);
    if (known !== 0) return known;
    const count = this.#pieceCount(record);
    const table = this.#allocator.allocate(count * 4);
    clearWords(this.#arena, table, count);
    setWord(this.#arena, record, PIECES, table);
    return table;
  }

  /** Counts a block that only the snapshot needs; its record goes to the front, to be rid of it soon. */
  #keep(record: Ref, block: Ref): void {
    const isWaiting = getWord(this.#arena, record, IS_WAITING) !== 0;
    if (isWaiting) this.#unlink(record);
    setWord(this.#arena, record, KEPT_KIB, getWord(this.#arena, record, KEPT_KIB) + this.#kibOf(block));
    if (isWaiting) this.#link(record, 0);
  }

  #kibOf(block: Ref): number {
    return Math.ceil(this.#allocator.usableBytes(block) / 1024);
  }

  // For the snapshot ----------------------------------------------------------------------------------------

  get isEmpty(): boolean {
    return this.#get(FIRST) === 0;
  }

  /** Takes a record off the list, to save it next: one of which memory is kept, if there is one. */
  take(): Ref {
    const record = this.#get(FIRST);
    assert(record !== 0);
    this.#unlink(record);
    return record;
  }

  cutIndexOf(record: Ref): number {
    return getWord(this.#arena, record, CUT_INDEX);
  }

  /** The value's length at the cut, bytes. */
  lengthOf(record: Ref): number {
    return getWord(this.#arena, record, LENGTH);
  }

  /** A block that begins as the entry did at the cut (key, expiry, access clock); valid until `finish`. */
  imageOf(record: Ref): Ref {
    return (record + IMAGE_OFFSET / 8) | 0;
  }

  isSaved(record: Ref): boolean {
    return getWord(this.#arena, record, SAVED_PIECES) === this.#pieceCount(record);
  }

  /** Copies the next piece, at most PIECE_BYTES, to `target` at `at`; returns where it ends there. */
  savePiece(record: Ref, target: Uint8Array, at: number): number {
    const arena = this.#arena;
    const piece = getWord(arena, record, SAVED_PIECES);
    const length = this.#pieceBytes(record, piece);
    const pieces = getWord(arena, record, PIECES);
    const copy = pieces === 0 ? 0 : getWord(arena, pieces, piece);
    setWord(arena, record, SAVED_PIECES, piece + 1);
    if (copy === 0) {
      const block = getWord(arena, record, BLOCK);
      const start = byteOffset(block) + piece * PIECE_BYTES;
      return copyBytes(target, at, bytesOf(arena, block), start, start + length);
    }
    const end = copyBytes(target, at, bytesOf(arena, copy), byteOffset(copy), byteOffset(copy) + length);
    this.#dropPiece(record, pieces, piece);
    return end;
  }

  /** The snapshot needs a record no more that it has taken: frees it, and what only it has kept. */
  finish(record: Ref): void {
    const arena = this.#arena;
    assert.equal(getWord(arena, record, IS_WAITING), 0);
    const pieces = getWord(arena, record, PIECES);
    if (pieces !== 0) {
      const count = this.#pieceCount(record);
      for (let piece = getWord(arena, record, SAVED_PIECES); piece < count; piece++) {
        if (getWord(arena, pieces, piece) !== 0) this.#dropPiece(record, pieces, piece);
      }
      this.#allocator.free(pieces);
    }
    const entry = getWord(arena, record, ENTRY);
    if (entry === 0) this.#allocator.free(getWord(arena, record, BLOCK));
    else setHeld(arena, entry, 0);
    this.#allocator.free(record);
  }

  #dropPiece(record: Ref, pieces: Ref, piece: number): void {
    const copy = getWord(this.#arena, pieces, piece);
    const kept = getWord(this.#arena, record, KEPT_KIB) - this.#kibOf(copy);
    setWord(this.#arena, record, KEPT_KIB, kept);
    setWord(this.#arena, pieces, piece, 0);
    this.#allocator.free(copy);
  }

  #pieceCount(record: Ref): number {
    return Math.ceil(getWord(this.#arena, record, LENGTH) / PIECE_BYTES);
  }

  #pieceBytes(record: Ref, piece: number): number {
    return Math.min(PIECE_BYTES, getWord(this.#arena, record, LENGTH) - piece * PIECE_BYTES);
  }

  // The list ------------------------------------------------------------------------------------------------

  /** Puts a record behind another, or at the front (0). */
  #link(record: Ref, previous: Ref): void {
    const arena = this.#arena;
    const next = previous === 0 ? this.#get(FIRST) : getWord(arena, previous, NEXT);
    setWord(arena, record, PREVIOUS, previous);
    setWord(arena, record, NEXT, next);
    if (previous === 0) this.#set(FIRST, record);
    else setWord(arena, previous, NEXT, record);
    if (next === 0) this.#set(LAST, record);
    else setWord(arena, next, PREVIOUS, record);
    setWord(arena, record, IS_WAITING, 1);
    this.#set(WAITING_KIB, this.#get(WAITING_KIB) + getWord(arena, record, KEPT_KIB));
  }

  #unlink(record: Ref): void {
    const arena = this.#arena;
    const previous = getWord(arena, record, PREVIOUS);
    const next = getWord(arena, record, NEXT);
    if (previous === 0) this.#set(FIRST, next);
    else setWord(arena, previous, NEXT, next);
    if (next === 0) this.#set(LAST, previous);
    else setWord(arena, next, PREVIOUS, previous);
    setWord(arena, record, IS_WAITING, 0);
    this.#set(WAITING_KIB, this.#get(WAITING_KIB) - getWord(arena, record, KEPT_KIB));
  }

  #get(word: number): number {
    return getWord(this.#arena, this.#header, this.#headerWord + word);
  }

  #set(word: number, value: number): void {
    setWord(this.#arena, this.#header, this.#headerWord + word, value);
  }

  // Checks --------------------------------------------------------------------------------------------------

  /** Throws when an entry with a block of its own and the record that holds it do not agree. */
  checkEntry(entry: Ref): void {
    const record = getHeld(this.#arena, entry);
    if (record === 0) return;
    assert.equal(getWord(this.#arena, record, ENTRY), entry, 'the record knows its entry');
    assert.equal(getWord(this.#arena, record, BLOCK), getApart(this.#arena, entry), 'and its block');
  }

  checkInvariants(): void {
    let kib = 0;
    let previous = 0;
    for (let record = this.#get(FIRST); record !== 0; record = getWord(this.#arena, record, NEXT)) {
      assert.equal(getWord(this.#arena, record, PREVIOUS), previous, 'the list of held strings');
      const entry = getWord(this.#arena, record, ENTRY);
      if (entry !== 0) assert.equal(getHeld(this.#arena, entry), record, 'the entry knows its record');
      kib += getWord(this.#arena, record, KEPT_KIB);
      previous = record;
    }
    assert.equal(this.#get(LAST), previous);
    assert.equal(this.#get(WAITING_KIB), kib, 'memory that is kept for the snapshot');
  }
}
