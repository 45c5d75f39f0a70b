import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { byteOffset, bytesOf, getWord, setWord } from '../memory/struct.ts';
import { ENTRY_HASH, ENTRY_NEXT, HASH_TABLE_WORDS, HashTable, TableWalk } from './hash-table.ts';

const KEY_LENGTH = 2;
const KEY_OFFSET = 12;

type HashOf = (key: string) => number;

function scattered(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) | 0;
}

/** A table of text keys together with the Map that it must agree with. */
class ModelledTable {
  readonly allocator: Allocator;
  readonly arena: Arena;
  readonly table: HashTable;
  readonly model = new Map<string, Ref>();
  readonly #hashOf: HashOf;

  constructor(t: TestContext, hashOf: HashOf = scattered) {
    this.arena = Arena.create();
    t.after(() => this.arena.close());
    this.allocator = new Allocator(this.arena);
    this.#hashOf = hashOf;
    const header = this.allocator.allocate(HASH_TABLE_WORDS * 4);
    HashTable.initialize(this.allocator, header);
    this.table = new HashTable(this.allocator, header, { keyLengthWord: KEY_LENGTH, keyOffset: KEY_OFFSET });
  }

  #newEntry(key: string): Ref {
    const ref = this.allocator.allocate(KEY_OFFSET + key.length);
    setWord(this.arena, ref, ENTRY_HASH, this.#hashOf(key));
    setWord(this.arena, ref, KEY_LENGTH, key.length);
    bytesOf(this.arena, ref).set(Buffer.from(key, 'latin1'), byteOffset(ref) + KEY_OFFSET);
    return ref;
  }

