/**
 * Reading the entries of a stream, one after the other, in either direction.
 *
 * A node is a listpack (Redis 7.0 t_stream.c, streamAppendItem). It begins with a *master entry*, whose
 * fields are those of the entry that was first added to it:
 *
 *     ┌───────┬─────────┬────────┬─────────┬───┬─────────┬───┐
 *     │ count │ deleted │ fields │ field 1 │ … │ field N │ 0 │     count: entries that are not deleted
 *     └───────┴─────────┴────────┴─────────┴───┴─────────┴───┘
 *
 * The entries follow, their ids as differences to the node's master id:
 *
 *     ┌───────┬────┬──────────┬────────┬─────────┬─────────┬───┬──────────┐
 *     │ flags │ ms │ sequence │ fields │ field 1 │ value 1 │ … │ elements │
 *     └───────┴────┴──────────┴────────┴─────────┴─────────┴───┴──────────┘
 *                             └── left out with FLAG_SAME_FIELDS, but for the values
 *
 * The last element says how many there are before it, so that entries can be read backwards: the master
 * entry's is 0.
 */
import type { Arena, Ref } from '../memory/arena.ts';
import { getWord } from '../memory/struct.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { IdTree } from '../structures/id-tree.ts';
import type { Listpack } from '../structures/listpack.ts';
import { EntryId } from '../util/entry-id.ts';
import { parseInt64 } from '../util/numbers.ts';
import type { Keyspace } from './keyspace.ts';
import { STREAM_NODE_PACK, STREAM_NODES } from './stream-layout.ts';

/** The entry was deleted, its bytes are still there. */
export const FLAG_DELETED = 1;
/** The entry has the fields of the master entry. */
export const FLAG_SAME_FIELDS = 2;

/** Which entries `StreamCursor.begin` is to show. */
interface CursorOptions {
  readonly isReverse?: boolean;
  /** Entries that are deleted, but still have a place in a node, too. */
  readonly withDeleted?: boolean;
}

const FORWARD: CursorOptions = {};

const text = new BorrowedBytes();

export class StreamCursor {
  /** Of the entry that `next` has come to. */
  readonly id = new EntryId();
  fieldCount = 0;
  flags = 0;
  /** Id of the node that the entry is in. */
  readonly masterId = new EntryId();
  /** Where the entry is: its node, and the position of its first element in the node's listpack. */
  node: Ref = 0;
  flagsAt = 0;

  readonly #arena: Arena;
  readonly #listpack: Listpack;
  readonly #nodes: IdTree;
  readonly #from = new EntryId();
  readonly #to = new EntryId();
  #isReverse = false;
  #withDeleted = false;
  #pack: Ref = 0;
  #masterFieldCount = 0;
  #masterFieldsAt = 0;
  /** The master entry's next field, for entries that share its fields. */
  #sharedFieldAt = 0;
  /** The next element to read; between entries, forwards: the last element of the entry before. */
  #at = 0;
  #fieldsLeft = 0;

  constructor(keyspace: Keyspace, listpack: Listpack) {
    this.#arena = keyspace.arena;
    this.#listpack = listpack;
    this.#nodes = new IdTree(keyspace.allocator);
  }

