/** A leaderboard, with ioredis: one sorted set, ranks and neighbours in O(log n). */
import { Redis } from 'ioredis';
import { runIfMain } from './run.ts';

const BOARD = 'leaderboard:2026';

export async function leaderboard(url: string, print: (line: string) => void): Promise<void> {
  const redis = new Redis(url);
  try {
    await redis.del(BOARD);
    await redis.zadd(BOARD, 3100, 'ada', 2950, 'grace', 2400, 'edsger', 2100, 'barbara', 1800, 'donald');

    await redis.zincrby(BOARD, 250, 'grace');
    // A worse result changes nothing.
    await redis.zadd(BOARD, 'GT', 1000, 'ada');

    const top = await redis.zrange(BOARD, 0, 2, 'REV', 'WITHSCORES');
    for (let i = 0; i < top.length; i += 2) print(`${i / 2 + 1}. ${top[i]} ${top[i + 1]}`);

    const rank = await redis.zrevrank(BOARD, 'edsger');
    const neighbours = await redis.zrange(BOARD, Math.max(0, rank! - 1), rank! + 1, 'REV');
    print(`edsger is number ${rank! + 1}, between ${neighbours[0]} and ${neighbours[2]}`);
    print(`${await redis.zcount(BOARD, 2000, '+inf')} players have 2000 points or more`);
  } finally {
    redis.disconnect();
  }
}

await runIfMain(import.meta.url, leaderboard);
