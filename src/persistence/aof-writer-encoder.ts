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
 * The bytes go to the pending buffer that all threads share (aof-writer-shared.ts), under the store's lock.
 */
import type { Request } from '../protocol/request.ts';
import { copyBytes } from '../util/bytes.ts';
import { crc64 } from '../util/crc64.ts';
import { writeInteger } from '../util/numbers.ts';
import { formatChecksum, formatSynced, formatTimestamp } from './aof-annotations.ts';
import { LOG_DATABASE, LOG_IN_MULTI, type LogBuffer, type SharedLog } from './aof-writer-shared.ts';

/** Longest `*count` or `$length` line, and the CRLF behind an argument. */
const HEADER_BYTES_MAX = 24;
/** Longest checksum line: there is always room for it behind the records. */
const CHECKSUM_BYTES_MAX = 64;

const ASTERISK = 42;
const DOLLAR = 36;
const CR = 13;
const LF = 10;

const MULTI_RECORD = '*1\r\n$5\r\nMULTI\r\n';
const EXEC_RECORD = '*1\r\n$4\r\nEXEC\r\n';

/** A group without commands: the file is on disk up to `offset`. */
export function syncedMark(offset: number): Buffer {
  const line = Buffer.from(formatSynced(offset));
  const checksum = formatChecksum(crc64(0n, line, 0, line.length), line.length);
  return Buffer.concat([line, Buffer.from(checksum)]);
}

/** Ends the buffer's open group, if there is one, with its checksum. */
export function seal(buffer: LogBuffer): void {
  if (!buffer.hasOpenGroup) return;
  const { bytes, groupStart, end } = buffer;
  const crc = crc64(0n, bytes, groupStart, end);
  appendText(buffer, formatChecksum(crc, end - groupStart), 0);
  buffer.closeGroup();
}

/** There is room behind it for the checksum, whose writer may not be allowed to allocate any more. */
function appendText(buffer: LogBuffer, ascii: string, spareBytes = CHECKSUM_BYTES_MAX): void {
  const position = buffer.reserve(ascii.length + spareBytes);
  const { bytes } = buffer;
  for (let i = 0; i < ascii.length; i++) bytes[position + i] = ascii.charCodeAt(i);
  buffer.advance(ascii.length);
}

export class AofEncoder {
  readonly #shared: SharedLog;
  readonly #pending: LogBuffer;

  constructor(shared: SharedLog) {
    this.#shared = shared;
    this.#pending = shared.pending;
  }

  append(database: number, request: Request): void {
    this.#openGroup();
    if (database !== this.#shared.get(LOG_DATABASE)) this.#select(database);
    const { buffer: source, starts, ends, count } = request;
    let room = HEADER_BYTES_MAX + CHECKSUM_BYTES_MAX;
    for (let i = 0; i < count; i++) room += HEADER_BYTES_MAX + (ends[i]! - starts[i]!);
    const from = this.#pending.reserve(room);
    const { bytes } = this.#pending;
    let position = writeHeader(bytes, from, ASTERISK, count);
    for (let i = 0; i < count; i++) {
      const start = starts[i]!;
      const end = ends[i]!;
      position = writeHeader(bytes, position, DOLLAR, end - start);
      position = copyBytes(bytes, position, source, start, end);
      bytes[position] = CR;
      bytes[position + 1] = LF;
      position += 2;
    }
    this.#pending.advance(position - from);
    this.#shared.setDouble('appended', this.#shared.double('appended') + (position - from));
  }

  /** What follows until `exec` is one unit, and stays in one group. */
  multi(database: number): void {
    this.#openGroup();
    if (database !== this.#shared.get(LOG_DATABASE)) this.#select(database);
    this.#record(MULTI_RECORD);
    this.#shared.set(LOG_IN_MULTI, 1);
  }

  exec(): void {
    this.#record(EXEC_RECORD);
    this.#shared.set(LOG_IN_MULTI, 0);
  }

  /** A transaction is open: nothing may be flushed. */
  get isInMulti(): boolean {
    return this.#shared.get(LOG_IN_MULTI) !== 0;
  }

  /**
   * The second in which the following commands run; a new one is noted in the file, at the start of a group.
   */
  setTimestamp(unixSeconds: number): void {
    if (unixSeconds <= this.#shared.double('lastTimestamp') || this.isInMulti) return;
    seal(this.#pending);
    this.#shared.setDouble('lastTimestamp', unixSeconds);
    appendText(this.#pending, formatTimestamp(unixSeconds));
    this.#announceSynced();
  }

  /** Adds a group without commands that says what is synced. */
  appendSynced(): void {
    this.#openGroup();
    this.#shared.setDouble('appended', this.#shared.double('appended') + 1);
  }

  #openGroup(): void {
    if (!this.#pending.hasOpenGroup) this.#announceSynced();
  }

  /** Says how much of the file is synced, unless that was said before. */
  #announceSynced(): void {
    const synced = this.#shared.double('syncedSize');
    if (synced <= this.#shared.double('announcedOffset')) return;
    this.#shared.setDouble('announcedOffset', synced);
    appendText(this.#pending, formatSynced(synced));
  }

  #select(database: number): void {
    const digits = String(database);
    this.#record(`*2\r\n$6\r\nselect\r\n$${digits.length}\r\n${digits}\r\n`);
    this.#shared.set(LOG_DATABASE, database);
  }

  #record(ascii: string): void {
    appendText(this.#pending, ascii);
    this.#shared.setDouble('appended', this.#shared.double('appended') + ascii.length);
  }
}

function writeHeader(bytes: Uint8Array, at: number, prefix: number, value: number): number {
  bytes[at] = prefix;
  const position = writeInteger(bytes, at + 1, value);
  bytes[position] = CR;
  bytes[position + 1] = LF;
  return position + 2;
}
