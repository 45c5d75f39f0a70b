/**
 * The arena: all data of a server, in segments of 1 GiB `SharedArrayBuffer`, seen by every thread.
 *
 *     reference (u32, 8-byte units, kept as int32)         32 GiB addressable
 *     ┌── segment: 5 bits ──┬────── offset in the segment: 27 bits ──────┐
 *
 * - 0 is "no reference": the first pages of segment 0 hold the page table.
 * - A segment's byte offsets fit in int32, which V8 indexes fastest. The operating system commits a page when
 *   it is first touched, so an empty segment costs nothing.
 * - Threads attach by receiving the buffers. A thread that adds a segment broadcasts it while it holds the
 *   store's lock and raises the count in the control block; another thread picks it up in `refresh()`, right
 *   after it has taken the lock, so it never meets a reference into a segment that it does not have. (Who
 *   reads without the lock may: `guessWord`.)
 *
 * References at or above 2^31 are negative as int32; `>>>` and `&` make that invisible.
 */
import { strict as assert } from 'node:assert';
import { BroadcastChannel, receiveMessageOnPort } from 'node:worker_threads';
import { CONTROL_BYTES, CONTROL_SEGMENT_COUNT } from './control-block.ts';
import { SEGMENT_BYTES, bufferOf, moverOf, newSegment } from './segment.ts';
import type { MoveBytes, Segment } from './segment.ts';

export { SEGMENT_BYTES };

/** A reference to a block in the arena; 0 is none. */
export type Ref = number;

export const SEGMENTS_MAX = 32;
/** `ref >>> SEGMENT_SHIFT` is the segment, `ref & OFFSET_MASK` the offset in it, in 8-byte units. */
export const SEGMENT_SHIFT = 27;
export const OFFSET_MASK = 2 ** SEGMENT_SHIFT - 1;

/** What a thread needs to attach: plain data that `postMessage` can carry. */
export interface ArenaHandle {
  readonly control: SharedArrayBuffer;
  readonly segments: readonly Segment[];
  readonly channelName: string;
}

/** What the thread that added a segment tells the others. */
interface Announcement {
  readonly index: number;
  readonly segment: Segment;
}

let channelSerial = 0;

export class Arena {
  /**
   * Views by segment: 32-bit words, bytes, doubles. Index them with the helpers' formulas only in memory/ and
   * structures/.
   */
  readonly words: Int32Array[] = [];
  readonly bytes: Uint8Array[] = [];
  readonly doubles: Float64Array[] = [];
  /** By segment too: moves bytes within it. */
  readonly moves: MoveBytes[] = [];
  /** The control block: fixed words that every thread knows the place of (control-block.ts). */
  readonly control: Int32Array;
  readonly counters: Float64Array;

  readonly #controlBuffer: SharedArrayBuffer;
  readonly #segments: Segment[] = [];
  readonly channelName: string;
  readonly #channel: BroadcastChannel;

  private constructor(handle: ArenaHandle, subscription: BroadcastChannel) {
    this.#controlBuffer = handle.control;
    this.control = new Int32Array(handle.control);
    this.counters = new Float64Array(handle.control);
    this.channelName = handle.channelName;
    this.#channel = subscription;
    // A turn of the event loop takes announcements off the channel as well; `refresh` would not see them any
    // more.
    this.#channel.onmessage = (event) => this.#accept((event as { data: Announcement }).data);
    this.#channel.unref();
    for (const segment of handle.segments) this.#attach(segment);
  }

  /** A new, empty arena with its first segment. */
  static create(): Arena {
    const channelName = `redis-clone-ts:arena:${process.pid}:${++channelSerial}:${Date.now()}`;
    const control = new SharedArrayBuffer(CONTROL_BYTES);
    const arena = new Arena({ control, segments: [], channelName }, Arena.subscribe(channelName));
    arena.addSegment();
    return arena;
  }

  /**
   * Begins to listen for new segments. A thread that attaches while others are at work does this first and
   * asks for the handle then: a segment that is added in between is in one of the two.
   */
  static subscribe(channelName: string): BroadcastChannel {
    return new BroadcastChannel(channelName);
  }

  /** The same arena, seen from another thread. */
  static attach(handle: ArenaHandle, subscription = Arena.subscribe(handle.channelName)): Arena {
    return new Arena(handle, subscription);
  }

  /** What another thread attaches with. */
  handle(): ArenaHandle {
    this.refresh();
    return { control: this.#controlBuffer, segments: [...this.#segments], channelName: this.channelName };
  }

  get segmentCount(): number {
    return this.words.length;
  }

  /**
   * Adds a segment and returns its index, or -1 when the arena or the address space is full. Called under the
   * store's lock.
   */
  addSegment(): number {
    this.refresh();
    if (this.words.length === SEGMENTS_MAX) return -1;
    const segment = newSegment();
    if (segment === undefined) return -1;
    this.#attach(segment);
    this.#channel.postMessage({ index: this.words.length - 1, segment } satisfies Announcement);
    this.control[CONTROL_SEGMENT_COUNT] = this.words.length;
    return this.words.length - 1;
  }

  /** Picks up segments that other threads have added. Cheap when there are none. */
  refresh(): void {
    const count = this.control[CONTROL_SEGMENT_COUNT]!;
    while (this.words.length < count) {
      const received = receiveMessageOnPort(
        this.#channel as unknown as import('node:worker_threads').MessagePort,
      );
      assert(received !== undefined, 'a segment is announced before the count is raised');
      this.#accept(received.message as Announcement);
    }
  }

  /** Ends the subscription to new segments. */
  close(): void {
    this.#channel.close();
  }

  /** Attaches an announced segment, unless it was in the handle already. */
  #accept({ index, segment }: Announcement): void {
    if (index === this.words.length) this.#attach(segment);
  }

  #attach(segment: Segment): void {
    const buffer = bufferOf(segment);
    this.#segments.push(segment);
    this.words.push(new Int32Array(buffer));
    this.bytes.push(new Uint8Array(buffer));
    this.doubles.push(new Float64Array(buffer));
    this.moves.push(moverOf(segment));
  }
}
