/**
 * The supervisor: the main thread. It creates the shared memory, starts the serving thread, passes on the
 * wish to stop, and notices when a thread dies. It never serves and never blocks, so the caller's own event
 * loop stays free.
 */
import type { Worker } from 'node:worker_threads';
import type { Config } from '../config/config.ts';
import { publishConfig } from '../engine/config-sharing.ts';
import { MAIL_STOP, MAIL_THREAD_ENDED, STOP_BY_CALLER } from '../engine/mailboxes.ts';
import { STATE_STOPPING, STATE_THREAD_COUNT } from '../engine/shared-state.ts';
import { Arena } from '../memory/arena.ts';
import { CONTROL_LOG_MUTEX } from '../memory/control-block.ts';
import { Mutex } from '../memory/mutex.ts';
import { ABORT_THREAD } from '../persistence/persistence-state.ts';
import { randomHex } from '../util/random.ts';
import { stackText } from '../util/stack-text.ts';
import { resolveBindNames } from './bind-addresses.ts';
import { Restarts } from './restarts.ts';
import { startServingWorker } from './serving-worker.ts';
import type { HandOver, ServingReport, ServingSettings } from './serving-thread.ts';
import { startPersistenceWorker } from './persistence-worker.ts';
import {
  PERSISTENCE_THREAD,
  SERVING_THREAD,
  STATUS_THREAD,
  SUPERVISOR_THREAD,
  TLS_THREAD,
  attachShared,
} from './shared-parts.ts';
import type { ProcessFacts, SharedParts, ThreadSettings } from './shared-parts.ts';
import type { SupervisorName } from './supervision.ts';

/** How long the persistence thread may take to end before it is ended. */
const STOP_WAIT_MILLIS_MAX = 2000;
const RUN_ID_BYTES = 20;
/** Threads that are always there: this one, the first that serves, and that for persistence. */
const FIRST_THREADS = 3;
/** What the log calls threads that are started again when they have died. */
const RESTARTED_THREADS: ReadonlyMap<number, string> = new Map([
  [TLS_THREAD, 'for TLS'],
  [STATUS_THREAD, 'of the status page'],
]);

/** Why the server did not start, in the words of its log. */
export class StartError extends Error {
  /** What the program ends with: 0 when it was asked to stop before it was ready. */
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

export interface StartOptions {
  readonly config: Config;
  /** Our own version. */
  readonly version: string;
  /** The port to listen on; 0 takes a free one if `config.values.port` is not 0. */
  readonly port: number;
  /** The serving thread, if it was started already. */
  readonly worker?: Worker | undefined;
  /** Starts the worker of the status page, which is a layer above; undefined for none. */
  readonly startStatusWorker?: ((channelName: string) => Worker) | undefined;
  /** Who watches the process, if anybody does, and is told when it stops. */
  readonly supervisor?: SupervisorName;
  /** Called when the threads are there and data may still be loaded: with what asks them to stop (STOP_*). */
  readonly onStarting?: (requestStop: (reason: number) => void) => void;
}

interface PersistenceThread {
  readonly worker: Worker;
  readonly ended: Promise<void>;
}

export class Supervisor {
  readonly #parts: SharedParts;
  readonly port: number;
  /** Settles with the exit code when the server has ended, for whatever reason. */
  readonly ended: Promise<number>;
  #onStopRefused: () => void = () => {};

  private constructor(parts: SharedParts, port: number, ended: Promise<number>) {
    this.#parts = parts;
    this.port = port;
    this.ended = ended;
  }

