import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { PersistenceState } from './persistence-state.ts';

test('a job counts as running until its outcome is taken', (context) => {
  const arena = Arena.create();
  context.after(() => arena.close());
  const state = new PersistenceState(new Allocator(arena));

  state.publishJob('rewrite', 'what to do');
  assert.equal(state.takeJob(), 'what to do');
  assert.equal(state.takeJob(), undefined);
  assert.equal(state.takeOutcome(), undefined);
  assert.equal(state.jobKind, 'rewrite');

  state.finishJob('what came of it');
  assert.equal(state.jobKind, 'rewrite', 'the log does not know the new manifest yet');

  assert.equal(state.takeOutcome(), 'what came of it');
  assert.equal(state.jobKind, 'none');
});
