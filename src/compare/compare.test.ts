import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleComparison } from '../../test/support/sample-comparison.ts';
import { comparisonText, runCompare } from './compare.ts';
import type { Comparison } from './figures.ts';

const PROGRAM = { name: 'redis-clone-ts', version: '1.2.3' };

test('the tables show the servers side by side, and who is missing', () => {
  const comparison = sampleComparison({ clients: [1, 50], unavailable: { threaded: 'cannot start' } });
  const text = comparisonText(comparison);
  assert.match(text, /the threaded .* not available: cannot start/);
  assert.match(text, /AOF +bytes +% GET +-P +clients +the eventloop +the pool +the redis\n/);
  assert.match(text, /off +64 +90 +1 +50 +353553 +282843 +441942\n/);
  assert.match(text, /the pool +off +64 +90 +1 +50 +2\.000 +1\.000 +16 +6\.3 +6\.3\n/);
  assert.match(text, /Longest wait of a single command/);
});

test('what one server did not finish leaves a gap, not a hole', () => {
  const sample = sampleComparison({ clients: [1, 50] });
  const gaps = [{ server: 'pool', what: '50 clients', message: 'it hung up' }] as const;
  const cells = sample.cells.filter(({ server, clients }) => server !== 'pool' || clients === 1);
  const text = comparisonText({ ...sample, cells, gaps });
  assert.match(text, /off +64 +90 +1 +50 +353553 +176777 +- +441942\n/);
  assert.match(text, /not measured: pool, 50 clients: it hung up\n/);
});

test('nothing measured makes no tables', () => {
  const empty: Comparison = { ...sampleComparison(), cells: [], footprints: [], pauses: [] };
  assert.match(comparisonText(empty), /^\nServers\n/);
  assert.doesNotMatch(comparisonText(empty), /undefined|NaN/);
});

test('help ends well, wrong arguments do not', async () => {
  let text = '';
  const surroundings = { program: PROGRAM, write: (part: string) => void (text += part) };
  assert.equal(await runCompare(['--help'], surroundings), 0);
  assert.match(text, /^redis-clone-ts compare \[options\]/);
  assert.equal(await runCompare(['--rounds', 'x'], surroundings), 1);
  assert.match(text, /compare: --rounds: "x" is no whole number/);
});
