/**
 * Reads a JSON snapshot item by item, as RdbReader reads an RDB file: a file of ours, or one that was written
 * or changed by hand (grammar: docs/formats/json.md). The file is never in memory as a whole.
 *
 * Keys of all databases may stand in any order: before each that is not of the same database as the one
 * before comes an item that says so.
 */
import { toLatin1 } from '../util/bytes.ts';
import { JSON_VERSION, NAME_PREFIX, NAME_PREFIX_BYTES_MAX } from './json-constants.ts';
import {
  CLOSE_OBJECT,
  COLON,
  COMMA,
  JsonInput,
  OPEN_OBJECT,
  QUOTE,
  type JsonInputOptions,
  type JsonTree,
} from './json-input.ts';
import {
  fromBase64,
  JsonValueError,
  readJsonValue,
  toBytes,
  toCount,
  toMillis,
} from './json-value-reader.ts';
import { BorrowedString, type ByteSource } from './rdb-input.ts';
import { ReusedEntry } from './rdb-reader.ts';
import type { RdbAuxItem, RdbDatabaseItem, RdbEndItem, RdbEntryItem, RdbFunctionItem } from './rdb-reader.ts';
import type { RdbValue } from './rdb-values.ts';

export type JsonItem = RdbAuxItem | RdbFunctionItem | RdbDatabaseItem | RdbEntryItem | RdbEndItem;

const AT = 0x40;
const NO_DATABASE = -1;
const FREQUENCY_MAX = 255;
const DATABASE_MAX = 2 ** 31 - 1;

/* Members of the object that stands for a value. */

const TYPE = 1;
const VALUE = 2;
const BASE64 = 4;
const EXPIRE_AT = 8;
const IDLE = 16;
const FREQ = 32;

const MEMBER_BITS: ReadonlyMap<string, number> = new Map([
  ['type', TYPE],
  ['value', VALUE],
  ['base64', BASE64],
  ['expire_at', EXPIRE_AT],
  ['idle', IDLE],
  ['freq', FREQ],
]);

/** What the object has said so far. */
class EntryParts {
  /** Members, by their bits. */
  seen = 0;
  type: string | undefined;
  /** Undefined: a string, in `stringValue` of the entry. */
  tree: JsonTree | undefined;

  clear(): void {
    this.seen = 0;
    this.type = undefined;
    this.tree = undefined;
  }
}

/** Members of the object that is the file. */
type Section = 'metadata' | 'functions' | 'data' | 'end';

/** Where reading stands. */
type State = 'start' | 'between-sections' | 'in-data' | 'after-name' | 'ended';

export class JsonSnapshotReader {
  readonly #input: JsonInput;
  readonly #entry = new ReusedEntry();
  readonly #parts = new EntryParts();
  readonly #scratch = new BorrowedString();
  /** Items that were read in one go. */
  readonly #ready: (RdbAuxItem | RdbFunctionItem)[] = [];
  readonly #seen = new Set<string>();
  #state: State = 'start';
  /** The database that was announced last. */
  #database = NO_DATABASE;
  #isFirst = true;
  #keyCount = 0;
  #isChecksumVerified = false;

  /** @param options.chunkBytes at least 1 */
  constructor(source: ByteSource, options: JsonInputOptions = {}) {
    this.#input = new JsonInput(source, options);
  }

  /** Bytes of the source that were used so far. */
  get offset(): number {
    return this.#input.offset;
  }

