/**
 * Values out of an RDB file or a DUMP payload: one function for each type (Redis 7.0 rdb.c, rdbLoadObject).
 */
import { isIntSet } from '../structures/int-set.ts';
import { isListpack } from '../structures/listpack.ts';
import { parseDouble, parseInteger } from '../util/numbers.ts';
import {
  QUICKLIST_NODE_PACKED,
  QUICKLIST_NODE_PLAIN,
  TYPE_HASH,
  TYPE_HASH_LISTPACK,
  TYPE_HASH_LISTPACK_EX,
  TYPE_HASH_LISTPACK_EX_PRE_RELEASE,
  TYPE_HASH_METADATA,
  TYPE_HASH_METADATA_PRE_RELEASE,
  TYPE_HASH_ZIPLIST,
  TYPE_HASH_ZIPMAP,
  TYPE_LIST,
  TYPE_LIST_QUICKLIST,
  TYPE_LIST_QUICKLIST_2,
  TYPE_LIST_ZIPLIST,
  TYPE_MODULE_2,
  TYPE_MODULE_PRE_RELEASE,
  TYPE_SET,
  TYPE_SET_INTSET,
  TYPE_SET_LISTPACK,
  TYPE_STREAM_LISTPACKS,
  TYPE_STREAM_LISTPACKS_2,
  TYPE_STREAM_LISTPACKS_3,
  TYPE_STRING,
  TYPE_VALKEY_HASH_2,
  TYPE_ZSET,
  TYPE_ZSET_2,
  TYPE_ZSET_LISTPACK,
  TYPE_ZSET_ZIPLIST,
} from './rdb-constants.ts';
import { RdbError } from './rdb-error.ts';
import type { RdbInput } from './rdb-input.ts';
import { readModuleValue } from './rdb-modules.ts';
import { decodeIntset, decodeListpack, decodeZiplist, decodeZipmap } from './rdb-packed.ts';
import { readStream } from './rdb-stream-reader.ts';
import type {
  RdbHash,
  RdbHashField,
  RdbList,
  RdbPacked,
  RdbQuicklistNode,
  RdbReadable,
  RdbScoredMember,
  RdbSet,
  RdbValue,
  RdbZset,
} from './rdb-values.ts';

/** Who wrote the file: from type 22 and opcode 243 on they give numbers different meanings. */
export type RdbDialect = 'REDIS' | 'VALKEY';

type ValueReader = (input: RdbInput) => RdbValue;
type PackedDecoder = (bytes: Buffer, fileOffset: number) => Buffer[];

/** Marks a field without expiry in Valkey's hashes. */
const VALKEY_NO_EXPIRY = -1;

/* Lengths of the old spelling of a score that are none. */
const SCORE_NAN = 253;
const SCORE_INFINITY = 254;
const SCORE_MINUS_INFINITY = 255;

const SHARED_READERS: Readonly<Record<number, ValueReader>> = {
  [TYPE_STRING]: readStringValue,
  [TYPE_LIST]: (input) => toList(readStrings(input, input.readLength())),
  [TYPE_SET]: (input) => toSet(readStrings(input, input.readLength())),
  [TYPE_ZSET]: (input) => readZset(input, readTextScore),
  [TYPE_HASH]: readHash,
  [TYPE_ZSET_2]: (input) => readZset(input, () => input.readDoubleLE()),
  [TYPE_MODULE_PRE_RELEASE]: (input) => {
    throw input.error('module value in the form of a release candidate of Redis 4.0');
  },
  [TYPE_MODULE_2]: readModuleValue,
  [TYPE_HASH_ZIPMAP]: (input) => pairsToHash(input, readPacked(input, decodeZipmap)),
  [TYPE_LIST_ZIPLIST]: (input) => toList(readPacked(input, decodeZiplist)),
  [TYPE_SET_INTSET]: (input) => toSet(readPacked(input, decodeIntset)),
  [TYPE_ZSET_ZIPLIST]: (input) => pairsToZset(input, readPacked(input, decodeZiplist)),
  [TYPE_HASH_ZIPLIST]: (input) => pairsToHash(input, readPacked(input, decodeZiplist)),
  [TYPE_LIST_QUICKLIST]: readQuicklistOfZiplists,
  [TYPE_STREAM_LISTPACKS]: (input) => readStream(input, 1),
  [TYPE_HASH_LISTPACK]: (input) => pairsToHash(input, readPacked(input, decodeListpack)),
  [TYPE_ZSET_LISTPACK]: (input) => pairsToZset(input, readPacked(input, decodeListpack)),
  [TYPE_LIST_QUICKLIST_2]: readQuicklist,
  [TYPE_STREAM_LISTPACKS_2]: (input) => readStream(input, 2),
  [TYPE_SET_LISTPACK]: (input) => toSet(readPacked(input, decodeListpack)),
  [TYPE_STREAM_LISTPACKS_3]: (input) => readStream(input, 3),
};

