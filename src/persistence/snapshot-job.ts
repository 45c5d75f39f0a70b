/**
 * A background job, as the persistence thread runs it: the snapshot whose cut was made becomes a file, and
 * for a rewrite of the append-only file the manifest that names it. Description and outcome travel between
 * the threads as JSON (persistence-state.ts).
 */
import { NO_TIMER, type EventTimer } from '../util/event-timer.ts';
import type { Log } from '../util/log.ts';
import { AofPaths, deleteHistory, persistManifest, withRewrite, type AofManifest } from './aof-manifest.ts';
import type { RewritePlan } from './append-only-log.ts';
import { DiskError, type Disk } from './disk.ts';
import type { AccessFacts } from './snapshot-entry.ts';
import { createSnapshotSink, type SnapshotFormat } from './snapshot-format.ts';
import { SnapshotFile, type DecideToReplace, type FileTiming } from './snapshot-file.ts';
import type { SnapshotFacts, SnapshotSink } from './snapshot-sink.ts';

/** Where a snapshot goes, and how it is written. */
export interface SnapshotTarget {
  readonly format: SnapshotFormat;
  readonly directory: string;
  readonly temporaryName: string;
  readonly finalName: string;
  readonly isCompressing: boolean;
  readonly isChecksumming: boolean;
  /** Sync each time this much has been written; 0 = at the end only. */
  readonly syncEveryBytes: number;
}

export interface SnapshotJob {
  /** Counts the jobs of a server: it is in the log lines. */
  readonly id: number;
  readonly target: SnapshotTarget;
  readonly facts: SnapshotFacts;
  /** Which access times or counters go into the file: those that the policy of eviction uses. */
  readonly accessFacts: AccessFacts;
  /** For a rewrite: what becomes of the manifest. */
  readonly rewrite: RewriteTask | undefined;
}

export interface RewriteTask {
  readonly dataDirectory: string;
  readonly directoryName: string;
  readonly fileName: string;
  readonly plan: RewritePlan;
  readonly deletesHistory: boolean;
}

export interface JobOutcome {
  readonly kind: 'save' | 'rewrite';
  readonly result: 'done' | 'failed' | 'aborted';
  /** The manifest that is on disk now, after a rewrite. */
  readonly manifest: AofManifest | undefined;
}

/** How the walk over the keyspace is run: the caller knows locks and pace. */
export type WalkKeyspace = (sink: SnapshotSink) => { readonly keyCount: number; readonly isAborted: boolean };

/**
 * Writes a snapshot into a file. Throws DiskError; then the old file is still there.
 * @param decide at the last moment, whether it takes the place of the old one
 */
export function writeSnapshot(
  disk: Disk,
  target: SnapshotTarget,
  walk: WalkKeyspace,
  { decide, timing }: { readonly decide?: DecideToReplace; readonly timing?: FileTiming } = {},
): { readonly keyCount: number; readonly byteCount: number; readonly isAborted: boolean } {
  const { directory, temporaryName, finalName, syncEveryBytes } = target;
  const file = new SnapshotFile(disk, {
    directory,
    temporaryName,
    syncEveryBytes,
    ...(timing !== undefined && { timing }),
  });
  try {
    const sink = createSnapshotSink(target.format, (chunk) => file.write(chunk, 0, chunk.length), {
      isCompressing: target.isCompressing,
      isChecksumming: target.isChecksumming,
    });
    const { keyCount, isAborted } = walk(sink);
    if (isAborted) file.discard();
    const isDone = !isAborted && file.finish(finalName, decide);
    return { keyCount, byteCount: file.byteCount, isAborted: !isDone };
  } catch (error) {
    file.discard();
    throw error;
  }
}

export interface SnapshotJobParts {
  readonly disk: Disk;
  readonly log: Log;
  readonly walk: WalkKeyspace;
  readonly decide?: DecideToReplace;
  readonly timer?: EventTimer;
}

export function runSnapshotJob(job: SnapshotJob, parts: SnapshotJobParts): JobOutcome {
  const { disk, log, walk, decide = (replace) => replace(), timer = NO_TIMER } = parts;
  const kind = job.rewrite === undefined ? 'save' : 'rewrite';
  const what = kind === 'save' ? 'Background saving' : 'Background AOF rewrite';
  const startedAt = performance.now();
  const begun = kind === 'save' ? what : 'Background append only file rewriting';
  log.notice(`${begun} started, job ${job.id}: ${job.facts.keyCount} keys to ${job.target.finalName}`);
  try {
    const event = kind === 'save' ? 'rdb-unlink-temp-file' : 'aof-rename';
    const options = { decide, timing: { timer, event } } as const;
    const { keyCount, byteCount, isAborted } = writeSnapshot(disk, job.target, walk, options);
    if (isAborted) {
      log.warning(`${what} aborted, job ${job.id}`);
      return { kind, result: 'aborted', manifest: undefined };
    }
    const manifest = job.rewrite === undefined ? undefined : switchManifest(disk, job.rewrite, log);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(3);
    log.notice(
      `${what} terminated with success, job ${job.id}: ` +
        `${keyCount} keys, ${byteCount} bytes in ${seconds} seconds`,
    );
    return { kind, result: 'done', manifest };
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    log.warning(`${what} error, job ${job.id}: ${error.message}`);
    return { kind, result: 'failed', manifest: undefined };
  }
}

/** The base is in place: now the manifest names it, and what it replaces goes. */
function switchManifest(disk: Disk, task: RewriteTask, log: Log): AofManifest {
  const paths = new AofPaths(task.dataDirectory, task.directoryName, task.fileName);
  const { manifest, base, firstKept } = task.plan;
  const switched = withRewrite(manifest, base, firstKept);
  persistManifest(disk, paths, switched);
  if (!task.deletesHistory) return switched;
  try {
    return deleteHistory(disk, paths, switched);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    // They are only in the way; the next rewrite tries again.
    log.warning(`Can't delete replaced AOF files: ${error.message}`);
    return switched;
  }
}
