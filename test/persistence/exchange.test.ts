/**
 * A directory of a real Redis 7.0 starts here with equal content, and ours starts in a real Redis: 100,000
 * random keys, compared one by one with their expiry.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { IMPLEMENTATIONS, type Implementation } from '../support/implementations.ts';
import {
  directoryFor,
  DUMP_NAME,
  filesOf,
  kill,
  rewriteDone,
  saveDone,
  startOn,
} from '../support/persistent-server.ts';
import { RandomData } from '../support/random-data.ts';
import type { RespClient } from '../support/resp-client.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { redisSkipReason } from '../support/server-process.ts';

const KEYS = 100_000;
const CHANGES = 6000;
const AOF_DIRECTORY = 'appendonlydir';

const RDB = ['--appendonly', 'no'];
/** Nothing is rewritten unless asked for: files stay where they are while they are copied. */
const AOF = ['--appendonly', 'yes', '--auto-aof-rewrite-percentage', '0'];

const skip = redisSkipReason();

/** Files at one moment, and what was in them. */
interface Copy {
  readonly name: string;
  readonly directory: string;
  readonly args: readonly string[];
  readonly data: RandomData;
}

/** Snapshot, append-only file with an RDB base, and with a base of commands; the server goes on meanwhile. */
async function writeAll(context: TestContext, implementation: Implementation): Promise<Copy[]> {
  const seed = SeededRandom.newSeed();
  context.diagnostic(`seed ${seed}`);
  const data = new RandomData(new SeededRandom(seed));
  const directory = directoryFor(context);
  const server = await startOn(context, implementation, directory, AOF);
  const client = await server.connect();
  await data.fill(client, KEYS);
  assert.ok(data.keyCount >= KEYS);

  await client.command('BGSAVE');
  await saveDone(client);
  const copies = [keep(context, 'RDB', { from: directory, path: DUMP_NAME, data })];
  for (const preamble of ['yes', 'no']) {
    assert.equal(await client.text('CONFIG', 'SET', 'aof-use-rdb-preamble', preamble), '+OK');
    await rewrite(client, data);
    await data.change(client, CHANGES);
    const name = `AOF, aof-use-rdb-preamble ${preamble}`;
    copies.push(keep(context, name, { from: directory, path: AOF_DIRECTORY, data }));
  }

  client.close();
  await kill(server);
  return copies;
}

/** Keys change while the new base is written. */
async function rewrite(client: RespClient, data: RandomData): Promise<void> {
  assert.match(await client.text('BGREWRITEAOF'), /started/);
  await data.change(client, CHANGES);
  await rewriteDone(client);
}

/** The data has been written when a reply arrives, so the files can be copied while the server runs. */
function keep(
  context: TestContext,
  name: string,
  { from, path, data }: { from: string; path: string; data: RandomData },
): Copy {
  const directory = directoryFor(context);
  cpSync(join(from, path), join(directory, path), { recursive: true });
  return { name, directory, args: path === DUMP_NAME ? RDB : AOF, data: data.copy() };
}

async function assertLoads(context: TestContext, implementation: Implementation, copy: Copy): Promise<void> {
  const server = await startOn(context, implementation, copy.directory, copy.args);
  const client = await server.connect();
  await copy.data.assertSameOn(client);
  client.close();
  await kill(server);
}

/** What Redis' own tools say. */
function assertValid({ directory, args }: Copy): void {
  const { dump, manifest } = filesOf(directory);
  const [tool, file] = args === RDB ? ['redis-check-rdb', dump] : ['redis-check-aof', manifest];
  const { status, stdout } = spawnSync(tool, [file], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
  assert.match(stdout, args === RDB ? /RDB looks OK/ : /All AOF files and manifest are valid/);
}

function implementationFor(isRedis: boolean): Implementation {
  return IMPLEMENTATIONS.find((each) => (each.name === 'redis') === isRedis && each.skip === false)!;
}

for (const writer of ['redis', 'ours'] as const) {
  const title =
    writer === 'redis' ? 'a real Redis wrote it, ours loads it' : 'ours wrote it, a real Redis loads it';
  test(title, { skip }, async (context) => {
    const copies = await writeAll(context, implementationFor(writer === 'redis'));

    for (const copy of copies) {
      await context.test(copy.name, async (each) => {
        assertValid(copy);
        await assertLoads(each, implementationFor(writer !== 'redis'), copy);
      });
    }
  });
}
