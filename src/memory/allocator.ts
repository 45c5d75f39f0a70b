/**
 * The allocator: blocks of any size in the arena, with all its state in the arena too.
 *
 *     segment (1 GiB) = 131,072 pages of 8 KiB
 *     ┌────────────┬───────────┬──────────────────┬──────┬───────────────────────────────
 *     │ page table │ span of   │ span of class 48 │ large│ free span …
 *     │ 512 pages  │ class 24  │                  │ block│
 *     └────────────┴───────────┴──────────────────┴──────┴───────────────────────────────
 *
 * - Up to 32 KiB a block comes from a *span* of 1–32 pages that serves one size class; larger blocks are
 *   spans of their own. Classes are 8 bytes apart up to 128, then four per doubling: at most 1/5 of a block
 *   is lost.
 * - A span whose last block is freed becomes a *free span*, merges with free neighbours, and serves any
 *   class. Free spans hang in bins by length; `release()` gives their pages back to the operating system.
 * - The page table at the head of each segment has a record of 8 words per page. Only the first and the last
 *   page of a span have full records; the inner pages of a small span hold the distance to its first page.
 * - `beginCompaction()` marks the sparsest spans as *evacuated*: nothing is allocated there, whoever owns
 *   movable blocks moves them (`shouldMove`), and an empty span is free again.
 *
 * Invariants (checkInvariants): spans tile a segment; free spans that touch are one backed, one released; a
 * span is in its class's list exactly when it has a free block and is not evacuated; the counters equal the
 * sums over spans.
 *
 * Everything here runs under the store's lock. After tcmalloc's page heap and central free lists.
 */
import { strict as assert } from 'node:assert';
import { Arena, OFFSET_MASK, SEGMENT_BYTES, SEGMENT_SHIFT } from './arena.ts';
import type { Ref } from './arena.ts';
import {
  CONTROL_CLASS_LIVE,
  CONTROL_CLASS_SPANS,
  CONTROL_FREE_BINS,
  CONTROL_PARTIAL_SPANS,
  COUNTER_FREE_DIRTY_BYTES,
  COUNTER_PEAK_BYTES,
  COUNTER_RELEASED_BYTES,
  COUNTER_SPAN_BYTES,
  COUNTER_USED_BYTES,
} from './control-block.ts';

export const PAGE_BYTES = 8192;
const PAGE_SHIFT = 10;
const PAGES_PER_SEGMENT = SEGMENT_BYTES / PAGE_BYTES;
const PAGE_INDEX_SHIFT = 17;
const PAGE_INDEX_MASK = PAGES_PER_SEGMENT - 1;
const PAGE_TABLE_PAGES = (PAGES_PER_SEGMENT * 32) / PAGE_BYTES;

/** Blocks larger than this are spans of their own. */
export const SMALL_BYTES_MAX = 32 * 1024;
const SPAN_PAGES_MAX = 32;
/** The largest block: a segment without its page table. */
export const BLOCK_BYTES_MAX = (PAGES_PER_SEGMENT - PAGE_TABLE_PAGES) * PAGE_BYTES;

// A page record, in words.
const KIND = 0;
const CLASS = 1;
const PAGES = 2; // first page: length of the span; other pages: distance to the first
const FREE_BLOCK = 3; // small span: free list; free span: next free span
const LIVE = 4; // small span: live blocks; free span: previous free span
const BUMP = 5; // small span: blocks ever used; free span: 1 when the operating system backs it
const NEXT = 6; // small span: list of spans with room
const PREVIOUS = 7;

const KIND_UNUSED = 0;
const KIND_FREE = 1;
const KIND_FREE_TAIL = 2;
const KIND_SMALL = 3;
const KIND_SMALL_EVACUATED = 4;
const KIND_SMALL_INNER = 5;
const KIND_LARGE = 6;
const KIND_LARGE_TAIL = 7;

const EXACT_BINS = 64;
const BIN_COUNT = EXACT_BINS + 12;
/** How many spans of a logarithmic bin are looked at before the next larger bin is taken. */
const BIN_TRIES_MAX = 16;

