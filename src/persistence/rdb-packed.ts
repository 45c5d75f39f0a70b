/**
 * The packed collections that stand as one string in an RDB file. Each decoder takes the whole string and
 * gives its elements: integers in decimal, strings as views of the bytes given, which must therefore be kept.
 *
 * Every offset is checked before it is followed, and redundant fields (totals, counts, lengths of the
 * previous entry) must agree, as Redis demands with `sanitize-dump-payload yes`.
 */
import { RdbError } from './rdb-error.ts';

const PACKED_END = 0xff;

/** Position in the packed bytes, and the checks of moving on. */
class PackedCursor {
  readonly bytes: Buffer;
  position = 0;
  readonly #name: string;
  readonly #fileOffset: number;

  constructor(bytes: Buffer, name: string, fileOffset: number) {
    this.bytes = bytes;
    this.#name = name;
    this.#fileOffset = fileOffset;
  }

  /** The position before `length` bytes that are there, and passes over them. */
  take(length: number): number {
    const start = this.position;
    if (length > this.bytes.length - start) throw this.damaged();
    this.position += length;
    return start;
  }

  takeByte(): number {
    return this.bytes[this.take(1)]!;
  }

  takeString(length: number): Buffer {
    const start = this.take(length);
    return this.bytes.subarray(start, start + length);
  }

  takeInteger(byteCount: number): Buffer {
    const start = this.take(byteCount);
    const value = byteCount === 8 ? this.bytes.readBigInt64LE(start) : this.bytes.readIntLE(start, byteCount);
    return toText(value);
  }

  isAtEnd(): boolean {
    return this.position === this.bytes.length;
  }

