/** Holds the table, CONFIG SET, CONFIG REWRITE and the messages at start against a real Redis 7.0. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../test/support/free-port.ts';
import { RespClient, type Reply } from '../../test/support/resp-client.ts';
import { redisSkipReason, startRedis, type ServerProcess } from '../../test/support/server-process.ts';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { parseCommandLine } from './command-line.ts';
import { Config } from './config.ts';
import { decodeText, encodeText } from './config-text.ts';
import {
  DIFFERENT_DEFAULTS,
  LISTED_NAMES,
  OWN_DIRECTIVES,
  directiveRow,
  type DirectiveName,
} from './directives.ts';
import { rewriteConfigText } from './rewrite.ts';

const skip = redisSkipReason();
const POLL_MILLIS = 10;
const PROGRAM = { name: 'Redis', version: '7.0.15' };

let redis: ServerProcess;
let client: RespClient;

before(async () => {
  if (skip !== false) return;
  redis = await startRedis(['--enable-protected-configs', 'yes']);
  client = await redis.connect();
});

after(async () => {
  if (skip !== false) return;
  client.close();
  await redis.stop();
});

/** What the support's servers are started with. */
const SET_AT_START = new Set(['port', 'dir', 'bind', 'enable-protected-configs', 'save', 'appendonly']);

function text(reply: Reply | undefined): string {
  return reply?.kind === 'scalar' ? decodeText(reply.bytes) : '';
}

function pairs(reply: Reply): Map<string, string> {
  const items = reply.kind === 'aggregate' ? reply.items : [];
  return new Map(
    items.flatMap((item, i) => (i % 2 === 0 ? [[text(item), text(items[i + 1])] as const] : [])),
  );
}

test('CONFIG GET * has the same names and defaults', { skip }, async () => {
  const theirs = pairs(await client.command('CONFIG', 'GET', '*'));
  const config = new Config();
  const ours = new Map(config.get([encodeText('*')]).map(([name, value]) => [name, decodeText(value)]));

  for (const name of OWN_DIRECTIVES) assert.ok(ours.delete(name), name);
  assert.deepEqual([...ours.keys()].sort(), [...theirs.keys()].sort());
  for (const [name, value] of theirs) {
    if (SET_AT_START.has(name) || name in DIFFERENT_DEFAULTS) continue;
    assert.equal(ours.get(name), value, name);
  }
});

test('differences that are listed are differences', { skip }, async () => {
  const config = new Config();
  for (const name of Object.keys(DIFFERENT_DEFAULTS) as DirectiveName[]) {
    if (SET_AT_START.has(name)) continue;
    const theirs = pairs(await client.command('CONFIG', 'GET', name)).get(name);
    assert.notEqual(config.text(name), theirs, name);
  }
});

test('hidden directives are hidden there, too, with the same defaults', { skip }, async () => {
  const config = new Config();
  const hidden = LISTED_NAMES.filter(({ name }) => directiveRow(name).hidden);
  for (const { name } of hidden) {
    const theirs = pairs(await client.command('CONFIG', 'GET', name));
    assert.equal(theirs.get(name), config.text(name), name);
  }
});

