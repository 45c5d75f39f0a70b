/**
 * Values that are too large to be copied at once, from the keyspace (held-strings.ts, held-collections.ts)
 * into a snapshot: one after the other, in pieces. Under the lock pieces are copied behind what is in the
 * buffer, outside of it they are written.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import { PIECE_BYTES } from '../keyspace/held-strings.ts';
import type { Ref } from '../memory/arena.ts';
import { readHead, readPiece, type SavedCollection } from './saved-collection.ts';
import type { RecordBuffer, RecordReader } from './snapshot-entry.ts';
import type { SnapshotSink } from './snapshot-sink.ts';

export class HeldValues {
  readonly #keyspace: Keyspace;
  readonly #records: RecordBuffer;
  readonly #reader: RecordReader;
  /** The string or collection that is being saved, 0 = none. */
  #string: Ref = 0;
  #collection: Ref = 0;
  #stringBytes = 0;
  /** What there is to know of the collection. */
  #about: SavedCollection = { type: 0, count: 0, hasExpiry: false, restStart: 0 };
  /** The buffer begins with the facts of the value, to be told before its first piece. */
  #begins = false;
  /** The last piece is in the buffer. */
  #ends = false;
  /** Where in the buffer the pieces start and end. */
  readonly #pieces: number[] = [];

  constructor(keyspace: Keyspace, records: RecordBuffer, reader: RecordReader) {
    this.#keyspace = keyspace;
    this.#records = records;
    this.#reader = reader;
  }

  // Under the lock ------------------------------------------------------------------------------------------

  /** Whether nothing waits, and nothing is being saved. */
  get isEmpty(): boolean {
    const { held, heldCollections } = this.#keyspace;
    return !this.isSaving && held.isEmpty && heldCollections.isEmpty;
  }

  /** Whether a value is being saved: nothing else may come between its pieces. */
  get isSaving(): boolean {
    return this.#string !== 0 || this.#collection !== 0;
  }

  /** Begins with the value for which the most memory is kept by now, or so. */
  take(): void {
    const { held, heldCollections } = this.#keyspace;
    const takesString =
      !held.isEmpty && (heldCollections.isEmpty || held.waitingBytes >= heldCollections.waitingBytes);
    if (takesString) this.#takeString();
    else this.#takeCollection();
    this.#begins = true;
  }

  #takeString(): void {
    const { arena, held } = this.#keyspace;
    this.#string = held.take();
    this.#stringBytes = held.lengthOf(this.#string);
    this.#records.appendImage(arena, held.imageOf(this.#string), held.cutIndexOf(this.#string));
  }

  #takeCollection(): void {
    const { arena, heldCollections } = this.#keyspace;
    const records = this.#records;
    const record = heldCollections.take();
    this.#collection = record;
    records.appendImage(arena, heldCollections.imageOf(record), heldCollections.cutIndexOf(record));
    this.#about = {
      type: heldCollections.typeOf(record),
      count: heldCollections.countOf(record),
      hasExpiry: heldCollections.hasExpiryOf(record),
      restStart: records.used,
    };
    const restBytes = heldCollections.restBytesOf(record);
    if (restBytes === 0) return;
    records.reserve(restBytes);
    heldCollections.readRest(record, records.bytes, records.used);
    records.used += restBytes;
  }

  /** Copies pieces of the value that is being saved, one at least, until told to stop. */
  save(shouldStop: () => boolean): void {
    if (this.#string !== 0) this.#saveString(shouldStop);
    else this.#saveCollection(shouldStop);
    if (!this.#ends) return;
    if (this.#string !== 0) this.#keyspace.held.finish(this.#string);
    else this.#keyspace.heldCollections.finish(this.#collection);
  }

  #saveString(shouldStop: () => boolean): void {
    const { held } = this.#keyspace;
    const records = this.#records;
    records.reserve(PIECE_BYTES);
    do {
      const start = records.used;
      records.used = held.savePiece(this.#string, records.bytes, start);
      this.#pieces.push(start, records.used);
      this.#ends = held.isSaved(this.#string);
    } while (!this.#ends && records.hasRoom(PIECE_BYTES) && !shouldStop());
  }

  #saveCollection(shouldStop: () => boolean): void {
    const { heldCollections } = this.#keyspace;
    const records = this.#records;
    const start = records.used;
    heldCollections.save(this.#collection, records, shouldStop);
    if (records.used > start) this.#pieces.push(start, records.used);
    this.#ends = heldCollections.isSaved(this.#collection);
  }

  /** Lets go of what waits, until told to stop; true when nothing is left. */
  drop(shouldStop: () => boolean): boolean {
    const { held, heldCollections } = this.#keyspace;
    if (!this.#ends) {
      if (this.#string !== 0) held.finish(this.#string);
      if (this.#collection !== 0) heldCollections.finish(this.#collection);
    }
    this.#forget();
    while (!this.isEmpty) {
      if (held.isEmpty) heldCollections.finish(heldCollections.take());
      else held.finish(held.take());
      if (shouldStop()) break;
    }
    return this.isEmpty;
  }

  #forget(): void {
    this.#string = 0;
    this.#collection = 0;
    this.#begins = false;
    this.#ends = false;
    this.#pieces.length = 0;
  }

  // Outside of the lock -------------------------------------------------------------------------------------

  /** Writes the pieces that were copied; true when these were the last ones of a value. */
  write(sink: SnapshotSink): boolean {
    if (this.#begins) {
      this.#begins = false;
      this.#reader.readFacts(this.#records, 0);
      this.#writeHead(sink);
    }
    const pieces = this.#pieces;
    for (let i = 0; i < pieces.length; i += 2) this.#writePiece(sink, pieces[i]!, pieces[i + 1]!);
    pieces.length = 0;
    if (!this.#ends) return false;
    if (this.#collection !== 0) sink.endCollection();
    this.#forget();
    return true;
  }

  #writeHead(sink: SnapshotSink): void {
    const reader = this.#reader;
    if (this.#string !== 0) {
      sink.beginString(reader.databaseIndex, reader, this.#stringBytes);
    } else {
      sink.beginCollection(reader.databaseIndex, reader, readHead(this.#records, this.#about));
    }
  }

  #writePiece(sink: SnapshotSink, start: number, end: number): void {
    if (this.#string !== 0) sink.stringPiece(this.#records.bytes, start, end);
    else sink.collectionPiece(readPiece(this.#records, this.#about, start, end));
  }
}
