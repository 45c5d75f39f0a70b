/** Transactions and optimistic locking (Redis 7.0 multi.c). */
import { ErrorReply } from '../protocol/error-reply.ts';
import { key } from './arguments.ts';
import type { Call } from './call.ts';
import { family } from './family.ts';
import { keysFrom } from './key-specs.ts';
import { SESSION_MULTI } from './session.ts';

const NESTED_MULTI = new ErrorReply('ERR MULTI calls can not be nested');
const EXEC_WITHOUT_MULTI = new ErrorReply('ERR EXEC without MULTI');
const DISCARD_WITHOUT_MULTI = new ErrorReply('ERR DISCARD without MULTI');
const WATCH_INSIDE_MULTI = new ErrorReply('ERR WATCH inside MULTI is not allowed');

export const TRANSACTION_COMMANDS = family({ group: 'transactions', categories: ['transaction'] }, [
  {
    name: 'discard',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    since: '2.0.0',
    summary: 'Discard all commands issued after MULTI',
    complexity: 'O(N), when N is the number of queued commands',
    run: discard,
  },
  {
    name: 'exec',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'skip_slowlog'],
    since: '1.2.0',
    summary: 'Execute all commands issued after MULTI',
    complexity: 'Depends on commands in the transaction',
    run: exec,
  },
  {
    name: 'multi',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    since: '1.2.0',
    summary: 'Mark the start of a transaction block',
    complexity: 'O(1)',
    run: multi,
  },
  {
    name: 'unwatch',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    since: '2.2.0',
    summary: 'Forget about all watched keys',
    complexity: 'O(1)',
    run: unwatch,
  },
  {
    name: 'watch',
    arity: -2,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    since: '2.2.0',
    summary: 'Watch the given keys to determine execution of the MULTI/EXEC block',
    complexity: 'O(1) for every key.',
    keySpecs: [keysFrom(1, 'RO')],
    arguments: [key('key', { multiple: true })],
    run: watch,
  },
]);

/** DISCARD */
function discard({ session, services, reply }: Call): void {
  if (!session.has(SESSION_MULTI)) throw DISCARD_WITHOUT_MULTI;

  services.transactions.discard(session);
  reply.ok();
}

/** EXEC */
function exec(call: Call): void {
  if (!call.session.has(SESSION_MULTI)) throw EXEC_WITHOUT_MULTI;

  call.services.transactions.exec(call);
}

/** MULTI */
function multi({ session, reply }: Call): void {
  if (session.has(SESSION_MULTI)) throw NESTED_MULTI;

  session.raise(SESSION_MULTI);
  reply.ok();
}

/** UNWATCH */
function unwatch({ session, services, reply }: Call): void {
  services.transactions.unwatch(session);
  reply.ok();
}

/** WATCH key [key ...] */
function watch({ request, session, database, services, reply }: Call): void {
  if (session.has(SESSION_MULTI)) throw WATCH_INSIDE_MULTI;

  for (let i = 1; i < request.count; i++) {
    services.transactions.watch(session, database, request.buffer, request.start(i), request.end(i));
  }
  reply.ok();
}
