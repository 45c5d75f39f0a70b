/**
 * Bytes, lengths and strings on their way into an RDB file: collected in one buffer, which is handed on
 * whenever it is full and then used again. Nothing here touches a disk.
 */
import { copyBytes } from '../util/bytes.ts';
import { Crc64 } from '../util/crc64.ts';
import { lzfCompress } from '../util/lzf.ts';
import { parseInteger, writeInteger } from '../util/numbers.ts';
import {
  ENCODING_INT16,
  ENCODING_INT32,
  ENCODING_INT8,
  ENCODING_LZF,
  LENGTH_14_BITS,
  LENGTH_32_BITS,
  LENGTH_64_BITS,
  LENGTH_IS_ENCODING,
} from './rdb-constants.ts';
import type { ByteRange } from './rdb-values.ts';

/** Takes a full chunk. The bytes are borrowed: they change after the call. */
export type ChunkHandler = (chunk: Buffer) => void;

export interface RdbOutputOptions {
  readonly onChunk: ChunkHandler;
  /** Compress strings where that makes them shorter (`rdbcompression`). */
  readonly isCompressing: boolean;
  readonly isChecksumming: boolean;
  readonly chunkBytes?: number;
}

const CHUNK_BYTES = 256 * 1024;
/** Room for anything that is written in one piece. */
const PIECE_BYTES_MAX = 32;

/** Longer texts are not tried as an int32. */
const INT32_TEXT_BYTES_MAX = 11;
/** Shorter strings do not get smaller by compression. */
const COMPRESSED_BYTES_MIN = 21;
/** What compression has to save at least. */
const COMPRESSION_GAIN_BYTES_MIN = 4;
/** Memory for compression up to this size is kept; what a longer string needs is given up after it. */
const KEPT_SCRATCH_BYTES_MAX = 1024 * 1024;

const ENCODED = LENGTH_IS_ENCODING << 6;

export class RdbOutput {
  readonly #onChunk: ChunkHandler;
  readonly #isCompressing: boolean;
  readonly #buffer: Buffer;
  readonly #crc: Crc64 | undefined;
  #position = 0;
  #flushedBytes = 0;
  #scratch = Buffer.allocUnsafe(0);

  constructor(options: RdbOutputOptions) {
    this.#onChunk = options.onChunk;
    this.#isCompressing = options.isCompressing;
    this.#buffer = Buffer.allocUnsafe(Math.max(options.chunkBytes ?? CHUNK_BYTES, PIECE_BYTES_MAX));
    this.#crc = options.isChecksumming ? new Crc64() : undefined;
  }

  /** Bytes written so far, handed on or not. */
  get offset(): number {
    return this.#flushedBytes + this.#position;
  }

