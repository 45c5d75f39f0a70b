/**
 * Runs random histories against a server and judges each. One history at a time per lane, every client on a
 * connection of its own; all connections are driven by one thread, whose count of events is the clock.
 *
 * The clock ticks before a request is handed to the socket and after its reply was read, so an interval is
 * never shorter than the truth: what is reported is a violation.
 */
import {
  describeReply,
  encodeCommand,
  RespClient,
  type Address,
  type Reply,
} from '../support/resp-client.ts';
import { checkHistory, describeViolation } from './checker.ts';
import type { History, Operation } from './history.ts';
import { wordsOf } from './model.ts';
import { PLAN_SIZES, planHistory, type Action, type Burst, type Plan } from './plan.ts';

/** Histories under way at the same time: they share no keys, but the server's lock. */
const LANES = 2;

export interface RunOptions {
  readonly address: Address;
  readonly seed: number;
  readonly historyCount: number;
  readonly onProgress?: (doneCount: number) => void;
}

export interface RunResult {
  readonly historyCount: number;
  readonly operationCount: number;
  /** What was wrong with the first history that was not linearizable, or could not be judged. */
  readonly failure: string | undefined;
}

/** Runs histories with the seeds `seed`, `seed + 1` …, until one is not linearizable. */
export async function runHistories(options: RunOptions): Promise<RunResult> {
  const run = new Run(options);
  await Promise.all(Array.from({ length: LANES }, () => run.runLane()));
  return run;
}

class Run implements RunResult {
  readonly #options: RunOptions;
  #startedCount = 0;
  historyCount = 0;
  operationCount = 0;
  failure: string | undefined;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  async runLane(): Promise<void> {
    const { address, seed, onProgress } = this.#options;
    const [, clientsMax] = PLAN_SIZES.clients;
    const clients = await Promise.all(Array.from({ length: clientsMax }, () => RespClient.connect(address)));
    try {
      while (this.#startedCount < this.#options.historyCount && this.failure === undefined) {
        const historySeed = (seed + this.#startedCount++) >>> 0;
        await this.#runOne(clients, historySeed);
        onProgress?.(this.historyCount);
      }
    } finally {
      for (const client of clients) client.close();
    }
  }

  async #runOne(clients: readonly RespClient[], seed: number): Promise<void> {
    const history = await runPlan(clients, planHistory(seed, `history:${seed}:`));
    this.historyCount++;
    this.operationCount += history.length;
    const verdict = checkHistory(history);
    if (verdict.kind === 'violation') this.failure ??= `Seed ${seed}. ${describeViolation(verdict)}`;
    if (verdict.kind === 'undecided')
      this.failure ??= `Seed ${seed}. Too many orders: ${verdict.keys.join()}`;
  }
}

/** Lets all clients of a plan run at the same time. */
export async function runPlan(clients: readonly RespClient[], plan: Plan): Promise<History> {
  let time = 0;
  const tick = () => ++time;
  const histories = await Promise.all(
    plan.scripts.map((bursts, index) => runScript({ client: clients[index]!, index, tick }, bursts)),
  );
  return histories.flat();
}

interface PlanClient {
  readonly client: RespClient;
  readonly index: number;
  readonly tick: () => number;
}

async function runScript(
  { client, index, tick }: PlanClient,
  bursts: readonly Burst[],
): Promise<Operation[]> {
  const operations: Operation[] = [];
  for (const burst of bursts) {
    const sent = burst.map((action) => {
      const invoked = tick();
      client.write(encodeAction(action));
      return { action, invoked };
    });
    for (const { action, invoked } of sent) {
      const replies = await readReplies(client, action);
      operations.push({ client: index, ...action, invoked, returned: tick(), replies });
    }
  }
  return operations;
}

export function encodeAction({ commands, isTransaction }: Action): Buffer {
  const frames = commands.map((command) => encodeCommand(wordsOf(command)));
  if (!isTransaction) return Buffer.concat(frames);
  return Buffer.concat([encodeCommand(['MULTI']), ...frames, encodeCommand(['EXEC'])]);
}

async function readReplies(client: RespClient, { commands, isTransaction }: Action): Promise<string[]> {
  if (!isTransaction) return [describeReply(await client.readReply())];
  // +OK of MULTI, and +QUEUED of each command.
  for (let left = commands.length + 1; left > 0; left--) await client.readReply();
  return repliesOfExec(await client.readReply());
}

/** By command; an EXEC that has failed replies something that no command does. */
export function repliesOfExec(reply: Reply): string[] {
  return reply.kind === 'aggregate' ? reply.items.map(describeReply) : [describeReply(reply)];
}
