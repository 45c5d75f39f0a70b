import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BorrowedBytes } from '../memory/struct.ts';
import { LcsTable } from './lcs.ts';

/** The bytes somewhere inside of a larger array, as they come from the store. */
function borrow(bytes: Uint8Array): BorrowedBytes {
  const view = new BorrowedBytes();
  view.bytes = Buffer.concat([Buffer.from('xyz'), bytes, Buffer.from('xyz')]);
  view.start = 3;
  view.end = 3 + bytes.length;
  return view;
}

/** The table of lengths as everybody learns it: L(i, j) at [i][j]. */
function plainTable(a: Uint8Array, b: Uint8Array): number[][] {
  const rows = [new Array<number>(b.length + 1).fill(0)];
  for (let i = 1; i <= a.length; i++) {
    const row = [0];
    for (let j = 1; j <= b.length; j++) {
      const above = rows[i - 1]!;
      row.push(a[i - 1] === b[j - 1] ? above[j - 1]! + 1 : Math.max(above[j]!, row[j - 1]!));
    }
    rows.push(row);
  }
  return rows;
}

/** The walk back through it, byte by byte, with Redis' choice between ways of equal length. */
function plainSubsequence(a: Uint8Array, b: Uint8Array): number[] {
  const rows = plainTable(a, b);
  const result: number[] = [];
  let i = a.length;
  let j = b.length;
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      result.unshift(a[i - 1]!);
      i--;
      j--;
    } else if (rows[i - 1]![j]! > rows[i]![j - 1]!) i--;
    else j--;
  }
  return result;
}

const texts = fc
  .integer({ min: 1, max: 255 })
  .chain((max) => fc.tuple(fc.uint8Array({ max, maxLength: 100 }), fc.uint8Array({ max, maxLength: 100 })));

test('the subsequence is the one of the plain table', () => {
  fc.assert(
    fc.property(texts, ([a, b]) => {
      const expected = plainSubsequence(a, b);
      const table = new LcsTable(borrow(a), borrow(b), true);
      assert.deepEqual([...table.subsequence()], expected);
      assert.equal(table.length, expected.length);
      assert.equal(new LcsTable(borrow(a), borrow(b), false).length, expected.length);
    }),
  );
});

test('matches are runs of equal bytes that follow each other in both strings and make up the whole', () => {
  fc.assert(
    fc.property(texts, ([a, b]) => {
      const table = new LcsTable(borrow(a), borrow(b), true);
      let aEnd = a.length;
      let bEnd = b.length;
      let total = 0;
      table.forEachMatch((aStart, bStart, length) => {
        assert.ok(length > 0 && aStart + length <= aEnd && bStart + length <= bEnd);
        assert.deepEqual(a.slice(aStart, aStart + length), b.slice(bStart, bStart + length));
        aEnd = aStart;
        bEnd = bStart;
        total += length;
      });
      assert.equal(total, table.length);
    }),
  );
});

test('rows that end at and around a word', () => {
  for (const length of [31, 32, 33, 63, 64, 65]) {
    const same = borrow(Buffer.alloc(length, 'a'));
    assert.equal(new LcsTable(same, same, false).length, length);
    assert.equal(new LcsTable(same, borrow(Buffer.alloc(length, 'b')), true).length, 0);
    assert.equal(new LcsTable(same, borrow(Buffer.alloc(0)), true).length, 0);
  }
});
