import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import fc from 'fast-check';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { Request } from '../protocol/request.ts';
import { EntryId } from '../util/entry-id.ts';
import { seededRandom } from '../util/random.ts';
import { Keyspace } from './keyspace.ts';
import { ENTRIES_READ_UNKNOWN } from './stream-layout.ts';
import { createStream, shapeOfStream } from './stream-shape.ts';

const MIN = new EntryId();
const MAX = new EntryId().setMax();

interface ModelEntry {
  readonly id: string;
  readonly fields: readonly string[];
}

function newKeyspace(t: TestContext): Keyspace {
  const arena = Arena.create();
  t.after(() => arena.close());
  return new Keyspace(new Allocator(arena), seededRandom(1), 1);
}

function entriesOf(keyspace: Keyspace, stream: Ref, isReverse = false): ModelEntry[] {
  const cursor = keyspace.streams.cursor.begin(stream, MIN, MAX, { isReverse });
  const [field, value] = [new BorrowedBytes(), new BorrowedBytes()];
  const found: ModelEntry[] = [];
  while (cursor.next()) {
    const fields: string[] = [];
    for (let i = 0; i < cursor.fieldCount; i++) {
      cursor.nextField(field, value);
      fields.push(field.copy().toString('latin1'), value.copy().toString('latin1'));
    }
    found.push({ id: cursor.id.toString(), fields });
  }
  return found;
}

const text = fc.oneof(
  fc.constantFrom('f', 'g', '', '7', '-1', '4096', '9223372036854775807', 'x'.repeat(100)),
  fc.string({ maxLength: 20 }),
);
const operation = fc.oneof(
  fc.record({
    name: fc.constant('add' as const),
    gap: fc.integer({ min: 0, max: 3 }),
    fields: fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ name: fc.constant('remove' as const), place: fc.nat(40) }),
  fc.record({ name: fc.constant('maxLength' as const), length: fc.nat(30), isApproximate: fc.boolean() }),
  fc.record({ name: fc.constant('minId' as const), place: fc.nat(40), isApproximate: fc.boolean() }),
);

test('adding, deleting and trimming as in a plain array, with nodes of any size', (t) => {
  const keyspace = newKeyspace(t);
  const { streams, allocator } = keyspace;
  fc.assert(
    fc.property(
      fc.array(operation, { maxLength: 80 }),
      fc.integer({ min: 0, max: 5 }),
      fc.constantFrom(0, 60, 4096),
      (operations, nodeEntries, nodeBytes) => {
        keyspace.limits.streamNodeMaxEntries = nodeEntries;
        keyspace.limits.streamNodeMaxBytes = nodeBytes;
        const used = allocator.usedBytes;
        const stream = streams.create();
        let model: ModelEntry[] = [];
        const last = new EntryId();
        const id = new EntryId();
        const idAt = (place: number): EntryId => {
          const [millis = '0', sequence = '0'] = (model[place]?.id ?? '99999-0').split('-');
          return id.setBig(BigInt(millis), BigInt(sequence)).copy();
        };
        for (const step of operations) {
          if (step.name === 'add') {
            if (step.gap === 0) last.increment();
            else last.add(step.gap, step.gap === 3 ? -Number(last.bigSequence) : 2 ** 40);
            const fields = step.fields.flat();
            const request = Request.of(
              ['XADD', 's', '*', ...fields].map((word) => Buffer.from(word, 'latin1')),
            );
            const stored = request.count - 3;
            streams.append(stream, last, request, 3);
            const latin1 = fields.map((word) => Buffer.from(word, 'latin1').toString('latin1'));
            model.push({ id: last.toString(), fields: latin1.slice(0, stored) });
          } else if (step.name === 'remove') {
            const exists = step.place < model.length;
            assert.equal(streams.remove(stream, idAt(step.place)), exists);
            if (exists) model.splice(step.place, 1);
            streams.updateFirstId(stream);
          } else {
            const minId = step.name === 'minId' ? idAt(step.place) : MIN;
            const maxLength = step.name === 'maxLength' ? step.length : undefined;
            const { isApproximate } = step;
            const wanted =
              step.name === 'maxLength'
                ? Math.max(0, model.length - step.length)
                : Math.min(step.place, model.length);
            const removed = streams.trim(stream, { maxLength, minId, isApproximate, limit: 0 });
            if (isApproximate) assert.ok(removed <= wanted);
            else assert.equal(removed, wanted);
            model = model.slice(removed);
          }
        }
        assert.deepEqual(entriesOf(keyspace, stream), model);
        assert.deepEqual(entriesOf(keyspace, stream, true), model.toReversed());
        assert.equal(streams.length(stream), model.length);
        streams.checkInvariants(stream);

        const copy = streams.copy(stream);
        streams.checkInvariants(copy);
        assert.deepEqual(shapeOfStream(streams, copy), shapeOfStream(streams, stream));
        const loaded = createStream(streams, shapeOfStream(streams, stream));
        assert.deepEqual(entriesOf(keyspace, loaded), model);
        for (const each of [stream, copy, loaded]) while (!streams.dismantle(each, 0, () => true));
        assert.equal(allocator.usedBytes, used);
      },
    ),
    { numRuns: 150 },
  );
});

