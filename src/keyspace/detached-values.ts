/**
 * Values that no key refers to any more. What has few elements is freed at once, the rest in slices between
 * the commands: deleting a set of a million members must not stop the server (Redis does so with
 * `lazyfree-lazy-user-del`, in another thread).
 *
 * A list in the arena; its first node stands in a word of the keyspace's header:
 *     node   word 0   next node
 *            word 1   type:16 | encoding:16 of the value
 *            word 2   the value
 *            word 3   1 = `lazyfree-lazy-…` or UNLINK wanted it so: INFO counts it when it is freed
 */
import type { Ref } from '../memory/arena.ts';
import { getWord, setWord } from '../memory/struct.ts';
import { ENCODING_HASHTABLE, ENCODING_SKIPLIST } from './entry.ts';
import type { Keyspace } from './keyspace.ts';

const NEXT = 0;
const FORM = 1;
const VALUE = 2;
const IS_LAZY = 3;
const NODE_BYTES = 16;
const ENCODING_SHIFT = 16;
const TYPE_MASK = 0xffff;

/** More elements than this are freed in slices … */
const ELEMENTS_AT_ONCE_MAX = 1024;
/** … or more than this, where it is asked for (lazyfree.c, LAZYFREE_THRESHOLD). */
const LAZY_ELEMENTS_AT_ONCE_MAX = 64;

/** What is known of a value that is to be freed. */
export interface DetachedForm {
  readonly type: number;
  readonly encoding: number;
  readonly isLazy: boolean;
}

export class DetachedValues {
  readonly #keyspace: Keyspace;
  readonly #header: Ref;
  readonly #headerWord: number;

  constructor(keyspace: Keyspace, header: Ref, headerWord: number) {
    this.#keyspace = keyspace;
    this.#header = header;
    this.#headerWord = headerWord;
  }

  /** Frees a value, or puts it down to be freed by `dismantle`. */
  free(value: Ref, { type, encoding, isLazy }: DetachedForm): void {
    const { allocator, arena } = this.#keyspace;
    const kind = this.#keyspace.kindOf(type);
    const elementsMax = isLazy && isOfMembers(encoding) ? LAZY_ELEMENTS_AT_ONCE_MAX : ELEMENTS_AT_ONCE_MAX;
    const isLarge = kind.length(value, encoding) > elementsMax;
    const node = isLarge ? allocator.tryAllocate(NODE_BYTES) : 0;
    if (node === 0) {
      kind.dismantle(value, encoding, () => false);
      return;
    }
    setWord(arena, node, NEXT, getWord(arena, this.#header, this.#headerWord));
    setWord(arena, node, FORM, type | (encoding << ENCODING_SHIFT));
    setWord(arena, node, VALUE, value);
    setWord(arena, node, IS_LAZY, isLazy ? 1 : 0);
    setWord(arena, this.#header, this.#headerWord, node);
  }

  /** Frees some until told to stop; true when there was anything to free. */
  dismantle(shouldStop: () => boolean): boolean {
    const { allocator, arena } = this.#keyspace;
    const node = getWord(arena, this.#header, this.#headerWord);
    if (node === 0) return false;
    const form = getWord(arena, node, FORM);
    const kind = this.#keyspace.kindOf(form & TYPE_MASK);
    if (kind.dismantle(getWord(arena, node, VALUE), form >>> ENCODING_SHIFT, shouldStop)) {
      setWord(arena, this.#header, this.#headerWord, getWord(arena, node, NEXT));
      if (getWord(arena, node, IS_LAZY) !== 0) this.#keyspace.count('lazyFreed', 1);
      allocator.free(node);
    }
    return true;
  }

  /** Values that wait to be freed. */
  get count(): number {
    const { arena } = this.#keyspace;
    let count = 0;
    for (let node = getWord(arena, this.#header, this.#headerWord); node !== 0; count++)
      node = getWord(arena, node, NEXT);
    return count;
  }
}

/** A block for each member, where others have many in one. */
function isOfMembers(encoding: number): boolean {
  return encoding === ENCODING_HASHTABLE || encoding === ENCODING_SKIPLIST;
}
