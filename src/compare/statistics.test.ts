import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countBySteps, median, percentile, WAIT_STEPS_MICROS } from './statistics.ts';

test('median and percentile', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(percentile([1, 2, 3, 4], 50), 3);
  assert.equal(percentile([1, 2, 3, 4], 100), 4);
  assert.ok(Number.isNaN(median([])));
});

test('samples are counted by steps, the step itself included', () => {
  assert.deepEqual(countBySteps([1, 10, 11, 20, 21, 1e9], [10, 20]), [2, 2, 2]);
  assert.deepEqual(countBySteps([], [10, 20]), [0, 0, 0]);
});

test('the steps of waits ascend', () => {
  assert.deepEqual(
    [...WAIT_STEPS_MICROS].sort((left, right) => left - right),
    WAIT_STEPS_MICROS,
  );
});
