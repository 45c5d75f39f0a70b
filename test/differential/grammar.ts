/**
 * How each command's arguments are made: mostly right, so that state builds up; `mutate` then spoils some of
 * them.
 *
 * A group joins by a list of rows here, once its commands exist.
 */
import type { Argument } from '../support/resp-client.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { LOCKING_RULES, accessRules } from './grammar-access.ts';
import { BITMAP_RULES, GEO_RULES, HYPERLOGLOG_RULES } from './grammar-bits-and-places.ts';
import { HASH_RULES, LIST_RULES, SET_RULES, SORTED_SET_RULES, SORT_RULES } from './grammar-collections.ts';
import { STREAM_RULES } from './grammar-streams.ts';
import { maybe, oneOf, rule, several } from './rule.ts';
import type { CommandRule } from './rule.ts';
import {
  absoluteTime,
  anyKey,
  bigKey,
  bigValue,
  databaseIndex,
  float,
  integer,
  key,
  lcsKey,
  oddArgument,
  pattern,
  relativeTime,
  value,
} from './values.ts';

const seconds = (random: SeededRandom) => relativeTime(random, 'seconds');
const milliseconds = (random: SeededRandom) => relativeTime(random, 'milliseconds');
const atSeconds = (random: SeededRandom) => absoluteTime(random, 'seconds');
const atMilliseconds = (random: SeededRandom) => absoluteTime(random, 'milliseconds');

const expiryOption = oneOf(
  ['EX', seconds],
  ['PX', milliseconds],
  ['EXAT', atSeconds],
  ['PXAT', atMilliseconds],
);
const setOption = oneOf(['NX'], ['XX'], ['GET'], ['KEEPTTL'], [expiryOption], [expiryOption]);
const expireCondition = oneOf(
  [],
  [],
  [],
  ['NX'],
  ['XX'],
  ['GT'],
  ['LT'],
  ['NX', 'XX'],
  ['GT', 'LT'],
  ['XX', 'GT'],
  ['YY'],
);

const STRING_RULES: readonly CommandRule[] = [
  rule(10, 'SET', key, value),
  rule(8, 'SET', key, value, several(3, setOption)),
  rule(2, 'SET', bigKey, bigValue),
  rule(1, 'APPEND', bigKey, bigValue),
  rule(1, oneOf(['GET', bigKey], ['STRLEN', bigKey], ['GETRANGE', bigKey, integer, integer])),
  rule(8, 'GET', key),
  rule(3, 'SETNX', key, value),
  rule(2, 'SETEX', key, seconds, value),
  rule(2, 'PSETEX', key, milliseconds, value),
  rule(3, 'GETSET', key, value),
  rule(2, 'GETDEL', key),
  rule(3, 'GETEX', key, oneOf([], ['PERSIST'], [expiryOption], [expiryOption, 'PERSIST'], ['EX'])),
  rule(4, 'MGET', several(4, key)),
  rule(4, 'MSET', several(3, key, value)),
  rule(3, 'MSETNX', several(3, key, value)),
  rule(4, 'APPEND', key, value),
  rule(3, 'STRLEN', key),
  rule(4, oneOf(['INCR'], ['DECR']), key),
  rule(6, oneOf(['INCRBY'], ['DECRBY']), key, integer),
  rule(8, 'INCRBYFLOAT', key, float),
  rule(2, 'SET', 'counter', float),
  rule(2, 'SET', 'counter', integer),
  rule(4, 'SETRANGE', key, (random) => (random.chance(0.7) ? random.integer(0, 60) : integer(random)), value),
  rule(5, oneOf(['GETRANGE'], ['SUBSTR']), key, integer, integer),
  rule(3, 'SET', lcsKey, (random) =>
    Array.from({ length: random.integer(0, 30) }, () => random.pick(['a', 'b', 'c'])).join(''),
  ),
  rule(
    4,
    'LCS',
    lcsKey,
    lcsKey,
    maybe(0.8, several(4, oneOf(['LEN'], ['IDX'], ['WITHMATCHLEN'], ['MINMATCHLEN', integer]))),
  ),
];

