/**
 * The ACL file: a line `user <name> <rules>` for each user, and nothing else (Redis 7.0 acl.c,
 * ACLLoadFromFile and ACLSaveToFile).
 */
import type { CommandCatalog } from './command-catalog.ts';
import { mergeSelectors } from './rule-list.ts';
import { RULE_PROBLEM_TEXTS } from './rule-problem.ts';
import { hasSpaces } from './selector.ts';
import { User } from './user.ts';
import type { RuleContext } from './user.ts';

const NOTHING_CHANGED =
  'WARNING: ACL errors detected, no change to the previously active ACL rules was performed';

/** The users of a file's text, or all that is wrong with it in one line. */
export function parseAclFile(
  text: string,
  fileName: string,
  context: RuleContext,
): ReadonlyMap<string, User> | string {
  const users = new Map<string, User>();
  let errors = '';
  for (const [index, line] of text.replaceAll('\0', '').split('\n').entries()) {
    const place = `${fileName}:${index + 1}`;
    errors += readLine(line.replace(/^[ \t\r]+|[ \t\r]+$/g, ''), place, index + 1, users, context);
  }
  return errors === '' ? users : errors + NOTHING_CHANGED;
}

/** Adds the user of a line, and returns what is wrong with it. */
function readLine(
  line: string,
  place: string,
  number: number,
  users: Map<string, User>,
  context: RuleContext,
): string {
  if (line === '') return '';
  const [keyword, name, ...rules] = line.split(' ');
  if (keyword !== 'user' || name === undefined)
    return `${place} should start with user keyword followed by the username. `;
  if (hasSpaces(name)) return `'${place}: username '${name}' contains invalid characters. `;
  if (users.has(name)) return `WARNING: Duplicate user '${name}' found on line ${number}. `;
  const user = new User(name, context);
  users.set(name, user);
  const merged = mergeSelectors(rules);
  if ('unmatched' in merged) return `${place}: Unmatched parenthesis in selector definition.`;
  return applyLine(user, merged, place, context);
}

function applyLine(user: User, rules: readonly string[], place: string, context: RuleContext): string {
  let errors = '';
  let isSyntaxReported = false;
  for (const rule of rules.map((each) => each.replace(/^[\t\r\n]+|[\t\r\n]+$/g, ''))) {
    const problem = user.apply(rule, context);
    if (problem === undefined) continue;
    const text = RULE_PROBLEM_TEXTS[problem];
    // What is unknown holds no secret and is shown; of the rest the first error tells enough.
    if (problem === 'unknown-command') errors += `${place}: Error in applying operation '${rule}': ${text}. `;
    else if (!isSyntaxReported) errors += `${place}: ${text}. `;
    if (problem !== 'unknown-command') isSyntaxReported = true;
  }
  return errors;
}

/** The text of a file that holds these users. */
export function aclFileText(users: readonly User[], catalog: CommandCatalog): string {
  return users.map((user) => `${userLine(user, catalog)}\n`).join('');
}

/** `user alice on #… ~* resetchannels -@all`, as ACL LIST and the files show a user. */
export function userLine(user: User, catalog: CommandCatalog): string {
  return `user ${user.name} ${user.describe(catalog)}`;
}
