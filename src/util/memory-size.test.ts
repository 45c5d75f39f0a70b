import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesToHuman, formatPercent, parseMemorySize } from './memory-size.ts';

test('parseMemorySize', () => {
  const valid: [string, bigint][] = [
    ['0', 0n],
    ['1024', 1024n],
    ['7b', 7n],
    ['5k', 5000n],
    ['5Kb', 5120n],
    ['100mb', 104857600n],
    ['2M', 2000000n],
    ['1gb', 1073741824n],
    ['1G', 1000000000n],
    ['gb', 0n],
    ['', 0n],
    ['18446744073709551615', 2n ** 64n - 1n],
    ['99999999999999999999', 2n ** 64n - 1n],
    ['18446744073709551615k', 2n ** 64n - 1000n],
  ];
  for (const [text, bytes] of valid) assert.equal(parseMemorySize(text), bytes, text);
  for (const text of ['-1', '1x', '1 gb', ' 1', '1tb', '1.5g', '1gb ', '1\n', '1'.repeat(128)]) {
    assert.equal(parseMemorySize(text), undefined, text);
  }
});

test('bytesToHuman', () => {
  const examples: [number, string][] = [
    [0, '0B'],
    [1023, '1023B'],
    [1024, '1.00K'],
    [1152, '1.12K'],
    [1048575, '1024.00K'],
    [1048576, '1.00M'],
    [3 * 2 ** 30, '3.00G'],
    [2 ** 40, '1.00T'],
    [2 ** 50, '1.00P'],
  ];
  for (const [bytes, text] of examples) assert.equal(bytesToHuman(bytes), text);
});

test('formatPercent', () => {
  assert.equal(formatPercent(1, 3), '33.33%');
  assert.equal(formatPercent(5, 5), '100.00%');
});
