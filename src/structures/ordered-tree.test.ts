import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator, OutOfMemoryError } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { byteOffset, bytesOf, clearWords, getWord, setWord } from '../memory/struct.ts';
import { ORDERED_TREE_HEADER_WORDS, OrderedTree } from './ordered-tree.ts';

const LENGTH_WORD = 0;
const BYTES_OFFSET = 4;
/** Leaves of five slots, inner nodes of three: a few hundred elements make a deep tree. */
const TINY_NODE_BYTES = 80;

interface Element {
  readonly text: string;
  readonly member: Ref;
  score: number;
}

/** An integer from 0 to before `limit`. */
function below(random: SeededRandom, limit: number): number {
  return random.integer(0, limit - 1);
}

/** A tree together with the sorted array that it must agree with. */
class ModelledTree {
  readonly allocator: Allocator;
  readonly arena: Arena;
  readonly tree: OrderedTree;
  readonly model: Element[] = [];

  constructor(t: TestContext, nodeBytes?: number) {
    this.arena = Arena.create();
    t.after(() => this.arena.close());
    this.allocator = new Allocator(this.arena);
    const header = this.allocator.allocate(ORDERED_TREE_HEADER_WORDS * 4);
    clearWords(this.arena, header, ORDERED_TREE_HEADER_WORDS);
    const layout = { keyLengthWord: LENGTH_WORD, keyOffset: BYTES_OFFSET };
    this.tree = new OrderedTree(this.allocator, layout, nodeBytes).attach(header);
    this.tree.initialize();
  }

  newMember(text: string): Ref {
    const member = this.allocator.allocate(BYTES_OFFSET + text.length);
    setWord(this.arena, member, LENGTH_WORD, text.length);
    bytesOf(this.arena, member).set(Buffer.from(text, 'latin1'), byteOffset(member) + BYTES_OFFSET);
    return member;
  }

  textOf(member: Ref): string {
    const start = byteOffset(member) + BYTES_OFFSET;
    const end = start + getWord(this.arena, member, LENGTH_WORD);
    return Buffer.from(bytesOf(this.arena, member).slice(start, end)).toString('latin1');
  }

  insert(score: number, text: string): void {
    if (this.model.some((element) => element.text === text)) return;
    const member = this.newMember(text);
    this.tree.insert(score, member);
    this.model.push({ text, member, score });
    this.#sort();
  }

  setScore(index: number, score: number): void {
    const element = this.model[index]!;
    if (element.score === score) return;
    this.tree.setScore(element.score, element.member, score);
    element.score = score;
    this.#sort();
  }

  remove(index: number): void {
    const [element] = this.model.splice(index, 1);
    this.tree.remove(element!.score, element!.member);
    this.allocator.free(element!.member);
  }

  removeRange(rank: number, count: number): void {
    const removed = this.model.splice(rank, count).map((element) => element.text);
    const visited: string[] = [];
    this.tree.removeRange(rank, count, (member) => {
      visited.push(this.textOf(member));
      this.allocator.free(member);
    });
    assert.deepEqual(visited, removed);
  }

