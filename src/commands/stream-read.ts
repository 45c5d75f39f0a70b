/**
 * Waiting for entries: XREAD and XREADGROUP. Both are run again for clients that wait: then one key counts
 * alone, the one that is ready (`call.servesKey`), and what it has is given.
 */
import { TYPE_STREAM } from '../keyspace/entry.ts';
import { ENTRIES_READ_UNKNOWN } from '../keyspace/stream-layout.ts';
import type { Ref } from '../memory/arena.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { Request } from '../protocol/request.ts';
import { EntryId } from '../util/entry-id.ts';
import { timeoutMillis } from './block-timeout.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR } from './errors.ts';
import {
  ID_MAX,
  findGroup,
  isCharacter,
  noSuchKeyOrGroup,
  parseId,
  replyEntry,
  replyId,
  roundedInteger,
} from './stream-arguments.ts';
import { propagateDelivery, propagateProgress, visitConsumer } from './stream-consumer.ts';

const UNBALANCED = new ErrorReply(
  "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
);
const GROUP_IN_XREAD = new ErrorReply(
  'ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.',
);
const NOACK_IN_XREAD = new ErrorReply(
  'ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.',
);
const MISSING_GROUP = new ErrorReply('ERR Missing GROUP option for XREADGROUP');
const DOLLAR_IN_XREADGROUP = new ErrorReply(
  'ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer ' +
    'by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty ' +
    'result set.',
);
const GREATER_IN_XREAD = new ErrorReply(
  'ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.',
);
const GROUP_GONE = new ErrorReply('NOGROUP the consumer group this client was blocked on no longer exists');

const DOLLAR = 0x24;
const GREATER = 0x3e;
/** Without COUNT a client that has waited gets no more entries. */
const WAITED_ENTRIES_MAX = 1000;

/** What a command reads; the ids are in `ids`. */
interface Reading {
  /** The first key's argument, and how many there are; as many ids follow. */
  readonly firstKey: number;
  readonly keyCount: number;
  /** 0 = all. */
  readonly count: number;
  /** Undefined: does not wait. */
  readonly timeoutMillis: number | undefined;
  /** Where the group's name is, with the consumer's behind it; 0 in XREAD. */
  readonly groupIndex: number;
  readonly isAcknowledged: boolean;
}

/** What each key is read from on: entries with greater ids. The greatest id means `>`: those that are new. */
const ids: EntryId[] = [];
const startId = new EntryId();
const lastId = new EntryId();

/** XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...] */
export function xRead(call: Call): void {
  read(call, parseReading(call, false));
}

/**
 * XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK]
 *   STREAMS key [key ...] id [id ...]
 */
export function xReadGroup(call: Call): void {
  const reading = parseReading(call, true);
  // What is propagated are the deliveries one by one.
  call.propagateNothing();
  read(call, reading);
}

// Arguments -------------------------------------------------------------------------------------------------

