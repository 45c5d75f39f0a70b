/** Users that a server starts with, and what keeps it from starting. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { freePort } from './support/free-port.ts';
import { RespClient } from './support/resp-client.ts';
import { MAIN_PATH } from '../src/compare/servers.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { waitUntil } from './support/wait-until.ts';

/** What the program says, and the code that it ends with. */
async function run(context: TestContext, args: readonly string[]): Promise<[text: string, code: number]> {
  const directory = temporaryDirectory();
  context.after(() => directory.remove());
  const child = spawn(process.execPath, [MAIN_PATH, '--dir', directory.path, '--port', '0', ...args]);
  context.after(() => void child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return [output, code ?? -1];
}

test('users that cannot be keep the server from starting', async (context) => {
  const directory = temporaryDirectory();
  context.after(() => directory.remove());
  const file = join(directory.path, 'users.acl');
  writeFileSync(file, 'user alice on ~* ~k\n');
  for (const [args, message] of [
    [['--user', 'alice', 'foo'], /at line \d+\n>>> .*\nError in user declaration 'foo': Syntax error/],
    [['--user', 'alice', '--user', 'alice', 'on'], /'alice': Duplicate user found\./],
    [['--user', 'alice', '(on'], /Unmatched parenthesis in acl selector starting at '\(on'\./],
    [
      ['--user', 'alice', '+nothing'],
      /Error loading ACL rule '\+nothing' for the user named 'alice': Unknown/,
    ],
    [['--user', 'a b', 'on'], /Spaces not allowed in ACL usernames/],
    [
      ['--aclfile', file, '--user', 'bob'],
      /users defined in redis\.conf and at the same setting an ACL file/,
    ],
    [
      ['--aclfile', `${file}.missing`],
      /Error loading ACLs, opening file '.*missing': No such file or directory/,
    ],
    [['--aclfile', file], /Aborting Redis startup because of ACL errors: .*users\.acl:1: Adding a pattern/],
  ] as const) {
    const [text, code] = await run(context, args);
    assert.match(text, message);
    assert.equal(code, 1);
  }
});

/** A server with a configuration file of its own, which CONFIG REWRITE writes to. */
async function startWithFile(context: TestContext, path: string, directory: string): Promise<RespClient> {
  const port = await freePort();
  const args = [MAIN_PATH, path, '--port', String(port), '--dir', directory];
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  context.after(() => {
    child.kill('SIGKILL');
    return ended;
  });
  let client: RespClient | undefined;
  await waitUntil('the server accepts', async () => {
    client = await RespClient.connect({ port }).catch(() => undefined);
    return client !== undefined;
  });
  return client!;
}

test('CONFIG REWRITE writes users, and a server starts with them', async (context) => {
  const directory = temporaryDirectory();
  context.after(() => directory.remove());
  const path = join(directory.path, 'redis.conf');
  writeFileSync(path, '# kept\nuser alice on >one\nrename-command GET FETCH\nrename-command FLUSHALL ""\n');
  const client = await startWithFile(context, path, directory.path);
  assert.equal(
    await client.text('ACL', 'SETUSER', 'alice', '~k\u00e4*', '-@all', '+get', '-flushall'),
    '+OK',
  );
  assert.equal(await client.text('ACL', 'SETUSER', 'bob', 'nopass', '(+@all ~*)'), '+OK');
  assert.equal(await client.text('CONFIG', 'REWRITE'), '+OK');
  client.send('SHUTDOWN', 'NOSAVE');
  await client.readUntilClose();
  client.close();

  const hash = '7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed';
  const users = [
    `user alice on #${hash} ~k\u00e4* resetchannels -@all +get`,
    'user bob off nopass resetchannels -@all (~* resetchannels +@all)',
    'user default on nopass ~* &* +@all',
  ];
  const lines = readFileSync(path, 'utf8').split('\n');
  assert.equal(lines[0], '# kept');
  assert.deepEqual(lines.filter((line) => line.startsWith('user ')).sort(), users);

  const again = await startWithFile(context, path, directory.path);
  assert.equal(await again.text('ACL', 'SETUSER', 'bob', 'on'), '+OK');
  // Rules have the names that Redis has for commands.
  assert.equal(await again.text('AUTH', 'alice', 'one'), '+OK');
  assert.equal(await again.text('FETCH', 'k\u00e4se'), '(nil)');
  assert.match(await again.text('FETCH', 'other'), /^-NOPERM/);
  assert.match(await again.text('SET', 'k', 'v'), /^-NOPERM .* 'set' command/);
  assert.equal(await again.text('AUTH', 'bob', 'any'), '+OK');
  assert.equal(await again.text('SET', 'k', 'v'), '+OK');
  again.close();
});
