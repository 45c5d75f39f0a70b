import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Config } from '../config/config.ts';
import { Log } from '../util/log.ts';
import { ManualClock } from '../util/clock.ts';
import { openSyslog, syslogRefusal } from './syslog.ts';

function configOf(
  ...settings: readonly (readonly [name: 'syslog-enabled' | 'syslog-ident' | 'syslog-facility', string])[]
): Config {
  const config = new Config();
  for (const [name, value] of settings) assert.equal(config.assign(name, [value]), undefined);
  return config;
}

test('a line of the log goes to the system log with facility, severity, name and process', () => {
  const sent: string[] = [];
  const config = configOf(
    ['syslog-enabled', 'yes'],
    ['syslog-ident', 'cache'],
    ['syslog-facility', 'local3'],
  );
  const syslog = openSyslog(config, (path, text) => {
    sent.push(`${path} ${text}`);
    return 0;
  });
  assert.notEqual(syslog, undefined);
  const clock = new ManualClock(new Date(2024, 2, 5, 14, 7, 9).getTime());
  const log = new Log({ file: '/dev/null', level: 'verbose', clock, ...(syslog && { syslog }) });
  log.debug('below the level');
  log.verbose('a');
  log.notice('b');
  log.warning('c');
  const head = `Mar  5 14:07:09 cache[${process.pid}]:`;
  assert.deepEqual(sent, [`/dev/log <158>${head} a`, `/dev/log <157>${head} b`, `/dev/log <156>${head} c`]);
});

test('without syslog-enabled nothing is sent, and nothing can be missing', () => {
  assert.equal(
    openSyslog(new Config(), () => assert.fail('nothing is sent')),
    undefined,
  );
  assert.equal(syslogRefusal(new Config()), undefined);
});
