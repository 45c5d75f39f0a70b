/** What happens on the way to a consumer: it is created when it is not there, deliveries are propagated. */
import { NOTIFY_STREAM } from '../keyspace/notify.ts';
import type { Ref } from '../memory/arena.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { EntryId } from '../util/entry-id.ts';
import type { Call } from './call.ts';
import { findConsumer } from './stream-arguments.ts';

const name = new BorrowedBytes();
const lastId = new EntryId();

/** Where a command has key and group. */
interface GroupPlace {
  readonly keyIndex: number;
  readonly groupIndex: number;
}

/** The consumer that an argument names, seen now; created if need be. */
export function visitConsumer(
  call: Call,
  group: Ref,
  place: GroupPlace,
  nameIndex: number,
  isCreationPropagated: boolean,
): Ref {
  const consumer = findConsumer(call, group, nameIndex);
  if (consumer !== 0) {
    call.keyspace.streams.groups.setSeen(consumer, call.now);
    return consumer;
  }
  const created = createConsumer(call, group, place.keyIndex, nameIndex);
  if (isCreationPropagated) {
    const { keyIndex, groupIndex } = place;
    const [key, groupName, consumerName] = [
      call.bytes(keyIndex),
      call.bytes(groupIndex),
      call.bytes(nameIndex),
    ];
    call.alsoPropagate('XGROUP', 'CREATECONSUMER', key, groupName, consumerName);
  }
  return created;
}

/** Creates the consumer that an argument names, and that is not there. */
export function createConsumer(call: Call, group: Ref, keyIndex: number, nameIndex: number): Ref {
  const { request, keyspace } = call;
  const { groups } = keyspace.streams;
  findConsumer(call, group, nameIndex);
  const consumer = groups.createConsumer(
    group,
    request.buffer,
    request.start(nameIndex),
    request.end(nameIndex),
    call.now,
  );
  keyspace.addDirty(1);
  call.event(keyIndex, NOTIFY_STREAM, 'xgroup-createconsumer');
  return consumer;
}

/** Propagates the state of a pending entry (t_stream.c, streamPropagateXCLAIM). */
export function propagateDelivery(
  call: Call,
  group: Ref,
  place: GroupPlace,
  id: EntryId,
  delivery: Ref,
): void {
  if (!call.isPropagating) return;
  const { groups } = call.keyspace.streams;
  groups.borrowConsumerName(groups.ownerOf(delivery), name);
  call.alsoPropagate(
    'XCLAIM',
    call.bytes(place.keyIndex),
    call.bytes(place.groupIndex),
    name.copy(),
    '0',
    id.toString(),
    'TIME',
    String(groups.deliveryMillis(delivery)),
    'RETRYCOUNT',
    BigInt.asIntN(64, groups.deliveryCount(delivery)).toString(),
    'FORCE',
    'JUSTID',
    'LASTID',
    groups.readLastId(group, lastId).toString(),
  );
}

/** Propagates how far a group has read (t_stream.c, streamPropagateGroupID). */
export function propagateProgress(call: Call, group: Ref, { keyIndex, groupIndex }: GroupPlace): void {
  if (!call.isPropagating) return;
  const { groups } = call.keyspace.streams;
  call.alsoPropagate(
    'XGROUP',
    'SETID',
    call.bytes(keyIndex),
    call.bytes(groupIndex),
    groups.readLastId(group, lastId).toString(),
    'ENTRIESREAD',
    groups.entriesRead(group).toString(),
  );
}
