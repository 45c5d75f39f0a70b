import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { crc64 } from '../util/crc64.ts';
import { decodeDumpPayload, encodeDumpPayload, type DumpPayload } from './dump-payload.ts';
import type { RdbWritable } from './rdb-values.ts';

/** Out of the documentation of DUMP: SET mykey 10. */
const TEN_OF_REDIS_7 = Buffer.from('00c00a0a00', 'hex');

function string(text: string): RdbWritable {
  const bytes = Buffer.from(text, 'latin1');
  return { kind: 'string', bytes, start: 0, end: bytes.length };
}

function decode(payload: Buffer): DumpPayload {
  // Inside of something larger, as an argument in the buffer of a connection is.
  const bytes = Buffer.concat([Buffer.from('..'), payload, Buffer.from('..')]);
  return decodeDumpPayload({ bytes, start: 2, end: 2 + payload.length });
}

/** A payload with a right checksum, whatever it holds. */
function seal(body: Buffer, version = 10): Buffer {
  const sealed = Buffer.concat([body, Buffer.of(version & 0xff, version >> 8), Buffer.alloc(8)]);
  sealed.writeBigUInt64LE(crc64(0n, sealed, 0, sealed.length - 8), sealed.length - 8);
  return sealed;
}

describe('DUMP payloads', () => {
  test('start with type and value, and end with version and checksum', () => {
    const payload = encodeDumpPayload(string('10'), true);
    assert.deepEqual(payload.subarray(0, 5), TEN_OF_REDIS_7);
    assert.equal(payload.length, TEN_OF_REDIS_7.length + 8);
    assert.deepEqual(payload, seal(payload.subarray(0, -10)));
  });

  test('give back what was put in', () => {
    for (const text of ['', '10', 'x'.repeat(50_000), 'some words and more', '-129']) {
      for (const isCompressing of [true, false]) {
        const decoded = decode(encodeDumpPayload(string(text), isCompressing));
        assert.ok(decoded.kind === 'value' && decoded.value.kind === 'string');
        const { bytes, start, end } = decoded.value;
        assert.equal(Buffer.from(bytes.subarray(start, end)).toString('latin1'), text);
      }
    }
  });

  test('of a newer version, damaged or cut off are refused', () => {
    const payload = encodeDumpPayload(string('hello'), true);
    assert.equal(decode(seal(payload.subarray(0, -10), 11)).kind, 'wrong-version-or-checksum');
    assert.equal(decode(seal(payload.subarray(0, -10), 9)).kind, 'value');
    for (let length = 0; length < payload.length; length++) {
      assert.equal(decode(payload.subarray(0, length)).kind, 'wrong-version-or-checksum');
    }
    for (let bit = 0; bit < payload.length * 8; bit++) {
      const damaged = Buffer.from(payload);
      damaged[bit >>> 3]! ^= 1 << (bit & 7);
      assert.equal(decode(damaged).kind, 'wrong-version-or-checksum');
    }
  });

  test('with a right checksum around anything else are of a bad format', () => {
    // Nothing; cut off; an empty list; a type of version 11; a module's value.
    for (const digits of ['', '00', '0005616263', '0100', '1407070000000000ff', '0781000000000000000000']) {
      assert.equal(decode(seal(Buffer.from(digits, 'hex'))).kind, 'bad-data-format', digits);
    }
  });

  test('of streams whose ids do not ascend, or are behind the last one, are of a bad format', () => {
    const masterId = '00000000000000010000000000000000';
    /** Two entries 1-0 and 1-`second`, a = b each; the last id is 1-`last`. */
    const stream = (second: string, last: string) => {
      const entry = (sequence: string) => `02010001${sequence}018162020401`;
      const node = `280000000f000201000101018161020001${entry('00')}${entry(second)}ff`;
      return Buffer.from(`0f0110${masterId}28${node}0201${last}00`, 'hex');
    };
    assert.equal(decode(seal(stream('01', '01'))).kind, 'value');
    assert.equal(decode(seal(stream('01', '02'))).kind, 'value');
    assert.equal(decode(seal(stream('01', '00'))).kind, 'bad-data-format');
    assert.equal(decode(seal(stream('00', '01'))).kind, 'bad-data-format');
  });

  test('with random bytes and a right checksum give a value or a refusal', (context) => {
    const seed = SeededRandom.newSeed();
    context.diagnostic(`seed ${seed}`);
    const random = new SeededRandom(seed);
    for (let round = 0; round < 20_000; round++) {
      const body = Buffer.concat([Buffer.of(random.integer(0, 26)), random.bytes(random.integer(0, 30))]);
      assert.match(decode(seal(body)).kind, /^(value|bad-data-format)$/);
    }
  });
});
