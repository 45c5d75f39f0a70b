/** What each thread has of the server: its views of the shared memory and its own tools, made from plain data. */
import { writeSync } from 'node:fs';
import { Config } from '../config/config.ts';
import { ClientTable } from '../engine/client-table.ts';
import { Engine } from '../engine/engine.ts';
import { Mailboxes } from '../engine/mailboxes.ts';
import { Statistics } from '../engine/statistics.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { ArenaHandle } from '../memory/arena.ts';
import { CONTROL_MUTEX } from '../memory/control-block.ts';
import { Mutex } from '../memory/mutex.ts';
import { ReplyWriter } from '../protocol/reply-writer.ts';
import { systemClock } from '../util/clock.ts';
import type { Clock } from '../util/clock.ts';
import { Log } from '../util/log.ts';
import { systemRandom } from '../util/random.ts';

/** What a thread is started with. */
export interface ThreadSettings {
  readonly arena: ArenaHandle;
  /** Config.serialize() of the supervisor. */
  readonly config: string;
  /** 1 is the supervisor. */
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

export interface ThreadParts {
  readonly threadNumber: number;
  readonly allocator: Allocator;
  readonly mutex: Mutex;
  readonly keyspace: Keyspace;
  readonly clientTable: ClientTable;
  readonly mailboxes: Mailboxes;
  readonly statistics: Statistics;
  readonly engine: Engine;
  readonly config: Config;
  readonly reply: ReplyWriter;
  readonly clock: Clock;
  readonly log: Log;
  readonly process: ProcessFacts;
  /** Wakes another thread to read its mail. */
  wake(thread: number): void;
}

/** Attaches a thread to the server. The first to come (the supervisor) creates what is shared. */
export function attachThread(settings: ThreadSettings, arena: Arena = Arena.attach(settings.arena)): ThreadParts {
  const allocator = new Allocator(arena);
  const config = new Config();
  config.load(settings.config);
  const log = new Log({ level: config.values.loglevel, file: config.values.logfile });
  const reply = new ReplyWriter();
  const clock = systemClock;
  const mutex = new Mutex(arena.control, CONTROL_MUTEX, settings.threadNumber);
  mutex.lock();
  try {
    const keyspace = new Keyspace(allocator, systemRandom(), config.values.databases);
    const mailboxes = new Mailboxes(allocator);
    const clientTable = new ClientTable(allocator);
    const engine = new Engine({
      allocator,
      keyspace,
      config,
      reply,
      statistics: (commandCount) => new Statistics(allocator, commandCount),
      clock,
      log,
    });
    return {
      threadNumber: settings.threadNumber,
      allocator,
      mutex,
      keyspace,
      clientTable,
      mailboxes,
      statistics: engine.statistics,
      engine,
      config,
      reply,
      clock,
      log,
      process: settings.process,
      wake: (thread) => mailboxes.wake(thread, signal),
    };
  } finally {
    mutex.unlock();
  }
}

/** The number 1, as an event descriptor takes it. */
const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

function signal(eventDescriptor: number): void {
  writeSync(eventDescriptor, ONE);
}
