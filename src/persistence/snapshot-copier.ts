/**
 * Goes through the entries of a database, under the lock, and copies them as fast as memory allows.
 *
 * Each bucket and each entry is a cache miss. So the walk takes some chains at once, and looks at the first
 * entries of all of them before it copies one, then at the second ones, and so on: the processor fetches them
 * side by side.
 */
import type { Database } from '../keyspace/database.ts';
import { ENTRY_META, epochOfMeta } from '../keyspace/entry.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Ref } from '../memory/arena.ts';
import { getWord } from '../memory/struct.ts';
import { ENTRY_NEXT, TableWalk } from '../structures/hash-table.ts';
import { recordBytes, RecordBuffer } from './snapshot-entry.ts';

/** How many chains are taken at once. */
const CHAINS = 128;
/** A few slices' worth; larger only for a key that does not fit. */
const BUFFER_BYTES = 1024 * 1024;
/** No entry has this epoch: all are visited. */
const EVERY_EPOCH = -1;

/** What becomes of an entry. */
export interface EntryVisitor {
  /** Takes the entry, or returns false to be given it again in the next step. */
  visit(database: Database, entry: Ref): boolean;
}

export class EntryCopier {
  readonly #keyspace: Keyspace;
  readonly #visitor: EntryVisitor;
  readonly #heads = new Int32Array(CHAINS);
  readonly #metas = new Int32Array(CHAINS);
  #walk = new TableWalk();
  /** What has been copied. */
  readonly records = new RecordBuffer(BUFFER_BYTES);

  constructor(keyspace: Keyspace, visitor: EntryVisitor) {
    this.#keyspace = keyspace;
    this.#visitor = visitor;
  }

  /** The next steps are through another database. */
  begin(): void {
    this.#walk = new TableWalk();
  }

  get isDone(): boolean {
    return this.#walk.isDone;
  }

  /**
   * Visits some entries that are not in the running snapshot; false when the visitor has refused one, and the
   * step is to be done again.
   */
  step(database: Database): boolean {
    return this.#step(database, this.#keyspace.epoch);
  }

  /** Visits some entries, whatever snapshot they are in. */
  stepThroughAll(database: Database): boolean {
    return this.#step(database, EVERY_EPOCH);
  }

  /**
   * Copies an entry, unless there is no room for it beside others.
   * @param cutIndex index of the database at the cut
   */
  copy(entry: Ref, cutIndex: number): boolean {
    const { records } = this;
    const length = recordBytes(this.#keyspace, entry);
    if (!records.hasRoom(length)) {
      if (records.used > 0) return false;
      records.reserve(length);
    }
    records.append(this.#keyspace, entry, cutIndex, length);
    return true;
  }

  #step(database: Database, savedEpoch: number): boolean {
    const { arena } = this.#keyspace;
    const entries = this.#heads;
    const metas = this.#metas;
    const { mask, group, index, lastMask } = this.#walk;
    let count = database.table.nextChains(this.#walk, entries);
    while (count > 0) {
      for (let i = 0; i < count; i++) metas[i] = getWord(arena, entries[i]!, ENTRY_META);
      let longer = 0;
      for (let i = 0; i < count; i++) {
        const entry = entries[i]!;
        const isSaved = epochOfMeta(metas[i]!) === savedEpoch;
        if (!isSaved && !this.#visitor.visit(database, entry)) {
          Object.assign(this.#walk, { mask, group, index, lastMask });
          return false;
        }
        const next = getWord(arena, entry, ENTRY_NEXT);
        if (next !== 0) entries[longer++] = next;
      }
      count = longer;
    }
    return true;
  }
}