const GENERIC_RULES: readonly CommandRule[] = [
  rule(6, oneOf(['DEL'], ['UNLINK'], ['EXISTS'], ['TOUCH']), several(4, key)),
  rule(3, 'TYPE', anyKey),
  rule(2, oneOf(['DEL'], ['UNLINK'], ['TOUCH'], ['EXPIRE', anyKey, '1000', 'XX'], ['PERSIST']), anyKey),
  rule(
    3,
    oneOf(['COPY'], ['RENAME'], ['RENAMENX'], ['MOVE', anyKey, '1', 'x']),
    anyKey,
    anyKey,
    maybe(0.3, 'REPLACE'),
  ),
  rule(2, 'OBJECT', 'ENCODING', anyKey),
  rule(5, 'COPY', key, key, maybe(0.4, several(3, oneOf(['REPLACE'], ['DB', databaseIndex], ['DB'])))),
  rule(4, oneOf(['RENAME'], ['RENAMENX']), key, key),
  rule(3, 'MOVE', key, databaseIndex),
  rule(4, 'KEYS', pattern),
  rule(4, 'OBJECT', oneOf(['ENCODING'], ['REFCOUNT'], ['IDLETIME'], ['FREQ']), key),
  rule(1, 'OBJECT', oneOf(['HELP'], ['FOO', key], ['ENCODING'])),
  rule(
    2,
    'SCAN',
    oneOf(['abc'], ['18446744073709551616'], [' 0'], ['0', 'COUNT', integer], ['0', 'FOO'], ['0', 'TYPE']),
  ),
];

const EXPIRY_RULES: readonly CommandRule[] = [
  rule(4, 'EXPIRE', key, seconds, expireCondition),
  rule(4, 'PEXPIRE', key, milliseconds, expireCondition),
  rule(4, 'EXPIREAT', key, atSeconds, expireCondition),
  rule(4, 'PEXPIREAT', key, atMilliseconds, expireCondition),
  rule(6, oneOf(['TTL'], ['PTTL'], ['EXPIRETIME'], ['PEXPIRETIME']), key),
  rule(3, 'PERSIST', key),
];

const TRANSACTION_RULES: readonly CommandRule[] = [
  rule(5, 'MULTI'),
  rule(5, 'EXEC'),
  rule(2, 'DISCARD'),
  rule(4, 'WATCH', several(3, key)),
  rule(2, 'UNWATCH'),
];

const clientName = oneOf(['worker'], ['a b'], ['line\nend'], [''], ['naïve'], ['x'.repeat(100)]);

