/** What is measured: the tests of redis-benchmark, and commands of our own with what they need. */
import { encodeCommand, type RespConnection } from '../src/compare/resp.ts';

/** Elements that one command of `fill` adds. */
const FILL_BATCH = 100;
const LARGE_SET_MEMBERS = 1_000_000;

/** As redis-benchmark has it: replaced by twelve random digits. */
const RANDOM = '__rand_int__';

export interface BenchTest {
  /** The command, where redis-benchmark has no test of that name. */
  readonly command?: readonly string[];
  /** Random numbers are drawn from this many, where that is not the number of keys. */
  readonly randomCount?: number;
  /** Makes the data that the test needs, for that many requests. */
  readonly prepare?: (connection: RespConnection, requestsCount: number) => Promise<void>;
}

const fillList = async (connection: RespConnection, count: number) =>
  fill(connection, { name: 'RPUSH', key: 'mylist', count, element: (index) => [`element:${index}`] });
const fillSet = async (connection: RespConnection, count: number) =>
  fill(connection, { name: 'SADD', key: 'myset', count, element: (index) => [`element:${digits(index)}`] });
const fillSortedSet = async (connection: RespConnection, count: number) =>
  fill(connection, {
    name: 'ZADD',
    key: 'myzset',
    count,
    element: (index) => [String(index), `element:${digits(index)}`],
  });
const fillLargeSet = async (connection: RespConnection) =>
  fill(connection, {
    name: 'ZADD',
    key: 'large',
    count: LARGE_SET_MEMBERS,
    // In no order of the scores: as a leaderboard comes about.
    element: (index) => [String((index * 7919) % LARGE_SET_MEMBERS), `member:${digits(index)}`],
  });

/** Tests by name; an empty row is one of redis-benchmark that needs nothing. */
export const TESTS = {
  get: {},
  set: {},
  incr: {},
  mset: {},
  lpush: {},
  rpush: {},
  lpop: { prepare: fillList },
  rpop: { prepare: fillList },
  sadd: {},
  hset: {},
  spop: { prepare: fillSet },
  zadd: {},
  zpopmin: { prepare: fillSortedSet },
  ping_mbulk: {},
  ping_inline: {},
  xadd: { command: ['XADD', 'mystream', 'MAXLEN', '~', '100000', '*', 'field', `value:${RANDOM}`] },
  lrange_100: {
    command: ['LRANGE', 'hundred:list', '0', '99'],
    prepare: async (connection) =>
      fill(connection, {
        name: 'RPUSH',
        key: 'hundred:list',
        count: 100,
        element: (index) => [`element:${index}`],
      }),
  },
  zrange_100: {
    command: ['ZRANGE', 'hundred:zset', '0', '99'],
    prepare: async (connection) =>
      fill(connection, {
        name: 'ZADD',
        key: 'hundred:zset',
        count: 100,
        element: (index) => [String(index), `member:${index}`],
      }),
  },
  hgetall_50: {
    command: ['HGETALL', 'fifty:hash'],
    prepare: async (connection) =>
      fill(connection, {
        name: 'HSET',
        key: 'fifty:hash',
        count: 50,
        element: (index) => [`field:${index}`, 'value'],
      }),
  },
  zadd_1m: {
    command: ['ZADD', 'large', RANDOM, `member:${RANDOM}`],
    randomCount: LARGE_SET_MEMBERS,
    prepare: fillLargeSet,
  },
  zrank_1m: {
    command: ['ZRANK', 'large', `member:${RANDOM}`],
    randomCount: LARGE_SET_MEMBERS,
    prepare: fillLargeSet,
  },
  zrange_1m: {
    command: ['ZRANGE', 'large', RANDOM, '+inf', 'BYSCORE', 'LIMIT', '0', '10'],
    randomCount: LARGE_SET_MEMBERS,
    prepare: fillLargeSet,
  },
} as const satisfies Readonly<Record<string, BenchTest>>;

export type TestName = keyof typeof TESTS;

export const TEST_NAMES = Object.keys(TESTS) as TestName[];

export function benchTest(name: TestName): BenchTest {
  return TESTS[name];
}

/** The digits that redis-benchmark puts in the place of `__rand_int__`. */
function digits(index: number): string {
  return String(index).padStart(12, '0');
}

interface Filling {
  readonly name: string;
  readonly key: string;
  readonly count: number;
  readonly element: (index: number) => readonly string[];
}

/** Makes a key anew, with that many elements. */
export async function fill(
  connection: RespConnection,
  { name, key, count, element }: Filling,
): Promise<void> {
  await connection.command('DEL', key);
  const commands: Buffer[] = [];
  for (let start = 0; start < count; start += FILL_BATCH) {
    const size = Math.min(FILL_BATCH, count - start);
    const elements = Array.from({ length: size }, (_, i) => element(start + i)).flat();
    commands.push(encodeCommand([name, key, ...elements]));
  }
  const largest = Math.max(...commands.map(({ length }) => length));
  await connection.pipeline(commands.length, largest, (into, offset, index) => {
    const command = commands[index]!;
    return offset + command.copy(into, offset);
  });
}
