/**
 * A snapshot as commands, the base of an append-only file with `aof-use-rdb-preamble no` (Redis 7.0 aof.c,
 * rewriteAppendOnlyFileRio). In groups with checksums, like the files that it comes before
 * (docs/formats/aof.md):
 *
 *     file  ::= synced-mark { group } synced-mark
 *
 * The last mark says that all of it is on disk: the file gets its name only when that has become true.
 */
import { writeInteger } from '../util/numbers.ts';
import { formatChecksum } from './aof-annotations.ts';
import { syncedMark } from './aof-writer-encoder.ts';
import { ChunkOutput, type ChunkHandler } from './chunk-output.ts';
import { readFully, type Disk } from './disk.ts';
import { listItems, plainValue } from './rdb-plain.ts';
import { RdbError } from './rdb-error.ts';
import { countOfCollection } from './rdb-value-writer.ts';
import type {
  ByteRange,
  CollectionHead,
  CollectionPiece,
  ElementCursor,
  RdbElements,
  RdbHashField,
  RdbKeyFacts,
  RdbStream,
  RdbStreamConsumer,
  RdbStreamGroup,
  RdbStreamNode,
  RdbValue,
  StreamId,
} from './rdb-values.ts';
import type { SnapshotEntry, SnapshotSink } from './snapshot-sink.ts';
import { streamEntries } from './stream-entries.ts';

/** A group is sealed when it has this much; the reader holds one in memory. */
const GROUP_BYTES = 64 * 1024;
/** Elements of a collection that one command adds, as in Redis. */
const ELEMENTS_PER_COMMAND = 64;
/** `#SYNCED:` with an offset of 15 digits and `#CRC64:` with the length of that. */
const MARK_BYTES_MAX = 64;
/** What adds elements, and how many words each takes. */
const ELEMENT_COMMANDS = {
  set: { name: 'SADD', width: 1 },
  hash: { name: 'HMSET', width: 2 },
  zset: { name: 'ZADD', width: 2 },
} as const;
const NO_DATABASE = -1;
const CRLF = '\r\n';

export class AofSnapshot implements SnapshotSink {
  readonly #output: ChunkOutput;
  readonly #digits = Buffer.alloc(32);
  #groupStart = 0;
  #database = NO_DATABASE;
  /** Of a string that comes in pieces. */
  #bytesLeft = 0;
  #pendingFacts: RdbKeyFacts | undefined;
  /** The collection that comes in pieces, and how many of its elements or nodes have not come yet. */
  #collection: CollectionHead | undefined;
  #elementsLeft = 0;
  /** Elements that the command which was begun still lacks. */
  #commandLeft = 0;
  /** Of fields that the command has set. */
  readonly #fieldExpiries: Pick<RdbHashField, 'field' | 'expiryMillis'>[] = [];

  constructor(onChunk: ChunkHandler, chunkBytes?: number) {
    this.#output = new ChunkOutput(onChunk, chunkBytes);
  }

  begin(): void {
    this.#writeMark();
  }

  functionLibrary(code: Uint8Array): void {
    this.#command(3, 'FUNCTION');
    this.#text('LOAD');
    this.#argument(code, 0, code.length);
    this.#sealIfLong();
  }

  /** Throws RdbError for a value that no command of Redis 7.0 makes, before anything of it is written. */
  entry(databaseIndex: number, entry: SnapshotEntry): void {
    if (entry.value.kind === 'elements') {
      const { type, count, hasExpiry } = entry.value;
      this.beginCollection(databaseIndex, entry, { kind: type, count, hasExpiry });
      this.collectionPiece(entry.value);
      this.endCollection();
      return;
    }
    const value = plainValue(entry.value);
    assertWritable(value);
    this.#select(databaseIndex);
    this.#value(entry.key, value);
    this.#expiry(entry);
    this.#sealIfLong();
  }

  beginString(databaseIndex: number, facts: RdbKeyFacts, valueBytes: number): void {
    this.#pendingFacts = copyOf(facts);
    this.#select(databaseIndex);
    this.#command(3, 'SET');
    this.#range(facts.key);
    this.#length('$', valueBytes);
    this.#bytesLeft = valueBytes;
    if (valueBytes === 0) this.#endString();
  }

