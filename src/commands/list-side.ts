/** LEFT and RIGHT (t_list.c, getListPositionFromObjectOrReply). */
import type { Call } from './call.ts';
import { SYNTAX_ERROR } from './errors.ts';

/** True for LEFT, the head. @throws SYNTAX_ERROR */
export function isHeadSide(call: Call, index: number): boolean {
  if (call.is(index, 'LEFT')) return true;
  if (call.is(index, 'RIGHT')) return false;
  throw SYNTAX_ERROR;
}
