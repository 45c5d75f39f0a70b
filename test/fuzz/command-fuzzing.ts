/**
 * Attacks one server for a while with commands: clients that send valid and spoilt commands of all families, wait,
 * subscribe, track, and leave in the middle of it. After each of them the server must answer; after each
 * round, when all have left, nothing of them may be left, and everything must be as it should inside.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ConnectionClosedError,
  describeReply,
  encodeCommand,
  quoteBytes,
  RespClient,
  toBytes,
  type Argument,
} from '../support/resp-client.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { infoFields } from '../support/server-info.ts';
import { startServer, type ServerOptions, type ServerProcess } from '../support/server-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { commandCase, damagedPayload } from './command-cases.ts';

export interface CommandFuzzOptions {
  readonly seed: number;
  readonly durationMillis: number;
  readonly roundCount: number;
  readonly server: ServerOptions;
  onRound?(round: CommandRound): void;
}

export interface CommandRound {
  /** So far. */
  readonly commandCount: number;
  readonly visitCount: number;
  /** What the server says it uses when it is empty and quiet. */
  readonly usedBytes: number;
}

export interface CommandFuzzResult {
  readonly rounds: readonly CommandRound[];
  /** Empty when the server passed. */
  readonly failures: readonly string[];
}

const CLIENTS = 20;
const WRITES_MAX = 8;
/** The last reply that a client waits for. */
const MARKER = 'the last reply';
const PAUSE_MILLIS_MAX = 30;
const COMMANDS_SHOWN = 80;
const FAILURES_MAX = 5;
/** Waits of other clients' commands and of CLIENT PAUSE, many times over. */
const ANSWER_MILLIS_MAX = 40_000;
/** Pools and tables keep some of what they once needed. */
const USED_GROWTH_BYTES_MAX = 4 * 1024 * 1024;

/** Small output limits, so that huge replies to clients that never read are cut and not only endured. */
const SERVER_ARGS = [
  ...['--client-output-buffer-limit', 'normal 64mb 32mb 5', '--appendonly', 'yes'],
  ...['--enable-debug-command', 'yes'],
];

/** Values that are zero when all clients but one have left, there are no keys, and no job keeps old values. */
const ZERO_FIELDS = [
  'rdb_bgsave_in_progress',
  'aof_rewrite_in_progress',
  'blocked_clients',
  'tracking_clients',
  'clients_in_timeout_table',
  'lazyfree_pending_objects',
  'pubsub_channels',
  'pubsub_patterns',
  'pubsubshard_channels',
  'tracking_total_keys',
  'tracking_total_items',
  'tracking_total_prefixes',
];

export async function runCommandFuzz(options: CommandFuzzOptions): Promise<CommandFuzzResult> {
  const args = [...SERVER_ARGS, ...(options.server.args ?? [])];
  const server = await startServer({ ...options.server, args });
  const fuzzer = new CommandFuzzer(server, options.seed);
  try {
    const roundMillis = options.durationMillis / options.roundCount;
    for (let count = 0; count < options.roundCount && fuzzer.failures.length === 0; count += 1) {
      const round = await fuzzer.round(roundMillis);
      if (round !== undefined) options.onRound?.(round);
    }
    return { rounds: fuzzer.rounds, failures: fuzzer.failures };
  } finally {
    fuzzer.isStopping = true;
    await server.stop();
  }
}

class CommandFuzzer {
  readonly rounds: CommandRound[] = [];
  readonly failures: string[] = [];
  isStopping = false;
  readonly #server: ServerProcess;
  readonly #random: SeededRandom;
  /** The last commands of all clients, for the report. */
  readonly #lastCommands: string[] = [];
  /** What each client has sent. */
  readonly #sent = new WeakMap<RespClient, string[]>();
  #commandCount = 0;
  #visitCount = 0;
  #hasEnded = false;

  constructor(server: ServerProcess, seed: number) {
    this.#server = server;
    this.#random = new SeededRandom(seed);
    void server.exited.then(({ code, signal }) => {
      this.#hasEnded = true;
      if (!this.isStopping)
        this.#fail(`the server ended (code ${code}, signal ${signal}):\n${server.output().slice(-3000)}`);
    });
  }

