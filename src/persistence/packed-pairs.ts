/** Listpacks of pairs out of files, as hashes and sorted sets have them, into the keyspace as they are. */
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { Listpack } from '../structures/listpack.ts';
import { compareBytes } from '../util/bytes.ts';
import { parseDouble } from '../util/numbers.ts';

/** Field and value, or member and score. */
export type PairForm = 'fields' | 'scores';

const HASHES_MIN = 256;

/** Hashes of the elements that were seen, as an open table; 0 = free. */
let seenHashes = new Int32Array(HASHES_MIN);

const element = new BorrowedBytes();
const score = new BorrowedBytes();

/**
 * The listpack of these bytes, which are one, in the arena. 0 if it has more than `countMax` pairs, or is not
 * what the keyspace would have made: elements without a partner, perhaps twice, or not in order. Such a value
 * is to be taken apart.
 */
export function adoptPairs(keyspace: Keyspace, bytes: Uint8Array, form: PairForm, countMax: number): Ref {
  const packs = new Listpack(keyspace.allocator);
  const pack = packs.adopt(bytes, 0, bytes.length);
  const count = packs.count(pack);
  const isSound =
    count % 2 === 0 &&
    count / 2 <= countMax &&
    areUnique(keyspace, packs, pack, count / 2) &&
    (form === 'fields' || areInOrder(packs, pack));
  if (isSound) return pack;
  keyspace.allocator.free(pack);
  return 0;
}

/** Whether the first elements of the pairs are certainly different. */
function areUnique(keyspace: Keyspace, packs: Listpack, pack: Ref, pairCount: number): boolean {
  let size = HASHES_MIN;
  while (size < pairCount * 2) size *= 2;
  if (seenHashes.length < size) seenHashes = new Int32Array(size);
  else seenHashes.fill(0, 0, size);
  for (let at = packs.first(pack); at !== 0; at = packs.next(pack, packs.next(pack, at))) {
    packs.borrow(pack, at, element);
    const hash = keyspace.hashOf(element.bytes, element.start, element.end) || 1;
    let slot = hash & (size - 1);
    for (; seenHashes[slot] !== 0; slot = (slot + 1) & (size - 1))
      if (seenHashes[slot] === hash) return false;
    seenHashes[slot] = hash;
  }
  return true;
}

/** Whether members stand in the order of their scores, and of their bytes where those are equal. */
function areInOrder(packs: Listpack, pack: Ref): boolean {
  let previousAt = 0;
  let previousScore = -Infinity;
  for (let at = packs.first(pack); at !== 0;) {
    const scoreAt = packs.next(pack, at);
    const value = scoreOf(packs, pack, scoreAt);
    if (value === undefined || Number.isNaN(value) || value < previousScore) return false;
    if (previousAt !== 0 && value === previousScore && !isBefore(packs, pack, previousAt, at)) return false;
    previousAt = at;
    previousScore = value;
    at = packs.next(pack, scoreAt);
  }
  return true;
}

function scoreOf(packs: Listpack, pack: Ref, at: number): number | undefined {
  const integer = packs.integerAt(pack, at);
  if (!Number.isNaN(integer)) return integer;
  packs.borrow(pack, at, score);
  return parseDouble(score.bytes, score.start, score.end);
}

function isBefore(packs: Listpack, pack: Ref, first: number, second: number): boolean {
  packs.borrow(pack, first, element);
  packs.borrow(pack, second, score);
  return compareBytes(element.bytes, element.start, element.end, score.bytes, score.start, score.end) < 0;
}
