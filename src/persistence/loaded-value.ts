/**
 * Values as files and payloads have them (rdb-values.ts) into the keyspace: for loading, RESTORE and DEBUG
 * RELOAD. A new type of data is one function and its entry in the table.
 */
import type { Database } from '../keyspace/database.ts';
import {
  ENCODING_INTSET,
  ENCODING_LISTPACK,
  ENCODING_QUICKLIST,
  ENCODING_STREAM,
  ENTRY_CLOCK,
  TYPE_HASH,
  TYPE_LIST,
  TYPE_SET,
  TYPE_SORTED_SET,
  TYPE_STREAM,
} from '../keyspace/entry.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { createStream } from '../keyspace/stream-shape.ts';
import type { Ref } from '../memory/arena.ts';
import { setWord } from '../memory/struct.ts';
import { IntSet } from '../structures/int-set.ts';
import { adoptPairs, type PairForm } from './packed-pairs.ts';
import { RdbError } from './rdb-error.ts';
import { plainValue } from './rdb-plain.ts';
import type {
  ByteRange,
  RdbHash,
  RdbHashListpack,
  RdbIntset,
  RdbKeyFacts,
  RdbList,
  RdbQuicklist,
  RdbReadable,
  RdbSet,
  RdbStream,
  RdbString,
  RdbZset,
  RdbZsetListpack,
} from './rdb-values.ts';

type ValueKind = RdbReadable['kind'];

/** Stores the value under a key, in the place of what is there; returns the key's entry. */
type Store<Kind extends ValueKind> = (
  place: KeyPlace,
  key: ByteRange,
  value: Extract<RdbReadable, { kind: Kind }>,
) => Ref;

/** Where a key is stored. */
export interface KeyPlace {
  readonly keyspace: Keyspace;
  readonly database: Database;
}

/** Undefined: the server has no such type. */
const STORES: { readonly [Kind in ValueKind]: Store<Kind> | undefined } = {
  string: storeString,
  list: storeList,
  quicklist: storeQuicklist,
  set: storeSet,
  intset: storeIntset,
  hash: storeHash,
  'hash-listpack': storeHashListpack,
  zset: storeSortedSet,
  'zset-listpack': storeSortedSetListpack,
  stream: storeStream,
  module: undefined,
};

/** Whether the server has this type of data. */
export function canStore(value: RdbReadable): boolean {
  return STORES[value.kind] !== undefined;
}

/** What a type that cannot be stored is called in an error. */
export function describeType(value: RdbReadable): string {
  return value.kind === 'module' ? `module type ${value.name}` : `type ${value.kind}`;
}

/**
 * Stores a value, which `canStore`, under a key; returns the key's entry. What the key held is replaced, so
 * the database's count of keys tells whether it was new.
 */
