/** Figures of a comparison that nobody measured, for tests of what is made of them. */
import {
  type Cell,
  type Comparison,
  type Footprint,
  PERCENTS,
  SERVER_NAMES,
  type ServerFacts,
  type ServerName,
} from '../../src/compare/figures.ts';
import { WAIT_STEPS_MICROS } from '../../src/compare/statistics.ts';

/** How slow each server is, by 1 for the event loop. */
const SLOWNESS: Readonly<Record<ServerName, number>> = { eventloop: 1, threaded: 2, pool: 1.25, redis: 0.8 };

const SERVERS: readonly ServerFacts[] = SERVER_NAMES.map((name) => ({
  name,
  label: `the ${name}`,
  version: 'some version',
  options: `--${name}`,
  architecture: `This is how ${name} works.`,
}));

export interface SampleOptions {
  readonly clients?: readonly number[];
  /** Servers without figures, and why. */
  readonly unavailable?: Readonly<Partial<Record<ServerName, string>>>;
}

export function sampleComparison(options: SampleOptions = {}): Comparison {
  const { clients = [1, 10, 50, 200], unavailable = {} } = options;
  const names = SERVER_NAMES.filter((name) => unavailable[name] === undefined);
  return {
    program: { name: 'redis-clone-ts', version: '1.2.3' },
    date: '2020-02-03T04:05:06.789Z',
    quick: false,
    machine: { CPU: 'A fast one, 2 cores', Node: 'v20' },
    plan: {
      rounds: 3,
      cellMillis: 100,
      warmCommands: 5000,
      warmMillisMax: 2000,
      keys: 1000,
      saveKeys: 2000,
      loadThreads: 1,
    },
    servers: SERVERS.map((facts) => {
      const reason = unavailable[facts.name];
      return reason === undefined ? facts : { ...facts, unavailable: reason };
    }),
    percents: PERCENTS,
    waitStepsMicros: WAIT_STEPS_MICROS,
    cells: names.flatMap((server) => clients.flatMap((count) => cellsOf(server, count))),
    footprints: names.flatMap((server) => [0, ...clients].flatMap((count) => footprintsOf(server, count))),
    pauses: names.map((server) => ({
      server,
      alone: waits(SLOWNESS[server]),
      saving: waits(SLOWNESS[server] * 10),
      saveSeconds: [0.5, 0.7],
    })),
    gaps: [],
  };
}

function cellsOf(server: ServerName, clients: number): Cell[] {
  const slowness = SLOWNESS[server];
  return [1, 16].flatMap((pipeline) =>
    (['off', 'everysec'] as const).map((log) => ({
      server,
      log,
      valueBytes: 64,
      readsPercent: 90,
      pipeline,
      clients,
      requestsPerSecond: (50_000 * pipeline * Math.sqrt(clients)) / slowness,
      cpuMicros: (10 * slowness) / pipeline,
      ...(server !== 'redis' && { lock: { heldMicros: 2 / pipeline, waitedMicros: 1 / pipeline } }),
      latencyMillis: PERCENTS.map((_, index) => 0.05 * slowness * 2 ** index),
      loadBusyShare: 0.9,
    })),
  );
}

function footprintsOf(server: ServerName, clients: number): Footprint[] {
  const base = 10 * (1 + SERVER_NAMES.indexOf(server));
  const threads = base + (server === 'threaded' ? clients : 0);
  const residentBytes = (base + (server === 'threaded' ? clients * 4 : 0)) * 1024 * 1024;
  return (['off', 'everysec'] as const).map((log) => ({
    server,
    log,
    valueBytes: 64,
    clients,
    residentBytes,
    threads,
  }));
}

function waits(longestMillis: number) {
  return {
    counts: [...WAIT_STEPS_MICROS, Infinity].map((_, index) => (index > 2 && index < 8 ? 1000 >> index : 0)),
    longestMillis,
    ownDelayMillis: 1,
    requestsPerSecond: 1000,
  };
}
