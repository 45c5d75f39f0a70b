/**
 * How many client threads the operating system has room for. Linux lets a process have so many mappings of
 * memory (`vm.max_map_count`, usually 65,530), and V8 maps each thread's heap in pieces of 256 KiB. When
 * there are no more, V8 ends the whole process, with all its clients; so no more threads are started than
 * surely fit, and who comes then is told that there are too many clients.
 */
import { readFileSync } from 'node:fs';
import { publishConfig } from '../engine/config-sharing.ts';
import type { ThreadParts } from './thread-parts.ts';

/** Measured: 57 when a thread has started, 70 when it has worked. The rest is for large values. */
const MAPPINGS_PER_THREAD = 90;
/**
 * koffi maps a stack and a heap for each thread that loads libc, and does not unmap them when the thread ends
 * (koffi 3.3.4, InstanceData). After so many of them no more threads end: they are kept for the next clients.
 */
export const THREADS_RETIRED_MAX = 2000;
const MAPPINGS_PER_ENDED_THREAD = 3;
/** For the other threads, the libraries and the data. */
const OTHER_MAPPINGS = 4000;
const MAPPINGS_MAX_FILE = '/proc/sys/vm/max_map_count';

/** Lowers `max-threads` and `threads` to what the limit of mappings allows. */
export function limitThreads({ config, log, mutex, engine, allocator }: ThreadParts): void {
  const mappingsMax = readMappingsMax();
  const possible = threadsWithin(mappingsMax);
  for (const name of ['max-threads', 'threads'] as const) {
    const wanted = config.values[name];
    if (wanted <= possible) continue;
    log.warning(
      `${name} has been reduced from ${wanted} to ${possible}: ` +
        `vm.max_map_count is ${mappingsMax}, and a thread may take ${MAPPINGS_PER_THREAD} mappings.`,
    );
    config.assign(name, [String(possible)]);
    mutex.hold(() => engine.adoptVersion(publishConfig(allocator, config)));
  }
}

/** So many threads fit into that many mappings. */
export function threadsWithin(mappingsMax: number): number {
  const others = OTHER_MAPPINGS + THREADS_RETIRED_MAX * MAPPINGS_PER_ENDED_THREAD;
  return Math.max(1, Math.floor((mappingsMax - others) / MAPPINGS_PER_THREAD));
}

/** Infinity where there is no such limit. */
export function readMappingsMax(): number {
  try {
    return Number(readFileSync(MAPPINGS_MAX_FILE, 'latin1'));
  } catch {
    return Infinity;
  }
}
