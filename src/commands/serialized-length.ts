/**
 * How many bytes a string value takes in an RDB file (Redis 7.0 rdb.c, rdbSaveStringObject): DEBUG OBJECT
 * shows it.
 */
import { lzfCompress } from '../util/lzf.ts';
import { parseInteger } from '../util/numbers.ts';

/** Longer texts are not tried as an int32. */
const INT32_TEXT_BYTES_MAX = 11;
/** Shorter strings do not get smaller by compression. */
const COMPRESSED_BYTES_MIN = 21;
/** What compression has to save at least. */
const SAVED_BYTES_MIN = 4;

export function serializedLength(
  bytes: Uint8Array,
  start: number,
  end: number,
  isCompressing: boolean,
): number {
  const length = end - start;
  if (length <= INT32_TEXT_BYTES_MAX) {
    const integer = parseInteger(bytes, start, end);
    if (integer === (integer << 24) >> 24) return 2;
    if (integer === (integer << 16) >> 16) return 3;
    if (integer === (integer | 0)) return 5;
  }
  if (isCompressing && length >= COMPRESSED_BYTES_MIN) {
    const room = length - SAVED_BYTES_MIN;
    const compressed = lzfCompress(bytes, start, end, new Uint8Array(room), 0, room);
    if (compressed > 0) return 1 + lengthBytes(compressed) + lengthBytes(length) + compressed;
  }
  return lengthBytes(length) + length;
}

/** Bytes of a length field: 6 bits, 14 bits, 32 bits or 64 bits (rdb.c, rdbSaveLen). */
function lengthBytes(length: number): number {
  if (length < 2 ** 6) return 1;
  if (length < 2 ** 14) return 2;
  return length < 2 ** 32 ? 5 : 9;
}
