import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { lockStatistics, MUTEX_WORDS, Mutex } from './mutex.ts';
import {
  SHARED_COLLISIONS,
  SHARED_COUNTER,
  SHARED_HELD,
  SHARED_SIGNAL,
  SHARED_WORDS,
} from './mutex.worker.ts';
import type { MutexWork } from './mutex.worker.ts';

/** Nothing here depends on time; a mutex that loses a thread would hang, and this ends it. */
const HANG = { timeout: 120_000 };

function sharedWords(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(SHARED_WORDS * 4));
}

/** A thread at work; `ended` resolves when it has left, and rejects when it failed. */
function start(t: TestContext, work: MutexWork): { ended: Promise<unknown> } {
  const worker = new Worker(new URL('./mutex.worker.js', import.meta.url), { workerData: work });
  t.after(() => worker.terminate());
  return { ended: once(worker, 'exit') };
}

function signal(words: Int32Array): void {
  Atomics.store(words, SHARED_SIGNAL, 1);
  Atomics.notify(words, SHARED_SIGNAL);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2);
}

test('one thread: lock, try, unlock', () => {
  const words = sharedWords();
  const first = new Mutex(words, 0, 1);
  const second = new Mutex(words, 0, 2);
  assert.equal(first.owner(), 0);
  first.lock();
  assert.equal(second.owner(), 1);
  assert.equal(second.tryLock(), false);
  assert.equal(first.tryLock(), false);
  assert.equal(first.hasWaiters(), false);
  first.unlock();
  assert.equal(first.owner(), 0);
  assert.equal(second.tryLock(), true);
  assert.equal(first.owner(), 2);
  second.unlock();
});

test('a mutex stays within its words', () => {
  const base = 4;
  const isOurs = (index: number) => index >= base && index < base + MUTEX_WORDS;
  const words = new Int32Array(new SharedArrayBuffer((MUTEX_WORDS + 8) * 4)).fill(-1);
  words.fill(0, base, base + MUTEX_WORDS);
  const mutex = new Mutex(words, base, 9);
  mutex.lock();
  mutex.statistics.held(1);
  mutex.statistics.waited(1);
  mutex.unlock();
  assert.ok(words.every((word, index) => isOurs(index) || word === -1));
  mutex.statistics.reset();
  assert.ok(words.every((word, index) => word === (isOurs(index) ? 0 : -1)));
});

test('statistics are those of all threads, and of whoever looks', () => {
  const words = sharedWords();
  const first = new Mutex(words, 0, 1);
  const second = new Mutex(words, 0, 2);
  first.hold(() => {});
  first.tryLock();
  assert.equal(second.tryLock(), false);
  first.statistics.held(30);
  first.unlock();
  second.lock();
  second.statistics.held(20);
  second.statistics.waited(7);
  second.statistics.waited(3);
  second.unlock();

  const seen = lockStatistics(words, 0);
  assert.deepEqual(
    [seen.acquisitions, seen.contended, seen.waitMicros, seen.longestWaitMicros],
    [3, 2, 10, 7],
    'a lock that was tried in vain is neither acquired nor contended',
  );
  assert.deepEqual([seen.holdMicros, seen.longestHoldMicros], [50, 30]);
});

test('a timed mutex counts how long it is held, another one leaves that to its user', () => {
  const words = sharedWords();
  const mutex = new Mutex(words, 0, 1);
  const spend = () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3);
  mutex.hold(spend);
  assert.equal(mutex.statistics.holdMicros, 0);
  mutex.isTimed = true;
  mutex.hold(spend);
  mutex.hold(spend);
  const { holdMicros, longestHoldMicros } = mutex.statistics;
  assert.ok(longestHoldMicros > 0 && longestHoldMicros < holdMicros);
});

test('who does not hold the lock may not unlock it', () => {
  const words = sharedWords();
  const first = new Mutex(words, 0, 1);
  const second = new Mutex(words, 0, 2);
  assert.throws(() => first.unlock(), assert.AssertionError);
  first.lock();
  assert.throws(() => second.unlock(), assert.AssertionError);
  assert.equal(first.owner(), 1);
  first.unlock();
});

test('threads exclude each other', HANG, async (t) => {
  const words = sharedWords();
  const rounds = 30_000;
  const threads = [1, 2, 3].map((threadNumber) => start(t, { words, threadNumber, role: 'counter', rounds }));
  await Promise.all(threads.map(({ ended }) => ended));
  assert.equal(words[SHARED_COUNTER], 3 * rounds);
  assert.equal(words[SHARED_COLLISIONS], 0);
  const mutex = new Mutex(words, 0, 9);
  assert.deepEqual([mutex.owner(), mutex.hasWaiters(), mutex.tryLock()], [0, false, true]);
  assert.equal(mutex.statistics.acquisitions, 3 * rounds + 1, 'no acquisition is lost');
});

test('a thread gets in although another takes the lock in a loop', HANG, async (t) => {
  const words = sharedWords();
  const hog = start(t, { words, threadNumber: 1, role: 'hog', rounds: 0 });
  await until(() => Atomics.load(words, SHARED_COUNTER) > 0);
  const rounds = 200;
  const patient = start(t, { words, threadNumber: 2, role: 'counter', rounds });
  await patient.ended;
  signal(words);
  await hog.ended;
  assert.equal(words[SHARED_COLLISIONS], 0);
});

test('a sleeping waiter gets the lock, and nobody before it once it starves', HANG, async (t) => {
  const words = sharedWords();
  const mutex = new Mutex(words, 0, 1);
  mutex.lock();
  const holder = start(t, { words, threadNumber: 2, role: 'holder', rounds: 0 });
  await until(() => mutex.hasWaiters());
  // Wakes it in vain until it counts as starving: the mutex is locked all the time.
  const starving = 2;
  await until(() => {
    Atomics.notify(words, 0);
    return Atomics.load(words, starving) === 1;
  });
  assert.equal(mutex.hasWaiters(), true);

  mutex.unlock();
  assert.equal(mutex.tryLock(), false, 'the lock was handed over');
  await until(() => Atomics.load(words, SHARED_HELD) === 1);
  assert.equal(mutex.owner(), 2);
  assert.equal(Atomics.load(words, starving), 0);

  signal(words);
  mutex.lock();
  assert.equal(mutex.owner(), 1);
  mutex.unlock();
  await holder.ended;
  assert.ok(mutex.statistics.contended >= 1);
  assert.ok(mutex.statistics.waitMicros >= mutex.statistics.longestWaitMicros);
  assert.ok(mutex.statistics.longestWaitMicros > 0, 'the holder has slept');
  assert.equal(mutex.hasWaiters(), false);
  assert.equal(mutex.tryLock(), true, 'nothing is left behind');
});

test('many waiters all get their turn', HANG, async (t) => {
  const words = sharedWords();
  const mutex = new Mutex(words, 0, 1);
  mutex.lock();
  const rounds = 500;
  const waiters = [2, 3, 4, 5].map((threadNumber) =>
    start(t, { words, threadNumber, role: 'counter', rounds }),
  );
  await until(() => mutex.hasWaiters());
  mutex.unlock();
  await Promise.all(waiters.map(({ ended }) => ended));
  assert.equal(words[SHARED_COUNTER], 4 * rounds);
  assert.equal(mutex.hasWaiters(), false);
});
