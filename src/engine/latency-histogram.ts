/**
 * How long each command took: a histogram per command, in nanoseconds, with the resolution of Redis'
 * (HdrHistogram, 1 ns to 1 s with two significant digits), so that LATENCY HISTOGRAM and INFO latencystats
 * name the same values.
 *
 *     counter   0 … 127   128 … 255   256 … 383   384 … 511        …
 *     values    0 … 127   128 … 255   256 … 511   512 … 1023       each counter holds a power of two
 *               part 0    part 1      part 2      part 3           128 counters a part, 24 parts
 *
 * A command uses few of the parts: they come when something is counted in them. So a histogram takes about
 * 4 KiB, where the whole would be 24.
 *
 *     table       by command: its histogram, or 0
 *     histogram   total count, double │ the parts, or 0
 *     part        128 counts, doubles
 *
 * All of it is in the arena, under the store's lock.
 */
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { CONTROL_ROOT_LATENCY_HISTOGRAMS } from '../memory/control-block.ts';
import { sharedBlock } from '../memory/shared-block.ts';
import { addDouble, clearWords, getDouble, getWord, setWord } from '../memory/struct.ts';

/** Shorter and longer times count as these (server.h, LATENCY_HISTOGRAM_MIN_VALUE and _MAX_VALUE). */
const NANOS_MIN = 1;
const NANOS_MAX = 1_000_000_000;

const PART_SHIFT = 7;
const PART_COUNTERS = 1 << PART_SHIFT;
const PARTS = 24;
const COUNTERS = PARTS * PART_COUNTERS;

const TOTAL = 0;
const PARTS_AT = 2;
const HISTOGRAM_WORDS = PARTS_AT + PARTS;

/** The first step of LATENCY HISTOGRAM; each next is twice as long (latency.c, fillCommandCDF). */
const FIRST_STEP_NANOS = 1024;

/** A time, and how many calls took at most that long. */
export type LatencyStep = readonly [micros: number, calls: number];

export class LatencyHistograms {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #commandCount: number;
  readonly #table: Ref;

  constructor(allocator: Allocator, commandCount: number) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#commandCount = commandCount;
    this.#table = sharedBlock(allocator, CONTROL_ROOT_LATENCY_HISTOGRAMS, commandCount);
  }

  /** A command has run `count` times, and that long each time. While there is no memory it is not counted. */
  record(commandId: number, count: number, nanos: number): void {
    const arena = this.#arena;
    const index = counterOf(Math.min(Math.max(Math.floor(nanos), NANOS_MIN), NANOS_MAX));
    let histogram = getWord(arena, this.#table, commandId);
    if (histogram === 0) {
      histogram = this.#create(this.#table, commandId, HISTOGRAM_WORDS);
      if (histogram === 0) return;
    }
    const partWord = PARTS_AT + (index >>> PART_SHIFT);
    let part = getWord(arena, histogram, partWord);
    if (part === 0) {
      part = this.#create(histogram, partWord, PART_COUNTERS * 2);
      if (part === 0) return;
    }
    addDouble(arena, part, index & (PART_COUNTERS - 1), count);
    addDouble(arena, histogram, TOTAL, count);
  }

  /** A block of zeroes that a word of another refers to; 0 when there is no memory. */
  #create(owner: Ref, word: number, wordCount: number): Ref {
    const block = this.#allocator.tryAllocate(wordCount * 4);
    if (block === 0) return 0;
    clearWords(this.#arena, block, wordCount);
    setWord(this.#arena, owner, word, block);
    return block;
  }

  /** How many calls are counted. */
  callsOf(commandId: number): number {
    const histogram = getWord(this.#arena, this.#table, commandId);
    return histogram === 0 ? 0 : getDouble(this.#arena, histogram, TOTAL);
  }

  /** The time within which so many per cent of the calls were done, ns. @param percent 0 to 100 */
  percentile(commandId: number, percent: number): number {
    const wanted = Math.max(1, Math.floor((percent / 100) * this.callsOf(commandId) + 0.5));
    let calls = 0;
    let found = 0;
    this.#forEachCounter(commandId, (index, count) => {
      if (calls < wanted) found = index;
      calls += count;
    });
    return percent === 0 ? lowestOf(found) : highestOf(found);
  }

  /**
   * How many calls took at most 1, 2, 4 … microseconds; only steps that add some. A step ends with the
   * counter that holds its power of two (hdr_histogram.c, hdr_iter_log_init), hence the 33 and 66 among the
   * powers.
   */
  steps(commandId: number): LatencyStep[] {
    const steps: LatencyStep[] = [];
    let limit = counterOf(FIRST_STEP_NANOS);
    let calls = 0;
    const end = (): void => {
      if (calls > (steps.at(-1)?.[1] ?? 0)) steps.push([Math.floor(highestOf(limit) / 1000), calls]);
    };
    this.#forEachCounter(commandId, (index, count) => {
      while (index > limit) {
        end();
        limit = Math.min(limit + PART_COUNTERS, COUNTERS - 1);
      }
      calls += count;
    });
    end();
    return steps;
  }

  /** Visits the counters that have counted something, shortest time first. */
  #forEachCounter(commandId: number, visit: (index: number, count: number) => void): void {
    const arena = this.#arena;
    const histogram = getWord(arena, this.#table, commandId);
    if (histogram === 0) return;
    for (let i = 0; i < PARTS; i++) {
      const part = getWord(arena, histogram, PARTS_AT + i);
      if (part === 0) continue;
      for (let j = 0; j < PART_COUNTERS; j++) {
        const count = getDouble(arena, part, j);
        if (count > 0) visit(i * PART_COUNTERS + j, count);
      }
    }
  }

  /** Forgets everything. */
  reset(): void {
    for (let id = 0; id < this.#commandCount; id++) {
      const histogram = getWord(this.#arena, this.#table, id);
      if (histogram === 0) continue;
      for (let i = 0; i < PARTS; i++) {
        const part = getWord(this.#arena, histogram, PARTS_AT + i);
        if (part !== 0) this.#allocator.free(part);
      }
      this.#allocator.free(histogram);
      setWord(this.#arena, this.#table, id, 0);
    }
  }
}

/** By how many bits the values of a counter differ at most. */
function shiftOf(index: number): number {
  return Math.max(0, (index >>> PART_SHIFT) - 1);
}

/** The counter of a time from 0 to 2^30 - 1 ns. */
function counterOf(nanos: number): number {
  const shift = Math.max(0, 31 - Math.clz32(nanos) - PART_SHIFT);
  return (shift << PART_SHIFT) + (nanos >> shift);
}

function lowestOf(index: number): number {
  const shift = shiftOf(index);
  return (index - (shift << PART_SHIFT)) << shift;
}

function highestOf(index: number): number {
  return lowestOf(index) + (1 << shiftOf(index)) - 1;
}
