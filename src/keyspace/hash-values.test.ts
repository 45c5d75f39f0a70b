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
import { ENCODING_HASHTABLE, ENCODING_LISTPACK, TYPE_HASH } from './entry.ts';
import { Keyspace } from './keyspace.ts';

const ENTRIES_MAX = 6;
const VALUE_BYTES_MAX = 12;

function newKeyspace(t: TestContext): Keyspace {
  const arena = Arena.create();
  t.after(() => arena.close());
  const keyspace = new Keyspace(new Allocator(arena), seededRandom(1), 1);
  keyspace.limits.hashMaxListpackEntries = ENTRIES_MAX;
  keyspace.limits.hashMaxListpackValue = VALUE_BYTES_MAX;
  keyspace.enter(1_000_000);
  return keyspace;
}

/** A hash under the key `h` together with what it must be. */
class ModelledHash {
  readonly keyspace: Keyspace;
  readonly database: Database;
  readonly model = new Map<string, string>();
  readonly expiries = new Map<string, number>();
  encoding = ENCODING_LISTPACK;
  readonly #view = new BorrowedBytes();

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace;
    this.database = keyspace.databases[0]!;
  }

  get entry(): Ref {
    return this.database.lookup(Buffer.from('h'), 0, 1);
  }

  set(field: string, value: string): void {
    const { hashes } = this.keyspace;
    const [name, text] = [Buffer.from(field, 'latin1'), Buffer.from(value, 'latin1')];
    const longest = Math.max(name.length, text.length);
    const found = this.entry;
    const entry = found === 0 ? hashes.create(this.database, Buffer.from('h'), 0, 1, longest) : found;
    const isNew = hashes.set(this.database, entry, name, 0, name.length, text, 0, text.length);
    assert.equal(isNew, !this.model.has(field));
    if (this.model.size === 0) this.encoding = ENCODING_LISTPACK;
    this.model.set(field, value);
    this.expiries.delete(field);
    if (longest > VALUE_BYTES_MAX || this.model.size > ENTRIES_MAX) this.encoding = ENCODING_HASHTABLE;
  }

  remove(field: string): void {
    const { entry } = this;
    if (entry === 0) return;
    const name = Buffer.from(field, 'latin1');
    const { hashes } = this.keyspace;
    assert.equal(hashes.remove(this.database, entry, name, 0, name.length), this.model.delete(field));
    this.expiries.delete(field);
    if (hashes.fieldCount(this.database, entry) === 0) this.database.delete(entry);
  }

  /** Sets when a field expires; undefined = never. */
  expire(field: string, unixMillis: number | undefined): void {
    const { entry, database } = this;
    const name = Buffer.from(field, 'latin1');
    const { hashes } = this.keyspace;
    const place = entry === 0 ? 0 : hashes.find(database, entry, name, 0, name.length);
    if (place === 0) return;
    if (unixMillis === undefined) {
      if (this.expiries.delete(field)) hashes.clearExpiry(database, entry, place);
      return;
    }
    assert(hashes.setExpiry(database, entry, name, 0, name.length, unixMillis));
    this.expiries.set(field, unixMillis);
    this.encoding = ENCODING_HASHTABLE;
  }

  /** Lets time pass, and deletes the fields whose time has come. */
  pass(millis: number): void {
    this.keyspace.setTime(this.keyspace.now + millis);
    const { entry, database } = this;
    if (entry === 0 || !database.hasExpiringFields(entry)) return;
    const isGone = this.keyspace.hashes.expireFields(database, entry);
    for (const [field, expiry] of this.expiries) {
      if (expiry >= this.keyspace.now) continue;
      this.expiries.delete(field);
      this.model.delete(field);
    }
    assert.equal(isGone, this.model.size === 0);
  }

  /** Puts a copy in the place of the hash. */
  copy(): void {
    const { entry, database } = this;
    if (entry === 0) return;
    const { hashes } = this.keyspace;
    const encoding = database.encodingOf(entry);
    const copied = hashes.copy(database.valueOf(entry), encoding);
    database.delete(entry);
    const key = Buffer.from('h');
    database.lookup(key, 0, 1);
    database.createWith(key, 0, 1, TYPE_HASH, encoding, copied);
  }

  textAt(place: number, part: 'field' | 'value'): string {
    const { hashes } = this.keyspace;
    if (part === 'field') hashes.borrowField(this.database, this.entry, place, this.#view);
    else hashes.borrowValue(this.database, this.entry, place, this.#view);
    return this.#view.copy().toString('latin1');
  }

  check(): void {
    const { entry, database, model } = this;
    this.keyspace.checkInvariants();
    assert.equal(entry !== 0, model.size > 0);
    if (entry === 0) return;
    const { hashes } = this.keyspace;
    assert.equal(database.encodingOf(entry), this.encoding);
    assert.equal(database.hasExpiringFields(entry), this.expiries.size > 0);
    assert.equal(hashes.fieldCount(database, entry), model.size);
    for (const [field, value] of model) {
      const name = Buffer.from(field, 'latin1');
      const place = hashes.find(database, entry, name, 0, name.length);
      assert.notEqual(place, 0);
      assert.equal(this.textAt(place, 'value'), value);
      assert.equal(hashes.expiryOf(database, entry, place), this.expiries.get(field) ?? NO_EXPIRY);
    }

    const places = hashes.places(database, entry);
    const seen = places.map((place) => [this.textAt(place, 'field'), this.textAt(place, 'value')] as const);
    assert.equal(seen.length, model.size);
    assert.deepEqual(new Map(seen), model);
    for (const parts of ['fields', 'values', 'both'] as const) {
      const emitted: string[] = [];
      const bulk = (bytes: Uint8Array, start: number, end: number): number =>
        emitted.push(Buffer.from(bytes.slice(start, end)).toString('latin1'));
      hashes.emit(database, entry, parts, { bulk });
      const expected = seen.flatMap(([field, value]) =>
        parts === 'both' ? [field, value] : [parts === 'fields' ? field : value],
      );
      assert.deepEqual(emitted, expected);
    }

    const scanned = new Set<string>();
    let cursor = 0;
    do {
      cursor = hashes.scan(database, entry, cursor, (place) => scanned.add(this.textAt(place, 'field')));
    } while (cursor !== 0);
    assert.deepEqual([...scanned].sort(), [...model.keys()].sort());
    assert(model.has(this.textAt(hashes.random(database, entry), 'field')));
  }
}

const FIELDS = [
  '',
  'a',
  'b',
  '12',
  '-1',
  '99999999999999999999',
  'f1',
  'f2',
  'f3',
  'f4',
  'f5',
  'x'.repeat(13),
];
const VALUES = ['', '0', '-5', '9007199254740993', 'text', 'y'.repeat(12), 'y'.repeat(13), 'z'.repeat(300)];

for (const seed of [1, 2, 3, 4]) {
  test(`random changes, as a Map has them (seed ${seed})`, (t) => {
    const hash = new ModelledHash(newKeyspace(t));
    const random = new SeededRandom(seed);
    for (let i = 0; i < 1500; i++) {
      // Short hashes and short texts keep the listpack for a while.
      const fields = i % 300 < 150 ? FIELDS.slice(0, 5) : FIELDS;
      const values = i % 300 < 150 ? VALUES.slice(0, 6) : VALUES;
      const action = random.integer(0, 9);
      if (action < 5) hash.set(random.pick(fields), random.pick(values));
      else if (action < 9) hash.remove(random.pick(fields));
      else hash.copy();
      if (i % 300 === 299) for (const field of FIELDS) hash.remove(field);
      hash.check();
    }
  });
}

for (const seed of [1, 2, 3]) {
  test(`fields that expire, as a model has them (seed ${seed})`, (t) => {
    const hash = new ModelledHash(newKeyspace(t));
    const random = new SeededRandom(seed);
    const fields = [...FIELDS, ...Array.from({ length: 30 }, (_, i) => `field${i}`)];
    for (let i = 0; i < 1500; i++) {
      const field = random.pick(fields);
      const action = random.integer(0, 19);
      if (action < 7) hash.set(field, random.pick(VALUES));
      else if (action < 12) hash.expire(field, hash.keyspace.now + random.integer(1, 200));
      else if (action < 14) hash.expire(field, undefined);
      else if (action < 16) hash.remove(field);
      else if (action < 19) hash.pass(random.integer(0, 20));
      else hash.copy();
      hash.check();
    }
  });
}

test('a value keeps its expiry time when it is told to', (t) => {
  const keyspace = newKeyspace(t);
  const hash = new ModelledHash(keyspace);
  hash.set('a', '1');
  hash.set('b', '1');
  hash.expire('a', keyspace.now + 50);
  hash.expire('b', keyspace.now + 40);
  for (const length of [1, 2, 40, 500, 3, 0]) {
    const [name, value] = [Buffer.from('a'), Buffer.alloc(length, 'v')];
    keyspace.hashes.set(hash.database, hash.entry, name, 0, 1, value, 0, length, true);
    hash.model.set('a', value.toString());
    hash.check();
  }
});

test('dead fields are told of, and the key when they were the last', (t) => {
  const keyspace = newKeyspace(t);
  const hash = new ModelledHash(keyspace);
  const told: string[] = [];
  keyspace.notifyMask = -1;
  keyspace.observer = {
    keyExpired() {},
    preserve() {},
    keyReady() {},
    fieldsExpired: (_database, key, fields) => told.push(`HDEL ${key.toString()} ${fields.join(' ')}`),
    notify: (_class, event) => told.push(event),
  };
  for (const field of ['a', 'b', 'c', 'd']) hash.set(field, '1');
  for (const [i, field] of ['c', 'a', 'b', 'd'].entries()) hash.expire(field, keyspace.now + i);
  told.length = 0;
  keyspace.setTime(keyspace.now + 100);
  assert.equal(keyspace.hashes.expireFields(hash.database, hash.entry, 1), false);
  assert.equal(keyspace.hashes.expireFields(hash.database, hash.entry), true);
  assert.deepEqual(told, ['hexpired', 'HDEL h c', 'hexpired', 'del', 'HDEL h a b d']);
  assert.equal(hash.database.fieldExpiringCount, 0);
});

test('a large hash grows, shrinks, and is freed with all it holds', (t) => {
  const keyspace = newKeyspace(t);
  const hash = new ModelledHash(keyspace);
  const usedBefore = keyspace.allocator.usedBytes;
  for (let i = 0; i < 5000; i++) hash.set(`field${i}`, `value${i}`);
  hash.check();
  const { entry, database } = hash;
  const exact = keyspace.hashes.memory(database.valueOf(entry), ENCODING_HASHTABLE, 0);
  const estimate = keyspace.hashes.memory(database.valueOf(entry), ENCODING_HASHTABLE, 5);
  assert(exact > 5000 * 20 && Math.abs(estimate / exact - 1) < 0.5);

  for (let i = 0; i < 4990; i++) hash.remove(`field${i}`);
  hash.check();
  for (let i = 0; i < 3000; i++) hash.set(`field${i}`, 'v');
  const value = database.valueOf(hash.entry);
  const copied = keyspace.hashes.copy(value, ENCODING_HASHTABLE);
  let calls = 0;
  while (!keyspace.hashes.dismantle(copied, ENCODING_HASHTABLE, () => true)) calls++;
  assert(calls > 10, 'in slices');

  database.delete(hash.entry);
  while (keyspace.dismantleDetached(() => false));
  keyspace.checkInvariants();
  // The database keeps its buckets, the allocator its spans.
  assert(keyspace.allocator.usedBytes <= usedBefore + 64);
});

test('a field drawn at random is any with the same chance', (t) => {
  const keyspace = newKeyspace(t);
  const hash = new ModelledHash(keyspace);
  for (const count of [4, 50]) {
    for (let i = 0; i < count; i++) hash.set(`f${i}`, 'v');
    const drawn = new Map<string, number>();
    const drawCount = count * 400;
    for (let i = 0; i < drawCount; i++) {
      const field = hash.textAt(keyspace.hashes.random(hash.database, hash.entry), 'field');
      drawn.set(field, (drawn.get(field) ?? 0) + 1);
    }
    // Chi-squared, far beyond what chance would do.
    let sum = 0;
    for (let i = 0; i < count; i++) sum += ((drawn.get(`f${i}`) ?? 0) - 400) ** 2 / 400;
    assert(sum < count * 2 + 20, `chi-squared ${sum} of ${count} fields`);
  }
});

test('without memory a hash stays what it was', (t) => {
  const keyspace = newKeyspace(t);
  const hash = new ModelledHash(keyspace);
  for (let i = 0; i < ENTRIES_MAX; i++) hash.set(`f${i}`, 'v');
  const huge = Buffer.alloc(64);
  const { hashes } = keyspace;
  // A value that no block can hold.
  assert.throws(() => hashes.set(hash.database, hash.entry, huge, 0, 1, huge, 0, 2 ** 31));
  hash.encoding = hash.database.encodingOf(hash.entry);
  hash.check();
  const key = Buffer.from('k');
  hash.database.lookup(key, 0, 1);
  const created = hashes.create(hash.database, key, 0, 1, 2 ** 31);
  assert.throws(() => hashes.set(hash.database, created, huge, 0, 1, huge, 0, 2 ** 31));
  assert.equal(hash.database.lookup(key, 0, 1), 0, 'the new hash is gone');
  hash.check();
});
