/** Unions, intersections and differences of sorted sets and sets (Redis 7.0 t_zset.c, zunionInter…). */
import { TYPE_SET, TYPE_SORTED_SET } from '../keyspace/entry.ts';
import type { LooseSortedSet } from '../keyspace/sorted-set-values.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { parseDouble } from '../util/numbers.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR, WRONG_TYPE } from './errors.ts';
import { replyElements, replyMemberCount } from './sorted-set-reply.ts';
import { filled, storeSortedSet } from './sorted-set-store.ts';

const NOT_A_WEIGHT = new ErrorReply('ERR weight value is not a float');
const NOT_A_LIMIT = new ErrorReply("ERR LIMIT can't be negative");

const member = new BorrowedBytes();

type Operation = 'union' | 'intersection' | 'difference';
type Aggregate = 'SUM' | 'MIN' | 'MAX';

/** One of the sets; entry 0 is an empty one. The members of a plain set have score 1. */
interface Source {
  readonly entry: Ref;
  readonly isPlainSet: boolean;
  readonly count: number;
  weight: number;
}

interface Combination {
  /** In the order of the keys. */
  readonly sources: readonly Source[];
  aggregate: Aggregate;
  withScores: boolean;
  /** Of members to be counted, 0 = none. */
  limit: number;
}

/** Returns false to end the walk. */
type ScoreVisitor = (bytes: Uint8Array, start: number, end: number, score: number) => boolean;

/** ZUNION numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES] */
export function zUnion(call: Call): void {
  replyWith(call, 'union');
}

/** ZINTER numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] [WITHSCORES] */
export function zInter(call: Call): void {
  replyWith(call, 'intersection');
}

/** ZDIFF numkeys key [key ...] [WITHSCORES] */
export function zDiff(call: Call): void {
  replyWith(call, 'difference');
}

/** ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] */
export function zUnionStore(call: Call): void {
  store(call, 'union', 'zunionstore');
}

/** ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX] */
export function zInterStore(call: Call): void {
  store(call, 'intersection', 'zinterstore');
}

/** ZDIFFSTORE destination numkeys key [key ...] */
export function zDiffStore(call: Call): void {
  store(call, 'difference', 'zdiffstore');
}

/** ZINTERCARD numkeys key [key ...] [LIMIT limit] */
export function zInterCard(call: Call): void {
  const combination = parse(call, 1, 'count');
  let count = 0;
  intersect(call, combination, () => {
    count++;
    return count !== combination.limit;
  });
  call.reply.integer(count);
}

function replyWith(call: Call, operation: Operation): void {
  const { sortedSets } = call.keyspace;
  const combination = parse(call, 1, operation);
  const result = combined(call, operation, combination);
  try {
    const { encoding, value } = result;
    const count = sortedSets.length(value, encoding);
    replyMemberCount(call, count, combination.withScores);
    sortedSets.seekIn(value, encoding, 0, sortedSets.cursor);
    replyElements(call, sortedSets.cursor, count, false, combination.withScores);
  } finally {
    sortedSets.discard(result);
  }
}

function store(call: Call, operation: Operation, event: string): void {
  const result = combined(call, operation, parse(call, 2, operation));
  filled(call, result, () => call.keyspace.sortedSets.compact(result));
  storeSortedSet(call, result, event);
}

function combined(call: Call, operation: Operation, combination: Combination): LooseSortedSet {
  // A union is at least as large as the largest set.
  const memberCount =
    operation === 'union' ? Math.max(...combination.sources.map((source) => source.count)) : 0;
  return filled(call, call.keyspace.sortedSets.newTable(memberCount), (target) => {
    fill(call, operation, combination, target);
  });
}

// Arguments -------------------------------------------------------------------------------------------------

/** @param countIndex where `numkeys` stands: argument 2 when the result is stored */
function parse(call: Call, countIndex: number, operation: Operation | 'count'): Combination {
  const keyCount = call.roundedInt64(countIndex);
  if (keyCount < 1)
    throw new ErrorReply(`ERR at least 1 input key is needed for '${call.command.fullName}' command`);
  const firstOption = countIndex + 1 + keyCount;
  if (firstOption > call.argumentCount) throw SYNTAX_ERROR;

  const sources: Source[] = [];
  for (let i = countIndex + 1; i < firstOption; i++) sources.push(sourceAt(call, i));
  const combination: Combination = { sources, aggregate: 'SUM', withScores: false, limit: 0 };
  const isStored = countIndex === 2;
  for (let i = firstOption; i < call.argumentCount; i++) {
    if (operation === 'count') i = parseLimit(call, i, combination);
    else if (!isStored && call.is(i, 'WITHSCORES')) combination.withScores = true;
    else if (operation === 'difference') throw SYNTAX_ERROR;
    else i = parseScoreOption(call, i, combination);
  }
  return combination;
}

function sourceAt(call: Call, index: number): Source {
  const { database, keyspace } = call;
  const entry = call.lookupRead(index);
  if (entry === 0) return { entry, isPlainSet: false, count: 0, weight: 1 };
  const type = database.typeOf(entry);
  const isPlainSet = type === TYPE_SET;
  if (!isPlainSet && type !== TYPE_SORTED_SET) throw WRONG_TYPE;
  const count = keyspace.kindOf(type).length(database.valueOf(entry), database.encodingOf(entry));
  return { entry, isPlainSet, count, weight: 1 };
}

