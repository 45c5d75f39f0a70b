import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMappingsMax, threadsWithin } from './thread-limit.ts';

test('the usual limit of mappings is enough for hundreds of threads', () => {
  assert.equal(threadsWithin(65_530), 617);
  assert.equal(threadsWithin(262_144), 2801);
});

test('there is always one thread, and no limit where the system has none', () => {
  assert.equal(threadsWithin(1000), 1);
  assert.equal(threadsWithin(Infinity), Infinity);
  assert.ok(readMappingsMax() > 0);
});
