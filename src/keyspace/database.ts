/**
 * One database: its keys, their expiry times, and the only ways to change an entry's place, shape or life.
 *
 * Header block, shared by all threads (SWAPDB exchanges the contents of two headers):
 *     words  0 –  7   hash table of the keys
 *     words  8 – 11   index of the keys that expire, in no order; each such entry knows its place
 *     word  12        where the active expiry cycle goes on
 *     word  13        while a snapshot has not walked the keys: the index at the cut, plus 1; else 0
 *     double 7        average time to live of the keys looked at by that cycle, ms
 */
import { strict as assert } from 'node:assert';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { byteOffset, bytesOf, clearWords, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import type { BorrowedBytes } from '../memory/struct.ts';
import { ENTRY_HASH, HASH_TABLE_WORDS, HashTable } from '../structures/hash-table.ts';
import { REF_VECTOR_WORDS, RefVector } from '../structures/ref-vector.ts';
import { copyBytes } from '../util/bytes.ts';
import {
  ENTRY_CLOCK,
  ENTRY_KEY_LENGTH,
  ENTRY_KEY_OFFSET,
  ENTRY_LAYOUT,
  ENTRY_META,
  ENTRY_VALUE,
  EXPIRY_BYTES,
  FLAG_APART,
  FLAG_EXPIRES,
  encodingOfMeta,
  entryBytes,
  epochOfMeta,
  expiryOffset,
  getApart,
  getExpiry,
  getExpiryIndex,
  setExpiry,
  setExpiryIndex,
  tailBytesOf,
  typeOfMeta,
  valueOffset,
  withEpoch,
} from './entry.ts';
import type { Keyspace } from './keyspace.ts';

const EXPIRING = HASH_TABLE_WORDS;
const CYCLE_CURSOR = HASH_TABLE_WORDS + REF_VECTOR_WORDS;
const CUT = CYCLE_CURSOR + 1;
const AVERAGE_TTL_DOUBLE = 7;
export const DATABASE_WORDS = 16;

/** No expiry time. */
export const NO_EXPIRY = -1;

export class Database {
  readonly index: number;
  readonly #keyspace: Keyspace;
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #header: Ref;
  readonly #table: HashTable;
  readonly #expiring: RefVector;
  /** Hash of the key that `find` was last called with. */
  #hash = 0;

  constructor(keyspace: Keyspace, index: number, header: Ref) {
    this.index = index;
    this.#keyspace = keyspace;
    this.#allocator = keyspace.allocator;
    this.#arena = keyspace.arena;
    this.#header = header;
    this.#table = new HashTable(keyspace.allocator, header, ENTRY_LAYOUT);
    this.#expiring = new RefVector(keyspace.allocator, header, EXPIRING);
  }

  /** Makes an empty database of a fresh header block. */
  static initialize(allocator: Allocator, header: Ref): void {
    clearWords(allocator.arena, header, DATABASE_WORDS);
    HashTable.initialize(allocator, header);
  }

  get keyCount(): number {
    return this.#table.count;
  }

  get expiringCount(): number {
    return this.#expiring.count;
  }

  get table(): HashTable {
    return this.#table;
  }

  /** Milliseconds; 0 when the cycle has not looked at any key yet. */
  get averageTtl(): number {
    return getDouble(this.#arena, this.#header, AVERAGE_TTL_DOUBLE);
  }

  set averageTtl(millis: number) {
    setDouble(this.#arena, this.#header, AVERAGE_TTL_DOUBLE, millis);
  }

  get expiryCursor(): number {
    return getWord(this.#arena, this.#header, CYCLE_CURSOR);
  }

  set expiryCursor(index: number) {
    setWord(this.#arena, this.#header, CYCLE_CURSOR, index);
  }

  /** Makes room for so many keys, if there are none yet. */
  reserve(keyCount: number): void {
    this.#table.reserve(keyCount);
  }

  // Looking up ----------------------------------------------------------------------------------------------

  /** The key's entry, dead or alive, or 0. */
  find(key: Uint8Array, start: number, end: number): Ref {
    const keyspace = this.#keyspace;
    const isExpected =
      start === keyspace.expectedStart && end === keyspace.expectedEnd && key === keyspace.expectedKey;
    const hash = isExpected ? keyspace.expectedHash : keyspace.hashOf(key, start, end);
    this.#hash = hash;
    return this.#table.find(key, start, end, hash);
  }

  /** For commands that read: counts a hit or miss, and marks the access. 0 when there is no living key. */
  lookupRead(key: Uint8Array, start: number, end: number): Ref {
    const entry = this.lookup(key, start, end);
    if (entry === 0) {
      this.#keyspace.missCount++;
      return 0;
    }
    this.#keyspace.hitCount++;
    this.touch(entry);
    return entry;
  }

  /**
   * The same for commands that ask about a key without using it (EXISTS, TTL, OBJECT): no access is marked.
   */
  peek(key: Uint8Array, start: number, end: number): Ref {
    const entry = this.lookup(key, start, end);
    if (entry === 0) this.#keyspace.missCount++;
    else this.#keyspace.hitCount++;
    return entry;
  }

  /** For commands that change the value: marks the access. 0 when there is no living key. */
  lookupWrite(key: Uint8Array, start: number, end: number): Ref {
    const entry = this.lookup(key, start, end);
    if (entry !== 0) this.touch(entry);
    return entry;
  }

  /** The living key's entry without any trace of the access, or 0. */
  lookup(key: Uint8Array, start: number, end: number): Ref {
    const entry = this.find(key, start, end);
    if (entry !== 0 && this.#isExpiredNow(entry)) {
      if (this.#keyspace.mayDeleteExpired) this.expire(entry);
      return 0;
    }
    return entry;
  }

  /** Marks an access for LRU and LFU. */
  touch(entry: Ref): void {
    setWord(
      this.#arena,
      entry,
      ENTRY_CLOCK,
      this.#keyspace.accessClock.touched(getWord(this.#arena, entry, ENTRY_CLOCK)),
    );
  }

  #isExpiredNow(entry: Ref): boolean {
    return (
      (getWord(this.#arena, entry, ENTRY_META) & FLAG_EXPIRES) !== 0 &&
      this.#keyspace.expiryNow > getExpiry(this.#arena, entry)
    );
  }

  /** True when the key's time has passed, whether or not it was deleted yet. */
  isExpired(entry: Ref): boolean {
    return this.#isExpiredNow(entry);
  }

  /** A living key chosen at random, or 0. */
  randomEntry(): Ref {
    for (;;) {
      const entry = this.#table.random(() => this.#keyspace.random.nextUint32());
      if (entry === 0 || !this.#isExpiredNow(entry)) return entry;
      if (!this.#keyspace.mayDeleteExpired) {
        // Nothing may be deleted now: a database of dead keys only must not be searched forever.
        if (this.#expiring.count === this.#table.count) return entry;
        continue;
      }
      this.expire(entry);
    }
  }

  // Creating and deleting -----------------------------------------------------------------------------------

  /**
   * Adds a key that is not there. Call it right after `find` (or a lookup) of the same key, whose hash it
   * uses.
   * @param meta type, encoding and flags; FLAG_EXPIRES is not set here but by `setExpiry`
   * @param tailBytes room after the key, its content the caller's to write
   */
  create(key: Uint8Array, start: number, end: number, meta: number, tailBytes: number): Ref {
    const keyLength = end - start;
    const entry = this.#allocator.allocate(entryBytes(keyLength, meta, tailBytes));
    const arena = this.#arena;
    setWord(arena, entry, ENTRY_HASH, this.#hash);
    setWord(arena, entry, ENTRY_META, withEpoch(meta, this.#keyspace.epoch));
    setWord(arena, entry, ENTRY_CLOCK, this.#keyspace.accessClock.initial());
    setWord(arena, entry, ENTRY_KEY_LENGTH, keyLength);
    setWord(arena, entry, ENTRY_VALUE, 0);
    copyBytes(bytesOf(arena, entry), byteOffset(entry) + ENTRY_KEY_OFFSET, key, start, end);
    this.#table.insert(entry);
    return entry;
  }

  /** Deletes the key, its expiry and its value. */
  delete(entry: Ref): void {
    this.willChange(entry);
    this.#table.remove(entry);
    if ((getWord(this.#arena, entry, ENTRY_META) & FLAG_EXPIRES) !== 0) this.#unindexExpiry(entry);
    this.#keyspace.freeValue(entry);
    this.#allocator.free(entry);
  }

  /** Deletes a key whose time has passed, and tells everybody. */
  expire(entry: Ref): void {
    const key = this.keyOf(entry);
    const expiry = this.expiryOf(entry);
    this.delete(entry);
    this.#keyspace.expired(this, key, expiry);
  }

  /**
   * Gives the value (and expiry) of `entry` to another key, possibly of another database; that key must not
   * exist.
   */
  moveTo(entry: Ref, target: Database, key: Uint8Array, start: number, end: number): Ref {
    this.willChange(entry);
    const arena = this.#arena;
    const meta = getWord(arena, entry, ENTRY_META);
    const tailBytes = this.tailBytes(entry);
    target.find(key, start, end);
    const moved = target.create(key, start, end, meta & ~FLAG_EXPIRES, tailBytes);
    setWord(arena, moved, ENTRY_VALUE, getWord(arena, entry, ENTRY_VALUE));
    setWord(arena, moved, ENTRY_CLOCK, getWord(arena, entry, ENTRY_CLOCK));
    const source = this.tailOffset(entry);
    copyBytes(
      bytesOf(arena, moved),
      target.tailOffset(moved),
      bytesOf(arena, entry),
      source,
      source + tailBytes,
    );
    if ((meta & FLAG_APART) !== 0) this.#keyspace.held.entryMoved(moved);
    const result = (meta & FLAG_EXPIRES) !== 0 ? target.setExpiry(moved, getExpiry(arena, entry)) : moved;

    this.#table.remove(entry);
    if ((meta & FLAG_EXPIRES) !== 0) this.#unindexExpiry(entry);
    this.#allocator.free(entry);
    return result;
  }

  /** Deletes all keys. Large databases are detached and freed in slices when `isLazy`. */
  clear(isLazy: boolean): void {
    const detached = this.#keyspace.newDatabaseHeader();
    this.#swapHeaders(detached);
    this.#keyspace.discard(detached, isLazy);
  }

  /** Exchanges all keys of two databases. */
  swapWith(other: Database): void {
    this.#swapHeaders(other.#header);
  }

  #swapHeaders(header: Ref): void {
    for (let word = 0; word < DATABASE_WORDS; word++) {
      const mine = getWord(this.#arena, this.#header, word);
      setWord(this.#arena, this.#header, word, getWord(this.#arena, header, word));
      setWord(this.#arena, header, word, mine);
    }
  }

  /**
   * Frees keys of a detached database until the deadline says stop; true when all is gone, header included.
   */
  dismantle(shouldStop: () => boolean): boolean {
    // No order matters any more, so nothing is unlinked one by one: the walk frees, the tables go at the end.
    this.#expiring.clear();
    const groups = this.#table.groupCount;
    while (this.expiryCursor < groups) {
      this.#table.visitGroupAt(this.expiryCursor, (entry) => {
        this.#keyspace.freeValue(entry);
        this.#allocator.free(entry);
      });
      this.expiryCursor++;
      if ((this.expiryCursor & 63) === 0 && shouldStop()) return false;
    }
    this.#table.dispose();
    this.#allocator.free(this.#header);
    return true;
  }

  // Snapshots -----------------------------------------------------------------------------------------------

  /**
   * The index that the keys here had at the cut of the running snapshot, -1 once the snapshot has walked
   * them. It belongs to the keys: SWAPDB and FLUSHDB take it along.
   */
  get cutIndex(): number {
    return getWord(this.#arena, this.#header, CUT) - 1;
  }

  set cutIndex(index: number) {
    setWord(this.#arena, this.#header, CUT, index + 1);
  }

  /** Notes that the running snapshot has, or has got, the entry as it was at the cut. */
  markSaved(entry: Ref): void {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    setWord(this.#arena, entry, ENTRY_META, withEpoch(meta, this.#keyspace.epoch));
  }

  // Expiry --------------------------------------------------------------------------------------------------

  /** When the key expires (Unix time, ms), or NO_EXPIRY. */
  expiryOf(entry: Ref): number {
    return (getWord(this.#arena, entry, ENTRY_META) & FLAG_EXPIRES) !== 0
      ? getExpiry(this.#arena, entry)
      : NO_EXPIRY;
  }

  /** Until when the key is alive, as `Watches.touchDatabase` wants to know it. */
  lastAlive(key: Uint8Array): number {
    const entry = this.find(key, 0, key.length);
    if (entry === 0) return -Infinity;
    return this.#isExpiredNow(entry) ? this.expiryOf(entry) : Infinity;
  }

  /** Sets the key's expiry time. Returns the entry, which may have moved. */
  setExpiry(entry: Ref, unixMillis: number): Ref {
    this.willChange(entry);
    const meta = getWord(this.#arena, entry, ENTRY_META);
    if ((meta & FLAG_EXPIRES) !== 0) {
      setExpiry(this.#arena, entry, unixMillis);
      return entry;
    }
    const index = this.#expiring.push(entry);
    const shaped = this.reshape(entry, meta | FLAG_EXPIRES, this.tailBytes(entry), this.tailBytes(entry));
    this.#expiring.set(index, shaped);
    setExpiryIndex(this.#arena, shaped, index);
    setExpiry(this.#arena, shaped, unixMillis);
    return shaped;
  }

  /** Makes the key persistent. Returns the entry, which may have moved. */
  clearExpiry(entry: Ref): Ref {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    if ((meta & FLAG_EXPIRES) === 0) return entry;
    this.willChange(entry);
    this.#unindexExpiry(entry);
    const kept = this.tailBytes(entry);
    return this.reshape(entry, getWord(this.#arena, entry, ENTRY_META) & ~FLAG_EXPIRES, kept, kept);
  }

  /** The n-th key that expires, in no particular order. */
  expiringAt(index: number): Ref {
    return this.#expiring.at(index);
  }

  #unindexExpiry(entry: Ref): void {
    const index = getExpiryIndex(this.#arena, entry);
    const last = this.#expiring.pop();
    if (last === entry) return;
    this.#expiring.set(index, last);
    setExpiryIndex(this.#arena, last, index);
  }

  // Shape ---------------------------------------------------------------------------------------------------

  /** Called before any change to an entry: hands the old state to a snapshot that has not saved it yet. */
  willChange(entry: Ref): void {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    const epoch = this.#keyspace.epoch;
    if (epochOfMeta(meta) === epoch) return;
    this.#keyspace.preserve(this, entry);
    setWord(this.#arena, entry, ENTRY_META, withEpoch(meta, epoch));
  }

  /**
   * Gives the entry another layout: other flags, or room for a tail of another size. The first `keptBytes` of
   * the tail are kept. Returns the entry, which may have moved. The caller has called `willChange`.
   */
  reshape(entry: Ref, meta: number, tailBytes: number, keptBytes: number): Ref {
    const arena = this.#arena;
    const oldMeta = getWord(arena, entry, ENTRY_META);
    const keyLength = getWord(arena, entry, ENTRY_KEY_LENGTH);
    const needed = entryBytes(keyLength, meta, tailBytes);
    const usable = this.#allocator.usableBytes(entry);
    const oldTail = valueOffset(keyLength, oldMeta);
    const newTail = valueOffset(keyLength, meta);

    // A block more than twice too large is given back.
    if (needed <= usable && needed * 2 + 32 >= usable) {
      if (oldTail !== newTail && keptBytes > 0) {
        const base = byteOffset(entry);
        bytesOf(arena, entry).copyWithin(base + newTail, base + oldTail, base + oldTail + keptBytes);
      }
      setWord(arena, entry, ENTRY_META, meta);
      return entry;
    }

    const moved = this.#allocator.allocate(needed);
    const source = bytesOf(arena, entry);
    const target = bytesOf(arena, moved);
    const from = byteOffset(entry);
    const to = byteOffset(moved);
    copyBytes(target, to, source, from, from + ENTRY_KEY_OFFSET + keyLength);
    if ((meta & oldMeta & FLAG_EXPIRES) !== 0) {
      const expiry = from + expiryOffset(keyLength);
      copyBytes(target, to + expiryOffset(keyLength), source, expiry, expiry + EXPIRY_BYTES);
    }
    copyBytes(target, to + newTail, source, from + oldTail, from + oldTail + keptBytes);
    setWord(arena, moved, ENTRY_META, meta);
    this.#replace(entry, moved, meta & oldMeta);
    return moved;
  }

  /** Moves the entry out of a span that is being emptied; other blocks of its value stay. */
  relocate(entry: Ref): void {
    if (!this.#allocator.shouldMove(entry)) return;
    const arena = this.#arena;
    const meta = getWord(arena, entry, ENTRY_META);
    const length = entryBytes(getWord(arena, entry, ENTRY_KEY_LENGTH), meta, this.tailBytes(entry));
    const moved = this.#allocator.tryAllocate(length);
    if (moved === 0) return;
    copyBytes(
      bytesOf(arena, moved),
      byteOffset(moved),
      bytesOf(arena, entry),
      byteOffset(entry),
      byteOffset(entry) + length,
    );
    this.#replace(entry, moved, meta);
  }

  #replace(entry: Ref, moved: Ref, flags: number): void {
    this.#table.replace(entry, moved);
    if ((flags & FLAG_EXPIRES) !== 0) this.#expiring.set(getExpiryIndex(this.#arena, moved), moved);
    if ((flags & FLAG_APART) !== 0) this.#keyspace.held.entryMoved(moved);
    this.#allocator.free(entry);
  }

  /** Bytes of the entry after key and expiry. */
  tailBytes(entry: Ref): number {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    return tailBytesOf(meta, getWord(this.#arena, entry, ENTRY_VALUE));
  }

  /** Where the tail starts, in the bytes of the entry's segment. */
  tailOffset(entry: Ref): number {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    return byteOffset(entry) + valueOffset(getWord(this.#arena, entry, ENTRY_KEY_LENGTH), meta);
  }

  // Facts about an entry ------------------------------------------------------------------------------------

  typeOf(entry: Ref): number {
    return typeOfMeta(getWord(this.#arena, entry, ENTRY_META));
  }

  encodingOf(entry: Ref): number {
    return encodingOfMeta(getWord(this.#arena, entry, ENTRY_META));
  }

  /** The access clock's field: read it with keyspace.accessClock. */
  clockOf(entry: Ref): number {
    return getWord(this.#arena, entry, ENTRY_CLOCK);
  }

  /** Sets that field: keyspace.accessClock knows what to. */
  setClock(entry: Ref, clock: number): void {
    setWord(this.#arena, entry, ENTRY_CLOCK, clock);
  }

  /** Points `view` at the key's bytes. */
  borrowKey(entry: Ref, view: BorrowedBytes): void {
    view.bytes = bytesOf(this.#arena, entry);
    view.start = byteOffset(entry) + ENTRY_KEY_OFFSET;
    view.end = view.start + getWord(this.#arena, entry, ENTRY_KEY_LENGTH);
  }

  /** A copy of the key. */
  keyOf(entry: Ref): Buffer {
    const start = byteOffset(entry) + ENTRY_KEY_OFFSET;
    const copy = Buffer.allocUnsafe(getWord(this.#arena, entry, ENTRY_KEY_LENGTH));
    copyBytes(copy, 0, bytesOf(this.#arena, entry), start, start + copy.length);
    return copy;
  }

  /** Bytes that the allocator holds for the key and its string value. */
  memoryOf(entry: Ref): number {
    const apart =
      (getWord(this.#arena, entry, ENTRY_META) & FLAG_APART) !== 0 ? getApart(this.#arena, entry) : 0;
    return this.#allocator.usableBytes(entry) + (apart === 0 ? 0 : this.#allocator.usableBytes(apart));
  }

  /** Throws when table, entries and index of expiring keys do not agree. */
  checkInvariants(): void {
    this.#table.checkInvariants();
    let expiring = 0;
    for (let group = 0; group < this.#table.groupCount; group++) {
      this.#table.visitGroupAt(group, (entry) => {
        const key = this.keyOf(entry);
        assert.equal(this.find(key, 0, key.length), entry, 'a key is found by its bytes');
        const meta = getWord(this.#arena, entry, ENTRY_META);
        const keyLength = getWord(this.#arena, entry, ENTRY_KEY_LENGTH);
        if ((meta & FLAG_APART) !== 0) this.#keyspace.held.checkEntry(entry);
        assert(entryBytes(keyLength, meta, this.tailBytes(entry)) <= this.#allocator.usableBytes(entry));
        if ((meta & FLAG_EXPIRES) === 0) return;
        expiring++;
        assert.equal(
          this.#expiring.at(getExpiryIndex(this.#arena, entry)),
          entry,
          'an expiring key knows its place',
        );
      });
    }
    assert.equal(expiring, this.#expiring.count, 'keys that expire');
  }
}
