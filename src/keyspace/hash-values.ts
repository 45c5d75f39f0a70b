/**
 * Hashes: small ones are a listpack of field, value, field, value …; larger ones, or those with a long field
 * or value, a table of fields (structures/field-table.ts). As in Redis, a hash that has become a table stays
 * one.
 *
 * A *place* says where a field is: its position in the listpack, or its element in the table. The next change
 * of the hash ends it; 0 is no field.
 */
import { strict as assert } from 'node:assert';
import { OutOfMemoryError } from '../memory/allocator.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes, getWord } from '../memory/struct.ts';
import { COLLECTION_HELD } from '../structures/collection-header.ts';
import { FieldTable } from '../structures/field-table.ts';
import { Listpack } from '../structures/listpack.ts';
import type { BulkTarget } from '../structures/listpack.ts';
import { NO_EXPIRY } from './database.ts';
import type { Database } from './database.ts';
import { ENCODING_HASHTABLE, ENCODING_LISTPACK, TYPE_HASH } from './entry.ts';
import type { Keyspace } from './keyspace.ts';
import type { ValueKind } from './value-kind.ts';

/** A listpack ends well before the largest block (listpack.c, LISTPACK_MAX_SAFETY_LIMIT, is twice this). */
const LISTPACK_BYTES_MAX = 512 * 1024 * 1024;

export type HashParts = 'fields' | 'values' | 'both';

