/**
 * Tokens out of a JSON file, read in chunks (RFC 8259, strictly): of a file of any size only a chunk, or the
 * string that is being read, is in memory.
 *
 *     0 ≤ checksummed ≤ position ≤ filled ≤ buffer.length
 *
 * Strings without escapes, nearly all, are borrowed from the buffer as they stand.
 */
import { isUtf8 } from 'node:buffer';
import { Crc64 } from '../util/crc64.ts';
import { DEPTH_MAX, TOKEN_BYTES_MAX } from './json-constants.ts';
import { RdbError } from './rdb-error.ts';
import type { BorrowedString, ByteSource } from './rdb-input.ts';

/** A number, `true`, `false` or `null`, as it is spelt. */
export class JsonAtom {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** An object. Names may occur twice. */
export class JsonObject {
  readonly members: { readonly name: Buffer; readonly value: JsonTree }[] = [];
}

/** Any value; a string is its UTF-8 bytes. */
export type JsonTree = Buffer | JsonAtom | JsonObject | readonly JsonTree[];

export interface JsonInputOptions {
  /** Bytes asked of the source at a time. */
  readonly chunkBytes?: number;
}

const CHUNK_BYTES = 512 * 1024;
const CHUNK_BYTES_MIN = 16;
/** Longest number that is taken: a double in full has 1,077 digits, nobody needs them. */
const ATOM_BYTES_MAX = 512;

/** They fit into a double. */
const SMALL_INTEGER_DIGITS_MAX = 15;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const OPEN_ARRAY = 0x5b;
export const CLOSE_ARRAY = 0x5d;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
const ZERO = 0x30;
const HEX_DIGITS = '0123456789abcdef';

/* What a byte of a string is. */
const PLAIN = 0;
const SPECIAL = 1;
const HIGH = 2;

/** Quote, backslash and control characters; bytes beyond ASCII. */
const BYTE_CLASSES = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) return SPECIAL;
  return byte < 0x80 ? PLAIN : HIGH;
});

