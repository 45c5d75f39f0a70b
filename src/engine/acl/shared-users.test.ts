import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../../test/support/seeded-random.ts';
import { ALL_COMMANDS } from '../../commands/registry.ts';
import { Allocator } from '../../memory/allocator.ts';
import { Arena } from '../../memory/arena.ts';
import { AclLog } from './acl-log.ts';
import type { AccessLogFacts } from './acl-log.ts';
import { CommandCatalog } from './command-catalog.ts';
import { SharedUsers } from './shared-users.ts';
import { User } from './user.ts';

const context = { catalog: new CommandCatalog(ALL_COMMANDS), allChannels: false };

function newAllocator(t: TestContext): Allocator {
  const arena = Arena.create();
  t.after(() => arena.close());
  return new Allocator(arena);
}

function describe(users: SharedUsers): string[] {
  return users.sorted.map(({ name, user }) => `${name} ${user.describe(context.catalog)}`);
}

test('users are what a model of a map says, seen from several threads', (t) => {
  const random = new SeededRandom(3);
  const allocator = newAllocator(t);
  const views = [new SharedUsers(allocator), new SharedUsers(allocator)];
  const usedBytes = allocator.usedBytes;
  const model = new Map<string, string>();

  for (let round = 0; round < 300; round++) {
    const view = random.pick(views);
    if (view.hasChanged) view.refresh();
    const name = random.pick(['', 'a', 'b', 'ab', 'n\xe4me', 'a'.repeat(300)]);
    const old = view.find(name);
    if (random.chance(0.3)) {
      if (old !== undefined) view.remove(old);
      model.delete(name);
    } else {
      const user = old?.user.copy() ?? new User(name, context);
      user.apply(random.pick(['on', 'off', '+get', '-get', '>x', 'reset', '~k*', '(+@all)']), context);
      view.write(user);
      model.set(name, user.describe(context.catalog));
      assert.equal(view.find(name)!.id, old?.id ?? view.find(name)!.id);
    }
    for (const each of views) {
      if (each.hasChanged) each.refresh();
      assert.deepEqual(
        describe(each),
        [...model].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, text]) => `${key} ${text}`),
      );
    }
  }

  for (const handle of views[0]!.sorted) views[0]!.remove(handle);
  assert.equal(allocator.usedBytes, usedBytes);
});

test('a user that has not changed is not read again, one that was deleted is another afterwards', (t) => {
  const allocator = newAllocator(t);
  const [own, other] = [new SharedUsers(allocator), new SharedUsers(allocator)];
  for (const name of ['a', 'b']) own.write(new User(name, context));
  other.refresh();
  const [a, b] = other.sorted;

  own.write(new User('b', context));
  other.refresh();
  assert.equal(other.find('a'), a);
  assert.notEqual(other.find('b'), b);
  assert.equal(other.find('b')!.id, b!.id);

  own.remove(own.find('b')!);
  own.write(new User('b', context));
  other.refresh();
  assert.notEqual(other.find('b')!.id, b!.id);
});

function facts(object: string, other: Partial<AccessLogFacts> = {}): AccessLogFacts {
  return { reason: 'key', context: 'toplevel', object, user: 'alice', client: `of ${object}`, ...other };
}

test('the log counts what is alike and recent, youngest first', (t) => {
  const allocator = newAllocator(t);
  const log = new AclLog(allocator, new SharedUsers(allocator).root);
  const usedBytes = allocator.usedBytes;
  const shown = (): string[] =>
    log.entries(100).map(({ object, count, time }) => `${object} ${count} ${time}`);

  log.add(facts('a'), 0, 10);
  log.add(facts('b'), 1, 10);
  log.add(facts('a', { client: 'another' }), 60_000, 10);
  assert.deepEqual(shown(), ['a 2 60000', 'b 1 1']);
  assert.equal(log.entries(1)[0]!.client, 'another');
  log.add(facts('b'), 60_002, 10);
  assert.deepEqual(shown(), ['b 1 60002', 'a 2 60000', 'b 1 1']);
  for (const differing of [{ user: 'bob' }, { reason: 'channel' }, { context: 'multi' }] as const)
    log.add(facts('b', differing), 60_003, 10);
  assert.equal(log.count, 6);

  // Only the ten youngest are looked at.
  log.clear();
  for (let i = 0; i < 11; i++) log.add(facts(`${i}`), 0, 100);
  log.add(facts('1'), 0, 100);
  log.add(facts('0'), 0, 100);
  assert.deepEqual(shown().slice(0, 2), ['0 1 0', '1 2 0']);
  assert.equal(log.count, 12);

  // One more of the same is none too many.
  log.add(facts('1'), 0, 3);
  assert.equal(log.count, 12);
  log.add(facts('new'), 0, 3);
  assert.deepEqual(shown(), ['new 1 0', '1 3 0', '0 1 0']);
  log.add(facts('\xff\0'), 0, 3);
  assert.equal(log.entries(1)[0]!.object, '\xff\0');
  log.clear();
  assert.equal(log.count, 0);
  assert.equal(allocator.usedBytes, usedBytes);
});
