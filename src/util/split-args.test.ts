import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { quoteBytes, splitArguments } from './split-args.ts';

function words(line: string): string[] | undefined {
  const bytes = Buffer.from(`"${line}"`, 'latin1');
  return splitArguments(bytes, 1, bytes.length - 1)?.map((word) => word.toString('latin1'));
}

test('words, quotes and escapes', () => {
  assert.deepEqual(words(''), []);
  assert.deepEqual(words(' \t\r\n\v\f '), []);
  assert.deepEqual(words('SET  key\tvalue\r\n'), ['SET', 'key', 'value']);
  assert.deepEqual(words('a "b c" \'d e\''), ['a', 'b c', 'd e']);
  assert.deepEqual(words('""'), ['']);
  assert.deepEqual(words('"\\x41\\n\\r\\t\\b\\a\\\\\\"\\q"'), ['A\n\r\t\b\x07\\"q']);
  assert.deepEqual(words('"\\x4g\\x"'), ['x4gx']);
  assert.deepEqual(words("'\\n\\'\\\\ '"), ["\\n'\\\\ "]);
  assert.deepEqual(words('foo"bar baz"'), ['foobar baz']);
  assert.deepEqual(words('a\vb'), ['a\vb']);
  assert.deepEqual(words('a "b"\vc'), ['a', 'b', 'c']);
  assert.deepEqual(words('a b\0"c'), ['a', 'b']);
});

test('unbalanced quotes', () => {
  for (const line of ['"', "'", 'a "b', '"a\\"', "'a\\'", '"a"b', "'a'b", 'a "b""c"', '"a\0"']) {
    assert.equal(words(line), undefined, line);
  }
});

test('quoteBytes is what splitArguments reads', () => {
  const bytes = Buffer.from('a"\\\n\r\t\x07\b\x00\x7f\xff~ ', 'latin1');
  assert.equal(quoteBytes(bytes), '"a\\"\\\\\\n\\r\\t\\a\\b\\x00\\x7f\\xff~ "');
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const quoted = Buffer.from(quoteBytes(bytes));
      assert.deepEqual(splitArguments(quoted, 0, quoted.length), [Buffer.from(bytes)]);
    }),
  );
});
