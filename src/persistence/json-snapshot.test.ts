import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { JsonSnapshotReader } from './json-snapshot-reader.ts';
import { JsonSnapshotWriter } from './json-snapshot-writer.ts';
import { RdbError } from './rdb-error.ts';
import { MemorySource, type ByteSource } from './rdb-input.ts';
import { RdbOutput } from './rdb-output.ts';
import { writeValue } from './rdb-value-writer.ts';
import type { RdbReadable, RdbStream, RdbValue, RdbWritable } from './rdb-values.ts';
import type { SnapshotFacts } from './snapshot-sink.ts';

/** A key and what belongs to it, in a form that can be compared. */
interface Plain {
  readonly database: number;
  readonly key: string;
  readonly value: unknown;
  readonly expiryMillis?: number;
  readonly idleSeconds?: number;
  readonly frequency?: number;
}

interface Written {
  readonly database: number;
  readonly key: Buffer;
  readonly value: RdbWritable;
  readonly expiryMillis?: number | undefined;
  readonly idleSeconds?: number | undefined;
  readonly frequency?: number | undefined;
  /** Cut a string into pieces of this size. */
  readonly pieceBytes?: number;
}

const FACTS: SnapshotFacts = {
  unixMillis: 1_700_000_000_999,
  keyCount: 0,
  databases: [],
  usedMemory: 0,
  isAofBase: false,
};

function string(text: string | Buffer): RdbValue {
  const bytes = Buffer.from(text as string, 'utf8');
  return { kind: 'string', bytes, start: 0, end: bytes.length };
}

function write(entries: readonly Written[], chunkBytes?: number): Buffer {
  const chunks: Buffer[] = [];
  const writer = new JsonSnapshotWriter((chunk) => void chunks.push(Buffer.from(chunk)), chunkBytes);
  writer.begin({ ...FACTS, keyCount: entries.length });
  for (const { database, key, value, pieceBytes, ...rest } of entries) {
    const facts = {
      key: { bytes: key, start: 0, end: key.length },
      expiryMillis: rest.expiryMillis,
      idleSeconds: rest.idleSeconds,
      frequency: rest.frequency,
    };
    if (pieceBytes === undefined || value.kind !== 'string') {
      writer.entry(database, { ...facts, value });
      continue;
    }
    writer.beginString(database, facts, value.end - value.start);
    for (let at = value.start; at < value.end; at += pieceBytes) {
      writer.stringPiece(value.bytes, at, Math.min(at + pieceBytes, value.end));
    }
  }
  writer.end();
  return Buffer.concat(chunks);
}

/** Gives bytes in pieces of random size. */
class DribblingSource implements ByteSource {
  readonly #source: MemorySource;
  readonly #random = new SeededRandom(1);

  constructor(bytes: Buffer) {
    this.#source = new MemorySource({ bytes, start: 0, end: bytes.length });
  }

  read(target: Buffer): number {
    return this.#source.read(target.subarray(0, this.#random.integer(1, target.length)));
  }
}

function plainOf(value: RdbReadable): unknown {
  if (value.kind === 'string') {
    return { kind: 'string', hex: Buffer.from(value.bytes.subarray(value.start, value.end)).toString('hex') };
  }
  return value;
}

function readEntries(file: Buffer | string, chunkBytes?: number): Plain[] {
  const bytes = Buffer.from(file as string);
  const source =
    chunkBytes === undefined
      ? new MemorySource({ bytes, start: 0, end: bytes.length })
      : new DribblingSource(bytes);
  const reader = new JsonSnapshotReader(source, chunkBytes === undefined ? {} : { chunkBytes });
  const entries: Plain[] = [];
  let database: number | undefined;
  for (;;) {
    const item = reader.next();
    if (item.kind === 'end') return entries;
    if (item.kind === 'database') ({ database } = item);
    if (item.kind !== 'entry') continue;
    assert.equal(item.database, database);
    entries.push(plainEntry(item));
  }
}

