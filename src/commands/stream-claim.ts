/** Pending entries of consumer groups: XPENDING, XCLAIM, XAUTOCLAIM. */
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { ErrorReply } from '../protocol/error-reply.ts';
import { EntryId } from '../util/entry-id.ts';
import type { Call } from './call.ts';
import { SYNTAX_ERROR, printedText } from './errors.ts';
import {
  findConsumer,
  lookupGroup,
  noSuchKeyOrGroup,
  parseEnd,
  parseId,
  parseStart,
  replyEntry,
  replyId,
  roundedInteger,
  exactInteger,
  tryParseId,
} from './stream-arguments.ts';
import type { FoundGroup } from './stream-arguments.ts';
import { propagateDelivery, propagateProgress, visitConsumer } from './stream-consumer.ts';

const INVALID_CLAIM_IDLE = new ErrorReply('ERR Invalid min-idle-time argument for XCLAIM');
const INVALID_AUTOCLAIM_IDLE = new ErrorReply('ERR Invalid min-idle-time argument for XAUTOCLAIM');
const INVALID_IDLE = new ErrorReply('ERR Invalid IDLE option argument for XCLAIM');
const INVALID_TIME = new ErrorReply('ERR Invalid TIME option argument for XCLAIM');
const INVALID_RETRYCOUNT = new ErrorReply('ERR Invalid RETRYCOUNT option argument for XCLAIM');
const COUNT_NOT_POSITIVE = new ErrorReply('ERR COUNT must be > 0');
const COUNT_TOO_HIGH = new ErrorReply(
  'ERR Insufficient memory, failed allocating transient memory, COUNT too high.',
);

/** Key, group and consumer of XCLAIM and XAUTOCLAIM. */
const PLACE = { keyIndex: 1, groupIndex: 2 } as const;
const CONSUMER_INDEX = 3;
const IDLE_INDEX = 4;

const AUTOCLAIM_COUNT_DEFAULT = 100;
/** XAUTOCLAIM looks at so many pending entries for each that it may claim. */
const ATTEMPTS_PER_CLAIM = 10;
/** LONG_MAX / 16 is the greatest COUNT that Redis takes; for more than the other it finds no memory. */
const AUTOCLAIM_COUNT_MAX = 2n ** 59n - 1n;
const AUTOCLAIM_COUNT_AFFORDABLE = 2n ** 43n;

const id = new EntryId();
const startId = new EntryId();
const endId = new EntryId();
const name = new BorrowedBytes();

// XPENDING --------------------------------------------------------------------------------------------------

interface PendingRange {
  readonly count: number;
  readonly minIdleMillis: number;
  /** The argument with the consumer's name, 0 = all consumers. */
  readonly consumerIndex: number;
}

/** XPENDING key group [[IDLE min-idle-time] start end count [consumer]] */
export function xPending(call: Call): void {
  const range = call.argumentCount === 3 ? undefined : pendingRange(call);
  const found = lookupGroup(call, 1, 2);
  if (found === undefined) throw noSuchKeyOrGroup(call, 1, 2);
  if (range === undefined) replyPendingSummary(call, found.group);
  else replyPendingRange(call, found.group, range);
}

/** Sets `startId` and `endId`. */
function pendingRange(call: Call): PendingRange {
  const { argumentCount } = call;
  if (argumentCount < 6 || argumentCount > 9) throw SYNTAX_ERROR;
  let index = 3;
  let minIdleMillis = 0;
  if (call.is(3, 'IDLE')) {
    minIdleMillis = roundedInteger(call, 4);
    if (argumentCount < 8) throw SYNTAX_ERROR;
    index = 5;
  }
  const count = roundedInteger(call, index + 2);
  parseStart(call, index, startId);
  parseEnd(call, index + 1, endId);
  return { count, minIdleMillis, consumerIndex: index + 3 < argumentCount ? index + 3 : 0 };
}

function replyPendingSummary(call: Call, group: Ref): void {
  const { reply, keyspace } = call;
  const { groups } = keyspace.streams;
  const pending = groups.pendingOfGroup(group);
  reply.array(4);
  reply.integer(pending.count);
  if (pending.count === 0) {
    reply.null();
    reply.null();
    reply.nullArray();
    return;
  }
  pending.first();
  pending.readId(id);
  replyId(reply, id);
  pending.last();
  pending.readId(id);
  replyId(reply, id);

  const consumers = groups.consumersOf(group);
  const mark = reply.beginArray();
  let replied = 0;
  for (let index = 0; index < consumers.count; index++) {
    const consumer = consumers.at(index);
    const { count } = groups.pendingOf(consumer);
    if (count === 0) continue;
    replied++;
    reply.array(2);
    groups.borrowConsumerName(consumer, name);
    reply.bulk(name.bytes, name.start, name.end);
    reply.bulkInteger(count);
  }
  reply.endArray(mark, replied);
}

