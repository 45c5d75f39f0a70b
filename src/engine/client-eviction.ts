/**
 * `maxmemory-clients`: ends the clients that take the most memory while all of them together take too much
 * (Redis 7.0 networking.c, evictClients).
 *
 *     a client grew or shrank          changed()   its thread brings the sum up to date, one addition
 *     the sum has reached the limit    enforce()   all are counted anew; the largest go until it is below
 *
 * The sum, and what each client counts for in it, are shared by all threads; whichever notices that there is
 * too much picks the victims, and the threads that serve them end them. Redis sorts clients into classes by
 * the power of two of their size and takes any of the highest; here the very largest goes first.
 *
 * While there is no limit nothing is counted. Everything here runs under the store's lock.
 */
import { SESSION_NO_EVICT } from '../commands/session.ts';
import type { Config } from '../config/config.ts';
import type { MemoryOrPercent } from '../config/directives.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Ref } from '../memory/arena.ts';
import type { Log } from '../util/log.ts';
import { clientBytes } from './client-memory.ts';
import { CLIENT_COUNTED_BYTES, CLIENT_ENDING, CLIENT_FLAGS } from './client-table.ts';
import type { ClientTable } from './client-table.ts';
import { STATE_CLIENT_BYTES } from './shared-state.ts';
import type { Statistics } from './statistics.ts';

/** A lower limit counts as this one: otherwise nobody could be connected to raise it again. */
export const CLIENT_LIMIT_BYTES_MIN = 128 * 1024;
/** When nobody is left who may go, they are looked for again after this long. */
const RETRY_MILLIS = 100;

export interface ClientEvictionParts {
  readonly clientTable: ClientTable;
  readonly keyspace: Keyspace;
  readonly config: Config;
  readonly statistics: Statistics;
  readonly log: Log;
}

/** What the thread does for the one who decides. */
export interface ClientEnding {
  /** Brings the records of this thread's clients up to date. */
  publishSessions(): void;
  /** The client's line in CLIENT LIST. */
  describe(record: Ref): string;
  /** Ends a client of any thread. */
  end(record: Ref): void;
}

export class ClientEviction {
  readonly #parts: ClientEvictionParts;
  readonly #counters: Float64Array;
  #ending: ClientEnding | undefined;
  #limitBytes = 0;
  /** Nobody can go until then, Unix time in ms. */
  #retryAt = 0;
  #hasWarned = false;

  constructor(parts: ClientEvictionParts) {
    this.#parts = parts;
    this.#counters = parts.keyspace.arena.counters;
  }

  /** Once, before the first client. */
  connect(ending: ClientEnding): void {
    this.#ending = ending;
  }

  /** Whether there is a limit: only then has anything to be counted. */
  get isOn(): boolean {
    return this.#limitBytes > 0;
  }

  /** Takes over the limit. True when it has changed: then `recount` is to be called, if there are clients. */
  configure(): boolean {
    const { values } = this.#parts.config;
    const limitBytes = clientLimitBytes(values['maxmemory-clients'], Number(values.maxmemory));
    if (limitBytes === this.#limitBytes) return false;
    this.#limitBytes = limitBytes;
    this.#retryAt = 0;
    return true;
  }

  /** A client has grown or shrunk: counts it, and makes room if it must. */
  changed(record: Ref): void {
    this.count(record);
    this.enforce();
  }

  /** As `changed`, in the midst of a command, where nobody may be ended yet. */
  count(record: Ref): void {
    const { clientTable, keyspace } = this.#parts;
    if (clientTable.get(record, CLIENT_ENDING) !== 0) return;
    const bytes = clientBytes(clientTable, keyspace.watches, record);
    this.#sum += bytes - clientTable.getDouble(record, CLIENT_COUNTED_BYTES);
    clientTable.setDouble(record, CLIENT_COUNTED_BYTES, bytes);
  }

  /** Counts all clients anew, for what nobody has told, and makes room if it must. */
  recount(): void {
    if (!this.isOn) return;
    this.#parts.clientTable.forEach((record) => this.count(record));
    this.enforce();
  }

  /** Ends clients, the largest first, until what is left takes less than the limit. */
  enforce(): void {
    if (!this.isOn || this.#sum < this.#limitBytes) {
      this.#hasWarned = false;
      return;
    }
    const { now } = this.#parts.keyspace;
    if (now < this.#retryAt) return;
    this.#ending!.publishSessions();
    for (const record of this.#countEvictable()) {
      if (this.#sum < this.#limitBytes) return;
      this.#evict(record);
    }
    if (this.#sum < this.#limitBytes) return;
    this.#retryAt = now + RETRY_MILLIS;
    if (!this.#hasWarned)
      this.#parts.log.warning('Over client maxmemory after evicting all evictable clients');
    this.#hasWarned = true;
  }

  #evict(record: Ref): void {
    const { log, statistics } = this.#parts;
    log.notice(`Evicting client: ${this.#ending!.describe(record)}`);
    statistics.add('evictedClients', 1);
    this.#ending!.end(record);
  }

  /** Counts all clients anew; returns those that may go, the largest first. */
  #countEvictable(): Ref[] {
    const { clientTable } = this.#parts;
    const evictable: Ref[] = [];
    clientTable.forEach((record) => {
      this.count(record);
      const mayGo = (clientTable.get(record, CLIENT_FLAGS) & SESSION_NO_EVICT) === 0;
      if (mayGo && clientTable.get(record, CLIENT_ENDING) === 0) evictable.push(record);
    });
    const bytesOf = (record: Ref): number => clientTable.getDouble(record, CLIENT_COUNTED_BYTES);
    return evictable.sort((a, b) => bytesOf(b) - bytesOf(a));
  }

  get #sum(): number {
    return this.#counters[STATE_CLIENT_BYTES]!;
  }

  set #sum(bytes: number) {
    this.#counters[STATE_CLIENT_BYTES] = bytes;
  }
}

/** The limit in bytes, 0 = none (networking.c, getClientEvictionLimit). */
export function clientLimitBytes(setting: MemoryOrPercent, maxmemory: number): number {
  const wanted = 'percent' in setting ? Math.floor((maxmemory * setting.percent) / 100) : setting.bytes;
  const isNone = 'percent' in setting ? maxmemory === 0 : wanted === 0;
  return isNone ? 0 : Math.max(CLIENT_LIMIT_BYTES_MIN, wanted);
}
