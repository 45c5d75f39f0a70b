import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { SeededRandom } from '../../test/support/seeded-random.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes, byteOffset, bytesOf } from '../memory/struct.ts';
import { Listpack, isListpack, listpackElementBytes } from './listpack.ts';

class Fixture {
  readonly arena = Arena.create();
  readonly allocator = new Allocator(this.arena);
  readonly packs = new Listpack(this.allocator);
  readonly view = new BorrowedBytes();

  constructor(t: TestContext) {
    t.after(() => this.arena.close());
  }

  text(pack: Ref, at: number): string {
    this.packs.borrow(pack, at, this.view);
    return this.view.copy().toString('latin1');
  }

  elements(pack: Ref): string[] {
    const found: string[] = [];
    for (let at = this.packs.first(pack); at !== 0; at = this.packs.next(pack, at))
      found.push(this.text(pack, at));
    return found;
  }

  backwards(pack: Ref): string[] {
    const found: string[] = [];
    for (let at = this.packs.last(pack); at !== 0; at = this.packs.previous(pack, at))
      found.push(this.text(pack, at));
    return found;
  }

  of(texts: readonly string[]): Ref {
    let pack = this.packs.create();
    for (const text of texts) pack = this.packs.append(pack, ...range(text));
    return pack;
  }

  hex(pack: Ref): string {
    const start = byteOffset(pack);
    const end = start + this.packs.byteLength(pack);
    return Buffer.from(bytesOf(this.arena, pack).slice(start, end)).toString('hex');
  }
}

/** The text as a range in the middle of other bytes. */
function range(text: string): [Uint8Array, number, number] {
  const bytes = Buffer.from(`<${text}>`, 'latin1');
  return [bytes, 1, bytes.length - 1];
}

const INTEGERS = [
  ...['0', '127', '128', '-1', '-4096', '4095', '4096', '-4097', '32767', '-32768', '32768', '-32769'],
  ...['8388607', '-8388608', '8388608', '-8388609', '2147483647', '-2147483648', '2147483648'],
  ...['-2147483649', '9223372036854775807', '-9223372036854775808', '9007199254740993'],
  ...['-9007199254740993'],
];
const NO_INTEGERS = ['9223372036854775808', '-0', '01', '+1', '', 'x'];

/** From DUMP of a hash with these fields and values on Redis 7.0.15. */
const REDIS_BYTES =
  'b50000001e0000017f01c08002dfff02d00002cfff02f1001003f1ffef03f1ff7f03f1008003f200800004f2ff7fff04f2ffff' +
  '7f04f200008004f30000800005f3ffff7fff05f3ffffff7f05f30000008005f4000000800000000009f4ffffff7fffffffff09' +
  'f4ffffffffffffff7f09f4000000000000008009f4010000000000200009f4ffffffffffffdfff099339323233333732303336' +
  '38353437373538303814822d300382303103822b31038001817802ff';

test('the bytes are those of Redis, for integers of each width and what only looks like one', (t) => {
  const fixture = new Fixture(t);
  const pack = fixture.of([...INTEGERS, ...NO_INTEGERS]);
  assert.equal(fixture.hex(pack), REDIS_BYTES);
  assert.deepEqual(fixture.elements(pack), [...INTEGERS, ...NO_INTEGERS]);
});

/** Length of a string, and what stands before and behind its bytes in Redis 7.0.15. */
const STRING_FORMS: readonly (readonly [length: number, before: string, behind: string])[] = [
  [62, 'be', '3f'],
  [63, 'bf', '40'],
  [64, 'e040', '42'],
  [124, 'e07c', '7e'],
  [125, 'e07d', '7f'],
  [126, 'e07e', '0180'],
  [4095, 'efff', '2081'],
  [4096, 'f000100000', '2085'],
  [16377, 'f0f93f0000', '7ffe'],
  [16378, 'f0fa3f0000', '00ffff'],
  [16379, 'f0fb3f0000', '018080'],
];

