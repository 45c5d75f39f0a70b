/** What INFO errorstats and commandstats count of errors, and of commands that wait. */
import assert from 'node:assert/strict';
import {
  ANYTHING,
  NULL_ARRAY,
  OK,
  QUEUED,
  behaviour,
  blocks,
  error,
  errorStarting,
  integerBetween,
  matching,
  on,
  receives,
} from './behaviour.ts';
import type { Expected, Step } from './behaviour.ts';

/** The figures of one command. */
function figures(command: string, calls: number, rejected: number, failed: number): Step {
  const name = command.replace('|', '\\|');
  return [
    'INFO commandstats',
    matching(
      new RegExp(
        `\\ncmdstat_${name}:calls=${calls},.*,rejected_calls=${rejected},failed_calls=${failed}\\r\\n`,
      ),
    ),
  ];
}

/** All error replies since the last reset, by code in alphabetical order. */
function errors(counts: Readonly<Record<string, number>>): readonly Step[] {
  const lines = Object.entries(counts).map(([code, count]) => `errorstat_${code}:count=${count}\\r\\n`);
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return [
    ['INFO errorstats', matching(new RegExp(`^(txt:)?# Errorstats\\r\\n${lines.join('')}$`))],
    ['INFO stats', matching(new RegExp(`\\ntotal_error_replies:${total}\\r\\n`))],
  ];
}

/** Nobody has called it, so it is not there. */
function unknownTo(command: string): Step {
  return ['INFO commandstats', matching(new RegExp(`^((?!cmdstat_${command.replace('|', '\\|')}:)[^])*$`))];
}

const RESET = ['CONFIG RESETSTAT', OK] as const;
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');

function arity(name: string): Expected {
  return error(`ERR wrong number of arguments for '${name}' command`);
}

behaviour('a command that is refused is rejected, one that ends with an error has failed', [
  RESET,
  ['GET', arity('get')],
  ['SET k v', OK],
  ['INCR k', NOT_AN_INTEGER],
  ['LPUSH k v', errorStarting('WRONGTYPE')],
  ...errors({ ERR: 2, WRONGTYPE: 1 }),
  figures('get', 0, 1, 0),
  figures('incr', 1, 0, 1),
  figures('lpush', 1, 0, 1),
]);

behaviour('what nobody knows is counted as an error and for no command', [
  RESET,
  ['NOSUCH', errorStarting('ERR unknown command')],
  ['CLIENT NOSUCH', errorStarting('ERR unknown subcommand')],
  ['COMMAND NOSUCH', errorStarting('ERR unknown subcommand')],
  ['CLIENT', arity('client')],
  ...errors({ ERR: 4 }),
  figures('client', 0, 1, 0),
  unknownTo('command'),
]);

behaviour('errors of a transaction are those of its commands', [
  RESET,
  ['MULTI', OK],
  ['SET k v', QUEUED],
  ['LPUSH k v', QUEUED],
  ['EXEC', [OK, errorStarting('WRONGTYPE')]],
  ['MULTI', OK],
  ['GET', arity('get')],
  ['EXEC', errorStarting('EXECABORT')],
  ['EXEC', error('ERR EXEC without MULTI')],
  ...errors({ ERR: 2, EXECABORT: 1, WRONGTYPE: 1 }),
  figures('exec', 3, 0, 2),
  figures('lpush', 1, 0, 1),
  figures('get', 0, 1, 0),
]);

behaviour('a command that waits is a call when it comes', [
  RESET,
  blocks('waiter', 'BLPOP list 0'),
  figures('blpop', 1, 0, 0),
  ['RPUSH list a', 1],
  receives('waiter', ['list', 'a']),
  figures('blpop', 1, 0, 0),
  on('waiter', 'BLPOP list 0.01', NULL_ARRAY),
  figures('blpop', 2, 0, 0),
]);

behaviour('a command that waits may fail when it is served', [
  ['SET text value', OK],
  RESET,
  blocks('waiter', 'BLMOVE list text LEFT LEFT 0'),
  ['RPUSH list a', 1],
  receives('waiter', errorStarting('WRONGTYPE')),
  ...errors({ WRONGTYPE: 1 }),
  figures('blmove', 1, 0, 1),
  figures('rpush', 1, 0, 0),
  ['DEL text', 1],
]);

/** The waiter sends a command that waits, and does so no longer. */
function unblocked(command: readonly string[], how: string, expected: Expected): readonly Step[] {
  let id = '';
  return [
    async (clients) => void (id = (await (await clients.get('waiter')).text('CLIENT', 'ID')).slice(1)),
    blocks('waiter', command),
    async (clients) => {
      const reply = await (await clients.get('')).text('CLIENT', 'UNBLOCK', id, how);
      assert.equal(reply, ':1');
    },
    receives('waiter', expected),
  ];
}

behaviour('CLIENT UNBLOCK makes the command that waited fail, and with an error itself', [
  RESET,
  ...unblocked(['BLPOP', 'list', '0'], 'TIMEOUT', NULL_ARRAY),
  figures('blpop', 1, 0, 1),
  figures('client|unblock', 1, 0, 0),
  ...unblocked(['BLPOP', 'list', '0'], 'ERROR', errorStarting('UNBLOCKED')),
  figures('blpop', 2, 0, 2),
  figures('client|unblock', 2, 0, 1),
  ...errors({ UNBLOCKED: 1 }),
]);

behaviour('a reader in a group fails when the stream goes', [
  ['XGROUP CREATE stream group $ MKSTREAM', OK],
  RESET,
  blocks('waiter', 'XREADGROUP GROUP group me BLOCK 0 STREAMS stream >'),
  ['DEL stream', 1],
  receives('waiter', errorStarting('UNBLOCKED')),
  ...errors({ UNBLOCKED: 1 }),
  figures('xreadgroup', 1, 0, 1),
  figures('del', 1, 0, 0),
]);

behaviour('who may not run a command has it rejected', [
  ['ACL SETUSER limited on nopass +ping +auth', OK],
  RESET,
  on('other', 'AUTH limited x', OK),
  on('other', 'GET k', errorStarting('NOPERM')),
  on('other', 'AUTH default wrong', ANYTHING),
  on('third', 'AUTH nobody x', errorStarting('WRONGPASS')),
  ...errors({ NOPERM: 1, WRONGPASS: 1 }),
  figures('get', 0, 1, 0),
  figures('auth', 3, 0, 1),
  ['ACL DELUSER limited', 1],
]);

behaviour(
  'a full memory rejects what needs more',
  [
    RESET,
    ['CONFIG SET maxmemory 1 maxmemory-policy noeviction', OK],
    ['SET k v', errorStarting('OOM')],
    ['MULTI', OK],
    ['SET k v', errorStarting('OOM')],
    ['EXEC', errorStarting('EXECABORT')],
    ['CONFIG SET maxmemory 0', OK],
    ...errors({ EXECABORT: 1, OOM: 2 }),
    figures('set', 0, 2, 0),
    figures('exec', 1, 0, 1),
  ],
  { settings: { maxmemory: '0' } },
);

behaviour('a frame that cannot be read is an error of nobody', [
  RESET,
  async (clients) => {
    const client = await clients.get('broken');
    client.write('*1\r\n$x\r\n');
    await client.readUntilClose();
  },
  ...errors({ ERR: 1 }),
  ['INFO commandstats', matching(/failed_calls=0\r\n$/)],
  ['CLIENT ID', integerBetween(1, 1e9)],
]);
