/**
 * LZF, the compression of long strings in RDB files (Redis 7.0 lzf_c.c and lzf_d.c, by Marc Lehmann). Chunks
 * of
 *
 *     000LLLLL <L+1 bytes>             L + 1 literal bytes
 *     LLLooooo oooooooo                copy L + 2 bytes from o + 1 bytes back, L in 1 … 6
 *     111ooooo LLLLLLLL oooooooo       copy L + 9 bytes from o + 1 bytes back
 *
 * The compressor makes the same choices as the original, so its output is the same as that of Redis.
 */

const HASH_BITS = 16;
const LITERAL_RUN_MAX = 32;
const OFFSET_MAX = 1 << 13;
const COPY_BYTES_MAX = 264;

const UNROLLED_COMPARISONS = 16;

/** Three bytes of input become 264 at most. */
const EXPANSION_MAX = 88;

/**
 * Positions count on from call to call, so that entries of an earlier input are recognized by being too
 * small.
 */
const POSITION_MAX = 0x7fffffff;

/**
 * Last position of each hash of three bytes. Compression runs to its end in one thread, so one table serves
 * all.
 */
const lastSeen = new Int32Array(1 << HASH_BITS);
let positionBase = 1;

function hashIndex(bytes: Uint8Array, i: number): number {
  const three = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
  return ((three >>> (24 - HASH_BITS)) - three * 5) & ((1 << HASH_BITS) - 1);
}

/** Reserves `length` positions and returns the first. */
function takePositions(length: number): number {
  if (positionBase > POSITION_MAX - length) {
    lastSeen.fill(0);
    positionBase = 1;
  }
  const base = positionBase;
  positionBase += length;
  return base;
}

/**
 * Compresses `input[start, end)` to `output[outputStart, outputEnd)` and returns the number of bytes written,
 * 0 when they do not fit: give the output less room than the input, or incompressible data grows.
 */
export function lzfCompress(
  input: Uint8Array,
  start: number,
  end: number,
  output: Uint8Array,
  outputStart: number,
  outputEnd: number,
): number {
  if (start >= end || outputStart >= outputEnd) return 0;
  const base = takePositions(end - start) - start;
  let ip = start;
  let literals = 0;
  // The length byte of a run of literals is written when the run ends; its place is left free before.
  let op = outputStart + 1;

  while (ip < end - 2) {
    const slot = hashIndex(input, ip);
    const ref = lastSeen[slot]! - base;
    lastSeen[slot] = ip + base;
    const offset = ip - ref - 1;
    if (
      ref > start &&
      offset < OFFSET_MAX &&
      input[ref] === input[ip] &&
      input[ref + 1] === input[ip + 1] &&
      input[ref + 2] === input[ip + 2]
    ) {
      if (op - (literals === 0 ? 1 : 0) + 4 >= outputEnd) return 0;
      if (literals === 0) op--;
      else output[op - literals - 1] = literals - 1;

      const length = matchLength(input, ref, ip, end);
      const copies = length - 2;
      if (copies < 7) {
        output[op++] = (offset >> 8) | (copies << 5);
      } else {
        output[op++] = (offset >> 8) | (7 << 5);
        output[op++] = copies - 7;
      }
      output[op++] = offset & 0xff;
      literals = 0;
      op++;

      ip += length;
      if (ip >= end - 2) break;
      // Only the last two positions of the copy are remembered: the original's trade of size for speed.
      lastSeen[hashIndex(input, ip - 2)] = ip - 2 + base;
      lastSeen[hashIndex(input, ip - 1)] = ip - 1 + base;
      continue;
    }
    if (op >= outputEnd) return 0;
    output[op++] = input[ip++]!;
    if (++literals === LITERAL_RUN_MAX) {
      output[op - literals - 1] = literals - 1;
      literals = 0;
      op++;
    }
  }

  if (op + 3 > outputEnd) return 0;
  while (ip < end) {
    output[op++] = input[ip++]!;
    if (++literals === LITERAL_RUN_MAX) {
      output[op - literals - 1] = literals - 1;
      literals = 0;
      op++;
    }
  }
  if (literals === 0) op--;
  else output[op - literals - 1] = literals - 1;
  return op - outputStart;
}

/**
 * How many bytes from `ref` and `ip` agree, given that the first three do. The original keeps two bytes clear
 * of the end, unless it is in the loop of 16 comparisons that it has unrolled; we stop where it stops.
 */
function matchLength(input: Uint8Array, ref: number, ip: number, end: number): number {
  const longest = Math.min(end - ip - 2, COPY_BYTES_MAX);
  const limit = longest > UNROLLED_COMPARISONS ? Math.max(longest, 3 + UNROLLED_COMPARISONS) : longest;
  let length = 3;
  while (length < limit && input[ref + length] === input[ip + length]) length++;
  return length;
}

/** Whether so many bytes can have been compressed to `compressedLength`, by their numbers alone. */
export function isLzfLength(compressedLength: number, length: number): boolean {
  return length <= compressedLength * EXPANSION_MAX;
}

/**
 * The `length` bytes that `input[start, end)` was made from, or undefined when it does not encode exactly
 * that many.
 */
export function lzfDecompress(
  input: Uint8Array,
  start: number,
  end: number,
  length: number,
): Buffer | undefined {
  // A length out of a damaged file must not decide what is allocated.
  if (!isLzfLength(end - start, length)) return undefined;
  const output = Buffer.allocUnsafe(length);
  return lzfDecompressTo(output, input, start, end, length) ? output : undefined;
}

/** The same into the first bytes of `output`, which is another array; false when it is not possible. */
export function lzfDecompressTo(
  output: Uint8Array,
  input: Uint8Array,
  start: number,
  end: number,
  length: number,
): boolean {
  let ip = start;
  let op = 0;
  while (ip < end) {
    const control = input[ip++]!;
    if (control < LITERAL_RUN_MAX) {
      const run = control + 1;
      if (ip + run > end || op + run > length) return false;
      for (let i = 0; i < run; i++) output[op++] = input[ip++]!;
      continue;
    }
    let copies = control >> 5;
    if (copies === 7) {
      if (ip >= end) return false;
      copies += input[ip++]!;
    }
    copies += 2;
    if (ip >= end) return false;
    let ref = op - ((control & 0x1f) << 8) - input[ip++]! - 1;
    if (ref < 0 || op + copies > length) return false;
    // Byte by byte: a copy may overlap itself, which is how runs are encoded.
    for (let i = 0; i < copies; i++) output[op++] = output[ref++]!;
  }
  return op === length;
}