  /** Starts a server. @throws StartError */
  static async start(options: StartOptions): Promise<Supervisor> {
    const worker = options.worker ?? startServingWorker();
    try {
      return await Supervisor.#startWith(worker, options);
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  }

  static async #startWith(worker: Worker, options: StartOptions): Promise<Supervisor> {
    const { config } = options;
    const bindError = await resolveBindNames(config);
    if (bindError !== undefined) throw new StartError(bindError);

    const facts: ProcessFacts = {
      version: options.version,
      runId: randomHex(RUN_ID_BYTES),
      startMillis: Date.now(),
      executable: process.argv[1] ?? process.execPath,
      supervisor: options.supervisor ?? 'no',
    };
    const arena = Arena.create();
    const settings = { arena: arena.handle(), config: config.serialize(), process: facts };
    const parts = attachShared({ ...settings, threadNumber: SUPERVISOR_THREAD }, arena);
    parts.mutex.hold(() => publishConfig(parts.allocator, config));
    arena.control[STATE_THREAD_COUNT] = FIRST_THREADS;

    const role = config.values.mode === 'threaded' ? 'keeper' : 'alone';
    const serving: ServingSettings = { ...settings, threadNumber: SERVING_THREAD, role, port: options.port };
    worker.postMessage(serving);
    let persistence: PersistenceThread | undefined;
    const clients = new ClientThreads(parts, serving, () => void worker.terminate());
    const tlsListens = whenTlsListens(worker, clients, config);
    const statusListens = whenStatusListens(worker, clients, options.startStatusWorker);
    worker.on('message', (report: ServingReport) => {
      if (report.kind === 'start-thread') clients.startAnother(report.thread);
      else if (report.kind === 'hand-over') clients.handOver(report.thread, report.handOver);
      else if (report.kind === 'serving') {
        // Not sooner: it would take a quarter of the machine's time from the thread that clients wait for.
        persistence = startPersistence(parts, settings, () => void worker.terminate());
      }
    });
    const ended = watchEnd(worker, () => persistence, clients, parts);
    options.onStarting?.((reason) => requestStop(parts, reason));
    try {
      const [port] = await Promise.all([whenReady(worker), tlsListens, statusListens]);
      const supervisor = new Supervisor(parts, port, ended);
      worker.on('message', (report: ServingReport) => {
        if (report.kind === 'stop-refused') supervisor.#onStopRefused();
      });
      return supervisor;
    } catch (error) {
      clients.startNoMore();
      await worker.terminate();
      await ended;
      throw error;
    }
  }

  /**
   * Asks the server to end and waits until nothing of it is left. Throws when it goes on because its last
   * snapshot cannot be saved.
   */
  async stop(): Promise<void> {
    const refused = new Promise<never>((_, reject) => {
      this.#onStopRefused = () =>
        reject(new Error('the server could not save its data and goes on; its log says why'));
    });
    this.requestStop(STOP_BY_CALLER);
    await Promise.race([this.ended, refused]);
  }

  /** Asks the server to end, for that reason (STOP_*); `ended` tells when it has. */
  requestStop(reason: number): void {
    requestStop(this.#parts, reason);
  }
}

function requestStop(parts: SharedParts, reason: number): void {
  const { mutex, mailboxes, allocator } = parts;
  // It ends already, maybe because a thread has died with the lock, which nobody gets any more.
  if (Atomics.load(allocator.arena.control, STATE_STOPPING) !== 0) return;
  mutex.hold(() => mailboxes.post(SERVING_THREAD, { kind: MAIL_STOP, clientId: 0, value: reason }));
  parts.wake(SERVING_THREAD);
}

function whenReady(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.on('message', (report: ServingReport) => {
      if (report.kind === 'ready') resolve(report.port);
      else if (report.kind === 'failed') reject(new StartError(report.reason));
      else if (report.kind === 'stopped')
        reject(new StartError('The server was stopped before it was ready', report.code));
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(new StartError(`the serving thread ended with code ${code}`)));
  });
}

/**
 * Starts the persistence thread. It gets its settings when it listens for new memory: the serving thread is
 * at work by then and may add some.
 * @param onDeath called when the thread has died of an error: nothing can be saved any more
 */
function startPersistence(
  parts: SharedParts,
  settings: Omit<ThreadSettings, 'threadNumber'>,
  onDeath: () => void,
): PersistenceThread {
  const { arena } = parts.allocator;
  const worker = startPersistenceWorker(arena.channelName);
  worker.once('message', () => {
    const own: ThreadSettings = { ...settings, arena: arena.handle(), threadNumber: PERSISTENCE_THREAD };
    worker.postMessage(own);
  });
  worker.on('error', (error) => {
    parts.log.warning(`The persistence thread died: ${stackText(error)}`);
    onDeath();
  });
  return { worker, ended: new Promise((resolve) => worker.once('exit', () => resolve())) };
}

/** Starts the thread for TLS, if there is to be one, once the first thread serves. */
function whenTlsListens(worker: Worker, clients: ClientThreads, config: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on('message', (report: ServingReport) => {
      if (report.kind !== 'serving') return;
      if (config.values['tls-port'] === 0) resolve();
      else clients.startTls().then(resolve, reject);
    });
  });
}

