/** Users, what they may do, and commands that they then try. */
import type { Argument } from '../support/resp-client.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { maybe, oneOf, rule, several } from './rule.ts';
import type { CommandRule, Part } from './rule.ts';
import { value } from './values.ts';

/** May do everything, and no episode changes it: puts the others back. */
export const ADMIN = 'admin';
export const ADMIN_ARGS: readonly string[] = ['--user', ADMIN, 'on', 'nopass', '+@all', '~*', '&*'];

/** Who clients log in as. */
const USERS: readonly string[] = ['alice', 'bob', 'Bob'];
/** Who nobody is when it is deleted: that would end a connection at a moment that differs. */
const DELETED_USERS: readonly string[] = ['dave', 'erin'];
const PASSWORDS: readonly string[] = ['one', 'two words', ''];

/** What brings users and what belongs to them back to how they are in a new server. */
export const RESTORE_ACCESS: readonly (readonly string[])[] = [
  ['AUTH', ADMIN, 'any'],
  ['CONFIG', 'SET', 'requirepass', '', 'acl-pubsub-default', 'resetchannels', 'acllog-max-len', '128'],
  ['ACL', 'DELUSER', ...USERS, ...DELETED_USERS],
  ['ACL', 'SETUSER', 'default', 'reset', 'on', 'nopass', '+@all', '~*', '&*'],
  ['ACL', 'LOG', 'RESET'],
];

// prettier-ignore
const COMMANDS: readonly string[] = [
  'get', 'SET', 'del', 'append', 'getrange', 'expire', 'ttl', 'keys', 'scan', 'rename', 'copy', 'sort',
  'sort_ro', 'lpush', 'lrange', 'lmove', 'sadd', 'sinterstore', 'smembers', 'hset', 'hgetall', 'hget',
  'zadd', 'zrange', 'zunionstore', 'xadd', 'xread', 'xreadgroup', 'setbit', 'bitfield', 'pfadd',
  'pfcount', 'geoadd', 'georadius', 'publish', 'subscribe', 'multi', 'exec', 'watch', 'select', 'ping',
  'echo', 'auth', 'hello', 'reset', 'config', 'config|get', 'CONFIG|set', 'client', 'client|list',
  'client|kill', 'acl', 'acl|whoami', 'acl|setuser', 'acl|dryrun', 'acl|log', 'object',
  'object|encoding', 'memory|usage', 'debug', 'flushall', 'shutdown', 'info', 'command',
  'command|getkeys', 'eval', 'evalsha', 'script|load', 'function', 'function|stats', 'cluster|info',
  'module', 'replicaof', 'migrate', 'blpop', 'bzpopmin',
];
/** Names that no command has, and forms that no rule has. */
const WRONG_COMMANDS: readonly string[] = [
  'nothing',
  'get|',
  'config|nothing',
  'config|get|x',
  'a|b|c',
  '',
  '|',
];
/** Commands with an argument, which may be allowed alone. */
const FIRST_ARGUMENTS: readonly string[] = [
  'select|0',
  'select|1',
  'SELECT|0',
  'get|k0',
  'debug|sleep',
  'hget|h0',
];
// prettier-ignore
const CATEGORIES: readonly string[] = [
  'keyspace', 'read', 'write', 'set', 'sortedset', 'list', 'hash', 'string', 'bitmap', 'hyperloglog',
  'geo', 'stream', 'pubsub', 'admin', 'fast', 'slow', 'blocking', 'dangerous', 'connection',
  'transaction', 'scripting', 'READ', 'all', 'nothing', '',
];
const KEY_PATTERNS: readonly string[] = [
  'k*',
  'k0',
  '[kls]*',
  's?',
  'h*',
  'z0',
  'x*',
  '*',
  'l*',
  'big*',
  'geo*',
  '',
];
const CHANNELS: readonly string[] = ['news', 'news:a', 'alerts', 'n*', '*'];
const HASH = '7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed';

const pick =
  (pool: readonly string[]): Part =>
  (random) =>
    random.pick(pool);

/** One word made of a prefix and one of the pool. */
const joined =
  (prefixes: readonly string[], pool: readonly string[]): Part =>
  (random) =>
    random.pick(prefixes) + random.pick(pool);

const commandRule = oneOf(
  [joined(['+', '-'], COMMANDS)],
  [joined(['+', '-'], COMMANDS)],
  [joined(['+@', '-@'], CATEGORIES)],
  [joined(['+@', '-@'], CATEGORIES)],
  [joined(['+', '-', '+'], FIRST_ARGUMENTS)],
  [oneOf(['+@all'], ['-@all'], ['allcommands'], ['NOCOMMANDS'])],
);
const keyRule = oneOf(
  [joined(['~', '~', '%R~', '%W~', '%RW~', '%rw~', '%w~'], KEY_PATTERNS)],
  [joined(['~', '%R~', '%W~'], KEY_PATTERNS)],
  [oneOf(['allkeys'], ['resetkeys'], ['~*'], ['%R~*'])],
);
const channelRule = oneOf([joined(['&'], CHANNELS)], [oneOf(['allchannels'], ['resetchannels'], ['&*'])]);
const passwordRule = joined(['>', '<', '>'], PASSWORDS);
const userRule = oneOf(
  ...['on', 'on', 'ON', 'off', 'nopass', 'resetpass', 'clearselectors', 'reset'].map((word) => [word]),
  [oneOf(['sanitize-payload'], ['skip-sanitize-payload'], [''])],
  [oneOf([`#${HASH}`], [`!${HASH}`], [`#${HASH.toUpperCase()}`], ['#abc'], ['!abc'])],
);
const wrongRule = oneOf(
  [joined(['+', '-'], WRONG_COMMANDS)],
  [
    oneOf(
      ['foo'],
      ['%X~k'],
      ['%RR~k'],
      ['%R'],
      ['~a b'],
      ['&a b'],
      ['+@'],
      [')'],
      ['('],
      ['(+get'],
      ['~k*)'],
    ),
  ],
  [oneOf(['a\nb'], ['on\0'], ['~a\0b'], ['+get\0x'], ['\0'])],
);

