/** Behaviour of AUTH, ECHO, HELLO, PING, QUIT, RESET and SELECT. */
import assert from 'node:assert/strict';
import { onEveryServer } from '../support/implementations.ts';
import {
  ANYTHING,
  behaviour,
  error,
  integerBetween,
  map,
  matching,
  OK,
  on,
  QUEUED,
  simple,
} from './behaviour.ts';

const ID_MAX = 2 ** 31;

/** What HELLO tells, with any id. */
function serverFacts(protocol: number) {
  return map(
    ['server', 'redis'],
    ['version', '7.0.15'],
    ['proto', protocol],
    ['id', integerBetween(1, ID_MAX)],
    ['mode', 'standalone'],
    ['role', 'master'],
    ['modules', []],
  );
}

behaviour('PING and ECHO answer', [
  ['PING', simple('PONG')],
  ['PING hello', 'hello'],
  [['PING', ''], ''],
  ['PING a b', error("ERR wrong number of arguments for 'ping' command")],
  [['ECHO', Buffer.from([0, 0xff, 0x0d, 0x0a])], Buffer.from([0, 0xff, 0x0d, 0x0a])],
  ['ECHO', error("ERR wrong number of arguments for 'echo' command")],
  ['ECHO a b', error("ERR wrong number of arguments for 'echo' command")],
]);

behaviour('SELECT changes the database of one connection', [
  ['SET k zero', OK],
  ['SELECT 3', OK],
  ['GET k', null],
  ['SET k three', OK],
  on('other', 'GET k', 'zero'),
  ['SELECT 0', OK],
  ['GET k', 'zero'],
  ['SELECT 15', OK],
  ['SELECT 16', error('ERR DB index is out of range')],
  ['SELECT -1', error('ERR DB index is out of range')],
  ['SELECT x', error('ERR value is not an integer or out of range')],
  ['SELECT 01', error('ERR value is not an integer or out of range')],
  ['SELECT 9999999999', error('ERR value is out of range, value must between -2147483648 and 2147483647')],
  ['SELECT 99999999999999999999', error('ERR value is not an integer or out of range')],
  ['SELECT', error("ERR wrong number of arguments for 'select' command")],
  ['GET k', null],
]);

behaviour(
  'HELLO tells about the server, in the protocol that it has agreed on',
  [['HELLO 2', serverFacts(2)]],
  {
    protocols: [2],
  },
);

behaviour('HELLO without arguments keeps RESP3', [['HELLO', serverFacts(3)]], { protocols: [3] });

behaviour('HELLO without arguments keeps RESP2', [['HELLO', serverFacts(2)]], { protocols: [2] });

behaviour(
  'HELLO takes effect option by option',
  [
    ['HELLO 3 SETNAME first SETNAME second', serverFacts(3)],
    ['CLIENT GETNAME', 'second'],
    ['HELLO 3 SETNAME third NOSUCH', error("ERR Syntax error in HELLO option 'NOSUCH'")],
    ['CLIENT GETNAME', 'third'],
    ['HELLO 3 AUTH default anything SETNAME fourth', serverFacts(3)],
    ['CLIENT GETNAME', 'fourth'],
  ],
  { protocols: [3] },
);

behaviour('HELLO refuses', [
  ['HELLO 1', error('NOPROTO unsupported protocol version')],
  ['HELLO 4', error('NOPROTO unsupported protocol version')],
  ['HELLO 4 NOSUCH', error('NOPROTO unsupported protocol version')],
  ['HELLO three', error('ERR Protocol version is not an integer or out of range')],
  ['HELLO AUTH default x', error('ERR Protocol version is not an integer or out of range')],
  [['HELLO', '3', '\0'], error("ERR Syntax error in HELLO option ''")],
  [['HELLO', '3', 'a\0b'], error("ERR Syntax error in HELLO option 'a'")],
  ['HELLO 3 SETNAME', error("ERR Syntax error in HELLO option 'SETNAME'")],
  ['HELLO 3 AUTH default', error("ERR Syntax error in HELLO option 'AUTH'")],
  [
    ['HELLO', '3', 'SETNAME', 'a b'],
    error('ERR Client names cannot contain spaces, newlines or special characters.'),
  ],
  ['HELLO 3 AUTH nobody x', error('WRONGPASS invalid username-password pair or user is disabled.')],
  ['PING', simple('PONG')],
]);

