/** A few seconds of fuzzing; `npm run fuzz` does the long runs. */
import assert from 'node:assert/strict';
import { SeededRandom } from '../support/seeded-random.ts';
import { forEachTransport } from '../support/implementations.ts';
import { runCommandFuzz } from './command-fuzzing.ts';
import { runFuzz } from './fuzzing.ts';

forEachTransport('broken frames and hostile clients do no harm', async ({ variant }, context) => {
  const seed = SeededRandom.newSeed();
  context.diagnostic(`seed ${seed}`);

  const { rounds, failures } = await runFuzz({
    seed,
    durationMillis: 2_000,
    roundCount: 2,
    server: variant!,
  });

  assert.deepEqual(failures, []);
  assert.equal(rounds.length, 2);
});

/** `fuzz.js --attack commands` takes others. */
const COMMANDS_SEED = 12;

forEachTransport('commands of any kind, in any order, do no harm', async ({ variant }) => {
  const { rounds, failures } = await runCommandFuzz({
    seed: COMMANDS_SEED,
    durationMillis: 2_000,
    roundCount: 2,
    server: variant!,
  });

  assert.deepEqual(failures, []);
  assert.equal(rounds.length, 2);
});
