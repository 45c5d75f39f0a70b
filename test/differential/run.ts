/**
 * Compares our server with a real Redis on random commands:
 *
 *     node dist/test/differential/run.js --commands 200000 --seed 1 --protocol 3 --io epoll --keep-going
 *
 * Exits with 1 if replies differ. With --keep-going each distinct divergence is shown once, and all are
 * counted.
 */
import { parseArgs } from 'node:util';
import { SeededRandom } from '../support/seeded-random.ts';
import { redisSkipReason, type ServerOptions, type Transport } from '../support/server-process.ts';
import { describeFinding, runDifferential } from './differential.ts';
import { GROUPS } from './grammar.ts';

const USAGE = `node dist/test/differential/run.js [options]
  --commands N      how many commands (200000)
  --seed N          start of the random sequence (random)
  --episode N       only this episode, over and over (a finding names its seed)
  --protocol 2|3    RESP version (2)
  --io epoll|node   transport of our server (epoll); "redis" compares Redis with itself
  --mode NAME       eventloop or threaded
  --threads N       threads of a fixed pool, in threaded mode
  --clients N       so many episodes at a time, each on keys of its own (1)
  --groups A,B      only these: ${Object.keys(GROUPS).join(', ')}
  --exclude A,B     leave out commands (LCS, CLIENT|LIST)
  --keep-going      show each distinct divergence once, count all`;

const { values } = parseArgs({
  options: {
    commands: { type: 'string', default: '200000' },
    seed: { type: 'string' },
    episode: { type: 'string' },
    protocol: { type: 'string', default: '2' },
    io: { type: 'string', default: 'epoll' },
    mode: { type: 'string' },
    threads: { type: 'string', default: '0' },
    clients: { type: 'string', default: '1' },
    groups: { type: 'string' },
    exclude: { type: 'string' },
    'keep-going': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const skipReason = redisSkipReason();
if (skipReason) {
  console.error(`Nothing to compare with: ${skipReason}`);
  process.exit(1);
}

const seed = values.seed === undefined ? SeededRandom.newSeed() : Number(values.seed);
const server: ServerOptions = {
  io: values.io as Transport,
  ...(values.mode !== undefined && { mode: values.mode as 'eventloop' | 'threaded' }),
  args: ['--threads', values.threads],
};
console.log(`seed ${seed}, RESP${values.protocol}, ${values.io}`);

const startMillis = Date.now();
const result = await runDifferential({
  seed,
  commandCount: Number(values.commands),
  clientCount: Number(values.clients),
  protocol: values.protocol === '3' ? 3 : 2,
  ...(values.episode !== undefined && { episodeSeed: Number(values.episode) }),
  ...(values.io !== 'redis' && { server }),
  ...(values.groups !== undefined && { groups: values.groups.split(',') }),
  excluded: values.exclude?.split(',') ?? [],
  keepGoing: values['keep-going'],
  onFinding: (finding) => console.log(`\n${describeFinding(finding)}`),
}).catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});

const seconds = ((Date.now() - startMillis) / 1000).toFixed(1);
const count = result.findings.length;
console.log(
  `\n${result.commandCount} commands in ${seconds} s, ${count} distinct divergences (seed ${seed})`,
);
for (const finding of result.findings.toSorted((left, right) => right.count - left.count)) {
  console.log(`${String(finding.count).padStart(6)} × ${finding.signature}`);
}
for (const crash of result.crashes) console.log(`\nOUR SERVER ENDED BY ITSELF. Its last output:\n${crash}`);
process.exitCode = result.findings.length + result.crashes.length > 0 ? 1 : 0;
