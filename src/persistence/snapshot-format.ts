/** The formats of snapshots and what writes them; snapshot-source.ts has what reads them. */
import { AofSnapshot } from './aof-snapshot.ts';
import type { ChunkHandler } from './chunk-output.ts';
import { JsonSnapshotWriter } from './json-snapshot-writer.ts';
import { RdbSnapshot } from './rdb-snapshot.ts';
import type { SnapshotSink } from './snapshot-sink.ts';

/** `aof`: commands, as the base of an append-only file. */
export type SnapshotFormat = 'json' | 'rdb' | 'aof';

export interface SnapshotSinkOptions {
  /** `rdbcompression` and `rdbchecksum`; only RDB knows the choice, the others always have checksums. */
  readonly isCompressing: boolean;
  readonly isChecksumming: boolean;
  readonly chunkBytes?: number;
}

/** A sink that takes libraries of functions as well, between `begin` and the first key. */
export interface FormatSink extends SnapshotSink {
  functionLibrary(code: Uint8Array): void;
}

export function createSnapshotSink(
  format: SnapshotFormat,
  onChunk: ChunkHandler,
  options: SnapshotSinkOptions,
): FormatSink {
  switch (format) {
    case 'json':
      return new JsonSnapshotWriter(onChunk, options.chunkBytes);
    case 'rdb':
      return new RdbSnapshot({ ...options, onChunk });
    case 'aof':
      return new AofSnapshot(onChunk, options.chunkBytes);
  }
}

/** The format that a file's name asks for: JSON by its ending, RDB otherwise. */
export function formatOfName(fileName: string): 'json' | 'rdb' {
  return fileName.toLowerCase().endsWith('.json') ? 'json' : 'rdb';
}
