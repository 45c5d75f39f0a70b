/** What a client takes of the memory: `tot-mem` of CLIENT LIST, and what `maxmemory-clients` limits. */
import type { Watches } from '../keyspace/watches.ts';
import type { Ref } from '../memory/arena.ts';
import {
  CLIENT_ARGUMENT_BYTES,
  CLIENT_INPUT,
  CLIENT_INPUT_FREE,
  CLIENT_MAILED_BYTES,
  CLIENT_OUTPUT_BYTES,
  CLIENT_OUTPUT_COUNT,
  CLIENT_QUEUED,
  CLIENT_QUEUED_BYTES,
  CLIENT_TOPIC_BYTES,
  CLIENT_WATCH_MARKER,
} from './client-table.ts';
import type { ClientTable } from './client-table.ts';

// JavaScript objects, which stand beside the bytes that are counted exactly: measured on Node's heap.
/** Of a connection, and its record. */
const CONNECTION_BYTES = 1200;
/** Of a command that MULTI has queued, besides its arguments. */
const QUEUED_COMMAND_BYTES = 700;
/** Of a piece of replies that waits, besides its bytes. */
const OUTPUT_PIECE_BYTES = 200;

/**
 * Its objects, buffers, unsent replies, queued commands, subscriptions and watched keys (networking.c,
 * getClientMemoryUsage).
 */
export function clientBytes(table: ClientTable, watches: Watches, record: Ref): number {
  const marker = table.get(record, CLIENT_WATCH_MARKER);
  return (
    CONNECTION_BYTES +
    table.get(record, CLIENT_INPUT) +
    table.get(record, CLIENT_INPUT_FREE) +
    table.get(record, CLIENT_ARGUMENT_BYTES) +
    outputBytes(table, record) +
    table.get(record, CLIENT_OUTPUT_COUNT) * OUTPUT_PIECE_BYTES +
    table.get(record, CLIENT_QUEUED_BYTES) +
    Math.max(0, table.get(record, CLIENT_QUEUED)) * QUEUED_COMMAND_BYTES +
    table.getDouble(record, CLIENT_TOPIC_BYTES) +
    (marker === 0 ? 0 : watches.watchedBytes(marker))
  );
}

/** Replies and messages that wait to be sent, or to be put to the client's output. */
export function outputBytes(table: ClientTable, record: Ref): number {
  const mailed = table.getDouble(record, CLIENT_MAILED_BYTES);
  // Infinity marks a client that is about to be ended (deliveries.ts).
  return table.getDouble(record, CLIENT_OUTPUT_BYTES) + (Number.isFinite(mailed) ? mailed : 0);
}
