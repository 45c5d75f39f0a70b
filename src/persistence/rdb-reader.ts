/**
 * Reads an RDB file item by item (grammar: docs/formats/rdb.md; Redis 7.0 rdb.c, rdbLoadRio). Synchronous:
 * who reads pulls the next item when it has dealt with the last. The file is never in memory as a whole.
 */
import {
  CHECKSUM_BYTES,
  OPCODE_AUX,
  OPCODE_END,
  OPCODE_EXPIRY_MILLIS,
  OPCODE_EXPIRY_SECONDS,
  OPCODE_FREQUENCY,
  OPCODE_FUNCTION,
  OPCODE_FUNCTION_PRE_RELEASE,
  OPCODE_IDLE,
  OPCODE_MODULE_AUX,
  OPCODE_RESIZE_DATABASE,
  OPCODE_SELECT_DATABASE,
  OPCODE_SLOT_IMPORT,
  OPCODE_SLOT_INFO,
  MODULE_PART_UNSIGNED,
  RDB_CHECKSUM_VERSION_MIN,
  RDB_REDIS_VERSION_MAX,
  RDB_VALKEY_VERSION,
  TYPE_STRING,
} from './rdb-constants.ts';
import { RdbError } from './rdb-error.ts';
import { BorrowedString, RdbInput, type ByteSource } from './rdb-input.ts';
import { decodeModuleId, skipModuleParts } from './rdb-modules.ts';
import { readPackedValue, readValue, type RdbDialect } from './rdb-value-reader.ts';
import type { RdbKeyFacts, RdbReadable } from './rdb-values.ts';

/** A fact about the file, its writer or the moment, e.g. `redis-ver`, `ctime`, `used-mem`. */
export interface RdbAuxItem {
  readonly kind: 'aux';
  readonly name: string;
  readonly value: Buffer;
}

/** The keys that follow are of this database. */
export interface RdbDatabaseItem {
  readonly kind: 'database';
  readonly database: number;
}

/** How many keys are to come, for making room: a hint that is not to be trusted. */
export interface RdbResizeItem {
  readonly kind: 'resize';
  readonly keyCount: number;
  readonly expiryCount: number;
}

/** The source code of a library of functions. */
export interface RdbFunctionItem {
  readonly kind: 'function';
  readonly code: Buffer;
}

/** What a module keeps beside the keys: skipped, only its type is known. */
export interface RdbModuleAuxItem {
  readonly kind: 'module-aux';
  readonly name: string;
}

/** Valkey was receiving slots when it saved: their keys may be incomplete. */
export interface RdbSlotImportItem {
  readonly kind: 'slot-import';
  readonly job: Buffer;
  readonly slotRanges: readonly (readonly [first: number, last: number])[];
}

/** A key. The item, its key and a value of kind string are borrowed: valid until the next call of `next`. */
export interface RdbEntryItem extends RdbKeyFacts {
  readonly kind: 'entry';
  readonly database: number;
  readonly value: RdbReadable;
}

/** The end of the RDB file; what follows it in the source was not read. */
export interface RdbEndItem {
  readonly kind: 'end';
  /** False if the file has no checksum or it was not to be verified. */
  readonly isChecksumVerified: boolean;
}

export type RdbItem =
  | RdbAuxItem
  | RdbDatabaseItem
  | RdbResizeItem
  | RdbFunctionItem
  | RdbModuleAuxItem
  | RdbSlotImportItem
  | RdbEntryItem
  | RdbEndItem;

export interface RdbReaderOptions {
  /** Verify the checksum at the end, if the file has one; yes unless told otherwise. */
  readonly isVerifyingChecksum?: boolean;
  readonly chunkBytes?: number;
  /** Small collections are given as they are packed, where the keyspace has the same form. */
  readonly keepsPacked?: boolean;
}

const MAGIC_REDIS = 'REDIS';
const MAGIC_VALKEY = 'VALKEY';
const HEADER_BYTES = 9;
const MILLIS_PER_SECOND = 1000;

class BorrowedStringValue extends BorrowedString {
  readonly kind = 'string';
}

/** The one entry item of a reader, filled again for each key. */
export class ReusedEntry implements RdbEntryItem {
  readonly kind = 'entry';
  readonly key = new BorrowedString();
  database = 0;
  expiryMillis: number | undefined;
  idleSeconds: number | undefined;
  frequency: number | undefined;
  value: RdbReadable;
  readonly stringValue = new BorrowedStringValue();

  constructor() {
    this.value = this.stringValue;
  }

  forgetFacts(): void {
    this.expiryMillis = undefined;
    this.idleSeconds = undefined;
    this.frequency = undefined;
  }
}

export class RdbReader {
  readonly #input: RdbInput;
  readonly #entry = new ReusedEntry();
  #dialect: RdbDialect = 'REDIS';
  #version = 0;
  #end: RdbEndItem | undefined;
  readonly #isVerifyingChecksum: boolean;
  readonly #readValue: typeof readPackedValue;

  constructor(source: ByteSource, options: RdbReaderOptions = {}) {
    this.#isVerifyingChecksum = options.isVerifyingChecksum ?? true;
    this.#readValue = options.keepsPacked === true ? readPackedValue : readValue;
    this.#input = new RdbInput(source, { ...options, isChecksumming: this.#isVerifyingChecksum });
  }

  /** Bytes of the source that were used so far; after the end item, the length of the RDB file. */
  get offset(): number {
    return this.#input.offset;
  }

