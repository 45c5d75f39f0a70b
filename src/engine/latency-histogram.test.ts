/**
 * Our histograms against HdrHistogram as Redis sets it up: from 1 ns to 1 s with two significant digits. The
 * reference below follows its definition step by step, with a plain list of counters.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { LatencyHistograms, type LatencyStep } from './latency-histogram.ts';

const NANOS_MAX = 1_000_000_000;
/** The smallest power of two that is at least 2 · 10^2: so many values a bucket tells apart. */
const SUB_BUCKETS = 256;
const COMMAND = 1;

/** Buckets of 256 values each, every one twice as coarse as the one before; only their upper halves count. */
class ReferenceHistogram {
  readonly #counts = new Map<number, number>();
  total = 0;

  record(nanos: number, count: number): void {
    const value = Math.min(Math.max(Math.floor(nanos), 1), NANOS_MAX);
    const lowest = lowestEquivalent(value);
    this.#counts.set(lowest, (this.#counts.get(lowest) ?? 0) + count);
    this.total += count;
  }

  /** hdr_value_at_percentile */
  percentile(percent: number): number {
    const wanted = Math.max(1, Math.floor((Math.min(percent, 100) / 100) * this.total + 0.5));
    let seen = 0;
    for (const value of allCounters()) {
      seen += this.#counts.get(value) ?? 0;
      if (seen >= wanted) return percent === 0 ? value : highestEquivalent(value);
    }
    return 0;
  }

  /** hdr_iter_log_next from 1024 on with base 2, and of its steps those that add something (latency.c). */
  steps(): LatencyStep[] {
    const counters = allCounters();
    const steps: [number, number][] = [];
    let index = -1;
    let seen = 0;
    let reported = 0;
    for (let level = 1024; ; level *= 2) {
      const hasMore = seen < this.total || (counters[index + 1] ?? 0) > lowestEquivalent(level);
      if (!hasMore) return steps;
      let isAtEnd = false;
      while (!isAtEnd && (index < 0 || counters[index]! < lowestEquivalent(level))) {
        if (index + 1 === counters.length) {
          isAtEnd = true;
        } else {
          index++;
          seen += this.#counts.get(counters[index]!) ?? 0;
        }
      }
      if (seen > reported) steps.push([Math.floor(highestEquivalent(counters[index]!) / 1000), seen]);
      reported = seen;
      if (isAtEnd) return steps;
    }
  }
}

/** How many values count as the same. */
function widthOf(value: number): number {
  let width = 1;
  while (value / width >= SUB_BUCKETS) width *= 2;
  return width;
}

function lowestEquivalent(value: number): number {
  const width = widthOf(value);
  return Math.floor(value / width) * width;
}

function highestEquivalent(value: number): number {
  return lowestEquivalent(value) + widthOf(value) - 1;
}

let counters: number[] | undefined;

/** The lowest value of each counter there is, up to the bucket that holds a second. */
function allCounters(): readonly number[] {
  if (counters !== undefined) return counters;
  counters = [];
  let end = SUB_BUCKETS;
  while (end <= NANOS_MAX) end *= 2;
  for (let value = 0; value < end; value += widthOf(value)) counters.push(value);
  return counters;
}

const NANOS = fc.oneof(
  fc.integer({ min: 0, max: 2000 }),
  fc.integer({ min: 0, max: 2 * NANOS_MAX }),
  // The borders of counters are where mistakes would be.
  fc
    .tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: -1, max: 1 }))
    .map(([bit, off]) => 2 ** bit + off),
);
const RECORDS = fc.array(fc.tuple(NANOS, fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 40 });

test('percentiles and steps are those of HdrHistogram', (context) => {
  const arena = Arena.create();
  context.after(() => arena.close());
  const histograms = new LatencyHistograms(new Allocator(arena), 3);
  fc.assert(
    fc.property(RECORDS, fc.array(fc.double({ min: 0, max: 100, noNaN: true })), (records, percents) => {
      histograms.reset();
      const reference = new ReferenceHistogram();
      for (const [nanos, count] of records) {
        histograms.record(COMMAND, count, nanos);
        reference.record(nanos, count);
      }
      assert.equal(histograms.callsOf(COMMAND), reference.total);
      for (const percent of [0, 50, 99, 99.9, 100, ...percents])
        assert.equal(histograms.percentile(COMMAND, percent), reference.percentile(percent), `p${percent}`);
      assert.deepEqual(histograms.steps(COMMAND), reference.steps());
    }),
    { numRuns: 500 },
  );
});
