import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RdbError } from './rdb-error.ts';
import { MemorySource } from './rdb-input.ts';
import { RdbReader, type RdbEntryItem, type RdbItem } from './rdb-reader.ts';
import type { RdbHashField, RdbValue } from './rdb-values.ts';

function hex(digits: string): Buffer {
  return Buffer.from(digits.replaceAll(' ', ''), 'hex');
}

/** A string as in a file: its length, which is short, and its bytes. */
function string(bytes: Buffer | string): Buffer {
  const body = Buffer.from(bytes as string, 'latin1');
  assert.ok(body.length < 64);
  return Buffer.concat([Buffer.of(body.length), body]);
}

function millis(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}

/** Six bits for each character of the name, ten for the version. */
function moduleId(name: string, version: number): Buffer {
  const chars = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  let id = 0n;
  for (const char of name) id = (id << 6n) | BigInt(chars.indexOf(char));
  const bytes = Buffer.alloc(9, 0x81);
  bytes.writeBigUInt64BE((id << 10n) | BigInt(version), 1);
  return bytes;
}

function fileOf(header: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(header), body, Buffer.of(0xff), Buffer.alloc(8)]);
}

function readItems(file: Buffer): RdbItem[] {
  const reader = new RdbReader(new MemorySource({ bytes: file, start: 0, end: file.length }));
  const items: RdbItem[] = [];
  for (;;) {
    const item = reader.next();
    items.push(item);
    if (item.kind === 'end') return items;
  }
}

/** The value of type `type` with the given bytes. */
function readOne(type: number, body: Buffer, header = 'REDIS0012'): RdbValue {
  const [item] = readItems(fileOf(header, Buffer.concat([Buffer.of(type), string('k'), body])));
  assert.equal(item?.kind, 'entry');
  return (item as RdbEntryItem).value as RdbValue;
}

function describeValue(value: RdbValue): unknown {
  switch (value.kind) {
    case 'list':
      return value.items.map(String);
    case 'set':
      return value.members.map(String);
    case 'hash':
      return value.fields.map(describeField);
    case 'zset':
      return value.members.map(({ member, score }) => [String(member), score]);
    default:
      return value;
  }
}

function describeField({ field, value, expiryMillis }: RdbHashField): unknown[] {
  return [String(field), String(value), ...(expiryMillis === undefined ? [] : [expiryMillis])];
}

const ZIPLIST_2_5 = hex('0f000000 0c000000 0200 00f3 02f6 ff');
/** a 1 b 2 */
const LISTPACK_PAIRS = hex('11000000 0400 816102 0101 816202 0201 ff');

