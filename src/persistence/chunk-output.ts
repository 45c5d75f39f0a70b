/**
 * Text and bytes on their way into a file: collected in one buffer, which is handed on whenever it is full
 * and then used again. A checksum runs along.
 *
 *     0 ≤ checksummed ≤ position ≤ buffer.length
 */
import { copyBytes } from '../util/bytes.ts';
import { Crc64 } from '../util/crc64.ts';

/** Takes a full chunk. The bytes are borrowed: they change after the call. */
export type ChunkHandler = (chunk: Buffer) => void;

const CHUNK_BYTES = 256 * 1024;
/** Up to this length a loop is cheaper than a native call. */
const LOOP_TEXT_MAX = 40;
/** Room for the longest short text. */
const CHUNK_BYTES_MIN = 1024;

export class ChunkOutput {
  readonly #onChunk: ChunkHandler;
  readonly #buffer: Buffer;
  readonly #crc = new Crc64();
  #position = 0;
  #checksummed = 0;
  #flushedBytes = 0;

  constructor(onChunk: ChunkHandler, chunkBytes = CHUNK_BYTES) {
    this.#onChunk = onChunk;
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(chunkBytes, CHUNK_BYTES_MIN));
  }

  /** Bytes written so far, handed on or not. */
  get offset(): number {
    return this.#flushedBytes + this.#position;
  }

  writeByte(byte: number): void {
    if (this.#position === this.#buffer.length) this.flush();
    this.#buffer[this.#position++] = byte;
  }

  writeBytes(bytes: Uint8Array, start: number, end: number): void {
    let position = start;
    while (end - position > this.#buffer.length - this.#position) {
      const stop = position + this.#buffer.length - this.#position;
      this.#position = copyBytes(this.#buffer, this.#position, bytes, position, stop);
      position = stop;
      this.flush();
    }
    this.#position = copyBytes(this.#buffer, this.#position, bytes, position, end);
  }

  /** A short text of ASCII characters: at most `CHUNK_BYTES_MIN`. */
  writeText(ascii: string): void {
    const { length } = ascii;
    if (length > this.#buffer.length - this.#position) this.flush();
    if (length > LOOP_TEXT_MAX) {
      this.#position += this.#buffer.write(ascii, this.#position, 'latin1');
      return;
    }
    const buffer = this.#buffer;
    let position = this.#position;
    for (let i = 0; i < length; i++) buffer[position++] = ascii.charCodeAt(i);
    this.#position = position;
  }

  /** The checksum of all bytes since the start, or since the last call of `restartChecksum`. */
  checksum(): bigint {
    this.#updateChecksum();
    return this.#crc.value;
  }

  restartChecksum(): void {
    this.#crc.reset();
    this.#checksummed = this.#position;
  }

  /** Hands on what is collected. */
  flush(): void {
    if (this.#position === 0) return;
    this.#updateChecksum();
    this.#onChunk(this.#buffer.subarray(0, this.#position));
    this.#flushedBytes += this.#position;
    this.#position = 0;
    this.#checksummed = 0;
  }

  #updateChecksum(): void {
    this.#crc.update(this.#buffer, this.#checksummed, this.#position);
    this.#checksummed = this.#position;
  }
}