  #sort(): void {
    this.model.sort((a, b) => a.score - b.score || (a.text < b.text ? -1 : 1));
  }

  /** Compares every way of asking with the model. */
  check(random: SeededRandom): void {
    this.tree.checkInvariants();
    assert.equal(this.tree.count, this.model.length);
    assert.deepEqual(
      this.elements(),
      this.model.map(({ text, score }) => [text, score]),
    );
    for (let i = 0; i < 3 && this.model.length > 0; i++) {
      const rank = below(random, this.model.length);
      const { member, score } = this.model[rank]!;
      assert.equal(this.tree.rankOf(score, member), rank);
      this.tree.seekRank(rank);
      assert.equal(this.tree.memberAt(this.tree.leaf, this.tree.slot), member);
      this.#checkSeekScore(score, false);
      this.#checkSeekScore(score, true);
      this.#checkSeekScore(score + 0.5, false);
    }
    this.tree.seekRank(this.model.length);
    assert.equal(this.tree.leaf, 0);
  }

  #checkSeekScore(score: number, isAbove: boolean): void {
    const before = this.model.filter(
      (element) => element.score < score || (isAbove && element.score === score),
    );
    assert.equal(this.tree.seekScore(score, isAbove), before.length);
    this.checkPlace(before.length);
  }

  /** The tree must have sought the element with that rank, or the end. */
  checkPlace(rank: number): void {
    const found = this.tree.leaf === 0 ? undefined : this.tree.memberAt(this.tree.leaf, this.tree.slot);
    assert.equal(found, this.model[rank]?.member);
  }

  elements(): (readonly [text: string, score: number])[] {
    const found: (readonly [string, number])[] = [];
    for (let leaf = this.tree.firstLeaf; leaf !== 0; leaf = this.tree.nextLeaf(leaf)) {
      for (let slot = 0; slot < this.tree.slotCount(leaf); slot++)
        found.push([this.textOf(this.tree.memberAt(leaf, slot)), this.tree.scoreAt(leaf, slot)]);
    }
    return found;
  }
}

test('an empty tree has no elements, and can be emptied again', (t) => {
  const modelled = new ModelledTree(t, TINY_NODE_BYTES);
  const random = new SeededRandom(1);
  modelled.check(random);
  assert.equal(modelled.tree.seekScore(-Infinity, false), 0);
  assert.equal(modelled.tree.leaf, 0);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 40; i++) modelled.insert(i, `m${i}`);
    modelled.check(random);
    while (modelled.model.length > 0) modelled.remove(round === 0 ? 0 : below(random, modelled.model.length));
    modelled.check(random);
  }
});

for (const nodeBytes of [TINY_NODE_BYTES, 128, undefined]) {
  test(`agrees with a sorted array after random changes, nodes of ${nodeBytes ?? 'the usual'} bytes`, (t) => {
    for (const seed of [1, 2, 3]) {
      const random = new SeededRandom(seed);
      const modelled = new ModelledTree(t, nodeBytes);
      const before = modelled.allocator.usedBytes;
      const scoreRange = [3, 50, 1000][seed - 1]!;
      const score = (): number => {
        const drawn = below(random, scoreRange + 2);
        return drawn < scoreRange ? drawn - 5 : drawn === scoreRange ? Infinity : -Infinity;
      };
      for (let step = 0; step < 1500; step++) {
        const growing = step < 700 || (step > 1000 && step < 1200);
        const kind = below(random, 10);
        const count = modelled.model.length;
        if (count === 0 || kind < (growing ? 7 : 2)) modelled.insert(score(), `m${below(random, 2000)}`);
        else if (kind < 8) modelled.setScore(below(random, count), score());
        else if (kind < 9 || growing) modelled.remove(below(random, count));
        else modelled.removeRange(below(random, count), 1 + below(random, 20));
        if (step % 5 === 0) modelled.check(random);
      }
      modelled.removeRange(0, modelled.model.length);
      modelled.check(random);
      assert.equal(modelled.allocator.usedBytes, before, 'all nodes but the first leaf are freed');
    }
  });
}

test('small changes of a score stay in their leaf and keep the order', (t) => {
  const random = new SeededRandom(7);
  const modelled = new ModelledTree(t);
  for (let i = 0; i < 300; i++) modelled.insert(i, `m${i}`);
  for (let step = 0; step < 2000; step++) {
    const index = below(random, modelled.model.length);
    modelled.setScore(index, modelled.model[index]!.score + below(random, 9) - 4);
    if (step % 20 === 0) modelled.check(random);
  }
});

test('members of equal scores are found by their bytes', (t) => {
  const random = new SeededRandom(3);
  const modelled = new ModelledTree(t, TINY_NODE_BYTES);
  for (let i = 0; i < 400; i++) modelled.insert(0, `${below(random, 1000)}`);
  for (let i = 0; i < 300; i++) {
    const text = `${below(random, 1000)}`;
    const bytes = Buffer.from(text);
    const rank = modelled.model.filter((element) => element.text < text).length;
    const found = modelled.model[rank]?.text === text ? 1 : 0;
    assert.equal(modelled.tree.seekMember(bytes, 0, bytes.length, false), rank);
    modelled.checkPlace(rank);
    assert.equal(modelled.tree.seekMember(bytes, 0, bytes.length, true), rank + found);
    modelled.checkPlace(rank + found);
  }
});

