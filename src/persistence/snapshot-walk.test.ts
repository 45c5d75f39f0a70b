import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import {
  Mutator,
  forEachEntry,
  stateKey,
  stateOf,
  type KeyspaceState,
  type MutationOptions,
} from '../../test/support/keyspace-mutations.ts';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { NO_EXPIRY } from '../keyspace/database.ts';
import { ENCODING_QUICKLIST, ENTRY_META, TYPE_LIST, TYPE_SET, epochOfMeta } from '../keyspace/entry.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { CONTROL_MUTEX } from '../memory/control-block.ts';
import { Mutex } from '../memory/mutex.ts';
import { getWord } from '../memory/struct.ts';
import { ManualClock, systemClock, type Clock } from '../util/clock.ts';
import { seededRandom } from '../util/random.ts';
import { canonicalValue } from '../../test/support/collection-state.ts';
import { plainValue } from './rdb-plain.ts';
import type {
  ByteRange,
  CollectionHead,
  CollectionPiece,
  RdbHash,
  RdbKeyFacts,
  RdbQuicklistNode,
  RdbSet,
  RdbStreamNode,
  RdbValue,
  RdbWritable,
  RdbZset,
} from './rdb-values.ts';
import type { AccessFacts } from './snapshot-entry.ts';
import { walkNow } from './snapshot-now.ts';
import { SnapshotQueue } from './snapshot-queue.ts';
import type { SnapshotEntry, SnapshotFacts, SnapshotSink } from './snapshot-sink.ts';
import { SnapshotWalk, beginSnapshot, snapshotFacts, type SliceVerdict } from './snapshot-walk.ts';
import { WORK_DATABASES, WORK_OPTIONS, type SnapshotWork } from './snapshot-walk.worker.ts';

const START_MILLIS = 1_700_000_000_000;

/** Collects what a snapshot says, and checks that it keeps to the order of calls. */
class CollectingSink implements SnapshotSink {
  readonly state: KeyspaceState = new Map();
  readonly facts: RdbKeyFacts[] = [];
  begun: SnapshotFacts | undefined;
  hasEnded = false;
  /** Collections that came in pieces. */
  collectionCount = 0;
  #collection:
    | {
        readonly name: string;
        readonly expiry: number;
        readonly head: CollectionHead;
        readonly pieces: CopiedPiece[];
      }
    | undefined;
  #string: { readonly name: string; readonly expiry: number; readonly value: Buffer; at: number } | undefined;

  begin(facts: SnapshotFacts): void {
    assert.equal(this.begun, undefined);
    this.begun = facts;
  }

  entry(databaseIndex: number, entry: SnapshotEntry): void {
    const name = this.#nameOf(databaseIndex, entry);
    this.#add(name, { value: canonicalValue(entry.value), expiry: entry.expiryMillis ?? NO_EXPIRY });
  }

  beginCollection(databaseIndex: number, facts: RdbKeyFacts, head: CollectionHead): void {
    const name = this.#nameOf(databaseIndex, facts);
    this.#collection = { name, expiry: facts.expiryMillis ?? NO_EXPIRY, head, pieces: [] };
  }

