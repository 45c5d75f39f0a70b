/**
 * Values that no key refers to any more. What has few elements is freed at once, the rest in slices between
 * the commands: deleting a set of a million members must not stop the server (Redis does so with
 * `lazyfree-lazy-user-del`, in another thread).
 *
 * A list in the arena; its first node stands in a word of the keyspace's header:
 *     node   word 0   next node
 *            word 1   type:16 | encoding:16 of the value
 *            word 2   the value
 */
import type { Ref } from '../memory/arena.ts';
import { getWord, setWord } from '../memory/struct.ts';
import type { Keyspace } from './keyspace.ts';

const NEXT = 0;
const FORM = 1;
const VALUE = 2;
const NODE_BYTES = 12;
const ENCODING_SHIFT = 16;
const TYPE_MASK = 0xffff;

/** More elements than this are freed in slices. */
const ELEMENTS_AT_ONCE_MAX = 1024;

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
  free(value: Ref, type: number, encoding: number): void {
    const { allocator, arena } = this.#keyspace;
    const kind = this.#keyspace.kindOf(type);
    const isLarge = kind.length(value, encoding) > ELEMENTS_AT_ONCE_MAX;
    const node = isLarge ? allocator.tryAllocate(NODE_BYTES) : 0;
    if (node === 0) {
      kind.dismantle(value, encoding, () => false);
      return;
    }
    setWord(arena, node, NEXT, getWord(arena, this.#header, this.#headerWord));
    setWord(arena, node, FORM, type | (encoding << ENCODING_SHIFT));
    setWord(arena, node, VALUE, value);
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
