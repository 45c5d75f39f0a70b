import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator, OutOfMemoryError } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes, byteOffset, bytesOf, getWord, setWord } from '../memory/struct.ts';
import { Listpack } from './listpack.ts';
import { ListPosition, QUICKLIST_NODE_HELD, Quicklist } from './quicklist.ts';
import type { NodeHolder } from './quicklist.ts';

/** A snapshot that holds nodes: it keeps the listpacks as they were. */
class Holder implements NodeHolder {
  readonly #allocator: Allocator;
  readonly #packs: Listpack;
  /** Listpacks that left their nodes. */
  readonly kept: Ref[] = [];

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#packs = new Listpack(allocator);
  }

  willChangeNode(node: Ref, packWord: number, heldWord: number): void {
    const { arena } = this.#allocator;
    assert.notEqual(getWord(arena, node, heldWord), 0, 'only held nodes are told of');
    const pack = getWord(arena, node, packWord);
    this.kept.push(pack);
    setWord(arena, node, packWord, this.#packs.copy(pack));
    setWord(arena, node, heldWord, 0);
  }

  releaseNode(node: Ref, packWord: number, heldWord: number): void {
    const { arena } = this.#allocator;
    assert.notEqual(getWord(arena, node, heldWord), 0, 'only held nodes are told of');
    this.kept.push(getWord(arena, node, packWord));
  }
}

class Fixture {
  readonly allocator: Allocator;
  readonly holder: Holder;
  readonly lists: Quicklist;
  readonly #view = new BorrowedBytes();

  constructor(t: TestContext) {
    const arena = Arena.create();
    t.after(() => arena.close());
    this.allocator = new Allocator(arena);
    this.holder = new Holder(this.allocator);
    this.lists = new Quicklist(this.allocator, this.holder);
  }

