/** Some hundred concurrent histories on every kind of server; `npm run linearizability` runs many more. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { SeededRandom } from '../support/seeded-random.ts';
import { infoField } from '../support/server-info.ts';
import {
  epollUnavailableReason,
  redisSkipReason,
  startRedis,
  startServer,
  type ServerOptions,
  type ServerProcess,
} from '../support/server-process.ts';
import { runHistories } from './runner.ts';

const HISTORIES = 300;

const SERVERS: readonly ServerOptions[] = [
  { io: 'epoll' },
  { io: 'node' },
  { io: 'epoll', mode: 'threaded' },
  { io: 'epoll', mode: 'threaded', args: ['--threads=2'] },
];

for (const options of SERVERS) {
  const { io, mode = 'eventloop', args = [] } = options;
  const name = [mode, io, ...args].join(' ');
  const skip = (io === 'epoll' && epollUnavailableReason()) || false;
  test(`concurrent histories are linearizable [${name}]`, { skip }, async (context) => {
    const server = await startServer(options);
    context.after(() => server.stop());
    await judge(server, context);

    const client = await server.connect();
    const count = async (field: string) => Number(await infoField(client, field));
    const acquisitions = await count('lock_acquisitions');
    const holdMicros = await count('lock_hold_usec');
    assert.ok(acquisitions > HISTORIES, `the lock was taken ${acquisitions} times`);
    assert.ok(holdMicros > 0 && holdMicros >= (await count('lock_longest_hold_usec')));
    assert.ok((await count('lock_wait_usec')) >= (await count('lock_longest_wait_usec')));
    await client.command('CONFIG', 'RESETSTAT');
    assert.ok((await count('lock_acquisitions')) < acquisitions);
    client.close();
  });
}

test('the real Redis passes too: it judges the judge', { skip: redisSkipReason() }, async (context) => {
  const server = await startRedis();
  context.after(() => server.stop());
  await judge(server, context);
});

async function judge({ address }: ServerProcess, context: TestContext): Promise<void> {
  const seed = SeededRandom.newSeed();
  context.diagnostic(`seed ${seed}`);
  const { historyCount, failure } = await runHistories({ address, seed, historyCount: HISTORIES });
  assert.equal(failure, undefined);
  assert.equal(historyCount, HISTORIES);
}
