/**
 * Files that end anywhere or have any bit flipped: what is loaded is the state after some number of the
 * commands, or the load is refused. Never another value, never a hang.
 */
import assert from 'node:assert/strict';
import { after, test, type TestContext } from 'node:test';
import { LoadedStore } from '../../test/support/loading.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Request } from '../protocol/request.ts';
import { AofWriter } from './aof-writer.ts';
import { RdbWriter } from './rdb-writer.ts';
import { RecoveryError } from './recovery-error.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { logMemory } from '../../test/support/log-memory.ts';

const store = new LoadedStore();
after(() => store.dispose());

const INCREMENT = '/data/appendonlydir/appendonly.aof.1.incr.aof';
const MANIFEST = '/data/appendonlydir/appendonly.aof.manifest';
const SNAPSHOT = '/data/dump.rdb';
const NO_BACKGROUND = { start: () => undefined, poll: () => 'done' as const };
const FLIPS = 1000;

/** Each changes the data, so each state has its own digest. */
const COMMANDS: readonly (readonly [databaseIndex: number, ...args: string[]])[] = [
  [0, 'SET', 'a', '1'],
  [0, 'APPEND', 'a', 'xyz'],
  [3, 'SET', 'b', 'some longer value, of forty-five bytes or so'],
  [3, 'SET', 'counter', '41'],
  [0, 'INCR', 'c'],
  [3, 'INCR', 'counter'],
  [0, 'DEL', 'a'],
  [0, 'SET', 'd', 'later', 'PXAT', '1900000000000'],
  [0, 'MSET', 'e', '5', 'f', '6'],
  [3, 'SETRANGE', 'b', '5', 'LONGER'],
];
/** Those in MULTI and EXEC: with the first of them comes the last. */
const UNIT_START = 3;
const UNIT_END = 6;

function requestOf(args: readonly string[]): Request {
  return Request.of(args.map((arg) => Buffer.from(arg)));
}

/** The digests after 0, 1, 2 … commands; those within the transaction are missing. */
function prefixDigests(): string[] {
  store.clear();
  store.keyspace.ignoresExpiry = true;
  const digests = [store.digest()];
  for (const [index, [database, ...args]] of COMMANDS.entries()) {
    assert.equal(store.run(database, requestOf(args)), undefined);
    if (index < UNIT_START || index >= UNIT_END - 1) digests.push(store.digest());
  }
  assert.equal(new Set(digests).size, digests.length);
  return digests;
}

