/**
 * Reads one append-only file, command by command, and decides where a damaged one may be cut.
 *
 *     file    ::= { record | inline | annotation }        inline: SET user:1 alice
 *
 *     base                  position      released        scan              filled
 *     └ read, dropped ─ ─ ─ ┘└ deliverable ┘└ held back ──┘└ not looked at ─┘
 *
 * A command is delivered only when its unit is known to be whole: all of a MULTI … EXEC block, and in a
 * checksummed region all of a group (aof-writer-encoder.ts), whose checksum must match. So nothing has to be
 * undone, whatever turns up at the end of the file.
 *
 * A region is checksummed from a `#SYNCED` or `#CRC64` line on, until a record that is spelt `SELECT`: with
 * that, a real Redis has gone on with the file. Other regions are read as Redis 7.0 reads them (aof.c,
 * loadSingleAppendOnlyFile), except that CRLFs are looked at.
 *
 * Damage, and what it means:
 *   - the file ends within a unit: a write that was cut short. Cut to the last whole unit;
 *   - nothing but zeros from there on: the size had reached the disk, the data had not. The same;
 *   - anything else in a checksummed region: if a later intact group says that this place had been synced, it
 *     was good once and has been corrupted: refuse. If none does, a crash lost some of its sectors: cut;
 *   - anything else in another region: corruption, as in Redis. Refuse.
 */
import { Request } from '../protocol/request.ts';
import { equalsIgnoreCase } from '../util/bytes.ts';
import { crc64 } from '../util/crc64.ts';
import { parseInteger } from '../util/numbers.ts';
import { splitArguments } from '../util/split-args.ts';
import { ANNOTATION_BYTES_MAX, parseAnnotation } from './aof-annotations.ts';
import { findsSyncedBeyond, isChecksumOf } from './aof-reader-evidence.ts';
import { DiskError, readFully, type Descriptor, type Disk } from './disk.ts';

const CHUNK_BYTES = 1024 * 1024;
const INLINE_BYTES_MAX = 64 * 1024;
/** Longest `*count` or `$length` line: Redis' tools read it into 128 bytes. */
const HEADER_BYTES_MAX = 126;
const SHORT_DIGITS_MAX = 6;
const ARGUMENTS_MAX = 2 ** 31 - 1;
/** A unit is held in memory, with 32-bit offsets. */
const UNIT_BYTES_MAX = 2 ** 31 - 1;

const NOWHERE = -1;

/** How a real Redis spells it; we write `select`. */
const TAKE_OVER = 'SELECT';
const RDB_MAGICS = ['REDIS', 'VALKEY'];
const RDB_MAGIC_BYTES_MAX = 6;

const LF = 10;
const CR = 13;
const HASH = 35;
const DOLLAR = 36;
const ASTERISK = 42;
const MINUS = 45;
const ZERO = 48;

// What is found at a place in the file.
const RECORD = 1;
const INLINE = 2;
const ANNOTATION = 3;
const BLANK = 4;
/** The end of the file comes first. */
const CUT_SHORT = 5;
const DAMAGED = 6;
/** More of the file must be read to tell. */
const NEED_MORE = 0;
/** The same, and the caller wants to keep what was delivered last. */
const UNREAD = 7;
type Found =
  | typeof RECORD
  | typeof INLINE
  | typeof ANNOTATION
  | typeof BLANK
  | typeof CUT_SHORT
  | typeof DAMAGED
  | typeof UNREAD;

/** How reading ended. `offset` is where the file can be cut without losing a whole unit. */
export type AofEnd =
  | { readonly kind: 'complete'; readonly offset: number }
  /** `open-transaction`: MULTI without EXEC. `torn`: a crash lost parts of what was not synced. */
  | { readonly kind: 'truncated' | 'zero-filled' | 'open-transaction' | 'torn'; readonly offset: number }
  /** What follows was run after the time that was asked for. */
  | { readonly kind: 'timestamp'; readonly offset: number }
  /** Cutting here would lose good data. `damageOffset` is the place of the record or group that is bad. */
  | {
      readonly kind: 'corrupt';
      readonly offset: number;
      readonly damageOffset: number;
      readonly reason: string;
    };

export interface AofReaderOptions {
  readonly disk: Disk;
  readonly path: string;
  /** Where records begin: behind the RDB preamble of an old single file. */
  readonly start?: number;
  /** Stop before the first annotation with a later time (Unix seconds). */
  readonly untilSeconds?: number;
}

