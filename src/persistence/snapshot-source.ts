/**
 * Snapshot files as they are found: which there are, what format they have, and opening them. A name only
 * says in which format a file is written; reading believes its first bytes.
 */
import { extname, join } from 'node:path';
import { DiskSource } from './disk-source.ts';
import { readFully, type Disk } from './disk.ts';
import { JsonSnapshotReader } from './json-snapshot-reader.ts';
import { RdbReader } from './rdb-reader.ts';
import { formatOfName } from './snapshot-format.ts';
import type { SnapshotReader } from './snapshot-loader.ts';

/** Formats that can be read. */
export type SourceFormat = 'rdb' | 'json';

const HEAD_BYTES = 64;
const RDB_MAGIC = /^(REDIS|VALKEY)/;
/** A byte order mark and blanks may come before. */
const JSON_START = /^(\xef\xbb\xbf)?[ \t\r\n]*\{/;

/** The snapshot in the other format: `dump.json` for `dump.rdb` and any other name, `dump.rdb` for it. */
export function siblingOf(fileName: string): string {
  const stem = fileName.slice(0, fileName.length - extname(fileName).length);
  return formatOfName(fileName) === 'json' ? `${stem}.rdb` : `${stem}.json`;
}

/** The snapshot to load: the file of that name or, if there is none, its sibling. */
export function findSnapshot(disk: Disk, directory: string, fileName: string): string | undefined {
  if (fileName === '') return undefined;
  return [fileName, siblingOf(fileName)]
    .map((name) => join(directory, name))
    .find((path) => disk.exists(path));
}

/** An open snapshot file. */
export interface OpenSnapshot {
  readonly reader: SnapshotReader;
  readonly format: SourceFormat;
  /** Bytes. */
  readonly size: number;
  readonly close: () => void;
}

/** Throws DiskError. */
export function openSnapshot(disk: Disk, path: string, isVerifyingChecksum: boolean): OpenSnapshot {
  const fd = disk.open(path, 'read');
  try {
    const target = Buffer.alloc(HEAD_BYTES);
    const count = readFully(disk, fd, { target, start: 0, end: target.length, position: 0 });
    const head = target.toString('latin1', 0, count);
    const format = formatByContent(head) ?? formatOfName(path);
    const source = new DiskSource(disk, fd);
    const reader =
      format === 'json'
        ? new JsonSnapshotReader(source)
        : new RdbReader(source, { isVerifyingChecksum, keepsPacked: true });
    return { reader, format, size: disk.size(fd), close: () => disk.close(fd) };
  } catch (error) {
    disk.close(fd);
    throw error;
  }
}

function formatByContent(head: string): SourceFormat | undefined {
  if (RDB_MAGIC.test(head)) return 'rdb';
  return JSON_START.test(head) ? 'json' : undefined;
}
