import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bitLength, readFloatLiteral, roundBinary, roundLiteral, shiftRightRounded } from './big-float.ts';

const DOUBLE = { precision: 53, exponentMin: -1074, exponentMax: 1023 };

test('bitLength', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 200n }), (n) => {
      assert.equal(bitLength(n), n === 0n ? 0 : n.toString(2).length);
    }),
  );
});

test('shiftRightRounded takes the even neighbour in the middle', () => {
  const quarters = [4n, 5n, 6n, 7n, 10n].map((n) => shiftRightRounded(n, 2));
  assert.deepEqual(quarters, [1n, 1n, 2n, 2n, 2n]);
  assert.equal(shiftRightRounded(10n, 2, true), 3n);
  assert.equal(shiftRightRounded(3n, -2), 12n);
});

test('rounding a decimal literal to a double is what JavaScript does', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 10n ** 25n }),
      fc.integer({ min: -360, max: 320 }),
      (digits, exponent) => {
        const literal = readFloatLiteral(`${digits}e${exponent}`);
        assert.equal(literal?.kind, 'finite');
        const rounded = roundLiteral(literal, DOUBLE);
        const expected = Number(`${digits}e${exponent}`);
        if (rounded === undefined) return assert.equal(expected, Infinity);
        const scale = 2n ** BigInt(Math.abs(rounded.exponent));
        const actual =
          rounded.exponent < 0
            ? Number(rounded.mantissa) * 2 ** rounded.exponent
            : Number(rounded.mantissa * scale);
        assert.equal(actual, expected);
      },
    ),
    { numRuns: 500 },
  );
});

test('rounding up may reach infinity', () => {
  assert.equal(roundBinary({ mantissa: 2n ** 54n - 1n, exponent: 970 }, DOUBLE), undefined);
  assert.notEqual(roundBinary({ mantissa: 2n ** 53n - 1n, exponent: 971 }, DOUBLE), undefined);
});
