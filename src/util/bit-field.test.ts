import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { assignedBitField, incrementedBitField, readBitField, writeBitField } from './bit-field.ts';
import type { BitFieldType } from './bit-field.ts';

const INT64_MAX = 2n ** 63n - 1n;
const type: fc.Arbitrary<BitFieldType> = fc
  .tuple(fc.boolean(), fc.integer({ min: 1, max: 64 }))
  .map(([isSigned, bits]) => ({ isSigned, bits: isSigned ? bits : Math.min(bits, 63) }));
/** As the command reads it: a number when that is exact. */
const int64 = fc
  .oneof(
    fc.bigInt({ min: -INT64_MAX - 1n, max: INT64_MAX }),
    fc.bigInt({ min: -300n, max: 300n }),
    fc.constantFrom(-INT64_MAX - 1n, INT64_MAX, 2n ** 53n, -(2n ** 53n), 2n ** 52n + 1n),
  )
  .map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value));

function limits({ isSigned, bits }: BitFieldType): { lowest: bigint; highest: bigint } {
  const lowest = isSigned ? -(2n ** BigInt(bits - 1)) : 0n;
  return { lowest, highest: lowest + 2n ** BigInt(bits) - 1n };
}

function wrapped({ isSigned, bits }: BitFieldType, value: bigint): bigint {
  return isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

function asBigInt(value: number | bigint | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(value);
}

test('a field is what the bits of the string say', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), type, fc.nat({ max: 170 }), (bytes, fieldType, offset) => {
      const padded = Buffer.concat([bytes, Buffer.alloc(40)]);
      const whole = BigInt(`0x${padded.toString('hex')}`);
      const behind = BigInt(padded.length * 8 - offset - fieldType.bits);
      const expected = wrapped(fieldType, whole >> behind);
      assert.equal(BigInt(readBitField(bytes, 0, bytes.length, offset, fieldType)), expected);
    }),
  );
});

test('a field that is written is read again, and no other bit changes', () => {
  fc.assert(
    fc.property(type, fc.nat({ max: 100 }), int64, fc.boolean(), (fieldType, offset, value, isOnes) => {
      const bytes = new Uint8Array(24).fill(isOnes ? 0xff : 0);
      const fitting = wrapped(fieldType, BigInt(value));
      writeBitField(bytes, 0, offset, fieldType, fieldType.bits <= 32 ? Number(fitting) : fitting);
      assert.equal(BigInt(readBitField(bytes, 0, bytes.length, offset, fieldType)), fitting);

      const field = BigInt.asUintN(fieldType.bits, fitting);
      const place = BigInt(bytes.length * 8 - offset - fieldType.bits);
      const mask = ((1n << BigInt(fieldType.bits)) - 1n) << place;
      const before = isOnes ? (1n << 192n) - 1n : 0n;
      const after = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
      assert.equal(after, (before & ~mask) | (field << place));
    }),
  );
});

test('increments wrap, saturate or fail as with integers of any size', () => {
  fc.assert(
    fc.property(type, int64, int64, (fieldType, start, increment) => {
      const { lowest, highest } = limits(fieldType);
      const held = wrapped(fieldType, BigInt(start));
      const old = fieldType.bits <= 32 ? Number(held) : held;
      const sum = held + BigInt(increment);
      const nearest = sum > highest ? highest : sum < lowest ? lowest : sum;
      const added = (overflow: 'wrap' | 'sat' | 'fail') =>
        asBigInt(incrementedBitField(fieldType, overflow, old, increment));
      assert.equal(added('wrap'), wrapped(fieldType, sum));
      assert.equal(added('sat'), nearest);
      assert.equal(added('fail'), nearest === sum ? sum : undefined);
    }),
  );
});

test('values that are set wrap, saturate or fail; an unsigned field takes negative ones for large', () => {
  fc.assert(
    fc.property(type, int64, (fieldType, value) => {
      const { lowest, highest } = limits(fieldType);
      const wide = BigInt(value);
      const fits = wide >= lowest && wide <= highest;
      const isLarge = wide > 0n || !fieldType.isSigned || highest - wide > INT64_MAX;
      const set = (overflow: 'wrap' | 'sat' | 'fail') =>
        asBigInt(assignedBitField(fieldType, overflow, value));
      assert.equal(set('wrap'), wrapped(fieldType, wide));
      assert.equal(set('sat'), fits ? wide : isLarge ? highest : lowest);
      assert.equal(set('fail'), fits ? wide : undefined);
    }),
  );
});