function plainEntry(entry: {
  readonly database: number;
  readonly key: { readonly bytes: Uint8Array; readonly start: number; readonly end: number };
  readonly value: RdbReadable;
  readonly expiryMillis?: number | undefined;
  readonly idleSeconds?: number | undefined;
  readonly frequency?: number | undefined;
}): Plain {
  const { key } = entry;
  return {
    database: entry.database,
    key: Buffer.from(key.bytes.subarray(key.start, key.end)).toString('latin1'),
    value: plainOf(entry.value),
    ...(entry.expiryMillis === undefined ? {} : { expiryMillis: entry.expiryMillis }),
    ...(entry.idleSeconds === undefined ? {} : { idleSeconds: entry.idleSeconds }),
    ...(entry.frequency === undefined ? {} : { frequency: entry.frequency }),
  };
}

function plainWritten(entry: Written): Plain {
  const { key } = entry;
  return plainEntry({
    ...entry,
    value: entry.value as RdbValue,
    key: { bytes: key, start: 0, end: key.length },
  });
}

function stringsOf(file: string): Record<string, string> {
  const reader = new JsonSnapshotReader(new MemorySource(whole(Buffer.from(file))), { chunkBytes: 7 });
  const strings: Record<string, string> = {};
  for (;;) {
    const item = reader.next();
    if (item.kind === 'end') return strings;
    if (item.kind !== 'entry') continue;
    assert.equal(item.value.kind, 'string');
    const { value, key } = item as typeof item & { value: { bytes: Uint8Array; start: number; end: number } };
    const text = (range: typeof key): string =>
      Buffer.from(range.bytes.subarray(range.start, range.end)).toString();
    strings[`${item.database}:${text(key)}`] = text(value);
  }
}

function whole(bytes: Buffer): { bytes: Buffer; start: number; end: number } {
  return { bytes, start: 0, end: bytes.length };
}

const buffers = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text, 'latin1'));

/** Count 1, deleted 0, 1 field "f", 0; entry: flags 2 (same fields), +0, +0, "v", lp-count 4. */
const NODE = Buffer.from(
  `${'01 01 00 01 01 01 81 66 02 00 01 02 01 00 01 00 01 81 76 02 04 01'.replaceAll(' ', '')}ff`,
  'hex',
);
const NODE_LISTPACK = Buffer.concat([Buffer.from([NODE.length + 6, 0, 0, 0, 10, 0]), NODE]);

const STREAM: RdbStream = {
  kind: 'stream',
  nodes: [{ masterId: { millis: 5n, sequence: 2n ** 64n - 1n }, listpack: NODE_LISTPACK }],
  length: 1,
  lastId: { millis: 5n, sequence: 2n ** 64n - 1n },
  history: {
    firstId: { millis: 5n, sequence: 1n },
    maxDeletedId: { millis: 0n, sequence: 0n },
    entriesAdded: 9n,
  },
  groups: [
    {
      name: Buffer.from([0xff]),
      lastId: { millis: 5n, sequence: 0n },
      entriesRead: -1n,
      pending: [{ id: { millis: 5n, sequence: 1n }, deliveryMillis: 1_700_000_000_000, deliveryCount: 3 }],
      consumers: [
        {
          name: Buffer.from('c'),
          seenMillis: 1_700_000_000_001,
          activeMillis: 1_700_000_000_002,
          pending: [{ millis: 5n, sequence: 1n }],
        },
        { name: Buffer.from('d'), seenMillis: 1, activeMillis: undefined, pending: [] },
      ],
    },
    // RESTORE takes any number.
    {
      ...{ name: Buffer.from('lowest'), lastId: { millis: 5n, sequence: 0n }, entriesRead: -(2n ** 63n) },
      ...{ pending: [], consumers: [] },
    },
  ],
};

const ODD_STRINGS = [
  '',
  '@',
  '@db0:x',
  'ä€😀',
  '"\\/\b\f\n\r\t\0\x1f\x7f',
  '{"base64":"AA=="}',
  ' ',
  '\u2028',
];

