import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Config } from './config.ts';
import { loadConfigSources } from './config-file.ts';
import type { ConfigSystem } from './config-system.ts';
import { DIRECTIVE_NAMES, directiveRow, type DirectiveName } from './directives.ts';

/** A machine with these files, whose current directory is /srv. */
function systemWith(files: Readonly<Record<string, string>>): ConfigSystem {
  return {
    workingDirectory: () => '/srv',
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw Object.assign(new Error('not found'), { code: 'ENOENT' });
      return text;
    },
    readStandardInput: () => files['-'] ?? '',
    listDirectory: (path) => {
      const prefix = path === '/' ? '/' : `${path}/`;
      const below = Object.keys(files).filter((name) => name.startsWith(prefix));
      return [...new Set(below.map((name) => name.slice(prefix.length).split('/')[0] ?? ''))].reverse();
    },
    directoryError: (path) => (path.includes('missing') ? 'No such file or directory' : undefined),
    logFileError: (path) => (path.includes('missing') ? 'No such file or directory' : undefined),
  };
}

function load(text: string, files: Readonly<Record<string, string>> = {}, file?: string) {
  const config = new Config({ workingDirectory: '/srv' });
  const source = { text, firstLine: 1, ...(file === undefined ? {} : { file }) };
  const program = { name: 'redis-clone-ts', version: '1.2.3' };
  return { config, ...loadConfigSources(config, [source], { system: systemWith(files), program }) };
}

test('comments, empty lines, quotes and line ends of Windows', () => {
  const { config, error } = load('# port 1\r\n\r\n  PORT "7000"\r\n\trequirepass \'a b\'\nlogfile "\\x61"\n');
  assert.equal(error, undefined);
  assert.equal(config.values.port, 7000);
  assert.equal(config.values.requirepass, 'a b');
  assert.equal(config.values.logfile, 'a');
});

test('save lines add up, the first one of all discards the default', () => {
  assert.equal(load('save 900 1\nsave 300 10').config.text('save'), '900 1 300 10');
  assert.equal(load('save 900 1 300 10\nsave ""').config.text('save'), '');
  assert.equal(load('save ""\nsave "60 10000"').config.text('save'), '60 10000');
});

test('buffer limits change their class only, bind is replaced', () => {
  const { config } = load(
    'client-output-buffer-limit replica 1mb 1kb 5\nclient-output-buffer-limit pubsub 0 0 0\n' +
      'bind 1.1.1.1\nbind ::1 *',
  );
  assert.equal(config.text('client-output-buffer-limit'), 'normal 0 0 0 slave 1048576 1024 5 pubsub 0 0 0');
  assert.deepEqual(config.values.bind, ['::1', '*']);
});

test('users and renamed commands are kept, old directives ignored', () => {
  const { config, error } = load(
    'user alice on >pw ~* +@all\nrename-command FLUSHALL ""\nlist-max-ziplist-entries 5',
  );
  assert.equal(error, undefined);
  assert.deepEqual(config.fileOnly.users, [['alice', 'on', '>pw', '~*', '+@all']]);
  assert.deepEqual(config.fileOnly.renamedCommands, [{ from: 'FLUSHALL', to: '' }]);
});

test('errors name file, line and value', () => {
  const { error } = load('port 1\n\n foo bar ', {}, '/etc/my.conf');
  assert.equal(
    error,
    [
      '*** FATAL CONFIG FILE ERROR (redis-clone-ts 1.2.3) ***',
      "Reading the configuration file '/etc/my.conf', at line 3",
      ">>> 'foo bar'",
      'Bad directive or wrong number of arguments',
    ].join('\n'),
  );
});

