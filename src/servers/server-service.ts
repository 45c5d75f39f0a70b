/**
 * The server as commands see it: INFO, SHUTDOWN, passwords, flushing; and the wiring of all services of a
 * thread.
 */
import type { Call } from '../commands/call.ts';
import type { MemoryFigures, ServerService, Services } from '../commands/services.ts';
import {
  SESSION_NO_EVICT,
  SESSION_REPLY_OFF,
  SESSION_REPLY_SKIP,
  SESSION_REPLY_SKIP_NEXT,
  SESSION_SUBSCRIBER,
  SESSION_TRACKING,
} from '../commands/session.ts';
import type { Session } from '../commands/session.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { NODE_REWRITE_FILES } from '../config/rewrite-files.ts';
import { rewriteConfigFile } from '../config/rewrite.ts';
import { Blocking } from '../engine/blocking.ts';
import { clientBytes } from '../engine/client-memory.ts';
import { CLIENT_ENDING } from '../engine/client-table.ts';
import { Clients } from '../engine/clients.ts';
import { SharedConfig } from '../engine/config-service.ts';
import { buildInfo } from '../engine/info.ts';
import { Observation } from '../engine/observation.ts';
import { KeyspaceEvents } from '../engine/keyspace-events.ts';
import { STATE_ACTIVE_EXPIRE_OFF, STATE_NEXT_CRON, STATE_STARTUP_BYTES } from '../engine/shared-state.ts';
import { Subscriptions } from '../engine/subscriptions.ts';
import { Topics } from '../engine/topics.ts';
import { Tracking } from '../engine/tracking.ts';
import { Transactions } from '../engine/transactions.ts';
import type { ReleasePages } from '../memory/allocator.ts';
import type { Libc } from '../system/libc.ts';
import type { Ref } from '../memory/arena.ts';
import type { ServingCore } from './serving-core.ts';
import type { ThreadParts } from './thread-parts.ts';
import { ListenRequests } from './listen-requests.ts';
import type { ListenOwner } from './listen-owner.ts';
import { isLoopback } from './bind-addresses.ts';

const sleepCell = new Int32Array(new SharedArrayBuffer(4));

const SHUTDOWN_FAILED = new ErrorReply('ERR Errors trying to SHUTDOWN. Check logs.');

export interface ServiceParts {
  readonly parts: ThreadParts;
  readonly core: ServingCore;
  readonly releasePages: ReleasePages;
  /** Undefined with the portable transport. */
  readonly libc: Libc | undefined;
  /** What the thread listens with, if it does. */
  readonly owner?: ListenOwner | undefined;
}

