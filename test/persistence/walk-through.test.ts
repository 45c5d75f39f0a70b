/**
 * The walk through persistence that somebody takes by hand, with the settings that the server comes with:
 * append-only file, `dump.json`.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { forEachTransport, startFor, type Implementation } from '../support/implementations.ts';
import { directoryFor, filesOf, kill, rewriteDone, saveDone } from '../support/persistent-server.ts';
import type { RespClient } from '../support/resp-client.ts';
import { infoField } from '../support/server-info.ts';
import type { ServerProcess } from '../support/server-process.ts';
import type { TestContext } from 'node:test';
import { waitUntil } from '../support/wait-until.ts';

interface Session {
  readonly server: ServerProcess;
  readonly client: RespClient;
}

async function open(
  context: TestContext,
  implementation: Implementation,
  directory: string,
  args: readonly string[] = [],
): Promise<Session> {
  const server = await startFor(context, implementation, {
    args: ['--dir', directory, '--appendonly', 'yes', ...args],
  });
  const client = await server.connect();
  await waitUntil('the data is loaded', async () => (await client.text('PING')) === '+PONG');
  return { server, client };
}

/** As Ctrl-C and `kill` end it. */
async function end({ server, client }: Session): Promise<void> {
  client.close();
  server.signal('SIGTERM');
  assert.equal((await server.exited).code, 0);
}

async function run(client: RespClient, ...lines: readonly string[]): Promise<void> {
  for (const line of lines) assert.doesNotMatch(await client.text(...line.split(' ')), /^-/, line);
}

forEachTransport('set, save, change, rewrite, stop, start', async (implementation, context) => {
  const directory = directoryFor(context);
  const first = await open(context, implementation, directory);
  await run(
    first.client,
    'SET user:1 alice',
    'SET user:2 bob',
    'SET visits 41',
    'SET session x PXAT 4102444800000',
  );
  await run(first.client, 'BGSAVE');
  await saveDone(first.client);
  await run(first.client, 'INCR visits', 'DEL user:2', 'SET user:3 carol', 'BGREWRITEAOF');
  await rewriteDone(first.client);
  await run(first.client, 'APPEND user:3 !');
  await end(first);
  const snapshot = JSON.parse(readFileSync(join(directory, 'dump.json'), 'utf8'));
  assert.equal(snapshot.metadata.key_count, 4);
  assert.equal(snapshot.data['user:2'], 'bob');

  const second = await open(context, implementation, directory);
  assert.match(second.server.output(), /Loading data from AOF file/);
  assert.equal(
    await second.client.text('MGET', 'user:1', 'user:2', 'user:3', 'visits', 'session'),
    '*["alice", (nil), "carol!", "42", "x"]',
  );
  assert.equal(await second.client.text('PEXPIRETIME', 'session'), ':4102444800000');
  assert.equal(await second.client.text('DBSIZE'), ':4');
  await end(second);

  rmSync(join(directory, 'appendonlydir'), { recursive: true });
  const third = await open(context, implementation, directory);
  assert.match(third.server.output(), /Loading data from snapshot/);
  assert.equal(
    await third.client.text('MGET', 'user:1', 'user:2', 'user:3', 'visits', 'session'),
    '*["alice", "bob", (nil), "41", "x"]',
  );
  assert.equal(await third.client.text('PEXPIRETIME', 'session'), ':4102444800000');
  await end(third);
});

forEachTransport('the log is rewritten when it has grown enough', async (implementation, context) => {
  const directory = directoryFor(context);
  const session = await open(context, implementation, directory, ['--auto-aof-rewrite-min-size', '64kb']);
  const value = 'x'.repeat(1000);
  const isRewritten = () => filesOf(directory).manifestText().includes('.2.base.');

  let count = 0;
  await waitUntil('a second base is there', async () => {
    await session.client.pipeline(Array.from({ length: 100 }, () => ['SET', 'key', `${value}${count++}`]));
    return isRewritten();
  });
  await rewriteDone(session.client);

  assert.match(session.server.output(), /Starting automatic rewriting of AOF on \d+% growth/);
  assert.equal(await infoField(session.client, 'aof_last_bgrewrite_status'), 'ok');
  assert.ok(!existsSync(filesOf(directory).increment(1)), 'what the base replaces is deleted');
  session.client.close();
  await kill(session.server);
  const second = await open(context, implementation, directory);
  assert.equal(
    await second.client.text('GET', 'key'),
    `"${value}${count - 1}"`.slice(0, 301) + `"… (${1000 + String(count - 1).length} bytes)`,
  );
  await end(second);
});
