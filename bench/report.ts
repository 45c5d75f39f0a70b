/** What the bench prints and writes: tables, JSON, and the comparison with the targets. */
import { writeFileSync } from 'node:fs';
import type { TestName } from './load.ts';
import { describeMachine, type Variant } from '../src/compare/servers.ts';

/** A line of a table; all lines of one table have the same columns. */
export type Row = Readonly<Record<string, string | number>>;

/** Prints rows under a heading, numbers right-aligned. */
export function printTable(title: string, rows: readonly Row[]): void {
  const columns = Object.keys(rows[0] ?? {});
  const widths = columns.map((name) => Math.max(name.length, ...rows.map((row) => `${row[name]}`.length)));
  const line = (cells: readonly (string | number)[], numeric: (index: number) => boolean): string =>
    cells
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        return numeric(index) ? `${cell}`.padStart(width) : `${cell}`.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  const isNumeric = (index: number): boolean => /^[-\d.,]+$/.test(`${rows[0]?.[columns[index] ?? '']}`);

  console.log(`\n${title}`);
  console.log(line(columns, isNumeric));
  console.log(widths.map((width) => '-'.repeat(width)).join('  '));
  for (const row of rows)
    console.log(
      line(
        columns.map((name) => row[name] ?? ''),
        isNumeric,
      ),
    );
}

/** Says on standard error what is being measured, so that standard output stays the report. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

export function writeJson(file: string, scenario: string, data: unknown): void {
  const content = { scenario, date: new Date().toISOString(), machine: describeMachine(), data };
  writeFileSync(file, `${JSON.stringify(content, undefined, 2)}\n`);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** Value below which `percent` of the sorted samples lie. */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? NaN;
}

export function fixed(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '-';
}

export function megabytes(bytes: number): string {
  return fixed(bytes / 1024 / 1024, 1);
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
