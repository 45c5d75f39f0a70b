/** What the figures say, in sentences: the servers held against the event loop in one setting. */
import { type Cell, type Comparison, type Footprint, labelOf } from './figures.ts';
import { BOUND_CORES, isSharedByThreads, lockedShare, speedupMax } from './lock-bound.ts';
import { fixed } from './terminal.ts';

const MEBIBYTE = 1024 * 1024;
/** The number of clients that the sentences are about, or the largest that was measured if it was not. */
const CLIENTS = 50;

/** Sentences about cost, speed, the lock, memory and pauses; those for which something was measured. */
export function takeaways(comparison: Comparison): string[] {
  return [...speedAndCost(comparison), ...locks(comparison), ...memory(comparison), ...pauses(comparison)];
}

function speedAndCost(comparison: Comparison): string[] {
  const clients = usualClients(comparison.cells.map((cell) => cell.clients));
  return usualCells(comparison).flatMap(([pipeline, cells]) => {
    const base = cells.find(({ server }) => server === 'eventloop');
    if (base === undefined) return [];
    const others = cells.filter((cell) => cell !== base).map((cell) => ratios(comparison, cell, base));
    const speed = `${thousands(base.requestsPerSecond)} commands per second`;
    const cost = `${fixed(base.cpuMicros, 1)} µs of CPU each`;
    const loop = `the event loop answers ${speed} for ${cost}.`;
    return [`${counted(clients, 'client')}, ${batches(pipeline)}: ${loop}${others.join('')}`];
  });
}

/** The cells of the usual number of clients in the first stage, by pipelining. */
function usualCells({ cells }: Comparison): (readonly [pipeline: number, cells: readonly Cell[]])[] {
  const [first] = cells;
  if (first === undefined) return [];
  const clients = usualClients(cells.map((cell) => cell.clients));
  const usual = cells.filter((cell) => isSameStage(cell, first) && cell.clients === clients);
  const pipelines = [...new Set(cells.map(({ pipeline }) => pipeline))];
  return pipelines.map((pipeline) => [pipeline, usual.filter((cell) => cell.pipeline === pipeline)]);
}

function locks(comparison: Comparison): string[] {
  return usualCells(comparison).flatMap(([pipeline, cells]) => {
    const parts = cells.filter(isSharedByThreads).map((cell) => {
      const bounds = BOUND_CORES.map((cores) => `${fixed(speedupMax(cell, cores) ?? NaN, 1)} on ${cores}`);
      const share = fixed((lockedShare(cell) ?? NaN) * 100, 0);
      const label = labelOf(comparison, cell.server);
      return `${label} ${share} % of its time, so at most ${bounds.join(' and ')} cores`;
    });
    if (parts.length === 0) return [];
    const speed = 'times the speed that one core has';
    return [`Under the lock, ${batches(pipeline)} (${speed}): ${parts.join('; ')}.`];
  });
}

/** Of cells with the same clients and pipelining: whether the rest of the setting is the same, too. */
function isSameStage(cell: Cell, other: Cell): boolean {
  return (
    cell.log === other.log && cell.valueBytes === other.valueBytes && cell.readsPercent === other.readsPercent
  );
}

function ratios(comparison: Comparison, cell: Cell, base: Cell): string {
  const speed = fixed(cell.requestsPerSecond / base.requestsPerSecond, 2);
  const cost = fixed(cell.cpuMicros / base.cpuMicros, 2);
  const label = capitalized(labelOf(comparison, cell.server));
  return ` ${label}: ${speed} times the speed, ${cost} times the CPU.`;
}

function memory({ footprints, servers }: Comparison): string[] {
  const [first] = footprints;
  if (first === undefined) return [];
  const stage = footprints.filter(
    ({ log, valueBytes }) => log === first.log && valueBytes === first.valueBytes,
  );
  const parts = servers.flatMap(({ name, label }) => {
    const perClient = bytesPerClient(stage.filter(({ server }) => server === name));
    return perClient === undefined ? [] : [`${label} ${fixed(Math.max(0, perClient) / MEBIBYTE, 2)} MiB`];
  });
  return parts.length === 0 ? [] : [`Memory that one more client takes: ${parts.join(', ')}.`];
}

/** Growth from nobody connected to the most clients; undefined when that was not measured. */
function bytesPerClient(prints: readonly Footprint[]): number | undefined {
  const none = prints.find(({ clients }) => clients === 0);
  const most = prints.reduce<Footprint | undefined>(
    (best, print) => (print.clients > (best?.clients ?? 0) ? print : best),
    undefined,
  );
  if (none === undefined || most === undefined) return undefined;
  return (most.residentBytes - none.residentBytes) / most.clients;
}

function pauses(comparison: Comparison): string[] {
  const parts = comparison.pauses.map(
    ({ server, saving }) => `${labelOf(comparison, server)} ${fixed(saving.longestMillis, 1)} ms`,
  );
  if (parts.length === 0) return [];
  return [`Longest wait of a single command while the server saves: ${parts.join(', ')}.`];
}

function usualClients(measured: readonly number[]): number {
  return measured.includes(CLIENTS) ? CLIENTS : Math.max(...measured);
}

function batches(pipeline: number): string {
  return pipeline === 1 ? 'no pipelining' : `pipelining of ${pipeline}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function capitalized(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en');
}
