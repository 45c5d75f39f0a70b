import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { sortRange } from './range-sort.ts';

test('a range is what it is in the sorted whole', () => {
  const random = new SeededRandom(1);
  for (let round = 0; round < 2000; round++) {
    const length = random.integer(0, random.chance(0.1) ? 300 : 60);
    const valuesMax = random.pick([1, 5, 1000]);
    const items = Array.from({ length }, () => random.integer(0, valuesMax));
    const sorted = items.toSorted((a, b) => a - b);
    const first = random.integer(0, Math.max(length - 1, 0));
    const last = random.integer(first, Math.max(length - 1, 0));
    sortRange(items, (a, b) => a - b, first, last);
    assert.deepEqual(items.slice(first, last + 1), sorted.slice(first, last + 1));
    assert.deepEqual(
      items.toSorted((a, b) => a - b),
      sorted,
      'nothing is lost',
    );
  }
});

test('little is sorted for a short range', () => {
  const random = new SeededRandom(2);
  const items = Array.from({ length: 20_000 }, () => random.uint32());
  let comparisons = 0;
  sortRange(items, (a, b) => (comparisons++, a - b), 0, 9);
  assert.ok(comparisons < 6 * items.length);
});
