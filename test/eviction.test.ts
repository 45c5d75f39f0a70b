/** `maxmemory` on running servers: who goes, who is refused, who hears of it, and how far memory rises. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  forEachTransport,
  IMPLEMENTATIONS,
  onEveryImplementation,
  startFor,
} from './support/implementations.ts';
import { APPEND_ONLY, directoryFor, kill, rewriteDone, startOn } from './support/persistent-server.ts';
import { encodeCommand, type RespClient } from './support/resp-client.ts';
import { infoField } from './support/server-info.ts';
import { waitUntil } from './support/wait-until.ts';

const MEGABYTE = 1024 * 1024;
const ROOM_BYTES = 4 * MEGABYTE;
const VALUE = 'v'.repeat(1000);
const OUT_OF_MEMORY = "-OOM command not allowed when used memory > 'maxmemory'.";

/** Gives the server room for about 4 MB of data. */
async function limitMemory(client: RespClient, policy: string): Promise<number> {
  const limit = Number(await infoField(client, 'used_memory')) + ROOM_BYTES;
  assert.equal(
    await client.text('CONFIG', 'SET', 'maxmemory', String(limit), 'maxmemory-policy', policy),
    '+OK',
  );
  return limit;
}

/** Sets keys, and returns the first reply that is not OK. */
async function setKeys(client: RespClient, count: number, ...options: string[]): Promise<string> {
  let firstOther = '+OK';
  for (let start = 0; start < count; start += 500) {
    const batch = Array.from({ length: Math.min(500, count - start) }, (_, i) => `key:${start + i}`);
    client.write(Buffer.concat(batch.map((key) => encodeCommand(['SET', key, VALUE, ...options]))));
    for (const _ of batch) {
      const reply = await client.readReply();
      if (reply.kind === 'scalar' && reply.tag === '-' && firstOther === '+OK')
        firstOther = `-${reply.bytes.toString()}`;
    }
  }
  return firstOther;
}

async function countedBytes(client: RespClient): Promise<number> {
  const used = Number(await infoField(client, 'used_memory'));
  return used - Number(await infoField(client, 'mem_not_counted_for_evict'));
}

async function evictedKeys(client: RespClient): Promise<number> {
  return Number(await infoField(client, 'evicted_keys'));
}

describe('maxmemory', () => {
  for (const policy of ['allkeys-lru', 'allkeys-lfu', 'allkeys-random', 'volatile-lru', 'volatile-ttl']) {
    onEveryImplementation(
      `${policy} makes room and stays within the limit`,
      async (implementation, context) => {
        const server = await startFor(context, implementation);
        const client = await server.connect();
        const limit = await limitMemory(client, policy);
        const expiry = policy.startsWith('volatile') ? ['EX', '1000'] : [];

        let peak = 0;
        for (let round = 0; round < 8; round++) {
          assert.equal(await setKeys(client, 2000, ...expiry), '+OK');
          // Redis counts what clients have sent.
          if (implementation.variant !== undefined) peak = Math.max(peak, await countedBytes(client));
          assert.equal(await client.text('CONFIG', 'SET', 'hz', String(10 + round)), '+OK');
          for (let i = 0; i < 500; i++) client.send('RENAME', `key:${i}`, `round:${round}:${i}`);
          for (let i = 0; i < 500; i++) await client.readReply();
        }
        assert.ok(peak <= limit * 1.01, `${peak} bytes of ${limit}`);
        assert.ok((await evictedKeys(client)) > 0);
        assert.equal(await infoField(client, 'current_eviction_exceeded_time'), '0');
        client.close();
      },
    );
  }

  onEveryImplementation('refuses what takes memory when nothing may go', async (implementation, context) => {
    const server = await startFor(context, implementation);
    const client = await server.connect();
    await limitMemory(client, 'volatile-lru');
    assert.equal(await client.text('RPUSH', 'list', 'a', 'b'), ':2');
    assert.equal(await setKeys(client, 8000), OUT_OF_MEMORY);
    assert.equal(await evictedKeys(client), 0);
    // Buffers, and tables that grow, come and go: from here on there is far too little room.
    assert.equal(await client.text('CONFIG', 'SET', 'maxmemory', '1mb'), '+OK');

    assert.equal(await client.text('SET', 'k', 'v'), OUT_OF_MEMORY);
    assert.equal(await client.text('STRLEN', 'key:0'), ':1000');
    assert.equal(await client.text('LPOP', 'list'), '"a"');
    assert.equal(await client.text('MULTI'), '+OK');
    assert.equal(await client.text('GET', 'key:0'), OUT_OF_MEMORY);
    assert.equal(await client.text('EXEC'), '-EXECABORT Transaction discarded because of previous errors.');
    assert.equal(await client.text('MULTI'), '+OK');
    assert.equal(await client.text('DISCARD'), '+OK');
    await waitUntil(
      'the time above the limit is told',
      async () => Number(await infoField(client, 'current_eviction_exceeded_time')) > 0,
    );

    // With room, or a policy that may take something, all goes on.
    assert.equal(await client.text('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru'), '+OK');
    await waitUntil('writes are taken', async () => (await client.text('SET', 'k', 'v')) === '+OK');
    assert.ok((await evictedKeys(client)) > 0);
    assert.ok(Number(await infoField(client, 'total_eviction_exceeded_time')) >= 0);
    client.close();
  });

  onEveryImplementation('a lower limit takes effect without a command', async (implementation, context) => {
    const server = await startFor(context, implementation);
    const client = await server.connect();
    const before = Number(await infoField(client, 'used_memory'));
    assert.equal(await setKeys(client, 4000), '+OK');
    const limit = before + MEGABYTE;
    assert.equal(
      await client.text('CONFIG', 'SET', 'maxmemory', String(limit), 'maxmemory-policy', 'allkeys-random'),
      '+OK',
    );
    await waitUntil('keys have gone', async () => (await countedBytes(client)) <= limit);
    assert.match(server.output(), /the new maxmemory value set via CONFIG SET \(\d+\) is smaller than/);
    client.close();
  });

  onEveryImplementation('everybody hears of a key that goes', async (implementation, context) => {
    const server = await startFor(context, implementation, { args: ['--notify-keyspace-events', 'Ee'] });
    const client = await server.connect();
    const listener = await server.connect();
    const tracker = await server.connect();
    const watcher = await server.connect();
    assert.equal(await client.text('SET', 'old', 'v', 'EX', '1000'), '+OK');
    await listener.command('SUBSCRIBE', '__keyevent@0__:evicted');
    await tracker.command('HELLO', '3');
    assert.equal(await tracker.text('CLIENT', 'TRACKING', 'ON'), '+OK');
    assert.equal(await tracker.text('GET', 'old'), '"v"');
    assert.equal(await watcher.text('WATCH', 'old'), '+OK');
    assert.equal(await watcher.text('MULTI'), '+OK');
    assert.equal(await watcher.text('PING'), '+QUEUED');

    await limitMemory(client, 'volatile-ttl');
    await setKeys(client, 8000);

    const message = await listener.readReply();
    assert.ok(message.kind === 'aggregate' && message.items.length === 3);
    const last = message.items[2];
    assert.ok(last?.kind === 'scalar' && last.bytes.toString() === 'old');
    const invalidation = await tracker.readReply();
    assert.ok(invalidation.kind === 'aggregate' && invalidation.tag === '>');
    const reply = await watcher.command('EXEC');
    assert.equal(reply.kind, 'null');
    for (const one of [client, listener, tracker, watcher]) one.close();
  });
});

