import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Crc64, crc64 } from './crc64.ts';

const POLYNOMIAL = 0x95ac9329ac4bc9b5n;

function model(bytes: Uint8Array): bigint {
  let crc = 0n;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ POLYNOMIAL : crc >> 1n;
  }
  return crc;
}

test('check values of Redis', () => {
  const digits = Buffer.from('123456789');
  assert.equal(crc64(0n, digits, 0, 9), 0xe9c6d914c4b8d9can);
  assert.equal(crc64(0n, digits, 0, 0), 0n);
});

test('any way of cutting the input gives the checksum of the whole', () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
  fc.assert(
    fc.property(pieces, (parts) => {
      const whole = Buffer.concat(parts);
      const state = new Crc64();
      let continued = 0n;
      for (const part of parts) {
        state.update(part, 0, part.length);
        continued = crc64(continued, part, 0, part.length);
      }
      assert.equal(state.value, model(whole));
      assert.equal(continued, state.value);
      state.reset();
      assert.equal(state.value, 0n);
    }),
  );
});

test('long input gives the checksum of its pieces, wherever it begins and ends', () => {
  const bytes = Buffer.alloc(100_000);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7919) >>> 3;
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  for (const [start, end] of [
    [0, 511],
    [0, 512],
    [3, 519],
    [1, 32_769],
    [5, 32_780],
    [7, 99_998],
  ] as const) {
    const state = new Crc64();
    for (let pos = start; pos < end; pos += 100) state.update(bytes, pos, Math.min(end, pos + 100));
    assert.equal(crc64(0n, bytes, start, end), state.value);
    assert.equal(crc64(0n, shared, start, end), state.value);
    assert.equal(crc64(crc64(0n, bytes, start, start + 9), bytes, start + 9, end), state.value);
  }
});
