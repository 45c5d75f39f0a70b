/**
 * Requests out of bytes: RESP arrays of bulk strings, and inline commands (a line of words, for nc and
 * telnet).
 *
 *     *2\r\n $3\r\n GET\r\n $4\r\n name\r\n        GET name\n
 *     └─────────────── frame ──────────────┘        └ inline ┘
 *
 * Cursors into the connection's input:  0 ≤ start ≤ position ≤ end ≤ buffer.length
 *
 *     start      first byte of the frame that is being parsed
 *     position   next byte to look at
 *     end        bytes received
 *
 * A frame that is complete costs no memory at all. Of one that is not, the arguments found so far are kept
 * (relative to `start`, for the input moves), so nothing is ever parsed twice: a million arguments may come
 * byte by byte.
 *
 * Limits, error texts and what closes a connection follow Redis 7.0 networking.c, processInlineBuffer and
 * processMultibulkBuffer, including that a header line ends at the first CR (its LF is not looked at) and
 * that a NUL byte hides the rest of the line.
 */
import { splitArguments } from '../util/split-args.ts';
import { parseInt64, parseInteger } from '../util/numbers.ts';
import { Request } from './request.ts';

/** Longest inline command or header line. */
export const INLINE_BYTES_MAX = 64 * 1024;
const ARGUMENTS_MAX = 2 ** 31 - 1;
/** A request with all its arguments: they are offsets of 31 bits, and the last read may go beyond. */
export const FRAME_BYTES_MAX = 2 ** 31 - 2 ** 20;
/** What a client may send before it has authenticated. */
const UNAUTHENTICATED_ARGUMENTS_MAX = 10;
const UNAUTHENTICATED_BULK_BYTES_MAX = 16 * 1024;

const CR = 13;
const LF = 10;
const ASTERISK = 42;
const DIGIT_0 = 48;
const DOLLAR = 36;

const UNKNOWN = -1;

// What a parse came to.
const PARSED_NOTHING = 0;
const PARSED_REQUEST = 1;
/** The text is in `parser.error`. */
const PARSED_ERROR = 2;
/** An empty request was read: look for the next one. */
const SKIPPED = 3;

/** The bytes of one connection that are not parsed yet, and how far the first frame is. */
export class Input {
  buffer: Buffer = EMPTY;
  start = 0;
  end = 0;
  /** The frame that is not complete: undefined while none is begun. */
  partial: PartialRequest | undefined;
}

const EMPTY = Buffer.alloc(0);

interface PartialRequest {
  /** Arguments found, offsets relative to the frame's start. */
  readonly found: Request;
  /** Arguments still to come. */
  missing: number;
  /** Length of the argument that is being received, or UNKNOWN. */
  bulkLength: number;
  /** Next byte to look at, relative to the frame's start. */
  position: number;
}

/**
 * How many requests are parsed before they are run: what one turn under the store's lock executes at most.
 * Large enough that the lock costs nothing, small enough that the requests stay in the first-level cache
 * (measured: 128 is slower).
 */
export const BATCH_REQUESTS_MAX = 32;

export class RequestParser {
  /** The requests of the last batch: reused, valid until the next one. */
  readonly batch: readonly Request[] = Array.from({ length: BATCH_REQUESTS_MAX }, () => new Request());
  /** Why the connection must end after the batch, or empty. */
  error = '';
  /** `proto-max-bulk-len`, bytes. */
  bulkBytesMax = 512 * 1024 * 1024;
  #missing = 0;
  #bulkLength = UNKNOWN;

  /**
   * Parses what is complete into the batch, from place `first` on, and returns how many requests that was;
   * `input.start` is behind them. A client that has not authenticated gets one at a time, for AUTH changes
   * what the next may be.
   */
  parseBatch(input: Input, isAuthenticated: boolean, first = 0): number {
    this.error = '';
    const limit = isAuthenticated ? BATCH_REQUESTS_MAX : first + 1;
    let next = first;
    while (next < limit && this.#parse(input, this.batch[next]!, isAuthenticated) === PARSED_REQUEST) next++;
    return next - first;
  }

  #parse(input: Input, request: Request, isAuthenticated: boolean): number {
    while (input.start < input.end) {
      if (input.partial !== undefined) return this.#resume(input, input.partial, request, isAuthenticated);
      const outcome =
        input.buffer[input.start] === ASTERISK
          ? this.#parseHeader(input, request, isAuthenticated)
          : this.#parseInline(input, request);
      if (outcome !== SKIPPED) return outcome;
    }
    return PARSED_NOTHING;
  }

