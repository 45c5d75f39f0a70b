/**
 * Commands that wait: BLPOP and its kin, XREAD BLOCK, WAIT.
 *
 *     thread of the client          block(): its command is put down with the keys it waits for; the
 *                                   connection runs nothing more
 *     thread that creates the key   keyReady() during a command, serveReady() right after it: the commands of
 *                                   the clients that wait are run again, oldest first, each in the name of
 *                                   its client; replies are delivered to wherever that client is
 *     thread of the client          resumes the connection; or its time is up first (timeOut)
 *
 * So an element is popped by whoever pushed it, under the same lock, before anybody else can see it (Redis
 * 7.0 blocked.c, handleClientsBlockedOnKeys). Everything here runs under the store's lock.
 */
import type { Call } from '../commands/call.ts';
import type { BlockingService, BlockingWait } from '../commands/services.ts';
import {
  SESSION_BLOCKED,
  SESSION_MULTI,
  SESSION_REPLY_OFF,
  SESSION_REPLY_SKIP,
  Session,
} from '../commands/session.ts';
import type { Database } from '../keyspace/database.ts';
import { TYPE_STREAM } from '../keyspace/entry.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Ref } from '../memory/arena.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import type { Request } from '../protocol/request.ts';
import {
  AwaitedKeys,
  WAIT_CLIENT,
  WAIT_DATABASE,
  WAIT_PROTOCOL,
  WAIT_SESSION_FLAGS,
  WAIT_TIMEOUT_REPLY,
  WAIT_TYPE,
} from './awaited-keys.ts';
import { CLIENT_WAIT, type ClientTable } from './client-table.ts';

const UNBLOCKED = new ErrorReply('UNBLOCKED client unblocked via CLIENT UNBLOCK');
const STREAM_GONE = new ErrorReply('UNBLOCKED the stream key no longer exists');

const TIMEOUT_REPLIES = ['null', 'null-array', 'zero'] as const;

export interface BlockingParts {
  readonly keyspace: Keyspace;
  readonly clients: ClientTable;
  readonly reply: ReplyWriter;
  /** Runs the command of a client that waits; its reply is appended to the writer. */
  readonly rerun: (session: Session, request: Request, readyKey: Uint8Array) => void;
  /** The name of a command, whatever it is renamed to. */
  readonly commandName: (request: Request) => string;
  /** Counts a command that waits as failed; an error is its reply, and appended to the writer. */
  readonly fail: (request: Request, error: ErrorReply | undefined) => void;
  /** Hands bytes of the reply writer to a client of any thread, then lets its connection go on. */
  readonly resume: (client: Ref, bytes: Uint8Array, start: number, end: number) => void;
}

export class Blocking implements BlockingService {
  readonly #parts: BlockingParts;
  readonly #keys: AwaitedKeys;
  /** A key that somebody waits for has come during the command under way. */
  hasReady = false;
  /** The wait whose command is being run again, and whether it has to wait on. */
  #served: Ref = 0;
  #waitsOn = false;
  readonly #session = new Session(0, 0);

  constructor(parts: BlockingParts) {
    const { keyspace } = parts;
    this.#parts = parts;
    this.#keys = new AwaitedKeys(keyspace.allocator, keyspace.hashKey0, keyspace.hashKey1);
  }

  /** Until when a client waits, Unix time in ms; undefined when it does not. */
  waitsUntil(client: Ref): number | undefined {
    const wait = this.#parts.clients.get(client, CLIENT_WAIT);
    return wait === 0 ? undefined : this.#keys.deadlineOf(wait);
  }

  block(call: Call, wait: BlockingWait): void {
    if (this.#served !== 0) {
      this.#waitsOn = true;
      // It is not counted as a call.
      call.session.raise(SESSION_BLOCKED);
      return;
    }
    const { session, request, database } = call;
    if (session.record === 0 || session.has(SESSION_MULTI)) {
      this.#replyTimeout(TIMEOUT_REPLIES.indexOf(wait.refusalReply ?? wait.timeoutReply));
      return;
    }
    const { clients, keyspace } = this.#parts;
    const deadline = wait.timeoutMillis === 0 ? Infinity : keyspace.now + wait.timeoutMillis;
    const stored = wait.request ?? request;
    const record = this.#keys.addWait(session.record, stored, deadline);
    this.#keys.set(record, WAIT_TYPE, wait.type);
    this.#keys.set(record, WAIT_TIMEOUT_REPLY, TIMEOUT_REPLIES.indexOf(wait.timeoutReply));
    this.#keys.set(record, WAIT_DATABASE, database.index);
    this.#keys.set(record, WAIT_PROTOCOL, session.protocolVersion);
    this.#keys.set(record, WAIT_SESSION_FLAGS, session.flags);
    for (let i = wait.firstKey; i <= wait.lastKey; i++)
      this.#keys.addKey(record, database.index, stored.buffer, stored.start(i), stored.end(i));
    clients.set(session.record, CLIENT_WAIT, record);
    session.blockedUntil = deadline;
    session.raise(SESSION_BLOCKED);
  }

