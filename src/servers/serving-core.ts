/**
 * What a serving thread does, whatever the transport: it runs the requests of its connections, and after each
 * wake-up does the ordered duties.
 *
 *     transport: bytes arrived    ──▶ receive(connection)   parse: requests are put down, no lock
 *     transport: all sockets read ──▶ endWakeUp()           fetch keys, lock, run all, unlock, send replies
 *     transport: before it sleeps ──▶ beforeSleep()         periodic duties, interrupted clients
 *
 * Replies are sent only at the end of a wake-up: one log write, later one fsync, serves all clients of it,
 * and no client sees a reply before the disk has what it acknowledges.
 */
import {
  SESSION_BLOCKED,
  SESSION_CLOSE_AFTER_REPLY,
  SESSION_CLOSE_NOW,
  SESSION_HELD_BACK,
  SESSION_POSTPONED,
  SESSION_MONITOR,
  SESSION_SUBSCRIBER,
  SESSION_TRACKING,
  SESSION_UNAUTHENTICATED,
  SESSION_UNIX_SOCKET,
  Session,
} from '../commands/session.ts';
import type { Config } from '../config/config.ts';
import { CLIENT_DESCRIPTOR, CLIENT_THREAD } from '../engine/client-table.ts';
import type { Blocking } from '../engine/blocking.ts';
import type { KeyspaceEvents } from '../engine/keyspace-events.ts';
import { BLOCKED, POSTPONED } from '../engine/engine.ts';
import {
  MAIL_ATTEND,
  MAIL_JOB_DONE,
  MAIL_KILL,
  MAIL_LISTENS,
  MAIL_STOP,
  MAIL_UNBLOCKED,
  MAIL_UNPAUSED,
  STOP_BY_CALLER,
  STOP_BY_SIGINT,
  STOP_BY_SIGTERM,
} from '../engine/mailboxes.ts';
import type { Ref } from '../memory/arena.ts';
import { RecoveryError } from '../persistence/recovery-error.ts';
import { PAUSE_NONE, STATE_PAUSE_END, STATE_PAUSE_MODE, STATE_STOPPING } from '../engine/shared-state.ts';
import { BATCH_REQUESTS_MAX, RequestParser } from '../protocol/request-parser.ts';
import type { Request } from '../protocol/request.ts';
import { BufferLimits, TURN_OUTPUT_BYTES_MAX } from './buffer-limits.ts';
import { ClientRecords } from './client-records.ts';
import { Connection } from './connection.ts';
import { ConnectionLog } from './connection-log.ts';
import type { Stretch } from './connection.ts';
import type { Duties } from './duties.ts';
import { Persistence } from './persistence.ts';
import { PROTECTED_MODE_ERROR } from './protected-mode.ts';
import { SERVING_THREAD } from './shared-parts.ts';
import type { ThreadParts } from './thread-parts.ts';

/**
 * A client with more unsent replies than this is not read any further, so its replies stop growing. It is
 * high, for a client may send a long pipeline before it reads the first reply.
 */
const STALLED_OUTPUT_BYTES = 64 * 1024 * 1024;
/**
 * After this much output of all clients their replies are sent, before more requests are run: what was just
 * written is still in the cache, and the buffer stays small.
 */
const WAKE_UP_OUTPUT_BYTES_MAX = 128 * 1024;

/** While it loads, the thread looks after its clients this often. */
const LOAD_STEP_MICROS = 10_000;

/** Clients postponed by CLIENT PAUSE are looked after this often. */
const POSTPONED_LOOK_MILLIS = 5;
/** Clients that need not say anything to stay. */
const NEVER_IDLE = SESSION_POSTPONED | SESSION_BLOCKED | SESSION_SUBSCRIBER | SESSION_MONITOR;
/** All connections are looked over for time-outs this often. */
const IDLE_LOOK_MILLIS = 1000;

/**
 * Requests of one connection that wait to be run: how many of the batch, and the protocol error after them.
 */
interface Group {
  connection: Connection | undefined;
  count: number;
  error: string;
}

/** Whether a client may get messages besides its replies. */
function mayHear(session: Session): boolean {
  return (
    session.protocolVersion === 3 || session.has(SESSION_SUBSCRIBER | SESSION_TRACKING | SESSION_MONITOR)
  );
}

function newGroup(): Group {
  return { connection: undefined, count: 0, error: '' };
}

/** What a transport does for the core. */
export interface Transport {
  /** Hands bytes to the socket: how many it took, or a negative number when the connection is broken. */
  send(connection: Connection, bytes: Buffer, start: number, end: number): number;
  /** Tells when the socket can take more. */
  watchWritable(connection: Connection, isWanted: boolean): void;
  /** Stops or goes on reading. */
  watchReadable(connection: Connection, isWanted: boolean): void;
  close(connection: Connection): void;
  /**
   * Opens and closes listening sockets, so that they are what the configuration wants: undefined, or why they
   * stay as they are (the line for the log).
   */
  relisten(): string | undefined | Promise<string | undefined>;
  /** No more connections are accepted. */
  stopListening(): void;
}

