/** Values of all types out of a JSON snapshot (grammar: docs/formats/json.md). */
import { decodeDumpPayload, encodeDumpPayload } from './dump-payload.ts';
import { JsonAtom, JsonObject, type JsonTree } from './json-input.ts';
import type {
  RdbHash,
  RdbHashField,
  RdbPendingEntry,
  RdbScoredMember,
  RdbStream,
  RdbStreamConsumer,
  RdbStreamGroup,
  RdbStreamHistory,
  RdbStreamNode,
  RdbString,
  RdbValue,
  StreamId,
} from './rdb-values.ts';

/** What is wrong with a value; who reads the file adds the place. */
export class JsonValueError extends Error {
  override readonly name = 'JsonValueError';
}

type ValueReader = (tree: JsonTree) => RdbValue;

const READERS: ReadonlyMap<string, ValueReader> = new Map<string, ValueReader>([
  ['string', readStringValue],
  ['list', (tree) => ({ kind: 'list', items: toItems(tree, toBytes) })],
  ['set', (tree) => ({ kind: 'set', members: toItems(tree, toBytes) })],
  ['hash', readHash],
  ['zset', (tree) => ({ kind: 'zset', members: toItems(tree, toScored) })],
  ['stream', readStream],
]);

const UINT64 = /^(0|[1-9]\d{0,19})$/;
const UINT64_MAX = 2n ** 64n - 1n;
const COUNT_MAX = 2 ** 53 - 1;
const MILLIS_LIMIT = 2 ** 63;

/** The value of a type. Its parts are copies; they stay valid. */
export function readJsonValue(type: string, tree: JsonTree): RdbValue {
  const reader = READERS.get(type);
  if (reader === undefined) throw new JsonValueError(`unknown type ${JSON.stringify(type)}`);
  return reader(tree);
}

/** A string, `{"base64":…}`, or a number or word for its spelling. */
export function toBytes(tree: JsonTree): Buffer {
  if (Buffer.isBuffer(tree)) return tree;
  if (tree instanceof JsonAtom && isNumber(tree)) return Buffer.from(tree.text, 'latin1');
  if (tree instanceof JsonObject) {
    const [member] = tree.members;
    if (tree.members.length === 1 && member!.name.equals(BASE64) && Buffer.isBuffer(member!.value)) {
      return fromBase64(member!.value);
    }
  }
  throw new JsonValueError('a string or {"base64":"…"} expected');
}

const BASE64 = Buffer.from('base64');

/** Strict, as it must be lossless: the alphabet of RFC 4648 section 4, padded. */
export function fromBase64(text: Buffer): Buffer {
  const spelt = text.toString('latin1');
  const bytes = Buffer.from(spelt, 'base64');
  if (bytes.toString('base64') !== spelt) throw new JsonValueError('not base64');
  return bytes;
}

/** A time in Unix milliseconds. */
export function toMillis(tree: JsonTree): number {
  const value = toNumber(tree);
  if (!Number.isInteger(value) || Math.abs(value) > MILLIS_LIMIT) {
    throw new JsonValueError('a time in milliseconds expected');
  }
  return value;
}

export function toCount(tree: JsonTree, max = COUNT_MAX): number {
  const value = toNumber(tree);
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new JsonValueError('a whole number in range expected');
  }
  return value;
}

function toNumber(tree: JsonTree): number {
  return tree instanceof JsonAtom && isNumber(tree) ? Number(tree.text) : Number.NaN;
}

function isNumber({ text }: JsonAtom): boolean {
  return text !== 'true' && text !== 'false' && text !== 'null';
}

/** Long strings are arrays of their parts. */
function readStringValue(tree: JsonTree): RdbString {
  const bytes = isArray(tree) ? Buffer.concat(tree.map(toBytes)) : toBytes(tree);
  return { kind: 'string', bytes, start: 0, end: bytes.length };
}

function isArray(tree: JsonTree): tree is readonly JsonTree[] {
  return Array.isArray(tree);
}

function toItems<Item>(tree: JsonTree, toItem: (tree: JsonTree) => Item): Item[] {
  if (!isArray(tree)) throw new JsonValueError('an array expected');
  return tree.map((item) => toItem(item));
}

/** An array of a fixed number of values, of which the last ones may be missing. */
function toTuple(tree: JsonTree, minLength: number, maxLength: number): readonly JsonTree[] {
  if (!isArray(tree) || tree.length < minLength || tree.length > maxLength) {
    throw new JsonValueError(`an array of ${maxLength} values expected`);
  }
  return tree;
}

function readHash(tree: JsonTree): RdbHash {
  if (tree instanceof JsonObject) {
    const fields = tree.members.map(({ name, value }) => ({
      field: name,
      value: toBytes(value),
      expiryMillis: undefined,
    }));
    return { kind: 'hash', fields };
  }
  return { kind: 'hash', fields: toItems(tree, toField) };
}

function toField(tree: JsonTree): RdbHashField {
  const [field, value, expiry] = toTuple(tree, 2, 3);
  return {
    field: toBytes(field!),
    value: toBytes(value!),
    expiryMillis: expiry === undefined ? undefined : toMillis(expiry),
  };
}

function toScored(tree: JsonTree): RdbScoredMember {
  const [member, score] = toTuple(tree, 2, 2);
  return { member: toBytes(member!), score: toScore(score!) };
}

