/** A prober: single commands, one at a time, beside whatever else a server does, and how long they wait. */
import { setPriority } from 'node:os';
import type { ProbeJob, ProbeResult } from './prober.ts';
import { startWorker } from './worker-process.ts';

const INTERVAL_MILLIS = 1;
const PRIORITY = -10;

export interface Probe {
  /** Whether it goes before other processes: if not, long waits may be its own. */
  readonly isPreferred: boolean;
  /** Resolves when samples are being taken. */
  readonly ready: Promise<void>;
  /** Ends it; its samples. */
  readonly finish: () => Promise<ProbeResult>;
}

export function startProbe(port: number): Probe {
  const job: ProbeJob = { port, intervalMillis: INTERVAL_MILLIS };
  const prober = startWorker<ProbeJob, ProbeResult>(new URL('./prober.js', import.meta.url), job);
  return {
    isPreferred: prefer(prober.pid),
    ready: prober.ready,
    finish: () => {
      prober.finish();
      return prober.result;
    },
  };
}

/** With fewer cores than processes the prober would measure its own wait for a core. */
function prefer(pid: number): boolean {
  try {
    setPriority(pid, PRIORITY);
    return true;
  } catch {
    return false;
  }
}

/** All samples of a probe, in order of length. */
export function sortedMicros({ latencyMicros }: ProbeResult): number[] {
  return Object.values(latencyMicros)
    .flat()
    .sort((left, right) => left - right);
}
