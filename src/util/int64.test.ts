import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INT64_DIGITS_MAX, Int64 } from './int64.ts';

const VALUES = [
  ...[0n, 1n, -1n, 127n, 2n ** 31n - 1n, 2n ** 31n, -(2n ** 31n), -(2n ** 31n) - 1n, 2n ** 32n, -(2n ** 32n)],
  ...[2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, -(2n ** 53n) + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n],
  ...[-(2n ** 63n), 10n ** 18n, -(10n ** 15n)],
];

test('values go in and out as text, as halves and as a number', () => {
  const scratch = new Int64();
  const digits = Buffer.alloc(INT64_DIGITS_MAX + 2);
  for (const value of VALUES) {
    const text = Buffer.from(` ${value} `);
    assert.ok(scratch.parse(text, 1, text.length - 1));
    assert.equal((BigInt(scratch.high) << 32n) | BigInt(scratch.low >>> 0), value);
    assert.equal(digits.toString('latin1', 1, scratch.write(digits, 1)), String(value));
    const number = Number(value);
    assert.equal(scratch.toNumber(), Number.isSafeInteger(number) ? number : Number.NaN);
    assert.equal(scratch.isInt32, value === BigInt.asIntN(32, value));
    if (!Number.isSafeInteger(number)) continue;
    const other = new Int64();
    other.setNumber(number);
    assert.deepEqual([other.high, other.low], [scratch.high, scratch.low]);
  }
});

test('text that is no canonical int64 changes nothing', () => {
  const scratch = new Int64();
  scratch.setNumber(-7);
  for (const text of ['', '-', '-0', '00', '+1', ' 1', '1 ', 'x', '1x', String(2n ** 63n), '1'.repeat(21)]) {
    assert.ok(!scratch.parse(Buffer.from(text), 0, text.length), text);
    assert.equal(scratch.toNumber(), -7);
  }
});
