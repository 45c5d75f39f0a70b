/** The port of metrics and status page: what it answers, whom it refuses, and the page in a real browser. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer as createNetServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { Worker } from 'node:worker_threads';
import type { Page } from 'playwright-core';
import { createServer } from 'redis-clone-ts';
import type { ServingReport } from '../src/servers/serving-thread.ts';
import type { KeyPage, ValueFacts } from '../src/status/key-browser.ts';
import { METRIC_ROWS } from '../src/status/metric-table.ts';
import type { StatusReport } from '../src/status/status-report.ts';
import { makeAuthority, makeCertificate, opensslSkipReason } from './support/certificates.ts';
import { chromiumSkipReason } from './support/chromium.ts';
import { freePort } from './support/free-port.ts';
import { forEachTransport, IMPLEMENTATIONS, sharedServer, startFor } from './support/implementations.ts';
import type { Implementation } from './support/implementations.ts';
import { keepPicture, overflowOnPhone, paintedColours, withPage } from './support/page.ts';
import { directoryFor, refusedStart } from './support/persistent-server.ts';
import { promtoolComplaints, promtoolSkipReason } from './support/promtool.ts';
import { RespClient } from './support/resp-client.ts';
import type { Argument } from './support/resp-client.ts';
import { infoField } from './support/server-info.ts';
import type { ServerProcess } from './support/server-process.ts';
import { waitUntil } from './support/wait-until.ts';

/** What the dashboards of redis_exporter ask for (its contrib folder), replicas apart. */
const DASHBOARD_METRICS = [
  ...['blocked_clients', 'commands_duration_seconds_total', 'commands_total', 'connected_clients', 'db_keys'],
  ...['db_keys_expiring', 'evicted_keys_total', 'expired_keys_total', 'keyspace_hits_total'],
  ...['keyspace_misses_total', 'memory_max_bytes', 'memory_used_bytes', 'memory_used_rss_bytes'],
  ...['net_input_bytes_total', 'net_output_bytes_total', 'up', 'uptime_in_seconds', 'connected_slaves'],
  ...['commands_processed_total', 'rejected_connections_total', 'rdb_last_bgsave_status'],
];
/** Fields that are there at times only. */
const NOT_ALWAYS = ['used_cpu_sys_main_thread', 'used_cpu_user_main_thread'];

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly host?: string;
  readonly body?: string;
}

/** A server with a status page, and what asks it. */
interface StatusSetting {
  readonly server: ServerProcess;
  readonly client: RespClient;
  readonly origin: string;
  readonly ask: (path: string, asked?: Asked) => Promise<Answer>;
  readonly json: <Value>(path: string) => Promise<Value>;
}

async function start(
  context: TestContext,
  implementation: Implementation,
  args: readonly string[] = [],
): Promise<StatusSetting> {
  const port = await freePort();
  const server = await startFor(context, implementation, { args: ['--metrics-port', String(port), ...args] });
  return settingOf(context, server, port);
}

/** Ports of the servers that several tests share, by implementation. */
const sharedPorts = new Map<string, number>();

/** A server without data, and statistics from here on. */
async function share(context: TestContext, implementation: Implementation): Promise<StatusSetting> {
  const port = sharedPorts.get(implementation.name) ?? (await freePort());
  sharedPorts.set(implementation.name, port);
  const args = ['--metrics-port', String(port), '--appendonly', 'yes', '--maxmemory', '1gb'];
  const setting = await settingOf(context, await sharedServer(implementation, args), port);
  await run(setting.client, ['FLUSHALL'], ['CONFIG', 'RESETSTAT']);
  return setting;
}

async function settingOf(context: TestContext, server: ServerProcess, port: number): Promise<StatusSetting> {
  // The page comes after the clients: its thread starts when the server serves.
  await waitUntil('the page is there', () => server.output().includes('Metrics and status page on'));
  const client = await server.connect();
  context.after(() => client.close());
  const ask = (path: string, asked: Asked = {}): Promise<Answer> => askPort(port, path, asked);
  return {
    server,
    client,
    origin: `http://127.0.0.1:${port}`,
    ask,
    json: async <Value>(path: string) => {
      const { status, body } = await ask(path);
      assert.equal(status, 200, body);
      return JSON.parse(body) as Value;
    },
  };
}