const CONNECTION_RULES: readonly CommandRule[] = [
  rule(4, 'PING', maybe(0.4, value)),
  rule(4, 'ECHO', value),
  rule(5, 'SELECT', databaseIndex),
  rule(
    2,
    'HELLO',
    oneOf(
      [],
      ['2'],
      ['3'],
      ['1'],
      ['4'],
      ['abc'],
      ['3', 'SETNAME', clientName],
      ['2', 'FOO'],
      ['3', 'SETNAME'],
    ),
  ),
  rule(1, 'HELLO', '3', oneOf(['AUTH', 'default', 'secret'], ['AUTH', 'nobody', ''], ['AUTH', 'default'])),
  rule(1, 'AUTH', oneOf(['secret'], ['default', 'secret'], ['nobody', 'x'], ['a', 'b', 'c'])),
  rule(1, 'RESET'),
  rule(3, 'CLIENT', oneOf(['GETNAME'], ['SETNAME', clientName], ['ID'], ['INFO'])),
  rule(
    1,
    'CLIENT',
    oneOf(['NO-EVICT', 'ON'], ['NO-EVICT', 'off'], ['NO-EVICT', 'maybe'], ['REPLY', 'ON'], ['REPLY', 'x']),
  ),
  rule(
    1,
    'CLIENT',
    'LIST',
    oneOf([], ['TYPE', 'normal'], ['TYPE', 'pubsub'], ['TYPE', 'x'], ['ID', '0'], ['ID', 'x'], ['ID'], ['x']),
  ),
  rule(1, 'CLIENT', 'UNBLOCK', integer, oneOf([], ['TIMEOUT'], ['ERROR'], ['x'])),
  rule(
    1,
    'CLIENT',
    oneOf(
      ['UNPAUSE'],
      ['HELP'],
      ['FOO'],
      ['PAUSE', '0'],
      ['PAUSE', 'x'],
      ['PAUSE', '0', 'WRITE'],
      ['PAUSE', '-1'],
    ),
  ),
  rule(
    1,
    'CLIENT',
    'KILL',
    oneOf(['1.2.3.4:5'], ['ID', '999999'], ['ID', 'x'], ['TYPE', 'x'], ['USER', 'nobody'], ['ADDR', 'x:1']),
  ),
  rule(
    1,
    'CLIENT',
    'KILL',
    oneOf(['ID', '0'], ['SKIPME', 'maybe'], ['FOO', '1'], ['TYPE', 'pubsub'], ['LADDR', 'x:1', 'ID', '9']),
  ),
];

/**
 * Directives whose values CONFIG GET shows the same on both servers, with values to set: right, wrong and
 * odd.
 */
const CONFIG_VALUES: Readonly<Record<string, readonly string[]>> = {
  'maxmemory-samples': ['5', '10', '0', 'x', '64'],
  'lfu-log-factor': ['10', '0', '-1', '100'],
  'lfu-decay-time': ['1', '0', 'x'],
  'slowlog-max-len': ['128', '0', '-1', '10000'],
  'slowlog-log-slower-than': ['10000', '-1', '-2', '1gb'],
  'lazyfree-lazy-eviction': ['yes', 'no', 'YES', 'maybe', ''],
  'lazyfree-lazy-user-del': ['yes', 'no', '1'],
  'maxmemory-policy': ['noeviction', 'allkeys-lru', 'ALLKEYS-LFU', 'x'],
  'proto-max-bulk-len': ['512mb', '536870912', '1', '1048576b', '-1', 'x'],
  'client-query-buffer-limit': ['1gb', '1', '1048576', 'x'],
  timeout: ['0', '-1', 'x', '2147483648'],
  'tcp-keepalive': ['300', '0', '-1'],
  hz: ['10', '20', '0', '501', 'x'],
  loglevel: ['notice', 'warning', 'x'],
  'maxmemory-clients': ['0', '0%', '101%', 'x'],
  databases: ['16', '4'],
  'latency-monitor-threshold': ['0', '-1', 'x'],
  'active-expire-effort': ['1', '10', '11', 'x'],
};

/** Names of the directives that episodes change; their values are put back between episodes. */
export const CHANGED_DIRECTIVES: readonly string[] = Object.keys(CONFIG_VALUES).filter(
  (name) => name !== 'databases',
);

function directive(random: SeededRandom): string {
  return random.pick(Object.keys(CONFIG_VALUES));
}

function directiveAndValue(random: SeededRandom): string[] {
  const name = directive(random);
  return [name, random.pick(CONFIG_VALUES[name] ?? [])];
}

/**
 * Commands that COMMAND INFO and DOCS are asked about: those that have the same subcommands on both servers.
 */
// prettier-ignore
const KNOWN_COMMANDS = [
  'get', 'SET', 'mset', 'del', 'rename', 'copy', 'expire', 'getex', 'LCS', 'object', 'config',
  'multi', 'exec', 'watch', 'scan', 'keys', 'swapdb', 'hello', 'ping', 'command', 'object|encoding',
  'client|kill', 'config|set', 'quit', 'incrbyfloat', 'setrange', 'substr', 'flushall', 'dbsize', 'debug',
  'memory|usage', 'nothing', 'get|x', '',
];