  /** One round of attacks; undefined when the server did not survive it. */
  async round(millis: number): Promise<CommandRound | undefined> {
    const deadline = Date.now() + millis;
    const goesOn = () => Date.now() < deadline && !this.#hasEnded && this.failures.length === 0;
    await Promise.all(Array.from({ length: CLIENTS }, () => this.#visits(goesOn)));
    if (this.#hasEnded || this.failures.length > 0) return undefined;

    const usedBytes = await this.#quietBytes().catch((error: Error) => this.#fail(error.message));
    if (usedBytes === undefined) return undefined;
    const round = { commandCount: this.#commandCount, visitCount: this.#visitCount, usedBytes };
    this.rounds.push(round);
    const [first] = this.rounds;
    if (usedBytes > first!.usedBytes + USED_GROWTH_BYTES_MAX)
      this.#fail(`the empty server's memory grew from ${first!.usedBytes} to ${usedBytes} bytes`);
    return round;
  }

  #fail(text: string): undefined {
    if (this.failures.length >= FAILURES_MAX) return;
    this.failures.push(
      `${text}\n${this.#server.output().slice(-1000)}\nlast commands:\n${this.#lastCommands.join('\n')}`,
    );
  }

  async #visits(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      const random = new SeededRandom(this.#random.uint32());
      const client = await this.#connect().catch(() => undefined);
      if (client === undefined) continue;
      try {
        await (random.chance(0.15) ? this.#restoreDamaged(client, random) : this.#visit(client, random));
      } catch (error) {
        if (!(error instanceof ConnectionClosedError) && !this.#hasEnded)
          this.#fail(`${String(error)}; the client had sent:\n${this.#sent.get(client)?.join('\n')}`);
      }
      this.#visitCount += 1;
      await this.#ping();
    }
  }

  /** Sends commands without minding the replies, and leaves in one way or another. */
  async #visit(client: RespClient, random: SeededRandom): Promise<void> {
    const clientId = Number((await client.text('CLIENT', 'ID')).slice(1)) || 0;
    if (random.chance(0.4)) client.send('HELLO', '3');
    for (let count = random.integer(1, WRITES_MAX); count > 0 && !client.isClosed; count -= 1) {
      this.#send(client, random, commandCase(random, clientId));
      if (random.chance(0.7)) await sleep(random.integer(0, PAUSE_MILLIS_MAX));
    }
    await this.#leave(client, random);
  }

  async #leave(client: RespClient, random: SeededRandom): Promise<void> {
    if (random.chance(0.25)) return void client.socket.resetAndDestroy();
    if (random.chance(0.25)) return client.close();
    const isOver = untilMarkerOrEnd(client);
    if (random.chance(0.2)) client.end();
    else {
      // However deep in a wait, a transaction or a subscription: this brings it back.
      client.send('RESET');
      client.send('CLIENT', 'REPLY', 'ON');
      client.send('ECHO', MARKER);
    }
    if (!(await isOver)) throw new Error('no last reply');
    client.close();
  }

  /** Takes a value's payload, damages it, and puts it to use. */
  async #restoreDamaged(client: RespClient, random: SeededRandom): Promise<void> {
    const key = random.pick(['l0', 'l1', 's0', 's1', 'h0', 'h1', 'z0', 'z1', 'x0', 'x1', 'geo0', 'k0', 'k1']);
    const payload = await client.command('DUMP', key);
    if (payload.kind === 'scalar' && payload.tag === '$') {
      for (let count = 0; count < 20; count += 1) {
        const damaged = damagedPayload(random, payload.bytes);
        this.#send(client, random, [['RESTORE', key, '0', damaged, 'REPLACE']]);
        await client.readReply(ANSWER_MILLIS_MAX);
        const [command = []] = commandCase(random, 0);
        this.#send(client, random, [[command[0] ?? 'TYPE', key, ...command.slice(2)]]);
      }
    }
    client.close();
  }

