/** MONITOR: to be shown every command that any client runs (Redis 7.0 replication.c, monitorCommand). */
import { ErrorReply } from '../protocol/error-reply.ts';
import type { Call } from './call.ts';
import { family } from './family.ts';
import { SESSION_MONITOR } from './session.ts';

const NOT_IN_TRANSACTION = new ErrorReply("ERR MONITOR isn't allowed for DENY BLOCKING client");

export const MONITOR_COMMANDS = family({ group: 'server', categories: [] }, [
  {
    name: 'monitor',
    arity: 1,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    since: '1.0.0',
    summary: 'Listen for all requests received by the server in real time',
    run: monitor,
  },
]);

/** MONITOR; who says it again gets no reply. */
function monitor({ session, services, reply }: Call): void {
  if (session.isInTransaction) throw NOT_IN_TRANSACTION;
  if (session.has(SESSION_MONITOR)) return;
  services.monitors.add(session);
  reply.ok();
}