  /** Bytes of the incomplete frame that are known to come: what the input buffer should have room for. */
  static expectedBytes(input: Input): number {
    const { partial } = input;
    if (partial === undefined || partial.bulkLength === UNKNOWN) return 0;
    return partial.position + partial.bulkLength + 2 - (input.end - input.start);
  }

  /**
   * Bytes that wait to be parsed: without the arguments that were found already, and without what follows the
   * one that is being received.
   */
  static unparsedBytes(input: Input): number {
    const { partial } = input;
    if (partial === undefined) return input.end - input.start;
    const rest = input.end - input.start - partial.position;
    return partial.bulkLength === UNKNOWN ? rest : Math.min(rest, partial.bulkLength + 2);
  }

  /** Bytes of memory in which the arguments found so far of an incomplete frame are noted. */
  static argumentBytes({ partial }: Input): number {
    return partial === undefined ? 0 : partial.found.starts.byteLength + partial.found.ends.byteLength;
  }

  /** Where the bytes that wait to be parsed begin. */
  static unparsedStart({ start, partial }: Input): number {
    return start + (partial?.position ?? 0);
  }

  #parseHeader(input: Input, request: Request, isAuthenticated: boolean): number {
    const { buffer, start, end } = input;
    let count = shortCount(buffer, start, end);
    let position = start + 4;
    if (count === UNKNOWN) {
      const lineEnd = findLineEnd(buffer, start + 1, end, CR);
      if (lineEnd === UNKNOWN || lineEnd + 2 > end) {
        return lineEnd === UNKNOWN && end - start > INLINE_BYTES_MAX
          ? this.#fail('too big mbulk count string')
          : PARSED_NOTHING;
      }
      count = parseCount(buffer, start + 1, lineEnd);
      if (Number.isNaN(count) || count > ARGUMENTS_MAX) return this.#fail('invalid multibulk length');
      if (count > UNAUTHENTICATED_ARGUMENTS_MAX && !isAuthenticated) {
        return this.#fail('unauthenticated multibulk length');
      }
      position = lineEnd + 2;
      if (count <= 0) {
        input.start = position;
        return SKIPPED;
      }
    }