const CLASS_BYTES: number[] = [];
for (let size = 16; size <= 128; size += 8) CLASS_BYTES.push(size);
for (let base = 128; base < SMALL_BYTES_MAX; base *= 2) {
  for (let quarter = 1; quarter <= 4; quarter++) CLASS_BYTES.push(base + (base / 4) * quarter);
}
const CLASS_COUNT = CLASS_BYTES.length;
const CLASS_UNITS = Int32Array.from(CLASS_BYTES, (size) => size / 8);
const CLASS_PAGES = Int32Array.from(CLASS_BYTES, spanPagesOf);
const CLASS_CAPACITY = Int32Array.from(CLASS_BYTES, (size, i) =>
  Math.floor((CLASS_PAGES[i]! * PAGE_BYTES) / size),
);
/** Size class by size in 8-byte units, rounded up. */
const CLASS_OF_UNITS = new Uint8Array(SMALL_BYTES_MAX / 8 + 1);
for (let units = 0, sizeClass = 0; units < CLASS_OF_UNITS.length; units++) {
  if (units * 8 > CLASS_BYTES[sizeClass]!) sizeClass++;
  CLASS_OF_UNITS[units] = sizeClass;
}

/** The fewest pages of which at most an eighth is left over at the end. */
function spanPagesOf(blockBytes: number): number {
  for (let pages = 1; pages < SPAN_PAGES_MAX; pages++) {
    const bytes = pages * PAGE_BYTES;
    if (bytes >= blockBytes * 4 && bytes % blockBytes <= bytes / 8) return pages;
  }
  return SPAN_PAGES_MAX;
}

/**
 * Gives pages back to the operating system: `length` bytes at `offset` of the segment are not needed any
 * more.
 */
export type ReleasePages = (segment: Uint8Array, offset: number, length: number) => void;

/** What the spans of one size class hold. */
export interface ClassFigures {
  readonly blockBytes: number;
  readonly liveBlocks: number;
  readonly spanCount: number;
  readonly spanBytes: number;
}

/** Thrown when the arena is full: caught where commands are run. */
export class OutOfMemoryError extends Error {
  constructor(bytes: number) {
    super(`the arena cannot serve a block of ${bytes} bytes`);
  }
}

export class Allocator {
  readonly arena: Arena;
  readonly #control: Int32Array;
  readonly #counters: Float64Array;

