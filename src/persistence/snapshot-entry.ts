/**
 * Keys on their way from the arena into a snapshot: copied under the lock, read again outside of it.
 *
 *     record    word 0    length of the record, a multiple of 8 bytes
 *               word 1    index of the database at the cut
 *               byte 8    the entry's own block as it was (keyspace/entry.ts), padding to 8
 *               …         what the value has outside of it, padding to 8
 *
 * The second part is the bytes of a string that has a block of its own, or a copy of a collection
 * (keyspace/held-collections.ts, `copyWhole`). What is too large for a record is held.
 */
import {
  ENTRY_CLOCK,
  ENTRY_KEY_LENGTH,
  ENTRY_KEY_OFFSET,
  ENTRY_META,
  ENTRY_VALUE,
  FLAG_APART,
  FLAG_EXPIRES,
  TYPE_STRING,
  encodingOfMeta,
  entryBytes,
  expiryOffset,
  getApart,
  imageBytes,
  tailBytesOf,
  typeOfMeta,
  valueOffset,
} from '../keyspace/entry.ts';
import type { AccessClock } from '../keyspace/access-clock.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { byteOffset, bytesOf, getWord, wordsOf } from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';
import type { ByteRange, RdbString, RdbWritable } from './rdb-values.ts';
import { readCopy } from './saved-collection.ts';
import type { SnapshotEntry } from './snapshot-sink.ts';

/** Which access times or counters go into the file: those that `maxmemory-policy` uses. */
export type AccessFacts = 'none' | 'idle' | 'frequency';

const RECORD_HEADER_BYTES = 8;
/** Up to this many words a loop is cheaper than a call into native code. */
const LOOP_COPY_WORDS_MAX = 32;

/** A range that is set anew for each record: borrowed as all else is. */
class BorrowedRange implements ByteRange {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
}

class BorrowedString extends BorrowedRange implements RdbString {
  readonly kind = 'string';
}

/** The string that was read last. */
const stringValue = new BorrowedString();

function roundedTo8(bytes: number): number {
  return (bytes + 7) & ~7;
}

// Copying, under the lock -----------------------------------------------------------------------------------

/** Whether the entry's value is too large to be copied at once. */
export function isTooLarge(keyspace: Keyspace, entry: Ref): boolean {
  return keyspace.held.isLong(entry) || keyspace.heldCollections.isLarge(entry);
}

/** Holds such a value for the snapshot; false when there is no memory for that. */
export function hold(keyspace: Keyspace, entry: Ref, cutIndex: number): boolean {
  const { held, heldCollections } = keyspace;
  return held.isLong(entry) ? held.hold(entry, cutIndex) : heldCollections.hold(entry, cutIndex);
}

/** Bytes of the record of an entry. */
export function recordBytes(keyspace: Keyspace, entry: Ref): number {
  const { arena } = keyspace;
  const meta = getWord(arena, entry, ENTRY_META);
  const image = RECORD_HEADER_BYTES + roundedTo8(imageBytes(arena, entry));
  if (typeOfMeta(meta) !== TYPE_STRING) return image + keyspace.heldCollections.bytesOfCopy(entry);
  // Most strings are in their entry's block.
  if ((meta & FLAG_APART) === 0) return image;
  return image + roundedTo8(getWord(arena, entry, ENTRY_VALUE));
}

/**
 * Writes the record of an entry, of `length` bytes, to `words` and `bytes`, two views of the same memory, at
 * byte `at`, a multiple of 8.
 */
export function writeRecord(
  { keyspace, entry, cutIndex, length }: RecordSource,
  words: Int32Array,
  bytes: Uint8Array,
  at: number,
): void {
  const { arena } = keyspace;
  const word = at >> 2;
  const image = roundedTo8(imageBytes(arena, entry));
  words[word] = length;
  words[word + 1] = cutIndex;
  copyImage(arena, entry, image, words, word + RECORD_HEADER_BYTES / 4);
  const apart = RECORD_HEADER_BYTES + image;
  if (apart === length) return;
  if (typeOfMeta(getWord(arena, entry, ENTRY_META)) === TYPE_STRING) {
    const block = getApart(arena, entry);
    const start = byteOffset(block);
    copyBytes(bytes, at + apart, bytesOf(arena, block), start, start + getWord(arena, entry, ENTRY_VALUE));
  } else {
    keyspace.heldCollections.copyWhole(entry, bytes, at + apart);
  }
}

interface RecordSource {
  readonly keyspace: Keyspace;
  readonly entry: Ref;
  readonly cutIndex: number;
  /** As `recordBytes` has given it. */
  readonly length: number;
}

function copyImage(arena: Arena, entry: Ref, byteCount: number, target: Int32Array, at: number): void {
  const source = wordsOf(arena, entry);
  const start = byteOffset(entry) >> 2;
  const end = start + (byteCount >> 2);
  if (end - start > LOOP_COPY_WORDS_MAX) {
    target.set(source.subarray(start, end), at);
    return;
  }
  for (let from = start, to = at; from < end; from++, to++) target[to] = source[from]!;
}

