/**
 * Commands whose files are damaged, the states that they lead to, and the append-only files that hold them.
 * Everything a state says is in it: keys, values, expiry times, of all databases.
 */
import assert from 'node:assert/strict';
import { AofWriter } from '../../src/persistence/aof-writer.ts';
import { SimulatedDisk } from '../../src/persistence/simulated-disk.ts';
import { Request } from '../../src/protocol/request.ts';
import { DATABASES, type LoadedStore } from '../support/loading.ts';
import { logMemory } from '../support/log-memory.ts';
import { encodeCommand } from '../support/resp-client.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

export interface DatabaseCommand {
  readonly databaseIndex: number;
  readonly words: readonly string[];
}

/** A command, or those between a MULTI and its EXEC: what is there as a whole or not at all. */
export type Unit = readonly DatabaseCommand[];

const USED_DATABASES = [0, 3, 11];
const KEYS = 12;
const UNIT_COMMANDS_MAX = 4;
const FAR_AWAY_MILLIS = 1_900_000_000_000;
const NO_BACKGROUND = { start: () => undefined, poll: () => 'done' as const };

/** Each kind of value that a file writes in its own way is among them. */
export function randomUnits(random: SeededRandom, count: number): Unit[] {
  return Array.from({ length: count }, () => {
    const size = random.chance(0.3) ? random.integer(2, UNIT_COMMANDS_MAX) : 1;
    return Array.from({ length: size }, () => ({
      databaseIndex: random.pick(USED_DATABASES),
      words: randomWords(random),
    }));
  });
}

function randomWords(random: SeededRandom): string[] {
  const key = `key:${random.integer(1, KEYS)}`;
  const time = String(FAR_AWAY_MILLIS + random.integer(0, 10 ** 9));
  switch (random.integer(0, 9)) {
    case 0:
      return ['APPEND', key, `,${random.integer(0, 1000)}`];
    case 1:
      return ['INCRBY', `counter:${random.integer(1, 3)}`, String(random.integer(-100, 100_000))];
    case 2:
      return ['DEL', key];
    case 3:
      return ['SET', key, `${random.uint32()}`, 'PXAT', time];
    case 4:
      return ['PEXPIREAT', key, time];
    case 5:
      return ['MSET', key, String(random.integer(0, 99)), `${key}:other`, 'a\r\n*1\r\n$4\r\nEXEC\r\n'];
    case 6:
      return ['SET', key, `${random.integer(0, 9)} compressible `.repeat(random.integer(2, 20))];
    case 7:
      return ['SETRANGE', key, String(random.integer(0, 40)), random.bytes(12).toString('latin1')];
    default:
      return ['SET', key, random.bytes(random.integer(0, 40)).toString('latin1')];
  }
}

/** What the databases hold, as text. */
export function stateOf(store: LoadedStore): string {
  const databases = Array.from({ length: DATABASES }, (_, index) => store.content(index).join('\n'));
  return databases.join('\n\n');
}

/** The states after 0, 1, 2 … units. */
export function statesAfter(store: LoadedStore, units: readonly Unit[]): string[] {
  store.clear();
  const states = [stateOf(store)];
  for (const unit of units) {
    for (const { databaseIndex, words } of unit) run(store, databaseIndex, words);
    states.push(stateOf(store));
  }
  return states;
}

/** Keys do not expire meanwhile, as when a file is loaded. False if there is no such command. */
function run(store: LoadedStore, databaseIndex: number, words: readonly string[]): boolean {
  store.keyspace.ignoresExpiry = true;
  const failure = store.run(databaseIndex, Request.of(words.map((word) => Buffer.from(word, 'latin1'))));
  store.keyspace.ignoresExpiry = false;
  return failure !== 'unknown';
}

/**
 * As our server writes it, with checksums: a group for each unit, or one for all. With `appendfsync always` it
 * also says of each group that it was on disk.
 */
export function checksummedFile(
  units: readonly Unit[],
  grouping: 'each' | 'all',
  policy: 'always' | 'no' = 'no',
): Buffer {
  const disk = new SimulatedDisk();
  const writer = new AofWriter({ ...logMemory(), disk, background: NO_BACKGROUND, policy });
  writer.open('/file');
  for (const unit of units) {
    const isTransaction = unit.length > 1;
    if (isTransaction) writer.multi(unit[0]!.databaseIndex);
    for (const { databaseIndex, words } of unit) {
      writer.append(databaseIndex, Request.of(words.map((word) => Buffer.from(word, 'latin1'))));
    }
    if (isTransaction) writer.exec();
    if (grouping === 'each') assert.equal(writer.flush(), 'written');
  }
  if (grouping === 'all') assert.equal(writer.flush(), 'written');
  return disk.contents('/file');
}

/** One record of a file without checksums. */
interface PlainRecord {
  readonly words: readonly string[];
  /** Where in the file the words begin. */
  readonly starts: readonly number[];
}

