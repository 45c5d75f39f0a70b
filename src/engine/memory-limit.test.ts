import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { EvictionPolicy } from '../keyspace/eviction.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { ManualClock } from '../util/clock.ts';
import { seededRandom } from '../util/random.ts';
import { MemoryLimit } from './memory-limit.ts';
import { STATE_LOADING } from './shared-state.ts';
import { Statistics } from './statistics.ts';

const NOW = 1_000_000_000;
const VALUE = Buffer.alloc(1000, 'v');
/** Room for about a hundred of the keys. */
const ROOM_BYTES = 100 * 1100;

/** On which each look takes a tenth of a millisecond. */
class SlowClock extends ManualClock {
  override monotonicMicros(): number {
    this.advance(0.1);
    return super.monotonicMicros();
  }
}

/** A keyspace with 400 keys, and a limit that is to be set. */
class Scene {
  readonly keyspace: Keyspace;
  readonly limit: MemoryLimit;
  readonly statistics: Statistics;
  readonly #emptyBytes: number;

  constructor(t: TestContext, clock: ManualClock = new ManualClock(NOW)) {
    const arena = Arena.create();
    t.after(() => arena.close());
    const allocator = new Allocator(arena);
    this.keyspace = new Keyspace(allocator, seededRandom(1), 2);
    this.keyspace.enter(NOW);
    this.statistics = new Statistics(allocator, 1);
    this.limit = new MemoryLimit({ keyspace: this.keyspace, statistics: this.statistics, clock });
    this.#emptyBytes = allocator.usedBytes;
    for (let i = 0; i < 400; i++) this.setKey(`key ${i}`);
  }

  setKey(name: string): void {
    const { databases, strings } = this.keyspace;
    const key = Buffer.from(name);
    strings.set(databases[0]!, key, 0, key.length, VALUE, 0, VALUE.length, false);
  }

  /** Sets a limit that leaves room for about a quarter of the keys. */
  configure(policy: EvictionPolicy, { tenacity = 100, bytesMax = this.roomyLimit } = {}): void {
    this.limit.configure({ bytesMax, policy, sampleCount: 5, tenacity });
  }

  get roomyLimit(): number {
    return this.#emptyBytes + ROOM_BYTES;
  }

  get usedBytes(): number {
    return this.keyspace.allocator.usedBytes;
  }

  get keyCount(): number {
    return this.keyspace.databases[0]!.keyCount;
  }
}

test('without a limit nothing is ever too much', (t) => {
  const scene = new Scene(t);
  scene.configure('allkeys-lru', { bytesMax: 0 });
  assert.equal(scene.limit.isExceeded, false);
  assert.equal(scene.limit.enforce(), 'within');
  assert.equal(scene.keyspace.hasRoomFor(1e12), true);
  assert.equal(scene.keyCount, 400);
});

test('keys go until what is left is within the limit, and not one more', (t) => {
  const scene = new Scene(t);
  scene.configure('allkeys-random');
  assert.equal(scene.limit.isExceeded, true);
  assert.equal(scene.limit.enforce(), 'within');
  assert(scene.usedBytes <= scene.roomyLimit);
  assert(scene.usedBytes > scene.roomyLimit - 2 * VALUE.length, `${scene.keyCount} keys are left`);
  assert.equal(scene.keyspace.counter('evicted'), 400 - scene.keyCount);
  const { keyCount } = scene;
  assert.equal(scene.limit.enforce(), 'within');
  assert.equal(scene.keyCount, keyCount);
});

test('with noeviction, or no key that may go, the limit stays exceeded', (t) => {
  for (const policy of ['noeviction', 'volatile-lru', 'volatile-ttl'] as const) {
    const scene = new Scene(t);
    scene.configure(policy);
    assert.equal(scene.limit.enforce(), 'exceeded', policy);
    assert.equal(scene.keyCount, 400);
  }
});

test('one call takes the time that its tenacity allows, the next goes on', (t) => {
  const scene = new Scene(t, new SlowClock(NOW));
  // Half a millisecond: the clock is looked at every 16 keys.
  scene.configure('allkeys-random', { tenacity: 10 });
  let calls = 1;
  while (scene.limit.enforce() === 'evicting') {
    assert(400 - scene.keyCount <= calls * 7 * 16, `${scene.keyCount} keys after ${calls} calls`);
    calls++;
  }
  assert(calls > 1);
  assert(scene.usedBytes <= scene.roomyLimit);

  const patient = new Scene(t, new SlowClock(NOW));
  patient.configure('allkeys-random', { tenacity: 100 });
  assert.equal(patient.limit.enforce(), 'within', 'in one go, however long it takes');
});

test('without any time a call still makes some progress', (t) => {
  const scene = new Scene(t, new SlowClock(NOW));
  scene.configure('allkeys-random', { tenacity: 0 });
  assert.equal(scene.limit.enforce(), 'evicting');
  assert.equal(scene.keyCount, 400 - 16);
});

test('while clients are paused or data is loaded nothing goes', (t) => {
  const scene = new Scene(t);
  scene.configure('allkeys-lru');
  scene.keyspace.mayDeleteExpired = false;
  assert.equal(scene.limit.enforce(), 'within');
  scene.keyspace.mayDeleteExpired = true;
  scene.keyspace.arena.control[STATE_LOADING] = 1;
  assert.equal(scene.limit.enforce(), 'within');
  assert.equal(scene.keyCount, 400);
  scene.keyspace.arena.control[STATE_LOADING] = 0;
  scene.limit.enforce();
  assert(scene.keyCount < 400);
});

test('what making room makes grow does not count', (t) => {
  const scene = new Scene(t);
  scene.configure('allkeys-lru');
  scene.limit.uncountedBytes = () => scene.usedBytes - scene.roomyLimit + 5 * VALUE.length;
  assert.equal(scene.limit.enforce(), 'within');
  assert.equal(scene.keyCount, 400);
  assert.equal(scene.keyspace.hasRoomFor(5 * VALUE.length), true);
  assert.equal(scene.keyspace.hasRoomFor(5 * VALUE.length + 1), false);
});

test('detached values go before any key does', (t) => {
  const scene = new Scene(t);
  scene.keyspace.databases[0]!.clear(true);
  for (let i = 0; i < 10; i++) scene.setKey(`other ${i}`);
  scene.configure('allkeys-lru');
  assert.equal(scene.limit.enforce(), 'within');
  assert.equal(scene.keyCount, 10);
  assert(scene.usedBytes <= scene.roomyLimit);
});

test('the time above the limit is summed up', (t) => {
  const clock = new ManualClock(NOW);
  const scene = new Scene(t, clock);
  clock.advance(1000);
  scene.configure('noeviction');
  scene.limit.enforce();
  assert.equal(scene.statistics.get('evictionExceededSince'), 1_000_000);
  clock.advance(250);
  scene.limit.enforce();
  assert.equal(scene.statistics.get('evictionExceededMicros'), 0, 'not over yet');
  scene.configure('noeviction', { bytesMax: 0 });
  scene.limit.enforce();
  assert.equal(scene.statistics.get('evictionExceededMicros'), 250_000);
  assert.equal(scene.statistics.get('evictionExceededSince'), 0);
});

test('of a limit below what is in use the log is told, of another it is not', (t) => {
  const { limit, usedBytes } = new Scene(t);
  assert.equal(limit.warningOf(0), undefined);
  assert.equal(limit.warningOf(usedBytes), undefined);
  assert.match(
    limit.warningOf(usedBytes - 1)!,
    new RegExp(`new maxmemory value .* \\(${usedBytes - 1}\\) is smaller .* usage \\(${usedBytes}\\)`),
  );
});
