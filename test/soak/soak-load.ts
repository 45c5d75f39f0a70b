/**
 * The commands of the soak: every kind of value, small and large, with and without a time to live. A key's
 * name says its kind, so that no reply is an error but those that a full memory brings.
 */
import type { Argument } from '../support/resp-client.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

export type Command = readonly Argument[];

const KEYS_PER_KIND = 4000;
/** Lower keys are asked for more often, by this power. */
const SKEW = 3;
const VALUE_BYTES_MAX = 300;
const LONG_VALUE_BYTES_MAX = 40_000;
const LONG_VALUE_CHANCE = 0.01;
const MEMBERS = 400;
const BLOCK_SECONDS = '0.01';
const TRANSACTION_COMMANDS = 3;

/** A few commands that belong together: most often one. */
export function soakCommands(random: SeededRandom): Command[] {
  if (random.chance(0.02)) return transaction(random);
  const { make } = random.pickWeighted(KINDS);
  const [key, command] = make(random);
  return random.chance(0.3) ? [command, lifetimeOf(random, key)] : [command];
}

function transaction(random: SeededRandom): Command[] {
  const commands = Array.from({ length: TRANSACTION_COMMANDS }, () => changeOfString(random)[1]);
  const watched = random.chance(0.5) ? [['WATCH', keyOf(random, 'string')]] : [];
  return [...watched, ['MULTI'], ...commands, [random.chance(0.1) ? 'DISCARD' : 'EXEC']];
}

/** What is done to a key of a kind. */
type Make = (random: SeededRandom) => readonly [key: string, command: Command];

const KINDS: readonly { readonly weight: number; readonly make: Make }[] = [
  { weight: 10, make: changeOfString },
  { weight: 4, make: (random) => of(random, 'string', (key) => ['GET', key]) },
  { weight: 1, make: (random) => of(random, 'bits', (key) => ['SETBIT', key, random.integer(0, 9999), 1]) },
  { weight: 1, make: (random) => of(random, 'loglog', (key) => ['PFADD', key, ...members(random)]) },
  { weight: 5, make: changeOfList },
  { weight: 5, make: changeOfSet },
  { weight: 5, make: changeOfHash },
  { weight: 5, make: changeOfSortedSet },
  { weight: 3, make: changeOfStream },
  { weight: 2, make: changeOfKeyspace },
];

function changeOfString(random: SeededRandom): readonly [string, Command] {
  return of(random, 'string', (key) =>
    random.pick([
      () => ['SET', key, value(random)],
      () => ['SET', key, value(random), 'PX', random.integer(1, 60_000)],
      () => ['APPEND', key, value(random).subarray(0, 20)],
      () => ['SETRANGE', key, random.integer(0, 500), 'range'],
      () => ['GETDEL', key],
    ])(),
  );
}

function changeOfList(random: SeededRandom): readonly [string, Command] {
  return of(random, 'list', (key) =>
    random.pick([
      () => ['RPUSH', key, ...values(random)],
      () => ['LPUSH', key, value(random)],
      () => ['LPOP', key, random.integer(1, 20)],
      () => ['LTRIM', key, -200, -1],
      () => ['LINSERT', key, 'BEFORE', 'none', 'x'],
      () => ['LMOVE', key, keyOf(random, 'list'), 'LEFT', 'RIGHT'],
      () => ['LRANGE', key, 0, 20],
      () => ['BLPOP', key, BLOCK_SECONDS],
    ])(),
  );
}

function changeOfSet(random: SeededRandom): readonly [string, Command] {
  return of(random, 'set', (key) =>
    random.pick([
      () => ['SADD', key, ...members(random)],
      () => ['SADD', key, ...integers(random)],
      () => ['SREM', key, ...members(random)],
      () => ['SPOP', key, random.integer(1, 10)],
      () => ['SUNIONSTORE', key, keyOf(random, 'set'), keyOf(random, 'set')],
      () => ['SINTER', key, keyOf(random, 'set')],
      () => ['SMOVE', key, keyOf(random, 'set'), member(random)],
    ])(),
  );
}

