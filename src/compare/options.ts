/** The command line of `compare`. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { LOG_POLICIES, type LogPolicy, SERVER_NAMES, type ServerName } from './figures.ts';

export interface CompareOptions {
  readonly quick: boolean;
  readonly htmlPath: string;
  readonly jsonPath: string | undefined;
  readonly servers: readonly ServerName[];
  readonly clients: readonly number[];
  readonly pipelines: readonly number[];
  readonly readsPercents: readonly number[];
  readonly valueBytes: readonly number[];
  readonly logs: readonly LogPolicy[];
  readonly roundsCount: number;
  readonly cellMillis: number;
  /**
   * Each client sends so many commands before it is measured, unless that takes longer than `warmMillisMax`.
   */
  readonly warmCommandsCount: number;
  readonly warmMillisMax: number;
  readonly keysCount: number;
  readonly saveKeysCount: number;
  readonly saveMillis: number;
  readonly loadThreadsCount: number;
}

/** What stands in for an option that is not given. */
interface Defaults {
  readonly clients: string;
  readonly pipeline: string;
  readonly reads: string;
  readonly sizes: string;
  readonly aof: string;
  readonly rounds: string;
  readonly millis: string;
  readonly keys: string;
  readonly saveKeys: string;
  readonly warmCommandsCount: number;
  readonly warmMillisMax: number;
  readonly saveMillis: number;
}

const FULL: Defaults = {
  clients: '1,10,50,200',
  pipeline: '1,16',
  reads: '90,10',
  sizes: '64,4096',
  aof: 'off,everysec',
  rounds: '3',
  millis: '700',
  keys: '10000',
  saveKeys: '1000000',
  warmCommandsCount: 10_000,
  warmMillisMax: 15_000,
  saveMillis: 4000,
};

const QUICK: Defaults = {
  clients: '1,10,50',
  pipeline: '1,16',
  reads: '90',
  sizes: '64',
  aof: 'off',
  rounds: '1',
  millis: '150',
  keys: '2000',
  saveKeys: '100000',
  warmCommandsCount: 2000,
  warmMillisMax: 700,
  saveMillis: 800,
};

const OUT = 'redis-clone-ts-compare.html';

export const COMPARE_HELP = `redis-clone-ts compare [options]

Runs the event loop, a thread per client, a pool of two threads and a real Redis (when redis-server is
installed) under the same load on this machine, in turn, and writes a page with charts.
Everything takes some thirty minutes on two cores.

  --quick           less than a minute: fewer cases, short runs, rough figures
  --out FILE        the page [${OUT}]
  --json FILE       the figures
  --servers LIST    of ${SERVER_NAMES.join(', ')} [all that there are]
  --clients LIST    connections at a time [${FULL.clients}; quick: ${QUICK.clients}]
  --pipeline LIST   commands that a client sends before it waits [${FULL.pipeline}]
  --reads LIST      percent of GET, the rest is SET [${FULL.reads}; quick: ${QUICK.reads}]
  --sizes LIST      bytes per value [${FULL.sizes}; quick: ${QUICK.sizes}]
  --aof LIST        append-only file: ${LOG_POLICIES.join(', ')} [${FULL.aof}; quick: ${QUICK.aof}]
  --rounds N        runs of each case; the median counts [${FULL.rounds}; quick: ${QUICK.rounds}]
  --millis N        length of a run [${FULL.millis}; quick: ${QUICK.millis}]
  --keys N          keys that the load uses [${FULL.keys}; quick: ${QUICK.keys}]
  --save-keys N     keys in the server for the BGSAVE part [${FULL.saveKeys}; quick: ${QUICK.saveKeys}]
  --load-threads N  threads that make the load [half of the cores]
  --help
`;

/** Reads the arguments; undefined when help is asked for. An Error says what is wrong with them. */
export function parseCompareOptions(args: readonly string[]): CompareOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      out: { type: 'string', default: OUT },
      json: { type: 'string' },
      servers: { type: 'string', default: SERVER_NAMES.join(',') },
      clients: { type: 'string' },
      pipeline: { type: 'string' },
      reads: { type: 'string' },
      sizes: { type: 'string' },
      aof: { type: 'string' },
      rounds: { type: 'string' },
      millis: { type: 'string' },
      keys: { type: 'string' },
      'save-keys': { type: 'string' },
      'load-threads': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;

  const defaults = values.quick ? QUICK : FULL;
  return {
    quick: values.quick,
    htmlPath: values.out,
    jsonPath: values.json,
    servers: listOf(values.servers, oneOf('--servers', SERVER_NAMES)),
    clients: listOf(values.clients ?? defaults.clients, wholeNumber('--clients', 1, 10_000)).sort(ascending),
    pipelines: listOf(values.pipeline ?? defaults.pipeline, wholeNumber('--pipeline', 1, 10_000)),
    readsPercents: listOf(values.reads ?? defaults.reads, wholeNumber('--reads', 0, 100)),
    valueBytes: listOf(values.sizes ?? defaults.sizes, wholeNumber('--sizes', 1, 1 << 20)),
    logs: listOf(values.aof ?? defaults.aof, oneOf('--aof', LOG_POLICIES)),
    roundsCount: wholeNumber('--rounds', 1, 1000)(values.rounds ?? defaults.rounds),
    cellMillis: wholeNumber('--millis', 10, 600_000)(values.millis ?? defaults.millis),
    warmCommandsCount: defaults.warmCommandsCount,
    warmMillisMax: defaults.warmMillisMax,
    keysCount: wholeNumber('--keys', 1, 1e7)(values.keys ?? defaults.keys),
    saveKeysCount: wholeNumber('--save-keys', 1, 1e8)(values['save-keys'] ?? defaults.saveKeys),
    saveMillis: defaults.saveMillis,
    loadThreadsCount: wholeNumber('--load-threads', 1, 64)(values['load-threads'] ?? `${halfOfCores()}`),
  };
}

function halfOfCores(): number {
  return Math.max(1, availableParallelism() >> 1);
}

/** The entries of a list with commas, each once. */
function listOf<T>(text: string, parse: (word: string) => T): T[] {
  return [...new Set(text.split(',').map((word) => parse(word.trim())))];
}

function oneOf<T extends string>(option: string, allowed: readonly T[]): (word: string) => T {
  return (word) => {
    const found = allowed.find((candidate) => candidate === word);
    if (found === undefined) throw new Error(`${option}: "${word}" is none of ${allowed.join(', ')}`);
    return found;
  };
}

function wholeNumber(option: string, min: number, max: number): (word: string) => number {
  return (word) => {
    const value = Number(word);
    if (word === '' || !Number.isInteger(value) || value < min || value > max) {
      throw new Error(`${option}: "${word}" is no whole number from ${min} to ${max}`);
    }
    return value;
  };
}

function ascending(left: number, right: number): number {
  return left - right;
}
