/**
 * A small RESP2/RESP3 client that loses nothing.
 *
 * Client libraries turn `$-1` and `*-1` into the same null and `:1` and `,1` into the same number. Tests that
 * compare servers byte for byte must not, so a reply stays a tagged tree that encodes back to exactly the
 * bytes received.
 */
import { createConnection, type Socket } from 'node:net';

/** Type byte of a reply that is one line or one blob. */
export type ScalarTag = '+' | '-' | ':' | '$' | '#' | ',' | '(' | '=' | '!';
/** Type byte of a reply made of replies; a map's or attribute's items are key, value, key, value. */
export type AggregateTag = '*' | '%' | '~' | '>' | '|';

export type Reply =
  | { readonly kind: 'scalar'; readonly tag: ScalarTag; readonly bytes: Buffer }
  | { readonly kind: 'aggregate'; readonly tag: AggregateTag; readonly items: readonly Reply[] }
  | { readonly kind: 'null'; readonly tag: '$' | '*' | '_' };

/** One argument of a command: text is sent as UTF-8, a number in decimal. */
export type Argument = string | number | Buffer;

/** Where a server listens. */
export type Address = { readonly port: number; readonly host?: string } | { readonly path: string };

/** Guard against a server that hangs; it is never a measurement. */
const REPLY_WAIT_MILLIS_MAX = 30_000;

const CARRIAGE_RETURN = 0x0d;
const CRLF = Buffer.from('\r\n');
const EMPTY = Buffer.alloc(0);
const BLOB_TAGS = '$=!';
const AGGREGATE_TAGS = '*%~>|';
const LINE_TAGS = '+-:#,(';

/** The server closed the connection while a reply was awaited. */
export class ConnectionClosedError extends Error {
  override name = 'ConnectionClosedError';
}

/** No reply came within the guard time. */
export class ReplyTimeoutError extends Error {
  override name = 'ReplyTimeoutError';
}

