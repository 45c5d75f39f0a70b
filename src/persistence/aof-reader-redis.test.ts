/** Files of ours under the eyes of a real Redis, and its files under ours. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { redisSkipReason, startRedis } from '../../test/support/server-process.ts';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { Request } from '../protocol/request.ts';
import {
  AofPaths,
  EMPTY_MANIFEST,
  createAofDirectory,
  loadManifest,
  nextIncrement,
  persistManifest,
  withIncrement,
} from './aof-manifest.ts';
import { AofReader, beginsWithSnapshot } from './aof-reader.ts';
import { AofWriter } from './aof-writer.ts';
import { DiskError } from './disk.ts';
import { nodeDisk } from './node-disk.ts';
import { logMemory } from '../../test/support/log-memory.ts';

const skip = redisSkipReason();
const POLL_MILLIS = 10;
const NO_BACKGROUND = { start: () => undefined, poll: () => 'done' as const };

function withDirectory(run: (paths: AofPaths) => Promise<void> | void): () => Promise<void> {
  return async () => {
    const directory = temporaryDirectory();
    try {
      await run(new AofPaths(directory.path, 'appendonlydir', 'appendonly.aof'));
    } finally {
      directory.remove();
    }
  };
}

/**
 * A multi-part file of ours with groups, transactions, databases and timestamps. Returns the path of its
 * increment.
 */
function writeOwn(paths: AofPaths): string {
  createAofDirectory(nodeDisk, paths);
  const file = nextIncrement(EMPTY_MANIFEST, paths.fileName);
  const writer = new AofWriter({
    ...logMemory(),
    disk: nodeDisk,
    background: NO_BACKGROUND,
    policy: 'always',
  });
  writer.timestampEnabled = true;
  writer.open(paths.of(file));
  persistManifest(nodeDisk, paths, withIncrement(EMPTY_MANIFEST, file));
  for (let i = 0; i < 100; i++) {
    writer.multi(i % 3);
    writer.append(
      i % 3,
      Request.of([Buffer.from('SET'), Buffer.from(`k${i}`), Buffer.from('\r\n#CRC64:x\r\n')]),
    );
    writer.append(i % 3, Request.of([Buffer.from('INCR'), Buffer.from('count')]));
    writer.exec();
    assert.equal(writer.flush(), 'written');
  }
  assert.equal(writer.close(), 'written');
  return paths.of(file);
}

async function withRedis(
  paths: AofPaths,
  args: readonly string[],
  run: (ask: (...command: string[]) => Promise<string>) => Promise<void>,
): Promise<void> {
  const server = await startRedis(['--dir', paths.dataDirectory, '--appendonly', 'yes', ...args]);
  try {
    const client = await server.connect();
    const ask = async (...command: string[]): Promise<string> => {
      const reply = await client.command(...command);
      return reply.kind === 'scalar' ? reply.bytes.toString() : reply.kind;
    };
    // Connections are accepted while it loads.
    while ((await ask('PING')).startsWith('LOADING')) await sleep(POLL_MILLIS);
    await run(ask);
    client.close();
  } finally {
    await server.stop();
  }
}

function commandsIn(path: string): { names: string[]; end: string | undefined } {
  const reader = new AofReader({ disk: nodeDisk, path });
  const names: string[] = [];
  while (reader.next())
    names.push(`${reader.request.text(0)} ${reader.request.count > 1 ? reader.request.text(1) : ''}`);
  reader.close();
  return { names, end: reader.end?.kind };
}

