/** The worker of a serving thread: it loads its code and waits for its settings (serving-thread.ts). */
import { Worker } from 'node:worker_threads';
import type { ServingReport } from './serving-thread.ts';

/**
 * A serving thread leaves almost nothing to the collector: the data is in the arena, and what a wake-up needs
 * is used again. New objects get three times 1 MiB, which stays in the processor's cache; by default V8 lets
 * them grow to three times 16 MiB, and they would as a large data set is loaded.
 */
const YOUNG_GENERATION_MEBIBYTES_MAX = 3;

/** A thread that dies may take so long over its crash report, which walks what may be broken. */
const CRASH_REPORT_MILLIS_MAX = 5000;

/** @param channelName for a thread that joins a running server: where new memory is announced */
export function startServingWorker(channelName?: string): Worker {
  const worker = new Worker(new URL('./serving-thread.js', import.meta.url), {
    name: 'serving',
    workerData: channelName,
    // Options of `node` that the caller was started with (--eval, --import, …) are not for this thread.
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MEBIBYTES_MAX },
  });
  endWhenStuck(worker);
  return worker;
}

/** Ends a serving thread whose crash report takes too long. */
export function endWhenStuck(worker: Worker): void {
  worker.on('message', ({ kind }: ServingReport) => {
    if (kind === 'crashing') setTimeout(() => void worker.terminate(), CRASH_REPORT_MILLIS_MAX).unref();
  });
}
