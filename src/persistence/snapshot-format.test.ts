import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { redisSkipReason, startRedis } from '../../test/support/server-process.ts';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { AofReader } from './aof-reader.ts';
import { RdbError } from './rdb-error.ts';
import { MemorySource } from './rdb-input.ts';
import { RdbReader } from './rdb-reader.ts';
import type { RdbElements, RdbKeyFacts, RdbStream, RdbWritable, StreamId } from './rdb-values.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { createSnapshotSink, formatOfName, type FormatSink, type SnapshotFormat } from './snapshot-format.ts';
import type { SnapshotFacts } from './snapshot-sink.ts';

const POLL_MILLIS = 10;

const FACTS: SnapshotFacts = {
  unixMillis: 1_700_000_000_999,
  keyCount: 3,
  databases: [
    { index: 0, keyCount: 2, expiringCount: 1 },
    { index: 7, keyCount: 1, expiringCount: 0 },
  ],
  usedMemory: 123_456,
  isAofBase: true,
};

function range(text: string): { bytes: Buffer; start: number; end: number } {
  const bytes = Buffer.from(text);
  return { bytes, start: 0, end: bytes.length };
}

function facts(key: string, expiryMillis?: number): RdbKeyFacts {
  return { key: range(key), expiryMillis, idleSeconds: undefined, frequency: undefined };
}

function string(text: string): RdbWritable {
  return { kind: 'string', ...range(text) };
}

function write(format: SnapshotFormat, fill: (sink: FormatSink) => void): Buffer {
  const chunks: Buffer[] = [];
  const onChunk = (chunk: Buffer): void => void chunks.push(Buffer.from(chunk));
  const sink = createSnapshotSink(format, onChunk, { isCompressing: true, isChecksumming: true });
  sink.begin(FACTS);
  fill(sink);
  sink.end();
  return Buffer.concat(chunks);
}

function writeThree(sink: FormatSink): void {
  sink.entry(0, { ...facts('a'), value: string('1') });
  sink.entry(7, { ...facts('b'), value: string('2') });
  sink.beginString(0, facts('c', 1_900_000_000_000), 5);
  sink.stringPiece(Buffer.from('xabcx'), 1, 4);
  sink.stringPiece(Buffer.from('de'), 0, 2);
}

function text(bytes: { readonly bytes: Uint8Array; readonly start: number; readonly end: number }): string {
  return Buffer.from(bytes.bytes.subarray(bytes.start, bytes.end)).toString();
}

test('RDB: facts first, each database announced once, selected when it changes', () => {
  const reader = new RdbReader(new MemorySource(rangeOf(write('rdb', writeThree))));
  const items: string[] = [];
  for (let item = reader.next(); item.kind !== 'end'; item = reader.next()) {
    if (item.kind === 'aux') items.push(`${item.name} ${item.value.toString()}`);
    else if (item.kind === 'database') items.push(`database ${item.database}`);
    else if (item.kind === 'resize') items.push(`resize ${item.keyCount} ${item.expiryCount}`);
    else if (item.kind === 'entry' && item.value.kind === 'string')
      items.push(`${text(item.key)}=${text(item.value)} ${item.expiryMillis ?? 'never'}`);
  }
  assert.deepEqual(items, [
    'redis-ver 7.0.15',
    'redis-bits 64',
    'ctime 1700000000',
    'used-mem 123456',
    'aof-base 1',
    'database 0',
    'resize 2 1',
    'a=1 never',
    'database 7',
    'resize 1 0',
    'b=2 never',
    'database 0',
    'c=abcde 1900000000000',
  ]);
});

function rangeOf(bytes: Buffer): { bytes: Buffer; start: number; end: number } {
  return { bytes, start: 0, end: bytes.length };
}

