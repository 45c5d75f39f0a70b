/**
 * What the threads share about persistence: the one background job, syncs in the background, and the figures
 * that INFO shows. A block in the arena, used under the store's lock except where a word is marked atomic.
 *
 *     serving thread                           persistence thread
 *     publishJob(text), wake      ──────▶      takeJob() … runs, abortion() …
 *     takeOutcome()               ◀──────      finishJob(text), wake
 *     requestSync(fd), wake       ──────▶      takeSync() … fsync … finishSync()
 *     pollSync()                  ◀──────
 */
import type { Allocator } from '../memory/allocator.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import { CONTROL_ROOT_PERSISTENCE } from '../memory/control-block.ts';
import { byteOffset, bytesOf, clearWords, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import { OFFSET_MASK, SEGMENT_SHIFT } from '../memory/arena.ts';
import type { Descriptor } from './disk.ts';
import { DiskError, errorCodeOf, errorNumberOf } from './disk.ts';

// Words.
const JOB_KIND = 0;
const JOB_TEXT = 1;
const OUTCOME_TEXT = 2;
/** Atomic: ABORT_*. */
const JOB_ABORT = 3;
/** Atomic: syncs asked for, and done. */
const SYNC_REQUESTED = 4;
const SYNC_DONE = 5;
const SYNC_DESCRIPTOR = 6;
/** Error number of the last sync that is done, 0 if it succeeded. */
const SYNC_ERROR = 7;
const WORDS = 8;

/** What becomes of the running job: it goes on, it is given up, its thread ends at once. */
export const ABORT_NONE = 0;
export const ABORT_JOB = 1;
export const ABORT_THREAD = 2;

const JOB_KINDS = ['none', 'save', 'rewrite'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/** Doubles behind the words. Times in ms since 1970, durations in seconds with -1 for never. */
const FIGURES = [
  'lastSaveMillis',
  'lastSaveTryMillis',
  'lastSaveSeconds',
  'lastSaveFailed',
  'saves',
  'dirtyAtCut',
  /**
   * Of the last job, and flags of what waits to be started: 0 or 1; a rewrite that is to begin at once: 2.
   */
  'jobId',
  'isSaveScheduled',
  'isRewriteScheduled',
  /** Not before then is a rewrite tried again. */
  'nextRewriteMillis',
  'jobStartMillis',
  'jobKeysDone',
  'jobKeysTotal',
  'lastRewriteSeconds',
  'lastRewriteFailed',
  'rewrites',
  'rewriteFailuresInARow',
  /** Of the load that is under way: when it began, and bytes. */
  'loadStartMillis',
  'loadTotalBytes',
  'loadedBytes',
  'loadUsedMemory',
  'lastLoadKeysLoaded',
  'lastLoadKeysExpired',
  /** Whether the data directory is locked, and for which thread (servers/persistence.ts). */
  'directoryLock',
] as const;
export type PersistenceFigure = (typeof FIGURES)[number];
const FIGURE_PLACES = new Map(FIGURES.map((name, index) => [name, WORDS / 2 + index]));

const BLOCK_BYTES = WORDS * 4 + FIGURES.length * 8;

export class PersistenceState {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #header: Ref;
  /** For atomic access: the block's words are those of its segment from here on. */
  readonly #words: Int32Array;
  readonly #base: number;

  /** The first thread to come creates the block. Under the lock. */
  constructor(allocator: Allocator) {
    const { arena } = allocator;
    this.#allocator = allocator;
    this.#arena = arena;
    const isFirst = arena.control[CONTROL_ROOT_PERSISTENCE] === 0;
    if (isFirst) arena.control[CONTROL_ROOT_PERSISTENCE] = createBlock(allocator);
    this.#header = arena.control[CONTROL_ROOT_PERSISTENCE]!;
    this.#words = arena.words[this.#header >>> SEGMENT_SHIFT]!;
    this.#base = (this.#header & OFFSET_MASK) << 1;
    if (!isFirst) return;
    this.setFigure('lastSaveSeconds', -1);
    this.setFigure('lastRewriteSeconds', -1);
  }

  // The job -------------------------------------------------------------------------------------------------

  /** What is running, waits to be taken, or has an outcome that waits to be taken. */
  get jobKind(): JobKind {
    return JOB_KINDS[getWord(this.#arena, this.#header, JOB_KIND)]!;
  }

  publishJob(kind: JobKind, description: string): void {
    setWord(this.#arena, this.#header, JOB_KIND, JOB_KINDS.indexOf(kind));
    Atomics.store(this.#words, this.#base + JOB_ABORT, ABORT_NONE);
    this.#putText(JOB_TEXT, description);
  }

  /** The job that waits to be run, or undefined. */
  takeJob(): string | undefined {
    return this.#takeText(JOB_TEXT);
  }

  /** Asks for the end of the running job; it ends a little later. No lock needed. */
  abortJob(how: typeof ABORT_JOB | typeof ABORT_THREAD): void {
    Atomics.store(this.#words, this.#base + JOB_ABORT, how);
  }

  /** What was asked of the running job: ABORT_*. No lock needed. */
  get abortion(): number {
    return Atomics.load(this.#words, this.#base + JOB_ABORT);
  }

  /**
   * The job has ended; the outcome is what the thread that keeps the log wants to know of it. Until it knows,
   * no other job may begin: after a rewrite its manifest names files that are gone.
   */
  finishJob(outcome: string): void {
    this.#putText(OUTCOME_TEXT, outcome);
  }

  /** What has become of the job, once it has ended; then another one may begin. */
  takeOutcome(): string | undefined {
    const outcome = this.#takeText(OUTCOME_TEXT);
    if (outcome !== undefined) setWord(this.#arena, this.#header, JOB_KIND, 0);
    return outcome;
  }

  // Syncs; no lock needed -----------------------------------------------------------------------------------

  /** Asks for a file to be synced; once at a time. */
  requestSync(fd: Descriptor): void {
    this.#words[this.#base + SYNC_DESCRIPTOR] = fd;
    Atomics.add(this.#words, this.#base + SYNC_REQUESTED, 1);
  }

  /** How the last one is going. */
  pollSync(): 'running' | 'done' | DiskError {
    const words = this.#words;
    const isDone =
      Atomics.load(words, this.#base + SYNC_DONE) === Atomics.load(words, this.#base + SYNC_REQUESTED);
    if (!isDone) return 'running';
    const errorNumber = words[this.#base + SYNC_ERROR]!;
    if (errorNumber === 0) return 'done';
    return new DiskError(
      'fsync',
      errorCodeOf(errorNumber),
      `descriptor ${words[this.#base + SYNC_DESCRIPTOR]}`,
    );
  }

  /** The descriptor to sync, or undefined when nothing is asked for. */
  takeSync(): Descriptor | undefined {
    const words = this.#words;
    const isDone =
      Atomics.load(words, this.#base + SYNC_DONE) === Atomics.load(words, this.#base + SYNC_REQUESTED);
    return isDone ? undefined : words[this.#base + SYNC_DESCRIPTOR]!;
  }

  finishSync(error: DiskError | undefined): void {
    this.#words[this.#base + SYNC_ERROR] = error === undefined ? 0 : errorNumberOf(error.code);
    Atomics.add(this.#words, this.#base + SYNC_DONE, 1);
  }

  // Figures -------------------------------------------------------------------------------------------------

  figure(name: PersistenceFigure): number {
    return getDouble(this.#arena, this.#header, FIGURE_PLACES.get(name)!);
  }

  setFigure(name: PersistenceFigure, value: number): void {
    setDouble(this.#arena, this.#header, FIGURE_PLACES.get(name)!, value);
  }

  countFigure(name: PersistenceFigure): void {
    this.setFigure(name, this.figure(name) + 1);
  }

  // Texts: length and UTF-8 bytes in a block of their own ---------------------------------------------------

  #putText(word: number, text: string): void {
    this.#takeText(word);
    const bytes = Buffer.from(text, 'utf8');
    const block = this.#allocator.allocate(4 + bytes.length);
    setWord(this.#arena, block, 0, bytes.length);
    bytesOf(this.#arena, block).set(bytes, byteOffset(block) + 4);
    setWord(this.#arena, this.#header, word, block);
  }

  #takeText(word: number): string | undefined {
    const block = getWord(this.#arena, this.#header, word);
    if (block === 0) return undefined;
    setWord(this.#arena, this.#header, word, 0);
    const start = byteOffset(block) + 4;
    const end = start + getWord(this.#arena, block, 0);
    const text = Buffer.from(bytesOf(this.#arena, block).slice(start, end)).toString('utf8');
    this.#allocator.free(block);
    return text;
  }
}

function createBlock(allocator: Allocator): Ref {
  const block = allocator.allocate(BLOCK_BYTES);
  clearWords(allocator.arena, block, BLOCK_BYTES / 4);
  return block;
}
