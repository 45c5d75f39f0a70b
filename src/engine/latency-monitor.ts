/**
 * The latency monitor: for each kind of event that was slow, when that was and how long it took (Redis 7.0
 * latency.c). Kept in the arena, for all threads; everything under the store's lock.
 *
 *     header   first event
 *     event    next, samples taken, 0, bytes of the name │ name, 40 bytes │ longest, double
 *              │ 160 samples: Unix time in s, ms
 */
import type { LatencyEvent, LatencySample } from '../commands/services.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { CONTROL_ROOT_LATENCY_EVENTS } from '../memory/control-block.ts';
import { sharedBlock } from '../memory/shared-block.ts';
import { byteOffset, bytesOf, clearWords, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';

/** Samples kept of one kind of event (latency.h, LATENCY_TS_LEN). */
export const SAMPLES_MAX = 160;

// The header.
const FIRST = 0;
const HEADER_WORDS = 1;

// An event.
const NEXT = 0;
const TAKEN = 1;
const NAME_LENGTH = 3;
const NAME_WORD = 4;
const NAME_BYTES_MAX = 40;
const LONGEST_DOUBLE = (NAME_WORD * 4 + NAME_BYTES_MAX) / 8;
const SAMPLES_AT = (LONGEST_DOUBLE + 1) * 2;
const SECONDS = 0;
const MILLIS = 1;
const EVENT_WORDS = SAMPLES_AT + SAMPLES_MAX * 2;

export class LatencyMonitor {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #header: Ref;

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#header = sharedBlock(allocator, CONTROL_ROOT_LATENCY_EVENTS, HEADER_WORDS);
  }

  /**
   * An event took that long. Of several in one second the longest is kept. While there is no memory for a
   * new kind of event it is left out.
   * @param name at most 40 bytes of ASCII
   */
  add(name: string, millis: number, nowSeconds: number): void {
    const arena = this.#arena;
    const event = this.#find(name) || this.#create(name);
    if (event === 0) return;
    if (millis > getDouble(arena, event, LONGEST_DOUBLE)) setDouble(arena, event, LONGEST_DOUBLE, millis);

    const taken = getWord(arena, event, TAKEN);
    if (taken > 0) {
      const last = sampleWord(taken - 1);
      if (getWord(arena, event, last + SECONDS) >>> 0 === nowSeconds) {
        if (millis > getWord(arena, event, last + MILLIS) >>> 0) setWord(arena, event, last + MILLIS, millis);
        return;
      }
    }
    const sample = sampleWord(taken);
    setWord(arena, event, sample + SECONDS, nowSeconds);
    setWord(arena, event, sample + MILLIS, millis);
    // Two rounds are as good as one to tell where the next sample goes, and never overflow.
    setWord(arena, event, TAKEN, taken + 1 === 2 * SAMPLES_MAX ? SAMPLES_MAX : taken + 1);
  }

  /** What is known of an event, undefined when it was never slow. */
  get(name: string): LatencyEvent | undefined {
    const event = this.#find(name);
    return event === 0 ? undefined : this.#read(event);
  }

  /** All events, the youngest kind first. */
  events(): LatencyEvent[] {
    const events: LatencyEvent[] = [];
    this.#forEach((event) => events.push(this.#read(event)));
    return events;
  }

  /** Forgets an event, in any case of letters, or all of them. Returns how many there were. */
  reset(name?: string): number {
    const arena = this.#arena;
    const wanted = name?.toLowerCase();
    let owner = this.#header;
    let word = FIRST;
    let removed = 0;
    let event = getWord(arena, owner, word);
    while (event !== 0) {
      const next = getWord(arena, event, NEXT);
      if (wanted === undefined || this.#nameOf(event).toLowerCase() === wanted) {
        setWord(arena, owner, word, next);
        this.#allocator.free(event);
        removed++;
      } else {
        owner = event;
        word = NEXT;
      }
      event = next;
    }
    return removed;
  }

  #forEach(visit: (event: Ref) => void): void {
    let event = getWord(this.#arena, this.#header, FIRST);
    while (event !== 0) {
      visit(event);
      event = getWord(this.#arena, event, NEXT);
    }
  }

  #find(name: string): Ref {
    let found = 0;
    this.#forEach((event) => {
      if (this.#nameOf(event) === name) found = event;
    });
    return found;
  }

  #create(name: string): Ref {
    const arena = this.#arena;
    const event = this.#allocator.tryAllocate(EVENT_WORDS * 4);
    if (event === 0) return 0;
    clearWords(arena, event, EVENT_WORDS);
    const bytes = Buffer.from(name, 'latin1').subarray(0, NAME_BYTES_MAX);
    setWord(arena, event, NAME_LENGTH, bytes.length);
    bytesOf(arena, event).set(bytes, byteOffset(event) + NAME_WORD * 4);
    setWord(arena, event, NEXT, getWord(arena, this.#header, FIRST));
    setWord(arena, this.#header, FIRST, event);
    return event;
  }

  #nameOf(event: Ref): string {
    const start = byteOffset(event) + NAME_WORD * 4;
    const end = start + getWord(this.#arena, event, NAME_LENGTH);
    return Buffer.from(bytesOf(this.#arena, event).slice(start, end)).toString('latin1');
  }

  #read(event: Ref): LatencyEvent {
    const arena = this.#arena;
    const taken = getWord(arena, event, TAKEN);
    const count = Math.min(taken, SAMPLES_MAX);
    const samples: LatencySample[] = [];
    for (let i = taken - count; i < taken; i++) {
      const sample = sampleWord(i);
      samples.push({
        seconds: getWord(arena, event, sample + SECONDS) >>> 0,
        millis: getWord(arena, event, sample + MILLIS) >>> 0,
      });
    }
    return { name: this.#nameOf(event), samples, longestMillis: getDouble(arena, event, LONGEST_DOUBLE) };
  }
}

/** Where the sample with that number is: the ring comes round. */
function sampleWord(number: number): number {
  return SAMPLES_AT + (number % SAMPLES_MAX) * 2;
}