function changeOfHash(random: SeededRandom): readonly [string, Command] {
  return of(random, 'hash', (key) =>
    random.pick([
      () => ['HSET', key, ...members(random).flatMap((field) => [field, value(random)])],
      () => ['HDEL', key, ...members(random)],
      () => ['HINCRBY', key, `count:${random.integer(0, 9)}`, 1],
      () => ['HGETALL', key],
      () => ['HSCAN', key, 0],
    ])(),
  );
}

function changeOfSortedSet(random: SeededRandom): readonly [string, Command] {
  return of(random, 'zset', (key) =>
    random.pick([
      () => ['ZADD', key, ...members(random).flatMap((name) => [random.integer(0, 999), name])],
      () => ['ZINCRBY', key, random.integer(-9, 9), member(random)],
      () => ['ZREM', key, ...members(random)],
      () => ['ZPOPMIN', key, random.integer(1, 10)],
      () => ['ZRANGEBYSCORE', key, 100, 200],
      () => ['ZUNIONSTORE', key, 2, keyOf(random, 'zset'), keyOf(random, 'zset')],
      () => ['GEOADD', key, 13 + random.fraction(), 38 + random.fraction(), member(random)],
    ])(),
  );
}

function changeOfStream(random: SeededRandom): readonly [string, Command] {
  return of(random, 'stream', (key) =>
    random.pick([
      () => ['XADD', key, 'MAXLEN', '~', 500, '*', 'field', value(random), member(random), 'x'],
      () => ['XADD', key, '*', 'field', value(random)],
      () => ['XTRIM', key, 'MAXLEN', 50],
      () => ['XRANGE', key, '-', '+', 'COUNT', 10],
      // Refused when there is the group: it is deleted at other times.
      () => ['XGROUP', 'CREATE', key, 'group', '0', 'MKSTREAM'],
      () => ['XREADGROUP', 'GROUP', 'group', member(random), 'COUNT', 5, 'STREAMS', key, '>'],
      () => ['XGROUP', 'DESTROY', key, 'group'],
    ])(),
  );
}

function changeOfKeyspace(random: SeededRandom): readonly [string, Command] {
  const kind = random.pick(['string', 'list', 'set', 'hash', 'zset', 'stream']);
  return of(random, kind, (key) =>
    random.pick([
      () => ['DEL', key],
      () => ['UNLINK', key, keyOf(random, kind)],
      () => ['COPY', key, keyOf(random, kind), 'REPLACE'],
      () => ['PERSIST', key],
      () => ['DUMP', key],
      () => ['OBJECT', 'ENCODING', key],
      () => ['SCAN', random.integer(0, 2 ** 20), 'COUNT', 50],
      () => ['RANDOMKEY'],
      () => ['MEMORY', 'USAGE', key],
    ])(),
  );
}

function lifetimeOf(random: SeededRandom, key: string): Command {
  return ['PEXPIRE', key, random.integer(1, 120_000)];
}

function of(random: SeededRandom, kind: string, make: (key: string) => Command): readonly [string, Command] {
  const key = keyOf(random, kind);
  return [key, make(key)];
}

function keyOf(random: SeededRandom, kind: string): string {
  return `${kind}:${Math.floor(random.fraction() ** SKEW * KEYS_PER_KIND)}`;
}

function value(random: SeededRandom): Buffer {
  const bytesMax = random.chance(LONG_VALUE_CHANCE) ? LONG_VALUE_BYTES_MAX : VALUE_BYTES_MAX;
  return Buffer.alloc(random.integer(1, bytesMax), random.integer(0, 255));
}

function values(random: SeededRandom): Buffer[] {
  return Array.from({ length: random.integer(1, 8) }, () => value(random));
}

function member(random: SeededRandom): string {
  return `member:${random.integer(0, MEMBERS)}`;
}

function members(random: SeededRandom): string[] {
  return Array.from({ length: random.integer(1, 8) }, () => member(random));
}

function integers(random: SeededRandom): number[] {
  return Array.from({ length: random.integer(1, 30) }, () => random.integer(0, 9999));
}
