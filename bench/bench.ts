/**
 * `npm run bench`: this server beside a real Redis on this machine. `npm run bench -- --help` lists the
 * options; each scenario is one file in `scenarios/`.
 */
import { parseArgs } from 'node:util';
import { chooseGenerator, type LoadGenerator } from './load.ts';
import { checkTargets, printCells, writeJson } from './report.ts';
import { runCollections } from './scenarios/collections.ts';
import { runEviction } from './scenarios/eviction.ts';
import { runIdle } from './scenarios/idle.ts';
import { runLoadScenario } from './scenarios/load.ts';
import { runMemory } from './scenarios/memory.ts';
import { runSave } from './scenarios/save.ts';
import { runStartup } from './scenarios/startup.ts';
import { runThroughput } from './scenarios/throughput.ts';
import { TEST_NAMES, type TestName } from './tests.ts';
import {
  describeMachine,
  installedVersion,
  isVariant,
  stopServersWithProcess,
  VARIANT_NAMES,
  type Variant,
} from '../src/compare/servers.ts';

const HELP = `npm run bench -- [options]

  --scenario NAME   throughput (default), memory, collections, load, idle, startup, save, eviction
  --servers LIST    of ${VARIANT_NAMES.join(', ')}; default epoll,node and redis when installed.
                    The same one twice shows the noise of the machine.
  --tests LIST      default get,set,incr; of ${TEST_NAMES.join(',')}
  --pipeline LIST   commands per batch; default 1,16,128 (idle: 1,16)
  --sizes LIST      bytes per value; default 3,1024
  --rounds N        default 5
  --cell-millis N   length of one measurement; default 1200
  --keys N          memory: keys (1000000) and five times as many for the deletion; load: keys (10000000);
                    save: keys (5000000)
  --appendfsync P   throughput: with an append-only file and that policy (always, everysec, no)
  --connections N   idle: connections that do nothing (10000)
  --own-generator   use the built-in load generator although redis-benchmark is installed
  --json FILE       write the figures
  --check           throughput: compare with the targets, exit 1 if one is missed
  --quick           a smoke run of seconds: small numbers, one round; its figures mean little
  --help`;

const SCENARIO_NAMES = [
  'throughput',
  'memory',
  'collections',
  'load',
  'idle',
  'startup',
  'save',
  'eviction',
] as const;
type Scenario = (typeof SCENARIO_NAMES)[number];

interface Options {
  readonly scenario: Scenario;
  readonly servers: readonly Variant[];
  readonly tests: readonly TestName[];
  readonly pipelines: readonly number[] | undefined;
  readonly valueBytes: readonly number[];
  readonly roundsCount: number | undefined;
  readonly cellMillis: number;
  readonly keysCount: number | undefined;
  readonly connectionsCount: number;
  /** More options for the servers. */
  readonly extra: readonly string[];
  readonly generator: LoadGenerator;
  readonly json: string | undefined;
  readonly check: boolean;
  readonly quick: boolean;
}

