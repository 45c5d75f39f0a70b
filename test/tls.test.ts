/** TLS: certificates good and bad, clients with and without it at one server, new certificates, and the end. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectPlain, createServer as createListener, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Worker } from 'node:worker_threads';
import { createServer } from 'redis-clone-ts';
import type { ServingReport } from '../src/servers/serving-thread.ts';
import { makeAuthority, makeCertificate, opensslSkipReason } from './support/certificates.ts';
import { freePort } from './support/free-port.ts';
import { IMPLEMENTATIONS, type Implementation } from './support/implementations.ts';
import { describeReply, RespClient } from './support/resp-client.ts';
import { infoField } from './support/server-info.ts';
import { redisSkipReason, type ServerProcess } from './support/server-process.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { waitUntil } from './support/wait-until.ts';

const skipReason = opensslSkipReason();
const directory = temporaryDirectory();
after(() => directory.remove());

function certificates() {
  const { path } = directory;
  const authority = makeAuthority(path, 'authority');
  const stranger = makeAuthority(path, 'stranger');
  return {
    authority,
    server: makeCertificate(path, 'server', { authority }),
    second: makeCertificate(path, 'second', { authority }),
    locked: makeCertificate(path, 'locked', { authority, passphrase: 'open sesame' }),
    good: makeCertificate(path, 'good', { authority }),
    wrong: makeCertificate(path, 'wrong', { authority: stranger }),
    expired: makeCertificate(path, 'expired', { authority, days: -1 }),
  };
}

const files = skipReason === false ? certificates() : undefined;
const ours = IMPLEMENTATIONS.filter(({ variant, isMixture }) => variant !== undefined && !isMixture);
const redis = IMPLEMENTATIONS.filter(({ variant }) => variant === undefined);

interface TlsServer {
  readonly server: ServerProcess;
  readonly tlsPort: number;
}

type Body = (started: TlsServer) => Promise<void>;
type ServerBody = (server: ServerProcess) => Promise<void>;

/** Runs a test on servers with a TLS port: ours, or the real Redis too. */
function onTlsServers(
  name: string,
  implementations: readonly Implementation[],
  args: readonly string[],
  body: Body,
): void {
  for (const implementation of implementations) {
    const skip = skipReason || implementation.skip;
    test(`${name} [${implementation.name}]`, { skip }, async () => {
      const tlsPort = await freePort();
      const server = await implementation.start({
        args: ['--tls-port', String(tlsPort), ...serverFiles(), ...args],
      });
      try {
        await waitUntil('it listens for TLS too', () => /ready to accept/i.test(server.output()));
        await body({ server, tlsPort });
      } finally {
        const { code } = await server.stop();
        assert.equal(code, 0, server.output());
      }
    });
  }
}

function serverFiles(): string[] {
  const { server, authority } = files!;
  return [
    ...['--tls-cert-file', server.cert, '--tls-key-file', server.key],
    ...['--tls-ca-cert-file', authority.cert],
  ];
}

type ClientCertificate = 'good' | 'wrong' | 'expired' | 'none';

function clientFiles(certificate: ClientCertificate): readonly string[] {
  if (certificate === 'none') return [];
  return ['--cert', files![certificate].cert, '--key', files![certificate].key];
}

/** What redis-cli says to PING over TLS. */
function ping(tlsPort: number, certificate: ClientCertificate): Promise<string> {
  const trust = ['--tls', '--cacert', files!.authority.cert];
  const args = ['-p', String(tlsPort), ...trust, ...clientFiles(certificate), 'PING'];
  return new Promise((resolve) => {
    const child = execFile('redis-cli', args, (_, output, errors) => resolve(output + errors));
    child.stdin?.end();
  });
}

/** A client over TLS that can be asked like a plain one. */
async function connectSecurely(tlsPort: number): Promise<RespClient> {
  return RespClient.over(await secureSocket(tlsPort));
}