/** Encodes one command as an array of bulk strings. */
export function encodeCommand(command: readonly Argument[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${command.length}\r\n`)];
  for (const argument of command) {
    const bytes = toBytes(argument);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  return Buffer.concat(parts);
}

/** The bytes of an argument as they go over the wire. */
export function toBytes(argument: Argument): Buffer {
  return Buffer.isBuffer(argument) ? argument : Buffer.from(String(argument));
}

/** Encodes a reply back into the bytes it came from. */
export function encodeReply(reply: Reply): Buffer {
  if (reply.kind === 'null') return Buffer.from(reply.tag === '_' ? '_\r\n' : `${reply.tag}-1\r\n`);
  if (reply.kind === 'scalar') {
    if (!BLOB_TAGS.includes(reply.tag)) return Buffer.concat([Buffer.from(reply.tag), reply.bytes, CRLF]);
    return Buffer.concat([Buffer.from(`${reply.tag}${reply.bytes.length}\r\n`), reply.bytes, CRLF]);
  }
  const isPairs = reply.tag === '%' || reply.tag === '|';
  const count = isPairs ? reply.items.length / 2 : reply.items.length;
  return Buffer.concat([Buffer.from(`${reply.tag}${count}\r\n`), ...reply.items.map(encodeReply)]);
}

/** A reply on one line, close to what redis-cli shows, for messages and failures. */
export function describeReply(reply: Reply): string {
  if (reply.kind === 'null') return `(${reply.tag === '*' ? 'null array' : 'nil'})`;
  if (reply.kind === 'aggregate') {
    const items = reply.items.slice(0, 100).map(describeReply);
    if (reply.items.length > items.length) items.push(`… ${reply.items.length} in all`);
    return `${reply.tag}[${items.join(', ')}]`;
  }
  return reply.tag === '$' ? quoteBytes(reply.bytes) : `${reply.tag}${quoteBytes(reply.bytes).slice(1, -1)}`;
}

/** Bytes as a quoted string in the escapes of Redis' inline syntax, shortened when long. */
export function quoteBytes(bytes: Buffer, shownBytesMax = 300): string {
  let text = '"';
  for (const byte of bytes.subarray(0, shownBytesMax)) {
    const escaped = QUOTE_ESCAPES[byte];
    if (escaped !== undefined) text += escaped;
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return bytes.length > shownBytesMax ? `${text}"… (${bytes.length} bytes)` : `${text}"`;
}

const QUOTE_ESCAPES: Record<number, string> = {
  0x22: '\\"',
  0x5c: '\\\\',
  0x0a: '\\n',
  0x0d: '\\r',
  0x09: '\\t',
};

/** An aggregate whose items have not all come. */
interface OpenAggregate {
  readonly kind: 'open';
  readonly tag: AggregateTag;
  readonly count: number;
  readonly items: Reply[];
}

/**
 * Splits a byte stream into replies, however it is cut. What has been decoded of a partial reply is kept, so
 * that a reply of a million items, which comes in many chunks, is read once.
 */
export class ReplyDecoder {
  #chunks: Buffer[] = [];
  #length = 0;
  /** Fewest buffered bytes with which decoding can get further. */
  #lengthNeeded = 1;
  /** The aggregates around the next item, the innermost last. */
  readonly #open: OpenAggregate[] = [];

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** The next complete reply, or undefined while it is partial. Throws on bytes that are not RESP. */
  next(): Reply | undefined {
    if (this.#length < this.#lengthNeeded) return undefined;
    const [first = EMPTY] = this.#chunks;
    const buffer = this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks, this.#length);
    const cursor = { buffer, offset: 0, lengthNeeded: 0 };

    const reply = this.#decode(cursor);

    const rest = buffer.subarray(cursor.offset);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#length = rest.length;
    this.#lengthNeeded =
      reply === undefined ? Math.max(cursor.lengthNeeded - cursor.offset, rest.length + 1) : 1;
    return reply;
  }

  #decode(cursor: Cursor): Reply | undefined {
    for (;;) {
      const item = decodeItem(cursor);
      if (item === undefined) return undefined;
      if (item.kind === 'open' && item.count > 0) {
        this.#open.push(item);
        continue;
      }
      let reply: Reply = item.kind === 'open' ? aggregateOf(item) : item;
      let around = this.#open.at(-1);
      while (around !== undefined) {
        around.items.push(reply);
        if (around.items.length < around.count) break;
        reply = aggregateOf(around);
        this.#open.pop();
        around = this.#open.at(-1);
      }
      if (around === undefined) return reply;
    }
  }

  /** Bytes received that do not form a whole item yet. */
  rest(): Buffer {
    return Buffer.concat(this.#chunks, this.#length);
  }
}

function aggregateOf({ tag, items }: OpenAggregate): Reply {
  return { kind: 'aggregate', tag, items };
}

interface Cursor {
  readonly buffer: Buffer;
  /** Behind the last complete item. */
  offset: number;
  lengthNeeded: number;
}

/** A scalar, or the head of an aggregate. The cursor moves only when all of it is there. */
function decodeItem(cursor: Cursor): Exclude<Reply, { kind: 'aggregate' }> | OpenAggregate | undefined {
  const { buffer, offset } = cursor;
  const lineEnd = buffer.indexOf(CRLF, offset);
  if (lineEnd === -1) return undefined;
  const line = buffer.subarray(offset, lineEnd);
  const next = lineEnd + 2;
  const tag = String.fromCharCode(line[0] ?? 0);
  const bytes = line.subarray(1);

  const isLine = tag === '_' || LINE_TAGS.includes(tag);
  const length = isLine ? 0 : Number(bytes.toString('latin1'));
  const isNull = tag === '_' || ((tag === '$' || tag === '*') && length === -1);
  if (!isLine && !isNull && (!Number.isInteger(length) || length < 0))
    throw new Error(`not RESP: ${quoteBytes(line)}`);
  if (BLOB_TAGS.includes(tag) && !isNull) {
    const end = next + length;
    if (buffer.length < end + 2) {
      cursor.lengthNeeded = end + 2;
      return undefined;
    }
    if (buffer[end] !== CARRIAGE_RETURN) throw new Error('not RESP: blob without a line end');
    cursor.offset = end + 2;
    return { kind: 'scalar', tag: tag as ScalarTag, bytes: buffer.subarray(next, end) };
  }
  cursor.offset = next;
  if (isNull) return { kind: 'null', tag: tag as '_' | '$' | '*' };
  if (isLine) return { kind: 'scalar', tag: tag as ScalarTag, bytes };
  if (!AGGREGATE_TAGS.includes(tag)) throw new Error(`not RESP: ${quoteBytes(line)}`);
  const count = tag === '%' || tag === '|' ? length * 2 : length;
  return { kind: 'open', tag: tag as AggregateTag, count, items: [] };
}

/** One connection. Replies come in the order of the commands; pushes are replies like any other. */
export class RespClient {
  readonly socket: Socket;
  #decoder = new ReplyDecoder();
  #waiting: { resolve: () => void }[] = [];
  #isClosed = false;
  #transportError: Error | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#decoder.push(chunk);
      this.#wakeAll();
    });
    socket.on('error', (error) => {
      this.#transportError = error;
    });
    socket.on('close', () => this.#markClosed());
    socket.on('end', () => this.#markClosed());
  }

  /** Connects with TCP_NODELAY; the client half stays open when the server ends its half, as with netcat. */
  static connect(address: Address): Promise<RespClient> {
    return new Promise((resolve, reject) => {
      const options = 'path' in address ? address : { host: '127.0.0.1', ...address };
      const socket = createConnection({ ...options, allowHalfOpen: true, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        resolve(new RespClient(socket));
      });
    });
  }

  /** A client over a connection that there is, as one over TLS. */
  static over(socket: Socket): RespClient {
    return new RespClient(socket);
  }

  /** True when the server has ended the connection and everything it sent before has been received. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Why the connection broke, if it did not just end. */
  get transportError(): Error | undefined {
    return this.#transportError;
  }

  /** Sends bytes as they are. */
  write(bytes: Buffer | string): void {
    this.socket.write(bytes);
  }

  /** Sends a command without reading its reply. */
  send(...command: Argument[]): void {
    this.socket.write(encodeCommand(command));
  }

  /** Sends a command and reads the next reply. */
  async command(...command: Argument[]): Promise<Reply> {
    this.send(...command);
    return this.readReply();
  }

  /** As `command`, with the reply as one line of text (`describeReply`). */
  async text(...command: Argument[]): Promise<string> {
    return describeReply(await this.command(...command));
  }

  /** Sends all commands in one write and reads as many replies. */
  async pipeline(commands: readonly (readonly Argument[])[]): Promise<Reply[]> {
    this.socket.write(Buffer.concat(commands.map(encodeCommand)));
    return this.readReplies(commands.length);
  }

  async readReplies(count: number): Promise<Reply[]> {
    const replies: Reply[] = [];
    while (replies.length < count) replies.push(await this.readReply());
    return replies;
  }

  /** The next reply; rejects with ConnectionClosedError or ReplyTimeoutError when none comes. */
  async readReply(waitMillisMax = REPLY_WAIT_MILLIS_MAX): Promise<Reply> {
    for (;;) {
      const reply = this.#decoder.next();
      if (reply !== undefined) return reply;
      if (this.#isClosed)
        throw new ConnectionClosedError(this.#transportError?.message ?? 'closed by the server');
      await this.#waitForBytes(waitMillisMax);
    }
  }

  /** Everything the server sends until it closes, undecoded. */
  async readUntilClose(waitMillisMax = REPLY_WAIT_MILLIS_MAX): Promise<Buffer> {
    while (!this.#isClosed) await this.#waitForBytes(waitMillisMax);
    return this.#decoder.rest();
  }

  /** Ends our half; what the server still sends can be read. */
  end(): void {
    this.socket.end();
  }

  /** Drops the connection at once. */
  close(): void {
    this.socket.destroy();
  }

  /** Waits for new bytes or the end. */
  #waitForBytes(waitMillisMax: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = { resolve: () => (clearTimeout(timer), resolve()) };
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        reject(new ReplyTimeoutError(`no reply within ${waitMillisMax} ms`));
      }, waitMillisMax);
      this.#waiting.push(waiter);
    });
  }

  #markClosed(): void {
    this.#isClosed = true;
    this.#wakeAll();
  }

  #wakeAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) waiter.resolve();
  }
}
