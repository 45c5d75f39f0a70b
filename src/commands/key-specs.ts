/** Words for the `keySpecs` of a row: where a command's keys stand, and what it does to them. */
import type { KeySpec, KeySpecFlag } from './command.ts';

/** The one key at argument `index` (the command's name is argument 0). */
export function oneKey(index: number, ...flags: readonly KeySpecFlag[]): KeySpec {
  return keyRange({ index, lastKey: 0, keyStep: 1 }, flags);
}

/** The two keys at arguments `index` and `index + 1`, used alike. */
export function keyPair(index: number, ...flags: readonly KeySpecFlag[]): KeySpec {
  return keyRange({ index, lastKey: 1, keyStep: 1 }, flags);
}

/** Every argument from `index` to the end. */
export function keysFrom(index: number, ...flags: readonly KeySpecFlag[]): KeySpec {
  return keyRange({ index, lastKey: -1, keyStep: 1 }, flags);
}

/** Every other argument from `index` to the end: `key value key value …`. */
export function keysOfPairsFrom(index: number, ...flags: readonly KeySpecFlag[]): KeySpec {
  return keyRange({ index, lastKey: -1, keyStep: 2 }, flags);
}

/** The same spec with a remark for the reader of COMMAND INFO. */
export function withNotes(notes: string, spec: KeySpec): KeySpec {
  return { ...spec, notes };
}

interface KeyRange {
  readonly index: number;
  /** Relative to `index`; negative counts from the end of the arguments. */
  readonly lastKey: number;
  readonly keyStep: number;
}

function keyRange({ index, lastKey, keyStep }: KeyRange, flags: readonly KeySpecFlag[]): KeySpec {
  return {
    flags,
    beginSearch: { type: 'index', index },
    findKeys: { type: 'range', lastKey, keyStep, limit: 0 },
  };
}
