/**
 * DEBUG DIGEST: 20 bytes that are equal when two servers have the same data, Redis among them (Redis 7.0
 * debug.c, computeDatasetDigest). What has an order is mixed in one after the other, what has none is XORed.
 */
import { createHash } from 'node:crypto';
import type { Database } from '../keyspace/database.ts';
import { NO_EXPIRY } from '../keyspace/database.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';

const DIGEST_BYTES = 20;
const EXPIRES_MARK = Buffer.from('!!expire!!');

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
  keyspace.strings.borrow(entry, value);
  mix(digest, value.copy());
  if (database.expiryOf(entry) !== NO_EXPIRY) xor(digest, EXPIRES_MARK);
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
