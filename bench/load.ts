/** Load generators: redis-benchmark where it is installed, else a small one of our own. */
import { spawn } from 'node:child_process';
import { type LoadCommand, LoadClients } from '../src/compare/load.ts';
import { installedVersion } from '../src/compare/servers.ts';
import { benchTest, type TestName } from './tests.ts';

const NANOS_PER_MILLI = 1e6;

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
  const { command, randomCount = load.keysCount } = benchTest(load.test);
  const args: (string | number)[] = ['-p', load.port, '-n', load.requestsCount, '-P', load.pipeline];
  args.push('-c', load.clientsCount, '-r', randomCount, '-d', load.valueBytes, '--precision', 3);
  if (command === undefined) args.push('-t', load.test);
  else args.push(...command);
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

/** Tests that the own generator knows: their command, and what comes with it. */
const OWN_COMMANDS: Partial<Record<TestName, LoadCommand>> = {
  get: { name: 'GET', keyPrefix: 'key:', hasValue: false, weight: 1 },
  set: { name: 'SET', keyPrefix: 'key:', hasValue: true, weight: 1 },
  incr: { name: 'INCR', keyPrefix: 'counter:', hasValue: false, weight: 1 },
  lpush: { name: 'LPUSH', keyPrefix: 'list:', hasValue: true, weight: 1 },
  sadd: { name: 'SADD', keyPrefix: 'set:', hasValue: true, weight: 1 },
};

async function runOwnGenerator(load: Load): Promise<LoadResult> {
  const command = OWN_COMMANDS[load.test];
  if (command === undefined) throw new Error(`test ${load.test} needs redis-benchmark`);
  const { port, clientsCount, requestsCount, ...run } = load;
  const clients = await LoadClients.open(port, clientsCount, 1);
  try {
    const figures = await clients.run({ ...run, commands: [command], requestsMax: requestsCount });
    const millis = (percent: number): number => figures.histogram.percentile(percent) / NANOS_PER_MILLI;
    return {
      requestsPerSecond: figures.requestsPerSecond,
      p50Millis: millis(50),
      p99Millis: millis(99),
      p999Millis: millis(99.9),
      maxMillis: figures.histogram.max / NANOS_PER_MILLI,
    };
  } finally {
    await clients.close();
  }
}
