/**
 * THE table of directives: one row for each, from which the parsing of redis.conf and of the command line,
 * CONFIG GET / SET / REWRITE, `--help` and the types of all values are computed. To add a directive, add a
 * row to the file of its chapter.
 */
import type {
  BoolRow,
  DirectiveRow,
  EnumRow,
  FlagsRow,
  MemoryOrPercentRow,
  NumberRow,
  StringRow,
} from './directive-row.ts';
import { MEMORY_DIRECTIVES } from './directives-memory.ts';
import { PERSISTENCE_DIRECTIVES } from './directives-persistence.ts';
import { REPLICATION_DIRECTIVES } from './directives-replication.ts';
import { SERVER_DIRECTIVES } from './directives-server.ts';

export const DIRECTIVES = {
  ...SERVER_DIRECTIVES,
  ...PERSISTENCE_DIRECTIVES,
  ...MEMORY_DIRECTIVES,
  ...REPLICATION_DIRECTIVES,
} as const;

export type DirectiveName = keyof typeof DIRECTIVES;

export const DIRECTIVE_NAMES = Object.keys(DIRECTIVES) as readonly DirectiveName[];

/** The row of a directive, as the general type that code looping over all rows needs. */
export function directiveRow(name: DirectiveName): DirectiveRow {
  return DIRECTIVES[name];
}

/**
 * Directives of Redis 7.0 whose default is another one here, and why. A test holds all others against
 * Redis.
 */
export const DIFFERENT_DEFAULTS: Partial<Record<DirectiveName, string>> = {
  bind: 'a server that was just started must not be reachable from other machines',
  dir: 'data files go to a directory of their own, ./data, not into the current one',
  save: 'a snapshot after 15 minutes, not an hour, when little has changed',
  dbfilename: 'snapshots are JSON unless told otherwise, so that they can be read and edited',
  appendonly: 'what was acknowledged should survive a crash without anything being configured',
};

/** Directives that Redis does not have. */
export const OWN_DIRECTIVES: readonly DirectiveName[] = [
  'mode',
  'io',
  'threads',
  'max-threads',
  'metrics-port',
  'metrics-bind',
  'metrics-hosts',
];

/**
 * Once steered something in older versions of Redis; still accepted in files with one argument, and
 * ignored.
 */
export const DEPRECATED_DIRECTIVES: ReadonlySet<string> = new Set([
  'list-max-ziplist-entries',
  'list-max-ziplist-value',
  'lua-replicate-commands',
]);

/**
 * Words that are directives only in a file or on the command line (Redis 7.0 config.c,
 * loadServerConfigFromString).
 */
export const FILE_ONLY_DIRECTIVES: ReadonlySet<string> = new Set([
  'include',
  'rename-command',
  'user',
  'loadmodule',
  'sentinel',
]);

/** A name under which a directive is known: its own or its alias. */
export interface ListedName {
  readonly listed: string;
  readonly name: DirectiveName;
}

/** All names in the order of the table, each alias behind the name that it stands for. */
export const LISTED_NAMES: readonly ListedName[] = DIRECTIVE_NAMES.flatMap((name) => {
  const { alias } = directiveRow(name);
  const own = { listed: name, name };
  return alias === undefined ? [own] : [own, { listed: alias, name }];
});

const BY_LISTED_NAME: ReadonlyMap<string, ListedName> = new Map(
  LISTED_NAMES.map((entry) => [entry.listed, entry]),
);

/** Finds a directive by its name or alias in any mixture of ASCII cases. */
export function findDirective(name: string): ListedName | undefined {
  return BY_LISTED_NAME.get(asciiLowerCase(name));
}

/** Lower case for A-Z only, as C does in its default locale. */
export function asciiLowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** One rule of `save`: a snapshot when `changes` keys changed within `seconds`. */
export interface SavePoint {
  readonly seconds: number;
  readonly changes: number;
}

export type ClientClass = 'normal' | 'replica' | 'pubsub';

/**
 * When a client that does not read is cut: at once above `hardBytes`, or after `softSeconds` above
 * `softBytes`.
 */
export interface OutputBufferLimit {
  readonly hardBytes: number;
  readonly softBytes: number;
  readonly softSeconds: number;
}

export type OutputBufferLimits = Readonly<Record<ClientClass, OutputBufferLimit>>;

export interface MasterAddress {
  readonly host: string;
  readonly port: number;
}

export type MemoryOrPercent = { readonly bytes: number } | { readonly percent: number };

/** The types of values that have a grammar of their own. */
export interface SpecialValues {
  readonly directory: string;
  readonly 'save-points': readonly SavePoint[];
  readonly 'output-buffer-limits': OutputBufferLimits;
  readonly 'oom-score-values': readonly number[];
  readonly 'keyspace-events': string;
  readonly addresses: readonly string[];
  readonly 'replica-of': MasterAddress | undefined;
  readonly percentiles: readonly number[];
}

/** The type that a row gives its value. Numbers above 2^53 are rounded; CONFIG GET prints them exactly. */
export type ValueOf<Row extends DirectiveRow> = Row extends BoolRow
  ? boolean
  : Row extends NumberRow
    ? number
    : Row extends MemoryOrPercentRow
      ? MemoryOrPercent
      : Row extends EnumRow
        ? Row['names'][number]
        : Row extends FlagsRow
          ? readonly Row['names'][number][]
          : Row extends StringRow
            ? string
            : Row extends { readonly kind: infer Kind extends keyof SpecialValues }
              ? SpecialValues[Kind]
              : never;

/** All values: `values.port` is a number, `values.appendfsync` one of 'everysec', 'always' and 'no'. */
export type ConfigValues = {
  readonly [Name in DirectiveName]: ValueOf<(typeof DIRECTIVES)[Name]>;
};