/** What a serving thread has to do with the others; in event-loop mode there are none. */
export interface ThreadRole {
  /** The periodic duties; undefined when another thread has them. */
  readonly duties: Duties | undefined;
  /** One of this thread's connections has ended. Under the lock. */
  connectionClosed(): void;
  /** Mail that is not for a connection. */
  receive(kind: number, value: number): void;
  /** Ten times a second, where the duties are. */
  tick(): void;
}

export class ServingCore {
  readonly #parts: ThreadParts;
  readonly #transport: Transport;
  readonly #role: ThreadRole;
  readonly persistence: Persistence;
  readonly #limits: BufferLimits;
  readonly #records: ClientRecords;
  readonly #parser = new RequestParser();
  readonly #connections = new Map<number, Connection>();
  #current: Connection | undefined;
  /** Requests of this wake-up that wait to be run. Objects are reused: a wake-up allocates nothing. */
  readonly #collected: Group[] = Array.from({ length: BATCH_REQUESTS_MAX + 1 }, newGroup);
  #collectedCount = 0;
  #parsedCount = 0;
  /** Replies of this wake-up. */
  readonly #stretches: Stretch[] = [];
  #stretchCount = 0;
  /** Some client has more than one of them. */
  #isSplit = false;
  #resumable: Connection[] = [];
  #postponed: Connection[] = [];
  /** Clients that wait, and when the first of them has waited long enough, Unix time in ms. */
  readonly #blocked = new Set<Connection>();
  #nextTimeout = Infinity;
  #blocking: Blocking | undefined;
  #connectionLog: ConnectionLog | undefined;
  #sentBytes = 0;
  #receivedBytes = 0;
  #outgoingMail: number[] = [];
  #nextIdleLook = 0;
  /** The time of this turn of the loop, Unix time in ms: where requests were run, theirs. */
  #now = 0;
  #isNowKnown = false;
  /** Exit code once the thread shall end. */
  stopCode: number | undefined;
  /**
   * Looks after clients that are held back: when mail was sent, before the replies of the wake-up; when they
   * may go on; once in a while.
   */
  settleHeldBack: () => void = () => {};
  /** Called when the thread was asked to end and goes on, because the data could not be saved. */
  onStopRefused: () => void = () => {};