  constructor(arena: Arena) {
    this.arena = arena;
    this.#control = arena.control;
    this.#counters = arena.counters;
    if (arena.segmentCount === 1 && this.#record(0, KIND) === KIND_UNUSED) this.#openSegment(0);
  }

  get usedBytes(): number {
    return this.#counters[COUNTER_USED_BYTES]!;
  }

  get peakBytes(): number {
    return this.#counters[COUNTER_PEAK_BYTES]!;
  }

  /** Bytes of all spans in use, free blocks in them included. */
  get spanBytes(): number {
    return this.#counters[COUNTER_SPAN_BYTES]!;
  }

  /** Bytes of free spans that the operating system still backs. */
  get freeDirtyBytes(): number {
    return this.#counters[COUNTER_FREE_DIRTY_BYTES]!;
  }

  resetPeak(): void {
    this.#counters[COUNTER_PEAK_BYTES] = this.usedBytes;
  }

  /** A block of at least `byteCount` bytes, its content undefined. @throws OutOfMemoryError */
  allocate(byteCount: number): Ref {
    if (byteCount > SMALL_BYTES_MAX) return this.#allocateLarge(byteCount);

    const sizeClass = CLASS_OF_UNITS[(byteCount + 7) >>> 3]!;
    let page = this.#control[CONTROL_PARTIAL_SPANS + sizeClass]!;
    if (page === 0) page = this.#newSmallSpan(sizeClass);
    const words = this.arena.words[page >>> PAGE_INDEX_SHIFT]!;
    const record = (page & PAGE_INDEX_MASK) << 3;

    let ref = words[record + FREE_BLOCK]!;
    if (ref !== 0) {
      words[record + FREE_BLOCK] = words[(ref & OFFSET_MASK) << 1]!;
    } else {
      const index = words[record + BUMP]!;
      ref = (page << PAGE_SHIFT) + index * CLASS_UNITS[sizeClass]!;
      words[record + BUMP] = index + 1;
    }
    const live = words[record + LIVE]! + 1;
    words[record + LIVE] = live;
    if (live === CLASS_CAPACITY[sizeClass]!) this.#unlinkPartial(page, sizeClass);

    this.#control[CONTROL_CLASS_LIVE + sizeClass] = this.#control[CONTROL_CLASS_LIVE + sizeClass]! + 1;
    this.#count(CLASS_UNITS[sizeClass]! << 3);
    return ref;
  }

  /** The same, but 0 when there is no room. */
  tryAllocate(byteCount: number): Ref {
    try {
      return this.allocate(byteCount);
    } catch (error) {
      if (error instanceof OutOfMemoryError) return 0;
      throw error;
    }
  }

  /** Takes a block back. */
  free(ref: Ref): void {
    const words = this.arena.words[ref >>> SEGMENT_SHIFT]!;
    let pageIndex = (ref & OFFSET_MASK) >>> PAGE_SHIFT;
    let record = pageIndex << 3;
    let kind = words[record + KIND]!;
    if (kind === KIND_LARGE) {
      this.#freeLarge(((ref >>> SEGMENT_SHIFT) << PAGE_INDEX_SHIFT) | pageIndex);
      return;
    }
    if (kind === KIND_SMALL_INNER) {
      pageIndex -= words[record + PAGES]!;
      record = pageIndex << 3;
      kind = words[record + KIND]!;
    }
    if (kind !== KIND_SMALL && kind !== KIND_SMALL_EVACUATED)
      assert.fail(`free of a block in a page of kind ${kind}`);

    const sizeClass = words[record + CLASS]!;
    words[(ref & OFFSET_MASK) << 1] = words[record + FREE_BLOCK]!;
    words[record + FREE_BLOCK] = ref;
    const live = words[record + LIVE]! - 1;
    words[record + LIVE] = live;
    this.#control[CONTROL_CLASS_LIVE + sizeClass] = this.#control[CONTROL_CLASS_LIVE + sizeClass]! - 1;
    this.#counters[COUNTER_USED_BYTES] = this.#counters[COUNTER_USED_BYTES]! - (CLASS_UNITS[sizeClass]! << 3);

    const page = ((ref >>> SEGMENT_SHIFT) << PAGE_INDEX_SHIFT) | pageIndex;
    if (kind === KIND_SMALL && live === CLASS_CAPACITY[sizeClass]! - 1) this.#linkPartial(page, sizeClass);
    // The last span of a class with room is kept: a single block that comes and goes does not move pages.
    if (live === 0 && !this.#isOnlyPartial(page, sizeClass)) this.#releaseSmallSpan(page, sizeClass);
  }

  /** Bytes that fit in the block without moving it. */
  usableBytes(ref: Ref): number {
    const words = this.arena.words[ref >>> SEGMENT_SHIFT]!;
    let record = ((ref & OFFSET_MASK) >>> PAGE_SHIFT) << 3;
    if (words[record + KIND] === KIND_LARGE) return words[record + PAGES]! * PAGE_BYTES;
    if (words[record + KIND] === KIND_SMALL_INNER) record -= words[record + PAGES]! << 3;
    return CLASS_UNITS[words[record + CLASS]!]! << 3;
  }

  /** What a block of that many bytes really takes. */
  static roundedBytes(byteCount: number): number {
    if (byteCount > SMALL_BYTES_MAX) return Math.ceil(byteCount / PAGE_BYTES) * PAGE_BYTES;
    return CLASS_BYTES[CLASS_OF_UNITS[(byteCount + 7) >>> 3]!]!;
  }

  // Large blocks --------------------------------------------------------------------------------------------

  #allocateLarge(byteCount: number): Ref {
    if (byteCount > BLOCK_BYTES_MAX) throw new OutOfMemoryError(byteCount);
    const pages = Math.ceil(byteCount / PAGE_BYTES);
    const page = this.#takeSpan(pages);
    this.#setRecord(page, KIND, KIND_LARGE);
    this.#setRecord(page, PAGES, pages);
    if (pages > 1) {
      this.#setRecord(page + pages - 1, KIND, KIND_LARGE_TAIL);
      this.#setRecord(page + pages - 1, PAGES, pages - 1);
    }
    this.#count(pages * PAGE_BYTES);
    return (page << PAGE_SHIFT) | 0;
  }

  #freeLarge(page: number): void {
    const pages = this.#record(page, PAGES);
    this.#counters[COUNTER_USED_BYTES] = this.#counters[COUNTER_USED_BYTES]! - pages * PAGE_BYTES;
    this.#counters[COUNTER_SPAN_BYTES] = this.#counters[COUNTER_SPAN_BYTES]! - pages * PAGE_BYTES;
    this.#giveSpan(page, pages);
  }

