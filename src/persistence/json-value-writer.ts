/** Values of all types into a JSON snapshot (grammar: docs/formats/json.md). */
import { isUtf8 } from 'node:buffer';
import type { JsonOutput } from './json-output.ts';
import { RdbError } from './rdb-error.ts';
import { listItems } from './rdb-plain.ts';
import type {
  CollectionHead,
  CollectionPiece,
  RdbElements,
  RdbHash,
  RdbModule,
  RdbScoredMember,
  RdbStream,
  RdbStreamConsumer,
  RdbStreamGroup,
  RdbStreamNode,
  RdbValue,
  StreamId,
} from './rdb-values.ts';

type ValueOfKind<Kind extends RdbValue['kind']> = Extract<RdbValue, { kind: Kind }>;
type ValueWriter<Value> = (output: JsonOutput, value: Value) => void;

const WRITERS: { readonly [Kind in RdbValue['kind']]: ValueWriter<ValueOfKind<Kind>> } = {
  string: (output, { bytes, start, end }) => output.writeBytesValue(bytes, start, end),
  list: (output, { items }) => writeStrings(output, items),
  set: (output, { members }) => writeStrings(output, members),
  hash: writeHash,
  zset: (output, { members }) => output.writeArray(members, (member) => writeScored(output, member)),
  stream: writeStream,
  module: (_output, value) => refuseModule(value),
};

/** Throws RdbError, before anything is written, for a value that the format cannot hold. */
export function assertJsonWritable(value: RdbValue): void {
  if (value.kind === 'module') refuseModule(value);
}

/** What stands behind `"value":`. The row of the value's own kind takes it, unseen by the type checker. */
export function writeJsonValue(output: JsonOutput, value: RdbValue): void {
  (WRITERS[value.kind] as ValueWriter<RdbValue>)(output, value);
}

/** What stands before the first piece of a collection. */
export function writeJsonHead(output: JsonOutput, head: CollectionHead): void {
  if (head.kind === 'stream') writeStreamHead(output, head.stream);
  output.writeText('[');
}

/**
 * Elements of a collection, those of one piece behind those of another. Returns how many elements or nodes
 * the piece had.
 */
export function writeJsonPiece(output: JsonOutput, piece: CollectionPiece, isFirst: boolean): number {
  let separator = isFirst ? '' : ',';
  let count = 0;
  switch (piece.kind) {
    case 'elements':
      for (; piece.cursor.next(); count++) {
        output.writeText(separator);
        writeElement(output, piece);
        separator = ',';
      }
      return count;
    case 'list-nodes':
      for (const node of piece.nodes) {
        for (const item of listItems([node])) {
          output.writeText(separator);
          output.writeWholeBytesValue(item);
          separator = ',';
        }
        count++;
      }
      return count;
    case 'stream-nodes':
      for (const node of piece.nodes) {
        output.writeText(separator);
        writeNode(output, node);
        separator = ',';
        count++;
      }
      return count;
  }
}

/** What stands behind the last piece. */
export function writeJsonEnd(output: JsonOutput, head: CollectionHead): void {
  output.writeText(']');
  if (head.kind === 'stream') writeStreamEnd(output, head.stream);
}

function writeElement(output: JsonOutput, { type, cursor }: RdbElements): void {
  const { element, value } = cursor;
  if (type !== 'set') output.writeText('[');
  output.writeBytesValue(element.bytes, element.start, element.end);
  if (type === 'hash') {
    output.writeText(',');
    output.writeBytesValue(value.bytes, value.start, value.end);
    if (cursor.expiryMillis !== undefined) output.writeText(`,${cursor.expiryMillis}`);
  } else if (type === 'zset') {
    output.writeText(`,${scoreText(cursor.score)}`);
  }
  if (type !== 'set') output.writeText(']');
}

function refuseModule({ name }: RdbModule): never {
  throw new RdbError(`a value of module type ${name} is unknown and cannot be written`, 0);
}

function writeStrings(output: JsonOutput, strings: readonly Uint8Array[]): void {
  output.writeArray(strings, (string) => output.writeWholeBytesValue(string));
}