  stringPiece(bytes: Uint8Array, start: number, end: number): void {
    this.#bytesLeft -= end - start;
    if (this.#bytesLeft < 0) throw new Error('more bytes than announced for a string');
    this.#output.writeBytes(bytes, start, end);
    if (this.#bytesLeft === 0 && end > start) this.#endString();
  }

  beginCollection(databaseIndex: number, facts: RdbKeyFacts, head: CollectionHead): void {
    this.#pendingFacts = copyOf(facts);
    this.#select(databaseIndex);
    this.#collection = head;
    this.#elementsLeft = countOfCollection(head);
  }

  collectionPiece(piece: CollectionPiece): void {
    const facts = this.#pendingFacts;
    if (facts === undefined) throw new Error('a piece of a collection without its key');
    switch (piece.kind) {
      case 'elements':
        this.#elements(facts.key, piece);
        break;
      case 'list-nodes':
        for (const node of piece.nodes) {
          this.#variadic('RPUSH', facts.key, 1, listItems([node]));
          this.#elementsLeft--;
        }
        break;
      case 'stream-nodes':
        for (const node of piece.nodes) {
          this.#streamNode(facts.key, node);
          this.#elementsLeft--;
        }
        break;
    }
  }

  endCollection(): void {
    const facts = this.#pendingFacts;
    if (this.#elementsLeft !== 0 || this.#collection === undefined || facts === undefined) {
      throw new Error(`a collection with ${-this.#elementsLeft} elements more than announced`);
    }
    if (this.#collection.kind === 'stream') this.#streamRest(facts.key, this.#collection.stream);
    this.#pendingFacts = undefined;
    this.#collection = undefined;
    this.#expiry(facts);
    this.#sealIfLong();
  }

  end(): void {
    if (this.#collection !== undefined) throw new Error('a collection without its end');
    if (this.#bytesLeft > 0) throw new Error('fewer bytes than announced for a string');
    this.#seal();
    this.#writeMark();
    this.#output.flush();
  }

  #endString(): void {
    const facts = this.#pendingFacts;
    if (facts === undefined) throw new Error('a piece of a string without its key');
    this.#pendingFacts = undefined;
    this.#output.writeText(CRLF);
    this.#expiry(facts);
    this.#sealIfLong();
  }

  #value(key: ByteRange, value: WritableValue): void {
    switch (value.kind) {
      case 'string':
        this.#command(3, 'SET');
        this.#range(key);
        this.#range(value);
        break;
      case 'list':
        this.#variadic('RPUSH', key, 1, value.items);
        break;
      case 'set':
        this.#variadic('SADD', key, 1, value.members);
        break;
      case 'hash':
        this.#variadic(
          'HMSET',
          key,
          2,
          value.fields.flatMap(({ field, value: text }) => [field, text]),
        );
        this.#fieldExpiries.push(...value.fields.filter(({ expiryMillis }) => expiryMillis !== undefined));
        this.#writeFieldExpiries(key);
        break;
      case 'zset':
        this.#variadic(
          'ZADD',
          key,
          2,
          value.members.flatMap(({ member, score }) => [Buffer.from(scoreText(score)), member]),
        );
        break;
      case 'stream':
        for (const node of value.nodes) this.#streamNode(key, node);
        this.#streamRest(key, value);
        break;
    }
  }

  /** Goes on with a command that a piece before has begun. */
  #elements(key: ByteRange, { type, cursor }: RdbElements): void {
    const { name, width } = ELEMENT_COMMANDS[type];
    while (cursor.next()) {
      if (this.#commandLeft === 0) {
        this.#sealIfLong();
        this.#commandLeft = Math.min(ELEMENTS_PER_COMMAND, this.#elementsLeft);
        this.#command(2 + this.#commandLeft * width, name);
        this.#range(key);
      }
      if (type === 'zset') this.#text(scoreText(cursor.score));
      this.#range(cursor.element);
      if (type === 'hash') this.#range(cursor.value);
      if (cursor.expiryMillis !== undefined) this.#fieldExpiries.push(copyOfField(cursor));
      this.#elementsLeft--;
      if (--this.#commandLeft === 0) this.#writeFieldExpiries(key);
    }
  }

  /** What Redis 7.4 has for them; only a server that knows fields which expire has any to write. */
  #writeFieldExpiries(key: ByteRange): void {
    for (const { field, expiryMillis } of this.#fieldExpiries) {
      this.#words('HPEXPIREAT', key, [String(expiryMillis), 'FIELDS', '1', field]);
    }
    this.#fieldExpiries.length = 0;
  }

