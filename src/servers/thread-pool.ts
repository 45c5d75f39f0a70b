/**
 * Which thread serves which client, in threaded mode. Kept by the first serving thread (the *keeper*), which
 * accepts connections and serves none itself.
 *
 *                    ┌───────────── no idle thread: start one ─────────────┐
 *     client ──assign┤                                                     ▼
 *                    └─ an idle one ─▶ busy ──its last client left──▶ idle ──kept warm, or retired
 *
 * By default each client has a thread to itself; with `--threads=N` that many serve all, each new client
 * going to the one with the fewest. Threads are started when they are needed first.
 */
import { strict as assert } from 'node:assert';

/** Threads that wait for clients are kept for that long, and some of them for ever. */
const WARM_MILLIS = 10_000;
const WARM_THREADS = 4;

/** What the pool decides, others do. `Client` is whatever stands for a connection that was accepted. */
export interface ThreadPoolActions<Client> {
  /** Starts a thread with that number; `ready` tells when it can serve. */
  start(thread: number): void;
  handOver(thread: number, client: Client): void;
  /** There are as many threads as there may be. */
  refuse(client: Client): void;
  /** Asks an idle thread to end; `ended` tells when it has. */
  retire(thread: number): void;
  /** Unix time in ms. */
  now(): number;
}

export interface ThreadPoolOptions {
  /** Threads that serve all clients; 0 = one for each client. */
  readonly fixedCount: number;
  readonly threadsMax: number;
  /** The lowest thread number to give out. */
  readonly firstNumber: number;
}

interface PooledThread<Client> {
  readonly number: number;
  isReady: boolean;
  /** Clients it has, those that wait for it to be ready included. */
  clientCount: number;
  readonly waiting: Client[];
  idleSince: number;
}

export class ThreadPool<Client> {
  readonly #options: ThreadPoolOptions;
  readonly #actions: ThreadPoolActions<Client>;
  readonly #threads = new Map<number, PooledThread<Client>>();
  /** Threads without clients, the one used last at the end. */
  readonly #idle: PooledThread<Client>[] = [];

  constructor(options: ThreadPoolOptions, actions: ThreadPoolActions<Client>) {
    this.#options = options;
    this.#actions = actions;
  }

  get threadNumbers(): number[] {
    return [...this.#threads.keys()];
  }

  /** A connection was accepted: it gets a thread. */
  assign(client: Client): void {
    const thread = this.#options.fixedCount > 0 ? this.#leastBusy() : this.#idleOrNew();
    if (thread === undefined) {
      this.#actions.refuse(client);
      return;
    }
    thread.clientCount++;
    if (thread.isReady) this.#actions.handOver(thread.number, client);
    else thread.waiting.push(client);
  }

  #leastBusy(): PooledThread<Client> {
    if (this.#threads.size < this.#options.fixedCount) return this.#start();
    let least: PooledThread<Client> | undefined;
    for (const thread of this.#threads.values()) {
      if (least === undefined || thread.clientCount < least.clientCount) least = thread;
    }
    return least!;
  }

  #idleOrNew(): PooledThread<Client> | undefined {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    return this.#threads.size < this.#options.threadsMax ? this.#start() : undefined;
  }

  #start(): PooledThread<Client> {
    let number = this.#options.firstNumber;
    while (this.#threads.has(number)) number++;
    const thread: PooledThread<Client> = {
      number,
      isReady: false,
      clientCount: 0,
      waiting: [],
      idleSince: 0,
    };
    this.#threads.set(number, thread);
    this.#actions.start(number);
    return thread;
  }

  /** A thread that was started can serve. */
  ready(number: number): void {
    const thread = this.#threads.get(number);
    if (thread === undefined) return;
    thread.isReady = true;
    for (const client of thread.waiting.splice(0)) this.#actions.handOver(number, client);
  }

  /** A client of that thread is gone. */
  clientGone(number: number): void {
    const thread = this.#threads.get(number);
    if (thread === undefined) return;
    assert(thread.clientCount > 0, 'a client that is gone was there');
    thread.clientCount--;
    if (thread.clientCount > 0 || this.#options.fixedCount > 0) return;
    thread.idleSince = this.#actions.now();
    this.#idle.push(thread);
  }

  /** A thread has ended, for whatever reason, and its clients with it. */
  ended(number: number): void {
    const thread = this.#threads.get(number);
    if (thread === undefined) return;
    this.#threads.delete(number);
    const place = this.#idle.indexOf(thread);
    if (place !== -1) this.#idle.splice(place, 1);
    // It has never served: another would hardly fare better.
    for (const client of thread.waiting) this.#actions.refuse(client);
  }

  /** Retires threads that were idle for long; call it once in a while. */
  tick(): void {
    while (this.#idle.length > WARM_THREADS) {
      const thread = this.#idle[0]!;
      if (this.#actions.now() - thread.idleSince < WARM_MILLIS) return;
      this.#idle.shift();
      this.#actions.retire(thread.number);
    }
  }

  /** Threads by what they do. */
  get counts(): { readonly started: number; readonly idle: number } {
    return { started: this.#threads.size, idle: this.#idle.length };
  }
}
