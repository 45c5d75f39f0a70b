/**
 * The keeper of threaded mode: the first serving thread. It listens and accepts, gives each connection to a
 * thread (thread-pool.ts), and has the periodic duties and the files of the log to itself.
 *
 *     listener ─▶ keeper ──MAIL_ADOPT, descriptor──▶ client thread: serves as the event loop does
 *                   ▲  └──start-thread──▶ supervisor: starts the worker          │
 *                   └──MAIL_THREAD_READY, MAIL_CLIENT_GONE, MAIL_THREAD_ENDED────┘
 */
import { MAIL_ADOPT, MAIL_RETIRE } from '../engine/mailboxes.ts';
import { CLIENT_DESCRIPTOR, CLIENT_THREAD, CLIENT_WATCH_MARKER } from '../engine/client-table.ts';
import { STATE_THREAD_COUNT, THREADS_MAX } from '../engine/shared-state.ts';
import type { Ref } from '../memory/arena.ts';
import { FIXED_THREADS } from './shared-parts.ts';
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
  /** Closes a descriptor that a thread which has died left open: a connection's, or one of its own. */
  readonly abandon: (descriptor: number) => void;
}

export class Keeper<Client> {
  readonly #parts: ThreadParts;
  readonly #abandon: (descriptor: number) => void;
  readonly pool: ThreadPool<Client>;

  constructor({ parts, startThread, handOver, refuse, abandon }: KeeperParts<Client>) {
    this.#parts = parts;
    this.#abandon = abandon;
    const { values } = parts.config;
    this.pool = new ThreadPool<Client>(
      {
        fixedCount: values.threads,
        threadsMax: Math.min(values['max-threads'], THREADS_MAX - FIXED_THREADS - 1),
        firstNumber: FIXED_THREADS + 1,
      },
      {
        start: (thread) => {
          startThread(thread);
          this.#countThreads();
        },
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
    const { mutex, mailboxes, clientTable, keyspace } = this.#parts;
    const descriptors = mutex.hold(() => {
      keyspace.enter(this.#parts.clock.wallMillis());
      const unclosed = mailboxes.takeDescriptors(thread);
      // What was given to it and not adopted yet goes with it.
      for (let mail = mailboxes.take(thread); mail !== undefined; mail = mailboxes.take(thread)) {
        if (mail.kind === MAIL_ADOPT) unclosed.push(mail.value);
      }
      const records: Ref[] = [];
      clientTable.forEach((record) => {
        if (clientTable.get(record, CLIENT_THREAD) === thread) records.push(record);
      });
      for (const record of records) {
        const marker = clientTable.get(record, CLIENT_WATCH_MARKER);
        if (marker !== 0) keyspace.watches.freeMarker(marker);
        unclosed.push(clientTable.get(record, CLIENT_DESCRIPTOR));
        clientTable.remove(record);
      }
      return unclosed;
    });
    for (const descriptor of descriptors) this.#abandon(descriptor);
    this.pool.ended(thread);
    this.#countThreads();
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

  /** For INFO. */
  #countThreads(): void {
    this.#parts.allocator.arena.control[STATE_THREAD_COUNT] = FIXED_THREADS + this.pool.counts.started;
  }
}
