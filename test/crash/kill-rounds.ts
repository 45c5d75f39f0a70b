/**
 * A server under load that is killed again and again: nothing that it has acknowledged may be missing when it
 * is started again. Finds what the end of a process can lose, not what a loss of power can
 * (simulated-crashes.ts).
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FsyncPolicy } from '../../src/persistence/aof-writer-sync.ts';
import type { Variant } from '../support/implementations.ts';
import { ConnectionClosedError, type RespClient } from '../support/resp-client.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { MAIN_PATH } from '../../src/compare/servers.ts';
import { startServer, variantArgs, type ServerProcess } from '../support/server-process.ts';
import { infoField } from '../support/server-info.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitUntil } from '../support/wait-until.ts';
import { CrashClient } from './crash-client.ts';

const CLIENTS = 20;
/** Keys that nobody changes: with them a rewrite takes a moment. */
const FILLER_KEYS = 20_000;
const FILLER_KEYS_PER_COMMAND = 500;
const LOAD_MILLIS_MAX = 400;
const START_MILLIS_MAX = 500;
const START_KILLED_CHANCE = 0.2;
/** What goes on when the server is killed, in turn: three rounds have them all. */
const DEEDS = ['nothing', 'BGREWRITEAOF', 'BGSAVE'] as const;

export interface KillOptions {
  /** How the server is started. */
  readonly variant: Variant;
  readonly policy: FsyncPolicy;
  readonly rounds: number;
  readonly seed: number;
  /** The load lasts that long at most before the end; threads that have just started are slow at first. */
  readonly loadMillisMax?: number;
  readonly onRound?: (line: string) => void;
}

/**
 * Throws an AssertionError when something is missing; then the data directory is left. Returns how many
 * operations there were.
 */
export async function killAgainAndAgain(options: KillOptions): Promise<number> {
  const { variant, policy, rounds, seed, loadMillisMax = LOAD_MILLIS_MAX, onRound } = options;
  const random = new SeededRandom(seed);
  const directory = temporaryDirectory();
  const args = [...variant.args, ...persistentArgs(directory.path, policy)];
  const clients = Array.from(
    { length: CLIENTS },
    (_, index) => new CrashClient(index, new SeededRandom(seed + index)),
  );
  let floors = clients.map(() => 0);
  let operationCount = 0;
  for (let round = 0; round <= rounds; round++) {
    const what = `round ${round}, ${variant.mode} on ${variant.io}, ${policy}, seed ${seed}`;
    if (random.chance(START_KILLED_CHANCE)) await killWhileStarting(variant, args, random);
    const server = await startServer({ ...variant, args });
    try {
      const counts = await checkAll(server, clients, floors);
      if (round === 0) await fill(server);
      if (round === rounds) break;
      const isQuiet = policy !== 'always' && random.chance(0.5);
      const deed = DEEDS[round % DEEDS.length]!;
      await killUnderLoad(server, clients, { random, deed, isQuiet, loadMillisMax });
      // Between everysec's reply and its write two seconds may lie, while an fsync is running.
      const isPromised = policy === 'always' || isQuiet;
      floors = isPromised ? clients.map((client) => client.acknowledgedCount) : counts;
      const acknowledged = sum(clients.map((client) => client.acknowledgedCount)) - sum(counts);
      operationCount += acknowledged;
      onRound?.(`${what}: ${acknowledged} operations, ${deed}${isQuiet ? ', quiet' : ''}`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      assert.fail(`${what}: ${reason}\nThe data is left in ${directory.path}\n${server.output()}`);
    } finally {
      server.signal('SIGKILL');
      await server.stop();
    }
  }
  directory.remove();
  return operationCount;
}

/** Command line of a server that logs what it does. */
export function persistentArgs(directory: string, policy: FsyncPolicy): string[] {
  return [
    ...['--dir', directory, '--appendonly', 'yes', '--appendfsync', policy],
    ...['--auto-aof-rewrite-min-size', '1mb'],
  ];
}

async function checkAll(
  server: ServerProcess,
  clients: readonly CrashClient[],
  floors: readonly number[],
): Promise<number[]> {
  const connection = await server.connect();
  await waitUntil('the data is loaded', async () => (await connection.text('PING')) === '+PONG');
  const counts: number[] = [];
  for (const [index, client] of clients.entries())
    counts.push(await client.check(connection, floors[index]!));
  connection.close();
  return counts;
}

interface KillMoment {
  readonly random: SeededRandom;
  readonly deed: (typeof DEEDS)[number];
  /** The load has ended before, and all of it is written. */
  readonly isQuiet: boolean;
  readonly loadMillisMax: number;
}

/** All clients at once, with a save or a rewrite at times; then the end. */
async function killUnderLoad(
  server: ServerProcess,
  clients: readonly CrashClient[],
  { random, deed, isQuiet, loadMillisMax }: KillMoment,
): Promise<void> {
  const connections = await Promise.all(clients.map(() => server.connect()));
  const admin = await server.connect();
  // A thread for each takes its time to start, and the load is to come from all of them.
  await Promise.all([...connections, admin].map((client) => client.command('PING')));
  let isOver = false;
  const load = clients.map((client, index) => runUntilEnd(client, connections[index]!, () => isOver));
  await sleep(random.integer(0, loadMillisMax));
  if (deed !== 'nothing') {
    admin.send(deed);
    await sleep(random.integer(0, loadMillisMax / 4));
  }
  if (isQuiet) {
    isOver = true;
    await Promise.all(load);
    await waitUntil('all is written', async () => (await infoField(admin, 'aof_buffer_length')) === '0');
  }
  server.signal('SIGKILL');
  await server.exited;
  await Promise.all(load);
  for (const connection of [...connections, admin]) connection.close();
}

async function runUntilEnd(
  client: CrashClient,
  connection: RespClient,
  isOver: () => boolean,
): Promise<void> {
  try {
    await client.run(connection, isOver);
  } catch (error) {
    if (!(error instanceof ConnectionClosedError)) throw error;
  }
}

async function killWhileStarting(
  variant: Variant,
  args: readonly string[],
  random: SeededRandom,
): Promise<void> {
  const child = spawn(
    process.execPath,
    [MAIN_PATH, ...variantArgs(variant), '--port', '0', '--bind', '127.0.0.1', ...args],
    {
      stdio: 'ignore',
    },
  );
  const exited = once(child, 'exit');
  await sleep(random.integer(0, START_MILLIS_MAX));
  child.kill('SIGKILL');
  await exited;
}

async function fill(server: ServerProcess): Promise<void> {
  const connection = await server.connect();
  const commands: string[][] = [];
  for (let first = 0; first < FILLER_KEYS; first += FILLER_KEYS_PER_COMMAND) {
    const pairs = Array.from({ length: FILLER_KEYS_PER_COMMAND }, (_, i) => [
      `filler:${first + i}`,
      `value ${i}`,
    ]);
    commands.push(['MSET', ...pairs.flat()]);
  }
  await connection.pipeline(commands);
  connection.close();
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
