/** How long single commands wait while another client loads many keys: growth and rehash stay hidden. */
import { sortedMicros, startProbe } from '../../src/compare/probe.ts';
import type { ProbeResult } from '../../src/compare/prober.ts';
import { countBySteps, percentile, WAIT_STEPS_MICROS } from '../../src/compare/statistics.ts';
import { fixed, printTable, progress } from '../../src/compare/terminal.ts';
import { fillKeys, RespConnection } from '../../src/compare/resp.ts';
import { readInfo, type Variant, withServer } from '../../src/compare/servers.ts';

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
    const probe = startProbe(server.port);
    await probe.ready;
    if (!probe.isPreferred) {
      console.log('note: the prober may not raise its priority; long waits may be its own');
    }

    const connection = await RespConnection.open(server.port);
    const begin = performance.now();
    await fillKeys(connection, { count: keysCount, valueBytes: VALUE_BYTES });
    const seconds = (performance.now() - begin) / 1000;
    const result = await probe.finish();
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

  const counts = figures.map((figure) => ({
    server: figure.server,
    bySteps: countBySteps(sortedMicros(figure), WAIT_STEPS_MICROS),
  }));
  const histogram = [...WAIT_STEPS_MICROS, Infinity].map((limit, index) => {
    const floor = WAIT_STEPS_MICROS[index - 1] ?? 0;
    const label = Number.isFinite(limit) ? `<= ${limit / 1000} ms` : `> ${floor / 1000} ms`;
    const columns = counts.map(({ server, bySteps }) => [server, bySteps[index] ?? 0] as const);
    return { latency: label, ...(Object.fromEntries(columns) as Record<string, number>) };
  });
  printTable('Probes by latency', histogram);
  for (const { server, longest } of figures) {
    for (const [name, value] of Object.entries(longest)) console.log(`${server} INFO ${name}: ${value}`);
  }
}
