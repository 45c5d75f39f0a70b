/**
 * Attacks our server with broken frames and hostile clients, or with commands of any kind:
 *
 *     npm run fuzz -- --minutes 10 --seed 1 --io epoll
 *     npm run fuzz -- --attack commands --mode threaded --threads 2
 *
 * Exits with 1 if the server dies, hangs, leaks, or answers otherwise than a real Redis (when one is
 * installed).
 */
import { parseArgs } from 'node:util';
import { SeededRandom } from '../support/seeded-random.ts';
import { redisSkipReason, type ServerOptions, type Transport } from '../support/server-process.ts';
import { runCommandFuzz, type CommandRound } from './command-fuzzing.ts';
import { runFuzz, type Round } from './fuzzing.ts';

const USAGE = `npm run fuzz -- [options]
  --minutes N       how long (10)
  --seed N          start of the random sequence (random)
  --io epoll|node   transport of our server (epoll); "redis" attacks a real Redis
  --mode NAME       eventloop or threaded
  --threads N       serving threads in threaded mode (one per client)
  --attack NAME     frames (broken ones, and hostile clients) or commands (frames)`;

const ROUND_MILLIS = 30_000;
const ROUNDS_MIN = 3;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    io: { type: 'string', default: 'epoll' },
    mode: { type: 'string' },
    threads: { type: 'string' },
    attack: { type: 'string', default: 'frames' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

const seed = values.seed === undefined ? SeededRandom.newSeed() : Number(values.seed);
const durationMillis = Number(values.minutes) * 60_000;
const server: ServerOptions = {
  io: values.io as Transport,
  ...(values.mode !== undefined && { mode: values.mode as 'eventloop' | 'threaded' }),
  ...(values.threads !== undefined && { args: ['--threads', values.threads] }),
};
const shared = {
  seed,
  durationMillis,
  roundCount: Math.max(ROUNDS_MIN, Math.round(durationMillis / ROUND_MILLIS)),
};
console.log(`seed ${seed}, ${values.io}, ${values.minutes} minutes`);
const failures = await (values.attack === 'commands' ? attackWithCommands() : attackWithFrames());
for (const failure of failures) console.log(`\n■ ${failure}`);
console.log(`\n${failures.length} failures (seed ${seed})`);
process.exitCode = failures.length > 0 ? 1 : 0;

async function attackWithCommands(): Promise<readonly string[]> {
  const onRound = (round: CommandRound) => console.log(describeCommandRound(round));
  return (await runCommandFuzz({ ...shared, server, onRound })).failures;
}

async function attackWithFrames(): Promise<readonly string[]> {
  const skipReason = redisSkipReason();
  if (skipReason) console.log(`Replies are not compared with Redis': ${skipReason}`);
  const { failures } = await runFuzz({
    ...shared,
    ...(values.io !== 'redis' && { server }),
    onRound: (round) => console.log(describeRound(round)),
  });
  return failures;
}

function describeCommandRound({ commandCount, visitCount, usedBytes }: CommandRound): string {
  const megabytes = (usedBytes / 1024 / 1024).toFixed(2);
  return `${commandCount} commands, ${visitCount} clients so far; then quiet: ${megabytes} MB used`;
}

function describeRound(round: Round): string {
  const megabytes = (round.residentBytes / 1024 / 1024).toFixed(1);
  return (
    `${String(round.caseCount).padStart(7)} cases ${String(round.visitCount).padStart(6)} clients; ` +
    `then quiet: ${megabytes} MB resident, ${round.descriptorCount} descriptors, 1 client`
  );
}
