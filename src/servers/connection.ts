/**
 * One client's connection in the thread that serves it: what was received, who it is, what waits to be sent.
 */
import type { Session } from '../commands/session.ts';
import type { Request } from '../protocol/request.ts';
import { Input } from '../protocol/request-parser.ts';

/** A piece of replies that the socket did not take yet. */
export interface PendingOutput {
  readonly bytes: Buffer;
  /** Bytes of it that are sent. */
  sent: number;
}

/** Replies and messages to one connection: a stretch of the reply writer's buffer. */
export interface Stretch {
  connection: Connection | undefined;
  start: number;
  end: number;
}

export class Connection {
  readonly session: Session;
  readonly input = new Input();
  /** The socket's descriptor; −1 when it is closed or the transport has none. */
  descriptor: number;
  /** Where the transport keeps what it needs to know of this connection. */
  readonly handle: unknown;
  /** The buffer that the connection has of its own while a request is incomplete: bytes, 0 = none. */
  ownedBytes = 0;
  /** The address of `input.buffer` while it is owned (epoll transport). */
  inputAddress = 0;
  /**
   * Requests that were parsed and have to wait: for the end of a pause, or for the client to read its
   * replies.
   */
  deferred: Request[] = [];
  /** The protocol error that follows them. */
  deferredError = '';
  pending: PendingOutput[] = [];
  pendingBytes = 0;
  /** The last of what it gets at the end of the wake-up. */
  lastStretch: Stretch | undefined;
  /** Since when the soft output limit is exceeded, Unix time in ms; 0 = it is not. */
  overSoftLimitSince = 0;
  /** Nothing is read until the client has taken most of its replies. */
  isStalled = false;
  /** It is on the list of those that go on without new bytes. */
  isResumable = false;
  isClosed = false;

  constructor(session: Session, descriptor: number, handle: unknown) {
    this.session = session;
    this.descriptor = descriptor;
    this.handle = handle;
  }
}
