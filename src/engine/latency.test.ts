import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { LatencyHistograms } from './latency-histogram.ts';
import { LatencyMonitor, SAMPLES_MAX } from './latency-monitor.ts';

function newAllocator(): Allocator {
  const arena = Arena.create();
  arena.close();
  return new Allocator(arena);
}

test('a histogram names the values that HdrHistogram has for two significant digits', () => {
  const histograms = new LatencyHistograms(newAllocator(), 3);
  assert.equal(histograms.callsOf(1), 0);
  assert.deepEqual(histograms.steps(1), []);
  histograms.record(1, 3, 1000);
  histograms.record(1, 1, 40_000);
  histograms.record(1, 1, 5e9);
  assert.equal(histograms.callsOf(1), 5);
  assert.equal(histograms.callsOf(2), 0);
  // 1000 is in 1000…1003, 40,000 in 39,936…40,191; a second is the longest.
  assert.equal(histograms.percentile(1, 0), 1000);
  assert.equal(histograms.percentile(1, 50), 1003);
  assert.equal(histograms.percentile(1, 80), 40_191);
  assert.equal(histograms.percentile(1, 100), 1_002_438_655);
  assert.deepEqual(histograms.steps(1), [
    [1, 3],
    [66, 4],
    [1_073_741, 5],
  ]);
  histograms.reset();
  assert.equal(histograms.callsOf(1), 0);
});

test('the latency monitor keeps the longest of a second, and the last 160 seconds', () => {
  const monitor = new LatencyMonitor(newAllocator());
  assert.equal(monitor.get('command'), undefined);
  monitor.add('command', 10, 1000);
  monitor.add('command', 30, 1000);
  monitor.add('command', 20, 1000);
  assert.deepEqual(monitor.get('command')?.samples, [{ seconds: 1000, millis: 30 }]);
  for (let i = 1; i <= 2 * SAMPLES_MAX + 5; i++) monitor.add('command', 5, 1000 + i);
  const { samples, longestMillis } = monitor.get('command')!;
  assert.equal(longestMillis, 30);
  assert.equal(samples.length, SAMPLES_MAX);
  assert.deepEqual([samples[0]!.seconds, samples.at(-1)!.seconds], [1166, 1325]);

  monitor.add('fast-command', 7, 2000);
  assert.deepEqual(
    monitor.events().map(({ name }) => name),
    ['fast-command', 'command'],
  );
  assert.equal(monitor.reset('COMMAND'), 1);
  assert.equal(monitor.reset(), 1);
  assert.deepEqual(monitor.events(), []);
});
