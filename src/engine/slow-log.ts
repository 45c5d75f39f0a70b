/**
 * The slow log: the commands that took longest lately, as SLOWLOG shows them (Redis 7.0 slowlog.c). A list in
 * the arena, youngest first, so that every thread adds to the same one. All under the store's lock.
 *
 *     header   youngest, oldest, count, 0 │ id of the next entry
 *     entry    older, younger, number of arguments, bytes of the address, bytes of the name, 0
 *              │ id, Unix time in s, microseconds │ lengths of the arguments │ arguments, address, name
 */
import type { SlowCommand, SlowLogService } from '../commands/services.ts';
import type { Arena, Ref } from '../memory/arena.ts';
import type { Allocator } from '../memory/allocator.ts';
import { CONTROL_ROOT_SLOW_LOG } from '../memory/control-block.ts';
import { sharedBlock } from '../memory/shared-block.ts';
import { byteOffset, bytesOf, getDouble, getWord, setDouble, setWord } from '../memory/struct.ts';
import { copyBytes } from '../util/bytes.ts';

/** What is kept of a command at most (slowlog.h). */
const ARGUMENTS_MAX = 32;
const ARGUMENT_BYTES_MAX = 128;

// Words of the header, then a double.
const YOUNGEST = 0;
const OLDEST = 1;
const COUNT = 2;
const NEXT_ID = 2;
const HEADER_WORDS = 6;

// Words of an entry, then doubles, then words again.
const OLDER = 0;
const YOUNGER = 1;
const ARGUMENT_COUNT = 2;
const ADDRESS_BYTES = 3;
const NAME_BYTES = 4;
const ID = 3;
const SECONDS = 4;
const MICROS = 5;
const LENGTHS = 12;

export class SlowLog implements SlowLogService {
  readonly #allocator: Allocator;
  readonly #arena: Arena;
  readonly #header: Ref;

  constructor(allocator: Allocator) {
    this.#allocator = allocator;
    this.#arena = allocator.arena;
    this.#header = sharedBlock(allocator, CONTROL_ROOT_SLOW_LOG, HEADER_WORDS);
  }

  get length(): number {
    return getWord(this.#arena, this.#header, COUNT);
  }

  /** Adds a command. While there is no memory for it, it is left out. */
  add(command: Omit<SlowCommand, 'id'>): void {
    const args = abridged(command.args);
    const address = Buffer.from(command.address, 'latin1');
    const name = Buffer.from(command.name, 'latin1');
    const pieces = [...args, address, name];
    const byteCount = pieces.reduce((sum, { length }) => sum + length, 0);
    const entry = this.#allocator.tryAllocate((LENGTHS + args.length) * 4 + byteCount);
    if (entry === 0) return;

    const arena = this.#arena;
    const header = this.#header;
    const id = getDouble(arena, header, NEXT_ID);
    setDouble(arena, header, NEXT_ID, id + 1);
    setWord(arena, entry, ARGUMENT_COUNT, args.length);
    setWord(arena, entry, ADDRESS_BYTES, address.length);
    setWord(arena, entry, NAME_BYTES, name.length);
    setDouble(arena, entry, ID, id);
    setDouble(arena, entry, SECONDS, command.seconds);
    setDouble(arena, entry, MICROS, command.micros);
    for (const [i, { length }] of args.entries()) setWord(arena, entry, LENGTHS + i, length);
    let position = byteOffset(entry) + (LENGTHS + args.length) * 4;
    for (const piece of pieces) {
      copyBytes(bytesOf(arena, entry), position, piece, 0, piece.length);
      position += piece.length;
    }

    const youngest = getWord(arena, header, YOUNGEST);
    setWord(arena, entry, OLDER, youngest);
    setWord(arena, entry, YOUNGER, 0);
    if (youngest === 0) setWord(arena, header, OLDEST, entry);
    else setWord(arena, youngest, YOUNGER, entry);
    setWord(arena, header, YOUNGEST, entry);
    setWord(arena, header, COUNT, this.length + 1);
  }

  /** Forgets the oldest, until there are no more than so many. */
  trim(countMax: number): void {
    while (this.length > countMax) this.#removeOldest();
  }

  reset(): void {
    this.trim(0);
  }

  entries(countMax: number): SlowCommand[] {
    const found: SlowCommand[] = [];
    let entry = getWord(this.#arena, this.#header, YOUNGEST);
    while (entry !== 0 && found.length < countMax) {
      found.push(this.#read(entry));
      entry = getWord(this.#arena, entry, OLDER);
    }
    return found;
  }

  #read(entry: Ref): SlowCommand {
    const arena = this.#arena;
    const count = getWord(arena, entry, ARGUMENT_COUNT);
    let position = byteOffset(entry) + (LENGTHS + count) * 4;
    const take = (length: number): Buffer => {
      position += length;
      return Buffer.from(bytesOf(arena, entry).slice(position - length, position));
    };
    return {
      args: Array.from({ length: count }, (_, i) => take(getWord(arena, entry, LENGTHS + i))),
      address: take(getWord(arena, entry, ADDRESS_BYTES)).toString('latin1'),
      name: take(getWord(arena, entry, NAME_BYTES)).toString('latin1'),
      id: getDouble(arena, entry, ID),
      seconds: getDouble(arena, entry, SECONDS),
      micros: getDouble(arena, entry, MICROS),
    };
  }

  #removeOldest(): void {
    const arena = this.#arena;
    const entry = getWord(arena, this.#header, OLDEST);
    const younger = getWord(arena, entry, YOUNGER);
    setWord(arena, this.#header, OLDEST, younger);
    if (younger === 0) setWord(arena, this.#header, YOUNGEST, 0);
    else setWord(arena, younger, OLDER, 0);
    setWord(arena, this.#header, COUNT, this.length - 1);
    this.#allocator.free(entry);
  }
}

/** The first arguments, cut to length; what is left out is told (slowlog.c, slowlogCreateEntry). */
function abridged(args: readonly Uint8Array[]): Uint8Array[] {
  const hasMore = args.length > ARGUMENTS_MAX;
  const kept = args.slice(0, hasMore ? ARGUMENTS_MAX - 1 : ARGUMENTS_MAX).map(cut);
  if (hasMore) kept.push(Buffer.from(`... (${args.length - ARGUMENTS_MAX + 1} more arguments)`));
  return kept;
}

function cut(arg: Uint8Array): Uint8Array {
  if (arg.length <= ARGUMENT_BYTES_MAX) return arg;
  const rest = Buffer.from(`... (${arg.length - ARGUMENT_BYTES_MAX} more bytes)`);
  return Buffer.concat([arg.subarray(0, ARGUMENT_BYTES_MAX), rest]);
}
