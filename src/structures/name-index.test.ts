import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes, byteOffset, bytesOf, setWord } from '../memory/struct.ts';
import { NameIndex } from './name-index.ts';

const arena = Arena.create();
const allocator = new Allocator(arena);

function newBlock(name: Buffer): Ref {
  const block = allocator.allocate(8 + name.length);
  setWord(arena, block, 0, name.length);
  bytesOf(arena, block).set(name, byteOffset(block) + 8);
  return block;
}

test('names in their order, as in a sorted array', () => {
  const operation = fc.tuple(fc.boolean(), fc.uint8Array({ maxLength: 3 }));
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const used = allocator.usedBytes;
      const owner = allocator.allocate(16);
      setWord(arena, owner, 1, 0);
      const index = new NameIndex(allocator, { nameLengthWord: 0, nameOffset: 8 }).attach(owner, 1);
      const model = new Map<string, Ref>();
      for (const [isInsertion, bytes] of operations) {
        const name = Buffer.from(bytes);
        const key = name.toString('latin1');
        const found = index.find(name, 0, name.length);
        assert.equal(found, model.get(key) ?? 0);
        if (isInsertion && found === 0) {
          const block = newBlock(name);
          index.reserve();
          index.insert(block);
          model.set(key, block);
        } else if (!isInsertion && found !== 0) {
          index.removeFound();
          allocator.free(found);
          model.delete(key);
        }
        index.checkInvariants();
      }
      const view = new BorrowedBytes();
      const names = Array.from({ length: index.count }, (_, i) => {
        index.borrowName(index.at(i), view);
        return view.copy();
      });
      const expected = [...model.keys()]
        .map((key) => Buffer.from(key, 'latin1'))
        .sort((a, b) => a.compare(b));
      assert.deepEqual(names, expected);
      for (let block = index.pop(); block !== 0; block = index.pop()) allocator.free(block);
      assert.equal(index.memory(), 0);
      allocator.free(owner);
      assert.equal(allocator.usedBytes, used);
    }),
  );
});
