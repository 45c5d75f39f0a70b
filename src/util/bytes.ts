/**
 * Helpers on ranges of byte arrays. A range is `[start, end)`; nothing here checks it, the caller owns the
 * bounds. None of the comparing functions allocates: command names and options are matched where they were
 * received.
 */

/** Above this length one native `set` is cheaper than a loop over bytes. */
const LOOP_COPY_BYTES_MAX = 32;
/**
 * Above this length `Buffer.fill` is cheaper than `set`. Between shared and private memory V8 copies with
 * atomic accesses, and byte by byte unless both ranges are aligned alike (Relaxed_Memcpy in atomicops.h): 1
 * KiB takes 500 ns, and `Buffer.copy` of Node 20 is the same underneath. Filling a range with bytes of its
 * own length is a native memcpy: 150 ns. The store's lock orders the accesses, so nothing has to be atomic.
 */
const SET_COPY_BYTES_MAX = 160;
const { fill } = Buffer.prototype;

/** Up to this length, joining characters is cheaper than a call into the native decoder. */
const LOOP_LATIN1_BYTES_MAX = 12;

function toUpperAscii(byte: number): number {
  return byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
}

/** Whether the range spells `upperLiteral`, which must be upper-case ASCII, in any mixture of cases. */
export function equalsIgnoreCase(
  buffer: Uint8Array,
  start: number,
  end: number,
  upperLiteral: string | Uint8Array,
): boolean {
  const length = upperLiteral.length;
  if (end - start !== length) return false;

  if (typeof upperLiteral === 'string') {
    for (let i = 0; i < length; i++) {
      if (toUpperAscii(buffer[start + i]!) !== upperLiteral.charCodeAt(i)) return false;
    }
    return true;
  }
  for (let i = 0; i < length; i++) {
    if (toUpperAscii(buffer[start + i]!) !== upperLiteral[i]!) return false;
  }
  return true;
}

/** Whether `length` bytes of `a` from `aStart` equal those of `b` from `bStart`. */
export function equalBytes(
  a: Uint8Array,
  aStart: number,
  b: Uint8Array,
  bStart: number,
  length: number,
): boolean {
  for (let i = 0; i < length; i++) {
    if (a[aStart + i]! !== b[bStart + i]!) return false;
  }
  return true;
}

/**
 * Order of two ranges as `memcmp` sees it, the shorter one first when it is a prefix of the longer:
 * negative, zero or positive.
 */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const aLength = aEnd - aStart;
  const bLength = bEnd - bStart;
  const shared = aLength < bLength ? aLength : bLength;
  for (let i = 0; i < shared; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

/**
 * Copies `source[start, end)` to `target` at `targetPos` and returns the position behind the copy.
 * Overlapping ranges of one array are not supported.
 */
export function copyBytes(
  target: Uint8Array,
  targetPos: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  const length = end - start;
  if (length <= LOOP_COPY_BYTES_MAX) {
    let pos = targetPos;
    for (let i = start; i < end; i++) target[pos++] = source[i]!;
    return pos;
  }
  const bytes = source.subarray(start, end);
  if (length <= SET_COPY_BYTES_MAX) target.set(bytes, targetPos);
  else fill.call(target, bytes, targetPos, targetPos + length);
  return targetPos + length;
}

/** The range as a string of one character per byte: lossless, also for bytes that are not UTF-8. */
export function toLatin1(buffer: Uint8Array, start: number, end: number): string {
  if (end - start > LOOP_LATIN1_BYTES_MAX) {
    return Buffer.from(buffer.buffer, buffer.byteOffset + start, end - start).toString('latin1');
  }
  let text = '';
  for (let i = start; i < end; i++) text += String.fromCharCode(buffer[i]!);
  return text;
}
