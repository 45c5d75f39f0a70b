/** Behaviour of streams without groups. */
import {
  NULL_ARRAY,
  OK,
  QUEUED,
  behaviour,
  blocks,
  error,
  map,
  matching,
  on,
  receives,
  simple,
  wait,
} from './behaviour.ts';
import type { Expected } from './behaviour.ts';
import { streams } from '../support/stream-replies.ts';

const INVALID_ID = error('ERR Invalid stream ID specified as stream command argument');
const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value');
const SYNTAX = error('ERR syntax error');
const NOT_AN_INTEGER = error('ERR value is not an integer or out of range');
const TOO_SMALL = error('ERR The ID specified in XADD is equal or smaller than the target stream top item');

const entry = (id: string, ...fields: string[]): Expected => [id, fields];

behaviour('XADD takes ids that ascend, and makes them', [
  ['XADD s 5-1 f v', '5-1'],
  ['XADD s 5-1 f v', TOO_SMALL],
  ['XADD s 4 f v', TOO_SMALL],
  ['XADD s 5-* f v', '5-2'],
  ['XADD s 7-* f v', '7-0'],
  ['XADD s 8 f v', '8-0'],
  ['XADD t 0-* f v', '0-1'],
  ['XADD u 0-0 f v', error('ERR The ID specified in XADD must be greater than 0-0')],
  ['XADD u - f v', INVALID_ID],
  ['XADD u 1-2-3 f v', INVALID_ID],
  ['XADD u 18446744073709551616-0 f v', INVALID_ID],
  ['EXISTS u', 0],
  ['XADD s * f v', matching(/^\d{13}-0$/)],
  ['XADD u 18446744073709551615-18446744073709551615 f v', '18446744073709551615-18446744073709551615'],
  ['XADD u * f v', error('ERR The stream has exhausted the last possible ID, unable to add more items')],
  ['XLEN s', 5],
  ['XLEN none', 0],
  ['TYPE s', simple('stream')],
  ['OBJECT ENCODING s', 'stream'],
]);

behaviour('XADD checks its arguments before it creates a stream', [
  ['XADD s * f', error("ERR wrong number of arguments for 'xadd' command")],
  ['XADD s 1-1 a b c', error("ERR wrong number of arguments for 'xadd' command")],
  ['XADD s NOMKSTREAM 1-1 a b', null],
  ['EXISTS s', 0],
  ['XADD s MAXLEN -1 * a b', error('ERR The MAXLEN argument must be >= 0.')],
  ['XADD s MAXLEN x * a b', NOT_AN_INTEGER],
  ['XADD s MINID x * a b', INVALID_ID],
  [
    'XADD s MAXLEN 1 MINID 1 * a b',
    error('ERR syntax error, MAXLEN and MINID options at the same time are not compatible'),
  ],
  [
    'XADD s LIMIT 1 * a b',
    error('ERR syntax error, LIMIT cannot be used without specifying a trimming strategy'),
  ],
  [
    'XADD s MAXLEN = 1 LIMIT 1 * a b',
    error('ERR syntax error, LIMIT cannot be used without the special ~ option'),
  ],
  ['XADD s MAXLEN ~ 1 LIMIT -1 * a b', error('ERR The LIMIT argument must be >= 0.')],
  ['SET k v', OK],
  ['XADD k * a b', WRONG_TYPE],
  ['XLEN k', WRONG_TYPE],
]);

behaviour('ids of the whole range, and fields of all kinds, come back as they were', [
  [['XADD', 's', '1-18446744073709551615', 'f', '', '', 'v'], '1-18446744073709551615'],
  ['XADD s 9007199254740993-9007199254740993 12 -5', '9007199254740993-9007199254740993'],
  ['XADD s 18446744073709551615-0 9223372036854775807 -9223372036854775808', '18446744073709551615-0'],
  [['XADD', 's', '18446744073709551615-9', 'long', 'x'.repeat(5000)], '18446744073709551615-9'],
  [
    'XRANGE s - +',
    [
      entry('1-18446744073709551615', 'f', '', '', 'v'),
      entry('9007199254740993-9007199254740993', '12', '-5'),
      entry('18446744073709551615-0', '9223372036854775807', '-9223372036854775808'),
      entry('18446744073709551615-9', 'long', 'x'.repeat(5000)),
    ],
  ],
]);

