/**
 * Listpack: a list of strings and integers in one block, byte for byte as Redis has it (Redis 7.0,
 * listpack.c), so that files take it raw.
 *
 *     ┌───────────┬─────────┬─────────┬─────────┬───┬──────┐
 *     │ total u32 │ count   │ element │ element │ … │ 0xff │     total: bytes of all this
 *     │           │ u16     │         │         │   │      │     count: 65535 = must be counted
 *     └───────────┴─────────┴─────────┴─────────┴───┴──────┘
 *     element = encoding with data (1 … n bytes), then the length of that, readable backwards (1 … 5 bytes)
 *
 *     0xxxxxxx                     integer 0 … 127
 *     10xxxxxx  data               string of up to 63 bytes
 *     110xxxxx  xxxxxxxx           integer of 13 bits
 *     1110xxxx  xxxxxxxx  data     string of up to 4095 bytes
 *     11110000  u32       data     longer string
 *     11110001 … 11110100          integer of 16, 24, 32, 64 bits, little-endian
 *
 * What reads as a canonical int64 is kept as an integer in the shortest form; nobody outside can tell.
 *
 * A position (`at`) is an element's offset from the listpack's start; 0 is none. Changing a listpack may move
 * its block: methods that change return the reference to keep, and leave the position to go on from in `at`.
 * Bytes that are handed in must not lie in the listpack that is changed.
 */
