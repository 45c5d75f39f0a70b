import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HISTORY_COLUMNS, History } from './history.ts';
import { parseInfo } from './info-text.ts';
import { CommandError } from './reply-reader.ts';
import type { Reply } from './reply-reader.ts';
import { statusReport } from './status-report.ts';

const INFO =
  '# Stats\r\ntotal_commands_processed:10\r\nkeyspace_hits:3\r\n' +
  '# Commandstats\r\ncmdstat_get:calls=9,usec=20,usec_per_call=2.22,rejected_calls=1,failed_calls=2\r\n' +
  '# Latencystats\r\nlatency_percentiles_usec_get:p50=1.003,p99=2.007\r\n' +
  '# Keyspace\r\ndb0:keys=5,expires=2,avg_ttl=0\r\ndb2:keys=1,expires=0,avg_ttl=0\r\n';
const HISTOGRAMS: Reply = [
  Buffer.from('get'),
  [Buffer.from('calls'), 9, Buffer.from('histogram_usec'), [1, 4, 4, 9]],
  Buffer.from('set'),
  [Buffer.from('calls'), 2, Buffer.from('histogram_usec'), [2, 1, 4, 2]],
];
const SLOW: Reply = [
  [
    7,
    1_700_000_000,
    12_500,
    [Buffer.from('SET'), Buffer.from([0xff])],
    Buffer.from('10.0.0.1:5'),
    Buffer.from('job'),
  ],
];
const WHEN = { sinceMillis: 0, nowMillis: 5000 };

function historyOf(...times: number[]): History {
  const history = new History();
  for (const time of times) history.add(parseInfo(INFO), time);
  return history;
}

test('rows have the figures of INFO in the order of the columns, with all keys', () => {
  const { columns, rows } = statusReport([Buffer.from(INFO)], historyOf(1000), WHEN);
  const row = Object.fromEntries(columns.map((column, index) => [column, rows[0]?.[index]]));
  assert.deepEqual([row['time'], row['total_commands_processed'], row['keyspace_hits']], [1000, 10, 3]);
  assert.equal(row['keys'], 6);
  assert.equal(row['used_memory'], 0);
});

test('only rows that are younger, and a quarter of an hour of them', () => {
  const history = historyOf(...Array.from({ length: 1000 }, (_, index) => index));
  assert.equal(history.since(-1).length, 900);
  assert.deepEqual(
    history.since(997).map(([time]) => time),
    [998, 999],
  );
  assert.equal(history.since(0)[0]?.length, HISTORY_COLUMNS.length);
});

test('histograms of running totals become one of calls in each bucket', () => {
  const { latencies } = statusReport([Buffer.from(INFO), HISTOGRAMS], new History(), WHEN);
  assert.deepEqual(latencies, [
    [1, 4],
    [2, 1],
    [4, 6],
  ]);
});

test('commands, slow commands, databases', () => {
  const report = statusReport([Buffer.from(INFO), [], SLOW], new History(), WHEN);
  assert.deepEqual(report.commands, [
    { name: 'get', calls: 9, micros: 20, failures: 3, percentiles: { p50: 1.003, p99: 2.007 } },
  ]);
  assert.deepEqual(report.slow, [
    { id: 7, time: 1_700_000_000, micros: 12_500, command: 'SET \\xff', client: 'job 10.0.0.1:5' },
  ]);
  assert.deepEqual(
    report.databases.map(({ index, keys }) => [index, keys]),
    [
      [0, 5],
      [2, 1],
    ],
  );
  assert.deepEqual(report.problems, []);
});

test('who may not ask for INFO gets none of the history that is made of it', () => {
  const denied = new CommandError('NOPERM no');
  const report = statusReport([denied, [], denied], historyOf(1000), WHEN);
  assert.deepEqual([report.rows, report.problems], [[], ['NOPERM no']]);
});
