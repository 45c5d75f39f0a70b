import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { LoadedStore } from '../../test/support/loading.ts';
import { AofPaths, loadManifest } from './aof-manifest.ts';
import { RdbWriter, type RdbWritableEntry } from './rdb-writer.ts';
import type { RdbWritable } from './rdb-values.ts';
import { RecoveryError } from './recovery-error.ts';
import type { RecoveryOptions, RecoveryResult } from './recovery.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { siblingOf } from './snapshot-source.ts';

const store = new LoadedStore();
after(() => store.dispose());

const NOW = store.clock.wallMillis();
const MANIFEST = '/data/appendonlydir/appendonly.aof.manifest';
const BASE = '/data/appendonlydir/appendonly.aof.1.base.aof';
const FIRST = '/data/appendonlydir/appendonly.aof.1.incr.aof';
const SECOND = '/data/appendonlydir/appendonly.aof.2.incr.aof';
const SINGLE = '/data/appendonly.aof';
const TORN = '*3\r\n$3\r\nSE';

let disk = new SimulatedDisk();

beforeEach(() => {
  disk = new SimulatedDisk();
  disk.makeDirectory('/data/appendonlydir');
});

function plant(path: string, content: string | Uint8Array): void {
  disk.plant(path, typeof content === 'string' ? Buffer.from(content, 'latin1') : content);
}

/** A manifest of base and increments with these contents; undefined: the manifest does not name it. */
function plantAof(base: string | Uint8Array | undefined, first: string, second?: string): void {
  let manifest = '';
  if (base !== undefined) {
    manifest += 'file appendonly.aof.1.base.aof seq 1 type b\n';
    plant(BASE, base);
  }
  manifest += 'file appendonly.aof.1.incr.aof seq 1 type i\n';
  plant(FIRST, first);
  if (second !== undefined) {
    manifest += 'file appendonly.aof.2.incr.aof seq 2 type i\n';
    plant(SECOND, second);
  }
  plant(MANIFEST, manifest);
}

function records(...lines: string[]): string {
  return lines
    .map((line) => line.split(' '))
    .map((args) => `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`)
    .join('');
}

function string(key: string, value: string, facts: Partial<RdbWritableEntry> = {}): RdbWritableEntry {
  const bytes = Buffer.from(value);
  return keyed(key, { kind: 'string', bytes, start: 0, end: bytes.length }, facts);
}

function keyed(key: string, value: RdbWritable, facts: Partial<RdbWritableEntry> = {}): RdbWritableEntry {
  const bytes = Buffer.from(key);
  const range = { bytes, start: 0, end: bytes.length };
  const none = { expiryMillis: undefined, idleSeconds: undefined, frequency: undefined };
  return { key: range, value, ...none, ...facts };
}

/** An RDB file of entries, by database. */
function rdb(databases: Record<number, RdbWritableEntry[]>, code?: string): Buffer {
  const chunks: Buffer[] = [];
  const writer = new RdbWriter({
    onChunk: (chunk) => void chunks.push(Buffer.from(chunk)),
    isCompressing: true,
    isChecksumming: true,
  });
  writer.writeHeader({ 'redis-ver': '7.0.15', ctime: NOW / 1000 - 60, 'used-mem': 3 * 1024 * 1024 });
  if (code !== undefined) writer.writeFunction(Buffer.from(code));
  for (const [index, entries] of Object.entries(databases)) {
    writer.selectDatabase(Number(index));
    writer.resizeDatabase(entries.length, 0);
    for (const entry of entries) writer.writeEntry(entry);
  }
  writer.end();
  return Buffer.concat(chunks);
}

function load(options: Partial<RecoveryOptions> = {}): RecoveryResult {
  const result = store.load(disk, '/data', options);
  assert.equal(disk.openCount, 0);
  return result;
}

