/** The examples: what each prints, on every server. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { cache } from '../examples/cache.ts';
import { chat } from '../examples/chat.ts';
import { jobQueue } from '../examples/job-queue.ts';
import { leaderboard } from '../examples/leaderboard.ts';
import { rateLimiter } from '../examples/rate-limiter.ts';
import type { Example } from '../examples/run.ts';
import { sessions } from '../examples/sessions.ts';
import { streamWorkers } from '../examples/stream-workers.ts';
import { onEveryServer } from './support/implementations.ts';

const EXAMPLES: readonly (readonly [name: string, example: Example, lines: readonly RegExp[]])[] = [
  [
    'sessions',
    sessions,
    [
      /^alice \(editor\) has seen 3 pages, last \/articles\/42$/,
      /^the session ends in 1(800|799) seconds$/,
      /^after the logout: \{\}$/,
    ],
  ],
  [
    'leaderboard',
    leaderboard,
    [
      /^1\. grace 3200$/,
      /^2\. ada 3100$/,
      /^3\. edsger 2400$/,
      /^edsger is number 3, between ada and barbara$/,
      /^4 players have 2000 points or more$/,
    ],
  ],
  [
    'job queue',
    jobQueue,
    [
      /^recovered from worker-1: 1$/,
      /^done: resize:0, resize:1, resize:2, resize:3, resize:4, resize:5, resize:6$/,
      /^left: 0$/,
    ],
  ],
  [
    'stream workers',
    streamWorkers,
    [
      /^worker-1 has sent to user1, and died with user2$/,
      /^worker-2 has sent to user3, user4, user5, user6$/,
      /^worker-2 claims user2$/,
      /^pending: 0, events in the log: 6$/,
    ],
  ],
  [
    'rate limiter',
    rateLimiter,
    [
      /^alice, once a second: yes yes yes yes yes no no$/,
      /^bob at the same time: yes$/,
      /^alice when the first requests are out of the window: yes$/,
    ],
  ],
  [
    'cache',
    cache,
    [/^100 reads: 1 from the server, 99 from the cache; the price is 30$/, /^after the change: 35$/],
  ],
  [
    'chat',
    chat,
    [
      /^the first message went to 3 listeners$/,
      /^alice heard room:tea: the kettle is on \| room:news: rain tomorrow$/,
      /^bob heard room:tea: the kettle is on$/,
      /^moderator heard room:tea: the kettle is on \| room:news: rain tomorrow \| room:end: good night$/,
    ],
  ],
];

describe('examples', () => {
  for (const [name, example, lines] of EXAMPLES) {
    onEveryServer(name, async (server) => {
      const printed: string[] = [];
      await example(`redis://127.0.0.1:${server.port}`, (line) => printed.push(line));
      assert.equal(printed.length, lines.length, printed.join('\n'));
      for (const [index, line] of lines.entries()) assert.match(printed[index]!, line);
    });
  }
});
