/** How members and scores of sorted sets are replied. */
import type { SortedSetCursor } from '../keyspace/sorted-set-cursor.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import type { Call } from './call.ts';

const member = new BorrowedBytes();

/** The header of an array of `count` members: old clients get the scores as elements, new ones pairs. */
export function replyMemberCount(call: Call, count: number, withScores: boolean): void {
  call.reply.array(withScores && call.reply.version === 2 ? count * 2 : count);
}

/** The member that the cursor is at. */
export function replyMember(call: Call, cursor: SortedSetCursor): void {
  cursor.borrow(member);
  call.reply.bulk(member.bytes, member.start, member.end);
}

/** The same, with its score if that is wanted. */
export function replyElement(call: Call, cursor: SortedSetCursor, withScores: boolean): void {
  if (withScores && call.reply.version > 2) call.reply.array(2);
  replyMember(call, cursor);
  if (withScores) call.reply.double(cursor.score);
}

/** So many elements from the cursor on, or backwards. */
export function replyElements(
  call: Call,
  cursor: SortedSetCursor,
  count: number,
  isReverse: boolean,
  withScores: boolean,
): void {
  for (let left = count; left > 0; left--) {
    replyElement(call, cursor, withScores);
    if (isReverse) cursor.previous();
    else cursor.next();
  }
}
