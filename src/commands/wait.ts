/** WAIT (Redis 7.0 replication.c). */
import { TYPE_STRING } from '../keyspace/entry.ts';
import { integer } from './arguments.ts';
import { timeoutMillis } from './block-timeout.ts';
import type { Call } from './call.ts';
import { family } from './family.ts';

export const WAIT_COMMANDS = family({ group: 'generic', categories: ['connection'] }, [
  {
    name: 'wait',
    arity: 3,
    flags: ['noscript'],
    since: '3.0.0',
    summary:
      'Wait for the synchronous replication of all the write commands sent in the ' +
      'context of the current connection',
    complexity: 'O(1)',
    tips: ['request_policy:all_shards', 'response_policy:agg_min'],
    arguments: [integer('numreplicas'), integer('timeout')],
    run: wait,
  },
]);

/**
 * WAIT numreplicas timeout. There are no replicas: none has acknowledged anything when the time is up, and a
 * client that asks for none does not wait.
 */
function wait(call: Call): void {
  const replicaCount = call.integer(1);
  const millis = timeoutMillis(call, 2);
  if (replicaCount <= 0) {
    call.reply.integer(0);
    return;
  }

  const nothing = { type: TYPE_STRING, firstKey: 1, lastKey: 0 };
  call.services.blocking.block(call, { ...nothing, timeoutMillis: millis, timeoutReply: 'zero' });
}
