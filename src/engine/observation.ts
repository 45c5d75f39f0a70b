/**
 * What is kept and shown of commands as they run, for who operates the server: SLOWLOG, LATENCY and MONITOR.
 * The engine tells it of commands that were slow; everything here runs under the store's lock.
 */
import { FLAG_SKIP_SLOWLOG } from '../commands/runtime-command.ts';
import type { RuntimeCommand } from '../commands/runtime-command.ts';
import { shownArguments } from '../commands/secrets.ts';
import type { LatencyService } from '../commands/services.ts';
import type { Session } from '../commands/session.ts';
import type { Request } from '../protocol/request.ts';
import { LatencyHistograms } from './latency-histogram.ts';
import { LatencyMonitor } from './latency-monitor.ts';
import { Monitors } from './monitors.ts';
import type { MonitorsParts } from './monitors.ts';
import { SlowLog } from './slow-log.ts';

export interface ObservationParts extends MonitorsParts {
  readonly commandCount: number;
}

/** What was timed of a command: of one that waits, what it did before it waited, or when it was served. */
export type TimedPart = 'whole' | 'first part' | 'last part';

export interface SlowCommand {
  readonly session: Session;
  readonly command: RuntimeCommand;
  readonly request: Request;
  readonly micros: number;
  readonly part: TimedPart;
}

export class Observation {
  readonly histograms: LatencyHistograms;
  readonly slowLog: SlowLog;
  readonly monitors: Monitors;
  readonly #parts: ObservationParts;
  readonly #events: LatencyMonitor;
  #eventMicros = Infinity;
  #logMicros = Infinity;

  constructor(parts: ObservationParts) {
    this.#parts = parts;
    this.histograms = new LatencyHistograms(parts.allocator, parts.commandCount);
    this.#events = new LatencyMonitor(parts.allocator);
    this.slowLog = new SlowLog(parts.allocator);
    this.monitors = new Monitors(parts);
  }

  /** LATENCY, as commands see it. */
  get latency(): LatencyService {
    return {
      event: (name) => this.#events.get(name),
      events: () => this.#events.events(),
      reset: (name) => this.#events.reset(name),
      callsOf: (id) => this.histograms.callsOf(id),
      stepsOf: (id) => this.histograms.steps(id),
    };
  }

  /** Where the time of each command is put, undefined while `latency-tracking` is off. */
  get times(): LatencyHistograms | undefined {
    return this.#parts.config.values['latency-tracking'] ? this.histograms : undefined;
  }

  /** Takes over settings. Returns how long a command must take for `noteSlow`, µs. */
  applyConfig(): number {
    const { values } = this.#parts.config;
    const slowerThan = Number(values['slowlog-log-slower-than']);
    this.#logMicros = slowerThan < 0 ? Infinity : slowerThan;
    if (slowerThan >= 0) this.slowLog.trim(Number(values['slowlog-max-len']));
    const threshold = Number(values['latency-monitor-threshold']);
    this.#eventMicros = threshold === 0 ? Infinity : threshold * 1000;
    return Math.min(this.#logMicros, this.#eventMicros);
  }

  /** A command has run, and taken that long. */
  noteSlow({ session, command, request, micros, part }: SlowCommand): void {
    const { clients, clock, config } = this.#parts;
    const seconds = Math.floor(clock.wallMillis() / 1000);
    if (micros >= this.#eventMicros) {
      const own = command.row.flags.includes('fast') ? 'fast-command' : 'command';
      const name = part === 'last part' ? 'command-unblocking' : own;
      this.#events.add(name, Math.floor(micros / 1000), seconds);
    }
    if (part === 'first part') return;
    if (micros < this.#logMicros || (command.flags & FLAG_SKIP_SLOWLOG) !== 0) return;
    this.slowLog.add({
      seconds,
      micros,
      args: shownArguments(command, request),
      address: clients.address(session.record),
      name: clients.name(session.record),
    });
    this.slowLog.trim(Number(config.values['slowlog-max-len']));
  }
}
