/**
 * Sorted sets: small ones are a listpack of member, score, member, score … (structures/score-pack.ts);
 * larger ones, or those with a long member, a table and a tree (structures/score-table.ts), which Redis' name
 * `skiplist` stands for. As in Redis, a set that has outgrown the listpack does not go back.
 *
 * Scores are doubles, never NaN. Ranks count from the lowest score, from 0 on.
 */
import { strict as assert } from 'node:assert';
import type { Arena, Ref } from '../memory/arena.ts';
import { BorrowedBytes, getWord } from '../memory/struct.ts';
import { COLLECTION_HELD } from '../structures/collection-header.ts';
import type { OrderedTree } from '../structures/ordered-tree.ts';
import { ScorePack } from '../structures/score-pack.ts';
import { ScoreTable } from '../structures/score-table.ts';
import type { Database } from './database.ts';
import { ENCODING_LISTPACK, ENCODING_SKIPLIST, TYPE_SORTED_SET } from './entry.ts';
import type { Keyspace } from './keyspace.ts';
import { SortedSetCursor } from './sorted-set-cursor.ts';
import type { MemberBound, MemberRange, RankSpan, ScoreRange } from './sorted-set-ranges.ts';
import type { ValueKind } from './value-kind.ts';

/** A listpack ends well before the largest block (listpack.c, LISTPACK_MAX_SAFETY_LIMIT, is twice this). */
const LISTPACK_BYTES_MAX = 512 * 1024 * 1024;
/** More than a score takes in a listpack. */
const PACKED_SCORE_BYTES_MAX = 32;

// When `update` changes a score, and how: bits.
export const IF_ABSENT = 1;
export const IF_PRESENT = 2;
export const IF_GREATER = 4;
export const IF_LESS = 8;
export const INCREMENT = 16;

/** `kept`: the score was so before. `skipped`: the condition did not hold. */
export type UpdateOutcome = 'added' | 'updated' | 'kept' | 'skipped' | 'not-a-number';

/** A sorted set that no key refers to: it is being built, or looked at. */
export interface LooseSortedSet {
  value: Ref;
  encoding: number;
}

