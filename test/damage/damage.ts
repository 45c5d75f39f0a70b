/**
 * Damages files of every kind and loads them:
 *
 *     npm run damage -- --flips 100000 --seed 1
 *
 * Exits with 1 if a wrong value, a crash or a hang comes of it (damaging.ts says what may). All data is in
 * memory, no server is started.
 */
import { parseArgs } from 'node:util';
import { LoadedStore } from '../support/loading.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { cutEverywhere, fileKinds, flipBits, newTally, type FileKind, type Tally } from './damaging.ts';

const USAGE = `npm run damage -- [options]
  --flips N         damaged files in all, of every kind about as many (100000)
  --seed N          start of the random sequence (random)`;

/** Files with other data are damaged after so many of a kind. */
const FLIPS_PER_FILE = 1000;

const { values } = parseArgs({
  options: {
    flips: { type: 'string', default: '100000' },
    seed: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

const seed = values.seed === undefined ? SeededRandom.newSeed() : Number(values.seed);
const flipCount = Number(values.flips);
console.log(`seed ${seed}`);

interface Figures {
  readonly cuts: Tally;
  readonly flips: Tally;
  millis: number;
}

const store = new LoadedStore();
const random = new SeededRandom(seed);
const figures = new Map<string, Figures>();
const kindCount = fileKinds(store, random).length;
for (let left = Math.ceil(flipCount / kindCount); left > 0; left -= FLIPS_PER_FILE) {
  for (const kind of fileKinds(store, random)) damage(kind, Math.min(left, FLIPS_PER_FILE));
}
store.keyspace.checkInvariants();
store.dispose();

for (const [name, { cuts, flips, millis }] of figures) {
  console.log(`\n${name} (${(millis / 1000).toFixed(1)} s)`);
  console.log(`  cut short: ${describe(cuts)}`);
  console.log(`  flipped:   ${describe(flips)}`);
}
const cutTotal = totalOf(({ cuts }) => cuts);
const flipTotal = totalOf(({ flips }) => flips);
console.log(`\n${cutTotal} cuts, ${flipTotal} damaged files, never a wrong value (seed ${seed})`);

function damage(kind: FileKind, count: number): void {
  const { cuts, flips, millis } = figures.get(kind.name) ?? {
    cuts: newTally(),
    flips: newTally(),
    millis: 0,
  };
  const started = performance.now();
  add(cuts, cutEverywhere(kind));
  add(flips, flipBits(kind, random, count));
  figures.set(kind.name, { cuts, flips, millis: millis + performance.now() - started });
}

function add(sum: Tally, more: Tally): void {
  for (const key of Object.keys(sum) as (keyof Tally)[]) sum[key] += more[key];
}

function describe(tally: Tally): string {
  return Object.entries(tally)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}

function totalOf(part: (figures: Figures) => Tally): number {
  return [...figures.values()]
    .flatMap((each) => Object.values(part(each)))
    .reduce((sum, count) => sum + count, 0);
}
