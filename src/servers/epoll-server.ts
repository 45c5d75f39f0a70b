/**
 * The event loop: `epoll_wait → receive → parse → execute → send`, over libc, in a thread of its own.
 *
 *     for ever:
 *       sleep in epoll_wait until a socket, the thread's event descriptor or the next duty wants something
 *       accept; read each ready socket once and run what it sent            (serving-core.ts, receive)
 *       the duties of the end of a wake-up: log, fsync, send the replies     (serving-core.ts, endWakeUp)
 *
 * The thread never returns to Node's own loop while it serves: no promise or timer is used here. A socket is
 * read once per wake-up, so a busy client cannot starve the others. All clients share one read buffer; a
 * client has a buffer of its own only while its request is incomplete.
 *
 * A socket that is only read is edge-triggered: epoll tells of new bytes, and need not look at each socket
 * twice to see that it is empty. Where one read may have left something, the socket is watched anew, which
 * reports what is there (`#receive`).
 */
import { chmodSync } from 'node:fs';
import type { ThreadParts } from './thread-parts.ts';
import {
  AF_UNIX,
  EAGAIN,
  ECONNABORTED,
  EINTR,
  EMFILE,
  ENFILE,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
} from '../system/libc.ts';
import type { EventBuffer, Libc, NativeBuffer, SocketAddress } from '../system/libc.ts';
import { RequestParser } from '../protocol/request-parser.ts';
import { formatAddress, isLoopback, listenAddresses } from './bind-addresses.ts';
import type { ListenAddress } from './bind-addresses.ts';
import { changeListeners } from './listeners.ts';
import type { Listener } from './listeners.ts';
import { SpareBuffers } from './spare-buffers.ts';
import { removeStaleSocket } from './stale-socket.ts';
import { systemErrorName } from './system-errors.ts';
import type { Connection } from './connection.ts';
import type { ServingCore, Transport } from './serving-core.ts';

/** What all sockets of a wake-up are read into, one behind the other, until their requests are run. */
const READ_BUFFER_BYTES = 512 * 1024;
/** One read of one socket: a value of 64 KiB arrives whole, so it need not be put together. */
const READ_BYTES_MAX = 128 * 1024;
/** With less room than this the requests are run first, and reading begins at the front again. */
const READ_BYTES_MIN = READ_BYTES_MAX;
/**
 * A connection's own buffer, at least; and at most this much is set aside for bytes that are only announced.
 */
const OWN_BUFFER_BYTES_MIN = 1024;
const ANNOUNCED_BYTES_MAX = 1024 * 1024;
const EVENTS_PER_WAKE_UP = 1024;
/**
 * Accepted in one wake-up, so that a flood of connections does not stop the others (networking.c,
 * MAX_ACCEPTS_PER_CALL).
 */
const ACCEPTS_PER_WAKE_UP = 1000;
/** A client that is only read. */
const READING = EPOLLIN | EPOLLRDHUP | EPOLLET;
/** What no more bytes will follow: the end of the stream, or an error. */
const ENDED = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
/** epoll_wait returns after this long in any case. */
const SLEEP_MILLIS_MAX = 1000;

interface EpollListener extends Listener {
  readonly descriptor: number;
}

export class EpollServer implements Transport {
  readonly #parts: ThreadParts;
  readonly #libc: Libc;
  readonly #epoll: number;
  readonly #wakeDescriptor: number;
  readonly #events: EventBuffer;
  readonly #read: NativeBuffer;
  /** How far the read buffer is filled with requests that are not run yet. */
  #readEnd = 0;
  readonly #connections: (Connection | undefined)[] = [];
  readonly #spares = new SpareBuffers();
  #listeners: readonly EpollListener[] = [];
  /** Where the writer's buffer is, looked up again when it was replaced. */
  #outputBuffer: Buffer | undefined;
  #outputAddress = 0;
  #core!: ServingCore;
  /** In threaded mode: who gets the connections that are accepted. */
  #dispatch: ((descriptor: number) => void) | undefined;
  /** Accepting is paused until then after the process ran out of descriptors, Unix time in ms. */
  #acceptAgainAt = 0;

