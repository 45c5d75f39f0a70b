/** The little statistics that measurements need. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** Value below which `percent` of the sorted samples lie. */
export function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? NaN;
}

/** Steps of a histogram of waits: one, two, five to the decade, from 10 microseconds to half a second. */
export const WAIT_STEPS_MICROS: readonly number[] = [10, 100, 1000, 10_000, 100_000].flatMap((decade) => [
  decade,
  decade * 2,
  decade * 5,
]);

/** How many samples lie above the step before and not above each step; last, those above all steps. */
export function countBySteps(samples: readonly number[], steps: readonly number[]): number[] {
  const counts = new Array<number>(steps.length + 1).fill(0);
  for (const sample of samples) {
    const index = steps.findIndex((step) => sample <= step);
    const slot = index === -1 ? steps.length : index;
    counts[slot] = (counts[slot] ?? 0) + 1;
  }
  return counts;
}