test('the bytes are those of Redis, for strings around each limit', (t) => {
  const fixture = new Fixture(t);
  for (const [length, before, behind] of STRING_FORMS) {
    const texts = ['k', 'v'.repeat(length), '7'];
    const pack = fixture.of(texts);
    assert.equal(fixture.hex(pack).slice(12), `816b02${before}${'76'.repeat(length)}${behind}0701ff`);
    assert.equal(listpackElementBytes(...range(texts[1]!)), length + (before.length + behind.length) / 2);
    assert.deepEqual(fixture.elements(pack), texts);
    assert.deepEqual(fixture.backwards(pack), texts.toReversed());
    fixture.packs.checkInvariants(pack);
  }
});

test('an integer can be read as a number, when it is a safe one', (t) => {
  const fixture = new Fixture(t);
  const pack = fixture.of([...INTEGERS, ...NO_INTEGERS]);
  let at = fixture.packs.first(pack);
  for (const text of [...INTEGERS, ...NO_INTEGERS]) {
    const isSafe = INTEGERS.includes(text) && Number.isSafeInteger(Number(text));
    assert.equal(fixture.packs.integerAt(pack, at), isSafe ? Number(text) : Number.NaN);
    assert.ok(fixture.packs.equals(pack, at, ...range(text)));
    assert.ok(!fixture.packs.equals(pack, at, ...range(`${text}1`)));
    at = fixture.packs.next(pack, at);
  }
});

test('two borrowed integers can be looked at side by side', (t) => {
  const { packs, ...fixture } = new Fixture(t);
  const pack = new Listpack(fixture.allocator).appendInteger(packs.create(), 123);
  const longer = packs.appendInteger(pack, -45678);
  const other = new BorrowedBytes();
  packs.borrow(longer, packs.first(longer), fixture.view);
  packs.borrow(longer, packs.last(longer), other);
  assert.equal(fixture.view.copy().toString(), '123');
  assert.equal(other.copy().toString(), '-45678');
});

test('find compares texts, looking at every other element when told so', (t) => {
  const fixture = new Fixture(t);
  const texts = ['a', 'b', '12', 'a', 'b', '9223372036854775807', '12', 'x'.repeat(100)];
  const pack = fixture.of(texts);
  const found = (text: string, skipped: number): string => {
    const at = fixture.packs.find(pack, fixture.packs.first(pack), ...range(text), skipped);
    if (at === 0) return 'none';
    let index = 0;
    for (let other = fixture.packs.first(pack); other !== at; index++)
      other = fixture.packs.next(pack, other);
    return String(index);
  };
  assert.deepEqual(
    ['a', 'b', '12', 'zz', texts[5]!, texts[7]!, '1'].map((text) => found(text, 0)),
    [...['0', '1', '2', 'none', '5', '7', 'none']],
  );
  assert.deepEqual(
    ['a', 'b', '12', texts[5]!, texts[7]!].map((text) => found(text, 1)),
    [...['0', '4', '2', 'none', 'none']],
  );
  assert.equal(fixture.packs.find(pack, 0, ...range('a'), 0), 0);
});

test('a count beyond 65534 is not stored', (t) => {
  const fixture = new Fixture(t);
  const { packs } = fixture;
  let pack = packs.create();
  for (let i = 0; i < 65_536; i++) pack = packs.appendInteger(pack, i & 63);
  assert.equal(fixture.hex(pack).slice(8, 12), 'ffff');
  assert.equal(packs.count(pack), 65_536);
  assert.equal(packs.integerAt(pack, packs.seek(pack, -1)), 63);
  assert.equal(packs.integerAt(pack, packs.seek(pack, 65_535)), 63);
  assert.equal(packs.seek(pack, 65_536), 0);
  pack = packs.remove(pack, packs.first(pack), 10);
  assert.equal(packs.count(pack), 65_526);
  assert.equal(fixture.hex(pack).slice(8, 12), 'f6ff');
  packs.checkInvariants(pack);
});

