import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { seededRandom } from '../util/random.ts';
import { NO_EXPIRY } from './database.ts';
import type { Database } from './database.ts';
import { Keyspace } from './keyspace.ts';

const DATABASES = 3;
const OPERATIONS = 20_000;
const START_MILLIS = 1_000_000;

interface ModelValue {
  value: Buffer;
  expiry: number;
}
type Model = Map<string, ModelValue>;

function newKeyspace(t: TestContext): Keyspace {
  const arena = Arena.create();
  t.after(() => arena.close());
  const keyspace = new Keyspace(new Allocator(arena), seededRandom(1), DATABASES);
  keyspace.enter(START_MILLIS);
  return keyspace;
}

function newRandom(t: TestContext): SeededRandom {
  const seed = SeededRandom.newSeed();
  t.diagnostic(`seed ${seed}`);
  return new SeededRandom(seed);
}

function find(database: Database, key: string): Ref {
  const bytes = Buffer.from(key);
  return database.find(bytes, 0, bytes.length);
}

function valueOf(keyspace: Keyspace, entry: Ref): Buffer {
  const view = new BorrowedBytes();
  keyspace.strings.borrow(entry, view);
  return view.copy();
}

/** A keyspace and the plain maps that it must agree with. */
class ModelledKeyspace {
  readonly keyspace: Keyspace;
  readonly models: Model[] = Array.from({ length: DATABASES }, () => new Map<string, ModelValue>());
  readonly #random: SeededRandom;
  readonly #keys: readonly string[];
  #index = 0;

  constructor(keyspace: Keyspace, random: SeededRandom, keyCount: number) {
    this.keyspace = keyspace;
    this.#random = random;
    // Names of many lengths: whether an expiry time fits in without moving the entry depends on them.
    this.#keys = Array.from({ length: keyCount }, (_, i) => `${i}`.padEnd(random.integer(1, 40), '·'));
  }

  get #database(): Database {
    return this.keyspace.databases[this.#index]!;
  }

  get #model(): Model {
    return this.models[this.#index]!;
  }

