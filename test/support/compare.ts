/**
 * When two servers' replies to the same command count as equal.
 *
 * The default is byte for byte. Every exception stands in `RULES` with its reason; nothing else is forgiven.
 */
import { encodeReply, type Reply } from './resp-client.ts';

interface Rule {
  /** Why the bytes may differ although both servers are right. */
  readonly reason: string;
  equal(ours: Reply, theirs: Reply): boolean;
}

/** Two servers read their clocks at slightly different moments. */
const CLOCK_SKEW_MILLIS_MAX = 5_000;

const HASH_ORDER = 'the order is that of a hash table with a random seed';
const CLOCK = 'it depends on when the command arrives';
const OWN_MEMORY = 'it is a figure of the own memory layout';

const RULES: Record<string, Rule> = {
  KEYS: { reason: HASH_ORDER, equal: afterwards(sortItems) },
  SCAN: {
    reason: 'cursors and batches are those of the own table; full iterations are compared as sets',
    equal: sameTag,
  },
  SMEMBERS: { reason: HASH_ORDER, equal: afterwards(sortItems) },
  SINTER: { reason: HASH_ORDER, equal: afterwards(sortItems) },
  SUNION: { reason: HASH_ORDER, equal: afterwards(sortItems) },
  SDIFF: { reason: HASH_ORDER, equal: afterwards(sortItems) },
  SPOP: { reason: 'one is chosen at random, all come in hash table order', equal: oneOrAll(sortItems) },
  SRANDMEMBER: {
    reason: 'one is chosen at random, all come in hash table order',
    equal: oneOrAll(sortItems),
  },
  HGETALL: { reason: HASH_ORDER, equal: afterwards(sortPairs) },
  HKEYS: { reason: HASH_ORDER, equal: afterwards(sortItems) },
  HVALS: { reason: HASH_ORDER, equal: afterwards(sortItems) },
  HRANDFIELD: { reason: 'one is chosen at random, all come in hash table order', equal: oneOrAll(sortDeep) },
  ZRANDMEMBER: { reason: 'one is chosen at random, all come in hash table order', equal: oneOrAll(sortDeep) },
  HSCAN: { reason: 'batches are those of the own table', equal: wholeOrBatch },
  SSCAN: { reason: 'batches are those of the own table', equal: wholeOrBatch },
  ZSCAN: { reason: 'batches are those of the own table', equal: wholeOrBatch },
  RANDOMKEY: { reason: 'the key is random', equal: sameTag },
  'CONFIG GET': { reason: HASH_ORDER, equal: afterwards(sortPairs) },
  'COMMAND DOCS': { reason: HASH_ORDER, equal: afterwards(sortDeep) },
  'COMMAND INFO': { reason: 'subcommands are in hash table order', equal: afterwards(sortDeep) },
  'COMMAND LIST': { reason: HASH_ORDER, equal: afterwards(sortItems) },

  TTL: { reason: CLOCK, equal: within(CLOCK_SKEW_MILLIS_MAX / 1000) },
  PTTL: { reason: CLOCK, equal: within(CLOCK_SKEW_MILLIS_MAX) },
  EXPIRETIME: { reason: CLOCK, equal: within(CLOCK_SKEW_MILLIS_MAX / 1000) },
  PEXPIRETIME: { reason: CLOCK, equal: within(CLOCK_SKEW_MILLIS_MAX) },
  'OBJECT IDLETIME': {
    reason: 'Redis shares small integers among keys, and their access times with them',
    equal: notLonger(CLOCK_SKEW_MILLIS_MAX / 1000),
  },
  'SORT BY nosort': { reason: 'what is a set comes in hash table order', equal: sameTag },
  TIME: { reason: CLOCK, equal: sameTag },

  'OBJECT REFCOUNT': { reason: 'in a transaction Redis also counts the queued argument', equal: unshared },
  'OBJECT FREQ': { reason: 'the counter is probabilistic', equal: sameTag },
  'MEMORY USAGE': { reason: OWN_MEMORY, equal: sameTag },
  'MEMORY STATS': { reason: OWN_MEMORY, equal: sameTag },
  'MEMORY DOCTOR': { reason: OWN_MEMORY, equal: sameTag },
  'MEMORY MALLOC-STATS': { reason: OWN_MEMORY, equal: sameTag },
  'DEBUG OBJECT': { reason: 'addresses, sizes and clocks', equal: afterwards(withoutAddresses) },
  INFO: { reason: 'figures of the own process', equal: sameTag },
  LOLWUT: { reason: 'it is random art', equal: sameTag },

  'ACL LIST': { reason: 'single commands are in hash table order', equal: afterwards(sortRules) },
  'ACL GETUSER': { reason: 'single commands are in hash table order', equal: afterwards(sortRules) },
  'ACL CAT': { reason: 'each server tells of its own commands', equal: sameTag },
  'ACL LOG': { reason: 'ages, ids and addresses of clients', equal: afterwards(stableLogFields) },
  'ACL GENPASS': { reason: 'it is random', equal: afterwards(onlyLength) },

  HELLO: { reason: 'the connection id is part of it', equal: afterwards(withoutConnectionId) },
  'CLIENT ID': { reason: 'ids count connections, and a check that the server is up is one', equal: sameTag },
  'CLIENT INFO': { reason: 'ids, addresses, ages and buffer sizes', equal: afterwards(stableClientFields) },
  'CLIENT LIST': { reason: 'ids, addresses, ages and buffer sizes', equal: afterwards(stableClientFields) },
};

