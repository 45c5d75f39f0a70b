import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator, OutOfMemoryError } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { seededRandom } from '../util/random.ts';
import type { Database } from './database.ts';
import { ENCODING_HASHTABLE, ENCODING_INTSET, TYPE_SET } from './entry.ts';
import { Keyspace } from './keyspace.ts';

const INTSET_ENTRIES_MAX = 8;
const KEY = Buffer.from('s');

function newKeyspace(t: TestContext): Keyspace {
  const arena = Arena.create();
  t.after(() => arena.close());
  const keyspace = new Keyspace(new Allocator(arena), seededRandom(1), 1);
  keyspace.limits.setMaxIntsetEntries = INTSET_ENTRIES_MAX;
  keyspace.enter(1_000_000);
  return keyspace;
}

/** A set under a key together with what it must be. */
class ModelledSet {
  readonly keyspace: Keyspace;
  readonly database: Database;
  model = new Set<string>();
  encoding = ENCODING_INTSET;

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace;
    this.database = keyspace.databases[0]!;
  }

  get entry(): Ref {
    return this.database.lookup(KEY, 0, 1);
  }

  add(member: string): void {
    const { sets } = this.keyspace;
    const bytes = Buffer.from(member);
    const found = this.entry;
    if (found === 0) sets.createWith(this.database, KEY, 0, 1, bytes, 0, bytes.length);
    else assert.equal(sets.add(this.database, found, bytes, 0, bytes.length), !this.model.has(member));
    if (this.model.size === 0) this.encoding = ENCODING_INTSET;
    this.model.add(member);
    const isInteger = /^(0|-?[1-9]\d*)$/.test(member);
    if (!isInteger || this.model.size > INTSET_ENTRIES_MAX) this.encoding = ENCODING_HASHTABLE;
  }

  remove(member: string): void {
    const { entry } = this;
    if (entry === 0) return;
    const bytes = Buffer.from(member);
    const isRemoved = this.keyspace.sets.remove(this.database, entry, bytes, 0, bytes.length);
    assert.equal(isRemoved, this.model.delete(member));
    if (this.model.size === 0) this.database.delete(entry);
  }

  check(): void {
    const { database, entry, keyspace } = this;
    const { sets } = keyspace;
    keyspace.checkInvariants();
    assert.equal(entry === 0, this.model.size === 0);
    if (entry === 0) return;
    assert.equal(database.encodingOf(entry), this.encoding);
    assert.equal(sets.memberCount(database, entry), this.model.size);
    const members: string[] = [];
    sets.forEach(database, entry, (bytes, start, end) => members.push(textOf(bytes, start, end)));
    assert.deepEqual(members.toSorted(), [...this.model].toSorted());
    const places: string[] = [];
    const view = new BorrowedBytes();
    sets.forEachPlace(database, entry, (place) => {
      sets.borrow(database, entry, place, view);
      places.push(textOf(view.bytes, view.start, view.end));
    });
    assert.deepEqual(places, members);
    for (const member of members) {
      const bytes = Buffer.from(member);
      assert.ok(sets.has(database, entry, bytes, 0, bytes.length));
    }
    const drawn = sets.random(database, entry);
    sets.borrow(database, entry, drawn, view);
    assert.ok(this.model.has(textOf(view.bytes, view.start, view.end)));
  }
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.slice(start, end)).toString();
}

for (const seed of [1, 2, 3]) {
  test(`a set behaves like a Set, in both encodings, seed ${seed}`, (t) => {
    const random = new SeededRandom(seed);
    const keyspace = newKeyspace(t);
    const set = new ModelledSet(keyspace);
    const empty = keyspace.allocator.usedBytes;
    for (let step = 0; step < 3000; step++) {
      const limit = random.pick([4, 12, 60]);
      const number = String(random.integer(-limit, limit) * random.pick([1, 1, 1, 40_000, 2 ** 40]));
      const member = random.chance(0.05) ? `m${number}` : number;
      if (random.chance(step % 300 < 150 ? 0.6 : 0.1)) set.add(member);
      else set.remove(member);
      // From time to time it goes: only a new set is an intset.
      if (step % 100 === 0 && set.entry !== 0) {
        set.database.delete(set.entry);
        set.model.clear();
      }
      if (step % 20 === 0) set.check();
    }
    if (set.entry !== 0) set.database.delete(set.entry);
    assert.equal(keyspace.allocator.usedBytes, empty);
  });
}

