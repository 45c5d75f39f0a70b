/**
 * Keys that change while a snapshot runs, as they were at its cut: the thread that changes a key copies it
 * into a queue in the arena first, and the persistence thread takes it from there.
 *
 *     header ──▶ chunk ──▶ chunk ──▶ chunk       each a block: next, bytes in use, then records
 *                                                (snapshot-entry.ts); the last one is filled
 *
 * The persistence thread detaches all chunks at once, under the lock, copies one after the other into its own
 * memory, writes what is in them, and frees them when it has the lock again. Should it fall behind, the
 * others wait for it before they take the lock (`waitForRoom`): memory is bounded, not the time to save.
 *
 * Header, shared by all threads:
 *     word 0      1 while a snapshot takes keys
 *     word 1      1 when there was no memory for one: the snapshot is not complete
 *     word 2      raised, atomically, whenever there is more room
 *     words 3, 4  first and last chunk
 *     word 5      bytes of all chunks that are not freed
 *     double 3    keys that came this way since the snapshot began
 *     word 8      raised, atomically, when the persistence thread should not pause any longer
 */
import type { Database } from '../keyspace/database.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { CONTROL_ROOT_SNAPSHOT } from '../memory/control-block.ts';
import {
  byteOffset,
  bytesOf,
  clearWords,
  addDouble,
  getDouble,
  getWord,
  setDouble,
  setWord,
  wordsOf,
} from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';
import { hold, isTooLarge, recordBytes, writeRecord, type RecordBuffer } from './snapshot-entry.ts';

const ACTIVE = 0;
const HAS_FAILED = 1;
const TURNS = 2;
const FIRST = 3;
const LAST = 4;
const QUEUED_BYTES = 5;
const PRESERVED_DOUBLE = 3;
const ALERTS = 8;
const HEADER_WORDS = 9;

// A chunk.
const NEXT = 0;
const USED = 1;
const CHUNK_HEADER_BYTES = 8;
const CHUNK_BYTES = 64 * 1024;

/** Beyond this, those who change keys wait a little each time … */
const QUEUE_BYTES_MAX = 8 * 1024 * 1024;
/** … as they do while this much is kept of large values that were changed or deleted … */
const HELD_BYTES_MAX = 32 * 1024 * 1024;
const WAIT_MILLIS = 10;
/** … and from here on they wait until there is room, looking up once in a while. */
const QUEUE_BYTES_FULL = 2 * QUEUE_BYTES_MAX;
const FULL_WAIT_MILLIS = 1000;
/** Before it comes to that, the snapshot takes no pauses … */
const QUEUE_BYTES_URGENT = QUEUE_BYTES_MAX / 2;
/** … nor with this much kept of large values, which it then writes before all else. */
export const HELD_BYTES_URGENT = HELD_BYTES_MAX / 4;

export class SnapshotQueue {
  readonly #arena: Arena;
  readonly #allocator: Allocator;
  readonly #keyspace: Keyspace;
  readonly #header: Ref;
  /** The header's words, and the index of word 0 in them. */
  readonly #words: Int32Array;
  readonly #at: number;

  /** The queue in the keyspace's arena; the first thread to come creates it. */
  constructor(keyspace: Keyspace) {
    const { arena, allocator } = keyspace;
    this.#arena = arena;
    this.#allocator = allocator;
    this.#keyspace = keyspace;
    if (arena.control[CONTROL_ROOT_SNAPSHOT] === 0) {
      const header = allocator.allocate(HEADER_WORDS * 4);
      clearWords(arena, header, HEADER_WORDS);
      arena.control[CONTROL_ROOT_SNAPSHOT] = header;
    }
    this.#header = arena.control[CONTROL_ROOT_SNAPSHOT]!;
    this.#words = wordsOf(arena, this.#header);
    this.#at = byteOffset(this.#header) >> 2;
  }

  // For those who change keys -------------------------------------------------------------------------------

  /** True while a snapshot takes keys. */
  get isActive(): boolean {
    return this.#get(ACTIVE) !== 0;
  }

