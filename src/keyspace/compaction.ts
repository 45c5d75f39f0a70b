/**
 * Compaction: after many keys were deleted here and there, spans are mostly holes. Entries are moved out of
 * the sparsest spans, so that whole spans become free for other sizes and for the operating system.
 *
 * Only entries move: one place in the table (and one in the index of expiring keys) points to each. Values
 * apart keep their blocks, which are of their own size anyway.
 */
import type { Keyspace } from './keyspace.ts';

/** Compaction begins when spans hold this much more than their live blocks, absolutely … */
const WASTED_BYTES_MIN = 16 * 1024 * 1024;
/** … and relative to them. */
const WASTED_RATIO_MIN = 0.25;
/** Bucket groups between two looks at the clock. */
const GROUPS_PER_LOOK = 64;

export class Compaction {
  readonly #keyspace: Keyspace;
  #isRunning = false;
  #database = 0;
  #group = 0;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
  }

  /** Starts if memory is worth it; true when entries are to be moved. */
  startIfWorthwhile(): boolean {
    if (this.#isRunning) return true;
    const { allocator } = this.#keyspace;
    const wasted = allocator.spanBytes - allocator.usedBytes;
    if (wasted < WASTED_BYTES_MIN || wasted < allocator.usedBytes * WASTED_RATIO_MIN) return false;
    if (allocator.beginCompaction(WASTED_BYTES_MIN / 2) === 0) return false;
    this.#isRunning = true;
    this.#database = 0;
    this.#group = 0;
    return true;
  }

  /** Moves entries until told to stop. True while there are more. */
  step(shouldStop: () => boolean): boolean {
    const { databases, allocator } = this.#keyspace;
    while (this.#isRunning) {
      const database = databases[this.#database];
      if (database === undefined) {
        allocator.endCompaction();
        this.#isRunning = false;
        break;
      }
      const { table } = database;
      const end = Math.min(this.#group + GROUPS_PER_LOOK, table.groupCount);
      for (; this.#group < end; this.#group++) {
        table.visitGroupAt(this.#group, (entry) => database.relocate(entry));
      }
      if (this.#group >= table.groupCount) {
        this.#database++;
        this.#group = 0;
      }
      if (shouldStop()) break;
    }
    return this.#isRunning;
  }
}
