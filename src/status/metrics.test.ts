import assert from 'node:assert/strict';
import { test } from 'node:test';
import { METRIC_ROWS } from './metric-table.ts';
import { downText, metricsText } from './metrics.ts';
import { CommandError } from './reply-reader.ts';
import type { Reply } from './reply-reader.ts';

const INFO = Buffer.from(
  [
    '# Server',
    'redis_version:7.0.15',
    'os:say "hi" \\ there',
    'uptime_in_seconds:100',
    '# Stats',
    'total_commands_processed:12345678901',
    'lock_wait_usec:1500000',
    '# Persistence',
    'rdb_last_bgsave_status:err',
    'aof_last_write_status:ok',
    '# Commandstats',
    'cmdstat_get:calls=10,usec=25,usec_per_call=2.50,rejected_calls=1,failed_calls=2',
    'cmdstat_config|get:calls=1,usec=3,usec_per_call=3.00,rejected_calls=0,failed_calls=0',
    'cmdstat_config|set:calls=1,usec=4,usec_per_call=4.00,rejected_calls=0,failed_calls=0',
    '# Errorstats',
    'errorstat_WRONGTYPE:count=7',
    '# Latencystats',
    'latency_percentiles_usec_get:p50=1.003,p99=2.007,p99.9=9.023',
    '# Keyspace',
    'db3:keys=5,expires=2,avg_ttl=1500',
    '',
  ].join('\r\n'),
);
const HISTOGRAMS: Reply = [
  Buffer.from('get'),
  [Buffer.from('calls'), 10, Buffer.from('histogram_usec'), [1, 4, 4, 10]],
  Buffer.from('config'),
  [Buffer.from('calls'), 2, Buffer.from('histogram_usec'), [4, 2]],
];
const SLOWEST: Reply = [
  [41, 1_700_000_000, 12_500, [Buffer.from('KEYS')], Buffer.from('127.0.0.1:1'), Buffer.from('')],
];
const SPIKES: Reply = [[Buffer.from('command'), 1_700_000_000, 250, 300]];

test('fields of INFO, by database, by command and by error', () => {
  const text = metricsText([INFO, 3, SLOWEST, SPIKES, HISTOGRAMS], 1_000_000);
  for (const line of [
    'redis_up 1',
    'redis_start_time_seconds 900',
    'redis_commands_processed_total 12345678901',
    'redis_clone_lock_wait_seconds_total 1.5',
    'redis_rdb_last_bgsave_status 0',
    'redis_aof_last_write_status 1',
    'redis_db_keys{db="db3"} 5',
    'redis_db_keys_expiring{db="db3"} 2',
    'redis_db_avg_ttl_seconds{db="db3"} 1.5',
    'redis_commands_total{cmd="get"} 10',
    'redis_commands_duration_seconds_total{cmd="get"} 0.000025',
    'redis_commands_rejected_calls_total{cmd="get"} 1',
    'redis_commands_failed_calls_total{cmd="get"} 2',
    'redis_errors_total{err="WRONGTYPE"} 7',
    'redis_latency_percentiles_usec{cmd="get",quantile="99.9"} 9.023',
    'redis_latency_percentiles_usec_sum{cmd="get"} 25',
    'redis_latency_percentiles_usec_count{cmd="get"} 10',
    'redis_commands_latencies_usec_bucket{cmd="get",le="1"} 4',
    'redis_commands_latencies_usec_bucket{cmd="get",le="+Inf"} 10',
    'redis_commands_latencies_usec_sum{cmd="config"} 7',
    'redis_slowlog_length 3',
    'redis_slowlog_last_id 41',
    'redis_last_slow_execution_duration_seconds 0.0125',
    'redis_latency_spike_last{event_name="command"} 1700000000',
    'redis_latency_spike_duration_seconds{event_name="command"} 0.25',
  ])
    assert.ok(text.includes(`\n${line}\n`), line);
  assert.ok(text.includes('os="say \\"hi\\" \\\\ there"'));
});

test('every metric has help and type once, before its samples', () => {
  const text = metricsText([INFO, 3, SLOWEST, SPIKES, HISTOGRAMS], 1_000_000);
  const names = [
    ...text.matchAll(/^# HELP (\S+) \S.*\n# TYPE \1 (gauge|counter|untyped|summary|histogram)$/gm),
  ].map(([, name]) => name);
  assert.equal(new Set(names).size, names.length);
  let current = '';
  for (const line of text.trimEnd().split('\n')) {
    if (line.startsWith('#')) current = line.split(' ')[2] ?? '';
    else assert.match(line, new RegExp(`^${current}(_sum|_count|_bucket)?(\\{.*\\})? -?[0-9.e+-]+$`));
  }
});

test('what may not be asked, or does not answer, is left out', () => {
  const denied = new CommandError('NOPERM this user has no permissions');
  const text = metricsText([INFO, denied, denied, denied, denied], 1_000_000);
  assert.ok(text.includes('redis_commands_total{cmd="get"} 10'));
  assert.doesNotMatch(text, /slowlog|spike|_bucket/);
  assert.match(downText(), /^redis_up 0$/m);
});

test('the table names each metric once, in the words of Prometheus', () => {
  const names = METRIC_ROWS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, type, help } of METRIC_ROWS) {
    assert.match(name, /^[a-z][a-z0-9_]*$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.ok(help.length > 0);
  }
});
