import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { examine, runDoctor, type DoctorSettings } from './doctor.ts';
import { directoryFacts, type MachineFacts } from './machine-facts.ts';

const directory = mkdtempSync(join(tmpdir(), 'doctor-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const GIB = 1024 ** 3;

const WELL: MachineFacts = {
  platform: 'linux',
  nodeVersion: '20.20.2',
  cores: 2,
  hasFfi: true,
  hasSharedMemory: true,
  openFilesMax: 10_032,
  overcommit: 0,
  hugePages: 'madvise',
  backlogMax: 511,
  memoryBytes: 8 * GIB,
  availableBytes: 4 * GIB,
  directory: {
    path: '/data',
    problem: undefined,
    syncMillis: { median: 10, longest: 30 },
    freeBytes: GIB,
  },
};

const SETTINGS: DoctorSettings = {
  maxclients: 10_000,
  maxmemory: 6 * GIB,
  tcpBacklog: 511,
  sync: 'always',
  savesSnapshots: true,
};

test('a machine that is just good enough gets no warning, one that is just not gets that one', () => {
  assert.deepEqual(warned(WELL), []);
  const { directory: data } = WELL;
  const cases: readonly (readonly [string, Partial<MachineFacts>])[] = [
    ['node', { nodeVersion: '18.19.0' }],
    ['shared memory', { hasSharedMemory: false }],
    ['FFI', { hasFfi: false }],
    ['open files', { openFilesMax: 10_031 }],
    ['somaxconn', { backlogMax: 510 }],
    ['overcommit_memory', { overcommit: 2 }],
    ['huge pages', { hugePages: 'always' }],
    ['memory', { memoryBytes: 7 * GIB }],
    ['memory', { availableBytes: GIB / 8 }],
    ['data directory', { directory: { ...data, problem: 'EACCES', syncMillis: undefined } }],
    ['fsync', { directory: { ...data, syncMillis: { median: 10.1, longest: 30 } } }],
    ['free disk', { directory: { ...data, freeBytes: GIB - 1 } }],
  ];
  for (const [name, facts] of cases) assert.deepEqual(warned({ ...WELL, ...facts }), [name]);
});

test('the configuration decides what hurts', () => {
  const slow = { ...WELL, directory: { ...WELL.directory, syncMillis: { median: 50, longest: 60 } } };
  assert.deepEqual(warned(slow, { sync: 'everysec' }), ['fsync']);
  assert.deepEqual(warned(slow, { sync: 'no' }), []);
  assert.deepEqual(warned({ ...WELL, openFilesMax: 1024 }, { maxclients: 900 }), []);
  assert.deepEqual(warned({ ...WELL, backlogMax: 128 }, { tcpBacklog: 100 }), []);
  const unwritable = { ...WELL, directory: { ...WELL.directory, problem: 'EACCES', syncMillis: undefined } };
  assert.deepEqual(warned(unwritable, { sync: 'off', savesSnapshots: true }), ['data directory']);
  assert.deepEqual(warned(unwritable, { sync: 'off', savesSnapshots: false }), []);
});

test('what a system does not tell is not judged', () => {
  const unknown = {
    openFilesMax: undefined,
    overcommit: undefined,
    hugePages: undefined,
    backlogMax: undefined,
    availableBytes: undefined,
    directory: { ...WELL.directory, freeBytes: undefined },
  };
  assert.deepEqual(
    examine({ ...WELL, ...unknown }, SETTINGS).map(({ name }) => name),
    ['node', 'shared memory', 'FFI', 'memory', 'data directory', 'fsync'],
  );
});

test('a directory is tried out and left as it was', () => {
  const facts = directoryFacts(directory);
  assert.equal(facts.problem, undefined);
  assert.ok(facts.syncMillis !== undefined && facts.syncMillis.longest >= facts.syncMillis.median);
  assert.ok(facts.freeBytes! > 0);
  assert.equal(directoryFacts(join(directory, 'not', 'yet')).problem, undefined);
  assert.deepEqual(readdirSync(directory), []);
});

test('a directory that is none, or in which nothing can be written, is told', () => {
  const file = join(directory, 'file');
  writeFileSync(file, '');
  assert.match(directoryFacts(file).problem ?? '', /ENOTDIR/);
  rmSync(file);
  assert.match(directoryFacts('/proc/self/doctor').problem ?? '', /EN|EACCES|EPERM/);
});

test('each warning says what it hurts and the remedy, and the exit code is 1', () => {
  const { code, text } = run(['--dir', directory, '--maxclients', '1000000000']);
  assert.equal(code, 1);
  assert.match(text, /^OK {4}node +\d+\.\d+/m);
  assert.match(
    text,
    /^WARN {2}open files +at most \d+\n +maxclients 1000000000 needs 1000000032.*\n +Remedy: ulimit/m,
  );
  assert.match(text, /^OK {4}data directory +\S+ can be written$/m);
  assert.match(text, /\n\d+ of \d+ will hurt\.\n$/);
});

test('it takes the arguments of the server, and refuses wrong ones', () => {
  const wrong = run(['--no-such-option', '1']);
  assert.equal(wrong.code, 1);
  assert.match(wrong.text, /no-such-option/);
});

function warned(facts: MachineFacts, settings: Partial<DoctorSettings> = {}): string[] {
  const findings = examine(facts, { ...SETTINGS, ...settings });
  return findings.filter(({ warning }) => warning !== undefined).map(({ name }) => name);
}

function run(args: readonly string[]): { readonly code: number; readonly text: string } {
  let text = '';
  const code = runDoctor(args, { write: (part) => void (text += part) });
  return { code, text };
}
