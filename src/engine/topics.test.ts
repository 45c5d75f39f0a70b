import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { ClientTable } from './client-table.ts';
import { Topics } from './topics.ts';
import type { TopicKind } from './topics.ts';

const KINDS: readonly TopicKind[] = ['channel', 'pattern', 'shard', 'prefix'];
const NAMES = ['', 'a', 'b', 'ab', 'news', 'a much longer name of a topic than the others', '\0\xff'];

function newAllocator(t: TestContext): Allocator {
  const arena = Arena.create();
  t.after(() => arena.close());
  return new Allocator(arena);
}

/** The clients of a topic, in order. */
function clientsOf(topics: Topics, kind: TopicKind, name: string): Ref[] {
  const topic = topics.find(kind, Buffer.from(name, 'latin1'));
  const clients: Ref[] = [];
  if (topic !== 0) topics.forEachClient(topic, (client) => clients.push(client));
  assert.equal(clients.length, topic === 0 ? 0 : topics.clientCount(topic));
  return clients;
}

test('topics are what a model of sets says, seen from several threads', (t) => {
  const random = new SeededRandom(11);
  const allocator = newAllocator(t);
  const table = new ClientTable(allocator);
  const views = [new Topics(allocator, 1, 2), new Topics(allocator, 1, 2)];
  const clients = Array.from({ length: 8 }, (_, i) => table.add(`1.1.1.1:${i}`, '', 0));
  const model = new Map<string, Ref[]>();
  const usedBytes = allocator.usedBytes;

  for (let round = 0; round < 4000; round++) {
    const topics = views[random.integer(0, 1)]!;
    const kind = random.pick(KINDS);
    const name = random.pick(NAMES);
    const client = random.pick(clients);
    const bytes = Buffer.from(name, 'latin1');
    const subscribed = model.get(`${kind} ${name}`) ?? [];
    const action = random.integer(0, 19);
    if (action < 12) {
      assert.equal(topics.subscribe(client, kind, bytes), !subscribed.includes(client));
      if (!subscribed.includes(client)) model.set(`${kind} ${name}`, [...subscribed, client]);
    } else if (action < 19) {
      assert.equal(topics.unsubscribe(client, kind, bytes), subscribed.includes(client));
      model.set(
        `${kind} ${name}`,
        subscribed.filter((other) => other !== client),
      );
    } else {
      topics.unsubscribeAll(client, kind);
      for (const [key, members] of model)
        if (key.startsWith(`${kind} `))
          model.set(
            key,
            members.filter((other) => other !== client),
          );
    }

    const other = views[random.integer(0, 1)]!;
    assert.deepEqual(clientsOf(other, kind, name), model.get(`${kind} ${name}`) ?? []);
    const names = NAMES.filter((each) => (model.get(`${kind} ${each}`) ?? []).length > 0);
    assert.equal(other.topicCount(kind), names.length);
    assert.deepEqual(
      other
        .topics(kind)
        .map((topic) => topic.name.toString('latin1'))
        .sort(),
      names.sort(),
    );
    const mine = NAMES.filter((each) => (model.get(`${kind} ${each}`) ?? []).includes(client));
    assert.equal(other.subscriptionCount(client, kind), mine.length);
    assert.deepEqual(
      other
        .subscriptionsOf(client, kind)
        .map((each) => each.toString('latin1'))
        .sort(),
      mine.sort(),
    );
    if (round % 100 === 0) other.checkInvariants();
  }

  for (const client of clients) for (const kind of KINDS) views[0]!.unsubscribeAll(client, kind);
  views[1]!.checkInvariants();
  allocator.checkInvariants();
  assert(allocator.usedBytes <= usedBytes + 1024, 'nothing but grown tables is left');
});

test('clients are found by their ids', (t) => {
  const allocator = newAllocator(t);
  const table = new ClientTable(allocator);
  const records = Array.from({ length: 1000 }, (_, i) => table.add(`1.1.1.1:${i}`, '', 0));
  for (const record of records) assert.equal(table.find(table.idOf(record)), record);
  for (const record of records.filter((_, i) => i % 3 === 0)) {
    const id = table.idOf(record);
    table.remove(record);
    assert.equal(table.find(id), 0);
  }
  for (const record of records.filter((_, i) => i % 3 !== 0))
    assert.equal(table.find(table.idOf(record)), record);
  assert.equal(table.find(0), 0);
  assert.equal(table.find(1e15), 0);
  allocator.checkInvariants();
});
