/**
 * How good each eviction policy is: the share of reads that find their key, on the same skewed trace for all
 * servers, with room for a part of the keys only.
 *
 * The trace is a cache: GET key, and SET when it is not there. Keys are drawn with Zipf's law, and which of
 * them are popular moves on. Access clocks count seconds, so the trace takes some.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeCommand, RespConnection } from '../../src/compare/resp.ts';
import { readInfo, type Variant, withServer } from '../../src/compare/servers.ts';
import { fixed, printTable, progress } from '../../src/compare/terminal.ts';
import { seededRandom } from '../../src/util/random.ts';

const POLICIES = [
  'allkeys-lru',
  'allkeys-lfu',
  'allkeys-random',
  'volatile-lru',
  'volatile-lfu',
  'volatile-random',
  'volatile-ttl',
] as const;
type Policy = (typeof POLICIES)[number];

/** Keys that fit, of all that are asked for. */
const CACHED_SHARE = 0.2;
const ZIPF_EXPONENT = 0.9;
const VALUE_BYTES = 200;
const BATCH = 200;
/** Batches between two looks at the server's figures. */
const LOOK_BATCHES = 20;
/** Of the trace, not counted: the cache fills. */
const WARM_SHARE = 0.3;
/** How far the popular keys have moved at the end, as a share of all keys. */
const DRIFT_SHARE = 0.05;
const TTL_SECONDS_MAX = 100_000;
const TRACE_SEED = 1;
const VALUE = 'v'.repeat(VALUE_BYTES);

export interface EvictionOptions {
  readonly servers: readonly Variant[];
  readonly keysCount: number;
  readonly requestsCount: number;
  /** How long the trace is to take at least. */
  readonly traceMillis: number;
}

interface Figure {
  readonly policy: Policy;
  readonly server: Variant;
  readonly hitRatio: number;
  readonly evictedCount: number;
  readonly keyCount: number;
  /** The most that was counted against the limit, as a share of it. */
  readonly peakShare: number;
}

export async function runEviction(options: EvictionOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const policy of POLICIES) {
    for (const server of options.servers) {
      progress(`${policy}: ${server}`);
      figures.push(await measure(policy, server, options));
    }
  }
  progress('');
  print(figures);
  return figures;
}

async function measure(policy: Policy, server: Variant, options: EvictionOptions): Promise<Figure> {
  return withServer(server, { extra: ['--maxmemory-policy', policy] }, async ({ port }) => {
    const connection = await RespConnection.open(port);
    const trace = new Trace(options.keysCount);
    // About as much room as that many keys take: servers need different amounts for a key.
    const empty = await usedBytes(connection);
    const cachedCount = Math.floor(options.keysCount * CACHED_SHARE);
    await setAll(
      connection,
      Array.from({ length: cachedCount }, (_, key) => key),
      policy,
    );
    const limit = await usedBytes(connection);
    await connection.command('FLUSHALL');
    await connection.command('CONFIG', 'SET', 'maxmemory', String(limit));

    const room = new Room(connection, { limit, bytesPerKey: (limit - empty) / cachedCount, cachedCount });
    const figures = await replay(connection, trace, policy, room, options);
    const info = await readInfo(connection, 'everything');
    connection.close();
    return {
      policy,
      server,
      ...figures,
      evictedCount: Number(info.get('evicted_keys')),
      keyCount: Number(/keys=(\d+)/.exec(info.get('db0') ?? '')?.[1] ?? 0),
    };
  });
}

async function replay(
  connection: RespConnection,
  trace: Trace,
  policy: Policy,
  room: Room,
  { requestsCount, traceMillis }: EvictionOptions,
): Promise<Pick<Figure, 'hitRatio' | 'peakShare'>> {
  const started = performance.now();
  let counted = 0;
  let hits = 0;
  let peak = 0;
  for (let done = 0; done < requestsCount; done += BATCH) {
    const keys = trace.next(BATCH, done / requestsCount);
    const missing = await missingOf(connection, keys);
    await setAll(connection, missing, policy);
    const isWarm = done >= requestsCount * WARM_SHARE;
    if (!isWarm && done % (BATCH * LOOK_BATCHES) === 0) await room.adjust();
    if (isWarm) {
      counted += keys.length;
      hits += keys.length - missing.length;
      if (done % (BATCH * LOOK_BATCHES) === 0) peak = Math.max(peak, await usedBytes(connection));
    }
    const ahead = (done / requestsCount) * traceMillis - (performance.now() - started);
    if (ahead > 1) await sleep(ahead);
  }
  return { hitRatio: hits / counted, peakShare: peak / room.limit };
}

