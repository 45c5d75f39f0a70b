/**
 * The ACL log: what was denied lately, and how often (Redis 7.0 acl.c, addACLLogEntry). A list of blocks
 * in the arena, the youngest first; all threads see it. Everything here runs under the store's lock.
 */
import type { AccessLogEntry } from '../../commands/services.ts';
import type { Allocator } from '../../memory/allocator.ts';
import type { Arena, Ref } from '../../memory/arena.ts';
import { byteOffset, bytesOf, getDouble, getWord, setDouble, setWord } from '../../memory/struct.ts';
import { ACCESS_FIRST_LOG_ENTRY, ACCESS_LOG_COUNT } from './shared-users.ts';

/** How far apart two alike may be to count as one. */
const GROUPING_MILLIS_MAX = 60_000;
/** So many of the youngest are compared with a new one. */
const COMPARED_ENTRIES_MAX = 10;

// An entry: the next one, bytes of its text, how often and when last.
const NEXT = 0;
const TEXT_BYTES = 1;
const COUNT = 1;
const TIME = 2;
const HEADER_BYTES = 24;

export type AccessLogFacts = Omit<AccessLogEntry, 'count' | 'time'>;

export class AclLog {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #root: Ref;

  /** @param root the block that shared-users.ts has made */
  constructor(allocator: Allocator, root: Ref) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#root = root;
  }

  get count(): number {
    return getWord(this.#arena, this.#root, ACCESS_LOG_COUNT);
  }

  /** @param lengthMax `acllog-max-len`; the oldest are forgotten beyond it */
  add(facts: AccessLogFacts, now: number, lengthMax: number): void {
    const count = this.#takeAlike(facts, now);
    this.#push(facts, count + 1, now);
    // One more of the same is none too many, also if the limit has been lowered since.
    if (count === 0) this.#limit(lengthMax);
  }

  /** The youngest. */
  entries(countMax: number): AccessLogEntry[] {
    const found: AccessLogEntry[] = [];
    for (let entry = this.#first; entry !== 0 && found.length < countMax; entry = this.#next(entry))
      found.push(this.#read(entry));
    return found;
  }

  clear(): void {
    this.#limit(0);
  }

  get #first(): Ref {
    return getWord(this.#arena, this.#root, ACCESS_FIRST_LOG_ENTRY);
  }

  #next(entry: Ref): Ref {
    return getWord(this.#arena, entry, NEXT);
  }

  /** Removes the entry that says the same, and returns how often it has happened. */
  #takeAlike(facts: AccessLogFacts, now: number): number {
    let previous: Ref = 0;
    let entry = this.#first;
    for (let i = 0; i < COMPARED_ENTRIES_MAX && entry !== 0; i++) {
      const known = this.#read(entry);
      if (isAlike(known, facts) && Math.abs(now - known.time) <= GROUPING_MILLIS_MAX) {
        this.#unlink(previous, entry);
        return known.count;
      }
      previous = entry;
      entry = this.#next(entry);
    }
    return 0;
  }

  #push(facts: AccessLogFacts, count: number, now: number): void {
    const arena = this.#arena;
    const text = Buffer.from(JSON.stringify(facts), 'utf8');
    const entry = this.#allocator.allocate(HEADER_BYTES + text.length);
    setWord(arena, entry, NEXT, this.#first);
    setWord(arena, entry, TEXT_BYTES, text.length);
    setDouble(arena, entry, COUNT, count);
    setDouble(arena, entry, TIME, now);
    bytesOf(arena, entry).set(text, byteOffset(entry) + HEADER_BYTES);
    setWord(arena, this.#root, ACCESS_FIRST_LOG_ENTRY, entry);
    setWord(arena, this.#root, ACCESS_LOG_COUNT, this.count + 1);
  }

  #read(entry: Ref): AccessLogEntry {
    const arena = this.#arena;
    const start = byteOffset(entry) + HEADER_BYTES;
    const bytes = bytesOf(arena, entry).slice(start, start + getWord(arena, entry, TEXT_BYTES));
    const facts = JSON.parse(Buffer.from(bytes).toString('utf8')) as AccessLogFacts;
    return { ...facts, count: getDouble(arena, entry, COUNT), time: getDouble(arena, entry, TIME) };
  }

  #limit(lengthMax: number): void {
    let previous: Ref = 0;
    let entry = this.#first;
    for (let i = 0; i < lengthMax && entry !== 0; i++) {
      previous = entry;
      entry = this.#next(entry);
    }
    while (entry !== 0) {
      const next = this.#next(entry);
      this.#unlink(previous, entry);
      entry = next;
    }
  }

  #unlink(previous: Ref, entry: Ref): void {
    const arena = this.#arena;
    const next = this.#next(entry);
    if (previous === 0) setWord(arena, this.#root, ACCESS_FIRST_LOG_ENTRY, next);
    else setWord(arena, previous, NEXT, next);
    this.#allocator.free(entry);
    setWord(arena, this.#root, ACCESS_LOG_COUNT, this.count - 1);
  }
}

function isAlike(a: AccessLogFacts, b: AccessLogFacts): boolean {
  return a.reason === b.reason && a.context === b.context && a.object === b.object && a.user === b.user;
}
