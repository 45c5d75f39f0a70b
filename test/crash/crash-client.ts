/**
 * A client that counts: each of its commands raises one of its counters, so what it finds after a crash says
 * how many of its commands survived. Those must be the first so many, transactions whole.
 */
import assert from 'node:assert/strict';
import {
  encodeCommand,
  describeReply,
  type Argument,
  type Reply,
  type RespClient,
} from '../support/resp-client.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

const KINDS = ['set', 'incr', 'multi'] as const;
type Kind = (typeof KINDS)[number];

/** Commands that it sends in one write. */
const PIPELINE_MAX = 4;
const PADDING_BYTES_MAX = 300;

interface Operation {
  readonly kind: Kind;
  /** Of this kind, how many there are with it. */
  readonly count: number;
}

/** How many operations of each kind have been done. */
type Counts = Record<Kind, number>;

export class CrashClient {
  /** Operations whose replies have come. */
  acknowledgedCount = 0;
  readonly #name: string;
  readonly #random: SeededRandom;
  readonly #operations: Operation[] = [];

  constructor(index: number, random: SeededRandom) {
    this.#name = `client${index}`;
    this.#random = random;
  }

  /** Sends commands until told to stop, or until the server is gone. */
  async run(client: RespClient, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      const size = this.#random.integer(1, PIPELINE_MAX);
      const operations = Array.from({ length: size }, () => this.#makeUp());
      client.write(Buffer.concat(operations.flatMap((each) => this.#commands(each).map(encodeCommand))));
      for (const operation of operations) {
        for (const _ of this.#commands(operation)) assertOk(await client.readReply());
        this.acknowledgedCount++;
      }
    }
  }

  /**
   * Compares with what the server has: at least `floor` operations, at most all. What is lost is forgotten.
   * Returns how many there are.
   */
  async check(client: RespClient, floor: number): Promise<number> {
    const found = await this.#found(client);
    const count = this.#countOf(found);
    const numbers = `${count} of ${this.#operations.length} operations, ${floor} expected`;
    assert.ok(count >= 0, `${this.#name}: no moment had ${JSON.stringify(found)} (${numbers})`);
    assert.ok(count >= floor, `${this.#name}: ${numbers}`);
    this.#operations.length = count;
    this.acknowledgedCount = count;
    return count;
  }

  async #found(client: RespClient): Promise<Counts> {
    const key = (suffix: string) => `${this.#name}:${suffix}`;
    const keys = ['set', 'incr', 'first', 'second', 'third'].map(key);
    const reply = await client.command('MGET', ...keys);
    assert.ok(reply.kind === 'aggregate');
    const [set = 0, incr = 0, first = 0, second, third] = reply.items.map(numberOf);
    assert.ok(
      first === second && first === third,
      `${this.#name}: half a transaction: ${describeReply(reply)}`,
    );
    return { set, incr, multi: first };
  }

  /** After how many operations there was this, or -1. */
  #countOf(found: Counts): number {
    const counts: Counts = { set: 0, incr: 0, multi: 0 };
    const isFound = () => KINDS.every((kind) => counts[kind] === found[kind]);
    let result = isFound() ? 0 : -1;
    for (const [index, { kind, count }] of this.#operations.entries()) {
      counts[kind] = count;
      if (isFound()) result = index + 1;
    }
    return result;
  }

  #makeUp(): Operation {
    const kind = this.#random.pick(KINDS);
    const last = this.#operations.findLast((operation) => operation.kind === kind);
    const operation = { kind, count: (last?.count ?? 0) + 1 };
    this.#operations.push(operation);
    return operation;
  }

  #commands({ kind, count }: Operation): Argument[][] {
    const key = (suffix: string) => `${this.#name}:${suffix}`;
    // What follows the number makes files grow and writes be torn.
    const value = `${count} ${'.'.repeat((count * 37) % PADDING_BYTES_MAX)}`;
    switch (kind) {
      case 'set':
        return [['SET', key('set'), value]];
      case 'incr':
        return [['INCR', key('incr')]];
      case 'multi':
        return [
          ['MULTI'],
          ['SET', key('first'), value],
          ['INCR', key('second')],
          ['SET', key('third'), value],
          ['EXEC'],
        ];
    }
  }
}

function assertOk(reply: Reply): void {
  const isError = reply.kind === 'scalar' && reply.tag === '-';
  assert.ok(!isError, `the server refused: ${describeReply(reply)}`);
}

/** The number that a value begins with; 0 if there is none. */
function numberOf(reply: Reply): number {
  return reply.kind === 'scalar' ? Number.parseInt(reply.bytes.toString('latin1'), 10) : 0;
}
