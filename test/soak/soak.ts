/**
 * Keeps our server under mixed load and looks whether it stays as it is:
 *
 *     npm run soak -- --minutes 30 --mode threaded --threads 2
 *
 * Exits with 1 at the first wrong reply, at too much memory, or when something has grown.
 */
import { parseArgs } from 'node:util';
import { SeededRandom } from '../support/seeded-random.ts';
import type { ServerOptions, Transport } from '../support/server-process.ts';
import { runSoak, type SoakResult, type SoakSample } from './soaking.ts';

const USAGE = `npm run soak -- [options]
  --minutes N       how long (30)
  --seed N          start of the random sequence (random)
  --io epoll|node   transport of the server (epoll)
  --mode NAME       eventloop or threaded
  --threads N       serving threads in threaded mode (one per client)
  --every N         seconds between two lines of figures (10)`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string' },
    io: { type: 'string', default: 'epoll' },
    mode: { type: 'string', default: 'eventloop' },
    threads: { type: 'string' },
    every: { type: 'string', default: '10' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

const seed = values.seed === undefined ? SeededRandom.newSeed() : Number(values.seed);
const server: ServerOptions = {
  io: values.io as Transport,
  mode: values.mode as 'eventloop' | 'threaded',
  ...(values.threads !== undefined && { args: ['--threads', values.threads] }),
};
console.log(`seed ${seed}, ${values.mode} on ${values.io}, ${values.minutes} minutes`);

let lastShownSeconds = 0;
try {
  const durationMillis = Number(values.minutes) * 60_000;
  const result = await runSoak({ seed, durationMillis, server, onSample: show });
  console.log(`\n${describeResult(result)}\nno failure (seed ${seed})`);
} catch (error) {
  console.log(`\n■ ${error instanceof Error ? error.message : String(error)}\n\nfailed (seed ${seed})`);
  process.exitCode = 1;
}

function show(sample: SoakSample): void {
  if (sample.seconds - lastShownSeconds < Number(values.every)) return;
  lastShownSeconds = sample.seconds;
  console.log(
    `${sample.seconds.toFixed(0).padStart(5)} s ${String(sample.commandCount).padStart(9)} commands ` +
      `${String(sample.keyCount).padStart(6)} keys, ${sample.evictedCount} evicted, ` +
      `${sample.expiredCount} expired; ${megabytes(sample.usedBytes)} used, ` +
      `${megabytes(sample.residentBytes)} resident; ${sample.clientCount} clients, ` +
      `${sample.threadCount} threads, ${sample.descriptorCount} descriptors`,
  );
}

function describeResult(result: SoakResult): string {
  const { samples, refusals, emptyBytes, residentBytes } = result;
  const last = samples.at(-1);
  return [
    `${last?.commandCount ?? 0} commands, ${result.bgsaveCount} snapshots and ${result.rewriteCount} rewrites ` +
      `asked for, ${result.killCount} clients killed`,
    `${last?.evictedCount ?? 0} keys evicted, ${last?.expiredCount ?? 0} expired, ` +
      `${result.keyCountAtEnd} left, the same after loading either file`,
    `used when empty: ${emptyBytes.map(megabytes).join(' before, ')} after`,
    `resident: ${residentBytes.map(megabytes).join(' in the second quarter, ')} in the last`,
    ...[...refusals].map(([error, count]) => `${String(count).padStart(9)} × ${error}`),
  ].join('\n');
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
