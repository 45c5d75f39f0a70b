/** The thread that finds out whether addresses can be listened on, for who cannot wait otherwise. */
import { createServer } from 'node:net';
import { workerData } from 'node:worker_threads';
import { resolveNames, tcpAddresses } from './bind-addresses.ts';
import type { ListenAddress } from './bind-addresses.ts';
import type { ProbeAnswer, ProbeRequest, ProbeSettings, Tried } from './listen-probe.ts';

async function answer(request: ProbeRequest): Promise<ProbeAnswer | string> {
  const bind = await resolveNames(request.bind);
  if (typeof bind === 'string') return bind;
  const tried: Tried[][] = [];
  for (const port of request.ports) {
    const ofPort: Tried[] = [];
    for (const wanted of tcpAddresses(bind, port))
      ofPort.push({ wanted, errno: await tryToListen(wanted, request.backlog) });
    tried.push(ofPort);
  }
  return { bind, tried };
}

function tryToListen({ address }: ListenAddress, backlog: number): Promise<number> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(-(error.errno ?? -1)));
    server.listen({ ...address, backlog, ipv6Only: true }, () => server.close(() => resolve(0)));
  });
}

const { request, port, answered } = workerData as ProbeSettings;
port.postMessage(await answer(request));
Atomics.store(answered, 0, 1);
Atomics.notify(answered, 0);
port.close();
