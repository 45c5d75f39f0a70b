/**
 * A hash table of blocks in the arena, chained through the blocks themselves, with incremental rehash.
 *
 *     header (8 words)            buckets: u32 references           entry (any block)
 *     ┌──────────────┐            ┌───┬───┬───┬───┐                 ┌──────┬──────┬─────
 *     │ old buckets ─┼───────────▶│ ● │   │ ● │   │ … 2^n           │ next │ hash │ …
 *     │ new buckets ─┼──▶ 2^m     └─┼─┴───┴───┴───┘                 └──────┴──────┴─────
 *     │ migrated     │              └──▶ entry ──▶ entry
 *     └──────────────┘
 *
 * Growing and shrinking move one *group* at a time: with `small` the smaller of the two masks, all entries
 * whose `hash & small` is i move together. Group i is in the new buckets when i < migrated, else in the old
 * ones; so each operation looks into exactly one table, and a new table needs no clearing: its buckets are
 * first written when their group arrives. (Redis' dict looks into both tables and clears 64 MB at once when
 * it grows to 16 M keys.)
 *
 * The table knows of an entry: next (word 0), hash (word 1), the key's length (a word) and bytes (an offset).
 * Costs: find = one bucket + the chain (load factor at most 1 outside a rehash); memory 4 to 8 bytes per
 * entry.
 *
 * Invariants (checkInvariants): each entry hangs in the bucket its hash names; `count` entries are reachable.
 */
import { strict as assert } from 'node:assert';
import { OFFSET_MASK, SEGMENT_SHIFT } from '../memory/arena.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';

/** Words of an entry that belong to the table: the next entry of its bucket, and the hash of its key. */
export const ENTRY_NEXT = 0;
export const ENTRY_HASH = 1;

// Header words.
const OLD_BUCKETS = 0;
const OLD_MASK = 1;
const NEW_BUCKETS = 2;
const NEW_MASK = 3;
const MIGRATED = 4;
const COUNT = 5;
const PAUSES = 6;
export const HASH_TABLE_WORDS = 8;

const BUCKETS_MIN = 4;
/** A bucket array must fit in one segment. */
const BUCKETS_MAX = 2 ** 27;
/** Shrinks when less than 1/8 of the buckets could be in use (Redis: HASHTABLE_MIN_FILL 10 %). */
const SHRINK_BELOW = 8;
/** A group of a shrinking table has that many old buckets at most: moving one stays short. */
const SHRINK_RATIO_MAX = 16;
/** Groups moved by each insert while rehashing: a growing table is done before it must grow again. */
const GROUPS_PER_INSERT = 2;
/** Empty groups cost little, but not nothing: at most this many times the asked number is passed over. */
const EMPTY_GROUPS_PER_STEP = 10;

/** The most buckets of one group: the old ones of a table that shrinks, or the two of one that grows. */
const GROUP_BUCKETS_MAX = SHRINK_RATIO_MAX;
/** A walk passes over that many groups at most for each chain that it may give. */
const GROUPS_PER_CHAIN_MAX = 16;
/** A sample looks into that many groups at most for each entry that it wants … */
const SAMPLE_GROUPS_PER_ENTRY = 10;
/** … and goes on elsewhere after so many without any, or as many as it wants entries. */
const SAMPLE_EMPTY_GROUPS_MIN = 5;
/** From so many entries for each bucket on a table that may not grow should be given the room for it. */
const OVERFULL_RATIO = 1.618;

/**
 * Where a walk by `nextChains` is. It goes through the groups `0 … mask` of the table as it was in the
 * beginning; when the table has become larger, each of them is several: index, index + mask + 1, …
 */
export class TableWalk {
  /** -1 before the first step. */
  mask = -1;
  group = 0;
  index = 0;
  /** Mask of the table's groups at the last step. */
  lastMask = -1;

  get isDone(): boolean {
    return this.mask >= 0 && this.group > this.mask;
  }
}

