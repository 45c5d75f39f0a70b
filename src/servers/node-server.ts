/**
 * The portable transport: the same serving core on `node:net`, for systems without epoll or FFI.
 *
 * Node's loop reads and calls back per socket; the duties of the end of a wake-up run in one `setImmediate`
 * after all sockets of the loop's turn were read, which is when `epoll-server.ts` does them.
 */
import { chmodSync, writeSync } from 'node:fs';
import { Socket, createServer } from 'node:net';
import type { AddressInfo, OnReadOpts, Server, SocketConstructorOpts } from 'node:net';
import { STATE_THREAD_MAIL } from '../engine/shared-state.ts';
import { RequestParser } from '../protocol/request-parser.ts';
import { AF_UNIX } from '../system/libc.ts';
import { copyBytes } from '../util/bytes.ts';
import { formatHostPort, isLoopback, listenAddresses, tlsAddresses } from './bind-addresses.ts';
import type { ListenAddress } from './bind-addresses.ts';
import type { Connection } from './connection.ts';
import type { ServingCore, Transport } from './serving-core.ts';
import { closeSocket } from './relayed-socket.ts';
import type { ClientSocket, RelayedSocket } from './relayed-socket.ts';
import { changeListeners } from './listeners.ts';
import type { Listener } from './listeners.ts';
import { removeStaleSocket } from './stale-socket.ts';
import type { ThreadParts } from './thread-parts.ts';

/** Handed to a socket at once; what is beyond stays with the core, where the output limits count it. */
const WRITE_BYTES_MAX = 256 * 1024;
/** What a socket is read into at a time, */
const READ_BYTES_MAX = 64 * 1024;
/** and where it then waits for its requests to be run, with what the other sockets have sent. */
const WAITING_BYTES_MAX = 512 * 1024;
const OWN_BUFFER_BYTES_MIN = 1024;
/** So many turns of the loop are left to those who connect, before an address is given up. */
const ACCEPT_TURNS_MAX = 1000;
const ANNOUNCED_BYTES_MAX = 1024 * 1024;

/** What the transport keeps of a connection. */
interface Handle {
  readonly socket: ClientSocket;
  /** The socket's, where replies are written at once; −1 = only the socket can write. */
  readonly descriptor: number;
  /** Ends the connection; what was written is still sent. */
  readonly close: () => void;
  /** Called after each write: one function for all writes, which Node's streams handle cheaply. */
  readonly written: () => void;
}

interface NewConnection {
  readonly socket: ClientSocket;
  /** As in `Handle`. */
  readonly descriptor?: number;
  readonly peer: NodePeer;
  readonly close: () => void;
}

interface NodeListener extends Listener {
  readonly server: Server;
}

/** Who is at the other end of a connection. */
export interface NodePeer {
  readonly address: string;
  readonly localAddress: string;
  readonly isLoopback: boolean;
  readonly isUnixSocket: boolean;
}

/** A connection that was accepted for another thread to serve. */
export interface AcceptedSocket {
  readonly socket: Socket;
  readonly peer: NodePeer;
}

export class NodeServer implements Transport {
  readonly #parts: ThreadParts;
  #listeners: readonly NodeListener[] = [];
  #lastChange: Promise<unknown> = Promise.resolve();
  #acceptedCount = 0;
  #core!: ServingCore;
  readonly #read = Buffer.allocUnsafeSlow(READ_BYTES_MAX);
  readonly #waiting = Buffer.allocUnsafeSlow(WAITING_BYTES_MAX);
  #waitingEnd = 0;
  #isFlushScheduled = false;
  #timer: NodeJS.Timeout | undefined;
  #timerDue = Infinity;
  /** Connections whose other end has sent all it will. */
  #ended: Connection[] = [];
  #finish: (code: number) => void = () => {};
  #hasFinished = false;
  /** In threaded mode: who gets the connections that are accepted. */
  #dispatch: ((accepted: AcceptedSocket) => void) | undefined;
  /** In the thread for TLS: what makes a connection one that can be served. */
  #secure: ((socket: Socket) => void) | undefined;

  constructor(parts: ThreadParts) {
    this.#parts = parts;
  }

  /** Connections are not served here but given away. */
  dispatchTo(dispatch: (accepted: AcceptedSocket) => void): void {
    this.#dispatch = dispatch;
  }

  /**
   * Connections are not served at once but handed to `secure`, which calls `serve` for those to be served.
   */
  secureWith(secure: (socket: Socket) => void): void {
    this.#secure = secure;
  }

  connect(core: ServingCore): void {
    this.#core = core;
  }

  // Listening -----------------------------------------------------------------------------------------------

