/**
 * Puts one server under mixed load for a while: clients that come and go, one that reads slowly, eviction,
 * expiry, snapshots, rewrites, changed limits and encodings, killed clients. Every few seconds its figures are
 * looked at; when all have left, its data must survive both files, its structures must be in order, and
 * nothing may have grown.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { readCpu } from '../../src/compare/servers.ts';
import { ConnectionClosedError, encodeCommand, type Reply, type RespClient } from '../support/resp-client.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { infoFields } from '../support/server-info.ts';
import {
  descriptorCount,
  startServer,
  type ServerOptions,
  type ServerProcess,
} from '../support/server-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { soakCommands, type Command } from './soak-load.ts';

export interface SoakOptions {
  readonly seed: number;
  readonly durationMillis: number;
  readonly server: ServerOptions;
  onSample?(sample: SoakSample): void;
}

/** What was seen at one moment. */
export interface SoakSample {
  readonly seconds: number;
  readonly commandCount: number;
  readonly keyCount: number;
  readonly evictedCount: number;
  readonly expiredCount: number;
  readonly usedBytes: number;
  readonly residentBytes: number;
  readonly clientCount: number;
  readonly threadCount: number;
  readonly descriptorCount: number;
}

export interface SoakResult {
  readonly samples: readonly SoakSample[];
  /** How often each kind of error reply came; all are expected ones. */
  readonly refusals: ReadonlyMap<string, number>;
  /** Keys that both files brought back at the end. */
  readonly keyCountAtEnd: number;
  readonly bgsaveCount: number;
  readonly rewriteCount: number;
  readonly killCount: number;
  /** Of an empty server, before the load and after it. */
  readonly emptyBytes: readonly [before: number, after: number];
  /** Median of the second quarter of the run, and of the last. */
  readonly residentBytes: readonly [early: number, late: number];
}

const MEGABYTE = 1024 * 1024;
/** Room for data above what the empty server uses; the limit changes between the two. */
const ROOM_BYTES = [6 * MEGABYTE, 8 * MEGABYTE] as const;
/** More than there is room for: eviction begins with the load. */
const FILL_KEYS = 2500;
const FILL_VALUE = Buffer.alloc(4096, 'f');
const LIMIT_EXCESS_MAX = 0.01;
/** A lower limit is reached by deletions, which take their time. */
const LIMIT_SETTLE_MILLIS = 3_000;
const CLIENTS = 8;
const PIPELINE_MAX = 30;
const VISIT_PIPELINES_MAX = 300;
const SAMPLE_MILLIS = 2_000;
const OPERATION_MILLIS_MAX = 600;

/**
 * What a pool or table may keep of what it once needed; what resident memory may grow by between a run's
 * halves, when the limits of all heaps have been reached; threads of the platform that start when first
 * needed.
 */
const USED_GROWTH_BYTES_MAX = 4 * MEGABYTE;
const RESIDENT_GROWTH_BYTES_MAX = 24 * MEGABYTE;
/** Each thread has a heap of its own, which reaches its size in its own time. */
const RESIDENT_GROWTH_PER_THREAD_BYTES_MAX = 5 * MEGABYTE;
const THREAD_GROWTH_MAX = 4;
const DESCRIPTOR_GROWTH_MAX = 2;
/** Its epoll, its event counter, those of Node's loop. */
const DESCRIPTORS_PER_THREAD = 7;
/** The load's, the operator's, the observer's, and those being replaced. */
const CLIENTS_LISTED_MAX = 2 * CLIENTS + 2;

