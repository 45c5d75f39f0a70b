/** The tools inside redis-cli work with this server as with Redis: each is run, and its output looked at. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { IMPLEMENTATIONS, sharedServer } from './support/implementations.ts';
import { RespClient } from './support/resp-client.ts';
import { redisSkipReason, type ServerProcess } from './support/server-process.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const STOP_MILLIS = 20_000;

interface Run {
  readonly args: readonly string[];
  readonly input?: string;
  /** A tool that runs for ever is ended once its output looks like that. */
  readonly until?: RegExp;
  /** Called when it has said OK (MONITOR). */
  readonly whenReady?: () => Promise<void>;
}

/** Runs redis-cli; what it has printed to both streams. */
async function cli(server: ServerProcess, run: Run): Promise<string> {
  // Into a pipe it would write 4 KiB at a time, which takes its endless tools seconds.
  const child = spawn('stdbuf', ['-oL', 'redis-cli', '-p', String(server.port), ...run.args]);
  // It may end before it has read its input.
  child.stdin.on('error', () => {});
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MILLIS);
  let output = '';
  let called: Promise<void> | undefined;
  const collect = (chunk: Buffer): void => {
    output += chunk.toString('latin1');
    if (output.startsWith('OK')) called ??= run.whenReady?.();
    if (run.until?.test(output) === true) child.kill('SIGINT');
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  child.stdin.end(run.input ?? '');
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  // What redis-cli prints may be seen before the reply that the caller waits for.
  await called;
  return output;
}

async function withData(server: ServerProcess, body: (client: RespClient) => Promise<void>): Promise<void> {
  const client = await RespClient.connect({ port: server.port });
  try {
    await client.command('FLUSHALL');
    await client.command('SET', 'small', 'x');
    await client.command('SET', 'big', 'x'.repeat(5000));
    await client.command('RPUSH', 'list', 'a', 'b', 'c');
    await client.command('HSET', 'hash', 'f', 'v');
    await body(client);
  } finally {
    client.close();
  }
}

function tool(name: string, body: (server: ServerProcess, client: RespClient) => Promise<void>) {
  for (const implementation of IMPLEMENTATIONS) {
    const skip = implementation.skip || redisSkipReason();
    test(`redis-cli ${name} [${implementation.name}]`, { skip }, async () => {
      const server = await sharedServer(implementation);
      await withData(server, (client) => body(server, client));
    });
  }
}

tool('--stat', async (server) => {
  const output = await cli(server, { args: ['--stat', '-i', '0.05'], until: /\n4 .*\n4 / });
  assert.match(output, /keys +mem +clients +blocked +requests +connections/);
  assert.match(output, /\n4 +\d+\.\d+[KM] +\d+ +0 +\d+ \(\+\d+\) +\d+/);
});

tool('--bigkeys', async (server) => {
  const output = await cli(server, { args: ['--bigkeys'] });
  assert.match(output, /Biggest string found '"big"' has 5000 bytes/);
  assert.match(output, /Biggest +list found '"list"' has 3 items/);
  assert.match(output, /2 strings with 5001 bytes/);
});

tool('--memkeys', async (server) => {
  const output = await cli(server, { args: ['--memkeys'] });
  assert.match(output, /Biggest string found '"big"' has [5-9]\d{3} bytes/);
  assert.match(output, /1 lists with \d+ bytes/);
});

tool('--hotkeys', async (server, client) => {
  await client.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lfu');
  try {
    await client.command('SET', 'hot', 'x');
    for (let i = 0; i < 200; i++) await client.command('GET', 'hot');
    const output = await cli(server, { args: ['--hotkeys'] });
    assert.match(output, /hot key found with counter: \d+\tkeyname: "?hot"?/);
  } finally {
    await client.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  }
});

tool('--latency', async (server) => {
  // Without a terminal it measures for a second, and prints minimum, maximum, average and count.
  assert.match(await cli(server, { args: ['--latency', '-i', '0.1'] }), /\d+ \d+ \d+\.\d+ \d+\n/);
});

tool('--latency-history', async (server) => {
  const output = await cli(server, { args: ['--latency-history', '-i', '0.1'], until: /\d+\n/ });
  assert.match(output, /\d+ \d+ \d+\.\d+ \d+/);
});

tool('--pipe', async (server, client) => {
  const input = Array.from({ length: 500 }, (_, i) => `SET piped:${i} ${i}\r\n`).join('') + 'NOSUCH\r\n';
  const output = await cli(server, { args: ['--pipe'], input });
  assert.match(output, /errors: 1, replies: 501/);
  assert.equal(await client.text('GET', 'piped:499'), '"499"');
});

tool('--scan', async (server) => {
  const all = await cli(server, { args: ['--scan'] });
  assert.deepEqual(all.trim().split('\n').sort(), ['big', 'hash', 'list', 'small']);
  assert.equal(await cli(server, { args: ['--scan', '--pattern', 's*'] }), 'small\n');
});

tool('MONITOR', async (server, client) => {
  const output = await cli(server, {
    args: ['MONITOR'],
    whenReady: async () => void (await client.command('GET', 'small')),
    until: /GET/,
  });
  assert.match(output, /^OK\n\d{10}\.\d{6} \[0 127\.0\.0\.1:\d+\] "GET" "small"\n/);
});

for (const implementation of IMPLEMENTATIONS.filter(({ variant }) => variant !== undefined)) {
  const skip = implementation.skip || redisSkipReason();
  test(
    `redis-cli --rdb says that there is no replication [${implementation.name}]`,
    { skip },
    async (context) => {
      const server = await sharedServer(implementation);
      const directory = temporaryDirectory();
      context.after(() => directory.remove());
      const file = join(directory.path, 'dump.rdb');
      const output = await cli(server, { args: ['--rdb', file] });
      assert.match(output, /unknown command '(REPLCONF|SYNC)'/);
    },
  );
}
