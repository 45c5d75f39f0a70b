/**
 * LCS: the longest common subsequence of two strings, its length, or where it lies in both.
 *
 * Redis fills a table L of 32-bit lengths, L(i, j) for the first i bytes of `a` and j of `b`, and walks back
 * through it (Redis 7.0 t_string.c, lcsCommand). Along a row L grows by 0 or 1 at each step, so one bit per
 * cell holds the same, and 32 cells are computed at once (Crochemore et al. 2001, Hyyrö 2004): bit j - 1 of
 * row i is 0 where L(i, j) > L(i, j - 1). All choices of the walk follow from it, and half a gigabyte of
 * table becomes 16 MiB.
 */
import { TYPE_STRING } from '../keyspace/entry.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import type { Ref } from '../memory/arena.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR } from './errors.ts';

const NOT_STRINGS = new ErrorReply('ERR The specified keys must contain string values');
const LENGTH_AND_INDEXES = new ErrorReply(
  'ERR If you want both the length and indexes, please just use IDX.',
);
const TABLE_TOO_LARGE = new ErrorReply(
  'ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len',
);
const NO_MEMORY = new ErrorReply('ERR Insufficient memory, failed allocating transient memory for LCS');

/** What a cell of Redis' table takes: the limit is on the memory that Redis would need. */
const REDIS_CELL_BYTES = 4;
const WORD_BITS = 32;

interface LcsOptions {
  wantsLength: boolean;
  wantsIndexes: boolean;
  wantsMatchLengths: boolean;
  matchLengthMin: number;
}

/** LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN] */
export function lcs(call: Call): void {
  const first = call.lookupRead(1);
  const second = call.lookupRead(2);
  if (!isStringOrNone(call, first) || !isStringOrNone(call, second)) throw NOT_STRINGS;
  const options = parseOptions(call);
  const a = borrowOrEmpty(call, first);
  const b = borrowOrEmpty(call, second);
  const redisBytes = (a.length + 1) * (b.length + 1) * REDIS_CELL_BYTES;
  if (redisBytes > call.config.values['proto-max-bulk-len']) throw TABLE_TOO_LARGE;

  const { reply } = call;
  if (options.wantsIndexes) replyIndexes(reply, new LcsTable(a, b, true), options);
  else if (options.wantsLength) reply.integer(new LcsTable(a, b, false).length);
  else reply.bulkBytes(new LcsTable(a, b, true).subsequence());
}

function isStringOrNone(call: Call, entry: Ref): boolean {
  return entry === 0 || call.database.typeOf(entry) === TYPE_STRING;
}

function borrowOrEmpty(call: Call, entry: Ref): BorrowedBytes {
  const view = new BorrowedBytes();
  if (entry !== 0) call.strings.borrow(entry, view);
  return view;
}

function parseOptions(call: Call): LcsOptions {
  const options = { wantsLength: false, wantsIndexes: false, wantsMatchLengths: false, matchLengthMin: 0 };
  for (let index = 3; index < call.argumentCount; index++) {
    if (call.is(index, 'IDX')) options.wantsIndexes = true;
    else if (call.is(index, 'LEN')) options.wantsLength = true;
    else if (call.is(index, 'WITHMATCHLEN')) options.wantsMatchLengths = true;
    else if (call.is(index, 'MINMATCHLEN') && index + 1 < call.argumentCount) {
      options.matchLengthMin = Number(call.int64(++index));
    } else throw SYNTAX_ERROR;
  }
  if (options.wantsLength && options.wantsIndexes) throw LENGTH_AND_INDEXES;
  return options;
}

/** Pairs of ranges, the last ones first, and the length of the whole. */
function replyIndexes(reply: ReplyWriter, table: LcsTable, options: LcsOptions): void {
  reply.map(2);
  reply.bulkText('matches');
  const mark = reply.beginArray();
  let count = 0;
  table.forEachMatch((aStart, bStart, length) => {
    if (length < options.matchLengthMin) return;
    count++;
    reply.array(options.wantsMatchLengths ? 3 : 2);
    replyRange(reply, aStart, length);
    replyRange(reply, bStart, length);
    if (options.wantsMatchLengths) reply.integer(length);
  });
  reply.endArray(mark, count);
  reply.bulkText('len');
  reply.integer(table.length);
}

/** First and last index of a match. */
function replyRange(reply: ReplyWriter, start: number, length: number): void {
  reply.array(2);
  reply.integer(start);
  reply.integer(start + length - 1);
}

/** The table of two strings. Without `keepsRows` it only knows the length. */
export class LcsTable {
  readonly length: number;
  readonly #a: BorrowedBytes;
  readonly #b: BorrowedBytes;
  readonly #rowWords: number;
  /** Rows 0 … a.length, or only the latest one. */
  readonly #rows: Int32Array;