  /** One random operation on both sides. */
  step(): void {
    this.#index = this.#random.integer(0, DATABASES - 1);
    const key = this.#random.pick(this.#keys);
    this.#random
      .pickWeighted([
        { weight: 30, run: () => this.#set(key) },
        { weight: 10, run: () => this.#overwrite(key) },
        { weight: 10, run: () => this.#edit(key) },
        { weight: 15, run: () => this.#setExpiry(key) },
        { weight: 8, run: () => this.#clearExpiry(key) },
        { weight: 10, run: () => this.#delete(key) },
        { weight: 10, run: () => this.#moveOrCopy(key, this.#random.pick(this.#keys)) },
        { weight: 10, run: () => this.#lookup(key) },
        { weight: 5, run: () => this.keyspace.setTime(this.keyspace.now + this.#random.integer(0, 50)) },
        { weight: 0.1, run: () => this.#clear() },
        { weight: 0.1, run: () => this.#swap() },
      ])
      .run();
  }

  /** Values on both sides of every limit: embedded or apart, one block class or the next. */
  #value(): Buffer {
    const lengthMax = this.#random.pick([0, 8, 64, 300, 2050, 9000]);
    return this.#random.bytes(this.#random.integer(0, lengthMax));
  }

  #set(key: string): void {
    const bytes = Buffer.from(key);
    const value = this.#value();
    const keepsExpiry = this.#random.chance(0.3);
    const { strings } = this.keyspace;
    strings.set(this.#database, bytes, 0, bytes.length, value, 0, value.length, keepsExpiry);
    const known = this.#isDead(key) ? undefined : this.#model.get(key);
    const expiry = keepsExpiry ? (known?.expiry ?? NO_EXPIRY) : NO_EXPIRY;
    this.#model.set(key, { value, expiry });
  }

  #isDead(key: string): boolean {
    const expiry = this.#model.get(key)?.expiry ?? NO_EXPIRY;
    return expiry !== NO_EXPIRY && expiry < this.keyspace.now;
  }

  #overwrite(key: string): void {
    const known = this.#model.get(key);
    if (known === undefined) return;
    known.value = this.#value();
    this.keyspace.strings.overwrite(
      this.#database,
      find(this.#database, key),
      known.value,
      0,
      known.value.length,
    );
  }

  #edit(key: string): void {
    const known = this.#model.get(key);
    if (known === undefined) return;
    const length = this.#value().length;
    const edited = Buffer.alloc(length);
    known.value.copy(edited);
    known.value = edited;
    this.keyspace.strings.edit(this.#database, find(this.#database, key), length, new BorrowedBytes());
  }

  #setExpiry(key: string): void {
    const known = this.#model.get(key);
    if (known === undefined) return;
    known.expiry = this.keyspace.now + this.#random.integer(0, 1000);
    const entry = this.#database.setExpiry(find(this.#database, key), known.expiry);
    assert.equal(entry, find(this.#database, key), 'setExpiry returns the entry as it is now');
  }

  #clearExpiry(key: string): void {
    const known = this.#model.get(key);
    if (known === undefined) return;
    known.expiry = NO_EXPIRY;
    const entry = this.#database.clearExpiry(find(this.#database, key));
    assert.equal(entry, find(this.#database, key), 'clearExpiry returns the entry as it is now');
  }

  #delete(key: string): void {
    const entry = find(this.#database, key);
    assert.equal(entry !== 0, this.#model.delete(key));
    if (entry !== 0) this.#database.delete(entry);
  }

  #moveOrCopy(key: string, newKey: string): void {
    const targetIndex = this.#random.integer(0, DATABASES - 1);
    const target = this.keyspace.databases[targetIndex]!;
    const known = this.#model.get(key);
    if (known === undefined || this.models[targetIndex]!.has(newKey)) return;

    const bytes = Buffer.from(newKey);
    const entry = find(this.#database, key);
    if (this.#random.chance(0.5)) {
      const moved = this.#database.moveTo(entry, target, bytes, 0, bytes.length);
      assert.equal(moved, find(target, newKey), 'moveTo returns the new entry');
      this.#model.delete(key);
      this.models[targetIndex]!.set(newKey, known);
    } else {
      this.keyspace.strings.copyTo(entry, target, bytes, 0, bytes.length);
      this.models[targetIndex]!.set(newKey, { value: known.value, expiry: NO_EXPIRY });
    }
  }

  /** A lookup sees living keys only, and deletes a dead one. */
  #lookup(key: string): void {
    const isDead = this.#isDead(key);
    const bytes = Buffer.from(key);
    const entry = this.#random.pick([
      () => this.#database.lookup(bytes, 0, bytes.length),
      () => this.#database.peek(bytes, 0, bytes.length),
      () => this.#database.lookupRead(bytes, 0, bytes.length),
      () => this.#database.lookupWrite(bytes, 0, bytes.length),
    ])();
    assert.equal(entry !== 0, this.#model.has(key) && !isDead);
    if (isDead) this.#model.delete(key);
  }

  #clear(): void {
    this.#database.clear(this.#random.chance(0.5));
    this.#model.clear();
  }

  #swap(): void {
    const other = this.#random.integer(0, DATABASES - 1);
    if (other === this.#index) return;
    this.#database.swapWith(this.keyspace.databases[other]!);
    [this.models[this.#index], this.models[other]] = [this.models[other]!, this.#model];
  }

  /** All keys, values and times agree, and every structure is sound. */
  check(): void {
    for (const [index, model] of this.models.entries()) {
      const database = this.keyspace.databases[index]!;
      assert.equal(database.keyCount, model.size);
      const expiring = [...model.values()].filter(({ expiry }) => expiry !== NO_EXPIRY);
      assert.equal(database.expiringCount, expiring.length);
      for (const [key, { value, expiry }] of model) {
        const entry = find(database, key);
        assert.notEqual(entry, 0, key);
        assert.deepEqual(valueOf(this.keyspace, entry), value, key);
        assert.equal(database.expiryOf(entry), expiry, key);
      }
    }
    this.keyspace.checkInvariants();
  }
}

for (const keyCount of [5, 300, 5000]) {
  test(`random operations on ${keyCount} names agree with maps`, (t) => {
    const keyspace = newKeyspace(t);
    const modelled = new ModelledKeyspace(keyspace, newRandom(t), keyCount);
    for (let i = 1; i <= OPERATIONS; i++) {
      modelled.step();
      if (i % 2000 === 0) modelled.check();
    }
  });
}

test('when all is deleted, all memory is free again', (t) => {
  const keyspace = newKeyspace(t);
  const modelled = new ModelledKeyspace(keyspace, newRandom(t), 200);
  // The first round leaves what is kept for good: the smallest tables.
  const usedBytes = [0, 1].map(() => {
    for (let i = 0; i < 5000; i++) modelled.step();
    for (const [index, database] of keyspace.databases.entries()) {
      database.clear(index === 1);
      modelled.models[index]!.clear();
    }
    while (keyspace.dismantleDetached(() => true));
    assert.equal(keyspace.lazyPendingCount, 0);
    modelled.check();
    return keyspace.allocator.usedBytes;
  });
  assert.equal(usedBytes[1], usedBytes[0]);
});

test('databases that are cleared lazily are freed in slices', (t) => {
  const keyspace = newKeyspace(t);
  const database = keyspace.databases[0]!;
  for (let i = 0; i < 1000; i++) {
    const key = Buffer.from(`key ${i}`);
    keyspace.strings.set(database, key, 0, key.length, key, 0, key.length, false);
  }

  database.clear(true);

  assert.equal(database.keyCount, 0);
  assert.equal(keyspace.lazyPendingCount, 1000);
  let slices = 0;
  while (keyspace.dismantleDetached(() => true)) slices++;
  assert.ok(slices > 1);
  assert.equal(keyspace.counter('lazyFreed'), 1000);
  keyspace.checkInvariants();
});

test('a snapshot is handed every old state once, before it changes', (t) => {
  const random = newRandom(t);
  const keyspace = newKeyspace(t);
  const modelled = new ModelledKeyspace(keyspace, random, 100);
  for (let i = 0; i < 2000; i++) modelled.step();

  /** States at the cut that nobody has asked for yet: the same state may belong to several keys. */
  const atCut = new Map<string, number>();
  const count = (state: string, by: number) => atCut.set(state, (atCut.get(state) ?? 0) + by);
  for (const model of modelled.models) {
    for (const [key, { value, expiry }] of model) count(`${key} ${expiry} ${value.toString('hex')}`, 1);
  }
  keyspace.epoch = 1;
  keyspace.observer = {
    keyExpired: () => {},
    notify: () => {},
    keyReady() {},
    preserve: (database, entry) => {
      const value = valueOf(keyspace, entry).toString('hex');
      const state = `${database.keyOf(entry).toString()} ${database.expiryOf(entry)} ${value}`;
      assert.ok((atCut.get(state) ?? 0) > 0, `not a state of the cut, or twice: ${state}`);
      count(state, -1);
    },
  };
  for (let i = 0; i < 2000; i++) modelled.step();
  assert.ok(atCut.size > 0);
});

test('a random key lives, and every key has its turn', (t) => {
  const keyspace = newKeyspace(t);
  const database = keyspace.databases[0]!;
  assert.equal(database.randomEntry(), 0);
  for (let i = 0; i < 20; i++) {
    const key = Buffer.from(`key ${i}`);
    const entry = keyspace.strings.set(database, key, 0, key.length, key, 0, key.length, false);
    if (i % 2 === 0) database.setExpiry(entry, START_MILLIS - 1);
  }
  const seen = new Set<string>();
  for (let i = 0; i < 1000; i++) seen.add(database.keyOf(database.randomEntry()).toString());
  assert.equal(seen.size, 10);
  assert.equal(keyspace.counter('expired') + database.keyCount, 20);
});

test('dead keys stay while deleting is forbidden, but look dead', (t) => {
  const keyspace = newKeyspace(t);
  const database = keyspace.databases[0]!;
  const key = Buffer.from('dead');
  database.setExpiry(
    keyspace.strings.set(database, key, 0, key.length, key, 0, key.length, false),
    START_MILLIS - 1,
  );
  keyspace.mayDeleteExpired = false;
  assert.equal(database.lookup(key, 0, key.length), 0);
  assert.equal(database.keyCount, 1);
  assert.notEqual(database.randomEntry(), 0, 'the search for a living key ends');
});
