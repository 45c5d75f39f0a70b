/** Whether data is the same after it was saved and loaded, in every format. Only our server has all of them. */
import assert from 'node:assert/strict';
import { describeReply, type Argument, type Reply, type RespClient } from './resp-client.ts';

/** What our server needs to be started with. */
export const RELOAD_ARGS = ['--appendonly', 'yes', '--enable-protected-configs', 'yes'];

/** Keys that expire sooner are left out: they may be gone before they are compared. */
const LIFE_MILLIS_MIN = 60_000;
const SCAN_COUNT = 100_000;
/** For PEXPIRETIME and PTTL: it has none. */
const NEVER = -1;

export type ReloadWay = 'RDB' | 'JSON' | 'AOF';

const COMMANDS: Record<ReloadWay, readonly Argument[][]> = {
  RDB: [
    ['CONFIG', 'SET', 'dbfilename', 'dump.rdb'],
    ['DEBUG', 'RELOAD'],
  ],
  JSON: [
    ['CONFIG', 'SET', 'dbfilename', 'dump.json'],
    ['DEBUG', 'RELOAD'],
  ],
  AOF: [['DEBUG', 'LOADAOF']],
};

/** Compares the digest and the expiry times of all databases. What expires within a minute is deleted first. */
export async function assertSurvivesReload(client: RespClient, ways: readonly ReloadWay[]): Promise<void> {
  const look = await lookAtLongLived(client);
  if (look === undefined) return;
  const fileName = textOf(itemsOf(await client.command('CONFIG', 'GET', 'dbfilename'))[1]);
  const replies = await client.pipeline([...look, ...ways.flatMap((way) => [...COMMANDS[way], ...look])]);
  const before = replies.splice(0, look.length).map(describeReply);
  for (const way of ways) {
    const outcomes = replies.splice(0, COMMANDS[way].length).map(describeReply);
    assert.ok(
      outcomes.every((outcome) => outcome === '+OK'),
      `${way}: ${outcomes.join(', ')}`,
    );
    const found: string[] = replies.splice(0, look.length).map(describeReply);
    assert.deepEqual(found, before, `the data after a reload from ${way}`);
  }
  await client.command('CONFIG', 'SET', 'dbfilename', fileName);
}

/** Commands that show all data; undefined if there is none. */
async function lookAtLongLived(client: RespClient): Promise<Argument[][] | undefined> {
  const info = textOf(await client.command('INFO', 'keyspace'));
  const look: Argument[][] = [['DEBUG', 'DIGEST']];
  for (const [, index = ''] of info.matchAll(/^db(\d+):/gm)) {
    look.push(['SELECT', index]);
    for (const key of await longLivedKeys(client, index)) look.push(['PEXPIRETIME', key]);
  }
  return look.length === 1 ? undefined : look;
}

async function longLivedKeys(client: RespClient, database: string): Promise<Buffer[]> {
  const [, scan] = await client.pipeline([
    ['SELECT', database],
    ['SCAN', '0', 'COUNT', SCAN_COUNT],
  ]);
  const keys = itemsOf(itemsOf(scan!)[1]!).map((key) =>
    key.kind === 'scalar' ? key.bytes : Buffer.alloc(0),
  );
  const lives = (await client.pipeline(keys.map((key) => ['PTTL', key]))).map((reply) =>
    Number(textOf(reply)),
  );
  const isShort = (index: number) => lives[index]! !== NEVER && lives[index]! < LIFE_MILLIS_MIN;
  const shortLived = keys.filter((_, index) => isShort(index));
  if (shortLived.length > 0) await client.command('DEL', ...shortLived);
  return keys.filter((_, index) => !isShort(index));
}

function itemsOf(reply: Reply): readonly Reply[] {
  return reply.kind === 'aggregate' ? reply.items : [];
}

function textOf(reply: Reply | undefined): string {
  return reply?.kind === 'scalar' ? reply.bytes.toString('latin1') : '';
}
