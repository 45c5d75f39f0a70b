/** Which elements of a sorted set are meant: by score, or by the members' bytes. */
import { compareBytes } from '../util/bytes.ts';

const NO_BYTES = new Uint8Array(0);

/** Scores from `min` to `max`; an end may be excluded. */
export class ScoreRange {
  min = -Infinity;
  max = Infinity;
  excludesMin = false;
  excludesMax = false;

  isAboveMin(score: number): boolean {
    return this.excludesMin ? score > this.min : score >= this.min;
  }

  isBelowMax(score: number): boolean {
    return this.excludesMax ? score < this.max : score <= this.max;
  }
}

/** One end of a range of members: some bytes, or before or behind all members. */
export class MemberBound {
  place: 'first' | 'last' | 'bytes' = 'first';
  bytes: Uint8Array = NO_BYTES;
  start = 0;
  end = 0;
  isExcluded = false;

  /** Negative when the member stands before the bound, positive when behind. */
  compare(member: Uint8Array, start: number, end: number): number {
    if (this.place === 'bytes') return compareBytes(member, start, end, this.bytes, this.start, this.end);
    return this.place === 'first' ? 1 : -1;
  }
}

/** Members from `min` to `max`, as memcmp orders them; meant for sets whose scores are all the same. */
export class MemberRange {
  readonly min = new MemberBound();
  readonly max = new MemberBound();

  isAboveMin(member: Uint8Array, start: number, end: number): boolean {
    const order = this.min.compare(member, start, end);
    return this.min.isExcluded ? order > 0 : order >= 0;
  }

  isBelowMax(member: Uint8Array, start: number, end: number): boolean {
    const order = this.max.compare(member, start, end);
    return this.max.isExcluded ? order < 0 : order <= 0;
  }

  /** Whether no member at all can be in the range. */
  get isEmpty(): boolean {
    const { max, min } = this;
    if (min.place === 'last' || max.place === 'first') return true;
    if (min.place === 'first' || max.place === 'last') return false;
    const order = max.compare(min.bytes, min.start, min.end);
    return order > 0 || (order === 0 && (min.isExcluded || max.isExcluded));
  }
}

/** Ranks from `start` to before `end`; empty when they are the same. */
export interface RankSpan {
  start: number;
  end: number;
}