/** An object if it can be one; otherwise pairs, or triples with the expiry of the field. */
function writeHash(output: JsonOutput, { fields }: RdbHash): void {
  const isObject = fields.every(({ field, expiryMillis }) => expiryMillis === undefined && isUtf8(field));
  if (isObject) {
    let separator = '{';
    for (const { field, value } of fields) {
      output.writeText(separator);
      output.writeWholeBytesValue(field);
      output.writeText(':');
      output.writeWholeBytesValue(value);
      separator = ',';
    }
    output.writeText(separator === '{' ? '{}' : '}');
    return;
  }
  output.writeArray(fields, ({ field, value, expiryMillis }) => {
    output.writeText('[');
    output.writeWholeBytesValue(field);
    output.writeText(',');
    output.writeWholeBytesValue(value);
    output.writeText(expiryMillis === undefined ? ']' : `,${expiryMillis}]`);
  });
}

function writeScored(output: JsonOutput, { member, score }: RdbScoredMember): void {
  output.writeText('[');
  output.writeWholeBytesValue(member);
  output.writeText(`,${scoreText(score)}]`);
}

/** The shortest number that reads as the same double; JSON has no infinity. */
function scoreText(score: number): string {
  if (Object.is(score, -0)) return '-0';
  if (Number.isFinite(score)) return String(score);
  return score > 0 ? '"inf"' : '"-inf"';
}

function writeStream(output: JsonOutput, stream: RdbStream): void {
  writeStreamHead(output, stream);
  output.writeArray(stream.nodes, (node) => writeNode(output, node));
  writeStreamEnd(output, stream);
}

/** Up to the nodes. */
function writeStreamHead(output: JsonOutput, stream: RdbStream): void {
  output.writeText(`{"length":${stream.length},"last_id":${idText(stream.lastId)}`);
  if (stream.history !== undefined) {
    const { firstId, maxDeletedId, entriesAdded } = stream.history;
    output.writeText(`,"first_id":${idText(firstId)},"max_deleted_id":${idText(maxDeletedId)}`);
    output.writeText(`,"entries_added":${entriesAdded}`);
  }
  output.writeText(',"nodes":');
}

function writeNode(output: JsonOutput, { masterId, listpack }: RdbStreamNode): void {
  output.writeText(`{"master_id":${idText(masterId)},"listpack":{"base64":"`);
  output.writeBase64(listpack, 0, listpack.length);
  output.writeText('"}}');
}

/** From behind the nodes on. */
function writeStreamEnd(output: JsonOutput, stream: RdbStream): void {
  output.writeText(',"groups":');
  output.writeArray(stream.groups, (group) => writeGroup(output, group));
  output.writeText('}');
}

function writeGroup(output: JsonOutput, group: RdbStreamGroup): void {
  output.writeText('{"name":');
  output.writeWholeBytesValue(group.name);
  output.writeText(`,"last_id":${idText(group.lastId)}`);
  if (group.entriesRead !== undefined) output.writeText(`,"entries_read":${group.entriesRead}`);
  output.writeText(',"pending":');
  output.writeArray(group.pending, ({ id, deliveryMillis, deliveryCount }) =>
    output.writeText(`[${idText(id)},${deliveryMillis},${deliveryCount}]`),
  );
  output.writeText(',"consumers":');
  output.writeArray(group.consumers, (consumer) => writeConsumer(output, consumer));
  output.writeText('}');
}

function writeConsumer(output: JsonOutput, consumer: RdbStreamConsumer): void {
  output.writeText('{"name":');
  output.writeWholeBytesValue(consumer.name);
  output.writeText(`,"seen_at":${consumer.seenMillis}`);
  if (consumer.activeMillis !== undefined) output.writeText(`,"active_at":${consumer.activeMillis}`);
  output.writeText(',"pending":');
  output.writeArray(consumer.pending, (id) => output.writeText(idText(id)));
  output.writeText('}');
}

function idText({ millis, sequence }: StreamId): string {
  return `"${millis}-${sequence}"`;
}
