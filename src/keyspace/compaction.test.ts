import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { seededRandom } from '../util/random.ts';
import { Compaction } from './compaction.ts';
import { Keyspace } from './keyspace.ts';

const KEYS = 600_000;

test('after nine of ten keys were deleted here and there, entries move and whole spans become free', () => {
  const arena = Arena.create();
  const keyspace = new Keyspace(new Allocator(arena), seededRandom(7), 1);
  const database = keyspace.databases[0]!;
  const value = Buffer.from('xxx');
  const keyOf = (i: number): Buffer => Buffer.from(`key:${String(i).padStart(12, '0')}`);
  for (let i = 0; i < KEYS; i++) {
    const entry = keyspace.strings.set(database, keyOf(i), 0, 16, value, 0, 3, false);
    // Some expire: the index of expiring keys must follow their moves.
    if (i % 20 === 0) database.setExpiry(entry, 1e15 + i);
  }
  for (let i = 0; i < KEYS; i++) if (i % 10 !== 0) database.delete(database.find(keyOf(i), 0, 16));
  const before = keyspace.allocator.spanBytes;

  const compaction = new Compaction(keyspace);
  assert.equal(compaction.startIfWorthwhile(), true);
  while (compaction.step(() => true));

  assert.ok(keyspace.allocator.spanBytes < before / 3);
  keyspace.checkInvariants();
  for (let i = 0; i < KEYS; i += 10) {
    const entry = database.find(keyOf(i), 0, 16);
    assert.notEqual(entry, 0);
    assert.equal(database.expiryOf(entry), i % 20 === 0 ? 1e15 + i : -1);
  }
  assert.equal(compaction.startIfWorthwhile(), false);
  arena.close();
});
