/**
 * Counting, finding and combining bits of byte ranges `[start, end)`. Bit 0 is the highest of the first byte,
 * as Redis numbers them (Redis 7.0 bitops.c).
 *
 * Long ranges are read four bytes at a time through a view of the same memory. The order of the bytes within
 * such a word does not matter where they are only counted, compared with all zeros or ones, or combined.
 */

/** Below this length a view of the words costs more than it saves. */
const WORD_BYTES_MIN = 64;
/** What counting and searching take at once. */
const BLOCK_WORDS = 8;

export type BitOperation = 'and' | 'or' | 'xor';

const ONES_OF_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => onesOfWord(byte));

/** How many bits of a word are set, by adding neighbouring sums of 1, 2 and 4 bits at once. */
function onesOfWord(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** The first place from `start` on where a word begins, at most `end`. */
function wordBoundary(bytes: Uint8Array, start: number, end: number): number {
  return Math.min(end, start + (-(bytes.byteOffset + start) & 3));
}

/** The words of a range that begins at a word's boundary; up to three bytes at its end are not among them. */
function wordsOfRange(bytes: Uint8Array, start: number, end: number): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset + start, (end - start) >>> 2);
}

/** How many bits of the range are set. */
export function countBits(bytes: Uint8Array, start: number, end: number): number {
  if (end - start < WORD_BYTES_MIN) return countByBytes(bytes, start, end);
  const first = wordBoundary(bytes, start, end);
  const words = wordsOfRange(bytes, first, end);
  const last = first + words.length * 4;
  return countByBytes(bytes, start, first) + countOfWords(words) + countByBytes(bytes, last, end);
}

function countByBytes(bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i++) count += ONES_OF_BYTE[bytes[i]!]!;
  return count;
}

/**
 * Harley and Seal's method: words are added bit by bit, in 32 columns at once, into `ones`, `twos` and
 * `fours`; only what carries out of these, one word in eight, has its bits counted. A third of the work of
 * counting each word.
 */
function countOfWords(words: Int32Array): number {
  let [ones, twos, fours, count] = [0, 0, 0, 0];
  const blocksEnd = words.length - (words.length % BLOCK_WORDS);
  for (let i = 0; i < blocksEnd; i += BLOCK_WORDS) {
    // A full adder thrice over: the sum of three bits is (a ^ b ^ c) and twice (a & b | (a ^ b) & c).
    let [a, b] = [words[i]!, words[i + 1]!];
    let half = ones ^ a;
    const twosA = (ones & a) | (half & b);
    ones = half ^ b;
    [a, b] = [words[i + 2]!, words[i + 3]!];
    half = ones ^ a;
    const twosB = (ones & a) | (half & b);
    ones = half ^ b;
    half = twos ^ twosA;
    const foursA = (twos & twosA) | (half & twosB);
    twos = half ^ twosB;

    [a, b] = [words[i + 4]!, words[i + 5]!];
    half = ones ^ a;
    const twosC = (ones & a) | (half & b);
    ones = half ^ b;
    [a, b] = [words[i + 6]!, words[i + 7]!];
    half = ones ^ a;
    const twosD = (ones & a) | (half & b);
    ones = half ^ b;
    half = twos ^ twosC;
    const foursB = (twos & twosC) | (half & twosD);
    twos = half ^ twosD;

    half = fours ^ foursA;
    count += onesOfWord((fours & foursA) | (half & foursB));
    fours = half ^ foursB;
  }
  count = count * 8 + onesOfWord(fours) * 4 + onesOfWord(twos) * 2 + onesOfWord(ones);
  for (let i = blocksEnd; i < words.length; i++) count += onesOfWord(words[i]!);
  return count;
}

/** How many of the bits `first … last` of the range that begins at `start` are set. */
export function countBitsBetween(bytes: Uint8Array, start: number, first: number, last: number): number {
  const firstByte = start + Math.floor(first / 8);
  const lastByte = start + Math.floor(last / 8);
  const before = bytes[firstByte]! & ~(0xff >> (first & 7));
  const behind = bytes[lastByte]! & (0x7f >> (last & 7));
  return countBits(bytes, firstByte, lastByte + 1) - ONES_OF_BYTE[before]! - ONES_OF_BYTE[behind]!;
}

