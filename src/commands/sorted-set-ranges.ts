/**
 * Ranges of sorted sets: by rank, score or member; to read, count, store or remove. Whatever the range is
 * given by, it comes down to a span of ranks.
 */
import { TYPE_SORTED_SET } from '../keyspace/entry.ts';
import { NOTIFY_GENERIC, NOTIFY_SORTED_SET } from '../keyspace/notify.ts';
import { MemberRange, ScoreRange, type RankSpan } from '../keyspace/sorted-set-ranges.ts';
import type { LooseSortedSet } from '../keyspace/sorted-set-values.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR } from './errors.ts';
import { readMemberRange, readScoreRange } from './sorted-set-range-arguments.ts';
import { replyElements, replyMemberCount } from './sorted-set-reply.ts';
import { filled, storeSortedSet } from './sorted-set-store.ts';

const LIMIT_OF_RANKS = new ErrorReply(
  'ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX',
);
const MEMBERS_WITH_SCORES = new ErrorReply(
  'ERR syntax error, WITHSCORES not supported in combination with BYLEX',
);

type RangeKind = 'rank' | 'score' | 'member';

/** The range of the command that is run; its members are borrowed from the request. */
const scoreRange = new ScoreRange();
const memberRange = new MemberRange();
const rankSpan: RankSpan = { start: 0, end: 0 };
const member = new BorrowedBytes();

// Reading ---------------------------------------------------------------------------------------------------

/** What ZRANGE and its kin are asked for. One object serves all calls. */
interface RangeQuery {
  /** Undefined while an option may still say so. */
  kind: RangeKind | undefined;
  isReverse: boolean | undefined;
  isStored: boolean;
  withScores: boolean;
  offset: number;
  /** −1 = no limit, and so is any other negative number. */
  limit: number;
  /** Where the set's key stands; the ends of the range follow. */
  keyIndex: number;
}

const query: RangeQuery = {
  kind: undefined,
  isReverse: undefined,
  isStored: false,
  withScores: false,
  offset: 0,
  limit: -1,
  keyIndex: 1,
};

/** ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES] */
export function zRange(call: Call): void {
  range(call, undefined, undefined);
}

/** ZREVRANGE key start stop [WITHSCORES] */
export function zRevRange(call: Call): void {
  range(call, 'rank', true);
}

/** ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count] */
export function zRangeByScore(call: Call): void {
  range(call, 'score', false);
}

/** ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count] */
export function zRevRangeByScore(call: Call): void {
  range(call, 'score', true);
}

/** ZRANGEBYLEX key min max [LIMIT offset count] */
export function zRangeByLex(call: Call): void {
  range(call, 'member', false);
}

/** ZREVRANGEBYLEX key max min [LIMIT offset count] */
export function zRevRangeByLex(call: Call): void {
  range(call, 'member', true);
}

function range(call: Call, kind: RangeKind | undefined, isReverse: boolean | undefined): void {
  parse(call, 1, kind, isReverse);
  const entry = call.lookupTypedRead(1, TYPE_SORTED_SET);
  if (entry === 0) {
    call.reply.array(0);
    return;
  }

  const { cursor } = call.keyspace.sortedSets;
  const wanted = wantedSpan(call, entry);
  const count = wanted.end - wanted.start;
  replyMemberCount(call, count, query.withScores);
  if (count === 0) return;
  const rank = query.isReverse === true ? wanted.end - 1 : wanted.start;
  call.keyspace.sortedSets.seek(call.database, entry, rank, cursor);
  replyElements(call, cursor, count, query.isReverse === true, query.withScores);
}

/** ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count] */
export function zRangeStore(call: Call): void {
  parse(call, 2, undefined, undefined);
  const { sortedSets } = call.keyspace;
  const entry = call.lookupTypedRead(2, TYPE_SORTED_SET);
  if (entry === 0) {
    storeSortedSet(call, sortedSets.newSet(), 'zrangestore');
    return;
  }
  const span = wantedSpan(call, entry);
  // Redis knows beforehand how many there are only when they are given by rank.
  const knownCount = query.kind === 'rank' ? span.end - span.start : 0;
  const result = filled(call, sortedSets.newSet(knownCount), (target) => {
    copySpan(call, entry, span, target);
  });
  storeSortedSet(call, result, 'zrangestore');
}

function copySpan(call: Call, entry: Ref, span: RankSpan, target: LooseSortedSet): void {
  const { sortedSets } = call.keyspace;
  const { cursor } = sortedSets;
  const isReverse = query.isReverse === true;
  sortedSets.seek(call.database, entry, isReverse ? span.end - 1 : span.start, cursor);
  for (let left = span.end - span.start; left > 0; left--) {
    const { score } = cursor;
    cursor.borrow(member);
    sortedSets.put(target, member.bytes, member.start, member.end, score);
    if (isReverse) cursor.previous();
    else cursor.next();
  }
}

/** Fills `query`, and the range that it is of. */
function parse(
  call: Call,
  keyIndex: number,
  kind: RangeKind | undefined,
  isReverse: boolean | undefined,
): void {
  query.kind = kind;
  query.isReverse = isReverse;
  query.isStored = keyIndex === 2;
  query.withScores = false;
  query.offset = 0;
  query.limit = -1;
  query.keyIndex = keyIndex;
  for (let i = keyIndex + 3; i < call.argumentCount; i++) i = parseOption(call, i);

  query.kind ??= 'rank';
  if (query.limit !== -1 && query.kind === 'rank') throw LIMIT_OF_RANKS;
  if (query.withScores && query.kind === 'member') throw MEMBERS_WITH_SCORES;
  const isSwapped = query.isReverse === true && query.kind !== 'rank';
  readRange(call, query.kind, keyIndex + (isSwapped ? 2 : 1), keyIndex + (isSwapped ? 1 : 2));
}

