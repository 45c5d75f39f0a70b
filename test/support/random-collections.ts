/** Many random keys of all types, made by commands: what is sent to one server must be found in another. */
import assert from 'node:assert/strict';
import { describeReply, type Argument, type Reply, type RespClient } from './resp-client.ts';
import type { SeededRandom } from './seeded-random.ts';

/** Few elements, and all encodings all the same. */
export const SMALL_ENCODINGS = [
  ...['--hash-max-listpack-entries', '16', '--hash-max-listpack-value', '32'],
  ...['--zset-max-listpack-entries', '16', '--zset-max-listpack-value', '32'],
  ...['--set-max-intset-entries', '16', '--list-max-listpack-size', '8'],
  ...['--stream-node-max-entries', '10'],
];

const FAR_AWAY_MILLIS = 4_102_444_800_000;
const COMMANDS_PER_WRITE = 1000;
const ELEMENTS_MAX = 60;
/** One key in so many has up to so many elements: it is written in pieces. */
const LARGE_RARITY = 60;
const LARGE_ELEMENTS_MAX = 3000;
const TYPES = ['list', 'set', 'hash', 'zset', 'stream', 'string'] as const;
type Type = (typeof TYPES)[number];

/** What makes random keys, by name. */
export class RandomCollections {
  readonly #random: SeededRandom;
  readonly #types = new Map<string, Type>();
  #lastId = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** Makes up so many keys on the server. */
  async fill(client: RespClient, count: number): Promise<void> {
    const commands: Argument[][] = [];
    for (let i = 0; i < count; i++) {
      const key = `key:${i}`;
      const type = this.#random.pick(TYPES);
      this.#types.set(key, type);
      commands.push(...this.#create(key, type));
    }
    await send(client, commands);
  }

  /** Makes up so many changes on the server. */
  async change(client: RespClient, count: number): Promise<void> {
    const keys = [...this.#types.keys()];
    const commands = Array.from({ length: count }, () => {
      const key = this.#random.pick(keys);
      return this.#change(key, this.#types.get(key)!);
    });
    await send(client, commands);
  }

  #create(key: string, type: Type): Argument[][] {
    const random = this.#random;
    const isLarge = random.chance(1 / LARGE_RARITY);
    const count = random.integer(1, isLarge ? LARGE_ELEMENTS_MAX : ELEMENTS_MAX);
    const commands: Argument[][] = [];
    if (type === 'stream' || type === 'string') {
      const times = type === 'string' ? 1 : count;
      for (let i = 0; i < times; i++) commands.push(this.#add(key, type));
    } else {
      const elements = Array.from({ length: count }, () => this.#add(key, type).slice(2)).flat();
      commands.push([this.#add(key, type)[0]!, key, ...elements]);
    }
    if (type === 'stream')
      for (let i = random.integer(0, 6); i > 0; i--) commands.push(this.#change(key, type));
    if (random.chance(0.3)) commands.push(['PEXPIREAT', key, FAR_AWAY_MILLIS + random.integer(0, 10 ** 9)]);
    return commands;
  }

  #add(key: string, type: Type): Argument[] {
    const element = this.#element();
    switch (type) {
      case 'list':
        return ['RPUSH', key, element];
      case 'set':
        return ['SADD', key, this.#member(key)];
      case 'hash':
        return ['HSET', key, this.#member(key), element];
      case 'zset':
        return ['ZADD', key, this.#score(), this.#member(key)];
      case 'stream':
        this.#lastId += this.#random.integer(1, 3);
        return ['XADD', key, `${this.#lastId}-${this.#random.integer(1, 5)}`, ...this.#fields()];
      case 'string':
        return ['SET', key, element];
    }
  }

  #fields(): Argument[] {
    if (this.#random.chance(0.7)) return ['temperature', this.#element(), 'place', this.#element()];
    return Array.from({ length: 2 * this.#random.integer(1, 4) }, () => this.#element());
  }

  #change(key: string, type: Type): Argument[] {
    const random = this.#random;
    if (random.chance(0.4)) return this.#add(key, type);
    switch (type) {
      case 'list':
        return random.pick<Argument[]>([
          ['LPUSH', key, this.#element()],
          ['RPOP', key],
          ['LTRIM', key, 1, -2],
          ['LSET', key, 0, this.#element()],
          ['LINSERT', key, 'BEFORE', this.#element(), 'inserted'],
          ['LREM', key, 2, this.#element()],
        ]);
      case 'set':
        return random.pick<Argument[]>([
          ['SREM', key, this.#member(key)],
          ['SPOP', key, 2],
        ]);
      case 'hash':
        return random.pick<Argument[]>([
          ['HDEL', key, this.#member(key)],
          ['HINCRBYFLOAT', key, 'counter', '1.5'],
        ]);
      case 'zset':
        return random.pick<Argument[]>([
          ['ZREM', key, this.#member(key)],
          ['ZPOPMIN', key],
          ['ZINCRBY', key, '2.5', this.#member(key)],
          ['ZREMRANGEBYRANK', key, 0, 2],
        ]);
      case 'stream':
        return this.#changeStream(key);
      case 'string':
        return ['APPEND', key, this.#element()];
    }
  }

  #changeStream(key: string): Argument[] {
    const random = this.#random;
    const group = `group ${random.integer(0, 2)}`;
    const consumer = `consumer ${random.integer(0, 2)}`;
    const id = `${random.integer(0, this.#lastId)}-1`;
    // What is pending and deleted no command can make: a log that was rewritten as commands forgets it.
    const isRead = Number.parseInt(key.replaceAll(/\D/g, ''), 10) % 2 === 0;
    const changes: Argument[][] = isRead
      ? [['XREADGROUP', 'GROUP', group, consumer, 'COUNT', 5, 'STREAMS', key, '>']]
      : [
          ['XDEL', key, id],
          ['XTRIM', key, 'MAXLEN', random.pick(['=', '~']), random.integer(0, 100)],
        ];
    return random.pick<Argument[]>([
      ...changes,
      ['XGROUP', 'CREATE', key, group, random.pick(['0', '$', id]), 'MKSTREAM'],
      ['XGROUP', 'CREATECONSUMER', key, group, consumer],
      ['XACK', key, group, id],
      ['XGROUP', 'DESTROY', key, group],
    ]);
  }

  #element(): Argument {
    const random = this.#random;
    switch (random.integer(0, 5)) {
      case 0:
        return random.pick(['0', '-1', '127', '128', '-4097', '70000', '-2147483649', '9223372036854775807']);
      case 1:
        return random.integer(0, 1000);
      case 2:
        return random.bytes(random.integer(0, random.chance(0.05) ? 3000 : 40));
      case 3:
        return 'compressible '.repeat(random.integer(0, 10));
      default:
        return `element ${random.integer(0, 1000)}`;
    }
  }

  /** Every other set has integers only. */
  #member(key: string): Argument {
    return key.length % 2 === 0 ? this.#random.integer(-50, 40_000) : this.#element();
  }

  /** No negative zero: Redis loses its sign when a set that has become small is loaded. */
  #score(): Argument {
    const random = this.#random;
    return random.pick(['0', '1.5', 'inf', '-inf', '3.0000000000000004', '1e300', random.integer(-50, 50)]);
  }
}

/** WRONGTYPE and the like are no concern: both sides of a comparison have seen the same commands. */
async function send(client: RespClient, commands: readonly Argument[][]): Promise<void> {
  for (let at = 0; at < commands.length; at += COMMANDS_PER_WRITE) {
    await client.pipeline(commands.slice(at, at + COMMANDS_PER_WRITE));
  }
}

/** What a server has: a description of each key, value and expiry included, but not the encoding. */
export async function describeKeys(client: RespClient): Promise<Map<string, string>> {
  const keys = await namesOf(client);
  const questions = await client.pipeline(
    keys.flatMap((key) => [
      ['TYPE', key],
      ['PEXPIRETIME', key],
      ['DEBUG', 'DIGEST-VALUE', key],
    ]),
  );
  const descriptions = new Map<string, string>();
  for (const [i, key] of keys.entries()) {
    const [type, expiry, digest] = questions.slice(3 * i, 3 * i + 3).map(describeReply);
    const more = type === '+stream' ? await describeStream(client, key) : '';
    descriptions.set(key, [type, expiry, digest, more].join(' '));
  }
  return descriptions;
}

export async function encodingsOf(client: RespClient): Promise<Map<string, string>> {
  const keys = await namesOf(client);
  const replies = await client.pipeline(keys.map((key) => ['OBJECT', 'ENCODING', key]));
  return new Map(keys.map((key, i) => [key, describeReply(replies[i]!)]));
}

export async function namesOf(client: RespClient): Promise<string[]> {
  return itemsOf(await client.command('KEYS', '*'))
    .map(textOf)
    .sort();
}

/** Without what Redis 7.0 does not write into an append-only file: how far a group's reading has come. */
export function withoutProgress(keys: Map<string, string>): Map<string, string> {
  return new Map([...keys].map(([key, text]) => [key, text.replaceAll(/ entries-read=\S+ lag=\S+/g, '')]));
}

/** Each that is there is as it should be, and nothing else is there. */
export function assertSameKeys(actual: Map<string, string>, expected: Map<string, string>): void {
  for (const [key, description] of expected) assert.equal(actual.get(key), description, key);
  assert.equal(actual.size, expected.size);
}

/** All but the entries, and the times when consumers were seen or entries delivered. */
async function describeStream(client: RespClient, key: string): Promise<string> {
  const facts = pairsOf(await client.command('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0));
  const parts = [
    'length',
    'last-generated-id',
    'max-deleted-entry-id',
    'entries-added',
    'recorded-first-entry-id',
  ];
  const lines = parts.map((name) => `${name}=${describeReply(facts.get(name)!)}`);
  for (const group of itemsOf(facts.get('groups')!)) {
    const about = pairsOf(group);
    const names = ['name', 'last-delivered-id', 'pel-count', 'entries-read', 'lag'];
    lines.push(names.map((name) => `${name}=${describeReply(about.get(name)!)}`).join(' '));
    for (const consumer of itemsOf(about.get('consumers')!)) {
      const facts2 = pairsOf(consumer);
      lines.push(`consumer ${describeReply(facts2.get('name')!)} ${describeReply(facts2.get('pel-count')!)}`);
      for (const entry of itemsOf(facts2.get('pel') ?? facts2.get('pending')!)) {
        const [id, , count] = itemsOf(entry).map(describeReply);
        lines.push(`${id} ${count}`);
      }
    }
  }
  return lines.join('\n');
}

function pairsOf(reply: Reply): Map<string, Reply> {
  const items = itemsOf(reply);
  const pairs = new Map<string, Reply>();
  for (let i = 0; i < items.length; i += 2) pairs.set(textOf(items[i]!), items[i + 1]!);
  return pairs;
}

function itemsOf(reply: Reply): readonly Reply[] {
  return reply.kind === 'aggregate' ? reply.items : [];
}

function textOf(reply: Reply): string {
  return reply.kind === 'scalar' ? reply.bytes.toString('latin1') : '';
}
