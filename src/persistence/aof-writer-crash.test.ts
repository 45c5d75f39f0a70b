/**
 * A small server's life (append, transactions, rotation, rewrite, close and reopen) on a simulated disk, with
 * a fault at every operation index, and power failures after it. What is recovered must be a prefix of what
 * was run, whole units only, and under `always` nothing acknowledged may be missing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Request } from '../protocol/request.ts';
import { ManualClock } from '../util/clock.ts';
import { seededRandom, type RandomSource } from '../util/random.ts';
import {
  AofPaths,
  EMPTY_MANIFEST,
  createAofDirectory,
  deleteHistory,
  loadManifest,
  nextBase,
  nextIncrement,
  persistManifest,
  withIncrement,
  withRewrite,
  type AofManifest,
} from './aof-manifest.ts';
import { AofReader, truncateFile } from './aof-reader.ts';
import type { BackgroundSync, FsyncPolicy } from './aof-writer-sync.ts';
import { AofWriter } from './aof-writer.ts';
import { attempt, type DiskError, type Descriptor, type Disk } from './disk.ts';
import { PowerFailure, SimulatedDisk, type FaultKind } from './simulated-disk.ts';

const PATHS = new AofPaths('/data', 'appendonlydir', 'appendonly.aof');
const ROUNDS = 14;
const CRASH_SEEDS = 6;

/** Syncs when it is asked for the second time how it is going. */
class LazySync implements BackgroundSync {
  readonly #disk: Disk;
  #fd: Descriptor = -1;
  #asked = false;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  start(fd: Descriptor): void {
    this.#fd = fd;
    this.#asked = false;
  }

  poll(): 'running' | 'done' | DiskError {
    if (!this.#asked) {
      this.#asked = true;
      return 'running';
    }
    return attempt(() => this.#disk.fsync(this.#fd)) ?? 'done';
  }
}

/** What the server did, for comparison with what is recovered. */
interface History {
  /** Commands run. */
  count: number;
  /** Counts at which no unit is open. */
  readonly boundaries: Set<number>;
  /** Commands acknowledged under `always`. */
  acknowledged: number;
}

class Server {
  readonly history: History = { count: 0, boundaries: new Set([0]), acknowledged: 0 };
  readonly #disk: Disk;
  readonly #policy: FsyncPolicy;
  readonly #random: RandomSource;
  readonly #clock = new ManualClock(1_700_000_000_000);
  #writer: AofWriter;
  #manifest: AofManifest = EMPTY_MANIFEST;

  constructor(disk: Disk, policy: FsyncPolicy, seed: number) {
    this.#disk = disk;
    this.#policy = policy;
    this.#random = seededRandom(seed);
    this.#writer = this.#newWriter();
  }

