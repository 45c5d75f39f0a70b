import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Config } from './config.ts';
import {
  DIFFERENT_DEFAULTS,
  DIRECTIVE_NAMES,
  LISTED_NAMES,
  directiveRow,
  findDirective,
  type ConfigValues,
} from './directives.ts';
import { defaultText, parseValue } from './value-kinds.ts';

test('every name and alias is listed once', () => {
  const listed = LISTED_NAMES.map((entry) => entry.listed);
  assert.equal(new Set(listed).size, listed.length);
  for (const { listed: name } of LISTED_NAMES) assert.equal(name, name.toLowerCase());
});

test('every default is a value that the directive accepts, in the form in which it is printed', () => {
  for (const name of DIRECTIVE_NAMES) {
    const row = directiveRow(name);
    if (row.kind === 'directory') continue;
    const text = defaultText(row);
    const args = row.kind === 'string' || !text.includes(' ') ? [text] : text.split(' ');
    if (row.kind === 'replica-of') continue;
    const parsed = parseValue(row, args, { current: text, workingDirectory: '/', addSavePoints: false });
    assert.deepEqual(parsed, { text }, name);
  }
});

test('every summary is a line of its own that needs no full stop', () => {
  for (const name of DIRECTIVE_NAMES) assert.match(directiveRow(name).summary, /^[^\n]+[^.\n]$/, name);
});

test('names are found in any case, but only in ASCII', () => {
  assert.equal(findDirective('MaxMemory')?.name, 'maxmemory');
  assert.equal(findDirective('slaveof')?.name, 'replicaof');
  assert.equal(findDirective('loo\u212Aup'), undefined);
  assert.equal(findDirective('lin\u212A'), undefined);
  assert.equal(findDirective('constructor'), undefined);
});

test('values have the types of their rows', () => {
  const { values } = new Config();
  const typed: {
    port: number;
    'protected-mode': boolean;
    appendfsync: 'everysec' | 'always' | 'no';
    mode: 'eventloop' | 'threaded';
    bind: readonly string[];
  } = values;
  assert.equal(typed.port, 6379);
  assert.equal(typed['protected-mode'], true);
  assert.equal(typed.appendfsync, 'everysec');
  assert.deepEqual(typed.bind, ['127.0.0.1', '-::1']);
  assert.deepEqual(values['client-output-buffer-limit'].replica, {
    hardBytes: 256 * 1024 ** 2,
    softBytes: 64 * 1024 ** 2,
    softSeconds: 60,
  });
  assert.deepEqual(values['latency-tracking-info-percentiles'], [50, 99, 99.9]);
  assert.deepEqual(values['maxmemory-clients'], { bytes: 0 });
  assert.deepEqual(values['shutdown-on-sigint'], []);
  assert.equal(values.replicaof, undefined);
  // @ts-expect-error values are read-only for everybody but the Config
  const write = (target: ConfigValues) => (target.port = 1);
  assert.equal(typeof write, 'function');
});

test('every different default has a reason', () => {
  for (const reason of Object.values(DIFFERENT_DEFAULTS)) assert.ok(reason.length > 20);
});
