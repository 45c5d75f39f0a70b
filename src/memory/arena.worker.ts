/** The other thread of arena.test.ts: attaches, and answers what it finds at a reference. */
import { parentPort, workerData } from 'node:worker_threads';
import { Arena } from './arena.ts';
import type { ArenaHandle, Ref } from './arena.ts';
import { getWord, setWord } from './struct.ts';

/** Read the word at `ref`, then write `reply` there. */
export interface ArenaProbe {
  readonly ref: Ref;
  readonly reply: number;
}

const arena = Arena.attach(workerData as ArenaHandle);
parentPort?.on('message', ({ ref, reply }: ArenaProbe) => {
  arena.refresh();
  const found = getWord(arena, ref, 0);
  setWord(arena, ref, 0, reply);
  parentPort?.postMessage({ found, segmentCount: arena.segmentCount });
});
parentPort?.postMessage('attached');
