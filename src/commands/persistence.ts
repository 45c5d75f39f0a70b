/** Snapshots and the append-only file, as far as clients start them (Redis 7.0 rdb.c, aof.c). */
import { ErrorReply } from '../protocol/error-reply.ts';
import { token } from './arguments.ts';
import type { Call } from './call.ts';
import { PLAIN_ERROR, SYNTAX_ERROR } from './errors.ts';
import { family } from './family.ts';
import { SESSION_MULTI } from './session.ts';

const SAVE_IN_PROGRESS = new ErrorReply('ERR Background save already in progress');
const REWRITE_IN_PROGRESS = new ErrorReply('ERR Background append only file rewriting already in progress');
const OTHER_JOB_ACTIVE = new ErrorReply(
  "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to " +
    'schedule a BGSAVE whenever possible.',
);
const CANNOT_REWRITE = new ErrorReply(
  "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
);

export const PERSISTENCE_COMMANDS = family({ group: 'server', categories: [] }, [
  {
    name: 'bgrewriteaof',
    arity: 1,
    flags: ['admin', 'noscript', 'no_async_loading'],
    since: '1.0.0',
    summary: 'Asynchronously rewrite the append-only file',
    complexity: 'O(1)',
    run: bgRewriteAof,
  },
  {
    name: 'bgsave',
    arity: -1,
    flags: ['admin', 'noscript', 'no_async_loading'],
    since: '1.0.0',
    summary: 'Asynchronously save the dataset to disk',
    complexity: 'O(1)',
    history: [['3.2.2', 'Added the `SCHEDULE` option.']],
    arguments: [token('SCHEDULE', { since: '3.2.2', optional: true })],
    run: bgSave,
  },
  {
    name: 'lastsave',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    categories: ['admin', 'dangerous'],
    since: '1.0.0',
    summary: 'Get the UNIX time stamp of the last successful save to disk',
    complexity: 'O(1)',
    tips: ['nondeterministic_output'],
    run: lastSave,
  },
  {
    name: 'save',
    arity: 1,
    flags: ['admin', 'noscript', 'no_async_loading', 'no_multi'],
    since: '1.0.0',
    summary: 'Synchronously save the dataset to disk',
    complexity: 'O(N) where N is the total number of keys in all databases',
    run: save,
  },
]);

/** SAVE */
function save(call: Call): void {
  const { persistence } = call.services;
  if (persistence.runningJob === 'save') throw SAVE_IN_PROGRESS;

  if (!persistence.save()) throw PLAIN_ERROR;

  call.reply.ok();
}

/** BGSAVE [SCHEDULE] */
function bgSave(call: Call): void {
  const hasSchedule = call.argumentCount === 2 && call.is(1, 'SCHEDULE');
  if (call.argumentCount > 1 && !hasSchedule) throw SYNTAX_ERROR;
  const { persistence } = call.services;
  const { runningJob } = persistence;
  const isInTransaction = isExecuting(call);
  if (runningJob === 'save') throw SAVE_IN_PROGRESS;
  if (runningJob !== undefined && !hasSchedule && !isInTransaction) throw OTHER_JOB_ACTIVE;

  const start = persistence.saveInBackground(runningJob !== undefined || isInTransaction);
  if (start === undefined) throw PLAIN_ERROR;

  call.reply.simple(`Background saving ${start}`);
}

/** BGREWRITEAOF */
function bgRewriteAof(call: Call): void {
  const { persistence } = call.services;
  const { runningJob } = persistence;
  if (runningJob === 'rewrite') throw REWRITE_IN_PROGRESS;

  const start = persistence.rewriteInBackground(runningJob !== undefined || isExecuting(call));
  if (start === undefined) throw CANNOT_REWRITE;

  call.reply.simple(`Background append only file rewriting ${start}`);
}

/** LASTSAVE */
function lastSave(call: Call): void {
  call.reply.integer(call.services.persistence.lastSaveTime);
}

/**
 * Whether EXEC runs the command. A job must not begin between the commands of a transaction: its snapshot
 * would hold half of it.
 */
function isExecuting(call: Call): boolean {
  return call.session.has(SESSION_MULTI);
}
