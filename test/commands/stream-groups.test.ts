/** Behaviour of consumer groups. */
import {
  NULL_ARRAY,
  OK,
  QUEUED,
  behaviour,
  blocks,
  error,
  integerBetween,
  map,
  on,
  receives,
  simple,
} from './behaviour.ts';
import type { Expected, Step } from './behaviour.ts';
import { streams } from '../support/stream-replies.ts';

const INVALID_ID = error('ERR Invalid stream ID specified as stream command argument');
const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');
const SYNTAX = error('ERR syntax error');
const NO_KEY = error(
  'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the ' +
    'MKSTREAM option to create an empty stream automatically.',
);
const NO_GROUP = error("NOGROUP No such key 's' or consumer group 'x'");
const IDLE = integerBetween(0, 5000);

const entry = (id: string, ...fields: string[]): Expected => [id, fields];
const fill = (...ids: number[]): Step[] => ids.map((id) => [`XADD s ${id} f ${id}`, `${id}-0`]);
const entries = (...ids: number[]): Expected[] => ids.map((id) => entry(`${id}-0`, 'f', String(id)));

const groupInfo = (
  name: string,
  consumers: number,
  pending: number,
  lastId: string,
  read: number | null,
  lag: number | null,
): Expected =>
  map(
    ['name', name],
    ['consumers', consumers],
    ['pending', pending],
    ['last-delivered-id', lastId],
    ['entries-read', read],
    ['lag', lag],
  );

behaviour('XGROUP makes, moves and destroys groups', [
  ['XGROUP CREATE s g $', NO_KEY],
  ['XGROUP CREATE s g $ MKSTREAM', OK],
  ['XGROUP CREATE s g 0', error('BUSYGROUP Consumer Group name already exists')],
  ['XGROUP CREATE s h x', INVALID_ID],
  ['XGROUP CREATE s h +', INVALID_ID],
  ['XLEN s', 0],
  ['XINFO GROUPS s', [groupInfo('g', 0, 0, '0-0', null, 0)]],
  ...fill(1, 2, 3),
  ['XGROUP CREATE s e $', OK],
  ['XGROUP CREATE s f 1 ENTRIESREAD 1', OK],
  ['XGROUP CREATE s h 0 ENTRIESREAD -2', error('ERR value for ENTRIESREAD must be positive or -1')],
  [
    'XGROUP CREATE s h 0 ENTRIESREAD',
    error("ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP."),
  ],
  [
    'XINFO GROUPS s',
    [
      groupInfo('e', 0, 0, '3-0', null, 0),
      groupInfo('f', 0, 0, '1-0', 1, 2),
      groupInfo('g', 0, 0, '0-0', null, 3),
    ],
  ],
  ['XGROUP SETID s e 2', OK],
  ['XGROUP SETID s f $ ENTRIESREAD 3', OK],
  ['XGROUP SETID s g -', OK],
  ['XGROUP SETID s x 0', error("NOGROUP No such consumer group 'x' for key name 's'")],
  [
    'XINFO GROUPS s',
    [
      groupInfo('e', 0, 0, '2-0', null, null),
      groupInfo('f', 0, 0, '3-0', 3, 0),
      groupInfo('g', 0, 0, '0-0', null, 3),
    ],
  ],
  ['XGROUP DESTROY s e', 1],
  ['XGROUP DESTROY s e', 0],
  ['XGROUP DESTROY none e', NO_KEY],
  ['XINFO GROUPS none', error('ERR no such key')],
  ['SET k v', OK],
  ['XGROUP CREATE k g 0', WRONG_TYPE],
  ['XINFO GROUPS k', WRONG_TYPE],
  [
    'XGROUP HELP',
    [
      'XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
      'CREATE <key> <groupname> <id|$> [option]',
      '    Create a new consumer group. Options are:',
      '    * MKSTREAM',
      '      Create the empty stream if it does not exist.',
      '    * ENTRIESREAD entries_read',
      "      Set the group's entries_read counter (internal use).",
      'CREATECONSUMER <key> <groupname> <consumer>',
      '    Create a new consumer in the specified group.',
      'DELCONSUMER <key> <groupname> <consumer>',
      '    Remove the specified consumer.',
      'DESTROY <key> <groupname>',
      '    Remove the specified group.',
      'SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]',
      '    Set the current group ID and entries_read counter.',
      'HELP',
      '    Prints this help.',
    ].map((line) => simple(line)),
  ],
]);