  damaged(): RdbError {
    return new RdbError(`damaged ${this.#name}`, this.#fileOffset);
  }
}

function toText(integer: number | bigint): Buffer {
  return Buffer.from(String(integer), 'latin1');
}

/* Listpack (Redis 7.0 listpack.c): u32 total bytes, u16 count, entries, 0xff. Entry: encoding and data, and
 * behind them their length, to be read backwards. */

const LISTPACK_HEADER_BYTES = 6;
/** A count of this much or more has to be found by walking. */
const COUNT_UNKNOWN = 0xffff;

export function decodeListpack(bytes: Buffer, fileOffset: number): Buffer[] {
  const cursor = new PackedCursor(bytes, 'listpack', fileOffset);
  cursor.take(LISTPACK_HEADER_BYTES);
  if (bytes.readUInt32LE(0) !== bytes.length) throw cursor.damaged();
  const count = bytes.readUInt16LE(4);
  const elements: Buffer[] = [];
  for (;;) {
    const start = cursor.position;
    const first = cursor.takeByte();
    if (first === PACKED_END) break;
    elements.push(takeListpackElement(cursor, first));
    checkBackLength(cursor, cursor.position - start);
  }
  if (!cursor.isAtEnd()) throw cursor.damaged();
  if (count !== COUNT_UNKNOWN && count !== elements.length) throw cursor.damaged();
  return elements;
}

function takeListpackElement(cursor: PackedCursor, first: number): Buffer {
  if (first < 0x80) return toText(first);
  if (first < 0xc0) return cursor.takeString(first & 0x3f);
  if (first < 0xe0) {
    const unsigned = ((first & 0x1f) << 8) | cursor.takeByte();
    return toText((unsigned << 19) >> 19);
  }
  if (first < 0xf0) return cursor.takeString(((first & 0x0f) << 8) | cursor.takeByte());
  switch (first) {
    case 0xf0:
      return cursor.takeString(cursor.bytes.readUInt32LE(cursor.take(4)));
    case 0xf1:
      return cursor.takeInteger(2);
    case 0xf2:
      return cursor.takeInteger(3);
    case 0xf3:
      return cursor.takeInteger(4);
    case 0xf4:
      return cursor.takeInteger(8);
    default:
      throw cursor.damaged();
  }
}

/** Seven bits a byte, the most significant first; all but the first byte have the top bit set. */
function checkBackLength(cursor: PackedCursor, entryBytes: number): void {
  const byteCount = backLengthBytes(entryBytes);
  const start = cursor.take(byteCount);
  let value = 0;
  for (let i = 0; i < byteCount; i++) {
    const byte = cursor.bytes[start + i]!;
    if (byte >>> 7 !== (i === 0 ? 0 : 1)) throw cursor.damaged();
    value = value * 128 + (byte & 0x7f);
  }
  if (value !== entryBytes) throw cursor.damaged();
}

/** The limits are those of the original, which leaves the greatest value of each width unused. */
function backLengthBytes(entryBytes: number): number {
  if (entryBytes <= 127) return 1;
  if (entryBytes < 16_383) return 2;
  if (entryBytes < 2_097_151) return 3;
  return entryBytes < 268_435_455 ? 4 : 5;
}

/* Ziplist (Redis 7.0 ziplist.c): u32 total bytes, u32 offset of the last entry, u16 count, entries, 0xff.
 * Entry: bytes of the entry before, encoding, data. */

const ZIPLIST_HEADER_BYTES = 10;
const ZIPLIST_LONG_PREVIOUS = 0xfe;

export function decodeZiplist(bytes: Buffer, fileOffset: number): Buffer[] {
  const cursor = new PackedCursor(bytes, 'ziplist', fileOffset);
  cursor.take(ZIPLIST_HEADER_BYTES);
  if (bytes.readUInt32LE(0) !== bytes.length) throw cursor.damaged();
  const tailOffset = bytes.readUInt32LE(4);
  const count = bytes.readUInt16LE(8);
  const elements: Buffer[] = [];
  let lastStart = ZIPLIST_HEADER_BYTES;
  let previousBytes = 0;
  for (;;) {
    const start = cursor.position;
    const first = cursor.takeByte();
    if (first === PACKED_END) break;
    const claimed = first === ZIPLIST_LONG_PREVIOUS ? bytes.readUInt32LE(cursor.take(4)) : first;
    if (claimed !== previousBytes) throw cursor.damaged();
    elements.push(takeZiplistElement(cursor));
    lastStart = start;
    previousBytes = cursor.position - start;
  }
  if (!cursor.isAtEnd() || tailOffset !== lastStart) throw cursor.damaged();
  if (count !== COUNT_UNKNOWN && count !== elements.length) throw cursor.damaged();
  return elements;
}

function takeZiplistElement(cursor: PackedCursor): Buffer {
  const first = cursor.takeByte();
  if (first < 0x40) return cursor.takeString(first);
  if (first < 0x80) return cursor.takeString(((first & 0x3f) << 8) | cursor.takeByte());
  switch (first) {
    case 0x80:
      return cursor.takeString(cursor.bytes.readUInt32BE(cursor.take(4)));
    case 0xc0:
      return cursor.takeInteger(2);
    case 0xd0:
      return cursor.takeInteger(4);
    case 0xe0:
      return cursor.takeInteger(8);
    case 0xf0:
      return cursor.takeInteger(3);
    case 0xfe:
      return cursor.takeInteger(1);
    default:
      if (first <= 0xf0 || first > 0xfd) throw cursor.damaged();
      return toText((first & 0x0f) - 1);
  }
}

/* Zipmap (Redis 2.4's small hash, 7.0 zipmap.c): u8 count, then key and value in turn, 0xff. A value has a
 * byte that says how much unused space follows it. */

const ZIPMAP_LONG_LENGTH = 0xfe;

/** Key, value, key, value … */
export function decodeZipmap(bytes: Buffer, fileOffset: number): Buffer[] {
  const cursor = new PackedCursor(bytes, 'zipmap', fileOffset);
  const count = cursor.takeByte();
  const elements: Buffer[] = [];
  for (;;) {
    const first = cursor.takeByte();
    if (first === PACKED_END) break;
    elements.push(cursor.takeString(takeZipmapLength(cursor, first)));
    const valueLength = takeZipmapLength(cursor, cursor.takeByte());
    const freeBytes = cursor.takeByte();
    elements.push(cursor.takeString(valueLength));
    cursor.take(freeBytes);
  }
  if (!cursor.isAtEnd()) throw cursor.damaged();
  if (count < ZIPMAP_LONG_LENGTH && count !== elements.length / 2) throw cursor.damaged();
  return elements;
}

function takeZipmapLength(cursor: PackedCursor, first: number): number {
  if (first === PACKED_END) throw cursor.damaged();
  return first === ZIPMAP_LONG_LENGTH ? cursor.bytes.readUInt32LE(cursor.take(4)) : first;
}

/* Intset (Redis 7.0 intset.c): u32 bytes per integer, u32 count, integers in ascending order. */

const INTSET_HEADER_BYTES = 8;

export function decodeIntset(bytes: Buffer, fileOffset: number): Buffer[] {
  const cursor = new PackedCursor(bytes, 'intset', fileOffset);
  cursor.take(INTSET_HEADER_BYTES);
  const width = bytes.readUInt32LE(0);
  const count = bytes.readUInt32LE(4);
  if (width !== 2 && width !== 4 && width !== 8) throw cursor.damaged();
  if (bytes.length !== INTSET_HEADER_BYTES + width * count) throw cursor.damaged();
  const elements: Buffer[] = [];
  let previous: number | bigint | undefined;
  while (!cursor.isAtEnd()) {
    const start = cursor.take(width);
    const value = width === 8 ? bytes.readBigInt64LE(start) : bytes.readIntLE(start, width);
    if (previous !== undefined && value <= previous) throw cursor.damaged();
    previous = value;
    elements.push(toText(value));
  }
  return elements;
}
