import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { type Cell, checkTargets } from './report.ts';

function cell(changes: Partial<Cell>): Cell {
  return {
    server: 'epoll',
    variant: 'epoll',
    test: 'get',
    pipeline: 16,
    valueBytes: 3,
    requestsPerSecond: 1,
    p50Millis: 1,
    p99Millis: 1,
    p999Millis: 1,
    cpuMicrosPerCommand: 1,
    cpuRatio: 0.7,
    throughputRatio: 1,
    ...changes,
  };
}

function passes(...cells: readonly Cell[]): boolean {
  const log = mock.method(console, 'log', () => undefined);
  try {
    return checkTargets(cells);
  } finally {
    log.mock.restore();
  }
}

test('the check compares the right cells, the limit included', () => {
  assert.equal(passes(cell({})), true);
  assert.equal(passes(cell({}), cell({ cpuRatio: 0.71 })), false);
  assert.equal(passes(cell({ pipeline: 128, cpuRatio: 0.51 })), false);
  assert.equal(passes(cell({ valueBytes: 1024, cpuRatio: 0.99 })), true);
  assert.equal(passes(cell({ variant: 'node', pipeline: 1, cpuRatio: 1.35 })), true);
  assert.equal(passes(cell({}), cell({ test: 'lpush', cpuRatio: 9 })), true);
});

test('a server that seems to cost nothing was not measured', () => {
  assert.equal(passes(cell({ cpuRatio: 0 })), false);
  assert.equal(passes(cell({ cpuRatio: NaN })), false);
});

test('nothing compared is not a pass', () => {
  assert.equal(passes(), false);
  assert.equal(passes(cell({ cpuRatio: undefined })), false);
});
