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
import { COLLECTION_KINDS, CrashCollection, paddedValue, type CollectionShape } from './crash-collections.ts';

const KINDS = ['string', 'incr', 'multi', ...COLLECTION_KINDS] as const;
type Kind = (typeof KINDS)[number];

/** Commands that it sends in one write. */
const PIPELINE_MAX = 4;
/** Packed encodings in some clients, tables and several nodes in others. */
const SHAPES: readonly CollectionShape[] = [
  { windowSize: 20, isPadded: false },
  { windowSize: 300, isPadded: true },
];

interface Operation {
  readonly kind: Kind;
  /** Of this kind, how many there are with it. */
  readonly count: number;
}

/** How many operations of each kind have been done. */
type Counts = Record<Kind, number>;

function noCounts(): Counts {
  return Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Counts;
}

export class CrashClient {
  /** Operations whose replies have come. */
  acknowledgedCount = 0;
  readonly #name: string;
  readonly #random: SeededRandom;
  readonly #operations: Operation[] = [];
  /** The last count of each kind. */
  #counts = noCounts();
  readonly #collections: ReadonlyMap<Kind, CrashCollection>;

  constructor(index: number, random: SeededRandom) {
    this.#name = `client${index}`;
    this.#random = random;
    const shape = SHAPES[index % SHAPES.length]!;
    this.#collections = new Map(
      COLLECTION_KINDS.map((kind) => [kind, new CrashCollection(kind, this.#key(kind), shape)]),
    );
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
    this.#counts = found;
    this.acknowledgedCount = count;
    return count;
  }

  async #found(client: RespClient): Promise<Counts> {
    const counts = noCounts();
    const keys = ['string', 'incr', 'first', 'second', 'third'].map((suffix) => this.#key(suffix));
    const reply = await client.command('MGET', ...keys);
    assert.ok(reply.kind === 'aggregate');
    const [string = 0, incr = 0, first = 0, second, third] = reply.items.map(numberOf);
    assert.ok(
      first === second && first === third,
      `${this.#name}: half a transaction: ${describeReply(reply)}`,
    );
    Object.assign(counts, { string, incr, multi: first });
    for (const [kind, collection] of this.#collections) {
      counts[kind] = collection.stepsThatMade(await client.command(...collection.readCommand));
    }
    return counts;
  }

  /** After how many operations there was this, or -1. */
  #countOf(found: Counts): number {
    const counts = noCounts();
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
    const operation = { kind, count: ++this.#counts[kind] };
    this.#operations.push(operation);
    return operation;
  }

  #commands({ kind, count }: Operation): Argument[][] {
    switch (kind) {
      case 'string':
        return [['SET', this.#key(kind), paddedValue(count)]];
      case 'incr':
        return [['INCR', this.#key(kind)]];
      case 'multi':
        return [
          ['MULTI'],
          ['SET', this.#key('first'), paddedValue(count)],
          ['INCR', this.#key('second')],
          ['SET', this.#key('third'), paddedValue(count)],
          ['EXEC'],
        ];
      default:
        return this.#collections.get(kind)!.commandsOf(count);
    }
  }

  #key(suffix: string): string {
    return `${this.#name}:${suffix}`;
  }
}

/** Fails on an error, also on one in the reply to an EXEC. */
function assertOk(reply: Reply): void {
  if (reply.kind === 'aggregate') reply.items.forEach(assertOk);
  const isError = reply.kind === 'scalar' && reply.tag === '-';
  assert.ok(!isError, `the server refused: ${describeReply(reply)}`);
}

/** The number that a value begins with; 0 if there is none. */
function numberOf(reply: Reply): number {
  return reply.kind === 'scalar' ? Number.parseInt(reply.bytes.toString('latin1'), 10) : 0;
}
