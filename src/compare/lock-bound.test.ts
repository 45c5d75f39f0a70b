import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleComparison } from '../../test/support/sample-comparison.ts';
import type { Cell } from './figures.ts';
import { lockedShare, speedupMax } from './lock-bound.ts';

const [sample] = sampleComparison().cells as [Cell, ...Cell[]];
const withLock = (heldMicros: number): Cell => ({
  ...sample,
  cpuMicros: 10,
  lock: { heldMicros, waitedMicros: 0 },
});

test('the share under the lock is the bound', () => {
  assert.equal(lockedShare(withLock(2.5)), 0.25);
  assert.equal(speedupMax(withLock(2.5), 2), 2);
  assert.equal(speedupMax(withLock(2.5), 8), 4);
  assert.equal(speedupMax(withLock(2.5), 32), 4);
});

test('without a lock that is ever held the cores are the bound', () => {
  assert.equal(speedupMax(withLock(0), 32), 32);
});

test('a thread that lost its core while it held the lock does not make more than all of the time', () => {
  assert.equal(lockedShare(withLock(30)), 1);
  assert.equal(speedupMax(withLock(30), 8), 1);
});

test('a server without a lock has neither', () => {
  const { lock: _, ...without } = withLock(1);
  assert.equal(lockedShare(without), undefined);
  assert.equal(speedupMax(without, 8), undefined);
});
