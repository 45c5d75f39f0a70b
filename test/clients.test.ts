/** Programs and libraries that people use with Redis, unchanged. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { describe } from 'node:test';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { onEveryServer, type Implementation } from './support/implementations.ts';
import { redisSkipReason, type ServerProcess } from './support/server-process.ts';

const run = promisify(execFile);
const hasRedisTools = redisSkipReason() === false;

describe('redis-cli', { skip: !hasRedisTools && 'redis-cli comes with redis-server' }, () => {
  onEveryServer('runs single commands', async (server) => {
    assert.equal(await redisCli(server, ['SET', 'cli', 'a b']), 'OK\n');
    assert.equal(await redisCli(server, ['GET', 'cli']), 'a b\n');
    assert.equal(await redisCli(server, ['--no-raw', 'GET', 'cli']), '"a b"\n');
    assert.equal(await redisCli(server, ['--no-raw', 'GET', 'missing']), '(nil)\n');
    assert.equal(await redisCli(server, ['--no-raw', 'STRLEN', 'cli']), '(integer) 3\n');
    assert.match(
      await redisCli(server, ['-3', '--no-raw', 'CONFIG', 'GET', 'port']),
      /^1# "port" => "\d+"\n$/,
    );
    assert.equal(await redisCli(server, ['-n', '3', 'DBSIZE']), '0\n');
    assert.equal(
      await redisCli(server, ['FOO']),
      "ERR unknown command 'FOO', with args beginning with: \n\n",
    );
  });

  onEveryServer('reads commands from standard input', async (server) => {
    const output = await redisCli(
      server,
      [],
      'SET k "hello world"\nAPPEND k !\nGET k\nMULTI\nINCR n\nEXEC\nDEL k n\n',
    );
    assert.equal(output, 'OK\n12\nhello world!\nOK\nQUEUED\n1\n2\n');
  });

  onEveryServer('shows help from COMMAND DOCS and takes its value from -x', async (server) => {
    assert.equal(await redisCli(server, ['-x', 'SET', 'from-input'], 'binary\0value'), 'OK\n');
    assert.equal(await redisCli(server, ['STRLEN', 'from-input']), '12\n');
    assert.match(await redisCli(server, ['INFO', 'server']), /redis_version:7\.0\.15/);
  });

  onEveryServer('scans, pipes and repeats', async (server) => {
    const names = Array.from({ length: 500 }, (_, index) => `scan:${index}`);
    const lines = names.map((name) => `SET ${name} ${name}\r\n`).join('');
    assert.match(await redisCli(server, ['--pipe'], lines), /errors: 0, replies: 500/);
    const scanned = await redisCli(server, ['--scan', '--pattern', 'scan:*']);
    assert.deepEqual(scanned.trim().split('\n').sort(), [...names].sort());
    assert.equal(await redisCli(server, ['-r', '3', 'INCR', 'repeated']), '1\n2\n3\n');
    await redisCli(server, ['FLUSHALL']);
  });
});

/**
 * Requests of one run of redis-benchmark: enough to cross every buffer, few enough to end at once. They are
 * whole pipelines: when it has sent more than it was told, it may take its own end for that of the server.
 */
const REQUESTS = 2_048;
/** Without a pipeline each is a turn of its own. */
const REQUESTS_ONE_BY_ONE = 500;
/** MSET sends ten values at a time. */
const REQUESTS_OF_BIG_VALUES = 384;
const BIG_VALUE_BYTES = 65_536;
/** redis-benchmark has a pipeline of each client in memory: 128 times ten values are 84 MB. */
const CLIENTS_OF_BIG_VALUES = 4;
/** Where each client takes a thread, more would only show how long it takes to start one. */
const CLIENTS_WITH_THREADS_MAX = 8;

describe('redis-benchmark', { skip: !hasRedisTools && 'redis-benchmark comes with redis-server' }, () => {
  for (const pipeline of [1, 16, 128]) {
    for (const clients of [1, 50]) {
      onEveryServer(`-P ${pipeline} -c ${clients}`, (server, _, implementation) =>
        benchmark(server, { pipeline, clients: clientsFor(implementation, clients), valueBytes: 3 }),
      );
    }
    for (const valueBytes of [1024, BIG_VALUE_BYTES]) {
      const clients = valueBytes === BIG_VALUE_BYTES ? CLIENTS_OF_BIG_VALUES : 50;
      onEveryServer(`-P ${pipeline} -d ${valueBytes}`, (server, _, implementation) =>
        benchmark(server, { pipeline, clients: clientsFor(implementation, clients), valueBytes }),
      );
    }
  }

  onEveryServer('-c 1000', async (server, context, { isThreadPerClient }) => {
    if (isThreadPerClient) return context.skip('1000 threads take more memory than a test may');
    await benchmark(server, { pipeline: 16, clients: 1000, valueBytes: 3 });
  });
});

