/**
 * A snapshot at once, under a lock that the caller holds: SAVE, and the last save before the server stops.
 */
import type { Database } from '../keyspace/database.ts';
import { PIECE_BYTES } from '../keyspace/held-strings.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';
import { EntryCopier, type EntryVisitor } from './snapshot-copier.ts';
import { readHead, readPiece } from './saved-collection.ts';
import { RecordReader, type AccessFacts } from './snapshot-entry.ts';
import type { SnapshotFacts, SnapshotSink } from './snapshot-sink.ts';

export interface WalkNowOptions {
  /** As `snapshotFacts` gives them. */
  readonly facts: SnapshotFacts;
  readonly accessFacts: AccessFacts;
}

/**
 * Gives all keys to the sink. A snapshot that runs in the background is not affected: nothing is marked.
 * @returns how many keys there were
 */
export function walkNow(keyspace: Keyspace, sink: SnapshotSink, options: WalkNowOptions): number {
  return new SynchronousWalk(keyspace, sink, options).run(options.facts);
}

class SynchronousWalk implements EntryVisitor {
  readonly #keyspace: Keyspace;
  readonly #sink: SnapshotSink;
  readonly #copier: EntryCopier;
  readonly #reader: RecordReader;
  readonly #value = new BorrowedBytes();
  #savedCount = 0;

  constructor(keyspace: Keyspace, sink: SnapshotSink, { accessFacts }: WalkNowOptions) {
    this.#keyspace = keyspace;
    this.#sink = sink;
    this.#copier = new EntryCopier(keyspace, this);
    this.#reader = new RecordReader(keyspace.accessClock, accessFacts);
  }

  run(facts: SnapshotFacts): number {
    this.#sink.begin(facts);
    for (const database of this.#keyspace.databases) {
      this.#copier.begin();
      while (!this.#copier.isDone) this.#copier.stepThroughAll(database);
      this.#flush();
    }
    this.#sink.end();
    return this.#savedCount;
  }

  visit(database: Database, entry: Ref): boolean {
    if (this.#keyspace.held.isLong(entry)) {
      this.#flush();
      this.#writeLong(database, entry);
    } else if (this.#keyspace.heldCollections.isLarge(entry)) {
      this.#flush();
      this.#writeLarge(database, entry);
    } else if (!this.#copier.copy(entry, database.index)) {
      this.#flush();
      this.#copier.copy(entry, database.index);
    }
    return true;
  }

  #flush(): void {
    const { records } = this.#copier;
    for (let at = 0; at < records.used; this.#savedCount++) {
      at = this.#reader.read(records, at);
      this.#sink.entry(this.#reader.databaseIndex, this.#reader);
    }
    records.used = 0;
  }

  #writeLong(database: Database, entry: Ref): void {
    const { records } = this.#copier;
    const value = this.#value;
    this.#keyspace.strings.borrow(entry, value);
    records.appendImage(this.#keyspace.arena, entry, database.index);
    records.reserve(PIECE_BYTES);
    this.#reader.readFacts(records, 0);
    this.#sink.beginString(database.index, this.#reader, value.length);
    const at = records.used;
    for (let start = value.start; start < value.end; start += PIECE_BYTES) {
      const end = Math.min(start + PIECE_BYTES, value.end);
      this.#sink.stringPiece(records.bytes, at, copyBytes(records.bytes, at, value.bytes, start, end));
    }
    records.used = 0;
    this.#savedCount++;
  }

  /** A collection, a buffer full at a time. */
  #writeLarge(database: Database, entry: Ref): void {
    const { arena, heldCollections } = this.#keyspace;
    const { records } = this.#copier;
    records.appendImage(arena, entry, database.index);
    this.#reader.readFacts(records, 0);
    const about = {
      type: database.typeOf(entry),
      count: heldCollections.countOfLarge(entry),
      hasExpiry: heldCollections.hasExpiryOfLarge(entry),
      restStart: records.used,
    };
    heldCollections.copyRest(entry, records);
    this.#sink.beginCollection(database.index, this.#reader, readHead(records, about));
    records.used = 0;
    heldCollections.copyInPieces(entry, records, () => {
      this.#sink.collectionPiece(readPiece(records, about, 0, records.used));
      records.used = 0;
    });
    this.#sink.endCollection();
    this.#savedCount++;
  }
}