  /** Version of the format; 0 before the first item. */
  get version(): number {
    return this.#version;
  }

  /** The next item; after the end, the end again. Throws RdbError where the file is damaged or cut off. */
  next(): RdbItem {
    if (this.#version === 0) this.#readHeader();
    if (this.#end !== undefined) return this.#end;
    const entry = this.#entry;
    entry.forgetFacts();
    for (;;) {
      const opcode = this.#input.readByte();
      if (opcode < OPCODE_SLOT_IMPORT) return this.#readEntry(opcode);
      switch (opcode) {
        case OPCODE_EXPIRY_MILLIS:
          entry.expiryMillis = this.#input.readMillis();
          break;
        case OPCODE_EXPIRY_SECONDS:
          entry.expiryMillis = (this.#input.readUint32LE() | 0) * MILLIS_PER_SECOND;
          break;
        case OPCODE_IDLE:
          entry.idleSeconds = this.#input.readLength();
          break;
        case OPCODE_FREQUENCY:
          entry.frequency = this.#input.readByte();
          break;
        case OPCODE_SLOT_INFO:
          this.#skipSlotInfo();
          break;
        default:
          return this.#readOtherItem(opcode);
      }
    }
  }

  #readHeader(): void {
    const header = this.#input.readLatin1(HEADER_BYTES);
    const match = /^(REDIS|VALKEY)(\d{3,4})$/.exec(header);
    const version = Number(match?.[2]);
    if (match?.[1] === MAGIC_REDIS) {
      this.#dialect = 'REDIS';
      if (version < 1 || version > RDB_REDIS_VERSION_MAX) throw unreadableVersion(header);
    } else if (match?.[1] === MAGIC_VALKEY) {
      this.#dialect = 'VALKEY';
      if (version !== RDB_VALKEY_VERSION) throw unreadableVersion(header);
    } else {
      throw new RdbError('not an RDB file', 0);
    }
    this.#version = version;
  }

  #readEntry(type: number): RdbEntryItem {
    const input = this.#input;
    const entry = this.#entry;
    input.readStringInto(entry.key);
    input.pin(entry.key);
    if (type === TYPE_STRING) {
      input.readStringInto(entry.stringValue);
      entry.value = entry.stringValue;
    } else {
      entry.value = this.#readValue(input, type, this.#dialect);
    }
    input.unpin();
    return entry;
  }

  /** The items other than keys. */
  #readOtherItem(opcode: number): RdbItem {
    const input = this.#input;
    switch (opcode) {
      case OPCODE_AUX:
        return { kind: 'aux', name: input.readString().toString('latin1'), value: input.readString() };
      case OPCODE_SELECT_DATABASE:
        this.#entry.database = input.readLength();
        return { kind: 'database', database: this.#entry.database };
      case OPCODE_RESIZE_DATABASE:
        return { kind: 'resize', keyCount: input.readLength(), expiryCount: input.readLength() };
      case OPCODE_FUNCTION:
        return { kind: 'function', code: input.readString() };
      case OPCODE_FUNCTION_PRE_RELEASE:
        throw input.error('functions in the form of a release candidate of Redis 7.0');
      case OPCODE_MODULE_AUX:
        return this.#readModuleAux();
      case OPCODE_END:
        return this.#readEnd();
      default:
        return this.#readSlotImport();
    }
  }

  #readModuleAux(): RdbModuleAuxItem {
    const input = this.#input;
    const { name } = decodeModuleId(input.readUint64());
    if (input.readLength() !== MODULE_PART_UNSIGNED) throw input.error(`damaged data of module type ${name}`);
    input.readUint64();
    skipModuleParts(input, name);
    return { kind: 'module-aux', name };
  }

  /** Sizes of a cluster's slot: slot, keys, expiring keys. */
  #skipSlotInfo(): void {
    for (let i = 0; i < 3; i++) this.#input.readLength();
  }

  #readSlotImport(): RdbSlotImportItem {
    const input = this.#input;
    if (this.#dialect !== 'VALKEY') throw input.error(`unknown opcode ${OPCODE_SLOT_IMPORT}`);
    const job = input.readString();
    const slotRanges: [number, number][] = [];
    for (let left = input.readLength(); left > 0; left--) {
      slotRanges.push([input.readLength(), input.readLength()]);
    }
    return { kind: 'slot-import', job, slotRanges };
  }

  #readEnd(): RdbEndItem {
    this.#end = { kind: 'end', isChecksumVerified: this.#verifyChecksum() };
    return this.#end;
  }

  /** Whether there is a checksum to verify; 0 stands for none. */
  #verifyChecksum(): boolean {
    if (this.#version < RDB_CHECKSUM_VERSION_MIN) return false;
    if (!this.#isVerifyingChecksum) {
      this.#input.skipBytes(CHECKSUM_BYTES);
      return false;
    }
    const computed = this.#input.checksum();
    const stored = BigInt.asUintN(64, this.#input.readInt64LE());
    if (stored === 0n) return false;
    if (stored !== computed) {
      const [expected, got] = [stored, computed].map((sum) => sum.toString(16).padStart(16, '0'));
      throw this.#input.error(`wrong checksum: the file says ${expected}, its bytes give ${got}`);
    }
    return true;
  }
}

function unreadableVersion(header: string): RdbError {
  return new RdbError(`RDB version ${header} is not one that can be read`, 0);
}