/** Whether both replies to the command are right when one of them is. */
export function sameReply(command: readonly Buffer[], ours: Reply, theirs: Reply): boolean {
  if (encodeReply(ours).equals(encodeReply(theirs))) return true;
  return ruleFor(command)?.equal(ours, theirs) ?? false;
}

/** The command's name, with the subcommand where a rule is about that. */
function ruleFor(command: readonly Buffer[]): Rule | undefined {
  const [name = '', subcommand = ''] = command
    .slice(0, 2)
    .map((word) => word.toString('latin1').toUpperCase());
  if (name === 'SORT' && command.some((word) => word.toString('latin1') === 'nosort'))
    return RULES['SORT BY nosort'];
  return RULES[`${name} ${subcommand}`] ?? RULES[name];
}

/** Equal after the same change of both. */
function afterwards(change: (reply: Reply) => Reply): Rule['equal'] {
  return (ours, theirs) => encodeReply(change(ours)).equals(encodeReply(change(theirs)));
}

/** Whole iterations have the same elements; batches have what they have. */
function wholeOrBatch(ours: Reply, theirs: Reply): boolean {
  const isBatch = (reply: Reply) => {
    const cursor = reply.kind === 'aggregate' ? reply.items[0] : undefined;
    return cursor?.kind === 'scalar' && cursor.bytes.toString() !== '0';
  };
  return isBatch(ours) || isBatch(theirs) ? sameTag(ours, theirs) : afterwards(sortDeep)(ours, theirs);
}

/** A single element is anyone's; several are all there are. */
function oneOrAll(sort: (reply: Reply) => Reply): Rule['equal'] {
  return (ours, theirs) => (ours.kind === 'scalar' ? sameTag(ours, theirs) : afterwards(sort)(ours, theirs));
}

/** Same kind of reply; errors must still be the same. */
function sameTag(ours: Reply, theirs: Reply): boolean {
  return ours.kind === theirs.kind && ours.tag === theirs.tag && ours.tag !== '-';
}

/** Integers no further apart than this; negative ones (no key, no expiry) must be the same. */
function within(tolerance: number): Rule['equal'] {
  return (ours, theirs) => {
    if (ours.kind !== 'scalar' || theirs.kind !== 'scalar' || ours.tag !== ':' || theirs.tag !== ':')
      return false;
    const [left, right] = [Number(ours.bytes), Number(theirs.bytes)];
    return left >= 0 && right >= 0 && Math.abs(left - right) <= tolerance;
  };
}

/** Ours is the smaller number, but for the tolerance. */
function notLonger(tolerance: number): Rule['equal'] {
  return (ours, theirs) => {
    if (ours.kind !== 'scalar' || theirs.kind !== 'scalar' || ours.tag !== ':' || theirs.tag !== ':')
      return false;
    return Number(ours.bytes) >= 0 && Number(ours.bytes) <= Number(theirs.bytes) + tolerance;
  };
}