describe('values of all types', () => {
  test('lists', () => {
    assert.deepEqual(describeValue(readOne(1, Buffer.concat([hex('02'), string('a'), hex('c07b')]))), [
      'a',
      '123',
    ]);
    assert.deepEqual(describeValue(readOne(10, string(ZIPLIST_2_5))), ['2', '5']);
    const two = Buffer.concat([hex('02'), string(ZIPLIST_2_5), string(ZIPLIST_2_5)]);
    assert.deepEqual(describeValue(readOne(14, two)), ['2', '5', '2', '5']);
    const mixed = Buffer.concat([hex('02 01'), string('plain'), hex('02'), string(LISTPACK_PAIRS)]);
    assert.deepEqual(describeValue(readOne(18, mixed)), ['plain', 'a', '1', 'b', '2']);
    assert.throws(() => readOne(18, Buffer.concat([hex('01 03'), string('x')])), RdbError);
  });

  test('sets', () => {
    assert.deepEqual(describeValue(readOne(2, Buffer.concat([hex('01'), string('a')]))), ['a']);
    assert.deepEqual(describeValue(readOne(11, string(hex('02000000 02000000 0100 0500')))), ['1', '5']);
    assert.deepEqual(describeValue(readOne(20, string(LISTPACK_PAIRS))), ['a', '1', 'b', '2']);
  });

  test('sorted sets, with scores as text and in binary', () => {
    const old = Buffer.concat([
      hex('04'),
      string('a'),
      string('1.5'),
      string('b'),
      hex('fe'),
      string('c'),
      hex('ff'),
    ]);
    const expected = [
      ['a', 1.5],
      ['b', Infinity],
      ['c', -Infinity],
      ['d', -0],
    ];
    assert.deepEqual(describeValue(readOne(3, Buffer.concat([old, string('d'), string('-0')]))), expected);
    const binary = Buffer.concat([hex('01'), string('a'), hex('000000000000f83f')]);
    assert.deepEqual(describeValue(readOne(5, binary)), [['a', 1.5]]);
    assert.deepEqual(describeValue(readOne(12, string(ZIPLIST_2_5))), [['2', 5]]);
    assert.deepEqual(describeValue(readOne(17, string(LISTPACK_PAIRS))), [
      ['a', 1],
      ['b', 2],
    ]);
  });

  test('scores that are not numbers are refused', () => {
    assert.throws(() => readOne(3, Buffer.concat([hex('01'), string('a'), hex('fd')])), /not a number/);
    assert.throws(() => readOne(3, Buffer.concat([hex('01'), string('a'), string('x')])), /not a number/);
    assert.throws(
      () => readOne(5, Buffer.concat([hex('01'), string('a'), hex('000000000000f87f')])),
      RdbError,
    );
  });

  test('hashes', () => {
    const expected = [
      ['a', '1'],
      ['b', '2'],
    ];
    const plain = Buffer.concat([hex('02'), string('a'), string('1'), string('b'), string('2')]);
    assert.deepEqual(describeValue(readOne(4, plain)), expected);
    assert.deepEqual(describeValue(readOne(9, string(hex('02 0161 010031 0162 010032 ff')))), expected);
    assert.deepEqual(describeValue(readOne(13, string(ZIPLIST_2_5))), [['2', '5']]);
    assert.deepEqual(describeValue(readOne(16, string(LISTPACK_PAIRS))), expected);
    assert.throws(() => readOne(16, string(hex('09000000 0100 0101 ff'))), /without value/);
  });

  test('hashes whose fields expire, of Redis 7.4 and of its release candidates', () => {
    const expected = [
      ['a', '1'],
      ['b', '2', 1_800_000_000_005],
    ];
    const relative = Buffer.concat([
      ...[millis(1_800_000_000_000), hex('02')],
      ...[hex('00'), string('a'), string('1'), hex('06'), string('b'), string('2')],
    ]);
    assert.deepEqual(describeValue(readOne(24, relative)), expected);

    const absolute = Buffer.concat([
      ...[hex('02 00'), string('a'), string('1')],
      ...[hex('81 000001a3185c5005'), string('b'), string('2')],
    ]);
    assert.deepEqual(describeValue(readOne(22, absolute)), expected);

    const triples = string(hex('1d000000 0600 816102 0101 0001 816202 0201 f4 05505c18a3010000 09 ff'));
    assert.deepEqual(describeValue(readOne(25, Buffer.concat([millis(1), triples]))), expected);
    assert.deepEqual(describeValue(readOne(23, triples)), expected);
  });

  test('type 22 and opcode 243 under the magic of Valkey', () => {
    const hash = Buffer.concat([
      ...[hex('02'), string('a'), string('1'), millis(-1)],
      ...[string('b'), string('2'), millis(1_800_000_000_005)],
    ]);
    assert.deepEqual(describeValue(readOne(22, hash, 'VALKEY080')), [
      ['a', '1'],
      ['b', '2', 1_800_000_000_005],
    ]);
    assert.throws(() => readOne(24, hash, 'VALKEY080'), /unknown type of value 24/);

    const slotImport = Buffer.concat([hex('f3'), string('job'), hex('01 00 05'), hex('f4 010203')]);
    const [item] = readItems(fileOf('VALKEY080', slotImport));
    assert.deepEqual(item, { kind: 'slot-import', job: Buffer.from('job'), slotRanges: [[0, 5]] });
    assert.throws(() => readItems(fileOf('REDIS0012', slotImport)), /unknown opcode 243/);
  });

  test('the value of a module is skipped and its type named', () => {
    const id = moduleId('ReJSON-RL', 3);
    const parts = Buffer.concat([
      ...[hex('01 05'), hex('02 81 ffffffffffffffff'), hex('03 00000000')],
      ...[hex('04 0000000000000000'), hex('05'), string('{"a":1}'), hex('00')],
    ]);
    const value = readOne(7, Buffer.concat([id, parts]));
    assert.deepEqual(value, { kind: 'module', name: 'ReJSON-RL', version: 3 });
    assert.throws(() => readOne(7, Buffer.concat([id, hex('06 00')])), /unknown part 6/);
    assert.throws(() => readOne(6, hex('00')), /release candidate/);

    const [aux] = readItems(fileOf('REDIS0010', Buffer.concat([hex('f7'), id, hex('02 01'), parts])));
    assert.deepEqual(aux, { kind: 'module-aux', name: 'ReJSON-RL' });
  });
});