test(
  'a real Redis loads our annotated file, and goes on with it',
  { skip },
  withDirectory(async (paths) => {
    const path = writeOwn(paths);
    const check = spawnSync('redis-check-aof', [paths.manifest], { encoding: 'utf8' });
    assert.equal(check.status, 0, check.stdout);
    assert.match(check.stdout, /All AOF files and manifest are valid/);

    await withRedis(paths, [], async (ask) => {
      assert.equal(Number(await ask('DBSIZE')), 35);
      assert.equal(await ask('GET', 'count'), '34');
      assert.equal(await ask('GET', 'k99'), '\r\n#CRC64:x\r\n');
      await ask('SET', 'by', 'redis');
    });
    const { names, end } = commandsIn(path);
    assert.equal(end, 'complete');
    assert.deepEqual(names.slice(-2), ['SELECT 0', 'SET by']);
    assert.equal(names.filter((name) => name === 'INCR count').length, 100);
  }),
);

test(
  'a real Redis cuts a torn file of ours and goes on; so do we afterwards',
  { skip },
  withDirectory(async (paths) => {
    const path = writeOwn(paths);
    truncateSync(path, readFileSync(path).lastIndexOf('INCR'));
    await withRedis(paths, [], async (ask) => {
      await ask('SET', 'by', 'redis');
    });
    const { names, end } = commandsIn(path);
    assert.equal(end, 'complete');
    assert.deepEqual(names.slice(-2), ['SELECT 0', 'SET by']);
    assert.equal(names.filter((name) => name === 'INCR count').length, 99);
  }),
);

test(
  'a multi-part file of a real Redis',
  { skip },
  withDirectory(async (paths) => {
    await withRedis(paths, ['--aof-timestamp-enabled', 'yes', '--appendfsync', 'always'], async (ask) => {
      for (let i = 0; i < 50; i++) await ask('SET', `before${i}`, String(i));
      await ask('BGREWRITEAOF');
      for (;;) {
        const info = await ask('INFO', 'persistence');
        if (/aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info)) break;
        await sleep(POLL_MILLIS);
      }
      await ask('SELECT', '3');
      await ask('MULTI');
      await ask('SET', 'after', '1');
      await ask('LPUSH', 'list', 'a', 'b');
      await ask('EXEC');
    });
    const manifest = loadManifest(nodeDisk, paths);
    assert.equal(manifest?.base?.name, 'appendonly.aof.2.base.rdb');
    assert.deepEqual(
      manifest.increments.map(({ name }) => name),
      ['appendonly.aof.2.incr.aof'],
    );
    assert.equal(beginsWithSnapshot(nodeDisk, paths.of(manifest.base)), true);
    const { names, end } = commandsIn(paths.of(manifest.increments[0]!));
    assert.equal(end, 'complete');
    assert.deepEqual(names, ['SELECT 3', 'MULTI ', 'SET after', 'LPUSH list', 'EXEC ']);
  }),
);

test(
  'errors of the real disk',
  withDirectory((paths) => {
    const isMissing = (error: unknown): boolean => error instanceof DiskError && error.code === 'ENOENT';
    assert.throws(() => nodeDisk.open(paths.manifest, 'read'), isMissing);
    assert.throws(() => nodeDisk.unlink(paths.manifest), isMissing);
    assert.equal(nodeDisk.exists(paths.manifest), false);
    mkdirSync(paths.directory);
    assert.throws(
      () => nodeDisk.open(paths.directory, 'append'),
      (error) => error instanceof DiskError && error.reason === 'Is a directory',
    );
    persistManifest(nodeDisk, paths, withIncrement(EMPTY_MANIFEST, nextIncrement(EMPTY_MANIFEST, 'a')));
    copyFileSync(paths.manifest, join(paths.directory, 'copy'));
    assert.deepEqual(nodeDisk.list(paths.directory), ['appendonly.aof.manifest', 'copy']);
    const fd = nodeDisk.open(paths.manifest, 'update');
    assert.equal(nodeDisk.writeAt(fd, Buffer.from('FILE'), 0, 4, 0), 4);
    nodeDisk.truncate(fd, 4);
    nodeDisk.fsync(fd);
    nodeDisk.close(fd);
    assert.equal(readFileSync(paths.manifest, 'latin1'), 'FILE');
  }),
);