import { strict as assert } from 'node:assert';
import { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { BorrowedBytes, byteOffset, bytesOf, getWord, moveBytes, setWord } from '../memory/struct.ts';
import { copyBytes, equalBytes } from '../util/bytes.ts';
import { INT64_DIGITS_MAX, Int64 } from '../util/int64.ts';

const HEADER_BYTES = 6;
const COUNT_OFFSET = 4;
/** Header and end mark. */
const EMPTY_BYTES = HEADER_BYTES + 1;
/** From here on the count must be found out. */
const COUNT_UNKNOWN = 0xffff;
const END = 0xff;
const NO_TEXT = new Uint8Array(0);

// Encodings: the first byte, or its upper bits.
const INTEGER_13 = 0xc0;
const STRING_6 = 0x80;
const STRING_12 = 0xe0;
const STRING_32 = 0xf0;
const INTEGER_16 = 0xf1;
const INTEGER_24 = 0xf2;
const INTEGER_32 = 0xf3;
const INTEGER_64 = 0xf4;

/** The greatest integer of a single byte. */
const INTEGER_7_MAX = 127;
const STRING_6_BYTES_MAX = 63;
const STRING_12_BYTES_MAX = 4095;
/**
 * What `encode` found out about the string or number to be stored. Module-level, as it is for the moment of
 * one call: no operation allocates.
 */
let isInteger = false;
const integer = new Int64();
/** Bytes of the element without its length behind it. */
let encodedBytes = 0;
/** The integer element that was read. */
const stored = new Int64();

/** Finds out how the text is stored. */
function encode(bytes: Uint8Array, start: number, end: number): void {
  isInteger = integer.parse(bytes, start, end);
  if (isInteger) encodedBytes = integerBytes();
  else encodedBytes = stringHeaderBytes(end - start) + (end - start);
}

/** The same for a safe integer. */
function encodeInteger(value: number): void {
  isInteger = true;
  integer.setNumber(value);
  encodedBytes = integerBytes();
}

function integerBytes(): number {
  if (!integer.isInt32) return 9;
  const { low } = integer;
  if (low >= 0 && low <= 127) return 1;
  if (low >= -4096 && low <= 4095) return 2;
  if (low >= -0x8000 && low <= 0x7fff) return 3;
  if (low >= -0x80_0000 && low <= 0x7f_ffff) return 4;
  return 5;
}

function stringHeaderBytes(length: number): number {
  if (length <= STRING_6_BYTES_MAX) return 1;
  return length <= STRING_12_BYTES_MAX ? 2 : 5;
}

/** Bytes of the length behind an element of so many bytes (listpack.c, lpEncodeBacklen). */
function backlenBytes(length: number): number {
  if (length <= 127) return 1;
  if (length < 16_383) return 2;
  if (length < 2_097_151) return 3;
  return length < 268_435_455 ? 4 : 5;
}

/** Writes that length so that it can be read from its last byte on. */
function writeBacklen(target: Uint8Array, position: number, length: number): void {
  const count = backlenBytes(length);
  let rest = length;
  for (let i = count - 1; i > 0; i--) {
    target[position + i] = (rest & 127) | 128;
    rest >>>= 7;
  }
  target[position] = rest;
}

/** Reads the length that ends before `end`. */
function readBacklen(bytes: Uint8Array, end: number): number {
  let position = end - 1;
  let byte = bytes[position]!;
  let value = byte & 127;
  for (let shift = 7; (byte & 128) !== 0 && shift < 35; shift += 7) {
    byte = bytes[--position]!;
    value += (byte & 127) * 2 ** shift;
  }
  return value;
}

/** Bytes of the element that begins there, without the length behind it. */
function elementBytes(bytes: Uint8Array, position: number): number {
  const byte = bytes[position]!;
  if (byte < STRING_6) return 1;
  if (byte < INTEGER_13) return 1 + (byte & 0x3f);
  if (byte < STRING_12) return 2;
  if (byte < STRING_32) return 2 + (((byte & 0xf) << 8) | bytes[position + 1]!);
  if (byte === STRING_32) return 5 + readUint32(bytes, position + 1);
  return byte === INTEGER_64 ? 9 : byte - INTEGER_16 + 3;
}

/** The position behind the element that begins there. */
function skip(bytes: Uint8Array, position: number): number {
  const length = elementBytes(bytes, position);
  return position + length + (length <= 127 ? 1 : backlenBytes(length));
}

/** Whether an encoding's first byte is that of a string. */
function isStringByte(byte: number): boolean {
  return (byte & 0xc0) === STRING_6 || (byte & 0xf0) === STRING_12 || byte === STRING_32;
}

function readUint32(bytes: Uint8Array, position: number): number {
  return (readInt24(bytes, position) & 0xff_ffff) + bytes[position + 3]! * 2 ** 24;
}

function readInt24(bytes: Uint8Array, position: number): number {
  return ((bytes[position]! << 8) | (bytes[position + 1]! << 16) | (bytes[position + 2]! << 24)) >> 8;
}

function readInt32(bytes: Uint8Array, position: number): number {
  return (
    bytes[position]! |
    (bytes[position + 1]! << 8) |
    (bytes[position + 2]! << 16) |
    (bytes[position + 3]! << 24)
  );
}

function writeInt32(target: Uint8Array, position: number, value: number): void {
  target[position] = value;
  target[position + 1] = value >> 8;
  target[position + 2] = value >> 16;
  target[position + 3] = value >> 24;
}

/** Sets `stored` to the integer element that begins there. */
function readInteger(bytes: Uint8Array, position: number): void {
  stored.low = readLowHalf(bytes, position);
  stored.high = bytes[position] === INTEGER_64 ? readInt32(bytes, position + 5) : stored.low >> 31;
}

function readLowHalf(bytes: Uint8Array, position: number): number {
  const byte = bytes[position]!;
  if (byte < STRING_6) return byte;
  if (byte < STRING_12) return (((byte << 8) | bytes[position + 1]!) << 19) >> 19;
  if (byte === INTEGER_16) return ((bytes[position + 1]! | (bytes[position + 2]! << 8)) << 16) >> 16;
  return byte === INTEGER_24 ? readInt24(bytes, position + 1) : readInt32(bytes, position + 1);
}

/** Writes the integer that was encoded. */
function writeIntegerElement(target: Uint8Array, position: number): void {
  const { high, low } = integer;
  switch (encodedBytes) {
    case 1: {
      target[position] = low;
      break;
    }
    case 2: {
      target[position] = INTEGER_13 | ((low >> 8) & 0x1f);
      target[position + 1] = low;
      break;
    }
    case 3: {
      target[position] = INTEGER_16;
      target[position + 1] = low;
      target[position + 2] = low >> 8;
      break;
    }
    case 4: {
      target[position] = INTEGER_24;
      target[position + 1] = low;
      target[position + 2] = low >> 8;
      target[position + 3] = low >> 16;
      break;
    }
    case 5: {
      target[position] = INTEGER_32;
      writeInt32(target, position + 1, low);
      break;
    }
    default: {
      target[position] = INTEGER_64;
      writeInt32(target, position + 1, low);
      writeInt32(target, position + 5, high);
    }
  }
}

/** Writes a string's encoding and length; returns the position for its bytes. */
function writeStringHeader(target: Uint8Array, position: number, length: number): number {
  if (length <= STRING_6_BYTES_MAX) {
    target[position] = STRING_6 | length;
    return position + 1;
  }
  if (length <= STRING_12_BYTES_MAX) {
    target[position] = STRING_12 | (length >> 8);
    target[position + 1] = length;
    return position + 2;
  }
  target[position] = STRING_32;
  writeInt32(target, position + 1, length);
  return position + 5;
}

/** An element takes no more bytes than this beside its text; an integer no more in all. */
export const ELEMENT_OVERHEAD_BYTES_MAX = 10;

/** Bytes that the text takes as an element. */
export function listpackElementBytes(bytes: Uint8Array, start: number, end: number): number {
  encode(bytes, start, end);
  return encodedBytes + backlenBytes(encodedBytes);
}

/** Whether bytes from outside are a well-formed listpack (listpack.c, lpValidateIntegrity). */
export function isListpack(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < EMPTY_BYTES || readUint32(bytes, start) !== end - start) return false;
  let count = 0;
  let position = start + HEADER_BYTES;
  while (position < end - 1) {
    const byte = bytes[position]!;
    if (byte > INTEGER_64) return false;
    const headerBytes = byte === STRING_32 ? 5 : (byte & 0xf0) === STRING_12 ? 2 : 1;
    if (position + headerBytes >= end) return false;
    const length = elementBytes(bytes, position);
    const next = position + length + backlenBytes(length);
    if (next >= end || readBacklen(bytes, next) !== length) return false;
    position = next;
    count++;
  }
  const expected = bytes[start + COUNT_OFFSET]! | (bytes[start + COUNT_OFFSET + 1]! << 8);
  return (
    position === end - 1 && bytes[position] === END && (expected === COUNT_UNKNOWN || expected === count)
  );
}

