/**
 * Looking hashes up: fields whose time has passed are deleted before a command sees them, so that every
 * command finds only living ones (Redis 7.4 passes them over one by one). Hashes without such fields pay
 * a look at a flag.
 */
import { TYPE_HASH } from '../keyspace/entry.ts';
import type { Ref } from '../memory/arena.ts';
import type { Call } from './call.ts';

/** The entry of the hash named by an argument, for reading; 0 = none. @throws WRONG_TYPE */
export function lookupHashRead(call: Call, index: number): Ref {
  const entry = call.lookupTypedRead(index, TYPE_HASH);
  return entry !== 0 && call.database.hasExpiringFields(entry)
    ? withoutDeadFields(call, entry, index)
    : entry;
}

/** The same for changing it. */
export function lookupHashWrite(call: Call, index: number): Ref {
  const entry = call.lookupTypedWrite(index, TYPE_HASH);
  return entry !== 0 && call.database.hasExpiringFields(entry)
    ? withoutDeadFields(call, entry, index)
    : entry;
}

function withoutDeadFields({ database, keyspace, request }: Call, entry: Ref, index: number): Ref {
  if (!keyspace.mayDeleteExpired || !keyspace.hashes.expireFields(database, entry)) return entry;
  // The key is gone; whoever creates it anew does so right after a lookup.
  return database.lookup(request.buffer, request.start(index), request.end(index));
}