function secureSocket(tlsPort: number, host = '127.0.0.1'): Promise<TLSSocket> {
  const { authority, good } = files!;
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host,
      port: tlsPort,
      ca: readFileSync(authority.cert),
      cert: readFileSync(good.cert),
      key: readFileSync(good.key),
      checkServerIdentity: () => undefined,
    });
    socket.once('error', reject);
    socket.once('secureConnect', () => resolve(socket));
  });
}

/** The name in the certificate that the server shows. */
async function shownName(tlsPort: number): Promise<string> {
  const socket = await secureSocket(tlsPort);
  const name = socket.getPeerCertificate().subject.CN;
  socket.destroy();
  return String(name);
}

const noCli = redisSkipReason();
const ANSWERS: Readonly<Record<'yes' | 'optional' | 'no', readonly ClientCertificate[]>> = {
  yes: ['good'],
  optional: ['good', 'none'],
  no: ['good', 'none', 'wrong', 'expired'],
};

for (const wish of ['yes', 'optional', 'no'] as const) {
  const implementations = noCli === false ? [...ours.slice(0, 1), ...redis] : [];
  onTlsServers(
    `tls-auth-clients ${wish} lets in whom it should`,
    implementations,
    ['--tls-auth-clients', wish],
    async ({ tlsPort }) => {
      for (const certificate of ['good', 'none', 'wrong', 'expired'] as const) {
        const answer = await ping(tlsPort, certificate);
        const isLetIn = ANSWERS[wish].includes(certificate);
        assert.equal(answer === 'PONG\n', isLetIn, `${certificate}: ${answer}`);
      }
    },
  );
}

onTlsServers('clients with and without TLS are of one server', ours, [], async ({ server, tlsPort }) => {
  const plain = await server.connect();
  const secure = await connectSecurely(tlsPort);
  assert.equal(await infoField(secure, 'tcp_port'), String(server.port));
  assert.equal(await infoField(plain, 'connected_clients'), '2');

  secure.send('BLPOP', 'list', 0);
  await waitUntil('it waits', async () => (await infoField(plain, 'blocked_clients')) === '1');
  assert.equal(await plain.text('LPUSH', 'list', 'element'), ':1');
  assert.equal(describeReply(await secure.readReply()), '*["list", "element"]');

  plain.send('BLPOP', 'list', 0);
  await waitUntil('it waits', async () => (await infoField(secure, 'blocked_clients')) === '1');
  assert.equal(await secure.text('LPUSH', 'list', 'other'), ':1');
  assert.equal(describeReply(await plain.readReply()), '*["list", "other"]');

  await secure.command('SUBSCRIBE', 'news');
  assert.equal(await plain.text('PUBLISH', 'news', 'hello'), ':1');
  assert.equal(describeReply(await secure.readReply()), '*["message", "news", "hello"]');
  await secure.command('UNSUBSCRIBE', 'news');

  await secure.command('WATCH', 'key');
  await secure.command('MULTI');
  await secure.command('SET', 'key', 'mine');
  await plain.command('SET', 'key', 'yours');
  assert.equal(await secure.text('EXEC'), '(null array)');

  const large = 'x'.repeat(3_000_000);
  assert.equal(await secure.text('SET', 'large', large), '+OK');
  const back = await secure.command('GET', 'large');
  assert.equal(back.kind === 'scalar' && back.bytes.length, large.length);

  await secure.command('CLIENT', 'SETNAME', 'encrypted');
  const list = await plain.command('CLIENT', 'LIST');
  const lines = list.kind === 'scalar' ? list.bytes.toString() : '';
  const id = /id=(\d+) addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:(\d+) .*name=encrypted/.exec(lines);
  assert.equal(id?.[2], String(tlsPort), lines);
  assert.equal(await plain.text('CLIENT', 'KILL', 'ID', id?.[1] ?? ''), ':1');
  await secure.readUntilClose();
  assert.equal(await infoField(plain, 'connected_clients'), '1');
  plain.close();
});

