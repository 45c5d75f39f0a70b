/** Files that we write, read by us: equal content, and every damage noticed. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { STRING_BYTES_MAX } from './rdb-constants.ts';
import { RdbError } from './rdb-error.ts';
import { RdbInput, type ByteSource } from './rdb-input.ts';
import { RdbReader, type RdbReaderOptions } from './rdb-reader.ts';
import { RdbWriter, type RdbWritableEntry } from './rdb-writer.ts';
import type { ByteRange } from './rdb-values.ts';

interface PlainEntry {
  readonly key: string;
  readonly value: string;
  readonly database: number;
  readonly expiryMillis: number | undefined;
  readonly idleSeconds: number | undefined;
  readonly frequency: number | undefined;
}

interface WriteOptions {
  readonly isCompressing?: boolean;
  readonly isChecksumming?: boolean;
  readonly chunkBytes?: number;
}

const EMPTY = { expiryMillis: undefined, idleSeconds: undefined, frequency: undefined };

function range(text: string): ByteRange {
  const bytes = Buffer.from(text, 'latin1');
  // Out of the middle of something larger, as values in the arena are.
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 7));
  shared.set(bytes, 3);
  return { bytes: shared, start: 3, end: 3 + bytes.length };
}

function text({ bytes, start, end }: ByteRange): string {
  return Buffer.from(bytes.subarray(start, end)).toString('latin1');
}

function toWritable(entry: PlainEntry): RdbWritableEntry {
  return { ...entry, key: range(entry.key), value: { kind: 'string', ...range(entry.value) } };
}

function writeFile(entries: readonly PlainEntry[], options: WriteOptions = {}): Buffer {
  const chunks: Buffer[] = [];
  const writer = new RdbWriter({
    isCompressing: true,
    isChecksumming: true,
    ...options,
    onChunk: (chunk) => void chunks.push(Buffer.from(chunk)),
  });
  writer.writeHeader({ 'redis-ver': '7.0.15', 'redis-bits': 64 });
  let database = -1;
  for (const entry of entries) {
    if (entry.database !== database) {
      ({ database } = entry);
      writer.selectDatabase(database);
      writer.resizeDatabase(entries.length, 0);
    }
    writer.writeEntry(toWritable(entry));
  }
  writer.end();
  const file = Buffer.concat(chunks);
  assert.equal(writer.offset, file.length);
  return file;
}

/** Gives a few bytes at a time, at random. */
class DribblingSource implements ByteSource {
  readonly #bytes: Buffer;
  readonly #random: SeededRandom;
  readonly #pieceBytesMax: number;
  #position = 0;

  constructor(bytes: Buffer, random: SeededRandom, pieceBytesMax: number) {
    this.#bytes = bytes;
    this.#random = random;
    this.#pieceBytesMax = pieceBytesMax;
  }

  read(target: Buffer): number {
    const wanted = Math.min(target.length, this.#random.integer(1, this.#pieceBytesMax));
    const count = this.#bytes.copy(target, 0, this.#position, this.#position + wanted);
    this.#position += count;
    return count;
  }
}

function readFile(source: ByteSource, options: RdbReaderOptions = {}): PlainEntry[] {
  const reader = new RdbReader(source, options);
  const entries: PlainEntry[] = [];
  for (;;) {
    const item = reader.next();
    if (item.kind === 'end') return entries;
    if (item.kind !== 'entry') continue;
    assert.equal(item.value.kind, 'string');
    const { database, expiryMillis, idleSeconds, frequency } = item;
    const key = text(item.key);
    const value = item.value.kind === 'string' ? text(item.value) : '';
    entries.push({ key, value, database, expiryMillis, idleSeconds, frequency });
  }
}

function readToEnd(source: ByteSource, options: RdbReaderOptions = {}): RdbReader {
  const reader = new RdbReader(source, options);
  while (reader.next().kind !== 'end');
  return reader;
}

function wholeSource(bytes: Buffer): ByteSource {
  return new DribblingSource(bytes, new SeededRandom(1), bytes.length + 1);
}

function randomText(random: SeededRandom): string {
  switch (random.integer(0, 6)) {
    case 0:
      return String(random.integer(-(2 ** 33), 2 ** 33));
    case 1:
      return String(random.integer(-200, 200));
    case 2:
      return random.bytes(random.integer(0, 70)).toString('latin1');
    case 3:
      return 'ab'.repeat(random.integer(0, 3000));
    case 4:
      return random.bytes(random.integer(0, 20_000)).toString('latin1');
    case 5:
      return random.pick([
        '',
        '-0',
        '007',
        '+1',
        ' 1',
        '2147483647',
        '-2147483648',
        '2147483648',
        '-128',
        '128',
      ]);
    default:
      return `user:${random.integer(0, 10 ** 6)}`;
  }
}

function randomEntries(random: SeededRandom, count: number): PlainEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    key: randomText(random),
    value: randomText(random),
    database: Math.floor((index * 16) / count),
    expiryMillis: random.chance(0.3)
      ? random.pick([0, 1, -1, 1_700_000_000_123, 2 ** 41, -(2 ** 45)])
      : undefined,
    idleSeconds: random.chance(0.2) ? random.pick([0, 63, 64, 16_383, 16_384, 2 ** 31]) : undefined,
    frequency: random.chance(0.2) ? random.integer(0, 255) : undefined,
  }));
}

