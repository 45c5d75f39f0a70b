/** Makes episodes: short random programs for two clients of one server. */
import { toBytes, type Argument } from '../support/resp-client.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { ADMIN, firstUsers } from './grammar-access.ts';
import { GROUPS, isComparable, mutate } from './grammar.ts';
import { AUDITED_KEYS, key, pattern, value } from './values.ts';

/** Which of the two connections sends. */
export type ClientIndex = 0 | 1;

export interface CommandStep {
  readonly kind: 'command';
  readonly client: ClientIndex;
  readonly command: readonly Buffer[];
  /** The bytes to send instead of an array of bulk strings. */
  readonly inline?: Buffer;
  /** Whose connections the server closes afterwards: nothing is sent behind it in the same write. */
  readonly closes?: readonly ClientIndex[];
}

/** A whole SCAN iteration: its keys, as a set, are the reply. */
export interface ScanStep {
  readonly kind: 'scan';
  readonly client: ClientIndex;
  readonly command: readonly Buffer[];
}

/** Lets a key's short life end. */
export interface SleepStep {
  readonly kind: 'sleep';
  readonly millis: number;
}

export type Step = CommandStep | ScanStep | SleepStep;

/** Steps that make sense only together: shrinking keeps or drops them as one. */
export type Unit = readonly Step[];

export interface EpisodeOptions {
  readonly unitCount: number;
  /** Groups of the grammar to choose from. */
  readonly groups: readonly string[];
  /** Names of commands that are left out, in upper case. */
  readonly excluded: ReadonlySet<string>;
  /** Its keys begin so, and it does nothing that others on the same server could notice. */
  readonly ownPrefix?: string;
}

/**
 * Longest inline command that is sent: Redis refuses more than 64 KB, and the long values would hide the
 * point.
 */
const INLINE_BYTES_MAX = 4_000;

/** Long enough for a life of a millisecond to be over, even by a coarse clock. */
const SHORT_LIFE_SLEEP_MILLIS = 5;

/** Episodes in which collections leave their compact forms early. */
const SMALL_LIMITS_CHANCE = 0.6;

/** Limits of the compact forms, so low that a few elements pass them. */
const SMALL_LIMITS: Readonly<Record<string, readonly string[]>> = {
  'hash-max-listpack-entries': ['0', '2', '8'],
  'hash-max-listpack-value': ['4', '64'],
  'list-max-listpack-size': ['1', '3', '-1'],
  'set-max-intset-entries': ['0', '3', '20'],
  'zset-max-listpack-entries': ['0', '3', '10'],
  'zset-max-listpack-value': ['4', '64'],
  'stream-node-max-entries': ['1', '3', '0'],
  'stream-node-max-bytes': ['40', '200', '4096'],
  'hll-sparse-max-bytes': ['30', '200', '3000'],
};

/** The directives that episodes begin with, beside those that commands change. */
export const LIMIT_DIRECTIVES: readonly string[] = Object.keys(SMALL_LIMITS);

function smallLimits(random: SeededRandom): CommandStep {
  const words = Object.entries(SMALL_LIMITS).flatMap(([name, values]) => [name, random.pick(values)]);
  return command(0, 'CONFIG', 'SET', ...words);
}

/** A random program, and a reading of everything it may have left behind. */
export function generateEpisode(random: SeededRandom, options: EpisodeOptions): Unit[] {
  const units: Unit[] = [];
  /** Which clients have a transaction open: where time matters, nothing may be queued. */
  const queueing: [boolean, boolean] = [false, false];
  const groups = options.groups.map((name) => {
    const group = GROUPS[name];
    if (group === undefined)
      throw new Error(`no such group: ${name} (there are: ${Object.keys(GROUPS).join(', ')})`);
    return group;
  });

  if (options.ownPrefix === undefined && random.chance(SMALL_LIMITS_CHANCE))
    units.push([smallLimits(random)]);
  const hasUsers = options.groups.includes('acl');
  if (hasUsers) units.push(...firstUsers(random).map((words) => [command(0, ...words)]));
  while (units.length < options.unitCount) {
    const client: ClientIndex = random.chance(0.8) ? 0 : 1;
    const { ownPrefix } = options;
    const made = generateUnit(random, { client, groups, isQueueing: queueing[client], ownPrefix });
    const unit = ownPrefix === undefined ? made : made.map((step) => withOwnKeys(step, ownPrefix));
    if (unit.some((step) => isLeftOut(step, options.excluded))) continue;
    units.push(unit);
    for (const step of unit)
      if (step.kind === 'command') queueing[client] = isQueueingAfter(step, queueing[client]);
  }
  if (hasUsers) return [...units, ...shortAudit()];
  return [...units, ...audit(options.ownPrefix)];
}

