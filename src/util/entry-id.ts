/**
 * Ids of stream entries: two unsigned 64-bit numbers, milliseconds and a sequence number, written
 * `<ms>-<seq>` (Redis 7.0 t_stream.c). No JS number holds such a half exactly, and a BigInt costs an
 * allocation each time, so an id is four 32-bit words, and ids are changed in place.
 */
import { copyBytes, toLatin1 } from './bytes.ts';
import { writeInteger } from './numbers.ts';

const UINT64_DIGITS_MAX = 20;
/** Longest text of an id: two numbers and the dash. */
export const ENTRY_ID_CHARS_MAX = 2 * UINT64_DIGITS_MAX + 1;
/** Redis takes no longer text for an id. */
const PARSED_CHARS_MAX = 127;
/** So many digits are a safe integer for certain. */
const SAFE_DIGITS = 15;

const TWO_32 = 2 ** 32;
/** High words below this make a safe integer. */
const SAFE_HIGH_MAX = 2 ** 21;
const SIGN = 0x80000000 | 0;
const UINT64_MAX = 2n ** 64n - 1n;

const DASH = 0x2d;
const PLUS = 0x2b;
const STAR = 0x2a;
const ZERO = 0x30;

/** Words are int32 with the bits of the uint32 they stand for. */
export class EntryId {
  millisHigh = 0;
  millisLow = 0;
  sequenceHigh = 0;
  sequenceLow = 0;

  setWords(millisHigh: number, millisLow: number, sequenceHigh: number, sequenceLow: number): this {
    this.millisHigh = millisHigh;
    this.millisLow = millisLow;
    this.sequenceHigh = sequenceHigh;
    this.sequenceLow = sequenceLow;
    return this;
  }

  set(other: EntryId): this {
    this.millisHigh = other.millisHigh;
    this.millisLow = other.millisLow;
    this.sequenceHigh = other.sequenceHigh;
    this.sequenceLow = other.sequenceLow;
    return this;
  }

  copy(): EntryId {
    return new EntryId().set(this);
  }

  /** 0-0 */
  setMin(): this {
    return this.setWords(0, 0, 0, 0);
  }

  setMax(): this {
    return this.setWords(-1, -1, -1, -1);
  }

  /** The first id of a millisecond, a safe integer. */
  setMillis(millis: number): this {
    return this.setWords(Math.floor(millis / TWO_32) | 0, millis | 0, 0, 0);
  }

  setBig(millis: bigint, sequence: bigint): this {
    return this.setWords(highWord(millis), lowWord(millis), highWord(sequence), lowWord(sequence));
  }

  get bigMillis(): bigint {
    return toBigInt(this.millisHigh, this.millisLow);
  }

  get bigSequence(): bigint {
    return toBigInt(this.sequenceHigh, this.sequenceLow);
  }

  get isZero(): boolean {
    return (this.millisHigh | this.millisLow | this.sequenceHigh | this.sequenceLow) === 0;
  }

  get isMax(): boolean {
    return (this.millisHigh & this.millisLow & this.sequenceHigh & this.sequenceLow) === -1;
  }

  get isLastOfMillis(): boolean {
    return (this.sequenceHigh & this.sequenceLow) === -1;
  }

  hasMillisOf(other: EntryId): boolean {
    return this.millisHigh === other.millisHigh && this.millisLow === other.millisLow;
  }

  /** Negative, zero or positive. */
  compare(other: EntryId): number {
    if (this.millisHigh !== other.millisHigh) return compareWords(this.millisHigh, other.millisHigh);
    if (this.millisLow !== other.millisLow) return compareWords(this.millisLow, other.millisLow);
    if (this.sequenceHigh !== other.sequenceHigh) return compareWords(this.sequenceHigh, other.sequenceHigh);
    return compareWords(this.sequenceLow, other.sequenceLow);
  }

  /** The next id; false when there is none, and the id is 0-0 then. */
  increment(): boolean {
    this.sequenceLow = (this.sequenceLow + 1) | 0;
    if (this.sequenceLow !== 0) return true;
    this.sequenceHigh = (this.sequenceHigh + 1) | 0;
    if (this.sequenceHigh !== 0) return true;
    this.millisLow = (this.millisLow + 1) | 0;
    if (this.millisLow !== 0) return true;
    this.millisHigh = (this.millisHigh + 1) | 0;
    return this.millisHigh !== 0;
  }

  /** The id before; false when there is none, and the id is the greatest then. */
  decrement(): boolean {
    if (this.isZero) {
      this.setMax();
      return false;
    }
    this.sequenceLow = (this.sequenceLow - 1) | 0;
    if (this.sequenceLow !== -1) return true;
    this.sequenceHigh = (this.sequenceHigh - 1) | 0;
    if (this.sequenceHigh !== -1) return true;
    this.millisLow = (this.millisLow - 1) | 0;
    if (this.millisLow === -1) this.millisHigh = (this.millisHigh - 1) | 0;
    return true;
  }

  /** Adds safe integers to both halves, modulo 2^64. */
  add(millis: number, sequence: number): void {
    const millisLow = (this.millisLow >>> 0) + (millis >>> 0);
    this.millisHigh = (this.millisHigh + Math.floor(millis / TWO_32) + (millisLow >= TWO_32 ? 1 : 0)) | 0;
    this.millisLow = millisLow | 0;
    const sequenceLow = (this.sequenceLow >>> 0) + (sequence >>> 0);
    this.sequenceHigh =
      (this.sequenceHigh + Math.floor(sequence / TWO_32) + (sequenceLow >= TWO_32 ? 1 : 0)) | 0;
    this.sequenceLow = sequenceLow | 0;
  }

