/**
 * How a snapshot holds collections that are made of nodes with a listpack each: lists and streams
 * (held-collections.ts).
 *
 * When a value is taken hold of, a directory of its nodes is made, in their order, and each node learns its
 * place there. The snapshot goes through the directory. Before a listpack changes that it has not come to,
 * the node gets a copy of it and goes on with that; the old one is left to the directory, as it is when the
 * node is freed. Whatever becomes of the nodes, the directory has the listpacks of the cut.
 *
 *     place    word 0    listpack
 *              word 1    node; 0 when the listpack is the snapshot's alone
 *              word 2    record
 *              word 3    –
 *              byte 16   streams: the node's id
 */
import { strict as assert } from 'node:assert';
import type { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { byteOffset, bytesOf, getWord, setWord } from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';
import type { HeldCollections } from './held-collections.ts';
import {
  RECORD_COUNT,
  RECORD_CURSOR,
  RECORD_MAP,
  RECORD_REST,
  RECORD_VALUE,
  makeRoom,
  type HeldForm,
  type SnapshotBuffer,
} from './held-record.ts';

const PLACE_PACK = 0;
const PLACE_NODE = 1;
const PLACE_RECORD = 2;
const PLACE_ID_OFFSET = 16;

// A copy of what is not in nodes: its length, then the bytes.
const REST_LENGTH = 0;
const REST_HEADER_BYTES = 8;

/** A node that is copied: of streams its id, then the listpack, padded to 8. */
export const SAVED_NODE_ID_BYTES = 16;

/** Where the nodes of values of one type are, and what a snapshot needs besides. */
export interface NodeLayout {
  /** Word of the value that says what a snapshot holds of it. */
  readonly valueHeldWord: number;
  /** Words of a node: its listpack, and its place in a snapshot's directory. */
  readonly packWord: number;
  readonly heldWord: number;
  /** Whether nodes have ids, of SAVED_NODE_ID_BYTES. */
  readonly hasIds: boolean;
  isLarge(value: Ref): boolean;
  nodeCount(value: Ref): number;
  forEachNode(value: Ref, visit: (node: Ref) => void): void;
  /** The id of the node that is visited. */
  copyId(node: Ref, target: Uint8Array, at: number): void;
  /** Bytes of a copy of all that is not in nodes, a multiple of 8. */
  restBytes(value: Ref): number;
  /** Makes that copy. */
  copyRest(value: Ref, target: Uint8Array, at: number): void;
}

export class HeldNodes implements HeldForm {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #records: HeldCollections;
  /** By type number. */
  readonly #layouts: Readonly<Record<number, NodeLayout>>;

  constructor(allocator: Allocator, records: HeldCollections, layouts: Readonly<Record<number, NodeLayout>>) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#records = records;
    this.#layouts = layouts;
  }

  #layout(type: number): NodeLayout {
    const layout = this.#layouts[type];
    assert(layout !== undefined, 'a type whose values are made of nodes');
    return layout;
  }

  isLarge(value: Ref, type: number): boolean {
    return this.#layout(type).isLarge(value);
  }

  recordOf(value: Ref, type: number): Ref {
    return getWord(this.#arena, value, this.#layout(type).valueHeldWord);
  }

  begin(record: Ref, value: Ref, type: number): boolean {
    const arena = this.#arena;
    const layout = this.#layout(type);
    const count = layout.nodeCount(value);
    const directory = this.#allocator.tryAllocate(Math.max(1, count) * placeBytes(layout));
    if (directory === 0) return false;
    const restBytes = layout.restBytes(value);
    const rest = restBytes === 0 ? 0 : this.#allocator.tryAllocate(REST_HEADER_BYTES + restBytes);
    if (rest === 0 && restBytes > 0) {
      this.#allocator.free(directory);
      return false;
    }
    if (rest !== 0) {
      setWord(arena, rest, REST_LENGTH, restBytes);
      layout.copyRest(value, bytesOf(arena, rest), byteOffset(rest) + REST_HEADER_BYTES);
    }
    setWord(arena, record, RECORD_COUNT, count);
    setWord(arena, record, RECORD_MAP, directory);
    setWord(arena, record, RECORD_REST, rest);
    const step = placeBytes(layout) / 8;
    let place = directory;
    layout.forEachNode(value, (node) => {
      setWord(arena, place, PLACE_PACK, getWord(arena, node, layout.packWord));
      setWord(arena, place, PLACE_NODE, node);
      setWord(arena, place, PLACE_RECORD, record);
      if (layout.hasIds) layout.copyId(node, bytesOf(arena, place), byteOffset(place) + PLACE_ID_OFFSET);
      assert.equal(getWord(arena, node, layout.heldWord), 0, 'a node is held once');
      setWord(arena, node, layout.heldWord, place);
      place = (place + step) | 0;
    });
    assert.equal(place, (directory + count * step) | 0, 'the nodes that the value counts');
    setWord(arena, value, layout.valueHeldWord, record);
    return true;
  }

  isSaved(record: Ref): boolean {
    return getWord(this.#arena, record, RECORD_CURSOR) === getWord(this.#arena, record, RECORD_COUNT);
  }

  end(record: Ref, type: number): void {
    const arena = this.#arena;
    const layout = this.#layout(type);
    const count = getWord(arena, record, RECORD_COUNT);
    for (let i = getWord(arena, record, RECORD_CURSOR); i < count; i++) {
      this.#letGo(record, this.#place(record, layout, i), layout);
    }
    const rest = getWord(arena, record, RECORD_REST);
    if (rest !== 0) this.#allocator.free(rest);
    this.#allocator.free(getWord(arena, record, RECORD_MAP));
    setWord(arena, getWord(arena, record, RECORD_VALUE), layout.valueHeldWord, 0);
  }

  check(record: Ref, type: number): void {
    const arena = this.#arena;
    const layout = this.#layout(type);
    const value = getWord(arena, record, RECORD_VALUE);
    assert.equal(getWord(arena, value, layout.valueHeldWord), record, 'the value knows its record');
    const count = getWord(arena, record, RECORD_COUNT);
    for (let i = getWord(arena, record, RECORD_CURSOR); i < count; i++) {
      const place = this.#place(record, layout, i);
      const node = getWord(arena, place, PLACE_NODE);
      if (node === 0) continue;
      assert.equal(getWord(arena, node, layout.heldWord), place, 'a node knows its place');
      assert.equal(getWord(arena, node, layout.packWord), getWord(arena, place, PLACE_PACK));
    }
  }

  // Before a change -----------------------------------------------------------------------------------------

  willChangeNode(node: Ref, packWord: number, heldWord: number): void {
    const arena = this.#arena;
    const pack = getWord(arena, node, packWord);
    const byteCount = this.#allocator.usableBytes(pack);
    const copy = this.#allocator.tryAllocate(byteCount);
    const place = getWord(arena, node, heldWord);
    if (copy === 0) {
      // The snapshot does without the listpack, and is not complete.
      setWord(arena, place, PLACE_PACK, 0);
      setWord(arena, place, PLACE_NODE, 0);
      setWord(arena, node, heldWord, 0);
      this.#records.fail();
      return;
    }
    const start = byteOffset(pack);
    copyBytes(bytesOf(arena, copy), byteOffset(copy), bytesOf(arena, pack), start, start + byteCount);
    this.releaseNode(node, packWord, heldWord);
    setWord(arena, node, packWord, copy);
  }

  releaseNode(node: Ref, packWord: number, heldWord: number): void {
    const arena = this.#arena;
    const place = getWord(arena, node, heldWord);
    const pack = getWord(arena, node, packWord);
    assert.equal(getWord(arena, place, PLACE_PACK), pack, 'the listpack of the cut');
    setWord(arena, place, PLACE_NODE, 0);
    setWord(arena, node, heldWord, 0);
    this.#records.keep(getWord(arena, place, PLACE_RECORD), this.#records.kibOf(pack));
  }

  /** Streams: bytes of the copy of what is not in nodes. */
  restBytesOf(record: Ref): number {
    const rest = getWord(this.#arena, record, RECORD_REST);
    return rest === 0 ? 0 : getWord(this.#arena, rest, REST_LENGTH);
  }

  /** Copies that copy. */
  readRest(record: Ref, target: Uint8Array, at: number): void {
    const rest = getWord(this.#arena, record, RECORD_REST);
    const start = byteOffset(rest) + REST_HEADER_BYTES;
    copyBytes(target, at, bytesOf(this.#arena, rest), start, start + getWord(this.#arena, rest, REST_LENGTH));
  }

  // Saving --------------------------------------------------------------------------------------------------

  save(record: Ref, type: number, target: SnapshotBuffer, shouldStop: () => boolean): void {
    const arena = this.#arena;
    const layout = this.#layout(type);
    const count = getWord(arena, record, RECORD_COUNT);
    const start = target.used;
    for (let i = getWord(arena, record, RECORD_CURSOR); i < count; i++) {
      const place = this.#place(record, layout, i);
      const pack = getWord(arena, place, PLACE_PACK);
      // Without it the snapshot has failed; it is told so.
      if (pack !== 0 && !this.#copyNode(place, pack, layout, target, start)) return;
      this.#letGo(record, place, layout);
      setWord(arena, record, RECORD_CURSOR, i + 1);
      if (shouldStop()) return;
    }
  }

  /** False when there is no room for the node beside what has been copied. */
  #copyNode(place: Ref, pack: Ref, layout: NodeLayout, target: SnapshotBuffer, start: number): boolean {
    const needed = headBytes(layout) + roundedTo8(packBytes(this.#arena, pack));
    if (!makeRoom(target, needed, start)) return false;
    if (layout.hasIds) {
      const id = byteOffset(place) + PLACE_ID_OFFSET;
      copyBytes(target.bytes, target.used, bytesOf(this.#arena, place), id, id + SAVED_NODE_ID_BYTES);
    }
    target.used = this.#copyPack(pack, target.bytes, target.used + headBytes(layout));
    return true;
  }

  /** The snapshot needs the listpack at a place no more. */
  #letGo(record: Ref, place: Ref, layout: NodeLayout): void {
    const node = getWord(this.#arena, place, PLACE_NODE);
    const pack = getWord(this.#arena, place, PLACE_PACK);
    if (node !== 0) setWord(this.#arena, node, layout.heldWord, 0);
    else if (pack !== 0) this.#records.drop(record, pack);
  }

  #place(record: Ref, layout: NodeLayout, index: number): Ref {
    return (getWord(this.#arena, record, RECORD_MAP) + index * (placeBytes(layout) / 8)) | 0;
  }

  // Small ones ----------------------------------------------------------------------------------------------

  hasExpiry(): boolean {
    return false;
  }

  countOf(value: Ref, type: number): number {
    return this.#layout(type).nodeCount(value);
  }

  /** Bytes of a copy of the value: what is not in nodes, and the nodes. */
  bytesOfAll(value: Ref, type: number): number {
    const layout = this.#layout(type);
    let bytes = layout.restBytes(value);
    layout.forEachNode(value, (node) => {
      bytes +=
        headBytes(layout) + roundedTo8(packBytes(this.#arena, getWord(this.#arena, node, layout.packWord)));
    });
    return bytes;
  }

  /** Makes that copy. */
  copyAll(value: Ref, type: number, target: Uint8Array, at: number): void {
    const layout = this.#layout(type);
    layout.copyRest(value, target, at);
    let position = at + layout.restBytes(value);
    layout.forEachNode(value, (node) => {
      const pack = getWord(this.#arena, node, layout.packWord);
      if (layout.hasIds) layout.copyId(node, target, position);
      position = this.#copyPack(pack, target, position + headBytes(layout));
    });
  }

  copyRest(value: Ref, type: number, target: SnapshotBuffer): void {
    const layout = this.#layout(type);
    const byteCount = layout.restBytes(value);
    target.reserve(byteCount);
    layout.copyRest(value, target.bytes, target.used);
    target.used += byteCount;
  }

  copyInPieces(value: Ref, type: number, target: SnapshotBuffer, empty: () => void): void {
    const layout = this.#layout(type);
    layout.forEachNode(value, (node) => {
      const pack = getWord(this.#arena, node, layout.packWord);
      const needed = headBytes(layout) + roundedTo8(packBytes(this.#arena, pack));
      if (!makeRoom(target, needed, 0)) {
        empty();
        makeRoom(target, needed, 0);
      }
      if (layout.hasIds) layout.copyId(node, target.bytes, target.used);
      target.used = this.#copyPack(pack, target.bytes, target.used + headBytes(layout));
    });
  }

  /** A listpack, which says how long it is; returns the place behind it and its padding. */
  #copyPack(pack: Ref, target: Uint8Array, at: number): number {
    const length = packBytes(this.#arena, pack);
    const start = byteOffset(pack);
    copyBytes(target, at, bytesOf(this.#arena, pack), start, start + length);
    return at + roundedTo8(length);
  }
}

/** What stands before the listpack of a node that is copied. */
function headBytes(layout: NodeLayout): number {
  return layout.hasIds ? SAVED_NODE_ID_BYTES : 0;
}

function placeBytes(layout: NodeLayout): number {
  return layout.hasIds ? PLACE_ID_OFFSET + SAVED_NODE_ID_BYTES : PLACE_ID_OFFSET;
}

/** A listpack begins with its length. */
function packBytes(arena: Arena, pack: Ref): number {
  return getWord(arena, pack, 0);
}

function roundedTo8(bytes: number): number {
  return (bytes + 7) & ~7;
}
