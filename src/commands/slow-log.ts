/** SLOWLOG: the commands that took longest lately (Redis 7.0 slowlog.c, slowlogCommand). */
import { ErrorReply } from '../protocol/error-reply.ts';
import { integer } from './arguments.ts';
import type { Call } from './call.ts';
import { unknownSubcommandOrArity } from './errors.ts';
import { family } from './family.ts';
import { replyHelp } from './help-reply.ts';

const ENTRIES_SHOWN = 10;
const BAD_COUNT = new ErrorReply('ERR count should be greater than or equal to -1');

export const SLOW_LOG_COMMANDS = family({ group: 'server', categories: [] }, [
  {
    name: 'slowlog',
    arity: -2,
    flags: [],
    since: '2.2.12',
    summary: 'A container for slow log commands',
    complexity: 'Depends on subcommand.',
    subcommands: [
      {
        name: 'get',
        arity: -2,
        flags: ['admin', 'loading', 'stale'],
        since: '2.2.12',
        summary: "Get the slow log's entries",
        complexity: 'O(N) where N is the number of entries returned',
        history: [['4.0.0', 'Added client IP address, port and name to the reply.']],
        tips: ['request_policy:all_nodes', 'nondeterministic_output'],
        arguments: [integer('count', { optional: true })],
        run: slowLogGet,
      },
      {
        name: 'help',
        arity: 2,
        flags: ['loading', 'stale'],
        since: '6.2.0',
        summary: 'Show helpful text about the different subcommands',
        complexity: 'O(1)',
        run: slowLogHelp,
      },
      {
        name: 'len',
        arity: 2,
        flags: ['admin', 'loading', 'stale'],
        since: '2.2.12',
        summary: "Get the slow log's length",
        complexity: 'O(1)',
        tips: ['request_policy:all_nodes', 'response_policy:agg_sum', 'nondeterministic_output'],
        run: slowLogLen,
      },
      {
        name: 'reset',
        arity: 2,
        flags: ['admin', 'loading', 'stale'],
        since: '2.2.12',
        summary: 'Clear all entries from the slow log',
        complexity: 'O(N) where N is the number of entries in the slowlog',
        tips: ['request_policy:all_nodes', 'response_policy:all_succeeded'],
        run: slowLogReset,
      },
    ],
  },
]);

const HELP = [
  'GET [<count>]',
  '    Return top <count> entries from the slowlog (default: 10, -1 mean all).',
  '    Entries are made of:',
  '    id, timestamp, time in microseconds, arguments array, client IP and port,',
  '    client name',
  'LEN',
  '    Return the length of the slowlog.',
  'RESET',
  '    Reset the slowlog.',
];

/** SLOWLOG GET [count] */
function slowLogGet(call: Call): void {
  const { reply, services } = call;
  if (call.argumentCount > 3) throw unknownSubcommandOrArity(call.text(1), 'slowlog');
  const count = call.argumentCount === 3 ? call.integerFrom(2, -1, BAD_COUNT) : ENTRIES_SHOWN;
  const entries = services.slowLog.entries(count === -1 ? Infinity : count);
  reply.array(entries.length);
  for (const { id, seconds, micros, args, address, name } of entries) {
    reply.array(6);
    reply.integer(id);
    reply.integer(seconds);
    reply.integer(micros);
    reply.array(args.length);
    for (const arg of args) reply.bulkBytes(arg);
    reply.bulkText(address);
    reply.bulkText(name);
  }
}

/** SLOWLOG HELP */
function slowLogHelp(call: Call): void {
  replyHelp(call, HELP);
}

/** SLOWLOG LEN */
function slowLogLen(call: Call): void {
  call.reply.integer(call.services.slowLog.length);
}

/** SLOWLOG RESET */
function slowLogReset(call: Call): void {
  call.services.slowLog.reset();
  call.reply.ok();
}
