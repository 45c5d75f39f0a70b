/**
 * String values: reading them, and the few ways they change.
 *
 * Integers are kept as their canonical text and marked with Redis' `int` encoding: GET copies the bytes, INCR
 * reads and writes up to 20 digits in place.
 */
import { strict as assert } from 'node:assert';
import type { Ref } from '../memory/arena.ts';
import type { Arena } from '../memory/arena.ts';
import { Allocator } from '../memory/allocator.ts';
import { BorrowedBytes, byteOffset, bytesOf, getWord, setWord } from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';
import { integerLength, parseInt64, parseInteger, writeInteger } from '../util/numbers.ts';
import type { Database } from './database.ts';
import {
  APART_BYTES,
  EMBEDDED_VALUE_BYTES_MAX,
  ENCODING_EMBSTR,
  ENCODING_INT,
  ENCODING_RAW,
  ENTRY_KEY_LENGTH,
  ENTRY_KEY_OFFSET,
  ENTRY_META,
  ENTRY_VALUE,
  FLAG_APART,
  FLAG_EXPIRES,
  FLAG_UNSHARED,
  TYPE_STRING,
  encodingOfMeta,
  getApart,
  getHeld,
  makeMeta,
  setApart,
  typeOfMeta,
  valueOffset,
  withEncoding,
} from './entry.ts';
import type { HeldStrings } from './held-strings.ts';
import type { Keyspace } from './keyspace.ts';

/** Longest decimal text of an int64. */
const INT64_DIGITS_MAX = 20;
/** Longer strings than this are `raw` (object.c, OBJ_ENCODING_EMBSTR_SIZE_LIMIT). */
const EMBSTR_BYTES_MAX = 44;
/**
 * A string that grows gets this much room ahead: doubling up to 1 MiB, then 1 MiB more (sds.c,
 * sdsMakeRoomFor).
 */
const GROWTH_BYTES_MAX = 1024 * 1024;
/** Integers from 0 to below this are shared objects in Redis. */
const SHARED_INTEGERS = 10_000;
/** Integers of so many digits, and their sums with another, are small integers to the machine. */
const SHORT_DIGITS_MAX = 8;
const SHORT_SUM_END = 10 ** SHORT_DIGITS_MAX;
const ZERO = 0x30;

export class StringValues {
  readonly #arena: Arena;
  readonly #allocator: Allocator;
  readonly #held: HeldStrings;
  readonly #digits = new Uint8Array(INT64_DIGITS_MAX);
  readonly #scratch = new BorrowedBytes();

  constructor(keyspace: Keyspace) {
    this.#arena = keyspace.arena;
    this.#allocator = keyspace.allocator;
    this.#held = keyspace.held;
  }

