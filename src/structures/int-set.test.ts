import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { byteOffset, bytesOf } from '../memory/struct.ts';
import { Int64 } from '../util/int64.ts';
import { IntSet, isIntSet } from './int-set.ts';

class Fixture {
  readonly arena = Arena.create();
  readonly allocator = new Allocator(this.arena);
  readonly sets = new IntSet(this.allocator);

  constructor(t: TestContext) {
    t.after(() => this.arena.close());
  }

  values(set: Ref): bigint[] {
    const value = new Int64();
    return Array.from({ length: this.sets.count(set) }, (_, index) => {
      this.sets.at(set, index, value);
      return toBigInt(value);
    });
  }

  of(values: readonly bigint[]): Ref {
    let set = this.sets.create();
    for (const value of values) set = this.sets.add(set, int64(value));
    return set;
  }

  hex(set: Ref): string {
    const start = byteOffset(set);
    const end = start + this.sets.byteLength(set);
    return Buffer.from(bytesOf(this.arena, set).slice(start, end)).toString('hex');
  }
}

function int64(value: bigint): Int64 {
  const halves = new Int64();
  const text = Buffer.from(String(value));
  assert.ok(halves.parse(text, 0, text.length));
  return halves;
}

function toBigInt(value: Int64): bigint {
  const digits = Buffer.alloc(20);
  return BigInt(digits.toString('latin1', 0, value.write(digits, 0)));
}

/** From DUMP on Redis 7.0.15. */
const REDIS_SETS: readonly (readonly [values: readonly bigint[], hex: string])[] = [
  [[5n, -3n, 32767n, -32768n, 0n], '02000000050000000080fdff00000500ff7f'],
  [[5n, -3n, 32768n, 70000n, -70000n], '040000000500000090eefefffdffffff05000000008000007011' + '0100'],
  [
    [1n, -1n, 2147483648n, -(2n ** 63n), 2n ** 63n - 1n, 9007199254740993n],
    '08000000060000000000000000000080ffffffffffffffff0100000000000000000000800000000001000000000020' +
      '00ffffffffffffff7f',
  ],
];

test('the bytes are those of Redis', (t) => {
  const fixture = new Fixture(t);
  for (const [values, hex] of REDIS_SETS) {
    const set = fixture.of(values);
    assert.equal(fixture.hex(set), hex);
    const bytes = Buffer.from(hex, 'hex');
    const adopted = fixture.sets.adopt(bytes, 0, bytes.length);
    assert.deepEqual(fixture.values(adopted), fixture.values(set));
    fixture.sets.checkInvariants(adopted);
  }
});

test('bytes from outside are checked', () => {
  for (const [, hex] of REDIS_SETS) {
    const bytes = Buffer.from(`00${hex}`, 'hex');
    assert.ok(isIntSet(bytes, 1, bytes.length));
    assert.ok(!isIntSet(bytes, 1, bytes.length - 1));
    assert.ok(!isIntSet(bytes, 1, 5));
    const equal = Buffer.from(bytes);
    const width = bytes[1]!;
    equal.copy(equal, 9 + width, 9, 9 + width);
    assert.ok(!isIntSet(equal, 1, equal.length));
    bytes[1] = 3;
    assert.ok(!isIntSet(bytes, 1, bytes.length));
  }
  assert.ok(!isIntSet(Buffer.from('0200000000000000', 'hex'), 0, 8), 'an empty set');
});

for (const [seed, bits] of [
  [1, 10],
  [2, 16],
  [3, 24],
  [4, 34],
  [5, 64],
] as const) {
  test(`a set behaves like a Set of integers of up to ${bits} bits`, (t) => {
    const fixture = new Fixture(t);
    const { sets, allocator } = fixture;
    const random = new SeededRandom(seed);
    const model = new Set<bigint>();
    let set = sets.create();
    for (let step = 0; step < 6000; step++) {
      // Few different values of each size, so that they come again.
      const size = random.integer(1, bits);
      const value = BigInt.asIntN(size, BigInt(random.integer(0, 40)) * 0x9e3779b97f4a7c15n);
      const halves = int64(value);
      assert.equal(sets.contains(set, halves), model.has(value));
      if (random.chance(step % 2000 < 1200 ? 0.7 : 0.1)) {
        set = sets.add(set, halves);
        assert.equal(sets.added, !model.has(value));
        assert.equal(toBigInt(halves), value, 'the value that was added is as it was');
        model.add(value);
      } else if (model.size > 0 && random.chance(0.3)) {
        const index = random.integer(0, model.size - 1);
        model.delete(sorted(model)[index]!);
        set = sets.removeAt(set, index);
      } else {
        set = sets.remove(set, halves);
        assert.equal(sets.removed, model.delete(value));
      }
      assert.equal(sets.count(set), model.size);
      if (step % 40 === 0) {
        assert.deepEqual(fixture.values(set), sorted(model));
        if (model.size > 0) sets.checkInvariants(set);
      }
    }
    const copy = sets.copy(set);
    assert.equal(fixture.hex(copy), fixture.hex(set));
    allocator.checkInvariants();
  });
}

function sorted(values: Set<bigint>): bigint[] {
  return [...values].toSorted((a, b) => (a < b ? -1 : 1));
}