  collectionPiece(piece: CollectionPiece): void {
    assert(this.#collection !== undefined);
    this.#collection.pieces.push(copyOfPiece(piece));
  }

  endCollection(): void {
    assert(this.#collection !== undefined);
    const { name, expiry, head, pieces } = this.#collection;
    this.#collection = undefined;
    this.collectionCount++;
    this.#add(name, { value: canonicalValue(joined(head, pieces)), expiry });
  }

  beginString(databaseIndex: number, facts: RdbKeyFacts, valueBytes: number): void {
    const name = this.#nameOf(databaseIndex, facts);
    const expiry = facts.expiryMillis ?? NO_EXPIRY;
    this.#string = { name, expiry, value: Buffer.alloc(valueBytes), at: 0 };
  }

  stringPiece(bytes: Uint8Array, start: number, end: number): void {
    assert(this.#string !== undefined && end > start);
    this.#string.value.set(bytes.subarray(start, end), this.#string.at);
    this.#string.at += end - start;
    if (this.#string.at < this.#string.value.length) return;
    const { name, value, expiry } = this.#string;
    this.#string = undefined;
    this.#add(name, { value, expiry });
  }

  end(): void {
    assert.equal(this.#string, undefined);
    assert.equal(this.#collection, undefined);
    this.hasEnded = true;
  }

  #nameOf(databaseIndex: number, facts: RdbKeyFacts): string {
    assert(this.begun !== undefined && !this.hasEnded && this.#string === undefined);
    assert.equal(this.#collection, undefined);
    this.facts.push({ ...facts });
    return stateKey(databaseIndex, copyOf(facts.key));
  }

  #add(name: string, state: { value: Buffer; expiry: number }): void {
    assert(!this.state.has(name), `${name} is told once`);
    this.state.set(name, state);
  }
}

type CopiedPiece = RdbValue | RdbQuicklistNode[] | RdbStreamNode[];

/** A piece is borrowed. */
function copyOfPiece(piece: CollectionPiece): CopiedPiece {
  switch (piece.kind) {
    case 'elements':
      return plainValue(piece);
    case 'list-nodes':
      return [...piece.nodes].map(({ isPacked, bytes }) => ({ isPacked, bytes: bytes.slice() }));
    case 'stream-nodes':
      return [...piece.nodes].map(({ masterId, listpack }) => ({ masterId, listpack: listpack.slice() }));
  }
}

/** The value of all pieces together; there are as many elements or nodes as the head says. */
function joined(head: CollectionHead, pieces: readonly CopiedPiece[]): RdbWritable {
  switch (head.kind) {
    case 'list': {
      const nodes = (pieces as RdbQuicklistNode[][]).flat();
      assert.equal(nodes.length, head.nodeCount);
      return { kind: 'quicklist', nodeCount: nodes.length, nodes };
    }
    case 'stream': {
      const nodes = (pieces as RdbStreamNode[][]).flat();
      assert.equal(nodes.length, head.nodeCount);
      return { ...head.stream, nodes };
    }
    case 'hash': {
      const fields = (pieces as RdbHash[]).flatMap((piece) => piece.fields);
      assert.equal(fields.length, head.count);
      return { kind: 'hash', fields };
    }
    case 'set': {
      const members = (pieces as RdbSet[]).flatMap((piece) => piece.members);
      assert.equal(members.length, head.count);
      return { kind: 'set', members };
    }
    case 'zset': {
      const members = (pieces as RdbZset[]).flatMap((piece) => piece.members);
      assert.equal(members.length, head.count);
      return { kind: 'zset', members };
    }
  }
}

function copyOf({ bytes, start, end }: ByteRange): Buffer {
  return Buffer.from(bytes.slice(start, end));
}

function assertSameState(actual: KeyspaceState, expected: KeyspaceState): void {
  for (const [name, { value, expiry }] of expected) {
    const found = actual.get(name);
    assert(found !== undefined, `${name} is there`);
    assert.equal(found.expiry, expiry, `expiry of ${name}`);
    if (found.value.equals(value)) continue;
    const at = value.findIndex((byte, i) => byte !== found.value[i]);
    const [is, was] = [found.value, value].map((each) =>
      each.toString('latin1', Math.max(0, at - 40), at + 40),
    );
    const type = value.toString('latin1', 0, 8);
    assert.fail(`${name}: ${type}… of ${value.length} bytes differs at byte ${at}: ${is} instead of ${was}`);
  }
  assert.equal(actual.size, expected.size);
}

/** Each look at it takes as long as a slice: a slice is one step. */
class SteppingClock extends ManualClock implements Clock {
  override monotonicMicros(): number {
    this.advance(0.1);
    return super.monotonicMicros();
  }
}

interface Bench {
  readonly keyspace: Keyspace;
  readonly queue: SnapshotQueue;
  readonly mutex: Mutex;
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly mutator: Mutator;
  readonly emptyBytes: number;
}

function newBench(t: TestContext, seed: number, options: MutationOptions): Bench {
  const arena = Arena.create();
  t.after(() => arena.close());
  const allocator = new Allocator(arena);
  const keyspace = new Keyspace(allocator, seededRandom(seed), WORK_DATABASES);
  const queue = new SnapshotQueue(keyspace);
  const clock = new SteppingClock(START_MILLIS);
  keyspace.observer = {
    keyExpired() {},
    notify() {},
    keyReady() {},
    preserve: (database, entry) => queue.preserve(database, entry),
  };
  keyspace.enter(START_MILLIS);
  const random = new SeededRandom(seed);
  return {
    keyspace,
    queue,
    mutex: new Mutex(arena.control, CONTROL_MUTEX, 1),
    clock,
    random,
    mutator: new Mutator(keyspace, random, options),
    emptyBytes: allocator.usedBytes,
  };
}

interface Snapshot {
  readonly sink?: CollectingSink;
  readonly accessFacts?: AccessFacts;
  readonly onSlice?: (index: number) => SliceVerdict;
}

/** A snapshot from cut to end; `onSlice` changes the keyspace meanwhile. */
function runSnapshot(
  bench: Bench,
  { sink = new CollectingSink(), accessFacts = 'none', onSlice }: Snapshot = {},
) {
  const { keyspace, queue, mutex, clock } = bench;
  const facts = beginSnapshot(queue, { keyspace, unixMillis: START_MILLIS, isAofBase: false });
  let sliceCount = 0;
  const walk = new SnapshotWalk({ keyspace, mutex, queue, clock, accessFacts }, sink);
  const result = walk.run({ facts, onSlice: () => onSlice?.(sliceCount++) ?? 'go-on' });
  return { sink, result, facts, sliceCount };
}

/** After any snapshot: everything is marked, nothing is kept. */
function assertAtRest({ keyspace, queue }: Bench): void {
  keyspace.checkInvariants();
  assert.equal(queue.isActive, false);
  assert.equal(queue.queuedBytes, 0);
  assert(keyspace.held.isEmpty);
  assert.equal(keyspace.held.waitingBytes, 0);
  assert(keyspace.heldCollections.isEmpty);
  assert.equal(keyspace.heldCollections.waitingBytes, 0);
  assert.equal(keyspace.nextToWalk(), undefined);
  for (const database of keyspace.databases) {
    forEachEntry(database, (entry) => {
      assert.equal(epochOfMeta(getWord(keyspace.arena, entry, ENTRY_META)), keyspace.epoch, 'marked');
    });
  }
}

function assertNothingLeaks({ keyspace, mutator, emptyBytes }: Bench): void {
  mutator.empty();
  assert.equal(keyspace.allocator.usedBytes, emptyBytes);
}

/** Changes all names in a random order, a few at a time, with an upheaval now and then. */
function mutateEverything({ mutator, random }: Bench, nameCount: number): () => SliceVerdict {
  const order = Array.from({ length: nameCount }, (_, index) => index).sort(() => random.fraction() - 0.5);
  return () => {
    for (const index of order.splice(0, random.integer(0, 120))) mutator.mutate(index);
    if (random.chance(0.15)) mutator.upheave();
    return 'go-on';
  };
}

const ALL_OPTIONS: readonly MutationOptions[] = [
  { nameCount: 3000, longRatio: 0.001, longBytesMax: 3 * 1024 * 1024 },
  { nameCount: 60, longRatio: 0.4, longBytesMax: 2 * 1024 * 1024 },
  { nameCount: 12, longRatio: 0.1, longBytesMax: 300 * 1024 },
  { nameCount: 300, longRatio: 0.01, longBytesMax: 300 * 1024, collectionRatio: 0.8, elementsMax: 1500 },
  { nameCount: 12, longRatio: 0, longBytesMax: 0, collectionRatio: 1, elementsMax: 4000 },
];

for (const options of ALL_OPTIONS) {
  for (let round = 0; round < 6; round++) {
    const title = `${options.nameCount} names, ${(options.collectionRatio ?? 0) * 100} % collections, round ${round}`;
    test(`a snapshot is the state at the cut: ${title}`, (t) => {
      const seed = SeededRandom.newSeed();
      t.diagnostic(`seed ${seed}`);
      const bench = newBench(t, seed, options);
      bench.mutator.fill(0.6);
      let collectionCount = 0;
      for (let snapshot = 0; snapshot < 3; snapshot++) {
        const expected = stateOf(bench.keyspace);
        const { sink, result, facts } = runSnapshot(bench, {
          onSlice: mutateEverything(bench, options.nameCount),
        });
        assertSameState(sink.state, expected);
        assert.deepEqual(result, { keyCount: expected.size, isAborted: false });
        assert.equal(sink.begun, facts);
        assert(sink.hasEnded);
        collectionCount += sink.collectionCount;
        assertAtRest(bench);
      }
      assertNothingLeaks(bench);
      t.diagnostic(`${collectionCount} collections in pieces`);
    });
  }
}

test('a snapshot of an empty keyspace', (t) => {
  const bench = newBench(t, 1, WORK_OPTIONS);
  const { sink, result, facts } = runSnapshot(bench);
  assert.deepEqual(facts.databases, []);
  assert.deepEqual(result, { keyCount: 0, isAborted: false });
  assert(sink.hasEnded);
  assertAtRest(bench);
});

test('the facts are those of the cut', (t) => {
  const bench = newBench(t, 1, WORK_OPTIONS);
  const { keyspace } = bench;
  const database = keyspace.databases[1]!;
  for (const name of ['a', 'b', 'c']) {
    keyspace.strings.set(database, Buffer.from(name), 0, 1, Buffer.from('value'), 0, 5, false);
  }
  database.setExpiry(database.find(Buffer.from('b'), 0, 1), START_MILLIS + 1);
  const facts = snapshotFacts({ keyspace, unixMillis: 5, isAofBase: true });
  assert.deepEqual(facts, {
    unixMillis: 5,
    keyCount: 3,
    databases: [{ index: 1, keyCount: 3, expiringCount: 1 }],
    usedMemory: keyspace.allocator.usedBytes,
    isAofBase: true,
  });
});

test('access times and counters are told only when asked for', (t) => {
  const bench = newBench(t, 1, WORK_OPTIONS);
  const { keyspace } = bench;
  const [database] = keyspace.databases;
  keyspace.strings.set(database!, Buffer.from('a'), 0, 1, Buffer.from('1'), 0, 1, false);
  (bench.clock as ManualClock).advance(7000);
  const told = (accessFacts: AccessFacts) => {
    const { idleSeconds, frequency } = runSnapshot(bench, { accessFacts }).sink.facts[0]!;
    return [idleSeconds, frequency];
  };
  assert.deepEqual(told('none'), [undefined, undefined]);
  assert.deepEqual(told('idle'), [7, undefined]);
  assert.equal(typeof told('frequency')[1], 'number');
});

test('a snapshot at once is the state now, and leaves one in the background alone', (t) => {
  const seed = SeededRandom.newSeed();
  t.diagnostic(`seed ${seed}`);
  const options = {
    nameCount: 500,
    longRatio: 0.01,
    longBytesMax: 1024 * 1024,
    collectionRatio: 0.5,
    elementsMax: 1500,
  };
  const bench = newBench(t, seed, options);
  const { keyspace } = bench;
  bench.mutator.fill(0.7);
  const expected = stateOf(keyspace);
  const mutate = mutateEverything(bench, options.nameCount);
  const { sink } = runSnapshot(bench, {
    onSlice(index) {
      if (index % 16 !== 0) return mutate();
      const now = new CollectingSink();
      const facts = snapshotFacts({ keyspace, unixMillis: START_MILLIS, isAofBase: false });
      const keyCount = walkNow(keyspace, now, { facts, accessFacts: 'none' });
      assertSameState(now.state, stateOf(keyspace));
      assert.equal(keyCount, now.state.size);
      return 'go-on';
    },
  });
  assertSameState(sink.state, expected);
  assertAtRest(bench);
  assertNothingLeaks(bench);
});

for (const verdict of ['abort', 'stop'] as const) {
  test(`${verdict} at any slice`, (t) => {
    const seed = SeededRandom.newSeed();
    t.diagnostic(`seed ${seed}`);
    const options = {
      nameCount: 60,
      longRatio: 0.02,
      longBytesMax: 600 * 1024,
      collectionRatio: 0.5,
      elementsMax: 1500,
    };
    const bench = newBench(t, seed, options);
    bench.mutator.fill(0.7);
    for (let at = 0, isOver = false; !isOver; at++) {
      const mutate = mutateEverything(bench, options.nameCount);
      const { sink, result, sliceCount } = runSnapshot(bench, {
        onSlice: (index) => (index === at ? verdict : mutate()),
      });
      isOver = sliceCount <= at;
      assert.equal(result.isAborted, !isOver);
      assert.equal(sink.hasEnded, isOver);
      if (verdict === 'abort') assertAtRest(bench);

      const expected = stateOf(bench.keyspace);
      const next = runSnapshot(bench, { onSlice: mutateEverything(bench, options.nameCount) });
      assertSameState(next.sink.state, expected);
      assertAtRest(bench);
    }
    assertNothingLeaks(bench);
  });
}

/** Fails at the n-th call. */
class FailingSink extends CollectingSink {
  #callsLeft: number;
  readonly error = new Error('the disk is full');

  constructor(callsLeft: number) {
    super();
    this.#callsLeft = callsLeft;
  }

  #call(): void {
    if (this.#callsLeft-- === 0) throw this.error;
  }

  override begin(facts: SnapshotFacts): void {
    this.#call();
    super.begin(facts);
  }

  override entry(databaseIndex: number, entry: SnapshotEntry): void {
    this.#call();
    super.entry(databaseIndex, entry);
  }

  override beginString(databaseIndex: number, facts: RdbKeyFacts, valueBytes: number): void {
    this.#call();
    super.beginString(databaseIndex, facts, valueBytes);
  }

  override stringPiece(bytes: Uint8Array, start: number, end: number): void {
    this.#call();
    super.stringPiece(bytes, start, end);
  }

  override beginCollection(databaseIndex: number, facts: RdbKeyFacts, head: CollectionHead): void {
    this.#call();
    super.beginCollection(databaseIndex, facts, head);
  }

  override collectionPiece(piece: CollectionPiece): void {
    this.#call();
    super.collectionPiece(piece);
  }

  override endCollection(): void {
    this.#call();
    super.endCollection();
  }

  override end(): void {
    this.#call();
    super.end();
  }
}

test('a sink that fails at any call', (t) => {
  const seed = SeededRandom.newSeed();
  t.diagnostic(`seed ${seed}`);
  const options = {
    nameCount: 20,
    longRatio: 0.1,
    longBytesMax: 600 * 1024,
    collectionRatio: 0.5,
    elementsMax: 1500,
  };
  const bench = newBench(t, seed, options);
  bench.mutator.fill(0.7);
  for (let at = 0, isOver = false; !isOver; at++) {
    const sink = new FailingSink(at);
    const snapshot = { sink, onSlice: mutateEverything(bench, options.nameCount) };
    try {
      runSnapshot(bench, snapshot);
      isOver = true;
    } catch (error) {
      assert.equal(error, sink.error);
      assert.equal(sink.hasEnded, false);
    }
    assertAtRest(bench);

    const expected = stateOf(bench.keyspace);
    assertSameState(runSnapshot(bench).sink.state, expected);
  }
  assertNothingLeaks(bench);
});

test('a long string that is replaced or deleted is not copied; what is written in place is, once', (t) => {
  const bench = newBench(t, 1, WORK_OPTIONS);
  const { keyspace, queue } = bench;
  const { strings, allocator } = keyspace;
  const [database] = keyspace.databases;
  const bytes = 8 * 1024 * 1024;
  const names = ['replaced', 'deleted', 'edited', 'renamed'].map((name) => Buffer.from(name));
  for (const name of names) {
    strings.set(database!, name, 0, name.length, Buffer.alloc(bytes, name), 0, bytes, false);
  }
  const find = (name: string) => database!.find(Buffer.from(name), 0, name.length);
  const expected = stateOf(keyspace);
  const before = allocator.usedBytes;

  const { sink } = runSnapshot(bench, {
    onSlice(index) {
      if (index !== 0) return 'go-on';
      database!.delete(find('deleted'));
      assert(allocator.usedBytes < before + 64 * 1024);
      strings.overwrite(database!, find('replaced'), Buffer.alloc(bytes), 0, bytes);
      assert(allocator.usedBytes < before + bytes + 64 * 1024);
      const edited = allocator.usedBytes;
      const view = { bytes: new Uint8Array(0), start: 0, end: 0, length: 0, copy: () => Buffer.alloc(0) };
      for (const offset of [3_000_000, 3_000_001]) {
        strings.edit(database!, find('edited'), bytes, view, offset, offset + 1);
        view.bytes[view.start + offset] = 0;
      }
      assert(allocator.usedBytes - edited <= 256 * 1024 + 1024);
      database!.moveTo(find('renamed'), database!, Buffer.from('other'), 0, 5);
      assert.equal(queue.queuedBytes, 0);
      return 'go-on';
    },
  });
  assertSameState(sink.state, expected);
  assertAtRest(bench);
  assertNothingLeaks(bench);
});

test('a large collection that is deleted is not copied; of one that changes, what changes is', (t) => {
  const bench = newBench(t, 1, WORK_OPTIONS);
  const { keyspace } = bench;
  const { sets, lists, allocator } = keyspace;
  const [database] = keyspace.databases;
  const COUNT = 100_000;
  keyspace.limits.listMaxListpackSize = -2;
  const elements = Array.from({ length: COUNT }, (_, i) => Buffer.from(`element ${i}`));
  const find = (name: string) => database!.find(Buffer.from(name), 0, name.length);
  for (const name of ['deleted set', 'changed set']) {
    const set = sets.newSet(COUNT);
    for (const element of elements) sets.addTo(set, element, 0, element.length);
    find(name);
    database!.createWith(Buffer.from(name), 0, name.length, TYPE_SET, set.encoding, set.value);
  }
  for (const name of ['deleted list', 'changed list']) {
    const list = lists.create();
    for (const element of elements) lists.append(list, element, 0, element.length);
    find(name);
    database!.createWith(Buffer.from(name), 0, name.length, TYPE_LIST, ENCODING_QUICKLIST, list);
  }
  const expected = stateOf(keyspace);
  const before = allocator.usedBytes;

  const { sink } = runSnapshot(bench, {
    onSlice(index) {
      if (index !== 0) return 'go-on';
      database!.delete(find('deleted set'));
      database!.delete(find('deleted list'));
      assert(keyspace.heldCollections.waitingBytes > 4 * 1024 * 1024);
      sets.remove(database!, find('changed set'), elements[7]!, 0, elements[7]!.length);
      lists.set(database!, find('changed list'), 7, elements[8]!, 0, elements[8]!.length);
      // What is copied besides: bits of groups, places of nodes.
      assert(allocator.usedBytes < before + 512 * 1024);
      return 'go-on';
    },
  });
  assertSameState(sink.state, expected);
  assert.equal(sink.collectionCount, 4);
  while (keyspace.dismantleDetached(() => false));
  assert(allocator.usedBytes < (before * 2) / 3);
  assertAtRest(bench);
  assertNothingLeaks(bench);
});

test('who changes keys waits while the queue is long, and no longer than needed', (t) => {
  const options = { nameCount: 400, longRatio: 0, longBytesMax: 0 };
  const bench = newBench(t, 1, options);
  const { keyspace, queue } = bench;
  const [database] = keyspace.databases;
  const value = Buffer.alloc(60 * 1024, 'x');
  for (let index = 0; index < 200; index++) {
    const name = bench.mutator.name(index);
    keyspace.strings.set(database!, name, 0, name.length, value, 0, value.length, false);
  }
  const expected = stateOf(keyspace);
  assert.equal(queue.waitForRoom(), false);
  const { sink } = runSnapshot(bench, {
    onSlice(index) {
      if (index === 0) database!.clear(false);
      return 'go-on';
    },
  });
  assertSameState(sink.state, expected);

  beginSnapshot(queue, { keyspace, unixMillis: 0, isAofBase: false });
  for (let index = 0; index < 200; index++) {
    const name = bench.mutator.name(index);
    keyspace.strings.set(database!, name, 0, name.length, value, 0, value.length, false);
  }
  assert.equal(queue.waitForRoom(), false, 'new keys are not handed over');
  queue.end();
  keyspace.endSnapshot();

  beginSnapshot(queue, { keyspace, unixMillis: 0, isAofBase: false });
  assert(pauseMillis(queue, 50) > 40);
  for (let index = 0; index < 200; index++)
    database!.delete(database!.find(bench.mutator.name(index), 0, bench.mutator.name(index).length));
  assert(pauseMillis(queue, 60_000) < 10_000, 'no pause with a long queue');
  assert(queue.waitForRoom());
  assert.equal(queue.preservedCount, 200);
  queue.end();
  keyspace.endSnapshot();
  assert.equal(queue.waitForRoom(), false);
  assertNothingLeaks(bench);
});

/** How long a pause was that could have been as long as `millis`. */
function pauseMillis(queue: SnapshotQueue, millis: number): number {
  const start = performance.now();
  queue.pause(millis * 1000);
  return performance.now() - start;
}

test('while data is loaded no key is dead', (t) => {
  const { keyspace } = newBench(t, 1, WORK_OPTIONS);
  const [database] = keyspace.databases;
  const name = Buffer.from('a');
  database!.setExpiry(keyspace.strings.set(database!, name, 0, 1, name, 0, 1, false), START_MILLIS - 1);
  keyspace.ignoresExpiry = true;
  assert.notEqual(database!.lookup(name, 0, 1), 0);
  keyspace.setTime(START_MILLIS + 1000);
  assert.notEqual(database!.lookup(name, 0, 1), 0);
  keyspace.ignoresExpiry = false;
  assert.equal(database!.lookup(name, 0, 1), 0);
});

/** Another thread that changes keys; resolves when it does. `stop` waits for its end. */
async function startChanging(t: TestContext, { keyspace }: Bench, seed: number, options: MutationOptions) {
  const signals = new Int32Array(new SharedArrayBuffer(4));
  const workerData: SnapshotWork = { handle: keyspace.arena.handle(), signals, seed, options };
  const worker = new Worker(new URL('./snapshot-walk.worker.js', import.meta.url), { workerData });
  t.after(() => worker.terminate());
  const ended = once(worker, 'exit');
  await Promise.race([once(worker, 'message'), ended]);
  return async function stop(): Promise<void> {
    Atomics.store(signals, 0, 1);
    const [exitCode] = (await ended) as [number];
    assert.equal(exitCode, 0);
  };
}

/** Saves what is there now, while another thread changes it. */
function saveBeside({ keyspace, queue, mutex }: Bench, afterCut: () => void): void {
  const sink = new CollectingSink();
  const [facts, expected] = mutex.hold(() => {
    keyspace.enter(START_MILLIS);
    const cut = beginSnapshot(queue, { keyspace, unixMillis: START_MILLIS, isAofBase: false });
    return [cut, stateOf(keyspace)] as const;
  });
  afterCut();
  const parts = { keyspace, mutex, queue, clock: systemClock, accessFacts: 'none' as const };
  new SnapshotWalk(parts, sink).run({ facts, onSlice: () => 'go-on' });
  assertSameState(sink.state, expected);
}

test('two threads: one changes keys, the other saves them', { timeout: 120_000 }, async (t) => {
  const seed = SeededRandom.newSeed();
  t.diagnostic(`seed ${seed}`);
  const bench = newBench(t, seed, WORK_OPTIONS);
  const { keyspace, queue, mutator } = bench;
  mutator.fill(0.6);
  const stop = await startChanging(t, bench, seed + 1, WORK_OPTIONS);
  for (let snapshot = 0; snapshot < 3; snapshot++) saveBeside(bench, () => undefined);

  await stop();
  t.diagnostic(`${queue.preservedCount} keys handed over in the last snapshot`);
  keyspace.enter(START_MILLIS);
  assertAtRest(bench);
  assertNothingLeaks(bench);
});

test('a pause ends when another thread has handed over much', { timeout: 120_000 }, async (t) => {
  const seed = SeededRandom.newSeed();
  t.diagnostic(`seed ${seed}`);
  const options = { nameCount: 200, longRatio: 0.5, longBytesMax: 512 * 1024 };
  const bench = newBench(t, seed, options);
  bench.mutator.fill(0.6);
  const stop = await startChanging(t, bench, seed + 1, options);
  saveBeside(bench, () => assert(pauseMillis(bench.queue, 60_000) < 30_000));

  await stop();
  bench.keyspace.enter(START_MILLIS);
  assertAtRest(bench);
  assertNothingLeaks(bench);
});