/** A whole command line for COMMAND GETKEYS, from the groups that have keys. */
function anyCommandLine(random: SeededRandom): Argument[] {
  const groups = [
    ...[STRING_RULES, GENERIC_RULES, EXPIRY_RULES, TRANSACTION_RULES],
    ...[BITMAP_RULES, HYPERLOGLOG_RULES, GEO_RULES, SORT_RULES, STREAM_RULES],
    ...[LIST_RULES, SET_RULES, HASH_RULES, SORTED_SET_RULES],
  ];
  return random.pickWeighted(groups.flat()).make(random);
}

const SERVER_RULES: readonly CommandRule[] = [
  rule(4, 'DBSIZE'),
  rule(1, oneOf(['FLUSHDB'], ['FLUSHALL']), oneOf([], ['ASYNC'], ['SYNC'], ['x'], ['ASYNC', 'SYNC'])),
  rule(3, 'SWAPDB', databaseIndex, databaseIndex),
  rule(4, 'COMMAND', oneOf(['GETKEYS'], ['GETKEYSANDFLAGS']), anyCommandLine),
  rule(
    2,
    'COMMAND',
    'INFO',
    several(3, (random) => random.pick(KNOWN_COMMANDS)),
  ),
  rule(
    2,
    'COMMAND',
    'DOCS',
    several(3, (random) => random.pick(KNOWN_COMMANDS)),
  ),
  rule(1, 'COMMAND', oneOf(['HELP'], ['FOO'], ['GETKEYS'], ['LIST', 'x'], ['LIST', 'FILTERBY', 'x', 'y'])),
  rule(
    1,
    'COMMAND',
    'LIST',
    'FILTERBY',
    oneOf(['PATTERN', 'xyz*'], ['MODULE', 'none'], ['ACLCAT', 'nocategory']),
  ),
  rule(6, 'CONFIG', 'GET', several(3, directive)),
  rule(6, 'CONFIG', 'SET', several(2, directiveAndValue)),
  rule(
    1,
    'CONFIG',
    oneOf(['HELP'], ['FOO'], ['RESETSTAT'], ['GET', 'nothing'], ['SET', 'nothing', '1'], ['SET', 'hz']),
  ),
  rule(1, 'MEMORY', oneOf(['HELP'], ['FOO'], ['DOCTOR'], ['PURGE'])),
  rule(2, 'MEMORY', 'USAGE', key, maybe(0.4, oneOf(['SAMPLES', integer], ['SAMPLES'], ['x', '1']))),
  rule(1, oneOf(['TIME'], ['INFO'], ['INFO', 'server'], ['INFO', 'nothing'], ['LOLWUT', 'VERSION', '1'])),
];

const DEBUG_RULES: readonly CommandRule[] = [
  rule(2, 'DEBUG', oneOf(['SLEEP', '0'], ['SET-ACTIVE-EXPIRE', '0'], ['OBJECT', key], ['FOO'], ['OBJECT'])),
  rule(
    1,
    'DEBUG',
    oneOf(['PROTOCOL', oneOf(['string'], ['integer'], ['double'], ['null'], ['array'], ['set'], ['map'])]),
  ),
  rule(1, 'DEBUG', 'PROTOCOL', oneOf(['verbatim'], ['true'], ['false'], ['bignum'], ['x'])),
];

const UNKNOWN_RULES: readonly CommandRule[] = [
  rule(
    3,
    oneOf(['FOO'], ['get '], ['\0'], ['SETT'], ['x'.repeat(200)], [' ']),
    maybe(0.7, several(4, value)),
  ),
  rule(1, oddArgument),
];

/** Users come and go, and new connections may do everything. */
export const ACCESS_RULES = accessRules(anyCommandLine);

