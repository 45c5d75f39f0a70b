/**
 * A place in a sorted set of either encoding, from which it is read forwards or backwards. Whoever walks has
 * a cursor of its own (`SortedSetValues.newCursor`) and uses it again and again; the next change of the set
 * ends the walk.
 */
import type { Ref } from '../memory/arena.ts';
import type { BorrowedBytes } from '../memory/struct.ts';
import type { OrderedTree } from '../structures/ordered-tree.ts';
import type { ScorePack } from '../structures/score-pack.ts';
import type { ScoreTable } from '../structures/score-table.ts';

export class SortedSetCursor {
  readonly #packs: ScorePack;
  readonly #tables: ScoreTable;
  /** Of the listpack that is read, or 0. */
  #pack: Ref = 0;
  /** The element's position there, 0 = beyond either end. */
  #at = 0;
  /** Of the table that is read, which does not change while it is. */
  #tree: OrderedTree;
  /** The element's leaf, 0 = beyond either end, and its slot. */
  #leaf: Ref = 0;
  #slot = 0;
  #slotCount = 0;

  constructor(packs: ScorePack, tables: ScoreTable) {
    this.#packs = packs;
    this.#tables = tables;
    this.#tree = tables.order(0);
  }

  /** Goes to the element with that rank of a listpack, if there is one. */
  seekInPack(pack: Ref, rank: number): void {
    this.#pack = pack;
    this.#at = this.#packs.seek(pack, rank);
  }

  /** The same for a table. */
  seekInTable(header: Ref, rank: number): void {
    this.#pack = 0;
    this.#tree = this.#tables.order(header);
    this.#tree.seekRank(rank);
    this.#leaf = this.#tree.leaf;
    this.#slot = this.#tree.slot;
    if (this.#leaf !== 0) this.#slotCount = this.#tree.slotCount(this.#leaf);
  }

  /** False when the walk has left the set at either end. */
  get isAtElement(): boolean {
    return (this.#pack === 0 ? this.#leaf : this.#at) !== 0;
  }

  get score(): number {
    if (this.#pack === 0) return this.#tree.scoreAt(this.#leaf, this.#slot);
    return this.#packs.scoreAt(this.#pack, this.#at);
  }

  /** Points `view` at the member, until the next is borrowed. */
  borrow(view: BorrowedBytes): void {
    if (this.#pack === 0) this.#tables.borrow(this.#tree.memberAt(this.#leaf, this.#slot), view);
    else this.#packs.borrow(this.#pack, this.#at, view);
  }

  next(): void {
    if (this.#pack !== 0) {
      this.#at = this.#packs.next(this.#pack, this.#at);
    } else if (++this.#slot === this.#slotCount) {
      this.#leaf = this.#tree.nextLeaf(this.#leaf);
      this.#slot = 0;
      if (this.#leaf !== 0) this.#slotCount = this.#tree.slotCount(this.#leaf);
    }
  }

  previous(): void {
    if (this.#pack !== 0) {
      this.#at = this.#packs.previous(this.#pack, this.#at);
    } else if (--this.#slot < 0) {
      this.#leaf = this.#tree.previousLeaf(this.#leaf);
      if (this.#leaf === 0) return;
      this.#slotCount = this.#tree.slotCount(this.#leaf);
      this.#slot = this.#slotCount - 1;
    }
  }
}
