import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentialsOf, isFromOtherSite, isHostAllowed } from './access.ts';

test('addresses, localhost and allowed names are hosts of this server; other names are not', () => {
  const allowed = ['metrics.internal', ''];
  const right = [
    ...['127.0.0.1', '127.0.0.1:9121', '192.168.1.5:80', '[::1]', '[::1]:9121', 'localhost', 'LOCALHOST:1'],
    ...['page.localhost', 'metrics.internal', 'Metrics.Internal:9121'],
  ];
  const wrong = [
    ...[
      undefined,
      '',
      'evil.example',
      'evil.example:9121',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
    ],
    ...['notlocalhost', '::1', '127.0.0.1:x', 'a b', 'localhost@evil.example', ':9121', '[evil.example]'],
  ];
  for (const host of right) assert.ok(isHostAllowed(host, allowed), host);
  for (const host of wrong) assert.ok(!isHostAllowed(host, allowed), String(host));
});

test('what a browser says about who has asked', () => {
  assert.ok(!isFromOtherSite({}));
  assert.ok(!isFromOtherSite({ 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }));
  assert.ok(!isFromOtherSite({ 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }));
  assert.ok(!isFromOtherSite({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }));
  for (const site of ['cross-site', 'same-site'])
    for (const mode of ['cors', 'no-cors', 'websocket'])
      assert.ok(isFromOtherSite({ 'sec-fetch-site': site, 'sec-fetch-mode': mode }), `${site} ${mode}`);
});

test('name and password of basic authentication', () => {
  const header = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
  assert.deepEqual(credentialsOf(header('alice:a:b')), { user: 'alice', password: 'a:b' });
  assert.deepEqual(credentialsOf(header(':sésame')), { user: 'default', password: 'sésame' });
  assert.deepEqual(credentialsOf(header('alice:').replace('Basic', 'basic')), {
    user: 'alice',
    password: '',
  });
  for (const wrong of [undefined, '', 'Bearer abc', header('alice'), 'Basic', 'Basic ,,,'])
    assert.equal(credentialsOf(wrong), undefined, wrong);
});
