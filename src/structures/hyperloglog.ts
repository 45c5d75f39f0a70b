/**
 * HyperLogLog: about how many different elements were seen, within 0.81 %, in at most 12 KiB. The bytes are
 * those of Redis (Redis 7.0 hyperloglog.c), so that values pass from one server to the other.
 *
 *     bytes  0 –  3   HYLL
 *     byte   4        encoding: 0 dense, 1 sparse
 *     bytes  5 –  7   unused
 *     bytes  8 – 15   the cardinality when it was last computed, little endian; its highest bit: not valid
 *     bytes 16 –      the registers
 *
 * An element's hash chooses one of 16384 registers by its low 14 bits; the register keeps the largest number
 * of zeros, plus one, that the rest of such a hash began with: 0 to 51.
 *
 * Dense: 6 bits a register, the lowest bits of a byte first. Sparse: runs of equal registers,
 *
 *     00nnnnnn            ZERO    n + 1 registers are 0
 *     01nnnnnn nnnnnnnn   XZERO   the same for up to 16384
 *     1vvvvvnn            VAL     n + 1 registers, 4 at most, are v + 1
 *
 * which becomes dense when a register exceeds 32 or the value a configured length. How runs are split and
 * merged is Redis' way too: equal additions give equal bytes.
 *
 * Costs: adding is O(1) dense and O(runs) sparse, counting O(registers).
 */
import { copyBytes } from '../util/bytes.ts';
import { MurmurHash } from '../util/murmur-hash.ts';

export const REGISTER_COUNT = 16384;
export const REGISTER_MAX = 63;
export const HEADER_BYTES = 16;
const REGISTER_INDEX_BITS = 14;
const REGISTER_BITS = 6;
/** Bits of a hash that do not choose the register. */
const PATTERN_BITS = 64 - REGISTER_INDEX_BITS;
export const DENSE_BYTES = HEADER_BYTES + (REGISTER_COUNT * REGISTER_BITS) / 8;
/** An empty sparse one: a single XZERO. */
const EMPTY_BYTES = HEADER_BYTES + 2;
const HASH_SEED = 0xadc83b19;

const ENCODING = 4;
const ENCODING_DENSE = 0;
const ENCODING_SPARSE = 1;
const CARDINALITY = 8;
const CARDINALITY_TOP = 15;
const NOT_VALID = 0x80;
const MAGIC = [0x48, 0x59, 0x4c, 0x4c];

const VAL_BIT = 0x80;
const XZERO_BIT = 0x40;
const VALUE_MAX = 32;
const VAL_RUN_MAX = 4;
const ZERO_RUN_MAX = 64;
/** By how much an addition can lengthen the sparse form: an XZERO becomes XZERO, VAL, XZERO. */
const GROWTH_BYTES_MAX = 3;
/** How many runs are looked at for merging after an addition. */
const MERGED_RUNS = 5;

const TWO_31 = 2 ** 31;
const TWO_32 = 2 ** 32;
const INT64_MIN = -(2 ** 63);

/** 0.5 / ln 2 */
const ALPHA_INFINITE = 0.7213475204444817;

const hash = new MurmurHash();
const histogram = new Int32Array(REGISTER_MAX + 1);

// Elements --------------------------------------------------------------------------------------------------

/** The register that an element counts in, times 64, plus what the register must at least be. */
export function elementPattern(bytes: Uint8Array, start: number, end: number): number {
  hash.hash(bytes, start, end, HASH_SEED);
  const { high, low } = hash;
  const index = low & (REGISTER_COUNT - 1);
  const rest = low >>> REGISTER_INDEX_BITS;
  let zeros = PATTERN_BITS;
  if (rest !== 0) zeros = trailingZeros(rest);
  else if (high !== 0) zeros = 32 - REGISTER_INDEX_BITS + trailingZeros(high);
  return index * (REGISTER_MAX + 1) + zeros + 1;
}

