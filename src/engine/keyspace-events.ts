/**
 * Keyspace events as messages (Redis 7.0 notify.c, notifyKeyspaceEvent): to `__keyspace@N__:KEY` with the
 * event, to `__keyevent@N__:EVENT` with the key, as `notify-keyspace-events` says.
 */
import type { Keyspace } from '../keyspace/keyspace.ts';
import { NOTIFY_KEYEVENT, NOTIFY_KEYSPACE } from '../keyspace/notify.ts';
import type { Subscriptions } from './subscriptions.ts';

export class KeyspaceEvents {
  readonly #keyspace: Keyspace;
  readonly #subscriptions: Subscriptions;

  constructor(keyspace: Keyspace, subscriptions: Subscriptions) {
    this.#keyspace = keyspace;
    this.#subscriptions = subscriptions;
  }

  /** Something has happened to a key; whether anybody wants events of that class was asked before. */
  publish(event: string, databaseIndex: number, key: Uint8Array, start: number, end: number): void {
    if (!this.#subscriptions.hasListeners) return;
    const { notifyMask } = this.#keyspace;
    const name = Buffer.from(event, 'latin1');
    const keyName = Buffer.from(key.slice(start, end));
    if ((notifyMask & NOTIFY_KEYSPACE) !== 0) {
      const channel = Buffer.concat([Buffer.from(`__keyspace@${databaseIndex}__:`), keyName]);
      this.#subscriptions.publish('channel', channel, name);
    }
    if ((notifyMask & NOTIFY_KEYEVENT) !== 0) {
      const channel = Buffer.concat([Buffer.from(`__keyevent@${databaseIndex}__:`), name]);
      this.#subscriptions.publish('channel', channel, keyName);
    }
  }
}
