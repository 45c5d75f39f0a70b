/** LATENCY tells of what held commands up besides commands: of running servers with enough to do. */
import assert from 'node:assert/strict';
import { onEveryServer } from './support/implementations.ts';
import { keepingConfiguration } from './support/kept-configuration.ts';
import type { RespClient } from './support/resp-client.ts';
import { infoFields } from './support/server-info.ts';
import { waitUntil } from './support/wait-until.ts';

const SERVER_ARGS = ['--enable-debug-command', 'yes'];
/** The least there is: what follows takes longer on any machine. */
const SETTINGS = { 'latency-monitor-threshold': '1' };
const MANY = 20_000;

async function doctor(client: RespClient): Promise<string> {
  const reply = await client.command('LATENCY', 'DOCTOR');
  return reply.kind === 'scalar' ? reply.bytes.toString() : '';
}

async function hasEvent(client: RespClient, event: string): Promise<boolean> {
  const history = await client.command('LATENCY', 'HISTORY', event);
  assert.equal(history.kind, 'aggregate');
  return history.kind === 'aggregate' && history.items.length > 0;
}

onEveryServer(
  'removing many dead keys is an event',
  (server) =>
    keepingConfiguration(server, SETTINGS, async () => {
      const client = await server.connect();
      assert.equal(await client.text('DEBUG', 'SET-ACTIVE-EXPIRE', '0'), '+OK');
      await client.pipeline(Array.from({ length: MANY }, (_, i) => ['SET', `key:${i}`, 'v', 'PX', '1']));
      await client.command('LATENCY', 'RESET');
      assert.equal(await client.text('DEBUG', 'SET-ACTIVE-EXPIRE', '1'), '+OK');
      await waitUntil('they are gone', async () => (await client.text('DBSIZE')) === ':0');
      assert.ok(await hasEvent(client, 'expire-cycle'));
      client.close();
    }),
  SERVER_ARGS,
);

onEveryServer(
  'making room for much is an event',
  (server) =>
    keepingConfiguration(
      server,
      { ...SETTINGS, 'maxmemory-policy': 'allkeys-random', 'maxmemory-eviction-tenacity': '100' },
      async () => {
        const client = await server.connect();
        const used = Number((await infoFields(client, 'memory')).get('used_memory'));
        assert.equal(await client.text('DEBUG', 'POPULATE', String(MANY), 'key', '100'), '+OK');
        await client.command('LATENCY', 'RESET');
        const limit = String(used + 1024 * 1024);
        assert.equal(await client.text('CONFIG', 'SET', 'maxmemory', limit), '+OK');
        await waitUntil(
          'most are gone',
          async () => Number((await client.text('DBSIZE')).slice(1)) < MANY / 2,
        );
        assert.ok(await hasEvent(client, 'eviction-cycle'));
        assert.match(await doctor(client), /Sudden changes to the/);
        assert.equal(await client.text('CONFIG', 'SET', 'maxmemory', '0'), '+OK');
        assert.equal(await client.text('FLUSHALL'), '+OK');
        client.close();
      },
    ),
  SERVER_ARGS,
);

onEveryServer(
  'writing much to the append-only file is an event',
  (server) =>
    keepingConfiguration(server, { ...SETTINGS, appendfsync: 'no', save: '' }, async () => {
      const client = await server.connect();
      assert.equal(await client.text('CONFIG', 'SET', 'appendonly', 'yes'), '+OK');
      await waitUntil('the first rewrite is done', async () => {
        const fields = await infoFields(client, 'persistence');
        return fields.get('aof_rewrite_in_progress') === '0' && fields.get('aof_rewrite_scheduled') === '0';
      });
      await client.command('LATENCY', 'RESET');
      assert.equal(await client.text('SET', 'large', Buffer.alloc(16 * 1024 * 1024, 'x')), '+OK');
      await waitUntil('it is written', () => hasEvent(client, 'aof-write'));
      assert.ok(await hasEvent(client, 'aof-write-alone'));
      assert.match(await doctor(client), /use local disks for persistence/);
      assert.equal(await client.text('CONFIG', 'SET', 'appendonly', 'no'), '+OK');
      client.close();
    }),
  SERVER_ARGS,
);

onEveryServer(
  'serving a client that has waited is an event of its own',
  (server) =>
    keepingConfiguration(server, SETTINGS, async () => {
      const [client, waiting] = [await server.connect(), await server.connect()];
      await client.command('LATENCY', 'RESET');
      const id = (await waiting.text('CLIENT', 'ID')).slice(1);
      waiting.send('BLMPOP', '0', '1', 'list', 'LEFT', 'COUNT', String(4 * MANY));
      await waitUntil('it waits', async () =>
        (await client.text('CLIENT', 'LIST', 'ID', id)).includes(' flags=b '),
      );
      const push = ['RPUSH', 'list', ...Array.from({ length: MANY / 10 }, (_, i) => `element ${i}`)];
      await client.pipeline([['MULTI'], ...Array.from({ length: 40 }, () => push), ['EXEC']]);
      await waiting.readReply();
      assert.ok(await hasEvent(client, 'command-unblocking'));
      for (const each of [client, waiting]) each.close();
    }),
  SERVER_ARGS,
);
