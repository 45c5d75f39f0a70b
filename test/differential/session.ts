/**
 * Runs an episode's steps on one server, over two connections, and puts that server back to a fresh state.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ConnectionClosedError,
  encodeCommand,
  encodeReply,
  ReplyTimeoutError,
  RespClient,
  type Argument,
  type Reply,
} from '../support/resp-client.ts';
import type { ServerProcess } from '../support/server-process.ts';
import type { ClientIndex, CommandStep, ScanStep, Step } from './generator.ts';

/** Stand for a reply that did not come; `!` is a type that Redis 7.0 never sends. */
const CONNECTION_CLOSED: Reply = { kind: 'scalar', tag: '!', bytes: Buffer.from('connection closed') };
const NO_REPLY: Reply = { kind: 'scalar', tag: '!', bytes: Buffer.from('no reply') };

/** Most commands in one write. */
const PIPELINE_COMMANDS_MAX = 40;
/** A server that takes longer is taken to hang. */
const REPLY_WAIT_MILLIS_MAX = 10_000;
/** Waits of a millisecond for a connection that should close. */
const CLOSE_WAITS_MAX = 1_000;
/** New servers for one reset, when they do not survive it. */
const RESET_TRIES_MAX = 3;
/** A SCAN that goes on for longer never ends. */
const SCAN_CALLS_MAX = 10_000;

/** One server under comparison. */
export class Session {
  readonly #start: () => Promise<ServerProcess>;
  readonly #protocol: 2 | 3;
  /** What brings the server back to how it was before the first episode. */
  readonly #restore: readonly (readonly Argument[])[];
  #server: ServerProcess | undefined;
  #clients: [RespClient | undefined, RespClient | undefined] = [undefined, undefined];
  /** What a server that ended by itself wrote last. */
  crashes: string[] = [];

  constructor(
    start: () => Promise<ServerProcess>,
    protocol: 2 | 3,
    restore: readonly (readonly Argument[])[],
  ) {
    this.#start = start;
    this.#protocol = protocol;
    this.#restore = restore;
  }

  /** An empty server and two new connections; the server is started again if it ended or is stuck. */
  async reset(): Promise<void> {
    for (let triesLeft = RESET_TRIES_MAX; ; triesLeft -= 1) {
      try {
        await this.#resetOnce();
        return;
      } catch (error) {
        if (triesLeft <= 1) throw error;
        for (const client of this.#clients) client?.close();
        this.#clients = [undefined, undefined];
        await this.#server?.stop();
      }
    }
  }

  async #resetOnce(): Promise<void> {
    await this.#requireServer();
    for (const index of [0, 1] as const) await this.#leave(index);
    const first = await this.#client(0);
    await this.#pipeline(first, this.#restore);
    if (this.#protocol === 3) {
      for (const index of [0, 1] as const) await this.#pipeline(await this.#client(index), [['HELLO', '3']]);
    }
  }

  /** The replies to steps that `batches` put together. */
  async run(batch: readonly Step[]): Promise<Reply[]> {
    const [first] = batch;
    if (first === undefined) return [];
    if (first.kind === 'sleep') {
      await sleep(first.millis);
      return [CONNECTION_CLOSED];
    }
    const client = await this.#client(first.client).catch(() => undefined);
    if (client === undefined) return batch.map(() => CONNECTION_CLOSED);
    if (first.kind === 'scan') return [await this.#scan(client, first)];

    const steps = batch as readonly CommandStep[];
    client.write(Buffer.concat(steps.map((step) => step.inline ?? encodeCommand(step.command))));
    const replies = await this.#read(client, steps.length);
    for (const index of steps.at(-1)?.closes ?? []) await this.#waitUntilClosed(index);
    if (replies.some(isProtocolError)) await this.#waitUntilClosed(first.client);
    return replies;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client?.close();
    const server = this.#server;
    this.#server = undefined;
    await server?.stop();
  }

  /** The end of a connection is no reply: without waiting, the next step would race with it. */
  async #waitUntilClosed(index: ClientIndex): Promise<void> {
    const client = this.#clients[index];
    for (let waits = 0; waits < CLOSE_WAITS_MAX && client?.isClosed === false; waits += 1) await sleep(1);
  }

