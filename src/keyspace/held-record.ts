/**
 * What a snapshot notes of a collection that it holds (held-collections.ts), and what it needs of the two
 * ways in which collections are made: of elements in a hash table (held-tables.ts), or of nodes
 * (held-nodes.ts).
 *
 * The record:
 *     words 0, 1   next and previous record of the list of those that wait
 *     word  2      the value
 *     word  3      type:16 | encoding:16 of it
 *     word  4      elements or nodes at the cut
 *     word  5      KiB that are kept only for the snapshot
 *     word  6      index of the database at the cut
 *     word  7      1 = in the list, 0 = being saved
 *     word  8      1 = the value belongs to the record
 *     word  9      groups or nodes that the snapshot has passed
 *     word  10     tables: which groups are saved out of turn, 0 = none; nodes: their directory
 *     words 11, 12 tables: first and last chunk of elements that are saved out of turn
 *     word  13     streams: a block with all that is not in nodes
 *     word  14     1 = a hash with fields that expire
 *     byte 64      the entry's own block as it was: key, expiry, access clock
 */
import type { Ref } from '../memory/arena.ts';

export const RECORD_NEXT = 0;
export const RECORD_PREVIOUS = 1;
export const RECORD_VALUE = 2;
export const RECORD_FORM = 3;
export const RECORD_COUNT = 4;
export const RECORD_KEPT_KIB = 5;
export const RECORD_CUT_INDEX = 6;
export const RECORD_IS_WAITING = 7;
export const RECORD_IS_OWNED = 8;
export const RECORD_CURSOR = 9;
export const RECORD_MAP = 10;
export const RECORD_FIRST_CHUNK = 11;
export const RECORD_LAST_CHUNK = 12;
export const RECORD_REST = 13;
export const RECORD_HAS_EXPIRY = 14;
export const RECORD_IMAGE_OFFSET = 64;

/** Memory of the snapshot that elements are copied to, from `used` on; `used` is a multiple of 8. */
export interface SnapshotBuffer {
  readonly bytes: Uint8Array;
  used: number;
  hasRoom(byteCount: number): boolean;
  reserve(byteCount: number): void;
}

/** How the values of a kind are held: those in tables, or those in nodes. */
export interface HeldForm {
  /** Whether the value is too large to be copied at once. */
  isLarge(value: Ref, type: number): boolean;
  /** The record of the snapshot that holds the value, or 0. */
  recordOf(value: Ref, type: number): Ref;
  /** Sets up what the record of a value needs; false when there is no memory for it. */
  begin(record: Ref, value: Ref, type: number): boolean;
  /** Copies some of what is not saved yet to `target`, one element or node at least, until told to stop. */
  save(record: Ref, type: number, target: SnapshotBuffer, shouldStop: () => boolean): void;
  isSaved(record: Ref, type: number): boolean;
  /** Lets go of the value, and of what was kept for the snapshot. */
  end(record: Ref, type: number): void;
  check(record: Ref, type: number): void;
  /** Whether the value is a hash with fields that expire. */
  hasExpiry(value: Ref, type: number): boolean;
  /** Elements or nodes. */
  countOf(value: Ref, type: number): number;
  /** Bytes of a copy of a whole value, a multiple of 8. */
  bytesOfAll(value: Ref, type: number): number;
  copyAll(value: Ref, type: number, target: Uint8Array, at: number): void;
  /** The same; `empty` is called when there is no room for the next part. */
  copyInPieces(value: Ref, type: number, target: SnapshotBuffer, empty: () => void): void;
}

/** Room beside what has been copied since `start`; for the first thing that is copied there always is. */
export function makeRoom(target: SnapshotBuffer, byteCount: number, start: number): boolean {
  if (target.hasRoom(byteCount)) return true;
  if (target.used > start) return false;
  target.reserve(byteCount);
  return true;
}