  /** A key has come, or has gone: if somebody waits for it, it is looked at after the command. */
  keyReady(database: Database, key: Uint8Array, start: number, end: number): void {
    const awaited = this.#keys.find(database.index, key, start, end);
    if (awaited === 0) return;
    this.#keys.noteReady(awaited);
    this.hasReady = true;
  }

  /** The contents of a database, or of all (-1), are others now (SWAPDB, FLUSHALL). */
  databaseChanged(index: number): void {
    for (const awaited of this.#keys.keysOf(index)) {
      this.#keys.noteReady(awaited);
      this.hasReady = true;
    }
  }

  /** Serves those who wait for keys that have become ready; a command of theirs may make others ready. */
  serveReady(): void {
    for (;;) {
      const awaited = this.#keys.takeReady();
      if (awaited === 0) break;
      const database = this.#parts.keyspace.databases[this.#keys.databaseOf(awaited)]!;
      const key = this.#keys.keyOf(awaited);
      for (const wait of this.#keys.waitsOf(awaited)) this.#serve(wait, database, key);
      this.#keys.release(awaited);
    }
    this.hasReady = false;
  }

  #serve(wait: Ref, database: Database, key: Uint8Array): void {
    const entry = database.lookup(key, 0, key.length);
    const type = this.#keys.get(wait, WAIT_TYPE);
    if (entry === 0 || database.typeOf(entry) !== type) {
      if (type === TYPE_STREAM && this.#isGroupRead(wait)) this.#fail(wait, STREAM_GONE);
      return;
    }
    const { reply, rerun } = this.#parts;
    const session = this.#sessionOf(wait);
    const mark = reply.position;
    this.#served = wait;
    this.#waitsOn = false;
    rerun(session, this.#keys.requestOf(wait), key);
    this.#served = 0;
    if (this.#waitsOn) reply.truncate(mark);
    else this.#resume(wait, mark);
  }

  /** Who the command is run for: all that a command looks at of its client. */
  #sessionOf(wait: Ref): Session {
    const { clients } = this.#parts;
    const client = this.#keys.get(wait, WAIT_CLIENT);
    const session = this.#session;
    session.represent(clients.idOf(client), client);
    session.databaseIndex = this.#keys.get(wait, WAIT_DATABASE);
    session.protocolVersion = this.#keys.get(wait, WAIT_PROTOCOL);
    session.user = clients.user(client);
    session.flags = 0;
    return session;
  }

  /** Ends a wait with the reply that stands in the writer from `mark` on. */
  #resume(wait: Ref, mark: number): void {
    const { reply, clients, resume } = this.#parts;
    const client = this.#keys.get(wait, WAIT_CLIENT);
    if ((this.#keys.get(wait, WAIT_SESSION_FLAGS) & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP)) !== 0)
      reply.truncate(mark);
    this.#keys.removeWait(wait);
    clients.set(client, CLIENT_WAIT, 0);
    resume(client, reply.buffer, mark, reply.position);
    reply.truncate(mark);
  }

  #isGroupRead(wait: Ref): boolean {
    return this.#parts.commandName(this.#keys.requestOf(wait)) === 'xreadgroup';
  }

  #fail(wait: Ref, error: ErrorReply): void {
    const mark = this.#parts.reply.position;
    this.#parts.fail(this.#keys.requestOf(wait), error);
    this.#resume(wait, mark);
  }

  /** CLIENT UNBLOCK: false when the client does not wait. */
  unblock(client: Ref, how: 'timeout' | 'error'): boolean {
    const wait = this.#parts.clients.get(client, CLIENT_WAIT);
    if (wait === 0) return false;
    if (how === 'error') {
      this.#fail(wait, UNBLOCKED);
    } else {
      this.#parts.fail(this.#keys.requestOf(wait), undefined);
      this.#endInVain(wait);
    }
    return true;
  }

  /** Ends a wait as its time limit would. */
  #endInVain(wait: Ref): void {
    const { reply } = this.#parts;
    const mark = reply.position;
    reply.version = this.#keys.get(wait, WAIT_PROTOCOL);
    this.#replyTimeout(this.#keys.get(wait, WAIT_TIMEOUT_REPLY));
    this.#resume(wait, mark);
  }

  /** The time of clients of this thread may be up: those whose it is get their reply. */
  timeOut(session: Session): void {
    const wait = this.#parts.clients.get(session.record, CLIENT_WAIT);
    if (wait !== 0 && this.#keys.deadlineOf(wait) <= this.#parts.keyspace.now) this.#endInVain(wait);
  }

  /** A client is about to go, or gone: it is not served any more. */
  stopWaiting(client: Ref): void {
    const { clients } = this.#parts;
    const wait = clients.get(client, CLIENT_WAIT);
    if (wait === 0) return;
    this.#keys.removeWait(wait);
    clients.set(client, CLIENT_WAIT, 0);
  }

  #replyTimeout(kind: number): void {
    const { reply } = this.#parts;
    if (TIMEOUT_REPLIES[kind] === 'null') reply.null();
    else if (TIMEOUT_REPLIES[kind] === 'null-array') reply.nullArray();
    else reply.integer(0);
  }
}
