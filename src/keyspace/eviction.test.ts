import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { seededRandom } from '../util/random.ts';
import type { Database } from './database.ts';
import { Eviction, POOL_KEYS } from './eviction.ts';
import { Keyspace } from './keyspace.ts';

const NOW = 1_000_000_000;
const SAMPLES = 5;

/** A keyspace of three databases. */
function newKeyspace(t: TestContext): Keyspace {
  const arena = Arena.create();
  t.after(() => arena.close());
  const keyspace = new Keyspace(new Allocator(arena), seededRandom(1), 3);
  keyspace.enter(NOW);
  return keyspace;
}

function setKey(keyspace: Keyspace, database: Database, name: string, expiry?: number): void {
  const key = Buffer.from(name);
  const value = Buffer.from('value');
  const entry = keyspace.strings.set(database, key, 0, key.length, value, 0, value.length, false);
  if (expiry !== undefined) database.setExpiry(entry, expiry);
}

function find(database: Database, name: string): number {
  const key = Buffer.from(name);
  return database.find(key, 0, key.length);
}

/** How many keys of each half are left after half of them went. */
function halvesLeft(
  keyspace: Keyspace,
  eviction: Eviction,
  policy: 'allkeys-lru' | 'allkeys-lfu' | 'volatile-ttl',
) {
  const database = keyspace.databases[0]!;
  const count = database.keyCount;
  for (let i = 0; i < count / 2; i++) assert(eviction.evictOne(policy, SAMPLES));
  let first = 0;
  for (let i = 0; i < count / 2; i++) if (find(database, `key ${i}`) !== 0) first++;
  keyspace.checkInvariants();
  return { first, second: database.keyCount - first };
}

test('the least recently used keys go first', (t) => {
  const keyspace = newKeyspace(t);
  for (let i = 0; i < 2000; i++) {
    keyspace.setTime(NOW + i * 1000);
    setKey(keyspace, keyspace.databases[0]!, `key ${i}`);
  }
  const { first, second } = halvesLeft(keyspace, new Eviction(keyspace), 'allkeys-lru');
  assert(first < 250 && second > 750, `${first} of the older half are left, ${second} of the other`);
});

test('the least frequently used keys go first', (t) => {
  const keyspace = newKeyspace(t);
  keyspace.accessClock.isLfu = true;
  const database = keyspace.databases[0]!;
  for (let i = 0; i < 2000; i++) setKey(keyspace, database, `key ${i}`);
  for (let i = 1000; i < 2000; i++) {
    for (let use = 0; use < 20; use++) database.touch(find(database, `key ${i}`));
  }
  const { first } = halvesLeft(keyspace, new Eviction(keyspace), 'allkeys-lfu');
  assert(first < 150, `${first} keys are left that nobody has used`);
});

test('the keys that expire soonest go first', (t) => {
  const keyspace = newKeyspace(t);
  for (let i = 0; i < 2000; i++) setKey(keyspace, keyspace.databases[0]!, `key ${i}`, NOW + 1000 + i);
  const { first } = halvesLeft(keyspace, new Eviction(keyspace), 'volatile-ttl');
  assert(first < 250, `${first} keys are left of those that expire first`);
});

test('a key that expires goes, though one that does not has the same hash', (t) => {
  const keyspace = newKeyspace(t);
  const database = keyspace.databases[0]!;
  const [first, second] = keysOfOneHash(keyspace);
  for (const [expiring, lasting] of [
    [first, second],
    [second, first],
  ] as const) {
    setKey(keyspace, database, expiring, NOW + 1000);
    setKey(keyspace, database, lasting);
    const eviction = new Eviction(keyspace);
    assert(eviction.evictOne('volatile-lru', SAMPLES));
    assert.equal(find(database, expiring), 0);
    assert.notEqual(find(database, lasting), 0);
    assert(!eviction.evictOne('volatile-lru', SAMPLES));
    database.delete(find(database, lasting));
  }
});

