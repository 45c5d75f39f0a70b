/**
 * Values as files and payloads have them (rdb-values.ts) into the keyspace: for loading, RESTORE and DEBUG
 * RELOAD. A new type of data is one function and its entry in the table.
 */
import type { Database } from '../keyspace/database.ts';
import { ENTRY_CLOCK } from '../keyspace/entry.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Ref } from '../memory/arena.ts';
import { setWord } from '../memory/struct.ts';
import type { ByteRange, RdbKeyFacts, RdbString, RdbValue } from './rdb-values.ts';

type ValueKind = RdbValue['kind'];

/** Stores the value under a key, in the place of what is there; returns the key's entry. */
type Store<Kind extends ValueKind> = (
  place: KeyPlace,
  key: ByteRange,
  value: Extract<RdbValue, { kind: Kind }>,
) => Ref;

/** Where a key is stored. */
export interface KeyPlace {
  readonly keyspace: Keyspace;
  readonly database: Database;
}

/** Undefined: the server has no such type. */
const STORES: { readonly [Kind in ValueKind]: Store<Kind> | undefined } = {
  string: storeString,
  list: undefined,
  set: undefined,
  hash: undefined,
  zset: undefined,
  stream: undefined,
  module: undefined,
};

/** Whether the server has this type of data. */
export function canStore(value: RdbValue): boolean {
  return STORES[value.kind] !== undefined;
}

/** What a type that cannot be stored is called in an error. */
export function describeType(value: RdbValue): string {
  return value.kind === 'module' ? `module type ${value.name}` : `type ${value.kind}`;
}

/**
 * Stores a value, which `canStore`, under a key; returns the key's entry. What the key held is replaced, so
 * the database's count of keys tells whether it was new.
 */
export function storeValue(place: KeyPlace, key: ByteRange, value: RdbValue): Ref {
  const store = STORES[value.kind] as Store<ValueKind> | undefined;
  if (store === undefined) throw new Error(`${describeType(value)} cannot be stored`);
  return store(place, key, value);
}

/** Gives a key what it has besides its value; returns the entry, which may have moved. */
export function storeFacts({ keyspace, database }: KeyPlace, entry: Ref, facts: RdbKeyFacts): Ref {
  const { expiryMillis, idleSeconds, frequency } = facts;
  const { accessClock, arena } = keyspace;
  if (accessClock.isLfu && frequency !== undefined) {
    setWord(arena, entry, ENTRY_CLOCK, accessClock.withFrequency(frequency));
  } else if (!accessClock.isLfu && idleSeconds !== undefined) {
    setWord(arena, entry, ENTRY_CLOCK, accessClock.withIdleSeconds(idleSeconds));
  }
  return expiryMillis === undefined ? entry : database.setExpiry(entry, expiryMillis);
}

/** Stores a string: by far the most common kind. */
export function storeString({ keyspace, database }: KeyPlace, key: ByteRange, value: RdbString): Ref {
  const { bytes, start, end } = value;
  return keyspace.strings.set(database, key.bytes, key.start, key.end, bytes, start, end, false);
}
