/** Behaviour of CLIENT and its subcommands. */
import assert from 'node:assert/strict';
import { onEveryServer } from '../support/implementations.ts';
import type { RespClient } from '../support/resp-client.ts';
import type { ServerProcess } from '../support/server-process.ts';
import {
  ANYTHING,
  behaviour,
  blocks,
  error,
  integerBetween,
  matching,
  NULL_ARRAY,
  OK,
  on,
  QUEUED,
  simple,
} from './behaviour.ts';

const SYNTAX_ERROR = error('ERR syntax error');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const BAD_NAME = error('ERR Client names cannot contain spaces, newlines or special characters.');

behaviour('CLIENT wants a subcommand that there is', [
  ['CLIENT', error("ERR wrong number of arguments for 'client' command")],
  ['CLIENT NOSUCH', error("ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.")],
  ['client nosuch', error("ERR unknown subcommand 'nosuch'. Try CLIENT HELP.")],
  ['CLIENT GETNAME x', error("ERR wrong number of arguments for 'client|getname' command")],
]);

behaviour('CLIENT SETNAME and GETNAME', [
  ['CLIENT GETNAME', null],
  ['CLIENT SETNAME me', OK],
  ['CLIENT GETNAME', 'me'],
  on('other', 'CLIENT GETNAME', null),
  [['CLIENT', 'SETNAME', 'a b'], BAD_NAME],
  [['CLIENT', 'SETNAME', 'a\nb'], BAD_NAME],
  [['CLIENT', 'SETNAME', 'é'], BAD_NAME],
  ['CLIENT GETNAME', 'me'],
  ['CLIENT LIST', matching(/ name=me .*\n/)],
  [['CLIENT', 'SETNAME', ''], OK],
  ['CLIENT GETNAME', null],
]);

behaviour('CLIENT ID, INFO and LIST show the connection', [
  ['CLIENT ID', integerBetween(1, 2 ** 31)],
  ['SELECT 2', OK],
  ['CLIENT SETNAME shown', OK],
  [
    'CLIENT INFO',
    matching(
      /^(txt:)?id=\d+ addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:\d+ fd=-?\d+ name=shown age=\d+ idle=\d+ flags=N db=2 sub=0 psub=0 ssub=0 multi=-1 qbuf=\d+ qbuf-free=\d+ argv-mem=\d+ multi-mem=0 rbs=\d+ rbp=\d+ obl=\d+ oll=\d+ omem=\d+ tot-mem=\d+ events=r cmd=client\|info user=default redir=-1 resp=[23]\n$/,
    ),
  ],
  ['MULTI', OK],
  ['PING', QUEUED],
  on('other', 'CLIENT LIST', matching(/ name=shown .* flags=x db=2 .* multi=1 /)),
  ['DISCARD', OK],
  ['CLIENT LIST TYPE normal', matching(/ name=shown .* cmd=client\|list /)],
  ['CLIENT LIST TYPE NORMAL', matching(/ name=shown /)],
  ['CLIENT LIST TYPE pubsub', matching(/^(txt:)?$/)],
  ['CLIENT LIST TYPE replica', matching(/^(txt:)?$/)],
  ['CLIENT LIST TYPE slave', matching(/^(txt:)?$/)],
  ['CLIENT LIST TYPE master', matching(/^(txt:)?$/)],
  ['CLIENT LIST ID -1 99999999', matching(/^(txt:)?$/)],
]);

behaviour('CLIENT LIST refuses', [
  ['CLIENT LIST TYPE nosuch', error("ERR Unknown client type 'nosuch'")],
  ['CLIENT LIST TYPE', SYNTAX_ERROR],
  ['CLIENT LIST TYPE normal x', SYNTAX_ERROR],
  ['CLIENT LIST ID', SYNTAX_ERROR],
  ['CLIENT LIST ID x', error('ERR Invalid client ID')],
  ['CLIENT LIST ID 1 99999999999999999999', error('ERR Invalid client ID')],
  ['CLIENT LIST NOSUCH x', SYNTAX_ERROR],
]);

