/**
 * The blocks of elements that hang in the tables of hashes, sets and sorted sets, as a snapshot copies them.
 *
 *     word 0    next element of the bucket     (hash-table.ts)
 *     word 1    hash                           (hash-table.ts)
 *     word 2    bytes of the member
 *
 *     sets           byte 12  member
 *     hashes         see structures/field-element.ts
 *     sorted sets    byte 16  score, a double;     byte 24  member
 */
import type { Arena, Ref } from '../memory/arena.ts';
import { getWord } from '../memory/struct.ts';
import { FIELD_OFFSET, fieldElementBytes } from '../structures/field-element.ts';
import { TYPE_HASH, TYPE_SET } from './entry.ts';

export const ELEMENT_LENGTH = 2;
export const ELEMENT_SCORE_OFFSET = 16;
export const SET_MEMBER_OFFSET = 12;
export const SORTED_SET_MEMBER_OFFSET = 24;

/** Where the member or field begins in an element of a collection of that type. */
export function elementOffset(type: number): number {
  if (type === TYPE_SET) return SET_MEMBER_OFFSET;
  return type === TYPE_HASH ? FIELD_OFFSET : SORTED_SET_MEMBER_OFFSET;
}

/** Bytes of an element that are in use. */
export function elementBytes(arena: Arena, element: Ref, type: number): number {
  if (type === TYPE_HASH) return fieldElementBytes(arena, element);
  return elementOffset(type) + getWord(arena, element, ELEMENT_LENGTH);
}