/** As `whenTlsListens`, for the status page: it is there while data is loaded, too. */
function whenStatusListens(
  worker: Worker,
  clients: ClientThreads,
  startWorker: StartOptions['startStatusWorker'],
): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on('message', (report: ServingReport) => {
      if (report.kind !== 'serving') return;
      if (startWorker === undefined) resolve();
      else clients.startStatus(startWorker).then(resolve, reject);
    });
  });
}

/** The threads besides the first that serve clients: all in threaded mode, those for TLS and status page. */
class ClientThreads {
  readonly #parts: SharedParts;
  readonly #settings: ServingSettings;
  readonly #onFatal: () => void;
  readonly #workers = new Map<number, Worker>();
  readonly #restarts = new Restarts(() => performance.now());
  /** Threads that are to be started, after a pause. */
  readonly #planned = new Map<number, NodeJS.Timeout>();
  #startStatusWorker: StartOptions['startStatusWorker'];
  #isEnding = false;
  #onAllEnded: () => void = () => {};

  /** @param onFatal called when a thread has died holding a lock: what it was changing is half done */
  constructor(parts: SharedParts, settings: ServingSettings, onFatal: () => void) {
    this.#parts = parts;
    this.#settings = settings;
    this.#onFatal = onFatal;
  }

  /** As the first thread has asked for. */
  startAnother(thread: number): void {
    if (RESTARTED_THREADS.has(thread)) {
      this.#plan(thread);
      return;
    }
    this.#start(thread, 'client', startServingWorker);
  }

