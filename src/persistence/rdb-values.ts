/**
 * What stands in an RDB file, as plain JS structures. The reader gives them, whatever encoding the file has;
 * the writer takes them and, beside them, the raw forms in which Redis stores small collections.
 */

/** A range of bytes, often borrowed: `bytes[start, end)`. */
export interface ByteRange {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

export interface RdbString extends ByteRange {
  readonly kind: 'string';
}

export interface RdbList {
  readonly kind: 'list';
  readonly items: readonly Uint8Array[];
}

export interface RdbSet {
  readonly kind: 'set';
  readonly members: readonly Uint8Array[];
}

export interface RdbHashField {
  readonly field: Uint8Array;
  readonly value: Uint8Array;
  /** Unix time; undefined = never. */
  readonly expiryMillis: number | undefined;
}

export interface RdbHash {
  readonly kind: 'hash';
  readonly fields: readonly RdbHashField[];
}

export interface RdbScoredMember {
  readonly member: Uint8Array;
  /** Never NaN. */
  readonly score: number;
}

export interface RdbZset {
  readonly kind: 'zset';
  readonly members: readonly RdbScoredMember[];
}

export interface StreamId {
  readonly millis: bigint;
  readonly sequence: bigint;
}

export interface RdbStreamNode {
  /** The id that those in the listpack are relative to. */
  readonly masterId: StreamId;
  /** In Redis' own layout (Redis 7.0 t_stream.c, streamAppendItem), checked to be well-formed. */
  readonly listpack: Uint8Array;
}

export interface RdbPendingEntry {
  readonly id: StreamId;
  readonly deliveryMillis: number;
  readonly deliveryCount: number;
}

export interface RdbStreamConsumer {
  readonly name: Uint8Array;
  readonly seenMillis: number;
  /** Undefined before version 11 of the format; Redis then takes `seenMillis`. */
  readonly activeMillis: number | undefined;
  /** Each of them is among the group's pending entries. */
  readonly pending: readonly StreamId[];
}

export interface RdbStreamGroup {
  readonly name: Uint8Array;
  readonly lastId: StreamId;
  /** -1n = unknown; undefined before version 10 of the format, where Redis estimates it. */
  readonly entriesRead: bigint | undefined;
  readonly pending: readonly RdbPendingEntry[];
  readonly consumers: readonly RdbStreamConsumer[];
}

export interface RdbStream {
  readonly kind: 'stream';
  readonly nodes: readonly RdbStreamNode[];
  readonly length: number;
  readonly lastId: StreamId;
  /** What version 10 of the format added; before it Redis derives it from the entries. */
  readonly history: RdbStreamHistory | undefined;
  readonly groups: readonly RdbStreamGroup[];
}

export interface RdbStreamHistory {
  readonly firstId: StreamId;
  readonly maxDeletedId: StreamId;
  readonly entriesAdded: bigint;
}

/** The value of a module: skipped, only its type is known. */
export interface RdbModule {
  readonly kind: 'module';
  /** Nine characters, e.g. `ReJSON-RL`. */
  readonly name: string;
  /** Version of the module's own encoding. */
  readonly version: number;
}

/** A value as the reader gives it. */
export type RdbValue = RdbString | RdbList | RdbSet | RdbHash | RdbZset | RdbStream | RdbModule;

/** A node of a list: a listpack of elements, or one element of its own. */
export interface RdbQuicklistNode {
  readonly isPacked: boolean;
  readonly bytes: Uint8Array;
}

/** A list in the form that Redis 7 writes. The nodes are taken one by one, so they may be made on demand. */
export interface RdbQuicklist {
  readonly kind: 'quicklist';
  readonly nodeCount: number;
  readonly nodes: Iterable<RdbQuicklistNode>;
}

/** A set of integers, as Redis' sorted array. */
export interface RdbIntset {
  readonly kind: 'intset';
  readonly bytes: Uint8Array;
}

/** A small hash: field, value, field, value … */
export interface RdbHashListpack {
  readonly kind: 'hash-listpack';
  readonly bytes: Uint8Array;
}

/** A small sorted set: member, score, member, score … in order of score. */
export interface RdbZsetListpack {
  readonly kind: 'zset-listpack';
  readonly bytes: Uint8Array;
}

/** A small collection in the form that Redis keeps it in, checked to be well-formed. */
export type RdbPacked = RdbQuicklist | RdbIntset | RdbHashListpack | RdbZsetListpack;

/** A value as the reader gives it when it is to leave packed forms as they are. */
export type RdbReadable = RdbValue | RdbPacked;

/**
 * Elements of a collection one after the other, borrowed: the members below are those of the element that
 * `next` has come to.
 */
export interface ElementCursor {
  /** Goes to the next element; false when there is none. */
  next(): boolean;
  /** A member of a set or sorted set, or a field of a hash. */
  readonly element: ByteRange;
  /** Hashes: the field's value, and when it expires, Unix time in ms. */
  readonly value: ByteRange;
  readonly expiryMillis: number | undefined;
  /** Sorted sets: the member's score. */
  readonly score: number;
}

/** Elements of a set, hash or sorted set, without an array of them. They can be gone through once. */
export interface RdbElements {
  readonly kind: 'elements';
  readonly type: 'set' | 'hash' | 'zset';
  readonly count: number;
  /** Whether there may be fields that expire. */
  readonly hasExpiry: boolean;
  readonly cursor: ElementCursor;
}

/** A value as the writer takes it. */
export type RdbWritable =
  RdbValue | RdbQuicklist | RdbIntset | RdbHashListpack | RdbZsetListpack | RdbElements;

/** How a collection that comes in pieces begins. A stream has all but its nodes here. */
export type CollectionHead =
  | { readonly kind: 'list'; readonly nodeCount: number }
  | { readonly kind: 'set' | 'hash' | 'zset'; readonly count: number; readonly hasExpiry: boolean }
  | { readonly kind: 'stream'; readonly nodeCount: number; readonly stream: RdbStream };

/** Some of its elements or nodes. */
export type CollectionPiece =
  | RdbElements
  | { readonly kind: 'list-nodes'; readonly nodes: Iterable<RdbQuicklistNode> }
  | { readonly kind: 'stream-nodes'; readonly nodes: Iterable<RdbStreamNode> };

/** What a key has besides its value. */
export interface RdbKeyFacts {
  readonly key: ByteRange;
  /** Unix time; undefined = never. */
  readonly expiryMillis: number | undefined;
  /** Seconds since the last access, where the policy of eviction is one of LRU. */
  readonly idleSeconds: number | undefined;
  /** Logarithmic access counter, 0 … 255, where the policy of eviction is one of LFU. */
  readonly frequency: number | undefined;
}

const INTSET_HEADER_BYTES = 8;
const EMPTY_LISTPACK_BYTES = 7;

/**
 * Whether the value is a collection without elements: in a file Redis skips such a key, RESTORE refuses it.
 */
export function isEmptyCollection(value: RdbReadable): boolean {
  switch (value.kind) {
    case 'list':
      return value.items.length === 0;
    case 'set':
    case 'zset':
      return value.members.length === 0;
    case 'hash':
      return value.fields.length === 0;
    case 'quicklist':
      return value.nodeCount === 0;
    case 'intset':
      return value.bytes.length === INTSET_HEADER_BYTES;
    case 'hash-listpack':
    case 'zset-listpack':
      return value.bytes.length === EMPTY_LISTPACK_BYTES;
    default:
      return false;
  }
}