onTlsServers('a new certificate is shown without a restart', ours, [], async ({ server, tlsPort }) => {
  const plain = await server.connect();
  const before = await connectSecurely(tlsPort);
  assert.equal(await shownName(tlsPort), 'server');
  const { second, good } = files!;
  const pair = ['tls-cert-file', second.cert, 'tls-key-file', second.key];
  assert.equal(await plain.text('CONFIG', 'SET', ...pair), '+OK');
  assert.equal(await shownName(tlsPort), 'second');

  for (const wrong of [join(directory.path, 'absent'), good.cert]) {
    const answer = await before.text('CONFIG', 'SET', 'tls-key-file', wrong);
    const failed = "-ERR CONFIG SET failed (possibly related to argument 'tls-key-file') - ";
    assert.equal(answer, `${failed}Unable to update TLS configuration. Check server logs.`);
  }
  assert.equal(await shownName(tlsPort), 'second');
  assert.equal(await before.text('PING'), '+PONG', 'who was there stays');

  // The same names, other content: it is enough to set them again.
  const cert = join(directory.path, 'kept.crt');
  const key = join(directory.path, 'kept.key');
  copyFileSync(second.cert, cert);
  copyFileSync(second.key, key);
  const kept = ['tls-cert-file', cert, 'tls-key-file', key];
  assert.equal(await before.text('CONFIG', 'SET', ...kept), '+OK');
  copyFileSync(files!.server.cert, cert);
  copyFileSync(files!.server.key, key);
  assert.equal(await before.text('CONFIG', 'SET', ...kept), '+OK');
  assert.equal(await shownName(tlsPort), 'server', 'the renewed one is shown');

  const locked = ['tls-cert-file', files!.locked.cert, 'tls-key-file', files!.locked.key];
  assert.match(await plain.text('CONFIG', 'SET', ...locked), /^-ERR CONFIG SET failed/);
  assert.equal(await plain.text('CONFIG', 'SET', ...locked, 'tls-key-file-pass', 'open sesame'), '+OK');
  assert.equal(await shownName(tlsPort), 'locked');
  before.close();
  plain.close();
});

/** Runs a test on servers that have no TLS port yet: all of ours, and the real Redis. */
function onServersWithoutTls(name: string, body: ServerBody): void {
  for (const implementation of IMPLEMENTATIONS) {
    const skip = skipReason || implementation.skip;
    test(`${name} [${implementation.name}]`, { skip }, async () => {
      const server = await implementation.start();
      try {
        await body(server);
      } finally {
        const { code } = await server.stop();
        assert.equal(code, 0, server.output());
      }
    });
  }
}

async function isSecure(port: number, host?: string): Promise<boolean> {
  const socket = await secureSocket(port, host).catch(() => undefined);
  if (socket === undefined) return false;
  const client = RespClient.over(socket);
  const answer = await client.text('PING');
  client.close();
  return answer === '+PONG';
}

async function isPlain(port: number): Promise<boolean> {
  const client = await RespClient.connect({ port }).catch(() => undefined);
  if (client === undefined) return false;
  const answer = await client.text('PING').catch(() => 'closed');
  client.close();
  return answer === '+PONG';
}

function set(client: RespClient, ...pairs: readonly (string | number)[]): Promise<string> {
  return client.text('CONFIG', 'SET', ...pairs.map(String));
}

