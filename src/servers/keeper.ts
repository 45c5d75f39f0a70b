/**
 * The keeper of threaded mode: the first serving thread. It listens and accepts, gives each connection to a
 * thread (thread-pool.ts), and has the periodic duties and the files of the log to itself.
 *
 *     listener ─▶ keeper ──MAIL_ADOPT, descriptor──▶ client thread: serves as the event loop does
 *                   ▲  └──start-thread──▶ supervisor: starts the worker          │
 *                   └──MAIL_THREAD_READY, MAIL_CLIENT_GONE, MAIL_THREAD_ENDED────┘
 */
import { MAIL_ADOPT, MAIL_RETIRE } from '../engine/mailboxes.ts';
import { THREADS_MAX } from '../engine/shared-state.ts';
import { clearEndedThread } from './ended-thread.ts';
import { FIRST_CLIENT_THREAD } from './shared-parts.ts';
import { ThreadPool } from './thread-pool.ts';
import type { ThreadParts } from './thread-parts.ts';

const TOO_MANY_CLIENTS = '-ERR max number of clients reached\r\n';

export interface KeeperParts<Client> {
  readonly parts: ThreadParts;
  /** Asks the supervisor for a thread. */
  readonly startThread: (thread: number) => void;
  /** Gives a connection to a thread that is ready. */
  readonly handOver: (thread: number, client: Client) => void;
  /** Sends a last line and closes. */
  readonly refuse: (client: Client, line: string) => void;
  /** So many threads may end, at most (thread-limit.ts). */
  readonly retiredMax: number;
  /** Closes a descriptor that a thread which has died left open: a connection's, or one of its own. */
  readonly abandon: (descriptor: number) => void;
}

export class Keeper<Client> {
  readonly #parts: ThreadParts;
  readonly #abandon: (descriptor: number) => void;
  readonly pool: ThreadPool<Client>;

  constructor({ parts, startThread, handOver, refuse, retiredMax, abandon }: KeeperParts<Client>) {
    this.#parts = parts;
    this.#abandon = abandon;
    const { values } = parts.config;
    this.pool = new ThreadPool<Client>(
      {
        fixedCount: values.threads,
        threadsMax: Math.min(values['max-threads'], THREADS_MAX - FIRST_CLIENT_THREAD),
        retiredMax,
        firstNumber: FIRST_CLIENT_THREAD,
      },
      {
        start: startThread,
        handOver,
        refuse: (client) => {
          parts.mutex.hold(() => parts.statistics.add('connectionsRejected', 1));
          refuse(client, TOO_MANY_CLIENTS);
        },
        retire: (thread) => this.#post(thread, MAIL_RETIRE, 0),
        now: () => parts.clock.wallMillis(),
      },
    );
  }

  /** Hands a descriptor to a thread. */
  adopt(thread: number, descriptor: number): void {
    this.#post(thread, MAIL_ADOPT, descriptor);
  }

  /** A thread has ended: what it left behind goes. */
  threadEnded(thread: number): void {
    for (const descriptor of clearEndedThread(this.#parts, thread)) this.#abandon(descriptor);
    this.pool.ended(thread);
  }

  /** Asks all threads to end. */
  stopAll(): void {
    for (const thread of this.pool.threadNumbers) this.#post(thread, MAIL_RETIRE, 0);
  }

  #post(thread: number, kind: number, value: number): void {
    const { mutex, mailboxes } = this.#parts;
    mutex.hold(() => mailboxes.post(thread, { kind, clientId: 0, value }));
    this.#parts.wake(thread);
  }
}
