/**
 * Which arguments of a request are keys, told from the key specs of its command
 * (Redis 7.0 db.c, getKeysFromCommandWithSpecs).
 */
import type { Request } from '../protocol/request.ts';
import { equalsIgnoreCase } from '../util/bytes.ts';
import { parseInteger } from '../util/numbers.ts';
import type { Command, KeySpec, KeySpecFlag } from './command.ts';

export interface FoundKey {
  /** The argument; 0 is the command's name. */
  readonly index: number;
  readonly flags: readonly KeySpecFlag[];
}

/**
 * Key specs cannot say that flags depend on other arguments, or that an option of SORT names a key: what
 * Redis has functions for (`getkeys_proc`).
 */
const FINDERS: ReadonlyMap<string, (request: Request) => readonly FoundKey[]> = new Map([
  ['set', keyOfSet],
  ['bitfield', keyOfBitField],
  ['sort', keysOfSort],
  ['sort_ro', keyOfReadOnlySort],
]);

/**
 * Commands whose keys behind a keyword (STORE, STOREDIST) may be missing (Redis 7.0 db.c, georadiusGetKeys).
 */
const OPTIONAL_KEYS: ReadonlySet<string> = new Set(['georadius', 'georadiusbymember']);

/** Whether the command can have keys at all. */
export function hasKeys({ keySpecs = [] }: Command): boolean {
  return keySpecs.some(isOfKeys);
}

/** The keys in the order of the specs; none where the arguments do not fit them. */
export function findKeys(command: Command, request: Request): readonly FoundKey[] {
  const { keySpecs = [] } = command;
  const name = command.originalName ?? command.name;
  const find = FINDERS.get(name);
  if (find !== undefined) return find(request);
  if (keySpecs.some(({ flags }) => flags.includes('variable_flags'))) return [];

  const found: FoundKey[] = [];
  for (const spec of keySpecs.filter(isOfKeys)) {
    const range = rangeOf(spec, request);
    if (range === undefined && OPTIONAL_KEYS.has(name)) continue;
    if (range === undefined) return findCountedKeys(keySpecs, request);
    for (let index = range.first; index <= range.last; index += range.step) {
      found.push({ index, flags: spec.flags });
    }
  }
  return found;
}

/** What `atoi` takes for a number. */
const LEADING_NUMBER = /^[ \t\n\v\f\r]*([+-]?\d+)/;

/**
 * Where the number of keys is none, Redis goes by the digits that it begins with, and does not say what is
 * done to the keys (Redis 7.0 db.c, genericGetKeys). The command then fails, but who asks is told of keys
 * first.
 */
function findCountedKeys(keySpecs: readonly KeySpec[], request: Request): readonly FoundKey[] {
  const counted = keySpecs.find(({ findKeys: find }) => find.type === 'keynum');
  if (counted?.findKeys.type !== 'keynum' || counted.beginSearch.type !== 'index') return [];
  const { keyNumIndex, firstKey } = counted.findKeys;
  const begin = counted.beginSearch.index;
  const digits = LEADING_NUMBER.exec(request.text(begin + keyNumIndex))?.[1];
  const count = digits === undefined ? 0 : Number(digits);
  const first = begin + firstKey;
  if (count < 1 || count > request.count - first) return [];
  const keys = Array.from({ length: count }, (_, i): FoundKey => ({ index: first + i, flags: [] }));
  // Of the commands that count their keys, some name the one to write to before.
  return begin > 1 && keySpecs.length > 1 ? [...keys, { index: 1, flags: [] }] : keys;
}

/** A spec may also describe what is no key but is routed like one (a channel's name). */
function isOfKeys({ flags }: KeySpec): boolean {
  return !flags.includes('not_key');
}

interface ArgumentRange {
  readonly first: number;
  readonly last: number;
  readonly step: number;
}

/** Undefined when the spec leaves keys out or the request has not the arguments that it asks for. */
function rangeOf(spec: KeySpec, request: Request): ArgumentRange | undefined {
  if (spec.flags.includes('incomplete')) return undefined;
  const begin = beginOf(spec.beginSearch, request);
  const range = begin === undefined ? undefined : rangeFrom(begin, spec.findKeys, request);
  if (range === undefined || range.last < range.first || range.last >= request.count) return undefined;
  return range;
}

function beginOf(search: KeySpec['beginSearch'], request: Request): number | undefined {
  switch (search.type) {
    case 'index':
      return search.index;
    case 'keyword':
      return afterKeyword(search.keyword, search.startFrom, request);
    case 'unknown':
      return undefined;
  }
}