  /** Opens the listening sockets: undefined, or the line for the log. `port` 0 takes a free one. */
  async listen(port: number): Promise<string | undefined> {
    const { config, log } = this.#parts;
    const isForTls = this.#secure !== undefined;
    const steps = changeListeners<NodeListener>({
      present: this.#listeners,
      wanted: isForTls ? tlsAddresses(config) : listenAddresses(config, port),
      kind: isForTls ? 'TLS' : 'TCP',
      log,
      close: closeListener,
    });
    let step = steps.next();
    while (step.done !== true) step = steps.next(await this.#listenOn(step.value));
    this.#listeners = step.value.listeners;
    if (this.#hasFinished) this.stopListening();
    return step.value.failure;
  }

  /** The TCP port in use, 0 without one. */
  get port(): number {
    for (const { address } of this.#listeners) if (address.family !== AF_UNIX) return address.port;
    return 0;
  }

  /** One change after the other. */
  relisten(): Promise<string | undefined> {
    const change = this.#lastChange
      .then(() => this.#acceptWaiting())
      .then(() => this.listen(this.#parts.config.values.port));
    this.#lastChange = change;
    return change;
  }

  /** Who has connected by now is not turned away; Node may accept one in each turn of its loop. */
  async #acceptWaiting(): Promise<void> {
    for (let turn = 0; turn < ACCEPT_TURNS_MAX; turn++) {
      const before = this.#acceptedCount;
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (turn > 0 && this.#acceptedCount === before) return;
    }
  }

  #listenOn({ address }: ListenAddress): Promise<NodeListener | number> {
    const { values } = this.#parts.config;
    const backlog = values['tcp-backlog'];
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket, address.family),
    );
    return new Promise((resolve) => {
      server.once('error', (error: NodeJS.ErrnoException) => resolve(error.errno ?? -1));
      const onListening = (): void => {
        server.removeAllListeners('error');
        server.on('error', (error) =>
          this.#parts.log.warning(`Accepting client connection: ${error.message}`),
        );
        if (address.family === AF_UNIX) {
          if (values.unixsocketperm !== 0) chmodSync(address.path, values.unixsocketperm);
          resolve({ server, address });
        } else {
          const { port } = server.address() as AddressInfo;
          resolve({ server, address: { ...address, port } });
        }
      };
      if (address.family === AF_UNIX) {
        removeStaleSocket(address.path);
        server.listen({ path: address.path, backlog }, onListening);
      } else {
        server.listen({ host: address.host, port: address.port, backlog, ipv6Only: true }, onListening);
      }
    });
  }

  stopListening(): void {
    for (const listener of this.#listeners) closeListener(listener);
    this.#listeners = [];
  }

  #accept(socket: Socket, family: number): void {
    this.#acceptedCount++;
    const isUnixSocket = family === AF_UNIX;
    const keepAliveSeconds = this.#parts.config.values['tcp-keepalive'];
    if (!isUnixSocket && keepAliveSeconds > 0) socket.setKeepAlive(true, keepAliveSeconds * 1000);
    ignoreErrors(socket);
    if (this.#secure !== undefined) {
      this.#secure(socket);
      return;
    }
    const peer = isUnixSocket ? this.#unixPeer() : peerOf(socket);
    if (this.#dispatch !== undefined) {
      this.#dispatch({ socket, peer });
      return;
    }
    this.#serveFromBuffer(socket, peer);
  }

  /** Serves a connection of this thread, or tells it why not. */
  serve(socket: Socket, peer = peerOf(socket)): void {
    const opened = this.#open({ socket, peer, close: () => closeSocket(socket) });
    if (typeof opened === 'string') refuseSocket(socket, opened);
    else this.#readChunks(opened, socket);
  }

  /** As `serve`, and reads into the buffer that all connections share. */
  #serveFromBuffer(accepted: Socket, peer: NodePeer): void {
    let connection: Connection | undefined;
    const direct = makeDirect(accepted, this.#read, (byteCount) => {
      if (connection !== undefined) this.#receiveFromBuffer(connection, byteCount);
    });
    if (direct === undefined) {
      this.serve(accepted, peer);
      return;
    }
    const { socket, descriptor } = direct;
    const opened = this.#open({ socket, descriptor, peer, close: () => closeSocket(socket) });
    if (typeof opened === 'string') refuseSocket(socket, opened);
    else connection = opened;
  }

  /** The other end of a Unix socket has no name; Redis shows this one's. */
  #unixPeer(): NodePeer {
    const address = `${this.#parts.config.values.unixsocket}:0`;
    return { address, localAddress: address, isLoopback: false, isUnixSocket: true };
  }

