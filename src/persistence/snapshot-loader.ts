/**
 * A snapshot, of whatever format, into the keyspace (Redis 7.0 rdb.c, rdbLoadRioWithLoadingCtx). It goes in
 * steps, so that clients get their LOADING meanwhile.
 *
 * Nothing is dropped silently: what the server cannot hold ends the load with an error. A checksum stands at
 * the end of a file, so a load that fails may have filled the keyspace with anything: it is to be thrown
 * away.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Log } from '../util/log.ts';
import { canStore, describeType, storeFacts, storeValue, type KeyPlace } from './loaded-value.ts';
import type { RdbAuxItem, RdbEntryItem, RdbItem } from './rdb-reader.ts';
import { isEmptyCollection, type ByteRange, type RdbString } from './rdb-values.ts';
import { RecoveryError, recoveryErrorOf } from './recovery-error.ts';
import { StringBatch } from './string-batch.ts';

/** RdbReader, or one of another format that gives the same items. */
export interface SnapshotReader {
  /** The next item; after the end, the end again. */
  next(): RdbItem;
  /** Bytes used so far. */
  readonly offset: number;
}

export interface SnapshotLoaderOptions {
  readonly keyspace: Keyspace;
  readonly reader: SnapshotReader;
  /** Names the file in errors. */
  readonly path: string;
  /** Bytes of the file. */
  readonly size: number;
  /** Unix time in ms: keys that expire before it are dropped. */
  readonly now: number;
  /** Such keys are kept: in an append-only file, commands that follow may need them. */
  readonly keepsExpired?: boolean;
  /** A key that is there already is replaced; otherwise that is an error. */
  readonly replacesKeys?: boolean;
  readonly log: Log;
}

/** Items between two looks at the clock. */
const ITEMS_PER_LOOK = 64;
/** A key and its value take so many bytes of a file at least: a hint of how many come is held against it. */
const ENTRY_BYTES_MIN = 3;
/** Of empty collections so many are named in the log. */
const EMPTY_KEYS_NAMED_MAX = 10;
const MEBIBYTE = 1024 * 1024;

export class SnapshotLoader {
  keysLoaded = 0;
  keysExpired = 0;
  emptyKeysSkipped = 0;
  /** Memory that the server which wrote the file had in use, bytes; 0 if it does not say. */
  usedMemoryAtSave = 0;
  readonly #options: SnapshotLoaderOptions;
  readonly #batch = new StringBatch();
  #place: KeyPlace;

  constructor(options: SnapshotLoaderOptions) {
    this.#options = options;
    this.#place = { keyspace: options.keyspace, database: options.keyspace.databases[0]! };
  }

  /** Bytes of the file that were loaded. */
  get offset(): number {
    return this.#options.reader.offset;
  }

  /** Loads until told to pause; true when all is loaded. Throws RecoveryError. */
  load(shouldPause: () => boolean): boolean {
    const { reader, path } = this.#options;
    try {
      for (let count = 1; ; count++) {
        const item = reader.next();
        if (item.kind === 'entry') {
          this.#loadEntry(item);
        } else {
          this.#storeBatch();
          if (item.kind === 'end') return this.#finish(item.isChecksumVerified);
          this.#loadOther(item);
        }
        if (count % ITEMS_PER_LOOK === 0 && shouldPause()) return false;
      }
    } catch (error) {
      throw recoveryErrorOf(error, path, reader.offset);
    }
  }

