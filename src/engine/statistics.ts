/**
 * What the server counts about itself, for INFO: one block in the arena, seen by all threads.
 *
 *     doubles  0 –  31   named counters (COUNTERS)
 *     doubles 32 –  35   time of the last sample, index of the next one, generation of the error table,
 *                        number of commands
 *     doubles 36 –  86   3 metrics: reading at the last sample, then 16 rates
 *     doubles 87 – 726   128 error codes: count, then 32 bytes of name (zero-filled; count 0 = free slot)
 *     doubles 727 …      per command: calls, microseconds, rejected calls, failed calls
 *
 * Everything happens under the store's lock, so plain additions do; the methods that run once per command or
 * per wake-up neither allocate nor look anything up. Counts are doubles: exact up to 2^53.
 */
import { strict as assert } from 'node:assert';
import type { Allocator } from '../memory/allocator.ts';
import { SEGMENT_SHIFT } from '../memory/arena.ts';
import { CONTROL_MUTEX, CONTROL_ROOT_STATISTICS } from '../memory/control-block.ts';
import { lockStatistics } from '../memory/mutex.ts';
import type { LockStatistics } from '../memory/lock-statistics.ts';
import { byteOffset } from '../memory/struct.ts';

/** Counters by name, and where they are. */
const COUNTERS = {
  evictionExceededMicros: 0,
  connectionsReceived: 1,
  connectionsRejected: 2,
  commandsProcessed: 3,
  netInputBytes: 4,
  netOutputBytes: 5,
  totalReads: 6,
  totalWrites: 7,
  clientQueryLimitDisconnections: 8,
  clientOutputLimitDisconnections: 9,
  evictedClients: 10,
  totalErrorReplies: 11,
  unexpectedErrorReplies: 12,
  dumpPayloadSanitizations: 13,
  peakClients: 14,
  longestBatchMicros: 15,
  longestCommandMicros: 16,
  cronRuns: 17,
  evictionExceededSince: 31,
} as const;
export type Counter = keyof typeof COUNTERS;

const COUNTER_DOUBLES = 32;
const LAST_SAMPLE_MILLIS = COUNTER_DOUBLES;
const SAMPLE_INDEX = COUNTER_DOUBLES + 1;
const ERROR_GENERATION = COUNTER_DOUBLES + 2;
const COMMAND_COUNT = COUNTER_DOUBLES + 3;

/** What the rates are taken of. */
const METRICS = ['commandsProcessed', 'netInputBytes', 'netOutputBytes'] as const;
export type Metric = (typeof METRICS)[number];
const METRICS_AT = COUNTER_DOUBLES + 4;
const SAMPLES = 16;
const SAMPLE_MILLIS_MIN = 50;
const METRIC_DOUBLES = 1 + SAMPLES;

/** More codes than that are counted only in the total. */
export const ERROR_CODES_MAX = 128;
const ERROR_NAME_BYTES = 32;
const ERROR_DOUBLES = 1 + ERROR_NAME_BYTES / 8;
const ERRORS_AT = METRICS_AT + METRICS.length * METRIC_DOUBLES;

const COMMANDS_AT = ERRORS_AT + ERROR_CODES_MAX * ERROR_DOUBLES;
const COMMAND_DOUBLES = 4;
const CALLS = 0;
const MICROS = 1;
const REJECTED = 2;
const FAILED = 3;

/** What is known of one command. */
export interface CommandFigures {
  readonly id: number;
  readonly calls: number;
  readonly micros: number;
  readonly rejectedCalls: number;
  readonly failedCalls: number;
}

export class Statistics {
  /** Those of the store's lock, which they are kept with. */
  readonly lock: LockStatistics;
  readonly #values: Float64Array;
  readonly #bytes: Uint8Array;
  readonly #commandCount: number;
  /** Where this thread has found the slots of error codes, as of that generation of the table. */
  readonly #errorSlots = new Map<string, number>();
  #errorGeneration = 0;