  /**
   * The next item; after the end, the end again. Throws RdbError where the file is damaged, cut off, or
   * cannot be understood.
   */
  next(): JsonItem {
    for (;;) {
      const ready = this.#ready.shift();
      if (ready !== undefined) return ready;
      switch (this.#state) {
        case 'start':
          this.#input.skipByteOrderMark();
          this.#input.expect(OPEN_OBJECT);
          this.#state = 'between-sections';
          break;
        case 'between-sections':
          this.#nextSection();
          break;
        case 'in-data':
          if (!this.#nextName()) break;
          if (this.#entry.database === this.#database) return this.#readEntry();
          this.#database = this.#entry.database;
          this.#state = 'after-name';
          return { kind: 'database', database: this.#database };
        case 'after-name':
          this.#state = 'in-data';
          return this.#readEntry();
        case 'ended':
          return { kind: 'end', isChecksumVerified: this.#isChecksumVerified };
      }
    }
  }

  /** Reads a section, up to the first key if it is `data`; or the end of the file. */
  #nextSection(): void {
    const input = this.#input;
    if (input.accept(CLOSE_OBJECT)) {
      this.#finish();
      return;
    }
    if (this.#seen.size > 0) input.expect(COMMA);
    if (input.peek() !== QUOTE) throw input.unexpected('a name');
    if (this.#seen.has('end')) throw input.error('"end" is not the last member');
    const checksum = input.checksum();
    const name = input.readString(this.#scratch).toString() as Section;
    if (this.#seen.has(name)) throw input.error(`${JSON.stringify(name)} occurs twice`);
    this.#seen.add(name);
    input.expect(COLON);
    switch (name) {
      case 'metadata':
        this.#readMetadata();
        break;
      case 'functions':
        input.readArray(() => {
          this.#ready.push({ kind: 'function', code: this.#convert(this.#readTree(), toBytes) });
        });
        break;
      case 'data':
        input.expect(OPEN_OBJECT);
        this.#isFirst = true;
        this.#state = 'in-data';
        break;
      case 'end':
        this.#readEnd(checksum);
        break;
      default:
        throw input.error(`unknown member ${JSON.stringify(name)}`);
    }
  }

  /** A file without keys is one only if it says so. */
  #finish(): void {
    const input = this.#input;
    if (!this.#seen.has('data')) throw input.error('not a snapshot: there is no "data"');
    if (input.peek() >= 0) throw input.error('something follows the end');
    this.#state = 'ended';
  }

  /** Members that we do not know are passed over: they are about the file, not in it. */
  #readMetadata(): void {
    this.#input.readObject(this.#scratch, (name) => {
      const tree = this.#readTree();
      switch (name.toString()) {
        case 'version': {
          const version = this.#convert(tree, toCount);
          if (version !== JSON_VERSION) {
            throw this.#input.error(`version ${version} of the format is not one that can be read`);
          }
          break;
        }
        case 'timestamp':
          this.#ready.push({
            kind: 'aux',
            name: 'ctime',
            value: Buffer.from(String(this.#convert(tree, toCount))),
          });
          break;
      }
    });
  }

  #readEnd(checksum: bigint): void {
    const input = this.#input;
    input.readObject(this.#scratch, (name) => {
      const tree = this.#readTree();
      switch (name.toString()) {
        case 'keys':
          if (this.#convert(tree, toCount) !== this.#keyCount) {
            throw input.error(`the file has ${this.#keyCount} keys and says otherwise`);
          }
          break;
        case 'crc64':
          this.#verifyChecksum(this.#convert(tree, toBytes).toString('latin1'), checksum);
          break;
        default:
          throw input.error(`unknown member ${JSON.stringify(name.toString())}`);
      }
    });
  }

  #verifyChecksum(stored: string, checksum: bigint): void {
    const computed = checksum.toString(16).padStart(16, '0');
    if (stored !== computed) {
      throw this.#input.error(
        `wrong checksum: the file says ${stored}, its bytes give ${computed}; who changes the file by hand ` +
          'removes the line of "end"',
      );
    }
    this.#isChecksumVerified = true;
  }

  /** Reads the name of the next key, if there is one. */
  #nextName(): boolean {
    const input = this.#input;
    if (this.#isFirst ? input.accept(CLOSE_OBJECT) : !input.accept(COMMA)) {
      if (!this.#isFirst && !input.accept(CLOSE_OBJECT)) throw input.unexpected('"," or "}"');
      this.#state = 'between-sections';
      return false;
    }
    this.#isFirst = false;
    this.#keyCount++;

    const entry = this.#entry;
    entry.database = 0;
    entry.expiryMillis = undefined;
    entry.idleSeconds = undefined;
    entry.frequency = undefined;
    input.readStringInto(entry.key);
    if (entry.key.bytes[entry.key.start] === AT && entry.key.end > entry.key.start) this.#readPrefix();
    return true;
  }

  /** Reads what stands behind the name. */
  #readEntry(): RdbEntryItem {
    const input = this.#input;
    input.pinKey(this.#entry.key);
    input.expect(COLON);
    this.#readEntryValue();
    input.unpin();
    return this.#entry;
  }

