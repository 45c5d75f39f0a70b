/** Values in one of the forms that Redis stores small collections in, as plain structures. */
import { parseDouble } from '../util/numbers.ts';
import { RdbError } from './rdb-error.ts';
import { decodeIntset, decodeListpack } from './rdb-packed.ts';
import type {
  ByteRange,
  RdbElements,
  RdbHashField,
  RdbQuicklistNode,
  RdbScoredMember,
  RdbValue,
  RdbWritable,
} from './rdb-values.ts';

/** Whatever the form, the value as the reader gives it. Throws RdbError if a packed form is damaged. */
export function plainValue(value: RdbWritable): RdbValue {
  switch (value.kind) {
    case 'quicklist':
      return { kind: 'list', items: listItems(value.nodes) };
    case 'intset':
      return { kind: 'set', members: decodeIntset(view(value.bytes), 0) };
    case 'hash-listpack':
      return { kind: 'hash', fields: pairs(value.bytes).map(toField) };
    case 'zset-listpack':
      return { kind: 'zset', members: pairs(value.bytes).map(toMember) };
    case 'elements':
      return plainElements(value);
    default:
      return value;
  }
}

function plainElements({ type, cursor }: RdbElements): RdbValue {
  switch (type) {
    case 'set': {
      const members: Buffer[] = [];
      while (cursor.next()) members.push(copyOf(cursor.element));
      return { kind: 'set', members };
    }
    case 'hash': {
      const fields: RdbHashField[] = [];
      while (cursor.next()) {
        fields.push({
          field: copyOf(cursor.element),
          value: copyOf(cursor.value),
          expiryMillis: cursor.expiryMillis,
        });
      }
      return { kind: 'hash', fields };
    }
    case 'zset': {
      const members: RdbScoredMember[] = [];
      while (cursor.next()) members.push({ member: copyOf(cursor.element), score: cursor.score });
      return { kind: 'zset', members };
    }
  }
}

function copyOf({ bytes, start, end }: ByteRange): Buffer {
  return Buffer.from(bytes.subarray(start, end));
}

/** The items of nodes of a list. */
export function listItems(nodes: Iterable<RdbQuicklistNode>): Uint8Array[] {
  const items: Uint8Array[] = [];
  for (const { isPacked, bytes } of nodes) {
    if (isPacked) for (const item of decodeListpack(view(bytes), 0)) items.push(item);
    else items.push(bytes);
  }
  return items;
}

function pairs(listpack: Uint8Array): [Buffer, Buffer][] {
  const elements = decodeListpack(view(listpack), 0);
  if (elements.length % 2 !== 0) throw new RdbError('listpack of pairs with an odd number of elements', 0);
  const result: [Buffer, Buffer][] = [];
  for (let i = 0; i < elements.length; i += 2) result.push([elements[i]!, elements[i + 1]!]);
  return result;
}

function toField([field, value]: [Buffer, Buffer]): {
  field: Buffer;
  value: Buffer;
  expiryMillis: undefined;
} {
  return { field, value, expiryMillis: undefined };
}

function toMember([member, text]: [Buffer, Buffer]): { member: Buffer; score: number } {
  const score = parseDouble(text, 0, text.length);
  if (score === undefined) throw new RdbError('score that is not a number', 0);
  return { member, score };
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
