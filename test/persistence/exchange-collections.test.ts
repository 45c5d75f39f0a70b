/**
 * Keys of all types cross between ours and a real Redis 7.0, both ways and key by key: by snapshot, by an
 * append-only file with either base, and by DUMP and RESTORE. And ours find them again in all of its formats.
 */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { IMPLEMENTATIONS, type Implementation } from '../support/implementations.ts';
import { directoryFor, kill, rewriteDone, saveDone, startOn } from '../support/persistent-server.ts';
import {
  RandomCollections,
  SMALL_ENCODINGS,
  assertSameKeys,
  describeKeys,
  encodingsOf,
  namesOf,
  withoutProgress,
} from '../support/random-collections.ts';
import type { Argument, RespClient } from '../support/resp-client.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { redisSkipReason } from '../support/server-process.ts';

const KEYS = 600;
const CHANGES = 2000;

const COMMON = ['--enable-debug-command', 'yes', '--enable-protected-configs', 'yes', ...SMALL_ENCODINGS];
const SNAPSHOT = ['--appendonly', 'no', ...COMMON];
const AOF = ['--appendonly', 'yes', '--auto-aof-rewrite-percentage', '0', ...COMMON];

const skip = redisSkipReason();

/** Files at one moment, and what was in them. */
interface Copy {
  readonly name: string;
  readonly directory: string;
  readonly args: readonly string[];
  readonly keys: Map<string, string>;
}

const SEED = 20_261_123;

async function writeAll(context: TestContext, implementation: Implementation): Promise<Copy[]> {
  const data = new RandomCollections(new SeededRandom(SEED));
  const directory = directoryFor(context);
  const server = await startOn(context, implementation, directory, AOF);
  const client = await server.connect();
  await data.fill(client, KEYS);
  await data.change(client, CHANGES);

  const copies: Copy[] = [];
  const keep = async (name: string, path: string, args: readonly string[]): Promise<void> => {
    const target = directoryFor(context);
    cpSync(join(directory, path), join(target, path), { recursive: true });
    copies.push({ name, directory: target, args, keys: await describeKeys(client) });
  };

  const isOurs = implementation.variant !== undefined;
  for (const fileName of isOurs ? ['dump.rdb', 'dump.json'] : ['dump.rdb']) {
    await client.command('CONFIG', 'SET', 'dbfilename', fileName);
    for (const save of isOurs ? ['BGSAVE', 'SAVE'] : ['BGSAVE']) {
      await client.command(save);
      await saveDone(client);
      await keep(`${fileName} by ${save}`, fileName, [...SNAPSHOT, '--dbfilename', fileName]);
    }
  }
  for (const preamble of ['yes', 'no']) {
    assert.equal(await client.text('CONFIG', 'SET', 'aof-use-rdb-preamble', preamble), '+OK');
    assert.match(await client.text('BGREWRITEAOF'), /started/);
    await data.change(client, CHANGES);
    await rewriteDone(client);
    await data.change(client, CHANGES);
    await keep(`AOF, aof-use-rdb-preamble ${preamble}`, 'appendonlydir', AOF);
  }
  client.close();
  await kill(server);
  return copies;
}

async function withServer<Result>(
  context: TestContext,
  implementation: Implementation,
  copy: Pick<Copy, 'directory' | 'args'>,
  action: (client: RespClient) => Promise<Result>,
): Promise<Result> {
  const server = await startOn(context, implementation, copy.directory, copy.args);
  const client = await server.connect();
  const result = await action(client);
  client.close();
  await kill(server);
  return result;
}

const OURS = IMPLEMENTATIONS.find(({ variant }) => variant !== undefined)!;
const REDIS = IMPLEMENTATIONS.find(({ variant }) => variant === undefined)!;

for (const [writer, reader] of [
  [OURS, REDIS],
  [REDIS, OURS],
] as const) {
  test(`${writer.name} wrote it, ${reader.name} loads it`, { skip }, async (context) => {
    const copies = await writeAll(context, writer);

    for (const copy of copies) {
      const isJson = copy.name.startsWith('dump.json');
      for (const implementation of isJson ? [OURS] : new Set([OURS, reader])) {
        await context.test(`${copy.name} in ${implementation.name}`, (each) =>
          withServer(each, implementation, copy, async (client) => {
            const keys = await describeKeys(client);
            if (copy.args === AOF) assertSameKeys(withoutProgress(keys), withoutProgress(copy.keys));
            else assertSameKeys(keys, copy.keys);
          }),
        );
      }
    }
    const [snapshot] = copies;
    const [ours, theirs] = [
      await withServer(context, OURS, snapshot!, encodingsOf),
      await withServer(context, REDIS, snapshot!, encodingsOf),
    ];
    assertSameKeys(ours, theirs);

    const empty = { directory: directoryFor(context), args: SNAPSHOT };
    const keys = await withServer(context, writer, snapshot!, (source) =>
      withServer(context, reader, empty, async (target) => {
        await copyByDump(source, target);
        return describeKeys(target);
      }),
    );
    assertSameKeys(keys, snapshot!.keys);
  });
}

async function copyByDump(source: RespClient, target: RespClient): Promise<void> {
  const names = await namesOf(source);
  const payloads = await source.pipeline(names.map((name) => ['DUMP', name]));
  const times = await source.pipeline(names.map((name) => ['PEXPIRETIME', name]));
  const commands = names.map((name, i): Argument[] => {
    const [payload, time] = [payloads[i], times[i]];
    assert.ok(payload?.kind === 'scalar' && time?.kind === 'scalar');
    return ['RESTORE', name, Math.max(0, Number(time.bytes)), payload.bytes, 'ABSTTL'];
  });
  for (const [i, reply] of (await target.pipeline(commands)).entries()) {
    assert.ok(reply.kind === 'scalar' && reply.tag === '+', `RESTORE of ${names[i]}`);
  }
}