const SERVER_ARGS = [
  ...['--appendonly', 'yes', '--appendfsync', 'everysec', '--enable-debug-command', 'yes'],
  ...['--client-output-buffer-limit', 'normal 16mb 8mb 5'],
];
const POLICIES = [
  ...['allkeys-lru', 'allkeys-lfu', 'allkeys-random'],
  ...['volatile-lru', 'volatile-lfu', 'volatile-random', 'volatile-ttl'],
];
/** Settings that change what the load does inside, not what it is answered. */
const SETTINGS: readonly (readonly [name: string, ...values: string[]])[] = [
  ['list-max-listpack-size', '-2', '4', '128'],
  ['hash-max-listpack-entries', '4', '128', '512'],
  ['hash-max-listpack-value', '16', '64'],
  ['set-max-intset-entries', '8', '512'],
  ['zset-max-listpack-entries', '4', '128'],
  ['stream-node-max-entries', '5', '100'],
  ['hz', '10', '50'],
  ['maxmemory-samples', '3', '5', '10'],
  ['activerehashing', 'yes', 'no'],
  ['lazyfree-lazy-eviction', 'yes', 'no'],
  ['lazyfree-lazy-expire', 'yes', 'no'],
  ['lazyfree-lazy-user-del', 'yes', 'no'],
  ['appendfsync', 'everysec', 'no'],
  ['notify-keyspace-events', '', 'KEA'],
  ['timeout', '0', '100'],
];
/** Replies that are errors and right: the memory is full, a group is there or not, a job is under way … */
const EXPECTED_ERRORS = [
  "OOM command not allowed when used memory > 'maxmemory'.",
  'EXECABORT Transaction discarded because of previous errors.',
  "EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.",
  'BUSYGROUP',
  'NOGROUP',
  'ERR The XGROUP subcommand requires the key to exist.',
  'ERR Background save already in progress',
  'ERR Background append only file rewriting already in progress',
  "ERR Another child process is active (AOF?): can't BGSAVE right now.",
  'ERR No such client',
  'ERR source and destination objects are the same',
];
/** Fields of INFO that stay as they are while all goes well. */
const HEALTHY: Readonly<Record<string, string>> = {
  rejected_connections: '0',
  rdb_last_bgsave_status: 'ok',
  aof_last_bgrewrite_status: 'ok',
  aof_last_write_status: 'ok',
};

/** Rejects at the first thing that is not as it should be. */
export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const args = [...(options.server.args ?? []), ...SERVER_ARGS];
  const server = await startServer({ ...options.server, args });
  try {
    return await new Soak(server, options).run();
  } catch (error) {
    const threads = await busyThreads(server.pid).catch(String);
    const log = server.output().slice(-3000);
    throw new Error(`${String(error)}\nbusy threads: ${threads}\nthe server's log:\n${log}`, {
      cause: error,
    });
  } finally {
    await server.stop();
  }
}

/** Tells a server that waits for ever from one that runs for ever: CPU of its threads within a second. */
async function busyThreads(pid: number): Promise<string> {
  const before = readCpu(pid).threadMicros ?? new Map<string, number>();
  await sleep(1000);
  const after = readCpu(pid).threadMicros ?? new Map<string, number>();
  const busy = [...after].filter(([thread, micros]) => micros - (before.get(thread) ?? 0) > 1000);
  return busy
    .map(([thread, micros]) => `${thread} ${Math.round(micros - (before.get(thread) ?? 0))} µs`)
    .join(', ');
}

class Soak {
  readonly #server: ServerProcess;
  readonly #options: SoakOptions;
  readonly #random: SeededRandom;
  readonly #samples: SoakSample[] = [];
  readonly #refusals = new Map<string, number>();
  #emptyBytes = 0;
  #limitBytes = 0;
  #limitChangedMillis = 0;
  #commandCount = 0;
  #bgsaveCount = 0;
  #rewriteCount = 0;
  #killCount = 0;
  /** All parts of the load leave when one of them has failed. */
  #hasFailed = false;

  constructor(server: ServerProcess, options: SoakOptions) {
    this.#server = server;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
  }

  async run(): Promise<SoakResult> {
    const observer = await this.#connectNamed('observer');
    await this.#expectOk(observer, 'CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    // What only comes with the first clients and the first job is no growth.
    await this.#crowd();
    await this.#save(observer);
    await this.#rewrite(observer);
    await this.#jobsEnd(observer);
    const before = this.#processFigures();
    this.#emptyBytes = await usedBytes(observer);
    await this.#changeLimit(observer);
    await this.#fill(observer);

    const startMillis = Date.now();
    const goesOn = () => !this.#hasFailed && Date.now() - startMillis < this.#options.durationMillis;
    await this.#together([
      ...Array.from({ length: CLIENTS - 1 }, () => this.#visits(goesOn)),
      this.#readSlowly(goesOn),
      this.#operate(goesOn),
      this.#observe(observer, goesOn, startMillis),
    ]);