describe('streams', () => {
  const id = hex('0000000000000001 0000000000000000');
  /** One entry, a = b: master (1 live, 0 deleted, 1 field "a"), then flags, differences, value, elements. */
  const node = hex('1d000000 0a00 0101 0001 0101 816102 0001 0201 0001 0001 816202 0401 ff');
  const nodes = Buffer.concat([hex('01'), string(id), string(node)]);
  const group = (activeTime: Buffer, offset: Buffer): Buffer =>
    Buffer.concat([
      ...[hex('01'), string('group'), hex('01 00'), offset],
      ...[hex('01'), id, millis(1000), hex('03')],
      ...[hex('01'), string('consumer'), millis(2000), activeTime, hex('01'), id],
    ]);
  const expectedId = { millis: 1n, sequence: 0n };

  test('of version 1 have no history', () => {
    const value = readOne(15, Buffer.concat([nodes, hex('01 01 00'), group(hex(''), hex(''))]));
    assert.equal(value.kind, 'stream');
    if (value.kind !== 'stream') return;
    assert.equal(value.history, undefined);
    assert.equal(value.length, 1);
    assert.deepEqual(value.lastId, expectedId);
    assert.deepEqual(value.nodes, [{ masterId: expectedId, listpack: node }]);
    assert.deepEqual(value.groups, [
      {
        name: Buffer.from('group'),
        lastId: expectedId,
        entriesRead: undefined,
        pending: [{ id: expectedId, deliveryMillis: 1000, deliveryCount: 3 }],
        consumers: [
          { name: Buffer.from('consumer'), seenMillis: 2000, activeMillis: undefined, pending: [expectedId] },
        ],
      },
    ]);
  });

  test('of versions 2 and 3 have it', () => {
    const history = hex('01 00 00 00 07');
    const unknown = hex('81 ffffffffffffffff');
    const second = readOne(19, Buffer.concat([nodes, hex('01 01 00'), history, group(hex(''), unknown)]));
    const third = readOne(
      21,
      Buffer.concat([nodes, hex('01 01 00'), history, group(millis(3000), hex('01'))]),
    );
    assert.ok(second.kind === 'stream' && third.kind === 'stream');
    assert.deepEqual(second.history, {
      firstId: expectedId,
      maxDeletedId: { millis: 0n, sequence: 0n },
      entriesAdded: 7n,
    });
    assert.equal(second.groups[0]?.entriesRead, -1n);
    assert.equal(third.groups[0]?.entriesRead, 1n);
    assert.equal(third.groups[0]?.consumers[0]?.activeMillis, 3000);
  });

  test('that contradict themselves are refused', () => {
    const wrongCount = Buffer.from(node);
    wrongCount[6] = 2;
    const damaged = [
      Buffer.concat([hex('01'), string(id), string(wrongCount), hex('01 01 00 00')]),
      Buffer.concat([hex('02'), string(id), string(node), string(id), string(node), hex('02 01 00 00')]),
      Buffer.concat([hex('00 05 01 00 00')]),
      Buffer.concat([nodes, hex('01 01 00 01'), string('g'), hex('00 00 01'), id, millis(0), hex('01 00')]),
    ];
    for (const body of damaged) assert.throws(() => readOne(15, body), RdbError);
  });
});

describe('the file around the values', () => {
  test('versions that cannot be read', () => {
    for (const header of ['REDIS0000', 'REDIS0013', 'VALKEY011', 'VALKEY081']) {
      assert.throws(() => readItems(fileOf(header, hex(''))), /not one that can be read/);
    }
    assert.throws(() => readItems(fileOf('{"metada', hex(''))), /not an RDB file/);
  });

  test('before version 5 there is no checksum', () => {
    const items = readItems(Buffer.from('REDIS0004\xfe\x00\xff', 'latin1'));
    assert.deepEqual(items, [
      { kind: 'database', database: 0 },
      { kind: 'end', isChecksumVerified: false },
    ]);
  });

  test('expiry in seconds, idle time, frequency', () => {
    const body = Buffer.concat([hex('fd 00000065 f8 05 f9 07 00'), string('k'), string('v')]);
    const file = fileOf('REDIS0009', body);
    const item = new RdbReader(new MemorySource({ bytes: file, start: 0, end: file.length })).next();
    assert.ok(item.kind === 'entry');
    assert.equal(item.expiryMillis, 0x65000000 * 1000);
    assert.equal(item.idleSeconds, 5);
    assert.equal(item.frequency, 7);
  });

  test('what no version knows is refused', () => {
    for (const type of [8, 26, 100, 242, 246]) assert.throws(() => readOne(type, hex('00')), RdbError);
  });
});
