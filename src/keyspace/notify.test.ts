import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  NOTIFY_EXPIRED,
  NOTIFY_GENERIC,
  NOTIFY_KEYEVENT,
  NOTIFY_KEYSPACE,
  NOTIFY_KEY_MISS,
  NOTIFY_NEW,
  NOTIFY_STRING,
  notifyMaskOf,
} from './notify.ts';

test('letters name classes', () => {
  assert.equal(notifyMaskOf('Kg$'), NOTIFY_KEYSPACE | NOTIFY_GENERIC | NOTIFY_STRING);
  assert.equal(notifyMaskOf('Exmn'), NOTIFY_KEYEVENT | NOTIFY_EXPIRED | NOTIFY_KEY_MISS | NOTIFY_NEW);
  assert.equal(notifyMaskOf('KA'), notifyMaskOf('Kg$lshzxetd'));
  assert.equal(notifyMaskOf('KA') & (NOTIFY_KEY_MISS | NOTIFY_NEW), 0);
});

test('nothing is published without a place to publish it to', () => {
  assert.equal(notifyMaskOf(''), 0);
  assert.equal(notifyMaskOf('A'), 0);
  assert.equal(notifyMaskOf('g$'), 0);
});
