/** What a snapshot in the background costs the clients: a prober beside a load, alone and while saving. */
import { BGSAVE, repeatJob } from './background-job.ts';
import type { Gap, Pauses, ServerName, WaitHistogram } from './figures.ts';
import { LoadClients, type LoadRun } from './load.ts';
import type { CompareOptions } from './options.ts';
import { sortedMicros, startProbe } from './probe.ts';
import { fillKeys, RespConnection } from './resp.ts';
import { type RunningServer, withServer } from './servers.ts';
import { countBySteps, WAIT_STEPS_MICROS } from './statistics.ts';
import type { ProgressBar } from './terminal.ts';
import { commandsOf } from './throughput.ts';

/** A load that leaves some of a small machine to the prober and to the save. */
const CLIENTS = 2;
const READS_PERCENT = 50;
const VALUE_BYTES = 64;
const WARM_MILLIS = 300;
/** Loading the keys takes about this long, for the progress bar. */
const FILL_MICROS_PER_KEY = 5;

export function pausesMillis({ saveKeysCount, saveMillis }: CompareOptions, serversCount: number): number {
  return serversCount * (fillMillis(saveKeysCount) + 2 * saveMillis);
}

export async function measurePauses(
  names: readonly ServerName[],
  options: CompareOptions,
  bar: ProgressBar,
): Promise<{ pauses: Pauses[]; gaps: Gap[] }> {
  const pauses: Pauses[] = [];
  const gaps: Gap[] = [];
  for (const name of names) {
    try {
      pauses.push(await withServer(name, {}, (server) => measureServer(name, server, options, bar)));
    } catch (error) {
      gaps.push({ server: name, what: 'BGSAVE', message: (error as Error).message });
    }
  }
  return { pauses, gaps };
}

async function measureServer(
  name: ServerName,
  server: RunningServer,
  options: CompareOptions,
  bar: ProgressBar,
): Promise<Pauses> {
  bar.show(`${name}: loading ${options.saveKeysCount} keys`);
  const connection = await RespConnection.open(server.port);
  await fillKeys(connection, { count: options.saveKeysCount, valueBytes: VALUE_BYTES });
  connection.close();
  bar.advance(fillMillis(options.saveKeysCount));

  const clients = await LoadClients.open(server.port, CLIENTS, 1);
  try {
    await clients.run({ ...loadRun(options), millisMax: WARM_MILLIS });
    bar.show(`${name}: waits without a save`);
    const alone = await measureWindow(server, clients, options);
    bar.advance(options.saveMillis);

    bar.show(`${name}: waits during BGSAVE`);
    const saver = repeatJob(server, BGSAVE);
    const saving = await measureWindow(server, clients, options);
    bar.advance(options.saveMillis);
    const { seconds } = await saver.stop();
    return { server: name, alone, saving, saveSeconds: seconds };
  } finally {
    await clients.close();
  }
}

async function measureWindow(
  server: RunningServer,
  clients: LoadClients,
  options: CompareOptions,
): Promise<WaitHistogram> {
  const probe = startProbe(server.port);
  await probe.ready;
  const load = await clients.run({ ...loadRun(options), millisMax: options.saveMillis });
  const probed = await probe.finish();
  const micros = sortedMicros(probed);
  return {
    counts: countBySteps(micros, WAIT_STEPS_MICROS),
    longestMillis: (micros.at(-1) ?? NaN) / 1000,
    ownDelayMillis: probed.ownDelayMaxMillis,
    requestsPerSecond: load.requestsPerSecond,
  };
}

function loadRun({ saveKeysCount }: CompareOptions): LoadRun {
  return {
    commands: commandsOf(READS_PERCENT),
    pipeline: 1,
    valueBytes: VALUE_BYTES,
    keysCount: saveKeysCount,
  };
}

function fillMillis(keysCount: number): number {
  return (keysCount * FILL_MICROS_PER_KEY) / 1000;
}
