/** Servers whose data outlives them: several in a row, or side by side, on one directory. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { startFor, type Implementation } from './implementations.ts';
import type { RespClient } from './resp-client.ts';
import { MAIN_PATH } from '../../src/compare/servers.ts';
import { variantArgs, type ExitState, type ServerProcess } from './server-process.ts';
import { infoField } from './server-info.ts';
import { temporaryDirectory } from './temporary-directory.ts';
import { waitUntil } from './wait-until.ts';

/** Arguments for an append-only file; snapshots only when asked for. */
export const APPEND_ONLY = ['--appendonly', 'yes', '--appendfsync', 'always'];
export const DUMP_NAME = 'dump.rdb';

/** A directory that is removed when the test ends. */
export function directoryFor(context: TestContext): string {
  const directory = temporaryDirectory();
  context.after(() => directory.remove());
  return directory.path;
}

/** Starts a server on a directory and waits until its data is loaded; it is stopped when the test ends. */
export async function startOn(
  context: TestContext,
  implementation: Implementation,
  directory: string,
  args: readonly string[] = APPEND_ONLY,
): Promise<ServerProcess> {
  const server = await startFor(context, implementation, { args: argsOn(directory, args) });
  const client = await server.connect();
  await waitUntil('the data is loaded', async () => (await client.text('PING')) === '+PONG');
  client.close();
  return server;
}

/** As `startOn`, for a start that must be refused: how the server ended and what it said. */
export async function refusedStart(
  implementation: Implementation,
  directory: string,
  args: readonly string[] = APPEND_ONLY,
): Promise<ExitState & { readonly output: string }> {
  const { variant } = implementation;
  const [file, ownArgs] =
    variant === undefined
      ? ['redis-server', []]
      : [process.execPath, [MAIN_PATH, ...variantArgs(variant), ...variant.args]];
  // Nobody is to talk to it.
  const others = ['--port', '0', '--unixsocket', join(directory, 'refused.sock'), '--save', ''];
  const child = spawn(file, [...ownArgs, ...others, ...argsOn(directory, args)], { cwd: directory });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, output }));
  });
}

function argsOn(directory: string, args: readonly string[]): string[] {
  return ['--dir', directory, '--dbfilename', DUMP_NAME, ...args];
}

/** Ends a server without giving it time for anything. */
export async function kill(server: ServerProcess): Promise<void> {
  server.signal('SIGKILL');
  await server.exited;
}

/** Where the append-only file and the snapshot are. */
export function filesOf(directory: string) {
  const aof = (name: string) => join(directory, 'appendonlydir', `appendonly.aof.${name}`);
  return {
    manifest: aof('manifest'),
    increment: (sequence: number) => aof(`${sequence}.incr.aof`),
    single: join(directory, 'appendonly.aof'),
    dump: join(directory, DUMP_NAME),
    /** The manifest's lines. */
    manifestText: () => (existsSync(aof('manifest')) ? readFileSync(aof('manifest'), 'latin1') : ''),
  };
}

/** Waits for the end of a rewrite that was asked for, and of one that was scheduled meanwhile. */
export async function rewriteDone(client: RespClient): Promise<void> {
  await waitUntil('the rewrite is done', async () => {
    // In this order: between the two questions a rewrite may begin that was scheduled.
    if ((await infoField(client, 'aof_rewrite_scheduled')) === '1') return false;
    return (await infoField(client, 'aof_rewrite_in_progress')) === '0';
  });
}

export async function saveDone(client: RespClient): Promise<void> {
  await waitUntil(
    'the save is done',
    async () => (await infoField(client, 'rdb_bgsave_in_progress')) === '0',
  );
}
