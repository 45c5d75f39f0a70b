/**
 * The figures that MEMORY STATS, MEMORY DOCTOR and INFO compute of a server's memory, all in bytes
 * (Redis 7.0 object.c, getMemoryOverheadData). Ratios and percentages have the precision of a C `float`, as
 * there.
 */
import type { MemoryFigures } from './services.ts';

export interface MemoryOverhead {
  /** What is in use but is no data: what the server used before there was any, and the hash tables. */
  readonly overhead: number;
  readonly dataset: number;
  /** The data's share in percent of what is used beyond the start. */
  readonly datasetPercentage: number;
  /** What is used now, in percent of the peak. */
  readonly peakPercentage: number;
  /** Whole bytes beyond the start, per key. */
  readonly bytesPerKey: number;
  /** Bytes of spans in use against those of live blocks in them. */
  readonly allocatorFragmentation: Ratio;
  /** Bytes that the allocator keeps backed against those of spans in use. */
  readonly allocatorResident: Ratio;
  /** The process against the allocator: code, JavaScript heaps, buffers. */
  readonly processOverhead: Ratio;
  /** The process against live blocks. */
  readonly fragmentation: Ratio;
}

/** Two amounts compared: how many times larger, and by how many bytes. */
export interface Ratio {
  readonly ratio: number;
  readonly bytes: number;
}

export function memoryOverhead(figures: MemoryFigures, keyCount: number): MemoryOverhead {
  const { used, startup, resident, allocatorActive, allocatorResident } = figures;
  // Clients are not in it: their buffers are in JavaScript heaps, which `used` does not count.
  let overhead = startup;
  for (const { main, expires } of figures.databases) overhead += main + expires;
  const dataset = Math.max(0, used - overhead);
  const beyondStart = Math.max(1, used - startup);
  return {
    overhead,
    dataset,
    datasetPercentage: Math.fround((dataset * 100) / beyondStart),
    peakPercentage: Math.fround((used * 100) / figures.peak),
    bytesPerKey: keyCount === 0 ? 0 : Math.floor(beyondStart / keyCount),
    allocatorFragmentation: compare(allocatorActive, used),
    allocatorResident: compare(allocatorResident, allocatorActive),
    processOverhead: compare(resident, allocatorResident),
    fragmentation: compare(resident, used),
  };
}

function compare(whole: number, part: number): Ratio {
  return { ratio: part === 0 ? 1 : Math.fround(whole / part), bytes: whole - part };
}