    const keyCountAtEnd = await this.#settleAndCheck(observer);
    const after = this.#processFigures();
    const emptyBytes = await usedBytes(observer);
    observer.close();
    const growth = emptyBytes - this.#emptyBytes;
    assert.ok(growth <= USED_GROWTH_BYTES_MAX, `the empty server uses ${growth} bytes more than before`);
    assert.ok(after.threadCount <= before.threadCount + THREAD_GROWTH_MAX, `${after.threadCount} threads`);
    const threadDescriptors = (after.threadCount - before.threadCount) * DESCRIPTORS_PER_THREAD;
    assert.ok(
      after.descriptorCount <=
        before.descriptorCount + DESCRIPTOR_GROWTH_MAX + Math.max(0, threadDescriptors),
      `${before.descriptorCount} descriptors before, ${after.descriptorCount} after`,
    );
    return {
      samples: this.#samples,
      refusals: this.#refusals,
      keyCountAtEnd,
      bgsaveCount: this.#bgsaveCount,
      rewriteCount: this.#rewriteCount,
      killCount: this.#killCount,
      emptyBytes: [this.#emptyBytes, emptyBytes],
      residentBytes: this.#residentGrowth(),
    };
  }

  /** Half of the keys have a lifetime, so that every policy finds some to evict. */
  async #fill(client: RespClient): Promise<void> {
    const commands = Array.from({ length: FILL_KEYS }, (_, index): Command => {
      const command = ['SET', `string:fill:${index}`, FILL_VALUE];
      return index % 2 === 0 ? command : [...command, 'EX', 10_000];
    });
    const replies = await client.pipeline(commands);
    replies.forEach((reply, index) => this.#judge(commands[index]!, reply));
  }

  /** As many clients at once as there will be: a server with a thread for each keeps the threads. */
  async #crowd(): Promise<void> {
    const clients = await Promise.all(Array.from({ length: CLIENTS + 1 }, () => this.#server.connect()));
    for (const client of clients) assert.equal(await client.text('PING'), '+PONG');
    for (const client of clients) client.close();
  }

  async #connectNamed(name: string): Promise<RespClient> {
    const client = await this.#server.connect();
    await this.#expectOk(client, 'CLIENT', 'SETNAME', name);
    return client;
  }