function askPort(
  port: number,
  path: string,
  { method = 'GET', headers = {}, host = '127.0.0.1', body }: Asked,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ host, port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
    });
    asking.on('error', reject);
    asking.end(body);
  });
}

function basic(user: string, password: string): Readonly<Record<string, string>> {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

function names(metrics: string): Set<string> {
  return new Set([...metrics.matchAll(/^# TYPE redis_(\S+)/gm)].map(([, name]) => name ?? ''));
}

async function run(client: RespClient, ...commands: readonly (readonly Argument[])[]): Promise<void> {
  for (const reply of await client.pipeline(commands))
    assert.ok(reply.kind !== 'scalar' || reply.tag !== '-', JSON.stringify(reply));
}

function base64url(text: string | Buffer): string {
  return Buffer.from(text).toString('base64url');
}

const first = IMPLEMENTATIONS.find(({ variant, skip }) => variant !== undefined && skip === false)!;

forEachTransport('metrics are there under the names of redis_exporter', async (implementation, context) => {
  const { client, ask } = await share(context, implementation);
  await run(
    client,
    ['SET', 'a', '1', 'EX', '100'],
    ['GET', 'a'],
    ['GET', 'b'],
    ['SELECT', '5'],
    ['SET', 'c', '1'],
  );
  const { status, headers, body } = await ask('/metrics');
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  const found = names(body);
  assert.deepEqual(
    [...DASHBOARD_METRICS, 'instance_info', 'start_time_seconds'].filter((name) => !found.has(name)),
    [],
  );
  const missing = METRIC_ROWS.filter(({ field, name }) => !NOT_ALWAYS.includes(field) && !found.has(name));
  assert.deepEqual(
    missing.map(({ field }) => field),
    [],
    'fields that INFO does not have',
  );
  for (const line of [
    'redis_up 1',
    'redis_db_keys{db="db0"} 1',
    'redis_db_keys{db="db5"} 1',
    'redis_db_keys_expiring{db="db0"} 1',
    'redis_keyspace_hits_total 1',
    'redis_keyspace_misses_total 1',
    'redis_memory_max_bytes 1073741824',
    'redis_commands_total{cmd="get"} 2',
  ])
    assert.ok(body.includes(`\n${line}\n`), `${line}\n${body}`);
  if (promtoolSkipReason() === false) assert.equal(promtoolComplaints(body), '');
});

test('promtool has nothing against the metrics', { skip: promtoolSkipReason() }, async (context) => {
  const { client, ask } = await start(context, first, ['--enable-debug-command', 'yes']);
  await run(
    client,
    ['CONFIG', 'SET', 'slowlog-log-slower-than', '1000', 'latency-monitor-threshold', '1'],
    ['DEBUG', 'SLEEP', '0.01'],
  );
  await client.text('NO-SUCH-COMMAND');
  const { body } = await ask('/metrics');
  assert.equal(promtoolComplaints(body), '');
  assert.match(body, /^redis_errors_total\{err="ERR"\} 1$/m);
  assert.match(body, /^redis_slowlog_length [1-9]/m);
  assert.match(body, /^redis_latency_spike_duration_seconds\{event_name="command"\} \d/m);
  assert.match(body, /^redis_latency_percentiles_usec\{cmd="debug",quantile="99"\} \d{4,}/m);
  assert.match(body, /^redis_commands_latencies_usec_bucket\{cmd="debug",le="\+Inf"\} 1$/m);
});

forEachTransport('the state of each second, and what happened before', async (implementation, context) => {
  const { client, json } = await share(context, implementation);
  await run(client, ['SET', 'a', '1'], ['GET', 'a']);
  let report = await json<StatusReport>('/api/status');
  await waitUntil('two rows of history', async () => {
    report = await json<StatusReport>('/api/status');
    return report.rows.length >= 2 && report.rows.at(-1)?.[report.columns.indexOf('keys')] === 1;
  });
  const { facts, rows, columns, commands, databases } = report;
  assert.equal(facts['server_mode'], implementation.variant?.mode);
  assert.equal(facts['io_transport'], implementation.variant?.io);
  assert.equal(facts['tcp_port'], (await client.text('CONFIG', 'GET', 'port')).match(/\d{2,}/)?.[0]);
  assert.equal(columns.length, rows[0]?.length);
  assert.equal(commands.find(({ name }) => name === 'get')?.calls, 1);
  assert.deepEqual(databases, [{ index: 0, keys: 1, expiring: 0 }]);

  const latest = rows.at(-1)?.[0] ?? 0;
  const later = await json<StatusReport>(`/api/status?since=${latest}`);
  assert.ok(later.rows.every(([time = 0]) => time > latest));
});

forEachTransport('keys page by page, and values of every type', async (implementation, context) => {
  const { client, json, ask } = await share(context, implementation);
  const binary = Buffer.from([0xff, 0x00, 0x41]);
  await run(
    client,
    ['SET', 'text', 'grün'],
    ['SET', binary, binary, 'PX', '1000000'],
    ['RPUSH', 'list', 'a', 'b'],
    ['SADD', 'set', 'x'],
    ['HSET', 'hash', 'field', 'value'],
    ['ZADD', 'zset', '1.5', 'member'],
    ['XADD', 'stream', '1-1', 'name', 'value'],
    ['SELECT', '3'],
    ...Array.from({ length: 500 }, (_, index) => ['SET', `many:${index}`, 'x']),
    ['SET', 'one', 'x'],
  );

  const { cursor, keys } = await json<KeyPage>('/api/keys?db=0');
  assert.equal(cursor, '0');
  assert.deepEqual(keys.map(({ name, type }) => `${name} ${type}`).sort(), [
    '\\xff\\x00A string',
    'hash hash',
    'list list',
    'set set',
    'stream stream',
    'text string',
    'zset zset',
  ]);
  const bytes = keys.find(({ id }) => id === base64url(binary));
  assert.ok(
    bytes !== undefined && bytes.ttlMillis > 900_000 && bytes.ttlMillis <= 1_000_000 && bytes.bytes > 0,
  );

  const rowsOf = async (key: string | Buffer): Promise<unknown> =>
    (await json<ValueFacts>(`/api/value?db=0&key=${base64url(key)}`)).rows;
  assert.deepEqual(await rowsOf('text'), [['grün']]);
  assert.deepEqual(await rowsOf(binary), [['\\xff\\x00A']]);
  assert.deepEqual(await rowsOf('list'), [
    ['0', 'a'],
    ['1', 'b'],
  ]);
  assert.deepEqual(await rowsOf('set'), [['x']]);
  assert.deepEqual(await rowsOf('hash'), [['field', 'value']]);
  assert.deepEqual(await rowsOf('zset'), [['member', '1.5']]);
  assert.deepEqual(await rowsOf('stream'), [['1-1', 'name: value']]);

  const found = new Set<string>();
  for (let next = '0', pages = 0; pages === 0 || next !== '0'; pages++) {
    const page = await json<KeyPage>(`/api/keys?db=3&cursor=${next}`);
    for (const { name } of page.keys) found.add(name);
    next = page.cursor;
    assert.ok(pages < 100);
  }
  assert.equal(found.size, 501);
  assert.deepEqual(
    (await json<KeyPage>('/api/keys?db=3&match=on*')).keys.map(({ name }) => name),
    ['one'],
  );
  assert.deepEqual(
    (await json<KeyPage>('/api/keys?db=0&type=list')).keys.map(({ name }) => name),
    ['list'],
  );

  assert.equal((await ask(`/api/value?db=0&key=${base64url('none')}`)).status, 404);
  for (const wrong of ['db=x', 'db=99', 'cursor=-1', `match=${'x'.repeat(1001)}`])
    assert.equal((await ask(`/api/keys?${wrong}`)).status, 400, wrong);
});

test('it changes nothing, answers GET only, and only to who asked for it', async (context) => {
  const { client, ask } = await start(context, first);
  await run(client, ['SET', 'a', '1']);
  const refusals: readonly (readonly [number, string, Asked])[] = [
    [405, '/metrics', { method: 'POST' }],
    [405, '/', { method: 'DELETE' }],
    [405, '/', { method: 'OPTIONS', headers: { origin: 'http://evil.example' } }],
    [400, '/metrics', { headers: { 'content-length': '1' }, body: 'x' }],
    [403, '/metrics', { headers: { host: 'evil.example' } }],
    [403, '/', { headers: { host: 'evil.example:9121' } }],
    [403, '/api/keys', { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' } }],
    [404, '/nothing', {}],
    [404, '/__proto__', {}],
    [404, '/../../../../etc/passwd', {}],
    [400, '//evil.example/', {}],
    [200, '/metrics', { headers: { host: 'localhost:1' } }],
    [200, '/metrics', { method: 'HEAD' }],
  ];
  for (const [status, path, asked] of refusals) {
    const answer = await ask(path, asked);
    assert.equal(answer.status, status, `${asked.method ?? 'GET'} ${path}: ${answer.body}`);
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.equal(answer.headers['x-frame-options'], 'DENY');
    assert.equal(answer.headers['cache-control'], 'no-store');
  }
  assert.equal(await client.text('DBSIZE'), ':1');
});

test('names that are allowed', async (context) => {
  const { ask } = await start(context, first, ['--metrics-hosts', 'redis.internal other']);
  assert.equal((await ask('/metrics', { headers: { host: 'redis.internal:9121' } })).status, 200);
  assert.equal((await ask('/metrics', { headers: { host: 'other' } })).status, 200);
  assert.equal((await ask('/metrics', { headers: { host: 'redis' } })).status, 403);
});

forEachTransport('users see what they may', async (implementation, context) => {
  const { client, ask } = await start(context, implementation);
  assert.equal((await ask('/')).status, 200);
  await run(
    client,
    ['ACL', 'SETUSER', 'watcher', 'on', '>secret', '+info', '+client|setname'],
    ['ACL', 'SETUSER', 'nobody', 'on', '>secret'],
    ['CONFIG', 'SET', 'requirepass', 'sesame'],
  );
  // The connection that was there already is no way in.
  for (const path of ['/', '/metrics', '/api/status', '/api/keys', '/api/value?key=YQ']) {
    const answer = await ask(path);
    assert.equal(answer.status, 401, path);
    assert.match(String(answer.headers['www-authenticate']), /^Basic /);
  }
  const status = async (path: string, user: string, password: string): Promise<number> =>
    (await ask(path, { headers: basic(user, password) })).status;
  assert.equal(await status('/metrics', 'default', 'sesame'), 200);
  assert.equal(await status('/metrics', '', 'sesame'), 200);
  assert.equal(await status('/metrics', 'default', 'wrong'), 401);
  assert.equal(await status('/metrics', 'none', 'sesame'), 401);
  assert.equal(await status('/metrics', 'watcher', 'secret'), 200);
  assert.equal(await status('/api/keys', 'watcher', 'secret'), 403);
  assert.equal(await status('/metrics', 'nobody', 'secret'), 403);
  const report = await ask('/api/status', { headers: basic('nobody', 'secret') });
  assert.deepEqual((JSON.parse(report.body) as StatusReport).rows, []);
  assert.match(report.body, /NOPERM/);

  await run(client, ['ACL', 'DELUSER', 'watcher'], ['CONFIG', 'SET', 'requirepass', 'other']);
  assert.equal(await status('/metrics', 'watcher', 'secret'), 401);
  assert.equal(await status('/metrics', 'default', 'sesame'), 401);
  assert.equal(await status('/metrics', 'default', 'other'), 200);
});

const outside = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address;

test(
  'from other machines only with a password, as protected mode has it',
  { skip: outside === undefined ? 'this machine has no address but its own' : false },
  async (context) => {
    const port = await freePort('0.0.0.0');
    const args = ['--metrics-port', String(port), '--metrics-bind', '0.0.0.0'];
    const server = await startFor(context, first, { args });
    const { client } = await settingOf(context, server, port);
    const ask = (headers = {}): Promise<Answer> => askPort(port, '/metrics', { host: outside!, headers });
    const refused = await ask();
    assert.equal(refused.status, 403);
    assert.match(refused.body, /protected mode/);
    assert.equal((await askPort(port, '/metrics', {})).status, 200);
    await run(client, ['CONFIG', 'SET', 'requirepass', 'sesame']);
    assert.equal((await ask()).status, 401);
    assert.equal((await ask(basic('', 'sesame'))).status, 200);
  },
);

forEachTransport('its client is one like any other', async (implementation, context) => {
  const { client, ask, server, origin } = await start(context, implementation);
  await ask('/metrics');
  const lines = (await client.text('CLIENT', 'LIST'))
    .split('\\n')
    .filter((line) => line.includes('status-page'));
  assert.equal(lines.length, 1);
  const id = /\bid=(\d+)/.exec(lines[0] ?? '')?.[1] ?? '';
  assert.equal(await client.text('CLIENT', 'KILL', 'ID', id), ':1');
  await waitUntil('it is gone', async () => !(await client.text('CLIENT', 'LIST')).includes(`id=${id} `));
  assert.equal((await ask('/metrics')).status, 200);

  await run(client, ['CONFIG', 'SET', 'maxclients', '1']);
  await client.text('CLIENT', 'KILL', 'SKIPME', 'yes', 'TYPE', 'normal');
  await waitUntil('it is alone', async () => !(await client.text('CLIENT', 'LIST')).includes('status-page'));
  assert.match((await ask('/metrics')).body, /^redis_up 0$/m);
  assert.equal((await ask('/api/status')).status, 503);

  // A connection that is kept open holds nothing up.
  const held = connect(Number(new URL(origin).port), '127.0.0.1');
  held.on('error', () => {});
  context.after(() => held.destroy());
  await new Promise<void>((resolve) => held.once('connect', resolve));
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

test('a port that is taken ends the start with the reason', async (context) => {
  const taken = createNetServer();
  context.after(() => taken.close());
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  const ended = await refusedStart(first, directoryFor(context), ['--metrics-port', String(port)]);
  assert.equal(ended.code, 1);
  assert.match(
    ended.output,
    new RegExp(`Failed listening on port ${port} \\(metrics\\), aborting: .*EADDRINUSE`),
  );
});

test('a server inside a program has it, too; others have no such thread', async () => {
  const port = await freePort();
  const server = await createServer({ 'metrics-port': port });
  try {
    assert.match((await askPort(port, '/metrics', {})).body, new RegExp(`tcp_port="${server.port}"`));
  } finally {
    await server.close();
  }
  await assert.rejects(askPort(port, '/metrics', {}), /ECONNREFUSED/);
});

for (const mode of ['eventloop', 'threaded']) {
  test(`a page that dies takes its client with it and nothing else, and comes again [${mode}]`, async (context) => {
    // Threads that join a running server say that they listen to it: before a client comes, that of the page.
    const joined: Worker[] = [];
    const onWorker = (worker: Worker): void => {
      worker.on('message', ({ kind }: ServingReport) => {
        if (kind === 'listening') joined.push(worker);
      });
    };
    process.on('worker', onWorker);
    const port = await freePort();
    const logfile = join(directoryFor(context), 'log');
    const server = await createServer({ mode, 'metrics-port': port, logfile });
    context.after(async () => {
      process.removeListener('worker', onWorker);
      await server.close();
    });
    const isThere = (): Promise<boolean> =>
      askPort(port, '/metrics', {}).then(
        ({ status }) => status === 200,
        () => false,
      );
    assert.ok(await isThere());
    assert.equal(joined.length, 1);
    await joined[0]!.terminate();

    const client = await RespClient.connect({ port: server.port });
    context.after(() => client.close());
    await waitUntil('its client is gone', async () => (await infoField(client, 'connected_clients')) === '1');
    await run(client, ['SET', 'key', 'value']);
    await waitUntil('it is there again', isThere);
    assert.match(readFileSync(logfile, 'utf8'), /The thread of the status page has ended; another will take/);
  });
}

test('a server for TLS only has a page', async (context) => {
  const skip = opensslSkipReason();
  if (skip !== false) return context.skip(skip);
  const path = directoryFor(context);
  const authority = makeAuthority(path, 'authority');
  const { cert, key } = makeCertificate(path, 'server', { authority });
  const [port, tlsPort] = [await freePort(), await freePort()];
  const server = await createServer({
    bind: '127.0.0.1',
    'metrics-port': port,
    'tls-port': tlsPort,
    'tls-cert-file': cert,
    'tls-key-file': key,
    'tls-auth-clients': 'no',
  });
  context.after(() => server.close());
  assert.equal(server.port, 0);
  const socket = connectTls({
    host: '127.0.0.1',
    port: tlsPort,
    ca: readFileSync(authority.cert),
    checkServerIdentity,
  });
  const client = RespClient.over(socket);
  context.after(() => client.close());
  await run(client, ['SET', 'key', 'value'], ['GET', 'key']);
  const { body } = await askPort(port, '/metrics', {});
  assert.match(body, new RegExp(`tcp_port="${tlsPort}"`));
  assert.match(body, /^redis_keyspace_hits_total 1$/m);
  const { body: status } = await askPort(port, '/api/keys?pattern=*', {});
  assert.match(status, /a2V5|key/);
});

function checkServerIdentity(): undefined {}

describe('the page', { skip: chromiumSkipReason() }, () => {
  const HOSTILE = '<img src=x onerror=alert(1)>';
  /** Charts that have something to show here, and colours that must be in them. */
  const CHARTS: readonly (readonly [string, readonly string[]])[] = [
    ['throughput', ['blue']],
    ['latency', ['green', 'blue', 'orange']],
    ['memory', ['blue', 'violet']],
    ['clients', ['blue']],
    ['hits', ['green']],
    ['lock', ['blue']],
    ['cpu', ['blue']],
    ['network', ['green', 'blue']],
    ['persistence', ['blue']],
  ];

  async function prepare({ client }: StatusSetting): Promise<void> {
    await run(
      client,
      ['CONFIG', 'SET', 'slowlog-log-slower-than', '0'],
      ['SET', HOSTILE, HOSTILE],
      ['CONFIG', 'SET', 'slowlog-log-slower-than', '-1'],
      ['HSET', 'user:1', 'name', 'alice'],
      ['BGSAVE'],
    );
  }

  /** Keeps the server at work until every chart is painted. */
  async function waitForCharts(page: Page, { client }: StatusSetting): Promise<void> {
    for (const [id, colours] of CHARTS) {
      await waitUntil(`${id} shows ${colours.join(', ')}`, async () => {
        await run(client, ['SET', 'a', '1'], ['GET', 'a'], ['GET', 'none'], ['LRANGE', 'list', '0', '-1']);
        if ((await page.locator(`#${id} canvas`).count()) === 0) return false;
        const painted = await paintedColours(page, id, colours);
        return painted.length > 0;
      });
    }
  }

  for (const [implementation, colorScheme] of [
    [first, 'light'],
    [IMPLEMENTATIONS.find(({ name }) => name === 'threaded')!, 'dark'],
  ] as const) {
    test(
      `draws what happens, and shows keys and slow commands as text [${implementation.name}, ${colorScheme}]`,
      { skip: implementation.skip },
      async (context) => {
        const setting = await start(context, implementation);
        await prepare(setting);
        const { origin } = setting;
        await withPage(`${origin}/`, { colorScheme, mayAsk: `${origin}/api/` }, async (page) => {
          await waitForCharts(page, setting);
          assert.equal(await page.locator('#state').innerText(), 'serving');
          assert.equal(await page.locator('#problem').isVisible(), false);
          assert.match(await page.locator('#commands').innerText(), /GET/);
          assert.match(await page.locator('#slow').innerText(), /SET <img src=x/);

          await page.getByRole('button', { name: 'Look' }).click();
          await page.getByRole('button', { name: HOSTILE }).click();
          await page.locator('#value td').waitFor();
          assert.equal(await page.locator('#value td').innerText(), HOSTILE);
          await page.locator('#pattern').fill('user:*');
          await page.getByRole('button', { name: 'Look' }).click();
          await page.getByRole('button', { name: 'user:1' }).click();
          await page.getByText('alice').waitFor();
          await page.getByText('1 found, that is all').waitFor();
          assert.equal(await page.locator('img').count(), 0);

          const before = await page.locator('#persistence canvas').count();
          await page.locator('#choices').getByText('15', { exact: true }).click();
          assert.equal(await page.locator('#persistence canvas').count(), before);
          await keepPicture(page, `status-${colorScheme}`);
          const overflow = await overflowOnPhone(page);
          assert.ok(overflow <= 0, `${overflow} pixels too wide`);
        });
      },
    );
  }

  test('asks for a password where there is one, and says when the server is gone', async (context) => {
    const setting = await start(context, first, ['--requirepass', 'sesame']);
    const credentials = { username: 'default', password: 'sesame' };
    const { origin } = setting;
    const options = { colorScheme: 'light', mayAsk: `${origin}/api/`, credentials } as const;
    await assert.rejects(
      withPage(`${origin}/`, options, async (page) => {
        await page.getByText('serving').waitFor();
        await setting.server.stop();
        await page.getByText('no answer').waitFor();
      }),
      // The browser itself complains, and of nothing else.
      /ERR_CONNECTION_REFUSED/,
    );
  });
});
