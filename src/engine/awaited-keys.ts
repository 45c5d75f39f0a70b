/**
 * Who waits for which keys, in the arena, for all threads.
 *
 *     table of awaited keys               waiters, one per (key, client), oldest first
 *     ┌─────────────────────────┐         ┌─────────┐   ┌─────────┐
 *     │ hash, database, key     │────────▶│ waiter  │──▶│ waiter  │──▶ …
 *     └─────────────────────────┘         └────┬────┘   └─────────┘
 *                                              ▼
 *                                  wait: client, what it waits for, until when, and its command
 *
 * Keys that have become ready form a list, in that order. Everything here runs under the store's lock.
 */
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { CONTROL_AWAITED_KEYS, CONTROL_ROOT_BLOCKING } from '../memory/control-block.ts';
import { byteOffset, bytesOf, clearWords, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import { Request } from '../protocol/request.ts';
import { ENTRY_HASH, HASH_TABLE_WORDS, HashTable } from '../structures/hash-table.ts';
import { copyBytes } from '../util/bytes.ts';
import { halfSipHash } from '../util/half-siphash.ts';

// The header: the table, then these.
const FIRST_READY = HASH_TABLE_WORDS;
const LAST_READY = HASH_TABLE_WORDS + 1;
const HEADER_WORDS = HASH_TABLE_WORDS + 2;

// An awaited key: next, hash, then these. The database's number is part of its name.
const KEY_FIRST = 2;
const KEY_LAST = 3;
const KEY_NEXT_READY = 4;
const KEY_IS_READY = 5;
const KEY_LENGTH = 6;
const KEY_OFFSET = 28;
const DATABASE_BYTES = 4;

// A waiter.
const WAITER_NEXT_OF_KEY = 0;
const WAITER_PREVIOUS_OF_KEY = 1;
const WAITER_NEXT_OF_WAIT = 2;
const WAITER_KEY = 3;
const WAITER_WAIT = 4;
const WAITER_BYTES = 20;

// A wait.
const WAIT_WAITERS = 0;
const WAIT_REQUEST = 1;
export const WAIT_CLIENT = 2;
export const WAIT_TYPE = 3;
export const WAIT_TIMEOUT_REPLY = 4;
export const WAIT_DATABASE = 5;
export const WAIT_PROTOCOL = 6;
export const WAIT_SESSION_FLAGS = 7;
/** A double, words 8 and 9: Unix time in ms, Infinity = never. */
const WAIT_DEADLINE = 4;
const WAIT_BYTES = 40;

export class AwaitedKeys {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #header: Ref;
  readonly #table: HashTable;
  readonly #hashKey0: number;
  readonly #hashKey1: number;
  /** Scratch: the database's number, then the key. */
  #name = Buffer.alloc(256);

  /** @param hashKey0 the keyspace's hash key: clients choose what they wait for */
  constructor(allocator: Allocator, hashKey0: number, hashKey1: number) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#hashKey0 = hashKey0;
    this.#hashKey1 = hashKey1;
    const { control } = allocator.arena;
    if (control[CONTROL_ROOT_BLOCKING] === 0) {
      const header = allocator.allocate(HEADER_WORDS * 4);
      clearWords(allocator.arena, header, HEADER_WORDS);
      HashTable.initialize(allocator, header);
      control[CONTROL_ROOT_BLOCKING] = header;
    }
    this.#header = control[CONTROL_ROOT_BLOCKING]!;
    this.#table = new HashTable(allocator, this.#header, {
      keyLengthWord: KEY_LENGTH,
      keyOffset: KEY_OFFSET,
    });
  }

  // Waits ---------------------------------------------------------------------------------------------------

  /** A client begins to wait; the keys are added one by one, the other fields by `set`. */
  addWait(client: Ref, request: Request, deadline: number): Ref {
    const arena = this.#arena;
    const wait = this.#allocator.allocate(WAIT_BYTES);
    clearWords(arena, wait, WAIT_BYTES / 4);
    setWord(arena, wait, WAIT_CLIENT, client);
    setWord(arena, wait, WAIT_REQUEST, this.#storeRequest(request));
    setDouble(arena, wait, WAIT_DEADLINE, deadline);
    return wait;
  }

  set(wait: Ref, field: number, value: number): void {
    setWord(this.#arena, wait, field, value);
  }

  get(wait: Ref, field: number): number {
    return getWord(this.#arena, wait, field);
  }

  deadlineOf(wait: Ref): number {
    return getDouble(this.#arena, wait, WAIT_DEADLINE);
  }

  /** The command that is run again when a key is ready. */
  requestOf(wait: Ref): Request {
    const arena = this.#arena;
    const block = getWord(arena, wait, WAIT_REQUEST);
    const count = getWord(arena, block, 0);
    const request = new Request();
    let position = 0;
    for (let i = 0; i < count; i++) {
      const end = position + getWord(arena, block, 1 + i);
      request.push(position, end);
      position = end;
    }
    const start = byteOffset(block) + (1 + count) * 4;
    request.buffer = Buffer.from(bytesOf(arena, block).slice(start, start + position));
    return request;
  }

  #storeRequest(request: Request): Ref {
    const arena = this.#arena;
    const { count, buffer } = request;
    let byteCount = (1 + count) * 4;
    for (let i = 0; i < count; i++) byteCount += request.length(i);
    const block = this.#allocator.allocate(byteCount);
    setWord(arena, block, 0, count);
    let position = byteOffset(block) + (1 + count) * 4;
    for (let i = 0; i < count; i++) {
      setWord(arena, block, 1 + i, request.length(i));
      position = copyBytes(bytesOf(arena, block), position, buffer, request.start(i), request.end(i));
    }
    return block;
  }

  /** The client waits for this key too, behind all others; once, however often it is named. */
  addKey(wait: Ref, database: number, key: Uint8Array, start: number, end: number): void {
    const arena = this.#arena;
    const awaited = this.#find(database, key, start, end) || this.#addName();
    for (let waiter = getWord(arena, wait, WAIT_WAITERS); waiter !== 0;) {
      if (getWord(arena, waiter, WAITER_KEY) === awaited) return;
      waiter = getWord(arena, waiter, WAITER_NEXT_OF_WAIT);
    }
    const waiter = this.#allocator.allocate(WAITER_BYTES);
    const last = getWord(arena, awaited, KEY_LAST);
    setWord(arena, waiter, WAITER_NEXT_OF_KEY, 0);
    setWord(arena, waiter, WAITER_PREVIOUS_OF_KEY, last);
    setWord(arena, waiter, WAITER_NEXT_OF_WAIT, getWord(arena, wait, WAIT_WAITERS));
    setWord(arena, waiter, WAITER_KEY, awaited);
    setWord(arena, waiter, WAITER_WAIT, wait);
    setWord(arena, wait, WAIT_WAITERS, waiter);
    setWord(arena, awaited, KEY_LAST, waiter);
    if (last === 0) setWord(arena, awaited, KEY_FIRST, waiter);
    else setWord(arena, last, WAITER_NEXT_OF_KEY, waiter);
  }

  /** The client waits no more. */
  removeWait(wait: Ref): void {
    const arena = this.#arena;
    for (let waiter = getWord(arena, wait, WAIT_WAITERS); waiter !== 0;) {
      const next = getWord(arena, waiter, WAITER_NEXT_OF_WAIT);
      this.#removeWaiter(waiter);
      waiter = next;
    }
    this.#allocator.free(getWord(arena, wait, WAIT_REQUEST));
    this.#allocator.free(wait);
  }

  #removeWaiter(waiter: Ref): void {
    const arena = this.#arena;
    const awaited = getWord(arena, waiter, WAITER_KEY);
    const next = getWord(arena, waiter, WAITER_NEXT_OF_KEY);
    const previous = getWord(arena, waiter, WAITER_PREVIOUS_OF_KEY);
    if (previous === 0) setWord(arena, awaited, KEY_FIRST, next);
    else setWord(arena, previous, WAITER_NEXT_OF_KEY, next);
    if (next === 0) setWord(arena, awaited, KEY_LAST, previous);
    else setWord(arena, next, WAITER_PREVIOUS_OF_KEY, previous);
    this.#allocator.free(waiter);
    this.#dropIfUnused(awaited);
  }

  // Keys ----------------------------------------------------------------------------------------------------

  /** The waits for a key, oldest first. */
  waitsOf(awaited: Ref): Ref[] {
    const arena = this.#arena;
    const waits: Ref[] = [];
    for (let waiter = getWord(arena, awaited, KEY_FIRST); waiter !== 0;) {
      waits.push(getWord(arena, waiter, WAITER_WAIT));
      waiter = getWord(arena, waiter, WAITER_NEXT_OF_KEY);
    }
    return waits;
  }

  /** The awaited key of that name, or 0. */
  find(database: number, key: Uint8Array, start: number, end: number): Ref {
    return this.#find(database, key, start, end);
  }

  databaseOf(awaited: Ref): number {
    return getWord(this.#arena, awaited, KEY_OFFSET / 4);
  }

  keyOf(awaited: Ref): Buffer {
    const start = byteOffset(awaited) + KEY_OFFSET + DATABASE_BYTES;
    const end = byteOffset(awaited) + KEY_OFFSET + getWord(this.#arena, awaited, KEY_LENGTH);
    return Buffer.from(bytesOf(this.#arena, awaited).slice(start, end));
  }

  /** All awaited keys of a database, or of all of them (-1). */
  keysOf(database: number): Ref[] {
    const found: Ref[] = [];
    for (let group = 0; group < this.#table.groupCount; group++) {
      this.#table.visitGroupAt(group, (awaited) => {
        if (database < 0 || this.databaseOf(awaited) === database) found.push(awaited);
      });
    }
    return found;
  }

  /** Puts a key on the list of those that are ready. */
  noteReady(awaited: Ref): void {
    const arena = this.#arena;
    if (getWord(arena, awaited, KEY_IS_READY) !== 0) return;
    setWord(arena, awaited, KEY_IS_READY, 1);
    setWord(arena, awaited, KEY_NEXT_READY, 0);
    const last = getWord(arena, this.#header, LAST_READY);
    if (last === 0) setWord(arena, this.#header, FIRST_READY, awaited);
    else setWord(arena, last, KEY_NEXT_READY, awaited);
    setWord(arena, this.#header, LAST_READY, awaited);
  }

  /** Takes the first key off that list, or 0. It stays until `release`. */
  takeReady(): Ref {
    const arena = this.#arena;
    const awaited = getWord(arena, this.#header, FIRST_READY);
    if (awaited === 0) return 0;
    const next = getWord(arena, awaited, KEY_NEXT_READY);
    setWord(arena, this.#header, FIRST_READY, next);
    if (next === 0) setWord(arena, this.#header, LAST_READY, 0);
    return awaited;
  }

  /** Ends what `takeReady` began: the key may become ready again, and is forgotten when nobody waits. */
  release(awaited: Ref): void {
    setWord(this.#arena, awaited, KEY_IS_READY, 0);
    this.#dropIfUnused(awaited);
  }

  #dropIfUnused(awaited: Ref): void {
    const arena = this.#arena;
    if (getWord(arena, awaited, KEY_FIRST) !== 0 || getWord(arena, awaited, KEY_IS_READY) !== 0) return;
    this.#table.remove(awaited);
    this.#allocator.free(awaited);
    arena.control[CONTROL_AWAITED_KEYS] = this.#table.count;
  }

  #nameLength = 0;
  #nameHash = 0;

  #find(database: number, key: Uint8Array, start: number, end: number): Ref {
    this.#nameLength = DATABASE_BYTES + end - start;
    if (this.#nameLength > this.#name.length) this.#name = Buffer.alloc(this.#nameLength * 2);
    this.#name.writeInt32LE(database, 0);
    copyBytes(this.#name, DATABASE_BYTES, key, start, end);
    this.#nameHash = halfSipHash(this.#hashKey0, this.#hashKey1, this.#name, 0, this.#nameLength);
    return this.#table.find(this.#name, 0, this.#nameLength, this.#nameHash);
  }

  /** Adds the key that `#find` has not found. */
  #addName(): Ref {
    const arena = this.#arena;
    const awaited = this.#allocator.allocate(KEY_OFFSET + this.#nameLength);
    clearWords(arena, awaited, KEY_OFFSET / 4);
    setWord(arena, awaited, ENTRY_HASH, this.#nameHash);
    setWord(arena, awaited, KEY_LENGTH, this.#nameLength);
    copyBytes(bytesOf(arena, awaited), byteOffset(awaited) + KEY_OFFSET, this.#name, 0, this.#nameLength);
    this.#table.insert(awaited);
    arena.control[CONTROL_AWAITED_KEYS] = this.#table.count;
    return awaited;
  }
}
