import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Watches } from '../keyspace/watches.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { clientBytes, outputBytes } from './client-memory.ts';
import {
  CLIENT_MAILED_BYTES,
  CLIENT_QUEUED,
  CLIENT_QUEUED_BYTES,
  CLIENT_WATCH_MARKER,
  ClientTable,
} from './client-table.ts';
import { Topics } from './topics.ts';

test('everything that a client has counts, and nothing once it is gone', (t) => {
  const arena = Arena.create();
  t.after(() => arena.close());
  const allocator = new Allocator(arena);
  const table = new ClientTable(allocator);
  const watches = new Watches(allocator, 1, 2);
  const topics = new Topics(allocator, 1, 2);
  const record = table.add('1.1.1.1:1', '', 0);
  const bytes = (): number => clientBytes(table, watches, record);
  /** What a change adds, of which some is certain. */
  const grows = (change: () => void, certainBytes: number): void => {
    const before = bytes();
    change();
    const grown = bytes() - before;
    assert(grown >= certainBytes && grown < certainBytes + 1000, `${grown} for ${certainBytes} bytes`);
  };

  const idle = bytes();
  grows(() => table.setInput(record, 5000, 3000, 128), 8128);
  grows(() => table.setOutput(record, 1, 20_000), 20_000);
  grows(() => table.setDouble(record, CLIENT_MAILED_BYTES, 7000), 7000);
  assert.equal(outputBytes(table, record), 27_000);
  grows(() => {
    table.set(record, CLIENT_QUEUED, 1);
    table.set(record, CLIENT_QUEUED_BYTES, 4000);
  }, 4000);
  for (const kind of ['channel', 'pattern', 'shard', 'prefix'] as const)
    grows(() => topics.subscribe(record, kind, Buffer.alloc(3000, kind)), 3000);
  const marker = watches.createMarker();
  grows(() => table.set(record, CLIENT_WATCH_MARKER, marker), 0);
  grows(() => watches.watch(marker, 0, Buffer.alloc(2000, 'k'), 0, 2000, 0), 2000);

  table.setInput(record, 0, 0, 0);
  table.setOutput(record, 0, 0);
  // The mark of a client that is about to be ended.
  table.setDouble(record, CLIENT_MAILED_BYTES, Infinity);
  table.set(record, CLIENT_QUEUED, -1);
  table.set(record, CLIENT_QUEUED_BYTES, 0);
  for (const kind of ['channel', 'pattern', 'shard', 'prefix'] as const) topics.unsubscribeAll(record, kind);
  watches.unwatchAll(marker);
  table.set(record, CLIENT_WATCH_MARKER, 0);
  assert.equal(bytes(), idle);
});
