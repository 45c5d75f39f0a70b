/**
 * The main part of a comparison: every server in every setting. Servers take turns within each round, so that
 * whatever else the machine does hits all of them alike, and the clients of one count stay connected through
 * all settings that have it.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { BGREWRITEAOF, runJob } from './background-job.ts';
import type { Cell, Footprint, Gap, LockTime, ServerName, Setting } from './figures.ts';
import { PERCENTS } from './figures.ts';
import { LoadClients, type LoadCommand, type LoadFigures } from './load.ts';
import type { CompareOptions } from './options.ts';
import { fillKeys, RespConnection } from './resp.ts';
import { cpuMicrosBetween, readInfo, RunningServer } from './servers.ts';
import { median } from './statistics.ts';
import type { ProgressBar } from './terminal.ts';

const NANOS_PER_MILLI = 1e6;
/** A server that has just started is warmed by a few clients with as much as this many would send. */
const WARM_CLIENTS = 4;
const WARM_CLIENTS_WORTH = 50;
const WARM_PIPELINES = [16, 1];
/** Connecting and warming up take about this long, for the progress bar. */
const WARM_MILLIS = 1000;
/** Between runs the file is rewritten when it has grown to this. */
const LOG_BYTES_MAX = 256 * 1024 * 1024;

export interface GridFigures {
  readonly cells: Cell[];
  readonly footprints: Footprint[];
  readonly gaps: Gap[];
}

/** A server, its clients of the moment, and whether it is still in the race. */
interface Participant {
  readonly name: ServerName;
  readonly server: RunningServer;
  clients: LoadClients | undefined;
  hasFailed: boolean;
}

/** One run; CPU and lock by command. */
interface Round {
  readonly load: LoadFigures;
  readonly cpuMicros: number;
  readonly lock: LockTime | undefined;
}

/** What stays the same while a set of servers lives. */
type Stage = Pick<Setting, 'log' | 'valueBytes'>;

/** How long all runs take together, for the progress bar; `serversCount` of them are measured. */
export function gridMillis(options: CompareOptions, serversCount: number): number {
  const { logs, valueBytes, clients, readsPercents, pipelines, roundsCount, cellMillis } = options;
  const perCount = WARM_MILLIS + readsPercents.length * pipelines.length * roundsCount * cellMillis;
  return logs.length * valueBytes.length * (WARM_MILLIS + clients.length * perCount) * serversCount;
}

export async function measureGrid(
  names: readonly ServerName[],
  options: CompareOptions,
  bar: ProgressBar,
): Promise<GridFigures> {
  const figures: GridFigures = { cells: [], footprints: [], gaps: [] };
  for (const log of options.logs) {
    for (const valueBytes of options.valueBytes) {
      await new Grid(options, { log, valueBytes }, figures, bar).measure(names);
    }
  }
  return figures;
}

/** All settings that fresh servers with the same log and the same size of values go through. */
class Grid {
  readonly #options: CompareOptions;
  readonly #stage: Stage;
  readonly #figures: GridFigures;
  readonly #bar: ProgressBar;
  readonly #participants: Participant[] = [];

  constructor(options: CompareOptions, stage: Stage, figures: GridFigures, bar: ProgressBar) {
    this.#options = options;
    this.#stage = stage;
    this.#figures = figures;
    this.#bar = bar;
  }

  async measure(names: readonly ServerName[]): Promise<void> {
    try {
      for (const name of names) await this.#start(name);
      for (const clients of this.#options.clients) await this.#measureClients(clients);
    } finally {
      for (const participant of this.#participants) {
        await participant.clients?.close();
        await participant.server.stop();
      }
    }
  }

  async #start(name: ServerName): Promise<void> {
    const { log, valueBytes } = this.#stage;
    this.#bar.show(`starting ${name}`);
    const extra =
      log === 'off'
        ? []
        : ['--appendonly', 'yes', '--appendfsync', log, '--auto-aof-rewrite-percentage', '0'];
    const server = await RunningServer.start(name, name, { extra });
    const participant: Participant = { name, server, clients: undefined, hasFailed: false };
    this.#participants.push(participant);
    await this.#attempt(participant, 'filling', async () => {
      const connection = await RespConnection.open(server.port);
      await fillKeys(connection, { count: this.#options.keysCount, valueBytes });
      connection.close();
      await this.#warm(server);
      this.#noteFootprint(participant, 0);
    });
    this.#bar.advance(WARM_MILLIS);
  }