const READERS: Readonly<Record<RdbDialect, Readonly<Record<number, ValueReader>>>> = {
  REDIS: {
    ...SHARED_READERS,
    [TYPE_HASH_METADATA_PRE_RELEASE]: (input) => readHashWithExpiry(input, 0),
    [TYPE_HASH_LISTPACK_EX_PRE_RELEASE]: readListpackWithExpiry,
    [TYPE_HASH_METADATA]: (input) => readHashWithExpiry(input, input.readMillis() - 1),
    [TYPE_HASH_LISTPACK_EX]: (input) => {
      // The earliest expiry: each field has its own as well.
      input.readMillis();
      return readListpackWithExpiry(input);
    },
  },
  VALKEY: {
    ...SHARED_READERS,
    [TYPE_VALKEY_HASH_2]: readValkeyHash,
  },
};

/**
 * Types of small collections that the keyspace keeps in the same form. What their elements are is seen when
 * they are stored.
 */
const PACKED_READERS: Readonly<Record<number, (input: RdbInput) => RdbPacked>> = {
  [TYPE_SET_INTSET]: (input) => ({ kind: 'intset', bytes: readIntset(input) }),
  [TYPE_HASH_LISTPACK]: (input) => ({ kind: 'hash-listpack', bytes: readListpack(input) }),
  [TYPE_ZSET_LISTPACK]: (input) => ({ kind: 'zset-listpack', bytes: readListpack(input) }),
  [TYPE_LIST_QUICKLIST_2]: readQuicklistNodes,
};

/**
 * The value of a type; small collections as they are packed, where the keyspace has the same form. Its parts
 * are copies; they stay valid.
 */
export function readPackedValue(input: RdbInput, type: number, dialect: RdbDialect): RdbReadable {
  return PACKED_READERS[type]?.(input) ?? readValue(input, type, dialect);
}

/** The value of a type, unpacked. Its parts are copies; they stay valid. */
export function readValue(input: RdbInput, type: number, dialect: RdbDialect): RdbValue {
  const reader = READERS[dialect][type];
  if (reader === undefined) throw input.error(`unknown type of value ${type}`);
  return reader(input);
}

function readStringValue(input: RdbInput): RdbValue {
  const bytes = input.readString();
  return { kind: 'string', bytes, start: 0, end: bytes.length };
}

/**
 * The count only says when to stop: each string takes bytes, so that a false one meets the end of the input.
 */
function readStrings(input: RdbInput, count: number): Buffer[] {
  const strings: Buffer[] = [];
  for (let left = count; left > 0; left--) strings.push(input.readString());
  return strings;
}

function readPacked(input: RdbInput, decode: PackedDecoder): Buffer[] {
  const { offset } = input;
  return decode(input.readString(), offset);
}

/* Packed forms that are left as they are */

const EMPTY_LISTPACK_BYTES = 7;

function readListpack(input: RdbInput): Buffer {
  const { offset } = input;
  const bytes = input.readString();
  if (!isListpack(bytes, 0, bytes.length)) throw new RdbError('damaged listpack', offset);
  return bytes;
}

function readIntset(input: RdbInput): Buffer {
  const { offset } = input;
  const bytes = input.readString();
  if (!isIntSet(bytes, 0, bytes.length)) throw new RdbError('damaged intset', offset);
  return bytes;
}

function toList(items: Buffer[]): RdbList {
  return { kind: 'list', items };
}

function toSet(members: Buffer[]): RdbSet {
  return { kind: 'set', members };
}

/* Lists */

function readQuicklistOfZiplists(input: RdbInput): RdbList {
  const items: Buffer[] = [];
  for (let left = input.readLength(); left > 0; left--) append(items, readPacked(input, decodeZiplist));
  return toList(items);
}

function readQuicklist(input: RdbInput): RdbList {
  const items: Buffer[] = [];
  for (let left = input.readLength(); left > 0; left--) {
    const form = input.readLength();
    if (form === QUICKLIST_NODE_PLAIN) items.push(input.readString());
    else if (form === QUICKLIST_NODE_PACKED) append(items, readPacked(input, decodeListpack));
    else throw input.error(`unknown form ${form} of a list's node`);
  }
  return toList(items);
}

