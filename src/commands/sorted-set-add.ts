/** ZADD and ZINCRBY (Redis 7.0 t_zset.c, zaddGenericCommand). */
import { TYPE_SORTED_SET } from '../keyspace/entry.ts';
import { NOTIFY_SORTED_SET } from '../keyspace/notify.ts';
import {
  IF_ABSENT,
  IF_GREATER,
  IF_LESS,
  IF_PRESENT,
  INCREMENT,
  type UpdateOutcome,
} from '../keyspace/sorted-set-values.ts';
import type { Ref } from '../memory/arena.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { parseDouble } from '../util/numbers.ts';
import type { Call } from './call.ts';
import { NOT_A_FLOAT, SYNTAX_ERROR } from './errors.ts';

const ABSENT_AND_PRESENT = new ErrorReply('ERR XX and NX options at the same time are not compatible');
const CONTRADICTING_CONDITIONS = new ErrorReply(
  'ERR GT, LT, and/or NX options at the same time are not compatible',
);
const INCREMENT_OF_SEVERAL = new ErrorReply('ERR INCR option supports a single increment-element pair');
const RESULT_IS_NAN = new ErrorReply('ERR resulting score is not a number (NaN)');

/** CH: no condition, but one of the options that stand among them. */
const COUNTS_UPDATES = 32;

const SCORES_INITIAL = 16;
/** The scores of the command that is run. */
let scores = new Float64Array(SCORES_INITIAL);

/** ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...] */
export function zAdd(call: Call): void {
  add(call, 0);
}

/** ZINCRBY key increment member */
export function zIncrBy(call: Call): void {
  add(call, INCREMENT);
}

function add(call: Call, given: number): void {
  let options = given;
  let first = 2;
  for (; first < call.argumentCount; first++) {
    const option = optionAt(call, first);
    if (option === 0) break;
    options |= option;
  }
  checkOptions(options, call.argumentCount - first);
  readScores(call, first);

  const entry = call.lookupTypedWrite(1, TYPE_SORTED_SET);
  if (entry === 0 && (options & IF_PRESENT) !== 0) {
    if ((options & INCREMENT) !== 0) call.reply.null();
    else call.reply.integer(0);
    return;
  }
  if ((options & INCREMENT) !== 0) increment(call, entry, first, options);
  else addAll(call, entry, first, options);
}

function optionAt(call: Call, index: number): number {
  if (call.is(index, 'NX')) return IF_ABSENT;
  if (call.is(index, 'XX')) return IF_PRESENT;
  if (call.is(index, 'CH')) return COUNTS_UPDATES;
  if (call.is(index, 'INCR')) return INCREMENT;
  if (call.is(index, 'GT')) return IF_GREATER;
  return call.is(index, 'LT') ? IF_LESS : 0;
}

/** @param pairArguments what stands behind the options */
function checkOptions(options: number, pairArguments: number): void {
  if (pairArguments === 0 || pairArguments % 2 !== 0) throw SYNTAX_ERROR;
  if (options === 0) return;
  const isAbsent = (options & IF_ABSENT) !== 0;
  const isGreater = (options & IF_GREATER) !== 0;
  const isLess = (options & IF_LESS) !== 0;
  if (isAbsent && (options & IF_PRESENT) !== 0) throw ABSENT_AND_PRESENT;
  if ((isAbsent && (isGreater || isLess)) || (isGreater && isLess)) throw CONTRADICTING_CONDITIONS;
  if ((options & INCREMENT) !== 0 && pairArguments > 2) throw INCREMENT_OF_SEVERAL;
}

/** Reads all scores before anything is changed. */
function readScores(call: Call, first: number): void {
  const { request } = call;
  const count = (call.argumentCount - first) / 2;
  if (count > scores.length) scores = new Float64Array(count * 2);
  for (let pair = 0; pair < count; pair++) {
    const index = first + pair * 2;
    const score = parseDouble(request.buffer, request.start(index), request.end(index));
    if (score === undefined) throw NOT_A_FLOAT;
    scores[pair] = score;
  }
}

function addAll(call: Call, entry: Ref, first: number, options: number): void {
  const pairCount = (call.argumentCount - first) / 2;
  let set = entry;
  let addedCount = 0;
  let updatedCount = 0;
  try {
    for (let pair = 0; pair < pairCount; pair++) {
      const memberIndex = first + pair * 2 + 1;
      if (set === 0) {
        set = create(call, memberIndex, scores[pair]!);
        addedCount++;
        continue;
      }
      const outcome = update(call, set, memberIndex, scores[pair]!, options);
      if (outcome === 'added') addedCount++;
      else if (outcome === 'updated') updatedCount++;
    }
  } finally {
    // Also when memory was wanting for the rest.
    countChanges(call, addedCount + updatedCount, 'zadd');
  }
  call.reply.integer((options & COUNTS_UPDATES) === 0 ? addedCount : addedCount + updatedCount);
}

function increment(call: Call, entry: Ref, first: number, options: number): void {
  const by = scores[0]!;
  if (entry === 0) {
    create(call, first + 1, by);
    countChanges(call, 1, 'zincr');
    call.reply.double(by);
    return;
  }
  const outcome = update(call, entry, first + 1, by, options);
  if (outcome === 'not-a-number') throw RESULT_IS_NAN;
  if (outcome === 'skipped') {
    call.reply.null();
    return;
  }
  if (outcome !== 'kept') countChanges(call, 1, 'zincr');
  call.reply.double(call.keyspace.sortedSets.score);
}

/** Adds the key, which was looked up just now, with one member. */
function create(call: Call, memberIndex: number, score: number): Ref {
  const { request } = call;
  const { buffer } = request;
  const start = request.start(memberIndex);
  const end = request.end(memberIndex);
  const { sortedSets } = call.keyspace;
  return sortedSets.createWith(
    call.database,
    buffer,
    request.start(1),
    request.end(1),
    buffer,
    start,
    end,
    score,
  );
}

function update(call: Call, entry: Ref, memberIndex: number, score: number, options: number): UpdateOutcome {
  const { request } = call;
  const start = request.start(memberIndex);
  const end = request.end(memberIndex);
  return call.keyspace.sortedSets.update(call.database, entry, request.buffer, start, end, score, options);
}

function countChanges(call: Call, count: number, event: string): void {
  if (count === 0) return;
  call.changed(1, NOTIFY_SORTED_SET, event);
  if (count > 1) call.keyspace.addDirty(count - 1);
}
