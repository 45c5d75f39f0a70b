/** The nodes of lists as a snapshot goes through them (held-nodes.ts, structures/quicklist.ts). */
import type { Arena, Ref } from '../memory/arena.ts';
import { getDouble, getWord } from '../memory/struct.ts';
import {
  QUICKLIST_BYTES_DOUBLE,
  QUICKLIST_HEAD,
  QUICKLIST_HELD,
  QUICKLIST_NODE_COUNT,
  QUICKLIST_NODE_HELD,
  QUICKLIST_NODE_NEXT,
  QUICKLIST_NODE_PACK,
} from '../structures/quicklist.ts';
import type { NodeLayout } from './held-nodes.ts';

/** Lists with more bytes, or more nodes, are held; others are copied at once. */
const BYTES_AT_ONCE_MAX = 64 * 1024;
const NODES_AT_ONCE_MAX = 64;

export class ListNodes implements NodeLayout {
  readonly valueHeldWord = QUICKLIST_HELD;
  readonly packWord = QUICKLIST_NODE_PACK;
  readonly heldWord = QUICKLIST_NODE_HELD;
  readonly hasIds = false;
  readonly #arena: Arena;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  isLarge(list: Ref): boolean {
    return (
      getDouble(this.#arena, list, QUICKLIST_BYTES_DOUBLE) > BYTES_AT_ONCE_MAX ||
      this.nodeCount(list) > NODES_AT_ONCE_MAX
    );
  }

  nodeCount(list: Ref): number {
    return getWord(this.#arena, list, QUICKLIST_NODE_COUNT);
  }

  forEachNode(list: Ref, visit: (node: Ref) => void): void {
    let node = getWord(this.#arena, list, QUICKLIST_HEAD);
    while (node !== 0) {
      const next = getWord(this.#arena, node, QUICKLIST_NODE_NEXT);
      visit(node);
      node = next;
    }
  }

  copyId(): void {
    throw new Error('nodes of lists have no ids');
  }

  restBytes(): number {
    return 0;
  }

  copyRest(): void {
    // All of a list is in its nodes.
  }
}
