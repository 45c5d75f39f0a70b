/** A modest differential run; `node dist/test/differential/run.js` does the long ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { availableTransports, epollUnavailableReason, redisSkipReason } from '../support/server-process.ts';
import { describeFinding, runDifferential, type DifferentialOptions } from './differential.ts';
import { shrinkList } from './shrink.ts';

/** All runs together. */
const COMMANDS_MAX = 20_000;

const skip = redisSkipReason();
/** Always the same: the long runs (run.ts) are those that look for something new. */
const seed = 4711;
const transports = availableTransports();
const noEpoll = epollUnavailableReason() ?? false;

for (const io of transports) {
  for (const protocol of [2, 3] as const) {
    test(`random commands answer as in Redis: ${io}, RESP${protocol}`, { skip }, async (t) => {
      t.diagnostic(`seed ${seed}`);
      await assertNoDivergence({
        seed,
        protocol,
        commandCount: COMMANDS_MAX / (2 * transports.length),
        server: { io },
      });
    });
  }
}

for (const args of [[], ['--threads', '2']]) {
  const name = args.length === 0 ? 'a thread each' : 'a pool';
  const server = { io: 'epoll', mode: 'threaded', args } as const;
  test(`8 clients at a time get the answers of Redis: ${name}`, { skip: skip || noEpoll }, async (t) => {
    t.diagnostic(`seed ${seed}`);
    await assertNoDivergence({ seed, protocol: 2, commandCount: 6_000, clientCount: 8, server });
  });
}

for (const server of [{ io: 'epoll' }, { io: 'epoll', mode: 'threaded' }] as const) {
  const name = 'mode' in server ? 'threads' : 'event loop';
  test(`users may do what they may in Redis: ${name}`, { skip: skip || noEpoll }, async (t) => {
    t.diagnostic(`seed ${seed}`);
    await assertNoDivergence({ seed, protocol: 3, commandCount: 5_000, groups: ['acl'], server });
  });
}

test('Redis does not differ from itself, so the comparison forgives what it must', { skip }, async (t) => {
  t.diagnostic(`seed ${seed}`);
  await assertNoDivergence({ seed, protocol: 3, commandCount: 2_000 });
});

test('shrinking keeps what a failure needs and drops the rest', async () => {
  const items = Array.from({ length: 100 }, (_, index) => index);
  const needed = [3, 42, 43, 99];

  const shrunk = await shrinkList(items, async (candidate) =>
    needed.every((item) => candidate.includes(item)),
  );

  assert.deepEqual(shrunk, needed);
});

async function assertNoDivergence(options: DifferentialOptions): Promise<void> {
  const result = await runDifferential(options);
  const report = [...result.findings.map(describeFinding), ...result.crashes].join('\n\n');
  assert.equal(report, '', `replies differ (seed ${options.seed}):\n${report}`);
}
