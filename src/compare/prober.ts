/** Sends PING, GET and SET in turn, one at a time, and keeps how long each took; a process of its own. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { workerAnswer, workerJob, workerReady } from './worker-process.ts';
import { encodeCommand, RespConnection } from './resp.ts';

export interface ProbeJob {
  readonly port: number;
  readonly intervalMillis: number;
}

export interface ProbeResult {
  readonly latencyMicros: Readonly<Record<'ping' | 'get' | 'set', readonly number[]>>;
  /** The longest this process itself was late: what the machine, not the server, may add to a latency. */
  readonly ownDelayMaxMillis: number;
}

const DELAY_RESOLUTION_MILLIS = 1;
const WARM_MILLIS = 200;

async function probe(job: ProbeJob, finished: Promise<void>): Promise<ProbeResult> {
  const latencyMicros = { ping: [] as number[], get: [] as number[], set: [] as number[] };
  const requests = [
    { bytes: encodeCommand(['PING']), samples: latencyMicros.ping },
    { bytes: encodeCommand(['GET', 'probe']), samples: latencyMicros.get },
    { bytes: encodeCommand(['SET', 'probe', 'value']), samples: latencyMicros.set },
  ];
  const connection = await RespConnection.open(job.port);
  const ownDelay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MILLIS });
  let running = true;
  void finished.then(() => (running = false));
  // The first answers tell of a thread that starts and of code that is not compiled yet.
  const warmUntil = performance.now() + WARM_MILLIS;
  while (running && performance.now() < warmUntil) {
    for (const { bytes } of requests) await connection.exchange(bytes);
    await sleep(job.intervalMillis);
  }

  workerReady();
  ownDelay.enable();
  for (let turn = 0; running; turn++) {
    const request = requests[turn % requests.length];
    const begin = performance.now();
    if (request !== undefined) {
      await connection.exchange(request.bytes);
      request.samples.push((performance.now() - begin) * 1000);
    }
    await sleep(job.intervalMillis);
  }
  ownDelay.disable();
  connection.close();
  // The monitor counts its own interval in.
  return { latencyMicros, ownDelayMaxMillis: Math.max(0, ownDelay.max / 1e6 - DELAY_RESOLUTION_MILLIS) };
}

const { job, finished } = await workerJob<ProbeJob>();
workerAnswer(await probe(job, finished));
