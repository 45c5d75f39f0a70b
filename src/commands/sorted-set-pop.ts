/** Popping from sorted sets: ZPOPMIN, ZPOPMAX, ZMPOP, and those that wait for a member. */
import { TYPE_SORTED_SET } from '../keyspace/entry.ts';
import { NOTIFY_GENERIC, NOTIFY_SORTED_SET } from '../keyspace/notify.ts';
import type { Ref } from '../memory/arena.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { timeoutSeconds } from './block-timeout.ts';
import type { Call } from './call.ts';
import { NOT_POSITIVE, SYNTAX_ERROR } from './errors.ts';
import { replyMember } from './sorted-set-reply.ts';

const NOT_A_KEY_COUNT = new ErrorReply('ERR numkeys should be greater than 0');
const NOT_A_COUNT = new ErrorReply('ERR count should be greater than 0');

/** ZPOPMIN key [count] */
export function zPopMin(call: Call): void {
  pop(call, false);
}

/** ZPOPMAX key [count] */
export function zPopMax(call: Call): void {
  pop(call, true);
}

function pop(call: Call, isMax: boolean): void {
  if (call.argumentCount > 3) throw SYNTAX_ERROR;
  const hasCount = call.argumentCount === 3;
  const wanted = hasCount ? call.integerFrom(2, 0, NOT_POSITIVE) : 1;
  const entry = call.lookupTypedWrite(1, TYPE_SORTED_SET);
  if (entry === 0 || wanted === 0) {
    call.reply.array(0);
    return;
  }

  const size = call.keyspace.sortedSets.memberCount(call.database, entry);
  const count = Math.min(wanted, size);
  const asPairs = hasCount && call.reply.version > 2;
  call.reply.array(asPairs ? count : count * 2);
  replyFromEnd(call, entry, isMax, size, count, asPairs);
  remove(call, 1, entry, isMax, size, count);
}

/** The elements with the lowest scores, or the highest first, of a set of that size. */
function replyFromEnd(
  call: Call,
  entry: Ref,
  isMax: boolean,
  size: number,
  count: number,
  asPairs: boolean,
): void {
  const { cursor } = call.keyspace.sortedSets;
  call.keyspace.sortedSets.seek(call.database, entry, isMax ? size - 1 : 0, cursor);
  for (let left = count; ; left--) {
    if (asPairs) call.reply.array(2);
    replyMember(call, cursor);
    call.reply.double(cursor.score);
    if (left === 1) break;
    if (isMax) cursor.previous();
    else cursor.next();
  }
}

/** Removes the elements, whose reply is written, and tells of it. */
function remove(call: Call, keyIndex: number, entry: Ref, isMax: boolean, size: number, count: number): void {
  const { database, keyspace } = call;
  keyspace.sortedSets.removeRange(database, entry, isMax ? size - count : 0, count);
  if (count === size) database.delete(entry);

  call.changed(keyIndex, NOTIFY_SORTED_SET, isMax ? 'zpopmax' : 'zpopmin');
  if (count > 1) keyspace.addDirty(count - 1);
  if (count === size) call.event(keyIndex, NOTIFY_GENERIC, 'del');
}

// From the first of several sets that has members -----------------------------------------------------------

/** BZPOPMIN key [key ...] timeout */
export function bzPopMin(call: Call): void {
  popOrWait(call, false);
}

/** BZPOPMAX key [key ...] timeout */
export function bzPopMax(call: Call): void {
  popOrWait(call, true);
}

function popOrWait(call: Call, isMax: boolean): void {
  const lastKey = call.argumentCount - 2;
  const timeoutMillis = timeoutSeconds(call, lastKey + 1);
  for (let index = 1; index <= lastKey; index++) {
    if (!call.servesKey(index)) continue;
    const entry = call.lookupTypedWrite(index, TYPE_SORTED_SET);
    if (entry === 0) continue;
    const key = call.bytes(index);
    call.reply.array(3);
    call.reply.bulkBytes(key);
    const size = call.keyspace.sortedSets.memberCount(call.database, entry);
    replyFromEnd(call, entry, isMax, size, 1, false);
    remove(call, index, entry, isMax, size, 1);
    call.propagateAs(isMax ? 'ZPOPMAX' : 'ZPOPMIN', key);
    return;
  }
  wait(call, 1, lastKey, timeoutMillis);
}

/** ZMPOP numkeys key [key ...] MIN | MAX [COUNT count] */
export function zmPop(call: Call): void {
  if (!popFirstSet(call, parseManyPop(call, 1))) call.reply.nullArray();
}

/** BZMPOP timeout numkeys key [key ...] MIN | MAX [COUNT count] */
export function bzmPop(call: Call): void {
  const parsed = parseManyPop(call, 2);
  const timeoutMillis = timeoutSeconds(call, 1);
  if (!popFirstSet(call, parsed)) wait(call, parsed.firstKey, parsed.lastKey, timeoutMillis);
}

function wait(call: Call, firstKey: number, lastKey: number, timeoutMillis: number): void {
  call.services.blocking.block(call, {
    type: TYPE_SORTED_SET,
    firstKey,
    lastKey,
    timeoutMillis,
    timeoutReply: 'null-array',
  });
}

interface ManyPop {
  readonly firstKey: number;
  readonly lastKey: number;
  readonly isMax: boolean;
  readonly count: number;
}

/** @param keyCountIndex where `numkeys` stands */
function parseManyPop(call: Call, keyCountIndex: number): ManyPop {
  const keyCount = call.integerFrom(keyCountIndex, 1, NOT_A_KEY_COUNT);
  const endIndex = keyCountIndex + keyCount + 1;
  if (endIndex >= call.argumentCount) throw SYNTAX_ERROR;
  const isMax = call.is(endIndex, 'MAX');
  if (!isMax && !call.is(endIndex, 'MIN')) throw SYNTAX_ERROR;

  let count = 1;
  if (call.argumentCount > endIndex + 1) {
    if (!call.is(endIndex + 1, 'COUNT') || call.argumentCount === endIndex + 2) throw SYNTAX_ERROR;
    count = call.integerFrom(endIndex + 2, 1, NOT_A_COUNT);
    if (call.argumentCount > endIndex + 3) throw SYNTAX_ERROR;
  }
  return { firstKey: keyCountIndex + 1, lastKey: keyCountIndex + keyCount, isMax, count };
}

function popFirstSet(call: Call, { count, firstKey, isMax, lastKey }: ManyPop): boolean {
  for (let index = firstKey; index <= lastKey; index++) {
    if (!call.servesKey(index)) continue;
    const entry = call.lookupTypedWrite(index, TYPE_SORTED_SET);
    if (entry === 0) continue;
    const key = call.bytes(index);
    const size = call.keyspace.sortedSets.memberCount(call.database, entry);
    const popped = Math.min(count, size);
    call.reply.array(2);
    call.reply.bulkBytes(key);
    call.reply.array(popped);
    replyFromEnd(call, entry, isMax, size, popped, true);
    remove(call, index, entry, isMax, size, popped);
    call.propagateAs(isMax ? 'ZPOPMAX' : 'ZPOPMIN', key, String(popped));
    return true;
  }
  return false;
}
