/**
 * A snapshot in the background: the persistence thread walks the keyspace while others change it.
 *
 *     cut (beginSnapshot)   epoch += 1: from now on a key that changes is handed over first (SnapshotQueue)
 *     run                   slices: lock, copy about 300 us' worth of entries that are not marked, mark them,
 *                           unlock, format and write; then the keys that were handed over, in the same way;
 *                           last of all the large values, in pieces (HeldValues); sooner when clients have
 *                           changed or deleted so many that memory is at stake
 *     end                   all keys of the cut are in the file, each once, and all are marked
 *
 * After a slice the lock is left alone for 30 times as long if others want it: they lose a thirtieth of their
 * time. When they hand over so much that memory is at stake, there is no pause. Shorter slices would cost
 * them more: who finds the lock taken sleeps, and is woken late. A snapshot that fails or is aborted goes on
 * marking, without copying: the next one must not meet an entry that it thinks is new.
 */
import { strict as assert } from 'node:assert';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Database } from '../keyspace/database.ts';
import type { Ref } from '../memory/arena.ts';
import type { Mutex } from '../memory/mutex.ts';
import type { Clock } from '../util/clock.ts';
import { EntryCopier, type EntryVisitor } from './snapshot-copier.ts';
import { RecordReader, hold, isTooLarge, type AccessFacts } from './snapshot-entry.ts';
import { HeldValues } from './snapshot-held.ts';
import { HELD_BYTES_URGENT, type SnapshotQueue } from './snapshot-queue.ts';
import type { SnapshotFacts, SnapshotSink } from './snapshot-sink.ts';

const SLICE_MICROS = 300;
/** The lock is left alone for that many times the length of a slice while others want it … */
const PAUSE_RATIO = 30;
/** … of which what was not the snapshot's own work, as when it got no processor, does not count. */
const SLICE_MICROS_COUNTED = 2 * SLICE_MICROS;

export interface SnapshotWalkParts {
  readonly keyspace: Keyspace;
  readonly mutex: Pick<Mutex, 'lock' | 'unlock' | 'hasWaiters' | 'contendedCount'>;
  readonly queue: SnapshotQueue;
  readonly clock: Clock;
  readonly accessFacts: AccessFacts;
}

export interface SnapshotProgress {
  /** Keys in the file so far, of those at the cut. */
  readonly savedCount: number;
  readonly keyCount: number;
}

/**
 * What is to follow a slice:
 * - `go-on`;
 * - `abort`: the file is not wanted any more, the server goes on;
 * - `stop`: end at once, the server stops.
 */
export type SliceVerdict = 'go-on' | 'abort' | 'stop';

export interface SnapshotRun {
  /** As `beginSnapshot` has given them. */
  readonly facts: SnapshotFacts;
  /** Called after each slice, without the lock. */
  readonly onSlice: (progress: SnapshotProgress) => SliceVerdict;
}

export interface SnapshotResult {
  /** Keys that went to the sink. */
  readonly keyCount: number;
  /** By a verdict of `onSlice`: the sink has not got all keys, nor its `end`. */
  readonly isAborted: boolean;
}

export interface CutOptions {
  readonly keyspace: Keyspace;
  readonly unixMillis: number;
  readonly isAofBase: boolean;
}

/** What is in the keyspace now. */
export function snapshotFacts({ keyspace, unixMillis, isAofBase }: CutOptions): SnapshotFacts {
  const databases = keyspace.databases
    .filter(({ keyCount }) => keyCount > 0)
    .map(({ index, keyCount, expiringCount }) => ({ index, keyCount, expiringCount }));
  const keyCount = databases.reduce((sum, database) => sum + database.keyCount, 0);
  return { unixMillis, keyCount, databases, usedMemory: keyspace.allocator.usedBytes, isAofBase };
}

/**
 * The cut: the moment whose state is saved. Under the lock, by any thread; the persistence thread then runs a
 * SnapshotWalk. One at a time.
 */
export function beginSnapshot(queue: SnapshotQueue, options: CutOptions): SnapshotFacts {
  const facts = snapshotFacts(options);
  options.keyspace.beginSnapshot();
  queue.begin();
  return facts;
}

export class SnapshotWalk implements EntryVisitor {
  readonly #parts: SnapshotWalkParts;
  readonly #copier: EntryCopier;
  readonly #reader: RecordReader;
  /** Undefined once the snapshot has failed or is aborted: then entries are only marked. */
  #sink: SnapshotSink | undefined;
  #error: unknown;
  #savedCount = 0;
  /** Index at the cut of the database that is walked. */
  #cutIndex = -1;
  #hasWalkedAll = false;
  #isDone = false;
  /** Detached chunks of the queue that are to be written, and freed when the lock is taken next. */
  #chunks: Ref = 0;
  readonly #held: HeldValues;

  constructor(parts: SnapshotWalkParts, sink: SnapshotSink) {
    this.#parts = parts;
    this.#sink = sink;
    this.#copier = new EntryCopier(parts.keyspace, this);
    this.#reader = new RecordReader(parts.keyspace.accessClock, parts.accessFacts);
    this.#held = new HeldValues(parts.keyspace, this.#copier.records, this.#reader);
  }

