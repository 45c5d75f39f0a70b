/**
 * What every thread has of the server, the supervisor too: the shared memory, the lock, mail, the
 * configuration.
 */
import { writeSync } from 'node:fs';
import { Config } from '../config/config.ts';
import { Mailboxes } from '../engine/mailboxes.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { ArenaHandle } from '../memory/arena.ts';
import { CONTROL_MUTEX } from '../memory/control-block.ts';
import { Mutex } from '../memory/mutex.ts';
import { PersistenceState } from '../persistence/persistence-state.ts';
import { Log } from '../util/log.ts';

/** Thread numbers: what the lock's owner is called, and the index of a thread's mailbox. */
export const SUPERVISOR_THREAD = 1;
export const SERVING_THREAD = 2;
export const PERSISTENCE_THREAD = 3;
/** Only while there is a TLS port. */
export const TLS_THREAD = 4;
/** Only where there is a status page. */
export const STATUS_THREAD = 5;
/** Those of threaded mode that serve clients have this number and the next ones. */
export const FIRST_CLIENT_THREAD = 6;

/** Threads that run for as long as the server does: the first three, and those for TLS and status page. */
export function fixedThreadCount({ values }: Config): number {
  return 3 + Number(values['tls-port'] !== 0) + Number(values['metrics-port'] !== 0);
}

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
}

export interface SharedParts {
  readonly threadNumber: number;
  readonly allocator: Allocator;
  readonly mutex: Mutex;
  readonly mailboxes: Mailboxes;
  readonly persistenceState: PersistenceState;
  readonly config: Config;
  readonly log: Log;
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
  return {
    threadNumber: settings.threadNumber,
    allocator,
    mutex,
    mailboxes,
    persistenceState,
    config,
    log: new Log({ level: config.values.loglevel, file: config.values.logfile }),
    process: settings.process,
    wake: (thread) => mailboxes.wake(thread, mutex, signal),
  };
}

/** The number 1, as an event descriptor takes it. */
const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

function signal(eventDescriptor: number): void {
  writeSync(eventDescriptor, ONE);
}
