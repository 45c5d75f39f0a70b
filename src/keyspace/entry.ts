/**
 * A key's entry: one block that holds all there is to know about a key, and for short strings the value too.
 *
 *     word 0    next entry of the hash bucket        (hash-table.ts)
 *     word 1    hash of the key                      (hash-table.ts)
 *     word 2    type:4 | encoding:4 | flags:8 | snapshot epoch:16
 *     word 3    access clock:24 (LRU seconds, or LFU minutes:16 and counter:8) | unused:8
 *     word 4    key length in bytes
 *     word 5    strings: value length in bytes; other types: reference to the value
 *     byte 24   key bytes
 *               [ padding to 8, expiry: double, Unix time in ms; int32 place in the index of expiring keys;
 *                 int32 ]
 *               value bytes, or for a string over 2 KiB (FLAG_APART): padding to 8, reference to a block of
 *                 its bytes, reference to what a snapshot holds of it (held-strings.ts) or 0
 *
 * 16-byte keys with 3-byte values take 48 bytes: the entry is a block of the 48-byte class.
 */
import { getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import type { Arena, Ref } from '../memory/arena.ts';

export const ENTRY_META = 2;
export const ENTRY_CLOCK = 3;
export const ENTRY_KEY_LENGTH = 4;
export const ENTRY_VALUE = 5;
export const ENTRY_KEY_OFFSET = 24;
export const ENTRY_LAYOUT = { keyLengthWord: ENTRY_KEY_LENGTH, keyOffset: ENTRY_KEY_OFFSET } as const;

/** Redis' object types (server.h, OBJ_*). */
export const TYPE_STRING = 0;
export const TYPE_LIST = 1;
export const TYPE_SET = 2;
export const TYPE_SORTED_SET = 3;
export const TYPE_HASH = 4;
export const TYPE_MODULE = 5;
export const TYPE_STREAM = 6;
/** What TYPE answers, by type number. */
export const TYPE_NAMES = ['string', 'list', 'set', 'zset', 'hash', 'module', 'stream'] as const;

/** Redis' encodings (server.h, OBJ_ENCODING_*), as OBJECT ENCODING names them. */
export const ENCODING_RAW = 0;
export const ENCODING_INT = 1;
export const ENCODING_HASHTABLE = 2;
export const ENCODING_INTSET = 6;
export const ENCODING_SKIPLIST = 7;
export const ENCODING_EMBSTR = 8;
export const ENCODING_QUICKLIST = 9;
export const ENCODING_STREAM = 10;
export const ENCODING_LISTPACK = 11;
export const ENCODING_NAMES: Readonly<Record<number, string>> = {
  [ENCODING_RAW]: 'raw',
  [ENCODING_INT]: 'int',
  [ENCODING_HASHTABLE]: 'hashtable',
  [ENCODING_INTSET]: 'intset',
  [ENCODING_SKIPLIST]: 'skiplist',
  [ENCODING_EMBSTR]: 'embstr',
  [ENCODING_QUICKLIST]: 'quicklist',
  [ENCODING_STREAM]: 'stream',
  [ENCODING_LISTPACK]: 'listpack',
};

const TYPE_SHIFT = 0;
const ENCODING_SHIFT = 4;
const EPOCH_SHIFT = 16;
/** The entry has an expiry time. */
export const FLAG_EXPIRES = 1 << 8;
/** The string's bytes are in a block of their own. */
export const FLAG_APART = 1 << 9;
/** COPY made this value: in Redis it is not one of the shared integers. Only OBJECT REFCOUNT shows it. */
export const FLAG_UNSHARED = 1 << 10;
/** A hash with fields that expire. */
export const FLAG_FIELDS_EXPIRE = 1 << 11;

export const EXPIRY_BYTES = 16;
export const APART_BYTES = 8;
/** Longer strings live apart: their entry stays small, and moving it cheap. */
export const EMBEDDED_VALUE_BYTES_MAX = 2048;

export function makeMeta(type: number, encoding: number, flags: number, epoch: number): number {
  return (type << TYPE_SHIFT) | (encoding << ENCODING_SHIFT) | flags | (epoch << EPOCH_SHIFT);
}

export function typeOfMeta(meta: number): number {
  return meta & 0xf;
}

export function encodingOfMeta(meta: number): number {
  return (meta >>> ENCODING_SHIFT) & 0xf;
}

export function epochOfMeta(meta: number): number {
  return meta >>> EPOCH_SHIFT;
}

/** For a new value, which is never FLAG_UNSHARED. */
export function withEncoding(meta: number, encoding: number): number {
  return (meta & ~((0xf << ENCODING_SHIFT) | FLAG_UNSHARED)) | (encoding << ENCODING_SHIFT);
}

export function withEpoch(meta: number, epoch: number): number {
  return (meta & 0xffff) | (epoch << EPOCH_SHIFT);
}

/** Byte offset, from the entry's start, of what follows the key: expiry or value. */
function afterKey(keyLength: number): number {
  return ENTRY_KEY_OFFSET + keyLength;
}

/** Byte offset of the expiry field. */
export function expiryOffset(keyLength: number): number {
  return (afterKey(keyLength) + 7) & ~7;
}

/** Byte offset of an embedded value, or of the reference to a value apart. */
export function valueOffset(keyLength: number, meta: number): number {
  if ((meta & FLAG_EXPIRES) !== 0) return expiryOffset(keyLength) + EXPIRY_BYTES;
  return (meta & FLAG_APART) !== 0 ? expiryOffset(keyLength) : afterKey(keyLength);
}

/** Bytes of the entry with `tailBytes` after key and expiry: an embedded value, or APART_BYTES. */
export function entryBytes(keyLength: number, meta: number, tailBytes: number): number {
  return valueOffset(keyLength, meta) + tailBytes;
}

/** When the entry expires, Unix time in ms; only for entries with FLAG_EXPIRES. */
export function getExpiry(arena: Arena, entry: Ref): number {
  return getDouble(arena, entry, expiryOffset(getWord(arena, entry, ENTRY_KEY_LENGTH)) >>> 3);
}

export function setExpiry(arena: Arena, entry: Ref, unixMillis: number): void {
  setDouble(arena, entry, expiryOffset(getWord(arena, entry, ENTRY_KEY_LENGTH)) >>> 3, unixMillis);
}

/** The entry's place in its database's index of expiring keys. */
export function getExpiryIndex(arena: Arena, entry: Ref): number {
  return getWord(arena, entry, (expiryOffset(getWord(arena, entry, ENTRY_KEY_LENGTH)) >>> 2) + 2);
}

export function setExpiryIndex(arena: Arena, entry: Ref, index: number): void {
  setWord(arena, entry, (expiryOffset(getWord(arena, entry, ENTRY_KEY_LENGTH)) >>> 2) + 2, index);
}

/** The block of a string's bytes, for entries with FLAG_APART. */
export function getApart(arena: Arena, entry: Ref): Ref {
  const keyLength = getWord(arena, entry, ENTRY_KEY_LENGTH);
  return getWord(arena, entry, valueOffset(keyLength, getWord(arena, entry, ENTRY_META)) >>> 2);
}

/** Gives the entry another block, which no snapshot holds. */
export function setApart(arena: Arena, entry: Ref, block: Ref): void {
  const keyLength = getWord(arena, entry, ENTRY_KEY_LENGTH);
  const word = valueOffset(keyLength, getWord(arena, entry, ENTRY_META)) >>> 2;
  setWord(arena, entry, word, block);
  setWord(arena, entry, word + 1, 0);
}

/** The record of the snapshot that still needs the block's bytes, or 0; for entries with FLAG_APART. */
export function getHeld(arena: Arena, entry: Ref): Ref {
  const keyLength = getWord(arena, entry, ENTRY_KEY_LENGTH);
  return getWord(arena, entry, (valueOffset(keyLength, getWord(arena, entry, ENTRY_META)) >>> 2) + 1);
}

export function setHeld(arena: Arena, entry: Ref, record: Ref): void {
  const keyLength = getWord(arena, entry, ENTRY_KEY_LENGTH);
  const word = valueOffset(keyLength, getWord(arena, entry, ENTRY_META)) >>> 2;
  setWord(arena, entry, word + 1, record);
}

/** Bytes of the entry's own block that are in use, from its first on. */
export function imageBytes(arena: Arena, entry: Ref): number {
  const meta = getWord(arena, entry, ENTRY_META);
  const tailBytes = tailBytesOf(meta, getWord(arena, entry, ENTRY_VALUE));
  return entryBytes(getWord(arena, entry, ENTRY_KEY_LENGTH), meta, tailBytes);
}

/** Bytes of an entry after key and expiry; `value` is its word ENTRY_VALUE. */
export function tailBytesOf(meta: number, value: number): number {
  if ((meta & FLAG_APART) !== 0) return APART_BYTES;
  return typeOfMeta(meta) === TYPE_STRING ? value : 0;
}
