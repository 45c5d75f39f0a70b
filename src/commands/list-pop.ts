/** Popping from lists: LPOP, RPOP, LMPOP, and those that wait for an element. */
import { TYPE_LIST } from '../keyspace/entry.ts';
import { NOTIFY_GENERIC, NOTIFY_LIST } from '../keyspace/notify.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { timeoutSeconds } from './block-timeout.ts';
import type { Call } from './call.ts';
import { NOT_POSITIVE, SYNTAX_ERROR, wrongArity } from './errors.ts';
import { isHeadSide } from './list-side.ts';
import { replyRange, replyTail } from './list-range.ts';

const NOT_A_KEY_COUNT = new ErrorReply('ERR numkeys should be greater than 0');
const NOT_A_COUNT = new ErrorReply('ERR count should be greater than 0');

const element = new BorrowedBytes();

/** LPOP key [count] */
export function lPop(call: Call): void {
  pop(call, true);
}

/** RPOP key [count] */
export function rPop(call: Call): void {
  pop(call, false);
}

function pop(call: Call, isHead: boolean): void {
  if (call.argumentCount > 2) {
    popCount(call, isHead);
    return;
  }
  const entry = call.lookupTypedWrite(1, TYPE_LIST);
  if (entry === 0) {
    call.reply.null();
    return;
  }
  replyEnd(call, entry, isHead);
  remove(call, 1, entry, isHead, 1);
}

function popCount(call: Call, isHead: boolean): void {
  if (call.argumentCount > 3) throw wrongArity(isHead ? 'lpop' : 'rpop');
  const count = call.integerFrom(2, 0, NOT_POSITIVE);
  const entry = call.lookupTypedWrite(1, TYPE_LIST);
  if (entry === 0) call.reply.nullArray();
  else if (count === 0) call.reply.array(0);
  else popRange(call, 1, entry, isHead, count);
}

/** Replies with up to `count` elements and removes them; returns how many. */
function popRange(call: Call, keyIndex: number, entry: Ref, isHead: boolean, count: number): number {
  const list = call.database.valueOf(entry);
  const removed = Math.min(count, call.keyspace.lists.length(list));
  if (isHead) replyRange(call, list, 0, removed);
  else replyTail(call, list, removed);
  remove(call, keyIndex, entry, isHead, removed);
  return removed;
}

function replyEnd(call: Call, entry: Ref, isHead: boolean): void {
  call.keyspace.lists.borrowEnd(call.database.valueOf(entry), isHead, element);
  call.reply.bulk(element.bytes, element.start, element.end);
}

/** Removes elements whose reply is written, and tells of it. */
function remove(call: Call, keyIndex: number, entry: Ref, isHead: boolean, count: number): void {
  const isEmptied = call.keyspace.lists.pop(call.database, entry, isHead, count);
  call.changed(keyIndex, NOTIFY_LIST, isHead ? 'lpop' : 'rpop');
  if (count > 1) call.keyspace.addDirty(count - 1);
  if (isEmptied) call.event(keyIndex, NOTIFY_GENERIC, 'del');
}

// From the first of several lists that has elements ---------------------------------------------------------

/** LMPOP numkeys key [key ...] LEFT | RIGHT [COUNT count] */
export function lmPop(call: Call): void {
  const { firstKey, lastKey, isHead, count } = parseManyPop(call, 1);
  if (!popFirstList(call, firstKey, lastKey, isHead, count)) call.reply.nullArray();
}

/** BLMPOP timeout numkeys key [key ...] LEFT | RIGHT [COUNT count] */
export function blmPop(call: Call): void {
  const { firstKey, lastKey, isHead, count } = parseManyPop(call, 2);
  const timeoutMillis = timeoutSeconds(call, 1);
  if (popFirstList(call, firstKey, lastKey, isHead, count)) return;
  call.services.blocking.block(call, {
    type: TYPE_LIST,
    firstKey,
    lastKey,
    timeoutMillis,
    timeoutReply: 'null-array',
  });
}

interface ManyPop {
  readonly firstKey: number;
  readonly lastKey: number;
  readonly isHead: boolean;
  readonly count: number;
}

/** @param keyCountIndex where `numkeys` stands */
function parseManyPop(call: Call, keyCountIndex: number): ManyPop {
  const keyCount = call.integerFrom(keyCountIndex, 1, NOT_A_KEY_COUNT);
  const sideIndex = keyCountIndex + keyCount + 1;
  if (sideIndex >= call.argumentCount) throw SYNTAX_ERROR;
  const isHead = isHeadSide(call, sideIndex);

  let count = 1;
  if (call.argumentCount > sideIndex + 1) {
    if (!call.is(sideIndex + 1, 'COUNT') || call.argumentCount === sideIndex + 2) throw SYNTAX_ERROR;
    count = call.integerFrom(sideIndex + 2, 1, NOT_A_COUNT);
    if (call.argumentCount > sideIndex + 3) throw SYNTAX_ERROR;
  }
  return { firstKey: keyCountIndex + 1, lastKey: keyCountIndex + keyCount, isHead, count };
}

function popFirstList(
  call: Call,
  firstKey: number,
  lastKey: number,
  isHead: boolean,
  count: number,
): boolean {
  for (let index = firstKey; index <= lastKey; index++) {
    if (!call.servesKey(index)) continue;
    const entry = call.lookupTypedWrite(index, TYPE_LIST);
    if (entry === 0) continue;
    const key = call.bytes(index);
    call.reply.array(2);
    call.reply.bulkBytes(key);
    const removed = popRange(call, index, entry, isHead, count);
    call.propagateAs(isHead ? 'LPOP' : 'RPOP', key, String(removed));
    return true;
  }
  return false;
}

// Waiting ---------------------------------------------------------------------------------------------------

/** BLPOP key [key ...] timeout */
export function blPop(call: Call): void {
  popOrWait(call, true);
}

/** BRPOP key [key ...] timeout */
export function brPop(call: Call): void {
  popOrWait(call, false);
}

function popOrWait(call: Call, isHead: boolean): void {
  const lastKey = call.argumentCount - 2;
  const timeoutMillis = timeoutSeconds(call, lastKey + 1);

  for (let index = 1; index <= lastKey; index++) {
    if (!call.servesKey(index)) continue;
    const entry = call.lookupTypedWrite(index, TYPE_LIST);
    if (entry === 0) continue;
    const key = call.bytes(index);
    call.reply.array(2);
    call.reply.bulkBytes(key);
    replyEnd(call, entry, isHead);
    remove(call, index, entry, isHead, 1);
    call.propagateAs(isHead ? 'LPOP' : 'RPOP', key);
    return;
  }
  call.services.blocking.block(call, {
    type: TYPE_LIST,
    firstKey: 1,
    lastKey,
    timeoutMillis,
    timeoutReply: 'null-array',
  });
}