  constructor(parts: ThreadParts, transport: Transport, role: ThreadRole) {
    this.#parts = parts;
    this.#transport = transport;
    this.#role = role;
    this.#limits = new BufferLimits(parts);
    this.#records = new ClientRecords({
      parts,
      connections: this.#connections,
      underLock: (action) => this.#underLock(action),
    });
    this.persistence = new Persistence({
      parts,
      queue: parts.snapshotQueue,
      underLock: (action) => this.#underLock(action),
      stopAtOnce: (reason) => this.#stopAtOnce(reason),
    });
    parts.deliveries.connect({
      running: () => parts.engine.runningClient,
      hasMail: (thread) => this.#outgoingMail.push(thread),
      grew: (record) => {
        if (parts.clientEviction.isOn) parts.clientEviction.count(record);
      },
      overflowed: (record) => this.#overflowed(record),
    });
  }

  /** Gives the core its services, once, before it serves anybody. */
  connect(blocking: Blocking, events: KeyspaceEvents, describe: (record: Ref) => string): void {
    this.#blocking = blocking;
    this.#limits.connect(describe);
    this.#connectionLog = new ConnectionLog(this.#parts.log, describe);
    this.persistence.connect(blocking, events);
  }

  get connections(): ReadonlyMap<number, Connection> {
    return this.#connections;
  }

  applyConfig(config: Config): void {
    this.#parser.bulkBytesMax = Number(config.values['proto-max-bulk-len']);
    this.#limits.applyConfig();
    this.#records.applyConfig();
    this.persistence.applyConfig();
  }

  // Connections ---------------------------------------------------------------------------------------------

  /**
   * Takes in a new connection, or returns the error to send to one that is refused.
   * @param peer who it is, for CLIENT LIST; `isLoopback` when it comes from this machine
   */
  open(peer: {
    readonly address: string;
    readonly localAddress: string;
    readonly isLoopback: boolean;
    readonly isUnixSocket: boolean;
    readonly descriptor: number;
    readonly handle: unknown;
  }): Connection | string {
    const { access, engine, statistics, clientTable, threadNumber } = this.#parts;
    return this.#underLock(() => {
      this.#connectionLog?.accepted(peer);
      const { values } = engine.config;
      statistics.add('connectionsReceived', 1);
      if (clientTable.count >= values.maxclients) {
        statistics.add('connectionsRejected', 1);
        return '-ERR max number of clients reached\r\n';
      }
      if (values['protected-mode'] && access.isOpen && !peer.isLoopback && !peer.isUnixSocket) {
        statistics.add('connectionsRejected', 1);
        return PROTECTED_MODE_ERROR;
      }
      const record = clientTable.add(peer.address, peer.localAddress, engine.keyspace.now);
      clientTable.set(record, CLIENT_THREAD, threadNumber);
      clientTable.set(record, CLIENT_DESCRIPTOR, peer.descriptor);
      const session = new Session(clientTable.idOf(record), record);
      if (peer.isUnixSocket) session.raise(SESSION_UNIX_SOCKET);
      access.welcome(session);
      const connection = new Connection(session, peer.descriptor, peer.handle);
      this.#connections.set(session.id, connection);
      statistics.raise('peakClients', clientTable.count);
      this.#records.publish(connection, engine.keyspace.now);
      return connection;
    });
  }

  /**
   * Does something to shared state outside of the commands. When that ends with an error that nobody expects,
   * the lock stays taken, as in `#runCollected`.
   */
  #underLock<Result>(action: () => Result): Result {
    const { mutex, engine } = this.#parts;
    mutex.lock();
    try {
      engine.enter();
      const result = action();
      engine.leave();
      mutex.unlock();
      return result;
    } catch (error) {
      if (error instanceof RecoveryError) mutex.unlock();
      throw error;
    }
  }

  /** The client has closed the connection, or it is broken, and why. */
  lost(connection: Connection, reason?: string): void {
    if (!connection.isClosed && this.#parts.log.wants('verbose'))
      this.#underLock(() => this.#connectionLog!.lost(connection, reason));
    this.close(connection);
  }

  close(connection: Connection): void {
    if (connection.isClosed) return;
    connection.isClosed = true;
    const { engine, clientTable } = this.#parts;
    this.#underLock(() => {
      engine.endSession(connection.session);
      clientTable.remove(connection.session.record);
      this.#role.connectionClosed();
    });
    this.#connections.delete(connection.session.id);
    this.#blocked.delete(connection);
    connection.pending = [];
    connection.pendingBytes = 0;
    this.#transport.close(connection);
  }

  /** Closes every connection: the end of the thread. */
  closeAll(): void {
    for (const connection of [...this.#connections.values()]) this.close(connection);
  }

  // Requests ------------------------------------------------------------------------------------------------

  /**
   * Takes in what has arrived: parses the complete requests in the connection's input and puts them down to
   * be run with those of the other connections. `byteCount` is how much came, 0 when a connection goes on
   * with what is there.
   */
  receive(connection: Connection, byteCount: number): void {
    this.#receivedBytes += byteCount;
    const { input, session } = connection;
    while (!this.#mustNotRun(connection)) {
      if (connection.deferred.length > 0 || connection.deferredError !== '') {
        this.#runDeferred(connection);
        continue;
      }
      if (this.#parsedCount === BATCH_REQUESTS_MAX || this.#collectedCount === BATCH_REQUESTS_MAX) {
        this.#runCollected();
        continue;
      }
      const isAuthenticated = !session.has(SESSION_UNAUTHENTICATED);
      const count = this.#parser.parseBatch(input, isAuthenticated, this.#parsedCount);
      const { error } = this.#parser;
      if (count === 0 && error === '') return;
      this.#parsedCount += count;
      const group = this.#collected[this.#collectedCount++]!;
      group.connection = connection;
      group.count = count;
      group.error = error;
      if (error !== '') return;
      if (!isAuthenticated) this.#runCollected();
      else if (this.#parsedCount < BATCH_REQUESTS_MAX) return;
    }
  }

  /** The transport has put what is left of the input where it waits. */
  noteInput(connection: Connection): void {
    this.#records.noteInput(connection);
  }

  #mustNotRun(connection: Connection): boolean {
    return (
      connection.isClosed ||
      connection.isStalled ||
      connection.isResumable ||
      connection.session.has(
        SESSION_CLOSE_AFTER_REPLY | SESSION_CLOSE_NOW | SESSION_POSTPONED | SESSION_BLOCKED,
      )
    );
  }

  /**
   * Runs the requests of all connections: under one lock, unless their replies grow large.
   *
   * There is no `finally` that unlocks: after an error that no command throws on purpose, something is half
   * changed, and nobody may see it. The thread dies with the lock in its name; whoever watches it then stops
   * the server (supervisor.ts).
   */
  #runCollected(): void {
    const groupCount = this.#collectedCount;
    if (groupCount === 0) return;
    const { mutex, engine, reply } = this.#parts;
    const { batch } = this.#parser;
    let group = 0;
    let first = 0;
    engine.readAhead(this.#collected[0]!.connection!.session, batch, this.#parsedCount);
    while (group < groupCount) {
      this.persistence.waitForRoom();
      mutex.lock();
      engine.enter();
      this.#collectDeliveries(WAKE_UP_OUTPUT_BYTES_MAX);
      while (group < groupCount && reply.position <= WAKE_UP_OUTPUT_BYTES_MAX) {
        const { connection, count, error } = this.#collected[group]!;
        this.#runGroup(connection!, batch, first, count, error);
        this.#collectDeliveries(WAKE_UP_OUTPUT_BYTES_MAX);
        first += count;
        group++;
      }
      this.#countTraffic();
      engine.leave();
      this.#now = engine.keyspace.now;
      this.#current = undefined;
      mutex.unlock();
      this.#sendMail();
      if (reply.position > WAKE_UP_OUTPUT_BYTES_MAX) this.#sendReplies();
    }
    this.#isNowKnown = true;
    this.#collectedCount = 0;
    this.#parsedCount = 0;
  }

  /** Runs what a connection had to leave for later. */
  #runDeferred(connection: Connection): void {
    this.#runCollected();
    const requests = connection.deferred;
    const error = connection.deferredError;
    connection.deferred = [];
    connection.deferredError = '';
    this.#underLock(() => {
      this.#collectDeliveries(Infinity);
      this.#runGroup(connection, requests, 0, requests.length, error);
    });
    this.#current = undefined;
    this.#sendMail();
  }

  /** Runs requests of one connection, in order, until one has to wait. Under the lock. */
  #runGroup(
    connection: Connection,
    requests: readonly Request[],
    first: number,
    count: number,
    error: string,
  ): void {
    // Nothing is changed any more after the last save.
    if (this.#mustStop()) return;
    if (this.#mustNotRun(connection)) {
      // An earlier group of this wake-up had to stop.
      if (!connection.isClosed) this.#defer(connection, requests, first, count, error);
      return;
    }
    const { engine, reply, deliveries } = this.#parts;
    const { session } = connection;
    const turnStart = reply.position;
    let start = turnStart;
    /** Of its replies, those in front of `start`; what others get may stand between them. */
    let flushedBytes = 0;
    this.#current = connection;
    let done = 0;
    while (done < count) {
      if (reply.position - turnStart > this.#limits.repliesBytesMax) {
        if (this.#cutForReplies(connection, flushedBytes + reply.position - start)) break;
        if (reply.position - turnStart > TURN_OUTPUT_BYTES_MAX) {
          this.#resumeLater(connection);
          break;
        }
      }
      const outcome = engine.execute(session, requests[first + done]!);
      if (outcome === POSTPONED) {
        session.raise(SESSION_POSTPONED);
        this.#postponed.push(connection);
        break;
      }
      done++;
      if (outcome === BLOCKED) {
        this.#noteBlocked(connection);
        break;
      }
      if ((session.flags & (SESSION_CLOSE_AFTER_REPLY | SESSION_CLOSE_NOW)) !== 0) break;
      if (this.stopCode !== undefined) return;
      // What was done for clients that waited may have made messages for this one, before its next reply.
      if (mayHear(session) && deliveries.isWaiting) {
        if (reply.position > start) this.#flushLater(connection, start, reply.position);
        flushedBytes += reply.position - start;
        this.#collectDeliveries(Infinity);
        start = reply.position;
      }
    }
    if (!session.has(SESSION_CLOSE_AFTER_REPLY | SESSION_CLOSE_NOW)) {
      if (done < count || session.has(SESSION_BLOCKED))
        this.#defer(connection, requests, first + done, count - done, error);
      else if (error !== '') {
        engine.protocolError(session, error);
        this.#connectionLog!.protocolError(connection, error);
      }
    }
    if (reply.position - turnStart > this.#limits.repliesBytesMax)
      this.#cutForReplies(connection, flushedBytes + reply.position - start);
    this.#records.publish(connection, engine.keyspace.now);
    if (reply.position > start || session.has(SESSION_CLOSE_AFTER_REPLY | SESSION_CLOSE_NOW)) {
      this.#flushLater(connection, start, reply.position);
    }
  }

  /**
   * Puts what waits for this thread's clients behind the replies that they have got so far, until those take
   * so many bytes. Nothing may be run while more waits. Under the lock.
   */
  #collectDeliveries(bytesMax: number): void {
    const { deliveries, reply } = this.#parts;
    while (deliveries.isWaiting && reply.position <= bytesMax) {
      const start = reply.position;
      deliveries.take();
      const end = reply.position;
      for (const id of deliveries.receivers) {
        const connection = this.#connections.get(id);
        if (connection === undefined || connection.session.has(SESSION_CLOSE_AFTER_REPLY)) continue;
        if (deliveries.received(connection.session.record, end - start))
          this.#flushLater(connection, start, end);
      }
    }
  }

  /** The rest of it, when nothing is to be run. */
  #sendDeliveries(): void {
    const { deliveries, reply } = this.#parts;
    while (deliveries.isWaiting && !this.#mustStop()) {
      this.#underLock(() => this.#collectDeliveries(WAKE_UP_OUTPUT_BYTES_MAX));
      if (reply.position > WAKE_UP_OUTPUT_BYTES_MAX) this.#sendReplies();
    }
  }

  /** A client does not read what it gets: it ends. Under the lock. */
  #overflowed(record: Ref): void {
    this.#limits.noteOutputCut(record, false);
    this.endClient(record);
  }

  /** Ends a client that gets too much in one turn; true when it has to go. Under the lock. */
  #cutForReplies(connection: Connection, replyBytes: number): boolean {
    const { session } = connection;
    if (session.has(SESSION_CLOSE_NOW)) return true;
    if (!this.#limits.isOverWith(connection, replyBytes)) return false;
    this.#limits.noteOutputCut(session.record, false);
    session.raise(SESSION_CLOSE_NOW);
    return true;
  }

  /** Notes a stretch of replies; one that follows the client's last stretch is sent together with it. */
  #flushLater(connection: Connection, start: number, end: number): void {
    const last = connection.lastStretch;
    if (last !== undefined) {
      if (last.end === start) {
        last.end = end;
        return;
      }
      this.#isSplit = true;
    }
    if (this.#stretchCount === this.#stretches.length)
      this.#stretches.push({ connection: undefined, start: 0, end: 0 });
    const stretch = this.#stretches[this.#stretchCount++]!;
    stretch.connection = connection;
    stretch.start = start;
    stretch.end = end;
    connection.lastStretch = stretch;
  }

  /** Keeps copies of requests that cannot be run now. */
  #defer(
    connection: Connection,
    requests: readonly Request[],
    first: number,
    count: number,
    error: string,
  ): void {
    for (let i = 0; i < count; i++) connection.deferred.push(requests[first + i]!.copy());
    if (error !== '') connection.deferredError = error;
  }

  #countTraffic(): void {
    const { statistics } = this.#parts;
    if (this.#receivedBytes > 0) statistics.received(this.#receivedBytes);
    if (this.#sentBytes > 0) statistics.sent(this.#sentBytes);
    this.#receivedBytes = 0;
    this.#sentBytes = 0;
  }

  #resumeLater(connection: Connection): void {
    if (connection.isResumable) return;
    connection.isResumable = true;
    this.#resumable.push(connection);
  }

  /** True when the client whose command is running is on this machine. */
  isCallerLocal(isLoopback: (host: string) => boolean): boolean {
    if (this.#current === undefined) return false;
    const { session } = this.#current;
    const address = this.#parts.clientTable.address(session.record);
    return session.has(SESSION_UNIX_SOCKET) || isLoopback(address.replace(/^\[|\]?:\d+$/g, ''));
  }

  /** Brings the records of this thread's clients up to date. */
  publishSessions(): void {
    this.#records.publishAll(this.#current?.session);
  }

  // Clients that wait ---------------------------------------------------------------------------------------

  #noteBlocked(connection: Connection): void {
    this.#blocked.add(connection);
    this.#nextTimeout = Math.min(this.#nextTimeout, connection.session.blockedUntil);
  }

  /** Gives a client of any thread, which has waited, its reply, and lets it go on. Under the lock. */
  resumeClient(client: Ref, bytes: Uint8Array, start: number, end: number): void {
    const { clientTable, deliveries } = this.#parts;
    if (end > start) deliveries.deliver(client, bytes, start, end);
    this.post(clientTable.get(client, CLIENT_THREAD), MAIL_UNBLOCKED, clientTable.idOf(client));
  }

  #unblocked(clientId: number): void {
    const connection = this.#connections.get(clientId);
    if (connection === undefined || !connection.session.has(SESSION_BLOCKED)) return;
    connection.session.clear(SESSION_BLOCKED);
    this.#blocked.delete(connection);
    this.#resumeLater(connection);
  }

  /** Ends the waits of clients whose time is up. */
  #timeOut(): void {
    const now = this.#now;
    if (now < this.#nextTimeout) return;
    this.#nextTimeout = Infinity;
    const due: Connection[] = [];
    for (const connection of this.#blocked) {
      const { blockedUntil } = connection.session;
      if (blockedUntil <= now) due.push(connection);
      else this.#nextTimeout = Math.min(this.#nextTimeout, blockedUntil);
    }
    if (due.length === 0) return;
    this.#underLock(() => {
      for (const { session } of due) this.#blocking!.timeOut(session);
    });
    this.#sendMail();
  }

  // The end of a wake-up ------------------------------------------------------------------------------------

  /** The ordered duties after all sockets were read. */
  endWakeUp(): void {
    this.#runCollected();
    this.#sendDeliveries();
    this.#sendReplies();
    this.#sendMail();
  }

  #sendReplies(): void {
    const { reply } = this.#parts;
    this.persistence.beforeReplies();
    if (this.#isSplit) {
      this.#sendJoined();
    } else {
      for (let i = 0; i < this.#stretchCount; i++) {
        const stretch = this.#stretches[i]!;
        stretch.connection!.lastStretch = undefined;
        this.#sendReply(stretch.connection!, stretch.start, stretch.end);
        stretch.connection = undefined;
      }
    }
    this.#stretchCount = 0;
    reply.reset();
  }

  /** Sends what each client gets in one piece, for it may be many messages. */
  #sendJoined(): void {
    this.#isSplit = false;
    const { reply } = this.#parts;
    const byConnection = new Map<Connection, Stretch[]>();
    for (let i = 0; i < this.#stretchCount; i++) {
      const stretch = this.#stretches[i]!;
      const others = byConnection.get(stretch.connection!);
      if (others === undefined) byConnection.set(stretch.connection!, [stretch]);
      else others.push(stretch);
    }
    for (const [connection, stretches] of byConnection) {
      const mark = reply.position;
      connection.lastStretch = undefined;
      const { start, end } = stretches.length === 1 ? stretches[0]! : this.#join(stretches);
      this.#sendReply(connection, start, end);
      reply.position = mark;
      for (const stretch of stretches) stretch.connection = undefined;
    }
  }

  /** Copies stretches behind each other. */
  #join(stretches: readonly Stretch[]): { readonly start: number; readonly end: number } {
    const { reply } = this.#parts;
    const start = reply.position;
    for (const stretch of stretches) reply.repeat(stretch.start, stretch.end);
    return { start, end: reply.position };
  }

  #sendReply(connection: Connection, start: number, end: number): void {
    if (connection.isClosed) return;
    if (connection.session.has(SESSION_CLOSE_NOW | SESSION_HELD_BACK)) {
      if (connection.session.has(SESSION_CLOSE_NOW)) this.close(connection);
      else this.#keepOutput(connection, this.#parts.reply.buffer.subarray(start, end));
      return;
    }
    const { reply } = this.#parts;
    let sent = 0;
    if (connection.pendingBytes === 0 && end > start) {
      sent = this.#transport.send(connection, reply.buffer, start, end);
      if (sent < 0) {
        this.close(connection);
        return;
      }
      this.#sentBytes += sent;
    }
    if (sent < end - start) this.#keepOutput(connection, reply.buffer.subarray(start + sent, end));
    else if (connection.pendingBytes === 0 && connection.session.has(SESSION_CLOSE_AFTER_REPLY))
      this.close(connection);
  }

  #keepOutput(connection: Connection, bytes: Buffer): void {
    const kept = Buffer.allocUnsafeSlow(bytes.length);
    bytes.copy(kept);
    connection.pending.push({ bytes: kept, sent: 0 });
    if (connection.pendingBytes === 0) this.#transport.watchWritable(connection, true);
    connection.pendingBytes += bytes.length;
    // First the client's own limit: when it goes for that, nobody has to make room for it.
    if (this.#limits.isOverOutput(connection)) {
      this.#cutForOutput(connection, false);
      return;
    }
    this.#records.noteOutput(connection);
    if (connection.pendingBytes > STALLED_OUTPUT_BYTES && !connection.isStalled) {
      connection.isStalled = true;
      this.#transport.watchReadable(connection, false);
    }
  }

  #cutForOutput(connection: Connection, isAtOnce: boolean): void {
    this.#records.setOutput(connection);
    this.#underLock(() => this.#limits.noteOutputCut(connection.session.record, isAtOnce));
    this.close(connection);
  }

  /** The socket can take more. */
  writable(connection: Connection): void {
    if (connection.session.has(SESSION_HELD_BACK)) {
      this.#transport.watchWritable(connection, false);
      return;
    }
    while (connection.pending.length > 0) {
      const piece = connection.pending[0]!;
      const sent = this.#transport.send(connection, piece.bytes, piece.sent, piece.bytes.length);
      if (sent < 0) {
        this.close(connection);
        return;
      }
      this.#sentBytes += sent;
      piece.sent += sent;
      connection.pendingBytes -= sent;
      if (piece.sent < piece.bytes.length) break;
      connection.pending.shift();
    }
    this.#records.noteOutput(connection);
    if (connection.isStalled && connection.pendingBytes < STALLED_OUTPUT_BYTES / 2) {
      connection.isStalled = false;
      this.#transport.watchReadable(connection, true);
      this.#resumeLater(connection);
    }
    if (connection.pendingBytes > 0) return;
    connection.overSoftLimitSince = 0;
    this.#transport.watchWritable(connection, false);
    if (connection.session.has(SESSION_CLOSE_AFTER_REPLY)) this.close(connection);
  }

  /** More of the input has come than waits in the shared buffer; false when that is too much, and it ends. */
  acceptsInput(connection: Connection): boolean {
    if (!this.#limits.isOverInput(connection)) return true;
    this.#records.setInput(connection);
    this.#underLock(() => this.#limits.noteInputCut(connection));
    this.close(connection);
    return false;
  }

  /** The client whose command is running gets its replies later: its id. */
  holdBack(): number {
    this.#current!.session.raise(SESSION_HELD_BACK);
    return this.#current!.session.id;
  }

  /** It gets them now. */
  letGo(clientId: number): void {
    const connection = this.#connections.get(clientId);
    if (connection === undefined) return;
    connection.session.clear(SESSION_HELD_BACK);
    if (connection.pending.length === 0) return;
    this.#transport.watchWritable(connection, true);
    this.writable(connection);
  }

  // Between wake-ups ----------------------------------------------------------------------------------------

  /** How long the thread may sleep after `beforeSleep`, ms. */
  sleepMillis(): number {
    this.#isNowKnown = false;
    if (this.#resumable.length > 0 || this.stopCode !== undefined || this.persistence.isLoading) return 0;
    const nextDuties = this.#role.duties?.nextMillis ?? this.#now + IDLE_LOOK_MILLIS;
    const millis = Math.max(0, Math.ceil(Math.min(nextDuties, this.#nextTimeout) - this.#now));
    return this.#postponed.length > 0 ? Math.min(millis, POSTPONED_LOOK_MILLIS) : millis;
  }

  /**
   * What is to be done without any socket asking for it: periodic duties, postponed and interrupted clients.
   * True when something was, which the end of a wake-up must follow.
   */
  beforeSleep(resume: (connection: Connection) => void): boolean {
    let hasActed = this.persistence.isLoading;
    if (hasActed) this.#load();
    if (!this.#isNowKnown) this.#now = this.#parts.clock.wallMillis();
    const { duties } = this.#role;
    if (duties !== undefined && this.#now >= duties.nextMillis) {
      this.#runDuties(duties);
      this.#now = this.#parts.clock.wallMillis();
      hasActed = true;
    }
    if (this.#now >= Math.min(this.#nextTimeout, this.#nextIdleLook)) {
      this.#timeOut();
      this.#lookAfterIdle();
      hasActed = true;
    }
    if (this.#postponed.length > 0 && this.#isPauseOver()) this.#resumePostponed();
    if (this.#resumable.length > 0) {
      const connections = this.#resumable;
      this.#resumable = [];
      for (const connection of connections) {
        connection.isResumable = false;
        // A stalled one is put back on the list when its client has read.
        if (!connection.isClosed && !connection.isStalled) resume(connection);
      }
      hasActed = true;
    }
    return hasActed;
  }

  /** Goes on loading the data that the server starts with. */
  #load(): void {
    try {
      this.#underLock(() => this.persistence.loadStep(LOAD_STEP_MICROS));
    } catch (error) {
      if (!(error instanceof RecoveryError)) throw error;
      this.#stopAtOnce(`Can't start: ${error.message}`);
    }
  }

  /** Ends the thread with an error, without a last save; no reply leaves any more. */
  #stopAtOnce(reason: string): void {
    this.#parts.log.warning(reason);
    this.#stretchCount = 0;
    this.#endServer(1);
  }

  /** Nothing is run any more, by any thread, and all of them end. */
  #endServer(code: number): void {
    const { control } = this.#parts.allocator.arena;
    Atomics.compareExchange(control, STATE_STOPPING, 0, code + 1);
    this.stopCode = code;
    this.#parts.wake(SERVING_THREAD);
  }

  /** True when the server ends; then so does this thread. */
  #mustStop(): boolean {
    const stopping = this.#parts.allocator.arena.control[STATE_STOPPING]!;
    if (stopping !== 0) this.stopCode ??= stopping - 1;
    return stopping !== 0;
  }

  #runDuties(duties: Duties): void {
    this.#underLock(() => {
      this.#countTraffic();
      duties.run();
      this.#records.keepLimit();
    });
    this.persistence.tick();
    this.#role.tick();
  }

  #lookAfterIdle(): void {
    if (this.#now < this.#nextIdleLook) return;
    this.#nextIdleLook = this.#now + IDLE_LOOK_MILLIS;
    this.settleHeldBack();
    this.#closeIdle(this.#now);
  }

  #isPauseOver(): boolean {
    const { control, counters } = this.#parts.allocator.arena;
    return control[STATE_PAUSE_MODE] === PAUSE_NONE || counters[STATE_PAUSE_END]! <= this.#now;
  }

  #resumePostponed(): void {
    const connections = this.#postponed;
    this.#postponed = [];
    for (const connection of connections) {
      connection.session.clear(SESSION_POSTPONED);
      if (!connection.isClosed) this.#resumeLater(connection);
    }
  }

  /** Ends clients that were idle for longer than `timeout`, and those over their soft output limit. */
  #closeIdle(now: number): void {
    const { engine, clientTable } = this.#parts;
    const timeoutSeconds = engine.config.values.timeout;
    for (const connection of this.#connections.values()) {
      if (connection.pendingBytes > 0 && this.#limits.isOverOutput(connection)) {
        this.#cutForOutput(connection, true);
        continue;
      }
      if (timeoutSeconds === 0 || connection.session.has(NEVER_IDLE)) continue;
      const idleMillis = now - clientTable.lastSeen(connection.session.record);
      if (idleMillis > timeoutSeconds * 1000) {
        this.#parts.log.verbose('Closing idle client');
        this.close(connection);
      }
    }
  }

  /**
   * Ends a client of any thread: by mail, for its connection may be in the midst of something. What it has
   * sent is not run any more if it is this thread's. Under the lock.
   */
  endClient(record: Ref): void {
    const { clientTable } = this.#parts;
    const id = clientTable.idOf(record);
    this.#connections.get(id)?.session.raise(SESSION_CLOSE_AFTER_REPLY);
    this.post(clientTable.get(record, CLIENT_THREAD), MAIL_KILL, id);
  }

  /** Sends mail to a thread once the lock is released. Under the lock. */
  post(thread: number, kind: number, clientId: number): void {
    this.#parts.mailboxes.post(thread, { kind, clientId, value: 0 });
    this.#outgoingMail.push(thread);
  }

  #sendMail(): void {
    if (this.#outgoingMail.length === 0) return;
    const threads = this.#outgoingMail;
    this.#outgoingMail = [];
    // One hold of the lock for all of them, which waking takes (mailboxes.ts).
    this.#parts.mutex.hold(() => {
      for (const thread of threads) this.#parts.wake(thread);
    });
    this.settleHeldBack();
  }

  #jobDone(): void {
    try {
      this.persistence.jobDone();
    } catch (error) {
      if (!(error instanceof RecoveryError)) throw error;
      this.#stopAtOnce(`Can't start: ${error.message}`);
    }
  }

  /** At a user's request: saves what is to be saved and ends the server; false when it must go on. */
  shutDown(saves: boolean | undefined, isForced: boolean): boolean {
    this.#parts.log.warning('User requested shutdown...');
    return this.#saveAndEnd(saves, isForced);
  }

  /** False when the server must go on because what is to be saved could not be. */
  #saveAndEnd(saves: boolean | undefined, isForced: boolean): boolean {
    const { mutex } = this.#parts;
    const prepare = (): boolean => {
      if (!this.persistence.prepareStop(saves, isForced)) return false;
      this.#endServer(0);
      return true;
    };
    return mutex.isMine ? prepare() : this.#underLock(prepare);
  }

  /** Ends the thread, when all is saved (server.c, prepareForShutdown and serverCron). */
  #stop(reason: number): void {
    const { values } = this.#parts.config;
    let flags: readonly string[] = [];
    if (reason === STOP_BY_SIGINT) flags = values['shutdown-on-sigint'];
    if (reason === STOP_BY_SIGTERM) flags = values['shutdown-on-sigterm'];
    const saves = flags.includes('save') ? true : flags.includes('nosave') ? false : undefined;
    const isForced = flags.includes('force');
    // A program that closes the server which it has started knows: nothing is to be said on its output.
    const isOwner = reason === STOP_BY_CALLER;
    if (isOwner ? this.#saveAndEnd(saves, isForced) : this.shutDown(saves, isForced)) return;
    this.#parts.log.warning('Errors trying to shut down the server. Check the logs for more information.');
    this.onStopRefused();
  }

  /** Reads this thread's mail. */
  readMail(): void {
    const { mutex, mailboxes, threadNumber } = this.#parts;
    while (!this.#mustStop() && mailboxes.hasMail(threadNumber)) {
      mutex.lock();
      const mail = mailboxes.take(threadNumber);
      mutex.unlock();
      if (mail === undefined) return;
      if (mail.kind === MAIL_KILL) {
        const connection = this.#connections.get(mail.clientId);
        if (connection !== undefined) this.close(connection);
      } else if (mail.kind === MAIL_UNBLOCKED) {
        this.#unblocked(mail.clientId);
      } else if (mail.kind === MAIL_UNPAUSED) {
        this.#resumePostponed();
      } else if (mail.kind === MAIL_JOB_DONE) {
        this.#jobDone();
      } else if (mail.kind === MAIL_ATTEND) {
        this.persistence.attend();
      } else if (mail.kind === MAIL_LISTENS) {
        this.settleHeldBack();
      } else if (mail.kind === MAIL_STOP) {
        this.#stop(mail.value);
      } else {
        this.#role.receive(mail.kind, mail.value);
      }
    }
  }
}
