/** Replies of XREAD and XREADGROUP. */
import { map, matches } from '../commands/behaviour.ts';
import type { Expected } from '../commands/behaviour.ts';

/** Streams by their keys: an array of pairs, in RESP3 a map. */
export function streams(...pairs: readonly (readonly [key: string, entries: Expected])[]): Expected {
  const inThree = map(...pairs);
  return {
    special: inThree.special,
    matches: (reply, protocol) => matches(reply, protocol === 3 ? inThree : pairs, protocol),
  };
}
