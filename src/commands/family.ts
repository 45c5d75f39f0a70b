/** What the rows of a family share is said once, above its table. */
import type { Command } from './command.ts';

/** A row as a family's table holds it: group and ACL categories only where they differ from the family's. */
type FamilyRow = Omit<Command, 'group' | 'subcommands'> & {
  readonly group?: Command['group'];
  readonly subcommands?: readonly FamilyRow[];
};

/** Completes the rows, and their subcommands, with the group and ACL categories of their family. */
export function family(
  shared: Required<Pick<Command, 'group' | 'categories'>>,
  rows: readonly FamilyRow[],
): readonly Command[] {
  return rows.map(({ subcommands, ...row }) => ({
    ...shared,
    ...row,
    ...(subcommands && { subcommands: family(shared, subcommands) }),
  }));
}
