/** ZRANDMEMBER (Redis 7.0 t_zset.c, zrandmemberCommand). A member drawn at random is one of a random rank. */
import { TYPE_SORTED_SET } from '../keyspace/entry.ts';
import type { Ref } from '../memory/arena.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR } from './errors.ts';
import { replyElement, replyElements, replyMemberCount } from './sorted-set-reply.ts';

const LONG_MAX = 2n ** 63n - 1n;
const COUNT_OUT_OF_RANGE = new ErrorReply(
  `ERR value is out of range, value must between -${LONG_MAX} and ${LONG_MAX}`,
);
const DOUBLE_COUNT_OUT_OF_RANGE = new ErrorReply('ERR value is out of range');

/** ZRANDMEMBER key [count [WITHSCORES]] */
export function zRandMember(call: Call): void {
  if (call.argumentCount > 2) {
    randomMembers(call);
    return;
  }
  const entry = call.lookupTypedRead(1, TYPE_SORTED_SET);
  if (entry === 0) call.reply.null();
  else replyRandom(call, entry, call.keyspace.sortedSets.memberCount(call.database, entry), false);
}

function randomMembers(call: Call): void {
  const count = call.int64(2);
  if (count < -LONG_MAX) throw COUNT_OUT_OF_RANGE;
  if (call.argumentCount > 4 || (call.argumentCount === 4 && !call.is(3, 'WITHSCORES'))) throw SYNTAX_ERROR;
  const withScores = call.argumentCount === 4;
  if (withScores && (count < -(LONG_MAX / 2n) || count > LONG_MAX / 2n)) throw DOUBLE_COUNT_OUT_OF_RANGE;
  const entry = call.lookupTypedRead(1, TYPE_SORTED_SET);
  if (entry === 0 || count === 0n) {
    call.reply.array(0);
    return;
  }

  if (count < 0n) withRepetitions(call, entry, -Number(count), withScores);
  else differentMembers(call, entry, Number(count), withScores);
}

function withRepetitions(call: Call, entry: Ref, count: number, withScores: boolean): void {
  const size = call.keyspace.sortedSets.memberCount(call.database, entry);
  replyMemberCount(call, count, withScores);
  for (let left = count; left > 0; left--) replyRandom(call, entry, size, withScores);
}

function differentMembers(call: Call, entry: Ref, wanted: number, withScores: boolean): void {
  const { database } = call;
  const { cursor } = call.keyspace.sortedSets;
  const size = call.keyspace.sortedSets.memberCount(database, entry);
  const count = Math.min(wanted, size);
  replyMemberCount(call, count, withScores);
  if (count === size) {
    // All of them, from the last on, as Redis walks.
    call.keyspace.sortedSets.seek(database, entry, size - 1, cursor);
    replyElements(call, cursor, count, true, withScores);
    return;
  }
  for (const rank of differentRanks(call, size, count)) {
    call.keyspace.sortedSets.seek(database, entry, rank, cursor);
    replyElement(call, cursor, withScores);
  }
}

/** So many of the ranks below `size`, each choice with the same chance (R. W. Floyd's algorithm). */
function differentRanks(call: Call, size: number, count: number): Set<number> {
  const ranks = new Set<number>();
  for (let last = size - count; last < size; last++) {
    const rank = call.keyspace.random.nextUint32() % (last + 1);
    ranks.add(ranks.has(rank) ? last : rank);
  }
  return ranks;
}

function replyRandom(call: Call, entry: Ref, size: number, withScores: boolean): void {
  const { cursor } = call.keyspace.sortedSets;
  const rank = call.keyspace.random.nextUint32() % size;
  call.keyspace.sortedSets.seek(call.database, entry, rank, cursor);
  replyElement(call, cursor, withScores);
}
