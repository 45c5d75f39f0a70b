/**
 * The users as all threads share them: a record for each in the arena, and a version in the control block
 * that tells when any has changed. A thread parses a user when it first needs it, and again when it has
 * changed.
 *
 *     root      first user, first entry of the ACL log and their number (acl-log.ts), last id, last version
 *     record    next, bytes of the name, bytes of the text, –, id, version, then name and text
 *
 * Everything here runs under the store's lock.
 */
import type { Allocator } from '../../memory/allocator.ts';
import type { Arena, Ref } from '../../memory/arena.ts';
import { CONTROL_ACCESS_VERSION, CONTROL_ROOT_ACCESS } from '../../memory/control-block.ts';
import { sharedBlock } from '../../memory/shared-block.ts';
import { byteOffset, bytesOf, getDouble, getWord, setDouble, setWord } from '../../memory/struct.ts';
import { User } from './user.ts';

/** Words of the root. */
const FIRST_USER = 0;
export const ACCESS_FIRST_LOG_ENTRY = 1;
export const ACCESS_LOG_COUNT = 2;
/** A double of the root. */
const LAST_ID = 2;
const ROOT_WORDS = 6;

const NEXT = 0;
const NAME_BYTES = 1;
const TEXT_BYTES = 2;
/** Doubles: an id belongs to a user until it is deleted, a version to one state of it. */
const ID = 2;
const VERSION = 3;
const HEADER_BYTES = 32;

/** A user as this thread knows it. */
export class UserHandle {
  readonly name: string;
  readonly id: number;
  readonly version: number;
  /** As text until it is needed. */
  #state: User | string;

  constructor(facts: Pick<UserHandle, 'name' | 'id' | 'version'>, state: User | string) {
    this.name = facts.name;
    this.id = facts.id;
    this.version = facts.version;
    this.#state = state;
  }

  /** Not to be changed: a change is made to a copy, and written. */
  get user(): User {
    if (typeof this.#state === 'string') this.#state = User.parse(this.name, this.#state);
    return this.#state;
  }
}

export class SharedUsers {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  /** What acl-log.ts shares with this. */
  readonly root: Ref;
  #version = 0;
  #byName = new Map<string, UserHandle>();

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.root = sharedBlock(allocator, CONTROL_ROOT_ACCESS, ROOT_WORDS);
  }

  /** Another thread has changed a user, or this one has. */
  get hasChanged(): boolean {
    return this.#arena.control[CONTROL_ACCESS_VERSION] !== this.#version;
  }

  /** Reads what has changed. */
  refresh(): void {
    const arena = this.#arena;
    const users = new Map<string, UserHandle>();
    const known = new Map([...this.#byName.values()].map((handle) => [handle.id, handle]));
    for (let record = this.#first; record !== 0; record = getWord(arena, record, NEXT)) {
      const handle = known.get(getDouble(arena, record, ID));
      const isCurrent = handle?.version === getDouble(arena, record, VERSION);
      const current = handle !== undefined && isCurrent ? handle : this.#read(record);
      users.set(current.name, current);
    }
    this.#byName = users;
    this.#version = arena.control[CONTROL_ACCESS_VERSION]!;
  }

  find(name: string): UserHandle | undefined {
    return this.#byName.get(name);
  }

  /** All of them, in the order of their names' bytes. */
  get sorted(): readonly UserHandle[] {
    return [...this.#byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Makes a user known to all threads, in the place of the one of its name, whose id it keeps. Nothing may
   * have changed since this thread has looked.
   */
  write(user: User): void {
    const id = this.find(user.name)?.id ?? this.#newId();
    const isNew = this.find(user.name) === undefined;
    if (!isNew) this.#unlink(id);

    const arena = this.#arena;
    const name = Buffer.from(user.name, 'latin1');
    const text = Buffer.from(user.serialize(), 'utf8');
    const record = this.#allocator.allocate(HEADER_BYTES + name.length + text.length);
    const version = arena.control[CONTROL_ACCESS_VERSION]! + 1;
    setWord(arena, record, NEXT, this.#first);
    setWord(arena, record, NAME_BYTES, name.length);
    setWord(arena, record, TEXT_BYTES, text.length);
    setDouble(arena, record, ID, id);
    setDouble(arena, record, VERSION, version);
    const start = byteOffset(record) + HEADER_BYTES;
    bytesOf(arena, record).set(name, start);
    bytesOf(arena, record).set(text, start + name.length);
    setWord(arena, this.root, FIRST_USER, record);
    arena.control[CONTROL_ACCESS_VERSION] = version;
    this.#byName.set(user.name, new UserHandle({ name: user.name, id, version }, user));
    this.#version = version;
  }

  /** The same for a user that goes. */
  remove({ id, name }: UserHandle): void {
    this.#unlink(id);
    this.#byName.delete(name);
    this.#version = this.#arena.control[CONTROL_ACCESS_VERSION]! + 1;
    this.#arena.control[CONTROL_ACCESS_VERSION] = this.#version;
  }

  get #first(): Ref {
    return getWord(this.#arena, this.root, FIRST_USER);
  }

  #newId(): number {
    const id = getDouble(this.#arena, this.root, LAST_ID) + 1;
    setDouble(this.#arena, this.root, LAST_ID, id);
    return id;
  }

  #read(record: Ref): UserHandle {
    const arena = this.#arena;
    const start = byteOffset(record) + HEADER_BYTES;
    const middle = start + getWord(arena, record, NAME_BYTES);
    const end = middle + getWord(arena, record, TEXT_BYTES);
    const bytes = bytesOf(arena, record);
    const facts = {
      name: Buffer.from(bytes.slice(start, middle)).toString('latin1'),
      id: getDouble(arena, record, ID),
      version: getDouble(arena, record, VERSION),
    };
    return new UserHandle(facts, Buffer.from(bytes.slice(middle, end)).toString('utf8'));
  }

  #unlink(id: number): void {
    const arena = this.#arena;
    let previous: Ref = 0;
    for (let record = this.#first; record !== 0; record = getWord(arena, record, NEXT)) {
      if (getDouble(arena, record, ID) !== id) {
        previous = record;
        continue;
      }
      const next = getWord(arena, record, NEXT);
      if (previous === 0) setWord(arena, this.root, FIRST_USER, next);
      else setWord(arena, previous, NEXT, next);
      this.#allocator.free(record);
      return;
    }
  }
}
