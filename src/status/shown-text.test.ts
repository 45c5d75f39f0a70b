import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shownText } from './shown-text.ts';

test('UTF-8 is shown as it is, anything else with escapes', () => {
  assert.equal(shownText(Buffer.from('grün 🍀\n2'), 100), 'grün 🍀\n2');
  assert.equal(shownText(Buffer.from([0x61, 0xff, 0x5c, 0x00]), 100), 'a\\xff\\x5c\\x00');
  assert.equal(shownText(Buffer.from('a\u0007b'), 100), 'a\\x07b');
  // It would show the end of the line in front.
  assert.equal(shownText(Buffer.from('a\u202eb'), 100), 'a\\xe2\\x80\\xaeb');
});

test('long text is cut, also in the middle of a character', () => {
  assert.equal(shownText(Buffer.from('abcdef'), 3), 'abc…');
  for (let length = 1; length < 12; length++)
    assert.match(shownText(Buffer.from(`${'x'.repeat(length)}${'🍀'.repeat(40)}`), 10), /^x{1,10}🍀*…$/u);
  assert.equal(shownText(Buffer.alloc(9, 0xff), 2), '\\xff\\xff…');
});
