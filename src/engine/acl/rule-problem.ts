/** What can be wrong with a rule of a user, in Redis' words (Redis 7.0 acl.c, ACLSetUserStringError). */

export type RuleProblem =
  | 'syntax'
  | 'unknown-command'
  | 'key-pattern-after-all'
  | 'channel-pattern-after-all'
  | 'no-such-password'
  | 'bad-hash'
  | 'duplicate-user'
  | 'argument-of-subcommand';

export const RULE_PROBLEM_TEXTS: Record<RuleProblem, string> = {
  syntax: 'Syntax error',
  'unknown-command': 'Unknown command or category name in ACL',
  'key-pattern-after-all':
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any " +
    "effect. Try 'resetkeys' to start with an empty list of patterns",
  'channel-pattern-after-all':
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any " +
    "effect. Try 'resetchannels' to start with an empty list of channels",
  'no-such-password': 'The password you are trying to remove from the user does not exist',
  'bad-hash':
    'The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters',
  'duplicate-user': 'Duplicate user found. A user can only be defined once in config files',
  'argument-of-subcommand': 'Allowing first-arg of a subcommand is not supported',
};
