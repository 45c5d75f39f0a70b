/**
 * The load: clients in threads of this process, which send batches of commands with random keys and wait for
 * all replies before the next batch, as redis-benchmark does. The clients stay connected from one run to the
 * next, so that a server which starts a thread per client starts it once.
 */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';

/** One of the commands of a load: its name, a key, and a value if it has one. */
export interface LoadCommand {
  readonly name: string;
  /** Twelve digits follow it. */
  readonly keyPrefix: string;
  readonly hasValue: boolean;
  /** Its part of the whole, beside the weights of the others. */
  readonly weight: number;
}

/** A run ends after so many requests or so much time, whichever comes first; one of them must be given. */
export interface LoadRun {
  readonly commands: readonly LoadCommand[];
  /** Commands per batch. */
  readonly pipeline: number;
  readonly valueBytes: number;
  /** Keys are drawn from this many. */
  readonly keysCount: number;
  readonly requestsMax?: number;
  readonly millisMax?: number;
}

export interface LoadFigures {
  readonly requestsCount: number;
  readonly requestsPerSecond: number;
  /** Nanoseconds from the sending of a batch to its last reply. */
  readonly histogram: RecordableHistogram;
  /** CPU time of the load as a share of what its threads can use at most: near 1, the load is the limit. */
  readonly busyShare: number;
}

export interface LoadThreadData {
  readonly port: number;
  readonly clientsCount: number;
}

export type LoadOrder = { readonly kind: 'run'; readonly run: LoadRun } | { readonly kind: 'close' };

export type LoadReport =
  | { readonly kind: 'connected' }
  | { readonly kind: 'failed'; readonly message: string }
  | {
      readonly kind: 'ran';
      readonly requestsCount: number;
      readonly seconds: number;
      readonly histogram: RecordableHistogram;
    };

/** A server that has not answered for so long will not. */
const ANSWER_MILLIS_MAX = 30_000;
const CONNECT_MILLIS_MAX = 300_000;

type Ran = Extract<LoadReport, { kind: 'ran' }>;

export class LoadClients {
  readonly #threads: readonly Worker[];

  private constructor(threads: readonly Worker[]) {
    this.#threads = threads;
  }

  /** Connects the clients; each has had a reply when this resolves. */
  static async open(port: number, clientsCount: number, threadsMax: number): Promise<LoadClients> {
    const count = Math.min(threadsMax, clientsCount);
    const threads = shares(clientsCount, count).map((part) => {
      const workerData: LoadThreadData = { port, clientsCount: part };
      return new Worker(new URL('./load-thread.js', import.meta.url), { workerData });
    });
    const clients = new LoadClients(threads);
    try {
      await Promise.all(threads.map((thread) => nextReport(thread, CONNECT_MILLIS_MAX)));
    } catch (error) {
      await clients.close();
      throw error;
    }
    return clients;
  }

  async run(run: LoadRun): Promise<LoadFigures> {
    const cpuBefore = process.cpuUsage();
    const perThread = shares(run.requestsMax ?? 0, this.#threads.length);
    const millisMax = run.millisMax === undefined ? undefined : run.millisMax + ANSWER_MILLIS_MAX;
    const reports = this.#threads.map((thread, index) => {
      const part = run.requestsMax === undefined ? {} : { requestsMax: perThread[index] ?? 0 };
      thread.postMessage({ kind: 'run', run: { ...run, ...part } } satisfies LoadOrder);
      return nextReport(thread, millisMax);
    });
    const ran = (await Promise.all(reports)).filter((report): report is Ran => report.kind === 'ran');

    const { user, system } = process.cpuUsage(cpuBefore);
    const seconds = Math.max(...ran.map((part) => part.seconds));

    const histogram = createHistogram();
    for (const part of ran) histogram.add(part.histogram);
    const requestsCount = ran.reduce((sum, part) => sum + part.requestsCount, 0);
    return {
      requestsCount,
      requestsPerSecond: requestsCount / seconds,
      histogram,
      busyShare: (user + system) / 1e6 / (seconds * this.#threads.length),
    };
  }

  async close(): Promise<void> {
    for (const thread of this.#threads) thread.postMessage({ kind: 'close' } satisfies LoadOrder);
    await Promise.all(this.#threads.map(ended));
  }
}

/** Cuts a whole number into nearly equal whole parts. */
export function shares(whole: number, partsCount: number): number[] {
  return Array.from(
    { length: partsCount },
    (_, index) => Math.floor((whole * (index + 1)) / partsCount) - Math.floor((whole * index) / partsCount),
  );
}

function nextReport(thread: Worker, millisMax: number | undefined): Promise<LoadReport> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      thread.off('message', onMessage);
      thread.off('error', onError);
      thread.off('exit', onExit);
      act();
    };
    const onMessage = (report: LoadReport): void =>
      settle(() => (report.kind === 'failed' ? reject(new Error(report.message)) : resolve(report)));
    const onError = (error: Error): void => settle(() => reject(error));
    const onExit = (): void => settle(() => reject(new Error('a thread of the load has ended')));
    const onTime = (): void => settle(() => reject(new Error(`no answer within ${millisMax} ms`)));
    const timer = millisMax === undefined ? undefined : setTimeout(onTime, millisMax);
    thread.on('message', onMessage);
    thread.on('error', onError);
    thread.on('exit', onExit);
  });
}

function ended(thread: Worker): Promise<void> {
  // A thread that is gone has no id any more and says nothing again.
  if (thread.threadId === -1) return Promise.resolve();
  return new Promise((resolve) => thread.once('exit', () => resolve()));
}