  text(position: ListPosition): string {
    this.lists.borrow(position, this.#view);
    return this.#view.copy().toString('latin1');
  }

  /** All elements, read towards the tail or back towards the head. */
  read(list: Ref, isBack = false): string[] {
    const { lists } = this;
    const position = new ListPosition();
    const texts: string[] = [];
    let isThere = lists.seek(list, isBack ? -1 : 0, position);
    while (isThere) {
      const index = isBack ? lists.count(list) - 1 - texts.length : texts.length;
      assert.equal(position.index, index, 'a position knows its index');
      texts.push(this.text(position));
      isThere = isBack ? lists.previous(position) : lists.next(position);
    }
    return texts;
  }

  /** Elements of each node. */
  shape(list: Ref): number[] {
    const packs = new Listpack(this.allocator);
    const counts: number[] = [];
    for (let node = this.lists.firstNode(list); node !== 0; node = this.lists.nextNode(node))
      counts.push(packs.count(this.lists.packOf(node)));
    return counts;
  }

  push(list: Ref, text: string): void {
    const bytes = Buffer.from(text, 'latin1');
    this.lists.pushTail(list, bytes, 0, bytes.length);
  }

  insert(list: Ref, index: number, isAfter: boolean, text: string): void {
    const position = new ListPosition();
    assert(this.lists.seek(list, index, position));
    const bytes = Buffer.from(text, 'latin1');
    this.lists.insert(list, position, isAfter, bytes, 0, bytes.length);
  }

  checkSame(list: Ref, model: readonly string[]): void {
    this.lists.checkInvariants(list);
    this.allocator.checkInvariants();
    assert.deepEqual(this.read(list), model);
    assert.deepEqual(this.read(list, true), model.toReversed());
  }

  /** A snapshot begins: every node is held. */
  holdAll(list: Ref): void {
    for (let node = this.lists.firstNode(list); node !== 0; node = this.lists.nextNode(node))
      setWord(this.allocator.arena, node, QUICKLIST_NODE_HELD, 1);
  }

  freeAll(list: Ref): void {
    while (!this.lists.dismantle(list, () => true));
  }
}

/** Texts of a few kinds, so that there are equal ones: integers, short and long strings. */
function randomText(random: SeededRandom): string {
  const kind = random.integer(0, 9);
  if (kind < 4) return String(random.integer(-20, 20));
  if (kind < 8) return 'element '.repeat(random.integer(0, 3));
  if (kind === 8) return String(2 ** random.integer(0, 60));
  return 'x'.repeat(random.integer(60, 3000));
}

/** One random change, of the list and of its model. */
function change(fixture: Fixture, list: Ref, model: string[], random: SeededRandom): void {
  const { lists } = fixture;
  const text = randomText(random);
  const bytes = Buffer.from(`<${text}>`, 'latin1');
  const [start, end] = [1, bytes.length - 1];
  const position = new ListPosition();
  const index = model.length === 0 ? 0 : random.integer(0, model.length - 1);
  const action = random.integer(0, 9);
  if (action === 0 || model.length === 0) {
    lists.pushHead(list, bytes, start, end);
    model.unshift(text);
  } else if (action === 1) {
    lists.pushTail(list, bytes, start, end);
    model.push(text);
  } else if (action === 2) {
    lists.dropHead(list);
    model.shift();
  } else if (action === 3) {
    lists.dropTail(list);
    model.pop();
  } else if (action < 7) {
    assert(lists.seek(list, action === 4 ? index : index - model.length, position));
    assert.equal(fixture.text(position), model[index]);
    lists.insert(list, position, action === 5, bytes, start, end);
    model.splice(action === 5 ? index + 1 : index, 0, text);
  } else if (action === 7) {
    assert(lists.replaceAt(list, index, bytes, start, end));
    model[index] = text;
  } else if (action === 8) {
    const count = random.integer(0, Math.min(model.length - index, 6));
    lists.removeRange(list, index, count);
    model.splice(index, count);
  } else {
    removeEqual(fixture, list, model, random);
  }
}

/** Removes up to three elements like one of the list, from either end. */
function removeEqual(fixture: Fixture, list: Ref, model: string[], random: SeededRandom): void {
  const { lists } = fixture;
  const fromHead = random.chance(0.5);
  const text = model[random.integer(0, model.length - 1)]!;
  const bytes = Buffer.from(text, 'latin1');
  const position = new ListPosition();
  let isThere = lists.seek(list, fromHead ? 0 : -1, position);
  for (let removed = 0; removed < 3; removed++) {
    const index = fromHead ? model.indexOf(text) : model.lastIndexOf(text);
    isThere &&= fromHead
      ? lists.find(position, bytes, 0, bytes.length)
      : lists.findBack(position, bytes, 0, bytes.length);
    assert.equal(isThere, index >= 0);
    if (!isThere) return;
    assert.equal(position.index, index);
    isThere = fromHead ? lists.remove(list, position) : lists.removeBack(list, position);
    model.splice(index, 1);
    assert.equal(isThere, fromHead ? index < model.length : index > 0);
  }
}

for (const limit of [0, 1, 2, 3, 7, 128, -1, -2]) {
  test(`a quicklist behaves like an array, limit ${limit}`, (t) => {
    const fixture = new Fixture(t);
    const random = new SeededRandom(limit + 100);
    const empty = fixture.allocator.usedBytes;
    const list = fixture.lists.create(limit);
    const model: string[] = [];
    for (let step = 0; step < 3000; step++) {
      change(fixture, list, model, random);
      if (step % 50 === 0) fixture.checkSame(list, model);
      assert.equal(fixture.lists.count(list), model.length);
    }
    fixture.checkSame(list, model);

    const position = new ListPosition();
    for (const index of [model.length, -model.length - 1, 2 ** 63, -(2 ** 63)])
      assert(!fixture.lists.seek(list, index, position));

    const copy = fixture.lists.copy(list);
    fixture.freeAll(list);
    fixture.checkSame(copy, model);
    fixture.freeAll(copy);
    assert.equal(fixture.allocator.usedBytes, empty, 'nothing is left behind');
  });
}

test('what a snapshot holds stays as it was', (t) => {
  const fixture = new Fixture(t);
  const { lists, holder, allocator } = fixture;
  const packs = new Listpack(allocator);
  const random = new SeededRandom(7);
  const empty = allocator.usedBytes;
  const list = lists.create(3);
  const model: string[] = [];
  for (let round = 0; round < 50; round++) {
    // Not by changes: those tend to shorten it.
    while (model.length < 60) {
      const text = randomText(random);
      fixture.push(list, text);
      model.push(text);
    }
    const held: Ref[] = [];
    for (let node = lists.firstNode(list); node !== 0; node = lists.nextNode(node))
      held.push(lists.packOf(node));
    const images = held.map((pack) => imageOf(fixture, packs, pack));
    fixture.holdAll(list);

    for (let step = 0; step < 40; step++) change(fixture, list, model, random);

    assert.deepEqual(
      held.map((pack) => imageOf(fixture, packs, pack)),
      images,
    );
    for (let node = lists.firstNode(list); node !== 0; node = lists.nextNode(node))
      setWord(allocator.arena, node, QUICKLIST_NODE_HELD, 0);
    for (const pack of holder.kept.splice(0)) allocator.free(pack);
    fixture.checkSame(list, model);
  }
  fixture.freeAll(list);
  assert.equal(allocator.usedBytes, empty, 'nothing is left behind');
});

function imageOf(fixture: Fixture, packs: Listpack, pack: Ref): string {
  const start = byteOffset(pack);
  const bytes = bytesOf(fixture.allocator.arena, pack);
  return Buffer.from(bytes.slice(start, start + packs.byteLength(pack))).toString('latin1');
}

test('nodes are cut as Redis cuts them', (t) => {
  const fixture = new Fixture(t);
  const shapeAfter = (limit: number, count: number, text: string): number[] => {
    const list = fixture.lists.create(limit);
    for (let i = 0; i < count; i++) fixture.push(list, text);
    return fixture.shape(list);
  };
  assert.deepEqual(shapeAfter(4, 10, 'a'), [4, 4, 2]);
  assert.deepEqual(shapeAfter(0, 3, 'a'), [1, 1, 1]);
  // Of 102 bytes and 2 around it each: (4096 - 7 - 8 - 100) / 103 + 1 fit.
  assert.deepEqual(shapeAfter(-1, 80, 'x'.repeat(100)), [39, 39, 2]);
  assert.deepEqual(shapeAfter(-9, 3, 'x'.repeat(40_000)), [1, 1, 1]);
  // Counted, but not more than 8 KiB.
  assert.deepEqual(shapeAfter(100, 4, 'x'.repeat(3000)), [2, 2]);
  // Larger than a node: each has its own.
  assert.deepEqual(shapeAfter(-1, 3, 'x'.repeat(5000)), [1, 1, 1]);

  const list = fixture.lists.create(4);
  for (let i = 0; i < 12; i++) fixture.push(list, String(i));
  fixture.insert(list, 5, true, 'middle');
  assert.deepEqual(fixture.shape(list), [4, 2, 3, 4], 'a full node is split');
  fixture.insert(list, 5, true, 'room');
  assert.deepEqual(fixture.shape(list), [4, 3, 3, 4]);
  fixture.insert(list, 0, false, 'front');
  assert.deepEqual(fixture.shape(list), [1, 4, 3, 3, 4], 'a node before the full first one');
  fixture.insert(list, 4, true, 'next');
  assert.deepEqual(fixture.shape(list), [1, 4, 4, 3, 4], 'the next node has room');
  fixture.insert(list, 1, true, 'x');
  assert.deepEqual(fixture.shape(list), [2, 4, 4, 3, 4], 'what is left is merged with its neighbour');
  fixture.lists.checkInvariants(list);
});

test('a node does not grow without bound when its elements are replaced', (t) => {
  const fixture = new Fixture(t);
  const list = fixture.lists.create(-2);
  const model: string[] = [];
  for (let i = 0; i < 40; i++) {
    fixture.push(list, String(i));
    model.push(String(i));
  }
  for (let i = 0; i < 40; i += 2) {
    const large = Buffer.alloc(30_000, i);
    assert(fixture.lists.replaceAt(list, i, large, 0, large.length));
    model[i] = large.toString('latin1');
  }
  fixture.checkSame(list, model);
  assert(fixture.lists.nodeCount(list) >= 10);
});

test('a list that finds no memory stays as it was', (t) => {
  const fixture = new Fixture(t);
  const { lists, allocator } = fixture;
  const list = lists.create(6);
  const model: string[] = [];
  const random = new SeededRandom(3);
  while (model.length < 40) change(fixture, list, model, random);

  const allocate = allocator.allocate.bind(allocator);
  for (let failing = 0; failing < 400; failing++) {
    let left = failing % 4;
    allocator.allocate = (byteCount) => {
      if (left-- === 0) throw new OutOfMemoryError(byteCount);
      return allocate(byteCount);
    };
    const used = allocator.usedBytes;
    const before = fixture.read(list);
    const bytes = Buffer.alloc(random.integer(1, 300), 'y');
    try {
      if (failing % 3 === 0) lists.pushHead(list, bytes, 0, bytes.length);
      else if (failing % 3 === 1) lists.replaceAt(list, failing % 40, bytes, 0, bytes.length);
      else fixture.insert(list, failing % 40, failing % 2 === 0, bytes.toString());
    } catch (error) {
      assert(error instanceof OutOfMemoryError);
      assert.deepEqual(fixture.read(list), before);
      assert.equal(allocator.usedBytes, used, 'nothing is left behind');
    }
    allocator.allocate = allocate;
    lists.checkInvariants(list);
  }
  allocator.checkInvariants();
});

test('memory is estimated from some nodes', (t) => {
  const fixture = new Fixture(t);
  const empty = fixture.allocator.usedBytes;
  const list = fixture.lists.create(10);
  for (let i = 0; i < 1000; i++) fixture.push(list, 'always the same');
  const exact = fixture.lists.memory(list, 0);
  assert.equal(exact, fixture.allocator.usedBytes - empty);
  assert.equal(fixture.lists.memory(list, 5), exact);
  assert.equal(fixture.lists.memory(fixture.lists.create(1), 0), 32);
});