function trailingZeros(word: number): number {
  return 31 - Math.clz32(word & -word);
}

// Whole values, where they are ------------------------------------------------------------------------------

/** Whether the range looks like a HyperLogLog; a sparse one may still turn out to be corrupt. */
export function isHyperLogLog(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < HEADER_BYTES) return false;
  for (let i = 0; i < MAGIC.length; i++) {
    if (bytes[start + i] !== MAGIC[i]) return false;
  }
  const encoding = bytes[start + ENCODING]!;
  return encoding === ENCODING_SPARSE || (encoding === ENCODING_DENSE && end - start === DENSE_BYTES);
}

export function isDense(bytes: Uint8Array, start: number): boolean {
  return bytes[start + ENCODING] === ENCODING_DENSE;
}

export function denseRegister(bytes: Uint8Array, start: number, index: number): number {
  const bit = index * REGISTER_BITS;
  const at = start + HEADER_BYTES + (bit >>> 3);
  const shift = bit & 7;
  // A register that ends with its byte has no part in the next one, and the last one has no next byte.
  const next = shift > 8 - REGISTER_BITS ? bytes[at + 1]! : 0;
  return ((bytes[at]! >> shift) | (next << (8 - shift))) & REGISTER_MAX;
}

export function setDenseRegister(bytes: Uint8Array, start: number, index: number, value: number): void {
  const bit = index * REGISTER_BITS;
  const at = start + HEADER_BYTES + (bit >>> 3);
  const shift = bit & 7;
  bytes[at] = (bytes[at]! & ~(REGISTER_MAX << shift)) | (value << shift);
  if (shift <= 8 - REGISTER_BITS) return;
  bytes[at + 1] = (bytes[at + 1]! & ~(REGISTER_MAX >> (8 - shift))) | (value >> (8 - shift));
}

/** Raises registers to those of the value in the range; false when that is corrupt. */
export function mergeRegisters(
  registers: Uint8Array,
  bytes: Uint8Array,
  start: number,
  end: number,
): boolean {
  if (!isDense(bytes, start)) return mergeSparse(registers, bytes, start + HEADER_BYTES, end);
  for (let index = 0; index < REGISTER_COUNT; index++) {
    const value = denseRegister(bytes, start, index);
    if (value > registers[index]!) registers[index] = value;
  }
  return true;
}

function mergeSparse(registers: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  let index = 0;
  for (let at = start; at < end; at += runBytes(bytes[at]!)) {
    const length = runLength(bytes, at, end);
    if ((bytes[at]! & VAL_BIT) !== 0) {
      if (index + length > REGISTER_COUNT) return false;
      const value = runValue(bytes[at]!);
      for (let i = index; i < index + length; i++) {
        if (value > registers[i]!) registers[i] = value;
      }
    }
    index += length;
  }
  return index === REGISTER_COUNT;
}

/** The runs of a sparse value, as PFDEBUG DECODE prints them. */
export function describeRuns(bytes: Uint8Array, start: number, end: number): string {
  const runs: string[] = [];
  for (let at = start + HEADER_BYTES; at < end; at += runBytes(bytes[at]!)) {
    const byte = bytes[at]!;
    const length = runLength(bytes, at, end);
    if ((byte & VAL_BIT) !== 0) runs.push(`v:${runValue(byte)},${length}`);
    else runs.push(`${(byte & XZERO_BIT) !== 0 ? 'Z' : 'z'}:${length}`);
  }
  return runs.join(' ');
}

/** Bytes of the run that begins with this byte. */
function runBytes(byte: number): number {
  return (byte & (VAL_BIT | XZERO_BIT)) === XZERO_BIT ? 2 : 1;
}

