/** Directories that a real Redis has written, loaded by us: equal content. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LoadedStore, DATABASES } from '../../test/support/loading.ts';
import { describeReply, type Argument, type RespClient } from '../../test/support/resp-client.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { redisSkipReason, startRedis } from '../../test/support/server-process.ts';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { systemClock } from '../util/clock.ts';
import { nodeDisk } from './node-disk.ts';
import type { RecoveryOptions } from './recovery.ts';

const skip = redisSkipReason();
const FAR_AWAY_MILLIS = 4_102_444_800_000;
const POLL_MILLIS = 10;
const COMMANDS = 3000;
const KEYS = 800;

function randomValue(random: SeededRandom): Argument {
  switch (random.integer(0, 5)) {
    case 0:
      return random.bytes(random.integer(0, 60));
    case 1:
      return 'word '.repeat(random.integer(1, 2000));
    case 2:
      return random.pick([0, 127, -128, 40_000, 2 ** 31, -(2 ** 33), '9223372036854775807', '007', '']);
    default:
      return random.integer(-1000, 1000);
  }
}

function randomCommand(random: SeededRandom): Argument[] {
  const key = `key:${random.integer(0, KEYS - 1)}`;
  const expiry = FAR_AWAY_MILLIS + random.integer(0, 10 ** 6);
  switch (random.integer(0, 11)) {
    case 0:
      return ['SELECT', random.integer(0, DATABASES - 1)];
    case 1:
      return ['DEL', key];
    case 2:
      return ['APPEND', key, randomValue(random)];
    case 3:
      return ['SETRANGE', key, random.integer(0, 100), randomValue(random)];
    case 4:
      return ['PEXPIREAT', key, expiry];
    case 5:
      return ['SET', key, randomValue(random), 'PXAT', expiry];
    case 6:
      return ['MSET', key, randomValue(random), `${key}:other`, randomValue(random)];
    case 7:
      return ['INCRBYFLOAT', `float:${random.integer(0, 9)}`, '0.1'];
    default:
      return ['SET', key, randomValue(random)];
  }
}

async function write(client: RespClient, random: SeededRandom): Promise<void> {
  const commands: Argument[][] = [];
  for (let i = 0; i < COMMANDS; i++) {
    const isUnit = random.chance(0.05);
    if (isUnit) commands.push(['MULTI']);
    for (let left = isUnit ? 3 : 1; left > 0; left--) commands.push(randomCommand(random));
    if (isUnit) commands.push(['EXEC']);
  }
  for (const reply of await client.pipeline(commands)) assert.doesNotMatch(describeReply(reply), /^-/);
  await client.command('SELECT', 0);
}

async function rewrite(client: RespClient): Promise<void> {
  await client.command('BGREWRITEAOF');
  for (;;) {
    const reply = await client.command('INFO', 'persistence');
    assert.ok(reply.kind === 'scalar');
    const info = reply.bytes.toString();
    if (/aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info)) return;
    await sleep(POLL_MILLIS);
  }
}

/** What a real Redis holds when it is stopped, and we hold when we have loaded its directory. */
async function compare(
  context: TestContext,
  args: readonly string[],
  options: Partial<RecoveryOptions>,
  actions: (client: RespClient, random: SeededRandom) => Promise<void>,
): Promise<void> {
  const seed = SeededRandom.newSeed();
  context.diagnostic(`seed ${seed}`);
  const directory = temporaryDirectory();
  const store = new LoadedStore(systemClock);
  try {
    const server = await startRedis(['--dir', directory.path, '--enable-debug-command', 'yes', ...args]);
    let digest = '';
    const expiries = new Map<string, string>();
    try {
      const client = await server.connect();
      await actions(client, new SeededRandom(seed));
      digest = (await client.text('DEBUG', 'DIGEST')).replace(/^\+/, '');
      for (let database = 0; database < DATABASES; database++) {
        await client.command('SELECT', database);
        const keys = Array.from({ length: KEYS }, (_, i) => `key:${i}`);
        const times = await client.pipeline(keys.map((key) => ['PEXPIRETIME', key]));
        for (const [index, reply] of times.entries()) {
          const time = describeReply(reply);
          if (!time.startsWith(':-')) expiries.set(`${database} ${keys[index]}`, time);
        }
      }
      client.close();
    } finally {
      await server.stop();
    }
    store.load(nodeDisk, directory.path, options);
    assert.equal(store.digest(), digest);
    assert.ok(expiries.size > 10);
    for (const [place, time] of expiries) {
      const [index, name] = place.split(' ');
      const key = Buffer.from(name!);
      const database = store.keyspace.databases[Number(index)]!;
      assert.equal(`:${database.expiryOf(database.find(key, 0, key.length))}`, time);
    }
    store.keyspace.checkInvariants();
  } finally {
    store.dispose();
    directory.remove();
  }
}

const RDB = ['--dbfilename', 'dump.rdb', '--appendonly', 'no'];
const AOF = ['--appendonly', 'yes', '--appendfsync', 'always'];

test('RDB of a real Redis', { skip }, (context) =>
  compare(context, RDB, { isAppendOnly: false }, async (client, random) => {
    await write(client, random);
    assert.equal(await client.text('SAVE'), '+OK');
  }),
);

for (const preamble of ['yes', 'no']) {
  test(`append-only file of a real Redis, RDB preamble: ${preamble}`, { skip }, (context) =>
    compare(context, [...AOF, '--aof-use-rdb-preamble', preamble], {}, async (client, random) => {
      await write(client, random);
      await rewrite(client);
      await write(client, random);
    }),
  );
}

test('append-only file of a real Redis that was never rewritten, with timestamps', { skip }, (context) =>
  compare(context, [...AOF, '--aof-timestamp-enabled', 'yes'], {}, write),
);
