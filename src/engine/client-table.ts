/**
 * The table of clients: one record per connection in the arena, so that every thread can list, find and end
 * the clients of every other. The owner keeps the figures of its own clients up to date.
 */
import type { Session } from '../commands/session.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { CONTROL_ROOT_CLIENTS } from '../memory/control-block.ts';
import { byteOffset, bytesOf, clearWords, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import { ENTRY_HASH, HASH_TABLE_WORDS, HashTable } from '../structures/hash-table.ts';
import type { EntryLayout } from '../structures/hash-table.ts';
import { STATE_CLIENT_BYTES, STATE_CLIENT_COUNT, STATE_NEXT_CLIENT_ID } from './shared-state.ts';

/** Words of a record. */
export const CLIENT_THREAD = 2;
export const CLIENT_FLAGS = 3;
export const CLIENT_DATABASE = 4;
export const CLIENT_PROTOCOL = 5;
/** Commands queued by MULTI, −1 outside of it. */
export const CLIENT_QUEUED = 6;
/** Id of the last command, −1 before the first. */
export const CLIENT_COMMAND = 7;
export const CLIENT_DESCRIPTOR = 8;
/** Bytes received and not yet run, and free room behind them. */
export const CLIENT_INPUT = 12;
export const CLIENT_INPUT_FREE = 13;
/** Pieces of replies that wait to be sent. */
export const CLIENT_OUTPUT_COUNT = 14;
/** What the client waits for (awaited-keys.ts), 0 = nothing. */
export const CLIENT_WAIT = 25;
/** Bytes that the arguments of an incomplete request take besides the input. */
export const CLIENT_ARGUMENT_BYTES = 26;
/** 1 once its end is decided: it is not listed any more, and its thread will hear of it. */
export const CLIENT_ENDING = 27;
export const CLIENT_QUEUED_BYTES = 29;
/** The client's marker among the watches, 0 before its first WATCH. */
export const CLIENT_WATCH_MARKER = 30;

/** Doubles of a record. */
const CLIENT_ID = 8;
export const CLIENT_CREATED = 9;
export const CLIENT_INTERACTION = 10;
export const CLIENT_OUTPUT_BYTES = 11;

/** Subscriptions (topics.ts) by kind: the first, the last, how many. Twelve words. */
export const CLIENT_SUBSCRIPTIONS = 32;
/** How the client tracks keys (tracking.ts); 0 = it does not. */
export const CLIENT_TRACKING = 51;

/** Bytes that wait in the mail of the client's thread to be put to its output (deliveries.ts). */
export const CLIENT_MAILED_BYTES = 22;
/** The client that gets this one's invalidation messages, 0 = itself. */
export const CLIENT_REDIRECTION = 23;
/** What the client counts for in STATE_CLIENT_BYTES (client-eviction.ts). */
export const CLIENT_COUNTED_BYTES = 26;
/** Bytes of its subscriptions and prefixes (topics.ts). */
export const CLIENT_TOPIC_BYTES = 27;

const NAME = 9;
const ADDRESS = 10;
const LOCAL_ADDRESS = 11;
const USER = 24;
// Words 0 and 1 belong to the table by id, whose key is the id.
const ID_LENGTH = 48;
const NEXT = 49;
const PREVIOUS = 50;
const RECORD_WORDS = 56;
const ID_BYTES = 8;
const BY_ID: EntryLayout = { keyLengthWord: ID_LENGTH, keyOffset: CLIENT_ID * 8 };

// The table's header: the table by id, then the oldest and the youngest client.
const FIRST = HASH_TABLE_WORDS;
const LAST = HASH_TABLE_WORDS + 1;
const HEADER_WORDS = HASH_TABLE_WORDS + 2;

export class ClientTable {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #header: Ref;
  readonly #byId: HashTable;
  /** Scratch: an id as a number and as the bytes of a key. */
  readonly #id = new Float64Array(1);
  readonly #idBytes = new Uint8Array(this.#id.buffer);

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    const { control, counters } = allocator.arena;
    if (control[CONTROL_ROOT_CLIENTS] === 0) {
      const header = allocator.allocate(HEADER_WORDS * 4);
      clearWords(allocator.arena, header, HEADER_WORDS);
      HashTable.initialize(allocator, header);
      control[CONTROL_ROOT_CLIENTS] = header;
      counters[STATE_NEXT_CLIENT_ID] = 1;
    }
    this.#header = control[CONTROL_ROOT_CLIENTS]!;
    this.#byId = new HashTable(allocator, this.#header, BY_ID);
  }

  get count(): number {
    return this.#arena.control[STATE_CLIENT_COUNT]!;
  }

  /** Adds a client, the youngest. */
  add(address: string, localAddress: string, now: number): Ref {
    const arena = this.#arena;
    const record = this.#allocator.allocate(RECORD_WORDS * 4);
    clearWords(arena, record, RECORD_WORDS);
    setWord(arena, record, CLIENT_QUEUED, -1);
    setWord(arena, record, CLIENT_COMMAND, -1);
    setWord(arena, record, CLIENT_PROTOCOL, 2);
    setWord(arena, record, ADDRESS, this.#newText(address));
    setWord(arena, record, LOCAL_ADDRESS, this.#newText(localAddress));
    const id = arena.counters[STATE_NEXT_CLIENT_ID]!;
    arena.counters[STATE_NEXT_CLIENT_ID] = id + 1;
    setDouble(arena, record, CLIENT_ID, id);
    setDouble(arena, record, CLIENT_CREATED, now);
    setDouble(arena, record, CLIENT_INTERACTION, now);
    setWord(arena, record, ID_LENGTH, ID_BYTES);
    setWord(arena, record, ENTRY_HASH, hashOfId(id));
    this.#byId.insert(record);

    const last = getWord(arena, this.#header, LAST);
    setWord(arena, record, PREVIOUS, last);
    if (last === 0) setWord(arena, this.#header, FIRST, record);
    else setWord(arena, last, NEXT, record);
    setWord(arena, this.#header, LAST, record);
    arena.control[STATE_CLIENT_COUNT] = this.count + 1;
    return record;
  }

  remove(record: Ref): void {
    const arena = this.#arena;
    this.end(record);
    this.#byId.remove(record);
    const next = getWord(arena, record, NEXT);
    const previous = getWord(arena, record, PREVIOUS);
    if (previous === 0) setWord(arena, this.#header, FIRST, next);
    else setWord(arena, previous, NEXT, next);
    if (next === 0) setWord(arena, this.#header, LAST, previous);
    else setWord(arena, next, PREVIOUS, previous);
    for (const field of [NAME, ADDRESS, LOCAL_ADDRESS, USER]) this.#setText(record, field, '');
    this.#allocator.free(record);
    arena.control[STATE_CLIENT_COUNT] = this.count - 1;
  }

  /** The client's end is decided: it counts for nothing any more. */
  end(record: Ref): void {
    const { counters } = this.#arena;
    setWord(this.#arena, record, CLIENT_ENDING, 1);
    counters[STATE_CLIENT_BYTES] =
      counters[STATE_CLIENT_BYTES]! - getDouble(this.#arena, record, CLIENT_COUNTED_BYTES);
    setDouble(this.#arena, record, CLIENT_COUNTED_BYTES, 0);
  }

  /** Visits the records, oldest first. */
  forEach(visit: (record: Ref) => void): void {
    let record = getWord(this.#arena, this.#header, FIRST);
    while (record !== 0) {
      const next = getWord(this.#arena, record, NEXT);
      visit(record);
      record = next;
    }
  }

  /** The client's record, or 0. */
  find(id: number): Ref {
    this.#id[0] = id;
    return this.#byId.find(this.#idBytes, 0, ID_BYTES, hashOfId(id));
  }

  idOf(record: Ref): number {
    return getDouble(this.#arena, record, CLIENT_ID);
  }

  get(record: Ref, word: number): number {
    return getWord(this.#arena, record, word);
  }

  set(record: Ref, word: number, value: number): void {
    setWord(this.#arena, record, word, value);
  }

  getDouble(record: Ref, double: number): number {
    return getDouble(this.#arena, record, double);
  }

  setDouble(record: Ref, double: number, value: number): void {
    setDouble(this.#arena, record, double, value);
  }

  /** Writes what changes with every batch of a client's requests. */
  publish(session: Session, now: number): void {
    const arena = this.#arena;
    const { record } = session;
    setWord(arena, record, CLIENT_FLAGS, session.flags);
    setWord(arena, record, CLIENT_DATABASE, session.databaseIndex);
    setWord(arena, record, CLIENT_PROTOCOL, session.protocolVersion);
    setWord(arena, record, CLIENT_QUEUED, session.isInTransaction ? session.queue.length : -1);
    setWord(arena, record, CLIENT_QUEUED_BYTES, session.queuedBytes);
    setWord(arena, record, CLIENT_COMMAND, session.lastCommandId);
    setWord(arena, record, CLIENT_WATCH_MARKER, session.watchMarker);
    setDouble(arena, record, CLIENT_INTERACTION, now);
  }

  setInput(record: Ref, inputBytes: number, inputFree: number, argumentBytes: number): void {
    setWord(this.#arena, record, CLIENT_INPUT, inputBytes);
    setWord(this.#arena, record, CLIENT_INPUT_FREE, inputFree);
    setWord(this.#arena, record, CLIENT_ARGUMENT_BYTES, argumentBytes);
  }

  /** When the client's last request was run, Unix time in ms. */
  lastSeen(record: Ref): number {
    return getDouble(this.#arena, record, CLIENT_INTERACTION);
  }

  setOutput(record: Ref, pieceCount: number, byteCount: number): void {
    setWord(this.#arena, record, CLIENT_OUTPUT_COUNT, pieceCount);
    setDouble(this.#arena, record, CLIENT_OUTPUT_BYTES, byteCount);
  }

  name(record: Ref): string {
    return this.#text(record, NAME);
  }

  setName(record: Ref, name: string): void {
    this.#setText(record, NAME, name);
  }

  user(record: Ref): string {
    return this.get(record, USER) === 0 ? 'default' : this.#text(record, USER);
  }

  setUser(record: Ref, user: string): void {
    this.#setText(record, USER, '');
    // A name may be empty: only the default user has no block.
    if (user !== 'default') setWord(this.#arena, record, USER, this.#newText(user));
  }

  address(record: Ref): string {
    return this.#text(record, ADDRESS);
  }

  localAddress(record: Ref): string {
    return this.#text(record, LOCAL_ADDRESS);
  }

  #text(record: Ref, field: number): string {
    const block = getWord(this.#arena, record, field);
    if (block === 0) return '';
    const start = byteOffset(block) + 4;
    return Buffer.from(
      bytesOf(this.#arena, block).slice(start, start + getWord(this.#arena, block, 0)),
    ).toString('latin1');
  }

  #setText(record: Ref, field: number, text: string): void {
    const old = getWord(this.#arena, record, field);
    if (old !== 0) this.#allocator.free(old);
    setWord(this.#arena, record, field, text === '' ? 0 : this.#newText(text));
  }

  #newText(text: string): Ref {
    const bytes = Buffer.from(text, 'latin1');
    const block = this.#allocator.allocate(4 + bytes.length);
    setWord(this.#arena, block, 0, bytes.length);
    bytesOf(this.#arena, block).set(bytes, byteOffset(block) + 4);
    return block;
  }
}

/** Whether the client has subscribed to anything. */
export function isSubscriber(table: ClientTable, record: Ref): boolean {
  return (
    (table.get(record, CLIENT_SUBSCRIPTIONS + 2) |
      table.get(record, CLIENT_SUBSCRIPTIONS + 5) |
      table.get(record, CLIENT_SUBSCRIPTIONS + 8)) !==
    0
  );
}

/** Ids follow each other: a multiplication spreads them over the buckets. */
function hashOfId(id: number): number {
  return Math.imul(id, 0x9e3779b1);
}