/** Two names whose hashes, of 32 bits, are the same: among 100,000 names there are one or two pairs. */
function keysOfOneHash(keyspace: Keyspace): readonly [string, string] {
  const names = new Map<number, string>();
  for (let i = 0; ; i++) {
    const name = `key ${i}`;
    const key = Buffer.from(name);
    const hash = keyspace.hashOf(key, 0, key.length);
    const other = names.get(hash);
    if (other !== undefined) return [other, name];
    names.set(hash, name);
  }
}

for (const order of ['lru', 'lfu', 'ttl', 'random'] as const) {
  test(`volatile-${order} takes keys that expire, of all databases, and no others`, (t) => {
    const keyspace = newKeyspace(t);
    keyspace.accessClock.isLfu = order === 'lfu';
    for (const [index, database] of keyspace.databases.entries()) {
      for (let i = 0; i < 40; i++) {
        setKey(keyspace, database, `kept ${i}`);
        if (index !== 1) setKey(keyspace, database, `volatile ${i}`, NOW + 60_000);
      }
    }
    const eviction = new Eviction(keyspace);
    for (let i = 0; i < 80; i++) assert(eviction.evictOne(`volatile-${order}`, SAMPLES));
    assert.equal(eviction.evictOne(`volatile-${order}`, SAMPLES), false);
    assert.deepEqual(
      keyspace.databases.map(({ keyCount, expiringCount }) => [keyCount, expiringCount]),
      [
        [40, 0],
        [40, 0],
        [40, 0],
      ],
    );
    assert.equal(keyspace.counter('evicted'), 80);
    keyspace.checkInvariants();
  });
}

test('allkeys-random takes the databases in turn, until nothing is left', (t) => {
  const keyspace = newKeyspace(t);
  for (const database of keyspace.databases)
    for (let i = 0; i < 10; i++) setKey(keyspace, database, `key ${i}`);
  const eviction = new Eviction(keyspace);
  for (let i = 0; i < 6; i++) assert(eviction.evictOne('allkeys-random', SAMPLES));
  assert.deepEqual(
    keyspace.databases.map(({ keyCount }) => keyCount),
    [8, 8, 8],
  );
  for (let i = 0; i < 24; i++) assert(eviction.evictOne('allkeys-random', SAMPLES));
  assert.equal(eviction.evictOne('allkeys-random', SAMPLES), false);
  assert.equal(eviction.evictOne('noeviction', SAMPLES), false);
});

test('a key of the pool that has gone is passed over, one that has moved is found', (t) => {
  const keyspace = newKeyspace(t);
  const database = keyspace.databases[2]!;
  for (let i = 0; i < POOL_KEYS; i++) {
    keyspace.setTime(NOW + i * 1000);
    setKey(keyspace, database, `key ${i}`);
  }
  const eviction = new Eviction(keyspace);
  // All are in the pool now, and the oldest has gone.
  assert(eviction.evictOne('allkeys-lru', POOL_KEYS));
  assert.equal(find(database, 'key 0'), 0);
  database.delete(find(database, 'key 1'));
  const moved = Buffer.from('x'.repeat(500));
  keyspace.strings.overwrite(database, find(database, 'key 2'), moved, 0, moved.length);

  assert(eviction.evictOne('allkeys-lru', 1));
  assert.equal(find(database, 'key 2'), 0);
  assert.equal(database.keyCount, POOL_KEYS - 3);
});

test('everybody hears of a key that is evicted, and it is no change', (t) => {
  const keyspace = newKeyspace(t);
  setKey(keyspace, keyspace.databases[1]!, 'k');
  const told: string[] = [];
  keyspace.observer = {
    keyExpired: () => assert.fail('it has not expired'),
    keyEvicted: (where, key) => told.push(`${where.index}: ${key.toString()}`),
    notify: (_class, event, where) => told.push(`${where.index}: ${event}`),
    keyReady() {},
    preserve() {},
  };
  keyspace.notifyMask = -1;
  const changes = keyspace.changeCount;
  assert(new Eviction(keyspace).evictOne('allkeys-lru', SAMPLES));
  assert.deepEqual(told, ['1: evicted', '1: k']);
  assert.equal(keyspace.changeCount, changes);
});
