/**
 * Attacks our server with broken frames and hostile clients:
 *
 *     npm run fuzz -- --minutes 10 --seed 1 --io epoll
 *
 * Exits with 1 if the server dies, hangs, leaks, or answers otherwise than a real Redis (when one is
 * installed).
 */
import { parseArgs } from 'node:util';
import { SeededRandom } from '../support/seeded-random.ts';
import { redisSkipReason, type ServerOptions, type Transport } from '../support/server-process.ts';
import { runFuzz, type Round } from './fuzzing.ts';

const USAGE = `npm run fuzz -- [options]
  --minutes N       how long (10)
  --seed N          start of the random sequence (random)
  --io epoll|node   transport of our server (epoll); "redis" attacks a real Redis
  --mode NAME       eventloop or threaded`;

const ROUND_MILLIS = 30_000;
const ROUNDS_MIN = 3;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    io: { type: 'string', default: 'epoll' },
    mode: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

const seed = values.seed === undefined ? SeededRandom.newSeed() : Number(values.seed);
const durationMillis = Number(values.minutes) * 60_000;
const skipReason = redisSkipReason();
const server: ServerOptions = {
  io: values.io as Transport,
  ...(values.mode !== undefined && { mode: values.mode as 'eventloop' | 'threaded' }),
};
console.log(`seed ${seed}, ${values.io}, ${values.minutes} minutes`);
if (skipReason) console.log(`Replies are not compared with Redis': ${skipReason}`);

const { rounds, failures } = await runFuzz({
  seed,
  durationMillis,
  roundCount: Math.max(ROUNDS_MIN, Math.round(durationMillis / ROUND_MILLIS)),
  ...(values.io !== 'redis' && { server }),
  onRound: (round) => console.log(describeRound(round)),
});

const caseCount = rounds.reduce((sum, round) => sum + round.caseCount, 0);
const visitCount = rounds.reduce((sum, round) => sum + round.visitCount, 0);
for (const failure of failures) console.log(`\n■ ${failure}`);
console.log(
  `\n${caseCount} parser cases, ${visitCount} hostile clients, ${failures.length} failures (seed ${seed})`,
);
process.exitCode = failures.length > 0 ? 1 : 0;

function describeRound(round: Round): string {
  const megabytes = (round.residentBytes / 1024 / 1024).toFixed(1);
  return (
    `${String(round.caseCount).padStart(7)} cases ${String(round.visitCount).padStart(6)} clients; ` +
    `then quiet: ${megabytes} MB resident, ${round.descriptorCount} descriptors, 1 client`
  );
}
