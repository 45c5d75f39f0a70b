/**
 * Transactions: what MULTI has queued is run by EXEC without a break, unless a key under WATCH was touched
 * before (Redis 7.0 multi.c).
 *
 * A session is in one of three states, told by its flags; queue and flags belong to the thread that serves
 * it:
 *
 *     none ──MULTI──▶ SESSION_MULTI ──refused command──▶ SESSION_MULTI and SESSION_DIRTY_EXEC
 *      ▲                  │                                   │
 *      └── EXEC, DISCARD ─┴───────────────────────────────────┘
 *
 * Watched keys are shared (keyspace/watches.ts): the session owns a marker that any thread may set.
 */
import type { Call } from '../commands/call.ts';
import { TRANSACTION_ABORTED } from '../commands/errors.ts';
import type { TransactionService } from '../commands/services.ts';
import { SESSION_DIRTY_EXEC, SESSION_MULTI } from '../commands/session.ts';
import type { QueuedCommand, Session } from '../commands/session.ts';
import type { Database } from '../keyspace/database.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';

export interface TransactionsParts {
  readonly keyspace: Keyspace;
  /** Runs one queued command: its own statistics, its own errors; appends its reply. False: it is refused. */
  readonly runQueued: (call: Call, queued: QueuedCommand) => boolean;
  /** Counts a command as failed. */
  readonly failed: (commandId: number) => void;
}

export class Transactions implements TransactionService {
  readonly #keyspace: Keyspace;
  readonly #runQueued: TransactionsParts['runQueued'];
  readonly #failed: TransactionsParts['failed'];

  constructor(parts: TransactionsParts) {
    this.#keyspace = parts.keyspace;
    this.#runQueued = parts.runQueued;
    this.#failed = parts.failed;
  }

  exec(call: Call): void {
    const { session, reply } = call;
    if (session.has(SESSION_DIRTY_EXEC)) {
      this.discard(session);
      throw TRANSACTION_ABORTED;
    }
    if (this.#isTouched(session)) {
      this.discard(session);
      reply.nullArray();
      return;
    }

    // The watch has done its work; from here on it would only cost each of the queued writes.
    this.unwatch(session);
    reply.array(session.queue.length);
    const { id } = call.command;
    let isLastRun = true;
    for (const queued of session.queue) isLastRun = this.#runQueued(call, queued);
    // An error that comes after all commands that were run is EXEC's own (server.c, incrCommandStatsOnError).
    if (!isLastRun) this.#failed(id);
    this.discard(session);
  }

  discard(session: Session): void {
    session.queue = [];
    session.queuedBytes = 0;
    session.clear(SESSION_MULTI | SESSION_DIRTY_EXEC);
    this.unwatch(session);
  }

  watch(session: Session, database: Database, key: Uint8Array, start: number, end: number): void {
    const { watches } = this.#keyspace;
    // EXEC will fail already: nothing is gained by watching more.
    if (session.watchMarker !== 0 && watches.isDirty(session.watchMarker)) return;

    if (session.watchMarker === 0) session.watchMarker = watches.createMarker();
    watches.watch(session.watchMarker, database.index, key, start, end, this.#keyspace.now);
  }

  unwatch(session: Session): void {
    if (session.watchMarker !== 0) this.#keyspace.watches.unwatchAll(session.watchMarker);
  }

  /** Whether a watched key has changed, or has died since without anybody having noticed yet. */
  #isTouched({ watchMarker }: Session): boolean {
    if (watchMarker === 0) return false;
    const { watches, databases, now } = this.#keyspace;
    if (watches.isDirty(watchMarker)) return true;

    let hasExpired = false;
    watches.forEachWatched(watchMarker, (databaseIndex, key, since) => {
      const lastAlive = databases[databaseIndex]!.lastAlive(key);
      if (since <= lastAlive && lastAlive < now) hasExpired = true;
    });
    return hasExpired;
  }
}
