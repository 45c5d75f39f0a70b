/** What the page gets each second, as JSON (`/api/status`). */
import { fieldsWith, parseInfo } from './info-text.ts';
import type { InfoFields } from './info-text.ts';
import type { CommandLine } from './engine-client.ts';
import { HISTORY_COLUMNS } from './history.ts';
import type { History, HistoryRow } from './history.ts';
import { histogramsOf } from './metrics.ts';
import { CommandError, itemsOf, numberOf, textOf } from './reply-reader.ts';
import type { Reply } from './reply-reader.ts';
import { shownText } from './shown-text.ts';

const SLOW_COMMANDS_MAX = 20;
const COMMAND_CHARACTERS_MAX = 200;

/** What is asked of the engine, in this order. */
export const STATUS_COMMANDS: readonly CommandLine[] = [
  ['INFO', 'everything'],
  ['LATENCY', 'HISTOGRAM'],
  ['SLOWLOG', 'GET', String(SLOW_COMMANDS_MAX)],
];

export interface CommandFacts {
  readonly name: string;
  readonly calls: number;
  readonly micros: number;
  readonly failures: number;
  /** Microseconds by percentile, as INFO names them: `p50`. */
  readonly percentiles: Readonly<Record<string, number>>;
}

export interface SlowCommand {
  readonly id: number;
  /** Unix time, s. */
  readonly time: number;
  readonly micros: number;
  readonly command: string;
  readonly client: string;
}

export interface DatabaseFacts {
  readonly index: number;
  readonly keys: number;
  readonly expiring: number;
}

export interface StatusReport {
  /** Unix time, ms. */
  readonly time: number;
  /** Fields of INFO that are words. */
  readonly facts: Readonly<Record<string, string>>;
  readonly columns: readonly string[];
  /** Those that are younger than what was asked for. */
  readonly rows: readonly HistoryRow[];
  /** Calls of all commands: how many took about so many microseconds, since the server has started. */
  readonly latencies: readonly (readonly [micros: number, calls: number])[];
  readonly commands: readonly CommandFacts[];
  readonly slow: readonly SlowCommand[];
  readonly databases: readonly DatabaseFacts[];
  /** What could not be asked, in the engine's words. */
  readonly problems: readonly string[];
}

const FACT_NAMES = [
  ...[
    'redis_version',
    'redis_clone_version',
    'node_version',
    'server_mode',
    'io_transport',
    'threads_started',
  ],
  ...['tcp_port', 'process_id', 'uptime_in_seconds', 'os', 'role', 'loading', 'loading_loaded_perc'],
  ...['maxmemory_policy', 'used_memory_peak', 'rdb_last_save_time', 'rdb_last_bgsave_status'],
  ...['rdb_last_bgsave_time_sec', 'aof_enabled', 'aof_last_write_status', 'aof_last_bgrewrite_status'],
  ...['lock_longest_wait_usec', 'lock_longest_hold_usec', 'longest_command_usec'],
] as const;

/**
 * @param replies to STATUS_COMMANDS
 * @param when Unix times in ms: now, and of the last row of the history that is known
 */
export function statusReport(
  replies: readonly Reply[],
  history: History,
  { sinceMillis, nowMillis }: { readonly sinceMillis: number; readonly nowMillis: number },
): StatusReport {
  const [info, histograms, slow] = replies;
  const isAllowed = !(info instanceof CommandError);
  const fields = parseInfo(textOf(info));
  const facts = FACT_NAMES.flatMap((name) => {
    const value = fields.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  return {
    time: nowMillis,
    facts: Object.fromEntries(facts) as Record<string, string>,
    columns: HISTORY_COLUMNS,
    // It is made of INFO: who may not ask for that does not get this.
    rows: isAllowed ? history.since(sinceMillis) : [],
    latencies: allLatencies(itemsOf(histograms)),
    commands: commandsOf(fields),
    slow: itemsOf(slow).map(slowCommand),
    databases: [...fieldsWith(fields, 'db')].map(([index, values]) => ({
      index: Number(index),
      keys: values.get('keys') ?? 0,
      expiring: values.get('expires') ?? 0,
    })),
    problems: [
      ...new Set(replies.flatMap((reply) => (reply instanceof CommandError ? [reply.message] : []))),
    ],
  };
}

/** The histograms of all commands as one: each has running totals, and only of buckets that are used. */
function allLatencies(reply: readonly Reply[]): [number, number][] {
  const sums = new Map<number, number>();
  for (const { counts } of histogramsOf(reply)) {
    let before = 0;
    for (const [micros, total] of counts) {
      sums.set(micros, (sums.get(micros) ?? 0) + total - before);
      before = total;
    }
  }
  return [...sums].sort(([left], [right]) => left - right);
}

function commandsOf(fields: InfoFields): CommandFacts[] {
  const percentiles = new Map(fieldsWith(fields, 'latency_percentiles_usec_'));
  return [...fieldsWith(fields, 'cmdstat_')].map(([name, values]) => ({
    name,
    calls: values.get('calls') ?? 0,
    micros: values.get('usec') ?? 0,
    failures: (values.get('rejected_calls') ?? 0) + (values.get('failed_calls') ?? 0),
    percentiles: Object.fromEntries(percentiles.get(name) ?? []),
  }));
}

/** An entry of the slow log: number, Unix time, microseconds, arguments, address, name. */
function slowCommand(entry: Reply): SlowCommand {
  const [id, time, micros, args, address, name] = itemsOf(entry);
  const words = itemsOf(args).map((arg) =>
    Buffer.isBuffer(arg) ? shownText(arg, COMMAND_CHARACTERS_MAX) : '',
  );
  const command = words.join(' ');
  return {
    id: numberOf(id),
    time: numberOf(time),
    micros: numberOf(micros),
    command:
      command.length > COMMAND_CHARACTERS_MAX ? `${command.slice(0, COMMAND_CHARACTERS_MAX)}…` : command,
    client: [textOf(name), textOf(address)].filter((text) => text !== '').join(' '),
  };
}