describe('ioredis', () => {
  onEveryServer('commands, pipelines and transactions', async (server) => {
    const redis = new Redis({ port: server.port, lazyConnect: true, maxRetriesPerRequest: 0 });
    await redis.connect();

    assert.equal(await redis.set('k', 'v', 'EX', 100), 'OK');
    assert.equal(await redis.get('k'), 'v');
    assert.equal(await redis.ttl('k'), 100);
    assert.deepEqual(await redis.getBuffer('k'), Buffer.from('v'));
    assert.deepEqual(await redis.mget('k', 'missing'), ['v', null]);
    assert.deepEqual(await redis.pipeline().set('n', 1).incr('n').get('n').exec(), [
      [null, 'OK'],
      [null, 2],
      [null, '2'],
    ]);
    assert.deepEqual(await redis.multi().incr('n').del('n').exec(), [
      [null, 3],
      [null, 1],
    ]);
    await assert.rejects(redis.call('NOSUCH'), /ERR unknown command/);

    await redis.mset(Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`s:${index}`, 'x'])));
    const scanned = new Set<string>();
    for await (const batch of redis.scanStream({ match: 's:*' }))
      for (const key of batch as string[]) scanned.add(key);
    assert.equal(scanned.size, 100);
    assert.match(await redis.info('server'), /redis_version/);
    assert.equal(await redis.flushdb(), 'OK');
    await redis.quit();
  });

  onEveryServer('500 calls at a time on one connection', async (server) => {
    const redis = new Redis({ port: server.port, lazyConnect: true, enableAutoPipelining: true });
    await redis.connect();
    const values = await Promise.all(Array.from({ length: 500 }, () => redis.incr('shared')));
    assert.deepEqual(
      values.toSorted((left, right) => left - right),
      Array.from({ length: 500 }, (_, index) => index + 1),
    );
    await redis.del('shared');
    redis.disconnect();
  });
});

describe('node-redis', () => {
  for (const protocol of [2, 3] as const) {
    onEveryServer(`commands, transactions and scans over RESP${protocol}`, async (server) => {
      const client = createClient({
        RESP: protocol,
        socket: { port: server.port, reconnectStrategy: false },
      });
      await client.connect();

      assert.equal(await client.set('k', 'v', { expiration: { type: 'EX', value: 100 } }), 'OK');
      assert.equal(await client.get('k'), 'v');
      assert.equal(await client.ttl('k'), 100);
      assert.equal(await client.get('missing'), null);
      assert.deepEqual(await client.mGet(['k', 'missing']), ['v', null]);
      assert.deepEqual(await client.multi().set('n', '1').incr('n').get('n').exec(), ['OK', 2, '2']);
      assert.equal(Number(await client.incrByFloat('f', 1.5)), 1.5);
      assert.equal((await client.configGet('maxclients'))['maxclients'], '10000');
      await assert.rejects(client.sendCommand(['NOSUCH']), /ERR unknown command/);

      await Promise.all(Array.from({ length: 100 }, (_, index) => client.set(`s:${index}`, 'x')));
      const scanned = new Set<string>();
      for await (const batch of client.scanIterator({ MATCH: 's:*' }))
        for (const key of batch) scanned.add(key);
      assert.equal(scanned.size, 100);

      await client.clientSetName('tester');
      assert.equal(await client.clientGetName(), 'tester');
      await client.flushDb();
      await client.close();
    });

    onEveryServer(`an optimistic transaction over RESP${protocol}`, async (server) => {
      const client = createClient({
        RESP: protocol,
        socket: { port: server.port, reconnectStrategy: false },
      });
      const other = client.duplicate();
      await Promise.all([client.connect(), other.connect()]);

      await client.watch('balance');
      await other.set('balance', '1');
      await assert.rejects(client.multi().set('balance', '2').exec(), /watched/i);

      assert.equal(await client.getDel('balance'), '1');
      await Promise.all([client.close(), other.close()]);
    });
  }
});

async function redisCli(server: ServerProcess, args: readonly string[], input = ''): Promise<string> {
  const child = spawn('redis-cli', ['-p', String(server.port), ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  // A redis-cli with a command on its command line may end without reading.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  await new Promise((resolve) => child.once('close', resolve));
  return output;
}

interface BenchmarkOptions {
  readonly pipeline: number;
  readonly clients: number;
  readonly valueBytes: number;
}

function clientsFor({ isThreadPerClient }: Implementation, clients: number): number {
  return isThreadPerClient ? Math.min(clients, CLIENTS_WITH_THREADS_MAX) : clients;
}

/** Every test of redis-benchmark ends with a line of CSV; an error reply would end it before. */
async function benchmark(server: ServerProcess, options: BenchmarkOptions): Promise<void> {
  const { pipeline, clients, valueBytes } = options;
  const small = pipeline === 1 ? REQUESTS_ONE_BY_ONE : REQUESTS;
  const requests = valueBytes === BIG_VALUE_BYTES ? REQUESTS_OF_BIG_VALUES : small;
  const load = `-p ${server.port} -n ${requests} -P ${pipeline} -c ${clients} -d ${valueBytes}`;
  const args = [...load.split(' '), '-t', 'set,get,incr,mset', '--csv', '-r', '1000'];
  const { stdout, stderr } = await run('redis-benchmark', args);
  const tests = stdout.split('\n').flatMap((line) => /^"(SET|GET|INCR|MSET)/.exec(line)?.[1] ?? []);
  assert.deepEqual(tests, ['SET', 'GET', 'INCR', 'MSET'], stdout + stderr);
  assert.doesNotMatch(stdout + stderr, /error/i);
}
