import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Config } from '../config/config.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { ReplyWriter } from '../protocol/reply-writer.ts';
import { CLIENT_OUTPUT_BYTES, CLIENT_SUBSCRIPTIONS, CLIENT_THREAD, ClientTable } from './client-table.ts';
import { Deliveries } from './deliveries.ts';

/** One thread's end: what it hears, and what it writes. */
class Thread {
  readonly reply = new ReplyWriter();
  readonly deliveries: Deliveries;
  running: Ref = 0;
  readonly woken: number[] = [];
  readonly overflowed: Ref[] = [];

  readonly #table: ClientTable;

  constructor(allocator: Allocator, clientTable: ClientTable, config: Config, threadNumber: number) {
    this.#table = clientTable;
    const { reply } = this;
    this.deliveries = new Deliveries({ allocator, clientTable, config, reply, threadNumber });
    this.deliveries.connect({
      running: () => this.running,
      hasMail: (thread) => this.woken.push(thread),
      grew: () => {},
      overflowed: (record) => this.overflowed.push(record),
    });
  }

  send(text: string, ...records: readonly Ref[]): void {
    const bytes = Buffer.from(`<${text}>`);
    if (records.length === 1) this.deliveries.deliver(records[0]!, bytes, 1, bytes.length - 1);
    else this.deliveries.deliverToMany(records, bytes, 1, bytes.length - 1);
  }

  /** What is taken, as `text → ids`. */
  receive(): string[] {
    const taken: string[] = [];
    while (this.deliveries.isWaiting) {
      const start = this.reply.position;
      this.deliveries.take();
      const text = this.reply.buffer.toString('latin1', start, this.reply.position);
      const ids = this.deliveries.receivers.filter((id) => {
        const record = this.#table.find(id);
        return record !== 0 && this.deliveries.received(record, text.length);
      });
      taken.push(`${text} → ${ids.join(',')}`);
    }
    return taken;
  }

  get written(): string {
    return this.reply.buffer.toString('latin1', 0, this.reply.position);
  }
}

function setUp(t: TestContext) {
  const arena = Arena.create();
  t.after(() => arena.close());
  const allocator = new Allocator(arena);
  const table = new ClientTable(allocator);
  const config = new Config();
  const one = new Thread(allocator, table, config, 2);
  const two = new Thread(allocator, table, config, 3);
  const clientOf = (thread: number): Ref => {
    const record = table.add('', '', 0);
    table.set(record, CLIENT_THREAD, thread);
    return record;
  };
  return { allocator, table, config, one, two, clientOf };
}

test('bytes arrive at the threads of their clients, in order', (t) => {
  const { one, two, clientOf } = setUp(t);
  const [a, b, c] = [clientOf(2), clientOf(3), clientOf(3)];

  one.send('first', a, b, c);
  two.send('second', b);
  one.send('third', a);

  assert.deepEqual(one.receive(), ['first → 1', 'third → 1']);
  assert.deepEqual(two.receive(), ['first → 2,3', 'second → 2']);
  assert.deepEqual(one.woken, [3]);
  assert.deepEqual(two.woken, []);
  assert(!one.deliveries.isWaiting && !two.deliveries.isWaiting);
});

test('a thread is woken for the first of what waits', (t) => {
  const { one, two, clientOf } = setUp(t);
  const client = clientOf(3);
  for (let i = 0; i < 5; i++) one.send('x', client);
  assert.deepEqual(one.woken, [3]);
  two.receive();
  one.send('x', client);
  assert.deepEqual(one.woken, [3, 3]);
});

test('the client whose command is running gets its bytes at once', (t) => {
  const { one, two, clientOf } = setUp(t);
  const [self, other] = [clientOf(2), clientOf(3)];
  one.running = self;
  one.reply.ok();
  one.send('message', self, other);
  one.reply.truncate(0);
  one.reply.integer(1);

  assert.equal(one.written, 'message:1\r\n');
  assert.deepEqual(two.receive(), ['message → 2']);
});

test('clients that have gone get nothing, and their bytes are freed', (t) => {
  const { allocator, table, one, two, clientOf } = setUp(t);
  const [stays, goes] = [clientOf(3), clientOf(3)];
  const usedBytes = allocator.usedBytes;
  one.send('x'.repeat(10_000), stays, goes);
  table.remove(goes);
  assert.deepEqual(two.receive(), [`${'x'.repeat(10_000)} → 1`]);
  assert(allocator.usedBytes < usedBytes);
  allocator.checkInvariants();
});

test('a client that has too much waiting is ended, and gets nothing more', (t) => {
  const { table, config, one, two, clientOf } = setUp(t);
  config.setText({ 'client-output-buffer-limit': 'pubsub 1000 0 0' });
  const [subscriber, normal] = [clientOf(3), clientOf(3)];
  table.set(subscriber, CLIENT_SUBSCRIPTIONS + 2, 1);
  table.setDouble(subscriber, CLIENT_OUTPUT_BYTES, 500);

  one.send('x'.repeat(499), subscriber, normal);
  assert.deepEqual(one.overflowed, []);
  one.send('y', subscriber, normal);
  assert.deepEqual(one.overflowed, [subscriber], 'at the limit, as in Redis');
  one.send('z', subscriber, normal);
  assert.deepEqual(one.overflowed, [subscriber], 'once');

  assert.deepEqual(two.receive(), [`${'x'.repeat(499)} → 2`, 'y → 2', 'z → 2']);
});

test('what was taken does not count any more', (t) => {
  const { table, config, one, two, clientOf } = setUp(t);
  config.setText({ 'client-output-buffer-limit': 'pubsub 1000 0 0' });
  const subscriber = clientOf(3);
  table.set(subscriber, CLIENT_SUBSCRIPTIONS + 2, 1);
  for (let i = 0; i < 10; i++) {
    one.send('x'.repeat(900), subscriber);
    assert.equal(two.receive().length, 1);
  }
  assert.deepEqual(one.overflowed, []);
});
