import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { LoadedStore } from '../../test/support/loading.ts';
import { encodeDumpPayload } from './dump-payload.ts';
import { dumpValue, restoreValue } from './dump-service.ts';

const store = new LoadedStore();
after(() => store.dispose());

const { keyspace } = store;
const database = keyspace.databases[0]!;

test('strings of any length come back as they were', () => {
  for (const value of ['', '12', '-5', 'text', 'x'.repeat(3000), 'word '.repeat(20_000)]) {
    store.clear();
    const key = Buffer.from('k');
    const bytes = Buffer.from(value);
    const entry = keyspace.strings.set(database, key, 0, 1, bytes, 0, bytes.length, false);
    const encoding = database.encodingOf(entry);
    const payload = dumpValue(keyspace, entry, true);

    const restore = restoreValue(keyspace, payload);
    assert.ok(typeof restore === 'function');
    const copy = restore(database, Buffer.from('copy'));
    assert.equal(database.encodingOf(copy), encoding);
    assert.deepEqual(store.content(), [`copy=${value}`, `k=${value}`]);
    keyspace.checkInvariants();
  }
});

test('what cannot be restored', () => {
  const payload = Buffer.from(
    encodeDumpPayload({ kind: 'set', members: [Buffer.from('a'), Buffer.from('a')] }, true),
  );
  assert.equal(restoreValue(keyspace, payload), 'bad-format');
  payload[payload.length - 1]! ^= 1;
  assert.equal(restoreValue(keyspace, payload), 'bad-checksum-or-version');
  assert.equal(restoreValue(keyspace, Buffer.alloc(0)), 'bad-checksum-or-version');
});
