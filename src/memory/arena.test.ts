import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Allocator, BLOCK_BYTES_MAX } from './allocator.ts';
import { Arena, SEGMENT_SHIFT } from './arena.ts';
import type { ArenaProbe } from './arena.worker.ts';
import { getDouble, getWord, setDouble, setWord } from './struct.ts';

test('a segment that one view adds is found by the others', (t) => {
  const arena = Arena.create();
  const early = Arena.attach(arena.handle());
  const allocator = new Allocator(arena);
  allocator.allocate(BLOCK_BYTES_MAX);
  const ref = allocator.allocate(BLOCK_BYTES_MAX);
  const late = Arena.attach(arena.handle());
  t.after(() => [arena, early, late].forEach((view) => view.close()));

  assert.equal(ref >>> SEGMENT_SHIFT, 1);
  setWord(arena, ref, 5, -7);
  setDouble(arena, ref, 3, Math.PI);
  assert.equal(early.segmentCount, 1);
  early.refresh();
  for (const view of [early, late]) {
    assert.equal(view.segmentCount, 2);
    assert.equal(getWord(view, ref, 5), -7);
    assert.equal(getDouble(view, ref, 3), Math.PI);
  }
});

test('any view may add a segment, and an allocator in it works on the same state', (t) => {
  const arena = Arena.create();
  const other = Arena.attach(arena.handle());
  t.after(() => [arena, other].forEach((view) => view.close()));
  const mine = new Allocator(arena);
  const theirs = new Allocator(other);

  mine.allocate(BLOCK_BYTES_MAX);
  assert.equal(theirs.allocate(BLOCK_BYTES_MAX) >>> SEGMENT_SHIFT, 1);
  arena.refresh();
  assert.equal(mine.usedBytes, 2 * BLOCK_BYTES_MAX);
  assert.equal(mine.allocate(BLOCK_BYTES_MAX) >>> SEGMENT_SHIFT, 2);
  other.refresh();
  theirs.checkInvariants();
});

test('a segment that is added while a thread attaches is not missed', (t) => {
  const arena = Arena.create();
  const subscription = Arena.subscribe(arena.channelName);
  arena.addSegment();
  const handle = arena.handle();
  arena.addSegment();
  const late = Arena.attach(handle, subscription);
  t.after(() => [arena, late].forEach((view) => view.close()));
  late.refresh();
  assert.equal(late.segmentCount, 3);
});

test('an announcement is not lost when the event loop turns before the next refresh', async (t) => {
  const arena = Arena.create();
  const other = Arena.attach(arena.handle());
  t.after(() => [arena, other].forEach((view) => view.close()));
  arena.addSegment();
  // Enough turns for the announcement to arrive, whichever phase of the loop takes it.
  for (let turn = 0; turn < 20; turn++) await nextTurn();
  arena.addSegment();
  other.refresh();
  assert.equal(other.segmentCount, 3);
});

test('without address space for a segment the arena counts as full', (t) => {
  const arena = Arena.create();
  t.after(() => arena.close());
  const { SharedArrayBuffer } = globalThis;
  const { WebAssembly } = globalThis as { readonly WebAssembly?: { Memory: unknown } };
  const Memory = WebAssembly?.Memory;
  t.after(() => {
    Object.assign(globalThis, { SharedArrayBuffer });
    if (WebAssembly !== undefined) WebAssembly.Memory = Memory;
  });
  const refuse = function (): never {
    throw new RangeError('Array buffer allocation failed');
  };
  Object.assign(globalThis, { SharedArrayBuffer: refuse });
  if (WebAssembly !== undefined) WebAssembly.Memory = refuse;
  assert.equal(arena.addSegment(), -1);
});

test('a worker that sits in its event loop picks up new segments', { timeout: 60_000 }, async (t) => {
  const arena = Arena.create();
  const allocator = new Allocator(arena);
  const worker = new Worker(new URL('./arena.worker.js', import.meta.url), { workerData: arena.handle() });
  t.after(async () => {
    arena.close();
    await worker.terminate();
  });
  assert.deepEqual(await once(worker, 'message'), ['attached']);

  for (let segment = 0; segment < 3; segment++) {
    const ref = allocator.allocate(BLOCK_BYTES_MAX);
    setWord(arena, ref, 0, 100 + segment);
    worker.postMessage({ ref, reply: 200 + segment } satisfies ArenaProbe);
    const [answer] = await once(worker, 'message');
    assert.deepEqual(answer, { found: 100 + segment, segmentCount: segment + 1 });
    assert.equal(getWord(arena, ref, 0), 200 + segment);
  }
});
