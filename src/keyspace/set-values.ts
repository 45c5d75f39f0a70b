/**
 * Sets: those of integers only, up to a limit, are an intset; all others a table of members
 * (structures/member-table.ts). As in Redis 7.0, a set that has become a table stays one.
 *
 * A *place* says where a member is: its index in the intset, or its element in the table. The next change of
 * the set ends it.
 */
import { strict as assert } from 'node:assert';
import { OutOfMemoryError } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { BorrowedBytes, getWord } from '../memory/struct.ts';
import { COLLECTION_HELD } from '../structures/collection-header.ts';
import { IntSet } from '../structures/int-set.ts';
import { MemberTable } from '../structures/member-table.ts';
import { INT64_DIGITS_MAX, Int64 } from '../util/int64.ts';
import type { Database } from './database.ts';
import { ENCODING_HASHTABLE, ENCODING_INTSET, TYPE_SET } from './entry.ts';
import type { Keyspace } from './keyspace.ts';
import type { ValueKind } from './value-kind.ts';

/** Redis does not take `set-max-intset-entries` beyond this (t_set.c, setTypeAdd). */
const INTSET_ENTRIES_MAX = 2 ** 30;

/** A set that no key refers to: it is being built, or looked at. */
export interface LooseSet {
  value: Ref;
  encoding: number;
}

export type MemberVisitor = (bytes: Uint8Array, start: number, end: number) => void;

