import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomHex, seededRandom, systemRandom, Xoshiro128 } from './random.ts';

test('the published first outputs of xoshiro128** from state 1, 2, 3, 4', () => {
  const random = new Xoshiro128(Uint32Array.of(1, 2, 3, 4));
  const outputs = Array.from({ length: 4 }, () => random.nextUint32());
  assert.deepEqual(outputs, [11520, 0, 5927040, 70819200]);
});

test('a seed repeats its sequence, another has another', () => {
  const sequence = (seed: number): number[] => {
    const random = seededRandom(seed);
    return Array.from({ length: 20 }, () => random.nextUint32());
  };
  assert.deepEqual(sequence(7), sequence(7));
  assert.notDeepEqual(sequence(7), sequence(8));
});

test('ranges', () => {
  for (const random of [seededRandom(0), systemRandom(), new Xoshiro128(new Uint32Array(4))]) {
    for (let i = 0; i < 1000; i++) {
      const float = random.nextFloat();
      assert.ok(float >= 0 && float < 1);
      const word = random.nextUint32();
      assert.ok(Number.isInteger(word) && word >= 0 && word < 2 ** 32);
    }
  }
  assert.match(randomHex(20), /^[0-9a-f]{40}$/);
});
