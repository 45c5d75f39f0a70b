import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ENTRY_ID_CHARS_MAX, EntryId, parseEntryId } from './entry-id.ts';

const uint64 = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
);
const pair = fc.tuple(uint64, uint64);

function idOf([millis, sequence]: readonly [bigint, bigint]): EntryId {
  return new EntryId().setBig(millis, sequence);
}

function parse(text: string): string {
  const id = new EntryId();
  const bytes = Buffer.from(text, 'latin1');
  const parsed = parseEntryId(id, bytes, 0, bytes.length);
  return parsed === 'invalid' ? parsed : `${parsed} ${id.toString()}`;
}

test('ids are written, read and compared as pairs of uint64', () => {
  fc.assert(
    fc.property(pair, pair, (a, b) => {
      const target = new Uint8Array(ENTRY_ID_CHARS_MAX);
      const end = idOf(a).write(target, 0);
      const text = Buffer.from(target.subarray(0, end)).toString();
      assert.equal(text, `${a[0]}-${a[1]}`);
      assert.equal(parse(text), `complete ${text}`);
      const order = a[0] === b[0] ? a[1] - b[1] : a[0] - b[0];
      assert.equal(Math.sign(idOf(a).compare(idOf(b))), order < 0n ? -1 : order > 0n ? 1 : 0);
    }),
  );
});

test('the next id, the one before, and sums', () => {
  fc.assert(
    fc.property(pair, fc.maxSafeInteger(), fc.maxSafeInteger(), (a, millis, sequence) => {
      const number = (a[0] << 64n) | a[1];
      const bits = (value: bigint): string => {
        const wrapped = BigInt.asUintN(128, value);
        return `${wrapped >> 64n}-${BigInt.asUintN(64, wrapped)}`;
      };
      const next = idOf(a);
      assert.equal(next.increment(), number !== 2n ** 128n - 1n);
      assert.equal(next.toString(), bits(number + 1n));
      const before = idOf(a);
      assert.equal(before.decrement(), number !== 0n);
      assert.equal(before.toString(), bits(number - 1n));

      const sum = idOf(a);
      sum.add(millis, sequence);
      assert.equal(sum.bigMillis, BigInt.asUintN(64, a[0] + BigInt(millis)));
      assert.equal(sum.bigSequence, BigInt.asUintN(64, a[1] + BigInt(sequence)));
      assert.equal(sum.millisSince(idOf(a)), millis);
      assert.equal(sum.sequenceSince(idOf(a)), sequence);
    }),
  );
});

test('differences beyond 2^53 are NaN', () => {
  assert.ok(Number.isNaN(idOf([2n ** 60n, 0n]).millisSince(idOf([0n, 0n]))));
  assert.equal(idOf([0n, 2n ** 64n - 1n]).sequenceSince(idOf([0n, 0n])), -1);
});

test('incomplete ids, and what Redis leaves to strtoull', () => {
  assert.equal(parse('12'), 'without-sequence 12-0');
  assert.equal(parse('12-*'), 'any-sequence 12-0');
  assert.equal(parse('007-+8'), 'complete 7-8');
  assert.equal(parse(' 7-\t8'), 'complete 7-8');
  assert.equal(parse('1--08'), 'complete 1-18446744073709551608');
  assert.equal(parse('1-5\0x'), 'complete 1-5');
  for (const text of ['', '-', '+', '*', '1-', '-1', '1-x', 'x-1', '1--8', '1-*2', '18446744073709551616-1'])
    assert.equal(parse(text), 'invalid', text);
  assert.equal(parse(`${'0'.repeat(126)}1`), 'without-sequence 1-0');
  assert.equal(parse(`${'0'.repeat(127)}1`), 'invalid');
});
