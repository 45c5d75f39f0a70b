/** A few seconds of fuzzing; `npm run fuzz` does the long runs. */
import assert from 'node:assert/strict';
import { SeededRandom } from '../support/seeded-random.ts';
import { forEachTransport } from '../support/implementations.ts';
import { runFuzz } from './fuzzing.ts';

forEachTransport('broken frames and hostile clients do no harm', async ({ name }, context) => {
  const seed = SeededRandom.newSeed();
  context.diagnostic(`seed ${seed}`);
  const io = name === 'epoll' ? 'epoll' : 'node';

  const { rounds, failures } = await runFuzz({ seed, durationMillis: 6_000, roundCount: 2, server: { io } });

  assert.deepEqual(failures, []);
  assert.equal(rounds.length, 2);
});
