import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Services } from '../commands/services.ts';
import { Session } from '../commands/session.ts';
import { Config } from '../config/config.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { ReplyWriter } from '../protocol/reply-writer.ts';
import { Request } from '../protocol/request.ts';
import { ManualClock } from '../util/clock.ts';
import { Log } from '../util/log.ts';
import { seededRandom } from '../util/random.ts';
import { Engine } from './engine.ts';
import { Statistics } from './statistics.ts';

function newEngine(context: TestContext, clock: ManualClock): Engine {
  const arena = Arena.create();
  context.after(() => arena.close());
  const allocator = new Allocator(arena);
  const engine = new Engine({
    allocator,
    keyspace: new Keyspace(allocator, seededRandom(1), 1),
    config: new Config(),
    reply: new ReplyWriter(),
    statistics: (commandCount) => new Statistics(allocator, commandCount),
    clock,
    log: new Log({ level: 'warning', file: '' }),
  });
  // GET asks nothing of the layers above.
  engine.connect({} as Services, () => {});
  return engine;
}

test('the time under the lock is counted with commands and without', (context) => {
  const clock = new ManualClock(1_700_000_000_000);
  const engine = newEngine(context, clock);
  const { lock } = engine.statistics;

  engine.enter();
  engine.execute(new Session(1, 0), Request.of([Buffer.from('GET'), Buffer.from('key')]));
  clock.advance(2);
  engine.leave();
  assert.deepEqual([lock.holdMicros, lock.longestHoldMicros], [2000, 2000]);

  engine.enter();
  clock.advance(5);
  engine.leave();
  assert.deepEqual([lock.holdMicros, lock.longestHoldMicros], [7000, 5000]);
  assert.equal(engine.statistics.get('longestBatchMicros'), 2000, 'only commands make a batch');
});
