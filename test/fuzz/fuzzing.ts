/**
 * Attacks one server for a while: parser cases, whose replies must not depend on how the bytes are cut and
 * must be those of a real Redis, beside hostile clients. A control client checks all the time that others are
 * still served; after each round everyone leaves, and what the server holds then is counted.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { shrinkList } from '../differential/shrink.ts';
import { converse } from '../support/conversation.ts';
import { quoteBytes, RespClient } from '../support/resp-client.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import {
  descriptorCount,
  redisAvailable,
  startRedis,
  startServer,
  type ServerOptions,
  type ServerProcess,
} from '../support/server-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { BIG_KEY, BIG_VALUE, VISITS } from './hostile-clients.ts';
import { CASE_PREFIX, parserCase } from './parser-cases.ts';

export interface FuzzOptions {
  readonly seed: number;
  readonly durationMillis: number;
  readonly roundCount: number;
  /** Absent: a real Redis is attacked, which tests this program itself. */
  readonly server?: ServerOptions;
  onRound?(round: Round): void;
}

/** What a round did, and what was left when all its clients had gone. */
export interface Round {
  readonly caseCount: number;
  readonly visitCount: number;
  /** Resident memory of the server when quiet. */
  readonly residentBytes: number;
  readonly descriptorCount: number;
}

export interface FuzzResult {
  readonly rounds: readonly Round[];
  /** Empty when the server passed. */
  readonly failures: readonly string[];
}

const HOSTILE_CLIENTS = 12;
const CONTROL_PAUSE_MILLIS = 50;
/** One divergence is usually many: after this, more would say nothing new. */
const FAILURES_MAX = 5;
const SHRINK_REPLAYS_MAX = 300;

/** Growth of quiet memory that is no leak: heaps and pools settle at a higher level than they start from. */
const RESIDENT_GROWTH_MAX = 1.3;
const RESIDENT_GROWTH_BYTES_MAX = 64 * 1024 * 1024;
const DESCRIPTOR_GROWTH_MAX = 2;

/** Small output limits, so that clients that never read are cut and not only endured. */
const SERVER_ARGS = ['--client-output-buffer-limit', 'normal 32mb 16mb 5'];

export async function runFuzz(options: FuzzOptions): Promise<FuzzResult> {
  const server = await (options.server
    ? startServer({ ...options.server, args: [...SERVER_ARGS, ...(options.server.args ?? [])] })
    : startRedis(SERVER_ARGS));
  const oracle = redisAvailable() ? await startRedis() : undefined;
  const fuzzer = new Fuzzer(server, oracle, options.seed);
  try {
    const roundMillis = options.durationMillis / options.roundCount;
    for (let count = 0; count < options.roundCount && fuzzer.failures.length < FAILURES_MAX; count += 1) {
      const round = await fuzzer.round(roundMillis);
      if (round !== undefined) options.onRound?.(round);
    }
    return { rounds: fuzzer.rounds, failures: fuzzer.failures };
  } finally {
    fuzzer.isStopping = true;
    await Promise.all([server.stop(), oracle?.stop()]);
  }
}

class Fuzzer {
  readonly rounds: Round[] = [];
  readonly failures: string[] = [];
  isStopping = false;
  readonly #server: ServerProcess;
  readonly #oracle: ServerProcess | undefined;
  readonly #random: SeededRandom;
  #hasEnded = false;
  /** Differences reported already, without what varies from one case to the next. */
  readonly #knownCases = new Set<string>();

  constructor(server: ServerProcess, oracle: ServerProcess | undefined, seed: number) {
    this.#server = server;
    this.#oracle = oracle;
    this.#random = new SeededRandom(seed);
    void server.exited.then(({ code, signal }) => {
      this.#hasEnded = true;
      if (!this.isStopping)
        this.#fail(`the server ended (code ${code}, signal ${signal}):\n${server.output().slice(-3000)}`);
    });
  }

  /** One round of attacks; undefined when the server did not survive it. */
  async round(millis: number): Promise<Round | undefined> {
    const deadline = Date.now() + millis;
    const goesOn = () => Date.now() < deadline && !this.#hasEnded && this.failures.length < FAILURES_MAX;
    const counts = { caseCount: 0, visitCount: 0 };

    await this.#prepare();
    await Promise.all([
      this.#control(goesOn),
      this.#parserCases(goesOn, counts),
      ...Array.from({ length: HOSTILE_CLIENTS }, () => this.#visits(goesOn, counts)),
    ]);

    if (this.#hasEnded) return undefined;
    const round = await this.#quietRound(counts).catch((error: Error) => this.#fail(error.message));
    if (round === undefined) return undefined;
    this.rounds.push(round);
    this.#checkGrowth();
    return round;
  }

  #fail(text: string): undefined {
    if (this.failures.length < FAILURES_MAX) this.failures.push(text);
  }

  async #prepare(): Promise<void> {
    const client = await this.#server.connect();
    await client.command('SET', BIG_KEY, BIG_VALUE);
    client.close();
  }