  /** Serves a connection that another thread has accepted; false when it is refused. */
  adopt(socket: RelayedSocket, peer: NodePeer): boolean {
    const opened = this.#open({ socket, peer, close: () => socket.close() });
    if (typeof opened !== 'string') {
      this.#readChunks(opened, socket);
      return true;
    }
    socket.write(Buffer.from(opened), () => {});
    socket.close();
    return false;
  }

  /** Takes in a connection, or returns the error to send to it. */
  #open({ socket, descriptor = -1, peer, close }: NewConnection): Connection | string {
    const written = (): void => this.#written(opened as Connection);
    const handle: Handle = { socket, descriptor, close, written };
    const opened = this.#core.open({ ...peer, descriptor: -1, handle });
    if (typeof opened === 'string') return opened;
    socket.on('end', () => {
      this.#ended.push(opened);
      this.#scheduleFlush();
    });
    socket.on('close', () => this.#core.close(opened));
    return opened;
  }

  // Reading -------------------------------------------------------------------------------------------------

  /** Takes in what a stream gives: each chunk is memory of its own. */
  #readChunks(connection: Connection, socket: ClientSocket): void {
    socket.on('data', (chunk) => this.#receive(connection, chunk, 0, chunk.length));
  }

  /** The read buffer is used again before the requests are run: they wait behind each other in another. */
  #receiveFromBuffer(connection: Connection, byteCount: number): void {
    if (connection.ownedBytes > 0) {
      this.#receive(connection, this.#read, 0, byteCount);
      return;
    }
    if (WAITING_BYTES_MAX - this.#waitingEnd < byteCount) this.#endWakeUp();
    const start = this.#waitingEnd;
    copyBytes(this.#waiting, start, this.#read, 0, byteCount);
    this.#waitingEnd += byteCount;
    this.#receive(connection, this.#waiting, start, this.#waitingEnd);
  }

  /** Takes in bytes that stay where they are until the end of the wake-up. */
  #receive(connection: Connection, bytes: Buffer, start: number, end: number): void {
    const { input } = connection;
    const byteCount = end - start;
    if (connection.ownedBytes === 0) {
      input.buffer = bytes;
      input.start = start;
      input.end = end;
    } else {
      if (connection.ownedBytes - input.end < byteCount) this.#reallocate(connection, byteCount);
      bytes.copy(input.buffer, input.end, start, end);
      input.end += byteCount;
      if (!this.#core.acceptsInput(connection)) return;
    }
    this.#runInput(connection, byteCount);
    this.#scheduleFlush();
  }

  #runInput(connection: Connection, byteCount: number): void {
    this.#core.receive(connection, byteCount);
    const { input } = connection;
    if (input.start === input.end || connection.isClosed) {
      connection.ownedBytes = 0;
      input.start = 0;
      input.end = 0;
    } else {
      if (connection.ownedBytes === 0) this.#reallocate(connection, 0);
      this.#core.noteInput(connection);
    }
  }

