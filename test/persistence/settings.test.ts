/** Persistence switched while the server runs. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onEveryImplementation, forEachTransport } from '../support/implementations.ts';
import { directoryFor, filesOf, kill, rewriteDone, saveDone, startOn } from '../support/persistent-server.ts';
import type { RespClient } from '../support/resp-client.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { infoField } from '../support/server-info.ts';
import { waitUntil } from '../support/wait-until.ts';

const OFF = ['--appendonly', 'no', '--save', ''];
const ON = ['--appendonly', 'yes', '--appendfsync', 'always'];
const WRITERS = 4;

/** Clients that raise a counter each until they are told to stop. */
class Load {
  readonly counts: number[] = Array.from({ length: WRITERS }, () => 0);
  #isOver = false;
  readonly #done: Promise<void[]>;

  constructor(clients: readonly RespClient[]) {
    this.#done = Promise.all(clients.map((client, index) => this.#write(client, index)));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  /** Waits until each has got on. */
  async goesOn(): Promise<void> {
    const before = [...this.counts];
    await waitUntil('writers go on', () => this.counts.every((count, index) => count > before[index]!));
  }

  async #write(client: RespClient, index: number): Promise<void> {
    while (!this.#isOver) {
      const reply = await client.text('INCR', `counter${index}`);
      this.counts[index] = Number(reply.slice(1));
    }
    client.close();
  }
}

async function loadOn(server: ServerProcess): Promise<Load> {
  return new Load(await Promise.all(Array.from({ length: WRITERS }, () => server.connect())));
}

async function countsOf(server: ServerProcess): Promise<number[]> {
  const client = await server.connect();
  const counts: number[] = [];
  for (let index = 0; index < WRITERS; index++) {
    counts.push(Number((await client.text('GET', `counter${index}`)).slice(1, -1)));
  }
  client.close();
  return counts;
}

onEveryImplementation('CONFIG SET appendonly yes under load', async (implementation, context) => {
  const directory = directoryFor(context);
  const server = await startOn(context, implementation, directory, OFF);
  const admin = await server.connect();
  await admin.command('CONFIG', 'SET', 'appendfsync', 'always');
  const load = await loadOn(server);
  await load.goesOn();

  assert.equal(await admin.text('CONFIG', 'SET', 'appendonly', 'yes'), '+OK');
  await rewriteDone(admin);
  await load.goesOn();
  await load.stop();
  admin.close();
  await kill(server);

  assert.match(filesOf(directory).manifestText(), /type b\n.*type i\n/);
  const second = await startOn(context, implementation, directory, ON);
  assert.deepEqual(await countsOf(second), load.counts);
  await kill(second);
});

onEveryImplementation(
  'CONFIG SET appendonly off and on again under load',
  async (implementation, context) => {
    const directory = directoryFor(context);
    const server = await startOn(context, implementation, directory, ON);
    const admin = await server.connect();
    const load = await loadOn(server);

    for (let round = 0; round < 3; round++) {
      await load.goesOn();
      assert.equal(await admin.text('CONFIG', 'SET', 'appendonly', 'no'), '+OK');
      assert.equal(await infoField(admin, 'aof_enabled'), '0');
      await load.goesOn();
      assert.equal(await admin.text('CONFIG', 'SET', 'appendonly', 'yes'), '+OK');
      assert.equal(await infoField(admin, 'aof_enabled'), '1');
    }
    await rewriteDone(admin);
    await load.goesOn();
    await load.stop();
    admin.close();
    await kill(server);

    const second = await startOn(context, implementation, directory, ON);
    assert.deepEqual(await countsOf(second), load.counts);
    await kill(second);
  },
);

onEveryImplementation(
  'switched off and on at once, while the first rewrite runs',
  async (implementation, context) => {
    const directory = directoryFor(context);
    const server = await startOn(context, implementation, directory, OFF);
    const admin = await server.connect();
    await admin.command('CONFIG', 'SET', 'appendfsync', 'always');
    const load = await loadOn(server);

    await admin.pipeline(
      ['yes', 'no', 'yes', 'no', 'yes'].map((value) => ['CONFIG', 'SET', 'appendonly', value]),
    );
    await rewriteDone(admin);
    await load.goesOn();
    await rewriteDone(admin);
    await load.stop();
    assert.equal(await infoField(admin, 'aof_enabled'), '1');
    admin.close();
    await kill(server);

    const second = await startOn(context, implementation, directory, ON);
    assert.deepEqual(await countsOf(second), load.counts);
    await kill(second);
  },
);

forEachTransport('CONFIG SET appendonly yes that fails leaves it off', async (implementation, context) => {
  const directory = directoryFor(context);
  const server = await startOn(context, implementation, directory, OFF);
  const client = await server.connect();
  await client.command('SET', 'key', 'value');
  // Where the files should go there is a file.
  const obstacle = join(directory, 'appendonlydir');
  writeFileSync(obstacle, 'in the way');

  assert.match(await client.text('CONFIG', 'SET', 'appendonly', 'yes'), /^-ERR .*Unable to turn on AOF/);

  assert.equal(await client.text('CONFIG', 'GET', 'appendonly'), '*["appendonly", "no"]');
  assert.equal(await infoField(client, 'aof_enabled'), '0');
  rmSync(obstacle);
  mkdirSync(obstacle);
  assert.equal(await client.text('SET', 'key', 'new'), '+OK');
  await client.command('BGSAVE');
  await saveDone(client);
  assert.equal(await infoField(client, 'aof_enabled'), '0');
  assert.equal(filesOf(directory).manifestText(), '', 'it is not turned on later by itself');
  assert.equal(await client.text('CONFIG', 'SET', 'appendonly', 'yes'), '+OK');
  await rewriteDone(client);
  client.close();
  await kill(server);

  const second = await startOn(context, implementation, directory, ON);
  const other = await second.connect();
  assert.equal(await other.text('GET', 'key'), '"new"');
  other.close();
  await kill(second);
});

onEveryImplementation('CONFIG SET appendfsync under load', async (implementation, context) => {
  const directory = directoryFor(context);
  const server = await startOn(context, implementation, directory, [
    '--appendonly',
    'yes',
    '--appendfsync',
    'no',
  ]);
  const admin = await server.connect();
  const load = await loadOn(server);

  for (const policy of ['everysec', 'always', 'no', 'always']) {
    await load.goesOn();
    assert.equal(await admin.text('CONFIG', 'SET', 'appendfsync', policy), '+OK');
  }
  await load.goesOn();
  await load.stop();
  admin.close();
  await kill(server);

  const second = await startOn(context, implementation, directory, ON);
  assert.deepEqual(await countsOf(second), load.counts);
  await kill(second);
});

onEveryImplementation('a rewrite by itself when the file has grown', async (implementation, context) => {
  const directory = directoryFor(context);
  const server = await startOn(context, implementation, directory, [
    ...ON,
    '--auto-aof-rewrite-min-size',
    '64kb',
  ]);
  const client = await server.connect();
  const value = 'x'.repeat(4096);

  let count = 0;
  await waitUntil('a rewrite is done', async () => {
    for (let more = 0; more < 10; more++) await client.command('SET', 'key', `${++count}:${value}`);
    return Number(await infoField(client, 'aof_rewrites')) > 0;
  });
  await client.command('SET', 'key', `last:${value}`);

  client.close();
  await kill(server);
  const second = await startOn(context, implementation, directory, ON);
  const other = await second.connect();
  assert.equal(await other.text('GETRANGE', 'key', '0', '4'), '"last:"');
  other.close();
  await kill(second);
});