function commandsOf(file: Buffer): string[] {
  const disk = new SimulatedDisk();
  disk.plant('/data/base.aof', file);
  const reader = new AofReader({ disk, path: '/data/base.aof' });
  const commands: string[] = [];
  while (reader.next()) {
    const words = Array.from({ length: reader.request.count }, (_, i) => reader.request.text(i));
    commands.push(words.join(' '));
  }
  reader.close();
  assert.deepEqual(reader.end, { kind: 'complete', offset: file.length });
  return commands;
}

test('commands: as Redis rewrites them, whole groups with checksums', () => {
  assert.deepEqual(commandsOf(write('aof', writeThree)), [
    'select 0',
    'SET a 1',
    'select 7',
    'SET b 2',
    'select 0',
    'SET c abcde',
    'PEXPIREAT c 1900000000000',
  ]);
});

test('commands: collections in commands of 64 elements', () => {
  const members = Array.from({ length: 65 }, (_, i) => Buffer.from(String(i)));
  const commands = commandsOf(
    write('aof', (sink) => {
      sink.entry(0, { ...facts('l', 5), value: { kind: 'list', items: members } });
      sink.entry(0, { ...facts('s'), value: { kind: 'set', members: members.slice(0, 2) } });
      const fields = members.slice(0, 2).map((field) => ({ field, value: field, expiryMillis: undefined }));
      sink.entry(0, { ...facts('h'), value: { kind: 'hash', fields } });
      const scores = [-Infinity, -0, 1.5, 1e100, Infinity];
      const scored = scores.map((score, i) => ({ score, member: members[i]! }));
      sink.entry(0, { ...facts('z'), value: { kind: 'zset', members: scored } });
    }),
  );
  assert.deepEqual(commands, [
    'select 0',
    `RPUSH l ${members.slice(0, 64).join(' ')}`,
    'RPUSH l 64',
    'PEXPIREAT l 5',
    'SADD s 0 1',
    'HMSET h 0 0 1 1',
    'ZADD z -inf 0 -0 1 1.5 2 1e+100 3 inf 4',
  ]);
});

test('commands: many groups, and a string longer than all buffers', () => {
  const long = 'x'.repeat(600_000);
  const file = write('aof', (sink) => {
    for (let i = 0; i < 10_000; i++) sink.entry(0, { ...facts(`key ${i}`), value: string('value') });
    sink.beginString(0, facts('long', 9), long.length);
    for (let at = 0; at < long.length; at += 100_000) sink.stringPiece(Buffer.from(long), at, at + 100_000);
    sink.beginString(0, facts('empty'), 0);
    sink.entry(0, { ...facts('whole'), value: string(long) });
  });
  const commands = commandsOf(file);
  assert.equal(commands.length, 10_005);
  assert.equal(commands[9000], 'SET key 8999 value');
  assert.deepEqual(commands.slice(10_001), [
    `SET long ${long}`,
    'PEXPIREAT long 9',
    'SET empty ',
    `SET whole ${long}`,
  ]);
});

test('commands: every flipped bit is noticed, or changes nothing but an annotation', () => {
  const file = write('aof', writeThree);
  const whole = commandsOf(file);
  for (let bit = 0; bit < file.length * 8; bit++) {
    const damaged = Buffer.from(file);
    damaged[bit >>> 3]! ^= 1 << (bit & 7);
    let commands: string[];
    try {
      commands = commandsOf(damaged);
    } catch (error) {
      assert.ok(error instanceof assert.AssertionError, String(error));
      continue;
    }
    assert.deepEqual(commands, whole, `bit ${bit}`);
  }
});

test('commands: what has none is refused, before anything is written', () => {
  const value = { kind: 'module', name: 'ReJSON-RL', version: 1 } as const;
  const file = write('aof', (sink) => {
    assert.throws(() => sink.entry(0, { ...facts('k'), value }), RdbError);
  });
  assert.deepEqual(commandsOf(file), []);
});

