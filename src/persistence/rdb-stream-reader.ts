/**
 * Streams out of an RDB file (Redis 7.0 rdb.c, rdbLoadObject; t_stream.c, streamValidateListpackIntegrity).
 *
 *     nodes: count, { master id as string of 16 bytes, listpack }   length   last id
 *     version 2 on: first id, greatest deleted id, entries added
 *     groups: count, { name, last id, [version 2 on: entries read],
 *       pending: count, { raw id, delivery time, delivery count },
 *       consumers: count, { name, seen time, [version 3 on: active time], pending: count, { raw id } } }
 */
import { parseInt64 } from '../util/numbers.ts';
import { RdbError } from './rdb-error.ts';
import type { RdbInput } from './rdb-input.ts';
import { decodeListpack } from './rdb-packed.ts';
import type {
  RdbPendingEntry,
  RdbStream,
  RdbStreamConsumer,
  RdbStreamGroup,
  RdbStreamHistory,
  RdbStreamNode,
  StreamId,
} from './rdb-values.ts';

const ID_BYTES = 16;

/** Flags of an entry in a node's listpack. */
const ENTRY_DELETED = 1;
const ENTRY_SAME_FIELDS = 2;

export type StreamVersion = 1 | 2 | 3;

export function readStream(input: RdbInput, version: StreamVersion): RdbStream {
  const nodes: RdbStreamNode[] = [];
  const masterIds = new Set<string>();
  let greatestId: StreamId | undefined;
  for (let left = input.readLength(); left > 0; left--) {
    const { node, lastId } = readNode(input, greatestId);
    if (hasSeen(masterIds, node.masterId)) throw input.error('two nodes of a stream with one id');
    nodes.push(node);
    greatestId = lastId;
  }
  const length = input.readLength();
  const lastId = readId(input);
  if (!isAscending(greatestId, lastId) && !isSame(greatestId, lastId))
    throw input.error('stream with entries behind its last id');
  const history = version >= 2 ? readHistory(input) : undefined;
  if (length > 0 && nodes.length === 0) throw input.error('stream without the entries that it counts');
  const groups = readGroups(input, version);
  return { kind: 'stream', nodes, length, lastId, history, groups };
}

function readHistory(input: RdbInput): RdbStreamHistory {
  return { firstId: readId(input), maxDeletedId: readId(input), entriesAdded: input.readUint64() };
}

function readGroups(input: RdbInput, version: StreamVersion): RdbStreamGroup[] {
  const groups: RdbStreamGroup[] = [];
  const names = new Set<string>();
  for (let left = input.readLength(); left > 0; left--) {
    const group = readGroup(input, version);
    if (hasSeenName(names, group.name)) throw input.error('two groups of a stream with one name');
    groups.push(group);
  }
  return groups;
}

function readGroup(input: RdbInput, version: StreamVersion): RdbStreamGroup {
  const name = input.readString();
  const lastId = readId(input);
  const entriesRead = version >= 2 ? BigInt.asIntN(64, input.readUint64()) : undefined;

  const pending: RdbPendingEntry[] = [];
  const unowned = new Set<string>();
  for (let left = input.readLength(); left > 0; left--) {
    const id = readRawId(input);
    if (hasSeen(unowned, id)) throw input.error('pending entry twice in a group');
    pending.push({ id, deliveryMillis: input.readMillis(), deliveryCount: input.readLength() });
  }

  const consumers: RdbStreamConsumer[] = [];
  const names = new Set<string>();
  for (let left = input.readLength(); left > 0; left--) {
    const consumer = readConsumer(input, version, unowned);
    if (hasSeenName(names, consumer.name)) throw input.error('two consumers of a group with one name');
    consumers.push(consumer);
  }
  if (unowned.size > 0) throw input.error('pending entry without a consumer');
  return { name, lastId, entriesRead, pending, consumers };
}

/** Takes the entries that the consumer owns out of `unowned`. */
function readConsumer(input: RdbInput, version: StreamVersion, unowned: Set<string>): RdbStreamConsumer {
  const name = input.readString();
  const seenMillis = input.readMillis();
  const activeMillis = version >= 3 ? input.readMillis() : undefined;
  const pending: StreamId[] = [];
  for (let left = input.readLength(); left > 0; left--) {
    const id = readRawId(input);
    if (!unowned.delete(idText(id))) throw input.error('entry of a consumer is not pending in its group');
    pending.push(id);
  }
  return { name, seenMillis, activeMillis, pending };
}

