/** XINFO: what streams, groups and consumers are like. */
import { TYPE_STREAM } from '../keyspace/entry.ts';
import { ENTRIES_READ_UNKNOWN } from '../keyspace/stream-layout.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import type { IdTree } from '../structures/id-tree.ts';
import { EntryId } from '../util/entry-id.ts';
import type { Call } from './call.ts';
import { NO_SUCH_KEY, unknownSubcommandOrArity } from './errors.ts';
import { replyHelp } from './help-reply.ts';
import { RadixTreeNodes } from './radix-tree-nodes.ts';
import {
  ID_MAX,
  ID_MIN,
  findGroup,
  noSuchGroup,
  replyEntry,
  replyId,
  roundedInteger,
} from './stream-arguments.ts';

const HELP_LINES = [
  'CONSUMERS <key> <groupname>',
  '    Show consumers of <groupname>.',
  'GROUPS <key>',
  '    Show the stream consumer groups.',
  'STREAM <key> [FULL [COUNT <count>]',
  '    Show information about the stream.',
];

const FULL_COUNT_DEFAULT = 10;
const REVERSE = { isReverse: true } as const;

const id = new EntryId();
const name = new BorrowedBytes();

/** XINFO HELP */
export function xInfoHelp(call: Call): void {
  replyHelp(call, HELP_LINES);
}

/** XINFO STREAM key [FULL [COUNT count]] */
export function xInfoStream(call: Call): void {
  const stream = requireStream(call);
  const count = fullCount(call);
  const { reply, keyspace } = call;
  const { streams } = keyspace;
  reply.map(count === undefined ? 10 : 9);
  reply.bulkText('length');
  reply.integer(streams.length(stream));
  reply.bulkText('radix-tree-keys');
  reply.integer(streams.nodeCount(stream));
  reply.bulkText('radix-tree-nodes');
  reply.integer(radixTreeNodes(call, stream));
  reply.bulkText('last-generated-id');
  replyId(reply, streams.readLastId(stream, id));
  reply.bulkText('max-deleted-entry-id');
  replyId(reply, streams.readMaxDeletedId(stream, id));
  reply.bulkText('entries-added');
  reply.bigInteger(BigInt.asIntN(64, streams.entriesAdded(stream)));
  reply.bulkText('recorded-first-entry-id');
  replyId(reply, streams.readFirstId(stream, id));
  if (count === undefined) {
    reply.bulkText('groups');
    reply.integer(streams.groups.count(stream));
    reply.bulkText('first-entry');
    replyEdge(call, stream, false);
    reply.bulkText('last-entry');
    replyEdge(call, stream, true);
  } else {
    reply.bulkText('entries');
    replyFirstEntries(call, stream, count);
    reply.bulkText('groups');
    replyGroupsInFull(call, stream, count);
  }
}

/** How much FULL shows of everything; undefined without it. */
function fullCount(call: Call): number | undefined {
  const { argumentCount } = call;
  if (argumentCount === 3) return undefined;
  const hasCount = argumentCount === 6 && call.is(4, 'COUNT');
  if (!call.is(3, 'FULL') || (argumentCount !== 4 && !hasCount))
    throw unknownSubcommandOrArity(call.text(1), call.text(0));
  if (!hasCount) return FULL_COUNT_DEFAULT;
  const count = roundedInteger(call, 5);
  if (count === 0) return Infinity;
  return count < 0 ? FULL_COUNT_DEFAULT : count;
}

function radixTreeNodes(call: Call, stream: Ref): number {
  const nodes = new RadixTreeNodes();
  call.keyspace.streams.forEachNode(stream, (_node, masterId) => nodes.add(masterId));
  return nodes.finish();
}

function replyEdge(call: Call, stream: Ref, isLast: boolean): void {
  const { cursor } = call.keyspace.streams;
  cursor.begin(stream, ID_MIN, ID_MAX, isLast ? REVERSE : undefined);
  if (cursor.next()) replyEntry(call.reply, cursor);
  else call.reply.null();
}

function replyFirstEntries(call: Call, stream: Ref, count: number): void {
  const { reply, keyspace } = call;
  const cursor = keyspace.streams.cursor.begin(stream, ID_MIN, ID_MAX);
  const mark = reply.beginArray();
  let replied = 0;
  for (; replied < count && cursor.next(); replied++) replyEntry(reply, cursor);
  reply.endArray(mark, replied);
}

function replyGroupsInFull(call: Call, stream: Ref, count: number): void {
  const { reply, keyspace } = call;
  const { groups } = keyspace.streams;
  const groupCount = groups.count(stream);
  reply.array(groupCount);
  for (let index = 0; index < groupCount; index++) {
    const group = groups.of(stream).at(index);
    reply.map(7);
    replyGroupName(call, group);
    reply.bulkText('last-delivered-id');
    replyId(reply, groups.readLastId(group, id));
    replyProgress(call, stream, group);
    const pending = groups.pendingOfGroup(group);
    reply.bulkText('pel-count');
    reply.integer(pending.count);
    reply.bulkText('pending');
    replyPending(call, pending, count, true);
    reply.bulkText('consumers');
    replyConsumersInFull(call, group, count);
  }
}

