/**
 * What a server has run, as the judge of what it recovers: the state must be that after some whole unit, and
 * not before the floors. No two moments have equal states, and a command that is run twice makes a state that
 * never was.
 */
import assert from 'node:assert/strict';
import { Request } from '../../src/protocol/request.ts';
import type { RandomSource } from '../../src/util/random.ts';

export const HISTORY_DATABASES = 2;
const LONG_VALUES = 3;
const LONG_VALUE_BYTES_MAX = 2500;
const UNIT_COMMANDS_MAX = 3;

export interface HistoryCommand {
  readonly databaseIndex: number;
  readonly words: readonly string[];
}

/** The databases, their keys and values. */
export type Model = readonly Map<string, string>[];

export class CommandHistory {
  /** At least so many commands survive a loss of power, and the end of the process. */
  durableFloor = 0;
  writtenFloor = 0;
  /** What happened to the server, for the report of a failure. */
  readonly trace: string[] = [];
  readonly #commands: HistoryCommand[] = [];
  /** By the count of commands: what the databases hold then, and whether no unit is open. */
  readonly #contents: string[] = [];
  readonly #boundaries = new Set([0]);
  #model: Model = emptyModel();
  #nextId = 1;

  constructor() {
    this.#contents.push(contentOf(this.#model));
  }

  get count(): number {
    return this.#commands.length;
  }

  get content(): string {
    return this.#contents.at(-1)!;
  }

  /** What the databases held after so many commands. */
  modelAt(count: number): Model {
    const model = emptyModel();
    for (const command of this.#commands.slice(0, count)) runOn(model, command);
    return model;
  }

  /** Makes up a command or a transaction and runs it here. */
  runUnit(random: RandomSource): readonly HistoryCommand[] {
    const isTransaction = random.nextUint32() % 3 === 0;
    const size = isTransaction ? 2 + (random.nextUint32() % (UNIT_COMMANDS_MAX - 1)) : 1;
    const unit = Array.from({ length: size }, () => this.#makeUp(random));
    for (const command of unit) this.#run(command);
    this.#boundaries.add(this.count);
    return unit;
  }

  /** The count of commands after which the databases held this. Fails if that was never so. */
  countOf(content: string, what: string): number {
    const count = this.#contents.lastIndexOf(content);
    assert.ok(count >= 0, `${what}: a state that never was: ${shortened(content)}`);
    assert.ok(this.#boundaries.has(count), `${what}: half a transaction`);
    return count;
  }

  /** What came after is lost for good. */
  rewind(count: number): void {
    this.#model = this.modelAt(count);
    this.#commands.length = count;
    this.#contents.length = count + 1;
    for (const boundary of this.#boundaries) if (boundary > count) this.#boundaries.delete(boundary);
  }

  /** APPEND notices what is run twice, SET makes sizes of several sectors. */
  #makeUp(random: RandomSource): HistoryCommand {
    const id = this.#nextId++;
    const databaseIndex = random.nextUint32() % HISTORY_DATABASES;
    if (random.nextUint32() % 3 > 0) return { databaseIndex, words: ['APPEND', 'order', `,${id}`] };
    const length = random.nextUint32() % 4 === 0 ? random.nextUint32() % LONG_VALUE_BYTES_MAX : 20;
    const key = `long${random.nextUint32() % LONG_VALUES}`;
    return { databaseIndex, words: ['SET', key, `${id}:`.padEnd(length, '*1\r\n\0$')] };
  }

  #run(command: HistoryCommand): void {
    runOn(this.#model, command);
    this.#commands.push(command);
    this.#contents.push(contentOf(this.#model));
  }
}

export function requestOf({ words }: HistoryCommand): Request {
  return Request.of(words.map((word) => Buffer.from(word, 'latin1')));
}

function runOn(model: Model, { databaseIndex, words }: HistoryCommand): void {
  const [name = '', key = '', value = ''] = words;
  const database = model[databaseIndex]!;
  database.set(key, name === 'APPEND' ? (database.get(key) ?? '') + value : value);
}

/** Each database as `key=value` lines in order, as `LoadedStore.content` has them. */
function contentOf(model: Model): string {
  return joinedContent(
    model.map((database) => [...database].map(([key, value]) => `${key}=${value}`).sort()),
  );
}

export function joinedContent(databases: readonly (readonly string[])[]): string {
  return databases.map((lines) => lines.join('\u0001')).join('\u0002');
}

function emptyModel(): Model {
  return Array.from({ length: HISTORY_DATABASES }, () => new Map<string, string>());
}

function shortened(content: string): string {
  return content.replaceAll(/(\*1\r\n\0\$?)+/g, '…');
}