behaviour(
  'XRANGE and XREVRANGE show what lies between two ids',
  [
    ['XADD s 1-1 a 1', '1-1'],
    ['XADD s 1-2 a 2', '1-2'],
    ['XADD s 2-1 b 3 c 4', '2-1'],
    ['XADD s 3-1 a 5', '3-1'],
    ['XADD s 3-2 a 6', '3-2'],
    [
      'XRANGE s 1-2 3',
      [
        entry('1-2', 'a', '2'),
        entry('2-1', 'b', '3', 'c', '4'),
        entry('3-1', 'a', '5'),
        entry('3-2', 'a', '6'),
      ],
    ],
    ['XRANGE s (1-2 (3-1', [entry('2-1', 'b', '3', 'c', '4')]],
    ['XRANGE s - + COUNT 1', [entry('1-1', 'a', '1')]],
    ['XREVRANGE s + - COUNT 2', [entry('3-2', 'a', '6'), entry('3-1', 'a', '5')]],
    ['XREVRANGE s 2 1-2', [entry('2-1', 'b', '3', 'c', '4'), entry('1-2', 'a', '2')]],
    ['XRANGE s 4 5', []],
    ['XRANGE s 3 1', []],
    ['XRANGE s - + COUNT 0', NULL_ARRAY],
    ['XRANGE s - + COUNT -1', NULL_ARRAY],
    ['XRANGE none - + COUNT 0', []],
    ['XRANGE s - + COUNT', SYNTAX],
    ['XRANGE s - + LIMIT 1', SYNTAX],
    ['XRANGE s - + COUNT x', NOT_AN_INTEGER],
    ['XRANGE s (- +', INVALID_ID],
    ['XRANGE s x +', INVALID_ID],
    ['XRANGE s (18446744073709551615-18446744073709551615 +', error('ERR invalid start ID for the interval')],
    ['XRANGE s - (0-0', error('ERR invalid end ID for the interval')],
  ],
  { settings: { 'stream-node-max-entries': '2' } },
);

behaviour(
  'XTRIM removes whole nodes, and with = also parts of one',
  [
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => [`XADD s ${i} f v`, `${i}-0`] as const),
    ['XTRIM s MAXLEN ~ 7', 0],
    ['XTRIM s MAXLEN ~ 6', 3],
    ['XTRIM s MAXLEN 5', 1],
    ['XRANGE s - + COUNT 1', [entry('5-0', 'f', 'v')]],
    ['XTRIM s MINID ~ 7', 2],
    ['XTRIM s MINID = 8', 1],
    ['XTRIM s MAXLEN ~ 0 LIMIT 1', 0],
    ['XTRIM s MAXLEN ~ 0 LIMIT 0', 2],
    ['XLEN s', 0],
    ['EXISTS s', 1],
    ['XTRIM none MAXLEN 1', 0],
    ['XTRIM s MAXLEN 0', 0],
    ['XTRIM s LIMIT 0 5', SYNTAX],
    ['XTRIM s LIMIT 0', error('ERR syntax error, XTRIM must be called with a trimming strategy')],
    ['XTRIM s MAXLEN 5 9', SYNTAX],
    ['XADD s MAXLEN 2 10 f v', '10-0'],
    ['XADD s MAXLEN 2 11 f v', '11-0'],
    ['XADD s MAXLEN 2 12 f v', '12-0'],
    ['XADD s MINID 12 13 f v', '13-0'],
    ['XRANGE s - +', [entry('12-0', 'f', 'v'), entry('13-0', 'f', 'v')]],
  ],
  { settings: { 'stream-node-max-entries': '3' } },
);

