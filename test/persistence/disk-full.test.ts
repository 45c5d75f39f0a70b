/** A disk without space, under load: writers are told so, readers notice nothing, and it ends by itself. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { onEveryImplementation, forEachTransport } from '../support/implementations.ts';
import { kill, saveDone, startOn } from '../support/persistent-server.ts';
import type { RespClient } from '../support/resp-client.ts';
import { infoField } from '../support/server-info.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { waitUntil } from '../support/wait-until.ts';

const DISK_BYTES = 4 * 1024 * 1024;
/** Leaves little for others. */
const FILLER_BYTES = 3 * 1024 * 1024;
const VALUE = 'x'.repeat(1000);
const WRITERS = 8;

const EVERYSEC = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--auto-aof-rewrite-percentage', '0'];
const ALWAYS = ['--appendonly', 'yes', '--appendfsync', 'always', '--auto-aof-rewrite-percentage', '0'];
const SNAPSHOTS = ['--appendonly', 'no', '--save', '3600 1000000'];

/** A file system of a few megabytes, or undefined where it cannot be mounted: then the test is skipped. */
function smallDiskFor(context: TestContext): string | undefined {
  const directory = temporaryDirectory();
  const { path } = directory;
  const mountArgs = ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'none', path];
  const { status, stderr, error } = spawnSync('mount', mountArgs, { encoding: 'utf8' });
  context.after(() => {
    if (status === 0) spawnSync('umount', ['-l', path]);
    directory.remove();
  });
  if (status === 0) return path;
  context.skip(`a small tmpfs cannot be mounted: ${error?.message ?? stderr.trim()}`);
  return undefined;
}

/** Keys are set one after the other; those that were acknowledged are counted. */
class Writer {
  acknowledged = 0;
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  key(number: number): string {
    return `${this.#prefix}:${number}`;
  }

  /** Goes on until a write is refused; returns how. Undefined when the server is gone. */
  async writeUntilRefused(client: RespClient): Promise<string | undefined> {
    try {
      for (;;) {
        const reply = await client.text('SET', this.key(this.acknowledged + 1), VALUE);
        if (reply !== '+OK') return reply;
        this.acknowledged++;
      }
    } catch {
      return undefined;
    }
  }

  async check(client: RespClient): Promise<void> {
    if (this.acknowledged === 0) return;
    const keys = Array.from({ length: this.acknowledged }, (_, index) => this.key(index + 1));
    const found = await client.text('EXISTS', ...keys);
    assert.equal(found, `:${this.acknowledged}`);
  }
}

onEveryImplementation(
  'a full disk and everysec: refused, then as before',
  async (implementation, context) => {
    const directory = smallDiskFor(context);
    if (directory === undefined) return;
    const filler = join(directory, 'filler');
    const server = await startOn(context, implementation, directory, EVERYSEC);
    const clients = await Promise.all(Array.from({ length: WRITERS }, () => server.connect()));
    const writers = clients.map((_, index) => new Writer(`writer${index}`));
    const reader = await server.connect();
    await reader.command('SET', 'known', 'value');
    writeFileSync(filler, Buffer.alloc(FILLER_BYTES));

    const refusals = await Promise.all(
      writers.map((writer, index) => writer.writeUntilRefused(clients[index]!)),
    );

    for (const refusal of refusals) {
      assert.equal(refusal, '-MISCONF Errors writing to the AOF file: No space left on device');
    }
    assert.equal(await reader.text('GET', 'known'), '"value"');
    assert.equal(await infoField(reader, 'aof_last_write_status'), 'err');

    rmSync(filler);
    await waitUntil('writes are accepted', async () => (await reader.text('SET', 'known', 'new')) === '+OK');
    assert.equal(await infoField(reader, 'aof_last_write_status'), 'ok');
    await waitUntil('all is written', async () => (await infoField(reader, 'aof_buffer_length')) === '0');
    for (const client of [...clients, reader]) client.close();
    await kill(server);

    const second = await startOn(context, implementation, directory, EVERYSEC);
    const client = await second.connect();
    for (const writer of writers) await writer.check(client);
    assert.equal(await client.text('GET', 'known'), '"new"');
    client.close();
    await kill(second);
  },
);

