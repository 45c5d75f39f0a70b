/** What a start makes of the data directory: whose it is, what is whole, what is not. */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { forEachTransport, onEveryImplementation, type Implementation } from '../support/implementations.ts';
import {
  APPEND_ONLY,
  directoryFor,
  filesOf,
  kill,
  refusedStart,
  rewriteDone,
  saveDone,
  startOn,
} from '../support/persistent-server.ts';
import { encodeCommand } from '../support/resp-client.ts';
import { waitUntil } from '../support/wait-until.ts';

const SNAPSHOT_ONLY = ['--appendonly', 'no', '--save', '3600 1'];

forEachTransport('a second server on the same directory is refused', async (implementation, context) => {
  const directory = directoryFor(context);
  const server = await startOn(context, implementation, directory);

  const { code, output } = await refusedStart(implementation, directory);

  assert.equal(code, 1);
  assert.match(output, new RegExp(`in use by another server \\(process ${server.pid}\\)`));
  const client = await server.connect();
  assert.equal(await client.text('SET', 'key', 'value'), '+OK');
  client.close();
});

forEachTransport('the lock of a killed server is taken over', async (implementation, context) => {
  const directory = directoryFor(context);
  await run(context, implementation, directory, ['SET', 'key', 'value']);

  assert.equal(await get(context, implementation, directory, 'key'), '"value"');
});

onEveryImplementation('a torn tail is cut off and reported', async (implementation, context) => {
  const directory = directoryFor(context);
  const path = filesOf(directory).increment(1);
  await run(context, implementation, directory, ['SET', 'key', 'value']);
  const { size } = statSync(path);
  appendFileSync(path, '*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nwro');

  const server = await startOn(context, implementation, directory);

  assert.match(server.output(), /Truncating the AOF .*appendonly\.aof\.1\.incr\.aof/);
  const client = await server.connect();
  assert.equal(await client.text('GET', 'key'), '"value"');
  await client.command('SET', 'key', 'new');
  client.close();
  assert.ok(statSync(path).size > size);
  await kill(server);
  assert.equal(await get(context, implementation, directory, 'key'), '"new"');
});

onEveryImplementation(
  'a torn tail refuses the start without aof-load-truncated',
  async (implementation, context) => {
    const directory = directoryFor(context);
    const path = filesOf(directory).increment(1);
    await run(context, implementation, directory, ['SET', 'key', 'value']);
    appendFileSync(path, '*3\r\n$3\r\nSET');
    const before = readFileSync(path);

    const { code, output } = await refusedStart(implementation, directory, [
      ...APPEND_ONLY,
      '--aof-load-truncated',
      'no',
    ]);

    assert.equal(code, 1);
    assert.match(
      output,
      /appendonly\.aof\.1\.incr\.aof.*end of file|end of file.*appendonly\.aof\.1\.incr\.aof/i,
    );
    assert.deepEqual(readFileSync(path), before);
  },
);

forEachTransport(
  'damage in the middle refuses the start, with file and offset',
  async (implementation, context) => {
    const directory = directoryFor(context);
    const path = filesOf(directory).increment(1);
    await run(context, implementation, directory, ['SET', 'key', 'value'], ['SET', 'other', 'value']);
    const bytes = readFileSync(path);
    const place = bytes.indexOf('value');
    bytes[place] = 0x56;
    writeFileSync(path, bytes);

    const { code, output } = await refusedStart(implementation, directory);

    assert.equal(code, 1);
    const [, offset = ''] = /appendonly\.aof\.1\.incr\.aof, at offset (\d+): /.exec(output) ?? [];
    assert.ok(offset !== '' && Number(offset) <= place, output);
    assert.deepEqual(readFileSync(path), bytes, 'the file is as it was');
  },
);

onEveryImplementation(
  'a file that the manifest names and that is missing',
  async (implementation, context) => {
    const directory = directoryFor(context);
    await run(context, implementation, directory, ['SET', 'key', 'value'], ['BGREWRITEAOF']);
    await run(context, implementation, directory, ['SET', 'key', 'new']);
    const [base = ''] = /\S+\.base\.rdb/.exec(filesOf(directory).manifestText()) ?? [];
    rmSync(join(directory, 'appendonlydir', base));

    const { code, output } = await refusedStart(implementation, directory);

    assert.equal(code, 1);
    assert.ok(output.includes(base), output);
  },
);