test('commands: a stream with groups, and one without entries', () => {
  const id = (millis: bigint): StreamId => ({ millis, sequence: 1n });
  const empty: RdbStream = {
    kind: 'stream',
    nodes: [],
    length: 0,
    lastId: id(5n),
    history: { firstId: id(0n), maxDeletedId: id(5n), entriesAdded: 7n },
    groups: [
      {
        name: Buffer.from('g'),
        lastId: id(4n),
        entriesRead: -1n,
        pending: [{ id: id(3n), deliveryMillis: 99, deliveryCount: 2 }],
        consumers: [
          { name: Buffer.from('idle'), seenMillis: 5, activeMillis: undefined, pending: [] },
          { name: Buffer.from('busy'), seenMillis: 5, activeMillis: undefined, pending: [id(3n)] },
        ],
      },
    ],
  };
  const file = write('aof', (sink) => sink.entry(0, { ...facts('s', 1_900_000_000_000), value: empty }));
  assert.deepEqual(commandsOf(file), [
    'select 0',
    'XADD s MAXLEN 0 0-1 x y',
    'XSETID s 5-1 ENTRIESADDED 7 MAXDELETEDID 5-1',
    'XGROUP CREATE s g 4-1 ENTRIESREAD -1',
    'XGROUP CREATECONSUMER s g idle',
    'XCLAIM s g busy 0 3-1 TIME 99 RETRYCOUNT 2 JUSTID FORCE',
    'PEXPIREAT s 1900000000000',
  ]);
});

test('commands: fields that expire', () => {
  const fields = ['a', 'b'].map((field, i) => ({
    field: Buffer.from(field),
    value: Buffer.from('v'),
    expiryMillis: i === 0 ? undefined : 1_900_000_000_000,
  }));
  const file = write('aof', (sink) => sink.entry(0, { ...facts('h'), value: { kind: 'hash', fields } }));
  assert.deepEqual(commandsOf(file), [
    'select 0',
    'HMSET h a v b v',
    'HPEXPIREAT h 1900000000000 FIELDS 1 b',
  ]);
});

/** Elements as a snapshot gives them. */
function elements(type: RdbElements['type'], first: number, count: number): RdbElements {
  let index = first - 1;
  const cursor = {
    next: () => ++index < first + count,
    get element() {
      return range(`element ${index}`);
    },
    get value() {
      return range(`value ${index}`);
    },
    get expiryMillis() {
      return type === 'hash' && index % 3 === 0 ? 1_900_000_000_000 + index : undefined;
    },
    get score() {
      return index / 4;
    },
  };
  return { kind: 'elements', type, count, hasExpiry: type === 'hash', cursor };
}

/** A listpack of one short element. */
function listpackOf(text: string): Buffer {
  const head = Buffer.from([text.length + 9, 0, 0, 0, 1, 0, 0x80 | text.length]);
  return Buffer.concat([head, Buffer.from(text), Buffer.from([text.length + 1, 0xff])]);
}

for (const format of ['json', 'rdb', 'aof'] as const) {
  test(`${format}: a collection in pieces reads as one in a piece`, () => {
    const COUNT = 300;
    const write3 = (pieceCounts: readonly number[]): Buffer =>
      write(format, (sink) => {
        for (const type of ['set', 'hash', 'zset'] as const) {
          sink.beginCollection(0, facts(type, 5), { kind: type, count: COUNT, hasExpiry: type === 'hash' });
          let first = 0;
          for (const count of pieceCounts) {
            sink.collectionPiece(elements(type, first, count));
            first += count;
          }
          sink.endCollection();
        }
        sink.beginCollection(7, facts('list'), { kind: 'list', nodeCount: COUNT });
        let first = 0;
        for (const count of pieceCounts) {
          const nodes = Array.from({ length: count }, (_, i) => listpackOf(`item ${first + i}`));
          sink.collectionPiece({
            kind: 'list-nodes',
            nodes: nodes.map((bytes) => ({ isPacked: true, bytes })),
          });
          first += count;
        }
        sink.endCollection();
      });
    const whole = write3([COUNT]);
    assert.deepEqual(write3([1, 63, 0, 65, 128, 43]), whole);
    if (format === 'rdb') {
      const asEntries = write(format, (sink) => {
        for (const type of ['set', 'hash', 'zset'] as const) {
          sink.entry(0, { ...facts(type, 5), value: elements(type, 0, COUNT) });
        }
        const nodes = Array.from({ length: COUNT }, (_, i) => ({
          isPacked: true,
          bytes: listpackOf(`item ${i}`),
        }));
        sink.entry(7, { ...facts('list'), value: { kind: 'quicklist', nodeCount: COUNT, nodes } });
      });
      assert.deepEqual(asEntries, whole);
    }
  });

  test(`${format}: a collection in pieces has as many elements as announced`, () => {
    for (const count of [1, 3]) {
      assert.throws(
        () =>
          write(format, (sink) => {
            sink.beginCollection(0, facts('k'), { kind: 'set', count: 2, hasExpiry: false });
            sink.collectionPiece(elements('set', 0, count));
            sink.endCollection();
          }),
        /more than announced/,
      );
    }
  });
}

