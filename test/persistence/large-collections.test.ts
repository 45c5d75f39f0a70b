/**
 * Very large collections are saved in the background, as they were at the cut, while they change. With
 * `LARGE_ELEMENTS=1000000` they are larger still, which takes longer.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { IMPLEMENTATIONS } from '../support/implementations.ts';
import { directoryFor, kill, saveDone, startOn } from '../support/persistent-server.ts';
import type { Argument, RespClient } from '../support/resp-client.ts';

/** JSON is written and read more slowly, and in pieces all the same. */
const LARGE_ELEMENTS = Number(process.env['LARGE_ELEMENTS'] ?? 300_000);
const ELEMENTS = { 'dump.rdb': LARGE_ELEMENTS, 'dump.json': 100_000 } as const;
const ELEMENTS_PER_COMMAND = 1000;
const COMMANDS_AT_ONCE = 100;
const CHANGES_AT_ONCE = 200;
const ARGS = ['--appendonly', 'no'];

type Type = 'list' | 'set' | 'hash' | 'zset' | 'stream';

interface Large {
  readonly count: readonly Argument[];
  /** The words of the element with that number, as the command that adds them wants them. */
  readonly words: (index: number) => Argument[];
  readonly add: readonly Argument[];
  /** Changes for as long as the snapshot runs; each adds one element, or takes one away. */
  readonly change: (step: number) => Argument[];
  /** Whether the element with that number is there as it was. */
  readonly look: (index: number) => Argument[];
  readonly seen: (index: number) => string;
}

const LARGE: Readonly<Record<Type, Large>> = {
  list: {
    count: ['LLEN', 'list'],
    words: (index) => [`element ${index}`],
    add: ['RPUSH', 'list'],
    change: (step) => (step % 2 === 0 ? ['LPOP', 'list'] : ['LSET', 'list', step * 37, 'changed']),
    look: (index) => ['LINDEX', 'list', index],
    seen: (index) => `"element ${index}"`,
  },
  set: {
    count: ['SCARD', 'set'],
    words: (index) => [`element ${index}`],
    add: ['SADD', 'set'],
    change: (step) => [step % 2 === 0 ? 'SREM' : 'SADD', 'set', `element ${step % 2 === 0 ? step : -step}`],
    look: (index) => ['SISMEMBER', 'set', `element ${index}`],
    seen: () => ':1',
  },
  hash: {
    count: ['HLEN', 'hash'],
    words: (index) => [`field ${index}`, `value ${index}`],
    add: ['HSET', 'hash'],
    change: (step) =>
      step % 2 === 0 ? ['HDEL', 'hash', `field ${step}`] : ['HSET', 'hash', `field ${step}`, 'changed'],
    look: (index) => ['HGET', 'hash', `field ${index}`],
    seen: (index) => `"value ${index}"`,
  },
  zset: {
    count: ['ZCARD', 'zset'],
    words: (index) => [index, `element ${index}`],
    add: ['ZADD', 'zset'],
    change: (step) =>
      step % 2 === 0 ? ['ZREM', 'zset', `element ${step}`] : ['ZADD', 'zset', -1, `element ${step}`],
    look: (index) => ['ZSCORE', 'zset', `element ${index}`],
    seen: (index) => `"${index}"`,
  },
  stream: {
    count: ['XLEN', 'stream'],
    words: (index) => [`${index + 1}-1`, 'field', `value ${index}`],
    add: ['XADD', 'stream'],
    change: (step) =>
      step % 2 === 0 ? ['XADD', 'stream', '*', 'a', 'b'] : ['XDEL', 'stream', `${step + 1}-1`],
    look: (index) => ['XRANGE', 'stream', `${index + 1}-1`, `${index + 1}-1`],
    seen: (index) => `*[*["${index + 1}-1", *["field", "value ${index}"]]]`,
  },
};

const [implementation] = IMPLEMENTATIONS;

for (const fileName of ['dump.rdb', 'dump.json'] as const) {
  for (const type of Object.keys(LARGE) as Type[]) {
    const title = `a ${type} of ${ELEMENTS[fileName]} elements during BGSAVE to ${fileName}`;
    test(title, { skip: implementation!.skip }, (context) => saveWhileChanging(context, fileName, type));
  }
}

async function saveWhileChanging(
  context: TestContext,
  fileName: keyof typeof ELEMENTS,
  type: Type,
): Promise<void> {
  const large = LARGE[type];
  const directory = directoryFor(context);
  const args = [...ARGS, '--dbfilename', fileName];
  const server = await startOn(context, implementation!, directory, args);
  const client = await server.connect();
  await fill(client, large, ELEMENTS[fileName]);

  await client.command('BGSAVE');
  let changeCount = 0;
  while (/rdb_bgsave_in_progress:1/.test(await client.text('INFO', 'persistence'))) {
    await client.pipeline(Array.from({ length: CHANGES_AT_ONCE }, () => large.change(changeCount++)));
  }
  await saveDone(client);
  context.diagnostic(`${changeCount} changes meanwhile`);
  client.close();
  await kill(server);

  const loaded = await startOn(context, implementation!, directory, args);
  const reader = await loaded.connect();
  await assertAsAtCut(reader, large, ELEMENTS[fileName]);
  reader.close();
  await kill(loaded);
}

async function fill(client: RespClient, { add, words }: Large, elements: number): Promise<void> {
  const perCommand = add[0] === 'XADD' ? 1 : ELEMENTS_PER_COMMAND;
  const perPipeline = perCommand * (perCommand === 1 ? 5000 : COMMANDS_AT_ONCE);
  for (let start = 0; start < elements; start += perPipeline) {
    const commands: Argument[][] = [];
    for (let first = start; first < Math.min(start + perPipeline, elements); first += perCommand) {
      const some = Array.from({ length: perCommand }, (_, i) => words(first + i)).flat();
      commands.push([...add, ...some]);
    }
    await client.pipeline(commands);
  }
}

async function assertAsAtCut(
  client: RespClient,
  { count, look, seen }: Large,
  elements: number,
): Promise<void> {
  assert.equal(await client.text(...count), `:${elements}`);
  for (let index = 0; index < elements; index += 997) {
    assert.equal(await client.text(...look(index)), seen(index));
  }
}