  constructor(parts: ThreadParts, libc: Libc) {
    this.#parts = parts;
    this.#libc = libc;
    this.#epoll = libc.createEpoll();
    this.#wakeDescriptor = libc.createEventDescriptor();
    this.#events = libc.createEventBuffer(EVENTS_PER_WAKE_UP);
    this.#read = libc.allocate(READ_BUFFER_BYTES);
    libc.watch(this.#epoll, this.#wakeDescriptor, EPOLLIN);
    parts.mailboxes.setEventDescriptor(parts.threadNumber, this.#wakeDescriptor, this.#epoll);
  }

  /** Connections are not served here but given away. */
  dispatchTo(dispatch: (descriptor: number) => void): void {
    this.#dispatch = dispatch;
  }

  /** Gives the transport the core that runs what it reads; once. */
  connect(core: ServingCore): void {
    this.#core = core;
  }

  // Listening -----------------------------------------------------------------------------------------------

  /** Opens the listening sockets: undefined, or the line for the log. `port` 0 takes a free one. */
  listen(port: number): string | undefined {
    const steps = changeListeners<EpollListener>({
      present: this.#listeners,
      wanted: listenAddresses(this.#parts.config, port),
      kind: 'TCP',
      log: this.#parts.log,
      close: (listener) => {
        // Who has connected by now is not turned away.
        this.#accept(listener);
        this.#closeListener(listener);
      },
    });
    let step = steps.next();
    while (step.done !== true) step = steps.next(this.#open(step.value));
    this.#listeners = step.value.listeners;
    return step.value.failure;
  }

  /** The TCP port in use, 0 without one. */
  get port(): number {
    for (const { address } of this.#listeners) if (address.family !== AF_UNIX) return address.port;
    return 0;
  }

  relisten(): string | undefined {
    return this.listen(this.#parts.config.values.port);
  }

  #open({ address }: ListenAddress): EpollListener | number {
    const { values } = this.#parts.config;
    if (address.family === AF_UNIX) removeStaleSocket(address.path);
    const descriptor = this.#libc.listen(address, values['tcp-backlog']);
    if (descriptor < 0) return descriptor;
    if (address.family === AF_UNIX && values.unixsocketperm !== 0)
      chmodSync(address.path, values.unixsocketperm);
    this.#libc.watch(this.#epoll, descriptor, EPOLLIN);
    if (address.family === AF_UNIX) return { descriptor, address };
    const { port } = this.#libc.localAddress(descriptor) as Exclude<SocketAddress, { path: string }>;
    return { descriptor, address: { ...address, port } };
  }

  #closeListener({ descriptor, address }: EpollListener): void {
    this.#libc.close(descriptor);
    if (address.family === AF_UNIX) removeStaleSocket(address.path);
  }

  stopListening(): void {
    for (const listener of this.#listeners) this.#closeListener(listener);
    this.#listeners = [];
  }

  #accept(listener: EpollListener): void {
    for (let i = 0; i < ACCEPTS_PER_WAKE_UP; i++) {
      const descriptor = this.#libc.accept(listener.descriptor);
      if (descriptor === -EAGAIN) return;
      if (descriptor === -EINTR || descriptor === -ECONNABORTED) continue;
      if (descriptor < 0) {
        this.#parts.log.warning(`Accepting client connection: ${systemErrorName(-descriptor)}`);
        if (descriptor === -EMFILE || descriptor === -ENFILE) this.#pauseAccepting();
        return;
      }
      if (this.#dispatch !== undefined) this.#dispatch(descriptor);
      else this.#openConnection(descriptor, this.#libc.acceptedAddress);
    }
  }

  /** Serves a connection that another thread has accepted; false when it is refused, or gone. */
  adopt(descriptor: number): boolean {
    const peer = this.#libc.peerAddress(descriptor);
    if (peer !== undefined) return this.#openConnection(descriptor, peer);
    this.#libc.close(descriptor);
    return false;
  }

  #openConnection(descriptor: number, accepted: SocketAddress): boolean {
    const local = this.#libc.localAddress(descriptor);
    const isUnixSocket = local.family === AF_UNIX;
    // The other end of a Unix socket has no name; Redis shows this one's.
    const peer = isUnixSocket ? local : accepted;
    if (!isUnixSocket) this.#libc.tuneTcp(descriptor, this.#parts.config.values['tcp-keepalive']);
    const opened = this.#core.open({
      address: formatAddress(peer),
      localAddress: formatAddress(local),
      isLoopback: peer.family !== AF_UNIX && isLoopback(peer.host),
      isUnixSocket,
      descriptor,
      handle: undefined,
    });
    if (typeof opened === 'string') {
      this.refuse(descriptor, opened);
      return false;
    }
    this.#connections[descriptor] = opened;
    this.#libc.watch(this.#epoll, descriptor, READING);
    return true;
  }

  /** Closes a connection with a last line, if the socket takes it at once. */
  refuse(descriptor: number, line: string): void {
    const text = this.#libc.allocate(line.length);
    text.bytes.write(line, 'latin1');
    this.#libc.send(descriptor, text.address, line.length);
    this.#libc.close(descriptor);
  }

  /** Out of descriptors: the listeners would report ready for ever, so they are left alone for a while. */
  #pauseAccepting(): void {
    for (const { descriptor } of this.#listeners) this.#libc.rewatch(this.#epoll, descriptor, 0);
    this.#acceptAgainAt = this.#parts.clock.wallMillis() + 100;
  }

  #resumeAccepting(): void {
    if (this.#acceptAgainAt === 0 || this.#parts.clock.wallMillis() < this.#acceptAgainAt) return;
    this.#acceptAgainAt = 0;
    for (const { descriptor } of this.#listeners) this.#libc.rewatch(this.#epoll, descriptor, EPOLLIN);
  }

  // The loop ------------------------------------------------------------------------------------------------

  /** Serves until the core has a stop code, and returns it. */
  run(): number {
    const core = this.#core;
    const resume = (connection: Connection): void => this.#runInput(connection, 0);
    // What was sent before there was a descriptor to wake this thread with.
    core.readMail();
    for (;;) {
      if (core.beforeSleep(resume)) this.#endWakeUp();
      if (core.stopCode !== undefined) return core.stopCode;

      const count = this.#libc.wait(
        this.#epoll,
        this.#events,
        Math.min(core.sleepMillis(), SLEEP_MILLIS_MAX),
      );
      for (let i = 0; i < count; i++) this.#handleEvent(this.#events.descriptor(i), this.#events.events(i));
      this.#endWakeUp();
      if (this.#acceptAgainAt !== 0) this.#resumeAccepting();
    }
  }

  #endWakeUp(): void {
    this.#core.endWakeUp();
    this.#spares.endWakeUp();
    this.#readEnd = 0;
  }

  #handleEvent(descriptor: number, events: number): void {
    const connection = this.#connections[descriptor];
    if (connection === undefined) {
      this.#handleOther(descriptor);
      return;
    }
    if ((events & EPOLLOUT) !== 0) this.#core.writable(connection);
    if ((events & (EPOLLIN | ENDED)) === 0 || connection.isClosed) return;
    // A stalled client is not read; a broken one is closed even so.
    if (!connection.isStalled) this.#receive(connection, events);
    else if ((events & EPOLLERR) !== 0) this.#core.close(connection);
  }

  #handleOther(descriptor: number): void {
    if (descriptor === this.#wakeDescriptor) {
      this.#libc.drain(descriptor);
      this.#core.readMail();
      return;
    }
    const listener = this.#listeners.find((candidate) => candidate.descriptor === descriptor);
    if (listener !== undefined) this.#accept(listener);
  }

