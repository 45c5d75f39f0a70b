import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareBytes, copyBytes, equalBytes, equalsIgnoreCase, toLatin1 } from './bytes.ts';

test('equalsIgnoreCase matches the whole range in any case', () => {
  const line = Buffer.from('xxgEt-9{xx');
  for (const literal of ['GET-9{', Buffer.from('GET-9{')]) {
    assert.equal(equalsIgnoreCase(line, 2, 8, literal), true);
    assert.equal(equalsIgnoreCase(line, 2, 7, literal), false);
    assert.equal(equalsIgnoreCase(line, 1, 7, literal), false);
  }
});

test('equalsIgnoreCase folds letters only', () => {
  assert.equal(equalsIgnoreCase(Buffer.from('{'), 0, 1, '['), false);
  assert.equal(equalsIgnoreCase(Buffer.from('`'), 0, 1, '@'), false);
  assert.equal(equalsIgnoreCase(Buffer.from([0xe9]), 0, 1, 'É'), false);
  assert.equal(equalsIgnoreCase(Buffer.alloc(0), 0, 0, ''), true);
});

test('compareBytes and equalBytes agree with Buffer.compare', () => {
  const bytes = fc.uint8Array({ max: 2, maxLength: 6 });
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      const padded = Buffer.concat([Buffer.from('pad'), b]);
      const order = compareBytes(a, 0, a.length, padded, 3, padded.length);
      assert.equal(Math.sign(order), Buffer.compare(a, b));
      if (a.length === b.length) assert.equal(equalBytes(a, 0, padded, 3, a.length), order === 0);
    }),
  );
});

test('copyBytes copies short and long ranges and returns the next position', () => {
  for (const length of [0, 1, 31, 32, 33, 160, 161, 500, 100_000]) {
    const source = Uint8Array.from({ length: length + 2 }, (_, i) => i);
    const target = new Uint8Array(length + 8).fill(255);
    assert.equal(copyBytes(target, 4, source, 1, 1 + length), 4 + length);
    assert.deepEqual(target.slice(4, 4 + length), source.slice(1, 1 + length));
    assert.deepEqual([...target.slice(0, 4), ...target.slice(4 + length)], Array(8).fill(255));
  }
});

test('copyBytes copies to and from shared memory, however the ranges are aligned', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(4096));
  const source = Buffer.from(Array.from({ length: 1500 }, (_, i) => i * 7));
  for (const length of [20, 100, 1000, 1001]) {
    for (let from = 0; from < 9; from++) {
      copyBytes(shared, 2000 + (from % 4), source, from, from + length);
      const back = Buffer.alloc(length + from);
      copyBytes(back, from, shared, 2000 + (from % 4), 2000 + (from % 4) + length);
      assert.deepEqual(back.subarray(from), source.subarray(from, from + length));
    }
  }
});

test('toLatin1 keeps every byte, also of shared memory and inside of a view', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(300), 10, 256);
  shared.forEach((_, i) => (shared[i] = i));
  const all = toLatin1(shared, 0, 256);
  assert.deepEqual(Buffer.from(all, 'latin1'), Buffer.from(shared));
  assert.equal(toLatin1(shared, 250, 256), all.slice(250));
});
