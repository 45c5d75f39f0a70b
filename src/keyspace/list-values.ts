/**
 * List values: quicklists in every size, as in Redis 7.0. Reading goes straight to `quicklist`, with what
 * `database.valueOf(entry)` gives; changes go through here.
 */
import type { Ref } from '../memory/arena.ts';
import type { BorrowedBytes } from '../memory/struct.ts';
import type { Request } from '../protocol/request.ts';
import { ListPosition, Quicklist } from '../structures/quicklist.ts';
import type { Database } from './database.ts';
import { ENCODING_QUICKLIST, TYPE_LIST } from './entry.ts';
import type { Keyspace } from './keyspace.ts';
import type { ValueKind } from './value-kind.ts';

export class ListValues implements ValueKind {
  readonly quicklist: Quicklist;
  readonly #keyspace: Keyspace;
  readonly #position = new ListPosition();

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    this.quicklist = new Quicklist(keyspace.allocator, keyspace.heldCollections);
  }

  // As every kind of value ----------------------------------------------------------------------------------

  length(list: Ref): number {
    return this.quicklist.count(list);
  }

  copy(list: Ref): Ref {
    return this.quicklist.copy(list);
  }

  memory(list: Ref, _encoding: number, samples: number): number {
    return this.quicklist.memory(list, samples);
  }

  dismantle(list: Ref, _encoding: number, shouldStop: () => boolean): boolean {
    return this.quicklist.dismantle(list, shouldStop);
  }

  checkInvariants(list: Ref): void {
    this.quicklist.checkInvariants(list);
  }

  // Making lists --------------------------------------------------------------------------------------------

  /** An empty list that no key refers to yet: fill it by `append`, then give it to `createWith`. */
  create(): Ref {
    return this.quicklist.create(this.#keyspace.limits.listMaxListpackSize);
  }

  append(list: Ref, bytes: Uint8Array, start: number, end: number): void {
    this.quicklist.pushTail(list, bytes, start, end);
  }

  /** Frees a list that no key refers to. */
  discard(list: Ref): void {
    this.quicklist.dismantle(list, () => false);
  }

  // Both ends -----------------------------------------------------------------------------------------------

  /**
   * Pushes the arguments behind the key, which is argument 1, one after the other: all of them or none.
   * @param entry of the key, which was looked up right before; 0 = it is created
   */
  push(database: Database, entry: Ref, isHead: boolean, request: Request): void {
    if (entry !== 0) {
      database.willChange(entry);
      this.#pushAll(database.valueOf(entry), isHead, request);
      return;
    }
    const list = this.create();
    try {
      this.#pushAll(list, isHead, request);
      this.#createKey(database, request, 1, list);
    } catch (error) {
      this.discard(list);
      throw error;
    }
  }

  #pushAll(list: Ref, isHead: boolean, request: Request): void {
    const { buffer, count } = request;
    let index = 2;
    try {
      for (; index < count; index++)
        this.#pushOne(list, isHead, buffer, request.start(index), request.end(index));
    } catch (error) {
      for (; index > 2; index--) this.#drop(list, isHead);
      throw error;
    }
  }

  /**
   * Pushes one value, which must not lie in that list, to the key that is argument 2; otherwise as `push`.
   */
  pushValue(database: Database, entry: Ref, isHead: boolean, request: Request, value: BorrowedBytes): void {
    if (entry !== 0) {
      database.willChange(entry);
      this.#pushOne(database.valueOf(entry), isHead, value.bytes, value.start, value.end);
      return;
    }
    const list = this.create();
    try {
      this.#pushOne(list, isHead, value.bytes, value.start, value.end);
      this.#createKey(database, request, 2, list);
    } catch (error) {
      this.discard(list);
      throw error;
    }
  }

  #createKey(database: Database, request: Request, keyIndex: number, list: Ref): void {
    const { buffer } = request;
    const [start, end] = [request.start(keyIndex), request.end(keyIndex)];
    database.createWith(buffer, start, end, TYPE_LIST, ENCODING_QUICKLIST, list);
  }

  #pushOne(list: Ref, isHead: boolean, bytes: Uint8Array, start: number, end: number): void {
    if (isHead) this.quicklist.pushHead(list, bytes, start, end);
    else this.quicklist.pushTail(list, bytes, start, end);
  }

  #drop(list: Ref, isHead: boolean): void {
    if (isHead) this.quicklist.dropHead(list);
    else this.quicklist.dropTail(list);
  }

  /** Points `view` at the element at one end. */
  borrowEnd(list: Ref, isHead: boolean, view: BorrowedBytes): void {
    if (isHead) this.quicklist.borrowHead(list, view);
    else this.quicklist.borrowTail(list, view);
  }

  /** Removes up to `count` elements from one end. True when none is left: the key is deleted then. */
  pop(database: Database, entry: Ref, isHead: boolean, count: number): boolean {
    const list = database.valueOf(entry);
    const length = this.quicklist.count(list);
    if (count >= length) {
      database.delete(entry);
      return true;
    }
    database.willChange(entry);
    if (count === 1) this.#drop(list, isHead);
    else this.quicklist.removeRange(list, isHead ? 0 : length - count, count);
    return false;
  }

  // In the middle -------------------------------------------------------------------------------------------

  /** Keeps the elements from `first` on, `count` of them. True when none is left: the key is deleted then. */
  trim(database: Database, entry: Ref, first: number, count: number): boolean {
    if (count === 0) {
      database.delete(entry);
      return true;
    }
    database.willChange(entry);
    const list = database.valueOf(entry);
    this.quicklist.removeRange(list, 0, first);
    this.quicklist.removeRange(list, count, this.quicklist.count(list) - count);
    return false;
  }

  /** Replaces the element with that index, from the end when negative; false when there is none. */
  set(database: Database, entry: Ref, index: number, bytes: Uint8Array, start: number, end: number): boolean {
    database.willChange(entry);
    return this.quicklist.replaceAt(database.valueOf(entry), index, bytes, start, end);
  }

  /** Inserts next to an element at a position of the entry's list. */
  insert(
    database: Database,
    entry: Ref,
    position: ListPosition,
    isAfter: boolean,
    value: BorrowedBytes,
  ): void {
    database.willChange(entry);
    const list = database.valueOf(entry);
    this.quicklist.insert(list, position, isAfter, value.bytes, value.start, value.end);
  }

  /**
   * Removes elements with that text, up to `limit` of them, from the head on or back from the tail; the key
   * goes with its last element. Returns how many were removed.
   */
  removeEqual(database: Database, entry: Ref, fromHead: boolean, limit: number, text: BorrowedBytes): number {
    const { quicklist } = this;
    const position = this.#position;
    const list = database.valueOf(entry);
    const { bytes, start, end } = text;
    let removed = 0;
    let isThere = quicklist.seek(list, fromHead ? 0 : -1, position);
    while (isThere && removed < limit) {
      isThere = fromHead
        ? quicklist.find(position, bytes, start, end)
        : quicklist.findBack(position, bytes, start, end);
      if (!isThere) break;
      if (removed === 0) database.willChange(entry);
      isThere = fromHead ? quicklist.remove(list, position) : quicklist.removeBack(list, position);
      removed++;
    }
    if (quicklist.count(list) === 0) database.delete(entry);
    return removed;
  }
}
