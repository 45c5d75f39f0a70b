import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator, OutOfMemoryError } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { Request } from '../protocol/request.ts';
import { ListPosition } from '../structures/quicklist.ts';
import { seededRandom } from '../util/random.ts';
import type { Database } from './database.ts';
import { ENCODING_QUICKLIST, TYPE_LIST } from './entry.ts';
import { Keyspace } from './keyspace.ts';
import type { ListValues } from './list-values.ts';

const KEY = 'list';

class Fixture {
  readonly keyspace: Keyspace;
  readonly database: Database;
  readonly lists: ListValues;
  readonly #view = new BorrowedBytes();

  constructor(t: TestContext, nodeElements: number) {
    const arena = Arena.create();
    t.after(() => arena.close());
    this.keyspace = new Keyspace(new Allocator(arena), seededRandom(1), 2);
    this.keyspace.enter(1_000_000);
    this.keyspace.limits.listMaxListpackSize = nodeElements;
    this.database = this.keyspace.databases[0]!;
    this.lists = this.keyspace.lists;
  }

  /** The entry of the one key, or 0. */
  get entry(): Ref {
    const key = Buffer.from(KEY);
    return this.database.lookupWrite(key, 0, key.length);
  }

  push(isHead: boolean, ...texts: string[]): void {
    const request = Request.of(['PUSH', KEY, ...texts].map((text) => Buffer.from(text)));
    this.lists.push(this.database, this.entry, isHead, request);
  }