onEveryServer('CLIENT LIST ID gives the clients in the order of the question', async (server) => {
  const [first, second] = [await server.connect(), await server.connect()];
  const [a, b] = [await idOf(first), await idOf(second)];
  const list = await first.command('CLIENT', 'LIST', 'ID', b, 99999999, a, b);
  const lines = 'bytes' in list ? list.bytes.toString().match(/^id=\d+/gm) : list;
  assert.deepEqual(lines, [`id=${b}`, `id=${a}`, `id=${b}`]);
  first.close();
  second.close();
});

behaviour('CLIENT KILL refuses, or finds nobody', [
  ['CLIENT KILL', error("ERR wrong number of arguments for 'client|kill' command")],
  ['CLIENT KILL 127.0.0.1:1', error('ERR No such client')],
  ['CLIENT KILL ID', error('ERR No such client')],
  ['CLIENT KILL ID 99999999', 0],
  ['CLIENT KILL ID 0', error('ERR client-id should be greater than 0')],
  ['CLIENT KILL ID x', error('ERR client-id should be greater than 0')],
  ['CLIENT KILL TYPE nosuch', error("ERR Unknown client type 'nosuch'")],
  ['CLIENT KILL TYPE Slave', 0],
  ['CLIENT KILL USER nobody', error("ERR No such user 'nobody'")],
  ['CLIENT KILL SKIPME maybe ID 1', SYNTAX_ERROR],
  ['CLIENT KILL NOSUCH x', SYNTAX_ERROR],
  ['CLIENT KILL ID 99999999 ADDR', SYNTAX_ERROR],
  ['CLIENT KILL ADDR 127.0.0.1:1 LADDR x', 0],
  ['CLIENT KILL TYPE normal TYPE pubsub', 0],
]);

onEveryServer('CLIENT KILL ends the clients that every filter fits', async (server) => {
  const killer = await server.connect();
  const killed = async (filter: (victim: RespClient) => Promise<(string | number)[]>, count: number) => {
    const victim = await server.connect();
    // From then on it is known to be there: in threaded mode not before it has its thread.
    await victim.command('PING');
    const words = await filter(victim);
    assert.equal(await killer.text('CLIENT', 'KILL', ...words), `:${count}`, words.join(' '));
    if (count === 0) assert.equal(await victim.text('PING'), '+PONG');
    else assert.equal((await victim.readUntilClose()).length, 0);
    victim.close();
  };

  await killed(async (victim) => ['ID', await idOf(victim)], 1);
  await killed(async (victim) => ['id', await idOf(victim), 'user', 'default', 'type', 'normal'], 1);
  await killed(async (victim) => ['ADDR', addressOf(victim)], 1);
  await killed(async (victim) => ['ADDR', addressOf(victim), 'LADDR', `127.0.0.1:${server.port}`], 1);
  await killed(async (victim) => ['ID', await idOf(victim), 'ADDR', '127.0.0.1:1'], 0);
  await killed(async (victim) => ['ID', await idOf(victim), 'TYPE', 'pubsub'], 0);
  await killed(async (victim) => ['ID', 99999999, 'ID', await idOf(victim)], 1);
  assert.equal(await killer.text('CLIENT', 'KILL', 'ID', await idOf(killer)), ':0');
  killer.close();
});

behaviour('who was killed is not there any more', [
  on('other', 'SUBSCRIBE channel', ANYTHING),
  ['CLIENT KILL TYPE pubsub', 1],
  ['CLIENT KILL TYPE pubsub', 0],
  ['PUBLISH channel message', 0],
  ['CLIENT LIST TYPE pubsub', matching(/^(txt:)?$/)],
]);

behaviour('who was killed while it waited gets nothing', [
  blocks('other', 'BLPOP list 0'),
  ['CLIENT KILL TYPE normal', integerBetween(1, 99)],
  ['RPUSH list element', 1],
  ['LLEN list', 1],
]);

