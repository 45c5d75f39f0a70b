/** A snapshot as an RDB file: `dump.rdb`, the base of an append-only file (grammar: docs/formats/rdb.md). */
import { REDIS_VERSION } from '../config/help.ts';
import type { RdbOutputOptions } from './rdb-output.ts';
import { RdbWriter } from './rdb-writer.ts';
import type { CollectionHead, CollectionPiece, RdbKeyFacts } from './rdb-values.ts';
import type { SnapshotEntry, SnapshotFacts, SnapshotSink } from './snapshot-sink.ts';

const NO_DATABASE = -1;
const MILLIS_PER_SECOND = 1000;

export class RdbSnapshot implements SnapshotSink {
  readonly #writer: RdbWriter;
  /** Databases whose size has not been noted yet. */
  readonly #unannounced = new Map<number, SnapshotFacts['databases'][number]>();
  #database = NO_DATABASE;

  constructor(options: RdbOutputOptions) {
    this.#writer = new RdbWriter(options);
  }

  /** The facts are those of Redis 7.0 rdb.c, rdbSaveInfoAuxFields. */
  begin({ unixMillis, usedMemory, isAofBase, databases }: SnapshotFacts): void {
    for (const database of databases) this.#unannounced.set(database.index, database);
    this.#writer.writeHeader({
      'redis-ver': REDIS_VERSION,
      'redis-bits': 64,
      ctime: Math.floor(unixMillis / MILLIS_PER_SECOND),
      'used-mem': usedMemory,
      'aof-base': isAofBase ? 1 : 0,
    });
  }

  functionLibrary(code: Uint8Array): void {
    this.#writer.writeFunction(code);
  }

  entry(databaseIndex: number, entry: SnapshotEntry): void {
    if (databaseIndex !== this.#database) this.#select(databaseIndex);
    this.#writer.writeEntry(entry);
  }

  beginString(databaseIndex: number, facts: RdbKeyFacts, valueBytes: number): void {
    if (databaseIndex !== this.#database) this.#select(databaseIndex);
    this.#writer.beginStringEntry(facts, valueBytes);
  }

  stringPiece(bytes: Uint8Array, start: number, end: number): void {
    this.#writer.writeStringPiece(bytes, start, end);
  }

  beginCollection(databaseIndex: number, facts: RdbKeyFacts, head: CollectionHead): void {
    if (databaseIndex !== this.#database) this.#select(databaseIndex);
    this.#writer.beginCollectionEntry(facts, head);
  }

  collectionPiece(piece: CollectionPiece): void {
    this.#writer.writeCollectionPiece(piece);
  }

  endCollection(): void {
    this.#writer.endCollectionEntry();
  }

  end(): void {
    this.#writer.end();
  }

  #select(index: number): void {
    this.#database = index;
    this.#writer.selectDatabase(index);
    const facts = this.#unannounced.get(index);
    if (facts === undefined) return;
    this.#unannounced.delete(index);
    this.#writer.resizeDatabase(facts.keyCount, facts.expiringCount);
  }
}
