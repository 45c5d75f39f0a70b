/** Values of all types as bytes that are equal when the values are, whatever their encoding and order. */
import type { Database } from '../../src/keyspace/database.ts';
import { TYPE_HASH, TYPE_LIST, TYPE_SET, TYPE_SORTED_SET, TYPE_STRING } from '../../src/keyspace/entry.ts';
import type { Keyspace } from '../../src/keyspace/keyspace.ts';
import { shapeOfStream } from '../../src/keyspace/stream-shape.ts';
import type { Ref } from '../../src/memory/arena.ts';
import { BorrowedBytes } from '../../src/memory/struct.ts';
import { ListPosition } from '../../src/structures/quicklist.ts';
import { plainValue } from '../../src/persistence/rdb-plain.ts';
import type { RdbStream, RdbValue, RdbWritable } from '../../src/persistence/rdb-values.ts';

/** What a file says of a value. */
export function canonicalValue(value: RdbWritable): Buffer {
  return canonical(plainValue(value));
}

function canonical(value: RdbValue): Buffer {
  switch (value.kind) {
    case 'string':
      return Buffer.from(value.bytes.slice(value.start, value.end));
    case 'list':
      return lines('list', value.items.map(latin1));
    case 'set':
      return lines('set', value.members.map(latin1).sort());
    case 'hash':
      return lines(
        'hash',
        value.fields.map(({ field, value: text }) => pair(latin1(field), latin1(text))).sort(),
      );
    case 'zset':
      return lines(
        'zset',
        value.members.map(({ member, score }) => pair(latin1(member), scoreText(score))).sort(),
      );
    case 'stream':
      return canonicalStream(value);
    case 'module':
      throw new Error('no module here');
  }
}

function canonicalStream(stream: RdbStream): Buffer {
  return Buffer.from(`stream\n${textOf(stream)}`, 'latin1');
}

function textOf(value: unknown): string {
  if (value instanceof Uint8Array) return JSON.stringify(latin1(value));
  if (Array.isArray(value)) return `[${value.map(textOf).join()}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const members = Object.entries(value).map(([name, member]) => `${name}:${textOf(member)}`);
  return `{${members.sort().join()}}`;
}

/** What the keyspace has under a key, read as commands do it. */
export function canonicalOf(keyspace: Keyspace, database: Database, entry: Ref): Buffer {
  const view = new BorrowedBytes();
  const text = (): string => latin1(view.copy());
  const value = database.typeOf(entry) === TYPE_STRING ? 0 : database.valueOf(entry);
  const elements: string[] = [];
  switch (database.typeOf(entry)) {
    case TYPE_STRING:
      keyspace.strings.borrow(entry, view);
      return Buffer.from(view.copy());
    case TYPE_LIST: {
      const { quicklist } = keyspace.lists;
      const position = new ListPosition();
      for (let isThere = quicklist.seek(value, 0, position); isThere; isThere = quicklist.next(position)) {
        quicklist.borrow(position, view);
        elements.push(text());
      }
      return lines('list', elements);
    }
    case TYPE_SET:
      keyspace.sets.forEach(database, entry, (bytes, start, end) => {
        elements.push(latin1(bytes.slice(start, end)));
      });
      return lines('set', elements.sort());
    case TYPE_HASH:
      keyspace.hashes.forEach(database, entry, (place) => {
        keyspace.hashes.borrowField(database, entry, place, view);
        const field = text();
        keyspace.hashes.borrowValue(database, entry, place, view);
        elements.push(pair(field, text()));
      });
      return lines('hash', elements.sort());
    case TYPE_SORTED_SET: {
      const cursor = keyspace.sortedSets.newCursor();
      keyspace.sortedSets.seek(database, entry, 0, cursor);
      for (; cursor.isAtElement; cursor.next()) {
        cursor.borrow(view);
        elements.push(pair(text(), scoreText(cursor.score)));
      }
      return lines('zset', elements.sort());
    }
    default:
      return canonicalStream(shapeOfStream(keyspace.streams, value));
  }
}

function lines(type: string, elements: readonly string[]): Buffer {
  return Buffer.from(
    [type, ...elements.map((element) => `${element.length}:${element}`)].join('\n'),
    'latin1',
  );
}

function pair(first: string, second: string): string {
  return `${first.length}:${first}${second}`;
}

function scoreText(score: number): string {
  return Object.is(score, -0) ? '-0' : String(score);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}
