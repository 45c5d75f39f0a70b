import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { lzfCompress, lzfDecompress } from './lzf.ts';

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.uint8Array({ max: 3, maxLength: 2000, size: 'max' }),
  fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.nat(500)).map(([word, count]) => {
    return Uint8Array.from({ length: word.length * count }, (_, i) => word[i % word.length]!);
  }),
);

test('what is compressed is decompressed again', () => {
  fc.assert(
    fc.property(bytes, (input) => {
      const output = new Uint8Array(input.length * 2 + 16).fill(0xee);
      const length = lzfCompress(input, 0, input.length, output, 3, output.length - 3);
      if (input.length === 0) return assert.equal(length, 0);
      assert.deepEqual([...output.subarray(0, 3)], [0xee, 0xee, 0xee]);
      assert.deepEqual(lzfDecompress(output, 3, 3 + length, input.length), Buffer.from(input));
    }),
  );
});

test('too little room is reported and never exceeded', () => {
  const input = Buffer.from('abcabcabcabcabcabc, and then something else, abcabcabc and else');
  const needed = lzfCompress(input, 0, input.length, new Uint8Array(200), 0, 200);
  for (let room = 0; room <= needed + 4; room++) {
    const output = new Uint8Array(200).fill(0xee);
    const length = lzfCompress(input, 0, input.length, output, 0, room);
    assert.ok(length <= room);
    assert.ok(output.subarray(room).every((byte) => byte === 0xee));
    if (length > 0) assert.deepEqual(lzfDecompress(output, 0, length, input.length), input);
  }
});

test('an earlier input leaves no trace in the next', () => {
  const first = Buffer.from('a long sentence that is compressed twice, a long sentence');
  const compressed = (): Buffer => {
    const output = Buffer.alloc(200);
    return output.subarray(0, lzfCompress(first, 0, first.length, output, 0, 200));
  };
  assert.deepEqual(compressed(), compressed());
});

test('damaged input is refused', () => {
  const bad: [number[], number][] = [
    [[0x05, 1, 2], 6],
    [[0x00], 1],
    [[0x20], 3],
    [[0xe0], 9],
    [[0xe0, 1], 10],
    [[0x20, 0], 3],
    [[0x00, 65, 0x20, 1], 4],
    [[0x00, 65, 0x20, 0], 3],
    [[0x00, 65], 2],
    [[0x00, 65], 2 ** 40],
  ];
  for (const [input, length] of bad) {
    assert.equal(lzfDecompress(Uint8Array.from(input), 0, input.length, length), undefined, input.join());
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(400), (input, length) => {
      const output = lzfDecompress(input, 0, input.length, length);
      assert.ok(output === undefined || output.length === length);
    }),
  );
});
