/** `/metrics`: the state of the server in the text format of Prometheus. */
import { fieldsWith, infoNumber, parseInfo } from './info-text.ts';
import type { InfoFields } from './info-text.ts';
import { METRIC_ROWS } from './metric-table.ts';
import type { MetricType } from './metric-table.ts';
import type { CommandLine } from './engine-client.ts';
import { CommandError, itemsOf, numberOf, textOf } from './reply-reader.ts';
import type { Reply } from './reply-reader.ts';

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** What is asked of the engine, in this order. */
export const METRICS_COMMANDS: readonly CommandLine[] = [
  ['INFO', 'everything'],
  ['SLOWLOG', 'LEN'],
  ['SLOWLOG', 'GET', '1'],
  ['LATENCY', 'LATEST'],
  ['LATENCY', 'HISTOGRAM'],
];

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** Behind the metric's name: `_sum`, `_bucket`. */
  readonly suffix?: string;
}

/** What INFO shows as a word. */
const STATUS_NUMBERS: Readonly<Record<string, number>> = { ok: 1, err: 0 };

/** The page when the engine does not answer: as redis_exporter says that it cannot reach its Redis. */
export function downText(): string {
  const page = new MetricsPage();
  page.add('up', 'gauge', UP_HELP, [{ labels: {}, value: 0 }]);
  return page.text;
}

const UP_HELP = 'Whether the server answers';

/**
 * The page. @param replies to METRICS_COMMANDS. What the user may not ask, and what the server does not have,
 * is left out; without INFO there is none. @param nowMillis Unix time
 */
export function metricsText(replies: readonly Reply[], nowMillis: number): string {
  const [info, slowCount, slowest, spikes, histograms] = replies;
  const fields = parseInfo(textOf(info));
  const page = new MetricsPage();
  page.add('up', 'gauge', UP_HELP, [{ labels: {}, value: 1 }]);
  addInstance(page, fields, nowMillis);
  for (const { field, name, type, help, factor = 1 } of METRIC_ROWS) {
    const text = fields.get(field);
    if (text === undefined) continue;
    page.add(name, type, help, [{ labels: {}, value: (STATUS_NUMBERS[text] ?? Number(text)) * factor }]);
  }
  addDatabases(page, fields);
  addCommands(page, fields);
  addLatencies(page, fields, itemsOf(histograms));
  if (!(slowCount instanceof CommandError)) addSlowLog(page, numberOf(slowCount), itemsOf(slowest));
  addSpikes(page, itemsOf(spikes));
  return page.text;
}

function addInstance(page: MetricsPage, fields: InfoFields, nowMillis: number): void {
  const names = [
    ...['role', 'redis_version', 'redis_build_id', 'redis_mode', 'os', 'maxmemory_policy', 'tcp_port'],
    ...['run_id', 'process_id', 'master_replid', 'redis_clone_version', 'server_mode', 'io_transport'],
  ];
  const labels = Object.fromEntries(names.map((name) => [name, fields.get(name) ?? '']));
  page.add('instance_info', 'gauge', 'What is running', [{ labels, value: 1 }]);
  const started = Math.floor(nowMillis / 1000) - infoNumber(fields, 'uptime_in_seconds');
  page.add('start_time_seconds', 'gauge', 'Unix time of the start', [{ labels: {}, value: started }]);
}

function addDatabases(page: MetricsPage, fields: InfoFields): void {
  const databases = [...fieldsWith(fields, 'db')];
  const samples = (name: string, factor = 1): Sample[] =>
    databases.map(([index, values]) => ({
      labels: { db: `db${index}` },
      value: (values.get(name) ?? 0) * factor,
    }));
  page.add('db_keys', 'gauge', 'Keys in a database', samples('keys'));
  page.add('db_keys_expiring', 'gauge', 'Keys in a database that expire', samples('expires'));
  page.add('db_avg_ttl_seconds', 'gauge', 'Average time until they do', samples('avg_ttl', 1e-3));
}

function addCommands(page: MetricsPage, fields: InfoFields): void {
  const commands = [...fieldsWith(fields, 'cmdstat_')];
  const samples = (name: string, factor = 1): Sample[] =>
    commands.map(([cmd, values]) => ({ labels: { cmd }, value: (values.get(name) ?? 0) * factor }));
  page.add('commands_total', 'counter', 'Calls of a command', samples('calls'));
  page.add('commands_duration_seconds_total', 'counter', 'Time in a command', samples('usec', 1e-6));
  page.add(
    'commands_rejected_calls_total',
    'counter',
    'Calls refused before the command ran',
    samples('rejected_calls'),
  );
  page.add(
    'commands_failed_calls_total',
    'counter',
    'Calls that ended with an error',
    samples('failed_calls'),
  );
  const errors = [...fieldsWith(fields, 'errorstat_')];
  page.add(
    'errors_total',
    'counter',
    'Error replies by their first word',
    errors.map(([err, values]) => ({ labels: { err }, value: values.get('count') ?? 0 })),
  );
}