function replyConsumersInFull(call: Call, group: Ref, count: number): void {
  const { reply, keyspace } = call;
  const { groups } = keyspace.streams;
  const consumerCount = groups.consumersOf(group).count;
  reply.array(consumerCount);
  for (let index = 0; index < consumerCount; index++) {
    const consumer = groups.consumersOf(group).at(index);
    reply.map(4);
    replyConsumerName(call, consumer);
    reply.bulkText('seen-time');
    reply.integer(groups.seenMillis(consumer));
    const pending = groups.pendingOf(consumer);
    reply.bulkText('pel-count');
    reply.integer(pending.count);
    reply.bulkText('pending');
    replyPending(call, pending, count, false);
  }
}

function replyPending(call: Call, pending: IdTree, count: number, isWithConsumer: boolean): void {
  const { reply, keyspace } = call;
  const { groups } = keyspace.streams;
  reply.array(Math.min(count, pending.count));
  let left = count;
  for (let delivery = pending.first(); delivery !== 0 && left > 0; delivery = pending.next(), left--) {
    pending.readId(id);
    reply.array(isWithConsumer ? 4 : 3);
    replyId(reply, id);
    if (isWithConsumer) {
      groups.borrowConsumerName(groups.ownerOf(delivery), name);
      reply.bulk(name.bytes, name.start, name.end);
    }
    reply.integer(groups.deliveryMillis(delivery));
    reply.bigInteger(BigInt.asIntN(64, groups.deliveryCount(delivery)));
  }
}

/** XINFO GROUPS key */
export function xInfoGroups(call: Call): void {
  const stream = requireStream(call);
  const { reply, keyspace } = call;
  const { groups } = keyspace.streams;
  const count = groups.count(stream);
  reply.array(count);
  for (let index = 0; index < count; index++) {
    const group = groups.of(stream).at(index);
    reply.map(6);
    replyGroupName(call, group);
    reply.bulkText('consumers');
    reply.integer(groups.consumersOf(group).count);
    reply.bulkText('pending');
    reply.integer(groups.pendingOfGroup(group).count);
    reply.bulkText('last-delivered-id');
    replyId(reply, groups.readLastId(group, id));
    replyProgress(call, stream, group);
  }
}

/** XINFO CONSUMERS key group */
export function xInfoConsumers(call: Call): void {
  const stream = requireStream(call);
  const group = findGroup(call, stream, 3);
  if (group === 0) throw noSuchGroup(call, 2, 3);

  const { reply, keyspace } = call;
  const { groups } = keyspace.streams;
  const { count } = groups.consumersOf(group);
  reply.array(count);
  for (let index = 0; index < count; index++) {
    const consumer = groups.consumersOf(group).at(index);
    reply.map(3);
    replyConsumerName(call, consumer);
    reply.bulkText('pending');
    reply.integer(groups.pendingOf(consumer).count);
    reply.bulkText('idle');
    reply.integer(Math.max(0, call.now - groups.seenMillis(consumer)));
  }
}

function requireStream(call: Call): Ref {
  const entry = call.lookupTypedRead(2, TYPE_STREAM);
  if (entry === 0) throw NO_SUCH_KEY;
  return call.database.valueOf(entry);
}

function replyGroupName(call: Call, group: Ref): void {
  call.reply.bulkText('name');
  call.keyspace.streams.groups.borrowGroupName(group, name);
  call.reply.bulk(name.bytes, name.start, name.end);
}

function replyConsumerName(call: Call, consumer: Ref): void {
  call.reply.bulkText('name');
  call.keyspace.streams.groups.borrowConsumerName(consumer, name);
  call.reply.bulk(name.bytes, name.start, name.end);
}

/** How many entries the group has read, and how many it has before it, as far as that is known. */
function replyProgress(call: Call, stream: Ref, group: Ref): void {
  const { reply, keyspace } = call;
  const { streams } = keyspace;
  const read = streams.groups.entriesRead(group);
  reply.bulkText('entries-read');
  if (read === ENTRIES_READ_UNKNOWN) reply.null();
  else reply.bigInteger(read);

  reply.bulkText('lag');
  const lag = groupLag(call, stream, group, read);
  if (lag === undefined) reply.null();
  else reply.bigInteger(BigInt.asIntN(64, lag));
}

/** Entries that the group has not read, as far as that can be told (t_stream.c, streamReplyWithCGLag). */
function groupLag(call: Call, stream: Ref, group: Ref, read: bigint): bigint | undefined {
  const { streams } = call.keyspace;
  const added = streams.entriesAdded(stream);
  if (added === 0n) return 0n;
  streams.groups.readLastId(group, id);
  if (read !== ENTRIES_READ_UNKNOWN && !streams.hasDeletedFrom(stream, id)) return added - read;
  const estimated = streams.estimateRead(stream, id);
  return estimated === undefined ? undefined : added - estimated;
}