  read(): string[] {
    const { entry } = this;
    if (entry === 0) return [];
    assert.equal(this.database.typeOf(entry), TYPE_LIST);
    assert.equal(this.database.encodingOf(entry), ENCODING_QUICKLIST);
    const position = new ListPosition();
    const texts: string[] = [];
    const { quicklist } = this.lists;
    let isThere = quicklist.seek(this.database.valueOf(entry), 0, position);
    while (isThere) {
      quicklist.borrow(position, this.#view);
      texts.push(this.#view.copy().toString());
      isThere = quicklist.next(position);
    }
    assert.equal(this.lists.length(this.database.valueOf(entry)), texts.length);
    return texts;
  }
}

function viewOf(text: string): BorrowedBytes {
  const view = new BorrowedBytes();
  view.bytes = Buffer.from(text);
  view.end = text.length;
  return view;
}

/** One random change, of the key and of its model. */
function change(fixture: Fixture, model: string[], random: SeededRandom): void {
  const { lists, database, entry } = fixture;
  const text = String(random.integer(0, 15));
  const fromHead = random.chance(0.5);
  if (entry === 0 || random.chance(0.4)) {
    const texts = Array.from({ length: random.integer(1, 4) }, () => String(random.integer(0, 15)));
    fixture.push(fromHead, ...texts);
    if (fromHead) model.unshift(...texts.toReversed());
    else model.push(...texts);
    return;
  }
  const list = database.valueOf(entry);
  const index = random.integer(0, model.length - 1);
  const count = random.integer(1, 3);
  switch (random.integer(0, 4)) {
    case 0: {
      assert.equal(lists.pop(database, entry, fromHead, count), count >= model.length);
      model.splice(fromHead ? 0 : Math.max(0, model.length - count), count);
      break;
    }
    case 1: {
      assert(lists.set(database, entry, index, Buffer.from(text), 0, text.length));
      model[index] = text;
      break;
    }
    case 2: {
      const position = new ListPosition();
      assert(lists.quicklist.seek(list, index, position));
      lists.insert(database, entry, position, fromHead, viewOf(text));
      model.splice(fromHead ? index + 1 : index, 0, text);
      break;
    }
    case 3: {
      const removed = lists.removeEqual(database, entry, fromHead, count, viewOf(text));
      let expected = 0;
      for (; expected < count && model.includes(text); expected++)
        model.splice(fromHead ? model.indexOf(text) : model.lastIndexOf(text), 1);
      assert.equal(removed, expected);
      break;
    }
    default: {
      const kept = Math.max(0, model.length - index - count);
      assert.equal(lists.trim(database, entry, index, kept), kept === 0);
      model.splice(0, index);
      model.length = kept;
    }
  }
}

for (const nodeElements of [1, 2, 5, -2]) {
  test(`a key with a list behaves like an array, ${nodeElements} to a node`, (t) => {
    const fixture = new Fixture(t, nodeElements);
    const random = new SeededRandom(nodeElements + 10);
    const model: string[] = [];
    const empty = fixture.keyspace.allocator.usedBytes;
    for (let step = 0; step < 4000; step++) {
      change(fixture, model, random);
      if (step % 20 === 0) assert.deepEqual(fixture.read(), model);
      if (step % 500 === 0) fixture.keyspace.checkInvariants();
    }
    assert.deepEqual(fixture.read(), model);
    if (fixture.entry !== 0) fixture.database.delete(fixture.entry);
    fixture.keyspace.checkInvariants();
    assert.equal(fixture.keyspace.allocator.usedBytes, empty, 'nothing is left behind');
  });
}

test('several elements are pushed, or none', (t) => {
  const fixture = new Fixture(t, 1);
  const { allocator } = fixture.keyspace;
  const allocate = allocator.allocate.bind(allocator);
  for (let failing = 0; failing < 40; failing++) {
    const before = fixture.read();
    const used = allocator.usedBytes;
    let left = failing % 20;
    allocator.allocate = (byteCount) => {
      if (left-- === 0) throw new OutOfMemoryError(byteCount);
      return allocate(byteCount);
    };
    const isHead = failing % 2 === 0;
    try {
      fixture.push(isHead, 'a', 'b', 'c');
      assert.deepEqual(fixture.read(), isHead ? ['c', 'b', 'a', ...before] : [...before, 'a', 'b', 'c']);
    } catch (error) {
      assert(error instanceof OutOfMemoryError);
      assert.deepEqual(fixture.read(), before);
      assert.equal(allocator.usedBytes, used, 'nothing is left behind');
    }
    allocator.allocate = allocate;
    fixture.keyspace.checkInvariants();
  }
});

test('a value is pushed to the key that is argument 2', (t) => {
  const fixture = new Fixture(t, 2);
  const request = Request.of(['LMOVE', 'source', KEY].map((text) => Buffer.from(text)));
  const { database, lists } = fixture;
  for (const [isHead, text] of [
    [true, 'b'],
    [true, 'a'],
    [false, 'c'],
  ] as const)
    lists.pushValue(database, fixture.entry, isHead, request, viewOf(text));
  assert.deepEqual(fixture.read(), ['a', 'b', 'c']);
});

test('a list without a key is filled, then stored or discarded', (t) => {
  const fixture = new Fixture(t, 2);
  const { keyspace, database, lists } = fixture;
  const used = keyspace.allocator.usedBytes;
  const text = Buffer.from('one two ');
  const list = lists.create();
  for (let i = 0; i < 5; i++) lists.append(list, text, 0, i);
  lists.discard(lists.copy(list));

  const key = Buffer.from(KEY);
  database.lookupWrite(key, 0, key.length);
  database.createWith(key, 0, key.length, TYPE_LIST, ENCODING_QUICKLIST, list);
  assert.deepEqual(fixture.read(), ['', 'o', 'on', 'one', 'one ']);
  keyspace.checkInvariants();
  database.delete(fixture.entry);
  assert.equal(keyspace.allocator.usedBytes, used);
});

test('a large list that is deleted is freed in slices', (t) => {
  const fixture = new Fixture(t, 10);
  const used = fixture.keyspace.allocator.usedBytes;
  for (let i = 0; i < 500; i++) fixture.push(false, 'several', 'elements', 'at', 'once', 'so', 'it', 'goes');
  fixture.database.delete(fixture.entry);
  assert.deepEqual(fixture.read(), []);
  let slices = 0;
  while (fixture.keyspace.dismantleDetached(() => true)) slices++;
  assert(slices > 5);
  assert.equal(fixture.keyspace.allocator.usedBytes, used);
});
