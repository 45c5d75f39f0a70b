/**
 * Commands into the bytes of an append-only file, in groups. A group is what one flush adds to the file:
 *
 *     group    ::= [ timestamp ] [ synced ] { record } checksum
 *     record   ::= "*" count CRLF { "$" length CRLF bytes CRLF }
 *
 * (annotations: aof-annotations.ts). The checksum covers the group up to itself. A record of ours that
 * selects a database is spelt in lower case: real Redis writes `SELECT` as its first record whenever it goes
 * on with a file, which tells a reader where our groups end and its own, unchecked records begin.
 *
 *     buffer    0 ≤ groupStart ≤ position ≤ buffer.length
 *               └ sealed ─┘└ open group ┘
 */
import type { Request } from '../protocol/request.ts';
import { copyBytes } from '../util/bytes.ts';
import { crc64 } from '../util/crc64.ts';
import { writeInteger } from '../util/numbers.ts';
import { formatChecksum, formatSynced, formatTimestamp } from './aof-annotations.ts';

const INITIAL_BYTES = 64 * 1024;
/** After a flush that needed more, the buffer goes back to its first size. */
const KEPT_BYTES_MAX = 1024 * 1024;
/** Longest `*count` or `$length` line with the CRLF that may precede it. */
const HEADER_BYTES_MAX = 32;

const ASTERISK = 42;
const DOLLAR = 36;
const CR = 13;
const LF = 10;

const MULTI_RECORD = Buffer.from('*1\r\n$5\r\nMULTI\r\n');
const EXEC_RECORD = Buffer.from('*1\r\n$4\r\nEXEC\r\n');

const NO_DATABASE = -1;
const NO_TIMESTAMP = -1;

/** A group without commands: the file is on disk up to `offset`. */
export function syncedMark(offset: number): Buffer {
  const line = Buffer.from(formatSynced(offset));
  const checksum = formatChecksum(crc64(0n, line, 0, line.length), line.length);
  return Buffer.concat([line, Buffer.from(checksum)]);
}

export class AofEncoder {
  buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  position = 0;
  /** Where the open group begins; everything before is sealed. */
  #groupStart = 0;
  #database = NO_DATABASE;
  #isInMulti = false;
  #lastTimestamp = NO_TIMESTAMP;
  #syncedOffset = 0;
  #announcedOffset = 0;

  /** For a newly opened file, which begins or goes on with a mark: its first group selects a database. */
  beginFile(syncedOffset: number): void {
    this.#database = NO_DATABASE;
    this.#lastTimestamp = NO_TIMESTAMP;
    this.#syncedOffset = syncedOffset;
    this.#announcedOffset = syncedOffset;
  }

  /** The file is on disk up to this offset: the next group will say so. */
  noteSynced(offset: number): void {
    if (offset > this.#syncedOffset) this.#syncedOffset = offset;
  }

  /** Whether commands wait for a seal. */
  get hasOpenGroup(): boolean {
    return this.position > this.#groupStart;
  }

  append(database: number, request: Request): void {
    this.#openGroup();
    this.#select(database);
    const { buffer: source, starts, ends, count } = request;
    this.#header(ASTERISK, count);
    for (let i = 0; i < count; i++) {
      const start = starts[i]!;
      const end = ends[i]!;
      this.#header(DOLLAR, end - start);
      this.#reserve(end - start + 2);
      const position = copyBytes(this.buffer, this.position, source, start, end);
      this.buffer[position] = CR;
      this.buffer[position + 1] = LF;
      this.position = position + 2;
    }
  }

  /** What follows until `exec` is one unit, and stays in one group. */
  multi(database: number): void {
    this.#openGroup();
    this.#select(database);
    this.#copy(MULTI_RECORD);
    this.#isInMulti = true;
  }

  exec(): void {
    this.#copy(EXEC_RECORD);
    this.#isInMulti = false;
  }

  /**
   * The second in which the following commands run; a new one is noted in the file, at the start of a group.
   */
  setTimestamp(unixSeconds: number): void {
    if (unixSeconds <= this.#lastTimestamp || this.#isInMulti) return;
    this.seal();
    this.#lastTimestamp = unixSeconds;
    this.#text(formatTimestamp(unixSeconds));
    this.#announceSynced();
  }

  /** Ends the open group with its checksum. A transaction must not be open. */
  seal(): void {
    if (!this.hasOpenGroup) return;
    if (this.#isInMulti) throw new Error('an AOF group must not end within MULTI');
    const crc = crc64(0n, this.buffer, this.#groupStart, this.position);
    this.#text(formatChecksum(crc, this.position - this.#groupStart));
    this.#groupStart = this.position;
  }

  /** A group without commands: says that everything so far is synced. */
  sealWithSynced(): void {
    this.#openGroup();
    this.seal();
  }

  /** Forgets the first bytes of what is sealed: they are in the file. */
  consume(byteCount: number): void {
    if (byteCount > this.#groupStart) throw new Error('only sealed bytes are written');
    this.buffer.copyWithin(0, byteCount, this.position);
    this.position -= byteCount;
    this.#groupStart -= byteCount;
    if (this.position === 0 && this.buffer.length > KEPT_BYTES_MAX) {
      this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    }
  }

  /** Forgets everything that is not in the file: a snapshot holds it. */
  discard(): void {
    this.#groupStart = this.position;
    this.consume(this.position);
    this.#isInMulti = false;
  }

  #openGroup(): void {
    if (!this.hasOpenGroup) this.#announceSynced();
  }

  #announceSynced(): void {
    if (this.#syncedOffset === this.#announcedOffset) return;
    this.#announcedOffset = this.#syncedOffset;
    this.#text(formatSynced(this.#syncedOffset));
  }

  #select(database: number): void {
    if (database === this.#database) return;
    const digits = String(database);
    this.#text(`*2\r\n$6\r\nselect\r\n$${digits.length}\r\n${digits}\r\n`);
    this.#database = database;
  }

  #header(prefix: number, value: number): void {
    this.#reserve(HEADER_BYTES_MAX);
    const { buffer } = this;
    buffer[this.position] = prefix;
    const position = writeInteger(buffer, this.position + 1, value);
    buffer[position] = CR;
    buffer[position + 1] = LF;
    this.position = position + 2;
  }

  #text(ascii: string): void {
    this.#reserve(ascii.length);
    this.position += this.buffer.write(ascii, this.position, 'latin1');
  }

  #copy(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.position = copyBytes(this.buffer, this.position, bytes, 0, bytes.length);
  }

  #reserve(byteCount: number): void {
    const needed = this.position + byteCount;
    if (needed <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2));
    this.buffer.copy(larger, 0, 0, this.position);
    this.buffer = larger;
  }
}