test('elements that arrive in order fill their leaves', (t) => {
  for (const direction of [1, -1]) {
    const modelled = new ModelledTree(t);
    const before = modelled.allocator.usedBytes;
    const member = modelled.newMember('m');
    for (let i = 0; i < 84 * 50; i++) modelled.tree.insert(i * direction, member);
    const nodeBytes = modelled.allocator.usedBytes - before;
    assert(nodeBytes < 84 * 50 * 12.8, `${nodeBytes} bytes of nodes`);
    modelled.tree.checkInvariants();
  }
});

test('an insertion that finds no memory changes nothing', (t) => {
  const modelled = new ModelledTree(t, TINY_NODE_BYTES);
  const random = new SeededRandom(5);
  const { allocator } = modelled;
  const allocate = allocator.allocate.bind(allocator);
  let left = Infinity;
  t.mock.method(allocator, 'allocate', (byteCount: number) => {
    if (byteCount === TINY_NODE_BYTES && left-- <= 0) throw new OutOfMemoryError(byteCount);
    return allocate(byteCount);
  });
  for (let i = 0; i < 300; i++) {
    const used = allocator.usedBytes;
    const score = below(random, 100);
    const member = modelled.newMember(`m${i}`);
    const withMember = allocator.usedBytes;
    left = below(random, 3);
    try {
      modelled.tree.insert(score, member);
      modelled.model.push({ text: `m${i}`, member, score });
      modelled.model.sort((a, b) => a.score - b.score || (a.text < b.text ? -1 : 1));
    } catch (error) {
      assert(error instanceof OutOfMemoryError);
      assert.equal(allocator.usedBytes, withMember);
      allocator.free(member);
      assert.equal(allocator.usedBytes, used);
    }
    modelled.check(random);
  }
});

test('a change of a score that finds no memory changes nothing', (t) => {
  const modelled = new ModelledTree(t, TINY_NODE_BYTES);
  const random = new SeededRandom(6);
  const { allocator } = modelled;
  for (let i = 0; i < 300; i++) modelled.insert(below(random, 50), `m${i}`);
  const [allocate, free] = [allocator.allocate.bind(allocator), allocator.free.bind(allocator)];
  const nodesFreed: number[] = [];
  let nodesLeft = 0;
  t.mock.method(allocator, 'allocate', (byteCount: number) => {
    if (byteCount === TINY_NODE_BYTES && nodesFreed.pop() === undefined && nodesLeft-- <= 0)
      throw new OutOfMemoryError(byteCount);
    return allocate(byteCount);
  });
  t.mock.method(allocator, 'free', (ref: number) => {
    nodesFreed.push(ref);
    free(ref);
  });
  let failures = 0;
  for (let i = 0; i < 2000; i++) {
    nodesFreed.length = 0;
    nodesLeft = below(random, 3);
    try {
      modelled.setScore(below(random, modelled.model.length), below(random, 50));
    } catch (error) {
      assert(error instanceof OutOfMemoryError);
      failures++;
    }
    modelled.check(random);
  }
  assert(failures > 50, `${failures} changes found no memory`);
});

test('a tree is freed in slices', (t) => {
  const modelled = new ModelledTree(t, TINY_NODE_BYTES);
  const member = modelled.newMember('m');
  const before = modelled.allocator.usedBytes - TINY_NODE_BYTES;
  for (let i = 0; i < 200; i++) modelled.tree.insert(i, member);
  let visited = 0;
  let calls = 1;
  while (
    !modelled.tree.dismantle(
      () => void visited++,
      () => true,
    )
  )
    calls++;
  assert.equal(visited, 200);
  assert.equal(calls, 40);
  assert.equal(modelled.allocator.usedBytes, before);
});
