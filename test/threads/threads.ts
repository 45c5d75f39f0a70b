/**
 * Clients come and go, and nothing of them is left behind:
 *
 *     node dist/test/threads/threads.js --clients 200 --rounds 100 --mode threaded
 *
 * Exits with 1 when threads, descriptors or memory are.
 */
import { parseArgs } from 'node:util';
import { startServer, type Transport } from '../support/server-process.ts';
import { comeAndGo } from './come-and-go.ts';

const USAGE = `node dist/test/threads/threads.js [options]
  --clients N       how many at a time (200)
  --rounds N        how often they come and go (100)
  --io epoll|node   transport (epoll)
  --mode NAME       eventloop or threaded (threaded)
  --threads N       threads of a fixed pool, in threaded mode (0: one per client)`;

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '200' },
    rounds: { type: 'string', default: '100' },
    io: { type: 'string', default: 'epoll' },
    mode: { type: 'string', default: 'threaded' },
    threads: { type: 'string', default: '0' },
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
  args: ['--threads', values.threads, '--max-threads', '1000'],
});
try {
  const [first, last] = await comeAndGo(server, {
    clientCount: Number(values.clients),
    roundCount: Number(values.rounds),
    onRound: (line) => console.log(line),
  });
  const grown = ((last.residentBytes - first.residentBytes) / 1024 / 1024).toFixed(1);
  console.log(`\nnothing is left behind; resident memory grew by ${grown} MiB`);
} finally {
  await server.stop();
}
