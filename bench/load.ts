/** Load generators: redis-benchmark where it is installed, else a small one of our own. */
import { fork, spawn } from 'node:child_process';
import { installedVersion } from '../src/compare/servers.ts';

/** Tests of redis-benchmark that send what `-n` says and nothing else before. */
export const TEST_NAMES = [
  'get',
  'set',
  'incr',
  'mset',
  'lpush',
  'rpush',
  'lpop',
  'rpop',
  'sadd',
  'hset',
  'spop',
  'zadd',
  'zpopmin',
  'ping_mbulk',
  'ping_inline',
] as const;

export type TestName = (typeof TEST_NAMES)[number];

export interface Load {
  readonly port: number;
  readonly test: TestName;
  readonly requestsCount: number;
  readonly pipeline: number;
  readonly clientsCount: number;
  readonly valueBytes: number;
  /** Keys are drawn from this many. */
  readonly keysCount: number;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly p50Millis: number;
  readonly p99Millis: number;
  readonly p999Millis: number;
  readonly maxMillis: number;
}

export interface LoadGenerator {
  readonly name: string;
  readonly run: (load: Load) => Promise<LoadResult>;
}

/** Picks the generator and says why, if it is not redis-benchmark. */
export function chooseGenerator(own: boolean): LoadGenerator {
  const version = own ? undefined : installedVersion('redis-benchmark');
  if (version !== undefined) return { name: version, run: runRedisBenchmark };
  const reason = own ? 'as asked' : 'redis-benchmark is not installed (Debian: apt install redis-tools)';
  return { name: `own Node generator: ${reason}`, run: runOwnGenerator };
}

async function runRedisBenchmark(load: Load): Promise<LoadResult> {
  const args = ['-p', load.port, '-t', load.test, '-n', load.requestsCount, '-P', load.pipeline];
  args.push('-c', load.clientsCount, '-r', load.keysCount, '-d', load.valueBytes, '--precision', 3);
  const output = await outputOf('redis-benchmark', args.map(String));
  return parseRedisBenchmark(output);
}

/**
 * Reads the report of redis-benchmark 6.2 and later. Its summary lacks p99.9, so that one is taken from the
 * percentile distribution, whose steps halve the distance to 100 %: the first at or above 99.9 is 99.902 in a
 * long run.
 */
export function parseRedisBenchmark(output: string): LoadResult {
  const complaint = /Error from server.*|.*(?:Connection refused|Server closed).*/.exec(output);
  if (complaint !== null) throw new Error(complaint[0]);
  const throughput = /throughput summary: ([\d.]+)/.exec(output)?.[1];
  const summary = /avg\s+min\s+p50\s+p95\s+p99\s+max\s+([\d. ]+)/.exec(output)?.[1];
  if (throughput === undefined || summary === undefined) {
    throw new Error(`redis-benchmark printed no summary:\n${output.slice(-1000)}`);
  }
  const [, , p50Millis = NaN, , p99Millis = NaN, maxMillis = NaN] = summary.trim().split(/\s+/).map(Number);
  const steps = output.matchAll(/([\d.]+)% <= ([\d.]+) milliseconds/g);
  const step = [...steps].find(([, percent]) => Number(percent) >= 99.9);
  return {
    requestsPerSecond: Number(throughput),
    p50Millis,
    p99Millis,
    p999Millis: Number(step?.[2] ?? NaN),
    maxMillis,
  };
}

async function outputOf(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      const output = Buffer.concat(chunks).toString();
      if (code === 0) resolve(output);
      else reject(new Error(`${program} ended with ${code}:\n${output.slice(-1000)}`));
    });
  });
}

async function runOwnGenerator(load: Load): Promise<LoadResult> {
  const child = startWorker<Load, LoadResult>(new URL('./load-worker.js', import.meta.url), load);
  return child.result;
}

export interface Worker<Result> {
  /** Its answer; rejects when it ends without one. */
  readonly result: Promise<Result>;
  readonly pid: number;
  /** Asks it to finish and to answer. */
  readonly finish: () => void;
}

/** Starts a script in a process of its own that gets `job` and sends one answer. */
export function startWorker<Job extends object, Result>(script: URL, job: Job): Worker<Result> {
  const child = fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const result = new Promise<Result>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Result));
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(new Error(`${script.pathname} ended with ${code} before it answered`)),
    );
  });
  // It may fail long before anyone awaits it; the failure is reported there.
  result.catch(() => undefined);
  child.send(job);
  return {
    result,
    pid: child.pid ?? 0,
    finish: () => {
      if (child.connected) child.send('finish');
    },
  };
}

/** The worker's side of `startWorker`. */
export function workerJob<Job>(): Promise<{ readonly job: Job; readonly finished: Promise<void> }> {
  process.once('disconnect', () => process.exit(1));
  return new Promise((resolve) => {
    process.once('message', (job) => {
      const finished = new Promise<void>((done) => process.once('message', () => done()));
      resolve({ job: job as Job, finished });
    });
  });
}

/** Ends the worker with its answer. */
export function workerAnswer(result: object): void {
  process.send?.(result, () => process.exit(0));
}
