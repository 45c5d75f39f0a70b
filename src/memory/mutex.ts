/**
 * The one lock of the store: a fair mutex on a futex word.
 *
 *     FREE ──lock──▶ LOCKED ──somebody waits──▶ CONTENDED ──unlock──▶ FREE, wake one
 *                                                   └─unlock while a waiter starves──▶ HANDED, wake one
 *
 * Why not the plain three-state mutex: an unlocking serving thread takes the lock again long before a woken
 * waiter runs, so the persistence thread would starve. A waiter that was woken and lost counts as starving;
 * from then on an unlock leaves the lock in HANDED, which a newcomer cannot take: only a thread that has
 * waited can.
 *
 * The owner's thread number is on record, so that the supervisor knows whether a thread died inside.
 * After Ulrich Drepper, "Futexes Are Tricky" (mutex 2), with the hand-over of Go's `sync.Mutex` starvation
 * mode.
 */
import { strict as assert } from 'node:assert';
import { systemClock } from '../util/clock.ts';
import { LOCK_STATISTICS_WORDS, LockStatistics } from './lock-statistics.ts';

const FREE = 0;
const LOCKED = 1;
const CONTENDED = 2;
const HANDED = 3;

/**
 * About 15 us: a batch of requests is run in less, and to sleep and be woken costs both threads as much. With
 * 40 a pool of two took a tenth more of the processors for SET in pipelines of 16.
 */
const SPINS_MAX = 1500;
/** A sleeping waiter looks again after this long, in case a thread died between unlock and wake. */
const WAIT_MILLIS_MAX = 1000;

/** Word offsets from the mutex' base in the control block. */
const STATE = 0;
const OWNER = 1;
const STARVING = 2;
/** On a cache line of their own: what the holder counts must not disturb those who spin on the state. */
const STATISTICS = 16;
export const MUTEX_WORDS = STATISTICS + LOCK_STATISTICS_WORDS;

/** The statistics of the mutex at `base`; for who has no mutex of its own there. */
export function lockStatistics(words: Int32Array, base: number): LockStatistics {
  return new LockStatistics(words, base + STATISTICS);
}

export class Mutex {
  readonly #words: Int32Array;
  readonly #state: number;
  readonly #owner: number;
  readonly #starving: number;
  readonly #threadNumber: number;
  /** Counted for all threads together, by whoever holds the lock. */
  readonly statistics: LockStatistics;
  /** How many acquisitions by this instance had to wait. */
  contendedCount = 0;
  /**
   * Whether the statistics get the length of each hold from here. A serving thread leaves it off: its engine
   * reads the clock at those moments anyway, and reading it twice more would cost a short batch percents.
   */
  isTimed = false;
  #heldSince = 0;

  /**
   * @param base where its words begin, an even number: doubles are among them
   * @param threadNumber 1 or more; what `owner()` reports while this instance holds the lock
   */
  constructor(words: Int32Array, base: number, threadNumber: number) {
    assert(threadNumber > 0);
    this.#words = words;
    this.#state = base + STATE;
    this.#owner = base + OWNER;
    this.#starving = base + STARVING;
    this.#threadNumber = threadNumber;
    this.statistics = lockStatistics(words, base);
  }

  lock(): void {
    if (Atomics.compareExchange(this.#words, this.#state, FREE, LOCKED) === FREE) this.#locked();
    else this.#lockContended();
  }

  /** Takes the lock only if nobody has it. */
  tryLock(): boolean {
    if (Atomics.compareExchange(this.#words, this.#state, FREE, LOCKED) !== FREE) return false;
    this.#locked();
    return true;
  }

  #locked(): void {
    this.#words[this.#owner] = this.#threadNumber;
    this.statistics.acquired();
    if (this.isTimed) this.#heldSince = systemClock.monotonicMicros();
  }

  unlock(): void {
    if (this.#words[this.#owner] !== this.#threadNumber)
      assert.fail('unlock by a thread that does not hold the lock');
    if (this.isTimed) this.statistics.held(systemClock.monotonicMicros() - this.#heldSince);
    this.#words[this.#owner] = 0;
    if (Atomics.load(this.#words, this.#starving) > 0) {
      Atomics.store(this.#words, this.#state, HANDED);
      Atomics.notify(this.#words, this.#state, 1);
      return;
    }
    if (Atomics.exchange(this.#words, this.#state, FREE) === CONTENDED)
      Atomics.notify(this.#words, this.#state, 1);
  }

  /** Does something while holding the lock. */
  hold<Result>(action: () => Result): Result {
    this.lock();
    try {
      return action();
    } finally {
      this.unlock();
    }
  }

  get threadNumber(): number {
    return this.#threadNumber;
  }

  /** True when this thread holds the lock. */
  get isMine(): boolean {
    return this.#words[this.#owner] === this.#threadNumber;
  }

  /** Thread number of the holder, 0 when free. */
  owner(): number {
    return Atomics.load(this.#words, this.#owner);
  }

  /** True when some thread sleeps for the lock. */
  hasWaiters(): boolean {
    return (
      Atomics.load(this.#words, this.#state) === CONTENDED || Atomics.load(this.#words, this.#starving) > 0
    );
  }

  #lockContended(): void {
    const start = systemClock.monotonicMicros();
    this.#lockSlow();
    this.#locked();
    this.contendedCount++;
    this.statistics.waited(systemClock.monotonicMicros() - start);
  }

  /** Spins for a moment, then sleeps until the lock is this thread's. */
  #lockSlow(): void {
    // Not while others sleep for it: they get it first.
    for (let spin = 0; spin < SPINS_MAX && this.#words[this.#starving] === 0; spin++) {
      if (
        Atomics.load(this.#words, this.#state) === FREE &&
        Atomics.compareExchange(this.#words, this.#state, FREE, LOCKED) === FREE
      ) {
        return;
      }
    }

    let hasWaited = false;
    let isStarving = false;
    for (;;) {
      const state = Atomics.load(this.#words, this.#state);
      // Taken as CONTENDED, never LOCKED: others may sleep, and only CONTENDED makes the unlock wake one.
      const takeable = state === FREE || (state === HANDED && hasWaited);
      if (takeable) {
        if (Atomics.compareExchange(this.#words, this.#state, state, CONTENDED) === state) break;
        continue;
      }
      if (hasWaited && !isStarving) {
        isStarving = true;
        Atomics.add(this.#words, this.#starving, 1);
        continue;
      }
      if (
        state === LOCKED &&
        Atomics.compareExchange(this.#words, this.#state, LOCKED, CONTENDED) !== LOCKED
      ) {
        continue;
      }
      Atomics.wait(this.#words, this.#state, state === HANDED ? HANDED : CONTENDED, WAIT_MILLIS_MAX);
      hasWaited = true;
    }
    if (isStarving) Atomics.sub(this.#words, this.#starving, 1);
  }
}
