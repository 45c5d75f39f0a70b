/** The public API for Node programs. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { createClient } from 'redis';
import { createServer } from 'redis-clone-ts';
import { describeReply, RespClient } from './support/resp-client.ts';
import { availableTransports } from './support/server-process.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { waitUntil } from './support/wait-until.ts';

const INDEX_URL = import.meta.resolve('redis-clone-ts');

for (const io of availableTransports()) {
  describe(`createServer on ${io}`, () => {
    test('gives a port and a URL that clients can use', async () => {
      const server = await createServer({ port: 0, io });
      assert.ok(Number.isInteger(server.port) && server.port > 0);
      assert.equal(new URL(server.url).port, String(server.port));

      const client = createClient({ url: server.url });
      await client.connect();
      assert.equal(await client.set('k', 'v'), 'OK');
      assert.equal(await client.get('k'), 'v');
      await client.close();
      await server.close();
    });

    test('takes the directives of redis.conf as options', async () => {
      const server = await createServer({ port: 0, io, maxclients: 77, 'maxmemory-policy': 'allkeys-lru' });
      const client = await RespClient.connect({ port: server.port });
      assert.equal(await client.text('CONFIG', 'GET', 'maxclients'), '*["maxclients", "77"]');
      assert.equal(
        await client.text('CONFIG', 'GET', 'maxmemory-policy'),
        '*["maxmemory-policy", "allkeys-lru"]',
      );
      client.close();
      await server.close();
    });

    test('refuses a directive that does not exist, and a value that cannot be', async () => {
      await assert.rejects(
        createServer({ port: 0, io, 'no-such-directive': 1 } as object),
        /no-such-directive/,
      );
      await assert.rejects(createServer({ port: 0, io, maxclients: 0 }), /maxclients/);
    });

    test('nothing is saved or loaded unless asked for', async () => {
      const server = await createServer({ port: 0, io });
      const client = await RespClient.connect({ port: server.port });
      assert.equal(await client.text('CONFIG', 'GET', 'save'), '*["save", ""]');
      assert.equal(await client.text('CONFIG', 'GET', 'appendonly'), '*["appendonly", "no"]');
      assert.equal(await client.text('CONFIG', 'GET', 'dbfilename'), '*["dbfilename", ""]');
      client.close();
      await server.close();
    });

    test('what was asked for is saved, and loaded by the next server', async (context) => {
      const directory = temporaryDirectory();
      context.after(() => directory.remove());
      for (const [options, expected] of [
        [{ appendonly: true }, ':1'],
        [{ appendonly: true, save: [900, 1] }, ':2'],
        [{ save: [900, 1] }, ':3'],
        [{}, ':4'],
      ] as const) {
        const server = await createServer({ port: 0, io, dir: directory.path, ...options });
        const client = await RespClient.connect({ port: server.port });
        assert.equal(await client.text('INCR', 'starts'), expected);
        client.close();
        await server.close();
      }
    });

    test(
      'a directory in use by another server of this process rejects, and is free after its end',
      { skip: process.platform !== 'linux' },
      async (context) => {
        const directory = temporaryDirectory();
        context.after(() => directory.remove());
        const options = { port: 0, io, dir: directory.path, appendonly: true } as const;
        const server = await createServer(options);
        await assert.rejects(createServer(options), /in use by another server/);
        await server.close();
        await (await createServer(options)).close();
      },
    );

    test('two servers at once share nothing', async () => {
      const servers = await Promise.all([createServer({ port: 0, io }), createServer({ port: 0, io })]);
      const clients = await Promise.all(servers.map(({ port }) => RespClient.connect({ port })));
      assert.deepEqual(await Promise.all(clients.map((client, index) => client.text('SET', 'k', index))), [
        '+OK',
        '+OK',
      ]);
      assert.deepEqual(await Promise.all(clients.map((client) => client.text('GET', 'k'))), ['"0"', '"1"']);

      await servers[0].close();

      assert.equal(await clients[1]?.text('GET', 'k'), '"1"');
      await servers[1].close();
      for (const client of clients) client.close();
    });

    test('close ends the connections, frees the port and may be called twice', async () => {
      const server = await createServer({ port: 0, io });
      const client = await RespClient.connect({ port: server.port });
      assert.equal(describeReply(await client.command('PING')), '+PONG');

      await Promise.all([server.close(), server.close()]);

      assert.equal((await client.readUntilClose()).length, 0);
      await assert.rejects(RespClient.connect({ port: server.port }), /ECONNREFUSED/);
      client.close();
    });

    test('a port in use rejects, and leaves nothing open', async () => {
      const server = await createServer({ port: 0, io });
      await assert.rejects(createServer({ port: server.port, io }), new RegExp(`port ${server.port}\\b`));
      await server.close();
    });

    test(
      'many servers one after another leave no descriptor',
      { skip: process.platform !== 'linux' },
      async () => {
        const openAndClose = async () => (await createServer({ port: 0, io })).close();
        await openAndClose();
        const before = readdirSync('/proc/self/fd').length;
        for (let count = 0; count < 5; count += 1) await openAndClose();
        await waitUntil('the descriptors are closed', () => readdirSync('/proc/self/fd').length <= before);
      },
    );

    test('a program ends by itself after close, and its event loop is free before', async () => {
      const program = `
        import { createServer } from '${INDEX_URL}';
        const server = await createServer({ port: 0, io: '${io}' });
        await new Promise((resolve) => setTimeout(resolve, 1));
        await server.close();
        process.on('exit', () => console.log('ended'));`;
      assert.deepEqual(await runProgram(program), { code: 0, output: 'ended\n' });
    });
  });
}

function runProgram(source: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}
