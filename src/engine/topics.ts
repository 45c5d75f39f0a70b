/**
 * Which clients have subscribed to which topics, across threads, in the arena: channels, patterns and shard
 * channels (subscriptions.ts), and prefixes of keys (tracking.ts).
 *
 *     topics, one table a kind                 links, one per (client, topic), in a table of their own
 *     ┌──────────────────────────┐ first, last ┌────────────────────────────────────────┐
 *     │ hash, name, clients      │────────────▶│ client │ topic │ next of topic / client │──▶ …
 *     └──────────────────────────┘             └────────────────────────────────────────┘
 *
 * Subscribing and unsubscribing take the same time however many others there are. Everything here runs under
 * the store's lock.
 */
import { strict as assert } from 'node:assert';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { CONTROL_ROOT_SUBSCRIPTIONS } from '../memory/control-block.ts';
import { byteOffset, bytesOf, clearWords, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import { ENTRY_HASH, HASH_TABLE_WORDS, HashTable } from '../structures/hash-table.ts';
import { copyBytes } from '../util/bytes.ts';
import { halfSipHash } from '../util/half-siphash.ts';
import { CLIENT_SUBSCRIPTIONS, CLIENT_TOPIC_BYTES } from './client-table.ts';

export type TopicKind = 'channel' | 'pattern' | 'shard' | 'prefix';

/** Order of the kinds, in the header and in a client's record. */
const KINDS: Record<TopicKind, number> = { channel: 0, pattern: 1, shard: 2, prefix: 3 };
const KIND_COUNT = 4;

// The header: a table of topics for each kind, the table of links, and for each kind how often topics of it
// have come or gone.
const LINKS = KIND_COUNT * HASH_TABLE_WORDS;
const CHANGES = LINKS + HASH_TABLE_WORDS;
const HEADER_WORDS = CHANGES + KIND_COUNT;

// A topic: next, hash, then these.
const TOPIC_LENGTH = 2;
const TOPIC_FIRST = 3;
const TOPIC_LAST = 4;
const TOPIC_COUNT = 5;
const TOPIC_NAME = 24;

// A link: next, hash, length of its key, then the key, which is client and topic.
const LINK_KEY_LENGTH = 2;
const LINK_CLIENT = 3;
const LINK_TOPIC = 4;
const LINK_NEXT_OF_TOPIC = 5;
const LINK_PREVIOUS_OF_TOPIC = 6;
const LINK_NEXT_OF_CLIENT = 7;
const LINK_PREVIOUS_OF_CLIENT = 8;
const LINK_BYTES = 36;
const KEY_BYTES = 8;

// A client's subscriptions of one kind, in its record.
const CLIENT_FIRST = 0;
const CLIENT_LAST = 1;
const CLIENT_COUNT = 2;
const CLIENT_KIND_WORDS = 3;

/** A topic that many commands look at, with its name at hand. */
export interface NamedTopic {
  readonly topic: Ref;
  readonly name: Buffer;
}

export class Topics {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #hashKey0: number;
  readonly #hashKey1: number;
  readonly #header: Ref;
  readonly #tables: readonly HashTable[];
  readonly #links: HashTable;
  /** Scratch: client and topic, as words and as the bytes of a key. */
  readonly #key = new Int32Array(2);
  readonly #keyBytes = new Uint8Array(this.#key.buffer);
  /** By kind: its topics, as of that change. */
  readonly #named: { changes: number; topics: NamedTopic[] }[] = Object.values(KINDS).map(() => ({
    changes: 0,
    topics: [],
  }));

  /** @param hashKey0 the keyspace's hash key: clients choose the names */
  constructor(allocator: Allocator, hashKey0: number, hashKey1: number) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#hashKey0 = hashKey0;
    this.#hashKey1 = hashKey1;
    const { control } = allocator.arena;
    if (control[CONTROL_ROOT_SUBSCRIPTIONS] === 0) {
      control[CONTROL_ROOT_SUBSCRIPTIONS] = createHeader(allocator);
    }
    this.#header = control[CONTROL_ROOT_SUBSCRIPTIONS]!;
    const tableAt = (word: number, keyLengthWord: number, keyOffset: number) =>
      new HashTable(allocator, this.#header + word / 2, { keyLengthWord, keyOffset });
    this.#tables = Object.values(KINDS).map((kind) =>
      tableAt(kind * HASH_TABLE_WORDS, TOPIC_LENGTH, TOPIC_NAME),
    );
    this.#links = tableAt(LINKS, LINK_KEY_LENGTH, LINK_CLIENT * 4);
  }

  // Subscribing ---------------------------------------------------------------------------------------------

  /** False when the client has subscribed to that before. */
  subscribe(client: Ref, kind: TopicKind, name: Uint8Array): boolean {
    const index = KINDS[kind];
    let topic = this.find(kind, name);
    if (topic !== 0 && this.#findLink(client, topic) !== 0) return false;

    const link = this.#allocator.allocate(LINK_BYTES);
    if (topic === 0) topic = this.#addTopic(index, name, link);
    setWord(this.#arena, link, LINK_KEY_LENGTH, KEY_BYTES);
    setWord(this.#arena, link, LINK_CLIENT, client);
    setWord(this.#arena, link, LINK_TOPIC, topic);
    setWord(this.#arena, link, ENTRY_HASH, this.#hashOfLink(client, topic));
    this.#links.insert(link);
    this.#appendToTopic(topic, link);
    this.#appendToClient(client, index, link);
    return true;
  }

  /** @param link a block that is given back when there is no room for the topic */
  #addTopic(index: number, name: Uint8Array, link: Ref): Ref {
    const arena = this.#arena;
    const topic = this.#allocator.tryAllocate(TOPIC_NAME + name.length);
    if (topic === 0) {
      this.#allocator.free(link);
      return this.#allocator.allocate(TOPIC_NAME + name.length);
    }
    setWord(arena, topic, ENTRY_HASH, this.#hashOf(name));
    setWord(arena, topic, TOPIC_LENGTH, name.length);
    setWord(arena, topic, TOPIC_FIRST, 0);
    setWord(arena, topic, TOPIC_LAST, 0);
    setWord(arena, topic, TOPIC_COUNT, 0);
    copyBytes(bytesOf(arena, topic), byteOffset(topic) + TOPIC_NAME, name, 0, name.length);
    this.#tables[index]!.insert(topic);
    this.#changed(index);
    return topic;
  }

  #appendToTopic(topic: Ref, link: Ref): void {
    const arena = this.#arena;
    const last = getWord(arena, topic, TOPIC_LAST);
    setWord(arena, link, LINK_NEXT_OF_TOPIC, 0);
    setWord(arena, link, LINK_PREVIOUS_OF_TOPIC, last);
    if (last === 0) setWord(arena, topic, TOPIC_FIRST, link);
    else setWord(arena, last, LINK_NEXT_OF_TOPIC, link);
    setWord(arena, topic, TOPIC_LAST, link);
    setWord(arena, topic, TOPIC_COUNT, getWord(arena, topic, TOPIC_COUNT) + 1);
  }

  #appendToClient(client: Ref, index: number, link: Ref): void {
    const arena = this.#arena;
    const words = wordsOfKind(index);
    const last = getWord(arena, client, words + CLIENT_LAST);
    setWord(arena, link, LINK_NEXT_OF_CLIENT, 0);
    setWord(arena, link, LINK_PREVIOUS_OF_CLIENT, last);
    if (last === 0) setWord(arena, client, words + CLIENT_FIRST, link);
    else setWord(arena, last, LINK_NEXT_OF_CLIENT, link);
    setWord(arena, client, words + CLIENT_LAST, link);
    setWord(arena, client, words + CLIENT_COUNT, getWord(arena, client, words + CLIENT_COUNT) + 1);
    this.#countBytes(client, getWord(arena, link, LINK_TOPIC), 1);
  }

  /** A topic counts in full for each of its clients, as if it were the only one. */
  #countBytes(client: Ref, topic: Ref, sign: 1 | -1): void {
    const arena = this.#arena;
    const bytes = LINK_BYTES + TOPIC_NAME + getWord(arena, topic, TOPIC_LENGTH);
    setDouble(arena, client, CLIENT_TOPIC_BYTES, getDouble(arena, client, CLIENT_TOPIC_BYTES) + sign * bytes);
  }

  /** False when it had not subscribed. */
  unsubscribe(client: Ref, kind: TopicKind, name: Uint8Array): boolean {
    const index = KINDS[kind];
    const topic = this.find(kind, name);
    const link = topic === 0 ? 0 : this.#findLink(client, topic);
    if (link === 0) return false;
    this.#removeLink(index, link);
    return true;
  }

  /** Ends all subscriptions of a client to topics of one kind. */
  unsubscribeAll(client: Ref, kind: TopicKind): void {
    const index = KINDS[kind];
    for (;;) {
      const link = getWord(this.#arena, client, wordsOfKind(index) + CLIENT_FIRST);
      if (link === 0) return;
      this.#removeLink(index, link);
    }
  }

  #removeLink(index: number, link: Ref): void {
    const arena = this.#arena;
    const topic = getWord(arena, link, LINK_TOPIC);
    const client = getWord(arena, link, LINK_CLIENT);
    this.#links.remove(link);

    let next = getWord(arena, link, LINK_NEXT_OF_TOPIC);
    let previous = getWord(arena, link, LINK_PREVIOUS_OF_TOPIC);
    if (previous === 0) setWord(arena, topic, TOPIC_FIRST, next);
    else setWord(arena, previous, LINK_NEXT_OF_TOPIC, next);
    if (next === 0) setWord(arena, topic, TOPIC_LAST, previous);
    else setWord(arena, next, LINK_PREVIOUS_OF_TOPIC, previous);

    const words = wordsOfKind(index);
    next = getWord(arena, link, LINK_NEXT_OF_CLIENT);
    previous = getWord(arena, link, LINK_PREVIOUS_OF_CLIENT);
    if (previous === 0) setWord(arena, client, words + CLIENT_FIRST, next);
    else setWord(arena, previous, LINK_NEXT_OF_CLIENT, next);
    if (next === 0) setWord(arena, client, words + CLIENT_LAST, previous);
    else setWord(arena, next, LINK_PREVIOUS_OF_CLIENT, previous);
    setWord(arena, client, words + CLIENT_COUNT, getWord(arena, client, words + CLIENT_COUNT) - 1);
    this.#countBytes(client, topic, -1);
    this.#allocator.free(link);

    const count = getWord(arena, topic, TOPIC_COUNT) - 1;
    setWord(arena, topic, TOPIC_COUNT, count);
    if (count > 0) return;
    this.#tables[index]!.remove(topic);
    this.#allocator.free(topic);
    this.#changed(index);
  }

  /** How many topics of the kind a client has subscribed to. */
  subscriptionCount(client: Ref, kind: TopicKind): number {
    return getWord(this.#arena, client, wordsOfKind(KINDS[kind]) + CLIENT_COUNT);
  }

  /** Their names, oldest subscription first. */
  subscriptionsOf(client: Ref, kind: TopicKind): Buffer[] {
    const names: Buffer[] = [];
    let link = getWord(this.#arena, client, wordsOfKind(KINDS[kind]) + CLIENT_FIRST);
    while (link !== 0) {
      names.push(this.#nameOf(getWord(this.#arena, link, LINK_TOPIC)));
      link = getWord(this.#arena, link, LINK_NEXT_OF_CLIENT);
    }
    return names;
  }

  // What there is -------------------------------------------------------------------------------------------

  /** The topic of that name, which somebody has subscribed to, or 0. */
  find(kind: TopicKind, name: Uint8Array): Ref {
    const table = this.#tables[KINDS[kind]]!;
    return table.count === 0 ? 0 : table.find(name, 0, name.length, this.#hashOf(name));
  }

  topicCount(kind: TopicKind): number {
    return this.#tables[KINDS[kind]]!.count;
  }

  clientCount(topic: Ref): number {
    return getWord(this.#arena, topic, TOPIC_COUNT);
  }

  /** Visits the clients that have subscribed to a topic, in the order in which they did. */
  forEachClient(topic: Ref, visit: (client: Ref) => void): void {
    let link = getWord(this.#arena, topic, TOPIC_FIRST);
    while (link !== 0) {
      visit(getWord(this.#arena, link, LINK_CLIENT));
      link = getWord(this.#arena, link, LINK_NEXT_OF_TOPIC);
    }
  }

  /** All topics of a kind; kept until one comes or goes. */
  topics(kind: TopicKind): readonly NamedTopic[] {
    const index = KINDS[kind];
    const named = this.#named[index]!;
    const changes = getWord(this.#arena, this.#header, CHANGES + index);
    if (changes !== named.changes) {
      named.changes = changes;
      named.topics = [];
      this.#forEachTopic(index, (topic) => named.topics.push({ topic, name: this.#nameOf(topic) }));
    }
    return named.topics;
  }

  #changed(index: number): void {
    setWord(
      this.#arena,
      this.#header,
      CHANGES + index,
      getWord(this.#arena, this.#header, CHANGES + index) + 1,
    );
  }

  #forEachTopic(index: number, visit: (topic: Ref) => void): void {
    const table = this.#tables[index]!;
    for (let group = 0; group < table.groupCount; group++) table.visitGroupAt(group, visit);
  }

  #findLink(client: Ref, topic: Ref): Ref {
    const hash = this.#hashOfLink(client, topic);
    return this.#links.find(this.#keyBytes, 0, KEY_BYTES, hash);
  }

  /** Leaves the key in the scratch. */
  #hashOfLink(client: Ref, topic: Ref): number {
    this.#key[0] = client;
    this.#key[1] = topic;
    return this.#hashOf(this.#keyBytes);
  }

  #hashOf(bytes: Uint8Array): number {
    return halfSipHash(this.#hashKey0, this.#hashKey1, bytes, 0, bytes.length);
  }

  #nameOf(topic: Ref): Buffer {
    const start = byteOffset(topic) + TOPIC_NAME;
    const name = Buffer.allocUnsafe(getWord(this.#arena, topic, TOPIC_LENGTH));
    copyBytes(name, 0, bytesOf(this.#arena, topic), start, start + name.length);
    return name;
  }

  /** Throws when tables, lists and counts do not agree. */
  checkInvariants(): void {
    this.#links.checkInvariants();
    let linkCount = 0;
    for (const index of Object.values(KINDS)) {
      this.#tables[index]!.checkInvariants();
      this.#forEachTopic(index, (topic) => {
        let count = 0;
        let link = getWord(this.#arena, topic, TOPIC_FIRST);
        while (link !== 0) {
          count++;
          const client = getWord(this.#arena, link, LINK_CLIENT);
          assert.equal(this.#findLink(client, topic), link, 'a link is found by client and topic');
          link = getWord(this.#arena, link, LINK_NEXT_OF_TOPIC);
        }
        assert(count > 0, 'a topic has clients');
        assert.equal(count, getWord(this.#arena, topic, TOPIC_COUNT), 'clients of a topic');
        linkCount += count;
      });
    }
    assert.equal(linkCount, this.#links.count, 'links');
  }
}

function wordsOfKind(index: number): number {
  return CLIENT_SUBSCRIPTIONS + index * CLIENT_KIND_WORDS;
}

function createHeader(allocator: Allocator): Ref {
  const header = allocator.allocate(HEADER_WORDS * 4);
  clearWords(allocator.arena, header, HEADER_WORDS);
  for (let word = 0; word <= LINKS; word += HASH_TABLE_WORDS)
    HashTable.initialize(allocator, header + word / 2);
  return header;
}