/** Makes the services of a thread, gives them to its engine, and returns them. */
export function connectServices(wiring: ServiceParts): Services {
  const { parts, core, libc, owner } = wiring;
  const { engine, keyspace, allocator, config } = parts;
  const blocking = new Blocking({
    keyspace,
    clients: parts.clientTable,
    reply: parts.reply,
    rerun: (session, request, readyKey) => engine.rerun(session, request, readyKey),
    commandName: (request) => engine.commands.resolve(request)!.fullName,
    fail: (request, error) => engine.failWaiting(request, error),
    resume: (client, bytes, start, end) => core.resumeClient(client, bytes, start, end),
  });
  const topics = new Topics(allocator, keyspace.hashKey0, keyspace.hashKey1);
  const pubsub = new Subscriptions(topics, parts.deliveries);
  const tracking = new Tracking({
    allocator,
    clients: parts.clientTable,
    deliveries: parts.deliveries,
    topics,
    config,
    random: keyspace.random,
    hashKey0: keyspace.hashKey0,
    hashKey1: keyspace.hashKey1,
    running: () => engine.currentClient,
  });
  const observation = new Observation({
    allocator,
    config,
    clients: parts.clientTable,
    deliveries: parts.deliveries,
    clock: parts.clock,
    commandCount: engine.commands.all.length,
  });
  const clients = new Clients({
    table: parts.clientTable,
    watches: keyspace.watches,
    arena: allocator.arena,
    commands: engine.commands,
    blocking,
    pubsub,
    tracking,
    link: {
      publishSessions: () => core.publishSessions(),
      post: (thread, kind, clientId) => core.post(thread, kind, clientId),
      end: (record) => core.endClient(record),
    },
    now: () => keyspace.now,
  });
  const describeClient = (record: Ref): string => clients.line(record);
  parts.clientEviction.connect({
    publishSessions: () => core.publishSessions(),
    describe: describeClient,
    end: (record) => clients.end(record),
  });
  const services: Services = {
    blocking,
    pubsub,
    tracking,
    commands: engine.commands,
    clients,
    transactions: new Transactions({
      keyspace,
      runQueued: (call: Call, queued) => engine.runQueued(call, queued),
      failed: (commandId) => parts.statistics.commandFailed(commandId),
    }),
    config: new SharedConfig({
      allocator,
      config,
      published: (version) => engine.published(version),
      isLocal: () => core.isCallerLocal(isLoopback),
      isLoading: () => engine.isLoading,
      rewriteFile: () =>
        rewriteConfigFile(config, NODE_REWRITE_FILES, { users: parts.access.configuredRules }),
      log: parts.log,
    }),
    access: parts.access,
    slowLog: observation.slowLog,
    latency: observation.latency,
    monitors: observation.monitors,
    server: new LocalServer({ ...wiring, blocking, clients, pubsub, tracking, observation }),
    persistence: core.persistence,
  };
  const listening = new ListenRequests(parts, { core, libc, owner });
  core.settleHeldBack = () => listening.settle();
  config.useHooks({
    maxmemory: () => {
      const warning = engine.memoryLimit.warningOf(Number(config.values.maxmemory));
      if (warning !== undefined) parts.log.warning(warning);
      // The periodic duties begin to make room at once.
      allocator.arena.counters[STATE_NEXT_CRON] = 0;
      return undefined;
    },
    requirepass: () => parts.access.takeRequiredPassword(),
    ...listening.hooks,
    ...core.persistence.hooks,
  });
  parts.access.connect({
    pubsub,
    table: parts.clientTable,
    clients,
    sessions: () => [...core.connections.values()].map(({ session }) => session),
    stopWaiting: (client) => blocking.stopWaiting(client),
    now: () => keyspace.now,
  });
  engine.connect(services, (changed) => core.applyConfig(changed), {
    blocking,
    tracking,
    access: parts.access,
    observation,
  });
  core.connect(blocking, new KeyspaceEvents(keyspace, pubsub), describeClient);
  keyspace.tracker = tracking;
  return services;
}

interface ServerParts extends ServiceParts {
  readonly blocking: Blocking;
  readonly clients: Clients;
  readonly pubsub: Subscriptions;
  readonly tracking: Tracking;
  readonly observation: Observation;
}

class LocalServer implements ServerService {
  readonly #parts: ThreadParts;
  readonly #core: ServingCore;
  readonly #wiring: ServerParts;

  constructor(wiring: ServerParts) {
    this.#wiring = wiring;
    this.#parts = wiring.parts;
    this.#core = wiring.core;
  }

