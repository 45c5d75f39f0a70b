/** Servers under measurement: start, stop, and what the kernel knows about them. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RespConnection } from './resp.ts';

/** The program of which this file is a part, by the package's own name; it is run here, not imported. */
export const MAIN_PATH = join(dirname(createRequire(import.meta.url).resolve('redis-clone-ts')), 'main.js');
const START_MILLIS_MAX = 30_000;
const STOP_MILLIS_MAX = 10_000;
const POLL_MILLIS = 1;
const CLOCK_TICKS_PER_SECOND = 100;

/** Command line before the options that every server shares. */
const VARIANTS = {
  eventloop: [process.execPath, MAIN_PATH, '--mode=eventloop'],
  epoll: [process.execPath, MAIN_PATH, '--io=epoll'],
  node: [process.execPath, MAIN_PATH, '--io=node'],
  threaded: [process.execPath, MAIN_PATH, '--mode=threaded'],
  pool: [process.execPath, MAIN_PATH, '--mode=threaded', '--threads=2'],
  redis: ['redis-server'],
} as const;

/** Loopback only; protected mode would take 127.0.1.1 and its like for strangers. Nothing is saved. */
const SHARED_OPTIONS = ['--bind', '127.0.0.1', '--protected-mode', 'no', '--save', '', '--appendonly', 'no'];

export type Variant = keyof typeof VARIANTS;

export const VARIANT_NAMES = Object.keys(VARIANTS) as readonly Variant[];

export function isVariant(name: string): name is Variant {
  return Object.hasOwn(VARIANTS, name);
}

export interface StartOptions {
  /** Limit on open descriptors, raised before the server starts; the shell's own by default. */
  readonly openFilesMax?: number;
  /** More options for the server's command line, the same for all. */
  readonly extra?: readonly string[];
}

/** A server that has not come up; `reason` is the last line it printed, without paths of this machine. */
export class StartFailure extends Error {
  readonly reason: string;