test('a copy is a set of its own, in the same encoding', (t) => {
  const keyspace = newKeyspace(t);
  const { sets } = keyspace;
  for (const members of [
    ['1', '2', '3'],
    ['1', 'two', '3'],
  ]) {
    const set = new ModelledSet(keyspace);
    for (const member of members) set.add(member);
    const { database, encoding } = set;
    const copy = sets.copy(database.valueOf(set.entry), encoding);
    sets.checkInvariants(copy, encoding);
    assert.equal(
      sets.memory(copy, encoding, 0),
      sets.memory(database.valueOf(set.entry), encoding, 0),
      'a copy takes as much memory',
    );
    set.remove('1');
    assert.ok(sets.contains(copy, encoding, Buffer.from('1'), 0, 1));
    assert.equal(sets.length(copy, encoding), 3);
    assert.ok(sets.dismantle(copy, encoding, () => true));
    set.check();
    database.delete(set.entry);
  }
});

test('a loose set is stored or discarded', (t) => {
  const keyspace = newKeyspace(t);
  const { allocator, sets } = keyspace;
  const database = keyspace.databases[0]!;
  const empty = allocator.usedBytes;
  for (const expected of [0, INTSET_ENTRIES_MAX + 1]) {
    const set = sets.newSet(expected);
    assert.equal(set.encoding, expected === 0 ? ENCODING_INTSET : ENCODING_HASHTABLE);
    for (const member of ['5', '7', '5', 'x']) {
      const isNew: boolean = !sets.contains(set.value, set.encoding, Buffer.from(member), 0, 1);
      assert.equal(sets.addTo(set, Buffer.from(member), 0, 1), isNew);
    }
    assert.equal(set.encoding, ENCODING_HASHTABLE);
    assert.ok(sets.removeFrom(set, Buffer.from('7'), 0, 1));
    assert.ok(!sets.removeFrom(set, Buffer.from('7'), 0, 1));
    const entry = database.storeWith(KEY, 0, 1, TYPE_SET, set.encoding, set.value);
    assert.equal(sets.memberCount(database, entry), 2);

    const other = sets.newSet();
    sets.addTo(other, Buffer.from('9'), 0, 1);
    assert.ok(!sets.removeFrom(other, Buffer.from('x'), 0, 1));
    sets.replaceBy(database, entry, other);
    assert.equal(database.encodingOf(entry), ENCODING_INTSET);
    assert.ok(sets.has(database, entry, Buffer.from('9'), 0, 1));
    keyspace.checkInvariants();

    const discarded = sets.newSet(expected);
    sets.addTo(discarded, Buffer.from('1'), 0, 1);
    sets.discard(discarded);
  }
  database.delete(database.lookup(KEY, 0, 1));
  assert.equal(allocator.usedBytes, empty);
});

/** Sets that change in another way each when the member is added: in place, as a table, or being created. */
const ADDITIONS: readonly (readonly [members: readonly string[], added: string])[] = [
  [[], '1'],
  [[], 'x'],
  [['1', '2', '3', '4'], '5'],
  [['1', '2'], '70000'],
  [['1', '2'], 'x'],
  [['1', '2', '3', '4', '5', '6', '7', '8'], '9'],
  [['x', 'y', 'z', '1'], 'w'],
];

test('an addition for which there is no memory changes nothing', (t) => {
  for (const [members, added] of ADDITIONS) {
    for (let allowed = 0; ; allowed++) {
      const keyspace = newKeyspace(t);
      const set = new ModelledSet(keyspace);
      for (const member of members) set.add(member);
      const used = keyspace.allocator.usedBytes;
      if (isRefused(t, keyspace, allowed, () => set.add(added))) {
        assert.equal(keyspace.allocator.usedBytes, used);
        if (set.entry !== 0) set.encoding = set.database.encodingOf(set.entry);
        set.check();
        continue;
      }
      // Without room for a table, an intset is allowed one member too many.
      set.encoding = set.database.encodingOf(set.entry);
      set.check();
      break;
    }
  }
});

/** Whether the action fails when that many blocks are granted and no more. */
function isRefused(t: TestContext, keyspace: Keyspace, allowed: number, action: () => void): boolean {
  const { allocator } = keyspace;
  const allocate = allocator.allocate.bind(allocator);
  let left = allowed;
  const mock = t.mock.method(allocator, 'allocate', (byteCount: number) => {
    if (left-- <= 0) throw new OutOfMemoryError(byteCount);
    return allocate(byteCount);
  });
  try {
    action();
    return false;
  } catch (error) {
    assert.ok(error instanceof OutOfMemoryError);
    return true;
  } finally {
    mock.mock.restore();
  }
}
