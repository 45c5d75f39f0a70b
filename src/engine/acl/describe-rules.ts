/**
 * A selector in words: the rules that make it anew (Redis 7.0 acl.c, ACLDescribeSelectorCommandRules).
 *
 * Only the bits of a selector are known, not the rules that it was made of. So categories are tried, the best
 * first, and then single commands named until a selector made of these rules has the same bits.
 */
import { strict as assert } from 'node:assert';
import { ACL_CATEGORIES } from '../../commands/command.ts';
import type { CommandCatalog } from './command-catalog.ts';
import { Selector } from './selector.ts';

/** `~a* resetchannels &b -@all +get`: a line that makes the selector, without parentheses. */
export function describeSelector(selector: Selector, catalog: CommandCatalog): string {
  const keys = selector.keyRules;
  const channels = selector.channelRules;
  return [
    ...(keys === '' ? [] : [keys]),
    ...(selector.allChannels ? [] : ['resetchannels']),
    ...(channels === '' ? [] : [channels]),
    describeCommands(selector, catalog),
  ].join(' ');
}

/** `-@all +@read -get`. */
export function describeCommands(selector: Selector, catalog: CommandCatalog): string {
  const isAdditive = !selector.allowsFutureCommands;
  const described = new Selector(false);
  described.allowEverything(!isAdditive);
  const rules = [
    isAdditive ? '-@all' : '+@all',
    ...categoryRules(selector, catalog, described),
    ...commandRules(selector, catalog, described),
  ];
  assert(
    catalog.all.every(({ id }) => described.allows(id) === selector.allows(id)),
    `the rules '${rules.join(' ')}' describe the selector`,
  );
  return rules.join(' ');
}

/** The categories that fit, the best first; `described` follows them. */
function categoryRules(selector: Selector, catalog: CommandCatalog, described: Selector): string[] {
  const isAdditive = !selector.allowsFutureCommands;
  const rules: string[] = [];
  // What is left to be described: a category that was taken does not count for another.
  const rest = new Selector(false);
  rest.takeCommandsOf(selector);
  const categories = new Set(ACL_CATEGORIES);
  for (;;) {
    let best: string | undefined;
    let least = Infinity;
    let most = 0;
    for (const category of categories) {
      const { on, off } = countBits(rest, catalog, category);
      const differing = isAdditive ? off : on;
      const same = isAdditive ? on : off;
      if (same <= differing || differing > least || (differing === least && same <= most)) continue;
      best = category;
      least = differing;
      most = same;
    }
    const taken = ACL_CATEGORIES.find((category) => category === best);
    if (taken === undefined) return rules;
    categories.delete(taken);
    for (const command of catalog.ofCategory(taken)!) described.allow(command, isAdditive);
    for (const command of catalog.ofCategory(taken)!) rest.allow(command, !isAdditive);
    rules.push(`${isAdditive ? '+' : '-'}@${taken}`);
  }
}

/** Only Redis' own commands are counted: what this server has besides must not change the choice. */
function countBits(
  selector: Selector,
  catalog: CommandCatalog,
  category: string,
): { readonly on: number; readonly off: number } {
  let on = 0;
  let off = 0;
  for (const { id, isOfRedis } of catalog.ofCategory(category)!) {
    if (!isOfRedis) continue;
    if (selector.allows(id)) on++;
    else off++;
  }
  return { on, off };
}

/** What the categories have left different, command by command; `described` follows. */
function commandRules(selector: Selector, catalog: CommandCatalog, described: Selector): string[] {
  const rules: string[] = [];
  for (const command of catalog.all) {
    const isAllowed = selector.allows(command.id);
    if (isAllowed !== described.allows(command.id)) {
      rules.push(`${isAllowed ? '+' : '-'}${command.fullName}`);
      described.allow(command, isAllowed);
    }
    if (isAllowed) continue;
    for (const argument of selector.firstArgumentsOf(command.id))
      rules.push(`+${command.fullName}|${argument}`);
  }
  return rules;
}