const SMALL: PlainEntry[] = [
  { ...EMPTY, key: 'a', value: '12', database: 0 },
  { ...EMPTY, key: 'b', value: '-70000', database: 0, expiryMillis: 1_900_000_000_000 },
  { ...EMPTY, key: 'long', value: 'x'.repeat(100), database: 3, frequency: 9 },
];

describe('RDB files of our own', () => {
  test('hold what was written, however they are cut', (context) => {
    const seed = SeededRandom.newSeed();
    context.diagnostic(`seed ${seed}`);
    const random = new SeededRandom(seed);
    for (let round = 0; round < 30; round++) {
      const entries = randomEntries(random, random.integer(1, 100));
      const isCompressing = random.chance(0.5);
      const chunkBytes = random.pick([1, 100, 4096, 1 << 20]);
      const file = writeFile(entries, { isCompressing, chunkBytes, isChecksumming: random.chance(0.8) });
      const source = new DribblingSource(file, random, random.pick([1, 50, 5000]));
      assert.deepEqual(readFile(source, { chunkBytes: random.pick([64, 1000, 1 << 20]) }), entries);
    }
  });

  test('are written byte for byte as described', () => {
    const file = writeFile(SMALL);
    const expected = [
      '52454449533030 3130', // REDIS0010
      'fa 09 72656469732d766572 06 372e302e3135', // redis-ver: 7.0.15
      'fa 0a 72656469732d62697473 c0 40', // redis-bits: 64, as an 8-bit integer
      'fe 00 fb 03 00', // database 0, hint of 3 keys
      '00 01 61 c0 0c', // a: 12
      'fc 0038d360ba010000 00 01 62 c2 90eefeff', // b: expires; -70000 as a 32-bit integer
      'fe 03 fb 03 00', // database 3
      'f9 09 00 04 6c6f6e67 c3 09 4064 01 7878 e05700 01 7878', // long: frequency 9; 100 bytes in 9
      'ff adff8f50abbc051c', // end, checksum
    ];
    assert.equal(file.toString('hex'), expected.join('').replaceAll(' ', ''));
  });

  test('a string may come in pieces', () => {
    const chunks: Buffer[] = [];
    const writer = new RdbWriter({
      onChunk: (chunk) => void chunks.push(Buffer.from(chunk)),
      isCompressing: true,
      isChecksumming: true,
      chunkBytes: 100,
    });
    const piece = Buffer.alloc(1000, 'z');
    writer.writeHeader({});
    writer.selectDatabase(0);
    writer.beginStringEntry({ ...EMPTY, key: range('k') }, 3000);
    for (let i = 0; i < 3; i++) writer.writeStringPiece(piece, 0, piece.length);
    assert.throws(() => writer.writeStringPiece(piece, 0, 1), /more bytes/);
    const other = new RdbWriter({ onChunk: () => undefined, isCompressing: false, isChecksumming: false });
    other.beginStringEntry({ ...EMPTY, key: range('k') }, 1);
    assert.throws(() => other.end(), /fewer bytes/);
  });

  test('every prefix is refused', () => {
    const file = writeFile(SMALL);
    for (let length = 0; length < file.length; length++) {
      assert.throws(() => readFile(wholeSource(file.subarray(0, length))), RdbError, `${length} bytes`);
    }
  });

  test('every flipped bit is noticed', () => {
    const file = writeFile(SMALL);
    for (let bit = 0; bit < file.length * 8; bit++) {
      const damaged = Buffer.from(file);
      damaged[bit >>> 3]! ^= 1 << (bit & 7);
      assert.throws(() => readToEnd(wholeSource(damaged)), RdbError, `bit ${bit}`);
    }
  });

  test('with checksums off, damage gives other content or an error, and nothing else', (context) => {
    const seed = SeededRandom.newSeed();
    context.diagnostic(`seed ${seed}`);
    const random = new SeededRandom(seed);
    const file = writeFile([...SMALL, ...randomEntries(random, 8)], { isChecksumming: false });
    for (let round = 0; round < 3000; round++) {
      const damaged = Buffer.from(file);
      for (let flips = random.integer(1, 5); flips > 0; flips--) {
        damaged[random.integer(0, damaged.length - 1)]! ^= 1 << random.integer(0, 7);
      }
      try {
        readToEnd(wholeSource(damaged), { isVerifyingChecksum: false });
      } catch (error) {
        assert.ok(error instanceof RdbError, String(error));
        assert.ok(error.offset <= damaged.length);
      }
    }
  });

  test('what follows the end is left alone', () => {
    const file = writeFile(SMALL);
    const source = wholeSource(Buffer.concat([file, Buffer.from('*1\r\n$4\r\nPING\r\n')]));
    const reader = readToEnd(source);
    assert.equal(reader.offset, file.length);
    assert.equal(reader.next().kind, 'end');
  });

  test('a value that the format cannot hold is refused, and nothing of it written', () => {
    const writer = new RdbWriter({ onChunk: () => undefined, isCompressing: false, isChecksumming: false });
    const key = range('k');
    const module = { kind: 'module', name: 'ReJSON-RL', version: 3 } as const;
    assert.throws(() => writer.writeEntry({ ...EMPTY, key, value: module }), /ReJSON-RL/);
    assert.equal(writer.offset, 0);
  });
});

