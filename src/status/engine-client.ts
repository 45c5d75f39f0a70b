/**
 * A client of the engine without a socket: commands go in and replies come out through a channel, whose
 * other end the transport serves as it serves a relayed connection (servers/relayed-socket.ts). So the engine
 * sees a client like any other, with a user, permissions and a line in CLIENT LIST.
 */
import type { MessagePort } from 'node:worker_threads';
import { readReply } from './reply-reader.ts';
import type { Reply } from './reply-reader.ts';

export type Argument = string | Buffer;
export type CommandLine = readonly Argument[];

/** Longer than that nobody in front of a page waits; CLIENT PAUSE and DEBUG SLEEP can make it so. */
const ANSWER_MILLIS_MAX = 5000;
/** More than that is not to be shown, nor kept in memory. */
const REPLY_BYTES_MAX = 16 * 1024 * 1024;

/** The engine did not answer, or no more. */
export class NoAnswerError extends Error {
  override name = 'NoAnswerError';
}

interface Exchange {
  readonly count: number;
  readonly replies: Reply[];
  readonly resolve: (replies: Reply[]) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class EngineClient {
  readonly #port: MessagePort;
  /** In the order of their commands. */
  readonly #exchanges: Exchange[] = [];
  #chunks: Buffer[] = [];
  #chunkBytes = 0;
  isClosed = false;

  /** @param port the other end is served as a `RelayedSocket` */
  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (message: Uint8Array | number) => {
      // A number says how much the other end has taken: commands are short, nothing waits for it.
      if (typeof message !== 'number') this.#receive(message);
    });
    port.on('close', () => this.#end('the connection to the engine was closed'));
  }

  /**
   * Runs commands one after the other; a failed one has a CommandError in its place.
   * @throws NoAnswerError
   */
  run(commands: readonly CommandLine[]): Promise<Reply[]> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) {
        reject(new NoAnswerError('the connection to the engine was closed'));
        return;
      }
      const timer = setTimeout(() => this.#end('the engine did not answer in time'), ANSWER_MILLIS_MAX);
      this.#exchanges.push({ count: commands.length, replies: [], resolve, reject, timer });
      this.#port.postMessage(new Uint8Array(Buffer.concat(commands.map(encode))));
    });
  }

  close(): void {
    this.#end('closed');
  }

  #receive(message: Uint8Array): void {
    // Tells the other end that it may send as much again.
    this.#port.postMessage(message.length);
    this.#chunks.push(Buffer.from(message.buffer, message.byteOffset, message.length));
    this.#chunkBytes += message.length;
    if (this.#chunkBytes > REPLY_BYTES_MAX) this.#end('the reply is too large to be shown');
    else this.#deliver();
  }

  #deliver(): void {
    const bytes = Buffer.concat(this.#chunks);
    let start = 0;
    while (start < bytes.length) {
      const parsed = readReply(bytes, start);
      if (parsed === undefined) break;
      start = parsed.end;
      this.#take(parsed.reply);
    }
    this.#chunks = start < bytes.length ? [bytes.subarray(start)] : [];
    this.#chunkBytes = bytes.length - start;
  }

  #take(reply: Reply): void {
    const [exchange] = this.#exchanges;
    if (exchange === undefined) return;
    exchange.replies.push(reply);
    if (exchange.replies.length < exchange.count) return;
    this.#exchanges.shift();
    clearTimeout(exchange.timer);
    exchange.resolve(exchange.replies);
  }

  /** Whoever still waits hears why, or gets what came before: a refused client is told the reason and cut. */
  #end(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#port.close();
    for (const { replies, resolve, reject, timer } of this.#exchanges.splice(0)) {
      clearTimeout(timer);
      if (replies.length > 0) resolve(replies);
      else reject(new NoAnswerError(reason));
    }
  }
}

function encode(command: CommandLine): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${command.length}\r\n`)];
  for (const argument of command) {
    const bytes = Buffer.from(argument);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}