export class AofReader {
  /** The command that `next` found: borrowed, valid until the next call. */
  readonly request = new Request();
  /** How it ended, once `next` has returned false. */
  end: AofEnd | undefined;
  /** Bytes in the file when it was opened. */
  readonly size: number;
  /** The last `#TS` so far, Unix seconds. */
  timestamp: number | undefined;
  readonly #disk: Disk;
  readonly #fd: Descriptor;
  readonly #path: string;
  readonly #untilSeconds: number;
  #isOpen = true;
  /** Of the call of `nextInto` under way. */
  #target = this.request;
  #mayRead = true;
  #isUnread = false;

  // Offsets into the buffer; `base` is the file offset of its first byte.
  #buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #base: number;
  #position = 0;
  #released = 0;
  #scan = 0;
  #filled = 0;

  #isChecked = false;
  #isInMulti = false;
  /** Where the last MULTI begins. */
  #multiStart = 0;
  #commandStart = 0;
  /** What of the released bytes is not delivered. */
  #skipStart = NOWHERE;
  #skipEnd = NOWHERE;
  /** Of the last thing found: where it ends; of damage: where and why. */
  #foundEnd = 0;
  #headerValue = 0;
  /** Offset up to which the file must be read. */
  #needed = 0;
  #damageAt = 0;
  #damageReason = '';

