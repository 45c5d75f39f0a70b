import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes, getWord } from '../memory/struct.ts';
import { seededRandom } from '../util/random.ts';
import type { Database } from './database.ts';
import { NO_EXPIRY } from './database.ts';
import {
  EMBEDDED_VALUE_BYTES_MAX,
  ENCODING_EMBSTR,
  ENCODING_INT,
  ENCODING_RAW,
  ENTRY_META,
  FLAG_APART,
  encodingOfMeta,
} from './entry.ts';
import { Keyspace } from './keyspace.ts';
import { encodingFor } from './string-values.ts';

function newKeyspace(t: TestContext): Keyspace {
  const arena = Arena.create();
  t.after(() => arena.close());
  const keyspace = new Keyspace(new Allocator(arena), seededRandom(1), 2);
  keyspace.enter(1_000_000);
  return keyspace;
}

interface ModelString {
  value: Buffer;
  expiry: number;
  encoding: number;
}

/** Strings of one database together with what they must be. */
class ModelledStrings {
  readonly keyspace: Keyspace;
  readonly database: Database;
  readonly model = new Map<string, ModelString>();
  readonly #view = new BorrowedBytes();

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace;
    this.database = keyspace.databases[0]!;
  }

  find(key: string): Ref {
    const bytes = Buffer.from(key);
    return this.database.find(bytes, 0, bytes.length);
  }

  set(key: string, value: Buffer, keepsExpiry: boolean): void {
    const expiry = keepsExpiry ? (this.model.get(key)?.expiry ?? NO_EXPIRY) : NO_EXPIRY;
    const [name, padded] = [
      Buffer.from(`(${key})`),
      Buffer.concat([Buffer.from('<'), value, Buffer.from('>')]),
    ];
    const nameEnd = name.length - 1;
    const valueEnd = padded.length - 1;
    const { strings } = this.keyspace;
    const entry = strings.set(this.database, name, 1, nameEnd, padded, 1, valueEnd, keepsExpiry);
    assert.equal(entry, this.find(key), 'set returns the entry as it is now');
    this.model.set(key, { value, expiry, encoding: encodingFor(value, 0, value.length) });
  }

  overwrite(key: string, value: Buffer): void {
    const { expiry } = this.model.get(key)!;
    const entry = this.keyspace.strings.overwrite(this.database, this.find(key), value, 0, value.length);
    assert.equal(entry, this.find(key), 'overwrite returns the entry as it is now');
    this.model.set(key, { value, expiry, encoding: encodingFor(value, 0, value.length) });
  }

  /** Gives the value another length and writes `patch` at `offset`, as SETRANGE and APPEND do. */
  edit(key: string, length: number, offset: number, patch: Buffer): void {
    const { value, expiry } = this.model.get(key)!;
    const entry = this.keyspace.strings.edit(this.database, this.find(key), length, this.#view);
    assert.equal(entry, this.find(key), 'edit returns the entry as it is now');
    assert.equal(this.#view.length, length);
    this.#view.bytes.set(patch, this.#view.start + offset);

    const edited = Buffer.alloc(length);
    value.copy(edited);
    patch.copy(edited, offset);
    this.model.set(key, { value: edited, expiry, encoding: ENCODING_RAW });
  }

  setExpiry(key: string, expiry: number): void {
    assert.equal(this.database.setExpiry(this.find(key), expiry), this.find(key));
    this.model.get(key)!.expiry = expiry;
  }

  clearExpiry(key: string): void {
    assert.equal(this.database.clearExpiry(this.find(key)), this.find(key));
    this.model.get(key)!.expiry = NO_EXPIRY;
  }

  delete(key: string): void {
    this.database.delete(this.find(key));
    this.model.delete(key);
  }

  rename(from: string, to: string): void {
    if (from === to) return;
    if (this.model.has(to)) this.delete(to);
    const name = Buffer.from(to);
    const moved = this.database.moveTo(this.find(from), this.database, name, 0, name.length);
    assert.equal(moved, this.find(to));
    this.model.set(to, this.model.get(from)!);
    this.model.delete(from);
  }

  compact(): void {
    const { allocator } = this.keyspace;
    allocator.beginCompaction(1);
    for (const key of this.model.keys()) this.database.relocate(this.find(key));
    allocator.endCompaction();
  }

  checkKey(key: string): void {
    const expected = this.model.get(key);
    const entry = this.find(key);
    if (expected === undefined) {
      assert.equal(entry, 0);
      return;
    }
    assert.notEqual(entry, 0);
    assert.equal(this.keyspace.strings.length(entry), expected.value.length);
    this.keyspace.strings.borrow(entry, this.#view);
    assert.ok(this.#view.copy().equals(expected.value), `value of ${key}, ${expected.value.length} bytes`);
    assert.equal(this.database.expiryOf(entry), expected.expiry);
    const meta = getWord(this.keyspace.arena, entry, ENTRY_META);
    assert.equal(encodingOfMeta(meta), expected.encoding);
    assert.equal((meta & FLAG_APART) !== 0, expected.value.length > EMBEDDED_VALUE_BYTES_MAX);
    assert.deepEqual(this.database.keyOf(entry), Buffer.from(key));
  }

  check(): void {
    for (const key of this.model.keys()) this.checkKey(key);
    assert.equal(this.database.keyCount, this.model.size);
    const expiring = [...this.model.values()].filter(({ expiry }) => expiry !== NO_EXPIRY).length;
    assert.equal(this.database.expiringCount, expiring);
    this.keyspace.checkInvariants();
  }
}

/** Lengths near all the borders: embstr, embedded or apart, the allocator's largest span block. */
function randomLength(random: SeededRandom): number {
  const kind = random.fraction();
  if (kind < 0.4) return random.integer(0, 60);
  if (kind < 0.6) return random.integer(61, 2000);
  if (kind < 0.85) return random.integer(EMBEDDED_VALUE_BYTES_MAX - 3, EMBEDDED_VALUE_BYTES_MAX + 3);
  if (kind < 0.98) return random.integer(2049, 40_000);
  return random.integer(40_001, 400_000);
}

function randomValue(random: SeededRandom): Buffer {
  if (random.chance(0.15)) return Buffer.from(String(random.integer(-1_000_000, 1_000_000)));
  return Buffer.alloc(randomLength(random), random.bytes(random.integer(1, 9)));
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  test(`strings come, grow, shrink, expire and go, seed ${seed}`, (t) => {
    const keyspace = newKeyspace(t);
    const unused = keyspace.allocator.usedBytes;
    const strings = new ModelledStrings(keyspace);
    const random = new SeededRandom(seed);
    const keys = ['', ...Array.from({ length: 40 }, (_, i) => 'k'.repeat(random.integer(0, 40)) + String(i))];
    // Few keys at a time, so that each lives through many changes of its shape.
    for (let step = 0; step < 3000; step++) {
      const key = random.pick(keys);
      const choice = random.fraction();
      const present = strings.model.get(key);
      if (present === undefined || choice < 0.15) strings.set(key, randomValue(random), random.chance(0.5));
      else if (choice < 0.3) strings.overwrite(key, randomValue(random));
      else if (choice < 0.45) {
        const patch = randomValue(random);
        strings.edit(key, present.value.length + patch.length, present.value.length, patch);
      } else if (choice < 0.65) {
        const length = random.chance(0.5) ? randomLength(random) : present.value.length;
        const offset = random.integer(0, length);
        strings.edit(key, length, offset, random.bytes(Math.min(length - offset, random.integer(0, 30))));
      } else if (choice < 0.78) strings.setExpiry(key, 2_000_000 + step);
      else if (choice < 0.88) strings.clearExpiry(key);
      else if (choice < 0.93) strings.delete(key);
      else if (choice < 0.99) strings.rename(key, random.pick(keys));
      else strings.compact();
      strings.checkKey(key);
      if (step % 100 === 0) strings.check();
    }
    strings.check();

    const isLazy = seed % 2 === 0;
    strings.database.clear(isLazy);
    strings.model.clear();
    if (isLazy) {
      assert.ok(keyspace.lazyPendingCount > 0);
      while (keyspace.dismantleDetached(() => true));
    }
    strings.check();
    assert.equal(keyspace.allocator.usedBytes, unused, 'nothing is left behind');
  });
}

test('the encoding is the one that Redis chooses', () => {
  const cases: readonly [text: string, encoding: number][] = [
    ['', ENCODING_EMBSTR],
    ['0', ENCODING_INT],
    ['-1', ENCODING_INT],
    ['01', ENCODING_EMBSTR],
    ['-0', ENCODING_EMBSTR],
    ['+1', ENCODING_EMBSTR],
    ['-', ENCODING_EMBSTR],
    ['1.5', ENCODING_EMBSTR],
    [' 1', ENCODING_EMBSTR],
    ['9223372036854775807', ENCODING_INT],
    ['9223372036854775808', ENCODING_EMBSTR],
    ['-9223372036854775808', ENCODING_INT],
    ['-9223372036854775809', ENCODING_EMBSTR],
    ['a'.repeat(44), ENCODING_EMBSTR],
    ['a'.repeat(45), ENCODING_RAW],
    ['1'.repeat(44), ENCODING_EMBSTR],
  ];
  for (const [text, encoding] of cases) {
    assert.equal(encodingFor(Buffer.from(`7${text}7`), 1, text.length + 1), encoding, text);
  }
});

test('bytes that a longer value gains are zero, whatever was there before', (t) => {
  for (const length of [10, EMBEDDED_VALUE_BYTES_MAX, 30_000]) {
    const strings = new ModelledStrings(newKeyspace(t));
    strings.set('key', Buffer.alloc(length, 0xff), false);
    strings.edit('key', 5, 0, Buffer.alloc(0));
    strings.edit('key', length, 0, Buffer.alloc(0));
    strings.checkKey('key');
  }
});

test('a string that grows byte by byte is rarely moved, once it lives apart', (t) => {
  const strings = new ModelledStrings(newKeyspace(t));
  const view = new BorrowedBytes();
  for (const first of [3000, 50_000, 100_000]) {
    strings.set('key', Buffer.alloc(first, 1), false);
    let moves = 0;
    let place = -1;
    for (let length = first + 1; length <= first + 1500; length++) {
      strings.edit('key', length, length - 1, Buffer.from('x'));
      strings.keyspace.strings.borrow(strings.find('key'), view);
      if (view.start !== place) moves++;
      place = view.start;
    }
    assert.ok(moves <= 2, `from ${first} bytes: ${moves} moves`);
    // Writing in between gives none of the room away.
    strings.edit('key', first + 1500, 0, Buffer.from('y'));
    strings.keyspace.strings.borrow(strings.find('key'), view);
    assert.equal(view.start, place);
    strings.checkKey('key');
  }
});

test('a string that shrinks gives its room back', (t) => {
  const keyspace = newKeyspace(t);
  const strings = new ModelledStrings(keyspace);
  strings.set('key', Buffer.alloc(1_000_000, 1), false);
  for (const length of [100_000, 5000, 2049, 2048, 100, 0]) {
    strings.edit('key', length, 0, Buffer.alloc(0));
    strings.checkKey('key');
    const held = strings.database.memoryOf(strings.find('key'), 0);
    assert.ok(held <= 3 * length + 3 * 1024, `${held} bytes for ${length}`);
  }
});

test('a snapshot is offered the old state of each entry before its first change', (t) => {
  const keyspace = newKeyspace(t);
  const strings = new ModelledStrings(keyspace);
  const view = new BorrowedBytes();
  const preserved: string[] = [];
  keyspace.observer = {
    keyExpired() {},
    notify() {},
    keyReady() {},
    preserve(database, entry) {
      keyspace.strings.borrow(entry, view);
      preserved.push(
        `${database.keyOf(entry).toString()}=${view.copy().toString()}@${database.expiryOf(entry)}`,
      );
    },
  };
  for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) strings.set(key, Buffer.from(`old ${key}`), false);
  strings.setExpiry('b', 5_000_000);
  assert.deepEqual(preserved, [], 'entries of this epoch are no part of the snapshot');

  keyspace.epoch = 0xffff;
  strings.set('a', Buffer.from('new'), false);
  strings.set('b', Buffer.from('new'), false);
  strings.edit('c', 100, 50, Buffer.from('new'));
  strings.setExpiry('d', 6_000_000);
  strings.delete('e');
  strings.rename('f', 'g');
  strings.overwrite('a', Buffer.alloc(5000, 1));
  strings.setExpiry('a', 6_000_000);
  strings.set('h', Buffer.from('new'), false);
  strings.overwrite('h', Buffer.from('newer'));
  assert.deepEqual(preserved, [
    'a=old a@-1',
    'b=old b@5000000',
    'c=old c@-1',
    'd=old d@-1',
    'e=old e@-1',
    'f=old f@-1',
  ]);
  strings.check();
});

test('a key whose time has passed is gone for lookups, and deleted when that is allowed', (t) => {
  const keyspace = newKeyspace(t);
  const strings = new ModelledStrings(keyspace);
  strings.set('key', Buffer.from('value'), false);
  strings.setExpiry('key', 1_500_000);
  const name = Buffer.from('key');
  keyspace.setTime(1_500_000);
  assert.notEqual(strings.database.lookup(name, 0, 3), 0, 'alive in its last millisecond');
  keyspace.setTime(1_500_001);
  keyspace.mayDeleteExpired = false;
  assert.equal(strings.database.lookup(name, 0, 3), 0);
  assert.equal(strings.database.keyCount, 1);
  keyspace.mayDeleteExpired = true;
  assert.equal(strings.database.lookup(name, 0, 3), 0);
  assert.equal(strings.database.keyCount, 0);
  assert.equal(keyspace.counter('expired'), 1);
  keyspace.checkInvariants();
});
