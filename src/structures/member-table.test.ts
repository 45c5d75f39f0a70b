import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { halfSipHash } from '../util/half-siphash.ts';
import { seededRandom } from '../util/random.ts';
import { MemberTable } from './member-table.ts';

class Fixture {
  readonly arena = Arena.create();
  readonly allocator = new Allocator(this.arena);
  readonly empty = this.allocator.usedBytes;
  readonly table = new MemberTable(this.allocator);
  readonly header = this.table.create(0);
  readonly view = new BorrowedBytes();

  constructor(t: TestContext) {
    t.after(() => this.arena.close());
  }

  has(member: string): boolean {
    return this.find(member) !== 0;
  }

  find(member: string): number {
    const bytes = Buffer.from(member);
    return this.table.find(this.header, bytes, 0, bytes.length, halfSipHash(1, 2, bytes, 0, bytes.length));
  }

  insert(member: string): void {
    const bytes = Buffer.from(member);
    const hash = halfSipHash(1, 2, bytes, 0, bytes.length);
    this.table.insert(this.header, hash, bytes, 0, bytes.length);
  }

  members(header = this.header): string[] {
    const found: string[] = [];
    this.table.forEach(header, (element) => found.push(this.text(element)));
    return found.toSorted();
  }

  text(element: number): string {
    this.table.borrow(element, this.view);
    return this.view.copy().toString();
  }
}

test('a table behaves like a Set, and leaves nothing behind', (t) => {
  const fixture = new Fixture(t);
  const { allocator, header, table } = fixture;
  const random = new SeededRandom(7);
  const model = new Set<string>();
  for (let step = 0; step < 20_000; step++) {
    const member = 'x'.repeat(random.integer(0, 3)) + String(random.integer(0, 900));
    assert.equal(fixture.has(member), model.has(member));
    if (random.chance(step % 8000 < 5000 ? 0.7 : 0.1)) {
      if (!model.has(member)) fixture.insert(member);
      model.add(member);
    } else if (model.delete(member)) {
      table.remove(header, fixture.find(member));
    }
    if (step % 1000 === 0) table.checkInvariants(header);
  }
  assert.equal(table.count(header), model.size);
  assert.deepEqual(fixture.members(), [...model].toSorted());

  const copy = table.copy(header);
  table.checkInvariants(copy);
  assert.deepEqual(fixture.members(copy), fixture.members());
  const estimate = table.memory(copy, 50);
  assert.ok(Math.abs(estimate - table.memory(copy, 0)) < estimate / 3);
  assert.ok(table.dismantle(copy, () => false));

  // In slices: whoever is told to stop is called again.
  let calls = 0;
  while (!table.dismantle(header, () => true)) calls++;
  assert.ok(calls > 2);
  assert.equal(allocator.usedBytes, fixture.empty);
});

/** Each member 400 times on the average, the rarest 80 times at least, none 640 times. */
function checkDrawing(fixture: Fixture, memberCount: number): void {
  const { nextUint32 } = drawing();
  const counts = new Map<string, number>();
  for (let i = 0; i < memberCount * 400; i++) {
    const member = fixture.text(fixture.table.random(fixture.header, nextUint32));
    counts.set(member, (counts.get(member) ?? 0) + 1);
  }
  assert.equal(counts.size, memberCount);
  for (const [member, count] of counts) assert.ok(count >= 80 && count < 640, `${member}: ${count}`);
}

function drawing(): { nextUint32: () => number } {
  const source = seededRandom(3);
  return { nextUint32: () => source.nextUint32() };
}

// 140 members: the table has grown beyond 128 buckets, and part of it is still in the old ones.
for (const memberCount of [1, 2, 40, 128, 140, 500]) {
  test(`each of ${memberCount} members is drawn about as often`, (t) => {
    const fixture = new Fixture(t);
    for (let i = 0; i < memberCount; i++) fixture.insert(`member ${i}`);
    checkDrawing(fixture, memberCount);
  });
}

test('members of a table that has become sparse are drawn about as often', (t) => {
  const fixture = new Fixture(t);
  for (let i = 0; i < 500; i++) fixture.insert(`member ${i}`);
  for (let i = 0; i < 500; i++)
    if (i % 7 !== 0) fixture.table.remove(fixture.header, fixture.find(`member ${i}`));
  checkDrawing(fixture, 72);
});
