/** MEMORY DOCTOR: what stands out in the memory figures (Redis 7.0 object.c, getMemoryDoctorReport). */
import { memoryOverhead } from './memory-overhead.ts';
import type { Ratio } from './memory-overhead.ts';
import type { MemoryFigures } from './services.ts';

/** With less in use, ratios mean nothing. */
const USED_BYTES_MIN = 5 * 1024 * 1024;
/** Overheads of fewer bytes are not worth a word. */
const OVERHEAD_BYTES_MIN = 10 * 1024 * 1024;
const CLIENT_BYTES_MAX = 200 * 1024;
/** What Node itself and the code loaded into it take: no issue, and nothing that anybody could change. */
const RUNTIME_BYTES = 150 * 1024 * 1024;

export function doctorReport(figures: MemoryFigures, clientCount: number): string {
  if (figures.used < USED_BYTES_MIN) {
    return (
      "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in " +
      'these conditions. Please, leave for your mission on Earth and fill it with some data. The new Sam ' +
      'and I will be back to our programming as soon as I finished rebooting.\n'
    );
  }
  const issues = findIssues(figures, clientCount);
  if (issues.length === 0) {
    return (
      "Hi Sam, I can't find any memory issue in your instance. " +
      'I can only account for what occurs on this base.\n'
    );
  }
  return (
    'Sam, I detected a few issues in this Redis instance memory implants:\n\n' +
    issues.map((issue) => ` * ${issue}\n\n`).join('') +
    "I'm here to keep you safe, Sam. I want to help you.\n"
  );
}

/** The advice is of this server's allocator, not of jemalloc. */
function findIssues(figures: MemoryFigures, clientCount: number): string[] {
  const resident = Math.max(figures.allocatorResident, figures.resident - RUNTIME_BYTES);
  const overhead = memoryOverhead({ ...figures, resident }, 0);
  const issues: string[] = [];
  if (figures.peak / figures.used > 1.5) {
    issues.push(
      'Peak memory: In the past this instance used more than 150% of the memory that it is using now. ' +
        'Free memory goes back to the operating system in the background; MEMORY PURGE gives it back at ' +
        'once.',
    );
  }
  if (exceeds(overhead.fragmentation, 1.4)) {
    issues.push(
      'High total RSS: The resident set size of the process is more than 1.4 times the sum of its data. ' +
        'The entries below say where it is; after a peak of memory use it is harmless.',
    );
  }
  if (exceeds(overhead.allocatorFragmentation, 1.1)) {
    issues.push(
      'High allocator fragmentation: Spans of the arena hold many free blocks between live ones. New ' +
        'values of the same sizes will use them.',
    );
  }
  if (exceeds(overhead.allocatorResident, 1.1)) {
    issues.push(
      'High allocator RSS overhead: The arena keeps free pages that the operating system still backs. New ' +
        'values of any size will use them; MEMORY PURGE gives them back.',
    );
  }
  if (exceeds(overhead.processOverhead, 1.1)) {
    issues.push(
      'High process RSS overhead: The process has much memory outside of the arena: JavaScript heaps, one ' +
        'per thread, and buffers of connections.',
    );
  }
  if (clientCount > 0 && figures.clients / clientCount > CLIENT_BYTES_MAX) {
    issues.push(
      'Big client buffers: The clients use more than 200 KB each on average. Some of them may send long ' +
        'pipelines and not read the replies; see CLIENT LIST.',
    );
  }
  return issues;
}

function exceeds({ ratio, bytes }: Ratio, limit: number): boolean {
  return ratio > limit && bytes > OVERHEAD_BYTES_MIN;
}
