/** `rename-command` changes by which name clients find a command, and nothing else. */
import assert from 'node:assert/strict';
import { onEveryImplementation, startFor } from './support/implementations.ts';
import type { RespClient } from './support/resp-client.ts';
import { waitUntil } from './support/wait-until.ts';

const RENAMED = ['MULTI', 'EXEC', 'DISCARD', 'SUBSCRIBE', 'PING', 'GET', 'PFCOUNT', 'OBJECT'];
const ARGS = [
  ...RENAMED.flatMap((name) => ['--rename-command', name, `my.${name.toLowerCase()}`]),
  // Redis tells it from XREAD by the length of the name that was sent.
  ...['--rename-command', 'XREADGROUP', 'my.xreadgr'],
];

/** The replies to commands, one after the other. */
async function replies(client: RespClient, ...commands: readonly string[]): Promise<string[]> {
  const texts: string[] = [];
  for (const command of commands) texts.push(await client.text(...command.split(' ')));
  return texts;
}

onEveryImplementation('commands under other names do what they did', async (implementation, context) => {
  const server = await startFor(context, implementation, { args: ARGS });
  const [client, other] = [await server.connect(), await server.connect()];
  assert.match((await replies(client, 'GET k'))[0]!, /^-ERR unknown command 'GET'/);

  assert.deepEqual(await replies(client, 'my.multi', 'SET k v', 'my.discard', 'my.multi', 'SET k w'), [
    '+OK',
    '+QUEUED',
    '+OK',
    '+OK',
    '+QUEUED',
  ]);
  assert.equal(await client.text('my.exec'), '*[+OK]');
  assert.deepEqual(await replies(client, 'my.get k', 'my.get'), [
    '"w"',
    "-ERR wrong number of arguments for 'get' command",
  ]);
  assert.deepEqual(await replies(client, 'PFADD h a', 'my.pfcount h', 'my.object ENCODING k'), [
    ':1',
    ':1',
    '"embstr"',
  ]);
  assert.equal(await client.text('COMMAND', 'GETKEYS', 'my.get', 'k'), '*["k"]');
  assert.match(await client.text('COMMAND', 'INFO', 'my.object'), /^\*\[\*\["object", .*"object\|encoding"/);
  assert.match(await client.text('CLIENT', 'LIST'), /cmd=client\|list/);

  // In RESP2 a subscriber may do little, and that by any name.
  await other.command('my.subscribe', 'channel');
  assert.match(await other.text('my.ping'), /"pong"/);
  assert.match(await other.text('my.get', 'k'), /^-ERR Can't execute 'get'/);

  const reader = await server.connect();
  await client.command('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM');
  const id = (await reader.text('CLIENT', 'ID')).slice(1);
  reader.send('my.xreadgr', 'GROUP', 'g', 'me', 'BLOCK', '0', 'STREAMS', 's', '>');
  await waitUntil('it waits', async () =>
    (await client.text('CLIENT', 'LIST', 'ID', id)).includes(' flags=b '),
  );
  await client.command('DEL', 's');
  const gone = await reader.readReply();
  assert.equal(
    gone.kind === 'scalar' ? gone.bytes.toString() : '',
    'UNBLOCKED the stream key no longer exists',
  );
  for (const each of [client, other, reader]) each.close();
});