  /** Waits for all parts to leave, whoever of them fails. */
  async #together(parts: readonly Promise<void>[]): Promise<void> {
    const watched = parts.map((part) =>
      part.catch((error: unknown) => {
        this.#hasFailed = true;
        throw error;
      }),
    );
    const failures = (await Promise.allSettled(watched)).filter(({ status }) => status === 'rejected');
    const [first] = failures as PromiseRejectedResult[];
    if (first !== undefined) throw first.reason;
  }

  /** One place of the load: a client comes, sends pipelines, leaves, and the next one comes. */
  async #visits(goesOn: () => boolean): Promise<void> {
    const random = new SeededRandom(this.#random.uint32());
    while (goesOn()) {
      await this.#untilKilled(async (client) => {
        if (random.chance(0.3)) {
          client.send('HELLO', '3');
          await client.readReply();
        }
        for (let count = random.integer(1, VISIT_PIPELINES_MAX); count > 0 && goesOn(); count -= 1)
          await this.#pipeline(client, random);
        if (random.chance(0.2)) client.socket.resetAndDestroy();
      });
    }
  }

  async #pipeline(client: RespClient, random: SeededRandom): Promise<void> {
    const commands: Command[] = [];
    for (let count = random.integer(1, PIPELINE_MAX); count > 0; count -= 1)
      commands.push(...soakCommands(random));
    const replies = await client.pipeline(commands);
    replies.forEach((reply, index) => this.#judge(commands[index]!, reply));
    this.#commandCount += commands.length;
  }

  #judge(command: Command, reply: Reply): void {
    if (reply.kind === 'aggregate') {
      for (const item of reply.items) this.#judge(command, item);
      return;
    }
    if (reply.kind !== 'scalar' || reply.tag !== '-') return;
    const text = reply.bytes.toString();
    const expected = EXPECTED_ERRORS.find((error) => text.startsWith(error));
    assert.ok(expected !== undefined, `${command.slice(0, 4).join(' ')} was answered by ${text}`);
    this.#refusals.set(expected, (this.#refusals.get(expected) ?? 0) + 1);
  }

  /** A client that asks for more than it reads, until it is cut off or catches up. */
  async #readSlowly(goesOn: () => boolean): Promise<void> {
    const random = new SeededRandom(this.#random.uint32());
    while (goesOn()) {
      await this.#untilKilled(async (client) => {
        client.send('SET', 'string:slow', Buffer.alloc(20_000));
        this.#judge(['SET'], await client.readReply());
        for (let count = random.integer(1, 10); count > 0 && goesOn(); count -= 1) {
          client.socket.pause();
          const getCount = random.integer(50, 1000);
          client.write(
            Buffer.concat(Array.from({ length: getCount }, () => encodeCommand(['GET', 'string:slow']))),
          );
          await sleep(random.integer(10, 1000));
          client.socket.resume();
          await client.readReplies(getCount);
          this.#commandCount += getCount;
        }
      });
    }
  }

  /** What an operator does meanwhile. */
  async #operate(goesOn: () => boolean): Promise<void> {
    const random = new SeededRandom(this.#random.uint32());
    const client = await this.#connectNamed('operator');
    const operations = [
      { weight: 2, run: () => this.#save(client) },
      { weight: 2, run: () => this.#rewrite(client) },
      { weight: 2, run: () => this.#changeLimit(client) },
      { weight: 3, run: () => this.#kill(client, random) },
      {
        weight: 2,
        run: () => this.#expectOk(client, 'CONFIG', 'SET', 'maxmemory-policy', random.pick(POLICIES)),
      },
      {
        weight: 6,
        run: () => {
          const [name, ...choices] = random.pick(SETTINGS);
          return this.#expectOk(client, 'CONFIG', 'SET', name, random.pick(choices));
        },
      },
    ];
    while (goesOn()) {
      await random.pickWeighted(operations).run();
      await sleep(random.integer(0, OPERATION_MILLIS_MAX));
    }
    client.close();
  }

  async #save(client: RespClient): Promise<void> {
    this.#judge(['BGSAVE'], await client.command('BGSAVE', 'SCHEDULE'));
    this.#bgsaveCount += 1;
  }

  async #rewrite(client: RespClient): Promise<void> {
    this.#judge(['BGREWRITEAOF'], await client.command('BGREWRITEAOF'));
    this.#rewriteCount += 1;
  }

  /** A lower limit needs a policy that can reach it. */
  async #changeLimit(client: RespClient): Promise<void> {
    const room = this.#limitBytes === this.#emptyBytes + ROOM_BYTES[1] ? ROOM_BYTES[0] : ROOM_BYTES[1];
    this.#limitChangedMillis = Date.now();
    this.#limitBytes = this.#emptyBytes + room;
    const settings = ['maxmemory', String(this.#limitBytes), 'maxmemory-policy', 'allkeys-lru'];
    await this.#expectOk(client, 'CONFIG', 'SET', ...settings);
    if (room < ROOM_BYTES[1]) await sleep(LIMIT_SETTLE_MILLIS);
  }

  /** Ends any client of the load: the operator and the observer have names. */
  async #kill(client: RespClient, random: SeededRandom): Promise<void> {
    const list = (await client.command('CLIENT', 'LIST', 'TYPE', 'normal')) as Reply & { bytes: Buffer };
    const lines = list.bytes.toString().split('\n');
    const ids = lines.filter((line) => / name= /.test(line)).map((line) => /\bid=(\d+)/.exec(line)![1]!);
    if (ids.length === 0) return;
    this.#judge(['CLIENT', 'KILL'], await client.command('CLIENT', 'KILL', 'ID', random.pick(ids)));
    this.#killCount += 1;
  }

  /** Runs a visit; the server may end it at any time. */
  async #untilKilled(visit: (client: RespClient) => Promise<void>): Promise<void> {
    const client = await this.#server.connect();
    try {
      await visit(client);
    } catch (error) {
      if (!(error instanceof ConnectionClosedError)) throw error;
    } finally {
      client.close();
    }
  }

  async #observe(observer: RespClient, goesOn: () => boolean, startMillis: number): Promise<void> {
    while (goesOn()) {
      await sleep(SAMPLE_MILLIS);
      const sample = await this.#sample(observer, startMillis);
      this.#samples.push(sample);
      this.#options.onSample?.(sample);
    }
  }

  async #sample(observer: RespClient, startMillis: number): Promise<SoakSample> {
    const fields = await infoFields(observer);
    const number = (name: string) => Number(fields.get(name));
    for (const [name, value] of Object.entries(HEALTHY)) assert.equal(fields.get(name), value, name);
    const countedBytes = number('used_memory') - number('mem_not_counted_for_evict');
    const isSettled = Date.now() - this.#limitChangedMillis > LIMIT_SETTLE_MILLIS;
    const limitBytes = isSettled ? this.#limitBytes : this.#emptyBytes + ROOM_BYTES[1];
    assert.ok(
      countedBytes <= limitBytes * (1 + LIMIT_EXCESS_MAX),
      `${countedBytes} bytes are used, the limit is ${limitBytes}`,
    );
    const clientCount = number('connected_clients');
    assert.ok(clientCount <= CLIENTS_LISTED_MAX, `${clientCount} clients`);
    return {
      seconds: (Date.now() - startMillis) / 1000,
      commandCount: this.#commandCount,
      keyCount: Number(/keys=(\d+)/.exec(fields.get('db0') ?? '')?.[1] ?? 0),
      evictedCount: number('evicted_keys'),
      expiredCount: number('expired_keys'),
      usedBytes: number('used_memory'),
      clientCount,
      ...this.#processFigures(),
    };
  }

  #processFigures(): Pick<SoakSample, 'residentBytes' | 'threadCount' | 'descriptorCount'> {
    const { pid } = this.#server;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
    return {
      residentBytes: number('VmRSS') * 1024,
      threadCount: number('Threads'),
      descriptorCount: descriptorCount(pid),
    };
  }

  /** All have left: the data survives both files, the structures are in order. Returns how many keys. */
  async #settleAndCheck(client: RespClient): Promise<number> {
    await waitUntil('only one client is listed', async () => {
      return (await infoFields(client)).get('connected_clients') === '1';
    });
    // Nothing may go while it is compared.
    await this.#expectOk(client, 'CONFIG', 'SET', 'maxmemory', '0');
    await this.#jobsEnd(client);
    await this.#expectOk(client, 'DEBUG', 'SET-ACTIVE-EXPIRE', '0');
    await forgetExpiries(client);
    await this.#expectOk(client, 'DEBUG', 'CHECK-INVARIANTS');
    const keyCount = Number((await client.text('DBSIZE')).slice(1));
    const digest = await client.text('DEBUG', 'DIGEST');
    for (const file of ['RELOAD', 'LOADAOF']) {
      await this.#expectOk(client, 'DEBUG', file);
      await this.#expectOk(client, 'DEBUG', 'CHECK-INVARIANTS');
      assert.equal(await client.text('DEBUG', 'DIGEST'), digest, `the data after DEBUG ${file}`);
    }
    await this.#expectOk(client, 'FLUSHALL', 'SYNC');
    await this.#jobsEnd(client);
    await this.#expectOk(client, 'DEBUG', 'CHECK-INVARIANTS');
    return keyCount;
  }

  async #jobsEnd(client: RespClient): Promise<void> {
    const zero = ['rdb_bgsave_in_progress', 'aof_rewrite_in_progress', 'aof_rewrite_scheduled'];
    await waitUntil('all jobs are done', async () => {
      const fields = await infoFields(client);
      return [...zero, 'lazyfree_pending_objects'].every((name) => fields.get(name) === '0');
    });
  }

  /** Fails when resident memory went on growing after the first half. */
  #residentGrowth(): readonly [number, number] {
    const bytes = this.#samples.map(({ residentBytes }) => residentBytes);
    const at = (share: number) => Math.floor(bytes.length * share);
    const early = median(bytes.slice(at(0.25), Math.max(at(0.5), at(0.25) + 1)));
    const late = median(bytes.slice(at(0.75)));
    const threadCount = this.#samples.at(-1)?.threadCount ?? 0;
    const growthMax = RESIDENT_GROWTH_BYTES_MAX + threadCount * RESIDENT_GROWTH_PER_THREAD_BYTES_MAX;
    assert.ok(
      late - early <= growthMax,
      `resident memory grew from ${early} to ${late} bytes between the halves`,
    );
    return [early, late];
  }

  async #expectOk(client: RespClient, ...command: string[]): Promise<void> {
    assert.equal(await client.text(...command), '+OK', command.join(' '));
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

/** Makes all keys stay: one that expires between two digests would make them differ. */
async function forgetExpiries(client: RespClient): Promise<void> {
  let cursor = '0';
  do {
    const reply = await client.command('SCAN', cursor, 'COUNT', 1000);
    assert.ok(reply.kind === 'aggregate');
    const [next, keys] = reply.items;
    assert.ok(next?.kind === 'scalar' && keys?.kind === 'aggregate');
    cursor = next.bytes.toString();
    const names = keys.items.map((key) => (key.kind === 'scalar' ? key.bytes : ''));
    await client.pipeline(names.map((name) => ['PERSIST', name]));
  } while (cursor !== '0');
}

async function usedBytes(client: RespClient): Promise<number> {
  return Number((await infoFields(client)).get('used_memory'));
}