/** Each prints its tables and returns its figures for `--json`. */
const SCENARIOS: Record<Scenario, (options: Options) => Promise<unknown>> = {
  throughput: async (options) => {
    const cells = await runThroughput({
      ...options,
      pipelines: options.pipelines ?? (options.quick ? [1, 16] : [1, 16, 128]),
      roundsCount: options.roundsCount ?? (options.quick ? 1 : 5),
      warmRequests: options.quick ? 30_000 : 500_000,
    });
    printCells(cells);
    if (options.check && !checkTargets(cells)) process.exitCode = 1;
    return cells;
  },
  memory: async (options) => {
    const keysCount = options.keysCount ?? (options.quick ? 50_000 : 1_000_000);
    const settleMillis = options.quick ? 500 : 5000;
    return runMemory({ servers: options.servers, keysCount, churnKeysCount: keysCount * 5, settleMillis });
  },
  collections: async ({ servers, quick }) =>
    runCollections({
      servers: servers.filter((server) => server !== 'node'),
      elementCount: quick ? 20_000 : 1_000_000,
    }),
  load: async (options) =>
    runLoadScenario(options.servers, options.keysCount ?? (options.quick ? 300_000 : 10_000_000)),
  idle: async (options) =>
    runIdle({
      ...options,
      idleCount: options.connectionsCount,
      pipelines: options.pipelines ?? (options.quick ? [16] : [1, 16]),
      roundsCount: options.roundsCount ?? (options.quick ? 1 : 5),
    }),
  save: async (options) =>
    runSave({
      ...options,
      keysCount: options.keysCount ?? (options.quick ? 100_000 : 5_000_000),
      roundsCount: options.roundsCount ?? (options.quick ? 1 : 3),
      requestsCount: options.quick ? 200_000 : 10_000_000,
    }),
  eviction: async ({ servers, keysCount, quick }) =>
    runEviction({
      servers: servers.filter((server) => server !== 'node'),
      keysCount: keysCount ?? (quick ? 5000 : 50_000),
      requestsCount: quick ? 40_000 : 400_000,
      traceMillis: quick ? 1000 : 10_000,
    }),
  startup: async (options) => runStartup(options.servers, options.roundsCount ?? (options.quick ? 3 : 10)),
};

function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: { type: 'string', default: 'throughput' },
      servers: { type: 'string' },
      tests: { type: 'string', default: 'get,set,incr' },
      pipeline: { type: 'string' },
      sizes: { type: 'string' },
      rounds: { type: 'string' },
      'cell-millis': { type: 'string' },
      keys: { type: 'string' },
      connections: { type: 'string' },
      appendfsync: { type: 'string' },
      'own-generator': { type: 'boolean', default: false },
      json: { type: 'string' },
      check: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { quick } = values;
  return {
    scenario: oneOf(SCENARIO_NAMES, '--scenario')(values.scenario),
    servers: parseServers(values.servers),
    tests: values.tests.split(',').map(oneOf(TEST_NAMES, '--tests')),
    pipelines: values.pipeline?.split(',').map(positive),
    valueBytes: (values.sizes ?? (quick ? '3' : '3,1024')).split(',').map(positive),
    roundsCount: values.rounds === undefined ? undefined : positive(values.rounds),
    cellMillis: positive(values['cell-millis'] ?? (quick ? '150' : '1200')),
    keysCount: values.keys === undefined ? undefined : positive(values.keys),
    connectionsCount: positive(values.connections ?? (quick ? '1000' : '10000')),
    extra:
      values.appendfsync === undefined ? [] : ['--appendonly', 'yes', '--appendfsync', values.appendfsync],
    generator: chooseGenerator(values['own-generator']),
    json: values.json,
    check: values.check,
    quick,
  };
}

function parseServers(list: string | undefined): Variant[] {
  const hasRedis = installedVersion('redis-server') !== undefined;
  if (list === undefined) {
    if (!hasRedis) console.log('redis-server is not installed: no ratios (Debian: apt install redis-server)');
    return hasRedis ? ['epoll', 'node', 'redis'] : ['epoll', 'node'];
  }
  const servers = list.split(',').map((name) => {
    if (!isVariant(name)) throw new Error(`--servers: ${name} is none of ${VARIANT_NAMES.join(', ')}`);
    return name;
  });
  if (servers.includes('redis') && !hasRedis) throw new Error('--servers: redis-server is not installed');
  return servers;
}

function oneOf<T extends string>(allowed: readonly T[], option: string): (name: string) => T {
  return (name) => {
    const found = allowed.find((candidate) => candidate === name);
    if (found === undefined) throw new Error(`${option}: ${name} is none of ${allowed.join(', ')}`);
    return found;
  };
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`not a positive whole number: ${text}`);
  return value;
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    console.log(HELP);
    return;
  }
  for (const [name, value] of Object.entries(describeMachine())) console.log(`${name.padEnd(6)} ${value}`);
  console.log(`load   ${options.generator.name}`);

  const figures = await SCENARIOS[options.scenario](options);
  if (options.json !== undefined) writeJson(options.json, options.scenario, figures);
}

stopServersWithProcess();
try {
  await main();
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exit(1);
}
