import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAUSE_MILLIS_MAX, PAUSE_MILLIS_MIN, Restarts, STEADY_MILLIS } from './restarts.ts';

void test('the pause doubles with each early death up to a limit, and a long life ends it', () => {
  let now = 1000;
  const restarts = new Restarts(() => now);
  const live = (millis: number): number => {
    restarts.started(4);
    now += millis;
    restarts.ended(4);
    return restarts.pauseMillis(4);
  };
  assert.equal(restarts.pauseMillis(4), 0, 'it has never died');
  assert.deepEqual(
    [live(5), live(5), live(STEADY_MILLIS - 1)],
    [1, 2, 4].map((n) => n * PAUSE_MILLIS_MIN),
  );
  for (let i = 0; i < 20; i++) live(0);
  assert.equal(restarts.pauseMillis(4), PAUSE_MILLIS_MAX);
  assert.equal(restarts.pauseMillis(5), 0, 'each thread has its own');
  assert.equal(live(STEADY_MILLIS), 0);
  assert.equal(live(1), PAUSE_MILLIS_MIN);
});
