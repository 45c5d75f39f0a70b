import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { RdbError } from './rdb-error.ts';
import { decodeIntset, decodeListpack, decodeZiplist, decodeZipmap } from './rdb-packed.ts';

/** Bytes from hexadecimal digits; spaces are for the reader. */
function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(' ', ''), 'hex');
}

function texts(elements: readonly Buffer[]): string[] {
  return elements.map((element) => element.toString('latin1'));
}

/** Entries of each encoding. Encoding and data, then their length. */
const LISTPACK_ENTRIES = [
  ['7f 01', '127'],
  ['83 616263 04', 'abc'],
  ['df ff 02', '-1'],
  ['d0 00 02', '-4096'],
  ['e0 41 '.concat('78'.repeat(65), '43'), 'x'.repeat(65)],
  ['f0 03000000 414243 08', 'ABC'],
  ['f1 0080 03', '-32768'],
  ['f2 ffff7f 04', '8388607'],
  ['f3 00000080 05', '-2147483648'],
  ['f4 ffffffffffffff7f 09', '9223372036854775807'],
  ['e0 96 '.concat('79'.repeat(150), '0198'), 'y'.repeat(150)],
] as const;

const LISTPACK = (() => {
  const entries = hex(LISTPACK_ENTRIES.map(([digits]) => digits).join(''));
  const header = Buffer.alloc(6);
  header.writeUInt32LE(entries.length + 7, 0);
  header.writeUInt16LE(LISTPACK_ENTRIES.length, 4);
  return Buffer.concat([header, entries, Buffer.of(0xff)]);
})();

/** The two examples of ziplist.c and entries of the other encodings. */
const ZIPLIST_ENTRIES = [
  ['f3', '2'],
  ['f6', '5'],
  ['0b 48656c6c6f20576f726c64', 'Hello World'],
  ['4041'.concat('7a'.repeat(65)), 'z'.repeat(65)],
  ['80 00000003 616263', 'abc'],
  ['c0 00ff', '-256'],
  ['d0 ffffff7f', '2147483647'],
  ['e0 0000000000000080', '-9223372036854775808'],
  ['f0 000080', '-8388608'],
  ['fe 80', '-128'],
  ['41 2c'.concat('61'.repeat(300)), 'a'.repeat(300)],
  ['fd', '12'],
] as const;

const ZIPLIST = (() => {
  const entries: Buffer[] = [];
  let previousBytes = 0;
  let tail = 10;
  for (const [digits] of ZIPLIST_ENTRIES) {
    const length = Buffer.alloc(previousBytes < 254 ? 1 : 5, 0xfe);
    if (previousBytes < 254) length[0] = previousBytes;
    else length.writeUInt32LE(previousBytes, 1);
    const entry = Buffer.concat([length, hex(digits)]);
    if (entries.length > 0) tail += previousBytes;
    previousBytes = entry.length;
    entries.push(entry);
  }
  const header = Buffer.alloc(10);
  const body = Buffer.concat(entries);
  header.writeUInt32LE(body.length + 11, 0);
  header.writeUInt32LE(tail, 4);
  header.writeUInt16LE(entries.length, 8);
  return Buffer.concat([header, body, Buffer.of(0xff)]);
})();

/** The second value has two unused bytes behind it. */
const ZIPMAP = hex('02 03 666f6f 03 00 626172 05 68656c6c6f 05 02 776f726c64 0000 ff');

const INTSETS = {
  narrow: hex('02000000 03000000 ffff 0000 ff7f'),
  medium: hex('04000000 02000000 00000080 01000000'),
  wide: hex('08000000 01000000 0000000000000080'),
};

describe('packed collections', () => {
  test('a listpack of every encoding', () => {
    assert.deepEqual(
      texts(decodeListpack(LISTPACK, 0)),
      LISTPACK_ENTRIES.map(([, text]) => text),
    );
    assert.deepEqual(decodeListpack(hex('07000000 0000 ff'), 0), []);
  });

  test('a listpack whose count is left open', () => {
    assert.deepEqual(texts(decodeListpack(hex('0b000000 ffff 0101 0201 ff'), 0)), ['1', '2']);
  });

  test('a ziplist of every encoding', () => {
    assert.deepEqual(
      texts(decodeZiplist(ZIPLIST, 0)),
      ZIPLIST_ENTRIES.map(([, text]) => text),
    );
    assert.deepEqual(decodeZiplist(hex('0b000000 0a000000 0000 ff'), 0), []);
  });

  test('a zipmap with unused space', () => {
    assert.deepEqual(texts(decodeZipmap(ZIPMAP, 0)), ['foo', 'bar', 'hello', 'world']);
  });

  test('integer sets of each width', () => {
    assert.deepEqual(texts(decodeIntset(INTSETS.narrow, 0)), ['-1', '0', '32767']);
    assert.deepEqual(texts(decodeIntset(INTSETS.medium, 0)), ['-2147483648', '1']);
    assert.deepEqual(texts(decodeIntset(INTSETS.wide, 0)), ['-9223372036854775808']);
  });

  test('integers out of order, or twice, are refused', () => {
    assert.throws(() => decodeIntset(hex('02000000 02000000 0200 0100'), 0), RdbError);
    assert.throws(() => decodeIntset(hex('02000000 02000000 0100 0100'), 0), RdbError);
  });

  test('an error names the structure and its place in the file', () => {
    assert.throws(
      () => decodeListpack(hex('08000000 0000 ff'), 1234),
      (error) => error instanceof RdbError && error.offset === 1234 && error.reason === 'damaged listpack',
    );
  });

  const cases = [
    ['listpack', LISTPACK, decodeListpack],
    ['ziplist', ZIPLIST, decodeZiplist],
    ['zipmap', ZIPMAP, decodeZipmap],
    ['intset', INTSETS.narrow, decodeIntset],
  ] as const;

  for (const [name, bytes, decode] of cases) {
    test(`every prefix of a ${name} is refused`, () => {
      for (let length = 0; length < bytes.length; length++) {
        assert.throws(() => decode(Buffer.from(bytes.subarray(0, length)), 0), RdbError);
      }
    });

    test(`a ${name} with flipped bits or random bytes gives elements or an error`, (context) => {
      const seed = SeededRandom.newSeed();
      context.diagnostic(`seed ${seed}`);
      const random = new SeededRandom(seed);
      for (let round = 0; round < 5000; round++) {
        const damaged = Buffer.from(bytes);
        for (let flips = random.integer(1, 4); flips > 0; flips--) {
          damaged[random.integer(0, damaged.length - 1)]! ^= 1 << random.integer(0, 7);
        }
        for (const input of [damaged, random.bytes(random.integer(0, 40))]) {
          try {
            const size = decode(input, 0).reduce((sum, element) => sum + element.length, 0);
            assert.ok(size <= 20 * input.length);
          } catch (error) {
            assert.ok(error instanceof RdbError, String(error));
          }
        }
      }
    });
  }
});
