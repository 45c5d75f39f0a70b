import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { ManualClock } from '../util/clock.ts';
import type { Clock } from '../util/clock.ts';
import { seededRandom } from '../util/random.ts';
import type { Database } from './database.ts';
import { activeExpireCycle } from './expiry-cycle.ts';
import { Keyspace } from './keyspace.ts';

const NOW = 1_000_000;
const DEAD = NOW - 1;
const SAMPLE_KEYS = 20;

/** A keyspace of three databases. */
function newKeyspace(t: TestContext): Keyspace {
  const arena = Arena.create();
  t.after(() => arena.close());
  const keyspace = new Keyspace(new Allocator(arena), seededRandom(1), 3);
  keyspace.enter(NOW);
  return keyspace;
}

function setKey(keyspace: Keyspace, database: Database, name: string, expiry: number): void {
  const key = Buffer.from(name);
  const value = Buffer.from('value');
  const entry = keyspace.strings.set(database, key, 0, key.length, value, 0, value.length, false);
  database.setExpiry(entry, expiry);
}

function deleteKey(database: Database, name: string): void {
  const key = Buffer.from(name);
  const entry = database.find(key, 0, key.length);
  if (entry !== 0) database.delete(entry);
}

/** One cycle with all the time in the world. */
function cycle(keyspace: Keyspace, effort = 1): boolean {
  return activeExpireCycle(keyspace, { budgetMicros: 1000, clock: new ManualClock(NOW), effort });
}

/** A clock that moves on by that much whenever it is read. */
function tickingClock(micros: number): Clock {
  let now = 0;
  return { wallMillis: () => NOW, wallMicros: () => NOW * 1000, monotonicMicros: () => (now += micros) };
}

test('dead keys of all databases are deleted, and nothing else', (t) => {
  const keyspace = newKeyspace(t);
  for (const database of keyspace.databases) {
    for (let i = 0; i < 100; i++) setKey(keyspace, database, `dead ${i}`, DEAD);
  }
  const last = keyspace.databases[2]!;
  setKey(keyspace, last, 'dies this very moment', NOW);
  setKey(keyspace, last, 'alive', NOW + 1);

  assert.equal(cycle(keyspace), false);

  assert.deepEqual(
    keyspace.databases.map((database) => database.keyCount),
    [0, 0, 2],
  );
  assert.equal(keyspace.counter('expired'), 300);
  assert.equal(keyspace.counter('expiredTimeCapReached'), 0);
  keyspace.checkInvariants();
});

test('everybody hears of every key, and its deletion is no change', (t) => {
  const keyspace = newKeyspace(t);
  const database = keyspace.databases[1]!;
  const names = Array.from({ length: 50 }, (_, i) => `dead ${i}`);
  for (const name of names) setKey(keyspace, database, name, DEAD);
  const told: string[] = [];
  keyspace.observer = {
    keyExpired: (where, key) => told.push(`${where.index}: ${key.toString()}`),
    notify: () => assert.fail('the observer announces expired keys itself'),
    keyReady() {},
    preserve: () => {},
  };
  const dirty = keyspace.dirty;

  cycle(keyspace);

  assert.deepEqual(told.sort(), names.map((name) => `1: ${name}`).sort());
  assert.equal(keyspace.dirty, dirty);
});

test('few dead keys are left for the next cycles, none for longer than a round', (t) => {
  const keyspace = newKeyspace(t);
  const database = keyspace.databases[0]!;
  for (let i = 0; i < 1000; i++) setKey(keyspace, database, `key ${i}`, i % 20 === 0 ? DEAD : NOW + 5000);

  cycle(keyspace);
  assert.ok(keyspace.counter('expired') <= 2, 'one sample, one key in twenty dead');

  for (let i = 0; i < 1000 / SAMPLE_KEYS; i++) cycle(keyspace);
  assert.equal(keyspace.counter('expired'), 50);
  assert.equal(database.keyCount, 950);
});

