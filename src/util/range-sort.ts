/**
 * Sorting for the sake of a range: only what will stand in it is put in order. After NetBSD's qsort, which
 * Redis has changed so (pqsort.c), with the same choice of pivots: elements that compare equal come out in
 * the same order as there.
 */

type Compare<T> = (a: T, b: T) => number;

/** Shorter stretches are sorted by insertion. */
const INSERTION_LENGTH_MAX = 6;
/** Up to this length the pivot is the middle element, */
const MIDDLE_LENGTH_MAX = 7;
/** up to this one the median of three, and beyond the median of three medians. */
const MEDIAN_LENGTH_MAX = 40;

/** Sorts `items` so far that those with indexes from `first` to `last` are the right ones, in order. */
export function sortRange<T>(items: T[], compare: Compare<T>, first: number, last: number): void {
  sortStretch(items, compare, 0, items.length, first, last);
}

/** Sorts the stretch `[start, end)`. */
function sortStretch<T>(
  items: T[],
  compare: Compare<T>,
  start: number,
  end: number,
  first: number,
  last: number,
): void {
  let from = start;
  while (end - from > INSERTION_LENGTH_MAX) {
    const [lesserEnd, greaterStart] = partition(items, compare, from, end);
    if (lesserEnd - from > 1 && touches(from, lesserEnd, first, last))
      sortStretch(items, compare, from, lesserEnd, first, last);
    if (end - greaterStart <= 1 || !touches(greaterStart, end, first, last)) return;
    from = greaterStart;
  }
  sortByInsertion(items, compare, from, end);
}

/** Whether the range has to do with the stretch: one of its ends may lie on either side. */
function touches(start: number, end: number, first: number, last: number): boolean {
  return !(first < start && last < start) && !(first >= end && last >= end);
}

function sortByInsertion<T>(items: T[], compare: Compare<T>, start: number, end: number): void {
  for (let i = start + 1; i < end; i++)
    for (let j = i; j > start && compare(items[j - 1]!, items[j]!) > 0; j--) swap(items, j, j - 1);
}

/**
 * Arranges a stretch around a pivot: less, equal, greater. What equals the pivot is gathered at both ends
 * first. Returns where the lesser ones end and the greater ones start.
 */
function partition<T>(
  items: T[],
  compare: Compare<T>,
  start: number,
  end: number,
): [lesserEnd: number, greaterStart: number] {
  swap(items, start, pivotIndex(items, compare, start, end));
  let equalLeft = start + 1;
  let left = start + 1;
  let right = end - 1;
  let equalRight = end - 1;
  for (;;) {
    while (left <= right) {
      const order = compare(items[left]!, items[start]!);
      if (order > 0) break;
      if (order === 0) swap(items, equalLeft++, left);
      left++;
    }
    while (left <= right) {
      const order = compare(items[right]!, items[start]!);
      if (order < 0) break;
      if (order === 0) swap(items, right, equalRight--);
      right--;
    }
    if (left > right) break;
    swap(items, left++, right--);
  }
  const lesserCount = left - equalLeft;
  const greaterCount = equalRight - right;
  swapStretches(items, start, left, Math.min(equalLeft - start, lesserCount));
  swapStretches(items, left, end, Math.min(greaterCount, end - equalRight - 1));
  return [start + lesserCount, end - greaterCount];
}

/** Exchanges the first `count` items from `start` with the `count` items before `end`. */
function swapStretches<T>(items: T[], start: number, end: number, count: number): void {
  for (let i = 0; i < count; i++) swap(items, start + i, end - count + i);
}

function pivotIndex<T>(items: T[], compare: Compare<T>, start: number, end: number): number {
  const length = end - start;
  const middle = start + Math.floor(length / 2);
  if (length <= MIDDLE_LENGTH_MAX) return middle;
  const last = end - 1;
  if (length <= MEDIAN_LENGTH_MAX) return medianIndex(items, compare, start, middle, last);
  const step = Math.floor(length / 8);
  return medianIndex(
    items,
    compare,
    medianIndex(items, compare, start, start + step, start + 2 * step),
    medianIndex(items, compare, middle - step, middle, middle + step),
    medianIndex(items, compare, last - 2 * step, last - step, last),
  );
}

function medianIndex<T>(items: T[], compare: Compare<T>, a: number, b: number, c: number): number {
  const [first, second, third] = [items[a]!, items[b]!, items[c]!];
  if (compare(first, second) < 0) {
    if (compare(second, third) < 0) return b;
    return compare(first, third) < 0 ? c : a;
  }
  if (compare(second, third) > 0) return b;
  return compare(first, third) < 0 ? a : c;
}

function swap<T>(items: T[], a: number, b: number): void {
  const item = items[a]!;
  items[a] = items[b]!;
  items[b] = item;
}