  constructor(variant: Variant, { output, directory }: StartedProcess) {
    const text = output.text.replaceAll(directory, 'its directory').trim();
    super(`${variant} does not start:\n${text}`);
    // Less what opens a line of the log: `123:M 01 Jan 2026 00:00:00.000 # `.
    this.reason = (text.split('\n').at(-1) ?? '').replace(/^\d+:[A-Z] .*? [.*#-] /, '');
  }
}

/** The options that tell a variant from the others. */
export function variantOptions(variant: Variant): string {
  return VARIANTS[variant].filter((word) => word.startsWith('--')).join(' ');
}

/** Version of a program that answers `--version`, or undefined when it is not installed. */
export function installedVersion(program: string): string | undefined {
  try {
    return execFileSync(program, ['--version'], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

/** Everything a figure depends on besides the code. */
export function describeMachine(): Record<string, string> {
  const model = /model name\s*:\s*(.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown';
  return {
    node: process.version,
    redis: installedVersion('redis-server') ?? 'not installed',
    cpu: model,
    kernel: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
  };
}

const running = new Set<RunningServer>();

/** However this process ends, no server and no directory stays behind. */
export function stopServersWithProcess(): void {
  process.on('exit', () => {
    for (const server of running) server.abandon();
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
}

export class RunningServer {
  readonly name: string;
  readonly variant: Variant;
  readonly port: number;
  readonly pid: number;
  /** From spawn to the first PONG. */
  readonly startMillis: number;
  readonly #child: ChildProcess;
  readonly #directory: string;

  private constructor(name: string, variant: Variant, parts: StartedProcess, startMillis: number) {
    this.name = name;
    this.variant = variant;
    this.port = parts.port;
    this.pid = parts.child.pid ?? 0;
    this.startMillis = startMillis;
    this.#child = parts.child;
    this.#directory = parts.directory;
    running.add(this);
  }

  static async start(
    variant: Variant,
    name: string = variant,
    options: StartOptions = {},
  ): Promise<RunningServer> {
    const port = await freePort();
    const begin = performance.now();
    const started = spawnServer(variant, port, options);
    try {
      await firstPong(variant, started, begin);
    } catch (error) {
      started.child.kill('SIGKILL');
      removeDirectory(started.directory);
      throw error;
    }
    return new RunningServer(name, variant, started, performance.now() - begin);
  }

  async stop(): Promise<void> {
    const gone = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
      const late = setTimeout(() => {
        console.error(`${this.name} has not stopped within ${STOP_MILLIS_MAX / 1000} s and is killed`);
        this.#child.kill('SIGKILL');
      }, STOP_MILLIS_MAX);
      await gone;
      clearTimeout(late);
    }
    running.delete(this);
    removeDirectory(this.#directory);
  }

  /** Last resort when this process ends: nothing asynchronous runs any more. */
  abandon(): void {
    this.#child.kill('SIGKILL');
    removeDirectory(this.#directory);
  }

  /** Resident memory in bytes, and the most it ever was. */
  residentBytes(): { readonly now: number; readonly peak: number } {
    return { now: this.#statusField('VmRSS') * 1024, peak: this.#statusField('VmHWM') * 1024 };
  }

  threadsCount(): number {
    return this.#statusField('Threads');
  }

  #statusField(name: string): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1]);
  }

  cpu(): CpuReading {
    return readCpu(this.pid);
  }
}

/** Runs `use` with a fresh server and stops the server whatever happens. */
export async function withServer<T>(
  variant: Variant,
  options: StartOptions,
  use: (server: RunningServer) => Promise<T>,
): Promise<T> {
  const server = await RunningServer.start(variant, variant, options);
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

/** Fields of INFO by name. */
export async function readInfo(
  connection: RespConnection,
  section = 'everything',
): Promise<Map<string, string>> {
  const text = await connection.command('INFO', section);
  const lines = text.split('\r\n').filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

/** A forked child of a Redis that was stopped may still write its file there. */
function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

interface StartedProcess {
  readonly child: ChildProcess;
  readonly port: number;
  readonly directory: string;
  /** Last output, for the message when it does not start. */
  readonly output: { text: string };
}

function spawnServer(variant: Variant, port: number, options: StartOptions): StartedProcess {
  const directory = mkdtempSync(join(tmpdir(), 'redis-bench-'));
  const shared = [...SHARED_OPTIONS, '--port', `${port}`, '--dir', directory];
  const [program, ...args] = [...VARIANTS[variant], ...shared, ...(options.extra ?? [])];
  const limited =
    options.openFilesMax === undefined
      ? { program, args }
      : // `exec` keeps the process id, so that the server's figures are not the shell's.
        {
          program: 'sh',
          args: ['-c', 'ulimit -n "$0" && exec "$@"', `${options.openFilesMax}`, program, ...args],
        };

  const child = spawn(limited.program, limited.args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { text: '' };
  const keep = (chunk: Buffer): void => {
    output.text = (output.text + chunk.toString()).slice(-4000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.on('error', (error) => keep(Buffer.from(error.message)));
  return { child, port, directory, output };
}

async function firstPong(variant: Variant, started: StartedProcess, begin: number): Promise<void> {
  for (;;) {
    try {
      const connection = await RespConnection.open(started.port);
      await connection.command('PING');
      connection.close();
      return;
    } catch {
      const ended = started.child.exitCode !== null || started.child.signalCode !== null;
      if (ended || started.child.pid === undefined || performance.now() - begin > START_MILLIS_MAX) {
        throw new StartFailure(variant, started);
      }
      await sleep(POLL_MILLIS);
    }
  }
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

/** CPU time of a process at one moment. */
export interface CpuReading {
  /** User and system time of all threads, ended ones too, in steps of a clock tick (10 ms). */
  readonly tickMicros: number;
  /** Time on a CPU by thread, exact to the nanosecond; undefined where the kernel does not count it. */
  readonly threadMicros: ReadonlyMap<string, number> | undefined;
}

/** User and system time between two readings, in microseconds. */
export function cpuMicrosBetween(before: CpuReading, after: CpuReading): number {
  const coarse = after.tickMicros - before.tickMicros;
  if (before.threadMicros === undefined || after.threadMicros === undefined) return coarse;
  let fine = 0;
  for (const [thread, micros] of after.threadMicros) fine += micros - (before.threadMicros.get(thread) ?? 0);

  // Threads that ended in between have taken their own count along; only the coarse figure still has them.
  const roundingMicros = 50_000;
  return coarse > fine + roundingMicros ? coarse : fine;
}

export function readCpu(pid: number): CpuReading {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold blanks: fields are counted behind it (proc(5): utime is 14, stime 15).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { tickMicros: (ticks * 1e6) / CLOCK_TICKS_PER_SECOND, threadMicros: readThreads(pid) };
}

function readThreads(pid: number): Map<string, number> | undefined {
  const threads = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8');
      threads.set(thread, Number(text.split(' ', 1)[0]) / 1000);
    } catch {
      // Ended between the listing and the read, or the kernel has no such file.
    }
  }
  return threads.size === 0 ? undefined : threads;
}