/** Where a table finds the key in its entries. */
export interface EntryLayout {
  /** Word that holds the key's length in bytes. */
  readonly keyLengthWord: number;
  /** Byte offset of the key, a multiple of four. */
  readonly keyOffset: number;
}

export class HashTable {
  readonly #arena: Arena;
  readonly #allocator: Allocator;
  /** Where the header's words are. */
  #headerWords: Int32Array;
  #headerAt: number;
  readonly #keyLengthWord: number;
  readonly #keyOffset: number;
  /** Whether the table may take so many more bytes in order to grow; asked whenever it is full. */
  mayGrowBy: (byteCount: number) => boolean = alwaysTrue;
  /** Where `#locate` found the bucket: the words of its segment, and the index in them. */
  #bucketWords: Int32Array;
  #bucketIndex = 0;

  /** A view of the table whose header is `header` (HASH_TABLE_WORDS words, set up once by `initialize`). */
  constructor(allocator: Allocator, header: Ref, layout: EntryLayout) {
    this.#arena = allocator.arena;
    this.#allocator = allocator;
    this.#headerWords = allocator.arena.words[header >>> SEGMENT_SHIFT]!;
    this.#headerAt = (header & OFFSET_MASK) << 1;
    this.#keyLengthWord = layout.keyLengthWord;
    this.#keyOffset = layout.keyOffset;
    this.#bucketWords = allocator.arena.words[0]!;
  }

  /** Turns the view to the table of another header: one view serves all tables with the same layout. */
  attach(header: Ref): this {
    this.#headerWords = this.#arena.words[header >>> SEGMENT_SHIFT]!;
    this.#headerAt = (header & OFFSET_MASK) << 1;
    return this;
  }

  /** Makes an empty table of a fresh header. */
  static initialize(allocator: Allocator, header: Ref): void {
    const words = allocator.arena.words[header >>> SEGMENT_SHIFT]!;
    const base = (header & OFFSET_MASK) << 1;
    words.fill(0, base, base + HASH_TABLE_WORDS);
    words[base + OLD_BUCKETS] = newBuckets(allocator, BUCKETS_MIN);
    words[base + OLD_MASK] = BUCKETS_MIN - 1;
  }

  get count(): number {
    return this.#get(COUNT);
  }

  get isRehashing(): boolean {
    return this.#get(NEW_BUCKETS) !== 0;
  }