    request.buffer = buffer;
    request.count = 0;
    this.#missing = count;
    this.#bulkLength = UNKNOWN;
    return this.#parseBulks(input, request, request, position, isAuthenticated);
  }

  /** Goes on with a frame that was incomplete. */
  #resume(input: Input, partial: PartialRequest, request: Request, isAuthenticated: boolean): number {
    this.#missing = partial.missing;
    this.#bulkLength = partial.bulkLength;
    // Offsets are relative to the frame's start; they become absolute when the frame is complete.
    return this.#parseBulks(input, partial.found, request, input.start + partial.position, isAuthenticated);
  }

  /** @param found where arguments are collected: the request itself, or those kept from before */
  #parseBulks(
    input: Input,
    found: Request,
    request: Request,
    from: number,
    isAuthenticated: boolean,
  ): number {
    const { buffer, end } = input;
    // Arguments of a kept frame are stored relative to its start.
    const base = input.partial === undefined ? 0 : input.start;
    let position = from;
    let bulkLength = this.#bulkLength;
    for (let missing = this.#missing; missing > 0; missing--) {
      if (bulkLength === UNKNOWN) {
        bulkLength = shortBulkLength(buffer, position, end);
        if (bulkLength !== UNKNOWN) {
          position += bulkLength < 10 ? 4 : 5;
        } else {
          const lineEnd = findLineEnd(buffer, position, end, CR);
          if (lineEnd === UNKNOWN || lineEnd + 2 > end) {
            if (lineEnd === UNKNOWN && end - position > INLINE_BYTES_MAX)
              return this.#fail('too big bulk count string');
            return this.#keep(input, found, position, missing, UNKNOWN);
          }
          bulkLength = this.#parseBulkHeader(buffer, position, lineEnd, isAuthenticated);
          if (bulkLength === UNKNOWN) return PARSED_ERROR;
          position = lineEnd + 2;
        }
      }
      if (position + bulkLength + 2 > end) return this.#keep(input, found, position, missing, bulkLength);
      found.push(position - base, position + bulkLength - base);
      position += bulkLength + 2;
      bulkLength = UNKNOWN;
    }

    if (found !== request) adopt(found, request, input);
    input.partial = undefined;
    input.start = position;
    return PARSED_REQUEST;
  }

  /** The length that a header line announces, or UNKNOWN after noting the error. */
  #parseBulkHeader(buffer: Uint8Array, start: number, lineEnd: number, isAuthenticated: boolean): number {
    if (buffer[start] !== DOLLAR) {
      this.#fail(`expected '$', got '${String.fromCharCode(buffer[start]!)}'`);
      return UNKNOWN;
    }
    const length = parseInteger(buffer, start + 1, lineEnd);
    if (!(length >= 0 && length <= this.bulkBytesMax)) {
      this.#fail('invalid bulk length');
      return UNKNOWN;
    }
    if (length > UNAUTHENTICATED_BULK_BYTES_MAX && !isAuthenticated) {
      this.#fail('unauthenticated bulk length');
      return UNKNOWN;
    }
    return length;
  }

  /** Remembers how far an incomplete frame is. */
  #keep(input: Input, found: Request, position: number, missing: number, bulkLength: number): number {
    if (input.partial === undefined) {
      const kept = new Request();
      for (let i = 0; i < found.count; i++)
        kept.push(found.start(i) - input.start, found.end(i) - input.start);
      input.partial = { found: kept, missing, bulkLength, position: position - input.start };
    } else {
      input.partial.missing = missing;
      input.partial.bulkLength = bulkLength;
      input.partial.position = position - input.start;
    }
    return PARSED_NOTHING;
  }

  #parseInline(input: Input, request: Request): number {
    const { buffer, start, end } = input;
    const lineEnd = findLineEnd(buffer, start, end, LF);
    if (lineEnd === UNKNOWN) {
      return end - start > INLINE_BYTES_MAX ? this.#fail('too big inline request') : PARSED_NOTHING;
    }
    const textEnd = lineEnd > start && buffer[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    const args = splitArguments(buffer, start, textEnd);
    if (args === undefined) return this.#fail('unbalanced quotes in request');
    input.start = lineEnd + 1;
    if (args.length === 0) return SKIPPED;

    request.buffer = Buffer.concat(args);
    request.count = 0;
    let position = 0;
    for (const arg of args) {
      request.push(position, position + arg.length);
      position += arg.length;
    }
    return PARSED_REQUEST;
  }

  #fail(reason: string): number {
    this.error = `Protocol error: ${reason}`;
    return PARSED_ERROR;
  }
}

/** Takes over the arguments of a kept frame, now complete, with offsets into the input. */
function adopt(found: Request, request: Request, input: Input): void {
  request.buffer = input.buffer;
  request.count = 0;
  for (let i = 0; i < found.count; i++)
    request.push(found.start(i) + input.start, found.end(i) + input.start);
}

/**
 * The count of a header `*d` with 1 to 9 arguments that is all there, which most are; UNKNOWN for every
 * other.
 */
function shortCount(buffer: Uint8Array, start: number, end: number): number {
  if (start + 4 > end || buffer[start + 2] !== CR) return UNKNOWN;
  const count = buffer[start + 1]! - DIGIT_0;
  return count >= 1 && count <= 9 ? count : UNKNOWN;
}

/** A count may be any negative int64, which means that nothing comes; NaN when it is no number. */
function parseCount(buffer: Uint8Array, start: number, end: number): number {
  const count = parseInteger(buffer, start, end);
  return Number.isNaN(count) ? Number(parseInt64(buffer, start, end)) : count;
}

/** The length of a header `$d` or `$dd` that is all there, which most are; UNKNOWN for every other. */
function shortBulkLength(buffer: Uint8Array, position: number, end: number): number {
  if (position + 5 > end || buffer[position] !== DOLLAR) return UNKNOWN;
  const first = buffer[position + 1]! - DIGIT_0;
  if (first < 0 || first > 9) return UNKNOWN;
  if (buffer[position + 2] === CR) return first;
  const second = buffer[position + 2]! - DIGIT_0;
  if (second < 0 || second > 9 || first === 0 || buffer[position + 3] !== CR) return UNKNOWN;
  return first * 10 + second;
}

/** Index of the first `terminator`, or UNKNOWN when it is not there or a NUL comes before it. */
function findLineEnd(buffer: Uint8Array, start: number, end: number, terminator: number): number {
  for (let i = start; i < end; i++) {
    const byte = buffer[i];
    if (byte === terminator) return i;
    if (byte === 0) return UNKNOWN;
  }
  return UNKNOWN;
}
