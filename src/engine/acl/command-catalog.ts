/**
 * The commands as rules of users know them: by the names that they have in Redis, whatever `rename-command`
 * calls them, each with a number that is its bit in a selector (Redis 7.0 acl.c, ACLLookupCommand and
 * ACLGetCommandID). All threads make the same catalogue, so the numbers mean the same to all.
 */
import { strict as assert } from 'node:assert';
import { ACL_CATEGORIES } from '../../commands/command.ts';
import type { AclCategory, Command } from '../../commands/command.ts';
import { aclCategories } from '../../commands/describe.ts';
import type { RuntimeCommand } from '../../commands/runtime-command.ts';
import { OTHER_COMMANDS } from './other-commands.ts';
import type { OtherCommand } from './other-commands.ts';
import { COMMAND_BITS } from './selector.ts';

export interface CatalogCommand {
  readonly id: number;
  /** Lower case, `config|get` for a subcommand. */
  readonly fullName: string;
  readonly parent: CatalogCommand | undefined;
  /** Undefined for what is no container. */
  readonly subcommands: readonly CatalogCommand[] | undefined;
  /** Redis 7.0 has it, too. */
  readonly isOfRedis: boolean;
}

/** The last version of Redis whose commands are taken for its own here. */
const REDIS_VERSION = [7, 0] as const;

export class CommandCatalog {
  /** A container stands before its subcommands. */
  readonly all: readonly CatalogCommand[];
  readonly #byName = new Map<string, CatalogCommand>();
  readonly #byCategory = new Map<AclCategory, CatalogCommand[]>(ACL_CATEGORIES.map((name) => [name, []]));

  constructor(rows: readonly Command[], others: readonly OtherCommand[] = OTHER_COMMANDS) {
    const all: CatalogCommand[] = [];
    this.all = all;
    for (const row of rows) this.#add(all, row, undefined);
    for (const other of others) if (!this.#byName.has(other.name)) this.#add(all, other, undefined);
    // The last bit stands for commands that are still to come.
    assert(all.length < COMMAND_BITS, 'selectors have a bit for each command');
  }

  /** By full name, any case. */
  find(name: string): CatalogCommand | undefined {
    return this.#byName.get(name.toLowerCase());
  }

  /** The entry of a command of the server. */
  of(command: RuntimeCommand): CatalogCommand {
    const own = originalName(command.row);
    const name = command.parent === undefined ? own : `${originalName(command.parent.row)}|${own}`;
    const entry = this.#byName.get(name);
    assert(entry !== undefined, `${name} is in the catalogue`);
    return entry;
  }

  /** The commands of a category, any case; undefined when there is no such category. */
  ofCategory(name: string): readonly CatalogCommand[] | undefined {
    const lower = name.toLowerCase();
    const category = ACL_CATEGORIES.find((each) => each === lower);
    return category && this.#byCategory.get(category);
  }

  #add(
    all: CatalogCommand[],
    row: Command | OtherCommand,
    parent: CatalogCommand | undefined,
  ): CatalogCommand {
    const isOwn = 'since' in row;
    const subcommands: CatalogCommand[] | undefined = row.subcommands && [];
    const entry: CatalogCommand = {
      id: all.length,
      fullName: parent === undefined ? row.name : `${parent.fullName}|${row.name}`,
      parent,
      subcommands,
      isOfRedis: !isOwn || isSince(row.since),
    };
    all.push(entry);
    this.#byName.set(entry.fullName, entry);
    for (const category of isOwn ? aclCategories(row) : row.categories)
      this.#byCategory.get(category)!.push(entry);
    for (const subrow of row.subcommands ?? []) subcommands!.push(this.#add(all, subrow, entry));
    return entry;
  }
}

function originalName(row: Command): string {
  return row.originalName ?? row.name;
}

function isSince(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < REDIS_VERSION[0] || (major === REDIS_VERSION[0] && minor <= REDIS_VERSION[1]);
}