/** The start is refused, and nothing on the disk has changed. */
function refuses(expected: RegExp, options: Partial<RecoveryOptions> = {}): void {
  const paths = [MANIFEST, BASE, FIRST, SECOND, SINGLE, '/data/dump.rdb'].filter((path) => disk.exists(path));
  const before = paths.map((path) => disk.contents(path));
  assert.throws(
    () => store.load(disk, '/data', options),
    (error) => {
      assert.ok(error instanceof RecoveryError, String(error));
      assert.match(error.message, expected);
      return true;
    },
  );
  assert.equal(disk.openCount, 0);
  assert.deepEqual(
    paths.map((path) => disk.contents(path)),
    before,
  );
}

function logged(pattern: RegExp): boolean {
  return store.log.lines.some((line) => pattern.test(line));
}

// Which data ------------------------------------------------------------------------------------------------

test('an empty directory: nothing, from nowhere', () => {
  const { source, manifest, mustWriteBase, keysLoaded } = load();
  assert.deepEqual(
    { source, manifest, mustWriteBase, keysLoaded },
    {
      source: 'empty',
      manifest: undefined,
      mustWriteBase: false,
      keysLoaded: 0,
    },
  );
});

test('with appendonly, the append-only file comes before a snapshot', () => {
  plantAof(records('SET from base'), records('SET more yes'));
  plant('/data/dump.rdb', rdb({ 0: [string('from', 'snapshot')] }));
  const result = load();
  assert.deepEqual(store.content(), ['from=base', 'more=yes']);
  assert.equal(result.source, 'aof');
  assert.equal(result.mustWriteBase, false);
  assert.equal(result.keysLoaded, 2);
  assert.equal(result.manifest?.increments[0]?.name, 'appendonly.aof.1.incr.aof');
  assert.equal(result.aofBaseBytes, disk.contents(BASE).length);
  assert.equal(result.aofBytes, disk.contents(BASE).length + disk.contents(FIRST).length);
  assert.ok(logged(/^Loading data from AOF file…/));
  assert.ok(logged(/^DB loaded from append only file: \d+\.\d{3} seconds, 2 keys$/));
});