function setFailed(name: string, reason: string): string {
  return `-ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
}

const PORT_FAILED = 'Unable to listen on this port. Check server logs.';
const TLS_FAILED = 'Unable to update TLS configuration. Check server logs.';

onServersWithoutTls('TLS comes, moves and goes at run time', async (server) => {
  const plain = await server.connect();
  const first = await freePort();
  assert.equal(await set(plain, 'tls-port', first), setFailed('tls-port', TLS_FAILED));
  assert.equal(await plain.text('CONFIG', 'GET', 'tls-port'), '*["tls-port", "0"]');
  assert.match(server.output(), /No tls-cert-file configured!/);
  const pairs = serverFiles().map((word) => word.replace(/^--/, ''));
  assert.equal(await set(plain, 'tls-port', first, ...pairs), '+OK');
  const secure = await connectSecurely(first);
  assert.equal(await secure.text('SET', 'key', 'value'), '+OK');

  const second = await freePort();
  assert.equal(await set(secure, 'tls-port', second), '+OK');
  assert.ok(await isSecure(second), 'the new port');
  assert.ok(!(await isSecure(first)), 'the old one');
  assert.equal(await set(secure, 'bind', '127.0.0.1 127.0.0.2'), '+OK');
  assert.ok(await isSecure(second, '127.0.0.2'));
  assert.equal(await set(plain, 'bind', '127.0.0.1'), '+OK');
  assert.ok(!(await isSecure(second, '127.0.0.2')));

  const taken = createListener();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  assert.equal(await set(plain, 'tls-port', port), setFailed('tls-port', PORT_FAILED));
  assert.equal(await set(secure, 'port', second), setFailed('port', PORT_FAILED));
  assert.equal(await set(secure, 'tls-port', server.port), setFailed('tls-port', PORT_FAILED));
  const exchanged = ['port', second, 'tls-port', server.port];
  assert.equal(await set(plain, ...exchanged), setFailed('port', PORT_FAILED));
  const both = ['port', first, 'tls-port', first];
  assert.equal(await set(plain, ...both), setFailed('tls-port', PORT_FAILED));
  taken.close();
  assert.ok((await isSecure(second)) && (await isPlain(server.port)), 'all is as it was');

  // One takes the place of the other.
  assert.equal(await set(plain, 'port', 0, 'tls-port', server.port), '+OK');
  assert.ok(await isSecure(server.port));
  assert.ok(!(await isSecure(second)));
  assert.equal(await infoField(plain, 'tcp_port'), String(server.port));
  assert.equal(await set(secure, 'tls-port', 0, 'port', server.port), '+OK');
  assert.ok(await isPlain(server.port));
  assert.equal(await secure.text('GET', 'key'), '"value"', 'who was there stays');
  assert.equal(await set(plain, 'tls-port', second), '+OK');
  assert.ok(await isSecure(second), 'it comes again');
  plain.close();
  secure.close();
});

onTlsServers(
  'who is slow at the handshake holds up nobody, and is dropped',
  ours.slice(0, 1),
  ['--maxclients', '8'],
  async ({ server, tlsPort }) => {
    const plain = await server.connect();
    assert.equal(await plain.text('PING'), '+PONG', 'it is among the eight');
    const slow = await Promise.all(Array.from({ length: 7 }, () => slowHandshake(tlsPort)));
    await waitUntil('there are too many', async () => {
      const refused = await slowHandshake(tlsPort);
      await refused.closed;
      return Number(await infoField(plain, 'rejected_connections')) > 0;
    });
    assert.equal(await plain.text('PING'), '+PONG');
    await Promise.all(slow.map(({ closed }) => closed));
    assert.equal(await ping(tlsPort, 'good'), noCli === false ? 'PONG\n' : '');
    assert.equal(await plain.text('PING'), '+PONG');
    plain.close();
  },
);

/** Connects, says a part of a greeting and no more. */
function slowHandshake(port: number): Promise<{ readonly closed: Promise<void> }> {
  return new Promise((resolve, reject) => {
    const socket = connectPlain({ host: '127.0.0.1', port }, () => {
      socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02]));
      resolve({ closed: new Promise((done) => socket.once('close', () => done())) });
    });
    socket.once('error', reject);
    socket.resume();
  });
}

test('a library server for TLS only', { skip: skipReason }, async () => {
  const { server, authority } = files!;
  const tlsPort = await freePort();
  const instance = await createServer({
    bind: '127.0.0.1',
    'tls-port': tlsPort,
    'tls-cert-file': server.cert,
    'tls-key-file': server.key,
    'tls-ca-cert-file': authority.cert,
  });
  try {
    assert.equal(instance.port, 0);
    assert.equal(instance.tlsPort, tlsPort);
    assert.equal(instance.url, `rediss://127.0.0.1:${tlsPort}`);
    const client = await connectSecurely(tlsPort);
    assert.equal(await client.text('PING'), '+PONG');
    assert.equal(await infoField(client, 'tcp_port'), String(tlsPort));
    client.close();
  } finally {
    await instance.close();
  }
  await assert.rejects(secureSocket(tlsPort), 'nobody listens any more');
});