export function storeValue(place: KeyPlace, key: ByteRange, value: RdbReadable): Ref {
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

/* Collections (Redis 7.0 rdb.c, rdbLoadObject) */

/** A value that was made for the key, which it replaces. */
function storeNew({ keyspace, database }: KeyPlace, key: ByteRange, made: MadeValue): Ref {
  const { type, encoding, value } = made;
  try {
    const old = database.find(key.bytes, key.start, key.end);
    if (old !== 0) {
      database.delete(old);
      database.find(key.bytes, key.start, key.end);
    }
    return database.createWith(key.bytes, key.start, key.end, type, encoding, value);
  } catch (error) {
    keyspace.kindOf(type).dismantle(value, encoding, () => false);
    throw error;
  }
}

interface MadeValue {
  readonly type: number;
  readonly encoding: number;
  readonly value: Ref;
}

function storeList(place: KeyPlace, key: ByteRange, { items }: RdbList): Ref {
  const { lists } = place.keyspace;
  const value = lists.create();
  discardOnError(
    () => lists.discard(value),
    () => {
      for (const item of items) lists.append(value, item, 0, item.length);
    },
  );
  return storeNew(place, key, { type: TYPE_LIST, encoding: ENCODING_QUICKLIST, value });
}

/** Nodes are taken as they are, whatever `list-max-listpack-size` says. */
function storeQuicklist(place: KeyPlace, key: ByteRange, { nodes }: RdbQuicklist): Ref {
  const { lists } = place.keyspace;
  const value = lists.create();
  discardOnError(
    () => lists.discard(value),
    () => {
      for (const { isPacked, bytes } of nodes) {
        if (isPacked) lists.quicklist.appendPack(value, bytes, 0, bytes.length);
        else lists.append(value, bytes, 0, bytes.length);
      }
    },
  );
  return storeNew(place, key, { type: TYPE_LIST, encoding: ENCODING_QUICKLIST, value });
}

function storeSet(place: KeyPlace, key: ByteRange, { members }: RdbSet): Ref {
  const { sets } = place.keyspace;
  const set = sets.newSet(members.length);
  discardOnError(
    () => sets.discard(set),
    () => {
      for (const member of members)
        if (!sets.addTo(set, member, 0, member.length)) throw twin('member of a set');
    },
  );
  return storeNew(place, key, { type: TYPE_SET, encoding: set.encoding, value: set.value });
}

function storeIntset(place: KeyPlace, key: ByteRange, packed: RdbIntset): Ref {
  const { keyspace } = place;
  const intSets = new IntSet(keyspace.allocator);
  const value = intSets.adopt(packed.bytes, 0, packed.bytes.length);
  if (intSets.count(value) <= keyspace.limits.setMaxIntsetEntries) {
    return storeNew(place, key, { type: TYPE_SET, encoding: ENCODING_INTSET, value });
  }
  keyspace.allocator.free(value);
  return storeSet(place, key, plainValue(packed) as RdbSet);
}

function storeHash(place: KeyPlace, key: ByteRange, { fields }: RdbHash): Ref {
  const { database, keyspace } = place;
  const { hashes } = keyspace;
  const old = database.find(key.bytes, key.start, key.end);
  if (old !== 0) {
    database.delete(old);
    database.find(key.bytes, key.start, key.end);
  }
  const entry = hashes.create(database, key.bytes, key.start, key.end, longestOf(fields));
  for (const { field, value, expiryMillis } of fields) {
    const isNew = hashes.set(database, entry, field, 0, field.length, value, 0, value.length);
    if (!isNew) throw twin('field of a hash');
    if (expiryMillis !== undefined) hashes.setExpiry(database, entry, field, 0, field.length, expiryMillis);
  }
  return entry;
}

/** Bytes of the longest field or value. */
function longestOf(fields: RdbHash['fields']): number {
  let longest = 0;
  for (const { field, value } of fields) longest = Math.max(longest, field.length, value.length);
  return longest;
}

function storeHashListpack(place: KeyPlace, key: ByteRange, packed: RdbHashListpack): Ref {
  const made = madeOfPairs(place, packed.bytes, 'fields');
  return made === undefined
    ? storeHash(place, key, plainValue(packed) as RdbHash)
    : storeNew(place, key, made);
}

function storeSortedSet(place: KeyPlace, key: ByteRange, { members }: RdbZset): Ref {
  const { sortedSets } = place.keyspace;
  const set = sortedSets.newTable(members.length);
  discardOnError(
    () => sortedSets.discard(set),
    () => {
      for (const { member, score } of members) sortedSets.put(set, member, 0, member.length, score);
      if (sortedSets.length(set.value, set.encoding) < members.length) throw twin('member of a sorted set');
      sortedSets.compact(set);
    },
  );
  return storeNew(place, key, { type: TYPE_SORTED_SET, encoding: set.encoding, value: set.value });
}

function storeSortedSetListpack(place: KeyPlace, key: ByteRange, packed: RdbZsetListpack): Ref {
  const made = madeOfPairs(place, packed.bytes, 'scores');
  return made === undefined
    ? storeSortedSet(place, key, plainValue(packed) as RdbZset)
    : storeNew(place, key, made);
}

/** A hash or sorted set of the listpack as it is; undefined if it is too long for one, or not quite right. */
function madeOfPairs({ keyspace }: KeyPlace, bytes: Uint8Array, form: PairForm): MadeValue | undefined {
  const { hashMaxListpackEntries, zsetMaxListpackEntries } = keyspace.limits;
  const countMax = form === 'fields' ? hashMaxListpackEntries : zsetMaxListpackEntries;
  const value = adoptPairs(keyspace, bytes, form, countMax);
  if (value === 0) return undefined;
  return { type: form === 'fields' ? TYPE_HASH : TYPE_SORTED_SET, encoding: ENCODING_LISTPACK, value };
}

function storeStream(place: KeyPlace, key: ByteRange, stream: RdbStream): Ref {
  const value = createStream(place.keyspace.streams, stream);
  return storeNew(place, key, { type: TYPE_STREAM, encoding: ENCODING_STREAM, value });
}

function discardOnError(discard: () => void, action: () => void): void {
  try {
    action();
  } catch (error) {
    discard();
    throw error;
  }
}

function twin(what: string): RdbError {
  return new RdbError(`${what} that occurs twice`, 0);
}
