/**
 * What a serving thread does, whatever the transport: it runs the requests of its connections, and after each wake-up
 * does the ordered duties.
 *
 *     transport: bytes arrived ──▶ receive(connection)     parse a batch (no lock) ─▶ lock ─▶ run it ─▶ unlock
 *     transport: all sockets read ─▶ endWakeUp()            mail ─▶ periodic duties ─▶ log and fsync ─▶ send replies
 *
 * Replies are sent only at the end of a wake-up: one log write, later one fsync, serves all clients of it, and no
 * client sees a reply before the disk has what it acknowledges.
 */
import {
  SESSION_CLOSE_AFTER_REPLY,
  SESSION_CLOSE_NOW,
  SESSION_POSTPONED,
  SESSION_UNAUTHENTICATED,
  SESSION_UNIX_SOCKET,
  Session,
} from '../commands/session.ts';
import type { Config } from '../config/config.ts';
import {
  CLIENT_ARGUMENT_BYTES,
  CLIENT_COMMAND,
  CLIENT_DATABASE,
  CLIENT_DESCRIPTOR,
  CLIENT_FLAGS,
  CLIENT_INPUT,
  CLIENT_INPUT_FREE,
  CLIENT_INTERACTION,
  CLIENT_OUTPUT_BYTES,
  CLIENT_OUTPUT_COUNT,
  CLIENT_PROTOCOL,
  CLIENT_QUEUED,
  CLIENT_QUEUED_BYTES,
  CLIENT_THREAD,
  CLIENT_WATCHED,
} from '../engine/client-table.ts';
import { POSTPONED } from '../engine/engine.ts';
import { MAIL_KILL, MAIL_STOP, MAIL_UNPAUSED } from '../engine/mailboxes.ts';
import { PAUSE_NONE, STATE_PAUSE_END, STATE_PAUSE_MODE } from '../engine/shared-state.ts';
import { RequestParser } from '../protocol/request-parser.ts';
import { Connection } from './connection.ts';
import type { Duties } from './duties.ts';
import type { ThreadParts } from './thread-parts.ts';

/** One turn of a client writes at most about this much before others, and the socket, get theirs. */
const TURN_OUTPUT_BYTES_MAX = 1024 * 1024;
/**
 * A client with more unsent replies than this is not read any further, so its replies stop growing. It is high, for a
 * client may send a long pipeline before it reads the first reply.
 */
const STALLED_OUTPUT_BYTES = 64 * 1024 * 1024;
/** After this much output of all clients the wake-up is ended early. */
const WAKE_UP_OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/** All connections are looked over for time-outs this often. */
const IDLE_LOOK_MILLIS = 1000;

/** What a transport does for the core. */
export interface Transport {
  /** Hands bytes to the socket: how many it took, or a negative number when the connection is broken. */
  send(connection: Connection, bytes: Buffer, start: number, end: number): number;
  /** Tells when the socket can take more. */
  watchWritable(connection: Connection, isWanted: boolean): void;
  /** Stops or goes on reading. */
  watchReadable(connection: Connection, isWanted: boolean): void;
  close(connection: Connection): void;
  /** New bind or port: undefined, or what went wrong. */
  rebind(): string | undefined;
  /** No more connections are accepted. */
  stopListening(): void;
}

export class ServingCore {
  readonly #parts: ThreadParts;
  readonly #transport: Transport;
  readonly #duties: Duties;
  readonly #parser = new RequestParser();
  readonly #connections = new Map<number, Connection>();
  #current: Connection | undefined;
  /** Replies of this wake-up: whose, and which stretch of the writer's buffer. */
  readonly #flushConnections: Connection[] = [];
  readonly #flushStarts: number[] = [];
  readonly #flushEnds: number[] = [];
  #resumable: Connection[] = [];
  #postponed: Connection[] = [];
  #sentBytes = 0;
  #receivedBytes = 0;
  #outgoingMail: number[] = [];
  #nextIdleLook = 0;
  /** Exit code once the thread shall end. */
  stopCode: number | undefined;

  constructor(parts: ThreadParts, transport: Transport, duties: Duties) {
    this.#parts = parts;
    this.#transport = transport;
    this.#duties = duties;
  }

  get connections(): ReadonlyMap<number, Connection> {
    return this.#connections;
  }

  applyConfig(config: Config): void {
    this.#parser.bulkBytesMax = Number(config.values['proto-max-bulk-len']);
  }

