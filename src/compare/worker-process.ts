/** Scripts in processes of their own: each gets one job and sends one answer. */
import { fork } from 'node:child_process';
import { basename } from 'node:path';

/** What a worker says when it has set up what it needs, if it says so at all. */
const READY = 'ready';

export interface WorkerProcess<Result> {
  /** Resolves when the worker has called `workerReady`; rejects when it ends before. */
  readonly ready: Promise<void>;
  /** Its answer; rejects when it ends without one. */
  readonly result: Promise<Result>;
  readonly pid: number;
  /** Asks it to finish and to answer. */
  readonly finish: () => void;
}

/** Starts a script that gets `job` and sends one answer. */
export function startWorker<Job extends object, Result>(script: URL, job: Job): WorkerProcess<Result> {
  const child = fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const next = <T>(isMeant: (message: unknown) => boolean): Promise<T> => {
    const promise = new Promise<T>((resolve, reject) => {
      child.on('message', (message) => isMeant(message) && resolve(message as T));
      child.once('error', reject);
      child.once('exit', (code) =>
        reject(new Error(`${basename(script.pathname)} ended with ${code} before it answered`)),
      );
    });
    // It may fail long before anyone awaits it, or be awaited never; the failure is reported where it is.
    promise.catch(() => undefined);
    return promise;
  };
  const ready = next<void>((message) => message === READY);
  const result = next<Result>((message) => message !== READY);
  child.send(job);
  return {
    ready,
    result,
    pid: child.pid ?? 0,
    finish: () => {
      if (child.connected) child.send('finish');
    },
  };
}

/** The worker's side of `startWorker`. */
export function workerJob<Job>(): Promise<{ readonly job: Job; readonly finished: Promise<void> }> {
  process.once('disconnect', () => process.exit(1));
  return new Promise((resolve) => {
    process.once('message', (job) => {
      const finished = new Promise<void>((done) => process.once('message', () => done()));
      resolve({ job: job as Job, finished });
    });
  });
}

/** Says that the worker has set up what it needs. */
export function workerReady(): void {
  process.send?.(READY);
}

/** Ends the worker with its answer. */
export function workerAnswer(result: object): void {
  process.send?.(result, () => process.exit(0));
}
