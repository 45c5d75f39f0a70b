import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { seededRandom } from '../util/random.ts';
import type { Database } from './database.ts';
import { ENCODING_HASHTABLE, ENCODING_LISTPACK } from './entry.ts';
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
    if (longest > VALUE_BYTES_MAX || this.model.size > ENTRIES_MAX) this.encoding = ENCODING_HASHTABLE;
  }

  remove(field: string): void {
    const { entry } = this;
    if (entry === 0) return;
    const name = Buffer.from(field, 'latin1');
    const { hashes } = this.keyspace;
    assert.equal(hashes.remove(this.database, entry, name, 0, name.length), this.model.delete(field));
    if (hashes.fieldCount(this.database, entry) === 0) this.database.delete(entry);
  }

  /** Puts a copy of the value in its place. */
  copy(): void {
    const { entry, database } = this;
    if (entry === 0) return;
    const { hashes } = this.keyspace;
    const [value, encoding] = [database.valueOf(entry), database.encodingOf(entry)];
    database.willChange(entry);
    database.setValue(entry, encoding, hashes.copy(value, encoding));
    hashes.dismantle(value, encoding, () => false);
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
    assert.equal(hashes.fieldCount(database, entry), model.size);
    for (const [field, value] of model) {
      const name = Buffer.from(field, 'latin1');
      const place = hashes.find(database, entry, name, 0, name.length);
      assert.notEqual(place, 0);
      assert.equal(this.textAt(place, 'value'), value);
    }

    const sorted = [...model].sort();
    const places = hashes.places(database, entry);
    const seen = places.map((place) => [this.textAt(place, 'field'), this.textAt(place, 'value')]);
    assert.deepEqual([...seen].sort(), sorted);
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