  /** Hands over an entry that is about to change: the keyspace's observer calls it, under the lock. */
  preserve(database: Database, entry: Ref): void {
    if (!this.isActive) return;
    addDouble(this.#arena, this.#header, PRESERVED_DOUBLE, 1);
    const isPreserved = isTooLarge(this.#keyspace, entry)
      ? this.#hold(entry, database.cutIndex)
      : this.#copy(entry, database.cutIndex);
    // The command that changes the key must not fail for the snapshot's sake.
    if (!isPreserved) this.#set(HAS_FAILED, 1);
  }

  /** Ends a pause of the persistence thread when there is much for it to do. */
  #endPause(): void {
    if (!this.#isUrgent()) return;
    Atomics.add(this.#words, this.#at + ALERTS, 1);
    Atomics.notify(this.#words, this.#at + ALERTS);
  }

  #isUrgent(): boolean {
    return this.queuedBytes > QUEUE_BYTES_URGENT || this.heldBytes() > HELD_BYTES_URGENT;
  }

  /**
   * Waits, without the lock, while the snapshot is too far behind. Costs two loads while it is not.
   * @returns true when it had to wait
   */
  waitForRoom(): boolean {
    if (!this.#isCrowded()) return false;
    // A hint: nobody holds the lock, and the bytes may be others by now.
    const turns = Atomics.load(this.#words, this.#at + TURNS);
    if (!this.#isCrowded()) return false;
    const deadline =
      performance.now() + (this.queuedBytes > QUEUE_BYTES_FULL ? FULL_WAIT_MILLIS : WAIT_MILLIS);
    for (let seen = turns; this.#isCrowded(); seen = Atomics.load(this.#words, this.#at + TURNS)) {
      const left = deadline - performance.now();
      if (left <= 0) break;
      Atomics.wait(this.#words, this.#at + TURNS, seen, left);
    }
    return true;
  }

  // No getter, for it is asked at each wake-up: V8 reads private ones by a call of its runtime.
  #isCrowded(): boolean {
    return this.queuedBytes > QUEUE_BYTES_MAX || this.heldBytes() > HELD_BYTES_MAX;
  }

  /** Bytes of the arena that the queue takes. */
  get queuedBytes(): number {
    return this.#get(QUEUED_BYTES);
  }

  /** Memory that is kept for large values that were changed or deleted, bytes. */
  heldBytes(): number {
    return this.#keyspace.held.waitingBytes + this.#keyspace.heldCollections.waitingBytes;
  }

  /** Keys that changed since the running, or the last, snapshot began, and were handed over. */
  get preservedCount(): number {
    return getDouble(this.#arena, this.#header, PRESERVED_DOUBLE);
  }

  /** False when there is no memory. */
  #hold(entry: Ref, cutIndex: number): boolean {
    const isHeld = hold(this.#keyspace, entry, cutIndex);
    this.#endPause();
    return isHeld;
  }

  /** False when there is no memory. */
  #copy(entry: Ref, cutIndex: number): boolean {
    const arena = this.#arena;
    const keyspace = this.#keyspace;
    const length = recordBytes(keyspace, entry);
    const chunk = this.#chunkFor(length);
    if (chunk === 0) return false;
    const used = getWord(arena, chunk, USED);
    const at = byteOffset(chunk) + CHUNK_HEADER_BYTES + used;
    writeRecord({ keyspace, entry, cutIndex, length }, wordsOf(arena, chunk), bytesOf(arena, chunk), at);
    setWord(arena, chunk, USED, used + length);
    return true;
  }

  /** The last chunk, or a new one behind it when it has no room. */
  #chunkFor(length: number): Ref {
    const arena = this.#arena;
    const last = this.#get(LAST);
    if (last !== 0) {
      const room = this.#allocator.usableBytes(last) - CHUNK_HEADER_BYTES - getWord(arena, last, USED);
      if (length <= room) return last;
    }
    const chunk = this.#allocator.tryAllocate(Math.max(CHUNK_BYTES, CHUNK_HEADER_BYTES + length));
    if (chunk === 0) return 0;
    setWord(arena, chunk, NEXT, 0);
    setWord(arena, chunk, USED, 0);
    if (last === 0) this.#set(FIRST, chunk);
    else setWord(arena, last, NEXT, chunk);
    this.#set(LAST, chunk);
    this.#set(QUEUED_BYTES, this.#get(QUEUED_BYTES) + this.#allocator.usableBytes(chunk));
    this.#endPause();
    return chunk;
  }

  // For the snapshot ----------------------------------------------------------------------------------------

  /** Keys are taken from now on; under the lock, together with the cut. */
  begin(): void {
    this.#set(HAS_FAILED, 0);
    this.#keyspace.heldCollections.begin();
    setDouble(this.#arena, this.#header, PRESERVED_DOUBLE, 0);
    this.#set(ACTIVE, 1);
  }

  /** No more keys are taken; what is in the queue is dropped. Under the lock. */
  end(): void {
    this.#set(ACTIVE, 0);
    this.free(this.takeChunks());
  }

  /** True when a key could not be handed over for want of memory. */
  get hasFailed(): boolean {
    return this.#get(HAS_FAILED) !== 0 || this.#keyspace.heldCollections.hasFailed;
  }

  get isEmpty(): boolean {
    return this.#get(FIRST) === 0;
  }

  /** Detaches what has come so far, under the lock: a list of chunks, 0 when there are none. */
  takeChunks(): Ref {
    const first = this.#get(FIRST);
    this.#set(FIRST, 0);
    this.#set(LAST, 0);
    return first;
  }

  /** Copies the records of a detached chunk; returns the next chunk, or 0. Needs no lock. */
  readChunk(chunk: Ref, records: RecordBuffer): Ref {
    const used = getWord(this.#arena, chunk, USED);
    const start = byteOffset(chunk) + CHUNK_HEADER_BYTES;
    records.used = 0;
    records.reserve(used);
    copyBytes(records.bytes, 0, bytesOf(this.#arena, chunk), start, start + used);
    records.used = used;
    return getWord(this.#arena, chunk, NEXT);
  }

  /**
   * Leaves the clients alone for that long, without the lock: shorter when what they hand over becomes much.
   */
  pause(micros: number): void {
    const alerts = Atomics.load(this.#words, this.#at + ALERTS);
    if (!this.#isUrgent()) Atomics.wait(this.#words, this.#at + ALERTS, alerts, micros / 1000);
  }

  /** Frees detached chunks, under the lock, and wakes those who wait for room. */
  free(chunks: Ref): void {
    for (let chunk = chunks; chunk !== 0;) {
      const next = getWord(this.#arena, chunk, NEXT);
      this.#set(QUEUED_BYTES, this.#get(QUEUED_BYTES) - this.#allocator.usableBytes(chunk));
      this.#allocator.free(chunk);
      chunk = next;
    }
    this.wake();
  }

  /** Wakes those who wait for room. */
  wake(): void {
    Atomics.add(this.#words, this.#at + TURNS, 1);
    Atomics.notify(this.#words, this.#at + TURNS);
  }

  #get(word: number): number {
    return this.#words[this.#at + word]!;
  }

  #set(word: number, value: number): void {
    this.#words[this.#at + word] = value;
  }
}
