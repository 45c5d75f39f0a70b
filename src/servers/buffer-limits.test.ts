import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Session, SESSION_UNAUTHENTICATED } from '../commands/session.ts';
import { Config } from '../config/config.ts';
import { CLIENT_SUBSCRIPTIONS, ClientTable } from '../engine/client-table.ts';
import { Statistics } from '../engine/statistics.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { RequestParser } from '../protocol/request-parser.ts';
import { ManualClock } from '../util/clock.ts';
import { Log } from '../util/log.ts';
import { BufferLimits, TURN_OUTPUT_BYTES_MAX } from './buffer-limits.ts';
import { Connection } from './connection.ts';

const KILOBYTE = 1024;

class Lines extends Log {
  readonly lines: string[] = [];

  override warning(message: string): void {
    this.lines.push(message);
  }
}

function scene(t: TestContext, settings: Readonly<Record<string, string>>) {
  const arena = Arena.create();
  t.after(() => arena.close());
  const allocator = new Allocator(arena);
  const clientTable = new ClientTable(allocator);
  const statistics = new Statistics(allocator, 1);
  const config = new Config();
  config.setText(settings);
  const clock = new ManualClock(1_000_900);
  const log = new Lines();
  const limits = new BufferLimits({ clientTable, clock, config, log, statistics });
  limits.connect((record) => `id=${clientTable.idOf(record)} addr=1.1.1.1:1`);
  limits.applyConfig();
  const record = clientTable.add('1.1.1.1:1', '', 0);
  const connection = new Connection(new Session(clientTable.idOf(record), record), 1, undefined);
  return { limits, connection, clientTable, record, clock, log, statistics };
}

test('the hard limit is reached when as much waits as it says', (t) => {
  const { limits, connection, clientTable, record } = scene(t, {
    'client-output-buffer-limit': 'normal 1000 0 0 pubsub 500 0 0',
  });
  connection.pendingBytes = 999;
  assert.equal(limits.isOverOutput(connection), false);
  connection.pendingBytes = 1000;
  assert.equal(limits.isOverOutput(connection), true);

  connection.pendingBytes = 500;
  assert.equal(limits.isOverOutput(connection), false);
  clientTable.set(record, CLIENT_SUBSCRIPTIONS + 2, 1);
  assert.equal(limits.isOverOutput(connection), true, 'subscribers have limits of their own');
});

test('who has not logged in may leave little unread', (t) => {
  const { limits, connection } = scene(t, { 'client-output-buffer-limit': 'normal 0 0 0' });
  connection.pendingBytes = 1025;
  assert.equal(limits.isOverOutput(connection), false);
  connection.session.raise(SESSION_UNAUTHENTICATED);
  assert.equal(limits.isOverOutput(connection), true);
  connection.pendingBytes = 1024;
  assert.equal(limits.isOverOutput(connection), false);
});

test('the soft limit may be exceeded for so many seconds, without a break', (t) => {
  const { limits, connection, clock } = scene(t, { 'client-output-buffer-limit': 'normal 0 1000 2' });
  const isOverAfter = (millis: number): boolean => {
    clock.advance(millis);
    return limits.isOverOutput(connection);
  };
  connection.pendingBytes = 1000;
  assert.equal(isOverAfter(0), false);
  assert.equal(isOverAfter(2000), false, 'the third second has begun by the clock, not more');
  connection.pendingBytes = 999;
  assert.equal(isOverAfter(50), false);
  connection.pendingBytes = 1000;
  assert.equal(isOverAfter(900), false, 'counted anew');
  assert.equal(isOverAfter(2000), false);
  assert.equal(isOverAfter(1000), true);
});

test('replies of one turn count with what waits, but for what a buffer of its own holds in Redis', (t) => {
  const { limits, connection } = scene(t, { 'client-output-buffer-limit': `normal ${100 * KILOBYTE} 0 0` });
  assert.equal(limits.isOverWith(connection, 115 * KILOBYTE), false);
  assert.equal(limits.isOverWith(connection, 116 * KILOBYTE), true);
  connection.pendingBytes = 90 * KILOBYTE;
  assert.equal(limits.isOverWith(connection, 16 * KILOBYTE), false);
  assert.equal(limits.isOverWith(connection, 17 * KILOBYTE), true, 'a block is the least that is taken');
});

test('replies are looked at from the lowest limit on, and after a whole turn without one', (t) => {
  const bytesFor = (limit: string): number =>
    scene(t, { 'client-output-buffer-limit': limit }).limits.repliesBytesMax;
  assert.equal(bytesFor('normal 0 0 0 pubsub 0 0 0'), TURN_OUTPUT_BYTES_MAX);
  assert.equal(bytesFor('normal 1 0 0'), 16 * KILOBYTE);
  assert.equal(bytesFor('normal 100mb 0 0 pubsub 200kb 0 0'), 200 * KILOBYTE);
});

test('the input limit is for what waits to become an argument', (t) => {
  const { limits, connection, log, statistics } = scene(t, { 'client-query-buffer-limit': '1mb' });
  const { input } = connection;
  const parser = new RequestParser();
  const receive = (text: string): boolean => {
    input.buffer = Buffer.concat([input.buffer.subarray(input.start, input.end), Buffer.from(text)]);
    [input.start, input.end] = [0, input.buffer.length];
    const isOver = limits.isOverInput(connection);
    if (!isOver) parser.parseBatch(input, true);
    return isOver;
  };
  const megabyte = 'v'.repeat(KILOBYTE * KILOBYTE);
  assert.equal(receive('*5\r\n$4\r\nMSET\r\n'), false);
  for (const name of ['a', 'b']) assert.equal(receive(`$600000\r\n${name.repeat(600_000)}\r\n`), false);
  assert.equal(receive('$2000000\r\n'), false);
  assert.equal(receive(megabyte), false, 'as much as the limit');
  assert.equal(receive('v'), true);

  limits.noteInputCut(connection);
  assert.deepEqual(log.lines, [
    'Closing client that reached max query buffer length: id=1 addr=1.1.1.1:1 ' +
      `(qbuf initial bytes: "${'v'.repeat(64)}")`,
  ]);
  assert.equal(statistics.get('clientQueryLimitDisconnections'), 1);
});

test('the log says how a client went for its output', (t) => {
  const { limits, record, log, statistics } = scene(t, {});
  limits.noteOutputCut(record, false);
  limits.noteOutputCut(record, true);
  assert.deepEqual(log.lines, [
    'Client id=1 addr=1.1.1.1:1 scheduled to be closed ASAP for overcoming of output buffer limits.',
    'Client id=1 addr=1.1.1.1:1 closed for overcoming of output buffer limits.',
  ]);
  assert.equal(statistics.get('clientOutputLimitDisconnections'), 2);
});