  length(entry: Ref): number {
    return getWord(this.#arena, entry, ENTRY_VALUE);
  }

  /** Points `view` at the string's bytes. */
  borrow(entry: Ref, view: BorrowedBytes): void {
    const arena = this.#arena;
    const meta = getWord(arena, entry, ENTRY_META);
    const length = getWord(arena, entry, ENTRY_VALUE);
    if ((meta & FLAG_APART) !== 0) {
      const block = getApart(arena, entry);
      view.bytes = bytesOf(arena, block);
      view.start = byteOffset(block);
    } else {
      view.bytes = bytesOf(arena, entry);
      view.start = byteOffset(entry) + valueOffset(getWord(arena, entry, ENTRY_KEY_LENGTH), meta);
    }
    view.end = view.start + length;
  }

  /** Whether Redis would hold the value as one of its shared integers (server.h, OBJ_SHARED_INTEGERS). */
  isSharedInteger(entry: Ref): boolean {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    if (encodingOfMeta(meta) !== ENCODING_INT || (meta & FLAG_UNSHARED) !== 0) return false;
    const { bytes, start, end } = this.#borrowed(entry);
    const value = parseInteger(bytes, start, end);
    return value >= 0 && value < SHARED_INTEGERS;
  }

  /**
   * Gives another key, which must not exist, the same value in the same encoding, without the expiry time.
   */
  copyTo(entry: Ref, target: Database, key: Uint8Array, start: number, end: number): Ref {
    const { bytes, start: from, end: to } = this.#borrowed(entry);
    target.find(key, start, end);
    const copy = this.#create(target, key, start, end, bytes, from, to);
    const encoding = encodingOfMeta(getWord(this.#arena, entry, ENTRY_META));
    const meta = withEncoding(getWord(this.#arena, copy, ENTRY_META), encoding);
    setWord(this.#arena, copy, ENTRY_META, meta | FLAG_UNSHARED);
    return copy;
  }

  #borrowed(entry: Ref): BorrowedBytes {
    this.borrow(entry, this.#scratch);
    return this.#scratch;
  }

  /**
   * Sets a key to a string, whatever it was before.
   * @param keepsExpiry leave the key's expiry time (SET … KEEPTTL); otherwise it becomes persistent
   */
  set(
    database: Database,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
    keepsExpiry: boolean,
  ): Ref {
    const entry = database.lookupWrite(key, keyStart, keyEnd);
    if (entry === 0) return this.#create(database, key, keyStart, keyEnd, value, start, end);
    if (this.#fitsInPlace(entry, end - start)) {
      database.willChange(entry);
      const meta = withEncoding(getWord(this.#arena, entry, ENTRY_META), encodingFor(value, start, end));
      setWord(this.#arena, entry, ENTRY_META, meta);
      const target = byteOffset(entry) + ENTRY_KEY_OFFSET + (keyEnd - keyStart);
      copyBytes(bytesOf(this.#arena, entry), target, value, start, end);
      return entry;
    }
    const kept = keepsExpiry ? entry : database.clearExpiry(entry);
    return this.overwrite(database, kept, value, start, end, encodingFor(value, start, end));
  }

  /** True for a plain string of that length, without expiry: the usual SET of a key that is there. */
  #fitsInPlace(entry: Ref, length: number): boolean {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    return (
      (meta & (FLAG_EXPIRES | FLAG_APART | FLAG_UNSHARED)) === 0 &&
      typeOfMeta(meta) === TYPE_STRING &&
      getWord(this.#arena, entry, ENTRY_VALUE) === length
    );
  }

  #create(
    database: Database,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): Ref {
    const length = end - start;
    const encoding = encodingFor(value, start, end);
    if (length > EMBEDDED_VALUE_BYTES_MAX) {
      const block = this.#allocator.allocate(length);
      copyBytes(bytesOf(this.#arena, block), byteOffset(block), value, start, end);
      const meta = makeMeta(TYPE_STRING, encoding, FLAG_APART, 0);
      const entry = database.create(key, keyStart, keyEnd, meta, APART_BYTES);
      setWord(this.#arena, entry, ENTRY_VALUE, length);
      setApart(this.#arena, entry, block);
      return entry;
    }
    const meta = makeMeta(TYPE_STRING, encoding, 0, 0);
    const entry = database.create(key, keyStart, keyEnd, meta, length);
    setWord(this.#arena, entry, ENTRY_VALUE, length);
    copyBytes(bytesOf(this.#arena, entry), database.tailOffset(entry), value, start, end);
    return entry;
  }

  /**
   * Adds a key that is not there, a `raw` string of zero bytes, and hands these out for writing. Call it
   * right after a lookup of the same key.
   */
  createZeroes(
    database: Database,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    length: number,
    view: BorrowedBytes,
  ): Ref {
    const isApart = length > EMBEDDED_VALUE_BYTES_MAX;
    const block = isApart ? this.#allocator.allocate(length) : 0;
    const meta = makeMeta(TYPE_STRING, ENCODING_RAW, isApart ? FLAG_APART : 0, 0);
    const entry = database.create(key, keyStart, keyEnd, meta, isApart ? APART_BYTES : length);
    setWord(this.#arena, entry, ENTRY_VALUE, length);
    if (isApart) setApart(this.#arena, entry, block);
    this.borrow(entry, view);
    view.bytes.fill(0, view.start, view.end);
    return entry;
  }

  /** Replaces the whole value of an entry. Returns the entry, which may have moved. */
  overwrite(
    database: Database,
    entry: Ref,
    value: Uint8Array,
    start: number,
    end: number,
    encoding: number = encodingFor(value, start, end),
  ): Ref {
    database.willChange(entry);
    const meta = getWord(this.#arena, entry, ENTRY_META);
    let shaped = entry;
    if (typeOfMeta(meta) !== TYPE_STRING) {
      database.willReplaceValue(entry);
      shaped = this.#becomeString(database, entry);
    }
    shaped = this.#fit(database, shaped, end - start, 0, false);
    setWord(
      this.#arena,
      shaped,
      ENTRY_META,
      withEncoding(getWord(this.#arena, shaped, ENTRY_META), encoding),
    );
    copyBytes(this.#bytes, this.#offset, value, start, end);
    return shaped;
  }

  /**
   * Adds to an integer where that is all: a value of few digits, no sign, and a sum of as many digits.
   * Returns the sum, or -1 when the long way is to be taken; nothing has changed then.
   */
  addInPlace(database: Database, entry: Ref, delta: number): number {
    const arena = this.#arena;
    const meta = getWord(arena, entry, ENTRY_META);
    const length = getWord(arena, entry, ENTRY_VALUE);
    if (
      encodingOfMeta(meta) !== ENCODING_INT ||
      (meta & FLAG_UNSHARED) !== 0 ||
      length > SHORT_DIGITS_MAX ||
      (delta | 0) !== delta
    ) {
      return -1;
    }
    const bytes = bytesOf(arena, entry);
    const start = byteOffset(entry) + valueOffset(getWord(arena, entry, ENTRY_KEY_LENGTH), meta);
    let current = 0;
    for (let at = start; at < start + length; at++) current = current * 10 + (bytes[at]! - ZERO);
    const sum = current + delta;
    // A minus sign reads as a digit below zero: the value is not what it seems.
    if (bytes[start]! < ZERO || sum < 0 || sum >= SHORT_SUM_END || integerLength(sum) !== length) return -1;

    database.willChange(entry);
    let rest = sum;
    for (let at = start + length - 1; at >= start; at--) {
      const tenth = (rest / 10) | 0;
      bytes[at] = ZERO + (rest - tenth * 10);
      rest = tenth;
    }
    return sum;
  }

  /**
   * Replaces the value by an integer; written in place when it was one of as many characters.
   * @param current the value's bytes, as `borrow` has just given them
   */
  overwriteInteger(database: Database, entry: Ref, current: BorrowedBytes, value: number): Ref {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    if (encodingOfMeta(meta) === ENCODING_INT && current.end - current.start === integerLength(value)) {
      database.willChange(entry);
      if ((meta & FLAG_UNSHARED) !== 0) {
        setWord(
          this.#arena,
          entry,
          ENTRY_META,
          withEncoding(getWord(this.#arena, entry, ENTRY_META), ENCODING_INT),
        );
      }
      writeInteger(current.bytes, current.start, value);
      return entry;
    }
    const end = writeInteger(this.#digits, 0, value);
    return this.overwrite(database, entry, this.#digits, 0, end, ENCODING_INT);
  }

  #becomeString(database: Database, entry: Ref): Ref {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    assert((meta & FLAG_APART) === 0);
    return database.reshape(
      entry,
      makeMeta(TYPE_STRING, ENCODING_RAW, meta & FLAG_EXPIRES, meta >>> 16),
      0,
      0,
    );
  }

  /**
   * Makes the value `length` bytes long and hands its bytes out for writing; bytes beyond the old length are
   * zero. The encoding becomes `raw`, as it does in Redis for values that are edited in place.
   *
   * Only [writeStart, writeEnd) may be written: of a long string, a snapshot copies no more than that.
   */
  edit(
    database: Database,
    entry: Ref,
    length: number,
    view: BorrowedBytes,
    writeStart = 0,
    writeEnd = length,
  ): Ref {
    database.willChange(entry);
    const oldLength = this.length(entry);
    const isApart = (getWord(this.#arena, entry, ENTRY_META) & FLAG_APART) !== 0;
    const record = isApart ? getHeld(this.#arena, entry) : 0;
    if (record !== 0) {
      const isGrowing = length > oldLength;
      const from = isGrowing ? Math.min(writeStart, oldLength) : writeStart;
      this.#held.willWrite(record, from, isGrowing ? length : writeEnd);
    }
    const shaped = this.#fit(database, entry, length, Math.min(oldLength, length), length > oldLength);
    setWord(
      this.#arena,
      shaped,
      ENTRY_META,
      withEncoding(getWord(this.#arena, shaped, ENTRY_META), ENCODING_RAW),
    );
    view.bytes = this.#bytes;
    view.start = this.#offset;
    view.end = this.#offset + length;
    if (length > oldLength) view.bytes.fill(0, view.start + oldLength, view.end);
    return shaped;
  }

  /** The string's bytes in #bytes at #offset, set by #fit. */
  #bytes: Uint8Array = new Uint8Array(0);
  #offset = 0;

  /** Gives the value room for `length` bytes, its first `keptBytes` kept, and sets its length. */
  #fit(database: Database, entry: Ref, length: number, keptBytes: number, isGrowing: boolean): Ref {
    const arena = this.#arena;
    const meta = getWord(arena, entry, ENTRY_META);
    const wantsApart = length > EMBEDDED_VALUE_BYTES_MAX;
    if (!wantsApart && (meta & FLAG_APART) === 0) {
      const shaped = database.reshape(entry, meta, length, keptBytes);
      setWord(arena, shaped, ENTRY_VALUE, length);
      this.#bytes = bytesOf(arena, shaped);
      this.#offset = database.tailOffset(shaped);
      return shaped;
    }
    return wantsApart
      ? this.#fitApart(database, entry, length, keptBytes, isGrowing)
      : this.#embed(database, entry, length, keptBytes);
  }

  #fitApart(database: Database, entry: Ref, length: number, keptBytes: number, isGrowing: boolean): Ref {
    const arena = this.#arena;
    const meta = getWord(arena, entry, ENTRY_META);
    const wasApart = (meta & FLAG_APART) !== 0;
    const oldBlock = wasApart ? getApart(arena, entry) : 0;
    const usable = wasApart ? this.#allocator.usableBytes(oldBlock) : 0;
    let block = oldBlock;
    let shaped = entry;
    // What a snapshot holds is replaced, not overwritten.
    const isHeldWhole = wasApart && keptBytes === 0 && getHeld(arena, entry) !== 0;
    // Room ahead, as rounded by the allocator, is kept; only more than that is given back.
    if (length > usable || Allocator.roundedBytes(length * 2) < usable || isHeldWhole) {
      block = this.#allocator.allocate(isGrowing ? length + Math.min(length, GROWTH_BYTES_MAX) : length);
      const source = wasApart ? byteOffset(oldBlock) : database.tailOffset(entry);
      const from = wasApart ? oldBlock : entry;
      copyBytes(bytesOf(arena, block), byteOffset(block), bytesOf(arena, from), source, source + keptBytes);
      if (wasApart) this.#held.freeBlock(oldBlock, getHeld(arena, entry));
      else shaped = database.reshape(entry, meta | FLAG_APART, APART_BYTES, 0);
      setApart(arena, shaped, block);
    }
    setWord(arena, shaped, ENTRY_VALUE, length);
    this.#bytes = bytesOf(arena, block);
    this.#offset = byteOffset(block);
    return shaped;
  }

  #embed(database: Database, entry: Ref, length: number, keptBytes: number): Ref {
    const arena = this.#arena;
    const block = getApart(arena, entry);
    const record = getHeld(arena, entry);
    const meta = getWord(arena, entry, ENTRY_META);
    const shaped = database.reshape(entry, meta & ~FLAG_APART, length, 0);
    this.#bytes = bytesOf(arena, shaped);
    this.#offset = database.tailOffset(shaped);
    copyBytes(
      this.#bytes,
      this.#offset,
      bytesOf(arena, block),
      byteOffset(block),
      byteOffset(block) + keptBytes,
    );
    this.#held.freeBlock(block, record);
    setWord(arena, shaped, ENTRY_VALUE, length);
    return shaped;
  }
}

/** The encoding that Redis gives a value that is set as a whole (object.c, tryObjectEncoding). */
export function encodingFor(value: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length <= INT64_DIGITS_MAX && length > 0 && isInt64(value, start, end)) return ENCODING_INT;
  return length <= EMBSTR_BYTES_MAX ? ENCODING_EMBSTR : ENCODING_RAW;
}

function isInt64(value: Uint8Array, start: number, end: number): boolean {
  // Most values are not numbers, and most of those do not begin like one.
  const first = value[start]!;
  if (first > 0x39 || (first < 0x30 && first !== 0x2d)) return false;
  return !Number.isNaN(parseInteger(value, start, end)) || parseInt64(value, start, end) !== undefined;
}
