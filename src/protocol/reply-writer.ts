/**
 * Replies into bytes, for RESP2 and RESP3. One writer per thread; the replies of a wake-up follow each other
 * in its buffer, and the server sends each client its stretch.
 *
 * Types that RESP2 does not have are written as Redis 7.0 writes them for old clients: a map as a flat array,
 * a set and a push as an array, a double and a big number as a bulk string, a boolean as an integer, null as
 * `$-1` or `*-1`.
 */
import { SEGMENT_BYTES } from '../memory/arena.ts';
import { copyBytes } from '../util/bytes.ts';
import { formatDouble, integerLength, writeInteger } from '../util/numbers.ts';
import type { ErrorReply } from './error-reply.ts';

const INITIAL_BYTES = 64 * 1024;
/** After a wake-up that needed more, the buffer goes back to its first size. */
const KEPT_BYTES_MAX = 1024 * 1024;
/**
 * Up to this length a string in the arena is copied four bytes at a time: a quarter of what a loop over bytes
 * takes. Longer ones are left to `copyBytes`.
 */
const WORD_COPY_BYTES_MAX = 160;
/** Longest header line: type, 20 digits, CRLF. */
const HEADER_BYTES_MAX = 32;

/** Of what `bulkOf` takes. */
const SELF_WRITTEN_BYTES_MAX = 99;

/** What one wake-up may write; only one reply of that size makes it so much. */
export const REPLY_BYTES_MAX = 1024 * 1024 * 1024;

const CR = 13;
const LF = 10;
const DOLLAR = 36;
const PERCENT = 37;
const ASTERISK = 42;
const PLUS = 43;
const COLON = 58;
const EQUALS = 61;
const GREATER = 62;
const UNDERSCORE = 95;
const TILDE = 126;
const HASH = 35;
const COMMA = 44;
const PARENTHESIS = 40;

/**
 * Thrown by a writer that is to take more than REPLY_BYTES_MAX: the client asked for more than can be sent.
 */
export class ReplyTooLargeError extends Error {}

/** What writes its text at a position, and returns the position behind it. */
export interface SelfWriting {
  write(target: Uint8Array, position: number): number;
}

export class ReplyWriter {
  buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  /** The same bytes, to be written four at a time. */
  #target = viewOf(this.buffer);
  /** The segment that a bulk string was copied from last, and how to read four bytes of it. */
  #source: Uint8Array = this.buffer;
  #sourceView = this.#target;
  readonly #segmentViews = new WeakMap<Uint8Array, DataView>();
  /** Bytes written. */
  position = 0;
  /** The protocol version of the client that is served: 2 or 3. */
  version = 2;
  /** Error replies written, by whoever wants to notice one. */
  errorCount = 0;
  /** The line of the last one. */
  lastError = '';
  /** Messages between replies, in order. */
  #kept: { start: number; end: number }[] = [];

  /** Makes room for `byteCount` more bytes. */
  reserve(byteCount: number): void {
    if (this.position + byteCount > this.buffer.length) this.#grow(byteCount);
  }

