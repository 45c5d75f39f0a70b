import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arcSine, cosine, sine } from './trigonometry.ts';

const SCALE = 2n ** 200n;
/** 60 digits of pi. */
const PI = (3141592653589793238462643383279502884197169399375105820974944n * SCALE) / 10n ** 60n;

/** A double times 2^200, exactly unless it is below 2^-147. */
function scaled(value: number): bigint {
  return (
    BigInt(Math.trunc(value * 2 ** 100)) * 2n ** 100n +
    BigInt(Math.trunc(((value * 2 ** 100) % 1) * 2 ** 100))
  );
}

/** x - x³/3! + x⁵/5! …, in fixed point. */
function exactSine(x: bigint): bigint {
  let [term, sum] = [x, 0n];
  for (let n = 1n; term !== 0n; n += 2n) {
    sum += term;
    term = (-term * x * x) / SCALE / SCALE / ((n + 1n) * (n + 2n));
  }
  return sum;
}

/** Whether no double is nearer to the exact value, by more than a hair. */
function isRounded(value: number, exact: bigint): boolean {
  const error = scaled(value) - exact;
  const unit = scaled(Math.max(Math.abs(value), 2 ** -40) * 2 ** -53);
  return (error < 0n ? -error : error) <= unit + unit / 1000n;
}

const angle = fc.oneof(
  fc.double({ min: -3.15, max: 3.15, noNaN: true }),
  fc.integer({ min: -12, max: 12 }).map((twelfths) => (twelfths * Math.PI) / 12),
  fc.double({ min: -1e-3, max: 1e-3, noNaN: true }),
);

test('sine and cosine are the nearest doubles', () => {
  fc.assert(
    fc.property(angle, (x) => {
      assert(isRounded(sine(x), exactSine(scaled(x))), `sine ${x}`);
      assert(isRounded(cosine(x), exactSine(scaled(x) + PI / 2n)), `cosine ${x}`);
    }),
    { numRuns: 2000 },
  );
});

test('special angles', () => {
  assert.equal(sine(0), 0);
  assert.equal(cosine(0), 1);
  assert.equal(sine(Math.PI / 2), 1);
  assert.equal(sine(Math.PI), 1.2246467991473532e-16);
  assert.equal(cosine(Math.PI / 2), 6.123233995736766e-17);
  assert.equal(arcSine(0), 0);
  assert.equal(arcSine(1), Math.PI / 2);
  assert.equal(arcSine(-1), -Math.PI / 2);
  assert(Number.isNaN(arcSine(1.0000000000000002)));
});

test('the arc sine undoes the sine', () => {
  fc.assert(
    fc.property(fc.double({ min: -1, max: 1, noNaN: true }), (ratio) => {
      const radians = arcSine(ratio);
      assert(Math.abs(radians - Math.asin(ratio)) <= Math.abs(radians) * 2 ** -52);
      // The sines half a unit below and above enclose the ratio.
      const half = scaled(Math.max(Math.abs(radians), 2 ** -40) * 2 ** -53);
      const slack = half / 1000n;
      const exact = scaled(ratio);
      assert(exactSine(scaled(radians) - half - slack) <= exact || Math.abs(ratio) === 1);
      assert(exactSine(scaled(radians) + half + slack) >= exact || Math.abs(ratio) === 1);
    }),
    { numRuns: 1000 },
  );
});
