/** What a server says while it loads its data, and that it serves all of it afterwards. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after } from 'node:test';
import { onEveryImplementation, startFor, type Implementation } from '../support/implementations.ts';
import { DUMP_NAME, kill } from '../support/persistent-server.ts';
import { describeReply, type RespClient } from '../support/resp-client.ts';
import { infoField } from '../support/server-info.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitUntil } from '../support/wait-until.ts';

/** So many that loading takes longer than connecting. */
const KEYS = 1_000_000;
const LOADING = '-LOADING Redis is loading the dataset in memory';
const FIGURES = [
  'loading_eta_seconds',
  'loading_loaded_bytes',
  'loading_loaded_perc',
  'loading_rdb_used_mem',
  'loading_start_time',
  'loading_total_bytes',
];

const directory = temporaryDirectory();
after(() => directory.remove());
const args = ['--dir', directory.path, '--dbfilename', DUMP_NAME, '--enable-debug-command', 'yes'];
let isWritten = false;

/** Any implementation can write what all of them load. */
async function writeOnce(implementation: Implementation): Promise<void> {
  if (isWritten) return;
  const server = await implementation.start({ args });
  const client = await server.connect();
  assert.equal(await client.text('DEBUG', 'POPULATE', KEYS), '+OK');
  assert.equal(await client.text('SAVE'), '+OK');
  client.close();
  await kill(server);
  isWritten = true;
}

/** In one write, so that one moment answers all. */
async function ask(client: RespClient): Promise<string[]> {
  const commands = [
    ['PING'],
    ['GET', 'key:1'],
    ['SET', 'a', 'b'],
    ['SELECT', '0'],
    ['MULTI'],
    ['GET', 'key:1'],
    ['EXEC'],
    ['CONFIG', 'SET', 'appendonly', 'no'],
    ['CONFIG', 'SET', 'maxmemory', '0', 'appendonly', 'no'],
    ['CONFIG', 'SET', 'maxmemory', '0'],
  ];
  return (await client.pipeline(commands)).map(describeReply);
}

onEveryImplementation('LOADING until all is loaded', async (implementation, context) => {
  await writeOnce(implementation);
  const server = await startFor(context, implementation, { args });
  const client = await server.connect();

  const replies = await ask(client);
  const info = await client.command('INFO', 'persistence');

  assert.deepEqual(replies, [
    LOADING,
    LOADING,
    LOADING,
    '+OK',
    '+OK',
    LOADING,
    '-EXECABORT Transaction discarded because of previous errors.',
    LOADING,
    LOADING,
    '+OK',
  ]);
  const text = info.kind === 'scalar' ? info.bytes.toString() : '';
  assert.match(text, /^loading:1\r$/m);
  assert.deepEqual(text.match(/^loading_\w+/gm)?.sort(), FIGURES);
  await waitUntil('the data is loaded', async () => (await client.text('PING')) === '+PONG');
  assert.equal(await infoField(client, 'loading'), '0');
  assert.equal(await client.text('DBSIZE'), `:${KEYS}`);
  assert.equal(await client.text('GET', `key:${KEYS - 1}`), `"value:${KEYS - 1}"`);
  client.close();
});

onEveryImplementation('a server that is loading can be stopped', async (implementation, context) => {
  await writeOnce(implementation);
  const server = await startFor(context, implementation, { args: [...args, '--save', '1 1'] });
  const client = await server.connect();

  client.write('SHUTDOWN\r\n');
  await client.readUntilClose();

  assert.equal((await server.exited).code, 0);
  client.close();
  const second = await startFor(context, implementation, { args });
  const reader = await second.connect();
  await waitUntil('the data is loaded', async () => (await reader.text('PING')) === '+PONG');
  assert.equal(await reader.text('DBSIZE'), `:${KEYS}`, `${join(directory.path, DUMP_NAME)} is as it was`);
  reader.close();
});
