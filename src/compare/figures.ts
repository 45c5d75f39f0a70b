/** What a comparison yields: the content of `--json`, and of the report, which reads it in the browser. */
import type { Variant } from './servers.ts';

/** Servers that can be compared, in the order in which they are shown. */
export const SERVER_NAMES = ['eventloop', 'threaded', 'pool', 'redis'] as const satisfies readonly Variant[];

export type ServerName = (typeof SERVER_NAMES)[number];

/** Policies of the append-only file; `off` is none. */
export const LOG_POLICIES = ['off', 'everysec', 'always', 'no'] as const;

export type LogPolicy = (typeof LOG_POLICIES)[number];

/** What a server was given to do, but for who did it. */
export interface Setting {
  readonly log: LogPolicy;
  readonly valueBytes: number;
  /** Share of GET; the rest is SET. */
  readonly readsPercent: number;
  /** Commands that a client sends before it waits for replies. */
  readonly pipeline: number;
  readonly clients: number;
}

export interface Cell extends Setting {
  readonly server: ServerName;
  /** Median of the rounds. */
  readonly requestsPerSecond: number;
  /** CPU time of the whole server process, all threads, by command: median of the rounds. */
  readonly cpuMicros: number;
  /** Of all rounds together, at `PERCENTS`; a batch of `pipeline` commands is one sample. */
  readonly latencyMillis: readonly number[];
  /** By command, of all threads together: medians of the rounds. A server without a lock has none. */
  readonly lock?: LockTime;
  /** CPU time of the load as a share of what its threads can use at most: near 1, the load is the limit. */
  readonly loadBusyShare: number;
}

/** Time that passed under the lock of the store, and waiting for it. */
export interface LockTime {
  readonly heldMicros: number;
  readonly waitedMicros: number;
}

/** The percentiles that are kept of each latency; the last is the longest of all. */
export const PERCENTS = [50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 100] as const;

/** A server's size while clients are connected that have been working. */
export interface Footprint {
  readonly server: ServerName;
  readonly log: LogPolicy;
  readonly valueBytes: number;
  readonly clients: number;
  readonly residentBytes: number;
  readonly threads: number;
}

/** How long single commands waited under a load, alone and while the server saved over and over. */
export interface Pauses {
  readonly server: ServerName;
  readonly alone: WaitHistogram;
  readonly saving: WaitHistogram;
  /** How long each BGSAVE took. */
  readonly saveSeconds: readonly number[];
}

export interface WaitHistogram {
  /** Probes by the steps of `Comparison.waitStepsMicros`; the last count is of all longer ones. */
  readonly counts: readonly number[];
  readonly longestMillis: number;
  /** The longest that the prober itself was late: what the machine may have added. */
  readonly ownDelayMillis: number;
  readonly requestsPerSecond: number;
}

export interface ServerFacts {
  readonly name: ServerName;
  /** As in the charts. */
  readonly label: string;
  readonly version: string;
  /** The options that make it what it is. */
  readonly options: string;
  readonly architecture: string;
  /** Why it is in no chart. */
  readonly unavailable?: string;
}

/** Something that could not be measured of a server that otherwise was. */
export interface Gap {
  readonly server: ServerName;
  readonly what: string;
  readonly message: string;
}

export interface Comparison {
  readonly program: { readonly name: string; readonly version: string };
  readonly date: string;
  readonly quick: boolean;
  /** Whatever a figure depends on besides the code, by name. */
  readonly machine: Readonly<Record<string, string>>;
  readonly plan: {
    readonly rounds: number;
    readonly cellMillis: number;
    /** Commands of each client before it is measured, and the longest time for them. */
    readonly warmCommands: number;
    readonly warmMillisMax: number;
    readonly keys: number;
    readonly saveKeys: number;
    readonly loadThreads: number;
  };
  readonly servers: readonly ServerFacts[];
  readonly percents: readonly number[];
  readonly waitStepsMicros: readonly number[];
  readonly cells: readonly Cell[];
  readonly footprints: readonly Footprint[];
  readonly pauses: readonly Pauses[];
  readonly gaps: readonly Gap[];
}

/** The name of a server as it is shown. */
export function labelOf({ servers }: Pick<Comparison, 'servers'>, name: ServerName): string {
  return servers.find((server) => server.name === name)?.label ?? name;
}
