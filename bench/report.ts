/** What the bench prints and writes: its table, JSON, and the comparison with the targets. */
import { writeFileSync } from 'node:fs';
import { fixed, printTable } from '../src/compare/terminal.ts';
import type { TestName } from './tests.ts';
import { describeMachine, type Variant } from '../src/compare/servers.ts';

export function writeJson(file: string, scenario: string, data: unknown): void {
  const content = { scenario, date: new Date().toISOString(), machine: describeMachine(), data };
  writeFileSync(file, `${JSON.stringify(content, undefined, 2)}\n`);
}

/** One server in one test: medians over the rounds. */
export interface Cell {
  readonly server: string;
  readonly variant: Variant;
  readonly test: TestName;
  readonly pipeline: number;
  readonly valueBytes: number;
  readonly requestsPerSecond: number;
  readonly p50Millis: number;
  readonly p99Millis: number;
  readonly p999Millis: number;
  readonly cpuMicrosPerCommand: number;
  /** Median of the per-round ratios to Redis of CPU per command; undefined without Redis. */
  readonly cpuRatio: number | undefined;
  readonly throughputRatio: number | undefined;
}

export function printCells(cells: readonly Cell[]): void {
  const rows = cells.map((cell) => ({
    server: cell.server,
    test: cell.test,
    '-P': cell.pipeline,
    size: cell.valueBytes,
    'req/s': fixed(cell.requestsPerSecond, 0),
    'p50 ms': fixed(cell.p50Millis, 3),
    'p99 ms': fixed(cell.p99Millis, 3),
    'p99.9 ms': fixed(cell.p999Millis, 3),
    'CPU us/cmd': fixed(cell.cpuMicrosPerCommand, 3),
    'CPU ratio': fixed(cell.cpuRatio ?? NaN, 2),
    'req/s ratio': fixed(cell.throughputRatio ?? NaN, 2),
  }));
  printTable('Throughput, latency and server CPU (ratios: to Redis, median of the per-round ratios)', rows);
}

interface Target {
  readonly variant: Variant;
  readonly pipeline: number;
  /** Applies to values from this many bytes … */
  readonly bytesMin: number;
  /** … to this many. */
  readonly bytesMax: number;
  readonly ratioMax: number;
}

const SMALL_BYTES_MAX = 64;
const LARGE_BYTES_MAX = 1024;
const TARGET_TESTS: readonly TestName[] = ['get', 'set', 'incr'];

/** Less than this means that the process measured is not the one that does the work. */
const IMPLAUSIBLE_RATIO_MAX = 0.02;

/** Server CPU per command as a share of Redis'. */
const TARGETS: readonly Target[] = [
  { variant: 'epoll', pipeline: 1, bytesMin: 0, bytesMax: SMALL_BYTES_MAX, ratioMax: 1.0 },
  { variant: 'epoll', pipeline: 16, bytesMin: 0, bytesMax: SMALL_BYTES_MAX, ratioMax: 0.7 },
  { variant: 'epoll', pipeline: 128, bytesMin: 0, bytesMax: SMALL_BYTES_MAX, ratioMax: 0.5 },
  { variant: 'epoll', pipeline: 1, bytesMin: SMALL_BYTES_MAX + 1, bytesMax: LARGE_BYTES_MAX, ratioMax: 1.0 },
  { variant: 'epoll', pipeline: 16, bytesMin: SMALL_BYTES_MAX + 1, bytesMax: LARGE_BYTES_MAX, ratioMax: 1.0 },
  {
    variant: 'epoll',
    pipeline: 128,
    bytesMin: SMALL_BYTES_MAX + 1,
    bytesMax: LARGE_BYTES_MAX,
    ratioMax: 1.0,
  },
  { variant: 'node', pipeline: 1, bytesMin: 0, bytesMax: LARGE_BYTES_MAX, ratioMax: 1.35 },
];

/** Prints pass or fail for every measured cell with a target; false if one fails or none was compared. */
export function checkTargets(cells: readonly Cell[]): boolean {
  const verdicts = cells.flatMap((cell) => {
    const target = TARGETS.find((candidate) => appliesTo(candidate, cell));
    if (target === undefined || cell.cpuRatio === undefined) return [];
    return [{ cell, target, ok: cell.cpuRatio <= target.ratioMax && cell.cpuRatio > IMPLAUSIBLE_RATIO_MAX }];
  });
  if (verdicts.length === 0) {
    console.log('\ncheck: nothing to compare (no Redis, or no test with a target): FAIL');
    return false;
  }

  const rows = verdicts.map(({ cell, target, ok }) => ({
    server: cell.server,
    test: cell.test,
    '-P': cell.pipeline,
    size: cell.valueBytes,
    'CPU ratio': fixed(cell.cpuRatio ?? NaN, 2),
    target: `<= ${target.ratioMax.toFixed(2)}`,
    result: ok ? 'pass' : 'FAIL',
  }));
  printTable('Targets', rows);
  const failedCount = verdicts.filter(({ ok }) => !ok).length;
  console.log(`\ncheck: ${verdicts.length - failedCount} of ${verdicts.length} pass`);
  return failedCount === 0;
}

function appliesTo(target: Target, cell: Cell): boolean {
  return (
    target.variant === cell.variant &&
    target.pipeline === cell.pipeline &&
    TARGET_TESTS.includes(cell.test) &&
    cell.valueBytes >= target.bytesMin &&
    cell.valueBytes <= target.bytesMax
  );
}
