import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Request } from '../protocol/request.ts';
import { findKeys, hasKeys } from './command-keys.ts';
import type { Command, KeySpec } from './command.ts';
import { keyPair, keysOfPairsFrom, oneKey } from './key-specs.ts';

const ROW: Command = {
  name: 'example',
  arity: -1,
  flags: [],
  group: 'generic',
  since: '1.0.0',
  summary: 'An example',
};

function keys(line: string, ...keySpecs: KeySpec[]): string[] {
  const request = Request.of(line.split(' ').map((word) => Buffer.from(word)));
  return findKeys({ ...ROW, keySpecs }, request).map(({ index }) => request.text(index));
}

const NUMBERED: KeySpec = {
  flags: ['RW', 'access', 'update'],
  beginSearch: { type: 'index', index: 2 },
  findKeys: { type: 'keynum', keyNumIndex: 0, firstKey: 1, keyStep: 1 },
};

/** XREAD: the first half of what follows the keyword. */
const STREAMS: KeySpec = {
  flags: ['RO', 'access'],
  beginSearch: { type: 'keyword', keyword: 'STREAMS', startFrom: 1 },
  findKeys: { type: 'range', lastKey: -1, keyStep: 1, limit: 2 },
};

/** GEORADIUS: the keyword is searched from the end. */
const STORE: KeySpec = {
  flags: ['OW', 'update'],
  beginSearch: { type: 'keyword', keyword: 'STORE', startFrom: -2 },
  findKeys: { type: 'range', lastKey: 0, keyStep: 1, limit: 0 },
};

test('keys at fixed places', () => {
  assert.deepEqual(keys('x a b c', oneKey(1, 'RO')), ['a']);
  assert.deepEqual(keys('x a b c', oneKey(2, 'RO'), oneKey(1, 'RW')), ['b', 'a']);
  assert.deepEqual(keys('x a b c', keyPair(2, 'RO')), ['b', 'c']);
  assert.deepEqual(keys('x a 1 b 2 c', keysOfPairsFrom(1, 'OW')), ['a', 'b', 'c']);
  assert.deepEqual(keys('x a', keyPair(1, 'RO')), []);
  assert.deepEqual(keys('x', oneKey(1, 'RO')), []);
});

test('keys that are counted', () => {
  assert.deepEqual(keys('x script 2 a b arg', NUMBERED), ['a', 'b']);
  assert.deepEqual(keys('x script 0 arg', NUMBERED), []);
  for (const count of ['3', '-1', 'two', '99999999999999999999']) {
    assert.deepEqual(keys(`x script ${count} a b`, NUMBERED), [], count);
  }
  assert.deepEqual(keys('x script', NUMBERED), []);
});

test('keys behind a keyword', () => {
  assert.deepEqual(keys('x COUNT 1 streams a b 0 0', STREAMS), ['a', 'b']);
  assert.deepEqual(keys('x COUNT 1 a b 0 0', STREAMS), []);
  assert.deepEqual(keys('x streams', STREAMS), []);
  assert.deepEqual(keys('x k 1 2 store a', STORE), ['a']);
  assert.deepEqual(keys('x k 1 2 a store', STORE), []);
});

test('one spec that does not fit, or does not know all keys, leaves no answer', () => {
  assert.deepEqual(keys('x a b', oneKey(1, 'RO'), oneKey(3, 'RO')), []);
  assert.deepEqual(keys('x a b', oneKey(1, 'RO'), oneKey(2, 'RO', 'incomplete')), []);
  const unknown: KeySpec = { flags: ['RO'], beginSearch: { type: 'unknown' }, findKeys: { type: 'unknown' } };
  assert.deepEqual(keys('x a b', unknown), []);
});

test('what is routed like a key but is none does not count', () => {
  assert.deepEqual(keys('x a b', oneKey(1, 'RO', 'not_key'), oneKey(2, 'RO')), ['b']);
  assert.equal(hasKeys({ ...ROW, keySpecs: [oneKey(1, 'RO', 'not_key')] }), false);
  assert.equal(hasKeys({ ...ROW, keySpecs: [oneKey(1, 'RO')] }), true);
  assert.equal(hasKeys(ROW), false);
});
