import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AofPaths,
  EMPTY_MANIFEST,
  ManifestError,
  deleteHistory,
  formatManifest,
  loadManifest,
  needsUpgrade,
  nextBase,
  nextIncrement,
  parseManifest,
  persistManifest,
  upgradeSingleFile,
  withIncrement,
  withRewrite,
} from './aof-manifest.ts';
import { SimulatedDisk, PowerFailure } from './simulated-disk.ts';

const PATHS = new AofPaths('/data', 'appendonlydir', 'appendonly.aof');
const OLD_FILE = Buffer.from('*1\r\n$4\r\nPING\r\n');

function parse(text: string): ReturnType<typeof parseManifest> {
  return parseManifest(Buffer.from(text));
}

test('a manifest as Redis writes it', () => {
  const text = [
    'file appendonly.aof.2.base.rdb seq 2 type b',
    'file appendonly.aof.1.incr.aof seq 1 type h',
    'file appendonly.aof.2.incr.aof seq 2 type i',
    'file appendonly.aof.4.incr.aof seq 4 type i\n',
  ].join('\n');
  const manifest = parse(text);
  assert.deepEqual(manifest.base, { name: 'appendonly.aof.2.base.rdb', sequence: 2 });
  assert.deepEqual(
    manifest.increments.map(({ sequence }) => sequence),
    [2, 4],
  );
  assert.deepEqual(
    manifest.history.map(({ name }) => name),
    ['appendonly.aof.1.incr.aof'],
  );
  assert.equal(formatManifest(manifest).toString(), text);
});

test('comments, order, letter case, unknown keys and quotes', () => {
  const manifest = parse('# by hand\n TYPE b SEQ 3x comment "two words" FILE "a\\x20b\\n.aof" \r\n');
  assert.deepEqual(manifest, { ...EMPTY_MANIFEST, base: { name: 'a b\n.aof', sequence: 3 } });
  assert.equal(formatManifest(manifest).toString(), 'file "a b\\n.aof" seq 3 type b\n');
  for (const name of ['plain', "it's", 'a"b', 'ü', 'a b', 'back\\slash'.replace('\\', '')]) {
    const made = { ...EMPTY_MANIFEST, base: { name, sequence: 1 } };
    assert.deepEqual(parseManifest(formatManifest(made)), made);
  }
});

test('what is wrong with a manifest, in the words of Redis', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'Found an empty AOF manifest'],
    ['file a seq 1 type b', 'The AOF manifest file contains too long line'],
    [`file ${'a'.repeat(1024)} seq 1 type b\n`, 'The AOF manifest file contains too long line'],
    ['\n', 'Invalid AOF manifest file format'],
    ['file a seq 1\n', 'Invalid AOF manifest file format'],
    ['file a seq 1 type b more\n', 'Invalid AOF manifest file format'],
    ['file "a seq 1 type b\n', 'Invalid AOF manifest file format'],
    ['file a seq zero type b\n', 'Invalid AOF manifest file format'],
    ['file a seq 1 type ""\n', 'Invalid AOF manifest file format'],
    ['file ../a seq 1 type b\n', "File can't be a path, just a filename"],
    ['file a seq 1 type b\nfile b seq 2 type b\n', 'Found duplicate base file information'],
    ['file a seq 2 type i\nfile b seq 2 type i\n', 'Found a non-monotonic sequence number'],
    ['file a seq 1 type x\n', 'Unknown AOF file type'],
  ];
  for (const [text, message] of cases) assert.throws(() => parse(text), new RegExp(message), text);
  assert.throws(
    () => parse('# fine\nfile a seq 1\n'),
    (error) => error instanceof ManifestError && error.lineNumber === 2 && error.line === 'file a seq 1',
  );
});

test('a rewrite makes history of everything before its cut', () => {
  const disk = new SimulatedDisk();
  disk.makeDirectory(PATHS.directory);
  let manifest = EMPTY_MANIFEST;
  for (let i = 0; i < 3; i++) manifest = withIncrement(manifest, nextIncrement(manifest, PATHS.fileName));
  const kept = manifest.increments[2]!;
  const base = nextBase(manifest, PATHS.fileName, 'rdb');
  assert.equal(base.name, 'appendonly.aof.1.base.rdb');
  manifest = withRewrite(manifest, base, kept);
  assert.deepEqual(manifest.increments, [kept]);
  assert.deepEqual(
    manifest.history.map(({ sequence }) => sequence),
    [2, 1],
  );
  disk.plant(PATHS.of(manifest.history[0]!), OLD_FILE);
  manifest = deleteHistory(disk, PATHS, manifest);
  assert.deepEqual(disk.list(PATHS.directory), ['appendonly.aof.manifest']);
  assert.deepEqual(loadManifest(disk, PATHS), manifest);
  assert.equal(nextBase(manifest, PATHS.fileName, 'aof').name, 'appendonly.aof.2.base.aof');
  assert.equal(nextIncrement(manifest, PATHS.fileName).name, 'appendonly.aof.4.incr.aof');
});

test('names of history files are not used again', () => {
  const manifest = parse('file x.1.base.rdb seq 1 type b\nfile x.7.incr.aof seq 7 type h\n');
  assert.equal(nextIncrement(manifest, 'x').sequence, 8);
  assert.equal(nextBase(manifest, 'x', 'rdb').sequence, 2);
});

test('an upgrade survives a power failure at every operation', () => {
  for (let operation = 1; ; operation++) {
    const disk = new SimulatedDisk();
    disk.plant(PATHS.singleFile, OLD_FILE);
    disk.failOperation(operation, 'power', true);
    let isOff = false;
    try {
      upgradeSingleFile(disk, PATHS);
    } catch (error) {
      assert.ok(error instanceof PowerFailure);
      isOff = true;
    }
    for (let seed = 0; seed < 30; seed++) {
      const survivor = disk.crash(seed);
      const manifest = loadManifest(survivor, PATHS);
      if (needsUpgrade(survivor, PATHS, manifest)) upgradeSingleFile(survivor, PATHS);
      const upgraded = loadManifest(survivor, PATHS);
      assert.ok(upgraded?.base !== undefined);
      assert.deepEqual(survivor.contents(PATHS.of(upgraded.base)), OLD_FILE);
      assert.equal(needsUpgrade(survivor, PATHS, upgraded), false);
    }
    if (!isOff) break;
  }
});

test('an existing multi-part file is not upgraded', () => {
  const disk = new SimulatedDisk();
  disk.plant(PATHS.singleFile, OLD_FILE);
  disk.makeDirectory(PATHS.directory);
  assert.equal(needsUpgrade(disk, PATHS, undefined), true);
  const manifest = withIncrement(EMPTY_MANIFEST, nextIncrement(EMPTY_MANIFEST, PATHS.fileName));
  persistManifest(disk, PATHS, manifest);
  assert.equal(needsUpgrade(disk, PATHS, manifest), false);
});
