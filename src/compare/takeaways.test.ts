import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleComparison } from '../../test/support/sample-comparison.ts';
import { takeaways } from './takeaways.ts';

test('the servers are held against the event loop', () => {
  const [single, pipelined, lock, pipelinedLock, memory, pauses, ...rest] = takeaways(sampleComparison());
  assert.match(
    single ?? '',
    /^50 clients, no pipelining: the event loop answers 353,553 commands per second/,
  );
  assert.match(single ?? '', /The threaded: 0\.50 times the speed, 2\.00 times the CPU\./);
  assert.match(pipelined ?? '', /^50 clients, pipelining of 16: /);
  assert.match(
    lock ?? '',
    /^Under the lock, no pipelining .*: the threaded 10 % of its time, so at most 8\.0/,
  );
  assert.match(lock ?? '', /; the pool 16 % of its time, so at most 6\.3 on 8 and 6\.3 on 32 cores\.$/);
  assert.match(pipelinedLock ?? '', /^Under the lock, pipelining of 16 /);
  assert.match(memory ?? '', /the eventloop 0\.00 MiB, the threaded 4\.00 MiB/);
  assert.match(pauses ?? '', /the eventloop 10\.0 ms, the threaded 20\.0 ms/);
  assert.deepEqual(rest, []);
});

test('without 50 clients the most that there were count', () => {
  assert.match(takeaways(sampleComparison({ clients: [1, 7] }))[0] ?? '', /^7 clients, /);
  assert.match(takeaways(sampleComparison({ clients: [1] }))[0] ?? '', /^1 client, /);
});

test('nothing is said of what was not measured', () => {
  const alone = sampleComparison({ unavailable: { threaded: 'no', pool: 'no', redis: 'no' } });
  assert.doesNotMatch(takeaways(alone).join(), /times the speed|threaded|pool|redis/);
  const none = sampleComparison({
    unavailable: { eventloop: 'no', threaded: 'no', pool: 'no', redis: 'no' },
  });
  assert.deepEqual(takeaways(none), []);
  assert.deepEqual(takeaways({ ...alone, pauses: [], footprints: [] }).length, 2);
});