  /** The server of interest is one that has been up for a while, with its code compiled. */
  async #warm(server: RunningServer): Promise<void> {
    const clients = await LoadClients.open(server.port, WARM_CLIENTS, 1);
    try {
      await this.#warmClients(clients, WARM_CLIENTS_WORTH);
    } finally {
      await clients.close();
    }
  }

  /** Both with and without pipelining: they do not run the same code. */
  async #warmClients(clients: LoadClients, clientsCount: number): Promise<void> {
    const { keysCount, readsPercents, warmCommandsCount, warmMillisMax } = this.#options;
    for (const pipeline of WARM_PIPELINES) {
      await clients.run({
        commands: commandsOf(readsPercents[0] ?? 50),
        pipeline,
        valueBytes: this.#stage.valueBytes,
        keysCount,
        requestsMax: (clientsCount * warmCommandsCount) / WARM_PIPELINES.length,
        millisMax: warmMillisMax / WARM_PIPELINES.length,
      });
    }
  }

  async #measureClients(clients: number): Promise<void> {
    const { readsPercents, pipelines } = this.#options;
    for (const participant of this.#participants) await this.#connect(participant, clients);
    for (const readsPercent of readsPercents) {
      for (const pipeline of pipelines) {
        await this.#measureSetting({ ...this.#stage, clients, readsPercent, pipeline });
      }
    }
    for (const participant of this.#participants) {
      if (participant.clients !== undefined) this.#noteFootprint(participant, clients);
      await participant.clients?.close();
      participant.clients = undefined;
    }
  }

  /** Connects the clients, and lets both sides work until their code is compiled. */
  async #connect(participant: Participant, count: number): Promise<void> {
    this.#bar.show(`${participant.name}: ${count} clients connect and warm up`);
    await this.#attempt(participant, `${count} clients`, async () => {
      const { port } = participant.server;
      participant.clients = await LoadClients.open(port, count, this.#options.loadThreadsCount);
      await this.#warmClients(participant.clients, count);
    });
    this.#bar.advance(WARM_MILLIS);
  }

  async #measureSetting(setting: Setting): Promise<void> {
    const runs = this.#participants.map((participant) => ({
      participant,
      rounds: [] as Round[],
    }));
    for (let round = 0; round < this.#options.roundsCount; round++) {
      // Who goes first changes, so that nobody always follows the same neighbour.
      const turn = round % Math.max(1, runs.length);
      for (const { participant, rounds } of [...runs.slice(turn), ...runs.slice(0, turn)]) {
        this.#bar.show(`${participant.name}: ${describeSetting(setting)}`);
        await this.#attempt(participant, describeSetting(setting), async () => {
          const { clients, server } = participant;
          if (clients === undefined) return;
          const lockBefore = await readLockTime(server);
          const before = server.cpu();
          const load = await this.#run(clients, setting, this.#options.cellMillis);
          const cpuMicros = cpuMicrosBetween(before, server.cpu()) / load.requestsCount;
          const lock = lockTimeBetween(lockBefore, await readLockTime(server), load.requestsCount);
          rounds.push({ load, cpuMicros, lock });
          await keepLogShort(server, setting);
        });
        this.#bar.advance(this.#options.cellMillis);
      }
    }

    for (const { participant, rounds } of runs) {
      if (rounds.length === 0) continue;
      const locks = rounds.flatMap(({ lock }) => (lock === undefined ? [] : [lock]));
      this.#figures.cells.push({
        server: participant.name,
        ...setting,
        requestsPerSecond: median(rounds.map(({ load }) => load.requestsPerSecond)),
        cpuMicros: median(rounds.map(({ cpuMicros }) => cpuMicros)),
        ...(locks.length > 0 && { lock: medianLockTime(locks) }),
        latencyMillis: latencies(rounds.map(({ load }) => load.histogram)),
        loadBusyShare: median(rounds.map(({ load }) => load.busyShare)),
      });
    }
  }

  async #run(clients: LoadClients, setting: Setting, millisMax: number): Promise<LoadFigures> {
    return clients.run({
      commands: commandsOf(setting.readsPercent),
      pipeline: setting.pipeline,
      valueBytes: setting.valueBytes,
      keysCount: this.#options.keysCount,
      millisMax,
    });
  }

  #noteFootprint({ name, server }: Participant, clients: number): void {
    const size = { residentBytes: server.residentBytes().now, threads: server.threadsCount() };
    this.#figures.footprints.push({ server: name, ...this.#stage, clients, ...size });
  }

  /** A server that fails is left out from there on; the others go on without it. */
  async #attempt(participant: Participant, what: string, act: () => Promise<void>): Promise<void> {
    if (participant.hasFailed) return;
    try {
      await act();
    } catch (error) {
      participant.hasFailed = true;
      await participant.clients?.close();
      participant.clients = undefined;
      const { message } = error as Error;
      const stage = `${this.#stage.valueBytes} bytes, AOF ${this.#stage.log}`;
      this.#figures.gaps.push({ server: participant.name, what: `${what} (${stage})`, message });
    }
  }
}