function readQuicklistNodes(input: RdbInput): RdbPacked {
  const nodes: RdbQuicklistNode[] = [];
  for (let left = input.readLength(); left > 0; left--) {
    const form = input.readLength();
    if (form === QUICKLIST_NODE_PLAIN) {
      nodes.push({ isPacked: false, bytes: input.readString() });
    } else if (form === QUICKLIST_NODE_PACKED) {
      const bytes = readListpack(input);
      // Redis passes over nodes without elements.
      if (bytes.length > EMPTY_LISTPACK_BYTES) nodes.push({ isPacked: true, bytes });
    } else {
      throw input.error(`unknown form ${form} of a list's node`);
    }
  }
  return { kind: 'quicklist', nodeCount: nodes.length, nodes };
}

/** Not `push(...more)`: a node may have more elements than a call may have arguments. */
function append(items: Buffer[], more: readonly Buffer[]): void {
  for (const item of more) items.push(item);
}

/* Hashes */

function readHash(input: RdbInput): RdbHash {
  const fields: RdbHashField[] = [];
  for (let left = input.readLength(); left > 0; left--) {
    fields.push({ field: input.readString(), value: input.readString(), expiryMillis: undefined });
  }
  return { kind: 'hash', fields };
}

/** Each field has an expiry: 0 for none, or what to add to `baseMillis`. */
function readHashWithExpiry(input: RdbInput, baseMillis: number): RdbHash {
  const fields: RdbHashField[] = [];
  for (let left = input.readLength(); left > 0; left--) {
    const expiry = input.readLength();
    fields.push({
      field: input.readString(),
      value: input.readString(),
      expiryMillis: expiry === 0 ? undefined : baseMillis + expiry,
    });
  }
  return { kind: 'hash', fields };
}

function readValkeyHash(input: RdbInput): RdbHash {
  const fields: RdbHashField[] = [];
  for (let left = input.readLength(); left > 0; left--) {
    const field = input.readString();
    const value = input.readString();
    const expiry = input.readMillis();
    fields.push({ field, value, expiryMillis: expiry === VALKEY_NO_EXPIRY ? undefined : expiry });
  }
  return { kind: 'hash', fields };
}

/** Field, value, expiry in Unix milliseconds or 0, in turn. */
function readListpackWithExpiry(input: RdbInput): RdbHash {
  const elements = readPacked(input, decodeListpack);
  if (elements.length % 3 !== 0) throw input.error('hash with a field without value or expiry');
  const fields: RdbHashField[] = [];
  for (let i = 0; i < elements.length; i += 3) {
    const [field, value, text] = elements.slice(i, i + 3) as [Buffer, Buffer, Buffer];
    const expiry = parseInteger(text, 0, text.length);
    if (!(expiry >= 0)) throw input.error('hash with a field whose expiry is no time');
    fields.push({ field, value, expiryMillis: expiry === 0 ? undefined : expiry });
  }
  return { kind: 'hash', fields };
}

function pairsToHash(input: RdbInput, elements: readonly Buffer[]): RdbHash {
  if (elements.length % 2 !== 0) throw input.error('hash with a field without value');
  const fields: RdbHashField[] = [];
  for (let i = 0; i < elements.length; i += 2) {
    fields.push({ field: elements[i]!, value: elements[i + 1]!, expiryMillis: undefined });
  }
  return { kind: 'hash', fields };
}

/* Sorted sets */

function readZset(input: RdbInput, readScore: (input: RdbInput) => number): RdbZset {
  const members: RdbScoredMember[] = [];
  for (let left = input.readLength(); left > 0; left--) {
    const member = input.readString();
    const score = readScore(input);
    if (Number.isNaN(score)) throw input.error('score that is not a number');
    members.push({ member, score });
  }
  return { kind: 'zset', members };
}

/** A score as text behind its length, as up to version 7 of the format. */
function readTextScore(input: RdbInput): number {
  const length = input.readByte();
  if (length === SCORE_MINUS_INFINITY) return -Infinity;
  if (length === SCORE_INFINITY) return Infinity;
  if (length === SCORE_NAN) return Number.NaN;
  return parseScore(input, Buffer.from(input.readLatin1(length), 'latin1'));
}

function pairsToZset(input: RdbInput, elements: readonly Buffer[]): RdbZset {
  if (elements.length % 2 !== 0) throw input.error('sorted set with a member without score');
  const members: RdbScoredMember[] = [];
  for (let i = 0; i < elements.length; i += 2) {
    members.push({ member: elements[i]!, score: parseScore(input, elements[i + 1]!) });
  }
  return { kind: 'zset', members };
}

function parseScore(input: RdbInput, text: Buffer): number {
  const score = parseDouble(text, 0, text.length);
  if (score === undefined) throw input.error('score that is not a number');
  return score;
}
