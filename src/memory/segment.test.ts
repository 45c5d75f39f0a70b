import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { bufferOf, moverOf, newSegment } from './segment.ts';
import type { Segment } from './segment.ts';

const MOVED_BYTES_MAX = 100_000;

function checkMoves(segment: Segment): void {
  const random = new SeededRandom(1);
  const move = moverOf(segment);
  // At the end of the segment, where positions are largest.
  const from = bufferOf(segment).byteLength - 3 * MOVED_BYTES_MAX;
  const bytes = new Uint8Array(bufferOf(segment), from);
  const model = random.bytes(bytes.length);
  bytes.set(model);
  for (let round = 0; round < 300; round++) {
    const length = random.integer(0, random.pick([10, 100, 1000, MOVED_BYTES_MAX]));
    const source = random.integer(0, bytes.length - length);
    const distance = random.integer(-2 * length, 2 * length);
    const target = Math.max(0, Math.min(source + distance, bytes.length - length));
    move(from + target, from + source, length);
    model.copyWithin(target, source, source + length);
    if (round % 20 === 0) assert(model.equals(bytes));
  }
  assert(model.equals(bytes));
}

test('bytes are moved within a segment, ranges that overlap too', () => {
  const segment = newSegment();
  assert(segment !== undefined && !(segment instanceof SharedArrayBuffer));
  checkMoves(segment);
});

test('the same in plain memory', () => checkMoves(new SharedArrayBuffer(1 << 20)));
