/** The order in which threads do things is one: in memory, in the append-only file, and after a restart. */
import assert from 'node:assert/strict';
import { forEachTransport } from '../support/implementations.ts';
import {
  APPEND_ONLY,
  directoryFor,
  kill,
  rewriteDone,
  saveDone,
  startOn,
} from '../support/persistent-server.ts';
import { describeReply, type RespClient } from '../support/resp-client.ts';
import { infoField } from '../support/server-info.ts';
import { waitUntil } from '../support/wait-until.ts';

const CLIENTS = 8;
const COMMANDS = 150;
const DEBUG = ['--enable-debug-command', 'yes'];

/** Every client appends its letter to the same string and counts the same number, in pipelines. */
async function work(clients: readonly RespClient[]): Promise<void> {
  await Promise.all(
    clients.map(async (client, index) => {
      const letter = String.fromCharCode(97 + index);
      for (let count = 0; count < COMMANDS; count += 3) {
        const replies = await client.pipeline([
          ['APPEND', 'text', letter],
          ['INCR', 'number'],
          ['SET', 'last', `${letter}${count}`],
        ]);
        for (const reply of replies) assert.doesNotMatch(describeReply(reply), /^-/);
      }
    }),
  );
}

for (const policy of ['always', 'everysec'] as const) {
  forEachTransport(
    `the append-only file has the order of execution, appendfsync ${policy}`,
    async (implementation, context) => {
      const directory = directoryFor(context);
      const args = ['--appendonly', 'yes', '--appendfsync', policy, ...DEBUG];
      const server = await startOn(context, implementation, directory, args);
      const clients = await Promise.all(Array.from({ length: CLIENTS }, () => server.connect()));

      await work(clients);

      const [first] = clients;
      const digest = await first!.text('DEBUG', 'DIGEST');
      assert.equal(await first!.text('STRLEN', 'text'), `:${(CLIENTS * COMMANDS) / 3}`);
      assert.equal(await first!.text('DEBUG', 'LOADAOF'), '+OK');
      assert.equal(await first!.text('DEBUG', 'DIGEST'), digest, 'after loading the file again');
      await kill(server);
      const next = await startOn(context, implementation, directory, args);
      const client = await next.connect();
      assert.equal(await client.text('DEBUG', 'DIGEST'), digest, 'after a restart');
      for (const each of [client, ...clients]) each.close();
      await kill(next);
    },
  );
}

forEachTransport('jobs asked for by many clients at once', async (implementation, context) => {
  const directory = directoryFor(context);
  const server = await startOn(context, implementation, directory, [...APPEND_ONLY, ...DEBUG]);
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => server.connect()));
  const [first] = clients;
  const jobs = ['BGREWRITEAOF', 'BGSAVE SCHEDULE', 'BGSAVE', 'SAVE'];
  await work(clients);

  const replies = await Promise.all(
    clients.map((client, index) => client.text(...jobs[index % jobs.length]!.split(' '))),
  );

  for (const reply of replies) assert.match(reply, /^(\+OK|\+Background |-ERR .*(in progress|active))/);
  await work(clients);
  await saveDone(first!);
  await rewriteDone(first!);
  assert.equal(await infoField(first!, 'rdb_last_bgsave_status'), 'ok');
  assert.equal(await infoField(first!, 'aof_last_bgrewrite_status'), 'ok');
  const digest = await first!.text('DEBUG', 'DIGEST');
  assert.equal(await first!.text('DEBUG', 'RELOAD'), '+OK');
  assert.equal(await first!.text('DEBUG', 'DIGEST'), digest, 'after a reload');
  for (const client of clients) client.close();
  await kill(server);

  const next = await startOn(context, implementation, directory, [...APPEND_ONLY, ...DEBUG]);
  const client = await next.connect();
  assert.equal(await client.text('DEBUG', 'DIGEST'), digest, 'after a restart');
  client.close();
  await kill(next);
});

forEachTransport('what one client changes holds for all', async (implementation, context) => {
  const server = await startOn(context, implementation, directoryFor(context), [
    '--appendonly',
    'no',
    ...DEBUG,
  ]);
  const [one, two, three] = await Promise.all([1, 2, 3].map(() => server.connect()));
  assert.ok(one && two && three);

  // Settings that each thread keeps beside the shared ones: the parser's limit, the gate's, the log's.
  assert.equal(await two.text('PING'), '+PONG');
  assert.equal(await one.text('CONFIG', 'SET', 'proto-max-bulk-len', '1mb', 'maxmemory', '1'), '+OK');
  assert.match(await two.text('SET', 'key', 'value'), /^-OOM /);
  assert.equal(await one.text('CONFIG', 'SET', 'maxmemory', '0'), '+OK');
  assert.equal(await two.text('SET', 'key', 'value'), '+OK');
  two.write(`*2\r\n$4\r\nECHO\r\n$${1024 * 1024 + 1}\r\n`);
  assert.equal((await two.readUntilClose()).toString(), '-ERR Protocol error: invalid bulk length\r\n');
  assert.equal(await three.text('CONFIG', 'GET', 'proto-max-bulk-len'), '*["proto-max-bulk-len", "1048576"]');
  assert.equal(await three.text('CONFIG', 'SET', 'appendonly', 'yes', 'appendfsync', 'always'), '+OK');
  await rewriteDone(one);
  assert.equal(await one.text('SET', 'key', 'logged'), '+OK');
  assert.equal(await three.text('DEBUG', 'LOADAOF'), '+OK', server.output());
  assert.equal(await three.text('GET', 'key'), '"logged"');

  // Figures of a client that another thread serves.
  assert.equal(await one.text('CONFIG', 'SET', 'proto-max-bulk-len', '512mb'), '+OK');
  one.write('*3\r\n$3\r\nSET\r\n$4\r\nlong\r\n$100\r\nhalf of it');
  await eventually(three, /qbuf=[1-9]/);
  one.write(`${'.'.repeat(90)}\r\n`);
  assert.equal((await one.readReplies(1)).map(describeReply)[0], '+OK');
  assert.equal(await three.text('SET', 'big', Buffer.alloc(8 * 1024 * 1024)), '+OK');
  one.socket.pause();
  for (let count = 0; count < 4; count++) one.send('GET', 'big');
  await eventually(three, /oll=[1-9]\d* omem=[1-9]/);
  assert.notEqual(await infoField(three, 'client_recent_max_output_buffer'), '0');

  assert.equal(await three.text('CLIENT', 'KILL', 'SKIPME', 'yes', 'TYPE', 'normal'), ':1');
  one.socket.resume();
  await one.readUntilClose();
  for (const client of [one, two, three]) client.close();
  await kill(server);
});

/** Waits for CLIENT LIST to show this. */
async function eventually(client: RespClient, pattern: RegExp): Promise<void> {
  await waitUntil(String(pattern), async () => {
    const list = await client.command('CLIENT', 'LIST');
    return list.kind === 'scalar' && pattern.test(list.bytes.toString());
  });
}
