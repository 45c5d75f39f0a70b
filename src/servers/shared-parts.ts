/**
 * What every thread has of the server, the supervisor too: the shared memory, the lock, mail, the
 * configuration.
 */
import { writeSync } from 'node:fs';
import { Config } from '../config/config.ts';
import { LatencyTimer } from '../engine/latency-timer.ts';
import { Mailboxes } from '../engine/mailboxes.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { ArenaHandle } from '../memory/arena.ts';
import { CONTROL_MUTEX } from '../memory/control-block.ts';
import { Mutex } from '../memory/mutex.ts';
import { PersistenceState } from '../persistence/persistence-state.ts';
import { systemClock, type Clock } from '../util/clock.ts';
import type { EventTimer } from '../util/event-timer.ts';
import type { Log } from '../util/log.ts';
import { openLog } from './open-log.ts';
import type { SupervisorName } from './supervision.ts';

/** Thread numbers: what the lock's owner is called, and the index of a thread's mailbox. */
export const SUPERVISOR_THREAD = 1;
export const SERVING_THREAD = 2;
export const PERSISTENCE_THREAD = 3;
/** Only where there is, or was, a TLS port. */
export const TLS_THREAD = 4;
/** Only where there is a status page. */
export const STATUS_THREAD = 5;
/** Those of threaded mode that serve clients have this number and the next ones. */
export const FIRST_CLIENT_THREAD = 6;

/** What a thread is started with: plain data. */
export interface ThreadSettings {
  readonly arena: ArenaHandle;
  /** Config.serialize() of the supervisor. */
  readonly config: string;
  readonly threadNumber: number;
  /** Facts that INFO shows and that all threads agree on. */
  readonly process: ProcessFacts;
}

export interface ProcessFacts {
  readonly version: string;
  readonly runId: string;
  readonly startMillis: number;
  readonly executable: string;
  readonly supervisor: SupervisorName;
}

export interface SharedParts {
  readonly threadNumber: number;
  readonly allocator: Allocator;
  readonly mutex: Mutex;
  readonly mailboxes: Mailboxes;
  readonly persistenceState: PersistenceState;
  readonly config: Config;
  readonly log: Log;
  readonly clock: Clock;
  readonly timer: EventTimer;
  readonly process: ProcessFacts;
  /** Wakes another thread to read its mail. */
  wake(thread: number): void;
}

/** Attaches to the shared memory. The first thread to come creates what is in it. */
export function attachShared(
  settings: ThreadSettings,
  arena: Arena = Arena.attach(settings.arena),
): SharedParts {
  const allocator = new Allocator(arena);
  const config = new Config();
  config.load(settings.config);
  const mutex = new Mutex(arena.control, CONTROL_MUTEX, settings.threadNumber);
  const { mailboxes, persistenceState } = mutex.hold(() => ({
    mailboxes: new Mailboxes(allocator),
    persistenceState: new PersistenceState(allocator),
  }));
  const clock = systemClock;
  return {
    threadNumber: settings.threadNumber,
    allocator,
    mutex,
    mailboxes,
    persistenceState,
    config,
    log: openLog(config),
    clock,
    timer: new LatencyTimer({ allocator, mutex, config, clock }),
    process: settings.process,
    wake: (thread) => mailboxes.wake(thread, mutex, signal),
  };
}

/** The number 1, as an event descriptor takes it. */
const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

function signal(eventDescriptor: number): void {
  writeSync(eventDescriptor, ONE);
}
