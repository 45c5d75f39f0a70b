/** Values into an RDB file or a DUMP payload: one row for each kind (Redis 7.0 rdb.c, rdbSaveObject). */
import {
  QUICKLIST_NODE_PACKED,
  QUICKLIST_NODE_PLAIN,
  TYPE_HASH,
  TYPE_HASH_LISTPACK,
  TYPE_HASH_METADATA,
  TYPE_LIST,
  TYPE_LIST_QUICKLIST_2,
  TYPE_SET,
  TYPE_SET_INTSET,
  TYPE_STREAM_LISTPACKS,
  TYPE_STREAM_LISTPACKS_2,
  TYPE_STRING,
  TYPE_ZSET_2,
  TYPE_ZSET_LISTPACK,
} from './rdb-constants.ts';
import { RdbError } from './rdb-error.ts';
import type { RdbOutput } from './rdb-output.ts';
import type {
  CollectionHead,
  CollectionPiece,
  RdbElements,
  RdbHashField,
  RdbModule,
  RdbQuicklistNode,
  RdbStream,
  RdbStreamConsumer,
  RdbStreamGroup,
  RdbStreamNode,
  RdbWritable,
  StreamId,
} from './rdb-values.ts';

interface ValueFormat<Value> {
  /**
   * The type's byte, which stands before the key. Throws RdbError where the format has none for the value.
   */
  typeOf(this: void, value: Value): number;
  write(this: void, output: RdbOutput, value: Value): void;
}

type ValueOfKind<Kind extends RdbWritable['kind']> = Extract<RdbWritable, { kind: Kind }>;

const ID_BYTES = 16;

/**
 * Times at which fields expire are written as differences to this one: any time that is not later than they
 * are. The form came with version 12 of the format (Redis 7.4); nothing else holds them.
 */
const EARLIEST_EXPIRY = 0;

const ELEMENT_TYPES = { set: TYPE_SET, hash: TYPE_HASH, zset: TYPE_ZSET_2 } as const;

const FORMATS: { readonly [Kind in RdbWritable['kind']]: ValueFormat<ValueOfKind<Kind>> } = {
  string: {
    typeOf: () => TYPE_STRING,
    write: (output, value) => output.writeString(value),
  },
  list: {
    typeOf: () => TYPE_LIST,
    write: (output, value) => writeStrings(output, value.items),
  },
  quicklist: {
    typeOf: () => TYPE_LIST_QUICKLIST_2,
    write(output, value) {
      output.writeLength(value.nodeCount);
      writeListNodes(output, value.nodes);
    },
  },
  set: {
    typeOf: () => TYPE_SET,
    write: (output, value) => writeStrings(output, value.members),
  },
  intset: {
    typeOf: () => TYPE_SET_INTSET,
    write: (output, value) => output.writeWholeString(value.bytes),
  },
  hash: {
    typeOf: ({ fields }) => (fields.some(expires) ? TYPE_HASH_METADATA : TYPE_HASH),
    write(output, { fields }) {
      const hasExpiry = fields.some(expires);
      if (hasExpiry) output.writeMillis(EARLIEST_EXPIRY);
      output.writeLength(fields.length);
      for (const { field, value, expiryMillis } of fields) {
        if (hasExpiry) writeFieldExpiry(output, expiryMillis);
        output.writeWholeString(field);
        output.writeWholeString(value);
      }
    },
  },
  'hash-listpack': {
    typeOf: () => TYPE_HASH_LISTPACK,
    write: (output, value) => output.writeWholeString(value.bytes),
  },
  zset: {
    typeOf: () => TYPE_ZSET_2,
    write(output, value) {
      output.writeLength(value.members.length);
      for (const { member, score } of value.members) {
        output.writeWholeString(member);
        output.writeDoubleLE(score);
      }
    },
  },
  'zset-listpack': {
    typeOf: () => TYPE_ZSET_LISTPACK,
    write: (output, value) => output.writeWholeString(value.bytes),
  },
  stream: {
    typeOf: (value) => (value.history === undefined ? TYPE_STREAM_LISTPACKS : TYPE_STREAM_LISTPACKS_2),
    write: writeStream,
  },
  elements: {
    typeOf: ({ type, hasExpiry }) => (hasExpiry ? TYPE_HASH_METADATA : ELEMENT_TYPES[type]),
    write(output, elements) {
      const { hasExpiry, count } = elements;
      if (hasExpiry) output.writeMillis(EARLIEST_EXPIRY);
      output.writeLength(count);
      assertCount(writeElements(output, elements), count);
    },
  },
  module: {
    typeOf: refuseModule,
    write: (_output, value) => refuseModule(value),
  },
};

/** The byte that stands for the value's type and form. */
export function typeOfValue(value: RdbWritable): number {
  return formatOf(value).typeOf(value);
}

/** The value, without its type. */
export function writeValue(output: RdbOutput, value: RdbWritable): void {
  formatOf(value).write(output, value);
}

/** The byte that stands for the type of a collection that comes in pieces. */
export function typeOfCollection(head: CollectionHead): number {
  if (head.kind === 'list') return TYPE_LIST_QUICKLIST_2;
  if (head.kind === 'stream') return typeOfValue(head.stream);
  return head.hasExpiry ? TYPE_HASH_METADATA : ELEMENT_TYPES[head.kind];
}

