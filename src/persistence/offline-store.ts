/** A keyspace with an engine over it and no server: what a tool needs to run an append-only file. */
import type { Services } from '../commands/services.ts';
import { Config } from '../config/config.ts';
import { Engine } from '../engine/engine.ts';
import { Statistics } from '../engine/statistics.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Allocator } from '../memory/allocator.ts';
import { Arena } from '../memory/arena.ts';
import { ReplyWriter } from '../protocol/reply-writer.ts';
import { systemClock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import { systemRandom } from '../util/random.ts';
import { AofLoader, type AofPart } from './aof-loader.ts';
import type { Disk } from './disk.ts';

/** More than anyone configures; an empty one takes some hundred bytes. */
const DATABASES = 1024;

/** Commands of an append-only file ask nothing of a server, and there is nobody who could wait. */
const OFFLINE_SERVICES = { blocking: { block: () => {} } } as unknown as Services;

export class OfflineStore {
  readonly keyspace: Keyspace;
  readonly #arena = Arena.create();
  readonly #engine: Engine;
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
    const allocator = new Allocator(this.#arena);
    this.keyspace = new Keyspace(allocator, systemRandom(), DATABASES);
    this.#engine = new Engine({
      allocator,
      keyspace: this.keyspace,
      config: new Config(),
      reply: new ReplyWriter(),
      statistics: (commandCount) => new Statistics(allocator, commandCount),
      clock: systemClock,
      log,
    });
    this.#engine.connect(OFFLINE_SERVICES, () => undefined);
  }

  /**
   * Runs the files of an append-only file; they stay as they are. Keys do not expire. What is torn at the end
   * is left out, with a warning to the log. Throws RecoveryError.
   */
  load(disk: Disk, parts: readonly AofPart[]): void {
    const { keyspace } = this;
    const engine = this.#engine;
    const loader = new AofLoader({
      disk,
      parts,
      keyspace,
      run: (database, request) => engine.replay(database, request),
      loadsTruncated: true,
      cutsFiles: false,
      isVerifyingChecksum: true,
      log: this.#log,
      clock: systemClock,
    });
    keyspace.ignoresExpiry = true;
    engine.enter();
    try {
      while (!loader.load(() => false));
    } finally {
      loader.close();
      engine.leave();
    }
    if (loader.failureCount > 0) {
      this.#log.warning(`${loader.failureCount} commands of the append-only file ended with an error`);
    }
  }

  close(): void {
    this.#arena.close();
  }
}
