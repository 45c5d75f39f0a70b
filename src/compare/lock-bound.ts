/**
 * What the lock of the store lets more cores bring. Everything but the time under the lock can go on side by
 * side: reading, parsing and sending. So if a command takes `cpuMicros` in all and `heldMicros` of it under
 * the lock, no number of cores answers more than one command per `heldMicros`, and n cores bring at most
 * min(n, cpuMicros / heldMicros) times what one core does (after Amdahl).
 *
 * It is a bound, not a forecast: handing the lock from core to core costs more the more of them want it. And
 * it is a careful one: a thread that loses its core while it holds the lock is counted as holding it.
 */
import type { Cell } from './figures.ts';

/** Machines that the bound is told for. */
export const BOUND_CORES = [8, 32] as const;

/** How much of a server's time per command passes under the lock: 0 to 1; undefined for a server without. */
export function lockedShare({ cpuMicros, lock }: Cell): number | undefined {
  if (lock === undefined || cpuMicros === 0) return undefined;
  return Math.min(1, lock.heldMicros / cpuMicros);
}

/** At most how many times the throughput of one core that many cores bring, with a thread for each. */
export function speedupMax(cell: Cell, cores: number): number | undefined {
  const share = lockedShare(cell);
  return share === undefined ? undefined : Math.min(cores, 1 / share);
}

/** Whether more than one thread serves the clients of that server, so that there is something to bound. */
export function isSharedByThreads({ server, lock }: Cell): boolean {
  return lock !== undefined && server !== 'eventloop';
}
