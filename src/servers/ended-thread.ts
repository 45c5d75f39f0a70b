/** What a serving thread leaves behind when it dies. */
import { CLIENT_DESCRIPTOR, CLIENT_THREAD, CLIENT_WATCH_MARKER } from '../engine/client-table.ts';
import { MAIL_ADOPT } from '../engine/mailboxes.ts';
import type { Ref } from '../memory/arena.ts';
import type { ThreadParts } from './thread-parts.ts';

/**
 * Removes the clients and the mail of a thread that has ended. Returns the descriptors that it left open: its
 * own, and those of connections.
 */
export function clearEndedThread(parts: ThreadParts, thread: number): number[] {
  const { mutex, mailboxes, clientTable, keyspace, engine } = parts;
  return mutex.hold(() => {
    keyspace.enter(parts.clock.wallMillis());
    const unclosed = mailboxes.takeDescriptors(thread);
    // What was given to it and not adopted yet goes with it.
    for (let mail = mailboxes.take(thread); mail !== undefined; mail = mailboxes.take(thread)) {
      if (mail.kind === MAIL_ADOPT) unclosed.push(mail.value);
    }
    const records: Ref[] = [];
    clientTable.forEach((record) => {
      if (clientTable.get(record, CLIENT_THREAD) === thread) records.push(record);
    });
    for (const record of records) {
      engine.endClient(record);
      const marker = clientTable.get(record, CLIENT_WATCH_MARKER);
      if (marker !== 0) keyspace.watches.freeMarker(marker);
      unclosed.push(clientTable.get(record, CLIENT_DESCRIPTOR));
      clientTable.remove(record);
    }
    return unclosed;
  });
}
