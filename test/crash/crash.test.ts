/** A few rounds of killing; `npm run crash` does the long runs. */
import assert from 'node:assert/strict';
import { forEachTransport } from '../support/implementations.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { killAgainAndAgain } from './kill-rounds.ts';

const ROUNDS = 3;

for (const policy of ['always', 'everysec'] as const) {
  forEachTransport(
    `kill -9 under load loses nothing, appendfsync ${policy}`,
    async ({ variant }, context) => {
      const seed = SeededRandom.newSeed();
      context.diagnostic(`seed ${seed}`);

      const operationCount = await killAgainAndAgain({ variant: variant!, policy, rounds: ROUNDS, seed });

      assert.ok(operationCount > 0);
    },
  );
}