/** The argument behind the keyword; a negative `startFrom` searches backwards from the end. */
function afterKeyword(keyword: string, startFrom: number, request: Request): number | undefined {
  const step = startFrom > 0 ? 1 : -1;
  const stop = startFrom > 0 ? request.count - 1 : 1;
  const start = startFrom > 0 ? startFrom : request.count + startFrom;
  for (let i = start; i > 0 && i < request.count && i !== stop; i += step) {
    if (equalsIgnoreCase(request.buffer, request.start(i), request.end(i), keyword)) return i + 1;
  }
  return undefined;
}

function rangeFrom(begin: number, find: KeySpec['findKeys'], request: Request): ArgumentRange | undefined {
  switch (find.type) {
    case 'range':
      return { first: begin, last: lastOfRange(begin, find, request.count), step: find.keyStep };
    case 'keynum': {
      const count = numberAt(begin + find.keyNumIndex, request);
      if (count === undefined) return undefined;
      const first = begin + find.firstKey;
      return { first, last: first + (count - 1) * find.keyStep, step: find.keyStep };
    }
    case 'unknown':
      return undefined;
  }
}

/**
 * A negative last key counts from the end; a limit says that keys take only one part in so many of what is
 * left.
 */
function lastOfRange(
  begin: number,
  { lastKey, limit }: { readonly lastKey: number; readonly limit: number },
  count: number,
): number {
  if (lastKey >= 0) return begin + lastKey;
  return limit === 0 ? count + lastKey : begin + Math.trunc((count - begin) / limit) + lastKey;
}

function numberAt(index: number, request: Request): number | undefined {
  if (index >= request.count) return undefined;
  const number = parseInteger(request.buffer, request.start(index), request.end(index));
  return number >= 0 ? number : undefined;
}

/** SET reads its key only to return the old value (Redis 7.0 db.c, setGetKeys). */
function keyOfSet(request: Request): readonly FoundKey[] {
  for (let i = 3; i < request.count; i++) {
    if (equalsIgnoreCase(request.buffer, request.start(i), request.end(i), 'GET')) {
      return [{ index: 1, flags: ['RW', 'access', 'update'] }];
    }
  }
  return [{ index: 1, flags: ['OW', 'update'] }];
}

/** Arguments that the operations of BITFIELD have, and whether they write. */
const BIT_FIELD_OPERATIONS: readonly (readonly [name: string, argumentCount: number, writes: boolean])[] = [
  ['GET', 2, false],
  ['OVERFLOW', 1, false],
  ['SET', 3, true],
  ['INCRBY', 3, true],
];

/** BITFIELD only reads while it only gets (Redis 7.0 db.c, bitfieldGetKeys); in doubt it writes. */
function keyOfBitField(request: Request): readonly FoundKey[] {
  let isReading = true;
  for (let i = 2; i < request.count && isReading; i++) {
    const operation = BIT_FIELD_OPERATIONS.find(
      ([name, argumentCount]) =>
        equalsIgnoreCase(request.buffer, request.start(i), request.end(i), name) &&
        i + argumentCount < request.count,
    );
    isReading = operation !== undefined && !operation[2];
    i += operation?.[1] ?? 0;
  }
  return [{ index: 1, flags: isReading ? ['RO', 'access'] : ['RW', 'access', 'update'] }];
}

/** Arguments that the options of SORT have. */
const SORT_OPTIONS: readonly (readonly [option: string, argumentCount: number])[] = [
  ['LIMIT', 2],
  ['GET', 1],
  ['BY', 1],
];

/** The key that is sorted and the last one that STORE names (Redis 7.0 db.c, sortGetKeys). */
function keysOfSort(request: Request): readonly FoundKey[] {
  const isWord = (index: number, word: string): boolean =>
    equalsIgnoreCase(request.buffer, request.start(index), request.end(index), word);
  let stored = 0;
  for (let i = 2; i < request.count; i++) {
    const option = SORT_OPTIONS.find(([name]) => isWord(i, name));
    if (option !== undefined) i += option[1];
    else if (isWord(i, 'STORE') && i + 1 < request.count) stored = i + 1;
  }
  const keys = keyOfReadOnlySort();
  return stored === 0 ? keys : [...keys, { index: stored, flags: ['OW', 'update'] }];
}

/** The others, whose names depend on the elements, are not told. */
function keyOfReadOnlySort(): readonly FoundKey[] {
  return [{ index: 1, flags: ['RO', 'access'] }];
}
