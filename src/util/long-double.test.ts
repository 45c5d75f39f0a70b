import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addLongDouble, formatLongDouble, parseLongDouble, type LongDouble } from './long-double.ts';

function parsed(text: string): LongDouble | undefined {
  return parseLongDouble(Buffer.from(text), 0, text.length);
}

function sum(a: string, b: string): string {
  return formatLongDouble(addLongDouble(parsed(a)!, parsed(b)!));
}

test('sums are those of 80-bit arithmetic', () => {
  assert.equal(sum('0.1', '0.2'), '0.3');
  assert.equal(sum('10.50', '0.1'), '10.6');
  assert.equal(sum('5.0e3', '2.0e2'), '5200');
  assert.equal(sum('3', '-3'), '0');
  assert.equal(sum('-0.00000000000000000001', '0'), '0');
  assert.equal(sum('18446744073709551615', '0.25'), '18446744073709551615');
  assert.equal(sum('18446744073709551615', '0.5'), '18446744073709551616');
  assert.equal(sum('1e20', '1'), '100000000000000000000');
});

test('infinity and NaN are states of the sum', () => {
  assert.equal(addLongDouble(parsed('inf')!, parsed('1')!), 'inf');
  assert.equal(addLongDouble(parsed('1')!, parsed('-Infinity')!), '-inf');
  assert.equal(addLongDouble(parsed('inf')!, parsed('-inf')!), 'nan');
  assert.equal(addLongDouble(parsed('1.18e4932')!, parsed('1.18e4932')!), 'inf');
  assert.equal(formatLongDouble('-inf'), '-inf');
});

test('what Redis does not take for a number', () => {
  const refused = ['', ' 1', '1 ', 'abc', 'nan', '1e5000', '1e-5000', '1.', '0x', '1'.repeat(5120)];
  for (const text of refused) assert.equal(parsed(text) === undefined, text !== '1.', text.slice(0, 20));
  assert.notEqual(parsed('1e-4950'), undefined);
});
