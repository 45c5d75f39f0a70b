/** Random keys, and random changes to them of every kind, for tests of snapshots. */
import type { Ref } from '../../src/memory/arena.ts';
import { BorrowedBytes } from '../../src/memory/struct.ts';
import { TYPE_STRING } from '../../src/keyspace/entry.ts';
import type { Database } from '../../src/keyspace/database.ts';
import type { Keyspace } from '../../src/keyspace/keyspace.ts';
import { CollectionMutator } from './collection-mutations.ts';
import { canonicalOf } from './collection-state.ts';
import type { SeededRandom } from './seeded-random.ts';

/** What a key is at a moment. */
export interface KeyState {
  readonly value: Buffer;
  readonly expiry: number;
}

/** All keys by database and name. */
export type KeyspaceState = Map<string, KeyState>;

export function stateKey(databaseIndex: number, key: Uint8Array): string {
  return `${databaseIndex}:${Buffer.from(key).toString('latin1')}`;
}

/** Reads the whole keyspace, dead keys included. */
export function stateOf(keyspace: Keyspace): KeyspaceState {
  const state: KeyspaceState = new Map();
  for (const database of keyspace.databases) {
    forEachEntry(database, (entry) => {
      const value = canonicalOf(keyspace, database, entry);
      state.set(stateKey(database.index, database.keyOf(entry)), { value, expiry: database.expiryOf(entry) });
    });
  }
  return state;
}

export function forEachEntry(database: Database, visit: (entry: Ref) => void): void {
  const { table } = database;
  const entries: Ref[] = [];
  for (let group = 0; group < table.groupCount; group++) {
    table.visitGroupAt(group, (entry) => entries.push(entry));
  }
  entries.forEach(visit);
}

export interface MutationOptions {
  /** How many names keys have, per database. */
  readonly nameCount: number;
  /** How likely a value has a block of its own, of more than 64 KiB. */
  readonly longRatio: number;
  readonly longBytesMax: number;
  /** How likely a value is a collection, and how many elements the largest of them have. */
  readonly collectionRatio?: number;
  readonly elementsMax?: number;
}

export class Mutator {
  readonly #keyspace: Keyspace;
  readonly #random: SeededRandom;
  readonly #options: MutationOptions;
  readonly #view = new BorrowedBytes();
  readonly #collections: CollectionMutator;

  constructor(keyspace: Keyspace, random: SeededRandom, options: MutationOptions) {
    this.#collections = new CollectionMutator(keyspace, random, options.elementsMax ?? 0);
    this.#keyspace = keyspace;
    this.#random = random;
    this.#options = options;
  }

  name(index: number): Buffer {
    return Buffer.from(`${index}`.padEnd(1 + (index % 37), '·'));
  }

