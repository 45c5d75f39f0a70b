import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { clearWords, getWord, setWord } from '../memory/struct.ts';
import { REF_VECTOR_WORDS, RefVector } from './ref-vector.ts';

/** Words of the header block before and behind the vector's own. */
const MARGIN_WORDS = 2;
const MARGIN = 0x5a5a5a5a;

function assertSame(vector: RefVector, model: readonly number[]): void {
  assert.equal(vector.count, model.length);
  for (let i = 0; i < model.length; i++) assert.equal(vector.at(i), model[i]);
}

for (const seed of [1, 2, 3]) {
  test(`a vector behaves like an array, seed ${seed}`, (t) => {
    const arena = Arena.create();
    t.after(() => arena.close());
    const allocator = new Allocator(arena);
    const header = allocator.allocate((REF_VECTOR_WORDS + 2 * MARGIN_WORDS) * 4);
    clearWords(arena, header, REF_VECTOR_WORDS + 2 * MARGIN_WORDS);
    const margins = [0, 1, MARGIN_WORDS + REF_VECTOR_WORDS, MARGIN_WORDS + REF_VECTOR_WORDS + 1];
    for (const word of margins) setWord(arena, header, word, MARGIN);
    const empty = allocator.usedBytes;

    const random = new SeededRandom(seed);
    const vector = new RefVector(allocator, header, MARGIN_WORDS);
    const otherView = new RefVector(allocator, header, MARGIN_WORDS);
    const model: number[] = [];
    for (let phase = 0; phase < 12; phase++) {
      const pushes = phase % 2 === 0 ? 0.75 : 0.25;
      for (let step = 0; step < 3000; step++) {
        const value = random.uint32() | 0;
        if (random.chance(pushes)) {
          assert.equal(vector.push(value), model.push(value) - 1);
        } else if (model.length > 0 && random.chance(0.8)) {
          assert.equal(vector.pop(), model.pop());
        } else if (model.length > 0) {
          const index = random.integer(0, model.length - 1);
          vector.set(index, value);
          model[index] = value;
        }
      }
      assertSame(otherView, model);
      allocator.checkInvariants();
      if (phase === 5) {
        vector.clear();
        model.length = 0;
        assert.equal(allocator.usedBytes, empty, 'a cleared vector holds nothing');
      }
    }
    while (model.length > 0) assert.equal(vector.pop(), model.pop());
    assert.equal(allocator.usedBytes, empty, 'an empty vector holds nothing');
    for (const word of margins) assert.equal(getWord(arena, header, word), MARGIN);
    assert.throws(() => vector.at(0), assert.AssertionError);
    assert.throws(() => vector.set(0, 1), assert.AssertionError);
    assert.throws(() => vector.pop(), assert.AssertionError);
  });
}

test('the directory grows past its first size', (t) => {
  const arena = Arena.create();
  t.after(() => arena.close());
  const allocator = new Allocator(arena);
  const header = allocator.allocate(REF_VECTOR_WORDS * 4);
  clearWords(arena, header, REF_VECTOR_WORDS);
  const vector = new RefVector(allocator, header, 0);
  const count = 40 * 1024 + 1;
  for (let i = 0; i < count; i++) vector.push(i ^ 0x12345);
  for (let i = 0; i < count; i++) assert.equal(vector.at(i), i ^ 0x12345);
  for (let i = count - 1; i >= 0; i--) assert.equal(vector.pop(), i ^ 0x12345);
  assert.equal(vector.count, 0);
});
