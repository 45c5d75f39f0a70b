import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MurmurHash } from './murmur-hash.ts';

const MULTIPLIER = 0xc6a4a7935bd1e995n;
const hash = new MurmurHash();

function uint64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

/** The definition, in BigInt. */
function expectedHash(bytes: Uint8Array, seed: number): bigint {
  let h = uint64(BigInt(seed) ^ uint64(BigInt(bytes.length) * MULTIPLIER));
  const whole = bytes.length - (bytes.length % 8);
  for (let i = 0; i < whole; i += 8) {
    let k = uint64(Buffer.from(bytes).readBigUInt64LE(i) * MULTIPLIER);
    k = uint64((k ^ (k >> 47n)) * MULTIPLIER);
    h = uint64((h ^ k) * MULTIPLIER);
  }
  if (whole < bytes.length) {
    const rest = Buffer.concat([bytes.subarray(whole), Buffer.alloc(8)]);
    h = uint64((h ^ rest.readBigUInt64LE(0)) * MULTIPLIER);
  }
  h = uint64((h ^ (h >> 47n)) * MULTIPLIER);
  return h ^ (h >> 47n);
}

test('both halves are those of the 64-bit arithmetic', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }), (bytes, seed) => {
      hash.hash(bytes, 0, bytes.length, seed);
      const value = (BigInt(hash.high >>> 0) << 32n) | BigInt(hash.low >>> 0);
      assert.equal(value, expectedHash(bytes, seed));
    }),
  );
});

test('only the range counts', () => {
  hash.hash(Buffer.from('..hello..'), 2, 7, 1);
  const { high, low } = hash;
  hash.hash(Buffer.from('hello'), 0, 5, 1);
  assert.deepEqual([hash.high, hash.low], [high, low]);
});
