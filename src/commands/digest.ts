/**
 * DEBUG DIGEST: 20 bytes that are equal when two servers have the same data, Redis among them (Redis 7.0
 * debug.c, computeDatasetDigest). What has an order is mixed in one after the other, what has none is XORed.
 */
import { createHash } from 'node:crypto';
import type { Database } from '../keyspace/database.ts';
import { NO_EXPIRY } from '../keyspace/database.ts';
import {
  TYPE_HASH,
  TYPE_LIST,
  TYPE_SET,
  TYPE_SORTED_SET,
  TYPE_STREAM,
  TYPE_STRING,
} from '../keyspace/entry.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ListPosition } from '../structures/quicklist.ts';
import { EntryId } from '../util/entry-id.ts';
import { formatDouble } from '../util/numbers.ts';

const DIGEST_BYTES = 20;
const EXPIRES_MARK = Buffer.from('!!expire!!');

const field = new BorrowedBytes();
const value = new BorrowedBytes();

export function datasetDigest(keyspace: Keyspace): string {
  const digest = Buffer.alloc(DIGEST_BYTES);
  for (const database of keyspace.databases) {
    if (database.keyCount === 0) continue;
    mix(digest, bigEndian(database.index));
    for (let group = 0; group < database.table.groupCount; group++) {
      database.table.visitGroupAt(group, (entry) => xor(digest, entryDigest(keyspace, database, entry)));
    }
  }
  return digest.toString('hex');
}

/** The digest of one value, its key not included; zeros when there is no such key. */
export function valueDigest(keyspace: Keyspace, database: Database, entry: Ref): string {
  const digest = Buffer.alloc(DIGEST_BYTES);
  if (entry !== 0) mixValue(digest, keyspace, database, entry);
  return digest.toString('hex');
}

function entryDigest(keyspace: Keyspace, database: Database, entry: Ref): Buffer {
  const digest = Buffer.alloc(DIGEST_BYTES);
  mix(digest, database.keyOf(entry));
  mixValue(digest, keyspace, database, entry);
  return digest;
}

function mixValue(digest: Buffer, keyspace: Keyspace, database: Database, entry: Ref): void {
  mix(digest, bigEndian(database.typeOf(entry)));
  MIXERS[database.typeOf(entry)]!(digest, { keyspace, database, entry });
  if (database.expiryOf(entry) !== NO_EXPIRY) xor(digest, EXPIRES_MARK);
}

interface Place {
  readonly keyspace: Keyspace;
  readonly database: Database;
  readonly entry: Ref;
}

/** How the values of a type go into the digest, by type number. */
const MIXERS: Readonly<Record<number, (digest: Buffer, place: Place) => void>> = {
  [TYPE_STRING]: (digest, { keyspace, entry }) => {
    keyspace.strings.borrow(entry, value);
    mix(digest, value.copy());
  },
  [TYPE_LIST]: mixList,
  [TYPE_SET]: (digest, { keyspace, database, entry }) => {
    keyspace.sets.forEach(database, entry, (bytes, start, end) => xor(digest, bytes.slice(start, end)));
  },
  [TYPE_HASH]: mixHash,
  [TYPE_SORTED_SET]: mixSortedSet,
  [TYPE_STREAM]: mixStream,
};

function mixList(digest: Buffer, { keyspace, database, entry }: Place): void {
  const { quicklist } = keyspace.lists;
  const position = new ListPosition();
  let isThere = quicklist.seek(database.valueOf(entry), 0, position);
  for (; isThere; isThere = quicklist.next(position)) {
    quicklist.borrow(position, value);
    mix(digest, value.copy());
  }
}

function mixHash(digest: Buffer, { keyspace, database, entry }: Place): void {
  const { hashes } = keyspace;
  hashes.forEach(database, entry, (place) => {
    const pair = Buffer.alloc(DIGEST_BYTES);
    hashes.borrowField(database, entry, place, value);
    mix(pair, value.copy());
    hashes.borrowValue(database, entry, place, value);
    mix(pair, value.copy());
    xor(digest, pair);
  });
}

function mixSortedSet(digest: Buffer, { keyspace, database, entry }: Place): void {
  const cursor = keyspace.sortedSets.newCursor();
  keyspace.sortedSets.seek(database, entry, 0, cursor);
  for (; cursor.isAtElement; cursor.next()) {
    const pair = Buffer.alloc(DIGEST_BYTES);
    cursor.borrow(value);
    mix(pair, value.copy());
    mix(pair, Buffer.from(formatDouble(cursor.score)));
    xor(digest, pair);
  }
}

/** Entries only: groups and what else there is to a stream are no part of it in Redis either. */
function mixStream(digest: Buffer, { keyspace, database, entry }: Place): void {
  const { cursor } = keyspace.streams;
  cursor.begin(database.valueOf(entry), new EntryId(), new EntryId().setMax());
  while (cursor.next()) {
    mix(digest, Buffer.from(`${cursor.id.bigMillis}.${cursor.id.bigSequence}`));
    for (let left = cursor.fieldCount; left > 0; left--) {
      cursor.nextField(field, value);
      mix(digest, field.copy());
      mix(digest, value.copy());
    }
  }
}

/** Folds the data's hash into the digest; the order of calls does not matter. */
function xor(digest: Buffer, data: Uint8Array): void {
  const hash = sha1(data);
  for (let i = 0; i < DIGEST_BYTES; i++) digest[i] = digest[i]! ^ hash[i]!;
}

/** The same, and the result depends on the order of calls. */
function mix(digest: Buffer, data: Uint8Array): void {
  xor(digest, data);
  sha1(digest).copy(digest);
}

function sha1(data: Uint8Array): Buffer {
  return createHash('sha1').update(data).digest();
}

function bigEndian(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}
