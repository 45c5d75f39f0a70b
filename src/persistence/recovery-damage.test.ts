/**
 * Files that end anywhere or have any bit flipped; `npm run damage` does the long runs. What may come of it:
 * test/damage/damaging.ts.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { cutEverywhere, fileKinds, flipBits } from '../../test/damage/damaging.ts';
import { LoadedStore } from '../../test/support/loading.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';

const FLIPS = 300;

const seed = SeededRandom.newSeed();
const random = new SeededRandom(seed);
const store = new LoadedStore();
after(() => store.dispose());

for (const kind of fileKinds(store, random)) {
  test(`${kind.name}: cut anywhere, and with flipped bits`, (context) => {
    context.diagnostic(`seed ${seed}`);

    const cuts = cutEverywhere(kind);
    const flips = flipBits(kind, random, FLIPS);

    assert.ok(cuts.whole > 0);
    // In a log that was never synced a damaged group looks like a torn end, which is cut off.
    assert.ok(flips.refused + flips.prefix > 0);
    store.keyspace.checkInvariants();
  });
}
