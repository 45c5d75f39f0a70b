/** What a server refuses, and whom it cuts, to stay alive. */
import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { describe } from 'node:test';
import {
  forEachTransport,
  onEveryImplementation,
  onEveryServer,
  sharedServer,
  startFor,
} from './support/implementations.ts';
import { keepingConfiguration, type Settings } from './support/kept-configuration.ts';
import { encodeCommand, encodeReply, RespClient, type Argument } from './support/resp-client.ts';
import type { ServerProcess } from './support/server-process.ts';
import { waitUntil } from './support/wait-until.ts';

const MEGABYTE = 1024 * 1024;
const WITH_PASSWORD = ['--requirepass', 'secret'];

/** Runs a test on every server, which has these directives meanwhile. */
function withSettings(
  name: string,
  settings: Settings,
  body: (server: ServerProcess) => Promise<void>,
): void {
  onEveryServer(name, (server) => keepingConfiguration(server, settings, () => body(server)));
}

describe('connections', () => {
  onEveryImplementation('one more than maxclients is told so and closed', async (implementation, context) => {
    const server = await startFor(context, implementation, { args: ['--maxclients', '2'] });
    const first = await server.connect();
    const second = await server.connect();
    assert.ok((await isServed(first)) && (await isServed(second)), 'there is room for two');

    const third = await server.connect();

    assert.equal((await third.readUntilClose()).toString(), '-ERR max number of clients reached\r\n');
    assert.equal(await first.text('PING'), '+PONG');
    second.close();
    await waitUntil('the place is free again', async () => {
      const next = await server.connect();
      const isAccepted = await isServed(next);
      next.close();
      return isAccepted;
    });
    first.close();
    third.close();
  });

  onEveryImplementation('an idle client is closed after its timeout', async (implementation, context) => {
    const server = await startFor(context, implementation, { args: ['--timeout', '1'] });
    const client = await server.connect();
    assert.equal(await client.text('PING'), '+PONG');
    assert.equal((await client.readUntilClose()).toString(), '');
    client.close();
  });
});

