/**
 * The blocks that a stream consists of.
 *
 *     header   words  0 –  3   tree of the nodes: master id ▶ node (id-tree.ts)
 *              words  4 –  7   last id that was given
 *              words  8 – 11   id of the first entry, 0-0 when there is none
 *              words 12 – 15   greatest id that XDEL has deleted
 *              words 16, 17    entries ever added, uint64
 *              double 9        entries
 *              word  20        groups, in the order of their names (name-index.ts)
 *              word  21        what a snapshot holds of the stream, 0 = nothing
 *
 *     node     word  0         listpack of entries, as Redis has it (stream-cursor.ts)
 *              word  1         what a snapshot holds of it, 0 = nothing
 *
 *     group    word  0         length of the name
 *              word  1         consumers, in the order of their names
 *              words  2 –  5   last id that was delivered
 *              words  6,  7    entries read, int64: −1 = unknown
 *              words  8 – 11   pending entries: id ▶ delivery
 *              byte  48        name
 *
 *     consumer word  0         length of the name
 *              double 1        when it was last seen, Unix time in ms
 *              words  4 –  7   its pending entries: id ▶ delivery
 *              byte  32        name
 *
 *     delivery double 0        when it was, Unix time in ms
 *              words  2,  3    how often, uint64
 *              word   4        consumer
 *
 * A pending entry has one delivery, which hangs in the tree of its group and in that of its consumer.
 */
import type { Arena, Ref } from '../memory/arena.ts';
import { getWord, setWord } from '../memory/struct.ts';
import { highWord, lowWord, toBigInt } from '../util/entry-id.ts';
import type { EntryId } from '../util/entry-id.ts';

export const STREAM_NODES = 0;
export const STREAM_LAST_ID = 4;
export const STREAM_FIRST_ID = 8;
export const STREAM_MAX_DELETED_ID = 12;
export const STREAM_ENTRIES_ADDED = 16;
export const STREAM_LENGTH_DOUBLE = 9;
export const STREAM_GROUPS = 20;
export const STREAM_HELD = 21;
export const STREAM_WORDS = 22;

export const STREAM_NODE_PACK = 0;
export const STREAM_NODE_HELD = 1;
export const STREAM_NODE_BYTES = 8;

export const GROUP_CONSUMERS = 1;
export const GROUP_LAST_ID = 2;
export const GROUP_ENTRIES_READ = 6;
export const GROUP_PENDING = 8;
const GROUP_NAME_OFFSET = 48;
export const GROUP_LAYOUT = { nameLengthWord: 0, nameOffset: GROUP_NAME_OFFSET } as const;

export const CONSUMER_SEEN_DOUBLE = 1;
export const CONSUMER_PENDING = 4;
const CONSUMER_NAME_OFFSET = 32;
export const CONSUMER_LAYOUT = { nameLengthWord: 0, nameOffset: CONSUMER_NAME_OFFSET } as const;

export const DELIVERY_TIME_DOUBLE = 0;
export const DELIVERY_COUNT = 2;
export const DELIVERY_CONSUMER = 4;
export const DELIVERY_BYTES = 20;

/** Entries read of a group of which that is not known. */
export const ENTRIES_READ_UNKNOWN = -1n;

export function getId(arena: Arena, ref: Ref, word: number, id: EntryId): EntryId {
  return id.setWords(
    getWord(arena, ref, word),
    getWord(arena, ref, word + 1),
    getWord(arena, ref, word + 2),
    getWord(arena, ref, word + 3),
  );
}

export function setId(arena: Arena, ref: Ref, word: number, id: EntryId): void {
  setWord(arena, ref, word, id.millisHigh);
  setWord(arena, ref, word + 1, id.millisLow);
  setWord(arena, ref, word + 2, id.sequenceHigh);
  setWord(arena, ref, word + 3, id.sequenceLow);
}

export function getUint64(arena: Arena, ref: Ref, word: number): bigint {
  return toBigInt(getWord(arena, ref, word), getWord(arena, ref, word + 1));
}

export function getInt64(arena: Arena, ref: Ref, word: number): bigint {
  return BigInt.asIntN(64, getUint64(arena, ref, word));
}

/** Sets an int64 or uint64. */
export function setInt64(arena: Arena, ref: Ref, word: number, value: bigint): void {
  setWord(arena, ref, word, highWord(value));
  setWord(arena, ref, word + 1, lowWord(value));
}

/** Adds one to a number of 64 bits. */
export function increment64(arena: Arena, ref: Ref, word: number): void {
  const low = (getWord(arena, ref, word + 1) + 1) | 0;
  setWord(arena, ref, word + 1, low);
  if (low === 0) setWord(arena, ref, word, getWord(arena, ref, word) + 1);
}