  /** Returns false when it has stopped because of an error, as the real one would. */
  run(): boolean {
    if (!this.#try(() => this.#start())) return false;
    for (let round = 0; round < ROUNDS; round++) {
      if (round === 5 && this.#rotate() === 'stopped') return false;
      if (round === 8 && !this.#try(() => this.#rewrite())) return false;
      if (round === 11) {
        if (this.#writer.close() !== 'written') return false;
        this.#noteAcknowledged();
        if (!this.#try(() => this.#start())) return false;
      }
      this.#runCommands();
      this.#clock.advance(400);
      const outcome = this.#writer.flush();
      if (outcome === 'untrusted' || (outcome === 'write-error' && this.#policy === 'always')) return false;
      if (outcome === 'written' && this.#policy === 'always') this.#noteAcknowledged();
    }
    return this.#writer.close() === 'written';
  }

  #newWriter(): AofWriter {
    const background = new LazySync(this.#disk);
    const writer = new AofWriter({ disk: this.#disk, background, policy: this.#policy, clock: this.#clock });
    writer.timestampEnabled = true;
    return writer;
  }

  #start(): void {
    createAofDirectory(this.#disk, PATHS);
    this.#manifest = loadManifest(this.#disk, PATHS) ?? EMPTY_MANIFEST;
    this.#writer = this.#newWriter();
    const last = this.#manifest.increments.at(-1);
    if (last !== undefined) {
      this.#writer.open(PATHS.of(last));
      return;
    }
    const file = nextIncrement(this.#manifest, PATHS.fileName);
    this.#writer.open(PATHS.of(file));
    this.#publish(withIncrement(this.#manifest, file));
  }

  #publish(manifest: AofManifest): void {
    persistManifest(this.#disk, PATHS, manifest);
    this.#manifest = manifest;
  }

  #runCommands(): void {
    const count = 1 + (this.#random.nextUint32() % 4);
    for (let i = 0; i < count; i++) {
      const database = this.#random.nextUint32() % 2;
      if (this.#random.nextUint32() % 3 > 0) {
        this.#writer.append(database, command(this.history.count++, this.#random));
      } else {
        this.#writer.multi(database);
        this.#writer.append(database, command(this.history.count++, this.#random));
        this.#writer.append(database, command(this.history.count++, this.#random));
        this.#writer.exec();
      }
      this.history.boundaries.add(this.history.count);
    }
  }

  #noteAcknowledged(): void {
    if (this.#policy === 'always') this.history.acknowledged = this.history.count;
  }

  /** A rotation that fails leaves the server going, unless nothing can be trusted. */
  #rotate(): 'rotated' | 'kept' | 'stopped' {
    const file = nextIncrement(this.#manifest, PATHS.fileName);
    const error = this.#writer.rotate(PATHS.of(file), () =>
      this.#publish(withIncrement(this.#manifest, file)),
    );
    if (this.#writer.state === 'untrusted') return 'stopped';
    if (this.#writer.state === 'write-error' && this.#policy === 'always') return 'stopped';
    return error === undefined ? 'rotated' : 'kept';
  }

  /** A base that holds all commands so far takes the place of the files before. */
  #rewrite(): void {
    if (this.#rotate() !== 'rotated') return;
    const kept = this.#manifest.increments.at(-1);
    assert.ok(kept !== undefined);
    const base = nextBase(this.#manifest, PATHS.fileName, 'aof');
    const temporaryPath = `${PATHS.directory}/temp-rewrite.aof`;
    if (this.#disk.exists(temporaryPath)) this.#disk.unlink(temporaryPath);
    const writer = this.#newWriter();
    writer.timestampEnabled = false;
    writer.open(temporaryPath);
    const random = seededRandom(99);
    for (let i = 0; i < this.history.count; i++) writer.append(0, command(i, random));
    if (writer.close() !== 'written') return;
    this.#disk.rename(temporaryPath, PATHS.of(base));
    this.#disk.syncDirectory(PATHS.directory);
    this.#publish(withRewrite(this.#manifest, base, kept));
    this.#manifest = deleteHistory(this.#disk, PATHS, this.#manifest);
  }

  #try(step: () => void): boolean {
    return attempt(step) === undefined && this.#writer.state !== 'untrusted';
  }
}

/** Its number, and bytes that look like anything, over several sectors at times. */
function command(number: number, random: RandomSource): Request {
  const value = Buffer.alloc(random.nextUint32() % 4 === 0 ? random.nextUint32() % 2500 : 20, '*1\r\n\0$');
  return Request.of([Buffer.from('SET'), Buffer.from(String(number)), value]);
}

/** Numbers of the commands that a start finds. Throws if it would have to refuse. */
function recover(disk: SimulatedDisk): number[] {
  const manifest = loadManifest(disk, PATHS);
  if (manifest === undefined) return [];
  const files = [...(manifest.base === undefined ? [] : [manifest.base]), ...manifest.increments];
  const numbers: number[] = [];
  // Where a file was cut, no later one may have a command: a rotation that failed may have left empty ones.
  let cutAt = Number.POSITIVE_INFINITY;
  for (const file of files) {
    const path = PATHS.of(file);
    const reader = new AofReader({ disk, path });
    while (reader.next()) if (reader.request.count === 3) numbers.push(Number(reader.request.text(1)));
    reader.close();
    const { end } = reader;
    assert.ok(end !== undefined && end.kind !== 'corrupt', `${path}: ${JSON.stringify(end)}`);
    assert.ok(numbers.length <= cutAt, `${path}: goes on after a file that was cut`);
    if (end.kind === 'complete') continue;
    cutAt = Math.min(cutAt, numbers.length);
    truncateFile(disk, path, end.offset);
  }
  return numbers;
}

function check(disk: SimulatedDisk, history: History, what: string): void {
  let numbers: number[] = [];
  try {
    numbers = recover(disk);
  } catch (error) {
    assert.fail(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
  assert.ok(
    numbers.every((number, index) => number === index),
    `${what}: no prefix: ${numbers.join(' ')}`,
  );
  assert.ok(history.boundaries.has(numbers.length), `${what}: half a transaction`);
  assert.ok(numbers.length >= history.acknowledged, `${what}: ${numbers.length} of ${history.acknowledged}`);
  // What was cut must stay cut, and be a file that can be gone on with.
  assert.deepEqual(recover(disk), numbers, `${what}: second start`);
}

function runWithFault(policy: FsyncPolicy, fault: FaultKind, permanent: boolean): void {
  for (let index = 1; ; index++) {
    const disk = new SimulatedDisk();
    disk.makeDirectory('/data');
    disk.syncDirectory('/');
    const before = disk.operationCount;
    disk.failOperation(index, fault, permanent);
    const server = new Server(disk, policy, index % 5);
    let isOff = false;
    try {
      server.run();
    } catch (error) {
      if (!(error instanceof PowerFailure)) throw error;
      isOff = true;
    }
    const isPast = disk.operationCount - before < index;
    disk.clearFault();
    const what = `${policy}, ${fault}${permanent ? ' for good' : ''} at operation ${index}`;
    for (let seed = 1; seed <= CRASH_SEEDS; seed++) {
      check(disk.crash(index * 100 + seed), server.history, `${what}, crash ${seed}`);
    }
    if (!isOff) check(disk, server.history, what);
    if (isPast) return;
  }
}

for (const policy of ['always', 'everysec', 'no'] as const) {
  test(`power failure at every operation, ${policy}`, () => runWithFault(policy, 'power', true));
  for (const fault of ['EIO', 'ENOSPC', 'short'] as const) {
    test(`${fault} at every operation, once, ${policy}`, () => runWithFault(policy, fault, false));
    test(`${fault} from every operation on, ${policy}`, () => runWithFault(policy, fault, true));
  }
}
