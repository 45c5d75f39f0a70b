import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRedisBenchmark } from './load.ts';

const OUTPUT = `====== SET ======
  100000 requests completed in 0.22 seconds

Latency by percentile distribution:
0.000% <= 0.200 milliseconds (cumulative count 16)
50.000% <= 1.471 milliseconds (cumulative count 50032)
99.805% <= 3.551 milliseconds (cumulative count 99808)
99.902% <= 3.607 milliseconds (cumulative count 99904)
100.000% <= 4.439 milliseconds (cumulative count 100000)

Cumulative distribution of latencies:
100.000% <= 5.103 milliseconds (cumulative count 100000)

Summary:
  throughput summary: 462962.94 requests per second
  latency summary (msec):
          avg       min       p50       p95       p99       max
        1.528     0.200     1.471     2.695     3.015     4.439
`;

test('the report of redis-benchmark is read', () => {
  assert.deepEqual(parseRedisBenchmark(OUTPUT), {
    requestsPerSecond: 462962.94,
    p50Millis: 1.471,
    p99Millis: 3.015,
    p999Millis: 3.607,
    maxMillis: 4.439,
  });
});

test('an error of the server is not taken for a result', () => {
  assert.throws(
    () => parseRedisBenchmark(`Error from server: ERR syntax error\n${OUTPUT}`),
    /ERR syntax error/,
  );
});
