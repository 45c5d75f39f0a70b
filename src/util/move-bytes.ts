/**
 * Moving bytes within one array of shared memory, where the two ranges may overlap.
 *
 * V8 moves shared memory with atomic accesses, byte by byte unless both ranges are aligned alike: 8 KiB take
 * 4 µs. Two native copies by way of a private buffer take 0.5 µs (see `copyBytes` in bytes.ts). The store's
 * lock orders the accesses, so nothing has to be atomic.
 */

/** Up to this length a loop is cheaper than any call. */
const LOOP_BYTES_MAX = 24;
/** Up to this length `copyWithin` is cheaper than two copies. */
const COPY_WITHIN_BYTES_MAX = 448;
const SCRATCH_BYTES = 64 * 1024;
const { fill } = Buffer.prototype;

let scratch: Buffer | undefined;

/** Moves `[start, end)` to `target`. */
export function moveBytes(bytes: Uint8Array, target: number, start: number, end: number): void {
  const length = end - start;
  if (length <= LOOP_BYTES_MAX) moveByLoop(bytes, target, start, length);
  else if (length <= COPY_WITHIN_BYTES_MAX) bytes.copyWithin(target, start, end);
  else moveByScratch(bytes, target, start, end);
}

function moveByLoop(bytes: Uint8Array, target: number, start: number, length: number): void {
  if (target > start) {
    for (let i = length - 1; i >= 0; i--) bytes[target + i] = bytes[start + i]!;
  } else {
    for (let i = 0; i < length; i++) bytes[target + i] = bytes[start + i]!;
  }
}

/** Chunk by chunk, in the order in which no chunk overwrites what is still to be moved. */
function moveByScratch(bytes: Uint8Array, target: number, start: number, end: number): void {
  scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  const distance = target - start;
  let [from, to] = [start, end];
  while (from < to) {
    const length = Math.min(SCRATCH_BYTES, to - from);
    const chunk = distance > 0 ? to - length : from;
    fill.call(scratch, bytes.subarray(chunk, chunk + length), 0, length);
    fill.call(bytes, scratch.subarray(0, length), chunk + distance, chunk + distance + length);
    if (distance > 0) to = chunk;
    else from = chunk + length;
  }
}