onEveryServer('CLIENT KILL by address, as in old times', async (server) => {
  const [killer, victim] = [await server.connect(), await server.connect()];
  await victim.command('PING');
  assert.equal(await killer.text('CLIENT', 'KILL', addressOf(victim)), '+OK');
  assert.equal((await victim.readUntilClose()).length, 0);

  killer.send('CLIENT', 'KILL', addressOf(killer));
  assert.equal((await killer.readUntilClose()).toString(), '+OK\r\n');
  killer.close();
  victim.close();
});

onEveryServer('CLIENT KILL of oneself is answered first', async (server) => {
  const client = await server.connect();
  client.send('CLIENT', 'KILL', 'ID', await idOf(client), 'SKIPME', 'no');
  client.send('SET', 'after', 'x');
  assert.equal((await client.readUntilClose()).toString(), ':1\r\n');
  client.close();

  const other = await server.connect();
  assert.equal(await other.text('GET', 'after'), '(nil)');
  other.close();
});

behaviour('CLIENT NO-EVICT', [
  ['CLIENT NO-EVICT ON', OK],
  ['CLIENT INFO', matching(/ flags=e /)],
  ['CLIENT NO-EVICT off', OK],
  ['CLIENT INFO', matching(/ flags=N /)],
  ['CLIENT NO-EVICT maybe', SYNTAX_ERROR],
  ['CLIENT NO-EVICT', error("ERR wrong number of arguments for 'client|no-evict' command")],
]);

behaviour('CLIENT PAUSE and UNPAUSE', [
  ['CLIENT PAUSE 0', OK],
  ['CLIENT PAUSE 60000 WRITE', OK],
  ['GET k', null],
  ['CLIENT UNPAUSE', OK],
  ['SET k v', OK],
  ['CLIENT PAUSE 1', OK],
  ['GET k', 'v'],
  ['CLIENT PAUSE 1 all', OK],
  ['SET k w', OK],
  ['CLIENT PAUSE 9223372036854775807', OK],
  ['GET k', 'w'],
  ['CLIENT PAUSE x', error('ERR timeout is not an integer or out of range')],
  ['CLIENT PAUSE 99999999999999999999', error('ERR timeout is not an integer or out of range')],
  ['CLIENT PAUSE -1', error('ERR timeout is negative')],
  ['CLIENT PAUSE x nosuch', error('ERR CLIENT PAUSE mode must be WRITE or ALL')],
  [
    'CLIENT PAUSE 1 WRITE x',
    error("ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP."),
  ],
  ['CLIENT UNPAUSE x', error("ERR wrong number of arguments for 'client|unpause' command")],
]);

onEveryServer('a paused write waits for CLIENT UNPAUSE', async (server) => {
  const [pauser, writer] = [await server.connect(), await server.connect()];
  await pauser.command('DEL', 'k');
  assert.equal(await pauser.text('CLIENT', 'PAUSE', 60_000, 'WRITE'), '+OK');
  assert.equal(await writer.text('PING'), '+PONG');
  writer.send('SET', 'k', 'v');
  writer.send('GET', 'k');
  assert.equal(await pauser.text('GET', 'k'), '(nil)');
  assert.equal(await pauser.text('CLIENT', 'UNPAUSE'), '+OK');
  const replies = await writer.readReplies(2);
  assert.deepEqual(
    replies.map((reply) => 'bytes' in reply && reply.bytes.toString()),
    ['OK', 'v'],
  );
  pauser.close();
  writer.close();
});

onEveryServer('CLIENT REPLY SKIP leaves out two replies, OFF all of them', async (server) => {
  const client = await server.connect();
  client.send('CLIENT', 'REPLY', 'SKIP');
  client.send('ECHO', 'skipped');
  assert.equal(await client.text('ECHO', 'heard'), '"heard"');

  client.send('CLIENT', 'REPLY', 'OFF');
  client.send('ECHO', 'skipped');
  client.send('NOSUCH');
  client.send('CLIENT', 'REPLY', 'SKIP');
  assert.equal(await client.text('CLIENT', 'REPLY', 'ON'), '+OK');
  assert.equal(await client.text('ECHO', 'heard'), '"heard"');
  assert.equal(await client.text('CLIENT', 'REPLY', 'nosuch'), '-ERR syntax error');
  client.close();
});