function selector(random: SeededRandom): string {
  const rules = several(4, oneOf([commandRule], [commandRule], [keyRule], [keyRule], [channelRule]));
  return `(${rules(random).join(' ')})`;
}

const anyRule = oneOf(
  ...[commandRule, commandRule, commandRule, keyRule, keyRule, channelRule].map((part) => [part]),
  ...[passwordRule, userRule, userRule, selector].map((part) => [part]),
);

const user = oneOf(...[pick(USERS), pick(USERS), pick(USERS), pick(DELETED_USERS)].map((part) => [part]), [
  oneOf(['a b'], ['']),
]);
const askedUser = oneOf([user], [user], [user], [oneOf(['nobody'], ['default'])]);
/** Enough to log in and to be able to do something. */
const usefulRules: readonly Part[] = [
  oneOf(['on', 'nopass'], ['on', '>one'], ['on']),
  oneOf(['+@all'], ['+@all', joined(['-@'], CATEGORIES)], [joined(['+@'], CATEGORIES)], []),
  oneOf(['allkeys'], ['resetkeys', joined(['~', '%R~', '%W~'], KEY_PATTERNS)], []),
];

const logIn = oneOf([pick(USERS), pick(PASSWORDS)], [ADMIN, 'x'], [pick(USERS), 'one'], ['default', 'one']);

/** What an episode begins with, so that there are users from the start. */
export function firstUsers(random: SeededRandom): Argument[][] {
  return USERS.map((name) => rule(1, 'ACL', 'SETUSER', name, 'on', 'nopass', ...usefulRules).make(random));
}

/** Rules for the user that new connections are: they may shut everybody out. */
export const LOCKING_RULES: readonly CommandRule[] = [
  rule(2, 'ACL', 'SETUSER', 'default', several(4, anyRule)),
  rule(1, 'CONFIG', 'SET', 'requirepass', pick(PASSWORDS)),
];

/**
 * Rules for other users.
 * @param commandLine any command of the other groups, which users then may run or not
 */
export function accessRules(commandLine: (random: SeededRandom) => Argument[]): readonly CommandRule[] {
  const channelCommand = oneOf(
    [oneOf(['SUBSCRIBE'], ['PSUBSCRIBE'], ['SSUBSCRIBE'], ['PUNSUBSCRIBE']), several(3, pick(CHANNELS))],
    [oneOf(['PUBLISH'], ['SPUBLISH']), pick(CHANNELS), value],
  );
  const anyCommand = oneOf([commandLine], [commandLine], [commandLine], [channelCommand]);
  return [
    rule(8, 'ACL', 'SETUSER', user, ...usefulRules, maybe(0.5, several(4, anyRule))),
    rule(10, 'ACL', 'SETUSER', user, several(5, anyRule)),
    rule(2, 'ACL', 'SETUSER', user, several(3, anyRule), wrongRule),
    rule(1, 'ACL', 'SETUSER', user, '(', several(3, anyRule), oneOf([')'], ['+get)'], [])),
    rule(2, 'ACL', 'DELUSER', several(2, oneOf([pick(DELETED_USERS)], [pick(DELETED_USERS)], ['nobody']))),
    rule(12, 'AUTH', logIn),
    rule(3, 'AUTH', oneOf(['one'], [ADMIN, 'x'], ['nobody', 'x'])),
    rule(2, 'HELLO', oneOf(['2'], ['3']), maybe(0.8, 'AUTH', logIn)),
    rule(2, 'RESET'),
    rule(40, commandLine),
    rule(4, oneOf(['PUBLISH'], ['SPUBLISH']), pick(CHANNELS), value),
    rule(5, oneOf(['MULTI'], ['EXEC'], ['EXEC'], ['EXEC'], ['DISCARD'])),
    rule(16, 'ACL', 'DRYRUN', askedUser, anyCommand),
    rule(5, 'ACL', 'GETUSER', askedUser),
    rule(4, 'ACL', oneOf(['LIST'], ['USERS'], ['WHOAMI'], ['WHOAMI'])),
    rule(4, 'ACL', 'LOG', oneOf([], ['3'], ['0'], ['-1'], ['100'], ['RESET'], ['x'], ['1', '2'])),
    rule(1, 'ACL', 'CAT', oneOf([], [pick(CATEGORIES)], ['read', 'x'])),
    rule(1, 'ACL', 'GENPASS', oneOf([], ['5'], ['4096'], ['4097'], ['0'], ['-1'], ['x'], ['1', '2'])),
    rule(1, 'ACL', oneOf(['HELP'], ['FOO'], ['LOAD'], ['SAVE'], ['GETUSER'], ['LIST', 'x'], ['SETUSER'])),
    rule(2, 'CLIENT', oneOf(['INFO'], ['LIST'], ['KILL', 'USER', 'nobody'])),
    rule(1, 'CONFIG', 'SET', 'acl-pubsub-default', oneOf(['allchannels'], ['resetchannels'], ['x'])),
    rule(1, 'CONFIG', 'SET', 'acllog-max-len', oneOf(['128'], ['3'], ['0'], ['-1'])),
    rule(1, 'SORT', pick(['l0', 'l1']), oneOf(['BY', 'k*'], ['GET', 'k*'], ['BY', 'nosort'], ['GET', '#'])),
  ];
}
