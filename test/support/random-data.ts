/** Many random keys: what is sent to one server must be found in another. */
import assert from 'node:assert/strict';
import type { Argument, Reply, RespClient } from './resp-client.ts';
import type { SeededRandom } from './seeded-random.ts';

interface Entry {
  readonly value: Buffer;
  /** Unix time in ms; undefined: never. */
  readonly expiryMillis: number | undefined;
}

const DATABASE_INDICES = [0, 1, 7, 15];
const FAR_AWAY_MILLIS = 4_102_444_800_000;
const COMMANDS_PER_WRITE = 2000;
const KEYS_PER_READ = 1000;
const LONG_BYTES_MAX = 1024 * 1024;
/** One value in so many has up to 1 MB. */
const LONG_VALUE_RARITY = 10_000;
/** No expiry, as PEXPIRETIME says it. */
const NEVER = -1;

type Change = 'set' | 'append' | 'delete' | 'expire' | 'persist';
const CHANGES: readonly { readonly kind: Change; readonly weight: number }[] = [
  { kind: 'set', weight: 4 },
  { kind: 'append', weight: 2 },
  { kind: 'delete', weight: 2 },
  { kind: 'expire', weight: 1 },
  { kind: 'persist', weight: 1 },
];

/** Keys by their bytes as latin1 text, in several databases. */
export class RandomData {
  readonly #random: SeededRandom;
  readonly #databases: ReadonlyMap<number, Map<string, Entry>>;
  #nextId = 0;

  constructor(random: SeededRandom, databases?: RandomData['databases']) {
    this.#random = random;
    this.#databases = new Map(DATABASE_INDICES.map((index) => [index, new Map(databases?.get(index))]));
  }

  get databases(): ReadonlyMap<number, ReadonlyMap<string, Entry>> {
    return this.#databases;
  }

  get keyCount(): number {
    return [...this.#databases.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** What it is now, whatever changes later. */
  copy(): RandomData {
    return new RandomData(this.#random, this.databases);
  }

  /** Makes up so many keys, here and on the server. */
  async fill(client: RespClient, count: number): Promise<void> {
    for (const [index, database] of this.#databases) {
      const commands = Array.from({ length: Math.ceil(count / this.#databases.size) }, () =>
        this.#set(database),
      );
      await send(client, index, commands);
    }
  }

  /** Makes up so many changes of keys, here and on the server. */
  async change(client: RespClient, count: number): Promise<void> {
    for (const [index, database] of this.#databases) {
      const keys = [...database.keys()];
      const commands = Array.from({ length: Math.ceil(count / this.#databases.size) }, () =>
        this.#change(database, this.#random.pick(keys)),
      );
      await send(client, index, commands);
    }
  }

  /** Key by key: value and expiry. And there is nothing else. */
  async assertSameOn(client: RespClient): Promise<void> {
    for (const [index, database] of this.#databases) {
      await client.command('SELECT', index);
      assert.equal(await client.text('DBSIZE'), `:${database.size}`, `keys in database ${index}`);
      const entries = [...database];
      for (let at = 0; at < entries.length; at += KEYS_PER_READ) {
        await assertSame(client, entries.slice(at, at + KEYS_PER_READ));
      }
    }
    const info = await client.text('INFO', 'keyspace');
    assert.equal(info.match(/db\d+:/g)?.length, this.#databases.size);
  }

  #set(database: Map<string, Entry>, key = this.#newKey()): Argument[] {
    const value = this.#value();
    const expiryMillis = this.#random.chance(1 / 3) ? this.#expiryMillis() : undefined;
    database.set(key, { value, expiryMillis });
    const command: Argument[] = ['SET', Buffer.from(key, 'latin1'), value];
    if (expiryMillis !== undefined) command.push('PXAT', expiryMillis);
    return command;
  }

  #change(database: Map<string, Entry>, name: string): Argument[] {
    const key = Buffer.from(name, 'latin1');
    const old = database.get(name);
    const { kind } = this.#random.pickWeighted(CHANGES);
    if (old === undefined || kind === 'set') return this.#set(database, name);
    switch (kind) {
      case 'append': {
        const more = this.#random.bytes(this.#random.integer(1, 30));
        database.set(name, { ...old, value: Buffer.concat([old.value, more]) });
        return ['APPEND', key, more];
      }
      case 'delete':
        database.delete(name);
        return ['DEL', key];
      case 'expire': {
        const expiryMillis = this.#expiryMillis();
        database.set(name, { ...old, expiryMillis });
        return ['PEXPIREAT', key, expiryMillis];
      }
      case 'persist':
        database.set(name, { ...old, expiryMillis: undefined });
        return ['PERSIST', key];
    }
  }

  #newKey(): string {
    const id = this.#nextId++;
    const random = this.#random;
    if (random.chance(0.5)) return `user:${id}`;
    if (random.chance(0.3)) return String(id);
    return `${id}:${random.bytes(random.integer(0, 40)).toString('latin1')}`;
  }

  #value(): Buffer {
    const random = this.#random;
    if (random.chance(1 / LONG_VALUE_RARITY)) return longValue(random, random.integer(1000, LONG_BYTES_MAX));
    switch (random.integer(0, 9)) {
      case 0:
        return Buffer.from(
          String(random.pick([0, 127, -129, 32_767, -32_769, 2 ** 31, -(2 ** 40), '9223372036854775807'])),
        );
      case 1:
      case 2:
        return Buffer.from(String(random.integer(-1000, 100_000)));
      case 3:
        return random.bytes(random.integer(0, 100));
      case 4:
        return Buffer.alloc(random.integer(0, 500), 'compressible ');
      case 5:
        return Buffer.from(`{"name":"Zoë ${random.uint32()}","tags":["a","b\\n"]}`);
      default:
        return Buffer.from(`value ${random.uint32()}`);
    }
  }

  #expiryMillis(): number {
    return FAR_AWAY_MILLIS + this.#random.integer(0, 10 ** 10);
  }
}

function longValue(random: SeededRandom, length: number): Buffer {
  return random.chance(0.5) ? random.bytes(length) : Buffer.alloc(length, `${random.uint32()} again and `);
}

async function send(client: RespClient, database: number, commands: readonly Argument[][]): Promise<void> {
  await client.command('SELECT', database);
  for (let at = 0; at < commands.length; at += COMMANDS_PER_WRITE) {
    const replies = await client.pipeline(commands.slice(at, at + COMMANDS_PER_WRITE));
    assert.ok(replies.every(({ tag }) => tag === '+' || tag === ':'));
  }
}

async function assertSame(client: RespClient, entries: readonly (readonly [string, Entry])[]): Promise<void> {
  const keys = entries.map(([key]) => Buffer.from(key, 'latin1'));
  const commands: Argument[][] = [['MGET', ...keys], ...keys.map((key) => ['PEXPIRETIME', key])];
  const [values, ...times] = await client.pipeline(commands);
  assert.ok(values?.kind === 'aggregate' && values.items.length === entries.length);
  for (const [i, [key, { value, expiryMillis }]] of entries.entries()) {
    assert.ok(bytesOf(values.items[i])?.equals(value), `the value of ${JSON.stringify(key)}`);
    const time = bytesOf(times[i])?.toString();
    assert.equal(time, String(expiryMillis ?? NEVER), `the expiry of ${JSON.stringify(key)}`);
  }
}

function bytesOf(reply: Reply | undefined): Buffer | undefined {
  return reply?.kind === 'scalar' ? reply.bytes : undefined;
}