for (const mode of ['eventloop', 'threaded']) {
  test(`a thread for TLS that dies takes its clients with it and nothing else [${mode}]`, async (context) => {
    if (skipReason !== false) return context.skip(skipReason);
    const { server, authority } = files!;
    const tlsPort = await freePort();
    const logfile = join(directory.path, `death-${mode}.log`);
    const threads = tlsThreads(context);
    const instance = await createServer({
      port: 0,
      mode,
      logfile,
      'tls-port': tlsPort,
      'tls-cert-file': server.cert,
      'tls-key-file': server.key,
      'tls-ca-cert-file': authority.cert,
    });
    context.after(() => instance.close());
    const plain = await RespClient.connect({ port: instance.port });
    context.after(() => plain.close());
    // What it has changed at run time is there for the next thread, too.
    const { second } = files!;
    assert.equal(await set(plain, 'tls-cert-file', second.cert, 'tls-key-file', second.key), '+OK');

    for (let death = 1; death <= 2; death++) {
      const secure = await connectSecurely(tlsPort);
      await secure.command('WATCH', 'key');
      const other = await connectSecurely(tlsPort);
      await other.command('SUBSCRIBE', 'news');
      secure.send('BLPOP', 'list', 0);
      await waitUntil('it waits', async () => (await infoField(plain, 'blocked_clients')) === '1');
      assert.equal(threads.length, death);
      await threads[death - 1]!.terminate();

      assert.equal((await secure.readUntilClose()).toString(), '');
      await waitUntil('they are gone', async () => (await infoField(plain, 'connected_clients')) === '1');
      assert.equal(await plain.text('RPUSH', 'list', 'element'), ':1');
      assert.equal(await plain.text('LPOP', 'list'), '"element"', 'nobody else has taken it');
      assert.equal(await plain.text('PUBLISH', 'news', 'hello'), ':0');
      await waitUntil('TLS is there again', () => isSecure(tlsPort));
      assert.equal(await shownName(tlsPort), 'second');
      for (const client of [secure, other]) client.close();
    }
    assert.equal(readFileSync(logfile, 'utf8').match(/The thread for TLS has ended/g)?.length, 2);
    assert.equal(await plain.text('CONFIG', 'SET', 'tls-port', '0'), '+OK');
    assert.ok(!(await isSecure(tlsPort)));
  });
}

/** The threads for TLS of the server in this process: those that join it and then say that they are ready. */
function tlsThreads(context: TestContext): readonly Worker[] {
  const ready: Worker[] = [];
  const onWorker = (worker: Worker): void => {
    worker.on('message', (first: ServingReport) => {
      if (first.kind !== 'listening') return;
      worker.on('message', ({ kind }: ServingReport) => {
        if (kind === 'ready') ready.push(worker);
      });
    });
  };
  process.on('worker', onWorker);
  context.after(() => void process.removeListener('worker', onWorker));
  return ready;
}

test('a start that cannot serve TLS fails', { skip: skipReason }, async () => {
  const { server, authority } = files!;
  const options = {
    bind: '127.0.0.1',
    'tls-cert-file': server.cert,
    'tls-key-file': server.key,
    'tls-ca-cert-file': authority.cert,
    logfile: join(directory.path, 'start.log'),
  };
  const taken = createListener();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  const conflict = createServer({ ...options, 'tls-port': port });
  await assert.rejects(conflict, { message: `Failed listening on port ${port} (TLS), aborting.` });
  taken.close();

  const empty = join(directory.path, 'empty.crt');
  writeFileSync(empty, '');
  const tlsPort = await freePort();
  for (const wrong of [
    { 'tls-cert-file': empty },
    { 'tls-ca-cert-file': empty },
    { 'tls-protocols': 'SSLv3' },
  ]) {
    const bad = createServer({ ...options, 'tls-port': tlsPort, ...wrong });
    await assert.rejects(bad, { message: 'Failed to configure TLS. Check logs for more info.' });
  }
});
