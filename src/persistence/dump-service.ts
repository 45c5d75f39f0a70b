/** DUMP and RESTORE over the keyspace: values of keys into payloads (dump-payload.ts), and back. */
import type { RestoreFailure } from '../commands/services.ts';
import type { Database } from '../keyspace/database.ts';
import { ENTRY_META, TYPE_STRING, encodingOfMeta, typeOfMeta } from '../keyspace/entry.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes, getWord } from '../memory/struct.ts';
import { decodeDumpPayload, encodeDumpPayload } from './dump-payload.ts';
import { canStore, storeValue } from './loaded-value.ts';
import type { RdbWritable } from './rdb-values.ts';
import { readCopy } from './saved-collection.ts';
import { RecordBuffer } from './snapshot-entry.ts';

/** Stores a restored value under a key that does not exist; the key's entry. */
export type RestoreStore = (database: Database, key: Uint8Array) => Ref;

/** The payload of a key's value. */
export function dumpValue(keyspace: Keyspace, entry: Ref, isCompressing: boolean): Uint8Array {
  return encodeDumpPayload(valueToDump(keyspace, entry), isCompressing);
}

/** What stores the value of a payload, or why there is none. */
export function restoreValue(keyspace: Keyspace, payload: Uint8Array): RestoreFailure | RestoreStore {
  const decoded = decodeDumpPayload({ bytes: payload, start: 0, end: payload.length });
  if (decoded.kind === 'wrong-version-or-checksum') return 'bad-checksum-or-version';
  if (decoded.kind === 'bad-data-format' || !canStore(decoded.value)) return 'bad-format';
  const { value } = decoded;
  return (database, key) =>
    storeValue({ keyspace, database }, { bytes: key, start: 0, end: key.length }, value);
}

/** A value in the form that files have it: a string is borrowed, a collection is a copy. */
function valueToDump(keyspace: Keyspace, entry: Ref): RdbWritable {
  const meta = getWord(keyspace.arena, entry, ENTRY_META);
  if (typeOfMeta(meta) === TYPE_STRING) {
    const view = new BorrowedBytes();
    keyspace.strings.borrow(entry, view);
    return { kind: 'string', bytes: view.bytes, start: view.start, end: view.end };
  }
  const { heldCollections } = keyspace;
  const byteCount = heldCollections.bytesOfCopy(entry);
  const copy = new RecordBuffer(byteCount);
  heldCollections.copyWhole(entry, copy.bytes, 0);
  return readCopy(copy, typeOfMeta(meta), encodingOfMeta(meta), 0, byteCount);
}