  /** Starts a thread of which there is one, unless it is there; after a pause when it has just died. */
  #plan(thread: number): void {
    if (this.#isEnding || this.#workers.has(thread) || this.#planned.has(thread)) return;
    const start = (): Promise<void> =>
      thread === TLS_THREAD ? this.startTls() : this.startStatus(this.#startStatusWorker!);
    const timer = setTimeout(() => {
      this.#planned.delete(thread);
      start().catch((error: Error) => this.#parts.log.warning(error.message));
    }, this.#restarts.pauseMillis(thread));
    this.#planned.set(thread, timer.unref());
  }

  /** Starts the thread for TLS and waits until it listens. */
  startTls(): Promise<void> {
    const worker = this.#start(TLS_THREAD, 'tls', startServingWorker);
    return new Promise((resolve, reject) => {
      worker.on('message', (report: ServingReport) => {
        if (report.kind === 'ready') resolve();
        else if (report.kind === 'failed') reject(new StartError(report.reason));
      });
      worker.on('exit', () => reject(new StartError('the thread for TLS ended before it could listen')));
    });
  }

  /** Starts the thread of the status page and waits until it listens. */
  async startStatus(startWorker: (channelName: string) => Worker): Promise<void> {
    this.#startStatusWorker = startWorker;
    await whenReady(this.#start(STATUS_THREAD, 'client', startWorker));
  }

  #start(thread: number, role: 'client' | 'tls', startWorker: (channelName: string) => Worker): Worker {
    const { log, allocator } = this.#parts;
    const worker = startWorker(allocator.arena.channelName);
    this.#workers.set(thread, worker);
    this.#countThreads();
    this.#restarts.started(thread);
    worker.on('message', (report: ServingReport) => {
      if (report.kind !== 'listening') return;
      const arena = allocator.arena.handle();
      const settings: ServingSettings = { ...this.#settings, arena, threadNumber: thread, role };
      worker.postMessage(settings);
    });
    worker.on('error', (error) => {
      log.warning(`Serving thread ${thread} died: ${stackText(error)}`);
    });
    worker.on('exit', () => this.#ended(thread));
    return worker;
  }

  /** Gives a thread a connection that the keeper relays; without the thread it is closed. */
  handOver(thread: number, handOver: HandOver): void {
    const worker = this.#workers.get(thread);
    if (worker === undefined) handOver.port.close();
    else worker.postMessage(handOver, [handOver.port]);
  }

  /** For INFO. */
  #countThreads(): void {
    this.#parts.allocator.arena.control[STATE_THREAD_COUNT] = FIRST_THREADS + this.#workers.size;
  }

  #ended(thread: number): void {
    this.#workers.delete(thread);
    this.#countThreads();
    this.#restarts.ended(thread);
    const { mutex, mailboxes, log, allocator } = this.#parts;
    const logMutex = new Mutex(allocator.arena.control, CONTROL_LOG_MUTEX, SUPERVISOR_THREAD);
    if (mutex.owner() === thread || logMutex.owner() === thread) {
      log.warning(`Thread ${thread} died inside the critical section; the server stops.`);
      Atomics.compareExchange(allocator.arena.control, STATE_STOPPING, 0, 1 + 1);
      this.#onFatal();
    } else if (!this.#isEnding && Atomics.load(allocator.arena.control, STATE_STOPPING) === 0) {
      const what = RESTARTED_THREADS.get(thread);
      if (what !== undefined) log.warning(`The thread ${what} has ended; another will take its place.`);
      mutex.hold(() =>
        mailboxes.post(SERVING_THREAD, { kind: MAIL_THREAD_ENDED, clientId: 0, value: thread }),
      );
      this.#parts.wake(SERVING_THREAD);
    }
    if (this.#workers.size === 0) this.#onAllEnded();
  }

  /** The server ends, or cannot start. */
  startNoMore(): void {
    this.#isEnding = true;
    for (const timer of this.#planned.values()) clearTimeout(timer);
  }

  /** Waits until all have ended; those that have not by then are ended. */
  async allEnded(): Promise<void> {
    this.startNoMore();
    if (this.#workers.size === 0) return;
    // The first thread has told the others, which run in its layer.
    if (this.#workers.has(STATUS_THREAD)) this.#parts.wake(STATUS_THREAD);
    const timer = setTimeout(() => {
      for (const worker of this.#workers.values()) void worker.terminate();
    }, STOP_WAIT_MILLIS_MAX);
    await new Promise<void>((resolve) => (this.#onAllEnded = resolve));
    clearTimeout(timer);
  }
}

/** Waits for the end of the first serving thread, ends the others, and tells the exit code. */
async function watchEnd(
  worker: Worker,
  persistence: () => PersistenceThread | undefined,
  clients: ClientThreads,
  parts: SharedParts,
): Promise<number> {
  let code = 1;
  worker.on('message', (report: ServingReport) => {
    if (report.kind === 'stopped') code = report.code;
  });
  worker.on('error', (error) => {
    parts.log.warning(`A serving thread died: ${stackText(error)}`);
  });
  await new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const { control } = parts.allocator.arena;
  Atomics.compareExchange(control, STATE_STOPPING, 0, code + 1);
  const owner = parts.mutex.owner();
  if (owner === SERVING_THREAD) {
    parts.log.warning(`Thread ${owner} died inside the critical section; the server stops.`);
  }
  await clients.allEnded();
  await endPersistence(parts, persistence());
  parts.allocator.arena.close();
  return code;
}

async function endPersistence(parts: SharedParts, thread: PersistenceThread | undefined): Promise<void> {
  // The server ended before it served.
  if (thread === undefined) return;
  parts.persistenceState.abortJob(ABORT_THREAD);
  parts.wake(PERSISTENCE_THREAD);
  const timer = setTimeout(() => void thread.worker.terminate(), STOP_WAIT_MILLIS_MAX);
  await thread.ended;
  clearTimeout(timer);
}
