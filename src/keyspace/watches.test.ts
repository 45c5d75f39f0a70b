import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { Watches } from './watches.ts';

const DATABASES = 3;

function newAllocator(t: TestContext): Allocator {
  const arena = Arena.create();
  t.after(() => arena.close());
  return new Allocator(arena);
}

function padded(key: string): Buffer {
  return Buffer.from(`<${key}>`, 'latin1');
}

/** A client as the model knows it: watched keys as `database:key`. */
interface ModelClient {
  readonly marker: Ref;
  readonly watched: Set<string>;
  isDirty: boolean;
}

/** Watches together with what they must say. */
class ModelledWatches {
  readonly allocator: Allocator;
  /** Two threads' views of the same state, used in turns. */
  readonly views: readonly Watches[];
  readonly clients: ModelClient[] = [];
  #turn = 0;

  constructor(allocator: Allocator) {
    this.allocator = allocator;
    this.views = [new Watches(allocator, 1, 2), new Watches(allocator, 1, 2)];
  }

  get watches(): Watches {
    return this.views[this.#turn++ % this.views.length]!;
  }

  connect(): void {
    this.clients.push({ marker: this.watches.createMarker(), watched: new Set(), isDirty: false });
  }

  disconnect(index: number): void {
    const [client] = this.clients.splice(index, 1);
    this.watches.freeMarker(client!.marker);
  }

  watch(client: ModelClient, database: number, key: string): void {
    this.watches.watch(client.marker, database, padded(key), 1, key.length + 1, 0);
    client.watched.add(`${database}:${key}`);
  }

  unwatchAll(client: ModelClient): void {
    this.watches.unwatchAll(client.marker);
    client.watched.clear();
    client.isDirty = false;
  }

  touch(database: number, key: string): void {
    this.watches.touch(database, padded(key), 1, key.length + 1);
    for (const client of this.clients) client.isDirty ||= client.watched.has(`${database}:${key}`);
  }

  touchDatabase(database: number, isTouched: (key: string) => boolean): void {
    this.watches.touchDatabase(database, 0, (index, key) => {
      assert.ok(database === -1 || index === database);
      return isTouched(Buffer.from(key).toString('latin1')) ? Infinity : -Infinity;
    });
    for (const client of this.clients) {
      client.isDirty ||= [...client.watched].some((name) => {
        const [index, key] = [Number(name.slice(0, 1)), name.slice(2)];
        return (database === -1 || index === database) && isTouched(key);
      });
    }
  }

  check(): void {
    const all = new Set<string>();
    for (const { marker, watched, isDirty } of this.clients) {
      const { watches } = this;
      assert.equal(watches.isDirty(marker), isDirty);
      assert.equal(watches.watchedCount(marker), watched.size);
      const visited: string[] = [];
      watches.forEachWatched(marker, (database, key) => {
        visited.push(`${database}:${Buffer.from(key).toString('latin1')}`);
      });
      assert.deepEqual(visited.sort(), [...watched].sort());
      for (const name of watched) all.add(name);
    }
    assert.equal(this.watches.count, all.size);
  }
}

for (const seed of [1, 2, 3, 4, 5]) {
  test(`many clients watch many keys, seed ${seed}`, (t) => {
    const allocator = newAllocator(t);
    const modelled = new ModelledWatches(allocator);
    const random = new SeededRandom(seed);
    const unused = allocator.usedBytes;
    const keys = ['', '\0', 'a', 'k'.repeat(3000), ...Array.from({ length: 60 }, (_, i) => `key ${i}`)];

    for (let step = 0; step < 4000; step++) {
      const client = modelled.clients.length > 0 ? random.pick(modelled.clients) : undefined;
      const database = random.integer(0, DATABASES - 1);
      const key = random.pick(keys);
      const choice = random.fraction();
      if (client === undefined || (choice < 0.03 && modelled.clients.length < 25)) modelled.connect();
      else if (choice < 0.06) modelled.disconnect(modelled.clients.indexOf(client));
      else if (choice < 0.6) modelled.watch(client, database, key);
      else if (choice < 0.68) modelled.unwatchAll(client);
      else if (choice < 0.98) modelled.touch(database, key);
      else modelled.touchDatabase(random.integer(-1, DATABASES - 1), (name) => name.length % 2 === step % 2);
      if (step % 20 === 0) modelled.check();
      if (step % 500 === 0) allocator.checkInvariants();
    }
    modelled.check();

    while (modelled.clients.length > 0) modelled.disconnect(0);
    modelled.check();
    assert.equal(modelled.watches.count, 0);
    // The table is the only thing that may have another size than before.
    assert.ok(allocator.usedBytes - unused <= 4096, `${allocator.usedBytes - unused} bytes are left behind`);
    allocator.checkInvariants();
  });
}

test('the same key of another database is another key', (t) => {
  const watches = new Watches(newAllocator(t), 1, 2);
  const marker = watches.createMarker();
  const key = Buffer.from('key');
  watches.watch(marker, 1, key, 0, 3, 0);
  watches.touch(0, key, 0, 3);
  watches.touch(1, key, 0, 2);
  assert.equal(watches.isDirty(marker), false);
  watches.touch(1, key, 0, 3);
  assert.equal(watches.isDirty(marker), true);
});

test('a key that is watched twice is watched once', (t) => {
  const allocator = newAllocator(t);
  const watches = new Watches(allocator, 1, 2);
  const marker = watches.createMarker();
  const key = Buffer.from('key');
  watches.watch(marker, 0, key, 0, 3, 0);
  const used = allocator.usedBytes;
  watches.watch(marker, 0, key, 0, 3, 0);
  assert.equal(allocator.usedBytes, used);
  assert.equal(watches.watchedCount(marker), 1);
});

test('the removal of a dead key is no change to those who began to watch it when it was dead', (t) => {
  const watches = new Watches(newAllocator(t), 1, 2);
  const [before, after] = [watches.createMarker(), watches.createMarker()];
  const key = Buffer.from('key');
  watches.watch(before, 0, key, 0, 3, 1000);
  watches.watch(after, 0, key, 0, 3, 1001);
  watches.touchDatabase(0, 1000, () => -Infinity);
  assert.equal(watches.isDirty(before), false);
  watches.touch(0, key, 0, 3, 1000);
  assert.equal(watches.isDirty(before), true);
  assert.equal(watches.isDirty(after), false);
  watches.touch(0, key, 0, 3);
  assert.equal(watches.isDirty(after), true);
});

test('a new watch does not forget the mark, unwatching does', (t) => {
  const watches = new Watches(newAllocator(t), 1, 2);
  const marker = watches.createMarker();
  const key = Buffer.from('key');
  watches.watch(marker, 0, key, 0, 3, 0);
  watches.touch(0, key, 0, 3);
  watches.watch(marker, 0, key, 0, 2, 0);
  assert.equal(watches.isDirty(marker), true);
  watches.unwatchAll(marker);
  assert.equal(watches.isDirty(marker), false);
  watches.touch(0, key, 0, 3);
  assert.equal(watches.isDirty(marker), false);
});