/** Groups of commands whose replies depend on nothing but their own keys, and what there is to leave out. */
export const OWN_KEY_GROUPS: readonly string[] = [
  ...['string', 'generic', 'expiry', 'transactions', 'list', 'set', 'hash', 'sorted-set', 'stream'],
  ...['bitmap', 'hyperloglog', 'geo'],
];
export const OWN_KEY_EXCLUDED: readonly string[] = ['KEYS', 'SCAN'];

/** The keys that an episode with such a prefix uses. */
export function ownKeys(prefix: string): Buffer[] {
  return AUDITED_KEYS.map((name) => Buffer.concat([Buffer.from(prefix), name]));
}

/** Every word that is the name of a key gets the prefix, a value that looks like one too. */
function withOwnKeys(step: Step, prefix: string): Step {
  if (step.kind !== 'command') return step;
  const { inline: _, ...rest } = step;
  const words = step.command.map((word) =>
    AUDITED_KEYS.some((name) => name.equals(word)) ? Buffer.concat([Buffer.from(prefix), word]) : word,
  );
  return { ...rest, command: words };
}

interface UnitContext {
  readonly client: ClientIndex;
  readonly groups: readonly {
    readonly weight: number;
    readonly rules: readonly { weight: number; make: Make }[];
  }[];
  readonly isQueueing: boolean;
  readonly ownPrefix: string | undefined;
}

type Make = (random: SeededRandom) => Argument[];

function generateUnit(random: SeededRandom, context: UnitContext): Unit {
  const { client, groups, isQueueing, ownPrefix } = context;
  const isAlone = ownPrefix === undefined;
  const kind = random.integer(0, 999);
  if (kind < 10 && isAlone) return [scanStep(random, client)];
  if (kind < 15 && !isQueueing) return shortLife(random, client);
  // Who may not kill would be waited for.
  if (kind < 18 && !isQueueing && isAlone && !groups.includes(GROUPS['acl']!))
    return [closingStep(random, client)];

  const rule = random.pickWeighted(random.pickWeighted(groups).rules);
  const made = rule.make(random);
  // A spoilt command may use any word as a key.
  const command = (isAlone ? mutate(random, made) : made).map(toBytes);
  const inline = random.chance(0.05) ? encodeInline(random, command) : undefined;
  return [{ kind: 'command', client, command, ...(inline && { inline }) }];
}

function command(client: ClientIndex, ...words: Argument[]): CommandStep {
  return { kind: 'command', client, command: words.map(toBytes) };
}

function scanStep(random: SeededRandom, client: ClientIndex): ScanStep {
  const words: Argument[] = ['SCAN', '0'];
  if (random.chance(0.5)) words.push('MATCH', pattern(random));
  if (random.chance(0.5)) words.push('COUNT', random.integer(1, 30));
  if (random.chance(0.3)) words.push('TYPE', random.pick(['string', 'STRING', 'list', 'nothing']));
  return { kind: 'scan', client, command: words.map(toBytes) };
}

/** A key that lives for a millisecond and must be gone for every command afterwards. */
function shortLife(random: SeededRandom, client: ClientIndex): Unit {
  const name = key(random);
  const content = value(random);
  const expire = random.pick([
    command(client, 'PEXPIRE', name, 1),
    command(client, 'SET', name, content, 'PX', 1),
    command(client, 'PSETEX', name, 1, content),
    command(client, 'GETEX', name, 'PX', 1),
  ]);
  const look = random.pick([
    command(client, 'GET', name),
    command(client, 'EXISTS', name),
    command(client, 'APPEND', name, content),
    command(client, 'PERSIST', name),
    command(client, 'SET', name, content, 'XX'),
    command(client, 'RENAMENX', 'k0', name),
  ]);
  // EXISTS last: only an access is sure to delete the key, and DBSIZE counts what is dead but not deleted.
  return [expire, { kind: 'sleep', millis: SHORT_LIFE_SLEEP_MILLIS }, look, command(client, 'EXISTS', name)];
}

