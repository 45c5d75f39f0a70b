import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator, BLOCK_BYTES_MAX, OutOfMemoryError, PAGE_BYTES, SMALL_BYTES_MAX } from './allocator.ts';
import { Arena, OFFSET_MASK, SEGMENTS_MAX, SEGMENT_SHIFT } from './arena.ts';
import type { Ref } from './arena.ts';
import { getWord } from './struct.ts';

const SEEDS = [1, 2, 3, 4];

function newAllocator(t: TestContext): Allocator {
  const arena = Arena.create();
  t.after(() => arena.close());
  return new Allocator(arena);
}

/** The words of a block, all that may be used. */
function wordsOf(allocator: Allocator, ref: Ref): Int32Array {
  const base = (ref & OFFSET_MASK) << 1;
  return allocator.arena.words[ref >>> SEGMENT_SHIFT]!.subarray(base, base + allocator.usableBytes(ref) / 4);
}

/** Live blocks, each filled with a number of its own to its last usable byte: an overlap damages one. */
class FilledBlocks {
  readonly allocator: Allocator;
  readonly blocks: { ref: Ref; fill: number }[] = [];
  #serial = 0;

  constructor(allocator: Allocator) {
    this.allocator = allocator;
  }

  add(byteCount: number): void {
    const ref = this.allocator.allocate(byteCount);
    const usable = this.allocator.usableBytes(ref);
    assert.ok(usable >= byteCount, `${usable} bytes for ${byteCount}`);
    assert.equal(usable, Allocator.roundedBytes(byteCount));
    wordsOf(this.allocator, ref).fill(++this.#serial);
    this.blocks.push({ ref, fill: this.#serial });
  }

  free(index: number): void {
    const last = this.blocks.pop()!;
    const block = index < this.blocks.length ? this.blocks[index]! : last;
    if (block !== last) this.blocks[index] = last;
    this.#verify(block);
    this.allocator.free(block.ref);
  }

  freeAll(): void {
    while (this.blocks.length > 0) this.free(this.blocks.length - 1);
  }

  verify(): void {
    for (const block of this.blocks) this.#verify(block);
  }

  /** Does what owners of movable blocks do during a compaction. */
  moveAll(): number {
    let moved = 0;
    for (const block of this.blocks) {
      if (!this.allocator.shouldMove(block.ref)) continue;
      const target = this.allocator.allocate(this.allocator.usableBytes(block.ref));
      wordsOf(this.allocator, target).set(wordsOf(this.allocator, block.ref));
      this.allocator.free(block.ref);
      block.ref = target;
      moved++;
    }
    return moved;
  }

  #verify({ ref, fill }: { ref: Ref; fill: number }): void {
    const words = wordsOf(this.allocator, ref);
    const damaged = words.findIndex((word) => word !== fill);
    assert.equal(damaged, -1, `block ${ref} of ${words.byteLength} bytes is damaged at word ${damaged}`);
  }
}

/** Mostly small, some spans of their own, a few of several MB. */
function randomSize(random: SeededRandom): number {
  const kind = random.fraction();
  if (kind < 0.7) return random.integer(0, 300);
  if (kind < 0.93) return random.integer(301, SMALL_BYTES_MAX);
  if (kind < 0.995) return random.integer(SMALL_BYTES_MAX + 1, 40 * PAGE_BYTES);
  return random.integer(1, 4) * 1024 * 1024;
}

for (const seed of SEEDS) {
  test(`blocks of all sizes do not touch each other, seed ${seed}`, (t) => {
    const allocator = newAllocator(t);
    const random = new SeededRandom(seed);
    const live = new FilledBlocks(allocator);
    // The number of live blocks swings, so that spans fill up and become empty again.
    for (let phase = 0; phase < 8; phase++) {
      const growing = phase % 2 === 0;
      for (let step = 0; step < 600; step++) {
        if (live.blocks.length === 0 || random.chance(growing ? 0.7 : 0.3)) live.add(randomSize(random));
        else live.free(random.integer(0, live.blocks.length - 1));
        if (random.chance(0.02)) {
          const slice = random.chance(0.2) ? 2 ** 40 : random.integer(1, 60) * PAGE_BYTES;
          allocator.release((segment, at, length) => segment.fill(0, at, at + length), 0, slice);
        }
        if (step % 50 === 0) allocator.checkInvariants();
      }
      live.verify();
      allocator.checkInvariants();
    }
    live.freeAll();
    allocator.checkInvariants();
    assert.equal(allocator.usedBytes, 0);
    assert.equal(allocator.arena.segmentCount, 1);
  });
}

test('every size up to the largest of a span gets a fitting block', (t) => {
  const allocator = newAllocator(t);
  for (let size = 0; size <= SMALL_BYTES_MAX + 16; size += size < 300 ? 1 : 61) {
    const ref = allocator.allocate(size);
    const usable = allocator.usableBytes(ref);
    assert.ok(usable >= size && usable >= 8 && usable % 8 === 0, `${usable} bytes for ${size}`);
    if (size >= 128 && size <= SMALL_BYTES_MAX)
      assert.ok(usable - size < size / 4 + 8, `${usable} bytes for ${size}`);
    assert.notEqual(ref, 0);
  }
  allocator.checkInvariants();
});

test('used and peak bytes follow the blocks', (t) => {
  const allocator = newAllocator(t);
  const small = allocator.allocate(100);
  const large = allocator.allocate(100_000);
  const used = Allocator.roundedBytes(100) + Allocator.roundedBytes(100_000);
  assert.equal(allocator.usedBytes, used);
  allocator.free(large);
  assert.equal(allocator.usedBytes, Allocator.roundedBytes(100));
  assert.equal(allocator.peakBytes, used);
  allocator.resetPeak();
  assert.equal(allocator.peakBytes, Allocator.roundedBytes(100));
  allocator.free(small);
  assert.equal(allocator.usedBytes, 0);
});

test('a page of no block is not freed', (t) => {
  const allocator = newAllocator(t);
  const ref = allocator.allocate(5 * PAGE_BYTES);
  allocator.free(ref);
  assert.throws(() => allocator.free(ref), assert.AssertionError);
});

// Giving memory back -----------------------------------------------------------------------------------

test('release gives back what is free, and only that', (t) => {
  const allocator = newAllocator(t);
  const live = new FilledBlocks(allocator);
  for (let i = 0; i < 60; i++) live.add(20 * PAGE_BYTES);
  for (let i = 59; i >= 0; i -= 2) live.free(i);
  const dirty = allocator.freeDirtyBytes;
  assert.ok(dirty >= 30 * 20 * PAGE_BYTES);

  let given = 0;
  const released = allocator.release(
    (segment, offset, length) => {
      assert.equal(offset % PAGE_BYTES, 0);
      assert.equal(length % PAGE_BYTES, 0);
      segment.fill(0, offset, offset + length);
      given += length;
    },
    0,
    2 ** 40,
  );
  assert.equal(released, dirty);
  assert.equal(given, dirty);
  assert.equal(allocator.freeDirtyBytes, 0);
  allocator.checkInvariants();
  live.verify();
});

test('release keeps what it is told to keep, and stays within its slice', (t) => {
  const allocator = newAllocator(t);
  const blocks = Array.from({ length: 100 }, () => allocator.allocate(10 * PAGE_BYTES));
  for (const ref of blocks) allocator.free(ref);
  assert.equal(allocator.freeDirtyBytes, 1000 * PAGE_BYTES);

  assert.equal(
    allocator.release(() => {}, 1000 * PAGE_BYTES, 2 ** 40),
    0,
  );
  assert.equal(
    allocator.release(() => {}, 0, 64 * PAGE_BYTES),
    64 * PAGE_BYTES,
  );
  assert.equal(allocator.freeDirtyBytes, 936 * PAGE_BYTES);
  allocator.checkInvariants();
  while (allocator.release(() => {}, 0, 100 * PAGE_BYTES) > 0) allocator.checkInvariants();
  assert.equal(allocator.freeDirtyBytes, 0);
});

test('released neighbours serve a block as long as all of them', (t) => {
  const allocator = newAllocator(t);
  const blocks = Array.from({ length: 10 }, () => allocator.allocate(BLOCK_BYTES_MAX / 10 - PAGE_BYTES));
  for (const ref of blocks) {
    allocator.free(ref);
    allocator.release(() => {}, 0, 2 ** 40);
    allocator.checkInvariants();
  }
  const whole = allocator.allocate(BLOCK_BYTES_MAX);
  assert.equal(whole >>> SEGMENT_SHIFT, 0);
  assert.equal(allocator.arena.segmentCount, 1);
});

// Compaction -------------------------------------------------------------------------------------------

for (const seed of SEEDS) {
  test(`a compaction empties sparse spans, seed ${seed}`, (t) => {
    const allocator = newAllocator(t);
    const random = new SeededRandom(seed);
    const live = new FilledBlocks(allocator);
    for (let i = 0; i < 12_000; i++) live.add(random.integer(1, i % 100 === 0 ? SMALL_BYTES_MAX : 400));
    while (live.blocks.length > 2000) live.free(random.integer(0, live.blocks.length - 1));

    const before = allocator.spanBytes;
    const gain = allocator.beginCompaction(1);
    assert.ok(gain > 0);
    assert.ok(live.moveAll() > 0);
    assert.equal(before - allocator.spanBytes, gain, 'what was announced is what was freed');
    allocator.checkInvariants();
    allocator.endCompaction();
    allocator.checkInvariants();
    live.verify();

    // Blocks come and go as before.
    for (let i = 0; i < 1000; i++) live.add(random.integer(1, 400));
    live.freeAll();
    allocator.checkInvariants();
    assert.equal(allocator.usedBytes, 0);
  });
}

test('an evacuation that is only half done ends without harm', (t) => {
  const allocator = newAllocator(t);
  const live = new FilledBlocks(allocator);
  for (let i = 0; i < 5000; i++) live.add(64);
  for (let i = 4999; i >= 0; i--) if (i % 10 !== 0) live.free(i);
  assert.ok(allocator.beginCompaction(1) > 0);
  for (let i = 0; i < 200; i++) {
    live.add(64);
    live.free(i);
  }
  allocator.checkInvariants();
  allocator.endCompaction();
  allocator.checkInvariants();
  assert.ok(live.blocks.every(({ ref }) => !allocator.shouldMove(ref)));
  live.freeAll();
  assert.equal(allocator.usedBytes, 0);
});

test('no compaction starts for less than it is worth', (t) => {
  const allocator = newAllocator(t);
  const blocks = Array.from({ length: 10_000 }, () => allocator.allocate(48));
  blocks.forEach((ref, i) => i % 2 === 0 && allocator.free(ref));
  assert.equal(allocator.beginCompaction(2 ** 30), 0);
  assert.ok(blocks.every((ref) => !allocator.shouldMove(ref)));
  allocator.checkInvariants();
});

test('spans that are empty already are given back by a compaction', (t) => {
  const allocator = newAllocator(t);
  const block = allocator.allocate(24);
  allocator.free(block);
  const kept = allocator.spanBytes;
  assert.ok(kept > 0, 'the last span of a class is kept');
  assert.equal(allocator.beginCompaction(1), kept);
  assert.equal(allocator.spanBytes, 0);
  allocator.endCompaction();
  allocator.checkInvariants();
});

// Several segments -------------------------------------------------------------------------------------

test('a block that fits nowhere opens the next segment; a full arena says so', (t) => {
  const allocator = newAllocator(t);
  const blocks: Ref[] = [];
  for (let segment = 0; segment < SEGMENTS_MAX; segment++) {
    const ref = allocator.allocate(BLOCK_BYTES_MAX);
    assert.equal(ref >>> SEGMENT_SHIFT, segment);
    assert.equal(allocator.usableBytes(ref), BLOCK_BYTES_MAX);
    blocks.push(ref);
  }
  assert.throws(() => allocator.allocate(16), OutOfMemoryError);
  assert.equal(allocator.tryAllocate(PAGE_BYTES * 100), 0);
  assert.throws(() => allocator.allocate(BLOCK_BYTES_MAX + 1), OutOfMemoryError);
  allocator.checkInvariants();

  // Small blocks at references that are negative as int32.
  allocator.free(blocks[SEGMENTS_MAX - 1]!);
  const live = new FilledBlocks(allocator);
  const random = new SeededRandom(7);
  for (let i = 0; i < 1500; i++) {
    if (random.chance(0.6) || live.blocks.length === 0) live.add(random.integer(1, 20_000));
    else live.free(random.integer(0, live.blocks.length - 1));
  }
  assert.ok(live.blocks.every(({ ref }) => ref < 0));
  live.verify();
  if (allocator.beginCompaction(1) > 0) live.moveAll();
  allocator.endCompaction();
  live.verify();
  live.freeAll();
  allocator.checkInvariants();
});

test('a second view of the arena frees what the first allocated', (t) => {
  const mine = newAllocator(t);
  const arena = Arena.attach(mine.arena.handle());
  t.after(() => arena.close());
  const theirs = new Allocator(arena);
  const refs = Array.from({ length: 500 }, (_, i) => mine.allocate(i * 7));
  refs.forEach((ref, i) => i % 2 === 0 && theirs.free(ref));
  assert.equal(getWord(arena, refs[1]!, 0), getWord(mine.arena, refs[1]!, 0));
  refs.forEach((ref, i) => i % 2 === 1 && mine.free(ref));
  theirs.checkInvariants();
  assert.equal(mine.usedBytes, 0);
});