  /** Sets the cursor before the first entry with an id from `from` to `to`, or behind the last one. */
  begin(stream: Ref, from: EntryId, to: EntryId, options: CursorOptions = FORWARD): this {
    this.#isReverse = options.isReverse === true;
    this.#withDeleted = options.withDeleted === true;
    this.#from.set(from);
    this.#to.set(to);
    this.#nodes.attach(stream, STREAM_NODES);
    let node = this.#nodes.atMost(this.#isReverse ? to : from);
    if (node === 0 && !this.#isReverse) node = this.#nodes.attach(stream, STREAM_NODES).first();
    this.#enter(node);
    return this;
  }

  /** Goes to the next entry; false when there is none. */
  next(): boolean {
    return this.#isReverse ? this.#nextBackwards() : this.#nextForwards();
  }

  /** Points the views at the entry's next field and its value: `fieldCount` times. */
  nextField(field: BorrowedBytes, value: BorrowedBytes): void {
    if ((this.flags & FLAG_SAME_FIELDS) !== 0) {
      this.#listpack.borrow(this.#pack, this.#sharedFieldAt, field);
      this.#sharedFieldAt = this.#listpack.next(this.#pack, this.#sharedFieldAt);
    } else {
      this.#listpack.borrow(this.#pack, this.#at, field);
      this.#at = this.#listpack.next(this.#pack, this.#at);
    }
    this.#listpack.borrow(this.#pack, this.#at, value);
    this.#at = this.#listpack.next(this.#pack, this.#at);
    this.#fieldsLeft--;
  }

  #nextForwards(): boolean {
    const listpack = this.#listpack;
    while (this.node !== 0) {
      const isShared = (this.flags & FLAG_SAME_FIELDS) !== 0;
      this.#skip(isShared ? this.#fieldsLeft : 2 * this.#fieldsLeft);
      const start = listpack.next(this.#pack, this.#at);
      if (start === 0) {
        this.#enter(this.#nodes.next());
        continue;
      }
      this.#readEntry(start);
      if (this.id.compare(this.#from) < 0 || this.#isHidden()) continue;
      return this.id.compare(this.#to) <= 0;
    }
    return false;
  }

  #nextBackwards(): boolean {
    const listpack = this.#listpack;
    while (this.node !== 0) {
      const endAt =
        this.flagsAt === 0 ? listpack.last(this.#pack) : listpack.previous(this.#pack, this.flagsAt);
      let start = endAt;
      for (let left = listpack.integerAt(this.#pack, endAt); left > 0; left--)
        start = listpack.previous(this.#pack, start);
      if (start === endAt) {
        this.#enter(this.#nodes.previous());
        continue;
      }
      this.#readEntry(start);
      if (this.id.compare(this.#to) > 0 || this.#isHidden()) continue;
      return this.id.compare(this.#from) >= 0;
    }
    return false;
  }

  #isHidden(): boolean {
    return !this.#withDeleted && (this.flags & FLAG_DELETED) !== 0;
  }

  /** Reads the master entry of a node, 0 = none; the cursor is before its first entry, or behind the last. */
  #enter(node: Ref): void {
    this.node = node;
    this.flags = 0;
    this.flagsAt = 0;
    this.#fieldsLeft = 0;
    if (node === 0) return;
    const listpack = this.#listpack;
    this.#nodes.readId(this.masterId);
    this.#pack = getWord(this.#arena, node, STREAM_NODE_PACK);
    const deletedAt = listpack.next(this.#pack, listpack.first(this.#pack));
    this.#at = listpack.next(this.#pack, deletedAt);
    this.#masterFieldCount = listpack.integerAt(this.#pack, this.#at);
    this.#masterFieldsAt = listpack.next(this.#pack, this.#at);
    if (!this.#isReverse) this.#skip(this.#masterFieldCount + 1);
  }

  /** Reads the entry that begins there, up to its first field or value. */
  #readEntry(start: number): void {
    const listpack = this.#listpack;
    const pack = this.#pack;
    this.flagsAt = start;
    this.flags = listpack.integerAt(pack, start);
    this.#at = readEntryId(listpack, pack, start, this.id.set(this.masterId));
    if ((this.flags & FLAG_SAME_FIELDS) !== 0) {
      this.fieldCount = this.#masterFieldCount;
      this.#sharedFieldAt = this.#masterFieldsAt;
    } else {
      this.fieldCount = listpack.integerAt(pack, this.#at);
      this.#at = listpack.next(pack, this.#at);
    }
    this.#fieldsLeft = this.fieldCount;
  }

  #skip(elements: number): void {
    for (let left = elements; left > 0; left--) this.#at = this.#listpack.next(this.#pack, this.#at);
  }
}

/**
 * Turns `id`, the id of the node, into that of the entry that begins there. Returns the position of what
 * follows the id.
 */
export function readEntryId(listpack: Listpack, pack: Ref, start: number, id: EntryId): number {
  const millisAt = listpack.next(pack, start);
  const sequenceAt = listpack.next(pack, millisAt);
  const millis = listpack.integerAt(pack, millisAt);
  const sequence = listpack.integerAt(pack, sequenceAt);
  if (Number.isNaN(millis) || Number.isNaN(sequence)) {
    id.setBig(
      id.bigMillis + bigAt(listpack, pack, millisAt),
      id.bigSequence + bigAt(listpack, pack, sequenceAt),
    );
  } else {
    id.add(millis, sequence);
  }
  return listpack.next(pack, sequenceAt);
}

/** The integer there, also beyond 2^53. */
function bigAt(listpack: Listpack, pack: Ref, at: number): bigint {
  listpack.borrow(pack, at, text);
  return parseInt64(text.bytes, text.start, text.end)!;
}
