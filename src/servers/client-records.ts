/**
 * What other threads may know of this thread's clients: their records in the table of clients, and what they
 * take of the memory for all clients (`maxmemory-clients`).
 */
import { RequestParser } from '../protocol/request-parser.ts';
import type { Session } from '../commands/session.ts';
import type { Connection } from './connection.ts';
import type { ThreadParts } from './thread-parts.ts';

/** All clients are counted anew this often, while there is a limit for them. */
const COUNT_MILLIS = 1000;

export interface ClientRecordsParts {
  readonly parts: ThreadParts;
  readonly connections: ReadonlyMap<number, Connection>;
  /** Does something to shared state. */
  readonly underLock: (action: () => void) => void;
}

export class ClientRecords {
  readonly #parts: ThreadParts;
  readonly #connections: ReadonlyMap<number, Connection>;
  readonly #underLock: (action: () => void) => void;
  /** When all clients are counted anew, Unix time in ms. */
  #nextCount = 0;

  constructor({ parts, connections, underLock }: ClientRecordsParts) {
    this.#parts = parts;
    this.#connections = connections;
    this.#underLock = underLock;
  }

  /** After a turn of a client; `seen` is when it was heard of last, Unix time in ms. Under the lock. */
  publish(connection: Connection, seen: number): void {
    const { clientTable, clientEviction } = this.#parts;
    this.setInput(connection);
    clientTable.publish(connection.session, seen);
    if (clientEviction.isOn) clientEviction.changed(connection.session.record);
  }

  /** Brings all records up to date; `current` is the session whose turn it is. Under the lock. */
  publishAll(current: Session | undefined): void {
    const { clientTable, engine } = this.#parts;
    for (const connection of this.#connections.values()) {
      const { session } = connection;
      this.setInput(connection);
      clientTable.publish(
        session,
        session === current ? engine.keyspace.now : clientTable.lastSeen(session.record),
      );
      this.setOutput(connection);
    }
  }

  /**
   * What is left of the input, once its buffer is the one in which it waits. Without the lock, as
   * `noteOutput`, for only this thread writes these figures; it is needed only where there is a limit for all
   * clients.
   */
  noteInput(connection: Connection): void {
    this.setInput(connection);
    this.#noteSize(connection);
  }

  /** How many replies wait. */
  noteOutput(connection: Connection): void {
    this.setOutput(connection);
    this.#noteSize(connection);
  }

  #noteSize({ session }: Connection): void {
    const { clientEviction } = this.#parts;
    if (clientEviction.isOn) this.#underLock(() => clientEviction.changed(session.record));
  }

  setInput(connection: Connection): void {
    const { session, input, ownedBytes, deferred } = connection;
    const received = input.end - input.start;
    let waiting = received;
    for (const { buffer } of deferred) waiting += buffer.length;
    const argumentBytes = RequestParser.argumentBytes(input);
    this.#parts.clientTable.setInput(
      session.record,
      waiting,
      Math.max(0, ownedBytes - received),
      argumentBytes,
    );
  }

  setOutput({ session, pending, pendingBytes }: Connection): void {
    this.#parts.clientTable.setOutput(session.record, pending.length, pendingBytes);
  }

  /** A new limit for all clients is kept to at once. */
  applyConfig(): void {
    const { clientEviction, mutex } = this.#parts;
    // When a thread starts it has no lock, and no clients either.
    if (clientEviction.configure() && mutex.isMine) clientEviction.recount();
  }

  /** Keeps to the limit where no client has told that it grew: a periodic duty. Under the lock. */
  keepLimit(): void {
    const { clientEviction, keyspace } = this.#parts;
    if (!clientEviction.isOn) return;
    if (keyspace.now < this.#nextCount) {
      clientEviction.enforce();
      return;
    }
    this.#nextCount = keyspace.now + COUNT_MILLIS;
    clientEviction.recount();
  }
}
