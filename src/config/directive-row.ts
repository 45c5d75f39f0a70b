/**
 * The shape of one row in the table of directives. Everything that reads or prints configuration is computed
 * from such rows: redis.conf files, the command line, CONFIG GET/SET/REWRITE, `--help` and the documentation.
 *
 * Names, ranges and defaults follow Redis 7.0 config.c, `static_configs`.
 */

/** Limits of C's integer types, where Redis uses them as the upper bound of a directive. */
export const INT_MAX = 2 ** 31 - 1;
export const INT_MIN = -(2 ** 31);
export const UINT_MAX = 2 ** 32 - 1;
export const INT64_MAX = 2n ** 63n - 1n;
export const UINT64_MAX = 2n ** 64n - 1n;

/** The chapter of `redis.conf` that a directive belongs to. */
export type DirectiveGroup =
  | 'server'
  | 'network'
  | 'tls'
  | 'security'
  | 'persistence'
  | 'replication'
  | 'cluster'
  | 'memory'
  | 'clients'
  | 'data types'
  | 'observation'
  | 'process';

interface RowBase {
  readonly group: DirectiveGroup;
  /** One line for `--help` and the documentation. */
  readonly summary: string;
  /** What a plain number means: `seconds`, `milliseconds`, `keys`, … */
  readonly unit?: string;
  /** The older name that Redis lists beside this one. */
  readonly alias?: string;
  /** Settable only before the server starts. */
  readonly immutable?: boolean;
  /** Settable at run time only where `enable-protected-configs` allows it. */
  readonly protected?: boolean;
  /** Never to appear in logs, SLOWLOG or MONITOR. */
  readonly sensitive?: boolean;
  /** Answered by CONFIG GET only to its exact name. */
  readonly hidden?: boolean;
  /** Refused with -LOADING while the data set is being loaded. */
  readonly denyLoading?: boolean;
  /** Names something outside (a certificate): applied again even when set to the same text. */
  readonly volatile?: boolean;
  /** Shown with its summary near the top of `--help`. */
  readonly common?: boolean;
  /**
   * Absent: the server acts on it. `later`: accepted and kept, waiting for the feature it steers.
   * `none`: accepted so that configuration files of Redis load; there is nothing here that it could steer.
   */
  readonly effect?: 'later' | 'none';
  /** What is missing of its effect, when it has a part of it. */
  readonly limitation?: string;
  /** Why any value but the default is refused: pretending to obey would harm the user's data or safety. */
  readonly refusal?: string;
}

export interface BoolRow extends RowBase {
  readonly kind: 'bool';
  readonly default: boolean;
}

export interface NumberRow extends RowBase {
  readonly kind: 'integer' | 'memory' | 'octal';
  readonly default: number;
  readonly min: number | bigint;
  readonly max: number | bigint;
  /** Compared as an unsigned number, so that a negative argument is "too large" (and the message says so). */
  readonly unsigned?: boolean;
  /** Values outside are accepted and moved to the nearest end. */
  readonly clamp?: readonly [low: number, high: number];
}

/** Bytes, or a percentage of `maxmemory`. */
export interface MemoryOrPercentRow extends RowBase {
  readonly kind: 'memory-or-percent';
  readonly default: string;
  readonly maxPercent: number;
}

export interface EnumRow extends RowBase {
  readonly kind: 'enum';
  readonly default: string;
  readonly names: readonly string[];
  /** Names that mean the same as another one, which CONFIG GET then prints. */
  readonly synonyms?: Readonly<Record<string, string>>;
}

/** Any combination of names; the first name stands for "none of them". */
export interface FlagsRow extends RowBase {
  readonly kind: 'flags';
  readonly default: string;
  readonly names: readonly string[];
  readonly exclusive?: { readonly names: readonly string[]; readonly message: string };
}

export type StringCheck = 'host-name' | 'title-template';

export interface StringRow extends RowBase {
  readonly kind: 'string';
  readonly default: string;
  /** The empty string means "not set": CONFIG REWRITE removes the line. */
  readonly emptyIsUnset?: boolean;
  /** May hold any byte; other strings end at a NUL, as in C. */
  readonly binary?: boolean;
  readonly check?: StringCheck;
  /** Must be a name without a path; `of` and `noun` are what the message calls it. */
  readonly baseName?: { readonly of: string; readonly noun: string; readonly mayBeEmpty?: boolean };
}

/** Directives with a grammar of their own; the default is written as CONFIG GET prints it. */
export interface SpecialRow extends RowBase {
  readonly kind:
    | 'directory'
    | 'save-points'
    | 'output-buffer-limits'
    | 'oom-score-values'
    | 'keyspace-events'
    | 'addresses'
    | 'replica-of'
    | 'percentiles';
  readonly default: string;
}

export type DirectiveRow =
  BoolRow | NumberRow | MemoryOrPercentRow | EnumRow | FlagsRow | StringRow | SpecialRow;

export type DirectiveKind = DirectiveRow['kind'];
export type DirectiveTable = Readonly<Record<string, DirectiveRow>>;