function parseReading(call: Call, isGroup: boolean): Reading {
  let timeout: number | undefined;
  let count = 0;
  let groupIndex = 0;
  let isAcknowledged = false;
  let firstKey = 0;
  for (let index = 1; index < call.argumentCount && firstKey === 0; index++) {
    const left = call.argumentCount - index - 1;
    if (left > 0 && call.is(index, 'BLOCK')) {
      timeout = timeoutMillis(call, ++index);
    } else if (left > 0 && call.is(index, 'COUNT')) {
      count = Math.max(0, roundedInteger(call, ++index));
    } else if (left > 0 && call.is(index, 'STREAMS')) {
      firstKey = index + 1;
      if (left % 2 !== 0) throw UNBALANCED;
    } else if (left > 1 && call.is(index, 'GROUP')) {
      if (!isGroup) throw GROUP_IN_XREAD;
      groupIndex = index + 1;
      index += 2;
    } else if (call.is(index, 'NOACK')) {
      if (!isGroup) throw NOACK_IN_XREAD;
      isAcknowledged = true;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  if (firstKey === 0) throw SYNTAX_ERROR;
  if (isGroup && groupIndex === 0) throw MISSING_GROUP;
  const keyCount = (call.argumentCount - firstKey) / 2;
  return { firstKey, keyCount, count, timeoutMillis: timeout, groupIndex, isAcknowledged };
}

/** Sets `ids`. @throws ErrorReply, also for a key that is no stream, or does not have the group */
function parseIds(call: Call, reading: Reading): void {
  const { firstKey, keyCount } = reading;
  for (let i = 0; i < keyCount; i++) {
    const id = (ids[i] ??= new EntryId());
    if (call.servesKey(firstKey + i)) parseIdOfKey(call, reading, firstKey + i, id);
  }
}

function parseIdOfKey(call: Call, reading: Reading, keyIndex: number, id: EntryId): void {
  const { groupIndex, keyCount } = reading;
  const index = keyIndex + keyCount;
  const entry = call.lookupTypedRead(keyIndex, TYPE_STREAM);
  const stream = entry === 0 ? 0 : call.database.valueOf(entry);
  if (groupIndex !== 0 && (stream === 0 || findGroup(call, stream, groupIndex) === 0)) {
    if (call.readyKey !== undefined) throw GROUP_GONE;
    throw noSuchKeyOrGroup(call, keyIndex, groupIndex, ' in XREADGROUP with GROUP option');
  }
  if (isCharacter(call, index, DOLLAR)) {
    if (groupIndex !== 0) throw DOLLAR_IN_XREADGROUP;
    if (stream === 0) id.setMin();
    else call.keyspace.streams.readLastId(stream, id);
  } else if (isCharacter(call, index, GREATER)) {
    if (groupIndex === 0) throw GREATER_IN_XREAD;
    id.setMax();
  } else {
    parseId(call, index, id);
  }
}

// Reading ---------------------------------------------------------------------------------------------------

function read(call: Call, reading: Reading): void {
  parseIds(call, reading);

  const { reply } = call;
  const { firstKey, keyCount } = reading;
  const mark = reply.beginArray();
  let served = 0;
  for (let i = 0; i < keyCount; i++) {
    if (!call.servesKey(firstKey + i)) continue;
    const entry = call.lookupRead(firstKey + i);
    if (entry === 0 || !hasEntriesFor(call, reading, call.database.valueOf(entry), ids[i]!)) continue;
    served++;
    if (reply.version === 2) reply.array(2);
    reply.bulk(call.request.buffer, call.request.start(firstKey + i), call.request.end(firstKey + i));
    if (reading.groupIndex === 0) replyNewer(call, call.database.valueOf(entry), ids[i]!, reading);
    else readForGroup(call, reading, firstKey + i, entry, ids[i]!);
    // A client that has waited is served once, were the key named twice.
    if (call.readyKey !== undefined) break;
  }
  if (served > 0) {
    if (reply.version === 2) reply.endArray(mark, served);
    else reply.endMap(mark, served);
  } else if (reading.timeoutMillis === undefined) {
    reply.nullArray();
  } else {
    wait(call, reading, reading.timeoutMillis);
  }
}

/** Whether the key is part of the reply; a client that has waited also learns that new entries are gone. */
function hasEntriesFor(call: Call, reading: Reading, stream: Ref, after: EntryId): boolean {
  const { streams } = call.keyspace;
  const isNew = reading.groupIndex !== 0;
  if (isNew && !after.isMax) return true;
  if (isNew) streams.groups.readLastId(findGroup(call, stream, reading.groupIndex), startId);
  else startId.set(after);
  if (call.readyKey !== undefined) return streams.readLastId(stream, lastId).compare(startId) > 0;
  return streams.readLastEntryId(stream, lastId) && lastId.compare(startId) > 0;
}

function replyNewer(call: Call, stream: Ref, after: EntryId, reading: Reading): void {
  const { reply, keyspace } = call;
  const { cursor } = keyspace.streams;
  startId.set(after).increment();
  cursor.begin(stream, startId, ID_MAX);
  const mark = reply.beginArray();
  const limit = limitOf(call, reading);
  let replied = 0;
  for (; replied < limit && cursor.next(); replied++) replyEntry(reply, cursor);
  reply.endArray(mark, replied);
}

function limitOf(call: Call, { count }: Reading): number {
  if (count !== 0) return count;
  return call.readyKey === undefined ? Infinity : WAITED_ENTRIES_MAX;
}

function wait(call: Call, reading: Reading, timeout: number): void {
  const { firstKey, keyCount, groupIndex } = reading;
  call.services.blocking.block(call, {
    type: TYPE_STREAM,
    firstKey,
    lastKey: firstKey + keyCount - 1,
    timeoutMillis: timeout,
    timeoutReply: 'null-array',
    // Run again, the command has ids already.
    ...(groupIndex === 0 &&
      call.readyKey === undefined && { request: resolvedRequest(call, firstKey + keyCount) }),
  });
}

/** The request with ids in place of `$`: what comes from now on is what the client waits for. */
function resolvedRequest(call: Call, firstId: number): Request {
  const args: Uint8Array[] = [];
  for (let i = 0; i < call.argumentCount; i++)
    args.push(i < firstId ? call.bytes(i) : Buffer.from(ids[i - firstId]!.toString()));
  return Request.of(args);
}

// For a group -----------------------------------------------------------------------------------------------

function readForGroup(call: Call, reading: Reading, keyIndex: number, entry: Ref, after: EntryId): void {
  const { groupIndex, isAcknowledged } = reading;
  const stream = call.database.valueOf(entry);
  const group = findGroup(call, stream, groupIndex);
  call.database.willChange(entry);
  const place = { keyIndex, groupIndex };
  const consumer = visitConsumer(call, group, place, groupIndex + 1, isAcknowledged);
  if (after.isMax) deliverNewer(call, reading, keyIndex, stream, group, consumer);
  else replyHistory(call, reading, stream, consumer, after);
  call.keyspace.addDirty(1);
}

/** Gives the consumer what the group has not read yet. */
function deliverNewer(
  call: Call,
  reading: Reading,
  keyIndex: number,
  stream: Ref,
  group: Ref,
  consumer: Ref,
): void {
  const { reply, keyspace } = call;
  const { streams } = keyspace;
  const { groups, cursor } = streams;
  const place = { keyIndex, groupIndex: reading.groupIndex };
  groups.readLastId(group, startId).increment();
  cursor.begin(stream, startId, ID_MAX);
  const mark = reply.beginArray();
  const limit = limitOf(call, reading);
  let replied = 0;
  for (; replied < limit && cursor.next(); replied++) {
    const delivery = reading.isAcknowledged ? 0 : deliver(call, group, consumer, cursor.id);
    advance(call, stream, group, cursor.id);
    replyEntry(reply, cursor);
    if (delivery !== 0) propagateDelivery(call, group, place, cursor.id, delivery);
  }
  if (reading.isAcknowledged && replied > 0) propagateProgress(call, group, place);
  reply.endArray(mark, replied);
}

/** An entry may be pending already: XGROUP SETID can bring a group back. Then it changes hands. */
function deliver(call: Call, group: Ref, consumer: Ref, id: EntryId): Ref {
  const { groups } = call.keyspace.streams;
  const delivery = groups.pendingOfGroup(group).find(id);
  if (delivery === 0) return groups.addPending(group, consumer, id, call.now);
  groups.assign(delivery, consumer, id);
  groups.setDelivered(delivery, call.now, 1n);
  return delivery;
}

/** The group has read up to that entry. */
function advance(call: Call, stream: Ref, group: Ref, id: EntryId): void {
  const { streams } = call.keyspace;
  const { groups } = streams;
  if (groups.hasCounted(group) && !streams.hasDeletedFrom(stream, id)) groups.countRead(group);
  else if (streams.entriesAdded(stream) !== 0n)
    groups.setEntriesRead(group, streams.estimateRead(stream, id) ?? ENTRIES_READ_UNKNOWN);
  groups.setLastId(group, id);
}

/** Replies with pending entries of the consumer; of those that are deleted only the id is left. */
function replyHistory(call: Call, reading: Reading, stream: Ref, consumer: Ref, after: EntryId): void {
  const { reply, keyspace } = call;
  const { groups, cursor } = keyspace.streams;
  const pending = groups.pendingOf(consumer);
  startId.set(after).increment();
  const mark = reply.beginArray();
  const limit = reading.count === 0 ? Infinity : reading.count;
  let replied = 0;
  for (
    let delivery = pending.atLeast(startId);
    delivery !== 0 && replied < limit;
    delivery = pending.next(), replied++
  ) {
    pending.readId(lastId);
    if (cursor.begin(stream, lastId, lastId).next()) {
      replyEntry(reply, cursor);
      groups.setDelivered(delivery, call.now, groups.deliveryCount(delivery) + 1n);
    } else {
      reply.array(2);
      replyId(reply, lastId);
      reply.nullArray();
    }
  }
  reply.endArray(mark, replied);
}