describe('lengths out of a damaged file', () => {
  /** Counts what is asked for, so that a test sees what was allocated for it. */
  class ShortSource implements ByteSource {
    readonly #bytes: Buffer;
    askedBytesMax = 0;
    #isRead = false;

    constructor(bytes: Buffer) {
      this.#bytes = bytes;
    }

    read(target: Buffer): number {
      this.askedBytesMax = Math.max(this.askedBytesMax, target.length);
      if (this.#isRead) return 0;
      this.#isRead = true;
      return this.#bytes.copy(target);
    }
  }

  test('do not decide how much memory is taken', () => {
    const cases = [
      '80 ffffffff 61',
      '81 00000000ffffffff 61',
      'c3 0a 80ffffffff 0161',
      'c3 80ffffffff 80ffffffff 00',
    ];
    for (const digits of cases) {
      const source = new ShortSource(Buffer.from(digits.replaceAll(' ', ''), 'hex'));
      assert.throws(() => new RdbInput(source).readString(), RdbError);
      assert.ok(source.askedBytesMax <= 1024 * 1024);
    }
  });

  test('beyond any string are refused at once', () => {
    const bytes = Buffer.from('810000000100000000', 'hex');
    assert.equal(bytes.readBigUInt64BE(1), BigInt(STRING_BYTES_MAX) + 1n);
    assert.throws(() => new RdbInput(new ShortSource(bytes)).readString(), /string of 4294967296 bytes/);
    const impossible = Buffer.from('81ffffffffffffffff', 'hex');
    assert.throws(() => new RdbInput(new ShortSource(impossible)).readLength(), /impossible length/);
  });
});
