/** A few seconds of the soak; `npm run soak` does the long runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IMPLEMENTATIONS } from '../support/implementations.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { runSoak } from './soaking.ts';

const DURATION_MILLIS = 5_000;

for (const { name, variant, skip } of IMPLEMENTATIONS.filter(({ name }) =>
  ['epoll', 'pool'].includes(name),
)) {
  test(`mixed load leaves the server as it was [${name}]`, { skip }, async (context) => {
    const seed = SeededRandom.newSeed();
    context.diagnostic(`seed ${seed}`);

    const { samples, keyCountAtEnd } = await runSoak({
      seed,
      durationMillis: DURATION_MILLIS,
      server: variant!,
    });

    assert.ok((samples.at(-1)?.evictedCount ?? 0) > 0);
    assert.ok(keyCountAtEnd > 0);
  });
}
