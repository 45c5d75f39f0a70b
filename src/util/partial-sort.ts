/**
 * Sorting of which only one stretch of the result is wanted: the quicksort of Bentley and McIlroy,
 * "Engineering a Sort Function" (1993), that leaves the parts outside of the stretch as they come (Redis 7.0
 * pqsort.c). It is not stable; that equal elements come in the same order as from Redis is why it is done the
 * same way, swap by swap.
 */

type Compare<T> = (a: T, b: T) => number;

/** Up to so many elements, insertion is faster. */
const INSERTION_MAX = 6;
/** From so many elements on, the pivot is the median of three medians. */
const NINTHER_MIN = 41;

/** Brings those elements to the places `first … last` that a sorted array had there, in order. */
export function partialSort<T>(items: T[], compare: Compare<T>, first: number, last: number): void {
  sortRange(items, compare, { start: 0, end: items.length }, { first, last });
}

function sortRange<T>(
  items: T[],
  compare: Compare<T>,
  range: { readonly start: number; readonly end: number },
  wanted: { readonly first: number; readonly last: number },
): void {
  let { start } = range;
  const { end } = range;
  while (end - start > INSERTION_MAX) {
    swap(items, start, pivot(items, compare, start, end));
    const { below, above } = partition(items, compare, start, end);
    const belowEnd = start + below;
    if (below > 1 && overlaps(start, belowEnd, wanted))
      sortRange(items, compare, { start, end: belowEnd }, wanted);
    if (above <= 1 || !overlaps(end - above, end, wanted)) return;
    start = end - above;
  }
  insertionSort(items, compare, start, end);
}

function overlaps(
  start: number,
  end: number,
  wanted: { readonly first: number; readonly last: number },
): boolean {
  return wanted.first < end && wanted.last >= start;
}

function insertionSort<T>(items: T[], compare: Compare<T>, start: number, end: number): void {
  for (let i = start + 1; i < end; i++) {
    for (let j = i; j > start && compare(items[j - 1]!, items[j]!) > 0; j--) swap(items, j, j - 1);
  }
}

/** Where the element stands that the others are compared with. */
function pivot<T>(items: T[], compare: Compare<T>, start: number, end: number): number {
  const count = end - start;
  const middle = start + Math.floor(count / 2);
  if (count === INSERTION_MAX + 1) return middle;
  if (count < NINTHER_MIN) return median(items, compare, start, middle, end - 1);
  const step = Math.floor(count / 8);
  const low = median(items, compare, start, start + step, start + 2 * step);
  const mid = median(items, compare, middle - step, middle, middle + step);
  const high = median(items, compare, end - 1 - 2 * step, end - 1 - step, end - 1);
  return median(items, compare, low, mid, high);
}

function median<T>(items: T[], compare: Compare<T>, a: number, b: number, c: number): number {
  const [itemA, itemB, itemC] = [items[a]!, items[b]!, items[c]!];
  if (compare(itemA, itemB) < 0) {
    if (compare(itemB, itemC) < 0) return b;
    return compare(itemA, itemC) < 0 ? c : a;
  }
  if (compare(itemB, itemC) > 0) return b;
  return compare(itemA, itemC) < 0 ? a : c;
}

/**
 * Orders the range by its first element: the smaller ones, its equals, the larger ones. Equals are collected
 * at both ends first, and then brought to the middle. Returns how many are below and above.
 */
function partition<T>(
  items: T[],
  compare: Compare<T>,
  start: number,
  end: number,
): { readonly below: number; readonly above: number } {
  let equalLow = start + 1;
  let low = start + 1;
  let high = end - 1;
  let equalHigh = end - 1;
  for (;;) {
    for (; low <= high; low++) {
      const order = compare(items[low]!, items[start]!);
      if (order > 0) break;
      if (order === 0) swap(items, equalLow++, low);
    }
    for (; low <= high; high--) {
      const order = compare(items[high]!, items[start]!);
      if (order < 0) break;
      if (order === 0) swap(items, high, equalHigh--);
    }
    if (low > high) break;
    swap(items, low++, high--);
  }

  const below = low - equalLow;
  const above = equalHigh - high;
  const atStart = Math.min(equalLow - start, below);
  swapRanges(items, start, low - atStart, atStart);
  const atEnd = Math.min(above, end - 1 - equalHigh);
  swapRanges(items, low, end - atEnd, atEnd);
  return { below, above };
}

function swapRanges<T>(items: T[], a: number, b: number, count: number): void {
  for (let i = 0; i < count; i++) swap(items, a + i, b + i);
}

function swap<T>(items: T[], a: number, b: number): void {
  const item = items[a]!;
  items[a] = items[b]!;
  items[b] = item;
}
