/**
 * A server's persistence on a simulated disk that fails and loses power (test/support/simulated-server.ts):
 * what is recovered must be a state that was, whole units only, and nothing that was promised may be missing.
 * `npm run crash` does the long runs.
 */
import { after, test } from 'node:test';
import {
  FAULTS,
  POLICIES,
  createStores,
  failEveryOperation,
  liveThroughCrashes,
  losePowerAtEveryOperation,
} from '../../test/crash/simulated-crashes.ts';

const stores = createStores();
after(() => stores.dispose());

for (const policy of POLICIES) {
  test(`power lost before every operation, ${policy}`, () => {
    losePowerAtEveryOperation(stores, { policy, seed: 1, stepCount: 30, crashesPerMoment: 2 });
  });
  for (const fault of FAULTS) {
    test(`${fault} at every operation, once, ${policy}`, () => {
      failEveryOperation(stores, fault, false, { policy, seed: 4, stepCount: 20, crashesPerMoment: 1 });
    });
    test(`${fault} from every operation on, ${policy}`, () => {
      failEveryOperation(stores, fault, true, { policy, seed: 5, stepCount: 20, crashesPerMoment: 1 });
    });
  }
}

test('many lives with faults and crashes on one disk', () => {
  for (let seed = 1; seed <= 20; seed++) liveThroughCrashes(stores, seed, 5);
});
