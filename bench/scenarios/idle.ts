/** What ten thousand connections that do nothing cost the fifty that work, and what they weigh. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startWorker } from '../../src/compare/worker-process.ts';
import { type LoadGenerator } from '../load.ts';
import { median } from '../../src/compare/statistics.ts';
import { fixed, printTable, progress } from '../../src/compare/terminal.ts';
import { fillKeys, RespConnection } from '../../src/compare/resp.ts';
import { cpuMicrosBetween, type RunningServer, type Variant, withServer } from '../../src/compare/servers.ts';
import type { IdleJob, IdleOpened } from './idle-holder.ts';

const BUSY_COUNT = 50;
const KEYS_COUNT = 100_000;
const VALUE_BYTES = 3;
const SPARE_DESCRIPTORS = 500;
const SETTLE_MILLIS = 1000;
const WARM_REQUESTS = 100_000;

export interface IdleOptions {
  readonly servers: readonly Variant[];
  readonly idleCount: number;
  readonly pipelines: readonly number[];
  readonly roundsCount: number;
  readonly cellMillis: number;
  readonly generator: LoadGenerator;
}

interface Busy {
  readonly requestsPerSecond: number;
  readonly cpuMicrosPerCommand: number;
}

interface IdleFigures {
  readonly server: Variant;
  readonly pipeline: number;
  readonly alone: readonly Busy[];
  readonly withIdle: readonly Busy[];
  readonly bytesPerConnection: number;
}

export async function runIdle(options: IdleOptions): Promise<IdleFigures[]> {
  const figures: IdleFigures[] = [];
  for (const variant of options.servers) {
    for (const pipeline of options.pipelines) figures.push(await measureServer(variant, pipeline, options));
  }
  progress('');
  print(figures, options);
  return figures;
}

async function measureServer(variant: Variant, pipeline: number, options: IdleOptions): Promise<IdleFigures> {
  const clientsMax = options.idleCount + BUSY_COUNT * 2;
  const start = {
    openFilesMax: clientsMax + SPARE_DESCRIPTORS,
    extra: ['--maxclients', `${clientsMax}`, '--tcp-backlog', '1024'],
  };
  return withServer(variant, start, async (server) => {
    const loader = await RespConnection.open(server.port);
    await fillKeys(loader, { count: KEYS_COUNT, valueBytes: VALUE_BYTES });
    loader.close();
    const warm = await busy(server, pipeline, WARM_REQUESTS, options);
    const requests = (warm.requestsPerSecond * options.cellMillis) / 1000;

    const alone: Busy[] = [];
    const withIdle: Busy[] = [];
    const weights: number[] = [];
    for (let round = 0; round < options.roundsCount; round++) {
      progress(`${variant} -P ${pipeline}: round ${round + 1} of ${options.roundsCount}`);
      alone.push(await busy(server, pipeline, requests, options));
      const bytesBefore = server.residentBytes().now;
      await withIdleConnections(server, options.idleCount, async () => {
        weights.push((server.residentBytes().now - bytesBefore) / options.idleCount);
        withIdle.push(await busy(server, pipeline, requests, options));
      });
      await sleep(SETTLE_MILLIS);
    }
    // Later rounds reuse what the first one allocated; the first shows the whole weight.
    return { server: variant, pipeline, alone, withIdle, bytesPerConnection: Math.max(...weights) };
  });
}

async function withIdleConnections(
  server: RunningServer,
  count: number,
  use: () => Promise<void>,
): Promise<void> {
  const job: IdleJob = { port: server.port, count };
  const opened = startWorker<IdleJob, IdleOpened>(new URL('./idle-holder.js', import.meta.url), job);
  try {
    await opened.result;
    await use();
  } finally {
    opened.finish();
  }
}

async function busy(
  server: RunningServer,
  pipeline: number,
  requests: number,
  options: IdleOptions,
): Promise<Busy> {
  const requestsCount = Math.round(requests);
  const before = server.cpu();
  const { requestsPerSecond } = await options.generator.run({
    port: server.port,
    test: 'get',
    requestsCount,
    pipeline,
    clientsCount: BUSY_COUNT,
    valueBytes: VALUE_BYTES,
    keysCount: KEYS_COUNT,
  });
  return { requestsPerSecond, cpuMicrosPerCommand: cpuMicrosBetween(before, server.cpu()) / requestsCount };
}

function print(figures: readonly IdleFigures[], options: IdleOptions): void {
  const rows = figures.map(({ server, pipeline, alone, withIdle, bytesPerConnection }) => {
    const ratio = (field: keyof Busy): string =>
      fixed(median(withIdle.map((round, index) => round[field] / (alone[index]?.[field] ?? NaN))), 3);
    return {
      server,
      '-P': pipeline,
      'req/s alone': fixed(median(alone.map((round) => round.requestsPerSecond)), 0),
      'req/s with idle': fixed(median(withIdle.map((round) => round.requestsPerSecond)), 0),
      ratio: ratio('requestsPerSecond'),
      'CPU ratio': ratio('cpuMicrosPerCommand'),
      'RSS B/idle connection': fixed(bytesPerConnection, 0),
    };
  });
  printTable(`${BUSY_COUNT} busy connections (GET), alone and beside ${options.idleCount} idle ones`, rows);
}