test('a string in pieces has as many bytes as announced', () => {
  for (const format of ['json', 'rdb', 'aof'] as const) {
    const begun = (fill: (sink: FormatSink) => void): (() => Buffer) => {
      return () =>
        write(format, (sink) => {
          sink.beginString(0, facts('k'), 2);
          fill(sink);
        });
    };
    assert.throws(
      begun((sink) => sink.stringPiece(Buffer.from('abc'), 0, 3)),
      /more bytes/,
      format,
    );
    assert.throws(
      begun((sink) => sink.stringPiece(Buffer.from('a'), 0, 1)),
      /fewer bytes/,
      format,
    );
  }
});

test('the name of a file chooses between JSON and RDB', () => {
  assert.deepEqual(['dump.json', 'DUMP.JSON', 'dump.rdb', 'dump', 'json'].map(formatOfName), [
    'json',
    'json',
    'rdb',
    'rdb',
    'rdb',
  ]);
});

test('commands: a real Redis loads them', { skip: redisSkipReason() }, async () => {
  const directory = temporaryDirectory();
  const path = (name: string): string => join(directory.path, 'appendonlydir', name);
  const words = ['a', 'b\r\n', '', '\u{1f600}'].map((word) => Buffer.from(word));
  mkdirSync(path(''));
  writeFileSync(
    path('appendonly.aof.1.base.aof'),
    write('aof', (sink) => {
      for (let i = 0; i < 5000; i++) sink.entry(0, { ...facts(`key ${i}`), value: string('value') });
      sink.entry(7, { ...facts('list', 1_900_000_000_000), value: { kind: 'list', items: words } });
      const scored = [-Infinity, -2.5, 1e20, Infinity].map((score, i) => ({ score, member: words[i]! }));
      sink.entry(0, { ...facts('zset'), value: { kind: 'zset', members: scored } });
    }),
  );
  writeFileSync(path('appendonly.aof.manifest'), 'file appendonly.aof.1.base.aof seq 1 type b\n');
  const server = await startRedis(['--dir', directory.path, '--appendonly', 'yes']);
  try {
    const client = await server.connect();
    while ((await client.text('PING')).startsWith('-LOADING')) await sleep(POLL_MILLIS);
    assert.equal(await client.text('DBSIZE'), ':5001');
    assert.equal(await client.text('GET', 'key 4999'), '"value"');
    assert.equal(
      await client.text('ZRANGE', 'zset', '0', '-1', 'WITHSCORES'),
      '*["a", "-inf", "b\\r\\n", "-2.5", "", "1e+20", "\\xf0\\x9f\\x98\\x80", "inf"]',
    );
    await client.command('SELECT', 7);
    assert.equal(
      await client.text('LRANGE', 'list', '0', '-1'),
      '*["a", "b\\r\\n", "", "\\xf0\\x9f\\x98\\x80"]',
    );
    assert.equal(await client.text('PEXPIRETIME', 'list'), ':1900000000000');
    client.close();
  } finally {
    await server.stop();
    directory.remove();
  }
});
