/** Every five seconds the log tells how the server is, if it wants that (Redis 7.0 server.c, serverCron). */
import type { ThreadParts } from './thread-parts.ts';

const INTERVAL_MILLIS = 5000;

export class StateLog {
  readonly #parts: ThreadParts;
  #next = 0;

  constructor(parts: ThreadParts) {
    this.#parts = parts;
  }

  /** Under the lock, now and then. */
  tick(now: number): void {
    const { log, keyspace, clientTable, allocator } = this.#parts;
    if (now < this.#next || !log.wants('verbose')) return;
    this.#next = now + INTERVAL_MILLIS;
    for (const { index, keyCount, expiringCount, table } of keyspace.databases) {
      if (keyCount === 0) continue;
      log.verbose(
        `DB ${index}: ${keyCount} keys (${expiringCount} volatile) in ${table.bucketCounts[0]} slots HT.`,
      );
    }
    log.debug(`${clientTable.count} clients connected (0 replicas), ${allocator.usedBytes} bytes in use`);
  }
}
