/** Blocks that all threads find: a word of the control block says where each is. */
import type { Allocator } from './allocator.ts';
import type { Ref } from './arena.ts';
import { clearWords } from './struct.ts';

/**
 * The block that a word of the control block refers to; the first who asks makes it, of zeroes. Under the
 * lock.
 */
export function sharedBlock(allocator: Allocator, controlWord: number, wordCount: number): Ref {
  const { arena } = allocator;
  if (arena.control[controlWord] === 0) {
    const block = allocator.allocate(wordCount * 4);
    clearWords(arena, block, wordCount);
    arena.control[controlWord] = block;
  }
  return arena.control[controlWord]!;
}
