import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommandLine, type CommandLine } from './command-line.ts';
import type { ConfigSystem } from './config-system.ts';
import { DIRECTIVE_NAMES, directiveRow } from './directives.ts';
import { banner, helpText } from './help.ts';

const PROGRAM = { name: 'redis-clone-ts', version: '1.2.3' };
const FILES: Readonly<Record<string, string>> = {
  '/srv/a.conf': 'port 5\ntimeout 7\n',
  '/etc/b.conf': 'hz 20',
};

const SYSTEM: ConfigSystem = {
  workingDirectory: () => '/srv',
  readFile: (path) => {
    const text = FILES[path];
    if (text === undefined) throw Object.assign(new Error('not found'), { code: 'ENOENT' });
    return text;
  },
  readStandardInput: () => 'maxmemory 1mb\nport 6\n',
  listDirectory: () => [],
  directoryError: () => undefined,
  logFileError: () => undefined,
};

function parse(argv: string[], env: Record<string, string> = {}): CommandLine {
  return parseCommandLine(argv, env, { program: PROGRAM, system: SYSTEM });
}

function run(argv: string[], env: Record<string, string> = {}) {
  const result = parse(argv, env);
  assert.equal(result.action, 'run', JSON.stringify(result));
  return result.action === 'run' ? result : assert.fail();
}

function error(argv: string[], env: Record<string, string> = {}): string {
  const result = parse(argv, env);
  return result.action === 'error' ? result.text : assert.fail(`no error: ${argv.join(' ')}`);
}

test('nothing at all', () => {
  const { config, configFile, warnings } = run([]);
  assert.equal(config.values.port, 6379);
  assert.equal(configFile, undefined);
  assert.deepEqual(warnings, []);
});

test('a file, then options that outdo it', () => {
  const { config, configFile } = run(['a.conf', '--port', '7', '--hz', '15']);
  assert.equal(configFile, '/srv/a.conf');
  assert.equal(config.configFile, '/srv/a.conf');
  assert.deepEqual([config.values.port, config.values.timeout, config.values.hz], [7, 7, 15]);
});

test('standard input as the first or the last argument', () => {
  assert.equal(run(['-']).config.values.maxmemory, 1024 ** 2);
  assert.equal(run(['a.conf', '-']).config.values.port, 6);
  assert.equal(run(['a.conf', '--port', '7', '-']).config.values.port, 7);
});

test('options in all spellings', () => {
  const cases: [
    argv: string[],
    name: Parameters<ReturnType<typeof run>['config']['text']>[0],
    text: string,
  ][] = [
    [['--port', '7000'], 'port', '7000'],
    [['--port 7000'], 'port', '7000'],
    [['--port=7000'], 'port', '7000'],
    [['--PORT=7000'], 'port', '7000'],
    [['7000'], 'port', '7000'],
    [['7000', '--port', '7001'], 'port', '7001'],
    [['--save', '900', '1', '300', '10'], 'save', '900 1 300 10'],
    [['--save', '900 1', '--save', '300 10'], 'save', '900 1 300 10'],
    [['--save=900 1'], 'save', '900 1'],
    [['--save', ''], 'save', ''],
    [['--save', '--port', '7'], 'port', '7'],
    [['--port', '7', '--save'], 'save', ''],
    [['--bind', '127.0.0.1', '-::1'], 'bind', '127.0.0.1 -::1'],
    [['--requirepass', '--secret'], 'requirepass', '--secret'],
    [['--requirepass=a=b c'], 'requirepass', 'a=b c'],
    [['--requirepass', 'ä"\\\n\t'], 'requirepass', 'ä"\\\n\t'],
    [['--mode=threaded'], 'mode', 'threaded'],
    [['--slaveof', 'no', 'one'], 'replicaof', ''],
    [
      ['--client-output-buffer-limit', 'normal 1k 2kb 3'],
      'client-output-buffer-limit',
      'normal 1000 2048 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60',
    ],
  ];
  for (const [argv, name, text] of cases) assert.equal(run(argv).config.text(name), text, argv.join(' '));
});

test('errors read as those of Redis', () => {
  const headline =
    '*** FATAL CONFIG FILE ERROR (redis-clone-ts 1.2.3) ***\nReading the configuration file, at line ';
  assert.equal(
    error(['--port', 'abc']),
    `${headline}2\n>>> 'port "abc"'\nargument couldn't be parsed into an integer`,
  );
  assert.equal(error(['--port']), `${headline}2\n>>> 'port'\nwrong number of arguments`);
  assert.equal(error(['--foo=1']), `${headline}2\n>>> 'foo "1"'\nBad directive or wrong number of arguments`);
  assert.equal(
    error(['a.conf', '--hz', '1', '--foo', '1']),
    `${headline}5\n>>> 'foo "1"'\nBad directive or wrong number of arguments`,
  );
  assert.equal(
    error(['99999']),
    `${headline}2\n>>> 'port "99999"'\nargument must be between 0 and 65535 inclusive`,
  );
  assert.equal(
    error(['no.conf']),
    "Fatal error, can't open config file '/srv/no.conf': No such file or directory",
  );
});

test('what redis-server has and this server has not is refused with the reason', () => {
  assert.match(error(['--sentinel']), /^--sentinel is not available: /);
  assert.match(error(['--check-system']), /^--check-system is not available: /);
  assert.match(error(['--test-memory', '100']), /^--test-memory is not available: /);
});

test('the environment gives the port if nothing else does', () => {
  assert.equal(run([], { REDIS_CLONE_PORT: '7000' }).config.values.port, 7000);
  assert.equal(run(['--port', '6379'], { REDIS_CLONE_PORT: '7000' }).config.values.port, 6379);
  assert.equal(run(['a.conf'], { REDIS_CLONE_PORT: '7000' }).config.values.port, 5);
  assert.equal(run([], { REDIS_CLONE_PORT: '' }).config.values.port, 6379);
  assert.match(
    error([], { REDIS_CLONE_PORT: '70000' }),
    /REDIS_CLONE_PORT='70000': argument must be between/,
  );
});

test('settings without effect are announced', () => {
  assert.match(run(['--daemonize', 'yes']).warnings.join(), /'daemonize' is accepted but has no effect here/);
  assert.match(
    run(['--repl-backlog-size', '2mb']).warnings.join(),
    /'repl-backlog-size' is accepted but has no effect yet/,
  );
  assert.deepEqual(run(['--maxmemory-policy', 'allkeys-lru']).warnings, []);
  assert.deepEqual(run(['--maxmemory', '1mb']).warnings, []);
  assert.deepEqual(run(['--user', 'alice', 'on']).warnings, []);
});

test('help and version', () => {
  for (const argv of [['-h'], ['--help'], ['--mode=threaded', '--help']])
    assert.equal(parse(argv).action, 'help');
  for (const argv of [['-v'], ['--version']]) assert.equal(parse(argv).action, 'version');
  const help = helpText(PROGRAM);
  for (const name of DIRECTIVE_NAMES) {
    if (!directiveRow(name).hidden) assert.ok(help.includes(` --${name}`), name);
  }
  for (const line of help.split('\n')) assert.ok(line.length <= 120, line);
});

test('the banner says what runs where', () => {
  const text = banner({ ...PROGRAM, mode: 'eventloop', port: 7000, pid: 42, addresses: ['127.0.0.1:7000'] });
  for (const fact of ['redis-clone-ts 1.2.3', 'eventloop', '7000', '42', 'eady to accept connections']) {
    assert.ok(text.includes(fact), fact);
  }
});
