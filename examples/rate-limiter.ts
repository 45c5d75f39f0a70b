/**
 * A rate limiter with a sliding window, with ioredis: a sorted set of the times of the last requests, looked at
 * and changed in one transaction.
 */
import { Redis } from 'ioredis';
import { runIfMain } from './run.ts';

const REQUESTS_MAX = 5;
const WINDOW_MILLIS = 10_000;

export async function rateLimiter(url: string, print: (line: string) => void): Promise<void> {
  const redis = new Redis(url);
  try {
    await redis.del('rate:alice', 'rate:bob');
    const start = 1_800_000_000_000;
    const outcomes: string[] = [];
    for (let i = 0; i < 7; i++) outcomes.push(await ask(redis, 'alice', start + i * 1000));
    print(`alice, once a second: ${outcomes.join(' ')}`);
    print(`bob at the same time: ${await ask(redis, 'bob', start + 6000)}`);
    print(
      `alice when the first requests are out of the window: ${await ask(redis, 'alice', start + 12_000)}`,
    );
  } finally {
    redis.disconnect();
  }
}

let requestCount = 0;

/** Whether the user may have another request at that time, Unix time in ms. */
async function ask(redis: Redis, user: string, now: number): Promise<'yes' | 'no'> {
  const key = `rate:${user}`;
  const member = `${now}:${requestCount++}`;
  const replies = await redis
    .multi()
    .zremrangebyscore(key, '-inf', now - WINDOW_MILLIS)
    .zadd(key, now, member)
    .zcard(key)
    .pexpire(key, WINDOW_MILLIS)
    .exec();
  const count = Number(replies![2]![1]);
  if (count <= REQUESTS_MAX) return 'yes';
  // What was refused does not count against later requests.
  await redis.zrem(key, member);
  return 'no';
}

await runIfMain(import.meta.url, rateLimiter);
