/**
 * Collections as a snapshot has copied them (keyspace/held-collections.ts: `copyWhole`, `save`), in the form
 * that files take. All that is given is borrowed from the copy.
 */
import { ELEMENT_LENGTH, ELEMENT_SCORE_OFFSET, elementOffset } from '../keyspace/collection-elements.ts';
import {
  ENCODING_INTSET,
  ENCODING_LISTPACK,
  TYPE_HASH,
  TYPE_LIST,
  TYPE_SET,
  TYPE_SORTED_SET,
  TYPE_STREAM,
} from '../keyspace/entry.ts';
import { COPY_HEADER_BYTES } from '../keyspace/held-collections.ts';
import { SAVED_NODE_ID_BYTES } from '../keyspace/held-nodes.ts';
import {
  STREAM_CONSUMER_BYTES,
  STREAM_COUNT_BYTES,
  STREAM_GROUP_BYTES,
  STREAM_HEADER_BYTES,
  STREAM_PENDING_BYTES,
} from '../keyspace/stream-nodes.ts';
import {
  STREAM_ENTRIES_ADDED,
  STREAM_FIRST_ID,
  STREAM_LAST_ID,
  STREAM_LENGTH_DOUBLE,
  STREAM_MAX_DELETED_ID,
} from '../keyspace/stream-layout.ts';
import { EXPIRES, EXPIRY_BYTES, LENGTH_MASK, VALUE_LENGTH } from '../structures/field-element.ts';
import type {
  CollectionHead,
  CollectionPiece,
  ElementCursor,
  RdbElements,
  RdbPendingEntry,
  RdbQuicklistNode,
  RdbStream,
  RdbStreamConsumer,
  RdbStreamGroup,
  RdbStreamNode,
  RdbWritable,
  StreamId,
} from './rdb-values.ts';

/** The memory that was copied to: three views of it. */
export interface SavedBytes {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly doubles: Float64Array;
}

const INTSET_HEADER_BYTES = 8;

type ElementType = RdbElements['type'];
const ELEMENT_TYPES: Readonly<Record<number, ElementType>> = {
  [TYPE_SET]: 'set',
  [TYPE_HASH]: 'hash',
  [TYPE_SORTED_SET]: 'zset',
};

/** A value that was copied as a whole, by `copyWhole`, to bytes [start, end). */
export function readCopy(
  saved: SavedBytes,
  type: number,
  encoding: number,
  start: number,
  end: number,
): RdbWritable {
  if (encoding === ENCODING_LISTPACK || encoding === ENCODING_INTSET) {
    return readPacked(saved, type, encoding, start);
  }
  const count = saved.words[start >> 2]!;
  const body = start + COPY_HEADER_BYTES;
  if (type === TYPE_LIST) {
    return { kind: 'quicklist', nodeCount: count, nodes: listNodes(saved, body, end) };
  }
  if (type !== TYPE_STREAM) {
    const hasExpiry = saved.words[(start >> 2) + 1]! !== 0;
    return readElements(saved, { type, count, hasExpiry, start: body, end });
  }
  const rest = new StreamRestReader(saved, body);
  const stream = rest.read();
  return { ...stream, nodes: [...streamNodes(saved, rest.position, end)] };
}

function readPacked(
  { words, bytes }: SavedBytes,
  type: number,
  encoding: number,
  start: number,
): RdbWritable {
  const first = words[start >> 2]!;
  if (encoding === ENCODING_INTSET) {
    const length = INTSET_HEADER_BYTES + first * words[(start >> 2) + 1]!;
    return { kind: 'intset', bytes: bytes.subarray(start, start + length) };
  }
  const pack = bytes.subarray(start, start + first);
  return { kind: type === TYPE_HASH ? 'hash-listpack' : 'zset-listpack', bytes: pack };
}

interface SavedElements {
  /** Of the collection. */
  readonly type: number;
  readonly count: number;
  readonly hasExpiry: boolean;
  readonly start: number;
  readonly end: number;
}