/** As our server writes it, with checksum lines, one group each or all in one; or as a real Redis does. */
function writeFile(kind: 'groups' | 'one group' | 'plain'): Buffer {
  const disk = new SimulatedDisk();
  const writer = new AofWriter({ ...logMemory(), disk, background: NO_BACKGROUND, policy: 'no' });
  writer.open('/file');
  for (const [index, [database, ...args]] of COMMANDS.entries()) {
    if (index === UNIT_START) writer.multi(database);
    writer.append(database, requestOf(args));
    if (index === UNIT_END - 1) writer.exec();
    const isInUnit = index >= UNIT_START && index < UNIT_END - 1;
    if (kind === 'groups' && !isInUnit) assert.equal(writer.flush(), 'written');
  }
  assert.equal(writer.flush(), 'written');
  const bytes = disk.contents('/file');
  if (kind !== 'plain') return bytes;
  const text = bytes.toString('latin1').replaceAll(/#[^\n]*\n/g, '');
  return Buffer.from(text.replaceAll('select', 'SELECT'), 'latin1');
}

/** The digest of what is loaded, or undefined when that is refused. */
function loadAof(bytes: Uint8Array): string | undefined {
  const disk = new SimulatedDisk();
  disk.plant(MANIFEST, Buffer.from('file appendonly.aof.1.incr.aof seq 1 type i\n'));
  disk.plant(INCREMENT, bytes);
  const digest = loadedDigest(disk);
  if (digest === undefined) assert.deepEqual(disk.contents(INCREMENT), Buffer.from(bytes));
  // What was cut off stays off: the next start finds a whole file.
  else assert.equal(loadedDigest(disk), digest);
  return digest;
}

function loadedDigest(disk: SimulatedDisk): string | undefined {
  try {
    store.load(disk, '/data');
    return store.digest();
  } catch (error) {
    assert.ok(error instanceof RecoveryError, String(error));
    return undefined;
  } finally {
    assert.equal(disk.openCount, 0);
  }
}

function flipped(bytes: Buffer, random: SeededRandom): Buffer {
  const damaged = Buffer.from(bytes);
  for (let flips = random.integer(1, 2); flips > 0; flips--) {
    damaged[random.integer(0, bytes.length - 1)]! ^= 1 << random.integer(0, 7);
  }
  return damaged;
}

function seeded(context: TestContext): SeededRandom {
  const seed = SeededRandom.newSeed();
  context.diagnostic(`seed ${seed}`);
  return new SeededRandom(seed);
}

for (const kind of ['groups', 'one group', 'plain'] as const) {
  test(`every prefix of an append-only file (${kind}) is loaded up to its last whole unit`, () => {
    const digests = prefixDigests();
    const file = writeFile(kind);
    let reached = 0;
    for (let length = 0; length <= file.length; length++) {
      const digest = loadAof(file.subarray(0, length));
      assert.ok(digest !== undefined, `a prefix of ${length} bytes is refused`);
      const state = digests.indexOf(digest);
      assert.ok(state >= reached, `the prefix of ${length} bytes gives state ${state} after ${reached}`);
      reached = state;
    }
    assert.equal(reached, digests.length - 1);
  });
}

for (const kind of ['groups', 'one group'] as const) {
  test(`flipped bits in an append-only file with checksums (${kind})`, (context) => {
    const random = seeded(context);
    const digests = new Set(prefixDigests());
    const file = writeFile(kind);
    for (let round = 0; round < FLIPS; round++) {
      const digest = loadAof(flipped(file, random));
      if (digest !== undefined) assert.ok(digests.has(digest), `round ${round}`);
    }
  });
}

test('flipped bits in an append-only file without checksums give some value or a refusal', (context) => {
  const random = seeded(context);
  const file = writeFile('plain');
  for (let round = 0; round < FLIPS; round++) loadAof(flipped(file, random));
  store.keyspace.checkInvariants();
});

function rdbFile(): Buffer {
  const chunks: Buffer[] = [];
  const writer = new RdbWriter({
    onChunk: (chunk) => void chunks.push(Buffer.from(chunk)),
    isCompressing: true,
    isChecksumming: true,
  });
  writer.writeHeader({
    'redis-ver': '7.0.15',
    'redis-bits': 64,
    ctime: 1_700_000_000,
    'used-mem': 1_000_000,
  });
  for (const database of [0, 5]) {
    writer.selectDatabase(database);
    writer.resizeDatabase(6, 2);
    for (const value of ['1', '-70000', 'text', 'compressed '.repeat(20), 'x'.repeat(3000), '']) {
      const key = Buffer.from(`key ${value.slice(0, 5)}`);
      const bytes = Buffer.from(value);
      writer.writeEntry({
        key: { bytes: key, start: 0, end: key.length },
        value: { kind: 'string', bytes, start: 0, end: bytes.length },
        expiryMillis: value.length % 2 === 0 ? 1_900_000_000_000 : undefined,
        idleSeconds: undefined,
        frequency: undefined,
      });
    }
  }
  writer.end();
  return Buffer.concat(chunks);
}

function loadRdb(bytes: Uint8Array): string | undefined {
  const disk = new SimulatedDisk();
  disk.plant(SNAPSHOT, bytes);
  return loadedDigest(disk);
}

test('an RDB file that is cut short or has flipped bits is refused', (context) => {
  const random = seeded(context);
  const file = rdbFile();
  assert.ok(loadRdb(file) !== undefined);
  for (let length = 0; length < file.length; length++) {
    assert.equal(loadRdb(file.subarray(0, length)), undefined, `a prefix of ${length} bytes`);
  }
  for (let round = 0; round < FLIPS; round++) {
    const damaged = flipped(file, random);
    if (!damaged.equals(file)) assert.equal(loadRdb(damaged), undefined, `round ${round}`);
  }
  store.keyspace.checkInvariants();
});
