/**
 * Decides whether a history is linearizable: whether each operation can be given a moment between its
 * invocation and its return, such that the operations, run one after the other at these moments, reply what
 * was seen (Herlihy and Wing, "Linearizability: A Correctness Condition for Concurrent Objects").
 *
 * The search is that of Wing and Gong: of the operations left, any that was invoked before the first of them
 * returned may be the next; take one whose reply fits, go on, and come back when that leads nowhere. With
 * Lowe's addition ("Testing for linearizability"): the same set of operations with the same values at its end
 * is never looked into twice, and the keys are judged apart, as far as no transaction ties them together. An
 * operation that can be the next and is seen to have changed nothing is taken without trying others.
 *
 * An operation follows those that its client has sent before, even when several were under way at a time:
 * pipelined commands run in order.
 */
import { describeHistory, describeOperation, type History, type Operation } from './history.ts';
import { applyCommand, type Value } from './model.ts';

export type Verdict =
  | { readonly kind: 'linearizable' }
  | Violation
  /** The search would have taken too long. */
  | { readonly kind: 'undecided'; readonly keys: readonly string[] };

export interface Violation {
  readonly kind: 'violation';
  /** Keys that cannot be judged apart. */
  readonly keys: readonly string[];
  /** The operations on them up to the first moment at which no order explains the replies any more. */
  readonly prefix: History;
  /** The longest order found that explains a part of it. */
  readonly order: History;
}

/** Sets of operations that are looked into before a search is given up. */
const SETS_MAX = 500_000;
/** The same for each step of making a violation shorter: what did not return by then has a great many orders. */
const SETS_TO_EXPLAIN_MAX = 20_000;

/** Judges a history in which each key begins without a value. */
export function checkHistory(history: History, setsMax = SETS_MAX): Verdict {
  let verdict: Verdict = { kind: 'linearizable' };
  for (const { keys, operations } of partition(history)) {
    const { outcome } = search(operations, setsMax);
    if (outcome === 'violation') return explain(keys, operations, Math.min(setsMax, SETS_TO_EXPLAIN_MAX));
    if (outcome === 'undecided') verdict = { kind: 'undecided', keys };
  }
  return verdict;
}

/** A violation in words. */
export function describeViolation({ keys, prefix, order }: Violation): string {
  const rest = prefix.filter((operation) => operation.replies !== undefined && !order.includes(operation));
  return [
    `Not linearizable: ${keys.join(', ')}. No order explains these ${prefix.length} operations:`,
    describeHistory(prefix),
    order.length === 0 ? 'Not even one of them can be the first.' : 'The longest order that explains a part:',
    ...order.map((operation) => describeOperation(operation)),
    'After it none of these can be the next:',
    describeHistory(rest),
  ].join('\n');
}

interface Part {
  readonly keys: string[];
  readonly operations: Operation[];
}

/**
 * Divides a history by keys; those that occur in one transaction stay together. Of what a client has
 * pipelined, the order is then judged key by key only.
 */
function partition(history: History): Part[] {
  const partOf = new Map<string, Part>();
  for (const { commands } of history) {
    const parts = new Set(commands.map(({ key }) => partOf.get(key) ?? { keys: [key], operations: [] }));
    const keys = [...parts].flatMap((part) => part.keys);
    const joined: Part = { keys: [...new Set(keys)], operations: [] };
    for (const key of joined.keys) partOf.set(key, joined);
  }
  for (const operation of history) partOf.get(operation.commands[0]!.key)!.operations.push(operation);
  return [...new Set(partOf.values())];
}

/** Finds the shortest prefix that is seen to be a violation; any longer one is one too. */
function explain(keys: readonly string[], operations: History, setsMax: number): Violation {
  const ends = operations
    .map(({ returned }) => returned)
    .filter(Number.isFinite)
    .sort((left, right) => left - right);
  let low = 0;
  let high = ends.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    const { outcome } = search(prefixUntil(operations, ends[middle]!), setsMax);
    if (outcome === 'violation') high = middle;
    else low = middle + 1;
  }
  const prefix = prefixUntil(operations, ends[low]!);
  return { kind: 'violation', keys, prefix, order: search(prefix, setsMax).order };
}

/** What had been seen at that time. */
function prefixUntil(history: History, time: number): Operation[] {
  return history
    .filter(({ invoked }) => invoked < time)
    .map((operation) =>
      operation.returned <= time ? operation : { ...operation, returned: Infinity, replies: undefined },
    );
}

/** Values by key, undefined for those without one; all keys, always in the same order. */
type State = ReadonlyMap<string, Value>;

interface SearchResult {
  readonly outcome: 'linearizable' | 'violation' | 'undecided';
  /** The order that explains the most operations, all if they are linearizable. */
  readonly order: Operation[];
}

