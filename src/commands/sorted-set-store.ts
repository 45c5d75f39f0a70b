/** Commands whose result is a sorted set, stored under their first key. */
import { TYPE_SORTED_SET } from '../keyspace/entry.ts';
import { NOTIFY_GENERIC, NOTIFY_SORTED_SET } from '../keyspace/notify.ts';
import type { LooseSortedSet } from '../keyspace/sorted-set-values.ts';
import type { Call } from './call.ts';

/** Fills a new set, which is discarded if that fails. */
export function filled(
  call: Call,
  set: LooseSortedSet,
  fill: (target: LooseSortedSet) => void,
): LooseSortedSet {
  try {
    fill(set);
  } catch (error) {
    call.keyspace.sortedSets.discard(set);
    throw error;
  }
  return set;
}

/** Makes a set the value of the first key, and replies how many members it has; an empty one deletes it. */
export function storeSortedSet(call: Call, set: LooseSortedSet, event: string): void {
  const { database, request } = call;
  const { sortedSets } = call.keyspace;
  const count = sortedSets.length(set.value, set.encoding);
  if (count === 0) {
    sortedSets.discard(set);
    deleteTarget(call);
    return;
  }
  filled(call, set, () => {
    const { encoding, value } = set;
    database.storeWith(request.buffer, request.start(1), request.end(1), TYPE_SORTED_SET, encoding, value);
  });
  call.changed(1, NOTIFY_SORTED_SET, event);
  call.reply.integer(count);
}

function deleteTarget(call: Call): void {
  const old = call.lookupWrite(1);
  if (old !== 0) {
    call.database.delete(old);
    call.changed(1, NOTIFY_GENERIC, 'del');
  }
  call.reply.integer(0);
}
