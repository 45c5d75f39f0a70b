import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ThreadPool, type ThreadPoolOptions } from './thread-pool.ts';

const FIRST_NUMBER = 4;
/** Longer than an idle thread is kept, and how many are kept for ever. */
const LONG_MILLIS = 10_001;
const WARM_THREADS = 4;
const STARTING_THREADS_MAX = 4;
const RETIRING_THREADS_MAX = 4;

type Event = 'connect' | 'ready' | 'leave' | 'die' | 'retired' | 'tick';
const EVENTS = fc.array(
  fc.tuple(
    fc.constantFrom<Event>(
      'connect',
      'connect',
      'ready',
      'ready',
      'leave',
      'leave',
      'die',
      'retired',
      'tick',
    ),
    fc.nat(),
  ),
  { maxLength: 200 },
);
const OPTIONS = fc.constantFrom<ThreadPoolOptions>(
  { fixedCount: 0, threadsMax: 1000, retiredMax: Infinity, firstNumber: FIRST_NUMBER },
  { fixedCount: 0, threadsMax: 1000, retiredMax: 2, firstNumber: FIRST_NUMBER },
  { fixedCount: 0, threadsMax: 3, retiredMax: Infinity, firstNumber: FIRST_NUMBER },
  { fixedCount: 1, threadsMax: 1000, retiredMax: Infinity, firstNumber: FIRST_NUMBER },
  { fixedCount: 3, threadsMax: 1000, retiredMax: Infinity, firstNumber: FIRST_NUMBER },
);

interface Thread {
  isReady: boolean;
  isRetiring: boolean;
  readonly clients: Set<number>;
}

/** The world around a pool: does what the pool decides, and checks that it may decide so. */
class World {
  readonly #options: ThreadPoolOptions;
  readonly #pool: ThreadPool<number>;
  readonly #threads = new Map<number, Thread>();
  /** Clients that have neither a ready thread nor a refusal yet. */
  readonly #waiting = new Set<number>();
  #retiredCount = 0;
  #clientCount = 0;
  #isDying = false;
  #now = 0;

