/** LPOS: where in a list an element stands. */
import { TYPE_LIST } from '../keyspace/entry.ts';
import type { Ref } from '../memory/arena.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { ListPosition } from '../structures/quicklist.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR } from './errors.ts';

const RANK_IS_ZERO = new ErrorReply(
  "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to " +
    'start from the end of the list',
);
const NEGATIVE_COUNT = new ErrorReply("ERR COUNT can't be negative");
const NEGATIVE_LENGTH = new ErrorReply("ERR MAXLEN can't be negative");

const INT64_MIN = -(2n ** 63n);

const position = new ListPosition();

interface SearchOptions {
  /** Which match is the first to be told; negative: from the tail. */
  rank: number;
  /** Matches to be told, 0 = all; undefined = one, not in an array. */
  count: number | undefined;
  /** Elements to be looked at, 0 = all. */
  lengthMax: number;
}

/** LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len] */
export function lPos(call: Call): void {
  const options = parseOptions(call);
  const { reply } = call;
  const entry = call.lookupTypedRead(1, TYPE_LIST);
  if (options.count === undefined) {
    const index = entry === 0 ? -1 : search(call, entry, options, undefined);
    if (index < 0) reply.null();
    else reply.integer(index);
    return;
  }
  const found: number[] = [];
  if (entry !== 0) search(call, entry, options, found);
  reply.array(found.length);
  for (const index of found) reply.integer(index);
}

function parseOptions(call: Call): SearchOptions {
  const options: SearchOptions = { rank: 1, count: undefined, lengthMax: 0 };
  let isLowestRank = false;
  for (let index = 3; index < call.argumentCount; index += 2) {
    if (index + 1 === call.argumentCount) throw SYNTAX_ERROR;
    if (call.is(index, 'RANK')) {
      options.rank = call.roundedInt64(index + 1);
      isLowestRank = !Number.isSafeInteger(options.rank) && call.int64(index + 1) === INT64_MIN;
      if (options.rank === 0) throw RANK_IS_ZERO;
    } else if (call.is(index, 'COUNT')) {
      options.count = call.integerFrom(index + 1, 0, NEGATIVE_COUNT);
    } else if (call.is(index, 'MAXLEN')) {
      options.lengthMax = call.integerFrom(index + 1, 0, NEGATIVE_LENGTH);
    } else {
      throw SYNTAX_ERROR;
    }
  }
  if (isLowestRank) {
    // It has no positive counterpart: Redis 7.0 takes every match for late enough, and none for the last.
    options.rank = -1;
    if (options.count !== undefined) options.count = 0;
  }
  return options;
}

/** Collects the indexes that are asked for in `found`, or returns the first of them; -1 = there is none. */
function search(call: Call, entry: Ref, options: SearchOptions, found: number[] | undefined): number {
  const { quicklist } = call.keyspace.lists;
  const { buffer } = call.request;
  const [start, end] = [call.request.start(2), call.request.end(2)];
  const list = call.database.valueOf(entry);
  const length = quicklist.count(list);
  const fromHead = options.rank > 0;
  let skipped = Math.abs(options.rank) - 1;
  const seenMax = options.lengthMax === 0 ? length : options.lengthMax;
  const wanted = options.count === 0 ? Infinity : options.count;

  let isThere = quicklist.seek(list, fromHead ? 0 : -1, position);
  while (isThere) {
    isThere = fromHead
      ? quicklist.find(position, buffer, start, end)
      : quicklist.findBack(position, buffer, start, end);
    if (!isThere) break;
    const { index } = position;
    if ((fromHead ? index : length - 1 - index) >= seenMax) break;
    if (skipped > 0) {
      skipped--;
    } else {
      if (found === undefined) return index;
      found.push(index);
      if (found.length === wanted) break;
    }
    isThere = fromHead ? quicklist.next(position) : quicklist.previous(position);
  }
  return -1;
}
