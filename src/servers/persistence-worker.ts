/** The worker of the persistence thread: it listens for new memory and waits for its settings. */
import { Worker } from 'node:worker_threads';

/** @param channelName where new segments are announced (Arena.subscribe) */
export function startPersistenceWorker(channelName: string): Worker {
  return new Worker(new URL('./persistence-thread.js', import.meta.url), {
    name: 'persistence',
    workerData: channelName,
    execArgv: [],
  });
}