  constructor(a: BorrowedBytes, b: BorrowedBytes, keepsRows: boolean) {
    this.#a = a;
    this.#b = b;
    this.#rowWords = Math.ceil(b.length / WORD_BITS);
    const masks = new ByteMasks(a, b, this.#rowWords);
    this.#rows = allocateWords(this.#rowWords * (keepsRows ? a.length + 1 : 1));
    // L(0, j) = 0 for all j: no step of row 0 is a growth.
    this.#rows.fill(-1, 0, this.#rowWords);
    let row = 0;
    for (let i = a.start; i < a.end; i++) {
      const next = keepsRows ? row + this.#rowWords : row;
      fillRow(this.#rows, row, next, masks.words, masks.startOf(a.bytes[i]!), this.#rowWords);
      row = next;
    }
    this.length = zeroBits(this.#rows, row, row + this.#rowWords);
  }

  /** The subsequence itself. */
  subsequence(): Buffer {
    const { bytes, start } = this.#a;
    const result = Buffer.allocUnsafe(this.length);
    let position = this.length;
    this.forEachMatch((aStart, _bStart, length) => {
      position -= length;
      for (let i = 0; i < length; i++) result[position + i] = bytes[start + aStart + i]!;
    });
    return result;
  }

  /** Runs of bytes that the subsequence takes from neighbouring places of both strings, last ones first. */
  forEachMatch(visit: (aStart: number, bStart: number, length: number) => void): void {
    const a = this.#a;
    const b = this.#b;
    let i = a.length;
    let j = b.length;
    let matchLength = 0;
    while (i > 0 && j > 0) {
      if (a.bytes[a.start + i - 1] === b.bytes[b.start + j - 1]) {
        matchLength++;
        i--;
        j--;
        continue;
      }
      if (matchLength > 0) visit(i, j, matchLength);
      matchLength = 0;
      if (this.#grows(i, j)) i--;
      else j--;
    }
    if (matchLength > 0) visit(i, j, matchLength);
  }

  /** L(i, j) > L(i, j - 1), which, when the bytes there differ, says that L(i - 1, j) > L(i, j - 1). */
  #grows(i: number, j: number): boolean {
    const word = this.#rows[i * this.#rowWords + ((j - 1) >>> 5)]!;
    return ((word >>> ((j - 1) & 31)) & 1) === 0;
  }
}

/** For each byte that occurs in `a`: one bit per byte of `b`, set where it is the same. */
class ByteMasks {
  readonly words: Int32Array;
  readonly #starts = new Int32Array(256).fill(-1);

  constructor(a: BorrowedBytes, b: BorrowedBytes, maskWords: number) {
    let wordCount = 0;
    for (let i = a.start; i < a.end; i++) {
      if (this.#starts[a.bytes[i]!] !== -1) continue;
      this.#starts[a.bytes[i]!] = wordCount;
      wordCount += maskWords;
    }
    this.words = allocateWords(wordCount);
    for (let j = 0; j < b.length; j++) {
      const start = this.#starts[b.bytes[b.start + j]!]!;
      if (start !== -1) this.words[start + (j >>> 5)]! |= 1 << (j & 31);
    }
  }

  /** Where the mask of a byte of `a` starts. */
  startOf(byte: number): number {
    return this.#starts[byte]!;
  }
}

/** One row from the row before: V' = (V + (V & M)) | (V & ~M), an addition over all words. */
function fillRow(
  rows: Int32Array,
  row: number,
  next: number,
  masks: Int32Array,
  mask: number,
  rowWords: number,
): void {
  let carry = 0;
  for (let word = 0; word < rowWords; word++) {
    const old = rows[row + word]!;
    const matching = old & masks[mask + word]!;
    const sum = (((old + matching) | 0) + carry) | 0;
    carry = ((old & matching) | ((old | matching) & ~sum)) >>> 31;
    rows[next + word] = sum | (old & ~matching);
  }
}

/** How many bits of these words are 0: the steps at which the row grows. Bits behind its end are all 1. */
function zeroBits(words: Int32Array, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i++) {
    let zeros = ~words[i]!;
    zeros -= (zeros >>> 1) & 0x55555555;
    zeros = (zeros & 0x33333333) + ((zeros >>> 2) & 0x33333333);
    count += Math.imul((zeros + (zeros >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return count;
}

/** @throws NO_MEMORY */
function allocateWords(count: number): Int32Array {
  try {
    return new Int32Array(count);
  } catch (error) {
    if (error instanceof RangeError) throw NO_MEMORY;
    throw error;
  }
}