  /** Gives the connection a buffer of its own for what is left, with room for at least `room` more. */
  #reallocate(connection: Connection, room: number): void {
    const { input } = connection;
    const rest = input.end - input.start;
    const expected = Math.min(RequestParser.expectedBytes(input), Math.max(ANNOUNCED_BYTES_MAX, rest));
    const own = Buffer.allocUnsafeSlow(
      Math.max(OWN_BUFFER_BYTES_MIN, rest * 2, rest + room, rest + expected),
    );
    input.buffer.copy(own, 0, input.start, input.end);
    input.buffer = own;
    input.start = 0;
    input.end = rest;
    connection.ownedBytes = own.length;
  }

  // The loop ------------------------------------------------------------------------------------------------

  /** Serves until the core has a stop code, and returns it. */
  run(): Promise<number> {
    const finished = new Promise<number>((resolve) => {
      this.#finish = resolve;
    });
    void this.#watchMail();
    this.#turn();
    return finished;
  }

  async #watchMail(): Promise<void> {
    const { allocator, threadNumber } = this.#parts;
    const { control } = allocator.arena;
    const word = STATE_THREAD_MAIL + threadNumber;
    while (!this.#hasFinished) {
      const seen = Atomics.load(control, word);
      this.#core.readMail();
      this.#turn();
      const waiting = Atomics.waitAsync(control, word, seen);
      if (waiting.async) await waiting.value;
    }
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    setImmediate(() => {
      this.#isFlushScheduled = false;
      this.#turn();
    });
  }

  /** What the epoll loop does between two waits. */
  #turn(): void {
    if (this.#hasFinished) return;
    this.#core.beforeSleep((connection) => this.#runInput(connection, 0));
    this.#endWakeUp();
    this.#closeEnded();
    if (this.#core.stopCode !== undefined) {
      this.#hasFinished = true;
      this.#finish(this.#core.stopCode);
      return;
    }
    const millis = this.#core.sleepMillis();
    if (millis === 0) this.#scheduleFlush();
    else this.#wakeIn(millis);
  }

  #endWakeUp(): void {
    this.#core.endWakeUp();
    this.#waitingEnd = 0;
  }

  #closeEnded(): void {
    if (this.#ended.length === 0) return;
    const ended = this.#ended;
    this.#ended = [];
    for (const connection of ended) this.#core.lost(connection);
  }

  #wakeIn(millis: number): void {
    const due = performance.now() + millis;
    if (this.#timerDue <= due && this.#timer !== undefined) return;
    clearTimeout(this.#timer);
    this.#timerDue = due;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#timerDue = Infinity;
      this.#turn();
    }, millis);
  }

  // Transport -----------------------------------------------------------------------------------------------

  send(connection: Connection, bytes: Buffer, start: number, end: number): number {
    const { socket, descriptor, written } = connection.handle as Handle;
    if (socket.destroyed) return -1;
    if (socket.writableLength > 0) return 0;
    const sent = descriptor < 0 ? 0 : writeNow(descriptor, bytes, start, end);
    if (sent < 0 || sent === end - start) return sent;
    const rest = start + sent;
    const taken = Math.min(end - rest, WRITE_BYTES_MAX);
    // The socket keeps what it is given until the system has it, and the core's buffer is used again at once.
    const piece = Buffer.allocUnsafe(taken);
    copyBytes(piece, 0, bytes, rest, rest + taken);
    socket.write(piece, written);
    return sent + taken;
  }

  /** The system has taken a piece: on with what is pending. */
  #written(connection: Connection): void {
    if (connection.pendingBytes === 0 || connection.isClosed) return;
    this.#core.writable(connection);
    this.#scheduleFlush();
  }

  watchWritable(): void {
    // The callback of each write goes on with what is pending.
  }

  watchReadable(connection: Connection, isWanted: boolean): void {
    const { socket } = connection.handle as Handle;
    if (isWanted) socket.resume();
    else socket.pause();
  }

  close(connection: Connection): void {
    (connection.handle as Handle).close();
  }

  dispose(): void {
    this.stopListening();
    clearTimeout(this.#timer);
  }
}

/** A connection that breaks is closed, and that is what it is told by. */
function ignoreErrors(socket: Socket): void {
  socket.on('error', () => {});
}

/** A connection past Node's streams. */
interface DirectSocket {
  readonly socket: Socket;
  /** As in `Handle`. */
  readonly descriptor: number;
}

/**
 * The same connection, read into one buffer, and with its descriptor. For each read of a socket Node
 * allocates 64 KiB, and for each write it makes objects and callbacks: together they cost more than the
 * command. A socket that is made with `onread` reads into one buffer; a server cannot ask for that, so the
 * handle of the socket that it has made moves to another one. Undefined where that is not possible.
 */
function makeDirect(
  accepted: Socket,
  buffer: Buffer,
  received: (byteCount: number) => void,
): DirectSocket | undefined {
  const owner = accepted as unknown as { _handle: { readonly fd?: number } | null | undefined };
  const handle = owner._handle;
  if (typeof handle !== 'object' || handle === null) return undefined;
  owner._handle = null;
  accepted.destroy();
  const callback = (byteCount: number): boolean => {
    received(byteCount);
    return true;
  };
  const options: SocketConstructorOpts & { readonly handle: object; readonly onread: OnReadOpts } = {
    handle,
    allowHalfOpen: true,
    onread: { buffer, callback },
  };
  const socket = new Socket(options);
  ignoreErrors(socket);
  return { socket, descriptor: handle.fd ?? -1 };
}

/** Writes what the system takes: how many bytes, or −1 when the connection is broken. */
function writeNow(descriptor: number, bytes: Buffer, start: number, end: number): number {
  try {
    return writeSync(descriptor, bytes, start, end - start);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 0 : -1;
  }
}

function peerOf(socket: Socket): NodePeer {
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
  return {
    address: formatHostPort(remoteAddress, remotePort),
    localAddress: formatHostPort(localAddress, localPort),
    isLoopback: isLoopback(remoteAddress),
    isUnixSocket: false,
  };
}

/** Connections that were accepted stay. */
function closeListener({ server }: NodeListener): void {
  server.close();
}

/** Closes a connection with a last line. */
export function refuseSocket(socket: Socket, line: string): void {
  socket.write(line);
  closeSocket(socket);
}
