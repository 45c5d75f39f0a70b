/**
 * Memory per key, and what becomes of it after a great deletion: whether other sizes can use the space (the
 * resident size must not pass its earlier peak) and whether it goes back to the system.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fixed, megabytes, printTable, progress } from '../../src/compare/terminal.ts';
import { CommandTemplate, fillKeys, RespConnection } from '../../src/compare/resp.ts';
import { readInfo, type RunningServer, type Variant, withServer } from '../../src/compare/servers.ts';

const SMALL_VALUE_BYTES = 3;
const DELETED_SHARE = 0.9;
const REFILL_STEP_KEYS = 20_000;
/** Sizes other than those deleted, each for an equal part of the space. */
const REFILL_VALUE_BYTES = [100, 1000] as const;
/** Stop short of the earlier amount: the last step must not be what passes the peak. */
const REFILL_SHARE = 0.98;

const DELETIONS = ['random', 'contiguous'] as const;
type Deletion = (typeof DELETIONS)[number];

export interface MemoryOptions {
  readonly servers: readonly Variant[];
  readonly keysCount: number;
  readonly churnKeysCount: number;
  /** Wait after a deletion, for whatever the server does in the background. */
  readonly settleMillis: number;
}

/** What the server says of itself, and what the system says of it. */
interface Reading {
  readonly usedBytes: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
}

interface PerKey {
  readonly server: Variant;
  readonly usedBytesPerKey: number;
  readonly residentBytesPerKey: number;
}

interface Churn {
  readonly server: Variant;
  readonly deletion: Deletion;
  readonly loaded: Reading;
  readonly deleted: Reading;
  readonly refilled: Reading;
}

export async function runMemory(options: MemoryOptions): Promise<{ perKey: PerKey[]; churn: Churn[] }> {
  const perKey: PerKey[] = [];
  const churn: Churn[] = [];
  for (const server of options.servers) perKey.push(await measurePerKey(server, options));
  for (const deletion of DELETIONS) {
    for (const server of options.servers) churn.push(await measureChurn(server, deletion, options));
  }
  progress('');

  printPerKey(perKey, options);
  printChurn(churn, options);
  return { perKey, churn };
}

async function measurePerKey(variant: Variant, { keysCount }: MemoryOptions): Promise<PerKey> {
  progress(`${variant}: ${keysCount} keys`);
  return withServer(variant, {}, async (server) => {
    const connection = await RespConnection.open(server.port);
    const before = await read(server, connection);
    await fillKeys(connection, { count: keysCount, valueBytes: SMALL_VALUE_BYTES });
    const after = await read(server, connection);
    connection.close();
    return {
      server: variant,
      usedBytesPerKey: (after.usedBytes - before.usedBytes) / keysCount,
      residentBytesPerKey: (after.residentBytes - before.residentBytes) / keysCount,
    };
  });
}

async function measureChurn(variant: Variant, deletion: Deletion, options: MemoryOptions): Promise<Churn> {
  const count = options.churnKeysCount;
  return withServer(variant, {}, async (server) => {
    const connection = await RespConnection.open(server.port);
    progress(`${variant}: loading ${count} keys`);
    await fillKeys(connection, { count, valueBytes: SMALL_VALUE_BYTES });
    const loaded = await read(server, connection);

    progress(`${variant}: deleting, ${deletion}`);
    await deleteMost(connection, count, deletion);
    await sleep(options.settleMillis);
    const deleted = await read(server, connection);

    progress(`${variant}: writing other sizes`);
    await refill(server, connection, {
      from: deleted.usedBytes,
      to: loaded.usedBytes * REFILL_SHARE,
      firstIndex: count,
    });
    const refilled = await read(server, connection);
    connection.close();
    return { server: variant, deletion, loaded, deleted, refilled };
  });
}

async function deleteMost(connection: RespConnection, keysCount: number, deletion: Deletion): Promise<void> {
  const order = Uint32Array.from({ length: keysCount }, (_, index) => index);
  if (deletion === 'random') shuffle(order);
  const template = new CommandTemplate('DEL');
  await connection.pipeline(keysCount * DELETED_SHARE, template.byteLength, (into, offset, index) =>
    template.write(into, offset, order[index] ?? 0),
  );
}

/** Fisher and Yates. */
function shuffle(values: Uint32Array): void {
  for (let last = values.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    const moved = values[last] ?? 0;
    values[last] = values[other] ?? 0;
    values[other] = moved;
  }
}

/** Adds keys until the server counts `to` bytes in use, an equal part for each value size. */
async function refill(
  server: RunningServer,
  connection: RespConnection,
  range: { readonly from: number; readonly to: number; readonly firstIndex: number },
): Promise<void> {
  let firstIndex = range.firstIndex;
  for (const [index, valueBytes] of REFILL_VALUE_BYTES.entries()) {
    const until = range.from + ((range.to - range.from) * (index + 1)) / REFILL_VALUE_BYTES.length;
    for (;;) {
      const missing = until - (await read(server, connection)).usedBytes;
      const count = Math.min(REFILL_STEP_KEYS, Math.floor(missing / (valueBytes + 100)));
      if (count < 1) break;
      await fillKeys(connection, { count, valueBytes, firstIndex });
      firstIndex += count;
    }
  }
}

async function read(server: RunningServer, connection: RespConnection): Promise<Reading> {
  const info = await readInfo(connection, 'memory');
  const resident = server.residentBytes();
  return {
    usedBytes: Number(info.get('used_memory')),
    residentBytes: resident.now,
    peakBytes: resident.peak,
  };
}

function printPerKey(figures: readonly PerKey[], { keysCount }: MemoryOptions): void {
  const rows = figures.map(({ server, usedBytesPerKey, residentBytesPerKey }) => ({
    server,
    'used_memory B/key': fixed(usedBytesPerKey, 1),
    'RSS B/key': fixed(residentBytesPerKey, 1),
    'RSS / used': fixed(residentBytesPerKey / usedBytesPerKey, 2),
  }));
  printTable(`Memory per key: ${keysCount} keys of 16 bytes with values of ${SMALL_VALUE_BYTES}`, rows);
}

function printChurn(figures: readonly Churn[], { churnKeysCount }: MemoryOptions): void {
  const rows = figures.map(({ server, deletion, loaded, deleted, refilled }) => ({
    server,
    deleted: deletion,
    'used loaded MB': megabytes(loaded.usedBytes),
    'RSS loaded': megabytes(loaded.residentBytes),
    'used deleted': megabytes(deleted.usedBytes),
    'RSS deleted': megabytes(deleted.residentBytes),
    'used refilled': megabytes(refilled.usedBytes),
    'RSS refilled': megabytes(refilled.residentBytes),
    'RSS peak before': megabytes(deleted.peakBytes),
    'RSS peak after': megabytes(refilled.peakBytes),
    'peak growth': fixed(refilled.peakBytes / deleted.peakBytes, 3),
  }));
  const share = Math.round(DELETED_SHARE * 100);
  const sizes = REFILL_VALUE_BYTES.join(' and ');
  const title = `${churnKeysCount} keys, ${share} % deleted, then values of ${sizes} bytes`;
  printTable(`${title} until as much is in use as before`, rows);
}