behaviour(
  'XDEL leaves a gap',
  [
    ...[1, 2, 3, 4, 5].map((i) => [`XADD s ${i} f v`, `${i}-0`] as const),
    ['XDEL s 2 2 4 9', 2],
    ['XDEL none 1', 0],
    ['XDEL s 1 x', INVALID_ID],
    ['XLEN s', 3],
    ['XRANGE s - +', [entry('1-0', 'f', 'v'), entry('3-0', 'f', 'v'), entry('5-0', 'f', 'v')]],
    ['XREVRANGE s + - COUNT 2', [entry('5-0', 'f', 'v'), entry('3-0', 'f', 'v')]],
    ['XDEL s 1 3 5', 3],
    ['XRANGE s - +', []],
    ['EXISTS s', 1],
    ['XADD s 5 f v', TOO_SMALL],
    ['XADD s 6 f v', '6-0'],
  ],
  { settings: { 'stream-node-max-entries': '2' } },
);

behaviour('XSETID moves the last id', [
  ['XSETID s 5', error('ERR no such key')],
  ['XADD s 5-5 f v', '5-5'],
  ['XSETID s 5-4', error('ERR The ID specified in XSETID is smaller than the target stream top item')],
  ['XSETID s 9-9', OK],
  ['XADD s 9-9 f v', TOO_SMALL],
  [
    'XSETID s 10 ENTRIESADDED 0',
    error('ERR The entries_added specified in XSETID is smaller than the target stream length'),
  ],
  ['XSETID s 10 ENTRIESADDED -1', error('ERR entries_added must be positive')],
  [
    'XSETID s 10 MAXDELETEDID 11',
    error('ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id'),
  ],
  ['XSETID s 10 SOMETHING 1', SYNTAX],
  ['XSETID s + ', error('ERR Invalid stream ID specified as stream command argument')],
  ['XSETID s 10 ENTRIESADDED 9223372036854775807 MAXDELETEDID 9', OK],
  [
    'XINFO STREAM s',
    map(
      ['length', 1],
      ['radix-tree-keys', 1],
      ['radix-tree-nodes', 2],
      ['last-generated-id', '10-0'],
      ['max-deleted-entry-id', '9-0'],
      ['entries-added', 9223372036854775807n],
      ['recorded-first-entry-id', '5-5'],
      ['groups', 0],
      ['first-entry', entry('5-5', 'f', 'v')],
      ['last-entry', entry('5-5', 'f', 'v')],
    ),
  ],
]);

behaviour(
  'XINFO STREAM tells of nodes, ids and edges',
  [
    ['XINFO STREAM s', error('ERR no such key')],
    ...[1, 2, 300, 70_000, 70_001].map((i) => [`XADD s ${i} f ${i}`, `${i}-0`] as const),
    ['XDEL s 300', 1],
    [
      'XINFO STREAM s',
      map(
        ['length', 4],
        ['radix-tree-keys', 4],
        ['radix-tree-nodes', 14],
        ['last-generated-id', '70001-0'],
        ['max-deleted-entry-id', '300-0'],
        ['entries-added', 5],
        ['recorded-first-entry-id', '1-0'],
        ['groups', 0],
        ['first-entry', entry('1-0', 'f', '1')],
        ['last-entry', entry('70001-0', 'f', '70001')],
      ),
    ],
    [
      'XINFO STREAM s FULL COUNT 1',
      map(
        ['length', 4],
        ['radix-tree-keys', 4],
        ['radix-tree-nodes', 14],
        ['last-generated-id', '70001-0'],
        ['max-deleted-entry-id', '300-0'],
        ['entries-added', 5],
        ['recorded-first-entry-id', '1-0'],
        ['entries', [entry('1-0', 'f', '1')]],
        ['groups', []],
      ),
    ],
    [
      'XINFO STREAM s COUNT',
      error("ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."),
    ],
    ['XINFO STREAM s FULL COUNT x', NOT_AN_INTEGER],
    ['XDEL s 1 2 70000 70001', 4],
    [
      'XINFO STREAM s',
      map(
        ['length', 0],
        ['radix-tree-keys', 0],
        ['radix-tree-nodes', 1],
        ['last-generated-id', '70001-0'],
        ['max-deleted-entry-id', '70001-0'],
        ['entries-added', 5],
        ['recorded-first-entry-id', '0-0'],
        ['groups', 0],
        ['first-entry', null],
        ['last-entry', null],
      ),
    ],
    [
      'XINFO HELP',
      [
        'XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
        'CONSUMERS <key> <groupname>',
        '    Show consumers of <groupname>.',
        'GROUPS <key>',
        '    Show the stream consumer groups.',
        'STREAM <key> [FULL [COUNT <count>]',
        '    Show information about the stream.',
        'HELP',
        '    Prints this help.',
      ].map((line) => simple(line)),
    ],
  ],
  { settings: { 'stream-node-max-entries': '1' } },
);