/** Reference counts of a value that is not one of the shared integers, which count as 2147483647. */
function unshared(ours: Reply, theirs: Reply): boolean {
  const isOneOrTwo = (reply: Reply) =>
    reply.kind === 'scalar' && reply.tag === ':' && /^[12]$/.test(reply.bytes.toString());
  return isOneOrTwo(ours) && isOneOrTwo(theirs);
}

function sortItems(reply: Reply): Reply {
  if (reply.kind !== 'aggregate') return reply;
  return { ...reply, items: [...reply.items].sort(byBytes) };
}

/** Sorts key-value pairs by key, in a RESP3 map as in a flat RESP2 array. */
function sortPairs(reply: Reply): Reply {
  if (reply.kind !== 'aggregate' || reply.items.length % 2 !== 0) return reply;
  const pairs: [Reply, Reply][] = [];
  for (let index = 0; index + 1 < reply.items.length; index += 2) {
    pairs.push([reply.items[index], reply.items[index + 1]] as [Reply, Reply]);
  }
  pairs.sort((left, right) => byBytes(left[0], right[0]));
  return { ...reply, items: pairs.flat() };
}

/** Sorts on every level: what is nested is in hash table order too. */
function sortDeep(reply: Reply): Reply {
  if (reply.kind !== 'aggregate') return reply;
  return sortItems({ ...reply, items: reply.items.map(sortDeep) });
}

function byBytes(left: Reply, right: Reply): number {
  return Buffer.compare(encodeReply(left), encodeReply(right));
}

function withoutAddresses(reply: Reply): Reply {
  return rewriteText(reply, (text) =>
    text.replace(/ at:0x[0-9a-f]+/, '').replace(/ serializedlength:.*/, ''),
  );
}

function withoutConnectionId(reply: Reply): Reply {
  if (reply.kind !== 'aggregate') return reply;
  const isId = (item: Reply | undefined) => item?.kind === 'scalar' && item.bytes.toString() === 'id';
  return { ...reply, items: reply.items.filter((_, index) => !isId(reply.items[index - 1])) };
}

/** Fields of CLIENT LIST that say what a client did; the others say where and when. */
const STABLE_CLIENT_FIELDS = [
  'name',
  'flags',
  'db',
  'sub',
  'psub',
  'ssub',
  'multi',
  'cmd',
  'user',
  'redir',
  'resp',
];

function stableClientFields(reply: Reply): Reply {
  return rewriteText(reply, (text) => text.split('\n').map(stableFieldsOfLine).sort().join('\n'));
}

function stableFieldsOfLine(line: string): string {
  const fields = line.split(' ').filter((field) => STABLE_CLIENT_FIELDS.includes(field.split('=')[0] ?? ''));
  return fields.join(' ');
}

/** Commands of ours that Redis 7.0 does not have. */
const OWN_COMMAND = /^[+-]h(p?expire|p?expireat|p?expiretime|p?ttl|persist)$/;

/** Rules about single commands, in order; what follows from commands that only we have is left out. */
function sortRules(reply: Reply): Reply {
  if (reply.kind === 'aggregate') return { ...reply, items: reply.items.map(sortRules) };
  return rewriteText(reply, (text) =>
    text.replace(/(?: [+-][a-z][^ ()]*)+/g, (run) =>
      run
        .split(' ')
        .filter((word) => !OWN_COMMAND.test(word))
        .sort()
        .join(' '),
    ),
  );
}

/** Entries of the ACL log without when and where. */
function stableLogFields(reply: Reply): Reply {
  if (reply.kind !== 'aggregate') return reply;
  const textOf = (item: Reply | undefined) => (item?.kind === 'scalar' ? item.bytes.toString() : '');
  const items = reply.items.map((item, index) => {
    const field = textOf(reply.items[index - 1]);
    if (field === 'age-seconds') return reply.items[index - 1]!;
    if (field === 'client-info') return rewriteText(item, stableFieldsOfLine);
    return stableLogFields(item);
  });
  return { ...reply, items };
}

function onlyLength(reply: Reply): Reply {
  return rewriteText(reply, (text) => String(text.length));
}

function rewriteText(reply: Reply, rewrite: (text: string) => string): Reply {
  if (reply.kind !== 'scalar' || reply.tag === '-') return reply;
  return { ...reply, bytes: Buffer.from(rewrite(reply.bytes.toString('latin1')), 'latin1') };
}