/** How many registers the run at a place covers; of an XZERO that is cut off, the missing byte is 0. */
function runLength(bytes: Uint8Array, at: number, end: number): number {
  const byte = bytes[at]!;
  if ((byte & VAL_BIT) !== 0) return (byte & 3) + 1;
  if ((byte & XZERO_BIT) === 0) return byte + 1;
  return (((byte & 0x3f) << 8) | (at + 1 < end ? bytes[at + 1]! : 0)) + 1;
}

function runValue(byte: number): number {
  return ((byte >> 2) & 0x1f) + 1;
}

function valRun(value: number, length: number): number {
  return VAL_BIT | ((value - 1) << 2) | (length - 1);
}

// Cardinality -----------------------------------------------------------------------------------------------

/** The cardinality that was noted, undefined when the value was changed since. */
export function notedCardinality(bytes: Uint8Array, start: number): number | bigint | undefined {
  const low = readWord(bytes, start + CARDINALITY);
  const high = readWord(bytes, start + CARDINALITY + 4);
  if (high >= TWO_31) return undefined;
  const cardinality = high * TWO_32 + low;
  if (Number.isSafeInteger(cardinality)) return cardinality;
  return (BigInt(high) << 32n) | BigInt(low);
}

/** Notes it in the value's header, where `CARDINALITY_RANGE` says. */
export function noteCardinality(bytes: Uint8Array, start: number, cardinality: number): void {
  writeWord(bytes, start + CARDINALITY, cardinality % TWO_32);
  writeWord(bytes, start + CARDINALITY + 4, Math.floor(cardinality / TWO_32));
}

function readWord(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

function writeWord(bytes: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = word >>> (i * 8);
}

/** Where in a value its cardinality is noted. */
export const CARDINALITY_RANGE = { start: CARDINALITY, end: CARDINALITY_TOP + 1 } as const;

export function invalidateCardinality(bytes: Uint8Array, start: number): void {
  bytes[start + CARDINALITY_TOP] = bytes[start + CARDINALITY_TOP]! | NOT_VALID;
}

/** The cardinality of the value in the range, computed; undefined when it is corrupt. */
export function estimate(bytes: Uint8Array, start: number, end: number): number | undefined {
  histogram.fill(0);
  if (isDense(bytes, start)) {
    countDense(bytes, start + HEADER_BYTES, end);
  } else {
    let index = 0;
    for (let at = start + HEADER_BYTES; at < end; at += runBytes(bytes[at]!)) {
      const length = runLength(bytes, at, end);
      const value = (bytes[at]! & VAL_BIT) !== 0 ? runValue(bytes[at]!) : 0;
      histogram[value] = histogram[value]! + length;
      index += length;
    }
    if (index !== REGISTER_COUNT) return undefined;
  }
  return estimateOfHistogram();
}

/** Four registers are three bytes. */
function countDense(bytes: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end; at += 3) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    histogram[word & REGISTER_MAX]!++;
    histogram[(word >> 6) & REGISTER_MAX]!++;
    histogram[(word >> 12) & REGISTER_MAX]!++;
    histogram[word >> 18]!++;
  }
}

/** The same of plain registers, one a byte. */
export function estimateOfRegisters(registers: Uint8Array): number {
  histogram.fill(0);
  for (let i = 0; i < REGISTER_COUNT; i++) histogram[registers[i]!]!++;
  return estimateOfHistogram();
}

/** Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284. */
function estimateOfHistogram(): number {
  const m = REGISTER_COUNT;
  let z = m * tau((m - histogram[PATTERN_BITS + 1]!) / m);
  for (let value = PATTERN_BITS; value >= 1; value--) z = (z + histogram[value]!) * 0.5;
  z += m * sigma(histogram[0]! / m);
  const cardinality = (ALPHA_INFINITE * m * m) / z;
  // Registers that no element gives: C rounds infinity to the lowest int64.
  return cardinality === Infinity ? INT64_MIN : Math.round(cardinality);
}

function sigma(ratio: number): number {
  if (ratio === 1) return Infinity;
  let [x, y, z, before] = [ratio, 1, ratio, 0];
  do {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  } while (before !== z);
  return z;
}

