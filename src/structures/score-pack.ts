/**
 * The compact form of a sorted set: a listpack of member, score, member, score … in order, the scores as
 * Redis has them: integers as integers, others as text of 17 digits (Redis 7.0 t_zset.c, zzl*).
 *
 * An element's position is that of its member; 0 is none.
 */
import { strict as assert } from 'node:assert';
import type { Allocator } from '../memory/allocator.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { compareBytes } from '../util/bytes.ts';
import { formatDouble, parseDouble, writeInteger } from '../util/numbers.ts';
import { Listpack } from './listpack.ts';

/** "-2.2250738585072014e-308" is the longest score. */
const SCORE_CHARS_MAX = 24;

export class ScorePack {
  readonly #packs: Listpack;
  /**
   * Reads what a change looks at: the member that is to be put in may be a borrowed one of another sorted
   * set, whose digits stand in the scratch of `#packs`.
   */
  readonly #reader: Listpack;
  readonly #view = new BorrowedBytes();
  /** The text of a score that is to be written. */
  readonly #text = new Uint8Array(SCORE_CHARS_MAX);
  #textLength = 0;
  /**
   * Where the listpack is after a change. It may have moved even if there was no memory for the whole change,
   * which is undone then.
   */
  pack: Ref = 0;

  constructor(allocator: Allocator) {
    this.#packs = new Listpack(allocator);
    this.#reader = new Listpack(allocator);
  }

  create(): Ref {
    return this.#packs.create();
  }

  adopt(bytes: Uint8Array, start: number, end: number): Ref {
    return this.#packs.adopt(bytes, start, end);
  }

  copy(pack: Ref): Ref {
    return this.#packs.copy(pack);
  }

  byteLength(pack: Ref): number {
    return this.#packs.byteLength(pack);
  }

  /** Members. */
  count(pack: Ref): number {
    return this.#packs.count(pack) >>> 1;
  }

  // Positions -----------------------------------------------------------------------------------------------

  find(pack: Ref, member: Uint8Array, start: number, end: number): number {
    return this.#packs.find(pack, this.#packs.first(pack), member, start, end, 1);
  }

  first(pack: Ref): number {
    return this.#packs.first(pack);
  }

  next(pack: Ref, at: number): number {
    return this.#packs.next(pack, this.#packs.next(pack, at));
  }

  previous(pack: Ref, at: number): number {
    const score = this.#packs.previous(pack, at);
    return score === 0 ? 0 : this.#packs.previous(pack, score);
  }

  /** The element with that rank, or 0. */
  seek(pack: Ref, rank: number): number {
    return this.#packs.seek(pack, rank * 2);
  }

  rankOf(pack: Ref, at: number): number {
    let rank = 0;
    for (let other = this.first(pack); other !== at; other = this.next(pack, other)) rank++;
    return rank;
  }

  // Elements ------------------------------------------------------------------------------------------------

  borrow(pack: Ref, at: number, view: BorrowedBytes): void {
    this.#packs.borrow(pack, at, view);
  }

  scoreAt(pack: Ref, at: number): number {
    return this.#readScore(pack, this.#packs.next(pack, at));
  }

