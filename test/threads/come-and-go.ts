/**
 * Clients that connect, work and leave, all at once and again and again; what the server has in use when
 * nobody is left must not grow with the rounds. Linux, for the figures come from /proc.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeReply, type RespClient } from '../support/resp-client.ts';
import { descriptorCount, type ServerProcess } from '../support/server-process.ts';
import { infoField } from '../support/server-info.ts';

export interface ComeAndGoOptions {
  readonly clientCount: number;
  readonly roundCount: number;
  readonly onRound?: (line: string) => void;
}

/** What is in use while one client is connected. */
export interface Usage {
  readonly threadCount: number;
  readonly descriptorCount: number;
  readonly clientCount: number;
  readonly usedBytes: number;
  readonly residentBytes: number;
}

/** Threads that wait for clients are kept that long; a little more, for the looks are ten a second. */
const WARM_MILLIS = 11_000;
const LOOK_MILLIS = 250;
const WAIT_MILLIS_MAX = 300_000;
const WORK_COMMANDS = 20;
/** Keys are written by all and deleted in the end; what stays of tables that grew once is no leak. */
const USED_GROWTH_BYTES_MAX = 64 * 1024;

/** Returns the usage after the first round and after the last. Throws an AssertionError when it has grown. */
export async function comeAndGo(
  server: ServerProcess,
  { clientCount, roundCount, onRound }: ComeAndGoOptions,
): Promise<readonly [first: Usage, last: Usage]> {
  const control = await server.connect();
  await round(server, clientCount);
  const first = await settled(server, control);
  onRound?.(`round 1: ${JSON.stringify(first)}`);
  for (let count = 2; count <= roundCount; count++) {
    await round(server, clientCount);
    if (count % 10 === 0) onRound?.(`round ${count}: ${JSON.stringify(await usageOf(server, control))}`);
  }
  const last = await settled(server, control, first.threadCount);
  onRound?.(`round ${roundCount}: ${JSON.stringify(last)}`);
  control.close();

  const figures = `${JSON.stringify(first)} became ${JSON.stringify(last)}`;
  assert.ok(last.threadCount <= first.threadCount, `threads: ${figures}`);
  assert.ok(last.descriptorCount <= first.descriptorCount, `descriptors: ${figures}`);
  assert.ok(last.usedBytes <= first.usedBytes + USED_GROWTH_BYTES_MAX, `memory: ${figures}`);
  return [first, last];
}

/** All clients at once; the half of them leaves without a word. */
async function round(server: ServerProcess, clientCount: number): Promise<void> {
  const clients = await Promise.all(Array.from({ length: clientCount }, () => server.connect()));
  await Promise.all(
    clients.map(async (client, index) => {
      client.send('WATCH', 'shared');
      // Its thread has to start first, and so have those of the clients before it.
      assert.equal(describeReply(await client.readReply(WAIT_MILLIS_MAX)), '+OK');
      for (let count = 0; count < WORK_COMMANDS; count++)
        await client.command('SET', `key:${index}`, String(count));
      assert.equal(await client.text('DEL', `key:${index}`), ':1');
    }),
  );
  for (const [index, client] of clients.entries()) {
    if (index % 2 === 0) client.close();
    else client.socket.resetAndDestroy();
  }
}

/**
 * What is in use when the last client is gone, and the threads that are not kept: it stays the same for a
 * while, with no more threads than that unless there are always more.
 */
async function settled(server: ServerProcess, control: RespClient, threadMax = Infinity): Promise<Usage> {
  let usage = await usageOf(server, control);
  let since = Date.now();
  for (const start = since; Date.now() - start < WAIT_MILLIS_MAX;) {
    await sleep(LOOK_MILLIS);
    const next = await usageOf(server, control);
    const isSame = next.threadCount === usage.threadCount && next.descriptorCount === usage.descriptorCount;
    if (!isSame || next.clientCount !== 1) since = Date.now();
    usage = next;
    if (Date.now() - since > WARM_MILLIS && usage.threadCount <= threadMax) return usage;
  }
  assert.ok(Date.now() - since > WARM_MILLIS, `it never comes to rest: ${JSON.stringify(usage)}`);
  return usage;
}

async function usageOf({ pid }: ServerProcess, control: RespClient): Promise<Usage> {
  const field = async (name: string) => Number(await infoField(control, name));
  return {
    threadCount: readdirSync(`/proc/${pid}/task`).length,
    descriptorCount: descriptorCount(pid),
    clientCount: await field('connected_clients'),
    usedBytes: await field('used_memory'),
    residentBytes: residentBytes(pid),
  };
}

function residentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(kibibytes) * 1024;
}
