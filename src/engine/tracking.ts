/**
 * Client-side caching: which clients may hold which keys, and who is told when a key changes (Redis 7.0
 * tracking.c).
 *
 *     keys that were read                      links, one per (key, client), in a table of their own
 *     ┌────────────────────────┐   first       ┌──────────────────────────────┐
 *     │ hash, key              │──────────────▶│ key │ id of the client │ next │──▶ …
 *     └────────────────────────┘               └──────────────────────────────┘
 *
 * A key is forgotten when its clients are told of a change, and when there are more keys than
 * `tracking-table-max-keys`. Clients are named by their ids, for what they have read stays when they go.
 * Clients in broadcasting mode subscribe to prefixes of keys (topics.ts) instead; they are told at the end of
 * each hold of the lock what has changed.
 *
 * With nobody tracking, a write pays one comparison (CONTROL_TRACKING). Everything here runs under the
 * store's lock.
 */
import { findKeys } from '../commands/command-keys.ts';
import { FLAG_PUBSUB } from '../commands/runtime-command.ts';
import type { RuntimeCommand } from '../commands/runtime-command.ts';
import type { TrackingOptions, TrackingService, TrackingState } from '../commands/services.ts';
import { SESSION_MULTI } from '../commands/session.ts';
import type { Session } from '../commands/session.ts';
import type { Config } from '../config/config.ts';
import type { KeyTracker } from '../keyspace/keyspace.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { CONTROL_ROOT_TRACKING, CONTROL_TRACKING } from '../memory/control-block.ts';
import { byteOffset, bytesOf, clearWords, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import { ReplyWriter } from '../protocol/reply-writer.ts';
import type { Request } from '../protocol/request.ts';
import { ENTRY_HASH, HASH_TABLE_WORDS, HashTable } from '../structures/hash-table.ts';
import { copyBytes, toLatin1 } from '../util/bytes.ts';
import { halfSipHash } from '../util/half-siphash.ts';
import type { RandomSource } from '../util/random.ts';
import { CLIENT_REDIRECTION, CLIENT_TRACKING, isSubscriber } from './client-table.ts';
import type { ClientTable } from './client-table.ts';
import type { Deliveries } from './deliveries.ts';
import type { Topics } from './topics.ts';

// How a client tracks: bits of CLIENT_TRACKING.
const TRACKING = 1 << 0;
const BROADCAST = 1 << 1;
const OPT_IN = 1 << 2;
const OPT_OUT = 1 << 3;
const NO_LOOP = 1 << 4;
/** CLIENT CACHING was said: for the next command the rule of opting in or out is turned round. */
const CACHING = 1 << 5;
/** The client that should get the messages is gone. */
const BROKEN_REDIRECTION = 1 << 6;

// The header: the table of keys, the table of links, how many clients track, and what waits to be freed.
const LINKS = HASH_TABLE_WORDS;
const CLIENT_COUNT = 2 * HASH_TABLE_WORDS;
const HEADER_WORDS = CLIENT_COUNT + 2;

// A key: next, hash, then these.
const KEY_LENGTH = 2;
const KEY_LINKS = 3;
const KEY_OFFSET = 16;

// A link: next, hash, length of its key, then the key: the tracked key, and the client's id, a double.
const LINK_KEY_LENGTH = 2;
const LINK_KEY = 3;
const LINK_CLIENT = 2;
const LINK_NEXT_OF_KEY = 6;
const LINK_BYTES = 28;
const LINK_KEY_BYTES = 12;

/** Keys that are forgotten at once when there are too many: so many times the rounds that were not enough. */
const EVICTIONS_PER_ROUND = 100;

const INVALIDATION_CHANNEL = '__redis__:invalidate';

/** The message's payload, after its head. */
type Payload = (writer: ReplyWriter) => void;

export interface TrackingParts {
  readonly allocator: Allocator;
  readonly clients: ClientTable;
  readonly deliveries: Deliveries;
  readonly topics: Topics;
  readonly config: Config;
  readonly random: RandomSource;
  readonly hashKey0: number;
  readonly hashKey1: number;
  /** The record of the client whose command is running, 0 = none. */
  readonly running: () => Ref;
}

export class Tracking implements TrackingService, KeyTracker {
  readonly #parts: TrackingParts;
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #clients: ClientTable;
  readonly #topics: Topics;
  readonly #header: Ref;
  readonly #keys: HashTable;
  readonly #links: HashTable;
  readonly #writer = new ReplyWriter();
  /** Scratch: a link's key. */
  readonly #linkKey = Buffer.alloc(LINK_KEY_BYTES);
  /** What the client whose command is running is told after its reply: keys, or null for all of them. */
  #pending: (Buffer | null)[] = [];
  /** How often in a row there were more keys than there may be. */
  #roundsOverLimit = 0;
  /** By prefix: the keys that have changed since the lock was taken, and by which client (0 = none). */
  readonly #changed = new Map<string, Map<string, Ref>>();

  constructor(parts: TrackingParts) {
    const { allocator } = parts;
    this.#parts = parts;
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#clients = parts.clients;
    this.#topics = parts.topics;
    const { control } = allocator.arena;
    if (control[CONTROL_ROOT_TRACKING] === 0) control[CONTROL_ROOT_TRACKING] = createHeader(allocator);
    this.#header = control[CONTROL_ROOT_TRACKING]!;
    this.#keys = new HashTable(allocator, this.#header, { keyLengthWord: KEY_LENGTH, keyOffset: KEY_OFFSET });
    this.#links = new HashTable(allocator, this.#header + LINKS / 2, {
      keyLengthWord: LINK_KEY_LENGTH,
      keyOffset: LINK_KEY * 4,
    });
  }

  get clientCount(): number {
    return getWord(this.#arena, this.#header, CLIENT_COUNT);
  }

  /** Keys that clients may hold, and how many holdings there are. */
  get keyCount(): number {
    return this.#keys.count;
  }

  get itemCount(): number {
    return this.#links.count;
  }

  get prefixCount(): number {
    return this.#topics.topicCount('prefix');
  }

  // Clients -------------------------------------------------------------------------------------------------

  enable({ record }: Session, options: TrackingOptions): void {
    const { isBroadcast, isOptIn, isOptOut, isNoLoop, redirection, prefixes } = options;
    const old = this.#clients.get(record, CLIENT_TRACKING);
    if (old === 0) this.#countClients(1);
    const flags =
      TRACKING |
      (old & CACHING) |
      (isBroadcast ? BROADCAST : 0) |
      (isOptIn ? OPT_IN : 0) |
      (isOptOut ? OPT_OUT : 0) |
      (isNoLoop ? NO_LOOP : 0);
    this.#clients.set(record, CLIENT_TRACKING, flags);
    this.#clients.setDouble(record, CLIENT_REDIRECTION, redirection);
    if (!isBroadcast) return;
    for (const prefix of prefixes.length === 0 ? [Buffer.alloc(0)] : prefixes)
      this.#topics.subscribe(record, 'prefix', prefix);
  }

  disable({ record }: Pick<Session, 'record'>): void {
    if (this.#clients.get(record, CLIENT_TRACKING) === 0) return;
    this.#topics.unsubscribeAll(record, 'prefix');
    this.#clients.set(record, CLIENT_TRACKING, 0);
    this.#countClients(-1);
  }

  #countClients(by: number): void {
    setWord(this.#arena, this.#header, CLIENT_COUNT, this.clientCount + by);
    this.#updateControl();
  }

  #updateControl(): void {
    this.#arena.control[CONTROL_TRACKING] = this.clientCount + this.keyCount;
  }

  setCaching({ record }: Session): void {
    this.#clients.set(record, CLIENT_TRACKING, this.#clients.get(record, CLIENT_TRACKING) | CACHING);
  }

  stateOf(record: Ref): TrackingState {
    const flags = this.#clients.get(record, CLIENT_TRACKING);
    return {
      isOn: flags !== 0,
      isBroadcast: (flags & BROADCAST) !== 0,
      isOptIn: (flags & OPT_IN) !== 0,
      isOptOut: (flags & OPT_OUT) !== 0,
      isNoLoop: (flags & NO_LOOP) !== 0,
      isCaching: (flags & CACHING) !== 0,
      isRedirectionBroken: (flags & BROKEN_REDIRECTION) !== 0,
      redirection: flags === 0 ? -1 : this.#clients.getDouble(record, CLIENT_REDIRECTION),
      prefixes: this.#topics.subscriptionsOf(record, 'prefix').sort((a, b) => a.compare(b)),
    };
  }

  // After a command -----------------------------------------------------------------------------------------

  /** A command of a client that tracks has run, or was refused: CLIENT CACHING was for that one. */
  commandDone(session: Session, command: RuntimeCommand | undefined): void {
    if (session.has(SESSION_MULTI) || command?.fullName.startsWith('client|') === true) return;
    const flags = this.#clients.get(session.record, CLIENT_TRACKING);
    if ((flags & CACHING) !== 0) this.#clients.set(session.record, CLIENT_TRACKING, flags & ~CACHING);
  }

  /** Remembers the keys that a command, which only reads, has shown to its client. */
  remember({ record, id }: Session, command: RuntimeCommand, request: Request): void {
    const flags = this.#clients.get(record, CLIENT_TRACKING);
    if ((flags & (TRACKING | BROADCAST)) !== TRACKING || (command.flags & FLAG_PUBSUB) !== 0) return;
    const isCaching = (flags & CACHING) !== 0;
    if ((flags & OPT_IN) !== 0 ? !isCaching : (flags & OPT_OUT) !== 0 && isCaching) return;

    for (const { index } of findKeys(command.row, request)) {
      this.#link(this.#trackedKey(request.buffer, request.start(index), request.end(index)), id);
    }
    this.#updateControl();
  }

  #trackedKey(key: Uint8Array, start: number, end: number): Ref {
    const arena = this.#arena;
    const hash = this.#hashOf(key, start, end);
    const found = this.#keys.find(key, start, end, hash);
    if (found !== 0) return found;
    const tracked = this.#allocator.allocate(KEY_OFFSET + end - start);
    setWord(arena, tracked, ENTRY_HASH, hash);
    setWord(arena, tracked, KEY_LENGTH, end - start);
    setWord(arena, tracked, KEY_LINKS, 0);
    copyBytes(bytesOf(arena, tracked), byteOffset(tracked) + KEY_OFFSET, key, start, end);
    this.#keys.insert(tracked);
    return tracked;
  }

  #link(tracked: Ref, clientId: number): void {
    const arena = this.#arena;
    this.#linkKey.writeInt32LE(tracked, 0);
    this.#linkKey.writeDoubleLE(clientId, 4);
    const hash = this.#hashOf(this.#linkKey, 0, LINK_KEY_BYTES);
    if (this.#links.find(this.#linkKey, 0, LINK_KEY_BYTES, hash) !== 0) return;
    const link = this.#allocator.allocate(LINK_BYTES);
    setWord(arena, link, ENTRY_HASH, hash);
    setWord(arena, link, LINK_KEY_LENGTH, LINK_KEY_BYTES);
    setWord(arena, link, LINK_KEY, tracked);
    setDouble(arena, link, LINK_CLIENT, clientId);
    setWord(arena, link, LINK_NEXT_OF_KEY, getWord(arena, tracked, KEY_LINKS));
    setWord(arena, tracked, KEY_LINKS, link);
    this.#links.insert(link);
  }

  /**
   * Forgets keys chosen at random while there are too many; their clients are told that they have changed. A
   * limit that is lowered is reached step by step, in larger and larger ones (tracking.c,
   * trackingLimitUsedSlots). Called when the lock was taken.
   */
  limitKeys(): void {
    const keysMax = Number(this.#parts.config.values['tracking-table-max-keys']);
    if (keysMax === 0 || this.keyCount <= keysMax) {
      this.#roundsOverLimit = 0;
      return;
    }
    this.#roundsOverLimit++;
    let left = EVICTIONS_PER_ROUND * this.#roundsOverLimit;
    while (left-- > 0 && this.keyCount > keysMax)
      this.#invalidate(this.#keys.random(() => this.#parts.random.nextUint32()));
  }

  // Changes -------------------------------------------------------------------------------------------------

  keyChanged(key: Uint8Array, start: number, end: number, isByCommand: boolean): void {
    if (this.prefixCount > 0) this.#noteChange(key, start, end, isByCommand ? this.#parts.running() : 0);
    if (this.#keys.count === 0) return;
    const tracked = this.#keys.find(key, start, end, this.#hashOf(key, start, end));
    if (tracked !== 0) this.#invalidate(tracked);
  }

  /** Tells the clients of a key, and forgets it. */
  #invalidate(tracked: Ref): void {
    const arena = this.#arena;
    const start = byteOffset(tracked) + KEY_OFFSET;
    const key = Buffer.from(
      bytesOf(arena, tracked).slice(start, start + getWord(arena, tracked, KEY_LENGTH)),
    );
    let link = getWord(arena, tracked, KEY_LINKS);
    this.#keys.remove(tracked);
    while (link !== 0) {
      const next = getWord(arena, link, LINK_NEXT_OF_KEY);
      this.#tellOfKey(getDouble(arena, link, LINK_CLIENT), key);
      this.#links.remove(link);
      this.#allocator.free(link);
      link = next;
    }
    this.#allocator.free(tracked);
    this.#updateControl();
  }

  #tellOfKey(clientId: number, key: Buffer): void {
    const client = this.#clients.find(clientId);
    const flags = client === 0 ? 0 : this.#clients.get(client, CLIENT_TRACKING);
    // It may have gone over to broadcasting since it read the key.
    if ((flags & (TRACKING | BROADCAST)) !== TRACKING) return;
    const isRunning = client === this.#parts.running();
    if (isRunning && (flags & NO_LOOP) !== 0) return;
    if (isRunning) this.#pending.push(key);
    else this.#send(client, keyPayload(key));
  }

  /** The client whose command has run has to be told of keys that it has changed itself. */
  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Tells it, after its reply. */
  sendPending(): void {
    const pending = this.#pending;
    this.#pending = [];
    const client = this.#parts.running();
    for (const key of pending) this.#send(client, key === null ? this.#nullPayload(client) : keyPayload(key));
  }

  /** All keys of a database, or of all, are gone: of which one is not looked at. */
  flushed(): void {
    if (this.clientCount > 0) {
      this.#clients.forEach((client) => {
        if (this.#clients.get(client, CLIENT_TRACKING) === 0) return;
        if (client === this.#parts.running()) this.#pending.push(null);
        else this.#send(client, this.#nullPayload(client));
      });
    }
    this.#forgetAll();
  }

  #forgetAll(): void {
    if (this.keyCount === 0) return;
    for (const table of [this.#links, this.#keys]) {
      for (let group = 0; group < table.groupCount; group++)
        table.visitGroupAt(group, (block) => this.#allocator.free(block));
      table.dispose();
    }
    HashTable.initialize(this.#allocator, this.#header);
    HashTable.initialize(this.#allocator, this.#header + LINKS / 2);
    this.#updateControl();
  }

  // Broadcasting --------------------------------------------------------------------------------------------

  #noteChange(key: Uint8Array, start: number, end: number, by: Ref): void {
    const name = toLatin1(key, start, end);
    for (const { name: prefixBytes } of this.#topics.topics('prefix')) {
      const prefix = prefixBytes.toString('latin1');
      if (!name.startsWith(prefix)) continue;
      const changed = this.#changed.get(prefix);
      if (changed === undefined) this.#changed.set(prefix, new Map([[name, by]]));
      else changed.set(name, by);
    }
  }

  /** Whether clients in broadcasting mode have to be told of something. */
  get hasChanges(): boolean {
    return this.#changed.size > 0;
  }

  /** Tells clients in broadcasting mode what has changed; before the lock is released. */
  broadcast(): void {
    for (const [prefix, changed] of [...this.#changed].sort(byKey)) {
      const topic = this.#topics.find('prefix', Buffer.from(prefix, 'latin1'));
      const keys = [...changed].sort(byKey);
      if (topic === 0) continue;
      this.#topics.forEachClient(topic, (client) => {
        const isNoLoop = (this.#clients.get(client, CLIENT_TRACKING) & NO_LOOP) !== 0;
        const names = keys.filter(([, by]) => !(isNoLoop && by === client)).map(([name]) => name);
        if (names.length > 0) this.#send(client, keysPayload(names));
      });
    }
    this.#changed.clear();
  }

  // Messages ------------------------------------------------------------------------------------------------

  /** Sends an invalidation message to the client, or to the one that gets them for it. */
  #send(client: Ref, payload: Payload): void {
    const { deliveries } = this.#parts;
    const redirection = this.#clients.getDouble(client, CLIENT_REDIRECTION);
    const target = redirection === 0 ? client : this.#clients.find(redirection);
    if (target === 0) {
      this.#redirectionBroken(client, redirection);
      return;
    }
    const writer = this.#beginMessage(deliveries.protocolOf(target));
    if (writer.version > 2) {
      writer.push(2);
      writer.bulkText('invalidate');
    } else if (redirection !== 0 && isSubscriber(this.#clients, target)) {
      writer.array(3);
      writer.bulkText('message');
      writer.bulkText(INVALIDATION_CHANNEL);
    } else {
      // There is no way to tell a client of the old protocol.
      return;
    }
    payload(writer);
    deliveries.deliver(target, writer.buffer, 0, writer.position);
  }

  #redirectionBroken(client: Ref, redirection: number): void {
    const { deliveries } = this.#parts;
    const flags = this.#clients.get(client, CLIENT_TRACKING);
    this.#clients.set(client, CLIENT_TRACKING, flags | BROKEN_REDIRECTION);
    const writer = this.#beginMessage(deliveries.protocolOf(client));
    if (writer.version === 2) return;
    writer.push(2);
    writer.bulkText('tracking-redir-broken');
    writer.integer(redirection);
    deliveries.deliver(client, writer.buffer, 0, writer.position);
  }

  #beginMessage(version: number): ReplyWriter {
    this.#writer.reset();
    this.#writer.version = version;
    return this.#writer;
  }

  /** Null as the client that tracks knows it, also where another one gets it (tracking.c, shared.null). */
  #nullPayload(client: Ref): Payload {
    const version = this.#parts.deliveries.protocolOf(client);
    return (writer) => {
      writer.version = version;
      writer.null();
    };
  }

  #hashOf(bytes: Uint8Array, start: number, end: number): number {
    return halfSipHash(this.#parts.hashKey0, this.#parts.hashKey1, bytes, start, end);
  }
}

function createHeader(allocator: Allocator): Ref {
  const header = allocator.allocate(HEADER_WORDS * 4);
  clearWords(allocator.arena, header, HEADER_WORDS);
  HashTable.initialize(allocator, header);
  HashTable.initialize(allocator, header + LINKS / 2);
  return header;
}

function keyPayload(key: Buffer): Payload {
  return (writer) => {
    writer.array(1);
    writer.bulkBytes(key);
  };
}

/** @param names Latin-1, one character a byte */
function keysPayload(names: readonly string[]): Payload {
  return (writer) => {
    writer.array(names.length);
    for (const name of names) writer.bulkText(name);
  };
}

/** Latin-1 text sorts as its bytes do. */
function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
