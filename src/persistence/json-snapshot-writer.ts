/**
 * A snapshot as JSON that people can read, `dump.json` (grammar and example: docs/formats/json.md):
 *
 *     {"metadata":{"version":1,"timestamp":1700000000,"key_count":2},
 *     "data":{
 *     "user:1":"alice",
 *     "@db3:session":{"type":"string","value":"x","expire_at":1900000000000}
 *     }
 *     ,"end":{"keys":2,"crc64":"0123456789abcdef"}
 *     }
 *
 * A key is a line, so that diff and grep work.
 */
import { JSON_VERSION, PART_BYTES } from './json-constants.ts';
import { JsonOutput, textFormOf } from './json-output.ts';
import {
  assertJsonWritable,
  writeJsonEnd,
  writeJsonHead,
  writeJsonPiece,
  writeJsonValue,
} from './json-value-writer.ts';
import type { ChunkHandler } from './chunk-output.ts';
import { plainValue } from './rdb-plain.ts';
import { countOfCollection } from './rdb-value-writer.ts';
import type { ByteRange, CollectionHead, CollectionPiece, RdbKeyFacts, RdbString } from './rdb-values.ts';
import type { SnapshotEntry, SnapshotFacts, SnapshotSink } from './snapshot-sink.ts';

const MILLIS_PER_SECOND = 1000;
const CRC_HEX_DIGITS = 16;

const AT = 0x40;
const QUOTE = 0x22;

const NOTHING = Buffer.alloc(0);

export class JsonSnapshotWriter implements SnapshotSink {
  readonly #output: JsonOutput;
  readonly #functions: Buffer[] = [];
  #keyCount = 0;
  #isInData = false;
  /** Of a string that comes in pieces. */
  #bytesLeft = 0;
  #isFirstPart = true;
  /** The beginning of a UTF-8 character whose rest is in the next piece. */
  #carry: Buffer = NOTHING;
  /** What is written behind the value. */
  #pendingFacts = '';
  /** The collection that comes in pieces, and how many of its elements or nodes have not come yet. */
  #collection: CollectionHead | undefined;
  #elementsLeft = 0;

  constructor(onChunk: ChunkHandler, chunkBytes?: number) {
    this.#output = new JsonOutput(onChunk, chunkBytes);
  }