  /** Forgets what was written. */
  reset(): void {
    this.position = 0;
    if (this.#kept.length > 0) this.#kept = [];
    if (this.buffer.length > KEPT_BYTES_MAX) this.#use(Buffer.allocUnsafeSlow(INITIAL_BYTES));
  }

  /** Takes back everything after `position` that is not kept: a reply that the client does not want. */
  truncate(position: number): void {
    this.position = position;
    if (this.#kept.length > 0) this.#moveKept(position);
  }

  /** What was written from `start` on is no part of a reply: `truncate` leaves it. */
  keep(start: number): void {
    this.#kept.push({ start, end: this.position });
  }

  #moveKept(position: number): void {
    for (const kept of this.#kept) {
      if (kept.start < position) continue;
      this.buffer.copyWithin(this.position, kept.start, kept.end);
      kept.end += this.position - kept.start;
      kept.start = this.position;
      this.position = kept.end;
    }
  }

  ok(): void {
    this.reserve(5);
    const { buffer, position } = this;
    buffer[position] = PLUS;
    buffer[position + 1] = 79;
    buffer[position + 2] = 75;
    buffer[position + 3] = CR;
    buffer[position + 4] = LF;
    this.position = position + 5;
  }

  /** A status line, ASCII. */
  simple(text: string): void {
    this.reserve(text.length + 3);
    this.buffer[this.position++] = PLUS;
    this.#latin1(text);
    this.#endLine();
  }

  error(reply: ErrorReply): void {
    this.errorCount++;
    this.lastError = reply.line;
    this.raw(reply.bytes);
  }

  /** A safe integer. */
  integer(value: number): void {
    this.#header(COLON, value);
  }

  bigInteger(value: bigint): void {
    this.#line(COLON, value.toString());
  }

  boolean(value: boolean): void {
    if (this.version === 2) this.integer(value ? 1 : 0);
    else this.#line(HASH, value ? 't' : 'f');
  }

  /** Most doubles are integers: those are written without a string. */
  double(value: number): void {
    if (!isPlainInteger(value)) this.doubleText(formatDouble(value));
    else if (this.version === 2) this.bulkInteger(value);
    else this.#header(COMMA, value);
  }

  /** A double as a bulk string, for clients of any version. */
  bulkDouble(value: number): void {
    if (isPlainInteger(value)) this.bulkInteger(value);
    else this.bulkText(formatDouble(value));
  }

  /** A double with digits of the caller's choice. */
  doubleText(text: string): void {
    if (this.version === 2) this.bulkText(text);
    else this.#line(COMMA, text);
  }

  bigNumber(text: string): void {
    if (this.version === 2) this.bulkText(text);
    else this.#line(PARENTHESIS, text);
  }

  /** No value. */
  null(): void {
    if (this.version === 2) this.#line(DOLLAR, '-1');
    else this.#line(UNDERSCORE, '');
  }

  /** No array. */
  nullArray(): void {
    if (this.version === 2) this.#line(ASTERISK, '-1');
    else this.#line(UNDERSCORE, '');
  }

  bulk(bytes: Uint8Array, start: number, end: number): void {
    this.reserve(end - start + HEADER_BYTES_MAX);
    const { buffer } = this;
    buffer[this.position] = DOLLAR;
    let position = writeInteger(buffer, this.position + 1, end - start);
    buffer[position] = CR;
    buffer[position + 1] = LF;
    position += 2;
    const length = end - start;
    if (length >= 4 && length <= WORD_COPY_BYTES_MAX && this.#isSegment(bytes))
      copyWords(this.#target, position, this.#sourceView, start, end);
    else copyBytes(buffer, position, bytes, start, end);
    position += length;
    buffer[position] = CR;
    buffer[position + 1] = LF;
    this.position = position + 2;
  }

  /** Whether the bytes are a segment of the arena; `#sourceView` looks at it then. */
  #isSegment(bytes: Uint8Array): boolean {
    if (bytes === this.#source) return true;
    if (bytes.length !== SEGMENT_BYTES) return false;
    let view = this.#segmentViews.get(bytes);
    if (view === undefined) {
      view = viewOf(bytes);
      this.#segmentViews.set(bytes, view);
    }
    this.#source = bytes;
    this.#sourceView = view;
    return true;
  }

  /** A bulk string of up to 99 bytes that puts itself where it is sent from. */
  bulkOf(text: SelfWriting): void {
    this.reserve(HEADER_BYTES_MAX + SELF_WRITTEN_BYTES_MAX);
    const { buffer } = this;
    // Its length is known in the end, and has two digits mostly.
    const start = this.position + '$10\r\n'.length;
    const end = text.write(buffer, start);
    this.#header(DOLLAR, end - start);
    if (this.position !== start) buffer.copyWithin(this.position, start, end);
    this.position += end - start;
    this.#endLine();
  }

  bulkBytes(bytes: Uint8Array): void {
    this.bulk(bytes, 0, bytes.length);
  }

  /** A bulk string of Latin-1 text (one byte a character). */
  bulkText(text: string): void {
    this.#header(DOLLAR, text.length);
    this.reserve(text.length + 2);
    this.#latin1(text);
    this.#endLine();
  }

  /** An integer as a bulk string. */
  bulkInteger(value: number): void {
    this.#header(DOLLAR, integerLength(value));
    this.reserve(HEADER_BYTES_MAX);
    this.position = writeInteger(this.buffer, this.position, value);
    this.#endLine();
  }

  /** Text with a three-letter format; a bulk string for old clients. */
  verbatim(format: 'txt' | 'mkd', text: string): void {
    const bytes = Buffer.from(text, 'utf8');
    if (this.version === 2) {
      this.bulkBytes(bytes);
      return;
    }
    this.#header(EQUALS, bytes.length + 4);
    this.reserve(bytes.length + 6);
    this.#latin1(`${format}:`);
    this.raw(bytes);
    this.#endLine();
  }

  array(count: number): void {
    this.#header(ASTERISK, count);
  }

  map(pairCount: number): void {
    if (this.version === 2) this.#header(ASTERISK, pairCount * 2);
    else this.#header(PERCENT, pairCount);
  }

  set(count: number): void {
    this.#header(this.version === 2 ? ASTERISK : TILDE, count);
  }

  push(count: number): void {
    this.#header(this.version === 2 ? ASTERISK : GREATER, count);
  }

  /** Begins an array whose length is not known yet; `endArray` writes its header in front. */
  beginArray(): number {
    return this.position;
  }

  endArray(mark: number, count: number): void {
    this.insert(mark, () => this.array(count));
  }

  /** Writes the header of a map whose pairs begin at `mark`. */
  endMap(mark: number, pairCount: number): void {
    this.insert(mark, () => this.map(pairCount));
  }

  /** Writes the header of a set whose elements begin at `mark`. */
  endSet(mark: number, count: number): void {
    this.insert(mark, () => this.set(count));
  }

  /** Bytes that are a reply already. */
  raw(bytes: Uint8Array): void {
    this.rawRange(bytes, 0, bytes.length);
  }

  /** Writes a stretch of what is written once more. */
  repeat(start: number, end: number): void {
    this.reserve(end - start);
    this.buffer.copyWithin(this.position, start, end);
    this.position += end - start;
  }

  rawRange(bytes: Uint8Array, start: number, end: number): void {
    this.reserve(end - start);
    copyBytes(this.buffer, this.position, bytes, start, end);
    this.position += end - start;
  }

  /** Puts what `write` writes in front of what stands from `mark` on. */
  insert(mark: number, write: () => void): void {
    const bodyEnd = this.position;
    write();
    const header = Buffer.from(this.buffer.subarray(bodyEnd, this.position));
    this.buffer.copyWithin(mark + header.length, mark, bodyEnd);
    header.copy(this.buffer, mark);
    for (const kept of this.#kept) {
      if (kept.start < mark) continue;
      kept.start += header.length;
      kept.end += header.length;
    }
  }

  #header(type: number, value: number): void {
    this.reserve(HEADER_BYTES_MAX);
    const { buffer } = this;
    buffer[this.position] = type;
    const position = writeInteger(buffer, this.position + 1, value);
    buffer[position] = CR;
    buffer[position + 1] = LF;
    this.position = position + 2;
  }

  #line(type: number, text: string): void {
    this.reserve(text.length + 3);
    this.buffer[this.position++] = type;
    this.#latin1(text);
    this.#endLine();
  }

  #latin1(text: string): void {
    const { buffer } = this;
    if (text.length > 16) {
      this.position += buffer.write(text, this.position, 'latin1');
      return;
    }
    for (let i = 0; i < text.length; i++) buffer[this.position++] = text.charCodeAt(i);
  }

  #endLine(): void {
    this.buffer[this.position++] = CR;
    this.buffer[this.position++] = LF;
  }

  #grow(byteCount: number): void {
    if (this.position + byteCount > REPLY_BYTES_MAX) throw new ReplyTooLargeError();
    let size = this.buffer.length * 2;
    while (size < this.position + byteCount) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size);
    this.buffer.copy(grown, 0, 0, this.position);
    this.#use(grown);
  }

  #use(buffer: Buffer): void {
    this.buffer = buffer;
    this.#target = viewOf(buffer);
  }
}

/** Whether a double is printed as an integer; negative zero has a sign. */
function isPlainInteger(value: number): boolean {
  return Number.isSafeInteger(value) && !Object.is(value, -0);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Copies `[start, end)`, at least four bytes; the last four together, whatever of them was copied before. */
function copyWords(target: DataView, position: number, source: DataView, start: number, end: number): void {
  const last = end - 4;
  let to = position;
  for (let from = start; from < last; from += 4, to += 4)
    target.setInt32(to, source.getInt32(from, true), true);
  target.setInt32(position + last - start, source.getInt32(last, true), true);
}