function toScore(tree: JsonTree): number {
  if (Buffer.isBuffer(tree)) {
    const text = tree.toString('latin1');
    if (text === 'inf') return Infinity;
    if (text === '-inf') return -Infinity;
  }
  const score = toNumber(tree);
  if (!Number.isFinite(score)) throw new JsonValueError('a score expected');
  return score;
}

/** Members of an object by name: each at most once, and none that is not asked for. */
class Members {
  readonly #left = new Map<string, JsonTree>();

  constructor(tree: JsonTree) {
    if (!(tree instanceof JsonObject)) throw new JsonValueError('an object expected');
    for (const { name, value } of tree.members) {
      const text = name.toString();
      if (this.#left.has(text)) throw new JsonValueError(`${JSON.stringify(text)} occurs twice`);
      this.#left.set(text, value);
    }
  }

  has(name: string): boolean {
    return this.#left.has(name);
  }

  take<Value>(name: string, convert: (tree: JsonTree) => Value): Value {
    const tree = this.#left.get(name);
    if (tree === undefined) throw new JsonValueError(`no ${JSON.stringify(name)}`);
    this.#left.delete(name);
    return convert(tree);
  }

  takeOptional<Value>(name: string, convert: (tree: JsonTree) => Value): Value | undefined {
    return this.has(name) ? this.take(name, convert) : undefined;
  }

  assertNoMore(): void {
    for (const name of this.#left.keys()) throw new JsonValueError(`unknown member ${JSON.stringify(name)}`);
  }
}

function readMembers<Value>(tree: JsonTree, convert: (members: Members) => Value): Value {
  const members = new Members(tree);
  const value = convert(members);
  members.assertNoMore();
  return value;
}

function readStream(tree: JsonTree): RdbStream {
  const stream = readMembers(tree, (members): RdbStream => ({
    kind: 'stream',
    length: members.take('length', toCount),
    lastId: members.take('last_id', toId),
    history: readHistory(members),
    nodes: members.take('nodes', (nodes) => toItems(nodes, toNode)),
    groups: members.take('groups', (groups) => toItems(groups, toGroup)),
  }));
  checkStream(stream);
  return stream;
}

/** All of it or nothing. */
function readHistory(members: Members): RdbStreamHistory | undefined {
  if (!members.has('entries_added')) return undefined;
  return {
    firstId: members.take('first_id', toId),
    maxDeletedId: members.take('max_deleted_id', toId),
    entriesAdded: members.take('entries_added', toUint64),
  };
}

function toNode(tree: JsonTree): RdbStreamNode {
  return readMembers(tree, (members) => ({
    masterId: members.take('master_id', toId),
    listpack: members.take('listpack', toBytes),
  }));
}

function toGroup(tree: JsonTree): RdbStreamGroup {
  return readMembers(tree, (members) => ({
    name: members.take('name', toBytes),
    lastId: members.take('last_id', toId),
    entriesRead: members.takeOptional('entries_read', toEntriesRead),
    pending: members.take('pending', (pending) => toItems(pending, toPending)),
    consumers: members.take('consumers', (consumers) => toItems(consumers, toConsumer)),
  }));
}

function toPending(tree: JsonTree): RdbPendingEntry {
  const [id, deliveryMillis, deliveryCount] = toTuple(tree, 3, 3);
  return {
    id: toId(id!),
    deliveryMillis: toMillis(deliveryMillis!),
    deliveryCount: toCount(deliveryCount!),
  };
}

function toConsumer(tree: JsonTree): RdbStreamConsumer {
  return readMembers(tree, (members) => ({
    name: members.take('name', toBytes),
    seenMillis: members.take('seen_at', toMillis),
    activeMillis: members.takeOptional('active_at', toMillis),
    pending: members.take('pending', (pending) => toItems(pending, toId)),
  }));
}

function toId(tree: JsonTree): StreamId {
  const [millis, sequence, more] = Buffer.isBuffer(tree) ? tree.toString('latin1').split('-') : [];
  if (millis === undefined || sequence === undefined || more !== undefined) {
    throw new JsonValueError('an id of a stream expected');
  }
  return { millis: parseUint64(millis), sequence: parseUint64(sequence) };
}

function toUint64(tree: JsonTree): bigint {
  return parseUint64(tree instanceof JsonAtom ? tree.text : '');
}

/** -1: unknown. What RESTORE was given may be any other negative number. */
function toEntriesRead(tree: JsonTree): bigint {
  const text = tree instanceof JsonAtom ? tree.text : '';
  return BigInt.asIntN(64, text.startsWith('-') ? -parseUint64(text.slice(1)) : parseUint64(text));
}

function parseUint64(text: string): bigint {
  const value = UINT64.test(text) ? BigInt(text) : UINT64_MAX + 1n;
  if (value > UINT64_MAX) throw new JsonValueError('a whole number of 64 bits expected');
  return value;
}

/**
 * Whether nodes and groups agree with themselves: what the RDB reader demands, so it is asked. Version 10 of
 * its format has no place for the time of activity, which nothing depends on.
 */
function checkStream(stream: RdbStream): void {
  const result = decodeDumpPayload(wholeRange(encodeDumpPayload(stream, false)));
  if (result.kind === 'value') return;
  throw new JsonValueError(result.kind === 'bad-data-format' ? result.reason : result.kind);
}

function wholeRange(bytes: Buffer): { bytes: Buffer; start: number; end: number } {
  return { bytes, start: 0, end: bytes.length };
}
