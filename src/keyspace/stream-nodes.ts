/**
 * Streams as a snapshot goes through them (held-nodes.ts, stream-layout.ts).
 *
 * What is not in nodes is copied in one go, when the snapshot takes hold of the stream. Ids and numbers of 64
 * bits have their most significant word first:
 *
 *     header of the stream, as it is           96 bytes
 *     number of groups, 0                      2 words
 *     each group    length of the name, number of consumers, last id, entries read     8 words; name, to 8
 *     each consumer of it
 *                   length of the name, pending entries, seen: double                   4 words; name, to 8
 *     each pending entry of that
 *                   id, delivered: double, times delivered                              8 words
 */
import type { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { BorrowedBytes, byteOffset, bytesOf } from '../memory/struct.ts';
import { IdTree } from '../structures/id-tree.ts';
import { copyBytes } from '../util/bytes.ts';
import { EntryId } from '../util/entry-id.ts';
import type { NodeLayout } from './held-nodes.ts';
import { StreamGroups } from './stream-groups.ts';
import {
  CONSUMER_SEEN_DOUBLE,
  DELIVERY_COUNT,
  DELIVERY_TIME_DOUBLE,
  GROUP_LAST_ID,
  STREAM_HELD,
  STREAM_NODES,
  STREAM_NODE_HELD,
  STREAM_NODE_PACK,
  STREAM_WORDS,
} from './stream-layout.ts';

/** Streams with more nodes are held; others are copied at once. */
const NODES_AT_ONCE_MAX = 16;

export const STREAM_HEADER_BYTES = 96;
export const STREAM_COUNT_BYTES = 8;
export const STREAM_GROUP_BYTES = 32;
export const STREAM_CONSUMER_BYTES = 16;
export const STREAM_PENDING_BYTES = 32;

export class StreamNodes implements NodeLayout {
  readonly valueHeldWord = STREAM_HELD;
  readonly packWord = STREAM_NODE_PACK;
  readonly heldWord = STREAM_NODE_HELD;
  readonly hasIds = true;
  readonly #arena: Arena;
  readonly #nodes: IdTree;
  readonly #groups: StreamGroups;
  readonly #id = new EntryId();
  readonly #name = new BorrowedBytes();

  constructor(allocator: Allocator) {
    this.#arena = allocator.arena;
    this.#nodes = new IdTree(allocator);
    this.#groups = new StreamGroups(allocator);
  }

  isLarge(stream: Ref): boolean {
    return this.nodeCount(stream) > NODES_AT_ONCE_MAX;
  }

  nodeCount(stream: Ref): number {
    return this.#nodes.attach(stream, STREAM_NODES).count;
  }

  forEachNode(stream: Ref, visit: (node: Ref) => void): void {
    const nodes = this.#nodes.attach(stream, STREAM_NODES);
    for (let node = nodes.first(); node !== 0; node = nodes.next()) visit(node);
  }

  copyId(_node: Ref, target: Uint8Array, at: number): void {
    this.#nodes.readId(this.#id);
    this.#putId(target, at);
  }

  restBytes(stream: Ref): number {
    let bytes = STREAM_HEADER_BYTES + STREAM_COUNT_BYTES;
    this.#forEachGroup(stream, (group) => {
      this.#groups.borrowGroupName(group, this.#name);
      bytes += STREAM_GROUP_BYTES + roundedTo8(this.#name.length);
      this.#forEachConsumer(group, (consumer) => {
        this.#groups.borrowConsumerName(consumer, this.#name);
        bytes += STREAM_CONSUMER_BYTES + roundedTo8(this.#name.length);
        bytes += this.#groups.pendingOf(consumer).count * STREAM_PENDING_BYTES;
      });
    });
    return bytes;
  }

  copyRest(stream: Ref, target: Uint8Array, at: number): void {
    this.#copyWords(stream, 0, STREAM_WORDS, target, at);
    let position = at + STREAM_HEADER_BYTES;
    putWord(target, position, this.#groups.count(stream));
    putWord(target, position + 4, 0);
    position += STREAM_COUNT_BYTES;
    this.#forEachGroup(stream, (group) => {
      position = this.#copyGroup(group, target, position);
      this.#forEachConsumer(group, (consumer) => {
        position = this.#copyConsumer(consumer, target, position);
      });
    });
  }

  #copyGroup(group: Ref, target: Uint8Array, at: number): number {
    this.#groups.borrowGroupName(group, this.#name);
    putWord(target, at, this.#name.length);
    putWord(target, at + 4, this.#groups.consumersOf(group).count);
    // Last id and entries read stand side by side.
    this.#copyWords(group, GROUP_LAST_ID, 6, target, at + 8);
    return this.#copyName(target, at + STREAM_GROUP_BYTES);
  }

  #copyConsumer(consumer: Ref, target: Uint8Array, at: number): number {
    this.#groups.borrowConsumerName(consumer, this.#name);
    const pending = this.#groups.pendingOf(consumer);
    putWord(target, at, this.#name.length);
    putWord(target, at + 4, pending.count);
    this.#copyWords(consumer, CONSUMER_SEEN_DOUBLE * 2, 2, target, at + 8);
    let position = this.#copyName(target, at + STREAM_CONSUMER_BYTES);
    for (let delivery = pending.first(); delivery !== 0; delivery = pending.next()) {
      pending.readId(this.#id);
      this.#putId(target, position);
      this.#copyWords(delivery, DELIVERY_TIME_DOUBLE * 2, 2, target, position + 16);
      this.#copyWords(delivery, DELIVERY_COUNT, 2, target, position + 24);
      position += STREAM_PENDING_BYTES;
    }
    return position;
  }

  #forEachGroup(stream: Ref, visit: (group: Ref) => void): void {
    const count = this.#groups.count(stream);
    for (let index = 0; index < count; index++) visit(this.#groups.of(stream).at(index));
  }

  #forEachConsumer(group: Ref, visit: (consumer: Ref) => void): void {
    const { count } = this.#groups.consumersOf(group);
    for (let index = 0; index < count; index++) visit(this.#groups.consumersOf(group).at(index));
  }

  #copyName(target: Uint8Array, at: number): number {
    const { bytes, start, end } = this.#name;
    copyBytes(target, at, bytes, start, end);
    return at + roundedTo8(end - start);
  }

  #copyWords(block: Ref, word: number, count: number, target: Uint8Array, at: number): void {
    const start = byteOffset(block) + word * 4;
    copyBytes(target, at, bytesOf(this.#arena, block), start, start + count * 4);
  }

  #putId(target: Uint8Array, at: number): void {
    putWord(target, at, this.#id.millisHigh);
    putWord(target, at + 4, this.#id.millisLow);
    putWord(target, at + 8, this.#id.sequenceHigh);
    putWord(target, at + 12, this.#id.sequenceLow);
  }
}

/** As the machine has its words. */
function putWord(target: Uint8Array, at: number, value: number): void {
  for (let i = 0; i < 4; i++) target[at + i] = value >>> (8 * i);
}

function roundedTo8(bytes: number): number {
  return (bytes + 7) & ~7;
}
