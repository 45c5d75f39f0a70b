/**
 * The table of clients: one record per connection in the arena, so that every thread can list, find and end
 * the clients of every other. The owner keeps the figures of its own clients up to date.
 */
import type { Session } from '../commands/session.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { CONTROL_ROOT_CLIENTS } from '../memory/control-block.ts';
import { byteOffset, bytesOf, clearWords, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import { STATE_CLIENT_COUNT, STATE_NEXT_CLIENT_ID } from './shared-state.ts';

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
export const CLIENT_QUEUED_BYTES = 29;
/** The client's marker among the watches, 0 before its first WATCH. */
export const CLIENT_WATCH_MARKER = 30;

/** Doubles of a record. */
const CLIENT_ID = 8;
export const CLIENT_CREATED = 9;
export const CLIENT_INTERACTION = 10;
export const CLIENT_OUTPUT_BYTES = 11;

const NEXT = 0;
const PREVIOUS = 1;
const NAME = 9;
const ADDRESS = 10;
const LOCAL_ADDRESS = 11;
const USER = 24;
const RECORD_WORDS = 32;

// The table's header.
const FIRST = 0;
const LAST = 1;
const HEADER_WORDS = 4;

export class ClientTable {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #header: Ref;

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    const { control, counters } = allocator.arena;
    if (control[CONTROL_ROOT_CLIENTS] === 0) {
      const header = allocator.allocate(HEADER_WORDS * 4);
      clearWords(allocator.arena, header, HEADER_WORDS);
      control[CONTROL_ROOT_CLIENTS] = header;
      counters[STATE_NEXT_CLIENT_ID] = 1;
    }
    this.#header = control[CONTROL_ROOT_CLIENTS]!;
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
    let record = getWord(this.#arena, this.#header, FIRST);
    while (record !== 0 && this.idOf(record) !== id) record = getWord(this.#arena, record, NEXT);
    return record;
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

  /** Writes what changes with every batch of a client's requests. */
  publish(session: Session, inputBytes: number, inputFree: number, now: number): void {
    const arena = this.#arena;
    const { record } = session;
    setWord(arena, record, CLIENT_FLAGS, session.flags);
    setWord(arena, record, CLIENT_DATABASE, session.databaseIndex);
    setWord(arena, record, CLIENT_PROTOCOL, session.protocolVersion);
    setWord(arena, record, CLIENT_QUEUED, session.isInTransaction ? session.queue.length : -1);
    setWord(arena, record, CLIENT_QUEUED_BYTES, session.queuedBytes);
    setWord(arena, record, CLIENT_COMMAND, session.lastCommandId);
    setWord(arena, record, CLIENT_WATCH_MARKER, session.watchMarker);
    this.setInput(record, inputBytes, inputFree);
    setDouble(arena, record, CLIENT_INTERACTION, now);
  }

  setInput(record: Ref, inputBytes: number, inputFree: number): void {
    setWord(this.#arena, record, CLIENT_INPUT, inputBytes);
    setWord(this.#arena, record, CLIENT_INPUT_FREE, inputFree);
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
    return this.#text(record, USER) || 'default';
  }

  setUser(record: Ref, user: string): void {
    this.#setText(record, USER, user === 'default' ? '' : user);
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
