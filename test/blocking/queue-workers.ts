/**
 * Many clients wait for many keys while others push: each element must reach exactly one of them, and those
 * of a producer and a key that reach the same client, in the order in which they were pushed.
 */
import assert from 'node:assert/strict';
import { seededRandom } from '../../src/util/random.ts';
import { describeReply, type Argument, type RespClient } from '../support/resp-client.ts';
import { infoField } from '../support/server-info.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { waitUntil } from '../support/wait-until.ts';

export interface QueueWorkersOptions {
  readonly workerCount: number;
  readonly producerCount: number;
  readonly elementsPerProducer: number;
  readonly seed: number;
}

const KEY_COUNT = 40;
/** Keys that one worker waits for. */
const KEYS_PER_WORKER = 5;
/** Ends a worker. */
const END = 'end';
const PUSH_BATCH_MAX = 4;
/** For the first reply, too: a thread for each client takes its time to start. */
const WAIT_MILLIS_MAX = 600_000;

interface Received {
  readonly key: string;
  readonly element: string;
}

/** Throws an AssertionError when an element is lost, delivered twice or out of order. */
export async function queueWorkers(server: ServerProcess, options: QueueWorkersOptions): Promise<void> {
  const { workerCount, producerCount, elementsPerProducer, seed } = options;
  const random = seededRandom(seed);
  const pick = (count: number) => random.nextUint32() % count;
  const control = await server.connect();
  await control.command('FLUSHALL');

  const workers = await connectAll(server, workerCount);
  const received = workers.map((worker, index) => {
    // Every key has workers of its own; the others of a worker are anybody's.
    const keys = [index % KEY_COUNT, ...Array.from({ length: KEYS_PER_WORKER - 1 }, () => pick(KEY_COUNT))];
    return work(worker, index, keys.map(keyName));
  });
  await waitUntil('all workers wait', async () => {
    return (await infoField(control, 'blocked_clients')) === String(workerCount);
  });
  const producers = await connectAll(server, producerCount);
  await Promise.all(
    producers.map((producer, index) => produce(producer, index, { count: elementsPerProducer, pick })),
  );

  // What was pushed is taken by whoever waits; those who wait on are then sent home, each by its own list.
  for (let index = 0; index < workerCount; index++) await control.command('RPUSH', endName(index), END);
  const all = await Promise.all(received);
  check(all, options);
  assert.equal(describeReply(await control.command('DBSIZE')), ':0');
  for (const client of [control, ...workers, ...producers]) client.close();
}

function keyName(index: number): string {
  return `queue:${index}`;
}

function endName(worker: number): string {
  return `end:${worker}`;
}

/** Returns clients that are served: each has got a reply. */
async function connectAll(server: ServerProcess, count: number): Promise<RespClient[]> {
  const clients: RespClient[] = [];
  for (let i = 0; i < count; i++) clients.push(await server.connect());
  await Promise.all(
    clients.map(async (client) => {
      client.send('PING');
      assert.equal(describeReply(await client.readReply(WAIT_MILLIS_MAX)), '+PONG');
    }),
  );
  return clients;
}

/** Takes what comes, by any of the commands that wait, until its own last list has an element. */
async function work(client: RespClient, index: number, keys: readonly string[]): Promise<Received[]> {
  const received: Received[] = [];
  const all = [...keys, endName(index)];
  const forms: readonly Argument[][] = [
    ['BLPOP', ...all, 0],
    ['BLMPOP', 0, all.length, ...all, 'LEFT'],
  ];
  for (;;) {
    client.send(...forms[received.length % forms.length]!);
    const reply = await client.readReply(WAIT_MILLIS_MAX);
    const [key = '', element = ''] = flatTexts(describeReply(reply));
    if (element === END) return received;
    received.push({ key, element });
  }
}

/** The texts of a reply, nested or not. */
function flatTexts(described: string): string[] {
  return [...described.matchAll(/"([^"]*)"/g)].map((match) => match[1]!);
}

async function produce(
  client: RespClient,
  index: number,
  { count, pick }: { readonly count: number; readonly pick: (count: number) => number },
): Promise<void> {
  for (let done = 0; done < count;) {
    const batch = Math.min(1 + pick(PUSH_BATCH_MAX), count - done);
    const elements = Array.from({ length: batch }, (_, i) => `${index}:${done + i}`);
    const push: Argument[] = ['RPUSH', keyName(pick(KEY_COUNT)), ...elements];
    const isTransaction = pick(8) === 0;
    const commands = isTransaction ? [['MULTI'], push, ['EXEC']] : [push];
    for (const reply of await client.pipeline(commands)) assert.doesNotMatch(describeReply(reply), /^-/);
    done += batch;
  }
}

function check(all: readonly (readonly Received[])[], options: QueueWorkersOptions): void {
  const seen = new Set<string>();
  for (const received of all) {
    const last = new Map<string, number>();
    for (const { key, element } of received) {
      assert.ok(!seen.has(element), `${element} was delivered twice`);
      seen.add(element);
      const [producer = '', number = ''] = element.split(':');
      const source = `${producer} ${key}`;
      assert.ok((last.get(source) ?? -1) < Number(number), `${element} of ${key} came out of order`);
      last.set(source, Number(number));
    }
  }
  assert.equal(seen.size, options.producerCount * options.elementsPerProducer, 'elements delivered');
}