for (const implementation of IMPLEMENTATIONS.filter(({ variant }) => variant?.mode === 'eventloop')) {
  const { name, skip } = implementation;
  test(
    `evicted keys are gone after a restart, and from a rewritten log [${name}]`,
    { skip },
    async (context) => {
      const directory = directoryFor(context);
      const server = await startOn(context, implementation, directory, [
        ...APPEND_ONLY,
        '--appendfsync',
        'no',
      ]);
      const client = await server.connect();
      await limitMemory(client, 'allkeys-lru');
      assert.equal(await setKeys(client, 6000), '+OK');
      assert.equal(await client.text('BGREWRITEAOF'), '+Background append only file rewriting started');
      // What a snapshot is handed of keys that go must not make others go.
      assert.equal(await setKeys(client, 3000), '+OK');
      await rewriteDone(client);
      assert.equal(await client.text('CONFIG', 'SET', 'maxmemory', '0', 'appendfsync', 'always'), '+OK');
      const keyCount = Number((await client.text('DBSIZE')).slice(1));
      assert.ok(keyCount > 2500, `${keyCount} keys are left`);
      const digest = await client.text('DEBUG', 'DIGEST');
      client.close();
      await kill(server);

      const again = await startOn(context, implementation, directory);
      const reader = await again.connect();
      assert.equal(await reader.text('DEBUG', 'DIGEST'), digest);
      reader.close();
    },
  );
}

forEachTransport('lazyfree directives say what is freed later', async (implementation, context) => {
  const server = await startFor(context, implementation);
  const client = await server.connect();
  const members = Array.from({ length: 200 }, (_, i) => `member ${i}`);
  const freed = async () => Number(await infoField(client, 'lazyfreed_objects'));
  const add = () => client.command('SADD', 'set', ...members);

  await add();
  await client.command('DEL', 'set');
  await add();
  await client.command('SET', 'set', 'v');
  await add().catch(() => undefined);
  assert.equal(await freed(), 0);

  await client.command('DEL', 'set');
  await add();
  await client.command('UNLINK', 'set');
  await waitUntil('UNLINK is counted', async () => (await freed()) === 1);
  await client.command('CONFIG', 'SET', 'lazyfree-lazy-user-del', 'yes', 'lazyfree-lazy-server-del', 'yes');
  await add();
  await client.command('DEL', 'set');
  await waitUntil('DEL is counted', async () => (await freed()) === 2);
  await add();
  await client.command('SET', 'set', 'v');
  await waitUntil('SET is counted', async () => (await freed()) === 3);
  await client.command('CONFIG', 'SET', 'lazyfree-lazy-expire', 'yes');
  await client.command('DEL', 'set');
  await add();
  await client.command('PEXPIRE', 'set', '1');
  await waitUntil('the end of its time is counted', async () => (await freed()) === 4);
  client.close();
});