test('groups survive a copy, and a way through their plain form', (t) => {
  const keyspace = newKeyspace(t);
  const { streams, allocator } = keyspace;
  const { groups } = streams;
  const used = allocator.usedBytes;
  const stream = streams.create();
  const id = new EntryId();
  const request = Request.of(['XADD', 's', '*', 'f', 'v'].map((word) => Buffer.from(word)));
  for (let i = 1; i <= 500; i++) streams.append(stream, id.setMillis(i), request, 3);

  for (const groupName of ['workers', '', 'a', 'workers2']) {
    const name = Buffer.from(groupName);
    assert.equal(groups.find(stream, name, 0, name.length), 0);
    const group = groups.create(stream, name, 0, name.length, id.setMillis(300), 300n);
    for (const consumerName of ['c', 'b', 'a']) {
      const consumerBytes = Buffer.from(consumerName);
      assert.equal(groups.findConsumer(group, consumerBytes, 0, 1), 0);
      const consumer = groups.createConsumer(group, consumerBytes, 0, 1, 1000);
      for (let i = consumerBytes[0]! - 96; i <= 300; i += 3) {
        const delivery = groups.addPending(group, consumer, id.setMillis(i), 5000 + i);
        groups.setDelivered(delivery, 5000 + i, 2n);
      }
    }
  }
  streams.checkInvariants(stream);
  assert.equal(groups.count(stream), 4);

  const copy = streams.copy(stream);
  const loaded = createStream(streams, shapeOfStream(streams, stream));
  streams.checkInvariants(copy);
  streams.checkInvariants(loaded);
  assert.deepEqual(shapeOfStream(streams, copy), shapeOfStream(streams, stream));
  assert.deepEqual(shapeOfStream(streams, loaded), shapeOfStream(streams, stream));

  const [name, consumerName] = [Buffer.from('workers'), Buffer.from('b')];
  const group = groups.find(copy, name, 0, name.length);
  for (let i = 1; i <= 300; i += 7) assert.ok(groups.removePending(group, id.setMillis(i)));
  assert.ok(!groups.removePending(group, id.setMillis(1)));
  groups.removeFoundConsumer(group, groups.findConsumer(group, consumerName, 0, 1));
  streams.checkInvariants(copy);
  groups.destroyFound(copy, groups.find(copy, name, 0, name.length));
  streams.checkInvariants(copy);
  assert.equal(groups.count(copy), 3);

  let steps = 0;
  for (const each of [stream, copy, loaded])
    while (!streams.dismantle(each, 0, () => true)) assert.ok(++steps < 10_000);
  assert.ok(steps > 100, 'freed in slices');
  assert.equal(allocator.usedBytes, used);
});

test('files of an old format leave the history to be derived', (t) => {
  const { streams } = newKeyspace(t);
  const stream = streams.create();
  const id = new EntryId();
  const request = Request.of(['XADD', 's', '*', 'f', 'v'].map((word) => Buffer.from(word)));
  for (let i = 5; i <= 9; i++) streams.append(stream, id.setMillis(i), request, 3);
  const shape = shapeOfStream(streams, stream);
  const group = { entriesRead: undefined, pending: [], consumers: [] };
  const groupAt = (name: string, millis: bigint) => ({
    ...group,
    name: Buffer.from(name),
    lastId: { millis, sequence: 0n },
  });
  const loaded = createStream(streams, {
    ...shape,
    history: undefined,
    groups: [groupAt('before', 1n), groupAt('first', 5n), groupAt('last', 9n), groupAt('middle', 7n)],
  });
  const found = shapeOfStream(streams, loaded);
  assert.deepEqual(found.history, {
    firstId: { millis: 5n, sequence: 0n },
    maxDeletedId: { millis: 0n, sequence: 0n },
    entriesAdded: 5n,
  });
  assert.deepEqual(
    found.groups.map(({ entriesRead }) => entriesRead),
    [0n, 1n, 5n, ENTRIES_READ_UNKNOWN],
  );
});

test('10,000 entries take little more than their bytes', (t) => {
  const { streams } = newKeyspace(t);
  const stream = streams.create();
  const id = new EntryId();
  const request = Request.of(['XADD', 's', '*', 'field1', 'value1'].map((word) => Buffer.from(word)));
  for (let i = 1; i <= 10_000; i++) streams.append(stream, id.setMillis(1_700_000_000_000 + i), request, 3);
  assert.equal(streams.nodeCount(stream), 100);
  const bytes = streams.memory(stream, 0, 0);
  assert.ok(bytes < 10_000 * 20, `${bytes} bytes`);
  assert.ok(Math.abs(streams.memory(stream, 0, 5) - bytes) < bytes / 10);
});