  info(sections: readonly string[]): string {
    const {
      statistics,
      keyspace,
      allocator,
      config,
      clientTable,
      engine,
      clock,
      process: facts,
    } = this.#parts;
    return buildInfo(
      {
        statistics,
        keyspace,
        allocator,
        config,
        pubsub: this.#wiring.pubsub,
        tracking: this.#wiring.tracking,
        commands: engine.commands,
        histograms: this.#wiring.observation.histograms,
        memory: this.memory(),
        clients: { connected: clientTable.count, ...this.#wiring.clients.figures() },
        process: {
          pid: process.pid,
          port: config.values.port || config.values['tls-port'],
          io: this.#wiring.libc === undefined ? 'node' : 'epoll',
          configFile: config.configFile ?? '',
          ...facts,
        },
        persistence: this.#core.persistence.figures(),
        nowMillis: clock.wallMillis(),
        nowMicros: clock.monotonicMicros(),
      },
      sections,
    );
  }

  resetStatistics(): void {
    this.#parts.statistics.reset(this.#parts.clock.wallMillis());
    this.#parts.keyspace.resetStatistics();
    this.#wiring.observation.histograms.reset();
  }

  shutdown(options: {
    readonly save: boolean | undefined;
    readonly now: boolean;
    readonly force: boolean;
  }): void {
    if (!this.#core.shutDown(options.save, options.force)) throw SHUTDOWN_FAILED;
  }

  abortShutdown(): boolean {
    // A shutdown never waits here, so none is ever under way when a command runs.
    return false;
  }

  empty(databaseIndex: number, isLazy: boolean): number {
    const { keyspace } = this.#parts;
    const databases = databaseIndex === -1 ? keyspace.databases : [keyspace.databases[databaseIndex]!];
    if (keyspace.watches.count > 0) {
      keyspace.watches.touchDatabase(databaseIndex, keyspace.now, (index, key) =>
        keyspace.databases[index]!.lastAlive(key),
      );
    }
    let keyCount = 0;
    for (const database of databases) {
      if (database.keyCount === 0) continue;
      keyCount += database.keyCount;
      database.clear(isLazy);
    }
    this.#wiring.blocking.databaseChanged(databaseIndex);
    this.#wiring.tracking.flushed();
    return keyCount;
  }

  flush(databaseIndex: number, isLazy: boolean): number {
    const keyCount = this.empty(databaseIndex, isLazy);
    if (databaseIndex === -1) this.#core.persistence.flushed();
    return keyCount;
  }

  swapDatabases(first: number, second: number): void {
    const { keyspace } = this.#parts;
    if (first === second) return;
    this.#touchReplaced(first, second);
    this.#touchReplaced(second, first);
    keyspace.databases[first]!.swapWith(keyspace.databases[second]!);
    this.#wiring.blocking.databaseChanged(first);
    this.#wiring.blocking.databaseChanged(second);
  }

  /** Tells the clients that watch keys of a database that another is about to take its place. */
  #touchReplaced(index: number, byIndex: number): void {
    const { watches, databases, now } = this.#parts.keyspace;
    if (watches.count === 0) return;
    // A dead key that comes does not count: it is as if there were none.
    watches.touchDatabase(index, now, (_, key) =>
      databases[byIndex]!.lastAlive(key) === Infinity ? Infinity : databases[index]!.lastAlive(key),
    );
  }

  resetSession(session: Session): void {
    this.#parts.engine.discardTransaction(session);
    this.#wiring.pubsub.unsubscribeAll(session.record);
    this.#wiring.tracking.disable(session);
    this.#wiring.observation.monitors.remove(session);
    session.clear(
      SESSION_REPLY_OFF |
        SESSION_REPLY_SKIP |
        SESSION_REPLY_SKIP_NEXT |
        SESSION_NO_EVICT |
        SESSION_SUBSCRIBER |
        SESSION_TRACKING,
    );
    session.databaseIndex = 0;
    session.protocolVersion = 2;
    session.name = '';
    this.#parts.clientTable.setName(session.record, '');
    this.#parts.access.welcome(session);
  }

  sleep(millis: number): void {
    Atomics.wait(sleepCell, 0, 0, millis);
  }

  setActiveExpire(isOn: boolean): void {
    this.#parts.allocator.arena.control[STATE_ACTIVE_EXPIRE_OFF] = isOn ? 0 : 1;
  }

  log(level: 'debug' | 'verbose' | 'notice' | 'warning', message: string): void {
    this.#parts.log[level](message);
  }

  unixMicros(): number {
    return Math.round((performance.timeOrigin + performance.now()) * 1000);
  }

  memory(): MemoryFigures {
    const { allocator, keyspace } = this.#parts;
    const { counters } = allocator.arena;
    return {
      used: allocator.usedBytes,
      peak: allocator.peakBytes,
      startup: counters[STATE_STARTUP_BYTES]!,
      resident: process.memoryUsage.rss(),
      allocatorActive: allocator.spanBytes,
      allocatorResident: allocator.spanBytes + allocator.freeDirtyBytes,
      clients: this.#clientBytes(),
      notCountedForEviction: this.#core.persistence.uncountedBytes,
      databases: keyspace.databases
        .filter((database) => database.keyCount > 0)
        .map((database) => ({
          index: database.index,
          main: database.table.bucketBytes,
          expires: database.expiringCount * 4,
        })),
    };
  }

  #clientBytes(): number {
    const { clientTable, keyspace } = this.#parts;
    this.#core.publishSessions();
    let bytes = 0;
    clientTable.forEach((record) => {
      if (clientTable.get(record, CLIENT_ENDING) === 0)
        bytes += clientBytes(clientTable, keyspace.watches, record);
    });
    return bytes;
  }

  purgeMemory(): void {
    this.#parts.allocator.release(this.#wiring.releasePages, 0, Infinity);
  }
}
