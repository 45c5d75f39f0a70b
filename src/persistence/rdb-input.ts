/**
 * Bytes, lengths and strings out of an RDB file, read in chunks: of a file of any size only a chunk, and the
 * value that is being read, are in memory.
 *
 *     0 ≤ checksummed ≤ position ≤ filled ≤ buffer.length
 *
 * Nothing in the file decides how much is allocated: a string's memory grows with the bytes that have
 * arrived, a compressed one is at most as much larger as LZF can make it, and a count of elements is never
 * trusted.
 */
import { Crc64 } from '../util/crc64.ts';
import { isLzfLength, lzfDecompressTo } from '../util/lzf.ts';
import { writeInteger } from '../util/numbers.ts';
import {
  ENCODING_INT16,
  ENCODING_INT32,
  ENCODING_INT8,
  ENCODING_LZF,
  LENGTH_14_BITS,
  LENGTH_32_BITS,
  LENGTH_64_BITS,
  LENGTH_6_BITS,
  LENGTH_IS_ENCODING,
  STRING_BYTES_MAX,
} from './rdb-constants.ts';
import { RdbError } from './rdb-error.ts';
import type { ByteRange } from './rdb-values.ts';

/** Where bytes come from: fills a part of `target`, or all of it, and returns how much; 0 only at the end. */
export interface ByteSource {
  read(target: Buffer): number;
}

/** A source of bytes that are in memory. */
export class MemorySource implements ByteSource {
  readonly #range: ByteRange;
  #position: number;

  constructor(range: ByteRange) {
    this.#range = range;
    this.#position = range.start;
  }

