import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator, OutOfMemoryError } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes, byteOffset, bytesOf, getWord } from '../memory/struct.ts';
import { seededRandom } from '../util/random.ts';
import type { Database } from './database.ts';
import { ENCODING_LISTPACK, ENCODING_SKIPLIST, TYPE_SORTED_SET } from './entry.ts';
import { Keyspace } from './keyspace.ts';
import { MemberRange, ScoreRange, type MemberBound } from './sorted-set-ranges.ts';
import { IF_ABSENT, IF_GREATER, IF_LESS, IF_PRESENT, INCREMENT } from './sorted-set-values.ts';

const ENTRIES_MAX = 6;
const MEMBER_BYTES_MAX = 12;
const KEY = Buffer.from('z');

function newKeyspace(t: TestContext): Keyspace {
  const arena = Arena.create();
  t.after(() => arena.close());
  const keyspace = new Keyspace(new Allocator(arena), seededRandom(1), 1);
  keyspace.limits.zsetMaxListpackEntries = ENTRIES_MAX;
  keyspace.limits.zsetMaxListpackValue = MEMBER_BYTES_MAX;
  keyspace.enter(1_000_000);
  return keyspace;
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

type Element = readonly [member: string, score: number];

/** A sorted set under the key `z` together with what it must be. */
class ModelledSortedSet {
  readonly keyspace: Keyspace;
  readonly database: Database;
  readonly model = new Map<string, number>();
  encoding = ENCODING_LISTPACK;
  readonly #view = new BorrowedBytes();

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace;
    this.database = keyspace.databases[0]!;
  }

  get entry(): Ref {
    return this.database.lookup(KEY, 0, KEY.length);
  }

  get sorted(): Element[] {
    return [...this.model].sort(([a, x], [b, y]) => x - y || Buffer.compare(latin1(a), latin1(b)));
  }

  update(member: string, score: number, conditions = 0): void {
    const { database, entry, keyspace, model } = this;
    const bytes = latin1(member);
    if (entry === 0) {
      if ((conditions & IF_PRESENT) !== 0) return;
      keyspace.sortedSets.createWith(database, KEY, 0, KEY.length, bytes, 0, bytes.length, score);
      this.encoding = ENCODING_LISTPACK;
      this.#put(member, score);
      return;
    }
    const outcome = keyspace.sortedSets.update(database, entry, bytes, 0, bytes.length, score, conditions);
    const before = model.get(member);
    const wanted = (conditions & INCREMENT) === 0 || before === undefined ? score : before + score;
    if (before === undefined) {
      assert.equal(outcome, (conditions & IF_PRESENT) !== 0 ? 'skipped' : 'added');
    } else if ((conditions & IF_ABSENT) !== 0) {
      assert.equal(outcome, 'skipped');
    } else if (Number.isNaN(wanted)) {
      assert.equal(outcome, 'not-a-number');
    } else if ((conditions & IF_GREATER) !== 0 && wanted <= before) {
      assert.equal(outcome, 'skipped');
    } else if ((conditions & IF_LESS) !== 0 && wanted >= before) {
      assert.equal(outcome, 'skipped');
    } else {
      assert.equal(outcome, wanted === before ? 'kept' : 'updated');
    }
    if (outcome === 'added' || outcome === 'updated') {
      assert.equal(keyspace.sortedSets.score, wanted);
      this.#put(member, wanted);
    }
  }

  #put(member: string, score: number): void {
    this.model.set(member, score);
    if (member.length > MEMBER_BYTES_MAX || this.model.size > ENTRIES_MAX) this.encoding = ENCODING_SKIPLIST;
  }

  remove(member: string): void {
    const { entry, keyspace } = this;
    if (entry === 0) return;
    const bytes = latin1(member);
    const isRemoved = keyspace.sortedSets.remove(this.database, entry, bytes, 0, bytes.length);
    assert.equal(isRemoved, this.model.delete(member));
    this.#deleteIfEmpty();
  }

  removeRange(rank: number, count: number): void {
    const { entry, keyspace } = this;
    for (const [member] of this.sorted.slice(rank, rank + count)) this.model.delete(member);
    keyspace.sortedSets.removeRange(this.database, entry, rank, count);
    this.#deleteIfEmpty();
  }

  #deleteIfEmpty(): void {
    const { database, entry, keyspace } = this;
    if (keyspace.sortedSets.memberCount(database, entry) === 0) database.delete(entry);
  }

  /** Puts a copy of the value in its place. */
  copy(): void {
    const { database, entry, keyspace } = this;
    const value = database.valueOf(entry);
    database.willChange(entry);
    database.setValue(entry, this.encoding, keyspace.sortedSets.copy(value, this.encoding));
    keyspace.sortedSets.dismantle(value, this.encoding, () => false);
  }

  /** The elements as a walk finds them. */
  elements(isReverse: boolean): Element[] {
    const { database, entry } = this;
    const { sortedSets } = this.keyspace;
    const { cursor } = sortedSets;
    const found: Element[] = [];
    sortedSets.seek(database, entry, isReverse ? this.model.size - 1 : 0, cursor);
    while (cursor.isAtElement) {
      cursor.borrow(this.#view);
      found.push([this.#view.copy().toString('latin1'), cursor.score]);
      if (isReverse) cursor.previous();
      else cursor.next();
    }
    return found;
  }

  check(random: SeededRandom): void {
    const { database, entry, model, sorted } = this;
    const { sortedSets } = this.keyspace;
    this.keyspace.checkInvariants();
    assert.equal(entry !== 0, model.size > 0);
    if (entry === 0) return;
    assert.equal(database.encodingOf(entry), this.encoding);
    assert.equal(sortedSets.memberCount(database, entry), model.size);
    assert.deepEqual(this.elements(false), sorted);
    assert.deepEqual(this.elements(true), [...sorted].reverse());
    for (const [rank, [member, score]] of sorted.entries()) {
      const bytes = latin1(member);
      assert.equal(sortedSets.scoreOf(database, entry, bytes, 0, bytes.length), score);
      assert.equal(sortedSets.rankOf(database, entry, bytes, 0, bytes.length), rank);
    }
    const stranger = latin1('nobody');
    assert(Number.isNaN(sortedSets.scoreOf(database, entry, stranger, 0, stranger.length)));
    assert.equal(sortedSets.rankOf(database, entry, stranger, 0, stranger.length), -1);
    this.#checkScores(random);
    this.#checkScan();
  }

  #checkScores(random: SeededRandom): void {
    const range = new ScoreRange();
    [range.min, range.max] = [random.pick(SCORES), random.pick(SCORES)];
    [range.excludesMin, range.excludesMax] = [random.chance(0.5), random.chance(0.5)];
    const { end, start } = this.keyspace.sortedSets.spanOfScores(this.database, this.entry, range);
    const wanted = this.sorted.filter(([, score]) => range.isAboveMin(score) && range.isBelowMax(score));
    assert.deepEqual(this.sorted.slice(start, end), wanted);
  }

  #checkScan(): void {
    const { database, entry } = this;
    const { sortedSets } = this.keyspace;
    const scanned = new Map<string, number>();
    let cursor = 0;
    do {
      cursor = sortedSets.scan(database, entry, cursor, (place) => {
        sortedSets.borrowMember(database, entry, place, this.#view);
        const score = sortedSets.scoreAt(database, entry, place);
        scanned.set(this.#view.copy().toString('latin1'), score);
      });
    } while (cursor !== 0);
    assert.deepEqual(scanned, this.model);
  }
}

const MEMBERS = ['', 'a', 'b', 'ab', '12', '-1', '99999999999999999999', ...'cdefghij', 'x'.repeat(13)];
const SCORES = [0, 1, 2, 2, -1, 0.1, 1.5, 1e17, -1e300, 2 ** 53 + 2, Infinity, -Infinity];

for (const seed of [1, 2, 3, 4]) {
  test(`random changes, as a Map has them (seed ${seed})`, (t) => {
    const set = new ModelledSortedSet(newKeyspace(t));
    const random = new SeededRandom(seed);
    for (let i = 0; i < 1500; i++) {
      // Short sets and short members keep the listpack for a while.
      const members = i % 300 < 150 ? MEMBERS.slice(0, 6) : MEMBERS;
      const conditions = random.pick([0, 0, IF_ABSENT, IF_PRESENT, IF_GREATER, IF_LESS, INCREMENT]);
      const action = random.integer(0, 9);
      if (action < 6) set.update(random.pick(members), random.pick(SCORES), conditions);
      else if (action < 8) set.remove(random.pick(members));
      else if (set.model.size > 0 && action < 9) set.removeRange(random.integer(0, set.model.size - 1), 1);
      else if (set.model.size > 0) set.copy();
      if (i % 300 === 299 && set.model.size > 0) set.removeRange(0, set.model.size);
      set.check(random);
    }
  });
}

test('ranges of members, with any bounds, in both encodings', (t) => {
  const random = new SeededRandom(9);
  for (const members of [MEMBERS.slice(0, 5), MEMBERS]) {
    const set = new ModelledSortedSet(newKeyspace(t));
    for (const member of members) set.update(member, 0);
    const range = new MemberRange();
    const setBound = (bound: MemberBound): void => {
      bound.place = random.pick(['first', 'last', 'bytes', 'bytes', 'bytes']);
      bound.bytes = latin1(random.pick(MEMBERS));
      bound.end = bound.bytes.length;
      bound.isExcluded = bound.place === 'bytes' && random.chance(0.5);
    };
    for (let i = 0; i < 300; i++) {
      setBound(range.min);
      setBound(range.max);
      const wanted = set.sorted.filter(([member]) => {
        const bytes = latin1(member);
        return range.isAboveMin(bytes, 0, bytes.length) && range.isBelowMax(bytes, 0, bytes.length);
      });
      for (const isReverse of [false, true]) {
        const { sortedSets } = set.keyspace;
        const { end, start } = sortedSets.spanOfMembers(set.database, set.entry, range, isReverse);
        assert.deepEqual(set.sorted.slice(start, end), wanted);
      }
    }
  }
});

test('a listpack of different scores is read from one end, as far as its members are in the range', (t) => {
  const set = new ModelledSortedSet(newKeyspace(t));
  for (const [score, member] of ['b', 'd', 'c', 'a', 'c2'].entries()) set.update(member, score);
  const { sortedSets } = set.keyspace;
  const range = new MemberRange();
  for (const [bound, text] of [
    [range.min, 'b'],
    [range.max, 'c9'],
  ] as const) {
    bound.place = 'bytes';
    bound.bytes = latin1(text);
    bound.end = text.length;
  }
  assert.deepEqual(
    { ...sortedSets.spanOfMembers(set.database, set.entry, range, false) },
    { start: 0, end: 1 },
  );
  assert.deepEqual(
    { ...sortedSets.spanOfMembers(set.database, set.entry, range, true) },
    { start: 4, end: 5 },
  );
});

test('a large set grows, shrinks, and is freed with all it holds', (t) => {
  const keyspace = newKeyspace(t);
  const set = new ModelledSortedSet(keyspace);
  const random = new SeededRandom(4);
  const { sortedSets } = keyspace;
  const usedBefore = keyspace.allocator.usedBytes;
  for (let i = 0; i < 5000; i++) set.update(`member:${i}`, random.integer(0, 3000));
  keyspace.checkInvariants();
  assert.deepEqual(set.elements(false), set.sorted);
  const exact = sortedSets.memory(set.database.valueOf(set.entry), ENCODING_SKIPLIST, 0);
  const estimate = sortedSets.memory(set.database.valueOf(set.entry), ENCODING_SKIPLIST, 5);
  const used = keyspace.allocator.usedBytes - usedBefore;
  assert(Math.abs(exact - used) < 100 && Math.abs(estimate / exact - 1) < 0.5);
  assert(exact / 5000 < 80, `${exact / 5000} bytes a member`);

  const copied = sortedSets.copy(set.database.valueOf(set.entry), ENCODING_SKIPLIST);
  let calls = 0;
  while (!sortedSets.dismantle(copied, ENCODING_SKIPLIST, () => true)) calls++;
  assert(calls > 10, 'in slices');

  set.removeRange(100, 4700);
  set.check(random);
  set.database.delete(set.entry);
  while (keyspace.dismantleDetached(() => false));
  keyspace.checkInvariants();
  // The database keeps its buckets.
  assert(keyspace.allocator.usedBytes <= usedBefore + 64);
});

test('a loose set is stored in the form that a client would have got', (t) => {
  const keyspace = newKeyspace(t);
  const { sortedSets } = keyspace;
  const database = keyspace.databases[0]!;
  const usedBefore = keyspace.allocator.usedBytes;
  for (const count of [1, ENTRIES_MAX, ENTRIES_MAX + 1]) {
    for (const set of [sortedSets.newSet(), sortedSets.newSet(count), sortedSets.newTable(count)]) {
      for (let i = 0; i < count; i++) {
        const member = latin1(`m${i}`);
        sortedSets.put(set, member, 0, member.length, 5);
        sortedSets.put(set, member, 0, member.length, -i);
      }
      sortedSets.compact(set);
      assert.equal(set.encoding, count <= ENTRIES_MAX ? ENCODING_LISTPACK : ENCODING_SKIPLIST);
      database.storeWith(KEY, 0, KEY.length, TYPE_SORTED_SET, set.encoding, set.value);
      const entry = database.lookup(KEY, 0, KEY.length);
      assert.equal(sortedSets.memberCount(database, entry), count);
      assert.equal(sortedSets.rankOf(database, entry, latin1('m0'), 0, 2), count - 1);
      keyspace.checkInvariants();
    }
  }
  database.delete(database.lookup(KEY, 0, KEY.length));
  assert(keyspace.allocator.usedBytes <= usedBefore + 64);
});

test('the bytes of a listpack become a set of the encoding that the limits ask for', (t) => {
  const keyspace = newKeyspace(t);
  const { allocator, limits, sortedSets } = keyspace;
  const before = allocator.usedBytes;
  const set = sortedSets.newSet();
  for (const [score, member] of ['a', 'b', 'c'].entries()) sortedSets.put(set, latin1(member), 0, 1, score);
  const start = byteOffset(set.value);
  const length = getWord(keyspace.arena, set.value, 0);
  const bytes = bytesOf(keyspace.arena, set.value).slice(start, start + length);
  for (const entriesMax of [3, 2]) {
    limits.zsetMaxListpackEntries = entriesMax;
    const adopted = sortedSets.adopt(bytes, 0, bytes.length);
    assert.equal(adopted.encoding, entriesMax === 3 ? ENCODING_LISTPACK : ENCODING_SKIPLIST);
    assert.equal(sortedSets.scoreIn(adopted.value, adopted.encoding, latin1('c'), 0, 1), 2);
    sortedSets.checkInvariants(adopted.value, adopted.encoding);
    sortedSets.discard(adopted);
  }
  sortedSets.discard(set);
  assert.equal(allocator.usedBytes, before);
});

test('a change that finds no memory leaves the set as it was', (t) => {
  const keyspace = newKeyspace(t);
  const set = new ModelledSortedSet(keyspace);
  const random = new SeededRandom(6);
  const { allocator } = keyspace;
  const allocate = allocator.allocate.bind(allocator);
  let left = Infinity;
  t.mock.method(allocator, 'allocate', (byteCount: number) => {
    if (left-- <= 0) throw new OutOfMemoryError(byteCount);
    return allocate(byteCount);
  });
  let failureCount = 0;
  for (let i = 0; i < 3000; i++) {
    left = random.integer(0, 3);
    try {
      set.update(`${random.pick(MEMBERS)}${random.integer(0, i % 1000)}`, random.pick(SCORES));
    } catch (error) {
      assert(error instanceof OutOfMemoryError);
      failureCount++;
      // It may have become a table before there was no memory for the member.
      if (set.entry !== 0) set.encoding = set.database.encodingOf(set.entry);
    }
    left = Infinity;
    if (i % 3 === 0) set.check(random);
    if (set.model.size > 40) set.removeRange(1, 39);
    if (i % 500 === 499 && set.model.size > 0) set.removeRange(0, set.model.size);
  }
  assert(failureCount > 100);
});
