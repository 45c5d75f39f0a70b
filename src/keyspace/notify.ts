/** Keyspace event classes (Redis 7.0 server.h, NOTIFY_*), the letters of `notify-keyspace-events`. */
export const NOTIFY_KEYSPACE = 1 << 0;
export const NOTIFY_KEYEVENT = 1 << 1;
export const NOTIFY_GENERIC = 1 << 2;
export const NOTIFY_STRING = 1 << 3;
export const NOTIFY_LIST = 1 << 4;
export const NOTIFY_SET = 1 << 5;
export const NOTIFY_HASH = 1 << 6;
export const NOTIFY_SORTED_SET = 1 << 7;
export const NOTIFY_EXPIRED = 1 << 8;
export const NOTIFY_EVICTED = 1 << 9;
export const NOTIFY_STREAM = 1 << 10;
export const NOTIFY_KEY_MISS = 1 << 11;
export const NOTIFY_MODULE = 1 << 13;
export const NOTIFY_NEW = 1 << 14;

/** The letters of the classes; `A` stands for ALL_LETTERS. */
const LETTERS: Readonly<Record<string, number>> = {
  K: NOTIFY_KEYSPACE,
  E: NOTIFY_KEYEVENT,
  g: NOTIFY_GENERIC,
  $: NOTIFY_STRING,
  l: NOTIFY_LIST,
  s: NOTIFY_SET,
  h: NOTIFY_HASH,
  z: NOTIFY_SORTED_SET,
  x: NOTIFY_EXPIRED,
  e: NOTIFY_EVICTED,
  t: NOTIFY_STREAM,
  m: NOTIFY_KEY_MISS,
  d: NOTIFY_MODULE,
  n: NOTIFY_NEW,
};
const ALL_LETTERS = 'g$lshzxetd';

/** The classes that `notify-keyspace-events` names; none when it does not say where to publish (`K`, `E`). */
export function notifyMaskOf(text: string): number {
  let mask = 0;
  for (const letter of text.replaceAll('A', ALL_LETTERS)) mask |= LETTERS[letter] ?? 0;
  return (mask & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT)) === 0 ? 0 : mask;
}