  #readScore(pack: Ref, scoreAt: number): number {
    const integer = this.#packs.integerAt(pack, scoreAt);
    if (!Number.isNaN(integer)) return integer;
    const view = this.#view;
    this.#reader.borrow(pack, scoreAt, view);
    return parseDouble(view.bytes, view.start, view.end) ?? Number.NaN;
  }

  // Changes -------------------------------------------------------------------------------------------------

  /** Adds a member that is not there. @throws OutOfMemoryError; `pack` is the listpack without the member */
  insert(pack: Ref, member: Uint8Array, start: number, end: number, score: number): void {
    const place = this.#placeOf(pack, this.first(pack), member, start, end, score);
    this.#putBefore(pack, place, member, start, end, score);
  }

  /** The same for a member behind all others. */
  append(pack: Ref, member: Uint8Array, start: number, end: number, score: number): void {
    this.#putBefore(pack, 0, member, start, end, score);
  }

  #putBefore(pack: Ref, at: number, member: Uint8Array, start: number, end: number, score: number): void {
    const packs = this.#packs;
    this.pack = pack;
    this.pack = packs.insertBefore(pack, at, member, start, end);
    const memberAt = packs.at;
    this.#writeText(score);
    try {
      this.pack = packs.insertAfter(this.pack, memberAt, this.#text, 0, this.#textLength);
    } catch (error) {
      this.pack = packs.remove(this.pack, memberAt);
      throw error;
    }
  }

  /**
   * The position before which such an element belongs, at `from` or behind; 0 = behind all others.
   * @param from all elements before it belong before this one
   */
  #placeOf(pack: Ref, from: number, member: Uint8Array, start: number, end: number, score: number): number {
    const packs = this.#packs;
    const lastScoreAt = packs.last(pack);
    if (lastScoreAt === 0 || this.#readScore(pack, lastScoreAt) < score) return 0;
    for (let at = from; at !== 0;) {
      const scoreAt = packs.next(pack, at);
      const other = this.#readScore(pack, scoreAt);
      if (other > score) return at;
      if (other === score && this.#compareMember(pack, at, member, start, end) > 0) return at;
      at = packs.next(pack, scoreAt);
    }
    return 0;
  }

  #compareMember(pack: Ref, at: number, member: Uint8Array, start: number, end: number): number {
    const view = this.#view;
    this.#reader.borrow(pack, at, view);
    return compareBytes(view.bytes, view.start, view.end, member, start, end);
  }

  /**
   * Gives the element of a member another score. @throws OutOfMemoryError; `pack` is the listpack as it was
   * @param member its bytes, outside of the listpack
   */
  setScore(pack: Ref, at: number, member: Uint8Array, start: number, end: number, score: number): void {
    if (this.#keepsPlace(pack, at, score)) {
      this.pack = pack;
      this.#writeText(score);
      this.pack = this.#packs.replace(pack, this.#packs.next(pack, at), this.#text, 0, this.#textLength);
      return;
    }
    const from = score > this.scoreAt(pack, at) ? at : this.first(pack);
    const place = this.#placeOf(pack, from, member, start, end, score);
    const byteLength = this.byteLength(pack);
    this.#putBefore(pack, place, member, start, end, score);
    const isInFront = place !== 0 && place <= at;
    const oldAt = isInFront ? at + this.byteLength(this.pack) - byteLength : at;
    this.pack = this.#packs.remove(this.pack, oldAt, 2);
  }

  /** Whether the neighbours' scores are on the right sides of the new one. */
  #keepsPlace(pack: Ref, at: number, score: number): boolean {
    const previousScore = this.#packs.previous(pack, at);
    if (previousScore !== 0 && this.#readScore(pack, previousScore) >= score) return false;
    const next = this.next(pack, at);
    return next === 0 || this.scoreAt(pack, next) > score;
  }

  /** Removes the element and those behind it, `count` in all; returns the listpack's new place. */
  remove(pack: Ref, at: number, count = 1): Ref {
    this.pack = this.#packs.remove(pack, at, count * 2);
    return this.pack;
  }

  #writeText(score: number): void {
    const target = this.#text;
    if (Number.isSafeInteger(score)) {
      this.#textLength = writeInteger(target, 0, score);
      return;
    }
    const text = formatDouble(score);
    for (let i = 0; i < text.length; i++) target[i] = text.charCodeAt(i);
    this.#textLength = text.length;
  }

  /** Throws when the listpack is no sorted set. */
  checkInvariants(pack: Ref): void {
    const packs = this.#packs;
    packs.checkInvariants(pack);
    assert.equal(packs.count(pack) % 2, 0, 'members and scores');
    let previousScore = -Infinity;
    let previous: Uint8Array = Buffer.alloc(0);
    for (let at = packs.first(pack); at !== 0; at = this.next(pack, at)) {
      const score = this.scoreAt(pack, at);
      packs.borrow(pack, at, this.#view);
      const member = this.#view.copy();
      const isFirst = at === packs.first(pack);
      assert(!Number.isNaN(score) && score >= previousScore, 'scores ascend');
      assert(isFirst || score > previousScore || Buffer.compare(member, previous) > 0, 'members ascend');
      previousScore = score;
      previous = member;
    }
  }
}
