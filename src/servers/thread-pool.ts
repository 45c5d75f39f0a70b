/**
 * Which thread serves which client, in threaded mode. Kept by the first serving thread (the *keeper*), which
 * accepts connections and serves none itself.
 *
 *                    ┌─ no idle thread: it waits, one is started ──▶ ready ┐
 *     client ──assign┤                                                     ▼
 *                    └─ an idle one ─▶ busy ──its last client left──▶ idle ──kept warm, or retired
 *
 * By default each client has a thread to itself; with `--threads=N` that many serve all, each new client
 * going to the one with the fewest. Threads are started when they are needed first, a few at a time: of many
 * clients that come at once, the later ones often get a thread that an earlier one has left.
 */
import { strict as assert } from 'node:assert';

/** Threads that wait for clients are kept for that long, and some of them for ever. */
const WARM_MILLIS = 10_000;
const WARM_THREADS = 4;
/** So many threads start at a time, at most: more would slow down each other, and those that serve. */
const STARTING_THREADS_MAX = 4;
/** And so many end: one that is ending takes the place of one that could serve. */
const RETIRING_THREADS_MAX = 4;

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
  /** So many threads are retired, at most; from then on all are kept. */
  readonly retiredMax: number;
  /** The lowest thread number to give out. */
  readonly firstNumber: number;
}

interface PooledThread<Client> {
  readonly number: number;
  isReady: boolean;
  isRetiring: boolean;
  /** Clients it has, those that wait for it to be ready included. */
  clientCount: number;
  /** In a fixed pool: who waits for it to be ready. */
  readonly waiting: Client[];
  idleSince: number;
}

export class ThreadPool<Client> {
  readonly #options: ThreadPoolOptions;
  readonly #actions: ThreadPoolActions<Client>;
  readonly #threads = new Map<number, PooledThread<Client>>();
  /** Threads without clients, the one used last at the end. */
  readonly #idle: PooledThread<Client>[] = [];
  /** Clients that wait for a thread of their own, oldest first. */
  readonly #waiting: Client[] = [];
  #retiredCount = 0;

  constructor(options: ThreadPoolOptions, actions: ThreadPoolActions<Client>) {
    this.#options = options;
    this.#actions = actions;
  }

  get threadNumbers(): number[] {
    return [...this.#threads.keys()];
  }

  get #isFixed(): boolean {
    return this.#options.fixedCount > 0;
  }

  /** A connection was accepted: it gets a thread. */
  assign(client: Client): void {
    if (this.#isFixed) {
      this.#give(this.#leastBusy(), client);
      return;
    }
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      this.#give(idle, client);
    } else if (this.#waiting.length < this.#places) {
      this.#waiting.push(client);
      this.#startWanted();
    } else {
      this.#actions.refuse(client);
    }
  }

  /** How many clients may wait: as many as threads can still come to be free. */
  get #places(): number {
    let taken = 0;
    for (const { clientCount, isRetiring } of this.#threads.values())
      if (clientCount > 0 || isRetiring) taken++;
    return this.#options.threadsMax - taken;
  }

  #give(thread: PooledThread<Client>, client: Client): void {
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

  /** Starts threads for those who wait, as long as there may be more. */
  #startWanted(): void {
    let starting = 0;
    for (const { isReady } of this.#threads.values()) if (!isReady) starting++;
    const wanted = Math.min(this.#waiting.length, STARTING_THREADS_MAX);
    for (; starting < wanted && this.#threads.size < this.#options.threadsMax; starting++) this.#start();
  }

  #start(): PooledThread<Client> {
    let number = this.#options.firstNumber;
    while (this.#threads.has(number)) number++;
    const thread: PooledThread<Client> = {
      number,
      isReady: false,
      isRetiring: false,
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
    if (this.#isFixed) for (const client of thread.waiting.splice(0)) this.#actions.handOver(number, client);
    else this.#serveNext(thread);
  }

  /** A client of that thread is gone. */
  clientGone(number: number): void {
    const thread = this.#threads.get(number);
    if (thread === undefined) return;
    assert(thread.clientCount > 0, 'a client that is gone was there');
    thread.clientCount--;
    if (!this.#isFixed) this.#serveNext(thread);
  }

  /** A thread has nobody to serve: it gets the next who waits. */
  #serveNext(thread: PooledThread<Client>): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      thread.idleSince = this.#actions.now();
      this.#idle.push(thread);
      return;
    }
    this.#give(thread, next);
    this.#startWanted();
  }

  /** A thread has ended, for whatever reason, and its clients with it. */
  ended(number: number): void {
    const thread = this.#threads.get(number);
    if (thread === undefined) return;
    this.#threads.delete(number);
    const place = this.#idle.indexOf(thread);
    if (place !== -1) this.#idle.splice(place, 1);
    // It has never served: another would hardly fare better.
    const lost = thread.isReady ? [] : [...thread.waiting, ...this.#waiting.splice(0, 1)];
    for (const client of lost) this.#actions.refuse(client);
    this.#startWanted();
  }

  /** Retires threads that were idle for long; call it once in a while. */
  tick(): void {
    if (this.#idle.length <= WARM_THREADS) return;
    let retiring = 0;
    for (const { isRetiring } of this.#threads.values()) if (isRetiring) retiring++;
    for (; retiring < RETIRING_THREADS_MAX && this.#idle.length > WARM_THREADS; retiring++) {
      const thread = this.#idle[0]!;
      if (this.#actions.now() - thread.idleSince < WARM_MILLIS) return;
      if (this.#retiredCount === this.#options.retiredMax) return;
      this.#retiredCount++;
      this.#idle.shift();
      thread.isRetiring = true;
      this.#actions.retire(thread.number);
    }
  }

  /** Threads by what they do. */
  get counts(): { readonly started: number; readonly idle: number } {
    return { started: this.#threads.size, idle: this.#idle.length };
  }
}
