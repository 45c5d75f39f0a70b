import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMPARE_HELP, parseCompareOptions } from './options.ts';

test('without arguments everything is compared', () => {
  const options = parseCompareOptions([]);
  assert.deepEqual(options?.clients, [1, 10, 50, 200]);
  assert.deepEqual(options?.pipelines, [1, 16]);
  assert.deepEqual(options?.servers, ['eventloop', 'threaded', 'pool', 'redis']);
  assert.deepEqual(options?.logs, ['off', 'everysec']);
  assert.equal(options?.readsPercents.length, 2);
  assert.equal(options?.valueBytes.length, 2);
  assert.equal(options?.jsonPath, undefined);
});

test('--quick does less, and an option still counts', () => {
  const full = parseCompareOptions([]);
  const quick = parseCompareOptions(['--quick', '--clients', '20, 3,20', '--aof=always']);
  assert.ok(full !== undefined && quick !== undefined);
  assert.ok(quick.cellMillis < full.cellMillis);
  assert.ok(quick.saveKeysCount < full.saveKeysCount);
  assert.deepEqual(parseCompareOptions(['--quick'])?.logs, ['off']);
  assert.deepEqual(quick.clients, [3, 20]);
  assert.deepEqual(quick.logs, ['always']);
});

test('--help names every option', () => {
  assert.equal(parseCompareOptions(['--help']), undefined);
  const names = ['quick', 'out', 'json', 'servers', 'clients', 'pipeline', 'reads', 'sizes', 'aof', 'rounds'];
  for (const name of [...names, 'millis', 'keys', 'save-keys', 'load-threads']) {
    assert.ok(COMPARE_HELP.includes(`--${name} `), name);
  }
});

test('what makes no sense is refused by name', () => {
  const refused = (...args: string[]) =>
    assert.throws(() => parseCompareOptions(args), new RegExp(args[0] ?? ''));
  refused('--clients', 'many');
  refused('--clients', '');
  refused('--pipeline', '0');
  refused('--reads', '101');
  refused('--sizes', '1.5');
  refused('--aof', 'sometimes');
  refused('--servers', 'memcached');
  refused('--unknown');
});