  /** Reads what a socket has, once. */
  #receive(connection: Connection, events: number): void {
    const { input } = connection;
    const isOwned = connection.ownedBytes > 0;
    if (isOwned) this.#makeRoom(connection);
    if (!isOwned && READ_BUFFER_BYTES - this.#readEnd < READ_BYTES_MIN) this.#endWakeUp();
    const address = isOwned ? connection.inputAddress + input.end : this.#read.address + this.#readEnd;
    const room = isOwned ? connection.ownedBytes - input.end : READ_BUFFER_BYTES - this.#readEnd;
    const wanted = Math.min(room, READ_BYTES_MAX);
    const received = this.#libc.receive(connection.descriptor, address, wanted);
    if (received <= 0) {
      if (received === -EINTR) this.#watchAnew(connection);
      else if (received !== -EAGAIN)
        this.#core.lost(connection, received === 0 ? undefined : systemErrorName(-received));
      return;
    }
    if (received === wanted || (events & ENDED) !== 0) this.#watchAnew(connection);
    if (!isOwned) {
      input.buffer = this.#read.bytes;
      input.start = this.#readEnd;
      input.end = this.#readEnd;
      this.#readEnd += received;
    }
    input.end += received;
    if (!isOwned || this.#core.acceptsInput(connection)) this.#runInput(connection, received);
    else this.#giveBackOwn(connection);
  }

  /** Not all may have been read of what the socket has. */
  #watchAnew(connection: Connection): void {
    this.#rewatch(connection, true, connection.pendingBytes > 0);
  }

