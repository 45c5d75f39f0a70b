/** Time from spawn to the first PONG. */
import { median } from '../../src/compare/statistics.ts';
import { fixed, printTable } from '../../src/compare/terminal.ts';
import { cpuMicrosBetween, type Variant, withServer } from '../../src/compare/servers.ts';

const NOTHING_YET = { tickMicros: 0, threadMicros: new Map<string, number>() };

export interface StartupFigures {
  readonly server: Variant;
  readonly startMillis: readonly number[];
  readonly cpuMillis: readonly number[];
}

export async function runStartup(servers: readonly Variant[], runsCount: number): Promise<StartupFigures[]> {
  const figures = servers.map((server) => ({
    server,
    startMillis: [] as number[],
    cpuMillis: [] as number[],
  }));
  for (let run = 0; run < runsCount; run++) {
    for (const { server, startMillis, cpuMillis } of figures) {
      await withServer(server, {}, async (started) => {
        startMillis.push(started.startMillis);
        cpuMillis.push(cpuMicrosBetween(NOTHING_YET, started.cpu()) / 1000);
      });
    }
  }

  const rows = figures.map(({ server, startMillis, cpuMillis }) => ({
    server,
    'median ms': fixed(median(startMillis), 0),
    'min ms': fixed(Math.min(...startMillis), 0),
    'max ms': fixed(Math.max(...startMillis), 0),
    'CPU ms': fixed(median(cpuMillis), 0),
  }));
  printTable(`Start-up: spawn to first PONG, ${runsCount} runs`, rows);
  return figures;
}
