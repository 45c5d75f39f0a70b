import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock, systemClock } from './clock.ts';

test('the manual clock moves when told', () => {
  const clock = new ManualClock(1000);
  clock.advance(5);
  assert.equal(clock.wallMillis(), 1005);
  assert.equal(clock.monotonicMicros(), 5000);
  clock.setWall(7);
  assert.equal(clock.wallMillis(), 7);
  assert.equal(clock.monotonicMicros(), 5000);
});

test('the system clock gives integers and never goes back', () => {
  let previous = 0;
  for (let i = 0; i < 1000; i++) {
    const now = systemClock.monotonicMicros();
    assert.ok(Number.isInteger(now) && now >= previous);
    previous = now;
  }
  assert.ok(Number.isInteger(systemClock.wallMillis()));
});
