/**
 * What the threads share of the append-only file that is being written: a block in the arena.
 *
 * Commands are encoded into the *pending* buffer by whoever holds the store's lock, in the order in which
 * they were run. A thread that wants its commands on disk takes the log's own lock, makes the pending buffer
 * the *outgoing* one, and writes that to the file while others go on to fill the next:
 *
 *     store's lock                         log's lock
 *     ┌ pending ───────────┐   detach      ┌ outgoing ──────────┐   write, sync
 *     │ record record …    │ ────────────▶ │ records   checksum │ ────────────▶ file
 *     └────────────────────┘               └────────────────────┘
 *
 * So one write, and one sync, serves everybody whose commands were pending. Positions count the bytes of
 * records that were ever appended; they tell a thread whether its commands are among those written.
 *
 * Order of locks: the store's first. Who holds the log's lock never waits for the store's.
 */
import type { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { CONTROL_LOG_MUTEX, CONTROL_ROOT_LOG } from '../memory/control-block.ts';
import { Mutex } from '../memory/mutex.ts';
import { byteOffset, bytesOf, clearWords, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';

/** Words of the block. Under the store's lock: */
export const LOG_DATABASE = 0;
export const LOG_IN_MULTI = 1;
/** Under the log's lock: */
export const LOG_DESCRIPTOR = 2;
export const LOG_STATE = 3;
export const LOG_ERROR = 4;
/** 1 when what becomes of the sync that is running does not matter any more. */
export const LOG_SYNC_IGNORED = 5;
/** The file that is being synced, and whether it is to be closed afterwards. */
export const LOG_SYNC_DESCRIPTOR = 6;
export const LOG_SYNC_CLOSES = 7;
/** The two buffers: BUFFER_WORDS each. */
const PENDING = 8;
const OUTGOING = 13;
/** Whether commands are logged (append-only-log.ts), and the error number that makes writes be refused. */
export const LOG_MODE = 18;
export const LOG_FAILURE = 19;
const WORDS = 20;

/** Doubles, behind the words. */
const DOUBLES = [
  /** Positions: what was appended, detached, written, and synced by a flush. */
  'appended',
  'detached',
  'written',
  'durable',
  /** Of the open file, bytes. */
  'size',
  'syncedSize',
  /** What a sync that is running will have covered. */
  'syncingSize',
  /** Of the last failed write: bytes that stayed in the file because they could not be cut off. */
  'partialBytes',
  /** What the pending records say, or will say, about synced bytes; Unix seconds of the last timestamp. */
  'announcedOffset',
  'lastTimestamp',
  /** The schedule of syncs, microseconds of the process' clock. */
  'lastSync',
  'postponedSince',
  'delayedSyncs',
  /** Bytes in the manifest's files but for the open one, and the size that growth is counted from. */
  'closedBytes',
  'rewrittenBytes',
] as const;
type LogDouble = (typeof DOUBLES)[number];
/** An object and not a map: the compiler knows where a name leads, and appending is on the path of a SET. */
const DOUBLE_PLACES = Object.fromEntries(DOUBLES.map((name, index) => [name, WORDS / 2 + index])) as Readonly<
  Record<LogDouble, number>
>;

const BLOCK_BYTES = WORDS * 4 + DOUBLES.length * 8;

/** No file is open. */
export const NO_DESCRIPTOR = -1;
const NO_DATABASE = -1;
/** Nothing waits; no timestamp was written. */
export const NO_TIME = -1;

export class SharedLog {
  readonly mutex: Mutex;
  readonly pending: LogBuffer;
  readonly outgoing: LogBuffer;
  readonly #arena: Arena;
  readonly #block: Ref;

  /** The first thread to come creates the block. Under the store's lock. */
  constructor(allocator: Allocator, threadNumber: number) {
    const { arena } = allocator;
    const isFirst = arena.control[CONTROL_ROOT_LOG] === 0;
    if (isFirst) {
      const block = allocator.allocate(BLOCK_BYTES);
      clearWords(arena, block, BLOCK_BYTES / 4);
      arena.control[CONTROL_ROOT_LOG] = block;
    }
    this.#arena = arena;
    this.#block = arena.control[CONTROL_ROOT_LOG]!;
    this.mutex = new Mutex(arena.control, CONTROL_LOG_MUTEX, threadNumber);
    this.pending = new LogBuffer(allocator, this.#block, PENDING);
    this.outgoing = new LogBuffer(allocator, this.#block, OUTGOING);
    if (!isFirst) return;
    this.set(LOG_DESCRIPTOR, NO_DESCRIPTOR);
    this.set(LOG_SYNC_DESCRIPTOR, NO_DESCRIPTOR);
    this.setDouble('postponedSince', NO_TIME);
    this.beginFile(0);
  }

  get(word: number): number {
    return getWord(this.#arena, this.#block, word);
  }

  set(word: number, value: number): void {
    setWord(this.#arena, this.#block, word, value);
  }

  double(name: LogDouble): number {
    return getDouble(this.#arena, this.#block, DOUBLE_PLACES[name]);
  }

  setDouble(name: LogDouble, value: number): void {
    setDouble(this.#arena, this.#block, DOUBLE_PLACES[name], value);
  }

  /** For a newly opened file, which begins or goes on with a mark: its first group selects a database. */
  beginFile(syncedOffset: number): void {
    this.set(LOG_DATABASE, NO_DATABASE);
    this.setDouble('lastTimestamp', NO_TIME);
    this.setDouble('announcedOffset', syncedOffset);
  }

  /** Makes what is pending outgoing, which must be empty. Under both locks. */
  detach(): void {
    this.pending.swapWith(this.outgoing);
    this.setDouble('detached', this.double('appended'));
  }
}

const INITIAL_BYTES = 64 * 1024;
/** A buffer that needed more goes back to its first size when it is empty. */
const KEPT_BYTES_MAX = 1024 * 1024;

const BUFFER_BLOCK = 0;
const BUFFER_START = 1;
const BUFFER_END = 2;
const BUFFER_CAPACITY = 3;
/** Where the group begins that has no checksum yet. */
const BUFFER_GROUP = 4;
const BUFFER_WORDS = 5;

/**
 * Bytes in a block of the arena that grows.
 *
 *     0 ≤ start ≤ group ≤ end ≤ capacity
 *         └ sealed ┘└ open group ┘
 */
export class LogBuffer {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #header: Ref;
  readonly #word: number;

  constructor(allocator: Allocator, header: Ref, word: number) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#header = header;
    this.#word = word;
  }

  get length(): number {
    return this.#get(BUFFER_END) - this.#get(BUFFER_START);
  }

  /** Bytes of its block. */
  get capacity(): number {
    return this.#get(BUFFER_CAPACITY);
  }

  /** The segment's bytes, and where the buffer's begin and end in them. */
  get bytes(): Uint8Array {
    return bytesOf(this.#arena, this.#get(BUFFER_BLOCK));
  }

  get start(): number {
    return byteOffset(this.#get(BUFFER_BLOCK)) + this.#get(BUFFER_START);
  }

  get end(): number {
    return byteOffset(this.#get(BUFFER_BLOCK)) + this.#get(BUFFER_END);
  }

  /** Where the open group begins; it is at the end if none is open. */
  get groupStart(): number {
    return byteOffset(this.#get(BUFFER_BLOCK)) + this.#get(BUFFER_GROUP);
  }

  get hasOpenGroup(): boolean {
    return this.#get(BUFFER_END) > this.#get(BUFFER_GROUP);
  }

  /** The open group has its checksum: another begins behind it. */
  closeGroup(): void {
    this.#set(BUFFER_GROUP, this.#get(BUFFER_END));
  }

  /** Makes room for so many bytes, and returns where in `bytes` they go; `advance` adds them. */
  reserve(byteCount: number): number {
    const end = this.#get(BUFFER_END);
    if (end + byteCount > this.#get(BUFFER_CAPACITY)) this.#grow(end + byteCount);
    return byteOffset(this.#get(BUFFER_BLOCK)) + end;
  }

  advance(byteCount: number): void {
    this.#set(BUFFER_END, this.#get(BUFFER_END) + byteCount);
  }

  /** Forgets the first bytes; the block of an empty buffer that has become large is given back. */
  consume(byteCount: number): void {
    this.#set(BUFFER_START, this.#get(BUFFER_START) + byteCount);
    if (this.length > 0) return;
    this.#set(BUFFER_START, 0);
    this.#set(BUFFER_END, 0);
    this.#set(BUFFER_GROUP, 0);
  }

  /** Gives an empty buffer's block back if it has become large. Under the store's lock. */
  trim(): void {
    if (this.length > 0 || this.#get(BUFFER_CAPACITY) <= KEPT_BYTES_MAX) return;
    this.#allocator.free(this.#get(BUFFER_BLOCK));
    this.#set(BUFFER_BLOCK, 0);
    this.#set(BUFFER_CAPACITY, 0);
  }

  swapWith(other: LogBuffer): void {
    for (let word = 0; word < BUFFER_WORDS; word++) {
      const mine = this.#get(word);
      this.#set(word, other.#get(word));
      other.#set(word, mine);
    }
  }

  #grow(needed: number): void {
    const capacity = Math.max(needed, this.#get(BUFFER_CAPACITY) * 2, INITIAL_BYTES);
    const block = this.#allocator.allocate(capacity);
    const old = this.#get(BUFFER_BLOCK);
    if (old !== 0) {
      const from = byteOffset(old);
      const end = from + this.#get(BUFFER_END);
      copyBytes(bytesOf(this.#arena, block), byteOffset(block), bytesOf(this.#arena, old), from, end);
      this.#allocator.free(old);
    }
    this.#set(BUFFER_BLOCK, block);
    this.#set(BUFFER_CAPACITY, capacity);
  }

  #get(word: number): number {
    return getWord(this.#arena, this.#header, this.#word + word);
  }

  #set(word: number, value: number): void {
    setWord(this.#arena, this.#header, this.#word + word, value);
  }
}