function tau(ratio: number): number {
  if (ratio === 0 || ratio === 1) return 0;
  let [x, y, z, before] = [ratio, 1, 1 - ratio, 0];
  do {
    x = Math.sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  } while (before !== z);
  return z / 3;
}

// A value that is worked on ---------------------------------------------------------------------------------

/** What became of a register. `corrupt`: the sparse form covers too few or too many registers. */
export type Raised = 'raised' | 'same' | 'corrupt';

/** A copy of a value, which changes until it is written back. One per thread, used again and again. */
export class HyperLogLog {
  /** The value is the first `length` bytes. */
  bytes: Uint8Array = new Uint8Array(DENSE_BYTES);
  length = 0;
  /** Longer sparse values become dense. */
  sparseBytesMax = 0;
  #scratch: Uint8Array = new Uint8Array(DENSE_BYTES);
  /** Where some run begins, 0 = not known, and the first register that it covers. */
  #knownAt = 0;
  #knownFirst = 0;

  /** Becomes an empty one. */
  clear(): void {
    const { bytes } = this;
    bytes.fill(0, 0, EMPTY_BYTES);
    for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC[i]!;
    bytes[ENCODING] = ENCODING_SPARSE;
    this.length = HEADER_BYTES + writeZeros(bytes, HEADER_BYTES, REGISTER_COUNT);
    this.#knownAt = 0;
  }

  /** Becomes a copy of the value in the range. */
  load(bytes: Uint8Array, start: number, end: number): void {
    this.length = 0;
    this.#reserve(end - start);
    copyBytes(this.bytes, 0, bytes, start, end);
    this.length = end - start;
    this.#knownAt = 0;
  }