describe('buffers', () => {
  withSettings(
    'a client that does not read is cut at its output limit',
    { 'client-output-buffer-limit': 'normal 2mb 0 0' },
    async (server) => {
      const control = await server.connect();
      assert.equal(await control.text('SET', 'big', Buffer.alloc(MEGABYTE, 'v')), '+OK');

      const greedy = await server.connect();
      greedy.socket.pause();
      const commands = Array.from({ length: 300 }, (): Argument[] => ['GET', 'big']);
      greedy.write(Buffer.concat(commands.map(encodeCommand)));

      await waitUntil('the greedy client is gone', async () => (await clientCount(control)) === 1);
      assert.equal(await control.text('STRLEN', 'big'), `:${MEGABYTE}`);
      greedy.close();
      control.close();
    },
  );

  forEachTransport(
    'a client that has not logged in must read its replies',
    async (implementation, context) => {
      const server = await startFor(context, implementation, { args: WITH_PASSWORD });
      const control = await server.connect();
      assert.equal(await control.text('AUTH', 'secret'), '+OK');

      const greedy = await server.connect();
      greedy.socket.pause();
      greedy.write(Buffer.from('PING\r\n'.repeat(500_000)));

      await waitUntil('it is gone', async () => (await clientCount(control)) === 1);
      greedy.close();
      control.close();
    },
  );

  withSettings(
    'a client that reads gets more than the output limit in all',
    { 'client-output-buffer-limit': 'normal 8mb 0 0' },
    async (server) => {
      const client = await server.connect();
      assert.equal(await client.text('SET', 'big', Buffer.alloc(MEGABYTE, 'v')), '+OK');
      for (let count = 0; count < 30; count += 1) {
        const reply = await client.command('GET', 'big');
        assert.ok(reply.kind === 'scalar' && reply.bytes.length === MEGABYTE);
      }
      client.close();
    },
  );

  withSettings(
    'a reply above the output limit is not sent, and the log says whose it was',
    { 'client-output-buffer-limit': 'normal 300000 0 0' },
    async (server) => {
      const client = await server.connect();
      const id = (await client.text('CLIENT', 'ID')).slice(1);
      for (const byteCount of [250_000, 400_000])
        assert.match(await client.text('SET', `k${byteCount}`, Buffer.alloc(byteCount, 'v')), /OK/);
      assert.ok(encodeReply(await client.command('GET', 'k250000')).length > 250_000);

      client.write(Buffer.concat([encodeCommand(['GET', 'k400000']), encodeCommand(['SET', 'after', 'it'])]));

      assert.equal((await client.readUntilClose()).toString(), '');
      client.close();
      const control = await server.connect();
      assert.equal(await control.text('EXISTS', 'after'), ':0');
      control.close();
      await logged(
        server,
        new RegExp(
          `Client id=${id} addr=.* cmd=get user=default redir=-1 resp=2 scheduled to be closed ASAP for` +
            ' overcoming of output buffer limits\\.',
        ),
      );
    },
  );

  withSettings(
    'the query buffer limit is for one argument, not for a command',
    { 'client-query-buffer-limit': '1mb' },
    async (server) => {
      const client = await server.connect();
      const pairs = Array.from({ length: 30 }, (_, i): Argument[] => [`k${i}`, Buffer.alloc(100_000, 'v')]);
      assert.equal(await client.text('MSET', ...pairs.flat()), '+OK');
      client.close();
    },
  );

  withSettings(
    'a command longer than the query buffer limit closes its client',
    { 'client-query-buffer-limit': '1mb' },
    async (server) => {
      const client = await server.connect();
      const id = (await client.text('CLIENT', 'ID')).slice(1);
      const control = await server.connect();

      client.write(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${4 * MEGABYTE}\r\n`);
      client.write(Buffer.alloc(3 * MEGABYTE, 'v'));

      assert.equal((await client.readUntilClose()).toString(), '');
      assert.equal(await control.text('SET', 'k', 'v'), '+OK');
      await logged(
        server,
        new RegExp(
          `Closing client that reached max query buffer length: id=${id} addr=.* qbuf=\\d+ .* resp=2` +
            ` \\(qbuf initial bytes: "v{64}"\\)`,
        ),
      );
      client.close();
      control.close();
    },
  );

  withSettings(
    'a bulk string above proto-max-bulk-len is a protocol error',
    { 'proto-max-bulk-len': '1mb' },
    async (server) => {
      const client = await server.connect();
      client.write(`*2\r\n$4\r\nECHO\r\n$${MEGABYTE + 1}\r\n`);
      assert.equal(
        (await client.readUntilClose()).toString(),
        '-ERR Protocol error: invalid bulk length\r\n',
      );
      client.close();

      const other = await server.connect();
      await other.text('SET', 'k', Buffer.alloc(MEGABYTE, 'v'));
      assert.equal(
        await other.text('APPEND', 'k', 'v'),
        '-ERR string exceeds maximum allowed size (proto-max-bulk-len)',
      );
      other.close();
    },
  );
});

describe('requirepass', () => {
  onEveryImplementation(
    'nothing but AUTH, HELLO, QUIT and RESET before the password',
    async (implementation) => {
      const server = await sharedServer(implementation, WITH_PASSWORD);
      const client = await server.connect();
      assert.equal(await client.text('GET', 'k'), '-NOAUTH Authentication required.');
      assert.equal(
        await client.text('HELLO', '3'),
        '-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH' +
          ' <user> <pass> option can be used to authenticate the client and select the RESP protocol' +
          ' version at the same time',
      );
      assert.equal(
        await client.text('AUTH', 'wrong'),
        '-WRONGPASS invalid username-password pair or user is disabled.',
      );
      assert.equal(await client.text('RESET'), '+RESET');
      assert.equal(await client.text('AUTH', 'secret'), '+OK');
      assert.equal(await client.text('SET', 'k', 'v'), '+OK');
      assert.equal(await client.text('RESET'), '+RESET');
      assert.equal(await client.text('GET', 'k'), '-NOAUTH Authentication required.');
      assert.equal(await client.text('AUTH', 'default', 'secret'), '+OK');
      assert.equal(await client.text('QUIT'), '+OK');
      client.close();

      const other = await server.connect();
      assert.match(
        await other.text('HELLO', '3', 'AUTH', 'default', 'secret', 'SETNAME', 'x'),
        /^%\["server", "redis"/,
      );
      assert.equal(await other.text('CLIENT', 'GETNAME'), '"x"');
      other.close();
    },
  );

  for (const [name, input, text] of [
    ['more than 10 arguments', '*11\r\n', 'unauthenticated multibulk length'],
    ['more than 16 KB', '*2\r\n$4\r\nAUTH\r\n$16385\r\n', 'unauthenticated bulk length'],
  ] as const) {
    onEveryImplementation(`${name} before the password is a protocol error`, async (implementation) => {
      const server = await sharedServer(implementation, WITH_PASSWORD);
      const client = await server.connect();
      client.write(input);
      assert.equal((await client.readUntilClose()).toString(), `-ERR Protocol error: ${text}\r\n`);
      client.close();
    });
  }

  onEveryImplementation('AUTH without a password set says so', async (implementation) => {
    const server = await sharedServer(implementation);
    const client = await server.connect();
    assert.equal(
      await client.text('AUTH', 'x'),
      '-ERR AUTH <password> called without any password configured for the default user.' +
        ' Are you sure your configuration is correct?',
    );
    client.close();
  });
});

const PROTECTED_MODE_TEXT =
  '-DENIED Redis is running in protected mode because protected mode is enabled and no password is' +
  ' set for the default user. In this mode connections are only accepted from the loopback interface.' +
  ' If you want to connect from external computers to Redis you may adopt one of the following' +
  " solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from" +
  ' the loopback interface by connecting to Redis from the same host the server is running, however' +
  ' MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make' +
  ' this change permanent. 2) Alternatively you can just disable the protected mode by editing the' +
  " Redis configuration file, and setting the protected mode option to 'no', and then restarting the" +
  ' server. 3) If you started the server manually just for testing, restart it with the' +
  " '--protected-mode no' option. 4) Setup a an authentication password for the default user. NOTE:" +
  ' You only need to do one of the above things in order for the server to start accepting' +
  ' connections from the outside.\r\n';

const ownAddress = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find((address) => address.family === 'IPv4' && !address.internal)?.address;

describe(
  'protected mode',
  { skip: ownAddress === undefined && 'this machine has only the loopback interface' },
  () => {
    const host = ownAddress ?? '';

    onEveryImplementation(
      'refuses other machines while no password is set',
      async (implementation, context) => {
        const server = await startFor(context, implementation, { args: ['--bind', '0.0.0.0'] });
        assert.equal(await greeting(server, host), PROTECTED_MODE_TEXT);

        const local = await server.connect();
        assert.equal(await local.text('CONFIG', 'SET', 'protected-mode', 'no'), '+OK');
        const remote = await RespClient.connect({ host, port: server.port });
        assert.equal(await remote.text('PING'), '+PONG');
        remote.close();
        local.close();
      },
    );

    onEveryImplementation(
      'lets other machines in to give their password',
      async (implementation, context) => {
        const args = ['--bind', '0.0.0.0', '--requirepass', 'secret'];
        const server = await startFor(context, implementation, { args });
        const remote = await RespClient.connect({ host, port: server.port });
        assert.equal(await remote.text('AUTH', 'secret'), '+OK');
        remote.close();
      },
    );
  },
);

/** What a server says to a client that only listens. */
async function greeting(server: ServerProcess, host: string): Promise<string> {
  const client = await RespClient.connect({ host, port: server.port });
  const output = await client.readUntilClose();
  client.close();
  return output.toString();
}

/** Whether the connection was accepted. */
async function isServed(client: RespClient): Promise<boolean> {
  return (await client.text('PING').catch(() => '')) === '+PONG';
}

async function clientCount(client: RespClient): Promise<number> {
  const reply = await client.command('CLIENT', 'LIST');
  return reply.kind === 'scalar' ? reply.bytes.toString().trim().split('\n').length : 0;
}

/** Waits for a line of the server's log. */
function logged(server: ServerProcess, line: RegExp): Promise<void> {
  return waitUntil(`the log has ${line}`, () => line.test(server.output()));
}
