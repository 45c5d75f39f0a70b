/** Where a server listens, and how it comes to an end. */
import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe } from 'node:test';
import { onEveryImplementation, onEveryMixtureToo, startFor } from './support/implementations.ts';
import { RespClient } from './support/resp-client.ts';
import { waitUntil } from './support/wait-until.ts';

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some((address) => address.address === '::1'),
);

describe('addresses', () => {
  onEveryImplementation('several IPv4 addresses', async (implementation, context) => {
    const server = await startFor(context, implementation, { args: ['--bind', '127.0.0.1 127.0.0.2'] });
    for (const host of ['127.0.0.1', '127.0.0.2']) {
      const client = await RespClient.connect({ host, port: server.port });
      assert.equal(await client.text('PING'), '+PONG');
      assert.match(await client.text('CLIENT', 'LIST'), new RegExp(`laddr=${host}:${server.port} `));
      client.close();
    }
    await assert.rejects(RespClient.connect({ host: '127.0.0.3', port: server.port }), /ECONNREFUSED/);
  });

  onEveryImplementation(
    'IPv6 beside IPv4, and an optional address that does not exist',
    async (implementation, context) => {
      if (!hasIpv6) return context.skip('no IPv6 on this machine');
      const server = await startFor(context, implementation, {
        args: ['--bind', '127.0.0.1 ::1 -192.0.2.77'],
      });
      const client = await RespClient.connect({ host: '::1', port: server.port });
      assert.equal(await client.text('SET', 'k', 'v'), '+OK');
      assert.match(await client.text('CLIENT', 'INFO'), /addr=\[::1\]:\d+ laddr=\[::1\]:\d+ /);
      const other = await server.connect();
      assert.equal(await other.text('GET', 'k'), '"v"');
      client.close();
      other.close();
    },
  );

  onEveryImplementation('a Unix socket alone, with its permissions', async (implementation, context) => {
    const args = ['--unixsocketperm', '700'];
    const server = await startFor(context, implementation, { args, unixSocket: true });
    const path = join(server.directory, 'server.sock');
    assert.equal(statSync(path).mode & 0o777, 0o700);

    const client = await server.connect();
    assert.equal(await client.text('PING'), '+PONG');
    assert.match(
      await client.text('CLIENT', 'INFO'),
      new RegExp(`addr=${path}:0 laddr=${path}:0 .* flags=U `),
    );
    client.close();

    server.signal('SIGTERM');
    await server.exited;
    assert.ok(!existsSync(path), 'the socket file is removed');
  });

  onEveryImplementation('a port in use ends the start with 1', async (implementation, context) => {
    const first = await startFor(context, implementation);
    const failed = await implementation
      .start({ args: ['--port', String(first.port)] })
      .catch((error: Error) => error);
    assert.ok(failed instanceof Error, 'the second server started');
    assert.match(failed.message, /ended with 1/);
    const place = `127\\.0\\.0\\.1:${first.port}`;
    const text = `Could not create server TCP listening socket ${place}: bind: Address already in use`;
    assert.match(failed.message, new RegExp(text));
    assert.match(failed.message, new RegExp(`Failed listening on port ${first.port} \\(TCP\\), aborting\\.`));
  });
});

describe('the end', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    onEveryImplementation(
      `${signal} stops with 0 and closes its clients`,
      async (implementation, context) => {
        const server = await startFor(context, implementation);
        const client = await server.connect();
        assert.equal(await client.text('SET', 'k', 'v'), '+OK');

        server.signal(signal);

        assert.deepEqual(await server.exited, { code: 0, signal: null });
        await client.readUntilClose();
        assert.match(server.output(), /bye bye/);
        client.close();
      },
    );
  }

  for (const words of [['SHUTDOWN'], ['SHUTDOWN', 'NOSAVE'], ['shutdown', 'nosave', 'now', 'force']]) {
    onEveryImplementation(`${words.join(' ')} stops with 0 and no reply`, async (implementation, context) => {
      const server = await startFor(context, implementation);
      const idle = await server.connect();
      const client = await server.connect();

      client.send(...words);

      assert.equal((await client.readUntilClose()).toString(), '');
      assert.deepEqual(await server.exited, { code: 0, signal: null });
      assert.equal((await idle.readUntilClose()).toString(), '');
      client.close();
      idle.close();
    });
  }

  onEveryMixtureToo(
    'a client that resets its connection leaves nothing behind',
    async (implementation, context) => {
      const server = await startFor(context, implementation);
      const control = await server.connect();
      for (let count = 0; count < 20; count += 1) {
        const client = await server.connect();
        client.send('WATCH', 'k');
        client.send('MULTI');
        client.write('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000\r\nhalf a value');
        client.socket.resetAndDestroy();
      }
      await waitUntil('only the control client is listed', async () => {
        const reply = await control.command('CLIENT', 'LIST');
        return reply.kind === 'scalar' && reply.bytes.toString().trim().split('\n').length === 1;
      });
      assert.equal(await control.text('EXISTS', 'k'), ':0');
      control.close();
    },
  );
});
