/** LATENCY GRAPH: the samples of an event as columns of characters (Redis 7.0 sparkline.c). */
import type { LatencyEvent } from './services.ts';

const COLUMNS = 80;
const ROWS = 4;
/** The top of a column, by thirds of a row; what is below it is filled with bars. */
const TOPS = '_o#';
const BAR = '|';

/** The graph, with how long ago each sample was written downwards below it. */
export function latencyGraph({ name, samples, longestMillis }: LatencyEvent, nowSeconds: number): string {
  const values = samples.map(({ millis }) => millis);
  const labels = samples.map(({ seconds }) => ageOf(nowSeconds - seconds));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const parts: string[] = [];
  for (let i = 0; i < values.length; i += COLUMNS) {
    const lines = [
      ...bars(values.slice(i, i + COLUMNS), low, high),
      ...downwards(labels.slice(i, i + COLUMNS)),
    ];
    parts.push(lines.map((line) => `${line}\n`).join(''));
  }
  const title = `${name} - high ${high} ms, low ${low} ms (all time high ${longestMillis} ms)`;
  return `${title}\n${'-'.repeat(COLUMNS)}\n${parts.join('\n')}`;
}

function bars(values: readonly number[], low: number, high: number): string[] {
  const stepCount = TOPS.length * ROWS;
  const range = high - low || 1;
  const steps = values.map((value) =>
    Math.min(stepCount - 1, Math.floor(((value - low) * stepCount) / range)),
  );
  return Array.from({ length: ROWS }, (_, row) => {
    const bottom = (ROWS - row - 1) * TOPS.length;
    return steps.map((step) => (step < bottom ? ' ' : (TOPS[step - bottom] ?? BAR))).join('');
  });
}

/** An empty line, then the labels, one below each column. */
function downwards(labels: readonly string[]): string[] {
  const height = Math.max(...labels.map(({ length }) => length));
  const lines = Array.from({ length: height }, (_, row) => labels.map((label) => label[row] ?? ' ').join(''));
  return [' '.repeat(labels.length), ...lines];
}

function ageOf(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
}
