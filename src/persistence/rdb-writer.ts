/**
 * Writes an RDB file of version 10 (grammar: docs/formats/rdb.md; Redis 7.0 rdb.c, rdbSaveRio), in this
 * order:
 *
 *     header, functions, then for each database: select, resize, keys; at last: end
 *
 * It collects bytes and hands them on in chunks; what becomes of those is the caller's business.
 */
import {
  OPCODE_AUX,
  OPCODE_END,
  OPCODE_EXPIRY_MILLIS,
  OPCODE_FREQUENCY,
  OPCODE_FUNCTION,
  OPCODE_IDLE,
  OPCODE_RESIZE_DATABASE,
  OPCODE_SELECT_DATABASE,
  RDB_VERSION,
  TYPE_STRING,
} from './rdb-constants.ts';
import { integerText, RdbOutput, type RdbOutputOptions } from './rdb-output.ts';
import {
  countOfCollection,
  typeOfCollection,
  typeOfValue,
  writeCollectionEnd,
  writeCollectionHead,
  writeCollectionPiece,
  writeValue,
} from './rdb-value-writer.ts';
import type { CollectionHead, CollectionPiece, RdbKeyFacts, RdbString, RdbWritable } from './rdb-values.ts';

/** A key as the writer takes it. An item of the reader is one. */
export interface RdbWritableEntry extends RdbKeyFacts {
  readonly value: RdbWritable;
}

export class RdbWriter {
  readonly #output: RdbOutput;
  /** Bytes of a string begun in pieces that have not come yet. */
  #stringBytesLeft = 0;
  /** The collection that is written in pieces, and how many of its elements or nodes have not come yet. */
  #collection: CollectionHead | undefined;
  #elementsLeft = 0;

  constructor(options: RdbOutputOptions) {
    this.#output = new RdbOutput(options);
  }

  /** Bytes of the file so far, handed on or not. */
  get offset(): number {
    return this.#output.offset;
  }

  /**
   * The file's start and facts such as `redis-ver`, `redis-bits`, `ctime` (Unix seconds), `used-mem` (bytes).
   */
  writeHeader(facts: Readonly<Record<string, string | number>>): void {
    const magic = Buffer.from(`REDIS${String(RDB_VERSION).padStart(4, '0')}`, 'latin1');
    this.#output.writeBytes(magic, 0, magic.length);
    for (const [name, value] of Object.entries(facts)) {
      this.#output.writeByte(OPCODE_AUX);
      this.#output.writeWholeString(Buffer.from(name));
      this.#output.writeWholeString(typeof value === 'number' ? integerText(value) : Buffer.from(value));
    }
  }

  /** The source code of a library of functions. */
  writeFunction(code: Uint8Array): void {
    this.#output.writeByte(OPCODE_FUNCTION);
    this.#output.writeWholeString(code);
  }

  selectDatabase(database: number): void {
    this.#output.writeByte(OPCODE_SELECT_DATABASE);
    this.#output.writeLength(database);
  }

  /** A hint to the loader: keys of the database, and those of them that expire. */
  resizeDatabase(keyCount: number, expiryCount: number): void {
    this.#output.writeByte(OPCODE_RESIZE_DATABASE);
    this.#output.writeLength(keyCount);
    this.#output.writeLength(expiryCount);
  }

  /** A key. Throws RdbError, before anything is written, when version 10 cannot hold the value. */
  writeEntry(entry: RdbWritableEntry): void {
    const { value } = entry;
    if (value.kind === 'string') {
      this.#writeStringEntry(entry, value);
      return;
    }
    const type = typeOfValue(value);
    this.#writeFacts(entry);
    this.#output.writeByte(type);
    this.#output.writeString(entry.key);
    writeValue(this.#output, value);
  }

  /**
   * A key whose value, a string of `valueBytes` bytes, follows by `writeStringPiece`: for values too long to
   * be held in memory once more. It is written as it is, uncompressed.
   */
  beginStringEntry(facts: RdbKeyFacts, valueBytes: number): void {
    this.#writeFacts(facts);
    this.#output.writeByte(TYPE_STRING);
    this.#output.writeString(facts.key);
    this.#output.writeLength(valueBytes);
    this.#stringBytesLeft = valueBytes;
  }

  writeStringPiece(bytes: Uint8Array, start: number, end: number): void {
    this.#stringBytesLeft -= end - start;
    if (this.#stringBytesLeft < 0) throw new Error('more bytes than announced for a string');
    this.#output.writeBytes(bytes, start, end);
  }

  /** A key whose value, a collection, follows by `writeCollectionPiece`. */
  beginCollectionEntry(facts: RdbKeyFacts, head: CollectionHead): void {
    this.#writeFacts(facts);
    this.#output.writeByte(typeOfCollection(head));
    this.#output.writeString(facts.key);
    writeCollectionHead(this.#output, head);
    this.#collection = head;
    this.#elementsLeft = countOfCollection(head);
  }

  writeCollectionPiece(piece: CollectionPiece): void {
    this.#elementsLeft -= writeCollectionPiece(this.#output, piece);
  }

  endCollectionEntry(): void {
    if (this.#elementsLeft !== 0 || this.#collection === undefined) {
      throw new Error(`a collection with ${-this.#elementsLeft} elements more than announced`);
    }
    writeCollectionEnd(this.#output, this.#collection);
    this.#collection = undefined;
  }

  /** The end and its checksum; all bytes have been handed on after it. */
  end(): void {
    this.#assertValueComplete();
    this.#output.writeByte(OPCODE_END);
    this.#output.writeUint64LE(this.#output.checksum());
    this.#output.flush();
  }

  /** Hands on what is collected, e.g. before a pause. */
  flush(): void {
    this.#output.flush();
  }

  /** By far the most common kind: without the detour of the table. */
  #writeStringEntry(facts: RdbKeyFacts, value: RdbString): void {
    this.#writeFacts(facts);
    this.#output.writeByte(TYPE_STRING);
    this.#output.writeString(facts.key);
    this.#output.writeString(value);
  }

  #writeFacts(facts: RdbKeyFacts): void {
    this.#assertValueComplete();
    const output = this.#output;
    if (facts.expiryMillis !== undefined) {
      output.writeByte(OPCODE_EXPIRY_MILLIS);
      output.writeMillis(facts.expiryMillis);
    }
    if (facts.idleSeconds !== undefined) {
      output.writeByte(OPCODE_IDLE);
      output.writeLength(facts.idleSeconds);
    }
    if (facts.frequency !== undefined) {
      output.writeByte(OPCODE_FREQUENCY);
      output.writeByte(facts.frequency);
    }
  }

  #assertValueComplete(): void {
    if (this.#stringBytesLeft !== 0) throw new Error('fewer bytes than announced for a string');
    if (this.#collection !== undefined) throw new Error('a collection without its end');
  }
}