behaviour('AUTH without a password to give', [
  [
    'AUTH x',
    error(
      'ERR AUTH <password> called without any password configured for the default user. ' +
        'Are you sure your configuration is correct?',
    ),
  ],
  ['AUTH default anything', OK],
  ['AUTH nobody anything', error('WRONGPASS invalid username-password pair or user is disabled.')],
  ['AUTH a b c', error('ERR syntax error')],
  ['AUTH', error("ERR wrong number of arguments for 'auth' command")],
]);

behaviour(
  'RESET brings the connection back to its beginning',
  [
    ['SELECT 3', OK],
    ['CLIENT SETNAME me', OK],
    ['MULTI', OK],
    ['PING', QUEUED],
    ['RESET', simple('RESET')],
    ['EXEC', error('ERR EXEC without MULTI')],
    ['CLIENT GETNAME', null],
    ['CLIENT INFO', matching(/ db=0 .* multi=-1 .* resp=2\n$/)],
    ['RESET x', error("ERR wrong number of arguments for 'reset' command")],
  ],
  { protocols: [2] },
);

onEveryServer('RESET goes back to RESP2', async (server) => {
  const client = await server.connect();
  await client.command('HELLO', '3');
  assert.equal(await client.text('CLIENT', 'GETNAME'), '(nil)');
  assert.equal((await client.command('CLIENT', 'GETNAME')).tag, '_');
  assert.equal(await client.text('RESET'), '+RESET');
  assert.equal((await client.command('CLIENT', 'GETNAME')).tag, '$');
  client.close();
});

onEveryServer('QUIT answers, ends the connection, and nothing behind it is run', async (server) => {
  for (const inTransaction of [false, true]) {
    const client = await server.connect();
    await client.command('SET', 'k', 'before');
    if (inTransaction) await client.command('MULTI');
    client.write('QUIT\r\nSET k after\r\n');
    assert.equal((await client.readUntilClose()).toString(), '+OK\r\n');
    client.close();

    const other = await server.connect();
    assert.equal(await other.text('GET', 'k'), '"before"');
    other.close();
  }
});

const PASSWORD = ['--requirepass', 'secret'];
const NOAUTH = '-NOAUTH Authentication required.';

onEveryServer(
  'a server with a password wants it first',
  async (server) => {
    const client = await server.connect();
    assert.equal(await client.text('GET', 'k'), NOAUTH);
    assert.equal(await client.text('PING'), NOAUTH);
    assert.match(await client.text('HELLO', '3'), /^-NOAUTH HELLO must be called with the client already/);
    assert.match(await client.text('AUTH', 'wrong'), /^-WRONGPASS /);
    assert.match(await client.text('AUTH', 'default', 'wrong'), /^-WRONGPASS /);
    assert.match(await client.text('AUTH', 'nobody', 'secret'), /^-WRONGPASS /);
    assert.match(await client.text('HELLO', '3', 'AUTH', 'default', 'wrong'), /^-WRONGPASS /);
    assert.equal(await client.text('AUTH', 'secret'), '+OK');
    assert.equal(await client.text('PING'), '+PONG');
    assert.equal(await client.text('RESET'), '+RESET');
    assert.equal(await client.text('PING'), NOAUTH);
    assert.equal((await client.command('HELLO', '3', 'AUTH', 'default', 'secret')).tag, '%');
    assert.equal(await client.text('PING'), '+PONG');
    assert.match(await client.text('AUTH', 'wrong'), /^-WRONGPASS /);
    assert.equal(await client.text('PING'), '+PONG');
    client.close();
  },
  PASSWORD,
);

onEveryServer(
  'QUIT needs no password',
  async (server) => {
    const client = await server.connect();
    client.send('QUIT');
    assert.equal((await client.readUntilClose()).toString(), '+OK\r\n');
    client.close();
  },
  PASSWORD,
);

behaviour(
  'HELLO within a transaction switches for the replies behind it',
  [
    ['MULTI', OK],
    ['GET missing', QUEUED],
    ['HELLO 3', QUEUED],
    ['EXEC', ANYTHING],
    ['GET missing', null],
  ],
  { protocols: [3] },
);
