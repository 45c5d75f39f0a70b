import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { EntryId } from '../util/entry-id.ts';
import { ID_TREE_WORDS, IdTree } from './id-tree.ts';

const arena = Arena.create();
const allocator = new Allocator(arena);

function newTree(): { tree: IdTree; free: () => void } {
  const owner = allocator.allocate(4 * (ID_TREE_WORDS + 2));
  const tree = new IdTree(allocator).attach(owner, 2).initialize();
  return { tree, free: () => allocator.free(owner) };
}

function idOf(millis: bigint, sequence = 0n): EntryId {
  return new EntryId().setBig(millis, sequence);
}

function contents(tree: IdTree): [string, number][] {
  const found: [string, number][] = [];
  const id = new EntryId();
  for (let ref = tree.first(); ref !== 0; ref = tree.next()) {
    tree.readId(id);
    found.push([id.toString(), ref]);
  }
  return found;
}

function backwards(tree: IdTree): [string, number][] {
  const found: [string, number][] = [];
  const id = new EntryId();
  for (let ref = tree.last(); ref !== 0; ref = tree.previous()) {
    tree.readId(id);
    found.push([id.toString(), ref]);
  }
  return found.toReversed();
}

test('ids that come in order fill their leaves', () => {
  const used = allocator.usedBytes;
  const { tree, free } = newTree();
  const id = new EntryId();
  for (let i = 1; i <= 10_000; i++) tree.insert(id.setMillis(i), i);
  tree.checkInvariants();
  assert.equal(tree.count, 10_000);
  assert.ok(tree.memory() < 10_000 * 22, `${tree.memory()} bytes`);
  for (let i = 1; i <= 10_000; i++) assert.equal(tree.find(id.setMillis(i)), i);
  assert.equal(tree.find(id.setMillis(0)), 0);
  assert.equal(tree.find(id.setMillis(10_001)), 0);

  let freed = 0;
  let steps = 0;
  const visit = (): void => {
    freed++;
  };
  while (!tree.dismantle(visit, () => true)) steps++;
  assert.equal(freed, 10_000);
  assert.ok(steps > 300);
  tree.checkInvariants();
  free();
  assert.equal(allocator.usedBytes, used);
});

test('a queue that is emptied at the front stays small', () => {
  const { tree, free } = newTree();
  const id = new EntryId();
  for (let i = 1; i <= 5000; i++) {
    tree.insert(id.setMillis(i), i);
    if (i > 100) assert.equal(tree.remove(id.setMillis(i - 100)), i - 100);
  }
  tree.checkInvariants();
  assert.ok(tree.memory() < 8 * 512);
  tree.dismantle(
    () => {},
    () => false,
  );
  free();
});

test('all of 128 bits have their order', () => {
  const { tree, free } = newTree();
  const halves = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
  const pairs = halves.flatMap((millis) => halves.map((sequence) => [millis, sequence] as const));
  for (const [i, [millis, sequence]] of pairs.toReversed().entries())
    tree.insert(idOf(millis, sequence), pairs.length - i);
  assert.deepEqual(
    contents(tree),
    pairs.map(([millis, sequence], i) => [`${millis}-${sequence}`, i + 1]),
  );
  tree.checkInvariants();
  tree.dismantle(
    () => {},
    () => false,
  );
  free();
});

test('random insertions and removals as in a sorted list', () => {
  const operation = fc.tuple(
    fc.constantFrom('insert', 'insert', 'insert', 'append', 'remove', 'remove', 'removeRun', 'seek'),
    fc.integer({ min: 0, max: 400 }),
  );
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 600 }), (operations) => {
      const used = allocator.usedBytes;
      const { tree, free } = newTree();
      const model = new Map<number, number>();
      const sorted = (): [number, number][] => [...model].sort((a, b) => a[0] - b[0]);
      const id = new EntryId();
      let serial = 0;
      const insert = (key: number): void => {
        if (model.has(key)) return;
        model.set(key, ++serial);
        tree.insert(id.setMillis(key), serial);
        assert.equal(tree.current, serial);
      };
      for (const [name, key] of operations) {
        if (name === 'insert') insert(key);
        else if (name === 'append') {
          const last = sorted().at(-1)?.[0] ?? 0;
          for (let i = 1; i <= key % 60; i++) insert(last + i);
        } else if (name === 'seek') {
          const atLeast = sorted().find(([k]) => k >= key)?.[1] ?? 0;
          const atMost = sorted().findLast(([k]) => k <= key)?.[1] ?? 0;
          assert.equal(tree.atLeast(id.setMillis(key)), atLeast);
          assert.equal(tree.atMost(id.setMillis(key)), atMost);
        } else {
          const count = name === 'remove' ? 1 : 30;
          for (const [k] of sorted()
            .filter(([candidate]) => candidate >= key)
            .slice(0, count)) {
            assert.equal(tree.remove(id.setMillis(k)), model.get(k));
            model.delete(k);
            assert.equal(tree.current, sorted().find(([candidate]) => candidate > k)?.[1] ?? 0);
          }
        }
      }
      tree.checkInvariants();
      const expected = sorted().map(([k, ref]) => [`${k}-0`, ref]);
      assert.deepEqual(contents(tree), expected);
      assert.deepEqual(backwards(tree), expected);
      assert.equal(tree.count, model.size);
      tree.dismantle(
        () => {},
        () => false,
      );
      free();
      assert.equal(allocator.usedBytes, used);
    }),
    { numRuns: 100 },
  );
});