onEveryImplementation(
  'a snapshot file with garbage, cut short or empty refuses the start',
  async (implementation, context) => {
    const directory = directoryFor(context);
    const { dump } = filesOf(directory);
    const server = await startOn(context, implementation, directory, SNAPSHOT_ONLY);
    const client = await server.connect();
    await client.command('SET', 'key', 'value');
    await client.command('SAVE');
    client.close();
    await kill(server);
    const whole = readFileSync(dump);

    for (const [what, bytes] of Object.entries({
      garbage: Buffer.from('this is no snapshot at all'),
      'cut short': whole.subarray(0, -9),
      empty: Buffer.alloc(0),
    })) {
      writeFileSync(dump, bytes);

      const { code } = await refusedStart(implementation, directory, SNAPSHOT_ONLY);

      assert.equal(code, 1, what);
      assert.deepEqual(readFileSync(dump), bytes, what);
    }
  },
);

forEachTransport('the append-only file removed: the snapshot is loaded', async (implementation, context) => {
  const directory = directoryFor(context);
  const server = await startOn(context, implementation, directory);
  const client = await server.connect();
  await client.pipeline([['SET', 'saved', '1'], ['SET', 'deleted', '1'], ['BGSAVE']]);
  await saveDone(client);
  await client.pipeline([['SET', 'later', '1'], ['DEL', 'deleted'], ['BGREWRITEAOF']]);
  await rewriteDone(client);
  client.close();
  await kill(server);

  const second = await startOn(context, implementation, directory);
  assert.match(second.output(), /Loading data from AOF file/);
  assert.equal(await keys(second), '["later", "saved"]');
  await kill(second);

  rmSync(`${directory}/appendonlydir`, { recursive: true });
  const third = await startOn(context, implementation, directory);
  assert.match(third.output(), /Loading data from snapshot/);
  assert.equal(await keys(third), '["deleted", "saved"]');
  assert.match(filesOf(directory).manifestText(), /type b\n/, 'what was loaded is in the log now');
  await kill(third);

  rmSync(filesOf(directory).dump);
  const fourth = await startOn(context, implementation, directory);
  assert.equal(await keys(fourth), '["deleted", "saved"]');
});

onEveryImplementation(
  'a single append-only file of an old version is taken over',
  async (implementation, context) => {
    const directory = directoryFor(context);
    const { single, manifestText } = filesOf(directory);
    writeFileSync(
      single,
      Buffer.concat([encodeCommand(['SELECT', '0']), encodeCommand(['SET', 'key', 'value'])]),
    );

    const server = await startOn(context, implementation, directory);
    const client = await server.connect();
    assert.equal(await client.text('GET', 'key'), '"value"');
    await client.command('APPEND', 'key', '!');
    client.close();
    await kill(server);

    assert.ok(!existsSync(single));
    assert.match(
      manifestText(),
      /^file appendonly\.aof seq 1 type b\nfile appendonly\.aof\.1\.incr\.aof seq 1 type i\n/,
    );
    assert.equal(await get(context, implementation, directory, 'key'), '"value!"');
  },
);

onEveryImplementation(
  'lines that somebody has written by hand are commands',
  async (implementation, context) => {
    const directory = directoryFor(context);
    writeFileSync(filesOf(directory).single, encodeCommand(['SET', 'user:1', 'alice']));
    if (implementation.name !== 'redis')
      appendFileSync(filesOf(directory).single, 'SET user:2 "bob \\x21"\nINCR n\n');

    const server = await startOn(context, implementation, directory);

    const expected = implementation.name === 'redis' ? '["user:1"]' : '["n", "user:1", "user:2"]';
    assert.equal(await keys(server), expected);
  },
);

type Command = readonly string[];

/** One life of a server: it does this, then it is killed. */
async function run(
  context: TestContext,
  implementation: Implementation,
  directory: string,
  ...commands: readonly Command[]
): Promise<void> {
  const server = await startOn(context, implementation, directory);
  const client = await server.connect();
  for (const command of commands) assert.doesNotMatch(await client.text(...command), /^-/);
  await rewriteDone(client);
  client.close();
  await kill(server);
}

/** The value that another server finds. */
async function get(
  context: TestContext,
  implementation: Implementation,
  directory: string,
  key: string,
): Promise<string> {
  const server = await startOn(context, implementation, directory);
  const client = await server.connect();
  const value = await client.text('GET', key);
  client.close();
  await kill(server);
  return value;
}

async function keys(server: { connect: Awaited<ReturnType<typeof startOn>>['connect'] }): Promise<string> {
  const client = await server.connect();
  await waitUntil('the data is loaded', async () => (await client.text('PING')) === '+PONG');
  const reply = await client.command('KEYS', '*');
  client.close();
  assert.ok(reply.kind === 'aggregate');
  const names = reply.items.map((item) => (item.kind === 'scalar' ? item.bytes.toString() : ''));
  return `[${names
    .sort()
    .map((name) => `"${name}"`)
    .join(', ')}]`;
}
