/** Reading streams by id: XRANGE, XREVRANGE, XLEN. */
import { TYPE_STREAM } from '../keyspace/entry.ts';
import { EntryId } from '../util/entry-id.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR } from './errors.ts';
import { parseEnd, parseStart, replyEntry, roundedInteger } from './stream-arguments.ts';

const REVERSE = { isReverse: true } as const;

const startId = new EntryId();
const endId = new EntryId();

/** XLEN key */
export function xLen(call: Call): void {
  const entry = call.lookupTypedRead(1, TYPE_STREAM);
  call.reply.integer(entry === 0 ? 0 : call.keyspace.streams.length(call.database.valueOf(entry)));
}

/** XRANGE key start end [COUNT count] */
export function xRange(call: Call): void {
  range(call, 2, 3, false);
}

/** XREVRANGE key end start [COUNT count] */
export function xRevRange(call: Call): void {
  range(call, 3, 2, true);
}

function range(call: Call, startIndex: number, endIndex: number, isReverse: boolean): void {
  parseStart(call, startIndex, startId);
  parseEnd(call, endIndex, endId);
  let count = Infinity;
  for (let index = 4; index < call.argumentCount; index += 2) {
    if (!call.is(index, 'COUNT') || index + 1 === call.argumentCount) throw SYNTAX_ERROR;
    count = roundedInteger(call, index + 1);
  }
  const entry = call.lookupTypedRead(1, TYPE_STREAM);
  if (entry === 0) {
    call.reply.array(0);
    return;
  }
  if (count <= 0) {
    // Only of a stream that is there: so does Redis.
    call.reply.nullArray();
    return;
  }

  const { reply, keyspace } = call;
  const { cursor } = keyspace.streams;
  cursor.begin(call.database.valueOf(entry), startId, endId, isReverse ? REVERSE : undefined);
  const mark = reply.beginArray();
  let replied = 0;
  for (; replied < count && cursor.next(); replied++) replyEntry(reply, cursor);
  reply.endArray(mark, replied);
}