  /** Takes apart a name that says more than the key. */
  #readPrefix(): void {
    const { key } = this.#entry;
    const head = Buffer.from(
      key.bytes.slice(key.start, Math.min(key.end, key.start + NAME_PREFIX_BYTES_MAX)),
    );
    const [prefix, digits, base64] = NAME_PREFIX.exec(head.toString('latin1')) ?? [];
    if (prefix === undefined || Number(digits) > DATABASE_MAX) {
      throw this.#input.error('unknown form of name: a key that begins with "@" is written "@db0:@…"');
    }
    this.#entry.database = Number(digits);
    key.set(key.bytes, key.start + prefix.length, key.end);
    if (base64 === undefined) return;
    const bytes = this.#convert(key.toBuffer(), fromBase64);
    key.set(bytes, 0, bytes.length);
  }

  #readEntryValue(): void {
    const entry = this.#entry;
    switch (this.#input.peek()) {
      case QUOTE:
        this.#input.readStringInto(entry.stringValue);
        entry.value = entry.stringValue;
        break;
      case OPEN_OBJECT:
        this.#readEntryObject();
        break;
      default:
        this.#setString(this.#convert(this.#input.readAtom(), toBytes));
    }
  }

  /** `{"base64":…}`, or type, value and facts in any order. */
  #readEntryObject(): void {
    const input = this.#input;
    const parts = this.#parts;
    parts.clear();
    input.expect(OPEN_OBJECT);
    do {
      const name = this.#readName();
      const bit = MEMBER_BITS.get(name);
      if (bit === undefined) throw input.error(`unknown member ${JSON.stringify(name)}`);
      if ((parts.seen & bit) !== 0) throw input.error(`${JSON.stringify(name)} occurs twice`);
      parts.seen |= bit;
      this.#readEntryMember(bit);
    } while (input.hasNextMember());
    this.#entry.value = this.#valueOf(parts);
  }

  #readName(): string {
    const name = this.#readShortText();
    this.#input.expect(COLON);
    return name;
  }

  #readShortText(): string {
    this.#input.readStringInto(this.#scratch);
    return toLatin1(this.#scratch.bytes, this.#scratch.start, this.#scratch.end);
  }

  #readEntryMember(bit: number): void {
    const input = this.#input;
    const entry = this.#entry;
    switch (bit) {
      case TYPE:
        this.#parts.type = this.#readShortText();
        break;
      case BASE64:
        this.#setString(this.#convert(input.readString(this.#scratch), fromBase64));
        break;
      case VALUE:
        if (input.peek() === QUOTE) {
          input.readStringInto(entry.stringValue);
          input.pinValue(entry.stringValue);
        } else {
          this.#parts.tree = this.#readTree();
        }
        break;
      case EXPIRE_AT:
        entry.expiryMillis = this.#readNumber(toMillis);
        break;
      case IDLE:
        entry.idleSeconds = this.#readNumber(toCount);
        break;
      case FREQ:
        entry.frequency = this.#convert(input.readAtom(), toFrequency);
        break;
    }
  }

  #valueOf({ seen, type, tree }: EntryParts): RdbValue {
    const { stringValue } = this.#entry;
    if ((seen & BASE64) !== 0) {
      if (seen !== BASE64) throw this.#input.error('"base64" stands with other members');
      return stringValue;
    }
    if (type === undefined || (seen & VALUE) === 0) {
      throw this.#input.error('a value needs "type" and "value"');
    }
    if (tree !== undefined) return this.#convert(tree, (value) => readJsonValue(type, value));
    if (type === 'string') return stringValue;
    throw this.#input.error(`a string is no value of type ${JSON.stringify(type)}`);
  }

  #setString(bytes: Buffer): void {
    this.#entry.stringValue.set(bytes, 0, bytes.length);
    this.#entry.value = this.#entry.stringValue;
  }

  #readNumber(convert: (tree: JsonTree) => number): number {
    return this.#input.readSmallInteger() ?? this.#convert(this.#input.readAtom(), convert);
  }

  #readTree(): JsonTree {
    return this.#input.readTree(this.#scratch);
  }

  /** Adds the place to what is wrong with a value. */
  #convert<From extends JsonTree, To>(tree: From, convert: (tree: From) => To): To {
    try {
      return convert(tree);
    } catch (error) {
      if (error instanceof JsonValueError) throw this.#input.error(error.message);
      throw error;
    }
  }
}

function toFrequency(tree: JsonTree): number {
  return toCount(tree, FREQUENCY_MAX);
}
