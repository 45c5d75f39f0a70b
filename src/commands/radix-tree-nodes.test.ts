import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EntryId } from '../util/entry-id.ts';
import { RadixTreeNodes } from './radix-tree-nodes.ts';

function nodesOf(...ids: readonly (readonly [bigint, bigint])[]): number {
  const nodes = new RadixTreeNodes();
  for (const [millis, sequence] of ids) nodes.add(new EntryId().setBig(millis, sequence));
  return nodes.finish();
}

/** The figures are those of Redis 7.0.15. */
test('as many nodes as Redis counts', () => {
  assert.equal(nodesOf(), 1);
  assert.equal(nodesOf([1n, 0n]), 2);
  assert.equal(nodesOf([1n, 0n], [2n, 0n]), 6);
  assert.equal(nodesOf([1n, 0n], [1n, 1n]), 4);
  assert.equal(nodesOf([0n, 1n], [2n ** 63n, 0n]), 5);
});
