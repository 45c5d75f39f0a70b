/** The worker of a serving thread: it loads its code and waits for its settings (serving-thread.ts). */
import { Worker } from 'node:worker_threads';

export function startServingWorker(): Worker {
  return new Worker(new URL('./serving-thread.js', import.meta.url), {
    name: 'serving',
    // Options of `node` that the caller was started with (--eval, --import, …) are not for this thread.
    execArgv: [],
  });
}
