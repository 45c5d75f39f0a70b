/** Behaviour of COMMAND; what it says of each row is tested beside src/commands/describe.ts. */
import {
  ANYTHING,
  behaviour,
  error,
  integerBetween,
  map,
  OK,
  QUEUED,
  set,
  simple,
  unordered,
} from './behaviour.ts';

const SYNTAX_ERROR = error('ERR syntax error');

const INFO_OF_GET = [
  'get',
  2,
  set(simple('readonly'), simple('fast')),
  1,
  1,
  1,
  set(simple('@read'), simple('@string'), simple('@fast')),
  set(),
  set(
    map(
      ['flags', set(simple('RO'), simple('access'))],
      ['begin_search', map(['type', 'index'], ['spec', map(['index', 1])])],
      ['find_keys', map(['type', 'range'], ['spec', map(['lastkey', 0], ['keystep', 1], ['limit', 0])])],
    ),
  ),
  set(),
];

const INFO_OF_CONFIG_GET = [
  'config|get',
  -3,
  set(simple('admin'), simple('noscript'), simple('loading'), simple('stale')),
  0,
  0,
  0,
  set(simple('@admin'), simple('@slow'), simple('@dangerous')),
  set(),
  set(),
  set(),
];

behaviour('COMMAND INFO tells facts, and null of what is no command', [
  ['COMMAND INFO get', [INFO_OF_GET]],
  ['COMMAND INFO GET nosuch Config|Get', [INFO_OF_GET, null, INFO_OF_CONFIG_GET]],
  ['COMMAND INFO get|get config| config|get|x', [null, null, null]],
  [['COMMAND', 'INFO', ''], [null]],
]);

behaviour('COMMAND and COMMAND INFO without names tell of all commands', [
  ['COMMAND', ANYTHING],
  ['COMMAND INFO', ANYTHING],
  ['COMMAND DOCS', ANYTHING],
  ['COMMAND LIST', ANYTHING],
  ['COMMAND COUNT', integerBetween(50, 500)],
  ['COMMAND COUNT x', error("ERR wrong number of arguments for 'command|count' command")],
]);

const DOCS_OF_PING = map(
  ['summary', 'Ping the server'],
  ['since', '1.0.0'],
  ['group', 'connection'],
  ['complexity', 'O(1)'],
  ['arguments', [map(['name', 'message'], ['type', 'string'], ['flags', set(simple('optional'))])]],
);

const DOCS_OF_CONFIG_REWRITE = map(
  ['summary', 'Rewrite the configuration file with the in memory configuration'],
  ['since', '2.8.0'],
  ['group', 'server'],
  ['complexity', 'O(1)'],
);

behaviour('COMMAND DOCS passes over what is no command', [
  ['COMMAND DOCS PING', map(['ping', DOCS_OF_PING])],
  ['COMMAND DOCS nosuch', map()],
  [
    'COMMAND DOCS config|rewrite nosuch ping ping',
    map(['config|rewrite', DOCS_OF_CONFIG_REWRITE], ['ping', DOCS_OF_PING], ['ping', DOCS_OF_PING]),
  ],
]);

behaviour('COMMAND LIST with filters', [
  ['COMMAND LIST FILTERBY ACLCAT transaction', unordered('multi', 'exec', 'discard', 'watch', 'unwatch')],
  ['command list filterby aclcat TRANSACTION', unordered('multi', 'exec', 'discard', 'watch', 'unwatch')],
  ['COMMAND LIST FILTERBY ACLCAT nosuch', []],
  [
    'COMMAND LIST FILTERBY PATTERN CONFIG*',
    unordered('config', 'config|get', 'config|help', 'config|resetstat', 'config|rewrite', 'config|set'),
  ],
  ['COMMAND LIST FILTERBY PATTERN *|rew?ite', ['config|rewrite']],
  ['COMMAND LIST FILTERBY MODULE any', []],
  ['COMMAND LIST FILTERBY MODULE', SYNTAX_ERROR],
  ['COMMAND LIST FILTERBY NOSUCH x', SYNTAX_ERROR],
  ['COMMAND LIST FILTERBY PATTERN x FILTERBY PATTERN y', SYNTAX_ERROR],
  ['COMMAND LIST nosuch', SYNTAX_ERROR],
]);