behaviour('XREAD gives what is newer, key by key', [
  ['XADD s 1 a 1', '1-0'],
  ['XADD s 2 a 2', '2-0'],
  ['XADD t 5 b 3', '5-0'],
  ['XREAD STREAMS s 0', streams(['s', [entry('1-0', 'a', '1'), entry('2-0', 'a', '2')]])],
  [
    'XREAD COUNT 1 STREAMS s t 0 0',
    streams(['s', [entry('1-0', 'a', '1')]], ['t', [entry('5-0', 'b', '3')]]),
  ],
  ['XREAD STREAMS s t 2 0-1', streams(['t', [entry('5-0', 'b', '3')]])],
  ['XREAD STREAMS s $', NULL_ARRAY],
  ['XREAD STREAMS none 0', NULL_ARRAY],
  ['XREAD COUNT -5 STREAMS s 1', streams(['s', [entry('2-0', 'a', '2')]])],
  ['XREAD BLOCK 1 STREAMS s $', NULL_ARRAY],
  ['XREAD BLOCK -1 STREAMS s $', error('ERR timeout is negative')],
  ['XREAD BLOCK x STREAMS s $', error('ERR timeout is not an integer or out of range')],
  ['XREAD STREAMS s', error("ERR wrong number of arguments for 'xread' command")],
  [
    'XREAD STREAMS s t 0',
    error("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified."),
  ],
  ['XREAD COUNT 1 BLOCK 0', SYNTAX],
  ['XREAD STREAMS s -', INVALID_ID],
  [
    'XREAD STREAMS s >',
    error(
      'ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.',
    ),
  ],
  [
    'XREAD GROUP g c STREAMS s 0',
    error('ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.'),
  ],
  [
    'XREAD NOACK STREAMS s 0',
    error('ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.'),
  ],
  ['SET k v', OK],
  ['XREAD STREAMS s k 0 0', WRONG_TYPE],
]);

behaviour('XREAD waits for what comes', [
  ['XADD s 1 a 1', '1-0'],
  blocks('a', 'XREAD BLOCK 0 STREAMS none s $ $'),
  blocks('b', 'XREAD BLOCK 0 COUNT 1 STREAMS t 0'),
  ['XADD s 2 a 2', '2-0'],
  receives('a', streams(['s', [entry('2-0', 'a', '2')]])),
  ['MULTI', OK],
  ['XADD t 3 b 3', QUEUED],
  ['XADD t 4 b 4', QUEUED],
  ['EXEC', ['3-0', '4-0']],
  receives('b', streams(['t', [entry('3-0', 'b', '3')]])),
  blocks('a', 'XREAD BLOCK 0 STREAMS t $'),
  ['XDEL t 4', 1],
  ['MULTI', OK],
  ['XADD t 5 b 5', QUEUED],
  ['XDEL t 5', QUEUED],
  ['EXEC', ['5-0', 1]],
  receives('a', streams(['t', []])),
  blocks('a', 'XREAD BLOCK 0 STREAMS u 7'),
  ['XADD u 6 f v', '6-0'],
  wait(5),
  ['XADD u 8 f v', '8-0'],
  receives('a', streams(['u', [entry('8-0', 'f', 'v')]])),
  on('a', 'MULTI', OK),
  on('a', 'XREAD BLOCK 0 STREAMS u $', QUEUED),
  on('a', 'EXEC', [NULL_ARRAY]),
]);
