/** The lines of the log that tell of the same events as those of Redis: their levels and their texts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onEveryImplementation, startFor } from './support/implementations.ts';
import { RespClient, type Address } from './support/resp-client.ts';
import { infoFields } from './support/server-info.ts';
import { waitUntil } from './support/wait-until.ts';

/** Process, role, time, level; then the text. */
const LINE = /^\d+:[MC] \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3} ([.\-*#]) (.*)$/;
/** A client's line in CLIENT LIST. */
const CLIENT = String.raw`id=\d+ addr=\S+ laddr=\S+ fd=-?\d+ name=.* user=default redir=-1 resp=2`;

const EXPECTED: readonly (readonly [level: string, text: RegExp])[] = [
  ['#', /^oO0OoO0OoO0Oo \S+ is starting oO0OoO0OoO0Oo$/],
  ['#', /^.*version=7\.0\.15, bits=64, .*pid=\d+, just started$/],
  ['#', /^Configuration loaded$/],
  ['*', /^Running mode=standalone, port=\d+\.$/],
  ['*', /^Ready to accept connections$/],
  ['-', /^Accepted 127\.0\.0\.1:\d+$/],
  ['-', new RegExp(`^Client closed connection ${CLIENT}$`)],
  [
    '-',
    new RegExp(
      String.raw`^Protocol error \(invalid bulk length\) from client: ${CLIENT}\. ` +
        String.raw`Query buffer during protocol error: '.*\$x\.\.hello\.\.'$`,
    ),
  ],
  ['#', /^Possible SECURITY ATTACK detected\. It looks like somebody is sending POST or Host: /],
  [
    '#',
    /^Failed applying new configuration\. Possibly related to new bind setting\. Restoring previous sett/,
  ],
  [
    '#',
    /^WARNING: the new maxmemory value set via CONFIG SET \(1\) is smaller than the current memory usage/,
  ],
  ['*', /^DB saved on disk/],
  ['*', /^Background saving started/],
  ['*', /^Background saving terminated with success/],
  ['*', /^Background append only file rewriting started/],
  ['*', /^Background AOF rewrite terminated with success/],
  ['#', /^User requested shutdown\.\.\.$/],
  ['*', /^Calling fsync\(\) on the AOF file\.$/],
  ['#', /^\S+ is now ready to exit, bye bye\.\.\.$/],
];

/** Every five seconds, which is long to wait for: where both transports do the same, one is enough. */
const STATE: typeof EXPECTED = [
  ['-', /^DB 0: 1 keys \(0 volatile\) in \d+ slots HT\.$/],
  ['.', /^\d+ clients connected \(0 replicas\), \d+ bytes in use$/],
];

/** Connects, sends bytes that end the connection, and waits for that. */
async function sendAndLeave(address: Address, bytes: string): Promise<void> {
  const client = await RespClient.connect(address);
  client.write(bytes);
  await client.readUntilClose();
  client.close();
}

onEveryImplementation('the log tells what that of Redis tells', async (implementation, context) => {
  const args = ['--loglevel', 'debug', '--appendonly', 'yes', '--logfile', 'server.log'];
  const server = await startFor(context, implementation, { args });
  const path = join(server.directory, 'server.log');
  const lines = () =>
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line) => {
        const found = LINE.exec(line);
        return found === null ? [] : [{ level: found[1]!, text: found[2]! }];
      });
  const client = await server.connect();
  const isIdle = async () => {
    const fields = await infoFields(client, 'persistence');
    return fields.get('rdb_bgsave_in_progress') === '0' && fields.get('aof_rewrite_in_progress') === '0';
  };
  await waitUntil('it is ready', isIdle);
  assert.equal(await client.text('SET', 'k', 'v'), '+OK');
  const leaving = await server.connect();
  leaving.end();
  await leaving.readUntilClose();
  leaving.close();
  await sendAndLeave(server.address, '*1\r\n$x\r\nhello\r\n');
  await sendAndLeave(server.address, 'POST / HTTP/1.1\r\n');
  assert.match(await client.text('CONFIG', 'SET', 'bind', '1.2.3.4'), /^-ERR CONFIG SET failed/);
  assert.equal(await client.text('CONFIG', 'SET', 'maxmemory', '1'), '+OK');
  assert.equal(await client.text('CONFIG', 'SET', 'maxmemory', '0'), '+OK');
  assert.equal(await client.text('SAVE'), '+OK');
  for (const command of ['BGSAVE', 'BGREWRITEAOF']) {
    assert.match(await client.text(command), /^\+Background/);
    await waitUntil('it is done', isIdle);
  }
  const tellsState = implementation.name !== 'node' && implementation.name !== 'threaded';
  if (tellsState)
    await waitUntil('it tells how it is', () => lines().some(({ text }) => text.startsWith('DB 0: ')));

  // What is below the level is not there.
  assert.equal(await client.text('CONFIG', 'SET', 'loglevel', 'warning'), '+OK');
  const countBefore = lines().length;
  await sendAndLeave(server.address, 'QUIT\r\n');
  assert.equal(lines().length, countBefore);
  assert.equal(await client.text('CONFIG', 'SET', 'loglevel', 'debug'), '+OK');

  client.write('SHUTDOWN\r\n');
  await client.readUntilClose();
  client.close();
  await server.exited;
  const found = lines();
  for (const [level, text] of tellsState ? [...EXPECTED, ...STATE] : EXPECTED)
    assert.ok(
      found.some((line) => line.level === level && text.test(line.text)),
      `${level} ${String(text)} is not in\n${readFileSync(path, 'utf8')}`,
    );
});
