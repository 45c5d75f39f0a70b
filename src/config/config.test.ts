import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Config, LOADING_ERROR } from './config.ts';
import { decodeText, encodeText } from './config-text.ts';

function get(config: Config, ...patterns: string[]): Record<string, string> {
  const pairs = config.get(patterns.map(encodeText));
  return Object.fromEntries(pairs.map(([name, value]) => [name, decodeText(value)]));
}

function set(config: Config, ...words: string[]): string | undefined {
  const pairs: [Uint8Array, Uint8Array][] = [];
  for (let i = 0; i < words.length; i += 2) {
    pairs.push([encodeText(words[i] ?? ''), encodeText(words[i + 1] ?? '')]);
  }
  return config.set(pairs);
}

test('get finds names, patterns and aliases, each once', () => {
  const config = new Config();
  assert.deepEqual(get(config, 'port'), { port: '6379' });
  assert.deepEqual(get(config, 'PORT', 'port'), { PORT: '6379' });
  assert.deepEqual(get(config, 'hash-max-*PACK-value', 'hash-max-listpack-value'), {
    'hash-max-listpack-value': '64',
  });
  assert.deepEqual(Object.keys(get(config, 'hash-max-*-value')).sort(), [
    'hash-max-listpack-value',
    'hash-max-ziplist-value',
  ]);
  assert.deepEqual(get(config, 'nothing', 'noth*'), {});
});

test('hidden directives are found by their name only', () => {
  const config = new Config();
  assert.deepEqual(get(config, 'watchdog-p*'), {});
  assert.deepEqual(get(config, 'watchdog-period'), { 'watchdog-period': '0' });
});

test('set takes several at once and counts the version', () => {
  const config = new Config();
  const before = config.version;
  assert.equal(set(config, 'timeout', '7', 'MAXMEMORY', '1gb'), undefined);
  assert.equal(config.values.timeout, 7);
  assert.equal(config.values.maxmemory, 1024 ** 3);
  assert.ok(config.version > before);
});

test('set changes nothing when one value is bad', () => {
  const config = new Config();
  const error = set(config, 'timeout', '7', 'maxmemory', 'x');
  assert.equal(
    error,
    "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value",
  );
  assert.equal(config.values.timeout, 0);
  assert.equal(config.version, 0);
});

test('numbers beyond 2^53 are printed exactly', () => {
  const config = new Config();
  assert.equal(set(config, 'maxmemory', '18446744073709551615'), undefined);
  assert.deepEqual(get(config, 'maxmemory'), { maxmemory: '18446744073709551615' });
});

test('protected directives need permission, loading forbids some', () => {
  const config = new Config();
  const pair = [[encodeText('dbfilename'), encodeText('x.json')]] as const;
  assert.match(config.set(pair, { local: true }) ?? '', /can't set protected config$/);
  config.assign('enable-protected-configs', ['local']);
  assert.match(config.set(pair) ?? '', /can't set protected config$/);
  assert.equal(config.set(pair, { local: true }), undefined);
  assert.equal(config.setText({ appendonly: 'yes' }, { loading: true }), LOADING_ERROR);
});

test('what would be a lie is refused with its reason', () => {
  const config = new Config();
  assert.equal(config.setText({ activedefrag: 'no' }), undefined);
  assert.match(config.setText({ activedefrag: 'yes' }) ?? '', /Active defragmentation cannot be enabled/);
  assert.equal(config.assign('cluster-enabled', ['yes']), 'cluster mode is not available yet');
});

test('a hook is called once for all of its directives, and only for changes', () => {
  const config = new Config();
  const calls: string[] = [];
  const listen = (names: readonly string[]) => {
    calls.push(names.join(' '));
    return undefined;
  };
  config.useHooks({ port: listen, bind: listen, timeout: () => assert.fail('not changed') });
  assert.equal(set(config, 'port', '7000', 'timeout', '0', 'bind', '127.0.0.1'), undefined);
  assert.deepEqual(calls, ['port bind']);
});

test('a hook that fails brings all old values back', () => {
  const config = new Config();
  const ports: number[] = [];
  config.useHooks({
    timeout: () => undefined,
    port: (_names, values) => {
      ports.push(values.port);
      return values.port === 1 ? 'Unable to listen on this port. Check server logs.' : undefined;
    },
  });
  assert.equal(
    set(config, 'timeout', '5', 'port', '1'),
    "ERR CONFIG SET failed (possibly related to argument 'port') - " +
      'Unable to listen on this port. Check server logs.',
  );
  assert.deepEqual([config.values.timeout, config.values.port], [0, 6379]);
  assert.deepEqual(ports, [1, 6379]);
});

test('names in messages stay on one line', () => {
  assert.equal(
    set(new Config(), 'a\r\nb', '1'),
    "ERR Unknown option or number of arguments for CONFIG SET - 'a  b'",
  );
});

test('another thread takes over all that was set', () => {
  const config = new Config({ workingDirectory: '/srv' });
  config.assign('port', ['7000']);
  config.assign('mode', ['threaded']);
  config.fileOnly.users.push(['alice', 'on', '>secret']);
  config.configFile = '/etc/redis.conf';
  const other = new Config();
  other.assign('timeout', ['9']);
  assert.deepEqual(other.load(config.serialize()).sort(), ['dir', 'mode', 'port', 'timeout']);
  assert.equal(other.values.dir, '/srv/data');
  assert.equal(other.serialize(), config.serialize());
  assert.equal(other.version, config.version);
  assert.deepEqual(other.load(config.serialize()), []);
});

test('a password may be any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const config = new Config();
      assert.equal(config.set([[encodeText('requirepass'), bytes]]), undefined);
      assert.deepEqual([...encodeText(config.values.requirepass)], [...bytes]);
      const other = new Config();
      other.load(config.serialize());
      const [pair] = other.get([encodeText('requirepass')]);
      assert.deepEqual([...(pair?.[1] ?? [])], [...bytes]);
    }),
  );
});

test('any two settings: what is printed is accepted again and prints the same', () => {
  const words = fc.constantFrom(
    'yes',
    'no',
    '0',
    '1',
    '-1',
    '100%',
    '5gb',
    'save',
    'now',
    '',
    'KEA',
    '900 1',
  );
  const names = fc.constantFrom(
    'hz',
    'save',
    'maxmemory-clients',
    'shutdown-on-sigint',
    'notify-keyspace-events',
  );
  fc.assert(
    fc.property(names, words, (name, word) => {
      const config = new Config();
      if (set(config, name, word) !== undefined) return;
      const printed = get(config, name)[name] ?? '';
      assert.equal(set(config, name, printed), undefined);
      assert.equal(get(config, name)[name], printed);
    }),
  );
});
