/**
 * Makes sure of a file that an earlier process has written: what can be read may be in the page cache only,
 * and fsync does not help when an earlier one has failed, for the kernel has marked those pages clean
 * (Rebello et al., "Can Applications Recover from fsync Failures?", ATC'20). So the end of the file, from
 * where it is known to be on disk, is written once more in place, and then synced.
 */
import { lastSyncedOffset } from './aof-reader-evidence.ts';
import { readFully, type Descriptor, type Disk } from './disk.ts';

const CHUNK_BYTES = 1024 * 1024;

/** Throws DiskError. */
export function syncAgain(disk: Disk, path: string): void {
  const fd = disk.open(path, 'update');
  try {
    rewriteFrom(disk, fd, lastSyncedOffset(disk, fd));
    disk.fsync(fd);
  } finally {
    disk.close(fd);
  }
}

function rewriteFrom(disk: Disk, fd: Descriptor, offset: number): void {
  const size = disk.size(fd);
  const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, size - offset));
  for (let position = offset; position < size;) {
    const end = readFully(disk, fd, {
      target: chunk,
      start: 0,
      end: Math.min(chunk.length, size - position),
      position,
    });
    for (let start = 0; start < end;) start += disk.writeAt(fd, chunk, start, end, position + start);
    position += end;
  }
}
