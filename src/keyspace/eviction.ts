/**
 * Which key goes when there is no room (Redis 7.0 evict.c). Nobody keeps the keys in order of their use; a
 * few are drawn at random, and the best of all that were seen lately wait in a *pool* of 16, the one to go
 * first at its end:
 *
 *     sample of 5 ──▶  3 │ 17 │ 20 │ … │ 844 ──▶ the next to be evicted
 *                      score: idle seconds, 255 − frequency, or how soon the key expires
 *
 * The pool is shared by all threads: a block in the arena. Keys in it are named by their hash. An entry may
 * move or go meanwhile, so the hash is looked up when it is its turn; a key that is not there any more is
 * passed over, and one with the same hash may go in its place if it may go at all.
 *
 *     words 0 – 3     keys in the pool; database that a random key was last taken from; 0; 0
 *     doubles 2 …     16 scores, ascending
 *     then            16 × 2 words: hash of the key, index of its database
 */
import type { Arena, Ref } from '../memory/arena.ts';
import { CONTROL_ROOT_EVICTION } from '../memory/control-block.ts';
import { clearWords, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import { ENTRY_HASH } from '../structures/hash-table.ts';
import type { Database } from './database.ts';
import type { Keyspace } from './keyspace.ts';

/** Which keys may go, and which of them goes first: the values of `maxmemory-policy`. */
export type EvictionPolicy =
  | 'volatile-lru'
  | 'volatile-lfu'
  | 'volatile-random'
  | 'volatile-ttl'
  | 'allkeys-lru'
  | 'allkeys-lfu'
  | 'allkeys-random'
  | 'noeviction';

export const POOL_KEYS = 16;

const COUNT = 0;
const LAST_DATABASE = 1;
/** Doubles. */
const SCORES = 2;
/** Words. */
const NAMES = (SCORES + POOL_KEYS) * 2;
const NAME_WORDS = 2;
const POOL_WORDS = NAMES + POOL_KEYS * NAME_WORDS;

/** How much a key should go, by the last part of the policy's name: the more, the sooner. */
type Score = (database: Database, entry: Ref) => number;

export class Eviction {
  readonly #keyspace: Keyspace;
  readonly #arena: Arena;
  readonly #pool: Ref;
  #sample = new Int32Array(0);
  readonly #nextUint32: () => number;
  readonly #scores: Readonly<Record<'lru' | 'lfu' | 'ttl', Score>>;

  /** The eviction in the keyspace's arena; the first thread to come creates the pool. */
  constructor(keyspace: Keyspace) {
    const { arena, allocator, accessClock, random } = keyspace;
    this.#keyspace = keyspace;
    this.#arena = arena;
    this.#nextUint32 = () => random.nextUint32();
    this.#scores = {
      lru: (database, entry) => accessClock.idleSeconds(database.clockOf(entry)),
      lfu: (database, entry) => 255 - accessClock.frequency(database.clockOf(entry)),
      ttl: (database, entry) => -database.expiryOf(entry),
    };
    if (arena.control[CONTROL_ROOT_EVICTION] === 0) {
      const pool = allocator.allocate(POOL_WORDS * 4);
      clearWords(arena, pool, POOL_WORDS);
      arena.control[CONTROL_ROOT_EVICTION] = pool;
    }
    this.#pool = arena.control[CONTROL_ROOT_EVICTION]!;
  }

  /**
   * Deletes one key; false when there is none that may go.
   * @param sampleCount `maxmemory-samples`: keys of each database that are looked at
   */
  evictOne(policy: EvictionPolicy, sampleCount: number): boolean {
    const [whose, order] = policy.split('-') as [string, 'lru' | 'lfu' | 'ttl' | 'random' | undefined];
    if (order === undefined) return false;
    const isVolatile = whose === 'volatile';
    return order === 'random'
      ? this.#evictRandom(isVolatile)
      : this.#evictBest(isVolatile, this.#scores[order], sampleCount);
  }

  // In order ------------------------------------------------------------------------------------------------

  #evictBest(isVolatile: boolean, score: Score, sampleCount: number): boolean {
    for (;;) {
      if (!this.#fillPool(isVolatile, score, sampleCount)) return false;
      while (this.#poolCount > 0) {
        const place = this.#poolCount - 1;
        this.#poolCount = place;
        const database = this.#keyspace.databases[this.#nameAt(place, 1)]!;
        const entry = database.table.findByHash(
          this.#nameAt(place, 0),
          (candidate) => !isVolatile || database.expires(candidate),
        );
        if (entry === 0) continue;
        database.evict(entry);
        return true;
      }
    }
  }

  /** Draws a sample of each database; false when there is no key that may go. */
  #fillPool(isVolatile: boolean, score: Score, sampleCount: number): boolean {
    let hasKeys = false;
    for (const database of this.#keyspace.databases) {
      const keyCount = isVolatile ? database.expiringCount : database.keyCount;
      if (keyCount === 0) continue;
      hasKeys = true;
      const wanted = Math.min(sampleCount, keyCount);
      if (this.#sample.length < wanted) this.#sample = new Int32Array(wanted);
      const found = isVolatile
        ? this.#sampleExpiring(database, wanted)
        : database.table.sample(this.#sample, wanted, this.#nextUint32);
      for (let i = 0; i < found; i++) {
        const entry = this.#sample[i]!;
        this.#offer(score(database, entry), getWord(this.#arena, entry, ENTRY_HASH), database.index);
      }
    }
    return hasKeys;
  }

  #sampleExpiring(database: Database, wanted: number): number {
    const { expiringCount } = database;
    for (let i = 0; i < wanted; i++) {
      const place = wanted === expiringCount ? i : this.#nextUint32() % expiringCount;
      this.#sample[i] = database.expiringAt(place);
    }
    return wanted;
  }

  /**
   * Puts a key into the pool, before those with the same score, unless all that are in it should go sooner.
   */
  #offer(score: number, hash: number, databaseIndex: number): void {
    const count = this.#poolCount;
    let place = 0;
    while (place < count && this.#scoreAt(place) < score) place++;
    if (count < POOL_KEYS) {
      for (let i = count; i > place; i--) this.#copy(i - 1, i);
      this.#poolCount = count + 1;
    } else {
      if (place === 0) return;
      place--;
      for (let i = 0; i < place; i++) this.#copy(i + 1, i);
    }
    this.#put(place, score, hash, databaseIndex);
  }

  // Any -----------------------------------------------------------------------------------------------------

  /** Takes the databases in turn. */
  #evictRandom(isVolatile: boolean): boolean {
    const { databases } = this.#keyspace;
    for (let i = 0; i < databases.length; i++) {
      const index = (getWord(this.#arena, this.#pool, LAST_DATABASE) + 1) % databases.length;
      setWord(this.#arena, this.#pool, LAST_DATABASE, index);
      const database = databases[index]!;
      if ((isVolatile ? database.expiringCount : database.keyCount) === 0) continue;
      database.evict(
        isVolatile
          ? database.expiringAt(this.#nextUint32() % database.expiringCount)
          : database.table.random(this.#nextUint32),
      );
      return true;
    }
    return false;
  }

  // The pool ------------------------------------------------------------------------------------------------

  get #poolCount(): number {
    return getWord(this.#arena, this.#pool, COUNT);
  }

  set #poolCount(count: number) {
    setWord(this.#arena, this.#pool, COUNT, count);
  }

  #scoreAt(place: number): number {
    return getDouble(this.#arena, this.#pool, SCORES + place);
  }

  #nameAt(place: number, word: 0 | 1): number {
    return getWord(this.#arena, this.#pool, NAMES + place * NAME_WORDS + word);
  }

  #copy(from: number, to: number): void {
    this.#put(to, this.#scoreAt(from), this.#nameAt(from, 0), this.#nameAt(from, 1));
  }

  #put(place: number, score: number, hash: number, databaseIndex: number): void {
    setDouble(this.#arena, this.#pool, SCORES + place, score);
    setWord(this.#arena, this.#pool, NAMES + place * NAME_WORDS, hash);
    setWord(this.#arena, this.#pool, NAMES + place * NAME_WORDS + 1, databaseIndex);
  }
}
