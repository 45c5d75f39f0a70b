/**
 * WATCH across threads: which clients watch which keys, in the arena.
 *
 *     table of watched keys                         links, one per (key, client)
 *     ┌────────────────────────┐   first link       ┌──────────────────────────────┐
 *     │ hash, database, key    │───────────────────▶│ next of key, client's marker │──▶ …
 *     └────────────────────────┘                    └──────────────────────────────┘
 *
 * A client's marker is a block of its own (a word that becomes 1 when a watched key changes), so this layer
 * knows nothing of clients. With no key watched, a write pays one comparison.
 */
import { strict as assert } from 'node:assert';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { CONTROL_ROOT_WATCHES, CONTROL_WATCHED_KEYS } from '../memory/control-block.ts';
import { byteOffset, bytesOf, clearWords, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import { ENTRY_HASH, HASH_TABLE_WORDS, HashTable } from '../structures/hash-table.ts';
import { copyBytes } from '../util/bytes.ts';
import { halfSipHash } from '../util/half-siphash.ts';

// A watched key: next, hash, then these. The database's number is part of the key's bytes.
const KEY_LINKS = 2;
const KEY_LENGTH = 3;
const KEY_OFFSET = 16;

// A link.
const LINK_NEXT_OF_KEY = 0;
const LINK_NEXT_OF_CLIENT = 1;
const LINK_KEY = 2;
const LINK_MARKER = 3;
/** A double, words 4 and 5: when the client began to watch the key, Unix time in ms. */
const LINK_SINCE = 2;
const LINK_BYTES = 24;

// A client's marker.
const MARKER_DIRTY = 0;
const MARKER_LINKS = 1;
/** A double, words 2 and 3: bytes of what the client watches. */
const MARKER_WATCHED_BYTES = 1;
const MARKER_BYTES = 16;

const DATABASE_BYTES = 4;

export class Watches {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #table: HashTable;
  readonly #hashKey0: number;
  readonly #hashKey1: number;
  /** Scratch: the database's number, then the key. */
  #name = Buffer.alloc(256);

  /** @param hashKey0 the keyspace's hash key: clients choose what they watch */
  constructor(allocator: Allocator, hashKey0: number, hashKey1: number) {
    this.#hashKey0 = hashKey0;
    this.#hashKey1 = hashKey1;
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    const { control } = allocator.arena;
    if (control[CONTROL_ROOT_WATCHES] === 0) {
      const header = allocator.allocate(HASH_TABLE_WORDS * 4);
      HashTable.initialize(allocator, header);
      control[CONTROL_ROOT_WATCHES] = header;
    }
    this.#table = new HashTable(allocator, control[CONTROL_ROOT_WATCHES]!, {
      keyLengthWord: KEY_LENGTH,
      keyOffset: KEY_OFFSET,
    });
  }

  /** How many keys are watched. */
  get count(): number {
    return this.#table.count;
  }

  /** A new client's marker. */
  createMarker(): Ref {
    const marker = this.#allocator.allocate(MARKER_BYTES);
    clearWords(this.#arena, marker, MARKER_BYTES / 4);
    return marker;
  }

  freeMarker(marker: Ref): void {
    this.unwatchAll(marker);
    this.#allocator.free(marker);
  }

  isDirty(marker: Ref): boolean {
    return getWord(this.#arena, marker, MARKER_DIRTY) !== 0;
  }

  /** How many keys the client watches. */
  watchedCount(marker: Ref): number {
    let count = 0;
    for (let link = getWord(this.#arena, marker, MARKER_LINKS); link !== 0; count++) {
      link = getWord(this.#arena, link, LINK_NEXT_OF_CLIENT);
    }
    return count;
  }

  /** Bytes that its watching takes. A key counts in full for each client, as if it were the only one. */
  watchedBytes(marker: Ref): number {
    return MARKER_BYTES + getDouble(this.#arena, marker, MARKER_WATCHED_BYTES);
  }

  /** @param now Unix time in ms, which tells whether the key was alive when the client began to watch it */
  watch(marker: Ref, databaseIndex: number, key: Uint8Array, start: number, end: number, now: number): void {
    const arena = this.#arena;
    const length = this.#setName(databaseIndex, key, start, end);
    const hash = halfSipHash(this.#hashKey0, this.#hashKey1, this.#name, 0, length);
    let watched = this.#table.find(this.#name, 0, length, hash);
    if (watched === 0) {
      watched = this.#allocator.allocate(KEY_OFFSET + length);
      setWord(arena, watched, ENTRY_HASH, hash);
      setWord(arena, watched, KEY_LINKS, 0);
      setWord(arena, watched, KEY_LENGTH, length);
      copyBytes(bytesOf(arena, watched), byteOffset(watched) + KEY_OFFSET, this.#name, 0, length);
      this.#table.insert(watched);
      arena.control[CONTROL_WATCHED_KEYS] = this.#table.count;
    }
    for (
      let link = getWord(arena, watched, KEY_LINKS);
      link !== 0;
      link = getWord(arena, link, LINK_NEXT_OF_KEY)
    ) {
      if (getWord(arena, link, LINK_MARKER) === marker) return;
    }
    const link = this.#allocator.allocate(LINK_BYTES);
    setWord(arena, link, LINK_NEXT_OF_KEY, getWord(arena, watched, KEY_LINKS));
    setWord(arena, link, LINK_NEXT_OF_CLIENT, getWord(arena, marker, MARKER_LINKS));
    setWord(arena, link, LINK_KEY, watched);
    setWord(arena, link, LINK_MARKER, marker);
    setDouble(arena, link, LINK_SINCE, now);
    setWord(arena, watched, KEY_LINKS, link);
    setWord(arena, marker, MARKER_LINKS, link);
    const watchedBytes = getDouble(arena, marker, MARKER_WATCHED_BYTES) + LINK_BYTES + KEY_OFFSET + length;
    setDouble(arena, marker, MARKER_WATCHED_BYTES, watchedBytes);
  }

  /** Forgets the client's keys and its mark. */
  unwatchAll(marker: Ref): void {
    let link = getWord(this.#arena, marker, MARKER_LINKS);
    while (link !== 0) {
      const next = getWord(this.#arena, link, LINK_NEXT_OF_CLIENT);
      this.#unlinkFromKey(link);
      this.#allocator.free(link);
      link = next;
    }
    setWord(this.#arena, marker, MARKER_LINKS, 0);
    setWord(this.#arena, marker, MARKER_DIRTY, 0);
    setDouble(this.#arena, marker, MARKER_WATCHED_BYTES, 0);
  }

  #unlinkFromKey(link: Ref): void {
    const arena = this.#arena;
    const watched = getWord(arena, link, LINK_KEY);
    const next = getWord(arena, link, LINK_NEXT_OF_KEY);
    if (getWord(arena, watched, KEY_LINKS) === link) {
      setWord(arena, watched, KEY_LINKS, next);
    } else {
      let previous = getWord(arena, watched, KEY_LINKS);
      while (getWord(arena, previous, LINK_NEXT_OF_KEY) !== link) {
        previous = getWord(arena, previous, LINK_NEXT_OF_KEY);
        assert(previous !== 0, 'a link hangs at its key');
      }
      setWord(arena, previous, LINK_NEXT_OF_KEY, next);
    }
    if (getWord(arena, watched, KEY_LINKS) === 0) {
      this.#table.remove(watched);
      arena.control[CONTROL_WATCHED_KEYS] = this.#table.count;
      this.#allocator.free(watched);
    }
  }

  /**
   * The key changed: marks every client that watches it.
   * @param lastAlive for the removal of a dead key, its expiry time: it is no change to clients that began to
   *   watch the key after that (Redis 7.0 multi.c, touchWatchedKey)
   */
  touch(
    databaseIndex: number,
    key: Uint8Array,
    start: number,
    end: number,
    lastAlive: number = Infinity,
  ): void {
    const length = this.#setName(databaseIndex, key, start, end);
    const watched = this.#table.find(
      this.#name,
      0,
      length,
      halfSipHash(this.#hashKey0, this.#hashKey1, this.#name, 0, length),
    );
    if (watched !== 0) this.#markAll(watched, lastAlive);
  }

  /**
   * All keys of a database may have changed: marks the clients that watch one.
   * @param databaseIndex the database, or -1 for all
   * @param now Unix time in ms: to the others a key that is dead from now on was so from the beginning
   * @param lastAlive until when the key was there: Infinity when it was alive until now or comes to life,
   *   its expiry time when it was dead, -Infinity when there is none
   */
  touchDatabase(
    databaseIndex: number,
    now: number,
    lastAlive: (databaseIndex: number, key: Uint8Array) => number,
  ): void {
    for (let group = 0; group < this.#table.groupCount; group++) {
      this.#table.visitGroupAt(group, (watched) => {
        const name = this.#nameOf(watched);
        const index = name.readInt32LE(0);
        if (databaseIndex === -1 || databaseIndex === index) {
          this.#markAll(watched, lastAlive(index, name.subarray(DATABASE_BYTES)), now);
        }
      });
    }
  }

  /** Visits the keys that the client watches; `since` is when it began to, Unix time in ms. */
  forEachWatched(marker: Ref, visit: (databaseIndex: number, key: Uint8Array, since: number) => void): void {
    let link = getWord(this.#arena, marker, MARKER_LINKS);
    while (link !== 0) {
      const name = this.#nameOf(getWord(this.#arena, link, LINK_KEY));
      visit(name.readInt32LE(0), name.subarray(DATABASE_BYTES), getDouble(this.#arena, link, LINK_SINCE));
      link = getWord(this.#arena, link, LINK_NEXT_OF_CLIENT);
    }
  }

  #markAll(watched: Ref, lastAlive: number, now = 0): void {
    const arena = this.#arena;
    let link = getWord(arena, watched, KEY_LINKS);
    while (link !== 0) {
      const since = getDouble(arena, link, LINK_SINCE);
      if (since <= lastAlive) setWord(arena, getWord(arena, link, LINK_MARKER), MARKER_DIRTY, 1);
      else if (since < now) setDouble(arena, link, LINK_SINCE, now);
      link = getWord(arena, link, LINK_NEXT_OF_KEY);
    }
  }

  #nameOf(watched: Ref): Buffer {
    const start = byteOffset(watched) + KEY_OFFSET;
    const length = getWord(this.#arena, watched, KEY_LENGTH);
    return Buffer.from(bytesOf(this.#arena, watched).slice(start, start + length));
  }

  #setName(databaseIndex: number, key: Uint8Array, start: number, end: number): number {
    const length = DATABASE_BYTES + end - start;
    if (length > this.#name.length) this.#name = Buffer.alloc(length * 2);
    this.#name.writeInt32LE(databaseIndex, 0);
    copyBytes(this.#name, DATABASE_BYTES, key, start, end);
    return length;
  }
}
