/**
 * Long runs of the crash tests:
 *
 *     npm run crash -- --rounds 500 --policy always --io epoll     kill -9 under load
 *     npm run crash -- --simulated 10000                           a disk that fails and loses power
 *
 * Exits with 1 when something that was promised is missing. A failure names its seed.
 */
import { parseArgs } from 'node:util';
import type { FsyncPolicy } from '../../src/persistence/aof-writer-sync.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import type { Transport } from '../support/server-process.ts';
import { killAgainAndAgain } from './kill-rounds.ts';
import {
  FAULTS,
  POLICIES,
  createStores,
  failEveryOperation,
  liveThroughCrashes,
  losePowerAtEveryOperation,
} from './simulated-crashes.ts';

const USAGE = `npm run crash -- [options]
  --rounds N        how often the server is killed (500; 0 for none)
  --load MS         how long there is load before, at most (400)
  --policy NAME     its appendfsync: always, everysec or no (always)
  --io epoll|node   its transport (epoll)
  --mode NAME       eventloop or threaded (eventloop)
  --threads N       threads of a fixed pool, in threaded mode
  --simulated N     lives of a simulated server instead, and a fault at each operation of some of them
  --seed N          start of the random sequence (random)`;

/** A life in which each operation fails in turn takes as long as so many others. */
const LIVES_PER_FULL_SWEEP = 500;
const LIVES_PER_LINE = 200;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '500' },
    load: { type: 'string', default: '400' },
    policy: { type: 'string', default: 'always' },
    io: { type: 'string', default: 'epoll' },
    mode: { type: 'string', default: 'eventloop' },
    threads: { type: 'string', default: '0' },
    simulated: { type: 'string' },
    seed: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

const seed = values.seed === undefined ? SeededRandom.newSeed() : Number(values.seed);
console.log(`seed ${seed}`);
if (values.simulated === undefined) await kill(Number(values.rounds));
else simulate(Number(values.simulated));

async function kill(rounds: number): Promise<void> {
  const operationCount = await killAgainAndAgain({
    variant: {
      io: values.io as Transport,
      mode: values.mode as 'eventloop' | 'threaded',
      args: ['--threads', values.threads],
    },
    policy: values.policy as FsyncPolicy,
    rounds,
    seed,
    loadMillisMax: Number(values.load),
    onRound: (line) => console.log(line),
  });
  console.log(`\n${rounds} times killed, ${operationCount} operations, nothing lost (seed ${seed})`);
}

function simulate(lives: number): void {
  const stores = createStores();
  for (let life = 0; life < lives; life++) {
    liveThroughCrashes(stores, seed + life, 6);
    if (life % LIVES_PER_FULL_SWEEP === 0) sweep(stores, seed + life);
    if ((life + 1) % LIVES_PER_LINE === 0) console.log(`${life + 1} lives`);
  }
  stores.dispose();
  console.log(`\n${lives} lives, nothing lost (seed ${seed})`);
}

function sweep(stores: ReturnType<typeof createStores>, sweepSeed: number): void {
  for (const policy of POLICIES) {
    const options = { policy, seed: sweepSeed, stepCount: 60, crashesPerMoment: 4 };
    losePowerAtEveryOperation(stores, options);
    for (const fault of FAULTS) {
      failEveryOperation(stores, fault, false, options);
      failEveryOperation(stores, fault, true, options);
    }
  }
}