/** Values that are right for some kind of directive and wrong for all others, and edges of each. */
const VALUES = [
  '',
  ' ',
  'yes',
  'No',
  'YES ',
  'maybe',
  '0',
  '-0',
  '00',
  '+1',
  '-1',
  '1',
  '7',
  '10',
  '99',
  '100',
  '101',
  '128',
  '129',
  '511',
  '512',
  '777',
  '778',
  '08',
  '1000',
  '1001',
  '65535',
  '65536',
  '2147483647',
  '2147483648',
  '-2147483648',
  '-2147483649',
  '4294967295',
  '4294967296',
  '9223372036854775807',
  '9223372036854775808',
  '-9223372036854775808',
  '18446744073709551615',
  '18446744073709551616',
  '1.5',
  '1e3',
  '0x10',
  '1k',
  '1Kb',
  '2mb',
  '3GB',
  '1tb',
  'kb',
  '1 kb',
  '100000000000gb',
  '5%',
  '0%',
  '100%',
  '101%',
  '-5%',
  '%',
  'default',
  'save',
  'nosave now',
  'save nosave',
  'now force default',
  'save  now',
  'NOW',
  'everysec',
  'always',
  'noeviction',
  'allkeys-lru',
  'notice',
  'local',
  'optional',
  'relative',
  'absolute',
  '900 1',
  '900 1 300',
  '900  1',
  ' 900 1',
  '900 1 ',
  '0 1',
  '900 -1',
  '900 1 300 10',
  'abc def',
  '900 99999999999',
  'normal 0 0 0',
  'Slave 1mb 1kb 5',
  'replica 10 20 30 pubsub 1 2 3',
  'master 0 0 0',
  'normal 0 0 -1',
  'normal x 0 0',
  'normal 0 0',
  'normal 0 0 1x',
  'normal -1 0 0',
  '1 2 3',
  '-2000 0 2000',
  '0 200 2001',
  '1 2',
  'KEA',
  'AKEn',
  'g$lshzxetdn',
  'g$lshzxetd',
  'Kg',
  'xyz',
  'mEl$',
  '50 99',
  '0 100',
  '100.1',
  '-0.1',
  '-0',
  'inf',
  '-inf',
  'nan',
  '99.9999999',
  '5e-1 .5 5.',
  'a/b',
  'a\\b',
  '../x',
  'name.rdb',
  'host name',
  'host-1.example',
  'h\u00e4',
  'x'.repeat(255),
  'x'.repeat(256),
  '{title}',
  '{port}',
  '{unknown}',
  '{',
  '{{',
  'x{',
  '{title',
  'a {server-mode} {tls-port}',
  'no one',
  'two\r\nlines',
];

/**
 * Not tried with every value, because the value takes effect on the machine or on the connection of this
 * test, or because it is refused here for a reason of our own.
 */
const NOT_TRIED: ReadonlySet<string> = new Set([
  'dir',
  'port',
  'bind',
  'tls-port',
  'tls-cluster',
  'tls-replication',
  'maxclients',
  'maxmemory-clients',
  'appendonly',
  'activedefrag',
  'watchdog-period',
  'oom-score-adj',
  'crash-log-enabled',
  'proc-title-template',
  'repl-backlog-size',
  'client-query-buffer-limit',
  'timeout',
]);

test('CONFIG SET of every directive to every kind of value', { skip }, async () => {
  const config = new Config();
  config.assign('enable-protected-configs', ['yes']);
  const names = LISTED_NAMES.filter(({ listed, name }) => {
    const isOwn = OWN_DIRECTIVES.includes(name);
    return !isOwn && !NOT_TRIED.has(listed);
  });
  // The same state to start from.
  for (const { name } of names) {
    const value = pairs(await client.command('CONFIG', 'GET', name)).get(name) ?? '';
    if (name in DIFFERENT_DEFAULTS) assert.equal(config.setText({ [name]: value }), undefined);
  }
  for (const { listed } of names) {
    const commands = VALUES.flatMap((value) => [
      ['CONFIG', 'SET', listed, value],
      ['CONFIG', 'GET', listed],
    ]);
    const replies = await client.pipeline(commands);
    for (const [index, value] of VALUES.entries()) {
      const what = `${listed} ${JSON.stringify(value)}`;
      const error = config.set([[encodeText(listed), encodeText(value)]]);
      assert.equal(error ?? 'OK', text(replies[index * 2]), what);
      const [pair] = config.get([encodeText(listed)]);
      const theirs = pairs(replies[index * 2 + 1] as Reply).get(listed);
      assert.equal(pair && decodeText(pair[1]), theirs, `${what}, then CONFIG GET`);
    }
  }
});

test('bad values of directives that act at once', { skip }, async () => {
  const config = new Config();
  const bad: [name: string, values: string[]][] = [
    ['port', ['', 'x', '-1', '65536', '1 2']],
    ['maxclients', ['0', '-1', 'x', '4294967296']],
    ['maxmemory-clients', ['x', '-1', '101%', '-1%', '%', '9223372036854775808', '18446744073709551500']],
    ['timeout', ['-1', 'x', '2147483648']],
    ['client-query-buffer-limit', ['1', '1048575', 'x', '9223372036854775808']],
    ['repl-backlog-size', ['0', 'x', '9223372036854775808']],
    ['bind', ['a '.repeat(17)]],
    ['oom-score-adj', ['', 'x']],
    ['proc-title-template', ['', '{', '{x}', '{title}', ' ', '{{title}', '{server-mode} ']],
  ];
  for (const [name, values] of bad) {
    for (const value of values) {
      const theirs = text(await client.command('CONFIG', 'SET', name, value));
      const ours = config.set([[encodeText(name), encodeText(value)]]) ?? 'OK';
      assert.equal(ours, theirs, `${name} ${value}`);
    }
  }
});

