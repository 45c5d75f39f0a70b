/** Moving an element from one end of a list to an end of another, or of the same. */
import { TYPE_LIST } from '../keyspace/entry.ts';
import { NOTIFY_GENERIC, NOTIFY_LIST } from '../keyspace/notify.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';
import { timeoutSeconds } from './block-timeout.ts';
import type { Call } from './call.ts';
import { isHeadSide } from './list-side.ts';

const element = new BorrowedBytes();
/** A copy of an element, if it is not too long. */
const scratch = Buffer.allocUnsafe(1024);

/** LMOVE source destination LEFT | RIGHT LEFT | RIGHT */
export function lMove(call: Call): void {
  const fromHead = isHeadSide(call, 3);
  const toHead = isHeadSide(call, 4);
  const entry = call.lookupTypedWrite(1, TYPE_LIST);
  if (entry === 0) call.reply.null();
  else move(call, entry, fromHead, toHead);
}

/** RPOPLPUSH source destination */
export function rPopLPush(call: Call): void {
  const entry = call.lookupTypedWrite(1, TYPE_LIST);
  if (entry === 0) call.reply.null();
  else move(call, entry, false, true);
}

/** BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout */
export function blMove(call: Call): void {
  const fromHead = isHeadSide(call, 3);
  const toHead = isHeadSide(call, 4);
  const timeoutMillis = timeoutSeconds(call, 5);
  const entry = call.lookupTypedWrite(1, TYPE_LIST);
  if (entry === 0) {
    waitForSource(call, timeoutMillis);
    return;
  }
  move(call, entry, fromHead, toHead);
  call.propagateAs('LMOVE', call.bytes(1), call.bytes(2), call.bytes(3), call.bytes(4));
}

/** BRPOPLPUSH source destination timeout */
export function brPopLPush(call: Call): void {
  const timeoutMillis = timeoutSeconds(call, 3);
  const entry = call.lookupTypedWrite(1, TYPE_LIST);
  if (entry === 0) {
    waitForSource(call, timeoutMillis);
    return;
  }
  move(call, entry, false, true);
  call.propagateAs('RPOPLPUSH', call.bytes(1), call.bytes(2));
}

function waitForSource(call: Call, timeoutMillis: number): void {
  call.services.blocking.block(call, {
    type: TYPE_LIST,
    firstKey: 1,
    lastKey: 1,
    timeoutMillis,
    timeoutReply: 'null-array',
    refusalReply: 'null',
  });
}

/** Pushes an element of `source`, the list of argument 1, to that of argument 2; then removes it. */
function move(call: Call, source: Ref, fromHead: boolean, toHead: boolean): void {
  const { database, keyspace, reply, request } = call;
  const { lists } = keyspace;
  const destination = call.lookupTypedWrite(2, TYPE_LIST);
  lists.borrowEnd(database.valueOf(source), fromHead, element);
  // What is pushed to a list must not lie in it.
  if (destination === source) borrowCopy();
  reply.bulk(element.bytes, element.start, element.end);

  database.willChange(source);
  lists.pushValue(database, destination, toHead, request, element);
  const isEmptied = lists.pop(database, source, fromHead, 1);

  call.changed(2, NOTIFY_LIST, toHead ? 'lpush' : 'rpush');
  call.changed(1, NOTIFY_LIST, fromHead ? 'lpop' : 'rpop');
  // Redis counts one change for both keys.
  keyspace.addDirty(-1);
  if (isEmptied) call.event(1, NOTIFY_GENERIC, 'del');
}

function borrowCopy(): void {
  const { length } = element;
  const copy = length <= scratch.length ? scratch : Buffer.allocUnsafe(length);
  copyBytes(copy, 0, element.bytes, element.start, element.end);
  element.bytes = copy;
  element.start = 0;
  element.end = length;
}
