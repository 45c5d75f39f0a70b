/**
 * Lists of rules, as ACL SETUSER, the configuration and the ACL file have them (Redis 7.0 acl.c,
 * ACLMergeSelectorArguments and ACLStringSetUser).
 */
import { printedText } from '../../commands/errors.ts';
import { RULE_PROBLEM_TEXTS } from './rule-problem.ts';
import type { RuleProblem } from './rule-problem.ts';
import { User } from './user.ts';
import type { RuleContext } from './user.ts';

/**
 * The rules, each selector in one piece; or the argument with an opening parenthesis that is never closed.
 */
export function mergeSelectors(args: readonly string[]): readonly string[] | { readonly unmatched: string } {
  const merged: string[] = [];
  let open: string | undefined;
  let selector = '';
  for (const arg of args) {
    if (arg.startsWith('(') && !arg.endsWith(')')) {
      open = arg;
      selector = arg;
    } else if (open === undefined) {
      merged.push(arg);
    } else {
      selector += ` ${printedText(arg)}`;
      if (!arg.endsWith(')')) continue;
      merged.push(selector);
      open = undefined;
    }
  }
  return open === undefined ? merged : { unmatched: open };
}

/** Applies rules; tells the first that is wrong. */
export function applyRules(
  user: User,
  rules: readonly string[],
  context: RuleContext,
): { readonly rule: string; readonly problem: RuleProblem } | undefined {
  for (const rule of rules) {
    const problem = user.apply(rule, context);
    if (problem !== undefined) return { rule, problem };
  }
  return undefined;
}

/**
 * Looks at the arguments of a `user` line in a configuration file before the server starts: all that can be
 * told without the commands. Returns what is wrong.
 * @param earlier names of users that were defined before
 */
export function userLineProblem(args: readonly string[], earlier: readonly string[]): string | undefined {
  const [name = '', ...rules] = args;
  const problemOf = (what: string, problem: RuleProblem): string =>
    `Error in user declaration '${what}': ${RULE_PROBLEM_TEXTS[problem]}`;
  if (earlier.includes(name)) return problemOf(name, 'duplicate-user');
  const merged = mergeSelectors(rules);
  if ('unmatched' in merged)
    return `Unmatched parenthesis in acl selector starting at '${merged.unmatched}'.`;

  const context: RuleContext = { catalog: undefined, allChannels: false };
  const user = new User(name, context);
  for (const rule of merged) {
    const problem = user.apply(rule, context);
    // Commands are known when the server has started.
    if (problem !== undefined && problem !== 'unknown-command') return problemOf(rule, problem);
  }
  return undefined;
}