test('bytes from outside are checked', (t) => {
  const fixture = new Fixture(t);
  const pack = fixture.of([...INTEGERS, ...NO_INTEGERS, 'x'.repeat(200), 'y'.repeat(5000)]);
  const bytes = Buffer.from(fixture.hex(pack), 'hex');
  assert.ok(isListpack(bytes, 0, bytes.length));
  for (let length = 0; length < bytes.length; length++) assert.ok(!isListpack(bytes, 0, length));

  const random = new SeededRandom(1);
  for (let round = 0; round < 3000; round++) {
    const damaged = Buffer.from(bytes);
    damaged[random.integer(0, bytes.length - 1)] = random.uint32();
    if (!isListpack(damaged, 0, damaged.length)) continue;
    const adopted = fixture.packs.adopt(damaged, 0, damaged.length);
    assert.deepEqual(fixture.backwards(adopted), fixture.elements(adopted).toReversed());
    fixture.allocator.free(adopted);
  }
});

function randomText(random: SeededRandom): string {
  if (random.chance(0.4)) return random.pick(INTEGERS);
  if (random.chance(0.5)) return String(random.integer(-300, 300));
  const length = random.chance(0.02) ? random.integer(3000, 20_000) : random.integer(0, 150);
  return random.pick(['a', 'b', '1']).repeat(length);
}

for (const seed of [1, 2, 3, 4]) {
  test(`a listpack behaves like an array, seed ${seed}`, (t) => {
    const fixture = new Fixture(t);
    const { packs, allocator } = fixture;
    const random = new SeededRandom(seed);
    const empty = allocator.usedBytes;
    let pack = packs.create();
    let model: string[] = [];

    for (let step = 0; step < 4000; step++) {
      const text = randomText(random);
      const index = model.length === 0 ? 0 : random.integer(0, model.length - 1);
      const at = packs.seek(pack, random.chance(0.5) ? index : index - model.length);
      assert.equal(at === 0, model.length === 0);
      const growing = step % 1000 < 600;
      const action = at === 0 ? 'append' : random.pick(growing ? GROWING : SHRINKING);
      if (action === 'append') {
        pack = packs.append(pack, ...range(text));
        model.push(text);
      } else if (action === 'prepend') {
        pack = packs.prepend(pack, ...range(text));
        model.unshift(text);
      } else if (action === 'before') {
        pack = packs.insertBefore(pack, at, ...range(text));
        model.splice(index, 0, text);
      } else if (action === 'after') {
        pack = packs.insertAfter(pack, at, ...range(text));
        model.splice(index + 1, 0, text);
      } else if (action === 'replace') {
        pack = packs.replace(pack, at, ...range(text));
        model[index] = text;
      } else if (action === 'replaceInteger') {
        const value = random.integer(-(2 ** 40), 2 ** 40);
        pack = packs.replaceInteger(pack, at, value);
        model[index] = String(value);
      } else if (action === 'split') {
        const head = packs.copyRange(pack, packs.first(pack), at);
        const tail = packs.copyRange(pack, at, 0);
        allocator.free(pack);
        pack = packs.appendAll(tail, head);
        allocator.free(head);
        model = [...model.slice(index), ...model.slice(0, index)];
      } else {
        const count = random.integer(1, 4);
        pack = packs.remove(pack, at, count);
        model.splice(index, count);
        assert.equal(packs.at === 0 ? undefined : fixture.text(pack, packs.at), model[index]);
      }
      if (REPORTING.has(action) && action !== 'replaceInteger')
        assert.equal(fixture.text(pack, packs.at), text);
      assert.equal(packs.count(pack), model.length);
      if (step % 50 === 0) {
        packs.checkInvariants(pack);
        assert.deepEqual(fixture.elements(pack), model);
        assert.deepEqual(fixture.backwards(pack), model.toReversed());
      }
    }
    const copy = packs.copy(pack);
    assert.equal(fixture.hex(copy), fixture.hex(fixture.of(model)));
    allocator.free(copy);
    allocator.checkInvariants();

    while (packs.count(pack) > 0) pack = packs.remove(pack, packs.last(pack));
    assert.equal(fixture.hex(pack), '070000000000ff');
    assert.ok(allocator.usableBytes(pack) < 32, 'an empty listpack has given its room back');
    assert.ok(allocator.usedBytes > empty);
  });
}

const GROWING = ['append', 'prepend', 'before', 'after', 'replace', 'replaceInteger', 'remove', 'split'];
const SHRINKING = ['append', 'replace', 'remove', 'remove', 'remove'];
const REPORTING = new Set(['append', 'prepend', 'before', 'after', 'replace', 'replaceInteger']);