  #reserve(length: number): void {
    if (length <= this.bytes.length) return;
    const grown = new Uint8Array(length * 2);
    copyBytes(grown, 0, this.bytes, 0, this.length);
    this.bytes = grown;
  }

  get isDense(): boolean {
    return isDense(this.bytes, 0);
  }

  invalidateCardinality(): void {
    invalidateCardinality(this.bytes, 0);
  }

  /** Makes the register at least that. */
  raise(index: number, value: number): Raised {
    if (!this.isDense) return this.#raiseSparse(index, value);
    if (value <= denseRegister(this.bytes, 0, index)) return 'same';
    setDenseRegister(this.bytes, 0, index, value);
    return 'raised';
  }

  /** Takes the dense form; false when the sparse one is corrupt. */
  becomeDense(): boolean {
    if (this.isDense) return true;
    const dense = this.#scratch;
    copyBytes(dense, 0, this.bytes, 0, HEADER_BYTES);
    dense.fill(0, HEADER_BYTES, DENSE_BYTES);
    dense[ENCODING] = ENCODING_DENSE;
    let index = 0;
    for (let at = HEADER_BYTES; at < this.length; at += runBytes(this.bytes[at]!)) {
      const length = runLength(this.bytes, at, this.length);
      if ((this.bytes[at]! & VAL_BIT) !== 0) {
        if (index + length > REGISTER_COUNT) return false;
        const value = runValue(this.bytes[at]!);
        for (let i = index; i < index + length; i++) setDenseRegister(dense, 0, i, value);
      }
      index += length;
    }
    if (index !== REGISTER_COUNT) return false;
    this.load(dense, 0, DENSE_BYTES);
    return true;
  }

  #raiseDense(index: number, value: number): Raised {
    return this.becomeDense() ? this.raise(index, value) : 'corrupt';
  }

  #raiseSparse(index: number, value: number): Raised {
    if (value > VALUE_MAX) return this.#raiseDense(index, value);
    this.#reserve(this.length + GROWTH_BYTES_MAX);

    // The run that covers the register, and the one before it.
    const { bytes, length: end } = this;
    let { at, first } = this.#startOfSearch(index);
    let before = at;
    let run = 0;
    while (at < end) {
      run = runLength(bytes, at, end);
      if (index < first + run) break;
      before = at;
      this.#knownAt = at;
      this.#knownFirst = first;
      at += runBytes(bytes[at]!);
      first += run;
    }
    if (at >= end) return 'corrupt';

    const isVal = (bytes[at]! & VAL_BIT) !== 0;
    if (isVal && runValue(bytes[at]!) >= value) return 'same';
    if (run === 1 && runBytes(bytes[at]!) === 1) bytes[at] = valRun(value, 1);
    else if (!this.#splitRun(at, index - first, run, value)) return this.#raiseDense(index, value);
    this.#mergeRuns(before);
    this.invalidateCardinality();
    return 'raised';
  }

  /**
   * Where to look for a register: at the run in front of the last one that was found, if it is behind that.
   * A change leaves the beginning of that run where it is.
   */
  #startOfSearch(index: number): { at: number; first: number } {
    const [at, first] = [this.#knownAt, this.#knownFirst];
    if (at > 0 && index >= first + runLength(this.bytes, at, this.length)) return { at, first };
    // What is changed in front of the known run moves it.
    this.#knownAt = 0;
    return { at: HEADER_BYTES, first: 0 };
  }

  /**
   * Replaces the run at a place, of which one register is raised, by up to three. False when the value would
   * become too long.
   */
  #splitRun(at: number, offset: number, run: number, value: number): boolean {
    const { bytes, length: end } = this;
    const byte = bytes[at]!;
    const behind = run - offset - 1;
    const isVal = (byte & VAL_BIT) !== 0;
    const added = partBytes(isVal, offset) + 1 + partBytes(isVal, behind) - runBytes(byte);
    if (added > 0 && end + added > this.sparseBytesMax) return false;

    const next = at + runBytes(byte);
    if (added !== 0 && next < end) bytes.copyWithin(next + added, next, end);
    this.length = end + added;
    let to = at + writePart(bytes, at, byte, offset);
    bytes[to++] = valRun(value, 1);
    writePart(bytes, to, byte, behind);
    return true;
  }

  /** Joins neighbouring VALs of one value, from a place on, as far as they fit into one. */
  #mergeRuns(from: number): void {
    const { bytes } = this;
    let at = from;
    for (let scanned = 0; scanned < MERGED_RUNS && at < this.length; scanned++) {
      const byte = bytes[at]!;
      const next = at + 1 < this.length ? bytes[at + 1]! : 0;
      if ((byte & next & VAL_BIT) !== 0 && runValue(byte) === runValue(next)) {
        const length = (byte & 3) + (next & 3) + 2;
        if (length <= VAL_RUN_MAX) {
          bytes[at + 1] = valRun(runValue(byte), length);
          bytes.copyWithin(at, at + 1, this.length);
          this.length--;
          continue;
        }
      }
      at += runBytes(byte);
    }
  }
}

/** Bytes of what is left of a split run; a VAL or zeros. */
function partBytes(isVal: boolean, length: number): number {
  if (length === 0) return 0;
  return isVal || length <= ZERO_RUN_MAX ? 1 : 2;
}

/** Writes what is left of the run that began with `byte`; returns its bytes. */
function writePart(bytes: Uint8Array, at: number, byte: number, length: number): number {
  if (length === 0) return 0;
  if ((byte & VAL_BIT) === 0) return writeZeros(bytes, at, length);
  bytes[at] = valRun(runValue(byte), length);
  return 1;
}

function writeZeros(bytes: Uint8Array, at: number, length: number): number {
  if (length <= ZERO_RUN_MAX) {
    bytes[at] = length - 1;
    return 1;
  }
  bytes[at] = XZERO_BIT | ((length - 1) >> 8);
  bytes[at + 1] = (length - 1) & 0xff;
  return 2;
}