const ALL: Written[] = [
  ...ODD_STRINGS.flatMap((text, index) => [
    { database: 0, key: Buffer.from(`k${index}`), value: string(text) },
    { database: index % 2, key: Buffer.from(text), value: string('v') },
  ]),
  { database: 0, key: Buffer.from([0xff, 0x00]), value: string(Buffer.from([0xc3, 0x28, 0x80])) },
  { database: 15, key: Buffer.from([0x40, 0xfe]), value: string('x'), expiryMillis: 1_900_000_000_000 },
  {
    database: 3,
    key: Buffer.from('e'),
    value: string(Buffer.from([0x80])),
    expiryMillis: 2 ** 63,
    frequency: 255,
  },
  { database: 3, key: Buffer.from('i'), value: string('ä'), expiryMillis: -1, idleSeconds: 2 ** 32 },
  { database: 0, key: Buffer.from('list'), value: { kind: 'list', items: buffers('a', '', '\xff', '"') } },
  { database: 0, key: Buffer.from('none'), value: { kind: 'list', items: [] } },
  {
    database: 0,
    key: Buffer.from('set'),
    value: { kind: 'set', members: buffers('1', '\xff') },
    expiryMillis: 5,
  },
  {
    database: 0,
    key: Buffer.from('hash'),
    value: {
      kind: 'hash',
      fields: [
        { field: Buffer.from('base64'), value: Buffer.from('AA=='), expiryMillis: undefined },
        { field: Buffer.from('__proto__'), value: Buffer.from([0xff]), expiryMillis: undefined },
      ],
    },
  },
  { database: 0, key: Buffer.from('no-fields'), value: { kind: 'hash', fields: [] } },
  {
    database: 0,
    key: Buffer.from('pairs'),
    value: {
      kind: 'hash',
      fields: [
        { field: Buffer.from([0xff]), value: Buffer.from('v'), expiryMillis: undefined },
        { field: Buffer.from('g'), value: Buffer.from('w'), expiryMillis: 1_900_000_000_000 },
      ],
    },
  },
  {
    database: 0,
    key: Buffer.from('zset'),
    value: {
      kind: 'zset',
      members: [-Infinity, -0, 0, 5e-324, 0.1, 1 / 3, 1e21, 1.7976931348623157e308, Infinity].map(
        (score, index) => ({
          member: Buffer.from([0x61 + index * 20]),
          score,
        }),
      ),
    },
    idleSeconds: 0,
  },
  { database: 0, key: Buffer.from('stream'), value: STREAM },
  { database: 0, key: Buffer.from('old-stream'), value: { ...STREAM, history: undefined, groups: [] } },
];