  #streamNode(key: ByteRange, node: RdbStreamNode): void {
    for (const { id, words } of streamEntries(node)) {
      this.#command(3 + words.length, 'XADD');
      this.#range(key);
      this.#text(idText(id));
      for (const word of words) this.#argument(word, 0, word.length);
      this.#sealIfLong();
    }
  }

  /** All but the entries (Redis 7.0 aof.c, rewriteStreamObject). */
  #streamRest(key: ByteRange, stream: RdbStream): void {
    // An empty stream: one that has lost its only entry.
    if (stream.length === 0) this.#words('XADD', key, ['MAXLEN', '0', '0-1', 'x', 'y']);
    const { lastId, history, groups } = stream;
    const more =
      history === undefined
        ? []
        : ['ENTRIESADDED', String(history.entriesAdded), 'MAXDELETEDID', idText(history.maxDeletedId)];
    this.#words('XSETID', key, [idText(lastId), ...more]);
    for (const group of groups) this.#streamGroup(key, group);
  }

  #streamGroup(key: ByteRange, group: RdbStreamGroup): void {
    const { name, lastId, entriesRead, pending, consumers } = group;
    const more = entriesRead === undefined ? [] : ['ENTRIESREAD', String(entriesRead)];
    this.#words('XGROUP', key, [name, idText(lastId), ...more], 'CREATE');
    const deliveries = new Map(pending.map((entry) => [idText(entry.id), entry]));
    for (const consumer of consumers) {
      if (consumer.pending.length === 0) {
        this.#words('XGROUP', key, [name, consumer.name], 'CREATECONSUMER');
      }
      for (const id of pendingIds(consumer)) {
        const { deliveryMillis, deliveryCount } = deliveries.get(id)!;
        const times = ['TIME', String(deliveryMillis), 'RETRYCOUNT', String(deliveryCount)];
        this.#words('XCLAIM', key, [name, consumer.name, '0', id, ...times, 'JUSTID', 'FORCE']);
        this.#sealIfLong();
      }
    }
  }

  /** `name [subcommand] key word …` */
  #words(name: string, key: ByteRange, words: readonly (string | Uint8Array)[], subcommand?: string): void {
    this.#command(words.length + (subcommand === undefined ? 2 : 3), name);
    if (subcommand !== undefined) this.#text(subcommand);
    this.#range(key);
    for (const word of words) {
      if (typeof word === 'string') this.#text(word);
      else this.#argument(word, 0, word.length);
    }
  }

  /** `name key element …`, in as many commands as it takes. An element is `width` words. */
  #variadic(name: string, key: ByteRange, width: number, words: readonly Uint8Array[]): void {
    const wordsPerCommand = ELEMENTS_PER_COMMAND * width;
    for (let start = 0; start < words.length; start += wordsPerCommand) {
      const some = words.slice(start, start + wordsPerCommand);
      this.#command(2 + some.length, name);
      this.#range(key);
      for (const word of some) this.#argument(word, 0, word.length);
      this.#sealIfLong();
    }
  }

  #expiry({ key, expiryMillis }: RdbKeyFacts): void {
    if (expiryMillis === undefined) return;
    this.#command(3, 'PEXPIREAT');
    this.#range(key);
    this.#text(String(Math.min(expiryMillis, Number.MAX_SAFE_INTEGER)));
  }

  /** In lower case: `SELECT` would tell the reader that a real Redis goes on here, without checksums. */
  #select(database: number): void {
    if (database === this.#database) return;
    this.#database = database;
    this.#command(2, 'select');
    this.#text(String(database));
  }

  #command(wordCount: number, name: string): void {
    this.#length('*', wordCount);
    this.#text(name);
  }

  #range({ bytes, start, end }: ByteRange): void {
    this.#argument(bytes, start, end);
  }

  #argument(bytes: Uint8Array, start: number, end: number): void {
    this.#length('$', end - start);
    this.#output.writeBytes(bytes, start, end);
    this.#output.writeText(CRLF);
  }

  #text(ascii: string): void {
    this.#output.writeText(`$${ascii.length}${CRLF}${ascii}${CRLF}`);
  }

  #length(prefix: '*' | '$', length: number): void {
    this.#output.writeText(prefix);
    this.#output.writeBytes(this.#digits, 0, writeInteger(this.#digits, 0, length));
    this.#output.writeText(CRLF);
  }

  #sealIfLong(): void {
    if (this.#output.offset - this.#groupStart >= GROUP_BYTES) this.#seal();
  }

  #seal(): void {
    const byteCount = this.#output.offset - this.#groupStart;
    if (byteCount === 0) return;
    this.#output.writeText(formatChecksum(this.#output.checksum(), byteCount));
    this.#beginGroup();
  }

  #writeMark(): void {
    this.#output.writeText(syncedMark(this.#output.offset).toString('latin1'));
    this.#beginGroup();
  }

  #beginGroup(): void {
    this.#groupStart = this.#output.offset;
    this.#output.restartChecksum();
  }
}

