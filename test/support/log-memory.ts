/** Shared memory for the writer of an append-only file, where a test has no server. */
import { SharedLog } from '../../src/persistence/aof-writer-shared.ts';
import { Allocator } from '../../src/memory/allocator.ts';
import { Arena } from '../../src/memory/arena.ts';
import { CONTROL_LOG_MUTEX, CONTROL_MUTEX, CONTROL_ROOT_LOG } from '../../src/memory/control-block.ts';
import { MUTEX_WORDS, Mutex } from '../../src/memory/mutex.ts';

const THREAD_NUMBER = 1;

/** Making an arena takes milliseconds, and each log leaves its buffers in it. */
const LOGS_PER_ARENA = 200;

let allocator: Allocator | undefined;
let logCount = 0;

/** As after the start of a process: what an earlier writer of this test had in memory is gone. */
export function logMemory(): { readonly allocator: Allocator; readonly store: Mutex } {
  if (logCount++ % LOGS_PER_ARENA === 0) {
    allocator?.arena.close();
    allocator = undefined;
  }
  allocator ??= new Allocator(Arena.create());
  const { control } = allocator.arena;
  control[CONTROL_ROOT_LOG] = 0;
  control.fill(0, CONTROL_LOG_MUTEX, CONTROL_LOG_MUTEX + MUTEX_WORDS);
  return { allocator, store: new Mutex(control, CONTROL_MUTEX, THREAD_NUMBER) };
}

export function newSharedLog(): SharedLog {
  return new SharedLog(logMemory().allocator, THREAD_NUMBER);
}

/** A copy of what is encoded and not written. */
export function pendingBytes({ pending }: SharedLog): Buffer {
  return Buffer.from(pending.bytes.slice(pending.start, pending.end));
}