describe('JSON snapshots of our own', () => {
  test('hold every kind of value, however they are cut', () => {
    const expected = ALL.map(plainWritten);
    for (const chunkBytes of [1024, 1500, undefined]) {
      const file = write(ALL, chunkBytes);
      assert.deepEqual(readEntries(file), expected);
      for (const chunk of [1, 2, 13, 64, 1000]) assert.deepEqual(readEntries(file, chunk), expected);
    }
  });

  test('are JSON as others read it', () => {
    const file = JSON.parse(write(ALL).toString()) as {
      data: Record<string, unknown>;
      end: { keys: number };
    };
    assert.equal(file.end.keys, ALL.length);
    assert.equal(Object.keys(file.data).length, ALL.length);
    assert.equal(file.data['k3'], 'ä€😀');
    assert.equal(file.data['@db1:@'], 'v');
    assert.equal(file.data['@db0:@db0:x'], 'v');
    assert.deepEqual(file.data['@db15/base64:QP4='], {
      type: 'string',
      value: 'x',
      expire_at: 1_900_000_000_000,
    });
  });

  test('packed collections are written as plain ones', () => {
    const intset = Buffer.from('02000000020000000100ff7f', 'hex');
    const listpack = Buffer.from('0c00000002008161020701ff', 'hex');
    const packed: Written[] = [
      { database: 0, key: Buffer.from('i'), value: { kind: 'intset', bytes: intset } },
      { database: 0, key: Buffer.from('h'), value: { kind: 'hash-listpack', bytes: listpack } },
      { database: 0, key: Buffer.from('z'), value: { kind: 'zset-listpack', bytes: listpack } },
      {
        database: 0,
        key: Buffer.from('l'),
        value: {
          kind: 'quicklist',
          nodeCount: 2,
          nodes: [
            { isPacked: true, bytes: listpack },
            { isPacked: false, bytes: Buffer.from('x') },
          ],
        },
      },
    ];
    const { data } = JSON.parse(write(packed).toString()) as { data: unknown };
    assert.deepEqual(data, {
      i: { type: 'set', value: ['1', '32767'] },
      h: { type: 'hash', value: { a: '7' } },
      z: { type: 'zset', value: [['a', 7]] },
      l: { type: 'list', value: ['a', '7', 'x'] },
    });
  });

  test('long strings come in parts, and text stays text wherever it is cut', () => {
    const text = 'aä€😀 is a long word"\n'.repeat(30_000);
    const binary = Buffer.alloc(700_000, 0xff);
    const broken = Buffer.from([0xe2, 0x82]);
    const entries: Written[] = [
      { database: 0, key: Buffer.from('whole'), value: string(text), expiryMillis: 7 },
      { database: 1, key: Buffer.from([0xff]), value: string(binary) },
      ...[1, 2, 3, 5, 4096, 300_000].map((pieceBytes) => ({
        database: 0,
        key: Buffer.from(`cut ${pieceBytes}`),
        value: string(pieceBytes < 100 ? text.slice(0, 600) : text),
        pieceBytes,
      })),
      { database: 0, key: Buffer.from('cut off'), value: string(broken), pieceBytes: 1 },
      { database: 0, key: Buffer.from('empty'), value: string(''), pieceBytes: 1 },
    ];
    const file = write(entries);
    assert.deepEqual(readEntries(file), entries.map(plainWritten));
    assert.equal(file.toString().match(/base64/g)?.length, 1 + 3 + 1);
  });

  test('text of which much would have to be escaped is written in base64, unless it is short', () => {
    const values = [Buffer.alloc(600_000), Buffer.from('\n'.repeat(65)), Buffer.from('\n'.repeat(64))];
    const entries = values.map((value, i) => ({
      database: 0,
      key: Buffer.from(`k${i}`),
      value: string(value),
    }));
    const file = write(entries);
    assert.deepEqual(readEntries(file), entries.map(plainWritten));
    assert.ok(file.length < 600_000 * 1.5);
    assert.match(file.toString(), /"k1":\{"base64":"CgoK/);
    assert.match(file.toString(), /"k2":"\\n\\n/);
  });

  test('a string in pieces has as many bytes as announced', () => {
    const key = whole(Buffer.from('k'));
    const facts = { key, expiryMillis: undefined, idleSeconds: undefined, frequency: undefined };
    const begun = (): JsonSnapshotWriter => {
      const writer = new JsonSnapshotWriter(() => undefined);
      writer.begin(FACTS);
      writer.beginString(0, facts, 2);
      return writer;
    };
    assert.throws(() => begun().stringPiece(Buffer.from('abc'), 0, 3), /more bytes/);
    assert.throws(() => begun().end(), /fewer bytes/);
  });

  test('modules are refused before anything is written', () => {
    const entry: Written = {
      database: 0,
      key: Buffer.from('m'),
      value: { kind: 'module', name: 'ReJSON-RL', version: 3 },
    };
    assert.throws(() => write([entry]), /ReJSON-RL/);
  });

  test('libraries of functions survive', () => {
    const chunks: Buffer[] = [];
    const writer = new JsonSnapshotWriter((chunk) => void chunks.push(Buffer.from(chunk)));
    writer.begin(FACTS);
    writer.functionLibrary(Buffer.from('#!lua name=a\n'));
    writer.end();
    const reader = new JsonSnapshotReader(new MemorySource(whole(Buffer.concat(chunks))));
    assert.deepEqual(reader.next(), { kind: 'aux', name: 'ctime', value: Buffer.from('1700000000') });
    assert.deepEqual(reader.next(), { kind: 'function', code: Buffer.from('#!lua name=a\n') });
    assert.deepEqual(reader.next(), { kind: 'end', isChecksumVerified: true });
    assert.deepEqual(reader.next(), { kind: 'end', isChecksumVerified: true });
  });
});

const EXAMPLE: Written[] = [
  { database: 0, key: Buffer.from('user:1'), value: string('alice') },
  { database: 0, key: Buffer.from('@home'), value: string('first line\nsecond line, with ä') },
  {
    database: 0,
    key: Buffer.from('session'),
    value: string('x'),
    expiryMillis: 1_900_000_000_000,
    idleSeconds: 30,
  },
  { database: 0, key: Buffer.from('tags'), value: { kind: 'set', members: buffers('red', 'blue') } },
  { database: 3, key: Buffer.from([0xff, 0]), value: string(Buffer.from([0x80])) },
  {
    database: 3,
    key: Buffer.from('scores'),
    value: {
      kind: 'zset',
      members: [
        { member: Buffer.from('low'), score: -1.5 },
        { member: Buffer.from('high'), score: Infinity },
      ],
    },
  },
];

test('the worked example of docs/formats/json.md is what is written and read', () => {
  const page = readFileSync(new URL('../../../docs/formats/json.md', import.meta.url), 'utf8');
  const [, example] = /## Worked example.*?```text\n(.*?)```/s.exec(page) ?? [];
  assert.equal(write(EXAMPLE).toString(), example);
  assert.deepEqual(readEntries(example ?? ''), EXAMPLE.map(plainWritten));
});

describe('JSON snapshots by hand', () => {
  test('load without metadata and end, with white space and members in any order', () => {
    assert.deepEqual(stringsOf('{"data":{"user:1":"alice"}}'), { '0:user:1': 'alice' });
    assert.deepEqual(stringsOf('\ufeff{"data":{}}'), {});
    assert.deepEqual(
      stringsOf(' {\r\n\t"data" : { } , "metadata" : { "key_count" : 5, "by" : ["me", null] } }\n'),
      {},
    );
    assert.deepEqual(
      stringsOf(`{ "data": { "a" : { "expire_at" : 5, "value" : "x\\u00e4\\ud83d\\ude00\\/" ,
        "type" : "string" } ,
        "b": 42, "c": -1.50, "@db7:d" : {"base64":"AAE="}, "@db0:@":"at", "\\u0040db1:e": "" },
        "metadata": {"version":1} }`),
      { '0:a': 'xä😀/', '0:b': '42', '0:c': '-1.50', '7:d': '\0\u0001', '0:@': 'at', '1:e': '' },
    );
  });

  const refused: Record<string, [file: string, reason: RegExp]> = {
    nothing: ['', /unexpected end \(at byte 0\)/],
    'another file': ['{"name":"x"}', /unknown member "name"/],
    'an empty object': ['{}', /no "data"/],
    'only metadata': ['{"metadata":{"version":1}}', /no "data"/],
    'a later version': ['{"metadata":{"version":2},"data":{}}', /version 2/],
    'two sections of a name': ['{"data":{},"data":{}}', /"data" occurs twice/],
    'end before data': ['{"end":{},"data":{}}', /not the last/],
    'something behind the end': ['{"data":{}} x', /something follows the end \(at byte 12\)/],
    'a comma too many': ['{"data":{"a":"b",}}', /a string expected \(at byte 17\)/],
    'a comma too many outside': ['{"data":{},}', /a name expected/],
    'no comma': ['{"data":{"a":"b" "c":"d"}}', /"," or "}" expected \(at byte 17\)/],
    'an unknown name with @': ['{"data":{"@x":"b"}}', /@db0:@/],
    'an array as value': ['{"data":{"a":["b"]}}', /value expected/],
    'null as value': ['{"data":{"a":null}}', /string or/],
    'a number that is none': ['{"data":{"a":01}}', /value expected/],
    'no type': ['{"data":{"a":{"value":"b"}}}', /needs "type" and "value"/],
    'no value': ['{"data":{"a":{"type":"list"}}}', /needs "type" and "value"/],
    'an unknown type': ['{"data":{"a":{"type":"tree","value":[]}}}', /unknown type "tree"/],
    'an unknown fact': ['{"data":{"a":{"type":"list","value":[],"ttl":5}}}', /unknown member "ttl"/],
    'a fact twice': ['{"data":{"a":{"type":"list","type":"list","value":[]}}}', /"type" occurs twice/],
    'a string that is a list': ['{"data":{"a":{"type":"list","value":"b"}}}', /no value of type "list"/],
    'a time with a fraction': [
      '{"data":{"a":{"type":"string","value":"b","expire_at":1.5}}}',
      /milliseconds/,
    ],
    'a frequency too high': ['{"data":{"a":{"type":"string","value":"b","freq":256}}}', /in range/],
    'base64 with a fault': ['{"data":{"a":{"base64":"AB=="}}}', /not base64/],
    'a pair of three': ['{"data":{"a":{"type":"zset","value":[["m",1,2]]}}}', /array of 2/],
    'a score that is none': ['{"data":{"a":{"type":"zset","value":[["m","nan"]]}}}', /score/],
    'half a character': ['{"data":{"a":"\\ud83d"}}', /surrogate/],
    'an unknown escape': ['{"data":{"a":"\\x"}}', /unknown escape in a string \(at byte 14\)/],
    'a line break in a string': ['{"data":{"a":"\n"}}', /control character/],
    'arrays without end': [`{"data":{},"metadata":{"a":${'['.repeat(100_000)}`, /within each other/],
    'a damaged stream': [
      '{"data":{"a":{"type":"stream","value":{"length":1,"last_id":"1-1","nodes":[],"groups":[]}}}}',
      /stream/,
    ],
  };
  for (const [what, [file, reason]] of Object.entries(refused)) {
    test(`${what}: refused`, () => {
      assert.throws(
        () => readEntries(file),
        (error) => error instanceof RdbError && reason.test(error.message),
      );
    });
  }

  test('bytes that are not UTF-8 are refused', () => {
    const file = Buffer.from('{"data":{"a":"\xe4"}}', 'latin1');
    assert.throws(() => readEntries(file), /not UTF-8/);
  });

  test('a changed file is refused until the line of "end" is removed', () => {
    const file = write(ALL).toString();
    const changed = file.replace('"v"', '"w"');
    assert.throws(() => readEntries(changed), /wrong checksum/);
    const lines = changed.split('\n').filter((line) => !line.startsWith(',"end"'));
    assert.equal(readEntries(lines.join('\n')).length, ALL.length);
  });

  test('a line that went missing is noticed without a checksum, if the count is there', () => {
    assert.throws(() => readEntries('{"data":{"a":"b"},"end":{"keys":2}}'), /has 1 keys/);
  });
});

describe('damage', () => {
  const small = ALL.filter(({ value }) => value.kind !== 'list');

  test('every prefix is refused', () => {
    const file = write(small);
    for (let length = 0; length < file.length; length++) {
      const text = file.subarray(0, length);
      // Without the last line break it is whole.
      if (length === file.length - 1) assert.equal(readEntries(text).length, small.length);
      else assert.throws(() => readEntries(text), RdbError, `${length} bytes`);
    }
  });

  test('every flipped bit before the last lines is noticed', () => {
    const file = write(small.slice(0, 12));
    const last = file.indexOf('\n,"end"');
    for (let bit = 0; bit < last * 8; bit++) {
      const damaged = Buffer.from(file);
      damaged[bit >>> 3]! ^= 1 << (bit & 7);
      assert.throws(() => readEntries(damaged), RdbError, `bit ${bit}`);
    }
  });

  test('without a checksum damage gives other content or an error, and nothing else', (context) => {
    const seed = SeededRandom.newSeed();
    context.diagnostic(`seed ${seed}`);
    const random = new SeededRandom(seed);
    const file = Buffer.from(
      write(ALL)
        .toString()
        .replace(/,"end".*\n/, ''),
    );
    for (let round = 0; round < 20_000; round++) {
      const damaged = Buffer.from(file);
      for (let flips = random.integer(1, 3); flips > 0; flips--) {
        const bit = random.integer(0, file.length * 8 - 1);
        damaged[bit >>> 3]! ^= 1 << (bit & 7);
      }
      try {
        readEntries(damaged);
      } catch (error) {
        if (!(error instanceof RdbError)) throw error;
      }
    }
  });
});

test('what was read can be written as RDB, byte for byte as the original', () => {
  const bytesOf = (value: RdbWritable): string => {
    const chunks: Buffer[] = [];
    const onChunk = (chunk: Buffer): void => void chunks.push(Buffer.from(chunk));
    const output = new RdbOutput({ onChunk, isCompressing: false, isChecksumming: false });
    writeValue(output, value);
    output.flush();
    return Buffer.concat(chunks).toString('hex');
  };
  const reader = new JsonSnapshotReader(new MemorySource(whole(write(ALL))));
  const values: string[] = [];
  for (let item = reader.next(); item.kind !== 'end'; item = reader.next()) {
    if (item.kind === 'entry') values.push(bytesOf(item.value));
  }
  assert.deepEqual(
    values,
    ALL.map(({ value }) => bytesOf(value)),
  );
});