  constructor(options: ThreadPoolOptions) {
    this.#options = options;
    this.#pool = new ThreadPool<number>(options, {
      start: (number) => this.#start(number),
      handOver: (number, client) => this.#handOver(number, client),
      refuse: (client) => this.#refuse(client),
      retire: (number) => this.#retire(number),
      now: () => this.#now,
    });
  }

  get #isFixed(): boolean {
    return this.#options.fixedCount > 0;
  }

  get #threadsMax(): number {
    return this.#isFixed ? this.#options.fixedCount : this.#options.threadsMax;
  }

  get #idle(): number[] {
    const isIdle = ({ isReady, isRetiring, clients }: Thread) => isReady && !isRetiring && clients.size === 0;
    return this.#isFixed ? [] : this.#numbers(isIdle);
  }

  #numbers(isWanted: (thread: Thread) => boolean): number[] {
    return [...this.#threads].flatMap(([number, thread]) => (isWanted(thread) ? [number] : []));
  }

  // What the pool decides.

  #start(number: number): void {
    assert.ok(number >= FIRST_NUMBER && !this.#threads.has(number), 'a number names one thread at a time');
    assert.equal(this.#idle.length, 0, 'no thread is started while one is idle');
    this.#threads.set(number, { isReady: false, isRetiring: false, clients: new Set() });
    assert.ok(this.#threads.size <= this.#threadsMax, 'no more threads than there may be');
    const starting = this.#numbers(({ isReady }) => !isReady).length;
    assert.ok(this.#isFixed || starting <= STARTING_THREADS_MAX, 'a few start at a time');
  }

  #handOver(number: number, client: number): void {
    const { isReady, isRetiring, clients } = this.#threads.get(number)!;
    assert.ok(isReady && !isRetiring, 'clients go to threads that can serve them');
    assert.ok(this.#waiting.delete(client), 'a client is handed over once');
    clients.add(client);
    if (!this.#isFixed) assert.equal(clients.size, 1, 'a client has its thread to itself');
  }

  #refuse(client: number): void {
    assert.ok(this.#waiting.delete(client));
    const taken = this.#numbers(({ clients, isRetiring }) => clients.size > 0 || isRetiring).length;
    const isFull = !this.#isFixed && taken + this.#waiting.size >= this.#threadsMax;
    assert.ok(isFull || this.#isDying, 'refused only when all threads are taken, or its own has died');
  }

  #retire(number: number): void {
    const thread = this.#threads.get(number)!;
    assert.ok(
      !this.#isFixed && thread.clients.size === 0 && !thread.isRetiring,
      'only an idle one is retired',
    );
    thread.isRetiring = true;
    this.#retiredCount++;
    assert.ok(this.#retiredCount <= this.#options.retiredMax, 'so many are retired, and no more');
  }

  // What happens.

  happen(event: Event, which: number): void {
    const pick = (candidates: readonly number[]) => candidates[which % candidates.length];
    switch (event) {
      case 'connect':
        return this.#connect();
      case 'ready':
        return this.#ready(pick(this.#numbers(({ isReady }) => !isReady)));
      case 'leave':
        return this.#leave(pick(this.#numbers(({ isReady, clients }) => isReady && clients.size > 0)));
      case 'die':
        return this.#end(pick([...this.#threads.keys()]));
      case 'retired':
        return this.#end(pick(this.#numbers(({ isRetiring }) => isRetiring)));
      case 'tick':
        this.#now += which % LONG_MILLIS;
        return this.#pool.tick();
    }
  }

  #connect(): void {
    const client = this.#clientCount++;
    this.#waiting.add(client);
    this.#pool.assign(client);
  }

  #ready(number: number | undefined): void {
    if (number === undefined) return;
    this.#threads.get(number)!.isReady = true;
    this.#pool.ready(number);
  }

  #leave(number: number | undefined): void {
    if (number === undefined) return;
    const { clients } = this.#threads.get(number)!;
    clients.delete([...clients][0]!);
    this.#pool.clientGone(number);
  }

  #end(number: number | undefined): void {
    if (number === undefined) return;
    this.#threads.delete(number);
    this.#isDying = true;
    this.#pool.ended(number);
    this.#isDying = false;
  }

  /** What is counted, and that nobody is forgotten. */
  check(): void {
    const { started, idle } = this.#pool.counts;
    assert.equal(started, this.#threads.size);
    assert.deepEqual(new Set(this.#pool.threadNumbers), new Set(this.#threads.keys()));
    if (!this.#isFixed) assert.equal(idle, this.#idle.length);
    if (idle > 0) assert.equal(this.#waiting.size, 0, 'nobody waits beside an idle thread');
    const isStarting = this.#numbers(({ isReady }) => !isReady).length > 0;
    const isFull = this.#threads.size === this.#threadsMax;
    if (!isStarting && !isFull) assert.equal(this.#waiting.size, 0, 'who waits has a thread to come');
  }

  /** Everybody leaves, and time passes. */
  settle(): void {
    for (let isSettled = false; !isSettled;) {
      for (const number of this.#numbers(({ isRetiring }) => isRetiring)) this.#end(number);
      const starting = this.#numbers(({ isReady }) => !isReady);
      for (const number of starting) this.#ready(number);
      const busy = this.#numbers(({ clients }) => clients.size > 0);
      for (const number of busy) this.#leave(number);
      isSettled = starting.length === 0 && busy.length === 0;
    }
    assert.equal(this.#waiting.size, 0, 'nobody is forgotten');
    this.#now += LONG_MILLIS;
    for (let retiring = [0]; retiring.length > 0;) {
      this.#pool.tick();
      retiring = this.#numbers(({ isRetiring }) => isRetiring);
      assert.ok(retiring.length <= RETIRING_THREADS_MAX, 'a few end at a time');
      for (const number of retiring) this.#end(number);
    }
    this.check();
    if (this.#retiredCount === this.#options.retiredMax) return;
    assert.ok(this.#threads.size <= (this.#isFixed ? this.#options.fixedCount : WARM_THREADS));
  }
}

test('every client gets a thread of its own, or its place in the pool, whatever happens', () => {
  fc.assert(
    fc.property(OPTIONS, EVENTS, (options, events) => {
      const world = new World(options);
      for (const [event, which] of events) {
        world.happen(event, which);
        world.check();
      }
      world.settle();
    }),
    { numRuns: 1000 },
  );
});

test('a fixed pool spreads its clients, and a client that leaves makes room', () => {
  const given: [thread: number, client: string][] = [];
  const pool = new ThreadPool<string>(
    { fixedCount: 2, threadsMax: 1000, retiredMax: Infinity, firstNumber: FIRST_NUMBER },
    {
      start: () => {},
      handOver: (thread, client) => given.push([thread, client]),
      refuse: () => assert.fail('a pool has room for all'),
      retire: () => assert.fail('a pool stays'),
      now: () => 0,
    },
  );
  pool.assign('a');
  pool.assign('b');
  pool.assign('c');
  assert.deepEqual(given, [], 'they wait for their threads');

  pool.ready(5);
  pool.ready(4);
  assert.deepEqual(given.splice(0), [
    [5, 'b'],
    [4, 'a'],
    [4, 'c'],
  ]);

  pool.clientGone(4);
  pool.clientGone(4);
  pool.assign('d');
  pool.assign('e');
  assert.deepEqual(given, [
    [4, 'd'],
    [4, 'e'],
  ]);
});