  read(target: Buffer): number {
    const length = Math.min(target.length, this.#range.end - this.#position);
    target.set(this.#range.bytes.subarray(this.#position, this.#position + length));
    this.#position += length;
    return length;
  }
}

export interface RdbInputOptions {
  /** Bytes asked of the source at a time. */
  readonly chunkBytes?: number;
  readonly isChecksumming?: boolean;
}

const CHUNK_BYTES = 256 * 1024;
/** The longest thing that is read in one piece whatever its first byte says, with room to spare. */
const CHUNK_BYTES_MIN = 64;
/** A string longer than the chunk starts with this much memory and doubles it as bytes arrive. */
const LONG_STRING_STEP_BYTES = 1024 * 1024;
const KEPT_ROOM_BYTES_MAX = 64 * 1024;
/** "-2147483648" */
const INT32_TEXT_BYTES_MAX = 11;

/**
 * A string of the input, to be used again and again. What it holds is borrowed: valid until something else is
 * read into it or, if it is not pinned, until the next read of any kind.
 */
export class BorrowedString implements ByteRange {
  bytes: Uint8Array;
  start = 0;
  end = 0;
  #own: Buffer = Buffer.allocUnsafe(CHUNK_BYTES_MIN);

  constructor() {
    this.bytes = this.#own;
  }

  set(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  setInteger(value: number): void {
    this.#reserve(INT32_TEXT_BYTES_MAX);
    this.set(this.#own, 0, writeInteger(this.#own, 0, value));
  }

  /** Room for bytes of its own: what it holds may be in them. Long ones are not kept for the next use. */
  room(length: number): Buffer {
    if (length > KEPT_ROOM_BYTES_MAX) return Buffer.allocUnsafe(length);
    this.#reserve(length);
    return this.#own;
  }

  /** Copies what was borrowed. */
  detach(): void {
    const length = this.end - this.start;
    this.#reserve(length);
    this.#own.set(this.bytes.subarray(this.start, this.end));
    this.set(this.#own, 0, length);
  }

  /** A copy to keep. */
  toBuffer(): Buffer {
    const copy = Buffer.allocUnsafe(this.end - this.start);
    copy.set(this.bytes.subarray(this.start, this.end));
    return copy;
  }

  #reserve(length: number): void {
    if (this.#own.length < length) this.#own = Buffer.allocUnsafe(Math.max(length, 2 * this.#own.length));
  }
}

export class RdbInput {
  readonly #source: ByteSource;
  readonly #buffer: Buffer;
  readonly #crc: Crc64 | undefined;
  /** The string that must survive further reads: the key, while its value is read. */
  #pinned: BorrowedString | undefined;
  /** Offset in the file of the first byte of the buffer. */
  #base = 0;
  #checksummed = 0;
  #position = 0;
  #filled = 0;
  /** Strings that are kept pass through it. */
  readonly #scratch = new BorrowedString();
  /** The encoding that `#readLengthOrEncoding` has found. */
  #encoding = 0;

  constructor(source: ByteSource, options: RdbInputOptions = {}) {
    this.#source = source;
    this.#buffer = Buffer.allocUnsafe(Math.max(options.chunkBytes ?? CHUNK_BYTES, CHUNK_BYTES_MIN));
    this.#crc = (options.isChecksumming ?? false) ? new Crc64() : undefined;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#base + this.#position;
  }

  /** An error at the place that was reached. */
  error(reason: string): RdbError {
    return new RdbError(reason, this.offset);
  }

  /** Keeps the string valid, whatever is read, until `unpin`. */
  pin(borrowed: BorrowedString): void {
    this.#pinned = borrowed;
  }

  unpin(): void {
    this.#pinned = undefined;
  }

  readByte(): number {
    if (this.#position === this.#filled) this.#fill(1);
    return this.#buffer[this.#position++]!;
  }

  readUint32LE(): number {
    const value = this.#require(4).readUInt32LE(this.#position);
    this.#position += 4;
    return value;
  }

  readInt64LE(): bigint {
    const value = this.#require(8).readBigInt64LE(this.#position);
    this.#position += 8;
    return value;
  }

  /** A time in Unix milliseconds. Beyond ±2^53, 285,000 years, it is rounded. */
  readMillis(): number {
    const buffer = this.#require(8);
    const value = buffer.readInt32LE(this.#position + 4) * 2 ** 32 + buffer.readUInt32LE(this.#position);
    this.#position += 8;
    return value;
  }

  readDoubleLE(): number {
    const value = this.#require(8).readDoubleLE(this.#position);
    this.#position += 8;
    return value;
  }

  readUint64BE(): bigint {
    const value = this.#require(8).readBigUInt64BE(this.#position);
    this.#position += 8;
    return value;
  }

  /** A length or count. It is not to be trusted: the file may be damaged. */
  readLength(): number {
    const length = this.#readLengthOrEncoding();
    if (length < 0) throw this.error('an encoded string stands where a length is expected');
    return length;
  }

  /** Any unsigned 64-bit number, in the form of a length. */
  readUint64(): bigint {
    if (this.#position === this.#filled) this.#fill(1);
    if (this.#buffer[this.#position] !== LENGTH_64_BITS) return BigInt(this.readLength());
    this.#position++;
    return this.readUint64BE();
  }

  /** Fixed bytes as text, one character each. */
  readLatin1(length: number): string {
    const text = this.#require(length).toString('latin1', this.#position, this.#position + length);
    this.#position += length;
    return text;
  }

  /** A string to keep. */
  readString(): Buffer {
    this.readStringInto(this.#scratch);
    return this.#scratch.toBuffer();
  }

  /** A string, whatever its encoding, borrowed where that is possible. */
  readStringInto(target: BorrowedString): void {
    const length = this.#readLengthOrEncoding();
    if (length >= 0) this.#readBytesInto(target, length);
    else if (this.#encoding === ENCODING_LZF) this.#readCompressedInto(target);
    else target.setInteger(this.#readEncodedInteger());
  }

  /** Passes over a string without holding it. */
  skipString(): void {
    const length = this.#readLengthOrEncoding();
    if (length >= 0) {
      this.skipBytes(length);
    } else if (this.#encoding === ENCODING_LZF) {
      const compressedLength = this.readLength();
      this.readLength();
      this.skipBytes(compressedLength);
    } else {
      this.#readEncodedInteger();
    }
  }

  skipBytes(length: number): void {
    let left = length;
    while (left > this.#filled - this.#position) {
      left -= this.#filled - this.#position;
      this.#position = this.#filled;
      this.#fill(1);
    }
    this.#position += left;
  }

  /** The checksum of all bytes read. */
  checksum(): bigint {
    this.#updateChecksum();
    return this.#crc?.value ?? 0n;
  }

  /** A length, or -1 with `#encoding` set. */
  #readLengthOrEncoding(): number {
    const first = this.readByte();
    const form = first >>> 6;
    if (form === LENGTH_6_BITS) return first;
    if (form === LENGTH_14_BITS) return ((first & 0x3f) << 8) | this.readByte();
    if (form === LENGTH_IS_ENCODING) {
      this.#encoding = first & 0x3f;
      return -1;
    }
    if (first === LENGTH_32_BITS) {
      const length = this.#require(4).readUInt32BE(this.#position);
      this.#position += 4;
      return length;
    }
    if (first !== LENGTH_64_BITS) throw this.error(`unknown form of length ${first}`);
    const length = this.readUint64BE();
    if (length > Number.MAX_SAFE_INTEGER) throw this.error(`impossible length ${length}`);
    return Number(length);
  }

  #readEncodedInteger(): number {
    switch (this.#encoding) {
      case ENCODING_INT8:
        return (this.readByte() << 24) >> 24;
      case ENCODING_INT16: {
        const value = this.#require(2).readInt16LE(this.#position);
        this.#position += 2;
        return value;
      }
      case ENCODING_INT32: {
        const value = this.#require(4).readInt32LE(this.#position);
        this.#position += 4;
        return value;
      }
      default:
        throw this.error(`unknown encoding ${this.#encoding} of a string`);
    }
  }

  #readCompressedInto(target: BorrowedString): void {
    const start = this.offset;
    const compressedLength = this.readLength();
    const length = this.readLength();
    if (length > STRING_BYTES_MAX) throw this.error(`string of ${length} bytes`);
    this.#readBytesInto(target, compressedLength);
    const isPossible = isLzfLength(compressedLength, length);
    const bytes = target.room(isPossible ? length : 0);
    if (!isPossible || !lzfDecompressTo(bytes, target.bytes, target.start, target.end, length)) {
      throw new RdbError('damaged compressed string', start);
    }
    target.set(bytes, 0, length);
  }

  #readBytesInto(target: BorrowedString, length: number): void {
    if (length > this.#filled - this.#position) {
      if (length > this.#buffer.length) {
        target.set(this.#readLongBytes(length), 0, length);
        return;
      }
      this.#fill(length);
    }
    target.set(this.#buffer, this.#position, this.#position + length);
    this.#position += length;
  }

  #readLongBytes(length: number): Buffer {
    if (length > STRING_BYTES_MAX) throw this.error(`string of ${length} bytes`);
    this.#updateChecksum();
    let bytes: Buffer = Buffer.allocUnsafe(
      Math.min(length, Math.max(LONG_STRING_STEP_BYTES, this.#buffer.length)),
    );
    let filled = this.#buffer.copy(bytes, 0, this.#position, this.#filled);
    while (filled < length) {
      if (filled === bytes.length) bytes = enlarge(bytes, Math.min(length, 2 * bytes.length));
      const count = this.#source.read(bytes.subarray(filled));
      if (count === 0) throw new RdbError('unexpected end', this.offset + filled);
      filled += count;
    }
    this.#crc?.update(bytes, 0, length);
    this.#forgetBuffer(this.offset + length);
    return bytes;
  }

  /** The buffer with `length` bytes from the position on. `length` is small. */
  #require(length: number): Buffer {
    if (this.#filled - this.#position < length) this.#fill(length);
    return this.#buffer;
  }

  /** Moves what is unread to the front and reads until `length` bytes are there. */
  #fill(length: number): void {
    this.#updateChecksum();
    if (this.#pinned !== undefined && this.#pinned.bytes === this.#buffer) this.#pinned.detach();
    const unread = this.#filled - this.#position;
    this.#buffer.copyWithin(0, this.#position, this.#filled);
    this.#forgetBuffer(this.offset);
    this.#filled = unread;
    while (this.#filled < length) {
      const count = this.#source.read(this.#buffer.subarray(this.#filled));
      if (count === 0) throw new RdbError('unexpected end', this.#base + this.#filled);
      this.#filled += count;
    }
  }

  #forgetBuffer(offset: number): void {
    this.#base = offset;
    this.#checksummed = 0;
    this.#position = 0;
    this.#filled = 0;
  }

  #updateChecksum(): void {
    this.#crc?.update(this.#buffer, this.#checksummed, this.#position);
    this.#checksummed = this.#position;
  }
}

function enlarge(bytes: Buffer, length: number): Buffer {
  const larger = Buffer.allocUnsafe(length);
  larger.set(bytes);
  return larger;
}
