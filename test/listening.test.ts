/** CONFIG SET of `bind`, `port` and `tls-port`: where a server listens can change while it runs. */
import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server } from 'node:net';
import type { TestContext } from 'node:test';
import { freePort } from './support/free-port.ts';
import { onEveryServer } from './support/implementations.ts';
import { RespClient } from './support/resp-client.ts';
import { infoField } from './support/server-info.ts';
import type { ServerProcess } from './support/server-process.ts';

const BIND_FAILED = 'Failed to bind to specified addresses.';
const PORT_FAILED = 'Unable to listen on this port. Check server logs.';

/** A client of the server that all tests use, which listens at its port of 127.0.0.1 before and after each. */
async function start(context: TestContext, server: ServerProcess): Promise<RespClient> {
  const client = await server.connect();
  context.after(async () => {
    assert.equal(await set(client, 'bind', '127.0.0.1', 'port', server.port, 'maxmemory', 0), '+OK');
    client.close();
  });
  return client;
}

function failed(name: string, reason: string): string {
  return `-ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
}

/** Asks for a setting, and for nothing else before what it promises is looked at. */
function set(client: RespClient, ...pairs: readonly (string | number)[]): Promise<string> {
  return client.text('CONFIG', 'SET', ...pairs.map(String));
}

async function get(client: RespClient, name: string): Promise<string> {
  return client.text('CONFIG', 'GET', name);
}

async function answers(port: number, host = '127.0.0.1'): Promise<boolean> {
  const client = await RespClient.connect({ host, port }).catch(() => undefined);
  if (client === undefined) return false;
  const answer = await client.text('PING');
  client.close();
  return answer === '+PONG';
}

/** A program that has a port which the server may want. */
async function stranger(context: TestContext, host = '127.0.0.1', port = 0): Promise<number> {
  const listener: Server = createServer();
  await new Promise<void>((resolve) => listener.listen(port, host, resolve));
  context.after(() => listener.close());
  return (listener.address() as AddressInfo).port;
}

onEveryServer('CONFIG SET port: at once, and who is connected stays', async (server, context) => {
  const client = await start(context, server);
  for (let i = 0; i < 5; i++) {
    const before = Number(await infoField(client, 'tcp_port'));
    const port = await freePort();
    assert.equal(await set(client, 'port', port), '+OK');
    assert.ok(await answers(port), 'the new port');
    assert.ok(!(await answers(before)), 'the old one');
    assert.equal(await get(client, 'port'), `*["port", "${port}"]`);
    assert.equal(await infoField(client, 'tcp_port'), String(port));
  }
  assert.equal(await client.text('SET', 'key', 'value'), '+OK');

  // Without a port there are only those who are connected.
  const port = Number(await infoField(client, 'tcp_port'));
  assert.equal(await set(client, 'port', 0), '+OK');
  assert.ok(!(await answers(port)));
  assert.equal(await client.text('GET', 'key'), '"value"');
  assert.equal(await set(client, 'port', server.port), '+OK');
  assert.ok(await answers(server.port));
});

onEveryServer('CONFIG SET bind: other addresses of this machine', async (server, context) => {
  const client = await start(context, server);
  const { port } = server;
  assert.equal(await set(client, 'bind', '127.0.0.1 127.0.0.2'), '+OK');
  assert.ok(await answers(port, '127.0.0.2'));
  const other = await RespClient.connect({ host: '127.0.0.2', port });
  assert.equal(await set(other, 'bind', '127.0.0.1'), '+OK');
  assert.ok(!(await answers(port, '127.0.0.2')));
  assert.equal(await other.text('PING'), '+PONG', 'who is connected stays');

  // All addresses and a single one exclude each other.
  assert.equal(await set(other, 'bind', '*'), '+OK');
  assert.ok(await answers(port, '127.0.0.2'));
  assert.equal(await set(client, 'bind', '127.0.0.2 -192.0.2.1'), '+OK');
  assert.ok(await answers(port, '127.0.0.2'));
  assert.ok(!(await answers(port)));
  assert.equal(await get(client, 'bind'), '*["bind", "127.0.0.2 -192.0.2.1"]');

  const moved = await freePort();
  assert.equal(await set(other, 'bind', '127.0.0.1', 'port', moved, 'maxmemory', '1gb'), '+OK');
  assert.ok(await answers(moved));
  assert.ok(!(await answers(port, '127.0.0.2')));

  assert.equal(await set(client, 'bind', ''), '+OK');
  assert.ok(!(await answers(moved)));
  assert.equal(await set(client, 'bind', 'localhost'), '+OK');
  assert.ok(await answers(moved));
  other.close();
});

onEveryServer('CONFIG SET of what cannot be had changes nothing', async (server, context) => {
  const client = await start(context, server);
  const { port } = server;
  const taken = await stranger(context);
  await stranger(context, '127.0.0.2', port);
  for (const [pairs, name, reason] of [
    [['port', taken], 'port', PORT_FAILED],
    [['maxmemory', '5mb', 'port', taken], 'port', PORT_FAILED],
    [['port', taken, 'bind', '127.0.0.1 127.0.0.3'], 'port', PORT_FAILED],
    [['bind', '127.0.0.1 127.0.0.3', 'port', taken], 'bind', BIND_FAILED],
    [['bind', '127.0.0.1 127.0.0.2'], 'bind', BIND_FAILED],
    // Only what is no address of this machine can be done without.
    [['bind', '127.0.0.1 -127.0.0.2'], 'bind', BIND_FAILED],
    [['bind', '192.0.2.1'], 'bind', BIND_FAILED],
    [['bind', '127.0.0.1 no-such-host.invalid'], 'bind', BIND_FAILED],
  ] as const) {
    assert.equal(await set(client, ...pairs), failed(name, reason), pairs.join(' '));
    assert.equal(await get(client, 'port'), `*["port", "${port}"]`);
    assert.equal(await get(client, 'bind'), '*["bind", "127.0.0.1"]');
    assert.equal(await get(client, 'maxmemory'), '*["maxmemory", "0"]');
    assert.ok(await answers(port), pairs.join(' '));
    assert.ok(!(await answers(port, '127.0.0.3')));
  }
  assert.match(
    server.output(),
    new RegExp(
      `Could not create server TCP listening socket 127\\.0\\.0\\.1:${taken}: bind: Address already`,
    ),
  );
  assert.match(server.output(), /listening socket 192\.0\.2\.1:\d+: bind: Cannot assign requested address/);
  assert.match(server.output(), /listening socket no-such-host\.invalid.*: Name or service not known/);

  // A hook that fails later takes it back.
  const free = await freePort();
  const both = ['port', free, 'dir', '/no-such-directory'];
  assert.match(await set(client, ...both), /^-ERR CONFIG SET failed \(possibly related to argument 'dir'\)/);
  assert.ok(!(await answers(free)));
  assert.ok(await answers(port));
});

onEveryServer('CONFIG SET port in a transaction', async (server, context) => {
  const client = await start(context, server);
  const port = await freePort();
  await client.command('DEL', 'key');
  await client.command('MULTI');
  await client.command('INCR', 'key');
  await set(client, 'port', port);
  await client.command('INCR', 'key');
  assert.equal(await client.text('EXEC'), '*[:1, +OK, :2]');
  assert.ok(await answers(port));
  assert.ok(!(await answers(server.port)));
});
