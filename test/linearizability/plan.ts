/** Random plans of what clients do at the same time to a few keys. A seed repeats its plan exactly. */
import { SeededRandom } from '../support/seeded-random.ts';
import type { Command } from './model.ts';

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
const COMMANDS = [
  { name: 'GET', weight: 30 },
  { name: 'SET', weight: 18 },
  { name: 'INCR', weight: 28 },
  { name: 'APPEND', weight: 16 },
  { name: 'DEL', weight: 8 },
] as const;

/** @param keyPrefix what the keys begin with: one that no other history uses */
export function planHistory(seed: number, keyPrefix: string, sizes: PlanSizes = PLAN_SIZES): Plan {
  const random = new SeededRandom(seed);
  const keyCount = random.integer(...sizes.keys);
  const keys = Array.from({ length: keyCount }, (_, index) => `${keyPrefix}${index}`);
  const clientCount = random.integer(...sizes.clients);
  const scripts = Array.from({ length: clientCount }, () => planScript(random, keys, sizes));
  return { seed, scripts };
}

function planScript(random: SeededRandom, keys: readonly string[], sizes: PlanSizes): Burst[] {
  const bursts: Burst[] = [];
  for (let left = random.integer(...sizes.actions); left > 0;) {
    const length = Math.min(left, random.integer(...sizes.burst));
    bursts.push(Array.from({ length }, () => planAction(random, keys)));
    left -= length;
  }
  return bursts;
}

export function planAction(random: SeededRandom, keys: readonly string[]): Action {
  const isTransaction = random.chance(TRANSACTION_RATIO);
  const length = isTransaction ? random.integer(...TRANSACTION_COMMANDS) : 1;
  return { commands: Array.from({ length }, () => planCommand(random, keys)), isTransaction };
}

function planCommand(random: SeededRandom, keys: readonly string[]): Command {
  const { name } = random.pickWeighted(COMMANDS);
  const key = random.pick(keys);
  if (name === 'SET') return { name, key, value: planValue(random, 99_999) };
  // Short, so that the value stays a number for a while.
  if (name === 'APPEND') return { name, key, value: planValue(random, 9) };
  return { name, key };
}

function planValue(random: SeededRandom, numberMax: number): string {
  if (random.chance(WORD_RATIO)) return `v${random.integer(0, 999)}`;
  return String(random.integer(1, numberMax));
}