test('CONFIG SET of several, with names that are wrong, twice there or not settable', { skip }, async () => {
  const config = new Config();
  const watched = ['hz', 'hash-max-listpack-value', 'save', 'lfu-log-factor'] as const;
  for (const name of watched) await client.command('CONFIG', 'SET', name, config.text(name));
  const commands: string[][] = [
    ['hz', '20', 'HZ', '30'],
    ['nope', '1', 'port', 'x'],
    ['port', 'x', 'nope', '1'],
    ['databases', '5'],
    ['DATABASES', '5', 'nope', '1'],
    ['hz', '20', 'databases', '5', 'hz', '3'],
    ['hz', '20', 'lfu-log-factor', 'x', 'maxmemory', 'y'],
    ['hash-max-ziplist-value', '5', 'hash-max-listpack-value', '6'],
    ['slave-priority', 'x'],
    ['SLAVE-priority', '-1'],
    ['slaveof', 'a b'],
    ['include', 'x'],
    ['sa?e', ''],
    ['', ''],
    ['a\r\nb', 'c'],
    ['save', '1 1', 'hz', '500'],
  ];
  for (const words of commands) {
    const theirs = text(await client.command('CONFIG', 'SET', ...words));
    const given: [Uint8Array, Uint8Array][] = [];
    for (let i = 0; i < words.length; i += 2)
      given.push([encodeText(words[i] ?? ''), encodeText(words[i + 1] ?? '')]);
    assert.equal(config.set(given) ?? 'OK', theirs, words.join(' '));
    for (const name of watched) {
      assert.equal(
        config.text(name),
        pairs(await client.command('CONFIG', 'GET', name)).get(name),
        words.join(' '),
      );
    }
  }
});

test('CONFIG GET of names and patterns', { skip }, async () => {
  const config = new Config();
  for (const patterns of [
    ['PORT', 'port'],
    ['*max-*entries'],
    ['[hs]z'],
    ['HZ', 'h?'],
    ['slave*', '*slave*'],
    ['\\hz'],
    [''],
  ]) {
    const theirs = [...pairs(await client.command('CONFIG', 'GET', ...patterns)).keys()].sort();
    const ours = config
      .get(patterns.map(encodeText))
      .map(([name]) => name)
      .sort();
    assert.deepEqual(ours, theirs, patterns.join(' '));
  }
});

/** Standard output and error of a redis-server that refuses to start. */
function redisRefusal(args: readonly string[], directory: string): string {
  const { stdout, stderr, status } = spawnSync('redis-server', args, {
    cwd: directory,
    encoding: 'utf8',
    timeout: 10_000,
  });
  assert.equal(status, 1, `redis-server started with ${args.join(' ')}`);
  return (stdout + stderr).trim();
}

test('messages about bad options are the same', { skip }, () => {
  const directory = temporaryDirectory();
  const lines: string[][] = [
    ['--port'],
    ['--port', 'x'],
    ['--port', '1', '2'],
    ['--port 99999'],
    ['--foo', 'bar'],
    ['--foo'],
    ['--hz', '1', '--foo', '-x'],
    ['--save', '1'],
    ['--save', 'a b'],
    ['--appendfsync', 'sometimes'],
    ['--maxmemory', '1zb'],
    ['--requirepass', '"', 'x'],
    ['--bind', ...Array.from({ length: 17 }, String)],
    ['--client-output-buffer-limit', 'normal', '1', '2'],
    ['--dir', '/nowhere'],
    ['--unixsocketperm', '999'],
    ['--rename-command', 'x'],
    ['--user'],
    ['--a.b'],
    ['--oom-score-adj-values', '1'],
    ['-x'],
    ['--port', '1', '-p', '2'],
    ['--replicaof', 'a', 'x'],
    ['--shutdown-on-sigint', 'save', 'nosave'],
    ['--logfile', '/nowhere/x'],
    ['--dbfilename', 'a/b'],
    ['--appenddirname', ''],
    ['--notify-keyspace-events', 'K', 'E'],
    ['--maxclients', '0'],
    ['--loglevel', ''],
  ];
  for (const argv of lines) {
    const ours = parseCommandLine(argv, {}, { program: PROGRAM });
    assert.equal(ours.action === 'error' && ours.text, redisRefusal(argv, directory.path), argv.join(' '));
  }
  directory.remove();
});