/** What the letter behind a backslash stands for; `u` is another matter. */
const ESCAPED: ReadonlyMap<number, number> = new Map(
  Object.entries({ '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }).map(
    ([letter, meaning]) => [letter.charCodeAt(0), meaning.charCodeAt(0)],
  ),
);

export class JsonInput {
  readonly #source: ByteSource;
  #buffer: Buffer;
  readonly #crc = new Crc64();
  /** What must survive further reads: the key, while its value is read, and that while more facts are. */
  #pinnedKey: BorrowedString | undefined;
  #pinnedValue: BorrowedString | undefined;
  /** Offset in the file of the first byte of the buffer. */
  #base = 0;
  #checksummed = 0;
  #position = 0;
  #filled = 0;

  constructor(source: ByteSource, { chunkBytes = CHUNK_BYTES }: JsonInputOptions = {}) {
    this.#source = source;
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(chunkBytes, CHUNK_BYTES_MIN));
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#base + this.#position;
  }

  /** An error at the place that was reached, or at another one. */
  error(reason: string, offset = this.offset): RdbError {
    return new RdbError(reason, offset);
  }

  /** Keeps the string valid, whatever is read, until `unpin`. */
  pinKey(key: BorrowedString): void {
    this.#pinnedKey = key;
  }

  /** The same. */
  pinValue(value: BorrowedString): void {
    this.#pinnedValue = value;
  }

  unpin(): void {
    this.#pinnedKey = undefined;
    this.#pinnedValue = undefined;
  }

  /** The checksum of all bytes read. */
  checksum(): bigint {
    this.#updateChecksum();
    return this.#crc.value;
  }

  /** Passes over white space and returns the byte behind it, which is not taken; -1 at the end. */
  peek(): number {
    for (;;) {
      while (this.#position < this.#filled) {
        const byte = this.#buffer[this.#position]!;
        if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
        this.#position++;
      }
      if (!this.#fill()) return -1;
    }
  }

  /** Passes over what some editors put before UTF-8, at the start of the file. */
  skipByteOrderMark(): void {
    while (this.#filled < BYTE_ORDER_MARK.length && this.#fill());
    const { length } = BYTE_ORDER_MARK;
    if (this.#filled >= length && BYTE_ORDER_MARK.equals(this.#buffer.subarray(0, length))) {
      this.#position = length;
    }
  }

  /** Takes the byte if it comes next, white space aside. */
  accept(byte: number): boolean {
    if (this.peek() !== byte) return false;
    this.#position++;
    return true;
  }

  expect(byte: number): void {
    if (!this.accept(byte)) throw this.unexpected(`"${String.fromCharCode(byte)}"`);
  }

  /** An error about what comes next. */
  unexpected(expected: string): RdbError {
    const byte = this.peek();
    if (byte < 0) return this.error('unexpected end');
    return this.error(`${expected} expected`);
  }

  /** A string, borrowed: valid until the next read unless it is pinned. */
  readStringInto(target: BorrowedString): void {
    if (this.peek() !== QUOTE) throw this.unexpected('a string');
    let at = this.#position + 1;
    let hasEscapes = false;
    let seen = PLAIN;
    for (;;) {
      const buffer = this.#buffer;
      const filled = this.#filled;
      let byteClass = PLAIN;
      while (at < filled && (byteClass = BYTE_CLASSES[buffer[at]!]!) !== SPECIAL) {
        seen |= byteClass;
        at++;
      }
      const length = at - this.#position;
      if (at >= filled) {
        if (!this.#fill()) throw this.error('unexpected end', this.#base + filled);
        at = this.#position + length;
        continue;
      }
      const byte = buffer[at]!;
      if (byte === QUOTE) break;
      if (byte !== BACKSLASH) throw this.error('control character in a string', this.#base + at);
      hasEscapes = true;
      // The byte behind it, which may be a quote, is looked at later.
      at += 2;
    }
    this.#setString(target, at, { hasEscapes, isAscii: seen === PLAIN });
  }

  /** A string to keep. */
  readString(scratch: BorrowedString): Buffer {
    this.readStringInto(scratch);
    return scratch.toBuffer();
  }

  /** A whole number that needs no rounding; undefined, and nothing taken, if something else comes next. */
  readSmallInteger(): number | undefined {
    this.peek();
    let at = this.#position;
    const stop = Math.min(this.#filled, at + SMALL_INTEGER_DIGITS_MAX + 1);
    let value = 0;
    for (; at < stop; at++) {
      const digit = this.#buffer[at]! - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const isLast = at < stop && (this.#buffer[at] === COMMA || this.#buffer[at] === CLOSE_OBJECT);
    const hasLeadingZero = this.#buffer[this.#position] === 0x30 && at > this.#position + 1;
    if (at === this.#position || !isLast || hasLeadingZero) return undefined;
    this.#position = at;
    return value;
  }

  /** A number or a word, as it is spelt. */
  readAtom(): JsonAtom {
    this.peek();
    let length = 0;
    for (;;) {
      if (this.#position + length === this.#filled && !this.#fill()) break;
      const byte = this.#buffer[this.#position + length]!;
      const isPart =
        (byte >= 0x30 && byte <= 0x39) ||
        (byte >= 0x61 && byte <= 0x7a) ||
        byte === 0x45 ||
        byte === 0x2b ||
        byte === 0x2d ||
        byte === 0x2e;
      if (!isPart) break;
      if (++length > ATOM_BYTES_MAX) throw this.error('number with too many digits');
    }
    if (length === 0) throw this.unexpected('a value');
    const text = this.#buffer.toString('latin1', this.#position, this.#position + length);
    if (text !== 'true' && text !== 'false' && text !== 'null' && !NUMBER.test(text)) {
      throw this.error('a value expected');
    }
    this.#position += length;
    return new JsonAtom(text);
  }

  /** Any value. */
  readTree(scratch: BorrowedString, depth = 1): JsonTree {
    if (depth > DEPTH_MAX) throw this.error(`more than ${DEPTH_MAX} values within each other`);
    switch (this.peek()) {
      case QUOTE:
        return this.readString(scratch);
      case OPEN_ARRAY: {
        const items: JsonTree[] = [];
        this.readArray(() => items.push(this.readTree(scratch, depth + 1)));
        return items;
      }
      case OPEN_OBJECT: {
        const object = new JsonObject();
        this.readObject(scratch, (name) =>
          object.members.push({ name, value: this.readTree(scratch, depth + 1) }),
        );
        return object;
      }
      default:
        return this.readAtom();
    }
  }

  /** An array, each value of which the function has to read. */
  readArray(readItem: () => void): void {
    this.expect(OPEN_ARRAY);
    if (this.accept(CLOSE_ARRAY)) return;
    do readItem();
    while (this.accept(COMMA));
    if (!this.accept(CLOSE_ARRAY)) throw this.unexpected('"," or "]"');
  }

  /** An object, each value of which the function has to read. */
  readObject(scratch: BorrowedString, readMember: (name: Buffer) => void): void {
    this.expect(OPEN_OBJECT);
    if (this.accept(CLOSE_OBJECT)) return;
    do {
      const name = this.readString(scratch);
      this.expect(COLON);
      readMember(name);
    } while (this.hasNextMember());
  }

  /** Takes what stands between two members of an object, or its end. */
  hasNextMember(): boolean {
    if (this.accept(COMMA)) return true;
    if (!this.accept(CLOSE_OBJECT)) throw this.unexpected('"," or "}"');
    return false;
  }

  /** Takes the string from the position, a quote, up to the quote at `end`. */
  #setString(
    target: BorrowedString,
    end: number,
    { hasEscapes, isAscii }: { hasEscapes: boolean; isAscii: boolean },
  ): void {
    const start = this.#position + 1;
    if (!isAscii && !isUtf8(this.#buffer.subarray(start, end))) {
      throw this.error('string that is not UTF-8');
    }
    if (hasEscapes) {
      const bytes = this.#unescape(start, end);
      target.set(bytes, 0, bytes.length);
    } else {
      target.set(this.#buffer, start, end);
    }
    this.#position = end + 1;
  }

  #unescape(start: number, end: number): Buffer {
    const source = this.#buffer;
    const result = Buffer.allocUnsafe(end - start);
    let length = 0;
    for (let at = start; at < end;) {
      const byte = source[at++]!;
      if (byte !== BACKSLASH) {
        result[length++] = byte;
        continue;
      }
      const letter = source[at++]!;
      if (letter === LOWER_U) {
        // Nearly all of them are control characters, of which a value may have millions.
        const control = this.#controlCharacter(at, end);
        if (control >= 0) {
          result[length++] = control;
          at += 4;
          continue;
        }
        const { text, next } = this.#unescapeCharacter(at, end);
        length += result.write(text, length);
        at = next;
        continue;
      }
      const meaning = ESCAPED.get(letter);
      if (meaning === undefined) throw this.error('unknown escape in a string', this.#base + at - 2);
      result[length++] = meaning;
    }
    return result.subarray(0, length);
  }

  /** The character below 32 that four digits from `at` on name, or −1 if they name another. */
  #controlCharacter(at: number, end: number): number {
    const source = this.#buffer;
    if (at + 4 > end || source[at] !== ZERO || source[at + 1] !== ZERO) return -1;
    const sixteens = source[at + 2]! - ZERO;
    if (sixteens < 0 || sixteens > 1) return -1;
    const ones = HEX_DIGITS.indexOf(String.fromCharCode(source[at + 3]! | 0x20));
    return ones < 0 ? -1 : sixteens * 16 + ones;
  }

  /** What stands behind `\u`, and the second half of a pair if this is the first. */
  #unescapeCharacter(start: number, end: number): { text: string; next: number } {
    const spelt = this.#buffer.toString('latin1', start, Math.min(end, start + 10));
    const [whole, high, low] = /^([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?/.exec(spelt) ?? [];
    if (whole === undefined || high === undefined) {
      throw this.error('unknown escape in a string', this.#base + start - 2);
    }
    const unit = Number.parseInt(high, 16);
    const isHigh = unit >= 0xd800 && unit < 0xdc00;
    if ((isHigh && low === undefined) || (unit >= 0xdc00 && unit < 0xe000)) {
      throw this.error('half a surrogate pair is no character', this.#base + start - 2);
    }
    return isHigh
      ? { text: String.fromCharCode(unit, Number.parseInt(low!, 16)), next: start + 10 }
      : { text: String.fromCharCode(unit), next: start + 4 };
  }

  /** Moves what is unread to the front and reads on; false at the end of the source. */
  #fill(): boolean {
    this.#updateChecksum();
    if (this.#pinnedKey?.bytes === this.#buffer) this.#pinnedKey.detach();
    if (this.#pinnedValue?.bytes === this.#buffer) this.#pinnedValue.detach();
    const unread = this.#filled - this.#position;
    if (unread === this.#buffer.length) this.#grow();
    this.#buffer.copyWithin(0, this.#position, this.#filled);
    this.#base += this.#position;
    this.#checksummed = 0;
    this.#position = 0;
    this.#filled = unread;
    const count = this.#source.read(this.#buffer.subarray(unread));
    this.#filled += count;
    return count > 0;
  }

  /** The position is 0: a token fills the whole buffer. */
  #grow(): void {
    if (this.#buffer.length >= TOKEN_BYTES_MAX) throw this.error('string too long');
    const larger = Buffer.allocUnsafeSlow(Math.min(2 * this.#buffer.length, TOKEN_BYTES_MAX));
    larger.set(this.#buffer);
    this.#buffer = larger;
  }

  #updateChecksum(): void {
    this.#crc.update(this.#buffer, this.#checksummed, this.#position);
    this.#checksummed = this.#position;
  }
}