  /**
   * Saves all keys of the cut. When the sink throws, the rest of the keys is marked and the error thrown on.
   */
  run({ facts, onSlice }: SnapshotRun): SnapshotResult {
    this.#write((sink) => sink.begin(facts));
    while (!this.#isDone) {
      this.#slice();
      if (this.#isDone) break;
      const verdict = onSlice({ savedCount: this.#savedCount, keyCount: facts.keyCount });
      if (verdict !== 'go-on') this.#sink = undefined;
      if (verdict === 'stop') this.#stop();
    }

    this.#write((sink) => {
      assert.equal(this.#savedCount, facts.keyCount, 'keys saved and keys at the cut');
      sink.end();
    });
    if (this.#error !== undefined) throw this.#error;
    return { keyCount: this.#savedCount, isAborted: this.#sink === undefined };
  }

  #slice(): void {
    const { mutex, keyspace, clock } = this.#parts;
    const contendedCount = mutex.contendedCount;
    mutex.lock();
    const start = clock.monotonicMicros();
    let isWanted = mutex.contendedCount !== contendedCount;
    try {
      keyspace.enter(clock.wallMillis());
      this.#underLock(start + SLICE_MICROS);
      keyspace.leave();
      isWanted ||= mutex.hasWaiters();
    } finally {
      mutex.unlock();
    }
    const end = clock.monotonicMicros();

    this.#write((sink) => this.#writeOut(sink));

    if (!isWanted) return;
    const pause = Math.min(end - start, SLICE_MICROS_COUNTED) * PAUSE_RATIO;
    const left = pause - (clock.monotonicMicros() - end);
    if (left > 0) this.#parts.queue.pause(left);
  }

  // Under the lock ------------------------------------------------------------------------------------------

  #underLock(deadline: number): void {
    const { queue, keyspace, clock } = this.#parts;
    this.#freeChunks();
    this.#copier.records.used = 0;
    if (queue.hasFailed) this.#fail(new Error('there is no memory to keep a key that changed'));

    const shouldStop = (): boolean => clock.monotonicMicros() >= deadline;
    if (this.#sink === undefined && !this.#hasDropped(shouldStop)) return;
    if (!this.#held.isSaving && this.#isHeldNext()) {
      this.#held.take();
      queue.wake();
    }
    if (this.#held.isSaving) {
      this.#held.save(shouldStop);
    } else if (!this.#hasWalkedAll) {
      this.#walk(deadline);
    } else if (queue.isEmpty) {
      queue.end();
      keyspace.endSnapshot();
      this.#isDone = true;
    }
    // Not between the pieces of a value.
    if (!this.#held.isSaving) this.#chunks = queue.takeChunks();
  }

  #freeChunks(): void {
    if (this.#chunks === 0) return;
    this.#parts.queue.free(this.#chunks);
    this.#chunks = 0;
  }

  /** Lets go of what was kept for a snapshot that is not wanted any more; true when nothing is left. */
  #hasDropped(shouldStop: () => boolean): boolean {
    const { queue } = this.#parts;
    if (queue.isActive) queue.end();
    const isEmpty = this.#held.drop(shouldStop);
    queue.wake();
    return isEmpty;
  }

  #walk(deadline: number): void {
    const { keyspace, clock } = this.#parts;
    do {
      const database = keyspace.nextToWalk();
      if (database === undefined) {
        this.#hasWalkedAll = true;
        return;
      }
      if (database.cutIndex !== this.#cutIndex) {
        this.#cutIndex = database.cutIndex;
        this.#copier.begin();
      }
      while (!this.#copier.isDone) {
        if (!this.#copier.step(database) || clock.monotonicMicros() >= deadline) return;
      }
      database.cutIndex = -1;
    } while (clock.monotonicMicros() < deadline);
  }

  /** An entry that is not in the snapshot yet. */
  visit(database: Database, entry: Ref): boolean {
    if (this.#sink !== undefined && !this.#take(entry)) return false;
    database.markSaved(entry);
    return true;
  }

  #take(entry: Ref): boolean {
    const { keyspace } = this.#parts;
    if (!isTooLarge(keyspace, entry)) return this.#copier.copy(entry, this.#cutIndex);
    if (!hold(keyspace, entry, this.#cutIndex))
      this.#fail(new Error('there is no memory to hold a large value'));
    return true;
  }

  #isHeldNext(): boolean {
    return !this.#held.isEmpty && (this.#hasWalkedAll || this.#parts.queue.heldBytes() > HELD_BYTES_URGENT);
  }

  /** Ends at once. Entries that are not marked carry an older epoch than the next snapshot's all the same. */
  #stop(): void {
    const { mutex, keyspace, clock } = this.#parts;
    mutex.lock();
    try {
      keyspace.enter(clock.wallMillis());
      this.#freeChunks();
      this.#hasDropped(() => false);
      keyspace.endSnapshot();
      keyspace.leave();
    } finally {
      mutex.unlock();
    }
    this.#isDone = true;
  }

  // Outside of the lock -------------------------------------------------------------------------------------

  /** Does something with the sink, if there still is one. */
  #write(action: (sink: SnapshotSink) => void): void {
    if (this.#sink === undefined) return;
    try {
      action(this.#sink);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#error ??= error;
    this.#sink = undefined;
  }

  #writeOut(sink: SnapshotSink): void {
    if (!this.#held.isSaving) this.#writeRecords(sink);
    else if (this.#held.write(sink)) this.#savedCount++;

    const { records } = this.#copier;
    for (let chunk = this.#chunks; chunk !== 0;) {
      chunk = this.#parts.queue.readChunk(chunk, records);
      this.#writeRecords(sink);
    }
  }

  #writeRecords(sink: SnapshotSink): void {
    const reader = this.#reader;
    const { records } = this.#copier;
    for (let at = 0; at < records.used; this.#savedCount++) {
      at = reader.read(records, at);
      sink.entry(reader.databaseIndex, reader);
    }
  }
}
