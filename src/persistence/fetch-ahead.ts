/**
 * Storing a key waits for memory that is not in the cache: for its bucket, and for the first entry there.
 * While data is loaded the keys to come are known, so both are read for many of them in tight loops, where
 * the processor has several reads under way at once (engine/read-ahead.ts does the same for clients).
 *
 * Nothing depends on it: what is not fetched, or not needed after all, costs time only.
 */
import type { Database } from '../keyspace/database.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { getWord } from '../memory/struct.ts';
import { ENTRY_HASH } from '../structures/hash-table.ts';

/** Keys to be looked ahead for at once. */
export const KEYS_AHEAD = 32;

const heads = new Int32Array(KEYS_AHEAD);

/** Fetches what storing keys with the first `count` of these hashes will touch; at most KEYS_AHEAD. */
export function fetchAhead(keyspace: Keyspace, { table }: Database, hashes: Int32Array, count: number): void {
  const { arena } = keyspace;
  for (let i = 0; i < count; i++) heads[i] = table.bucketHead(hashes[i]!);
  for (let i = 0; i < count; i++) {
    const head = heads[i]!;
    // What is read must be put somewhere, or it would not be read.
    if (head !== 0) heads[i] = getWord(arena, head, ENTRY_HASH);
  }
}
