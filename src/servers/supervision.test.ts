import assert from 'node:assert/strict';
import { test } from 'node:test';
import { superviseBy, type SupervisedSetting } from './supervision.ts';

const PATH = '/run/systemd/notify';

function supervise(setting: SupervisedSetting, path: string | undefined, result = 0) {
  const sent: string[] = [];
  const problems: string[] = [];
  const supervision = superviseBy(
    setting,
    path === undefined ? {} : { NOTIFY_SOCKET: path },
    (problem) => void problems.push(problem),
    (to, text) => {
      sent.push(`${to} ${text}`);
      return result;
    },
  );
  if (typeof supervision === 'object') supervision.tell('READY=1\n');
  return { supervision, sent, problems };
}

test('systemd is told where it listens, when it is named or found', () => {
  for (const setting of ['systemd', 'auto'] as const) {
    const { sent, problems } = supervise(setting, PATH);
    assert.deepEqual(sent, [`${PATH} READY=1\n`]);
    assert.deepEqual(problems, []);
  }
});

test('nobody is told without a supervisor, and only who was named is missed', () => {
  assert.equal(supervise('no', PATH).supervision, undefined);
  assert.deepEqual(supervise('auto', undefined), { supervision: undefined, sent: [], problems: [] });
  assert.match(supervise('systemd', undefined).problems.join(), /NOTIFY_SOCKET not found/);
  assert.match(supervise('upstart', PATH).problems.join(), /not supported/);
});

test('a supervisor that cannot be told is reported', () => {
  assert.deepEqual(supervise('systemd', PATH, -111).problems, [
    'systemd could not be told READY=1: error 111',
  ]);
});
