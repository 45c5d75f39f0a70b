/**
 * What one client may leave waiting: replies that it does not read (`client-output-buffer-limit`), and input
 * that does not become an argument (`client-query-buffer-limit`). Comparisons and log lines are those of
 * Redis 7.0 networking.c, checkClientOutputBufferLimits and readQueryFromClient.
 */
import { SESSION_UNAUTHENTICATED } from '../commands/session.ts';
import type { OutputBufferLimit } from '../config/directives.ts';
import { isSubscriber } from '../engine/client-table.ts';
import type { Ref } from '../memory/arena.ts';
import { FRAME_BYTES_MAX, RequestParser } from '../protocol/request-parser.ts';
import { quoteBytes } from '../util/split-args.ts';
import type { Connection } from './connection.ts';
import type { ThreadParts } from './thread-parts.ts';

/** One turn of a client writes at most about this much before others, and the socket, get theirs. */
export const TURN_OUTPUT_BYTES_MAX = 1024 * 1024;
/**
 * Replies of one turn do not count up to this: in Redis they stand in the client's own buffer (server.h,
 * PROTO_REPLY_CHUNK_BYTES).
 */
const UNCOUNTED_REPLY_BYTES = 16 * 1024;
/** What a client may leave unread before it has logged in: Redis since CVE-2025-21605. */
const UNAUTHENTICATED_BYTES_MAX = 1024;
/** Of a query buffer that has become too large the log shows so much. */
const SHOWN_INPUT_BYTES = 64;

export type BufferLimitsParts = Pick<ThreadParts, 'clientTable' | 'clock' | 'config' | 'log' | 'statistics'>;

export class BufferLimits {
  readonly #parts: BufferLimitsParts;
  /** A client's line in CLIENT LIST. */
  #describe: (record: Ref) => string = String;
  /** Replies of one turn that are more than this have to be looked at: they may be over a limit. */
  repliesBytesMax = TURN_OUTPUT_BYTES_MAX;

  constructor(parts: BufferLimitsParts) {
    this.#parts = parts;
  }

  /** Once, before the first client. */
  connect(describe: (record: Ref) => string): void {
    this.#describe = describe;
  }

  applyConfig(): void {
    const { normal, pubsub } = this.#parts.config.values['client-output-buffer-limit'];
    const hardLimits = [normal.hardBytes, pubsub.hardBytes].filter((bytes) => bytes > 0);
    this.repliesBytesMax = Math.max(UNCOUNTED_REPLY_BYTES, Math.min(TURN_OUTPUT_BYTES_MAX, ...hardLimits));
  }

  // Output --------------------------------------------------------------------------------------------------

  /** Whether the replies that wait are more than they may be, or have been for too long. */
  isOverOutput(connection: Connection): boolean {
    const { hardBytes, softBytes, softSeconds } = this.#outputLimit(connection);
    const { pendingBytes, session } = connection;
    if (session.has(SESSION_UNAUTHENTICATED) && pendingBytes > UNAUTHENTICATED_BYTES_MAX) return true;
    if (hardBytes > 0 && pendingBytes >= hardBytes) return true;
    if (softBytes === 0 || pendingBytes < softBytes) {
      connection.overSoftLimitSince = 0;
      return false;
    }
    // Whole seconds of the clock, as Redis measures.
    const now = Math.floor(this.#parts.clock.wallMillis() / 1000);
    if (connection.overSoftLimitSince === 0) connection.overSoftLimitSince = now;
    return now - connection.overSoftLimitSince > softSeconds;
  }

  /**
   * Whether so many bytes of replies in one turn, with those that wait already, are over the hard limit: then
   * they are not even sent, however fast the client would read them.
   */
  isOverWith(connection: Connection, replyBytes: number): boolean {
    const { hardBytes } = this.#outputLimit(connection);
    if (hardBytes === 0 || replyBytes <= UNCOUNTED_REPLY_BYTES) return false;
    // Redis takes at least one more block of that size for the rest.
    const counted = Math.max(UNCOUNTED_REPLY_BYTES, replyBytes - UNCOUNTED_REPLY_BYTES);
    return connection.pendingBytes + counted >= hardBytes;
  }

  #outputLimit({ session }: Connection): OutputBufferLimit {
    const limits = this.#parts.config.values['client-output-buffer-limit'];
    return isSubscriber(this.#parts.clientTable, session.record) ? limits.pubsub : limits.normal;
  }

  /**
   * A client goes for its output. Under the lock.
   * @param isAtOnce found at a periodic look, not at a reply
   */
  noteOutputCut(record: Ref, isAtOnce: boolean): void {
    const { log, statistics } = this.#parts;
    const fate = isAtOnce ? 'closed' : 'scheduled to be closed ASAP';
    log.warning(`Client ${this.#describe(record)} ${fate} for overcoming of output buffer limits.`);
    statistics.add('clientOutputLimitDisconnections', 1);
  }

  // Input ---------------------------------------------------------------------------------------------------

  /** Whether more waits than the client may send without completing an argument. */
  isOverInput({ input }: Connection): boolean {
    return (
      RequestParser.unparsedBytes(input) > this.#parts.config.values['client-query-buffer-limit'] ||
      input.end - input.start > FRAME_BYTES_MAX
    );
  }

  /** A client goes for its input. Under the lock. */
  noteInputCut({ input, session }: Connection): void {
    const { log, statistics } = this.#parts;
    const start = RequestParser.unparsedStart(input);
    const shown = input.buffer.subarray(start, Math.min(start + SHOWN_INPUT_BYTES, input.end));
    log.warning(
      `Closing client that reached max query buffer length: ${this.#describe(session.record)} ` +
        `(qbuf initial bytes: ${quoteBytes(shown)})`,
    );
    statistics.add('clientQueryLimitDisconnections', 1);
  }
}
