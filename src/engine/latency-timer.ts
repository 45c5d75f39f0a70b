/** Tells the latency monitor of events besides commands (Redis 7.0 latency.h, latencyAddSampleIfNeeded). */
import type { Config } from '../config/config.ts';
import type { Allocator } from '../memory/allocator.ts';
import type { Mutex } from '../memory/mutex.ts';
import type { Clock } from '../util/clock.ts';
import type { EventTimer, TimedEvent } from '../util/event-timer.ts';
import { LatencyMonitor } from './latency-monitor.ts';

export interface LatencyTimerParts {
  readonly allocator: Allocator;
  /** The store's lock. */
  readonly mutex: Mutex;
  readonly config: Config;
  readonly clock: Clock;
}

export class LatencyTimer implements EventTimer {
  readonly #parts: LatencyTimerParts;
  #monitor: LatencyMonitor | undefined;

  constructor(parts: LatencyTimerParts) {
    this.#parts = parts;
  }

  /** `latency-monitor-threshold`, 0 = off. */
  get #thresholdMillis(): number {
    return Number(this.#parts.config.values['latency-monitor-threshold']);
  }

  start(): number {
    return this.#thresholdMillis === 0 ? 0 : this.#parts.clock.monotonicMicros();
  }

  elapsed(started: number): number {
    const threshold = this.#thresholdMillis;
    if (started === 0 || threshold === 0) return 0;
    const micros = this.#parts.clock.monotonicMicros() - started;
    return micros >= threshold * 1000 ? micros : 0;
  }

  record(event: TimedEvent, micros: number): void {
    if (micros === 0) return;
    const { mutex } = this.#parts;
    if (mutex.isMine) this.#add(event, micros);
    else mutex.hold(() => this.#add(event, micros));
  }

  #add(event: TimedEvent, micros: number): void {
    const { allocator, clock } = this.#parts;
    allocator.arena.refresh();
    this.#monitor ??= new LatencyMonitor(allocator);
    this.#monitor.add(event, Math.floor(micros / 1000), Math.floor(clock.wallMillis() / 1000));
  }
}
