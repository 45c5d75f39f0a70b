import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { combineBits, countBits, countBitsBetween, findBit, invertBits } from './bits.ts';

/** Bytes with long stretches of equal ones, at any place in a larger buffer. */
const stretches = fc
  .array(
    fc
      .tuple(fc.constantFrom(0, 255, 1, 128, 0x5a), fc.integer({ min: 1, max: 150 }))
      .map(([byte, length]) => ({
        byte,
        length,
      })),
    { minLength: 1, maxLength: 6 },
  )
  .map((runs) => Buffer.concat(runs.map(({ byte, length }) => Buffer.alloc(length, byte))));
const placed = fc.tuple(stretches, fc.integer({ min: 0, max: 7 })).map(([content, start]) => {
  const bytes = new Uint8Array(new SharedArrayBuffer(start + content.length + 5)).fill(0xff);
  bytes.set(content, start);
  return { bytes, start, end: start + content.length };
});

function bitsOf(bytes: Uint8Array, start: number, end: number): string {
  return Array.from(bytes.subarray(start, end), (byte) => byte.toString(2).padStart(8, '0')).join('');
}

test('bits are counted as in their written form', () => {
  fc.assert(
    fc.property(placed, fc.nat(), fc.nat(), ({ bytes, start, end }, some, other) => {
      const bits = bitsOf(bytes, start, end);
      assert.equal(countBits(bytes, start, end), bits.replaceAll('0', '').length);
      const [first, last] = [some % bits.length, other % bits.length].sort((a, b) => a - b) as [
        number,
        number,
      ];
      const between = bits.slice(first, last + 1);
      assert.equal(countBitsBetween(bytes, start, first, last), between.replaceAll('0', '').length);
    }),
  );
});

test('random bits are counted, whatever the length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1000 }), fc.integer({ min: 0, max: 3 }), (bytes, skipped) => {
      const start = Math.min(skipped, bytes.length);
      const expected = bitsOf(bytes, start, bytes.length).replaceAll('0', '').length;
      assert.equal(countBits(bytes, start, bytes.length), expected);
    }),
  );
});

test('the first bit of a range is found as in its written form', () => {
  fc.assert(
    fc.property(placed, fc.nat(), fc.nat(), ({ bytes, start, end }, some, other) => {
      const bits = bitsOf(bytes, start, end);
      const [first, last] = [some % bits.length, other % bits.length].sort((a, b) => a - b) as [
        number,
        number,
      ];
      for (const bit of [0, 1] as const) {
        const found = bits.slice(0, last + 1).indexOf(String(bit), first);
        assert.equal(findBit(bytes, start, first, last, bit), found);
      }
    }),
  );
});

const OPERATIONS = {
  and: (a: number, b: number) => a & b,
  or: (a: number, b: number) => a | b,
  xor: (a: number, b: number) => a ^ b,
};

test('ranges are combined byte by byte, and nothing around them', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 10, maxLength: 300 }),
      fc.uint8Array({ minLength: 10, maxLength: 300 }),
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 0, max: 5 }),
      (target, source, targetStart, start) => {
        const length = Math.min(target.length - targetStart, source.length - start);
        for (const operation of ['and', 'or', 'xor'] as const) {
          const expected = target.map((byte, i) => {
            const at = i - targetStart;
            return at < 0 || at >= length ? byte : OPERATIONS[operation](byte, source[start + at] ?? 0);
          });
          const combined = target.slice();
          combineBits(operation, combined, targetStart, source, start, start + length);
          assert.deepEqual(combined, expected);
        }
      },
    ),
  );
});

test('a range is inverted, and nothing around it', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 6, maxLength: 200 }),
      fc.integer({ min: 0, max: 3 }),
      (bytes, start) => {
        const inverted = bytes.slice();
        invertBits(inverted, start, bytes.length - 2);
        const expected = bytes.map((byte, i) => (i < start || i >= bytes.length - 2 ? byte : 255 - byte));
        assert.deepEqual(inverted, expected);
      },
    ),
  );
});
