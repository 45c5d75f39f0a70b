/** Behaviour of MONITOR. */
import { OK, behaviour, blocks, disconnect, error, matching, on, receives, simple } from './behaviour.ts';
import type { Step } from './behaviour.ts';

/** The line of a command: its arguments as they are quoted. */
function line(args: string, database = 0) {
  const literal = args.replace(/[\\()[\].*+?$^|]/g, '\\$&');
  return matching(new RegExp(`^\\d{10}\\.\\d{6} \\[${database} 127\\.0\\.0\\.1:\\d+\\] ${literal}$`));
}

/** In RESP3 the clients of a script begin with HELLO, which monitors are shown too. */
function monitored(name: string, steps: readonly Step[]): void {
  behaviour(name, steps, { protocols: [2] });
}

const NO_DATA = error("ERR Replica can't interact with the keyspace");

monitored('MONITOR shows the commands of all clients, as they were sent', [
  on('monitor', 'MONITOR', OK),
  on('other monitor', 'MONITOR', OK),
  ['Set k v', OK],
  on('second', 'GET k', 'v'),
  ['SELECT 1', OK],
  [
    ['ECHO', Buffer.from('a "b"\\\n\r\t\x07\b\xff\0', 'latin1')],
    Buffer.from('a "b"\\\n\r\t\x07\b\xff\0', 'latin1'),
  ],
  ['SELECT 0', OK],
  receives(
    'monitor',
    line('"Set" "k" "v"'),
    line('"GET" "k"'),
    line('"SELECT" "1"', 1),
    line(String.raw`"ECHO" "a \"b\"\\\n\r\t\a\b\xff\x00"`, 1),
    line('"SELECT" "0"'),
  ),
  receives('other monitor', line('"Set" "k" "v"')),
]);

monitored('MONITOR shows neither what was refused nor commands of administrators', [
  on('monitor', 'MONITOR', OK),
  ['NOSUCH', error("ERR unknown command 'NOSUCH', with args beginning with: ")],
  ['GET', error("ERR wrong number of arguments for 'get' command")],
  ['CONFIG GET port', ['port', matching(/^\d+$/)]],
  ['INCR k', 1],
  ['LPUSH k x', error('WRONGTYPE Operation against a key holding the wrong kind of value')],
  receives('monitor', line('"INCR" "k"'), line('"LPUSH" "k" "x"')),
]);

monitored('MONITOR shows a transaction as it is run', [
  on('monitor', 'MONITOR', OK),
  ['MULTI', OK],
  ['SET k v', simple('QUEUED')],
  ['EXEC', [OK]],
  receives('monitor', line('"MULTI"'), line('"SET" "k" "v"'), line('"EXEC"')),
]);

monitored('MONITOR shows a command that waits when it comes, and once', [
  on('monitor', 'MONITOR', OK),
  blocks('waiting', 'BLPOP list 0'),
  ['RPUSH list x', 1],
  receives('waiting', ['list', 'x']),
  ['EXISTS list', 0],
  receives(
    'monitor',
    line('"CLIENT" "ID"'),
    line('"BLPOP" "list" "0"'),
    line('"RPUSH" "list" "x"'),
    line('"EXISTS" "list"'),
  ),
]);

monitored('MONITOR shows no passwords', [
  on('monitor', 'MONITOR', OK),
  ['AUTH alice secret', error('WRONGPASS invalid username-password pair or user is disabled.')],
  ['HELLO 2 AUTH alice secret', error('WRONGPASS invalid username-password pair or user is disabled.')],
  receives(
    'monitor',
    line('"AUTH" "(redacted)" "(redacted)"'),
    line('"HELLO" "2" "AUTH" "(redacted)" "(redacted)"'),
  ),
]);

monitored('who monitors may not work with the data', [
  on('monitor', 'MONITOR', OK),
  on('monitor', 'SET k v', NO_DATA),
  on('monitor', 'GET k', NO_DATA),
  on('monitor', 'ECHO x', 'x'),
  receives('monitor', line('"ECHO" "x"')),
  on('monitor', 'RESET', simple('RESET')),
  ['ECHO y', 'y'],
  on('monitor', 'SET k v', OK),
]);

monitored('MONITOR is not for transactions', [
  ['MULTI', OK],
  ['MONITOR', simple('QUEUED')],
  ['EXEC', [error("ERR MONITOR isn't allowed for DENY BLOCKING client")]],
  ['ECHO x', 'x'],
]);

monitored('a monitor that is gone is not missed', [
  on('monitor', 'MONITOR', OK),
  on('other monitor', 'MONITOR', OK),
  disconnect('monitor'),
  ['ECHO x', 'x'],
  receives('other monitor', line('"ECHO" "x"')),
  ['CLIENT LIST TYPE normal', matching(/ flags=O /)],
]);
