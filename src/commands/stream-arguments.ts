/** What the commands on streams take and write in common: ids, entries, groups. */
import { TYPE_STREAM } from '../keyspace/entry.ts';
import type { StreamCursor } from '../keyspace/stream-cursor.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import { EntryId, parseEntryId } from '../util/entry-id.ts';
import type { ParsedId } from '../util/entry-id.ts';
import { parseInteger } from '../util/numbers.ts';
import type { Call } from './call.ts';
import { printedText } from './errors.ts';

const INVALID_ID = new ErrorReply('ERR Invalid stream ID specified as stream command argument');
const INVALID_START = new ErrorReply('ERR invalid start ID for the interval');
const INVALID_END = new ErrorReply('ERR invalid end ID for the interval');

const PLUS = 0x2b;
const DASH = 0x2d;
const OPENING_PARENTHESIS = 0x28;

/** 0-0 */
export const ID_MIN = new EntryId();
export const ID_MAX = new EntryId().setMax();

const field = new BorrowedBytes();
const value = new BorrowedBytes();

// Ids -------------------------------------------------------------------------------------------------------

/** Whether the argument begins like that one character, as C compares strings. */
export function isCharacter(call: Call, index: number, character: number): boolean {
  const { buffer } = call.request;
  const start = call.request.start(index);
  const length = call.request.length(index);
  return length > 0 && buffer[start] === character && (length === 1 || buffer[start + 1] === 0);
}

/** Sets `id` to the argument's, a missing sequence being 0; true when it is `<ms>-*`. @throws INVALID_ID */
export function parseAutoId(call: Call, index: number, id: EntryId): boolean {
  return checked(parseArgument(call, index, id)) === 'any-sequence';
}

/** Sets `id` to the argument's, a missing sequence being 0. @throws INVALID_ID */
export function parseId(call: Call, index: number, id: EntryId): EntryId {
  if (!tryParseId(call, index, id)) throw INVALID_ID;
  return id;
}

/** The same; false when the argument is no id. */
export function tryParseId(call: Call, index: number, id: EntryId): boolean {
  const parsed = parseArgument(call, index, id);
  return parsed === 'complete' || parsed === 'without-sequence';
}

/** The same, where `-` and `+` stand for the least and the greatest id. @throws INVALID_ID */
export function parseAnyId(call: Call, index: number, id: EntryId): EntryId {
  if (isCharacter(call, index, DASH)) return id.setMin();
  if (isCharacter(call, index, PLUS)) return id.setMax();
  return parseId(call, index, id);
}

function parseArgument({ request }: Call, index: number, id: EntryId): ParsedId {
  return parseEntryId(id, request.buffer, request.start(index), request.end(index));
}

function checked(parsed: ParsedId): ParsedId {
  if (parsed === 'invalid') throw INVALID_ID;
  return parsed;
}

/** The first id of an interval: `(` in front leaves it out. @throws ErrorReply */
export function parseStart(call: Call, index: number, id: EntryId): EntryId {
  const isOpen = parseBound(call, index, id, false);
  if (isOpen && !id.increment()) throw INVALID_START;
  return id;
}

/** The last id of an interval: a missing sequence is the greatest. @throws ErrorReply */
export function parseEnd(call: Call, index: number, id: EntryId): EntryId {
  const isOpen = parseBound(call, index, id, true);
  if (isOpen && !id.decrement()) throw INVALID_END;
  return id;
}

/** True when the id itself is left out. */
function parseBound(call: Call, index: number, id: EntryId, isEnd: boolean): boolean {
  const { request } = call;
  const start = request.start(index);
  const isOpen = request.length(index) > 1 && request.buffer[start] === OPENING_PARENTHESIS;
  if (!isOpen && (isCharacter(call, index, DASH) || isCharacter(call, index, PLUS))) {
    parseAnyId(call, index, id);
    return false;
  }
  const parsed = parseEntryId(id, request.buffer, isOpen ? start + 1 : start, request.end(index));
  if (parsed === 'invalid' || parsed === 'any-sequence') throw INVALID_ID;
  if (parsed === 'without-sequence' && isEnd) id.setWords(id.millisHigh, id.millisLow, -1, -1);
  return isOpen;
}

export function replyId(reply: ReplyWriter, id: EntryId): void {
  reply.bulkOf(id);
}

// Numbers ---------------------------------------------------------------------------------------------------

/** Any int64, rounded beyond ±2^53. @throws the error, or NOT_AN_INTEGER */
export function roundedInteger(call: Call, index: number, error?: ErrorReply): number {
  const { request } = call;
  const small = parseInteger(request.buffer, request.start(index), request.end(index));
  return Number.isNaN(small) ? Number(exactInteger(call, index, error)) : small;
}

/** Any int64. @throws the error, or NOT_AN_INTEGER */
export function exactInteger(call: Call, index: number, error?: ErrorReply): bigint {
  try {
    return call.int64(index);
  } catch (thrown) {
    throw error ?? thrown;
  }
}

// Entries ---------------------------------------------------------------------------------------------------

/** Replies with the entry that the cursor is at: its id, and its fields with their values. */
export function replyEntry(reply: ReplyWriter, cursor: StreamCursor): void {
  reply.array(2);
  replyId(reply, cursor.id);
  const { fieldCount } = cursor;
  reply.array(fieldCount * 2);
  for (let i = 0; i < fieldCount; i++) {
    cursor.nextField(field, value);
    reply.bulk(field.bytes, field.start, field.end);
    reply.bulk(value.bytes, value.start, value.end);
  }
}

// Streams and groups ----------------------------------------------------------------------------------------

export interface FoundGroup {
  readonly entry: Ref;
  readonly stream: Ref;
  readonly group: Ref;
}

/** The group of a stream, for reading; undefined when there is no such key or group. @throws WRONG_TYPE */
export function lookupGroup(call: Call, keyIndex: number, groupIndex: number): FoundGroup | undefined {
  const entry = call.lookupTypedRead(keyIndex, TYPE_STREAM);
  if (entry === 0) return undefined;
  const stream = call.database.valueOf(entry);
  const group = findGroup(call, stream, groupIndex);
  return group === 0 ? undefined : { entry, stream, group };
}

/** The group of a stream that an argument names, or 0. */
export function findGroup(call: Call, stream: Ref, index: number): Ref {
  const { request } = call;
  return call.keyspace.streams.groups.find(stream, request.buffer, request.start(index), request.end(index));
}

/** The consumer of a group that an argument names, or 0. */
export function findConsumer(call: Call, group: Ref, index: number): Ref {
  const { request, keyspace } = call;
  return keyspace.streams.groups.findConsumer(
    group,
    request.buffer,
    request.start(index),
    request.end(index),
  );
}

export function noSuchKeyOrGroup(call: Call, keyIndex: number, groupIndex: number, where = ''): ErrorReply {
  const key = printedText(call.text(keyIndex));
  const group = printedText(call.text(groupIndex));
  return new ErrorReply(`NOGROUP No such key '${key}' or consumer group '${group}'${where}`);
}

export function noSuchGroup(call: Call, keyIndex: number, groupIndex: number): ErrorReply {
  const key = printedText(call.text(keyIndex));
  const group = printedText(call.text(groupIndex));
  return new ErrorReply(`NOGROUP No such consumer group '${group}' for key name '${key}'`);
}
