/**
 * HalfSipHash-1-3 with a 64-bit key and a 32-bit result: the keyed hash of the tables. SipHash because
 * clients choose the keys; the half variant because its words are int32, which V8 computes without
 * allocation. One compression round per 4 bytes and three final ones, as Redis uses SipHash-1-3
 * (https://github.com/veorq/SipHash).
 *
 * Every sum ends with `| 0`; that keeps V8 in int32 arithmetic, and it is what makes this fast.
 */
export function halfSipHash(k0: number, k1: number, bytes: Uint8Array, start: number, end: number): number {
  let v0 = k0 | 0;
  let v1 = k1 | 0;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;

  // One pass for each whole word, and a last one for the word of left-over bytes under the length byte.
  let last = (end - start) << 24;
  let pos = start;
  for (let whole = (end - start) >> 2; whole >= 0; whole--) {
    let word: number;
    if (whole > 0) {
      word = bytes[pos]! | (bytes[pos + 1]! << 8) | (bytes[pos + 2]! << 16) | (bytes[pos + 3]! << 24);
      pos += 4;
    } else {
      for (let shift = 0; pos < end; pos++, shift += 8) last |= bytes[pos]! << shift;
      word = last;
    }
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }

  v2 ^= 0xff;
  for (let round = 0; round < 3; round++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  return v1 ^ v3;
}