function replyPendingRange(
  call: Call,
  group: Ref,
  { count, minIdleMillis, consumerIndex }: PendingRange,
): void {
  const { reply, keyspace } = call;
  const { groups } = keyspace.streams;
  const consumer = consumerIndex === 0 ? 0 : findConsumer(call, group, consumerIndex);
  if (consumerIndex !== 0 && consumer === 0) {
    reply.array(0);
    return;
  }
  const pending = consumer === 0 ? groups.pendingOfGroup(group) : groups.pendingOf(consumer);
  const mark = reply.beginArray();
  let replied = 0;
  for (
    let delivery = replied < count ? pending.atLeast(startId) : 0;
    delivery !== 0 && replied < count;
    delivery = pending.next()
  ) {
    pending.readId(id);
    if (id.compare(endId) > 0) break;
    const idleMillis = call.now - groups.deliveryMillis(delivery);
    if (minIdleMillis !== 0 && idleMillis < minIdleMillis) continue;
    replied++;
    reply.array(4);
    replyId(reply, id);
    groups.borrowConsumerName(groups.ownerOf(delivery), name);
    reply.bulk(name.bytes, name.start, name.end);
    reply.integer(Math.max(0, idleMillis));
    reply.bigInteger(BigInt.asIntN(64, groups.deliveryCount(delivery)));
  }
  reply.endArray(mark, replied);
}

// XCLAIM ----------------------------------------------------------------------------------------------------

interface ClaimOptions {
  readonly minIdleMillis: number;
  /** The argument behind the last id. */
  readonly idsEnd: number;
  /** Unix time that the entry counts as delivered at. */
  readonly deliveryMillis: number;
  readonly retryCount: bigint | undefined;
  readonly isForced: boolean;
  readonly isIdOnly: boolean;
}

/**
 * XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds]
 *   [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]
 */
export function xClaim(call: Call): void {
  const found = lookupGroup(call, PLACE.keyIndex, PLACE.groupIndex);
  if (found === undefined) throw noSuchKeyOrGroup(call, PLACE.keyIndex, PLACE.groupIndex);
  const options = claimOptions(call);

  const { reply, keyspace } = call;
  const { groups } = keyspace.streams;
  const { group } = found;
  call.propagateNothing();
  call.database.willChange(found.entry);
  // `endId` is the LASTID.
  const hasAdvanced = endId.compare(groups.readLastId(group, startId)) > 0;
  if (hasAdvanced) groups.setLastId(group, endId);
  const { changeCount } = keyspace;
  const mark = reply.beginArray();
  let claimed = 0;
  for (let index = 5; index < options.idsEnd; index++)
    if (claim(call, found, parseId(call, index, id), options)) claimed++;
  reply.endArray(mark, claimed);
  // What is propagated of a claim has the last id.
  if (hasAdvanced && keyspace.changeCount === changeCount) {
    propagateProgress(call, group, PLACE);
    keyspace.addDirty(1);
  }
}

/** Sets `endId` to the LASTID, or to 0-0. */
function claimOptions(call: Call): ClaimOptions {
  const minIdleMillis = Math.max(0, roundedInteger(call, IDLE_INDEX, INVALID_CLAIM_IDLE));
  let index = 5;
  while (index < call.argumentCount && tryParseId(call, index, id)) index++;
  const idsEnd = index;

  endId.setMin();
  let deliveryMillis = -1;
  let retryCount: bigint | undefined;
  let isForced = false;
  let isIdOnly = false;
  for (; index < call.argumentCount; index++) {
    const hasMore = index + 1 < call.argumentCount;
    if (call.is(index, 'FORCE')) {
      isForced = true;
    } else if (call.is(index, 'JUSTID')) {
      isIdOnly = true;
    } else if (hasMore && call.is(index, 'IDLE')) {
      deliveryMillis = call.now - roundedInteger(call, ++index, INVALID_IDLE);
    } else if (hasMore && call.is(index, 'TIME')) {
      deliveryMillis = roundedInteger(call, ++index, INVALID_TIME);
    } else if (hasMore && call.is(index, 'RETRYCOUNT')) {
      retryCount = exactInteger(call, ++index, INVALID_RETRYCOUNT);
    } else if (hasMore && call.is(index, 'LASTID')) {
      parseId(call, ++index, endId);
    } else {
      throw new ErrorReply(`ERR Unrecognized XCLAIM option '${printedText(call.text(index))}'`);
    }
  }
  // A time that makes no sense is no error: the clock of a client may be ahead.
  if (deliveryMillis < 0 || deliveryMillis > call.now) deliveryMillis = call.now;
  if (retryCount !== undefined && retryCount < 0n) retryCount = undefined;
  return { minIdleMillis, idsEnd, deliveryMillis, retryCount, isForced, isIdOnly };
}

