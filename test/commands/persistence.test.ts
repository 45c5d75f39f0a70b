/** Behaviour of SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE, and of DEBUG RELOAD and LOADAOF. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { onEveryImplementation, startFor } from '../support/implementations.ts';
import { describeReply, type RespClient } from '../support/resp-client.ts';
import { infoField } from '../support/server-info.ts';
import { waitUntil } from '../support/wait-until.ts';
import { behaviour, error, integerBetween, matching, NULL_ARRAY, OK, QUEUED, simple } from './behaviour.ts';

const SYNTAX_ERROR = error('ERR syntax error');
const RELOAD_OPTIONS = error('ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.');

/** The file's name decides the format; this one means the same to every implementation. */
const FILE_ARGS = ['--dbfilename', 'dump.rdb'];

const JOB_FIELDS = ['rdb_bgsave_in_progress', 'aof_rewrite_in_progress', 'aof_rewrite_scheduled'];

behaviour('SAVE saves, and LASTSAVE says when', [
  ['SET k v', OK],
  ['INFO persistence', matching(/rdb_changes_since_last_save:[1-9]/)],
  ['SAVE', OK],
  ['LASTSAVE', integerBetween(1_700_000_000, 4_000_000_000)],
  ['INFO persistence', matching(/rdb_changes_since_last_save:0\r/)],
  ['INFO persistence', matching(/rdb_last_bgsave_status:ok\r/)],
  ['SAVE x', error("ERR wrong number of arguments for 'save' command")],
  ['LASTSAVE x', error("ERR wrong number of arguments for 'lastsave' command")],
]);

behaviour('SAVE that fails says so', [['SAVE', error('ERR')]], { args: ['--dbfilename', ''] });

behaviour('BGSAVE and BGREWRITEAOF take no other words', [
  ['BGSAVE x', SYNTAX_ERROR],
  ['BGSAVE SCHEDULE x', SYNTAX_ERROR],
  ['BGREWRITEAOF x', error("ERR wrong number of arguments for 'bgrewriteaof' command")],
]);

behaviour('SAVE cannot be in a transaction', [
  ['MULTI', OK],
  ['SAVE', error('ERR Command not allowed inside a transaction')],
  ['EXEC', error('EXECABORT Transaction discarded because of previous errors.')],
]);

behaviour(
  'DEBUG RELOAD saves, empties and loads',
  [
    ['MSET a 1 b text', OK],
    ['PEXPIREAT a 9999999999999', 1],
    ['SELECT 3', OK],
    ['SET c v', OK],
    ['DEBUG RELOAD', OK],
    ['GET c', 'v'],
    ['SELECT 0', OK],
    ['MGET a b c', ['1', 'text', null]],
    ['PEXPIRETIME a', 9_999_999_999_999],
    ['PEXPIRETIME b', -1],
    ['OBJECT ENCODING a', 'int'],
  ],
  { args: FILE_ARGS },
);

behaviour(
  'DEBUG RELOAD changes the keys that are watched, as a flush does',
  [
    ['SET k v', OK],
    ['WATCH k', OK],
    ['DEBUG RELOAD', OK],
    ['MULTI', OK],
    ['PING', QUEUED],
    ['EXEC', NULL_ARRAY],
    ['WATCH none', OK],
    ['DEBUG RELOAD', OK],
    ['MULTI', OK],
    ['PING', QUEUED],
    ['EXEC', [simple('PONG')]],
  ],
  { args: FILE_ARGS },
);

behaviour(
  'DEBUG RELOAD with options',
  [
    ['MSET a 1 b 2', OK],
    ['SAVE', OK],
    ['MSET a 3 c 4', OK],
    ['DEL b', 1],
    ['debug reload noflush merge nosave', OK],
    ['MGET a b c', ['1', '2', '4']],
    ['DEBUG RELOAD NOSAVE', OK],
    ['MGET a b c', ['1', '2', null]],
    ['DEBUG RELOAD NOSUCH', RELOAD_OPTIONS],
    ['DEBUG RELOAD NOSAVE x', RELOAD_OPTIONS],
  ],
  { args: FILE_ARGS, isUnlogged: true },
);

