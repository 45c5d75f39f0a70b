import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { CommandIndex } from '../commands/command-index.ts';
import { ALL_COMMANDS } from '../commands/registry.ts';
import { Session } from '../commands/session.ts';
import { Config } from '../config/config.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { CONTROL_TRACKING } from '../memory/control-block.ts';
import { ReplyWriter } from '../protocol/reply-writer.ts';
import { Request } from '../protocol/request.ts';
import { CLIENT_PROTOCOL, CLIENT_THREAD, ClientTable } from './client-table.ts';
import { Deliveries } from './deliveries.ts';
import { Topics } from './topics.ts';
import { Tracking } from './tracking.ts';

const THREAD = 2;
const COMMANDS = new CommandIndex(ALL_COMMANDS);
const PLAIN = {
  isBroadcast: false,
  isOptIn: false,
  isOptOut: false,
  isNoLoop: false,
  redirection: 0,
  prefixes: [],
};

function setUp(t: TestContext) {
  const arena = Arena.create();
  t.after(() => arena.close());
  const allocator = new Allocator(arena);
  const clients = new ClientTable(allocator);
  const config = new Config();
  const reply = new ReplyWriter();
  const deliveries = new Deliveries({ allocator, clientTable: clients, config, reply, threadNumber: THREAD });
  deliveries.connect({ running: () => 0, hasMail: () => {}, grew: () => {}, overflowed: () => {} });
  const numbers = new SeededRandom(5);
  const newTracking = () =>
    new Tracking({
      allocator,
      clients,
      deliveries,
      topics: new Topics(allocator, 1, 2),
      config,
      random: { nextUint32: () => numbers.uint32(), nextFloat: () => numbers.fraction() },
      hashKey0: 1,
      hashKey1: 2,
      running: () => 0,
    });
  const views = [newTracking(), newTracking()] as const;

  const connect = (): Session => {
    const record = clients.add('', '', 0);
    clients.set(record, CLIENT_THREAD, THREAD);
    clients.set(record, CLIENT_PROTOCOL, 3);
    return new Session(clients.idOf(record), record);
  };
  const read = (session: Session, ...keys: readonly string[]): void => {
    const request = Request.of(['MGET', ...keys].map((word) => Buffer.from(word)));
    views[0].remember(session, COMMANDS.resolve(request)!, request);
  };
  const change = (key: string): void => views[1].keyChanged(Buffer.from(` ${key} `), 1, 1 + key.length, true);
  /** Messages as `id: bytes`, in order. */
  const received = (): string[] => {
    const messages: string[] = [];
    while (deliveries.isWaiting) {
      const start = reply.position;
      deliveries.take();
      const text = reply.buffer.toString('latin1', start, reply.position).replaceAll('\r\n', ' ').trim();
      for (const id of deliveries.receivers) messages.push(`${id}: ${text}`);
    }
    return messages;
  };
  return { arena, allocator, clients, config, views, connect, read, change, received };
}

function message(id: number, key: string): string {
  return `${id}: >2 $10 invalidate *1 $${key.length} ${key}`;
}

test('who has read a key is told once, whichever thread changes it', (t) => {
  const { views, connect, read, change, received } = setUp(t);
  const [a, b] = [connect(), connect()];
  for (const session of [a, b]) views[0].enable(session, PLAIN);
  read(a, 'x', 'y');
  read(a, 'x');
  read(b, 'x');
  assert.equal(views[1].keyCount, 2);
  assert.equal(views[1].itemCount, 3);

  change('x');
  assert.deepEqual(received().sort(), [message(a.id, 'x'), message(b.id, 'x')]);
  change('x');
  change('z');
  assert.deepEqual(received(), []);
  change('y');
  assert.deepEqual(received(), [message(a.id, 'y')]);
  assert.equal(views[0].itemCount, 0);
});

test('a write looks only while somebody tracks or something is remembered', (t) => {
  const { arena, views, connect, read, change, received } = setUp(t);
  const isLookedAt = () => arena.control[CONTROL_TRACKING] !== 0;
  assert(!isLookedAt());
  const session = connect();
  views[0].enable(session, PLAIN);
  assert(isLookedAt());
  read(session, 'x');
  views[0].disable(session);
  assert(isLookedAt());
  change('x');
  assert(!isLookedAt());
  assert.deepEqual(received(), []);
});

test('all is forgotten when all keys are gone, and its memory given back', (t) => {
  const { allocator, views, connect, read, received } = setUp(t);
  const session = connect();
  views[0].enable(session, PLAIN);
  const usedBytes = allocator.usedBytes;
  for (let i = 0; i < 2000; i++) read(session, `key:${i}`);
  views[1].flushed();
  assert.equal(views[0].keyCount + views[0].itemCount, 0);
  assert.deepEqual(received(), [`${session.id}: >2 $10 invalidate _`]);
  assert.equal(allocator.usedBytes, usedBytes);
  allocator.checkInvariants();
});

test('a limit is reached step by step', (t) => {
  const { config, views, connect, read, received } = setUp(t);
  const session = connect();
  views[0].enable(session, PLAIN);
  for (let i = 0; i < 1000; i++) read(session, `key:${i}`);
  config.setText({ 'tracking-table-max-keys': '10' });
  const counts: number[] = [];
  while (views[0].keyCount > 10) {
    views[0].limitKeys();
    counts.push(views[0].keyCount);
  }
  assert.deepEqual(counts, [900, 700, 400, 10]);
  assert.equal(new Set(received()).size, 990);
});

test('broadcasting tells of the keys under a prefix, in order', (t) => {
  const { views, connect, change, received } = setUp(t);
  const session = connect();
  const prefixes = [Buffer.from('b'), Buffer.from('a:')];
  views[0].enable(session, { ...PLAIN, isBroadcast: true, prefixes });
  for (const key of ['b2', 'a:1', 'c', 'b1', 'b2', 'a']) change(key);
  assert(views[1].hasChanges);
  views[1].broadcast();
  assert(!views[1].hasChanges);
  assert.deepEqual(received(), [
    `${session.id}: >2 $10 invalidate *1 $3 a:1`,
    `${session.id}: >2 $10 invalidate *2 $2 b1 $2 b2`,
  ]);
});
