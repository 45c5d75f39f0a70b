/**
 * One database: its keys, their expiry times, and the only ways to change an entry's place, shape or life.
 *
 * Header block, shared by all threads (SWAPDB exchanges the contents of two headers):
 *     words  0 –  7   hash table of the keys
 *     words  8 – 11   index of the keys that expire, in no order; each such entry knows its place
 *     word  12        where the active expiry cycle goes on
 *     word  13        while a snapshot has not walked the keys: the index at the cut, plus 1; else 0
 *     double 7        average time to live of the keys looked at by that cycle, ms
 *     words 16 – 19   index of the hashes with fields that expire, as that of the keys
 *     word  20        where the cycle goes on with them
 */
import { strict as assert } from 'node:assert';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { CONTROL_AWAITED_KEYS } from '../memory/control-block.ts';
import {
  byteOffset,
  bytesOf,
  clearWords,
  getDouble,
  getWord,
  moveBytes,
  setDouble,
  setWord,
} from '../memory/struct.ts';
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
  FLAG_FIELDS_EXPIRE,
  TYPE_HASH,
  TYPE_STREAM,
  TYPE_STRING,
  encodingOfMeta,
  entryBytes,
  epochOfMeta,
  expiryOffset,
  getApart,
  getExpiry,
  getExpiryIndex,
  makeMeta,
  setExpiry,
  setExpiryIndex,
  tailBytesOf,
  typeOfMeta,
  valueOffset,
  withEncoding,
  withEpoch,
} from './entry.ts';
import type { Keyspace } from './keyspace.ts';
import { NOTIFY_KEY_MISS, NOTIFY_NEW } from './notify.ts';

