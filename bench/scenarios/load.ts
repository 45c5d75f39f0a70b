/** How long single commands wait while another client loads many keys: growth and rehash stay hidden. */
import { setPriority } from 'node:os';
import { startWorker } from '../load.ts';
import { fixed, percentile, printTable, progress } from '../report.ts';
import { fillKeys, RespConnection } from '../../src/compare/resp.ts';
import { readInfo, type Variant, withServer } from '../../src/compare/servers.ts';
import type { ProbeJob, ProbeResult } from '../../src/compare/prober.ts';

/** Steps of the histogram: one, two, five to the decade, from 10 microseconds to a second. */
const BUCKET_MICROS = [10, 100, 1000, 10_000, 100_000].flatMap((decade) => [decade, decade * 2, decade * 5]);
const PROBER_PRIORITY = -10;
const VALUE_BYTES = 3;

interface LoadFigures extends ProbeResult {
  readonly server: Variant;
  readonly keysPerSecond: number;
  /** What INFO says about the longest work the server did in one go. */
  readonly longest: Readonly<Record<string, string>>;
}

export async function runLoadScenario(
  servers: readonly Variant[],
  keysCount: number,
): Promise<LoadFigures[]> {
  const figures: LoadFigures[] = [];
  for (const server of servers) {
    progress(`${server}: loading ${keysCount} keys`);
    figures.push(await measure(server, keysCount));
  }
  progress('');
  print(figures, keysCount);
  return figures;
}

async function measure(variant: Variant, keysCount: number): Promise<LoadFigures> {
  return withServer(variant, {}, async (server) => {
    const job: ProbeJob = { port: server.port, intervalMillis: 1 };
    const prober = startWorker<ProbeJob, ProbeResult>(new URL('./prober.js', import.meta.url), job);
    preferProber(prober.pid);

    const connection = await RespConnection.open(server.port);
    const begin = performance.now();
    await fillKeys(connection, { count: keysCount, valueBytes: VALUE_BYTES });
    const seconds = (performance.now() - begin) / 1000;
    prober.finish();
    const result = await prober.result;
    const longest = [...(await readInfo(connection))].filter(([name]) => /longest/.test(name));
    connection.close();
    return {
      server: variant,
      keysPerSecond: keysCount / seconds,
      longest: Object.fromEntries(longest),
      ...result,
    };
  });
}

/** With fewer cores than processes the prober would measure its own wait for a core. */
function preferProber(pid: number): void {
  try {
    setPriority(pid, PROBER_PRIORITY);
  } catch {
    console.log('note: the prober may not raise its priority; long waits may be its own');
  }
}

function print(figures: readonly LoadFigures[], keysCount: number): void {
  const summary = figures.map((figure) => {
    const all = sortedMicros(figure);
    return {
      server: figure.server,
      'keys/s': fixed(figure.keysPerSecond, 0),
      probes: all.length,
      'p50 ms': fixed(percentile(all, 50) / 1000, 2),
      'p99 ms': fixed(percentile(all, 99) / 1000, 2),
      'p99.9 ms': fixed(percentile(all, 99.9) / 1000, 2),
      'max ms': fixed((all.at(-1) ?? NaN) / 1000, 2),
      '> 20 ms': all.filter((micros) => micros > 20_000).length,
      'PING max': fixed(Math.max(...figure.latencyMicros.ping) / 1000, 2),
      'GET max': fixed(Math.max(...figure.latencyMicros.get) / 1000, 2),
      'SET max': fixed(Math.max(...figure.latencyMicros.set) / 1000, 2),
      "prober's own max": fixed(figure.ownDelayMaxMillis, 2),
    };
  });
  printTable(`Single commands while ${keysCount} keys are loaded`, summary);

  const histogram = [...BUCKET_MICROS, Infinity].map((limit, index) => {
    const floor = BUCKET_MICROS[index - 1] ?? 0;
    const counts = figures.map((figure) => [
      figure.server,
      sortedMicros(figure).filter((micros) => micros > floor && micros <= limit).length,
    ]);
    const label = Number.isFinite(limit) ? `<= ${limit / 1000} ms` : `> ${floor / 1000} ms`;
    return { latency: label, ...(Object.fromEntries(counts) as Record<string, number>) };
  });
  printTable('Probes by latency', histogram);
  for (const { server, longest } of figures) {
    for (const [name, value] of Object.entries(longest)) console.log(`${server} INFO ${name}: ${value}`);
  }
}

function sortedMicros(figure: ProbeResult): number[] {
  return Object.values(figure.latencyMicros)
    .flat()
    .sort((left, right) => left - right);
}
