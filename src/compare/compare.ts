/** `redis-clone-ts compare`: the architectures under the same load, and a page that shows what came out. */
import { existsSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { inspectServer } from './architectures.ts';
import { type Cell, type Comparison, labelOf, PERCENTS, type ServerFacts } from './figures.ts';
import { BOUND_CORES, isSharedByThreads, lockedShare, speedupMax } from './lock-bound.ts';
import { COMPARE_HELP, type CompareOptions, parseCompareOptions } from './options.ts';
import { measurePauses, pausesMillis } from './pauses.ts';
import { reportHtml } from './report.ts';
import { describeMachine, stopServersWithProcess } from './servers.ts';
import { WAIT_STEPS_MICROS } from './statistics.ts';
import { fixed, megabytes, ProgressBar, type Row, tableText } from './terminal.ts';
import { gridMillis, measureGrid } from './throughput.ts';

const GIBIBYTE = 1024 ** 3;

export interface CompareSurroundings {
  readonly program: Comparison['program'];
  readonly write: (text: string) => void;
}

/** Runs the tool with the arguments behind its name; resolves to the exit code. */
export async function runCompare(
  args: readonly string[],
  { program, write }: CompareSurroundings,
): Promise<number> {
  let options: CompareOptions | undefined;
  try {
    options = parseCompareOptions(args);
  } catch (error) {
    write(`compare: ${(error as Error).message}\n`);
    return 1;
  }
  if (options === undefined) {
    write(COMPARE_HELP);
    return 0;
  }
  if (!existsSync('/proc/self/stat')) {
    write('compare: needs Linux: it reads CPU time, memory and threads of the servers from /proc\n');
    return 1;
  }

  stopServersWithProcess();
  const comparison = await measure(options, program);
  write(comparisonText(comparison));
  if (options.jsonPath !== undefined) {
    writeFileSync(options.jsonPath, `${JSON.stringify(comparison, undefined, 2)}\n`);
    write(`\nFigures: ${options.jsonPath}\n`);
  }
  writeFileSync(options.htmlPath, reportHtml(comparison));
  write(`\nReport: ${options.htmlPath} (open it in a browser)\n`);
  return comparison.cells.length === 0 ? 1 : 0;
}

async function measure(options: CompareOptions, program: Comparison['program']): Promise<Comparison> {
  const servers: ServerFacts[] = [];
  for (const name of options.servers) servers.push(await inspectServer(name, program));
  const names = servers.filter(({ unavailable }) => unavailable === undefined).map(({ name }) => name);

  const bar = new ProgressBar(gridMillis(options, names.length) + pausesMillis(options, names.length));
  const grid = await measureGrid(names, options, bar);
  const saving = await measurePauses(names, options, bar);
  bar.clear();
  return {
    program,
    date: new Date().toISOString(),
    quick: options.quick,
    machine: machineFacts(),
    plan: {
      rounds: options.roundsCount,
      cellMillis: options.cellMillis,
      warmCommands: options.warmCommandsCount,
      warmMillisMax: options.warmMillisMax,
      keys: options.keysCount,
      saveKeys: options.saveKeysCount,
      loadThreads: options.loadThreadsCount,
    },
    servers,
    percents: PERCENTS,
    waitStepsMicros: WAIT_STEPS_MICROS,
    cells: grid.cells,
    footprints: grid.footprints,
    pauses: saving.pauses,
    gaps: [...grid.gaps, ...saving.gaps],
  };
}

function machineFacts(): Record<string, string> {
  const { cpu = '', kernel = '' } = describeMachine();
  return {
    CPU: `${cpu}, ${availableParallelism()} cores`,
    memory: `${fixed(totalmem() / GIBIBYTE, 0)} GiB`,
    kernel,
    Node: process.version,
  };
}

/** The tables for the terminal: servers side by side. */
export function comparisonText(comparison: Comparison): string {
  const { servers, gaps } = comparison;
  const parts = [
    tableText(
      'Servers',
      servers.map(({ label, version, options, unavailable }) => ({
        server: label,
        version,
        options,
        state: unavailable === undefined ? 'measured' : `not available: ${unavailable}`,
      })),
    ),
    bySetting(comparison, 'Commands per second', (cell) => fixed(cell.requestsPerSecond, 0)),
    bySetting(comparison, 'Microseconds of CPU per command', (cell) => fixed(cell.cpuMicros, 2)),
    bySetting(comparison, '99 % of batches answered within milliseconds', (cell) =>
      fixed(cell.latencyMillis[PERCENTS.indexOf(99)] ?? NaN, 2),
    ),
    lockText(comparison),
    footprintsText(comparison),
    pausesText(comparison),
  ];
  const notes = gaps.map(({ server, what, message }) => `not measured: ${server}, ${what}: ${message}`);
  return [...parts, ...notes].filter((part) => part !== '').join('\n') + '\n';
}

function measured({ servers }: Comparison): readonly ServerFacts[] {
  return servers.filter(({ unavailable }) => unavailable === undefined);
}

/** A line for each setting, a column for each server. */
function bySetting(comparison: Comparison, title: string, text: (cell: Cell) => string): string {
  const settings = new Map<string, Record<string, string | number>>();
  for (const cell of comparison.cells) {
    const { log, valueBytes, readsPercent, pipeline, clients } = cell;
    const setting = { AOF: log, bytes: valueBytes, '% GET': readsPercent, '-P': pipeline, clients };
    const key = JSON.stringify(setting);
    const empty = Object.fromEntries(measured(comparison).map(({ label }) => [label, '-']));
    const row = settings.get(key) ?? { ...setting, ...empty };
    row[labelOf(comparison, cell.server)] = text(cell);
    settings.set(key, row);
  }
  return settings.size === 0 ? '' : tableText(title, [...settings.values()]);
}

/** Where several threads serve: what of their time passes under the lock, and what more cores can bring. */
function lockText(comparison: Comparison): string {
  const rows = comparison.cells.filter(isSharedByThreads).map((cell): Row => ({
    server: labelOf(comparison, cell.server),
    AOF: cell.log,
    bytes: cell.valueBytes,
    '% GET': cell.readsPercent,
    '-P': cell.pipeline,
    clients: cell.clients,
    'µs held': fixed(cell.lock?.heldMicros ?? NaN, 3),
    'µs waited': fixed(cell.lock?.waitedMicros ?? NaN, 3),
    '% under lock': fixed((lockedShare(cell) ?? NaN) * 100, 0),
    ...Object.fromEntries(
      BOUND_CORES.map((cores) => [`${cores} cores`, fixed(speedupMax(cell, cores) ?? NaN, 1)]),
    ),
  }));
  if (rows.length === 0) return '';
  return tableText('The lock, by command; and at most how many times the speed of one core', rows);
}

function footprintsText(comparison: Comparison): string {
  const [first] = comparison.footprints;
  const rows = comparison.footprints
    .filter(({ log, valueBytes }) => log === first?.log && valueBytes === first.valueBytes)
    .map((print): Row => ({
      server: labelOf(comparison, print.server),
      clients: print.clients,
      MiB: megabytes(print.residentBytes),
      threads: print.threads,
    }));
  return rows.length === 0 ? '' : tableText('Memory and threads', rows);
}

function pausesText(comparison: Comparison): string {
  const rows = comparison.pauses.map(({ server, alone, saving }): Row => ({
    server: labelOf(comparison, server),
    'ms without': fixed(alone.longestMillis, 1),
    'ms while saving': fixed(saving.longestMillis, 1),
    "ms of the prober's own": fixed(saving.ownDelayMillis, 1),
    'throughput kept %': fixed((saving.requestsPerSecond / alone.requestsPerSecond) * 100, 0),
  }));
  return rows.length === 0 ? '' : tableText('Longest wait of a single command, BGSAVE running', rows);
}