test('with appendonly and no append-only file, a snapshot is loaded and a base is asked for', () => {
  plant('/data/dump.rdb', rdb({ 0: [string('a', '1')] }));
  const result = load();
  assert.deepEqual(store.content(), ['a=1']);
  assert.equal(result.source, 'snapshot');
  assert.equal(result.mustWriteBase, true);
  assert.ok(logged(/^Loading data from snapshot… \(\/data\/dump\.rdb,/));
  assert.ok(logged(/^DB loaded from disk: \d+\.\d{3} seconds, 1 keys$/));
});

test('an append-only file without base and commands does not hide a snapshot', () => {
  plantAof(undefined, '', '');
  assert.equal(load().source, 'aof');
  plant('/data/dump.rdb', rdb({ 0: [string('a', '1')] }));
  const result = load();
  assert.deepEqual(store.content(), ['a=1']);
  assert.equal(result.mustWriteBase, true);
  assert.equal(result.manifest?.increments.length, 2);
  plant(SECOND, records('FLUSHALL'));
  assert.equal(load({ run: () => undefined }).source, 'aof');
});

test('without appendonly, a snapshot comes first, and an append-only file is used if there is none', () => {
  plantAof(records('SET from base'), '');
  assert.equal(load({ isAppendOnly: false }).source, 'aof');
  assert.deepEqual(store.content(), ['from=base']);
  assert.ok(logged(/although appendonly is off/));
  plant('/data/dump.rdb', rdb({ 0: [string('from', 'snapshot')] }));
  assert.equal(load({ isAppendOnly: false }).source, 'snapshot');
  assert.deepEqual(store.content(), ['from=snapshot']);
  assert.ok(logged(/It is ignored: appendonly is off/));
});

test('the sibling of a snapshot is loaded when there is no snapshot of the name', () => {
  assert.equal(siblingOf('dump.json'), 'dump.rdb');
  assert.equal(siblingOf('dump.rdb'), 'dump.json');
  assert.equal(siblingOf('dump.data.old'), 'dump.data.json');
  assert.equal(siblingOf('dump'), 'dump.json');
  plant('/data/dump.rdb', rdb({ 0: [string('a', '1')] }));
  load({ snapshotName: 'dump.json' });
  assert.deepEqual(store.content(), ['a=1']);
  assert.equal(load({ snapshotName: '' }).source, 'empty');
});

test('what a snapshot is, its first bytes decide', () => {
  plant('/data/dump.json', rdb({ 0: [string('a', '1')] }));
  load({ snapshotName: 'dump.json' });
  assert.deepEqual(store.content(), ['a=1']);
  assert.ok(logged(/it is RDB/));
  plant('/data/x.rdb', ' {"metadata":{"version":1,"timestamp":1,"key_count":1},"data":{"b":"2"}}');
  load({ snapshotName: 'x.rdb' });
  assert.deepEqual(store.content(), ['b=2']);
  assert.ok(logged(/it is JSON/));
  plant('/data/dump.rdb', 'something else');
  refuses(/\/data\/dump\.rdb, at offset 0: not an RDB file/);
  plant('/data/dump.rdb', '');
  refuses(/\/data\/dump\.rdb, at offset 0: unexpected end/);
});

// Append-only files -----------------------------------------------------------------------------------------

test('a single file of an older version is taken over', () => {
  plant(SINGLE, records('SELECT 3', 'SET a 1'));
  const { manifest } = load();
  assert.deepEqual(store.content(3), ['a=1']);
  assert.deepEqual(manifest?.base, { name: 'appendonly.aof', sequence: 1 });
  assert.ok(!disk.exists(SINGLE));
  assert.deepEqual(loadManifest(disk, new AofPaths('/data', 'appendonlydir', 'appendonly.aof')), manifest);
  load();
  assert.deepEqual(store.content(3), ['a=1']);
});

test('without appendonly, a single file is read where it is', () => {
  plant(SINGLE, records('SET a 1') + TORN);
  assert.equal(load({ isAppendOnly: false }).source, 'aof');
  assert.deepEqual(store.content(), ['a=1']);
  assert.equal(disk.contents(SINGLE).length, (records('SET a 1') + TORN).length);
});

test('a snapshot at the start of a base or of a single file', () => {
  const preamble = rdb({ 0: [string('a', '1')], 2: [string('b', '2')] });
  const file = Buffer.concat([preamble, Buffer.from(records('SET a 3'))]);
  plantAof(file, 'set c "4 5"\n');
  load();
  assert.deepEqual([store.content(), store.content(2)], [['a=3', 'c=4 5'], ['b=2']]);
  plant(BASE, preamble);
  load();
  assert.deepEqual(store.content(), ['a=1', 'c=4 5']);

  disk = new SimulatedDisk();
  disk.makeDirectory('/data');
  plant(SINGLE, file);
  load();
  assert.deepEqual([store.content(), store.content(2)], [['a=3'], ['b=2']]);
});

test('transactions are run whole; each file begins with database 0', () => {
  plantAof(
    undefined,
    records('SELECT 1', 'MULTI', 'SET a 1', 'SELECT 2', 'SET b 2', 'EXEC'),
    records('SET c 3'),
  );
  load();
  assert.deepEqual([store.content(), store.content(1), store.content(2)], [['c=3'], ['a=1'], ['b=2']]);
  plant(SECOND, records('SET c 3', 'MULTI', 'SET c 4'));
  load();
  assert.deepEqual(store.content(), ['c=3']);
  assert.equal(disk.contents(SECOND).toString(), records('SET c 3'));
});

test('keys do not expire while an append-only file is loaded', () => {
  const past = NOW - 1000;
  plantAof(
    rdb({ 0: [string('base', '1', { expiryMillis: past })] }),
    records(`SET a 1 PXAT ${past}`, 'PERSIST a'),
  );
  load();
  assert.deepEqual(store.content(), ['a=1', `base=1@${past}`]);
  assert.equal(store.keyspace.ignoresExpiry, false);
});

test('a torn end is cut off the last file that has a command', () => {
  plantAof(records('SET a 1'), records('SET b 2'), records('SET c 3') + TORN);
  load();
  assert.deepEqual(store.content(), ['a=1', 'b=2', 'c=3']);
  assert.equal(disk.contents(SECOND).toString(), records('SET c 3'));
  assert.ok(logged(/Truncating the AOF appendonly\.aof\.2\.incr\.aof from \d+ bytes to offset 27/));

  plantAof(undefined, records('SET b 2') + TORN, TORN);
  load();
  assert.deepEqual(store.content(), ['b=2']);
  assert.deepEqual(
    [disk.contents(FIRST).toString(), disk.contents(SECOND).toString()],
    [records('SET b 2'), ''],
  );
});

test('a torn end is refused where a cut would lose what holds together, or when it is not wanted', () => {
  plantAof(records('SET a 1'), records('SET b 2') + TORN, records('SET c 3'));
  refuses(/1\.incr\.aof, at offset 27: short read, and it is not the last file/);
  plantAof(records('SET a 1') + TORN, '');
  refuses(/1\.base\.aof, at offset 27: short read/);
  plantAof(undefined, records('SET b 2') + TORN, 'garbage"\n');
  refuses(/1\.incr\.aof, at offset 27/);
  plantAof(records('SET a 1'), records('SET b 2') + TORN);
  refuses(/1\.incr\.aof, at offset 27: unexpected end of file .* set aof-load-truncated to yes/, {
    loadsTruncated: false,
  });
});

test('damage is refused: file and offset are named', () => {
  plantAof(records('SET a 1'), `${records('SET b 2')}\x01${records('SET c 3')}`);
  refuses(
    /^\/data\/appendonlydir\/appendonly\.aof\.1\.incr\.aof, at offset 27: bad file format: .*check-aof --fix/,
  );
});

test('commands that cannot be run', () => {
  plantAof(undefined, records('SET a x', 'INCR a', 'GETSET', 'SET b 1'));
  const { failedCommands } = load();
  assert.equal(failedCommands, 2);
  assert.deepEqual(store.content(), ['a=x', 'b=1']);
  assert.ok(
    logged(/CRITICAL.*'INCR' at offset 27 of appendonly\.aof\.1\.incr\.aof .*'-ERR value is not an integer/),
  );
  assert.ok(logged(/^2 commands of the append-only file ended with an error$/));
  plantAof(undefined, records('SET a x', 'FLY away'));
  refuses(/1\.incr\.aof, at offset 27: unknown command 'FLY'/);
  plantAof(undefined, records('SET a x', 'SELECT 16'));
  refuses(/1\.incr\.aof, at offset 27: the data has a database 16, but this server is configured for 16/);
  plantAof(undefined, records('SELECT one'));
  refuses(/1\.incr\.aof, at offset 0: the data has a database one/);
});

test('manifests that are wrong, files that are missing or cannot be read', () => {
  plantAof(undefined, '', '');
  disk.unlink(FIRST);
  refuses(/1\.incr\.aof: the manifest names appendonly\.aof\.1\.incr\.aof, but there is no such file/);
  plant(MANIFEST, 'file x seq 1 type i\nnonsense\n');
  refuses(/manifest: Invalid AOF manifest file format, line 2: 'nonsense'/);
  plant(MANIFEST, '');
  refuses(/manifest: Found an empty AOF manifest/);
  plantAof(records('SET a 1'), records('SET b 2'));
  for (let n = 1; ; n++) {
    disk.clearFault();
    disk.failOperation(n, 'EIO');
    try {
      load();
      assert.ok(n > 10);
      break;
    } catch (error) {
      assert.ok(error instanceof RecoveryError, String(error));
      assert.match(error.message, /Input\/output error/);
      assert.equal(disk.openCount, 0);
    }
  }
});

// Snapshots -------------------------------------------------------------------------------------------------

test('keys, expiry, databases; a key that has expired is dropped and counted', () => {
  const dead = string('dead', '1', { expiryMillis: NOW - 1 });
  const alive = string('alive', '1', { expiryMillis: NOW });
  const long = string('long', 'x'.repeat(5000), { expiryMillis: NOW + 5 });
  plant('/data/dump.rdb', rdb({ 0: [dead, alive, string('int', '-17')], 15: [long] }));
  const { keysLoaded, keysExpired } = load();
  assert.deepEqual({ keysLoaded, keysExpired }, { keysLoaded: 3, keysExpired: 1 });
  assert.deepEqual(store.content(), [`alive=1@${NOW}`, 'int=-17']);
  assert.deepEqual(store.content(15), [`long=${'x'.repeat(5000)}@${NOW + 5}`]);
  store.keyspace.checkInvariants();
  assert.ok(logged(/^Loading RDB produced by version 7\.0\.15$/));
  assert.ok(logged(/^RDB age 60 seconds$/));
  assert.ok(logged(/^RDB memory usage when created 3\.00 Mb$/));
});

test('idle times and counters go to the access clock of the policy', () => {
  const { accessClock, databases } = store.keyspace;
  const entries = [string('idle', '1', { idleSeconds: 100 }), string('used', '1', { frequency: 77 })];
  plant('/data/dump.rdb', rdb({ 0: entries }));
  const clockOf = (key: string): number => {
    const entry = databases[0]!.find(Buffer.from(key), 0, key.length);
    return databases[0]!.clockOf(entry);
  };
  load();
  assert.equal(accessClock.idleSeconds(clockOf('idle')), 100);
  assert.equal(accessClock.idleSeconds(clockOf('used')), 0);
  accessClock.isLfu = true;
  try {
    load();
    assert.equal(accessClock.frequency(clockOf('used')), 77);
  } finally {
    accessClock.isLfu = false;
  }
});

test('what the server does not have is refused by name; empty collections are skipped', () => {
  const empty = keyed('none', { kind: 'list', items: [] });
  plant('/data/dump.rdb', rdb({ 0: [empty, string('a', '1')] }));
  load();
  assert.deepEqual(store.content(), ['a=1']);
  assert.ok(logged(/^Skipping empty key: none$/));
  assert.ok(logged(/keys loaded: 1, keys expired: 0, empty keys skipped: 1\.$/));
  const members = ['a', 'b', 'a'].map((member) => Buffer.from(member));
  plant('/data/dump.rdb', rdb({ 4: [keyed('twice', { kind: 'set', members })] }));
  refuses(/\/data\/dump\.rdb, at offset \d+: member of a set that occurs twice/);
  plant('/data/dump.rdb', rdb({ 0: [string('a', '1')] }, '#!lua name=l'));
  refuses(/a library of functions, which this server does not have/);
  const moduleKey = '\x07\x01a\x81\xa4\x0c\x51\x80\x0c\x51\x80\x01\x00';
  plant('/data/dump.rdb', `REDIS0010\xfe\x00${moduleKey}\xff${'\0'.repeat(8)}`);
  refuses(/key 'a' of database 0 is of module type pAxRgAxRg, which this server does not have/);
});

test('duplicate keys, databases beyond the last, a wrong checksum', () => {
  plant('/data/dump.rdb', rdb({ 1: [string('a', '1'), string('a', '2')] }));
  refuses(/key 'a' stands in database 1 more than once/);
  plant('/data/dump.rdb', rdb({ 16: [string('a', '1')] }));
  refuses(/the data has a database 16, but this server is configured for 16 databases/);
  const file = rdb({ 0: [string('a', '1')] });
  file[file.length - 1]! ^= 1;
  plant('/data/dump.rdb', file);
  refuses(/\/data\/dump\.rdb, at offset \d+: wrong checksum/);
  assert.equal(load({ isVerifyingChecksum: false }).keysLoaded, 1);
});
