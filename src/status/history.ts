/**
 * The last minutes of the server, a row of figures for each second: what the page shows when it is opened.
 * Counters are kept as they are, and whoever draws them takes differences: a second that is missing, because
 * the server was busy, then only makes a longer step.
 */
import { infoNumber } from './info-text.ts';
import type { InfoFields } from './info-text.ts';

/** The figures of a row, in order: fields of INFO, but for the time (Unix, ms) and all keys. */
export const HISTORY_COLUMNS = [
  'time',
  'total_commands_processed',
  'total_net_input_bytes',
  'total_net_output_bytes',
  'keyspace_hits',
  'keyspace_misses',
  'expired_keys',
  'evicted_keys',
  'used_memory',
  'used_memory_rss',
  'maxmemory',
  'connected_clients',
  'blocked_clients',
  'keys',
  'used_cpu_user',
  'used_cpu_sys',
  'lock_wait_usec',
  'lock_hold_usec',
  'lock_contended',
  'rdb_changes_since_last_save',
  'rdb_bgsave_in_progress',
  'rdb_saves',
  'aof_rewrite_in_progress',
  'aof_rewrites',
  'aof_current_size',
  'aof_delayed_fsync',
] as const;

/** Sections of INFO that have them. */
export const HISTORY_SECTIONS = ['stats', 'clients', 'memory', 'persistence', 'cpu', 'keyspace'] as const;

export type HistoryRow = readonly number[];

/** A quarter of an hour at a row each second. */
const ROWS_MAX = 900;

export class History {
  readonly #rows: HistoryRow[] = [];

  /** @param nowMillis Unix time */
  add(fields: InfoFields, nowMillis: number): void {
    if (this.#rows.length === ROWS_MAX) this.#rows.shift();
    this.#rows.push(
      HISTORY_COLUMNS.map((column) => {
        if (column === 'time') return nowMillis;
        return column === 'keys' ? keyCount(fields) : infoNumber(fields, column);
      }),
    );
  }

  /** The rows that are younger than that. */
  since(millis: number): HistoryRow[] {
    return this.#rows.filter(([time = 0]) => time > millis);
  }
}

function keyCount(fields: InfoFields): number {
  let count = 0;
  for (const [name, value] of fields)
    if (/^db\d+$/.test(name)) count += Number(/keys=(\d+)/.exec(value)?.[1] ?? 0);
  return count;
}
