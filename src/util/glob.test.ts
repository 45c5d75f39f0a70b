import assert from 'node:assert/strict';
import { test } from 'node:test';
import { globMatch } from './glob.ts';

function matches(pattern: string, string: string, ignoreCase = false): boolean {
  const bytes = Buffer.from(`<${string}>`, 'latin1');
  return globMatch(Buffer.from(pattern, 'latin1'), bytes, 1, bytes.length - 1, ignoreCase);
}

const MATCHING: [string, string][] = [
  ['', ''],
  ['*', 'anything'],
  ['**', 'a'],
  ['a*', 'a'],
  ['a*b*c', 'axxbyyc'],
  ['*a*b', 'aabab'],
  ['h?llo', 'hello'],
  ['h[ae]llo', 'hallo'],
  ['h[^e]llo', 'hallo'],
  ['h[b-a]llo', 'hallo'],
  ['[a-]', '^'],
  ['[\\]]', ']'],
  ['[a-\\]', '\\'],
  ['\\*', '*'],
  ['a\\', 'a\\'],
  ['[abc', 'b'],
  ['[^abc', 'd'],
  ['[^', 'x'],
  ['[\x80-\x7f]', '\x00'],
];

const DIFFERENT: [string, string][] = [
  ['', 'a'],
  ['*', ''],
  ['a', ''],
  ['a*b', 'ab c'],
  ['h?llo', 'hllo'],
  ['h[^e]llo', 'hello'],
  ['\\*', 'x'],
  ['a\\?', 'ab'],
  ['[]', ']'],
  ['[', '['],
  ['[\x7f-\x81]', '\x80'],
  ['[a-]', '-'],
  ['a', 'A'],
];

test('patterns that match', () => {
  for (const [pattern, string] of MATCHING)
    assert.equal(matches(pattern, string), true, `${pattern} ${string}`);
});

test('patterns that do not', () => {
  for (const [pattern, string] of DIFFERENT)
    assert.equal(matches(pattern, string), false, `${pattern} ${string}`);
});

test('case is ignored on request, except behind a backslash inside of a class', () => {
  assert.equal(matches('HE[a-l]*', 'heLLo', true), true);
  assert.equal(matches('[A-C]', 'b', true), true);
  assert.equal(matches('\\A', 'a', true), true);
  assert.equal(matches('[\\A]', 'a', true), false);
});

test('a pattern of many stars neither explodes nor exhausts the stack', () => {
  assert.equal(matches(`${'a*'.repeat(30)}b`, 'a'.repeat(60)), false);
  assert.equal(matches('*a'.repeat(100_000), 'a'.repeat(100_000)), true);
});
