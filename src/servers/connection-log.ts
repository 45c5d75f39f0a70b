/** What the log tells of connections at the level `verbose` (Redis 7.0 networking.c). */
import type { Ref } from '../memory/arena.ts';
import type { Input } from '../protocol/request-parser.ts';
import type { Log } from '../util/log.ts';
import type { Connection } from './connection.ts';

/** Of the bytes that could not be read the log shows so many, half from each end. */
const SHOWN_INPUT_BYTES = 128;

/** Errors of the parser for which the log of Redis has other words than the reply. */
const LOGGED_REASONS: readonly (readonly [reply: RegExp, reason: string])[] = [
  [/^invalid multibulk length/, 'invalid mbulk count'],
  [/^unauthenticated multibulk length/, 'unauth mbulk count'],
  [/^unauthenticated bulk length/, 'unauth bulk length'],
  [/^expected '\$'/, 'expected $ but got something else'],
  [/^unbalanced quotes/, 'unbalanced quotes in inline request'],
];

export class ConnectionLog {
  readonly #log: Log;
  /** A client's line in CLIENT LIST. */
  readonly #describe: (record: Ref) => string;

  constructor(log: Log, describe: (record: Ref) => string) {
    this.#log = log;
    this.#describe = describe;
  }

  get #isOff(): boolean {
    return !this.#log.wants('verbose');
  }

  /** A connection has come, and may still be refused. */
  accepted({ address, isUnixSocket }: { readonly address: string; readonly isUnixSocket: boolean }): void {
    if (this.#isOff) return;
    const where = isUnixSocket ? `connection to ${address.replace(/:0$/, '')}` : address;
    this.#log.verbose(`Accepted ${where}`);
  }

  /** The client has gone; or the connection is broken, and why. Under the lock. */
  lost({ session }: Connection, reason: string | undefined): void {
    if (this.#isOff) return;
    if (reason === undefined) this.#log.verbose(`Client closed connection ${this.#describe(session.record)}`);
    else this.#log.verbose(`Reading from client: ${reason}`);
  }

  /** @param error the text of the reply */
  protocolError({ session, input }: Connection, error: string): void {
    if (this.#isOff) return;
    const text = error.replace(/^Protocol error: /, '');
    const reason = LOGGED_REASONS.find(([reply]) => reply.test(text))?.[1] ?? text;
    this.#log.verbose(
      `Protocol error (${reason}) from client: ${this.#describe(session.record)}. ` +
        `Query buffer during protocol error: ${shownInput(input)}`,
    );
  }
}

/** What has not been understood, with a dot for each byte that is not printable. */
function shownInput({ buffer, start, end }: Pick<Input, 'buffer' | 'start' | 'end'>): string {
  const quoted = (from: number, to: number) =>
    `'${Buffer.from(buffer.subarray(from, to))
      .toString('latin1')
      .replace(/[^\x20-\x7e]/g, '.')}'`;
  const length = end - start;
  if (length < SHOWN_INPUT_BYTES) return quoted(start, end);
  const half = SHOWN_INPUT_BYTES / 2;
  const left = length - SHOWN_INPUT_BYTES;
  return `${quoted(start, start + half)} (... more ${left} bytes ...) ${quoted(end - half, end)}`;
}