function search(history: History, setsMax: number): SearchResult {
  const keys = history.flatMap(({ commands }) => commands.map(({ key }) => key));
  return new Search(history, setsMax).run(new Map(keys.map((key) => [key, undefined])));
}

class Search {
  /** By invocation; of one client, in its order. */
  readonly #operations: readonly Operation[];
  /** Index of the operation that its client has sent before, -1 for none. */
  readonly #predecessors: readonly number[];
  /** By index: 1 for those in the order. */
  readonly #isPlaced: Uint8Array;
  readonly #order: Operation[] = [];
  /** Operations with a reply that are not in the order. */
  #left: number;
  #longest: Operation[] = [];
  readonly #seen = new Set<string>();
  readonly #setsMax: number;

  constructor(history: History, setsMax: number) {
    this.#operations = history.toSorted((one, other) => one.invoked - other.invoked);
    this.#predecessors = predecessors(this.#operations);
    this.#isPlaced = new Uint8Array(history.length);
    this.#left = history.filter(({ replies }) => replies !== undefined).length;
    this.#setsMax = setsMax;
  }

  run(initial: State): SearchResult {
    const isFound = this.#placeRest(initial, 0);
    const isTooLarge = this.#seen.size >= this.#setsMax;
    const outcome = isFound ? 'linearizable' : isTooLarge ? 'undecided' : 'violation';
    return { outcome, order: this.#longest };
  }

  /**
   * Whether what is not in the order yet can follow it.
   * @param start all operations before this index are in the order
   */
  #placeRest(state: State, start: number): boolean {
    if (this.#order.length > this.#longest.length) this.#longest = [...this.#order];
    if (this.#left === 0) return true;
    if (this.#seen.size >= this.#setsMax) return false;
    let first = start;
    while (this.#isPlaced[first] === 1) first++;
    const end = this.#candidatesEnd(first);
    const set = this.#describeSet(state, first, end);
    if (this.#seen.has(set)) return false;
    this.#seen.add(set);

    const choices: (readonly [index: number, next: State])[] = [];
    for (let index = first; index < end; index++) {
      if (!this.#mayBeNext(index)) continue;
      const operation = this.#operations[index]!;
      const next = applyOperation(state, operation);
      if (next === undefined) continue;
      // What changes nothing, wherever it stands, may as well stand here.
      if (next === state && operation.replies !== undefined) return this.#place(index, next, first);
      choices.push([index, next]);
    }
    return choices.some(([index, next]) => this.#place(index, next, first));
  }

  /** Puts an operation next and tries to place the rest. */
  #place(index: number, next: State, first: number): boolean {
    const operation = this.#operations[index]!;
    const isReturned = operation.replies === undefined ? 0 : 1;
    this.#isPlaced[index] = 1;
    this.#order.push(operation);
    this.#left -= isReturned;
    if (this.#placeRest(next, first)) return true;
    this.#left += isReturned;
    this.#order.pop();
    this.#isPlaced[index] = 0;
    return false;
  }

  #mayBeNext(index: number): boolean {
    const predecessor = this.#predecessors[index]!;
    return this.#isPlaced[index] === 0 && (predecessor === -1 || this.#isPlaced[predecessor] === 1);
  }

  /**
   * What was invoked after the first of the operations left has returned cannot be the next: these begin
   * here. None of them is in the order.
   */
  #candidatesEnd(first: number): number {
    const operations = this.#operations;
    let firstReturn = Infinity;
    let index = first;
    for (; index < operations.length && operations[index]!.invoked <= firstReturn; index++) {
      if (this.#isPlaced[index] === 0) firstReturn = Math.min(firstReturn, operations[index]!.returned);
    }
    return index;
  }

  /** The operations in the order, and the values after them. */
  #describeSet(state: State, first: number, end: number): string {
    return `${first} ${this.#isPlaced.subarray(first, end).join('')} ${JSON.stringify([...state.values()])}`;
  }
}

function predecessors(operations: readonly Operation[]): number[] {
  const latest = new Map<number, number>();
  return operations.map(({ client }, index) => {
    const predecessor = latest.get(client) ?? -1;
    latest.set(client, index);
    return predecessor;
  });
}

/**
 * The values after an operation, or undefined when it would have replied something else. The same values as
 * before when its replies say that it changes none; that of SET is the same whatever it changes.
 */
function applyOperation(state: State, { commands, replies }: Operation): State | undefined {
  if (replies !== undefined && replies.length !== commands.length) return undefined;
  let next = state;
  for (const [index, command] of commands.entries()) {
    const { key, name } = command;
    const before = next.get(key);
    const { value, reply } = applyCommand(before, command);
    if (replies !== undefined && replies[index] !== reply) return undefined;
    if (value !== before || name === 'SET') next = new Map(next).set(key, value);
  }
  return next;
}
