/**
 * The persistence thread: it syncs the append-only file in the background and writes snapshots, while the
 * serving threads go on. It sleeps until it is woken by its mail word (engine/mailboxes.ts).
 *
 *     for ever: sync if asked ─▶ run the job that waits, syncing between its slices ─▶ sleep
 */
import { parentPort, workerData } from 'node:worker_threads';
import { adoptConfig } from '../engine/config-sharing.ts';
import { MAIL_JOB_DONE } from '../engine/mailboxes.ts';
import { STATE_THREAD_MAIL } from '../engine/shared-state.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Arena } from '../memory/arena.ts';
import { CONTROL_CONFIG_VERSION } from '../memory/control-block.ts';
import { attempt } from '../persistence/disk.ts';
import { nodeDisk } from '../persistence/node-disk.ts';
import { ABORT_JOB, ABORT_NONE, ABORT_THREAD } from '../persistence/persistence-state.ts';
import type { DecideToReplace } from '../persistence/snapshot-file.ts';
import { runSnapshotJob, type JobOutcome, type SnapshotJob } from '../persistence/snapshot-job.ts';
import { SnapshotQueue } from '../persistence/snapshot-queue.ts';
import type { SnapshotSink } from '../persistence/snapshot-sink.ts';
import { SnapshotWalk, type SnapshotResult } from '../persistence/snapshot-walk.ts';
import { systemClock } from '../util/clock.ts';
import { systemRandom } from '../util/random.ts';
import { PERSISTENCE_THREAD, SERVING_THREAD, attachShared } from './shared-parts.ts';
import type { SharedParts, ThreadSettings } from './shared-parts.ts';

/** A long job is heard of this often. */
const PROGRESS_INTERVAL_MILLIS = 2000;

class PersistenceThread {
  readonly #parts: SharedParts;
  readonly #keyspace: Keyspace;
  readonly #queue: SnapshotQueue;
  #configVersion = 0;
  #nextProgress = 0;

  constructor(parts: SharedParts) {
    this.#parts = parts;
    const { allocator, mutex, config } = parts;
    mutex.isTimed = true;
    [this.#keyspace, this.#queue] = mutex.hold(() => {
      const keyspace = new Keyspace(allocator, systemRandom(), config.values.databases);
      return [keyspace, new SnapshotQueue(keyspace)];
    });
  }

  run(): void {
    const { persistenceState: state, allocator } = this.#parts;
    const { control } = allocator.arena;
    const mailWord = STATE_THREAD_MAIL + PERSISTENCE_THREAD;
    for (;;) {
      const seen = Atomics.load(control, mailWord);
      this.#sync();
      if (state.abortion === ABORT_THREAD) return;
      const description = this.#takeJob();
      if (description === undefined) Atomics.wait(control, mailWord, seen);
      else this.#runJob(JSON.parse(description) as SnapshotJob);
    }
  }

  /** Syncs the file that the log has asked for, if it has. */
  #sync(): void {
    const { persistenceState: state } = this.#parts;
    const fd = state.takeSync();
    if (fd !== undefined) state.finishSync(attempt(() => nodeDisk.fsync(fd)));
  }

  #takeJob(): string | undefined {
    const { mutex, persistenceState, allocator, config, log } = this.#parts;
    return mutex.hold(() => {
      this.#keyspace.enter(systemClock.wallMillis());
      if (allocator.arena.control[CONTROL_CONFIG_VERSION] !== this.#configVersion) {
        this.#configVersion = adoptConfig(allocator, config);
        log.level = config.values.loglevel;
        log.file = config.values.logfile;
      }
      return persistenceState.takeJob();
    });
  }

  #runJob(job: SnapshotJob): void {
    const { log, mutex, persistenceState: state, mailboxes, timer } = this.#parts;
    this.#nextProgress = performance.now() + PROGRESS_INTERVAL_MILLIS;
    const walk = (sink: SnapshotSink) => this.#walk(job, sink);
    // Whoever has ended the job, under the lock, may have put a younger file in that place.
    const decide: DecideToReplace = (replace) =>
      mutex.hold(() => {
        if (state.abortion === ABORT_NONE) replace();
      });
    const outcome: JobOutcome = runSnapshotJob(job, { disk: nodeDisk, log, walk, decide, timer });
    mutex.hold(() => {
      this.#keyspace.enter(systemClock.wallMillis());
      state.finishJob(JSON.stringify(outcome));
      mailboxes.post(SERVING_THREAD, { kind: MAIL_JOB_DONE, clientId: 0, value: job.id });
    });
    this.#parts.wake(SERVING_THREAD);
  }

  #walk(job: SnapshotJob, sink: SnapshotSink): SnapshotResult {
    const { persistenceState: state, mutex } = this.#parts;
    const { accessFacts, facts } = job;
    const parts = {
      keyspace: this.#keyspace,
      mutex,
      queue: this.#queue,
      clock: systemClock,
      accessFacts,
    };
    return new SnapshotWalk(parts, sink).run({
      facts,
      onSlice: ({ savedCount }) => {
        this.#sync();
        this.#noteProgress(job, savedCount);
        if (state.abortion === ABORT_NONE) return 'go-on';
        return state.abortion === ABORT_JOB ? 'abort' : 'stop';
      },
    });
  }

  #noteProgress(job: SnapshotJob, savedKeys: number): void {
    const { persistenceState: state, log } = this.#parts;
    state.setFigure('jobKeysDone', savedKeys);
    const now = performance.now();
    if (now < this.#nextProgress) return;
    this.#nextProgress = now + PROGRESS_INTERVAL_MILLIS;
    const percent = Math.floor((savedKeys * 100) / Math.max(1, job.facts.keyCount));
    log.notice(`Job ${job.id}: ${savedKeys} of ${job.facts.keyCount} keys saved, ${percent}%`);
  }
}

const subscription = Arena.subscribe(workerData as string);
parentPort!.once('message', (settings: ThreadSettings) => {
  const parts = attachShared(settings, Arena.attach(settings.arena, subscription));
  new PersistenceThread(parts).run();
  parts.allocator.arena.close();
});
parentPort!.postMessage('listening');
