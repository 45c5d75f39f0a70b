/** Scripts in processes of their own: each gets one job and sends one answer. */
import { fork } from 'node:child_process';
import { basename } from 'node:path';

export interface WorkerProcess<Result> {
  /** Its answer; rejects when it ends without one. */
  readonly result: Promise<Result>;
  readonly pid: number;
  /** Asks it to finish and to answer. */
  readonly finish: () => void;
}

/** Starts a script that gets `job` and sends one answer. */
export function startWorker<Job extends object, Result>(script: URL, job: Job): WorkerProcess<Result> {
  const child = fork(script, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const result = new Promise<Result>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Result));
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(new Error(`${basename(script.pathname)} ended with ${code} before it answered`)),
    );
  });
  // It may fail long before anyone awaits it; the failure is reported there.
  result.catch(() => undefined);
  child.send(job);
  return {
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

/** Ends the worker with its answer. */
export function workerAnswer(result: object): void {
  process.send?.(result, () => process.exit(0));
}
