/** Replies with elements of a list, shared by LRANGE and the commands that pop several. */
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ListPosition } from '../structures/quicklist.ts';
import type { Call } from './call.ts';

const element = new BorrowedBytes();
const position = new ListPosition();

/** Replies with `count` elements from an index on. */
export function replyRange(call: Call, list: Ref, first: number, count: number): void {
  const { reply } = call;
  const { quicklist } = call.keyspace.lists;
  reply.array(count);
  if (count === 0) return;
  quicklist.seek(list, first, position);
  quicklist.emit(position, count, reply);
}

/** Replies with `count` elements from the end of the list, the last one first. */
export function replyTail(call: Call, list: Ref, count: number): void {
  const { reply } = call;
  const { quicklist } = call.keyspace.lists;
  reply.array(count);
  quicklist.seek(list, -1, position);
  for (let left = count; ; left--) {
    quicklist.borrow(position, element);
    reply.bulk(element.bytes, element.start, element.end);
    if (left === 1) break;
    quicklist.previous(position);
  }
}
