/**
 * Bytes for clients of any thread: messages of publish and subscribe, invalidated keys, replies to clients
 * that have waited.
 *
 *     thread that has something    deliver()   the bytes are copied once for each thread that is to send them
 *     thread of the client         take()      first thing whenever it has taken the lock, and after the
 *                                              requests of each client: they become a stretch of its reply
 *                                              writer, like any reply
 *
 * So what a client gets is in the order of the lock: deliveries among each other, and deliveries and its own
 * replies. The client whose command is running gets them at once, in front of the rest of its reply.
 *
 * Everything here runs under the store's lock. A delivery in the arena:
 *
 *     next, byte count, number of clients, 0 │ ids of the clients, doubles │ bytes
 */
import type { Config } from '../config/config.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { CONTROL_ROOT_DELIVERIES } from '../memory/control-block.ts';
import { sharedBlock } from '../memory/shared-block.ts';
import { byteOffset, bytesOf, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import { copyBytes } from '../util/bytes.ts';
import { outputBytes } from './client-memory.ts';
import { CLIENT_MAILED_BYTES, CLIENT_PROTOCOL, CLIENT_THREAD, isSubscriber } from './client-table.ts';
import type { ClientTable } from './client-table.ts';
import { THREADS_MAX } from './shared-state.ts';

const NEXT = 0;
const BYTE_COUNT = 1;
const CLIENT_COUNT = 2;
/** Doubles from here on. */
const IDS = 2;

// The header: first and last delivery by thread.
const FIRST = 0;
const LAST = 1;
const QUEUE_WORDS = 2;

type OutputLimits = Config['values']['client-output-buffer-limit'];

/** What the thread does with what it hears from here. */
export interface DeliveryHandling {
  /** The record of the client whose command is running, 0 = none. */
  running(): Ref;
  /** A thread has got its first delivery: it is to be woken once the lock is released. */
  hasMail(thread: number): void;
  /** More waits for the client than before. */
  grew(record: Ref): void;
  /** A client does not read what it gets: more waits than it may have. It is to be ended. */
  overflowed(record: Ref): void;
}

export class Deliveries {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #clients: ClientTable;
  readonly #config: Config;
  readonly #reply: ReplyWriter;
  readonly #threadNumber: number;
  readonly #header: Ref;
  #handling: DeliveryHandling | undefined;
  /** Receivers of the delivery that was taken last: ids of clients, of which some may be gone. */
  readonly receivers: number[] = [];

  constructor(parts: {
    readonly allocator: Allocator;
    readonly clientTable: ClientTable;
    readonly config: Config;
    readonly reply: ReplyWriter;
    readonly threadNumber: number;
  }) {
    this.#allocator = parts.allocator;
    this.#arena = parts.allocator.arena;
    this.#clients = parts.clientTable;
    this.#config = parts.config;
    this.#reply = parts.reply;
    this.#threadNumber = parts.threadNumber;
    this.#header = sharedBlock(parts.allocator, CONTROL_ROOT_DELIVERIES, THREADS_MAX * QUEUE_WORDS);
  }

  /** Once, before the first delivery. */
  connect(handling: DeliveryHandling): void {
    this.#handling = handling;
  }

  // Sending -------------------------------------------------------------------------------------------------

  /** Hands bytes to a client. */
  deliver(record: Ref, bytes: Uint8Array, start: number, end: number): void {
    if (record === this.#handling!.running()) this.#toRunning(bytes, start, end);
    else if (this.#accepts(record, end - start, this.#limits))
      this.#enqueue(this.#clients.get(record, CLIENT_THREAD), [record], bytes, start, end);
  }

  /** Hands the same bytes to many clients. */
  deliverToMany(records: readonly Ref[], bytes: Uint8Array, start: number, end: number): void {
    const running = this.#handling!.running();
    const limits = this.#limits;
    const byThread = new Map<number, Ref[]>();
    for (const record of records) {
      if (record === running) {
        this.#toRunning(bytes, start, end);
      } else if (this.#accepts(record, end - start, limits)) {
        const thread = this.#clients.get(record, CLIENT_THREAD);
        const group = byThread.get(thread);
        if (group === undefined) byThread.set(thread, [record]);
        else group.push(record);
      }
    }
    for (const [thread, group] of byThread) this.#enqueue(thread, group, bytes, start, end);
  }

  /** The version of the protocol that a client gets its messages in. */
  protocolOf(record: Ref): number {
    return record === this.#handling!.running()
      ? this.#reply.version
      : this.#clients.get(record, CLIENT_PROTOCOL);
  }

  #toRunning(bytes: Uint8Array, start: number, end: number): void {
    const mark = this.#reply.position;
    this.#reply.rawRange(bytes, start, end);
    this.#reply.keep(mark);
  }

  get #limits(): OutputLimits {
    return this.#config.values['client-output-buffer-limit'];
  }

  /**
   * Counts the bytes among those that wait for the client. False when they are more than its class may have:
   * then it is ended, and gets nothing more.
   */
  #accepts(record: Ref, byteCount: number, limits: OutputLimits): boolean {
    const mailed = this.#clients.getDouble(record, CLIENT_MAILED_BYTES) + byteCount;
    if (mailed === Infinity) return false;
    this.#clients.setDouble(record, CLIENT_MAILED_BYTES, mailed);
    const { hardBytes } = isSubscriber(this.#clients, record) ? limits.pubsub : limits.normal;
    if (hardBytes === 0 || outputBytes(this.#clients, record) < hardBytes) {
      this.#handling!.grew(record);
      return true;
    }
    this.#overflow(record);
    return false;
  }

  #overflow(record: Ref): void {
    this.#handling!.overflowed(record);
    this.#clients.setDouble(record, CLIENT_MAILED_BYTES, Infinity);
  }

  #enqueue(thread: number, records: readonly Ref[], bytes: Uint8Array, start: number, end: number): void {
    const arena = this.#arena;
    const count = records.length;
    const delivery = this.#allocator.tryAllocate((IDS + count) * 8 + end - start);
    if (delivery === 0) {
      // Without its messages a client would go on with a wrong picture.
      for (const record of records) this.#overflow(record);
      return;
    }
    setWord(arena, delivery, NEXT, 0);
    setWord(arena, delivery, BYTE_COUNT, end - start);
    setWord(arena, delivery, CLIENT_COUNT, count);
    for (let i = 0; i < count; i++) setDouble(arena, delivery, IDS + i, this.#clients.idOf(records[i]!));
    copyBytes(bytesOf(arena, delivery), byteOffset(delivery) + (IDS + count) * 8, bytes, start, end);

    const queue = thread * QUEUE_WORDS;
    const last = getWord(arena, this.#header, queue + LAST);
    setWord(arena, this.#header, queue + LAST, delivery);
    if (last !== 0) {
      setWord(arena, last, NEXT, delivery);
      return;
    }
    setWord(arena, this.#header, queue + FIRST, delivery);
    // This thread looks again before it waits.
    if (thread !== this.#threadNumber) this.#handling!.hasMail(thread);
  }

  // Receiving -----------------------------------------------------------------------------------------------

  /** Whether something waits for clients of this thread; also without the lock, as of a moment ago. */
  get isWaiting(): boolean {
    return getWord(this.#arena, this.#header, this.#threadNumber * QUEUE_WORDS + FIRST) !== 0;
  }

  /**
   * Appends the bytes of the oldest delivery to the reply writer; `receivers` says for whom they are. Those
   * that are still there are to be told by `received`.
   */
  take(): void {
    const arena = this.#arena;
    const queue = this.#threadNumber * QUEUE_WORDS;
    const delivery = getWord(arena, this.#header, queue + FIRST);
    const byteCount = getWord(arena, delivery, BYTE_COUNT);
    const count = getWord(arena, delivery, CLIENT_COUNT);
    this.receivers.length = 0;
    for (let i = 0; i < count; i++) this.receivers.push(getDouble(arena, delivery, IDS + i));
    const start = byteOffset(delivery) + (IDS + count) * 8;
    this.#reply.rawRange(bytesOf(arena, delivery), start, start + byteCount);

    const next = getWord(arena, delivery, NEXT);
    setWord(arena, this.#header, queue + FIRST, next);
    if (next === 0) setWord(arena, this.#header, queue + LAST, 0);
    this.#allocator.free(delivery);
  }

  /** So many bytes do not wait any more; false when the client is to be ended and gets nothing. */
  received(record: Ref, byteCount: number): boolean {
    const mailed = this.#clients.getDouble(record, CLIENT_MAILED_BYTES);
    this.#clients.setDouble(record, CLIENT_MAILED_BYTES, mailed - byteCount);
    return mailed !== Infinity;
  }
}
