/**
 * What the rest of a damaged append-only file says about the place that is damaged: an intact group that
 * begins with `#SYNCED:<offset>` was written when everything below that offset was on disk, so what is bad
 * there now had been good.
 *
 * Only bytes are looked at, for the records cannot be parsed any more. A client could put such a group into a
 * value; what it would gain is a refusal to load a file that has been damaged anyway.
 */
import { crc64 } from '../util/crc64.ts';
import { ANNOTATION_BYTES_MAX, parseAnnotation } from './aof-annotations.ts';
import { readFully, type Descriptor, type Disk } from './disk.ts';

const WINDOW_BYTES = 1024 * 1024;
/** What is looked for from the end is looked for in so much more each time. */
const WINDOW_GROWTH = 8;
const CRC_CHUNK_BYTES = 1024 * 1024;
/**
 * Checksum lines looked at per candidate: the first that follows is the right one, unless a value holds its
 * like.
 */
const CHECKSUM_LINES_MAX = 8;

const SYNCED_PREFIX = '#SYNCED:';
const CHECKSUM_PREFIX = '#CRC64:';
const LF = 10;

/** Whether an intact group behind `start` says that the file had been synced beyond `offset`. */
export function findsSyncedBeyond(
  disk: Disk,
  fd: Descriptor,
  { start, size, offset }: { start: number; size: number; offset: number },
): boolean {
  for (const line of annotationLines(disk, fd, { prefix: SYNCED_PREFIX, start, size })) {
    const annotation = parseAnnotation(line.text);
    if (annotation.kind !== 'synced' || annotation.offset <= offset) continue;
    if (isInIntactGroup(disk, fd, { start: line.start, size })) return true;
  }
  return false;
}

/** Up to where a file is known to be on disk: the last intact group that says so is asked. */
export function lastSyncedOffset(disk: Disk, fd: Descriptor): number {
  const size = disk.size(fd);
  for (let byteCount = WINDOW_BYTES; ; byteCount *= WINDOW_GROWTH) {
    const start = Math.max(0, size - byteCount);
    const lines = [...annotationLines(disk, fd, { prefix: SYNCED_PREFIX, start, size })];
    for (const line of lines.reverse()) {
      const annotation = parseAnnotation(line.text);
      if (annotation.kind !== 'synced' || annotation.offset > line.start) continue;
      if (isInIntactGroup(disk, fd, { start: line.start, size })) return annotation.offset;
    }
    if (start === 0) return 0;
  }
}

/** Whether the `byteCount` bytes before the offset `end` have this checksum. */
export function isChecksumOf(
  disk: Disk,
  fd: Descriptor,
  { crc, byteCount, end }: { crc: bigint; byteCount: number; end: number },
): boolean {
  if (byteCount > end) return false;
  const chunk = Buffer.allocUnsafeSlow(Math.min(byteCount, CRC_CHUNK_BYTES));
  let sum = 0n;
  for (let position = end - byteCount; position < end;) {
    const wanted = Math.min(chunk.length, end - position);
    const count = readFully(disk, fd, { target: chunk, start: 0, end: wanted, position });
    if (count < wanted) return false;
    sum = crc64(sum, chunk, 0, count);
    position += count;
  }
  return sum === crc;
}

function isInIntactGroup(
  disk: Disk,
  fd: Descriptor,
  { start, size }: { start: number; size: number },
): boolean {
  let count = 0;
  for (const line of annotationLines(disk, fd, { prefix: CHECKSUM_PREFIX, start, size })) {
    const annotation = parseAnnotation(line.text);
    const covers = annotation.kind === 'checksum' && line.start - annotation.byteCount <= start;
    if (covers && isChecksumOf(disk, fd, { ...annotation, end: line.start })) return true;
    if (++count === CHECKSUM_LINES_MAX) return false;
  }
  return false;
}

/** Lines that begin with `prefix`, wherever they are, and the file offsets of their first bytes. */
function* annotationLines(
  disk: Disk,
  fd: Descriptor,
  { prefix, start, size }: { prefix: string; start: number; size: number },
): Generator<{ readonly text: string; readonly start: number }> {
  const window = Buffer.allocUnsafeSlow(Math.min(WINDOW_BYTES, size - start));
  // Windows overlap by the longest line, so that each is whole in one of them.
  for (let base = start; base < size; base += WINDOW_BYTES - ANNOTATION_BYTES_MAX) {
    const filled = readFully(disk, fd, { target: window, start: 0, end: window.length, position: base });
    const isLast = base + filled >= size;
    const startMax = isLast ? filled : WINDOW_BYTES - ANNOTATION_BYTES_MAX;
    const bytes = window.subarray(0, filled);
    for (let at = bytes.indexOf(prefix); at >= 0 && at < startMax; at = bytes.indexOf(prefix, at + 1)) {
      const end = bytes.indexOf(LF, at);
      if (end >= 0) yield { text: bytes.toString('latin1', at, end + 1), start: base + at };
    }
    if (isLast) return;
  }
}
