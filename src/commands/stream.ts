/** Streams and consumer groups (Redis 7.0 t_stream.c). */
import { block, integer, key, oneOf, string, token, unixTime } from './arguments.ts';
import { family } from './family.ts';
import { oneKey, withNotes } from './key-specs.ts';
import { xAdd, xDel, xSetId, xTrim } from './stream-append.ts';
import { xAutoClaim, xClaim, xPending } from './stream-claim.ts';
import {
  xAck,
  xGroupCreate,
  xGroupCreateConsumer,
  xGroupDelConsumer,
  xGroupDestroy,
  xGroupHelp,
  xGroupSetId,
} from './stream-group.ts';
import { xInfoConsumers, xInfoGroups, xInfoHelp, xInfoStream } from './stream-info.ts';
import { xLen, xRange, xRevRange } from './stream-range.ts';
import { xRead, xReadGroup } from './stream-read.ts';

export const STREAM_COMMANDS = family({ group: 'stream', categories: ['stream'] }, [
  {
    name: 'xack',
    arity: -4,
    flags: ['write', 'fast'],
    since: '5.0.0',
    summary:
      'Marks a pending message as correctly processed, effectively removing it from the ' +
      'pending entries list of the consumer group. Return value of the command is the ' +
      'number of messages successfully acknowledged, that is, the IDs we were actually ' +
      'able to resolve in the PEL.',
    complexity: 'O(1) for each message ID processed.',
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [key('key'), string('group'), string('id', { multiple: true })],
    run: xAck,
  },
  {
    name: 'xadd',
    arity: -5,
    flags: ['write', 'denyoom', 'fast'],
    since: '5.0.0',
    summary: 'Appends a new entry to a stream',
    complexity:
      'O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.',
    history: [
      ['6.2.0', 'Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option.'],
      ['7.0.0', 'Added support for the `<ms>-*` explicit ID form.'],
    ],
    tips: ['nondeterministic_output'],
    keySpecs: [
      withNotes(
        'UPDATE instead of INSERT because of the optional trimming feature',
        oneKey(1, 'RW', 'update'),
      ),
    ],
    arguments: [
      key('key'),
      token('NOMKSTREAM', { since: '6.2.0', optional: true }),
      block(
        'trim',
        [
          oneOf('strategy', [token('MAXLEN'), token('MINID', { since: '6.2.0' })]),
          oneOf(
            'operator',
            [
              { ...token('='), name: 'equal' },
              { ...token('~'), name: 'approximately' },
            ],
            { optional: true },
          ),
          string('threshold'),
          integer('count', { token: 'LIMIT', since: '6.2.0', optional: true }),
        ],
        { optional: true },
      ),
      oneOf('id_or_auto', [{ ...token('*'), name: 'auto_id' }, string('id')]),
      block('field_value', [string('field'), string('value')], { multiple: true }),
    ],
    run: xAdd,
  },
  {
    name: 'xautoclaim',
    arity: -6,
    flags: ['write', 'fast'],
    since: '6.2.0',
    summary:
      'Changes (or acquires) ownership of messages in a consumer group, as if the ' +
      'messages were delivered to the specified consumer.',
    complexity: 'O(1) if COUNT is small.',
    history: [
      [
        '7.0.0',
        'Added an element to the reply array, containing deleted entries the command cleared from the PEL',
      ],
    ],
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RW', 'delete')],
    arguments: [
      key('key'),
      string('group'),
      string('consumer'),
      string('min-idle-time'),
      string('start'),
      integer('count', { token: 'COUNT', optional: true }),
      token('JUSTID', { optional: true }),
    ],
    run: xAutoClaim,
  },
  {
    name: 'xclaim',
    arity: -6,
    flags: ['write', 'fast'],
    since: '5.0.0',
    summary:
      'Changes (or acquires) ownership of a message in a consumer group, as if the ' +
      'message was delivered to the specified consumer.',
    complexity: 'O(log N) with N being the number of messages in the PEL of the consumer group.',
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [
      key('key'),
      string('group'),
      string('consumer'),
      string('min-idle-time'),
      string('id', { multiple: true }),
      integer('ms', { token: 'IDLE', optional: true }),
      unixTime('unix-time-milliseconds', { token: 'TIME', optional: true }),
      integer('count', { token: 'RETRYCOUNT', optional: true }),
      token('FORCE', { optional: true }),
      token('JUSTID', { optional: true }),
      string('id', { token: 'LASTID', optional: true }),
    ],
    run: xClaim,
  },
  {
    name: 'xdel',
    arity: -3,
    flags: ['write', 'fast'],
    since: '5.0.0',
    summary:
      'Removes the specified entries from the stream. Returns the number of items ' +
      'actually deleted, that may be different from the number of IDs passed in case ' +
      'certain IDs do not exist.',
    complexity: 'O(1) for each single item to delete in the stream, regardless of the stream size.',
    keySpecs: [oneKey(1, 'RW', 'delete')],
    arguments: [key('key'), string('id', { multiple: true })],
    run: xDel,
  },
  {
    name: 'xgroup',
    arity: -2,
    flags: [],
    categories: [],
    since: '5.0.0',
    summary: 'A container for consumer groups commands',
    complexity: 'Depends on subcommand.',
    subcommands: [
      {
        name: 'create',
        arity: -5,
        flags: ['write', 'denyoom'],
        since: '5.0.0',
        summary: 'Create a consumer group.',
        complexity: 'O(1)',
        history: [['7.0.0', 'Added the `entries_read` named argument.']],
        keySpecs: [oneKey(2, 'RW', 'insert')],
        arguments: [
          key('key'),
          string('groupname'),
          oneOf('id', [string('id'), { ...token('$'), name: 'new_id' }]),
          token('MKSTREAM', { optional: true }),
          integer('entries_read', { token: 'ENTRIESREAD', optional: true }),
        ],
        run: xGroupCreate,
      },
      {
        name: 'createconsumer',
        arity: 5,
        flags: ['write', 'denyoom'],
        since: '6.2.0',
        summary: 'Create a consumer in a consumer group.',
        complexity: 'O(1)',
        keySpecs: [oneKey(2, 'RW', 'insert')],
        arguments: [key('key'), string('groupname'), string('consumername')],
        run: xGroupCreateConsumer,
      },
      {
        name: 'delconsumer',
        arity: 5,
        flags: ['write'],
        since: '5.0.0',
        summary: 'Delete a consumer from a consumer group.',
        complexity: 'O(1)',
        keySpecs: [oneKey(2, 'RW', 'delete')],
        arguments: [key('key'), string('groupname'), string('consumername')],
        run: xGroupDelConsumer,
      },
      {
        name: 'destroy',
        arity: 4,
        flags: ['write'],
        since: '5.0.0',
        summary: 'Destroy a consumer group.',
        complexity: "O(N) where N is the number of entries in the group's pending entries list (PEL).",
        keySpecs: [oneKey(2, 'RW', 'delete')],
        arguments: [key('key'), string('groupname')],
        run: xGroupDestroy,
      },
      {
        name: 'help',
        arity: 2,
        flags: ['loading', 'stale'],
        since: '5.0.0',
        summary: 'Show helpful text about the different subcommands',
        complexity: 'O(1)',
        run: xGroupHelp,
      },
      {
        name: 'setid',
        arity: -5,
        flags: ['write'],
        since: '5.0.0',
        summary: 'Set a consumer group to an arbitrary last delivered ID value.',
        complexity: 'O(1)',
        history: [['7.0.0', 'Added the optional `entries_read` argument.']],
        keySpecs: [oneKey(2, 'RW', 'update')],
        arguments: [
          key('key'),
          string('groupname'),
          oneOf('id', [string('id'), { ...token('$'), name: 'new_id' }]),
          integer('entries_read', { token: 'ENTRIESREAD', optional: true }),
        ],
        run: xGroupSetId,
      },
    ],
  },
  {
    name: 'xinfo',
    arity: -2,
    flags: [],
    categories: [],
    since: '5.0.0',
    summary: 'A container for stream introspection commands',
    complexity: 'Depends on subcommand.',
    subcommands: [
      {
        name: 'consumers',
        arity: 4,
        flags: ['readonly'],
        since: '5.0.0',
        summary: 'List the consumers in a consumer group',
        complexity: 'O(1)',
        tips: ['nondeterministic_output'],
        keySpecs: [oneKey(2, 'RO', 'access')],
        arguments: [key('key'), string('groupname')],
        run: xInfoConsumers,
      },
      {
        name: 'groups',
        arity: 3,
        flags: ['readonly'],
        since: '5.0.0',
        summary: 'List the consumer groups of a stream',
        complexity: 'O(1)',
        history: [['7.0.0', 'Added the `entries-read` and `lag` fields']],
        keySpecs: [oneKey(2, 'RO', 'access')],
        arguments: [key('key')],
        run: xInfoGroups,
      },
      {
        name: 'help',
        arity: 2,
        flags: ['loading', 'stale'],
        since: '5.0.0',
        summary: 'Show helpful text about the different subcommands',
        complexity: 'O(1)',
        run: xInfoHelp,
      },
      {
        name: 'stream',
        arity: -3,
        flags: ['readonly'],
        since: '5.0.0',
        summary: 'Get information about a stream',
        complexity: 'O(1)',
        history: [
          ['6.0.0', 'Added the `FULL` modifier.'],
          [
            '7.0.0',
            'Added the `max-deleted-entry-id`, `entries-added`, ' +
              '`recorded-first-entry-id`, `entries-read` and `lag` fields',
          ],
        ],
        keySpecs: [oneKey(2, 'RO', 'access')],
        arguments: [
          key('key'),
          block('full', [integer('count', { token: 'COUNT', optional: true })], {
            token: 'FULL',
            optional: true,
          }),
        ],
        run: xInfoStream,
      },
    ],
  },
  {
    name: 'xlen',
    arity: 2,
    flags: ['readonly', 'fast'],
    since: '5.0.0',
    summary: 'Return the number of entries in a stream',
    complexity: 'O(1)',
    keySpecs: [oneKey(1, 'RO')],
    arguments: [key('key')],
    run: xLen,
  },
  {
    name: 'xpending',
    arity: -3,
    flags: ['readonly'],
    since: '5.0.0',
    summary:
      'Return information and entries from a stream consumer group pending entries list, ' +
      'that are messages fetched but never acknowledged.',
    complexity:
      'O(N) with N being the number of elements returned, so asking for a small fixed ' +
      'number of entries per call is O(1). O(M), where M is the total number of entries ' +
      'scanned when used with the IDLE filter. When the command returns just the summary ' +
      'and the list of consumers is small, it runs in O(1) time; otherwise, an ' +
      'additional O(N) time for iterating every consumer.',
    history: [['6.2.0', 'Added the `IDLE` option and exclusive range intervals.']],
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      string('group'),
      block(
        'filters',
        [
          integer('min-idle-time', { token: 'IDLE', since: '6.2.0', optional: true }),
          string('start'),
          string('end'),
          integer('count'),
          string('consumer', { optional: true }),
        ],
        { optional: true },
      ),
    ],
    run: xPending,
  },
  {
    name: 'xrange',
    arity: -4,
    flags: ['readonly'],
    since: '5.0.0',
    summary: 'Return a range of elements in a stream, with IDs matching the specified IDs interval',
    complexity:
      'O(N) with N being the number of elements being returned. If N is constant (e.g. ' +
      'always asking for the first 10 elements with COUNT), you can consider it O(1).',
    history: [['6.2.0', 'Added exclusive ranges.']],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      string('start'),
      string('end'),
      integer('count', { token: 'COUNT', optional: true }),
    ],
    run: xRange,
  },
  {
    name: 'xread',
    arity: -4,
    flags: ['readonly', 'blocking'],
    since: '5.0.0',
    summary:
      'Return never seen elements in multiple streams, with IDs greater than the ones ' +
      'reported by the caller for each stream. Can block.',
    complexity:
      'For each stream mentioned: O(N) with N being the number of elements being ' +
      'returned, it means that XREAD-ing with a fixed COUNT is O(1). Note that when the ' +
      'BLOCK option is used, XADD will pay O(M) time in order to serve the M clients ' +
      'blocked on the stream getting new data.',
    keySpecs: [
      {
        flags: ['RO', 'access'],
        beginSearch: { type: 'keyword', keyword: 'STREAMS', startFrom: 1 },
        findKeys: { type: 'range', lastKey: -1, keyStep: 1, limit: 2 },
      },
    ],
    arguments: [
      integer('count', { token: 'COUNT', optional: true }),
      integer('milliseconds', { token: 'BLOCK', optional: true }),
      block('streams', [key('key', { multiple: true }), string('id', { multiple: true })], {
        token: 'STREAMS',
      }),
    ],
    run: xRead,
  },
  {
    name: 'xreadgroup',
    arity: -7,
    flags: ['write', 'blocking'],
    since: '5.0.0',
    summary:
      'Return new entries from a stream using a consumer group, or access the history of ' +
      'the pending entries for a given consumer. Can block.',
    complexity:
      'For each stream mentioned: O(M) with M being the number of elements returned. If ' +
      'M is constant (e.g. always asking for the first 10 elements with COUNT), you can ' +
      'consider it O(1). On the other side when XREADGROUP blocks, XADD will pay the ' +
      'O(N) time in order to serve the N clients blocked on the stream getting new data.',
    keySpecs: [
      {
        flags: ['RO', 'access'],
        beginSearch: { type: 'keyword', keyword: 'STREAMS', startFrom: 4 },
        findKeys: { type: 'range', lastKey: -1, keyStep: 1, limit: 2 },
      },
    ],
    arguments: [
      block('group_consumer', [string('group'), string('consumer')], { token: 'GROUP' }),
      integer('count', { token: 'COUNT', optional: true }),
      integer('milliseconds', { token: 'BLOCK', optional: true }),
      token('NOACK', { optional: true }),
      block('streams', [key('key', { multiple: true }), string('id', { multiple: true })], {
        token: 'STREAMS',
      }),
    ],
    run: xReadGroup,
  },
  {
    name: 'xrevrange',
    arity: -4,
    flags: ['readonly'],
    since: '5.0.0',
    summary:
      'Return a range of elements in a stream, with IDs matching the specified IDs ' +
      'interval, in reverse order (from greater to smaller IDs) compared to XRANGE',
    complexity:
      'O(N) with N being the number of elements returned. If N is constant (e.g. always ' +
      'asking for the first 10 elements with COUNT), you can consider it O(1).',
    history: [['6.2.0', 'Added exclusive ranges.']],
    keySpecs: [oneKey(1, 'RO', 'access')],
    arguments: [
      key('key'),
      string('end'),
      string('start'),
      integer('count', { token: 'COUNT', optional: true }),
    ],
    run: xRevRange,
  },
  {
    name: 'xsetid',
    arity: -3,
    flags: ['write', 'denyoom', 'fast'],
    since: '5.0.0',
    summary: 'An internal command for replicating stream values',
    complexity: 'O(1)',
    history: [['7.0.0', 'Added the `entries_added` and `max_deleted_entry_id` arguments.']],
    keySpecs: [oneKey(1, 'RW', 'update')],
    arguments: [
      key('key'),
      string('last-id'),
      integer('entries_added', { token: 'ENTRIESADDED', since: '7.0.0', optional: true }),
      string('max_deleted_entry_id', { token: 'MAXDELETEDID', since: '7.0.0', optional: true }),
    ],
    run: xSetId,
  },
  {
    name: 'xtrim',
    arity: -4,
    flags: ['write'],
    since: '5.0.0',
    summary: "Trims the stream to (approximately if '~' is passed) a certain size",
    complexity:
      'O(N), with N being the number of evicted entries. Constant times are very small ' +
      'however, since entries are organized in macro nodes containing multiple entries ' +
      'that can be released with a single deallocation.',
    history: [['6.2.0', 'Added the `MINID` trimming strategy and the `LIMIT` option.']],
    tips: ['nondeterministic_output'],
    keySpecs: [oneKey(1, 'RW', 'delete')],
    arguments: [
      key('key'),
      block('trim', [
        oneOf('strategy', [token('MAXLEN'), token('MINID', { since: '6.2.0' })]),
        oneOf(
          'operator',
          [
            { ...token('='), name: 'equal' },
            { ...token('~'), name: 'approximately' },
          ],
          { optional: true },
        ),
        string('threshold'),
        integer('count', { token: 'LIMIT', since: '6.2.0', optional: true }),
      ]),
    ],
    run: xTrim,
  },
]);