  constructor({ disk, path, start = 0, untilSeconds = Number.POSITIVE_INFINITY }: AofReaderOptions) {
    this.#disk = disk;
    this.#path = path;
    this.#fd = disk.open(path, 'read');
    this.size = disk.size(this.#fd);
    this.#base = start;
    this.#untilSeconds = untilSeconds;
  }

  /** Everything before this file offset is whole. */
  get validUpTo(): number {
    return this.#base + this.#released;
  }

  /** File offset behind the command that was delivered last: for progress. */
  get offset(): number {
    return this.#base + this.#position;
  }

  /** File offset of the command that was delivered last: for errors. */
  get commandOffset(): number {
    return this.#base + this.#commandStart;
  }

  /** Finds the next command; MULTI and EXEC are among them. False at the end: see `end`. Throws DiskError. */
  next(): boolean {
    return this.nextInto(this.request, true);
  }

  /**
   * The same into another request.
   * @param mayRead without it the commands delivered before stay valid, and false may also mean that the
   *   next command is not in memory
   */
  nextInto(request: Request, mayRead: boolean): boolean {
    this.#target = request;
    this.#mayRead = mayRead;
    this.#isUnread = false;
    while (this.end === undefined && !this.#isUnread) {
      if (this.#position < this.#released ? this.#deliver() : this.#scanOne()) return true;
    }
    return false;
  }

  close(): void {
    if (this.#isOpen) this.#disk.close(this.#fd);
    this.#isOpen = false;
  }

  /** Takes the next thing of what is released; it has been parsed before, so it is whole. */
  #deliver(): boolean {
    this.#commandStart = this.#position;
    const found = this.#find(this.#position);
    this.#position = this.#foundEnd;
    if (this.#position === this.#skipStart) this.#position = this.#skipEnd;
    return found === RECORD || found === INLINE;
  }

  /**
   * Looks at the next thing behind what is released. True if it is a command that can be delivered at once.
   */
  #scanOne(): boolean {
    const found = this.#lookAhead();
    switch (found) {
      case RECORD:
      case INLINE:
        return this.#scanCommand(found);
      case ANNOTATION:
        this.#scanAnnotation();
        return false;
      case BLANK:
        this.#pass();
        return false;
      case CUT_SHORT:
        this.#endOfFile();
        return false;
      case DAMAGED:
        this.#endWithDamage();
        return false;
      case UNREAD:
        this.#isUnread = true;
        return false;
    }
  }

  #scanCommand(found: typeof RECORD | typeof INLINE): boolean {
    const request = this.#target;
    if (this.#isChecked && found === INLINE) return this.#damage(this.#scan, 'not a record');
    if (this.#isChecked && isTakeOver(request)) this.#handOver();
    if (request.count === 1) {
      const isMulti = isNamed(request, 'MULTI');
      if (isMulti && this.#isInMulti) return this.#damage(this.#scan, 'MULTI within MULTI');
      if (isMulti) {
        this.#isInMulti = true;
        this.#multiStart = this.#scan;
      }
      if (isNamed(request, 'EXEC')) {
        if (!this.#isInMulti) return this.#damage(this.#scan, 'EXEC without MULTI');
        this.#isInMulti = false;
      }
    }
    const isAlone = this.#scan === this.#position;
    this.#commandStart = this.#scan;
    this.#pass();
    if (!isAlone || this.#released !== this.#scan) return false;
    this.#position = this.#released;
    return true;
  }

  /**
   * A real Redis goes on from here: what is held back counts, for it has loaded that. Except for a
   * transaction that we did not finish: Redis may leave its MULTI in the file, but has not run it.
   */
  #handOver(): void {
    this.#isChecked = false;
    if (!this.#isInMulti) return;
    this.#isInMulti = false;
    this.#skipStart = this.#multiStart;
    this.#skipEnd = this.#scan;
    if (this.#position === this.#skipStart) this.#position = this.#skipEnd;
  }

  #scanAnnotation(): void {
    const start = this.#scan;
    const annotation = parseAnnotation(this.#buffer.toString('latin1', start, this.#foundEnd));
    switch (annotation.kind) {
      case 'timestamp':
        if (annotation.seconds > this.#untilSeconds) {
          this.end = { kind: 'timestamp', offset: this.validUpTo };
          return;
        }
        this.timestamp = annotation.seconds;
        break;
      case 'synced':
        this.#isChecked = true;
        break;
      case 'checksum':
        if (!this.#isVerified(start, annotation.crc, annotation.byteCount)) return;
        this.#isChecked = true;
        this.#scan = this.#foundEnd;
        if (!this.#isInMulti) this.#released = this.#scan;
        return;
      case 'malformed':
        this.#damage(start, 'malformed annotation');
        return;
      case 'other':
        break;
    }
    this.#pass();
  }

  /** Goes behind what was found, and releases it if its unit is whole with it. */
  #pass(): void {
    this.#scan = this.#foundEnd;
    if (!this.#isInMulti && !this.#isChecked) this.#released = this.#scan;
  }

  /** Whether the bytes before a checksum line are what it says, and include all that is held back. */
  #isVerified(lineStart: number, crc: bigint, byteCount: number): boolean {
    const groupStart = lineStart - byteCount;
    // Within an open MULTI the file is held back for two reasons, and groups may end in it.
    if (this.#isChecked && !this.#isInMulti && groupStart > this.#released) {
      return this.#damage(this.#released, 'bytes without a checksum');
    }
    const isRight =
      groupStart >= 0
        ? crc64(0n, this.#buffer, groupStart, lineStart) === crc
        : isChecksumOf(this.#disk, this.#fd, { crc, byteCount, end: this.#base + lineStart });
    return isRight || this.#damage(Math.max(this.#released, groupStart), 'checksum mismatch');
  }

  /** The file ends at `scan` or within what begins there. */
  #endOfFile(): void {
    const size = this.size - this.#base;
    const offset = this.validUpTo;
    if (this.#released === size) {
      this.end = { kind: 'complete', offset };
    } else if (this.#isChecked && this.#wasSynced(this.#scan)) {
      this.#refuse(this.#scan, 'a record that goes beyond the end of the file');
    } else if (this.#hasZerosFrom(Math.max(this.#released, size - 1))) {
      this.end = { kind: 'zero-filled', offset };
    } else if (this.#scan === size && this.#isInMulti && !this.#isChecked) {
      this.end = { kind: 'open-transaction', offset };
    } else {
      this.end = { kind: 'truncated', offset };
    }
  }

  #endWithDamage(): void {
    const offset = this.validUpTo;
    if (this.#isChecked && this.#wasSynced(this.#damageAt)) this.#refuse(this.#damageAt, this.#damageReason);
    else if (this.#hasZerosFrom(this.#damageAt)) this.end = { kind: 'zero-filled', offset };
    else if (this.#isChecked) this.end = { kind: 'torn', offset };
    else this.#refuse(this.#damageAt, this.#damageReason);
  }

  /** Notes damage that was found in something well-formed, and ends there. */
  #damage(at: number, reason: string): false {
    this.#found(DAMAGED, at, reason);
    this.#endWithDamage();
    return false;
  }

  #refuse(at: number, reason: string): void {
    this.end = { kind: 'corrupt', offset: this.validUpTo, damageOffset: this.#base + at, reason };
  }

  #wasSynced(at: number): boolean {
    return findsSyncedBeyond(this.#disk, this.#fd, {
      start: this.validUpTo,
      size: this.size,
      offset: this.#base + at,
    });
  }

  /** Whether the file holds nothing but zeros from here to its end. */
  #hasZerosFrom(at: number): boolean {
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (let position = this.#base + at; position < this.size;) {
      const count = readFully(this.#disk, this.#fd, { target: chunk, start: 0, end: chunk.length, position });
      if (count === 0) break;
      for (let i = 0; i < count; i++) if (chunk[i] !== 0) return false;
      position += count;
    }
    return true;
  }

  /** What begins at `scan`, reading on until it is all there. */
  #lookAhead(): Found {
    for (;;) {
      const found = this.#find(this.#scan);
      if (found !== NEED_MORE) return found;
      if (this.#base + this.#needed > this.size) return CUT_SHORT;
      if (this.#needed - this.#position > UNIT_BYTES_MAX) {
        return this.#found(DAMAGED, this.#scan, 'a unit of more than 2 GiB');
      }
      if (!this.#mayRead) return UNREAD;
      this.#fill(this.#needed);
    }
  }

  /** What begins at `at`. The end is in `foundEnd`, a command in `request`. */
  #find(at: number): Found | typeof NEED_MORE {
    if (at >= this.#filled) return this.#need(at + 1);
    const first = this.#buffer[at]!;
    if (first === ASTERISK) return this.#findRecord(at);
    if (first === HASH) return this.#findLine(at, ANNOTATION, ANNOTATION_BYTES_MAX);
    if (first === LF) return this.#found(BLANK, at + 1);
    if (first === CR) return this.#findLine(at, BLANK, 2);
    return isLetter(first) ? this.#findInline(at) : this.#found(DAMAGED, at, 'not a record');
  }

  #findRecord(start: number): Found | typeof NEED_MORE {
    const request = this.#target;
    request.count = 0;
    request.buffer = this.#buffer;
    let found = this.#findHeader(start, ASTERISK);
    if (found !== RECORD) return found;
    const count = this.#headerValue;
    if (count < 1 || count > ARGUMENTS_MAX) return this.#found(DAMAGED, start, 'invalid count of arguments');

    for (let i = 0; i < count; i++) {
      const headerStart = this.#foundEnd;
      found = this.#findHeader(headerStart, DOLLAR);
      if (found !== RECORD) return found;
      const valueStart = this.#foundEnd;
      const valueEnd = valueStart + this.#headerValue;
      if (valueEnd < valueStart) return this.#found(DAMAGED, headerStart, 'invalid length of an argument');
      if (valueEnd + 2 > this.#filled) return this.#need(valueEnd + 2);
      if (this.#buffer[valueEnd] !== CR || this.#buffer[valueEnd + 1] !== LF) {
        const wrong = this.#buffer[valueEnd] === CR ? valueEnd + 1 : valueEnd;
        return this.#found(DAMAGED, wrong, 'no CRLF behind an argument');
      }
      request.push(valueStart, valueEnd);
      this.#foundEnd = valueEnd + 2;
    }
    return RECORD;
  }

  /** A `*count` or `$length` line: RECORD if it is one; the number is in `headerValue`. */
  #findHeader(start: number, prefix: number): Found | typeof NEED_MORE {
    if (start >= this.#filled) return this.#need(start + 1);
    if (this.#buffer[start] !== prefix) {
      return this.#found(DAMAGED, start, `no '${String.fromCharCode(prefix)}' where one must be`);
    }
    if (this.#findShortHeader(start + 1)) return RECORD;
    let end = start + 1;
    while (end < this.#filled && isNumeral(this.#buffer[end]!) && end - start < HEADER_BYTES_MAX) end++;
    if (end < this.#filled && this.#buffer[end] !== CR) return this.#found(DAMAGED, end, 'not a length');
    if (end + 2 > this.#filled) return this.#need(end + 2);
    this.#headerValue = parseInteger(this.#buffer, start + 1, end);
    if (Number.isNaN(this.#headerValue)) return this.#found(DAMAGED, start + 1, 'not a length');
    if (this.#buffer[end + 1] !== LF) return this.#found(DAMAGED, end + 1, 'no LF behind a length');
    return this.#found(RECORD, end + 2);
  }

  /** Nearly every header: a few digits, the first of them not 0, and CRLF. */
  #findShortHeader(start: number): boolean {
    const buffer = this.#buffer;
    // What is behind the last byte that was read does not count: there must be room for digits and CRLF.
    if (start + SHORT_DIGITS_MAX + 2 > this.#filled) return false;
    let value = buffer[start]! - ZERO;
    if (value < 1 || value > 9) return false;
    let end = start + 1;
    for (; end < start + SHORT_DIGITS_MAX; end++) {
      const digit = buffer[end]! - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (buffer[end] !== CR || buffer[end + 1] !== LF) return false;
    this.#headerValue = value;
    this.#foundEnd = end + 2;
    return true;
  }

  #findLine(start: number, kind: Found, bytesMax: number): Found | typeof NEED_MORE {
    const end = this.#buffer.indexOf(LF, start);
    const isWhole = end >= 0 && end < this.#filled;
    if ((isWhole ? end + 1 : this.#filled) - start > bytesMax) {
      const zero = this.#buffer.subarray(start, this.#filled).indexOf(0);
      return this.#found(DAMAGED, zero < 0 ? start : start + zero, 'a line that is too long');
    }
    return isWhole ? this.#found(kind, end + 1) : this.#need(this.#filled + 1);
  }

  #findInline(start: number): Found | typeof NEED_MORE {
    const found = this.#findLine(start, INLINE, INLINE_BYTES_MAX);
    if (found !== INLINE) return found;
    const words = splitArguments(this.#buffer, start, this.#foundEnd);
    if (words === undefined || words.length === 0) return this.#found(DAMAGED, start, 'unbalanced quotes');
    const request = this.#target;
    const command = Request.of(words);
    request.count = 0;
    request.buffer = command.buffer;
    for (let i = 0; i < command.count; i++) request.push(command.start(i), command.end(i));
    return INLINE;
  }

  #found(found: Found, at: number, damageReason = ''): Found {
    if (found === DAMAGED) {
      this.#damageAt = at;
      this.#damageReason = damageReason;
    } else {
      this.#foundEnd = at;
    }
    return found;
  }

  #need(end: number): typeof NEED_MORE {
    this.#needed = end;
    return NEED_MORE;
  }

  /** Reads on up to `end` at least, which the file has. Drops what was delivered, so all offsets move. */
  #fill(end: number): void {
    const dropped = this.#position;
    const needed = end - dropped;
    const previous = this.#buffer;
    if (needed > previous.length) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, previous.length * 2), UNIT_BYTES_MAX));
    }
    previous.copy(this.#buffer, 0, dropped, this.#filled);
    this.#base += dropped;
    this.#position = 0;
    this.#released -= dropped;
    this.#scan -= dropped;
    this.#multiStart -= dropped;
    this.#skipStart = NOWHERE;
    this.#filled -= dropped;
    const target = { target: this.#buffer, start: this.#filled, end: this.#buffer.length };
    this.#filled += readFully(this.#disk, this.#fd, { ...target, position: this.#base + this.#filled });
    if (this.#filled < needed) throw new DiskError('read', 'EIO', this.#path);
  }
}

function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

function isNumeral(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || byte === MINUS;
}

function isNamed(request: Request, upperName: string): boolean {
  return equalsIgnoreCase(request.buffer, request.start(0), request.end(0), upperName);
}

/** The record with which a real Redis begins to write: ours are spelt `select`. */
function isTakeOver(request: Request): boolean {
  return request.count === 2 && request.length(0) === TAKE_OVER.length && request.text(0) === TAKE_OVER;
}

/** Whether a file begins with a snapshot, of Redis or Valkey, instead of records. */
export function beginsWithSnapshot(disk: Disk, path: string): boolean {
  const fd = disk.open(path, 'read');
  try {
    const head = Buffer.alloc(RDB_MAGIC_BYTES_MAX);
    const count = readFully(disk, fd, { target: head, start: 0, end: head.length, position: 0 });
    const text = head.toString('latin1', 0, count);
    return RDB_MAGICS.some((magic) => text.startsWith(magic));
  } finally {
    disk.close(fd);
  }
}

/** Cuts a file at `offset`, durably. */
export function truncateFile(disk: Disk, path: string, offset: number): void {
  const fd = disk.open(path, 'update');
  try {
    disk.truncate(fd, offset);
    disk.fsync(fd);
  } finally {
    disk.close(fd);
  }
}
