/**
 * Files that end anywhere or have any bit flipped, through the loader that the server starts with.
 *
 * What may come of it:
 *   - RDB, JSON (they end with a checksum): all of it or a refusal, when cut as when flipped;
 *   - an append-only file with our checksums: the state after some number of units (commands, transactions),
 *     or a refusal. One that is cut short is never refused: that is what a crash leaves;
 *   - one without, as a real Redis writes it: cut, the same. A flipped bit within a word cannot be noticed
 *     by anybody: it gives exactly the state of the commands with that word, or a refusal where these
 *     cannot be run. One in what holds the words together (`*3`, `$5`, CRLF) gives the state after some
 *     number of units or a refusal; once in tens of thousands a wrong length happens to end where another
 *     word does, and then the state is what the file says, read to the letter;
 *   - the base of an append-only file that has increments: all or a refusal. Only when nothing at all is left
 *     of one that holds commands, this is what Redis writes when it has no keys.
 * Never anything else: another state, an error that is no refusal, a descriptor left open, a file that is
 * changed by a refusal, a second start that finds something else than the first. Loops that never end are
 * stopped by whoever started the run.
 */
import assert from 'node:assert/strict';
import { RecoveryError } from '../../src/persistence/recovery-error.ts';
import { SimulatedDisk } from '../../src/persistence/simulated-disk.ts';
import { createSnapshotSink, type SnapshotFormat } from '../../src/persistence/snapshot-format.ts';
import { walkNow } from '../../src/persistence/snapshot-now.ts';
import { snapshotFacts } from '../../src/persistence/snapshot-walk.ts';
import type { LoadedStore } from '../support/loading.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import {
  checksummedFile,
  FRAMING,
  meaningToTheLetter,
  PlainFile,
  randomUnits,
  stateOf,
  statesAfter,
  type Unit,
} from './damaged-commands.ts';

/** `prefix`: the state after some of the units. `changed`: a word that nothing protects is another one. */
export type Outcome = 'refused' | 'whole' | 'prefix' | 'changed';

export type Tally = Record<Outcome, number>;

/** A kind of file, and what may come of damage to it. */
export interface FileKind {
  readonly name: string;
  readonly bytes: Buffer;
  /** Outcome of a file of which only so many bytes are left. Throws AssertionError if it is not allowed. */
  cut(length: number): Outcome;
  /** The same for flipped bits; at least one of them makes a difference. */
  flip(flips: readonly Flip[]): Outcome;
  /** A second flip can hide the first where nothing is checked. */
  readonly flipsMax: number;
}

interface Flip {
  readonly position: number;
  readonly mask: number;
}

const DIRECTORY = '/data';
const AOF = `${DIRECTORY}/appendonlydir/appendonly.aof`;
const MANIFEST = `${AOF}.manifest`;
const INCREMENT = `${AOF}.1.incr.aof`;
const INCREMENT_LINE = 'file appendonly.aof.1.incr.aof seq 1 type i\n';
const BASE = `${AOF}.1.base`;
const UNITS = 16;
const NOW_MILLIS = 1_700_000_000_000;

/** Cuts a file of a kind everywhere. */
export function cutEverywhere(kind: FileKind): Tally {
  const tally = newTally();
  for (let length = 0; length <= kind.bytes.length; length++) {
    tally[named(`${kind.name}, cut to ${length} bytes`, () => kind.cut(length))] += 1;
  }
  return tally;
}

/** Damages a file of a kind so many times, each time from the beginning. */
export function flipBits(kind: FileKind, random: SeededRandom, count: number): Tally {
  const tally = newTally();
  for (let round = 0; round < count; round++) {
    const flips = randomFlips(kind, random);
    const text = flips.map(({ position, mask }) => `${position} ^ ${mask}`).join(', ');
    tally[named(`${kind.name}, flipped: ${text}`, () => kind.flip(flips))] += 1;
  }
  return tally;
}

export function newTally(): Tally {
  return { refused: 0, whole: 0, prefix: 0, changed: 0 };
}