/** Commands after which a connection is gone: the sender's, the other client's, or both. */
function closingStep(random: SeededRandom, client: ClientIndex): CommandStep {
  const other: ClientIndex = client === 0 ? 1 : 0;
  return random.pick([
    { ...command(client, 'QUIT'), closes: [client] },
    { ...command(client, 'CLIENT', 'KILL', 'TYPE', 'normal'), closes: [other] },
    { ...command(client, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no'), closes: [0, 1] },
  ]);
}

function isLeftOut(step: Step, excluded: ReadonlySet<string>): boolean {
  if (step.kind === 'sleep') return false;
  if (!isComparable(step.command)) return true;
  const [name = '', subcommand = ''] = step.command.map((word) => word.toString('latin1').toUpperCase());
  return excluded.has(name) || excluded.has(`${name}|${subcommand}`);
}

/** A guess from the name and arity alone; a transaction that fails to open is harmless here. */
function isQueueingAfter(step: CommandStep, before: boolean): boolean {
  const name = step.command[0]?.toString('latin1').toUpperCase() ?? '';
  if (name === 'MULTI' && step.command.length === 1) return true;
  return ['EXEC', 'DISCARD', 'RESET'].includes(name) && step.command.length === 1 ? false : before;
}

/** Reads what the episode can have left in the databases it uses, so that a silent difference shows. */
function audit(ownPrefix: string | undefined): Unit[] {
  const units: Unit[] = [[command(0, 'RESET')]];
  const keys = ownPrefix === undefined ? AUDITED_KEYS : ownKeys(ownPrefix);
  for (const database of [0, 1, 2]) {
    units.push([command(0, 'SELECT', database)]);
    if (ownPrefix === undefined) units.push([command(0, 'DBSIZE')], [command(0, 'KEYS', '*')]);
    units.push(
      [command(0, 'MGET', ...keys)],
      ...keys.map((name) => [command(0, 'PEXPIRETIME', name)]),
      ...keys.map((name) => [command(0, 'OBJECT', 'ENCODING', name)]),
      [command(0, 'DEBUG', 'DIGEST-VALUE', ...keys)],
    );
  }
  return units;
}

/** The same where the commands were of interest, and what users there are. */
function shortAudit(): Unit[] {
  const units: Unit[] = [[command(0, 'RESET')], [command(0, 'AUTH', ADMIN, 'x')]];
  for (const database of [0, 1, 2]) {
    units.push([command(0, 'SELECT', database)], [command(0, 'DEBUG', 'DIGEST-VALUE', ...AUDITED_KEYS)]);
  }
  return [...units, [command(0, 'ACL', 'LIST')], [command(0, 'ACL', 'LOG', 200)]];
}

/**
 * The command as a line in Redis' quoting, each word in a random style; undefined when it is too long for
 * one.
 */
export function encodeInline(random: SeededRandom, words: readonly Buffer[]): Buffer | undefined {
  const length = words.reduce((sum, word) => sum + word.length, 0);
  if (length > INLINE_BYTES_MAX || words.length === 0) return undefined;
  // A line that starts so is the header of an array.
  if (words[0]?.toString('latin1').startsWith('*')) return undefined;
  const separator = () => (random.chance(0.1) ? random.pick(['  ', '\t', ' \t ']) : ' ');
  const line = words.map((word) => encodeInlineWord(random, word) + separator()).join('');
  const start = random.chance(0.05) ? '  ' : '';
  return Buffer.from(`${start}${line}${random.chance(0.5) ? '\r\n' : '\n'}`, 'latin1');
}

function encodeInlineWord(random: SeededRandom, word: Buffer): string {
  const text = word.toString('latin1');
  const isPlain = /^[!#-&(-[\]-~]+$/.test(text);
  if (isPlain && random.chance(0.7)) return text;
  const fitsSingleQuotes = !/[\\\n\r\0]/.test(text);
  if (fitsSingleQuotes && random.chance(0.3)) return `'${text.replaceAll("'", "\\'")}'`;
  return `"${[...word].map((byte) => encodeQuotedByte(random, byte)).join('')}"`;
}

const NAMED_ESCAPES: Readonly<Record<number, string>> = {
  0x0a: '\\n',
  0x0d: '\\r',
  0x09: '\\t',
  0x08: '\\b',
  0x07: '\\a',
  0x22: '\\"',
  0x5c: '\\\\',
};

function encodeQuotedByte(random: SeededRandom, byte: number): string {
  const named = NAMED_ESCAPES[byte];
  if (named !== undefined) return named;
  const isPrintable = byte >= 0x20 && byte < 0x7f;
  if (isPrintable && random.chance(0.95)) return String.fromCharCode(byte);
  const hex = byte.toString(16).padStart(2, '0');
  return `\\x${random.chance(0.5) ? hex : hex.toUpperCase()}`;
}
