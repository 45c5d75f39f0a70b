/** Background work of a server that is asked for again and again, to see what it costs the clients. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RespConnection } from './resp.ts';
import { readInfo, type RunningServer } from './servers.ts';

const POLL_MILLIS = 20;

/** How a job is asked for, and the fields of INFO persistence that tell of it. */
export interface BackgroundJob {
  readonly command: 'BGSAVE' | 'BGREWRITEAOF';
  readonly busyFields: readonly string[];
  readonly copiedField: string;
}

export const BGSAVE: BackgroundJob = {
  command: 'BGSAVE',
  busyFields: ['rdb_bgsave_in_progress'],
  copiedField: 'rdb_last_cow_size',
};

export const BGREWRITEAOF: BackgroundJob = {
  command: 'BGREWRITEAOF',
  busyFields: ['aof_rewrite_in_progress', 'aof_rewrite_scheduled'],
  copiedField: 'aof_last_cow_size',
};

export interface JobFigures {
  /** How long each took. */
  readonly seconds: readonly number[];
  /** The most resident memory meanwhile. */
  readonly peakBytes: number;
  /** Copies made for a forked child, which are not in the server's own memory. */
  readonly copiedBytes: number;
}

/** Runs one job and waits for its end. */
export async function runJob(
  server: RunningServer,
  connection: RespConnection,
  job: BackgroundJob,
): Promise<JobFigures> {
  let peakBytes = 0;
  let copiedBytes = 0;
  const begin = performance.now();
  await connection.command(job.command);
  for (;;) {
    await sleep(POLL_MILLIS);
    peakBytes = Math.max(peakBytes, server.residentBytes().now);
    const info = await readInfo(connection, 'persistence');
    copiedBytes = Math.max(copiedBytes, Number(info.get(job.copiedField)));
    if (job.busyFields.every((field) => info.get(field) === '0')) break;
  }
  return { seconds: [(performance.now() - begin) / 1000], peakBytes, copiedBytes };
}

/** Asks for the job again as soon as it has ended, until it is stopped; then resolves with the figures. */
export function repeatJob(server: RunningServer, job: BackgroundJob): { stop: () => Promise<JobFigures> } {
  let isWanted = true;
  const run = async (): Promise<JobFigures> => {
    const seconds: number[] = [];
    let peakBytes = 0;
    let copiedBytes = 0;
    const connection = await RespConnection.open(server.port);
    while (isWanted) {
      const once = await runJob(server, connection, job);
      seconds.push(...once.seconds);
      peakBytes = Math.max(peakBytes, once.peakBytes);
      copiedBytes = Math.max(copiedBytes, once.copiedBytes);
    }
    connection.close();
    return { seconds, peakBytes, copiedBytes };
  };
  const done = run();
  // It may fail before it is stopped; the failure is reported there.
  done.catch(() => undefined);
  return {
    stop: () => {
      isWanted = false;
      return done;
    },
  };
}