  /** Hands on what is collected. */
  flush(): void {
    if (this.#position === 0) return;
    this.#crc?.update(this.#buffer, 0, this.#position);
    this.#onChunk(this.#buffer.subarray(0, this.#position));
    this.#flushedBytes += this.#position;
    this.#position = 0;
  }

  /** The checksum of all bytes handed on; 0 where none is kept. */
  checksum(): bigint {
    this.flush();
    return this.#crc?.value ?? 0n;
  }

  writeByte(byte: number): void {
    this.#reserve(1);
    this.#buffer[this.#position++] = byte;
  }

  writeLength(length: number): void {
    this.#reserve(PIECE_BYTES_MAX);
    const buffer = this.#buffer;
    if (length < 2 ** 6) {
      buffer[this.#position++] = length;
    } else if (length < 2 ** 14) {
      buffer[this.#position++] = (LENGTH_14_BITS << 6) | (length >>> 8);
      buffer[this.#position++] = length & 0xff;
    } else if (length < 2 ** 32) {
      buffer[this.#position++] = LENGTH_32_BITS;
      this.#position = buffer.writeUInt32BE(length, this.#position);
    } else {
      this.writeUint64(BigInt(length));
    }
  }

  /** Any unsigned 64-bit number, in the form of a length. */
  writeUint64(value: bigint): void {
    if (value < 2n ** 32n) {
      this.writeLength(Number(value));
      return;
    }
    this.writeByte(LENGTH_64_BITS);
    this.writeUint64BE(value);
  }

  writeUint64BE(value: bigint): void {
    this.#reserve(8);
    this.#position = this.#buffer.writeBigUInt64BE(value, this.#position);
  }

  writeUint64LE(value: bigint): void {
    this.#reserve(8);
    this.#position = this.#buffer.writeBigUInt64LE(value, this.#position);
  }

  writeUint16LE(value: number): void {
    this.#reserve(2);
    this.#position = this.#buffer.writeUInt16LE(value, this.#position);
  }

  /** A time in Unix milliseconds. */
  writeMillis(millis: number): void {
    this.#reserve(8);
    const buffer = this.#buffer;
    // The latest time, 2^63 - 1, is 2^63 as a number.
    const isLatest = millis >= 2 ** 63;
    const high = Math.floor(millis / 2 ** 32);
    buffer.writeUInt32LE(isLatest ? 0xffff_ffff : millis - high * 2 ** 32, this.#position);
    buffer.writeInt32LE(isLatest ? 0x7fff_ffff : high, this.#position + 4);
    this.#position += 8;
  }

  writeDoubleLE(value: number): void {
    this.#reserve(8);
    this.#position = this.#buffer.writeDoubleLE(value, this.#position);
  }

  /** Bytes as they are. */
  writeBytes(bytes: Uint8Array, start: number, end: number): void {
    let position = start;
    while (end - position > this.#buffer.length - this.#position) {
      const room = this.#buffer.length - this.#position;
      copyBytes(this.#buffer, this.#position, bytes, position, position + room);
      this.#position += room;
      position += room;
      this.flush();
    }
    this.#position = copyBytes(this.#buffer, this.#position, bytes, position, end);
  }

  /** A string, as an integer or compressed if that is shorter (Redis 7.0 rdb.c, rdbSaveRawString). */
  writeString(range: ByteRange): void {
    const { bytes, start, end } = range;
    const length = end - start;
    if (length <= INT32_TEXT_BYTES_MAX) {
      const integer = parseInteger(bytes, start, end);
      if (integer === (integer | 0)) {
        this.#writeEncodedInteger(integer);
        return;
      }
    } else if (this.#isCompressing && length >= COMPRESSED_BYTES_MIN && this.#writeCompressed(range)) {
      return;
    }
    this.writeLength(length);
    this.writeBytes(bytes, start, end);
  }

  writeWholeString(bytes: Uint8Array): void {
    this.writeString({ bytes, start: 0, end: bytes.length });
  }

  #writeEncodedInteger(integer: number): void {
    this.#reserve(PIECE_BYTES_MAX);
    const buffer = this.#buffer;
    if (integer === (integer << 24) >> 24) {
      buffer[this.#position++] = ENCODED | ENCODING_INT8;
      buffer[this.#position++] = integer;
    } else if (integer === (integer << 16) >> 16) {
      buffer[this.#position++] = ENCODED | ENCODING_INT16;
      buffer[this.#position++] = integer;
      buffer[this.#position++] = integer >> 8;
    } else {
      buffer[this.#position++] = ENCODED | ENCODING_INT32;
      for (let shift = 0; shift < 32; shift += 8) buffer[this.#position++] = integer >> shift;
    }
  }

  /** Whether the string could be written so. */
  #writeCompressed(range: ByteRange): boolean {
    const { bytes, start, end } = range;
    const room = end - start - COMPRESSION_GAIN_BYTES_MIN;
    if (this.#scratch.length < room) this.#scratch = Buffer.allocUnsafe(room);
    const length = lzfCompress(bytes, start, end, this.#scratch, 0, room);
    if (length > 0) {
      this.writeByte(ENCODED | ENCODING_LZF);
      this.writeLength(length);
      this.writeLength(end - start);
      this.writeBytes(this.#scratch, 0, length);
    }
    if (this.#scratch.length > KEPT_SCRATCH_BYTES_MAX) this.#scratch = Buffer.allocUnsafe(0);
    return length > 0;
  }

  #reserve(length: number): void {
    if (this.#buffer.length - this.#position < length) this.flush();
  }
}

/** A safe integer in decimal. */
export function integerText(integer: number): Buffer {
  const text = Buffer.allocUnsafe(PIECE_BYTES_MAX);
  return text.subarray(0, writeInteger(text, 0, integer));
}
