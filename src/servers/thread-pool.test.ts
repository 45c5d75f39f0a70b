import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ThreadPool, type ThreadPoolOptions } from './thread-pool.ts';

const FIRST_NUMBER = 4;
/** Longer than an idle thread is kept, and how many are kept for ever. */
const LONG_MILLIS = 10_001;
const WARM_THREADS = 4;

/** What happens, and to which of the threads or clients that it can happen to. */
const EVENT = fc.record({
  kind: fc.constantFrom('connect', 'connect', 'connect', 'ready', 'ready', 'leave', 'leave', 'die', 'tick'),
  which: fc.nat(),
});
const OPTIONS = fc.constantFrom(
  { fixedCount: 0, threadsMax: 1000 },
  { fixedCount: 0, threadsMax: 3 },
  { fixedCount: 1, threadsMax: 1000 },
  { fixedCount: 3, threadsMax: 1000 },
);

interface ModelThread {
  isReady: boolean;
  isRetiring: boolean;
  /** Given to it, or waiting for it to be ready. */
  readonly clients: Set<number>;
}

/** The world around a pool: does what it decides, and knows what it may decide. */
class World {
  readonly #options: ThreadPoolOptions;
  readonly threads = new Map<number, ModelThread>();
  readonly pool: ThreadPool<number>;
  /** Clients that are neither served nor refused yet, and where they are. */
  readonly served = new Map<number, number>();
  readonly refused = new Set<number>();
  #connecting: number | undefined;
  #clientCount = 0;
  now = 0;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
    this.pool = new ThreadPool<number>(options, {
      start: (thread) => this.#start(thread),
      handOver: (thread, client) => this.#handOver(thread, client),
      refuse: (client) => this.refused.add(client),
      retire: (thread) => this.#retire(thread),
      now: () => this.now,
    });
  }

  #start(thread: number): void {
    const { threads } = this;
    assert.ok(!threads.has(thread), 'a number is given out once at a time');
    assert.ok(thread >= FIRST_NUMBER);
    assert.equal(this.idleThreads().length, 0, 'no thread is started while one is idle');
    threads.set(thread, { isReady: false, isRetiring: false, clients: new Set() });
    const { fixedCount, threadsMax } = this.#options;
    assert.ok(threads.size <= (fixedCount > 0 ? fixedCount : threadsMax));
  }

  #handOver(thread: number, client: number): void {
    const { isReady, isRetiring, clients } = this.threads.get(thread)!;
    assert.ok(isReady && !isRetiring, 'clients go to threads that can serve them');
    assert.ok(!this.served.has(client), 'a client is handed over once');
    clients.add(client);
    this.served.set(client, thread);
    if (this.#options.fixedCount === 0) assert.equal(clients.size, 1, 'a thread per client');
  }

  #retire(thread: number): void {
    const retired = this.threads.get(thread)!;
    assert.equal(retired.clients.size, 0, 'only an idle thread is retired');
    assert.equal(this.#options.fixedCount, 0, 'a fixed pool stays');
    retired.isRetiring = true;
  }

  idleThreads(): number[] {
    if (this.#options.fixedCount > 0) return [];
    return [...this.threads].flatMap(([number, { isReady, isRetiring, clients }]) =>
      isReady && !isRetiring && clients.size === 0 && !this.#hasWaiting(number) ? [number] : [],
    );
  }

  /** Whether a client waits for that thread: those that were given neither a thread nor a refusal. */
  #hasWaiting(_thread: number): boolean {
    return this.#clientCount > this.served.size + this.refused.size + this.gone + Number(this.#connecting !== undefined);
  }

  gone = 0;

  connect(): void {
    const client = this.#clientCount++;
    this.#connecting = client;
    const wasIdle = this.idleThreads().length > 0;
    const couldStart = this.threads.size < this.#options.threadsMax || this.#options.fixedCount > 0;
    this.pool.assign(client);
    this.#connecting = undefined;
    if (this.refused.has(client)) assert.ok(!wasIdle && !couldStart, 'refused only when all threads are taken');
  }
}
