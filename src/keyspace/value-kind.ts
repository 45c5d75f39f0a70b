/** What the keyspace needs to know of the values of one type, so that it can keep, copy and free them. */
import type { Ref } from '../memory/arena.ts';

/** A `value` is what the entry's word ENTRY_VALUE refers to; its form is the entry's encoding. */
export interface ValueKind {
  /** Elements: items, members, fields, entries of a stream. */
  length(value: Ref, encoding: number): number;
  /** A deep copy in the same encoding. @throws OutOfMemoryError, with nothing left behind */
  copy(value: Ref, encoding: number): Ref;
  /** Bytes that the allocator holds for it: an estimate from `samples` elements, exact with 0. */
  memory(value: Ref, encoding: number, samples: number): number;
  /**
   * Frees the value; large ones until told to stop, to be called again then. True when all is gone. Nobody
   * else refers to the value any more.
   */
  dismantle(value: Ref, encoding: number, shouldStop: () => boolean): boolean;
  /** Throws when the structure contradicts itself. */
  checkInvariants(value: Ref, encoding: number): void;
}
