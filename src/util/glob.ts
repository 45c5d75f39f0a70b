/**
 * Redis' glob patterns on bytes (Redis 7.0 util.c, stringmatchlen):
 *
 *     *        any run of bytes          ?        any one byte
 *     [abc]    one of these              [a-z]    one in this range, in either order
 *     [^abc]   one that is not           \x       x itself, inside of classes too
 *
 * Redis recurses for each `*` and gives all of them up once the last one found no place. That is the same as
 * returning to the newest `*` alone, which needs no recursion: the cost is at most pattern × string, and no
 * pattern can exhaust the stack.
 */

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE = 0x5d;
const CARET = 0x5e;
const DASH = 0x2d;

function lower(byte: number, ignoreCase: boolean): number {
  return ignoreCase && byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

/** Redis compares the ends of a range as C `char`, which is signed where its releases are built. */
function signed(byte: number): number {
  return (byte << 24) >> 24;
}

/** Whether `string[start, end)` matches the whole of `pattern`. Case is ignored for ASCII letters only. */
export function globMatch(
  pattern: Uint8Array,
  string: Uint8Array,
  start: number,
  end: number,
  ignoreCase = false,
): boolean {
  const patternEnd = pattern.length;
  let p = 0;
  let s = start;
  let afterStar = -1;
  let starString = 0;
  // An empty string matches only an empty pattern, not even "*": Redis compares nothing in that case.
  if (start === end) return patternEnd === 0;

  while (s < end) {
    if (p < patternEnd && pattern[p] === STAR) {
      while (p < patternEnd && pattern[p] === STAR) p++;
      if (p === patternEnd) return true;
      afterStar = p;
      starString = s;
      continue;
    }
    const next = p < patternEnd ? elementEnd(pattern, p) : p;
    if (p < patternEnd && matchesElement(pattern, p, next, string[s]!, ignoreCase)) {
      p = next;
      s++;
      continue;
    }
    if (afterStar < 0) return false;
    p = afterStar;
    s = ++starString;
  }
  // Each element takes one byte, so what is left of the pattern could not match from a later start either.
  while (p < patternEnd && pattern[p] === STAR) p++;
  return p === patternEnd;
}

/** The index behind the element (one byte, an escape or a class) that starts at `p`. */
function elementEnd(pattern: Uint8Array, p: number): number {
  const patternEnd = pattern.length;
  const byte = pattern[p];
  if (byte === BACKSLASH) return p + 1 < patternEnd ? p + 2 : p + 1;
  if (byte !== OPEN) return p + 1;

  let i = p + 1;
  if (i < patternEnd && pattern[i] === CARET) i++;
  while (i < patternEnd && pattern[i] !== CLOSE) i = classItemEnd(pattern, i);
  return i < patternEnd ? i + 1 : patternEnd;
}

/** The index behind the escape, range or byte that starts at `i` inside of a class. */
function classItemEnd(pattern: Uint8Array, i: number): number {
  const left = pattern.length - i;
  if (left >= 2 && pattern[i] === BACKSLASH) return i + 2;
  if (left >= 3 && pattern[i + 1] === DASH) return i + 3;
  return i + 1;
}

function matchesElement(
  pattern: Uint8Array,
  p: number,
  next: number,
  byte: number,
  ignoreCase: boolean,
): boolean {
  const kind = pattern[p]!;
  if (kind === QUESTION) return true;
  if (kind === OPEN) return matchesClass(pattern, p + 1, next, byte, ignoreCase);
  const literal = kind === BACKSLASH ? pattern[next - 1]! : kind;
  return literal === byte || lower(literal, ignoreCase) === lower(byte, ignoreCase);
}

/** A class without its `]` ends with the pattern. */
function matchesClass(
  pattern: Uint8Array,
  start: number,
  end: number,
  byte: number,
  ignoreCase: boolean,
): boolean {
  const patternEnd = pattern.length;
  const negated = start < patternEnd && pattern[start] === CARET;
  let i = negated ? start + 1 : start;
  let found = false;
  while (i < end && pattern[i] !== CLOSE) {
    const next = classItemEnd(pattern, i);
    if (matchesClassItem(pattern, i, next, byte, ignoreCase)) found = true;
    i = next;
  }
  return found !== negated;
}

function matchesClassItem(
  pattern: Uint8Array,
  i: number,
  next: number,
  byte: number,
  ignoreCase: boolean,
): boolean {
  const first = pattern[i]!;
  const length = next - i;
  // An escaped byte keeps its case even when the rest of the pattern does not.
  if (length === 2) return pattern[i + 1] === byte;
  if (length === 1) return lower(first, ignoreCase) === lower(byte, ignoreCase);

  const last = pattern[i + 2]!;
  const swapped = signed(first) > signed(last);
  const low = signed(lower(swapped ? last : first, ignoreCase));
  const high = signed(lower(swapped ? first : last, ignoreCase));
  const value = signed(lower(byte, ignoreCase));
  return value >= low && value <= high;
}
