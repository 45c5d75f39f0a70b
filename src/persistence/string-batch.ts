/**
 * Short strings of a snapshot, gathered until there are enough to fetch the memory for all of them at once
 * (fetch-ahead.ts), and stored then, in their order.
 */
import { copyBytes } from '../util/bytes.ts';
import { KEYS_AHEAD, fetchAhead } from './fetch-ahead.ts';
import { storeFacts, storeString, type KeyPlace } from './loaded-value.ts';
import type { ByteRange, RdbKeyFacts, RdbString } from './rdb-values.ts';

/** Longer ones are worth no copy. */
const STRING_BYTES_MAX = 512;

/** A string that waits: ranges of the batch's buffer, and the key's facts. */
class WaitingString implements RdbKeyFacts {
  readonly key: { bytes: Uint8Array; start: number; end: number };
  readonly value: { readonly kind: 'string'; bytes: Uint8Array; start: number; end: number };
  expiryMillis: number | undefined;
  idleSeconds: number | undefined;
  frequency: number | undefined;

  constructor(bytes: Uint8Array) {
    this.key = { bytes, start: 0, end: 0 };
    this.value = { kind: 'string', bytes, start: 0, end: 0 };
  }
}

export class StringBatch {
  count = 0;
  readonly #buffer = Buffer.allocUnsafeSlow(KEYS_AHEAD * STRING_BYTES_MAX);
  readonly #strings = Array.from({ length: KEYS_AHEAD }, () => new WaitingString(this.#buffer));
  readonly #hashes = new Int32Array(KEYS_AHEAD);
  #position = 0;

  /** Takes a copy; false for a string that is too long. There must be room: `isFull`. */
  add(facts: RdbKeyFacts, value: RdbString): boolean {
    const { key } = facts;
    if (key.end - key.start + (value.end - value.start) > STRING_BYTES_MAX) return false;
    const string = this.#strings[this.count++]!;
    string.key.start = this.#position;
    this.#position = this.#copy(key);
    string.key.end = this.#position;
    string.value.start = this.#position;
    this.#position = this.#copy(value);
    string.value.end = this.#position;
    string.expiryMillis = facts.expiryMillis;
    string.idleSeconds = facts.idleSeconds;
    string.frequency = facts.frequency;
    return true;
  }

  get isFull(): boolean {
    return this.count === KEYS_AHEAD;
  }

  /** Stores what waits; a key that is not new in its database is handed to `onKnownKey` as well. */
  store(place: KeyPlace, onKnownKey: (key: ByteRange) => void): void {
    const { keyspace, database } = place;
    const { count } = this;
    for (let i = 0; i < count; i++) {
      const { key } = this.#strings[i]!;
      this.#hashes[i] = keyspace.hashOf(key.bytes, key.start, key.end);
    }
    fetchAhead(keyspace, database, this.#hashes, count);
    for (let i = 0; i < count; i++) {
      const string = this.#strings[i]!;
      const { key } = string;
      keyspace.expectedKey = key.bytes;
      keyspace.expectedStart = key.start;
      keyspace.expectedEnd = key.end;
      keyspace.expectedHash = this.#hashes[i]!;
      const keyCount = database.keyCount;
      const entry = storeString(place, key, string.value);
      if (database.keyCount === keyCount) onKnownKey(key);
      storeFacts(place, entry, string);
    }
    keyspace.expectedKey = undefined;
    this.count = 0;
    this.#position = 0;
  }

  #copy({ bytes, start, end }: ByteRange): number {
    return copyBytes(this.#buffer, this.#position, bytes, start, end);
  }
}
