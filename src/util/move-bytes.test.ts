import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { moveBytes } from './move-bytes.ts';

test('ranges of every length move up and down, overlapping or not', () => {
  const random = new SeededRandom(1);
  const shared = new Uint8Array(new SharedArrayBuffer(300_000));
  shared.set(random.bytes(shared.length));
  const model = new Uint8Array(shared);
  for (const length of [0, 1, 3, 24, 25, 100, 448, 449, 5000, 65_536, 65_537, 140_000]) {
    for (const distance of [-70_001, -65_536, -3000, -7, -1, 0, 1, 5, 2000, 65_536, 70_003]) {
      const start = 75_001;
      moveBytes(shared, start + distance, start, start + length);
      model.copyWithin(start + distance, start, start + length);
      assert.ok(Buffer.from(model).equals(shared), `${length} bytes by ${distance}`);
    }
  }
});
