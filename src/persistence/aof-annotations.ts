/**
 * Annotations: lines of an append-only file that begin with `#`. Every loader since Redis 7.0 skips them
 * (aof.c, loadSingleAppendOnlyFile), provided that they have at most 1,024 bytes.
 *
 *     #TS:1700000000\r\n                        the commands that follow were run at this Unix time (seconds)
 *     #CRC64:0123456789abcdef 4096\r\n          ends a group: checksum of the 4,096 bytes right before this
 *     line #SYNCED:123456\r\n                        when this was written, the file was on disk up to this
 *   offset
 *
 * TS is Redis' own, the others are ours.
 */

export const ANNOTATION_BYTES_MAX = 1024;

export type Annotation =
  | { readonly kind: 'timestamp'; readonly seconds: number }
  | { readonly kind: 'checksum'; readonly crc: bigint; readonly byteCount: number }
  | { readonly kind: 'synced'; readonly offset: number }
  /** Someone else's, or a comment. */
  | { readonly kind: 'other' }
  /** Begins like one of the above and does not go on like it. */
  | { readonly kind: 'malformed' };

const CRC_HEX_DIGITS = 16;

const TIMESTAMP = /^#TS:(-?\d{1,15})\r\n$/;
const CHECKSUM = /^#CRC64:([0-9a-f]{16}) (0|[1-9]\d{0,14})\r\n$/;
const SYNCED = /^#SYNCED:(0|[1-9]\d{0,14})\r\n$/;

const OTHER: Annotation = { kind: 'other' };
const MALFORMED: Annotation = { kind: 'malformed' };

export function formatTimestamp(seconds: number): string {
  return `#TS:${seconds}\r\n`;
}

export function formatChecksum(crc: bigint, byteCount: number): string {
  return `#CRC64:${crc.toString(16).padStart(CRC_HEX_DIGITS, '0')} ${byteCount}\r\n`;
}

export function formatSynced(offset: number): string {
  return `#SYNCED:${offset}\r\n`;
}

/** Reads a whole line, its end included. */
export function parseAnnotation(line: string): Annotation {
  if (line.startsWith('#CRC64:')) {
    const [, hex, byteCount] = CHECKSUM.exec(line) ?? [];
    if (hex === undefined) return MALFORMED;
    return { kind: 'checksum', crc: BigInt(`0x${hex}`), byteCount: Number(byteCount) };
  }
  if (line.startsWith('#SYNCED:')) {
    const [, offset] = SYNCED.exec(line) ?? [];
    return offset === undefined ? MALFORMED : { kind: 'synced', offset: Number(offset) };
  }
  if (line.startsWith('#TS:')) {
    const [, seconds] = TIMESTAMP.exec(line) ?? [];
    return seconds === undefined ? MALFORMED : { kind: 'timestamp', seconds: Number(seconds) };
  }
  return OTHER;
}
