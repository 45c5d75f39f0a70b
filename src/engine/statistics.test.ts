import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { ERROR_CODES_MAX, Statistics } from './statistics.ts';
import type { CommandFigures } from './statistics.ts';

const COMMANDS = 10;

/** The statistics of one server, as two of its threads see them. */
function twoThreads(): [Statistics, Statistics] {
  const arena = Arena.create();
  const other = Arena.attach(arena.handle());
  arena.close();
  other.close();
  return [new Statistics(new Allocator(arena), COMMANDS), new Statistics(new Allocator(other), COMMANDS)];
}

function commandsOf(statistics: Statistics): CommandFigures[] {
  const found: CommandFigures[] = [];
  statistics.forEachCommand((figures) => found.push(figures));
  return found;
}

function errorsOf(statistics: Statistics): [string, number][] {
  const found: [string, number][] = [];
  statistics.forEachError((code, count) => found.push([code, count]));
  return found;
}

test('two threads count into the same block', () => {
  const [one, two] = twoThreads();
  one.commandsRun(3, 1, 5);
  two.commandsRun(3, 1, 7);
  two.commandFailed(3);
  one.commandRejected(9);
  const expected = [
    { id: 3, calls: 2, micros: 12, rejectedCalls: 0, failedCalls: 1 },
    { id: 9, calls: 0, micros: 0, rejectedCalls: 1, failedCalls: 0 },
  ];
  assert.deepEqual(commandsOf(one), expected);
  assert.deepEqual(commandsOf(two), expected);
  assert.equal(two.get('commandsProcessed'), 2);
  assert.equal(two.get('longestCommandMicros'), 7);

  one.received(100);
  two.sent(200);
  two.raise('peakClients', 5);
  one.raise('peakClients', 4);
  assert.deepEqual(
    (['totalReads', 'netInputBytes', 'totalWrites', 'netOutputBytes', 'peakClients'] as const).map((name) =>
      one.get(name),
    ),
    [1, 100, 1, 200, 5],
  );
});

test('errors are counted by their code, in alphabetical order', () => {
  const [one, two] = twoThreads();
  for (const code of ['WRONGTYPE', 'ERR', 'ERR']) one.errorReplied(code);
  for (const code of ['ERR', 'NOAUTH']) two.errorReplied(code);
  const expected = [
    ['ERR', 3],
    ['NOAUTH', 1],
    ['WRONGTYPE', 1],
  ];
  assert.deepEqual(errorsOf(one), expected);
  assert.deepEqual(errorsOf(two), expected);
  assert.equal(one.get('totalErrorReplies'), 5);
});

test('more codes than there is room for count in the total only', () => {
  const [one] = twoThreads();
  for (let i = 0; i < ERROR_CODES_MAX + 10; i++) one.errorReplied(`E${i}`);
  one.errorReplied('E3');
  assert.equal(errorsOf(one).length, ERROR_CODES_MAX);
  assert.equal(one.get('totalErrorReplies'), ERROR_CODES_MAX + 11);
  assert.deepEqual(new Map(errorsOf(one)).get('E3'), 2);
});

test('a long code keeps its first 32 bytes, and is found again', () => {
  const [one, two] = twoThreads();
  one.errorReplied('X'.repeat(40));
  two.errorReplied('X'.repeat(50));
  assert.deepEqual(errorsOf(one), [['X'.repeat(32), 2]]);
});

test('a reset by one thread frees the codes that another one remembers', () => {
  const [one, two] = twoThreads();
  one.errorReplied('ERR');
  one.errorReplied('OLD');
  one.commandsRun(1, 1, 1);
  two.reset(1000);
  assert.deepEqual(errorsOf(one), []);
  assert.deepEqual(commandsOf(one), []);
  assert.equal(one.get('commandsProcessed'), 0);
  two.errorReplied('NEW');
  one.errorReplied('OLD');
  one.errorReplied('ERR');
  assert.deepEqual(errorsOf(two), [
    ['ERR', 1],
    ['NEW', 1],
    ['OLD', 1],
  ]);
});

test('a rate is the mean of the last 16 samples', () => {
  const [one] = twoThreads();
  one.reset(0);
  for (let sample = 1; sample <= 16; sample++) {
    for (let i = 0; i < 50; i++) one.commandsRun(0, 1, 1);
    one.sent(1024);
    one.sample(sample * 100);
  }
  assert.equal(one.rate('commandsProcessed'), 500);
  assert.equal(one.rate('netOutputBytes'), 10_240);
  assert.equal(one.rate('netInputBytes'), 0);
  for (let sample = 17; sample <= 24; sample++) one.sample(sample * 100);
  assert.equal(one.rate('commandsProcessed'), 250);
});

test('the statistics of the lock are forgotten with the others', () => {
  const [one, two] = twoThreads();
  one.lock.held(9);
  two.lock.waited(4);
  assert.deepEqual([two.lock.longestHoldMicros, one.lock.longestWaitMicros], [9, 4]);
  two.reset(0);
  assert.deepEqual([one.lock.holdMicros, one.lock.waitMicros, one.lock.contended], [0, 0, 0]);
});
