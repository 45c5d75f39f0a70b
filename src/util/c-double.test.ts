import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCDouble } from './c-double.ts';

function parse(text: string): number {
  const bytes = Buffer.from(text, 'latin1');
  return parseCDouble(bytes, 0, bytes.length);
}

test('reads what strtod reads', () => {
  for (const [text, value] of [
    ['1', 1],
    ['-1.5e3', -1500],
    ['inf', Infinity],
    ['-Infinity', -Infinity],
    ['0x10', 16],
    ['', 0],
    ['\0junk', 0],
    ['5\0junk', 5],
    [' 1', 1],
    ['\t\n\v\f\r-2', -2],
    ['1e400', Infinity],
    ['-1e400', -Infinity],
    ['1e-400', 0],
    ['0x1p2000', Infinity],
    ['-0x1p-2000', -0],
  ] as const) {
    assert.equal(parse(text), value, JSON.stringify(text));
  }
});

test('is NaN for what strtod does not read to the end', () => {
  for (const text of ['x', '1x', '1 ', ' ', '-', '.', 'nan', '-nan', 'nan(1)', '1e', '0x', '(1'])
    assert(Number.isNaN(parse(text)), JSON.stringify(text));
});
