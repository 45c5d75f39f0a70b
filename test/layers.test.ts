/** The rules that keep the source tree in layers, and every command tested. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ALL_COMMANDS } from '../src/commands/registry.ts';

const projectPath = fileURLToPath(new URL('../../', import.meta.url));

/** Folders of src/, lowest first: a file imports from its own folder and from those before it. */
// prettier-ignore
const LAYERS = [
  'util', 'system', 'memory', 'structures', 'protocol', 'config', 'keyspace', 'commands', 'engine',
  'persistence', 'replication', 'cluster', 'servers', 'web', 'status', 'compare',
];

interface Import {
  /** Path of the importing file below src/. */
  readonly from: string;
  /** Path of the imported file below src/. */
  readonly to: string;
  readonly isTypeOnly: boolean;
}

const sourceFiles = readdirSync(join(projectPath, 'src'), { recursive: true, encoding: 'utf8' })
  .map((path) => path.split(sep).join('/'))
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'));
const imports = sourceFiles.flatMap(importsOf);

test('every folder of src/ has its place among the layers', () => {
  const folders = new Set(sourceFiles.filter((path) => path.includes('/')).map(layerOf));
  assert.deepEqual(
    [...folders].filter((folder) => !LAYERS.includes(folder)),
    [],
  );
});

test('a folder imports only from folders below it', () => {
  const upward = imports.filter(
    ({ from, to, isTypeOnly }) => rank(to) > rank(from) && !(isTypeOnly && layerOf(from) === 'commands'),
  );
  assert.deepEqual(upward.map(describeImport), []);
});

test('families of commands do not import each other', () => {
  const families = new Set(
    imports
      .filter(({ from, to }) => from === 'commands/registry.ts' && to.startsWith('commands/'))
      .filter(({ isTypeOnly }) => !isTypeOnly)
      .map(({ to }) => to),
  );
  assert.ok(families.size > 0, 'the registry imports no family');
  const mutual = imports.filter(({ from, to }) => families.has(from) && families.has(to));
  assert.deepEqual(mutual.map(describeImport), []);
});

test('only system/ reaches into libc', () => {
  const outside = sourceFiles.filter(
    (path) => layerOf(path) !== 'system' && /(from|require\(|import\() ?'koffi'/.test(readSource(path)),
  );
  assert.deepEqual(outside, []);
});

test('every command has a behaviour test that names it', () => {
  const directory = join(projectPath, 'test', 'commands');
  const text = readdirSync(directory)
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => readFileSync(join(directory, name), 'utf8'))
    .join('\n');
  const names = ALL_COMMANDS.flatMap((command) => [
    ...(command.run ? [command.name] : []),
    ...(command.subcommands ?? []).map((subcommand) => `${command.name} ${subcommand.name}`),
  ]);
  assert.deepEqual(
    names.filter((name) => !isNamed(text, name)),
    [],
  );
});

/** Whether a script has the command, as the start of a line of words or as the first words of an array. */
function isNamed(text: string, name: string): boolean {
  const words = name.split(' ').join(`['", ]+`);
  return new RegExp(`['"\`]${words}(?=['"\` ])`, 'i').test(text);
}

/** Static, dynamic and type-only imports of other files of src/, and of workers by URL. */
function importsOf(from: string): Import[] {
  const text = readSource(from);
  const found: Import[] = [];
  for (const match of text.matchAll(/^(import|export)( type)?\b[^;]*?\bfrom '(\.[^']+)'/gms)) {
    found.push(resolveImport(from, match[3] ?? '', isTypeOnlyImport(match[0], match[2] !== undefined)));
  }
  for (const match of text.matchAll(
    /\bimport\('(\.[^']+)'\)|new URL\('(\.[^']+\.js)', import\.meta\.url\)/g,
  )) {
    found.push(resolveImport(from, match[1] ?? match[2]?.replace(/\.js$/, '.ts') ?? '', false));
  }
  return found.filter(({ to }) => existsSync(join(projectPath, 'src', to)));
}

/** `import type …`, or braces in which each name is marked `type`. */
function isTypeOnlyImport(statement: string, isMarked: boolean): boolean {
  if (isMarked) return true;
  const names = /\{([^}]*)\}/
    .exec(statement)?.[1]
    ?.split(',')
    .map((name) => name.trim());
  return names?.filter((name) => name !== '').every((name) => name.startsWith('type ')) ?? false;
}

function resolveImport(from: string, specifier: string, isTypeOnly: boolean): Import {
  const to = normalize(join(dirname(from), specifier))
    .split(sep)
    .join('/');
  return { from, to, isTypeOnly };
}

function readSource(path: string): string {
  return readFileSync(join(projectPath, 'src', path), 'utf8');
}

function layerOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : '';
}

/** Files directly in src/ (main, index) stand above all layers. */
function rank(path: string): number {
  const layer = layerOf(path);
  return layer === '' ? LAYERS.length : LAYERS.indexOf(layer);
}

function describeImport({ from, to }: Import): string {
  return `${from} imports ${to}`;
}
