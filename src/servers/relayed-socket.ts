/**
 * A socket served by another thread than its own (`--io=node --mode=threaded`). Node's sockets cannot leave
 * the thread that accepted them, so the keeper keeps the socket and passes on what it says, over a channel:
 *
 *     client ═socket═ keeper, relay() ◀──port──▶ RelayedSocket, client thread ═ NodeServer
 *                          bytes  ───────────────────▶
 *                            ◀─────────────────────── bytes
 *              'end': nothing more will come ────────▶
 *                            ◀──── a number ─────────▶  so many bytes were taken
 *                            ◀─── a closed port ─────▶  the connection is over
 *
 * Each side may have WINDOW_BYTES under way that the other has not yet said it took; then it waits, so a slow
 * reader on either end slows the writer on the other. What was posted before a port closes still arrives:
 * last replies are sent, and a thread that dies closes its connections as it would by itself.
 */
import { strict as assert } from 'node:assert';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { MessagePort } from 'node:worker_threads';

/** Under way in one direction before its sender waits; one message may exceed it. */
export const WINDOW_BYTES = 64 * 1024;
/** The receiver tells what it took when it is so much: at most WINDOW_BYTES, or both might wait for ever. */
const TOLD_BYTES_MIN = WINDOW_BYTES / 2;
/** How long a client that is cut off may leave its last replies unread. */
const LINGER_MILLIS_MAX = 1000;

type RelayMessage = Uint8Array | number | 'end';

/** What `NodeServer` needs of a socket. */
export interface ClientSocket {
  readonly destroyed: boolean;
  /** Bytes that wait for the other end to read; 0 = it takes more. */
  readonly writableLength: number;
  /** @param written called once more can be written, if it could not at once */
  write(bytes: Uint8Array, written: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'end' | 'close' | 'error', listener: () => void): unknown;
}

/**
 * Closes a socket once what was written is sent, or at once when there is nothing. TLS says farewell first:
 * its clients take an end without it for an attack.
 */
export function closeSocket(socket: Socket): void {
  if (socket.writableLength === 0 && !('encrypted' in socket)) {
    socket.destroy();
    return;
  }
  socket.setTimeout(LINGER_MILLIS_MAX, () => socket.destroy());
  socket.destroySoon();
}

/** The keeper's end: passes on between a socket and the port to the thread that serves it. */
export function relay(socket: Socket, port: MessagePort): void {
  const flow = new Flow(port);
  socket.on('data', (chunk: Buffer) => {
    flow.send(chunk);
    if (flow.isFull) socket.pause();
  });
  socket.on('end', () => port.postMessage('end' satisfies RelayMessage));
  socket.on('close', () => port.close());
  port.on('message', (message: RelayMessage) => {
    if (typeof message === 'number') {
      flow.acknowledged(message);
      if (!flow.isFull) socket.resume();
    } else if (typeof message !== 'string') {
      socket.write(message, () => flow.taken(message.length));
    }
  });
  port.on('close', () => closeSocket(socket));
  // It may have gone while its thread was started.
  if (socket.destroyed) port.close();
}

/** The serving thread's end. */
export class RelayedSocket extends EventEmitter implements ClientSocket {
  readonly #port: MessagePort;
  readonly #flow: Flow;
  /** Arrived while paused. */
  #held: (Uint8Array | 'end')[] = [];
  #isPaused = false;
  #written: () => void = () => {};
  destroyed = false;

  constructor(port: MessagePort) {
    super();
    this.#port = port;
    this.#flow = new Flow(port);
    port.on('message', (message: RelayMessage) => this.#receive(message));
    port.on('close', () => {
      this.#end();
      this.emit('close');
    });
  }

  #receive(message: RelayMessage): void {
    if (this.destroyed) return;
    if (typeof message === 'number') {
      this.#flow.acknowledged(message);
      if (!this.#flow.isFull) this.#written();
    } else if (this.#isPaused || this.#held.length > 0) {
      this.#held.push(message);
    } else {
      this.#pass(message);
    }
  }

  #pass(message: Uint8Array | 'end'): void {
    if (message === 'end') {
      this.emit('end');
      return;
    }
    this.emit('data', Buffer.from(message.buffer, message.byteOffset, message.length));
    this.#flow.taken(message.length);
  }

  pause(): void {
    this.#isPaused = true;
  }

  /** What has arrived meanwhile is passed on after the caller has returned, as streams do. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    setImmediate(() => this.#passHeld());
  }

  #passHeld(): void {
    let passed = 0;
    while (passed < this.#held.length && !this.#isPaused && !this.destroyed)
      this.#pass(this.#held[passed++]!);
    this.#held.splice(0, passed);
  }

  get writableLength(): number {
    return this.#flow.isFull ? this.#flow.underWayBytes : 0;
  }

  write(bytes: Uint8Array, written: () => void): void {
    if (this.destroyed) return;
    this.#written = written;
    this.#flow.send(bytes);
  }

  /** Ends the connection; what was written is still sent. */
  close(): void {
    this.#end();
    this.#port.close();
  }

  #end(): void {
    this.destroyed = true;
    this.#held = [];
  }
}

/** Counts what is under way through a port, in both directions, at one of its ends. */
class Flow {
  readonly #port: MessagePort;
  /** Sent, and the other end has not said that it took them. */
  underWayBytes = 0;
  /** Taken here, and the other end was not told. */
  #untoldBytes = 0;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  get isFull(): boolean {
    return this.underWayBytes >= WINDOW_BYTES;
  }

  send(bytes: Uint8Array): void {
    // A view is sent with all of the buffer that it is part of.
    const isWhole = bytes.byteLength === bytes.buffer.byteLength;
    this.#port.postMessage((isWhole ? bytes : new Uint8Array(bytes)) satisfies RelayMessage);
    this.underWayBytes += bytes.length;
  }

  acknowledged(byteCount: number): void {
    assert(byteCount <= this.underWayBytes, 'no more is taken than was sent');
    this.underWayBytes -= byteCount;
  }

  taken(byteCount: number): void {
    this.#untoldBytes += byteCount;
    if (this.#untoldBytes < TOLD_BYTES_MIN) return;
    this.#port.postMessage(this.#untoldBytes satisfies RelayMessage);
    this.#untoldBytes = 0;
  }
}