  find(key: string): Ref {
    const bytes = Buffer.from(`(${key})`, 'latin1');
    return this.table.find(bytes, 1, bytes.length - 1, this.#hashOf(key));
  }

  insert(key: string): void {
    if (this.model.has(key)) return;
    const ref = this.#newEntry(key);
    this.table.insert(ref);
    this.model.set(key, ref);
  }

  remove(key: string): void {
    const ref = this.model.get(key);
    if (ref === undefined) return;
    this.table.remove(ref);
    this.allocator.free(ref);
    this.model.delete(key);
  }

  replace(key: string): void {
    const ref = this.model.get(key);
    if (ref === undefined) return;
    const other = this.#newEntry(key);
    this.table.replace(ref, other);
    this.allocator.free(ref);
    this.model.set(key, other);
  }

  keyOf(ref: Ref): string {
    const start = byteOffset(ref) + KEY_OFFSET;
    return Buffer.from(
      bytesOf(this.arena, ref).slice(start, start + getWord(this.arena, ref, KEY_LENGTH)),
    ).toString('latin1');
  }

  check(): void {
    this.table.checkInvariants();
    assert.equal(this.table.count, this.model.size);
    for (const [key, ref] of this.model) assert.equal(this.find(key), ref, key);
  }
}

const HASHES: readonly { name: string; hashOf: HashOf }[] = [
  { name: 'scattered hashes', hashOf: scattered },
  { name: 'few different hashes', hashOf: (key) => scattered(key) & 0x80000007 },
  { name: 'hashes that differ in their upper bits only', hashOf: (key) => scattered(key) << 20 },
];

for (const { name, hashOf } of HASHES) {
  test(`a table behaves like a Map: ${name}`, (t) => {
    const modelled = new ModelledTable(t, hashOf);
    const random = new SeededRandom(11);
    const keysMax = hashOf === scattered ? 2000 : 300;
    const seen = { growing: false, shrinking: false };
    for (let phase = 0; phase < 10; phase++) {
      const inserts = phase % 2 === 0 ? 0.8 : 0.02;
      for (let step = 0; step < keysMax * 4; step++) {
        const key = `k${random.integer(0, keysMax)}`;
        const choice = random.fraction();
        if (choice < inserts) modelled.insert(key);
        else if (choice < 0.9) modelled.remove(key);
        else modelled.replace(key);
        const probe = `k${random.integer(0, keysMax)}`;
        assert.equal(modelled.find(probe), modelled.model.get(probe) ?? 0);
        const [current, next] = modelled.table.bucketCounts;
        if (next > current) seen.growing = true;
        if (next !== 0 && next < current) seen.shrinking = true;
        if (random.chance(0.004)) modelled.check();
        if (random.chance(0.01)) modelled.table.rehashGroups(random.integer(1, 20));
      }
      modelled.check();
    }
    assert.deepEqual(seen, { growing: true, shrinking: true });

    for (const key of [...modelled.model.keys()]) modelled.remove(key);
    while (modelled.table.rehashGroups(100));
    assert.ok(modelled.table.bucketCounts[0] <= 64);
    modelled.allocator.checkInvariants();
  });
}

test('keys of any bytes and of no bytes are told apart', (t) => {
  const modelled = new ModelledTable(t, () => 5);
  const keys = ['', '\0', '\0\0', 'a', 'a\0', 'ab', 'b', '\xff', 'a'.repeat(5000), `${'a'.repeat(4999)}b`];
  for (const key of keys) modelled.insert(key);
  modelled.check();
  assert.equal(modelled.find('c'), 0);
  for (const key of keys) assert.equal(modelled.keyOf(modelled.find(key)), key);
});

test('a growing table is done before it has to grow again', (t) => {
  const modelled = new ModelledTable(t);
  for (let i = 0; i < 20_000; i++) {
    modelled.insert(`key ${i}`);
    const [current, next] = modelled.table.bucketCounts;
    assert.ok(modelled.table.count <= Math.max(current, next), 'load factor at most 1');
    assert.equal(modelled.table.bucketBytes, (current + next) * 4);
  }
});

test('while paused no group moves and no rehash starts', (t) => {
  const modelled = new ModelledTable(t);
  while (!modelled.table.isRehashing) modelled.insert(`a${modelled.model.size}`);
  const counts = modelled.table.bucketCounts;
  modelled.table.pauseRehash();
  modelled.table.pauseRehash();
  for (let i = 0; i < 500; i++) modelled.insert(`b${i}`);
  for (let i = 0; i < 200; i++) modelled.remove(`b${i}`);
  modelled.check();
  assert.deepEqual(modelled.table.bucketCounts, counts);
  modelled.table.resumeRehash();
  assert.equal(modelled.table.rehashGroups(1000), true);
  assert.deepEqual(modelled.table.bucketCounts, counts);
  modelled.table.resumeRehash();
  assert.throws(() => modelled.table.resumeRehash(), assert.AssertionError);
  while (modelled.table.rehashGroups(1));
  assert.deepEqual(modelled.table.bucketCounts, [counts[1], 0]);
  for (let i = 500; i < 600; i++) modelled.insert(`b${i}`);
  assert.equal(modelled.table.isRehashing, true);
  modelled.check();
});

test('a walk that throws leaves the table able to rehash', (t) => {
  const modelled = new ModelledTable(t);
  for (let i = 0; i < 3; i++) modelled.insert(`k${i}`);
  const walk = (): void => {
    for (let group = 0; group < modelled.table.groupCount; group++) {
      modelled.table.visitGroupAt(group, () => {
        throw new RangeError('no more');
      });
    }
  };
  assert.throws(walk, RangeError);
  for (let i = 3; i < 100; i++) modelled.insert(`k${i}`);
  assert.ok(modelled.table.bucketCounts[0] > 4);
});

test('a full walk visits each entry once, and may remove and replace what it visits', (t) => {
  const modelled = new ModelledTable(t);
  // 9 inserts begin to grow from 8 to 16 buckets; more states follow.
  for (let size = 0; size < 200; size++) {
    const visited: string[] = [];
    for (let group = 0; group < modelled.table.groupCount; group++) {
      modelled.table.visitGroupAt(group, (ref) => visited.push(modelled.keyOf(ref)));
    }
    assert.deepEqual(visited.sort(), [...modelled.model.keys()].sort());
    modelled.insert(`k${size}`);
  }
  for (let group = 0; group < modelled.table.groupCount; group++) {
    modelled.table.visitGroupAt(group, (ref) => {
      const key = modelled.keyOf(ref);
      if (Number(key.slice(1)) % 2 === 0) modelled.remove(key);
      else modelled.replace(key);
    });
  }
  modelled.check();
  assert.equal(modelled.table.count, 100);
});

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`a scan returns all that stays while the table is resized, seed ${seed}`, (t) => {
    const modelled = new ModelledTable(t);
    const random = new SeededRandom(seed);
    const staying = Array.from({ length: random.pick([5, 60, 500]) }, (_, i) => `stays ${i}`);
    for (const key of staying) modelled.insert(key);
    const guests: string[] = [];
    const seen = { growing: false, shrinking: false };

    for (let round = 0; round < 6; round++) {
      const returned = new Set<string>();
      let cursor = 0;
      let calls = 0;
      do {
        cursor = modelled.table.scan(cursor, (ref) => returned.add(modelled.keyOf(ref)));
        assert.ok(cursor >= 0 && cursor < 2 ** 32 && Number.isInteger(cursor));
        const change = random.integer(0, 120);
        if (random.chance(0.5)) {
          for (let i = 0; i < change; i++)
            modelled.insert(guests[guests.push(`guest ${random.uint32()}`) - 1]!);
        } else {
          for (let i = 0; i < change * 2 && guests.length > 0; i++) modelled.remove(guests.pop()!);
        }
        if (random.chance(0.3)) modelled.table.rehashGroups(random.integer(1, 300));
        if (random.chance(0.1)) modelled.replace(random.pick(staying));
        const [current, next] = modelled.table.bucketCounts;
        if (next > current) seen.growing = true;
        if (next !== 0 && next < current) seen.shrinking = true;
        assert.ok(++calls < 100_000, 'the scan ends');
      } while (cursor !== 0);
      for (const key of staying) assert.ok(returned.has(key), `${key} was missed`);
      while (guests.length > 0 && round % 2 === 1) modelled.remove(guests.pop()!);
    }
    modelled.check();
    assert.equal(seen.growing, true);
  });
}

