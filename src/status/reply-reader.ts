/** Replies of RESP2 out of bytes, for the client that this server has inside itself (engine-client.ts). */

/** An error reply as a value: of several commands that are sent together, one may fail. */
export class CommandError {
  /** With its code in front: `NOPERM this user has …`. */
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** A simple string is text, a bulk string bytes. */
export type Reply = string | number | null | Buffer | CommandError | readonly Reply[];

interface Parsed {
  readonly reply: Reply;
  /** Offset behind the reply. */
  readonly end: number;
}

const CARRIAGE_RETURN = 0x0d;

/** The reply that begins at `start`, or undefined while a part of it is missing. */
export function readReply(bytes: Buffer, start: number): Parsed | undefined {
  const lineEnd = bytes.indexOf(CARRIAGE_RETURN, start);
  if (lineEnd === -1 || lineEnd + 1 >= bytes.length) return undefined;
  const line = bytes.toString('utf8', start + 1, lineEnd);
  const next = lineEnd + 2;
  switch (String.fromCharCode(bytes[start] ?? 0)) {
    case '+':
      return { reply: line, end: next };
    case '-':
      return { reply: new CommandError(line), end: next };
    case ':':
      return { reply: Number(line), end: next };
    case '$':
      return readBulk(bytes, next, Number(line));
    case '*':
      return readArray(bytes, next, Number(line));
    default:
      throw new Error('the engine answered in something else than RESP2');
  }
}

function readBulk(bytes: Buffer, start: number, length: number): Parsed | undefined {
  if (length < 0) return { reply: null, end: start };
  const end = start + length + 2;
  return bytes.length < end ? undefined : { reply: bytes.subarray(start, start + length), end };
}

function readArray(bytes: Buffer, start: number, count: number): Parsed | undefined {
  if (count < 0) return { reply: null, end: start };
  const items: Reply[] = [];
  let end = start;
  while (items.length < count) {
    const item = readReply(bytes, end);
    if (item === undefined) return undefined;
    items.push(item.reply);
    end = item.end;
  }
  return { reply: items, end };
}

/** The text of a reply that is a string of either kind; empty for any other. */
export function textOf(reply: Reply | undefined): string {
  if (Buffer.isBuffer(reply)) return reply.toString('utf8');
  return typeof reply === 'string' ? reply : '';
}

/** The items of an array; none for any other reply. */
export function itemsOf(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]) : [];
}

/** A reply that is a number; 0 for any other. */
export function numberOf(reply: Reply | undefined): number {
  return typeof reply === 'number' ? reply : 0;
}
