/**
 * The keyspace: all databases of a server, as one thread sees them, and `changed()`, the gate that every
 * write passes.
 *
 * Header block, shared by all threads:
 *     word 0       number of databases
 *     word 1       snapshot epoch: entries of an older epoch are not in the running snapshot yet
 *     words 2, 3   key of the hash function, random per server
 *     word 4       first detached database that waits to be freed
 *     word 5       first detached value that waits to be freed (detached-values.ts)
 *     doubles 4 …  counters: COUNTERS below
 *     words 26 …   long strings that the running snapshot holds (held-strings.ts)
 *     words 32 …   large collections that it holds (held-collections.ts)
 *     words 36 …   references of the databases' headers
 */
import { strict as assert } from 'node:assert';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import {
  CONTROL_AWAITED_KEYS,
  CONTROL_ROOT_KEYSPACE,
  CONTROL_TRACKING,
  CONTROL_WATCHED_KEYS,
} from '../memory/control-block.ts';
import { addDouble, clearWords, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import { halfSipHash } from '../util/half-siphash.ts';
import { NO_TIMER, type EventTimer } from '../util/event-timer.ts';
import type { RandomSource } from '../util/random.ts';
import { AccessClock } from './access-clock.ts';
import { DATABASE_WORDS, Database } from './database.ts';
import { DetachedValues } from './detached-values.ts';
import { defaultEncodingLimits } from './encoding-limits.ts';
import {
  ENTRY_META,
  ENTRY_VALUE,
  FLAG_APART,
  TYPE_HASH,
  TYPE_LIST,
  TYPE_SET,
  TYPE_STREAM,
  TYPE_SORTED_SET,
  TYPE_STRING,
  encodingOfMeta,
  getApart,
  getHeld,
  typeOfMeta,
} from './entry.ts';
import { HashValues } from './hash-values.ts';
import { HELD_COLLECTIONS_WORDS, HeldCollections } from './held-collections.ts';
import { HeldStrings } from './held-strings.ts';
import { ListValues } from './list-values.ts';
import { SetValues } from './set-values.ts';
import { StreamValues } from './stream-values.ts';
import { NOTIFY_EVICTED, NOTIFY_EXPIRED, NOTIFY_GENERIC, NOTIFY_HASH } from './notify.ts';
import { SortedSetValues } from './sorted-set-values.ts';
import { StringValues } from './string-values.ts';
import type { ValueKind } from './value-kind.ts';
import { Watches } from './watches.ts';

const DATABASE_COUNT = 0;
const EPOCH = 1;
const HASH_KEY_0 = 2;
const HASH_KEY_1 = 3;
const DETACHED = 4;
const DETACHED_VALUES = 5;
const HELD = 26;
const HELD_COLLECTIONS = 32;
const DATABASES = HELD_COLLECTIONS + HELD_COLLECTIONS_WORDS;

/** Snapshot epochs are 16 bits of an entry. */
const EPOCH_MASK = 0xffff;

/** Counters by name, doubles in the header. `dirty` counts changes since the last save. */
const COUNTERS = {
  dirty: 4,
  hits: 5,
  misses: 6,
  expired: 7,
  expiredTimeCapReached: 8,
  expiredStaleRatio: 9,
  evicted: 10,
  lazyFreed: 11,
  expireCycleMicros: 12,
} as const;
export type KeyspaceCounter = keyof typeof COUNTERS;

/** A detached database's next one in the list: the word after its own. */
const DETACHED_NEXT = DATABASE_WORDS;

/** What the layers above want to hear. */
export interface KeyspaceObserver {
  /** A key was deleted because its time had passed: propagate its deletion. */
  keyExpired(database: Database, key: Uint8Array): void;
  /** A key was deleted to make room: propagate its deletion. */
  keyEvicted?(database: Database, key: Uint8Array): void;
  /** Fields of a hash were deleted because their time had passed: propagate their deletion. */
  fieldsExpired?(database: Database, key: Uint8Array, fields: readonly Uint8Array[]): void;
  /** An event of one of the classes in `notifyMask`. */
  notify(
    eventClass: number,
    event: string,
    database: Database,
    key: Uint8Array,
    start: number,
    end: number,
  ): void;
  /** The entry is about to change and its state is not in the running snapshot yet. */
  preserve(database: Database, entry: Ref): void;
  /** A key that clients wait for may have come: a list, sorted set or stream was created, or has grown. */
  keyReady(database: Database, key: Uint8Array, start: number, end: number): void;
}

/** By why a key goes; `serverDel` is all that a command does beside what it was asked for. */
export interface LazyFreeing {
  eviction: boolean;
  expire: boolean;
  serverDel: boolean;
  userDel: boolean;
}

/** Tells clients that track keys. */
export interface KeyTracker {
  /** A key has changed: by a command, or because its time has passed. */
  keyChanged(key: Uint8Array, start: number, end: number, isByCommand: boolean): void;
}

export class Keyspace {
  readonly arena: Arena;
  readonly allocator: Allocator;
  readonly random: RandomSource;
  readonly accessClock: AccessClock;
  readonly databases: readonly Database[];
  readonly strings: StringValues;
  readonly sets: SetValues;
  readonly hashes: HashValues;
  readonly lists: ListValues;
  readonly streams: StreamValues;
  readonly sortedSets: SortedSetValues;
  readonly held: HeldStrings;
  readonly heldCollections: HeldCollections;
  readonly watches: Watches;
  /** Up to where collections keep their compact forms. */
  readonly limits = defaultEncodingLimits();
  readonly #detachedValues: DetachedValues;
  /** By type number; strings are not among them. */
  readonly #kinds: (ValueKind | undefined)[] = [];
  readonly hashKey0: number;
  readonly hashKey1: number;
  readonly #header: Ref;
  observer: KeyspaceObserver | undefined;
  /** Times what may hold commands up: dead keys that are removed, keys that make room. */
  timer: EventTimer = NO_TIMER;
  tracker: KeyTracker | undefined;
  /**
   * Changes, hits and misses since the lock was taken: small integers, for doubles in shared memory cost
   * more.
   */
  changeCount = 0;
  hitCount = 0;
  missCount = 0;
  /** The key whose hash is known already: that of the command to be run, when the engine has looked ahead. */
  expectedKey: Uint8Array | undefined;
  expectedStart = 0;
  expectedEnd = 0;
  expectedHash = 0;
  /** Unix time in ms; set before each command. */
  now = 0;
  /** What expiry is judged by: `now`, or a time before all others while expiry is ignored. */
  expiryNow = 0;
  #ignoresExpiry = false;
  /** False while clients are paused or commands of a master are applied: dead keys look dead but stay. */
  mayDeleteExpired = true;
  /** Whether the tables of keys may grow by so many bytes; set by who keeps the memory limit. */
  hasRoomFor: (byteCount: number) => boolean = () => true;
  /** What is put aside to be freed in slices already when it is of moderate size (`lazyfree-lazy-*`). */
  readonly lazy: LazyFreeing = { eviction: false, expire: false, serverDel: false, userDel: false };
  /** Which event classes somebody listens to (NOTIFY_*). */
  notifyMask = 0;
  /** The running snapshot's epoch, as of the moment the lock was taken. */
  epoch = 0;

  /** The keyspace in this arena; the first thread to come creates it. */
  constructor(allocator: Allocator, random: RandomSource, databaseCount: number) {
    const arena = allocator.arena;
    this.arena = arena;
    this.allocator = allocator;
    this.random = random;
    this.accessClock = new AccessClock(random);
    if (arena.control[CONTROL_ROOT_KEYSPACE] === 0) createKeyspace(allocator, random, databaseCount);
    this.#header = arena.control[CONTROL_ROOT_KEYSPACE]!;
    this.hashKey0 = getWord(arena, this.#header, HASH_KEY_0);
    this.hashKey1 = getWord(arena, this.#header, HASH_KEY_1);
    const databases: Database[] = [];
    for (let index = 0; index < getWord(arena, this.#header, DATABASE_COUNT); index++) {
      databases.push(new Database(this, index, getWord(arena, this.#header, DATABASES + index)));
    }
    this.databases = databases;
    this.held = new HeldStrings(allocator, this.#header, HELD);
    this.heldCollections = new HeldCollections(this, this.#header, HELD_COLLECTIONS);
    this.strings = new StringValues(this);
    this.sets = new SetValues(this);
    this.#kinds[TYPE_SET] = this.sets;
    this.hashes = new HashValues(this);
    this.#kinds[TYPE_HASH] = this.hashes;
    this.lists = new ListValues(this);
    this.#kinds[TYPE_LIST] = this.lists;
    this.streams = new StreamValues(this);
    this.#kinds[TYPE_STREAM] = this.streams;
    this.sortedSets = new SortedSetValues(this);
    this.#kinds[TYPE_SORTED_SET] = this.sortedSets;
    this.#detachedValues = new DetachedValues(this, this.#header, DETACHED_VALUES);
    this.watches = new Watches(allocator, this.hashKey0, this.hashKey1);
  }

  /** Brings this thread's view up to date; called whenever the lock was taken. */
  enter(wallMillis: number): void {
    this.arena.refresh();
    this.epoch = getWord(this.arena, this.#header, EPOCH);
    this.setTime(wallMillis);
  }

  /** Adds what this thread has counted to the shared counters; called before the lock is released. */
  leave(): void {
    const { arena } = this;
    addDouble(arena, this.#header, COUNTERS.dirty, this.changeCount);
    addDouble(arena, this.#header, COUNTERS.hits, this.hitCount);
    addDouble(arena, this.#header, COUNTERS.misses, this.missCount);
    this.changeCount = 0;
    this.hitCount = 0;
    this.missCount = 0;
  }

  setTime(wallMillis: number): void {
    this.now = wallMillis;
    this.expiryNow = this.#ignoresExpiry ? -Infinity : wallMillis;
    this.accessClock.setTime(wallMillis);
  }

  /** While data is loaded no key is dead: what comes next in the log may have made it live on. */
  get ignoresExpiry(): boolean {
    return this.#ignoresExpiry;
  }

  set ignoresExpiry(ignores: boolean) {
    this.#ignoresExpiry = ignores;
    this.setTime(this.now);
  }

  hashOf(key: Uint8Array, start: number, end: number): number {
    return halfSipHash(this.hashKey0, this.hashKey1, key, start, end);
  }

  // Changes -------------------------------------------------------------------------------------------------

  /**
   * The one gate of every change to a key, called after it: counts it, tells transactions that watch the key,
   * and listeners of keyspace events.
   * @param event the event's name as Redis has it (`set`, `del`, `expire`, …)
   */
  changed(
    database: Database,
    key: Uint8Array,
    start: number,
    end: number,
    eventClass: number,
    event: string,
  ): void {
    this.changeCount++;
    if (this.arena.control[CONTROL_TRACKING] !== 0) this.tracker?.keyChanged(key, start, end, true);
    if (this.arena.control[CONTROL_WATCHED_KEYS] !== 0) this.watches.touch(database.index, key, start, end);
    if ((this.notifyMask & eventClass) !== 0)
      this.observer?.notify(eventClass, event, database, key, start, end);
  }

  /**
   * An event that is no change by itself (`new`, `keymiss`), or the second one of a change already counted.
   */
  event(
    database: Database,
    key: Uint8Array,
    start: number,
    end: number,
    eventClass: number,
    event: string,
  ): void {
    if ((this.notifyMask & eventClass) !== 0)
      this.observer?.notify(eventClass, event, database, key, start, end);
  }

  /**
   * A key was deleted because its time had passed. Its deletion is propagated, but is no change made by a
   * client.
   */
  expired(database: Database, key: Uint8Array, expiry: number): void {
    this.count('expired', 1);
    this.event(database, key, 0, key.length, NOTIFY_EXPIRED, 'expired');
    if (this.arena.control[CONTROL_TRACKING] !== 0) this.tracker?.keyChanged(key, 0, key.length, false);
    if (this.arena.control[CONTROL_WATCHED_KEYS] !== 0)
      this.watches.touch(database.index, key, 0, key.length, expiry);
    this.observer?.keyExpired(database, key);
  }

  /** A key was deleted to make room: as little a client's change as the end of its time. */
  evicted(database: Database, key: Uint8Array): void {
    this.count('evicted', 1);
    if (this.arena.control[CONTROL_TRACKING] !== 0) this.tracker?.keyChanged(key, 0, key.length, false);
    if (this.arena.control[CONTROL_WATCHED_KEYS] !== 0)
      this.watches.touch(database.index, key, 0, key.length);
    this.event(database, key, 0, key.length, NOTIFY_EVICTED, 'evicted');
    this.observer?.keyEvicted?.(database, key);
  }

  /** The same of fields of a hash, and of the key when these were the last. */
  fieldsExpired(database: Database, key: Uint8Array, fields: readonly Uint8Array[], isGone: boolean): void {
    this.event(database, key, 0, key.length, NOTIFY_HASH, 'hexpired');
    if (isGone) this.event(database, key, 0, key.length, NOTIFY_GENERIC, 'del');
    if (this.arena.control[CONTROL_TRACKING] !== 0) this.tracker?.keyChanged(key, 0, key.length, false);
    if (this.arena.control[CONTROL_WATCHED_KEYS] !== 0)
      this.watches.touch(database.index, key, 0, key.length);
    this.observer?.fieldsExpired?.(database, key, fields);
  }

  /** A key that clients may wait for has come, or has got more: they are served after the command. */
  keyReady(database: Database, key: Uint8Array, start: number, end: number): void {
    if (this.arena.control[CONTROL_AWAITED_KEYS] !== 0) this.observer?.keyReady(database, key, start, end);
  }

  preserve(database: Database, entry: Ref): void {
    this.observer?.preserve(database, entry);
  }

  // Values --------------------------------------------------------------------------------------------------

  /**
   * Frees what an entry's value holds outside of the entry's own block; much of it in the background, and
   * less of it, too, when `isLazy`.
   */
  freeValue(entry: Ref, isLazy: boolean): void {
    const meta = getWord(this.arena, entry, ENTRY_META);
    const type = typeOfMeta(meta);
    if (type !== TYPE_STRING) {
      const value = getWord(this.arena, entry, ENTRY_VALUE);
      if (!this.heldCollections.takeOver(value, type, encodingOfMeta(meta)))
        this.#detachedValues.free(value, { type, encoding: encodingOfMeta(meta), isLazy });
    } else if ((meta & FLAG_APART) !== 0) {
      this.held.freeBlock(getApart(this.arena, entry), getHeld(this.arena, entry));
    }
  }

  /** Frees a collection that no key refers to; a large one in the background. */
  freeDetached(value: Ref, type: number, encoding: number): void {
    this.#detachedValues.free(value, { type, encoding, isLazy: false });
  }

  /** How values of that type, which is not the string, are handled. */
  kindOf(type: number): ValueKind {
    const kind = this.#kinds[type];
    if (kind === undefined) throw new Error(`no values of type ${type}`);
    return kind;
  }

  // Snapshots -----------------------------------------------------------------------------------------------

  /**
   * The cut of a snapshot, under the lock: what is in the keyspace now is older than the new epoch, so that
   * each entry is handed over, once, before it changes (`willChange`), or saved by the walk.
   */
  beginSnapshot(): void {
    assert(this.nextToWalk() === undefined, 'one snapshot at a time');
    this.epoch = (getWord(this.arena, this.#header, EPOCH) + 1) & EPOCH_MASK;
    setWord(this.arena, this.#header, EPOCH, this.epoch);
    for (const database of this.databases) {
      if (database.keyCount > 0) database.cutIndex = database.index;
    }
  }

  /** Nothing is to be walked any more; databases that were flushed meanwhile may be dismantled. */
  endSnapshot(): void {
    for (const database of this.#cutDatabases()) database.cutIndex = -1;
  }

  /** The database that the snapshot has to walk next, by its index at the cut: a live or a detached one. */
  nextToWalk(): Database | undefined {
    let next: Database | undefined;
    for (const database of this.#cutDatabases()) {
      if (next === undefined || database.cutIndex < next.cutIndex) next = database;
    }
    return next;
  }

  /** The databases, live or detached, whose keys are not all in the running snapshot. */
  #cutDatabases(): Database[] {
    const found = this.databases.filter((database) => database.cutIndex >= 0);
    let header = getWord(this.arena, this.#header, DETACHED);
    while (header !== 0) {
      const database = new Database(this, -1, header);
      if (database.cutIndex >= 0) found.push(database);
      header = getWord(this.arena, header, DETACHED_NEXT);
    }
    return found;
  }

  // Detached databases --------------------------------------------------------------------------------------

  newDatabaseHeader(): Ref {
    const header = this.allocator.allocate((DATABASE_WORDS + 2) * 4);
    Database.initialize(this.allocator, header);
    setWord(this.arena, header, DETACHED_NEXT, 0);
    return header;
  }

  /**
   * Frees a detached database, now or in slices by `dismantleDetached`: always so when a snapshot has to walk
   * it first.
   */
  discard(header: Ref, isLazy: boolean): void {
    const database = new Database(this, -1, header);
    database.expiryCursor = 0;
    if (!isLazy && database.cutIndex < 0) {
      database.dismantle(() => false);
      return;
    }
    if (isLazy) this.count('lazyFreed', database.keyCount);
    setWord(this.arena, header, DETACHED_NEXT, getWord(this.arena, this.#header, DETACHED));
    setWord(this.arena, this.#header, DETACHED, header);
  }

  /**
   * Frees keys of detached databases until told to stop; false when there is nothing left to free, or nothing
   * that the running snapshot has walked.
   */
  dismantleDetached(shouldStop: () => boolean): boolean {
    if (this.#detachedValues.dismantle(shouldStop)) return true;
    let [owner, word] = [this.#header, DETACHED];
    for (;;) {
      const header = getWord(this.arena, owner, word);
      if (header === 0) return false;
      const database = new Database(this, -1, header);
      if (database.cutIndex < 0) {
        const next = getWord(this.arena, header, DETACHED_NEXT);
        if (database.dismantle(shouldStop)) setWord(this.arena, owner, word, next);
        return true;
      }
      [owner, word] = [header, DETACHED_NEXT];
    }
  }

  /** Keys of detached databases, and detached values, that wait to be freed. */
  get lazyPendingCount(): number {
    let count = this.#detachedValues.count;
    let header = getWord(this.arena, this.#header, DETACHED);
    while (header !== 0) {
      count += new Database(this, -1, header).keyCount;
      header = getWord(this.arena, header, DETACHED_NEXT);
    }
    return count;
  }

  // Counters ------------------------------------------------------------------------------------------------

  counter(name: KeyspaceCounter): number {
    if (name === 'hits') return this.hitCount + getDouble(this.arena, this.#header, COUNTERS.hits);
    if (name === 'misses') return this.missCount + getDouble(this.arena, this.#header, COUNTERS.misses);
    return getDouble(this.arena, this.#header, COUNTERS[name]);
  }

  setCounter(name: KeyspaceCounter, value: number): void {
    setDouble(this.arena, this.#header, COUNTERS[name], value);
  }

  count(name: KeyspaceCounter, by: number): void {
    addDouble(this.arena, this.#header, COUNTERS[name], by);
  }

  /** Sets the counters to zero that CONFIG RESETSTAT forgets; `dirty` is no statistic. */
  resetStatistics(): void {
    for (const name of Object.keys(COUNTERS) as KeyspaceCounter[])
      if (name !== 'dirty') this.setCounter(name, 0);
    this.hitCount = 0;
    this.missCount = 0;
  }

  /** Changes since the last save. */
  get dirty(): number {
    return getDouble(this.arena, this.#header, COUNTERS.dirty) + this.changeCount;
  }

  /** Counts changes that no `changed()` tells of: keys deleted by the thousand. */
  addDirty(by: number): void {
    this.changeCount += by;
  }

  checkInvariants(): void {
    for (const database of this.databases) database.checkInvariants();
    this.held.checkInvariants();
    this.heldCollections.checkInvariants();
    this.allocator.checkInvariants();
  }
}

function createKeyspace(allocator: Allocator, random: RandomSource, databaseCount: number): void {
  assert(databaseCount > 0);
  const arena = allocator.arena;
  const words = DATABASES + databaseCount;
  const header = allocator.allocate(words * 4);
  clearWords(arena, header, words);
  setWord(arena, header, DATABASE_COUNT, databaseCount);
  setWord(arena, header, HASH_KEY_0, random.nextUint32());
  setWord(arena, header, HASH_KEY_1, random.nextUint32());
  for (let index = 0; index < databaseCount; index++) {
    const database = allocator.allocate((DATABASE_WORDS + 2) * 4);
    Database.initialize(allocator, database);
    setWord(arena, header, DATABASES + index, database);
  }
  arena.control[CONTROL_ROOT_KEYSPACE] = header;
}
