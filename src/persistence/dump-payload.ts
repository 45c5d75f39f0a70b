/**
 * What DUMP gives and RESTORE takes (Redis 7.0 cluster.c, createDumpPayload and verifyDumpPayload):
 *
 *     type (1 byte)   value as in an RDB file   RDB version (2 bytes)   CRC64 of all before it (8 bytes)
 *
 * both numbers little-endian. There is no magic: the version alone says who may read it.
 */
import { toLatin1 } from '../util/bytes.ts';
import { crc64 } from '../util/crc64.ts';
import { CHECKSUM_BYTES, RDB_VERSION, TYPE_HASH_METADATA, TYPE_MAX_OF_VERSION_10 } from './rdb-constants.ts';
import { RdbError } from './rdb-error.ts';
import { MemorySource, RdbInput } from './rdb-input.ts';
import { RdbOutput } from './rdb-output.ts';
import { readPackedValue } from './rdb-value-reader.ts';
import { typeOfValue, writeValue } from './rdb-value-writer.ts';
import { plainValue } from './rdb-plain.ts';
import { isEmptyCollection, type ByteRange, type RdbReadable, type RdbWritable } from './rdb-values.ts';

const VERSION_BYTES = 2;
const FOOTER_BYTES = VERSION_BYTES + CHECKSUM_BYTES;
/** Most payloads fit; a longer one goes in several chunks. */
const CHUNK_BYTES = 8 * 1024;

export type DumpPayload =
  | { readonly kind: 'value'; readonly value: RdbReadable }
  /** `-ERR DUMP payload version or checksum are wrong` */
  | { readonly kind: 'wrong-version-or-checksum' }
  /** `-ERR Bad data format`; the reason is for the log. */
  | { readonly kind: 'bad-data-format'; readonly reason: string };

const WRONG_VERSION_OR_CHECKSUM: DumpPayload = { kind: 'wrong-version-or-checksum' };

/** The payload of a value. Throws RdbError when version 10 cannot hold it. */
export function encodeDumpPayload(value: RdbWritable, isCompressing: boolean): Buffer {
  const chunks: Buffer[] = [];
  const output = new RdbOutput({
    onChunk: (chunk) => void chunks.push(Buffer.from(chunk)),
    isCompressing,
    isChecksumming: true,
    chunkBytes: CHUNK_BYTES,
  });
  output.writeByte(typeOfValue(value));
  writeValue(output, value);
  output.writeUint16LE(RDB_VERSION);
  output.writeUint64LE(output.checksum());
  output.flush();
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/** The value in a payload, or why there is none. A value's bytes are its own. */
export function decodeDumpPayload(payload: ByteRange): DumpPayload {
  if (!isPayloadSound(payload)) return WRONG_VERSION_OR_CHECKSUM;
  const body = { ...payload, end: payload.end - FOOTER_BYTES };
  const input = new RdbInput(new MemorySource(body), {
    chunkBytes: Math.min(body.end - body.start, CHUNK_BYTES),
  });
  try {
    const type = input.readByte();
    // Ours: Redis gives these hashes a greater version.
    if (type > TYPE_MAX_OF_VERSION_10 && type !== TYPE_HASH_METADATA)
      throw input.error(`unknown type of value ${type}`);
    const value = readPackedValue(input, type, 'REDIS');
    if (isEmptyCollection(value)) throw input.error('empty collection');
    if (hasTwins(value)) throw input.error('element twice in a collection');
    if (value.kind === 'module') throw input.error(`value of the unknown module type ${value.name}`);
    return { kind: 'value', value };
  } catch (error) {
    if (error instanceof RdbError) return { kind: 'bad-data-format', reason: error.message };
    throw error;
  }
}

/** Whether version and checksum are right. */
function isPayloadSound({ bytes, start, end }: ByteRange): boolean {
  if (end - start < FOOTER_BYTES) return false;
  const footer = Buffer.from(bytes.slice(end - FOOTER_BYTES, end));
  if (footer.readUInt16LE(0) > RDB_VERSION) return false;
  return footer.readBigUInt64LE(VERSION_BYTES) === crc64(0n, bytes, start, end - CHECKSUM_BYTES);
}

/**
 * Whether a member or field stands in the value twice: nothing may fail any more when it is stored. Throws
 * RdbError for a packed collection whose elements are no pairs of field and value, or member and score.
 */
function hasTwins(value: RdbReadable): boolean {
  const plain = plainValue(value);
  switch (plain.kind) {
    case 'set':
      return areTwinsAmong(plain.members);
    case 'hash':
      return areTwinsAmong(plain.fields.map(({ field }) => field));
    case 'zset':
      return areTwinsAmong(plain.members.map(({ member }) => member));
    default:
      return false;
  }
}

function areTwinsAmong(elements: readonly Uint8Array[]): boolean {
  return new Set(elements.map((element) => toLatin1(element, 0, element.length))).size < elements.length;
}
