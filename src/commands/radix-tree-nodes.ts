/**
 * How many nodes Redis' radix tree has for a set of ids (Redis 7.0 rax.c): XINFO STREAM tells it.
 *
 * The keys are 16 bytes, most significant byte first. The tree has a node where keys part, one for each
 * stretch of bytes in between, and one at the end of each key.
 */
import type { EntryId } from '../util/entry-id.ts';

const KEY_BYTES = 16;
/** Above the root. */
const NOWHERE = -1;

export class RadixTreeNodes {
  #count = 0;
  readonly #previous: number[] = [];
  /** Depths of the nodes on the way to the last key where keys part, and its end. */
  readonly #path: number[] = [];

  /** Adds an id greater than all before. */
  add(id: EntryId): void {
    const words = [id.millisHigh, id.millisLow, id.sequenceHigh, id.sequenceLow];
    if (this.#path.length > 0) {
      const depth = sharedBytes(this.#previous, words);
      this.#closeBelow(depth);
      if (this.#path.at(-1) !== depth) {
        this.#path.push(depth);
        this.#count++;
      }
    }
    this.#path.push(KEY_BYTES);
    this.#count++;
    for (let i = 0; i < words.length; i++) this.#previous[i] = words[i]!;
  }

  /** The number of nodes; nothing may be added any more. An empty tree has its root. */
  finish(): number {
    if (this.#path.length === 0) return 1;
    this.#closeBelow(NOWHERE);
    return this.#count;
  }

  /** Leaves the nodes of the way that are deeper, and counts the stretches that lead to them. */
  #closeBelow(depth: number): void {
    while (this.#path.length > 0 && this.#path.at(-1)! > depth) {
      const left = this.#path.pop()!;
      const above = Math.max(this.#path.at(-1) ?? NOWHERE, depth);
      // One byte is the branch itself.
      if (left - above > 1) this.#count++;
    }
  }
}

function sharedBytes(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! ^ b[i]!;
    if (difference !== 0) return i * 4 + (Math.clz32(difference) >>> 3);
  }
  return KEY_BYTES;
}