  /** The statistics in this arena; the first thread to come creates them, under the store's lock. */
  constructor(allocator: Allocator, commandCount: number) {
    const { arena } = allocator;
    const doubles = COMMANDS_AT + commandCount * COMMAND_DOUBLES;
    this.lock = lockStatistics(arena.control, CONTROL_MUTEX);
    const isFirst = arena.control[CONTROL_ROOT_STATISTICS] === 0;
    if (isFirst) arena.control[CONTROL_ROOT_STATISTICS] = allocator.allocate(doubles * 8);
    const ref = arena.control[CONTROL_ROOT_STATISTICS]!;

    // The block never moves, so that this view of it stays good.
    const { buffer } = arena.doubles[ref >>> SEGMENT_SHIFT]!;
    this.#values = new Float64Array(buffer, byteOffset(ref), doubles);
    this.#bytes = new Uint8Array(buffer, byteOffset(ref), doubles * 8);
    this.#commandCount = commandCount;
    if (isFirst) {
      this.#values.fill(0);
      this.#values[COMMAND_COUNT] = commandCount;
    }
    assert.equal(this.#values[COMMAND_COUNT], commandCount, 'all threads know the same commands');
  }

  // Commands ------------------------------------------------------------------------------------------------

  /** A command has run `count` times, and that long in all. */
  commandsRun(id: number, count: number, micros: number): void {
    const values = this.#values;
    const at = COMMANDS_AT + id * COMMAND_DOUBLES;
    values[at + CALLS] = values[at + CALLS]! + count;
    values[at + MICROS] = values[at + MICROS]! + micros;
    values[COUNTERS.commandsProcessed] = values[COUNTERS.commandsProcessed]! + count;
    if (count === 1 && micros > values[COUNTERS.longestCommandMicros]!)
      values[COUNTERS.longestCommandMicros] = micros;
  }

  /** The gate has refused a command. */
  commandRejected(id: number): void {
    this.#increment(COMMANDS_AT + id * COMMAND_DOUBLES + REJECTED);
  }

  /** A command has run and replied an error; `commandsRun` counts its call. */
  commandFailed(id: number): void {
    this.#increment(COMMANDS_AT + id * COMMAND_DOUBLES + FAILED);
  }

  /** Visits the commands that were called or refused at least once, by id. */
  forEachCommand(visit: (figures: CommandFigures) => void): void {
    for (let id = 0; id < this.#commandCount; id++) {
      const at = COMMANDS_AT + id * COMMAND_DOUBLES;
      const figures = {
        id,
        calls: this.#values[at + CALLS]!,
        micros: this.#values[at + MICROS]!,
        rejectedCalls: this.#values[at + REJECTED]!,
        failedCalls: this.#values[at + FAILED]!,
      };
      if (figures.calls + figures.rejectedCalls + figures.failedCalls > 0) visit(figures);
    }
  }

  // Errors --------------------------------------------------------------------------------------------------

  /** An error reply was sent. @param code its first word, `ERR` or `WRONGTYPE` */
  errorReplied(code: string): void {
    this.#increment(COUNTERS.totalErrorReplies);
    const slot = this.#errorSlot(code);
    if (slot >= 0) this.#increment(ERRORS_AT + slot * ERROR_DOUBLES);
  }

  /** Visits the codes that were replied at least once, in alphabetical order. */
  forEachError(visit: (code: string, count: number) => void): void {
    const rows: [code: string, count: number][] = [];
    for (let slot = 0; slot < ERROR_CODES_MAX; slot++) {
      const count = this.#values[ERRORS_AT + slot * ERROR_DOUBLES]!;
      if (count > 0) rows.push([this.#errorName(slot), count]);
    }
    rows.sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [code, count] of rows) visit(code, count);
  }

  /** The code's slot, its own from now on, or -1 when all are taken by others. */
  #errorSlot(code: string): number {
    if (this.#errorGeneration !== this.#values[ERROR_GENERATION]!) {
      this.#errorGeneration = this.#values[ERROR_GENERATION]!;
      this.#errorSlots.clear();
    }
    const known = this.#errorSlots.get(code);
    if (known !== undefined) return known;

    const name = code.slice(0, ERROR_NAME_BYTES);
    for (let slot = 0; slot < ERROR_CODES_MAX; slot++) {
      const isFree = this.#values[ERRORS_AT + slot * ERROR_DOUBLES] === 0;
      if (!isFree && this.#errorName(slot) !== name) continue;
      if (isFree) {
        const bytes = this.#errorBytes(slot).fill(0);
        bytes.set(Buffer.from(name, 'latin1'));
      }
      this.#errorSlots.set(code, slot);
      return slot;
    }
    return -1;
  }

  #errorName(slot: number): string {
    return Buffer.from(this.#errorBytes(slot)).toString('latin1').replace(/\0+$/, '');
  }

  #errorBytes(slot: number): Uint8Array {
    const start = (ERRORS_AT + slot * ERROR_DOUBLES + 1) * 8;
    return this.#bytes.subarray(start, start + ERROR_NAME_BYTES);
  }

  // Named counters ------------------------------------------------------------------------------------------

  /** One read from a socket: hot, hence not by name. */
  received(byteCount: number): void {
    const values = this.#values;
    values[COUNTERS.totalReads] = values[COUNTERS.totalReads]! + 1;
    values[COUNTERS.netInputBytes] = values[COUNTERS.netInputBytes]! + byteCount;
  }

  /** One write to a socket. */
  sent(byteCount: number): void {
    const values = this.#values;
    values[COUNTERS.totalWrites] = values[COUNTERS.totalWrites]! + 1;
    values[COUNTERS.netOutputBytes] = values[COUNTERS.netOutputBytes]! + byteCount;
  }

  /** A batch of commands has run for that long. */
  batchRun(micros: number): void {
    if (micros > this.#values[COUNTERS.longestBatchMicros]!)
      this.#values[COUNTERS.longestBatchMicros] = micros;
  }

  get(name: Counter): number {
    return this.#values[COUNTERS[name]]!;
  }

  add(name: Counter, by: number): void {
    this.#values[COUNTERS[name]] = this.#values[COUNTERS[name]]! + by;
  }

  set(name: Counter, value: number): void {
    this.#values[COUNTERS[name]] = value;
  }

  /** Sets a counter that remembers a maximum. */
  raise(name: Counter, value: number): void {
    if (value > this.#values[COUNTERS[name]]!) this.#values[COUNTERS[name]] = value;
  }

  #increment(at: number): void {
    this.#values[at] = this.#values[at]! + 1;
  }

  // Rates ---------------------------------------------------------------------------------------------------

  /**
   * Takes a sample of each metric (Redis 7.0 server.c, trackInstantaneousMetric). Call it every 100 ms, from
   * any number of threads: one that comes right after another is ignored.
   */
  sample(nowMillis: number): void {
    const values = this.#values;
    const elapsed = nowMillis - values[LAST_SAMPLE_MILLIS]!;
    if (elapsed >= 0 && elapsed < SAMPLE_MILLIS_MIN) return;
    const index = values[SAMPLE_INDEX]!;
    for (let metric = 0; metric < METRICS.length; metric++) {
      const at = METRICS_AT + metric * METRIC_DOUBLES;
      const reading = values[COUNTERS[METRICS[metric]!]]!;
      values[at + 1 + index] = elapsed > 0 ? Math.trunc(((reading - values[at]!) * 1000) / elapsed) : 0;
      values[at] = reading;
    }
    values[LAST_SAMPLE_MILLIS] = nowMillis;
    values[SAMPLE_INDEX] = (index + 1) % SAMPLES;
  }

  /** Per second, the mean of the last 16 samples. */
  rate(metric: Metric): number {
    const at = METRICS_AT + METRICS.indexOf(metric) * METRIC_DOUBLES;
    let sum = 0;
    for (let i = 1; i <= SAMPLES; i++) sum += this.#values[at + i]!;
    return sum / SAMPLES;
  }

  /** CONFIG RESETSTAT: forgets everything. */
  reset(nowMillis: number): void {
    const generation = this.#values[ERROR_GENERATION]!;
    this.lock.reset();
    this.#values.fill(0);
    this.#values[LAST_SAMPLE_MILLIS] = nowMillis;
    this.#values[ERROR_GENERATION] = generation + 1;
    this.#values[COMMAND_COUNT] = this.#commandCount;
  }
}