export class SortedSetValues implements ValueKind {
  readonly #keyspace: Keyspace;
  readonly #arena: Arena;
  readonly #packs: ScorePack;
  readonly #tables: ScoreTable;
  readonly #view = new BorrowedBytes();
  readonly #span: RankSpan = { start: 0, end: 0 };
  readonly #loose: LooseSortedSet = { value: 0, encoding: 0 };
  readonly #willRemove = (header: Ref, hash: number): void => this.#willChangeElement(header, hash);
  /** For who walks through one set and hands the cursor to nobody. */
  readonly cursor: SortedSetCursor;
  /** The member's score after an `update` that was not skipped. */
  score = 0;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    this.#arena = keyspace.arena;
    this.#packs = new ScorePack(keyspace.allocator);
    this.#tables = new ScoreTable(keyspace.allocator);
    this.cursor = this.newCursor();
  }

  // Reading -------------------------------------------------------------------------------------------------

  /** Members. */
  length(value: Ref, encoding: number): number {
    return encoding === ENCODING_LISTPACK ? this.#packs.count(value) : this.#tables.count(value);
  }

  /** Members of the set that is an entry's value. */
  memberCount(database: Database, entry: Ref): number {
    return this.length(database.valueOf(entry), database.encodingOf(entry));
  }

  /** A member's score; NaN when it is not in the set. */
  scoreOf(database: Database, entry: Ref, member: Uint8Array, start: number, end: number): number {
    return this.scoreIn(database.valueOf(entry), database.encodingOf(entry), member, start, end);
  }

  scoreIn(value: Ref, encoding: number, member: Uint8Array, start: number, end: number): number {
    if (encoding === ENCODING_LISTPACK) {
      const at = this.#packs.find(value, member, start, end);
      return at === 0 ? Number.NaN : this.#packs.scoreAt(value, at);
    }
    const element = this.#tables.find(value, member, start, end, this.#keyspace.hashOf(member, start, end));
    return element === 0 ? Number.NaN : this.#tables.scoreOf(element);
  }

  /** A member's rank; -1 when it is not in the set. */
  rankOf(database: Database, entry: Ref, member: Uint8Array, start: number, end: number): number {
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) === ENCODING_LISTPACK) {
      const at = this.#packs.find(value, member, start, end);
      return at === 0 ? -1 : this.#packs.rankOf(value, at);
    }
    const element = this.#tables.find(value, member, start, end, this.#keyspace.hashOf(member, start, end));
    return element === 0 ? -1 : this.#tables.rankOf(value, element);
  }

  /** A cursor for the sets of this keyspace, beyond either end of none. */
  newCursor(): SortedSetCursor {
    return new SortedSetCursor(this.#packs, this.#tables);
  }

  /** Puts the cursor on the element with that rank, if there is one. */
  seek(database: Database, entry: Ref, rank: number, cursor: SortedSetCursor): void {
    this.seekIn(database.valueOf(entry), database.encodingOf(entry), rank, cursor);
  }

  seekIn(value: Ref, encoding: number, rank: number, cursor: SortedSetCursor): void {
    if (encoding === ENCODING_LISTPACK) cursor.seekInPack(value, rank);
    else cursor.seekInTable(value, rank);
  }

  /**
   * One step of ZSCAN: visits the places of some members and returns the next cursor, 0 at the end. A
   * listpack is visited as a whole, whatever the cursor. The next change of the set ends a place.
   */
  scan(database: Database, entry: Ref, cursor: number, visit: (place: number) => void): number {
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) !== ENCODING_LISTPACK) return this.#tables.scan(value, cursor, visit);
    for (let at = this.#packs.first(value); at !== 0; at = this.#packs.next(value, at)) visit(at);
    return 0;
  }

  /** Points `view` at the member at a place. */
  borrowMember(database: Database, entry: Ref, place: number, view: BorrowedBytes): void {
    if (database.encodingOf(entry) === ENCODING_LISTPACK)
      this.#packs.borrow(database.valueOf(entry), place, view);
    else this.#tables.borrow(place, view);
  }

  scoreAt(database: Database, entry: Ref, place: number): number {
    if (database.encodingOf(entry) === ENCODING_LISTPACK)
      return this.#packs.scoreAt(database.valueOf(entry), place);
    return this.#tables.scoreOf(place);
  }

  // Ranges --------------------------------------------------------------------------------------------------

  /** The ranks of the scores in the range: a span that holds until the next one is asked for. */
  spanOfScores(database: Database, entry: Ref, range: ScoreRange): RankSpan {
    const value = database.valueOf(entry);
    const span = this.#span;
    if (database.encodingOf(entry) === ENCODING_LISTPACK) {
      this.#spanOfPackedScores(value, range, span);
    } else {
      const tree = this.#tables.order(value);
      span.start = tree.seekScore(range.min, range.excludesMin);
      span.end = Math.max(tree.seekScore(range.max, !range.excludesMax), span.start);
    }
    return span;
  }

  #spanOfPackedScores(pack: Ref, range: ScoreRange, span: RankSpan): void {
    const packs = this.#packs;
    let at = packs.first(pack);
    let rank = 0;
    for (; at !== 0 && !range.isAboveMin(packs.scoreAt(pack, at)); rank++) at = packs.next(pack, at);
    span.start = rank;
    for (; at !== 0 && range.isBelowMax(packs.scoreAt(pack, at)); rank++) at = packs.next(pack, at);
    span.end = rank;
  }

  /**
   * The ranks of the members in the range. Where the scores are not all the same, a listpack is read from the
   * lowest score on, or from the highest with `isReverse`, as far as members are in the range: what Redis
   * makes of that.
   */
  spanOfMembers(database: Database, entry: Ref, range: MemberRange, isReverse: boolean): RankSpan {
    const value = database.valueOf(entry);
    const span = this.#span;
    span.start = 0;
    span.end = 0;
    if (range.isEmpty) return span;
    if (database.encodingOf(entry) === ENCODING_LISTPACK) {
      this.#spanOfPackedMembers(value, range, isReverse, span);
    } else {
      const tree = this.#tables.order(value);
      span.start = this.#rankOfBound(tree, range.min, range.min.isExcluded);
      span.end = Math.max(this.#rankOfBound(tree, range.max, !range.max.isExcluded), span.start);
    }
    return span;
  }

  #rankOfBound(tree: OrderedTree, bound: MemberBound, isAbove: boolean): number {
    if (bound.place === 'bytes') return tree.seekMember(bound.bytes, bound.start, bound.end, isAbove);
    return bound.place === 'first' ? 0 : tree.count;
  }

  #spanOfPackedMembers(pack: Ref, range: MemberRange, isReverse: boolean, span: RankSpan): void {
    const packs = this.#packs;
    const count = packs.count(pack);
    if (!this.#isAboveMin(pack, packs.seek(pack, -1), range)) return;
    if (!this.#isBelowMax(pack, packs.first(pack), range)) return;

    if (isReverse) {
      let at = packs.seek(pack, -1);
      let end = count;
      for (; at !== 0 && !this.#isBelowMax(pack, at, range); end--) at = packs.previous(pack, at);
      let start = end;
      for (; at !== 0 && this.#isAboveMin(pack, at, range); start--) at = packs.previous(pack, at);
      span.start = start;
      span.end = end;
    } else {
      let at = packs.first(pack);
      let start = 0;
      for (; at !== 0 && !this.#isAboveMin(pack, at, range); start++) at = packs.next(pack, at);
      let end = start;
      for (; at !== 0 && this.#isBelowMax(pack, at, range); end++) at = packs.next(pack, at);
      span.start = start;
      span.end = end;
    }
  }

  #isAboveMin(pack: Ref, at: number, range: MemberRange): boolean {
    const view = this.#view;
    this.#packs.borrow(pack, at, view);
    return range.isAboveMin(view.bytes, view.start, view.end);
  }

  #isBelowMax(pack: Ref, at: number, range: MemberRange): boolean {
    const view = this.#view;
    this.#packs.borrow(pack, at, view);
    return range.isBelowMax(view.bytes, view.start, view.end);
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
    score: number,
  ): Ref {
    const isPacked = this.#fitsInPack(1, end - start);
    const encoding = isPacked ? ENCODING_LISTPACK : ENCODING_SKIPLIST;
    const value = isPacked
      ? this.#packOfOne(member, start, end, score)
      : this.#tableOfOne(member, start, end, score);
    try {
      return database.createWith(key, keyStart, keyEnd, TYPE_SORTED_SET, encoding, value);
    } catch (error) {
      this.dismantle(value, encoding, () => false);
      throw error;
    }
  }

  #packOfOne(member: Uint8Array, start: number, end: number, score: number): Ref {
    const packs = this.#packs;
    const pack = packs.create();
    try {
      packs.append(pack, member, start, end, score);
      return packs.pack;
    } catch (error) {
      this.#keyspace.allocator.free(packs.pack);
      throw error;
    }
  }

  #tableOfOne(member: Uint8Array, start: number, end: number, score: number): Ref {
    const header = this.#tables.create(1);
    try {
      this.#insertIntoTable(header, member, start, end, score);
      return header;
    } catch (error) {
      this.#tables.dismantle(header, () => false);
      throw error;
    }
  }

  /**
   * Gives a member a score, adding it if need be (Redis 7.0 t_zset.c, zsetAdd). Leaves its new score in
   * `score`.
   * @param conditions IF_ABSENT, IF_PRESENT, IF_GREATER, IF_LESS; INCREMENT adds to the score that it has
   */
  update(
    database: Database,
    entry: Ref,
    member: Uint8Array,
    start: number,
    end: number,
    score: number,
    conditions: number,
  ): UpdateOutcome {
    const value = database.valueOf(entry);
    const isPacked = database.encodingOf(entry) === ENCODING_LISTPACK;
    const hash = isPacked ? 0 : this.#keyspace.hashOf(member, start, end);
    const place = isPacked
      ? this.#packs.find(value, member, start, end)
      : this.#tables.find(value, member, start, end, hash);
    if (place === 0) {
      if ((conditions & IF_PRESENT) !== 0) return 'skipped';
      database.willChange(entry);
      if (isPacked) this.#addToPackOf(database, entry, member, start, end, score);
      else this.#addToTable(value, hash, member, start, end, score);
      this.score = score;
      return 'added';
    }

    if ((conditions & IF_ABSENT) !== 0) return 'skipped';
    const current = isPacked ? this.#packs.scoreAt(value, place) : this.#tables.scoreOf(place);
    const wanted = (conditions & INCREMENT) === 0 ? score : current + score;
    if (Number.isNaN(wanted)) return 'not-a-number';
    if ((conditions & IF_LESS) !== 0 && wanted >= current) return 'skipped';
    if ((conditions & IF_GREATER) !== 0 && wanted <= current) return 'skipped';
    this.score = wanted;
    if (wanted === current) return 'kept';

    database.willChange(entry);
    if (isPacked) {
      this.#setPackedScore(database, entry, place, member, start, end, wanted);
    } else {
      this.#willChangeElement(value, hash);
      this.#tables.setScore(value, place, wanted);
    }
    return 'updated';
  }

  /** Adds a member to a listpack, which may become a table by that. */
  #addToPack(set: LooseSortedSet, member: Uint8Array, start: number, end: number, score: number): void {
    const pack = set.value;
    const count = this.#packs.count(pack) + 1;
    if (!this.#fitsInPack(count, end - start) || !this.#hasRoom(pack, end - start)) {
      set.value = this.#tableOf(pack, count);
      set.encoding = ENCODING_SKIPLIST;
      this.#keyspace.allocator.free(pack);
      this.#insertIntoTable(set.value, member, start, end, score);
      return;
    }
    try {
      this.#packs.insert(pack, member, start, end, score);
    } finally {
      set.value = this.#packs.pack;
    }
  }

  #addToPackOf(
    database: Database,
    entry: Ref,
    member: Uint8Array,
    start: number,
    end: number,
    score: number,
  ): void {
    const set = this.#loose;
    set.value = database.valueOf(entry);
    set.encoding = ENCODING_LISTPACK;
    try {
      this.#addToPack(set, member, start, end, score);
    } finally {
      database.setValue(entry, set.encoding, set.value);
    }
  }

  #setPackedScore(
    database: Database,
    entry: Ref,
    at: number,
    member: Uint8Array,
    start: number,
    end: number,
    score: number,
  ): void {
    try {
      this.#packs.setScore(database.valueOf(entry), at, member, start, end, score);
    } finally {
      database.setValue(entry, ENCODING_LISTPACK, this.#packs.pack);
    }
  }

  #addToTable(
    header: Ref,
    hash: number,
    member: Uint8Array,
    start: number,
    end: number,
    score: number,
  ): void {
    this.#willChangeElement(header, hash);
    this.#tables.insert(header, hash, member, start, end, score);
  }

  /** Into a table that no snapshot holds. */
  #insertIntoTable(header: Ref, member: Uint8Array, start: number, end: number, score: number): void {
    this.#tables.insert(header, this.#keyspace.hashOf(member, start, end), member, start, end, score);
  }

  /** Removes a member; false when it is not there. An empty set is left for the caller to delete. */
  remove(database: Database, entry: Ref, member: Uint8Array, start: number, end: number): boolean {
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) === ENCODING_LISTPACK) {
      const at = this.#packs.find(value, member, start, end);
      if (at === 0) return false;
      database.willChange(entry);
      database.setValue(entry, ENCODING_LISTPACK, this.#packs.remove(value, at));
      return true;
    }
    const hash = this.#keyspace.hashOf(member, start, end);
    const element = this.#tables.find(value, member, start, end, hash);
    if (element === 0) return false;
    database.willChange(entry);
    this.#willChangeElement(value, hash);
    this.#tables.remove(value, element);
    return true;
  }

  /** Removes so many members from that rank on, which are there. An empty set is left for the caller. */
  removeRange(database: Database, entry: Ref, rank: number, count: number): void {
    if (count === 0) return;
    database.willChange(entry);
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) === ENCODING_LISTPACK) {
      const pack = this.#packs.remove(value, this.#packs.seek(value, rank), count);
      database.setValue(entry, ENCODING_LISTPACK, pack);
    } else {
      this.#tables.removeRange(value, rank, count, this.#willRemove);
    }
  }

  #willChangeElement(header: Ref, hash: number): void {
    if (getWord(this.#arena, header, COLLECTION_HELD) !== 0)
      this.#keyspace.heldCollections.willChangeElement(header, hash);
  }

  // Encodings -----------------------------------------------------------------------------------------------

  #fitsInPack(count: number, memberLength: number): boolean {
    const { limits } = this.#keyspace;
    return count <= limits.zsetMaxListpackEntries && memberLength <= limits.zsetMaxListpackValue;
  }

  #hasRoom(pack: Ref, memberLength: number): boolean {
    return this.#packs.byteLength(pack) + memberLength + PACKED_SCORE_BYTES_MAX <= LISTPACK_BYTES_MAX;
  }

  /**
   * Gives a set its large form. Redis does so with each set that SORT reads (Redis 7.0 sort.c,
   * sortCommandGeneric), and OBJECT ENCODING shows it.
   */
  expand(database: Database, entry: Ref): void {
    if (database.encodingOf(entry) !== ENCODING_LISTPACK) return;
    database.willChange(entry);
    const pack = database.valueOf(entry);
    database.setValue(entry, ENCODING_SKIPLIST, this.#tableOf(pack, this.#packs.count(pack)));
    this.#keyspace.allocator.free(pack);
  }

  /** A table of a listpack's members, with room for so many. */
  #tableOf(pack: Ref, count: number): Ref {
    const header = this.#tables.create(count);
    const view = this.#view;
    try {
      for (let at = this.#packs.first(pack); at !== 0; at = this.#packs.next(pack, at)) {
        const score = this.#packs.scoreAt(pack, at);
        this.#packs.borrow(pack, at, view);
        this.#insertIntoTable(header, view.bytes, view.start, view.end, score);
      }
    } catch (error) {
      this.#tables.dismantle(header, () => false);
      throw error;
    }
    return header;
  }

  /** Whether Redis would keep the members of a table in a listpack (zsetConvertToListpackIfNeeded). */
  #couldBePacked(header: Ref): boolean {
    const { limits } = this.#keyspace;
    const tables = this.#tables;
    const tree = tables.order(header);
    if (tree.count > limits.zsetMaxListpackEntries) return false;
    let byteLength = 0;
    for (let leaf = tree.firstLeaf; leaf !== 0; leaf = tree.nextLeaf(leaf)) {
      for (let slot = 0; slot < tree.slotCount(leaf); slot++) {
        tables.borrow(tree.memberAt(leaf, slot), this.#view);
        if (this.#view.length > limits.zsetMaxListpackValue) return false;
        byteLength += this.#view.length + PACKED_SCORE_BYTES_MAX;
      }
    }
    return byteLength <= LISTPACK_BYTES_MAX;
  }

  /** A listpack of a table's members. */
  #packOf(header: Ref): Ref {
    const packs = this.#packs;
    const view = this.#view;
    const tree = this.#tables.order(header);
    packs.pack = packs.create();
    try {
      for (let leaf = tree.firstLeaf; leaf !== 0; leaf = tree.nextLeaf(leaf)) {
        for (let slot = 0; slot < tree.slotCount(leaf); slot++) {
          this.#tables.borrow(tree.memberAt(leaf, slot), view);
          packs.append(packs.pack, view.bytes, view.start, view.end, tree.scoreAt(leaf, slot));
        }
      }
    } catch (error) {
      this.#keyspace.allocator.free(packs.pack);
      throw error;
    }
    return packs.pack;
  }

  // Loose sorted sets ---------------------------------------------------------------------------------------

  /**
   * An empty set to be filled with so many members, by `put`, in the encoding that a client's ZADD would give
   * it: then it is stored under a key (`createWith` or `storeWith` of the database), or discarded.
   */
  newSet(memberCount = 0): LooseSortedSet {
    if (memberCount > this.#keyspace.limits.zsetMaxListpackEntries) return this.newTable(memberCount);
    return { value: this.#packs.create(), encoding: ENCODING_LISTPACK };
  }

  /** The same in the large form, which `compact` may change in the end. */
  newTable(memberCount = 0): LooseSortedSet {
    return { value: this.#tables.create(memberCount), encoding: ENCODING_SKIPLIST };
  }

  /** A set of the bytes of a listpack, which is a well-formed sorted set. */
  adopt(bytes: Uint8Array, start: number, end: number): LooseSortedSet {
    const set = { value: this.#packs.adopt(bytes, start, end), encoding: ENCODING_LISTPACK };
    const count = this.#packs.count(set.value);
    if (count <= this.#keyspace.limits.zsetMaxListpackEntries) return set;
    const pack = set.value;
    try {
      set.value = this.#tableOf(pack, count);
      set.encoding = ENCODING_SKIPLIST;
    } finally {
      this.#keyspace.allocator.free(pack);
    }
    return set;
  }

  /** Gives a member of a loose set a score, adding it if need be. @throws OutOfMemoryError */
  put(set: LooseSortedSet, member: Uint8Array, start: number, end: number, score: number): void {
    if (set.encoding === ENCODING_LISTPACK) {
      this.#putIntoPack(set, member, start, end, score);
      return;
    }
    const hash = this.#keyspace.hashOf(member, start, end);
    const element = this.#tables.find(set.value, member, start, end, hash);
    if (element === 0) this.#tables.insert(set.value, hash, member, start, end, score);
    else if (!Object.is(this.#tables.scoreOf(element), score))
      this.#tables.setScore(set.value, element, score);
  }

  #putIntoPack(set: LooseSortedSet, member: Uint8Array, start: number, end: number, score: number): void {
    const at = this.#packs.find(set.value, member, start, end);
    if (at === 0) {
      this.#addToPack(set, member, start, end, score);
      return;
    }
    try {
      this.#packs.setScore(set.value, at, member, start, end, score);
    } finally {
      set.value = this.#packs.pack;
    }
  }

  /** Makes a table a listpack, if it is small enough. */
  compact(set: LooseSortedSet): void {
    if (set.encoding === ENCODING_LISTPACK || !this.#couldBePacked(set.value)) return;
    const pack = this.#packOf(set.value);
    this.discard(set);
    set.value = pack;
    set.encoding = ENCODING_LISTPACK;
  }

  discard(set: LooseSortedSet): void {
    this.dismantle(set.value, set.encoding, () => false);
  }

  // As a ValueKind ------------------------------------------------------------------------------------------

  copy(value: Ref, encoding: number): Ref {
    return encoding === ENCODING_LISTPACK ? this.#packs.copy(value) : this.#tables.copy(value);
  }

  memory(value: Ref, encoding: number, samples: number): number {
    if (encoding === ENCODING_LISTPACK) return this.#keyspace.allocator.usableBytes(value);
    return this.#tables.memory(value, samples);
  }

  dismantle(value: Ref, encoding: number, shouldStop: () => boolean): boolean {
    if (encoding !== ENCODING_LISTPACK) return this.#tables.dismantle(value, shouldStop);
    this.#keyspace.allocator.free(value);
    return true;
  }

  checkInvariants(value: Ref, encoding: number): void {
    if (encoding === ENCODING_LISTPACK) {
      this.#packs.checkInvariants(value);
      return;
    }
    this.#tables.checkInvariants(value);
    const tree = this.#tables.order(value);
    for (let leaf = tree.firstLeaf; leaf !== 0; leaf = tree.nextLeaf(leaf)) {
      for (let slot = 0; slot < tree.slotCount(leaf); slot++) {
        const element = tree.memberAt(leaf, slot);
        this.#tables.borrow(element, this.#view);
        const { bytes, end, start } = this.#view;
        assert.equal(
          this.#tables.hashOf(element),
          this.#keyspace.hashOf(bytes, start, end),
          'hash of a member',
        );
      }
    }
  }
}