  /** Ends a connection so that the server knows before anything else happens: CLIENT LIST shows it. */
  async #leave(index: ClientIndex): Promise<void> {
    const client = this.#clients[index];
    if (client !== undefined && !client.isClosed) {
      await this.#pipeline(client, [['QUIT']]);
      await this.#waitUntilClosed(index);
    }
    client?.close();
    this.#clients[index] = undefined;
  }

  async #requireServer(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = await this.#start();
    this.#server = server;
    void server.exited.then(() => {
      if (this.#server !== server) return;
      this.#server = undefined;
      this.crashes.push(server.output().slice(-2_000));
    });
  }

  /** The open connection; one that the server closed is replaced, as a user's client would do. */
  async #client(index: ClientIndex): Promise<RespClient> {
    const existing = this.#clients[index];
    if (existing !== undefined && !existing.isClosed) return existing;
    existing?.close();
    if (this.#server === undefined) throw new Error('the server has ended');
    const client = await this.#server.connect();
    this.#clients[index] = client;
    return client;
  }

  #pipeline(client: RespClient, commands: readonly (readonly Argument[])[]): Promise<Reply[]> {
    client.write(Buffer.concat(commands.map(encodeCommand)));
    return this.#read(client, commands.length);
  }

  /** Exactly as many replies: what a closed connection does not give is filled up. */
  async #read(client: RespClient, count: number): Promise<Reply[]> {
    const replies: Reply[] = [];
    while (replies.length < count) replies.push(await this.#readOne(client));
    return replies;
  }

  async #readOne(client: RespClient): Promise<Reply> {
    try {
      return await client.readReply(REPLY_WAIT_MILLIS_MAX);
    } catch (error) {
      client.close();
      if (error instanceof ConnectionClosedError) return CONNECTION_CLOSED;
      if (error instanceof ReplyTimeoutError) return NO_REPLY;
      return { kind: 'scalar', tag: '!', bytes: Buffer.from(String(error)) };
    }
  }

  /** Follows the cursor to its end; the sorted set of keys is the reply. An error or +QUEUED is passed on. */
  async #scan(client: RespClient, step: ScanStep): Promise<Reply> {
    const [name, , ...options] = step.command;
    const items = new Map<string, Reply>();
    let cursor = Buffer.from('0');
    for (let calls = 0; calls < SCAN_CALLS_MAX; calls += 1) {
      client.write(encodeCommand([name ?? 'SCAN', cursor, ...options]));
      const reply = await this.#readOne(client);
      if (reply.kind !== 'aggregate') return reply;
      const [next, batch] = reply.items;
      if (next?.kind !== 'scalar' || batch?.kind !== 'aggregate') return reply;
      for (const item of batch.items) items.set(encodeReply(item).toString('latin1'), item);
      if (next.bytes.toString() === '0') {
        const sorted = [...items.keys()].sort().map((encoded) => items.get(encoded) as Reply);
        return { kind: 'aggregate', tag: '*', items: sorted };
      }
      cursor = Buffer.from(next.bytes);
    }
    return NO_REPLY;
  }
}

/**
 * Cuts steps into runs that one write can carry: same client, plain commands, nothing behind one that closes.
 */
export function batches(steps: readonly Step[]): Step[][] {
  const result: Step[][] = [];
  let current: CommandStep[] = [];
  const finish = () => {
    if (current.length > 0) result.push(current);
    current = [];
  };
  for (const step of steps) {
    if (step.kind !== 'command') {
      finish();
      result.push([step]);
      continue;
    }
    if (current[0]?.client !== step.client || current.length >= PIPELINE_COMMANDS_MAX) finish();
    current.push(step);
    // Behind it other limits may hold for what is read: those of a client that has not authenticated.
    if (step.closes || isReset(step)) finish();
  }
  finish();
  return result;
}

/** The server closes the connection behind it. */
function isProtocolError(reply: Reply): boolean {
  return (
    reply.kind === 'scalar' && reply.tag === '-' && reply.bytes.toString().startsWith('ERR Protocol error')
  );
}

function isReset({ command }: CommandStep): boolean {
  return command[0]?.toString('latin1').toUpperCase() === 'RESET';
}