test('without a file the message is that of Redis', () => {
  const cases: [text: string, message: string][] = [
    ['port', 'wrong number of arguments'],
    ['port 1 2', 'wrong number of arguments'],
    ['port "1', 'Unbalanced quotes in configuration line'],
    ['save 1', 'Invalid save parameters'],
    ['dir /missing', 'No such file or directory'],
    ['my.module', 'Module config specified without value'],
    ['sentinel monitor', 'sentinel directive while not in sentinel mode'],
    ['user', 'Bad directive or wrong number of arguments'],
    ['rename-command a', 'Bad directive or wrong number of arguments'],
  ];
  for (const [text, message] of cases) {
    const [, place, line, ...rest] = load(text).error?.split('\n') ?? [];
    assert.deepEqual(
      [place, line, ...rest],
      ['Reading the configuration file, at line 1', `>>> '${text}'`, message],
    );
  }
});

test('modules are refused with the reason', () => {
  assert.match(load('loadmodule /x.so').error ?? '', /Modules cannot be loaded: /);
  assert.match(load('my.option 5').error ?? '', /Modules cannot be loaded/);
});

test('a log file that cannot be opened has no line', () => {
  assert.equal(
    load('logfile /missing/log').error,
    '*** FATAL CONFIG FILE ERROR (redis-clone-ts 1.2.3) ***\n' +
      "Can't open the log file: No such file or directory",
  );
});

test('include reads files in place, relative to the directory that is current then', () => {
  const files = {
    '/srv/a.conf': 'port 1\ninclude b/c.conf',
    '/srv/b/c.conf': 'timeout 5',
    '/data/x.conf': 'hz 50',
  };
  const { config, error } = load('port 9\ninclude a.conf\ndir /data\ninclude x.conf', files);
  assert.equal(error, undefined);
  assert.deepEqual([config.values.port, config.values.timeout, config.values.hz], [1, 5, 50]);
});

test('include finds patterns in order; finding none is no error', () => {
  const files = {
    '/srv/conf.d/2.conf': 'port 2',
    '/srv/conf.d/1.conf': 'port 1',
    '/srv/conf.d/.3.conf': 'port 3',
  };
  assert.equal(load('include conf.d/*.conf', files).config.values.port, 2);
  assert.equal(load('include /srv/conf.?/[1].conf', files).config.values.port, 1);
  assert.equal(load('include nowhere/*', files).error, undefined);
});

test('include names the file that is missing or wrong, and ends loops', () => {
  assert.equal(
    load('include nowhere.conf').error,
    "Fatal error, can't open config file '/srv/nowhere.conf': No such file or directory",
  );
  assert.match(load('include a.conf', { '/srv/a.conf': 'x' }).error ?? '', /file '\/srv\/a.conf', at line 1/);
  assert.match(load('include a.conf', { '/srv/a.conf': 'include a.conf' }).error ?? '', /include each other/);
});

const DEBIAN_FILE = '/etc/redis/redis.conf';

test(
  'the configuration file of Debian loads',
  { skip: existsSync(DEBIAN_FILE) ? false : `no ${DEBIAN_FILE}` },
  () => {
    const { config, error, mentioned } = load(readFileSync(DEBIAN_FILE, 'utf8'));
    assert.equal(error, undefined);
    assert.ok(mentioned.size > 50);
    assert.equal(config.values.dir, '/var/lib/redis');
  },
);

/** `dist/src/config/` when compiled. */
const EXAMPLE_FILE = fileURLToPath(new URL('../../../redis.conf', import.meta.url));

test('the example file shows every directive that has an effect, with its default, and no other', () => {
  const text = readFileSync(EXAMPLE_FILE, 'utf8');
  const { config, error, mentioned } = load(text);
  assert.equal(error, undefined);
  for (const name of mentioned) assert.ok(config.isDefault(name), name);

  const shown = [...text.matchAll(/^(?:# )?([a-z-]+) /gm)].map((match) => match[1] as DirectiveName);
  for (const name of DIRECTIVE_NAMES) {
    const { effect, refusal, hidden } = directiveRow(name);
    const isEffective = effect === undefined && refusal === undefined && !hidden;
    assert.equal(shown.includes(name), isEffective, name);
  }
});