test('messages about bad files are the same but for the name of the file', { skip }, () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, 'bad.conf');
  const contents = [
    'port x',
    '# c\n\n  foo bar  \n',
    'port "1',
    'port 1\r\nhz\r\n',
    'save 1 "x',
    "requirepass 'a'b",
    'sentinel monitor x',
    'maxmemory "1 gb"',
  ];
  for (const content of contents) {
    writeFileSync(path, content);
    const ours = parseCommandLine([path], {}, { program: PROGRAM });
    const message = ours.action === 'error' ? ours.text.replace(` '${path}'`, '') : '';
    assert.equal(message, redisRefusal([path], directory.path), content);
  }
  directory.remove();
});

/** A redis-server with nothing but a file, which only such a one can rewrite. */
async function startWithFile(path: string, port: number, context: TestContext): Promise<RespClient> {
  const child = spawn('redis-server', [path], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  context.after(() => {
    child.kill('SIGKILL');
    return ended;
  });
  for (;;) {
    try {
      return await RespClient.connect({ port });
    } catch (error) {
      if (child.exitCode !== null) throw error;
      await sleep(POLL_MILLIS);
    }
  }
}

test('CONFIG REWRITE writes the same lines', { skip }, async (context) => {
  const directory = temporaryDirectory();
  context.after(() => directory.remove());
  const path = join(directory.path, 'redis.conf');
  const port = await freePort();
  const old = `# head


port ${port}
dir ${directory.path}
bind 127.0.0.1
dbfilename x.rdb
  timeout   0
MAXMEMORY 1024mb
# between
save 900 1
save 300 10
slave-priority 50
hash-max-ziplist-entries 7
client-output-buffer-limit pubsub 1mb 1kb 7
notify-keyspace-events ""
list-max-ziplist-value 5
requirepass ""
user default on nopass ~* &* +@all
appendfilename "a b.aof"
# tail
`;
  const settings = {
    timeout: '9',
    maxmemory: '100mb',
    save: '60 5',
    'notify-keyspace-events': 'KEA',
    'maxmemory-clients': '5%',
    'lfu-log-factor': '3',
    'client-output-buffer-limit': 'normal 5gb 3 4',
    'shutdown-on-sigint': 'nosave now',
    'oom-score-adj-values': '1 2 3',
    'latency-tracking-info-percentiles': '5 50.5',
    masterauth: 'se "cret\x01\u00e4',
    loglevel: 'debug',
    hz: '500',
  };
  writeFileSync(path, old);
  const rewriting = await startWithFile(path, port, context);
  context.after(() => rewriting.close());
  assert.equal(text(await rewriting.command('CONFIG', 'SET', ...Object.entries(settings).flat())), 'OK');
  assert.equal(text(await rewriting.command('CONFIG', 'REWRITE')), 'OK');

  writeFileSync(`${path}.ours`, old);
  const started = parseCommandLine([`${path}.ours`], {}, { program: PROGRAM });
  assert.ok(started.action === 'run');
  assert.equal(started.config.setText(settings), undefined);
  const users = ['default on nopass ~* &* +@all'];
  const ours = rewriteConfigText(old, started.config, { users }).split('\n');

  const theirs = readFileSync(path, 'utf8').replace('sanitize-payload ', '').split('\n');
  const signature = theirs.indexOf('# Generated by CONFIG REWRITE');
  assert.deepEqual(ours.slice(0, signature + 1), theirs.slice(0, signature + 1));
  // What is appended comes in the order of a hash table there.
  assert.deepEqual(ours.slice(signature).sort(), theirs.slice(signature).sort());
});