  /** Fills the databases, each with some of the names. */
  fill(ratio: number): void {
    for (const database of this.#keyspace.databases) {
      for (let index = 0; index < this.#options.nameCount; index++) {
        if (!this.#random.chance(ratio)) continue;
        const entry = this.#set(database, this.name(index));
        if (this.#random.chance(0.3))
          database.setExpiry(entry, this.#keyspace.now + this.#random.integer(0, 5000));
      }
    }
  }

  /** Changes the key of that name in one of the databases, in one of all possible ways. */
  mutate(index: number, database = this.#random.pick(this.#keyspace.databases)): void {
    const name = this.name(index);
    const entry = database.find(name, 0, name.length);
    if (entry === 0) {
      this.#set(database, name);
      return;
    }
    const { strings } = this.#keyspace;
    const isString = database.typeOf(entry) === TYPE_STRING;
    const edits = isString
      ? [
          { weight: 10, run: () => this.#overwrite(database, entry) },
          { weight: 10, run: () => this.#edit(database, entry, strings.length(entry)) },
          { weight: 10, run: () => this.#append(database, entry) },
          { weight: 3, run: () => this.#edit(database, entry, this.#random.integer(0, 3000)) },
        ]
      : [{ weight: 40, run: () => this.#collections.mutate(database, entry) }];
    this.#random
      .pickWeighted([
        { weight: 10, run: () => void this.#set(database, name) },
        ...edits,
        {
          weight: 8,
          run: () => void database.setExpiry(entry, this.#keyspace.now + this.#random.integer(0, 50)),
        },
        { weight: 5, run: () => void database.clearExpiry(entry) },
        { weight: 10, run: () => database.delete(entry) },
        { weight: 5, run: () => database.expire(entry) },
        { weight: 12, run: () => this.#move(database, entry) },
        { weight: 6, run: () => this.#copy(entry) },
      ])
      .run();
  }

  /** Something that concerns many keys. */
  upheave(): void {
    const { databases, allocator } = this.#keyspace;
    const database = this.#random.pick(databases);
    this.#random
      .pickWeighted([
        {
          weight: 3,
          run: () => database.swapWith(this.#random.pick(databases.filter((other) => other !== database))),
        },
        { weight: 1, run: () => database.clear(this.#random.chance(0.5)) },
        { weight: 2, run: () => void this.#keyspace.dismantleDetached(() => true) },
        { weight: 2, run: () => void database.table.rehashGroups(this.#random.integer(1, 500)) },
        { weight: 1, run: () => this.#grow(database) },
        { weight: 1, run: () => this.#shrink(database) },
        {
          weight: 1,
          run: () => {
            allocator.beginCompaction(1);
            forEachEntry(database, (entry) => database.relocate(entry));
            allocator.endCompaction();
          },
        },
      ])
      .run();
  }

  /** Empties everything, so that what is left is what nobody frees. */
  empty(): void {
    for (const database of this.#keyspace.databases) database.clear(false);
    while (this.#keyspace.dismantleDetached(() => false));
  }

  #set(database: Database, name: Buffer): Ref {
    if (this.#random.chance(this.#options.collectionRatio ?? 0)) {
      const old = database.find(name, 0, name.length);
      if (old !== 0) database.delete(old);
      return this.#collections.create(database, name);
    }
    const value = this.#value();
    const keepsExpiry = this.#random.chance(0.3);
    return this.#keyspace.strings.set(database, name, 0, name.length, value, 0, value.length, keepsExpiry);
  }

  #overwrite(database: Database, entry: Ref): void {
    const length = this.#keyspace.strings.length(entry);
    const value = this.#random.chance(0.5) ? this.#bytes(length) : this.#value();
    this.#keyspace.strings.overwrite(database, entry, value, 0, value.length);
  }

  /** SETRANGE: gives the value that length, and writes somewhere in it. */
  #edit(database: Database, entry: Ref, length: number): void {
    const start = this.#random.integer(0, length);
    const patch = this.#bytes(Math.min(length - start, this.#random.integer(0, 1000)));
    const end = start + patch.length;
    this.#keyspace.strings.edit(database, entry, length, this.#view, start, end);
    this.#view.bytes.set(patch, this.#view.start + start);
  }

  #append(database: Database, entry: Ref): void {
    const oldLength = this.#keyspace.strings.length(entry);
    const added = this.#bytes(this.#random.integer(1, this.#random.chance(0.2) ? 50_000 : 100));
    const length = oldLength + added.length;
    this.#keyspace.strings.edit(database, entry, length, this.#view, oldLength, length);
    this.#view.bytes.set(added, this.#view.start + oldLength);
  }

  /** RENAME and MOVE. */
  #move(database: Database, entry: Ref): void {
    const target = this.#random.chance(0.5) ? database : this.#random.pick(this.#keyspace.databases);
    const name = this.name(this.#random.integer(0, this.#options.nameCount - 1));
    const existing = target.find(name, 0, name.length);
    if (existing === entry) return;
    if (existing !== 0) target.delete(existing);
    database.moveTo(entry, target, name, 0, name.length);
  }

  #copy(entry: Ref): void {
    const target = this.#random.pick(this.#keyspace.databases);
    const name = this.name(this.#random.integer(0, this.#options.nameCount - 1));
    if (target.find(name, 0, name.length) !== 0) return;
    const type = target.typeOf(entry);
    if (type === TYPE_STRING) {
      this.#keyspace.strings.copyTo(entry, target, name, 0, name.length);
    } else {
      const encoding = target.encodingOf(entry);
      const copy = this.#keyspace.kindOf(type).copy(target.valueOf(entry), encoding);
      target.createWith(name, 0, name.length, type, encoding, copy);
    }
  }

  #grow(database: Database): void {
    const count = database.keyCount + 16;
    for (let i = 0; i < count; i++) {
      const name = Buffer.from(`new ${i}`);
      this.#keyspace.strings.set(database, name, 0, name.length, name, 0, name.length, false);
    }
  }

  #shrink(database: Database): void {
    const share = this.#random.fraction();
    forEachEntry(database, (entry) => {
      if (this.#random.chance(share)) database.delete(entry);
    });
  }

  #value(): Buffer {
    const { longRatio, longBytesMax } = this.#options;
    if (this.#random.chance(longRatio)) return this.#bytes(this.#random.integer(64 * 1024 - 1, longBytesMax));
    return this.#random
      .pickWeighted([
        { weight: 10, run: () => Buffer.from(`${this.#random.integer(-100, 100_000)}`) },
        { weight: 10, run: () => this.#bytes(this.#random.integer(0, 100)) },
        { weight: 3, run: () => this.#bytes(this.#random.integer(0, 5000)) },
        { weight: 0.3, run: () => this.#bytes(this.#random.integer(5000, 64 * 1024)) },
      ])
      .run();
  }

  #bytes(length: number): Buffer {
    return length === 0 ? Buffer.alloc(0) : Buffer.alloc(length, this.#random.bytes(Math.min(length, 61)));
  }
}
