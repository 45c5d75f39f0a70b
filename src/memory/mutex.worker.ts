/** The other threads of mutex.test.ts. */
import { isMainThread, workerData } from 'node:worker_threads';
import { MUTEX_WORDS, Mutex } from './mutex.ts';

/** Words behind the mutex that the threads share. */
export const SHARED_COUNTER = MUTEX_WORDS;
/** Threads inside of the critical section. */
export const SHARED_INSIDE = MUTEX_WORDS + 1;
/** How often there was more than one. */
export const SHARED_COLLISIONS = MUTEX_WORDS + 2;
/** 1 lets threads that wait for a signal go on. */
export const SHARED_SIGNAL = MUTEX_WORDS + 3;
/** 1 when a thread of the role `holder` is inside. */
export const SHARED_HELD = MUTEX_WORDS + 4;
export const SHARED_WORDS = MUTEX_WORDS + 8;

export interface MutexWork {
  readonly words: Int32Array;
  readonly threadNumber: number;
  /**
   * - `counter`: adds 1 to the counter under the lock, `rounds` times.
   * - `hog`: takes the lock again and again until the signal.
   * - `holder`: takes the lock once and keeps it until the signal.
   */
  readonly role: 'counter' | 'hog' | 'holder';
  readonly rounds: number;
}

/** Without atomics: only the lock makes this right. */
function addOne({ words }: MutexWork): void {
  words[SHARED_COUNTER] = words[SHARED_COUNTER]! + 1;
}

function count(mutex: Mutex, work: MutexWork): void {
  const { words, threadNumber, rounds } = work;
  for (let round = 0; round < rounds; round++) {
    mutex.lock();
    if (Atomics.add(words, SHARED_INSIDE, 1) !== 0) Atomics.add(words, SHARED_COLLISIONS, 1);
    if (mutex.owner() !== threadNumber) Atomics.add(words, SHARED_COLLISIONS, 1);
    addOne(work);
    Atomics.sub(words, SHARED_INSIDE, 1);
    mutex.unlock();
  }
}

function hog(mutex: Mutex, work: MutexWork): void {
  do {
    mutex.lock();
    addOne(work);
    mutex.unlock();
  } while (Atomics.load(work.words, SHARED_SIGNAL) === 0);
}

function hold(mutex: Mutex, { words }: MutexWork): void {
  mutex.lock();
  Atomics.store(words, SHARED_HELD, 1);
  Atomics.wait(words, SHARED_SIGNAL, 0);
  mutex.unlock();
}

const ROLES: Record<MutexWork['role'], (mutex: Mutex, work: MutexWork) => void> = {
  counter: count,
  hog,
  holder: hold,
};

// The test imports the names above; only a thread has work.
if (!isMainThread) {
  const work = workerData as MutexWork;
  ROLES[work.role](new Mutex(work.words, 0, work.threadNumber), work);
}