behaviour('COMMAND GETKEYS finds the keys of a command', [
  ['COMMAND GETKEYS GET a', ['a']],
  ['command getkeys mset a 1 b 2', ['a', 'b']],
  ['COMMAND GETKEYS MSET a 1 b', ['a', 'b']],
  ['COMMAND GETKEYS DEL a b a', ['a', 'b', 'a']],
  ['COMMAND GETKEYS COPY a b DB 1', ['a', 'b']],
  ['COMMAND GETKEYS SET a b GET', ['a']],
  ['COMMAND GETKEYS OBJECT ENCODING a', ['a']],
  ['COMMAND GETKEYS MEMORY USAGE a', ['a']],
  ['COMMAND GETKEYS WATCH a b', ['a', 'b']],
]);

behaviour('COMMAND GETKEYSANDFLAGS tells what each key is used for', [
  ['COMMAND GETKEYSANDFLAGS GET a', [['a', set(simple('RO'), simple('access'))]]],
  [
    'COMMAND GETKEYSANDFLAGS COPY a b',
    [
      ['a', set(simple('RO'), simple('access'))],
      ['b', set(simple('OW'), simple('update'))],
    ],
  ],
  ['COMMAND GETKEYS GEORADIUS a 1 2 3 km', ['a']],
  ['COMMAND GETKEYS GEORADIUSBYMEMBER a m 3 km STORE b', ['a', 'b']],
  ['COMMAND GETKEYSANDFLAGS BITFIELD a GET u8 1 OVERFLOW SAT', [['a', set(simple('RO'), simple('access'))]]],
  [
    'COMMAND GETKEYSANDFLAGS BITFIELD a GET u8 1 SET u8 1 1',
    [['a', set(simple('RW'), simple('access'), simple('update'))]],
  ],
  ['COMMAND GETKEYSANDFLAGS SET a b NX', [['a', set(simple('OW'), simple('update'))]]],
  ['COMMAND GETKEYSANDFLAGS SET a b NX get', [['a', set(simple('RW'), simple('access'), simple('update'))]]],
  ['COMMAND GETKEYSANDFLAGS SET GET GET', [['GET', set(simple('OW'), simple('update'))]]],
  ['COMMAND GETKEYSANDFLAGS PING x', error('ERR The command has no key arguments')],
]);

behaviour('COMMAND GETKEYS refuses', [
  ['COMMAND GETKEYS NOSUCH a', error('ERR Invalid command specified')],
  ['COMMAND GETKEYS CONFIG NOSUCH', error('ERR Invalid command specified')],
  ['COMMAND GETKEYS PING x', error('ERR The command has no key arguments')],
  ['COMMAND GETKEYS CLIENT LIST', error('ERR The command has no key arguments')],
  ['COMMAND GETKEYS OBJECT HELP', error('ERR The command has no key arguments')],
  ['COMMAND GETKEYS GET a b', error('ERR Invalid number of arguments specified for command')],
  ['COMMAND GETKEYS MSET a', error('ERR Invalid number of arguments specified for command')],
  ['COMMAND GETKEYS GET', error("ERR wrong number of arguments for 'command|getkeys' command")],
]);

behaviour('COMMAND within a transaction', [
  ['MULTI', OK],
  ['COMMAND GETKEYS GET a', QUEUED],
  ['EXEC', [['a']]],
]);

behaviour('COMMAND HELP, and what is no subcommand', [
  ['COMMAND NOSUCH', error("ERR unknown subcommand 'NOSUCH'. Try COMMAND HELP.")],
  [
    'COMMAND HELP',
    [
      'COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
      '(no subcommand)',
      '    Return details about all Redis commands.',
      'COUNT',
      '    Return the total number of commands in this Redis server.',
      'LIST',
      '    Return a list of all commands in this Redis server.',
      'INFO [<command-name> ...]',
      '    Return details about multiple Redis commands.',
      '    If no command names are given, documentation details for all',
      '    commands are returned.',
      'DOCS [<command-name> ...]',
      '    Return documentation details about multiple Redis commands.',
      '    If no command names are given, documentation details for all',
      '    commands are returned.',
      'GETKEYS <full-command>',
      '    Return the keys from a full Redis command.',
      'GETKEYSANDFLAGS <full-command>',
      '    Return the keys and the access flags from a full Redis command.',
      'HELP',
      '    Prints this help.',
    ].map(simple),
  ],
]);