  begin({ unixMillis, keyCount }: SnapshotFacts): void {
    const timestamp = Math.floor(unixMillis / MILLIS_PER_SECOND);
    this.#output.writeText(
      `{"metadata":{"version":${JSON_VERSION},"timestamp":${timestamp},"key_count":${keyCount}}`,
    );
  }

  /** Libraries of functions stand before the keys. */
  functionLibrary(code: Uint8Array): void {
    this.#functions.push(Buffer.from(code));
  }

  /** Throws RdbError, before anything of it is written, for a value that the format cannot hold. */
  entry(databaseIndex: number, entry: SnapshotEntry): void {
    const value = plainValue(entry.value);
    if (value.kind === 'string') {
      this.#stringEntry(databaseIndex, entry, value);
      return;
    }
    assertJsonWritable(value);
    this.#beginEntry(databaseIndex, entry.key);
    const output = this.#output;
    output.writeText(`{"type":"${value.kind}","value":`);
    writeJsonValue(output, value);
    output.writeText(`${factsText(entry)}}`);
  }

  beginString(databaseIndex: number, facts: RdbKeyFacts, valueBytes: number): void {
    this.#beginEntry(databaseIndex, facts.key);
    this.#output.writeText('{"type":"string","value":[');
    this.#pendingFacts = factsText(facts);
    this.#isFirstPart = true;
    this.#bytesLeft = valueBytes;
    if (valueBytes === 0) this.#endString();
  }

  stringPiece(bytes: Uint8Array, start: number, end: number): void {
    this.#bytesLeft -= end - start;
    if (this.#bytesLeft < 0) throw new Error('more bytes than announced for a string');
    for (let part = start; part < end; part += PART_BYTES) {
      const partEnd = Math.min(part + PART_BYTES, end);
      this.#stringPart({ bytes, start: part, end: partEnd }, this.#bytesLeft === 0 && partEnd === end);
    }
    if (this.#bytesLeft === 0 && end > start) this.#endString();
  }

  beginCollection(databaseIndex: number, facts: RdbKeyFacts, head: CollectionHead): void {
    this.#beginEntry(databaseIndex, facts.key);
    this.#output.writeText(`{"type":"${head.kind}","value":`);
    this.#pendingFacts = factsText(facts);
    this.#collection = head;
    this.#elementsLeft = countOfCollection(head);
    writeJsonHead(this.#output, head);
  }

  collectionPiece(piece: CollectionPiece): void {
    const isFirst =
      this.#collection !== undefined && this.#elementsLeft === countOfCollection(this.#collection);
    this.#elementsLeft -= writeJsonPiece(this.#output, piece, isFirst);
  }

  endCollection(): void {
    if (this.#elementsLeft !== 0 || this.#collection === undefined) {
      throw new Error(`a collection with ${-this.#elementsLeft} elements more than announced`);
    }
    writeJsonEnd(this.#output, this.#collection);
    this.#output.writeText(`${this.#pendingFacts}}`);
    this.#collection = undefined;
  }

  end(): void {
    if (this.#bytesLeft > 0) throw new Error('fewer bytes than announced for a string');
    if (!this.#isInData) this.#beginData();
    const output = this.#output;
    output.writeText('\n}\n,');
    const checksum = output.checksum().toString(16).padStart(CRC_HEX_DIGITS, '0');
    output.writeText(`"end":{"keys":${this.#keyCount},"crc64":"${checksum}"}\n}\n`);
    output.flush();
  }

  #beginData(): void {
    this.#isInData = true;
    const output = this.#output;
    if (this.#functions.length > 0) {
      output.writeText(',\n"functions":');
      output.writeArray(this.#functions, (code) => output.writeWholeBytesValue(code));
    }
    output.writeText(',\n"data":{');
  }

  #stringEntry(database: number, facts: RdbKeyFacts, { bytes, start, end }: RdbString): void {
    if (end - start > PART_BYTES) {
      this.beginString(database, facts, end - start);
      this.stringPiece(bytes, start, end);
      return;
    }
    this.#beginEntry(database, facts.key);
    const output = this.#output;
    const more = factsText(facts);
    if (more !== '') output.writeText('{"type":"string","value":');
    output.writeBytesValue(bytes, start, end);
    if (more !== '') output.writeText(`${more}}`);
  }

  /** The name of the member: the key itself, unless it could be taken for something else. */
  #beginEntry(database: number, { bytes, start, end }: ByteRange): void {
    const output = this.#output;
    if (!this.#isInData) this.#beginData();
    output.writeText(this.#keyCount === 0 ? '\n"' : ',\n"');
    this.#keyCount++;

    const form = textFormOf(bytes, start, end);
    if (form === 'binary') {
      output.writeText(`@db${database}/base64:`);
      output.writeBase64(bytes, start, end);
    } else {
      if (database !== 0 || bytes[start] === AT) output.writeText(`@db${database}:`);
      output.writeStringContent(bytes, start, end, form);
    }
    output.writeByte(QUOTE);
    output.writeText(':');
  }

  /** Text that was cut within a character is put together again, so that it stays text. */
  #stringPart(part: ByteRange, isLast: boolean): void {
    const range = this.#carry.length === 0 ? part : joined(this.#carry, part);
    const cut = isLast ? range.end : characterStart(range);
    this.#carry = cut === range.end ? NOTHING : Buffer.from(range.bytes.subarray(cut, range.end));
    this.#writePart(range.bytes, range.start, cut);
  }

  #writePart(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    if (!this.#isFirstPart) this.#output.writeText(',');
    this.#isFirstPart = false;
    this.#output.writeBytesValue(bytes, start, end);
  }

  #endString(): void {
    this.#output.writeText(`]${this.#pendingFacts}}`);
  }
}

function joined(head: Uint8Array, { bytes, start, end }: ByteRange): ByteRange {
  const whole = Buffer.concat([head, bytes.subarray(start, end)]);
  return { bytes: whole, start: 0, end: whole.length };
}

/** Where the last character of the range begins if its end is missing; otherwise the range's end. */
function characterStart({ bytes, start, end }: ByteRange): number {
  for (let back = 1; back <= 3 && end - back >= start; back++) {
    const byte = bytes[end - back]!;
    if (byte < 0x80) return end;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? end - back : end;
  }
  return end;
}

/** Expiry and access, as members that follow others. */
function factsText({ expiryMillis, idleSeconds, frequency }: RdbKeyFacts): string {
  let text = '';
  if (expiryMillis !== undefined) text += `,"expire_at":${expiryMillis}`;
  if (idleSeconds !== undefined) text += `,"idle":${idleSeconds}`;
  if (frequency !== undefined) text += `,"freq":${frequency}`;
  return text;
}
