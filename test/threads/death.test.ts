/** Threads that die: of an error in the middle of a command, and outside of one. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { createServer } from 'redis-clone-ts';
import { forEachTransport } from '../support/implementations.ts';
import { APPEND_ONLY, directoryFor, kill, startOn } from '../support/persistent-server.ts';
import { RespClient } from '../support/resp-client.ts';
import { epollUnavailableReason } from '../support/server-process.ts';
import { infoField } from '../support/server-info.ts';
import { waitUntil } from '../support/wait-until.ts';

const CLIENTS = 4;

forEachTransport(
  'an error inside the critical section ends the server; what it acknowledged is there again',
  async (implementation, context) => {
    const directory = directoryFor(context);
    const args = [...APPEND_ONLY, '--enable-debug-command', 'yes'];
    const server = await startOn(context, implementation, directory, args);
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => server.connect()));
    const counts = await Promise.all(
      clients.map(async (client, index) => {
        let acknowledged = 0;
        for (; ; acknowledged++) {
          if (index === 0 && acknowledged === 100) client.send('DEBUG', 'PANIC');
          else client.send('INCR', `counter:${index}`);
          const reply = await client.readReply().catch(() => undefined);
          if (reply === undefined) return acknowledged;
        }
      }),
    );
    for (const client of clients) client.close();

    assert.deepEqual(await server.exited, { code: 1, signal: null });
    assert.match(server.output(), /DEBUG PANIC/);
    assert.match(server.output(), /died inside the critical section; the server stops/);
    checkReport(server.output());

    const next = await startOn(context, implementation, directory, args);
    const client = await next.connect();
    for (const [index, acknowledged] of counts.entries()) {
      const found = Number.parseInt((await client.text('GET', `counter:${index}`)).slice(1), 10) || 0;
      // The last command may have been done without its reply.
      assert.ok(found === acknowledged || found === acknowledged + 1, `${found} of ${acknowledged}`);
    }
    assert.equal(await client.text('DEBUG', 'CHECK-INVARIANTS'), '+OK');
    client.close();
    await kill(next);
  },
);

/** The crash report, in the order of Redis. */
function checkReport(output: string): void {
  const report = /=== REDIS BUG REPORT START[^]*REDIS BUG REPORT END/.exec(output)?.[0] ?? '';
  assert.match(report, /Guru Meditation: Error: DEBUG PANIC #debug\.ts:\d+\n/);
  assert.match(report, /STACK TRACE ------\n\nBacktrace:\nError: DEBUG PANIC\n {4}at /);
  assert.match(report, /INFO OUTPUT ------\n# Server\r\n[^]*# Keyspace\r\ndb0:keys=\d/);
  assert.match(report, /CLIENT LIST OUTPUT ------\nid=\d+ addr=.*\n/);
  assert.match(
    report,
    /CURRENT CLIENT INFO ------\nid=.*\ncmd: debug\nargc: 2\nargv\[0\]: "DEBUG"\nargv\[1\]: 5 bytes\n/,
  );
}

test(
  'a client thread that ends takes its client with it and nothing else',
  { skip: epollUnavailableReason() ?? false },
  async (context) => {
    const workers: Worker[] = [];
    const onWorker = (worker: Worker) => void workers.push(worker);
    process.on('worker', onWorker);
    const server = await createServer({ port: 0, io: 'epoll', mode: 'threaded', logfile: '/dev/null' });
    context.after(async () => {
      process.removeListener('worker', onWorker);
      await server.close();
    });
    const survivor = await RespClient.connect({ port: server.port });
    assert.equal(await survivor.text('SET', 'key', 'value'), '+OK');
    const started = workers.length;
    const victim = await RespClient.connect({ port: server.port });
    assert.equal(await victim.text('WATCH', 'key'), '+OK');
    assert.equal(await victim.text('CLIENT', 'SETNAME', 'victim'), '+OK');
    assert.equal(workers.length, started + 1, 'it has a thread of its own');
    const before = descriptorsOpen();

    await workers.at(-1)!.terminate();

    assert.equal((await victim.readUntilClose()).toString(), '');
    await waitUntil(
      'it is not counted any more',
      async () => (await infoField(survivor, 'connected_clients')) === '1',
    );
    assert.equal(await survivor.text('SET', 'key', 'new'), '+OK');
    victim.close();
    const next = await RespClient.connect({ port: server.port });
    assert.equal(await next.text('GET', 'key'), '"new"');
    assert.equal(workers.length, started + 2, 'a new thread has taken its place');
    await waitUntil('what the dead thread had open is closed', () => descriptorsOpen() <= before);
    for (const client of [survivor, next]) client.close();
  },
);

function descriptorsOpen(): number {
  return readdirSync('/proc/self/fd').length;
}
