/**
 * Clients that wait for overlapping keys while others push:
 *
 *     node dist/test/blocking/blocking.js --workers 1000 --producers 50 --mode threaded --threads 4
 *
 * Of clients with a thread each there can only be so many (src/servers/thread-limit.ts): 500 work anywhere.
 * Exits with 1 when an element is lost, delivered twice or out of order.
 */
import { parseArgs } from 'node:util';
import { startServer, type Transport } from '../support/server-process.ts';
import { queueWorkers } from './queue-workers.ts';

const USAGE = `node dist/test/blocking/blocking.js [options]
  --workers N       clients that wait (1000)
  --producers N     clients that push (50)
  --elements N      elements that each of these pushes (2000)
  --io epoll|node   transport (epoll)
  --mode NAME       eventloop or threaded (eventloop)
  --threads N       threads of a fixed pool, in threaded mode (0: one per client)
  --seed N          of the random choices`;

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '1000' },
    producers: { type: 'string', default: '50' },
    elements: { type: 'string', default: '2000' },
    io: { type: 'string', default: 'epoll' },
    mode: { type: 'string', default: 'eventloop' },
    threads: { type: 'string', default: '0' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 32) },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

const server = await startServer({
  io: values.io as Transport,
  mode: values.mode as 'eventloop' | 'threaded',
  args: ['--threads', values.threads, '--max-threads', '2000'],
});
try {
  console.log(`seed ${values.seed}`);
  await queueWorkers(server, {
    workerCount: Number(values.workers),
    producerCount: Number(values.producers),
    elementsPerProducer: Number(values.elements),
    seed: Number(values.seed),
  });
  console.log('every element was delivered once, in order');
} finally {
  await server.stop();
}
