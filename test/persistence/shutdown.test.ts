/** How a server ends, and what is left of its data. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { onEveryImplementation, type Implementation } from '../support/implementations.ts';
import { APPEND_ONLY, directoryFor, filesOf, kill, startOn } from '../support/persistent-server.ts';
import type { ExitState, ServerProcess } from '../support/server-process.ts';

const WITH_SAVE_POINTS = ['--appendonly', 'no', '--save', '3600 1'];
const WITHOUT_SAVE_POINTS = ['--appendonly', 'no', '--save', ''];

/** A key is set; then the server is asked to end. */
async function endWith(
  context: TestContext,
  implementation: Implementation,
  directory: string,
  args: readonly string[],
  end: (server: ServerProcess) => Promise<void>,
): Promise<ExitState> {
  const server = await startOn(context, implementation, directory, args);
  const client = await server.connect();
  assert.equal(await client.text('SET', 'key', 'value'), '+OK');
  client.close();
  await end(server);
  return server.exited;
}

function shutdown(...options: readonly string[]): (server: ServerProcess) => Promise<void> {
  return async (server) => {
    const client = await server.connect();
    client.send('SHUTDOWN', ...options);
    assert.equal((await client.readUntilClose()).toString(), '');
    client.close();
  };
}

const ENDS: readonly (readonly [
  name: string,
  args: readonly string[],
  end: readonly string[],
  isSaved: boolean,
])[] = [
  ['SHUTDOWN with save points saves', WITH_SAVE_POINTS, [], true],
  ['SHUTDOWN without save points does not save', WITHOUT_SAVE_POINTS, [], false],
  ['SHUTDOWN SAVE saves without save points', WITHOUT_SAVE_POINTS, ['SAVE'], true],
  ['SHUTDOWN NOSAVE does not save', WITH_SAVE_POINTS, ['NOSAVE'], false],
  ['SHUTDOWN NOW saves', WITH_SAVE_POINTS, ['NOW'], true],
  ['SHUTDOWN NOSAVE NOW FORCE does not save', WITH_SAVE_POINTS, ['nosave', 'now', 'force'], false],
];

for (const [name, args, options, isSaved] of ENDS) {
  onEveryImplementation(name, async (implementation, context) => {
    const directory = directoryFor(context);

    const state = await endWith(context, implementation, directory, args, shutdown(...options));

    assert.deepEqual(state, { code: 0, signal: null });
    const { dump, manifestText } = filesOf(directory);
    assert.equal(existsSync(dump), isSaved);
    assert.equal(manifestText(), '');
    // Where there is no file nothing can be found.
    if (isSaved) assert.equal(await valueFound(context, implementation, directory, args), '"value"');
  });
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  onEveryImplementation(`${signal} saves when there are save points`, async (implementation, context) => {
    const directory = directoryFor(context);
    const end = async (server: ServerProcess) => server.signal(signal);

    const state = await endWith(context, implementation, directory, WITH_SAVE_POINTS, end);

    assert.deepEqual(state, { code: 0, signal: null });
    assert.equal(await valueFound(context, implementation, directory, WITH_SAVE_POINTS), '"value"');
  });
}

onEveryImplementation('SIGTERM leaves a complete append-only file', async (implementation, context) => {
  const directory = directoryFor(context);
  const args = ['--appendonly', 'yes', '--appendfsync', 'no'];

  await endWith(context, implementation, directory, args, async (server) => server.signal('SIGTERM'));

  assert.equal(await valueFound(context, implementation, directory, args), '"value"');
});

onEveryImplementation(
  'SHUTDOWN goes on with the server when the save fails',
  async (implementation, context) => {
    const directory = directoryFor(context);
    const { dump } = filesOf(directory);
    const server = await startOn(context, implementation, directory, WITH_SAVE_POINTS);
    const client = await server.connect();
    await client.command('SET', 'key', 'value');
    // Nothing can be renamed to this.
    mkdirSync(dump);

    assert.equal(await client.text('SHUTDOWN'), '-ERR Errors trying to SHUTDOWN. Check logs.');
    assert.equal(await client.text('GET', 'key'), '"value"');
    client.send('SHUTDOWN', 'FORCE');
    await client.readUntilClose();
    client.close();

    assert.deepEqual(await server.exited, { code: 0, signal: null });
    rmdirSync(dump);
    assert.equal(await valueFound(context, implementation, directory, WITH_SAVE_POINTS), '(nil)');
  },
);

onEveryImplementation(
  'SHUTDOWN refuses what makes no sense, and goes on serving',
  async (implementation, context) => {
    const server = await startOn(context, implementation, directoryFor(context), WITHOUT_SAVE_POINTS);
    const client = await server.connect();
    for (const options of [['SAVE', 'NOSAVE'], ['LATER'], ['ABORT', 'NOW'], ['NOSAVE', 'ABORT']]) {
      assert.equal(await client.text('SHUTDOWN', ...options), '-ERR syntax error');
    }
    assert.equal(await client.text('SHUTDOWN', 'ABORT'), '-ERR No shutdown in progress.');
    assert.equal(await client.text('PING'), '+PONG');
    client.close();
  },
);

onEveryImplementation('SHUTDOWN during a background save and a rewrite', async (implementation, context) => {
  for (const job of ['BGSAVE', 'BGREWRITEAOF']) {
    const directory = directoryFor(context);
    const end = async (server: ServerProcess) => {
      const client = await server.connect();
      await client.command(job);
      client.send('SHUTDOWN');
      await client.readUntilClose();
      client.close();
    };

    const state = await endWith(context, implementation, directory, APPEND_ONLY, end);

    assert.deepEqual(state, { code: 0, signal: null });
    assert.equal(await valueFound(context, implementation, directory, APPEND_ONLY), '"value"');
  }
});

async function valueFound(
  context: TestContext,
  implementation: Implementation,
  directory: string,
  args: readonly string[],
): Promise<string> {
  const server = await startOn(context, implementation, directory, args);
  const client = await server.connect();
  const value = await client.text('GET', 'key');
  client.close();
  await kill(server);
  return value;
}
