/** The worker of the status page, where one is wanted; status-thread.ts is what it runs. */
import { Worker } from 'node:worker_threads';
import type { Config } from '../config/config.ts';
import { endWhenStuck } from '../servers/serving-worker.ts';

/**
 * What starts the worker, or undefined when `metrics-port` is 0.
 * @param channelName (of what it returns) where new memory is announced
 */
export function statusWorkerStarter({ values }: Config): ((channelName: string) => Worker) | undefined {
  if (values['metrics-port'] === 0) return undefined;
  return (channelName) => {
    const worker = new Worker(new URL('./status-thread.js', import.meta.url), {
      name: 'status',
      workerData: channelName,
      execArgv: [],
    });
    endWhenStuck(worker);
    return worker;
  };
}