  /** Buckets of the table, and of the one it is moving to (0 outside a rehash). */
  get bucketCounts(): readonly [current: number, next: number] {
    return [this.#get(OLD_MASK) + 1, this.isRehashing ? this.#get(NEW_MASK) + 1 : 0];
  }

  /** Bytes of the bucket arrays. */
  get bucketBytes(): number {
    const [current, next] = this.bucketCounts;
    return (current + next) * 4;
  }

  /**
   * Makes an empty table as large as so many entries need: they come without a rehash. Without room for that
   * the table stays as it is.
   */
  reserve(entryCount: number): void {
    const bucketCount = Math.min(powerOfTwoAtLeast(entryCount), BUCKETS_MAX);
    if (this.count > 0 || this.isRehashing || bucketCount <= this.#get(OLD_MASK) + 1) return;
    const buckets = this.#allocator.tryAllocate(bucketCount * 4);
    if (buckets === 0) return;
    const base = (buckets & OFFSET_MASK) << 1;
    this.#wordsOf(buckets).fill(0, base, base + bucketCount);
    this.#allocator.free(this.#get(OLD_BUCKETS));
    this.#set(OLD_BUCKETS, buckets);
    this.#set(OLD_MASK, bucketCount - 1);
  }

  /** The entry with that key, or 0. Written out in one piece, for it is most of what a GET costs. */
  find(key: Uint8Array, start: number, end: number, hash: number): Ref {
    const segments = this.#arena.words;
    const header = this.#headerWords;
    const at = this.#headerAt;
    let buckets = header[at + OLD_BUCKETS]!;
    let mask = header[at + OLD_MASK]!;
    if (header[at + NEW_BUCKETS] !== 0) {
      const newMask = header[at + NEW_MASK]!;
      if ((hash & (mask < newMask ? mask : newMask)) < header[at + MIGRATED]!) {
        buckets = header[at + NEW_BUCKETS]!;
        mask = newMask;
      }
    }
    let ref = segments[buckets >>> SEGMENT_SHIFT]![((buckets & OFFSET_MASK) << 1) + (hash & mask)]!;
    const length = end - start;
    while (ref !== 0) {
      const words = segments[ref >>> SEGMENT_SHIFT]!;
      const base = (ref & OFFSET_MASK) << 1;
      if (
        words[base + ENTRY_HASH] === hash &&
        words[base + this.#keyLengthWord] === length &&
        this.#hasKey(words, (base << 2) + this.#keyOffset, ref, key, start, end)
      ) {
        return ref;
      }
      ref = words[base]!;
    }
    return 0;
  }

  /** The first entry of a hash's bucket: brings the bucket into the cache. */
  bucketHead(hash: number): Ref {
    this.#locate(hash);
    return this.#bucketWords[this.#bucketIndex]!;
  }

  /**
   * The same without the lock, while the table may be changing: a guess, which may be any number; 0 where
   * there is nothing to be read.
   */
  guessBucketHead(hash: number): Ref {
    this.#locate(hash);
    const words = this.#bucketWords as Int32Array | undefined;
    return words?.[this.#bucketIndex] ?? 0;
  }

  /** Compares four bytes at a time: a key begins at a multiple of four. */
  #hasKey(words: Int32Array, offset: number, ref: Ref, key: Uint8Array, start: number, end: number): boolean {
    let position = start;
    let word = offset >> 2;
    for (const last = end - 3; position < last; position += 4, word++) {
      const four =
        key[position]! | (key[position + 1]! << 8) | (key[position + 2]! << 16) | (key[position + 3]! << 24);
      if (words[word] !== four) return false;
    }
    if (position === end) return true;
    const bytes = this.#arena.bytes[ref >>> SEGMENT_SHIFT]!;
    for (let at = word << 2; position < end; position++, at++) if (bytes[at] !== key[position]) return false;
    return true;
  }

  /** Adds an entry whose hash and key are written; its key must not be in the table. */
  insert(ref: Ref): void {
    this.#growIfFull();
    const words = this.#arena.words[ref >>> SEGMENT_SHIFT]!;
    const base = (ref & OFFSET_MASK) << 1;
    this.#locate(words[base + ENTRY_HASH]!);
    words[base] = this.#bucketWords[this.#bucketIndex]!;
    this.#bucketWords[this.#bucketIndex] = ref;
    this.#set(COUNT, this.#get(COUNT) + 1);
    if (this.isRehashing) this.rehashGroups(GROUPS_PER_INSERT);
  }

  /** Takes an entry out; the caller frees its block. */
  remove(ref: Ref): void {
    this.#relink(ref, this.#wordsOf(ref)[(ref & OFFSET_MASK) << 1]!);
    this.#set(COUNT, this.#get(COUNT) - 1);
    this.#shrinkIfSparse();
  }

  /** Puts `newRef`, a block with the same hash and key, in the place of `oldRef`. */
  replace(oldRef: Ref, newRef: Ref): void {
    this.#wordsOf(newRef)[(newRef & OFFSET_MASK) << 1] = this.#wordsOf(oldRef)[(oldRef & OFFSET_MASK) << 1]!;
    this.#relink(oldRef, newRef);
  }

  /** Makes what points to `ref` point to `target`. */
  #relink(ref: Ref, target: Ref): void {
    this.#locate(this.#wordsOf(ref)[((ref & OFFSET_MASK) << 1) + ENTRY_HASH]!);
    let words = this.#bucketWords;
    let index = this.#bucketIndex;
    while (words[index] !== ref) {
      const next = words[index]!;
      assert(next !== 0, 'the entry is in its bucket');
      words = this.#wordsOf(next);
      index = (next & OFFSET_MASK) << 1;
    }
    words[index] = target;
  }

  // Rehash --------------------------------------------------------------------------------------------------

  /** No group moves until the matching `resumeRehash`: a walk over the buckets is under way. */
  pauseRehash(): void {
    this.#set(PAUSES, this.#get(PAUSES) + 1);
  }

  resumeRehash(): void {
    assert(this.#get(PAUSES) > 0);
    this.#set(PAUSES, this.#get(PAUSES) - 1);
  }

  /** Moves up to `groupCount` groups that have entries. True while there is more to do. */
  rehashGroups(groupCount: number): boolean {
    if (!this.isRehashing) return false;
    if (this.#get(PAUSES) > 0) return true;

    const oldMask = this.#get(OLD_MASK);
    const newMask = this.#get(NEW_MASK);
    const smallMask = Math.min(oldMask, newMask);
    let migrated = this.#get(MIGRATED);
    let moved = 0;
    for (
      let seen = 0;
      moved < groupCount && seen < groupCount * EMPTY_GROUPS_PER_STEP && migrated <= smallMask;
      seen++
    ) {
      if (this.#moveGroup(migrated, oldMask, newMask)) moved++;
      migrated++;
    }
    this.#set(MIGRATED, migrated);
    if (migrated <= smallMask) return true;

    this.#allocator.free(this.#get(OLD_BUCKETS));
    this.#set(OLD_BUCKETS, this.#get(NEW_BUCKETS));
    this.#set(OLD_MASK, newMask);
    this.#set(NEW_BUCKETS, 0);
    this.#set(MIGRATED, 0);
    return false;
  }

  /** Moves the entries of one group from the old buckets to the new; true when there were any. */
  #moveGroup(group: number, oldMask: number, newMask: number): boolean {
    const step = Math.min(oldMask, newMask) + 1;
    const fresh = this.#get(NEW_BUCKETS);
    const freshWords = this.#wordsOf(fresh);
    const freshBase = (fresh & OFFSET_MASK) << 1;
    for (let i = group; i <= newMask; i += step) freshWords[freshBase + i] = 0;

    const old = this.#get(OLD_BUCKETS);
    const oldWords = this.#wordsOf(old);
    const oldBase = (old & OFFSET_MASK) << 1;
    let hadEntries = false;
    for (let i = group; i <= oldMask; i += step) {
      let ref = oldWords[oldBase + i]!;
      while (ref !== 0) {
        hadEntries = true;
        const words = this.#wordsOf(ref);
        const base = (ref & OFFSET_MASK) << 1;
        const next = words[base]!;
        const slot = freshBase + (words[base + ENTRY_HASH]! & newMask);
        words[base] = freshWords[slot]!;
        freshWords[slot] = ref;
        ref = next;
      }
    }
    return hadEntries;
  }

  #growIfFull(): void {
    const size = this.#get(OLD_MASK) + 1;
    if (this.#get(COUNT) < size || this.isRehashing || size >= BUCKETS_MAX) return;
    if (this.mayGrowBy(size * 2 * 4)) this.#startRehash(size * 2);
  }

  /** Bytes that the table should be given to grow, for its chains have become long; 0 when it needs none. */
  get wantedBytes(): number {
    const size = this.#get(OLD_MASK) + 1;
    const isOverfull = this.#get(COUNT) > size * OVERFULL_RATIO && !this.isRehashing && size < BUCKETS_MAX;
    return isOverfull ? size * 2 * 4 : 0;
  }

  /** Starts to shrink when most buckets are empty, and carries a rehash on. */
  #shrinkIfSparse(): void {
    const size = this.#get(OLD_MASK) + 1;
    if (size > BUCKETS_MIN && this.#get(COUNT) < size / SHRINK_BELOW && !this.isRehashing) {
      this.#startRehash(Math.max(size / SHRINK_RATIO_MAX, powerOfTwoAtLeast(this.#get(COUNT))));
    }
    if (this.isRehashing) this.rehashGroups(GROUPS_PER_INSERT);
  }

  #startRehash(bucketCount: number): void {
    const size = Math.min(bucketCount, BUCKETS_MAX);
    if (size === this.#get(OLD_MASK) + 1 || this.#get(PAUSES) > 0) return;
    // Without room for the new buckets the table stays as it is, only slower.
    const buckets = this.#allocator.tryAllocate(size * 4);
    if (buckets === 0) return;
    this.#set(NEW_BUCKETS, buckets);
    this.#set(NEW_MASK, size - 1);
    this.#set(MIGRATED, 0);
  }

  // Walking -------------------------------------------------------------------------------------------------

  /**
   * One step of SCAN: visits the entries of one group of buckets and returns the next cursor, 0 at the end.
   * The cursor counts with its bits reversed (Pieter Noordhuis' algorithm, Redis 7.0 dict.c, dictScan): an
   * entry that is there from the first call to the last is visited at least once, however often the table is
   * resized between.
   */
  scan(cursor: number, visit: (ref: Ref) => void): number {
    const oldMask = this.#get(OLD_MASK);
    const smallMask = this.isRehashing ? Math.min(oldMask, this.#get(NEW_MASK)) : oldMask;
    this.#visitGroup(cursor & smallMask, smallMask, visit);
    return reverseBits(reverseBits(cursor | ~smallMask) + 1);
  }

  /**
   * One step of a walk: puts the first entries of some chains into `heads` and returns how many. An entry
   * that is there from the first step to the last is in one of these chains, however often the table is
   * resized between the steps; it may be in several.
   *
   * `scan` does the same with a cursor for clients; this walk goes through the buckets in order, sixteen to a
   * cache line, and gives many chains at once, so that the processor can fetch the entries side by side.
   */
  nextChains(walk: TableWalk, heads: Int32Array): number {
    const smallMask = this.groupCount - 1;
    if (smallMask < walk.mask || walk.mask < 0) {
      // Several groups of the walk have become one, which may be behind it already: it begins again.
      walk.mask = smallMask;
      walk.group = 0;
      walk.index = 0;
    } else if (smallMask < walk.lastMask) {
      walk.index = walk.group;
    }
    walk.lastMask = smallMask;

    let count = 0;
    let groupsLeft = heads.length * GROUPS_PER_CHAIN_MAX;
    while (walk.group <= walk.mask && count + GROUP_BUCKETS_MAX <= heads.length && groupsLeft-- > 0) {
      count = this.#chainsOfGroup(walk.index, smallMask, heads, count);
      walk.index += walk.mask + 1;
      if (walk.index > smallMask) walk.index = ++walk.group;
    }
    return count;
  }

  #chainsOfGroup(group: number, smallMask: number, heads: Int32Array, count: number): number {
    const isMigrated = group < this.#get(MIGRATED);
    const buckets = this.#get(isMigrated ? NEW_BUCKETS : OLD_BUCKETS);
    const mask = this.#get(isMigrated ? NEW_MASK : OLD_MASK);
    const words = this.#wordsOf(buckets);
    const base = (buckets & OFFSET_MASK) << 1;
    let end = count;
    for (let i = group; i <= mask; i += smallMask + 1) {
      const head = words[base + i]!;
      if (head !== 0) heads[end++] = head;
    }
    return end;
  }

  /** Buckets (groups) a full walk by `visitGroupAt` has. */
  get groupCount(): number {
    return (this.isRehashing ? Math.min(this.#get(OLD_MASK), this.#get(NEW_MASK)) : this.#get(OLD_MASK)) + 1;
  }

  /**
   * Visits the entries of group `index` (0 ≤ index < groupCount). The visitor may remove or replace what it
   * is given.
   */
  visitGroupAt(index: number, visit: (ref: Ref) => void): void {
    this.#visitGroup(index, this.groupCount - 1, visit);
  }

  #visitGroup(group: number, smallMask: number, visit: (ref: Ref) => void): void {
    const isMigrated = this.isRehashing && group < this.#get(MIGRATED);
    const buckets = this.#get(isMigrated ? NEW_BUCKETS : OLD_BUCKETS);
    const mask = this.#get(isMigrated ? NEW_MASK : OLD_MASK);
    const words = this.#wordsOf(buckets);
    const base = (buckets & OFFSET_MASK) << 1;
    this.pauseRehash();
    try {
      for (let i = group; i <= mask; i += smallMask + 1) {
        let ref = words[base + i]!;
        while (ref !== 0) {
          const next = this.#wordsOf(ref)[(ref & OFFSET_MASK) << 1]!;
          visit(ref);
          ref = next;
        }
      }
    } finally {
      this.resumeRehash();
    }
  }

  /** Entries in each bucket of the table (0) or of the one it is moving to (1). For DEBUG HTSTATS. */
  chainLengths(table: 0 | 1): number[] {
    const lengths = new Array<number>(this.bucketCounts[table]).fill(0);
    for (let group = 0; group < this.groupCount; group++) {
      const isMigrated = this.isRehashing && group < this.#get(MIGRATED);
      if (isMigrated !== (table === 1)) continue;
      this.visitGroupAt(group, (ref) => {
        const hash = this.#wordsOf(ref)[((ref & OFFSET_MASK) << 1) + ENTRY_HASH]!;
        lengths[hash & (lengths.length - 1)]! += 1;
      });
    }
    return lengths;
  }

  /**
   * An entry chosen at random (a random bucket that has entries, then one of its chain), or 0 for an empty
   * table.
   */
  random(nextUint32: () => number): Ref {
    if (this.count === 0) return 0;
    for (;;) {
      this.#locate(nextUint32() | 0);
      const head = this.#bucketWords[this.#bucketIndex]!;
      if (head === 0) continue;

      let length = 0;
      for (let ref = head; ref !== 0; ref = this.#wordsOf(ref)[(ref & OFFSET_MASK) << 1]!) length++;
      let ref = head;
      for (let skip = nextUint32() % length; skip > 0; skip--)
        ref = this.#wordsOf(ref)[(ref & OFFSET_MASK) << 1]!;
      return ref;
    }
  }

  /**
   * Up to `count` entries that hang near each other, from a random place on (Redis 7.0 dict.c,
   * dictGetSomeKeys): much cheaper than as many calls of `random`, and as good to judge the whole by. Writes
   * them to `into` and returns how many; in a table with few entries these may be fewer than there are.
   */
  sample(into: Int32Array, count: number, nextUint32: () => number): number {
    const wanted = Math.min(count, this.count);
    const mask = this.groupCount - 1;
    let found = 0;
    let emptyGroups = 0;
    let group = nextUint32() & mask;
    for (let left = wanted * SAMPLE_GROUPS_PER_ENTRY; found < wanted && left > 0; left--) {
      const before = found;
      found = Math.min(this.#sampleGroup(group, mask, into, found, wanted, nextUint32), wanted);
      emptyGroups = found === before ? emptyGroups + 1 : 0;
      if (emptyGroups >= SAMPLE_EMPTY_GROUPS_MIN && emptyGroups > wanted) {
        group = nextUint32() & mask;
        emptyGroups = 0;
      } else {
        group = (group + 1) & mask;
      }
    }
    return found;
  }

  /**
   * Adds the entries of a group. In chains that are longer than needed each entry has the same chance: new
   * ones are in front, and a sample of these would not do to find old ones.
   */
  #sampleGroup(
    group: number,
    smallMask: number,
    into: Int32Array,
    found: number,
    wanted: number,
    nextUint32: () => number,
  ): number {
    const isMigrated = group < this.#get(MIGRATED);
    const buckets = this.#get(isMigrated ? NEW_BUCKETS : OLD_BUCKETS);
    const mask = this.#get(isMigrated ? NEW_MASK : OLD_MASK);
    const words = this.#wordsOf(buckets);
    const base = (buckets & OFFSET_MASK) << 1;
    let end = found;
    for (let i = group; i <= mask && end < wanted; i += smallMask + 1) {
      let ref = words[base + i]!;
      while (ref !== 0) {
        const place = end < wanted ? end : nextUint32() % (end + 1);
        if (place < wanted) into[place] = ref;
        end++;
        ref = this.#wordsOf(ref)[(ref & OFFSET_MASK) << 1]!;
      }
    }
    return end;
  }

  /**
   * An entry whose key has that hash, or 0: for who has noted the hash and not the key. Several keys may have
   * the same: of those it is the first that `accepts` takes.
   */
  findByHash(hash: number, accepts: (ref: Ref) => boolean): Ref {
    this.#locate(hash);
    let ref = this.#bucketWords[this.#bucketIndex]!;
    while (ref !== 0) {
      const words = this.#wordsOf(ref);
      const base = (ref & OFFSET_MASK) << 1;
      if (words[base + ENTRY_HASH] === hash && accepts(ref)) return ref;
      ref = words[base]!;
    }
    return 0;
  }

  /** Gives back the buckets of a table that is not used any more. */
  dispose(): void {
    this.#allocator.free(this.#get(OLD_BUCKETS));
    if (this.isRehashing) this.#allocator.free(this.#get(NEW_BUCKETS));
  }

  /** Throws when an invariant of the file head does not hold. */
  checkInvariants(): void {
    let count = 0;
    for (let group = 0; group < this.groupCount; group++) {
      this.visitGroupAt(group, (ref) => {
        count++;
        const hash = this.#wordsOf(ref)[((ref & OFFSET_MASK) << 1) + ENTRY_HASH]!;
        assert.equal(hash & (this.groupCount - 1), group, 'an entry hangs in the bucket its hash names');
        this.#locate(hash);
        let other = this.#bucketWords[this.#bucketIndex]!;
        while (other !== ref && other !== 0) other = this.#wordsOf(other)[(other & OFFSET_MASK) << 1]!;
        assert.equal(other, ref, 'an entry is found by its hash');
      });
    }
    assert.equal(count, this.count, 'entries reachable');
  }

  /** Finds the bucket for a hash: sets #bucketWords and #bucketIndex. */
  #locate(hash: number): void {
    const words = this.#headerWords;
    const base = this.#headerAt;
    let buckets = words[base + OLD_BUCKETS]!;
    let mask = words[base + OLD_MASK]!;
    if (words[base + NEW_BUCKETS] !== 0) {
      const newMask = words[base + NEW_MASK]!;
      const smallMask = mask < newMask ? mask : newMask;
      if ((hash & smallMask) < words[base + MIGRATED]!) {
        buckets = words[base + NEW_BUCKETS]!;
        mask = newMask;
      }
    }
    this.#bucketWords = this.#arena.words[buckets >>> SEGMENT_SHIFT]!;
    this.#bucketIndex = ((buckets & OFFSET_MASK) << 1) + (hash & mask);
  }

  #wordsOf(ref: Ref): Int32Array {
    return this.#arena.words[ref >>> SEGMENT_SHIFT]!;
  }

  #get(word: number): number {
    return this.#headerWords[this.#headerAt + word]!;
  }

  #set(word: number, value: number): void {
    this.#headerWords[this.#headerAt + word] = value;
  }
}

function alwaysTrue(): boolean {
  return true;
}

function newBuckets(allocator: Allocator, count: number): Ref {
  const ref = allocator.allocate(count * 4);
  const base = (ref & OFFSET_MASK) << 1;
  allocator.arena.words[ref >>> SEGMENT_SHIFT]!.fill(0, base, base + count);
  return ref;
}

function powerOfTwoAtLeast(count: number): number {
  return count <= BUCKETS_MIN ? BUCKETS_MIN : 2 ** (32 - Math.clz32(count - 1));
}

function reverseBits(value: number): number {
  let bits = value;
  bits = ((bits >>> 1) & 0x55555555) | ((bits & 0x55555555) << 1);
  bits = ((bits >>> 2) & 0x33333333) | ((bits & 0x33333333) << 2);
  bits = ((bits >>> 4) & 0x0f0f0f0f) | ((bits & 0x0f0f0f0f) << 4);
  bits = ((bits >>> 8) & 0x00ff00ff) | ((bits & 0x00ff00ff) << 8);
  return ((bits >>> 16) | (bits << 16)) >>> 0;
}