/** Returns the index of the option's last argument. */
function parseOption(call: Call, index: number): number {
  if (!query.isStored && call.is(index, 'WITHSCORES')) {
    query.withScores = true;
  } else if (call.is(index, 'LIMIT') && index + 2 < call.argumentCount) {
    query.offset = call.roundedInt64(index + 1);
    query.limit = call.roundedInt64(index + 2);
    return index + 2;
  } else if (query.isReverse === undefined && call.is(index, 'REV')) {
    query.isReverse = true;
  } else if (query.kind === undefined && call.is(index, 'BYLEX')) {
    query.kind = 'member';
  } else if (query.kind === undefined && call.is(index, 'BYSCORE')) {
    query.kind = 'score';
  } else {
    throw SYNTAX_ERROR;
  }
  return index;
}

/** Reads the two ends into the range of that kind. */
function readRange(call: Call, kind: RangeKind, minIndex: number, maxIndex: number): void {
  if (kind === 'score') {
    readScoreRange(call, minIndex, maxIndex, scoreRange);
  } else if (kind === 'member') {
    readMemberRange(call, minIndex, maxIndex, memberRange);
  } else {
    rankSpan.start = call.roundedInt64(minIndex);
    rankSpan.end = call.roundedInt64(maxIndex);
  }
}

/** The ranks of the range that was read. */
function spanOf(call: Call, entry: Ref, kind: RangeKind, isReverse: boolean): RankSpan {
  const { database, keyspace } = call;
  if (kind === 'score') return keyspace.sortedSets.spanOfScores(database, entry, scoreRange);
  if (kind === 'member') return keyspace.sortedSets.spanOfMembers(database, entry, memberRange, isReverse);
  return spanOfRanks(rankSpan.start, rankSpan.end, keyspace.sortedSets.memberCount(database, entry));
}

/** From and to a rank, both included and counted from the end when negative. */
function spanOfRanks(first: number, last: number, size: number): RankSpan {
  const start = Math.max(first < 0 ? size + first : first, 0);
  const end = Math.min(last < 0 ? size + last : last, size - 1) + 1;
  rankSpan.start = Math.min(start, size);
  rankSpan.end = Math.max(end, rankSpan.start);
  return rankSpan;
}

/** The ranks that `query` is about: in reverse they are counted from the end, as the limit is. */
function wantedSpan(call: Call, entry: Ref): RankSpan {
  const isReverse = query.isReverse === true;
  const span = spanOf(call, entry, query.kind!, isReverse);
  if (query.kind !== 'rank') {
    limitSpan(span, isReverse);
  } else if (isReverse) {
    const size = call.keyspace.sortedSets.memberCount(call.database, entry);
    const { end, start } = span;
    span.start = size - end;
    span.end = size - start;
  }
  return span;
}

/** Passes over `offset` elements, all when it is negative, and takes no more than `limit`. */
function limitSpan(span: RankSpan, isReverse: boolean): void {
  const size = span.end - span.start;
  const skipped = query.offset < 0 ? size : Math.min(query.offset, size);
  const count = query.limit < 0 ? size - skipped : Math.min(query.limit, size - skipped);
  if (isReverse) {
    span.end -= skipped;
    span.start = span.end - count;
  } else {
    span.start += skipped;
    span.end = span.start + count;
  }
}

// Counting --------------------------------------------------------------------------------------------------

/** ZCOUNT key min max */
export function zCount(call: Call): void {
  countRange(call, 'score');
}

/** ZLEXCOUNT key min max */
export function zLexCount(call: Call): void {
  countRange(call, 'member');
}

function countRange(call: Call, kind: RangeKind): void {
  readRange(call, kind, 2, 3);
  const entry = call.lookupTypedRead(1, TYPE_SORTED_SET);
  if (entry === 0) {
    call.reply.integer(0);
    return;
  }
  const span = spanOf(call, entry, kind, false);
  call.reply.integer(span.end - span.start);
}

// Removing --------------------------------------------------------------------------------------------------

/** ZREMRANGEBYRANK key start stop */
export function zRemRangeByRank(call: Call): void {
  removeRange(call, 'rank', 'zremrangebyrank');
}

/** ZREMRANGEBYSCORE key min max */
export function zRemRangeByScore(call: Call): void {
  removeRange(call, 'score', 'zremrangebyscore');
}

/** ZREMRANGEBYLEX key min max */
export function zRemRangeByLex(call: Call): void {
  removeRange(call, 'member', 'zremrangebylex');
}

function removeRange(call: Call, kind: RangeKind, event: string): void {
  const { database, keyspace } = call;
  const { sortedSets } = keyspace;
  readRange(call, kind, 2, 3);
  const entry = call.lookupTypedWrite(1, TYPE_SORTED_SET);
  if (entry === 0) {
    call.reply.integer(0);
    return;
  }

  const { end, start } = spanOf(call, entry, kind, false);
  const count = end - start;
  const isEmptied = count === sortedSets.memberCount(database, entry);
  if (isEmptied) database.delete(entry);
  else sortedSets.removeRange(database, entry, start, count);

  if (count > 0) {
    call.changed(1, NOTIFY_SORTED_SET, event);
    keyspace.addDirty(count - 1);
    if (isEmptied) call.event(1, NOTIFY_GENERIC, 'del');
  }
  call.reply.integer(count);
}
