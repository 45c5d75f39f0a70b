/**
 * Long runs of the linearizability test:
 *
 *     npm run linearizability -- --histories 10000 --mode threaded --threads 2
 *
 * Exits with 1 at the first history that is not linearizable. It names its seed: the same plan runs again
 * with `--seed SEED --histories 1`, in another interleaving.
 */
import { parseArgs } from 'node:util';
import { SeededRandom } from '../support/seeded-random.ts';
import { startRedis, startServer, type ServerProcess, type Transport } from '../support/server-process.ts';
import { runHistories } from './runner.ts';

const USAGE = `npm run linearizability -- [options]
  --histories N     how many (10000)
  --seed N          start of the random sequence (random)
  --io epoll|node   transport of our server (epoll); "redis" judges a real Redis
  --mode NAME       eventloop or threaded (eventloop)
  --threads N       threads of a fixed pool, in threaded mode`;

const HISTORIES_PER_LINE = 1000;

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '10000' },
    seed: { type: 'string' },
    io: { type: 'string', default: 'epoll' },
    mode: { type: 'string', default: 'eventloop' },
    threads: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

const seed = values.seed === undefined ? SeededRandom.newSeed() : Number(values.seed);
const server = await start();
console.log(`seed ${seed}, ${server.name}`);
const startMillis = Date.now();
try {
  const { historyCount, operationCount, failure } = await runHistories({
    address: server.address,
    seed,
    historyCount: Number(values.histories),
    onProgress: (doneCount) => {
      if (doneCount % HISTORIES_PER_LINE === 0) console.log(`${doneCount} histories`);
    },
  });
  const seconds = ((Date.now() - startMillis) / 1000).toFixed(1);
  const counts = `${historyCount} histories, ${operationCount} operations`;
  console.log(`\n${failure ?? `${counts}, all linearizable, ${seconds} s (seed ${seed})`}`);
  process.exitCode = failure === undefined ? 0 : 1;
} finally {
  await server.stop();
}

function start(): Promise<ServerProcess> {
  if (values.io === 'redis') return startRedis();
  return startServer({
    io: values.io as Transport,
    mode: values.mode as 'eventloop' | 'threaded',
    args: values.threads === undefined ? [] : [`--threads=${values.threads}`],
  });
}