function readElements(saved: SavedBytes, { type, count, hasExpiry, start, end }: SavedElements): RdbElements {
  const cursor = new SavedElementCursor(saved, type, start, end);
  return { kind: 'elements', type: ELEMENT_TYPES[type]!, count, hasExpiry, cursor };
}

/** A collection that comes in pieces. */
export interface SavedCollection {
  readonly type: number;
  /** Elements or nodes. */
  readonly count: number;
  readonly hasExpiry: boolean;
  /** Where what a stream has beside its nodes begins. */
  readonly restStart: number;
}

/** How it begins. */
export function readHead(
  saved: SavedBytes,
  { type, count, hasExpiry, restStart }: SavedCollection,
): CollectionHead {
  if (type === TYPE_LIST) return { kind: 'list', nodeCount: count };
  if (type === TYPE_STREAM) {
    return { kind: 'stream', nodeCount: count, stream: new StreamRestReader(saved, restStart).read() };
  }
  return { kind: ELEMENT_TYPES[type]!, count, hasExpiry };
}

/** What `save` has copied to bytes [start, end). */
export function readPiece(
  saved: SavedBytes,
  { type, hasExpiry }: SavedCollection,
  start: number,
  end: number,
): CollectionPiece {
  if (type === TYPE_LIST) return { kind: 'list-nodes', nodes: listNodes(saved, start, end) };
  if (type === TYPE_STREAM) return { kind: 'stream-nodes', nodes: streamNodes(saved, start, end) };
  return readElements(saved, { type, count: 0, hasExpiry, start, end });
}

class BorrowedRange {
  bytes: Uint8Array;
  start = 0;
  end = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** Goes through blocks of elements, each padded to 8. */
class SavedElementCursor implements ElementCursor {
  readonly element: BorrowedRange;
  readonly value: BorrowedRange;
  expiryMillis: number | undefined;
  score = 0;
  readonly #saved: SavedBytes;
  readonly #offset: number;
  readonly #isHash: boolean;
  readonly #hasScores: boolean;
  #position: number;
  readonly #end: number;

  constructor(saved: SavedBytes, type: number, start: number, end: number) {
    this.#saved = saved;
    this.#offset = elementOffset(type);
    this.#isHash = type === TYPE_HASH;
    this.#hasScores = type === TYPE_SORTED_SET;
    this.#position = start;
    this.#end = end;
    this.element = new BorrowedRange(saved.bytes);
    this.value = new BorrowedRange(saved.bytes);
  }