  /** A client that minds its own business must be served throughout. */
  async #control(goesOn: () => boolean): Promise<void> {
    const client = await this.#server.connect();
    for (let count = 0; goesOn(); count += 1) {
      const text = await client.text('ECHO', `control ${count}`).catch((error: Error) => error.message);
      if (text !== `"control ${count}"`) return this.#fail(`the control client got: ${text}`);
      await sleep(CONTROL_PAUSE_MILLIS);
    }
    client.close();
  }

  async #visits(goesOn: () => boolean, counts: { visitCount: number }): Promise<void> {
    while (goesOn()) {
      const name = this.#random.pick(Object.keys(VISITS));
      const seed = this.#random.uint32();
      await VISITS[name]?.(this.#server.address, new SeededRandom(seed)).catch((error: Error) => {
        if (!this.#hasEnded) this.#fail(`client "${name}" (seed ${seed}): ${error.message}`);
      });
      counts.visitCount += 1;
    }
  }

  async #parserCases(goesOn: () => boolean, counts: { caseCount: number }): Promise<void> {
    while (goesOn()) {
      const { kind, bytes } = parserCase(this.#random);
      counts.caseCount += 1;
      try {
        const difference = await this.#difference(bytes);
        if (difference !== undefined) await this.#failCase(kind, bytes, difference);
      } catch (error) {
        if (!this.#hasEnded)
          this.#fail(`parser case "${kind}" ${quoteBytes(bytes, 2_000)}: ${String(error)}`);
      }
    }
  }

  /** How the replies to the bytes differ: by cutting, or from Redis'. */
  async #difference(bytes: Buffer): Promise<string | undefined> {
    const input = Buffer.concat([CASE_PREFIX, bytes]);
    const cut =
      this.#random.chance(0.2) && bytes.length < 200 ? singleBytes(input) : this.#random.cut(input, 12);
    const whole = await converse(this.#server.address, [input]);
    const pieces = await converse(this.#server.address, cut);
    if (whole !== pieces) {
      const cuts = cut.map((piece) => piece.length).join(' ');
      return `whole:  ${show(whole)}\npieces: ${show(pieces)}\npieces of ${cuts} bytes`;
    }
    if (this.#oracle === undefined) return undefined;
    const theirs = await converse(this.#oracle.address, [input]);
    if (whole === theirs || namesMissingCommand(whole, theirs)) return undefined;
    return `ours:  ${show(whole)}\nredis: ${show(theirs)}`;
  }

  /** Shrinks a case that failed, and reports it unless one like it was reported before. */
  async #failCase(kind: string, bytes: Buffer, difference: string): Promise<void> {
    let replaysLeft = SHRINK_REPLAYS_MAX;
    let shown = difference;
    const smaller = await shrinkList([...bytes], async (candidate) => {
      if ((replaysLeft -= 1) < 0) return false;
      const found = await this.#difference(Buffer.from(candidate));
      if (found !== undefined) shown = found;
      return found !== undefined;
    });
    const likeness = shown.replaceAll(/'[^']*'|\d+|\\x\w\w/g, '');
    if (this.#knownCases.has(likeness)) return;
    this.#knownCases.add(likeness);
    this.#fail(`parser case "${kind}": ${quoteBytes(Buffer.from(smaller), 2_000)}\n${shown}`);
  }

  /** Everyone has left: only the asking client may remain, and what it sees is counted. */
  async #quietRound(counts: { caseCount: number; visitCount: number }): Promise<Round> {
    const client = await this.#server.connect();
    await waitUntil('only one client is listed', async () => (await clientCount(client)) === 1);
    assert.equal(await client.text('FLUSHALL'), '+OK');
    const { pid } = this.#server;
    const [first] = this.rounds;
    // Closed descriptors and freed memory may take a moment; a leak never goes away.
    await waitUntil('descriptors are closed', () => {
      return first === undefined || descriptorCount(pid) <= first.descriptorCount + DESCRIPTOR_GROWTH_MAX;
    });
    if (first !== undefined) {
      await waitUntil('memory is given back', () => residentBytes(pid) <= residentBytesMax(first)).catch(
        () => undefined,
      );
    }
    const round = { ...counts, residentBytes: residentBytes(pid), descriptorCount: descriptorCount(pid) };
    client.close();
    return round;
  }

  #checkGrowth(): void {
    const [first, last] = [this.rounds[0], this.rounds.at(-1)];
    if (first === undefined || last === undefined || last.residentBytes <= residentBytesMax(first)) return;
    this.#fail(`quiet memory grew from ${first.residentBytes} to ${last.residentBytes} bytes`);
  }
}

function residentBytesMax(first: Round): number {
  return first.residentBytes * RESIDENT_GROWTH_MAX + RESIDENT_GROWTH_BYTES_MAX;
}

function residentBytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

async function clientCount(client: RespClient): Promise<number> {
  const reply = await client.command('CLIENT', 'LIST');
  return reply.kind === 'scalar' ? reply.bytes.toString().trim().split('\n').length : 0;
}

function singleBytes(bytes: Buffer): Buffer[] {
  return [...bytes].map((byte) => Buffer.from([byte]));
}

/** The bytes happened to name a command that Redis has and this server does not have yet: nothing to compare. */
function namesMissingCommand(ours: string, theirs: string): boolean {
  const unknown = /unknown command '(\w+)'/.exec(ours);
  return unknown !== null && !theirs.includes(unknown[0]);
}

function show(output: string): string {
  return quoteBytes(Buffer.from(output, 'latin1'), 600);
}