export function describeSetting({ clients, pipeline, readsPercent, valueBytes, log }: Setting): string {
  const who = `${clients} client${clients === 1 ? '' : 's'}`;
  return `${who}, -P ${pipeline}, ${readsPercent} % GET, ${valueBytes} bytes, AOF ${log}`;
}

/** GET and SET in their shares. */
export function commandsOf(readsPercent: number): LoadCommand[] {
  const commands: LoadCommand[] = [
    { name: 'GET', keyPrefix: 'key:', hasValue: false, weight: readsPercent },
    { name: 'SET', keyPrefix: 'key:', hasValue: true, weight: 100 - readsPercent },
  ];
  return commands.filter(({ weight }) => weight > 0);
}

function latencies(histograms: readonly RecordableHistogram[]): number[] {
  const all = createHistogram();
  for (const histogram of histograms) all.add(histogram);
  return PERCENTS.map((percent) => (percent === 100 ? all.max : all.percentile(percent)) / NANOS_PER_MILLI);
}

/** What the server has counted since its start, in microseconds; undefined for one without a lock. */
async function readLockTime(server: RunningServer): Promise<LockTime | undefined> {
  const connection = await RespConnection.open(server.port);
  const stats = await readInfo(connection, 'stats');
  connection.close();
  const [held, waited] = [stats.get('lock_hold_usec'), stats.get('lock_wait_usec')];
  if (held === undefined || waited === undefined) return undefined;
  return { heldMicros: Number(held), waitedMicros: Number(waited) };
}

function lockTimeBetween(
  before: LockTime | undefined,
  after: LockTime | undefined,
  commandsCount: number,
): LockTime | undefined {
  if (before === undefined || after === undefined) return undefined;
  return {
    heldMicros: (after.heldMicros - before.heldMicros) / commandsCount,
    waitedMicros: (after.waitedMicros - before.waitedMicros) / commandsCount,
  };
}

function medianLockTime(locks: readonly LockTime[]): LockTime {
  return {
    heldMicros: median(locks.map(({ heldMicros }) => heldMicros)),
    waitedMicros: median(locks.map(({ waitedMicros }) => waitedMicros)),
  };
}

/** A full disk would be a finding about the disk. */
async function keepLogShort(server: RunningServer, { log }: Setting): Promise<void> {
  if (log === 'off') return;
  const connection = await RespConnection.open(server.port);
  const bytes = Number((await readInfo(connection, 'persistence')).get('aof_current_size'));
  if (bytes > LOG_BYTES_MAX) await runJob(server, connection, BGREWRITEAOF);
  connection.close();
}