  // Connections -----------------------------------------------------------------------------------------------------

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
    const { mutex, engine, statistics, clientTable, threadNumber } = this.#parts;
    const { values } = engine.config;
    mutex.lock();
    try {
      engine.enter();
      statistics.add('connectionsReceived', 1);
      if (clientTable.count >= values.maxclients) {
        statistics.add('connectionsRejected', 1);
        return '-ERR max number of clients reached\r\n';
      }
      if (values['protected-mode'] && values.requirepass === '' && !peer.isLoopback && !peer.isUnixSocket) {
        statistics.add('connectionsRejected', 1);
        return PROTECTED_MODE_ERROR;
      }
      const record = clientTable.add(peer.address, peer.localAddress, engine.keyspace.now);
      clientTable.set(record, CLIENT_THREAD, threadNumber);
      clientTable.set(record, CLIENT_DESCRIPTOR, peer.descriptor);
      const session = new Session(clientTable.idOf(record), record);
      if (values.requirepass !== '') session.raise(SESSION_UNAUTHENTICATED);
      if (peer.isUnixSocket) session.raise(SESSION_UNIX_SOCKET);
      const connection = new Connection(session, peer.descriptor, peer.handle);
      this.#connections.set(session.id, connection);
      statistics.raise('peakClients', clientTable.count);
      this.#publish(connection);
      return connection;
    } finally {
      mutex.unlock();
    }
  }

  close(connection: Connection): void {
    if (connection.isClosed) return;
    connection.isClosed = true;
    const { mutex, engine, clientTable } = this.#parts;
    mutex.lock();
    try {
      engine.enter();
      engine.endSession(connection.session);
      clientTable.remove(connection.session.record);
    } finally {
      mutex.unlock();
    }
    this.#connections.delete(connection.session.id);
    connection.pending = [];
    connection.pendingBytes = 0;
    this.#transport.close(connection);
  }

  /** Closes every connection: the end of the thread. */
  closeAll(): void {
    for (const connection of [...this.#connections.values()]) this.close(connection);
  }

  // Requests --------------------------------------------------------------------------------------------------------

  /** Runs the complete requests in the connection's input. `byteCount` is how much has just arrived. */
  receive(connection: Connection, byteCount: number): void {
    this.#receivedBytes += byteCount;
    const { reply } = this.#parts;
    const { input, session } = connection;
    const start = reply.position;
    connection.isResumable = false;
    for (;;) {
      if (session.has(SESSION_CLOSE_AFTER_REPLY | SESSION_CLOSE_NOW | SESSION_POSTPONED)) break;
      if (reply.position - start > TURN_OUTPUT_BYTES_MAX || connection.isStalled) {
        this.#resumeLater(connection);
        break;
      }
      const count = this.#parser.parseBatch(input, !session.has(SESSION_UNAUTHENTICATED));
      const { error } = this.#parser;
      if (count > 0 || error !== '') this.#runBatch(connection, count, error, start);
      if (error !== '' || count === 0) break;
    }
    if (reply.position > start) this.#willFlush(connection, start);
  }

  #runBatch(connection: Connection, count: number, error: string, start: number): void {
    const { mutex, engine, reply, clientTable } = this.#parts;
    const { session, input } = connection;
    const { batch } = this.#parser;
    mutex.lock();
    this.#current = connection;
    try {
      engine.enter();
      let done = 0;
      while (done < count) {
        const request = batch[done]!;
        if (engine.execute(session, request) === POSTPONED) {
          session.raise(SESSION_POSTPONED);
          this.#postponed.push(connection);
          break;
        }
        done++;
        if (session.has(SESSION_CLOSE_AFTER_REPLY | SESSION_CLOSE_NOW)) break;
        if (reply.position - start > TURN_OUTPUT_BYTES_MAX) break;
      }
      if (done < count && !session.has(SESSION_CLOSE_AFTER_REPLY | SESSION_CLOSE_NOW)) {
        // What was parsed but not run is parsed again later.
        input.start = batch[done]!.frameStart;
        input.partial = undefined;
      } else if (error !== '' && done === count) {
        engine.protocolError(session, error);
      }
      clientTable.setDouble(session.record, CLIENT_INTERACTION, engine.keyspace.now);
      this.#publish(connection);
      this.#countTraffic();
      engine.leave();
    } finally {
      this.#current = undefined;
      mutex.unlock();
    }
    this.#sendMail();
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

  /** Writes a connection's state into its record, where other threads read it. */
  #publish(connection: Connection): void {
    const { clientTable } = this.#parts;
    const { session, input } = connection;
    const { record } = session;
    const inputBytes = input.end - input.start;
    clientTable.set(record, CLIENT_FLAGS, session.flags);
    clientTable.set(record, CLIENT_DATABASE, session.databaseIndex);
    clientTable.set(record, CLIENT_PROTOCOL, session.protocolVersion);
    clientTable.set(record, CLIENT_QUEUED, session.isInTransaction ? session.queue.length : -1);
    clientTable.set(record, CLIENT_QUEUED_BYTES, session.queuedBytes);
    clientTable.set(record, CLIENT_COMMAND, session.lastCommandId);
    clientTable.set(record, CLIENT_INPUT, inputBytes);
    clientTable.set(record, CLIENT_INPUT_FREE, Math.max(0, connection.ownedBytes - inputBytes));
    clientTable.set(record, CLIENT_ARGUMENT_BYTES, 0);
    clientTable.set(record, CLIENT_OUTPUT_COUNT, connection.pending.length);
    clientTable.setDouble(record, CLIENT_OUTPUT_BYTES, connection.pendingBytes);
    clientTable.set(record, CLIENT_WATCHED, session.watchMarker);
  }

  /** True when the client whose command is running is on this machine. */
  isCallerLocal(isLoopback: (host: string) => boolean): boolean {
    if (this.#current === undefined) return false;
    const { session } = this.#current;
    const address = this.#parts.clientTable.address(session.record);
    return session.has(SESSION_UNIX_SOCKET) || isLoopback(address.replace(/^\[|\]?:\d+$/g, ''));
  }

  /** For INFO: what the clients of this thread wait for. */
  clientFigures(): { readonly largestInput: number; readonly largestOutput: number; readonly postponed: number } {
    let largestInput = 0;
    let largestOutput = 0;
    for (const { input, pendingBytes } of this.#connections.values()) {
      largestInput = Math.max(largestInput, input.end - input.start);
      largestOutput = Math.max(largestOutput, pendingBytes);
    }
    return { largestInput, largestOutput, postponed: this.#postponed.length };
  }

  /** Brings the record of the client that is being served up to date. */
  publishSessions(): void {
    if (this.#current !== undefined) this.#publish(this.#current);
  }

  // The end of a wake-up --------------------------------------------------------------------------------------------

  #willFlush(connection: Connection, start: number): void {
    const { reply } = this.#parts;
    this.#flushConnections.push(connection);
    this.#flushStarts.push(start);
    this.#flushEnds.push(reply.position);
    if (reply.position > WAKE_UP_OUTPUT_BYTES_MAX) this.endWakeUp();
  }

  /** The ordered duties after all sockets were read. */
  endWakeUp(): void {
    this.#sendReplies();
  }

  #sendReplies(): void {
    const { reply } = this.#parts;
    const connections = this.#flushConnections;
    for (let i = 0; i < connections.length; i++) {
      this.#sendReply(connections[i]!, this.#flushStarts[i]!, this.#flushEnds[i]!);
    }
    connections.length = 0;
    this.#flushStarts.length = 0;
    this.#flushEnds.length = 0;
    reply.reset();
  }

  #sendReply(connection: Connection, start: number, end: number): void {
    if (connection.isClosed) return;
    if (connection.session.has(SESSION_CLOSE_NOW)) {
      this.close(connection);
      return;
    }
    const { reply } = this.#parts;
    let sent = 0;
    if (connection.pendingBytes === 0) {
      sent = this.#transport.send(connection, reply.buffer, start, end);
      if (sent < 0) {
        this.close(connection);
        return;
      }
      this.#sentBytes += sent;
    }
    if (sent < end - start) this.#keepOutput(connection, reply.buffer.subarray(start + sent, end));
    else if (connection.session.has(SESSION_CLOSE_AFTER_REPLY)) this.close(connection);
  }

  #keepOutput(connection: Connection, bytes: Buffer): void {
    const kept = Buffer.allocUnsafeSlow(bytes.length);
    bytes.copy(kept);
    connection.pending.push({ bytes: kept, sent: 0 });
    if (connection.pendingBytes === 0) this.#transport.watchWritable(connection, true);
    connection.pendingBytes += bytes.length;
    if (this.#isOverOutputLimit(connection)) {
      this.#cutForOutput(connection);
    } else if (connection.pendingBytes > STALLED_OUTPUT_BYTES && !connection.isStalled) {
      connection.isStalled = true;
      this.#transport.watchReadable(connection, false);
    }
  }

  #isOverOutputLimit(connection: Connection): boolean {
    const limit = this.#parts.engine.config.values['client-output-buffer-limit'].normal;
    if (limit.hardBytes > 0 && connection.pendingBytes > limit.hardBytes) return true;
    if (limit.softBytes === 0 || connection.pendingBytes <= limit.softBytes) {
      connection.overSoftLimitSince = 0;
      return false;
    }
    const now = this.#parts.clock.wallMillis();
    if (connection.overSoftLimitSince === 0) connection.overSoftLimitSince = now;
    return now - connection.overSoftLimitSince > limit.softSeconds * 1000;
  }

  #cutForOutput(connection: Connection): void {
    this.#parts.log.warning(
      `Client id=${connection.session.id} omem=${connection.pendingBytes} closed for overcoming of output buffer limits.`,
    );
    this.#parts.statistics.add('clientOutputLimitDisconnections', 1);
    this.close(connection);
  }

  /** The socket can take more. */
  writable(connection: Connection): void {
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
    if (connection.isStalled && connection.pendingBytes < STALLED_OUTPUT_BYTES / 2) {
      connection.isStalled = false;
      this.#transport.watchReadable(connection, true);
      if (connection.input.start < connection.input.end) this.#resumeLater(connection);
    }
    if (connection.pendingBytes > 0) return;
    this.#transport.watchWritable(connection, false);
    if (connection.session.has(SESSION_CLOSE_AFTER_REPLY)) this.close(connection);
  }

  /** A client sent more than it may without completing a request; it ends. */
  cutForInput(connection: Connection): void {
    this.#parts.log.warning(
      `Closing client that reached max query buffer length: id=${connection.session.id} ` +
        `qbuf=${connection.input.end - connection.input.start}`,
    );
    this.#parts.statistics.add('clientQueryLimitDisconnections', 1);
    this.close(connection);
  }

  // Between wake-ups ------------------------------------------------------------------------------------------------

  /** How long the thread may sleep, ms. */
  sleepMillis(): number {
    if (this.#resumable.length > 0 || this.stopCode !== undefined) return 0;
    return this.#duties.millisUntilDue(this.#postponed.length > 0);
  }

  /** What is to be done without any socket asking for it: mail, periodic duties, postponed and interrupted clients. */
  beforeSleep(resume: (connection: Connection) => void): void {
    if (this.#duties.isDue()) this.#runDuties();
    if (this.#postponed.length > 0 && this.#isPauseOver()) this.#resumePostponed();
    if (this.#resumable.length > 0) {
      const connections = this.#resumable;
      this.#resumable = [];
      for (const connection of connections) {
        connection.isResumable = false;
        if (connection.isClosed) continue;
        // A stalled one is put back on the list when its client has read.
        if (!connection.isStalled) resume(connection);
      }
    }
  }

  #runDuties(): void {
    const { mutex, engine } = this.#parts;
    mutex.lock();
    try {
      engine.enter();
      this.#countTraffic();
      this.#duties.run();
    } finally {
      mutex.unlock();
    }
    if (engine.keyspace.now < this.#nextIdleLook) return;
    this.#nextIdleLook = engine.keyspace.now + IDLE_LOOK_MILLIS;
    this.#closeIdle();
  }

  #isPauseOver(): boolean {
    const { control, counters } = this.#parts.allocator.arena;
    return control[STATE_PAUSE_MODE] === PAUSE_NONE || counters[STATE_PAUSE_END]! <= this.#parts.clock.wallMillis();
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
  #closeIdle(): void {
    const { engine, clientTable } = this.#parts;
    const timeoutSeconds = engine.config.values.timeout;
    const { now } = engine.keyspace;
    for (const connection of this.#connections.values()) {
      if (connection.pendingBytes > 0 && this.#isOverOutputLimit(connection)) {
        this.#cutForOutput(connection);
        continue;
      }
      if (timeoutSeconds === 0 || connection.session.has(SESSION_POSTPONED)) continue;
      const idleMillis = now - clientTable.getDouble(connection.session.record, CLIENT_INTERACTION);
      if (idleMillis > timeoutSeconds * 1000) {
        this.#parts.log.verbose('Closing idle client');
        this.close(connection);
      }
    }
  }

  /** Sends mail to a thread once the lock is released. Under the lock. */
  post(thread: number, kind: number, clientId: number): void {
    this.#parts.mailboxes.post(thread, { kind, clientId, value: 0 });
    this.#outgoingMail.push(thread);
  }

  #sendMail(): void {
    if (this.#outgoingMail.length === 0) return;
    for (const thread of this.#outgoingMail) this.#parts.wake(thread);
    this.#outgoingMail = [];
  }

  /** Reads this thread's mail. */
  readMail(): void {
    const { mutex, mailboxes, threadNumber } = this.#parts;
    for (;;) {
      mutex.lock();
      const mail = mailboxes.take(threadNumber);
      mutex.unlock();
      if (mail === undefined) return;
      if (mail.kind === MAIL_KILL) {
        const connection = this.#connections.get(mail.clientId);
        if (connection !== undefined) this.close(connection);
      } else if (mail.kind === MAIL_UNPAUSED) {
        this.#resumePostponed();
      } else if (mail.kind === MAIL_STOP) {
        this.stopCode = mail.value;
      }
    }
  }
}

/** Sent to clients from outside while the server has neither a password nor leave to serve them (networking.c). */
const PROTECTED_MODE_ERROR =
  '-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the ' +
  'default user. In this mode connections are only accepted from the loopback interface. If you want to connect ' +
  'from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode ' +
  "sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the " +
  'same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. ' +
  'Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by ' +
  "editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the " +
  "server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' " +
  'option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above ' +
  'things in order for the server to start accepting connections from the outside.\r\n';