/** Says which damage it was, whatever goes wrong. */
function named(what: string, action: () => Outcome): Outcome {
  try {
    return action();
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function randomFlips({ bytes, flipsMax }: FileKind, random: SeededRandom): Flip[] {
  const flips = new Map<string, Flip>();
  for (let left = random.integer(1, flipsMax); left > 0; left--) {
    const flip = { position: random.integer(0, bytes.length - 1), mask: 1 << random.integer(0, 7) };
    flips.set(`${flip.position} ${flip.mask}`, flip);
  }
  return [...flips.values()];
}

/** All kinds, with data that the random sequence decides. */
export function fileKinds(store: LoadedStore, random: SeededRandom): FileKind[] {
  const units = randomUnits(random, UNITS);
  const more = randomUnits(random, UNITS);
  const aof = { store, units };
  return [
    new ChecksummedAof('AOF, appendfsync always', {
      ...aof,
      bytes: checksummedFile(units, 'each', 'always'),
    }),
    new ChecksummedAof('AOF, appendfsync no', { ...aof, bytes: checksummedFile(units, 'each') }),
    new ChecksummedAof('AOF, written at once', { ...aof, bytes: checksummedFile(units, 'all') }),
    new PlainAof(store, units),
    new Snapshot('RDB', 'rdb', store, units),
    new Snapshot('JSON', 'json', store, units),
    new Base('base of an AOF, RDB', { store, units, more, format: 'rdb' }),
    new Base('base of an AOF, commands', { store, units, more, format: 'aof' }),
  ];
}

/** What is common: planting, loading, and what holds whatever the file. */
abstract class LoadedKind implements FileKind {
  readonly name: string;
  abstract readonly bytes: Buffer;
  readonly flipsMax: number = 2;
  protected readonly store: LoadedStore;

  constructor(name: string, store: LoadedStore) {
    this.name = name;
    this.store = store;
  }

  abstract cut(length: number): Outcome;
  abstract flip(flips: readonly Flip[]): Outcome;
  /** Where the file is, and what stands beside it. */
  protected abstract readonly path: string;
  protected abstract plantOthers(disk: SimulatedDisk): void;

  protected flipped(flips: readonly Flip[]): Buffer {
    const damaged = Buffer.from(this.bytes);
    for (const { position, mask } of flips) damaged[position]! ^= mask;
    return damaged;
  }

  /** The state that is loaded, or undefined when that is refused. */
  protected load(bytes: Uint8Array): string | undefined {
    const disk = new SimulatedDisk();
    disk.plant(this.path, bytes);
    this.plantOthers(disk);
    const state = this.#loadedState(disk);
    if (state === undefined) {
      assert.ok(disk.contents(this.path).equals(bytes), 'refused, and changed');
    } else if (!disk.contents(this.path).equals(bytes)) {
      // What was cut off stays off: the next start finds a whole file.
      assert.ok(this.#loadedState(disk) === state, 'the second start finds something else');
    }
    return state;
  }

  #loadedState(disk: SimulatedDisk): string | undefined {
    try {
      this.store.load(disk, DIRECTORY);
      return stateOf(this.store);
    } catch (error) {
      if (!(error instanceof RecoveryError)) throw error;
      return undefined;
    } finally {
      assert.equal(disk.openCount, 0, 'a file was not closed');
    }
  }
}

/** A file that is there as a whole or not at all. */
abstract class WholeFile extends LoadedKind {
  /** The only state that may be loaded. */
  protected abstract readonly state: string;

  cut(length: number): Outcome {
    return this.judge(this.load(this.bytes.subarray(0, length)));
  }

  flip(flips: readonly Flip[]): Outcome {
    return this.judge(this.load(this.flipped(flips)));
  }

  protected judge(state: string | undefined): Outcome {
    if (state === undefined) return 'refused';
    assert.ok(state === this.state, 'another state');
    return 'whole';
  }
}

class Snapshot extends WholeFile {
  readonly bytes: Buffer;
  protected readonly path: string;
  protected readonly state: string;

  constructor(name: string, format: 'rdb' | 'json', store: LoadedStore, units: readonly Unit[]) {
    super(name, store);
    this.path = `${DIRECTORY}/dump.${format}`;
    this.state = statesAfter(store, units).at(-1)!;
    this.bytes = snapshotOf(store, format);
  }

  protected plantOthers(): void {}
}

interface BaseOptions {
  readonly store: LoadedStore;
  readonly units: readonly Unit[];
  /** In the increment that follows. */
  readonly more: readonly Unit[];
  readonly format: 'rdb' | 'aof';
}

class Base extends WholeFile {
  readonly bytes: Buffer;
  protected readonly path: string;
  protected readonly state: string;
  readonly #increment: Buffer;
  /** What an empty file stands for, if it may be empty. */
  readonly #stateWithout: string | undefined;

  constructor(name: string, { store, units, more, format }: BaseOptions) {
    super(name, store);
    if (format === 'aof') this.#stateWithout = statesAfter(store, more).at(-1)!;
    this.path = `${BASE}.${format}`;
    this.#increment = checksummedFile(more, 'each');
    statesAfter(store, units);
    this.bytes = snapshotOf(store, format);
    this.state = statesAfter(store, [...units, ...more]).at(-1)!;
  }

  override cut(length: number): Outcome {
    if (length > 0 || this.#stateWithout === undefined) return super.cut(length);
    const state = this.load(Buffer.alloc(0));
    assert.ok(state === this.#stateWithout, 'another state');
    return 'prefix';
  }

  protected plantOthers(disk: SimulatedDisk): void {
    const name = this.path.slice(this.path.lastIndexOf('/') + 1);
    disk.plant(MANIFEST, Buffer.from(`file ${name} seq 1 type b\n${INCREMENT_LINE}`));
    disk.plant(INCREMENT, this.#increment);
  }
}

/** The data that is loaded, as the server saves it. */
function snapshotOf(store: LoadedStore, format: SnapshotFormat): Buffer {
  const chunks: Buffer[] = [];
  const sink = createSnapshotSink(format, (chunk) => void chunks.push(Buffer.from(chunk)), {
    isCompressing: true,
    isChecksumming: true,
  });
  const { keyspace } = store;
  const facts = snapshotFacts({ keyspace, unixMillis: NOW_MILLIS, isAofBase: false });
  walkNow(keyspace, sink, { facts, accessFacts: 'none' });
  return Buffer.concat(chunks);
}

/** A file that can be cut off where a unit ends. */
abstract class LogFile extends LoadedKind {
  protected readonly path = INCREMENT;
  protected readonly states: readonly string[];

  constructor(name: string, store: LoadedStore, units: readonly Unit[]) {
    super(name, store);
    this.states = statesAfter(store, units);
  }

  protected plantOthers(disk: SimulatedDisk): void {
    disk.plant(MANIFEST, Buffer.from(INCREMENT_LINE));
  }

  protected outcomeOf(state: string | undefined): Outcome {
    if (state === undefined) return 'refused';
    if (state === this.states.at(-1)) return 'whole';
    assert.ok(this.states.includes(state), 'a state that never was');
    return 'prefix';
  }
}

class ChecksummedAof extends LogFile {
  readonly bytes: Buffer;
  /** The longest cut so far: a longer file has no fewer commands. */
  #reached = 0;

  constructor(
    name: string,
    { store, units, bytes }: { store: LoadedStore; units: readonly Unit[]; bytes: Buffer },
  ) {
    super(name, store, units);
    this.bytes = bytes;
  }

  cut(length: number): Outcome {
    if (length === 0) this.#reached = 0;
    const state = this.load(this.bytes.subarray(0, length));
    assert.ok(state !== undefined, 'refused');
    const found = this.states.indexOf(state, this.#reached);
    assert.ok(found !== -1, 'a state that never was, or less than of a shorter file');
    if (length === this.bytes.length) assert.ok(state === this.states.at(-1), 'not all of it');
    this.#reached = found;
    return this.outcomeOf(state);
  }

  flip(flips: readonly Flip[]): Outcome {
    return this.outcomeOf(this.load(this.flipped(flips)));
  }
}

class PlainAof extends LogFile {
  override readonly flipsMax = 1;
  readonly bytes: Buffer;
  readonly #file: PlainFile;

  constructor(store: LoadedStore, units: readonly Unit[]) {
    super('AOF of a real Redis, no checksums', store, units);
    this.#file = new PlainFile(units);
    this.bytes = this.#file.bytes;
  }

  cut(length: number): Outcome {
    const state = this.load(this.bytes.subarray(0, length));
    const unitCount = this.#file.ends.filter((end) => end <= length).length;
    assert.ok(state === this.states[unitCount], 'not the units that end before');
    return this.outcomeOf(state);
  }

  flip(flips: readonly Flip[]): Outcome {
    const { position, mask } = flips[0]!;
    const expected = this.#file.meaningWith(this.store, position, mask);
    const damaged = this.flipped(flips);
    const state = this.load(damaged);
    if (expected === FRAMING) return this.#judgeFraming(damaged, state);
    assert.ok(state === expected, 'not what the changed word says');
    if (state === undefined) return 'refused';
    return state === this.states.at(-1) ? 'whole' : 'changed';
  }
  #judgeFraming(damaged: Buffer, state: string | undefined): Outcome {
    if (state === undefined || this.states.includes(state)) return this.outcomeOf(state);
    assert.ok(state === meaningToTheLetter(this.store, damaged), 'a state that never was');
    return 'changed';
  }
}