export class SetValues implements ValueKind {
  readonly #keyspace: Keyspace;
  readonly #arena: Arena;
  readonly #intSet: IntSet;
  readonly #table: MemberTable;
  /** The member that a method was called with, when it is an integer. */
  readonly #integer = new Int64();
  /** The one that was read last, and its digits. */
  readonly #read = new Int64();
  readonly #digits = new Uint8Array(INT64_DIGITS_MAX);
  readonly #view = new BorrowedBytes();
  readonly #loose: LooseSet = { value: 0, encoding: 0 };
  readonly #nextUint32 = (): number => this.#keyspace.random.nextUint32();

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    this.#arena = keyspace.arena;
    this.#intSet = new IntSet(keyspace.allocator);
    this.#table = new MemberTable(keyspace.allocator);
  }

  // Reading -------------------------------------------------------------------------------------------------

  /** Members. */
  length(value: Ref, encoding: number): number {
    return encoding === ENCODING_INTSET ? this.#intSet.count(value) : this.#table.count(value);
  }

  /** Members of the set that is an entry's value. */
  memberCount(database: Database, entry: Ref): number {
    return this.length(database.valueOf(entry), database.encodingOf(entry));
  }

  has(database: Database, entry: Ref, member: Uint8Array, start: number, end: number): boolean {
    return this.contains(database.valueOf(entry), database.encodingOf(entry), member, start, end);
  }

  contains(value: Ref, encoding: number, member: Uint8Array, start: number, end: number): boolean {
    if (encoding === ENCODING_INTSET) {
      return this.#integer.parse(member, start, end) && this.#intSet.contains(value, this.#integer);
    }
    const hash = this.#keyspace.hashOf(member, start, end);
    return this.#table.find(value, member, start, end, hash) !== 0;
  }

  /**
   * Visits all members, those of an intset in order. The visitor must not change the set, but may look at
   * others and change them. `shouldStop` is asked now and then.
   */
  forEach(database: Database, entry: Ref, visit: MemberVisitor, shouldStop?: () => boolean): void {
    this.forEachOf(database.valueOf(entry), database.encodingOf(entry), visit, shouldStop);
  }

  forEachOf(value: Ref, encoding: number, visit: MemberVisitor, shouldStop?: () => boolean): void {
    if (encoding !== ENCODING_INTSET) {
      this.#table.forEach(value, this.#memberVisitor(visit), shouldStop);
      return;
    }
    const digits = new Uint8Array(INT64_DIGITS_MAX);
    const integer = new Int64();
    const count = this.#intSet.count(value);
    for (let index = 0; index < count; index++) {
      this.#intSet.at(value, index, integer);
      visit(digits, 0, integer.write(digits, 0));
      if (shouldStop?.() === true) return;
    }
  }

  #memberVisitor(visit: MemberVisitor): (element: Ref) => void {
    const view = new BorrowedBytes();
    return (element) => {
      this.#table.borrow(element, view);
      visit(view.bytes, view.start, view.end);
    };
  }

  /** Visits the places of all members. */
  forEachPlace(database: Database, entry: Ref, visit: (place: number) => void): void {
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) === ENCODING_HASHTABLE) {
      this.#table.forEach(value, visit);
      return;
    }
    const count = this.#intSet.count(value);
    for (let index = 0; index < count; index++) visit(index);
  }

  /**
   * One step of SSCAN: visits the places of some members and returns the next cursor, 0 at the end. An intset
   * is visited as a whole, whatever the cursor.
   */
  scan(database: Database, entry: Ref, cursor: number, visit: (place: number) => void): number {
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) === ENCODING_HASHTABLE) return this.#table.scan(value, cursor, visit);
    this.forEachPlace(database, entry, visit);
    return 0;
  }

  /** The place of a member drawn at random. */
  random(database: Database, entry: Ref): number {
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) === ENCODING_HASHTABLE) return this.#table.random(value, this.#nextUint32);
    return this.#nextUint32() % this.#intSet.count(value);
  }

  /** Points `view` at the member at a place, until the next one is borrowed. */
  borrow(database: Database, entry: Ref, place: number, view: BorrowedBytes): void {
    if (database.encodingOf(entry) === ENCODING_HASHTABLE) {
      this.#table.borrow(place, view);
      return;
    }
    this.#intSet.at(database.valueOf(entry), place, this.#read);
    view.bytes = this.#digits;
    view.start = 0;
    view.end = this.#read.write(this.#digits, 0);
  }

  // Changing ------------------------------------------------------------------------------------------------

  /** Adds a key that is not there, with a set of one member. Call it right after a lookup of the same key. */
  createWith(
    database: Database,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    member: Uint8Array,
    start: number,
    end: number,
  ): Ref {
    const set = this.newSet();
    try {
      this.addTo(set, member, start, end);
      return database.createWith(key, keyStart, keyEnd, TYPE_SET, set.encoding, set.value);
    } catch (error) {
      this.discard(set);
      throw error;
    }
  }

  /** Adds a member to an entry's set; false when it is there already. */
  add(database: Database, entry: Ref, member: Uint8Array, start: number, end: number): boolean {
    database.willChange(entry);
    const set = this.#loose;
    set.value = database.valueOf(entry);
    set.encoding = database.encodingOf(entry);
    if (!this.addTo(set, member, start, end)) return false;
    database.setValue(entry, set.encoding, set.value);
    return true;
  }

  /** Removes a member; false when it is not there. An empty set is left for the caller to delete. */
  remove(database: Database, entry: Ref, member: Uint8Array, start: number, end: number): boolean {
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) === ENCODING_INTSET) {
      const integer = this.#integer;
      if (!integer.parse(member, start, end) || !this.#intSet.contains(value, integer)) return false;
      database.willChange(entry);
      database.setValue(entry, ENCODING_INTSET, this.#intSet.remove(value, integer));
      return true;
    }
    const hash = this.#keyspace.hashOf(member, start, end);
    const element = this.#table.find(value, member, start, end, hash);
    if (element === 0) return false;
    this.removeAt(database, entry, element);
    return true;
  }

  /** Removes the member at a place. */
  removeAt(database: Database, entry: Ref, place: number): void {
    database.willChange(entry);
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) === ENCODING_INTSET) {
      database.setValue(entry, ENCODING_INTSET, this.#intSet.removeAt(value, place));
      return;
    }
    this.#willChangeElement(value, this.#table.hashOf(place));
    this.#table.remove(value, place);
  }

  /** Gives an entry's set the members of a loose one, which is the entry's from now on. */
  replaceBy(database: Database, entry: Ref, set: LooseSet): void {
    database.willChange(entry);
    database.willReplaceValue(entry);
    database.setValue(entry, set.encoding, set.value);
  }

  #willChangeElement(header: Ref, hash: number): void {
    if (getWord(this.#arena, header, COLLECTION_HELD) !== 0)
      this.#keyspace.heldCollections.willChangeElement(header, hash);
  }

  // Loose sets ----------------------------------------------------------------------------------------------

  /**
   * An empty set to be filled with about so many members: then it is stored under a key (`createWith` or
   * `storeWith` of the database), or discarded.
   */
  newSet(memberCount = 0): LooseSet {
    if (memberCount > this.#intSetEntriesMax())
      return { value: this.#table.create(memberCount), encoding: ENCODING_HASHTABLE };
    return { value: this.#intSet.create(), encoding: ENCODING_INTSET };
  }

  discard(set: LooseSet): void {
    this.dismantle(set.value, set.encoding, () => false);
  }

  /** Adds a member to a set; false when it is there already. @throws OutOfMemoryError, nothing is changed */
  addTo(set: LooseSet, member: Uint8Array, start: number, end: number): boolean {
    if (set.encoding === ENCODING_INTSET) return this.#addToIntSet(set, member, start, end);
    const hash = this.#keyspace.hashOf(member, start, end);
    if (this.#table.find(set.value, member, start, end, hash) !== 0) return false;
    this.#willChangeElement(set.value, hash);
    this.#table.insert(set.value, hash, member, start, end);
    return true;
  }

  /** Removes a member from a loose table or intset; false when it is not there. */
  removeFrom(set: LooseSet, member: Uint8Array, start: number, end: number): boolean {
    if (set.encoding === ENCODING_INTSET) {
      if (!this.#integer.parse(member, start, end)) return false;
      set.value = this.#intSet.remove(set.value, this.#integer);
      return this.#intSet.removed;
    }
    const hash = this.#keyspace.hashOf(member, start, end);
    const element = this.#table.find(set.value, member, start, end, hash);
    if (element === 0) return false;
    this.#table.remove(set.value, element);
    return true;
  }

  #intSetEntriesMax(): number {
    return Math.min(this.#keyspace.limits.setMaxIntsetEntries, INTSET_ENTRIES_MAX);
  }

  #addToIntSet(set: LooseSet, member: Uint8Array, start: number, end: number): boolean {
    const intSet = this.#intSet;
    if (!this.#integer.parse(member, start, end)) {
      this.#convertWith(set, member, start, end);
      return true;
    }
    set.value = intSet.add(set.value, this.#integer);
    if (!intSet.added) return false;
    if (intSet.count(set.value) > this.#intSetEntriesMax()) this.#tryToConvert(set);
    return true;
  }

  /** Makes an intset a table, and adds the first member that is no integer. */
  #convertWith(set: LooseSet, member: Uint8Array, start: number, end: number): void {
    const header = this.#tableOf(set.value);
    try {
      this.#table.insert(header, this.#keyspace.hashOf(member, start, end), member, start, end);
    } catch (error) {
      this.#table.dismantle(header, () => false);
      throw error;
    }
    this.#become(set, header);
  }

  /** Without room for a table, the member that was one too many stays in the intset. */
  #tryToConvert(set: LooseSet): void {
    try {
      this.#become(set, this.#tableOf(set.value));
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
    }
  }

  #become(set: LooseSet, header: Ref): void {
    this.#keyspace.allocator.free(set.value);
    set.value = header;
    set.encoding = ENCODING_HASHTABLE;
  }

  /** A table of the members of an intset, with room for one more. */
  #tableOf(intSet: Ref): Ref {
    const count = this.#intSet.count(intSet);
    const header = this.#table.create(count + 1);
    const digits = this.#digits;
    try {
      for (let index = 0; index < count; index++) {
        this.#intSet.at(intSet, index, this.#read);
        const end = this.#read.write(digits, 0);
        this.#table.insert(header, this.#keyspace.hashOf(digits, 0, end), digits, 0, end);
      }
    } catch (error) {
      this.#table.dismantle(header, () => false);
      throw error;
    }
    return header;
  }

  // As a ValueKind ------------------------------------------------------------------------------------------

  copy(value: Ref, encoding: number): Ref {
    return encoding === ENCODING_INTSET ? this.#intSet.copy(value) : this.#table.copy(value);
  }

  memory(value: Ref, encoding: number, samples: number): number {
    if (encoding === ENCODING_INTSET) return this.#keyspace.allocator.usableBytes(value);
    return this.#table.memory(value, samples);
  }

  dismantle(value: Ref, encoding: number, shouldStop: () => boolean): boolean {
    if (encoding !== ENCODING_INTSET) return this.#table.dismantle(value, shouldStop);
    this.#keyspace.allocator.free(value);
    return true;
  }

  checkInvariants(value: Ref, encoding: number): void {
    if (encoding === ENCODING_INTSET) {
      this.#intSet.checkInvariants(value);
      return;
    }
    this.#table.checkInvariants(value);
    this.#table.forEach(value, (element) => {
      this.#table.borrow(element, this.#view);
      const { bytes, start, end } = this.#view;
      assert.equal(this.#table.hashOf(element), this.#keyspace.hashOf(bytes, start, end), 'hash of a member');
    });
  }
}