/** What stands before the first piece. */
export function writeCollectionHead(output: RdbOutput, head: CollectionHead): void {
  if (head.kind === 'hash' && head.hasExpiry) output.writeMillis(EARLIEST_EXPIRY);
  output.writeLength(countOfCollection(head));
}

/** Elements of the collection, or nodes. */
export function countOfCollection(head: CollectionHead): number {
  return head.kind === 'list' || head.kind === 'stream' ? head.nodeCount : head.count;
}

/** A piece; returns how many elements or nodes it had. */
export function writeCollectionPiece(output: RdbOutput, piece: CollectionPiece): number {
  switch (piece.kind) {
    case 'elements':
      return writeElements(output, piece);
    case 'list-nodes':
      return writeListNodes(output, piece.nodes);
    case 'stream-nodes':
      return writeStreamNodes(output, piece.nodes);
  }
}

/** What stands behind the last piece. */
export function writeCollectionEnd(output: RdbOutput, head: CollectionHead): void {
  if (head.kind === 'stream') writeStreamRest(output, head.stream);
}

/** The row of the value's own kind takes the value: a step that the type checker cannot follow. */
function formatOf(value: RdbWritable): ValueFormat<RdbWritable> {
  return FORMATS[value.kind] as ValueFormat<RdbWritable>;
}

function expires({ expiryMillis }: RdbHashField): boolean {
  return expiryMillis !== undefined;
}

/** 0 for none, or what it is more than EARLIEST_EXPIRY, plus 1. */
function writeFieldExpiry(output: RdbOutput, expiryMillis: number | undefined): void {
  output.writeLength(expiryMillis === undefined ? 0 : expiryMillis + 1);
}

function refuseModule({ name }: RdbModule): never {
  throw new RdbError(`a value of module type ${name} is unknown and cannot be written`, 0);
}

function writeStrings(output: RdbOutput, strings: readonly Uint8Array[]): void {
  output.writeLength(strings.length);
  for (const string of strings) output.writeWholeString(string);
}

function writeElements(output: RdbOutput, { type, hasExpiry, cursor }: RdbElements): number {
  let count = 0;
  for (; cursor.next(); count++) {
    if (hasExpiry) writeFieldExpiry(output, cursor.expiryMillis);
    output.writeString(cursor.element);
    if (type === 'hash') output.writeString(cursor.value);
    else if (type === 'zset') output.writeDoubleLE(cursor.score);
  }
  return count;
}

function assertCount(count: number, announced: number): void {
  if (count !== announced) throw new Error(`${count} elements where ${announced} were announced`);
}

function writeListNodes(output: RdbOutput, nodes: Iterable<RdbQuicklistNode>): number {
  let count = 0;
  for (const { isPacked, bytes } of nodes) {
    output.writeLength(isPacked ? QUICKLIST_NODE_PACKED : QUICKLIST_NODE_PLAIN);
    output.writeWholeString(bytes);
    count++;
  }
  return count;
}

function writeStreamNodes(output: RdbOutput, nodes: Iterable<RdbStreamNode>): number {
  let count = 0;
  for (const { masterId, listpack } of nodes) {
    output.writeLength(ID_BYTES);
    writeRawId(output, masterId);
    output.writeWholeString(listpack);
    count++;
  }
  return count;
}

function writeStream(output: RdbOutput, stream: RdbStream): void {
  output.writeLength(stream.nodes.length);
  writeStreamNodes(output, stream.nodes);
  writeStreamRest(output, stream);
}

/** All but the nodes. */
export function writeStreamRest(output: RdbOutput, stream: RdbStream): void {
  output.writeLength(stream.length);
  writeId(output, stream.lastId);
  if (stream.history !== undefined) {
    writeId(output, stream.history.firstId);
    writeId(output, stream.history.maxDeletedId);
    output.writeUint64(stream.history.entriesAdded);
  }
  output.writeLength(stream.groups.length);
  for (const group of stream.groups) writeGroup(output, group, stream.history !== undefined);
}

function writeGroup(output: RdbOutput, group: RdbStreamGroup, hasHistory: boolean): void {
  output.writeWholeString(group.name);
  writeId(output, group.lastId);
  if (hasHistory) output.writeUint64(BigInt.asUintN(64, group.entriesRead ?? -1n));
  output.writeLength(group.pending.length);
  for (const { id, deliveryMillis, deliveryCount } of group.pending) {
    writeRawId(output, id);
    output.writeMillis(deliveryMillis);
    output.writeLength(deliveryCount);
  }
  output.writeLength(group.consumers.length);
  for (const consumer of group.consumers) writeConsumer(output, consumer);
}

/**
 * Version 10 has no place for `activeMillis`; a newer Redis that loads the file takes `seenMillis` for it.
 */
function writeConsumer(output: RdbOutput, consumer: RdbStreamConsumer): void {
  output.writeWholeString(consumer.name);
  output.writeMillis(consumer.seenMillis);
  output.writeLength(consumer.pending.length);
  for (const id of consumer.pending) writeRawId(output, id);
}

function writeId(output: RdbOutput, id: StreamId): void {
  output.writeUint64(id.millis);
  output.writeUint64(id.sequence);
}

function writeRawId(output: RdbOutput, id: StreamId): void {
  output.writeUint64BE(id.millis);
  output.writeUint64BE(id.sequence);
}
