/** A thread of the load: its clients, each with a connection and a batch that it sends again and again. */
import { connect, type Socket } from 'node:net';
import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import type { LoadCommand, LoadOrder, LoadReport, LoadRun, LoadThreadData } from './load.ts';
import { CommandTemplate, encodeCommand, ReplyCounter } from './resp.ts';

interface WeightedTemplate {
  readonly template: CommandTemplate;
  /** It is taken by random numbers in [0, 1) below this that no earlier one has taken. */
  readonly below: number;
}

function weightedTemplates(commands: readonly LoadCommand[], valueBytes: number): WeightedTemplate[] {
  const value = 'x'.repeat(valueBytes);
  const total = commands.reduce((sum, { weight }) => sum + weight, 0);
  let below = 0;
  return commands.map(({ name, keyPrefix, hasValue, weight }) => {
    below += weight / total;
    return { template: new CommandTemplate(name, { keyPrefix, ...(hasValue ? { value } : {}) }), below };
  });
}

/** What the clients of a thread share while a run lasts. */
class RunState {
  readonly histogram: RecordableHistogram = createHistogram();
  readonly batchBytes: number;
  readonly #run: LoadRun;
  readonly #templates: readonly WeightedTemplate[];
  readonly #deadlineMillis: number;
  #unsentCount: number;

  constructor(run: LoadRun) {
    this.#run = run;
    this.#templates = weightedTemplates(run.commands, run.valueBytes);
    this.#unsentCount = run.requestsMax ?? Infinity;
    this.#deadlineMillis = performance.now() + (run.millisMax ?? Infinity);
    this.batchBytes = run.pipeline * Math.max(...this.#templates.map(({ template }) => template.byteLength));
  }

  /** How many commands the next batch has; 0 when the run is over. */
  takeBatch(): number {
    if (performance.now() >= this.#deadlineMillis) return 0;
    const count = Math.min(this.#run.pipeline, this.#unsentCount);
    this.#unsentCount -= count;
    return count;
  }

  /** Writes that many commands and returns the offset behind them. */
  writeBatch(into: Buffer, count: number): number {
    let offset = 0;
    for (let left = count; left > 0; left--) {
      offset = this.#pick().write(into, offset, Math.floor(Math.random() * this.#run.keysCount));
    }
    return offset;
  }

  #pick(): CommandTemplate {
    const first = this.#templates[0];
    if (first === undefined) throw new Error('a load without commands');
    if (this.#templates.length === 1) return first.template;
    const random = Math.random();
    return (this.#templates.find(({ below }) => random < below) ?? first).template;
  }
}

class LoadClient {
  readonly #socket: Socket;
  readonly #counter = new ReplyCounter();
  #batch = Buffer.alloc(0);
  #run: RunState | undefined;
  #inFlightCount = 0;
  #answeredCount = 0;
  #sentAt = 0n;
  #onDone: (answeredCount: number) => void = () => undefined;

  private constructor(socket: Socket, onFailure: (error: Error) => void) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', onFailure);
    socket.on('close', () => onFailure(new Error('the server closed a connection')));
    socket.on('data', (chunk: Buffer) => {
      try {
        this.#receive(chunk);
      } catch (error) {
        onFailure(error as Error);
      }
    });
  }

  /** Connects, and waits for the answer to a PING: a server may have set up nothing before that. */
  static async connect(port: number, onFailure: (error: Error) => void): Promise<LoadClient> {
    const client = new LoadClient(connect(port, '127.0.0.1'), onFailure);
    await new Promise<void>((resolve) => {
      client.#inFlightCount = 1;
      client.#onDone = () => resolve();
      client.#socket.write(encodeCommand(['PING']));
    });
    return client;
  }

  /** Sends batch after batch until the run gives out no more; the number of answers. */
  run(run: RunState): Promise<number> {
    if (this.#batch.length < run.batchBytes) this.#batch = Buffer.alloc(run.batchBytes);
    this.#run = run;
    this.#answeredCount = 0;
    return new Promise((resolve) => {
      this.#onDone = resolve;
      this.#sendBatch(run);
    });
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #sendBatch(run: RunState): void {
    this.#inFlightCount = run.takeBatch();
    if (this.#inFlightCount === 0) {
      this.#run = undefined;
      this.#onDone(this.#answeredCount);
      return;
    }
    const end = run.writeBatch(this.#batch, this.#inFlightCount);
    this.#sentAt = process.hrtime.bigint();
    // The buffer may be used again when the server has answered, so has read, all of it.
    this.#socket.write(this.#batch.subarray(0, end));
  }

  #receive(chunk: Buffer): void {
    const count = this.#counter.feed(chunk);
    this.#inFlightCount -= count;
    this.#answeredCount += count;
    if (this.#inFlightCount > 0) return;
    if (this.#run === undefined) return this.#onDone(this.#answeredCount);
    this.#run.histogram.record(process.hrtime.bigint() - this.#sentAt);
    this.#sendBatch(this.#run);
  }
}

function report(message: LoadReport): void {
  parentPort?.postMessage(message);
}

async function runAll(clients: readonly LoadClient[], run: LoadRun): Promise<void> {
  const state = new RunState(run);
  const begin = performance.now();
  const counts = await Promise.all(clients.map((client) => client.run(state)));
  const seconds = (performance.now() - begin) / 1000;
  report({
    kind: 'ran',
    requestsCount: counts.reduce((sum, count) => sum + count, 0),
    seconds,
    histogram: state.histogram,
  });
}

async function work({ port, clientsCount }: LoadThreadData): Promise<void> {
  let failure: Error | undefined;
  const fail = (error: Error): void => {
    if (failure === undefined) report({ kind: 'failed', message: error.message });
    failure ??= error;
  };

  const clients: LoadClient[] = [];
  parentPort?.on('message', (order: LoadOrder) => {
    if (order.kind === 'run') {
      // Said again: between two runs nobody listens.
      if (failure === undefined) void runAll(clients, order.run);
      else report({ kind: 'failed', message: failure.message });
      return;
    }
    for (const client of clients) client.close();
    // Connections on their way to a server that does not answer would hold the thread.
    process.exit();
  });
  // One after another: a server that starts a thread for each is not swamped.
  for (let index = 0; index < clientsCount && failure === undefined; index++) {
    clients.push(await LoadClient.connect(port, fail));
  }
  if (failure === undefined) report({ kind: 'connected' });
}

await work(workerData as LoadThreadData);