/** The groups that `--groups` names, and how often each comes. */
export const GROUPS: Readonly<
  Record<string, { readonly weight: number; readonly rules: readonly CommandRule[] }>
> = {
  string: { weight: 40, rules: STRING_RULES },
  generic: { weight: 15, rules: GENERIC_RULES },
  expiry: { weight: 15, rules: EXPIRY_RULES },
  list: { weight: 20, rules: LIST_RULES },
  set: { weight: 18, rules: SET_RULES },
  hash: { weight: 18, rules: HASH_RULES },
  'sorted-set': { weight: 30, rules: SORTED_SET_RULES },
  sort: { weight: 5, rules: SORT_RULES },
  stream: { weight: 20, rules: STREAM_RULES },
  bitmap: { weight: 8, rules: BITMAP_RULES },
  hyperloglog: { weight: 4, rules: HYPERLOGLOG_RULES },
  geo: { weight: 8, rules: GEO_RULES },
  transactions: { weight: 8, rules: TRANSACTION_RULES },
  connection: { weight: 8, rules: CONNECTION_RULES },
  server: { weight: 8, rules: SERVER_RULES },
  debug: { weight: 1, rules: DEBUG_RULES },
  unknown: { weight: 1, rules: UNKNOWN_RULES },
  acl: { weight: 20, rules: [...ACCESS_RULES, ...LOCKING_RULES] },
};

/** A user who may do little hides the others from view: `acl` comes only when it is named. */
export const DEFAULT_GROUPS: readonly string[] = Object.keys(GROUPS).filter((name) => name !== 'acl');

/** Spoils a command now and then: case, arity, a wrong argument, two arguments swapped. */
export function mutate(random: SeededRandom, command: readonly Argument[]): Argument[] {
  const words = command.map((word) =>
    typeof word === 'string' && /^[A-Z|-]+$/.test(word) ? recase(random, word) : word,
  );
  if (random.chance(0.88)) return words;
  const place = random.integer(1, words.length);
  const kind = random.integer(0, 3);
  if (kind === 0 && words.length > 1) words.pop();
  if (kind === 1) words.splice(place, 0, oddArgument(random));
  if (kind === 2 && place < words.length) words[place] = oddArgument(random);
  if (kind === 3 && words.length > 2 && !isSetWithLife(words))
    words.push(...words.splice(random.integer(1, words.length - 1), 1));
  return words;
}

/** SETEX and PSETEX with time and value swapped would start a life too short to compare. */
function isSetWithLife(words: readonly Argument[]): boolean {
  return /^P?SETEX$/i.test(String(words[0]));
}

/**
 * Whether the reply can be the same on both servers: not if it lists everything a server has, for ours does
 * not have every command and directive of Redis.
 */
export function isComparable(command: readonly Buffer[]): boolean {
  const [name = '', subcommand = '', ...rest] = command.map((word) => word.toString('latin1').toUpperCase());
  if (name === 'COMMAND' && subcommand === '') return false;
  if (name === 'ACL' && subcommand === 'DRYRUN') return true;
  // An id made from the clock.
  if (name === 'XADD' && rest.includes('*')) return false;
  // A member by chance: then the two sets differ.
  if (name === 'SPOP' && rest.length === 0) return false;
  if (name === 'COMMAND' && rest.length === 0) return !['COUNT', 'LIST', 'DOCS', 'INFO'].includes(subcommand);
  const isListing = `${name} ${subcommand}` === 'CONFIG GET' || `${name} ${subcommand}` === 'COMMAND LIST';
  return !(isListing && rest.some((word) => word.startsWith('*')));
}

function recase(random: SeededRandom, word: string): string {
  const kind = random.integer(0, 5);
  if (kind === 0) return word.toLowerCase();
  if (kind === 1) return word.charAt(0) + word.slice(1).toLowerCase();
  return word;
}
