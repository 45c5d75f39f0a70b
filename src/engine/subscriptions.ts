/**
 * Publish and subscribe across threads (Redis 7.0 pubsub.c). Publishing takes as long as there are receivers
 * and patterns; a message is encoded once for each version of the protocol.
 */
import type { PubSubService, SubscriptionKind } from '../commands/services.ts';
import type { Ref } from '../memory/arena.ts';
import { ReplyWriter } from '../protocol/reply-writer.ts';
import { globMatch } from '../util/glob.ts';
import type { Deliveries } from './deliveries.ts';
import type { Topics } from './topics.ts';

export class Subscriptions implements PubSubService {
  readonly #topics: Topics;
  readonly #deliveries: Deliveries;
  /** Messages are put together here. */
  readonly #writer = new ReplyWriter();

  constructor(topics: Topics, deliveries: Deliveries) {
    this.#topics = topics;
    this.#deliveries = deliveries;
  }

  subscribe(client: Ref, kind: SubscriptionKind, name: Uint8Array): boolean {
    return this.#topics.subscribe(client, kind, name);
  }

  unsubscribe(client: Ref, kind: SubscriptionKind, name: Uint8Array): boolean {
    return this.#topics.unsubscribe(client, kind, name);
  }

  unsubscribeAll(client: Ref): void {
    this.#topics.unsubscribeAll(client, 'channel');
    this.#topics.unsubscribeAll(client, 'pattern');
    this.#topics.unsubscribeAll(client, 'shard');
  }

  subscriptionCount(client: Ref, kind: SubscriptionKind): number {
    return this.#topics.subscriptionCount(client, kind);
  }

  subscriptionsOf(client: Ref, kind: SubscriptionKind): Buffer[] {
    return this.#topics.subscriptionsOf(client, kind);
  }

  topicCount(kind: SubscriptionKind): number {
    return this.#topics.topicCount(kind);
  }

  topics(kind: SubscriptionKind): Buffer[] {
    return this.#topics.topics(kind).map(({ name }) => name);
  }

  subscriberCount(kind: SubscriptionKind, name: Uint8Array): number {
    const topic = this.#topics.find(kind, name);
    return topic === 0 ? 0 : this.#topics.clientCount(topic);
  }

  /** Whether a message to some channel could reach anybody. */
  get hasListeners(): boolean {
    return this.#topics.topicCount('channel') > 0 || this.#topics.topicCount('pattern') > 0;
  }

  publish(kind: 'channel' | 'shard', channel: Uint8Array, message: Uint8Array): number {
    let receivers = 0;
    const topic = this.#topics.find(kind, channel);
    if (topic !== 0) {
      receivers += this.#send(topic, (writer) => {
        writer.push(3);
        writer.bulkText(kind === 'channel' ? 'message' : 'smessage');
        writer.bulkBytes(channel);
        writer.bulkBytes(message);
      });
    }
    if (kind === 'shard' || this.#topics.topicCount('pattern') === 0) return receivers;

    for (const pattern of this.#topics.topics('pattern')) {
      if (!globMatch(pattern.name, channel, 0, channel.length)) continue;
      receivers += this.#send(pattern.topic, (writer) => {
        writer.push(4);
        writer.bulkText('pmessage');
        writer.bulkBytes(pattern.name);
        writer.bulkBytes(channel);
        writer.bulkBytes(message);
      });
    }
    return receivers;
  }

  /** Sends a message to the subscribers of a topic, and returns how many they are. */
  #send(topic: Ref, write: (writer: ReplyWriter) => void): number {
    const oldProtocol: Ref[] = [];
    const newProtocol: Ref[] = [];
    this.#topics.forEachClient(topic, (client) => {
      if (this.#deliveries.protocolOf(client) === 2) oldProtocol.push(client);
      else newProtocol.push(client);
    });
    this.#sendAs(2, oldProtocol, write);
    this.#sendAs(3, newProtocol, write);
    return oldProtocol.length + newProtocol.length;
  }

  #sendAs(version: number, clients: readonly Ref[], write: (writer: ReplyWriter) => void): void {
    if (clients.length === 0) return;
    const writer = this.#writer;
    writer.reset();
    writer.version = version;
    write(writer);
    this.#deliveries.deliverToMany(clients, writer.buffer, 0, writer.position);
  }
}
