/**
 * The load generator for machines without redis-benchmark, and like it: every connection sends a batch of
 * `pipeline` commands with random keys and waits for all of its replies before it sends the next.
 */
import { connect } from 'node:net';
import { createHistogram } from 'node:perf_hooks';
import { type Load, type LoadResult, type TestName, workerAnswer, workerJob } from './load.ts';
import { CommandTemplate, ReplyCounter } from './resp.ts';

const NANOS_PER_MILLI = 1e6;

function templateOf(load: Load): CommandTemplate {
  const value = 'x'.repeat(load.valueBytes);
  const templates: Partial<Record<TestName, () => CommandTemplate>> = {
    get: () => new CommandTemplate('GET'),
    set: () => new CommandTemplate('SET', { value }),
    incr: () => new CommandTemplate('INCR', { keyPrefix: 'counter:' }),
    lpush: () => new CommandTemplate('LPUSH', { keyPrefix: 'list:', value }),
    sadd: () => new CommandTemplate('SADD', { keyPrefix: 'set:', value }),
  };
  const make = templates[load.test];
  if (make === undefined) throw new Error(`test ${load.test} needs redis-benchmark`);
  return make();
}

function runClients(load: Load): Promise<LoadResult> {
  const template = templateOf(load);
  const histogram = createHistogram();
  const begin = process.hrtime.bigint();
  let unsentCount = load.requestsCount;
  let unansweredCount = load.requestsCount;

  return new Promise((resolve, reject) => {
    const startClient = (): void => {
      const socket = connect(load.port, '127.0.0.1');
      const counter = new ReplyCounter();
      const batch = Buffer.alloc(template.byteLength * load.pipeline);
      for (let at = 0; at < load.pipeline; at++) template.write(batch, at * template.byteLength, 0);
      let inFlightCount = 0;
      let sentAt = 0n;

      const sendBatch = (): void => {
        inFlightCount = Math.min(load.pipeline, unsentCount);
        if (inFlightCount === 0) return void socket.end();
        unsentCount -= inFlightCount;
        for (let at = 0; at < inFlightCount; at++) {
          template.patch(batch, at * template.byteLength, Math.floor(Math.random() * load.keysCount));
        }
        sentAt = process.hrtime.bigint();
        socket.write(batch.subarray(0, inFlightCount * template.byteLength));
      };
      const receive = (chunk: Buffer): void => {
        const answered = counter.feed(chunk);
        inFlightCount -= answered;
        unansweredCount -= answered;
        if (inFlightCount > 0) return;
        histogram.record(process.hrtime.bigint() - sentAt);
        if (unansweredCount === 0) resolve(summarize());
        sendBatch();
      };

      socket.setNoDelay(true);
      socket.on('connect', sendBatch);
      socket.on('error', reject);
      socket.on('data', (chunk: Buffer) => {
        try {
          receive(chunk);
        } catch (error) {
          reject(error as Error);
        }
      });
    };

    const summarize = (): LoadResult => ({
      requestsPerSecond: (load.requestsCount * 1e9) / Number(process.hrtime.bigint() - begin),
      p50Millis: histogram.percentile(50) / NANOS_PER_MILLI,
      p99Millis: histogram.percentile(99) / NANOS_PER_MILLI,
      p999Millis: histogram.percentile(99.9) / NANOS_PER_MILLI,
      maxMillis: histogram.max / NANOS_PER_MILLI,
    });

    for (let client = 0; client < load.clientsCount; client++) startClient();
  });
}

const { job } = await workerJob<Load>();
workerAnswer(await runClients(job));