test('a round passes over no key, whatever is deleted and added in between', (t) => {
  const seed = SeededRandom.newSeed();
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const keyspace = newKeyspace(t);
  const database = keyspace.databases[0]!;
  const names = Array.from({ length: 600 }, (_, i) => `key ${i}`);
  const dead = names.filter(() => random.chance(0.04));
  for (const name of names) setKey(keyspace, database, name, dead.includes(name) ? DEAD : NOW + 1);

  for (let i = 0; i < 600 / SAMPLE_KEYS; i++) {
    cycle(keyspace);
    for (let deletions = random.integer(0, 10); deletions > 0; deletions--) {
      deleteKey(database, random.pick(names));
    }
    setKey(keyspace, database, `new ${i}`, NOW + 1);
  }

  for (const name of dead) {
    const key = Buffer.from(name);
    assert.equal(database.find(key, 0, key.length), 0, name);
  }
  keyspace.checkInvariants();
});

test('the cycle ends when its time is up, says so, and goes on where it was', (t) => {
  const keyspace = newKeyspace(t);
  const database = keyspace.databases[0]!;
  for (let i = 0; i < 1000; i++) setKey(keyspace, database, `dead ${i}`, DEAD);

  const isCutShort = activeExpireCycle(keyspace, { budgetMicros: 350, clock: tickingClock(100), effort: 1 });

  assert.equal(isCutShort, true);
  assert.equal(keyspace.counter('expired'), 4 * SAMPLE_KEYS, 'one sample each 100 µs, and the first one');
  assert.equal(keyspace.counter('expiredTimeCapReached'), 1);
  assert.ok(keyspace.counter('expireCycleMicros') >= 350);

  assert.equal(cycle(keyspace), false);
  assert.equal(database.keyCount, 0);
});

test('a cycle without any time still makes progress', (t) => {
  const keyspace = newKeyspace(t);
  for (let i = 0; i < 100; i++) setKey(keyspace, keyspace.databases[0]!, `dead ${i}`, DEAD);
  activeExpireCycle(keyspace, { budgetMicros: 0, clock: tickingClock(1), effort: 1 });
  assert.equal(keyspace.counter('expired'), SAMPLE_KEYS);
});

test('more effort looks at more keys', (t) => {
  const keyspace = newKeyspace(t);
  const options = { budgetMicros: 0, clock: tickingClock(1), effort: 10 };
  for (let i = 0; i < 100; i++) setKey(keyspace, keyspace.databases[0]!, `dead ${i}`, DEAD);
  activeExpireCycle(keyspace, options);
  assert.equal(keyspace.counter('expired'), 65);
});

test('nothing is deleted while deleting is forbidden', (t) => {
  const keyspace = newKeyspace(t);
  setKey(keyspace, keyspace.databases[0]!, 'dead', DEAD);
  keyspace.mayDeleteExpired = false;
  assert.equal(cycle(keyspace), false);
  assert.equal(keyspace.databases[0]!.keyCount, 1);
});

test('the average life and the share of dead keys follow what was seen', (t) => {
  const keyspace = newKeyspace(t);
  const database = keyspace.databases[0]!;
  cycle(keyspace);
  assert.equal(keyspace.counter('expiredStaleRatio'), 0);

  for (let i = 0; i < 10; i++) setKey(keyspace, database, `alive ${i}`, NOW + 5000);
  cycle(keyspace);
  assert.equal(Math.round(database.averageTtl), 5000);

  for (let i = 0; i < 10; i++) setKey(keyspace, database, `dead ${i}`, DEAD);
  for (let i = 0; i < 10; i++) setKey(keyspace, database, `alive ${i}`, NOW + 10_000);
  cycle(keyspace);
  assert.ok(database.averageTtl > 5000 && database.averageTtl < 6000, 'a moving average');
  const ratio = keyspace.counter('expiredStaleRatio');
  assert.ok(ratio > 0 && ratio <= 0.025, String(ratio));

  for (let i = 0; i < 10; i++) deleteKey(database, `alive ${i}`);
  cycle(keyspace);
  assert.equal(database.averageTtl, 0, 'no key expires');
});