/** The number of the first of the bits `first … last`, from `start`, that is `bit`; -1 = none. */
export function findBit(bytes: Uint8Array, start: number, first: number, last: number, bit: 0 | 1): number {
  // What is looked for is a one, after turning all over when it is a zero.
  const flip = bit === 0 ? 0xff : 0;
  const firstByte = Math.floor(first / 8);
  const lastByte = Math.floor(last / 8);
  const head = (bytes[start + firstByte]! ^ flip) & (0xff >> (first & 7));
  let place = firstByte;
  let found = head;
  if (head === 0) {
    place = firstOther(bytes, start + firstByte + 1, start + lastByte + 1, flip) - start;
    if (place > lastByte) return -1;
    found = bytes[start + place]! ^ flip;
  }
  const position = place * 8 + Math.clz32(found) - 24;
  return position <= last ? position : -1;
}

/** The first place of the range whose byte is not `byte`, which is 0 or 255; `end` when there is none. */
function firstOther(bytes: Uint8Array, start: number, end: number, byte: number): number {
  let place = start;
  if (end - start >= WORD_BYTES_MIN) {
    const boundary = wordBoundary(bytes, start, end);
    while (place < boundary && bytes[place] === byte) place++;
    if (place < boundary) return place;
    const words = wordsOfRange(bytes, boundary, end);
    place = boundary + equalWords(words, byte === 0 ? 0 : -1) * 4;
  }
  while (place < end && bytes[place] === byte) place++;
  return place;
}

/** How many words from the first on are `word`, counted in blocks: some of the next block may be, too. */
function equalWords(words: Int32Array, word: number): number {
  const blocksEnd = words.length - (words.length % BLOCK_WORDS);
  for (let i = 0; i < blocksEnd; i += BLOCK_WORDS) {
    const low = (words[i]! ^ word) | (words[i + 1]! ^ word) | (words[i + 2]! ^ word) | (words[i + 3]! ^ word);
    const high =
      (words[i + 4]! ^ word) | (words[i + 5]! ^ word) | (words[i + 6]! ^ word) | (words[i + 7]! ^ word);
    if ((low | high) !== 0) return i;
  }
  return blocksEnd;
}

/** Combines the bytes of `target` from `targetStart` on with those of the source's range, bit by bit. */
export function combineBits(
  operation: BitOperation,
  target: Uint8Array,
  targetStart: number,
  source: Uint8Array,
  start: number,
  end: number,
): void {
  let done = 0;
  const isAligned = ((target.byteOffset + targetStart) & 3) === 0 && ((source.byteOffset + start) & 3) === 0;
  if (isAligned && end - start >= WORD_BYTES_MIN) {
    const words = wordsOfRange(source, start, end);
    combine(
      operation,
      wordsOfRange(target, targetStart, targetStart + (end - start)),
      0,
      words,
      0,
      words.length,
    );
    done = words.length * 4;
  }
  combine(operation, target, targetStart + done, source, start + done, end);
}

function combine(
  operation: BitOperation,
  target: Uint8Array | Int32Array,
  targetStart: number,
  source: Uint8Array | Int32Array,
  start: number,
  end: number,
): void {
  const shift = targetStart - start;
  if (operation === 'and') {
    for (let i = start; i < end; i++) target[i + shift] = target[i + shift]! & source[i]!;
  } else if (operation === 'or') {
    for (let i = start; i < end; i++) target[i + shift] = target[i + shift]! | source[i]!;
  } else {
    for (let i = start; i < end; i++) target[i + shift] = target[i + shift]! ^ source[i]!;
  }
}

/** Turns over all bits of the range. */
export function invertBits(bytes: Uint8Array, start: number, end: number): void {
  let done = start;
  if (((bytes.byteOffset + start) & 3) === 0) {
    const words = wordsOfRange(bytes, start, end);
    for (let i = 0; i < words.length; i++) words[i] = ~words[i]!;
    done += words.length * 4;
  }
  for (let i = done; i < end; i++) bytes[i] = ~bytes[i]!;
}