/** Gives an entry to the consumer and replies with it; false when that is not to be. */
function claim(call: Call, found: FoundGroup, entryId: EntryId, options: ClaimOptions): boolean {
  const { keyspace } = call;
  const { groups } = keyspace.streams;
  const delivery = groups.pendingOfGroup(found.group).find(entryId);
  if (!keyspace.streams.has(found.stream, entryId)) {
    if (delivery !== 0) forget(call, found.group, entryId, delivery);
    return false;
  }
  if (delivery === 0 && !options.isForced) return false;
  if (delivery !== 0 && isTooFresh(call, delivery, options.minIdleMillis)) return false;

  const consumer = visitConsumer(call, found.group, PLACE, CONSUMER_INDEX, false);
  const claimed = delivery === 0 ? groups.addPending(found.group, consumer, entryId, call.now) : delivery;
  handOver(call, found, entryId, claimed, consumer, options);
  return true;
}

function isTooFresh(call: Call, delivery: Ref, minIdleMillis: number): boolean {
  const idleMillis = call.now - call.keyspace.streams.groups.deliveryMillis(delivery);
  return minIdleMillis !== 0 && idleMillis < minIdleMillis;
}

function handOver(
  call: Call,
  { stream, group }: FoundGroup,
  entryId: EntryId,
  delivery: Ref,
  consumer: Ref,
  options: Pick<ClaimOptions, 'deliveryMillis' | 'retryCount' | 'isIdOnly'>,
): void {
  const { reply, keyspace } = call;
  const { groups, cursor } = keyspace.streams;
  const { deliveryMillis, retryCount, isIdOnly } = options;
  groups.assign(delivery, consumer, entryId);
  const count = groups.deliveryCount(delivery);
  groups.setDelivered(delivery, deliveryMillis, retryCount ?? (isIdOnly ? count : count + 1n));
  if (isIdOnly) {
    replyId(reply, entryId);
  } else {
    cursor.begin(stream, entryId, entryId).next();
    replyEntry(reply, cursor);
  }
  propagateDelivery(call, group, PLACE, entryId, delivery);
  keyspace.addDirty(1);
}

/** An entry that was deleted from the stream is not pending any more. */
function forget(call: Call, group: Ref, entryId: EntryId, delivery: Ref): void {
  propagateDelivery(call, group, PLACE, entryId, delivery);
  call.keyspace.streams.groups.removePending(group, entryId);
  call.keyspace.addDirty(1);
}

// XAUTOCLAIM ------------------------------------------------------------------------------------------------

/** XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID] */
export function xAutoClaim(call: Call): void {
  const minIdleMillis = Math.max(0, roundedInteger(call, IDLE_INDEX, INVALID_AUTOCLAIM_IDLE));
  parseStart(call, 5, startId);
  let count = BigInt(AUTOCLAIM_COUNT_DEFAULT);
  let isIdOnly = false;
  for (let index = 6; index < call.argumentCount; index++) {
    if (index + 1 < call.argumentCount && call.is(index, 'COUNT')) {
      count = exactInteger(call, ++index, COUNT_NOT_POSITIVE);
      if (count < 1n || count > AUTOCLAIM_COUNT_MAX) throw COUNT_NOT_POSITIVE;
    } else if (call.is(index, 'JUSTID')) {
      isIdOnly = true;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  const found = lookupGroup(call, PLACE.keyIndex, PLACE.groupIndex);
  if (found === undefined) throw noSuchKeyOrGroup(call, PLACE.keyIndex, PLACE.groupIndex);
  if (count > AUTOCLAIM_COUNT_AFFORDABLE) throw COUNT_TOO_HIGH;

  call.propagateNothing();
  call.database.willChange(found.entry);
  claimFrom(call, found, Number(count), minIdleMillis, isIdOnly);
}

/** Claims up to `count` pending entries from `startId` on, and replies. */
function claimFrom(
  call: Call,
  found: FoundGroup,
  count: number,
  minIdleMillis: number,
  isIdOnly: boolean,
): void {
  const { reply, keyspace } = call;
  const { groups } = keyspace.streams;
  const options = { deliveryMillis: call.now, retryCount: undefined, isIdOnly };
  const deleted: EntryId[] = [];
  const pending = groups.pendingOfGroup(found.group);
  let delivery = pending.atLeast(startId);
  let consumer = 0;
  let claimed = 0;
  reply.array(3);
  const mark = reply.beginArray();
  for (let left = count * ATTEMPTS_PER_CLAIM; left > 0 && delivery !== 0; left--) {
    if (claimed + deleted.length === count) break;
    pending.readId(id);
    if (!keyspace.streams.has(found.stream, id)) {
      deleted.push(id.copy());
      forget(call, found.group, id, delivery);
      delivery = pending.current;
      continue;
    }
    if (!isTooFresh(call, delivery, minIdleMillis)) {
      consumer ||= visitConsumer(call, found.group, PLACE, CONSUMER_INDEX, false);
      handOver(call, found, id, delivery, consumer, options);
      claimed++;
    }
    delivery = pending.next();
  }
  reply.endArray(mark, claimed);

  // Where the next call shall go on stands in front.
  if (delivery === 0) id.setMin();
  else pending.readId(id);
  reply.insert(mark, () => replyId(reply, id));
  reply.array(deleted.length);
  for (const deletedId of deleted) replyId(reply, deletedId);
}
