/**
 * Where a snapshot goes: one of the file formats (rdb-snapshot.ts, json-snapshot-writer.ts, aof-snapshot.ts).
 *
 *     begin { entry | beginString { stringPiece } | beginCollection { collectionPiece } endCollection } end
 *
 * Keys come in no order, those of one database not even one behind the other: a key that changes while the
 * snapshot runs is handed over at that moment. All bytes are borrowed until the call returns.
 */
import type { CollectionHead, CollectionPiece, RdbKeyFacts, RdbWritable } from './rdb-values.ts';

/** What is known at the cut, the moment whose state is saved. */
export interface SnapshotFacts {
  /** Unix time in ms. */
  readonly unixMillis: number;
  /** Keys in all databases. */
  readonly keyCount: number;
  /** Databases that have keys, by index. */
  readonly databases: readonly {
    readonly index: number;
    readonly keyCount: number;
    readonly expiringCount: number;
  }[];
  /** Bytes. */
  readonly usedMemory: number;
  /** The file begins an append-only file. */
  readonly isAofBase: boolean;
}

export interface SnapshotEntry extends RdbKeyFacts {
  readonly value: RdbWritable;
}

export interface SnapshotSink {
  begin(facts: SnapshotFacts): void;
  entry(databaseIndex: number, entry: SnapshotEntry): void;
  /** A key whose value, a string of `valueBytes` bytes, follows in pieces: it is too long for one. */
  beginString(databaseIndex: number, facts: RdbKeyFacts, valueBytes: number): void;
  stringPiece(bytes: Uint8Array, start: number, end: number): void;
  /** A key whose value, a collection, follows in pieces, as many elements or nodes as the head says. */
  beginCollection(databaseIndex: number, facts: RdbKeyFacts, head: CollectionHead): void;
  collectionPiece(piece: CollectionPiece): void;
  endCollection(): void;
  /** Completes the format; everything has been handed on to the file. */
  end(): void;
}