behaviour('consumers come by themselves or by name, and go with what they have', [
  ...fill(1, 2, 3),
  ['XGROUP CREATE s g 0', OK],
  ['XGROUP CREATECONSUMER s g b', 1],
  ['XGROUP CREATECONSUMER s g b', 0],
  ['XGROUP CREATECONSUMER s x b', error("NOGROUP No such consumer group 'x' for key name 's'")],
  ['XREADGROUP GROUP g a COUNT 2 STREAMS s >', streams(['s', entries(1, 2)])],
  [
    'XINFO CONSUMERS s g',
    [map(['name', 'a'], ['pending', 2], ['idle', IDLE]), map(['name', 'b'], ['pending', 0], ['idle', IDLE])],
  ],
  ['XINFO CONSUMERS s x', error("NOGROUP No such consumer group 'x' for key name 's'")],
  ['XINFO CONSUMERS none x', error('ERR no such key')],
  ['XGROUP DELCONSUMER s g a', 2],
  ['XGROUP DELCONSUMER s g a', 0],
  ['XPENDING s g', [0, null, null, NULL_ARRAY]],
  ['XREADGROUP GROUP g b STREAMS s >', streams(['s', entries(3)])],
]);

behaviour('XREADGROUP shares the entries out, and keeps them until XACK', [
  ...fill(1, 2, 3, 4),
  ['XGROUP CREATE s g 0', OK],
  ['XREADGROUP GROUP g a COUNT 1 STREAMS s >', streams(['s', entries(1)])],
  ['XREADGROUP GROUP g b COUNT 2 STREAMS s >', streams(['s', entries(2, 3)])],
  ['XREADGROUP GROUP g a STREAMS s 0', streams(['s', entries(1)])],
  ['XREADGROUP GROUP g b COUNT 1 STREAMS s 2', streams(['s', entries(3)])],
  ['XREADGROUP GROUP g c STREAMS s 0', streams(['s', []])],
  [
    'XPENDING s g',
    [
      3,
      '1-0',
      '3-0',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
  ],
  ['XINFO GROUPS s', [groupInfo('g', 3, 3, '3-0', 3, 1)]],
  ['XACK s g 1 2 9', 2],
  ['XACK s g 1', 0],
  ['XACK none g 1', 0],
  ['XACK s x 1', 0],
  ['XACK s g x', INVALID_ID],
  ['XPENDING s g', [1, '3-0', '3-0', [['b', '1']]]],
  ['XDEL s 3', 1],
  ['XREADGROUP GROUP g b STREAMS s 0', streams(['s', [['3-0', NULL_ARRAY]]])],
  ['XREADGROUP GROUP g b NOACK STREAMS s >', streams(['s', entries(4)])],
  ['XREADGROUP GROUP g b STREAMS s >', NULL_ARRAY],
  ['XPENDING s g', [1, '3-0', '3-0', [['b', '1']]]],
  ['XGROUP SETID s g 0', OK],
  ['XREADGROUP GROUP g a STREAMS s >', streams(['s', entries(1, 2, 4)])],
  ['XGROUP SETID s g 1', OK],
  ['XREADGROUP GROUP g c COUNT 1 STREAMS s >', streams(['s', entries(2)])],
  [
    'XPENDING s g',
    [
      4,
      '1-0',
      '4-0',
      [
        ['a', '2'],
        ['b', '1'],
        ['c', '1'],
      ],
    ],
  ],
  [
    'XREADGROUP GROUP x c STREAMS s >',
    error("NOGROUP No such key 's' or consumer group 'x' in XREADGROUP with GROUP option"),
  ],
  [
    'XREADGROUP GROUP g c STREAMS s $',
    error(
      'ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this ' +
        'consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just ' +
        'return an empty result set.',
    ),
  ],
  ['XREADGROUP COUNT 1 NOACK BLOCK 1 STREAMS s >', error('ERR Missing GROUP option for XREADGROUP')],
]);

behaviour('XPENDING shows entries of a range', [
  ...fill(1, 2, 3),
  ['XGROUP CREATE s g 0', OK],
  ['XREADGROUP GROUP g a COUNT 2 STREAMS s >', streams(['s', entries(1, 2)])],
  ['XREADGROUP GROUP g b STREAMS s >', streams(['s', entries(3)])],
  ['XREADGROUP GROUP g b STREAMS s 0', streams(['s', entries(3)])],
  [
    'XPENDING s g - + 10',
    [
      ['1-0', 'a', IDLE, 1],
      ['2-0', 'a', IDLE, 1],
      ['3-0', 'b', IDLE, 2],
    ],
  ],
  ['XPENDING s g (1 + 1', [['2-0', 'a', IDLE, 1]]],
  ['XPENDING s g - + 10 b', [['3-0', 'b', IDLE, 2]]],
  ['XPENDING s g - + 10 nobody', []],
  ['XPENDING s g IDLE 100000 - + 10', []],
  ['XPENDING s g IDLE 0 - + 10 b', [['3-0', 'b', IDLE, 2]]],
  ['XPENDING s g - + 0', []],
  ['XPENDING s g - + -1', []],
  ['XPENDING s g - +', SYNTAX],
  ['XPENDING s g IDLE 1 - +', SYNTAX],
  ['XPENDING s g - + x', error('ERR value is not an integer or out of range')],
  ['XPENDING s g x + 1', INVALID_ID],
  ['XPENDING s x', NO_GROUP],
]);

behaviour('XCLAIM takes entries over', [
  ...fill(1, 2, 3),
  ['XGROUP CREATE s g 0', OK],
  ['XREADGROUP GROUP g a COUNT 2 STREAMS s >', streams(['s', entries(1, 2)])],
  ['XCLAIM s g b 100000 1 2', []],
  ['XCLAIM s g b 0 1 3', entries(1)],
  ['XCLAIM s g b 0 2 JUSTID', ['2-0']],
  ['XCLAIM s g b 0 3 FORCE RETRYCOUNT 7', entries(3)],
  [
    'XPENDING s g - + 10',
    [
      ['1-0', 'b', IDLE, 2],
      ['2-0', 'b', IDLE, 1],
      ['3-0', 'b', IDLE, 7],
    ],
  ],
  ['XCLAIM s g b 0 1 TIME 1000 JUSTID', ['1-0']],
  ['XCLAIM s g c 1000000 1 2 IDLE 5000', entries(1)],
  ['XPENDING s g IDLE 5000 - + 10', [['1-0', 'c', integerBetween(5000, 10_000), 3]]],
  ['XCLAIM s g c 0 9 FORCE LASTID 3', []],
  ['XINFO GROUPS s', [groupInfo('g', 3, 3, '3-0', 2, 1)]],
  ['XDEL s 2', 1],
  ['XCLAIM s g c 0 2', []],
  [
    'XPENDING s g',
    [
      2,
      '1-0',
      '3-0',
      [
        ['b', '1'],
        ['c', '1'],
      ],
    ],
  ],
  ['XCLAIM s x c 0 1', NO_GROUP],
  ['XCLAIM s g c x 1', error('ERR Invalid min-idle-time argument for XCLAIM')],
  ['XCLAIM s g c 0 1 IDLE x', error('ERR Invalid IDLE option argument for XCLAIM')],
  ['XCLAIM s g c 0 1 TIME x', error('ERR Invalid TIME option argument for XCLAIM')],
  ['XCLAIM s g c 0 1 RETRYCOUNT x', error('ERR Invalid RETRYCOUNT option argument for XCLAIM')],
  ['XCLAIM s g c 0 1 LASTID x', INVALID_ID],
  ['XCLAIM s g c 0 1 RETRYCOUNT', error("ERR Unrecognized XCLAIM option 'RETRYCOUNT'")],
]);

behaviour('XAUTOCLAIM goes through what is pending', [
  ...fill(1, 2, 3, 4),
  ['XGROUP CREATE s g 0', OK],
  ['XREADGROUP GROUP g a STREAMS s >', streams(['s', entries(1, 2, 3, 4)])],
  ['XAUTOCLAIM s g b 100000 -', ['0-0', [], []]],
  ['XAUTOCLAIM s g b 0 - COUNT 2', ['3-0', entries(1, 2), []]],
  ['XDEL s 3', 1],
  ['XAUTOCLAIM s g b 0 3 JUSTID', ['0-0', ['4-0'], ['3-0']]],
  ['XAUTOCLAIM s g b 0 (1 COUNT 1', ['4-0', entries(2), []]],
  ['XPENDING s g', [3, '1-0', '4-0', [['b', '3']]]],
  ['XAUTOCLAIM s g b 0 - COUNT 0', error('ERR COUNT must be > 0')],
  ['XAUTOCLAIM s g b 0 - COUNT x', error('ERR COUNT must be > 0')],
  ['XAUTOCLAIM s g b x -', error('ERR Invalid min-idle-time argument for XAUTOCLAIM')],
  ['XAUTOCLAIM s g b 0 x', INVALID_ID],
  ['XAUTOCLAIM s g b 0 - FORCE', SYNTAX],
  ['XAUTOCLAIM s x b 0 -', NO_GROUP],
]);

behaviour('XINFO STREAM FULL tells of groups and consumers', [
  ...fill(1, 2),
  ['XGROUP CREATE s g 0', OK],
  ['XREADGROUP GROUP g a STREAMS s >', streams(['s', entries(1, 2)])],
  ['XCLAIM s g a 0 1 TIME 1000 RETRYCOUNT 4 JUSTID', ['1-0']],
  [
    'XINFO STREAM s FULL COUNT 1',
    map(
      ['length', 2],
      ['radix-tree-keys', 1],
      ['radix-tree-nodes', 2],
      ['last-generated-id', '2-0'],
      ['max-deleted-entry-id', '0-0'],
      ['entries-added', 2],
      ['recorded-first-entry-id', '1-0'],
      ['entries', entries(1)],
      [
        'groups',
        [
          map(
            ['name', 'g'],
            ['last-delivered-id', '2-0'],
            ['entries-read', 2],
            ['lag', 0],
            ['pel-count', 2],
            ['pending', [['1-0', 'a', 1000, 4]]],
            [
              'consumers',
              [
                map(
                  ['name', 'a'],
                  ['seen-time', integerBetween(1, Number.MAX_SAFE_INTEGER)],
                  ['pel-count', 2],
                  ['pending', [['1-0', 1000, 4]]],
                ),
              ],
            ],
          ),
        ],
      ],
    ),
  ],
]);

behaviour('XREADGROUP waits for new entries, each for one consumer of the group', [
  ['XGROUP CREATE s g $ MKSTREAM', OK],
  ['XGROUP CREATE s h $', OK],
  blocks('a', 'XREADGROUP GROUP g a BLOCK 0 STREAMS s >'),
  blocks('b', 'XREADGROUP GROUP g b BLOCK 0 STREAMS s >'),
  blocks('c', 'XREADGROUP GROUP h c BLOCK 0 NOACK STREAMS s >'),
  ...fill(1, 2),
  receives('a', streams(['s', entries(1)])),
  receives('b', streams(['s', entries(2)])),
  receives('c', streams(['s', entries(1)])),
  [
    'XPENDING s g',
    [
      2,
      '1-0',
      '2-0',
      [
        ['a', '1'],
        ['b', '1'],
      ],
    ],
  ],
  ['XPENDING s h', [0, null, null, NULL_ARRAY]],
  blocks('a', 'XREADGROUP GROUP g a BLOCK 0 STREAMS s >'),
  ['XGROUP DESTROY s g', 1],
  receives('a', error('NOGROUP the consumer group this client was blocked on no longer exists')),
  ['XREADGROUP GROUP h c BLOCK 0 STREAMS s >', streams(['s', entries(2)])],
  blocks('c', 'XREADGROUP GROUP h c BLOCK 0 STREAMS s >'),
  ...fill(3),
  receives('c', streams(['s', entries(3)])),
]);

behaviour('who waits in a group is told when the stream is gone', [
  ['XGROUP CREATE s g $ MKSTREAM', OK],
  blocks('a', 'XREADGROUP GROUP g a BLOCK 0 STREAMS s >'),
  ['DEL s', 1],
  receives('a', error('UNBLOCKED the stream key no longer exists')),
  ['XGROUP CREATE s g $ MKSTREAM', OK],
  blocks('a', 'XREADGROUP GROUP g a BLOCK 0 STREAMS s >'),
  ['SET s v', OK],
  receives('a', error('UNBLOCKED the stream key no longer exists')),
]);

behaviour('reading and acknowledging touch no key under WATCH, adding does', [
  ...fill(1, 2),
  ['XGROUP CREATE s g 0', OK],
  on('a', 'WATCH s', OK),
  ['XREADGROUP GROUP g c COUNT 1 STREAMS s >', streams(['s', entries(1)])],
  ['XACK s g 1', 1],
  on('a', 'MULTI', OK),
  on('a', 'PING', QUEUED),
  on('a', 'EXEC', [simple('PONG')]),
  on('a', 'WATCH s', OK),
  ...fill(3),
  on('a', 'MULTI', OK),
  on('a', 'PING', QUEUED),
  on('a', 'EXEC', NULL_ARRAY),
]);
