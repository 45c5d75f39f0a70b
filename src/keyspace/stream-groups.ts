/**
 * Consumer groups of streams: who has read how far, and what was delivered but not acknowledged yet. The
 * blocks are described in stream-layout.ts.
 *
 * All that may fail for want of memory happens before the first change of an operation.
 */
import { strict as assert } from 'node:assert';
import { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { byteOffset, bytesOf, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import { BorrowedBytes } from '../memory/struct.ts';
import { IdTree } from '../structures/id-tree.ts';
import { NameIndex } from '../structures/name-index.ts';
import type { NameLayout } from '../structures/name-index.ts';
import { copyBytes } from '../util/bytes.ts';
import { EntryId } from '../util/entry-id.ts';
import {
  CONSUMER_LAYOUT,
  CONSUMER_PENDING,
  CONSUMER_SEEN_DOUBLE,
  DELIVERY_BYTES,
  DELIVERY_CONSUMER,
  DELIVERY_COUNT,
  DELIVERY_TIME_DOUBLE,
  GROUP_CONSUMERS,
  GROUP_ENTRIES_READ,
  GROUP_LAST_ID,
  GROUP_LAYOUT,
  GROUP_PENDING,
  STREAM_GROUPS,
  getId,
  getInt64,
  getUint64,
  increment64,
  setId,
  setInt64,
} from './stream-layout.ts';

/** What the allocator really takes for a delivery. */
const DELIVERY_BLOCK_BYTES = Allocator.roundedBytes(DELIVERY_BYTES);

const name = new BorrowedBytes();
const id = new EntryId();

export class StreamGroups {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #groups: NameIndex;
  readonly #consumers: NameIndex;
  readonly #groupPending: IdTree;
  readonly #consumerPending: IdTree;

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#groups = new NameIndex(allocator, GROUP_LAYOUT);
    this.#consumers = new NameIndex(allocator, CONSUMER_LAYOUT);
    this.#groupPending = new IdTree(allocator);
    this.#consumerPending = new IdTree(allocator);
  }

  // Groups --------------------------------------------------------------------------------------------------

  /** The groups of a stream, to be gone through; void after the next call of another method. */
  of(stream: Ref): NameIndex {
    return this.#groups.attach(stream, STREAM_GROUPS);
  }

  count(stream: Ref): number {
    return this.of(stream).count;
  }

  /** The group of that name, or 0. */
  find(stream: Ref, bytes: Uint8Array, start: number, end: number): Ref {
    return this.of(stream).find(bytes, start, end);
  }

  /** Adds a group, whose name `find` has just not found. @throws OutOfMemoryError */
  create(stream: Ref, bytes: Uint8Array, start: number, end: number, lastId: EntryId, read: bigint): Ref {
    const groups = this.of(stream);
    groups.reserve();
    const group = this.#newNamed(GROUP_LAYOUT, bytes, start, end);
    setWord(this.#arena, group, GROUP_CONSUMERS, 0);
    this.#groupPending.attach(group, GROUP_PENDING).initialize();
    this.setProgress(group, lastId, read);
    groups.insert(group);
    return group;
  }

  /** Removes the group that `find` has just found, with all that belongs to it. */
  destroyFound(stream: Ref, group: Ref): void {
    this.of(stream).removeFound();
    this.#dismantleGroup(group, () => false);
  }

  /** Sets what was delivered last, and how many entries that makes. */
  setProgress(group: Ref, lastId: EntryId, entriesRead: bigint): void {
    setId(this.#arena, group, GROUP_LAST_ID, lastId);
    this.setEntriesRead(group, entriesRead);
  }

  readLastId(group: Ref, into: EntryId): EntryId {
    return getId(this.#arena, group, GROUP_LAST_ID, into);
  }

  setLastId(group: Ref, lastId: EntryId): void {
    setId(this.#arena, group, GROUP_LAST_ID, lastId);
  }

  /** ENTRIES_READ_UNKNOWN when that is not known. */
  entriesRead(group: Ref): bigint {
    return getInt64(this.#arena, group, GROUP_ENTRIES_READ);
  }

  setEntriesRead(group: Ref, entriesRead: bigint): void {
    setInt64(this.#arena, group, GROUP_ENTRIES_READ, entriesRead);
  }

  /** Whether it is known how many entries the group has read. */
  hasCounted(group: Ref): boolean {
    return (
      (getWord(this.#arena, group, GROUP_ENTRIES_READ) &
        getWord(this.#arena, group, GROUP_ENTRIES_READ + 1)) !==
      -1
    );
  }

  /** The group has read one more. */
  countRead(group: Ref): void {
    increment64(this.#arena, group, GROUP_ENTRIES_READ);
  }

  borrowGroupName(group: Ref, view: BorrowedBytes): void {
    this.#groups.borrowName(group, view);
  }

  // Consumers -----------------------------------------------------------------------------------------------

  /** The consumers of a group, to be gone through; void after the next call of another method. */
  consumersOf(group: Ref): NameIndex {
    return this.#consumers.attach(group, GROUP_CONSUMERS);
  }

  /** The consumer of that name, or 0. */
  findConsumer(group: Ref, bytes: Uint8Array, start: number, end: number): Ref {
    return this.consumersOf(group).find(bytes, start, end);
  }

  /** Adds a consumer, whose name `findConsumer` has just not found. @throws OutOfMemoryError */
  createConsumer(group: Ref, bytes: Uint8Array, start: number, end: number, seenMillis: number): Ref {
    const consumers = this.consumersOf(group);
    consumers.reserve();
    const consumer = this.#newNamed(CONSUMER_LAYOUT, bytes, start, end);
    this.#consumerPending.attach(consumer, CONSUMER_PENDING).initialize();
    this.setSeen(consumer, seenMillis);
    consumers.insert(consumer);
    return consumer;
  }

  /** Removes the consumer that `findConsumer` has just found; nobody gets its pending entries. */
  removeFoundConsumer(group: Ref, consumer: Ref): void {
    this.consumersOf(group).removeFound();
    const pending = this.pendingOf(consumer);
    const groupPending = this.pendingOfGroup(group);
    for (let delivery = pending.first(); delivery !== 0; delivery = pending.next()) {
      pending.readId(id);
      groupPending.remove(id);
      this.#allocator.free(delivery);
    }
    this.#dismantleConsumer(consumer, () => false);
  }

  /** Unix time in ms. */
  seenMillis(consumer: Ref): number {
    return getDouble(this.#arena, consumer, CONSUMER_SEEN_DOUBLE);
  }

  setSeen(consumer: Ref, millis: number): void {
    setDouble(this.#arena, consumer, CONSUMER_SEEN_DOUBLE, millis);
  }

  borrowConsumerName(consumer: Ref, view: BorrowedBytes): void {
    this.#consumers.borrowName(consumer, view);
  }

  #newNamed(layout: NameLayout, bytes: Uint8Array, start: number, end: number): Ref {
    const block = this.#allocator.allocate(layout.nameOffset + end - start);
    setWord(this.#arena, block, layout.nameLengthWord, end - start);
    copyBytes(bytesOf(this.#arena, block), byteOffset(block) + layout.nameOffset, bytes, start, end);
    return block;
  }

  // Pending entries -----------------------------------------------------------------------------------------

  /** All pending entries of a group; one view, which other methods turn to another group. */
  pendingOfGroup(group: Ref): IdTree {
    return this.#groupPending.attach(group, GROUP_PENDING);
  }

  /** Those of a consumer; one view, which other methods turn to another consumer. */
  pendingOf(consumer: Ref): IdTree {
    return this.#consumerPending.attach(consumer, CONSUMER_PENDING);
  }

  /**
   * Makes an entry pending that was not; delivered once, now.
   * @throws OutOfMemoryError, with nothing changed
   */
  addPending(group: Ref, consumer: Ref, entryId: EntryId, millis: number): Ref {
    const delivery = this.#allocator.allocate(DELIVERY_BYTES);
    const groupPending = this.pendingOfGroup(group);
    let isInGroup = false;
    try {
      groupPending.insert(entryId, delivery);
      isInGroup = true;
      this.pendingOf(consumer).insert(entryId, delivery);
    } catch (error) {
      if (isInGroup) groupPending.remove(entryId);
      this.#allocator.free(delivery);
      throw error;
    }
    setWord(this.#arena, delivery, DELIVERY_CONSUMER, consumer);
    this.setDelivered(delivery, millis, 1n);
    return delivery;
  }

  /**
   * Gives a pending entry to a consumer, who may have it already.
   * @throws OutOfMemoryError, with nothing changed
   */
  assign(delivery: Ref, consumer: Ref, entryId: EntryId): void {
    const owner = this.ownerOf(delivery);
    if (owner === consumer) return;
    this.pendingOf(consumer).insert(entryId, delivery);
    this.pendingOf(owner).remove(entryId);
    setWord(this.#arena, delivery, DELIVERY_CONSUMER, consumer);
  }

  /** Ends the wait for an entry; false when it is not pending. */
  removePending(group: Ref, entryId: EntryId): boolean {
    const delivery = this.pendingOfGroup(group).remove(entryId);
    if (delivery === 0) return false;
    this.pendingOf(this.ownerOf(delivery)).remove(entryId);
    this.#allocator.free(delivery);
    return true;
  }

  /** The consumer whom an entry was delivered to. */
  ownerOf(delivery: Ref): Ref {
    return getWord(this.#arena, delivery, DELIVERY_CONSUMER);
  }

  /** Unix time in ms. */
  deliveryMillis(delivery: Ref): number {
    return getDouble(this.#arena, delivery, DELIVERY_TIME_DOUBLE);
  }

  deliveryCount(delivery: Ref): bigint {
    return getUint64(this.#arena, delivery, DELIVERY_COUNT);
  }

  setDelivered(delivery: Ref, millis: number, count: bigint): void {
    setDouble(this.#arena, delivery, DELIVERY_TIME_DOUBLE, millis);
    setInt64(this.#arena, delivery, DELIVERY_COUNT, count);
  }

  // All groups of a stream ----------------------------------------------------------------------------------

  /** Gives `target`, which has none, the groups of another stream. @throws OutOfMemoryError, half done */
  copyAll(stream: Ref, target: Ref): void {
    const count = this.count(stream);
    const lastId = new EntryId();
    for (let index = 0; index < count; index++) {
      const group = this.of(stream).at(index);
      this.borrowGroupName(group, name);
      this.find(target, name.bytes, name.start, name.end);
      const { bytes, start, end } = name;
      const copy = this.create(
        target,
        bytes,
        start,
        end,
        this.readLastId(group, lastId),
        this.entriesRead(group),
      );
      this.#copyConsumers(group, copy);
    }
  }

  #copyConsumers(group: Ref, copy: Ref): void {
    const count = this.consumersOf(group).count;
    for (let index = 0; index < count; index++) {
      const consumer = this.consumersOf(group).at(index);
      this.borrowConsumerName(consumer, name);
      this.findConsumer(copy, name.bytes, name.start, name.end);
      const { bytes, start, end } = name;
      const twin = this.createConsumer(copy, bytes, start, end, this.seenMillis(consumer));
      const pending = new IdTree(this.#allocator).attach(consumer, CONSUMER_PENDING);
      for (let delivery = pending.first(); delivery !== 0; delivery = pending.next()) {
        pending.readId(id);
        const added = this.addPending(copy, twin, id, this.deliveryMillis(delivery));
        this.setDelivered(added, this.deliveryMillis(delivery), this.deliveryCount(delivery));
      }
    }
  }

  /** Frees all groups until told to stop; true when they are gone. */
  dismantleAll(stream: Ref, shouldStop: () => boolean): boolean {
    for (;;) {
      const { count } = this.of(stream);
      if (count === 0) return true;
      // The block goes with the last of what belongs to it, and the reference right after.
      if (!this.#dismantleGroup(this.of(stream).at(count - 1), shouldStop)) return false;
      this.of(stream).pop();
    }
  }

  #dismantleGroup(group: Ref, shouldStop: () => boolean): boolean {
    for (;;) {
      const { count } = this.consumersOf(group);
      if (count === 0) break;
      if (!this.#dismantleConsumer(this.consumersOf(group).at(count - 1), shouldStop)) return false;
      this.consumersOf(group).pop();
    }
    const isDone = this.pendingOfGroup(group).dismantle(
      (delivery) => this.#allocator.free(delivery),
      shouldStop,
    );
    if (isDone || this.pendingOfGroup(group).count === 0) {
      this.#allocator.free(group);
      return true;
    }
    return false;
  }

  /** Its deliveries stay: they are freed with the group's pending entries. */
  #dismantleConsumer(consumer: Ref, shouldStop: () => boolean): boolean {
    const pending = this.pendingOf(consumer);
    if (!pending.dismantle(() => {}, shouldStop) && pending.count > 0) return false;
    this.#allocator.free(consumer);
    return true;
  }

  /** Bytes that the allocator holds for all groups. */
  memory(stream: Ref): number {
    let bytes = this.of(stream).memory();
    for (let index = this.count(stream) - 1; index >= 0; index--) {
      const group = this.of(stream).at(index);
      const pending = this.pendingOfGroup(group);
      bytes += this.#allocator.usableBytes(group) + pending.memory();
      bytes += pending.count * DELIVERY_BLOCK_BYTES;
      const consumers = this.consumersOf(group);
      bytes += consumers.memory();
      for (let i = consumers.count - 1; i >= 0; i--) {
        const consumer = consumers.at(i);
        bytes += this.#allocator.usableBytes(consumer) + this.pendingOf(consumer).memory();
      }
    }
    return bytes;
  }

  /** Throws when groups, consumers and pending entries do not agree. */
  checkInvariants(stream: Ref): void {
    this.of(stream).checkInvariants();
    for (let index = this.count(stream) - 1; index >= 0; index--) {
      const group = this.of(stream).at(index);
      const consumers = this.consumersOf(group);
      const groupPending = this.pendingOfGroup(group);
      consumers.checkInvariants();
      groupPending.checkInvariants();
      let owned = 0;
      for (let i = consumers.count - 1; i >= 0; i--) {
        const consumer = consumers.at(i);
        const pending = this.pendingOf(consumer);
        pending.checkInvariants();
        owned += pending.count;
        for (let delivery = pending.first(); delivery !== 0; delivery = pending.next()) {
          pending.readId(id);
          assert.equal(groupPending.find(id), delivery, 'an entry of a consumer is pending in its group');
          assert.equal(this.ownerOf(delivery), consumer, 'a delivery knows its consumer');
        }
      }
      assert.equal(groupPending.count, owned, 'each pending entry has a consumer');
    }
  }
}
