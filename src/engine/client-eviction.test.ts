import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { SESSION_NO_EVICT } from '../commands/session.ts';
import { Config } from '../config/config.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { Log } from '../util/log.ts';
import { seededRandom } from '../util/random.ts';
import { CLIENT_LIMIT_BYTES_MIN, ClientEviction, clientLimitBytes } from './client-eviction.ts';
import { clientBytes } from './client-memory.ts';
import { CLIENT_COUNTED_BYTES, CLIENT_FLAGS, ClientTable } from './client-table.ts';
import { STATE_CLIENT_BYTES } from './shared-state.ts';
import { Statistics } from './statistics.ts';

const NOW = 1_000_000;
const KILOBYTE = 1024;

/** What is logged, instead of writing it. */
class Lines extends Log {
  readonly lines: string[] = [];

  override notice(message: string): void {
    this.lines.push(`* ${message}`);
  }

  override warning(message: string): void {
    this.lines.push(`# ${message}`);
  }
}

/** Two threads that share the clients, and a limit. */
class Scene {
  readonly table: ClientTable;
  readonly keyspace: Keyspace;
  readonly statistics: Statistics;
  readonly log = new Lines();
  readonly threads: readonly ClientEviction[];
  readonly ended: Ref[] = [];
  readonly #config = new Config();

