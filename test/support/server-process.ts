/** Starts and stops servers as processes of their own: ours, and a real Redis to hold it against. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAIN_PATH } from '../../src/compare/servers.ts';
import { freePort } from './free-port.ts';
import { RespClient, type Address } from './resp-client.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** How our server does socket work: its own epoll loop over FFI, or Node's. */
export type Transport = 'epoll' | 'node';

export interface ServerOptions {
  readonly io?: Transport;
  readonly mode?: 'eventloop' | 'threaded';
  /** Further command line arguments, after ours. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Listen on a Unix socket in the server's directory, and on no TCP port. */
  readonly unixSocket?: boolean;
}

/** What a process that has ended left. */
export interface ExitState {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running server. `stop` is safe to call twice. */
export interface ServerProcess {
  readonly name: string;
  readonly pid: number;
  /** 0 when it listens on a Unix socket only. */
  readonly port: number;
  readonly address: Address;
  readonly directory: string;
  /** Standard output and standard error together, so far. */
  output(): string;
  connect(): Promise<RespClient>;
  /** Resolves when the process has ended by itself or by a signal. */
  readonly exited: Promise<ExitState>;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, SIGKILL if that is not heeded; removes the directory. */
  stop(): Promise<ExitState>;
}

const START_WAIT_MILLIS_MAX = 15_000;
const STOP_WAIT_MILLIS_MAX = 10_000;
const POLL_MILLIS = 10;

/** The transports that work on this machine; epoll needs Linux and the optional FFI package. */
export function availableTransports(): Transport[] {
  return epollUnavailableReason() === undefined ? ['epoll', 'node'] : ['node'];
}

/** Why the epoll transport cannot run here, or undefined if it can. */
export function epollUnavailableReason(): string | undefined {
  if (process.platform !== 'linux') return `epoll needs Linux, this is ${process.platform}`;
  try {
    createRequire(import.meta.url).resolve('koffi');
    return undefined;
  } catch {
    return 'the optional package koffi is not installed';
  }
}

/** The command line of a kind of our server. */
export function variantArgs({ io, mode }: Required<Pick<ServerOptions, 'io' | 'mode'>>): string[] {
  return [`--io=${io}`, `--mode=${mode}`];
}

/** Starts our server and waits until it accepts connections. */
export async function startServer(options: ServerOptions = {}): Promise<ServerProcess> {
  const { io = 'node', mode = 'eventloop', args = [], env = {}, unixSocket = false } = options;
  return start({
    name: `${mode} on ${io}`,
    file: process.execPath,
    fileArgs: [MAIN_PATH],
    args: [...variantArgs({ io, mode }), ...args],
    env,
    unixSocket,
  });
}

/** Starts a real redis-server without persistence and waits until it accepts connections. */
export async function startRedis(args: readonly string[] = [], unixSocket = false): Promise<ServerProcess> {
  return start({ name: 'redis', file: 'redis-server', fileArgs: [], args, env: {}, unixSocket });
}

let redisVersion: string | undefined;

/** The version of the installed redis-server, or an empty string. */
export function installedRedisVersion(): string {
  if (redisVersion === undefined) {
    const result = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
    redisVersion = /v=([\d.]+)/.exec(result.stdout ?? '')?.[1] ?? '';
  }
  return redisVersion;
}

/** Whether a real Redis of the version that we follow is installed. */
export function redisAvailable(): boolean {
  return installedRedisVersion().startsWith('7.0.');
}

/**
 * For `skip` of a test that needs the real Redis: false, or the reason. CI sets REQUIRE_REDIS and never
 * skips.
 */
export function redisSkipReason(): string | false {
  if (redisAvailable()) return false;
  if (process.env['REQUIRE_REDIS'])
    throw new Error('REQUIRE_REDIS is set and no redis-server 7.0 is installed');
  return `no redis-server 7.0 installed (found: ${installedRedisVersion() || 'none'})`;
}

/** How many descriptors a process of ours has open (Linux). */
export function descriptorCount(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

interface StartOptions {
  readonly name: string;
  readonly file: string;
  readonly fileArgs: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly unixSocket: boolean;
}

/** A port found free may be taken before the server binds it; another is tried then. */
async function start(options: StartOptions): Promise<ServerProcess> {
  for (let triesLeft = 3; ; triesLeft -= 1) {
    const server = await startOnce(options);
    try {
      await waitUntilAccepting(server);
      return server;
    } catch (error) {
      await server.stop();
      if (triesLeft <= 1 || !/address already in use|EADDRINUSE/i.test(server.output())) throw error;
    }
  }
}

async function startOnce(options: StartOptions): Promise<ServerProcess> {
  const directory = temporaryDirectory();
  const port = options.unixSocket ? 0 : await freePort();
  const path = join(directory.path, 'server.sock');
  const withoutPersistence = ['--save', '', '--appendonly', 'no'];
  const args = [
    ...options.fileArgs,
    '--port',
    String(port),
    '--dir',
    directory.path,
    ...withoutPersistence,
    ...(options.unixSocket ? ['--unixsocket', path] : ['--bind', '127.0.0.1']),
    ...options.args,
  ];
  const child = spawn(options.file, args, {
    cwd: directory.path,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const address = options.unixSocket ? { path } : { port };
  return wrapProcess(child, { name: options.name, port, address, directory });
}

/** A test that dies must leave neither its servers nor their files behind. */
const killOnExit = new Set<() => void>();
process.once('exit', () => {
  for (const killNow of killOnExit) killNow();
});

interface ProcessPlace {
  readonly name: string;
  readonly port: number;
  readonly address: Address;
  readonly directory: { readonly path: string; remove(): void };
}

function wrapProcess(child: ChildProcess, place: ProcessPlace): ServerProcess {
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const exited = new Promise<ExitState>((resolve) => {
    child.once('error', (error) => {
      output += `\n${error.message}\n`;
      resolve({ code: null, signal: null });
    });
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const killNow = () => {
    child.kill('SIGKILL');
    place.directory.remove();
  };
  killOnExit.add(killNow);
  void exited.then(() => killOnExit.delete(killNow));

  return {
    name: place.name,
    pid: child.pid ?? 0,
    port: place.port,
    address: place.address,
    directory: place.directory.path,
    output: () => output,
    connect: () => RespClient.connect(place.address),
    exited,
    signal: (name) => void child.kill(name),
    stop: async () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WAIT_MILLIS_MAX);
      const state = await exited;
      clearTimeout(timer);
      place.directory.remove();
      return state;
    },
  };
}

async function waitUntilAccepting(server: ServerProcess): Promise<void> {
  let ended: ExitState | undefined;
  void server.exited.then((state) => (ended = state));
  const deadline = Date.now() + START_WAIT_MILLIS_MAX;
  while (Date.now() < deadline) {
    if (ended !== undefined) throw new Error(`${server.name} ended with ${ended.code}:\n${server.output()}`);
    if (await accepts(server.address)) return;
    await sleep(POLL_MILLIS);
  }
  throw new Error(`${server.name} did not accept connections:\n${server.output()}`);
}

/**
 * Whether a connection is served; it is over for the server too when this returns, and not in its list of
 * clients.
 */
async function accepts(address: Address): Promise<boolean> {
  if ('path' in address && !existsSync(address.path)) return false;
  const client = await RespClient.connect(address).catch(() => undefined);
  if (client === undefined) return false;
  client.write('QUIT\r\n');
  await client.readUntilClose(START_WAIT_MILLIS_MAX);
  client.close();
  return true;
}