/**
 * The limit, changed while the cache fills until as many keys fit as shall: policies are compared, not how much
 * memory a server takes for a key and for itself.
 */
class Room {
  limit: number;
  readonly #connection: RespConnection;
  readonly #bytesPerKey: number;
  readonly #cachedCount: number;

  constructor(
    connection: RespConnection,
    start: { readonly limit: number; readonly bytesPerKey: number; readonly cachedCount: number },
  ) {
    this.#connection = connection;
    this.limit = start.limit;
    this.#bytesPerKey = start.bytesPerKey;
    this.#cachedCount = start.cachedCount;
  }

  async adjust(): Promise<void> {
    const info = await readInfo(this.#connection, 'everything');
    if (info.get('evicted_keys') === '0') return;
    const missing = this.#cachedCount - Number(await this.#connection.command('DBSIZE'));
    this.limit += Math.round((missing * this.#bytesPerKey) / 2);
    await this.#connection.command('CONFIG', 'SET', 'maxmemory', String(this.limit));
  }
}

/** What counts against the limit. */
async function usedBytes(connection: RespConnection): Promise<number> {
  const info = await readInfo(connection, 'memory');
  return Number(info.get('used_memory')) - Number(info.get('mem_not_counted_for_evict'));
}

/** The keys that the server does not have, each once. */
async function missingOf(connection: RespConnection, keys: readonly number[]): Promise<number[]> {
  const commands = keys.map((key) => encodeCommand(['GET', nameOf(key)]));
  const replies = await connection.exchange(Buffer.concat(commands), keys.length);
  const missing = new Set<number>();
  let at = 0;
  for (const key of keys) {
    const length = Number(replies.toString('latin1', at + 1, replies.indexOf('\r', at)));
    if (length < 0) missing.add(key);
    at = replies.indexOf('\n', at) + 1 + (length < 0 ? 0 : length + 2);
  }
  return [...missing];
}

async function setAll(connection: RespConnection, keys: readonly number[], policy: Policy): Promise<void> {
  for (let start = 0; start < keys.length; start += BATCH) {
    const commands = keys.slice(start, start + BATCH).map((key) => {
      const expiry = policy.startsWith('volatile') ? ['EX', String(ttlOf(key))] : [];
      return encodeCommand(['SET', nameOf(key), VALUE, ...expiry]);
    });
    await connection.exchange(Buffer.concat(commands), commands.length);
  }
}

function nameOf(key: number): string {
  return `key:${String(key).padStart(12, '0')}`;
}

/** The less often a key is asked for, the sooner it expires: a cache whose owner knows something. */
function ttlOf(key: number): number {
  return TTL_SECONDS_MAX - (key % 1000) * 90;
}

/** The same keys for every server, by Zipf's law; which keys are the popular ones moves on slowly. */
class Trace {
  readonly #keysCount: number;
  /** Sums of the weights up to each rank. */
  readonly #sums: Float64Array;
  readonly #random = seededRandom(TRACE_SEED);

  constructor(keysCount: number) {
    this.#keysCount = keysCount;
    this.#sums = new Float64Array(keysCount);
    let sum = 0;
    for (let rank = 0; rank < keysCount; rank++) this.#sums[rank] = sum += (rank + 1) ** -ZIPF_EXPONENT;
  }

  /** The next keys that are asked for. @param progressShare how much of the trace is over, 0 to 1 */
  next(count: number, progressShare: number): number[] {
    const shift = Math.floor(this.#keysCount * DRIFT_SHARE * progressShare);
    return Array.from({ length: count }, () => (this.#rank() + shift) % this.#keysCount);
  }

  #rank(): number {
    const target = this.#random.nextFloat() * this.#sums.at(-1)!;
    let low = 0;
    let high = this.#sums.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sums[middle]! < target) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function print(figures: readonly Figure[]): void {
  const rows = figures.map(({ policy, server, hitRatio, peakShare, evictedCount, keyCount }) => {
    const redis = figures.find((other) => other.policy === policy && other.server === 'redis');
    return {
      policy,
      server,
      'hits %': fixed(hitRatio * 100, 2),
      'points to Redis': redis === undefined ? '' : fixed((hitRatio - redis.hitRatio) * 100, 2),
      'peak of limit %': fixed(peakShare * 100, 2),
      evicted: evictedCount,
      keys: keyCount,
    };
  });
  printTable('Hit rate of a cache with room for a fifth of its keys, on a Zipf trace', rows);
}
