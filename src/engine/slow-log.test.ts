import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import fc from 'fast-check';
import type { SlowCommand } from '../commands/services.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { SlowLog } from './slow-log.ts';

function newAllocator(t: TestContext): Allocator {
  const arena = Arena.create();
  t.after(() => arena.close());
  return new Allocator(arena);
}

function command(words: readonly (string | Uint8Array)[], micros = 20_000): Omit<SlowCommand, 'id'> {
  const args = words.map((word) => (typeof word === 'string' ? Buffer.from(word, 'latin1') : word));
  return { args, seconds: 1_700_000_000, micros, address: '127.0.0.1:4000', name: 'tester' };
}

function wordsOf({ args }: SlowCommand): string[] {
  return args.map((arg) => Buffer.from(arg).toString('latin1'));
}

test('an entry is what was added, with an id of its own', (t) => {
  const log = new SlowLog(newAllocator(t));
  const first = command(['SET', 'key', Buffer.from([0, 0xff, 10])], 12_345);
  const second = { ...command(['PING']), address: '', name: '', seconds: 2 ** 33 };
  log.add(first);
  log.add(second);
  const [youngest, oldest] = log.entries(Infinity);
  assert.deepEqual(youngest, { ...second, id: 1 });
  assert.deepEqual(oldest, { ...first, id: 0 });
});

test('entries come youngest first, as many as are asked for', (t) => {
  const log = new SlowLog(newAllocator(t));
  for (const word of ['a', 'b', 'c']) log.add(command([word]));
  assert.deepEqual(log.entries(2).map(wordsOf), [['c'], ['b']]);
  assert.deepEqual(log.entries(0), []);
  assert.equal(log.length, 3);
});

test('up to 32 arguments are kept; of more, 31 and how many there were', (t) => {
  const log = new SlowLog(newAllocator(t));
  const words = (count: number): string[] => Array.from({ length: count }, (_, i) => `w${i}`);
  log.add(command(words(32)));
  log.add(command(words(33)));
  log.add(command(words(5000)));
  const [manyMore, oneMore, all] = log.entries(3).map(wordsOf);
  assert.deepEqual(all, words(32));
  assert.deepEqual(oneMore, [...words(31), '... (2 more arguments)']);
  assert.deepEqual(manyMore, [...words(31), '... (4969 more arguments)']);
});

test('up to 128 bytes of an argument are kept, and how many more there were', (t) => {
  const log = new SlowLog(newAllocator(t));
  log.add(command(['x'.repeat(128), 'y'.repeat(129), 'z'.repeat(100_000)]));
  assert.deepEqual(log.entries(1).map(wordsOf), [
    ['x'.repeat(128), `${'y'.repeat(128)}... (1 more bytes)`, `${'z'.repeat(128)}... (99872 more bytes)`],
  ]);
});

test('trimming forgets the oldest; ids go on after a reset, and the memory comes back', (t) => {
  const allocator = newAllocator(t);
  const log = new SlowLog(allocator);
  const usedBytes = allocator.usedBytes;
  for (let i = 0; i < 10; i++) log.add(command([String(i)]));
  log.trim(3);
  assert.deepEqual(log.entries(Infinity).map(wordsOf), [['9'], ['8'], ['7']]);
  log.trim(5);
  assert.equal(log.length, 3);

  log.reset();
  assert.deepEqual(log.entries(Infinity), []);
  assert.equal(allocator.usedBytes, usedBytes);
  log.add(command(['after']));
  assert.deepEqual(
    log.entries(1).map(({ id }) => id),
    [10],
  );
});

test('several threads share one log, which a model of a list agrees with', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          thread: fc.nat({ max: 1 }),
          word: fc.option(fc.string({ maxLength: 300 }), { freq: 5 }),
          trimTo: fc.nat({ max: 6 }),
        }),
        { maxLength: 40 },
      ),
      (steps) => {
        const arena = Arena.create();
        try {
          const allocator = new Allocator(arena);
          const threads = [new SlowLog(allocator), new SlowLog(allocator)];
          let model: string[] = [];
          for (const { thread, word, trimTo } of steps) {
            if (word === null) {
              threads[thread]!.trim(trimTo);
              model = model.slice(0, trimTo);
            } else {
              threads[thread]!.add(command([Buffer.from(word.slice(0, 20))]));
              model.unshift(word.slice(0, 20));
            }
            const seen = threads[1 - thread]!.entries(Infinity);
            assert.deepEqual(
              seen.map(({ args }) => Buffer.from(args[0]!).toString()),
              model.map((text) => Buffer.from(text).toString()),
            );
          }
          allocator.checkInvariants();
        } finally {
          arena.close();
        }
      },
    ),
    { numRuns: 30 },
  );
});