/** In the place of a state: the damage is in what holds words and commands together. */
export const FRAMING = Symbol('framing');

/** The file that a real Redis writes: nothing but commands, `SELECT` when the database changes. */
export class PlainFile {
  readonly bytes: Buffer;
  /** Where units end. */
  readonly ends: readonly number[];
  readonly #records: PlainRecord[] = [];
  readonly #pieces: Buffer[] = [];
  #size = 0;
  #databaseIndex = -1;

  constructor(units: readonly Unit[]) {
    this.ends = units.map((unit) => {
      // Redis selects before MULTI, where a database is selected at all.
      this.#select(unit[0]!.databaseIndex);
      if (unit.length > 1) this.#record(['MULTI']);
      for (const { databaseIndex, words } of unit) {
        this.#select(databaseIndex);
        this.#record(words);
      }
      if (unit.length > 1) this.#record(['EXEC']);
      return this.#size;
    });
    this.bytes = Buffer.concat(this.#pieces);
  }

  /**
   * What the file says when this bit is flipped. Within a word nothing can tell: then the state is that of
   * the commands with that word, or undefined if they cannot be loaded, `SELECT 9x` or `SETT`. Within what
   * holds words and commands together it is `FRAMING`: that must be noticed.
   */
  meaningWith(store: LoadedStore, position: number, mask: number): string | undefined | typeof FRAMING {
    const changed = this.#records.findIndex(({ words, starts }) =>
      words.some((word, i) => position >= starts[i]! && position < starts[i]! + word.length),
    );
    if (changed === -1) return FRAMING;
    const { words, starts } = this.#records[changed]!;
    if (isBracketOrSelect(words) && position < starts[0]! + words[0]!.length) return FRAMING;
    const records = this.#records.map((record) => record.words);
    records[changed] = withFlip(this.#records[changed]!, position, mask);
    return stateAfterAll(store, records);
  }

  #select(databaseIndex: number): void {
    if (databaseIndex !== this.#databaseIndex) this.#record(['SELECT', String(databaseIndex)]);
    this.#databaseIndex = databaseIndex;
  }

  #record(words: readonly string[]): void {
    let at = this.#size + `*${words.length}\r\n`.length;
    const starts = words.map((word) => {
      const start = at + `$${word.length}\r\n`.length;
      at = start + word.length + '\r\n'.length;
      return start;
    });
    const bytes = encodeCommand(words.map((word) => Buffer.from(word, 'latin1')));
    assert.equal(at, this.#size + bytes.length);
    this.#records.push({ words, starts });
    this.#pieces.push(bytes);
    this.#size = at;
  }
}

/** What a file says that consists of whole commands; undefined if it does not. */
export function meaningToTheLetter(store: LoadedStore, bytes: Buffer): string | undefined {
  const records = wholeCommands(bytes.toString('latin1'));
  return records === undefined ? undefined : stateAfterAll(store, records);
}

function wholeCommands(text: string): string[][] | undefined {
  const records: string[][] = [];
  let at = 0;
  const countAfter = (tag: string): number | undefined => {
    const end = text.indexOf('\r\n', at);
    const line = text.slice(at, end);
    if (end === -1 || !/^.\d+$/.test(line) || !line.startsWith(tag)) return undefined;
    at = end + 2;
    return Number(line.slice(1));
  };
  while (at < text.length) {
    // An inline command without words: a shortened length may leave it behind a word that ends with one.
    if (text.startsWith('\r\n', at)) {
      at += 2;
      continue;
    }
    const count = countAfter('*');
    if (count === undefined) return undefined;
    const words: string[] = [];
    while (words.length < count) {
      const length = countAfter('$');
      if (length === undefined || !text.startsWith('\r\n', at + length)) return undefined;
      words.push(text.slice(at, at + length));
      at += length + 2;
    }
    records.push(words);
  }
  return records;
}

function isBracketOrSelect([name = '']: readonly string[]): boolean {
  return name === 'SELECT' || name === 'MULTI' || name === 'EXEC';
}

/** Undefined if one of the commands cannot be loaded. */
function stateAfterAll(store: LoadedStore, records: readonly (readonly string[])[]): string | undefined {
  store.clear();
  let databaseIndex = 0;
  for (const words of records) {
    if (words[0] === 'SELECT') {
      databaseIndex = /^(0|[1-9]\d*)$/.test(words[1]!) ? Number(words[1]) : Infinity;
      if (databaseIndex >= DATABASES) return undefined;
    } else if (!isBracketOrSelect(words) && !run(store, databaseIndex, words)) {
      return undefined;
    }
  }
  return stateOf(store);
}

function withFlip({ words, starts }: PlainRecord, position: number, mask: number): string[] {
  return words.map((word, i) => {
    const bytes = Buffer.from(word, 'latin1');
    const at = position - starts[i]!;
    if (at >= 0 && at < bytes.length) bytes[at]! ^= mask;
    return bytes.toString('latin1');
  });
}
