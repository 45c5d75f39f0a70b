/** Makes a failing program small: delta debugging over its parts, then over its arguments. */
import { compareEpisode, type Divergence, type Pair } from './comparison.ts';
import type { CommandStep, Step, Unit } from './generator.ts';

/** Replays spent on one divergence at most. */
const REPLAYS_MAX = 400;

/**
 * The smallest list found for which `stillFails` holds, by removing ever smaller runs of items (Zeller's
 * ddmin, without the test of complements of complements). `stillFails(items)` is taken to hold.
 */
export async function shrinkList<T>(
  items: readonly T[],
  stillFails: (candidate: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let current = items;
  let runLength = Math.ceil(current.length / 2);
  while (runLength >= 1 && current.length > 0) {
    let start = 0;
    let hasShrunk = false;
    while (start < current.length) {
      const candidate = [...current.slice(0, start), ...current.slice(start + runLength)];
      if (await stillFails(candidate)) {
        current = candidate;
        hasShrunk = true;
      } else {
        start += runLength;
      }
    }
    if (runLength === 1 && !hasShrunk) break;
    runLength = runLength === 1 ? 1 : Math.ceil(runLength / 2);
  }
  return current;
}

export interface Shrunk {
  readonly units: readonly Unit[];
  readonly divergence: Divergence;
}

/** A small program that diverges in the same way, or undefined if it does not happen again. */
export async function shrinkEpisode(
  pair: Pair,
  units: readonly Unit[],
  divergence: Divergence,
): Promise<Shrunk | undefined> {
  let replaysLeft = REPLAYS_MAX;
  let best: Shrunk | undefined;
  const stillDiverges = async (candidate: readonly Unit[]) => {
    if (replaysLeft <= 0) return false;
    replaysLeft -= 1;
    const found = await compareEpisode(pair, candidate);
    if (found?.signature !== divergence.signature) return false;
    best = { units: candidate, divergence: found };
    return true;
  };

  const isEarly = await stillDiverges(untilStep(units, divergence.stepIndex));
  // What was sent behind the step in the same write can matter: a connection that closes, for one.
  if (!isEarly && !(await stillDiverges(units))) return undefined;
  await shrinkList(best?.units ?? units, stillDiverges);
  await shrinkArguments(best?.units ?? units, stillDiverges);
  return best;
}

/** The units up to the one that holds the step. */
function untilStep(units: readonly Unit[], stepIndex: number): readonly Unit[] {
  let stepCount = 0;
  const last = units.findIndex((unit) => (stepCount += unit.length) > stepIndex);
  return units.slice(0, last + 1);
}

/** Replaces inline commands by arrays and long arguments by short ones, where the divergence stays. */
async function shrinkArguments(
  units: readonly Unit[],
  stillDiverges: (candidate: readonly Unit[]) => Promise<boolean>,
): Promise<void> {
  let current = units;
  for (const [unitIndex, unit] of units.entries()) {
    for (const stepIndex of unit.keys()) {
      for (const simplify of simplifications(unit[stepIndex])) {
        const currentUnit = current[unitIndex] ?? unit;
        const simpler = simplify(currentUnit[stepIndex] as CommandStep);
        const candidate = current.with(unitIndex, currentUnit.with(stepIndex, simpler));
        if (await stillDiverges(candidate)) current = candidate;
      }
    }
  }
}

function simplifications(step: Step | undefined): ((step: CommandStep) => CommandStep)[] {
  if (step?.kind !== 'command') return [];
  const longPlaces = [...step.command.keys()].filter((place) => (step.command[place]?.length ?? 0) > 30);
  return [
    ...(step.inline === undefined ? [] : [withoutInline]),
    ...longPlaces.map((place) => (current: CommandStep) => ({
      ...withoutInline(current),
      command: current.command.with(place, Buffer.from('x')),
    })),
  ];
}

function withoutInline(step: CommandStep): CommandStep {
  const { inline: _inline, ...plain } = step;
  return plain;
}