  constructor(t: TestContext, limit: string) {
    const arena = Arena.create();
    t.after(() => arena.close());
    const allocator = new Allocator(arena);
    this.keyspace = new Keyspace(allocator, seededRandom(1), 1);
    this.keyspace.enter(NOW);
    this.table = new ClientTable(allocator);
    this.statistics = new Statistics(allocator, 1);
    this.threads = [this.#thread(), this.#thread()];
    this.setLimit(limit);
  }

  #thread(): ClientEviction {
    const { table: clientTable, keyspace, statistics, log } = this;
    const eviction = new ClientEviction({ clientTable, keyspace, config: this.#config, statistics, log });
    eviction.connect({
      publishSessions: () => {},
      describe: (record) => `id=${clientTable.idOf(record)}`,
      end: (record) => {
        clientTable.end(record);
        this.ended.push(record);
      },
    });
    return eviction;
  }

  setLimit(limit: string): void {
    this.#config.setText({ 'maxmemory-clients': limit });
    for (const thread of this.threads) if (thread.configure()) thread.recount();
  }

  /** A client with so much input, as its thread would tell of it. */
  client(kilobytes: number, flags = 0): Ref {
    const record = this.table.add('1.1.1.1:1', '', NOW);
    this.table.set(record, CLIENT_FLAGS, flags);
    this.grow(record, kilobytes);
    return record;
  }

  grow(record: Ref, kilobytes: number, thread = this.threads[0]!): void {
    this.table.setInput(record, kilobytes * KILOBYTE, 0, 0);
    if (thread.isOn) thread.changed(record);
  }

  get sum(): number {
    return this.keyspace.arena.counters[STATE_CLIENT_BYTES]!;
  }
}

test('the limit is bytes or a percentage of maxmemory, and never very low', () => {
  assert.equal(clientLimitBytes({ bytes: 0 }, 1e9), 0);
  assert.equal(clientLimitBytes({ bytes: 1 }, 0), CLIENT_LIMIT_BYTES_MIN);
  assert.equal(clientLimitBytes({ bytes: 5e9 }, 0), 5e9);
  assert.equal(clientLimitBytes({ percent: 5 }, 0), 0, 'a percentage of no limit is none');
  assert.equal(clientLimitBytes({ percent: 7 }, 6_291_456), 440_401);
  assert.equal(clientLimitBytes({ percent: 1 }, 1000), CLIENT_LIMIT_BYTES_MIN);
});

test('the largest go, as many as must', (t) => {
  const scene = new Scene(t, '1mb');
  const [small, large, middle] = [scene.client(100), scene.client(400), scene.client(300)];
  assert.deepEqual(scene.ended, []);
  const last = scene.client(350);
  assert.deepEqual(scene.ended, [large]);
  scene.setLimit('500kb');
  assert.deepEqual(scene.ended, [large, last]);
  assert.equal(scene.statistics.get('evictedClients'), 2);
  assert.deepEqual(scene.log.lines, ['* Evicting client: id=2', '* Evicting client: id=4']);
  assert.equal(
    scene.sum,
    [small, middle].reduce((sum, one) => sum + clientBytes(scene.table, scene.keyspace.watches, one), 0),
  );
});

test('at the limit is too much, one byte below is not', (t) => {
  const scene = new Scene(t, '1gb');
  const record = scene.client(1000);
  const bytes = clientBytes(scene.table, scene.keyspace.watches, record);
  scene.setLimit(String(bytes + 1));
  assert.deepEqual(scene.ended, []);
  scene.setLimit(String(bytes));
  assert.deepEqual(scene.ended, [record]);
});

test('clients that must not be evicted count, and when only they are left the log says so once', (t) => {
  const scene = new Scene(t, '1mb');
  const other = scene.client(10);
  const kept = scene.client(2000, SESSION_NO_EVICT);
  assert.deepEqual(scene.ended, [other]);
  for (let i = 0; i < 5; i++) {
    scene.keyspace.enter(NOW + i * 1000);
    scene.threads[0]!.enforce();
  }
  assert.deepEqual(scene.log.lines.slice(1), [
    '# Over client maxmemory after evicting all evictable clients',
  ]);

  scene.table.set(kept, CLIENT_FLAGS, 0);
  scene.keyspace.enter(NOW + 10_000);
  scene.threads[0]!.enforce();
  assert.deepEqual(scene.ended, [other, kept]);
});

test('a thread that finds nobody looks again after a while only', (t) => {
  const scene = new Scene(t, '1mb');
  const kept = scene.client(2000, SESSION_NO_EVICT);
  scene.table.set(kept, CLIENT_FLAGS, 0);
  scene.threads[0]!.enforce();
  assert.deepEqual(scene.ended, []);
  scene.keyspace.enter(NOW + 100);
  scene.threads[0]!.enforce();
  assert.deepEqual(scene.ended, [kept]);
});

test('what nobody has told is found when all are counted', (t) => {
  const scene = new Scene(t, '1mb');
  const record = scene.client(10);
  scene.table.setInput(record, 2000 * KILOBYTE, 0, 0);
  scene.threads[1]!.enforce();
  assert.deepEqual(scene.ended, []);
  scene.threads[1]!.recount();
  assert.deepEqual(scene.ended, [record]);
});

test('counting in the midst of a command ends nobody', (t) => {
  const scene = new Scene(t, '1mb');
  const record = scene.client(10);
  scene.table.setInput(record, 2000 * KILOBYTE, 0, 0);
  scene.threads[0]!.count(record);
  assert.deepEqual(scene.ended, []);
  scene.threads[0]!.enforce();
  assert.deepEqual(scene.ended, [record]);
});

test('the sum is that of the clients, whoever comes, grows and goes, and while there is no limit', (t) => {
  const scene = new Scene(t, '1gb');
  const random = new SeededRandom(5);
  const clients = new Set<Ref>();
  for (let round = 0; round < 3000; round++) {
    const action = random.integer(0, 9);
    const chosen = clients.size === 0 ? 0 : random.pick([...clients]);
    if (chosen === 0 || action < 3) {
      clients.add(scene.client(random.integer(0, 500)));
    } else if (action < 7) {
      scene.grow(chosen, random.integer(0, 500), random.pick(scene.threads));
    } else if (action < 8) {
      scene.setLimit(random.pick(['0', '1gb', '2gb', '100mb']));
    } else {
      if (action === 8) scene.table.end(chosen);
      scene.table.remove(chosen);
      clients.delete(chosen);
    }
    let counted = 0;
    for (const record of clients) counted += scene.table.getDouble(record, CLIENT_COUNTED_BYTES);
    assert.equal(scene.sum, counted);
  }
  scene.setLimit('3gb');
  let bytes = 0;
  for (const record of clients) bytes += clientBytes(scene.table, scene.keyspace.watches, record);
  assert.equal(scene.sum, bytes);
});
