/** A keyspace with an engine over it, into which data is loaded as at the start of a server. */
import { datasetDigest } from '../../src/commands/digest.ts';
import type { Services } from '../../src/commands/services.ts';
import { Config } from '../../src/config/config.ts';
import { Engine } from '../../src/engine/engine.ts';
import { Statistics } from '../../src/engine/statistics.ts';
import { Keyspace } from '../../src/keyspace/keyspace.ts';
import { Allocator } from '../../src/memory/allocator.ts';
import { Arena } from '../../src/memory/arena.ts';
import { BorrowedBytes } from '../../src/memory/struct.ts';
import type { RunCommand } from '../../src/persistence/aof-loader.ts';
import { AofPaths } from '../../src/persistence/aof-manifest.ts';
import type { Disk } from '../../src/persistence/disk.ts';
import { Recovery, type RecoveryOptions, type RecoveryResult } from '../../src/persistence/recovery.ts';
import { ReplyWriter } from '../../src/protocol/reply-writer.ts';
import { ManualClock, type Clock } from '../../src/util/clock.ts';
import { Log } from '../../src/util/log.ts';
import { seededRandom } from '../../src/util/random.ts';

export const DATABASES = 16;
const NOW_MILLIS = 1_700_000_000_000;

/** A log that keeps its lines. */
export class MemoryLog extends Log {
  readonly lines: string[] = [];

  override notice(message: string): void {
    this.lines.push(message);
  }

  override warning(message: string): void {
    this.lines.push(message);
  }
}

/** The keyspace is that of one arena, used again and again: making one takes milliseconds. */
export class LoadedStore {
  readonly keyspace: Keyspace;
  readonly log = new MemoryLog();
  readonly clock: Clock;
  readonly #arena = Arena.create();
  readonly #engine: Engine;

  constructor(clock: Clock = new ManualClock(NOW_MILLIS)) {
    this.clock = clock;
    const allocator = new Allocator(this.#arena);
    this.keyspace = new Keyspace(allocator, seededRandom(1), DATABASES);
    this.#engine = new Engine({
      allocator,
      keyspace: this.keyspace,
      config: new Config(),
      reply: new ReplyWriter(),
      statistics: (commandCount) => new Statistics(allocator, commandCount),
      clock,
      log: this.log,
    });
    // Commands that are loaded ask nothing of other layers.
    this.#engine.connect({} as Services, () => {});
    this.#engine.enter();
  }

  readonly run: RunCommand = (databaseIndex, request) => this.#engine.replay(databaseIndex, request);

  /** Loads what is in a directory. Throws RecoveryError. */
  load(disk: Disk, directory: string, options: Partial<RecoveryOptions> = {}): RecoveryResult {
    this.clear();
    const recovery = new Recovery({
      disk,
      paths: new AofPaths(directory, 'appendonlydir', 'appendonly.aof'),
      snapshotName: 'dump.rdb',
      isAppendOnly: true,
      loadsTruncated: true,
      isVerifyingChecksum: true,
      keyspace: this.keyspace,
      run: this.run,
      log: this.log,
      clock: this.clock,
      ...options,
    });
    while (!recovery.step(0));
    return recovery.result!;
  }

  clear(): void {
    this.log.lines.length = 0;
    for (const database of this.keyspace.databases) if (database.keyCount > 0) database.clear(false);
  }

  /** The keys of a database, their values and expiry times: `key=value@millis`, sorted. */
  content(databaseIndex = 0): string[] {
    const database = this.keyspace.databases[databaseIndex]!;
    const lines: string[] = [];
    const view = new BorrowedBytes();
    for (let group = 0; group < database.table.groupCount; group++) {
      database.table.visitGroupAt(group, (entry) => {
        this.keyspace.strings.borrow(entry, view);
        const expiry = database.expiryOf(entry);
        const suffix = expiry < 0 ? '' : `@${expiry}`;
        lines.push(`${database.keyOf(entry).toString('latin1')}=${view.copy().toString('latin1')}${suffix}`);
      });
    }
    return lines.sort();
  }

  digest(): string {
    return datasetDigest(this.keyspace);
  }

  dispose(): void {
    this.#arena.close();
  }
}
