/** Streams as plain JS structures: what files hold of them. The nodes' listpacks are taken raw. */
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { EntryId } from '../util/entry-id.ts';
import type { StreamGroups } from './stream-groups.ts';
import { ENTRIES_READ_UNKNOWN } from './stream-layout.ts';
import type { StreamValues } from './stream-values.ts';

interface StreamIdShape {
  readonly millis: bigint;
  readonly sequence: bigint;
}

interface StreamNodeShape {
  readonly masterId: StreamIdShape;
  /** In Redis' layout, well-formed. */
  readonly listpack: Uint8Array;
}

interface PendingEntryShape {
  readonly id: StreamIdShape;
  readonly deliveryMillis: number;
  readonly deliveryCount: number;
}

interface StreamConsumerShape {
  readonly name: Uint8Array;
  readonly seenMillis: number;
  /** Redis 7.0 does not know it. */
  readonly activeMillis: number | undefined;
  /** Each of them is among the group's pending entries. */
  readonly pending: readonly StreamIdShape[];
}

interface StreamGroupShape {
  readonly name: Uint8Array;
  readonly lastId: StreamIdShape;
  /** −1 = unknown; undefined: to be estimated. */
  readonly entriesRead: bigint | undefined;
  readonly pending: readonly PendingEntryShape[];
  readonly consumers: readonly StreamConsumerShape[];
}

export interface StreamShape {
  readonly kind: 'stream';
  readonly nodes: readonly StreamNodeShape[];
  readonly length: number;
  readonly lastId: StreamIdShape;
  /** Undefined: to be derived from the entries. */
  readonly history:
    | {
        readonly firstId: StreamIdShape;
        readonly maxDeletedId: StreamIdShape;
        readonly entriesAdded: bigint;
      }
    | undefined;
  readonly groups: readonly StreamGroupShape[];
}

const view = new BorrowedBytes();

// Out of the arena ------------------------------------------------------------------------------------------

export function shapeOfStream(streams: StreamValues, stream: Ref): StreamShape {
  const id = new EntryId();
  const nodes: StreamNodeShape[] = [];
  streams.forEachNode(stream, (node, masterId) => {
    streams.borrowPack(node, view);
    nodes.push({ masterId: shapeOfId(masterId), listpack: view.copy() });
  });
  return {
    kind: 'stream',
    nodes,
    length: streams.length(stream),
    lastId: shapeOfId(streams.readLastId(stream, id)),
    history: {
      firstId: shapeOfId(streams.readFirstId(stream, id)),
      maxDeletedId: shapeOfId(streams.readMaxDeletedId(stream, id)),
      entriesAdded: streams.entriesAdded(stream),
    },
    groups: shapesOfGroups(streams.groups, stream),
  };
}

function shapeOfId(id: EntryId): StreamIdShape {
  return { millis: id.bigMillis, sequence: id.bigSequence };
}

function shapesOfGroups(groups: StreamGroups, stream: Ref): StreamGroupShape[] {
  const shapes: StreamGroupShape[] = [];
  const id = new EntryId();
  for (let index = 0; index < groups.count(stream); index++) {
    const group = groups.of(stream).at(index);
    groups.borrowGroupName(group, view);
    shapes.push({
      name: view.copy(),
      lastId: shapeOfId(groups.readLastId(group, id)),
      entriesRead: groups.entriesRead(group),
      pending: pendingShapes(groups, group),
      consumers: consumerShapes(groups, group),
    });
  }
  return shapes;
}

function pendingShapes(groups: StreamGroups, group: Ref): PendingEntryShape[] {
  const shapes: PendingEntryShape[] = [];
  const id = new EntryId();
  const pending = groups.pendingOfGroup(group);
  for (let delivery = pending.first(); delivery !== 0; delivery = pending.next()) {
    pending.readId(id);
    shapes.push({
      id: shapeOfId(id),
      deliveryMillis: groups.deliveryMillis(delivery),
      deliveryCount: Number(groups.deliveryCount(delivery)),
    });
  }
  return shapes;
}

function consumerShapes(groups: StreamGroups, group: Ref): StreamConsumerShape[] {
  const shapes: StreamConsumerShape[] = [];
  const id = new EntryId();
  for (let index = 0; index < groups.consumersOf(group).count; index++) {
    const consumer = groups.consumersOf(group).at(index);
    groups.borrowConsumerName(consumer, view);
    const ids: StreamIdShape[] = [];
    const pending = groups.pendingOf(consumer);
    for (let delivery = pending.first(); delivery !== 0; delivery = pending.next()) {
      pending.readId(id);
      ids.push(shapeOfId(id));
    }
    const seenMillis = groups.seenMillis(consumer);
    shapes.push({ name: view.copy(), seenMillis, activeMillis: undefined, pending: ids });
  }
  return shapes;
}

// Into the arena --------------------------------------------------------------------------------------------

/** A stream as the shape says. @throws OutOfMemoryError, with nothing left behind */
export function createStream(streams: StreamValues, shape: StreamShape): Ref {
  const stream = streams.create();
  try {
    fillStream(streams, stream, shape);
  } catch (error) {
    streams.dismantle(stream, 0, () => false);
    throw error;
  }
  return stream;
}

function fillStream(streams: StreamValues, stream: Ref, shape: StreamShape): void {
  const id = new EntryId();
  const idOf = ({ millis, sequence }: StreamIdShape): EntryId => id.setBig(millis, sequence);
  for (const { masterId, listpack } of shape.nodes) streams.addNode(stream, idOf(masterId), listpack);
  streams.setLastId(stream, idOf(shape.lastId));
  streams.updateFirstId(stream);
  if (shape.history === undefined) {
    streams.setEntriesAdded(stream, BigInt(shape.length));
  } else {
    streams.setMaxDeletedId(stream, idOf(shape.history.maxDeletedId));
    streams.setEntriesAdded(stream, shape.history.entriesAdded);
  }
  for (const group of shape.groups) fillGroup(streams, stream, group);
}

function fillGroup(streams: StreamValues, stream: Ref, shape: StreamGroupShape): void {
  const { groups } = streams;
  const id = new EntryId().setBig(shape.lastId.millis, shape.lastId.sequence);
  const read = shape.entriesRead ?? streams.estimateRead(stream, id) ?? ENTRIES_READ_UNKNOWN;
  groups.find(stream, shape.name, 0, shape.name.length);
  const group = groups.create(stream, shape.name, 0, shape.name.length, id, read);

  const deliveries = new Map<string, PendingEntryShape>();
  for (const pending of shape.pending) deliveries.set(textOf(pending.id), pending);
  for (const { name, seenMillis, pending } of shape.consumers) {
    groups.findConsumer(group, name, 0, name.length);
    const consumer = groups.createConsumer(group, name, 0, name.length, seenMillis);
    for (const entry of pending) {
      const delivery = deliveries.get(textOf(entry))!;
      const added = groups.addPending(group, consumer, id.setBig(entry.millis, entry.sequence), 0);
      groups.setDelivered(added, delivery.deliveryMillis, BigInt(delivery.deliveryCount));
    }
  }
}

function textOf({ millis, sequence }: StreamIdShape): string {
  return `${millis}-${sequence}`;
}
