/**
 * Throughput, latency and server CPU per command. Servers take turns within each round, so that what else the
 * machine does hits all of them alike; a ratio is formed within its round, then the median over the rounds.
 */
import type { LoadGenerator, LoadResult } from '../load.ts';
import { type Cell } from '../report.ts';
import { benchTest, type TestName } from '../tests.ts';
import { median } from '../../src/compare/statistics.ts';
import { progress } from '../../src/compare/terminal.ts';
import { fillKeys, RespConnection } from '../../src/compare/resp.ts';
import { cpuMicrosBetween, RunningServer, type Variant } from '../../src/compare/servers.ts';

const KEYS_COUNT = 100_000;
const CLIENTS_COUNT = 50;
const CALIBRATION_REQUESTS = 20_000;
const REQUESTS_MIN = 5_000;
const WARM_PIPELINE = 16;

/** Tests whose cost depends on the value's size; the others are measured at the first size only. */
const SIZED: readonly TestName[] = ['get', 'set', 'mset', 'lpush', 'rpush', 'hset'];

export interface ThroughputOptions {
  readonly servers: readonly Variant[];
  readonly tests: readonly TestName[];
  readonly pipelines: readonly number[];
  readonly valueBytes: readonly number[];
  readonly roundsCount: number;
  /** How long one measurement should take. */
  readonly cellMillis: number;
  /** Requests of each test that every server gets before anything is measured, for its compiler's sake. */
  readonly warmRequests: number;
  readonly generator: LoadGenerator;
  /** More options for the servers. */
  readonly extra: readonly string[];
}

interface Setting {
  readonly test: TestName;
  readonly pipeline: number;
  readonly valueBytes: number;
}

interface Measurement extends LoadResult {
  readonly cpuMicrosPerCommand: number;
}

export async function runThroughput(options: ThroughputOptions): Promise<Cell[]> {
  const servers: RunningServer[] = [];
  try {
    for (const [index, variant] of options.servers.entries()) {
      // The same server twice shows how far two equal ones differ on this machine.
      const earlierCount = options.servers.slice(0, index).filter((other) => other === variant).length;
      const name = earlierCount === 0 ? variant : `${variant}#${earlierCount + 1}`;
      servers.push(await RunningServer.start(variant, name, { extra: options.extra }));
    }
    for (const server of servers) await warmUp(server, options);
    return await measureAll(servers, options);
  } finally {
    progress('');
    for (const server of servers) await server.stop();
  }
}

async function measureAll(servers: readonly RunningServer[], options: ThroughputOptions): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const valueBytes of options.valueBytes) {
    for (const server of servers) await fill(server, valueBytes);
    const sized = options.tests.filter(
      (test) => valueBytes === options.valueBytes[0] || SIZED.includes(test),
    );
    for (const test of sized) {
      for (const pipeline of options.pipelines) {
        cells.push(...(await measureSetting(servers, { test, pipeline, valueBytes }, options)));
      }
    }
  }
  return cells;
}

async function warmUp(server: RunningServer, options: ThroughputOptions): Promise<void> {
  for (const test of options.tests) {
    progress(`warming up ${server.name}: ${test}`);
    for (const pipeline of [1, WARM_PIPELINE]) {
      const setting = { test, pipeline, valueBytes: options.valueBytes[0] ?? 3 };
      await measure(server, setting, options, (options.warmRequests * pipeline) / WARM_PIPELINE);
    }
  }
}

/** Every key a GET asks for exists and has the size under measurement. */
async function fill(server: RunningServer, valueBytes: number): Promise<void> {
  const connection = await RespConnection.open(server.port);
  await fillKeys(connection, { count: KEYS_COUNT, valueBytes });
  connection.close();
}

async function measureSetting(
  servers: readonly RunningServer[],
  setting: Setting,
  options: ThroughputOptions,
): Promise<Cell[]> {
  const runs = [];
  for (const server of servers) {
    const trial = await measure(
      server,
      setting,
      options,
      CALIBRATION_REQUESTS * Math.min(setting.pipeline, 16),
    );
    const wanted = (trial.requestsPerSecond * options.cellMillis) / 1000;
    runs.push({
      server,
      requestsCount: Math.max(REQUESTS_MIN, Math.round(wanted)),
      rounds: [] as Measurement[],
    });
  }

  for (let round = 0; round < options.roundsCount; round++) {
    const { test, pipeline, valueBytes } = setting;
    progress(`${test} -P ${pipeline} -d ${valueBytes}: round ${round + 1} of ${options.roundsCount}`);
    // Who goes first changes, so that nobody always follows the same neighbour.
    const turn = round % runs.length;
    for (const run of [...runs.slice(turn), ...runs.slice(0, turn)]) {
      run.rounds.push(await measure(run.server, setting, options, run.requestsCount));
    }
  }

  const baseline = runs.find(({ server }) => server.variant === 'redis')?.rounds;
  return runs.map(({ server, rounds }) => summarize(server, setting, rounds, baseline));
}

async function measure(
  server: RunningServer,
  setting: Setting,
  options: ThroughputOptions,
  requests: number,
): Promise<Measurement> {
  const requestsCount = Math.max(1, Math.round(requests));
  const { prepare } = benchTest(setting.test);
  if (prepare !== undefined) {
    const connection = await RespConnection.open(server.port);
    await prepare(connection, requestsCount);
    connection.close();
  }
  const before = server.cpu();
  const result = await options.generator.run({
    port: server.port,
    ...setting,
    requestsCount,
    clientsCount: CLIENTS_COUNT,
    keysCount: KEYS_COUNT,
  });
  return { ...result, cpuMicrosPerCommand: cpuMicrosBetween(before, server.cpu()) / requestsCount };
}

function summarize(
  server: RunningServer,
  setting: Setting,
  rounds: readonly Measurement[],
  baseline: readonly Measurement[] | undefined,
): Cell {
  const medianOf = (field: keyof Measurement): number => median(rounds.map((round) => round[field]));
  const ratioOf = (field: keyof Measurement): number | undefined =>
    baseline && median(rounds.map((round, index) => round[field] / (baseline[index]?.[field] ?? NaN)));
  return {
    server: server.name,
    variant: server.variant,
    ...setting,
    requestsPerSecond: medianOf('requestsPerSecond'),
    p50Millis: medianOf('p50Millis'),
    p99Millis: medianOf('p99Millis'),
    p999Millis: medianOf('p999Millis'),
    cpuMicrosPerCommand: medianOf('cpuMicrosPerCommand'),
    cpuRatio: ratioOf('cpuMicrosPerCommand'),
    throughputRatio: ratioOf('requestsPerSecond'),
  };
}
