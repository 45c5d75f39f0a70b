/** Threads of threaded mode: how many there are, and what is left of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readMappingsMax, threadsWithin } from '../../src/servers/thread-limit.ts';
import { IMPLEMENTATIONS, startFor } from '../support/implementations.ts';
import type { RespClient } from '../support/resp-client.ts';
import { infoField } from '../support/server-info.ts';
import { waitUntil } from '../support/wait-until.ts';
import { comeAndGo } from './come-and-go.ts';

const CLIENTS = 20;
const ROUNDS = 3;
/** Supervisor, keeper and persistence thread. */
const FIXED_THREADS = 3;

const threaded = IMPLEMENTATIONS.filter(({ variant }) => variant?.mode === 'threaded');
const perClient = threaded.filter(({ isThreadPerClient }) => isThreadPerClient);

const noProc = process.platform !== 'linux' && 'it counts in /proc';

/** All at once, for most of the time each waits for threads to end that have nothing to do. */
describe('clients that come and go leave nothing behind', { concurrency: true }, () => {
  for (const implementation of threaded) {
    test(implementation.name, { skip: implementation.skip || noProc }, async (context) => {
      const server = await startFor(context, implementation);
      await comeAndGo(server, { clientCount: CLIENTS, roundCount: ROUNDS });
    });
  }
});

for (const implementation of perClient) {
  const { name, skip } = implementation;

  test(
    `each client has a thread, the next one a thread that is free [${name}]`,
    { skip },
    async (context) => {
      const server = await startFor(context, implementation);
      const first = await server.connect();
      await first.command('PING');
      const before = await threadCount(first);
      const others = await Promise.all([1, 2, 3].map(() => server.connect()));
      for (const other of others) await other.command('PING');
      const during = await threadCount(first);
      assert.ok(during >= before + 2, `${before} threads became ${during} with three more clients`);

      for (const other of others) other.close();
      await waitUntil('they have left', async () => (await infoField(first, 'connected_clients')) === '1');
      const next = await server.connect();
      await next.command('PING');
      assert.equal(await threadCount(first), during, 'a warm thread serves the next client');
      next.close();
      first.close();
    },
  );

  test(`one client more than max-threads is told so and closed [${name}]`, { skip }, async (context) => {
    const server = await startFor(context, implementation, { args: ['--max-threads', '2'] });
    const clients = [await server.connect(), await server.connect()];
    for (const client of clients) assert.equal(await client.text('PING'), '+PONG');
    assert.equal(await threadCount(clients[0]!), FIXED_THREADS + 2);

    const refused = await server.connect();
    assert.equal((await refused.readUntilClose()).toString(), '-ERR max number of clients reached\r\n');
    refused.close();
    assert.equal(await infoField(clients[0]!, 'rejected_connections'), '1');

    clients.pop()!.close();
    await waitUntil('its thread is free', async () => {
      const next = await server.connect();
      const answer = await next.text('PING').catch(() => '');
      next.close();
      return answer === '+PONG';
    });
    clients[0]!.close();
  });
}

for (const implementation of threaded) {
  const { name, skip } = implementation;
  test(
    `no more threads than the system has room for [${name}]`,
    { skip: skip || noProc },
    async (context) => {
      const server = await startFor(context, implementation, { args: ['--max-threads', '10000'] });
      const client = await server.connect();
      const possible = threadsWithin(readMappingsMax());
      const value = String(Math.min(10_000, possible));
      assert.equal(await client.text('CONFIG', 'GET', 'max-threads'), `*["max-threads", "${value}"]`);
      assert.equal(server.output().includes('max-threads has been reduced'), possible < 10_000);
      client.close();
    },
  );
}

async function threadCount(client: RespClient): Promise<number> {
  return Number(await infoField(client, 'threads_started'));
}
