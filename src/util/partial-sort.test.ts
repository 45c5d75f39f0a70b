import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { partialSort } from './partial-sort.ts';

const numbers = fc.oneof(
  fc.array(fc.integer(), { maxLength: 200 }),
  fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 200 }),
);

test('the wanted stretch is that of the sorted array, and nothing is lost', () => {
  fc.assert(
    fc.property(numbers, fc.nat(), fc.nat(), (items, some, other) => {
      if (items.length === 0) return;
      const [first, last] = [some % items.length, other % items.length].sort((a, b) => a - b) as [
        number,
        number,
      ];
      const ascending = items.toSorted((a, b) => a - b);
      const sorted = items.slice();
      partialSort(sorted, (a, b) => a - b, first, last);
      assert.deepEqual(sorted.slice(first, last + 1), ascending.slice(first, last + 1));
      assert.deepEqual(
        sorted.toSorted((a, b) => a - b),
        ascending,
      );
    }),
  );
});

test('an empty array stays so', () => {
  const items: number[] = [];
  partialSort(items, (a, b) => a - b, 0, 0);
  assert.deepEqual(items, []);
});