  #runInput(connection: Connection, byteCount: number): void {
    this.#core.receive(connection, byteCount);
    if (!connection.isClosed) this.#keepRest(connection);
    else this.#giveBackOwn(connection);
  }

  /**
   * Moves what is left of the input out of the shared read buffer, or lets an own buffer go that is used up.
   */
  #keepRest(connection: Connection): void {
    const { input } = connection;
    const rest = input.end - input.start;
    if (rest === 0) {
      this.#giveBackOwn(connection);
      input.buffer = this.#read.bytes;
      input.start = 0;
      input.end = 0;
      return;
    }
    if (connection.ownedBytes === 0) this.#reallocate(connection, rest);
    this.#core.noteInput(connection);
  }

  /** Makes room behind the received bytes. */
  #makeRoom(connection: Connection): void {
    const { input } = connection;
    const wanted = Math.min(RequestParser.expectedBytes(input), ANNOUNCED_BYTES_MAX);
    const room = connection.ownedBytes - input.end;
    if (room > 0 && room >= Math.min(wanted, READ_BYTES_MAX)) return;
    this.#reallocate(connection, input.end - input.start);
  }

  #reallocate(connection: Connection, rest: number): void {
    const { input } = connection;
    const expected = RequestParser.expectedBytes(input);
    const doubled = Math.max(OWN_BUFFER_BYTES_MIN, rest * 2);
    const size = Math.max(doubled, rest + Math.min(expected, Math.max(ANNOUNCED_BYTES_MAX, rest)));
    const own = this.#spares.take(size) ?? this.#libc.allocate(size);
    input.buffer.copy(own.bytes, 0, input.start, input.end);
    this.#giveBackOwn(connection);
    input.buffer = own.bytes;
    input.start = 0;
    input.end = rest;
    connection.inputAddress = own.address;
    connection.ownedBytes = own.bytes.length;
  }

  /** The connection goes on with another buffer, or ends. */
  #giveBackOwn(connection: Connection): void {
    if (connection.ownedBytes === 0) return;
    this.#spares.giveBack({ bytes: connection.input.buffer, address: connection.inputAddress });
    connection.ownedBytes = 0;
  }

  // Transport -----------------------------------------------------------------------------------------------

  send(connection: Connection, bytes: Buffer, start: number, end: number): number {
    if (bytes !== this.#outputBuffer) {
      this.#outputBuffer = bytes;
      this.#outputAddress = this.#libc.addressOf(bytes);
    }
    const sent = this.#libc.send(connection.descriptor, this.#outputAddress + start, end - start);
    return sent === -EAGAIN || sent === -EINTR ? 0 : sent;
  }

  watchWritable(connection: Connection, isWanted: boolean): void {
    this.#rewatch(connection, !connection.isStalled, isWanted);
  }

  watchReadable(connection: Connection, isWanted: boolean): void {
    this.#rewatch(connection, isWanted, connection.pendingBytes > 0);
  }

  /** What is there already is reported as if it had just come. */
  #rewatch(connection: Connection, isRead: boolean, isWritten: boolean): void {
    // Not all that a socket takes is written to it at once.
    const events = isWritten ? EPOLLOUT | (isRead ? EPOLLIN : 0) : isRead ? READING : 0;
    this.#libc.rewatch(this.#epoll, connection.descriptor, events);
  }

  close(connection: Connection): void {
    this.#connections[connection.descriptor] = undefined;
    this.#libc.close(connection.descriptor);
    connection.descriptor = -1;
  }

  /** Gives the loop's own descriptors back. */
  dispose(): void {
    this.stopListening();
    const { mutex, mailboxes, threadNumber } = this.#parts;
    mutex.hold(() => {
      mailboxes.setEventDescriptor(threadNumber, 0, 0);
      this.#libc.close(this.#wakeDescriptor);
    });
    this.#libc.close(this.#epoll);
  }
}
