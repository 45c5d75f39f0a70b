/** Cursor, MATCH, COUNT and TYPE of SCAN and its kin (Redis 7.0 db.c, scanGenericCommand). */
import { parseCursor } from '../util/numbers.ts';
import type { Call } from './call.ts';
import { INVALID_CURSOR, SYNTAX_ERROR } from './errors.ts';

const COUNT_DEFAULT = 10;
/**
 * In a sparse table, this many buckets per element asked for are walked before the client must come again.
 */
export const SCAN_BUCKETS_PER_ELEMENT = 10;
const ONLY_STAR = 0x2a;

export interface ScanOptions {
  /** What elements must match; undefined for all. Borrowed: gone when the command has run. */
  pattern: Uint8Array | undefined;
  /** About how many elements to visit. */
  count: number;
  /** The type that keys must have, lower case; undefined for all. */
  typeName: string | undefined;
}

/**
 * The cursor of a table's `scan`: 64 bits for Redis, of which a table below 2^32 buckets uses the low ones.
 */
export function scanCursor(call: Call, index: number): number {
  const { request } = call;
  const cursor = parseCursor(request.buffer, request.start(index), request.end(index));
  if (cursor === undefined) throw INVALID_CURSOR;
  return Number(BigInt.asUintN(32, cursor));
}

/** @param takesType TYPE is an option: keys are scanned, not the elements of one */
export function scanOptions(call: Call, firstOption: number, takesType: boolean): ScanOptions {
  const options: ScanOptions = { pattern: undefined, count: COUNT_DEFAULT, typeName: undefined };
  for (let i = firstOption; i < call.argumentCount; i += 2) {
    if (i + 1 === call.argumentCount) throw SYNTAX_ERROR;
    if (call.is(i, 'COUNT')) options.count = countArgument(call, i + 1);
    else if (call.is(i, 'MATCH')) options.pattern = globArgument(call, i + 1);
    else if (takesType && call.is(i, 'TYPE')) options.typeName = call.text(i + 1).toLowerCase();
    else throw SYNTAX_ERROR;
  }
  return options;
}

function countArgument(call: Call, index: number): number {
  const count = Number(call.int64(index));
  if (count < 1) throw SYNTAX_ERROR;
  return count;
}

/** A pattern, or undefined for `*`: that matches even the empty key, which no other glob with a star does. */
export function globArgument(call: Call, index: number): Uint8Array | undefined {
  const pattern = call.bytes(index);
  return pattern.length === 1 && pattern[0] === ONLY_STAR ? undefined : pattern;
}
