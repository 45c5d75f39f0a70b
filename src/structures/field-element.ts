/**
 * A field of a hash in its large form: one block with its value, and when it expires, if it does.
 *
 *     word 0   next element of the bucket   (hash-table.ts)
 *     word 1   hash of the field            (hash-table.ts)
 *     word 2   field length in bytes
 *     word 3   value length in bytes:30 | expires:1
 *     byte 16  field, directly behind it the value
 *              [ padding to 8, expiry: double, Unix time in ms; int32 place in the heap of fields that expire
 *                (field-heap.ts); int32 ]
 */
import type { Arena, Ref } from '../memory/arena.ts';
import { byteOffset, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';

export const FIELD_LENGTH = 2;
export const VALUE_LENGTH = 3;
export const FIELD_OFFSET = 16;

/** In the word of the value's length: the field expires; and the length itself. */
export const EXPIRES = 1 << 30;
export const LENGTH_MASK = EXPIRES - 1;
export const EXPIRY_BYTES = 16;

export function fieldLength(arena: Arena, element: Ref): number {
  return getWord(arena, element, FIELD_LENGTH);
}

export function valueLength(arena: Arena, element: Ref): number {
  return getWord(arena, element, VALUE_LENGTH) & LENGTH_MASK;
}

export function doesExpire(arena: Arena, element: Ref): boolean {
  return (getWord(arena, element, VALUE_LENGTH) & EXPIRES) !== 0;
}

/** Sets the value's length and whether the field expires; what stands behind the value is to be written. */
export function setShape(arena: Arena, element: Ref, length: number, expires: boolean): void {
  setWord(arena, element, VALUE_LENGTH, expires ? length | EXPIRES : length);
}

/** Where the value begins in the segment. */
export function valueOffset(arena: Arena, element: Ref): number {
  return byteOffset(element) + FIELD_OFFSET + getWord(arena, element, FIELD_LENGTH);
}

/** Bytes of a block for so many bytes of field and value. */
export function blockBytes(contentBytes: number, expires: boolean): number {
  return expires ? ((FIELD_OFFSET + contentBytes + 7) & ~7) + EXPIRY_BYTES : FIELD_OFFSET + contentBytes;
}

/** Bytes of an element that are in use. */
export function fieldElementBytes(arena: Arena, element: Ref): number {
  const contentBytes = fieldLength(arena, element) + valueLength(arena, element);
  return blockBytes(contentBytes, doesExpire(arena, element));
}

/** The double that is the expiry time, counted from the element's start. */
function expiryDouble(arena: Arena, element: Ref): number {
  return (FIELD_OFFSET + fieldLength(arena, element) + valueLength(arena, element) + 7) >>> 3;
}

/** When the field expires, Unix time in ms; only for one that does. */
export function getFieldExpiry(arena: Arena, element: Ref): number {
  return getDouble(arena, element, expiryDouble(arena, element));
}

export function setFieldExpiry(arena: Arena, element: Ref, unixMillis: number): void {
  setDouble(arena, element, expiryDouble(arena, element), unixMillis);
}

export function getHeapPlace(arena: Arena, element: Ref): number {
  return getWord(arena, element, (expiryDouble(arena, element) + 1) * 2);
}

export function setHeapPlace(arena: Arena, element: Ref, place: number): void {
  setWord(arena, element, (expiryDouble(arena, element) + 1) * 2, place);
}
