/**
 * Memory of collections: the same content on every server, by what the server says it uses; and how much of
 * it is left in holes when most elements of large collections are deleted.
 */
import { fixed, megabytes, printTable, progress } from '../../src/compare/terminal.ts';
import { encodeCommand, RespConnection } from '../../src/compare/resp.ts';
import { readInfo, type Variant, withServer } from '../../src/compare/servers.ts';

export interface CollectionsOptions {
  readonly servers: readonly Variant[];
  /** Elements in all for each kind of content. */
  readonly elementCount: number;
}

interface Content {
  readonly name: string;
  /** Elements of one key. */
  readonly size: number;
  /** The command that adds elements, up to the key and behind it. */
  readonly command: (key: string) => readonly string[];
  readonly element: (index: number) => readonly string[];
  /** One element per command. */
  readonly isSingle?: boolean;
}

interface Figure {
  readonly content: string;
  readonly server: Variant;
  readonly bytesPerKey: number;
}

/** Of a large hash whose fields are deleted: all but every tenth. */
interface Holes {
  readonly server: Variant;
  readonly usedBefore: number;
  readonly usedAfter: number;
  /** What the allocator keeps for it, holes included. */
  readonly activeAfter: number;
}

const BATCH = 100;
const LARGE_HASH_FIELDS = 5000;
/** Values of so many bytes and up to as many more: fields of different sizes lie side by side. */
const VALUE_BYTES_MIN = 10;
const VALUE_BYTES_SPREAD = 120;
const KEPT_EVERY = 10;
const MILLION = 1_000_000;

const hashOf = (index: number) => (index * 2_654_435_761) % 2 ** 32;

const CONTENTS: readonly Content[] = [
  {
    name: 'hash of 5 fields',
    size: 5,
    command: (key) => ['HSET', key],
    element: (index) => [`field${index}`, `value${index}`],
  },
  {
    name: 'list of 100',
    size: 100,
    command: (key) => ['RPUSH', key],
    element: (index) => [`element:${index}`],
  },
  {
    name: 'set of 100 integers',
    size: 100,
    command: (key) => ['SADD', key],
    element: (index) => [String(hashOf(index) % MILLION)],
  },
  {
    name: 'sorted set of 100',
    size: 100,
    command: (key) => ['ZADD', key],
    element: (index) => [String(hashOf(index) % MILLION), `member:${index}`],
  },
  {
    name: 'sorted set of 1,000,000',
    size: MILLION,
    command: (key) => ['ZADD', key],
    element: (index) => [String(hashOf(index)), `member:${String(index).padStart(9, '0')}`],
  },
  {
    name: 'stream of 10,000',
    size: 10_000,
    command: (key) => ['XADD', key, '*'],
    element: (index) => ['sensor', String(index % 100), 'value', String(hashOf(index) % 1000)],
    isSingle: true,
  },
];

/** One field of `KEPT_EVERY`, whatever the size of its value. */
const isKept = (index: number) => (hashOf(index) >>> 20) % KEPT_EVERY === 0;

export async function runCollections({
  servers,
  elementCount,
}: CollectionsOptions): Promise<{ figures: Figure[]; holes: Holes[] }> {
  const figures: Figure[] = [];
  for (const content of CONTENTS) {
    const keyCount = Math.max(1, Math.floor(elementCount / content.size));
    for (const server of servers) {
      progress(`${server}: ${keyCount} x ${content.name}`);
      const bytes = await withServer(server, {}, async ({ port }) => measure(port, content, keyCount));
      figures.push({ content: content.name, server, bytesPerKey: bytes / keyCount });
    }
  }
  const holes: Holes[] = [];
  for (const server of servers) {
    progress(`${server}: fields of large hashes are deleted`);
    holes.push(await withServer(server, {}, async ({ port }) => measureHoles(server, port, elementCount)));
  }
  progress('');
  print(figures);
  printHoles(holes);
  return { figures, holes };
}

async function measure(port: number, content: Content, keyCount: number): Promise<number> {
  const connection = await RespConnection.open(port);
  const used = async () => Number((await readInfo(connection, 'memory')).get('used_memory'));
  const before = await used();
  const batch = content.isSingle === true ? 1 : BATCH;
  for (let key = 0; key < keyCount; key++) {
    const commands: Buffer[] = [];
    for (let start = 0; start < content.size; start += batch) {
      const count = Math.min(batch, content.size - start);
      const elements = Array.from({ length: count }, (_, i) => content.element(start + i)).flat();
      commands.push(encodeCommand([...content.command(`key:${key}`), ...elements]));
    }
    await send(connection, commands);
  }
  const after = await used();
  connection.close();
  return after - before;
}

async function send(connection: RespConnection, commands: readonly Buffer[]): Promise<void> {
  const largest = Math.max(...commands.map(({ length }) => length));
  await connection.pipeline(commands.length, largest, (into, offset, index) => {
    return offset + commands[index]!.copy(into, offset);
  });
}

async function measureHoles(server: Variant, port: number, fieldCount: number): Promise<Holes> {
  const connection = await RespConnection.open(port);
  const read = async (name: string) => Number((await readInfo(connection, 'memory')).get(name));
  const before = await read('used_memory');
  const fields = Array.from({ length: LARGE_HASH_FIELDS }, (_, index) => index);
  const batches = Array.from({ length: LARGE_HASH_FIELDS / BATCH }, (_, batch) =>
    fields.slice(batch * BATCH, (batch + 1) * BATCH),
  );
  const forEachHash = async (command: (key: string, batch: readonly number[]) => readonly string[]) => {
    for (let hash = 0; hash < Math.max(1, fieldCount / LARGE_HASH_FIELDS); hash++)
      await send(
        connection,
        batches.map((batch) => encodeCommand(command(`hash:${hash}`, batch))),
      );
  };

  await forEachHash((key, batch) => [
    'HSET',
    key,
    ...batch.flatMap((index) => [
      `field:${index}`,
      'x'.repeat(VALUE_BYTES_MIN + (hashOf(index) % VALUE_BYTES_SPREAD)),
    ]),
  ]);
  const usedBefore = (await read('used_memory')) - before;
  await forEachHash((key, batch) => [
    'HDEL',
    key,
    ...batch.filter((index) => !isKept(index)).map((index) => `field:${index}`),
  ]);
  const usedAfter = (await read('used_memory')) - before;
  const activeAfter = await read('allocator_active');
  connection.close();
  return { server, usedBefore, usedAfter, activeAfter };
}

function printHoles(holes: readonly Holes[]): void {
  const rows = holes.map(({ server, usedBefore, usedAfter, activeAfter }) => ({
    server,
    'used MB': megabytes(usedBefore),
    'used after': megabytes(usedAfter),
    'kept after': megabytes(activeAfter),
    'of what was used %': fixed((activeAfter / usedBefore) * 100, 0),
  }));
  printTable(`Hashes of ${LARGE_HASH_FIELDS} fields, nine of ten deleted: what the holes keep`, rows);
}

function print(figures: readonly Figure[]): void {
  const rows = figures.map(({ content, server, bytesPerKey }) => {
    const baseline = figures.find((other) => other.content === content && other.server === 'redis');
    return {
      content,
      server,
      'bytes per key': fixed(bytesPerKey, 0),
      ratio: baseline === undefined ? '' : fixed(bytesPerKey / baseline.bytesPerKey, 2),
    };
  });
  printTable('Memory of collections (ratios: to Redis)', rows);
}
