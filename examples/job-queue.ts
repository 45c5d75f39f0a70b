/**
 * A job queue that loses nothing, with ioredis: a worker moves a job to its own list while it works on it
 * (BLMOVE), so a job of a worker that died can be found and given back.
 */
import { Redis } from 'ioredis';
import { runIfMain } from './run.ts';

const WAITING = 'jobs:waiting';
const STOP = 'stop';

export async function jobQueue(url: string, print: (line: string) => void): Promise<void> {
  const redis = new Redis(url);
  const done: string[] = [];
  try {
    await redis.del(WAITING, busyList('worker-1'), busyList('worker-2'));

    // A worker that takes a job and dies.
    await redis.lpush(WAITING, 'resize:0');
    await redis.lmove(WAITING, busyList('worker-1'), 'RIGHT', 'LEFT');
    const recovered = await giveBack(redis, 'worker-1');
    print(`recovered from worker-1: ${recovered}`);

    const workers = ['worker-1', 'worker-2'].map((name) => work(url, name, done));
    for (let i = 1; i <= 6; i++) await redis.lpush(WAITING, `resize:${i}`);
    for (const _ of workers) await redis.lpush(WAITING, STOP);
    await Promise.all(workers);

    print(`done: ${done.toSorted().join(', ')}`);
    print(`left: ${await redis.llen(WAITING)}`);
  } finally {
    redis.disconnect();
  }
}

function busyList(worker: string): string {
  return `jobs:busy:${worker}`;
}

/** Puts back what the worker had taken when it died; oldest first again. */
async function giveBack(redis: Redis, worker: string): Promise<number> {
  let count = 0;
  while ((await redis.lmove(busyList(worker), WAITING, 'LEFT', 'RIGHT')) !== null) count++;
  return count;
}

async function work(url: string, name: string, done: string[]): Promise<void> {
  // A connection of its own: it is of no use to others while it waits.
  const redis = new Redis(url);
  try {
    for (;;) {
      const job = await redis.blmove(WAITING, busyList(name), 'RIGHT', 'LEFT', 0);
      if (job !== STOP) done.push(job!);
      await redis.lrem(busyList(name), 1, job!);
      if (job === STOP) return;
    }
  } finally {
    redis.disconnect();
  }
}

await runIfMain(import.meta.url, jobQueue);