behaviour(
  'DEBUG LOADAOF loads the append-only file again',
  [
    ['SET a 1', OK],
    ['SET b 2 PXAT 9999999999999', OK],
    ['INCR a', 2],
    ['MULTI', OK],
    ['INCR a', QUEUED],
    ['SET c 3', QUEUED],
    ['EXEC', [3, OK]],
    ['DEBUG LOADAOF', OK],
    // What is loaded is no change; nor what came before it.
    ['INFO persistence', matching(/rdb_changes_since_last_save:0\r/)],
    ['MGET a b c', ['3', '2', '3']],
    ['PEXPIRETIME b', 9_999_999_999_999],
    ['DBSIZE', 3],
    ['INFO persistence', matching(/loading:0\r/)],
    ['SET d 4', OK],
    ['DEBUG LOADAOF more', OK],
    ['DBSIZE', 4],
  ],
  { args: ['--appendonly', 'yes'] },
);

/** What INFO counts; a save that is scheduled is not shown otherwise. */
let savesBefore = '';

behaviour('the replies in a transaction', [
  async (clients) => {
    await untilIdle(await clients.get(''));
    savesBefore = (await infoField(await clients.get(''), 'rdb_saves')) ?? '';
  },
  ['MULTI', OK],
  ['LASTSAVE', QUEUED],
  ['BGSAVE', QUEUED],
  ['BGSAVE SCHEDULE', QUEUED],
  ['BGREWRITEAOF', QUEUED],
  [
    'EXEC',
    [
      integerBetween(1_700_000_000, 4_000_000_000),
      simple('Background saving scheduled'),
      simple('Background saving scheduled'),
      simple('Background append only file rewriting scheduled'),
    ],
  ],
  async (clients) => {
    const client = await clients.get('');
    await waitUntil('it is saved', async () => (await infoField(client, 'rdb_saves')) !== savesBefore);
    await untilIdle(client);
  },
]);

/** What one read of the server holds is run without a break: no job ends between the commands. */
async function atOnce(client: RespClient, commands: readonly string[]): Promise<string[]> {
  client.write(commands.map((command) => `${command}\r\n`).join(''));
  return (await client.readReplies(commands.length)).map(describeReply);
}

async function untilIdle(client: RespClient): Promise<void> {
  await waitUntil('no job runs or is scheduled', async () => {
    for (const name of JOB_FIELDS) if ((await infoField(client, name)) !== '0') return false;
    return true;
  });
}

onEveryImplementation('BGSAVE while others run', async (implementation, context) => {
  const server = await startFor(context, implementation, { args: FILE_ARGS });
  const client = await server.connect();
  await client.command('SET', 'k', 'v');

  assert.deepEqual(
    await atOnce(client, ['BGSAVE', 'BGSAVE', 'BGSAVE SCHEDULE', 'SAVE', 'BGREWRITEAOF', 'BGREWRITEAOF']),
    [
      '+Background saving started',
      '-ERR Background save already in progress',
      '-ERR Background save already in progress',
      '-ERR Background save already in progress',
      '+Background append only file rewriting scheduled',
      '+Background append only file rewriting scheduled',
    ],
  );
  await untilIdle(client);

  assert.ok(existsSync(join(server.directory, 'dump.rdb')));
  client.close();
});

onEveryImplementation('BGREWRITEAOF while others run', async (implementation, context) => {
  const server = await startFor(context, implementation, { args: [...FILE_ARGS, '--appendonly', 'yes'] });
  const client = await server.connect();
  await client.command('SET', 'k', 'v');
  await untilIdle(client);

  assert.deepEqual(
    await atOnce(client, ['BGREWRITEAOF', 'BGREWRITEAOF', 'BGSAVE', 'BGSAVE SCHEDULE', 'SAVE']),
    [
      '+Background append only file rewriting started',
      '-ERR Background append only file rewriting already in progress',
      "-ERR Another child process is active (AOF?): can't BGSAVE right now. " +
        'Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.',
      '+Background saving scheduled',
      '+OK',
    ],
  );
  await untilIdle(client);
  client.close();
});

onEveryImplementation('BGSAVE in a transaction is made up for', async (implementation, context) => {
  const server = await startFor(context, implementation, { args: FILE_ARGS });
  const client = await server.connect();

  assert.deepEqual(await atOnce(client, ['MULTI', 'SET k v', 'BGSAVE', 'EXEC']), [
    '+OK',
    '+QUEUED',
    '+QUEUED',
    '*[+OK, +Background saving scheduled]',
  ]);

  await waitUntil('the snapshot is there', () => existsSync(join(server.directory, 'dump.rdb')));
  await untilIdle(client);
  client.close();
});
