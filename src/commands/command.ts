/**
 * What a command is: one declarative row, from which everything else is computed — dispatch, the gate's
 * checks, COMMAND INFO / DOCS / GETKEYS, ACL categories, and the generated documentation.
 *
 * The field names follow Redis 7.0's `struct redisCommand` and its JSON command files.
 */
import type { Request } from '../protocol/request.ts';
import type { Call } from './call.ts';

/** Every flag, in the order of COMMAND INFO (Redis 7.0 server.c, `addReplyFlagsForCommand`). */
export const COMMAND_FLAGS = [
  'write',
  'readonly',
  'denyoom',
  'module',
  'admin',
  'pubsub',
  'noscript',
  'blocking',
  'loading',
  'stale',
  'skip_monitor',
  'skip_slowlog',
  'asking',
  'fast',
  'no_auth',
  'may_replicate',
  'no_mandatory_keys',
  'no_async_loading',
  'no_multi',
  'movablekeys',
  'allow_busy',
] as const;

export type CommandFlag = (typeof COMMAND_FLAGS)[number];

/** Every ACL category, in the order in which Redis prints them (Redis 7.0 acl.c, `ACLCommandCategories`). */
export const ACL_CATEGORIES = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
] as const;

export type AclCategory = (typeof ACL_CATEGORIES)[number];

export type CommandGroup =
  | 'generic'
  | 'string'
  | 'list'
  | 'set'
  | 'sorted-set'
  | 'hash'
  | 'pubsub'
  | 'transactions'
  | 'connection'
  | 'server'
  | 'scripting'
  | 'hyperloglog'
  | 'cluster'
  | 'sentinel'
  | 'geo'
  | 'stream'
  | 'bitmap'
  | 'module';

/**
 * How a key is used: exactly one of the first four says what happens to the key, the next four what happens
 * to the value, the rest how far the spec can be relied upon.
 */
export type KeySpecFlag =
  | 'RO'
  | 'RW'
  | 'OW'
  | 'RM'
  | 'access'
  | 'update'
  | 'insert'
  | 'delete'
  | 'not_key'
  | 'incomplete'
  | 'variable_flags';

/** A key specification (Redis "key-specs"): where the keys are and how they are used. */
export interface KeySpec {
  readonly flags: readonly KeySpecFlag[];
  readonly notes?: string;
  readonly beginSearch:
    | { readonly type: 'index'; readonly index: number }
    | { readonly type: 'keyword'; readonly keyword: string; readonly startFrom: number }
    | { readonly type: 'unknown' };
  readonly findKeys:
    | { readonly type: 'range'; readonly lastKey: number; readonly keyStep: number; readonly limit: number }
    | {
        readonly type: 'keynum';
        readonly keyNumIndex: number;
        readonly firstKey: number;
        readonly keyStep: number;
      }
    | { readonly type: 'unknown' };
}

export type ArgumentFlag = 'optional' | 'multiple' | 'multiple_token';

/** One argument as COMMAND DOCS describes it. */
export interface Argument {
  readonly name: string;
  readonly type:
    'string' | 'integer' | 'double' | 'key' | 'pattern' | 'unix-time' | 'pure-token' | 'oneof' | 'block';
  readonly keySpecIndex?: number;
  readonly token?: string;
  readonly summary?: string;
  readonly since?: string;
  readonly deprecatedSince?: string;
  readonly flags?: readonly ArgumentFlag[];
  readonly arguments?: readonly Argument[];
}

/** One row of a family's table. */
export interface Command {
  /** Lower case; a subcommand's row has the subcommand's own name (`list`, not `client|list`). */
  readonly name: string;
  /** What Redis calls it, and rules of users: `rename-command` may have given it another name. */
  readonly originalName?: string;
  /** Exact argument count including the name, or `-n` for at least n. */
  readonly arity: number;
  /** `movablekeys` is not among them: it follows from the key specs. */
  readonly flags: readonly Exclude<CommandFlag, 'movablekeys'>[];
  /** ACL categories beyond those implied by the flags, without `@` (`string`, `keyspace`, …). */
  readonly categories?: readonly AclCategory[];
  readonly group: CommandGroup;
  readonly since: string;
  readonly summary: string;
  readonly complexity?: string;
  readonly docFlags?: readonly ('deprecated' | 'syscmd')[];
  /** Arguments that SLOWLOG and MONITOR do not show: they are passwords. */
  readonly secrets?: (request: Request) => readonly number[];
  /** Needs leave by `enable-debug-command` (server.h, CMD_PROTECTED; COMMAND INFO does not tell). */
  readonly isProtected?: true;
  readonly deprecatedSince?: string;
  readonly replacedBy?: string;
  readonly history?: readonly (readonly [version: string, change: string])[];
  readonly tips?: readonly string[];
  readonly keySpecs?: readonly KeySpec[];
  readonly arguments?: readonly Argument[];
  readonly subcommands?: readonly Command[];
  /** Absent only for a container whose every use names a subcommand. */
  readonly run?: CommandHandler;
}

/** Runs under the store's lock: parse → check → change → reply. Throws an `ErrorReply` for an error. */
export type CommandHandler = (call: Call) => void;