  next(): boolean {
    if (this.#position >= this.#end) return false;
    const { words, doubles } = this.#saved;
    const word = this.#position >> 2;
    const start = this.#position + this.#offset;
    let end = start + words[word + ELEMENT_LENGTH]!;
    this.element.start = start;
    this.element.end = end;
    if (this.#isHash) {
      end = this.#readValue(words[word + VALUE_LENGTH]!, end);
    } else if (this.#hasScores) {
      this.score = doubles[(this.#position + ELEMENT_SCORE_OFFSET) >> 3]!;
    }
    this.#position = (end + 7) & ~7;
    return true;
  }

  /** Reads the value that begins at `start`, and when the field expires; returns the end of the element. */
  #readValue(shape: number, start: number): number {
    this.value.start = start;
    this.value.end = start + (shape & LENGTH_MASK);
    this.expiryMillis = undefined;
    if ((shape & EXPIRES) === 0) return this.value.end;
    const expiry = (this.value.end + 7) & ~7;
    this.expiryMillis = this.#saved.doubles[expiry >> 3]!;
    return expiry + EXPIRY_BYTES;
  }
}

/* Nodes: listpacks, which say how long they are, padded to 8; those of streams behind their ids. */

function* listNodes({ words, bytes }: SavedBytes, start: number, end: number): Generator<RdbQuicklistNode> {
  for (let at = start; at < end;) {
    const length = words[at >> 2]!;
    yield { isPacked: true, bytes: bytes.subarray(at, at + length) };
    at += (length + 7) & ~7;
  }
}

function* streamNodes(saved: SavedBytes, start: number, end: number): Generator<RdbStreamNode> {
  const { words, bytes } = saved;
  for (let at = start; at < end;) {
    const masterId = readId(words, at);
    at += SAVED_NODE_ID_BYTES;
    const length = words[at >> 2]!;
    yield { masterId, listpack: bytes.subarray(at, at + length) };
    at += (length + 7) & ~7;
  }
}

/** Reads what a stream has beside its nodes (keyspace/stream-nodes.ts). */
class StreamRestReader {
  /** Byte that is read next. */
  position: number;
  readonly #saved: SavedBytes;

  constructor(saved: SavedBytes, start: number) {
    this.#saved = saved;
    this.position = start;
  }

  /** All but the nodes. */
  read(): RdbStream {
    const { words, doubles } = this.#saved;
    const header = this.position;
    this.position += STREAM_HEADER_BYTES;
    const groupCount = words[this.position >> 2]!;
    this.position += STREAM_COUNT_BYTES;
    return {
      kind: 'stream',
      nodes: [],
      length: doubles[(header >> 3) + STREAM_LENGTH_DOUBLE]!,
      lastId: readId(words, header + STREAM_LAST_ID * 4),
      history: {
        firstId: readId(words, header + STREAM_FIRST_ID * 4),
        maxDeletedId: readId(words, header + STREAM_MAX_DELETED_ID * 4),
        entriesAdded: readUint64(words, header + STREAM_ENTRIES_ADDED * 4),
      },
      groups: Array.from({ length: groupCount }, () => this.#readGroup()),
    };
  }

  #readGroup(): RdbStreamGroup {
    const { words } = this.#saved;
    const at = this.position;
    const consumerCount = words[(at >> 2) + 1]!;
    const name = this.#readName(at, STREAM_GROUP_BYTES);
    const pending: RdbPendingEntry[] = [];
    const consumers = Array.from({ length: consumerCount }, () => this.#readConsumer(pending));
    pending.sort((a, b) => compareIds(a.id, b.id));
    const entriesRead = BigInt.asIntN(64, readUint64(words, at + 24));
    return { name, lastId: readId(words, at + 8), entriesRead, pending, consumers };
  }

  /** What is pending for the consumer is added to what is pending in the group. */
  #readConsumer(groupPending: RdbPendingEntry[]): RdbStreamConsumer {
    const { words, doubles } = this.#saved;
    const at = this.position;
    const pendingCount = words[(at >> 2) + 1]!;
    const seenMillis = doubles[(at >> 3) + 1]!;
    const name = this.#readName(at, STREAM_CONSUMER_BYTES);
    const pending: StreamId[] = [];
    for (let left = pendingCount; left > 0; left--) {
      const id = readId(words, this.position);
      const deliveryMillis = doubles[(this.position >> 3) + 2]!;
      const deliveryCount = Number(readUint64(words, this.position + 24));
      groupPending.push({ id, deliveryMillis, deliveryCount });
      pending.push(id);
      this.position += STREAM_PENDING_BYTES;
    }
    return { name, seenMillis, activeMillis: undefined, pending };
  }

  /** The name of a group or consumer that begins at `at`; goes on behind it. */
  #readName(at: number, offset: number): Uint8Array {
    const length = this.#saved.words[at >> 2]!;
    const start = at + offset;
    this.position = start + ((length + 7) & ~7);
    return this.#saved.bytes.slice(start, start + length);
  }
}

function compareIds(a: StreamId, b: StreamId): number {
  if (a.millis !== b.millis) return a.millis < b.millis ? -1 : 1;
  return a.sequence < b.sequence ? -1 : a.sequence > b.sequence ? 1 : 0;
}

function readId(words: Int32Array, at: number): StreamId {
  return { millis: readUint64(words, at), sequence: readUint64(words, at + 8) };
}

/** The most significant word first. */
function readUint64(words: Int32Array, at: number): bigint {
  return (BigInt(words[at >> 2]! >>> 0) << 32n) | BigInt(words[(at >> 2) + 1]! >>> 0);
}