  #send(client: RespClient, random: SeededRandom, commands: readonly (readonly Argument[])[]): void {
    const lines = commands.map((command) => command.map((word) => quoteBytes(toBytes(word))).join(' '));
    this.#sent.set(client, [...(this.#sent.get(client) ?? []), ...lines]);
    this.#lastCommands.push(...lines.map((line) => `${client.socket.localPort ?? '?'}: ${line}`));
    this.#lastCommands.splice(0, this.#lastCommands.length - COMMANDS_SHOWN);
    this.#commandCount += commands.length;
    const bytes = Buffer.concat(commands.map(encodeCommand));
    for (const piece of random.chance(0.2) ? random.cut(bytes, 4) : [bytes]) client.write(piece);
  }

  #connect(): Promise<RespClient> {
    return RespClient.connect(this.#server.address);
  }

  /** The server answers a new client; one that another client kills asks again. */
  async #ping(): Promise<void> {
    while (!this.#hasEnded) {
      const client = await this.#connect().catch(() => undefined);
      if (client === undefined) return;
      client.send('PING');
      try {
        const reply = describeReply(await client.readReply(ANSWER_MILLIS_MAX));
        if (reply !== '+PONG') this.#fail(`PING was answered by ${reply}`);
        return;
      } catch (error) {
        if (!(error instanceof ConnectionClosedError)) this.#fail(`PING: ${String(error)}`);
      } finally {
        client.close();
      }
      await sleep(1);
    }
  }

  /** Everyone has left: bytes that the server still uses, after everything has been looked at. */
  async #quietBytes(): Promise<number> {
    const client = await this.#connect();
    await waitUntil('only one client is listed', async () => {
      return (await client.text('CLIENT', 'LIST')).split('\\n').length === 2;
    });
    const settings = ['maxmemory', '0', 'lazyfree-lazy-user-del', 'no', 'notify-keyspace-events', ''];
    const expect = async (...command: string[]) =>
      assert.equal(await client.text(...command), '+OK', command.join(' '));
    await expect('CONFIG', 'SET', ...settings);
    await expect('DEBUG', 'CHECK-INVARIANTS');
    await waitUntil('a snapshot can be loaded', async () => {
      const reply = await client.text('DEBUG', 'RELOAD');
      if (!/background/i.test(reply)) assert.equal(reply, '+OK', 'DEBUG RELOAD');
      return reply === '+OK';
    });
    await expect('DEBUG', 'CHECK-INVARIANTS');
    await expect('DEBUG', 'LOADAOF');
    await expect('DEBUG', 'CHECK-INVARIANTS');
    await expect('FLUSHALL', 'SYNC');
    await forgetUsers(client);
    await expect('DEBUG', 'CHECK-INVARIANTS');
    await waitUntil('nothing of the clients is left', async () => {
      const fields = await infoFields(client);
      return ZERO_FIELDS.every((name) => fields.get(name) === '0');
    }).catch(async () => {
      const fields = await infoFields(client);
      const left = ZERO_FIELDS.filter((name) => fields.get(name) !== '0');
      assert.fail(`left behind: ${left.map((name) => `${name} ${fields.get(name)}`).join(', ')}`);
    });
    const fields = await infoFields(client);
    assert.equal(fields.get('connected_clients'), '1');
    client.close();
    return Number(fields.get('used_memory'));
  }
}

/** True when the marker has come or the server has ended the connection; replies are not decoded. */
function untilMarkerOrEnd(client: RespClient): Promise<boolean> {
  return new Promise((resolve) => {
    let tail = '';
    const timer = setTimeout(() => resolve(false), ANSWER_MILLIS_MAX);
    const done = () => {
      clearTimeout(timer);
      resolve(true);
    };
    client.socket.on('data', (chunk: Buffer) => {
      tail = tail.slice(-MARKER.length) + chunk.subarray(-MARKER.length - 2).toString('latin1');
      if (tail.includes(MARKER)) done();
    });
    client.socket.on('end', done).on('close', done);
    if (client.isClosed) done();
  });
}

/** Deletes all users but the default one, which cannot be deleted. */
async function forgetUsers(client: RespClient): Promise<void> {
  const users = await client.command('ACL', 'USERS');
  const names =
    users.kind === 'aggregate' ? users.items.map((item) => (item.kind === 'scalar' ? item.bytes : '')) : [];
  const others = names.filter((name) => name.toString() !== 'default');
  if (others.length > 0) assert.equal(await client.text('ACL', 'DELUSER', ...others), `:${others.length}`);
  assert.equal(await client.text('ACL', 'LOG', 'RESET'), '+OK');
}
