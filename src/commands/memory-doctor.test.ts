import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doctorReport } from './memory-doctor.ts';
import type { MemoryFigures } from './services.ts';

const MEGABYTE = 1024 * 1024;
const HEALTHY: MemoryFigures = {
  used: 1000 * MEGABYTE,
  peak: 1001 * MEGABYTE,
  startup: MEGABYTE,
  resident: 1120 * MEGABYTE,
  notCountedForEviction: 0,
  allocatorActive: 1005 * MEGABYTE,
  allocatorResident: 1010 * MEGABYTE,
  clients: MEGABYTE,
  databases: [],
};

/** The titles of the issues found. */
function issuesOf(figures: Partial<MemoryFigures>, clientCount = 10): string[] {
  const report = doctorReport({ ...HEALTHY, ...figures }, clientCount);
  return [...report.matchAll(/^ \* ([^:]+):/gm)].map((match) => match[1]!);
}

test('a healthy server has no issues, a small one none worth mentioning', () => {
  assert.match(doctorReport(HEALTHY, 10), /^Hi Sam, I can't find any memory issue in your instance\./);
  assert.match(doctorReport({ ...HEALTHY, used: 5 * MEGABYTE - 1 }, 10), /^Hi Sam, this instance is empty/);
});

test('each issue is found by its figures', () => {
  assert.deepEqual(issuesOf({ peak: 1600 * MEGABYTE }), ['Peak memory']);
  assert.deepEqual(issuesOf({ clients: 10 * MEGABYTE }), ['Big client buffers']);
  assert.deepEqual(issuesOf({ clients: 10 * MEGABYTE }, 0), []);
  assert.deepEqual(issuesOf({ resident: 1400 * MEGABYTE }), ['High process RSS overhead']);
  assert.deepEqual(issuesOf({ allocatorResident: 1200 * MEGABYTE }), ['High allocator RSS overhead']);
  assert.deepEqual(
    issuesOf({
      allocatorActive: 1500 * MEGABYTE,
      allocatorResident: 1500 * MEGABYTE,
      resident: 1600 * MEGABYTE,
    }),
    ['High total RSS', 'High allocator fragmentation'],
  );
});
