/**
 * The header of a collection whose elements hang in a hash table: hashes, sets and sorted sets in their large
 * form. A block of the arena; sorted sets add words of their own behind it.
 *
 *     words 0 – 7   the hash table (hash-table.ts)
 *     word  8       what a running snapshot holds of the collection, 0 = nothing
 *     word  9       how far its elements are freed, when that is done in slices
 *     double 5      bytes of all elements: members, fields, values
 */
import type { Allocator } from '../memory/allocator.ts';
import type { Ref } from '../memory/arena.ts';
import { clearWords } from '../memory/struct.ts';
import { HASH_TABLE_WORDS, HashTable } from './hash-table.ts';

export const COLLECTION_HELD = HASH_TABLE_WORDS;
export const COLLECTION_CURSOR = HASH_TABLE_WORDS + 1;
export const COLLECTION_BYTES_DOUBLE = 5;
export const COLLECTION_HEADER_WORDS = 12;

/** A header of so many words, with an empty table. @throws OutOfMemoryError, with nothing left behind */
export function createCollectionHeader(allocator: Allocator, words: number): Ref {
  const header = allocator.allocate(words * 4);
  clearWords(allocator.arena, header, words);
  try {
    HashTable.initialize(allocator, header);
  } catch (error) {
    allocator.free(header);
    throw error;
  }
  return header;
}
