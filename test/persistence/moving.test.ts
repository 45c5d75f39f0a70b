/** Moving from Redis and back, by the steps of docs/from-redis.md. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { DUMP_NAME, directoryFor } from '../support/persistent-server.ts';
import type { RespClient } from '../support/resp-client.ts';
import { infoFields } from '../support/server-info.ts';
import { MAIN_PATH } from '../../src/compare/servers.ts';
import { redisSkipReason, startRedis, startServer, type ServerProcess } from '../support/server-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const skip = redisSkipReason();
const AOF_DIRECTORY = 'appendonlydir';
const MANIFEST = join(AOF_DIRECTORY, 'appendonly.aof.manifest');
const COMMON = ['--enable-debug-command', 'yes'];

type Start = (args: readonly string[]) => Promise<ServerProcess>;
const startOurs: Start = (args) => startServer({ args });

interface Running {
  readonly server: ServerProcess;
  readonly client: RespClient;
  readonly directory: string;
}

/** Starts a server with what is in a directory. */
async function startIn(
  context: TestContext,
  start: Start,
  directory: string,
  ...args: string[]
): Promise<Running> {
  const server = await start(['--dir', directory, ...COMMON, ...args]);
  context.after(() => server.stop());
  const client = await server.connect();
  await waitUntil('the data is loaded', async () => (await client.text('PING')) === '+PONG');
  return { server, client, directory };
}

/** Values of every type, and a time to live. */
async function fill(client: RespClient): Promise<void> {
  const lines = [
    'SET user:1 alice',
    'SET session x EX 10000',
    'RPUSH list a b c',
    'SADD set a b c',
    'SADD numbers 1 2 3',
    'HSET hash field value',
    'ZADD sorted 1 a 2.5 b',
    'XADD stream 1-1 field value',
    'XGROUP CREATE stream group 0',
    'PFADD visitors a b c',
    'SELECT 3',
    'SET elsewhere yes',
    'SELECT 0',
  ];
  for (const line of lines) assert.doesNotMatch(await client.text(...line.split(' ')), /^-/, line);
}

/** What tells two servers' data apart: the digest, and what the page says to compare. */
async function contents({ client }: Running): Promise<readonly string[]> {
  const keyspace = [...(await infoFields(client, 'keyspace'))].map(
    ([name, value]) => `${name} ${value.replace(/,avg_ttl=.*/, '')}`,
  );
  return [await client.text('DEBUG', 'DIGEST'), ...keyspace];
}

async function shutDown({ server, client }: Running): Promise<void> {
  client.write('SHUTDOWN SAVE\r\n');
  await client.readUntilClose();
  client.close();
  assert.equal((await server.exited).code, 0);
}

function run(file: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8' });
  assert.equal(status, 0, `${file} ${args.join(' ')}:\n${stdout}${stderr}`);
}

function runTool(...args: string[]): void {
  run(process.execPath, MAIN_PATH, ...args);
}

/** A new directory with a copy of a file or directory of another. */
function copied(context: TestContext, from: string, name: string): string {
  const directory = directoryFor(context);
  cpSync(join(from, name), join(directory, name), { recursive: true });
  return directory;
}

test('over with a snapshot, and back with one', { skip }, async (context) => {
  const redis = await startIn(context, startRedis, directoryFor(context));
  await fill(redis.client);
  const before = await contents(redis);
  await shutDown(redis);

  const place = copied(context, redis.directory, DUMP_NAME);
  runTool('check-rdb', join(place, DUMP_NAME));
  const ours = await startIn(context, startOurs, place, '--dbfilename', 'dump.json');
  assert.deepEqual(await contents(ours), before);
  assert.equal(await ours.client.text('INCR', 'counter'), ':1');
  const changed = await contents(ours);
  await shutDown(ours);

  runTool('convert', join(place, 'dump.json'), join(place, 'back.rdb'));
  const home = directoryFor(context);
  cpSync(join(place, 'back.rdb'), join(home, DUMP_NAME));
  run('redis-check-rdb', join(home, DUMP_NAME));
  const again = await startIn(context, startRedis, home);
  assert.deepEqual(await contents(again), changed);
});

test('over with an append-only file, and back with it', { skip }, async (context) => {
  const redis = await startIn(context, startRedis, directoryFor(context), '--appendonly', 'yes');
  await fill(redis.client);
  const before = await contents(redis);
  await shutDown(redis);

  const place = copied(context, redis.directory, AOF_DIRECTORY);
  runTool('check-aof', join(place, MANIFEST));
  const ours = await startIn(context, startOurs, place, '--appendonly', 'yes');
  assert.deepEqual(await contents(ours), before);
  assert.equal(await ours.client.text('INCR', 'counter'), ':1');
  const changed = await contents(ours);
  await shutDown(ours);

  const home = copied(context, place, AOF_DIRECTORY);
  run('redis-check-aof', join(home, MANIFEST));
  const again = await startIn(context, startRedis, home, '--appendonly', 'yes');
  assert.deepEqual(await contents(again), changed);
});

test(
  'beside a snapshot only, Redis with appendonly starts empty and we do not',
  { skip },
  async (context) => {
    const redis = await startIn(context, startRedis, directoryFor(context));
    await fill(redis.client);
    const before = await contents(redis);
    await shutDown(redis);

    const home = copied(context, redis.directory, DUMP_NAME);
    const empty = await startIn(context, startRedis, home, '--appendonly', 'yes');
    assert.equal(await empty.client.text('DBSIZE'), ':0');
    empty.client.close();

    const place = copied(context, redis.directory, DUMP_NAME);
    const ours = await startIn(context, startOurs, place, '--appendonly', 'yes', '--dbfilename', DUMP_NAME);
    assert.deepEqual(await contents(ours), before);

    // What the page advises for a Redis that has only a snapshot.
    const second = copied(context, redis.directory, DUMP_NAME);
    const loaded = await startIn(context, startRedis, second, '--appendonly', 'no');
    assert.equal(await loaded.client.text('CONFIG', 'SET', 'appendonly', 'yes'), '+OK');
    assert.deepEqual(await contents(loaded), before);
    await waitUntil('its append-only file is there', () => existsSync(join(second, MANIFEST)));
    for (const each of [ours, loaded]) each.client.close();
  },
);

test('single keys go over while both run', { skip }, async (context) => {
  const redis = await startIn(context, startRedis, directoryFor(context));
  const ours = await startIn(context, startOurs, directoryFor(context));
  await fill(redis.client);
  for (const key of ['user:1', 'list', 'hash', 'sorted', 'stream']) {
    const payload = await redis.client.command('DUMP', key);
    assert.ok(payload.kind === 'scalar');
    assert.equal(await ours.client.text('RESTORE', key, '0', Buffer.from(payload.bytes)), '+OK');
    const digest = (client: RespClient) => client.text('DEBUG', 'DIGEST-VALUE', key);
    assert.equal(await digest(ours.client), await digest(redis.client));
  }
  for (const each of [ours, redis]) each.client.close();
});
