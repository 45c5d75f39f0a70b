/** What a serving thread has besides: the keyspace and the engine, over the same shared memory. */
import { ALL_COMMANDS } from '../commands/registry.ts';
import { AccessControl } from '../engine/acl/access-control.ts';
import { ClientEviction } from '../engine/client-eviction.ts';
import { ClientTable } from '../engine/client-table.ts';
import { Deliveries } from '../engine/deliveries.ts';
import { Engine } from '../engine/engine.ts';
import { Statistics } from '../engine/statistics.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import type { Arena } from '../memory/arena.ts';
import { SnapshotQueue } from '../persistence/snapshot-queue.ts';
import { ReplyWriter } from '../protocol/reply-writer.ts';
import { systemRandom } from '../util/random.ts';
import { NODE_ACCESS_FILES } from './access-files.ts';
import { attachShared } from './shared-parts.ts';
import type { SharedParts, ThreadSettings } from './shared-parts.ts';

export interface ThreadParts extends SharedParts {
  readonly keyspace: Keyspace;
  readonly snapshotQueue: SnapshotQueue;
  readonly clientTable: ClientTable;
  readonly clientEviction: ClientEviction;
  readonly deliveries: Deliveries;
  readonly statistics: Statistics;
  readonly engine: Engine;
  readonly access: AccessControl;
  readonly reply: ReplyWriter;
}

/** Attaches a serving thread. The first to come creates keyspace, table of clients and statistics. */
export function attachThread(settings: ThreadSettings, arena?: Arena): ThreadParts {
  const shared = attachShared(settings, arena);
  const { allocator, config, log, clock } = shared;
  const reply = new ReplyWriter();
  return shared.mutex.hold(() => {
    const keyspace = new Keyspace(allocator, systemRandom(), config.values.databases);
    keyspace.timer = shared.timer;
    const engine = new Engine({
      allocator,
      keyspace,
      config,
      reply,
      statistics: (commandCount) => new Statistics(allocator, commandCount),
      clock,
      log,
    });
    const access = new AccessControl({
      allocator,
      config,
      commands: engine.commands,
      rows: ALL_COMMANDS,
      files: NODE_ACCESS_FILES,
      log,
    });
    const clientTable = new ClientTable(allocator);
    const { threadNumber } = settings;
    const deliveries = new Deliveries({ allocator, clientTable, config, reply, threadNumber });
    const { statistics } = engine;
    const clientEviction = new ClientEviction({ clientTable, keyspace, config, statistics, log });
    const snapshotQueue = new SnapshotQueue(keyspace);
    return {
      ...shared,
      keyspace,
      snapshotQueue,
      clientTable,
      clientEviction,
      deliveries,
      statistics,
      engine,
      access,
      reply,
    };
  });
}