/** Percentiles as INFO has them, and the histograms that they were made from. */
function addLatencies(page: MetricsPage, fields: InfoFields, histograms: readonly Reply[]): void {
  const totals = new Map(fieldsWith(fields, 'cmdstat_'));
  const summaries: Sample[] = [];
  for (const [cmd, percentiles] of fieldsWith(fields, 'latency_percentiles_usec_')) {
    const total = totals.get(cmd);
    if (total === undefined) continue;
    for (const [percentile, value] of percentiles)
      summaries.push({ labels: { cmd, quantile: percentile.slice(1) }, value });
    summaries.push({ labels: { cmd }, suffix: '_sum', value: total.get('usec') ?? 0 });
    summaries.push({ labels: { cmd }, suffix: '_count', value: total.get('calls') ?? 0 });
  }
  page.add('latency_percentiles_usec', 'summary', 'Microseconds in a command, percentiles', summaries);

  const buckets: Sample[] = [];
  for (const { name: cmd, calls, counts } of histogramsOf(histograms)) {
    for (const [micros, count] of counts)
      buckets.push({ labels: { cmd, le: String(micros) }, suffix: '_bucket', value: count });
    buckets.push({ labels: { cmd, le: '+Inf' }, suffix: '_bucket', value: calls });
    buckets.push({ labels: { cmd }, suffix: '_sum', value: microsOf(totals, cmd) });
    buckets.push({ labels: { cmd }, suffix: '_count', value: calls });
  }
  page.add('commands_latencies_usec', 'histogram', 'Microseconds in a command, by call', buckets);
}

/** A container's histogram is that of all its subcommands. */
function microsOf(totals: ReadonlyMap<string, ReadonlyMap<string, number>>, command: string): number {
  let micros = 0;
  for (const [name, total] of totals)
    if (name === command || name.startsWith(`${command}|`)) micros += total.get('usec') ?? 0;
  return micros;
}

export interface Histogram {
  readonly name: string;
  readonly calls: number;
  /** Calls that took as many microseconds or fewer; ascending. */
  readonly counts: readonly (readonly [micros: number, calls: number])[];
}

/** The reply of LATENCY HISTOGRAM: name, [calls, n, histogram_usec, [micros, count, …]], … */
export function histogramsOf(reply: readonly Reply[]): Histogram[] {
  const histograms: Histogram[] = [];
  for (let at = 0; at + 1 < reply.length; at += 2) {
    const [, calls, , pairs] = itemsOf(reply[at + 1]);
    const numbers = itemsOf(pairs).map(numberOf);
    const counts = numbers.flatMap((micros, index) =>
      index % 2 === 0 ? [[micros, numbers[index + 1] ?? 0] as const] : [],
    );
    histograms.push({ name: textOf(reply[at]), calls: numberOf(calls), counts });
  }
  return histograms;
}

function addSlowLog(page: MetricsPage, count: number, entries: readonly Reply[]): void {
  const [id, , micros] = itemsOf(entries[0]);
  const one = (value: number): Sample[] => [{ labels: {}, value }];
  page.add('slowlog_length', 'gauge', 'Entries in the slow log', one(count));
  page.add('slowlog_last_id', 'gauge', 'Number of its last entry', one(numberOf(id)));
  page.add(
    'last_slow_execution_duration_seconds',
    'gauge',
    'How long the command in its last entry took',
    one(numberOf(micros) * 1e-6),
  );
}

/** LATENCY LATEST: event, Unix time, last and longest duration in ms. */
function addSpikes(page: MetricsPage, events: readonly Reply[]): void {
  const samples = (index: number, factor: number): Sample[] =>
    events.map((event) => {
      const values = itemsOf(event);
      return { labels: { event_name: textOf(values[0]) }, value: numberOf(values[index]) * factor };
    });
  page.add('latency_spike_last', 'gauge', 'Unix time of the last spike of an event', samples(1, 1));
  page.add('latency_spike_duration_seconds', 'gauge', 'How long that spike was', samples(2, 1e-3));
}

/** Puts metrics together. One without samples is left out. */
class MetricsPage {
  text = '';

  add(
    name: string,
    type: MetricType | 'summary' | 'histogram',
    help: string,
    samples: readonly Sample[],
  ): void {
    if (samples.length === 0) return;
    this.text += `# HELP redis_${name} ${help}\n# TYPE redis_${name} ${type}\n`;
    for (const { labels, value, suffix = '' } of samples)
      this.text += `redis_${name}${suffix}${labelText(labels)} ${numberText(value)}\n`;
  }
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** 0.1 + 0.2 is not to be seen: what was multiplied with a unit's factor has at most nine decimals. */
function numberText(value: number): string {
  return Number.isInteger(value) ? String(value) : String(Number(value.toFixed(9)));
}