/** What takes texts one after the other: a reply. */
export interface BulkTarget {
  bulk(bytes: Uint8Array, start: number, end: number): void;
}

export class Listpack {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #view = new BorrowedBytes();
  /** Digits of integers that were borrowed: two, so that a pair of elements can be looked at. */
  #digits = new Uint8Array(INT64_DIGITS_MAX);
  #otherDigits = new Uint8Array(INT64_DIGITS_MAX);
  /** Where `write` goes on. */
  #writeBytes: Uint8Array = NO_TEXT;
  #writeAt = 0;
  /** After a change: the new or replaced element; after `remove`, what now stands there, or 0. */
  at = 0;

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
  }

  // Whole listpacks -----------------------------------------------------------------------------------------

  create(): Ref {
    const pack = this.#allocator.allocate(EMPTY_BYTES);
    this.#initialize(pack, EMPTY_BYTES, 0);
    return pack;
  }

  /** A listpack of bytes that are one (see `isListpack`). */
  adopt(bytes: Uint8Array, start: number, end: number): Ref {
    const pack = this.#allocator.allocate(end - start);
    copyBytes(bytesOf(this.#arena, pack), byteOffset(pack), bytes, start, end);
    return pack;
  }

  copy(pack: Ref): Ref {
    const start = byteOffset(pack);
    return this.adopt(bytesOf(this.#arena, pack), start, start + this.byteLength(pack));
  }

  /** A new listpack of the elements from one position to before another; 0 is the end. */
  copyRange(pack: Ref, from: number, to: number): Ref {
    const bytes = bytesOf(this.#arena, pack);
    const base = byteOffset(pack);
    const start = from === 0 ? this.#endOf(pack) : from;
    const end = to === 0 ? this.#endOf(pack) : to;
    const copied = this.#allocator.allocate(EMPTY_BYTES + end - start);
    let count = 0;
    for (let position = base + start; position < base + end; count++) position = skip(bytes, position);
    this.#initialize(copied, EMPTY_BYTES + end - start, count);
    const target = byteOffset(copied) + HEADER_BYTES;
    copyBytes(bytesOf(this.#arena, copied), target, bytes, base + start, base + end);
    return copied;
  }

  /** Appends the elements of another listpack, which stays as it is. */
  appendAll(pack: Ref, other: Ref): Ref {
    const end = this.#endOf(pack);
    const addedBytes = this.byteLength(other) - EMPTY_BYTES;
    const count = Math.min(this.count(pack) + this.count(other), COUNT_UNKNOWN);
    const grown = this.#splice(pack, end, 0, addedBytes);
    const source = byteOffset(other) + HEADER_BYTES;
    const target = byteOffset(grown) + end;
    copyBytes(bytesOf(this.#arena, grown), target, bytesOf(this.#arena, other), source, source + addedBytes);
    this.#setCount(grown, count);
    this.at = addedBytes === 0 ? 0 : end;
    return grown;
  }

  #initialize(pack: Ref, byteLength: number, count: number): void {
    setWord(this.#arena, pack, 0, byteLength);
    this.#setCount(pack, Math.min(count, COUNT_UNKNOWN));
    bytesOf(this.#arena, pack)[byteOffset(pack) + byteLength - 1] = END;
  }

  byteLength(pack: Ref): number {
    return getWord(this.#arena, pack, 0);
  }

  /** Elements. */
  count(pack: Ref): number {
    const stored = this.#storedCount(pack);
    if (stored !== COUNT_UNKNOWN) return stored;
    const bytes = bytesOf(this.#arena, pack);
    const end = byteOffset(pack) + this.#endOf(pack);
    let count = 0;
    for (let position = byteOffset(pack) + HEADER_BYTES; position < end; count++)
      position = skip(bytes, position);
    if (count < COUNT_UNKNOWN) this.#setCount(pack, count);
    return count;
  }

  #storedCount(pack: Ref): number {
    return getWord(this.#arena, pack, 1) & 0xffff;
  }

  #setCount(pack: Ref, count: number): void {
    const bytes = bytesOf(this.#arena, pack);
    const position = byteOffset(pack) + COUNT_OFFSET;
    bytes[position] = count;
    bytes[position + 1] = count >> 8;
  }

  /** Once it is unknown, the count stays so until somebody asks for it. */
  #addToCount(pack: Ref, by: number): void {
    const word = getWord(this.#arena, pack, 1);
    const count = word & 0xffff;
    if (count !== COUNT_UNKNOWN) setWord(this.#arena, pack, 1, word + Math.min(by, COUNT_UNKNOWN - count));
  }

  // Positions -----------------------------------------------------------------------------------------------

  /** Where the end mark stands. */
  #endOf(pack: Ref): number {
    return getWord(this.#arena, pack, 0) - 1;
  }

  first(pack: Ref): number {
    return this.byteLength(pack) === EMPTY_BYTES ? 0 : HEADER_BYTES;
  }

  last(pack: Ref): number {
    return this.previous(pack, this.#endOf(pack));
  }

  next(pack: Ref, at: number): number {
    const base = byteOffset(pack);
    const bytes = bytesOf(this.#arena, pack);
    const position = skip(bytes, base + at);
    return bytes[position] === END ? 0 : position - base;
  }

  previous(pack: Ref, at: number): number {
    if (at === HEADER_BYTES) return 0;
    const length = readBacklen(bytesOf(this.#arena, pack), byteOffset(pack) + at);
    return at - length - backlenBytes(length);
  }

  /** The element with that index, from the end when negative; 0 = there is none. Goes the shorter way. */
  seek(pack: Ref, index: number): number {
    const count = this.#storedCount(pack);
    let steps = index;
    if (count !== COUNT_UNKNOWN) {
      if (index >= count || index < -count) return 0;
      const fromStart = index < 0 ? index + count : index;
      steps = fromStart * 2 <= count ? fromStart : fromStart - count;
    }
    return steps < 0 ? this.#seekBack(pack, -steps) : this.#seekForward(pack, steps);
  }

  #seekForward(pack: Ref, steps: number): number {
    const bytes = bytesOf(this.#arena, pack);
    const base = byteOffset(pack);
    let position = base + HEADER_BYTES;
    for (let left = steps; left > 0 && bytes[position] !== END; left--) position = skip(bytes, position);
    return bytes[position] === END ? 0 : position - base;
  }

  #seekBack(pack: Ref, steps: number): number {
    let at = this.last(pack);
    for (let left = steps; left > 1 && at !== 0; left--) at = this.previous(pack, at);
    return at;
  }

  // Elements ------------------------------------------------------------------------------------------------

  /**
   * Points `view` at the element's text. The digits of an integer stand in a scratch, until the next borrow
   * but one.
   */
  borrow(pack: Ref, at: number, view: BorrowedBytes): void {
    const bytes = bytesOf(this.#arena, pack);
    const position = byteOffset(pack) + at;
    const byte = bytes[position]!;
    if (!isStringByte(byte)) {
      this.#borrowDigits(bytes, position, view);
      return;
    }
    view.bytes = bytes;
    view.start = position + (byte < INTEGER_13 ? 1 : byte === STRING_32 ? 5 : 2);
    view.end = position + elementBytes(bytes, position);
  }

  #borrowDigits(bytes: Uint8Array, position: number, view: BorrowedBytes): void {
    const digits = this.#otherDigits;
    this.#otherDigits = this.#digits;
    this.#digits = digits;
    readInteger(bytes, position);
    view.bytes = digits;
    view.start = 0;
    view.end = stored.write(digits, 0);
  }

  /**
   * Gives the texts from `from` (0 = none) on to a reply, one of every (skipped + 1), up to `count` of them.
   * In one loop: it is most of what HGETALL and LRANGE cost.
   */
  emit(pack: Ref, from: number, count: number, skipped: number, target: BulkTarget): void {
    if (from === 0) return;
    const bytes = bytesOf(this.#arena, pack);
    const base = byteOffset(pack);
    let position = base + from;
    for (let left = count; left > 0; left--) {
      const byte = bytes[position]!;
      if ((byte & 0xc0) === STRING_6) {
        const end = position + 1 + (byte & 0x3f);
        target.bulk(bytes, position + 1, end);
        position = end + 1;
      } else {
        if (byte === END) return;
        const view = this.#view;
        this.borrow(pack, position - base, view);
        target.bulk(view.bytes, view.start, view.end);
        position = skip(bytes, position);
      }
      for (let i = 0; i < skipped; i++) {
        if (bytes[position] === END) return;
        position = skip(bytes, position);
      }
    }
  }

  /** The element's value, NaN when it is no integer within ±(2^53 − 1). */
  integerAt(pack: Ref, at: number): number {
    const bytes = bytesOf(this.#arena, pack);
    const position = byteOffset(pack) + at;
    if (bytes[position]! < STRING_6) return bytes[position]!;
    if (isStringByte(bytes[position]!)) return Number.NaN;
    readInteger(bytes, position);
    return stored.toNumber();
  }

  /** Whether the element has that text. */
  equals(pack: Ref, at: number, text: Uint8Array, start: number, end: number): boolean {
    const bytes = bytesOf(this.#arena, pack);
    const position = byteOffset(pack) + at;
    return equalsElement(bytes, position, text, start, end, integer.parse(text, start, end));
  }

  /**
   * The first element from `from` (0 = none) on that has the text, looking at every (skipped + 1)-th only: at
   * the fields of a hash, not at their values.
   */
  find(pack: Ref, from: number, text: Uint8Array, start: number, end: number, skipped: number): number {
    if (from === 0) return 0;
    const bytes = bytesOf(this.#arena, pack);
    const base = byteOffset(pack);
    const length = end - start;
    const isNumeral = integer.parse(text, start, end);
    let position = base + from;
    for (;;) {
      const byte = bytes[position]!;
      if (byte === END) return 0;
      if ((byte & 0xc0) === STRING_6) {
        const elementLength = byte & 0x3f;
        // Texts of one length often begin alike, and differ in the last byte.
        if (
          elementLength === length &&
          (length === 0 || bytes[position + length] === text[end - 1]) &&
          equalBytes(bytes, position + 1, text, start, length)
        ) {
          return position - base;
        }
        position += elementLength + 2;
      } else {
        if (equalsElement(bytes, position, text, start, end, isNumeral)) return position - base;
        position = skip(bytes, position);
      }
      for (let i = 0; i < skipped; i++) {
        if (bytes[position] === END) return 0;
        position = skip(bytes, position);
      }
    }
  }

  // Changes -------------------------------------------------------------------------------------------------

  append(pack: Ref, bytes: Uint8Array, start: number, end: number): Ref {
    encode(bytes, start, end);
    return this.#put(pack, this.#endOf(pack), 0, bytes, start, end);
  }

  prepend(pack: Ref, bytes: Uint8Array, start: number, end: number): Ref {
    encode(bytes, start, end);
    return this.#put(pack, HEADER_BYTES, 0, bytes, start, end);
  }

  /** @param at 0 = at the end */
  insertBefore(pack: Ref, at: number, bytes: Uint8Array, start: number, end: number): Ref {
    encode(bytes, start, end);
    return this.#put(pack, at === 0 ? this.#endOf(pack) : at, 0, bytes, start, end);
  }

  insertAfter(pack: Ref, at: number, bytes: Uint8Array, start: number, end: number): Ref {
    const base = byteOffset(pack);
    encode(bytes, start, end);
    return this.#put(pack, skip(bytesOf(this.#arena, pack), base + at) - base, 0, bytes, start, end);
  }

  replace(pack: Ref, at: number, bytes: Uint8Array, start: number, end: number): Ref {
    encode(bytes, start, end);
    return this.#put(pack, at, this.#sizeAt(pack, at), bytes, start, end);
  }

  /** @param value a safe integer */
  appendInteger(pack: Ref, value: number): Ref {
    encodeInteger(value);
    return this.#put(pack, this.#endOf(pack), 0, NO_TEXT, 0, 0);
  }

  replaceInteger(pack: Ref, at: number, value: number): Ref {
    if (value >= 0 && value <= INTEGER_7_MAX && this.#setSmall(pack, at, value)) return pack;
    encodeInteger(value);
    return this.#put(pack, at, this.#sizeAt(pack, at), NO_TEXT, 0, 0);
  }

  // Many at once --------------------------------------------------------------------------------------------

  /**
   * Makes room at the end for elements of up to `bytesMax` bytes. They must be written next, by `write` and
   * `writeInteger`, and then `endWrite` is called, before anything else is done; none of these fails.
   * @param blockBytes how large the block becomes if it has to grow
   * @throws OutOfMemoryError, with nothing changed
   */
  beginWrite(pack: Ref, bytesMax: number, blockBytes: number): Ref {
    const total = this.byteLength(pack);
    let roomy = pack;
    if (total + bytesMax > this.#allocator.usableBytes(pack))
      roomy = this.#moveTo(pack, this.#allocator.allocate(Math.max(total + bytesMax, blockBytes)));
    this.#writeBytes = bytesOf(this.#arena, roomy);
    this.#writeAt = byteOffset(roomy) + total - 1;
    return roomy;
  }

  /** So many elements were written. */
  endWrite(pack: Ref, count: number): void {
    this.#writeBytes[this.#writeAt] = END;
    setWord(this.#arena, pack, 0, this.#writeAt + 1 - byteOffset(pack));
    this.#addToCount(pack, count);
  }

  /** Writes the next of the elements that `beginWrite` has made room for. */
  write(bytes: Uint8Array, start: number, end: number): void {
    encode(bytes, start, end);
    this.#writeElement(this.#writeBytes, this.#writeAt, bytes, start, end);
    this.#writeAt += encodedBytes + backlenBytes(encodedBytes);
  }

  writeInteger(value: number): void {
    if (value >= 0 && value <= INTEGER_7_MAX) {
      this.#writeBytes[this.#writeAt] = value;
      this.#writeBytes[this.#writeAt + 1] = 1;
      this.#writeAt += 2;
      return;
    }
    encodeInteger(value);
    this.#writeElement(this.#writeBytes, this.#writeAt, NO_TEXT, 0, 0);
    this.#writeAt += encodedBytes + 1;
  }

  /** Gives back what the block has too much, if there is memory for a smaller one. */
  fit(pack: Ref): Ref {
    const total = this.byteLength(pack);
    if (Allocator.roundedBytes(total) >= this.#allocator.usableBytes(pack)) return pack;
    const block = this.#allocator.tryAllocate(total);
    return block === 0 ? pack : this.#moveTo(pack, block);
  }

  /** Moves the listpack to another block, which is large enough. */
  #moveTo(pack: Ref, block: Ref): Ref {
    const base = byteOffset(pack);
    const total = this.byteLength(pack);
    copyBytes(bytesOf(this.#arena, block), byteOffset(block), bytesOf(this.#arena, pack), base, base + total);
    this.#allocator.free(pack);
    return block;
  }

  // Removing ------------------------------------------------------------------------------------------------

  /** Removes that element and the ones behind it, `count` in all or as many as there are. */
  remove(pack: Ref, at: number, count = 1): Ref {
    const bytes = bytesOf(this.#arena, pack);
    const base = byteOffset(pack);
    let position = base + at;
    let removed = 0;
    for (; removed < count && bytes[position] !== END; removed++) position = skip(bytes, position);
    const shrunk = this.#splice(pack, at, position - base - at, 0);
    this.#addToCount(shrunk, -removed);
    this.at = at === this.#endOf(shrunk) ? 0 : at;
    return shrunk;
  }

  /** Replaces one integer of a single byte by another; false when the element is something else. */
  #setSmall(pack: Ref, at: number, value: number): boolean {
    const bytes = bytesOf(this.#arena, pack);
    const position = byteOffset(pack) + at;
    if (bytes[position]! >= STRING_6) return false;
    bytes[position] = value;
    this.at = at;
    return true;
  }

  /** Bytes of the element there, with the length behind it. */
  #sizeAt(pack: Ref, at: number): number {
    const position = byteOffset(pack) + at;
    return skip(bytesOf(this.#arena, pack), position) - position;
  }

  /** Puts what was encoded in the place of `oldBytes` bytes: 0 inserts. */
  #put(pack: Ref, at: number, oldBytes: number, bytes: Uint8Array, start: number, end: number): Ref {
    const shaped = this.#splice(pack, at, oldBytes, encodedBytes + backlenBytes(encodedBytes));
    this.#writeElement(bytesOf(this.#arena, shaped), byteOffset(shaped) + at, bytes, start, end);
    if (oldBytes === 0) this.#addToCount(shaped, 1);
    this.at = at;
    return shaped;
  }

  /** Writes what was encoded. */
  #writeElement(target: Uint8Array, position: number, bytes: Uint8Array, start: number, end: number): void {
    if (isInteger) writeIntegerElement(target, position);
    else copyBytes(target, writeStringHeader(target, position, end - start), bytes, start, end);
    if (encodedBytes <= 127) target[position + encodedBytes] = encodedBytes;
    else writeBacklen(target, position + encodedBytes, encodedBytes);
  }

  /**
   * Makes the gap at `at`, which has `oldBytes` bytes, `newBytes` wide. The block moves when it is too small,
   * or becomes more than twice too large.
   */
  #splice(pack: Ref, at: number, oldBytes: number, newBytes: number): Ref {
    const total = this.byteLength(pack);
    const newTotal = total - oldBytes + newBytes;
    if (newTotal === total) return pack;
    const usable = this.#allocator.usableBytes(pack);
    let moved = 0;
    if (newTotal > usable) moved = this.#allocator.allocate(newTotal);
    else if (newTotal < total && Allocator.roundedBytes(newTotal) * 2 <= usable)
      moved = this.#allocator.tryAllocate(newTotal);

    const bytes = bytesOf(this.#arena, pack);
    const base = byteOffset(pack);
    if (moved === 0) {
      // Behind the last element there is only the end mark to move.
      if (at + oldBytes === total - 1) bytes[base + newTotal - 1] = END;
      else moveBytes(this.#arena, pack, base + at + newBytes, base + at + oldBytes, base + total);
      setWord(this.#arena, pack, 0, newTotal);
      return pack;
    }
    const target = bytesOf(this.#arena, moved);
    const to = byteOffset(moved);
    copyBytes(target, to, bytes, base, base + at);
    copyBytes(target, to + at + newBytes, bytes, base + at + oldBytes, base + total);
    setWord(this.#arena, moved, 0, newTotal);
    this.#allocator.free(pack);
    return moved;
  }

  /** Throws when the bytes are no well-formed listpack. */
  checkInvariants(pack: Ref): void {
    const start = byteOffset(pack);
    const total = this.byteLength(pack);
    assert(total <= this.#allocator.usableBytes(pack), 'the listpack fits in its block');
    assert(isListpack(bytesOf(this.#arena, pack), start, start + total), 'a well-formed listpack');
  }
}

/** Whether an element has that text, which stands in `integer` when it is one. */
function equalsElement(
  bytes: Uint8Array,
  position: number,
  text: Uint8Array,
  start: number,
  end: number,
  isNumeral: boolean,
): boolean {
  const byte = bytes[position]!;
  if (!isStringByte(byte)) {
    if (!isNumeral || readLowHalf(bytes, position) !== integer.low) return false;
    readInteger(bytes, position);
    return stored.high === integer.high;
  }
  const headerBytes = byte < INTEGER_13 ? 1 : byte === STRING_32 ? 5 : 2;
  const length = end - start;
  return (
    elementBytes(bytes, position) === headerBytes + length &&
    equalBytes(bytes, position + headerBytes, text, start, length)
  );
}