  #loadEntry(item: RdbEntryItem): void {
    const { value, expiryMillis } = item;
    const { keepsExpired, now } = this.#options;
    const isLate = expiryMillis !== undefined && expiryMillis < now && keepsExpired !== true;
    if (value.kind === 'string') {
      if (isLate) this.keysExpired++;
      else this.#loadString(item, value);
    } else if (isEmptyCollection(value)) {
      this.#skipEmpty(item);
    } else if (!canStore(value)) {
      throw this.#error(
        `key '${printedKey(item.key)}' of database ${item.database} is of ${describeType(value)}, ` +
          'which this server does not have',
      );
    } else if (isLate) {
      this.keysExpired++;
    } else {
      this.#store(item);
    }
  }

  #loadString(item: RdbEntryItem, value: RdbString): void {
    if (!this.#batch.add(item, value)) {
      this.#storeBatch();
      this.#store(item);
    } else if (this.#batch.isFull) {
      this.#storeBatch();
    }
  }

  #storeBatch(): void {
    this.keysLoaded += this.#batch.count;
    this.#batch.store(this.#place, this.#noteKnownKey);
  }

  #store(item: RdbEntryItem): void {
    const place = this.#place;
    const { database } = place;
    const keyCount = database.keyCount;
    const entry = storeValue(place, item.key, item.value);
    if (database.keyCount === keyCount) this.#noteKnownKey(item.key);
    storeFacts(place, entry, item);
    this.keysLoaded++;
  }

  readonly #noteKnownKey = (key: ByteRange): void => {
    if (this.#options.replacesKeys === true) return;
    const { index } = this.#place.database;
    throw this.#error(`key '${printedKey(key)}' stands in database ${index} more than once`);
  };

  #skipEmpty(item: RdbEntryItem): void {
    if (this.emptyKeysSkipped++ < EMPTY_KEYS_NAMED_MAX) {
      this.#options.log.notice(`Skipping empty key: ${printedKey(item.key)}`);
    }
  }

  #loadOther(item: Exclude<RdbItem, { kind: 'entry' | 'end' }>): void {
    switch (item.kind) {
      case 'database':
        this.#select(item.database);
        break;
      case 'resize':
        this.#place.database.reserve(Math.min(item.keyCount, this.#options.size / ENTRY_BYTES_MIN));
        break;
      case 'aux':
        this.#noteFact(item);
        break;
      case 'function':
        throw this.#error('a library of functions, which this server does not have');
      case 'module-aux':
        throw this.#error(`data of module type ${item.name}, which this server does not have`);
      case 'slot-import':
        this.#options.log.warning(
          'The snapshot was taken while cluster slots were imported: their keys may be incomplete',
        );
        break;
    }
  }

  #select(index: number): void {
    const { keyspace } = this.#options;
    const database = keyspace.databases[index];
    if (database === undefined) {
      const count = keyspace.databases.length;
      throw this.#error(
        `the data has a database ${index}, but this server is configured for ${count} databases`,
      );
    }
    this.#place = { keyspace, database };
  }

  /** Facts about the file, as Redis prints them. */
  #noteFact({ name, value }: RdbAuxItem): void {
    const { log, now } = this.#options;
    const text = value.toString('latin1');
    switch (name) {
      case 'redis-ver':
      case 'valkey-ver':
        log.notice(`Loading RDB produced by version ${text}`);
        break;
      case 'ctime':
        log.notice(`RDB age ${Math.max(0, Math.floor(now / 1000) - Number(text))} seconds`);
        break;
      case 'used-mem':
        this.usedMemoryAtSave = Number(text);
        log.notice(`RDB memory usage when created ${(this.usedMemoryAtSave / MEBIBYTE).toFixed(2)} Mb`);
        break;
      case 'aof-base':
        if (text === '1') log.notice('RDB is base AOF');
        break;
    }
  }

  #finish(isChecksumVerified: boolean): true {
    const { log } = this.#options;
    if (!isChecksumVerified) log.notice('The snapshot has no checksum that could be verified.');
    const skipped = this.emptyKeysSkipped === 0 ? '' : `, empty keys skipped: ${this.emptyKeysSkipped}`;
    log.notice(
      `Done loading snapshot, keys loaded: ${this.keysLoaded}, keys expired: ${this.keysExpired}${skipped}.`,
    );
    return true;
  }

  #error(reason: string): RecoveryError {
    const { path, reader } = this.#options;
    return new RecoveryError(path, reason, reader.offset);
  }
}

const PRINTED_KEY_BYTES_MAX = 128;

function printedKey(key: ByteRange): string {
  const length = Math.min(key.end - key.start, PRINTED_KEY_BYTES_MAX);
  const bytes = key.bytes.slice(key.start, key.start + length);
  return Buffer.from(bytes)
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e]/g, '?');
}