type WritableValue = Exclude<RdbValue, { kind: 'module' }>;

function assertWritable(value: RdbValue): asserts value is WritableValue {
  if (value.kind === 'module') {
    throw new RdbError(`a value of module type ${value.name} is unknown and cannot be written`, 0);
  }
}

/** A copy that stays valid. */
function copyOf({ key, expiryMillis, idleSeconds, frequency }: RdbKeyFacts): RdbKeyFacts {
  const name = Buffer.from(key.bytes.subarray(key.start, key.end));
  return { key: { bytes: name, start: 0, end: name.length }, expiryMillis, idleSeconds, frequency };
}

function copyOfField({ element, expiryMillis }: ElementCursor): Pick<RdbHashField, 'field' | 'expiryMillis'> {
  const { bytes, start, end } = element;
  return { field: Buffer.from(bytes.subarray(start, end)), expiryMillis };
}

function idText({ millis, sequence }: StreamId): string {
  return `${millis}-${sequence}`;
}

function pendingIds({ pending }: RdbStreamConsumer): string[] {
  return pending.map(idText);
}

/** The shortest text that reads as the same double; Redis reads `inf` and `-0` as well. */
function scoreText(score: number): string {
  if (Object.is(score, -0)) return '-0';
  if (Number.isFinite(score)) return String(score);
  return score > 0 ? 'inf' : '-inf';
}

/**
 * Whether a file that an AofSnapshot has begun lacks its last mark: it is not all there. Files of others
 * never begin with a mark, and nothing is known of them.
 */
export function isUnfinishedSnapshot(disk: Disk, path: string): boolean {
  const fd = disk.open(path, 'read');
  try {
    const size = disk.size(fd);
    const holds = (mark: Buffer, position: number): boolean => {
      const target = Buffer.alloc(mark.length);
      const count = readFully(disk, fd, { target, start: 0, end: target.length, position });
      return count === mark.length && target.equals(mark);
    };
    const firstMark = syncedMark(0);
    if (!holds(firstMark, 0)) return false;
    // The mark says where it is, and its length depends on that.
    for (let position = Math.max(firstMark.length, size - MARK_BYTES_MAX); position < size; position++) {
      const mark = syncedMark(position);
      if (position + mark.length === size && holds(mark, position)) return false;
    }
    return true;
  } finally {
    disk.close(fd);
  }
}