  #count(bytes: number): void {
    const used = this.#counters[COUNTER_USED_BYTES]! + bytes;
    this.#counters[COUNTER_USED_BYTES] = used;
    if (used > this.#counters[COUNTER_PEAK_BYTES]!) this.#counters[COUNTER_PEAK_BYTES] = used;
  }

  // Small spans ---------------------------------------------------------------------------------------------

  #newSmallSpan(sizeClass: number): number {
    const pages = CLASS_PAGES[sizeClass]!;
    const page = this.#takeSpan(pages);
    this.#setRecord(page, KIND, KIND_SMALL);
    this.#setRecord(page, CLASS, sizeClass);
    this.#setRecord(page, PAGES, pages);
    this.#setRecord(page, FREE_BLOCK, 0);
    this.#setRecord(page, LIVE, 0);
    this.#setRecord(page, BUMP, 0);
    for (let i = 1; i < pages; i++) {
      this.#setRecord(page + i, KIND, KIND_SMALL_INNER);
      this.#setRecord(page + i, PAGES, i);
    }
    this.#control[CONTROL_CLASS_SPANS + sizeClass] = this.#control[CONTROL_CLASS_SPANS + sizeClass]! + 1;
    this.#linkPartial(page, sizeClass);
    return page;
  }

  #releaseSmallSpan(page: number, sizeClass: number): void {
    if (this.#record(page, KIND) === KIND_SMALL) this.#unlinkPartial(page, sizeClass);
    this.#control[CONTROL_CLASS_SPANS + sizeClass] = this.#control[CONTROL_CLASS_SPANS + sizeClass]! - 1;
    const pages = this.#record(page, PAGES);
    this.#counters[COUNTER_SPAN_BYTES] = this.#counters[COUNTER_SPAN_BYTES]! - pages * PAGE_BYTES;
    this.#giveSpan(page, pages);
  }

  #isOnlyPartial(page: number, sizeClass: number): boolean {
    return this.#control[CONTROL_PARTIAL_SPANS + sizeClass] === page && this.#record(page, NEXT) === 0;
  }

  #linkPartial(page: number, sizeClass: number): void {
    const head = this.#control[CONTROL_PARTIAL_SPANS + sizeClass]!;
    this.#setRecord(page, NEXT, head);
    this.#setRecord(page, PREVIOUS, 0);
    if (head !== 0) this.#setRecord(head, PREVIOUS, page);
    this.#control[CONTROL_PARTIAL_SPANS + sizeClass] = page;
  }

  #unlinkPartial(page: number, sizeClass: number): void {
    const next = this.#record(page, NEXT);
    const previous = this.#record(page, PREVIOUS);
    if (previous === 0) this.#control[CONTROL_PARTIAL_SPANS + sizeClass] = next;
    else this.#setRecord(previous, NEXT, next);
    if (next !== 0) this.#setRecord(next, PREVIOUS, previous);
  }

  // Free spans ----------------------------------------------------------------------------------------------

  /** Takes `pages` adjacent pages out of the free spans; grows the arena when none is long enough. */
  #takeSpan(pages: number): number {
    let page = this.#findFree(pages);
    if (page === 0) {
      const segment = this.arena.addSegment();
      if (segment < 0) throw new OutOfMemoryError(pages * PAGE_BYTES);
      this.#openSegment(segment);
      page = this.#findFree(pages);
      if (page === 0) throw new OutOfMemoryError(pages * PAGE_BYTES);
    }

    const length = this.#record(page, PAGES);
    const isDirty = this.#record(page, BUMP);
    this.#unlinkFree(page);
    if (isDirty !== 0) this.#addFreeDirty(-pages);
    // The rest keeps its state; it was counted with the whole span.
    if (length > pages) this.#linkFree(page + pages, length - pages, isDirty);
    this.#counters[COUNTER_SPAN_BYTES] = this.#counters[COUNTER_SPAN_BYTES]! + pages * PAGE_BYTES;
    return page;
  }

  /** Makes pages a free span, merged with free neighbours. */
  #giveSpan(page: number, pages: number): void {
    this.#addFreeDirty(pages);
    let first = page;
    let length = pages;
    // Again and again: behind a short clean neighbour there may be a backed one.
    let before = this.#freeSpanBefore(first);
    while (before !== 0 && this.#mergesWithDirty(before)) {
      length += this.#absorb(before);
      first = before;
      before = this.#freeSpanBefore(first);
    }
    let after = this.#freeSpanAfter(first, length);
    while (after !== 0 && this.#mergesWithDirty(after)) {
      length += this.#absorb(after);
      after = this.#freeSpanAfter(first, length);
    }
    this.#linkFree(first, length, 1);
  }

  /** The free span that ends where `page` starts, or 0. */
  #freeSpanBefore(page: number): number {
    const kind = this.#record(page - 1, KIND);
    if (kind === KIND_FREE) return page - 1;
    return kind === KIND_FREE_TAIL ? page - 1 - this.#record(page - 1, PAGES) : 0;
  }

  /** The free span that starts where the span of `pages` at `page` ends, or 0. */
  #freeSpanAfter(page: number, pages: number): number {
    const after = page + pages;
    const isInSegment = (page & PAGE_INDEX_MASK) + pages < PAGES_PER_SEGMENT;
    return isInSegment && this.#record(after, KIND) === KIND_FREE ? after : 0;
  }

  /** A large clean neighbour stays apart: merging would count its pages as backed. */
  #mergesWithDirty(page: number): boolean {
    return this.#record(page, BUMP) !== 0 || this.#record(page, PAGES) <= SPAN_PAGES_MAX;
  }

  /** Takes a free span out of its bin, its pages counted as backed from now on. Returns its length. */
  #absorb(page: number): number {
    const pages = this.#record(page, PAGES);
    if (this.#record(page, BUMP) === 0) this.#addFreeDirty(pages);
    this.#unlinkFree(page);
    return pages;
  }

  #addFreeDirty(pages: number): void {
    this.#counters[COUNTER_FREE_DIRTY_BYTES] = this.#counters[COUNTER_FREE_DIRTY_BYTES]! + pages * PAGE_BYTES;
  }

  #findFree(pages: number): number {
    for (let bin = binOf(pages); bin < BIN_COUNT; bin++) {
      let page = this.#control[CONTROL_FREE_BINS + bin]!;
      for (let tries = 0; page !== 0 && tries < BIN_TRIES_MAX; tries++) {
        if (this.#record(page, PAGES) >= pages) return page;
        page = this.#record(page, FREE_BLOCK);
      }
    }
    // Nothing in the larger bins: the rest of the block's own bin, before the arena grows.
    let page = this.#control[CONTROL_FREE_BINS + binOf(pages)]!;
    while (page !== 0 && this.#record(page, PAGES) < pages) page = this.#record(page, FREE_BLOCK);
    return page;
  }

  #linkFree(page: number, pages: number, isDirty: number): void {
    const slot = CONTROL_FREE_BINS + binOf(pages);
    const head = this.#control[slot]!;
    this.#setRecord(page, KIND, KIND_FREE);
    this.#setRecord(page, PAGES, pages);
    this.#setRecord(page, FREE_BLOCK, head);
    this.#setRecord(page, LIVE, 0);
    this.#setRecord(page, BUMP, isDirty);
    if (head !== 0) this.#setRecord(head, LIVE, page);
    this.#control[slot] = page;
    if (pages > 1) {
      this.#setRecord(page + pages - 1, KIND, KIND_FREE_TAIL);
      this.#setRecord(page + pages - 1, PAGES, pages - 1);
    }
  }

  #unlinkFree(page: number): void {
    const next = this.#record(page, FREE_BLOCK);
    const previous = this.#record(page, LIVE);
    if (previous === 0) this.#control[CONTROL_FREE_BINS + binOf(this.#record(page, PAGES))] = next;
    else this.#setRecord(previous, FREE_BLOCK, next);
    if (next !== 0) this.#setRecord(next, LIVE, previous);
  }

  #openSegment(segment: number): void {
    const first = (segment << PAGE_INDEX_SHIFT) | 0;
    this.#setRecord(first, KIND, KIND_LARGE);
    this.#setRecord(first, PAGES, PAGE_TABLE_PAGES);
    this.#setRecord(first + PAGE_TABLE_PAGES - 1, KIND, KIND_LARGE_TAIL);
    this.#setRecord(first + PAGE_TABLE_PAGES - 1, PAGES, PAGE_TABLE_PAGES - 1);
    this.#linkFree(first + PAGE_TABLE_PAGES, PAGES_PER_SEGMENT - PAGE_TABLE_PAGES, 0);
  }

  #record(page: number, field: number): number {
    return this.arena.words[page >>> PAGE_INDEX_SHIFT]![((page & PAGE_INDEX_MASK) << 3) + field]!;
  }

  #setRecord(page: number, field: number, value: number): void {
    this.arena.words[page >>> PAGE_INDEX_SHIFT]![((page & PAGE_INDEX_MASK) << 3) + field] = value;
  }

  // Giving memory back --------------------------------------------------------------------------------------

  /**
   * Gives pages of free spans back to the operating system until at most `keepBytes` of them are backed, at
   * most `bytesMax` in one call. Returns the bytes released.
   */
  release(releasePages: ReleasePages, keepBytes: number, bytesMax: number): number {
    let released = 0;
    for (let bin = BIN_COUNT - 1; bin >= 0 && released < bytesMax; bin--) {
      for (const page of this.#backedSpans(bin)) {
        if (released >= bytesMax || this.freeDirtyBytes <= keepBytes) break;
        released += this.#releaseFreeSpan(page, bytesMax - released, releasePages);
      }
    }
    this.#counters[COUNTER_RELEASED_BYTES] = this.#counters[COUNTER_RELEASED_BYTES]! + released;
    return released;
  }

  /** The free spans of a bin that the operating system backs. */
  #backedSpans(bin: number): number[] {
    const pages: number[] = [];
    for (
      let page = this.#control[CONTROL_FREE_BINS + bin]!;
      page !== 0;
      page = this.#record(page, FREE_BLOCK)
    ) {
      if (this.#record(page, BUMP) !== 0) pages.push(page);
    }
    return pages;
  }

  #releaseFreeSpan(page: number, bytesMax: number, releasePages: ReleasePages): number {
    const length = this.#record(page, PAGES);
    const pages = Math.min(length, Math.max(1, Math.floor(bytesMax / PAGE_BYTES)));
    this.#unlinkFree(page);
    // The tail of a span goes first.
    const first = page + length - pages;
    if (pages < length) this.#linkFree(page, length - pages, 1);
    this.#linkClean(first, pages);
    const offset = (first & PAGE_INDEX_MASK) * PAGE_BYTES;
    releasePages(this.arena.bytes[page >>> PAGE_INDEX_SHIFT]!, offset, pages * PAGE_BYTES);
    this.#addFreeDirty(-pages);
    return pages * PAGE_BYTES;
  }

  /** Makes released pages a free span, merged with neighbours that are released too. */
  #linkClean(page: number, pages: number): void {
    let first = page;
    let length = pages;
    const before = this.#freeSpanBefore(page);
    if (before !== 0 && this.#record(before, BUMP) === 0) {
      first = before;
      length += this.#record(before, PAGES);
      this.#unlinkFree(before);
    }
    const after = this.#freeSpanAfter(page, pages);
    if (after !== 0 && this.#record(after, BUMP) === 0) {
      length += this.#record(after, PAGES);
      this.#unlinkFree(after);
    }
    this.#linkFree(first, length, 0);
  }

  /** Figures of the size classes in use, for MEMORY MALLOC-STATS. */
  classFigures(): ClassFigures[] {
    const figures: ClassFigures[] = [];
    for (let sizeClass = 0; sizeClass < CLASS_COUNT; sizeClass++) {
      const spanCount = this.#control[CONTROL_CLASS_SPANS + sizeClass]!;
      if (spanCount === 0) continue;
      const liveBlocks = this.#control[CONTROL_CLASS_LIVE + sizeClass]!;
      figures.push({
        blockBytes: CLASS_BYTES[sizeClass]!,
        liveBlocks,
        spanCount,
        spanBytes: spanCount * spanBytes(sizeClass),
      });
    }
    return figures;
  }

  // Compaction ----------------------------------------------------------------------------------------------

  /**
   * Marks the sparsest spans for evacuation, as many as the free blocks of the others can take. Returns how
   * many bytes of spans that would free; nothing is marked while it is less than `bytesMin`.
   */
  beginCompaction(bytesMin: number): number {
    let gain = 0;
    for (let sizeClass = 0; sizeClass < CLASS_COUNT; sizeClass++)
      gain += this.#wastedSpans(sizeClass) * spanBytes(sizeClass);
    if (gain < bytesMin) return 0;

    gain = 0;
    for (let sizeClass = 0; sizeClass < CLASS_COUNT; sizeClass++) {
      if (this.#wastedSpans(sizeClass) > 0) gain += this.#evacuateSparsest(sizeClass) * spanBytes(sizeClass);
    }
    return gain;
  }

  /** True for a block in a span that is being emptied: allocate a copy, free this one. */
  shouldMove(ref: Ref): boolean {
    const words = this.arena.words[ref >>> SEGMENT_SHIFT]!;
    let record = ((ref & OFFSET_MASK) >>> PAGE_SHIFT) << 3;
    if (words[record + KIND] === KIND_SMALL_INNER) record -= words[record + PAGES]! << 3;
    return words[record + KIND] === KIND_SMALL_EVACUATED;
  }

  /** Ends an evacuation: spans that could not be emptied serve again. */
  endCompaction(): void {
    this.#forEachSpan((page, kind) => {
      if (kind !== KIND_SMALL_EVACUATED) return;
      this.#setRecord(page, KIND, KIND_SMALL);
      this.#linkPartial(page, this.#record(page, CLASS));
    });
  }

  /** How many spans of a class its free blocks add up to. */
  #wastedSpans(sizeClass: number): number {
    const spans = this.#control[CONTROL_CLASS_SPANS + sizeClass]!;
    const live = this.#control[CONTROL_CLASS_LIVE + sizeClass]!;
    return spans - Math.ceil(live / CLASS_CAPACITY[sizeClass]!);
  }

  #evacuateSparsest(sizeClass: number): number {
    const pages: number[] = [];
    for (
      let page = this.#control[CONTROL_PARTIAL_SPANS + sizeClass]!;
      page !== 0;
      page = this.#record(page, NEXT)
    ) {
      pages.push(page);
    }
    pages.sort((a, b) => this.#record(a, LIVE) - this.#record(b, LIVE));

    const capacity = CLASS_CAPACITY[sizeClass]!;
    let room = 0;
    for (const page of pages) room += capacity - this.#record(page, LIVE);
    let evacuated = 0;
    let moved = 0;
    for (const page of pages) {
      const live = this.#record(page, LIVE);
      room -= capacity - live;
      moved += live;
      if (moved > room) break;
      evacuated++;
      if (live === 0) {
        this.#releaseSmallSpan(page, sizeClass);
        continue;
      }
      this.#unlinkPartial(page, sizeClass);
      this.#setRecord(page, KIND, KIND_SMALL_EVACUATED);
    }
    return evacuated;
  }

  #forEachSpan(visit: (page: number, kind: number, pages: number) => void): void {
    for (let segment = 0; segment < this.arena.segmentCount; segment++) {
      for (let index = 0; index < PAGES_PER_SEGMENT;) {
        const page = (segment << PAGE_INDEX_SHIFT) | index;
        const kind = this.#record(page, KIND);
        const pages = this.#record(page, PAGES);
        assert(pages > 0 && kind !== KIND_UNUSED, `page ${page} is not the first of a span`);
        index += pages;
        visit(page, kind, pages);
      }
    }
  }

  /** Walks every span; throws when an invariant of the file head does not hold. */
  checkInvariants(): void {
    let used = 0;
    let inSpans = 0;
    let freeDirty = 0;
    let freeSpans = 0;
    let previousWasFree = -1;
    const liveOfClass = new Int32Array(CLASS_COUNT);
    const spansOfClass = new Int32Array(CLASS_COUNT);
    const spansWithRoom = new Map<number, number>();
    this.#forEachSpan((page, kind, pages) => {
      const startsSegment = (page & PAGE_INDEX_MASK) === 0;
      if (kind === KIND_FREE) {
        const isDirty = this.#record(page, BUMP);
        assert(previousWasFree !== isDirty, `two free spans touch, backed: ${isDirty}`);
        freeSpans++;
        previousWasFree = isDirty;
        freeDirty += isDirty * pages * PAGE_BYTES;
        return;
      }
      previousWasFree = -1;
      if (kind === KIND_LARGE) {
        if (startsSegment) return;
        used += pages * PAGE_BYTES;
        inSpans += pages * PAGE_BYTES;
        return;
      }
      assert(kind === KIND_SMALL || kind === KIND_SMALL_EVACUATED, `span of kind ${kind}`);
      const sizeClass = this.#record(page, CLASS);
      const live = this.#record(page, LIVE);
      liveOfClass[sizeClass] = liveOfClass[sizeClass]! + live;
      spansOfClass[sizeClass] = spansOfClass[sizeClass]! + 1;
      assert(
        live <= CLASS_CAPACITY[sizeClass]! && live + this.#freeBlockCount(page) === this.#record(page, BUMP),
      );
      used += live * CLASS_BYTES[sizeClass]!;
      inSpans += pages * PAGE_BYTES;
      if (kind === KIND_SMALL && live < CLASS_CAPACITY[sizeClass]!) {
        spansWithRoom.set(sizeClass, (spansWithRoom.get(sizeClass) ?? 0) + 1);
      }
    });
    assert.equal(used, this.usedBytes, 'bytes in live blocks');
    assert.equal(inSpans, this.spanBytes, 'bytes in spans');
    assert.equal(freeDirty, this.freeDirtyBytes, 'bytes in backed free spans');
    for (let sizeClass = 0; sizeClass < CLASS_COUNT; sizeClass++) {
      let listed = 0;
      for (
        let page = this.#control[CONTROL_PARTIAL_SPANS + sizeClass]!;
        page !== 0;
        page = this.#record(page, NEXT)
      )
        listed++;
      assert.equal(
        listed,
        spansWithRoom.get(sizeClass) ?? 0,
        `spans with room of class ${CLASS_BYTES[sizeClass]}`,
      );
      assert.equal(
        liveOfClass[sizeClass],
        this.#control[CONTROL_CLASS_LIVE + sizeClass]!,
        'live blocks of a class',
      );
      assert.equal(
        spansOfClass[sizeClass],
        this.#control[CONTROL_CLASS_SPANS + sizeClass]!,
        'spans of a class',
      );
    }
    let binned = 0;
    for (let bin = 0; bin < BIN_COUNT; bin++) {
      for (
        let page = this.#control[CONTROL_FREE_BINS + bin]!;
        page !== 0;
        page = this.#record(page, FREE_BLOCK)
      ) {
        assert(
          this.#record(page, KIND) === KIND_FREE && binOf(this.#record(page, PAGES)) === bin,
          'a free span in its bin',
        );
        binned++;
      }
    }
    assert.equal(binned, freeSpans, 'free spans in bins');
  }

  #freeBlockCount(page: number): number {
    let count = 0;
    for (let ref = this.#record(page, FREE_BLOCK); ref !== 0; count++) {
      ref = this.arena.words[ref >>> SEGMENT_SHIFT]![(ref & OFFSET_MASK) << 1]!;
    }
    return count;
  }
}

function spanBytes(sizeClass: number): number {
  return CLASS_PAGES[sizeClass]! * PAGE_BYTES;
}

function binOf(pages: number): number {
  return pages < EXACT_BINS ? pages : EXACT_BINS + (25 - Math.clz32(pages));
}
