/** Random plans of what clients do at the same time to a few keys. A seed repeats its plan exactly. */
import { SeededRandom } from '../support/seeded-random.ts';
import { commandFor, type Command, type CommandName } from './model.ts';

/** A command by itself, or a transaction. */
export interface Action {
  readonly commands: readonly Command[];
  readonly isTransaction: boolean;
}

/** Actions that are sent without waiting for replies in between. */
export type Burst = readonly Action[];

export interface Plan {
  readonly seed: number;
  /** By client. */
  readonly scripts: readonly (readonly Burst[])[];
}

type Range = readonly [low: number, high: number];

export interface PlanSizes {
  readonly clients: Range;
  readonly actions: Range;
  readonly keys: Range;
  /** Actions of a client under way at the same time. */
  readonly burst: Range;
}

export const PLAN_SIZES: PlanSizes = { clients: [4, 8], actions: [6, 12], keys: [1, 3], burst: [1, 3] };

const TRANSACTION_RATIO = 0.2;
const TRANSACTION_COMMANDS: Range = [2, 4];
/** Values that are no number, so that INCR fails at times. */
const WORD_RATIO = 0.15;
/** Commands for values of another type than the key's own: these fail, or find the key gone. */
const FOREIGN_RATIO = 0.05;

interface Weighted<Name> {
  readonly name: Name;
  readonly weight: number;
}

const TYPES = [
  { name: 'string', weight: 50 },
  { name: 'list', weight: 25 },
  { name: 'set', weight: 25 },
] as const;
type TypeName = (typeof TYPES)[number]['name'];

const COMMANDS: Record<TypeName, readonly Weighted<CommandName>[]> = {
  string: [
    { name: 'GET', weight: 30 },
    { name: 'SET', weight: 18 },
    { name: 'INCR', weight: 28 },
    { name: 'APPEND', weight: 16 },
    { name: 'DEL', weight: 8 },
  ],
  list: [
    { name: 'RPUSH', weight: 45 },
    { name: 'LPOP', weight: 35 },
    { name: 'LLEN', weight: 15 },
    { name: 'DEL', weight: 5 },
  ],
  set: [
    { name: 'SADD', weight: 35 },
    { name: 'SREM', weight: 25 },
    { name: 'SISMEMBER', weight: 20 },
    { name: 'SCARD', weight: 15 },
    { name: 'DEL', weight: 5 },
  ],
};

/** The largest number that a command brings. */
const NUMBER_MAX: Partial<Record<CommandName, number>> = {
  SET: 99_999,
  // Short, so that the value stays a number for a while.
  APPEND: 9,
  RPUSH: 99_999,
};
/** Few, so that the members of sets meet. */
const MEMBER_MAX = 4;

/** A key, and the type that most of the commands on it are for. */
export interface PlanKey {
  readonly name: string;
  readonly type: TypeName;
}

/** @param keyPrefix what the keys begin with: one that no other history uses */
export function planHistory(seed: number, keyPrefix: string, sizes: PlanSizes = PLAN_SIZES): Plan {
  const random = new SeededRandom(seed);
  const keyCount = random.integer(...sizes.keys);
  const names = Array.from({ length: keyCount }, (_, index) => `${keyPrefix}${index}`);
  const keys = planKeys(random, names);
  const clientCount = random.integer(...sizes.clients);
  const scripts = Array.from({ length: clientCount }, () => planScript(random, keys, sizes));
  return { seed, scripts };
}

export function planKeys(random: SeededRandom, names: readonly string[]): PlanKey[] {
  return names.map((name) => ({ name, type: random.pickWeighted(TYPES).name }));
}

function planScript(random: SeededRandom, keys: readonly PlanKey[], sizes: PlanSizes): Burst[] {
  const bursts: Burst[] = [];
  for (let left = random.integer(...sizes.actions); left > 0;) {
    const length = Math.min(left, random.integer(...sizes.burst));
    bursts.push(Array.from({ length }, () => planAction(random, keys)));
    left -= length;
  }
  return bursts;
}

export function planAction(random: SeededRandom, keys: readonly PlanKey[]): Action {
  const isTransaction = random.chance(TRANSACTION_RATIO);
  const length = isTransaction ? random.integer(...TRANSACTION_COMMANDS) : 1;
  return { commands: Array.from({ length }, () => planCommand(random, keys)), isTransaction };
}

function planCommand(random: SeededRandom, keys: readonly PlanKey[]): Command {
  const key = random.pick(keys);
  const type = random.chance(FOREIGN_RATIO) ? random.pick(TYPES).name : key.type;
  const { name } = random.pickWeighted(COMMANDS[type]);
  return commandFor(name, key.name, planValue(random, NUMBER_MAX[name] ?? MEMBER_MAX));
}

function planValue(random: SeededRandom, numberMax: number): string {
  if (random.chance(WORD_RATIO)) return `v${random.integer(0, Math.min(numberMax, 999))}`;
  return String(random.integer(1, numberMax));
}