/** A node and the id of its last entry; its entries come after `previousId`. */
function readNode(
  input: RdbInput,
  previousId: StreamId | undefined,
): { node: RdbStreamNode; lastId: StreamId | undefined } {
  const key = input.readString();
  if (key.length !== ID_BYTES) throw input.error('node of a stream without an id');
  const masterId = { millis: key.readBigUInt64BE(0), sequence: key.readBigUInt64BE(8) };
  const { offset } = input;
  const listpack = input.readString();
  const node = { masterId, listpack };
  return { node, lastId: checkNode(node, previousId, offset) };
}

function readId(input: RdbInput): StreamId {
  return { millis: input.readUint64(), sequence: input.readUint64() };
}

function readRawId(input: RdbInput): StreamId {
  return { millis: input.readUint64BE(), sequence: input.readUint64BE() };
}

/** Whether an id comes after the one before it, if there is one. */
function isAscending(before: StreamId | undefined, id: StreamId): boolean {
  if (before === undefined || id.millis > before.millis) return true;
  return id.millis === before.millis && id.sequence > before.sequence;
}

function isSame(a: StreamId | undefined, b: StreamId): boolean {
  return a !== undefined && a.millis === b.millis && a.sequence === b.sequence;
}

function idText(id: StreamId): string {
  return `${id.millis}-${id.sequence}`;
}

function hasSeen(seen: Set<string>, id: StreamId): boolean {
  const { size } = seen;
  return seen.add(idText(id)).size === size;
}

function hasSeenName(seen: Set<string>, name: Uint8Array): boolean {
  const { size } = seen;
  return seen.add(Buffer.from(name).toString('latin1')).size === size;
}

/**
 * Whether a node's listpack can be walked: its master entry (count, deleted count, number of fields, the
 * fields, 0), and entries of flags, id difference, [number of fields, fields and] values, number of elements.
 * Redis leaves it at that (without `sanitize-dump-payload`); here the ids must ascend too, and no entry is
 * without a field: no command makes such entries, and no file but a binary one could hold them.
 *
 * @returns the id of the last entry, deleted or not
 */
function checkNode(
  { masterId, listpack }: RdbStreamNode,
  previousId: StreamId | undefined,
  fileOffset: number,
): StreamId | undefined {
  const elements = decodeListpack(
    Buffer.from(listpack.buffer, listpack.byteOffset, listpack.byteLength),
    fileOffset,
  );
  let next = 0;
  const takeBigInt = (): bigint => {
    const element = elements[next++];
    const value = element === undefined ? undefined : parseInt64(element, 0, element.length);
    if (value === undefined) throw new RdbError('damaged node of a stream', fileOffset);
    return value;
  };
  const takeInteger = (): number => Number(takeBigInt());
  const check = (isSound: boolean): void => {
    if (!isSound) throw new RdbError('damaged node of a stream', fileOffset);
  };
  const skip = (count: number): void => {
    check(count >= 0 && count <= elements.length - next);
    next += count;
  };

  const liveCount = takeInteger();
  const deletedCount = takeInteger();
  const masterFieldCount = takeInteger();
  check(masterFieldCount > 0);
  skip(masterFieldCount);
  check(takeInteger() === 0);

  let liveLeft = liveCount;
  let deletedLeft = deletedCount;
  let lastId = previousId;
  while (next < elements.length) {
    const start = next;
    const flags = takeInteger();
    if ((flags & ENTRY_DELETED) === 0) liveLeft--;
    else deletedLeft--;
    const id = {
      millis: BigInt.asUintN(64, masterId.millis + takeBigInt()),
      sequence: BigInt.asUintN(64, masterId.sequence + takeBigInt()),
    };
    check(isAscending(lastId, id));
    lastId = id;
    if ((flags & ENTRY_SAME_FIELDS) === 0) {
      const fieldCount = takeInteger();
      check(fieldCount > 0);
      skip(2 * fieldCount);
    } else {
      skip(masterFieldCount);
    }
    check(takeInteger() === next - 1 - start);
  }
  check(liveLeft === 0 && deletedLeft === 0);
  return lastId;
}