behaviour('CLIENT UNBLOCK finds nobody who waits', [
  ['CLIENT UNBLOCK 99999999', 0],
  ['CLIENT UNBLOCK 99999999 TIMEOUT', 0],
  ['CLIENT UNBLOCK 99999999 error', 0],
  ['CLIENT UNBLOCK x', NOT_AN_INTEGER],
  ['CLIENT UNBLOCK x nosuch', error('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR')],
  [
    'CLIENT UNBLOCK 1 ERROR x',
    error("ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP."),
  ],
]);

behaviour('CLIENT within a transaction', [
  ['WATCH k', OK],
  ['CLIENT INFO', matching(/ flags=N /)],
  on('other', 'SET k v', OK),
  ['CLIENT INFO', matching(/ flags=d /)],
  ['MULTI', OK],
  ['CLIENT GETNAME', QUEUED],
  ['EXEC', NULL_ARRAY],
  ['MULTI', OK],
  ['CLIENT SETNAME inside', QUEUED],
  ['CLIENT GETNAME', QUEUED],
  ['EXEC', [OK, 'inside']],
  ['MULTI', OK],
  ['CLIENT INFO', QUEUED],
  ['EXEC', [matching(/ flags=x .* multi=1 .* cmd=exec /)]],
  ['NOSUCH', error("ERR unknown command 'NOSUCH', with args beginning with: ")],
  on('other', 'CLIENT LIST', matching(/ name=inside .* cmd=NULL /)),
]);

behaviour('CLIENT HELP', [
  [
    'client help',
    [
      'CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
      'CACHING (YES|NO)',
      '    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.',
      'GETREDIR',
      '    Return the client ID we are redirecting to when tracking is enabled.',
      'GETNAME',
      '    Return the name of the current connection.',
      'ID',
      '    Return the ID of the current connection.',
      'INFO',
      '    Return information about the current client connection.',
      'KILL <ip:port>',
      '    Kill connection made from <ip:port>.',
      'KILL <option> <value> [<option> <value> [...]]',
      '    Kill connections. Options are:',
      '    * ADDR (<ip:port>|<unixsocket>:0)',
      '      Kill connections made from the specified address',
      '    * LADDR (<ip:port>|<unixsocket>:0)',
      '      Kill connections made to specified local address',
      '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
      '      Kill connections by type.',
      '    * USER <username>',
      '      Kill connections authenticated by <username>.',
      '    * SKIPME (YES|NO)',
      '      Skip killing current connection (default: yes).',
      'LIST [options ...]',
      '    Return information about client connections. Options:',
      '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
      '      Return clients of specified type.',
      'UNPAUSE',
      '    Stop the current client pause, resuming traffic.',
      'PAUSE <timeout> [WRITE|ALL]',
      '    Suspend all, or just write, clients for <timeout> milliseconds.',
      'REPLY (ON|OFF|SKIP)',
      '    Control the replies sent to the current connection.',
      'SETNAME <name>',
      '    Assign the name <name> to the current connection.',
      'UNBLOCK <clientid> [TIMEOUT|ERROR]',
      '    Unblock the specified blocked client.',
      'TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]',
      '         [OPTIN] [OPTOUT] [NOLOOP]',
      '    Control server assisted client side caching.',
      'TRACKINGINFO',
      '    Report tracking status for the current connection.',
      'NO-EVICT (ON|OFF)',
      '    Protect current client connection from eviction.',
      'HELP',
      '    Prints this help.',
    ].map(simple),
  ],
]);

async function idOf(client: RespClient): Promise<number> {
  return Number((await client.text('CLIENT', 'ID')).slice(1));
}

/** The client's end of the connection, as CLIENT LIST has it. */
function addressOf(client: RespClient): string {
  return `127.0.0.1:${client.socket.localPort}`;
}

onEveryServer('a client is listed at its address', async (server: ServerProcess) => {
  const client = await server.connect();
  assert.match(
    await client.text('CLIENT', 'INFO'),
    new RegExp(` addr=${addressOf(client)} laddr=127.0.0.1:${server.port} `),
  );
  client.close();
});