onEveryImplementation(
  'a full disk and always: the server ends, nothing is lost',
  async (implementation, context) => {
    const directory = smallDiskFor(context);
    if (directory === undefined) return;
    const filler = join(directory, 'filler');
    const server = await startOn(context, implementation, directory, ALWAYS);
    const clients = await Promise.all(Array.from({ length: WRITERS }, () => server.connect()));
    const writers = clients.map((_, index) => new Writer(`writer${index}`));
    writeFileSync(filler, Buffer.alloc(FILLER_BYTES));

    const refusals = await Promise.all(
      writers.map((writer, index) => writer.writeUntilRefused(clients[index]!)),
    );

    assert.deepEqual(
      refusals,
      refusals.map(() => undefined),
    );
    assert.deepEqual(await server.exited, { code: 1, signal: null });
    assert.match(
      server.output(),
      /Can't recover from AOF write error when the AOF fsync policy is 'always'.*Exiting/,
    );
    rmSync(filler);

    const second = await startOn(context, implementation, directory, ALWAYS);
    const client = await second.connect();
    for (const writer of writers) await writer.check(client);
    client.close();
    await kill(second);
  },
);

onEveryImplementation(
  'a background save without space: refused until one succeeds',
  async (implementation, context) => {
    const directory = smallDiskFor(context);
    if (directory === undefined) return;
    const filler = join(directory, 'filler');
    const server = await startOn(context, implementation, directory, SNAPSHOTS);
    const client = await server.connect();
    // Values that do not compress.
    const random = Buffer.from(Array.from({ length: 200_000 }, () => Math.floor(Math.random() * 256)));
    for (let key = 0; key < 7; key++) await client.command('SET', `key${key}`, random);
    await client.command('SAVE');
    await client.command('SET', 'key', 'value');
    writeFileSync(filler, Buffer.alloc(2 * 1024 * 1024));

    await client.command('BGSAVE');
    await saveDone(client);

    assert.equal(await infoField(client, 'rdb_last_bgsave_status'), 'err');
    assert.match(
      await client.text('SET', 'key', 'refused'),
      /^-MISCONF Redis is configured to save RDB snapshots/,
    );
    assert.equal(await client.text('GET', 'key'), '"value"');

    rmSync(filler);
    await client.command('BGSAVE');
    await saveDone(client);

    assert.equal(await infoField(client, 'rdb_last_bgsave_status'), 'ok');
    assert.equal(await client.text('SET', 'later', 'value'), '+OK');
    client.close();
    await kill(server);
    const second = await startOn(context, implementation, directory, SNAPSHOTS);
    const other = await second.connect();
    assert.equal(await other.text('GET', 'key'), '"value"');
    assert.equal(await other.text('STRLEN', 'key6'), ':200000');
    other.close();
    await kill(second);
  },
);

forEachTransport(
  'a rewrite without space leaves the old files and their data',
  async (implementation, context) => {
    const directory = smallDiskFor(context);
    if (directory === undefined) return;
    const filler = join(directory, 'filler');
    const server = await startOn(context, implementation, directory, EVERYSEC);
    const client = await server.connect();
    const random = Buffer.from(Array.from({ length: 200_000 }, () => Math.floor(Math.random() * 256)));
    for (let key = 0; key < 7; key++) await client.command('SET', `key${key}`, random);
    await waitUntil('all is written', async () => (await infoField(client, 'aof_buffer_length')) === '0');
    writeFileSync(filler, Buffer.alloc(2 * 1024 * 1024));

    await client.command('BGREWRITEAOF');
    await waitUntil(
      'the rewrite has failed',
      async () => (await infoField(client, 'aof_last_bgrewrite_status')) === 'err',
    );

    assert.equal(await client.text('SET', 'key', 'value'), '+OK');
    await waitUntil('all is written', async () => (await infoField(client, 'aof_buffer_length')) === '0');
    client.close();
    await kill(server);
    rmSync(filler);
    const second = await startOn(context, implementation, directory, EVERYSEC);
    const other = await second.connect();
    assert.equal(await other.text('GET', 'key'), '"value"');
    assert.equal(await other.text('STRLEN', 'key6'), ':200000');
    await other.command('BGREWRITEAOF');
    await waitUntil('a rewrite is done', async () => (await infoField(other, 'aof_rewrites')) === '1');
    assert.equal(await infoField(other, 'aof_last_bgrewrite_status'), 'ok');
    other.close();
    await kill(second);
  },
);
