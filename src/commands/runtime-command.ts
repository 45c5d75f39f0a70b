/**
 * A command's row, prepared for dispatch: flags as bits, subcommands by name, a number for its statistics.
 */
import type { Command, CommandFlag, CommandHandler } from './command.ts';
import { fullName } from './describe.ts';

export const FLAG_WRITE = 1 << 0;
export const FLAG_READONLY = 1 << 1;
export const FLAG_DENY_OOM = 1 << 2;
export const FLAG_ADMIN = 1 << 3;
export const FLAG_NO_AUTH = 1 << 4;
export const FLAG_LOADING = 1 << 5;
export const FLAG_STALE = 1 << 6;
export const FLAG_NO_MULTI = 1 << 7;
export const FLAG_MAY_REPLICATE = 1 << 8;
export const FLAG_BLOCKING = 1 << 9;
export const FLAG_PUBSUB = 1 << 10;
export const FLAG_SKIP_MONITOR = 1 << 11;
export const FLAG_ALLOW_BUSY = 1 << 12;
export const FLAG_SKIP_SLOWLOG = 1 << 13;

const FLAG_BITS: Partial<Record<CommandFlag, number>> = {
  write: FLAG_WRITE,
  readonly: FLAG_READONLY,
  denyoom: FLAG_DENY_OOM,
  admin: FLAG_ADMIN,
  no_auth: FLAG_NO_AUTH,
  loading: FLAG_LOADING,
  stale: FLAG_STALE,
  no_multi: FLAG_NO_MULTI,
  may_replicate: FLAG_MAY_REPLICATE,
  blocking: FLAG_BLOCKING,
  pubsub: FLAG_PUBSUB,
  skip_monitor: FLAG_SKIP_MONITOR,
  allow_busy: FLAG_ALLOW_BUSY,
  skip_slowlog: FLAG_SKIP_SLOWLOG,
};

export class RuntimeCommand {
  readonly row: Command;
  /**
   * Lower case, `client|list` for a subcommand; whatever `rename-command` says, which changes only by what
   * name clients find it.
   */
  readonly fullName: string;
  /** Place in the table of statistics. */
  readonly id: number;
  readonly arity: number;
  readonly flags: number;
  /**
   * O(1) or O(log n): may be timed together with others of its name. One that waits may be run for a client
   * that is somewhere else: it is timed alone.
   */
  readonly isCheap: boolean;
  /** The argument that is the first key, 0 = none or not at a fixed place. */
  readonly firstKey: number;
  readonly run: CommandHandler | undefined;
  /** Goes through the full gate whoever sends it: it needs leave, or a subcommand that may not be there. */
  readonly isAlwaysGated: boolean;
  readonly parent: RuntimeCommand | undefined;
  readonly subcommands: Map<string, RuntimeCommand> | undefined;

  constructor(row: Command, id: number, parent?: RuntimeCommand) {
    this.row = row;
    this.id = id;
    this.parent = parent;
    this.fullName = fullName(row, parent?.fullName);
    this.arity = row.arity;
    this.flags = row.flags.reduce((bits, flag) => bits | (FLAG_BITS[flag] ?? 0), 0);
    this.isCheap = (row.flags.includes('fast') && !row.flags.includes('blocking')) || this.fullName === 'set';
    const search = row.keySpecs?.[0]?.beginSearch;
    this.firstKey = search?.type === 'index' ? search.index : 0;
    this.run = row.run;
    this.subcommands = row.subcommands === undefined ? undefined : new Map();
    this.isAlwaysGated = row.run === undefined || row.isProtected === true || this.subcommands !== undefined;
  }

  /** True when that many arguments, the name included, are right. */
  acceptsCount(count: number): boolean {
    return this.arity >= 0 ? count === this.arity : count >= -this.arity;
  }
}