const EXPIRING = HASH_TABLE_WORDS;
const CYCLE_CURSOR = HASH_TABLE_WORDS + REF_VECTOR_WORDS;
const CUT = CYCLE_CURSOR + 1;
const AVERAGE_TTL_DOUBLE = 7;
const FIELDS_EXPIRE = 16;
const FIELD_CURSOR = FIELDS_EXPIRE + REF_VECTOR_WORDS;
export const DATABASE_WORDS = 22;

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
  readonly #fieldExpiring: RefVector;
  /** Hash of the key that `find` was last called with. */
  #hash = 0;

  constructor(keyspace: Keyspace, index: number, header: Ref) {
    this.index = index;
    this.#keyspace = keyspace;
    this.#allocator = keyspace.allocator;
    this.#arena = keyspace.arena;
    this.#header = header;
    this.#table = new HashTable(keyspace.allocator, header, ENTRY_LAYOUT);
    this.#table.mayGrowBy = (byteCount) => keyspace.hasRoomFor(byteCount);
    this.#expiring = new RefVector(keyspace.allocator, header, EXPIRING);
    this.#fieldExpiring = new RefVector(keyspace.allocator, header, FIELDS_EXPIRE);
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
      this.#keyspace.event(this, key, start, end, NOTIFY_KEY_MISS, 'keymiss');
      return 0;
    }
    this.#keyspace.hitCount++;
    this.touch(entry);
    return entry;
  }

  /**
   * The same for commands that ask about a key without using it (EXISTS, TTL, OBJECT): no access is marked,
   * and when `isSilent` there is no event of a miss.
   */
  peek(key: Uint8Array, start: number, end: number, isSilent = false): Ref {
    const entry = this.lookup(key, start, end);
    if (entry !== 0) {
      this.#keyspace.hitCount++;
      return entry;
    }
    this.#keyspace.missCount++;
    if (!isSilent) this.#keyspace.event(this, key, start, end, NOTIFY_KEY_MISS, 'keymiss');
    return 0;
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
    const clock = getWord(this.#arena, entry, ENTRY_CLOCK);
    const touched = this.#keyspace.accessClock.touched(clock);
    // A key is often used again within a second: what is not written stays in the caches of all cores.
    if (touched !== clock) setWord(this.#arena, entry, ENTRY_CLOCK, touched);
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
    // What is loaded is not new.
    if (!this.#keyspace.ignoresExpiry) this.#keyspace.event(this, key, start, end, NOTIFY_NEW, 'new');
    if (typeOfMeta(meta) !== TYPE_STRING) this.#keyspace.keyReady(this, key, start, end);
    return entry;
  }

  /** Adds a key that is not there, with a value that is no string. Call it as `create`. */
  createWith(key: Uint8Array, start: number, end: number, type: number, encoding: number, value: Ref): Ref {
    const entry = this.create(key, start, end, makeMeta(type, encoding, 0, 0), 0);
    setWord(this.#arena, entry, ENTRY_VALUE, value);
    if (type === TYPE_HASH && this.#keyspace.hashes.hasExpiringFields(value, encoding))
      this.indexFieldExpiry(entry, true);
    return entry;
  }

  /** Sets a key to a value that is no string, whatever it was before; it becomes persistent. */
  storeWith(key: Uint8Array, start: number, end: number, type: number, encoding: number, value: Ref): Ref {
    const old = this.lookupWrite(key, start, end);
    if (old === 0) return this.createWith(key, start, end, type, encoding, value);
    const clock = this.clockOf(old);
    this.delete(old);
    const entry = this.createWith(key, start, end, type, encoding, value);
    // The key stays as frequent as it was (db.c, dbOverwrite).
    if (this.#keyspace.accessClock.isLfu) this.setClock(entry, clock);
    return entry;
  }

  /** The value of an entry that is no string. */
  valueOf(entry: Ref): Ref {
    return getWord(this.#arena, entry, ENTRY_VALUE);
  }

  /**
   * Gives an entry that is no string its value, which may have moved, and its encoding. After `willChange`.
   */
  setValue(entry: Ref, encoding: number, value: Ref): void {
    const meta = getWord(this.#arena, entry, ENTRY_META);
    if (encodingOfMeta(meta) !== encoding)
      setWord(this.#arena, entry, ENTRY_META, withEncoding(meta, encoding));
    setWord(this.#arena, entry, ENTRY_VALUE, value);
  }

  /** Deletes the key, its expiry and its value. @param isLazy see LazyFreeing */
  delete(entry: Ref, isLazy = this.#keyspace.lazy.serverDel): void {
    this.willChange(entry);
    this.#tellStreamReaders(entry);
    this.#table.remove(entry);
    if ((getWord(this.#arena, entry, ENTRY_META) & FLAG_EXPIRES) !== 0) this.#unindexExpiry(entry);
    if (this.hasExpiringFields(entry)) this.indexFieldExpiry(entry, false);
    this.#keyspace.freeValue(entry, isLazy);
    this.#allocator.free(entry);
  }

  /** Clients that read a stream in a group do not wait for one that is gone. */
  #tellStreamReaders(entry: Ref): void {
    if (this.typeOf(entry) !== TYPE_STREAM || this.#arena.control[CONTROL_AWAITED_KEYS] === 0) return;
    const key = this.keyOf(entry);
    this.#keyspace.keyReady(this, key, 0, key.length);
  }

  /** Before the value of an entry is replaced by one of another type, and freed. */
  willReplaceValue(entry: Ref): void {
    this.#tellStreamReaders(entry);
    if (this.hasExpiringFields(entry)) this.indexFieldExpiry(entry, false);
    this.#keyspace.freeValue(entry, this.#keyspace.lazy.serverDel);
  }

  /** Deletes a key whose time has passed, and tells everybody. */
  expire(entry: Ref): void {
    const key = this.keyOf(entry);
    const expiry = this.expiryOf(entry);
    const { timer } = this.#keyspace;
    const started = timer.start();
    this.delete(entry, this.#keyspace.lazy.expire);
    timer.record('expire-del', timer.elapsed(started));
    this.#keyspace.expired(this, key, expiry);
  }

  /** Deletes a key to make room, and tells everybody. */
  evict(entry: Ref): void {
    const key = this.keyOf(entry);
    const { timer } = this.#keyspace;
    const started = timer.start();
    this.delete(entry, this.#keyspace.lazy.eviction);
    timer.record('eviction-del', timer.elapsed(started));
    this.#keyspace.evicted(this, key);
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
    const moved = target.create(key, start, end, meta & ~(FLAG_EXPIRES | FLAG_FIELDS_EXPIRE), tailBytes);
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
    if ((meta & FLAG_FIELDS_EXPIRE) !== 0) {
      this.indexFieldExpiry(entry, false);
      target.indexFieldExpiry(moved, true);
    }
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
    this.#fieldExpiring.clear();
    const groups = this.#table.groupCount;
    while (this.expiryCursor < groups) {
      this.#table.visitGroupAt(this.expiryCursor, (entry) => {
        this.#keyspace.freeValue(entry, false);
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

  /** Whether the key is one of those that expire. */
  expires(entry: Ref): boolean {
    return (getWord(this.#arena, entry, ENTRY_META) & FLAG_EXPIRES) !== 0;
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

  /** Whether the entry is a hash with fields that expire. */
  hasExpiringFields(entry: Ref): boolean {
    return (getWord(this.#arena, entry, ENTRY_META) & FLAG_FIELDS_EXPIRE) !== 0;
  }

  /** Hashes with fields that expire. */
  get fieldExpiringCount(): number {
    return this.#fieldExpiring.count;
  }

  /** The n-th of these hashes, in no particular order. */
  fieldExpiringAt(index: number): Ref {
    return this.#fieldExpiring.at(index);
  }

  get fieldCursor(): number {
    return getWord(this.#arena, this.#header, FIELD_CURSOR);
  }

  set fieldCursor(index: number) {
    setWord(this.#arena, this.#header, FIELD_CURSOR, index);
  }

  /** Enters a hash in the index of those with fields that expire, or takes it out (hash-values.ts). */
  indexFieldExpiry(entry: Ref, isExpiring: boolean): void {
    const { hashes } = this.#keyspace;
    const meta = getWord(this.#arena, entry, ENTRY_META);
    if (isExpiring) {
      hashes.setIndexPlace(this.valueOf(entry), this.#fieldExpiring.push(entry));
      setWord(this.#arena, entry, ENTRY_META, meta | FLAG_FIELDS_EXPIRE);
      return;
    }
    setWord(this.#arena, entry, ENTRY_META, meta & ~FLAG_FIELDS_EXPIRE);
    const place = hashes.indexPlace(this.valueOf(entry));
    const last = this.#fieldExpiring.pop();
    if (last === entry) return;
    this.#fieldExpiring.set(place, last);
    hashes.setIndexPlace(this.valueOf(last), place);
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
        moveBytes(arena, entry, base + newTail, base + oldTail, base + oldTail + keptBytes);
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
    if ((flags & FLAG_FIELDS_EXPIRE) !== 0)
      this.#fieldExpiring.set(this.#keyspace.hashes.indexPlace(this.valueOf(moved)), moved);
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

  /**
   * Bytes that the allocator holds for the key and its value, of which `samples` elements are looked at (0 =
   * all).
   */
  memoryOf(entry: Ref, samples: number): number {
    const type = this.typeOf(entry);
    if (type !== TYPE_STRING) {
      const value = this.#keyspace.kindOf(type).memory(this.valueOf(entry), this.encodingOf(entry), samples);
      return this.#allocator.usableBytes(entry) + value;
    }
    const apart =
      (getWord(this.#arena, entry, ENTRY_META) & FLAG_APART) !== 0 ? getApart(this.#arena, entry) : 0;
    return this.#allocator.usableBytes(entry) + (apart === 0 ? 0 : this.#allocator.usableBytes(apart));
  }

  /** Throws when table, entries and index of expiring keys do not agree. */
  checkInvariants(): void {
    this.#table.checkInvariants();
    let expiring = 0;
    let fieldExpiring = 0;
    for (let group = 0; group < this.#table.groupCount; group++) {
      this.#table.visitGroupAt(group, (entry) => {
        const key = this.keyOf(entry);
        assert.equal(this.find(key, 0, key.length), entry, 'a key is found by its bytes');
        const meta = getWord(this.#arena, entry, ENTRY_META);
        const keyLength = getWord(this.#arena, entry, ENTRY_KEY_LENGTH);
        if ((meta & FLAG_APART) !== 0) this.#keyspace.held.checkEntry(entry);
        if (typeOfMeta(meta) !== TYPE_STRING)
          this.#keyspace.kindOf(typeOfMeta(meta)).checkInvariants(this.valueOf(entry), encodingOfMeta(meta));
        assert(entryBytes(keyLength, meta, this.tailBytes(entry)) <= this.#allocator.usableBytes(entry));
        if ((meta & FLAG_FIELDS_EXPIRE) !== 0) {
          fieldExpiring++;
          const place = this.#keyspace.hashes.indexPlace(this.valueOf(entry));
          assert.equal(
            this.#fieldExpiring.at(place),
            entry,
            'a hash with fields that expire knows its place',
          );
        }
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
    assert.equal(fieldExpiring, this.#fieldExpiring.count, 'hashes with fields that expire');
  }
}