test('a scan of a table that rests returns each entry once', (t) => {
  const modelled = new ModelledTable(t);
  for (let i = 0; i < 1000; i++) modelled.insert(`k${i}`);
  while (modelled.table.rehashGroups(100));
  const returned: string[] = [];
  let cursor = 0;
  do cursor = modelled.table.scan(cursor, (ref) => returned.push(modelled.keyOf(ref)));
  while (cursor !== 0);
  assert.deepEqual(returned.sort(), [...modelled.model.keys()].sort());
});

test('a cursor of any value is taken', (t) => {
  const modelled = new ModelledTable(t);
  for (let i = 0; i < 100; i++) modelled.insert(`k${i}`);
  for (const cursor of [1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
    const next = modelled.table.scan(cursor, () => {});
    assert.ok(Number.isInteger(next) && next >= 0 && next < 2 ** 32);
  }
});

test('random returns entries that are there, and in the end every one', (t) => {
  const modelled = new ModelledTable(t);
  const random = new SeededRandom(3);
  const next = (): number => random.uint32();
  assert.equal(modelled.table.random(next), 0);
  for (let i = 0; i < 70; i++) {
    modelled.insert(`k${i}`);
    assert.ok(modelled.model.has(modelled.keyOf(modelled.table.random(next))));
  }
  const chosen = new Set<Ref>();
  for (let i = 0; i < 20_000 && chosen.size < 70; i++) chosen.add(modelled.table.random(next));
  assert.equal(chosen.size, 70);
});

test('a table that is disposed of gives its buckets back', (t) => {
  const modelled = new ModelledTable(t);
  while (!(modelled.table.isRehashing && modelled.model.size > 100))
    modelled.insert(`k${modelled.model.size}`);
  const used = modelled.allocator.usedBytes;
  const bytes = modelled.table.bucketCounts.reduce(
    (sum, count) => sum + Allocator.roundedBytes(count * 4),
    0,
  );
  modelled.table.dispose();
  assert.equal(used - modelled.allocator.usedBytes, bytes);
});

test('an empty table takes as many entries as it was prepared for without a rehash', (t) => {
  const modelled = new ModelledTable(t);
  const { table } = modelled;
  table.reserve(1000);
  assert.deepEqual(table.bucketCounts, [1024, 0]);
  for (let i = 0; i < 1000; i++) {
    modelled.insert(`k${i}`);
    assert.equal(table.isRehashing, false);
  }
  table.reserve(100_000);
  assert.deepEqual(table.bucketCounts, [1024, 0], 'one with entries stays as it is');
  for (let i = 0; i < 1000; i++) assert.equal(modelled.find(`k${i}`), modelled.model.get(`k${i}`));
  table.checkInvariants();
  modelled.allocator.checkInvariants();
});

test('a walk by chains meets every entry that stays, however the table is resized meanwhile', (t) => {
  const seed = SeededRandom.newSeed();
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  for (let round = 0; round < 20; round++) {
    const modelled = new ModelledTable(t);
    const { table, arena, model } = modelled;
    const staying: string[] = [];
    const leaving: string[] = [];
    let added = 0;
    const add = (keys: string[]) => {
      keys.push(`${++added}`);
      modelled.insert(`${added}`);
    };
    for (let i = random.integer(0, 3000); i > 0; i--) add(random.chance(0.05) ? staying : leaving);

    const met = new Set<Ref>();
    const walk = new TableWalk();
    const heads = new Int32Array(random.integer(16, 64));
    while (!walk.isDone) {
      const count = table.nextChains(walk, heads);
      for (const head of heads.subarray(0, count)) {
        for (let ref: Ref = head; ref !== 0; ref = getWord(arena, ref, ENTRY_NEXT)) met.add(ref);
      }
      if (random.chance(0.5)) for (let i = random.integer(0, 200); i > 0; i--) add(leaving);
      else for (const key of leaving.splice(0, random.integer(0, 600))) modelled.remove(key);
    }
    for (const key of staying) assert.ok(met.has(model.get(key)!), key);
  }
});
