import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stackText } from './stack-text.ts';

test('a stack leads to the TypeScript source, to line and column', () => {
  const error = new Error('here');
  const [message, place] = stackText(error).split('\n');
  assert.equal(message, 'Error: here');
  assert.match(place ?? '', /src\/util\/stack-text\.test\.ts:6:17\)?$/);
});

test('a place without a map stays as it is', () => {
  const error = new Error('x');
  error.stack = 'Error: x\n    at f (file:///nowhere/f.js:1:2)\n    at node:internal/g:3:4';
  assert.equal(stackText(error), error.stack);
});

test('what is no error is told as text', () => {
  assert.equal(stackText('ended'), 'ended');
  assert.equal(stackText(undefined), 'undefined');
});
