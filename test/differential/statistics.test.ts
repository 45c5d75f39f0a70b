/**
 * Random episodes on our server and on a real Redis: besides the replies, what INFO has counted of commands
 * and errors must be the same.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '../support/seeded-random.ts';
import { infoFields } from '../support/server-info.ts';
import { redisSkipReason, startRedis, startServer, type ServerProcess } from '../support/server-process.ts';
import { compareEpisode, describeStep } from './comparison.ts';
import { episodeFromSeed } from './differential.ts';
import { ADMIN_ARGS, RESTORE_ACCESS } from './grammar-access.ts';
import { GROUPS } from './grammar.ts';
import { Session } from './session.ts';

const EPISODES = 40;
const ARGS = ['--enable-debug-command', 'yes', ...ADMIN_ARGS];
const RESTORE = [
  ...RESTORE_ACCESS,
  ['FLUSHALL'],
  ['DEBUG', 'SET-ACTIVE-EXPIRE', '0'],
  ['RESET'],
  ['CONFIG', 'RESETSTAT'],
];
const COUNTED = /^(cmdstat_|errorstat_|total_error_replies$|acl_access_denied_)/;
/** How often it is called depends on the cursor: it is followed to its end. */
const ITERATING = /^cmdstat_[a-z]*scan$/;

/** What was counted since the last reset; of times only how often. */
async function counts(server: ServerProcess): Promise<Record<string, string>> {
  const client = await server.connect();
  const fields = await infoFields(client);
  client.close();
  const found: [string, string][] = [];
  for (const [name, value] of fields) {
    if (!COUNTED.test(name) || ITERATING.test(name)) continue;
    found.push([name, value.replace(/usec=\d+,usec_per_call=[\d.]+,/, '')]);
  }
  return Object.fromEntries(found);
}

test('commands and errors are counted as in Redis', { skip: redisSkipReason() }, async () => {
  let ours: ServerProcess | undefined;
  let theirs: ServerProcess | undefined;
  const pair = {
    ours: new Session(async () => (ours = await startServer({ args: ARGS })), 2, RESTORE),
    theirs: new Session(async () => (theirs = await startRedis(ARGS)), 2, RESTORE),
  };
  const seed = 4711;
  const random = new SeededRandom(seed);
  try {
    for (let i = 0; i < EPISODES; i++) {
      const episodeSeed = random.uint32();
      const units = episodeFromSeed(episodeSeed, { groups: Object.keys(GROUPS) });
      const divergence = await compareEpisode(pair, units);
      assert.equal(divergence?.signature, undefined, `episode ${episodeSeed}`);
      const [found, expected] = [await counts(ours!), await counts(theirs!)];
      const steps = () => units.flat().map(describeStep).join('\n');
      assert.deepEqual(found, expected, `seed ${seed}, episode ${episodeSeed}:\n${steps()}`);
    }
  } finally {
    await Promise.all([pair.ours.stop(), pair.theirs.stop()]);
  }
});