/** Returns the index of the option's last argument. */
function parseScoreOption(call: Call, index: number, combination: Combination): number {
  const { sources } = combination;
  const argumentsBehind = call.argumentCount - index - 1;
  if (call.is(index, 'WEIGHTS') && argumentsBehind >= sources.length) {
    for (const [i, source] of sources.entries()) source.weight = weightAt(call, index + 1 + i);
    return index + sources.length;
  }
  if (!call.is(index, 'AGGREGATE') || argumentsBehind === 0) throw SYNTAX_ERROR;
  combination.aggregate = aggregateAt(call, index + 1);
  return index + 1;
}

function weightAt({ request }: Call, index: number): number {
  const weight = parseDouble(request.buffer, request.start(index), request.end(index));
  if (weight === undefined) throw NOT_A_WEIGHT;
  return weight;
}

function aggregateAt(call: Call, index: number): Aggregate {
  if (call.is(index, 'SUM')) return 'SUM';
  if (call.is(index, 'MIN')) return 'MIN';
  if (call.is(index, 'MAX')) return 'MAX';
  throw SYNTAX_ERROR;
}

function parseLimit(call: Call, index: number, combination: Combination): number {
  if (!call.is(index, 'LIMIT') || index + 1 === call.argumentCount) throw SYNTAX_ERROR;
  let limit;
  try {
    limit = call.roundedInt64(index + 1);
  } catch {
    throw NOT_A_LIMIT;
  }
  if (limit < 0) throw NOT_A_LIMIT;
  combination.limit = limit;
  return index + 1;
}

// Combining -------------------------------------------------------------------------------------------------

function fill(call: Call, operation: Operation, combination: Combination, target: LooseSortedSet): void {
  const { sortedSets } = call.keyspace;
  const put: ScoreVisitor = (bytes, start, end, score) => {
    sortedSets.put(target, bytes, start, end, score);
    return true;
  };
  if (operation === 'union') unite(call, combination, target);
  else if (operation === 'intersection') intersect(call, combination, put);
  else subtract(call, combination.sources, put);
}

function unite(call: Call, { aggregate, sources }: Combination, target: LooseSortedSet): void {
  const { sortedSets } = call.keyspace;
  for (const source of bySize(sources)) {
    forEachScore(call, source, (bytes, start, end, score) => {
      const weighted = weigh(score, source.weight);
      const other = sortedSets.scoreIn(target.value, target.encoding, bytes, start, end);
      const sum = Number.isNaN(other) ? weighted : combine(other, weighted, aggregate);
      sortedSets.put(target, bytes, start, end, sum);
      return true;
    });
  }
}

/** Visits the members that are in all sets, those of the smallest one in turn. */
function intersect(call: Call, { aggregate, sources }: Combination, visit: ScoreVisitor): void {
  const [smallest, ...others] = bySize(sources);
  forEachScore(call, smallest!, (bytes, start, end, score) => {
    let sum = weigh(score, smallest!.weight);
    for (const other of others) {
      const otherScore = other.entry === smallest!.entry ? score : scoreIn(call, other, bytes, start, end);
      if (Number.isNaN(otherScore)) return true;
      sum = combine(sum, otherScore * other.weight, aggregate);
    }
    return visit(bytes, start, end, sum);
  });
}

/** Visits the members of the first set that are in no other. */
function subtract(call: Call, sources: readonly Source[], visit: ScoreVisitor): void {
  const [first, ...rest] = sources;
  // A large set is the likeliest to have a member.
  const others = bySize(rest).reverse();
  if (others.some((other) => other.entry === first!.entry)) return;
  forEachScore(call, first!, (bytes, start, end, score) => {
    const isElsewhere = others.some((other) => !Number.isNaN(scoreIn(call, other, bytes, start, end)));
    return isElsewhere || visit(bytes, start, end, score);
  });
}

/** Smallest first; the order of the keys among those of the same size, for sums depend on the order. */
function bySize(sources: readonly Source[]): Source[] {
  return [...sources].sort((a, b) => a.count - b.count);
}

/** Infinity times zero counts as zero. */
function weigh(score: number, weight: number): number {
  const weighted = score * weight;
  return Number.isNaN(weighted) ? 0 : weighted;
}

/** The sum of infinity and minus infinity counts as zero. */
function combine(a: number, b: number, aggregate: Aggregate): number {
  if (aggregate === 'MIN') return b < a ? b : a;
  if (aggregate === 'MAX') return b > a ? b : a;
  const sum = a + b;
  return Number.isNaN(sum) ? 0 : sum;
}

function scoreIn(call: Call, source: Source, bytes: Uint8Array, start: number, end: number): number {
  const { database, keyspace } = call;
  if (source.entry === 0) return Number.NaN;
  if (!source.isPlainSet) return keyspace.sortedSets.scoreOf(database, source.entry, bytes, start, end);
  return keyspace.sets.has(database, source.entry, bytes, start, end) ? 1 : Number.NaN;
}

/** Visits the members of a set until told to stop. */
function forEachScore(call: Call, source: Source, visit: ScoreVisitor): void {
  const { database, keyspace } = call;
  const { entry } = source;
  if (entry === 0) return;
  if (source.isPlainSet) {
    let goesOn = true;
    keyspace.sets.forEach(
      database,
      entry,
      (bytes, start, end) => {
        if (goesOn) goesOn = visit(bytes, start, end, 1);
      },
      () => !goesOn,
    );
    return;
  }
  const { cursor } = keyspace.sortedSets;
  for (keyspace.sortedSets.seek(database, entry, 0, cursor); cursor.isAtElement; cursor.next()) {
    const { score } = cursor;
    cursor.borrow(member);
    if (!visit(member.bytes, member.start, member.end, score)) return;
  }
}
