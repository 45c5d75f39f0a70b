/** What `doctor` looks at on this machine. Reading it changes nothing but a file that is removed again. */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { openLibc } from './system/libc.ts';

/** Each is undefined where this system does not tell. */
export interface MachineFacts {
  readonly platform: string;
  readonly nodeVersion: string;
  readonly cores: number;
  readonly hasFfi: boolean;
  /** Whether memory can be shared by threads and waited on. */
  readonly hasSharedMemory: boolean;
  readonly openFilesMax: number | undefined;
  /** vm.overcommit_memory: 0 = guess, 1 = always, 2 = never more than there is. */
  readonly overcommit: number | undefined;
  /** `always`, `madvise` or `never`. */
  readonly hugePages: string | undefined;
  readonly backlogMax: number | undefined;
  /** Of the machine, or of the container when it gets less. */
  readonly memoryBytes: number;
  readonly availableBytes: number | undefined;
  readonly directory: DirectoryFacts;
}

export interface DirectoryFacts {
  readonly path: string;
  /** Why nothing can be written there; undefined when that works. */
  readonly problem: string | undefined;
  /** The slowest and the middle of several waits for the disk. */
  readonly syncMillis: { readonly median: number; readonly longest: number } | undefined;
  readonly freeBytes: number | undefined;
}

const SYNC_TRIALS = 9;
/** About what a few commands put into the append-only file. */
const TRIAL_BYTES = 512;

export function readMachineFacts(directory: string): MachineFacts {
  const cgroupBytes = readNumber('/sys/fs/cgroup/memory.max');
  return {
    platform: process.platform,
    nodeVersion: process.versions.node,
    cores: availableParallelism(),
    hasFfi: openLibc() !== undefined,
    hasSharedMemory: typeof SharedArrayBuffer === 'function' && typeof Atomics.wait === 'function',
    openFilesMax: openFilesMax(),
    overcommit: readNumber('/proc/sys/vm/overcommit_memory'),
    hugePages: /\[(\w+)\]/.exec(readText('/sys/kernel/mm/transparent_hugepage/enabled'))?.[1],
    backlogMax: readNumber('/proc/sys/net/core/somaxconn'),
    memoryBytes: Math.min(totalmem(), cgroupBytes ?? Infinity),
    availableBytes: availableBytes(),
    directory: directoryFacts(resolve(directory)),
  };
}

/** The hard limit: the server raises its own up to there. */
function openFilesMax(): number | undefined {
  const limit = /^Max open files\s+\S+\s+(\S+)/m.exec(readText('/proc/self/limits'))?.[1];
  if (limit === undefined) return undefined;
  return limit === 'unlimited' ? Infinity : Number(limit);
}

function availableBytes(): number | undefined {
  const kibibytes = /^MemAvailable:\s+(\d+) kB/m.exec(readText('/proc/meminfo'))?.[1];
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
}

/** A directory that is not there yet is made by the server: what counts is the one above it. */
export function directoryFacts(path: string): DirectoryFacts {
  let existing = path;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  const trial = join(existing, `.doctor-${process.pid}.tmp`);
  const facts = { path, problem: undefined, syncMillis: undefined, freeBytes: freeBytes(existing) };
  try {
    return { ...facts, syncMillis: trySync(trial) };
  } catch (error) {
    return { ...facts, problem: error instanceof Error ? error.message : String(error) };
  }
}

function trySync(path: string): { readonly median: number; readonly longest: number } {
  const descriptor = openSync(path, 'wx', 0o600);
  try {
    const times: number[] = [];
    const bytes = Buffer.alloc(TRIAL_BYTES);
    for (let i = 0; i < SYNC_TRIALS; i++) {
      writeSync(descriptor, bytes);
      const start = performance.now();
      fdatasyncSync(descriptor);
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    return { median: times[Math.floor(SYNC_TRIALS / 2)]!, longest: times.at(-1)! };
  } finally {
    closeSync(descriptor);
    rmSync(path, { force: true });
  }
}

function freeBytes(path: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

function readNumber(path: string): number | undefined {
  const text = readText(path).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
