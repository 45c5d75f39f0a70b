/** The ends of ranges by score or by member, as arguments (Redis 7.0 t_zset.c, zslParse…Range). */
import type { MemberBound, MemberRange, ScoreRange } from '../keyspace/sorted-set-ranges.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { parseCDouble } from '../util/c-double.ts';
import type { Call } from './call.ts';

const NOT_A_SCORE = new ErrorReply('ERR min or max is not a float');
const NOT_A_MEMBER_BOUND = new ErrorReply('ERR min or max not valid string range item');

const PARENTHESIS = 0x28;
const PLUS = 0x2b;
const MINUS = 0x2d;
const BRACKET = 0x5b;

/** Sets the range to the ends that stand there: `1.5`, `(1.5`, `-inf`. */
export function readScoreRange(call: Call, minIndex: number, maxIndex: number, range: ScoreRange): void {
  range.excludesMin = isExcluded(call, minIndex);
  range.excludesMax = isExcluded(call, maxIndex);
  range.min = scoreAt(call, minIndex, range.excludesMin);
  range.max = scoreAt(call, maxIndex, range.excludesMax);
}

function isExcluded({ request }: Call, index: number): boolean {
  return request.length(index) > 0 && request.buffer[request.start(index)] === PARENTHESIS;
}

function scoreAt({ request }: Call, index: number, isExclusive: boolean): number {
  const start = request.start(index) + (isExclusive ? 1 : 0);
  const score = parseCDouble(request.buffer, start, request.end(index));
  if (Number.isNaN(score)) throw NOT_A_SCORE;
  return score;
}

/** Sets the range to the ends that stand there: `[member`, `(member`, `-`, `+`. */
export function readMemberRange(call: Call, minIndex: number, maxIndex: number, range: MemberRange): void {
  readMemberBound(call, minIndex, range.min);
  readMemberBound(call, maxIndex, range.max);
}

function readMemberBound({ request }: Call, index: number, bound: MemberBound): void {
  const { buffer } = request;
  const start = request.start(index);
  const end = request.end(index);
  const sign = start < end ? buffer[start] : undefined;
  // Redis looks at a C string here: a zero byte is its end.
  const isSignOnly = end - start === 1 || buffer[start + 1] === 0;
  bound.isExcluded = sign === PARENTHESIS;
  if (sign === PARENTHESIS || sign === BRACKET) {
    bound.place = 'bytes';
    bound.bytes = buffer;
    bound.start = start + 1;
    bound.end = end;
  } else if ((sign === PLUS || sign === MINUS) && isSignOnly) {
    bound.place = sign === PLUS ? 'last' : 'first';
  } else {
    throw NOT_A_MEMBER_BOUND;
  }
}
