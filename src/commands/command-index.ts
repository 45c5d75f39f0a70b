/** Finds commands by the bytes of their name, without making a string of them. */
import type { Request } from '../protocol/request.ts';
import type { Command } from './command.ts';
import { RuntimeCommand } from './runtime-command.ts';

const SLOTS = 1024;
const LOWER_CASE = 0x20;
const LAST_NAME_BYTES_MAX = 16;

export class CommandIndex {
  /** All commands, subcommands after their container, by id. */
  readonly all: readonly RuntimeCommand[];
  readonly #slots: (RuntimeCommand[] | undefined)[] = new Array<RuntimeCommand[] | undefined>(SLOTS);
  readonly #topLevel: RuntimeCommand[] = [];
  /** The command found last and the bytes it was found by: a pipeline mostly repeats one. */
  #last: RuntimeCommand | undefined;
  readonly #lastName = new Uint8Array(LAST_NAME_BYTES_MAX);
  #lastLength = 0;

  constructor(rows: readonly Command[]) {
    const all: RuntimeCommand[] = [];
    for (const row of rows) {
      const command = new RuntimeCommand(row, all.length);
      all.push(command);
      this.#topLevel.push(command);
      const name = Buffer.from(row.name, 'latin1');
      const slot = slotOf(name, 0, name.length);
      (this.#slots[slot] ??= []).push(command);
      for (const subrow of row.subcommands ?? []) {
        const subcommand = new RuntimeCommand(subrow, all.length, command);
        all.push(subcommand);
        command.subcommands!.set(subrow.name, subcommand);
      }
    }
    this.all = all;
  }

  get topLevel(): readonly RuntimeCommand[] {
    return this.#topLevel;
  }

  /** The command that a request names, its container if it names an unknown subcommand, or undefined. */
  resolve(request: Request): RuntimeCommand | undefined {
    const command = this.findTopLevel(request.buffer, request.start(0), request.end(0));
    if (command === undefined || command.subcommands === undefined || request.count < 2) return command;
    return command.subcommands.get(request.text(1).toLowerCase()) ?? command;
  }

  /** By its name's bytes, any case. */
  findTopLevel(buffer: Uint8Array, start: number, end: number): RuntimeCommand | undefined {
    if (this.#isLast(buffer, start, end)) return this.#last;
    const candidates = this.#slots[slotOf(buffer, start, end)];
    if (candidates === undefined) return undefined;
    for (let i = 0; i < candidates.length; i++) {
      if (!hasName(candidates[i]!.row.name, buffer, start, end)) continue;
      this.#remember(candidates[i]!, buffer, start, end);
      return candidates[i];
    }
    return undefined;
  }

  #isLast(buffer: Uint8Array, start: number, end: number): boolean {
    const length = this.#lastLength;
    if (length !== end - start) return false;
    const name = this.#lastName;
    for (let i = 0; i < length; i++) if (name[i] !== buffer[start + i]) return false;
    return length > 0;
  }

  #remember(command: RuntimeCommand, buffer: Uint8Array, start: number, end: number): void {
    if (end - start > LAST_NAME_BYTES_MAX) return;
    this.#last = command;
    this.#lastLength = end - start;
    for (let i = start; i < end; i++) this.#lastName[i - start] = buffer[i]!;
  }

  /** By full name, `get` or `client|list`, any case. */
  findByFullName(fullName: string): RuntimeCommand | undefined {
    const [name, subname, ...rest] = fullName.toLowerCase().split('|');
    if (rest.length > 0) return undefined;
    const bytes = Buffer.from(name!, 'latin1');
    const command = this.findTopLevel(bytes, 0, bytes.length);
    return subname === undefined ? command : command?.subcommands?.get(subname);
  }
}

function slotOf(name: Uint8Array, start: number, end: number): number {
  let hash = end - start;
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + (name[i]! | LOWER_CASE)) | 0;
  return hash & (SLOTS - 1);
}

function hasName(name: string, buffer: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let i = 0; i < name.length; i++) {
    const byte = buffer[start + i]!;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | LOWER_CASE : byte;
    if (lower !== name.charCodeAt(i)) return false;
  }
  return true;
}