  /** The difference of the milliseconds as an int64; NaN when that is no safe integer. */
  millisSince(base: EntryId): number {
    return difference(this.millisHigh, this.millisLow, base.millisHigh, base.millisLow);
  }

  sequenceSince(base: EntryId): number {
    return difference(this.sequenceHigh, this.sequenceLow, base.sequenceHigh, base.sequenceLow);
  }

  /** Writes the id as text at `position`; returns the position behind it. */
  write(target: Uint8Array, position: number): number {
    // Ids come by the thousand in a millisecond: its digits are kept.
    if (this.millisLow !== writtenLow || this.millisHigh !== writtenHigh) {
      writtenHigh = this.millisHigh;
      writtenLow = this.millisLow;
      writtenDigits = writeUint64(written, 0, writtenHigh, writtenLow);
    }
    const dash = copyBytes(target, position, written, 0, writtenDigits);
    target[dash] = DASH;
    return writeUint64(target, dash + 1, this.sequenceHigh, this.sequenceLow);
  }

  toString(): string {
    return `${this.bigMillis}-${this.bigSequence}`;
  }
}

/** The milliseconds that were written last, and their digits. */
let writtenHigh = 0;
let writtenLow = 0;
const written = new Uint8Array(UINT64_DIGITS_MAX).fill(ZERO);
let writtenDigits = 1;

/** Unsigned order of two words. */
function compareWords(a: number, b: number): number {
  return (a ^ SIGN) < (b ^ SIGN) ? -1 : a === b ? 0 : 1;
}

function difference(high: number, low: number, baseHigh: number, baseLow: number): number {
  if (high === baseHigh) return (low >>> 0) - (baseLow >>> 0);
  const lowDifference = (low >>> 0) - (baseLow >>> 0);
  const highDifference = (high - baseHigh - (lowDifference < 0 ? 1 : 0)) | 0;
  const value = highDifference * TWO_32 + (lowDifference >>> 0);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

export function highWord(value: bigint): number {
  return Number(BigInt.asIntN(32, value >> 32n));
}

export function lowWord(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

/** The unsigned number of two words. */
export function toBigInt(high: number, low: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

function writeUint64(target: Uint8Array, position: number, high: number, low: number): number {
  const unsignedHigh = high >>> 0;
  if (unsignedHigh < SAFE_HIGH_MAX)
    return writeInteger(target, position, unsignedHigh * TWO_32 + (low >>> 0));
  const text = toBigInt(high, low).toString();
  for (let i = 0; i < text.length; i++) target[position + i] = text.charCodeAt(i);
  return position + text.length;
}

// Reading ---------------------------------------------------------------------------------------------------

/** What `parseEntryId` makes of a text. */
export type ParsedId = 'invalid' | 'complete' | 'without-sequence' | 'any-sequence';

/** The number that `readUint64` has read. */
let high = 0;
let low = 0;

/**
 * Sets the id to what the text says (t_stream.c, streamGenericParseIDOrReply): `complete`; or only a number
 * of milliseconds (`without-sequence`) or one followed by `-*` (`any-sequence`), with a sequence of 0. The
 * words `-` and `+` are no ids here. An id of a text that is invalid is undefined.
 */
export function parseEntryId(id: EntryId, buffer: Uint8Array, start: number, end: number): ParsedId {
  if (end - start > PARSED_CHARS_MAX) return 'invalid';
  // A C string ends at a zero byte, and the first dash divides.
  let stop = start;
  let dash = -1;
  for (; stop < end && buffer[stop] !== 0; stop++) if (dash < 0 && buffer[stop] === DASH) dash = stop;

  if (!readUint64(buffer, start, dash < 0 ? stop : dash)) return 'invalid';
  id.setWords(high, low, 0, 0);
  if (dash < 0) return 'without-sequence';
  if (stop === dash + 2 && buffer[dash + 1] === STAR) return 'any-sequence';
  if (!readUint64(buffer, dash + 1, stop)) return 'invalid';
  id.sequenceHigh = high;
  id.sequenceLow = low;
  return 'complete';
}

/** Sets `high` and `low`; false when Redis takes the text for no uint64 (util.c, string2ull). */
function readUint64(buffer: Uint8Array, start: number, end: number): boolean {
  if (end - start < 1 || end - start > SAFE_DIGITS) return readUncommonUint64(buffer, start, end);
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = buffer[i]! - ZERO;
    if (digit < 0 || digit > 9) return readUncommonUint64(buffer, start, end);
    value = value * 10 + digit;
  }
  high = (value / TWO_32) | 0;
  low = value | 0;
  return true;
}

/**
 * What is no int64 in its canonical form is left to strtoull: white space, a sign (a minus wraps around),
 * leading zeros.
 */
function readUncommonUint64(buffer: Uint8Array, start: number, end: number): boolean {
  const match = /^([\t-\r ]*)([+-]?)(\d+)$/.exec(toLatin1(buffer, start, end));
  if (match === null) return false;
  const [, space, sign, digits] = match as unknown as [string, string, string, string];
  const magnitude = BigInt(digits);
  if (magnitude > UINT64_MAX) return false;
  // A canonical int64 is judged before strtoull sees it.
  const isNegative = sign.charCodeAt(0) === DASH;
  const isCanonical = space === '' && sign.charCodeAt(0) !== PLUS && !digits.startsWith('0');
  if (isNegative && isCanonical && magnitude <= 2n ** 63n) return false;
  const value = BigInt.asUintN(64, isNegative ? -magnitude : magnitude);
  high = highWord(value);
  low = lowWord(value);
  return true;
}