/** A stretch of records in memory of this thread. */
export class RecordBuffer {
  words: Int32Array;
  bytes: Uint8Array;
  doubles: Float64Array;
  /** Bytes in use, a multiple of 8. */
  used = 0;

  constructor(byteCount: number) {
    const memory = new ArrayBuffer(roundedTo8(byteCount));
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
    this.doubles = new Float64Array(memory);
  }

  hasRoom(byteCount: number): boolean {
    return byteCount <= this.bytes.length - this.used;
  }

  /** Makes room for that many bytes after those in use. */
  reserve(byteCount: number): void {
    if (this.hasRoom(byteCount)) return;
    const larger = new RecordBuffer(this.used + byteCount);
    copyBytes(larger.bytes, 0, this.bytes, 0, this.used);
    ({ words: this.words, bytes: this.bytes, doubles: this.doubles } = larger);
  }

  /** Appends the record of an entry, for which there is room; `length` as `recordBytes` has given it. */
  append(keyspace: Keyspace, entry: Ref, cutIndex: number, length: number): void {
    writeRecord({ keyspace, entry, cutIndex, length }, this.words, this.bytes, this.used);
    this.used += length;
  }

  /** Appends the record of the block `image`, as it is without what the value has outside of it. */
  appendImage(arena: Arena, image: Ref, cutIndex: number): void {
    const byteCount = roundedTo8(imageBytes(arena, image));
    this.reserve(RECORD_HEADER_BYTES + byteCount);
    const word = this.used >> 2;
    this.words[word] = RECORD_HEADER_BYTES + byteCount;
    this.words[word + 1] = cutIndex;
    copyImage(arena, image, byteCount, this.words, word + RECORD_HEADER_BYTES / 4);
    this.used += RECORD_HEADER_BYTES + byteCount;
  }

  /** A field of the entry whose block begins at byte `image`. */
  word(image: number, field: number): number {
    return this.words[(image >> 2) + field]!;
  }
}

// Reading, outside of the lock ------------------------------------------------------------------------------

/** Reads records; all that it gives is borrowed until the next one is read. */
export class RecordReader implements SnapshotEntry {
  readonly key = new BorrowedRange();
  expiryMillis: number | undefined;
  idleSeconds: number | undefined;
  frequency: number | undefined;
  value: RdbWritable = stringValue;
  databaseIndex = 0;
  readonly #accessClock: AccessClock;
  readonly #accessFacts: AccessFacts;

  constructor(accessClock: AccessClock, accessFacts: AccessFacts) {
    this.#accessClock = accessClock;
    this.#accessFacts = accessFacts;
  }

  /** Reads the record at byte `at` and returns where the next one begins. */
  read(records: RecordBuffer, at: number): number {
    this.readFacts(records, at);
    const image = at + RECORD_HEADER_BYTES;
    const end = at + records.words[at >> 2]!;
    const meta = records.word(image, ENTRY_META);
    if (typeOfMeta(meta) === TYPE_STRING) {
      this.value = readString(records, image, meta);
    } else {
      const start = image + roundedTo8(imageBytesOf(records, image));
      this.value = readCopy(records, typeOfMeta(meta), encodingOfMeta(meta), start, end);
    }
    return end;
  }

  /** Reads all but the value. */
  readFacts(records: RecordBuffer, at: number): void {
    const image = at + RECORD_HEADER_BYTES;
    const keyLength = records.word(image, ENTRY_KEY_LENGTH);
    this.databaseIndex = records.words[(at >> 2) + 1]!;
    this.key.bytes = records.bytes;
    this.key.start = image + ENTRY_KEY_OFFSET;
    this.key.end = this.key.start + keyLength;
    const expires = (records.word(image, ENTRY_META) & FLAG_EXPIRES) !== 0;
    this.expiryMillis = expires ? records.doubles[(image + expiryOffset(keyLength)) >> 3] : undefined;
    if (this.#accessFacts !== 'none') this.#readAccess(records.word(image, ENTRY_CLOCK));
  }

  #readAccess(clock: number): void {
    if (this.#accessFacts === 'idle') this.idleSeconds = this.#accessClock.idleSeconds(clock);
    else this.frequency = this.#accessClock.frequency(clock);
  }
}

function readString(records: RecordBuffer, image: number, meta: number): RdbString {
  const isApart = (meta & FLAG_APART) !== 0;
  stringValue.bytes = records.bytes;
  stringValue.start = isApart
    ? image + roundedTo8(imageBytesOf(records, image))
    : image + valueOffset(records.word(image, ENTRY_KEY_LENGTH), meta);
  stringValue.end = stringValue.start + records.word(image, ENTRY_VALUE);
  return stringValue;
}

function imageBytesOf(records: RecordBuffer, image: number): number {
  const meta = records.word(image, ENTRY_META);
  const length = records.word(image, ENTRY_VALUE);
  return entryBytes(records.word(image, ENTRY_KEY_LENGTH), meta, tailBytesOf(meta, length));
}