export class HashValues implements ValueKind {
  readonly #keyspace: Keyspace;
  readonly #pack: Listpack;
  readonly #table: FieldTable;
  readonly #field = new BorrowedBytes();
  readonly #value = new BorrowedBytes();
  readonly #nextUint32 = (): number => this.#keyspace.random.nextUint32();

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    this.#pack = new Listpack(keyspace.allocator);
    this.#table = new FieldTable(keyspace.allocator);
  }

  // Reading -------------------------------------------------------------------------------------------------

  /** Fields. */
  length(value: Ref, encoding: number): number {
    return encoding === ENCODING_LISTPACK ? this.#pack.count(value) / 2 : this.#table.count(value);
  }

  /** Fields of the hash that is an entry's value. */
  fieldCount(database: Database, entry: Ref): number {
    return this.length(database.valueOf(entry), database.encodingOf(entry));
  }

  /** The place of a field, or 0. */
  find(database: Database, entry: Ref, field: Uint8Array, start: number, end: number): number {
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) === ENCODING_LISTPACK)
      return this.#pack.find(value, this.#pack.first(value), field, start, end, 1);
    return this.#table.find(value, field, start, end, this.#keyspace.hashOf(field, start, end));
  }

  /** Points `view` at the name of the field at a place. Two views may be borrowed at a time. */
  borrowField(database: Database, entry: Ref, place: number, view: BorrowedBytes): void {
    if (database.encodingOf(entry) === ENCODING_LISTPACK)
      this.#pack.borrow(database.valueOf(entry), place, view);
    else this.#table.borrowField(place, view);
  }

  /** Points `view` at the value of the field at a place. */
  borrowValue(database: Database, entry: Ref, place: number, view: BorrowedBytes): void {
    if (database.encodingOf(entry) === ENCODING_LISTPACK) {
      const value = database.valueOf(entry);
      this.#pack.borrow(value, this.#pack.next(value, place), view);
    } else {
      this.#table.borrowValue(place, view);
    }
  }

  /** Visits the places of all fields, in an order that holds until the hash is changed. */
  forEach(database: Database, entry: Ref, visit: (place: number) => void): void {
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) !== ENCODING_LISTPACK) {
      this.#table.forEach(value, visit);
      return;
    }
    const pack = this.#pack;
    for (let at = pack.first(value); at !== 0; at = pack.next(value, pack.next(value, at))) visit(at);
  }

  /** Gives the names of all fields, their values, or both in turn, to `target`, in the same order. */
  emit(database: Database, entry: Ref, parts: HashParts, target: BulkTarget): void {
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) !== ENCODING_LISTPACK) {
      this.#emitTable(value, parts, target);
      return;
    }
    const pack = this.#pack;
    const first = pack.first(value);
    const from = parts === 'values' && first !== 0 ? pack.next(value, first) : first;
    pack.emit(value, from, pack.count(value), parts === 'both' ? 0 : 1, target);
  }

  #emitTable(header: Ref, parts: HashParts, target: BulkTarget): void {
    const view = this.#field;
    this.#table.forEach(header, (element) => {
      if (parts !== 'values') {
        this.#table.borrowField(element, view);
        target.bulk(view.bytes, view.start, view.end);
      }
      if (parts !== 'fields') {
        this.#table.borrowValue(element, view);
        target.bulk(view.bytes, view.start, view.end);
      }
    });
  }

  /** The places of all fields, in the same order. */
  places(database: Database, entry: Ref): number[] {
    const places: number[] = [];
    this.forEach(database, entry, (place) => places.push(place));
    return places;
  }

  /** The place of a field drawn at random. */
  random(database: Database, entry: Ref): number {
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) !== ENCODING_LISTPACK) return this.#table.random(value, this.#nextUint32);
    const index = this.#nextUint32() % this.length(value, ENCODING_LISTPACK);
    return this.#pack.seek(value, index * 2);
  }

  /**
   * One step of HSCAN: visits some places and returns the next cursor, 0 at the end. A listpack is visited as
   * a whole, whatever the cursor.
   */
  scan(database: Database, entry: Ref, cursor: number, visit: (place: number) => void): number {
    if (database.encodingOf(entry) !== ENCODING_LISTPACK)
      return this.#table.scan(database.valueOf(entry), cursor, visit);
    this.forEach(database, entry, visit);
    return 0;
  }

  // Changing ------------------------------------------------------------------------------------------------

  /**
   * Adds a key that is not there, with a hash that has no fields yet: `set` must follow. Call it right after
   * a lookup of the same key.
   * @param longest bytes of the longest field or value to be set
   */
  create(database: Database, key: Uint8Array, start: number, end: number, longest: number): Ref {
    const isSmall = longest <= this.#keyspace.limits.hashMaxListpackValue;
    const encoding = isSmall ? ENCODING_LISTPACK : ENCODING_HASHTABLE;
    const value = isSmall ? this.#pack.create() : this.#table.create(0);
    try {
      return database.createWith(key, start, end, TYPE_HASH, encoding, value);
    } catch (error) {
      this.dismantle(value, encoding, () => false);
      throw error;
    }
  }

  /**
   * Makes the hash a table if the fields and values to be set do not suit a listpack. HSET looks at all of
   * them before it sets the first (t_hash.c, hashTypeTryConversion).
   * @param longest bytes of the longest of them
   * @param total bytes of all of them
   */
  prepare(database: Database, entry: Ref, longest: number, total: number): void {
    if (database.encodingOf(entry) !== ENCODING_LISTPACK) return;
    const isTooLong = longest > this.#keyspace.limits.hashMaxListpackValue;
    if (!isTooLong && this.#pack.byteLength(database.valueOf(entry)) + total <= LISTPACK_BYTES_MAX) return;
    database.willChange(entry);
    this.#convert(database, entry);
  }

  /**
   * Sets a field; true when it is new. A hash that was just created and has no room for its first field is
   * deleted again.
   * @param keepsExpiry a field that expires goes on to do so
   */
  set(
    database: Database,
    entry: Ref,
    field: Uint8Array,
    fieldStart: number,
    fieldEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    keepsExpiry = false,
  ): boolean {
    database.willChange(entry);
    try {
      const fieldLength = fieldEnd - fieldStart;
      const valueLength = valueEnd - valueStart;
      this.prepare(database, entry, Math.max(fieldLength, valueLength), fieldLength + valueLength);
      return database.encodingOf(entry) === ENCODING_LISTPACK
        ? this.#setPacked(database, entry, field, fieldStart, fieldEnd, value, valueStart, valueEnd)
        : this.#setInTable(
            database,
            entry,
            field,
            fieldStart,
            fieldEnd,
            value,
            valueStart,
            valueEnd,
            keepsExpiry,
          );
    } catch (error) {
      if (this.fieldCount(database, entry) === 0) database.delete(entry);
      throw error;
    }
  }

  #setPacked(
    database: Database,
    entry: Ref,
    field: Uint8Array,
    fieldStart: number,
    fieldEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): boolean {
    const packs = this.#pack;
    let pack = database.valueOf(entry);
    const at = packs.find(pack, packs.first(pack), field, fieldStart, fieldEnd, 1);
    if (at === 0) {
      this.#append(database, entry, field, fieldStart, fieldEnd, value, valueStart, valueEnd);
    } else {
      pack = packs.replace(pack, packs.next(pack, at), value, valueStart, valueEnd);
      database.setValue(entry, ENCODING_LISTPACK, pack);
    }
    this.#convertIfTooMany(database, entry);
    return at === 0;
  }

  #append(
    database: Database,
    entry: Ref,
    field: Uint8Array,
    fieldStart: number,
    fieldEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const packs = this.#pack;
    let pack = packs.append(database.valueOf(entry), field, fieldStart, fieldEnd);
    const { at } = packs;
    try {
      pack = packs.append(pack, value, valueStart, valueEnd);
    } catch (error) {
      // A field without a value is no hash.
      pack = packs.remove(pack, at);
      throw error;
    } finally {
      database.setValue(entry, ENCODING_LISTPACK, pack);
    }
  }

  #setInTable(
    database: Database,
    entry: Ref,
    field: Uint8Array,
    fieldStart: number,
    fieldEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    keepsExpiry: boolean,
  ): boolean {
    const table = this.#table;
    const header = database.valueOf(entry);
    const hash = this.#keyspace.hashOf(field, fieldStart, fieldEnd);
    const element = table.find(header, field, fieldStart, fieldEnd, hash);
    this.#willChangeElement(header, hash);
    if (element === 0) table.insert(header, hash, field, fieldStart, fieldEnd, value, valueStart, valueEnd);
    else table.setValue(header, element, value, valueStart, valueEnd, keepsExpiry);
    if (element !== 0) this.#indexExpiry(database, entry);
    return element === 0;
  }

  /** Removes a field; false when it is not there. An empty hash is left for the caller to delete. */
  remove(database: Database, entry: Ref, field: Uint8Array, start: number, end: number): boolean {
    const value = database.valueOf(entry);
    if (database.encodingOf(entry) === ENCODING_LISTPACK) {
      const at = this.#pack.find(value, this.#pack.first(value), field, start, end, 1);
      if (at === 0) return false;
      database.willChange(entry);
      database.setValue(entry, ENCODING_LISTPACK, this.#pack.remove(value, at, 2));
      return true;
    }
    const hash = this.#keyspace.hashOf(field, start, end);
    const element = this.#table.find(value, field, start, end, hash);
    if (element === 0) return false;
    database.willChange(entry);
    this.#willChangeElement(value, hash);
    this.#table.remove(value, element);
    this.#indexExpiry(database, entry);
    return true;
  }

  /** The field with that hash is about to change: a snapshot that holds the hash takes it first. */
  /** The field with that hash is about to change: a snapshot that holds the hash takes it first. */
  #willChangeElement(header: Ref, hash: number): void {
    if (getWord(this.#keyspace.arena, header, COLLECTION_HELD) !== 0)
      this.#keyspace.heldCollections.willChangeElement(header, hash);
  }

  // Fields that expire --------------------------------------------------------------------------------------

  /** When the field at a place expires, Unix time in ms, or NO_EXPIRY. */
  expiryOf(database: Database, entry: Ref, place: number): number {
    if (database.encodingOf(entry) === ENCODING_LISTPACK) return NO_EXPIRY;
    return this.#table.expiryOf(place) ?? NO_EXPIRY;
  }

  /**
   * Sets when a field expires; false when it is not there. A listpack becomes a table: only that can tell.
   */
  setExpiry(
    database: Database,
    entry: Ref,
    field: Uint8Array,
    start: number,
    end: number,
    unixMillis: number,
  ): boolean {
    if (this.find(database, entry, field, start, end) === 0) return false;
    database.willChange(entry);
    if (database.encodingOf(entry) === ENCODING_LISTPACK) this.#convert(database, entry);
    const header = database.valueOf(entry);
    const element = this.find(database, entry, field, start, end);
    this.#willChangeElement(header, this.#table.hashOf(element));
    this.#table.setExpiry(header, element, unixMillis);
    this.#indexExpiry(database, entry);
    return true;
  }

  /** Lets the field at a place, which expires, live for ever. */
  clearExpiry(database: Database, entry: Ref, place: number): void {
    const header = database.valueOf(entry);
    database.willChange(entry);
    this.#willChangeElement(header, this.#table.hashOf(place));
    this.#table.clearExpiry(header, place);
    this.#indexExpiry(database, entry);
  }

  /** Whether the value has fields that expire. */
  hasExpiringFields(value: Ref, encoding: number): boolean {
    return encoding === ENCODING_HASHTABLE && this.#table.expiringCount(value) > 0;
  }

  /** Enters the hash in its database's index of hashes with fields that expire, or takes it out. */
  #indexExpiry(database: Database, entry: Ref): void {
    const hasSuch = this.hasExpiringFields(database.valueOf(entry), database.encodingOf(entry));
    if (hasSuch !== database.hasExpiringFields(entry)) database.indexFieldExpiry(entry, hasSuch);
  }

  /** The place that the index gave a hash with fields that expire. */
  indexPlace(value: Ref): number {
    return this.#table.indexPlace(value);
  }

  setIndexPlace(value: Ref, place: number): void {
    this.#table.setIndexPlace(value, place);
  }

  /**
   * Deletes fields whose time has passed, `countMax` at most, and the key with the last of them; tells
   * everybody. Only for a hash with fields that expire.
   * @returns true when the key is gone
   */
  expireFields(database: Database, entry: Ref, countMax = Infinity): boolean {
    const table = this.#table;
    const header = database.valueOf(entry);
    const fields: Buffer[] = [];
    while (fields.length < countMax) {
      const element = table.soonest(header);
      if (element === 0 || (table.expiryOf(element) ?? Infinity) >= this.#keyspace.expiryNow) break;
      if (fields.length === 0) database.willChange(entry);
      this.#willChangeElement(header, table.hashOf(element));
      table.borrowField(element, this.#field);
      fields.push(this.#field.copy());
      table.remove(header, element);
    }
    if (fields.length === 0) return false;

    const key = database.keyOf(entry);
    const isGone = table.count(header) === 0;
    if (isGone) database.delete(entry);
    else this.#indexExpiry(database, entry);
    this.#keyspace.fieldsExpired(database, key, fields, isGone);
    return isGone;
  }

  // Encodings -----------------------------------------------------------------------------------------------

  #convertIfTooMany(database: Database, entry: Ref): void {
    const count = this.#pack.count(database.valueOf(entry)) / 2;
    if (count <= this.#keyspace.limits.hashMaxListpackEntries) return;
    try {
      this.#convert(database, entry);
    } catch (error) {
      // The field is set; without room for a table the hash stays as it is.
      if (!(error instanceof OutOfMemoryError)) throw error;
    }
  }

  /** Makes a listpack a table. */
  #convert(database: Database, entry: Ref): void {
    const pack = database.valueOf(entry);
    const header = this.#tableOf(pack);
    database.setValue(entry, ENCODING_HASHTABLE, header);
    this.#keyspace.allocator.free(pack);
  }

  #tableOf(pack: Ref): Ref {
    const packs = this.#pack;
    const header = this.#table.create(packs.count(pack) / 2);
    const field = this.#field;
    const value = this.#value;
    try {
      for (let at = packs.first(pack); at !== 0; at = packs.next(pack, at)) {
        packs.borrow(pack, at, field);
        at = packs.next(pack, at);
        packs.borrow(pack, at, value);
        const hash = this.#keyspace.hashOf(field.bytes, field.start, field.end);
        this.#table.insert(
          header,
          hash,
          field.bytes,
          field.start,
          field.end,
          value.bytes,
          value.start,
          value.end,
        );
      }
    } catch (error) {
      this.#table.dismantle(header, () => false);
      throw error;
    }
    return header;
  }

  // As a ValueKind ------------------------------------------------------------------------------------------

  copy(value: Ref, encoding: number): Ref {
    return encoding === ENCODING_LISTPACK ? this.#pack.copy(value) : this.#table.copy(value);
  }

  memory(value: Ref, encoding: number, samples: number): number {
    if (encoding === ENCODING_LISTPACK) return this.#keyspace.allocator.usableBytes(value);
    return this.#table.memory(value, samples);
  }

  dismantle(value: Ref, encoding: number, shouldStop: () => boolean): boolean {
    if (encoding !== ENCODING_LISTPACK) return this.#table.dismantle(value, shouldStop);
    this.#keyspace.allocator.free(value);
    return true;
  }

  checkInvariants(value: Ref, encoding: number): void {
    if (encoding !== ENCODING_LISTPACK) {
      this.#table.checkInvariants(value);
      return;
    }
    this.#pack.checkInvariants(value);
    assert.equal(this.#pack.count(value) % 2, 0, 'each field has a value');
  }
}
