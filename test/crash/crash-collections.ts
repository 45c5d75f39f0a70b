/**
 * The collections of a crash client, one of each type. Step `n` adds element `n` and takes away the oldest
 * one: after so many steps each collection holds the last `windowSize` elements, whatever its type, so the
 * newest of them says how many steps were done, and these what else must be there.
 */
import assert from 'node:assert/strict';
import { describeReply, type Reply } from '../support/resp-client.ts';

export const COLLECTION_KINDS = ['list', 'set', 'hash', 'zset', 'stream'] as const;
export type CollectionKind = (typeof COLLECTION_KINDS)[number];

/** One element at a moment: its number and its text, which begins with it. */
interface Element {
  readonly number: number;
  readonly value: string;
}

interface CollectionRules {
  /** What adds an element: one command, or more that are to be sent as a transaction. */
  step(key: string, added: Element, dropped: Element | undefined, windowSize: number): string[][];
  /** The command that reads all elements. */
  read(key: string): string[];
  /** An element as the reply to that command has it, in words. */
  words(element: Element, windowSize: number): string[];
}

const RULES: Record<CollectionKind, CollectionRules> = {
  list: {
    step: (key, { value }, _, windowSize) => [
      ['RPUSH', key, value],
      ['LTRIM', key, String(-windowSize), '-1'],
    ],
    read: (key) => ['LRANGE', key, '0', '-1'],
    words: ({ value }) => [value],
  },
  set: {
    step: (key, { value }, dropped) => {
      const add = ['SADD', key, value];
      return dropped === undefined ? [add] : [add, ['SREM', key, dropped.value]];
    },
    read: (key) => ['SMEMBERS', key],
    words: ({ value }) => [value],
  },
  hash: {
    step: (key, { number, value }, _, windowSize) => [['HSET', key, fieldOf(number, windowSize), value]],
    read: (key) => ['HGETALL', key],
    words: ({ number, value }, windowSize) => [fieldOf(number, windowSize), value],
  },
  zset: {
    step: (key, { number, value }, dropped) => {
      const add = ['ZADD', key, String(number), value];
      return dropped === undefined ? [add] : [add, ['ZPOPMIN', key]];
    },
    read: (key) => ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
    words: ({ number, value }) => [value, String(number)],
  },
  stream: {
    step: (key, { number, value }, _, windowSize) => [
      ['XADD', key, 'MAXLEN', '=', String(windowSize), `${number}-1`, 'value', value],
    ],
    read: (key) => ['XRANGE', key, '-', '+'],
    words: ({ number, value }) => [`${number}-1`, 'value', value],
  },
};

/** What decides its encoding. */
export interface CollectionShape {
  /** How many elements it holds. */
  readonly windowSize: number;
  /** Whether these are long texts; or else they are integers. */
  readonly isPadded: boolean;
}

export class CrashCollection {
  readonly #key: string;
  readonly #windowSize: number;
  readonly #isPadded: boolean;
  readonly #rules: CollectionRules;

  constructor(kind: CollectionKind, key: string, { windowSize, isPadded }: CollectionShape) {
    this.#key = key;
    this.#windowSize = windowSize;
    this.#isPadded = isPadded;
    this.#rules = RULES[kind];
  }

  /** The commands of a step, to be sent together; steps are counted from 1. */
  commandsOf(step: number): string[][] {
    const droppedNumber = step - this.#windowSize;
    const dropped = droppedNumber > 0 ? this.#element(droppedNumber) : undefined;
    const commands = this.#rules.step(this.#key, this.#element(step), dropped, this.#windowSize);
    return commands.length === 1 ? commands : [['MULTI'], ...commands, ['EXEC']];
  }

  get readCommand(): string[] {
    return this.#rules.read(this.#key);
  }

  /** How many steps made this collection; fails if no number of steps makes exactly this. */
  stepsThatMade(reply: Reply): number {
    const found = wordsIn(reply);
    // What begins with a number begins with that of its element.
    const numbersFound = found
      .map((word) => Number.parseInt(word, 10))
      .filter((number) => !Number.isNaN(number));
    const steps = Math.max(0, ...numbersFound);
    const oldest = Math.max(1, steps - this.#windowSize + 1);
    const numbers = Array.from({ length: steps - oldest + 1 }, (_, index) => oldest + index);
    const expected = numbers.flatMap((number) => this.#rules.words(this.#element(number), this.#windowSize));
    assert.deepEqual(found.sort(), expected.sort(), `${this.#key} after ${steps} steps`);
    return steps;
  }

  #element(number: number): Element {
    return { number, value: this.#isPadded ? paddedValue(number) : String(number) };
  }
}

const PADDING_BYTES_MAX = 300;

/** Begins with its number; what follows makes files grow, encodings change and writes be torn. */
export function paddedValue(number: number): string {
  return `${number} ${'.'.repeat((number * 37) % PADDING_BYTES_MAX)}`;
}

/** A hash has as many fields as the window has places: each is used again. */
function fieldOf(number: number, windowSize: number): string {
  return `field${number % windowSize}`;
}

/** All strings of a reply, however deep. */
function wordsIn(reply: Reply): string[] {
  if (reply.kind === 'aggregate') return reply.items.flatMap(wordsIn);
  assert.ok(reply.kind === 'scalar' && reply.tag === '$', describeReply(reply));
  return [reply.bytes.toString('latin1')];
}
