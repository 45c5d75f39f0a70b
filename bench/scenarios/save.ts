/**
 * What a snapshot in the background costs the clients: a full load of SETs over a large keyspace, alone and
 * while the server saves over and over, in turn; beside it a prober that looks for pauses.
 */
import { type BackgroundJob, BGREWRITEAOF, BGSAVE, repeatJob } from '../../src/compare/background-job.ts';
import { sortedMicros, startProbe } from '../../src/compare/probe.ts';
import { type LoadGenerator, type LoadResult } from '../load.ts';
import { median, percentile } from '../../src/compare/statistics.ts';
import { fixed, megabytes, printTable, progress } from '../../src/compare/terminal.ts';
import { fillKeys, RespConnection } from '../../src/compare/resp.ts';
import { type RunningServer, type Variant, withServer } from '../../src/compare/servers.ts';

const VALUE_BYTES = 3;
const CLIENTS = 50;
const PIPELINE = 16;

export interface SaveOptions {
  readonly servers: readonly Variant[];
  readonly generator: LoadGenerator;
  readonly keysCount: number;
  readonly roundsCount: number;
  /** Requests of one window, with or without saving. */
  readonly requestsCount: number;
}

/** A job, and the server options it needs. */
interface Kind {
  readonly job: BackgroundJob;
  readonly extra: readonly string[];
}

const KINDS: readonly Kind[] = [
  { job: BGSAVE, extra: ['--dbfilename', 'dump.rdb'] },
  { job: BGREWRITEAOF, extra: ['--appendonly', 'yes', '--auto-aof-rewrite-percentage', '0'] },
];

/** One window of load. */
interface Window extends LoadResult {
  readonly probeMaxMillis: number;
  readonly probeP999Millis: number;
  readonly proberDelayMillis: number;
}

interface SaveFigures {
  readonly server: Variant;
  readonly command: string;
  readonly alone: readonly Window[];
  readonly saving: readonly Window[];
  readonly jobSeconds: readonly number[];
  /** Resident memory before, and the most it grew by, copies made for a forked child included. */
  readonly residentBytes: number;
  readonly growthBytes: number;
}

export async function runSave(options: SaveOptions): Promise<SaveFigures[]> {
  const figures: SaveFigures[] = [];
  for (const kind of KINDS) {
    for (const variant of options.servers) figures.push(await measure(variant, kind, options));
  }
  progress('');
  print(figures, options.keysCount);
  return figures;
}

async function measure(variant: Variant, kind: Kind, options: SaveOptions): Promise<SaveFigures> {
  return withServer(variant, { extra: kind.extra }, async (server) => {
    progress(`${variant}: loading ${options.keysCount} keys`);
    const connection = await RespConnection.open(server.port);
    await fillKeys(connection, { count: options.keysCount, valueBytes: VALUE_BYTES });
    // Warm, and every page touched once.
    await runWindow(server, options);

    const residentBytes = server.residentBytes().now;
    const alone: Window[] = [];
    const saving: Window[] = [];
    const jobSeconds: number[] = [];
    let growthBytes = 0;
    for (let round = 0; round < options.roundsCount; round++) {
      progress(`${variant}: ${kind.job.command}, round ${round + 1} of ${options.roundsCount}`);
      alone.push(await runWindow(server, options));
      const saver = repeatJob(server, kind.job);
      saving.push(await runWindow(server, options));
      const { seconds, peakBytes, copiedBytes } = await saver.stop();
      jobSeconds.push(...seconds);
      growthBytes = Math.max(growthBytes, peakBytes - residentBytes + copiedBytes);
    }
    connection.close();
    return {
      server: variant,
      command: kind.job.command,
      alone,
      saving,
      jobSeconds,
      residentBytes,
      growthBytes,
    };
  });
}

async function runWindow(server: RunningServer, options: SaveOptions): Promise<Window> {
  const probe = startProbe(server.port);
  await probe.ready;
  const result = await options.generator.run({
    port: server.port,
    test: 'set',
    requestsCount: options.requestsCount,
    pipeline: PIPELINE,
    clientsCount: CLIENTS,
    valueBytes: VALUE_BYTES,
    keysCount: options.keysCount,
  });
  const probed = await probe.finish();
  const micros = sortedMicros(probed);
  return {
    ...result,
    probeMaxMillis: (micros.at(-1) ?? NaN) / 1000,
    probeP999Millis: percentile(micros, 99.9) / 1000,
    proberDelayMillis: probed.ownDelayMaxMillis,
  };
}

function print(figures: readonly SaveFigures[], keysCount: number): void {
  const middle = (windows: readonly Window[], field: keyof Window): number =>
    median(windows.map((window) => window[field]));
  const most = (windows: readonly Window[], field: keyof Window): number =>
    Math.max(...windows.map((window) => window[field]));
  const rows = figures.map(({ server, command, alone, saving, jobSeconds, residentBytes, growthBytes }) => ({
    server,
    job: command,
    'SET/s alone': fixed(middle(alone, 'requestsPerSecond'), 0),
    'while saving': fixed(middle(saving, 'requestsPerSecond'), 0),
    share: fixed(middle(saving, 'requestsPerSecond') / middle(alone, 'requestsPerSecond'), 2),
    'p99.9 ms alone': fixed(middle(alone, 'p999Millis'), 2),
    'saving ': fixed(middle(saving, 'p999Millis'), 2),
    'longest probe alone': fixed(most(alone, 'probeMaxMillis'), 1),
    'saving  ': fixed(most(saving, 'probeMaxMillis'), 1),
    "prober's own": fixed(most(saving, 'proberDelayMillis'), 1),
    'job s': fixed(median(jobSeconds), 2),
    'RSS MB': megabytes(residentBytes),
    'growth %': fixed((growthBytes / residentBytes) * 100, 1),
  }));
  printTable(`SET (-P ${PIPELINE} -c ${CLIENTS}) over ${keysCount} keys while the server saves`, rows);
}
