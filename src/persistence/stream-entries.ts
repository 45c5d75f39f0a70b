/**
 * The entries in a node of a stream (Redis 7.0 t_stream.c, streamAppendItem):
 *
 *     count, deleted, number of fields, fields …, 0                     the master entry
 *     flags, ms difference, sequence difference,                       each entry
 *       [ number of fields, ] [ field, ] value …, number of elements
 *
 * Differences are to the node's master id. An entry with the fields of the master entry has values only.
 */
import { parseInt64 } from '../util/numbers.ts';
import { RdbError } from './rdb-error.ts';
import { decodeListpack } from './rdb-packed.ts';
import type { RdbStreamNode, StreamId } from './rdb-values.ts';

export interface StreamEntry {
  readonly id: StreamId;
  /** Field, value, field, value … */
  readonly words: readonly Uint8Array[];
}

/** Flags of an entry. */
const DELETED = 1;
const SAME_FIELDS = 2;

/** The entries that are not deleted. Throws RdbError if the node is damaged. */
export function* streamEntries({ masterId, listpack }: RdbStreamNode): Generator<StreamEntry> {
  const elements = decodeListpack(Buffer.from(listpack.buffer, listpack.byteOffset, listpack.byteLength), 0);
  let next = 2;
  const take = (): Buffer => {
    const element = elements[next++];
    if (element === undefined) throw damaged();
    return element;
  };
  const takeInteger = (): bigint => {
    const element = take();
    const value = parseInt64(element, 0, element.length);
    if (value === undefined) throw damaged();
    return value;
  };

  const fields = Array.from({ length: Number(takeInteger()) }, take);
  next++;
  while (next < elements.length) {
    const flags = Number(takeInteger());
    const millis = BigInt.asUintN(64, masterId.millis + takeInteger());
    const sequence = BigInt.asUintN(64, masterId.sequence + takeInteger());
    const words: Buffer[] = [];
    if ((flags & SAME_FIELDS) !== 0) for (const field of fields) words.push(field, take());
    else for (let left = takeInteger(); left > 0; left--) words.push(take(), take());
    next++;
    if ((flags & DELETED) === 0) yield { id: { millis, sequence }, words };
  }
}

function damaged(): RdbError {
  return new RdbError('damaged node of a stream', 0);
}
