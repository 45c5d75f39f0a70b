/**
 * The little of the Redis protocol that a load generator needs: fixed commands with a changing key, a counter
 * of replies, and a connection. It shares nothing with the server's parser: a bug there must not hide here.
 */
import { connect, type Socket } from 'node:net';

const DIGITS = 12;
const LINE_FEED = 0x0a;
const MINUS = 0x2d;
const DOLLAR = 0x24;
const ZERO = 0x30;

/** One command as bytes. */
export function encodeCommand(args: readonly string[]): Buffer {
  const parts = args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`);
  return Buffer.from(`*${args.length}\r\n${parts.join('')}`);
}

/**
 * A command whose key is `PREFIX` plus twelve digits, as redis-benchmark names its keys; only the digits
 * change, so writing one is a copy and twelve stores.
 */
export class CommandTemplate {
  readonly #bytes: Buffer;
  readonly #digitsOffset: number;

  constructor(name: string, options: { readonly keyPrefix?: string; readonly value?: string } = {}) {
    const prefix = options.keyPrefix ?? 'key:';
    const args = [name, prefix + '#'.repeat(DIGITS)];
    if (options.value !== undefined) args.push(options.value);
    this.#bytes = encodeCommand(args);
    this.#digitsOffset = this.#bytes.indexOf('#'.repeat(DIGITS));
  }

  get byteLength(): number {
    return this.#bytes.length;
  }

  /** Writes the command for key `keyIndex` and returns the offset behind it. */
  write(into: Buffer, offset: number, keyIndex: number): number {
    this.#bytes.copy(into, offset);
    this.patch(into, offset, keyIndex);
    return offset + this.#bytes.length;
  }

  /** Changes the key of a command that `write` put at `offset`. */
  patch(into: Buffer, offset: number, keyIndex: number): void {
    const first = offset + this.#digitsOffset;
    let rest = keyIndex;
    for (let at = first + DIGITS - 1; at >= first; at--) {
      const next = Math.floor(rest / 10);
      into[at] = ZERO + rest - next * 10;
      rest = next;
    }
  }
}

/** Counts replies that are one line or one bulk string; an error reply is thrown, for it is no result. */
export class ReplyCounter {
  #kind = 0;
  #number = 0;
  #negative = false;
  #bodyBytes = 0;
  #errorText = '';

  /** Returns how many replies `chunk` completes. */
  feed(chunk: Uint8Array): number {
    let completed = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.#bodyBytes > 0) {
        const taken = Math.min(this.#bodyBytes, chunk.length - at);
        this.#bodyBytes -= taken;
        at += taken;
        if (this.#bodyBytes === 0) completed++;
        continue;
      }
      if (this.#headerByte(chunk[at++] ?? 0)) completed++;
    }
    return completed;
  }

  /** Takes one byte of a reply's first line; true when the reply ends with it. */
  #headerByte(byte: number): boolean {
    if (this.#kind === 0) {
      this.#kind = byte;
      this.#number = 0;
      this.#negative = false;
      this.#errorText = '';
      if (!'+-:$_'.includes(String.fromCharCode(byte)))
        throw new Error(`unexpected reply type, byte ${byte}`);
      return false;
    }
    if (byte === LINE_FEED) return this.#endOfLine();
    if (this.#kind === MINUS) this.#errorText += String.fromCharCode(byte);
    else if (byte === MINUS) this.#negative = true;
    else if (this.#kind === DOLLAR && byte >= ZERO) this.#number = this.#number * 10 + byte - ZERO;
    return false;
  }

  #endOfLine(): boolean {
    const kind = this.#kind;
    this.#kind = 0;
    if (kind === MINUS) throw new Error(`the server answered: ${this.#errorText.trim()}`);
    if (kind !== DOLLAR || this.#negative) return true;
    this.#bodyBytes = this.#number + 2;
    return false;
  }
}

/** Writes command number `index` into the buffer and returns the offset behind it. */
export type CommandWriter = (into: Buffer, offset: number, index: number) => number;

const BATCH_BYTES = 64 * 1024;
const BATCHES_IN_FLIGHT_MAX = 8;

/** A connection for one user at a time: either single commands or one pipeline. */
export class RespConnection {
  readonly #socket: Socket;
  readonly #counter = new ReplyCounter();
  #received = 0;
  #kept: Buffer[] | undefined;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  static async open(port: number, localAddress?: string): Promise<RespConnection> {
    const address = { port, host: '127.0.0.1', ...(localAddress === undefined ? {} : { localAddress }) };
    return new Promise((resolve, reject) => {
      const socket = connect(address);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RespConnection(socket));
      });
    });
  }

  /** Sends one command and resolves to its reply without type byte and line ends. */
  async command(...args: string[]): Promise<string> {
    const reply = await this.exchange(encodeCommand(args));
    const text = reply.toString();
    return text.startsWith('$') ? text.slice(text.indexOf('\n') + 1, -2) : text.slice(1, -2);
  }

  /** Sends the bytes of commands and resolves to the bytes of their replies. */
  async exchange(request: Buffer, replyCount = 1): Promise<Buffer> {
    const chunks: Buffer[] = [];
    const target = this.#received + replyCount;

    this.#kept = chunks;
    this.#socket.write(request);
    await this.#waitFor(target);
    this.#kept = undefined;
    return Buffer.concat(chunks);
  }

  /** Sends `count` commands, pipelined with bounded memory, and resolves when all are answered. */
  async pipeline(count: number, largestBytes: number, write: CommandWriter): Promise<void> {
    const start = this.#received;
    const size = Math.max(BATCH_BYTES, largestBytes);
    const batches = Array.from({ length: BATCHES_IN_FLIGHT_MAX }, () => ({
      bytes: Buffer.allocUnsafe(size),
      answeredAt: start,
    }));

    for (let sent = 0, turn = 0; sent < count; turn++) {
      const batch = batches[turn % BATCHES_IN_FLIGHT_MAX];
      if (batch === undefined) break;
      // Its bytes may be overwritten only when the server has answered, so has read, them all.
      await this.#waitFor(batch.answeredAt);
      let offset = 0;
      while (sent < count && offset + largestBytes <= size) offset = write(batch.bytes, offset, sent++);
      batch.answeredAt = start + sent;
      this.#socket.write(batch.bytes.subarray(0, offset));
    }
    await this.#waitFor(start + count);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Closes without the minute of TIME_WAIT that would keep the local port from the next user. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  #onData(chunk: Buffer): void {
    try {
      // The chunk is Node's to reuse only after this call, and concat copies later: keep a copy.
      this.#kept?.push(Buffer.from(chunk));
      this.#received += this.#counter.feed(chunk);
    } catch (error) {
      this.#fail(error as Error);
      this.#socket.destroy();
    }
    this.#wake?.();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  async #waitFor(received: number): Promise<void> {
    while (this.#received < received) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** Loads keys `0 … count-1` with values of `valueBytes` bytes. */
export async function fillKeys(
  connection: RespConnection,
  options: { readonly count: number; readonly valueBytes: number; readonly firstIndex?: number },
): Promise<void> {
  const template = new CommandTemplate('SET', { value: 'x'.repeat(options.valueBytes) });
  const first = options.firstIndex ?? 0;
  await connection.pipeline(options.count, template.byteLength, (into, offset, index) =>
    template.write(into, offset, first + index),
  );
}
