import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  DENSE_BYTES,
  HEADER_BYTES,
  HyperLogLog,
  REGISTER_COUNT,
  denseRegister,
  describeRuns,
  elementPattern,
  estimate,
  estimateOfRegisters,
  isHyperLogLog,
  mergeRegisters,
  noteCardinality,
  notedCardinality,
} from './hyperloglog.ts';

const SPARSE_BYTES_MAX = 3000;

function emptyValue(sparseBytesMax = SPARSE_BYTES_MAX): HyperLogLog {
  const value = new HyperLogLog();
  value.sparseBytesMax = sparseBytesMax;
  value.clear();
  return value;
}

function registersOf(value: HyperLogLog): Uint8Array {
  const registers = new Uint8Array(REGISTER_COUNT);
  assert(mergeRegisters(registers, value.bytes, 0, value.length), 'not corrupt');
  return registers;
}

const raises = fc.array(
  fc.tuple(
    fc.oneof(fc.nat({ max: REGISTER_COUNT - 1 }), fc.nat({ max: 20 }), fc.constantFrom(REGISTER_COUNT - 1)),
    fc.oneof(
      { weight: 20, arbitrary: fc.integer({ min: 1, max: 6 }) },
      { weight: 1, arbitrary: fc.integer({ min: 30, max: 51 }) },
    ),
  ),
  { maxLength: 400 },
);

test('registers keep the largest value, sparse and dense', () => {
  fc.assert(
    fc.property(raises, fc.constantFrom(20, 200, SPARSE_BYTES_MAX), (list, sparseBytesMax) => {
      const value = emptyValue(sparseBytesMax);
      const model = new Uint8Array(REGISTER_COUNT);
      for (const [index, register] of list) {
        const isHigher = register > model[index]!;
        model[index] = Math.max(model[index]!, register);
        assert.equal(value.raise(index, register), isHigher ? 'raised' : 'same');
        if (!value.isDense) assert(value.length <= Math.max(sparseBytesMax, HEADER_BYTES + 2));
      }
      assert.deepEqual(registersOf(value), model);
      assert(isHyperLogLog(value.bytes, 0, value.length));
      const estimated = estimate(value.bytes, 0, value.length);
      assert.equal(estimated, estimateOfRegisters(model));
      assert(value.becomeDense());
      assert.equal(estimate(value.bytes, 0, value.length), estimated);
      for (const [index] of list) assert.equal(denseRegister(value.bytes, 0, index), model[index]);
    }),
    { numRuns: 60 },
  );
});

test('a sparse value that is filled register by register stays well formed', () => {
  const value = emptyValue(1_000_000);
  for (let index = 0; index < REGISTER_COUNT; index += 2)
    assert.equal(value.raise(index, 1 + (index % 7)), 'raised');
  for (let index = 1; index < REGISTER_COUNT; index += 2)
    assert.equal(value.raise(index, 1 + (index % 3)), 'raised');
  assert(!value.isDense);
  const registers = registersOf(value);
  assert.equal(registers[4], 5);
  assert.equal(registers[5], 3);
});

test('runs are split and joined', () => {
  const value = emptyValue();
  const runs = () => describeRuns(value.bytes, 0, value.length);
  assert.equal(runs(), 'Z:16384');
  value.raise(100, 3);
  assert.equal(runs(), 'Z:100 v:3,1 Z:16283');
  value.raise(102, 3);
  assert.equal(runs(), 'Z:100 v:3,1 z:1 v:3,1 Z:16281');
  value.raise(101, 3);
  assert.equal(runs(), 'Z:100 v:3,3 Z:16281');
  value.raise(101, 5);
  assert.equal(runs(), 'Z:100 v:3,1 v:5,1 v:3,1 Z:16281');
});

test('the estimate is within a few standard errors', () => {
  const value = emptyValue();
  const element = Buffer.alloc(8);
  for (let count = 1; count <= 100_000; count++) {
    element.writeUInt32LE(count);
    const pattern = elementPattern(element, 0, 8);
    value.raise(Math.floor(pattern / 64), pattern % 64);
    if (![1, 10, 100, 1000, 10_000, 100_000].includes(count)) continue;
    const error = Math.abs(Number(estimate(value.bytes, 0, value.length)) - count) / count;
    assert(error < 0.05, `${count} elements, error ${error}`);
  }
  assert.equal(value.length, DENSE_BYTES);
});

test('a noted cardinality is valid until something changes', () => {
  const value = emptyValue();
  assert.equal(notedCardinality(value.bytes, 0), 0);
  noteCardinality(value.bytes, 0, 2 ** 40 + 77);
  assert.equal(notedCardinality(value.bytes, 0), 2 ** 40 + 77);
  value.raise(1, 1);
  assert.equal(notedCardinality(value.bytes, 0), undefined);
});

test('what is no such value, or a corrupt one, is told', () => {
  const corrupt = Buffer.concat([Buffer.from('HYLL\x01'), Buffer.alloc(11), Buffer.from([0x43, 0xff, 0x80])]);
  assert(isHyperLogLog(corrupt, 0, corrupt.length));
  assert.equal(estimate(corrupt, 0, corrupt.length), undefined);
  assert.equal(mergeRegisters(new Uint8Array(REGISTER_COUNT), corrupt, 0, corrupt.length), false);
  const value = emptyValue();
  value.load(corrupt, 0, corrupt.length);
  assert.equal(value.raise(REGISTER_COUNT - 1, 1), 'corrupt');
  assert.equal(value.becomeDense(), false);

  assert(!isHyperLogLog(Buffer.from('HYLL'), 0, 4), 'too short');
  assert(
    !isHyperLogLog(Buffer.concat([Buffer.from('HYLL\x02'), Buffer.alloc(20)]), 0, 25),
    'unknown encoding',
  );
  assert(
    !isHyperLogLog(Buffer.concat([Buffer.from('HYLL\x00'), Buffer.alloc(20)]), 0, 25),
    'dense, but short',
  );
  assert(!isHyperLogLog(Buffer.concat([Buffer.from('HYLX\x01'), Buffer.alloc(20)]), 0, 25), 'other magic');
});
